/*
 * The action_state table: what an executor elsewhere keeps with an action. Who may call what: as in
 * store/run.h.
 */
#ifndef MF_STORE_ACTION_STATE_H
#define MF_STORE_ACTION_STATE_H

#include "store/db.h"

enum mf_code mf_action_state_put(struct mf_db *db, int64_t run_id, struct mf_str name, struct mf_str state,
                                 int64_t now_ns, struct mf_error *err) MF_CHECK_RESULT;
/* Empty when nothing was ever put. */
enum mf_code mf_action_state_get(struct mf_db *db, struct mf_arena *arena, int64_t run_id, struct mf_str name,
                                 struct mf_str *state, struct mf_error *err) MF_CHECK_RESULT;

#endif
