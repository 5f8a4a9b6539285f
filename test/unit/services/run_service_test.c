/* The unary methods of RunService. */
#include "wire.h"

#include "gen/flyteidl2/core/interface.pb.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "objects/object.h"
#include "run/run.h"
#include "store/project.h"
#include "store/task.h"

#define RUNS (&pb_workflow_RunService_service)
#define LARGE ((size_t)100 << 10) /* more than goes into a row of the object table */

static struct {
    struct mf_runs *runs;
    struct mf_objects *objects;
    char dir[64];
} service;

static enum mf_code serve(struct mf_store *store, struct mf_rpc *rpc, struct mf_error *err)
{
    static const struct mf_str domains[] = {{.ptr = "d", .len = 1}, {.ptr = "e", .len = 1}};
    snprintf(service.dir, sizeof service.dir, "/tmp/mayfly-run-test-XXXXXX");
    assert_non_null(mkdtemp(service.dir));
    const struct mf_objects_config objects = {.store = store,
                                              .dir = service.dir,
                                              .bucket = MF_STR("bucket"),
                                              .access_key = MF_STR("key"),
                                              .secret_key = MF_STR("secret"),
                                              .endpoint = MF_STR("http://127.0.0.1:1")};
    assert_int_equal(mf_objects_open(&objects, &service.objects, err), MF_OK);
    const struct mf_runs_config config = {.sys = mf_sys_real(),
                                          .store = store,
                                          .objects = service.objects,
                                          .domains = domains,
                                          .domain_count = 2};
    return mf_runs_serve(&config, rpc, &service.runs, err);
}

static enum mf_code put_world(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct mf_project_row active = {.id = MF_STR("p"), .name = MF_STR("p")};
    const struct mf_project_row archived = {
        .id = MF_STR("old"), .name = MF_STR("old"), .state = MF_PROJECT_ARCHIVED};
    const struct mf_task_row task = {.key = {MF_STR("p"), MF_STR("d"), MF_STR("env.deployed"), MF_STR("v1")},
                                     .spec = *(const struct mf_str *)data};
    enum mf_code code = mf_project_insert(mf_tx_db(tx), &active, err);
    if (code == MF_OK)
        code = mf_project_insert(mf_tx_db(tx), &archived, err);
    return code == MF_OK ? mf_task_put(mf_tx_db(tx), &task, NULL, err) : code;
}

static int set_up(void **state)
{
    int failed = wire_setup(state, serve);
    struct wire *w = *state;
    struct pb_core_TaskTemplate template = {.type = MF_STR("deployed-type")};
    const struct pb_task_TaskSpec spec = {.task_template = &template};
    const struct mf_str bytes = wire_encode(w, &pb_task_TaskSpec_type, &spec);
    assert_int_equal(entity_write(&w->entity, put_world, &bytes), MF_OK);
    return failed;
}

static int tear_down(void **state)
{
    mf_objects_close(service.objects);
    int failed = wire_teardown(state);
    mf_runs_free(service.runs);
    assert_int_equal(mf_remove_tree(service.dir, NULL), MF_OK);
    return failed;
}

/* ---- requests ---- */

/* A CreateRunRequest and all it is made of. */
struct create {
    struct pb_common_RunIdentifier id;
    struct pb_common_ProjectIdentifier project;
    struct pb_core_RuntimeMetadata runtime;
    struct pb_core_TaskMetadata metadata;
    struct pb_core_Identifier template_id;
    struct pb_core_TaskTemplate template;
    struct pb_task_TaskSpec spec;
    struct pb_task_TaskIdentifier task_id;
    struct pb_common_TriggerName trigger;
    struct story_literal values[2];
    struct pb_task_NamedLiteral named;
    struct pb_task_NamedLiteral *literals[1];
    struct pb_core_Parameter parameter;
    struct pb_task_NamedParameter default_input;
    struct pb_task_NamedParameter *default_inputs[1];
    struct pb_task_Inputs inputs;
    struct pb_common_OffloadedInputData offloaded;
    struct pb_task_Labels_ValuesEntry label;
    struct pb_task_Labels_ValuesEntry *labels[1];
    struct pb_task_Labels label_map;
    struct pb_task_RunSpec run_spec;
    struct pb_workflow_CreateRunRequest request;
};

static void use_name(struct create *c, const char *name)
{
    c->id = (struct pb_common_RunIdentifier){
        .project = MF_STR("p"), .domain = MF_STR("d"), .name = mf_str_from_c(name)};
    c->request.id_case = pb_workflow_CreateRunRequest_tag_run_id;
    c->request.id.run_id = &c->id;
}

