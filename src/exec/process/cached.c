/* What is known before a task runs: outputs in the cache, and whether someone else is about to compute them.
 */
#include "exec/process/state.h"

#include "cache/cache.h"
#include "gen/flyteidl2/core/catalog.pb.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/task/run.pb.h"

#define CHECKS_AT_ONCE 8

bool mf_exec_overwrites(const struct pb_task_RunSpec *spec)
{
    return spec && (spec->overwrite_cache || (spec->cache_config && spec->cache_config->overwrite_cache));
}

/* Entries are shared by all projects unless the run asks for those of its own project and domain. */
struct mf_cache_key mf_exec_cache_key(const struct pb_task_RunSpec *spec, const struct mf_action_row *row)
{
    bool own = spec && spec->cache_config &&
               spec->cache_config->cache_lookup_scope == pb_task_CACHE_LOOKUP_SCOPE_PROJECT_DOMAIN;
    return (struct mf_cache_key){.project = own ? row->project : MF_STR_EMPTY,
                                 .domain = own ? row->domain : MF_STR_EMPTY,
                                 .key = row->cache_key};
}

/* The reservation is the action's, not the attempt's: it stays through retries. */
struct mf_str mf_exec_cache_owner(struct mf_arena *arena, const struct mf_action_row *row)
{
    return mf_str_printf(arena, "%.*s-%.*s/%.*s-%.*s", MF_FMT(row->project), MF_FMT(row->domain),
                         MF_FMT(row->run_name), MF_FMT(row->name));
}

struct check {
    struct mf_step step;
    struct mf_exec_rows rows;
    struct mf_demand demand;
    struct mf_str output_uri, metadata; /* of the hit */
    int32_t cache_status;
    bool ours; /* the reservation */
    int64_t expires_at;
    bool release;
};

/* ---- looking ---- */

static enum mf_code find_entry(struct check *check, struct mf_error *err)
{
    struct mf_exec *exec = check->step.exec;
    struct mf_cache_key key = mf_exec_cache_key(check->rows.run_spec, &check->rows.action);
    struct mf_cache_row row;
    struct mf_db *db = NULL;
    bool exists = false;
    int64_t size;
    check->cache_status = pb_core_CACHE_MISS;
    enum mf_code code = mf_store_reader(exec->config.store, &db, err);
    if (code == MF_OK)
        code = mf_cache_get(db, check->step.arena, &key, &row, err);
    mf_store_reader_done(exec->config.store, db);
    if (code == MF_NOT_FOUND)
        return MF_OK;
    if (code == MF_OK && check->demand.cache_max_age_ns > 0 &&
        mf_wall_ns(exec->config.sys) - row.updated_at > check->demand.cache_max_age_ns)
        return MF_OK;
    if (code != MF_OK)
        return code;
    /* An entry whose outputs have been deleted is none. */
    struct mf_str uri = mf_str_printf(check->step.arena, "%.*s/outputs.pb", MF_FMT(row.output_uri));
    code = uri.ptr ? mf_object_exists(exec->config.objects, uri, &exists, &size, err) : mf_fail_memory(err);
    if (code == MF_INVALID_ARGUMENT)
        return MF_OK;
    if (code == MF_OK && exists) {
        check->cache_status = pb_core_CACHE_HIT;
        check->output_uri = row.output_uri;
        check->metadata = row.metadata;
    }
    return code;
}

static void look(struct mf_step *step)
{
    struct check *check = MF_CONTAINER(step, struct check, step);
    step->code = mf_exec_read(step, &check->rows, &step->err);
    if (step->code != MF_OK)
        return;
    if (mf_exec_overwrites(check->rows.run_spec)) {
        check->cache_status = pb_core_CACHE_SKIPPED;
        return;
    }
    if (find_entry(check, &step->err) != MF_OK) {
        mf_log(MF_LOG_WARN, "exec", "cannot look into the cache, running without it: %s", step->err.message);
        check->cache_status = pb_core_CACHE_LOOKUP_FAILURE;
    }
}

/* ---- reserving ---- */

static enum mf_code reserve(struct mf_step *step, struct mf_tx *tx, struct mf_error *err)
{
    struct check *check = MF_CONTAINER(step, struct check, step);
    int64_t now = mf_tx_now_ns(tx);
    struct mf_reservation_row holder;
    const struct mf_reservation_row wanted = {
        .key = mf_exec_cache_key(check->rows.run_spec, &check->rows.action),
        .owner = mf_exec_cache_owner(mf_tx_arena(tx), &check->rows.action),
        .heartbeat_ns = MF_CACHE_HEARTBEAT_MAX_NS,
        .expires_at = now + MF_CACHE_GRACE * MF_CACHE_HEARTBEAT_MAX_NS,
    };
    if (!wanted.owner.ptr)
        return mf_fail_memory(err);
    if (check->release) {
        bool changed = false;
        enum mf_code code = mf_reservation_release(mf_tx_db(tx), &wanted.key, wanted.owner, &changed, err);
        if (code == MF_OK && changed)
            mf_tx_touch(tx, (struct mf_topic){.kind = MF_TOPIC_CACHE, .hash = mf_topic_hash(wanted.key.key)});
        return code;
    }
    enum mf_code code = mf_reservation_take(mf_tx_db(tx), mf_tx_arena(tx), &wanted, now, &holder, err);
    if (code == MF_OK) {
        check->ours = mf_str_eq(holder.owner, wanted.owner);
        check->expires_at = holder.expires_at;
    }
    return code;
}

