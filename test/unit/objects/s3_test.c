#include "s3_world.h"

static void small_and_large_bodies(void **state)
{
    struct s3_world *w = *state;
    const size_t sizes[] = {0, 1, 32 << 10, (32 << 10) + 1, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct mf_str body = s3_bytes(w, sizes[i], 1);
        char target[48];
        snprintf(target, sizeof target, "/mayfly/size/%zu", sizes[i]);
        struct s3_answer put = s3_put(w, target, body);
        assert_int_equal(put.status, 200);
        struct s3_answer get = s3_get(w, target);
        assert_int_equal(get.status, 200);
        assert_true(mf_str_eq(get.body, body));
        assert_true(mf_str_eq(get.etag, put.etag));
        struct s3_answer head = s3_call(w, &(struct s3_call){.method = "HEAD", .target = target});
        assert_int_equal(head.status, 200);
        assert_int_equal(head.body.len, 0);
        char length[24];
        snprintf(length, sizeof length, "%zu", sizes[i]);
        assert_str(s3_header(&head, "content-length"), length);
        assert_true(s3_header(&head, "last-modified").len == 29);
    }
    assert_int_equal(s3_files(w), 2);
    assert_str(s3_put(w, "/mayfly/x", MF_STR("hello")).etag, "\"5d41402abc4b2a76b9719d911017c592\"");
    struct s3_answer missing = s3_get(w, "/mayfly/none");
    s3_expect_fault(&missing, 404, "<Code>NoSuchKey</Code>");
    missing = s3_call(w, &(struct s3_call){.method = "HEAD", .target = "/mayfly/none"});
    assert_int_equal(missing.status, 404);
    assert_int_equal(missing.body.len, 0);
}

static void metadata(void **state)
{
    struct s3_world *w = *state;
    const struct s3_call put = {.method = "PUT",
                                .target = "/mayfly/m",
                                .body = MF_STR("x"),
                                .headers = {{MF_STR("content-type"), MF_STR("text/html")},
                                            {MF_STR("content-encoding"), MF_STR("gzip")},
                                            {MF_STR("x-amz-meta-a"), MF_STR("b c")}}};
    assert_int_equal(s3_call(w, &put).status, 200);
    struct s3_answer get = s3_get(w, "/mayfly/m");
    assert_str(s3_header(&get, "content-type"), "text/html");
    assert_str(s3_header(&get, "content-encoding"), "gzip");
    assert_str(s3_header(&get, "x-amz-meta-a"), "b c");
    get = s3_get(
        w, "/mayfly/"
           "m?response-content-disposition=attachment%3B%20filename%3Da&response-content-type=a%0d%0ab:c");
    assert_str(s3_header(&get, "content-disposition"), "attachment; filename=a");
    assert_str(s3_header(&get, "content-type"), "text/html"); /* the line break was refused */

    char big[9000];
    memset(big, 'm', sizeof big);
    struct s3_call much = put;
    much.headers[2].value = mf_str_make(big, sizeof big);
    struct s3_answer refused = s3_call(w, &much);
    s3_expect_fault(&refused, 400, "MetadataTooLarge");
}

static void ranges_of(struct s3_world *w, const char *target, struct mf_str body)
{
    const struct {
        const char *range;
        int status;
        size_t from, len;
        const char *content_range;
    } ranges[] = {
        {"bytes=3-9", 206, 3, 7, "bytes 3-9/100000"},
        {"bytes=0-0", 206, 0, 1, "bytes 0-0/100000"},
        {"bytes=99990-", 206, 99990, 10, "bytes 99990-99999/100000"},
        {"bytes=99990-200000", 206, 99990, 10, "bytes 99990-99999/100000"},
        {"bytes=-5", 206, 99995, 5, "bytes 99995-99999/100000"},
        {"bytes=-200000", 206, 0, 100000, "bytes 0-99999/100000"},
        {"bytes=100000-", 416, 0, 0, NULL},
        {"bytes=-0", 416, 0, 0, NULL},
        {"bytes=5-3", 200, 0, 100000, NULL},
        {"bytes=0-1,3-4", 200, 0, 100000, NULL},
        {"lines=0-1", 200, 0, 100000, NULL},
        {"bytes=x-", 200, 0, 100000, NULL},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        struct s3_answer answer =
            s3_call(w, &(struct s3_call){.method = "GET",
                                         .target = target,
                                         .headers = {{MF_STR("range"), mf_str_from_c(ranges[i].range)}}});
        assert_int_equal(answer.status, ranges[i].status);
        if (answer.status == 416)
            continue;
        assert_true(mf_str_eq(answer.body, mf_str_take(mf_str_skip(body, ranges[i].from), ranges[i].len)));
        if (ranges[i].content_range)
            assert_str(s3_header(&answer, "content-range"), ranges[i].content_range);
    }
}

