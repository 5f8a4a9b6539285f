/* WatchGroups: the runs of a project and domain by task, then every group in which something changes. */
#include "action/follow.h"
#include "action/machine.h"
#include "base/time.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/groups.h"
#include "run/message.h"
#include "run/page.h"
#include "run/service.h"

#include "store/run_list.h"
#include <stdlib.h>

#define MESSAGE 100 /* groups in one message */
#define SHOWN_MAX 1000

/* Reading a large group anew again and again would keep a core busy: then the stream rests for a multiple of
 * what it has cost. The heartbeat ends the rest at the latest. */
#define CHEAP_NS (200 * MF_MS_NS)
#define REST 5

/* Lives on the heap. */
struct watch {
    struct mf_runs *runs;
    struct mf_groups *groups;
    struct mf_groups_config config;
    struct mf_page page; /* in the arena of the call */
    bool once;           /* the range has an end, so nothing follows the snapshot */
    bool begun;
    int64_t rests_until; /* monotonic */
};

/* One message after the other. */
struct message {
    struct mf_arena *scratch;
    struct mf_follow *follow;
    struct pb_workflow_WatchGroupsResponse response;
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

static bool add_recent(struct mf_arena *arena, const struct mf_group *group,
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

static bool add_phases(struct mf_arena *arena, const struct mf_group *group,
                       struct pb_workflow_TaskGroup *out)
{
    bool ok = true;
    for (int32_t phase = 0; phase < MF_GROUP_PHASES && ok; phase++) {
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

static bool is_repeated(const struct mf_group *group, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (mf_str_eq(group->recent[i].created_by, group->recent[at].created_by))
            return true;
    }
    return false;
}

/* Everyone who made one of the recent runs. */
static bool add_creators(struct mf_arena *arena, const struct mf_group *group,
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

static bool set_times(struct mf_arena *arena, const struct mf_group *group, struct pb_workflow_TaskGroup *out)
{
    out->latest_run_time = mf_run_timestamp(arena, group->newest_at);
    if (group->ended > 0) {
        out->latest_finished_time = mf_run_timestamp(arena, group->ended_at);
        out->average_duration = duration(arena, group->ended_ns / (double)group->ended);
    }
    if (group->started > 0)
        out->average_time_to_running = duration(arena, group->started_ns / (double)group->started);
    return out->latest_run_time &&
           (group->ended == 0 || (out->latest_finished_time && out->average_duration)) &&
           (group->started == 0 || out->average_time_to_running);
}

static struct pb_workflow_TaskGroup *to_message(struct mf_arena *arena, const struct mf_group *group)
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
    out->average_failure_rate = mf_group_failure_rate(group);
    out->error_counts = errors;
    bool ok = set_times(arena, group, out) && add_recent(arena, group, out) &&
              add_phases(arena, group, out) && add_creators(arena, group, out);
    return ok ? out : NULL;
}

static bool add_group(void *ctx, const struct mf_group *group, bool gone)
{
    struct message *message = ctx;
    struct pb_workflow_TaskGroup *out =
        gone ? MF_NEW(message->scratch, struct pb_workflow_TaskGroup) : to_message(message->scratch, group);
    if (!out || !PB_PUSH(message->scratch, message->response.task_groups, out))
        return false;
    out->task_name = group->task_name;
    out->should_delete = gone;
    if (message->response.task_groups.count == MESSAGE) {
        mf_follow_send(message->follow, &message->response);
        message->response = (struct pb_workflow_WatchGroupsResponse){0};
    }
    return true;
}

static enum mf_code show(struct watch *watch, struct mf_follow *follow, struct mf_db *db,
                         struct mf_arena *scratch, struct mf_error *err)
{
    struct message message = {.scratch = scratch, .follow = follow};
    enum mf_code code = mf_groups_update(watch->groups, db, scratch, err);
    if (code == MF_OK)
        code = mf_groups_look(watch->groups, add_group, &message, err);
    if (code != MF_OK)
        return code;
    message.response.sentinel = !watch->begun;
    if (message.response.sentinel || message.response.task_groups.count > 0 || mf_follow_silent(follow))
        mf_follow_send(follow, &message.response);
    watch->begun = true;
    if (watch->once)
        mf_call_end(mf_follow_call(follow));
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
    bool first = !watch->begun;
    enum mf_code code = show(watch, follow, db, scratch, err);
    int64_t ended = mf_mono_ns(sys);
    watch->rests_until = !first && ended - began > CHEAP_NS ? ended + REST * (ended - began) : 0;
    return code;
}

static void release(void *ctx)
{
    struct watch *watch = ctx;
    mf_groups_free(watch->groups);
    free(watch);
}

static const struct {
    const char *field;
    enum mf_group_order order;
} orders[] = {
    {"created_at", MF_GROUPS_BY_NEWEST},
    {"latest_run_time", MF_GROUPS_BY_NEWEST},
    {"task_name", MF_GROUPS_BY_NAME},
    {"total_runs", MF_GROUPS_BY_RUNS},
    {"average_duration", MF_GROUPS_BY_DURATION},
    {"average_failure_rate", MF_GROUPS_BY_FAILURES},
    {"latest_finished_time", MF_GROUPS_BY_FINISH},
};

static enum mf_code take_order(const struct pb_workflow_WatchGroupsRequest *request, struct watch *watch,
                               struct mf_error *err)
{
    const struct mf_page *page = &watch->page;
    size_t at = 0;
    if (page->sort_count > 1)
        return mf_fail(err, MF_INVALID_ARGUMENT, "request.sort_by_fields: groups are sorted by one field");
    while (page->sort_count == 1 && at < sizeof orders / sizeof orders[0] &&
           !mf_str_eq_c(page->sorts[0].field, orders[at].field))
        at++;
    if (at == sizeof orders / sizeof orders[0])
        return mf_fail(
            err, MF_INVALID_ARGUMENT,
            "invalid sort field: %.*s; groups are sorted by created_at, latest_run_time, task_name, "
            "total_runs, average_duration, average_failure_rate or latest_finished_time",
            MF_FMT(mf_str_take(page->sorts[0].field, 100)));
    watch->config.order = orders[at].order;
    watch->config.ascending = page->sort_count == 1 && page->sorts[0].ascending;
    for (uint32_t i = 0; i < request->known_sort_fields.count; i++) {
        const struct pb_workflow_WatchGroupsRequest_KnownSortField *field =
            request->known_sort_fields.items[i];
        if (field->sort_by_case != pb_workflow_WatchGroupsRequest_KnownSortField_tag_created_at)
            continue;
        watch->config.order = MF_GROUPS_BY_NEWEST;
        watch->config.ascending = field->sort_by.created_at == pb_common_Sort_ASCENDING;
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
    watch->config.limit = request->request && request->request->limit > 0 ? limit : SHOWN_MAX;
    watch->runs->sys->random(watch->runs->sys->ctx, &watch->config.seed, sizeof watch->config.seed);
    watch->once = request->end_date != NULL;
    watch->config.range = (struct mf_run_group_range){
        .project = id->name,
        .domain = id->domain,
        .from_ns = mf_run_timestamp_ns(request->start_date),
        .to_ns = request->end_date ? mf_run_timestamp_ns(request->end_date) : INT64_MAX,
        .page = &watch->page,
    };
    code = take_order(request, watch, err);
    return code == MF_OK ? mf_groups_new(&watch->config, &watch->groups, err) : code;
}

void mf_run_on_watch_groups(void *service, struct mf_call *call)
{
    struct mf_runs *runs = service;
    struct mf_error err;
    struct watch *watch = calloc(1, sizeof *watch);
    enum mf_code code = watch ? MF_OK : mf_fail_memory(&err);
    if (code == MF_OK) {
        watch->runs = runs;
        code = take_request(watch, mf_call_arena(call), mf_call_request(call), &err);
    }
    if (code != MF_OK) {
        free(watch);
        mf_call_fail_error(call, &err);
        return;
    }
    const struct mf_run_group_range *range = &watch->config.range;
    const struct mf_follow_config config = {
        .store = runs->store,
        .topics = {{.kind = MF_TOPIC_RUNS, .hash = mf_topic_hash2(range->project, range->domain)}},
        .topic_count = 1,
        .refresh = refresh,
        .ctx = watch,
        .done = release,
    };
    mf_follow_start(call, &config);
}
