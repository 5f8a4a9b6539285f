#include "exec/kube/state.h"

#include <stdlib.h>

#define NAME_MAX_BYTES 256

static struct mf_str twin_key(char *buffer, int64_t run_id, struct mf_str name)
{
    if (name.len > NAME_MAX_BYTES)
        name.len = NAME_MAX_BYTES;
    memcpy(buffer, &run_id, sizeof run_id);
    memcpy(buffer + sizeof run_id, name.ptr, name.len);
    return mf_str_make(buffer, sizeof run_id + name.len);
}

struct mf_twin *mf_twin_find(struct mf_mirror *mirror, int64_t run_id, struct mf_str name)
{
    char buffer[sizeof run_id + NAME_MAX_BYTES];
    return mf_map_get(mirror->twins, twin_key(buffer, run_id, name));
}

/* ---- runs ---- */

static void on_change(struct mf_subscription *subscription)
{
    struct mf_mirror_run *run = MF_CONTAINER(subscription, struct mf_mirror_run, subscription);
    struct mf_mirror *mirror = run->mirror;
    pthread_mutex_lock(&mirror->lock);
    if (!run->dirty) {
        run->dirty = true;
        run->next_dirty = mirror->dirty;
        mirror->dirty = run;
    }
    pthread_mutex_unlock(&mirror->lock);
    mf_mirror_wake(mirror);
}

bool mf_mirror_follow(struct mf_mirror_run *run)
{
    if (run->followed)
        return false;
    run->followed = true;
    mf_hub_subscribe(mf_store_hub(run->mirror->config.store), &run->subscription,
                     (struct mf_topic){.kind = MF_TOPIC_RUN, .run_id = run->id}, on_change);
    return true;
}

static void forget_dirty(struct mf_mirror_run *run)
{
    struct mf_mirror *mirror = run->mirror;
    pthread_mutex_lock(&mirror->lock);
    for (struct mf_mirror_run **at = &mirror->dirty; run->dirty && *at; at = &(*at)->next_dirty) {
        if (*at == run) {
            *at = run->next_dirty;
            run->dirty = false;
            break;
        }
    }
    pthread_mutex_unlock(&mirror->lock);
}

static void drop_run(struct mf_mirror_run *run)
{
    struct mf_mirror *mirror = run->mirror;
    if (run->twin_count > 0)
        return;
    if (run->followed)
        mf_hub_unsubscribe(mf_store_hub(mirror->config.store), &run->subscription);
    forget_dirty(run);
    mf_map_remove(mirror->runs, mf_str_make(&run->id, sizeof run->id));
    free(run);
}

static struct mf_mirror_run *get_run(struct mf_mirror *mirror, int64_t id)
{
    struct mf_mirror_run *run = mf_map_get(mirror->runs, mf_str_make(&id, sizeof id));
    if (run)
        return run;
    run = calloc(1, sizeof *run);
    if (!run || !mf_map_put(mirror->runs, mf_str_make(&id, sizeof id), run, NULL)) {
        free(run);
        return NULL;
    }
    run->id = id;
    run->mirror = mirror;
    run->cluster = &mirror->clusters[0];
    mf_list_init(&run->ready);
    return run;
}

/* ---- twins ---- */

static void free_twin(struct mf_twin *twin)
{
    mf_report_free(twin->report);
    free(twin->name);
    free(twin->parent);
    free(twin);
}

struct mf_twin *mf_twin_get(struct mf_mirror *mirror, int64_t run_id, struct mf_str name)
{
    char buffer[sizeof run_id + NAME_MAX_BYTES];
    struct mf_twin *twin = mf_twin_find(mirror, run_id, name);
    if (twin)
        return twin;
    struct mf_mirror_run *run = get_run(mirror, run_id);
    if (!run)
        return NULL;
    twin = calloc(1, sizeof *twin);
    if (twin)
        twin->name = strndup(name.ptr, name.len);
    if (!twin || !twin->name || !mf_map_put(mirror->twins, twin_key(buffer, run_id, name), twin, NULL)) {
        if (twin)
            free_twin(twin);
        drop_run(run);
        return NULL;
    }
    twin->run = run;
    twin->said.cache_status = -1;
    run->twin_count++;
    mirror->twin_count++;
    atomic_store(&mirror->shown_twins, mirror->twin_count);
    return twin;
}

void mf_twin_unqueue(struct mf_twin *twin)
{
    struct mf_mirror_run *run = twin->run;
    if (!twin->queue)
        return;
    mf_list_remove(twin->queue, &twin->in_queue);
    if (twin->queue == &run->ready && run->ready.count == 0)
        mf_list_remove(&run->mirror->ring, &run->in_ring);
    twin->queue = NULL;
}

void mf_twin_is_gone(struct mf_twin *twin)
{
    if (twin->asked_again >= MF_STRAGGLER)
        atomic_fetch_sub(&twin->run->mirror->stragglers, 1);
    twin->there = MF_THERE_NOT;
    twin->finished = twin->asked = false;
    twin->asked_again = 0;
    twin->removal_at = 0;
    twin->uid[0] = '\0';
}

void mf_twin_queue(struct mf_twin *twin, struct mf_list *queue)
{
    struct mf_mirror_run *run = twin->run;
    if (twin->queue == queue)
        return;
    mf_twin_unqueue(twin);
    twin->queue = queue;
    mf_list_push(queue, &twin->in_queue);
    if (queue == &run->ready && run->ready.count == 1)
        mf_list_push(&run->mirror->ring, &run->in_ring);
}

void mf_twin_forget(struct mf_twin *twin)
{
    char buffer[sizeof(int64_t) + NAME_MAX_BYTES];
    struct mf_mirror_run *run = twin->run;
    struct mf_mirror *mirror = run->mirror;
    mf_twin_unqueue(twin);
    mf_twin_undue(twin);
    mf_map_remove(mirror->twins, twin_key(buffer, run->id, mf_str_from_c(twin->name)));
    free_twin(twin);
    run->twin_count--;
    mirror->twin_count--;
    atomic_store(&mirror->shown_twins, mirror->twin_count);
    drop_run(run);
    if (mirror->full && mirror->twin_count < MF_TWINS_MAX / 4 * 3)
        mf_mirror_wake(mirror);
}

static void free_value(void *twin)
{
    free_twin(twin);
}

static bool unfollow(void *ctx, struct mf_str key, void *value)
{
    struct mf_mirror *mirror = ctx;
    struct mf_mirror_run *run = value;
    (void)key;
    if (run->followed)
        mf_hub_unsubscribe(mf_store_hub(mirror->config.store), &run->subscription);
    return true;
}

void mf_mirror_free_tables(struct mf_mirror *mirror)
{
    if (mirror->runs)
        mf_map_each(mirror->runs, unfollow, mirror);
    mf_map_free(mirror->twins, free_value);
    mf_map_free(mirror->runs, free);
    free(mirror->due);
}
