#include "testing.h"

#include "base/sys.h"
#include "gen/flyteidl2/task/run.pb.h"
#include "trigger/policy.h"

#include <stdio.h>

#define SECOND INT64_C(1000000000)
#define HOUR (3600 * SECOND)

static int setup(void **state)
{
    *state = mf_arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    mf_arena_free(*state);
    return 0;
}

/* A run specification with up to three annotations, in pairs. */
struct given {
    struct pb_task_Annotations_ValuesEntry entries[3];
    struct pb_task_Annotations_ValuesEntry *items[3];
    struct pb_task_Annotations annotations;
    struct pb_task_RunSpec spec;
};

static const struct pb_task_RunSpec *give(struct given *given, const char *const *pairs)
{
    uint32_t count = 0;
    *given = (struct given){.spec = {.annotations = &given->annotations}};
    for (; pairs[2 * count]; count++) {
        given->entries[count].key = mf_str_from_c(pairs[2 * count]);
        given->entries[count].value = mf_str_from_c(pairs[2 * count + 1]);
        given->items[count] = &given->entries[count];
    }
    given->annotations.values.items = given->items;
    given->annotations.values.count = count;
    return &given->spec;
}

static void assert_policy(const struct mf_policy *policy, const struct mf_policy *expected)
{
    assert_int_equal(policy->catch_up, expected->catch_up);
    assert_int_equal(policy->overlap, expected->overlap);
    assert_int_equal(policy->window_ns, expected->window_ns);
    assert_int_equal(policy->jitter_ns, expected->jitter_ns);
    assert_int_equal(policy->end_at, expected->end_at);
    assert_int_equal(policy->max_runs, expected->max_runs);
    assert_int_equal(policy->pause_after, expected->pause_after);
}

#define P "schedule.mayfly/"
#define DAY_WINDOW .window_ns = MF_CATCH_UP_WINDOW_NS

static const struct {
    const char *pairs[7];
    struct mf_policy policy;
    const char *text;
} good[] = {
    {{NULL}, {DAY_WINDOW}, ""},
    {{"team", "a", "schedule.other/overlap", "?", "schedule.mayfly", "?"}, {DAY_WINDOW}, ""},
    {{P "catch-up", "all", P "overlap", "allow", P "catch-up-window", "24h"}, {DAY_WINDOW}, ""},
    {{P "catch-up", "latest"}, {DAY_WINDOW, .catch_up = MF_CATCH_UP_LATEST}, "catch-up=latest"},
    {{P "catch-up", "none"}, {DAY_WINDOW, .catch_up = MF_CATCH_UP_NONE}, "catch-up=none"},
    {{P "catch-up-window", "1s"}, {.window_ns = SECOND}, "catch-up-window=1000000000"},
    {{P "catch-up-window", "8784h"}, {.window_ns = 8784 * HOUR}, "catch-up-window=31622400000000000"},
    {{P "overlap", "skip"}, {DAY_WINDOW, .overlap = MF_OVERLAP_SKIP}, "overlap=skip"},
    {{P "overlap", "buffer-one"}, {DAY_WINDOW, .overlap = MF_OVERLAP_BUFFER}, "overlap=buffer-one"},
    {{P "overlap", "cancel-other"}, {DAY_WINDOW, .overlap = MF_OVERLAP_CANCEL}, "overlap=cancel-other"},
    {{P "jitter", "0"}, {DAY_WINDOW}, ""},
    {{P "jitter", "1h1.5s"}, {DAY_WINDOW, .jitter_ns = HOUR + 3 * SECOND / 2}, "jitter=3601500000000"},
    {{P "jitter", "24h"}, {DAY_WINDOW, .jitter_ns = 24 * HOUR}, "jitter=86400000000000"},
    {{P "end-time", "1970-01-01T01:00:00.5+01:00"}, {DAY_WINDOW, .end_at = SECOND / 2}, "end-time=500000000"},
    {{P "max-runs", "1"}, {DAY_WINDOW, .max_runs = 1}, "max-runs=1"},
    {{P "max-runs", "1000000000"}, {DAY_WINDOW, .max_runs = 1000000000}, "max-runs=1000000000"},
    {{P "pause-after-failures", "1000"}, {DAY_WINDOW, .pause_after = 1000}, "pause-after-failures=1000"},
    /* In whatever order they come; what comes last counts, as in any map. */
    {{P "max-runs", "5", P "overlap", "skip", P "max-runs", "7"},
     {DAY_WINDOW, .overlap = MF_OVERLAP_SKIP, .max_runs = 7},
     "overlap=skip max-runs=7"},
};

