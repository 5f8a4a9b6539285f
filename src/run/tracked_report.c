/* ReportActions: what the client of a tracked run tells of its actions. */
#include "action/machine.h"
#include "action/message.h"
#include "base/list.h"
#include "gen/flyteidl2/actions/actions_service.pb.h"
#include "gen/flyteidl2/core/identifier.pb.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"
#include "gen/flyteidl2/workflow/tracked_run_service.pb.h"
#include "gen/google/rpc/status.pb.h"
#include "run/service.h"

#include <stdatomic.h>

#define UPDATES_MAX 4096
#define TASK_TYPE MF_STR("tracked") /* of an action whose first report brings no specification */

struct report;

/* One update as a command of its own: what it cannot do leaves no trace, and does not stop the others. All of
 * them go to the writer at once and so share a commit. */
struct update {
    struct mf_command command;
    struct report *report;
    const struct pb_workflow_TrackedActionUpdate *message;
    struct pb_google_rpc_Status status;
    struct mf_error err; /* what the status says; of its own, since several may end at once */
};

struct report {
    struct mf_runs *runs;
    struct mf_call *call;
    const struct pb_common_RunIdentifier *run;
    struct update *updates;
    uint32_t count;
    _Atomic uint32_t left;
};

/* ---- on the writer's thread ---- */

static enum mf_code check_event(const struct report *report, const struct pb_workflow_ActionEvent *event,
                                struct mf_error *err)
{
    const struct pb_common_RunIdentifier *run = event && event->id ? event->id->run : NULL;
    if (!event || !run || event->id->name.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "event.id: name and run are required");
    if (!mf_str_eq(run->project, report->run->project) || !mf_str_eq(run->domain, report->run->domain) ||
        !mf_str_eq(run->name, report->run->name))
        return mf_fail(err, MF_INVALID_ARGUMENT, "event.id.run must be the run_id of the report");
    if (event->attempt == 0 || event->attempt > MF_ATTEMPT_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "event.attempt must be from 1 to %d", MF_ATTEMPT_MAX);
    if (event->version > INT32_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "event.version must be at most %d", INT32_MAX);
    if (event->phase <= MF_PHASE_UNSPECIFIED || event->phase > MF_PHASE_RECOVERED)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "event.phase is required, and must be one of the known phases");
    return MF_OK;
}

static struct pb_workflow_TaskAction *bare_task(struct mf_arena *arena, const struct mf_run_row *run,
                                                struct mf_str name)
{
    struct pb_workflow_TaskAction *task = pb_new(arena, &pb_workflow_TaskAction_type);
    struct pb_task_TaskSpec *spec = pb_new(arena, &pb_task_TaskSpec_type);
    struct pb_core_TaskTemplate *template = pb_new(arena, &pb_core_TaskTemplate_type);
    struct pb_core_Identifier *id = pb_new(arena, &pb_core_Identifier_type);
    if (!task || !spec || !template || !id)
        return NULL;
    id->resource_type = pb_core_TASK;
    id->project = run->project;
    id->domain = run->domain;
    id->name = name;
    template->id = id;
    template->type = TASK_TYPE;
    spec->task_template = template;
    task->spec = spec;
    return task;
}

/* Where the SDK puts the inputs of the action, which it does not say. */
static struct mf_str inputs_uri(const struct report *report, struct mf_arena *arena, struct mf_str name)
{
    return mf_str_printf(arena, "%.*s/uploads/%.*s/%.*s/tracked-runs/%.*s/%.*s/inputs.pb",
                         MF_FMT(mf_objects_base(report->runs->objects)), MF_FMT(report->run->project),
                         MF_FMT(report->run->domain), MF_FMT(report->run->name), MF_FMT(name));
}

