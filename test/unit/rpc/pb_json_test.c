#include "testing.h"

#include "base/arena.h"
#include "rpc/pb.h"

#include "gen/flyteidl2/common/list.pb.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "gen/google/protobuf/any.pb.h"
#include "gen/google/protobuf/duration.pb.h"
#include "gen/google/protobuf/empty.pb.h"
#include "gen/google/protobuf/field_mask.pb.h"
#include "gen/google/protobuf/struct.pb.h"
#include "gen/google/protobuf/timestamp.pb.h"
#include "gen/google/protobuf/wrappers.pb.h"
#include "gen/google/rpc/status.pb.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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

static void *read(struct mf_arena *arena, const struct pb_type *type, const char *text)
{
    struct mf_error err;
    void *msg = NULL;
    if (pb_from_json(arena, type, mf_str_from_c(text), NULL, &msg, &err) != MF_OK)
        fail_msg("%s: %s", text, err.message);
    return msg;
}

static struct mf_str written(struct mf_arena *arena, const struct pb_type *type, const void *msg)
{
    struct mf_error err;
    struct mf_str out;
    if (pb_to_json(arena, type, msg, NULL, &out, &err) != MF_OK)
        fail_msg("%s", err.message);
    return out;
}

static void becomes(struct mf_arena *arena, const struct pb_type *type, const char *text,
                    const char *expected)
{
    assert_str(written(arena, type, read(arena, type, text)), expected);
}

static void stays(struct mf_arena *arena, const struct pb_type *type, const char *text)
{
    becomes(arena, type, text, text);
}

static void refused(struct mf_arena *arena, const struct pb_type *type, const char *text, const char *reason)
{
    struct mf_error err;
    void *msg;
    if (pb_from_json(arena, type, mf_str_from_c(text), NULL, &msg, &err) != MF_INVALID_ARGUMENT)
        fail_msg("%s is accepted", text);
    if (!strstr(err.message, reason))
        fail_msg("%s is refused because \"%s\"", text, err.message);
}

static void reads_a_request(void **state)
{
    const struct pb_type *type = &pb_workflow_CreateRunRequest_type;
    struct pb_workflow_CreateRunRequest *request =
        read(*state, type,
             " {\"runId\" : {\"org\":\"o\",\"project\":\"p\",\"domain\":\"d\",\"name\":\"r\"},\n"
             "\"task_id\":{\"name\":\"t\",\"version\":\"1\"},\"source\":\"RUN_SOURCE_CLI\","
             "\"runSpec\":{\"labels\":{\"values\":{\"b\":\"2\",\"a\":\"1\"}},\"interruptible\":false}} ");
    assert_int_equal(request->id_case, pb_workflow_CreateRunRequest_tag_run_id);
    assert_str(request->id.run_id->name, "r");
    assert_int_equal(request->task_case, pb_workflow_CreateRunRequest_tag_task_id);
    assert_str(request->task.task_id->version, "1");
    assert_int_equal(request->source, pb_workflow_RUN_SOURCE_CLI);
    assert_int_equal(request->run_spec->labels->values.count, 2);
    assert_str(request->run_spec->labels->values.items[0]->key, "b");
    assert_non_null(request->run_spec->interruptible);
    assert_str(written(*state, type, request),
               "{\"runId\":{\"org\":\"o\",\"project\":\"p\",\"domain\":\"d\",\"name\":\"r\"},"
               "\"taskId\":{\"name\":\"t\",\"version\":\"1\"},"
               "\"runSpec\":{\"labels\":{\"values\":{\"b\":\"2\",\"a\":\"1\"}},\"interruptible\":false},"
               "\"source\":\"RUN_SOURCE_CLI\"}");
}

