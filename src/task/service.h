/* What the files of this folder share. */
#ifndef MF_TASK_SERVICE_H
#define MF_TASK_SERVICE_H

#include "rpc/call.h"
#include "store/task.h"
#include "task/deploy.h"
#include "task/task.h"

struct mf_tasks {
    struct mf_store *store;
    struct mf_triggers *triggers;
    bool replace_triggers;
};

/* Handlers; service is the struct mf_tasks. */
void mf_task_on_deploy(void *service, struct mf_call *call);
void mf_task_on_details(void *service, struct mf_call *call);
void mf_task_on_list(void *service, struct mf_call *call);
void mf_task_on_versions(void *service, struct mf_call *call);

#endif
