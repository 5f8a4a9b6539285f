#include "testing.h"

#include "schedule/step.h"

#include <string.h>

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define NOON (INT64_C(1767268800) * SECOND) /* 2026-01-01T12:00:00Z */
#define DUE(n) (NOON + (n)*5 * MINUTE)      /* the n-th due time after the deploy at noon */
#define NOW (DUE(3) + SECOND)
#define SEEN_MOST 8

/* What there is around a schedule, and what a step has done to it. */
struct world {
    struct mf_schedule_row row;
    struct mf_policy policy;
    struct mf_step step;
    struct mf_step_result result;
    int64_t open;       /* the run that has not ended */
    bool fired_already; /* has_fire's answer */
    bool existed;       /* make_run's answer */
    uint32_t failures;  /* in a row */
    int fail_at, calls; /* the operation that fails, counted from 1; 0: none */
    struct mf_fire_row fires[SEEN_MOST];
    struct mf_gap_row gaps[SEEN_MOST];
    size_t fire_count, gap_count;
    size_t made[SEEN_MOST], made_count;
    int aborts, pauses, moves, cuts;
    int64_t cut_after;
};

static enum mf_code called(struct world *world, struct mf_error *err)
{
    return ++world->calls == world->fail_at ? mf_fail(err, MF_UNAVAILABLE, "the store is away") : MF_OK;
}

static enum mf_code open_run(void *ctx, struct mf_schedule_row *row, int64_t *run_id, struct mf_error *err)
{
    struct world *world = ctx;
    (void)row;
    *run_id = world->open;
    return called(world, err);
}

static enum mf_code has_fire(void *ctx, const struct mf_schedule_row *row, int64_t due_at, bool *there,
                             struct mf_error *err)
{
    struct world *world = ctx;
    (void)row;
    (void)due_at;
    *there = world->fired_already;
    return called(world, err);
}

static enum mf_code abort_open(void *ctx, struct mf_schedule_row *row, struct mf_error *err)
{
    struct world *world = ctx;
    (void)row;
    world->aborts++;
    return called(world, err);
}

static enum mf_code failures(void *ctx, const struct mf_schedule_row *row, uint32_t limit, uint32_t *count,
                             struct mf_error *err)
{
    struct world *world = ctx;
    (void)row;
    *count = world->failures < limit ? world->failures : limit;
    return called(world, err);
}

static enum mf_code make_run(void *ctx, const struct mf_schedule_row *row, size_t item, int64_t *run_id,
                             bool *existed, struct mf_error *err)
{
    struct world *world = ctx;
    (void)row;
    assert_true(world->made_count < SEEN_MOST);
    world->made[world->made_count++] = item;
    *run_id = 100 + (int64_t)world->made_count;
    *existed = world->existed;
    return called(world, err);
}

static enum mf_code put_fire(void *ctx, const struct mf_fire_row *fire, struct mf_error *err)
{
    struct world *world = ctx;
    assert_true(world->fire_count < SEEN_MOST);
    world->fires[world->fire_count++] = *fire;
    return called(world, err);
}

static enum mf_code put_gap(void *ctx, const struct mf_gap_row *gap, struct mf_error *err)
{
    struct world *world = ctx;
    assert_true(world->gap_count < SEEN_MOST);
    world->gaps[world->gap_count++] = *gap;
    return called(world, err);
}

static enum mf_code cut_gaps(void *ctx, int64_t schedule_id, int64_t after, struct mf_error *err)
{
    struct world *world = ctx;
    assert_int_equal(schedule_id, world->row.id);
    world->cuts++;
    world->cut_after = after;
    return called(world, err);
}

static enum mf_code pause_trigger(void *ctx, const struct mf_schedule_row *row, struct mf_error *err)
{
    struct world *world = ctx;
    (void)row;
    world->pauses++;
    return called(world, err);
}

static enum mf_code move(void *ctx, const struct mf_schedule_row *row, struct mf_error *err)
{
    struct world *world = ctx;
    (void)row;
    world->moves++;
    return called(world, err);
}

static const struct mf_step_ops ops = {
    .open_run = open_run,
    .has_fire = has_fire,
    .abort_open = abort_open,
    .failures = failures,
    .make_run = make_run,
    .put_fire = put_fire,
    .put_gap = put_gap,
    .cut_gaps = cut_gaps,
    .pause = pause_trigger,
    .move = move,
};

/* A schedule that was deployed at noon, with count due times from the first on. */
static void set(struct world *world, size_t count)
{
    *world = (struct world){
        .row = {.id = 7, .active = true, .baseline_at = NOON, .seq = 4, .state.cursor_at = NOON},
        .policy = {.window_ns = MF_CATCH_UP_WINDOW_NS},
        .step = {.schedule_id = 7, .seq = 4, .cursor_at = NOON, .plan.kind = MF_PLAN_FIRE},
    };
    for (size_t i = 0; i < count; i++)
        world->step.plan.items[world->step.plan.item_count++] = DUE((int64_t)i + 1);
}

