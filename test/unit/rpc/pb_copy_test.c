#include "testing.h"

#include "base/arena.h"
#include "gen/sample.pb.h"
#include "rpc/pb_table.h"

/* Strings, bytes, lists, a map, a oneof and unknown fields, at two depths. */
static const char sample[] = "\x0a\x08\x82\x01\x05hello"
                             "\x12\x0a\x12\x03\x01\x02\x03\x7a\x03"
                             "abc"
                             "\x1a\x07\x0a\x05\x0a\x01"
                             "k\x10\x09"
                             "\x22\x09\x08\x01\x12\x02\x08\x02\x98\x06\x07"
                             "\x32\x02hi"
                             "\x5a\x03raw"
                             "\x98\x06\x01";

static struct mf_str input(struct mf_arena *arena)
{
    struct mf_str bytes = mf_str_copy(arena, mf_str_make(sample, sizeof sample - 1));
    assert_non_null(bytes.ptr);
    return bytes;
}

static void test_copy_owns_everything(void **state)
{
    (void)state;
    struct mf_arena *first = mf_arena_new(0), *second = mf_arena_new(0);
    struct mf_str bytes = input(first), before, after;
    struct mf_error err;
    void *msg;
    if (pb_decode(first, &pb_sample_Everything_type, bytes, &msg, &err) != MF_OK)
        fail_msg("%s", err.message);
    struct pb_sample_Everything *copy = pb_copy(second, &pb_sample_Everything_type, msg);
    assert_non_null(copy);
    assert_int_equal(pb_encode_stable(second, &pb_sample_Everything_type, msg, &before, NULL), MF_OK);
    /* Whatever the copy still shared would now be gone; the sanitizer sees it. */
    mf_arena_free(first);
    assert_int_equal(pb_encode_stable(second, &pb_sample_Everything_type, copy, &after, NULL), MF_OK);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.ptr, after.ptr, before.len);
    assert_str(copy->scalars->a_string, "hello");
    assert_int_equal(copy->choice_case, pb_sample_Everything_tag_raw);
    assert_str(copy->choice.raw, "raw");
    assert_int_equal(copy->head_.unknown.len, 3);
    /* A list of the copy may grow; it has no more room than was copied. */
    assert_int_equal(copy->lists->strings.cap, copy->lists->strings.count);
    assert_true(PB_PUSH(second, copy->lists->int32s, 4));
    assert_int_equal(copy->lists->int32s.items[3], 4);
    assert_int_equal(copy->lists->int32s.items[2], 3);
    mf_arena_free(second);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct mf_arena *first = mf_arena_new(0);
    void *msg;
    assert_int_equal(pb_decode(first, &pb_sample_Everything_type, input(first), &msg, NULL), MF_OK);
    /* With each bound the copy fails somewhere else, until it fits; never may it be half done. */
    size_t max = 16;
    void *copy = NULL;
    for (; !copy; max += 16) {
        assert_true(max < 8192);
        struct mf_arena *second = mf_arena_new(max);
        copy = pb_copy(second, &pb_sample_Everything_type, msg);
        mf_arena_free(second);
    }
    assert_true(max > sizeof(struct pb_sample_Everything));
    mf_arena_free(first);
}

static void test_depth(void **state)
{
    (void)state;
    struct mf_arena *arena = mf_arena_new(0);
    struct pb_sample_Node circle = {0};
    circle.next = &circle;
    assert_null(pb_copy(arena, &pb_sample_Node_type, &circle));
    struct pb_sample_Node chain[PB_DEPTH_MAX + 1] = {0};
    for (size_t i = 0; i < PB_DEPTH_MAX; i++)
        chain[i].next = &chain[i + 1];
    assert_non_null(pb_copy(arena, &pb_sample_Node_type, chain));
    mf_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy_owns_everything),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
