/* The signatures were made by botocore 1.44.8 with its clock at 2026-01-02T03:04:05Z. */
#include "testing.h"

#include "base/arena.h"
#include "base/time.h"
#include "objects/sigv4.h"

#define ACCESS MF_STR("AKIDEXAMPLE")
#define SECRET MF_STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HELLO_HASH "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define CREDENTIAL "Credential=AKIDEXAMPLE/20260102/us-east-1/s3/aws4_request"
#define QUERY(expires, headers, signature)                                                                   \
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Fus-east-1%2Fs3%2Faws4_"      \
    "request"                                                                                                \
    "&X-Amz-Date=20260102T030405Z&X-Amz-Expires=" expires "&X-Amz-SignedHeaders=" headers                    \
    "&X-Amz-Signature=" signature
#define GET_SIGNATURE "22f9aab44e8d627a613612351daaf1e37ec498c9867d04d1f479e0a0e3c9e107"
#define MD5 "XUFAKrxLKna5cZ2REBfFkg=="

struct vector {
    const char *method, *path, *query, *host;
    struct mf_header headers[6];
    const char *payload; /* that the signature covers */
};

static const struct vector vectors[] = {
    {"GET",
     "/mayfly/a/b c.txt",
     QUERY("900", "host", GET_SIGNATURE),
     "127.0.0.1:8090",
     {{{0}, {0}}},
     "UNSIGNED-PAYLOAD"},
    {"PUT",
     "/mayfly/uploads/p/d/AAAA==/f+g&h.tgz",
     QUERY("900", "content-md5%3Bhost", "c290eafcbbbfac1086ea68e2ad71baca24092dfc325e5cf8513ca149b969a1d0"),
     "127.0.0.1:8090",
     {{MF_STR("content-md5"), MF_STR(MD5)}},
     "UNSIGNED-PAYLOAD"},
    {"PUT",
     "/mayfly/x",
     QUERY("60", "content-md5%3Bhost%3Bx-amz-meta-flytecontentmd5",
           "96ffd7419312435427a8f0ee2ac6c8f112b5edae7d3b6292c0eaf464d2e79c46"),
     "localhost:8090",
     {{MF_STR("content-md5"), MF_STR(MD5)}, {MF_STR("x-amz-meta-flytecontentmd5"), MF_STR(MD5)}},
     "UNSIGNED-PAYLOAD"},
    {"GET",
     "/mayfly",
     "list-type=2&prefix=a%2Fb%20c&delimiter=%2F&empty=",
     "127.0.0.1:8090",
     {{MF_STR("x-amz-date"), MF_STR("20260102T030405Z")},
      {MF_STR("x-amz-content-sha256"), MF_STR(EMPTY_HASH)},
      {MF_STR("authorization"),
       MF_STR("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
              "Signature=8672aa888d3f0a49fda52f580702771c39b94aa1833290a1a89cca37585f318c")}},
     EMPTY_HASH},
    {"PUT",
     "/mayfly/\xc3\xbc/~x-._",
     "",
     "127.0.0.1:8090",
     {{MF_STR("content-type"), MF_STR("text/plain")},
      {MF_STR("x-amz-meta-a"), MF_STR("  two   words ")},
      {MF_STR("x-amz-date"), MF_STR("20260102T030405Z")},
      {MF_STR("x-amz-content-sha256"), MF_STR(HELLO_HASH)},
      {MF_STR("authorization"),
       MF_STR("AWS4-HMAC-SHA256 " CREDENTIAL
              ",SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-a,"
              "Signature=bb573613d5883e866bc6fe4abf9767c2902a15c6fbbee3fb4d72c34b4c56d9d1")}},
     HELLO_HASH},
};

struct world {
    struct mf_arena *arena;
    int64_t now;
    struct mf_sigv4_keys keys;
    struct mf_sigv4_request request;
    struct mf_header headers[8];
};

static void load(struct world *w, const struct vector *vector)
{
    struct mf_param *params;
    *w = (struct world){.arena = mf_arena_new(0), .keys = {ACCESS, SECRET}};
    assert_true(mf_time_parse_rfc3339(MF_STR("2026-01-02T03:04:05Z"), &w->now));
    assert_true(
        mf_sigv4_params(w->arena, mf_str_from_c(vector->query), 16, &params, &w->request.param_count));
    w->request.params = params;
    w->request.method = mf_str_from_c(vector->method);
    w->request.path = mf_str_from_c(vector->path);
    w->request.host = mf_str_from_c(vector->host);
    w->request.headers = w->headers;
    while (vector->headers[w->request.header_count].name.ptr) {
        w->headers[w->request.header_count] = vector->headers[w->request.header_count];
        w->request.header_count++;
    }
}

static enum mf_sigv4_fault verify(struct world *w)
{
    struct mf_str payload;
    return mf_sigv4_verify(w->arena, &w->keys, w->now, &w->request, &payload);
}

static void accepts_what_botocore_signs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct world w;
        struct mf_str payload;
        load(&w, &vectors[i]);
        assert_int_equal(mf_sigv4_verify(w.arena, &w.keys, w.now, &w.request, &payload), MF_SIGV4_OK);
        assert_str(payload, vectors[i].payload);
        mf_arena_free(w.arena);
    }
}

