/* Runs that are made without a call. That CreateRun makes the same is shown by run_service_test.c. */
#include "wire.h"

#include "gen/flyteidl2/trigger/trigger_definition.pb.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "identity/caller.h"
#include "objects/object.h"
#include "run/make.h"
#include "store/project.h"
#include "store/task.h"
#include "store/trigger.h"

#define DUE_S 1767312000 /* 2026-01-02T00:00:00Z */
#define DUE_NS (INT64_C(1767312000) * 1000000000)
#define LARGE ((size_t)100 << 10) /* more than goes into a row of the object table */

static struct {
    struct mf_runs *runs;
    struct mf_objects *objects;
    char dir[64];
} service;

static enum mf_code serve(struct mf_store *store, struct mf_rpc *rpc, struct mf_error *err)
{
    snprintf(service.dir, sizeof service.dir, "/tmp/mayfly-make-test-XXXXXX");
    assert_non_null(mkdtemp(service.dir));
    const struct mf_objects_config objects = {.store = store,
                                              .dir = service.dir,
                                              .bucket = MF_STR("bucket"),
                                              .access_key = MF_STR("key"),
                                              .secret_key = MF_STR("secret"),
                                              .endpoint = MF_STR("http://127.0.0.1:1")};
    assert_int_equal(mf_objects_open(&objects, &service.objects, err), MF_OK);
    const struct mf_runs_config config = {.sys = mf_sys_real(), .store = store, .objects = service.objects};
    return mf_runs_serve(&config, rpc, &service.runs, err);
}

/* ---- a trigger, and what its schedule asks for ---- */

struct world {
    struct mf_task_row task;
    struct mf_trigger_row trigger;
    int64_t deleted_at;
};

static enum mf_code put_world(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct world *world = data;
    const struct mf_project_row project = {.id = MF_STR("p"), .name = MF_STR("p")};
    enum mf_code code = mf_project_insert(mf_tx_db(tx), &project, err);
    if (code == MF_OK)
        code = mf_task_put(mf_tx_db(tx), &world->task, NULL, err);
    return code == MF_OK ? mf_trigger_put(mf_tx_db(tx), &world->trigger, MF_TRIGGER_DEPLOY, 1, err) : code;
}

static enum mf_code delete_trigger(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    struct mf_trigger_row row = *(const struct mf_trigger_row *)data;
    row.revision = 2;
    row.active = false;
    row.deleted_at = 2;
    return mf_trigger_put(mf_tx_db(tx), &row, MF_TRIGGER_DELETE, 2, err);
}

static struct mf_trigger_key trigger_key(void)
{
    return (struct mf_trigger_key){MF_STR("p"), MF_STR("d"), MF_STR("env.t"), MF_STR("daily")};
}

/* The trigger gives its task a text of that length as "x", and the time as "t". */
static void deploy(struct wire *w, size_t length)
{
    struct pb_core_RuntimeMetadata runtime = {.version = MF_STR("2.3.6")};
    struct pb_core_TaskMetadata metadata = {.runtime = &runtime};
    struct pb_core_TaskTemplate template = {.type = MF_STR("python"), .metadata = &metadata};
    const struct pb_task_TaskSpec task = {.task_template = &template};
    struct pb_task_Schedule schedule = {.kickoff_time_input_arg = MF_STR("t")};
    const struct pb_task_TriggerAutomationSpec automation = {.type = pb_task_TYPE_SCHEDULE,
                                                             .automation_case =
                                                                 pb_task_TriggerAutomationSpec_tag_schedule,
                                                             .automation.schedule = &schedule};
    struct story_literal value;
    struct pb_task_NamedLiteral named = {.name = MF_STR("x"), .value = story_integer(&value, 7)};
    struct pb_task_NamedLiteral *literals[] = {&named};
    struct pb_task_Inputs inputs = {.literals = {.items = literals, .count = 1, .cap = 1}};
    const struct pb_trigger_TriggerSpec spec = {.input_wrapper_case = pb_trigger_TriggerSpec_tag_inputs,
                                                .input_wrapper.inputs = &inputs};
    const struct mf_caller ann = {.subject = MF_STR("ann"), .email = MF_STR("ann@example.org")};
    struct world world = {
        .task = {.key = {MF_STR("p"), MF_STR("d"), MF_STR("env.t"), MF_STR("v1")}},
        .trigger = {.key = trigger_key(), .revision = 1, .task_version = MF_STR("v1"), .automation_type = 2},
    };
    if (length > 0) {
        char *text = mf_arena_bytes(w->entity.arena, length);
        memset(text, 'x', length);
        value.primitive.value_case = pb_core_Primitive_tag_string_value;
        value.primitive.value.string_value = mf_str_make(text, length);
    }
    world.task.spec = wire_encode(w, &pb_task_TaskSpec_type, &task);
    world.trigger.automation = wire_encode(w, &pb_task_TriggerAutomationSpec_type, &automation);
    world.trigger.spec = wire_encode(w, &pb_trigger_TriggerSpec_type, &spec);
    assert_int_equal(mf_identity_encode(w->entity.arena, &ann, &world.trigger.deployed_by, NULL), MF_OK);
    assert_int_equal(entity_write(&w->entity, put_world, &world), MF_OK);
}

