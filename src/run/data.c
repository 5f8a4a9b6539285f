/* What an action read and wrote: GetActionData, GetActionDataURIs, GetActionLogContext. */
#include "run/data.h"
#include "action/machine.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/attempts.h"
#include "run/details.h"
#include "run/inputs.h"
#include "run/service.h"

/* Of a condition the answer is the output; the SDK names a single output so. */
#define VALUE_NAME MF_STR("o0")

enum mf_code mf_run_action_row(struct mf_store *store, struct mf_arena *arena,
                               const struct pb_common_ActionIdentifier *id, struct mf_action_row *row,
                               struct mf_error *err)
{
    struct mf_db *db = NULL;
    int64_t run_id = 0;
    enum mf_code code = mf_run_action_id_check(id, "action_id", err);
    if (code == MF_OK)
        code = mf_store_reader(store, &db, err);
    if (code == MF_OK)
        code = mf_run_id(db, id->run->project, id->run->domain, id->run->name, &run_id, err);
    if (code == MF_OK)
        code = mf_action_get(db, arena, run_id, id->name, row, err);
    mf_store_reader_done(store, db);
    return code;
}

enum mf_code mf_run_data_uris(struct mf_arena *arena, const struct mf_action_row *row,
                              struct mf_run_data *out, struct mf_error *err)
{
    bool done = row->phase == MF_PHASE_SUCCEEDED || row->phase == MF_PHASE_RECOVERED;
    *out = (struct mf_run_data){.inputs_uri = MF_STR_EMPTY, .outputs_uri = MF_STR_EMPTY};
    /* The inputs of a condition are a name that the protocol wants and nobody writes. */
    if (row->kind == MF_ACTION_CONDITION)
        return MF_OK;
    if (row->input_uri.len > 0)
        out->inputs_uri = mf_run_inputs_file(arena, row->input_uri);
    if (done && row->output_uri.len > 0)
        out->outputs_uri =
            row->kind == MF_ACTION_TRACE ? row->output_uri : mf_run_outputs_file(arena, row->output_uri);
    return out->inputs_uri.ptr && out->outputs_uri.ptr ? MF_OK : mf_fail_memory(err);
}

static enum mf_code read_pair(struct mf_runs *runs, struct mf_arena *arena,
                              const struct pb_common_ActionIdentifier *id, struct mf_run_pair *pair,
                              struct mf_error *err)
{
    struct mf_db *db = NULL;
    enum mf_code code = mf_run_action_id_check(id, "action_id", err);
    if (code == MF_OK)
        code = mf_store_reader(runs->store, &db, err);
    if (code == MF_OK)
        code = mf_run_pair_read(db, arena, id->run, id->name, pair, err);
    mf_store_reader_done(runs->store, db);
    return code;
}