static void use_project(struct create *c, const char *project, const char *domain)
{
    c->project.name = mf_str_from_c(project);
    c->project.domain = mf_str_from_c(domain);
    c->request.id_case = pb_workflow_CreateRunRequest_tag_project_id;
    c->request.id.project_id = &c->project;
}

/* The task takes "a" (given: the value) and "b" (by default 42). */
static void fill(struct create *c, const char *name, int64_t value)
{
    *c = (struct create){0};
    use_name(c, name);
    c->runtime.version = MF_STR("2.3.6");
    c->metadata.runtime = &c->runtime;
    c->template_id = (struct pb_core_Identifier){.resource_type = 1,
                                                 .project = MF_STR("p"),
                                                 .domain = MF_STR("d"),
                                                 .name = MF_STR("env.main"),
                                                 .version = MF_STR("v7")};
    c->template = (struct pb_core_TaskTemplate){
        .id = &c->template_id, .type = MF_STR("python"), .metadata = &c->metadata};
    c->parameter.behavior_case = pb_core_Parameter_tag_default;
    c->parameter.behavior.default_ = story_integer(&c->values[1], 42);
    c->default_input = (struct pb_task_NamedParameter){.name = MF_STR("b"), .parameter = &c->parameter};
    c->default_inputs[0] = &c->default_input;
    c->spec.task_template = &c->template;
    c->spec.short_name = MF_STR("main");
    c->spec.default_inputs.items = c->default_inputs;
    c->spec.default_inputs.count = c->spec.default_inputs.cap = 1;
    c->named =
        (struct pb_task_NamedLiteral){.name = MF_STR("a"), .value = story_integer(&c->values[0], value)};
    c->literals[0] = &c->named;
    c->inputs.literals.items = c->literals;
    c->inputs.literals.count = c->inputs.literals.cap = 1;
    c->label = (struct pb_task_Labels_ValuesEntry){.key = MF_STR("team"), .value = MF_STR("red")};
    c->labels[0] = &c->label;
    c->label_map.values.items = c->labels;
    c->label_map.values.count = c->label_map.values.cap = 1;
    c->run_spec.labels = &c->label_map;
    c->request.task_case = pb_workflow_CreateRunRequest_tag_task_spec;
    c->request.task.task_spec = &c->spec;
    c->request.input_wrapper_case = pb_workflow_CreateRunRequest_tag_inputs;
    c->request.input_wrapper.inputs = &c->inputs;
    c->request.run_spec = &c->run_spec;
    c->request.source = pb_workflow_RUN_SOURCE_CLI;
}

static const struct pb_workflow_Run *create(struct wire *w, const struct create *c, const char *code)
{
    const struct pb_workflow_CreateRunResponse *response =
        wire_call(w, RUNS, pb_workflow_RunService_CreateRun, &c->request, code);
    return response ? response->run : NULL;
}

static struct pb_common_RunIdentifier run_id(const char *name)
{
    return (struct pb_common_RunIdentifier){
        .project = MF_STR("p"), .domain = MF_STR("d"), .name = mf_str_from_c(name)};
}

static const struct pb_workflow_RunDetails *run_details(struct wire *w, const char *name)
{
    struct pb_common_RunIdentifier id = run_id(name);
    const struct pb_workflow_GetRunDetailsRequest request = {.run_id = &id};
    const struct pb_workflow_GetRunDetailsResponse *response =
        wire_call(w, RUNS, pb_workflow_RunService_GetRunDetails, &request, NULL);
    return response->details;
}

static const struct pb_workflow_ActionDetails *action_details(struct wire *w, const char *run,
                                                              const char *name)
{
    struct pb_common_RunIdentifier id = run_id(run);
    struct pb_common_ActionIdentifier action = {.run = &id, .name = mf_str_from_c(name)};
    const struct pb_workflow_GetActionDetailsRequest request = {.action_id = &action};
    const struct pb_workflow_GetActionDetailsResponse *response =
        wire_call(w, RUNS, pb_workflow_RunService_GetActionDetails, &request, NULL);
    return response->details;
}

static struct mf_run_row run_row(struct wire *w, const char *name)
{
    struct entity *e = &w->entity;
    struct mf_run_row row;
    assert_int_equal(
        mf_run_find(e->db, e->arena, MF_STR("p"), MF_STR("d"), mf_str_from_c(name), &row, &e->err), MF_OK);
    return row;
}

/* The value of "a" in an object of inputs that has so many literals. */
static int64_t stored_input(struct wire *w, struct mf_str uri, uint32_t literals)
{
    struct entity *e = &w->entity;
    struct mf_str bytes;
    assert_int_equal(mf_object_read(service.objects, e->arena, uri, LARGE * 2, &bytes, &e->err), MF_OK);
    const struct pb_task_Inputs *inputs = wire_decode(w, &pb_task_Inputs_type, bytes);
    assert_int_equal(inputs->literals.count, literals);
    return inputs->literals.items[0]->value->value.scalar->value.primitive->value.integer;
}

