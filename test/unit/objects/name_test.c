#include "testing.h"

#include "objects/name.h"

static enum mf_code check(const char *name)
{
    struct mf_error err;
    return mf_object_name_check(mf_str_from_c(name), &err);
}

static void names(void **state)
{
    (void)state;
    struct mf_error err;
    char longest[MF_OBJECT_NAME_MAX + 1];
    const char *good[] = {"a", "a/b", "a/b/", "a..b/c", "...", ".a", "ü/€", "a b+c&d=e?f#g%h\\", "C:/x"};
    const char *bad[] = {"",   ".",     "..",  "../a", "a/../b", "a/..",  "/a",      "a//b",
                         "//", "a/./b", "./a", "/",    "a\nb",   "a\x7f", "\xff/ab", "\xed\xa0\x80"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(check(good[i]), MF_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(check(bad[i]), MF_INVALID_ARGUMENT);
    assert_int_equal(mf_object_name_check(MF_STR("a\0b"), &err), MF_INVALID_ARGUMENT);
    memset(longest, 'x', sizeof longest);
    assert_int_equal(mf_object_name_check(mf_str_make(longest, MF_OBJECT_NAME_MAX), &err), MF_OK);
    assert_int_equal(mf_object_name_check(mf_str_make(longest, MF_OBJECT_NAME_MAX + 1), &err),
                     MF_INVALID_ARGUMENT);
}

static void uris(void **state)
{
    (void)state;
    struct mf_error err;
    struct mf_str name;
    const char *bad[] = {"s3://other/a",
                         "s3://buck/a",
                         "s3://bucketa",
                         "s3://bucket",
                         "s3://bucket/",
                         "bucket/a",
                         "/etc/passwd",
                         "file:///a",
                         "s3://bucket/../a",
                         "s3://bucket//a",
                         ""};
    assert_int_equal(mf_object_uri_parse(MF_STR("s3://bucket/a/b"), MF_STR("s3://bucket"), &name, &err),
                     MF_OK);
    assert_str(name, "a/b");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(mf_object_uri_parse(mf_str_from_c(bad[i]), MF_STR("s3://bucket"), &name, &err),
                         MF_INVALID_ARGUMENT);
}

static void buckets(void **state)
{
    (void)state;
    assert_true(mf_bucket_name_ok(MF_STR("mayfly")));
    assert_true(mf_bucket_name_ok(MF_STR("a-b.c1")));
    const char *bad[] = {"", "ab", "Abc", "a/b", "a..b", "-abc", "abc-", ".abc", "a b c", "a%2fb"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(mf_bucket_name_ok(mf_str_from_c(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(uris),
                                       cmocka_unit_test(buckets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
