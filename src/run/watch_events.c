/* WatchClusterEvents: what the cluster says about one attempt, as it comes in. */
#include "action/follow.h"
#include "action/machine.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/details.h"
#include "run/service.h"

#include <stdlib.h>

#define EVENTS_MAX 100000 /* of one attempt */
#define MESSAGE 500       /* cluster events in one message, and what more the last event of it has */

struct mark {
    int32_t phase, version;
};

struct marks {
    struct mark *items; /* in the order of the store; on the heap */
    size_t count, cap;
};

/* Lives on the heap. */
struct watch {
    int64_t run_id;
    struct mf_str action; /* in the arena of the call */
    int32_t attempt;
    bool begun;
    struct marks sent;
};

/* One look at the events of the attempt. */
struct look {
    const struct watch *watch;
    struct marks fresh;
    size_t old; /* place in watch->sent */
    bool ended, failed;
};

static int compare(struct mark a, struct mark b)
{
    if (a.phase != b.phase)
        return a.phase < b.phase ? -1 : 1;
    return a.version < b.version ? -1 : a.version > b.version;
}

static bool add_mark(struct marks *marks, struct mark mark)
{
    if (marks->count == marks->cap) {
        size_t cap = marks->cap > 0 ? marks->cap * 2 : 16;
        struct mark *grown = cap <= EVENTS_MAX * 2 ? realloc(marks->items, cap * sizeof *grown) : NULL;
        if (!grown)
            return false;
        marks->items = grown;
        marks->cap = cap;
    }
    marks->items[marks->count++] = mark;
    return true;
}

static bool visit(void *ctx, int32_t phase, int32_t version)
{
    struct look *look = ctx;
    const struct marks *sent = &look->watch->sent;
    const struct mark mark = {phase, version};
    look->ended = look->ended || mf_phase_is_terminal(phase);
    while (look->old < sent->count && compare(sent->items[look->old], mark) < 0)
        look->old++;
    if (look->old < sent->count && compare(sent->items[look->old], mark) == 0)
        return true;
    look->failed = !add_mark(&look->fresh, mark);
    return !look->failed;
}

/* Puts those that were sent now among those that were sent before. */
static bool merge(struct watch *watch, const struct mark *fresh, size_t count)
{
    struct marks all = {.cap = watch->sent.count + count + 16};
    size_t old = 0;
    all.items = malloc(all.cap * sizeof *all.items);
    if (!all.items)
        return false;
    for (size_t i = 0; i < count; i++) {
        while (old < watch->sent.count && compare(watch->sent.items[old], fresh[i]) < 0)
            all.items[all.count++] = watch->sent.items[old++];
        all.items[all.count++] = fresh[i];
    }
    while (old < watch->sent.count)
        all.items[all.count++] = watch->sent.items[old++];
    free(watch->sent.items);
    watch->sent = all;
    return true;
}

static enum mf_code add_events(const struct watch *watch, struct mark mark, struct mf_db *db,
                               struct mf_arena *scratch, struct pb_workflow_WatchClusterEventsResponse *out,
                               struct mf_error *err)
{
    void *decoded = NULL;
    struct mf_str body;
    enum mf_code code = mf_event_body(db, scratch, watch->run_id, watch->action, watch->attempt, mark.phase,
                                      mark.version, &body, err);
    if (code == MF_OK)
        code = pb_decode(scratch, &pb_workflow_ActionEvent_type, body, &decoded, err);
    if (code == MF_INVALID_ARGUMENT)
        return mf_fail(err, MF_DATA_LOSS, "a stored event of action %.*s cannot be read",
                       MF_FMT(watch->action));
    const struct pb_workflow_ActionEvent *event = decoded;
    for (uint32_t i = 0; code == MF_OK && i < event->cluster_events.count; i++) {
        if (!PB_PUSH(scratch, out->cluster_events, event->cluster_events.items[i]))
            code = mf_fail_memory(err);
    }
    return code;
}