/* ---- CreateRun ---- */

static void creates_a_run(void **state)
{
    struct wire *w = *state;
    struct create c;
    fill(&c, "r1", 7);
    const struct pb_workflow_Run *run = create(w, &c, NULL);
    const struct pb_workflow_Action *root = run->action;
    assert_str(root->id->run->name, "r1");
    assert_str(root->id->run->project, "p");
    assert_str(root->id->run->domain, "d");
    assert_int_equal(root->id->run->org.len, 0);
    assert_str(root->id->name, "a0");
    assert_int_equal(root->metadata->action_type, 1);
    assert_int_equal(root->metadata->source, pb_workflow_RUN_SOURCE_CLI);
    assert_str(root->metadata->spec.task->id->name, "env.main");
    assert_str(root->metadata->spec.task->id->version, "v7");
    assert_str(root->metadata->spec.task->task_type, "python");
    assert_str(root->metadata->spec.task->short_name, "main");
    assert_int_equal(root->status->phase, MF_PHASE_QUEUED);
    assert_int_equal(root->status->attempts, 1);
    assert_non_null(root->status->start_time);
    assert_null(root->status->end_time);
    assert_false(root->status->has_duration_ms);
    assert_int_equal(run->labels.count, 1);
    assert_str(run->labels.items[0]->value, "red");

    const struct mf_run_row row = run_row(w, "r1");
    const struct mf_action_row action = story_row(&w->entity, &row, "a0");
    assert_str(row.output_base, "s3://bucket/p/d/r1/");
    assert_str(action.input_uri, "s3://bucket/p/d/r1/inputs/inputs.pb");
    assert_int_equal(action.cache_key.len, 0);
    assert_int_equal(stored_input(w, action.input_uri, 2), 7);

    const struct pb_workflow_RunDetails *details = run_details(w, "r1");
    assert_str(details->run_spec->raw_data_storage->raw_data_prefix, "s3://bucket");
    assert_non_null(details->run_spec->run_start_time);
    assert_int_equal(details->run_spec->task_spec_source, pb_task_TASK_SPEC_SOURCE_EPHEMERAL);
    assert_str(details->action->spec.task->task_template->type, "python");
    assert_int_equal(details->action->attempts.count, 1);
}

static void takes_tasks_and_inputs_from_elsewhere(void **state)
{
    struct wire *w = *state;
    struct create c;
    fill(&c, "r1", 7);
    c.task_id = (struct pb_task_TaskIdentifier){.org = MF_STR("x"),
                                                .project = MF_STR("p"),
                                                .domain = MF_STR("d"),
                                                .name = MF_STR("env.deployed"),
                                                .version = MF_STR("v1")};
    c.request.task_case = pb_workflow_CreateRunRequest_tag_task_id;
    c.request.task.task_id = &c.task_id;
    c.offloaded =
        (struct pb_common_OffloadedInputData){.uri = MF_STR("s3://bucket/up/x"), .inputs_hash = MF_STR("h")};
    c.request.input_wrapper_case = pb_workflow_CreateRunRequest_tag_offloaded_input_data;
    c.request.input_wrapper.offloaded_input_data = &c.offloaded;
    c.run_spec.run_base_dir = MF_STR("s3://elsewhere/base/");
    assert_str(create(w, &c, NULL)->action->metadata->spec.task->task_type, "deployed-type");
    struct mf_run_row row = run_row(w, "r1");
    assert_str(row.output_base, "s3://elsewhere/base/p/d/r1/");
    assert_str(story_row(&w->entity, &row, "a0").input_uri, "s3://bucket/up/x/inputs.pb");

    use_project(&c, "p", "e");
    c.offloaded.uri = MF_STR("s3://bucket/up/x/inputs.pb");
    const struct pb_workflow_Run *made = create(w, &c, NULL);
    struct mf_str name = made->action->id->run->name;
    assert_int_equal(name.len, 20);
    assert_int_equal(name.ptr[0], 'r');
    assert_str(made->action->id->run->domain, "e");
    assert_false(mf_str_eq(name, create(w, &c, NULL)->action->id->run->name));
    const struct pb_common_ActionIdentifier *id = made->action->id;
    const struct pb_workflow_GetActionDataURIsRequest request = {
        .action_id = (struct pb_common_ActionIdentifier *)(uintptr_t)id};
    const struct pb_workflow_GetActionDataURIsResponse *uris =
        wire_call(w, RUNS, pb_workflow_RunService_GetActionDataURIs, &request, NULL);
    assert_str(uris->inputs_uri, "s3://bucket/up/x/inputs.pb");
    assert_int_equal(uris->outputs_uri.len, 0);

    c.task_id.version = MF_STR("v2");
    create(w, &c, "not_found");
    c.trigger = (struct pb_common_TriggerName){
        .project = MF_STR("p"), .domain = MF_STR("d"), .name = MF_STR("n"), .task_name = MF_STR("t")};
    c.request.task_case = pb_workflow_CreateRunRequest_tag_trigger_name;
    c.request.task.trigger_name = &c.trigger;
    create(w, &c, "not_found");
}

