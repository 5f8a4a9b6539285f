/* WatchRuns: the newest runs of a project, a task or everywhere, then every run that is new or changes. */
#include "action/follow.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/message.h"
#include "run/service.h"
#include "store/project.h"
#include "store/run_list.h"

#define SNAPSHOT 100
#define BATCH 100
#define CLUSTER MF_STR("local") /* the one that runs everything */

/* The changes of one project and domain, as far as they were sent. */
struct cursor {
    struct mf_str project, domain;
    int64_t seq;
};

/* Lives in the arena of its call. */
struct watch {
    struct mf_runs *runs;
    struct mf_call *call;
    struct mf_run_scope scope; /* of the snapshot and of every change */
    bool nothing;              /* no run can match */
    bool begun;
    int64_t begun_seq;
    struct {
        struct cursor *items;
        uint32_t count;
        uint32_t cap;
    } cursors;
};

/* The runs of one message. */
struct message {
    struct mf_arena *scratch;
    struct pb_workflow_WatchRunsResponse response;
    int64_t last_seq;
    enum mf_code code;
    struct mf_error *err;
};

static bool add_run(void *ctx, const struct mf_run_list_row *row)
{
    struct message *message = ctx;
    struct mf_run_facts facts;
    struct mf_run_list_row *kept = MF_NEW(message->scratch, struct mf_run_list_row);
    message->code = kept ? MF_OK : mf_fail_memory(message->err);
    if (message->code != MF_OK)
        return false;
    *kept = *row;
    message->code = mf_run_facts(message->scratch, &kept->run, &facts, message->err);
    if (message->code != MF_OK)
        return false;
    struct pb_workflow_Run *run = mf_run_message(message->scratch, &facts, &kept->action);
    if (!run || !PB_PUSH(message->scratch, message->response.runs, run))
        message->code = mf_fail_memory(message->err);
    message->last_seq = row->action.seq;
    return message->code == MF_OK;
}

static enum mf_code snapshot(struct watch *watch, struct mf_follow *follow, struct mf_db *db,
                             struct mf_arena *scratch, struct mf_error *err)
{
    const struct mf_sort newest_first = {MF_STR("created_at"), false};
    const struct mf_page page = {.sorts = &newest_first, .sort_count = 1, .limit = SNAPSHOT};
    struct message message = {.scratch = scratch, .err = err};
    /* Taken before reading: what is committed in between is shown twice rather than not at all. */
    watch->begun_seq = mf_store_seq(watch->runs->store);
    enum mf_code code =
        watch->nothing ? MF_OK : mf_run_list(db, scratch, &watch->scope, &page, add_run, &message, NULL, err);
    if (code == MF_OK)
        code = message.code;
    if (code != MF_OK)
        return code;
    for (uint32_t i = 0; i < watch->cursors.count; i++)
        watch->cursors.items[i].seq = watch->begun_seq;
    watch->begun = true;
    mf_follow_send(follow, &message.response);
    return MF_OK;
}

static enum mf_code add_cursor(struct watch *watch, struct mf_str project, struct mf_str domain,
                               struct mf_error *err)
{
    for (uint32_t i = 0; i < watch->cursors.count; i++) {
        if (mf_str_eq(watch->cursors.items[i].project, project) &&
            mf_str_eq(watch->cursors.items[i].domain, domain))
            return MF_OK;
    }
    const struct cursor cursor = {.project = mf_str_copy(mf_call_arena(watch->call), project),
                                  .domain = domain,
                                  .seq = watch->begun_seq};
    return cursor.project.ptr && PB_PUSH(mf_call_arena(watch->call), watch->cursors, cursor)
               ? MF_OK
               : mf_fail_memory(err);
}

struct projects {
    struct watch *watch;
    enum mf_code code;
    struct mf_error *err;
};

static bool add_project(void *ctx, const struct mf_project_row *row)
{
    struct projects *projects = ctx;
    const struct mf_runs *runs = projects->watch->runs;
    for (size_t i = 0; i < runs->domain_count && projects->code == MF_OK; i++)
        projects->code = add_cursor(projects->watch, row->id, runs->domains[i], projects->err);
    return projects->code == MF_OK;
}

/* A watch that is not about one project follows each of them, also those that are made meanwhile. */
static enum mf_code find_projects(struct watch *watch, struct mf_db *db, struct mf_arena *scratch,
                                  struct mf_error *err)
{
    static const struct mf_str any_state[] = {{.ptr = "0", .len = 1}};
    const struct mf_filter all = {.function = MF_FILTER_GREATER_THAN_OR_EQUAL,
                                  .field = MF_STR("state"),
                                  .values = any_state,
                                  .value_count = 1};
    const struct mf_page page = {.filters = &all, .filter_count = 1};
    struct projects projects = {.watch = watch, .err = err};
    enum mf_code code = mf_project_list(db, scratch, &page, add_project, &projects, err);
    return code == MF_OK ? projects.code : code;
}

