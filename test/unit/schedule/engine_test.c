#include "testing.h"

#include "base/list.h"
#include "base/time.h"
#include "gen/flyteidl2/task/common.pb.h"
#include "rpc/pb.h"
#include "schedule/engine.h"

#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define NOON (INT64_C(1767268800) * SECOND) /* 2026-01-01T12:00:00Z */

/* One schedule, every five minutes since noon, and what the engine wants of it. A test answers the steps. */
struct world {
    struct mf_arena *arena;
    struct mf_zones *zones;
    struct mf_engine *engine;
    struct mf_schedule_row row;
    enum mf_code reads;
    bool reads_break;          /* after the row was read */
    struct mf_step_work *work; /* on its way; one at most, since there is one schedule */
    int begun, wakes;
    int64_t wake_at;
};

static enum mf_code read_active(void *ctx, mf_schedule_visit visit, void *visit_ctx, struct mf_error *err)
{
    struct world *world = ctx;
    (void)err;
    if (world->row.active)
        visit(visit_ctx, &world->row);
    return MF_OK;
}

static enum mf_code read_changes(void *ctx, int64_t after_seq, mf_schedule_visit visit, void *visit_ctx,
                                 struct mf_error *err)
{
    struct world *world = ctx;
    if (world->reads == MF_OK && world->row.seq > after_seq)
        visit(visit_ctx, &world->row);
    if (world->reads != MF_OK || world->reads_break)
        return mf_fail(err, MF_UNAVAILABLE, "the store is away");
    return MF_OK;
}

static void carry_out(void *ctx, struct mf_step_work *work)
{
    struct world *world = ctx;
    assert_null(world->work);
    world->work = work;
    world->begun++;
}

static void wake(void *ctx)
{
    struct world *world = ctx;
    world->wakes++;
}

static int begin(void **state)
{
    struct pb_task_FixedRate rate = {.value = 5, .unit = pb_task_FIXED_RATE_UNIT_MINUTE};
    struct pb_task_Schedule schedule = {.expression_case = pb_task_Schedule_tag_rate,
                                        .expression.rate = &rate};
    const struct pb_task_TriggerAutomationSpec automation = {
        .automation_case = pb_task_TriggerAutomationSpec_tag_schedule, .automation.schedule = &schedule};
    struct world *world = calloc(1, sizeof *world);
    struct mf_error err;
    assert_non_null(world);
    world->arena = mf_arena_new(0);
    world->row = (struct mf_schedule_row){
        .id = 7,
        .key = {MF_STR("p"), MF_STR("d"), MF_STR("task"), MF_STR("trigger")},
        .active = true,
        .baseline_at = NOON,
        .state.cursor_at = NOON,
        .seq = 1,
    };
    assert_int_equal(pb_encode(world->arena, &pb_task_TriggerAutomationSpec_type, &automation,
                               &world->row.automation, &err),
                     MF_OK);
    assert_int_equal(mf_zones_new(NULL, &world->zones, &err), MF_OK);
    const struct mf_engine_config config = {
        .port = {world, read_active, read_changes, carry_out, wake}, .zones = world->zones, .seed = 1};
    assert_int_equal(mf_engine_new(&config, &world->engine, &err), MF_OK);
    assert_int_equal(mf_engine_load(world->engine, NOON + MINUTE, &err), MF_OK);
    *state = world;
    return 0;
}

static int end(void **state)
{
    struct world *world = *state;
    assert_null(world->work);
    mf_engine_free(world->engine);
    mf_zones_free(world->zones);
    mf_arena_free(world->arena);
    free(world);
    return 0;
}

static void turn(struct world *world, int64_t now)
{
    mf_engine_turn(world->engine, now, &world->wake_at);
}

/* Ends the step that is on its way as if its transaction had seen the row as it is, and had moved it. */
static void end_step(struct world *world, int64_t cursor_at)
{
    struct mf_step_work *work = world->work;
    assert_non_null(work);
    world->row.state.cursor_at = cursor_at;
    work->result = (struct mf_step_result){.seq = world->row.seq, .state = world->row.state, .active = true};
    world->work = NULL;
    mf_engine_done(world->engine, work, MF_OK, NULL);
}