/* The same, and a due time before noon waits for the end of a run. */
static void set_buffered(struct world *world, size_t count)
{
    set(world, 0);
    world->policy.overlap = MF_OVERLAP_BUFFER;
    world->row.state.buffered_at = world->step.buffered_at = DUE(-1);
    world->step.plan.items[world->step.plan.item_count++] = DUE(-1);
    world->step.plan.first_is_buffered = true;
    for (size_t i = 0; i < count; i++)
        world->step.plan.items[world->step.plan.item_count++] = DUE((int64_t)i + 1);
}

static void set_drop(struct world *world, int64_t until, enum mf_gap_reason reason, const char *error)
{
    set(world, 0);
    world->step.plan = (struct mf_plan){.kind = MF_PLAN_DROP, .until = until, .reason = reason};
    world->row.state.error = mf_str_from_c(error);
    world->row.state.error_at = error[0] ? NOON : 0;
}

static enum mf_code apply(struct world *world)
{
    struct mf_error err;
    return mf_step_apply(&ops, world, &world->step, &world->row, &world->policy, NOW, &world->result, &err);
}

static void expect_gap(const struct world *world, size_t index, int64_t from, int64_t until,
                       enum mf_gap_reason reason)
{
    assert_true(index < world->gap_count);
    assert_true(world->gaps[index].from_at == from);
    assert_true(world->gaps[index].until_at == until);
    assert_int_equal(world->gaps[index].reason, reason);
    assert_true(world->gaps[index].decided_at == NOW);
}

static void a_plan_that_does_not_fit_any_more_does_nothing(void **state)
{
    (void)state;
    struct world world;
    for (int change = 0; change < 4; change++) {
        set(&world, 1);
        world.row.seq += change == 0;
        world.row.state.cursor_at += change == 1;
        world.row.state.buffered_at += change == 2;
        world.row.active = change != 3;
        assert_int_equal(apply(&world), MF_OK);
        assert_true(world.result.stale);
        assert_int_equal(world.calls, 0);
        assert_true(world.result.seq == world.row.seq);
        assert_true(world.result.active == world.row.active);
    }
}

static void fires_in_order_and_moves_along(void **state)
{
    (void)state;
    struct world world;
    set(&world, 3);
    world.row.state.error = MF_STR("no inputs");
    world.row.state.error_at = NOON;
    assert_int_equal(apply(&world), MF_OK);
    assert_int_equal(world.fire_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(world.made[i], i);
        assert_true(world.fires[i].due_at == DUE((int64_t)i + 1));
        assert_true(world.fires[i].run_id == 101 + (int64_t)i);
        assert_int_equal(world.fires[i].kind, MF_FIRE_SCHEDULED);
        assert_true(world.fires[i].fired_at == NOW);
        assert_int_equal(world.fires[i].schedule_id, 7);
    }
    assert_int_equal(world.moves, 1);
    assert_int_equal(world.result.fired_count, 3);
    assert_true(world.row.state.cursor_at == DUE(3));
    assert_int_equal(world.row.state.runs, 3);
    assert_int_equal(world.row.state.error.len, 0);
    assert_int_equal(world.row.state.error_at, 0);
    assert_true(world.result.active);
}

static void a_run_that_is_there_is_found_and_not_counted(void **state)
{
    (void)state;
    struct world world;
    set(&world, 1);
    world.existed = true;
    world.row.state.settled_at = DUE(2); /* from before the clock was set back */
    assert_int_equal(apply(&world), MF_OK);
    assert_int_equal(world.fires[0].kind, MF_FIRE_FOUND);
    assert_int_equal(world.row.state.runs, 0);
    assert_true(world.row.state.cursor_at == DUE(1));
    assert_true(world.row.state.settled_at == DUE(1) - 1);
}

