#include "testing.h"

#include "base/arena.h"
#include "gen/sample.pb.h"
#include "rpc/pb_table.h"

#include <stdlib.h>
#include <time.h>

#define BYTES(literal) mf_str_make(literal, sizeof(literal) - 1)

/* An arena, and the copy of the input that the sanitizer watches the ends of. */
struct world {
    struct mf_arena *arena;
    char *input;
    struct mf_error err;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    if (w)
        w->arena = mf_arena_new(0);
    *state = w;
    return w && w->arena ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *w = *state;
    mf_arena_free(w->arena);
    free(w->input);
    free(w);
    return 0;
}

static enum mf_code decode(struct world *w, const struct pb_type *type, struct mf_str bytes, void **out)
{
    free(w->input);
    w->input = malloc(bytes.len);
    assert_true(w->input || bytes.len == 0);
    if (bytes.len > 0)
        memcpy(w->input, bytes.ptr, bytes.len);
    return pb_decode(w->arena, type, mf_str_make(w->input, bytes.len), out, &w->err);
}

static void *decoded(struct world *w, const struct pb_type *type, struct mf_str bytes)
{
    void *out = NULL;
    if (decode(w, type, bytes, &out) != MF_OK)
        fail_msg("%s", w->err.message);
    assert_non_null(out);
    return out;
}

static void refused(struct world *w, const struct pb_type *type, struct mf_str bytes, const char *why)
{
    void *out = w;
    assert_int_equal(decode(w, type, bytes, &out), MF_INVALID_ARGUMENT);
    assert_null(out);
    if (!strstr(w->err.message, why))
        fail_msg("\"%s\" says nothing of \"%s\"", w->err.message, why);
}

static void assert_bytes(struct mf_str actual, struct mf_str expected)
{
    assert_int_equal(actual.len, expected.len);
    if (expected.len > 0)
        assert_memory_equal(actual.ptr, expected.ptr, expected.len);
}

