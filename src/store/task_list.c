#include "store/order.h"
#include "store/task_row.h"

/* The newest version of its task: no other was created later (the version decides between equals). */
#define NEWEST                                                                                               \
    "NOT EXISTS (SELECT 1 FROM task n WHERE n.project = t.project AND n.domain = t.domain "                  \
    "AND n.name = t.name AND (n.created_at, n.version) > (t.created_at, t.version))"
#define TRIGGERS                                                                                             \
    " FROM trigger g WHERE g.project = t.project AND g.domain = t.domain AND g.task_name = t.name "          \
    "AND g.task_version = t.version AND g.deleted_at = 0)"

static const struct mf_field fields[] = {
    {"project", "t.project", MF_FIELD_TEXT},
    {"domain", "t.domain", MF_FIELD_TEXT},
    {"name", "t.name", MF_FIELD_TEXT},
    {"version", "t.version", MF_FIELD_TEXT},
    {"environment", "t.environment", MF_FIELD_TEXT},
    {"function_name", "t.function_name", MF_FIELD_TEXT},
    {"deployed_by", "t.deployed_by", MF_FIELD_TEXT, .is_unset_zero = true},
    {"created_at", "t.created_at", MF_FIELD_TIME},
    {"updated_at", "t.updated_at", MF_FIELD_TIME},
    {"env_description", "t.env_description", MF_FIELD_TEXT, .is_unset_zero = true},
    {"short_description", "t.short_description", MF_FIELD_TEXT, .is_unset_zero = true},
    {"is_entrypoint", "t.is_entrypoint", MF_FIELD_BOOL},
    /* The name only when there is one trigger, as in the summary. */
    {"trigger_name", "(SELECT CASE WHEN count(*) = 1 THEN min(g.name) ELSE '' END" TRIGGERS, MF_FIELD_TEXT,
     .is_unset_zero = true},
    {"total_triggers", "(SELECT count(*)" TRIGGERS, MF_FIELD_INT, .is_unset_zero = true},
    {"active_triggers", "(SELECT coalesce(sum(g.active), 0)" TRIGGERS, MF_FIELD_INT, .is_unset_zero = true},
};
static const struct mf_sort newest_first[] = {{.field = {"created_at", 10}}};
static const char *const task_key[] = {"project", "domain", "name", NULL};
static const struct mf_order_table table = {fields, sizeof fields / sizeof fields[0], newest_first, 1,
                                            task_key};

static const struct mf_field version_fields[] = {
    {"version", "t.version", MF_FIELD_TEXT},
    {"created_at", "t.created_at", MF_FIELD_TIME},
};
static const char *const version_key[] = {"version", NULL};
static const struct mf_order_table version_table = {
    version_fields, sizeof version_fields / sizeof version_fields[0], newest_first, 1, version_key};

static enum mf_code walk(struct mf_select *select, struct mf_db *db, struct mf_arena *arena,
                         const struct mf_order *order, const struct mf_page *page, mf_task_visit visit,
                         void *ctx, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool more = true;
    enum mf_code code = mf_select_open(select, db, &stmt, err);
    while (code == MF_OK && more) {
        struct mf_task_row row;
        struct mf_place place;
        code = mf_stmt_step(stmt, &more, err);
        if (code != MF_OK || !more)
            break;
        if (!mf_task_read_head(stmt, arena, &row) ||
            !mf_order_place(stmt, MF_TASK_HEAD_COUNT, order, page, arena, &place))
            code = mf_fail_memory(err);
        else
            more = visit(ctx, &row, &place);
    }
    mf_stmt_done(stmt);
    return code;
}

static void add_project(struct mf_select *select, const struct mf_task_scope *scope)
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

static enum mf_code add_filters(struct mf_select *select, const struct mf_task_scope *scope,
                                const struct mf_page *page, struct mf_error *err)
{
    if (scope->is_entrypoint)
        mf_select_sql(select, " AND t.is_entrypoint = 1");
    for (size_t i = 0; i < scope->deployed_by_count; i++) {
        mf_select_sql(select, i == 0 ? " AND t.deployed_by IN (" : ", ");
        mf_select_text(select, scope->deployed_by[i]);
    }
    if (scope->deployed_by_count > 0)
        mf_select_sql(select, ")");
    return mf_select_filters(select, fields, sizeof fields / sizeof fields[0], page, err);
}

enum mf_code mf_task_list(struct mf_db *db, struct mf_arena *arena, const struct mf_task_scope *scope,
                          const struct mf_page *page, mf_task_visit visit, void *ctx, struct mf_error *err)
{
    struct mf_order order;
    struct mf_select *select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    enum mf_code code = mf_order_plan(&table, page, &order, err);
    if (code != MF_OK)
        return code;
    mf_select_sql(select, "SELECT " MF_TASK_HEAD_COLUMNS);
    mf_order_columns(select, &order);
    mf_select_sql(select, " FROM task t WHERE " NEWEST);
    add_project(select, scope);
    code = add_filters(select, scope, page, err);
    if (code != MF_OK)
        return code;
    mf_order_after(select, &order, page);
    mf_order_by(select, &order);
    mf_select_page(select, page);
    return walk(select, db, arena, &order, page, visit, ctx, err);
}

static enum mf_code count(struct mf_select *select, struct mf_db *db, int64_t *out, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    enum mf_code code = mf_select_open(select, db, &stmt, err);
    if (code == MF_OK)
        code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK)
        *out = row ? mf_col_int(stmt, 0) : 0;
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_task_count(struct mf_db *db, struct mf_arena *arena, const struct mf_task_scope *scope,
                           const struct mf_page *page, int64_t *total, int64_t *filtered,
                           struct mf_error *err)
{
    struct mf_select *select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    mf_select_sql(select,
                  "SELECT count(*) FROM (SELECT DISTINCT project, domain, name FROM task t WHERE 1 = 1");
    add_project(select, scope);
    mf_select_sql(select, ") names");
    enum mf_code code = count(select, db, total, err);
    *filtered = *total;
    if (code != MF_OK || (page->filter_count == 0 && scope->deployed_by_count == 0 && !scope->is_entrypoint))
        return code;
    select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    mf_select_sql(select, "SELECT count(*) FROM task t WHERE " NEWEST);
    add_project(select, scope);
    code = add_filters(select, scope, page, err);
    return code == MF_OK ? count(select, db, filtered, err) : code;
}

enum mf_code mf_task_versions(struct mf_db *db, struct mf_arena *arena, const struct mf_task_key *key,
                              const struct mf_page *page, mf_task_visit visit, void *ctx,
                              struct mf_error *err)
{
    struct mf_order order;
    struct mf_select *select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    enum mf_code code = mf_order_plan(&version_table, page, &order, err);
    if (code != MF_OK)
        return code;
    mf_select_sql(select, "SELECT " MF_TASK_HEAD_COLUMNS);
    mf_order_columns(select, &order);
    mf_select_sql(select, " FROM task t WHERE t.project = ");
    mf_select_text(select, key->project);
    mf_select_sql(select, " AND t.domain = ");
    mf_select_text(select, key->domain);
    mf_select_sql(select, " AND t.name = ");
    mf_select_text(select, key->name);
    code = mf_select_filters(select, version_fields, sizeof version_fields / sizeof version_fields[0], page,
                             err);
    if (code != MF_OK)
        return code;
    mf_order_after(select, &order, page);
    mf_order_by(select, &order);
    mf_select_page(select, page);
    return walk(select, db, arena, &order, page, visit, ctx, err);
}