static enum mf_code first_report(const struct update *update, struct mf_tx *tx, const struct mf_run_row *run,
                                 struct mf_error *err)
{
    const struct pb_workflow_TrackedActionUpdate *message = update->message;
    const struct pb_workflow_ActionEvent *event = message->event;
    struct mf_arena *arena = mf_tx_arena(tx);
    struct pb_actions_Action action = {
        .action_id = event->id,
        .parent_action_name = message->parent_name.len > 0 ? message->parent_name : MF_ROOT_ACTION,
        .has_parent_action_name = true,
        .input_uri = inputs_uri(update->report, arena, event->id->name),
        .group = message->group,
        .run_output_base = run->output_base,
    };
    int64_t started = message->status ? mf_timestamp_ns(message->status->start_time) : 0;
    if (message->spec_case == pb_workflow_TrackedActionUpdate_tag_trace) {
        action.spec_case = pb_actions_Action_tag_trace;
        action.spec.trace = message->spec.trace;
    } else {
        action.spec_case = pb_actions_Action_tag_task;
        action.spec.task = message->spec_case == pb_workflow_TrackedActionUpdate_tag_task
                               ? message->spec.task
                               : bare_task(arena, run, event->id->name);
    }
    if (!action.input_uri.ptr || !action.spec.task)
        return mf_fail_memory(err);
    return mf_action_record(tx, run, &action, MF_CARRIER_CLIENT,
                            started > 0 ? started : mf_timestamp_ns(event->updated_time), err);
}

/* Whoever does not know that the action was aborted has to learn it. What was recorded before stays a
 * success, and so does the news that it was aborted. */
static enum mf_code of_aborted(const struct mf_action_row *row, const struct pb_workflow_ActionEvent *event,
                               struct mf_error *err)
{
    if (event->phase == MF_PHASE_ABORTED)
        return MF_OK;
    return mf_fail(err, MF_ABORTED, "action %.*s was aborted (%.*s); it takes no more reports",
                   MF_FMT(row->name), MF_FMT(row->abort_reason));
}

static enum mf_code is_known(struct mf_tx *tx, const struct mf_action_row *row,
                             const struct pb_workflow_ActionEvent *event, int32_t offset, bool *known,
                             struct mf_error *err)
{
    return mf_event_known(mf_tx_db(tx), row->run_id, row->name, (int32_t)event->attempt + offset,
                          event->phase, (int32_t)event->version, known, err);
}

/* When a parent is tried again its children are, under their old names, and the client counts their attempts
 * from where they were. Here they are attempts of their own, so that nothing of the first time is lost. */
static enum mf_code next_report(struct mf_tx *tx, struct mf_action_row *row,
                                const struct pb_workflow_ActionEvent *event, struct mf_error *err)
{
    struct pb_workflow_ActionEvent moved = *event;
    bool again = row->hidden && !mf_phase_is_terminal(event->phase);
    bool known = false;
    bool revived = false;
    enum mf_code code = MF_OK;
    if (again || row->user_retries > 0 || row->phase == MF_PHASE_ABORTED)
        code = is_known(tx, row, event, 0, &known, err);
    if (code == MF_OK && !known && !again && row->user_retries > 0)
        code = is_known(tx, row, event, row->user_retries, &known, err);
    if (code != MF_OK || known)
        return code;
    if (again)
        code = mf_action_begin_again(tx, row, err);
    else if (event->phase != MF_PHASE_ABORTED)
        code = mf_action_revive(tx, row, &revived, err);
    if (code != MF_OK)
        return code;
    moved.attempt += (uint32_t)row->user_retries;
    return row->phase == MF_PHASE_ABORTED ? of_aborted(row, &moved, err)
                                          : mf_action_record_event(tx, &moved, err);
}

