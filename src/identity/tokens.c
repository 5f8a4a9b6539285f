#include "identity/tokens.h"

#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>

struct known {
    int64_t expires_ns;
    struct mf_caller caller; /* its texts lie behind it */
    unsigned char hash[MF_TOKEN_HASH_BYTES];
    char text[];
};

struct mf_tokens {
    const struct mf_sys *sys;
    int64_t kept_ns;
    pthread_mutex_t lock;
    struct mf_map *known; /* by hash; guarded by lock */
};

struct mf_tokens *mf_tokens_new(const struct mf_sys *sys, int64_t kept_ns)
{
    uint64_t seed = 0;
    struct mf_tokens *tokens = calloc(1, sizeof *tokens);
    sys->random(sys->ctx, &seed, sizeof seed);
    struct mf_map *known = mf_map_new(seed);
    if (!tokens || !known || pthread_mutex_init(&tokens->lock, NULL) != 0) {
        if (known)
            mf_map_free(known, NULL);
        free(tokens);
        return NULL;
    }
    tokens->sys = sys;
    tokens->kept_ns = kept_ns;
    tokens->known = known;
    return tokens;
}

void mf_tokens_free(struct mf_tokens *tokens)
{
    if (!tokens)
        return;
    mf_map_free(tokens->known, free);
    pthread_mutex_destroy(&tokens->lock);
    free(tokens);
}

static struct mf_str key_of(const unsigned char *hash)
{
    return mf_str_make(hash, MF_TOKEN_HASH_BYTES);
}

bool mf_tokens_get(struct mf_tokens *tokens, struct mf_arena *arena, const unsigned char *hash,
                   struct mf_caller *out)
{
    pthread_mutex_lock(&tokens->lock);
    const struct known *known = mf_map_get(tokens->known, key_of(hash));
    bool found = known && known->expires_ns > mf_wall_ns(tokens->sys);
    if (found) {
        out->application = known->caller.application;
#define COPY(field)                                                                                          \
    out->field = mf_str_copy(arena, known->caller.field);                                                    \
    found = found && (out->field.ptr || known->caller.field.len == 0);
        MF_CALLER_TEXTS(COPY)
#undef COPY
    }
    pthread_mutex_unlock(&tokens->lock);
    if (!found)
        *out = (struct mf_caller){0};
    return found;
}

static struct known *known_new(const unsigned char *hash, const struct mf_caller *caller, int64_t expires_ns)
{
    size_t size = 0;
#define COUNT(field) size += caller->field.len;
    MF_CALLER_TEXTS(COUNT)
#undef COUNT
    struct known *known = calloc(1, sizeof *known + size);
    if (!known)
        return NULL;
    char *at = known->text;
    memcpy(known->hash, hash, sizeof known->hash);
    known->expires_ns = expires_ns;
    known->caller.application = caller->application;
#define PUT(field)                                                                                           \
    if (caller->field.len > 0)                                                                               \
        memcpy(at, caller->field.ptr, caller->field.len);                                                    \
    known->caller.field = mf_str_make(at, caller->field.len);                                                \
    at += caller->field.len;
    MF_CALLER_TEXTS(PUT)
#undef PUT
    return known;
}

struct sweep {
    int64_t before_ns;
    unsigned char (*hashes)[MF_TOKEN_HASH_BYTES];
    size_t count;
};

static bool note_expired(void *ctx, struct mf_str key, void *value)
{
    struct sweep *sweep = ctx;
    const struct known *known = value;
    (void)key;
    if (known->expires_ns <= sweep->before_ns)
        memcpy(sweep->hashes[sweep->count++], known->hash, MF_TOKEN_HASH_BYTES);
    return true;
}

/* With the lock held and the table full. */
static void make_room(struct mf_tokens *tokens, int64_t now)
{
    struct sweep sweep = {.before_ns = now, .hashes = calloc(MF_TOKENS_MAX, MF_TOKEN_HASH_BYTES)};
    if (sweep.hashes)
        mf_map_each(tokens->known, note_expired, &sweep);
    if (sweep.count == 0 && sweep.hashes) {
        sweep.before_ns = INT64_MAX;
        mf_map_each(tokens->known, note_expired, &sweep);
    }
    for (size_t i = 0; i < sweep.count; i++)
        free(mf_map_remove(tokens->known, key_of(sweep.hashes[i])));
    free(sweep.hashes);
}

void mf_tokens_put(struct mf_tokens *tokens, const unsigned char *hash, const struct mf_caller *caller,
                   int64_t expires_ns)
{
    void *old = NULL;
    int64_t now = mf_wall_ns(tokens->sys);
    int64_t latest = now + tokens->kept_ns;
    struct known *known = known_new(hash, caller, expires_ns < latest ? expires_ns : latest);
    if (!known)
        return; /* it is verified again */
    pthread_mutex_lock(&tokens->lock);
    if (mf_map_count(tokens->known) >= MF_TOKENS_MAX)
        make_room(tokens, now);
    bool kept =
        mf_map_count(tokens->known) < MF_TOKENS_MAX && mf_map_put(tokens->known, key_of(hash), known, &old);
    pthread_mutex_unlock(&tokens->lock);
    free(kept ? old : known);
}
