#include "run/message.h"

#include "action/machine.h"
#include "base/time.h"

struct pb_google_protobuf_Timestamp *mf_run_timestamp(struct mf_arena *arena, int64_t ns)
{
    struct pb_google_protobuf_Timestamp *time = MF_NEW(arena, struct pb_google_protobuf_Timestamp);
    if (!time)
        return NULL;
    time->seconds = ns / MF_SECOND_NS;
    time->nanos = (int32_t)(ns % MF_SECOND_NS);
    if (time->nanos < 0) {
        time->seconds--;
        time->nanos += (int32_t)MF_SECOND_NS;
    }
    return time;
}

int64_t mf_run_timestamp_ns(const struct pb_google_protobuf_Timestamp *time)
{
    int64_t ns = 0;
    if (!time)
        return 0;
    if (__builtin_mul_overflow(time->seconds, MF_SECOND_NS, &ns) ||
        __builtin_add_overflow(ns, time->nanos, &ns))
        return time->seconds < 0 ? INT64_MIN : INT64_MAX;
    return ns;
}

static enum mf_code decode_part(struct mf_arena *arena, const struct mf_run_row *row,
                                const struct pb_type *type, struct mf_str bytes, void **out,
                                struct mf_error *err)
{
    enum mf_code code = pb_decode(arena, type, bytes, out, err);
    return code == MF_INVALID_ARGUMENT
               ? mf_fail(err, MF_DATA_LOSS, "the stored %s of run %.*s/%.*s/%.*s cannot be read",
                         pb_type_name(type), MF_FMT(row->project), MF_FMT(row->domain), MF_FMT(row->name))
               : code;
}

enum mf_code mf_run_facts_of(struct mf_arena *arena, const struct mf_run_row *row,
                             struct pb_task_RunSpec *spec, struct mf_run_facts *out, struct mf_error *err)
{
    void *created_by = NULL;
    void *automation = NULL;
    enum mf_code code = MF_OK;
    if (row->created_by.len > 0)
        code = decode_part(arena, row, &pb_common_EnrichedIdentity_type, row->created_by, &created_by, err);
    if (code == MF_OK && row->trigger_automation.len > 0)
        code = decode_part(arena, row, &pb_task_TriggerAutomationSpec_type, row->trigger_automation,
                           &automation, err);
    *out =
        (struct mf_run_facts){.row = row, .spec = spec, .created_by = created_by, .trigger_type = automation};
    return code;
}

enum mf_code mf_run_facts(struct mf_arena *arena, const struct mf_run_row *row, struct mf_run_facts *out,
                          struct mf_error *err)
{
    void *spec = NULL;
    enum mf_code code = decode_part(arena, row, &pb_task_RunSpec_type, row->run_spec, &spec, err);
    *out = (struct mf_run_facts){.row = row};
    return code == MF_OK ? mf_run_facts_of(arena, row, spec, out, err) : code;
}

struct pb_common_ActionIdentifier *mf_run_action_id(struct mf_arena *arena, const struct mf_action_row *row)
{
    struct pb_common_ActionIdentifier *id = MF_NEW(arena, struct pb_common_ActionIdentifier);
    struct pb_common_RunIdentifier *run = MF_NEW(arena, struct pb_common_RunIdentifier);
    if (!id || !run)
        return NULL;
    run->project = row->project;
    run->domain = row->domain;
    run->name = row->run_name;
    id->run = run;
    id->name = row->name;
    return id;
}

static bool add_task(struct mf_arena *arena, const struct mf_action_row *row,
                     struct pb_workflow_ActionMetadata *out)
{
    struct pb_workflow_TaskActionMetadata *task = MF_NEW(arena, struct pb_workflow_TaskActionMetadata);
    struct pb_task_TaskIdentifier *id = MF_NEW(arena, struct pb_task_TaskIdentifier);
    if (!task || !id)
        return false;
    id->project = row->task_project;
    id->domain = row->task_domain;
    id->name = row->task_name;
    id->version = row->task_version;
    task->id = row->task_name.len > 0 ? id : NULL;
    task->task_type = row->task_type;
    task->short_name = row->short_name;
    out->spec_case = pb_workflow_ActionMetadata_tag_task;
    out->spec.task = task;
    return true;
}

static bool add_trace(struct mf_arena *arena, const struct mf_action_row *row,
                      struct pb_workflow_ActionMetadata *out)
{
    struct pb_workflow_TraceActionMetadata *trace = MF_NEW(arena, struct pb_workflow_TraceActionMetadata);
    if (!trace)
        return false;
    trace->name = row->task_name;
    out->spec_case = pb_workflow_ActionMetadata_tag_trace;
    out->spec.trace = trace;
    return true;
}

static bool add_condition(struct mf_arena *arena, const struct mf_action_row *row,
                          const struct pb_workflow_ConditionAction *spec,
                          struct pb_workflow_ActionMetadata *out)
{
    struct pb_workflow_ConditionActionMetadata *condition =
        MF_NEW(arena, struct pb_workflow_ConditionActionMetadata);
    if (!condition)
        return false;
    condition->name = row->task_name;
    condition->type = spec ? spec->type : NULL;
    out->spec_case = pb_workflow_ActionMetadata_tag_condition;
    out->spec.condition = condition;
    return true;
}

