/* CreateRun: one command makes the run, its labels, its inputs and its root action, or nothing. */
#include "action/machine.h"
#include "base/encode.h"
#include "base/list.h"
#include "gen/flyteidl2/actions/actions_service.pb.h"
#include "identity/caller.h"
#include "project/check.h"
#include "run/inputs.h"
#include "run/message.h"
#include "run/name.h"
#include "run/service.h"
#include "run/source.h"
#include "run/spec.h"

#define CONTENT_TYPE MF_STR("application/octet-stream")

/* A run to be made; lives in the arena of its call. */
struct create {
    struct mf_command command;
    struct mf_runs *runs;
    struct mf_call *call;
    struct mf_arena *arena; /* of the call */
    const struct pb_workflow_CreateRunRequest *request;
    struct pb_common_RunIdentifier *id;
    bool named; /* by the client, so that the run may exist already */
    char name[MF_RUN_NAME_MADE];
    struct mf_run_source source;
    struct pb_task_RunSpec *spec;
    struct pb_task_Inputs *inputs; /* NULL: they lie in the store already */
    struct mf_str inputs_hash;
    struct mf_str input_bytes;
    bool write_inputs; /* in the command */
    struct mf_run_row row;
    struct pb_actions_Action *action;
    struct pb_workflow_Run *made;
};

/* ---- on the writer's thread ---- */

static enum mf_code answer(struct create *create, struct mf_db *db, const struct mf_run_row *row,
                           struct mf_error *err)
{
    struct mf_run_facts facts = {.row = row, .spec = create->spec};
    struct mf_action_row root;
    enum mf_code code = mf_action_get(db, create->arena, row->id, MF_ROOT_ACTION, &root, err);
    if (code != MF_OK)
        return code;
    create->made = mf_run_message(create->arena, &facts, &root);
    return create->made ? MF_OK : mf_fail_memory(err);
}

/* A client that did not see the answer repeats its request and gets the run it has made. */
static enum mf_code find_existing(struct create *create, struct mf_db *db, bool *exists, struct mf_error *err)
{
    const struct mf_run_row *row = &create->row;
    struct mf_run_row found;
    enum mf_code code = mf_run_find(db, create->arena, row->project, row->domain, row->name, &found, err);
    *exists = code == MF_OK;
    if (code == MF_NOT_FOUND)
        return MF_OK;
    if (code != MF_OK)
        return code;
    if (!mf_str_eq(found.request_digest, row->request_digest))
        return mf_fail(
            err, MF_ALREADY_EXISTS,
            "run %.*s/%.*s/%.*s already exists and was made by a different request; choose another name",
            MF_FMT(row->project), MF_FMT(row->domain), MF_FMT(row->name));
    return answer(create, db, &found, err);
}

static enum mf_code add_labels(const struct create *create, struct mf_db *db, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    if (!create->spec->labels)
        return MF_OK;
    for (uint32_t i = 0; i < create->spec->labels->values.count && code == MF_OK; i++) {
        const struct pb_task_Labels_ValuesEntry *label = create->spec->labels->values.items[i];
        code = mf_run_label_insert(db, create->row.id, label->key, label->value, err);
    }
    return code;
}

static enum mf_code apply_create(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct create *create = MF_CONTAINER(command, struct create, command);
    struct mf_db *db = mf_tx_db(tx);
    struct mf_run_row *row = &create->row;
    bool exists = false;
    enum mf_code code = create->named ? find_existing(create, db, &exists, err) : MF_OK;
    if (code != MF_OK || exists)
        return code;
    row->id = mf_tx_next_seq(tx);
    row->created_at = mf_tx_now_ns(tx);
    code = mf_run_insert(db, row, err);
    if (code == MF_OK)
        code = add_labels(create, db, err);
    if (code == MF_OK && create->write_inputs)
        code = mf_object_put_tx(create->runs->objects, tx, create->action->input_uri, create->input_bytes,
                                CONTENT_TYPE, err);
    if (code == MF_OK)
        code = mf_action_enqueue(tx, row, create->action, err);
    return code == MF_OK ? answer(create, db, row, err) : code;
}

static void done_create(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct create *create = MF_CONTAINER(command, struct create, command);
    struct mf_call *call = create->call;
    const struct pb_workflow_CreateRunResponse response = {.run = create->made};
    if (code == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, err);
    mf_call_unref(call);
}

/* Inputs that are too large for the command are durable; now the run. */
static void inputs_written(void *ctx, enum mf_code code, const struct mf_error *err)
{
    struct create *create = ctx;
    if (code == MF_OK)
        mf_writer_submit(mf_store_writer(create->runs->store), &create->command);
    else
        done_create(&create->command, code, err);
}

/* ---- on a worker's thread ---- */

