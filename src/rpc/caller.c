#include "rpc/caller.h"

#include "rpc/call_state.h"

const struct mf_caller *mf_call_caller(const struct mf_call *call)
{
    return &call->caller;
}

void mf_rpc_set_identify(struct mf_rpc *rpc, mf_identify identify, void *ctx)
{
    rpc->identify = identify;
    rpc->identify_ctx = ctx;
}

void mf_call_identified(struct mf_call *call, const struct mf_error *refused)
{
    if (refused)
        mf_call_fail_error(call, refused);
    mf_call_schedule(call, MF_EVENT_IDENTIFIED);
}
