/*
 * Ends what is below an action that has ended. Private to action/; inside a command.
 */
#ifndef MF_ACTION_ABORT_H
#define MF_ACTION_ABORT_H

#include "action/machine.h"

/* The action has just reached a terminal phase: its open descendants become ABORTED, since nobody waits for
 * them. */
enum mf_code mf_abort_below_ended(struct mf_tx *tx, const struct mf_action_row *row,
                                  struct mf_error *err) MF_CHECK_RESULT;
/* Who carries the action out elsewhere has told that the attempt is over. */
enum mf_code mf_abort_confirmed(struct mf_tx *tx, const struct mf_action_row *row, int32_t attempt,
                                struct mf_error *err) MF_CHECK_RESULT;

#endif
