#include "cli/command.h"
#include "server/config.h"

#include <string.h>

/* Calls add for each flag of the command, with the text for people. */
static void each_flag(const struct mf_cli_command *command, struct mf_buf *out,
                      void (*add)(struct mf_buf *out, const struct mf_cli_command *command,
                                  const struct mf_cli_flag *flag))
{
#define CONFIG_FLAG(key, key_name, type, smallest, largest, initial, key_text)                               \
    {.name = (key_name), .value = MF_CONFIG_##type == MF_CONFIG_BOOL ? NULL : "VALUE", .text = (key_text)},
    static const struct mf_cli_flag config[] = {MF_CONFIG_KEYS(CONFIG_FLAG){.name = NULL}};
#undef CONFIG_FLAG
    for (const struct mf_cli_flag *flag = command->has_config ? config : command->flags; flag && flag->name;
         flag++)
        add(out, command, flag);
}

/* The word of a command behind the prefix ("trigger " gives "next"); empty: it is no such command. */
static struct mf_str word_behind(const struct mf_cli_command *command, struct mf_str prefix)
{
    struct mf_str words = mf_str_from_c(command->words);
    if (command->is_hidden || !mf_str_starts(words, prefix))
        return MF_STR_EMPTY;
    struct mf_str rest = mf_str_skip(words, prefix.len);
    return mf_str_take(rest, mf_str_find_char(rest, ' '));
}

/* The words that may follow the prefix, each once. */
static void add_words(struct mf_buf *out, struct mf_str prefix)
{
    size_t count = 0;
    const struct mf_cli_command *commands = mf_cli_commands(&count);
    struct mf_str last = MF_STR_EMPTY;
    for (size_t i = 0; i < count; i++) {
        struct mf_str word = word_behind(&commands[i], prefix);
        if (word.len == 0 || mf_str_eq(word, last))
            continue;
        mf_buf_printf(out, "%s%.*s", last.len > 0 ? " " : "", MF_FMT(word));
        last = word;
    }
}

/* Text between single quotes, in every shell here. */
static void add_quoted(struct mf_buf *out, const char *text)
{
    mf_buf_add_char(out, '\'');
    for (; *text; text++) {
        if (*text == '\'')
            mf_buf_add_c(out, "'\\''");
        else
            mf_buf_add_char(out, *text);
    }
    mf_buf_add_char(out, '\'');
}

static void add_flag_word(struct mf_buf *out, const struct mf_cli_command *command,
                          const struct mf_cli_flag *flag)
{
    (void)command;
    mf_buf_printf(out, " --%s", flag->name);
}

/* ---- bash and zsh: what can follow, by the words that are there ---- */

/* "case" branches: the words behind a group of commands, or the flags of one. */
static void add_branches(struct mf_buf *out, const char *line)
{
    size_t count = 0;
    const struct mf_cli_command *commands = mf_cli_commands(&count);
    struct mf_str group = MF_STR_EMPTY;
    mf_buf_printf(out, "    '')\n        %s", line);
    add_words(out, MF_STR_EMPTY);
    mf_buf_add_c(out, " --help' ;;\n");
    for (size_t i = 0; i < count; i++) {
        const struct mf_cli_command *command = &commands[i];
        struct mf_str words = mf_str_from_c(command->words);
        size_t blank = mf_str_find_char(words, ' ');
        if (command->is_hidden)
            continue;
        if (blank != SIZE_MAX && !mf_str_eq(group, mf_str_take(words, blank))) {
            group = mf_str_take(words, blank);
            mf_buf_printf(out, "    ' %.*s')\n        %s", MF_FMT(group), line);
            add_words(out, mf_str_take(words, blank + 1));
            mf_buf_add_c(out, "' ;;\n");
        }
        mf_buf_printf(out, "    ' %s')\n        %s%s", command->words, line,
                      command->choices ? command->choices : "");
        each_flag(command, out, add_flag_word);
        mf_buf_add_c(out, " --help' ;;\n");
    }
}

/* Cases that take a word over into the path when path and word are of a command. */
static void add_paths(struct mf_buf *out)
{
    size_t count = 0;
    const struct mf_cli_command *commands = mf_cli_commands(&count);
    struct mf_str group = MF_STR_EMPTY;
    for (size_t i = 0; i < count; i++) {
        struct mf_str words = mf_str_from_c(commands[i].words);
        size_t blank = mf_str_find_char(words, ' ');
        if (commands[i].is_hidden)
            continue;
        mf_buf_add_c(out, i > 0 ? "|" : "");
        if (blank != SIZE_MAX && !mf_str_eq(group, mf_str_take(words, blank))) {
            group = mf_str_take(words, blank);
            mf_buf_printf(out, "' %.*s'|", MF_FMT(group));
        }
        mf_buf_printf(out, "' %.*s'", MF_FMT(words));
    }
}

static void bash(struct mf_buf *out)
{
    mf_buf_add_c(out, "# eval \"$(mayfly completion bash)\"\n"
                      "_mayfly() {\n"
                      "    local word path= next= at\n"
                      "    for ((at = 1; at < COMP_CWORD; at++)); do\n"
                      "        word=${COMP_WORDS[at]}\n"
                      "        case \"$path $word\" in\n"
                      "        ");
    add_paths(out);
    mf_buf_add_c(out, ") path=\"$path $word\" ;;\n"
                      "        esac\n"
                      "    done\n"
                      "    case $path in\n");
    add_branches(out, "next='");
    mf_buf_add_c(out, "    esac\n"
                      "    COMPREPLY=($(compgen -W \"$next\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
                      "}\n"
                      "complete -o default -F _mayfly mayfly\n");
}

static void zsh(struct mf_buf *out)
{
    mf_buf_add_c(out, "#compdef mayfly\n"
                      "# eval \"$(mayfly completion zsh)\"\n"
                      "_mayfly() {\n"
                      "    local word path_= next= at\n"
                      "    for ((at = 2; at < CURRENT; at++)); do\n"
                      "        word=${words[at]}\n"
                      "        case \"$path_ $word\" in\n"
                      "        ");
    add_paths(out);
    mf_buf_add_c(out, ") path_=\"$path_ $word\" ;;\n"
                      "        esac\n"
                      "    done\n"
                      "    case $path_ in\n");
    add_branches(out, "next='");
    mf_buf_add_c(out, "    esac\n"
                      "    compadd -- ${(z)next} || _files\n"
                      "}\n"
                      "compdef _mayfly mayfly\n");
}

/* ---- fish: one line for each word and flag ---- */

static void add_fish_flag(struct mf_buf *out, const struct mf_cli_command *command,
                          const struct mf_cli_flag *flag)
{
    mf_buf_printf(out, "complete -c mayfly -n '__mayfly_at \"%s\"' -l %s%s -d ", command->words, flag->name,
                  flag->value ? " -r" : "");
    add_quoted(out, flag->text);
    mf_buf_add_char(out, '\n');
}

static void fish(struct mf_buf *out)
{
    size_t count = 0;
    const struct mf_cli_command *commands = mf_cli_commands(&count);
    struct mf_str group = MF_STR_EMPTY;
    mf_buf_add_c(out, "# mayfly completion fish | source\n"
                      "function __mayfly_at\n"
                      "    set -l words (commandline -opc)[2..]\n"
                      "    set -l wanted (string split -n ' ' -- $argv[1])\n"
                      "    test (count $wanted) -eq 0; and test (count $words) -gt 0; and return 1\n"
                      "    test (count $words) -lt (count $wanted); and return 1\n"
                      "    test \"$words[1..(count $wanted)]\" = \"$argv[1]\"\n"
                      "end\n"
                      "complete -c mayfly -l help -d 'help for a command'\n");
    for (size_t i = 0; i < count; i++) {
        const struct mf_cli_command *command = &commands[i];
        struct mf_str words = mf_str_from_c(command->words);
        size_t blank = mf_str_find_char(words, ' ');
        struct mf_str first = mf_str_take(words, blank);
        if (command->is_hidden)
            continue;
        if (blank == SIZE_MAX || !mf_str_eq(group, first))
            mf_buf_printf(out, "complete -c mayfly -f -n '__mayfly_at \"\"' -a %.*s", MF_FMT(first));
        if (blank == SIZE_MAX) {
            mf_buf_add_c(out, " -d ");
            add_quoted(out, command->text);
        }
        if (blank == SIZE_MAX || !mf_str_eq(group, first))
            mf_buf_add_char(out, '\n');
        group = first;
        if (blank != SIZE_MAX) {
            mf_buf_printf(out, "complete -c mayfly -f -n '__mayfly_at \"%.*s\"' -a %s -d ", MF_FMT(first),
                          command->words + blank + 1);
            add_quoted(out, command->text);
            mf_buf_add_char(out, '\n');
        }
        if (command->choices)
            mf_buf_printf(out, "complete -c mayfly -f -n '__mayfly_at \"%s\"' -a '%s'\n", command->words,
                          command->choices);
        each_flag(command, out, add_fish_flag);
    }
}

bool mf_cli_completion(const char *shell, struct mf_buf *out)
{
    static const struct {
        const char *name;
        void (*write)(struct mf_buf *out);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        if (strcmp(shell, shells[i].name) == 0) {
            shells[i].write(out);
            return true;
        }
    }
    return false;
}
