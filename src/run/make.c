#include "run/make.h"

#include "action/machine.h"
#include "base/encode.h"
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

struct mf_run_make {
    struct mf_run_make_input input;
    struct mf_runs *runs;
    struct mf_arena *arena;
    const struct pb_workflow_CreateRunRequest *request;
    struct pb_common_RunIdentifier *id;
    bool named;  /* by whoever asks, so that the run may exist already */
    bool exists; /* it was there when the make was prepared, and nothing else was */
    char name[MF_RUN_NAME_MADE];
    struct mf_run_source source;
    struct mf_settings settings; /* of the place */
    struct mf_run_given given;
    struct mf_run_facts facts; /* only for an answer */
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

static enum mf_code answer(struct mf_run_make *make, struct mf_db *db, const struct mf_run_facts *facts,
                           struct mf_error *err)
{
    struct mf_action_row root;
    enum mf_code code = mf_action_get(db, make->arena, facts->row->id, MF_ROOT_ACTION, &root, err);
    if (code != MF_OK)
        return code;
    make->made = mf_run_message(make->arena, facts, &root);
    return make->made ? MF_OK : mf_fail_memory(err);
}

static enum mf_code take_existing(struct mf_run_make *make, struct mf_db *db, const struct mf_run_row *found,
                                  struct mf_error *err)
{
    const struct pb_common_RunIdentifier *id = make->id;
    struct mf_run_facts facts;
    if (!make->input.existing_is_any && !mf_str_eq(found->request_digest, make->row.request_digest))
        return mf_fail(
            err, MF_ALREADY_EXISTS,
            "run %.*s/%.*s/%.*s already exists and was made by a different request; choose another name",
            MF_FMT(id->project), MF_FMT(id->domain), MF_FMT(id->name));
    if (!make->input.answer)
        return MF_OK;
    enum mf_code code = mf_run_facts(make->arena, found, &facts, err);
    return code == MF_OK ? answer(make, db, &facts, err) : code;
}

/* Whoever did not see the answer repeats the request and gets the run it has made, whatever has become of its
 * project, task or trigger since. *run_id: 0 when there is none. */
static enum mf_code find_existing(struct mf_run_make *make, struct mf_db *db, int64_t *run_id,
                                  struct mf_error *err)
{
    const struct pb_common_RunIdentifier *id = make->id;
    bool whole = make->input.answer || !make->input.existing_is_any;
    struct mf_run_row found;
    *run_id = 0;
    enum mf_code code = whole ? mf_run_find(db, make->arena, id->project, id->domain, id->name, &found, err)
                              : mf_run_id(db, id->project, id->domain, id->name, run_id, err);
    if (code == MF_NOT_FOUND)
        return MF_OK;
    if (code != MF_OK || !whole)
        return code;
    *run_id = found.id;
    return take_existing(make, db, &found, err);
}

/* A trigger that was deleted since it was read fires no more. */
static enum mf_code note_fired(const struct mf_run_make *make, struct mf_tx *tx, struct mf_error *err)
{
    return make->source.fires ? mf_trigger_fired(mf_tx_db(tx), &make->source.row.key, mf_tx_now_ns(tx), err)
                              : MF_OK;
}

static enum mf_code add_labels(const struct mf_run_make *make, struct mf_db *db, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    if (!make->spec->labels)
        return MF_OK;
    for (uint32_t i = 0; i < make->spec->labels->values.count && code == MF_OK; i++) {
        const struct pb_task_Labels_ValuesEntry *label = make->spec->labels->values.items[i];
        code = mf_run_label_insert(db, make->row.id, label->key, label->value, err);
    }
    return code;
}

static enum mf_code insert(struct mf_run_make *make, struct mf_tx *tx, struct mf_error *err)
{
    struct mf_db *db = mf_tx_db(tx);
    struct mf_run_row *row = &make->row;
    enum mf_carrier carrier = make->input.carrier;
    row->id = mf_tx_next_seq(tx);
    row->created_at = mf_tx_now_ns(tx);
    enum mf_code code = note_fired(make, tx, err);
    if (code == MF_OK)
        code = mf_run_insert(db, row, err);
    if (code == MF_OK)
        code = add_labels(make, db, err);
    if (code == MF_OK && make->write_inputs)
        code = mf_object_put_tx(make->runs->objects, tx, make->action->input_uri, make->input_bytes,
                                CONTENT_TYPE, err);
    if (code == MF_OK)
        code = mf_action_record(tx, row, make->action, carrier,
                                carrier == MF_CARRIER_CLIENT ? row->start_time_ns : 0, err);
    return code == MF_OK && make->input.answer ? answer(make, db, &make->facts, err) : code;
}

enum mf_code mf_run_make_apply(struct mf_run_make *make, struct mf_tx *tx, bool *existed, int64_t *run_id,
                               struct mf_error *err)
{
    enum mf_code code = MF_OK;
    *run_id = 0;
    if (make->named)
        code = find_existing(make, mf_tx_db(tx), run_id, err);
    *existed = code == MF_OK && *run_id != 0;
    if (code != MF_OK || *existed)
        return code;
    if (make->exists)
        return mf_fail(err, MF_ABORTED, "run %.*s was there and was removed meanwhile; try again",
                       MF_FMT(make->id->name));
    code = insert(make, tx, err);
    *run_id = code == MF_OK ? make->row.id : 0;
    return code;
}

/* ---- where disk may be read ---- */

static enum mf_code take_id(struct mf_run_make *make, struct mf_error *err)
{
    const struct pb_workflow_CreateRunRequest *request = make->request;
    struct pb_common_RunIdentifier *id = make->id;
    enum mf_code code = MF_OK;
    if (request->id_case == pb_workflow_CreateRunRequest_tag_run_id && request->id.run_id) {
        *id = *request->id.run_id;
        make->named = true;
        code = mf_run_name_check(id->name, err);
    } else if (request->id_case == pb_workflow_CreateRunRequest_tag_project_id && request->id.project_id) {
        const struct pb_common_ProjectIdentifier *project = request->id.project_id;
        mf_run_name_make(make->runs->sys, make->name);
        if (make->input.carrier == MF_CARRIER_CLIENT)
            make->name[0] = TRACKED_PREFIX;
        *id = (struct pb_common_RunIdentifier){.project = project->name,
                                               .domain = project->domain,
                                               .name = mf_str_make(make->name, sizeof make->name)};
    } else {
        code = mf_fail(err, MF_INVALID_ARGUMENT, "id is required: run_id (with a name) or project_id");
    }
    return code == MF_OK ? mf_run_id_check(id, make->named ? "run_id" : "project_id", err) : code;
}

static enum mf_code check_place(const struct mf_run_make *make, struct mf_db *db, struct mf_error *err)
{
    const struct mf_runs *runs = make->runs;
    enum mf_code code = mf_project_check(db, make->id->project, err);
    return code == MF_OK ? mf_domain_check(runs->domains, runs->domain_count, make->id->domain, err) : code;
}

static enum mf_code digest_request(struct mf_run_make *make, struct mf_error *err)
{
    struct mf_str bytes = MF_STR_EMPTY;
    unsigned char *digest = mf_arena_alloc(make->arena, 32);
    if (!digest)
        return mf_fail_memory(err);
    enum mf_code code =
        pb_encode_stable(make->arena, &pb_workflow_CreateRunRequest_type, make->request, &bytes, err);
    if (code == MF_OK && !mf_run_sha256(bytes, digest))
        code = mf_fail(err, MF_INTERNAL, "SHA-256 is not available");
    make->row.request_digest = mf_str_make(digest, 32);
    return code;
}

static enum mf_code borrow(const struct mf_run_make *make, struct mf_db **db, struct mf_error *err)
{
    *db = make->input.db;
    return *db ? MF_OK : mf_store_reader(make->runs->store, db, err);
}

static void give_back(const struct mf_run_make *make, struct mf_db *db)
{
    if (!make->input.db)
        mf_store_reader_done(make->runs->store, db);
}

static enum mf_code read_source(struct mf_run_make *make, struct mf_db *db, struct mf_error *err)
{
    enum mf_code code = check_place(make, db, err);
    if (code == MF_OK)
        code = mf_run_source_find(db, make->arena, make->request, &make->source, err);
    return code == MF_OK ? mf_settings_resolve(db, make->arena, make->id->domain, make->id->project,
                                               &make->settings, err)
                         : code;
}

/* All that is read of the store for a run, unless it is there already. */
static enum mf_code find_source(struct mf_run_make *make, struct mf_error *err)
{
    struct mf_db *db = NULL;
    int64_t run_id = 0;
    enum mf_code code = borrow(make, &db, err);
    if (code == MF_OK && make->named)
        code = find_existing(make, db, &run_id, err);
    make->exists = run_id != 0;
    if (code == MF_OK && !make->exists)
        code = read_source(make, db, err);
    give_back(make, db);
    if (code != MF_OK || !make->source.fires)
        return code;
    if (!mf_str_eq(make->source.row.key.project, make->id->project))
        return mf_fail(err, MF_INVALID_ARGUMENT, "trigger_name.project must be the project of the run");
    if (!mf_str_eq(make->source.row.key.domain, make->id->domain))
        return mf_fail(err, MF_INVALID_ARGUMENT, "trigger_name.domain must be the domain of the run");
    return MF_OK;
}

/* The trigger's inputs, when those of the request have to be put on top of them. */
static enum mf_code read_trigger_inputs(struct mf_run_make *make, struct mf_str folder, void **out,
                                        struct mf_error *err)
{
    struct mf_str bytes;
    struct mf_str uri = mf_run_inputs_file(make->arena, folder);
    if (!uri.ptr)
        return mf_fail_memory(err);
    enum mf_code code =
        mf_object_read(make->runs->objects, make->arena, uri, TRIGGER_INPUTS_MAX, &bytes, err);
    if (code == MF_OK)
        code = pb_decode(make->arena, &pb_task_Inputs_type, bytes, out, err);
    if (code == MF_NOT_FOUND || code == MF_INVALID_ARGUMENT || code == MF_RESOURCE_EXHAUSTED)
        return mf_fail(err, MF_FAILED_PRECONDITION,
                       "the inputs of trigger \"%.*s\" cannot be read from %.*s; send all inputs as "
                       "offloaded_input_data, or deploy the trigger again",
                       MF_FMT(make->source.row.key.name), MF_FMT(uri));
    return code;
}

static enum mf_code merge_given(struct mf_run_make *make, int64_t now, struct mf_error *err)
{
    const struct mf_run_source *source = &make->source;
    const struct mf_run_trigger *trigger = source->fires ? &source->trigger : NULL;
    const struct pb_google_protobuf_Timestamp *start = make->request->run_start_time;
    struct mf_str folder = mf_run_given_reads(make->request, trigger);
    void *read = NULL;
    enum mf_code code = folder.len > 0 ? read_trigger_inputs(make, folder, &read, err) : MF_OK;
    if (code != MF_OK)
        return code;
    int64_t fired_ns = start ? mf_run_timestamp_ns(start) : now;
    return mf_run_given(make->arena, make->request, trigger, read, source->spec, fired_ns, &make->given)
               ? MF_OK
               : mf_fail_memory(err);
}

/* The run that this one repeats, recovers or was started from. The last may be of another installation. */
static enum mf_code find_related(struct mf_run_make *make, struct mf_error *err)
{
    const struct pb_common_Relation *relation = make->spec->relation;
    struct mf_db *db = NULL;
    if (!relation)
        return MF_OK;
    const struct pb_common_RunIdentifier *related = relation->related_to;
    enum mf_code code = mf_run_id_check(related, "run_spec.relation.related_to", err);
    if (code != MF_OK)
        return code;
    if (!mf_str_eq(related->project, make->id->project) || !mf_str_eq(related->domain, make->id->domain))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "run_spec.relation.related_to must be of the run's own project and domain, %.*s/%.*s",
                       MF_FMT(make->id->project), MF_FMT(make->id->domain));
    code = borrow(make, &db, err);
    if (code == MF_OK)
        code =
            mf_run_id(db, related->project, related->domain, related->name, &make->row.related_run_id, err);
    give_back(make, db);
    if (code == MF_NOT_FOUND && relation->relation_type != pb_common_RELATION_TYPE_RERUN &&
        relation->relation_type != pb_common_RELATION_TYPE_RECOVER)
        return MF_OK;
    return code == MF_OK ? code : mf_fail_prefix(err, "run_spec.relation.related_to");
}

