#include "list/page.h"
#include "task/message.h"
#include "task/service.h"
#include "trigger/message.h"

/* ---- one version ---- */

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
    if (code == MF_OK)
        code = mf_task_metadata(db, arena, &row, &out->metadata, err);
    mf_store_reader_done(store, db);
    if (code == MF_OK)
        code =
            mf_stored_read(arena, &pb_task_TaskSpec_type, row.spec, "specification of the task", &spec, err);
    if (code != MF_OK)
        return code;
    out->task_id = mf_task_identifier(arena, &row.key);
    out->spec = spec;
    return out->task_id ? MF_OK : mf_fail_memory(err);
}

void mf_task_on_details(void *service, struct mf_call *call)
{
    const struct mf_tasks *tasks = service;
    struct pb_task_TaskDetails found = {0};
    const struct pb_task_GetTaskDetailsResponse response = {.details = &found};
    struct mf_error err;
    if (details(tasks->store, mf_call_arena(call), mf_call_request(call), &found, &err) == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

/* ---- lists ---- */

/* The rows of a page; limit of them at most. */
struct gathering {
    struct mf_task_row *rows;
    size_t count, limit;
    struct mf_place last; /* of the last row that is kept */
    bool more;
};

static enum mf_code begin(struct mf_arena *arena, size_t limit, struct gathering *found, struct mf_error *err)
{
    *found = (struct gathering){.limit = limit, .rows = mf_arena_array(arena, limit, sizeof *found->rows)};
    return found->rows ? MF_OK : mf_fail_memory(err);
}

static bool gather(void *ctx, const struct mf_task_row *row, const struct mf_place *place)
{
    struct gathering *found = ctx;
    found->more = found->count == found->limit;
    if (found->more)
        return false;
    found->rows[found->count++] = *row;
    found->last = *place;
    return true;
}

static enum mf_code next_token(struct mf_arena *arena, const struct gathering *found, struct mf_str *token,
                               struct mf_error *err)
{
    if (!found->more)
        return MF_OK;
    *token = mf_page_next(arena, &found->last);
    return token->ptr ? MF_OK : mf_fail_memory(err);
}

/* Several of one kind of known filter are alternatives: a task has one deployer only. */
static enum mf_code read_scope(struct mf_arena *arena, const struct pb_task_ListTasksRequest *request,
                               struct mf_task_scope *scope, struct mf_error *err)
{
    const size_t count = request->known_filters.count;
    *scope = (struct mf_task_scope){0};
    if (count > MF_SELECT_VALUES_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "known_filters: more than %d", MF_SELECT_VALUES_MAX);
    struct mf_str *subjects = mf_arena_array(arena, count + 1, sizeof *subjects);
    if (!subjects)
        return mf_fail_memory(err);
    if (request->scope_by_case == pb_task_ListTasksRequest_tag_project_id && request->scope_by.project_id) {
        scope->project = request->scope_by.project_id->name;
        scope->domain = request->scope_by.project_id->domain;
    }
    for (size_t i = 0; i < count; i++) {
        const struct pb_task_ListTasksRequest_KnownFilter *known = request->known_filters.items[i];
        if (known->filter_by_case == pb_task_ListTasksRequest_KnownFilter_tag_deployed_by)
            subjects[scope->deployed_by_count++] = known->filter_by.deployed_by;
        else if (known->filter_by_case == pb_task_ListTasksRequest_KnownFilter_tag_is_entrypoint)
            scope->is_entrypoint = scope->is_entrypoint || known->filter_by.is_entrypoint;
    }
    scope->deployed_by = subjects;
    return MF_OK;
}

/* What a token of this list belongs to. */
static enum mf_code open_page(struct mf_arena *arena, const struct pb_task_ListTasksRequest *request,
                              const struct mf_task_scope *scope, struct mf_page *page, size_t *limit,
                              struct mf_error *err)
{
    struct mf_str *parts = mf_arena_array(arena, 4 + scope->deployed_by_count, sizeof *parts);
    if (!parts)
        return mf_fail_memory(err);
    parts[0] = MF_STR("tasks");
    parts[1] = scope->project;
    parts[2] = scope->domain;
    parts[3] = scope->is_entrypoint ? MF_STR("entrypoints") : MF_STR_EMPTY;
    for (size_t i = 0; i < scope->deployed_by_count; i++)
        parts[4 + i] = scope->deployed_by[i];
    return mf_page_open(arena, request->request, parts, 4 + scope->deployed_by_count, page, limit, err);
}

static enum mf_code add_task(struct mf_db *db, struct mf_arena *arena, const struct mf_task_row *row,
                             struct pb_task_ListTasksResponse *out, struct mf_error *err)
{
    struct mf_task_key all = row->key;
    struct pb_task_Task *task = MF_NEW(arena, struct pb_task_Task);
    struct pb_task_TaskSummary *summary = MF_NEW(arena, struct pb_task_TaskSummary);
    if (!task || !summary)
        return mf_fail_memory(err);
    all.version = MF_STR_EMPTY;
    enum mf_code code = mf_task_metadata(db, arena, row, &task->metadata, err);
    if (code == MF_OK)
        code = mf_task_latest(db, arena, &all, &summary->latest_run, err);
    if (code != MF_OK)
        return code;
    task->task_id = mf_task_identifier(arena, &row->key);
    task->task_summary = summary;
    return task->task_id && PB_PUSH(arena, out->tasks, task) ? MF_OK : mf_fail_memory(err);
}

static enum mf_code read_tasks(struct mf_db *db, struct mf_arena *arena, const struct mf_task_scope *scope,
                               const struct mf_page *page, struct gathering *found,
                               struct pb_task_ListTasksResponse *out, struct mf_error *err)
{
    int64_t total = 0;
    int64_t filtered = 0;
    out->metadata = MF_NEW(arena, struct pb_task_ListTasksResponse_ListTasksMetadata);
    enum mf_code code =
        out->metadata ? mf_task_list(db, arena, scope, page, gather, found, err) : mf_fail_memory(err);
    if (code == MF_OK)
        code = mf_task_count(db, arena, scope, page, &total, &filtered, err);
    for (size_t i = 0; i < found->count && code == MF_OK; i++)
        code = add_task(db, arena, &found->rows[i], out, err);
    if (code != MF_OK)
        return code;
    out->metadata->total = (uint32_t)total;
    out->metadata->filtered_total = (uint32_t)filtered;
    return MF_OK;
}

static enum mf_code list_tasks(struct mf_store *store, struct mf_arena *arena,
                               const struct pb_task_ListTasksRequest *request,
                               struct pb_task_ListTasksResponse *out, struct mf_error *err)
{
    struct mf_task_scope scope;
    struct mf_page page;
    struct gathering found;
    struct mf_db *db = NULL;
    size_t limit = 0;
    bool snapshot = false;
    enum mf_code code = read_scope(arena, request, &scope, err);
    if (code == MF_OK)
        code = open_page(arena, request, &scope, &page, &limit, err);
    if (code == MF_OK)
        code = begin(arena, limit, &found, err);
    if (code == MF_OK)
        code = mf_store_reader(store, &db, err);
    if (code == MF_OK) {
        code = mf_db_snapshot_begin(db, err);
        snapshot = code == MF_OK;
    }
    if (code == MF_OK)
        code = read_tasks(db, arena, &scope, &page, &found, out, err);
    if (snapshot)
        mf_db_snapshot_end(db);
    mf_store_reader_done(store, db);
    return code == MF_OK ? next_token(arena, &found, &out->token, err) : code;
}

void mf_task_on_list(void *service, struct mf_call *call)
{
    const struct mf_tasks *tasks = service;
    struct pb_task_ListTasksResponse response = {0};
    struct mf_error err;
    if (list_tasks(tasks->store, mf_call_arena(call), mf_call_request(call), &response, &err) == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

static enum mf_code add_version(struct mf_db *db, struct mf_arena *arena, const struct mf_task_row *row,
                                struct pb_task_ListVersionsResponse *out, struct mf_error *err)
{
    struct pb_task_ListVersionsResponse_VersionResponse *version =
        MF_NEW(arena, struct pb_task_ListVersionsResponse_VersionResponse);
    if (!version)
        return mf_fail_memory(err);
    enum mf_code code = mf_identity_read(arena, row->deployer, &version->deployed_by, err);
    if (code == MF_OK)
        code = mf_task_latest(db, arena, &row->key, &version->latest_run, err);
    if (code != MF_OK)
        return code;
    version->version = row->key.version;
    version->deployed_at = mf_timestamp(arena, row->created_at);
    return version->deployed_at && PB_PUSH(arena, out->versions, version) ? MF_OK : mf_fail_memory(err);
}

static enum mf_code list_versions(struct mf_store *store, struct mf_arena *arena,
                                  const struct pb_task_ListVersionsRequest *request,
                                  struct pb_task_ListVersionsResponse *out, struct mf_error *err)
{
    const struct pb_task_TaskName *name = request->task_name;
    struct mf_page page;
    struct gathering found;
    struct mf_db *db = NULL;
    size_t limit = 0;
    if (!name)
        return mf_fail(err, MF_INVALID_ARGUMENT, "task_name is required");
    const struct mf_task_key key = {name->project, name->domain, name->name, MF_STR_EMPTY};
    const struct mf_str parts[] = {MF_STR("versions"), key.project, key.domain, key.name};
    enum mf_code code =
        mf_page_open(arena, request->request, parts, sizeof parts / sizeof parts[0], &page, &limit, err);
    if (code == MF_OK)
        code = begin(arena, limit, &found, err);
    if (code == MF_OK)
        code = mf_store_reader(store, &db, err);
    if (code == MF_OK)
        code = mf_task_versions(db, arena, &key, &page, gather, &found, err);
    for (size_t i = 0; code == MF_OK && i < found.count; i++)
        code = add_version(db, arena, &found.rows[i], out, err);
    mf_store_reader_done(store, db);
    return code == MF_OK ? next_token(arena, &found, &out->token, err) : code;
}

void mf_task_on_versions(void *service, struct mf_call *call)
{
    const struct mf_tasks *tasks = service;
    struct pb_task_ListVersionsResponse response = {0};
    struct mf_error err;
    if (list_versions(tasks->store, mf_call_arena(call), mf_call_request(call), &response, &err) == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}
