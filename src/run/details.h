/* Everything the store knows about one action or run, as a message. */
#ifndef MF_RUN_DETAILS_H
#define MF_RUN_DETAILS_H

#include "run/message.h"

/* A run and one of its actions. */
struct mf_run_pair {
    struct mf_run_row run;
    struct mf_action_row action;
};

/* MF_NOT_FOUND when there is no such run or action. */
enum mf_code mf_run_pair_read(struct mf_db *db, struct mf_arena *arena,
                              const struct pb_common_RunIdentifier *run, struct mf_str action,
                              struct mf_run_pair *out, struct mf_error *err) MF_CHECK_RESULT;

/* The specification of a task, trace or condition; NULL when the action has none. */
struct mf_run_action_spec {
    struct pb_task_TaskSpec *task;
    struct pb_task_TraceSpec *trace;
    struct pb_workflow_ConditionAction *condition;
};
enum mf_code mf_run_action_spec(struct mf_db *db, struct mf_arena *arena, const struct mf_action_row *row,
                                struct mf_run_action_spec *out, struct mf_error *err) MF_CHECK_RESULT;

enum mf_code mf_run_action_details(struct mf_db *db, struct mf_arena *arena, const struct mf_run_facts *run,
                                   const struct mf_action_row *row, struct pb_workflow_ActionDetails *out,
                                   struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_run_run_details(struct mf_db *db, struct mf_arena *arena, const struct mf_run_pair *pair,
                                struct pb_workflow_RunDetails *out, struct mf_error *err) MF_CHECK_RESULT;

#endif
