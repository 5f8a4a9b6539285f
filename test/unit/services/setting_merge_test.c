/* Settings laid over one another, the table of their leaves, and the checks of values. */
#include "testing.h"

#include "rpc/pb_table.h"
#include "setting/check.h"
#include "setting/merge.h"

static struct pb_settings_Settings *read_json(struct mf_arena *arena, const char *text)
{
    void *out = NULL;
    struct mf_error err;
    if (pb_from_json(arena, &pb_settings_Settings_type, mf_str_from_c(text), NULL, &out, &err) != MF_OK)
        fail_msg("%s: %s", text, err.message);
    return out;
}

/* Merges the levels, as JSON, from the widest on. */
static struct pb_settings_Settings *merge(struct mf_arena *arena, const char *const *levels, size_t count)
{
    struct mf_error err;
    struct pb_settings_Settings *merged = MF_NEW(arena, struct pb_settings_Settings);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(mf_settings_merge(arena, merged, read_json(arena, levels[i]), (int32_t)i, &err),
                         MF_OK);
    return merged;
}

static void expect(const char *const *levels, size_t count, const char *wanted)
{
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_str got;
    struct mf_str want;
    struct mf_error err;
    assert_int_equal(
        pb_encode_stable(arena, &pb_settings_Settings_type, merge(arena, levels, count), &got, &err), MF_OK);
    assert_int_equal(
        pb_encode_stable(arena, &pb_settings_Settings_type, read_json(arena, wanted), &want, &err), MF_OK);
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.ptr, want.ptr, want.len);
    mf_arena_free(arena);
}

#define V "\"state\": \"SETTING_STATE_VALUE\""
#define U "\"state\": \"SETTING_STATE_UNSET\""

static void narrower_values_win(void **state)
{
    static const char *const levels[] = {
        "{\"podTemplateName\": {" V ", \"stringValue\": \"o\"}, \"run\": {\"defaultQueue\": {" V
        ", \"stringValue\": \"q\"}}}",
        "{\"podTemplateName\": {" V ", \"stringValue\": \"d\"}}",
        "{\"podTemplateName\": {\"stringValue\": \"ignored\"}}",
    };
    (void)state;
    expect(levels, 3,
           "{\"podTemplateName\": {" V ", \"stringValue\": \"d\", \"scopeLevel\": \"SCOPE_LEVEL_DOMAIN\"}, "
           "\"run\": {\"defaultQueue\": {" V ", \"stringValue\": \"q\"}}}");
}

static void unset_clears_what_is_above(void **state)
{
    static const char *const levels[] = {
        "{\"podTemplateName\": {" V ", \"stringValue\": \"o\"}, \"labels\": {" V
        ", \"mapValue\": {\"entries\": {\"a\": \"o\"}}}}",
        "{\"podTemplateName\": {" U "}, \"labels\": {" U "}}",
        "{\"labels\": {" V ", \"mapValue\": {\"entries\": {\"b\": \"p\"}}}}",
    };
    (void)state;
    expect(levels, 3,
           "{\"podTemplateName\": {" U ", \"scopeLevel\": \"SCOPE_LEVEL_DOMAIN\"}, \"labels\": {" V
           ", \"mapValue\": {\"entries\": {\"b\": \"p\"}}, \"scopeLevel\": \"SCOPE_LEVEL_PROJECT\"}}");
}

static void maps_merge_by_key(void **state)
{
    static const char *const levels[] = {
        "{\"labels\": {" V ", \"mapValue\": {\"entries\": {\"a\": \"o\", \"b\": \"o\"}}}}",
        "{\"labels\": {" V ", \"mapValue\": {\"entries\": {\"b\": \"d\", \"c\": \"d\"}}}}",
        "{\"labels\": {" V "}}",
    };
    (void)state;
    expect(levels, 3,
           "{\"labels\": {" V ", \"mapValue\": {\"entries\": {\"a\": \"o\", \"b\": \"d\", \"c\": \"d\"}}, "
           "\"scopeLevel\": \"SCOPE_LEVEL_PROJECT\"}}");
}