static void ranges(void **state)
{
    struct s3_world *w = *state;
    struct mf_str body = s3_bytes(w, 100000, 7);
    assert_int_equal(s3_put(w, "/mayfly/r", body).status, 200);
    ranges_of(w, "/mayfly/r", body);
}

static void conditions(void **state)
{
    struct s3_world *w = *state;
    struct mf_str etag = s3_put(w, "/mayfly/c", MF_STR("hello")).etag;
    struct mf_str past = MF_STR("Mon, 01 Jan 2024 00:00:00 GMT");
    struct mf_str future = MF_STR("Fri, 01 Jan 2100 00:00:00 GMT");
    const struct {
        struct mf_header header;
        int status;
    } cases[] = {
        {{MF_STR("if-match"), etag}, 200},
        {{MF_STR("if-match"), MF_STR("*")}, 200},
        {{MF_STR("if-match"), MF_STR("\"a\", \"b\"")}, 412},
        {{MF_STR("if-none-match"), etag}, 304},
        {{MF_STR("if-none-match"), MF_STR("\"a\"")}, 200},
        {{MF_STR("if-modified-since"), past}, 200},
        {{MF_STR("if-modified-since"), future}, 304},
        {{MF_STR("if-unmodified-since"), past}, 412},
        {{MF_STR("if-unmodified-since"), future}, 200},
        {{MF_STR("if-modified-since"), MF_STR("yesterday")}, 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct s3_call call = {.method = "GET", .target = "/mayfly/c", .headers = {cases[i].header}};
        assert_int_equal(s3_call(w, &call).status, cases[i].status);
    }
    struct s3_call once = {.method = "PUT",
                           .target = "/mayfly/once",
                           .body = MF_STR("first"),
                           .headers = {{MF_STR("if-none-match"), MF_STR("*")}}};
    assert_int_equal(s3_call(w, &once).status, 200);
    once.body = MF_STR("second");
    struct s3_answer again = s3_call(w, &once);
    s3_expect_fault(&again, 412, "PreconditionFailed");
    s3_expect_body(w, "/mayfly/once", MF_STR("first"));
    once.headers[0] = (struct mf_header){MF_STR("if-match"), etag};
    assert_int_equal(s3_call(w, &once).status, 501);
}

static void bodies_that_are_not_what_was_announced(void **state)
{
    struct s3_world *w = *state;
    struct mf_str large = s3_bytes(w, 500000, 3);
    struct s3_call call = {.method = "PUT",
                           .target = "/mayfly/b",
                           .body = MF_STR("hello"),
                           .headers = {{MF_STR("content-md5"), MF_STR("XUFAKrxLKna5cZ2REBfFkg==")}}};
    assert_int_equal(s3_call(w, &call).status, 200);
    call.body = large;
    struct s3_answer answer = s3_call(w, &call);
    s3_expect_fault(&answer, 400, "BadDigest");
    call.headers[0].value = MF_STR("c2hvcnQ=");
    answer = s3_call(w, &call);
    s3_expect_fault(&answer, 400, "InvalidDigest");
    call.headers[0] = (struct mf_header){0};
    call.payload = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"; /* of "hello" */
    answer = s3_call(w, &call);
    s3_expect_fault(&answer, 400, "XAmzContentSHA256Mismatch");
    call.payload = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD";
    answer = s3_call(w, &call);
    s3_expect_fault(&answer, 501, "NotImplemented");
    call.payload = "UNSIGNED-PAYLOAD";
    assert_int_equal(s3_call(w, &call).status, 200);
    call.body = s3_bytes(w, OBJECT_MAX + 1, 0);
    answer = s3_call(w, &call);
    s3_expect_fault(&answer, 400, "EntityTooLarge");
    call.headers[0] = (struct mf_header){MF_STR("content-length"), MF_STR("3000001")};
    answer = s3_call(w, &call);
    s3_expect_fault(&answer, 400, "EntityTooLarge");
    s3_expect_body(w, "/mayfly/b", large);
    assert_int_equal(s3_files(w), 1);
}

static void names_and_addresses(void **state)
{
    struct s3_world *w = *state;
    const char *bad[] = {"/mayfly/../x",  "/mayfly/a/../../x",   "/mayfly//x",    "/mayfly/a//b",
                         "/mayfly/./a",   "/mayfly/..%2f..%2fx", "/mayfly/a%00b", "/mayfly/%2fetc",
                         "/mayfly/a%0ab", "/mayfly/%ff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(s3_put(w, bad[i], MF_STR("x")).status, 400);
    assert_int_equal(s3_files(w), 0);
    const struct {
        const char *method, *target;
        int status;
    } calls[] = {
        {"GET", "/mayfly/x?acl", 501},
        {"GET", "/mayfly/x?versionId=1", 501},
        {"PUT", "/mayfly/x?tagging", 501},
        {"GET", "/mayfly?uploads", 501},
        {"POST", "/mayfly/x", 501},
        {"PATCH", "/mayfly/x", 405},
        {"DELETE", "/mayfly", 501},
        {"HEAD", "/mayfly", 200},
        {"GET", "/mayfly?location", 200},
        {"PUT", "/mayfly/x?partNumber=1", 501},
        {"GET", "/mayfly/x?x-id=GetObject", 404},
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        assert_int_equal(
            s3_call(w, &(struct s3_call){.method = calls[i].method, .target = calls[i].target}).status,
            calls[i].status);
    /* A name with everything that has a meaning elsewhere. */
    const char *odd = "/mayfly/%20%3F%23%25%2B%26%3D%C3%BC%22%3C";
    assert_int_equal(s3_put(w, odd, MF_STR("odd")).status, 200);
    s3_expect_body(w, odd, MF_STR("odd"));
}

static void nothing_without_a_signature(void **state)
{
    struct s3_world *w = *state;
    assert_int_equal(s3_put(w, "/mayfly/s", MF_STR("x")).status, 200);
    struct mf_exchange *exchange = fake_exchange_new(w->loop, "GET", "/mayfly/s", NULL, 0);
    fake_open(exchange, mf_rpc_on_request, w->rpc);
    struct s3_answer answer = s3_close(w, exchange);
    s3_expect_fault(&answer, 403, "AccessDenied");
    answer =
        s3_call(w, &(struct s3_call){.method = "DELETE", .target = "/mayfly/s", .secret = MF_STR("guess")});
    s3_expect_fault(&answer, 403, "SignatureDoesNotMatch");
    s3_expect_body(w, "/mayfly/s", MF_STR("x"));
}

static struct s3_answer by_link(struct s3_world *w, const char *method, const struct mf_presign *presign,
                                const struct mf_header *headers, size_t count, struct mf_str body)
{
    struct mf_str url;
    assert_int_equal(mf_object_presign(w->objects, w->entity.arena, presign, &url, &w->entity.err), MF_OK);
    const struct mf_str prefix = MF_STR("http://test");
    assert_true(mf_str_starts(url, prefix));
    char *target = mf_str_to_c(w->entity.arena, mf_str_skip(url, prefix.len));
    struct mf_exchange *exchange = fake_exchange_new(w->loop, method, target, headers, count);
    fake_open(exchange, mf_rpc_on_request, w->rpc);
    if (!exchange->ended)
        s3_send(w, exchange, body);
    assert_true(fake_until_ended(exchange));
    return s3_close(w, exchange);
}

static void links(void **state)
{
    struct s3_world *w = *state;
    const struct mf_presign put = {.put = true,
                                   .uri = MF_STR("s3://mayfly/a link"),
                                   .expires_s = 60,
                                   .content_md5 = MF_STR("XUFAKrxLKna5cZ2REBfFkg==")};
    const struct mf_presign get = {.uri = MF_STR("s3://mayfly/a link"), .expires_s = 60};
    struct mf_header headers[] = {{MF_STR("content-md5"), MF_STR("XUFAKrxLKna5cZ2REBfFkg==")},
                                  {MF_STR("x-amz-acl"), MF_STR("public-read")}};
    assert_int_equal(by_link(w, "PUT", &put, headers, 1, MF_STR("hello")).status, 200);
    struct s3_answer answer = by_link(w, "PUT", &put, NULL, 0, MF_STR("hello"));
    s3_expect_fault(&answer, 403, "SignatureDoesNotMatch");
    answer = by_link(w, "PUT", &put, headers, 1, MF_STR("other"));
    s3_expect_fault(&answer, 400, "BadDigest");
    answer = by_link(w, "PUT", &put, headers, 2, MF_STR("hello"));
    s3_expect_fault(&answer, 403, "not signed");
    answer = by_link(w, "DELETE", &put, headers, 1, MF_STR("hello"));
    s3_expect_fault(&answer, 403, "SignatureDoesNotMatch");
    answer = by_link(w, "GET", &get, NULL, 0, MF_STR_EMPTY);
    assert_int_equal(answer.status, 200);
    assert_str(answer.body, "hello");
}

static bool has_body(void *ctx)
{
    return ((struct mf_exchange *)ctx)->body.len > 0;
}

/* A reader that is slow holds up nothing but itself, and one whose object is overwritten meanwhile reads on.
 */
static void a_slow_reader_of_an_overwritten_object(void **state)
{
    struct s3_world *w = *state;
    struct mf_str body = s3_bytes(w, 2000000, 5);
    assert_int_equal(s3_put(w, "/mayfly/slow", body).status, 200);
    struct mf_exchange *exchange = s3_open(w, &(struct s3_call){.method = "GET", .target = "/mayfly/slow"});
    exchange->queued = (size_t)1 << 20; /* nothing is taken by the socket */
    fake_end(exchange);
    assert_true(fake_loop_until(w->loop, has_body, exchange));
    size_t sent = exchange->body.len;
    assert_true(sent < body.len);
    assert_int_equal(s3_put(w, "/mayfly/slow", MF_STR("new")).status, 200);
    assert_int_equal(s3_files(w), 0);
    assert_int_equal(exchange->body.len, sent); /* no more was read ahead */
    exchange->queued = 0;
    exchange->ops->on_drain(exchange->ctx, exchange);
    assert_true(fake_until_ended(exchange));
    assert_true(mf_str_eq(s3_close(w, exchange).body, body));
    s3_expect_body(w, "/mayfly/slow", MF_STR("new"));
}

/* Clients that leave at any moment leave nothing behind. */
static void clients_that_leave(void **state)
{
    struct s3_world *w = *state;
    struct mf_str body = s3_bytes(w, 1000000, 5);
    assert_int_equal(s3_put(w, "/mayfly/there", body).status, 200);
    for (size_t pieces = 0; pieces < 8; pieces++) {
        struct mf_exchange *exchange = s3_open(
            w, &(struct s3_call){.method = "PUT", .target = "/mayfly/half", .payload = "UNSIGNED-PAYLOAD"});
        for (size_t i = 0; i < pieces; i++) {
            assert_true(fake_loop_until(w->loop, s3_not_paused, exchange));
            fake_body(exchange, mf_str_take(body, 100000));
        }
        fake_close(exchange);
        exchange = s3_open(w, &(struct s3_call){.method = "GET", .target = "/mayfly/there"});
        fake_close(exchange);
    }
    /* What they had begun comes back to the loop, or is dropped by the worker, before this is answered. */
    s3_expect_body(w, "/mayfly/there", body);
    assert_int_equal(s3_get(w, "/mayfly/half").status, 404);
}

static void deleting(void **state)
{
    struct s3_world *w = *state;
    assert_int_equal(s3_put(w, "/mayfly/a", s3_bytes(w, 100000, 1)).status, 200);
    assert_int_equal(s3_put(w, "/mayfly/b", MF_STR("b")).status, 200);
    assert_int_equal(s3_put(w, "/mayfly/c", MF_STR("c")).status, 200);
    assert_int_equal(s3_call(w, &(struct s3_call){.method = "DELETE", .target = "/mayfly/a"}).status, 204);
    assert_int_equal(s3_call(w, &(struct s3_call){.method = "DELETE", .target = "/mayfly/a"}).status, 204);
    assert_int_equal(s3_get(w, "/mayfly/a").status, 404);
    assert_int_equal(s3_files(w), 0);
    struct s3_call many = {
        .method = "POST",
        .target = "/mayfly?delete",
        .body = MF_STR("<Delete><Object><Key>b</Key></Object><Object><Key>none</Key></Object></Delete>")};
    struct s3_answer answer = s3_call(w, &many);
    assert_int_equal(answer.status, 200);
    assert_true(s3_holds(answer.body, "<Deleted><Key>b</Key></Deleted><Deleted><Key>none</Key></Deleted>"));
    assert_int_equal(s3_get(w, "/mayfly/b").status, 404);
    many.body = MF_STR("<Delete><Quiet>true</Quiet><Object><Key>c</Key></Object></Delete>");
    answer = s3_call(w, &many);
    assert_false(s3_holds(answer.body, "<Deleted>"));
    assert_int_equal(s3_get(w, "/mayfly/c").status, 404);
    many.body = MF_STR("<Delete><Object><Key>../x</Key></Object></Delete>");
    assert_int_equal(s3_call(w, &many).status, 400);
    many.body = MF_STR("<Delete></Delete>");
    answer = s3_call(w, &many);
    s3_expect_fault(&answer, 400, "MalformedXML");
    many.body = MF_STR("<Delete><Object><Key>b</Key></Object></Delete>");
    many.payload = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    answer = s3_call(w, &many);
    s3_expect_fault(&answer, 400, "XAmzContentSHA256Mismatch");
}

static void copying(void **state)
{
    struct s3_world *w = *state;
    struct mf_str large = s3_bytes(w, 2500000, 9);
    const struct s3_call put = {.method = "PUT",
                                .target = "/mayfly/from%20here",
                                .body = large,
                                .headers = {{MF_STR("content-type"), MF_STR("a/b")}}};
    struct mf_str etag = s3_call(w, &put).etag;
    struct s3_call copy = {.method = "PUT",
                           .target = "/mayfly/to",
                           .headers = {{MF_STR("x-amz-copy-source"), MF_STR("/mayfly/from%20here")}}};
    struct s3_answer answer = s3_call(w, &copy);
    assert_int_equal(answer.status, 200);
    assert_true(s3_holds(answer.body, "<CopyObjectResult"));
    answer = s3_get(w, "/mayfly/to");
    assert_true(mf_str_eq(answer.body, large));
    assert_true(mf_str_eq(answer.etag, etag));
    assert_str(s3_header(&answer, "content-type"), "a/b");
    assert_int_equal(s3_files(w), 2);

    copy.target = "/mayfly/from%20here"; /* onto itself, with other metadata */
    copy.headers[1] = (struct mf_header){MF_STR("x-amz-metadata-directive"), MF_STR("REPLACE")};
    copy.headers[2] = (struct mf_header){MF_STR("content-type"), MF_STR("c/d")};
    assert_int_equal(s3_call(w, &copy).status, 200);
    answer = s3_get(w, "/mayfly/from%20here");
    assert_true(mf_str_eq(answer.body, large));
    assert_str(s3_header(&answer, "content-type"), "c/d");
    copy.headers[0].value = MF_STR("mayfly/none");
    assert_int_equal(s3_call(w, &copy).status, 404);
    copy.headers[0].value = MF_STR("/other/from");
    assert_int_equal(s3_call(w, &copy).status, 400);
    copy.headers[0].value = MF_STR("/mayfly/../x");
    assert_int_equal(s3_call(w, &copy).status, 400);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, s3_setup, s3_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(small_and_large_bodies),
        TEST(metadata),
        TEST(ranges),
        TEST(conditions),
        TEST(bodies_that_are_not_what_was_announced),
        TEST(names_and_addresses),
        TEST(nothing_without_a_signature),
        TEST(links),
        TEST(a_slow_reader_of_an_overwritten_object),
        TEST(clients_that_leave),
        TEST(deleting),
        TEST(copying),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
