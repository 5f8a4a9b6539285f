/* WatchGroups: the runs of a project and domain by task, then every group in which something changes. */
#include "action/follow.h"
#include "action/machine.h"
#include "base/time.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/message.h"
#include "run/page.h"
#include "run/service.h"
#include "store/run_group.h"
#include "store/run_list.h"

#define BATCH 200 /* changed runs looked at in one turn */

/* Adding up a large group again and again for each of its runs would keep a core busy: then the stream rests
 * for a multiple of what the sums cost. The heartbeat of the stream ends the rest at the latest. */
#define CHEAP_NS (20 * MF_MS_NS)
#define REST 20

/* Lives in the arena of its call. */
struct watch {
    struct mf_runs *runs;
    struct mf_run_group_range range;
    struct mf_page page;
    bool once; /* the range has an end, so nothing follows the first message */
    bool begun;
    int64_t seq;         /* change number up to which runs were looked at */
    int64_t rests_until; /* monotonic */
};

/* One message. */
struct message {
    struct mf_arena *scratch;
    struct pb_workflow_WatchGroupsResponse response;
    enum mf_code code;
    struct mf_error *err;
};

static struct pb_google_protobuf_Duration *duration(struct mf_arena *arena, double ns)
{
    struct pb_google_protobuf_Duration *out = MF_NEW(arena, struct pb_google_protobuf_Duration);
    int64_t whole = ns > 0 && ns < 9e18 ? (int64_t)ns : 0;
    if (out) {
        out->seconds = whole / MF_SECOND_NS;
        out->nanos = (int32_t)(whole % MF_SECOND_NS);
    }
    return out;
}

static bool add_recent(struct mf_arena *arena, const struct mf_run_group *group,
                       struct pb_workflow_TaskGroup *out)
{
    bool ok = true;
    for (size_t i = 0; i < group->recent_count && ok; i++) {
        struct pb_workflow_TaskGroup_RecentStatus *recent =
            MF_NEW(arena, struct pb_workflow_TaskGroup_RecentStatus);
        if (recent) {
            recent->run_name = group->recent[i].run_name;
            recent->phase = group->recent[i].phase;
        }
        ok = recent && PB_PUSH(arena, out->recent_statuses, recent);
    }
    return ok;
}

static bool add_phases(struct mf_arena *arena, const struct mf_run_group *group,
                       struct pb_workflow_TaskGroup *out)
{
    bool ok = true;
    for (int32_t phase = 0; phase < MF_RUN_GROUP_PHASES && ok; phase++) {
        if (group->phases[phase] == 0)
            continue;
        struct pb_workflow_TaskGroup_PhaseCounts *counts =
            MF_NEW(arena, struct pb_workflow_TaskGroup_PhaseCounts);
        if (counts) {
            counts->phase = phase;
            counts->count = group->phases[phase];
        }
        ok = counts && PB_PUSH(arena, out->phase_counts, counts);
    }
    return ok;
}

static bool is_repeated(const struct mf_run_group *group, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (mf_str_eq(group->recent[i].created_by, group->recent[at].created_by))
            return true;
    }
    return false;
}

/* Everyone who made one of the recent runs. */
static bool add_creators(struct mf_arena *arena, const struct mf_run_group *group,
                         struct pb_workflow_TaskGroup *out)
{
    bool ok = true;
    for (size_t i = 0; i < group->recent_count && ok; i++) {
        void *identity = NULL;
        if (group->recent[i].created_by.len == 0 || is_repeated(group, i))
            continue;
        ok = pb_decode(arena, &pb_common_EnrichedIdentity_type, group->recent[i].created_by, &identity,
                       NULL) == MF_OK &&
             PB_PUSH(arena, out->created_by, identity);
    }
    return ok;
}

static bool set_times(struct mf_arena *arena, const struct mf_run_group *group,
                      struct pb_workflow_TaskGroup *out)
{
    out->latest_run_time = mf_run_timestamp(arena, group->newest_at);
    if (group->ended_at > 0) {
        out->latest_finished_time = mf_run_timestamp(arena, group->ended_at);
        out->average_duration = duration(arena, group->duration_ns);
    }
    if (group->queued_ns > 0)
        out->average_time_to_running = duration(arena, group->queued_ns);
    return out->latest_run_time &&
           (group->ended_at <= 0 || (out->latest_finished_time && out->average_duration)) &&
           (group->queued_ns <= 0 || out->average_time_to_running);
}

