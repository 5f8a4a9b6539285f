#include "base/arena.h"
#include "rpc/connect.h"
#include "rpc/grpc.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct mf_detail details[] = {
    {MF_STR("a.B"), MF_STR("\x08\x01"), MF_STR("{\"x\":1}")},
    {MF_STR("c.D"), MF_STR("\xff\xfe\xfd"), {0}},
};
static const struct mf_header trailers[] = {
    {MF_STR("x-a"), MF_STR("1")},
    {MF_STR("x-b"), MF_STR("2")},
    {MF_STR("x-a"), MF_STR("3")},
};

static void expect_error(const struct mf_outcome *outcome, const char *json)
{
    struct mf_buf out = MF_BUF_INIT(0);
    mf_connect_error_json(&out, outcome);
    assert_true(mf_buf_add_char(&out, 0));
    assert_string_equal(out.ptr, json);
    mf_buf_free(&out);
}

static void expect_end(const struct mf_outcome *outcome, const char *json)
{
    struct mf_buf out = MF_BUF_INIT(0);
    mf_connect_end_json(&out, outcome);
    assert_true(mf_buf_add_char(&out, 0));
    assert_string_equal(out.ptr, json);
    mf_buf_free(&out);
}

static void error_json(void **state)
{
    (void)state;
    expect_error(&(struct mf_outcome){.code = MF_NOT_FOUND}, "{\"code\":\"not_found\"}");
    expect_error(&(struct mf_outcome){.code = MF_INTERNAL, .message = MF_STR("a \"b\"\\\n\x01 \xc3\xbc")},
                 "{\"code\":\"internal\",\"message\":\"a \\\"b\\\"\\\\\\u000a\\u0001 \xc3\xbc\"}");
    expect_error(&(struct mf_outcome){.code = MF_INTERNAL, .message = MF_STR("bad \xff")},
                 "{\"code\":\"internal\",\"message\":\"bad \\ufffd\"}");
    expect_error(
        &(struct mf_outcome){.code = MF_ABORTED, .details = details, .detail_count = 2},
        "{\"code\":\"aborted\",\"details\":[{\"type\":\"a.B\",\"value\":\"CAE\",\"debug\":{\"x\":1}},"
        "{\"type\":\"c.D\",\"value\":\"//79\"}]}");
}

static void end_of_stream_json(void **state)
{
    (void)state;
    expect_end(&(struct mf_outcome){0}, "{}");
    expect_end(&(struct mf_outcome){.trailers = trailers, .trailer_count = 3},
               "{\"metadata\":{\"x-a\":[\"1\",\"3\"],\"x-b\":[\"2\"]}}");
    expect_end(&(struct mf_outcome){.code = MF_UNAVAILABLE, .trailers = trailers, .trailer_count = 1},
               "{\"error\":{\"code\":\"unavailable\"},\"metadata\":{\"x-a\":[\"1\"]}}");
}

static void get_query(void **state)
{
    (void)state;
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_connect_get get;
    struct mf_error err;
    assert_int_equal(
        mf_connect_get_parse(
            arena, MF_STR("connect=v1&encoding=json&message=%7B%22a%22%3A1%7D&compression=gzip"), &get, &err),
        MF_OK);
    assert_true(mf_str_eq_c(get.encoding, "json"));
    assert_true(mf_str_eq_c(get.message, "{\"a\":1}"));
    assert_true(mf_str_eq_c(get.version, "v1"));
    assert_true(mf_str_eq_c(get.compression, "gzip"));

    assert_int_equal(mf_connect_get_parse(arena, MF_STR("message=CAE&base64=1&encoding=proto"), &get, &err),
                     MF_OK);
    assert_true(mf_str_eq(get.message, MF_STR("\x08\x01")));
    assert_int_equal(mf_connect_get_parse(arena, MF_STR("base64=1&message=-_8%3D"), &get, &err), MF_OK);
    assert_true(mf_str_eq(get.message, MF_STR("\xfb\xff")));
    assert_int_equal(mf_connect_get_parse(arena, MF_STR("message="), &get, &err), MF_OK);
    assert_int_equal(get.message.len, 0);

    assert_int_equal(mf_connect_get_parse(arena, MF_STR("encoding=json"), &get, &err), MF_INVALID_ARGUMENT);
    assert_int_equal(mf_connect_get_parse(arena, MF_STR(""), &get, &err), MF_INVALID_ARGUMENT);
    assert_int_equal(mf_connect_get_parse(arena, MF_STR("message=%4"), &get, &err), MF_INVALID_ARGUMENT);
    assert_int_equal(mf_connect_get_parse(arena, MF_STR("message=*&base64=1"), &get, &err),
                     MF_INVALID_ARGUMENT);
    mf_arena_free(arena);
}

