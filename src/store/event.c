#include "store/action.h"

MF_SQL(sql_spec_put, "INSERT INTO spec (digest, body) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING");
MF_SQL(sql_spec_get, "SELECT body FROM spec WHERE digest = $1");

#define EVENT_COLUMNS "run_id, name, attempt, phase, version, body, error_kind, updated_at, recorded_at"
#define EVENT_ORDER "ORDER BY attempt, phase, version"
MF_SQL(sql_event_insert, "INSERT INTO event (" EVENT_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
                         "ON CONFLICT (run_id, name, attempt, phase, version) DO NOTHING");
MF_SQL(sql_events, "SELECT " EVENT_COLUMNS " FROM event WHERE run_id = $1 AND name = $2 " EVENT_ORDER);
MF_SQL(sql_attempt,
       "SELECT " EVENT_COLUMNS " FROM event WHERE run_id = $1 AND name = $2 AND attempt = $3 " EVENT_ORDER);
MF_SQL(sql_version, "SELECT max(version) FROM event WHERE run_id = $1 AND name = $2 AND attempt = $3 "
                    "AND phase = $4");

MF_SQL(sql_keys, "SELECT phase, version FROM event WHERE run_id = $1 AND name = $2 AND attempt = $3 "
                 "ORDER BY phase, version");
MF_SQL(sql_body, "SELECT body FROM event WHERE run_id = $1 AND name = $2 AND attempt = $3 AND phase = $4 "
                 "AND version = $5");
MF_SQL(sql_known, "SELECT 1 FROM event WHERE run_id = $1 AND name = $2 AND attempt = $3 AND phase = $4 "
                  "AND version = $5");

#define PROCESS_COLUMNS "run_id, name, attempt, pid, pid_start, boot_id, work_dir, started_at"
MF_SQL(sql_process_put,
       "INSERT INTO process (" PROCESS_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
       "ON CONFLICT (run_id, name, attempt) DO UPDATE SET pid = excluded.pid, "
       "pid_start = excluded.pid_start, boot_id = excluded.boot_id, work_dir = excluded.work_dir, "
       "started_at = excluded.started_at");
MF_SQL(sql_process_delete, "DELETE FROM process WHERE run_id = $1 AND name = $2 AND attempt = $3");
MF_SQL(sql_process_list, "SELECT " PROCESS_COLUMNS " FROM process ORDER BY run_id, name, attempt");

