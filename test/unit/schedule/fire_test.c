/* Steps of the engine carried out in a real store, on a clock of the test's. */
#include "../services/wire.h"

#include "gen/flyteidl2/trigger/trigger_definition.pb.h"
#include "identity/caller.h"
#include "objects/object.h"
#include "run/run.h"
#include "schedule/fire.h"
#include "schedule/name.h"
#include "store/project.h"
#include "store/schedule.h"
#include "store/task.h"
#include "trigger/change.h"

#include <pthread.h>
#include <time.h>

#define SECOND_NS INT64_C(1000000000)
#define HOUR_NS (3600 * SECOND_NS)
#define START (INT64_C(1767311999) * SECOND_NS) /* 2026-01-01T23:59:59Z */
#define MIDNIGHT (START + SECOND_NS)
#define LARGE ((size_t)100 << 10) /* more than goes into a row of the object table */
#define PATIENCE_S 20

static struct {
    _Atomic int64_t clock;
    struct mf_runs *runs;
    struct mf_objects *objects;
    struct mf_zones *zones;
    struct mf_engine *engine;
    struct mf_firer *firer;
    struct mf_store *store;
    char dir[64];
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool wake;
} world;

static int64_t wall(void *ctx)
{
    (void)ctx;
    return atomic_load(&world.clock);
}

static enum mf_code serve(struct mf_store *store, struct mf_rpc *rpc, struct mf_error *err)
{
    snprintf(world.dir, sizeof world.dir, "/tmp/mayfly-fire-test-XXXXXX");
    assert_non_null(mkdtemp(world.dir));
    const struct mf_objects_config objects = {.store = store,
                                              .dir = world.dir,
                                              .bucket = MF_STR("bucket"),
                                              .access_key = MF_STR("key"),
                                              .secret_key = MF_STR("secret"),
                                              .endpoint = MF_STR("http://127.0.0.1:1")};
    assert_int_equal(mf_objects_open(&objects, &world.objects, err), MF_OK);
    const struct mf_runs_config config = {.sys = mf_sys_real(), .store = store, .objects = world.objects};
    world.store = store;
    return mf_runs_serve(&config, rpc, &world.runs, err);
}

/* ---- the engine and its port ---- */

static enum mf_code read_active(void *ctx, mf_schedule_visit visit, void *visit_ctx, struct mf_error *err)
{
    struct mf_db *db = NULL;
    (void)ctx;
    assert_int_equal(mf_store_reader(world.store, &db, err), MF_OK);
    enum mf_code code = mf_schedule_active(db, visit, visit_ctx, err);
    mf_store_reader_done(world.store, db);
    return code;
}

static enum mf_code read_changes(void *ctx, int64_t after_seq, mf_schedule_visit visit, void *visit_ctx,
                                 struct mf_error *err)
{
    struct mf_db *db = NULL;
    (void)ctx;
    assert_int_equal(mf_store_reader(world.store, &db, err), MF_OK);
    enum mf_code code = mf_schedule_changes(db, after_seq, visit, visit_ctx, err);
    mf_store_reader_done(world.store, db);
    return code;
}

static void carry_out(void *ctx, struct mf_step_work *work)
{
    (void)ctx;
    mf_firer_carry_out(world.firer, work);
}

static void wake(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&world.lock);
    world.wake = true;
    pthread_cond_signal(&world.woken);
    pthread_mutex_unlock(&world.lock);
}

static int set_up(void **state)
{
    struct mf_error err;
    atomic_store(&world.clock, START);
    pthread_mutex_init(&world.lock, NULL);
    pthread_cond_init(&world.woken, NULL);
    world.wake = false;
    int failed = wire_setup(state, serve);
    struct wire *w = *state;
    w->sys.wall_ns = wall;
    assert_int_equal(mf_zones_new(NULL, &world.zones, &err), MF_OK);
    const struct mf_firer_config firer = {.sys = mf_sys_real(), .store = world.store, .runs = world.runs};
    const struct mf_engine_config engine = {
        .port = {.active = read_active, .changes = read_changes, .carry_out = carry_out, .wake = wake},
        .zones = world.zones};
    assert_int_equal(mf_firer_new(&firer, &world.firer, &err), MF_OK);
    assert_int_equal(mf_engine_new(&engine, &world.engine, &err), MF_OK);
    mf_firer_bind(world.firer, world.engine);
    return failed;
}