static void grpc_outcome(void **state)
{
    (void)state;
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_header out[3 + MF_GRPC_TRAILERS];
    assert_int_equal(mf_grpc_trailers(arena, &(struct mf_outcome){0}, out), 1);
    assert_true(mf_str_eq_c(out[0].value, "0"));

    struct mf_outcome outcome = {.code = MF_UNAUTHENTICATED,
                                 .message = MF_STR("n\xc3\xb6"),
                                 .details = details,
                                 .detail_count = 1,
                                 .trailers = trailers,
                                 .trailer_count = 2};
    assert_int_equal(mf_grpc_trailers(arena, &outcome, out), 5);
    assert_true(mf_str_eq_c(out[0].value, "16"));
    assert_true(mf_str_eq_c(out[1].name, "grpc-message"));
    assert_true(mf_str_eq_c(out[1].value, "n%C3%B6"));
    assert_true(mf_str_eq_c(out[2].name, "grpc-status-details-bin"));
    /* Made with Python's protobuf: Status(code=16, message="nö", details=[Any("type.googleapis.com/a.B",
     * b"\x08\x01")]). */
    assert_true(mf_str_eq_c(out[2].value, "CBASA27DthodChd0eXBlLmdvb2dsZWFwaXMuY29tL2EuQhICCAE"));
    assert_true(mf_str_eq_c(out[4].value, "2"));
    mf_arena_free(arena);
}

static void web_trailer_frame(void **state)
{
    (void)state;
    struct mf_buf out = MF_BUF_INIT(0);
    mf_grpc_web_trailer_frame(&out, trailers, 2);
    assert_true(mf_str_eq(mf_buf_str(&out), MF_STR("\x80\x00\x00\x00\x10x-a: 1\r\nx-b: 2\r\n")));
    mf_buf_free(&out);
}

static void web_text_at_every_split(void **state)
{
    (void)state;
    /* "hello" and "world!" as two padded pieces. */
    static const char text[] = "aGVsbG8=d29ybGQh";
    const size_t len = sizeof text - 1;
    for (size_t split = 0; split <= len; split++) {
        struct mf_web_text reader = {0};
        char copy[sizeof text], out[sizeof text];
        memcpy(copy, text, sizeof text);
        ptrdiff_t a = mf_web_text_decode(&reader, copy, split);
        assert_true(a >= 0);
        memcpy(out, copy, (size_t)a);
        ptrdiff_t b = mf_web_text_decode(&reader, copy + split, len - split);
        assert_true(b >= 0);
        memcpy(out + a, copy + split, (size_t)b);
        assert_int_equal(a + b, 11);
        assert_memory_equal(out, "helloworld!", 11);
    }
    struct mf_web_text reader = {0};
    char bad[] = "aG*s";
    assert_int_equal(mf_web_text_decode(&reader, bad, 4), -1);

    struct mf_buf out = MF_BUF_INIT(0);
    mf_web_text_encode(&out, MF_STR("hello"));
    mf_web_text_encode(&out, MF_STR("world!"));
    assert_true(mf_str_eq(mf_buf_str(&out), mf_str_make(text, len)));
    mf_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_json),        cmocka_unit_test(end_of_stream_json),
        cmocka_unit_test(get_query),         cmocka_unit_test(grpc_outcome),
        cmocka_unit_test(web_trailer_frame), cmocka_unit_test(web_text_at_every_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
