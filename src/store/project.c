#include "store/project.h"

#include "store/order.h"

MF_SQL(sql_insert, "INSERT INTO project (id, name, description, labels, state, created_at, updated_at) "
                   "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING");
MF_SQL(sql_update, "UPDATE project SET name = $2, description = $3, labels = $4, state = $5, updated_at = $6 "
                   "WHERE id = $1");
#define COLUMNS "id, name, description, labels, state, created_at, updated_at"
#define COLUMN_COUNT 7
MF_SQL(sql_get, "SELECT " COLUMNS " FROM project WHERE id = $1");
MF_SQL(sql_state, "SELECT state FROM project WHERE id = $1");
MF_SQL(sql_exists, "SELECT 1 FROM project WHERE id = $1");

static const struct mf_field fields[] = {
    {"identifier", "id", MF_FIELD_TEXT},           {"name", "name", MF_FIELD_TEXT},
    {"description", "description", MF_FIELD_TEXT}, {"state", "state", MF_FIELD_INT},
    {"created_at", "created_at", MF_FIELD_TIME},   {"updated_at", "updated_at", MF_FIELD_TIME},
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])

static const struct mf_sort oldest_first = {{"created_at", sizeof "created_at" - 1}, true};
static const char *const key[] = {"identifier", NULL};
static const struct mf_order_table table = {fields, FIELD_COUNT, &oldest_first, 1, key};

enum mf_code mf_project_insert(struct mf_db *db, const struct mf_project_row *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    int64_t changed = 0;
    enum mf_code code = mf_db_query(db, &sql_insert, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, row->id);
    mf_bind_text(stmt, 2, row->name);
    mf_bind_text(stmt, 3, row->description);
    mf_bind_blob(stmt, 4, row->labels);
    mf_bind_int(stmt, 5, row->state);
    mf_bind_int(stmt, 6, row->created_at);
    mf_bind_int(stmt, 7, row->updated_at);
    code = mf_stmt_run(stmt, &changed, err);
    mf_stmt_done(stmt);
    if (code == MF_OK && changed == 0)
        code = mf_fail(err, MF_ALREADY_EXISTS, "project already exists: %.*s", MF_FMT(row->id));
    return code;
}

enum mf_code mf_project_update(struct mf_db *db, const struct mf_project_row *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    int64_t changed = 0;
    enum mf_code code = mf_db_query(db, &sql_update, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, row->id);
    mf_bind_text(stmt, 2, row->name);
    mf_bind_text(stmt, 3, row->description);
    mf_bind_blob(stmt, 4, row->labels);
    mf_bind_int(stmt, 5, row->state);
    mf_bind_int(stmt, 6, row->updated_at);
    code = mf_stmt_run(stmt, &changed, err);
    mf_stmt_done(stmt);
    if (code == MF_OK && changed == 0)
        code = mf_fail(err, MF_NOT_FOUND, "project not found: %.*s", MF_FMT(row->id));
    return code;
}

static bool read_row(struct mf_stmt *stmt, struct mf_arena *arena, struct mf_project_row *row)
{
    bool failed = false;
    row->id = mf_col_copy(stmt, 0, arena, &failed);
    row->name = mf_col_copy(stmt, 1, arena, &failed);
    row->description = mf_col_copy(stmt, 2, arena, &failed);
    row->labels = mf_col_copy(stmt, 3, arena, &failed);
    row->state = (int32_t)mf_col_int(stmt, 4);
    row->created_at = mf_col_int(stmt, 5);
    row->updated_at = mf_col_int(stmt, 6);
    return !failed;
}

enum mf_code mf_project_get(struct mf_db *db, struct mf_arena *arena, struct mf_str id,
                            struct mf_project_row *out, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    enum mf_code code = mf_db_query(db, &sql_get, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, id);
    code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK && !row)
        code = mf_fail(err, MF_NOT_FOUND, "project not found: %.*s", MF_FMT(id));
    else if (code == MF_OK && !read_row(stmt, arena, out))
        code = mf_fail_memory(err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_project_state(struct mf_db *db, struct mf_str id, int32_t *state, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    enum mf_code code = mf_db_query(db, &sql_state, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, id);
    code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK && !row)
        code = mf_fail(err, MF_NOT_FOUND, "project not found: %.*s", MF_FMT(id));
    else if (code == MF_OK)
        *state = (int32_t)mf_col_int(stmt, 0);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_project_exists(struct mf_db *db, struct mf_str id, bool *exists, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_exists, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, id);
    code = mf_stmt_step(stmt, exists, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_project_list(struct mf_db *db, struct mf_arena *arena, const struct mf_page *page,
                             bool (*visit)(void *ctx, const struct mf_project_row *row,
                                           const struct mf_place *place),
                             void *ctx, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    struct mf_order order;
    bool more = true;
    struct mf_select *select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    enum mf_code code = mf_order_plan(&table, page, &order, err);
    if (code != MF_OK)
        return code;
    mf_select_sql(select, "SELECT " COLUMNS);
    mf_order_columns(select, &order);
    mf_select_sql(select, " FROM project WHERE 1 = 1");
    if (page->filter_count == 0) {
        mf_select_sql(select, " AND state <> ");
        mf_select_int(select, MF_PROJECT_ARCHIVED);
    }
    code = mf_select_filters(select, fields, FIELD_COUNT, page, err);
    if (code != MF_OK)
        return code;
    mf_order_after(select, &order, page);
    mf_order_by(select, &order);
    mf_select_page(select, page);
    code = mf_select_open(select, db, &stmt, err);
    while (code == MF_OK && more) {
        struct mf_project_row row;
        struct mf_place place;
        code = mf_stmt_step(stmt, &more, err);
        if (code != MF_OK || !more)
            break;
        if (!read_row(stmt, arena, &row) || !mf_order_place(stmt, COLUMN_COUNT, &order, page, arena, &place))
            code = mf_fail_memory(err);
        else
            more = visit(ctx, &row, &place);
    }
    mf_stmt_done(stmt);
    return code;
}
