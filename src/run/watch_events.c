/* WatchClusterEvents: what the cluster says about one attempt, as it comes in. */
#include "action/follow.h"
#include "action/machine.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/details.h"
#include "run/service.h"

#include <stdlib.h>

#define EVENTS_MAX 100000 /* of one attempt */

struct mark {
    int32_t phase, version;
};

/* Lives on the heap. */
struct watch {
    int64_t run_id;
    struct mf_str action; /* in the arena of the call */
    int32_t attempt;
    bool begun;
    struct mark *seen; /* events that were sent, in the order of the store */
    size_t seen_count;
};

/* One walk over the events of the attempt. */
struct walk {
    const struct watch *watch;
    struct mf_arena *scratch;
    struct pb_workflow_WatchClusterEventsResponse response;
    struct mark *marks;
    size_t count, cap, old;
    bool ended;
    enum mf_code code;
    struct mf_error *err;
};

static int compare(struct mark a, struct mark b)
{
    if (a.phase != b.phase)
        return a.phase < b.phase ? -1 : 1;
    return a.version < b.version ? -1 : a.version > b.version;
}

static bool was_seen(struct walk *walk, struct mark mark)
{
    const struct watch *watch = walk->watch;
    while (walk->old < watch->seen_count && compare(watch->seen[walk->old], mark) < 0)
        walk->old++;
    return walk->old < watch->seen_count && compare(watch->seen[walk->old], mark) == 0;
}

static bool remember(struct walk *walk, struct mark mark)
{
    if (walk->count == walk->cap) {
        size_t cap = walk->cap > 0 ? walk->cap * 2 : 16;
        struct mark *grown = cap <= EVENTS_MAX * 2 ? realloc(walk->marks, cap * sizeof *grown) : NULL;
        if (!grown)
            return false;
        walk->marks = grown;
        walk->cap = cap;
    }
    walk->marks[walk->count++] = mark;
    return true;
}

static bool add_events(struct walk *walk, const struct mf_event_row *row)
{
    void *decoded = NULL;
    walk->code = pb_decode(walk->scratch, &pb_workflow_ActionEvent_type, row->body, &decoded, walk->err);
    const struct pb_workflow_ActionEvent *event = decoded;
    for (uint32_t i = 0; walk->code == MF_OK && i < event->cluster_events.count; i++) {
        if (!PB_PUSH(walk->scratch, walk->response.cluster_events, event->cluster_events.items[i]))
            walk->code = mf_fail_memory(walk->err);
    }
    return walk->code == MF_OK;
}

static bool visit(void *ctx, const struct mf_event_row *row)
{
    struct walk *walk = ctx;
    const struct mark mark = {row->phase, row->version};
    walk->ended = walk->ended || mf_phase_is_terminal(row->phase);
    bool seen = was_seen(walk, mark);
    if (!remember(walk, mark)) {
        walk->code = mf_fail_memory(walk->err);
        return false;
    }
    return seen || add_events(walk, row);
}

static enum mf_code show(struct watch *watch, struct mf_follow *follow, struct mf_db *db,
                         struct mf_arena *scratch, struct mf_error *err)
{
    struct mf_action_row row;
    struct walk walk = {.watch = watch, .scratch = scratch, .err = err};
    enum mf_code code = mf_action_get(db, scratch, watch->run_id, watch->action, &row, err);
    if (code == MF_OK)
        code = mf_event_list(db, scratch, watch->run_id, watch->action, watch->attempt, visit, &walk, err);
    if (code == MF_OK)
        code = walk.code;
    if (code != MF_OK) {
        free(walk.marks);
        return code;
    }
    if (walk.response.cluster_events.count > 0 || !watch->begun || mf_follow_silent(follow))
        mf_follow_send(follow, &walk.response);
    watch->begun = true;
    free(watch->seen);
    watch->seen = walk.marks;
    watch->seen_count = walk.count;
    if (walk.ended || mf_phase_is_terminal(row.phase) || row.attempts > watch->attempt)
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
    free(watch->seen);
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