static struct pb_workflow_TaskGroup *to_message(struct mf_arena *arena, const struct mf_run_group *group)
{
    struct pb_workflow_TaskGroup *out = MF_NEW(arena, struct pb_workflow_TaskGroup);
    struct pb_workflow_TaskGroup_ErrorCounts *errors =
        MF_NEW(arena, struct pb_workflow_TaskGroup_ErrorCounts);
    if (!out || !errors)
        return NULL;
    errors->unspecified_error = group->errors[0];
    errors->user_error = group->errors[1];
    errors->system_error = group->errors[2];
    out->task_name = group->task_name;
    out->short_name = group->short_name;
    out->environment_name = group->environment_name;
    out->total_runs = group->runs;
    out->average_failure_rate = (double)group->phases[MF_PHASE_FAILED] / (double)group->runs;
    out->error_counts = errors;
    bool ok = set_times(arena, group, out) && add_recent(arena, group, out) &&
              add_phases(arena, group, out) && add_creators(arena, group, out);
    return ok ? out : NULL;
}

static bool add_group(void *ctx, const struct mf_run_group *group)
{
    struct message *message = ctx;
    struct pb_workflow_TaskGroup *out = to_message(message->scratch, group);
    if (!out || !PB_PUSH(message->scratch, message->response.task_groups, out))
        message->code = mf_fail_memory(message->err);
    return message->code == MF_OK;
}

static enum mf_code snapshot(struct watch *watch, struct mf_follow *follow, struct mf_db *db,
                             struct mf_arena *scratch, struct mf_error *err)
{
    struct message message = {.scratch = scratch, .err = err};
    /* Taken before reading: what is committed in between is shown twice rather than not at all. */
    watch->seq = mf_store_seq(watch->runs->store);
    enum mf_code code = mf_run_group_list(db, scratch, &watch->range, NULL, add_group, &message, err);
    if (code == MF_OK)
        code = message.code;
    if (code != MF_OK)
        return code;
    watch->begun = true;
    message.response.sentinel = true;
    mf_follow_send(follow, &message.response);
    if (watch->once)
        mf_call_end(mf_follow_call(follow));
    return MF_OK;
}

/* The tasks whose runs have changed. */
struct changes {
    struct mf_arena *scratch;
    const struct watch *watch;
    struct {
        struct mf_str *items;
        uint32_t count;
        uint32_t cap;
    } tasks;
    size_t rows;
    int64_t last_seq;
    bool failed;
};

static bool note_change(void *ctx, const struct mf_run_list_row *row)
{
    struct changes *changes = ctx;
    const struct mf_run_group_range *range = &changes->watch->range;
    bool known = row->action.created_at < range->from_ns || row->action.created_at > range->to_ns;
    changes->rows++;
    changes->last_seq = row->action.seq;
    for (uint32_t i = 0; i < changes->tasks.count && !known; i++)
        known = mf_str_eq(changes->tasks.items[i], row->action.task_name);
    changes->failed = !known && !PB_PUSH(changes->scratch, changes->tasks, row->action.task_name);
    return !changes->failed;
}

static bool add_gone(struct message *message, struct mf_str task_name)
{
    struct pb_workflow_TaskGroup *gone = MF_NEW(message->scratch, struct pb_workflow_TaskGroup);
    if (!gone)
        return false;
    gone->task_name = task_name;
    gone->should_delete = true;
    return PB_PUSH(message->scratch, message->response.task_groups, gone);
}

static enum mf_code send_changes(struct watch *watch, struct mf_follow *follow, struct mf_db *db,
                                 struct mf_arena *scratch, struct mf_error *err)
{
    const struct mf_run_scope scope = {.project = watch->range.project, .domain = watch->range.domain};
    struct changes changes = {.scratch = scratch, .watch = watch, .last_seq = watch->seq};
    struct message message = {.scratch = scratch, .err = err};
    enum mf_code code =
        mf_run_list_changed(db, scratch, &scope, watch->seq, BATCH, note_change, &changes, err);
    if (code == MF_OK && changes.failed)
        code = mf_fail_memory(err);
    for (uint32_t i = 0; i < changes.tasks.count && code == MF_OK; i++) {
        uint32_t before = message.response.task_groups.count;
        struct mf_str task = changes.tasks.items[i];
        code = mf_run_group_list(db, scratch, &watch->range, &task, add_group, &message, err);
        if (code == MF_OK)
            code = message.code;
        if (code == MF_OK && message.response.task_groups.count == before && !add_gone(&message, task))
            code = mf_fail_memory(err);
    }
    if (code != MF_OK)
        return code;
    watch->seq = changes.last_seq;
    if (message.response.task_groups.count > 0 || mf_follow_silent(follow))
        mf_follow_send(follow, &message.response);
    if (changes.rows == BATCH)
        mf_follow_again(follow);
    return MF_OK;
}

