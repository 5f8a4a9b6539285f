#include "identity/identify.h"

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "gen/flyteidl2/common/identity.pb.h"
#include "identity/task_key.h"
#include "identity/tokens.h"
#include "store/run.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#define USERINFO_MS 3000
#define JOBS_MAX 1000
#define WAITERS_MAX 1000 /* of one job */
#define HASH_BYTES 32
#define NS INT64_C(1000000000)
#define KEPT_NS (24 * 3600 * NS)

/* A call that waits for what its token says. */
struct waiter {
    struct mf_call *call;
    struct mf_caller *caller;
    struct waiter *next;
};

/* A token that is being looked into; one for all calls that bring it at the same time. */
struct job {
    struct mf_authority_wait wait;
    struct mf_fetch fetch;
    struct mf_identities *identities;
    struct mf_arena *arena;
    unsigned char hash[HASH_BYTES];
    struct mf_str token;
    struct mf_claims claims;
    struct waiter *waiters; /* guarded by the lock of the identities */
    size_t waiter_count;
};

struct mf_identities {
    struct mf_identities_config config;
    struct mf_tokens *tokens;
    pthread_mutex_t lock;
    struct mf_map *jobs; /* by hash; guarded by lock */
};

/* ---- who need not sign in ---- */

static bool is_open(const struct mf_call *call)
{
    static const char *const services[] = {
        "/flyteidl2.auth.AuthMetadataService/",
        "/grpc.health.v1.Health/",
        "/grpc.reflection.v1.ServerReflection/",
        "/grpc.reflection.v1alpha.ServerReflection/",
    };
    struct mf_str path = mf_str_from_c(mf_call_method(call)->path);
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        if (mf_str_starts(path, mf_str_from_c(services[i])))
            return true;
    }
    return false;
}

/* ---- headers ---- */

static struct mf_str trusted_header(const struct mf_call *call, const char *name)
{
    return name[0] ? mf_call_header(call, name) : (struct mf_str){0};
}

/* Claims of a token that somebody else has verified; one that cannot be read counts as none. */
static bool believe(struct mf_call *call, struct mf_str token, struct mf_caller *caller)
{
    struct mf_jwt jwt;
    struct mf_claims claims;
    struct mf_arena *arena = mf_call_arena(call);
    if (mf_jwt_split(arena, token, &jwt, NULL) != MF_OK ||
        mf_claims_read(arena, jwt.payload, &claims, NULL) != MF_OK || claims.caller.subject.len == 0)
        return false;
    *caller = claims.caller;
    return true;
}

static bool from_headers(const struct mf_identities *identities, struct mf_call *call,
                         struct mf_caller *caller)
{
    const struct mf_identities_config *config = &identities->config;
    struct mf_str claims = trusted_header(call, config->claims_header);
    struct mf_str subject = trusted_header(call, config->subject_header);
    if (!config->trust_headers)
        return false;
    if (claims.len > 0 && believe(call, claims, caller))
        return true;
    if (subject.len == 0 || !mf_utf8_valid(subject.ptr, subject.len))
        return false;
    struct mf_str email = trusted_header(call, config->email_header);
    *caller = (struct mf_caller){
        .subject = subject,
        .email = email.len > 0 && mf_utf8_valid(email.ptr, email.len) ? email : MF_STR_EMPTY,
    };
    return true;
}

/* Empty when there is none. The scheme is written in any case (RFC 9110). */
static struct mf_str bearer(const struct mf_identities *identities, const struct mf_call *call)
{
    struct mf_str value = mf_call_header(call, identities->config.token_header);
    struct mf_str scheme = MF_STR("bearer ");
    if (value.len <= scheme.len || !mf_str_eq_nocase(mf_str_take(value, scheme.len), scheme))
        return MF_STR_EMPTY;
    return mf_str_trim(mf_str_skip(value, scheme.len), MF_STR(" "));
}

/* ---- tasks ---- */

