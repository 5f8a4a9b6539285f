#include "identity/metadata.h"

#include "base/list.h"

#include <pthread.h>
#include <stdlib.h>

#define MS INT64_C(1000000)
#define KEPT_NS (300000 * MS)
#define TRIES 5
#define PAUSE_MS 1000
#define ALL_MS 10000
#define LEAST_MS 100 /* for a try to make sense */
#define DOCUMENT_MAX ((size_t)1 << 20)
#define WAITS_MAX 1000

struct mf_metadata_source {
    const struct mf_sys *sys;
    struct mf_fetcher *fetcher;
    char *url;

    /* Of the request that is under way. */
    struct mf_fetch fetch;
    int tries;
    int64_t begun_ns;

    pthread_mutex_t lock;
    /* Guarded by lock. */
    char *document; /* NULL: none yet */
    size_t document_len;
    int64_t fetched_ns;
    bool asking;
    struct mf_metadata_wait *waits;
    size_t wait_count;
};

static void try_once(struct mf_metadata_source *source, uint32_t delay_ms);

static enum mf_code decode(struct mf_arena *arena, struct mf_str json,
                           const struct pb_auth_GetOAuth2MetadataResponse **out, struct mf_error *err)
{
    static const struct pb_json_options lenient = {.ignore_unknown = true};
    void *metadata = NULL;
    enum mf_code code =
        pb_from_json(arena, &pb_auth_GetOAuth2MetadataResponse_type, json, &lenient, &metadata, err);
    *out = metadata;
    return code;
}

static void tell(struct mf_metadata_wait *waits, const struct pb_auth_GetOAuth2MetadataResponse *metadata,
                 const struct mf_error *err)
{
    while (waits) {
        struct mf_metadata_wait *wait = waits;
        waits = wait->next;
        wait->done(wait, metadata, err);
    }
}

static struct mf_metadata_wait *take_waits(struct mf_metadata_source *source)
{
    struct mf_metadata_wait *waits = source->waits;
    source->waits = NULL;
    source->wait_count = 0;
    source->asking = false;
    return waits;
}

static void failed(struct mf_metadata_source *source, const struct mf_error *err)
{
    pthread_mutex_lock(&source->lock);
    struct mf_metadata_wait *waits = take_waits(source);
    pthread_mutex_unlock(&source->lock);
    tell(waits, NULL, err);
}

static void succeeded(struct mf_metadata_source *source, struct mf_str json)
{
    struct mf_error err;
    const struct pb_auth_GetOAuth2MetadataResponse *metadata = NULL;
    struct mf_arena *arena = mf_arena_new(0);
    char *document = malloc(json.len + 1);
    enum mf_code code = arena && document ? MF_OK : mf_fail_memory(&err);
    if (code == MF_OK && decode(arena, json, &metadata, &err) != MF_OK)
        code = mf_fail(&err, MF_FAILED_PRECONDITION, "%s is no authorization server metadata", source->url);
    if (code != MF_OK) {
        free(document);
        mf_arena_free(arena);
        failed(source, &err);
        return;
    }
    if (json.len > 0)
        memcpy(document, json.ptr, json.len);
    pthread_mutex_lock(&source->lock);
    free(source->document);
    source->document = document;
    source->document_len = json.len;
    source->fetched_ns = mf_mono_ns(source->sys);
    struct mf_metadata_wait *waits = take_waits(source);
    pthread_mutex_unlock(&source->lock);
    tell(waits, metadata, NULL);
    mf_arena_free(arena);
}

static int64_t left_ms(const struct mf_metadata_source *source)
{
    return ALL_MS - (mf_mono_ns(source->sys) - source->begun_ns) / MS;
}