enum mf_code mf_spec_put(struct mf_db *db, struct mf_str digest, struct mf_str body, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_spec_put, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_blob(stmt, 1, digest);
    mf_bind_blob(stmt, 2, body);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_spec_get(struct mf_db *db, struct mf_arena *arena, struct mf_str digest, struct mf_str *body,
                         struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool found = false;
    bool failed = false;
    enum mf_code code = mf_db_query(db, &sql_spec_get, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_blob(stmt, 1, digest);
    code = mf_stmt_step(stmt, &found, err);
    if (code == MF_OK && found)
        *body = mf_col_copy(stmt, 0, arena, &failed);
    else if (code == MF_OK)
        code = mf_fail(err, MF_NOT_FOUND, "the specification of the action is not in the database");
    if (failed)
        code = mf_fail_memory(err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_event_insert(struct mf_db *db, const struct mf_event_row *row, bool *inserted,
                             struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    int64_t changed = 0;
    enum mf_code code = mf_db_query(db, &sql_event_insert, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, row->run_id);
    mf_bind_text(stmt, 2, row->name);
    mf_bind_int(stmt, 3, row->attempt);
    mf_bind_int(stmt, 4, row->phase);
    mf_bind_int(stmt, 5, row->version);
    mf_bind_blob(stmt, 6, row->body);
    mf_bind_int(stmt, 7, row->error_kind);
    mf_bind_int(stmt, 8, row->updated_at);
    mf_bind_int(stmt, 9, row->recorded_at);
    code = mf_stmt_run(stmt, &changed, err);
    mf_stmt_done(stmt);
    if (code == MF_OK && inserted)
        *inserted = changed > 0;
    return code;
}

enum mf_code mf_event_list(struct mf_db *db, struct mf_arena *arena, int64_t run_id, struct mf_str name,
                           int32_t attempt, bool (*visit)(void *ctx, const struct mf_event_row *row),
                           void *ctx, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool more = true;
    enum mf_code code = mf_db_query(db, attempt > 0 ? &sql_attempt : &sql_events, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    mf_bind_text(stmt, 2, name);
    if (attempt > 0)
        mf_bind_int(stmt, 3, attempt);
    while (code == MF_OK && more) {
        bool failed = false;
        code = mf_stmt_step(stmt, &more, err);
        if (code != MF_OK || !more)
            break;
        struct mf_event_row row = {.run_id = mf_col_int(stmt, 0)};
        row.name = mf_col_copy(stmt, 1, arena, &failed);
        row.attempt = (int32_t)mf_col_int(stmt, 2);
        row.phase = (int32_t)mf_col_int(stmt, 3);
        row.version = (int32_t)mf_col_int(stmt, 4);
        row.body = mf_col_copy(stmt, 5, arena, &failed);
        row.error_kind = (int32_t)mf_col_int(stmt, 6);
        row.updated_at = mf_col_int(stmt, 7);
        row.recorded_at = mf_col_int(stmt, 8);
        if (failed)
            code = mf_fail_memory(err);
        else
            more = visit(ctx, &row);
    }
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_event_known(struct mf_db *db, int64_t run_id, struct mf_str name, int32_t attempt,
                            int32_t phase, int32_t version, bool *known, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_known, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    mf_bind_text(stmt, 2, name);
    mf_bind_int(stmt, 3, attempt);
    mf_bind_int(stmt, 4, phase);
    mf_bind_int(stmt, 5, version);
    code = mf_stmt_step(stmt, known, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_event_keys(struct mf_db *db, int64_t run_id, struct mf_str name, int32_t attempt,
                           bool (*visit)(void *ctx, int32_t phase, int32_t version), void *ctx,
                           struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool more = true;
    enum mf_code code = mf_db_query(db, &sql_keys, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    mf_bind_text(stmt, 2, name);
    mf_bind_int(stmt, 3, attempt);
    while (code == MF_OK && more) {
        code = mf_stmt_step(stmt, &more, err);
        if (code == MF_OK && more)
            more = visit(ctx, (int32_t)mf_col_int(stmt, 0), (int32_t)mf_col_int(stmt, 1));
    }
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_event_body(struct mf_db *db, struct mf_arena *arena, int64_t run_id, struct mf_str name,
                           int32_t attempt, int32_t phase, int32_t version, struct mf_str *out,
                           struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool found = false;
    bool failed = false;
    *out = MF_STR_EMPTY;
    enum mf_code code = mf_db_query(db, &sql_body, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    mf_bind_text(stmt, 2, name);
    mf_bind_int(stmt, 3, attempt);
    mf_bind_int(stmt, 4, phase);
    mf_bind_int(stmt, 5, version);
    code = mf_stmt_step(stmt, &found, err);
    if (code == MF_OK && found)
        *out = mf_col_copy(stmt, 0, arena, &failed);
    mf_stmt_done(stmt);
    return code == MF_OK && failed ? mf_fail_memory(err) : code;
}

enum mf_code mf_event_next_version(struct mf_db *db, int64_t run_id, struct mf_str name, int32_t attempt,
                                   int32_t phase, int32_t *out, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool found = false;
    enum mf_code code = mf_db_query(db, &sql_version, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    mf_bind_text(stmt, 2, name);
    mf_bind_int(stmt, 3, attempt);
    mf_bind_int(stmt, 4, phase);
    code = mf_stmt_step(stmt, &found, err);
    if (code == MF_OK)
        *out = found && !mf_col_is_null(stmt, 0) ? (int32_t)mf_col_int(stmt, 0) + 1 : 0;
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_process_put(struct mf_db *db, const struct mf_process_row *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_process_put, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, row->run_id);
    mf_bind_text(stmt, 2, row->name);
    mf_bind_int(stmt, 3, row->attempt);
    mf_bind_int(stmt, 4, row->pid);
    mf_bind_int(stmt, 5, row->pid_start);
    mf_bind_text(stmt, 6, row->boot_id);
    mf_bind_text(stmt, 7, row->work_dir);
    mf_bind_int(stmt, 8, row->started_at);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_process_delete(struct mf_db *db, int64_t run_id, struct mf_str name, int32_t attempt,
                               struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_process_delete, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    mf_bind_text(stmt, 2, name);
    mf_bind_int(stmt, 3, attempt);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_process_list(struct mf_db *db, struct mf_arena *arena,
                             bool (*visit)(void *ctx, const struct mf_process_row *row), void *ctx,
                             struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool more = true;
    enum mf_code code = mf_db_query(db, &sql_process_list, &stmt, err);
    if (code != MF_OK)
        return code;
    while (code == MF_OK && more) {
        bool failed = false;
        code = mf_stmt_step(stmt, &more, err);
        if (code != MF_OK || !more)
            break;
        struct mf_process_row row = {.run_id = mf_col_int(stmt, 0)};
        row.name = mf_col_copy(stmt, 1, arena, &failed);
        row.attempt = (int32_t)mf_col_int(stmt, 2);
        row.pid = mf_col_int(stmt, 3);
        row.pid_start = mf_col_int(stmt, 4);
        row.boot_id = mf_col_copy(stmt, 5, arena, &failed);
        row.work_dir = mf_col_copy(stmt, 6, arena, &failed);
        row.started_at = mf_col_int(stmt, 7);
        if (failed)
            code = mf_fail_memory(err);
        else
            more = visit(ctx, &row);
    }
    mf_stmt_done(stmt);
    return code;
}
