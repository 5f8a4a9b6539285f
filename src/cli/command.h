/*
 * The commands are a table; the usage, --help, docs/cli.md and the completions of shells are made from it.
 * A command whose flags are those of the configuration reads them itself (server/config.h); the others get
 * theirs read.
 */
#ifndef MF_CLI_COMMAND_H
#define MF_CLI_COMMAND_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"

enum mf_exit { MF_EXIT_DONE = 0, MF_EXIT_FAILED = 1, MF_EXIT_USAGE = 2 };

struct mf_cli_flag {
    const char *name;  /* without "--" */
    const char *value; /* what stands for it in texts, "TIME"; NULL: the flag takes none */
    const char *text;
};

#define MF_CLI_ARGS_MAX 4

struct mf_cli_args;

struct mf_cli_command {
    const char *words;               /* "trigger next" */
    const char *args;                /* "[TRIGGER]"; empty: there are none */
    size_t arg_max;                  /* MF_CLI_ARGS_MAX at most */
    const char *choices;             /* what the argument may be, for completions; NULL: anything */
    const char *text;                /* one line */
    const char *more;                /* for --help; NULL: the line says all */
    const struct mf_cli_flag *flags; /* one without a name ends them; NULL: none, or of the configuration */
    bool has_config;
    bool takes_rest; /* neither flags nor arguments are looked at */
    bool is_hidden;
    /* Returns an enum mf_exit. */
    int (*run)(const struct mf_cli_args *args);
};

/* What the command line says behind the words of its command. */
struct mf_cli_args {
    struct mf_arena *arena;
    const struct mf_cli_command *command;
    int argc; /* all of it, for commands that read it themselves */
    const char *const *argv;
    const char *values[MF_CLI_ARGS_MAX]; /* the arguments */
    size_t value_count;
    const char **flags; /* by the command's flags: what was given; NULL: was not */
};

/* Fills in all but arena, command, argc and argv. MF_INVALID_ARGUMENT for a flag that there is not, one
 * without its value, and too many arguments. */
enum mf_code mf_cli_args_read(struct mf_cli_args *args, struct mf_error *err) MF_CHECK_RESULT;
/* The flag's value, "" for one that takes none; NULL: it was not given. The command has such a flag. */
const char *mf_cli_flag(const struct mf_cli_args *args, const char *name);
/* --help or -h is among the arguments. */
bool mf_cli_wants_help(int argc, const char *const *argv);

/* All of them, in the order of the usage. */
const struct mf_cli_command *mf_cli_commands(size_t *count);

/* ---- made from the table ---- */

void mf_cli_usage(struct mf_buf *out);
void mf_cli_help(const struct mf_cli_command *command, struct mf_buf *out);
void mf_cli_docs(struct mf_buf *out); /* docs/cli.md */
/* False: there is no completion for that shell. */
bool mf_cli_completion(const char *shell, struct mf_buf *out);

/* ---- for commands ---- */

/* Writes out what the buffer holds, and frees it. */
int mf_cli_print(struct mf_buf *buf);
/* Says it on standard error; the exit code follows from the error's code. */
int mf_cli_complain(const struct mf_error *err);

#endif