static int tear_down(void **state)
{
    mf_firer_stop(world.firer);
    mf_engine_collect(world.engine);
    mf_firer_free(world.firer);
    mf_engine_free(world.engine);
    mf_zones_free(world.zones);
    mf_objects_close(world.objects);
    int failed = wire_teardown(state);
    mf_runs_free(world.runs);
    assert_int_equal(mf_remove_tree(world.dir, NULL), MF_OK);
    pthread_mutex_destroy(&world.lock);
    pthread_cond_destroy(&world.woken);
    return failed;
}

static void wait_for_wake(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&world.lock);
    while (!world.wake)
        assert_int_equal(pthread_cond_timedwait(&world.woken, &world.lock, &until), 0);
    world.wake = false;
    pthread_mutex_unlock(&world.lock);
}

static bool was_woken(void)
{
    pthread_mutex_lock(&world.lock);
    bool woken = world.wake;
    world.wake = false;
    pthread_mutex_unlock(&world.lock);
    return woken;
}

/* Turns the engine until there is nothing left to do at that time. */
static void at(int64_t now)
{
    int64_t wake_at;
    atomic_store(&world.clock, now);
    for (;;) {
        mf_engine_turn(world.engine, now, &wake_at);
        if (mf_engine_in_flight(world.engine) > 0)
            wait_for_wake();
        else if (wake_at > now && !was_woken())
            return;
    }
}

/* ---- a project, a task, triggers ---- */

static enum mf_code put_project(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct mf_project_row project = {.id = MF_STR("p"), .name = MF_STR("p")};
    (void)data;
    return mf_project_insert(mf_tx_db(tx), &project, err);
}

static enum mf_code put_task(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct mf_task_row task = {.key = {MF_STR("p"), MF_STR("d"), MF_STR("env.t"), MF_STR("v1")},
                                     .spec = *(const struct mf_str *)data};
    return mf_task_put(mf_tx_db(tx), &task, NULL, err);
}

static void deploy_task(struct wire *w)
{
    struct pb_core_RuntimeMetadata runtime = {.version = MF_STR("2.3.6")};
    struct pb_core_TaskMetadata metadata = {.runtime = &runtime};
    struct pb_core_TaskTemplate template = {.type = MF_STR("python"), .metadata = &metadata};
    const struct pb_task_TaskSpec task = {.task_template = &template};
    const struct mf_str bytes = wire_encode(w, &pb_task_TaskSpec_type, &task);
    assert_int_equal(entity_write(&w->entity, put_task, &bytes), MF_OK);
}

static enum mf_code put_trigger(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_trigger_deploy(tx, data, 0, NULL, err);
}

static enum mf_code switch_off(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_trigger_switch(tx, data, false, MF_STR_EMPTY, err);
}

static enum mf_code delete_trigger(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_trigger_delete(tx, data, MF_STR_EMPTY, err);
}

static const struct mf_trigger_key hourly = {
    {.ptr = "p", .len = 1}, {.ptr = "d", .len = 1}, {.ptr = "env.t", .len = 5}, {.ptr = "hourly", .len = 6}};

/* Due every hour; gives its task a text of that length. */
static struct mf_trigger_row trigger(struct wire *w, const char *policy, size_t length)
{
    struct pb_task_Cron cron = {.expression = MF_STR("0 * * * *")};
    struct pb_task_Schedule schedule = {.expression_case = pb_task_Schedule_tag_cron,
                                        .expression.cron = &cron};
    const struct pb_task_TriggerAutomationSpec automation = {.type = pb_task_TYPE_SCHEDULE,
                                                             .automation_case =
                                                                 pb_task_TriggerAutomationSpec_tag_schedule,
                                                             .automation.schedule = &schedule};
    char *text = mf_arena_bytes(w->entity.arena, length + 1);
    struct story_literal value = {.primitive = {.value_case = pb_core_Primitive_tag_string_value}};
    struct pb_task_NamedLiteral named = {.name = MF_STR("x"), .value = story_literal(&value)};
    struct pb_task_NamedLiteral *literals[] = {&named};
    struct pb_task_Inputs inputs = {.literals = {.items = literals, .count = 1, .cap = 1}};
    const struct pb_trigger_TriggerSpec spec = {.input_wrapper_case = pb_trigger_TriggerSpec_tag_inputs,
                                                .input_wrapper.inputs = &inputs};
    const struct mf_caller ann = {.subject = MF_STR("ann")};
    struct mf_trigger_row row = {.key = hourly,
                                 .task_version = MF_STR("v1"),
                                 .active = true,
                                 .automation_type = pb_task_TYPE_SCHEDULE,
                                 .policy = mf_str_from_c(policy)};
    memset(text, 'x', length);
    value.primitive.value.string_value = mf_str_make(text, length);
    row.spec = wire_encode(w, &pb_trigger_TriggerSpec_type, &spec);
    row.automation = wire_encode(w, &pb_task_TriggerAutomationSpec_type, &automation);
    assert_int_equal(mf_identity_encode(w->entity.arena, &ann, &row.deployed_by, NULL), MF_OK);
    return row;
}

