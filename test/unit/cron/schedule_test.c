#include "testing.h"

#include "base/time.h"
#include "cron/schedule.h"

#include <stdio.h>

#define SECOND INT64_C(1000000000)

static int64_t instant(const char *text)
{
    int64_t ns = 0;
    assert_true(mf_time_parse_rfc3339(mf_str_from_c(text), &ns));
    return ns;
}

static struct mf_schedule rate(uint32_t value, int32_t unit, const char *start)
{
    struct mf_schedule schedule;
    struct mf_error err;
    assert_int_equal(mf_schedule_rate(value, unit, start ? instant(start) : 0, &schedule, &err), MF_OK);
    return schedule;
}

/* Every time in (baseline, now), one after another. */
static void expect(const struct mf_schedule *schedule, const char *baseline, const char *now,
                   const char *const *expected)
{
    int64_t at = instant(baseline);
    int64_t next = 0;
    size_t count = 0;
    while (mf_schedule_next(schedule, instant(baseline), at, &next) && next < instant(now)) {
        assert_non_null(expected[count]);
        assert_true(next == instant(expected[count]));
        count++;
        at = next;
    }
    assert_null(expected[count]);
}

static void times_of_fixed_rates(void **state)
{
    (void)state;
    struct mf_schedule with_start = rate(5, 1, "2026-01-01T12:00:00Z");
    expect(&with_start, "2026-01-01T12:04:30Z", "2026-01-01T12:16:00Z",
           (const char *[]){"2026-01-01T12:05:00Z", "2026-01-01T12:10:00Z", "2026-01-01T12:15:00Z", NULL});
    struct mf_schedule without = rate(5, 1, NULL);
    expect(&without, "2026-01-01T12:04:30Z", "2026-01-01T12:16:00Z",
           (const char *[]){"2026-01-01T12:09:30Z", "2026-01-01T12:14:30Z", NULL});
    /* A start that is still to come is the first time; fractions of a second are dropped. */
    struct mf_schedule later = rate(2, 2, "2026-01-01T12:00:00.7Z");
    expect(&later, "2026-01-01T05:00:00Z", "2026-01-01T17:00:00Z",
           (const char *[]){"2026-01-01T12:00:00Z", "2026-01-01T14:00:00Z", "2026-01-01T16:00:00Z", NULL});
    struct mf_schedule daily = rate(1, 3, NULL);
    expect(&daily, "2026-03-07T10:00:00.25Z", "2026-03-10T00:00:00Z",
           (const char *[]){"2026-03-08T10:00:00Z", "2026-03-09T10:00:00Z", NULL});
}

static void a_rate_costs_the_same_after_centuries(void **state)
{
    (void)state;
    struct mf_schedule old = rate(1, 1, "1678-01-01T00:00:00Z");
    int64_t next = 0;
    assert_true(mf_schedule_next(&old, instant("2026-01-01T00:00:30Z"), 0, &next));
    assert_true(next == instant("2026-01-01T00:01:00Z"));
    assert_false(mf_schedule_next(&old, INT64_MAX - 1, INT64_MAX - 1, &next));
}

static void rates_that_are_none(void **state)
{
    struct mf_schedule schedule;
    struct mf_error err;
    (void)state;
    assert_int_equal(mf_schedule_rate(0, 1, 0, &schedule, &err), MF_INVALID_ARGUMENT);
    assert_int_equal(mf_schedule_rate(1, 0, 0, &schedule, &err), MF_INVALID_ARGUMENT);
    assert_int_equal(mf_schedule_rate(1, 4, 0, &schedule, &err), MF_INVALID_ARGUMENT);
    assert_int_equal(mf_schedule_rate(1, -1, 0, &schedule, &err), MF_INVALID_ARGUMENT);
    assert_int_equal(mf_schedule_rate(UINT32_MAX, 3, 0, &schedule, &err), MF_INVALID_ARGUMENT);
    assert_int_equal(mf_schedule_rate(36525, 3, 0, &schedule, &err), MF_OK);
}

static void times_of_cron(void **state)
{
    struct mf_zones *zones = NULL;
    struct mf_error err;
    struct mf_schedule schedule = {0};
    (void)state;
    assert_int_equal(mf_zones_new(NULL, &zones, &err), MF_OK);
    assert_int_equal(mf_cron_parse(zones, MF_STR("*/10 * * * *"), MF_STR_EMPTY, &schedule.cron, &err), MF_OK);
    expect(&schedule, "2026-01-01T12:04:30.0000005Z", "2026-01-01T12:30:00Z",
           (const char *[]){"2026-01-01T12:10:00Z", "2026-01-01T12:20:00Z", NULL});
    assert_int_equal(mf_cron_parse(zones, MF_STR("0 9 * * *"), MF_STR("UTC"), &schedule.cron, &err), MF_OK);
    expect(&schedule, "2026-07-01T08:59:00Z", "2026-07-02T09:01:00Z",
           (const char *[]){"2026-07-01T09:00:00Z", "2026-07-02T09:00:00Z", NULL});
    assert_int_equal(
        mf_cron_parse(zones, MF_STR("0 9 * * *"), MF_STR("America/Los_Angeles"), &schedule.cron, &err),
        MF_OK);
    expect(&schedule, "2026-03-07T16:59:00Z", "2026-03-08T16:01:00Z",
           (const char *[]){"2026-03-07T17:00:00Z", "2026-03-08T16:00:00Z", NULL});
    /* @every counts from the baseline, wherever the search begins. */
    assert_int_equal(mf_cron_parse(zones, MF_STR("@every 90s"), MF_STR_EMPTY, &schedule.cron, &err), MF_OK);
    int64_t next = 0;
    assert_true(mf_schedule_next(&schedule, instant("2020-01-01T00:00:00.5Z"),
                                 instant("2026-01-01T00:00:01Z"), &next));
    assert_int_equal((next - instant("2020-01-01T00:00:00Z")) % (90 * SECOND), 0);
    assert_true(next > instant("2026-01-01T00:00:01Z") && next <= instant("2026-01-01T00:01:31Z"));
    mf_zones_free(zones);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_of_fixed_rates),
        cmocka_unit_test(a_rate_costs_the_same_after_centuries),
        cmocka_unit_test(rates_that_are_none),
        cmocka_unit_test(times_of_cron),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
