#include "event/event.h"

#include "action/machine.h"
#include "base/list.h"
#include "base/log.h"
#include "event/record.h"
#include "gen/flyteidl2/workflow/events_proxy_service.pb.h"
#include "gen/flyteidl2/workflow/internal_run_service.pb.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"
#include "gen/google/rpc/status.pb.h"

#include <stdatomic.h>

/* Events in one command, so that a long list does not keep the writer from everybody else. */
#define CHUNK 512
/* Messages of one stream that wait for their commit. */
#define STREAM_MAX 256

enum kind { RECORD_ACTION, UPDATE_STATUS, RECORD_EVENT, RECORD_EVENTS, PROXY_EVENTS };

/* One bidirectional stream; in the arena of its call. The answers come in the order of the requests, since
 * the writer completes commands in theirs. */
struct stream {
    struct mf_store *store;
    enum kind kind;
    const struct pb_type *request_type;
    _Atomic int pending; /* messages not yet answered, and one while the client may send more */
};

/* One request as a command: of a unary call in the call's arena, of a stream in an arena of its own. */
struct item {
    struct mf_command command;
    struct mf_store *store;
    struct mf_call *call;
    struct stream *stream; /* NULL: unary */
    struct mf_arena *own;  /* NULL: unary */
    enum kind kind;
    int64_t nonce;
    union {
        const struct pb_workflow_RecordActionRequest *action;
        const struct pb_workflow_UpdateActionStatusRequest *status;
        const struct pb_workflow_ActionEvent *event;
        struct {
            struct pb_workflow_ActionEvent *const *items;
            size_t count, done, taken;
            struct mf_left_out all, taken_out; /* of the whole list; of the part in the command */
        } events;
    } of;
};

static enum mf_code apply(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct item *item = MF_CONTAINER(command, struct item, command);
    size_t left = 0;
    switch (item->kind) {
    case RECORD_ACTION:
        return item->of.action ? mf_record_action(tx, item->of.action, err)
                               : mf_fail(err, MF_INVALID_ARGUMENT, "request is required");
    case UPDATE_STATUS:
        return item->of.status ? mf_record_status(tx, item->of.status, err)
                               : mf_fail(err, MF_INVALID_ARGUMENT, "request is required");
    case RECORD_EVENT:
        return item->of.event ? mf_action_record_event(tx, item->of.event, err)
                              : mf_fail(err, MF_INVALID_ARGUMENT, "request.event is required");
    case RECORD_EVENTS:
    case PROXY_EVENTS:
        left = item->of.events.count - item->of.events.done;
        item->of.events.taken = left < CHUNK ? left : CHUNK;
        return mf_record_events(tx, item->of.events.items + item->of.events.done, item->of.events.taken,
                                &item->of.events.taken_out, err);
    }
    return mf_fail(err, MF_INTERNAL, "unknown kind of record");
}

/* ---- answers ---- */

static struct pb_common_ActionIdentifier *id_of(const struct item *item)
{
    if (item->kind == RECORD_ACTION)
        return item->of.action ? item->of.action->action_id : NULL;
    if (item->kind == UPDATE_STATUS)
        return item->of.status ? item->of.status->action_id : NULL;
    return item->kind == RECORD_EVENT && item->of.event ? item->of.event->id : NULL;
}

static void answer_unary(const struct item *item, struct pb_google_rpc_Status *status)
{
    const struct pb_workflow_RecordActionResponse action = {.action_id = id_of(item), .status = status};
    const struct pb_workflow_UpdateActionStatusResponse update = {.action_id = id_of(item), .status = status};
    const struct pb_workflow_RecordActionEventsResponse events = {.status = status};
    const struct pb_workflow_RecordResponse proxy = {0};
    if (item->kind == RECORD_ACTION)
        mf_call_reply(item->call, &action);
    else if (item->kind == UPDATE_STATUS)
        mf_call_reply(item->call, &update);
    else if (item->kind == RECORD_EVENTS)
        mf_call_reply(item->call, &events);
    else
        mf_call_reply(item->call, &proxy);
}

static void answer_stream(const struct item *item, struct pb_google_rpc_Status *status)
{
    struct pb_workflow_RecordActionResponse action = {.action_id = id_of(item), .status = status};
    struct pb_workflow_UpdateActionStatusResponse update = {.action_id = id_of(item), .status = status};
    struct pb_workflow_RecordActionEventResponse event = {.action_id = id_of(item), .status = status};
    if (item->kind == RECORD_ACTION) {
        const struct pb_workflow_RecordActionStreamResponse response = {.response = &action};
        mf_call_send(item->call, &response);
    } else if (item->kind == UPDATE_STATUS) {
        const struct pb_workflow_UpdateActionStatusStreamResponse response = {.response = &update,
                                                                              .nonce = item->nonce};
        mf_call_send(item->call, &response);
    } else {
        const struct pb_workflow_RecordActionEventStreamResponse response = {.response = &event,
                                                                             .nonce = item->nonce};
        mf_call_send(item->call, &response);
    }
}

