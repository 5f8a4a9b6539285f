/* CreateRun. */
#include "base/list.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "identity/caller.h"
#include "run/make.h"
#include "run/service.h"

/* A run to be made for a call; lives in its arena. */
struct create {
    struct mf_command command;
    struct mf_runs *runs;
    struct mf_call *call;
    struct mf_run_make *make;
};

static void reply(struct create *create)
{
    const struct pb_workflow_CreateRunResponse response = {.run = mf_run_make_result(create->make)};
    mf_call_reply(create->call, &response);
}

static enum mf_code apply_create(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct create *create = MF_CONTAINER(command, struct create, command);
    bool existed = false;
    int64_t run_id = 0;
    return mf_run_make_apply(create->make, tx, &existed, &run_id, err);
}

static void done_create(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct create *create = MF_CONTAINER(command, struct create, command);
    struct mf_call *call = create->call;
    if (code == MF_OK)
        reply(create);
    else
        mf_call_fail_error(call, err);
    mf_call_unref(call);
}

/* Inputs that are too large for the command are durable; now the run. */
static void inputs_written(void *ctx, enum mf_code code, const struct mf_error *err)
{
    struct create *create = ctx;
    if (code == MF_OK)
        mf_writer_submit(mf_store_writer(create->runs->store), &create->command);
    else
        done_create(&create->command, code, err);
}

static enum mf_code prepare(struct create *create, const struct pb_workflow_CreateRunRequest *request,
                            enum mf_carrier carrier, bool *exists, struct mf_error *err)
{
    const struct mf_caller *caller = mf_call_caller(create->call);
    struct mf_run_make_input input = {
        .runs = create->runs,
        .arena = mf_call_arena(create->call),
        .request = request,
        .carrier = carrier,
        .created_by_subject = caller->subject,
        .answer = true,
    };
    enum mf_code code = mf_identity_encode(input.arena, caller, &input.created_by, err);
    return code == MF_OK ? mf_run_make_prepare(&input, &create->make, exists, err) : code;
}

void mf_run_on_create(void *service, struct mf_call *call)
{
    mf_run_create(service, call, mf_call_request(call), MF_CARRIER_HERE);
}

void mf_run_create(struct mf_runs *runs, struct mf_call *call,
                   const struct pb_workflow_CreateRunRequest *request, enum mf_carrier carrier)
{
    struct create *create = MF_NEW(mf_call_arena(call), struct create);
    struct mf_error err;
    bool exists = false;
    enum mf_code code = create ? MF_OK : mf_fail_memory(&err);
    if (code == MF_OK) {
        create->runs = runs;
        create->call = call;
        create->command.apply = apply_create;
        create->command.done = done_create;
        code = prepare(create, request, carrier, &exists, &err);
    }
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    if (exists) {
        reply(create);
        return;
    }
    mf_call_ref(call);
    if (mf_run_make_needs_write(create->make))
        mf_run_make_write(create->make, inputs_written, create);
    else
        mf_writer_submit(mf_store_writer(runs->store), &create->command);
}