static void takes_a_task_that_says_nothing(void **state)
{
    struct wire *w = *state;
    struct create c;
    fill(&c, "r1", 7);
    c.spec = (struct pb_task_TaskSpec){.task_template = &c.template};
    c.template = (struct pb_core_TaskTemplate){.type = MF_STR("raw")};
    c.request.run_spec = NULL;
    c.request.input_wrapper_case = 0;
    const struct pb_workflow_Action *root = create(w, &c, NULL)->action;
    assert_null(root->metadata->spec.task->id);
    const struct mf_run_row row = run_row(w, "r1");
    struct mf_str bytes;
    assert_int_equal(mf_object_read(service.objects, w->entity.arena,
                                    story_row(&w->entity, &row, "a0").input_uri, LARGE, &bytes,
                                    &w->entity.err),
                     MF_OK);
    assert_int_equal(bytes.len, 0);
    assert_null(run_details(w, "r1")->run_spec->run_start_time); /* nobody says that the SDK is new enough */
}

static void keeps_a_cache_key(void **state)
{
    struct wire *w = *state;
    struct create c;
    struct mf_str keys[3];
    for (int i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "r%d", i);
        fill(&c, name, i < 2 ? 7 : 8);
        c.metadata.discoverable = true;
        c.metadata.discovery_version = MF_STR("1");
        create(w, &c, NULL);
        const struct mf_run_row row = run_row(w, name);
        keys[i] = story_row(&w->entity, &row, "a0").cache_key;
    }
    assert_int_equal(keys[0].len, 44);
    assert_true(mf_str_eq(keys[0], keys[1]));
    assert_false(mf_str_eq(keys[0], keys[2]));
}

static void refuses_what_cannot_run(void **state)
{
    struct wire *w = *state;
    struct create c;
    fill(&c, "Bad_Name", 7);
    create(w, &c, "invalid_argument");
    use_project(&c, "none", "d");
    create(w, &c, "not_found");
    use_project(&c, "old", "d");
    create(w, &c, "failed_precondition");
    use_project(&c, "p", "zzz");
    create(w, &c, "invalid_argument");
    use_project(&c, "p", "");
    create(w, &c, "invalid_argument");
    c.request.id_case = 0;
    create(w, &c, "invalid_argument");
    use_name(&c, "r1");
    c.request.task_case = 0;
    create(w, &c, "invalid_argument");

    struct pb_common_RunIdentifier related = run_id("gone");
    struct pb_common_Relation relation = {.related_to = &related,
                                          .relation_type = pb_common_RELATION_TYPE_RECOVER};
    fill(&c, "r1", 7);
    c.run_spec.relation = &relation;
    create(w, &c, "not_found");
    assert_int_equal(mf_run_find(w->entity.db, w->entity.arena, MF_STR("p"), MF_STR("d"), MF_STR("r1"),
                                 &(struct mf_run_row){0}, &w->entity.err),
                     MF_NOT_FOUND);
    fill(&c, "gone", 7);
    create(w, &c, NULL);
    fill(&c, "r1", 7);
    c.run_spec.relation = &relation;
    assert_int_equal(create(w, &c, NULL)->action->metadata->relation->relation_type,
                     pb_common_RELATION_TYPE_RECOVER);
    assert_true(run_row(w, "r1").related_run_id == run_row(w, "gone").id);
}

static void repeats_are_no_second_run(void **state)
{
    struct wire *w = *state;
    struct create c;
    fill(&c, "r1", 7);
    create(w, &c, NULL);
    const struct mf_run_row before = run_row(w, "r1");
    story_move(&w->entity, &before, "a0", 1, MF_PHASE_RUNNING);
    int64_t seq = mf_store_seq(w->entity.store);
    assert_int_equal(create(w, &c, NULL)->action->status->phase, MF_PHASE_RUNNING);
    assert_true(mf_store_seq(w->entity.store) == seq);
    assert_true(run_row(w, "r1").id == before.id);
    fill(&c, "r1", 8);
    create(w, &c, "already_exists");
    assert_int_equal(stored_input(w, MF_STR("s3://bucket/p/d/r1/inputs/inputs.pb"), 2), 7);
    use_name(&c, "r1");
    c.id.domain = MF_STR("e"); /* another place, another run */
    create(w, &c, NULL);
}

