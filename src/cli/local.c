/* Commands that work on this machine's configuration and data directory. */
#include "cli/commands.h"
#include "server/check.h"
#include "server/config.h"
#include "server/metrics.h"
#include "server/rotate.h"
#include "server/serve.h"
#include "trigger/policy.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

extern char **environ;

static int print_config_help(void)
{
    struct mf_buf out = MF_BUF_INIT(0);
    mf_buf_add_c(
        &out,
        "usage: mayfly serve [flags]\n\nNothing needs to be set. A flag --some-key is also the variable "
        "MAYFLY_SOME_KEY and\nthe line \"some-key = value\" of the file given by --config.\n\n");
    mf_config_help(&out);
    return mf_cli_print(&out);
}

/* Reads the configuration from the flags and the environment, and hands it on. */
static int with_config(const struct mf_cli_args *args,
                       int (*command)(struct mf_arena *arena, const struct mf_config *config))
{
    struct mf_error err;
    struct mf_config *config = NULL;
    const struct mf_config_input input = {
        .argc = args->argc, .argv = args->argv, .environ = (const char *const *)environ};
    if (mf_config_read(args->arena, &input, &config, &err) != MF_OK) {
        (void)mf_cli_complain(&err);
        return MF_EXIT_USAGE;
    }
    return mf_config_wants_help(config) ? print_config_help() : command(args->arena, config);
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
    enum mf_code code = mf_serve_check(arena, config, &err);
    if (code == MF_OK && !mf_config_only_check(config))
        code = self ? mf_serve(arena, config, self, &err) : mf_fail_memory(&err);
    return code == MF_OK ? MF_EXIT_DONE : mf_cli_complain(&err);
}

static int show(struct mf_arena *arena, const struct mf_config *config)
{
    (void)arena;
    struct mf_buf out = MF_BUF_INIT(0);
    mf_config_show(config, &out);
    return mf_cli_print(&out);
}

static int rotate(struct mf_arena *arena, const struct mf_config *config)
{
    struct mf_error err;
    if (mf_rotate_key(arena, config, &err) != MF_OK) {
        (void)mf_cli_complain(&err);
        return MF_EXIT_FAILED;
    }
    printf("the master key of the secrets in %s is rotated; keep a copy of its file secret-keys in a safe "
           "place\n",
           mf_config_text(config, MF_CONF_DATA_DIR));
    return MF_EXIT_DONE;
}

int mf_cli_serve(const struct mf_cli_args *args)
{
    return with_config(args, serve);
}

int mf_cli_config_show(const struct mf_cli_args *args)
{
    return with_config(args, show);
}

int mf_cli_secret_rotate_key(const struct mf_cli_args *args)
{
    return with_config(args, rotate);
}

int mf_cli_config_docs(const struct mf_cli_args *args)
{
    static const struct {
        const char *name;
        void (*write)(struct mf_buf *out);
    } pages[] = {
        {"configuration", mf_config_docs},
        {"metrics", mf_metrics_docs},
        {"policies", mf_policy_docs},
        {"cli", mf_cli_docs},
    };
    const char *name = args->value_count > 0 ? args->values[0] : pages[0].name;
    struct mf_buf out = MF_BUF_INIT(0);
    struct mf_error err;
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(name, pages[i].name) == 0) {
            pages[i].write(&out);
            return mf_cli_print(&out);
        }
    }
    (void)mf_fail(&err, MF_INVALID_ARGUMENT, "there is no page \"%.100s\"; choose %s", name,
                  args->command->choices);
    return mf_cli_complain(&err);
}
