/* The task that a run is made of: given in the request, deployed before, or that of a trigger. */
#ifndef MF_RUN_SOURCE_H
#define MF_RUN_SOURCE_H

#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/given.h"
#include "store/trigger.h"

struct mf_run_source {
    struct pb_task_TaskIdentifier *id; /* without an organization */
    struct pb_task_TaskSpec *spec;
    int32_t kind; /* flyteidl2.task.TaskSpecSource */
    bool fires;   /* a trigger: the members below */
    struct mf_trigger_row row;
    struct mf_run_trigger trigger;
};

/* MF_NOT_FOUND when the task or trigger does not exist, MF_INVALID_ARGUMENT when the request names none. A
 * trigger that is not active can be fired all the same. */
enum mf_code mf_run_source_find(struct mf_db *db, struct mf_arena *arena,
                                const struct pb_workflow_CreateRunRequest *request, struct mf_run_source *out,
                                struct mf_error *err) MF_CHECK_RESULT;

#endif