static void deploy(struct wire *w, const char *policy, size_t length)
{
    struct mf_trigger_row row = trigger(w, policy, length);
    assert_int_equal(entity_write(&w->entity, put_trigger, &row), MF_OK);
    mf_engine_changed(world.engine);
}

static void begin(struct wire *w, const char *policy)
{
    assert_int_equal(entity_write(&w->entity, put_project, NULL), MF_OK);
    deploy_task(w);
    deploy(w, policy, 3);
    at(START);
}

/* ---- what came of it ---- */

static bool run_of(struct wire *w, int64_t due_at, struct mf_run_row *row)
{
    struct entity *e = &w->entity;
    char name[MF_FIRE_NAME_MAX];
    size_t length = mf_fire_name(&hourly, due_at, name);
    enum mf_code code =
        mf_run_find(e->db, e->arena, MF_STR("p"), MF_STR("d"), mf_str_make(name, length), row, &e->err);
    assert_true(code == MF_OK || code == MF_NOT_FOUND);
    return code == MF_OK;
}

static bool has_run(struct wire *w, int64_t due_at)
{
    struct mf_run_row row;
    return run_of(w, due_at, &row);
}

static struct mf_schedule_row schedule_row(struct wire *w)
{
    struct entity *e = &w->entity;
    struct mf_schedule_row row;
    bool found = false;
    assert_int_equal(mf_schedule_find(e->db, e->arena, &hourly, &row, &found, &e->err), MF_OK);
    assert_true(found);
    return row;
}

static bool note_fire(void *ctx, const struct mf_fire_row *fire)
{
    char *text = ctx;
    size_t used = strlen(text);
    snprintf(text + used, 256 - used, "%lld:%d ", (long long)((fire->due_at - MIDNIGHT) / HOUR_NS),
             (int)fire->kind);
    return true;
}

static bool note_gap(void *ctx, const struct mf_gap_row *gap)
{
    char *text = ctx;
    size_t used = strlen(text);
    snprintf(text + used, 256 - used, "-%lld:%d ", (long long)((gap->until_at - MIDNIGHT) / HOUR_NS),
             (int)gap->reason);
    return true;
}

/* Fires as "hour:kind ", then gaps as "-hour:reason ". */
static const char *history(struct wire *w)
{
    struct entity *e = &w->entity;
    char *text = mf_arena_alloc(e->arena, 256);
    int64_t id = schedule_row(w).id;
    assert_int_equal(mf_fire_list(e->db, id, 0, INT64_MAX, note_fire, text, &e->err), MF_OK);
    assert_int_equal(mf_gap_list(e->db, id, 0, INT64_MAX, note_gap, text, &e->err), MF_OK);
    return text;
}

static int32_t phase_of(struct wire *w, int64_t due_at)
{
    struct mf_run_row row;
    assert_true(run_of(w, due_at, &row));
    return story_phase(&w->entity, &row, "a0");
}

static void end_run(struct wire *w, int64_t due_at, int32_t phase)
{
    struct mf_run_row row;
    assert_true(run_of(w, due_at, &row));
    story_move(&w->entity, &row, "a0", 1, phase);
}

/* ---- tests ---- */

static void fires_once_at_its_time(void **state)
{
    struct wire *w = *state;
    struct mf_run_row row;
    begin(w, "");
    assert_false(has_run(w, MIDNIGHT));
    at(MIDNIGHT);
    at(MIDNIGHT + SECOND_NS);
    assert_true(run_of(w, MIDNIGHT, &row));
    assert_int_equal(row.source, 3);
    assert_true(row.start_time_ns == MIDNIGHT && row.created_at == MIDNIGHT);
    assert_str(row.created_by_subject, "ann");
    assert_string_equal(history(w), "0:1 ");
    assert_true(schedule_row(w).state.cursor_at == MIDNIGHT && schedule_row(w).state.runs == 1);
    at(MIDNIGHT + 3 * HOUR_NS); /* as after a stop */
    assert_string_equal(history(w), "0:1 1:1 2:1 3:1 ");
}

static void a_run_that_is_there_is_no_second_one(void **state)
{
    struct wire *w = *state;
    char name[32] = {0};
    begin(w, "");
    (void)mf_fire_name(&hourly, MIDNIGHT, name);
    struct mf_run_row row = story_run(&w->entity, name);
    at(MIDNIGHT);
    struct mf_run_row found;
    assert_true(run_of(w, MIDNIGHT, &found));
    assert_true(found.id == row.id);
    assert_string_equal(history(w), "0:4 ");
}