/* *more: there may be further changes, but no room or enough for one turn. */
static enum mf_code send_changes(struct watch *watch, struct cursor *cursor, struct mf_follow *follow,
                                 struct mf_db *db, struct mf_arena *scratch, bool *more, struct mf_error *err)
{
    struct mf_run_scope scope = watch->scope;
    struct message message = {.scratch = scratch, .err = err};
    scope.project = cursor->project;
    scope.domain = cursor->domain;
    /* Read first: whatever has a lower number is then in view, and need not be looked at again. */
    int64_t seq = mf_store_seq(watch->runs->store);
    enum mf_code code = mf_run_list_changed(db, scratch, &scope, cursor->seq, BATCH, add_run, &message, err);
    if (code == MF_OK)
        code = message.code;
    if (code != MF_OK)
        return code;
    bool complete = message.response.runs.count < BATCH;
    if (message.response.runs.count > 0)
        cursor->seq = message.last_seq;
    if (complete && cursor->seq < seq)
        cursor->seq = seq;
    *more = *more || !complete;
    if (message.response.runs.count == 0)
        return MF_OK;
    mf_follow_send(follow, &message.response);
    return MF_OK;
}

static enum mf_code refresh(void *ctx, struct mf_follow *follow, struct mf_db *db, struct mf_arena *scratch,
                            struct mf_error *err)
{
    struct watch *watch = ctx;
    const struct pb_workflow_WatchRunsResponse alive = {0};
    bool more = false;
    bool all = watch->scope.project.len == 0;
    if (!mf_follow_room(follow))
        return MF_OK;
    if (!watch->begun)
        return snapshot(watch, follow, db, scratch, err);
    enum mf_code code = all && !watch->nothing ? find_projects(watch, db, scratch, err) : MF_OK;
    for (uint32_t i = 0; code == MF_OK && i < watch->cursors.count && mf_follow_room(follow); i++)
        code = send_changes(watch, &watch->cursors.items[i], follow, db, scratch, &more, err);
    if (code == MF_OK && more)
        mf_follow_again(follow);
    if (code == MF_OK && mf_follow_silent(follow))
        mf_follow_send(follow, &alive);
    return code;
}

static enum mf_code take_target(struct watch *watch, const struct pb_workflow_WatchRunsRequest *request,
                                struct mf_topic *topic, struct mf_error *err)
{
    *topic = (struct mf_topic){.kind = MF_TOPIC_ALL_RUNS};
    switch (request->target_case) {
    case pb_workflow_WatchRunsRequest_tag_project_id:
        watch->scope.project = request->target.project_id->name;
        watch->scope.domain = request->target.project_id->domain;
        if (watch->scope.project.len == 0 || watch->scope.domain.len == 0)
            return mf_fail(err, MF_INVALID_ARGUMENT, "project_id with name and domain is required");
        topic->kind = MF_TOPIC_RUNS;
        topic->hash = mf_topic_hash2(watch->scope.project, watch->scope.domain);
        return add_cursor(watch, watch->scope.project, watch->scope.domain, err);
    case pb_workflow_WatchRunsRequest_tag_task_id:
        watch->scope.task_project = request->target.task_id->project;
        watch->scope.task_domain = request->target.task_id->domain;
        watch->scope.task_name = request->target.task_id->name;
        watch->scope.task_version = request->target.task_id->version;
        return MF_OK;
    case pb_workflow_WatchRunsRequest_tag_cluster_id:
        watch->nothing =
            request->target.cluster_id->name.len > 0 && !mf_str_eq(request->target.cluster_id->name, CLUSTER);
        return MF_OK;
    case pb_workflow_WatchRunsRequest_tag_org:
        return MF_OK;
    default:
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "target is required: one of org, cluster_id, project_id and task_id");
    }
}

void mf_run_on_watch_runs(void *service, struct mf_call *call)
{
    struct mf_runs *runs = service;
    struct mf_error err;
    struct watch *watch = MF_NEW(mf_call_arena(call), struct watch);
    struct mf_follow_config config = {
        .store = runs->store, .topic_count = 1, .refresh = refresh, .ctx = watch};
    enum mf_code code = watch ? MF_OK : mf_fail_memory(&err);
    if (code == MF_OK) {
        watch->runs = runs;
        watch->call = call;
        code = take_target(watch, mf_call_request(call), &config.topics[0], &err);
    }
    if (code == MF_OK)
        mf_follow_start(call, &config);
    else
        mf_call_fail_error(call, &err);
}
