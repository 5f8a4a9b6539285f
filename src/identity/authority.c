#include "identity/authority.h"

#include "base/list.h"
#include "base/log.h"
#include "identity/jwks.h"
#include "identity/object.h"

#include <pthread.h>
#include <stdlib.h>

#define NS INT64_C(1000000000)
#define RENEW_AFTER (3600 * NS)
#define GOOD_FOR (24 * 3600 * NS)
#define RETRY_AFTER (2 * NS)  /* after a refresh that went well: an unknown key is no reason to hammer */
#define FAILED_AFTER (1 * NS) /* after one that failed */
#define FETCH_MS 5000
#define LEEWAY_S 60.0 /* clocks differ */
#define WAITS_MAX 10000

/* What is known of the issuer; constant, shared, freed by the last who uses it. */
struct known {
    struct mf_jwks *keys;
    char *userinfo_url; /* NULL: none */
    int64_t fetched_ns;
    uint32_t refs; /* guarded by the authority's lock */
};

struct mf_authority {
    struct mf_authority_config config;
    char *issuer;
    char *audience;
    char *discovery_url;

    /* Of the refresh that is under way. */
    struct mf_fetch fetch;
    struct mf_arena *arena;
    char *jwks_url, *userinfo_url;

    pthread_mutex_t lock;
    /* Guarded by lock. */
    struct known *known;
    bool refreshing;
    int64_t tried_ns; /* end of the last refresh; 0: none yet */
    bool tried_well;
    struct mf_error last; /* of the last refresh when it did not go well */
    struct mf_authority_wait *waits;
    size_t wait_count;
};

/* ---- what is known ---- */

static void known_free(struct known *known)
{
    mf_jwks_free(known->keys);
    free(known->userinfo_url);
    free(known);
}

static void known_drop(struct mf_authority *authority, struct known *known)
{
    pthread_mutex_lock(&authority->lock);
    bool last = known && --known->refs == 0;
    pthread_mutex_unlock(&authority->lock);
    if (last)
        known_free(known);
}

static struct known *known_take(struct mf_authority *authority)
{
    pthread_mutex_lock(&authority->lock);
    struct known *known = authority->known;
    if (known)
        known->refs++;
    pthread_mutex_unlock(&authority->lock);
    return known;
}

const char *mf_authority_userinfo_url(struct mf_authority *authority, struct mf_arena *arena)
{
    struct known *known = known_take(authority);
    const char *url =
        known && known->userinfo_url ? mf_str_to_c(arena, mf_str_from_c(known->userinfo_url)) : NULL;
    if (known)
        known_drop(authority, known);
    return url;
}

/* ---- refreshing ---- */

static void refresh_over(struct mf_authority *authority, const struct mf_error *refused)
{
    pthread_mutex_lock(&authority->lock);
    authority->refreshing = false;
    authority->tried_ns = mf_mono_ns(authority->config.sys);
    authority->tried_well = !refused;
    if (refused)
        authority->last = *refused;
    struct mf_authority_wait *waits = authority->waits;
    authority->waits = NULL;
    authority->wait_count = 0;
    free(authority->jwks_url);
    free(authority->userinfo_url);
    authority->jwks_url = authority->userinfo_url = NULL;
    mf_arena_reset(authority->arena);
    pthread_mutex_unlock(&authority->lock);
    if (refused)
        mf_log(MF_LOG_WARN, "identity", "the keys of %s could not be fetched: %s", authority->issuer,
               refused->message);
    while (waits) {
        struct mf_authority_wait *wait = waits;
        waits = wait->next;
        wait->done(wait, refused);
    }
}

/* An answer that can be used; otherwise the error says what is wrong, as something that may pass. */
static enum mf_code usable(const struct mf_fetch *fetch, enum mf_code code, const struct mf_error *failed,
                           struct mf_error *err)
{
    if (code != MF_OK)
        return mf_fail(err, MF_UNAVAILABLE, "%s", failed->message);
    if (fetch->status != 200)
        return mf_fail(err, MF_UNAVAILABLE, "%.200s answered with status %d", fetch->url, fetch->status);
    return MF_OK;
}