static enum mf_code refresh(void *ctx, struct mf_follow *follow, struct mf_db *db, struct mf_arena *scratch,
                            struct mf_error *err)
{
    struct watch *watch = ctx;
    const struct mf_sys *sys = watch->runs->sys;
    int64_t began = mf_mono_ns(sys);
    if (!mf_follow_room(follow) || began < watch->rests_until)
        return MF_OK;
    enum mf_code code = watch->begun ? send_changes(watch, follow, db, scratch, err)
                                     : snapshot(watch, follow, db, scratch, err);
    int64_t ended = mf_mono_ns(sys);
    watch->rests_until = ended - began > CHEAP_NS ? ended + REST * (ended - began) : 0;
    return code;
}

static enum mf_code take_order(const struct pb_workflow_WatchGroupsRequest *request, struct watch *watch,
                               struct mf_error *err)
{
    for (size_t i = 0; i < watch->page.sort_count; i++) {
        if (!mf_str_eq_c(watch->page.sorts[i].field, "created_at"))
            return mf_fail(err, MF_INVALID_ARGUMENT,
                           "invalid sort field: %.*s; groups are sorted by created_at",
                           MF_FMT(mf_str_take(watch->page.sorts[i].field, 100)));
        watch->range.oldest_first = watch->page.sorts[i].ascending;
    }
    for (uint32_t i = 0; i < request->known_sort_fields.count; i++) {
        const struct pb_workflow_WatchGroupsRequest_KnownSortField *field =
            request->known_sort_fields.items[i];
        if (field->sort_by_case == pb_workflow_WatchGroupsRequest_KnownSortField_tag_created_at)
            watch->range.oldest_first = field->sort_by.created_at == pb_common_Sort_ASCENDING;
    }
    return MF_OK;
}

static enum mf_code take_request(struct watch *watch, struct mf_arena *arena,
                                 const struct pb_workflow_WatchGroupsRequest *request, struct mf_error *err)
{
    const struct mf_str list = MF_STR("groups");
    size_t limit = 0;
    const struct pb_common_ProjectIdentifier *id =
        request->scope_by_case == pb_workflow_WatchGroupsRequest_tag_project_id ? request->scope_by.project_id
                                                                                : NULL;
    if (!id || id->name.len == 0 || id->domain.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "project_id with name and domain is required");
    if (!request->start_date)
        return mf_fail(err, MF_INVALID_ARGUMENT, "start_date is required");
    enum mf_code code = mf_run_page(arena, request->request, &list, 1, &watch->page, &limit, err);
    if (code != MF_OK)
        return code;
    watch->page.limit = request->request && request->request->limit > 0 ? limit : MF_RUN_GROUPS_MAX;
    watch->once = request->end_date != NULL;
    watch->range = (struct mf_run_group_range){
        .project = id->name,
        .domain = id->domain,
        .from_ns = mf_run_timestamp_ns(request->start_date),
        .to_ns = request->end_date ? mf_run_timestamp_ns(request->end_date) : INT64_MAX,
        .page = &watch->page,
    };
    return take_order(request, watch, err);
}

void mf_run_on_watch_groups(void *service, struct mf_call *call)
{
    struct mf_runs *runs = service;
    struct mf_error err;
    struct watch *watch = MF_NEW(mf_call_arena(call), struct watch);
    enum mf_code code = watch ? MF_OK : mf_fail_memory(&err);
    if (code == MF_OK) {
        watch->runs = runs;
        code = take_request(watch, mf_call_arena(call), mf_call_request(call), &err);
    }
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    const struct mf_follow_config config = {
        .store = runs->store,
        .topics = {{.kind = MF_TOPIC_RUNS,
                    .hash = mf_topic_hash2(watch->range.project, watch->range.domain)}},
        .topic_count = 1,
        .refresh = refresh,
        .ctx = watch,
    };
    mf_follow_start(call, &config);
}
