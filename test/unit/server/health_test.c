#include "testing.h"

#include "server/health.h"

#define SECOND INT64_C(1000000000)
#define STALL (10 * SECOND)

/* A part whose work and progress a test decides. */
struct part {
    uint64_t turns;
    bool waiting;
};

static int64_t mono;

static int64_t mono_ns(void *ctx)
{
    (void)ctx;
    return mono;
}

static const struct mf_sys sys = {.mono_ns = mono_ns};

static uint64_t turns(void *ctx)
{
    const struct part *part = ctx;
    return part->turns;
}

static bool waiting(void *ctx)
{
    const struct part *part = ctx;
    return part->waiting;
}

static struct mf_health *with(struct part *scheduler, struct part *loop)
{
    const struct mf_health_part parts[] = {{"scheduler", turns, waiting, scheduler},
                                           {"loop", turns, NULL, loop}};
    struct mf_health *health = NULL;
    struct mf_error err;
    mono = 100 * SECOND;
    assert_int_equal(mf_health_new(&sys, STALL, &health, &err), MF_OK);
    assert_int_equal(mf_health_add(health, &parts[0], &err), MF_OK);
    assert_int_equal(mf_health_add(health, &parts[1], &err), MF_OK);
    return health;
}

/* So many seconds, in each of which the loop has turned. */
static void pass(struct mf_health *health, struct part *loop, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        mono += SECOND;
        loop->turns++;
        mf_health_sample(health);
    }
}

static void what_has_nothing_to_do_may_stand_still(void **state)
{
    struct part scheduler = {0};
    struct part loop = {0};
    struct mf_health *health = with(&scheduler, &loop);
    const char *stalled = "?";
    (void)state;
    mf_health_set(health, MF_HEALTH_READY);
    pass(health, &loop, 3600);
    assert_true(mf_health_ready(health, &stalled));
    assert_null(stalled);
    mf_health_free(health);
}

static void work_without_progress_is_a_stall(void **state)
{
    struct part scheduler = {0};
    struct part loop = {0};
    struct mf_health *health = with(&scheduler, &loop);
    const char *stalled = NULL;
    (void)state;
    mf_health_set(health, MF_HEALTH_READY);
    pass(health, &loop, 100);
    scheduler.waiting = true; /* something is due */
    pass(health, &loop, 10);
    assert_true(mf_health_ready(health, NULL));
    pass(health, &loop, 1);
    assert_false(mf_health_ready(health, &stalled));
    assert_string_equal(stalled, "scheduler");
    scheduler.turns++;
    pass(health, &loop, 1);
    assert_true(mf_health_ready(health, NULL));
    mf_health_free(health);
}

static void a_loop_has_to_turn_always(void **state)
{
    struct part scheduler = {0};
    struct part loop = {0};
    struct mf_health *health = with(&scheduler, &loop);
    const char *stalled = NULL;
    (void)state;
    mf_health_set(health, MF_HEALTH_READY);
    pass(health, &loop, 1);
    mono += STALL + 1;
    mf_health_sample(health);
    assert_false(mf_health_ready(health, &stalled));
    assert_string_equal(stalled, "loop");
    mf_health_free(health);
}

static void nobody_is_ready_before_the_start_and_after_the_end(void **state)
{
    struct part scheduler = {0};
    struct part loop = {0};
    struct mf_health *health = with(&scheduler, &loop);
    (void)state;
    assert_false(mf_health_ready(health, NULL));
    mf_health_set(health, MF_HEALTH_READY);
    assert_true(mf_health_ready(health, NULL));
    mf_health_set(health, MF_HEALTH_DRAINING);
    assert_false(mf_health_ready(health, NULL));
    mf_health_free(health);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_nothing_to_do_may_stand_still),
        cmocka_unit_test(work_without_progress_is_a_stall),
        cmocka_unit_test(a_loop_has_to_turn_always),
        cmocka_unit_test(nobody_is_ready_before_the_start_and_after_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
