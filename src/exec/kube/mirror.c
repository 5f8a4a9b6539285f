#include "exec/kube/mirror.h"

#include "base/time.h"
#include "exec/kube/state.h"

#include <stdlib.h>

/* ---- waking ---- */

static void on_wake(struct mf_work *work)
{
    struct mf_mirror *mirror = MF_CONTAINER(work, struct mf_mirror, wake);
    atomic_store(&mirror->wake_posted, false);
    mf_mirror_look(mirror);
}

void mf_mirror_wake(struct mf_mirror *mirror)
{
    if (!atomic_exchange(&mirror->wake_posted, true))
        mf_loop_post(mirror->loop, &mirror->wake);
}

static void on_work(struct mf_subscription *subscription)
{
    mf_mirror_wake(MF_CONTAINER(subscription, struct mf_mirror, work_subscription));
}

/* ---- a look at a cluster before the start ---- */

struct probe {
    struct mf_loop *loop;
    struct mf_kube_request request;
};

static void on_probed(struct mf_kube_request *request)
{
    mf_loop_stop(MF_CONTAINER(request, struct probe, request)->loop);
}

static enum mf_code judge(const struct mf_kube_request *request, struct mf_error *err)
{
    *err = request->err;
    if (request->code == MF_NOT_FOUND)
        mf_fail_prefix(err, "the cluster does not know TaskActions; apply deploy/kubernetes/crd.yaml");
    return request->code;
}

/* Reached, signed in, allowed, TaskActions known: a list of one tells. */
static enum mf_code probe(const struct mf_mirror_config *config, const struct mf_kube_access *access,
                          struct mf_error *err)
{
    struct mf_kube *kube = NULL;
    struct probe probe = {.request = {.path = MF_STR(MF_TASK_ACTION_API "/taskactions?limit=1")}};
    struct mf_arena *arena = mf_arena_new(0);
    enum mf_code code = arena ? mf_loop_new(&probe.loop, err) : mf_fail_memory(err);
    struct mf_kube_config kube_config = {
        .sys = config->sys, .loop = probe.loop, .access = *access, .ca_file = config->ca_file};
    if (code == MF_OK)
        code = mf_kube_open(&kube_config, &kube, err);
    if (code == MF_OK) {
        probe.request.arena = arena;
        probe.request.done = on_probed;
        mf_kube_start(kube, &probe.request);
        code = mf_loop_start(probe.loop, "probe", err);
    }
    if (code == MF_OK) {
        mf_loop_join(probe.loop);
        code = judge(&probe.request, err);
    }
    mf_kube_stop(kube);
    mf_kube_close(kube);
    if (probe.loop)
        mf_loop_free(probe.loop);
    mf_arena_free(arena);
    return code;
}

/* ---- start ---- */

static bool copy(struct mf_arena *arena, struct mf_str *text)
{
    *text = mf_str_copy(arena, *text);
    return text->len == 0 || text->ptr;
}

static enum mf_code copy_config(struct mf_mirror *mirror, const struct mf_mirror_config *config,
                                struct mf_error *err)
{
    struct mf_mirror_config *own = &mirror->config;
    *own = *config;
    own->clusters = NULL; /* each client keeps its own */
    bool ok = copy(mirror->arena, &own->namespace_) && copy(mirror->arena, &own->instance) &&
              copy(mirror->arena, &own->endpoint) && copy(mirror->arena, &own->task_secret) &&
              copy(mirror->arena, &own->s3_endpoint) && copy(mirror->arena, &own->s3_access_key) &&
              copy(mirror->arena, &own->s3_secret_key);
    return ok ? MF_OK : mf_fail_memory(err);
}

static enum mf_code open_clusters(struct mf_mirror *mirror, const struct mf_mirror_config *config,
                                  struct mf_error *err)
{
    enum mf_code code = MF_OK;
    mirror->clusters = calloc(config->cluster_count, sizeof *mirror->clusters);
    if (!mirror->clusters)
        return mf_fail_memory(err);
    for (size_t i = 0; i < config->cluster_count && code == MF_OK; i++) {
        struct mf_mirror_cluster *cluster = &mirror->clusters[i];
        const struct mf_kube_config kube = {.sys = config->sys,
                                            .loop = mirror->loop,
                                            .access = config->clusters[i],
                                            .ca_file = config->ca_file};
        cluster->mirror = mirror;
        mirror->unsynced++;
        cluster->well = true;
        code = probe(config, &config->clusters[i], err);
        if (code == MF_OK)
            code = mf_kube_open(&kube, &cluster->kube, err);
    }
    return code;
}

static void on_start(struct mf_work *work)
{
    struct mf_mirror *mirror = MF_CONTAINER(work, struct mf_mirror, start_work);
    mf_mirror_look(mirror);
}

