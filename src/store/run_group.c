#include "store/run_group.h"

#define PHASE_COUNT(n) "sum(CASE WHEN a.phase = " #n " THEN 1 ELSE 0 END), "
/* Averages, because a sum of nanoseconds may not fit. */
#define TOTALS                                                                                               \
    "SELECT a.task_name, count(*), max(a.created_at), max(a.ended_at), "                                     \
    "avg(CASE WHEN a.ended_at > 0 THEN a.ended_at - a.created_at END), "                                     \
    "avg(CASE WHEN a.running_at > 0 THEN a.running_at - a.created_at END), " PHASE_COUNT(0) PHASE_COUNT(1)   \
        PHASE_COUNT(2) PHASE_COUNT(3) PHASE_COUNT(4) PHASE_COUNT(5) PHASE_COUNT(6) PHASE_COUNT(7)            \
            PHASE_COUNT(8) PHASE_COUNT(9) PHASE_COUNT(10) "0"
enum { FIRST_PHASE = 6 };

#define RECENT "SELECT a.run_name, a.phase, r.created_by, a.short_name, a.environment_name"
#define ERRORS "SELECT e.error_kind, count(DISTINCT a.run_id)"

#define RUNS " FROM action a CROSS JOIN run r WHERE r.id = a.run_id AND a.parent = ''"
#define RUNS_ONLY                                                                                            \
    " FROM action a WHERE a.parent = ''" /* without filters nothing of the run table is needed */
#define RUNS_FAILED                                                                                          \
    " FROM action a CROSS JOIN run r CROSS JOIN event e WHERE r.id = a.run_id AND a.parent = '' AND "        \
    "a.phase IN (6, 8) AND e.run_id = a.run_id AND e.name = a.name AND e.attempt = a.attempts AND e.phase "  \
    "= a.phase"

static const struct mf_field fields[] = {
    {"task_name", "a.task_name", MF_FIELD_TEXT},
    {"task_version", "a.task_version", MF_FIELD_TEXT},
    {"function_name", "a.function_name", MF_FIELD_TEXT},
    {"short_name", "a.short_name", MF_FIELD_TEXT},
    {"environment_name", "a.environment_name", MF_FIELD_TEXT},
    {"phase", "a.phase", MF_FIELD_INT},
    {"created_by", "r.created_by_subject", MF_FIELD_TEXT},
    {"created_by_subject", "r.created_by_subject", MF_FIELD_TEXT},
    {"created_at", "a.created_at", MF_FIELD_TIME},
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])

static enum mf_code begin(struct mf_arena *arena, const char *columns, const char *tables,
                          const struct mf_run_group_range *range, const struct mf_str *task_name,
                          struct mf_select **out, struct mf_error *err)
{
    struct mf_select *select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    *out = select;
    mf_select_sql(select, columns);
    mf_select_sql(select, tables);
    mf_select_sql(select, " AND a.project = ");
    mf_select_text(select, range->project);
    mf_select_sql(select, " AND a.domain = ");
    mf_select_text(select, range->domain);
    if (task_name) {
        mf_select_sql(select, " AND a.task_name = ");
        mf_select_text(select, *task_name);
    }
    mf_select_sql(select, " AND a.created_at >= ");
    mf_select_int(select, range->from_ns);
    mf_select_sql(select, " AND a.created_at <= ");
    mf_select_int(select, range->to_ns);
    return mf_select_filters(select, fields, FIELD_COUNT, range->page, err);
}

static enum mf_code add_recent(struct mf_db *db, struct mf_arena *arena,
                               const struct mf_run_group_range *range, struct mf_run_group *group,
                               struct mf_error *err)
{
    const struct mf_page newest = {.limit = MF_RUN_GROUP_RECENT};
    struct mf_select *select = NULL;
    struct mf_stmt *stmt = NULL;
    bool row = true;
    bool failed = false;
    enum mf_code code = begin(arena, RECENT, RUNS, range, &group->task_name, &select, err);
    if (code != MF_OK)
        return code;
    mf_select_sql(select, " ORDER BY a.created_at DESC, a.run_name DESC");
    mf_select_page(select, &newest);
    code = mf_select_open(select, db, &stmt, err);
    while (code == MF_OK && group->recent_count < MF_RUN_GROUP_RECENT) {
        code = mf_stmt_step(stmt, &row, err);
        if (code != MF_OK || !row)
            break;
        struct mf_run_group_recent *recent = &group->recent[group->recent_count++];
        recent->run_name = mf_col_copy(stmt, 0, arena, &failed);
        recent->phase = (int32_t)mf_col_int(stmt, 1);
        recent->created_by = mf_col_copy(stmt, 2, arena, &failed);
        if (group->recent_count > 1)
            continue;
        group->short_name = mf_col_copy(stmt, 3, arena, &failed);
        group->environment_name = mf_col_copy(stmt, 4, arena, &failed);
    }
    mf_stmt_done(stmt);
    return code == MF_OK && failed ? mf_fail_memory(err) : code;
}

