#include "store/fire.h"

#define ROOT "LEFT JOIN action a ON a.run_id = f.run_id AND a.name = 'a0' "
/* Of action.phase. */
enum { FAILED = 6, ABORTED = 7, TIMED_OUT = 8 };

MF_SQL(sql_put, "INSERT INTO fire (schedule_id, due_at, run_id, kind, fired_at) VALUES ($1, $2, $3, $4, $5) "
                "ON CONFLICT (schedule_id, due_at) DO NOTHING");
MF_SQL(sql_list, "SELECT due_at, run_id, kind, fired_at FROM fire "
                 "WHERE schedule_id = $1 AND due_at >= $2 AND due_at <= $3 ORDER BY due_at");
MF_SQL(sql_open,
       "SELECT f.due_at, f.run_id, f.kind, f.fired_at, coalesce(a.ended_at, 1) "
       "FROM (SELECT due_at, run_id, kind, fired_at FROM fire "
       "WHERE schedule_id = $1 AND due_at > $2 ORDER BY due_at DESC LIMIT $3) f " ROOT "ORDER BY f.due_at");
MF_SQL(sql_ends, "SELECT coalesce(a.ended_at, 0), coalesce(a.phase, 0) FROM fire f " ROOT
                 "WHERE f.schedule_id = $1 AND f.due_at > $2 ORDER BY f.due_at DESC LIMIT $3");
MF_SQL(sql_gap_list, "SELECT from_at, until_at, reason, error, decided_at FROM fire_gap "
                     "WHERE schedule_id = $1 AND from_at <= $3 AND until_at >= $2 ORDER BY from_at");
MF_SQL(sql_gap_grow, "UPDATE fire_gap SET until_at = $3, decided_at = $6 "
                     "WHERE schedule_id = $1 AND until_at + 1 = $2 AND reason = $4 AND error = $5 "
                     "AND from_at = (SELECT max(from_at) FROM fire_gap WHERE schedule_id = $1)");
MF_SQL(sql_gap_put, "INSERT INTO fire_gap (schedule_id, from_at, until_at, reason, error, decided_at) "
                    "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (schedule_id, from_at) DO UPDATE SET "
                    "until_at = CASE WHEN excluded.until_at > fire_gap.until_at THEN excluded.until_at "
                    "ELSE fire_gap.until_at END, reason = excluded.reason, error = excluded.error, "
                    "decided_at = excluded.decided_at");
MF_SQL(sql_gap_drop, "DELETE FROM fire_gap WHERE schedule_id = $1 AND from_at > $2");
MF_SQL(sql_gap_shorten, "UPDATE fire_gap SET until_at = $2 "
                        "WHERE schedule_id = $1 AND from_at <= $2 AND until_at > $2");
MF_SQL(sql_prune, "DELETE FROM fire WHERE (schedule_id, due_at) IN (SELECT schedule_id, due_at FROM fire "
                  "WHERE fired_at < $1 ORDER BY fired_at LIMIT $2)");
MF_SQL(sql_gap_prune,
       "DELETE FROM fire_gap WHERE (schedule_id, from_at) IN (SELECT schedule_id, from_at FROM fire_gap "
       "WHERE decided_at < $1 ORDER BY decided_at LIMIT $2)");

enum mf_code mf_fire_put(struct mf_db *db, const struct mf_fire_row *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_put, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, row->schedule_id);
    mf_bind_int(stmt, 2, row->due_at);
    mf_bind_int(stmt, 3, row->run_id);
    mf_bind_int(stmt, 4, row->kind);
    mf_bind_int(stmt, 5, row->fired_at);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

