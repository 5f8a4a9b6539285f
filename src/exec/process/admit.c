#include "exec/process/state.h"

#define PATIENCE_NS INT64_C(30000000000) /* how long a large task is passed over by smaller ones */
#define WAITING_MEMORY                                                                                       \
    ((int64_t)128 << 20) /* what a process holds that only waits, when nothing was asked for */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A request beyond the machine counts as all of it: such a task runs alone rather than never. */
static int64_t cpu_of(const struct mf_task *task)
{
    return least(task->demand.cpu_milli, task->run->exec->cpu_total);
}

static int64_t memory_of(const struct mf_task *task)
{
    return least(task->demand.memory_bytes, task->run->exec->memory_total);
}

void mf_task_account(struct mf_task *task)
{
    struct mf_exec_run *run = task->run;
    struct mf_exec *exec = run->exec;
    bool holds = mf_task_holds_process(task);
    bool waits = holds && task->open_children > 0;
    int64_t cpu = holds && !waits ? cpu_of(task) : 0;
    int64_t memory = holds ? memory_of(task) : 0;
    if (waits && !task->demand.memory_asked)
        memory = least(memory, WAITING_MEMORY);
    exec->cpu_used += cpu - task->charged_cpu;
    exec->memory_used += memory - task->charged_memory;
    task->charged_cpu = cpu;
    task->charged_memory = memory;
    if (task->charged_active != (holds && !waits)) {
        task->charged_active = holds && !waits;
        run->active += task->charged_active ? 1 : (size_t)-1;
        exec->active += task->charged_active ? 1 : (size_t)-1;
    }
}

void mf_task_ready(struct mf_task *task)
{
    struct mf_exec_run *run = task->run;
    mf_task_stage(task, MF_STAGE_READY);
    if (run->ready_count++ == 0)
        mf_list_push(&run->exec->ring, &run->in_ring);
    int level = task->depth < MF_EXEC_LEVELS ? task->depth : MF_EXEC_LEVELS - 1;
    task->queue = &run->ready[level];
    mf_list_push(task->queue, &task->in_queue);
}

void mf_task_enqueue(struct mf_task *task)
{
    struct mf_exec *exec = task->run->exec;
    if (task->not_before > mf_wall_ns(exec->config.sys)) {
        mf_task_stage(task, MF_STAGE_DELAYED);
    } else if (task->cache_key) {
        mf_task_stage(task, MF_STAGE_CHECK);
        mf_task_queue_in(task, &exec->checks);
    } else {
        mf_task_ready(task);
    }
}

/* Deepest first: that is what parents wait for, and what bounds the memory of a run. */
static struct mf_task *first_of(struct mf_exec_run *run)
{
    for (int level = MF_EXEC_LEVELS - 1; level >= 0; level--) {
        struct mf_link *link = mf_list_first(&run->ready[level]);
        if (link)
            return MF_CONTAINER(link, struct mf_task, in_queue);
    }
    return NULL;
}

/* When all that runs only waits for children, one more always fits: otherwise they would wait for ever. */
static bool fits(const struct mf_exec *exec, const struct mf_task *task)
{
    return exec->active == 0 || (exec->cpu_used + cpu_of(task) <= exec->cpu_total &&
                                 exec->memory_used + memory_of(task) <= exec->memory_total &&
                                 exec->process_count < MF_EXEC_PROCESSES_MAX);
}

static bool run_is_full(const struct mf_exec_run *run)
{
    return run->max_active > 0 && run->active >= run->max_active;
}

/* Starting costs as much as a second of work, so only so many are started at once. */
static bool too_many_starting(const struct mf_exec *exec)
{
    int64_t most = exec->cpu_total / 500;
    return exec->starting >= (size_t)(most > 4 ? most : 4);
}

void mf_exec_admit(struct mf_exec *exec)
{
    int64_t now = mf_mono_ns(exec->config.sys);
    bool passed_over = false;
    size_t rest = exec->ring.count;
    while (rest > 0 && !exec->stopping && !exec->loading && !too_many_starting(exec)) {
        struct mf_exec_run *run = MF_CONTAINER(mf_list_first(&exec->ring), struct mf_exec_run, in_ring);
        struct mf_task *task = first_of(run);
        bool full = run_is_full(run);
        bool fitting = fits(exec, task);
        if (!full && !fitting && exec->blocked_since > 0 && now - exec->blocked_since > PATIENCE_NS)
            return; /* nobody overtakes it any more */
        mf_list_remove(&exec->ring, &run->in_ring);
        mf_list_push(&exec->ring, &run->in_ring);
        rest--;
        if (!full && !fitting) {
            passed_over = true;
            if (exec->blocked_since == 0)
                exec->blocked_since = now;
        }
        if (full || !fitting)
            continue;
        mf_task_start(task);
        rest = exec->ring.count; /* every run has its turn again */
    }
    if (!passed_over)
        exec->blocked_since = 0;
}