static void on_answer(struct mf_fetch *fetch, enum mf_code code, const struct mf_error *why)
{
    struct mf_metadata_source *source = MF_CONTAINER(fetch, struct mf_metadata_source, fetch);
    struct mf_error err;
    bool passing = code == MF_UNAVAILABLE || code == MF_DEADLINE_EXCEEDED ||
                   (code == MF_OK && (fetch->status >= 500 || fetch->status == 429));
    if (code == MF_OK && fetch->status == 200) {
        succeeded(source, fetch->response);
        return;
    }
    if (passing && source->tries < TRIES && left_ms(source) > PAUSE_MS + LEAST_MS) {
        try_once(source, PAUSE_MS);
        return;
    }
    if (code == MF_OK)
        mf_fail(&err, passing ? MF_UNAVAILABLE : MF_FAILED_PRECONDITION,
                "the authorization server answered %s with status %d", source->url, fetch->status);
    else
        mf_fail(&err, passing || code == MF_CANCELED ? MF_UNAVAILABLE : MF_FAILED_PRECONDITION, "%s",
                why->message);
    failed(source, &err);
}

static void try_once(struct mf_metadata_source *source, uint32_t delay_ms)
{
    static const struct mf_header accept = {MF_STR("accept"), MF_STR("application/json")};
    source->tries++;
    source->fetch = (struct mf_fetch){
        .url = source->url,
        .headers = &accept,
        .header_count = 1,
        .delay_ms = delay_ms,
        .timeout_ms = (uint32_t)(left_ms(source) - delay_ms),
        .response_bytes = DOCUMENT_MAX,
        .redirects = 3,
        .done = on_answer,
    };
    mf_fetch_start(source->fetcher, &source->fetch);
}

/* With the lock held: a copy of the document when it is fresh. */
static bool copy_fresh(struct mf_metadata_source *source, struct mf_arena *arena, struct mf_str *out)
{
    if (!source->document || mf_mono_ns(source->sys) - source->fetched_ns >= KEPT_NS)
        return false;
    *out = mf_str_copy(arena, mf_str_make(source->document, source->document_len));
    return out->ptr != NULL;
}

void mf_metadata_ask(struct mf_metadata_source *source, struct mf_metadata_wait *wait)
{
    struct mf_error err;
    struct mf_str json;
    const struct pb_auth_GetOAuth2MetadataResponse *metadata = NULL;
    struct mf_arena *arena = mf_arena_new(0);
    bool start = false;
    enum mf_code code = arena ? MF_OK : mf_fail_memory(&err);
    pthread_mutex_lock(&source->lock);
    bool fresh = code == MF_OK && copy_fresh(source, arena, &json);
    if (code == MF_OK && !fresh && source->wait_count >= WAITS_MAX)
        code = mf_fail(&err, MF_RESOURCE_EXHAUSTED, "too many calls wait for the authorization server");
    if (code == MF_OK && !fresh) {
        wait->next = source->waits;
        source->waits = wait;
        source->wait_count++;
        start = !source->asking;
        source->asking = true;
    }
    pthread_mutex_unlock(&source->lock);
    if (fresh)
        code = decode(arena, json, &metadata, &err);
    if (start) {
        source->tries = 0;
        source->begun_ns = mf_mono_ns(source->sys);
        try_once(source, 0);
    } else if (code != MF_OK || fresh) {
        wait->done(wait, metadata, code == MF_OK ? NULL : &err);
    }
    mf_arena_free(arena);
}

/* ---- life ---- */

enum mf_code mf_metadata_new(const struct mf_sys *sys, struct mf_fetcher *fetcher, struct mf_str url,
                             struct mf_metadata_source **out, struct mf_error *err)
{
    struct mf_metadata_source *source = calloc(1, sizeof *source);
    char *copy = calloc(1, url.len + 1);
    if (!source || !copy || pthread_mutex_init(&source->lock, NULL) != 0) {
        free(copy);
        free(source);
        return mf_fail_memory(err);
    }
    memcpy(copy, url.ptr, url.len);
    source->sys = sys;
    source->fetcher = fetcher;
    source->url = copy;
    *out = source;
    return MF_OK;
}

void mf_metadata_free(struct mf_metadata_source *source)
{
    if (!source)
        return;
    free(source->url);
    free(source->document);
    pthread_mutex_destroy(&source->lock);
    free(source);
}
