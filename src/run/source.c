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
        return mf_fail(err, MF_NOT_FOUND, "trigger \"%.*s\" not found: this server keeps no triggers yet",
                       MF_FMT(request->task.trigger_name ? request->task.trigger_name->name : MF_STR_EMPTY));
    default:
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "task is required: one of task_spec, task_id and trigger_name");
    }
}
