/* The specification of a run as it is stored: what the server fills in. Pure. */
#ifndef MF_RUN_SPEC_H
#define MF_RUN_SPEC_H

#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "setting/setting.h"

/* Whether tasks of this SDK version understand a start time of the run: true from 2.3.6 on. The version is
 * the first "<number>.<number>.<number>" in the text; what follows (pre-release, local part) does not count.
 */
bool mf_run_sdk_takes_start_time(struct mf_str version);

/* All runs of an installation are in one pool. */
#define MF_RUN_CLUSTER_POOL MF_STR("default")

struct mf_run_spec_rules {
    int64_t now_ns;
    struct mf_str storage;              /* prefix of raw data unless the request or the settings name one */
    int32_t task_source;                /* flyteidl2.task.TaskSpecSource */
    const struct mf_settings *settings; /* of the project and domain; NULL: none */
};
/* What was given (NULL: nothing) completed: the start time (start: that of the request; NULL: none) if the
 * task's SDK takes one; whatever was left open and the settings name: folders, queue, concurrency, service
 * account, labels, annotations and variables key by key; the relation to another run in both its forms; what
 * only the server may set. A variable that the task sets itself is not taken from the settings. A new message
 * that shares what it does not change. NULL when memory ran out. */
struct pb_task_RunSpec *mf_run_spec_complete(struct mf_arena *arena, const struct pb_task_RunSpec *given,
                                             struct pb_google_protobuf_Timestamp *start,
                                             const struct pb_task_TaskSpec *task,
                                             const struct mf_run_spec_rules *rules);

#endif
