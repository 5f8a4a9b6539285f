#include "exec/process/state.h"

#include <stdlib.h>

#define NAME_MAX_BYTES 512

static struct mf_str task_key(char *buffer, int64_t run_id, struct mf_str name)
{
    if (name.len > NAME_MAX_BYTES)
        name.len = NAME_MAX_BYTES;
    memcpy(buffer, &run_id, sizeof run_id);
    memcpy(buffer + sizeof run_id, name.ptr, name.len);
    return mf_str_make(buffer, sizeof run_id + name.len);
}

struct mf_task *mf_exec_find(struct mf_exec *exec, int64_t run_id, struct mf_str name)
{
    char buffer[sizeof run_id + NAME_MAX_BYTES];
    return mf_map_get(exec->tasks, task_key(buffer, run_id, name));
}

static struct mf_exec_run *find_run(struct mf_exec *exec, int64_t id)
{
    struct mf_exec_run *run = mf_map_get(exec->runs, mf_str_make(&id, sizeof id));
    if (run)
        return run;
    run = calloc(1, sizeof *run);
    if (!run || !mf_map_put(exec->runs, mf_str_make(&id, sizeof id), run, NULL)) {
        free(run);
        return NULL;
    }
    run->id = id;
    run->exec = exec;
    for (size_t i = 0; i < MF_EXEC_LEVELS; i++)
        mf_list_init(&run->ready[i]);
    return run;
}

void mf_run_unfollow(struct mf_exec_run *run)
{
    if (!run->followed)
        return;
    run->followed = false;
    mf_hub_unsubscribe(mf_store_hub(run->exec->config.store), &run->subscription);
    mf_list_remove(&run->exec->followed, &run->in_followed);
}

static void drop_run(struct mf_exec_run *run)
{
    if (run->task_count == 0) {
        mf_run_unfollow(run);
        mf_map_remove(run->exec->runs, mf_str_make(&run->id, sizeof run->id));
        free(run);
    }
}

static char *copy_c(struct mf_str text)
{
    char *copy = malloc(text.len + 1);
    if (copy) {
        memcpy(copy, text.len > 0 ? text.ptr : "", text.len);
        copy[text.len] = '\0';
    }
    return copy;
}

struct mf_task *mf_exec_task(struct mf_exec *exec, int64_t run_id, struct mf_str name)
{
    char buffer[sizeof run_id + NAME_MAX_BYTES];
    struct mf_task *task = mf_exec_find(exec, run_id, name);
    if (task)
        return task;
    struct mf_exec_run *run = find_run(exec, run_id);
    if (!run)
        return NULL;
    task = calloc(1, sizeof *task);
    if (task)
        task->name = copy_c(name);
    if (!task || !task->name || !mf_map_put(exec->tasks, task_key(buffer, run_id, name), task, NULL)) {
        if (task)
            free(task->name);
        free(task);
        drop_run(run);
        return NULL;
    }
    task->run = run;
    run->task_count++;
    exec->task_count++;
    return task;
}

static void free_task(struct mf_task *task)
{
    free(task->name);
    free(task->parent_name);
    free(task->cache_key);
    free(task->work_dir);
    free(task);
}

static void forget(struct mf_exec *exec, struct mf_task *task)
{
    char buffer[sizeof(int64_t) + NAME_MAX_BYTES];
    struct mf_exec_run *run = task->run;
    mf_task_unqueue(task);
    mf_task_undue(task);
    mf_map_remove(exec->tasks, task_key(buffer, run->id, mf_str_from_c(task->name)));
    run->task_count--;
    exec->task_count--;
    free_task(task);
    drop_run(run);
}

/* A parent that is only known by name lives as long as its open children. */
static void forget_unknown(struct mf_exec *exec, struct mf_task *parent)
{
    if (!parent->known && parent->open_children == 0 && parent->steps == 0 && !parent->process &&
        !parent->pinned)
        forget(exec, parent);
}

static void count_child(struct mf_task *task)
{
    struct mf_task *parent = task->parent;
    if (!parent || task->counted)
        return;
    task->counted = true;
    parent->open_children++;
    if (parent->open_children == 1)
        mf_task_account(parent);
}

static void uncount_child(struct mf_task *task)
{
    struct mf_task *parent = task->parent;
    if (!task->counted)
        return;
    task->counted = false;
    task->parent = NULL;
    parent->open_children--;
    if (parent->open_children == 0)
        mf_task_account(parent);
    forget_unknown(task->run->exec, parent);
}