/* As it was recorded when the run was made; a run that nobody has signed for speaks for itself. */
static enum mf_code creator(struct mf_arena *arena, struct mf_str created_by, int64_t run_id,
                            struct mf_caller *caller, struct mf_error *err)
{
    void *decoded = NULL;
    enum mf_code code = pb_decode(arena, &pb_common_EnrichedIdentity_type, created_by, &decoded, err);
    if (code != MF_OK)
        return code;
    const struct pb_common_EnrichedIdentity *identity = decoded;
    const struct pb_common_User *user =
        identity->principal_case == pb_common_EnrichedIdentity_tag_user ? identity->principal.user : NULL;
    if (user && user->id && user->id->subject.len > 0) {
        caller->subject = user->id->subject;
        if (user->spec) {
            caller->given_name = user->spec->first_name;
            caller->family_name = user->spec->last_name;
            caller->email = user->spec->email;
            caller->preferred_username = user->spec->user_handle;
            caller->picture = user->spec->photo_url;
        }
        return MF_OK;
    }
    caller->application = true;
    const struct pb_common_Application *application =
        identity->principal_case == pb_common_EnrichedIdentity_tag_application
            ? identity->principal.application
            : NULL;
    if (application && application->id && application->id->subject.len > 0) {
        caller->subject = application->id->subject;
        caller->name = application->spec ? application->spec->name : MF_STR_EMPTY;
        return MF_OK;
    }
    caller->subject = mf_str_printf(arena, "run-%lld", (long long)run_id);
    return caller->subject.ptr ? MF_OK : mf_fail_memory(err);
}

static enum mf_identified from_task(struct mf_identities *identities, struct mf_call *call, struct mf_str key,
                                    struct mf_caller *caller, struct mf_error *err)
{
    struct mf_arena *arena = mf_call_arena(call);
    struct mf_store *store = identities->config.store;
    struct mf_str created_by;
    struct mf_db *db = NULL;
    int64_t run_id = 0;
    bool open = false;
    enum mf_code code = MF_OK;
    if (!mf_task_key_read(arena, identities->config.task_secret, key, &run_id))
        code = mf_fail(err, MF_UNAUTHENTICATED, "the key of this task was not made by this server");
    if (code == MF_OK)
        code = mf_store_reader(store, &db, err);
    if (code == MF_OK)
        code = mf_run_creator(db, arena, run_id, &created_by, &open, err);
    mf_store_reader_done(store, db);
    if (code == MF_NOT_FOUND || (code == MF_OK && !open))
        code = mf_fail(err, MF_UNAUTHENTICATED, "the run of this task is over, and its key with it");
    if (code == MF_OK)
        code = creator(arena, created_by, run_id, caller, err);
    return code == MF_OK ? MF_IDENTIFIED : MF_IDENTIFY_REFUSED;
}

/* ---- jobs ---- */

static bool copy_caller(struct mf_arena *arena, const struct mf_caller *from, struct mf_caller *to)
{
    bool ok = true;
#define COPY(field)                                                                                          \
    to->field = mf_str_copy(arena, from->field);                                                             \
    ok = ok && (to->field.ptr || from->field.len == 0);
    MF_CALLER_TEXTS(COPY)
#undef COPY
    to->application = from->application;
    return ok;
}

static void job_free(struct job *job)
{
    mf_arena_free(job->arena);
    free(job);
}

/* Answers everyone who waits; refused is NULL when the claims are those of the caller. */
static void job_over(struct job *job, const struct mf_error *refused)
{
    struct mf_identities *identities = job->identities;
    struct mf_error no_memory;
    mf_fail_memory(&no_memory);
    if (!refused) {
        int64_t expires = job->claims.expires_at < (double)(INT64_MAX / NS)
                              ? (int64_t)job->claims.expires_at * NS
                              : INT64_MAX;
        mf_tokens_put(identities->tokens, job->hash, &job->claims.caller, expires);
    }
    pthread_mutex_lock(&identities->lock);
    mf_map_remove(identities->jobs, mf_str_make(job->hash, HASH_BYTES));
    struct waiter *waiters = job->waiters;
    pthread_mutex_unlock(&identities->lock);
    while (waiters) {
        struct waiter *waiter = waiters;
        waiters = waiter->next; /* it lives in the call's arena */
        struct mf_call *call = waiter->call;
        bool copied = refused || copy_caller(mf_call_arena(call), &job->claims.caller, waiter->caller);
        mf_call_identified(call, refused ? refused : copied ? NULL : &no_memory);
        mf_call_unref(call);
    }
    job_free(job);
}

/* The profile's fields replace the token's where there are any. */
static void merge(struct job *job, struct mf_str json)
{
    struct mf_claims profile;
    struct mf_str copy = mf_str_copy(job->arena, json);
    struct mf_caller *caller = &job->claims.caller;
    if (!copy.ptr || mf_claims_read(job->arena, copy, &profile, NULL) != MF_OK ||
        profile.caller.subject.len == 0)
        return;
#define MERGE(field)                                                                                         \
    if (profile.caller.field.len > 0)                                                                        \
        caller->field = profile.caller.field;
    MF_CALLER_TEXTS(MERGE)
#undef MERGE
}

