#include "store/action_state.h"

MF_SQL(sql_put, "INSERT INTO action_state (run_id, name, state, updated_at) VALUES ($1, $2, $3, $4) "
                "ON CONFLICT (run_id, name) DO UPDATE SET state = excluded.state, "
                "updated_at = excluded.updated_at");
MF_SQL(sql_get, "SELECT state FROM action_state WHERE run_id = $1 AND name = $2");

enum mf_code mf_action_state_put(struct mf_db *db, int64_t run_id, struct mf_str name, struct mf_str state,
                                 int64_t now_ns, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_put, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    mf_bind_text(stmt, 2, name);
    mf_bind_text(stmt, 3, state);
    mf_bind_int(stmt, 4, now_ns);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_action_state_get(struct mf_db *db, struct mf_arena *arena, int64_t run_id, struct mf_str name,
                                 struct mf_str *state, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool found = false;
    bool failed = false;
    enum mf_code code = mf_db_query(db, &sql_get, &stmt, err);
    if (code != MF_OK)
        return code;
    *state = MF_STR_EMPTY;
    mf_bind_int(stmt, 1, run_id);
    mf_bind_text(stmt, 2, name);
    code = mf_stmt_step(stmt, &found, err);
    if (code == MF_OK && found)
        *state = mf_col_copy(stmt, 0, arena, &failed);
    mf_stmt_done(stmt);
    return failed ? mf_fail_memory(err) : code;
}
