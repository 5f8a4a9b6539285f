#include "cli/command.h"

#include <string.h>

#define INDENT 28 /* of the texts behind commands */

/* before, the flag with what stands for its value, between, the text, after. */
static void add_flags(const struct mf_cli_command *command, const char *before, const char *between,
                      const char *after, struct mf_buf *out)
{
    for (const struct mf_cli_flag *flag = command->flags; flag && flag->name; flag++)
        mf_buf_printf(out, "%s--%s%s%s%s%s%s", before, flag->name, flag->value ? " " : "",
                      flag->value ? flag->value : "", between, flag->text, after);
}

static void add_synopsis(const struct mf_cli_command *command, struct mf_buf *out)
{
    mf_buf_printf(out, "mayfly %s%s%s%s", command->words, command->args[0] ? " " : "", command->args,
                  command->flags || command->has_config ? " [flags]" : "");
}

static void add_sentence(const struct mf_cli_command *command, struct mf_buf *out)
{
    mf_buf_add_char(out, (char)(command->text[0] - 'a' + 'A'));
    mf_buf_printf(out, "%s.\n", command->text + 1);
}

void mf_cli_usage(struct mf_buf *out)
{
    size_t count = 0;
    const struct mf_cli_command *commands = mf_cli_commands(&count);
    mf_buf_add_c(out, "usage: mayfly COMMAND [flags]\n\n");
    for (size_t i = 0; i < count; i++) {
        const struct mf_cli_command *command = &commands[i];
        int len = (int)(strlen(command->words) + strlen(command->args)) + (command->args[0] != '\0');
        if (command->is_hidden)
            continue;
        mf_buf_printf(out, "  %s%s%s", command->words, command->args[0] ? " " : "", command->args);
        if (len >= INDENT - 1)
            mf_buf_add_char(out, '\n');
        mf_buf_printf(out, "%*s%s\n", len >= INDENT - 1 ? INDENT + 2 : INDENT - len, "", command->text);
    }
    mf_buf_add_c(out, "\n\"mayfly COMMAND --help\" lists the flags of a command.\n");
}

void mf_cli_help(const struct mf_cli_command *command, struct mf_buf *out)
{
    mf_buf_add_c(out, "usage: ");
    add_synopsis(command, out);
    mf_buf_add_c(out, "\n\n");
    add_sentence(command, out);
    if (command->more)
        mf_buf_printf(out, "\n%s", command->more);
    if (command->flags)
        mf_buf_add_c(out, "\n");
    add_flags(command, "  ", "\n      ", "\n", out);
}

void mf_cli_docs(struct mf_buf *out)
{
    size_t count = 0;
    const struct mf_cli_command *commands = mf_cli_commands(&count);
    mf_buf_add_c(out, "# Command line\n\n"
                      "Made by `mayfly config docs cli`; do not edit.\n\n"
                      "Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration.\n");
    for (size_t i = 0; i < count; i++) {
        const struct mf_cli_command *command = &commands[i];
        if (command->is_hidden)
            continue;
        mf_buf_add_c(out, "\n## `");
        add_synopsis(command, out);
        mf_buf_add_c(out, "`\n\n");
        add_sentence(command, out);
        if (command->more)
            mf_buf_printf(out, "\n%s", command->more);
        if (command->has_config)
            mf_buf_add_c(out, "\nIts flags are the keys of the [configuration](configuration.md).\n");
        if (command->flags)
            mf_buf_add_c(out, "\n| flag | |\n|---|---|\n");
        add_flags(command, "| `", "` | ", " |\n", out);
    }
}
