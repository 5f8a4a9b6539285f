#include "rpc/health.h"

#include "base/list.h"
#include "gen/grpc_health/v1/health.pb.h"
#include "rpc/call_state.h"

#include <pthread.h>
#include <stdlib.h>

#define WATCHERS_MAX 4096

struct mf_health {
    struct mf_rpc *rpc;
    pthread_mutex_t lock;
    bool serving;            /* guarded by lock */
    struct mf_list watchers; /* guarded by lock */
};

/* One Watch stream. */
struct watcher {
    struct mf_link link;
    struct mf_health *health;
    struct mf_call *call; /* alive until on_done, so no reference */
    bool known;           /* the service asked for exists */
    int32_t told;         /* the status sent last, -1 before the first */
};

struct name_search {
    struct mf_str name;
    bool found;
};

static bool match(void *ctx, const struct pb_service *service)
{
    struct name_search *search = ctx;
    search->found = mf_str_eq_c(search->name, service->name);
    return !search->found;
}

static bool known(const struct mf_health *health, struct mf_str name)
{
    struct name_search search = {.name = name, .found = name.len == 0};
    if (!search.found)
        mf_rpc_each_service(health->rpc, match, &search);
    return search.found;
}

static int32_t current(struct mf_health *health)
{
    pthread_mutex_lock(&health->lock);
    bool serving = health->serving;
    pthread_mutex_unlock(&health->lock);
    return serving ? pb_grpc_health_v1_HealthCheckResponse_SERVING
                   : pb_grpc_health_v1_HealthCheckResponse_NOT_SERVING;
}

static void check(void *service, struct mf_call *call)
{
    struct mf_health *health = service;
    const struct pb_grpc_health_v1_HealthCheckRequest *request = mf_call_request(call);
    if (!known(health, request->service)) {
        mf_call_fail(call, MF_NOT_FOUND, "this server has no service \"%.*s\"",
                     MF_FMT(mf_str_take(request->service, 200)));
        return;
    }
    struct pb_grpc_health_v1_HealthCheckResponse response = {.status = current(health)};
    mf_call_reply(call, &response);
}

static void watch_ready(void *ctx, struct mf_call *call)
{
    struct watcher *watcher = ctx;
    int32_t status =
        watcher->known ? current(watcher->health) : pb_grpc_health_v1_HealthCheckResponse_SERVICE_UNKNOWN;
    if (status == watcher->told)
        return;
    watcher->told = status;
    struct pb_grpc_health_v1_HealthCheckResponse response = {.status = status};
    mf_call_send(call, &response);
}

static void watch_done(void *ctx, struct mf_call *call)
{
    struct watcher *watcher = ctx;
    (void)call;
    pthread_mutex_lock(&watcher->health->lock);
    mf_list_remove(&watcher->health->watchers, &watcher->link);
    pthread_mutex_unlock(&watcher->health->lock);
    free(watcher);
}

static const struct mf_call_ops watch_ops = {.on_ready = watch_ready, .on_done = watch_done};

static void watch(void *service, struct mf_call *call)
{
    struct mf_health *health = service;
    const struct pb_grpc_health_v1_HealthCheckRequest *request = mf_call_request(call);
    struct watcher *watcher = calloc(1, sizeof *watcher);
    if (!watcher) {
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory; try again later");
        return;
    }
    watcher->health = health;
    watcher->call = call;
    watcher->known = known(health, request->service);
    watcher->told = -1;
    pthread_mutex_lock(&health->lock);
    bool room = health->watchers.count < WATCHERS_MAX;
    if (room)
        mf_list_push(&health->watchers, &watcher->link);
    pthread_mutex_unlock(&health->lock);
    if (!room) {
        free(watcher);
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "%d streams watch the health already; close some",
                     WATCHERS_MAX);
        return;
    }
    mf_call_bind(call, &watch_ops, watcher);
    watch_ready(watcher, call);
}

static void set(void *ctx, bool serving)
{
    struct mf_health *health = ctx;
    pthread_mutex_lock(&health->lock);
    health->serving = serving;
    for (struct mf_link *link = mf_list_first(&health->watchers); link;
         link = mf_list_next(&health->watchers, link))
        mf_call_wake(MF_CONTAINER(link, struct watcher, link)->call);
    pthread_mutex_unlock(&health->lock);
}

static void health_free(void *ctx)
{
    struct mf_health *health = ctx;
    pthread_mutex_destroy(&health->lock);
    free(health);
}

enum mf_code mf_health_register(struct mf_rpc *rpc, struct mf_error *err)
{
    struct mf_health *health = calloc(1, sizeof *health);
    if (!health || pthread_mutex_init(&health->lock, NULL) != 0) {
        free(health);
        return mf_fail_memory(err);
    }
    health->rpc = rpc;
    health->serving = true;
    mf_list_init(&health->watchers);
    rpc->health = (struct mf_health_hook){.set = set, .free = health_free, .ctx = health};
    const struct pb_service *service = &pb_grpc_health_v1_Health_service;
    enum mf_code code = mf_rpc_handle(rpc, service, pb_grpc_health_v1_Health_Check, check, health, err);
    if (code == MF_OK)
        code = mf_rpc_handle(rpc, service, pb_grpc_health_v1_Health_Watch, watch, health, err);
    return code;
}
