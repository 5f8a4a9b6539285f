#include "testing.h"

#include "base/time.h"

static int setup(void **state)
{
    *state = mf_arena_new(0);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    mf_arena_free(*state);
    return 0;
}

static void civil_days_agree_both_ways(void **state)
{
    (void)state;
    assert_int_equal(mf_days_from_civil(1970, 1, 1), 0);
    assert_int_equal(mf_days_from_civil(2000, 3, 1), 11017);
    assert_int_equal(mf_days_from_civil(1969, 12, 31), -1);
    for (int64_t day = -800000; day < 3000000; day += 13) {
        int64_t year;
        unsigned month, of_month;
        mf_civil_from_days(day, &year, &month, &of_month);
        assert_in_range(month, 1, 12);
        assert_in_range(of_month, 1, 31);
        assert_true(mf_days_from_civil(year, month, of_month) == day);
    }
}

static void writes_times(void **state)
{
    int64_t t = INT64_C(1764154053) * MF_SECOND_NS; /* 2025-11-26 10:47:33 */
    assert_str(mf_time_rfc3339(*state, t, true), "2025-11-26T10:47:33Z");
    assert_str(mf_time_rfc3339(*state, t + 5 * MF_MS_NS, true), "2025-11-26T10:47:33.005Z");
    assert_str(mf_time_rfc3339(*state, t + 5 * MF_MS_NS, false), "2025-11-26T10:47:33Z");
    assert_str(mf_time_rfc3339(*state, t + 5000, true), "2025-11-26T10:47:33.000005Z");
    assert_str(mf_time_rfc3339(*state, t + 5, true), "2025-11-26T10:47:33.000000005Z");
    assert_str(mf_time_rfc3339(*state, -1, true), "1969-12-31T23:59:59.999999999Z");
    assert_str(mf_time_amz(*state, t), "20251126T104733Z");
    assert_str(mf_time_http(*state, t), "Wed, 26 Nov 2025 10:47:33 GMT");
    assert_str(mf_time_http(*state, 0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_str(mf_time_http(*state, -86400 * MF_SECOND_NS), "Wed, 31 Dec 1969 00:00:00 GMT");
}

static void reads_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t ns;
    } rows[] = {
        {"1970-01-01T00:00:00Z", true, 0},
        {"1970-01-01 00:00:01.5z", true, 1500000000},
        {"1970-01-01T02:00:00+02:00", true, 0},
        {"1969-12-31T23:30:00-00:30", true, 0},
        {"2025-11-26T10:47:33.000000005Z", true, INT64_C(1764154053000000005)},
        {"2024-02-29T00:00:00Z", true, INT64_C(1709164800000000000)},
        {"2023-02-29T00:00:00Z", false, 0},
        {"1900-02-29T00:00:00Z", false, 0},
        {"2025-13-01T00:00:00Z", false, 0},
        {"2025-00-01T00:00:00Z", false, 0},
        {"2025-01-01T24:00:00Z", false, 0},
        {"2025-01-01T00:00:00", false, 0},
        {"2025-01-01T00:00:00.Z", false, 0},
        {"2025-01-01T00:00:00.1234567890Z", false, 0},
        {"2025-01-01T00:00:00Zx", false, 0},
        {"2025-01-01", false, 0},
        {"9999-01-01T00:00:00Z", false, 0}, /* beyond 64 bits of nanoseconds */
        {"", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ns = 0;
        assert_int_equal(mf_time_parse_rfc3339(mf_str_from_c(rows[i].text), &ns), rows[i].ok);
        assert_true(ns == rows[i].ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(civil_days_agree_both_ways),
        cmocka_unit_test_setup_teardown(writes_times, setup, teardown),
        cmocka_unit_test(reads_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
