/* CreateRun: one command makes the run, its labels, its inputs and its root action, or nothing. */
#include "action/machine.h"
#include "base/encode.h"
#include "base/list.h"
#include "gen/flyteidl2/actions/actions_service.pb.h"
#include "identity/caller.h"
#include "project/check.h"
#include "run/check.h"
#include "run/inputs.h"
#include "run/message.h"
#include "run/name.h"
#include "run/service.h"
#include "run/source.h"
#include "run/spec.h"

#define TRIGGER_INPUTS_MAX ((size_t)16 << 20)
#define CONTENT_TYPE MF_STR("application/octet-stream")
#define TRACKED_PREFIX 'l' /* as in "local"; "r" and "u" are for runs that the platform carries out */

/* A run to be made; lives in the arena of its call. */
struct create {
    struct mf_command command;
    struct mf_runs *runs;
    struct mf_call *call;
    struct mf_arena *arena; /* of the call */
    const struct pb_workflow_CreateRunRequest *request;
    struct pb_common_RunIdentifier *id;
    enum mf_carrier carrier;
    bool named; /* by the client, so that the run may exist already */
    char name[MF_RUN_NAME_MADE];
    struct mf_run_source source;
    struct mf_settings settings; /* of the place */
    struct mf_run_given given;
    struct mf_run_facts facts;
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

static enum mf_code answer(struct create *create, struct mf_db *db, const struct mf_run_facts *facts,
                           struct mf_error *err)
{
    struct mf_action_row root;
    enum mf_code code = mf_action_get(db, create->arena, facts->row->id, MF_ROOT_ACTION, &root, err);
    if (code != MF_OK)
        return code;
    create->made = mf_run_message(create->arena, facts, &root);
    return create->made ? MF_OK : mf_fail_memory(err);
}

/* A client that did not see the answer repeats its request and gets the run it has made, whatever has become
 * of its project, task or trigger since. */
static enum mf_code find_existing(struct create *create, struct mf_db *db, bool *exists, struct mf_error *err)
{
    const struct pb_common_RunIdentifier *id = create->id;
    struct mf_run_row found;
    struct mf_run_facts facts;
    enum mf_code code = mf_run_find(db, create->arena, id->project, id->domain, id->name, &found, err);
    *exists = code == MF_OK;
    if (code == MF_NOT_FOUND)
        return MF_OK;
    if (code != MF_OK)
        return code;
    if (!mf_str_eq(found.request_digest, create->row.request_digest))
        return mf_fail(
            err, MF_ALREADY_EXISTS,
            "run %.*s/%.*s/%.*s already exists and was made by a different request; choose another name",
            MF_FMT(id->project), MF_FMT(id->domain), MF_FMT(id->name));
    code = mf_run_facts(create->arena, &found, &facts, err);
    return code == MF_OK ? answer(create, db, &facts, err) : code;
}

/* A trigger that was deleted since it was read fires no more. */
static enum mf_code note_fired(const struct create *create, struct mf_db *db, int64_t now,
                               struct mf_error *err)
{
    const struct mf_trigger_key *key = &create->source.row.key;
    struct mf_trigger_row row;
    if (!create->source.fires)
        return MF_OK;
    enum mf_code code = mf_trigger_get(db, create->arena, key, &row, err);
    return code == MF_OK ? mf_trigger_fired(db, key, now, err) : code;
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
    code = note_fired(create, db, row->created_at, err);
    if (code == MF_OK)
        code = mf_run_insert(db, row, err);
    if (code == MF_OK)
        code = add_labels(create, db, err);
    if (code == MF_OK && create->write_inputs)
        code = mf_object_put_tx(create->runs->objects, tx, create->action->input_uri, create->input_bytes,
                                CONTENT_TYPE, err);
    if (code == MF_OK)
        code = mf_action_record(tx, row, create->action, create->carrier,
                                create->carrier == MF_CARRIER_CLIENT ? row->start_time_ns : 0, err);
    return code == MF_OK ? answer(create, db, &create->facts, err) : code;
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
        if (create->carrier == MF_CARRIER_CLIENT)
            create->name[0] = TRACKED_PREFIX;
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

/* All that is read of the store for a run, unless it is there already. */
static enum mf_code find_source(struct create *create, bool *exists, struct mf_error *err)
{
    struct mf_runs *runs = create->runs;
    struct mf_db *db = NULL;
    enum mf_code code = mf_store_reader(runs->store, &db, err);
    if (code == MF_OK && create->named)
        code = find_existing(create, db, exists, err);
    if (code == MF_OK && !*exists)
        code = check_place(create, db, err);
    if (code == MF_OK && !*exists)
        code = mf_run_source_find(db, create->arena, create->request, &create->source, err);
    if (code == MF_OK && !*exists)
        code = mf_settings_resolve(db, create->arena, create->id->domain, create->id->project,
                                   &create->settings, err);
    mf_store_reader_done(runs->store, db);
    if (code == MF_OK && create->source.fires &&
        !mf_str_eq(create->source.row.key.project, create->id->project))
        code = mf_fail(err, MF_INVALID_ARGUMENT, "trigger_name.project must be the project of the run");
    if (code == MF_OK && create->source.fires &&
        !mf_str_eq(create->source.row.key.domain, create->id->domain))
        code = mf_fail(err, MF_INVALID_ARGUMENT, "trigger_name.domain must be the domain of the run");
    return code;
}

/* The trigger's inputs, when those of the request have to be put on top of them. */
static enum mf_code read_trigger_inputs(struct create *create, struct mf_str folder, void **out,
                                        struct mf_error *err)
{
    struct mf_str bytes;
    struct mf_str uri = mf_run_inputs_file(create->arena, folder);
    if (!uri.ptr)
        return mf_fail_memory(err);
    enum mf_code code =
        mf_object_read(create->runs->objects, create->arena, uri, TRIGGER_INPUTS_MAX, &bytes, err);
    if (code == MF_OK)
        code = pb_decode(create->arena, &pb_task_Inputs_type, bytes, out, err);
    if (code == MF_NOT_FOUND || code == MF_INVALID_ARGUMENT || code == MF_RESOURCE_EXHAUSTED)
        return mf_fail(err, MF_FAILED_PRECONDITION,
                       "the inputs of trigger \"%.*s\" cannot be read from %.*s; send all inputs as "
                       "offloaded_input_data, or deploy the trigger again",
                       MF_FMT(create->source.row.key.name), MF_FMT(uri));
    return code;
}

static enum mf_code merge_given(struct create *create, int64_t now, struct mf_error *err)
{
    const struct mf_run_source *source = &create->source;
    const struct mf_run_trigger *trigger = source->fires ? &source->trigger : NULL;
    const struct pb_google_protobuf_Timestamp *start = create->request->run_start_time;
    struct mf_str folder = mf_run_given_reads(create->request, trigger);
    void *read = NULL;
    enum mf_code code = folder.len > 0 ? read_trigger_inputs(create, folder, &read, err) : MF_OK;
    if (code != MF_OK)
        return code;
    int64_t fired_ns = start ? mf_run_timestamp_ns(start) : now;
    return mf_run_given(create->arena, create->request, trigger, read, source->spec, fired_ns, &create->given)
               ? MF_OK
               : mf_fail_memory(err);
}

/* The run that this one repeats, recovers or was started from. The last may be of another installation. */
static enum mf_code find_related(struct create *create, struct mf_error *err)
{
    const struct pb_common_Relation *relation = create->spec->relation;
    struct mf_store *store = create->runs->store;
    struct mf_db *db = NULL;
    if (!relation)
        return MF_OK;
    const struct pb_common_RunIdentifier *related = relation->related_to;
    enum mf_code code = mf_run_id_check(related, "run_spec.relation.related_to", err);
    if (code != MF_OK)
        return code;
    if (!mf_str_eq(related->project, create->id->project) || !mf_str_eq(related->domain, create->id->domain))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "run_spec.relation.related_to must be of the run's own project and domain, %.*s/%.*s",
                       MF_FMT(create->id->project), MF_FMT(create->id->domain));
    code = mf_store_reader(store, &db, err);
    if (code == MF_OK)
        code =
            mf_run_id(db, related->project, related->domain, related->name, &create->row.related_run_id, err);
    mf_store_reader_done(store, db);
    if (code == MF_NOT_FOUND && relation->relation_type != pb_common_RELATION_TYPE_RERUN &&
        relation->relation_type != pb_common_RELATION_TYPE_RECOVER)
        return MF_OK;
    return code == MF_OK ? code : mf_fail_prefix(err, "run_spec.relation.related_to");
}

static enum mf_code complete_spec(struct create *create, int64_t now, struct mf_error *err)
{
    const struct mf_run_spec_rules rules = {
        .now_ns = now,
        .storage = mf_objects_base(create->runs->objects),
        .task_source = create->source.kind,
        .settings = &create->settings,
    };
    create->spec = mf_run_spec_complete(create->arena, create->given.run_spec,
                                        create->request->run_start_time, create->source.spec, &rules);
    enum mf_code code = create->spec ? find_related(create, err) : mf_fail_memory(err);
    return code == MF_OK ? mf_run_spec_check(create->spec, err) : code;
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
        uri = mf_run_inputs_file(arena, create->given.offloaded->uri);
    else if (create->write_inputs || !create->named)
        uri = mf_str_printf(arena, "%.*sinputs/inputs.pb", MF_FMT(base));
    else
        uri = mf_str_printf(arena, "%.*sinputs/%.*s/inputs.pb", MF_FMT(base),
                            MF_FMT(mf_hex(arena, mf_str_take(create->row.request_digest, 16))));
    create->action->input_uri = uri;
    return uri.ptr ? MF_OK : mf_fail_memory(err);
}

static enum mf_code take_offloaded(struct create *create, const struct pb_core_TaskMetadata *metadata,
                                   struct mf_error *err)
{
    const struct pb_common_OffloadedInputData *offloaded = create->given.offloaded;
    struct mf_str kickoff =
        create->source.fires ? mf_run_kickoff_arg(create->source.trigger.automation) : MF_STR_EMPTY;
    if (offloaded->uri.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "offloaded_input_data.uri is required");
    if (!metadata || !metadata->discoverable)
        return MF_OK;
    return mf_run_inputs_hash_at(create->arena, offloaded->inputs_hash, kickoff, create->spec->run_start_time,
                                 metadata, &create->inputs_hash, err);
}

static enum mf_code take_inputs(struct create *create, struct mf_error *err)
{
    const struct pb_core_TaskTemplate *template = create->source.spec->task_template;
    const struct pb_core_TaskMetadata *metadata = template ? template->metadata : NULL;
    if (create->given.offloaded)
        return take_offloaded(create, metadata, err);
    create->inputs = mf_run_inputs_with_defaults(create->arena, create->given.inputs, create->source.spec);
    if (!create->inputs)
        return mf_fail_memory(err);
    enum mf_code code =
        pb_encode(create->arena, &pb_task_Inputs_type, create->inputs, &create->input_bytes, err);
    if (code == MF_OK && metadata && metadata->discoverable)
        code = mf_run_inputs_hash(create->arena, create->inputs, metadata, &create->inputs_hash, err);
    return code;
}

/* Inputs that come with the request are ours to write, which only goes in our own store. */
static enum mf_code check_base(const struct create *create, struct mf_error *err)
{
    struct mf_str own = mf_objects_base(create->runs->objects);
    struct mf_str base = create->spec->run_base_dir;
    struct mf_str rest = mf_str_skip(base, own.len);
    if (!create->inputs || base.len == 0 ||
        (mf_str_starts(base, own) && (rest.len == 0 || rest.ptr[0] == '/')))
        return MF_OK;
    return mf_fail(
        err, MF_INVALID_ARGUMENT,
        "run_spec.run_base_dir (of the request or the settings): this server can write inputs only "
        "below %.*s; upload them and send offloaded_input_data",
        MF_FMT(own));
}

static void fill_trigger(struct create *create)
{
    const struct mf_run_source *source = &create->source;
    struct mf_run_row *row = &create->row;
    row->trigger_task_name = source->fires ? source->row.key.task_name : MF_STR_EMPTY;
    row->trigger_name = source->fires ? source->row.key.name : MF_STR_EMPTY;
    row->trigger_revision = source->fires ? source->row.revision : 0;
    row->trigger_type = source->fires ? source->row.automation_type : 0;
    row->trigger_automation = source->fires ? source->row.automation : MF_STR_EMPTY;
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
    fill_trigger(create);
    if (!create->named)
        row->request_digest = MF_STR_EMPTY;
    if (!row->output_base.ptr)
        return mf_fail_memory(err);
    enum mf_code code =
        mf_identity_encode(create->arena, mf_call_caller(create->call), &row->created_by, err);
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

/* *exists: the run is there already, and create->made is the answer. */
static enum mf_code prepare(struct create *create, bool *exists, struct mf_error *err)
{
    int64_t now = mf_wall_ns(create->runs->sys);
    enum mf_code code = mf_run_request_check(create->request, err);
    if (code == MF_OK)
        code = take_id(create, err);
    if (code == MF_OK && create->named)
        code = digest_request(create, err);
    if (code == MF_OK)
        code = find_source(create, exists, err);
    if (code != MF_OK || *exists)
        return code;
    code = merge_given(create, now, err);
    if (code == MF_OK)
        code = complete_spec(create, now, err);
    if (code == MF_OK)
        code = take_inputs(create, err);
    if (code == MF_OK)
        code = check_base(create, err);
    if (code == MF_OK)
        code = fill_row(create, err);
    if (code == MF_OK)
        code = mf_run_facts_of(create->arena, &create->row, create->spec, &create->facts, err);
    return code == MF_OK ? fill_action(create, err) : code;
}

void mf_run_on_create(void *service, struct mf_call *call)
{
    mf_run_create(service, call, mf_call_request(call), MF_CARRIER_HERE);
}

void mf_run_create(struct mf_runs *runs, struct mf_call *call,
                   const struct pb_workflow_CreateRunRequest *request, enum mf_carrier carrier)
{
    struct mf_arena *arena = mf_call_arena(call);
    struct create *create = MF_NEW(arena, struct create);
    struct mf_error err;
    bool exists = false;
    enum mf_code code = create ? MF_OK : mf_fail_memory(&err);
    if (code == MF_OK) {
        create->runs = runs;
        create->call = call;
        create->arena = arena;
        create->request = request;
        create->carrier = carrier;
        create->id = MF_NEW(arena, struct pb_common_RunIdentifier);
        code = create->id ? prepare(create, &exists, &err) : mf_fail_memory(&err);
    }
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    if (exists) {
        const struct pb_workflow_CreateRunResponse response = {.run = create->made};
        mf_call_reply(call, &response);
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
