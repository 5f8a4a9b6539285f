#include "rpc/envelope.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Three messages: five bytes, none, two. */
static const char stream[] = "\x00\x00\x00\x00\x05hello"
                             "\x01\x00\x00\x00\x00"
                             "\x02\x00\x00\x00\x02{}";
#define STREAM_LEN (sizeof stream - 1)

static void expect(struct mf_envelope_reader *reader, size_t index, uint8_t flags)
{
    static const struct {
        const char *text;
        uint8_t flags;
    } expected[] = {{"hello", 0}, {"", 1}, {"{}", 2}};
    assert_true(index < 3);
    assert_true(mf_str_eq_c(mf_buf_str(&reader->body), expected[index].text));
    assert_int_equal(flags, expected[index].flags);
}

static size_t feed(struct mf_envelope_reader *reader, struct mf_str bytes, size_t seen)
{
    struct mf_error err;
    while (bytes.len > 0) {
        bool whole = false;
        uint8_t flags = 0;
        assert_int_equal(mf_envelope_read(reader, &bytes, &whole, &flags, &err), MF_OK);
        if (whole) {
            expect(reader, seen++, flags);
            mf_envelope_next(reader);
        }
    }
    return seen;
}

static void every_split(void **state)
{
    (void)state;
    for (size_t a = 0; a <= STREAM_LEN; a++) {
        for (size_t b = a; b <= STREAM_LEN; b++) {
            struct mf_envelope_reader reader;
            mf_envelope_reader_init(&reader, 100);
            size_t seen = feed(&reader, mf_str_make(stream, a), 0);
            seen = feed(&reader, mf_str_make(stream + a, b - a), seen);
            seen = feed(&reader, mf_str_make(stream + b, STREAM_LEN - b), seen);
            assert_int_equal(seen, 3);
            assert_true(mf_envelope_at_start(&reader));
            mf_envelope_reader_free(&reader);
        }
    }
}

static void ends_inside_a_message(void **state)
{
    (void)state;
    for (size_t len = 1; len < 10; len++) {
        struct mf_envelope_reader reader;
        mf_envelope_reader_init(&reader, 100);
        assert_int_equal(feed(&reader, mf_str_make(stream, len), 0), 0);
        assert_false(mf_envelope_at_start(&reader));
        mf_envelope_reader_free(&reader);
    }
}

static void too_long(void **state)
{
    (void)state;
    struct mf_envelope_reader reader;
    struct mf_error err;
    bool whole = false;
    uint8_t flags = 0;
    struct mf_str bytes = MF_STR("\x00\x00\x00\x00\x0b");
    mf_envelope_reader_init(&reader, 10);
    assert_int_equal(mf_envelope_read(&reader, &bytes, &whole, &flags, &err), MF_RESOURCE_EXHAUSTED);
    mf_envelope_reader_free(&reader);
}

static void a_long_header_costs_no_memory(void **state)
{
    (void)state;
    struct mf_envelope_reader reader;
    struct mf_error err;
    bool whole = false;
    uint8_t flags = 0;
    struct mf_str bytes = MF_STR("\x00\x04\x00\x00\x00x");
    mf_envelope_reader_init(&reader, (size_t)1 << 30);
    assert_int_equal(mf_envelope_read(&reader, &bytes, &whole, &flags, &err), MF_OK);
    assert_false(whole);
    assert_true(reader.body.cap < 65536);
    mf_envelope_reader_free(&reader);
}

static void header_is_big_endian(void **state)
{
    (void)state;
    char head[MF_ENVELOPE_HEADER];
    mf_envelope_header(head, 0x80, 0x01020304);
    assert_memory_equal(head, "\x80\x01\x02\x03\x04", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split),
        cmocka_unit_test(ends_inside_a_message),
        cmocka_unit_test(too_long),
        cmocka_unit_test(a_long_header_costs_no_memory),
        cmocka_unit_test(header_is_big_endian),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
