#include "action/state.h"

#include "action/machine.h"
#include "base/list.h"
#include "gen/flyteidl2/common/identifier.pb.h"
#include "gen/flyteidl2/workflow/state_service.pb.h"
#include "gen/google/protobuf/struct.pb.h"
#include "gen/google/rpc/status.pb.h"
#include "store/action_state.h"
#include "store/store.h"

#include <math.h>

#define STATE_MAX ((size_t)1 << 20)

/* Lives in the arena of its call. */
struct put {
    struct mf_command command;
    struct mf_call *call;
    const struct pb_workflow_PutRequest *request;
    int32_t phase;   /* of the state; 0: it says none that we know */
    int32_t attempt; /* 0: the present one */
};

/* NodePhase of the propeller, in its numbers. */
static const int32_t node_phases[] = {
    MF_PHASE_QUEUED,    /* not yet started */
    MF_PHASE_QUEUED,    /* queued */
    MF_PHASE_RUNNING,   /* running */
    MF_PHASE_RUNNING,   /* failing */
    MF_PHASE_RUNNING,   /* succeeding */
    MF_PHASE_SUCCEEDED, /* succeeded */
    MF_PHASE_FAILED,    /* failed */
    MF_PHASE_SUCCEEDED, /* skipped */
    MF_PHASE_RUNNING,   /* failed, to be tried again */
    MF_PHASE_RUNNING,   /* timing out */
    MF_PHASE_TIMED_OUT, /* timed out */
    MF_PHASE_RUNNING,   /* running what it has made */
    MF_PHASE_RECOVERED, /* recovered */
};

static int32_t node_phase(int32_t phase)
{
    static const int32_t numbers[] = {
        [MF_PHASE_UNSPECIFIED] = 0,  [MF_PHASE_QUEUED] = 1,     [MF_PHASE_WAITING_FOR_RESOURCES] = 1,
        [MF_PHASE_INITIALIZING] = 1, [MF_PHASE_RUNNING] = 2,    [MF_PHASE_SUCCEEDED] = 5,
        [MF_PHASE_FAILED] = 6,       [MF_PHASE_ABORTED] = 6,    [MF_PHASE_TIMED_OUT] = 10,
        [MF_PHASE_PAUSED] = 2,       [MF_PHASE_RECOVERED] = 12,
    };
    return phase >= 0 && phase <= MF_PHASE_RECOVERED ? numbers[phase] : 0;
}

static const struct pb_google_protobuf_Value *field(const struct pb_google_protobuf_Struct *object,
                                                    const char *name)
{
    for (uint32_t i = 0; i < object->fields.count; i++) {
        if (mf_str_eq_c(object->fields.items[i]->key, name))
            return object->fields.items[i]->value;
    }
    return NULL;
}

static int32_t read_phase(const struct pb_google_protobuf_Value *value)
{
    const size_t count = sizeof node_phases / sizeof node_phases[0];
    struct mf_str prefix = MF_STR("ACTION_PHASE_");
    if (!value)
        return 0;
    if (value->kind_case == pb_google_protobuf_Value_tag_number_value) {
        double number = value->kind.number_value;
        return number >= 0 && number < (double)count && number == floor(number) ? node_phases[(size_t)number]
                                                                                : 0;
    }
    if (value->kind_case != pb_google_protobuf_Value_tag_string_value)
        return 0;
    struct mf_str word = value->kind.string_value;
    if (mf_str_starts(word, prefix))
        word = mf_str_skip(word, prefix.len);
    for (int32_t phase = MF_PHASE_QUEUED; phase <= MF_PHASE_RECOVERED; phase++) {
        if (mf_str_eq_c(word, mf_phase_word(phase)))
            return phase;
    }
    return 0;
}

static int32_t read_attempt(const struct pb_google_protobuf_Value *value)
{
    bool number = value && value->kind_case == pb_google_protobuf_Value_tag_number_value;
    return number && value->kind.number_value >= 1 && value->kind.number_value <= MF_ATTEMPT_MAX
               ? (int32_t)value->kind.number_value
               : 0;
}

static enum mf_code check_id(const struct pb_common_ActionIdentifier *id, struct mf_error *err)
{
    return id && id->run && id->name.len > 0
               ? MF_OK
               : mf_fail(err, MF_INVALID_ARGUMENT, "action_id: name and run are required");
}