static void on_keys(struct mf_fetch *fetch, enum mf_code code, const struct mf_error *failed)
{
    struct mf_authority *authority = MF_CONTAINER(fetch, struct mf_authority, fetch);
    struct mf_error err;
    struct known *known = calloc(1, sizeof *known);
    code = usable(fetch, code, failed, &err);
    if (code == MF_OK && !known)
        code = mf_fail_memory(&err);
    if (code == MF_OK)
        code = mf_jwks_read(authority->arena, fetch->response, &known->keys, &err);
    if (code != MF_OK) {
        free(known);
        refresh_over(authority, &err);
        return;
    }
    known->userinfo_url = authority->userinfo_url;
    authority->userinfo_url = NULL;
    known->fetched_ns = mf_mono_ns(authority->config.sys);
    known->refs = 1;
    pthread_mutex_lock(&authority->lock);
    struct known *old = authority->known;
    authority->known = known;
    pthread_mutex_unlock(&authority->lock);
    if (old)
        known_drop(authority, old);
    refresh_over(authority, NULL);
}

static void start_fetch(struct mf_authority *authority, const char *url,
                        void (*done)(struct mf_fetch *fetch, enum mf_code code, const struct mf_error *err))
{
    static const struct mf_header accept = {MF_STR("accept"), MF_STR("application/json")};
    authority->fetch = (struct mf_fetch){
        .url = url,
        .headers = &accept,
        .header_count = 1,
        .timeout_ms = FETCH_MS,
        .redirects = 3,
        .done = done,
    };
    mf_fetch_start(authority->config.fetcher, &authority->fetch);
}

static struct mf_str without_slash(struct mf_str url)
{
    return mf_str_ends(url, MF_STR("/")) ? mf_str_take(url, url.len - 1) : url;
}

/* Keys and profiles must not come over a weaker scheme than the issuer itself. */
static bool safe_url(const struct mf_authority *authority, struct mf_str url)
{
    return mf_str_starts(url, MF_STR("https://")) ||
           (mf_str_starts(url, MF_STR("http://")) && strncmp(authority->issuer, "http://", 7) == 0);
}

static char *duplicate(struct mf_str text)
{
    char *copy = malloc(text.len + 1);
    if (copy) {
        if (text.len > 0)
            memcpy(copy, text.ptr, text.len);
        copy[text.len] = '\0';
    }
    return copy;
}

static enum mf_code read_discovery(struct mf_authority *authority, struct mf_str json, struct mf_error *err)
{
    const struct pb_google_protobuf_Struct *object = NULL;
    struct mf_str issuer, jwks, userinfo;
    if (!mf_json_object(authority->arena, json, &object) || !mf_object_text(object, "issuer", &issuer) ||
        !mf_object_text(object, "jwks_uri", &jwks) || !mf_object_text(object, "userinfo_endpoint", &userinfo))
        return mf_fail(err, MF_UNAVAILABLE, "%s is no discovery document", authority->discovery_url);
    if (!mf_str_eq(without_slash(issuer), without_slash(mf_str_from_c(authority->issuer))))
        return mf_fail(err, MF_UNAVAILABLE, "%s is about another issuer, \"%.*s\"; set auth-issuer to it",
                       authority->discovery_url, MF_FMT(mf_str_take(issuer, mf_utf8_cut(issuer, 200))));
    if (!safe_url(authority, jwks))
        return mf_fail(err, MF_UNAVAILABLE, "%s names no jwks_uri with https", authority->discovery_url);
    authority->jwks_url = duplicate(jwks);
    authority->userinfo_url = safe_url(authority, userinfo) ? duplicate(userinfo) : NULL;
    return authority->jwks_url ? MF_OK : mf_fail_memory(err);
}

static void on_discovery(struct mf_fetch *fetch, enum mf_code code, const struct mf_error *failed)
{
    struct mf_authority *authority = MF_CONTAINER(fetch, struct mf_authority, fetch);
    struct mf_error err;
    code = usable(fetch, code, failed, &err);
    if (code == MF_OK)
        code = read_discovery(authority, fetch->response, &err);
    if (code == MF_OK)
        start_fetch(authority, authority->jwks_url, on_keys);
    else
        refresh_over(authority, &err);
}

/* With the lock held. True: nothing was or will be fetched now, err says why. */
static bool too_soon(const struct mf_authority *authority, struct mf_error *err)
{
    int64_t pause = authority->tried_well ? RETRY_AFTER : FAILED_AFTER;
    if (authority->wait_count >= WAITS_MAX) {
        mf_fail(err, MF_RESOURCE_EXHAUSTED, "too many calls wait for the keys of the issuer; try again");
        return true;
    }
    if (authority->refreshing || authority->tried_ns == 0 ||
        mf_mono_ns(authority->config.sys) - authority->tried_ns >= pause)
        return false;
    if (authority->tried_well)
        mf_fail(err, MF_UNAUTHENTICATED, "the issuer has no such key; sign in again");
    else
        *err = authority->last;
    return true;
}