static enum mf_code complete_spec(struct mf_run_make *make, int64_t now, struct mf_error *err)
{
    const struct mf_run_spec_rules rules = {
        .now_ns = now,
        .storage = mf_objects_base(make->runs->objects),
        .task_source = make->source.kind,
        .settings = &make->settings,
    };
    make->spec = mf_run_spec_complete(make->arena, make->given.run_spec, make->request->run_start_time,
                                      make->source.spec, &rules);
    enum mf_code code = make->spec ? find_related(make, err) : mf_fail_memory(err);
    return code == MF_OK ? mf_run_spec_check(make->spec, err) : code;
}

/* Where the inputs lie. Large ones are written before the command, when a run of the same name may exist
 * already: then their folder is named by what they hold, so that they cannot replace those of another run. */
static enum mf_code place_inputs(struct mf_run_make *make, struct mf_error *err)
{
    struct mf_arena *arena = make->arena;
    struct mf_str base = make->row.output_base;
    unsigned char digest[32];
    struct mf_str uri;
    make->write_inputs = make->inputs && mf_objects_in_row(make->runs->objects, make->input_bytes.len);
    if (!make->inputs)
        uri = mf_run_inputs_file(arena, make->given.offloaded->uri);
    else if (make->write_inputs || !make->named)
        uri = mf_str_printf(arena, "%.*sinputs/inputs.pb", MF_FMT(base));
    else if (mf_run_sha256(make->input_bytes, digest))
        uri = mf_str_printf(arena, "%.*sinputs/%.*s/inputs.pb", MF_FMT(base),
                            MF_FMT(mf_hex(arena, mf_str_make(digest, 16))));
    else
        return mf_fail(err, MF_INTERNAL, "SHA-256 is not available");
    make->action->input_uri = uri;
    return uri.ptr ? MF_OK : mf_fail_memory(err);
}