static enum mf_code start_loop(struct mf_mirror *mirror, struct mf_error *err)
{
    mf_hub_subscribe(mf_store_hub(mirror->config.store), &mirror->work_subscription,
                     (struct mf_topic){.kind = MF_TOPIC_WORK}, on_work);
    mirror->subscribed = true;
    mirror->start_work.fn = on_start;
    mf_loop_post(mirror->loop, &mirror->start_work);
    enum mf_code code = mf_loop_start(mirror->loop, "kubernetes", err);
    mirror->started = code == MF_OK;
    return code;
}

enum mf_code mf_mirror_start(const struct mf_mirror_config *config, struct mf_mirror **out,
                             struct mf_error *err)
{
    struct mf_mirror *mirror = calloc(1, sizeof *mirror);
    uint64_t seed = 0;
    if (!mirror || pthread_mutex_init(&mirror->lock, NULL) != 0) {
        free(mirror);
        return mf_fail_memory(err);
    }
    config->sys->random(config->sys->ctx, &seed, sizeof seed);
    mf_list_init(&mirror->ring);
    mf_list_init(&mirror->removals);
    mf_list_init(&mirror->strays);
    mirror->wake.fn = on_wake;
    mirror->arena = mf_arena_new(0);
    mirror->twins = mf_map_new(seed);
    mirror->runs = mf_map_new(seed);
    enum mf_code code = mirror->arena && mirror->twins && mirror->runs ? copy_config(mirror, config, err)
                                                                       : mf_fail_memory(err);
    if (code == MF_OK)
        code = mf_loop_new(&mirror->loop, err);
    if (code == MF_OK)
        code = open_clusters(mirror, config, err);
    if (code == MF_OK)
        code = start_loop(mirror, err);
    if (code == MF_OK)
        *out = mirror;
    else
        mf_mirror_free(mirror);
    return code;
}

uint64_t mf_mirror_turns(const struct mf_mirror *mirror)
{
    return mirror ? mf_loop_turns(mirror->loop) : 0;
}

void mf_mirror_stats(const struct mf_mirror *mirror, struct mf_mirror_stats *out)
{
    *out = (struct mf_mirror_stats){
        .created = atomic_load(&mirror->created),
        .removed = atomic_load(&mirror->removed),
        .failed = atomic_load(&mirror->failed),
        .actions = atomic_load(&mirror->shown_twins),
        .stragglers = atomic_load(&mirror->stragglers),
        .unreachable = atomic_load(&mirror->unreachable),
    };
}

/* ---- stop ---- */

void mf_mirror_stop_maybe(struct mf_mirror *mirror)
{
    if (!mirror->stopping || mirror->stopped || mirror->steps > 0 || mirror->watches > 0)
        return;
    mirror->stopped = true;
    mf_loop_stop(mirror->loop);
}

static void on_stop(struct mf_work *work)
{
    struct mf_mirror *mirror = MF_CONTAINER(work, struct mf_mirror, stop_work);
    mirror->stopping = true;
    mf_timer_stop(mirror->due_timer);
    mf_timer_stop(mirror->pump_timer);
    mf_timer_stop(mirror->retry_timer);
    mirror->due_timer = mirror->pump_timer = mirror->retry_timer = NULL;
    for (size_t i = 0; i < mirror->config.cluster_count; i++) {
        struct mf_mirror_cluster *cluster = &mirror->clusters[i];
        if (cluster->watch)
            mf_kube_watch_stop(cluster->watch);
        mf_kube_stop(cluster->kube);
    }
    mf_mirror_stop_maybe(mirror);
}

void mf_mirror_stop(struct mf_mirror *mirror)
{
    if (!mirror || !mirror->started)
        return;
    mirror->stop_work.fn = on_stop;
    mf_loop_post(mirror->loop, &mirror->stop_work);
    mf_loop_join(mirror->loop);
    mirror->started = false;
}

void mf_mirror_free(struct mf_mirror *mirror)
{
    if (!mirror)
        return;
    mf_mirror_stop(mirror);
    if (mirror->subscribed)
        mf_hub_unsubscribe(mf_store_hub(mirror->config.store), &mirror->work_subscription);
    mf_mirror_free_tables(mirror);
    mf_mirror_free_strays(mirror);
    for (size_t i = 0; mirror->clusters && i < mirror->config.cluster_count; i++)
        mf_kube_close(mirror->clusters[i].kube);
    free(mirror->clusters);
    if (mirror->loop)
        mf_loop_free(mirror->loop);
    mf_arena_free(mirror->arena);
    pthread_mutex_destroy(&mirror->lock);
    free(mirror);
}
