#include "store/abort_work.h"

#define COLUMNS "run_id, name, attempt, tries, last_error, tried_at, created_at"
#define KEY "run_id = $1 AND name = $2 AND attempt = $3"
MF_SQL(sql_begin,
       "INSERT INTO abort_work (" COLUMNS ") SELECT run_id, name, attempt, 0, '', $4, $5 FROM process "
       "WHERE " KEY " ON CONFLICT (run_id, name, attempt) DO NOTHING");
MF_SQL(sql_always, "INSERT INTO abort_work (" COLUMNS ") VALUES ($1, $2, $3, 0, '', $4, $5) "
                   "ON CONFLICT (run_id, name, attempt) DO NOTHING");
MF_SQL(sql_tried, "UPDATE abort_work SET tries = tries + 1, last_error = $4, tried_at = $5 WHERE " KEY);
MF_SQL(sql_done, "DELETE FROM abort_work WHERE " KEY);
MF_SQL(sql_get, "SELECT " COLUMNS " FROM abort_work WHERE " KEY);

static enum mf_code begin(struct mf_db *db, const struct mf_sql *sql, int64_t run_id, struct mf_str name,
                          int32_t attempt, struct mf_stmt **out, struct mf_error *err)
{
    enum mf_code code = mf_db_query(db, sql, out, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(*out, 1, run_id);
    mf_bind_text(*out, 2, name);
    mf_bind_int(*out, 3, attempt);
    return MF_OK;
}

enum mf_code mf_abort_work_begin(struct mf_db *db, const struct mf_abort_work *work, bool always,
                                 struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code =
        begin(db, always ? &sql_always : &sql_begin, work->run_id, work->name, work->attempt, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 4, work->tried_at);
    mf_bind_int(stmt, 5, work->created_at);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_abort_work_tried(struct mf_db *db, const struct mf_abort_work *work, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = begin(db, &sql_tried, work->run_id, work->name, work->attempt, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 4, work->last_error);
    mf_bind_int(stmt, 5, work->tried_at);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_abort_work_done(struct mf_db *db, int64_t run_id, struct mf_str name, int32_t attempt,
                                bool *was, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    int64_t changed = 0;
    enum mf_code code = begin(db, &sql_done, run_id, name, attempt, &stmt, err);
    if (code != MF_OK)
        return code;
    code = mf_stmt_run(stmt, &changed, err);
    mf_stmt_done(stmt);
    if (was)
        *was = code == MF_OK && changed > 0;
    return code;
}

enum mf_code mf_abort_work_get(struct mf_db *db, struct mf_arena *arena, int64_t run_id, struct mf_str name,
                               int32_t attempt, struct mf_abort_work *out, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool found = false;
    bool failed = false;
    enum mf_code code = begin(db, &sql_get, run_id, name, attempt, &stmt, err);
    if (code != MF_OK)
        return code;
    code = mf_stmt_step(stmt, &found, err);
    if (code == MF_OK && !found)
        code = mf_fail(err, MF_NOT_FOUND, "nothing of action %.*s is left to be ended", MF_FMT(name));
    if (code == MF_OK) {
        *out = (struct mf_abort_work){
            .run_id = run_id,
            .name = mf_col_copy(stmt, 1, arena, &failed),
            .attempt = attempt,
            .tries = (int32_t)mf_col_int(stmt, 3),
            .last_error = mf_col_copy(stmt, 4, arena, &failed),
            .tried_at = mf_col_int(stmt, 5),
            .created_at = mf_col_int(stmt, 6),
        };
    }
    mf_stmt_done(stmt);
    return failed ? mf_fail_memory(err) : code;
}
