#include "testing.h"

#include "base/time.h"
#include "schedule/plan.h"

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

static int64_t instant(const char *text)
{
    int64_t ns = 0;
    assert_true(mf_time_parse_rfc3339(mf_str_from_c(text), &ns));
    return ns;
}

/* A trigger every five minutes, deployed at noon, with a policy that a test changes. */
struct setting {
    struct mf_schedule timing;
    struct mf_policy policy;
    struct mf_plan_input input;
};

static void set(struct setting *setting)
{
    struct mf_error err;
    *setting = (struct setting){.policy = {.window_ns = MF_CATCH_UP_WINDOW_NS}};
    assert_int_equal(mf_schedule_rate(5, 1, instant("2026-01-01T00:00:00Z"), &setting->timing, &err), MF_OK);
    setting->input = (struct mf_plan_input){
        .timing = &setting->timing,
        .policy = &setting->policy,
        .baseline_at = instant("2026-01-01T12:00:00Z"),
        .cursor_at = instant("2026-01-01T12:00:00Z"),
    };
}

static struct mf_plan plan_at(const struct setting *setting, const char *now)
{
    struct mf_plan plan;
    mf_plan(&setting->input, instant(now), false, MF_PLAN_ITEMS, &plan);
    return plan;
}

static void expect_wait(const struct mf_plan *plan, const char *until)
{
    assert_int_equal(plan->kind, MF_PLAN_WAIT);
    assert_true(plan->wake_at == (until ? instant(until) : INT64_MAX));
}

static void expect_fire(const struct mf_plan *plan, size_t count, const char *first, const char *last)
{
    assert_int_equal(plan->kind, MF_PLAN_FIRE);
    assert_int_equal(plan->item_count, count);
    assert_true(plan->items[0] == instant(first));
    assert_true(plan->items[count - 1] == instant(last));
}

static void expect_drop(const struct mf_plan *plan, enum mf_gap_reason reason, int64_t until)
{
    assert_int_equal(plan->kind, MF_PLAN_DROP);
    assert_int_equal(plan->reason, reason);
    assert_true(plan->until == until);
}

static void waits_for_the_next_time_and_fires_it(void **state)
{
    (void)state;
    struct setting setting;
    set(&setting);
    struct mf_plan plan = plan_at(&setting, "2026-01-01T12:04:59.999Z");
    expect_wait(&plan, "2026-01-01T12:05:00Z");
    plan = plan_at(&setting, "2026-01-01T12:05:00Z");
    expect_fire(&plan, 1, "2026-01-01T12:05:00Z", "2026-01-01T12:05:00Z");
    setting.input.cursor_at = instant("2026-01-01T12:05:00Z");
    plan = plan_at(&setting, "2026-01-01T12:05:00.5Z");
    expect_wait(&plan, "2026-01-01T12:10:00Z");
}

static void nothing_before_the_baseline_is_due(void **state)
{
    (void)state;
    struct setting setting;
    set(&setting);
    setting.input.cursor_at = instant("2025-01-01T00:00:00Z");
    struct mf_plan plan = plan_at(&setting, "2026-01-01T12:01:00Z");
    expect_wait(&plan, "2026-01-01T12:05:00Z");
}

static void jitter_moves_the_fire_and_not_its_time(void **state)
{
    (void)state;
    struct setting setting;
    set(&setting);
    setting.input.offset_ns = 90 * SECOND;
    struct mf_plan plan = plan_at(&setting, "2026-01-01T12:06:29Z");
    expect_wait(&plan, "2026-01-01T12:06:30Z");
    plan = plan_at(&setting, "2026-01-01T12:06:30Z");
    expect_fire(&plan, 1, "2026-01-01T12:05:00Z", "2026-01-01T12:05:00Z");
}

static void all_is_caught_up_in_the_window(void **state)
{
    (void)state;
    struct setting setting;
    set(&setting);
    setting.policy.window_ns = HOUR;
    struct mf_plan plan = plan_at(&setting, "2026-01-01T13:00:00Z");
    expect_fire(&plan, 12, "2026-01-01T12:05:00Z", "2026-01-01T13:00:00Z");
    /* At 13:05 the first is as old as the window and still goes; a moment later it does not. */
    plan = plan_at(&setting, "2026-01-01T13:05:00Z");
    expect_fire(&plan, 13, "2026-01-01T12:05:00Z", "2026-01-01T13:05:00Z");
    plan = plan_at(&setting, "2026-01-01T13:05:00.000000001Z");
    expect_drop(&plan, MF_GAP_WINDOW, instant("2026-01-01T12:05:00Z"));
    /* No more than a plan holds, the rest the next time. */
    setting.policy.window_ns = MF_CATCH_UP_WINDOW_NS;
    plan = plan_at(&setting, "2026-01-01T20:00:00Z");
    expect_fire(&plan, MF_PLAN_ITEMS - 1, "2026-01-01T12:05:00Z", "2026-01-01T13:15:00Z");
}

