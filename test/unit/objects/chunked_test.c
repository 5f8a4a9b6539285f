/* Bodies in signed pieces, with Amazon's published example, and checksums with their published check values.
 */
#include "testing.h"

#include "base/buf.h"
#include "objects/checksum.h"
#include "objects/chunked.h"

#include <stdio.h>

#define ACCESS "AKIAIOSFODNN7EXAMPLE"
#define FORM "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
#define SEED "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
#define FIRST "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
#define SECOND "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"
#define LAST "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"

static struct mf_arena *arena;
static struct mf_buf taken;

static int setup(void **state)
{
    (void)state;
    arena = mf_arena_new(0);
    taken = MF_BUF_INIT(0);
    return arena ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mf_arena_free(arena);
    mf_buf_free(&taken);
    return 0;
}

static bool take(void *ctx, struct mf_str bytes)
{
    (void)ctx;
    return mf_buf_add_str(&taken, bytes);
}

static struct mf_chunked *begin(const char *form)
{
    static const struct mf_header headers[] = {
        {MF_STR("authorization"),
         MF_STR("AWS4-HMAC-SHA256 Credential=" ACCESS "/20130524/us-east-1/s3/aws4_request,"
                "SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
                "x-amz-decoded-content-length;x-amz-storage-class,Signature=" SEED)},
        {MF_STR("x-amz-date"), MF_STR("20130524T000000Z")},
        {MF_STR("x-amz-content-sha256"), MF_STR(FORM)},
    };
    static const struct mf_sigv4_request request = {.method = MF_STR("PUT"),
                                                    .path = MF_STR("/examplebucket/chunkObject.txt"),
                                                    .headers = headers,
                                                    .header_count = 3};
    const struct mf_sigv4_keys keys = {MF_STR(ACCESS), MF_STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")};
    assert_true(mf_chunked_known(mf_str_from_c(form)));
    return mf_chunked_new(arena, &keys, &request, mf_str_from_c(form), take, NULL);
}

static void add_piece(struct mf_buf *body, size_t size, const char *signature)
{
    mf_buf_printf(body, "%zx;chunk-signature=%s\r\n", size, signature);
    for (size_t i = 0; i < size; i++)
        mf_buf_add_char(body, 'a');
    mf_buf_add_c(body, "\r\n");
}

/* In portions of any size. */
static enum mf_chunked_fault feed(struct mf_chunked *chunked, struct mf_str bytes, size_t portion)
{
    enum mf_chunked_fault fault = MF_CHUNKED_OK;
    while (fault == MF_CHUNKED_OK && bytes.len > 0) {
        fault = mf_chunked_add(chunked, mf_str_take(bytes, portion));
        bytes = mf_str_skip(bytes, portion);
    }
    return fault == MF_CHUNKED_OK ? mf_chunked_end(chunked) : fault;
}

static void the_published_example(void **state)
{
    static const size_t portions[] = {1, 7, 1000, 100000};
    struct mf_buf body = MF_BUF_INIT(0);
    (void)state;
    add_piece(&body, 65536, FIRST);
    add_piece(&body, 1024, SECOND);
    add_piece(&body, 0, LAST);
    for (size_t i = 0; i < sizeof portions / sizeof portions[0]; i++) {
        struct mf_chunked *chunked = begin(FORM);
        assert_non_null(chunked);
        mf_buf_clear(&taken);
        assert_int_equal(feed(chunked, mf_buf_str(&body), portions[i]), MF_CHUNKED_OK);
        assert_int_equal(taken.len, 66560);
        assert_int_equal(mf_chunked_size(chunked), 66560);
    }
    /* One byte of the data, of the order of pieces, of the last signature. */
    body.ptr[100] = 'b';
    assert_int_equal(feed(begin(FORM), mf_buf_str(&body), 1000), MF_CHUNKED_MISMATCH);
    mf_buf_clear(&body);
    add_piece(&body, 1024, SECOND);
    assert_int_equal(feed(begin(FORM), mf_buf_str(&body), 1000), MF_CHUNKED_MISMATCH);
    mf_buf_clear(&body);
    add_piece(&body, 0, LAST);
    assert_int_equal(feed(begin(FORM), mf_buf_str(&body), 1000), MF_CHUNKED_MISMATCH);
    mf_buf_free(&body);
}

static void unsigned_pieces_with_a_trailer(void **state)
{
    static const char body[] = "5\r\nhello\r\n1\r\n!\r\n0\r\nx-amz-checksum-crc32:abc=\r\n\r\n";
    struct mf_chunked *chunked = begin("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    (void)state;
    assert_int_equal(feed(chunked, mf_str_from_c(body), 3), MF_CHUNKED_OK);
    assert_str(mf_buf_str(&taken), "hello!");
    assert_str(mf_chunked_trailer(chunked, MF_STR("x-amz-checksum-crc32")), "abc=");
    assert_null(mf_chunked_trailer(chunked, MF_STR("x-amz-checksum-sha1")).ptr);
}

static void malformed_bodies(void **state)
{
    static const char *const bodies[] = {
        "",
        "5\r\nhel",
        "x\r\n",
        "\r\n",
        "11111111111111111\r\n",
        "2\r\nabc\r\n",
        "0\r\nno colon\r\n",
        "1\r\na\r\n",
        "0\r\na:b\r\n",
        "ffffffffffffffff\r\n",
        "0\r\nx-amz-trailer-signature:1\r\n\r\n",
        "0\r\n\r\nmore\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        assert_int_equal(feed(begin("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), mf_str_from_c(bodies[i]), 2),
                         MF_CHUNKED_MALFORMED);
    assert_int_equal(feed(begin(FORM), MF_STR("1\r\na\r\n0\r\n\r\n"), 2), MF_CHUNKED_MALFORMED);
    assert_false(mf_chunked_known(MF_STR("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")));
}

static void check_values(void **state)
{
    static const char *const rows[][2] = {
        {"x-amz-checksum-crc32", "y/Q5Jg=="},
        {"x-amz-checksum-crc32c", "4waSgw=="},
        {"x-amz-checksum-crc64nvme", "rosUhgp5mIg="},
        {"X-Amz-Checksum-SHA1", "98O8HYCOBHMq32eZZczDTKeuNEE="},
        {"x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_checksum *checksum = mf_checksum_new(arena, mf_str_from_c(rows[i][0]));
        assert_non_null(checksum);
        assert_true(mf_checksum_add(checksum, MF_STR("1234")));
        assert_true(mf_checksum_add(checksum, MF_STR("")));
        assert_true(mf_checksum_add(checksum, MF_STR("56789")));
        assert_str(mf_checksum_end(checksum, arena), rows[i][1]);
    }
    assert_null(mf_checksum_new(arena, MF_STR("x-amz-checksum-md5")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_published_example, setup, teardown),
        cmocka_unit_test_setup_teardown(unsigned_pieces_with_a_trailer, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_bodies, setup, teardown),
        cmocka_unit_test_setup_teardown(check_values, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
