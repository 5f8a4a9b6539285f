/* The specification of a run as it is stored: what the server fills in. Pure. */
#ifndef MF_RUN_SPEC_H
#define MF_RUN_SPEC_H

#include "gen/flyteidl2/workflow/run_service.pb.h"

/* Whether tasks of this SDK version understand a start time of the run: true from 2.3.6 on. The version is
 * the first
 * "<number>.<number>.<number>" in the text; what follows (pre-release, local part) does not count. */
bool mf_run_sdk_takes_start_time(struct mf_str version);

struct mf_run_spec_rules {
    int64_t now_ns;
    struct mf_str storage; /* prefix of raw data unless the request names one */
    int32_t task_source;   /* flyteidl2.task.TaskSpecSource */
};
/* The request's run_spec (or an empty one) completed; a new message that shares what it does not change. NULL
 * when memory ran out. */
struct pb_task_RunSpec *mf_run_spec_complete(struct mf_arena *arena,
                                             const struct pb_workflow_CreateRunRequest *request,
                                             const struct pb_task_TaskSpec *task,
                                             const struct mf_run_spec_rules *rules);

#endif
