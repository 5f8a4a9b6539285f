#include "testing.h"

#include "base/arena.h"
#include "gen/sample.pb.h"
#include "rpc/pb_table.h"

#define BYTES(literal) mf_str_make(literal, sizeof(literal) - 1)

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

static void assert_bytes(struct mf_str actual, struct mf_str expected)
{
    assert_int_equal(actual.len, expected.len);
    if (expected.len > 0)
        assert_memory_equal(actual.ptr, expected.ptr, expected.len);
}

static struct mf_str encoded(struct mf_arena *arena, const struct pb_type *type, const void *msg)
{
    struct mf_error err;
    struct mf_str out;
    if (pb_encode(arena, type, msg, &out, &err) != MF_OK)
        fail_msg("%s", err.message);
    return out;
}

static void refused(struct mf_arena *arena, const struct pb_type *type, const void *msg, enum mf_code code,
                    const char *why)
{
    struct mf_error err;
    struct mf_str out;
    assert_int_equal(pb_encode(arena, type, msg, &out, &err), code);
    assert_int_equal(out.len, 0);
    if (!strstr(err.message, why))
        fail_msg("\"%s\" says nothing of \"%s\"", err.message, why);
}

static void test_scalars(void **state)
{
    struct pb_sample_Scalars m = {
        .a_bool = true,
        .a_int32 = -1,
        .a_sint32 = -2,
        .a_sfixed32 = -2,
        .a_color = pb_sample_DARK,
        .a_uint32 = UINT32_MAX,
        .a_fixed32 = 0x12345678,
        .a_int64 = 150,
        .a_sint64 = INT64_MIN,
        .a_sfixed64 = -3,
        .a_uint64 = UINT64_MAX,
        .a_fixed64 = 0x8000000000000001,
        .a_float = 1.5F,
        .a_double = -2.5,
        .a_string = MF_STR("hi"),
        .a_bytes = MF_STR("\0\xff"),
        .far = 7,
    };
    assert_bytes(encoded(*state, &pb_sample_Scalars_type, &m),
                 BYTES("\x08\x01"
                       "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                       "\x18\x03"
                       "\x25\xfe\xff\xff\xff"
                       "\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                       "\x30\xff\xff\xff\xff\x0f"
                       "\x3d\x78\x56\x34\x12"
                       "\x40\x96\x01"
                       "\x48\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                       "\x51\xfd\xff\xff\xff\xff\xff\xff\xff"
                       "\x58\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                       "\x61\x01\x00\x00\x00\x00\x00\x00\x80"
                       "\x6d\x00\x00\xc0\x3f"
                       "\x71\x00\x00\x00\x00\x00\x00\x04\xc0"
                       "\x82\x01\x02hi"
                       "\xfa\x7f\x02\x00\xff"
                       "\xf8\xff\xff\xff\x0f\x07"));
}

static void test_presence(void **state)
{
    struct pb_sample_Scalars zero = {.a_string = {.ptr = "x"}};
    assert_bytes(encoded(*state, &pb_sample_Scalars_type, &zero), MF_STR_EMPTY);
    /* Negative zero is not the default. */
    struct pb_sample_Scalars minus = {.a_float = -0.0F, .a_double = -0.0};
    assert_bytes(encoded(*state, &pb_sample_Scalars_type, &minus),
                 BYTES("\x6d\x00\x00\x00\x80\x71\x00\x00\x00\x00\x00\x00\x00\x80"));
    struct pb_sample_Everything m = {.has_maybe_int32 = true,
                                     .has_maybe_string = true,
                                     .choice_case = pb_sample_Everything_tag_number,
                                     .register_ = true};
    assert_bytes(encoded(*state, &pb_sample_Everything_type, &m), BYTES("\x28\x00\x32\x00\x38\x00\x60\x01"));
    struct pb_sample_Node empty = {0};
    struct pb_sample_Everything holder = {.node = &empty, .choice_case = pb_sample_Everything_tag_tree};
    assert_bytes(encoded(*state, &pb_sample_Everything_type, &holder), BYTES("\x22\x00\x4a\x00"));
}