static void names_where_it_stumbled(void **state)
{
    const struct pb_type *type = &pb_workflow_CreateRunRequest_type;
    refused(*state, type, "{\"runId\":{\"name\":7}}",
            "runId.name: a string is needed here, not a number (at byte 17)");
    refused(*state, type, "{\"runSpec\":{\"labels\":{\"values\":{\"k\":{}}}}}",
            "runSpec.labels.values[\"k\"]: a string");
    refused(*state, &pb_common_ListRequest_type, "{\"filters\":[{},{\"values\":[\"\",null]}]}",
            "filters[1].values[1]: null cannot stand here");
    refused(*state, type, "{\"nope\":1}", "nope: flyteidl2.workflow.CreateRunRequest has no such field");
    refused(*state, type, "{\"runId\":{},\"projectId\":{}}",
            "projectId: another field of the oneof \"id\" is set");
    refused(*state, type, "{\"runId\":{},\"runId\":{}}", "runId: the field appears twice");
    refused(*state, type, "{\"runId\":null,\"run_id\":{}}", "run_id: the field appears twice");
    refused(*state, type, "{\"source\":\"NO\"}", "flyteidl2.workflow.RunSource has no value \"NO\"");
    refused(*state, type, "{\"runSpec\":{\"labels\":{\"values\":{\"a\":\"\",\"b\":\"\",\"a\":\"\"}}}}",
            "values: a key appears twice");
}

static void knows_absence(void **state)
{
    const struct pb_type *type = &pb_workflow_CreateRunRequest_type;
    becomes(*state, type, "{\"runId\":null,\"projectId\":{\"name\":null},\"source\":null}",
            "{\"projectId\":{}}");
    becomes(*state, &pb_common_ListRequest_type, "{\"filters\":null,\"limit\":0,\"token\":\"\"}", "{}");
    stays(*state, type, "{}");
    refused(*state, type, "null", "an object is needed");
    refused(*state, type, "[]", "an object is needed here, not an array");
}

static void ignores_what_it_is_told_to(void **state)
{
    static const struct pb_json_options lenient = {.ignore_unknown = true};
    const struct pb_type *type = &pb_workflow_CreateRunRequest_type;
    struct mf_error err;
    void *msg;
    struct mf_str text =
        MF_STR("{\"new\":{\"a\":[1,true,\"\\u00e4\",null,{\"b\":-1.5e3}]},\"source\":\"NEWER\","
               "\"runId\":{\"other\":[],\"name\":\"r\"}}");
    assert_int_equal(pb_from_json(*state, type, text, &lenient, &msg, &err), MF_OK);
    assert_str(written(*state, type, msg), "{\"runId\":{\"name\":\"r\"}}");
    static const struct pb_json_options strict = {.ignore_unknown = true, .known_enums = true};
    assert_int_equal(pb_from_json(*state, type, text, &strict, &msg, &err), MF_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "has no value \"NEWER\""));
    assert_int_equal(pb_from_json(*state, type, MF_STR("{\"new\":[1,}"), &lenient, &msg, &err),
                     MF_INVALID_ARGUMENT);
    assert_int_equal(pb_from_json(*state, type, MF_STR("{\"new\":\"\\ud800\"}"), &lenient, &msg, &err),
                     MF_INVALID_ARGUMENT);
    assert_int_equal(pb_from_json(*state, type, MF_STR("{\"new\":tru}"), &lenient, &msg, &err),
                     MF_INVALID_ARGUMENT);
}

static void writes_as_asked(void **state)
{
    static const struct pb_json_options full = {.emit_defaults = true, .proto_names = true};
    struct pb_common_ListRequest *list = pb_new(*state, &pb_common_ListRequest_type);
    struct mf_error err;
    struct mf_str out;
    assert_int_equal(pb_to_json(*state, &pb_common_ListRequest_type, list, &full, &out, &err), MF_OK);
    assert_str(out, "{\"limit\":0,\"token\":\"\",\"filters\":[],\"raw_filters\":[],\"sort_by_fields\":[]}");
}