static enum mf_code take_id(struct create *create, struct mf_error *err)
{
    const struct pb_workflow_CreateRunRequest *request = create->request;
    struct pb_common_RunIdentifier *id = create->id;
    enum mf_code code = MF_OK;
    if (request->id_case == pb_workflow_CreateRunRequest_tag_run_id && request->id.run_id) {
        *id = *request->id.run_id;
        create->named = true;
        code = mf_run_name_check(id->name, err);
    } else if (request->id_case == pb_workflow_CreateRunRequest_tag_project_id && request->id.project_id) {
        const struct pb_common_ProjectIdentifier *project = request->id.project_id;
        mf_run_name_make(create->runs->sys, create->name);
        *id = (struct pb_common_RunIdentifier){.project = project->name,
                                               .domain = project->domain,
                                               .name = mf_str_make(create->name, sizeof create->name)};
    } else {
        code = mf_fail(err, MF_INVALID_ARGUMENT, "id is required: run_id (with a name) or project_id");
    }
    return code == MF_OK ? mf_run_id_check(id, create->named ? "run_id" : "project_id", err) : code;
}

static enum mf_code check_place(const struct create *create, struct mf_db *db, struct mf_error *err)
{
    const struct mf_runs *runs = create->runs;
    enum mf_code code = mf_project_check(db, create->id->project, err);
    return code == MF_OK ? mf_domain_check(runs->domains, runs->domain_count, create->id->domain, err) : code;
}

/* The run that this one repeats or recovers. Only a recovery needs it. */
static enum mf_code find_related(struct create *create, struct mf_db *db, struct mf_error *err)
{
    const struct pb_task_RunSpec *spec = create->spec;
    const struct pb_common_RunIdentifier *related =
        spec->relation ? spec->relation->related_to : spec->related_to;
    bool recovers = spec->relation && spec->relation->relation_type == pb_common_RELATION_TYPE_RECOVER;
    if (!related && recovers)
        return mf_fail(err, MF_INVALID_ARGUMENT, "run_spec.relation.related_to is required");
    if (!related)
        return MF_OK;
    enum mf_code code =
        mf_run_id(db, related->project, related->domain, related->name, &create->row.related_run_id, err);
    if (code == MF_NOT_FOUND && !recovers)
        code = MF_OK;
    return code == MF_OK ? code : mf_fail_prefix(err, "run_spec.relation.related_to");
}

static enum mf_code read_store(struct create *create, struct mf_error *err)
{
    struct mf_runs *runs = create->runs;
    struct mf_db *db = NULL;
    enum mf_code code = mf_store_reader(runs->store, &db, err);
    if (code == MF_OK)
        code = check_place(create, db, err);
    if (code == MF_OK)
        code = mf_run_source_find(db, create->arena, create->request, &create->source, err);
    if (code == MF_OK) {
        const struct mf_run_spec_rules rules = {
            .now_ns = mf_wall_ns(runs->sys),
            .storage = mf_objects_base(runs->objects),
            .task_source = create->source.kind,
        };
        create->spec = mf_run_spec_complete(create->arena, create->request, create->source.spec, &rules);
        code = create->spec ? find_related(create, db, err) : mf_fail_memory(err);
    }
    mf_store_reader_done(runs->store, db);
    return code;
}

static enum mf_code digest_request(struct create *create, struct mf_error *err)
{
    struct mf_str bytes = MF_STR_EMPTY;
    unsigned char *digest = mf_arena_alloc(create->arena, 32);
    if (!digest)
        return mf_fail_memory(err);
    enum mf_code code =
        pb_encode_stable(create->arena, &pb_workflow_CreateRunRequest_type, create->request, &bytes, err);
    if (code == MF_OK && !mf_run_sha256(bytes, digest))
        code = mf_fail(err, MF_INTERNAL, "SHA-256 is not available");
    create->row.request_digest = mf_str_make(digest, 32);
    return code;
}

/* Where the inputs lie. Large ones are written before the command, when a run of the same name may exist
 * already: then their folder is named by the request, so that they cannot replace those of another run. */
static enum mf_code place_inputs(struct create *create, struct mf_error *err)
{
    struct mf_arena *arena = create->arena;
    struct mf_str base = create->row.output_base;
    struct mf_str uri;
    create->write_inputs =
        create->inputs && create->input_bytes.len <= mf_objects_inline_max(create->runs->objects);
    if (!create->inputs)
        uri = mf_run_inputs_file(arena, create->request->input_wrapper.offloaded_input_data->uri);
    else if (create->write_inputs || !create->named)
        uri = mf_str_printf(arena, "%.*sinputs/inputs.pb", MF_FMT(base));
    else
        uri = mf_str_printf(arena, "%.*sinputs/%.*s/inputs.pb", MF_FMT(base),
                            MF_FMT(mf_hex(arena, mf_str_take(create->row.request_digest, 16))));
    create->action->input_uri = uri;
    return uri.ptr ? MF_OK : mf_fail_memory(err);
}

