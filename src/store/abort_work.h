/*
 * The abort_work table: aborts that are recorded, while what was aborted may still run. Who may call what: as
 * in store/run.h.
 */
#ifndef MF_STORE_ABORT_WORK_H
#define MF_STORE_ABORT_WORK_H

#include "store/db.h"

/* Columns as in migrations/0004_state.sql, where each is explained. */
struct mf_abort_work {
    int64_t run_id;
    struct mf_str name;
    int32_t attempt, tries;
    struct mf_str last_error;
    int64_t tried_at, created_at;
};

/* Of an attempt that was just aborted: a row when a process of it is recorded, or always. */
enum mf_code mf_abort_work_begin(struct mf_db *db, const struct mf_abort_work *work, bool always,
                                 struct mf_error *err) MF_CHECK_RESULT;
/* One more try did not end it. Without a row nothing happens. */
enum mf_code mf_abort_work_tried(struct mf_db *db, const struct mf_abort_work *work,
                                 struct mf_error *err) MF_CHECK_RESULT;
/* It has ended; *was (may be NULL) tells whether there was a row. */
enum mf_code mf_abort_work_done(struct mf_db *db, int64_t run_id, struct mf_str name, int32_t attempt,
                                bool *was, struct mf_error *err) MF_CHECK_RESULT;
/* MF_NOT_FOUND when nothing is left to do. */
enum mf_code mf_abort_work_get(struct mf_db *db, struct mf_arena *arena, int64_t run_id, struct mf_str name,
                               int32_t attempt, struct mf_abort_work *out,
                               struct mf_error *err) MF_CHECK_RESULT;

#endif
