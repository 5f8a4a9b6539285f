/* SignalEvent: the answer to a condition. */
#include "action/machine.h"
#include "base/list.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "identity/caller.h"
#include "run/service.h"

/* Lives in the arena of its call. */
struct signal {
    struct mf_command command;
    struct mf_call *call;
    const struct pb_common_ActionIdentifier *id;
    struct mf_str value; /* encoded literal */
    struct mf_str by;    /* encoded identity */
};

static enum mf_code apply_signal(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct signal *signal = MF_CONTAINER(command, struct signal, command);
    const struct pb_common_RunIdentifier *run = signal->id->run;
    int64_t run_id = 0;
    enum mf_code code = mf_run_id(mf_tx_db(tx), run->project, run->domain, run->name, &run_id, err);
    return code == MF_OK ? mf_action_signal(tx, run_id, signal->id->name, signal->value, signal->by, err)
                         : code;
}

static void done_signal(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct signal *signal = MF_CONTAINER(command, struct signal, command);
    struct mf_call *call = signal->call;
    const struct pb_workflow_SignalEventResponse response = {0};
    if (code == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, err);
    mf_call_unref(call);
}

static enum mf_code to_primitive(const struct pb_workflow_EventPayload *payload,
                                 struct pb_core_Primitive *out, struct mf_error *err)
{
    switch (payload ? payload->value_case : 0) {
    case pb_workflow_EventPayload_tag_bool_value:
        out->value_case = pb_core_Primitive_tag_boolean;
        out->value.boolean = payload->value.bool_value;
        return MF_OK;
    case pb_workflow_EventPayload_tag_int_value:
        out->value_case = pb_core_Primitive_tag_integer;
        out->value.integer = payload->value.int_value;
        return MF_OK;
    case pb_workflow_EventPayload_tag_float_value:
        out->value_case = pb_core_Primitive_tag_float_value;
        out->value.float_value = payload->value.float_value;
        return MF_OK;
    case pb_workflow_EventPayload_tag_string_value:
        out->value_case = pb_core_Primitive_tag_string_value;
        out->value.string_value = payload->value.string_value;
        return MF_OK;
    default:
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "payload is required: one of bool_value, int_value, float_value and string_value");
    }
}

static enum mf_code to_literal(struct mf_arena *arena, const struct pb_workflow_EventPayload *payload,
                               struct mf_str *out, struct mf_error *err)
{
    struct pb_core_Primitive primitive = {0};
    struct pb_core_Scalar scalar = {.value_case = pb_core_Scalar_tag_primitive,
                                    .value.primitive = &primitive};
    const struct pb_core_Literal literal = {.value_case = pb_core_Literal_tag_scalar,
                                            .value.scalar = &scalar};
    enum mf_code code = to_primitive(payload, &primitive, err);
    return code == MF_OK ? pb_encode(arena, &pb_core_Literal_type, &literal, out, err) : code;
}

void mf_run_on_signal(void *service, struct mf_call *call)
{
    struct mf_runs *runs = service;
    const struct pb_workflow_SignalEventRequest *request = mf_call_request(call);
    struct mf_error err;
    struct signal *signal = MF_NEW(mf_call_arena(call), struct signal);
    enum mf_code code =
        signal ? mf_run_action_id_check(request->action_id, "action_id", &err) : mf_fail_memory(&err);
    if (code == MF_OK)
        code = to_literal(mf_call_arena(call), request->payload, &signal->value, &err);
    if (code == MF_OK)
        code = mf_identity_encode(mf_call_arena(call), mf_call_caller(call), &signal->by, &err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    signal->command.apply = apply_signal;
    signal->command.done = done_signal;
    signal->id = request->action_id;
    signal->call = mf_call_ref(call);
    mf_writer_submit(mf_store_writer(runs->store), &signal->command);
}
