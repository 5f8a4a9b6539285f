#include "rpc/call_state.h"

#include <stdlib.h>
#include <unistd.h>

#define MESSAGE_BYTES ((size_t)64 << 20)
#define QUEUE 65536
#define HIGH_WATER ((size_t)256 << 10)
#define SCRATCH_MAX (sizeof((struct mf_rpc *)0)->scratch / sizeof(struct mf_arena *))

static int default_workers(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 2 ? 4 : cores > 64 ? 128 : (int)cores * 2;
}

enum mf_code mf_rpc_new(const struct mf_rpc_config *config, struct mf_rpc **out, struct mf_error *err)
{
    struct mf_rpc *rpc = calloc(1, sizeof *rpc);
    if (!rpc)
        return mf_fail_memory(err);
    enum mf_code code = MF_OK;
    rpc->config = *config;
    if (rpc->config.workers <= 0)
        rpc->config.workers = default_workers();
    if (rpc->config.message_bytes == 0)
        rpc->config.message_bytes = MESSAGE_BYTES;
    if (rpc->config.queue == 0)
        rpc->config.queue = QUEUE;
    if (rpc->config.send_high_water == 0)
        rpc->config.send_high_water = HIGH_WATER;
    mf_list_init(&rpc->streams);
    if (pthread_mutex_init(&rpc->pool_lock, NULL) != 0 || pthread_mutex_init(&rpc->streams_lock, NULL) != 0) {
        code = mf_fail_memory(err);
        goto fail_locks;
    }
    rpc->compressor = mf_compressor_new();
    if (!rpc->compressor) {
        code = mf_fail_memory(err);
        goto fail_compressor;
    }
    code = mf_workers_new(rpc->config.workers, rpc->config.queue, &rpc->workers, err);
    if (code != MF_OK)
        goto fail_workers;
    *out = rpc;
    return MF_OK;

fail_workers:
    mf_compressor_free(rpc->compressor);
fail_compressor:
    pthread_mutex_destroy(&rpc->streams_lock);
    pthread_mutex_destroy(&rpc->pool_lock);
fail_locks:
    free(rpc);
    return code;
}

void mf_rpc_stop(struct mf_rpc *rpc)
{
    mf_workers_stop(rpc->workers);
}

void mf_rpc_free(struct mf_rpc *rpc)
{
    if (!rpc)
        return;
    mf_workers_stop(rpc->workers);
    while (rpc->pool) {
        struct mf_call *call = rpc->pool;
        rpc->pool = call->pool_next;
        mf_call_destroy(call);
    }
    while (rpc->scratch_count > 0)
        mf_arena_free(rpc->scratch[--rpc->scratch_count]);
    mf_workers_free(rpc->workers);
    mf_compressor_free(rpc->compressor);
    for (size_t i = 0; i < rpc->method_slots; i++)
        free(rpc->methods[i]);
    free(rpc->methods);
    free(rpc->services);
    free(rpc->routes);
    if (rpc->health.free)
        rpc->health.free(rpc->health.ctx);
    pthread_mutex_destroy(&rpc->streams_lock);
    pthread_mutex_destroy(&rpc->pool_lock);
    free(rpc);
}

enum mf_code mf_rpc_start(struct mf_rpc *rpc, struct mf_error *err)
{
    return mf_workers_start(rpc->workers, err);
}

bool mf_rpc_run(struct mf_rpc *rpc, struct mf_work *work)
{
    return mf_workers_submit(rpc->workers, work);
}

/* ---- the method table ---- */

static uint64_t path_hash(struct mf_str path)
{
    /* FNV-1a; the table holds our own constants, so nobody can choose keys that collide. */
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < path.len; i++)
        hash = (hash ^ (unsigned char)path.ptr[i]) * 1099511628211u;
    return hash;
}

struct mf_method_entry *mf_rpc_find(const struct mf_rpc *rpc, struct mf_str path)
{
    if (rpc->method_slots == 0)
        return NULL;
    uint64_t hash = path_hash(path);
    for (size_t i = hash & (rpc->method_slots - 1);; i = (i + 1) & (rpc->method_slots - 1)) {
        struct mf_method_entry *entry = rpc->methods[i];
        if (!entry)
            return NULL; /* at least half of the slots are empty */
        if (entry->hash == hash && mf_str_eq_c(path, entry->method->path))
            return entry;
    }
}

static void place(struct mf_method_entry **slots, size_t count, struct mf_method_entry *entry)
{
    size_t i = entry->hash & (count - 1);
    while (slots[i])
        i = (i + 1) & (count - 1);
    slots[i] = entry;
}

static bool make_room(struct mf_rpc *rpc)
{
    if (rpc->method_count * 2 < rpc->method_slots)
        return true;
    size_t slots = rpc->method_slots ? rpc->method_slots * 2 : 64;
    struct mf_method_entry **grown = calloc(slots, sizeof(*grown));
    if (!grown)
        return false;
    for (size_t i = 0; i < rpc->method_slots; i++) {
        if (rpc->methods[i])
            place(grown, slots, rpc->methods[i]);
    }
    free(rpc->methods);
    rpc->methods = grown;
    rpc->method_slots = slots;
    return true;
}

