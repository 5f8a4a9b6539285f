/* ListRuns and ListActions. */
#include "action/machine.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/details.h"
#include "run/page.h"
#include "run/service.h"
#include "store/run_list.h"

/* What a walk over rows gathers. The messages are made when the walk is over. */
struct gathering {
    struct mf_arena *arena;
    size_t limit;
    struct mf_run_list_row *rows;
    size_t count;
    bool more;
    struct mf_place rest; /* where a page that is short goes on */
};

static bool gather(void *ctx, const struct mf_run_list_row *row)
{
    struct gathering *gathering = ctx;
    if (gathering->count == gathering->limit) {
        gathering->more = true;
        return false;
    }
    gathering->rows[gathering->count++] = *row;
    return true;
}

static enum mf_code begin(struct mf_runs *runs, struct mf_arena *arena, struct mf_page *page, size_t limit,
                          struct gathering *out, struct mf_error *err)
{
    page->sortable = MF_RUN_LIST_SORTABLE;
    page->budget = MF_RUN_LIST_BUDGET;
    page->sys = runs->sys;
    page->until_ns = mf_mono_ns(runs->sys) + MF_RUN_LIST_SPAN_NS;
    *out = (struct gathering){.arena = arena, .limit = limit};
    out->rows = mf_arena_array(arena, limit, sizeof *out->rows);
    return out->rows ? MF_OK : mf_fail_memory(err);
}

static enum mf_code next_token(const struct gathering *gathering, struct mf_str *token, struct mf_error *err)
{
    const struct mf_place *place = &gathering->rest;
    if (gathering->more)
        place = &gathering->rows[gathering->count - 1].place;
    if (place->key_count == 0)
        return MF_OK;
    *token = mf_page_next(gathering->arena, place);
    return token->ptr ? MF_OK : mf_fail_memory(err);
}

static enum mf_code scope_of(const struct pb_workflow_ListRunsRequest *request, struct mf_run_scope *out,
                             struct mf_error *err)
{
    *out = (struct mf_run_scope){.paused_only = request->paused_actions_only};
    if (request->scope_by_case == pb_workflow_ListRunsRequest_tag_project_id &&
        request->scope_by.project_id) {
        const struct pb_common_ProjectIdentifier *id = request->scope_by.project_id;
        out->project = id->name;
        out->domain = id->domain;
    } else if (request->scope_by_case == pb_workflow_ListRunsRequest_tag_trigger_name &&
               request->scope_by.trigger_name) {
        const struct pb_common_TriggerName *id = request->scope_by.trigger_name;
        if (id->name.len == 0)
            return mf_fail(err, MF_INVALID_ARGUMENT, "trigger_name.name is required");
        out->project = id->project;
        out->domain = id->domain;
        out->trigger_task_name = id->task_name;
        out->trigger_name = id->name;
    } else if (request->scope_by_case == pb_workflow_ListRunsRequest_tag_task_name &&
               request->scope_by.task_name) {
        const struct pb_task_TaskName *id = request->scope_by.task_name;
        out->task_project = id->project;
        out->task_domain = id->domain;
        out->task_name = id->name;
    } else if (request->scope_by_case == pb_workflow_ListRunsRequest_tag_task_id &&
               request->scope_by.task_id) {
        const struct pb_task_TaskIdentifier *id = request->scope_by.task_id;
        out->task_project = id->project;
        out->task_domain = id->domain;
        out->task_name = id->name;
        out->task_version = id->version;
    }
    return MF_OK;
}

/* What is longer than any name can be is a mistake, and not the name of something that is not there. */
static enum mf_code check_lengths(const struct mf_run_scope *scope, struct mf_error *err)
{
    const struct {
        struct mf_str value;
        size_t most;
        const char *name;
    } parts[] = {
        {scope->project, 63, "project name"},
        {scope->domain, 63, "domain"},
        {scope->task_project, 63, "task project"},
        {scope->task_domain, 63, "task domain"},
        {scope->task_name, 255, "task name"},
        {scope->task_version, 255, "task version"},
        {scope->trigger_task_name, 255, "trigger task_name"},
        {scope->trigger_name, 255, "trigger name"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].value.len > parts[i].most)
            return mf_fail(err, MF_INVALID_ARGUMENT, "scope: the %s is longer than %zu characters",
                           parts[i].name, parts[i].most);
    }
    return MF_OK;
}

