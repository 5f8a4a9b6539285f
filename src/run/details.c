#include "run/details.h"

#include "action/machine.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/attempts.h"
#include "run/service.h"
#include "store/abort_work.h"

enum mf_code mf_run_pair_read(struct mf_db *db, struct mf_arena *arena,
                              const struct pb_common_RunIdentifier *run, struct mf_str action,
                              struct mf_run_pair *out, struct mf_error *err)
{
    enum mf_code code = mf_run_find(db, arena, run->project, run->domain, run->name, &out->run, err);
    return code == MF_OK ? mf_action_get(db, arena, out->run.id, action, &out->action, err) : code;
}

enum mf_code mf_run_action_spec(struct mf_db *db, struct mf_arena *arena, const struct mf_action_row *row,
                                struct mf_run_action_spec *out, struct mf_error *err)
{
    struct mf_str body = MF_STR_EMPTY;
    void *spec = NULL;
    const struct pb_type *type = &pb_task_TaskSpec_type;
    *out = (struct mf_run_action_spec){0};
    if (row->spec_digest.len == 0)
        return MF_OK;
    if (row->kind == MF_ACTION_TRACE)
        type = &pb_task_TraceSpec_type;
    else if (row->kind == MF_ACTION_CONDITION)
        type = &pb_workflow_ConditionAction_type;
    enum mf_code code = mf_spec_get(db, arena, row->spec_digest, &body, err);
    if (code == MF_OK)
        code = pb_decode(arena, type, body, &spec, err);
    if (code == MF_INVALID_ARGUMENT || code == MF_NOT_FOUND)
        return mf_fail(err, MF_DATA_LOSS, "the stored specification of action %.*s cannot be read",
                       MF_FMT(row->name));
    if (row->kind == MF_ACTION_TRACE)
        out->trace = spec;
    else if (row->kind == MF_ACTION_CONDITION)
        out->condition = spec;
    else
        out->task = spec;
    return code;
}

static void set_spec(const struct mf_run_action_spec *spec, struct pb_workflow_ActionDetails *out)
{
    if (spec->task) {
        out->spec_case = pb_workflow_ActionDetails_tag_task;
        out->spec.task = spec->task;
    } else if (spec->trace) {
        out->spec_case = pb_workflow_ActionDetails_tag_trace;
        out->spec.trace = spec->trace;
    } else if (spec->condition) {
        out->spec_case = pb_workflow_ActionDetails_tag_condition;
        out->spec.condition = spec->condition;
    }
}

static enum mf_code decode_stored(struct mf_arena *arena, const struct pb_type *type, struct mf_str bytes,
                                  void **out, struct mf_error *err)
{
    enum mf_code code = bytes.len > 0 ? pb_decode(arena, type, bytes, out, err) : MF_OK;
    return code == MF_INVALID_ARGUMENT
               ? mf_fail(err, MF_DATA_LOSS, "a stored %s cannot be read", pb_type_name(type))
               : code;
}

static enum mf_code set_error(struct mf_arena *arena, const struct mf_action_row *row,
                              struct pb_workflow_ActionDetails *out, struct mf_error *err)
{
    struct pb_core_ExecutionError *error = NULL;
    struct pb_workflow_ErrorInfo *info = MF_NEW(arena, struct pb_workflow_ErrorInfo);
    enum mf_code code = info ? mf_action_error(arena, row, &error, err) : mf_fail_memory(err);
    if (code != MF_OK || !error)
        return code;
    info->message = error->message;
    info->kind = error->kind; /* the numbers of both enums mean the same */
    info->code = error->code;
    info->gpu_fault = error->gpu_fault;
    out->result_case = pb_workflow_ActionDetails_tag_error_info;
    out->result.error_info = info;
    return MF_OK;
}

