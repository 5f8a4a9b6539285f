#include "testing.h"

#include "base/log.h"

#include <stdio.h>
#include <unistd.h>

/* What a call writes to standard error. */
static size_t captured(char *out, size_t room, enum mf_log_level level, const char *text)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    mf_log(level, "test", "%s", text);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    close(ends[1]);
    ssize_t n = read(ends[0], out, room - 1);
    close(ends[0]);
    assert_true(n >= 0);
    out[n] = '\0';
    return (size_t)n;
}

static void a_line_cannot_be_forged(void **state)
{
    (void)state;
    char line[16384];
    size_t n = captured(line, sizeof line, MF_LOG_WARN, "a\nb\r\x1b[31m\xff \xc2\x85 ü");
    assert_non_null(strstr(line, "Z WARN  test: a\\x0ab\\x0d\\x1b[31m\\xff \\xc2\\x85 ü\n"));
    assert_ptr_equal(strchr(line, '\n'), line + n - 1);
}

static void a_long_text_is_cut(void **state)
{
    (void)state;
    char text[5000];
    char line[16384];
    memset(text, 1, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    size_t n = captured(line, sizeof line, MF_LOG_ERROR, text);
    assert_true(n > 4 * 2000 && n < 10000);
    assert_ptr_equal(strchr(line, '\n'), line + n - 1);
}

static void the_level_is_kept(void **state)
{
    (void)state;
    char line[256];
    assert_int_equal(captured(line, sizeof line, MF_LOG_DEBUG, "quiet"), 0);
    mf_log_set_level(MF_LOG_DEBUG);
    assert_true(captured(line, sizeof line, MF_LOG_DEBUG, "loud") > 0);
    mf_log_set_level(MF_LOG_ERROR);
    assert_int_equal(captured(line, sizeof line, MF_LOG_WARN, "quiet"), 0);
    mf_log_set_level(MF_LOG_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_cannot_be_forged),
        cmocka_unit_test(a_long_text_is_cut),
        cmocka_unit_test(the_level_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