static enum mf_code list_runs(struct mf_runs *runs, struct mf_arena *arena,
                              const struct pb_workflow_ListRunsRequest *request,
                              struct pb_workflow_ListRunsResponse *out, struct mf_error *err)
{
    struct mf_run_scope scope;
    struct mf_page page;
    struct gathering found;
    struct mf_db *db = NULL;
    size_t limit = 0;
    enum mf_code code = scope_of(request, &scope, err);
    if (code == MF_OK)
        code = check_lengths(&scope, err);
    const struct mf_str parts[] = {MF_STR("runs"),     scope.project,
                                   scope.domain,       scope.task_project,
                                   scope.task_domain,  scope.task_name,
                                   scope.task_version, scope.trigger_task_name,
                                   scope.trigger_name, scope.paused_only ? MF_STR("paused") : MF_STR_EMPTY};
    if (code == MF_OK)
        code =
            mf_run_page(arena, request->request, parts, sizeof parts / sizeof parts[0], &page, &limit, err);
    if (code == MF_OK)
        code = begin(runs, arena, &page, limit, &found, err);
    if (code == MF_OK)
        code = mf_store_reader(runs->store, &db, err);
    if (code == MF_OK)
        code = mf_db_snapshot_begin(db, err);
    if (code == MF_OK) {
        code = mf_run_list(db, arena, &scope, &page, gather, &found, &found.rest, err);
        mf_db_snapshot_end(db);
    }
    mf_store_reader_done(runs->store, db);
    for (size_t i = 0; code == MF_OK && i < found.count; i++) {
        struct mf_run_facts facts;
        struct pb_workflow_Run *run = NULL;
        code = mf_run_facts(arena, &found.rows[i].run, &facts, err);
        if (code == MF_OK)
            run = mf_run_message(arena, &facts, &found.rows[i].action);
        if (code == MF_OK && (!run || !PB_PUSH(arena, out->runs, run)))
            code = mf_fail_memory(err);
    }
    return code == MF_OK ? next_token(&found, &out->token, err) : code;
}

void mf_run_on_list_runs(void *service, struct mf_call *call)
{
    struct pb_workflow_ListRunsResponse response = {0};
    struct mf_error err;
    if (list_runs(service, mf_call_arena(call), mf_call_request(call), &response, &err) == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

static enum mf_code add_action(struct mf_db *db, struct mf_arena *arena, const struct mf_run_facts *facts,
                               const struct mf_action_row *row, struct pb_workflow_ListActionsResponse *out,
                               struct mf_error *err)
{
    struct mf_run_action_spec spec = {0};
    enum mf_code code =
        row->kind == MF_ACTION_CONDITION ? mf_run_action_spec(db, arena, row, &spec, err) : MF_OK;
    if (code != MF_OK)
        return code;
    struct pb_workflow_Action *action = mf_run_action(arena, facts, row, spec.condition);
    return action && PB_PUSH(arena, out->actions, action) ? MF_OK : mf_fail_memory(err);
}

static enum mf_code read_actions(struct mf_runs *runs, struct mf_db *db, struct mf_arena *arena,
                                 const struct pb_workflow_ListActionsRequest *request,
                                 struct pb_workflow_ListActionsResponse *out, struct mf_error *err)
{
    const struct pb_common_RunIdentifier *id = request->run_id;
    struct mf_run_row run;
    struct mf_run_facts facts;
    struct mf_page page;
    struct gathering found;
    size_t limit = 0;
    const struct mf_str parts[] = {MF_STR("actions"), id->project, id->domain, id->name};
    enum mf_code code =
        mf_run_page(arena, request->request, parts, sizeof parts / sizeof parts[0], &page, &limit, err);
    if (code == MF_OK)
        code = begin(runs, arena, &page, limit, &found, err);
    if (code == MF_OK)
        code = mf_run_find(db, arena, id->project, id->domain, id->name, &run, err);
    if (code == MF_OK)
        code = mf_run_facts(arena, &run, &facts, err);
    if (code == MF_OK)
        code = mf_run_list_actions(db, arena, run.id, &page, gather, &found, &found.rest, err);
    for (size_t i = 0; code == MF_OK && i < found.count; i++)
        code = add_action(db, arena, &facts, &found.rows[i].action, out, err);
    return code == MF_OK ? next_token(&found, &out->token, err) : code;
}

static enum mf_code list_actions(struct mf_runs *runs, struct mf_arena *arena,
                                 const struct pb_workflow_ListActionsRequest *request,
                                 struct pb_workflow_ListActionsResponse *out, struct mf_error *err)
{
    struct mf_db *db = NULL;
    enum mf_code code = mf_run_id_check(request->run_id, "run_id", err);
    if (code == MF_OK)
        code = mf_store_reader(runs->store, &db, err);
    if (code == MF_OK)
        code = mf_db_snapshot_begin(db, err);
    if (code == MF_OK) {
        code = read_actions(runs, db, arena, request, out, err);
        mf_db_snapshot_end(db);
    }
    mf_store_reader_done(runs->store, db);
    return code;
}

void mf_run_on_list_actions(void *service, struct mf_call *call)
{
    struct pb_workflow_ListActionsResponse response = {0};
    struct mf_error err;
    if (list_actions(service, mf_call_arena(call), mf_call_request(call), &response, &err) == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}