static void fail_step(struct world *world, const char *why)
{
    struct mf_step_work *work = world->work;
    struct mf_error err;
    assert_non_null(work);
    world->work = NULL;
    enum mf_code code = mf_fail(&err, MF_UNAVAILABLE, "%s", why);
    mf_engine_done(world->engine, work, code, &err);
}

static void fires_each_time_once(void **state)
{
    struct world *world = *state;
    turn(world, NOON + MINUTE);
    assert_null(world->work);
    assert_true(world->wake_at == NOON + 5 * MINUTE);
    turn(world, NOON + 5 * MINUTE);
    assert_non_null(world->work);
    assert_int_equal(world->work->step.plan.kind, MF_PLAN_FIRE);
    assert_true(world->work->step.plan.items[0] == NOON + 5 * MINUTE);
    /* Nothing more of this schedule while it is on its way, however late it gets. */
    turn(world, NOON + 11 * MINUTE);
    assert_int_equal(world->begun, 1);
    end_step(world, NOON + 5 * MINUTE);
    assert_int_equal(world->wakes, 1);
    turn(world, NOON + 11 * MINUTE);
    assert_true(world->work->step.plan.items[0] == NOON + 10 * MINUTE);
    end_step(world, NOON + 10 * MINUTE);
    turn(world, NOON + 11 * MINUTE);
    assert_true(world->wake_at == NOON + 15 * MINUTE);
}

static void a_failure_is_recorded_and_tried_again_later_and_later(void **state)
{
    struct world *world = *state;
    int64_t now = NOON + 5 * MINUTE;
    struct mf_engine_stats stats;
    turn(world, now);
    fail_step(world, "no inputs");
    turn(world, now);
    assert_int_equal(world->work->step.plan.kind, MF_PLAN_NOTE);
    assert_true(mf_str_eq(world->work->step.note, MF_STR("no inputs")));
    end_step(world, NOON);
    turn(world, now);
    assert_null(world->work);
    assert_true(world->wake_at == now + SECOND);
    /* The same reason is not recorded again. */
    turn(world, now + SECOND);
    fail_step(world, "no inputs");
    turn(world, now + SECOND);
    assert_null(world->work);
    assert_true(world->wake_at == now + 3 * SECOND);
    mf_engine_stats(world->engine, &stats);
    assert_int_equal(stats.failing, 1);
    assert_int_equal(stats.failures, 2);
    /* A reason that cannot be recorded is tried again with the next failure. */
    turn(world, now + 3 * SECOND);
    fail_step(world, "no disk");
    turn(world, now + 3 * SECOND);
    fail_step(world, "no disk");
    turn(world, now + 3 * SECOND);
    assert_true(world->wake_at == now + 7 * SECOND);
    turn(world, now + 7 * SECOND);
    fail_step(world, "no disk");
    turn(world, now + 7 * SECOND);
    assert_int_equal(world->work->step.plan.kind, MF_PLAN_NOTE);
    end_step(world, NOON);
    turn(world, now + 20 * SECOND);
    end_step(world, now);
    turn(world, now + 20 * SECOND);
    mf_engine_stats(world->engine, &stats);
    assert_int_equal(stats.failing, 0);
    assert_true(world->wake_at == NOON + 10 * MINUTE);
}

