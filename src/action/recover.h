/*
 * What a run takes over from the run it recovers: results of actions that have succeeded there, so that only
 * what failed or never ran is run again. Private to action/; inside a command.
 *
 * The names of actions say which is which: the SDK makes the name of a child from its parent, its task and
 * its inputs. That of the root says nothing, so the root is always run. Names that the run lists in
 * recover.force_rerun_actions are run, too.
 */
#ifndef MF_ACTION_RECOVER_H
#define MF_ACTION_RECOVER_H

#include "action/machine.h"

#define MF_RECOVER_RUNS_MAX 16 /* runs back, when the recovered run has recovered another one, and so on */
#define MF_RECOVER_TRACES_MAX 10000u /* of one parent */

/* row is a new task or condition. Makes it RECOVERED, with the result and where it comes from, when the same
 * action has succeeded before; else it stays as it is. */
enum mf_code mf_recover_action(struct mf_tx *tx, const struct mf_run_row *run, struct mf_action_row *row,
                               struct mf_error *err) MF_CHECK_RESULT;
/* parent is a task that is about to be run in this run. Its traces that have succeeded before are recorded,
 * so that it finds them when it begins and does not compute them again. */
enum mf_code mf_recover_traces(struct mf_tx *tx, const struct mf_run_row *run,
                               const struct mf_action_row *parent, struct mf_error *err) MF_CHECK_RESULT;

#endif
