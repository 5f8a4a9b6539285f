#include "testing.h"

#include "base/time.h"
#include "schedule/name.h"
#include "schedule/words.h"

/* control.md 8.3, taken from the reference. */
static const struct {
    const char *project, *domain, *task, *trigger, *due, *name;
} vectors[] = {
    {"flytesnacks", "development", "env.hello", "daily", "2026-01-02T00:00:00Z", "rba8016a0b714822a"},
    {"flytesnacks", "development", "env.hello", "daily", "2026-01-03T00:00:00Z", "r670d2b77e41d48c7"},
    {"p1", "d1", "t1", "daily-trigger", "2025-12-31T23:59:59Z", "re03e6d405a6fbd23"},
    {"flytesnacks", "production", "etl.main", "every_minute", "2026-07-01T16:00:00Z", "r5029742e6c2f46d4"},
    {"a", "b", "c", "d", "2026-11-23T22:55:07Z", "re8fecfae5afb1e8f"},
    {"projekt-ü", "staging", "env.täsk", "trigger:with:colons", "2026-02-28T09:05:00Z", "r4f7d196031623773"},
    {"", "", "", "", "1970-01-01T00:00:00Z", "r64bec8d8848ba688"},
    {"flytesnacks", "development", "env.hello", "t5", "2026-01-02T00:00:00Z", "r64f1741bf37e6b8"},
};

static void names_are_those_of_flyte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const struct mf_trigger_key key = {
            .project = mf_str_from_c(vectors[i].project),
            .domain = mf_str_from_c(vectors[i].domain),
            .task_name = mf_str_from_c(vectors[i].task),
            .name = mf_str_from_c(vectors[i].trigger),
        };
        char name[MF_FIRE_NAME_MAX];
        int64_t due = 0;
        assert_true(mf_time_parse_rfc3339(mf_str_from_c(vectors[i].due), &due));
        size_t len = mf_fire_name(&key, due, name);
        assert_string_equal(name, vectors[i].name);
        assert_int_equal(len, strlen(vectors[i].name));
        /* The fraction of a second has no part in it. */
        (void)mf_fire_name(&key, due + MF_SECOND_NS - 1, name);
        assert_string_equal(name, vectors[i].name);
    }
}

static void every_kind_and_reason_has_its_word(void **state)
{
    (void)state;
    for (int kind = MF_FIRE_SCHEDULED; kind <= MF_FIRE_FOUND; kind++)
        assert_string_not_equal(mf_fire_word((enum mf_fire_kind)kind), "unknown");
    for (int reason = MF_GAP_WINDOW; reason <= MF_GAP_FAILED; reason++) {
        assert_string_not_equal(mf_gap_word((enum mf_gap_reason)reason), "unknown");
        assert_true(strlen(mf_gap_text((enum mf_gap_reason)reason)) > 0);
    }
    assert_string_equal(mf_fire_word((enum mf_fire_kind)99), "unknown");
    assert_string_equal(mf_gap_word((enum mf_gap_reason)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_flyte),
        cmocka_unit_test(every_kind_and_reason_has_its_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