static enum mf_code take_offloaded(struct mf_run_make *make, const struct pb_core_TaskMetadata *metadata,
                                   struct mf_error *err)
{
    const struct pb_common_OffloadedInputData *offloaded = make->given.offloaded;
    struct mf_str kickoff =
        make->source.fires ? mf_run_kickoff_arg(make->source.trigger.automation) : MF_STR_EMPTY;
    if (offloaded->uri.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "offloaded_input_data.uri is required");
    if (!metadata || !metadata->discoverable)
        return MF_OK;
    return mf_run_inputs_hash_at(make->arena, offloaded->inputs_hash, kickoff, make->spec->run_start_time,
                                 metadata, &make->inputs_hash, err);
}

static enum mf_code take_inputs(struct mf_run_make *make, struct mf_error *err)
{
    const struct pb_core_TaskTemplate *template = make->source.spec->task_template;
    const struct pb_core_TaskMetadata *metadata = template ? template->metadata : NULL;
    if (make->given.offloaded)
        return take_offloaded(make, metadata, err);
    make->inputs = mf_run_inputs_with_defaults(make->arena, make->given.inputs, make->source.spec);
    if (!make->inputs)
        return mf_fail_memory(err);
    enum mf_code code = pb_encode(make->arena, &pb_task_Inputs_type, make->inputs, &make->input_bytes, err);
    if (code == MF_OK && metadata && metadata->discoverable)
        code = mf_run_inputs_hash(make->arena, make->inputs, metadata, &make->inputs_hash, err);
    return code;
}

