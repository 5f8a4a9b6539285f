#include "task/task.h"

#include "gen/flyteidl2/task/task_service.pb.h"
#include "list/page.h"
#include "store/task.h"
#include "task/deploy.h"

#define NS_PER_SECOND INT64_C(1000000000)

static struct pb_google_protobuf_Timestamp *timestamp(struct mf_arena *arena, int64_t ns)
{
    struct pb_google_protobuf_Timestamp *time = MF_NEW(arena, struct pb_google_protobuf_Timestamp);
    if (time) {
        time->seconds = ns / NS_PER_SECOND;
        time->nanos = (int32_t)(ns % NS_PER_SECOND);
    }
    return time;
}

static struct pb_task_TaskIdentifier *identifier(struct mf_arena *arena, const struct mf_task_key *key)
{
    struct pb_task_TaskIdentifier *id = MF_NEW(arena, struct pb_task_TaskIdentifier);
    if (id) {
        id->project = key->project;
        id->domain = key->domain;
        id->name = key->name;
        id->version = key->version;
    }
    return id;
}

static struct pb_task_TaskMetadata *metadata(struct mf_arena *arena, const struct mf_task_row *row)
{
    struct pb_task_TaskMetadata *out = MF_NEW(arena, struct pb_task_TaskMetadata);
    if (!out)
        return NULL;
    out->short_name = row->function_name;
    out->deployed_at = timestamp(arena, row->created_at);
    out->environment_name = row->environment;
    out->short_description = row->short_description;
    return out->deployed_at ? out : NULL;
}

static enum mf_code details(struct mf_store *store, struct mf_arena *arena,
                            const struct pb_task_GetTaskDetailsRequest *request,
                            struct pb_task_TaskDetails *out, struct mf_error *err)
{
    const struct pb_task_TaskIdentifier *id = request->task_id;
    struct mf_task_row row;
    struct mf_db *db = NULL;
    void *spec = NULL;
    if (!id || id->name.len == 0 || id->version.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "task_id with name and version is required");
    const struct mf_task_key key = {id->project, id->domain, id->name, id->version};
    enum mf_code code = mf_store_reader(store, &db, err);
    if (code == MF_OK)
        code = mf_task_get(db, arena, &key, &row, err);
    mf_store_reader_done(store, db);
    if (code == MF_OK)
        code = pb_decode(arena, &pb_task_TaskSpec_type, row.spec, &spec, err);
    if (code != MF_OK)
        return code;
    out->task_id = identifier(arena, &row.key);
    out->metadata = metadata(arena, &row);
    out->spec = spec;
    return out->task_id && out->metadata ? MF_OK : mf_fail_memory(err);
}