static void an_open_run_is_met_as_the_policy_says(void **state)
{
    (void)state;
    static const struct {
        enum mf_overlap overlap;
        size_t fires;
        int aborts;
        enum mf_gap_reason first, second; /* 0: none */
        int64_t buffered_at;
    } rows[] = {
        {MF_OVERLAP_ALLOW, 2, 0, 0, 0, 0},
        {MF_OVERLAP_SKIP, 0, 0, MF_GAP_OVERLAP, MF_GAP_OVERLAP, 0},
        {MF_OVERLAP_BUFFER, 0, 0, MF_GAP_BUFFER, 0, DUE(1)},
        {MF_OVERLAP_CANCEL, 2, 2, 0, 0, 0},
    };
    struct world world;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set(&world, 2);
        world.policy.overlap = rows[i].overlap;
        world.open = 55;
        assert_int_equal(apply(&world), MF_OK);
        assert_int_equal(world.fire_count, rows[i].fires);
        assert_int_equal(world.aborts, rows[i].aborts);
        assert_int_equal(world.gap_count, (size_t)(rows[i].first != 0) + (rows[i].second != 0));
        assert_true(world.row.state.buffered_at == rows[i].buffered_at);
        assert_true(world.row.state.cursor_at == DUE(2));
        assert_int_equal(world.result.follow_run, rows[i].buffered_at ? 55 : 0);
    }
    set(&world, 2);
    world.policy.overlap = MF_OVERLAP_BUFFER;
    world.open = 55;
    assert_int_equal(apply(&world), MF_OK);
    expect_gap(&world, 0, DUE(1) + 1, DUE(2), MF_GAP_BUFFER);
    assert_int_equal(world.result.skipped[MF_GAP_BUFFER], 1);
}

static void a_due_time_does_not_wait_for_its_own_run(void **state)
{
    (void)state;
    struct world world;
    set(&world, 1);
    world.policy.overlap = MF_OVERLAP_SKIP;
    world.open = 55;
    world.fired_already = world.existed = true;
    assert_int_equal(apply(&world), MF_OK);
    assert_int_equal(world.gap_count, 0);
    assert_int_equal(world.fires[0].kind, MF_FIRE_FOUND);
}

static void what_waits_goes_when_no_run_is_open(void **state)
{
    (void)state;
    struct world world;
    set_buffered(&world, 0);
    world.open = 55;
    assert_int_equal(apply(&world), MF_OK);
    assert_int_equal(world.fire_count, 0);
    assert_int_equal(world.result.follow_run, 55);
    assert_true(world.row.state.buffered_at == DUE(-1));

    set_buffered(&world, 1);
    assert_int_equal(apply(&world), MF_OK);
    assert_int_equal(world.fire_count, 2);
    assert_int_equal(world.fires[0].kind, MF_FIRE_BUFFERED);
    assert_true(world.fires[0].due_at == DUE(-1));
    assert_int_equal(world.fires[1].kind, MF_FIRE_SCHEDULED);
    assert_int_equal(world.row.state.buffered_at, 0);
    assert_true(world.row.state.cursor_at == DUE(1));
}

static void failures_switch_it_off_and_say_which_due_times_went(void **state)
{
    (void)state;
    struct world world;
    set(&world, 3);
    world.policy.pause_after = 2;
    world.failures = 1;
    assert_int_equal(apply(&world), MF_OK);
    assert_int_equal(world.fire_count, 3);
    assert_int_equal(world.pauses, 0);

    set(&world, 3);
    world.policy.pause_after = 2;
    world.failures = 2;
    assert_int_equal(apply(&world), MF_OK);
    assert_int_equal(world.fire_count, 0);
    assert_int_equal(world.pauses, 1);
    assert_int_equal(world.gap_count, 1);
    expect_gap(&world, 0, NOON + 1, DUE(1), MF_GAP_PAUSED);
    assert_true(world.row.state.cursor_at == DUE(1));
    assert_true(world.result.paused && !world.result.active);

    set_buffered(&world, 1);
    world.policy.pause_after = 1;
    world.failures = 5;
    assert_int_equal(apply(&world), MF_OK);
    assert_int_equal(world.fire_count, 0);
    assert_int_equal(world.gap_count, 1);
    expect_gap(&world, 0, DUE(-1), DUE(-1), MF_GAP_PAUSED);
    assert_int_equal(world.row.state.buffered_at, 0);
    assert_true(world.row.state.cursor_at == NOON);
    assert_true(world.result.paused);
}

static void what_is_given_up_has_its_reason(void **state)
{
    (void)state;
    struct world world;
    set_drop(&world, DUE(2), MF_GAP_WINDOW, "");
    world.row.state.buffered_at = world.step.buffered_at = DUE(-1);
    assert_int_equal(apply(&world), MF_OK);
    assert_int_equal(world.gap_count, 1);
    expect_gap(&world, 0, NOON + 1, DUE(2), MF_GAP_WINDOW);
    assert_true(world.row.state.cursor_at == DUE(2));
    assert_true(world.row.state.buffered_at == DUE(-1));

    /* Tried and tried until the window was over: with the last error, and what waited goes, too. */
    set_drop(&world, DUE(2), MF_GAP_WINDOW, "no inputs");
    world.row.state.buffered_at = world.step.buffered_at = DUE(-1);
    assert_int_equal(apply(&world), MF_OK);
    assert_int_equal(world.gap_count, 2);
    expect_gap(&world, 0, DUE(-1), DUE(-1), MF_GAP_FAILED);
    expect_gap(&world, 1, NOON + 1, DUE(2), MF_GAP_FAILED);
    assert_true(mf_str_eq_c(world.gaps[0].error, "no inputs"));
    assert_true(mf_str_eq_c(world.gaps[1].error, "no inputs"));
    assert_int_equal(world.row.state.buffered_at, 0);
    assert_int_equal(world.row.state.error.len, 0);

    /* It waits for a run that is still open: nothing of that is its failure. */
    set_drop(&world, DUE(2), MF_GAP_WINDOW, "no inputs");
    world.row.state.buffered_at = world.step.buffered_at = DUE(-1);
    world.open = 55;
    assert_int_equal(apply(&world), MF_OK);
    assert_int_equal(world.gap_count, 1);
    assert_true(world.row.state.buffered_at == DUE(-1));

    set_drop(&world, DUE(2), MF_GAP_LATEST, "no inputs");
    assert_int_equal(apply(&world), MF_OK);
    expect_gap(&world, 0, NOON + 1, DUE(2), MF_GAP_LATEST);
}

