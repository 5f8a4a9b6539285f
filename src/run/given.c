#include "run/given.h"

#include "run/message.h"

struct mf_str mf_run_kickoff_arg(const struct pb_task_TriggerAutomationSpec *automation)
{
    if (!automation || automation->automation_case != pb_task_TriggerAutomationSpec_tag_schedule ||
        !automation->automation.schedule)
        return MF_STR_EMPTY;
    return automation->automation.schedule->kickoff_time_input_arg;
}

static const struct pb_task_Inputs *inline_of(const struct pb_workflow_CreateRunRequest *request)
{
    return request->input_wrapper_case == pb_workflow_CreateRunRequest_tag_inputs
               ? request->input_wrapper.inputs
               : NULL;
}

static const struct pb_common_OffloadedInputData *
offloaded_of(const struct pb_workflow_CreateRunRequest *request)
{
    return request->input_wrapper_case == pb_workflow_CreateRunRequest_tag_offloaded_input_data
               ? request->input_wrapper.offloaded_input_data
               : NULL;
}

static const struct pb_common_OffloadedInputData *offloaded_of_trigger(const struct mf_run_trigger *trigger)
{
    return trigger && trigger->spec->input_wrapper_case == pb_trigger_TriggerSpec_tag_offloaded_input_data
               ? trigger->spec->input_wrapper.offloaded_input_data
               : NULL;
}

static bool says_something(const struct pb_task_Inputs *inputs)
{
    return inputs && (inputs->literals.count > 0 || inputs->context.count > 0);
}

struct mf_str mf_run_given_reads(const struct pb_workflow_CreateRunRequest *request,
                                 const struct mf_run_trigger *trigger)
{
    const struct pb_common_OffloadedInputData *stored = offloaded_of_trigger(trigger);
    return stored && says_something(inline_of(request)) ? stored->uri : MF_STR_EMPTY;
}

static bool put_literal(struct mf_arena *arena, struct pb_task_Inputs *inputs,
                        struct pb_task_NamedLiteral *literal)
{
    for (uint32_t i = 0; i < inputs->literals.count; i++) {
        if (mf_str_eq(inputs->literals.items[i]->name, literal->name)) {
            inputs->literals.items[i] = literal;
            return true;
        }
    }
    return PB_PUSH(arena, inputs->literals, literal);
}

static bool put_context(struct mf_arena *arena, struct pb_task_Inputs *inputs,
                        struct pb_core_KeyValuePair *pair)
{
    for (uint32_t i = 0; i < inputs->context.count; i++) {
        if (mf_str_eq(inputs->context.items[i]->key, pair->key)) {
            inputs->context.items[i] = pair;
            return true;
        }
    }
    return PB_PUSH(arena, inputs->context, pair);
}

static bool put_all(struct mf_arena *arena, struct pb_task_Inputs *out, const struct pb_task_Inputs *from)
{
    bool ok = true;
    for (uint32_t i = 0; from && ok && i < from->literals.count; i++)
        ok = put_literal(arena, out, from->literals.items[i]);
    for (uint32_t i = 0; from && ok && i < from->context.count; i++)
        ok = put_context(arena, out, from->context.items[i]);
    return ok;
}

static bool has_literal(const struct pb_task_Inputs *inputs, struct mf_str name)
{
    for (uint32_t i = 0; i < inputs->literals.count; i++) {
        if (mf_str_eq(inputs->literals.items[i]->name, name))
            return true;
    }
    return false;
}

/* A task without a word on its inputs is given what the trigger wants. */
static bool takes(const struct pb_task_TaskSpec *task, struct mf_str name)
{
    const struct pb_core_TypedInterface *interface =
        task->task_template ? task->task_template->interface : NULL;
    if (!interface || !interface->inputs)
        return !interface;
    for (uint32_t i = 0; i < interface->inputs->variables.count; i++) {
        if (mf_str_eq(interface->inputs->variables.items[i]->key, name))
            return true;
    }
    return false;
}

static bool add_time(struct mf_arena *arena, struct pb_task_Inputs *inputs, struct mf_str name, int64_t ns)
{
    struct pb_task_NamedLiteral *named = MF_NEW(arena, struct pb_task_NamedLiteral);
    struct pb_core_Literal *literal = MF_NEW(arena, struct pb_core_Literal);
    struct pb_core_Scalar *scalar = MF_NEW(arena, struct pb_core_Scalar);
    struct pb_core_Primitive *primitive = MF_NEW(arena, struct pb_core_Primitive);
    struct pb_google_protobuf_Timestamp *time = mf_run_timestamp(arena, ns);
    if (!named || !literal || !scalar || !primitive || !time)
        return false;
    primitive->value_case = pb_core_Primitive_tag_datetime;
    primitive->value.datetime = time;
    scalar->value_case = pb_core_Scalar_tag_primitive;
    scalar->value.primitive = primitive;
    literal->value_case = pb_core_Literal_tag_scalar;
    literal->value.scalar = scalar;
    named->name = name;
    named->value = literal;
    return PB_PUSH(arena, inputs->literals, named);
}

bool mf_run_given(struct mf_arena *arena, const struct pb_workflow_CreateRunRequest *request,
                  const struct mf_run_trigger *trigger, const struct pb_task_Inputs *read,
                  const struct pb_task_TaskSpec *task, int64_t fired_ns, struct mf_run_given *out)
{
    *out = (struct mf_run_given){.run_spec = request->run_spec, .offloaded = offloaded_of(request)};
    if (!out->run_spec && trigger)
        out->run_spec = trigger->spec->run_spec;
    if (!out->offloaded && !says_something(inline_of(request)))
        out->offloaded = offloaded_of_trigger(trigger);
    if (out->offloaded)
        return true;
    if (!trigger) {
        out->inputs = inline_of(request);
        return true;
    }
    struct pb_task_Inputs *inputs = MF_NEW(arena, struct pb_task_Inputs);
    if (!inputs)
        return false;
    out->inputs = inputs;
    struct mf_str kickoff = mf_run_kickoff_arg(trigger->automation);
    const struct pb_task_Inputs *stored =
        trigger->spec->input_wrapper_case == pb_trigger_TriggerSpec_tag_inputs
            ? trigger->spec->input_wrapper.inputs
            : read;
    bool ok = put_all(arena, inputs, stored) && put_all(arena, inputs, inline_of(request));
    if (ok && kickoff.len > 0 && !has_literal(inputs, kickoff) && takes(task, kickoff))
        ok = add_time(arena, inputs, kickoff, fired_ns);
    return ok;
}
