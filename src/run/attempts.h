/*
 * The attempts of an action as its events tell them. Pure.
 *
 * Events are given in order of their attempt; those of one attempt in any order. What is newer wins; every
 * phase shows once, with the time it began and the time the next one did.
 */
#ifndef MF_RUN_ATTEMPTS_H
#define MF_RUN_ATTEMPTS_H

#include "gen/flyteidl2/workflow/run_definition.pb.h"

struct mf_run_attempts;

struct mf_run_attempts *mf_run_attempts_new(struct mf_arena *arena); /* NULL when memory ran out */
/* The event and all below it must live as long as the result. */
enum mf_code mf_run_attempts_add(struct mf_run_attempts *attempts, struct pb_workflow_ActionEvent *event,
                                 struct mf_error *err) MF_CHECK_RESULT;
/* Appends what was told to details->attempts: one entry for every number from 1 to the highest seen, so that
 * attempt n is at place n - 1. */
enum mf_code mf_run_attempts_finish(struct mf_run_attempts *attempts,
                                    struct pb_workflow_ActionDetails *details,
                                    struct mf_error *err) MF_CHECK_RESULT;

#endif
