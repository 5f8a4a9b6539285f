#include "testing.h"

#include "base/buf.h"

static void collects_text(void **state)
{
    (void)state;
    struct mf_buf buf = MF_BUF_INIT(0);
    assert_true(mf_buf_add_c(&buf, "one "));
    assert_true(mf_buf_add_str(&buf, MF_STR("two ")));
    assert_true(mf_buf_printf(&buf, "%d%c", 3, '!'));
    assert_true(mf_buf_add_char(&buf, '\n'));
    assert_str(mf_buf_str(&buf), "one two 3!\n");
    mf_buf_drop(&buf, 4);
    assert_str(mf_buf_str(&buf), "two 3!\n");
    mf_buf_drop(&buf, 100);
    assert_int_equal(buf.len, 0);
    for (int i = 0; i < 10000; i++)
        assert_true(mf_buf_printf(&buf, "%05d", i));
    assert_int_equal(buf.len, 50000);
    assert_memory_equal(buf.ptr + 49995, "09999", 5);
    mf_buf_free(&buf);
    assert_true(mf_buf_add_c(&buf, "again"));
    mf_buf_free(&buf);
}

static void remembers_a_failure(void **state)
{
    (void)state;
    struct mf_buf buf = MF_BUF_INIT(8);
    assert_true(mf_buf_add_c(&buf, "12345678"));
    assert_false(mf_buf_add_char(&buf, '9'));
    assert_true(mf_buf_failed(&buf));
    assert_false(mf_buf_add(&buf, "", 0));
    assert_null(mf_buf_reserve(&buf, SIZE_MAX));
    assert_str(mf_buf_str(&buf), "12345678");
    mf_buf_clear(&buf);
    assert_false(mf_buf_failed(&buf));
    char *room = mf_buf_reserve(&buf, 3);
    assert_non_null(room);
    memcpy(room, "abc", 3);
    mf_buf_commit(&buf, 2);
    assert_str(mf_buf_str(&buf), "ab");
    mf_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collects_text),
        cmocka_unit_test(remembers_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
