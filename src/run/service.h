/* What the files of this folder share. */
#ifndef MF_RUN_SERVICE_H
#define MF_RUN_SERVICE_H

#include "run/run.h"

struct pb_common_ActionIdentifier;
struct pb_common_RunIdentifier;

struct mf_runs {
    const struct mf_sys *sys;
    struct mf_store *store;
    struct mf_objects *objects;
    struct mf_str *domains;
    size_t domain_count;
    struct mf_trees *trees;       /* run/tree.h */
    struct mf_subjects *subjects; /* run/subject.h */
};

#define MF_ROOT_ACTION ((struct mf_str){.ptr = "a0", .len = 2})

/* MF_INVALID_ARGUMENT naming the field when a part is missing. */
enum mf_code mf_run_id_check(const struct pb_common_RunIdentifier *id, const char *field,
                             struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_run_action_id_check(const struct pb_common_ActionIdentifier *id, const char *field,
                                    struct mf_error *err) MF_CHECK_RESULT;

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