static void takes_whole_numbers_in_every_spelling(void **state)
{
    const struct pb_type *u64 = &pb_google_protobuf_UInt64Value_type;
    const struct pb_type *i64 = &pb_core_Primitive_type;
    becomes(*state, i64, "{\"integer\":15e1}", "{\"integer\":\"150\"}");
    becomes(*state, i64, "{\"integer\":\"1500.0e-1\"}", "{\"integer\":\"150\"}");
    becomes(*state, i64, "{\"integer\":-0.0}", "{\"integer\":\"0\"}");
    stays(*state, i64, "{\"integer\":\"9223372036854775807\"}");
    stays(*state, i64, "{\"integer\":\"-9223372036854775808\"}");
    becomes(*state, i64, "{\"integer\":9223372036854775807}", "{\"integer\":\"9223372036854775807\"}");
    refused(*state, i64, "{\"integer\":9223372036854775808}", "out of range");
    refused(*state, i64, "{\"integer\":1e400000000000}", "out of range");
    refused(*state, i64, "{\"integer\":1.5}", "must be whole");
    refused(*state, i64, "{\"integer\":1e-400000000000}", "must be whole");
    refused(*state, i64, "{\"integer\":\" 1\"}", "whole number");
    refused(*state, i64, "{\"integer\":\"0x1\"}", "whole number");
    refused(*state, i64, "{\"integer\":\"\"}", "whole number");
    refused(*state, i64, "{\"integer\":01}", "malformed");
    refused(*state, i64, "{\"integer\":1.}", "malformed");
    refused(*state, i64, "{\"integer\":-}", "malformed");
    refused(*state, i64, "{\"integer\":+1}", "no JSON value");
    refused(*state, i64, "{\"integer\":true}", "a number is needed here, not true");
    becomes(*state, u64, "18446744073709551615", "\"18446744073709551615\"");
    refused(*state, u64, "18446744073709551616", "out of range");
    refused(*state, u64, "-1", "out of range");
    stays(*state, &pb_common_ListRequest_type, "{\"limit\":4294967295}");
    refused(*state, &pb_common_ListRequest_type, "{\"limit\":4294967296}",
            "limit: the number is out of range");
    becomes(*state, &pb_workflow_CreateRunRequest_type, "{\"source\":1}", "{\"source\":\"RUN_SOURCE_WEB\"}");
    stays(*state, &pb_workflow_CreateRunRequest_type, "{\"source\":77}");
    refused(*state, &pb_workflow_CreateRunRequest_type, "{\"source\":2147483648}", "out of range");
}