static void reads_what_is_right(void **state)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct given given;
        struct mf_policy policy;
        struct mf_str text;
        struct mf_error err;
        assert_int_equal(mf_policy_read(*state, give(&given, good[i].pairs), &policy, &text, &err), MF_OK);
        assert_policy(&policy, &good[i].policy);
        assert_str(text, good[i].text);
        assert_int_equal(mf_policy_parse(text, &policy, &err), MF_OK);
        assert_policy(&policy, &good[i].policy);
    }
}

static void without_annotations_all_is_usual(void **state)
{
    const struct pb_task_RunSpec bare = {0};
    const struct mf_policy usual = {DAY_WINDOW};
    struct mf_policy policy;
    struct mf_str text;
    struct mf_error err;
    assert_int_equal(mf_policy_read(*state, NULL, &policy, &text, &err), MF_OK);
    assert_policy(&policy, &usual);
    assert_int_equal(text.len, 0);
    assert_int_equal(mf_policy_read(*state, &bare, &policy, &text, &err), MF_OK);
    assert_policy(&policy, &usual);
}

static void refuses_what_is_wrong(void **state)
{
    static const struct {
        const char *key, *value, *takes;
    } rows[] = {
        {"catch-up", "", "all, latest or none"},
        {"catch-up", "All", "all, latest or none"},
        {"catch-up", "all ", "all, latest or none"},
        {"catch-up-window", "", "a duration from 1s to 8784h"},
        {"catch-up-window", "1d", "a duration from 1s to 8784h"},
        {"catch-up-window", "86400", "a duration from 1s to 8784h"},
        {"catch-up-window", "0", "a duration from 1s to 8784h"},
        {"catch-up-window", "999ms", "a duration from 1s to 8784h"},
        {"catch-up-window", "8784h1ns", "a duration from 1s to 8784h"},
        {"catch-up-window", "-1h", "a duration from 1s to 8784h"},
        {"overlap", "queue", "allow, skip, buffer-one or cancel-other"},
        {"jitter", "-1s", "a duration up to 24h, in whole milliseconds"},
        {"jitter", "24h1ms", "a duration up to 24h, in whole milliseconds"},
        {"jitter", "1.5ms", "a duration up to 24h, in whole milliseconds"},
        {"end-time", "tomorrow", "a time after 1970 as in 2027-01-31T00:00:00Z"},
        {"end-time", "2027-01-31", "a time after 1970 as in 2027-01-31T00:00:00Z"},
        {"end-time", "1970-01-01T00:00:00Z", "a time after 1970 as in 2027-01-31T00:00:00Z"},
        {"end-time", "2027-02-29T00:00:00Z", "a time after 1970 as in 2027-01-31T00:00:00Z"},
        {"max-runs", "0", "a number from 1 to 1000000000"},
        {"max-runs", "-1", "a number from 1 to 1000000000"},
        {"max-runs", "1.0", "a number from 1 to 1000000000"},
        {"max-runs", "1000000001", "a number from 1 to 1000000000"},
        {"max-runs", "18446744073709551617", "a number from 1 to 1000000000"},
        {"pause-after-failures", "0", "a number from 1 to 1000"},
        {"pause-after-failures", "1001", "a number from 1 to 1000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct given given;
        struct mf_policy policy;
        struct mf_str text;
        struct mf_error err;
        char key[80];
        char expected[200];
        snprintf(key, sizeof key, P "%s", rows[i].key);
        const char *const pairs[] = {"team", "a", key, rows[i].value, NULL};
        snprintf(expected, sizeof expected, "spec.run_spec.annotations[\"%s\"] must be %s, not \"%s\"", key,
                 rows[i].takes, rows[i].value);
        assert_int_equal(mf_policy_read(*state, give(&given, pairs), &policy, &text, &err),
                         MF_INVALID_ARGUMENT);
        assert_string_equal(err.message, expected);
    }
}

static void refuses_what_is_unknown(void **state)
{
    static const char *const keys[] = {P, P "Overlap", P "overlaps", P "over", P "catch_up"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct given given;
        struct mf_policy policy;
        struct mf_str text;
        struct mf_error err;
        char expected[400];
        const char *const pairs[] = {keys[i], "all", NULL};
        snprintf(expected, sizeof expected,
                 "spec.run_spec.annotations[\"%s\"] is not known; behind \"schedule.mayfly/\" may stand: "
                 "catch-up, catch-up-window, overlap, jitter, end-time, max-runs, pause-after-failures",
                 keys[i]);
        assert_int_equal(mf_policy_read(*state, give(&given, pairs), &policy, &text, &err),
                         MF_INVALID_ARGUMENT);
        assert_string_equal(err.message, expected);
    }
}

static void refuses_a_damaged_text(void **state)
{
    static const char *const texts[] = {
        "overlap",
        "overlap=",
        "overlap=wait",
        "overlap=1",
        "max-runs=0",
        "jitter=1",
        "window=1",
        " ",
        "max-runs=x",
        "=skip",
        "overlap=skip  jitter=1000000",
        "max-runs=-1",
        "max-runs=1 x",
        "jitter=10ms",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct mf_policy policy;
        struct mf_error err;
        assert_int_equal(mf_policy_parse(mf_str_from_c(texts[i]), &policy, &err), MF_DATA_LOSS);
        assert_non_null(strstr(err.message, "deploy its trigger again"));
    }
}

static struct mf_trigger_key key_of(const char *project, const char *domain, const char *task,
                                    const char *name)
{
    return (struct mf_trigger_key){mf_str_from_c(project), mf_str_from_c(domain), mf_str_from_c(task),
                                   mf_str_from_c(name)};
}

/* Servers of any version have to agree on it: never change these. */
static void an_offset_is_for_ever(void **state)
{
    const struct mf_policy hour = {.jitter_ns = HOUR};
    const struct mf_policy tick = {.jitter_ns = 1000000};
    const struct mf_policy none = {.jitter_ns = 0};
    const struct mf_trigger_key daily = key_of("flytesnacks", "development", "env.hello", "daily");
    const struct mf_trigger_key moved = key_of("flytesnacksdevelopment", "", "env.hello", "daily");
    (void)state;
    assert_int_equal(mf_policy_offset(&none, &daily), 0);
    assert_int_equal(mf_policy_offset(&tick, &daily), 0);
    assert_int_equal(mf_policy_offset(&hour, &daily), INT64_C(574572) * 1000000);
    assert_int_equal(mf_policy_offset(&hour, &moved), INT64_C(1752857) * 1000000);
}

/* Among a thousand triggers whose names differ in a digit, each tenth of the jitter has its share. */
static void offsets_spread(void **state)
{
    const struct mf_policy policy = {.jitter_ns = 10 * SECOND};
    int tenths[10] = {0};
    (void)state;
    for (int i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        const struct mf_trigger_key key = key_of("p", "d", "env.t", name);
        const int64_t offset = mf_policy_offset(&policy, &key);
        assert_true(offset >= 0 && offset < policy.jitter_ns && offset % 1000000 == 0);
        tenths[offset / SECOND]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(tenths[i], 70, 130);
}

static void the_table_for_people_is_whole(void **state)
{
    static const char *const names[] = {"catch-up", "catch-up-window",     "overlap", "jitter", "end-time",
                                        "max-runs", "pause-after-failures"};
    struct mf_buf out = MF_BUF_INIT(0);
    size_t rows = 0;
    (void)state;
    mf_policy_docs(&out);
    assert_false(mf_buf_failed(&out));
    for (size_t i = 1; i < out.len; i++)
        rows += out.ptr[i - 1] == '\n' && out.ptr[i] == '|';
    assert_int_equal(rows, 2 + sizeof names / sizeof names[0]);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char cell[64];
        snprintf(cell, sizeof cell, "\n| `" P "%s` | ", names[i]);
        assert_true(mf_str_find(mf_buf_str(&out), mf_str_from_c(cell)) != SIZE_MAX);
    }
    mf_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_right),    cmocka_unit_test(without_annotations_all_is_usual),
        cmocka_unit_test(refuses_what_is_wrong),  cmocka_unit_test(refuses_what_is_unknown),
        cmocka_unit_test(refuses_a_damaged_text), cmocka_unit_test(an_offset_is_for_ever),
        cmocka_unit_test(offsets_spread),         cmocka_unit_test(the_table_for_people_is_whole),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
