#include "action/actions.h"

#include "action/machine.h"
#include "action/message.h"
#include "action/state.h"
#include "action/watch.h"
#include "base/list.h"
#include "gen/flyteidl2/actions/actions_service.pb.h"
#include "gen/flyteidl2/common/identity.pb.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/workflow/queue_service.pb.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"
#include "gen/flyteidl2/workflow/state_service.pb.h"
#include "identity/caller.h"

/* Reason of an abort that comes without one: only parents call this service. */
#define NO_REASON "canceled by its parent"
#define ROOT "a0"

/* A request as a command; lives in the arena of its call. */
struct request {
    struct mf_command command;
    struct mf_call *call;
    const void *response; /* constant, of the method's type */
    const struct pb_common_RunIdentifier *run;
    struct mf_str name;
    union {
        const struct pb_actions_Action *action; /* enqueue */
        struct mf_action_status status;         /* update */
        struct {
            struct mf_str reason, by;
        } abort;
        struct {
            struct mf_str value, by;
        } signal;
    } to;
};

static void done(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct request *request = MF_CONTAINER(command, struct request, command);
    struct mf_call *call = request->call;
    if (code == MF_OK)
        mf_call_reply(call, request->response);
    else
        mf_call_fail_error(call, err);
    mf_call_unref(call);
}

/* NULL, with the call failed, when the identifier is not whole or memory ran out. */
static struct request *new_request(struct mf_call *call, const struct pb_common_RunIdentifier *run,
                                   struct mf_str name, const void *response)
{
    struct request *request = NULL;
    if (!run || name.len == 0) {
        mf_call_fail(call, MF_INVALID_ARGUMENT, "action_id: name and run are required");
        return NULL;
    }
    request = MF_NEW(mf_call_arena(call), struct request);
    if (!request) {
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory for the request; try again later");
        return NULL;
    }
    request->call = call;
    request->response = response;
    request->run = run;
    request->name = name;
    request->command.done = done;
    return request;
}

static void submit(struct mf_store *store, struct request *request,
                   enum mf_code (*apply)(struct mf_command *, struct mf_tx *, struct mf_error *))
{
    request->command.apply = apply;
    mf_call_ref(request->call);
    mf_writer_submit(mf_store_writer(store), &request->command);
}

static enum mf_code find_run(const struct request *request, struct mf_tx *tx, int64_t *run_id,
                             struct mf_error *err)
{
    const struct pb_common_RunIdentifier *run = request->run;
    return mf_run_id(mf_tx_db(tx), run->project, run->domain, run->name, run_id, err);
}

/* ---- enqueue ---- */

static enum mf_code apply_enqueue(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    const struct request *request = MF_CONTAINER(command, struct request, command);
    const struct pb_common_RunIdentifier *run = request->run;
    struct mf_run_row row;
    enum mf_code code =
        mf_run_find(mf_tx_db(tx), mf_tx_arena(tx), run->project, run->domain, run->name, &row, err);
    return code == MF_OK ? mf_action_enqueue(tx, &row, request->to.action, err) : code;
}

static void enqueue(struct mf_store *store, struct mf_call *call, const struct pb_actions_Action *action,
                    const void *response)
{
    const struct pb_common_ActionIdentifier *id = action ? action->action_id : NULL;
    struct request *request = new_request(call, id ? id->run : NULL, id ? id->name : MF_STR_EMPTY, response);
    if (!request)
        return;
    request->to.action = action;
    submit(store, request, apply_enqueue);
}

static void on_enqueue(void *store, struct mf_call *call)
{
    static const struct pb_actions_EnqueueResponse response;
    const struct pb_actions_EnqueueRequest *request = mf_call_request(call);
    enqueue(store, call, request->action, &response);
}

