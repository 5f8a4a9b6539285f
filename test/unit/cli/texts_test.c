/* What is made from the table of commands. */
#include "testing.h"

#include "cli/commands.h"

static struct mf_str made(void (*write)(struct mf_buf *out), struct mf_buf *out)
{
    *out = MF_BUF_INIT(0);
    write(out);
    assert_false(mf_buf_failed(out));
    return mf_buf_str(out);
}

static void has(struct mf_str text, const char *part)
{
    if (mf_str_find(text, mf_str_from_c(part)) == SIZE_MAX)
        fail_msg("no \"%s\" in:\n%.*s", part, MF_FMT(text));
}

static void every_command_is_everywhere(void **state)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    struct mf_buf usage;
    struct mf_buf docs;
    size_t count = 0;
    const struct mf_cli_command *commands = mf_cli_commands(&count);
    (void)state;
    struct mf_str in_usage = made(mf_cli_usage, &usage);
    struct mf_str in_docs = made(mf_cli_docs, &docs);
    for (size_t i = 0; i < count; i++) {
        const struct mf_cli_command *command = &commands[i];
        if (command->is_hidden)
            continue;
        has(in_usage, command->words);
        has(in_usage, command->text);
        has(in_docs, command->words);
        for (const struct mf_cli_flag *flag = command->flags; flag && flag->name; flag++) {
            has(in_docs, flag->text);
            for (size_t s = 0; s < sizeof shells / sizeof shells[0]; s++) {
                struct mf_buf completion = MF_BUF_INIT(0);
                assert_true(mf_cli_completion(shells[s], &completion));
                has(mf_buf_str(&completion), flag->name);
                mf_buf_free(&completion);
            }
        }
    }
    mf_buf_free(&usage);
    mf_buf_free(&docs);
}

static void there_is_no_completion_for_other_shells(void **state)
{
    struct mf_buf out = MF_BUF_INIT(0);
    (void)state;
    assert_false(mf_cli_completion("tcsh", &out));
    assert_int_equal(out.len, 0);
    mf_buf_free(&out);
}

static void help_names_flags_and_what_stands_for_their_values(void **state)
{
    size_t count = 0;
    const struct mf_cli_command *commands = mf_cli_commands(&count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct mf_buf out = MF_BUF_INIT(0);
        if (commands[i].is_hidden)
            continue;
        mf_cli_help(&commands[i], &out);
        has(mf_buf_str(&out), commands[i].args);
        for (const struct mf_cli_flag *flag = commands[i].flags; flag && flag->name; flag++) {
            has(mf_buf_str(&out), flag->name);
            has(mf_buf_str(&out), flag->value ? flag->value : "");
        }
        mf_buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_everywhere),
        cmocka_unit_test(there_is_no_completion_for_other_shells),
        cmocka_unit_test(help_names_flags_and_what_stands_for_their_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
