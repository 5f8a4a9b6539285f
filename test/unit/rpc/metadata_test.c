#include "rpc/media.h"
#include "rpc/metadata.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void connect_timeouts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns; /* -1: refused */
    } rows[] = {
        {"0", 0},
        {"1", 1000000},
        {"5000", 5000000000},
        {"9999999999", 9999999999000000},
        {"12345678901", -1},
        {"", -1},
        {"-1", -1},
        {"1.5", -1},
        {"1 ", -1},
        {"abc", -1},
        {"+1", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t ns = -1;
        struct mf_error err;
        enum mf_code code = mf_timeout_parse_connect(mf_str_from_c(rows[i].text), &ns, &err);
        assert_int_equal(code, rows[i].ns < 0 ? MF_INVALID_ARGUMENT : MF_OK);
        assert_int_equal(ns, rows[i].ns);
    }
}

static void grpc_timeouts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        {"1H", 3600000000000},
        {"2M", 120000000000},
        {"3S", 3000000000},
        {"4m", 4000000},
        {"5u", 5000},
        {"6n", 6},
        {"99999999H", INT64_MAX},
        {"0S", 0},
        {"999999999S", -1},
        {"S", -1},
        {"5", -1},
        {"5s", -1},
        {"", -1},
        {"5 S", -1},
        {"-5S", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t ns = -1;
        struct mf_error err;
        enum mf_code code = mf_timeout_parse_grpc(mf_str_from_c(rows[i].text), &ns, &err);
        assert_int_equal(code, rows[i].ns < 0 ? MF_INVALID_ARGUMENT : MF_OK);
        assert_int_equal(ns, rows[i].ns);
    }
}

static void messages_are_percent_encoded(void **state)
{
    (void)state;
    struct mf_arena *arena = mf_arena_new(0);
    static const char *const rows[][2] = {
        {"plain text, ok!", "plain text, ok!"},
        {"50%", "50%25"},
        {"a\nb", "a%0Ab"},
        {"\xc3\xbc", "%C3%BC"},
        {"\x7f~", "%7F~"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mf_str text = mf_grpc_message_encode(arena, mf_str_from_c(rows[i][0]));
        assert_true(mf_str_eq_c(text, rows[i][1]));
    }
    mf_arena_free(arena);
}

static void steering_headers_are_found(void **state)
{
    (void)state;
    const struct mf_header headers[] = {
        {MF_STR("host"), MF_STR("x")},
        {MF_STR("content-type"), MF_STR("application/proto")},
        {MF_STR("connect-timeout-ms"), MF_STR("12")},
        {MF_STR("grpc-timeout"), MF_STR("1S")},
        {MF_STR("content-type"), MF_STR("second")},
        {MF_STR("cookie-of-some-length"), MF_STR("no")},
    };
    struct mf_rpc_headers found;
    mf_rpc_headers_read(&found, headers, sizeof headers / sizeof *headers);
    assert_true(mf_str_eq_c(found.content_type, "application/proto"));
    assert_true(mf_str_eq_c(found.connect_timeout_ms, "12"));
    assert_true(mf_str_eq_c(found.grpc_timeout, "1S"));
    assert_null(found.grpc_encoding.ptr);
}

static void metadata_is_checked(void **state)
{
    (void)state;
    assert_true(mf_metadata_valid(MF_STR("x-name-bin"), MF_STR("value \xc3\xbc")));
    assert_true(mf_metadata_valid(MF_STR("x"), MF_STR("")));
    assert_false(mf_metadata_valid(MF_STR("X-Name"), MF_STR("v")));
    assert_false(mf_metadata_valid(MF_STR(""), MF_STR("v")));
    assert_false(mf_metadata_valid(MF_STR("a b"), MF_STR("v")));
    assert_false(mf_metadata_valid(MF_STR("a:"), MF_STR("v")));
    assert_false(mf_metadata_valid(MF_STR("a"), MF_STR("x\r\ny: z")));
}

static void content_types(void **state)
{
    (void)state;
    assert_int_equal(mf_media_find(MF_STR("application/proto"))->protocol, MF_PROTOCOL_CONNECT);
    assert_int_equal(mf_media_find(MF_STR("Application/JSON; charset=utf-8"))->codec, MF_CODEC_JSON);
    assert_int_equal(mf_media_find(MF_STR("application/connect+json"))->protocol, MF_PROTOCOL_CONNECT_STREAM);
    assert_int_equal(mf_media_find(MF_STR("application/grpc"))->protocol, MF_PROTOCOL_GRPC);
    assert_int_equal(mf_media_find(MF_STR("application/grpc-web-text+proto"))->protocol,
                     MF_PROTOCOL_GRPC_WEB_TEXT);
    assert_null(mf_media_find(MF_STR("application/grpc+foo")));
    assert_null(mf_media_find(MF_STR("text/plain")));
    assert_null(mf_media_find((struct mf_str){0}));
    assert_int_equal(mf_media_for_get(MF_STR("json"))->codec, MF_CODEC_JSON);
    assert_null(mf_media_for_get(MF_STR("xml")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_timeouts),
        cmocka_unit_test(grpc_timeouts),
        cmocka_unit_test(messages_are_percent_encoded),
        cmocka_unit_test(steering_headers_are_found),
        cmocka_unit_test(metadata_is_checked),
        cmocka_unit_test(content_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
