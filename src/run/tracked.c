/*
 * TrackedRunService: runs that their client carries out, and reports. They are runs like the others, marked
 * by their source, so that RunService shows them too; here only they are seen. Requests and answers are those
 * of RunService, whose handlers answer them.
 */
#include "gen/flyteidl2/common/list.pb.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "gen/flyteidl2/workflow/tracked_run_service.pb.h"
#include "run/service.h"

#define SERVICE (&pb_workflow_TrackedRunService_service)

bool mf_run_is_tracked_call(const struct mf_call *call)
{
    const struct pb_method *method = mf_call_method(call);
    return method >= SERVICE->methods && method < SERVICE->methods + SERVICE->method_count;
}

enum mf_code mf_run_tracked_check(const struct mf_run_row *row, struct mf_error *err)
{
    if (row->source == pb_workflow_RUN_SOURCE_TRACKED)
        return MF_OK;
    return mf_fail(err, MF_FAILED_PRECONDITION,
                   "run %.*s is no tracked run: the platform carries it out; ask RunService for it",
                   MF_FMT(row->name));
}

/* ---- create ---- */

static bool take_labels(struct mf_arena *arena, const struct pb_workflow_CreateTrackedRunRequest *request,
                        struct pb_task_RunSpec *spec)
{
    struct pb_task_Labels *labels = MF_NEW(arena, struct pb_task_Labels);
    bool ok = labels != NULL;
    if (request->labels.count == 0)
        return true;
    if (ok && spec->labels)
        *labels = (struct pb_task_Labels){.values = spec->labels->values};
    for (uint32_t i = 0; ok && i < request->labels.count; i++) {
        struct pb_task_Labels_ValuesEntry *entry = MF_NEW(arena, struct pb_task_Labels_ValuesEntry);
        ok = entry != NULL;
        if (ok) {
            entry->key = request->labels.items[i]->key;
            entry->value = request->labels.items[i]->value;
            ok = PB_PUSH(arena, labels->values, entry);
        }
    }
    spec->labels = labels;
    return ok;
}

static bool take_request(struct mf_arena *arena, const struct pb_workflow_CreateTrackedRunRequest *request,
                         struct pb_workflow_CreateRunRequest *out, struct pb_task_RunSpec *spec)
{
    if (request->id_case == pb_workflow_CreateTrackedRunRequest_tag_run_id) {
        out->id_case = pb_workflow_CreateRunRequest_tag_run_id;
        out->id.run_id = request->id.run_id;
    } else if (request->id_case == pb_workflow_CreateTrackedRunRequest_tag_project_id) {
        out->id_case = pb_workflow_CreateRunRequest_tag_project_id;
        out->id.project_id = request->id.project_id;
    }
    if (request->task_case == pb_workflow_CreateTrackedRunRequest_tag_task_id) {
        out->task_case = pb_workflow_CreateRunRequest_tag_task_id;
        out->task.task_id = request->task.task_id;
    } else if (request->task_case == pb_workflow_CreateTrackedRunRequest_tag_task_spec) {
        out->task_case = pb_workflow_CreateRunRequest_tag_task_spec;
        out->task.task_spec = request->task.task_spec;
    }
    if (request->offloaded_input_data) {
        out->input_wrapper_case = pb_workflow_CreateRunRequest_tag_offloaded_input_data;
        out->input_wrapper.offloaded_input_data = request->offloaded_input_data;
    }
    if (request->run_spec)
        *spec = *request->run_spec;
    /* The client has decided where it runs. */
    spec->queue = MF_STR_EMPTY;
    spec->run_start_time = request->run_start_time ? request->run_start_time : spec->run_start_time;
    out->run_spec = spec;
    out->source = pb_workflow_RUN_SOURCE_TRACKED;
    return take_labels(arena, request, spec);
}

static void on_create(void *runs, struct mf_call *call)
{
    struct mf_arena *arena = mf_call_arena(call);
    struct pb_workflow_CreateRunRequest *request = MF_NEW(arena, struct pb_workflow_CreateRunRequest);
    struct pb_task_RunSpec *spec = MF_NEW(arena, struct pb_task_RunSpec);
    if (request && spec && take_request(arena, mf_call_request(call), request, spec))
        mf_run_create(runs, call, request, MF_CARRIER_CLIENT);
    else
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory for the request; try again later");
}

/* ---- reads ---- */