static enum mf_code take_inputs(struct create *create, struct mf_error *err)
{
    const struct pb_workflow_CreateRunRequest *request = create->request;
    const struct pb_core_TaskTemplate *template = create->source.spec->task_template;
    const struct pb_task_Inputs *given = NULL;
    if (request->input_wrapper_case == pb_workflow_CreateRunRequest_tag_offloaded_input_data &&
        request->input_wrapper.offloaded_input_data) {
        create->inputs_hash = request->input_wrapper.offloaded_input_data->inputs_hash;
        return request->input_wrapper.offloaded_input_data->uri.len > 0
                   ? MF_OK
                   : mf_fail(err, MF_INVALID_ARGUMENT, "offloaded_input_data.uri is required");
    }
    if (request->input_wrapper_case == pb_workflow_CreateRunRequest_tag_inputs)
        given = request->input_wrapper.inputs;
    create->inputs = mf_run_inputs_with_defaults(create->arena, given, create->source.spec);
    if (!create->inputs)
        return mf_fail_memory(err);
    enum mf_code code =
        pb_encode(create->arena, &pb_task_Inputs_type, create->inputs, &create->input_bytes, err);
    if (code == MF_OK && template && template->metadata && template->metadata->discoverable)
        code =
            mf_run_inputs_hash(create->arena, create->inputs, template->metadata, &create->inputs_hash, err);
    return code;
}

static enum mf_code fill_row(struct create *create, struct mf_error *err)
{
    struct mf_run_row *row = &create->row;
    struct mf_str base = create->spec->run_base_dir.len > 0 ? create->spec->run_base_dir
                                                            : mf_objects_base(create->runs->objects);
    row->project = create->id->project;
    row->domain = create->id->domain;
    row->name = create->id->name;
    row->org = MF_STR_EMPTY;
    row->output_base = mf_run_output_base(create->arena, base, create->id);
    row->start_time_ns = mf_run_timestamp_ns(create->spec->run_start_time);
    row->source = create->request->source;
    row->created_by_subject = mf_call_caller(create->call)->subject;
    row->trigger_task_name = MF_STR_EMPTY;
    row->trigger_name = MF_STR_EMPTY;
    row->request_digest = MF_STR_EMPTY;
    if (!row->output_base.ptr)
        return mf_fail_memory(err);
    enum mf_code code =
        mf_identity_encode(create->arena, mf_call_caller(create->call), &row->created_by, err);
    if (code == MF_OK && create->named)
        code = digest_request(create, err);
    return code == MF_OK ? pb_encode(create->arena, &pb_task_RunSpec_type, create->spec, &row->run_spec, err)
                         : code;
}

static enum mf_code fill_action(struct create *create, struct mf_error *err)
{
    struct pb_actions_Action *action = MF_NEW(create->arena, struct pb_actions_Action);
    struct pb_common_ActionIdentifier *id = MF_NEW(create->arena, struct pb_common_ActionIdentifier);
    struct pb_workflow_TaskAction *task = MF_NEW(create->arena, struct pb_workflow_TaskAction);
    struct pb_google_protobuf_StringValue *key = MF_NEW(create->arena, struct pb_google_protobuf_StringValue);
    if (!action || !id || !task || !key)
        return mf_fail_memory(err);
    id->run = create->id;
    id->name = MF_ROOT_ACTION;
    task->id = create->source.id;
    task->spec = create->source.spec;
    task->cache_key = key;
    action->action_id = id;
    action->run_output_base = create->row.output_base;
    action->spec_case = pb_actions_Action_tag_task;
    action->spec.task = task;
    create->action = action;
    enum mf_code code = mf_run_cache_key(create->arena, create->source.spec, create->source.id->name,
                                         create->inputs_hash, &key->value, err);
    return code == MF_OK ? place_inputs(create, err) : code;
}

static enum mf_code prepare(struct create *create, struct mf_error *err)
{
    enum mf_code code = take_id(create, err);
    if (code == MF_OK)
        code = read_store(create, err);
    if (code == MF_OK)
        code = take_inputs(create, err);
    if (code == MF_OK)
        code = fill_row(create, err);
    return code == MF_OK ? fill_action(create, err) : code;
}

void mf_run_on_create(void *service, struct mf_call *call)
{
    struct mf_arena *arena = mf_call_arena(call);
    struct create *create = MF_NEW(arena, struct create);
    struct mf_error err;
    enum mf_code code = create ? MF_OK : mf_fail_memory(&err);
    if (code == MF_OK) {
        create->runs = service;
        create->call = call;
        create->arena = arena;
        create->request = mf_call_request(call);
        create->id = MF_NEW(arena, struct pb_common_RunIdentifier);
        code = create->id ? prepare(create, &err) : mf_fail_memory(&err);
    }
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    create->command.apply = apply_create;
    create->command.done = done_create;
    mf_call_ref(call);
    if (create->inputs && !create->write_inputs)
        mf_object_put_async(create->runs->objects, create->action->input_uri, create->input_bytes,
                            CONTENT_TYPE, inputs_written, create);
    else
        mf_writer_submit(mf_store_writer(create->runs->store), &create->command);
}