#define RACERS 12

static bool all_ended(void *ctx)
{
    struct mf_exchange *const *exchanges = ctx;
    for (int i = 0; i < RACERS; i++) {
        if (!exchanges[i]->ended)
            return false;
    }
    return true;
}

/* Of two different requests for one name, sent many times at once, one wins: it is answered with success
 * every time, the other one never. */
static void race(struct wire *w, const char *name, size_t padding)
{
    const struct pb_method *method = &RUNS->methods[pb_workflow_RunService_CreateRun];
    struct mf_exchange *exchanges[RACERS];
    struct create c;
    char *text = mf_arena_bytes(w->entity.arena, padding + 1);
    memset(text, 'x', padding);
    for (int i = 0; i < RACERS; i++) {
        fill(&c, name, i % 2);
        if (padding > 0) {
            c.parameter.behavior.default_->value.scalar->value.primitive->value_case =
                pb_core_Primitive_tag_string_value;
            c.values[1].primitive.value.string_value = mf_str_make(text, padding);
        }
        exchanges[i] = wire_open(w, method, "application/proto");
        fake_body(exchanges[i], wire_encode(w, method->request, &c.request));
    }
    for (int i = 0; i < RACERS; i++)
        fake_end(exchanges[i]);
    assert_true(fake_loop_until(w->loop, all_ended, exchanges));
    int winner = exchanges[0]->status == 200 ? 0 : 1;
    for (int i = 0; i < RACERS; i++) {
        if (i % 2 == winner)
            assert_int_equal(exchanges[i]->status, 200);
        else
            assert_true(mf_str_find(mf_buf_str(&exchanges[i]->body), MF_STR("already_exists")) != SIZE_MAX);
        fake_close(exchanges[i]);
    }
    const struct mf_run_row row = run_row(w, name);
    assert_int_equal(stored_input(w, story_row(&w->entity, &row, "a0").input_uri, 2), winner);
}

static void one_of_many_at_once_wins(void **state)
{
    struct wire *w = *state;
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "small%d", i);
        race(w, name, 0);
        snprintf(name, sizeof name, "large%d", i);
        race(w, name, LARGE);
    }
}

/* ---- abort, signal ---- */

static void aborts(void **state)
{
    struct wire *w = *state;
    struct create c;
    struct pb_common_RunIdentifier id = run_id("r1");
    struct pb_common_ActionIdentifier action = {.run = &id, .name = MF_STR("c")};
    struct pb_workflow_AbortActionRequest abort_action = {.action_id = &action, .reason = MF_STR("enough")};
    struct pb_workflow_AbortRunRequest abort_run = {.run_id = &id};
    wire_call(w, RUNS, pb_workflow_RunService_AbortRun, &abort_run, "not_found");
    wire_call(w, RUNS, pb_workflow_RunService_AbortAction, &abort_action, "not_found");
    fill(&c, "r1", 7);
    create(w, &c, NULL);
    const struct mf_run_row run = run_row(w, "r1");
    wire_call(w, RUNS, pb_workflow_RunService_AbortAction, &abort_action, "not_found");
    story_add(&w->entity, &run, "c", "a0");
    story_add(&w->entity, &run, "d", "a0");
    wire_call(w, RUNS, pb_workflow_RunService_AbortAction, &abort_action, NULL);
    const struct pb_workflow_ActionDetails *details = action_details(w, "r1", "c");
    assert_int_equal(details->status->phase, MF_PHASE_ABORTED);
    assert_int_equal(details->result_case, pb_workflow_ActionDetails_tag_abort_info);
    assert_str(details->result.abort_info->reason, "enough");
    assert_int_equal(story_phase(&w->entity, &run, "d"), MF_PHASE_QUEUED);

    wire_call(w, RUNS, pb_workflow_RunService_AbortRun, &abort_run, NULL);
    assert_str(run_details(w, "r1")->action->result.abort_info->reason, "User requested abort");
    assert_int_equal(story_phase(&w->entity, &run, "d"), MF_PHASE_ABORTED);
    abort_run.has_reason = true;
    abort_run.reason = MF_STR("again");
    wire_call(w, RUNS, pb_workflow_RunService_AbortRun, &abort_run, NULL);
    assert_str(run_details(w, "r1")->action->result.abort_info->reason, "User requested abort");

    fill(&c, "r2", 7);
    create(w, &c, NULL);
    const struct mf_run_row finished = run_row(w, "r2");
    story_move(&w->entity, &finished, "a0", 1, MF_PHASE_SUCCEEDED);
    id.name = MF_STR("r2");
    wire_call(w, RUNS, pb_workflow_RunService_AbortRun, &abort_run, "failed_precondition");
    assert_int_equal(story_phase(&w->entity, &finished, "a0"), MF_PHASE_SUCCEEDED);
    const struct pb_workflow_AbortRunRequest nothing = {0};
    wire_call(w, RUNS, pb_workflow_RunService_AbortRun, &nothing, "invalid_argument");
}