static void flatten_takes_values_only(void **state)
{
    static const char *const levels[] = {
        "{\"run\": {\"maxActionConcurrency\": {" V ", \"intValue\": \"7\"}, \"runBaseDir\": {" V
        ", \"stringValue\": \"s3://b\"}}, \"security\": {\"serviceAccount\": {" U
        ", \"stringValue\": \"x\"}}, "
        "\"taskResource\": {\"min\": {\"cpu\": {" V ", \"quantityValue\": \"1\"}}, \"max\": {\"memory\": {" V
        ", \"quantityValue\": \"4Gi\"}}, \"mirrorLimitsRequest\": {" V
        ", \"boolValue\": true}, \"defaultAccelerator\": {" V
        ", \"acceleratorValue\": {\"device\": \"l4\"}}}, "
        "\"environmentVariables\": {" V ", \"mapValue\": {\"entries\": {\"A\": \"1\"}}}}",
    };
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_settings out;
    (void)state;
    mf_settings_flatten(merge(arena, levels, 1), &out);
    assert_int_equal(out.max_action_concurrency, 7);
    assert_str(out.run_base_dir, "s3://b");
    assert_int_equal(out.service_account.len, 0);
    assert_str(out.min.cpu, "1");
    assert_str(out.max.memory, "4Gi");
    assert_int_equal(out.max.cpu.len, 0);
    assert_true(out.mirror_limits_request);
    assert_non_null(out.default_accelerator);
    assert_null(out.labels);
    assert_int_equal(out.environment_variables->entries.count, 1);
    mf_arena_free(arena);
}

/* Every leaf of the protocol has its line in the table, in the order of the fields. */
static size_t count_leaves(const struct pb_type *type)
{
    size_t count = 0;
    if (pb_field_by_number(type, 3) && strcmp(pb_field_by_number(type, 3)->name, "scope_level") == 0)
        return 1;
    for (uint32_t i = 0; i < type->field_count; i++)
        count += count_leaves(type->fields[i].type);
    return count;
}

static void the_table_has_every_leaf(void **state)
{
    struct mf_arena *arena = mf_arena_new(0);
    struct pb_settings_Settings settings = {0};
    (void)state;
    assert_int_equal(count_leaves(&pb_settings_Settings_type), MF_LEAF_COUNT);
    for (size_t i = 0; i < MF_LEAF_COUNT; i++) {
        void **slot = mf_leaf_slot(&mf_leaves[i], &settings, arena);
        assert_non_null(slot);
        assert_null(*slot); /* no two lines name the same place */
        *slot = arena;
    }
    mf_arena_free(arena);
}

static void checks_name_the_setting(void **state)
{
    static const struct {
        const char *json, *word;
    } bad[] = {
        {"{\"taskResource\": {\"min\": {\"cpu\": {" V ", \"quantityValue\": \"nonsense\"}}}}",
         "settings.task_resource.min.cpu: \"nonsense\""},
        {"{\"taskResource\": {\"min\": {\"gpu\": {" V ", \"quantityValue\": \"2\"}}, \"max\": {\"gpu\": {" V
         ", \"quantityValue\": \"1\"}}}}",
         "settings.task_resource.min.gpu: 2 is more"},
        {"{\"labels\": {" V ", \"mapValue\": {\"entries\": {\"\": \"x\"}}}}", "settings.labels"},
        {"{\"labels\": {" V ", \"mapValue\": {\"entries\": {\"-a\": \"x\"}}}}", "settings.labels"},
        {"{\"environmentVariables\": {" V ", \"mapValue\": {\"entries\": {\"\": \"x\"}}}}",
         "settings.environment_variables"},
        {"{\"storage\": {\"rawDataPath\": {" V ", \"stringValue\": \"s3://\"}}}",
         "settings.storage.raw_data_path"},
        {"{\"podTemplateName\": {" V ", \"stringValue\": \"a\\u0001\"}}", "settings.pod_template_name"},
    };
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_error err;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(mf_settings_check(read_json(arena, bad[i].json), &err), MF_INVALID_ARGUMENT);
        if (!strstr(err.message, bad[i].word))
            fail_msg("%s does not name %s", err.message, bad[i].word);
    }
    mf_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrower_values_win),      cmocka_unit_test(unset_clears_what_is_above),
        cmocka_unit_test(maps_merge_by_key),        cmocka_unit_test(flatten_takes_values_only),
        cmocka_unit_test(the_table_has_every_leaf), cmocka_unit_test(checks_name_the_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