static void a_change_counts_at_once_and_a_deactivated_trigger_is_gone(void **state)
{
    struct world *world = *state;
    turn(world, NOON + MINUTE);
    world->row.seq = 2;
    world->row.baseline_at = world->row.state.cursor_at = NOON + 2 * MINUTE;
    world->reads = MF_UNAVAILABLE;
    mf_engine_changed(world->engine);
    turn(world, NOON + 2 * MINUTE);
    assert_true(world->wake_at == NOON + 2 * MINUTE + SECOND); /* reads again */
    world->reads = MF_OK;
    turn(world, NOON + 2 * MINUTE + SECOND);
    assert_true(world->wake_at == NOON + 7 * MINUTE);
    /* Deactivated while a step is on its way, which then finds that it is too late. */
    turn(world, NOON + 7 * MINUTE);
    world->row.seq = 3;
    world->row.active = false;
    mf_engine_changed(world->engine);
    turn(world, NOON + 7 * MINUTE);
    world->work->result = (struct mf_step_result){.stale = true, .seq = 3};
    struct mf_step_work *work = world->work;
    world->work = NULL;
    mf_engine_done(world->engine, work, MF_OK, NULL);
    turn(world, NOON + 30 * MINUTE);
    assert_true(world->wake_at == INT64_MAX);
    struct mf_engine_stats stats;
    mf_engine_stats(world->engine, &stats);
    assert_int_equal(stats.schedules, 0);
    /* And back. */
    world->row.seq = 4;
    world->row.active = true;
    world->row.baseline_at = world->row.state.cursor_at = NOON + 31 * MINUTE;
    mf_engine_changed(world->engine);
    turn(world, NOON + 31 * MINUTE);
    assert_true(world->wake_at == NOON + 36 * MINUTE);
}

/* Changes come by their numbers, so the last that was read must not stand for those that were not. */
static void changes_read_in_part_are_read_again(void **state)
{
    struct world *world = *state;
    turn(world, NOON + MINUTE);
    world->row.seq = 9;
    world->row.state.cursor_at = NOON + MINUTE;
    world->reads_break = true;
    mf_engine_changed(world->engine);
    turn(world, NOON + MINUTE);
    world->reads_break = false;
    world->row.seq = 8; /* of another row that comes late: it is above the 1 of the load */
    world->row.baseline_at = world->row.state.cursor_at = NOON + 2 * MINUTE;
    turn(world, NOON + 3 * MINUTE);
    assert_true(world->wake_at == NOON + 7 * MINUTE);
}

static void a_due_time_that_waits_is_looked_at_when_its_run_may_have_ended(void **state)
{
    struct world *world = *state;
    turn(world, NOON + 5 * MINUTE);
    world->row.state.buffered_at = NOON + 5 * MINUTE;
    end_step(world, NOON + 5 * MINUTE);
    turn(world, NOON + 6 * MINUTE);
    assert_null(world->work);
    mf_engine_poke(world->engine, 99); /* nobody's */
    mf_engine_poke(world->engine, 7);
    turn(world, NOON + 6 * MINUTE);
    assert_true(world->work->step.plan.first_is_buffered);
    assert_int_equal(world->work->step.plan.item_count, 1);
    world->row.state.buffered_at = 0;
    end_step(world, NOON + 5 * MINUTE);
    mf_engine_poke(world->engine, 7);
    turn(world, NOON + 6 * MINUTE);
    assert_null(world->work);
    assert_true(world->wake_at == NOON + 10 * MINUTE);
}

static void a_clock_set_back_does_not_hold_up_a_retry(void **state)
{
    struct world *world = *state;
    turn(world, NOON + 5 * MINUTE);
    fail_step(world, "no inputs");
    turn(world, NOON + 5 * MINUTE);
    end_step(world, NOON);
    turn(world, NOON + 5 * MINUTE);
    turn(world, NOON + 2 * MINUTE); /* back to before it was due */
    assert_null(world->work);
    assert_true(world->wake_at == NOON + 5 * MINUTE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fires_each_time_once, begin, end),
        cmocka_unit_test_setup_teardown(a_failure_is_recorded_and_tried_again_later_and_later, begin, end),
        cmocka_unit_test_setup_teardown(a_change_counts_at_once_and_a_deactivated_trigger_is_gone, begin,
                                        end),
        cmocka_unit_test_setup_teardown(changes_read_in_part_are_read_again, begin, end),
        cmocka_unit_test_setup_teardown(a_due_time_that_waits_is_looked_at_when_its_run_may_have_ended, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_clock_set_back_does_not_hold_up_a_retry, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