/* A decision is told in the answer; of anything else the call fails. */
static bool is_decision(const struct item *item, enum mf_code code)
{
    if (code == MF_OK)
        return true;
    return item->kind != PROXY_EVENTS &&
           (code == MF_INVALID_ARGUMENT || code == MF_NOT_FOUND || code == MF_ALREADY_EXISTS ||
            code == MF_FAILED_PRECONDITION || code == MF_ABORTED);
}

/* The one who takes the last away ends the stream. */
static void leave(struct stream *stream, struct mf_call *call)
{
    int before = atomic_fetch_sub_explicit(&stream->pending, 1, memory_order_acq_rel);
    if (before == 1)
        mf_call_end(call);
    else if (before <= STREAM_MAX / 2)
        mf_call_release(call);
}

static void note_left_out(struct item *item)
{
    struct mf_left_out *all = &item->of.events.all;
    const struct mf_left_out *taken = &item->of.events.taken_out;
    if (all->count == 0 && taken->count > 0) {
        all->first = item->of.events.done + taken->first;
        all->why = taken->why;
    }
    all->count += taken->count;
}

/* A batch of which something was kept is a success, since its sender would repeat all of it; what was left
 * out is told in words. One of which nothing was kept is refused. */
static void answer_events(const struct item *item)
{
    const struct mf_left_out *out = &item->of.events.all;
    struct pb_google_rpc_Status status = {0};
    struct mf_error why = {0};
    if (out->count > 0) {
        (void)mf_fail(&why, out->why.code, "%zu of %zu events were left out, the first is events[%zu]: %s",
                      out->count, item->of.events.count, out->first, out->why.message);
        mf_log(MF_LOG_WARN, "event", "%s", why.message);
        status.message = mf_str_from_c(why.message);
    }
    if (out->count > 0 && out->count == item->of.events.count)
        status.code = (int32_t)why.code;
    if (item->kind == PROXY_EVENTS && status.code != MF_OK)
        mf_call_fail_error(item->call, &why);
    else
        answer_unary(item, &status);
}

static void done(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct item *item = MF_CONTAINER(command, struct item, command);
    struct mf_call *call = item->call;
    struct pb_google_rpc_Status status = {.code = (int32_t)code};
    if (item->kind == RECORD_EVENTS || item->kind == PROXY_EVENTS) {
        if (code == MF_OK)
            note_left_out(item);
        item->of.events.done += item->of.events.taken;
        if (code == MF_OK && item->of.events.done < item->of.events.count) {
            mf_writer_submit(mf_store_writer(item->store), command);
            return;
        }
    }
    if (code != MF_OK)
        status.message = mf_str_from_c(err->message);
    if (code == MF_OK && (item->kind == RECORD_EVENTS || item->kind == PROXY_EVENTS))
        answer_events(item);
    else if (!is_decision(item, code))
        mf_call_fail_error(call, err);
    else if (item->stream)
        answer_stream(item, &status);
    else
        answer_unary(item, &status);
    if (item->stream)
        leave(item->stream, call);
    mf_arena_free(item->own);
    mf_call_unref(call);
}

/* ---- unary ---- */

static struct item *new_item(struct mf_store *store, struct mf_call *call, enum kind kind)
{
    struct item *item = MF_NEW(mf_call_arena(call), struct item);
    if (!item) {
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory for the request; try again later");
        return NULL;
    }
    item->command.apply = apply;
    item->command.done = done;
    item->store = store;
    item->call = call;
    item->kind = kind;
    return item;
}

static void submit(struct item *item)
{
    mf_call_ref(item->call);
    mf_writer_submit(mf_store_writer(item->store), &item->command);
}

static void on_record_action(void *store, struct mf_call *call)
{
    struct item *item = new_item(store, call, RECORD_ACTION);
    if (!item)
        return;
    item->of.action = mf_call_request(call);
    submit(item);
}

static void on_update_status(void *store, struct mf_call *call)
{
    struct item *item = new_item(store, call, UPDATE_STATUS);
    if (!item)
        return;
    item->of.status = mf_call_request(call);
    submit(item);
}

static void on_record_events(void *store, struct mf_call *call)
{
    const struct pb_workflow_RecordActionEventsRequest *request = mf_call_request(call);
    struct item *item = new_item(store, call, RECORD_EVENTS);
    if (!item)
        return;
    item->of.events.items = request->events.items;
    item->of.events.count = request->events.count;
    submit(item);
}

