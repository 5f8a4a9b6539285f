#include "trigger/trigger.h"

#include "gen/flyteidl2/trigger/trigger_service.pb.h"
#include "trigger/service.h"

#include <stdlib.h>

enum mf_code mf_triggers_new(struct mf_store *store, struct mf_triggers **out, struct mf_error *err)
{
    struct mf_triggers *triggers = calloc(1, sizeof *triggers);
    if (!triggers)
        return mf_fail_memory(err);
    triggers->store = store;
    enum mf_code code = mf_zones_new(NULL, &triggers->zones, err);
    if (code != MF_OK) {
        mf_triggers_free(triggers);
        return code;
    }
    *out = triggers;
    return MF_OK;
}

void mf_triggers_free(struct mf_triggers *triggers)
{
    if (!triggers)
        return;
    mf_zones_free(triggers->zones);
    free(triggers);
}

struct mf_zones *mf_triggers_zones(struct mf_triggers *triggers)
{
    return triggers->zones;
}

enum mf_code mf_triggers_serve(struct mf_triggers *triggers, struct mf_rpc *rpc, struct mf_error *err)
{
    static const struct {
        size_t method;
        mf_handler handler;
    } methods[] = {
        {pb_trigger_TriggerService_DeployTrigger, mf_trigger_on_deploy},
        {pb_trigger_TriggerService_GetTriggerDetails, mf_trigger_on_details},
        {pb_trigger_TriggerService_GetTriggerRevisionDetails, mf_trigger_on_revision},
        {pb_trigger_TriggerService_ListTriggers, mf_trigger_on_list},
        {pb_trigger_TriggerService_GetTriggerRevisionHistory, mf_trigger_on_history},
        {pb_trigger_TriggerService_UpdateTriggers, mf_trigger_on_update},
        {pb_trigger_TriggerService_DeleteTriggers, mf_trigger_on_delete},
    };
    enum mf_code code = MF_OK;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0] && code == MF_OK; i++)
        code = mf_rpc_handle(rpc, &pb_trigger_TriggerService_service, methods[i].method, methods[i].handler,
                             triggers, err);
    return code;
}
