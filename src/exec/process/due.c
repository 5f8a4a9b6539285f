#include "base/time.h"
#include "exec/process/state.h"

#include <stdlib.h>

#define LOOK_AT_CLOCK_MS 60000 /* the wall clock may be set; so never sleep longer than this on its word */

static void earlier(int64_t *due, int64_t at)
{
    if (at > 0 && at < *due)
        *due = at;
}

/* Waits and nothing is in flight for it, so that a deadline may end it here and now. */
static bool is_waiting(const struct mf_task *task)
{
    return task->steps == 0 && (task->stage == MF_STAGE_DELAYED || task->stage == MF_STAGE_CHECK ||
                                task->stage == MF_STAGE_HELD || task->stage == MF_STAGE_READY);
}

static int64_t after(int64_t start, int64_t delay)
{
    int64_t at;
    if (start <= 0 || delay <= 0 || __builtin_add_overflow(start, delay, &at))
        return 0;
    return at;
}

static int64_t queued_until(const struct mf_task *task)
{
    return after(task->not_before > task->queued_at ? task->not_before : task->queued_at,
                 task->demand.queued_timeout_ns);
}

static int64_t next_due(const struct mf_task *task)
{
    int64_t due = INT64_MAX;
    earlier(&due, task->retry ? task->retry_at : 0);
    if (task->retry && task->stage == MF_STAGE_NONE)
        return due;
    earlier(&due, task->reserved ? task->beat_at : 0);
    if (task->stage == MF_STAGE_NONE && task->kind == MF_ACTION_CONDITION && task->steps == 0)
        earlier(&due, after(task->created_at, task->demand.condition_timeout_ns));
    if (is_waiting(task)) {
        earlier(&due, after(task->created_at, task->demand.deadline_ns));
        earlier(&due, queued_until(task));
        earlier(&due, task->stage == MF_STAGE_DELAYED ? task->not_before : 0);
        earlier(&due, task->stage == MF_STAGE_HELD ? task->recheck_at : 0);
    }
    if (task->stage == MF_STAGE_RUNNING) {
        if (task->expiry == MF_EXPIRY_NONE && !task->gone) {
            earlier(&due, after(task->created_at, task->demand.deadline_ns));
            earlier(&due, after(task->running_at, task->demand.max_runtime_ns));
        }
        earlier(&due, task->stopping ? task->stop_deadline : 0);
    }
    return due;
}

static void place(struct mf_exec *exec, size_t index, struct mf_task *task)
{
    exec->due[index] = task;
    task->due_index = index;
}

static void sift(struct mf_exec *exec, size_t index, struct mf_task *task)
{
    while (index > 1 && exec->due[index / 2]->due > task->due) {
        place(exec, index, exec->due[index / 2]);
        index /= 2;
    }
    for (size_t child = index * 2; child <= exec->due_count; child = index * 2) {
        if (child < exec->due_count && exec->due[child + 1]->due < exec->due[child]->due)
            child++;
        if (exec->due[child]->due >= task->due)
            break;
        place(exec, index, exec->due[child]);
        index = child;
    }
    place(exec, index, task);
}

void mf_task_undue(struct mf_task *task)
{
    struct mf_exec *exec = task->run->exec;
    size_t index = task->due_index;
    if (index == 0)
        return;
    task->due_index = 0;
    struct mf_task *last = exec->due[exec->due_count--];
    if (last != task)
        sift(exec, index, last);
}

static bool make_room(struct mf_exec *exec)
{
    if (exec->due_count + 2 <= exec->due_cap)
        return true;
    size_t cap = exec->due_cap > 0 ? exec->due_cap * 2 : 256;
    struct mf_task **grown = realloc(exec->due, cap * sizeof(struct mf_task *));
    if (!grown)
        return false;
    exec->due = grown;
    exec->due_cap = cap;
    return true;
}