static enum mf_code add_errors(struct mf_db *db, struct mf_arena *arena,
                               const struct mf_run_group_range *range, struct mf_run_group *group,
                               struct mf_error *err)
{
    struct mf_select *select = NULL;
    struct mf_stmt *stmt = NULL;
    bool row = true;
    enum mf_code code = begin(arena, ERRORS, RUNS_FAILED, range, &group->task_name, &select, err);
    if (code != MF_OK)
        return code;
    mf_select_sql(select, " GROUP BY e.error_kind");
    code = mf_select_open(select, db, &stmt, err);
    while (code == MF_OK) {
        code = mf_stmt_step(stmt, &row, err);
        if (code != MF_OK || !row)
            break;
        int64_t kind = mf_col_int(stmt, 0);
        group->errors[kind >= 0 && kind < 3 ? kind : 0] += mf_col_int(stmt, 1);
    }
    mf_stmt_done(stmt);
    return code;
}

struct totals {
    struct mf_run_group *groups;
    size_t count, cap;
};

static bool add_totals(struct mf_stmt *stmt, struct mf_arena *arena, struct totals *totals)
{
    bool failed = false;
    if (totals->count == totals->cap) {
        size_t cap = totals->cap > 0 ? totals->cap * 2 : 16;
        void *grown = mf_arena_grow(arena, totals->groups, totals->cap * sizeof *totals->groups,
                                    cap * sizeof *totals->groups);
        if (!grown)
            return false;
        totals->groups = grown;
        totals->cap = cap;
    }
    struct mf_run_group *group = &totals->groups[totals->count++];
    *group = (struct mf_run_group){.task_name = mf_col_copy(stmt, 0, arena, &failed)};
    group->runs = mf_col_int(stmt, 1);
    group->newest_at = mf_col_int(stmt, 2);
    group->ended_at = mf_col_int(stmt, 3);
    group->duration_ns = mf_col_real(stmt, 4);
    group->queued_ns = mf_col_real(stmt, 5);
    for (int i = 0; i < MF_RUN_GROUP_PHASES; i++)
        group->phases[i] = mf_col_int(stmt, FIRST_PHASE + i);
    return !failed;
}

static enum mf_code read_totals(struct mf_db *db, struct mf_arena *arena,
                                const struct mf_run_group_range *range, const struct mf_str *task_name,
                                struct totals *totals, struct mf_error *err)
{
    struct mf_page page = {.limit = MF_RUN_GROUPS_MAX};
    struct mf_select *select = NULL;
    struct mf_stmt *stmt = NULL;
    bool row = true;
    if (range->page->limit > 0 && range->page->limit < page.limit)
        page.limit = range->page->limit;
    enum mf_code code = begin(arena, TOTALS, range->page->filter_count > 0 ? RUNS : RUNS_ONLY, range,
                              task_name, &select, err);
    if (code != MF_OK)
        return code;
    mf_select_sql(select, range->oldest_first ? " GROUP BY a.task_name ORDER BY 3 ASC, 1 ASC"
                                              : " GROUP BY a.task_name ORDER BY 3 DESC, 1 ASC");
    mf_select_page(select, &page);
    code = mf_select_open(select, db, &stmt, err);
    while (code == MF_OK) {
        code = mf_stmt_step(stmt, &row, err);
        if (code != MF_OK || !row)
            break;
        if (!add_totals(stmt, arena, totals))
            code = mf_fail_memory(err);
    }
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_run_group_list(struct mf_db *db, struct mf_arena *arena,
                               const struct mf_run_group_range *range, const struct mf_str *task_name,
                               mf_run_group_visit visit, void *ctx, struct mf_error *err)
{
    struct totals totals = {0};
    bool more = true;
    enum mf_code code = read_totals(db, arena, range, task_name, &totals, err);
    for (size_t i = 0; i < totals.count && code == MF_OK && more; i++) {
        struct mf_run_group *group = &totals.groups[i];
        code = add_recent(db, arena, range, group, err);
        if (code == MF_OK && group->phases[6] + group->phases[8] > 0)
            code = add_errors(db, arena, range, group, err);
        if (code == MF_OK)
            more = visit(ctx, group);
    }
    return code;
}