static void on_userinfo(struct mf_fetch *fetch, enum mf_code code, const struct mf_error *err)
{
    struct job *job = MF_CONTAINER(fetch, struct job, fetch);
    if (code == MF_OK && fetch->status == 200)
        merge(job, fetch->response);
    else
        mf_log(MF_LOG_DEBUG, "identity", "no profile from %s: %s", fetch->url,
               code == MF_OK ? "it was refused" : err->message);
    job_over(job, NULL);
}

static bool incomplete(const struct mf_caller *caller)
{
    return caller->email.len == 0 ||
           (caller->name.len == 0 && (caller->given_name.len == 0 || caller->family_name.len == 0));
}

/* Where the profile is to be fetched; NULL: nowhere. */
static const char *profile_url(const struct mf_identities *identities, struct mf_arena *arena,
                               const struct mf_claims *claims)
{
    return incomplete(&claims->caller) ? mf_authority_userinfo_url(identities->config.authority, arena)
                                       : NULL;
}

static void fetch_profile(struct job *job, const char *url)
{
    struct mf_header *headers = mf_arena_array(job->arena, 2, sizeof *headers);
    struct mf_str value = mf_str_printf(job->arena, "Bearer %.*s", MF_FMT(job->token));
    if (!headers || !value.ptr) {
        job_over(job, NULL);
        return;
    }
    headers[0] = (struct mf_header){MF_STR("authorization"), value};
    headers[1] = (struct mf_header){MF_STR("accept"), MF_STR("application/json")};
    job->fetch = (struct mf_fetch){
        .url = url,
        .headers = headers,
        .header_count = 2,
        .timeout_ms = USERINFO_MS,
        .done = on_userinfo,
    };
    mf_fetch_start(job->identities->config.fetcher, &job->fetch);
}

static void job_verified(struct job *job)
{
    const char *url = profile_url(job->identities, job->arena, &job->claims);
    if (url)
        fetch_profile(job, url);
    else
        job_over(job, NULL);
}

static void on_keys(struct mf_authority_wait *wait, const struct mf_error *refused)
{
    struct job *job = MF_CONTAINER(wait, struct job, wait);
    struct mf_error err;
    if (refused) {
        job_over(job, refused);
        return;
    }
    enum mf_verified verified =
        mf_authority_verify(job->identities->config.authority, job->arena, job->token, &job->claims, &err);
    if (verified == MF_VERIFIED) {
        job_verified(job);
        return;
    }
    if (verified == MF_VERIFY_NEEDS_KEYS)
        err.code = MF_UNAUTHENTICATED; /* the newest keys do not have it either */
    job_over(job, &err);
}

static struct job *job_new(struct mf_identities *identities, const unsigned char *hash, struct mf_str token)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->arena = mf_arena_new(0);
    job->identities = identities;
    job->wait.done = on_keys;
    memcpy(job->hash, hash, HASH_BYTES);
    if (job->arena)
        job->token = mf_str_copy(job->arena, token);
    if (!job->arena || !job->token.ptr) {
        job_free(job);
        return NULL;
    }
    return job;
}

/* Joins the job that looks into the token, or makes one; *begin is a new one, for the caller to start. */
static enum mf_code join(struct mf_identities *identities, const unsigned char *hash, struct mf_str token,
                         struct waiter *waiter, struct job **begin, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    struct mf_str key = mf_str_make(hash, HASH_BYTES);
    pthread_mutex_lock(&identities->lock);
    struct job *job = mf_map_get(identities->jobs, key);
    if (job ? job->waiter_count >= WAITERS_MAX : mf_map_count(identities->jobs) >= JOBS_MAX) {
        code = mf_fail(err, MF_RESOURCE_EXHAUSTED, "too many calls wait to be identified; try again");
    } else if (!job) {
        job = job_new(identities, hash, token);
        if (!job || !mf_map_put(identities->jobs, key, job, NULL)) {
            if (job)
                job_free(job);
            code = mf_fail_memory(err);
        }
        *begin = job;
    }
    if (code == MF_OK) {
        mf_call_ref(waiter->call);
        waiter->next = job->waiters;
        job->waiters = waiter;
        job->waiter_count++;
    }
    pthread_mutex_unlock(&identities->lock);
    return code;
}

