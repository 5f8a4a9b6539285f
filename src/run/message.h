/*
 * Rows of the store as messages of flyteidl2.workflow. Messages live in the arena and alias the strings of
 * the rows. Functions that return a pointer return NULL when memory ran out or stored bytes cannot be read.
 */
#ifndef MF_RUN_MESSAGE_H
#define MF_RUN_MESSAGE_H

#include "gen/flyteidl2/workflow/run_definition.pb.h"
#include "store/action.h"
#include "store/run.h"

struct pb_google_protobuf_Timestamp *mf_run_timestamp(struct mf_arena *arena, int64_t ns);
/* 0 when time is NULL. */
int64_t mf_run_timestamp_ns(const struct pb_google_protobuf_Timestamp *time);

/* What of a run shows in the metadata of its actions; decoded once, shared by all of them. */
struct mf_run_facts {
    const struct mf_run_row *row;
    struct pb_task_RunSpec *spec; /* NULL when there is none */
    struct pb_common_EnrichedIdentity *created_by;
    struct pb_task_TriggerAutomationSpec *trigger_type;
};
/* MF_DATA_LOSS when stored bytes cannot be read. */
enum mf_code mf_run_facts(struct mf_arena *arena, const struct mf_run_row *row, struct mf_run_facts *out,
                          struct mf_error *err) MF_CHECK_RESULT;

/* The same for a row whose specification is at hand. */
enum mf_code mf_run_facts_of(struct mf_arena *arena, const struct mf_run_row *row,
                             struct pb_task_RunSpec *spec, struct mf_run_facts *out,
                             struct mf_error *err) MF_CHECK_RESULT;

struct pb_common_ActionIdentifier *mf_run_action_id(struct mf_arena *arena, const struct mf_action_row *row);
/* condition: the specification of a condition, which knows the type of its answer; NULL when not at hand. */
struct pb_workflow_ActionMetadata *mf_run_metadata(struct mf_arena *arena, const struct mf_run_facts *run,
                                                   const struct mf_action_row *row,
                                                   const struct pb_workflow_ConditionAction *condition);
struct pb_workflow_ActionStatus *mf_run_status(struct mf_arena *arena, const struct mf_action_row *row);
struct pb_workflow_Action *mf_run_action(struct mf_arena *arena, const struct mf_run_facts *run,
                                         const struct mf_action_row *row,
                                         const struct pb_workflow_ConditionAction *condition);
struct pb_workflow_Run *mf_run_message(struct mf_arena *arena, const struct mf_run_facts *run,
                                       const struct mf_action_row *root);

#endif