static void only_the_latest_is_caught_up(void **state)
{
    (void)state;
    struct setting setting;
    set(&setting);
    setting.policy.catch_up = MF_CATCH_UP_LATEST;
    struct mf_plan plan = plan_at(&setting, "2026-01-01T12:32:00Z");
    expect_drop(&plan, MF_GAP_LATEST, instant("2026-01-01T12:30:00Z") - 1);
    setting.input.cursor_at = plan.until;
    plan = plan_at(&setting, "2026-01-01T12:32:00Z");
    expect_fire(&plan, 1, "2026-01-01T12:30:00Z", "2026-01-01T12:30:00Z");
    /* The latest may itself be older than the window. */
    setting.policy.window_ns = MINUTE;
    setting.policy.end_at = instant("2026-01-01T12:30:00Z");
    setting.input.cursor_at = instant("2026-01-01T12:00:00Z");
    plan = plan_at(&setting, "2026-01-01T12:40:00Z");
    expect_drop(&plan, MF_GAP_WINDOW, instant("2026-01-01T12:39:00Z") - 1);
}

static void nothing_is_caught_up_but_a_little_late_is_fine(void **state)
{
    (void)state;
    struct setting setting;
    set(&setting);
    setting.policy.catch_up = MF_CATCH_UP_NONE;
    struct mf_plan plan = plan_at(&setting, "2026-01-01T12:06:00Z");
    expect_fire(&plan, 1, "2026-01-01T12:05:00Z", "2026-01-01T12:05:00Z");
    plan = plan_at(&setting, "2026-01-01T12:06:00.1Z");
    expect_drop(&plan, MF_GAP_NO_CATCH_UP, instant("2026-01-01T12:05:00.1Z") - 1);
}

static void ends_at_its_end_and_after_its_runs(void **state)
{
    (void)state;
    struct setting setting;
    set(&setting);
    setting.policy.end_at = instant("2026-01-01T12:10:00Z");
    struct mf_plan plan = plan_at(&setting, "2026-01-01T12:30:00Z");
    expect_fire(&plan, 2, "2026-01-01T12:05:00Z", "2026-01-01T12:10:00Z");
    setting.input.cursor_at = instant("2026-01-01T12:10:00Z");
    plan = plan_at(&setting, "2026-01-01T12:30:00Z");
    expect_wait(&plan, NULL);

    set(&setting);
    setting.policy.max_runs = 3;
    setting.input.runs = 1;
    plan = plan_at(&setting, "2026-01-01T12:30:00Z");
    expect_fire(&plan, 2, "2026-01-01T12:05:00Z", "2026-01-01T12:10:00Z");
    setting.input.runs = 3;
    plan = plan_at(&setting, "2026-01-01T12:30:00Z");
    expect_wait(&plan, NULL);
    /* The due time that waits has its place. */
    setting.input.runs = 2;
    setting.input.buffered_at = instant("2026-01-01T12:05:00Z");
    setting.input.cursor_at = setting.input.buffered_at;
    plan = plan_at(&setting, "2026-01-01T12:30:00Z");
    expect_wait(&plan, NULL);
    mf_plan(&setting.input, instant("2026-01-01T12:30:00Z"), true, MF_PLAN_ITEMS, &plan);
    expect_fire(&plan, 1, "2026-01-01T12:05:00Z", "2026-01-01T12:05:00Z");
    assert_true(plan.first_is_buffered);
}

static void what_waits_goes_before_what_is_due(void **state)
{
    (void)state;
    struct setting setting;
    set(&setting);
    setting.input.buffered_at = instant("2026-01-01T12:05:00Z");
    setting.input.cursor_at = setting.input.buffered_at;
    struct mf_plan plan = plan_at(&setting, "2026-01-01T12:07:00Z");
    expect_wait(&plan, "2026-01-01T12:10:00Z");
    plan = plan_at(&setting, "2026-01-01T12:10:00Z");
    expect_fire(&plan, 2, "2026-01-01T12:05:00Z", "2026-01-01T12:10:00Z");
    assert_true(plan.first_is_buffered);
    /* After a failure one due time at once, and still the one that waits. */
    mf_plan(&setting.input, instant("2026-01-01T13:00:00Z"), false, 1, &plan);
    expect_fire(&plan, 2, "2026-01-01T12:05:00Z", "2026-01-01T12:10:00Z");
}

static void a_clock_that_was_ahead_is_taken_back(void **state)
{
    (void)state;
    struct setting setting;
    struct mf_plan plan;
    set(&setting);
    setting.input.cursor_at = instant("2027-01-01T00:00:00Z");
    plan = plan_at(&setting, "2026-01-01T12:30:00Z");
    assert_int_equal(plan.kind, MF_PLAN_REWIND);
    assert_true(plan.until == instant("2026-01-01T12:30:00Z"));
    /* A clock is corrected by moments all the time. */
    setting.input.cursor_at = instant("2026-01-01T12:30:00Z");
    plan = plan_at(&setting, "2026-01-01T12:29:30Z");
    expect_wait(&plan, "2026-01-01T12:35:00Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_for_the_next_time_and_fires_it),
        cmocka_unit_test(nothing_before_the_baseline_is_due),
        cmocka_unit_test(jitter_moves_the_fire_and_not_its_time),
        cmocka_unit_test(all_is_caught_up_in_the_window),
        cmocka_unit_test(only_the_latest_is_caught_up),
        cmocka_unit_test(nothing_is_caught_up_but_a_little_late_is_fine),
        cmocka_unit_test(ends_at_its_end_and_after_its_runs),
        cmocka_unit_test(what_waits_goes_before_what_is_due),
        cmocka_unit_test(a_clock_that_was_ahead_is_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