static enum mf_code read_state(struct put *put, struct mf_error *err)
{
    struct mf_str text = put->request->state;
    void *decoded = NULL;
    if (text.len == 0 || text.len > STATE_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "state: must have from 1 to %zu bytes", STATE_MAX);
    if (pb_from_json(mf_call_arena(put->call), &pb_google_protobuf_Struct_type, text, NULL, &decoded, err) !=
        MF_OK)
        return mf_fail(err, MF_INVALID_ARGUMENT, "state: must be a JSON object");
    put->phase = read_phase(field(decoded, "phase"));
    put->attempt = read_attempt(field(decoded, "attempts"));
    return MF_OK;
}

static enum mf_code find(struct mf_db *db, struct mf_arena *arena,
                         const struct pb_common_ActionIdentifier *id, struct mf_action_row *row,
                         struct mf_error *err)
{
    int64_t run_id = 0;
    enum mf_code code = mf_run_id(db, id->run->project, id->run->domain, id->run->name, &run_id, err);
    return code == MF_OK ? mf_action_get(db, arena, run_id, id->name, row, err) : code;
}

static enum mf_code apply_put(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    const struct put *put = MF_CONTAINER(command, struct put, command);
    struct mf_action_row row;
    enum mf_code code = find(mf_tx_db(tx), mf_tx_arena(tx), put->request->action_id, &row, err);
    if (code == MF_OK)
        code = mf_action_state_put(mf_tx_db(tx), row.run_id, row.name, put->request->state, mf_tx_now_ns(tx),
                                   err);
    if (code != MF_OK || put->phase == 0 || row.carrier != MF_CARRIER_EXECUTOR)
        return code;
    const struct mf_action_change change = {
        .run_id = row.run_id,
        .name = row.name,
        .attempt = put->attempt > 0 ? put->attempt : row.attempts,
        .phase = put->phase,
        .cache_status = -1,
    };
    return mf_action_advance(tx, &change, NULL, err);
}

/* A decision is told in the answer; of anything else the call fails. */
static bool is_decision(enum mf_code code)
{
    return code == MF_OK || code == MF_INVALID_ARGUMENT || code == MF_NOT_FOUND;
}

static void done_put(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct put *put = MF_CONTAINER(command, struct put, command);
    struct mf_call *call = put->call;
    struct pb_google_rpc_Status status = {.code = (int32_t)code};
    const struct pb_workflow_PutResponse response = {.action_id = put->request->action_id, .status = &status};
    if (code != MF_OK)
        status.message = mf_str_from_c(err->message);
    if (is_decision(code))
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, err);
    mf_call_unref(call);
}

void mf_state_put(void *store, struct mf_call *call)
{
    struct mf_error err;
    struct put *put = MF_NEW(mf_call_arena(call), struct put);
    enum mf_code code = put ? MF_OK : mf_fail_memory(&err);
    if (code == MF_OK) {
        put->call = call;
        put->request = mf_call_request(call);
        code = check_id(put->request->action_id, &err);
    }
    if (code == MF_OK)
        code = read_state(put, &err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    mf_call_ref(call);
    put->command = (struct mf_command){.apply = apply_put, .done = done_put};
    mf_writer_submit(mf_store_writer(store), &put->command);
}

void mf_state_get(void *store, struct mf_call *call)
{
    const struct pb_workflow_GetRequest *request = mf_call_request(call);
    struct mf_arena *arena = mf_call_arena(call);
    struct mf_action_row row;
    struct mf_str state = MF_STR_EMPTY;
    struct mf_error err;
    struct mf_db *db = NULL;
    struct pb_google_rpc_Status status = {0};
    enum mf_code code = check_id(request->action_id, &err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    code = mf_store_reader(store, &db, &err);
    if (code == MF_OK)
        code = find(db, arena, request->action_id, &row, &err);
    if (code == MF_OK)
        code = mf_action_state_get(db, arena, row.run_id, row.name, &state, &err);
    mf_store_reader_done(store, db);
    if (code == MF_OK && state.len == 0) {
        state = mf_str_printf(arena, "{\"phase\":%d,\"attempts\":%d}", node_phase(row.phase), row.attempts);
        code = state.ptr ? MF_OK : mf_fail_memory(&err);
    }
    if (!is_decision(code)) {
        mf_call_fail_error(call, &err);
        return;
    }
    status.code = (int32_t)code;
    if (code != MF_OK)
        status.message = mf_str_from_c(err.message);
    const struct pb_workflow_GetResponse response = {
        .action_id = request->action_id, .status = &status, .state = state};
    mf_call_reply(call, &response);
}
