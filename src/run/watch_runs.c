/* WatchRuns: the newest runs of a project, a task or everywhere, then every run that is new or changes. */
#include "action/follow.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/message.h"
#include "run/service.h"
#include "store/run_list.h"

#define SNAPSHOT 100
#define BATCH 100
#define CLUSTER MF_STR("local") /* the one that runs everything */

/* Lives in the arena of its call. */
struct watch {
    struct mf_runs *runs;
    struct mf_run_scope scope;
    bool nothing; /* no run can match */
    bool tracked; /* only those that clients carry out */
    bool begun;
    int64_t seq; /* number of the newest change that was looked at */
};

/* The runs of one message. */
struct message {
    struct mf_arena *scratch;
    const struct mf_run_scope *scope; /* runs outside are left out */
    bool tracked;
    struct pb_workflow_WatchRunsResponse response;
    size_t rows;
    int64_t last_seq;
    enum mf_code code;
    struct mf_error *err;
};

static bool is_wanted(struct mf_str wanted, struct mf_str value)
{
    return wanted.len == 0 || mf_str_eq(wanted, value);
}

/* The change feed is read in order of change for everything or one project; the rest of the scope is looked
 * at here, since no index has both. */
static bool in_scope(const struct mf_run_scope *scope, const struct mf_action_row *row)
{
    return is_wanted(scope->task_project, row->task_project) &&
           is_wanted(scope->task_domain, row->task_domain) && is_wanted(scope->task_name, row->task_name) &&
           is_wanted(scope->task_version, row->task_version);
}

static bool add_run(void *ctx, const struct mf_run_list_row *row)
{
    struct message *message = ctx;
    struct mf_run_facts facts;
    message->rows++;
    message->last_seq = row->action.seq;
    if (!in_scope(message->scope, &row->action) ||
        (message->tracked && row->run.source != pb_workflow_RUN_SOURCE_TRACKED))
        return true;
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
    return message->code == MF_OK;
}

static enum mf_code snapshot(struct watch *watch, struct mf_follow *follow, struct mf_db *db,
                             struct mf_arena *scratch, struct mf_error *err)
{
    const struct mf_sort newest_first = {MF_STR("created_at"), false};
    const struct mf_str source = MF_STR("RUN_SOURCE_TRACKED");
    const struct mf_filter tracked = {.field = MF_STR("run_source"), .values = &source, .value_count = 1};
    const struct mf_page page = {.sorts = &newest_first,
                                 .sort_count = 1,
                                 .filters = &tracked,
                                 .filter_count = watch->tracked ? 1 : 0,
                                 .limit = SNAPSHOT};
    struct message message = {
        .scratch = scratch, .scope = &watch->scope, .tracked = watch->tracked, .err = err};
    /* Taken before reading: what is committed in between is shown twice rather than not at all. */
    watch->seq = mf_store_seq(watch->runs->store);
    enum mf_code code =
        watch->nothing ? MF_OK : mf_run_list(db, scratch, &watch->scope, &page, add_run, &message, NULL, err);
    if (code == MF_OK)
        code = message.code;
    if (code != MF_OK)
        return code;
    watch->begun = true;
    mf_follow_send(follow, &message.response);
    return MF_OK;
}

static enum mf_code send_changes(struct watch *watch, struct mf_follow *follow, struct mf_db *db,
                                 struct mf_arena *scratch, struct mf_error *err)
{
    const struct mf_run_scope place = {.project = watch->scope.project, .domain = watch->scope.domain};
    struct message message = {
        .scratch = scratch, .scope = &watch->scope, .tracked = watch->tracked, .err = err};
    /* Read first: whatever has a lower number is then in view, and need not be looked at again. */
    int64_t seq = mf_store_seq(watch->runs->store);
    enum mf_code code = mf_run_list_changed(db, scratch, &place, watch->seq, BATCH, add_run, &message, err);
    if (code == MF_OK)
        code = message.code;
    if (code != MF_OK)
        return code;
    if (message.rows > 0)
        watch->seq = message.last_seq;
    if (message.rows == BATCH)
        mf_follow_again(follow);
    else if (watch->seq < seq)
        watch->seq = seq;
    if (message.response.runs.count > 0 || mf_follow_silent(follow))
        mf_follow_send(follow, &message.response);
    return MF_OK;
}

static enum mf_code refresh(void *ctx, struct mf_follow *follow, struct mf_db *db, struct mf_arena *scratch,
                            struct mf_error *err)
{
    struct watch *watch = ctx;
    const struct pb_workflow_WatchRunsResponse alive = {0};
    if (!mf_follow_room(follow))
        return MF_OK;
    if (!watch->begun)
        return snapshot(watch, follow, db, scratch, err);
    if (!watch->nothing)
        return send_changes(watch, follow, db, scratch, err);
    if (mf_follow_silent(follow))
        mf_follow_send(follow, &alive);
    return MF_OK;
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
        return MF_OK;
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
        watch->tracked = mf_run_is_tracked_call(call);
        code = take_target(watch, mf_call_request(call), &config.topics[0], &err);
    }
    if (code == MF_OK)
        mf_follow_start(call, &config);
    else
        mf_call_fail_error(call, &err);
}