struct fire {
    struct pb_common_RunIdentifier id;
    struct pb_common_TriggerName trigger;
    struct pb_google_protobuf_Timestamp start;
    struct pb_workflow_CreateRunRequest request;
    struct mf_run_make_input input;
};

static struct mf_run_make_input *fire(struct wire *w, const char *name)
{
    struct fire *f = MF_NEW(w->entity.arena, struct fire);
    f->id = (struct pb_common_RunIdentifier){
        .project = MF_STR("p"), .domain = MF_STR("d"), .name = mf_str_from_c(name)};
    f->trigger = (struct pb_common_TriggerName){
        .project = MF_STR("p"), .domain = MF_STR("d"), .task_name = MF_STR("env.t"), .name = MF_STR("daily")};
    f->start.seconds = DUE_S;
    f->request = (struct pb_workflow_CreateRunRequest){
        .id_case = pb_workflow_CreateRunRequest_tag_run_id,
        .id.run_id = &f->id,
        .task_case = pb_workflow_CreateRunRequest_tag_trigger_name,
        .task.trigger_name = &f->trigger,
        .run_start_time = &f->start,
        .source = pb_workflow_RUN_SOURCE_SCHEDULE_TRIGGER,
    };
    f->input = (struct mf_run_make_input){.runs = service.runs,
                                          .arena = w->entity.arena,
                                          .db = w->entity.db,
                                          .request = &f->request,
                                          .carrier = MF_CARRIER_HERE,
                                          .by_deployer = true,
                                          .existing_is_any = true};
    return &f->input;
}

/* ---- the command ---- */

struct made {
    struct mf_run_make *make;
    bool fails; /* behind the make, so that its transaction comes to nothing */
    bool existed;
    int64_t run_id;
};

static enum mf_code make_run(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    struct made *made = *(struct made *const *)data;
    enum mf_code code = mf_run_make_apply(made->make, tx, &made->existed, &made->run_id, err);
    return code == MF_OK && made->fails ? mf_fail(err, MF_UNAVAILABLE, "as asked") : code;
}

static enum mf_code apply(struct wire *w, struct made *made)
{
    return entity_write(&w->entity, make_run, &made);
}

static struct mf_run_make *prepared(struct wire *w, const struct mf_run_make_input *input, bool *exists)
{
    struct mf_run_make *make = NULL;
    assert_int_equal(mf_run_make_prepare(input, &make, exists, &w->entity.err), MF_OK);
    return make;
}

static struct mf_run_row row_of(struct wire *w, const char *name)
{
    struct entity *e = &w->entity;
    struct mf_run_row row;
    assert_int_equal(
        mf_run_find(e->db, e->arena, MF_STR("p"), MF_STR("d"), mf_str_from_c(name), &row, &e->err), MF_OK);
    return row;
}

static struct pb_task_Inputs *inputs_of(struct wire *w, const struct mf_run_row *row)
{
    struct entity *e = &w->entity;
    struct mf_str bytes;
    const struct mf_action_row root = story_row(e, row, "a0");
    assert_int_equal(mf_object_read(service.objects, e->arena, root.input_uri, 2 * LARGE, &bytes, &e->err),
                     MF_OK);
    return wire_decode(w, &pb_task_Inputs_type, bytes);
}

static int64_t triggered_at(struct wire *w)
{
    struct entity *e = &w->entity;
    const struct mf_trigger_key key = trigger_key();
    struct mf_trigger_row row;
    bool found = false;
    assert_int_equal(mf_trigger_find(e->db, e->arena, &key, &row, &found, &e->err), MF_OK);
    assert_true(found);
    return row.triggered_at;
}

/* ---- tests ---- */

static void makes_what_the_schedule_asks_for(void **state)
{
    struct wire *w = *state;
    bool exists = true;
    deploy(w, 0);
    struct made made = {.make = prepared(w, fire(w, "r1"), &exists)};
    assert_false(exists);
    assert_false(mf_run_make_needs_write(made.make));
    assert_int_equal(apply(w, &made), MF_OK);
    const struct mf_run_row row = row_of(w, "r1");
    assert_true(!made.existed && made.run_id == row.id);
    assert_null(mf_run_make_result(made.make));
    assert_int_equal(row.source, pb_workflow_RUN_SOURCE_SCHEDULE_TRIGGER);
    assert_true(row.start_time_ns == DUE_NS);
    assert_str(row.created_by_subject, "ann");
    assert_str(row.trigger_name, "daily");
    assert_str(row.trigger_task_name, "env.t");
    assert_int_equal(row.trigger_revision, 1);
    assert_true(row.created_at > DUE_NS && triggered_at(w) == row.created_at);
    const struct pb_task_Inputs *inputs = inputs_of(w, &row);
    assert_int_equal(inputs->literals.count, 2);
    assert_str(inputs->literals.items[0]->name, "x");
    assert_str(inputs->literals.items[1]->name, "t");
    const struct pb_core_Primitive *time = inputs->literals.items[1]->value->value.scalar->value.primitive;
    assert_int_equal(time->value_case, pb_core_Primitive_tag_datetime);
    assert_int_equal(time->value.datetime->seconds, DUE_S);
    assert_int_equal(story_row(&w->entity, &row, "a0").phase, MF_PHASE_QUEUED);
}