static bool add_service(struct mf_rpc *rpc, const struct pb_service *service)
{
    for (size_t i = 0; i < rpc->service_count; i++) {
        if (rpc->services[i] == service)
            return true;
    }
    const struct pb_service **grown =
        reallocarray(rpc->services, rpc->service_count + 1, sizeof(const struct pb_service *));
    if (!grown)
        return false;
    rpc->services = grown;
    for (size_t i = 0; i < service->method_count; i++) {
        struct mf_method_entry *entry = make_room(rpc) ? calloc(1, sizeof *entry) : NULL;
        if (!entry)
            return false;
        entry->method = &service->methods[i];
        entry->hash = path_hash(mf_str_from_c(entry->method->path));
        place(rpc->methods, rpc->method_slots, entry);
        rpc->method_count++;
    }
    rpc->services[rpc->service_count++] = service;
    return true;
}

enum mf_code mf_rpc_handle(struct mf_rpc *rpc, const struct pb_service *service, size_t method,
                           mf_handler handler, void *ctx, struct mf_error *err)
{
    if (method >= service->method_count)
        return mf_fail(err, MF_INTERNAL, "%s has no method number %zu", service->name, method);
    if (!add_service(rpc, service))
        return mf_fail_memory(err);
    struct mf_method_entry *entry = mf_rpc_find(rpc, mf_str_from_c(service->methods[method].path));
    if (!entry || entry->handler)
        return mf_fail(err, MF_INTERNAL, "%s is handled twice", service->methods[method].path);
    entry->handler = handler;
    entry->ctx = ctx;
    return MF_OK;
}

enum mf_code mf_rpc_route(struct mf_rpc *rpc, const char *path, mf_on_request on_request, void *ctx,
                          struct mf_error *err)
{
    struct mf_route *grown = reallocarray(rpc->routes, rpc->route_count + 1, sizeof *grown);
    if (!grown)
        return mf_fail_memory(err);
    rpc->routes = grown;
    rpc->routes[rpc->route_count++] =
        (struct mf_route){.path = mf_str_from_c(path), .on_request = on_request, .ctx = ctx};
    return MF_OK;
}

void mf_rpc_fallback(struct mf_rpc *rpc, mf_on_request on_request, void *ctx)
{
    rpc->fallback = on_request;
    rpc->fallback_ctx = ctx;
}

void mf_rpc_set_serving(struct mf_rpc *rpc, bool serving)
{
    if (rpc->health.set)
        rpc->health.set(rpc->health.ctx, serving);
}

void mf_rpc_each_service(const struct mf_rpc *rpc, bool (*visit)(void *ctx, const struct pb_service *service),
                         void *ctx)
{
    for (size_t i = 0; i < rpc->service_count; i++) {
        if (!visit(ctx, rpc->services[i]))
            return;
    }
}

void mf_rpc_each_method(const struct mf_rpc *rpc,
                        void (*visit)(void *ctx, const struct mf_rpc_method_stats *stats), void *ctx)
{
    for (size_t i = 0; i < rpc->method_slots; i++) {
        struct mf_method_entry *entry = rpc->methods[i];
        if (!entry)
            continue;
        struct mf_rpc_method_stats stats = {
            .path = entry->method->path,
            .started = atomic_load_explicit(&entry->started, memory_order_relaxed),
            .ok = atomic_load_explicit(&entry->ok, memory_order_relaxed),
            .failed = atomic_load_explicit(&entry->failed, memory_order_relaxed),
        };
        for (size_t k = 0; k < MF_STATS_BUCKETS; k++)
            stats.buckets[k] = atomic_load_explicit(&entry->buckets[k], memory_order_relaxed);
        visit(ctx, &stats);
    }
}

/* ---- pools ---- */

struct mf_arena *mf_rpc_scratch_take(struct mf_rpc *rpc)
{
    struct mf_arena *arena = NULL;
    pthread_mutex_lock(&rpc->pool_lock);
    if (rpc->scratch_count > 0)
        arena = rpc->scratch[--rpc->scratch_count];
    pthread_mutex_unlock(&rpc->pool_lock);
    return arena ? arena : mf_arena_new(0);
}

void mf_rpc_scratch_give(struct mf_rpc *rpc, struct mf_arena *arena)
{
    mf_arena_reset(arena);
    pthread_mutex_lock(&rpc->pool_lock);
    bool keep = rpc->scratch_count < SCRATCH_MAX;
    if (keep)
        rpc->scratch[rpc->scratch_count++] = arena;
    pthread_mutex_unlock(&rpc->pool_lock);
    if (!keep)
        mf_arena_free(arena);
}

/* ---- streams ---- */

void mf_rpc_stream_join(struct mf_rpc *rpc, struct mf_call *call)
{
    pthread_mutex_lock(&rpc->streams_lock);
    mf_list_push(&rpc->streams, &call->stream_link);
    pthread_mutex_unlock(&rpc->streams_lock);
}

void mf_rpc_stream_leave(struct mf_rpc *rpc, struct mf_call *call)
{
    pthread_mutex_lock(&rpc->streams_lock);
    if (call->stream_link.next)
        mf_list_remove(&rpc->streams, &call->stream_link);
    pthread_mutex_unlock(&rpc->streams_lock);
}

void mf_rpc_drain(struct mf_rpc *rpc)
{
    atomic_store(&rpc->draining, true);
    mf_rpc_set_serving(rpc, false);
    pthread_mutex_lock(&rpc->streams_lock);
    for (struct mf_link *link = mf_list_first(&rpc->streams); link; link = mf_list_next(&rpc->streams, link))
        mf_call_drain(MF_CONTAINER(link, struct mf_call, stream_link));
    pthread_mutex_unlock(&rpc->streams_lock);
}
