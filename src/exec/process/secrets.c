#include "exec/process/secrets.h"

#include "base/log.h"
#include "gen/flyteidl2/core/security.pb.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/task/run.pb.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define SECRETS_MAX 256
#define NAME_MAX_BYTES 253
#define VARIABLE_MAX ((size_t)128 << 10) /* of "name=value" and its NUL: what the system passes on */

/* ---- names ---- */

static bool is_word(struct mf_str text)
{
    bool ok =
        text.len > 0 && text.len <= NAME_MAX_BYTES && !mf_str_eq_c(text, ".") && !mf_str_eq_c(text, "..");
    for (size_t i = 0; ok && i < text.len; i++)
        ok = isalnum((unsigned char)text.ptr[i]) || memchr("-_.", text.ptr[i], 3);
    return ok;
}

static bool is_variable(struct mf_str name)
{
    bool ok = name.len > 0 && name.len <= NAME_MAX_BYTES && !isdigit((unsigned char)name.ptr[0]);
    for (size_t i = 0; ok && i < name.len; i++)
        ok = isalnum((unsigned char)name.ptr[i]) || name.ptr[i] == '_';
    return ok;
}

/* A secret without a name of its own for the variable has that which older SDKs look for. */
static struct mf_str default_variable(struct mf_arena *arena, const struct pb_core_Secret *secret)
{
    struct mf_str text =
        secret->group.len > 0
            ? mf_str_printf(arena, MF_SECRETS_PREFIX "%.*s_%.*s", MF_FMT(secret->group), MF_FMT(secret->key))
            : mf_str_printf(arena, MF_SECRETS_PREFIX "%.*s", MF_FMT(secret->key));
    char *bytes = (char *)(uintptr_t)text.ptr; /* fresh memory of the arena */
    for (size_t i = 0; bytes && i < text.len; i++)
        bytes[i] = isalnum((unsigned char)bytes[i]) ? (char)toupper((unsigned char)bytes[i]) : '_';
    return text;
}

static enum mf_code find_place(struct mf_arena *arena, const struct pb_core_Secret *asked,
                               struct mf_task_secret *out, const char **fault, struct mf_error *err)
{
    *fault = "BadTaskSpecification";
    if (!is_word(asked->key))
        return mf_fail(
            err, MF_INVALID_ARGUMENT,
            "the task asks for secret \"%.*s\", which is no name of a secret: use letters, digits, "
            "\"-\", \"_\" and \".\"",
            MF_FMT(mf_str_take(asked->key, mf_utf8_cut(asked->key, 100))));
    out->file = asked->mount_requirement == pb_core_Secret_FILE;
    if (out->file && asked->group.len > 0 && !is_word(asked->group))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "the group of secret \"%.*s\" cannot be the name of a folder: use letters, digits, "
                       "\"-\", \"_\" and \".\"",
                       MF_FMT(asked->key));
    if (out->file)
        out->name = asked->group.len > 0
                        ? mf_str_printf(arena, "%.*s/%.*s", MF_FMT(asked->group), MF_FMT(asked->key))
                        : asked->key;
    else
        out->name = asked->env_var.len > 0 ? asked->env_var : default_variable(arena, asked);
    if (!out->file && out->name.ptr && !is_variable(out->name))
        return mf_fail(
            err, MF_INVALID_ARGUMENT,
            "secret \"%.*s\" cannot be the variable \"%.*s\": use letters, digits and \"_\", and no "
            "digit at the start",
            MF_FMT(asked->key), MF_FMT(mf_str_take(out->name, mf_utf8_cut(out->name, 100))));
    *fault = NULL;
    return out->name.ptr ? MF_OK : mf_fail_memory(err);
}

/* ---- values ---- */

static void wipe(void *value)
{
    mf_wipe(*(struct mf_str *)value);
}

static enum mf_code not_found(const struct mf_command_input *in, const struct pb_core_Secret *asked,
                              const struct mf_task_secret *place, struct mf_error *err)
{
    return mf_fail(
        err, MF_NOT_FOUND,
        "there is no secret \"%.*s\", which the task wants as %s %.*s: neither in project %.*s and "
        "domain %.*s, nor in the domain, nor for all; make it with: flyte create secret %.*s "
        "--project %.*s --domain %.*s",
        MF_FMT(asked->key), place->file ? "file" : "variable", MF_FMT(place->name), MF_FMT(in->run->project),
        MF_FMT(in->run->domain), MF_FMT(asked->key), MF_FMT(in->run->project), MF_FMT(in->run->domain));
}

static enum mf_code check_variable(const struct pb_core_Secret *asked, const struct mf_task_secret *secret,
                                   struct mf_error *err)
{
    if (secret->file)
        return MF_OK;
    if (mf_str_find_char(secret->value, '\0') != SIZE_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "secret \"%.*s\" holds a NUL byte, so it cannot be a variable; ask for it as a file "
                       "(mount)",
                       MF_FMT(asked->key));
    if (secret->name.len + secret->value.len + 2 > VARIABLE_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "secret \"%.*s\" has more than the %zu KiB that a variable can hold; ask for it as a "
                       "file (mount)",
                       MF_FMT(asked->key), VARIABLE_MAX >> 10);
    return MF_OK;
}