static enum mf_identified later(struct mf_identities *identities, struct mf_call *call,
                                const unsigned char *hash, struct mf_str token,
                                const struct mf_claims *claims, struct mf_caller *caller,
                                struct mf_error *err)
{
    struct job *begin = NULL;
    struct waiter *waiter = MF_NEW(mf_call_arena(call), struct waiter);
    if (!waiter) {
        mf_fail_memory(err);
        return MF_IDENTIFY_REFUSED;
    }
    *waiter = (struct waiter){.call = call, .caller = caller};
    if (join(identities, hash, token, waiter, &begin, err) != MF_OK)
        return MF_IDENTIFY_REFUSED;
    /* From here on the call may be anywhere. */
    if (begin && !claims) {
        mf_authority_refresh(identities->config.authority, &begin->wait);
    } else if (begin) {
        /* The claims lie in the call's arena, which is the job's waiter's until the job is over. */
        begin->claims = *claims;
        job_verified(begin);
    }
    return MF_IDENTIFY_LATER;
}

static enum mf_identified verify(struct mf_identities *identities, struct mf_call *call, struct mf_str token,
                                 struct mf_caller *caller, struct mf_error *err)
{
    struct mf_arena *arena = mf_call_arena(call);
    struct mf_claims claims = {0};
    unsigned char hash[HASH_BYTES];
    unsigned int len = 0;
    if (EVP_Digest(token.ptr, token.len, hash, &len, EVP_sha256(), NULL) != 1) {
        mf_fail(err, MF_UNAVAILABLE, "SHA-256 is not available");
        return MF_IDENTIFY_REFUSED;
    }
    if (mf_tokens_get(identities->tokens, arena, hash, caller))
        return MF_IDENTIFIED;
    switch (mf_authority_verify(identities->config.authority, arena, token, &claims, err)) {
    case MF_VERIFY_REFUSED:
        return MF_IDENTIFY_REFUSED;
    case MF_VERIFY_NEEDS_KEYS:
        return later(identities, call, hash, token, NULL, caller, err);
    case MF_VERIFIED:
        break;
    }
    if (profile_url(identities, arena, &claims))
        return later(identities, call, hash, token, &claims, caller, err);
    int64_t expires =
        claims.expires_at < (double)(INT64_MAX / NS) ? (int64_t)claims.expires_at * NS : INT64_MAX;
    mf_tokens_put(identities->tokens, hash, &claims.caller, expires);
    *caller = claims.caller;
    return MF_IDENTIFIED;
}

enum mf_identified mf_identities_identify(void *ctx, struct mf_call *call, struct mf_caller *caller,
                                          struct mf_error *err)
{
    struct mf_identities *identities = ctx;
    struct mf_str key = mf_call_task_key(call);
    if (key.len > 0 && identities->config.task_secret.len > 0)
        return from_task(identities, call, key, caller, err);
    if (from_headers(identities, call, caller))
        return MF_IDENTIFIED;
    struct mf_str token = bearer(identities, call);
    if (!identities->config.authority) {
        if (token.len > 0 && identities->config.trust_headers)
            believe(call, token, caller);
        return MF_IDENTIFIED;
    }
    if (is_open(call))
        return MF_IDENTIFIED;
    if (token.len > 0)
        return verify(identities, call, token, caller, err);
    mf_fail(err, MF_UNAUTHENTICATED, "sign in first: this server wants a token in the header \"%s\"",
            identities->config.token_header);
    return MF_IDENTIFY_REFUSED;
}

/* ---- life ---- */

enum mf_code mf_identities_new(const struct mf_identities_config *config, struct mf_identities **out,
                               struct mf_error *err)
{
    uint64_t seed = 0;
    struct mf_identities *identities = calloc(1, sizeof *identities);
    if (!identities)
        return mf_fail_memory(err);
    if (pthread_mutex_init(&identities->lock, NULL) != 0) {
        free(identities);
        return mf_fail_memory(err);
    }
    config->sys->random(config->sys->ctx, &seed, sizeof seed);
    identities->config = *config;
    identities->tokens = mf_tokens_new(config->sys, KEPT_NS);
    identities->jobs = mf_map_new(seed);
    if (!identities->tokens || !identities->jobs) {
        mf_identities_free(identities);
        return mf_fail_memory(err);
    }
    *out = identities;
    return MF_OK;
}

void mf_identities_free(struct mf_identities *identities)
{
    if (!identities)
        return;
    mf_tokens_free(identities->tokens);
    if (identities->jobs)
        mf_map_free(identities->jobs, NULL); /* the fetcher has ended all jobs when it stopped */
    pthread_mutex_destroy(&identities->lock);
    free(identities);
}
