#include "event/record.h"

#include "action/machine.h"
#include "gen/flyteidl2/actions/actions_service.pb.h"
#include "gen/flyteidl2/common/identity.pb.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/workflow/internal_run_service.pb.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"

static void take_spec(struct pb_actions_Action *action, const struct pb_workflow_RecordActionRequest *request)
{
    switch (request->spec_case) {
    case pb_workflow_RecordActionRequest_tag_task:
        action->spec_case = pb_actions_Action_tag_task;
        action->spec.task = request->spec.task;
        break;
    case pb_workflow_RecordActionRequest_tag_trace:
        action->spec_case = pb_actions_Action_tag_trace;
        action->spec.trace = request->spec.trace;
        break;
    case pb_workflow_RecordActionRequest_tag_condition:
        action->spec_case = pb_actions_Action_tag_condition;
        action->spec.condition = request->spec.condition;
        break;
    default:
        break;
    }
}

static enum mf_code check_id(const struct pb_common_ActionIdentifier *id, struct mf_error *err)
{
    if (!id || !id->run || id->name.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "action_id: name and run are required");
    return MF_OK;
}

enum mf_code mf_record_action(struct mf_tx *tx, const struct pb_workflow_RecordActionRequest *request,
                              struct mf_error *err)
{
    struct mf_run_row run;
    struct mf_action_row known;
    struct mf_arena *arena = mf_tx_arena(tx);
    const struct pb_common_ActionIdentifier *id = request->action_id;
    enum mf_code code = check_id(id, err);
    if (code == MF_OK && request->spec_case == 0)
        code = mf_fail(err, MF_INVALID_ARGUMENT, "spec: one of task, trace and condition is required");
    if (code == MF_OK)
        code = mf_run_find(mf_tx_db(tx), arena, id->run->project, id->run->domain, id->run->name, &run, err);
    if (code != MF_OK)
        return code;
    /* Looked up first: a repeated record is well even when its parent has ended meanwhile. */
    code = mf_action_get(mf_tx_db(tx), arena, run.id, id->name, &known, err);
    if (code != MF_NOT_FOUND)
        return code;
    struct pb_actions_Action action = {
        .action_id = request->action_id,
        .parent_action_name = request->parent,
        .has_parent_action_name = request->parent.len > 0,
        .input_uri = request->input_uri,
        .group = request->group,
        .subject = request->subject,
    };
    take_spec(&action, request);
    code = mf_action_record(tx, &run, &action, MF_CARRIER_EXECUTOR, 0, err);
    return code == MF_OK ? mf_action_catch_up(tx, run.id, id->name, err) : code;
}

enum mf_code mf_record_status(struct mf_tx *tx, const struct pb_workflow_UpdateActionStatusRequest *request,
                              struct mf_error *err)
{
    struct mf_arena *arena = mf_tx_arena(tx);
    const struct pb_common_ActionIdentifier *id = request->action_id;
    struct mf_action_status report = {.status = request->status, .abort_reason = request->abort_reason};
    enum mf_code code = check_id(id, err);
    if (code == MF_OK && !request->status)
        code = mf_fail(err, MF_INVALID_ARGUMENT, "status is required");
    if (code == MF_OK)
        code = mf_run_id(mf_tx_db(tx), id->run->project, id->run->domain, id->run->name, &report.run_id, err);
    if (code == MF_OK && request->output)
        code = pb_encode(arena, &pb_core_Literal_type, request->output, &report.value, err);
    if (code == MF_OK && request->principal)
        code = pb_encode(arena, &pb_common_EnrichedIdentity_type, request->principal, &report.principal, err);
    if (code != MF_OK)
        return code;
    report.name = id->name;
    report.attempt = request->status->attempts;
    return mf_action_report_status(tx, &report, err);
}

enum mf_code mf_record_events(struct mf_tx *tx, struct pb_workflow_ActionEvent *const *events, size_t count,
                              struct mf_left_out *left_out, struct mf_error *err)
{
    struct mf_error reason;
    enum mf_code code = MF_OK;
    *left_out = (struct mf_left_out){0};
    for (size_t i = 0; i < count && code == MF_OK; i++) {
        code = mf_action_record_event(tx, events[i], &reason);
        if (code != MF_NOT_FOUND && code != MF_INVALID_ARGUMENT)
            continue;
        code = MF_OK;
        if (left_out->count++ > 0)
            continue;
        left_out->first = i;
        left_out->why = reason;
    }
    return code == MF_OK ? MF_OK : mf_fail(err, code, "%s", reason.message);
}