static void takes_real_numbers(void **state)
{
    const struct pb_type *f64 = &pb_google_protobuf_DoubleValue_type;
    const struct pb_type *f32 = &pb_google_protobuf_FloatValue_type;
    static const char *const same[] = {"0",
                                       "-0",
                                       "1",
                                       "-1.5",
                                       "0.1",
                                       "1e+22",
                                       "1.7976931348623157e+308",
                                       "5e-324",
                                       "2.2250738585072014e-308",
                                       "123456789012345",
                                       "0.30000000000000004"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        stays(*state, f64, same[i]);
    becomes(*state, f64, "1e5", "100000");
    becomes(*state, f64, "\"2.50\"", "2.5");
    becomes(*state, f64, "\"NaN\"", "\"NaN\"");
    becomes(*state, f64, "\"-Infinity\"", "\"-Infinity\"");
    refused(*state, f64, "NaN", "no JSON value");
    refused(*state, f64, "1e309", "in the range of a double");
    refused(*state, f64, "\"nan\"", "in the range of a double");
    stays(*state, f32, "3.4028235e+38");
    stays(*state, f32, "1e-45");
    stays(*state, f32, "0.1");
    stays(*state, f32, "16777216");
    stays(*state, f32, "\"Infinity\"");
    refused(*state, f32, "3.5e38", "in the range of a float");
    char digits[600];
    memset(digits, '1', sizeof digits);
    memcpy(digits, "0.", 2);
    digits[sizeof digits - 1] = '\0';
    becomes(*state, f64, digits, "0.1111111111111111");
}

/* Every double reads back as itself, and no shorter text does; the samples cover all exponents. */
static void writes_the_shortest_number(void **state)
{
    uint64_t bits = 0x9E3779B97F4A7C15;
    for (int i = 0; i < 20000; i++) {
        bits = bits * 6364136223846793005U + 1442695040888963407U;
        struct mf_arena *arena = mf_arena_new(0);
        struct pb_google_protobuf_DoubleValue in = {0};
        memcpy(&in.value, &bits, sizeof bits);
        if (isfinite(in.value)) {
            struct mf_str text = written(arena, &pb_google_protobuf_DoubleValue_type, &in);
            char shorter[64];
            struct pb_google_protobuf_DoubleValue *back =
                read(arena, &pb_google_protobuf_DoubleValue_type, mf_str_to_c(arena, text));
            assert_memory_equal(&back->value, &in.value, sizeof in.value);
            snprintf(shorter, sizeof shorter, "%.14e", in.value);
            assert_true(text.len <= 24);
            assert_true(strtod(shorter, NULL) != in.value || text.len <= strlen(shorter));
        }
        mf_arena_free(arena);
    }
    (void)state;
}

static void takes_strings(void **state)
{
    const struct pb_type *type = &pb_google_protobuf_StringValue_type;
    stays(*state, type, "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\xc3\xa4\xf0\x9f\x98\x80\x7f/\"");
    becomes(*state, type, "\"\\u0041\\u00e4\\u20AC\\ud83d\\ude00\\/\"",
            "\"A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80/\"");
    stays(*state, type, "\"\\u0000 a text that is longer than a word, with an escape at its end \\n\"");
    refused(*state, type, "\"\\ud83d\"", "surrogate");
    refused(*state, type, "\"\\ud83d\\u0041\"", "surrogate");
    refused(*state, type, "\"\\ude00\"", "surrogate");
    refused(*state, type, "\"\\x41\"", "escape");
    refused(*state, type, "\"\\u12g4\"", "escape");
    refused(*state, type, "\"\\u12", "escape");
    refused(*state, type, "\"a\nb\"", "control characters");
    refused(*state, type, "\"12345678", "no end");
    refused(*state, type, "\"\\", "escape");
    refused(*state, type, "\"\xc3\"", "not valid UTF-8");
    refused(*state, type, "'a'", "a string is needed here, not no JSON value");
    refused(*state, type, "\"a\" x", "something follows");
    refused(*state, type, "", "the JSON text ends");
    struct pb_google_protobuf_StringValue bad = {.value = MF_STR("\xff")};
    struct mf_str out;
    struct mf_error err;
    assert_int_equal(pb_to_json(*state, type, &bad, NULL, &out, &err), MF_INTERNAL);
}

static void takes_bytes(void **state)
{
    const struct pb_type *type = &pb_google_protobuf_BytesValue_type;
    stays(*state, type, "\"+/8=\"");
    becomes(*state, type, "\"-_8\"", "\"+/8=\"");
    becomes(*state, type, "\"-_8=\"", "\"+/8=\"");
    stays(*state, type, "\"\"");
    refused(*state, type, "\"a\"", "base64");
    refused(*state, type, "\"a b=\"", "base64");
}

static void takes_times(void **state)
{
    const struct pb_type *type = &pb_google_protobuf_Timestamp_type;
    stays(*state, type, "\"1970-01-01T00:00:00Z\"");
    stays(*state, type, "\"0001-01-01T00:00:00Z\"");
    stays(*state, type, "\"9999-12-31T23:59:59.999999999Z\"");
    stays(*state, type, "\"2024-02-29T12:00:00.123Z\"");
    stays(*state, type, "\"1969-12-31T23:59:59.000001Z\"");
    becomes(*state, type, "\"2026-01-01T01:30:00.5+01:30\"", "\"2026-01-01T00:00:00.500Z\"");
    becomes(*state, type, "\"2026-01-01T00:00:00-00:01\"", "\"2026-01-01T00:01:00Z\"");
    static const char *const bad[] = {"\"2026-02-29T00:00:00Z\"",
                                      "\"2026-13-01T00:00:00Z\"",
                                      "\"2026-01-01T24:00:00Z\"",
                                      "\"2026-01-01 00:00:00Z\"",
                                      "\"2026-01-01T00:00:00\"",
                                      "\"2026-01-01t00:00:00Z\"",
                                      "\"0000-01-01T00:00:00Z\"",
                                      "\"2026-01-01T00:00:00.1234567890Z\"",
                                      "\"0001-01-01T00:00:00+00:01\"",
                                      "\"9999-12-31T23:59:59-00:01\"",
                                      "\"2026-01-01T00:00:00.Z\"",
                                      "\"2026-01-01T00:00:00+1:00\"",
                                      "\"\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(*state, type, bad[i], "a time such as");
    struct pb_google_protobuf_Timestamp late = {.seconds = INT64_C(253402300800)};
    struct mf_str out;
    struct mf_error err;
    assert_int_equal(pb_to_json(*state, type, &late, NULL, &out, &err), MF_INTERNAL);
    assert_non_null(strstr(err.message, "years 1 to 9999"));
}

static void takes_durations(void **state)
{
    const struct pb_type *type = &pb_google_protobuf_Duration_type;
    stays(*state, type, "\"0s\"");
    stays(*state, type, "\"-0.500s\"");
    stays(*state, type, "\"315576000000s\"");
    stays(*state, type, "\"-1.000000001s\"");
    becomes(*state, type, "\"1.1s\"", "\"1.100s\"");
    static const char *const bad[] = {"\"315576000001s\"", "\"1\"",  "\"s\"", "\"1.s\"", "\"+1s\"",
                                      "\"1.0000000001s\"", "\"1 s\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(*state, type, bad[i], "a number of seconds such as");
    struct pb_google_protobuf_Duration mixed = {.seconds = 1, .nanos = -1};
    struct mf_str out;
    struct mf_error err;
    assert_int_equal(pb_to_json(*state, type, &mixed, NULL, &out, &err), MF_INTERNAL);
}

static void takes_masks(void **state)
{
    const struct pb_type *type = &pb_google_protobuf_FieldMask_type;
    struct pb_google_protobuf_FieldMask *mask = read(*state, type, "\"fooBar.baz,q\"");
    assert_int_equal(mask->paths.count, 2);
    assert_str(mask->paths.items[0], "foo_bar.baz");
    stays(*state, type, "\"fooBar.baz,q\"");
    stays(*state, type, "\"\"");
    refused(*state, type, "\"foo_bar\"", "camelCase");
    refused(*state, type, "\"a,,b\"", "camelCase");
    refused(*state, type, "\"a,\"", "camelCase");
    struct mf_str odd[] = {MF_STR("foo_1")};
    struct pb_google_protobuf_FieldMask bad = {.paths = {.items = odd, .count = 1}};
    struct mf_str out;
    struct mf_error err;
    assert_int_equal(pb_to_json(*state, type, &bad, NULL, &out, &err), MF_INTERNAL);
}

static void takes_free_form_values(void **state)
{
    stays(*state, &pb_google_protobuf_Struct_type, "{\"a\":[1,true,null,\"x\",{\"b\":{}}],\"c\":-1.5}");
    stays(*state, &pb_google_protobuf_Value_type, "null");
    stays(*state, &pb_google_protobuf_ListValue_type, "[null,[],{}]");
    refused(*state, &pb_google_protobuf_Struct_type, "{\"a\":1,\"a\":2}", "a key appears twice");
    refused(*state, &pb_google_protobuf_Value_type, "1e999", "in the range of a double");
    struct pb_google_protobuf_Value *value = read(*state, &pb_google_protobuf_Value_type, "null");
    assert_int_equal(value->kind_case, pb_google_protobuf_Value_tag_null_value);
    struct pb_google_protobuf_Value unset = {0};
    assert_str(written(*state, &pb_google_protobuf_Value_type, &unset), "null");
    struct pb_google_protobuf_Value nan_value = {.kind_case = pb_google_protobuf_Value_tag_number_value};
    nan_value.kind.number_value = (double)NAN;
    struct mf_str out;
    struct mf_error err;
    assert_int_equal(pb_to_json(*state, &pb_google_protobuf_Value_type, &nan_value, NULL, &out, &err),
                     MF_INTERNAL);
}

static void takes_any(void **state)
{
    const struct pb_type *type = &pb_google_protobuf_Any_type;
    stays(*state, type, "{\"@type\":\"type.googleapis.com/google.rpc.Status\",\"code\":5,\"message\":\"m\"}");
    becomes(*state, type, "{\"code\":5,\"@type\":\"x/google.rpc.Status\"}",
            "{\"@type\":\"x/google.rpc.Status\",\"code\":5}");
    stays(*state, type, "{\"@type\":\"t/google.protobuf.Duration\",\"value\":\"1s\"}");
    stays(*state, type,
          "{\"@type\":\"t/google.protobuf.Any\",\"value\":{\"@type\":\"t/google.protobuf.Empty\"}}");
    stays(*state, type, "{}");
    stays(*state, &pb_google_rpc_Status_type,
          "{\"details\":[{\"@type\":\"t/google.protobuf.Value\",\"value\":null}]}");
    refused(*state, type, "{\"code\":5}", "needs \"@type\"");
    refused(*state, type, "{\"@type\":\"google.rpc.Status\"}", "no type that is known");
    refused(*state, type, "{\"@type\":\"t/none\"}", "no type that is known");
    refused(*state, type, "{\"@type\":\"t/google.rpc.Status\",\"@type\":\"t/google.rpc.Status\"}",
            "appears twice");
    refused(*state, type, "{\"@type\":\"t/google.protobuf.Duration\"}", "needs \"value\"");
    refused(*state, type, "{\"@type\":\"t/google.protobuf.Duration\",\"value\":\"1s\",\"value\":\"1s\"}",
            "appears twice");
    refused(*state, type, "{\"@type\":\"t/google.protobuf.Duration\",\"value\":\"1s\",\"x\":1}",
            "nothing but \"value\"");
}

/* Text of the given depth must be accepted by both, or refused by both: what was read has to be storable. */
static void bounds_depth(void **state)
{
    const struct pb_type *type = &pb_google_protobuf_ListValue_type;
    int refusals = 0, accepted = 0;
    for (size_t depth = 1; depth < 200; depth++) {
        char text[512] = "";
        struct mf_error err;
        void *msg;
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        if (pb_from_json(*state, type, mf_str_make(text, 2 * depth), NULL, &msg, &err) != MF_OK) {
            assert_non_null(strstr(err.message, "nested deeper"));
            refusals++;
            continue;
        }
        struct mf_str bytes, out;
        accepted++;
        assert_int_equal(pb_encode(*state, type, msg, &bytes, &err), MF_OK);
        assert_int_equal(pb_decode(*state, type, bytes, &msg, &err), MF_OK);
        assert_int_equal(pb_to_json(*state, type, msg, NULL, &out, &err), MF_OK);
        assert_int_equal(out.len, 2 * depth);
    }
    assert_true(accepted >= 45);
    assert_true(refusals >= 100);
    char deep[4096];
    struct mf_error err;
    void *msg;
    static const struct pb_json_options lenient = {.ignore_unknown = true};
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"x\":", 5);
    assert_int_equal(
        pb_from_json(*state, &pb_core_Primitive_type, mf_str_make(deep, sizeof deep), &lenient, &msg, &err),
        MF_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "nested deeper"));
}

static void keys_of_maps_are_strings(void **state)
{
    const struct pb_type *type = &pb_core_LiteralMap_type;
    stays(*state, type, "{\"literals\":{\"\\\"\":{},\"b\":{\"scalar\":{\"primitive\":{\"boolean\":true}}}}}");
    refused(*state, type, "{\"literals\":{a:{}}}", "a string is needed");
    refused(*state, type, "{\"literals\":{\"a\":null}}", "literals[\"a\"]: null cannot stand here");
    refused(*state, type, "{\"literals\":{\"a\" {}}}", "':' is needed");
    refused(*state, type, "{\"literals\":{\"a\":{},}}", "a string is needed");
    refused(*state, type, "{\"literals\":{\"a\":{}]}", "',' or '}' is needed");
}

/* Each limit of memory gives either the message or the error, never a crash or a leak. */
static void survives_a_lack_of_memory(void **state)
{
    const struct pb_type *type = &pb_core_LiteralMap_type;
    static const char text[] =
        "{\"literals\":{\"a\\n\":{\"scalar\":{\"generic\":{\"x\":[1,2,3,4,5,6,\"y\\n\"]}}},\"b\":{}}}";
    int failed = 0, worked = 0;
    (void)state;
    for (size_t max = 4096; max < 65536; max += 512) {
        struct mf_arena *arena = mf_arena_new(max);
        struct mf_str out;
        struct mf_error err;
        void *msg;
        char *filler = mf_arena_bytes(arena, 3800);
        assert_non_null(filler);
        enum mf_code code = pb_from_json(arena, type, mf_str_from_c(text), NULL, &msg, &err);
        if (code == MF_OK)
            code = pb_to_json(arena, type, msg, NULL, &out, &err);
        assert_true(code == MF_OK || code == MF_RESOURCE_EXHAUSTED);
        failed += code != MF_OK;
        worked += code == MF_OK;
        mf_arena_free(arena);
    }
    assert_true(failed > 0);
    assert_true(worked > 0);
}

/* The text ends anywhere: always an error, never a read beyond the end (each text lies in memory of its own
 * size). */
static void survives_every_cut(void **state)
{
    static const char text[] =
        "{\"literals\":{\"a\\u00e4\":{\"scalar\":{\"primitive\":{\"floatValue\":-1.5e+3}}},"
        "\"b\":{\"scalar\":{\"generic\":{\"x\":[true,false,null,\"\\ud83d\\ude00\"]}}}}}";
    for (size_t len = 0; len + 1 < sizeof text; len++) {
        struct mf_error err;
        void *msg;
        char *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy + 1, text, len);
        assert_int_equal(
            pb_from_json(*state, &pb_core_LiteralMap_type, mf_str_make(copy + 1, len), NULL, &msg, &err),
            MF_INVALID_ARGUMENT);
        free(copy);
    }
    becomes(*state, &pb_core_LiteralMap_type, text,
            "{\"literals\":{\"a\xc3\xa4\":{\"scalar\":{\"primitive\":{\"floatValue\":-1500}}},"
            "\"b\":{\"scalar\":{\"generic\":{\"x\":[true,false,null,\"\xf0\x9f\x98\x80\"]}}}}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_a_request, setup, teardown),
        cmocka_unit_test_setup_teardown(names_where_it_stumbled, setup, teardown),
        cmocka_unit_test_setup_teardown(knows_absence, setup, teardown),
        cmocka_unit_test_setup_teardown(ignores_what_it_is_told_to, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_as_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_whole_numbers_in_every_spelling, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_real_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_the_shortest_number, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_strings, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_times, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_durations, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_masks, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_free_form_values, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_any, setup, teardown),
        cmocka_unit_test_setup_teardown(bounds_depth, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_of_maps_are_strings, setup, teardown),
        cmocka_unit_test_setup_teardown(survives_a_lack_of_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(survives_every_cut, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
