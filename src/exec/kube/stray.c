/*
 * Resources that bear our labels and have no twin: left from before the start, or of another server that
 * bears our name. The store knows.
 */
#include "exec/kube/state.h"

#define BATCH 256

enum owner { OURS_NO, OURS_OPEN, OURS_OVER };

struct stray {
    struct mf_link link;
    struct mf_arena *arena;
    struct mf_mirror_cluster *cluster;
    struct mf_task_action resource;
    enum owner owner;
    struct mf_look_found found;
};

struct sort {
    struct mf_mirror_step step;
    struct mf_list batch;
};

static bool copy(struct mf_arena *arena, struct mf_str *text)
{
    *text = mf_str_copy(arena, *text);
    return text->len == 0 || text->ptr;
}

void mf_mirror_stray(struct mf_mirror_cluster *cluster, const struct mf_task_action *resource)
{
    struct mf_arena *arena = mf_arena_new(0);
    struct stray *stray = arena ? MF_NEW(arena, struct stray) : NULL;
    if (!stray) {
        mf_arena_free(arena);
        return; /* it comes again with the next list */
    }
    stray->arena = arena;
    stray->cluster = cluster;
    stray->resource = *resource;
    struct mf_task_action *kept = &stray->resource;
    if (!copy(arena, &kept->namespace_) || !copy(arena, &kept->name) || !copy(arena, &kept->action) ||
        !copy(arena, &kept->uid) || !copy(arena, &kept->error_code) || !copy(arena, &kept->message)) {
        mf_arena_free(arena);
        return;
    }
    mf_list_push(&cluster->mirror->strays, &stray->link);
    mf_mirror_sort_strays(cluster->mirror);
}

/* ---- on a helper thread ---- */

static enum mf_code look_up(struct mf_db *db, struct stray *stray, struct mf_error *err)
{
    struct mf_action_row *row = &stray->found.row;
    struct mf_run_row run;
    enum mf_code code = mf_run_get(db, stray->arena, stray->resource.run_id, &run, err);
    stray->owner = OURS_NO;
    if (code == MF_NOT_FOUND || (code == MF_OK && run.created_at != stray->resource.run_created_at))
        return MF_OK;
    if (code == MF_OK)
        code = mf_action_get(db, stray->arena, run.id, stray->resource.action, row, err);
    if (code == MF_NOT_FOUND)
        return MF_OK;
    if (code == MF_OK)
        stray->owner = mf_phase_is_terminal(row->phase) ? OURS_OVER : OURS_OPEN;
    return code == MF_OK ? mf_mirror_read_found(db, stray->arena, &stray->found, err) : code;
}

static void work(struct mf_mirror_step *step)
{
    struct sort *sort = MF_CONTAINER(step, struct sort, step);
    struct mf_store *store = step->mirror->config.store;
    struct mf_db *db = NULL;
    step->code = mf_store_reader(store, &db, &step->err);
    if (step->code != MF_OK)
        return;
    for (struct mf_link *link = mf_list_first(&sort->batch); link && step->code == MF_OK;
         link = mf_list_next(&sort->batch, link))
        step->code = look_up(db, MF_CONTAINER(link, struct stray, link), &step->err);
    mf_store_reader_done(store, db);
}

/* ---- on the loop ---- */

static void adopt(struct mf_mirror *mirror, struct stray *stray)
{
    const struct mf_task_action *resource = &stray->resource;
    if (stray->owner == OURS_NO) {
        mf_log(MF_LOG_DEBUG, "exec", "TaskAction %.*s/%.*s belongs to no run here; it is left alone",
               MF_FMT(resource->namespace_), MF_FMT(resource->name));
        return;
    }
    if (stray->owner == OURS_OPEN && !mf_mirror_take(mirror, &stray->found))
        return;
    struct mf_twin *twin = mf_twin_get(mirror, resource->run_id, resource->action);
    if (!twin)
        return;
    if (twin->run->created_at == 0) {
        twin->run->created_at = resource->run_created_at;
        twin->run->cluster = stray->cluster;
    }
    if (twin->run->cluster != stray->cluster)
        return;
    if (!twin->known) {
        twin->known = true;
        twin->over = stray->owner == OURS_OVER;
        twin->kind = MF_ACTION_TASK;
    }
    mf_twin_is_there(twin, resource);
    mf_twin_report(twin, resource);
    mf_twin_settle(twin);
}

static void put_back(struct sort *sort)
{
    struct mf_link *link;
    while ((link = mf_list_pop(&sort->batch)) != NULL)
        mf_list_push(&sort->step.mirror->strays, link);
}

static void on_retry(void *ctx)
{
    struct mf_mirror *mirror = ctx;
    mirror->retry_timer = NULL;
    mf_mirror_sort_strays(mirror);
    mf_mirror_look(mirror);
}

void mf_mirror_look_later(struct mf_mirror *mirror)
{
    if (!mirror->stopping && !mirror->retry_timer)
        mirror->retry_timer = mf_timer_start(mirror->loop, MF_MIRROR_RETRY_MS, false, on_retry, mirror);
}

static void after(struct mf_mirror_step *step)
{
    struct sort *sort = MF_CONTAINER(step, struct sort, step);
    struct mf_mirror *mirror = step->mirror;
    enum mf_code code = step->code;
    struct mf_link *link;
    mirror->sorting = false;
    if (code != MF_OK) {
        mf_log(MF_LOG_WARN, "exec", "cannot find out whose TaskActions these are, will try again: %s",
               step->err.message);
        put_back(sort);
        mf_mirror_look_later(mirror);
    }
    while ((link = mf_list_pop(&sort->batch)) != NULL) {
        struct stray *stray = MF_CONTAINER(link, struct stray, link);
        if (!mirror->stopping)
            adopt(mirror, stray);
        mf_arena_free(stray->arena);
    }
    mf_mirror_step_end(step);
    if (code == MF_OK)
        mf_mirror_sort_strays(mirror);
}

void mf_mirror_sort_strays(struct mf_mirror *mirror)
{
    struct mf_link *link;
    if (mirror->sorting || mirror->stopping || mirror->strays.count == 0)
        return;
    struct mf_mirror_step *step = mf_mirror_step_new(mirror, NULL, sizeof(struct sort));
    if (!step) {
        mf_mirror_look_later(mirror);
        return;
    }
    struct sort *sort = MF_CONTAINER(step, struct sort, step);
    mf_list_init(&sort->batch);
    while (sort->batch.count < BATCH && (link = mf_list_pop(&mirror->strays)) != NULL)
        mf_list_push(&sort->batch, link);
    mirror->sorting = true;
    mf_mirror_step_work(step, work, after);
}

void mf_mirror_free_strays(struct mf_mirror *mirror)
{
    struct mf_link *link;
    while ((link = mf_list_pop(&mirror->strays)) != NULL)
        mf_arena_free(MF_CONTAINER(link, struct stray, link)->arena);
}
