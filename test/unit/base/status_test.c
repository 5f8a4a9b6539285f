#include "testing.h"

#include "base/status.h"

static void carries_a_message(void **state)
{
    (void)state;
    struct mf_error err;
    assert_int_equal(mf_fail(&err, MF_NOT_FOUND, "run %s is missing", "r1"), MF_NOT_FOUND);
    assert_int_equal(err.code, MF_NOT_FOUND);
    assert_string_equal(err.message, "run r1 is missing");
    assert_int_equal(mf_fail_prefix(&err, "line %d", 7), MF_NOT_FOUND);
    assert_string_equal(err.message, "line 7: run r1 is missing");
    assert_int_equal(mf_fail(NULL, MF_ABORTED, "nobody listens"), MF_ABORTED);
    assert_int_equal(mf_fail_memory(&err), MF_RESOURCE_EXHAUSTED);
}

static void cuts_at_a_character(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        char text[4 * MF_ERROR_MESSAGE_MAX] = "";
        struct mf_error err;
        memset(text, 'x', shift);
        while (strlen(text) < 2 * MF_ERROR_MESSAGE_MAX)
            strcat(text, "\xf0\x9f\x90\x9d");
        mf_fail(&err, MF_INTERNAL, "%s", text);
        size_t len = strlen(err.message);
        assert_true(mf_utf8_valid(err.message, len));
        assert_in_range(len, MF_ERROR_MESSAGE_MAX - 4, MF_ERROR_MESSAGE_MAX - 1);
        mf_fail_prefix(&err, "prefix");
        assert_true(mf_utf8_valid(err.message, strlen(err.message)));
    }
}

static void knows_its_words(void **state)
{
    (void)state;
    for (int number = 1; number <= 16; number++) {
        const char *word = mf_code_word((enum mf_code)number);
        assert_int_equal(mf_code_from_word(word, strlen(word)), number);
        assert_in_range(mf_code_http((enum mf_code)number), 400, 599);
    }
    assert_string_equal(mf_code_word(MF_OK), "ok");
    assert_int_equal(mf_code_http(MF_OK), 200);
    assert_string_equal(mf_code_word((enum mf_code)99), "unknown");
    assert_int_equal(mf_code_from_word("ok", 2), MF_UNKNOWN);
    assert_int_equal(mf_code_from_word("nonsense", 8), MF_UNKNOWN);
    assert_int_equal(mf_code_http(MF_ALREADY_EXISTS), 409);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_a_message),
        cmocka_unit_test(cuts_at_a_character),
        cmocka_unit_test(knows_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