static void on_enqueue_action(void *store, struct mf_call *call)
{
    static const struct pb_workflow_EnqueueActionResponse response;
    const struct pb_workflow_EnqueueActionRequest *request = mf_call_request(call);
    struct pb_actions_Action *action = MF_NEW(mf_call_arena(call), struct pb_actions_Action);
    if (!action) {
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory for the request; try again later");
        return;
    }
    action->action_id = request->action_id;
    action->parent_action_name = request->parent_action_name;
    action->has_parent_action_name = request->has_parent_action_name;
    action->input_uri = request->input_uri;
    action->run_output_base = request->run_output_base;
    action->group = request->group;
    action->subject = request->subject;
    switch (request->spec_case) {
    case pb_workflow_EnqueueActionRequest_tag_task:
        action->spec_case = pb_actions_Action_tag_task;
        action->spec.task = request->spec.task;
        break;
    case pb_workflow_EnqueueActionRequest_tag_trace:
        action->spec_case = pb_actions_Action_tag_trace;
        action->spec.trace = request->spec.trace;
        break;
    case pb_workflow_EnqueueActionRequest_tag_condition:
        action->spec_case = pb_actions_Action_tag_condition;
        action->spec.condition = request->spec.condition;
        break;
    default:
        break;
    }
    enqueue(store, call, action, &response);
}

/* ---- update ---- */

static enum mf_code apply_update(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct request *request = MF_CONTAINER(command, struct request, command);
    enum mf_code code = find_run(request, tx, &request->to.status.run_id, err);
    return code == MF_OK ? mf_action_report_status(tx, &request->to.status, err) : code;
}

static void on_update(void *store, struct mf_call *call)
{
    static const struct pb_actions_UpdateResponse response;
    const struct pb_actions_UpdateRequest *update = mf_call_request(call);
    const struct pb_common_ActionIdentifier *id = update->action_id;
    struct request *request = new_request(call, id ? id->run : NULL, id ? id->name : MF_STR_EMPTY, &response);
    if (!request)
        return;
    request->to.status =
        (struct mf_action_status){.name = id->name, .status = update->status, .attempt = update->attempt};
    submit(store, request, apply_update);
}

/* Whoever calls may speak for somebody else, as a parent does for the one it acts for. */
static enum mf_code encode_who(struct mf_call *call, const struct pb_common_EnrichedIdentity *named,
                               struct mf_str *out, struct mf_error *err)
{
    return named ? pb_encode(mf_call_arena(call), &pb_common_EnrichedIdentity_type, named, out, err)
                 : mf_identity_encode(mf_call_arena(call), mf_call_caller(call), out, err);
}

/* ---- abort ---- */

static enum mf_code apply_abort(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    const struct request *request = MF_CONTAINER(command, struct request, command);
    int64_t run_id = 0;
    enum mf_code code = find_run(request, tx, &run_id, err);
    return code == MF_OK ? mf_action_abort(tx, run_id, request->name, request->to.abort.reason,
                                           request->to.abort.by, NULL, err)
                         : code;
}

static void abort_action(struct mf_store *store, struct mf_call *call,
                         const struct pb_common_RunIdentifier *run, struct mf_str name, struct mf_str reason,
                         const struct pb_common_EnrichedIdentity *by, const void *response)
{
    struct mf_error err;
    enum mf_code code = MF_OK;
    struct request *request = new_request(call, run, name, response);
    if (!request)
        return;
    request->to.abort.reason = reason.len > 0 ? reason : MF_STR(NO_REASON);
    code = encode_who(call, by, &request->to.abort.by, &err);
    if (code != MF_OK)
        mf_call_fail_error(call, &err);
    else
        submit(store, request, apply_abort);
}

static void on_abort(void *store, struct mf_call *call)
{
    static const struct pb_actions_AbortResponse response;
    const struct pb_actions_AbortRequest *request = mf_call_request(call);
    const struct pb_common_ActionIdentifier *id = request->action_id;
    abort_action(store, call, id ? id->run : NULL, id ? id->name : MF_STR_EMPTY, request->reason,
                 request->aborted_by, &response);
}