void mf_authority_refresh(struct mf_authority *authority, struct mf_authority_wait *wait)
{
    struct mf_error err;
    pthread_mutex_lock(&authority->lock);
    bool refused = too_soon(authority, &err);
    bool start = !refused && !authority->refreshing;
    if (!refused && wait) {
        wait->next = authority->waits;
        authority->waits = wait;
        authority->wait_count++;
    }
    if (start)
        authority->refreshing = true;
    pthread_mutex_unlock(&authority->lock);
    if (start)
        start_fetch(authority, authority->discovery_url, on_discovery);
    else if (refused && wait)
        wait->done(wait, &err);
}

/* ---- verifying ---- */

static enum mf_code check_claims(const struct mf_authority *authority, const struct mf_claims *claims,
                                 struct mf_error *err)
{
    double now = (double)mf_wall_ns(authority->config.sys) / (double)NS;
    bool meant = authority->audience[0] == '\0';
    for (size_t i = 0; i < claims->audience_count && !meant; i++)
        meant = mf_str_eq_c(claims->audiences[i], authority->audience);
    if (!mf_str_eq(without_slash(claims->issuer), without_slash(mf_str_from_c(authority->issuer))))
        return mf_fail(err, MF_UNAUTHENTICATED, "the token is not of the issuer %s; sign in again",
                       authority->issuer);
    if (!meant)
        return mf_fail(err, MF_UNAUTHENTICATED, "the token is not for the audience \"%s\"",
                       authority->audience);
    if (!claims->expires || claims->expires_at + LEEWAY_S <= now)
        return mf_fail(err, MF_UNAUTHENTICATED, "the token has expired; sign in again");
    if (claims->not_before - LEEWAY_S > now)
        return mf_fail(err, MF_UNAUTHENTICATED, "the token is not valid yet");
    if (claims->caller.subject.len == 0)
        return mf_fail(err, MF_UNAUTHENTICATED, "the token names no subject");
    return MF_OK;
}

enum mf_verified mf_authority_verify(struct mf_authority *authority, struct mf_arena *arena,
                                     struct mf_str token, struct mf_claims *out, struct mf_error *err)
{
    struct mf_jwt jwt;
    if (mf_jwt_split(arena, token, &jwt, err) != MF_OK)
        return MF_VERIFY_REFUSED;
    struct known *known = known_take(authority);
    int64_t age = known ? mf_mono_ns(authority->config.sys) - known->fetched_ns : INT64_MAX;
    enum mf_code code;
    if (age >= GOOD_FOR)
        code = mf_fail(err, MF_NOT_FOUND, "the keys of the issuer are not known yet");
    else
        code = mf_jwks_verify(known->keys, &jwt, err);
    if (known)
        known_drop(authority, known);
    if (code == MF_NOT_FOUND)
        return MF_VERIFY_NEEDS_KEYS;
    if (age >= RENEW_AFTER)
        mf_authority_refresh(authority, NULL);
    if (code == MF_OK)
        code = mf_claims_read(arena, jwt.payload, out, err);
    if (code == MF_OK)
        code = check_claims(authority, out, err);
    return code == MF_OK ? MF_VERIFIED : MF_VERIFY_REFUSED;
}

/* ---- life ---- */

enum mf_code mf_authority_new(const struct mf_authority_config *config, struct mf_authority **out,
                              struct mf_error *err)
{
    struct mf_authority *authority = calloc(1, sizeof *authority);
    if (!authority)
        return mf_fail_memory(err);
    if (pthread_mutex_init(&authority->lock, NULL) != 0) {
        free(authority);
        return mf_fail_memory(err);
    }
    struct mf_str base = without_slash(config->issuer);
    struct mf_buf url = MF_BUF_INIT(0);
    mf_buf_printf(&url, "%.*s/.well-known/openid-configuration", MF_FMT(base));
    mf_buf_add_char(&url, '\0');
    authority->config = *config;
    authority->issuer = duplicate(config->issuer);
    authority->audience = duplicate(config->audience);
    authority->discovery_url = mf_buf_failed(&url) ? NULL : url.ptr;
    authority->arena = mf_arena_new(0);
    if (!authority->issuer || !authority->audience || !authority->discovery_url || !authority->arena) {
        mf_authority_free(authority);
        return mf_fail_memory(err);
    }
    *out = authority;
    return MF_OK;
}

void mf_authority_free(struct mf_authority *authority)
{
    if (!authority)
        return;
    if (authority->known)
        known_free(authority->known);
    free(authority->jwks_url);
    free(authority->userinfo_url);
    free(authority->issuer);
    free(authority->audience);
    free(authority->discovery_url);
    mf_arena_free(authority->arena);
    pthread_mutex_destroy(&authority->lock);
    free(authority);
}
