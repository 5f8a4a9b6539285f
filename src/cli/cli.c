#include "cli/commands.h"
#include "cli/when.h"
#include "exec/process/shim.h"
#include "server/version.h"

#include <stdio.h>

#define SERVER_FLAGS                                                                                         \
    {"endpoint", "URL", "Server to ask. Usual: MAYFLY_ENDPOINT, else flyte.yaml of the data directory."},    \
        {"data-dir", "DIR",                                                                                  \
         "Data directory of a server on this machine. Usual: MAYFLY_DATA_DIR, else "                         \
         "./mayfly-data."},                                                                                  \
        {"project", "NAME", "Project of a trigger that is given without. Usual: the one in flyte.yaml."},    \
        {"domain", "NAME", "Domain of a trigger that is given without. Usual: the one in flyte.yaml."},      \
        {"token-file", "FILE",                                                                               \
         "File with the bearer token to sign in with. Usual: the variable "                                  \
         "MAYFLY_TOKEN."},                                                                                   \
        {"ca-file", "FILE", "PEM file with the authorities to trust. Usual: the system's."},                 \
    {                                                                                                        \
        "json", NULL, "Print the server's answers as they are, one on each line."                            \
    }

#define TRIGGER_FORMS                                                                                        \
    "TRIGGER is its name, TASK/NAME when several tasks have one of that name, or\n"                          \
    "PROJECT/DOMAIN/TASK/NAME. TIME is " MF_WHEN_FORMS ".\n"

static const struct mf_cli_flag next_flags[] = {
    {"from", "TIME", "Due times after this instant. Usual: now."},
    {"limit", "N", "How many, 1000 at most. Usual: 10."},
    {"cron", "EXPRESSION", "Try this expression instead of a trigger that is deployed."},
    {"timezone", "NAME", "Time zone of --cron, as in Europe/Berlin. Usual: UTC."},
    {"rate", "SPAN", "Try this fixed rate, as in 5m, 2h or 1d, counted from --from."},
    SERVER_FLAGS,
    {0},
};

static const struct mf_cli_flag audit_flags[] = {
    {"from", "TIME", "First instant that counts. Usual: -24h."},
    {"to", "TIME", "Last instant that counts. Usual: now."},
    {"limit", "N", "Due times to print at most. Usual: 1000."},
    SERVER_FLAGS,
    {0},
};

static const struct mf_cli_flag backfill_flags[] = {
    {"from", "TIME", "First instant that counts. Has to be given."},
    {"to", "TIME", "Last instant that counts; not in the future. Usual: now."},
    {"limit", "N", "Due times to deal with at most. Usual: 1000."},
    {"dry-run", NULL, "Only tell what would be done."},
    SERVER_FLAGS,
    {0},
};

static int version(const struct mf_cli_args *args)
{
    (void)args;
    puts("mayfly " MF_VERSION);
    return MF_EXIT_DONE;
}

static int help(const struct mf_cli_args *args)
{
    struct mf_buf out = MF_BUF_INIT(0);
    (void)args;
    mf_cli_usage(&out);
    return mf_cli_print(&out);
}

static int completion(const struct mf_cli_args *args)
{
    struct mf_buf out = MF_BUF_INIT(0);
    struct mf_error err;
    if (args->value_count == 1 && mf_cli_completion(args->values[0], &out))
        return mf_cli_print(&out);
    (void)mf_fail(&err, MF_INVALID_ARGUMENT, "which shell? choose %s", args->command->choices);
    return mf_cli_complain(&err);
}

/* The parent of a task's process; started by the executor, not by people. */
static int shim(const struct mf_cli_args *args)
{
    char **argv = mf_arena_array(args->arena, (size_t)args->argc + 1, sizeof *argv);
    for (int i = 0; argv && i < args->argc; i++)
        argv[i] = mf_str_to_c(args->arena, mf_str_from_c(args->argv[i]));
    return argv ? mf_shim_main(args->argc, argv) : MF_EXIT_FAILED;
}

