#include "run/source.h"

#include "store/task.h"

static enum mf_code deployed(struct mf_db *db, struct mf_arena *arena,
                             const struct pb_task_TaskIdentifier *id, struct mf_run_source *out,
                             struct mf_error *err)
{
    struct mf_task_row row;
    void *spec = NULL;
    if (!id || id->name.len == 0 || id->version.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "task_id with name and version is required");
    const struct mf_task_key key = {id->project, id->domain, id->name, id->version};
    enum mf_code code = mf_task_get(db, arena, &key, &row, err);
    if (code != MF_OK)
        return code;
    code = pb_decode(arena, &pb_task_TaskSpec_type, row.spec, &spec, err);
    if (code == MF_INVALID_ARGUMENT)
        return mf_fail(err, MF_DATA_LOSS, "the stored specification of task %.*s version %.*s cannot be read",
                       MF_FMT(id->name), MF_FMT(id->version));
    if (code != MF_OK)
        return code;
    out->id->project = id->project;
    out->id->domain = id->domain;
    out->id->name = id->name;
    out->id->version = id->version;
    out->spec = spec;
    out->kind = pb_task_TASK_SPEC_SOURCE_DEPLOYED;
    return MF_OK;
}

static enum mf_code given(struct pb_task_TaskSpec *spec, struct mf_run_source *out, struct mf_error *err)
{
    if (!spec)
        return mf_fail(err, MF_INVALID_ARGUMENT, "task_spec is required");
    if (spec->task_template && spec->task_template->id) {
        out->id->project = spec->task_template->id->project;
        out->id->domain = spec->task_template->id->domain;
        out->id->name = spec->task_template->id->name;
        out->id->version = spec->task_template->id->version;
    }
    out->spec = spec;
    out->kind = pb_task_TASK_SPEC_SOURCE_EPHEMERAL;
    return MF_OK;
}

static enum mf_code decode_stored(struct mf_arena *arena, const struct pb_type *type, struct mf_str bytes,
                                  const struct mf_trigger_row *row, void **out, struct mf_error *err)
{
    enum mf_code code = pb_decode(arena, type, bytes, out, err);
    return code == MF_INVALID_ARGUMENT
               ? mf_fail(err, MF_DATA_LOSS, "what is stored of trigger %.*s cannot be read",
                         MF_FMT(row->key.name))
               : code;
}

/* The version of the task is the trigger's. */
static enum mf_code fired(struct mf_db *db, struct mf_arena *arena, const struct pb_common_TriggerName *name,
                          struct mf_run_source *out, struct mf_error *err)
{
    void *spec = NULL;
    void *automation = NULL;
    if (!name || name->name.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "trigger_name.name is required");
    const struct mf_trigger_key key = {name->project, name->domain, name->task_name, name->name};
    struct mf_trigger_row *row = &out->row;
    enum mf_code code = mf_trigger_get(db, arena, &key, row, err);
    if (code == MF_OK)
        code = decode_stored(arena, &pb_trigger_TriggerSpec_type, row->spec, row, &spec, err);
    if (code == MF_OK)
        code =
            decode_stored(arena, &pb_task_TriggerAutomationSpec_type, row->automation, row, &automation, err);
    if (code != MF_OK)
        return code;
    const struct pb_task_TaskIdentifier id = {.project = row->key.project,
                                              .domain = row->key.domain,
                                              .name = row->key.task_name,
                                              .version = row->task_version};
    code = deployed(db, arena, &id, out, err);
    if (code == MF_NOT_FOUND)
        return mf_fail(err, code, "trigger \"%.*s\" runs task %.*s version %.*s, which is not deployed",
                       MF_FMT(row->key.name), MF_FMT(id.name), MF_FMT(id.version));
    out->fires = true;
    out->trigger = (struct mf_run_trigger){.spec = spec, .automation = automation};
    return code;
}

enum mf_code mf_run_source_find(struct mf_db *db, struct mf_arena *arena,
                                const struct pb_workflow_CreateRunRequest *request, struct mf_run_source *out,
                                struct mf_error *err)
{
    *out = (struct mf_run_source){.id = MF_NEW(arena, struct pb_task_TaskIdentifier)};
    if (!out->id)
        return mf_fail_memory(err);
    switch (request->task_case) {
    case pb_workflow_CreateRunRequest_tag_task_id:
        return deployed(db, arena, request->task.task_id, out, err);
    case pb_workflow_CreateRunRequest_tag_task_spec:
        return given(request->task.task_spec, out, err);
    case pb_workflow_CreateRunRequest_tag_trigger_name:
        return fired(db, arena, request->task.trigger_name, out, err);
    default:
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "task is required: one of task_spec, task_id and trigger_name");
    }
}