static void a_clock_set_back_takes_decisions_back(void **state)
{
    (void)state;
    struct world world;
    set(&world, 0);
    world.row.state.cursor_at = world.step.cursor_at = DUE(9);
    world.row.state.buffered_at = world.step.buffered_at = DUE(8);
    world.step.plan = (struct mf_plan){.kind = MF_PLAN_REWIND, .until = DUE(3)};
    assert_int_equal(apply(&world), MF_OK);
    assert_true(world.row.state.cursor_at == DUE(3));
    assert_int_equal(world.row.state.buffered_at, 0);
    assert_int_equal(world.cuts, 1);
    assert_true(world.cut_after == DUE(3));
}

static void a_note_is_kept_with_its_time(void **state)
{
    (void)state;
    struct world world;
    set(&world, 0);
    world.step.plan = (struct mf_plan){.kind = MF_PLAN_NOTE};
    world.step.note = MF_STR("no inputs");
    assert_int_equal(apply(&world), MF_OK);
    assert_true(mf_str_eq_c(world.row.state.error, "no inputs"));
    assert_true(world.row.state.error_at == NOW);
    assert_int_equal(world.moves, 1);
    assert_int_equal(world.result.state.error.len, 0); /* the text is the transaction's */
}

/* Whichever operation fails, the step fails: the transaction is undone. */
static void a_failing_operation_fails_the_step(void **state)
{
    (void)state;
    struct world world;
    for (int setting = 0; setting < 5; setting++) {
        int calls = 1;
        for (int fail_at = 0; fail_at <= calls; fail_at++) {
            if (setting < 2)
                set(&world, 2);
            else if (setting == 2)
                set_buffered(&world, 2);
            else
                set_drop(&world, DUE(2), MF_GAP_WINDOW, "no inputs");
            world.policy.overlap = setting == 1 ? MF_OVERLAP_CANCEL : MF_OVERLAP_SKIP;
            world.policy.pause_after = 3;
            world.failures = setting == 0 ? 3 : 0;
            world.open = setting == 1 ? 55 : 0;
            world.row.state.buffered_at = setting == 3 ? DUE(-1) : world.row.state.buffered_at;
            world.step.buffered_at = world.row.state.buffered_at;
            if (setting == 4)
                world.step.plan = (struct mf_plan){.kind = MF_PLAN_REWIND, .until = NOON - 1};
            world.fail_at = fail_at;
            assert_int_equal(apply(&world), fail_at == 0 ? MF_OK : MF_UNAVAILABLE);
            if (fail_at == 0)
                calls = world.calls;
            else
                assert_int_equal(world.calls, fail_at);
        }
        assert_true(calls >= 2);
    }
}

static void a_plan_to_wait_is_no_step(void **state)
{
    (void)state;
    struct world world;
    set(&world, 0);
    world.step.plan = (struct mf_plan){.kind = MF_PLAN_WAIT};
    assert_int_equal(apply(&world), MF_INTERNAL);
    assert_int_equal(world.moves, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_that_does_not_fit_any_more_does_nothing),
        cmocka_unit_test(fires_in_order_and_moves_along),
        cmocka_unit_test(a_run_that_is_there_is_found_and_not_counted),
        cmocka_unit_test(an_open_run_is_met_as_the_policy_says),
        cmocka_unit_test(a_due_time_does_not_wait_for_its_own_run),
        cmocka_unit_test(what_waits_goes_when_no_run_is_open),
        cmocka_unit_test(failures_switch_it_off_and_say_which_due_times_went),
        cmocka_unit_test(what_is_given_up_has_its_reason),
        cmocka_unit_test(a_clock_set_back_takes_decisions_back),
        cmocka_unit_test(a_note_is_kept_with_its_time),
        cmocka_unit_test(a_failing_operation_fails_the_step),
        cmocka_unit_test(a_plan_to_wait_is_no_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