static const struct mf_cli_command commands[] = {
    {.words = "serve", .args = "", .text = "run the server", .has_config = true, .run = mf_cli_serve},
    {.words = "config show",
     .args = "",
     .text = "print every configuration key, its value, and where that came from",
     .has_config = true,
     .run = mf_cli_config_show},
    {.words = "config docs",
     .args = "[PAGE]",
     .arg_max = 1,
     .choices = "configuration metrics policies cli",
     .text = "print a page of docs/ that is made from tables: configuration, metrics, policies, cli",
     .run = mf_cli_config_docs},
    {.words = "secret rotate-key",
     .args = "",
     .text = "make a new master key for the secrets, with a server running or not",
     .has_config = true,
     .run = mf_cli_secret_rotate_key},
    {.words = "trigger next",
     .args = "[TRIGGER]",
     .arg_max = 1,
     .text = "tell when a trigger is due next, or an expression that is not deployed yet",
     .more = TRIGGER_FORMS,
     .flags = next_flags,
     .run = mf_cli_trigger_next},
    {.words = "trigger audit",
     .args = "TRIGGER",
     .arg_max = 1,
     .text = "tell what became of each due time of a trigger, and why",
     .more = TRIGGER_FORMS,
     .flags = audit_flags,
     .run = mf_cli_trigger_audit},
    {.words = "trigger backfill",
     .args = "TRIGGER",
     .arg_max = 1,
     .text = "make the runs of due times in the past that have none",
     .more =
         TRIGGER_FORMS "What has its run gets no second one, so the command may be repeated. The trigger's\n"
                       "policy does not count, and all runs start at once.\n",
     .flags = backfill_flags,
     .run = mf_cli_trigger_backfill},
    {.words = "completion",
     .args = "SHELL",
     .arg_max = 1,
     .choices = "bash zsh fish",
     .text = "print what makes a shell complete this command line: bash, zsh or fish",
     .run = completion},
    {.words = "version", .args = "", .text = "print the version", .run = version},
    {.words = "help", .args = "", .text = "print this list", .takes_rest = true, .run = help},
    {.words = "--version", .args = "", .text = "", .is_hidden = true, .run = version},
    {.words = "--help", .args = "", .text = "", .is_hidden = true, .takes_rest = true, .run = help},
    {.words = "-h", .args = "", .text = "", .is_hidden = true, .takes_rest = true, .run = help},
    {.words = "_shim", .args = "", .text = "", .is_hidden = true, .takes_rest = true, .run = shim},
};

const struct mf_cli_command *mf_cli_commands(size_t *count)
{
    *count = sizeof commands / sizeof commands[0];
    return commands;
}

int mf_cli_print(struct mf_buf *buf)
{
    bool ok = !mf_buf_failed(buf) && fwrite(buf->ptr, 1, buf->len, stdout) == buf->len && fflush(stdout) == 0;
    mf_buf_free(buf);
    return ok ? MF_EXIT_DONE : MF_EXIT_FAILED;
}

int mf_cli_complain(const struct mf_error *err)
{
    fprintf(stderr, "mayfly: %s\n", err->message);
    return err->code == MF_INVALID_ARGUMENT ? MF_EXIT_USAGE : MF_EXIT_FAILED;
}

/* How many words of the command the arguments begin with; 0: it is another. */
static int matches(const struct mf_cli_command *command, int argc, char **argv)
{
    struct mf_str rest = mf_str_from_c(command->words);
    int count = 0;
    while (rest.len > 0) {
        size_t blank = mf_str_find_char(rest, ' ');
        struct mf_str word = mf_str_take(rest, blank);
        if (count == argc || !mf_str_eq_c(word, argv[count]))
            return 0;
        count++;
        rest = mf_str_skip(rest, word.len + 1);
    }
    return count;
}

static int run(const struct mf_cli_command *command, int argc, const char *const *argv)
{
    struct mf_error err;
    struct mf_buf out = MF_BUF_INIT(0);
    struct mf_cli_args args = {.arena = mf_arena_new(0), .command = command, .argc = argc, .argv = argv};
    int code = MF_EXIT_FAILED;
    if (!args.arena)
        return code;
    if (command->has_config || command->takes_rest) {
        code = command->run(&args);
    } else if (mf_cli_wants_help(argc, argv)) {
        mf_cli_help(command, &out);
        code = mf_cli_print(&out);
    } else if (mf_cli_args_read(&args, &err) != MF_OK) {
        code = mf_cli_complain(&err);
    } else {
        code = command->run(&args);
    }
    mf_arena_free(args.arena);
    return code;
}

int mf_cli_main(int argc, char **argv)
{
    struct mf_buf out = MF_BUF_INIT(0);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        int words = matches(&commands[i], argc - 1, argv + 1);
        if (words > 0)
            return run(&commands[i], argc - 1 - words, (const char *const *)argv + 1 + words);
    }
    if (argc > 1)
        fprintf(stderr, "mayfly: unknown command \"%s%s%s\"\n", argv[1], argc > 2 ? " " : "",
                argc > 2 ? argv[2] : "");
    mf_cli_usage(&out);
    fprintf(stderr, "%.*s", MF_FMT(mf_buf_str(&out)));
    mf_buf_free(&out);
    return MF_EXIT_USAGE;
}
