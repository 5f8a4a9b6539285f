#include "cli/command.h"

#include <string.h>

/* The command's flag of that name, the first len bytes of text; NULL: there is none. */
static const struct mf_cli_flag *find(const struct mf_cli_command *command, const char *text, size_t len,
                                      size_t *index)
{
    for (*index = 0; command->flags && command->flags[*index].name; (*index)++) {
        const struct mf_cli_flag *flag = &command->flags[*index];
        if (strlen(flag->name) == len && memcmp(flag->name, text, len) == 0)
            return flag;
    }
    return NULL;
}

static enum mf_code read_flag(struct mf_cli_args *args, int *at, struct mf_error *err)
{
    const char *text = args->argv[*at] + 2;
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    size_t index = 0;
    const struct mf_cli_flag *flag = find(args->command, text, len, &index);
    if (!flag)
        return mf_fail(err, MF_INVALID_ARGUMENT, "there is no flag --%.*s; see mayfly %s --help",
                       len > 100 ? 100 : (int)len, text, args->command->words);
    if (!flag->value && equals)
        return mf_fail(err, MF_INVALID_ARGUMENT, "--%s takes no value", flag->name);
    if (flag->value && !equals && *at + 1 >= args->argc)
        return mf_fail(err, MF_INVALID_ARGUMENT, "--%s needs a value: --%s %s", flag->name, flag->name,
                       flag->value);
    if (!flag->value)
        args->flags[index] = "";
    else
        args->flags[index] = equals ? equals + 1 : args->argv[++*at];
    return MF_OK;
}

enum mf_code mf_cli_args_read(struct mf_cli_args *args, struct mf_error *err)
{
    const struct mf_cli_command *command = args->command;
    size_t flag_count = 0;
    bool only_values = false;
    while (command->flags && command->flags[flag_count].name)
        flag_count++;
    args->flags = mf_arena_array(args->arena, flag_count + 1, sizeof *args->flags);
    if (!args->flags)
        return mf_fail_memory(err);
    for (int i = 0; i < args->argc; i++) {
        const char *text = args->argv[i];
        enum mf_code code = MF_OK;
        if (!only_values && strcmp(text, "--") == 0)
            only_values = true;
        else if (!only_values && strncmp(text, "--", 2) == 0)
            code = read_flag(args, &i, err);
        else if (args->value_count == command->arg_max)
            code = mf_fail(err, MF_INVALID_ARGUMENT,
                           "\"%.100s\" is one argument too many; see mayfly %s --help", text, command->words);
        else
            args->values[args->value_count++] = text;
        if (code != MF_OK)
            return code;
    }
    return MF_OK;
}

const char *mf_cli_flag(const struct mf_cli_args *args, const char *name)
{
    size_t index = 0;
    const struct mf_cli_flag *flag = find(args->command, name, strlen(name), &index);
    return flag ? args->flags[index] : NULL;
}

bool mf_cli_wants_help(int argc, const char *const *argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}
