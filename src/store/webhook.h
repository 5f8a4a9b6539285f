/*
 * The webhook table: conditions whose receiver is still to be told. Who may call what: as in store/run.h.
 */
#ifndef MF_STORE_WEBHOOK_H
#define MF_STORE_WEBHOOK_H

#include "store/db.h"

/* Columns as in migrations/0004_state.sql, where each is explained. */
struct mf_webhook_row {
    int64_t run_id;
    struct mf_str name;
    int32_t attempt;
    int32_t tries;
    int64_t next_at;
    struct mf_str last_error;
    int64_t created_at;
};

/* Nothing changes when it is there already. */
enum mf_code mf_webhook_insert(struct mf_db *db, const struct mf_webhook_row *row,
                               struct mf_error *err) MF_CHECK_RESULT;
/* One more try has failed: *row says when the next one is due. A row that is gone stays gone. */
enum mf_code mf_webhook_failed(struct mf_db *db, const struct mf_webhook_row *row,
                               struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_webhook_delete(struct mf_db *db, int64_t run_id, struct mf_str name, int32_t attempt,
                               struct mf_error *err) MF_CHECK_RESULT;
/* In order of next_at. The row lives in the arena. */
enum mf_code mf_webhook_list(struct mf_db *db, struct mf_arena *arena, size_t limit,
                             bool (*visit)(void *ctx, const struct mf_webhook_row *row), void *ctx,
                             struct mf_error *err) MF_CHECK_RESULT;

#endif
