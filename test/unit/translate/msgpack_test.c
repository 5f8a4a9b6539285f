#include "testing.h"

#include "base/encode.h"
#include "translate/msgpack.h"

#include <stdio.h>

static struct mf_arena *arena;
static struct mf_error err;

static int setup(void **state)
{
    (void)state;
    arena = mf_arena_new(0);
    return arena ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mf_arena_free(arena);
    return 0;
}

static struct mf_str bytes_of(const char *hex)
{
    size_t len = strlen(hex) / 2;
    char *bytes = mf_arena_bytes(arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        unsigned value = 0;
        sscanf(hex + 2 * i, "%2x", &value);
        bytes[i] = (char)value;
    }
    return mf_str_make(bytes, len);
}

static void expect_json(const char *hex, const char *json)
{
    struct mf_conv c = {.arena = arena, .err = &err};
    struct pb_google_protobuf_Value *value = NULL;
    struct mf_str text;
    assert_int_equal(mf_msgpack_to_json(&c, bytes_of(hex), &value), MF_OK);
    if (!json) {
        assert_null(value);
        return;
    }
    assert_non_null(value);
    assert_int_equal(pb_to_json(arena, &pb_google_protobuf_Value_type, value, NULL, &text, &err), MF_OK);
    assert_string_equal(mf_str_to_c(arena, text), json);
}

static void every_form_is_read(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"c0", "null"},
        {"c2", "false"},
        {"c3", "true"},
        {"00", "0"},
        {"7f", "127"},
        {"ff", "-1"},
        {"e0", "-32"},
        {"ccff", "255"},
        {"cdffff", "65535"},
        {"ceffffffff", "4294967295"},
        {"cfffffffffffffffff", "\"18446744073709551615\""},
        {"cf0020000000000001", "\"9007199254740993\""},
        {"d080", "-128"},
        {"d18000", "-32768"},
        {"d280000000", "-2147483648"},
        {"d38000000000000000", "\"-9223372036854775808\""},
        {"ca3fc00000", "1.5"},
        {"cb3ff8000000000000", "1.5"},
        {"cb7ff8000000000000", "\"NaN\""},
        {"a0", "\"\""},
        {"a161", "\"a\""},
        {"d90161", "\"a\""},
        {"da000161", "\"a\""},
        {"db0000000161", "\"a\""},
        {"c4020102", "\"AQI=\""},
        {"c500020102", "\"AQI=\""},
        {"c6000000020102", "\"AQI=\""},
        {"a1ff", "\"/w==\""}, /* no UTF-8 */
        {"90", "[]"},
        {"9201c0", "[1,null]"},
        {"dc000101", "[1]"},
        {"dd0000000101", "[1]"},
        {"80", "{}"},
        {"81a16101", "{\"a\":1}"},
        {"de0001a16101", "{\"a\":1}"},
        {"df00000001a16101", "{\"a\":1}"},
        {"810102", "{\"1\":2}"},
        {"81ff02", "{\"-1\":2}"},
        {"81c302", "{\"true\":2}"},
        {"81c002", "{\"null\":2}"},
        {"81c4010102", "{\"AQ==\":2}"},
        {"d6ff00000001", "\"1970-01-01T00:00:01Z\""},
        {"d7ff0000000400000001", "\"1970-01-01T00:00:01.000000001Z\""},
        {"c70cff00000001ffffffffffffffff", "\"1969-12-31T23:59:59.000000001Z\""},
        {"d40105", "\"BQ==\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_json(rows[i][0], rows[i][1]);
}

static void what_is_none(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",       "c1",     "c0c0",     "cc", "a2",         "a261",       "91", "81",
        "81a161", "8190c0", "81a1ffc0", "d9", "dd7fffffff", "df7fffffff", "c7", "cb00",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_json(rows[i], NULL);
}

static void expect_hex(const char *json, const char *schema, const char *hex)
{
    struct mf_conv c = {.arena = arena, .err = &err};
    void *value = NULL;
    void *shape = NULL;
    struct mf_str out;
    assert_int_equal(
        pb_from_json(arena, &pb_google_protobuf_Value_type, mf_str_from_c(json), NULL, &value, &err), MF_OK);
    if (schema)
        assert_int_equal(
            pb_from_json(arena, &pb_google_protobuf_Struct_type, mf_str_from_c(schema), NULL, &shape, &err),
            MF_OK);
    assert_int_equal(mf_value_to_msgpack(&c, value, shape, &out), MF_OK);
    assert_string_equal(mf_str_to_c(arena, mf_hex(arena, out)), hex);
}

static void values_are_written(void **state)
{
    (void)state;
    expect_hex("null", NULL, "c0");
    expect_hex("true", NULL, "c3");
    expect_hex("1", NULL, "01");
    expect_hex("-1", NULL, "ff");
    expect_hex("-33", NULL, "d0df");
    expect_hex("200", NULL, "ccc8");
    expect_hex("70000", NULL, "ce00011170");
    expect_hex("1.5", NULL, "cb3ff8000000000000");
    expect_hex("1e16", NULL, "cb4341c37937e08000");
    expect_hex("-0.0", NULL, "00");
    expect_hex("\"12\"", NULL, "a23132");
    expect_hex("[1,{\"a\":[]}]", NULL, "920181a16190");
}

/* The schema tells integers from floats, and digits from text. */
static void schemas_are_followed(void **state)
{
    (void)state;
    expect_hex("2", "{\"type\":\"number\"}", "cb4000000000000000");
    expect_hex("2", "{\"type\":\"integer\"}", "02");
    expect_hex("\"9007199254740993\"", "{\"type\":\"integer\"}", "cf0020000000000001");
    expect_hex("\"18446744073709551615\"", "{\"type\":\"integer\"}", "cfffffffffffffffff");
    expect_hex("\"NaN\"", "{\"type\":\"number\"}", "cb7ff8000000000000");
    expect_hex("\"12\"", "{\"type\":\"string\"}", "a23132");
    expect_hex("\"12\"", "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}", "a23132");
    expect_hex("2", "{\"anyOf\":[{\"type\":\"number\"},{\"type\":\"null\"}]}", "cb4000000000000000");
    expect_hex("{\"a\":2,\"b\":[2]}",
               "{\"properties\":{\"a\":{\"type\":\"number\"},\"b\":{\"type\":\"array\",\"items\":{\"type\":"
               "\"number\"}}}}",
               "82a161cb4000000000000000a16291cb4000000000000000");
    expect_hex("{\"a\":2}", "{\"additionalProperties\":{\"type\":\"number\"}}", "81a161cb4000000000000000");
    expect_hex("{\"a\":{\"f\":2}}",
               "{\"properties\":{\"a\":{\"$ref\":\"#/$defs/"
               "In\"}},\"$defs\":{\"In\":{\"properties\":{\"f\":{\"type\":"
               "\"number\"}}}}}",
               "81a16181a166cb4000000000000000");
    expect_hex("2", "{\"$ref\":\"#\"}", "02");
    expect_hex("2", "{\"$ref\":\"#/a\",\"a\":{\"$ref\":\"#/a\"}}", "02");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_form_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(values_are_written, setup, teardown),
        cmocka_unit_test_setup_teardown(schemas_are_followed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
