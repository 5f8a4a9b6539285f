#include "store/order.h"
#include "store/trigger.h"

static const struct mf_field_name types[] = {
    {"TYPE_NONE", 1}, {"TYPE_SCHEDULE", 2}, {"TYPE_ARTIFACT", 3}, {"TYPE_UNSPECIFIED", 0}, {NULL, 0}};
static const struct mf_field_name actions[] = {{"TRIGGER_REVISION_ACTION_DEPLOY", MF_TRIGGER_DEPLOY},
                                               {"TRIGGER_REVISION_ACTION_ACTIVATE", MF_TRIGGER_ACTIVATE},
                                               {"TRIGGER_REVISION_ACTION_DEACTIVATE", MF_TRIGGER_DEACTIVATE},
                                               {"TRIGGER_REVISION_ACTION_DELETE", MF_TRIGGER_DELETE},
                                               {NULL, 0}};

static const struct mf_field fields[] = {
    {"project", "t.project", MF_FIELD_TEXT},
    {"domain", "t.domain", MF_FIELD_TEXT},
    {"task_name", "t.task_name", MF_FIELD_TEXT},
    {"name", "t.name", MF_FIELD_TEXT},
    {"active", "t.active", MF_FIELD_BOOL},
    {"deployed_at", "t.deployed_at", MF_FIELD_TIME},
    {"updated_at", "t.updated_at", MF_FIELD_TIME},
    {"task_version", "t.task_version", MF_FIELD_TEXT},
    {"automation_type", "t.automation_type", MF_FIELD_INT, .names = types},
};
static const struct mf_sort default_sorts[] = {{.field = {"active", 6}}, {.field = {"updated_at", 10}}};
static const char *const key[] = {"project", "domain", "task_name", "name", NULL};
static const struct mf_order_table table = {fields, sizeof fields / sizeof fields[0], default_sorts, 2, key};

static const struct mf_field revision_fields[] = {
    {"revision", "t.revision", MF_FIELD_INT},
    {"deployed_at", "t.deployed_at", MF_FIELD_TIME},
    {"updated_at", "t.updated_at", MF_FIELD_TIME},
    {"action", "t.action", MF_FIELD_INT, .names = actions},
};
static const struct mf_sort newest_first[] = {{.field = {"revision", 8}}};
static const char *const revision_key[] = {"revision", NULL};
static const struct mf_order_table revision_table = {
    revision_fields, sizeof revision_fields / sizeof revision_fields[0], newest_first, 1, revision_key};

#define HEAD_COLUMNS                                                                                         \
    "t.project, t.domain, t.task_name, t.name, t.revision, t.task_version, t.active, t.automation_type, "    \
    "t.description, t.deployed_by, t.updated_by, t.created_at, t.deployed_at, t.updated_at, "                \
    "t.triggered_at, t.deleted_at"
#define HEAD_COUNT 16

static bool read_head(struct mf_stmt *stmt, struct mf_arena *arena, struct mf_trigger_row *row)
{
    bool failed = false;
    *row = (struct mf_trigger_row){0};
    row->key.project = mf_col_copy(stmt, 0, arena, &failed);
    row->key.domain = mf_col_copy(stmt, 1, arena, &failed);
    row->key.task_name = mf_col_copy(stmt, 2, arena, &failed);
    row->key.name = mf_col_copy(stmt, 3, arena, &failed);
    row->revision = mf_col_int(stmt, 4);
    row->task_version = mf_col_copy(stmt, 5, arena, &failed);
    row->active = mf_col_int(stmt, 6) != 0;
    row->automation_type = (int32_t)mf_col_int(stmt, 7);
    row->description = mf_col_copy(stmt, 8, arena, &failed);
    row->deployed_by = mf_col_copy(stmt, 9, arena, &failed);
    row->updated_by = mf_col_copy(stmt, 10, arena, &failed);
    row->created_at = mf_col_int(stmt, 11);
    row->deployed_at = mf_col_int(stmt, 12);
    row->updated_at = mf_col_int(stmt, 13);
    row->triggered_at = mf_col_int(stmt, 14);
    row->deleted_at = mf_col_int(stmt, 15);
    return !failed;
}