/* The reason, and how far the abort has come while something of the action may still run. */
static enum mf_code abort_reason(struct mf_db *db, struct mf_arena *arena, const struct mf_action_row *row,
                                 struct mf_str *out, struct mf_error *err)
{
    struct mf_abort_work work;
    enum mf_code code = mf_abort_work_get(db, arena, row->run_id, row->name, row->attempts, &work, err);
    *out = row->abort_reason;
    if (code != MF_OK)
        return code == MF_NOT_FOUND ? MF_OK : code;
    if (work.tries > 0)
        *out = mf_str_printf(
            arena,
            "%.*s [still being ended: attempt %d is not gone after %d tries, the last error is: "
            "%.*s; it is tried again]",
            MF_FMT(row->abort_reason), work.attempt, work.tries, MF_FMT(work.last_error));
    else if (row->carrier != MF_CARRIER_HERE)
        *out = mf_str_printf(arena, "%.*s [its executor has not yet confirmed that attempt %d has ended]",
                             MF_FMT(row->abort_reason), work.attempt);
    return out->ptr ? MF_OK : mf_fail_memory(err);
}

static enum mf_code set_abort(struct mf_db *db, struct mf_arena *arena, const struct mf_action_row *row,
                              struct pb_workflow_ActionDetails *out, struct mf_error *err)
{
    void *by = NULL;
    struct pb_workflow_AbortInfo *info = MF_NEW(arena, struct pb_workflow_AbortInfo);
    enum mf_code code =
        info ? decode_stored(arena, &pb_common_EnrichedIdentity_type, row->aborted_by, &by, err)
             : mf_fail_memory(err);
    if (code == MF_OK)
        code = abort_reason(db, arena, row, &info->reason, err);
    if (code != MF_OK)
        return code;
    info->aborted_by = by;
    out->result_case = pb_workflow_ActionDetails_tag_abort_info;
    out->result.abort_info = info;
    return MF_OK;
}

static enum mf_code set_signal(struct mf_arena *arena, const struct mf_action_row *row,
                               struct pb_workflow_ActionDetails *out, struct mf_error *err)
{
    void *by = NULL;
    void *value = NULL;
    struct pb_workflow_SignalInfo *info = MF_NEW(arena, struct pb_workflow_SignalInfo);
    enum mf_code code =
        info ? decode_stored(arena, &pb_common_EnrichedIdentity_type, row->signalled_by, &by, err)
             : mf_fail_memory(err);
    if (code == MF_OK)
        code = decode_stored(arena, &pb_core_Literal_type, row->value, &value, err);
    if (code != MF_OK)
        return code;
    info->signalled_by = by;
    info->output = value;
    out->result_case = pb_workflow_ActionDetails_tag_signal_info;
    out->result.signal_info = info;
    return MF_OK;
}

static enum mf_code set_result(struct mf_db *db, struct mf_arena *arena, const struct mf_action_row *row,
                               struct pb_workflow_ActionDetails *out, struct mf_error *err)
{
    if (row->phase == MF_PHASE_FAILED || row->phase == MF_PHASE_TIMED_OUT)
        return set_error(arena, row, out, err);
    if (row->phase == MF_PHASE_ABORTED)
        return set_abort(db, arena, row, out, err);
    return row->value.len > 0 ? set_signal(arena, row, out, err) : MF_OK;
}

struct reading {
    struct mf_arena *arena;
    struct mf_run_attempts *attempts;
    enum mf_code code;
    struct mf_error *err;
};

static bool read_event(void *ctx, const struct mf_event_row *row)
{
    struct reading *reading = ctx;
    void *event = NULL;
    reading->code =
        decode_stored(reading->arena, &pb_workflow_ActionEvent_type, row->body, &event, reading->err);
    if (reading->code == MF_OK && event)
        reading->code = mf_run_attempts_add(reading->attempts, event, reading->err);
    return reading->code == MF_OK;
}

