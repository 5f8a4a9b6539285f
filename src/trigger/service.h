/* What the files of this folder share. */
#ifndef MF_TRIGGER_SERVICE_H
#define MF_TRIGGER_SERVICE_H

#include "rpc/call.h"
#include "trigger/trigger.h"

struct mf_triggers {
    struct mf_store *store;
    struct mf_zones *zones;
};

/* Handlers; service is the struct mf_triggers. */
void mf_trigger_on_deploy(void *service, struct mf_call *call);
void mf_trigger_on_update(void *service, struct mf_call *call);
void mf_trigger_on_delete(void *service, struct mf_call *call);
void mf_trigger_on_details(void *service, struct mf_call *call);
void mf_trigger_on_revision(void *service, struct mf_call *call);
void mf_trigger_on_list(void *service, struct mf_call *call);
void mf_trigger_on_history(void *service, struct mf_call *call);

#endif