void mf_run_on_data_uris(void *service, struct mf_call *call)
{
    const struct pb_workflow_GetActionDataURIsRequest *request = mf_call_request(call);
    struct mf_run_pair pair;
    struct mf_run_data data;
    struct mf_error err;
    enum mf_code code = read_pair(service, mf_call_arena(call), request->action_id, &pair, &err);
    if (code == MF_OK)
        code = mf_run_data_uris(mf_call_arena(call), &pair.action, &data, &err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    const struct pb_workflow_GetActionDataURIsResponse response = {.inputs_uri = data.inputs_uri,
                                                                   .outputs_uri = data.outputs_uri};
    mf_call_reply(call, &response);
}

/* An object that is not there (yet) reads as no message. */
static enum mf_code read_message(struct mf_objects *objects, struct mf_arena *arena, struct mf_str uri,
                                 size_t max, const struct pb_type *type, void **out, struct mf_error *err)
{
    struct mf_str bytes;
    *out = NULL;
    if (uri.len == 0)
        return MF_OK;
    enum mf_code code = mf_object_read(objects, arena, uri, max, &bytes, err);
    if (code == MF_NOT_FOUND)
        return MF_OK;
    if (code != MF_OK)
        return code;
    code = pb_decode(arena, type, bytes, out, err);
    return code == MF_INVALID_ARGUMENT
               ? mf_fail(err, MF_DATA_LOSS, "%.*s does not hold a %s", MF_FMT(uri), pb_type_name(type))
               : code;
}

static enum mf_code answer_of_condition(struct mf_arena *arena, const struct mf_action_row *row,
                                        struct pb_task_Outputs **out, struct mf_error *err)
{
    void *value = NULL;
    struct pb_task_Outputs *outputs = MF_NEW(arena, struct pb_task_Outputs);
    struct pb_task_NamedLiteral *literal = MF_NEW(arena, struct pb_task_NamedLiteral);
    if (!outputs || !literal || !PB_PUSH(arena, outputs->literals, literal))
        return mf_fail_memory(err);
    enum mf_code code = pb_decode(arena, &pb_core_Literal_type, row->value, &value, err);
    literal->name = VALUE_NAME;
    literal->value = value;
    *out = outputs;
    return code;
}

enum mf_code mf_run_data_read(struct mf_objects *objects, struct mf_arena *arena,
                              const struct mf_action_row *row, size_t max, struct mf_run_data *out,
                              struct mf_error *err)
{
    void *inputs = NULL;
    void *outputs = NULL;
    max = max > 0 ? max : MF_RUN_DATA_MAX;
    enum mf_code code = mf_run_data_uris(arena, row, out, err);
    if (code == MF_OK)
        code = read_message(objects, arena, out->inputs_uri, max, &pb_task_Inputs_type, &inputs, err);
    if (code == MF_OK)
        code = read_message(objects, arena, out->outputs_uri, max, &pb_task_Outputs_type, &outputs, err);
    out->inputs = inputs;
    out->outputs = outputs;
    if (code == MF_OK && row->value.len > 0)
        code = answer_of_condition(arena, row, &out->outputs, err);
    return code;
}

void mf_run_on_data(void *service, struct mf_call *call)
{
    const struct pb_workflow_GetActionDataRequest *request = mf_call_request(call);
    struct mf_runs *runs = service;
    struct mf_run_pair pair;
    struct mf_run_data data;
    struct mf_error err;
    enum mf_code code = read_pair(runs, mf_call_arena(call), request->action_id, &pair, &err);
    if (code == MF_OK)
        code =
            mf_run_data_read(runs->objects, mf_call_arena(call), &pair.action, runs->data_max, &data, &err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    const struct pb_workflow_GetActionDataResponse response = {.inputs = data.inputs,
                                                               .outputs = data.outputs};
    mf_call_reply(call, &response);
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
    reading->code = pb_decode(reading->arena, &pb_workflow_ActionEvent_type, row->body, &event, reading->err);
    if (reading->code == MF_OK)
        reading->code = mf_run_attempts_add(reading->attempts, event, reading->err);
    return reading->code == MF_OK;
}

/* The attempt as its events tell it; NULL when there are none. */
static enum mf_code read_attempt(struct mf_runs *runs, struct mf_arena *arena,
                                 const struct pb_workflow_GetActionLogContextRequest *request,
                                 struct pb_workflow_ActionAttempt **out, struct mf_error *err)
{
    const struct pb_common_ActionIdentifier *id = request->action_id;
    struct pb_workflow_ActionDetails told = {0};
    struct reading reading = {.arena = arena, .attempts = mf_run_attempts_new(arena), .err = err};
    struct mf_db *db = NULL;
    int64_t run_id = 0;
    enum mf_code code = reading.attempts ? mf_store_reader(runs->store, &db, err) : mf_fail_memory(err);
    if (code == MF_OK)
        code = mf_run_id(db, id->run->project, id->run->domain, id->run->name, &run_id, err);
    if (code == MF_OK)
        code =
            mf_event_list(db, arena, run_id, id->name, (int32_t)request->attempt, read_event, &reading, err);
    mf_store_reader_done(runs->store, db);
    if (code == MF_OK)
        code = reading.code;
    if (code == MF_OK)
        code = mf_run_attempts_finish(reading.attempts, &told, err);
    *out = code == MF_OK && told.attempts.count > 0 ? told.attempts.items[told.attempts.count - 1] : NULL;
    return code;
}

void mf_run_on_log_context(void *service, struct mf_call *call)
{
    const struct pb_workflow_GetActionLogContextRequest *request = mf_call_request(call);
    struct pb_workflow_ActionAttempt *attempt = NULL;
    struct mf_error err;
    enum mf_code code = mf_run_action_id_check(request->action_id, "action_id", &err);
    if (code == MF_OK && request->attempt > INT32_MAX)
        code = mf_fail(&err, MF_INVALID_ARGUMENT, "attempt is beyond any that exists");
    if (code == MF_OK)
        code = read_attempt(service, mf_call_arena(call), request, &attempt, &err);
    if (code == MF_OK && !attempt)
        code = mf_fail(&err, MF_NOT_FOUND, "no event found for action %.*s attempt %u",
                       MF_FMT(request->action_id->name), request->attempt);
    if (code == MF_OK && !attempt->log_context)
        code = mf_fail(&err, MF_NOT_FOUND, "action %.*s attempt %u has no log yet",
                       MF_FMT(request->action_id->name), request->attempt);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    const struct pb_workflow_GetActionLogContextResponse response = {
        .log_context = attempt->log_context,
        .cluster = attempt->cluster,
        .start_time = attempt->start_time,
        .end_time = attempt->end_time,
    };
    mf_call_reply(call, &response);
}
