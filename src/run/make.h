/*
 * The making of a run, without a call: a request is prepared where disk may be read, and made inside a
 * command. One command makes the run, its labels, its inputs and its root action, or nothing. CreateRun and
 * the scheduler make their runs here, so that they come out the same.
 *
 *   mf_run_make_prepare   reads the store, checks and completes; blocks on reads of disk
 *   mf_run_make_write     only when mf_run_make_needs_write: inputs too large for a command, written before
 * it mf_run_make_apply     inside the command, on the writer's thread
 *
 * One make belongs to one thread at a time.
 */
#ifndef MF_RUN_MAKE_H
#define MF_RUN_MAKE_H

#include "run/run.h"
#include "store/action.h"

struct pb_workflow_CreateRunRequest;
struct pb_workflow_Run;

struct mf_run_make;

struct mf_run_make_input {
    struct mf_runs *runs;
    struct mf_arena *arena; /* holds the make and all of it; must stay until the command is done */
    struct mf_db *db;       /* to read with; NULL: a reader is borrowed while it is needed */
    const struct pb_workflow_CreateRunRequest *request; /* must stay as long as the arena */
    enum mf_carrier carrier;
    /* Who makes it: an encoded flyteidl2.common.EnrichedIdentity and its subject, empty when nobody is known.
     * They do not count with by_deployer: then it is who deployed the trigger that is fired. */
    struct mf_str created_by, created_by_subject;
    bool by_deployer;
    bool existing_is_any; /* a run of that name is the answer, whatever request has made it */
    bool answer;          /* mf_run_make_result is wanted */
};

/* *exists: the run is there already. That is no failure; a make of it can be applied all the same. Failures
 * are those of CreateRun. */
enum mf_code mf_run_make_prepare(const struct mf_run_make_input *input, struct mf_run_make **out,
                                 bool *exists, struct mf_error *err) MF_CHECK_RESULT;

bool mf_run_make_needs_write(const struct mf_run_make *make);
/* Durable when done is called, on the writer's thread or before this returns. */
void mf_run_make_write(struct mf_run_make *make,
                       void (*done)(void *ctx, enum mf_code code, const struct mf_error *err), void *ctx);

/* Makes the run, or finds that it is there (*existed). May be called again for the same make, when the
 * transaction came to nothing. MF_ALREADY_EXISTS when the run was made by another request, unless that is
 * fine; MF_NOT_FOUND when the trigger was deleted meanwhile. */
enum mf_code mf_run_make_apply(struct mf_run_make *make, struct mf_tx *tx, bool *existed, int64_t *run_id,
                               struct mf_error *err) MF_CHECK_RESULT;

/* The run as clients are shown it, once it is made or was found; lives in the arena. NULL unless asked for.
 */
struct pb_workflow_Run *mf_run_make_result(const struct mf_run_make *make);

#endif
