/* Whether the server can be reached, and finding out when it can again. */
#include "base/list.h"
#include "base/log.h"
#include "base/time.h"
#include "objects/remote_state.h"

#include <stdio.h>

#define PROBE_FIRST_MS 500
#define PROBE_MAX_MS 5000

/* With the lock held. */
static void trouble(struct mf_remote *remote, bool down, const struct mf_error *err)
{
    if (!remote->troubled)
        remote->troubled_since_ns = mf_mono_ns(remote->sys);
    remote->troubled = true;
    remote->down |= down;
    snprintf(remote->reason, sizeof remote->reason, "%.*s", (int)sizeof remote->reason - 1, err->message);
}

/* ---- probes ---- */

static void start_probe(struct mf_remote *remote);

static void on_probed(struct mf_remote_call *call, enum mf_code code, const struct mf_error *err)
{
    struct mf_remote *remote = MF_CONTAINER(call, struct mf_remote, probe);
    pthread_mutex_lock(&remote->lock);
    /* One that ends before it has begun must not be followed by the next at once. The next call starts it. */
    bool at_once = remote->starting && pthread_equal(remote->starter, pthread_self());
    bool again = code != MF_OK && !remote->stopping && !at_once;
    if (code != MF_OK)
        trouble(remote, call->out_of_reach, err);
    remote->probe_ms = remote->probe_ms * 2 < PROBE_MAX_MS ? remote->probe_ms * 2 : PROBE_MAX_MS;
    remote->probing = again;
    pthread_mutex_unlock(&remote->lock);
    if (again)
        start_probe(remote);
}

/* By whoever has set probing. */
static void start_probe(struct mf_remote *remote)
{
    pthread_mutex_lock(&remote->lock);
    remote->probe = (struct mf_remote_call){
        .method = MF_STR("PUT"),
        .name = MF_REMOTE_PROBE_NAME,
        .body = MF_REMOTE_PROBE_BODY,
        .content_type = MF_STR("text/plain"),
        .probe = true,
        .delay_ms = remote->probe_ms,
        .done = on_probed,
    };
    remote->starting = true;
    remote->starter = pthread_self();
    pthread_mutex_unlock(&remote->lock);
    mf_remote_start(remote, &remote->probe);
    pthread_mutex_lock(&remote->lock);
    remote->starting = false;
    pthread_mutex_unlock(&remote->lock);
}

/* With the lock held: true when the caller has to start a probe. */
static bool want_probe(struct mf_remote *remote, uint32_t after_ms)
{
    if (remote->probing || remote->stopping)
        return false;
    remote->probing = true;
    remote->probe_ms = after_ms;
    return true;
}

/* ---- calls ---- */

bool mf_remote_may(struct mf_remote *remote, const struct mf_remote_call *call, struct mf_error *err)
{
    pthread_mutex_lock(&remote->lock);
    bool stopping = remote->stopping;
    bool down = remote->down && !call->probe;
    bool probe = down && want_probe(remote, PROBE_FIRST_MS);
    if (stopping)
        mf_fail(err, MF_UNAVAILABLE, "the server is shutting down");
    else if (down)
        mf_fail(err, MF_UNAVAILABLE, "%s (it is tried again every few seconds)", remote->reason);
    pthread_mutex_unlock(&remote->lock);
    if (probe)
        start_probe(remote);
    return !stopping && !down;
}

void mf_remote_note(struct mf_remote *remote, const struct mf_remote_call *call, enum mf_code code,
                    const struct mf_error *err)
{
    bool good = code == MF_OK || code == MF_NOT_FOUND;
    bool probe = false;
    atomic_fetch_add(good ? &remote->requests : &remote->failures, 1);
    pthread_mutex_lock(&remote->lock);
    bool was_down = remote->down;
    if (good)
        remote->down = false;
    if (code == MF_OK && mf_str_eq_c(call->method, "PUT"))
        remote->troubled = false;
    if (code == MF_UNAVAILABLE && !call->strict && !call->probe && !remote->stopping) {
        if (call->out_of_reach)
            trouble(remote, true, err);
        probe = want_probe(remote, PROBE_FIRST_MS);
    } else if (good && remote->troubled) {
        probe = want_probe(remote, PROBE_FIRST_MS);
    }
    bool is_down = remote->down;
    pthread_mutex_unlock(&remote->lock);
    if (is_down && !was_down)
        mf_log(MF_LOG_WARN, "objects", "%s; what needs it fails until it is back", err->message);
    else if (was_down && !is_down)
        mf_log(MF_LOG_INFO, "objects", "the object store %.*s is back", MF_FMT(remote->base));
    if (probe)
        start_probe(remote);
}

void mf_remote_stats(struct mf_remote *remote, struct mf_objects_stats *out)
{
    pthread_mutex_lock(&remote->lock);
    bool troubled = remote->troubled;
    pthread_mutex_unlock(&remote->lock);
    *out = (struct mf_objects_stats){
        .external = true,
        .usable = !troubled,
        .requests = atomic_load(&remote->requests),
        .retries = atomic_load(&remote->retries),
        .failures = atomic_load(&remote->failures),
        .sent_bytes = atomic_load(&remote->sent),
        .received_bytes = atomic_load(&remote->received),
        .refreshes = mf_credentials_refreshes(remote->credentials),
    };
}

bool mf_remote_trouble(struct mf_remote *remote, char *text, size_t size)
{
    pthread_mutex_lock(&remote->lock);
    bool troubled = remote->troubled;
    int64_t for_s = (mf_mono_ns(remote->sys) - remote->troubled_since_ns) / MF_SECOND_NS;
    if (troubled)
        snprintf(text, size, "%s (for %lld s)", remote->reason, (long long)for_s);
    pthread_mutex_unlock(&remote->lock);
    return troubled;
}
