/* AbortRun and AbortAction. */
#include "action/machine.h"
#include "base/list.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "identity/caller.h"
#include "run/service.h"

#define DEFAULT_REASON MF_STR("User requested abort")

/* Lives in the arena of its call. */
struct abort {
    struct mf_command command;
    struct mf_call *call;
    const struct pb_common_RunIdentifier *run;
    struct mf_str action;
    struct mf_str reason;
    struct mf_str by; /* encoded identity */
    bool whole_run;
    bool tracked;
};

/* What was aborted before is aborted; what has ended otherwise stays as it is, and whoever asks learns it. */
static enum mf_code nothing_to_abort(const struct abort *abort, struct mf_tx *tx, int64_t run_id,
                                     struct mf_error *err)
{
    struct mf_action_row row;
    enum mf_code code = mf_action_get(mf_tx_db(tx), mf_tx_arena(tx), run_id, abort->action, &row, err);
    if (code != MF_OK || row.phase == MF_PHASE_ABORTED)
        return code;
    return mf_fail(err, MF_FAILED_PRECONDITION, "%s %.*s has already ended (%s); nothing was aborted",
                   abort->whole_run ? "run" : "action",
                   MF_FMT(abort->whole_run ? abort->run->name : abort->action), mf_phase_word(row.phase));
}

static enum mf_code apply_abort(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct abort *abort = MF_CONTAINER(command, struct abort, command);
    const struct pb_common_RunIdentifier *run = abort->run;
    struct mf_run_row row;
    int64_t changed = 0;
    enum mf_code code =
        mf_run_find(mf_tx_db(tx), mf_tx_arena(tx), run->project, run->domain, run->name, &row, err);
    if (code == MF_OK && abort->tracked)
        code = mf_run_tracked_check(&row, err);
    if (code == MF_OK)
        code = mf_action_abort(tx, row.id, abort->action, abort->reason, abort->by, &changed, err);
    /* The protocol wants tracked runs to take it as done. */
    return code == MF_OK && changed == 0 && !abort->tracked ? nothing_to_abort(abort, tx, row.id, err) : code;
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
    struct mf_error err;
    struct abort *abort = MF_NEW(mf_call_arena(call), struct abort);
    enum mf_code code = abort ? MF_OK : mf_fail_memory(&err);
    if (code == MF_OK) {
        *abort = *wanted;
        code = mf_identity_encode(mf_call_arena(call), mf_call_caller(call), &abort->by, &err);
    }
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    abort->tracked = mf_run_is_tracked_call(call);
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
