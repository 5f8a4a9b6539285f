#include "testing.h"

#include "base/arena.h"

static void compares(void **state)
{
    (void)state;
    assert_true(mf_str_eq(MF_STR_EMPTY, mf_str_make(NULL, 0)));
    assert_true(mf_str_eq_c(MF_STR("abc"), "abc"));
    assert_false(mf_str_eq_c(MF_STR("abc"), "abcd"));
    assert_true(mf_str_eq_nocase(MF_STR("Content-Type"), MF_STR("content-tYPE")));
    assert_false(mf_str_eq_nocase(MF_STR("["), MF_STR("{")));
    assert_true(mf_str_cmp(MF_STR("a"), MF_STR("ab")) < 0);
    assert_true(mf_str_cmp(MF_STR("b"), MF_STR("ab")) > 0);
    assert_true(mf_str_cmp(MF_STR("\xff"), MF_STR("a")) > 0);
    assert_int_equal(mf_str_cmp(MF_STR("ab"), MF_STR("ab")), 0);
    assert_true(mf_str_starts(MF_STR("abc"), MF_STR("ab")));
    assert_true(mf_str_starts(MF_STR("abc"), MF_STR("")));
    assert_false(mf_str_starts(MF_STR("a"), MF_STR("ab")));
    assert_true(mf_str_ends(MF_STR("abc"), MF_STR("bc")));
    assert_true(mf_str_ends(MF_STR("abc"), MF_STR("abc")));
    assert_false(mf_str_ends(MF_STR("c"), MF_STR("bc")));
}

static void finds_and_cuts(void **state)
{
    (void)state;
    assert_int_equal(mf_str_find(MF_STR("abcabc"), MF_STR("ca")), 2);
    assert_int_equal(mf_str_find(MF_STR("abc"), MF_STR("")), 0);
    assert_true(mf_str_find(MF_STR("abc"), MF_STR("abcd")) == SIZE_MAX);
    assert_int_equal(mf_str_find_char(MF_STR("abc"), 'c'), 2);
    assert_true(mf_str_find_char(MF_STR(""), 'c') == SIZE_MAX);
    assert_str(mf_str_trim(MF_STR(" \t a b "), MF_STR(" \t")), "a b");
    assert_int_equal(mf_str_trim(MF_STR("   "), MF_STR(" ")).len, 0);
    assert_str(mf_str_skip(MF_STR("abc"), 1), "bc");
    assert_int_equal(mf_str_skip(MF_STR("abc"), 9).len, 0);
    assert_str(mf_str_take(MF_STR("abc"), 2), "ab");
    assert_str(mf_str_take(MF_STR("abc"), 9), "abc");
}

static void copies(void **state)
{
    (void)state;
    struct mf_arena *arena = mf_arena_new(4096);
    assert_str(mf_str_copy(arena, MF_STR("abc")), "abc");
    assert_string_equal(mf_str_to_c(arena, MF_STR("abc")), "abc");
    assert_string_equal(mf_str_to_c(arena, mf_str_make(NULL, 0)), "");
    assert_str(mf_str_printf(arena, "%s-%d", "x", 7), "x-7");
    assert_non_null(mf_str_copy(arena, MF_STR_EMPTY).ptr);
    char big[8192] = {0};
    assert_null(mf_str_copy(arena, mf_str_make(big, sizeof big)).ptr);
    assert_null(mf_str_to_c(arena, mf_str_make(big, sizeof big)));
    assert_null(mf_str_printf(arena, "%8000d", 1).ptr);
    mf_arena_free(arena);
}

static void reads_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"42", true, 42},
        {"-42", true, -42},
        {"007", true, 7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {"1x", false, 0},
        {" 1", false, 0},
        {"--1", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t value = 0;
        assert_int_equal(mf_str_to_i64(mf_str_from_c(rows[i].text), &value), rows[i].ok);
        assert_true(value == rows[i].value);
    }
    uint64_t big;
    assert_true(mf_str_to_u64(MF_STR("18446744073709551615"), &big) && big == UINT64_MAX);
    assert_false(mf_str_to_u64(MF_STR("18446744073709551616"), &big));
}

static void checks_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        {"plain text that is longer than eight bytes", true},
        {"gr\xc3\xbc\xc3\x9f", true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x90\x9d", true},
        {"\xed\x9f\xbf\xee\x80\x80", true}, /* around the surrogates */
        {"\xf4\x8f\xbf\xbf", true},         /* U+10FFFF */
        {"\x80", false},
        {"12345678\xff", false},
        {"\xc3", false},
        {"\xc0\xaf", false},         /* overlong */
        {"\xe0\x9f\xbf", false},     /* overlong */
        {"\xf0\x8f\xbf\xbf", false}, /* overlong */
        {"\xed\xa0\x80", false},     /* surrogate */
        {"\xf4\x90\x80\x80", false}, /* beyond U+10FFFF */
        {"\xe2\x82", false},
        {"\xe2\x28\xa1", false},
        {"\xf0\x9f\x90", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(mf_utf8_valid(rows[i].text, strlen(rows[i].text)), rows[i].ok);
    struct mf_str text = MF_STR("a\xc3\xbc\xe2\x82\xac"
                                "b");
    assert_int_equal(mf_utf8_count(text), 4);
    static const size_t cuts[] = {0, 1, 1, 3, 3, 3, 6, 7, 7};
    for (size_t max = 0; max < sizeof cuts / sizeof cuts[0]; max++)
        assert_int_equal(mf_utf8_cut(text, max), cuts[max]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares),      cmocka_unit_test(finds_and_cuts), cmocka_unit_test(copies),
        cmocka_unit_test(reads_numbers), cmocka_unit_test(checks_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