static void signals(void **state)
{
    struct wire *w = *state;
    struct create c;
    struct story_action a;
    fill(&c, "r1", 7);
    create(w, &c, NULL);
    const struct mf_run_row run = run_row(w, "r1");
    assert_int_equal(story_enqueue(&w->entity, &run, story_condition(&a, "r1", "q", "a0", pb_core_INTEGER)),
                     MF_OK);
    struct pb_workflow_EventPayload payload = {.value_case = pb_workflow_EventPayload_tag_string_value};
    payload.value.string_value = MF_STR("x");
    const struct pb_workflow_SignalEventRequest request = {
        .action_id = &a.id, .parent_action_name = MF_STR("a0"), .payload = &payload};
    wire_call(w, RUNS, pb_workflow_RunService_SignalEvent, &request, "invalid_argument");
    payload.value_case = pb_workflow_EventPayload_tag_int_value;
    payload.value.int_value = -5;
    wire_call(w, RUNS, pb_workflow_RunService_SignalEvent, &request, NULL);
    wire_call(w, RUNS, pb_workflow_RunService_SignalEvent, &request, NULL);
    payload.value.int_value = 6;
    wire_call(w, RUNS, pb_workflow_RunService_SignalEvent, &request, "failed_precondition");

    const struct pb_workflow_ActionDetails *details = action_details(w, "r1", "q");
    assert_int_equal(details->status->phase, MF_PHASE_SUCCEEDED);
    assert_int_equal(details->spec_case, pb_workflow_ActionDetails_tag_condition);
    assert_str(details->metadata->spec.condition->name, "approve");
    assert_int_equal(details->metadata->spec.condition->type->type.simple, pb_core_INTEGER);
    assert_int_equal(details->result_case, pb_workflow_ActionDetails_tag_signal_info);
    assert_int_equal(details->result.signal_info->output->value.scalar->value.primitive->value.integer, -5);
    const struct pb_workflow_GetActionDataRequest data = {.action_id = &a.id};
    const struct pb_workflow_GetActionDataResponse *response =
        wire_call(w, RUNS, pb_workflow_RunService_GetActionData, &data, NULL);
    assert_int_equal(response->outputs->literals.count, 1);
    assert_str(response->outputs->literals.items[0]->name, "o0");
    a.id.name = MF_STR("none");
    wire_call(w, RUNS, pb_workflow_RunService_SignalEvent, &request, "not_found");
}

/* ---- reading ---- */

static void ends_with_an_error(struct wire *w, const struct mf_action_change *change)
{
    assert_true(story_report(&w->entity, change));
    const struct pb_workflow_ActionDetails *details = action_details(w, "r1", "a0");
    assert_int_equal(details->status->phase, change->phase);
    assert_non_null(details->status->end_time);
    assert_true(details->status->has_duration_ms);
    assert_int_equal(details->result_case, pb_workflow_ActionDetails_tag_error_info);
    assert_str(details->result.error_info->code, "ValueError");
    assert_int_equal(details->result.error_info->kind, 1);
}

