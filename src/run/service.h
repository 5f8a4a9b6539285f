/* What the files of this folder share. */
#ifndef MF_RUN_SERVICE_H
#define MF_RUN_SERVICE_H

#include "run/run.h"
#include "store/action.h"
#include "store/run.h"

struct pb_common_ActionIdentifier;
struct pb_common_RunIdentifier;
struct pb_workflow_CreateRunRequest;

struct mf_runs {
    const struct mf_sys *sys;
    struct mf_store *store;
    struct mf_objects *objects;
    struct mf_str *domains;
    size_t domain_count;
    size_t data_max;              /* see run/data.h */
    struct mf_trees *trees;       /* run/tree.h */
    struct mf_subjects *subjects; /* run/subject.h */
};

#define MF_ROOT_ACTION ((struct mf_str){.ptr = "a0", .len = 2})

/* MF_INVALID_ARGUMENT naming the field when a part is missing. */
enum mf_code mf_run_id_check(const struct pb_common_RunIdentifier *id, const char *field,
                             struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_run_action_id_check(const struct pb_common_ActionIdentifier *id, const char *field,
                                    struct mf_error *err) MF_CHECK_RESULT;

/* Answers the call as CreateRun does. request lives in the call's arena. */
void mf_run_create(struct mf_runs *runs, struct mf_call *call,
                   const struct pb_workflow_CreateRunRequest *request, enum mf_carrier carrier);
/* TrackedRunService: what differs from RunService, whose handlers answer the rest. */
enum mf_code mf_run_tracked_serve(struct mf_runs *runs, struct mf_rpc *rpc,
                                  struct mf_error *err) MF_CHECK_RESULT;
void mf_run_on_report(void *service, struct mf_call *call);
bool mf_run_is_tracked_call(const struct mf_call *call);
/* MF_FAILED_PRECONDITION when the platform carries the run out itself. */
enum mf_code mf_run_tracked_check(const struct mf_run_row *row, struct mf_error *err) MF_CHECK_RESULT;

/* Handlers; service is the struct mf_runs. */
void mf_run_on_create(void *service, struct mf_call *call);
void mf_run_on_abort_run(void *service, struct mf_call *call);
void mf_run_on_abort_action(void *service, struct mf_call *call);
void mf_run_on_signal(void *service, struct mf_call *call);
void mf_run_on_run_details(void *service, struct mf_call *call);
void mf_run_on_action_details(void *service, struct mf_call *call);
void mf_run_on_data(void *service, struct mf_call *call);
void mf_run_on_data_uris(void *service, struct mf_call *call);
void mf_run_on_log_context(void *service, struct mf_call *call);
void mf_run_on_list_runs(void *service, struct mf_call *call);
void mf_run_on_list_actions(void *service, struct mf_call *call);
void mf_run_on_watch_run(void *service, struct mf_call *call);
void mf_run_on_watch_action(void *service, struct mf_call *call);
void mf_run_on_watch_runs(void *service, struct mf_call *call);
void mf_run_on_watch_actions(void *service, struct mf_call *call);
void mf_run_on_watch_events(void *service, struct mf_call *call);
void mf_run_on_watch_groups(void *service, struct mf_call *call);

#endif