bool mf_task_set_parent(struct mf_task *task, struct mf_str name)
{
    if (name.len > 0 && !task->parent) {
        task->parent = mf_exec_task(task->run->exec, task->run->id, name);
        if (!task->parent)
            return false;
        task->depth = task->parent->depth + 1;
    }
    count_child(task);
    return true;
}

void mf_task_unqueue(struct mf_task *task)
{
    struct mf_exec_run *run = task->run;
    if (!task->queue)
        return;
    mf_list_remove(task->queue, &task->in_queue);
    if (task->stage == MF_STAGE_READY && --run->ready_count == 0)
        mf_list_remove(&run->exec->ring, &run->in_ring);
    task->queue = NULL;
}

void mf_task_queue_in(struct mf_task *task, struct mf_list *queue)
{
    mf_task_unqueue(task);
    task->queue = queue;
    mf_list_push(queue, &task->in_queue);
}

bool mf_task_holds_process(const struct mf_task *task)
{
    return task->stage == MF_STAGE_STARTING || task->stage == MF_STAGE_RUNNING ||
           task->stage == MF_STAGE_ENDING;
}

static void on_run_changed(struct mf_subscription *subscription)
{
    struct mf_exec_run *run = MF_CONTAINER(subscription, struct mf_exec_run, subscription);
    atomic_store(&run->dirty, true);
    mf_exec_wake(run->exec);
}

static void follow(struct mf_exec_run *run)
{
    struct mf_exec *exec = run->exec;
    run->followed = true;
    mf_list_push(&exec->followed, &run->in_followed);
    mf_hub_subscribe(mf_store_hub(exec->config.store), &run->subscription,
                     (struct mf_topic){.kind = MF_TOPIC_RUN, .run_id = run->id}, on_run_changed);
    /* What changed before is known from its rows, or is seen by the command that starts the task. */
    run->seen_seq = exec->loading ? exec->first_seq : mf_store_seq(exec->config.store);
    atomic_store(&run->dirty, exec->loading);
}

void mf_task_stage(struct mf_task *task, enum mf_stage stage)
{
    struct mf_exec_run *run = task->run;
    bool held = mf_task_holds_process(task);
    mf_task_unqueue(task);
    if (task->stage == MF_STAGE_STARTING)
        run->exec->starting--;
    task->stage = stage;
    if (stage == MF_STAGE_STARTING)
        run->exec->starting++;
    bool holds = mf_task_holds_process(task);
    if (holds && !held) {
        run->exec->process_count++;
        if (run->processes++ == 0 && !run->followed)
            follow(run);
    } else if (held && !holds) {
        run->exec->process_count--;
        /* One more look, which then stops following: what ended below the last process must be seen. */
        if (--run->processes == 0)
            on_run_changed(&run->subscription);
    }
    mf_task_account(task);
    mf_task_due(task);
}

void mf_task_ended(struct mf_task *task)
{
    struct mf_exec *exec = task->run->exec;
    mf_task_unfollow_key(task);
    mf_task_stage(task, MF_STAGE_ENDED);
    task->gone = true;
    task->retry = NULL;
    mf_task_undue(task);
    uncount_child(task);
    task->ended_scan = exec->scan;
    mf_task_queue_in(task, &exec->ended);
    if (!exec->scanning)
        mf_exec_purge(exec);
}

void mf_exec_purge(struct mf_exec *exec)
{
    struct mf_link *next;
    for (struct mf_link *link = mf_list_first(&exec->ended); link; link = next) {
        struct mf_task *task = MF_CONTAINER(link, struct mf_task, in_queue);
        next = mf_list_next(&exec->ended, link);
        bool seen = !exec->scanning || task->ended_scan < exec->scan;
        if (seen && task->steps == 0 && !task->process && !task->pinned && task->open_children == 0)
            forget(exec, task);
    }
}

static void free_task_value(void *value)
{
    mf_task_unfollow_key(value);
    free_task(value);
}

static void free_run_value(void *value)
{
    mf_run_unfollow(value);
    free(value);
}

void mf_exec_free_tables(struct mf_exec *exec)
{
    mf_map_free(exec->tasks, free_task_value);
    mf_map_free(exec->runs, free_run_value);
    free(exec->due);
}
