#include "store/task.h"

MF_SQL(sql_put,
       "INSERT INTO task (project, domain, name, version, environment, function_name, deployed_by, "
       "env_description, short_description, is_entrypoint, spec, created_at, updated_at) "
       "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
       "ON CONFLICT (project, domain, name, version) DO UPDATE SET environment = excluded.environment, "
       "function_name = excluded.function_name, deployed_by = excluded.deployed_by, "
       "env_description = excluded.env_description, short_description = excluded.short_description, "
       "is_entrypoint = excluded.is_entrypoint, spec = excluded.spec, updated_at = excluded.updated_at");

#define HEAD_COLUMNS                                                                                         \
    "t.project, t.domain, t.name, t.version, t.environment, t.function_name, t.deployed_by, "                \
    "t.env_description, t.short_description, t.is_entrypoint, t.created_at, t.updated_at"
MF_SQL(sql_get, "SELECT " HEAD_COLUMNS ", t.spec FROM task t "
                "WHERE t.project = $1 AND t.domain = $2 AND t.name = $3 AND t.version = $4");

/* The newest version of its task: no other was created later (the version decides between equals). */
#define NEWEST                                                                                               \
    "NOT EXISTS (SELECT 1 FROM task n WHERE n.project = t.project AND n.domain = t.domain "                  \
    "AND n.name = t.name AND (n.created_at, n.version) > (t.created_at, t.version))"

static const struct mf_field fields[] = {
    {"project", "t.project", MF_FIELD_TEXT},
    {"domain", "t.domain", MF_FIELD_TEXT},
    {"name", "t.name", MF_FIELD_TEXT},
    {"version", "t.version", MF_FIELD_TEXT},
    {"environment", "t.environment", MF_FIELD_TEXT},
    {"function_name", "t.function_name", MF_FIELD_TEXT},
    {"deployed_by", "t.deployed_by", MF_FIELD_TEXT},
    {"created_at", "t.created_at", MF_FIELD_TIME},
    {"updated_at", "t.updated_at", MF_FIELD_TIME},
    {"env_description", "t.env_description", MF_FIELD_TEXT},
    {"short_description", "t.short_description", MF_FIELD_TEXT},
    {"is_entrypoint", "t.is_entrypoint", MF_FIELD_BOOL},
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])

static const struct mf_field version_fields[] = {
    {"version", "t.version", MF_FIELD_TEXT},
    {"created_at", "t.created_at", MF_FIELD_TIME},
};
#define VERSION_FIELD_COUNT (sizeof version_fields / sizeof version_fields[0])

enum mf_code mf_task_put(struct mf_db *db, const struct mf_task_row *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_put, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, row->key.project);
    mf_bind_text(stmt, 2, row->key.domain);
    mf_bind_text(stmt, 3, row->key.name);
    mf_bind_text(stmt, 4, row->key.version);
    mf_bind_text(stmt, 5, row->environment);
    mf_bind_text(stmt, 6, row->function_name);
    mf_bind_text(stmt, 7, row->deployed_by);
    mf_bind_text(stmt, 8, row->env_description);
    mf_bind_text(stmt, 9, row->short_description);
    mf_bind_int(stmt, 10, row->is_entrypoint);
    mf_bind_blob(stmt, 11, row->spec);
    mf_bind_int(stmt, 12, row->created_at);
    mf_bind_int(stmt, 13, row->updated_at);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

static bool read_head(struct mf_stmt *stmt, struct mf_arena *arena, struct mf_task_row *row)
{
    bool failed = false;
    *row = (struct mf_task_row){0};
    row->key.project = mf_col_copy(stmt, 0, arena, &failed);
    row->key.domain = mf_col_copy(stmt, 1, arena, &failed);
    row->key.name = mf_col_copy(stmt, 2, arena, &failed);
    row->key.version = mf_col_copy(stmt, 3, arena, &failed);
    row->environment = mf_col_copy(stmt, 4, arena, &failed);
    row->function_name = mf_col_copy(stmt, 5, arena, &failed);
    row->deployed_by = mf_col_copy(stmt, 6, arena, &failed);
    row->env_description = mf_col_copy(stmt, 7, arena, &failed);
    row->short_description = mf_col_copy(stmt, 8, arena, &failed);
    row->is_entrypoint = mf_col_int(stmt, 9) != 0;
    row->created_at = mf_col_int(stmt, 10);
    row->updated_at = mf_col_int(stmt, 11);
    return !failed;
}

