#include "store/run_group.h"

#define COLUMNS                                                                                              \
    "SELECT a.run_id, a.seq, a.task_name, a.run_name, a.short_name, a.environment_name, a.phase, "           \
    "CASE WHEN a.phase IN (6, 8) THEN (SELECT max(e.error_kind) FROM event e WHERE e.run_id = a.run_id "     \
    "AND e.name = a.name AND e.attempt = a.attempts AND e.phase = a.phase) ELSE -1 END, "                    \
    "a.created_at, a.running_at, a.ended_at"

#define RUNS " FROM action a CROSS JOIN run r WHERE r.id = a.run_id AND a.parent = ''"
/* Without filters nothing of the run table is needed. */
#define RUNS_ONLY " FROM action a WHERE a.parent = ''"

/* max(seq) would look at all of them. */
MF_SQL(sql_newest, "SELECT seq FROM action WHERE parent = '' AND project = $1 AND domain = $2 "
                   "ORDER BY seq DESC LIMIT 1");
MF_SQL(sql_creator, "SELECT created_by FROM run WHERE id = $1");

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

static const char *tables(const struct mf_run_group_range *range)
{
    return range->page->filter_count > 0 ? RUNS : RUNS_ONLY;
}

static enum mf_code add_range(struct mf_select *select, const struct mf_run_group_range *range,
                              struct mf_error *err)
{
    mf_select_sql(select, " AND a.created_at >= ");
    mf_select_int(select, range->from_ns);
    mf_select_sql(select, " AND a.created_at <= ");
    mf_select_int(select, range->to_ns);
    return mf_select_filters(select, fields, FIELD_COUNT, range->page, err);
}

static void add_place(struct mf_select *select, const struct mf_run_group_range *range)
{
    mf_select_sql(select, " AND a.project = ");
    mf_select_text(select, range->project);
    mf_select_sql(select, " AND a.domain = ");
    mf_select_text(select, range->domain);
}

static enum mf_code walk(struct mf_select *select, struct mf_db *db, mf_run_group_visit visit, void *ctx,
                         struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool more = true;
    bool found = true;
    enum mf_code code = mf_select_open(select, db, &stmt, err);
    while (code == MF_OK && more) {
        code = mf_stmt_step(stmt, &found, err);
        if (code != MF_OK || !found)
            break;
        const struct mf_run_group_row row = {
            .run_id = mf_col_int(stmt, 0),
            .seq = mf_col_int(stmt, 1),
            .task_name = mf_col_str(stmt, 2),
            .run_name = mf_col_str(stmt, 3),
            .short_name = mf_col_str(stmt, 4),
            .environment_name = mf_col_str(stmt, 5),
            .phase = (int32_t)mf_col_int(stmt, 6),
            .error_kind = (int32_t)mf_col_int(stmt, 7),
            .created_at = mf_col_int(stmt, 8),
            .running_at = mf_col_int(stmt, 9),
            .ended_at = mf_col_int(stmt, 10),
            .counts = mf_col_int(stmt, 11) != 0,
        };
        more = visit(ctx, &row);
    }
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_run_group_rows(struct mf_db *db, struct mf_arena *arena,
                               const struct mf_run_group_range *range, const struct mf_str *task_name,
                               mf_run_group_visit visit, void *ctx, struct mf_error *err)
{
    struct mf_select *select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    mf_select_sql(select, COLUMNS ", 1");
    mf_select_sql(select, tables(range));
    add_place(select, range);
    if (task_name) {
        mf_select_sql(select, " AND a.task_name = ");
        mf_select_text(select, *task_name);
    }
    enum mf_code code = add_range(select, range, err);
    mf_select_sql(select, " ORDER BY a.created_at DESC, a.run_name DESC");
    return code == MF_OK ? walk(select, db, visit, ctx, err) : code;
}

enum mf_code mf_run_group_changed(struct mf_db *db, struct mf_arena *arena,
                                  const struct mf_run_group_range *range, int64_t after_seq,
                                  mf_run_group_visit visit, void *ctx, struct mf_error *err)
{
    struct mf_select *select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    mf_select_sql(select, COLUMNS ", CASE WHEN 1 = 1");
    enum mf_code code = add_range(select, range, err);
    mf_select_sql(select, " THEN 1 ELSE 0 END");
    mf_select_sql(select, tables(range));
    add_place(select, range);
    mf_select_sql(select, " AND a.seq > ");
    mf_select_int(select, after_seq);
    mf_select_sql(select, " ORDER BY a.seq");
    return code == MF_OK ? walk(select, db, visit, ctx, err) : code;
}

enum mf_code mf_run_group_newest(struct mf_db *db, const struct mf_run_group_range *range, int64_t *seq,
                                 struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    *seq = 0;
    enum mf_code code = mf_db_query(db, &sql_newest, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, range->project);
    mf_bind_text(stmt, 2, range->domain);
    code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK && row)
        *seq = mf_col_int(stmt, 0);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_run_group_creator(struct mf_db *db, struct mf_arena *arena, int64_t run_id,
                                  struct mf_str *out, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    bool failed = false;
    *out = MF_STR_EMPTY;
    enum mf_code code = mf_db_query(db, &sql_creator, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK && row)
        *out = mf_col_copy(stmt, 0, arena, &failed);
    mf_stmt_done(stmt);
    return code == MF_OK && failed ? mf_fail_memory(err) : code;
}