/* Inputs that come with the request are ours to write, which only goes in our own store. */
static enum mf_code check_base(const struct mf_run_make *make, struct mf_error *err)
{
    struct mf_str own = mf_objects_base(make->runs->objects);
    struct mf_str base = make->spec->run_base_dir;
    struct mf_str rest = mf_str_skip(base, own.len);
    if (!make->inputs || base.len == 0 || (mf_str_starts(base, own) && (rest.len == 0 || rest.ptr[0] == '/')))
        return MF_OK;
    return mf_fail(
        err, MF_INVALID_ARGUMENT,
        "run_spec.run_base_dir (of the request or the settings): this server can write inputs only "
        "below %.*s; upload them and send offloaded_input_data",
        MF_FMT(own));
}

static void fill_trigger(struct mf_run_make *make)
{
    const struct mf_run_source *source = &make->source;
    struct mf_run_row *row = &make->row;
    row->trigger_task_name = source->fires ? source->row.key.task_name : MF_STR_EMPTY;
    row->trigger_name = source->fires ? source->row.key.name : MF_STR_EMPTY;
    row->trigger_revision = source->fires ? source->row.revision : 0;
    row->trigger_type = source->fires ? source->row.automation_type : 0;
    row->trigger_automation = source->fires ? source->row.automation : MF_STR_EMPTY;
}

static enum mf_code fill_creator(struct mf_run_make *make, struct mf_error *err)
{
    struct mf_run_row *row = &make->row;
    row->created_by = make->input.created_by;
    row->created_by_subject = make->input.created_by_subject;
    if (!make->input.by_deployer)
        return MF_OK;
    row->created_by = make->source.row.deployed_by;
    enum mf_code code = mf_identity_subject(make->arena, row->created_by, &row->created_by_subject, err);
    return code == MF_OK ? code : mf_fail_prefix(err, "trigger.deployed_by");
}