/* *done: so many of the fresh ones were sent, before the client had enough. */
static enum mf_code send_fresh(const struct watch *watch, struct mf_follow *follow, const struct marks *fresh,
                               struct mf_db *db, struct mf_arena *scratch, size_t *done, struct mf_error *err)
{
    struct pb_workflow_WatchClusterEventsResponse response = {0};
    enum mf_code code = MF_OK;
    size_t at = 0;
    while (code == MF_OK && at < fresh->count && mf_follow_room(follow)) {
        code = add_events(watch, fresh->items[at++], db, scratch, &response, err);
        if (code != MF_OK || (response.cluster_events.count < MESSAGE && at < fresh->count))
            continue;
        if (response.cluster_events.count > 0 || !watch->begun)
            mf_follow_send(follow, &response);
        response.cluster_events.count = 0;
        *done = at;
    }
    return code;
}

static enum mf_code show(struct watch *watch, struct mf_follow *follow, struct mf_db *db,
                         struct mf_arena *scratch, struct mf_error *err)
{
    struct mf_action_row row;
    struct look look = {.watch = watch};
    const struct pb_workflow_WatchClusterEventsResponse nothing = {0};
    size_t done = 0;
    enum mf_code code = mf_action_get(db, scratch, watch->run_id, watch->action, &row, err);
    if (code == MF_OK)
        code = mf_event_keys(db, watch->run_id, watch->action, watch->attempt, visit, &look, err);
    if (code == MF_OK && !watch->begun && look.fresh.count == 0)
        mf_follow_send(follow, &nothing);
    if (code == MF_OK && !look.failed)
        code = send_fresh(watch, follow, &look.fresh, db, scratch, &done, err);
    if (code == MF_OK && (look.failed || (done > 0 && !merge(watch, look.fresh.items, done))))
        code = mf_fail_memory(err);
    bool all = done == look.fresh.count;
    free(look.fresh.items);
    if (code != MF_OK)
        return code;
    watch->begun = true;
    if (all && mf_follow_silent(follow))
        mf_follow_send(follow, &nothing);
    if (all && (look.ended || mf_phase_is_terminal(row.phase) || row.attempts > watch->attempt))
        mf_call_end(mf_follow_call(follow));
    return MF_OK;
}

static enum mf_code refresh(void *ctx, struct mf_follow *follow, struct mf_db *db, struct mf_arena *scratch,
                            struct mf_error *err)
{
    if (!mf_follow_room(follow))
        return MF_OK;
    enum mf_code code = mf_db_snapshot_begin(db, err);
    if (code != MF_OK)
        return code;
    code = show(ctx, follow, db, scratch, err);
    mf_db_snapshot_end(db);
    return code;
}

static void release(void *ctx)
{
    struct watch *watch = ctx;
    free(watch->sent.items);
    free(watch);
}

static enum mf_code find_run(struct mf_store *store,
                             const struct pb_workflow_WatchClusterEventsRequest *request, int64_t *run_id,
                             struct mf_error *err)
{
    struct mf_db *db = NULL;
    enum mf_code code = mf_run_action_id_check(request->id, "id", err);
    if (code == MF_OK && (request->attempt == 0 || request->attempt > INT32_MAX))
        code = mf_fail(err, MF_INVALID_ARGUMENT, "attempt must be at least 1");
    if (code == MF_OK)
        code = mf_store_reader(store, &db, err);
    if (code == MF_OK)
        code = mf_run_id(db, request->id->run->project, request->id->run->domain, request->id->run->name,
                         run_id, err);
    mf_store_reader_done(store, db);
    return code;
}

void mf_run_on_watch_events(void *service, struct mf_call *call)
{
    struct mf_runs *runs = service;
    const struct pb_workflow_WatchClusterEventsRequest *request = mf_call_request(call);
    struct mf_error err;
    int64_t run_id = 0;
    enum mf_code code = find_run(runs->store, request, &run_id, &err);
    struct watch *watch = code == MF_OK ? calloc(1, sizeof *watch) : NULL;
    if (code == MF_OK && !watch)
        code = mf_fail_memory(&err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    watch->run_id = run_id;
    watch->action = request->id->name;
    watch->attempt = (int32_t)request->attempt;
    const struct mf_follow_config config = {
        .store = runs->store,
        .topics = {{.kind = MF_TOPIC_ACTION, .run_id = run_id, .hash = mf_topic_hash(request->id->name)}},
        .topic_count = 1,
        .refresh = refresh,
        .ctx = watch,
        .done = release,
    };
    mf_follow_start(call, &config);
}