static void tells_attempts_and_errors(void **state)
{
    struct wire *w = *state;
    struct create c;
    const struct pb_core_ExecutionError error = {
        .code = MF_STR("ValueError"), .message = MF_STR("no"), .kind = 1};
    const struct pb_core_LogContext context = {.primary_pod_name = MF_STR("pod")};
    struct pb_common_RunIdentifier id = run_id("r1");
    struct pb_common_ActionIdentifier action = {.run = &id, .name = MF_STR("a0")};
    struct pb_workflow_GetActionLogContextRequest logs = {.action_id = &action, .attempt = 1};
    fill(&c, "r1", 7);
    create(w, &c, NULL);
    const struct mf_run_row run = run_row(w, "r1");
    wire_call(w, RUNS, pb_workflow_RunService_GetActionLogContext, &logs, "not_found");
    struct mf_action_change change = {.run_id = run.id,
                                      .name = MF_STR("a0"),
                                      .attempt = 1,
                                      .phase = MF_PHASE_RUNNING,
                                      .cache_status = -1,
                                      .log_context = &context};
    assert_true(story_report(&w->entity, &change));
    change.phase = MF_PHASE_FAILED;
    change.error = &error;
    change.log_context = NULL;
    change.retry = true;
    assert_true(story_report(&w->entity, &change));
    story_move(&w->entity, &run, "a0", 2, MF_PHASE_RUNNING);

    const struct pb_workflow_ActionDetails *details = run_details(w, "r1")->action;
    assert_int_equal(details->status->attempts, 2);
    assert_int_equal(details->result_case, 0);
    assert_null(details->status->end_time);
    assert_int_equal(details->attempts.count, 2);
    assert_int_equal(details->attempts.items[0]->phase, MF_PHASE_FAILED);
    assert_str(details->attempts.items[0]->error_info->message, "no");
    assert_true(details->attempts.items[0]->logs_available);
    assert_int_equal(details->attempts.items[1]->phase, MF_PHASE_RUNNING);
    assert_false(details->attempts.items[1]->logs_available);
    const struct pb_workflow_GetActionLogContextResponse *found =
        wire_call(w, RUNS, pb_workflow_RunService_GetActionLogContext, &logs, NULL);
    assert_str(found->log_context->primary_pod_name, "pod");
    assert_non_null(found->start_time);
    assert_non_null(found->end_time);
    logs.attempt = 2;
    wire_call(w, RUNS, pb_workflow_RunService_GetActionLogContext, &logs, "not_found");

    change.attempt = 2;
    change.phase = MF_PHASE_TIMED_OUT;
    change.retry = false;
    ends_with_an_error(w, &change);
    change.attempt = 3; /* both ends may be followed by another attempt */
    change.phase = MF_PHASE_FAILED;
    ends_with_an_error(w, &change);
}

static void serves_data(void **state)
{
    struct wire *w = *state;
    struct entity *e = &w->entity;
    struct create c;
    struct pb_common_RunIdentifier id = run_id("r1");
    struct pb_common_ActionIdentifier action = {.run = &id, .name = MF_STR("a0")};
    const struct pb_workflow_GetActionDataRequest request = {.action_id = &action};
    const struct pb_workflow_GetActionDataURIsRequest uris_request = {.action_id = &action};
    fill(&c, "r1", 7);
    wire_call(w, RUNS, pb_workflow_RunService_GetActionData, &request, "not_found");
    create(w, &c, NULL);
    const struct pb_workflow_GetActionDataResponse *data =
        wire_call(w, RUNS, pb_workflow_RunService_GetActionData, &request, NULL);
    assert_int_equal(data->inputs->literals.count, 2);
    assert_null(data->outputs);

    struct mf_str bytes = wire_encode(w, &pb_task_Inputs_type, &c.inputs); /* outputs look the same */
    assert_int_equal(mf_object_write(service.objects, MF_STR("s3://bucket/p/d/r1/a0/1/outputs.pb"), bytes,
                                     MF_STR("x/y"), &e->err),
                     MF_OK);
    const struct mf_run_row run = run_row(w, "r1");
    const struct mf_action_change change = {.run_id = run.id,
                                            .name = MF_STR("a0"),
                                            .attempt = 1,
                                            .phase = MF_PHASE_SUCCEEDED,
                                            .cache_status = -1,
                                            .output_uri = MF_STR("s3://bucket/p/d/r1/a0/1")};
    assert_true(story_report(e, &change));
    data = wire_call(w, RUNS, pb_workflow_RunService_GetActionData, &request, NULL);
    assert_int_equal(data->outputs->literals.count, 1);
    const struct pb_workflow_GetActionDataURIsResponse *uris =
        wire_call(w, RUNS, pb_workflow_RunService_GetActionDataURIs, &uris_request, NULL);
    assert_str(uris->inputs_uri, "s3://bucket/p/d/r1/inputs/inputs.pb");
    assert_str(uris->outputs_uri, "s3://bucket/p/d/r1/a0/1/outputs.pb");

    assert_int_equal(
        mf_object_write(service.objects, uris->outputs_uri, MF_STR("\xff\xff"), MF_STR("x/y"), &e->err),
        MF_OK);
    wire_call(w, RUNS, pb_workflow_RunService_GetActionData, &request, "data_loss");
}