static void on_abort_queued_run(void *store, struct mf_call *call)
{
    static const struct pb_workflow_AbortQueuedRunResponse response;
    const struct pb_workflow_AbortQueuedRunRequest *request = mf_call_request(call);
    abort_action(store, call, request->run_id, MF_STR(ROOT), request->reason, NULL, &response);
}

static void on_abort_queued_action(void *store, struct mf_call *call)
{
    static const struct pb_workflow_AbortQueuedActionResponse response;
    const struct pb_workflow_AbortQueuedActionRequest *request = mf_call_request(call);
    const struct pb_common_ActionIdentifier *id = request->action_id;
    abort_action(store, call, id ? id->run : NULL, id ? id->name : MF_STR_EMPTY, request->reason, NULL,
                 &response);
}

/* ---- signal ---- */

static enum mf_code apply_signal(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    const struct request *request = MF_CONTAINER(command, struct request, command);
    int64_t run_id = 0;
    enum mf_code code = find_run(request, tx, &run_id, err);
    return code == MF_OK ? mf_action_signal(tx, run_id, request->name, request->to.signal.value,
                                            request->to.signal.by, err)
                         : code;
}

static void on_signal(void *store, struct mf_call *call)
{
    static const struct pb_actions_SignalResponse response;
    const struct pb_actions_SignalRequest *signal = mf_call_request(call);
    const struct pb_common_ActionIdentifier *id = signal->action_id;
    struct mf_arena *arena = mf_call_arena(call);
    struct mf_error err;
    struct request *request = new_request(call, id ? id->run : NULL, id ? id->name : MF_STR_EMPTY, &response);
    if (!request)
        return;
    enum mf_code code = signal->value ? MF_OK : mf_fail(&err, MF_INVALID_ARGUMENT, "value is required");
    if (code == MF_OK)
        code = pb_encode(arena, &pb_core_Literal_type, signal->value, &request->to.signal.value, &err);
    if (code == MF_OK)
        code = encode_who(call, signal->signalled_by, &request->to.signal.by, &err);
    if (code != MF_OK)
        mf_call_fail_error(call, &err);
    else
        submit(store, request, apply_signal);
}

enum mf_code mf_actions_serve(struct mf_store *store, struct mf_rpc *rpc, struct mf_error *err)
{
    static const struct {
        const struct pb_service *service;
        size_t method;
        mf_handler handler;
    } methods[] = {
        {&pb_actions_ActionsService_service, pb_actions_ActionsService_Enqueue, on_enqueue},
        {&pb_actions_ActionsService_service, pb_actions_ActionsService_WatchForUpdates, mf_watch_for_updates},
        {&pb_actions_ActionsService_service, pb_actions_ActionsService_Update, on_update},
        {&pb_actions_ActionsService_service, pb_actions_ActionsService_Abort, on_abort},
        {&pb_actions_ActionsService_service, pb_actions_ActionsService_Signal, on_signal},
        {&pb_workflow_QueueService_service, pb_workflow_QueueService_EnqueueAction, on_enqueue_action},
        {&pb_workflow_QueueService_service, pb_workflow_QueueService_AbortQueuedRun, on_abort_queued_run},
        {&pb_workflow_QueueService_service, pb_workflow_QueueService_AbortQueuedAction,
         on_abort_queued_action},
        {&pb_workflow_StateService_service, pb_workflow_StateService_Put, mf_state_put},
        {&pb_workflow_StateService_service, pb_workflow_StateService_Get, mf_state_get},
        {&pb_workflow_StateService_service, pb_workflow_StateService_Watch, mf_watch_state},
    };
    enum mf_code code = MF_OK;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0] && code == MF_OK; i++)
        code = mf_rpc_handle(rpc, methods[i].service, methods[i].method, methods[i].handler, store, err);
    return code;
}
