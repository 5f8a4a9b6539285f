#include "objects/credentials.h"

#include "base/encode.h"
#include "base/list.h"
#include "base/log.h"
#include "base/time.h"
#include "objects/credentials_file.h"
#include "objects/credentials_state.h"

#include <pthread.h>
#include <stdlib.h>

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define EARLY_NS (5 * 60 * MF_SECOND_NS) /* so long before their end keys are replaced */
#define MARGIN_NS (20 * MF_SECOND_NS)    /* so long before it they are no longer used */
#define PAUSE_NS (5 * MF_SECOND_NS)      /* between attempts to replace keys that are still good */

/* ---- what there is to begin with ---- */

struct mf_str mf_credentials_variable(const struct mf_credentials *c, const char *name)
{
    const char *value = c->config.variable ? c->config.variable(c->config.variable_ctx, name) : NULL;
    return mf_str_from_c(value ? value : "");
}

static struct mf_str or_else(struct mf_str first, struct mf_str second)
{
    return first.len > 0 ? first : second;
}

/* A file that is not there reads as an empty one. */
static enum mf_code read_profile(const struct mf_credentials *c, struct mf_arena *arena, const char *variable,
                                 const char *usual, struct mf_str *text, struct mf_error *err)
{
    struct mf_str home = mf_credentials_variable(c, "HOME");
    struct mf_str path = or_else(mf_credentials_variable(c, variable),
                                 mf_str_printf(arena, "%.*s/.aws/%s", MF_FMT(home), usual));
    const char *file = path.ptr ? mf_str_to_c(arena, path) : NULL;
    if (!file)
        return mf_fail_memory(err);
    enum mf_code code = mf_read_file(arena, file, FILE_BYTES_MAX, text, err);
    if (code == MF_NOT_FOUND) {
        *text = MF_STR_EMPTY;
        return MF_OK;
    }
    return code == MF_OK ? code : mf_fail_prefix(err, "%s", variable);
}

struct profile {
    struct mf_str name;
    bool exists;
    struct mf_keys keys;
    struct mf_str role, token_file;
};

static struct mf_str value_of(struct mf_str credentials, struct mf_str name, struct mf_str config,
                              struct mf_str section, const char *key)
{
    struct mf_str value = mf_profile_value(credentials, name, key);
    return or_else(value, or_else(mf_profile_value(config, section, key), MF_STR_EMPTY));
}

static enum mf_code load_profile(const struct mf_credentials *c, struct mf_arena *arena, struct profile *out,
                                 struct mf_error *err)
{
    struct mf_str credentials;
    struct mf_str config;
    struct mf_str name = or_else(mf_credentials_variable(c, "AWS_PROFILE"), MF_STR("default"));
    struct mf_str section =
        mf_str_eq_c(name, "default") ? name : mf_str_printf(arena, "profile %.*s", MF_FMT(name));
    enum mf_code code =
        read_profile(c, arena, "AWS_SHARED_CREDENTIALS_FILE", "credentials", &credentials, err);
    if (code == MF_OK)
        code = read_profile(c, arena, "AWS_CONFIG_FILE", "config", &config, err);
    if (code != MF_OK)
        return code;
    *out = (struct profile){
        .name = name,
        .exists = mf_profile_exists(credentials, name) || mf_profile_exists(config, section),
        .keys = {.access = value_of(credentials, name, config, section, "aws_access_key_id"),
                 .secret = value_of(credentials, name, config, section, "aws_secret_access_key"),
                 .token = value_of(credentials, name, config, section, "aws_session_token")},
        .role = value_of(credentials, name, config, section, "role_arn"),
        .token_file = value_of(credentials, name, config, section, "web_identity_token_file"),
    };
    return MF_OK;
}

static bool has_keys(const struct profile *profile)
{
    return profile->keys.access.len > 0 && profile->keys.secret.len > 0;
}

static bool has_identity(const struct profile *profile)
{
    return profile->role.len > 0 && profile->token_file.len > 0;
}