/* A statement whose first parameters are the schedule and two more numbers. */
static enum mf_code begin(struct mf_db *db, const struct mf_sql *sql, int64_t schedule_id, int64_t second,
                          int64_t third, struct mf_stmt **out, struct mf_error *err)
{
    enum mf_code code = mf_db_query(db, sql, out, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(*out, 1, schedule_id);
    mf_bind_int(*out, 2, second);
    mf_bind_int(*out, 3, third);
    return MF_OK;
}

static void read_fire(struct mf_stmt *stmt, int64_t schedule_id, struct mf_fire_row *row)
{
    *row = (struct mf_fire_row){
        .schedule_id = schedule_id,
        .due_at = mf_col_int(stmt, 0),
        .run_id = mf_col_int(stmt, 1),
        .kind = (enum mf_fire_kind)mf_col_int(stmt, 2),
        .fired_at = mf_col_int(stmt, 3),
    };
}

enum mf_code mf_fire_list(struct mf_db *db, int64_t schedule_id, int64_t from, int64_t until,
                          mf_fire_visit visit, void *ctx, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool more = true;
    enum mf_code code = begin(db, &sql_list, schedule_id, from, until, &stmt, err);
    while (code == MF_OK && more) {
        struct mf_fire_row row;
        code = mf_stmt_step(stmt, &more, err);
        if (code != MF_OK || !more)
            break;
        read_fire(stmt, schedule_id, &row);
        more = visit(ctx, &row);
    }
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_gap_list(struct mf_db *db, int64_t schedule_id, int64_t from, int64_t until,
                         mf_gap_visit visit, void *ctx, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool more = true;
    enum mf_code code = begin(db, &sql_gap_list, schedule_id, from, until, &stmt, err);
    while (code == MF_OK && more) {
        code = mf_stmt_step(stmt, &more, err);
        if (code != MF_OK || !more)
            break;
        const struct mf_gap_row row = {
            .schedule_id = schedule_id,
            .from_at = mf_col_int(stmt, 0),
            .until_at = mf_col_int(stmt, 1),
            .reason = (enum mf_gap_reason)mf_col_int(stmt, 2),
            .error = mf_col_str(stmt, 3),
            .decided_at = mf_col_int(stmt, 4),
        };
        more = visit(ctx, &row);
    }
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_fire_open(struct mf_db *db, int64_t schedule_id, int64_t *settled, mf_fire_visit visit,
                          void *ctx, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool more = true;
    bool all_ended = true;
    enum mf_code code = begin(db, &sql_open, schedule_id, *settled, MF_FIRE_LOOK, &stmt, err);
    while (code == MF_OK && more) {
        struct mf_fire_row row;
        code = mf_stmt_step(stmt, &more, err);
        if (code != MF_OK || !more)
            break;
        read_fire(stmt, schedule_id, &row);
        bool ended = mf_col_int(stmt, 4) != 0;
        all_ended = all_ended && ended;
        if (all_ended)
            *settled = row.due_at;
        if (!ended)
            more = visit(ctx, &row);
    }
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_fire_failures(struct mf_db *db, int64_t schedule_id, int64_t after, uint32_t limit,
                              uint32_t *count, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool more = true;
    *count = 0;
    enum mf_code code = begin(db, &sql_ends, schedule_id, after, MF_FIRE_LOOK, &stmt, err);
    while (code == MF_OK && more && *count < limit) {
        code = mf_stmt_step(stmt, &more, err);
        if (code != MF_OK || !more)
            break;
        const int64_t phase = mf_col_int(stmt, 1);
        if (mf_col_int(stmt, 0) == 0 || phase == ABORTED)
            continue;
        more = phase == FAILED || phase == TIMED_OUT;
        *count += more;
    }
    mf_stmt_done(stmt);
    return code;
}

static enum mf_code write_gap(struct mf_db *db, const struct mf_sql *sql, const struct mf_gap_row *row,
                              int64_t *changed, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = begin(db, sql, row->schedule_id, row->from_at, row->until_at, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 4, row->reason);
    mf_bind_text(stmt, 5, row->error);
    mf_bind_int(stmt, 6, row->decided_at);
    code = mf_stmt_run(stmt, changed, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_gap_put(struct mf_db *db, const struct mf_gap_row *row, struct mf_error *err)
{
    int64_t grown = 0;
    enum mf_code code = write_gap(db, &sql_gap_grow, row, &grown, err);
    return code == MF_OK && grown == 0 ? write_gap(db, &sql_gap_put, row, NULL, err) : code;
}

/* Runs a statement with two numbers. */
static enum mf_code run(struct mf_db *db, const struct mf_sql *sql, int64_t first, int64_t second,
                        int64_t *changed, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, sql, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, first);
    mf_bind_int(stmt, 2, second);
    code = mf_stmt_run(stmt, changed, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_gap_cut(struct mf_db *db, int64_t schedule_id, int64_t after, struct mf_error *err)
{
    enum mf_code code = run(db, &sql_gap_drop, schedule_id, after, NULL, err);
    return code == MF_OK ? run(db, &sql_gap_shorten, schedule_id, after, NULL, err) : code;
}

enum mf_code mf_fire_prune(struct mf_db *db, int64_t before, uint32_t limit, int64_t *removed,
                           struct mf_error *err)
{
    int64_t fires = 0;
    int64_t gaps = 0;
    enum mf_code code = run(db, &sql_prune, before, limit, &fires, err);
    if (code == MF_OK)
        code = run(db, &sql_gap_prune, before, limit, &gaps, err);
    *removed = fires + gaps;
    return code;
}