static void on_record(void *store, struct mf_call *call)
{
    const struct pb_workflow_RecordRequest *request = mf_call_request(call);
    struct item *item = new_item(store, call, PROXY_EVENTS);
    if (!item)
        return;
    item->of.events.items = request->events.items;
    item->of.events.count = request->events.count;
    submit(item);
}

/* ---- streams ---- */

static void take_message(struct item *item, const void *message)
{
    const struct pb_workflow_RecordActionStreamRequest *action = message;
    const struct pb_workflow_UpdateActionStatusStreamRequest *status = message;
    const struct pb_workflow_RecordActionEventStreamRequest *event = message;
    if (item->kind == RECORD_ACTION) {
        item->of.action = action->request;
    } else if (item->kind == UPDATE_STATUS) {
        item->of.status = status->request;
        item->nonce = status->nonce;
    } else {
        item->of.event = event->request ? event->request->event : NULL;
        item->nonce = event->nonce;
    }
}

static void on_message(void *ctx, struct mf_call *call, const void *msg)
{
    struct stream *stream = ctx;
    struct mf_arena *arena = mf_arena_new(0);
    struct item *item = arena ? MF_NEW(arena, struct item) : NULL;
    const void *copy = item ? pb_copy(arena, stream->request_type, msg) : NULL;
    if (!copy) {
        mf_arena_free(arena);
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory for the message; try again later");
        return;
    }
    *item = (struct item){
        .command = {.apply = apply, .done = done},
        .store = stream->store,
        .call = call,
        .stream = stream,
        .own = arena,
        .kind = stream->kind,
    };
    take_message(item, copy);
    int waiting = atomic_fetch_add_explicit(&stream->pending, 1, memory_order_acq_rel);
    submit(item);
    if (waiting < STREAM_MAX)
        return;
    mf_call_hold(call);
    /* The answers may all have come before the hold; then nobody else would lift it. */
    if (atomic_load_explicit(&stream->pending, memory_order_acquire) <= STREAM_MAX / 2)
        mf_call_release(call);
}

static void on_half_close(void *ctx, struct mf_call *call)
{
    leave(ctx, call);
}

static void open_stream(struct mf_store *store, struct mf_call *call, enum kind kind,
                        const struct pb_type *request_type)
{
    static const struct mf_call_ops ops = {.on_message = on_message, .on_half_close = on_half_close};
    struct stream *stream = MF_NEW(mf_call_arena(call), struct stream);
    if (!stream) {
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory for another stream; try again later");
        return;
    }
    stream->store = store;
    stream->kind = kind;
    stream->request_type = request_type;
    atomic_init(&stream->pending, 1);
    mf_call_bind(call, &ops, stream);
}

static void on_action_stream(void *store, struct mf_call *call)
{
    open_stream(store, call, RECORD_ACTION, &pb_workflow_RecordActionStreamRequest_type);
}

static void on_status_stream(void *store, struct mf_call *call)
{
    open_stream(store, call, UPDATE_STATUS, &pb_workflow_UpdateActionStatusStreamRequest_type);
}

static void on_event_stream(void *store, struct mf_call *call)
{
    open_stream(store, call, RECORD_EVENT, &pb_workflow_RecordActionEventStreamRequest_type);
}

enum mf_code mf_events_serve(struct mf_store *store, struct mf_rpc *rpc, struct mf_error *err)
{
    static const struct {
        const struct pb_service *service;
        size_t method;
        mf_handler handler;
    } methods[] = {
        {&pb_workflow_InternalRunService_service, pb_workflow_InternalRunService_RecordAction,
         on_record_action},
        {&pb_workflow_InternalRunService_service, pb_workflow_InternalRunService_RecordActionStream,
         on_action_stream},
        {&pb_workflow_InternalRunService_service, pb_workflow_InternalRunService_UpdateActionStatus,
         on_update_status},
        {&pb_workflow_InternalRunService_service, pb_workflow_InternalRunService_UpdateActionStatusStream,
         on_status_stream},
        {&pb_workflow_InternalRunService_service, pb_workflow_InternalRunService_RecordActionEvents,
         on_record_events},
        {&pb_workflow_InternalRunService_service, pb_workflow_InternalRunService_RecordActionEventStream,
         on_event_stream},
        {&pb_workflow_EventsProxyService_service, pb_workflow_EventsProxyService_Record, on_record},
    };
    enum mf_code code = MF_OK;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0] && code == MF_OK; i++)
        code = mf_rpc_handle(rpc, methods[i].service, methods[i].method, methods[i].handler, store, err);
    return code;
}