struct later {
    struct mf_command command;
    const struct mf_trigger_key *key;
    atomic_bool done;
};

static enum mf_code apply_later(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    return switch_off(tx, MF_CONTAINER(command, struct later, command)->key, err);
}

static void later_done(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    (void)code;
    (void)err;
    atomic_store(&MF_CONTAINER(command, struct later, command)->done, true);
}

/* The engine has not heard of it yet, or is overtaken on the way: the row decides. */
static void what_was_switched_off_does_not_fire(void **state)
{
    struct wire *w = *state;
    int64_t wake_at;
    struct later later = {.command = {.apply = apply_later, .done = later_done}, .key = &hourly};
    begin(w, "");
    struct mf_writer *writer = mf_store_writer(world.store);
    mf_writer_hold(writer);
    mf_writer_submit(writer, &later.command);
    atomic_store(&world.clock, MIDNIGHT);
    mf_engine_turn(world.engine, MIDNIGHT, &wake_at); /* prepares with what was before */
    assert_int_equal(mf_engine_in_flight(world.engine), 1);
    mf_writer_release(writer);
    at(MIDNIGHT);
    assert_true(atomic_load(&later.done));
    assert_false(has_run(w, MIDNIGHT));
    assert_string_equal(history(w), "");
    deploy(w, "", 3);
    at(MIDNIGHT + 1);
    assert_int_equal(entity_write(&w->entity, switch_off, &hourly), MF_OK);
    at(MIDNIGHT + HOUR_NS); /* and nobody has told the engine */
    assert_false(has_run(w, MIDNIGHT + HOUR_NS));
}

static void cancels_the_other(void **state)
{
    struct wire *w = *state;
    struct mf_run_row row;
    begin(w, "overlap=cancel-other");
    at(MIDNIGHT);
    at(MIDNIGHT + HOUR_NS);
    assert_int_equal(phase_of(w, MIDNIGHT), MF_PHASE_ABORTED);
    assert_true(run_of(w, MIDNIGHT, &row));
    assert_str(story_row(&w->entity, &row, "a0").abort_reason,
               "cancelled by its schedule: the run of 2026-01-02T01:00:00Z is due");
    assert_int_equal(phase_of(w, MIDNIGHT + HOUR_NS), MF_PHASE_QUEUED);
    assert_string_equal(history(w), "0:1 1:1 ");
}

/* The end of the run is heard of through the hub. */
static void waits_for_the_end_of_a_run(void **state)
{
    struct wire *w = *state;
    begin(w, "overlap=buffer-one");
    at(MIDNIGHT);
    at(MIDNIGHT + HOUR_NS);
    at(MIDNIGHT + 2 * HOUR_NS);
    assert_string_equal(history(w), "0:1 -2:5 ");
    assert_true(schedule_row(w).state.buffered_at == MIDNIGHT + HOUR_NS);
    end_run(w, MIDNIGHT, MF_PHASE_RUNNING);
    wait_for_wake();
    at(MIDNIGHT + 2 * HOUR_NS + 1);
    assert_false(has_run(w, MIDNIGHT + HOUR_NS));
    end_run(w, MIDNIGHT, MF_PHASE_SUCCEEDED);
    wait_for_wake();
    at(MIDNIGHT + 2 * HOUR_NS + 2);
    assert_true(has_run(w, MIDNIGHT + HOUR_NS));
    assert_string_equal(history(w), "0:1 1:2 -2:5 ");
    assert_true(schedule_row(w).state.buffered_at == 0);
}

static void a_failure_is_recorded_and_tried_again(void **state)
{
    struct wire *w = *state;
    assert_int_equal(entity_write(&w->entity, put_project, NULL), MF_OK);
    deploy(w, "", 3); /* of a task that is not there */
    at(START);
    at(MIDNIGHT);
    assert_false(has_run(w, MIDNIGHT));
    assert_true(mf_str_find(schedule_row(w).state.error, MF_STR("which is not deployed")) != SIZE_MAX);
    deploy_task(w);
    at(MIDNIGHT + 2 * SECOND_NS);
    assert_string_equal(history(w), "0:1 ");
    assert_int_equal(schedule_row(w).state.error.len, 0);
}