static enum mf_code choose(struct mf_credentials *c, struct mf_error *err)
{
    struct profile profile;
    bool named = mf_credentials_variable(c, "AWS_PROFILE").len > 0;
    if (mf_credentials_variable(c, "AWS_ACCESS_KEY_ID").len > 0) {
        c->source = MF_CREDENTIALS_ENVIRONMENT;
        return MF_OK;
    }
    if (mf_credentials_variable(c, "AWS_WEB_IDENTITY_TOKEN_FILE").len > 0 &&
        mf_credentials_variable(c, "AWS_ROLE_ARN").len > 0) {
        c->source = MF_CREDENTIALS_WEB_IDENTITY;
        return MF_OK;
    }
    enum mf_code code = load_profile(c, c->arena, &profile, err);
    if (code != MF_OK)
        return err->code = MF_FAILED_PRECONDITION;
    if (named && !profile.exists)
        return mf_fail(err, MF_FAILED_PRECONDITION,
                       "AWS_PROFILE: there is no profile \"%.*s\" in the files of credentials",
                       MF_FMT(profile.name));
    if (has_keys(&profile) || has_identity(&profile))
        c->source = MF_CREDENTIALS_FILES;
    else if (named)
        return mf_fail(
            err, MF_FAILED_PRECONDITION,
            "AWS_PROFILE: profile \"%.*s\" has neither aws_access_key_id and aws_secret_access_key "
            "nor web_identity_token_file and role_arn, and other ways are not offered",
            MF_FMT(profile.name));
    else if (mf_credentials_variable(c, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").len > 0 ||
             mf_credentials_variable(c, "AWS_CONTAINER_CREDENTIALS_FULL_URI").len > 0)
        c->source = MF_CREDENTIALS_CONTAINER;
    else if (!mf_str_eq_nocase(mf_credentials_variable(c, "AWS_EC2_METADATA_DISABLED"), MF_STR("true")))
        c->source = MF_CREDENTIALS_INSTANCE;
    else
        return mf_fail(err, MF_FAILED_PRECONDITION, "there are no keys: " MF_CREDENTIALS_ADVICE);
    return MF_OK;
}

enum mf_code mf_credentials_new(const struct mf_credentials_config *config, struct mf_credentials **out,
                                struct mf_error *err)
{
    struct mf_credentials *c = calloc(1, sizeof *c);
    if (!c)
        return mf_fail_memory(err);
    c->config = *config;
    c->arena = mf_arena_new(0);
    c->config.region = c->arena ? mf_str_copy(c->arena, config->region) : MF_STR_EMPTY;
    pthread_mutex_init(&c->lock, NULL);
    enum mf_code code = c->arena && c->config.region.ptr ? choose(c, err) : mf_fail_memory(err);
    if (code == MF_OK)
        *out = c;
    else
        mf_credentials_free(c);
    return code;
}

void mf_credentials_free(struct mf_credentials *c)
{
    if (!c)
        return;
    pthread_mutex_destroy(&c->lock);
    mf_arena_free(c->current);
    mf_arena_free(c->work);
    mf_arena_free(c->arena);
    free(c);
}

enum mf_credentials_source mf_credentials_source(const struct mf_credentials *c)
{
    return c->source;
}

uint64_t mf_credentials_refreshes(struct mf_credentials *c)
{
    pthread_mutex_lock(&c->lock);
    uint64_t count = c->refreshes;
    pthread_mutex_unlock(&c->lock);
    return count;
}

/* ---- handing them out ---- */

/* With the lock held. */
static bool are_good(const struct mf_credentials *c, int64_t now)
{
    return c->current && !c->refused && (c->keys.expires_ns == 0 || now < c->keys.expires_ns - MARGIN_NS);
}

static bool copy_keys(struct mf_arena *arena, const struct mf_keys *from, struct mf_keys *to)
{
    *to = (struct mf_keys){.access = mf_str_copy(arena, from->access),
                           .secret = mf_str_copy(arena, from->secret),
                           .token = mf_str_copy(arena, from->token),
                           .expires_ns = from->expires_ns};
    return to->access.ptr && to->secret.ptr && (to->token.ptr || from->token.len == 0);
}

void mf_credentials_want(struct mf_credentials *c, struct mf_keys_want *want)
{
    struct mf_error err;
    int64_t now = mf_wall_ns(c->config.sys);
    bool begin = false;
    bool answer = false;
    bool copied = false;
    pthread_mutex_lock(&c->lock);
    if (are_good(c, now)) {
        answer = true;
        copied = copy_keys(want->arena, &c->keys, &want->keys);
        begin = !c->busy && c->keys.expires_ns != 0 && now >= c->keys.expires_ns - EARLY_NS &&
                mf_mono_ns(c->config.sys) >= c->not_before_ns;
    } else {
        want->next = c->wants;
        c->wants = want;
        begin = !c->busy;
    }
    c->busy |= begin;
    pthread_mutex_unlock(&c->lock);
    if (begin)
        mf_credentials_fetch(c);
    if (answer)
        want->done(want, copied ? MF_OK : mf_fail_memory(&err), &err);
}

void mf_credentials_refused(struct mf_credentials *c, struct mf_str access)
{
    pthread_mutex_lock(&c->lock);
    c->refused |= c->current && mf_str_eq(c->keys.access, access);
    pthread_mutex_unlock(&c->lock);
}

void mf_credentials_finish(struct mf_credentials *c, enum mf_code code, const struct mf_keys *keys,
                           const struct mf_error *cause)
{
    struct mf_error err;
    struct mf_arena *fresh = code == MF_OK ? mf_arena_new(0) : NULL;
    struct mf_keys copy = {0};
    if (code == MF_OK && (!fresh || !copy_keys(fresh, keys, &copy)))
        code = mf_fail_memory(&err);
    else if (code != MF_OK)
        err = *cause;
    pthread_mutex_lock(&c->lock);
    struct mf_arena *old = code == MF_OK ? c->current : fresh;
    if (code == MF_OK) {
        c->current = fresh;
        c->keys = copy;
        c->refused = false;
        c->refreshes++;
    }
    c->not_before_ns = mf_mono_ns(c->config.sys) + PAUSE_NS;
    c->busy = false;
    struct mf_keys_want *wants = c->wants;
    c->wants = NULL;
    for (struct mf_keys_want *want = wants; want && code == MF_OK; want = want->next) {
        if (!copy_keys(want->arena, &c->keys, &want->keys))
            code = mf_fail_memory(&err);
    }
    pthread_mutex_unlock(&c->lock);
    mf_arena_free(old);
    if (code != MF_OK)
        mf_log(MF_LOG_WARN, "objects", "no new keys for the object store: %s", err.message);
    while (wants) {
        struct mf_keys_want *want = wants;
        wants = want->next;
        want->done(want, code, &err);
    }
}

/* ---- sources without the network ---- */

static void from_environment(struct mf_credentials *c)
{
    struct mf_error err;
    const struct mf_keys keys = {
        .access = mf_credentials_variable(c, "AWS_ACCESS_KEY_ID"),
        .secret = mf_credentials_variable(c, "AWS_SECRET_ACCESS_KEY"),
        .token = mf_credentials_variable(c, "AWS_SESSION_TOKEN"),
    };
    enum mf_code code = MF_OK;
    if (keys.secret.len == 0)
        code = mf_fail(&err, MF_FAILED_PRECONDITION,
                       "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not; set both");
    mf_credentials_finish(c, code, &keys, &err);
}

static void from_files(struct mf_credentials *c)
{
    struct mf_error err;
    struct profile profile;
    enum mf_code code = load_profile(c, c->work, &profile, &err);
    if (code == MF_OK && !has_keys(&profile) && has_identity(&profile)) {
        mf_credentials_assume(c, profile.role, profile.token_file);
        return;
    }
    if (code == MF_OK && !has_keys(&profile))
        code = mf_fail(&err, MF_FAILED_PRECONDITION, "profile \"%.*s\" has no keys any more",
                       MF_FMT(profile.name));
    mf_credentials_finish(c, code, &profile.keys, &err);
}

void mf_credentials_fetch(struct mf_credentials *c)
{
    struct mf_error err;
    mf_arena_free(c->work);
    c->work = mf_arena_new(0);
    c->tries = 0;
    if (!c->work) {
        mf_credentials_finish(c, mf_fail_memory(&err), NULL, &err);
        return;
    }
    switch (c->source) {
    case MF_CREDENTIALS_ENVIRONMENT:
        from_environment(c);
        return;
    case MF_CREDENTIALS_WEB_IDENTITY:
        mf_credentials_assume(c, mf_credentials_variable(c, "AWS_ROLE_ARN"),
                              mf_credentials_variable(c, "AWS_WEB_IDENTITY_TOKEN_FILE"));
        return;
    case MF_CREDENTIALS_FILES:
        from_files(c);
        return;
    case MF_CREDENTIALS_CONTAINER:
        mf_credentials_ask_container(c);
        return;
    case MF_CREDENTIALS_INSTANCE:
        mf_credentials_ask_instance(c);
        return;
    }
}