static void lists(void **state)
{
    struct wire *w = *state;
    struct create c;
    struct story_action a;
    struct pb_common_ProjectIdentifier project = {.name = MF_STR("p"), .domain = MF_STR("d")};
    struct pb_common_ListRequest page = {.limit = 2};
    struct pb_workflow_ListRunsRequest request = {
        .request = &page, .scope_by_case = pb_workflow_ListRunsRequest_tag_project_id};
    struct pb_common_RunIdentifier id = run_id("r0");
    size_t seen = 0;
    request.scope_by.project_id = &project;
    for (int i = 0; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof name, "r%d", i);
        fill(&c, name, i);
        c.label.value = i % 2 ? MF_STR("red") : MF_STR("blue");
        create(w, &c, NULL);
    }
    for (int pages = 0; pages == 0 || page.token.len > 0; pages++) {
        const struct pb_workflow_ListRunsResponse *response =
            wire_call(w, RUNS, pb_workflow_RunService_ListRuns, &request, NULL);
        assert_int_equal(response->runs.count, pages < 2 ? 2 : 1);
        for (uint32_t i = 0; i < response->runs.count; i++, seen++)
            assert_int_equal(response->runs.items[i]->action->id->run->name.ptr[1] - '0', 4 - (int)seen);
        assert_int_equal(response->runs.items[0]->labels.count, 1);
        page.token = response->token;
    }
    assert_int_equal(seen, 5);
    page.token = MF_STR("3");
    const struct pb_workflow_ListRunsResponse *rest =
        wire_call(w, RUNS, pb_workflow_RunService_ListRuns, &request, NULL);
    assert_int_equal(rest->runs.count, 2);
    assert_int_equal(rest->token.len, 0);
    page.token = MF_STR("abc");
    wire_call(w, RUNS, pb_workflow_RunService_ListRuns, &request, "invalid_argument");

    page.token = MF_STR_EMPTY;
    page.limit = 0;
    struct mf_str values[] = {MF_STR("red")};
    struct pb_common_Filter filter = {.field = MF_STR("labels.team"),
                                      .values = {.items = values, .count = 1, .cap = 1}};
    struct pb_common_Filter *filters[] = {&filter};
    page.filters.items = filters;
    page.filters.count = page.filters.cap = 1;
    rest = wire_call(w, RUNS, pb_workflow_RunService_ListRuns, &request, NULL);
    assert_int_equal(rest->runs.count, 2);

    const struct mf_run_row run = run_row(w, "r0");
    assert_int_equal(story_enqueue(&w->entity, &run, story_condition(&a, "r0", "q", "a0", pb_core_BOOLEAN)),
                     MF_OK);
    story_add(&w->entity, &run, "c", "a0");
    filter.field = MF_STR("parent_name");
    values[0] = MF_STR("a0");
    const struct pb_workflow_ListActionsRequest actions = {.run_id = &id, .request = &page};
    const struct pb_workflow_ListActionsResponse *children =
        wire_call(w, RUNS, pb_workflow_RunService_ListActions, &actions, NULL);
    assert_int_equal(children->actions.count, 2);
    filter.field = MF_STR("action_type");
    values[0] = MF_STR("3");
    children = wire_call(w, RUNS, pb_workflow_RunService_ListActions, &actions, NULL);
    assert_int_equal(children->actions.count, 1);
    assert_str(children->actions.items[0]->metadata->parent, "a0");
    assert_str(children->actions.items[0]->metadata->spec.condition->name, "approve");
    assert_int_equal(children->actions.items[0]->metadata->spec.condition->type->type.simple,
                     pb_core_BOOLEAN);
    filter.field = MF_STR("nothing");
    wire_call(w, RUNS, pb_workflow_RunService_ListActions, &actions, "invalid_argument");
}

static void names_what_is_missing(void **state)
{
    struct wire *w = *state;
    struct pb_common_RunIdentifier id = run_id("gone");
    struct pb_common_ActionIdentifier action = {.name = MF_STR("a0")};
    struct pb_workflow_GetRunDetailsRequest run = {0};
    struct pb_workflow_GetActionDetailsRequest details = {.action_id = &action};
    wire_call(w, RUNS, pb_workflow_RunService_GetRunDetails, &run, "invalid_argument");
    wire_call(w, RUNS, pb_workflow_RunService_GetActionDetails, &details, "invalid_argument");
    action.run = &id;
    run.run_id = &id;
    wire_call(w, RUNS, pb_workflow_RunService_GetRunDetails, &run, "not_found");
    wire_call(w, RUNS, pb_workflow_RunService_GetActionDetails, &details, "not_found");
    const struct pb_workflow_ListActionsRequest list = {0};
    wire_call(w, RUNS, pb_workflow_RunService_ListActions, &list, "invalid_argument");
    const struct pb_workflow_GetActionDataURIsRequest uris = {0};
    wire_call(w, RUNS, pb_workflow_RunService_GetActionDataURIs, &uris, "invalid_argument");
    const struct pb_workflow_GetActionLogContextRequest logs = {.attempt = 1};
    wire_call(w, RUNS, pb_workflow_RunService_GetActionLogContext, &logs, "invalid_argument");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(creates_a_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_tasks_and_inputs_from_elsewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_a_task_that_says_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_a_cache_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_cannot_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(repeats_are_no_second_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_of_many_at_once_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(aborts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(signals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_attempts_and_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(serves_data, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_what_is_missing, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("run_service", tests, NULL, NULL);
}