static enum mf_code apply(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    const struct update *update = MF_CONTAINER(command, struct update, command);
    const struct report *report = update->report;
    const struct pb_workflow_ActionEvent *event = update->message->event;
    const struct pb_common_RunIdentifier *id = report->run;
    struct mf_db *db = mf_tx_db(tx);
    struct mf_arena *arena = mf_tx_arena(tx);
    struct mf_run_row run;
    struct mf_action_row row;
    enum mf_code code = check_event(report, event, err);
    if (code == MF_OK)
        code = mf_run_find(db, arena, id->project, id->domain, id->name, &run, err);
    if (code == MF_OK)
        code = mf_run_tracked_check(&run, err);
    if (code != MF_OK)
        return code;
    code = mf_action_get(db, arena, run.id, event->id->name, &row, err);
    if (code == MF_OK)
        return next_report(tx, &row, event, err);
    if (code == MF_NOT_FOUND)
        code = first_report(update, tx, &run, err);
    return code == MF_OK ? mf_action_record_event(tx, event, err) : code;
}

/* ---- the answer ---- */

static void answer(struct report *report)
{
    struct mf_arena *arena = mf_call_arena(report->call);
    struct pb_workflow_ReportTrackedActionsResponse response = {0};
    bool ok = true;
    for (uint32_t i = 0; ok && i < report->count; i++)
        ok = PB_PUSH(arena, response.statuses, &report->updates[i].status);
    if (ok)
        mf_call_reply(report->call, &response);
    else
        mf_call_fail(report->call, MF_RESOURCE_EXHAUSTED, "out of memory for the answer; report again");
    mf_call_unref(report->call);
}

/* The SDK repeats a report only when the call fails, so what is no decision must make it fail. */
static bool is_decision(int32_t code)
{
    return code == MF_OK || code == MF_INVALID_ARGUMENT || code == MF_NOT_FOUND ||
           code == MF_ALREADY_EXISTS || code == MF_FAILED_PRECONDITION || code == MF_ABORTED;
}

static void finish(struct report *report)
{
    for (uint32_t i = 0; i < report->count; i++) {
        const struct update *update = &report->updates[i];
        if (is_decision(update->status.code))
            continue;
        mf_call_fail(report->call, (enum mf_code)update->status.code, "updates[%u]: %.*s", i,
                     MF_FMT(update->status.message));
        mf_call_unref(report->call);
        return;
    }
    answer(report);
}

static void done(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct update *update = MF_CONTAINER(command, struct update, command);
    struct report *report = update->report;
    update->status.code = (int32_t)code;
    update->status.message = MF_STR_EMPTY;
    if (code != MF_OK) {
        update->err = *err;
        update->status.message = mf_str_from_c(update->err.message);
    }
    if (atomic_fetch_sub(&report->left, 1) == 1)
        finish(report);
}

void mf_run_on_report(void *service, struct mf_call *call)
{
    const struct pb_workflow_ReportTrackedActionsRequest *request = mf_call_request(call);
    struct mf_runs *runs = service;
    struct mf_arena *arena = mf_call_arena(call);
    struct mf_error err;
    struct report *report = MF_NEW(arena, struct report);
    struct update *updates = mf_arena_array(arena, request->updates.count + 1, sizeof *updates);
    if (!report || !updates) {
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory for the report; report again");
        return;
    }
    enum mf_code code = mf_run_id_check(request->run_id, "run_id", &err);
    if (code == MF_OK && (request->updates.count == 0 || request->updates.count > UPDATES_MAX))
        code =
            mf_fail(&err, MF_INVALID_ARGUMENT, "updates: from 1 to %d are taken in one report", UPDATES_MAX);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    report->runs = runs;
    report->call = mf_call_ref(call);
    report->run = request->run_id;
    report->updates = updates;
    report->count = request->updates.count;
    atomic_init(&report->left, report->count);
    for (uint32_t i = 0; i < report->count; i++)
        updates[i] = (struct update){.command = {.apply = apply, .done = done},
                                     .report = report,
                                     .message = request->updates.items[i]};
    /* The last one to be done may end the call before this loop does. */
    uint32_t count = report->count;
    for (uint32_t i = 0; i < count; i++)
        mf_writer_submit(mf_store_writer(runs->store), &updates[i].command);
}