static enum mf_code find_value(struct mf_arena *arena, const struct mf_command_input *in,
                               const struct pb_core_Secret *asked, struct mf_task_secret *out,
                               const char **fault, struct mf_error *err)
{
    const struct mf_secret_id id = {
        .project = in->run->project, .domain = in->run->domain, .name = asked->key};
    enum mf_code code = in->config->vault ? mf_vault_find(in->config->vault, arena, &id, &out->value, err)
                                          : mf_fail(err, MF_NOT_FOUND, "there are no secrets");
    if (code == MF_NOT_FOUND) {
        *fault = "SecretNotFound";
        return not_found(in, asked, out, err);
    }
    if (code != MF_OK) {
        *fault = code == MF_DATA_LOSS || code == MF_FAILED_PRECONDITION ? "SecretUnavailable" : NULL;
        return code;
    }
    if (!mf_arena_defer(arena, wipe, &out->value)) {
        mf_wipe(out->value);
        return mf_fail_memory(err);
    }
    code = check_variable(asked, out, err);
    *fault = code != MF_OK ? "BadTaskSpecification" : NULL;
    return code;
}

static bool is_known(const struct mf_task_secrets *secrets, const struct mf_task_secret *secret)
{
    for (uint32_t i = 0; i < secrets->count; i++) {
        if (secrets->items[i].file == secret->file && mf_str_eq(secrets->items[i].name, secret->name))
            return true;
    }
    return false;
}

static enum mf_code take(struct mf_arena *arena, const struct mf_command_input *in,
                         const struct pb_core_SecurityContext *context, struct mf_task_secrets *out,
                         const char **fault, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    for (uint32_t i = 0; context && i < context->secrets.count && code == MF_OK; i++) {
        const struct pb_core_Secret *asked = context->secrets.items[i];
        struct mf_task_secret secret = {0};
        code = find_place(arena, asked, &secret, fault, err);
        if (code != MF_OK || is_known(out, &secret))
            continue;
        if (out->count == SECRETS_MAX) {
            *fault = "BadTaskSpecification";
            return mf_fail(err, MF_INVALID_ARGUMENT, "the task asks for more than %d secrets", SECRETS_MAX);
        }
        out->items[out->count] = secret;
        code = find_value(arena, in, asked, &out->items[out->count], fault, err);
        out->files += secret.file ? 1 : 0;
        out->count++;
    }
    return code;
}

enum mf_code mf_task_secrets_find(struct mf_arena *arena, const struct mf_command_input *in,
                                  struct mf_task_secrets *out, const char **fault, struct mf_error *err)
{
    const struct pb_core_SecurityContext *of_run = in->run_spec->security_context;
    const struct pb_core_SecurityContext *of_task = in->template->security_context;
    *out = (struct mf_task_secrets){0};
    *fault = NULL;
    if ((!of_run || of_run->secrets.count == 0) && (!of_task || of_task->secrets.count == 0))
        return MF_OK;
    out->items = mf_arena_array(arena, SECRETS_MAX, sizeof *out->items);
    if (!out->items)
        return mf_fail_memory(err);
    /* Of two under one name the run's counts. */
    enum mf_code code = take(arena, in, of_run, out, fault, err);
    return code == MF_OK ? take(arena, in, of_task, out, fault, err) : code;
}

/* ---- files ---- */

static enum mf_code write_one(const char *path, struct mf_str value, struct mf_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    size_t done = 0;
    while (fd >= 0 && done < value.len) {
        ssize_t n = write(fd, value.ptr + done, value.len - done);
        if (n < 0 && errno != EINTR)
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    bool ok = fd >= 0 && done == value.len;
    int number = errno;
    if (fd >= 0)
        close(fd);
    return ok ? MF_OK
              : mf_fail(err, MF_UNAVAILABLE, "cannot write a secret's file %s: %s", path,
                        strerrordesc_np(number));
}

enum mf_code mf_task_secrets_write(struct mf_arena *arena, const struct mf_command_input *in,
                                   const struct mf_task_secrets *secrets, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    for (uint32_t i = 0; i < secrets->count && code == MF_OK; i++) {
        const struct mf_task_secret *secret = &secrets->items[i];
        if (!secret->file)
            continue;
        struct mf_str path = mf_str_printf(arena, "%.*s/" MF_SECRETS_FOLDER "/%.*s", MF_FMT(in->work_dir),
                                           MF_FMT(secret->name));
        char *folder = path.ptr ? mf_str_to_c(arena, path) : NULL;
        const char *file = path.ptr ? mf_str_to_c(arena, path) : NULL;
        if (!folder || !file)
            return mf_fail_memory(err);
        *strrchr(folder, '/') = '\0';
        code = mf_make_dirs(folder, 0700, err);
        if (code == MF_OK)
            code = write_one(file, secret->value, err);
    }
    return code;
}

void mf_task_secrets_remove(const char *work_dir)
{
    char path[PATH_MAX];
    struct mf_error err;
    int len = snprintf(path, sizeof path, "%s/" MF_SECRETS_FOLDER, work_dir);
    if (len > 0 && (size_t)len < sizeof path && mf_remove_tree(path, &err) != MF_OK)
        mf_log(MF_LOG_WARN, "exec", "cannot take away the files of secrets: %s", err.message);
}
