#include "gen/flyteidl2/trigger/trigger_service.pb.h"
#include "list/page.h"
#include "trigger/check.h"
#include "trigger/message.h"
#include "trigger/service.h"

static struct mf_trigger_key key_of(const struct pb_common_TriggerName *name)
{
    return (struct mf_trigger_key){name->project, name->domain, name->task_name, name->name};
}

/* ---- one trigger ---- */

/* revision 0: as it is now. */
static enum mf_code details(struct mf_triggers *triggers, struct mf_arena *arena,
                            const struct pb_common_TriggerName *name, uint64_t revision,
                            struct pb_trigger_TriggerDetails **out, struct mf_error *err)
{
    struct mf_db *db = NULL;
    struct mf_trigger_row row;
    const struct mf_trigger_key key = key_of(name);
    enum mf_code code = mf_store_reader(triggers->store, &db, err);
    if (code == MF_OK)
        code = revision > 0 ? mf_trigger_revision(db, arena, &key, (int64_t)revision, &row, err)
                            : mf_trigger_get(db, arena, &key, &row, err);
    mf_store_reader_done(triggers->store, db);
    return code == MF_OK ? mf_trigger_details(arena, &row, out, err) : code;
}

void mf_trigger_on_details(void *service, struct mf_call *call)
{
    const struct pb_trigger_GetTriggerDetailsRequest *request = mf_call_request(call);
    struct pb_trigger_GetTriggerDetailsResponse response = {0};
    struct mf_error err;
    enum mf_code code = mf_trigger_name_check(request->name, "name", false, &err);
    if (code == MF_OK)
        code = details(service, mf_call_arena(call), request->name, 0, &response.trigger, &err);
    if (code == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

void mf_trigger_on_revision(void *service, struct mf_call *call)
{
    const struct pb_trigger_GetTriggerRevisionDetailsRequest *request = mf_call_request(call);
    struct pb_trigger_GetTriggerRevisionDetailsResponse response = {0};
    struct mf_error err;
    enum mf_code code = MF_OK;
    if (!request->id)
        code = mf_fail(&err, MF_INVALID_ARGUMENT, "id is required");
    else if (request->id->revision == 0 || request->id->revision > INT64_MAX)
        code = mf_fail(&err, MF_INVALID_ARGUMENT, "id.revision is required: they count from 1");
    if (code == MF_OK)
        code = mf_trigger_name_check(request->id->name, "id.name", true, &err);
    if (code == MF_OK)
        code = details(service, mf_call_arena(call), request->id->name, request->id->revision,
                       &response.trigger, &err);
    if (code == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

/* ---- lists ---- */

struct gathered {
    struct mf_trigger_row row;
    enum mf_trigger_action action;
    int64_t recorded_at;
};

/* The rows of a page; limit of them at most. */
struct gathering {
    struct gathered *rows;
    size_t count, limit;
    struct mf_place last; /* of the last row that is kept */
    bool more;
};

static enum mf_code begin(struct mf_arena *arena, size_t limit, struct gathering *found, struct mf_error *err)
{
    *found = (struct gathering){.limit = limit, .rows = mf_arena_array(arena, limit, sizeof *found->rows)};
    return found->rows ? MF_OK : mf_fail_memory(err);
}

static bool gather_revision(void *ctx, const struct mf_trigger_row *row, enum mf_trigger_action action,
                            int64_t recorded_at, const struct mf_place *place)
{
    struct gathering *found = ctx;
    found->more = found->count == found->limit;
    if (found->more)
        return false;
    found->rows[found->count++] = (struct gathered){*row, action, recorded_at};
    found->last = *place;
    return true;
}

static bool gather(void *ctx, const struct mf_trigger_row *row, const struct mf_place *place)
{
    return gather_revision(ctx, row, MF_TRIGGER_DEPLOY, 0, place);
}

static enum mf_code next_token(struct mf_arena *arena, const struct gathering *found, struct mf_str *token,
                               struct mf_error *err)
{
    if (!found->more)
        return MF_OK;
    *token = mf_page_next(arena, &found->last);
    return token->ptr ? MF_OK : mf_fail_memory(err);
}

static struct mf_trigger_scope scope_of(const struct pb_trigger_ListTriggersRequest *request)
{
    const struct pb_common_ProjectIdentifier *project = request->scope_by.project_id;
    const struct pb_task_TaskIdentifier *task = request->scope_by.task_id;
    const struct pb_task_TaskName *name = request->scope_by.task_name;
    switch (request->scope_by_case) {
    case pb_trigger_ListTriggersRequest_tag_project_id:
        return (struct mf_trigger_scope){.project = project->name, .domain = project->domain};
    case pb_trigger_ListTriggersRequest_tag_task_id:
        return (struct mf_trigger_scope){task->project, task->domain, task->name, task->version};
    case pb_trigger_ListTriggersRequest_tag_task_name:
        return (struct mf_trigger_scope){name->project, name->domain, name->name, MF_STR_EMPTY};
    default:
        return (struct mf_trigger_scope){0};
    }
}

static enum mf_code list(struct mf_triggers *triggers, struct mf_arena *arena,
                         const struct pb_trigger_ListTriggersRequest *request,
                         struct pb_trigger_ListTriggersResponse *out, struct mf_error *err)
{
    struct mf_db *db = NULL;
    struct mf_page page;
    struct gathering found;
    size_t limit = 0;
    const struct mf_trigger_scope scope = scope_of(request);
    const struct mf_str parts[] = {MF_STR("triggers"), scope.project, scope.domain, scope.task_name,
                                   scope.task_version};
    enum mf_code code =
        mf_page_open(arena, request->request, parts, sizeof parts / sizeof parts[0], &page, &limit, err);
    if (code == MF_OK)
        code = begin(arena, limit, &found, err);
    if (code == MF_OK)
        code = mf_store_reader(triggers->store, &db, err);
    if (code == MF_OK)
        code = mf_trigger_list(db, arena, &scope, &page, gather, &found, err);
    mf_store_reader_done(triggers->store, db);
    for (size_t i = 0; code == MF_OK && i < found.count; i++) {
        struct pb_trigger_Trigger *trigger = NULL;
        code = mf_trigger_light(arena, &found.rows[i].row, &trigger, err);
        if (code == MF_OK && !PB_PUSH(arena, out->triggers, trigger))
            code = mf_fail_memory(err);
    }
    return code == MF_OK ? next_token(arena, &found, &out->token, err) : code;
}

void mf_trigger_on_list(void *service, struct mf_call *call)
{
    struct pb_trigger_ListTriggersResponse response = {0};
    struct mf_error err;
    if (list(service, mf_call_arena(call), mf_call_request(call), &response, &err) == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

static enum mf_code history(struct mf_triggers *triggers, struct mf_arena *arena,
                            const struct pb_trigger_GetTriggerRevisionHistoryRequest *request,
                            struct pb_trigger_GetTriggerRevisionHistoryResponse *out, struct mf_error *err)
{
    struct mf_db *db = NULL;
    struct mf_page page;
    struct gathering found;
    size_t limit = 0;
    enum mf_code code = mf_trigger_name_check(request->name, "name", true, err);
    if (code != MF_OK)
        return code;
    const struct mf_trigger_key key = key_of(request->name);
    const struct mf_str parts[] = {MF_STR("trigger revisions"), key.project, key.domain, key.task_name,
                                   key.name};
    code = mf_page_open(arena, request->request, parts, sizeof parts / sizeof parts[0], &page, &limit, err);
    if (code == MF_OK)
        code = begin(arena, limit, &found, err);
    if (code == MF_OK)
        code = mf_store_reader(triggers->store, &db, err);
    if (code == MF_OK)
        code = mf_trigger_history(db, arena, &key, &page, gather_revision, &found, err);
    mf_store_reader_done(triggers->store, db);
    for (size_t i = 0; code == MF_OK && i < found.count; i++) {
        const struct gathered *row = &found.rows[i];
        struct pb_trigger_TriggerRevision *revision = NULL;
        code = mf_trigger_revision_message(arena, &row->row, row->action, row->recorded_at, &revision, err);
        if (code == MF_OK && !PB_PUSH(arena, out->triggers, revision))
            code = mf_fail_memory(err);
    }
    return code == MF_OK ? next_token(arena, &found, &out->token, err) : code;
}

void mf_trigger_on_history(void *service, struct mf_call *call)
{
    struct pb_trigger_GetTriggerRevisionHistoryResponse response = {0};
    struct mf_error err;
    if (history(service, mf_call_arena(call), mf_call_request(call), &response, &err) == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}