static enum mf_code fill_row(struct mf_run_make *make, struct mf_error *err)
{
    struct mf_run_row *row = &make->row;
    struct mf_str base =
        make->spec->run_base_dir.len > 0 ? make->spec->run_base_dir : mf_objects_base(make->runs->objects);
    row->project = make->id->project;
    row->domain = make->id->domain;
    row->name = make->id->name;
    row->org = MF_STR_EMPTY;
    row->output_base = mf_run_output_base(make->arena, base, make->id);
    row->start_time_ns = mf_run_timestamp_ns(make->spec->run_start_time);
    row->source = make->request->source;
    fill_trigger(make);
    if (!make->named)
        row->request_digest = MF_STR_EMPTY;
    if (!row->output_base.ptr)
        return mf_fail_memory(err);
    enum mf_code code = fill_creator(make, err);
    return code == MF_OK ? pb_encode(make->arena, &pb_task_RunSpec_type, make->spec, &row->run_spec, err)
                         : code;
}

static enum mf_code fill_action(struct mf_run_make *make, struct mf_error *err)
{
    struct pb_actions_Action *action = MF_NEW(make->arena, struct pb_actions_Action);
    struct pb_common_ActionIdentifier *id = MF_NEW(make->arena, struct pb_common_ActionIdentifier);
    struct pb_workflow_TaskAction *task = MF_NEW(make->arena, struct pb_workflow_TaskAction);
    struct pb_google_protobuf_StringValue *key = MF_NEW(make->arena, struct pb_google_protobuf_StringValue);
    if (!action || !id || !task || !key)
        return mf_fail_memory(err);
    id->run = make->id;
    id->name = MF_ROOT_ACTION;
    task->id = make->source.id;
    task->spec = make->source.spec;
    task->cache_key = key;
    action->action_id = id;
    action->run_output_base = make->row.output_base;
    action->spec_case = pb_actions_Action_tag_task;
    action->spec.task = task;
    make->action = action;
    enum mf_code code = mf_run_cache_key(make->arena, make->source.spec, make->source.id->name,
                                         make->inputs_hash, &key->value, err);
    return code == MF_OK ? place_inputs(make, err) : code;
}

static enum mf_code prepare(struct mf_run_make *make, struct mf_error *err)
{
    int64_t now = mf_wall_ns(make->runs->sys);
    enum mf_code code = mf_run_request_check(make->request, err);
    if (code == MF_OK)
        code = take_id(make, err);
    if (code == MF_OK && make->named)
        code = digest_request(make, err);
    if (code == MF_OK)
        code = find_source(make, err);
    if (code != MF_OK || make->exists)
        return code;
    code = merge_given(make, now, err);
    if (code == MF_OK)
        code = complete_spec(make, now, err);
    if (code == MF_OK)
        code = take_inputs(make, err);
    if (code == MF_OK)
        code = check_base(make, err);
    if (code == MF_OK)
        code = fill_row(make, err);
    if (code == MF_OK && make->input.answer)
        code = mf_run_facts_of(make->arena, &make->row, make->spec, &make->facts, err);
    return code == MF_OK ? fill_action(make, err) : code;
}

enum mf_code mf_run_make_prepare(const struct mf_run_make_input *input, struct mf_run_make **out,
                                 bool *exists, struct mf_error *err)
{
    struct mf_run_make *make = MF_NEW(input->arena, struct mf_run_make);
    *out = make;
    *exists = false;
    if (!make)
        return mf_fail_memory(err);
    make->input = *input;
    make->runs = input->runs;
    make->arena = input->arena;
    make->request = input->request;
    make->id = MF_NEW(input->arena, struct pb_common_RunIdentifier);
    enum mf_code code = make->id ? prepare(make, err) : mf_fail_memory(err);
    *exists = make->exists;
    return code;
}

bool mf_run_make_needs_write(const struct mf_run_make *make)
{
    return make->inputs && !make->write_inputs;
}

void mf_run_make_write(struct mf_run_make *make,
                       void (*done)(void *ctx, enum mf_code code, const struct mf_error *err), void *ctx)
{
    mf_object_put_async(make->runs->objects, make->action->input_uri, make->input_bytes, CONTENT_TYPE, done,
                        ctx);
}

struct pb_workflow_Run *mf_run_make_result(const struct mf_run_make *make)
{
    return make->made;
}