enum mf_code mf_task_get(struct mf_db *db, struct mf_arena *arena, const struct mf_task_key *key,
                         struct mf_task_row *out, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    bool failed = false;
    enum mf_code code = mf_db_query(db, &sql_get, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, key->project);
    mf_bind_text(stmt, 2, key->domain);
    mf_bind_text(stmt, 3, key->name);
    mf_bind_text(stmt, 4, key->version);
    code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK && !row) {
        code = mf_fail(err, MF_NOT_FOUND, "task not found: %.*s/%.*s/%.*s version %.*s", MF_FMT(key->project),
                       MF_FMT(key->domain), MF_FMT(key->name), MF_FMT(key->version));
    } else if (code == MF_OK) {
        failed = !read_head(stmt, arena, out);
        out->spec = mf_col_copy(stmt, 12, arena, &failed);
        if (failed)
            code = mf_fail_memory(err);
    }
    mf_stmt_done(stmt);
    return code;
}

static enum mf_code walk(struct mf_select *select, struct mf_db *db, struct mf_arena *arena,
                         mf_task_visit visit, void *ctx, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool more = true;
    enum mf_code code = mf_select_open(select, db, &stmt, err);
    while (code == MF_OK && more) {
        struct mf_task_row row;
        code = mf_stmt_step(stmt, &more, err);
        if (code != MF_OK || !more)
            break;
        if (!read_head(stmt, arena, &row))
            code = mf_fail_memory(err);
        else
            more = visit(ctx, &row);
    }
    mf_stmt_done(stmt);
    return code;
}

static void add_scope(struct mf_select *select, const struct mf_task_scope *scope)
{
    if (scope->project.len > 0) {
        mf_select_sql(select, " AND t.project = ");
        mf_select_text(select, scope->project);
    }
    if (scope->domain.len > 0) {
        mf_select_sql(select, " AND t.domain = ");
        mf_select_text(select, scope->domain);
    }
}

enum mf_code mf_task_list(struct mf_db *db, struct mf_arena *arena, const struct mf_task_scope *scope,
                          const struct mf_page *page, mf_task_visit visit, void *ctx, struct mf_error *err)
{
    static const char *const tie_break[] = {"t.project", "t.domain", "t.name", NULL};
    struct mf_select *select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    mf_select_sql(select, "SELECT " HEAD_COLUMNS " FROM task t WHERE " NEWEST);
    add_scope(select, scope);
    enum mf_code code = mf_select_filters(select, fields, FIELD_COUNT, page, err);
    if (code == MF_OK)
        code = mf_select_order(select, fields, FIELD_COUNT, page, "t.created_at DESC, t.name DESC", tie_break,
                               err);
    if (code != MF_OK)
        return code;
    mf_select_page(select, page);
    return walk(select, db, arena, visit, ctx, err);
}

enum mf_code mf_task_count(struct mf_db *db, struct mf_arena *arena, const struct mf_task_scope *scope,
                           const struct mf_page *page, int64_t *count, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    struct mf_select *select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    mf_select_sql(select, "SELECT count(*) FROM task t WHERE " NEWEST);
    add_scope(select, scope);
    enum mf_code code = mf_select_filters(select, fields, FIELD_COUNT, page, err);
    if (code == MF_OK)
        code = mf_select_open(select, db, &stmt, err);
    if (code == MF_OK)
        code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK)
        *count = row ? mf_col_int(stmt, 0) : 0;
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_task_versions(struct mf_db *db, struct mf_arena *arena, const struct mf_task_key *key,
                              const struct mf_page *page, mf_task_visit visit, void *ctx,
                              struct mf_error *err)
{
    static const char *const tie_break[] = {"t.version", NULL};
    struct mf_select *select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    mf_select_sql(select, "SELECT " HEAD_COLUMNS " FROM task t WHERE t.project = ");
    mf_select_text(select, key->project);
    mf_select_sql(select, " AND t.domain = ");
    mf_select_text(select, key->domain);
    mf_select_sql(select, " AND t.name = ");
    mf_select_text(select, key->name);
    enum mf_code code = mf_select_filters(select, version_fields, VERSION_FIELD_COUNT, page, err);
    if (code == MF_OK)
        code = mf_select_order(select, version_fields, VERSION_FIELD_COUNT, page,
                               "t.created_at DESC, t.version DESC", tie_break, err);
    if (code != MF_OK)
        return code;
    mf_select_page(select, page);
    return walk(select, db, arena, visit, ctx, err);
}