static void test_lists(void **state)
{
    int32_t numbers[] = {1, 150, -1};
    bool bools[] = {true, false};
    double doubles[] = {1.0};
    struct mf_str strings[] = {MF_STR("a"), {0}};
    const struct pb_sample_Lists m = {.int32s = {.items = numbers, .count = 3},
                                      .bools = {.items = bools, .count = 2},
                                      .doubles = {.items = doubles, .count = 1},
                                      .strings = {.items = strings, .count = 2},
                                      .apart = {.items = numbers, .count = 2}};
    assert_bytes(encoded(*state, &pb_sample_Lists_type, &m),
                 BYTES("\x0a\x02\x01\x00"
                       "\x12\x0d\x01\x96\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                       "\x72\x08\x00\x00\x00\x00\x00\x00\xf0\x3f"
                       "\x7a\x01"
                       "a\x7a\x00"
                       "\x88\x01\x01\x88\x01\x96\x01"));
}

static void test_unknown_comes_last(void **state)
{
    struct pb_sample_Node m = {.head_.unknown = MF_STR("\x28\x01"), .id = 1};
    assert_bytes(encoded(*state, &pb_sample_Node_type, &m), BYTES("\x08\x01\x28\x01"));
}

static void test_maps(void **state)
{
    struct pb_sample_Maps_ByStringEntry b = {.key = MF_STR("b"), .value = 1}, a = {.key = MF_STR("a")},
                                        ab = {.key = MF_STR("ab"), .value = 2};
    struct pb_sample_Maps_ByStringEntry *strings[] = {&b, &ab, &a};
    struct pb_sample_Maps_BySint64Entry plus = {.key = 5}, minus = {.key = -5};
    struct pb_sample_Maps_BySint64Entry *numbers[] = {&plus, &minus};
    struct pb_sample_Maps_ByUint64Entry high = {.key = UINT64_MAX}, low = {.key = 1};
    struct pb_sample_Maps_ByUint64Entry *unsigneds[] = {&high, &low};
    struct pb_sample_Maps_ByBoolEntry yes = {.key = true}, no = {0};
    struct pb_sample_Maps_ByBoolEntry *bools[] = {&yes, &no};
    struct pb_sample_Maps_ByInt32Entry lone = {.key = 3};
    struct pb_sample_Maps_ByInt32Entry *messages[] = {&lone};
    const struct pb_sample_Maps m = {.by_string = {.items = strings, .count = 3},
                                     .by_sint64 = {.items = numbers, .count = 2},
                                     .by_uint64 = {.items = unsigneds, .count = 2},
                                     .by_bool = {.items = bools, .count = 2},
                                     .by_int32 = {.items = messages, .count = 1}};
    struct mf_str out;
    assert_int_equal(pb_encode_stable(*state, &pb_sample_Maps_type, &m, &out, NULL), MF_OK);
    assert_bytes(
        out,
        BYTES("\x0a\x05\x0a\x01"
              "a\x10\x00"
              "\x0a\x06\x0a\x02"
              "ab\x10\x02"
              "\x0a\x05\x0a\x01"
              "b\x10\x01"
              "\x12\x04\x08\x00\x12\x00"
              "\x12\x04\x08\x01\x12\x00"
              "\x1a\x04\x08\x03\x12\x00"
              "\x22\x04\x08\x09\x12\x00"
              "\x22\x04\x08\x0a\x12\x00"
              "\x2a\x0b\x08\x01\x11\x00\x00\x00\x00\x00\x00\x00\x00"
              "\x2a\x14\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x11\x00\x00\x00\x00\x00\x00\x00\x00"));
    out = encoded(*state, &pb_sample_Maps_type, &m);
    assert_bytes(mf_str_take(out, 7), BYTES("\x0a\x05\x0a\x01"
                                            "b\x10\x01"));
}

static void test_many_keys_are_sorted(void **state)
{
    enum { COUNT = 5000 };
    struct pb_sample_Maps m = {0}, back = {0};
    for (uint32_t i = 0; i < COUNT; i++) {
        struct pb_sample_Maps_ByFixed32Entry *entry = pb_new(*state, &pb_sample_Maps_ByFixed32Entry_type);
        struct pb_sample_Maps_ByFixed32Entry *other = pb_new(*state, &pb_sample_Maps_ByFixed32Entry_type);
        assert_true(entry && other);
        entry->key = i * 7919 % COUNT;
        other->key = COUNT - 1 - entry->key;
        assert_true(PB_PUSH(*state, m.by_fixed32, entry) && PB_PUSH(*state, back.by_fixed32, other));
    }
    struct mf_str one, two;
    assert_int_equal(pb_encode_stable(*state, &pb_sample_Maps_type, &m, &one, NULL), MF_OK);
    assert_int_equal(pb_encode_stable(*state, &pb_sample_Maps_type, &back, &two, NULL), MF_OK);
    assert_bytes(one, two);
    void *out;
    assert_int_equal(pb_decode(*state, &pb_sample_Maps_type, one, &out, NULL), MF_OK);
    const struct pb_sample_Maps *sorted = out;
    assert_int_equal(sorted->by_fixed32.count, COUNT);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(sorted->by_fixed32.items[i]->key, i);
}