static void on_key_freed(struct mf_subscription *subscription)
{
    struct mf_task *task = MF_CONTAINER(subscription, struct mf_task, cache_subscription);
    atomic_store(&task->cache_freed, true);
    mf_exec_wake(task->run->exec);
}

void mf_task_unfollow_key(struct mf_task *task)
{
    if (task->cache_subscribed)
        mf_hub_unsubscribe(mf_store_hub(task->run->exec->config.store), &task->cache_subscription);
    task->cache_subscribed = false;
}

static void go_on(struct check *check)
{
    struct mf_task *task = check->step.task;
    mf_task_unfollow_key(task);
    task->cache_status = check->cache_status;
    mf_task_ready(task);
}

static void after_reserve(struct mf_step *step)
{
    struct check *check = MF_CONTAINER(step, struct check, step);
    struct mf_task *task = step->task;
    struct mf_exec *exec = step->exec;
    exec->checking--;
    if (task->gone) {
        task->reserved = step->code == MF_OK && check->ours;
        mf_task_release(task);
        mf_task_ended(task);
    } else if (step->code != MF_OK || check->ours) {
        /* Without reservations tasks run all the same; at worst one is computed twice. */
        task->reserved = step->code == MF_OK;
        task->beat_at = mf_wall_ns(exec->config.sys) + MF_CACHE_HEARTBEAT_MAX_NS;
        go_on(check);
    } else {
        task->recheck_at = check->expires_at;
        mf_task_stage(task, MF_STAGE_HELD);
        mf_task_queue_in(task, &exec->held);
        if (atomic_load(&task->cache_freed))
            mf_exec_wake(exec);
    }
    mf_step_end(step);
    mf_exec_check_next(exec);
    mf_exec_admit(exec);
}

static void after_look(struct mf_step *step)
{
    struct check *check = MF_CONTAINER(step, struct check, step);
    struct mf_task *task = step->task;
    struct mf_exec *exec = step->exec;
    bool ended = task->gone || step->code == MF_NOT_FOUND;
    if (step->code == MF_OK && !ended && check->cache_status != pb_core_CACHE_HIT &&
        check->demand.serializable && !exec->stopping) {
        /* Followed before the reservation is asked for: then its end cannot be missed. */
        atomic_store(&task->cache_freed, false);
        if (!task->cache_subscribed)
            mf_hub_subscribe(mf_store_hub(exec->config.store), &task->cache_subscription,
                             (struct mf_topic){.kind = MF_TOPIC_CACHE,
                                               .hash = mf_topic_hash(check->rows.action.cache_key)},
                             on_key_freed);
        task->cache_subscribed = true;
        mf_step_command(step, reserve, after_reserve);
        return;
    }
    exec->checking--;
    if (ended) {
        mf_task_unfollow_key(task);
        mf_task_release(task);
        mf_task_ended(task);
    } else if (step->code != MF_OK) {
        check->cache_status = pb_core_CACHE_LOOKUP_FAILURE;
        go_on(check);
    } else if (check->cache_status == pb_core_CACHE_HIT) {
        mf_task_unfollow_key(task);
        mf_task_cached(task, check->output_uri, check->metadata);
    } else {
        go_on(check);
    }
    mf_step_end(step);
    mf_exec_check_next(exec);
    mf_exec_admit(exec);
}

void mf_exec_check_next(struct mf_exec *exec)
{
    while (!exec->stopping && exec->checking < CHECKS_AT_ONCE && !mf_list_empty(&exec->checks)) {
        struct mf_task *task = MF_CONTAINER(mf_list_first(&exec->checks), struct mf_task, in_queue);
        struct check *check = MF_STEP_NEW(exec, task, struct check);
        if (!check)
            return;
        mf_task_unqueue(task);
        check->demand = task->demand;
        exec->checking++;
        mf_step_work(&check->step, look, after_look);
    }
}

void mf_exec_wake_held(struct mf_exec *exec)
{
    struct mf_link *next;
    for (struct mf_link *link = mf_list_first(&exec->held); link; link = next) {
        struct mf_task *task = MF_CONTAINER(link, struct mf_task, in_queue);
        next = mf_list_next(&exec->held, link);
        if (atomic_load(&task->cache_freed))
            mf_task_enqueue(task);
    }
}

/* ---- keeping and giving back ---- */

static void after_beat(struct mf_step *step)
{
    mf_step_end(step);
}

static void read_then_reserve(struct mf_step *step)
{
    if (step->code == MF_OK)
        mf_step_command(step, reserve, after_beat);
    else
        mf_step_end(step);
}

static void read_rows(struct mf_step *step)
{
    struct check *check = MF_CONTAINER(step, struct check, step);
    step->code = mf_exec_read(step, &check->rows, &step->err);
}

void mf_task_beat(struct mf_task *task)
{
    struct mf_exec *exec = task->run->exec;
    task->beat_at = mf_wall_ns(exec->config.sys) + MF_CACHE_HEARTBEAT_MAX_NS;
    struct check *check = MF_STEP_NEW(exec, task, struct check);
    if (check)
        mf_step_work(&check->step, read_rows, read_then_reserve);
}

void mf_task_release(struct mf_task *task)
{
    struct mf_exec *exec = task->run->exec;
    mf_task_unfollow_key(task);
    if (!task->reserved || exec->stopping)
        return;
    task->reserved = false;
    struct check *check = MF_STEP_NEW(exec, task, struct check);
    if (!check)
        return; /* it expires by itself */
    check->release = true;
    mf_step_work(&check->step, read_rows, read_then_reserve);
}