static enum mf_code set_attempts(struct mf_db *db, struct mf_arena *arena, const struct mf_action_row *row,
                                 struct pb_workflow_ActionDetails *out, struct mf_error *err)
{
    struct reading reading = {.arena = arena, .attempts = mf_run_attempts_new(arena), .err = err};
    if (!reading.attempts)
        return mf_fail_memory(err);
    enum mf_code code = mf_event_list(db, arena, row->run_id, row->name, 0, read_event, &reading, err);
    if (code == MF_OK)
        code = reading.code;
    return code == MF_OK ? mf_run_attempts_finish(reading.attempts, out, err) : code;
}

enum mf_code mf_run_action_details(struct mf_db *db, struct mf_arena *arena, const struct mf_run_facts *run,
                                   const struct mf_action_row *row, struct pb_workflow_ActionDetails *out,
                                   struct mf_error *err)
{
    struct mf_run_action_spec spec;
    enum mf_code code = mf_run_action_spec(db, arena, row, &spec, err);
    if (code != MF_OK)
        return code;
    out->id = mf_run_action_id(arena, row);
    out->metadata = mf_run_metadata(arena, run, row, spec.condition);
    out->status = mf_run_status(arena, row);
    if (!out->id || !out->metadata || !out->status)
        return mf_fail_memory(err);
    set_spec(&spec, out);
    code = set_result(db, arena, row, out, err);
    return code == MF_OK ? set_attempts(db, arena, row, out, err) : code;
}

enum mf_code mf_run_run_details(struct mf_db *db, struct mf_arena *arena, const struct mf_run_pair *pair,
                                struct pb_workflow_RunDetails *out, struct mf_error *err)
{
    struct mf_run_facts facts;
    enum mf_code code = mf_run_facts(arena, &pair->run, &facts, err);
    if (code != MF_OK)
        return code;
    out->run_spec = facts.spec;
    out->action = MF_NEW(arena, struct pb_workflow_ActionDetails);
    return out->action ? mf_run_action_details(db, arena, &facts, &pair->action, out->action, err)
                       : mf_fail_memory(err);
}

/* Reads in one view of the store, so that row, specification and events belong together. */
static enum mf_code read_details(struct mf_runs *runs, struct mf_arena *arena,
                                 const struct pb_common_RunIdentifier *run, struct mf_str action,
                                 struct pb_workflow_RunDetails *out, struct mf_error *err)
{
    struct mf_run_pair pair;
    struct mf_db *db = NULL;
    bool snapshot = false;
    enum mf_code code = mf_store_reader(runs->store, &db, err);
    if (code == MF_OK) {
        code = mf_db_snapshot_begin(db, err);
        snapshot = code == MF_OK;
    }
    if (code == MF_OK)
        code = mf_run_pair_read(db, arena, run, action, &pair, err);
    if (code == MF_OK)
        code = mf_run_run_details(db, arena, &pair, out, err);
    if (snapshot)
        mf_db_snapshot_end(db);
    mf_store_reader_done(runs->store, db);
    return code;
}

void mf_run_on_run_details(void *service, struct mf_call *call)
{
    const struct pb_workflow_GetRunDetailsRequest *request = mf_call_request(call);
    struct pb_workflow_RunDetails details = {0};
    const struct pb_workflow_GetRunDetailsResponse response = {.details = &details};
    struct mf_error err;
    enum mf_code code = mf_run_id_check(request->run_id, "run_id", &err);
    if (code == MF_OK)
        code = read_details(service, mf_call_arena(call), request->run_id, MF_ROOT_ACTION, &details, &err);
    if (code == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

void mf_run_on_action_details(void *service, struct mf_call *call)
{
    const struct pb_workflow_GetActionDetailsRequest *request = mf_call_request(call);
    struct pb_workflow_RunDetails details = {0};
    struct mf_error err;
    enum mf_code code = mf_run_action_id_check(request->action_id, "action_id", &err);
    if (code == MF_OK)
        code = read_details(service, mf_call_arena(call), request->action_id->run, request->action_id->name,
                            &details, &err);
    const struct pb_workflow_GetActionDetailsResponse response = {.details = details.action};
    if (code == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}
