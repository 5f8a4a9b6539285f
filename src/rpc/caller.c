#include "rpc/caller.h"

#include "rpc/call_state.h"

const struct mf_caller *mf_call_caller(const struct mf_call *call)
{
    return &call->caller;
}

static struct mf_str split_key(struct mf_str path, struct mf_str *rest)
{
    struct mf_str prefix = MF_STR("/task-key/");
    *rest = path;
    if (!mf_str_starts(path, prefix))
        return MF_STR_EMPTY;
    struct mf_str behind = mf_str_skip(path, prefix.len);
    size_t slash = mf_str_find_char(behind, '/');
    if (slash == SIZE_MAX)
        return MF_STR_EMPTY;
    *rest = mf_str_skip(behind, slash);
    return mf_str_take(behind, slash);
}

struct mf_str mf_path_without_key(struct mf_str path)
{
    struct mf_str rest;
    split_key(path, &rest);
    return rest;
}

struct mf_str mf_call_task_key(const struct mf_call *call)
{
    struct mf_str rest;
    return split_key(call->http.path, &rest);
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
