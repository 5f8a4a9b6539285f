/* The task that a run is made of: given in the request, or deployed before. */
#ifndef MF_RUN_SOURCE_H
#define MF_RUN_SOURCE_H

#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "store/db.h"

struct mf_run_source {
    struct pb_task_TaskIdentifier *id; /* without an organization */
    struct pb_task_TaskSpec *spec;
    int32_t kind; /* flyteidl2.task.TaskSpecSource */
};

/* MF_NOT_FOUND when the task or trigger does not exist, MF_INVALID_ARGUMENT when the request names none. */
enum mf_code mf_run_source_find(struct mf_db *db, struct mf_arena *arena,
                                const struct pb_workflow_CreateRunRequest *request, struct mf_run_source *out,
                                struct mf_error *err) MF_CHECK_RESULT;

#endif