/* Beyond what the stack holds, at sizes around where the buffer doubles. */
static void test_large(void **state)
{
    for (size_t size = 4000; size < 200000; size = size < 4200 ? size + 1 : size * 3 / 2) {
        mf_arena_reset(*state);
        char *text = mf_arena_bytes(*state, size);
        memset(text, 'x', size);
        struct pb_sample_Scalars inner = {.a_string = {text, size}, .a_int32 = 1, .far = 2};
        struct pb_sample_Everything m = {.scalars = &inner, .register_ = true};
        struct mf_str out = encoded(*state, &pb_sample_Everything_type, &m);
        void *back;
        assert_int_equal(pb_decode(*state, &pb_sample_Everything_type, out, &back, NULL), MF_OK);
        const struct pb_sample_Everything *read = back;
        assert_true(read->register_ && read->scalars->a_int32 == 1 && read->scalars->far == 2);
        assert_bytes(read->scalars->a_string, inner.a_string);
    }
}

static void test_refusals(void **state)
{
    struct pb_sample_Scalars bad = {.a_string = MF_STR("12345678\xff")};
    struct pb_sample_Everything m = {.scalars = &bad};
    refused(*state, &pb_sample_Everything_type, &m, MF_INTERNAL,
            "sample.Scalars.a_string: a string is not valid UTF-8");
    struct pb_sample_Node *hole[] = {NULL};
    struct pb_sample_Node holed = {.children = {.items = hole, .count = 1}};
    refused(*state, &pb_sample_Node_type, &holed, MF_INTERNAL, "sample.Node.children");
    struct pb_sample_Node_NamedEntry *entries[] = {NULL};
    struct pb_sample_Node mapped = {.named = {.items = entries, .count = 1}};
    refused(*state, &pb_sample_Node_type, &mapped, MF_INTERNAL, "sample.Node.named");
    struct pb_sample_Node circle = {0};
    circle.next = &circle;
    refused(*state, &pb_sample_Node_type, &circle, MF_INVALID_ARGUMENT, "too deeply");
    struct pb_sample_Node_NamedEntry entry = {.value = &circle};
    struct pb_sample_Node_NamedEntry *around[] = {&entry};
    circle = (struct pb_sample_Node){.named = {.items = around, .count = 1}};
    refused(*state, &pb_sample_Node_type, &circle, MF_INVALID_ARGUMENT, "too deeply");
    struct pb_sample_Scalars large = {.a_bytes = {"", (size_t)3 << 30}};
    refused(*state, &pb_sample_Scalars_type, &large, MF_RESOURCE_EXHAUSTED, "longer than");
    struct mf_arena *small = mf_arena_new(100);
    char text[200] = {0};
    struct pb_sample_Scalars some = {.a_bytes = {text, sizeof text}};
    struct mf_str out;
    assert_int_equal(pb_encode(small, &pb_sample_Scalars_type, &some, &out, NULL), MF_RESOURCE_EXHAUSTED);
    mf_arena_free(small);
}

static void test_depth(void **state)
{
    struct pb_sample_Node chain[PB_DEPTH_MAX + 2] = {0};
    for (size_t i = 0; i < PB_DEPTH_MAX; i++)
        chain[i].next = &chain[i + 1];
    (void)encoded(*state, &pb_sample_Node_type, chain);
    chain[PB_DEPTH_MAX].next = &chain[PB_DEPTH_MAX + 1];
    refused(*state, &pb_sample_Node_type, chain, MF_INVALID_ARGUMENT, "too deeply");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scalars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_presence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_comes_last, setup, teardown),
        cmocka_unit_test_setup_teardown(test_maps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_keys_are_sorted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