static void stops_after_failures(void **state)
{
    struct wire *w = *state;
    begin(w, "pause-after-failures=2");
    for (int64_t i = 0; i < 3; i++) {
        at(MIDNIGHT + i * HOUR_NS);
        if (i < 2)
            end_run(w, MIDNIGHT + i * HOUR_NS, MF_PHASE_FAILED);
    }
    assert_string_equal(history(w), "0:1 1:1 -2:7 ");
    assert_false(schedule_row(w).active);
    at(MIDNIGHT + 3 * HOUR_NS);
    assert_false(has_run(w, MIDNIGHT + 3 * HOUR_NS));
}

static void large_inputs_come_first(void **state)
{
    struct wire *w = *state;
    struct mf_run_row row;
    struct mf_str bytes;
    assert_int_equal(entity_write(&w->entity, put_project, NULL), MF_OK);
    deploy_task(w);
    deploy(w, "", LARGE);
    at(START);
    at(MIDNIGHT + HOUR_NS); /* two at once */
    assert_string_equal(history(w), "0:1 1:1 ");
    assert_true(run_of(w, MIDNIGHT + HOUR_NS, &row));
    const struct mf_action_row root = story_row(&w->entity, &row, "a0");
    assert_int_equal(
        mf_object_read(world.objects, w->entity.arena, root.input_uri, 2 * LARGE, &bytes, &w->entity.err),
        MF_OK);
    assert_true(bytes.len > LARGE);
}

/* ---- backfill ---- */

struct filled {
    struct mf_backfill backfill;
    struct mf_backfill_item items[40];
    enum mf_code code;
    char message[200];
    atomic_bool done;
};

static void on_filled(struct mf_backfill *backfill, enum mf_code code, const struct mf_error *err)
{
    struct filled *filled = MF_CONTAINER(backfill, struct filled, backfill);
    filled->code = code;
    snprintf(filled->message, sizeof filled->message, "%s", code == MF_OK ? "" : err->message);
    atomic_store(&filled->done, true);
    wake(NULL);
}

static enum mf_code fill(struct filled *filled)
{
    filled->backfill =
        (struct mf_backfill){.key = hourly, .items = filled->items, .count = 40, .done = on_filled};
    for (int64_t i = 0; i < 40; i++)
        filled->items[i] = (struct mf_backfill_item){.due_at = MIDNIGHT - (40 - i) * HOUR_NS, .run_id = 1};
    atomic_store(&filled->done, false);
    mf_firer_backfill(world.firer, &filled->backfill);
    while (!atomic_load(&filled->done))
        wait_for_wake();
    (void)was_woken();
    return filled->code;
}

static void fills_in_what_was_before(void **state)
{
    struct wire *w = *state;
    static struct filled filled;
    struct mf_run_row row;
    assert_int_equal(fill(&filled), MF_NOT_FOUND);
    assert_int_equal(filled.items[0].run_id, 0);
    begin(w, "max-runs=1");
    const struct mf_schedule_state before = schedule_row(w).state;
    assert_int_equal(entity_write(&w->entity, switch_off, &hourly), MF_OK);
    assert_int_equal(fill(&filled), MF_OK);
    for (int i = 0; i < 40; i++) {
        assert_true(run_of(w, filled.items[i].due_at, &row));
        assert_true(filled.items[i].run_id == row.id && !filled.items[i].existed);
        assert_true(row.start_time_ns == filled.items[i].due_at);
    }
    assert_true(schedule_row(w).state.cursor_at == before.cursor_at && schedule_row(w).state.runs == 0);
    assert_string_equal(mf_str_find(mf_str_from_c(history(w)), MF_STR("-40:3 -39:3 ")) == 0 ? "first" : "",
                        "first");
    assert_int_equal(fill(&filled), MF_OK);
    assert_true(filled.items[0].existed && filled.items[39].existed && filled.items[39].run_id == row.id);
    assert_int_equal(entity_write(&w->entity, delete_trigger, &hourly), MF_OK);
    assert_int_equal(fill(&filled), MF_NOT_FOUND);
}

static void fills_nothing_in_without_a_schedule(void **state)
{
    struct wire *w = *state;
    static struct filled filled;
    struct mf_trigger_row row = trigger(w, "", 1);
    row.automation_type = pb_task_TYPE_NONE;
    assert_int_equal(entity_write(&w->entity, put_project, NULL), MF_OK);
    assert_int_equal(entity_write(&w->entity, put_trigger, &row), MF_OK);
    assert_int_equal(fill(&filled), MF_FAILED_PRECONDITION);
    assert_non_null(strstr(filled.message, "never had a schedule"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fires_once_at_its_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_that_is_there_is_no_second_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_switched_off_does_not_fire, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cancels_the_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waits_for_the_end_of_a_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failure_is_recorded_and_tried_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stops_after_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_inputs_come_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fills_in_what_was_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fills_nothing_in_without_a_schedule, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
