#include "store/secret.h"

#include "store/select.h"

#define COLUMNS                                                                                              \
    "SELECT domain, project, name, type, key_id, created_at, updated_at, wrapped, body FROM secret"
#define SCOPE " WHERE domain = $1 AND project = $2 AND name = $3"

MF_SQL(sql_insert,
       "INSERT INTO secret (domain, project, name, key_id, wrapped, body, type, created_at, updated_at) "
       "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT (domain, project, name) DO NOTHING");
MF_SQL(sql_update, "UPDATE secret SET key_id = $4, wrapped = $5, body = $6, "
                   "type = CASE WHEN $7 = 0 THEN type ELSE $7 END, updated_at = $8" SCOPE);
MF_SQL(sql_delete, "DELETE FROM secret" SCOPE);
MF_SQL(sql_get, COLUMNS SCOPE);
MF_SQL(sql_next_key, COLUMNS " WHERE key_id > $1 ORDER BY key_id LIMIT 1");
MF_SQL(sql_stale, COLUMNS " WHERE key_id <> $1 LIMIT $2");
MF_SQL(sql_rewrap, "UPDATE secret SET key_id = $4, wrapped = $5" SCOPE);

static void bind_id(struct mf_stmt *stmt, const struct mf_secret_id *id)
{
    mf_bind_text(stmt, 1, id->domain);
    mf_bind_text(stmt, 2, id->project);
    mf_bind_text(stmt, 3, id->name);
}

