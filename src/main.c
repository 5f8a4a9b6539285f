/* The command line: mayfly COMMAND [flags]. Exit codes: 0 done, 1 failed while running, 2 wrong usage or
 * configuration. */
#include "base/buf.h"
#include "exec/process/shim.h"
#include "server/config.h"
#include "server/metrics.h"
#include "server/rotate.h"
#include "server/serve.h"
#include "server/version.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

extern char **environ;

static const char usage[] =
    "usage: mayfly COMMAND [flags]\n"
    "\n"
    "  serve         run the server\n"
    "  config show   print every configuration key, its value, and where that came from\n"
    "  config docs   print docs/configuration.md (config docs metrics: docs/metrics.md)\n"
    "  secret rotate-key\n"
    "                make a new master key for the secrets, with a server running or not\n"
    "  version       print the version\n"
    "\n"
    "\"mayfly serve --help\" lists the flags.\n";

static int print_buf(struct mf_buf *buf)
{
    bool ok = !mf_buf_failed(buf) && fwrite(buf->ptr, 1, buf->len, stdout) == buf->len && fflush(stdout) == 0;
    mf_buf_free(buf);
    return ok ? EXIT_DONE : EXIT_FAILED;
}

static int complain(const struct mf_error *err, enum exit_code code)
{
    fprintf(stderr, "mayfly: %s\n", err->message);
    return (int)code;
}

static int print_help(void)
{
    struct mf_buf out = MF_BUF_INIT(0);
    mf_buf_add_c(
        &out,
        "usage: mayfly serve [flags]\n\nNothing needs to be set. A flag --some-key is also the variable "
        "MAYFLY_SOME_KEY and\nthe line \"some-key = value\" of the file given by --config.\n\n");
    mf_config_help(&out);
    return print_buf(&out);
}

static const char *self_path(struct mf_arena *arena)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path);
    return len > 0 ? mf_str_to_c(arena, mf_str_make(path, (size_t)len)) : NULL;
}

static int serve(struct mf_arena *arena, const struct mf_config *config)
{
    struct mf_error err;
    const char *self = self_path(arena);
    if (mf_serve_check(arena, config, &err) != MF_OK)
        return complain(&err, EXIT_USAGE);
    if (mf_config_only_check(config))
        return EXIT_DONE;
    enum mf_code code = self ? mf_serve(arena, config, self, &err) : mf_fail_memory(&err);
    if (code == MF_OK)
        return EXIT_DONE;
    return complain(&err, code == MF_INVALID_ARGUMENT ? EXIT_USAGE : EXIT_FAILED);
}

static int show(struct mf_arena *arena, const struct mf_config *config)
{
    (void)arena;
    struct mf_buf out = MF_BUF_INIT(0);
    mf_config_show(config, &out);
    return print_buf(&out);
}

/* Reads the configuration from the flags and the environment, and hands it on. */
static int with_config(int argc, char **argv,
                       int (*command)(struct mf_arena *arena, const struct mf_config *config))
{
    struct mf_error err;
    struct mf_config *config = NULL;
    struct mf_arena *arena = mf_arena_new(0);
    const struct mf_config_input input = {
        .argc = argc, .argv = (const char *const *)argv, .environ = (const char *const *)environ};
    int code;
    if (!arena)
        return EXIT_FAILED;
    if (mf_config_read(arena, &input, &config, &err) != MF_OK)
        code = complain(&err, EXIT_USAGE);
    else if (mf_config_wants_help(config))
        code = print_help();
    else
        code = command(arena, config);
    mf_arena_free(arena);
    return code;
}

static int rotate(struct mf_arena *arena, const struct mf_config *config)
{
    struct mf_error err;
    if (mf_rotate_key(arena, config, &err) != MF_OK)
        return complain(&err, EXIT_FAILED);
    printf("the master key of the secrets in %s is rotated; keep a copy of its file secret-keys in a safe "
           "place\n",
           mf_config_text(config, MF_CONF_DATA_DIR));
    return EXIT_DONE;
}

static int docs(int argc, char **argv)
{
    struct mf_buf out = MF_BUF_INIT(0);
    if (argc == 0)
        mf_config_docs(&out);
    else if (argc == 1 && strcmp(argv[0], "metrics") == 0)
        mf_metrics_docs(&out);
    else
        mf_buf_add_c(&out, usage);
    return print_buf(&out);
}

static int on_serve(int argc, char **argv)
{
    return with_config(argc, argv, serve);
}

static int on_config(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "show") == 0)
        return with_config(argc - 1, argv + 1, show);
    if (argc > 0 && strcmp(argv[0], "docs") == 0)
        return docs(argc - 1, argv + 1);
    fputs(usage, stderr);
    return EXIT_USAGE;
}

static int on_secret(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "rotate-key") == 0)
        return with_config(argc - 1, argv + 1, rotate);
    fputs(usage, stderr);
    return EXIT_USAGE;
}

static int on_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("mayfly " MF_VERSION);
    return EXIT_DONE;
}

static int on_help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fputs(usage, stdout);
    return EXIT_DONE;
}

/* Arguments begin after the name of the command. */
static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"serve", on_serve},       {"config", on_config}, {"secret", on_secret}, {"version", on_version},
    {"--version", on_version}, {"help", on_help},     {"--help", on_help},   {"-h", on_help},
    {"_shim", mf_shim_main}, /* the parent of a task's process; started by the
                                executor, not by people */
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    }
    if (argc > 1)
        fprintf(stderr, "mayfly: unknown command \"%s\"\n", argv[1]);
    fputs(usage, stderr);
    return EXIT_USAGE;
}