static void on_details(void *store, struct mf_call *call)
{
    struct pb_task_TaskDetails found = {0};
    const struct pb_task_GetTaskDetailsResponse response = {.details = &found};
    struct mf_error err;
    if (details(store, mf_call_arena(call), mf_call_request(call), &found, &err) == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

/* What a walk over rows fills; exactly one of tasks and versions is set. */
struct listing {
    struct mf_arena *arena;
    struct pb_task_ListTasksResponse *tasks;
    struct pb_task_ListVersionsResponse *versions;
    size_t limit;
    size_t seen;
    bool more;
    bool failed; /* memory ran out */
};

static bool add_task(struct listing *listing, const struct mf_task_row *row)
{
    struct pb_task_Task *task = MF_NEW(listing->arena, struct pb_task_Task);
    if (!task)
        return false;
    task->task_id = identifier(listing->arena, &row->key);
    task->metadata = metadata(listing->arena, row);
    return task->task_id && task->metadata && PB_PUSH(listing->arena, listing->tasks->tasks, task);
}

static bool add_version(struct listing *listing, const struct mf_task_row *row)
{
    struct pb_task_ListVersionsResponse_VersionResponse *version =
        MF_NEW(listing->arena, struct pb_task_ListVersionsResponse_VersionResponse);
    if (!version)
        return false;
    version->version = row->key.version;
    version->deployed_at = timestamp(listing->arena, row->created_at);
    return version->deployed_at && PB_PUSH(listing->arena, listing->versions->versions, version);
}

static bool add_row(void *ctx, const struct mf_task_row *row)
{
    struct listing *listing = ctx;
    if (listing->seen == listing->limit) {
        listing->more = true;
        return false;
    }
    listing->seen++;
    listing->failed = !(listing->tasks ? add_task(listing, row) : add_version(listing, row));
    return !listing->failed;
}

static enum mf_code next_token(const struct listing *listing, const struct mf_page *page,
                               struct mf_str *token, struct mf_error *err)
{
    if (listing->failed)
        return mf_fail_memory(err);
    if (listing->more)
        *token = mf_str_printf(listing->arena, "%zu", page->offset + listing->limit);
    return listing->more && !token->ptr ? mf_fail_memory(err) : MF_OK;
}

/* The filter on who deployed a task is kept; whether it is an entry point is recorded by nobody, so it cannot
 * filter. */
static enum mf_code add_known_filters(struct mf_arena *arena, const struct pb_task_ListTasksRequest *request,
                                      struct mf_page *page, struct mf_error *err)
{
    size_t count = page->filter_count + request->known_filters.count;
    struct mf_filter *filters = mf_arena_array(arena, count, sizeof *filters);
    if (!filters)
        return mf_fail_memory(err);
    for (size_t i = 0; i < page->filter_count; i++)
        filters[i] = page->filters[i];
    for (size_t i = 0; i < request->known_filters.count; i++) {
        const struct pb_task_ListTasksRequest_KnownFilter *known = request->known_filters.items[i];
        if (known->filter_by_case == pb_task_ListTasksRequest_KnownFilter_tag_deployed_by)
            filters[page->filter_count++] = (struct mf_filter){
                .function = MF_FILTER_EQUAL,
                .field = MF_STR("deployed_by"),
                .values = &known->filter_by.deployed_by,
                .value_count = 1,
            };
    }
    page->filters = filters;
    return MF_OK;
}

static enum mf_code count_tasks(struct mf_db *db, struct mf_arena *arena, const struct mf_task_scope *scope,
                                const struct mf_page *page, struct pb_task_ListTasksResponse *out,
                                struct mf_error *err)
{
    const struct mf_page all = {0};
    int64_t total = 0;
    int64_t filtered = 0;
    struct pb_task_ListTasksResponse_ListTasksMetadata *counts =
        MF_NEW(arena, struct pb_task_ListTasksResponse_ListTasksMetadata);
    if (!counts)
        return mf_fail_memory(err);
    enum mf_code code = mf_task_count(db, arena, scope, &all, &total, err);
    filtered = total;
    if (code == MF_OK && page->filter_count > 0)
        code = mf_task_count(db, arena, scope, page, &filtered, err);
    counts->total = (uint32_t)total;
    counts->filtered_total = (uint32_t)filtered;
    out->metadata = counts;
    return code;
}

static enum mf_code list_tasks(struct mf_store *store, struct mf_arena *arena,
                               const struct pb_task_ListTasksRequest *request,
                               struct pb_task_ListTasksResponse *out, struct mf_error *err)
{
    struct listing listing = {.arena = arena, .tasks = out};
    struct mf_task_scope scope = {0};
    struct mf_page page;
    struct mf_db *db = NULL;
    bool snapshot = false;
    enum mf_code code = mf_page_read_offset(arena, request->request, &page, &listing.limit, err);
    if (code == MF_OK)
        code = add_known_filters(arena, request, &page, err);
    if (code != MF_OK)
        return code;
    if (request->scope_by_case == pb_task_ListTasksRequest_tag_project_id && request->scope_by.project_id)
        scope =
            (struct mf_task_scope){request->scope_by.project_id->name, request->scope_by.project_id->domain};
    code = mf_store_reader(store, &db, err);
    if (code == MF_OK) {
        code = mf_db_snapshot_begin(db, err);
        snapshot = code == MF_OK;
    }
    if (code == MF_OK)
        code = mf_task_list(db, arena, &scope, &page, add_row, &listing, err);
    if (code == MF_OK)
        code = count_tasks(db, arena, &scope, &page, out, err);
    if (snapshot)
        mf_db_snapshot_end(db);
    mf_store_reader_done(store, db);
    return code == MF_OK ? next_token(&listing, &page, &out->token, err) : code;
}

static void on_list(void *store, struct mf_call *call)
{
    struct pb_task_ListTasksResponse response = {0};
    struct mf_error err;
    if (list_tasks(store, mf_call_arena(call), mf_call_request(call), &response, &err) == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

static enum mf_code list_versions(struct mf_store *store, struct mf_arena *arena,
                                  const struct pb_task_ListVersionsRequest *request,
                                  struct pb_task_ListVersionsResponse *out, struct mf_error *err)
{
    const struct pb_task_TaskName *name = request->task_name;
    struct listing listing = {.arena = arena, .versions = out};
    struct mf_page page;
    struct mf_db *db = NULL;
    if (!name)
        return MF_OK;
    const struct mf_task_key key = {.project = name->project, .domain = name->domain, .name = name->name};
    enum mf_code code = mf_page_read_offset(arena, request->request, &page, &listing.limit, err);
    if (code == MF_OK)
        code = mf_store_reader(store, &db, err);
    if (code == MF_OK)
        code = mf_task_versions(db, arena, &key, &page, add_row, &listing, err);
    mf_store_reader_done(store, db);
    return code == MF_OK ? next_token(&listing, &page, &out->token, err) : code;
}

static void on_versions(void *store, struct mf_call *call)
{
    struct pb_task_ListVersionsResponse response = {0};
    struct mf_error err;
    if (list_versions(store, mf_call_arena(call), mf_call_request(call), &response, &err) == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

enum mf_code mf_tasks_serve(struct mf_store *store, struct mf_rpc *rpc, struct mf_error *err)
{
    static const struct {
        size_t method;
        mf_handler handler;
    } methods[] = {
        {pb_task_TaskService_DeployTask, mf_task_on_deploy},
        {pb_task_TaskService_GetTaskDetails, on_details},
        {pb_task_TaskService_ListTasks, on_list},
        {pb_task_TaskService_ListVersions, on_versions},
    };
    enum mf_code code = MF_OK;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0] && code == MF_OK; i++)
        code = mf_rpc_handle(rpc, &pb_task_TaskService_service, methods[i].method, methods[i].handler, store,
                             err);
    return code;
}
