#include "testing.h"

#include "base/time.h"
#include "cli/when.h"

#define SECOND MF_SECOND_NS
#define NOW (INT64_C(1796000000) * SECOND + 5)

static void reads_times(void **state)
{
    static const struct {
        const char *text;
        int64_t at;
    } rows[] = {
        {"now", NOW},
        {"-24h", NOW - 86400 * SECOND},
        {"+1d12h", NOW + 129600 * SECOND},
        {"-90s", NOW - 90 * SECOND},
        {"-2w", NOW - INT64_C(14) * 86400 * SECOND},
        {"-1h30m", NOW - 5400 * SECOND},
        {"-0s", NOW},
        {"1970-01-02", 86400 * SECOND},
        {"1970-01-01T00:00:01Z", SECOND},
        {"1970-01-01T01:00:00.5+01:00", SECOND / 2},
    };
    struct mf_error err;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t at = -1;
        assert_int_equal(mf_when_read("from", mf_str_from_c(rows[i].text), NOW, &at, &err), MF_OK);
        assert_true(at == rows[i].at);
    }
}

static void refuses_what_is_no_time(void **state)
{
    static const char *const rows[] = {
        "",
        "yesterday",
        "24h",
        "-",
        "-h",
        "-24",
        "- 24h",
        "-24x",
        "-1.5h",
        "--1h",
        "1h",
        "2026-13-01",
        "2026-02-30",
        "2026-1-1",
        "2026-01-01T09:00",
        "-99999999999999999999h",
        "-300000000w",
        "2026-01-01Z",
    };
    struct mf_error err;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t at = 0;
        assert_int_equal(mf_when_read("from", mf_str_from_c(rows[i]), NOW, &at, &err), MF_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, "--from: "));
        assert_non_null(strstr(err.message, MF_WHEN_FORMS));
    }
}

static void writes_spans(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {0, "0ms"},
        {12 * MF_MS_NS, "12ms"},
        {SECOND - 1, "999ms"},
        {4 * SECOND + 290 * MF_MS_NS, "4.2s"},
        {59 * SECOND + 999 * MF_MS_NS, "59.9s"},
        {60 * SECOND, "1m00s"},
        {303 * SECOND, "5m03s"},
        {7500 * SECOND, "2h05m"},
        {INT64_C(3) * 86400 * SECOND + 4 * 3600 * SECOND, "3d04h"},
    };
    struct mf_arena *arena = mf_arena_new(0);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_true(mf_str_eq_c(mf_when_span(arena, rows[i].ns), rows[i].text));
    mf_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_times),
        cmocka_unit_test(refuses_what_is_no_time),
        cmocka_unit_test(writes_spans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