static bool add_trigger(struct mf_arena *arena, const struct mf_run_row *run,
                        struct pb_workflow_ActionMetadata *out)
{
    struct pb_common_TriggerIdentifier *id = MF_NEW(arena, struct pb_common_TriggerIdentifier);
    struct pb_common_TriggerName *name = MF_NEW(arena, struct pb_common_TriggerName);
    if (!id || !name)
        return false;
    name->project = run->project;
    name->domain = run->domain;
    name->name = run->trigger_name;
    name->task_name = run->trigger_task_name;
    id->name = name;
    id->revision = (uint64_t)run->trigger_revision;
    out->trigger_id = id;
    out->trigger_name = run->trigger_name;
    return true;
}

static bool add_recovered_from(struct mf_arena *arena, const struct mf_action_row *row,
                               struct pb_workflow_ActionMetadata *out)
{
    void *from = NULL;
    if (pb_decode(arena, &pb_common_ActionIdentifier_type, row->recovered_from, &from, NULL) != MF_OK)
        return false;
    out->recovered_from = from;
    return true;
}

struct pb_workflow_ActionMetadata *mf_run_metadata(struct mf_arena *arena, const struct mf_run_facts *run,
                                                   const struct mf_action_row *row,
                                                   const struct pb_workflow_ConditionAction *condition)
{
    struct pb_workflow_ActionMetadata *out = MF_NEW(arena, struct pb_workflow_ActionMetadata);
    bool ok = out != NULL;
    if (!ok)
        return NULL;
    out->parent = row->parent;
    out->group = row->group;
    out->executed_by = run->created_by;
    out->action_type = row->kind;
    out->environment_name = row->environment_name;
    out->funtion_name = row->function_name;
    out->source = run->row->source;
    if (row->kind == MF_ACTION_TRACE)
        ok = add_trace(arena, row, out);
    else if (row->kind == MF_ACTION_CONDITION)
        ok = add_condition(arena, row, condition, out);
    else
        ok = add_task(arena, row, out);
    if (ok && run->row->trigger_name.len > 0)
        ok = add_trigger(arena, run->row, out);
    out->trigger_type = run->trigger_type;
    if (ok && row->recovered_from.len > 0)
        ok = add_recovered_from(arena, row, out);
    if (row->parent.len == 0 && run->spec)
        out->relation = run->spec->relation;
    return ok ? out : NULL;
}

struct pb_workflow_ActionStatus *mf_run_status(struct mf_arena *arena, const struct mf_action_row *row)
{
    struct pb_workflow_ActionStatus *out = MF_NEW(arena, struct pb_workflow_ActionStatus);
    if (!out)
        return NULL;
    out->phase = row->phase;
    out->attempts = (uint32_t)row->attempts;
    out->cache_status = row->cache_status;
    out->start_time = mf_run_timestamp(arena, row->created_at);
    if (row->ended_at > 0) {
        int64_t ns = row->ended_at > row->created_at ? row->ended_at - row->created_at : 0;
        out->end_time = mf_run_timestamp(arena, row->ended_at);
        out->has_duration_ms = true;
        out->duration_ms = (uint64_t)((ns + MF_MS_NS / 2) / MF_MS_NS);
    }
    return out->start_time && (out->end_time || row->ended_at <= 0) ? out : NULL;
}

struct pb_workflow_Action *mf_run_action(struct mf_arena *arena, const struct mf_run_facts *run,
                                         const struct mf_action_row *row,
                                         const struct pb_workflow_ConditionAction *condition)
{
    struct pb_workflow_Action *out = MF_NEW(arena, struct pb_workflow_Action);
    if (!out)
        return NULL;
    out->id = mf_run_action_id(arena, row);
    out->metadata = mf_run_metadata(arena, run, row, condition);
    out->status = mf_run_status(arena, row);
    return out->id && out->metadata && out->status ? out : NULL;
}

struct pb_workflow_Run *mf_run_message(struct mf_arena *arena, const struct mf_run_facts *run,
                                       const struct mf_action_row *root)
{
    struct pb_workflow_Run *out = MF_NEW(arena, struct pb_workflow_Run);
    if (!out)
        return NULL;
    out->action = mf_run_action(arena, run, root, NULL);
    if (run->spec && run->spec->labels) {
        for (uint32_t i = 0; i < run->spec->labels->values.count; i++) {
            const struct pb_task_Labels_ValuesEntry *label = run->spec->labels->values.items[i];
            struct pb_workflow_Run_LabelsEntry *entry = MF_NEW(arena, struct pb_workflow_Run_LabelsEntry);
            if (!entry || !PB_PUSH(arena, out->labels, entry))
                return NULL;
            entry->key = label->key;
            entry->value = label->value;
        }
    }
    return out->action ? out : NULL;
}