static enum mf_code write_row(struct mf_db *db, const struct mf_sql *sql, const struct mf_secret_row *row,
                              int64_t now_ns, int64_t *changed, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, sql, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_id(stmt, &row->id);
    mf_bind_text(stmt, 4, row->key_id);
    mf_bind_blob(stmt, 5, row->wrapped);
    mf_bind_blob(stmt, 6, row->body);
    mf_bind_int(stmt, 7, row->type);
    mf_bind_int(stmt, 8, now_ns);
    code = mf_stmt_run(stmt, changed, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_secret_insert(struct mf_db *db, const struct mf_secret_row *row, struct mf_error *err)
{
    int64_t changed = 0;
    enum mf_code code = write_row(db, &sql_insert, row, row->created_at, &changed, err);
    return code == MF_OK && changed == 0 ? mf_fail(err, MF_ALREADY_EXISTS, "the secret already exists")
                                         : code;
}

enum mf_code mf_secret_update(struct mf_db *db, const struct mf_secret_row *row, struct mf_error *err)
{
    int64_t changed = 0;
    enum mf_code code = write_row(db, &sql_update, row, row->updated_at, &changed, err);
    return code == MF_OK && changed == 0 ? mf_fail(err, MF_NOT_FOUND, "the secret is not there") : code;
}

enum mf_code mf_secret_delete(struct mf_db *db, const struct mf_secret_id *id, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    int64_t changed = 0;
    enum mf_code code = mf_db_query(db, &sql_delete, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_id(stmt, id);
    code = mf_stmt_run(stmt, &changed, err);
    mf_stmt_done(stmt);
    return code == MF_OK && changed == 0 ? mf_fail(err, MF_NOT_FOUND, "the secret is not there") : code;
}

enum mf_code mf_secret_rewrap(struct mf_db *db, const struct mf_secret_row *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_rewrap, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_id(stmt, &row->id);
    mf_bind_text(stmt, 4, row->key_id);
    mf_bind_blob(stmt, 5, row->wrapped);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

static bool read_row(struct mf_stmt *stmt, struct mf_arena *arena, bool body, struct mf_secret_row *row)
{
    bool failed = false;
    *row = (struct mf_secret_row){
        .id = {.domain = mf_col_copy(stmt, 0, arena, &failed),
               .project = mf_col_copy(stmt, 1, arena, &failed),
               .name = mf_col_copy(stmt, 2, arena, &failed)},
        .type = (int32_t)mf_col_int(stmt, 3),
        .key_id = mf_col_copy(stmt, 4, arena, &failed),
        .created_at = mf_col_int(stmt, 5),
        .updated_at = mf_col_int(stmt, 6),
    };
    row->wrapped = mf_col_copy(stmt, 7, arena, &failed);
    row->body = body ? mf_col_copy(stmt, 8, arena, &failed) : MF_STR_EMPTY;
    return !failed;
}

enum mf_code mf_secret_get(struct mf_db *db, struct mf_arena *arena, const struct mf_secret_id *id,
                           struct mf_secret_row *out, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    enum mf_code code = mf_db_query(db, &sql_get, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_id(stmt, id);
    code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK && !row)
        code = mf_fail(err, MF_NOT_FOUND, "the secret is not there");
    else if (code == MF_OK && !read_row(stmt, arena, true, out))
        code = mf_fail_memory(err);
    mf_stmt_done(stmt);
    return code;
}

/* Visits the rows, less their bodies, of a statement that is bound, and ends it. */
static enum mf_code visit_rows(struct mf_stmt *stmt, struct mf_arena *arena,
                               bool (*visit)(void *ctx, const struct mf_secret_row *row), void *ctx,
                               struct mf_error *err)
{
    enum mf_code code = MF_OK;
    bool more = true;
    while (code == MF_OK && more) {
        struct mf_secret_row row;
        code = mf_stmt_step(stmt, &more, err);
        if (code != MF_OK || !more)
            break;
        if (!read_row(stmt, arena, false, &row))
            code = mf_fail_memory(err);
        else
            more = visit(ctx, &row);
    }
    mf_stmt_done(stmt);
    return code;
}

static void append(struct mf_select *select, const char *sql, struct mf_str value)
{
    mf_select_sql(select, sql);
    mf_select_text(select, value);
}

/* Names only what the scope leaves open, so that the page is found in the index. */
static void continue_after(struct mf_select *select, const struct mf_secret_query *query)
{
    const struct mf_secret_id *after = query->after;
    if (query->project.len > 0) {
        append(select, " AND name > ", after->name);
        return;
    }
    if (query->domain.len > 0) {
        append(select, " AND (project, name) > (", after->project);
    } else {
        append(select, " AND (domain, project, name) > (", after->domain);
        append(select, ", ", after->project);
    }
    append(select, ", ", after->name);
    mf_select_sql(select, ")");
}

enum mf_code mf_secret_list(struct mf_db *db, struct mf_arena *arena, const struct mf_secret_query *query,
                            bool (*visit)(void *ctx, const struct mf_secret_row *row), void *ctx,
                            struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    struct mf_select *select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    mf_select_sql(select, COLUMNS " WHERE 1 = 1");
    if (query->domain.len > 0)
        append(select, " AND domain = ", query->domain);
    if (query->project.len > 0)
        append(select, " AND project = ", query->project);
    if (query->after)
        continue_after(select, query);
    mf_select_sql(select, " ORDER BY domain, project, name LIMIT ");
    mf_select_int(select, (int64_t)query->limit);
    enum mf_code code = mf_select_open(select, db, &stmt, err);
    if (code == MF_OK)
        return visit_rows(stmt, arena, visit, ctx, err);
    mf_stmt_done(stmt);
    return code;
}

struct first {
    struct mf_secret_row row;
    bool found;
};

static bool take_first(void *ctx, const struct mf_secret_row *row)
{
    struct first *first = ctx;
    first->row = *row;
    first->found = true;
    return false;
}

enum mf_code mf_secret_keys(struct mf_db *db, struct mf_arena *arena, size_t limit,
                            bool (*visit)(void *ctx, const struct mf_secret_row *row), void *ctx,
                            struct mf_error *err)
{
    struct first first = {.row = {.key_id = MF_STR_EMPTY}};
    enum mf_code code = MF_OK;
    for (size_t i = 0; i < limit && code == MF_OK; i++) {
        struct mf_stmt *stmt = NULL;
        code = mf_db_query(db, &sql_next_key, &stmt, err);
        if (code != MF_OK)
            break;
        mf_bind_text(stmt, 1, first.row.key_id);
        first.found = false;
        code = visit_rows(stmt, arena, take_first, &first, err);
        if (code != MF_OK || !first.found || !visit(ctx, &first.row))
            break;
    }
    return code;
}

enum mf_code mf_secret_stale(struct mf_db *db, struct mf_arena *arena, struct mf_str key_id, size_t limit,
                             bool (*visit)(void *ctx, const struct mf_secret_row *row), void *ctx,
                             struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_stale, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, key_id);
    mf_bind_int(stmt, 2, (int64_t)limit);
    return visit_rows(stmt, arena, visit, ctx, err);
}
