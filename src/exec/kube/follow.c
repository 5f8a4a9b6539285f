/* What a cluster tells of the resources in it. */
#include "exec/kube/state.h"

#include <stdlib.h>

void mf_twin_is_there(struct mf_twin *twin, const struct mf_task_action *resource)
{
    size_t len = resource->uid.len < MF_UID_MAX ? resource->uid.len : MF_UID_MAX - 1;
    twin->list = twin->run->cluster->list;
    twin->run->placed = true;
    twin->there = resource->removing ? MF_THERE_REMOVING : MF_THERE_YES;
    memcpy(twin->uid, resource->uid.ptr, len);
    twin->uid[len] = '\0';
    twin->first_attempt = resource->first_attempt;
    twin->last_attempt = resource->attempt;
    twin->finished = mf_phase_is_terminal(resource->phase);
    twin->owned = resource->owned;
    mf_twin_unqueue(twin);
}

static bool belongs(const struct mf_twin *twin, const struct mf_task_action *resource)
{
    return twin->run->created_at == resource->run_created_at;
}

static void on_list(void *ctx)
{
    struct mf_mirror_cluster *cluster = ctx;
    cluster->list++;
}

static void on_object(void *ctx, const mf_node *object)
{
    struct mf_mirror_cluster *cluster = ctx;
    struct mf_mirror *mirror = cluster->mirror;
    struct mf_task_action resource;
    mf_task_action_read(object, &resource);
    if (resource.run_id == 0 || resource.action.len == 0)
        return;
    struct mf_twin *twin = mf_twin_find(mirror, resource.run_id, resource.action);
    if (!twin) {
        mf_mirror_stray(cluster, &resource);
        return;
    }
    if (!belongs(twin, &resource))
        return;
    if (!twin->run->placed)
        twin->run->cluster = cluster; /* where it is counts, not where it would be put today */
    if (twin->run->cluster != cluster)
        return;
    bool was_removing = twin->there == MF_THERE_REMOVING;
    mf_twin_is_there(twin, &resource);
    if (was_removing) /* the news may be older than what we have asked for */
        twin->there = MF_THERE_REMOVING;
    mf_twin_report(twin, &resource);
    mf_twin_settle(twin);
}

/* The resource is gone, and we have not asked for it. */
static void lose(struct mf_twin *twin, const char *why)
{
    bool never_began = twin->phase == MF_PHASE_QUEUED || twin->phase == MF_PHASE_WAITING_FOR_RESOURCES;
    bool asked_for = twin->over || twin->asked || twin->kind != MF_ACTION_TASK;
    bool finished = twin->finished; /* and its end is told, or on its way */
    mf_twin_is_gone(twin);
    if (!asked_for && !finished && (why || !never_began))
        mf_twin_lost(twin, why ? why : "its TaskAction is no longer in the cluster");
    mf_twin_settle(twin);
}

static void on_gone(void *ctx, const mf_node *object)
{
    struct mf_mirror_cluster *cluster = ctx;
    struct mf_task_action resource;
    mf_task_action_read(object, &resource);
    struct mf_twin *twin = mf_twin_find(cluster->mirror, resource.run_id, resource.action);
    if (!twin || twin->run->cluster != cluster || !belongs(twin, &resource))
        return;
    if (twin->uid[0] && !mf_str_eq_c(resource.uid, twin->uid))
        return; /* of one before it */
    if (twin->there == MF_THERE_NOT)
        return;
    mf_twin_report(twin, &resource); /* its last words */
    twin->finished = mf_phase_is_terminal(resource.phase);
    lose(twin, "its TaskAction was deleted in the cluster");
}

struct gathered {
    struct mf_mirror_cluster *cluster;
    bool everywhere; /* nothing was created before every cluster had told what it has */
    struct mf_twin **twins;
    size_t count;
};

static bool gather(void *ctx, struct mf_str key, void *value)
{
    struct gathered *all = ctx;
    struct mf_twin *twin = value;
    (void)key;
    if (all->everywhere || twin->run->cluster == all->cluster)
        all->twins[all->count++] = twin;
    return true;
}

/* Settling frees no twin but its own, so the others stay. */
static void on_synced(void *ctx)
{
    struct mf_mirror_cluster *cluster = ctx;
    struct mf_mirror *mirror = cluster->mirror;
    struct gathered all = {.cluster = cluster, .everywhere = !cluster->synced};
    mirror->unsynced -= cluster->synced ? 0 : 1;
    cluster->synced = true;
    all.twins = calloc(mirror->twin_count + 1, sizeof(struct mf_twin *));
    if (!all.twins)
        return; /* those that wait are settled when their own news come */
    mf_map_each(mirror->twins, gather, &all);
    for (size_t i = 0; i < all.count; i++) {
        struct mf_twin *twin = all.twins[i];
        if (twin->run->cluster == cluster && twin->there != MF_THERE_NOT && twin->list != cluster->list)
            lose(twin, NULL);
        else
            mf_twin_settle(twin);
    }
    free(all.twins);
    mf_mirror_pump(mirror);
}

static void on_state(void *ctx, enum mf_code code, const struct mf_error *err)
{
    struct mf_mirror_cluster *cluster = ctx;
    struct mf_mirror *mirror = cluster->mirror;
    bool well = code == MF_OK;
    if (well == cluster->well)
        return;
    cluster->well = well;
    if (well) {
        atomic_fetch_sub(&mirror->unreachable, 1);
        mf_log(MF_LOG_INFO, "exec", "cluster %.*s is followed", MF_FMT(mf_kube_name(cluster->kube)));
    } else {
        atomic_fetch_add(&mirror->unreachable, 1);
        mf_log(MF_LOG_WARN, "exec", "a cluster cannot be followed, tried again: %s", err->message);
    }
}

static void on_stopped(void *ctx)
{
    struct mf_mirror_cluster *cluster = ctx;
    cluster->watch = NULL;
    cluster->mirror->watches--;
    mf_mirror_stop_maybe(cluster->mirror);
}

enum mf_code mf_cluster_watch(struct mf_mirror_cluster *cluster, struct mf_error *err)
{
    struct mf_mirror *mirror = cluster->mirror;
    struct mf_str selector =
        mf_str_printf(mirror->arena, MF_LABEL_MANAGER "=mayfly," MF_LABEL_INSTANCE "=%.*s",
                      MF_FMT(mirror->config.instance));
    const struct mf_kube_watch_config config = {
        .kube = cluster->kube,
        .path = MF_STR(MF_TASK_ACTION_API "/taskactions"),
        .selector = selector,
        .ctx = cluster,
        .on_list = on_list,
        .on_object = on_object,
        .on_gone = on_gone,
        .on_synced = on_synced,
        .on_state = on_state,
        .on_stopped = on_stopped,
    };
    if (!selector.ptr)
        return mf_fail_memory(err);
    enum mf_code code = mf_kube_watch_start(&config, &cluster->watch, err);
    if (code == MF_OK)
        mirror->watches++;
    return code;
}
