/* AbortRun and AbortAction. */
#include "action/machine.h"
#include "base/list.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/service.h"

#define DEFAULT_REASON MF_STR("User requested abort")

/* Lives in the arena of its call. */
struct abort {
    struct mf_command command;
    struct mf_call *call;
    const struct pb_common_RunIdentifier *run;
    struct mf_str action;
    struct mf_str reason;
    bool whole_run;
};

static enum mf_code apply_abort(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct abort *abort = MF_CONTAINER(command, struct abort, command);
    const struct pb_common_RunIdentifier *run = abort->run;
    int64_t run_id = 0;
    enum mf_code code = mf_run_id(mf_tx_db(tx), run->project, run->domain, run->name, &run_id, err);
    return code == MF_OK ? mf_action_abort(tx, run_id, abort->action, abort->reason, MF_STR_EMPTY, NULL, err)
                         : code;
}

static void done_abort(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct abort *abort = MF_CONTAINER(command, struct abort, command);
    struct mf_call *call = abort->call;
    const struct pb_workflow_AbortRunResponse run_aborted = {0};
    const struct pb_workflow_AbortActionResponse action_aborted = {0};
    if (code != MF_OK)
        mf_call_fail_error(call, err);
    else if (abort->whole_run)
        mf_call_reply(call, &run_aborted);
    else
        mf_call_reply(call, &action_aborted);
    mf_call_unref(call);
}

static void submit(struct mf_runs *runs, struct mf_call *call, const struct abort *wanted)
{
    struct abort *abort = MF_NEW(mf_call_arena(call), struct abort);
    if (!abort) {
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory; try again later");
        return;
    }
    *abort = *wanted;
    abort->command.apply = apply_abort;
    abort->command.done = done_abort;
    abort->call = mf_call_ref(call);
    mf_writer_submit(mf_store_writer(runs->store), &abort->command);
}

void mf_run_on_abort_run(void *service, struct mf_call *call)
{
    const struct pb_workflow_AbortRunRequest *request = mf_call_request(call);
    const struct abort wanted = {
        .run = request->run_id,
        .action = MF_ROOT_ACTION,
        .reason = request->has_reason ? request->reason : DEFAULT_REASON,
        .whole_run = true,
    };
    struct mf_error err;
    if (mf_run_id_check(request->run_id, "run_id", &err) != MF_OK)
        mf_call_fail_error(call, &err);
    else
        submit(service, call, &wanted);
}

void mf_run_on_abort_action(void *service, struct mf_call *call)
{
    const struct pb_workflow_AbortActionRequest *request = mf_call_request(call);
    struct mf_error err;
    if (mf_run_action_id_check(request->action_id, "action_id", &err) != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    const struct abort wanted = {
        .run = request->action_id->run,
        .action = request->action_id->name,
        .reason = request->reason.len > 0 ? request->reason : DEFAULT_REASON,
    };
    submit(service, call, &wanted);
}
