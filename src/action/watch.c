#include "action/watch.h"

#include "action/follow.h"
#include "action/machine.h"
#include "action/message.h"
#include "gen/flyteidl2/actions/actions_service.pb.h"
#include "gen/flyteidl2/core/execution.pb.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/workflow/state_service.pb.h"

/* Children read at a time, between two looks at whether the client keeps up. */
#define PAGE 64

struct watch {
    const struct pb_type *response; /* which of the two services answers */
    int64_t run_id;
    struct mf_str output_base; /* of the run */
    struct mf_str parent;
    int64_t seen; /* number of the newest change that was sent */
    bool sentinel_sent;
};

/* One page on its way to the client. */
struct page {
    struct watch *watch;
    struct mf_follow *follow;
    struct mf_arena *scratch;
    size_t count;
    struct mf_error *err;
    enum mf_code code;
};

static void send(const struct watch *watch, struct mf_follow *follow, struct pb_workflow_ActionUpdate *update,
                 struct pb_workflow_ControlMessage *control)
{
    if (watch->response == &pb_workflow_WatchResponse_type) {
        struct pb_workflow_WatchResponse response = {0};
        response.message_case = update ? pb_workflow_WatchResponse_tag_action_update
                                       : pb_workflow_WatchResponse_tag_control_message;
        if (update)
            response.message.action_update = update;
        else
            response.message.control_message = control;
        mf_follow_send(follow, &response);
    } else {
        struct pb_actions_WatchForUpdatesResponse response = {0};
        response.message_case = update ? pb_actions_WatchForUpdatesResponse_tag_action_update
                                       : pb_actions_WatchForUpdatesResponse_tag_control_message;
        if (update)
            response.message.action_update = update;
        else
            response.message.control_message = control;
        mf_follow_send(follow, &response);
    }
}

/* Where an action leaves its output is known before it has one, and the client warns of an update without,
 * also of that of a condition, whose value comes in the update. */
static struct mf_str output_uri(const struct page *page, const struct mf_action_row *row)
{
    if (row->output_uri.len > 0 || row->kind == MF_ACTION_TRACE)
        return row->output_uri;
    return mf_action_output_folder(page->scratch, page->watch->output_base, row->name, row->attempts);
}

/* The output is in every update, since the client replaces its copy by whatever comes; the error comes with
 * the first update of the phase, the only one from which the client takes it. */
static enum mf_code send_child(struct page *page, const struct mf_action_row *row)
{
    struct mf_action_id id;
    struct pb_core_ExecutionError *error = NULL;
    void *value = NULL;
    enum mf_code code = mf_action_error(page->scratch, row, &error, page->err);
    if (code == MF_OK && row->value.len > 0)
        code = pb_decode(page->scratch, &pb_core_Literal_type, row->value, &value, page->err);
    if (code != MF_OK)
        return code;
    struct pb_workflow_ActionUpdate update = {
        .action_id = mf_action_id_of(&id, row),
        .phase = row->phase,
        .error = error,
        .output_uri = output_uri(page, row),
        .value = value,
    };
    send(page->watch, page->follow, &update, NULL);
    return MF_OK;
}

static bool show(void *ctx, const struct mf_action_row *row)
{
    struct page *page = ctx;
    page->count++;
    if (!row->hidden)
        page->code = send_child(page, row);
    page->watch->seen = row->seq;
    return page->code == MF_OK;
}

static enum mf_code refresh(void *ctx, struct mf_follow *follow, struct mf_db *db, struct mf_arena *scratch,
                            struct mf_error *err)
{
    struct watch *watch = ctx;
    bool more = true;
    while (more && mf_follow_room(follow)) {
        struct page page = {.watch = watch, .follow = follow, .scratch = scratch, .err = err};
        enum mf_code code = mf_action_children(db, scratch, watch->run_id, watch->parent, watch->seen, PAGE,
                                               show, &page, err);
        if (code == MF_OK)
            code = page.code;
        if (code != MF_OK)
            return code;
        more = page.count == PAGE;
        mf_arena_reset(scratch);
    }
    if (!more && (!watch->sentinel_sent || mf_follow_silent(follow))) {
        struct pb_workflow_ControlMessage control = {.sentinel = true};
        send(watch, follow, NULL, &control);
        watch->sentinel_sent = true;
    }
    return MF_OK;
}

static void start(struct mf_store *store, struct mf_call *call,
                  const struct pb_common_ActionIdentifier *parent, const struct pb_type *response)
{
    struct mf_error err;
    struct mf_db *db = NULL;
    struct mf_run_row row;
    const struct pb_common_RunIdentifier *run = parent ? parent->run : NULL;
    struct watch *watch = MF_NEW(mf_call_arena(call), struct watch);
    enum mf_code code = watch ? MF_OK : mf_fail_memory(&err);
    if (code == MF_OK && (!run || parent->name.len == 0))
        code = mf_fail(&err, MF_INVALID_ARGUMENT, "parent_action_id: name and run are required");
    if (code == MF_OK)
        code = mf_store_reader(store, &db, &err);
    if (code == MF_OK)
        code = mf_run_find(db, mf_call_arena(call), run->project, run->domain, run->name, &row, &err);
    mf_store_reader_done(store, db);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    watch->response = response;
    watch->run_id = row.id;
    watch->output_base = row.output_base;
    watch->parent = parent->name;
    const struct mf_follow_config config = {
        .store = store,
        .topics = {{.kind = MF_TOPIC_CHILDREN, .run_id = watch->run_id, .hash = mf_topic_hash(parent->name)}},
        .topic_count = 1,
        .refresh = refresh,
        .ctx = watch,
    };
    mf_follow_start(call, &config);
}

void mf_watch_for_updates(void *store, struct mf_call *call)
{
    const struct pb_actions_WatchForUpdatesRequest *request = mf_call_request(call);
    bool parent = request->filter_case == pb_actions_WatchForUpdatesRequest_tag_parent_action_id;
    start(store, call, parent ? request->filter.parent_action_id : NULL,
          &pb_actions_WatchForUpdatesResponse_type);
}

void mf_watch_state(void *store, struct mf_call *call)
{
    const struct pb_workflow_WatchRequest *request = mf_call_request(call);
    bool parent = request->filter_case == pb_workflow_WatchRequest_tag_parent_action_id;
    start(store, call, parent ? request->filter.parent_action_id : NULL, &pb_workflow_WatchResponse_type);
}