/* True when the handler of RunService may answer; else the call has failed. */
static bool is_tracked(struct mf_runs *runs, struct mf_call *call, const struct pb_common_RunIdentifier *id,
                       const char *field)
{
    struct mf_error err;
    struct mf_db *db = NULL;
    struct mf_run_row row;
    enum mf_code code = mf_run_id_check(id, field, &err);
    if (code == MF_OK)
        code = mf_store_reader(runs->store, &db, &err);
    if (code == MF_OK)
        code = mf_run_find(db, mf_call_arena(call), id->project, id->domain, id->name, &row, &err);
    if (code == MF_OK)
        code = mf_run_tracked_check(&row, &err);
    mf_store_reader_done(runs->store, db);
    if (code != MF_OK)
        mf_call_fail_error(call, &err);
    return code == MF_OK;
}

static bool is_tracked_action(struct mf_runs *runs, struct mf_call *call,
                              const struct pb_common_ActionIdentifier *id)
{
    struct mf_error err;
    if (mf_run_action_id_check(id, "action_id", &err) == MF_OK)
        return is_tracked(runs, call, id->run, "action_id.run");
    mf_call_fail_error(call, &err);
    return false;
}

static void on_run_details(void *runs, struct mf_call *call)
{
    const struct pb_workflow_GetRunDetailsRequest *request = mf_call_request(call);
    if (is_tracked(runs, call, request->run_id, "run_id"))
        mf_run_on_run_details(runs, call);
}

static void on_watch_run(void *runs, struct mf_call *call)
{
    const struct pb_workflow_WatchRunDetailsRequest *request = mf_call_request(call);
    if (is_tracked(runs, call, request->run_id, "run_id"))
        mf_run_on_watch_run(runs, call);
}

static void on_action_details(void *runs, struct mf_call *call)
{
    const struct pb_workflow_GetActionDetailsRequest *request = mf_call_request(call);
    if (is_tracked_action(runs, call, request->action_id))
        mf_run_on_action_details(runs, call);
}

static void on_watch_action(void *runs, struct mf_call *call)
{
    const struct pb_workflow_WatchActionDetailsRequest *request = mf_call_request(call);
    if (is_tracked_action(runs, call, request->action_id))
        mf_run_on_watch_action(runs, call);
}

static void on_list_actions(void *runs, struct mf_call *call)
{
    const struct pb_workflow_ListActionsRequest *request = mf_call_request(call);
    if (is_tracked(runs, call, request->run_id, "run_id"))
        mf_run_on_list_actions(runs, call);
}

static void on_watch_actions(void *runs, struct mf_call *call)
{
    const struct pb_workflow_WatchActionsRequest *request = mf_call_request(call);
    if (is_tracked(runs, call, request->run_id, "run_id"))
        mf_run_on_watch_actions(runs, call);
}

/* The list of RunService with one filter more. */
static void on_list_runs(void *runs, struct mf_call *call)
{
    struct mf_arena *arena = mf_call_arena(call);
    struct pb_workflow_ListRunsRequest *request =
        (struct pb_workflow_ListRunsRequest *)(uintptr_t)mf_call_request(call); /* of the call's arena */
    struct pb_common_Filter *filter = MF_NEW(arena, struct pb_common_Filter);
    struct pb_common_ListRequest *list = MF_NEW(arena, struct pb_common_ListRequest);
    bool ok = filter && list;
    if (ok) {
        if (request->request)
            *list = *request->request;
        filter->function = pb_common_Filter_EQUAL;
        filter->field = MF_STR("run_source");
        ok = PB_PUSH(arena, filter->values, MF_STR("RUN_SOURCE_TRACKED")) &&
             PB_PUSH(arena, list->filters, filter);
        request->request = list;
    }
    if (ok)
        mf_run_on_list_runs(runs, call);
    else
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory for the request; try again later");
}

enum mf_code mf_run_tracked_serve(struct mf_runs *runs, struct mf_rpc *rpc, struct mf_error *err)
{
    static const struct {
        size_t method;
        mf_handler handler;
    } methods[] = {
        {pb_workflow_TrackedRunService_CreateRun, on_create},
        {pb_workflow_TrackedRunService_ReportActions, mf_run_on_report},
        {pb_workflow_TrackedRunService_GetRunDetails, on_run_details},
        {pb_workflow_TrackedRunService_WatchRunDetails, on_watch_run},
        {pb_workflow_TrackedRunService_GetActionDetails, on_action_details},
        {pb_workflow_TrackedRunService_WatchActionDetails, on_watch_action},
        {pb_workflow_TrackedRunService_ListRuns, on_list_runs},
        {pb_workflow_TrackedRunService_WatchRuns, mf_run_on_watch_runs},
        {pb_workflow_TrackedRunService_ListActions, on_list_actions},
        {pb_workflow_TrackedRunService_WatchActions, on_watch_actions},
        {pb_workflow_TrackedRunService_AbortRun, mf_run_on_abort_run},
    };
    enum mf_code code = MF_OK;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0] && code == MF_OK; i++)
        code = mf_rpc_handle(rpc, SERVICE, methods[i].method, methods[i].handler, runs, err);
    return code;
}