static void add_scope(struct mf_select *select, const char *column, struct mf_str value)
{
    if (value.len == 0)
        return;
    mf_select_sql(select, column);
    mf_select_text(select, value);
}

/* Filters, place, order and page: what follows the scope in both lists. */
static enum mf_code finish(struct mf_select *select, const struct mf_order_table *of,
                           const struct mf_order *order, const struct mf_page *page, struct mf_error *err)
{
    enum mf_code code = mf_select_filters(select, of->fields, of->field_count, page, err);
    if (code != MF_OK)
        return code;
    mf_order_after(select, order, page);
    mf_order_by(select, order);
    mf_select_page(select, page);
    return MF_OK;
}

/* What a list hands on: exactly one of the two visits is set. */
struct walk {
    const struct mf_order *order;
    const struct mf_page *page;
    mf_trigger_visit visit;
    mf_trigger_revision_visit visit_revision;
    void *ctx;
};

static enum mf_code walk(struct mf_select *select, struct mf_db *db, struct mf_arena *arena,
                         const struct walk *walk, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool more = true;
    int extra = walk->visit ? 1 : 2;
    enum mf_code code = mf_select_open(select, db, &stmt, err);
    while (code == MF_OK && more) {
        struct mf_trigger_row row;
        struct mf_place place;
        bool failed = false;
        code = mf_stmt_step(stmt, &more, err);
        if (code != MF_OK || !more)
            break;
        if (!read_head(stmt, arena, &row) ||
            !mf_order_place(stmt, HEAD_COUNT + extra, walk->order, walk->page, arena, &place)) {
            code = mf_fail_memory(err);
        } else if (walk->visit) {
            row.automation = mf_col_copy(stmt, HEAD_COUNT, arena, &failed);
            more = walk->visit(walk->ctx, &row, &place);
        } else {
            more = walk->visit_revision(walk->ctx, &row, (enum mf_trigger_action)mf_col_int(stmt, HEAD_COUNT),
                                        mf_col_int(stmt, HEAD_COUNT + 1), &place);
        }
        if (failed)
            code = mf_fail_memory(err);
    }
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_trigger_list(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_scope *scope,
                             const struct mf_page *page, mf_trigger_visit visit, void *ctx,
                             struct mf_error *err)
{
    struct mf_order order;
    const struct walk of = {.order = &order, .page = page, .visit = visit, .ctx = ctx};
    struct mf_select *select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    enum mf_code code = mf_order_plan(&table, page, &order, err);
    if (code != MF_OK)
        return code;
    mf_select_sql(select, "SELECT " HEAD_COLUMNS ", t.automation");
    mf_order_columns(select, &order);
    mf_select_sql(select, " FROM trigger t WHERE t.deleted_at = 0");
    add_scope(select, " AND t.project = ", scope->project);
    add_scope(select, " AND t.domain = ", scope->domain);
    add_scope(select, " AND t.task_name = ", scope->task_name);
    add_scope(select, " AND t.task_version = ", scope->task_version);
    code = finish(select, &table, &order, page, err);
    return code == MF_OK ? walk(select, db, arena, &of, err) : code;
}

enum mf_code mf_trigger_history(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_key *of,
                                const struct mf_page *page, mf_trigger_revision_visit visit, void *ctx,
                                struct mf_error *err)
{
    struct mf_order order;
    const struct walk how = {.order = &order, .page = page, .visit_revision = visit, .ctx = ctx};
    struct mf_select *select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    enum mf_code code = mf_order_plan(&revision_table, page, &order, err);
    if (code != MF_OK)
        return code;
    mf_select_sql(select, "SELECT " HEAD_COLUMNS ", t.action, t.recorded_at");
    mf_order_columns(select, &order);
    mf_select_sql(select, " FROM trigger_revision t WHERE t.project = ");
    mf_select_text(select, of->project);
    mf_select_sql(select, " AND t.domain = ");
    mf_select_text(select, of->domain);
    mf_select_sql(select, " AND t.task_name = ");
    mf_select_text(select, of->task_name);
    mf_select_sql(select, " AND t.name = ");
    mf_select_text(select, of->name);
    code = finish(select, &revision_table, &order, page, err);
    return code == MF_OK ? walk(select, db, arena, &how, err) : code;
}