static void refuses_what_was_changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct world w;
        load(&w, &vectors[i]);
        w.request.method = MF_STR("DELETE");
        assert_int_equal(verify(&w), MF_SIGV4_MISMATCH);
        w.request.method = mf_str_from_c(vectors[i].method);
        w.request.path = MF_STR("/mayfly/other");
        assert_int_equal(verify(&w), MF_SIGV4_MISMATCH);
        w.request.path = mf_str_from_c(vectors[i].path);
        w.request.host = MF_STR("other");
        assert_int_equal(verify(&w), MF_SIGV4_MISMATCH);
        w.request.host = mf_str_from_c(vectors[i].host);
        w.keys.secret = MF_STR("other");
        assert_int_equal(verify(&w), MF_SIGV4_MISMATCH);
        w.keys.access = MF_STR("other");
        assert_int_equal(verify(&w), MF_SIGV4_KEY);
        mf_arena_free(w.arena);
    }
}

static void refuses_headers_that_are_missing_or_added(void **state)
{
    (void)state;
    struct world w;
    load(&w, &vectors[1]);
    w.headers[0].value = MF_STR("rL0Y20zC+Fzt72VPzMSk2A==");
    assert_int_equal(verify(&w), MF_SIGV4_MISMATCH);
    w.request.header_count = 0;
    assert_int_equal(verify(&w), MF_SIGV4_MISMATCH);
    mf_arena_free(w.arena);

    load(&w, &vectors[0]);
    w.headers[0] = (struct mf_header){MF_STR("range"), MF_STR("bytes=0-1")};
    w.request.header_count = 1;
    assert_int_equal(verify(&w), MF_SIGV4_OK);
    w.headers[0] = (struct mf_header){MF_STR("x-amz-copy-source"), MF_STR("/mayfly/secret")};
    assert_int_equal(verify(&w), MF_SIGV4_UNSIGNED);
    mf_arena_free(w.arena);
}

static void times(void **state)
{
    (void)state;
    struct world w;
    load(&w, &vectors[0]); /* valid for 900 s */
    w.now += 900 * MF_SECOND_NS;
    assert_int_equal(verify(&w), MF_SIGV4_OK);
    w.now += 1;
    assert_int_equal(verify(&w), MF_SIGV4_EXPIRED);
    w.now -= (900 + 901) * MF_SECOND_NS;
    assert_int_equal(verify(&w), MF_SIGV4_EARLY);
    mf_arena_free(w.arena);

    load(&w, &vectors[3]);
    w.now += 901 * MF_SECOND_NS;
    assert_int_equal(verify(&w), MF_SIGV4_SKEW);
    w.now -= 2 * 901 * MF_SECOND_NS;
    assert_int_equal(verify(&w), MF_SIGV4_SKEW);
    mf_arena_free(w.arena);
}

static void malformed(void **state)
{
    (void)state;
    const struct vector bad[] = {
        {"GET", "/b/x", "X-Amz-Algorithm=other", "h", {{{0}, {0}}}, ""},
        {"GET", "/b/x", QUERY("0900000", "host", GET_SIGNATURE), "h", {{{0}, {0}}}, ""},
        {"GET", "/b/x", QUERY("-1", "host", GET_SIGNATURE), "h", {{{0}, {0}}}, ""},
        {"GET", "/b/x", QUERY("", "host", GET_SIGNATURE), "h", {{{0}, {0}}}, ""},
        {"GET", "/b/x", "", "h", {{MF_STR("authorization"), MF_STR("Bearer x")}}, ""},
        {"GET", "/b/x", "", "h", {{MF_STR("authorization"), MF_STR("AWS4-HMAC-SHA256 Signature=1")}}, ""},
    };
    struct world w;
    load(&w, &(struct vector){"GET", "/b/x", "a=b", "h", {{{0}, {0}}}, ""});
    assert_int_equal(verify(&w), MF_SIGV4_MISSING);
    mf_arena_free(w.arena);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        load(&w, &bad[i]);
        assert_int_equal(verify(&w), MF_SIGV4_MALFORMED);
        mf_arena_free(w.arena);
    }
    /* A signed header twice, or out of order, would not fit its buffer if it were believed. */
    const char *lists[] = {"host%3Bhost", "range%3Bhost", "host%3B", "%3B"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct mf_arena *arena = mf_arena_new(0);
        struct mf_str query = mf_str_printf(
            arena,
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE/20260102/r/s3/"
            "aws4_request&X-Amz-Date="
            "20260102T030405Z&X-Amz-Expires=9&X-Amz-SignedHeaders=%s&X-Amz-Signature=" GET_SIGNATURE,
            lists[i]);
        load(&w, &(struct vector){
                     "GET", "/b/x", mf_str_to_c(arena, query), "h", {{MF_STR("range"), MF_STR("x")}}, ""});
        assert_int_equal(verify(&w), MF_SIGV4_MISMATCH);
        mf_arena_free(w.arena);
        mf_arena_free(arena);
    }
}

static void parameters(void **state)
{
    (void)state;
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_param *params;
    size_t count;
    assert_true(mf_sigv4_params(arena, MF_STR("a=1&&b&c=x%20y+z%2B=&=v"), 4, &params, &count));
    assert_int_equal(count, 4);
    assert_str(params[1].name, "b");
    assert_int_equal(params[1].value.len, 0);
    assert_str(params[2].value, "x y z+=");
    assert_false(mf_sigv4_params(arena, MF_STR("a=1&b=2"), 1, &params, &count));
    assert_false(mf_sigv4_params(arena, MF_STR("a=%4"), 4, &params, &count));
    mf_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_botocore_signs),
        cmocka_unit_test(refuses_what_was_changed),
        cmocka_unit_test(refuses_headers_that_are_missing_or_added),
        cmocka_unit_test(times),
        cmocka_unit_test(malformed),
        cmocka_unit_test(parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