static void test_scalars(void **state)
{
    struct pb_sample_Scalars *m = decoded(*state, &pb_sample_Scalars_type,
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
    assert_true(m->a_bool);
    assert_int_equal(m->a_int32, -1);
    assert_int_equal(m->a_sint32, -2);
    assert_int_equal(m->a_sfixed32, -2);
    assert_int_equal(m->a_color, pb_sample_DARK);
    assert_int_equal(m->a_uint32, UINT32_MAX);
    assert_int_equal(m->a_fixed32, 0x12345678);
    assert_int_equal(m->a_int64, 150);
    assert_true(m->a_sint64 == INT64_MIN);
    assert_int_equal(m->a_sfixed64, -3);
    assert_true(m->a_uint64 == UINT64_MAX);
    assert_true(m->a_fixed64 == 0x8000000000000001);
    assert_true(m->a_float == 1.5F);
    assert_true(m->a_double == -2.5);
    assert_str(m->a_string, "hi");
    assert_bytes(m->a_bytes, BYTES("\x00\xff"));
    assert_int_equal(m->far, 7);
    assert_int_equal(m->head_.unknown.len, 0);
}

static void test_varints(void **state)
{
    struct world *w = *state;
    /* Ten bytes are the most; bits beyond the 64th are dropped, and beyond the 32nd where 32 are kept. */
    struct pb_sample_Scalars *m =
        decoded(w, &pb_sample_Scalars_type, BYTES("\x58\x81\x80\x80\x80\x80\x80\x80\x80\x80\x7e"));
    assert_true(m->a_uint64 == 1);
    m = decoded(w, &pb_sample_Scalars_type, BYTES("\x30\x85\x80\x80\x80\x70"));
    assert_int_equal(m->a_uint32, 5);
    m = decoded(w, &pb_sample_Scalars_type, BYTES("\x08\x80\x80\x80\x80\x10"));
    assert_true(m->a_bool);
    m = decoded(w, &pb_sample_Scalars_type, BYTES("\x58\x81\x00"));
    assert_true(m->a_uint64 == 1);
    m = decoded(w, &pb_sample_Scalars_type, BYTES("\x88\x00\x01")); /* a tag may be too long as well */
    assert_true(m->a_bool);
    refused(w, &pb_sample_Scalars_type, BYTES("\x58\x81\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), "varint");
    refused(w, &pb_sample_Scalars_type, BYTES("\x58\x81"), "varint");
    refused(w, &pb_sample_Lists_type, BYTES("\x12\x02\x01\x80"), "varint");
}

static void test_bad_tags(void **state)
{
    struct world *w = *state;
    refused(w, &pb_sample_Node_type, BYTES("\x00\x01"), "number 0");
    refused(w, &pb_sample_Node_type, BYTES("\x02\x00"), "number 0");
    refused(w, &pb_sample_Node_type, BYTES("\x80\x00\x01"), "number 0");
    refused(w, &pb_sample_Node_type, BYTES("\x12\x02\x00\x01"), "number 0");
    refused(w, &pb_sample_Node_type, BYTES("\x0e"), "wire type");
    refused(w, &pb_sample_Node_type, BYTES("\x0f\x01"), "wire type");
    refused(w, &pb_sample_Node_type, BYTES("\xf8\xff\xff\xff\x1f\x01"), "tag");
    refused(w, &pb_sample_Node_type, BYTES("\x88\x80\x80\x80\x80\x00\x01"), "tag");
    refused(w, &pb_sample_Node_type, BYTES("\x88"), "tag");
}

static void test_cut_off(void **state)
{
    struct world *w = *state;
    struct mf_str whole =
        BYTES("\x0a\x18\x10\x96\x01\x25\x01\x02\x03\x04\x51\x01\x02\x03\x04\x05\x06\x07\x08\x82\x01\x04"
              "abcd"
              "\x12\x03\x12\x01\x05"
              "\xa3\x06\x08\x01\xa4\x06");
    (void)decoded(w, &pb_sample_Everything_type, whole);
    for (size_t len = 1; len < whole.len; len++) {
        void *out;
        bool between = len == 26 || len == 31;
        assert_int_equal(decode(w, &pb_sample_Everything_type, mf_str_take(whole, len), &out),
                         between ? MF_OK : MF_INVALID_ARGUMENT);
    }
    refused(w, &pb_sample_Scalars_type,
            BYTES("\x82\x01\x05"
                  "abcd"),
            "beyond the end");
    refused(w, &pb_sample_Scalars_type, BYTES("\x82\x01\xff\xff\xff\xff\x0f"), "beyond the end");
    refused(w, &pb_sample_Scalars_type, BYTES("\x82\x01\x80\x80\x80\x80\x80\x00"),
            "a length is cut off or too long");
    refused(w, &pb_sample_Scalars_type, BYTES("\x82\x01\x80"), "a length is cut off or too long");
    (void)decoded(w, &pb_sample_Scalars_type, BYTES("\x82\x01\x80\x80\x80\x80\x00"));
    refused(w, &pb_sample_Everything_type, BYTES("\x22\x03\x12\x02\x08\x01"), "beyond the end");
    refused(w, &pb_sample_Lists_type, BYTES("\x22\x05\x01\x02\x03\x04\x05"), "cut off");
}

static void test_utf8(void **state)
{
    struct world *w = *state;
    struct pb_sample_Scalars *m = decoded(w, &pb_sample_Scalars_type,
                                          BYTES("\x82\x01\x0b"
                                                "gr\xc3\xbc\xc3\x9f"
                                                "e \xe2\x82\xac"));
    assert_str(m->a_string, "gr\xc3\xbc\xc3\x9f"
                            "e \xe2\x82\xac");
    static const char *const bad[] = {
        "\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "12345678\xc3(345678"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct mf_str bytes = mf_str_printf(w->arena, "\x82\x01%c%s", (int)strlen(bad[i]), bad[i]);
        refused(w, &pb_sample_Scalars_type, bytes, "UTF-8");
    }
    refused(w, &pb_sample_Lists_type, BYTES("\x7a\x01\xff"), "UTF-8");
    refused(w, &pb_sample_Maps_type, BYTES("\x0a\x03\x0a\x01\xff"), "UTF-8");
    struct pb_sample_Lists *lists = decoded(w, &pb_sample_Lists_type, BYTES("\x82\x01\x01\xff"));
    assert_int_equal(lists->blobs.count, 1);
}

static void test_packed_and_not(void **state)
{
    struct world *w = *state;
    /* Both forms, mixed, whatever the .proto says. */
    struct pb_sample_Lists *m = decoded(w, &pb_sample_Lists_type,
                                        BYTES("\x10\x01"
                                              "\x12\x03\x02\x96\x01"
                                              "\x10\x03"
                                              "\x12\x00"
                                              "\x8a\x01\x02\x07\x08"
                                              "\x88\x01\x09"));
    const int32_t expected[] = {1, 2, 150, 3}, apart[] = {7, 8, 9};
    assert_int_equal(m->int32s.count, 4);
    assert_memory_equal(m->int32s.items, expected, sizeof expected);
    assert_int_equal(m->apart.count, 3);
    assert_memory_equal(m->apart.items, apart, sizeof apart);
    m = decoded(w, &pb_sample_Lists_type,
                BYTES("\x0a\x03\x00\x01\x02"
                      "\x6a\x08\x00\x00\x80\x3f\x00\x00\x00\xc0"
                      "\x71\x00\x00\x00\x00\x00\x00\xf0\x3f"
                      "\x1a\x02\x01\x02"));
    assert_int_equal(m->bools.count, 3);
    assert_true(!m->bools.items[0] && m->bools.items[1] && m->bools.items[2]);
    assert_int_equal(m->floats.count, 2);
    assert_true(m->floats.items[1] == -2.0F);
    assert_true(m->doubles.count == 1 && m->doubles.items[0] == 1.0);
    assert_true(m->sint32s.items[0] == -1 && m->sint32s.items[1] == 1);
    assert_int_equal(m->head_.unknown.len, 0);
}

static void test_wrong_wire_type_is_unknown(void **state)
{
    struct world *w = *state;
    static const char *const inputs[] = {"\x0a\x01\x05", "\x0d\x01\x02\x03\x04", "\x10\x05",
                                         "\x11"
                                         "12345678",
                                         "\x1d"
                                         "1234"};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        struct mf_str bytes = mf_str_from_c(inputs[i]), again;
        struct pb_sample_Node *m = decoded(w, &pb_sample_Node_type, bytes);
        assert_true(m->id == 0 && !m->next && m->children.count == 0);
        assert_bytes(m->head_.unknown, bytes);
        assert_int_equal(pb_encode(w->arena, &pb_sample_Node_type, m, &again, NULL), MF_OK);
        assert_bytes(again, bytes);
    }
    /* A packed list of fixed-size values does not take varints. */
    struct pb_sample_Lists *lists = decoded(w, &pb_sample_Lists_type, BYTES("\x20\x05"));
    assert_int_equal(lists->head_.unknown.len, 2);
}

static void test_last_value_wins(void **state)
{
    struct pb_sample_Everything *m =
        decoded(*state, &pb_sample_Everything_type, BYTES("\x28\x01\x32\x01x\x28\x00\x32\x00"));
    assert_true(m->has_maybe_int32 && m->maybe_int32 == 0);
    assert_true(m->has_maybe_string && m->maybe_string.len == 0);
    assert_false(m->register_);
}

static void test_messages_merge(void **state)
{
    struct pb_sample_Everything *m = decoded(*state, &pb_sample_Everything_type,
                                             BYTES("\x22\x08\x08\x01\x12\x00\x1a\x02\x08\x05"
                                                   "\x22\x0b\x12\x02\x08\x07\x1a\x00\x98\x06\x01\x08\x09"
                                                   "\x22\x03\x98\x06\x02"));
    assert_int_equal(m->node->id, 9);
    assert_int_equal(m->node->next->id, 7);
    assert_int_equal(m->node->children.count, 2);
    assert_int_equal(m->node->children.items[0]->id, 5);
    assert_bytes(m->node->head_.unknown, BYTES("\x98\x06\x01\x98\x06\x02"));
}

static void test_oneof(void **state)
{
    struct world *w = *state;
    struct pb_sample_Everything *m = decoded(w, &pb_sample_Everything_type, BYTES("\x42\x01x\x38\x00"));
    assert_int_equal(m->choice_case, pb_sample_Everything_tag_number);
    assert_int_equal(m->choice.number, 0);
    /* The same member merges; another one in between lets go of what was there. */
    m = decoded(w, &pb_sample_Everything_type, BYTES("\x4a\x02\x08\x01\x4a\x04\x12\x02\x08\x02"));
    assert_int_equal(m->choice_case, pb_sample_Everything_tag_tree);
    assert_int_equal(m->choice.tree->id, 1);
    assert_int_equal(m->choice.tree->next->id, 2);
    m = decoded(w, &pb_sample_Everything_type, BYTES("\x4a\x02\x08\x01\x38\x63\x4a\x04\x12\x02\x08\x02"));
    assert_int_equal(m->choice_case, pb_sample_Everything_tag_tree);
    assert_int_equal(m->choice.tree->id, 0);
    assert_int_equal(m->choice.tree->next->id, 2);
    m = decoded(w, &pb_sample_Everything_type, BYTES("\x4a\x02\x08\x01\x52\x02\x10\x03"));
    assert_int_equal(m->choice_case, pb_sample_Everything_tag_plain);
    assert_int_equal(m->choice.plain->a_int32, 3);
    m = decoded(w, &pb_sample_Everything_type,
                BYTES("\x5a\x08"
                      "\xff\xff\xff\xff\xff\xff\xff\xff"
                      "\x4a\x00"));
    assert_int_equal(m->choice_case, pb_sample_Everything_tag_tree);
    assert_int_equal(m->choice.tree->id, 0);
}

static void test_maps(void **state)
{
    struct world *w = *state;
    struct pb_sample_Maps *m = decoded(w, &pb_sample_Maps_type,
                                       BYTES("\x0a\x05\x0a\x01"
                                             "a\x10\x01"
                                             "\x0a\x05\x0a\x01"
                                             "b\x10\x02"
                                             "\x0a\x05\x0a\x01"
                                             "a\x10\x03"
                                             "\x0a\x00"
                                             "\x1a\x00"
                                             "\x1a\x06\x12\x00\x08\x00\x08\x05"
                                             "\x12\x04\x08\x01\x12\x00"));
    assert_int_equal(m->by_string.count, 3);
    assert_str(m->by_string.items[0]->key, "b");
    assert_str(m->by_string.items[1]->key, "a");
    assert_int_equal(m->by_string.items[1]->value, 3);
    assert_int_equal(m->by_string.items[2]->key.len, 0);
    /* An entry without key or value has the default; a message is there, and empty. */
    assert_int_equal(m->by_int32.count, 2);
    assert_int_equal(m->by_int32.items[0]->key, 0);
    assert_non_null(m->by_int32.items[0]->value);
    assert_int_equal(m->by_int32.items[1]->key, 5);
    assert_int_equal(m->by_bool.count, 1);
    /* A message as value is replaced, not merged. */
    m = decoded(w, &pb_sample_Maps_type,
                BYTES("\x1a\x06\x08\x01\x12\x02\x08\x07"
                      "\x1a\x06\x08\x01\x12\x02\x12\x00"));
    assert_int_equal(m->by_int32.count, 1);
    assert_int_equal(m->by_int32.items[0]->value->id, 0);
    assert_non_null(m->by_int32.items[0]->value->next);
    assert_true(m->by_int32.cap >= m->by_int32.count && m->by_int32.cap < 100);
}

static size_t put_entry(char *out, uint32_t key, uint32_t value)
{
    const char entry[] = {0x1a,
                          0x0a,
                          0x08,
                          (char)(key & 0x7f) | (char)0x80,
                          (char)(key >> 7 & 0x7f) | (char)0x80,
                          (char)(key >> 14),
                          0x12,
                          0x04,
                          0x08,
                          (char)(value & 0x7f) | (char)0x80,
                          (char)(value >> 7 & 0x7f) | (char)0x80,
                          (char)(value >> 14)};
    memcpy(out, entry, sizeof entry);
    return sizeof entry;
}

static void test_large_map(void **state)
{
    struct world *w = *state;
    enum { COUNT = 3000, KEYS = 1000 };
    char *bytes = mf_arena_bytes(w->arena, COUNT * 12);
    size_t len = 0;
    for (uint32_t i = 0; i < COUNT; i++)
        len += put_entry(bytes + len, i * 7919 % KEYS, i);
    struct pb_sample_Maps *m = decoded(w, &pb_sample_Maps_type, mf_str_make(bytes, len));
    assert_int_equal(m->by_int32.count, KEYS);
    for (uint32_t i = 0; i < KEYS; i++) {
        /* The last of each key, in the order in which these came. */
        assert_int_equal(m->by_int32.items[i]->value->id, COUNT - KEYS + i);
        assert_int_equal(m->by_int32.items[i]->key, (COUNT - KEYS + i) * 7919 % KEYS);
    }
}

static void test_unknown_is_kept(void **state)
{
    struct world *w = *state;
    struct mf_str again;
    struct pb_sample_Node *m = decoded(w, &pb_sample_Node_type,
                                       BYTES("\x28\x01\x32\x01x\x08\x05\x39"
                                             "12345678"
                                             "\x12\x00\x45"
                                             "1234"));
    assert_int_equal(m->id, 5);
    assert_bytes(m->head_.unknown, BYTES("\x28\x01\x32\x01x\x39"
                                         "12345678"
                                         "\x45"
                                         "1234"));
    assert_int_equal(pb_encode(w->arena, &pb_sample_Node_type, m, &again, NULL), MF_OK);
    assert_bytes(again, BYTES("\x08\x05\x12\x00\x28\x01\x32\x01x\x39"
                              "12345678"
                              "\x45"
                              "1234"));
    /* One span is not copied. */
    m = decoded(w, &pb_sample_Node_type, BYTES("\x08\x05\x28\x01\x32\x01x"));
    assert_ptr_equal(m->head_.unknown.ptr, w->input + 2);
    assert_int_equal(m->head_.unknown.len, 5);
    /* Values of an enum that have no name are values all the same. */
    struct pb_sample_Scalars *s = decoded(w, &pb_sample_Scalars_type, BYTES("\x28\x63"));
    assert_int_equal(s->a_color, 99);
}

static void test_groups(void **state)
{
    struct world *w = *state;
    struct mf_str group = BYTES("\x2b\x08\x01\x12\x01x\x33\x45"
                                "1234"
                                "\x34\x39"
                                "12345678"
                                "\x2c");
    struct pb_sample_Node *m = decoded(w, &pb_sample_Node_type, group);
    assert_bytes(m->head_.unknown, group);
    m = decoded(w, &pb_sample_Node_type,
                BYTES("\x0b\x08\x01\x0c\x08\x02")); /* also where the number is known */
    assert_int_equal(m->id, 2);
    assert_bytes(m->head_.unknown, BYTES("\x0b\x08\x01\x0c"));
    refused(w, &pb_sample_Node_type, BYTES("\x2b\x08\x01"), "no end");
    refused(w, &pb_sample_Node_type, BYTES("\x2b\x34"), "did not begin");
    refused(w, &pb_sample_Node_type, BYTES("\x2c"), "did not begin");
    refused(w, &pb_sample_Node_type, BYTES("\x2b\x00\x2c"), "number 0");
    refused(w, &pb_sample_Node_type, BYTES("\x12\x01\x2b\x2c"), "no end");
    char deep[PB_DEPTH_MAX + 1];
    memset(deep, 0x2b, sizeof deep);
    refused(w, &pb_sample_Node_type, mf_str_make(deep, sizeof deep), "too deeply");
    refused(w, &pb_sample_Node_type, mf_str_make(deep, PB_DEPTH_MAX), "no end");
}

/* A Node in which levels Nodes are nested by "next". */
static struct mf_str nested(struct world *w, unsigned levels)
{
    size_t size = (size_t)levels * 3; /* lengths take two bytes at most */
    assert_true(size < 0x4000);
    char *bytes = mf_arena_bytes(w->arena, size);
    char *at = bytes + size;
    for (unsigned i = 0; i < levels; i++) {
        size_t len = (size_t)(bytes + size - at);
        if (len >= 0x80) {
            *--at = (char)(len >> 7);
            *--at = (char)(len | 0x80);
        } else {
            *--at = (char)len;
        }
        *--at = 0x12;
    }
    return mf_str_make(at, (size_t)(bytes + size - at));
}

static void test_depth(void **state)
{
    struct world *w = *state;
    struct mf_str again;
    struct pb_sample_Node *m = decoded(w, &pb_sample_Node_type, nested(w, PB_DEPTH_MAX));
    unsigned depth = 0;
    for (const struct pb_sample_Node *node = m; node->next; node = node->next)
        depth++;
    assert_int_equal(depth, PB_DEPTH_MAX);
    assert_int_equal(pb_encode(w->arena, &pb_sample_Node_type, m, &again, NULL), MF_OK);
    assert_bytes(again, nested(w, PB_DEPTH_MAX));
    refused(w, &pb_sample_Node_type, nested(w, PB_DEPTH_MAX + 1), "too deeply");
    refused(w, &pb_sample_Node_type, nested(w, 5000), "too deeply");
}

static void test_memory_is_bounded(void **state)
{
    struct world *w = *state;
    enum { COUNT = 10000 };
    char *bytes = malloc(COUNT * 2);
    assert_non_null(bytes);
    for (size_t i = 0; i < COUNT; i++)
        memcpy(bytes + 2 * i, "\x1a\x00", 2);
    struct mf_arena *small = mf_arena_new(64 << 10);
    void *out;
    assert_int_equal(pb_decode(small, &pb_sample_Node_type, mf_str_make(bytes, COUNT * 2), &out, &w->err),
                     MF_RESOURCE_EXHAUSTED);
    assert_null(out);
    assert_non_null(strstr(w->err.message, "memory"));
    mf_arena_free(small);
    free(bytes);
}

/* Inputs that are quadratic for a careless decoder: pieces of one message that each add to what the others
 * left. */
static void test_time_is_linear(void **state)
{
    struct world *w = *state;
    enum { COUNT = 200000 };
    char *bytes = malloc(COUNT * 14);
    assert_non_null(bytes);
    size_t len = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        bytes[len++] = 0x1a; /* Everything.maps, one entry in each */
        bytes[len++] = 12;
        len += put_entry(bytes + len, i, i & 0x7fff);
    }
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    struct pb_sample_Everything *m = decoded(w, &pb_sample_Everything_type, mf_str_make(bytes, len));
    assert_int_equal(m->maps->by_int32.count, COUNT);
    len = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        memcpy(bytes + len, "\x22\x04\x28\x01\x08\x01", 6); /* Everything.node with something unknown */
        len += 6;
    }
    m = decoded(w, &pb_sample_Everything_type, mf_str_make(bytes, len));
    assert_int_equal(m->node->head_.unknown.len, COUNT * 2);
    clock_gettime(CLOCK_MONOTONIC, &end);
    free(bytes);
    /* Linear is below a second even under the sanitizers; quadratic takes many minutes, or all memory. */
    assert_true(end.tv_sec - begin.tv_sec < 30);
    assert_true(mf_arena_used(w->arena) < (size_t)200 << 20);
}

static void test_empty(void **state)
{
    struct world *w = *state;
    void *out = NULL;
    assert_int_equal(pb_decode(w->arena, &pb_sample_Everything_type, (struct mf_str){0}, &out, NULL), MF_OK);
    assert_non_null(out);
    assert_int_equal(pb_decode(w->arena, &pb_sample_Everything_type, BYTES("\x00"), &out, NULL),
                     MF_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scalars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_varints, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_tags, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_utf8, setup, teardown),
        cmocka_unit_test_setup_teardown(test_packed_and_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_wire_type_is_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(test_last_value_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_messages_merge, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oneof, setup, teardown),
        cmocka_unit_test_setup_teardown(test_maps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_map, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_time_is_linear, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