static void a_run_that_is_there_is_found(void **state)
{
    struct wire *w = *state;
    bool exists = false;
    deploy(w, 0);
    struct made first = {.make = prepared(w, fire(w, "r1"), &exists)};
    struct made second = {.make = prepared(w, fire(w, "r1"), &exists)};
    assert_false(exists);
    assert_int_equal(apply(w, &first), MF_OK);
    assert_int_equal(apply(w, &second), MF_OK); /* the first was made in between */
    assert_true(second.existed && second.run_id == first.run_id);
    struct made third = {.make = prepared(w, fire(w, "r1"), &exists)};
    assert_true(exists);
    assert_int_equal(apply(w, &third), MF_OK);
    assert_true(third.existed && third.run_id == first.run_id);
    /* A request that differs is told so, unless that is fine. */
    struct mf_run_make_input *other = fire(w, "r1");
    struct mf_run_make *make = NULL;
    other->existing_is_any = false;
    assert_int_equal(mf_run_make_prepare(other, &make, &exists, &w->entity.err), MF_OK);
    ((struct fire *)(uintptr_t)MF_CONTAINER(other, struct fire, input))->start.seconds++;
    assert_int_equal(mf_run_make_prepare(other, &make, &exists, &w->entity.err), MF_ALREADY_EXISTS);
    other->existing_is_any = true;
    other->answer = true;
    struct made fourth = {.make = prepared(w, other, &exists)};
    assert_true(exists);
    assert_str(mf_run_make_result(fourth.make)->action->id->run->name, "r1");
}

/* The writer may come back to a command whose transaction came to nothing. */
static void can_be_applied_again(void **state)
{
    struct wire *w = *state;
    bool exists = false;
    struct mf_run_row row;
    deploy(w, 0);
    struct made made = {.make = prepared(w, fire(w, "r1"), &exists), .fails = true};
    assert_int_equal(apply(w, &made), MF_UNAVAILABLE);
    assert_int_equal(mf_run_find(w->entity.db, w->entity.arena, MF_STR("p"), MF_STR("d"), MF_STR("r1"), &row,
                                 &w->entity.err),
                     MF_NOT_FOUND);
    assert_true(triggered_at(w) == 0);
    made.fails = false;
    assert_int_equal(apply(w, &made), MF_OK);
    row = row_of(w, "r1");
    assert_true(!made.existed && made.run_id == row.id);
    assert_int_equal(inputs_of(w, &row)->literals.count, 2);
}

static void a_trigger_deleted_meanwhile_makes_no_run(void **state)
{
    struct wire *w = *state;
    struct mf_run_make *make = NULL;
    bool exists = false;
    const struct mf_trigger_row gone = {.key = trigger_key(), .automation_type = 2};
    deploy(w, 0);
    struct made made = {.make = prepared(w, fire(w, "r1"), &exists)};
    assert_int_equal(entity_write(&w->entity, delete_trigger, &gone), MF_OK);
    assert_int_equal(apply(w, &made), MF_NOT_FOUND);
    assert_true(made.run_id == 0 && !made.existed);
    assert_int_equal(mf_run_make_prepare(fire(w, "r2"), &make, &exists, &w->entity.err), MF_NOT_FOUND);
}

struct written {
    struct wire *w;
    _Atomic bool done;
    enum mf_code code;
};

static void note_written(void *ctx, enum mf_code code, const struct mf_error *err)
{
    struct written *written = ctx;
    (void)err;
    written->code = code;
    atomic_store(&written->done, true);
}

static bool is_written(void *ctx)
{
    return atomic_load(&((struct written *)ctx)->done);
}

static void large_inputs_are_written_first(void **state)
{
    struct wire *w = *state;
    bool exists = false;
    struct written written = {.w = w};
    deploy(w, LARGE);
    struct made made = {.make = prepared(w, fire(w, "r1"), &exists)};
    assert_true(mf_run_make_needs_write(made.make));
    mf_run_make_write(made.make, note_written, &written);
    assert_true(fake_loop_until(w->loop, is_written, &written));
    assert_int_equal(written.code, MF_OK);
    assert_int_equal(apply(w, &made), MF_OK);
    const struct mf_run_row row = row_of(w, "r1");
    assert_int_equal(inputs_of(w, &row)->literals.count, 2);
}

static int set_up(void **state)
{
    return wire_setup(state, serve);
}

static int tear_down(void **state)
{
    mf_objects_close(service.objects);
    int failed = wire_teardown(state);
    mf_runs_free(service.runs);
    assert_int_equal(mf_remove_tree(service.dir, NULL), MF_OK);
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(makes_what_the_schedule_asks_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_that_is_there_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(can_be_applied_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_trigger_deleted_meanwhile_makes_no_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_inputs_are_written_first, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