void mf_task_due(struct mf_task *task)
{
    struct mf_exec *exec = task->run->exec;
    int64_t due = next_due(task);
    if (due == INT64_MAX) {
        mf_task_undue(task);
        return;
    }
    task->due = due;
    if (task->due_index > 0) {
        sift(exec, task->due_index, task);
    } else {
        if (!make_room(exec))
            return; /* it is looked at again when its stage changes; without memory there is nothing better */
        sift(exec, ++exec->due_count, task);
    }
    if (exec->due[1] == task)
        mf_exec_due_timer(exec);
}

static void fire_waiting(struct mf_task *task, int64_t now)
{
    int64_t deadline = after(task->created_at, task->demand.deadline_ns);
    int64_t queued = queued_until(task);
    if (deadline > 0 && now >= deadline)
        mf_task_expire(task, MF_EXPIRY_DEADLINE);
    else if (queued > 0 && now >= queued)
        mf_task_expire(task, MF_EXPIRY_QUEUED);
    else if (task->stage == MF_STAGE_DELAYED && now >= task->not_before)
        mf_task_enqueue(task);
    else if (task->stage == MF_STAGE_HELD && now >= task->recheck_at)
        mf_task_enqueue(task);
}

static void fire_running(struct mf_task *task, int64_t now)
{
    int64_t deadline = after(task->created_at, task->demand.deadline_ns);
    int64_t runtime = after(task->running_at, task->demand.max_runtime_ns);
    if (task->stopping && now >= task->stop_deadline) {
        mf_task_kill_shim(task);
        return;
    }
    if (task->expiry != MF_EXPIRY_NONE || task->gone)
        return;
    if (deadline > 0 && now >= deadline)
        task->expiry = MF_EXPIRY_DEADLINE;
    else if (runtime > 0 && now >= runtime)
        task->expiry = MF_EXPIRY_MAX_RUNTIME;
    if (task->expiry != MF_EXPIRY_NONE)
        mf_task_stop(task);
}

static void fire(struct mf_task *task, int64_t now)
{
    if (task->retry && now >= task->retry_at) {
        void (*retry)(struct mf_task * task) = task->retry;
        task->retry = NULL;
        retry(task);
        return;
    }
    if (task->reserved && now >= task->beat_at)
        mf_task_beat(task);
    if (is_waiting(task))
        fire_waiting(task, now);
    else if (task->stage == MF_STAGE_RUNNING)
        fire_running(task, now);
    else if (task->stage == MF_STAGE_NONE && task->kind == MF_ACTION_CONDITION)
        mf_task_expire(task, MF_EXPIRY_CONDITION);
}

static void on_due(void *ctx)
{
    struct mf_exec *exec = ctx;
    int64_t now = mf_wall_ns(exec->config.sys);
    exec->due_timer = NULL;
    exec->due_at = 0;
    for (size_t rest = exec->due_count; rest > 0 && !exec->stopping && exec->due_count > 0; rest--) {
        struct mf_task *task = exec->due[1];
        if (task->due > now)
            break;
        mf_task_undue(task);
        task->pinned = true;
        fire(task, now);
        task->pinned = false;
        if (task->stage == MF_STAGE_ENDED)
            mf_exec_purge(exec);
        else
            mf_task_due(task);
    }
    mf_exec_due_timer(exec);
    mf_exec_check_next(exec);
    mf_exec_admit(exec);
}

void mf_exec_due_timer(struct mf_exec *exec)
{
    if (exec->due_count == 0 || exec->stopping)
        return;
    int64_t at = exec->due[1]->due;
    if (exec->due_timer && exec->due_at <= at)
        return;
    mf_timer_stop(exec->due_timer);
    int64_t ms = (at - mf_wall_ns(exec->config.sys) + MF_MS_NS - 1) / MF_MS_NS;
    if (ms < 1)
        ms = 1;
    if (ms > LOOK_AT_CLOCK_MS)
        ms = LOOK_AT_CLOCK_MS;
    exec->due_timer = mf_timer_start(exec->loop, (uint64_t)ms, false, on_due, exec);
    exec->due_at = exec->due_timer ? at : 0;
}
