#include "server/health.h"

#include "base/buf.h"
#include "server/page.h"

#include <pthread.h>
#include <stdlib.h>

#define PARTS_MAX 80

struct part {
    struct mf_health_part part;
    uint64_t turns;   /* as sampled last */
    int64_t moved_ns; /* when the counter moved last, or had no reason to */
};

struct mf_health {
    const struct mf_sys *sys;
    int64_t stall_ns;
    bool (*trouble)(void *ctx, char *text, size_t size); /* may be NULL */
    void *trouble_ctx;
    pthread_mutex_t lock; /* of everything below */
    enum mf_health_state state;
    struct part parts[PARTS_MAX];
    size_t count;
};

enum mf_code mf_health_new(const struct mf_sys *sys, int64_t stall_ns, struct mf_health **out,
                           struct mf_error *err)
{
    struct mf_health *health = calloc(1, sizeof *health);
    if (!health)
        return mf_fail_memory(err);
    health->sys = sys;
    health->stall_ns = stall_ns;
    pthread_mutex_init(&health->lock, NULL);
    *out = health;
    return MF_OK;
}

void mf_health_free(struct mf_health *health)
{
    if (!health)
        return;
    pthread_mutex_destroy(&health->lock);
    free(health);
}

enum mf_code mf_health_add(struct mf_health *health, const struct mf_health_part *part, struct mf_error *err)
{
    if (health->count == PARTS_MAX)
        return mf_fail(err, MF_RESOURCE_EXHAUSTED, "too many parts to watch over: %d", PARTS_MAX);
    health->parts[health->count++] = (struct part){.part = *part, .moved_ns = mf_mono_ns(health->sys)};
    return MF_OK;
}

void mf_health_watch(struct mf_health *health, bool (*trouble)(void *ctx, char *text, size_t size), void *ctx)
{
    health->trouble = trouble;
    health->trouble_ctx = ctx;
}

void mf_health_set(struct mf_health *health, enum mf_health_state state)
{
    pthread_mutex_lock(&health->lock);
    health->state = state;
    pthread_mutex_unlock(&health->lock);
}

void mf_health_sample(struct mf_health *health)
{
    pthread_mutex_lock(&health->lock);
    int64_t now = mf_mono_ns(health->sys);
    for (size_t i = 0; i < health->count; i++) {
        struct part *p = &health->parts[i];
        bool idle = p->part.waiting && !p->part.waiting(p->part.ctx);
        uint64_t turns = p->part.turns(p->part.ctx);
        if (idle || turns != p->turns)
            p->moved_ns = now;
        p->turns = turns;
    }
    pthread_mutex_unlock(&health->lock);
}

static const char *find_stalled(const struct mf_health *health)
{
    int64_t now = mf_mono_ns(health->sys);
    for (size_t i = 0; i < health->count; i++) {
        if (now - health->parts[i].moved_ns > health->stall_ns)
            return health->parts[i].part.name;
    }
    return NULL;
}

bool mf_health_ready(struct mf_health *health, const char **stalled)
{
    pthread_mutex_lock(&health->lock);
    const char *name = find_stalled(health);
    bool ready = health->state == MF_HEALTH_READY && !name;
    pthread_mutex_unlock(&health->lock);
    if (stalled)
        *stalled = name;
    return ready;
}

static void on_healthz(void *app, struct mf_exchange *exchange)
{
    (void)app;
    if (mf_page_is_read(exchange))
        mf_page_reply(exchange, 200, "text/plain", MF_STR("OK"));
}

static void reply_ready(struct mf_health *health, struct mf_exchange *exchange)
{
    char text[512];
    struct mf_buf page = MF_BUF_INIT(4096);
    if (health->trouble && health->trouble(health->trouble_ctx, text, sizeof text)) {
        mf_buf_printf(&page, "OK\ndegraded: %s\n", text);
        mf_page_reply(exchange, 200, "text/plain", mf_buf_str(&page));
    } else {
        mf_page_reply(exchange, 200, "text/plain", MF_STR("OK"));
    }
    mf_buf_free(&page);
}

static void on_readyz(void *app, struct mf_exchange *exchange)
{
    struct mf_health *health = app;
    const char *stalled = NULL;
    if (!mf_page_is_read(exchange))
        return;
    if (mf_health_ready(health, &stalled)) {
        reply_ready(health, exchange);
        return;
    }
    struct mf_buf text = MF_BUF_INIT(4096);
    if (stalled)
        mf_buf_printf(&text, "not ready: %s has made no progress for %lld s\n", stalled,
                      (long long)(health->stall_ns / 1000000000));
    else
        mf_buf_add_c(&text, "not ready: starting or shutting down\n");
    mf_page_reply(exchange, 503, "text/plain", mf_buf_str(&text));
    mf_buf_free(&text);
}

enum mf_code mf_health_serve(struct mf_health *health, struct mf_rpc *rpc, struct mf_error *err)
{
    enum mf_code code = mf_rpc_route(rpc, "/healthz", on_healthz, health, err);
    if (code == MF_OK)
        code = mf_rpc_route(rpc, "/readyz", on_readyz, health, err);
    return code;
}
