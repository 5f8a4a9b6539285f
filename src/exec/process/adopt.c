/* At the start: finds what was started before. Processes that live are followed again, those that have ended
 * are finished, those that are lost are tried again by the rules of retries. */
#include "exec/process/look.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct adopted {
    struct mf_process_row process;
    size_t found; /* of its action, from 1; 0: the action is gone */
};

struct load {
    struct mf_look look;
    struct adopted *processes;
    size_t count, cap;
};

/* ---- on a helper thread ---- */

static bool on_process(void *ctx, const struct mf_process_row *row)
{
    struct load *load = ctx;
    if (load->count == load->cap) {
        size_t cap = load->cap > 0 ? load->cap * 2 : 64;
        struct adopted *grown = mf_arena_grow(load->look.step.arena, load->processes,
                                              load->cap * sizeof *grown, cap * sizeof *grown);
        if (!grown) {
            load->look.failed = true;
            return false;
        }
        load->processes = grown;
        load->cap = cap;
    }
    load->processes[load->count++] = (struct adopted){.process = *row};
    return true;
}

static enum mf_code find_actions(struct load *load)
{
    struct mf_look *look = &load->look;
    enum mf_code code = MF_OK;
    for (size_t i = 0; code == MF_OK && i < load->count; i++) {
        struct adopted *adopted = &load->processes[i];
        struct mf_action_row row;
        code = mf_action_get(look->db, look->step.arena, adopted->process.run_id, adopted->process.name, &row,
                             &look->step.err);
        if (code == MF_NOT_FOUND) {
            code = MF_OK;
        } else if (code == MF_OK) {
            if (!mf_look_row(look, &row))
                code = mf_fail_memory(&look->step.err);
            adopted->found = look->count;
        }
    }
    return code;
}

static bool is_started(const struct mf_action_row *row)
{
    return row->kind == MF_ACTION_TASK &&
           (row->phase == MF_PHASE_INITIALIZING || row->phase == MF_PHASE_RUNNING);
}

struct batch {
    struct mf_look *look;
    int64_t seq;
    size_t count;
};

static bool copy_row(struct mf_look *look, int64_t run_id, struct mf_str name)
{
    struct mf_action_row row;
    return mf_action_get(look->db, look->step.arena, run_id, name, &row, &look->step.err) == MF_OK &&
           mf_look_row(look, &row);
}

static bool on_open(void *ctx, const struct mf_action_row *row)
{
    struct batch *batch = ctx;
    batch->seq = row->seq;
    batch->count++;
    if (is_started(row) && !copy_row(batch->look, row->run_id, row->name))
        batch->look->failed = true;
    return !batch->look->failed;
}

/* Only those that were started are kept; whatever is queued is found by the first ordinary look. */
static enum mf_code find_started(struct mf_look *look)
{
    struct batch batch = {.look = look};
    enum mf_code code = MF_OK;
    struct mf_arena *arena = mf_arena_new(0);
    if (!arena)
        return mf_fail_memory(&look->step.err);
    do {
        batch.count = 0;
        mf_arena_reset(arena);
        code = mf_action_open(look->db, arena, batch.seq, MF_EXEC_ROWS, on_open, &batch, &look->step.err);
    } while (code == MF_OK && !look->failed && batch.count == MF_EXEC_ROWS);
    mf_arena_free(arena);
    return code;
}

static void work(struct mf_step *step)
{
    struct mf_look *look = MF_CONTAINER(step, struct mf_look, step);
    struct load *load = MF_CONTAINER(look, struct load, look);
    enum mf_code code = mf_look_begin(look);
    if (code == MF_OK)
        code = mf_process_list(look->db, step->arena, on_process, load, &step->err);
    if (code == MF_OK)
        code = find_actions(load);
    if (code == MF_OK)
        code = find_started(look);
    if (code == MF_OK)
        code = mf_look_details(look, 0);
    mf_look_end(look);
    step->code = code == MF_OK && look->failed ? mf_fail_memory(&step->err) : code;
}

/* ---- on the loop ---- */

/* Nobody tells us that an adopted task runs; its file says it was begun. */
static void tell_adopted(struct mf_task *task)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/" MF_LAUNCH_TASK_FILE, task->work_dir);
    if (task->stage != MF_STAGE_RUNNING)
        return;
    if (access(path, F_OK) == 0) {
        mf_task_started(task);
        return;
    }
    task->retry = tell_adopted;
    task->retry_at = mf_wall_ns(task->run->exec->config.sys) + MF_EXEC_RETRY_MS * INT64_C(1000000);
    mf_task_due(task);
}

static bool copy_work_dir(struct mf_task *task, struct mf_str work_dir)
{
    free(task->work_dir);
    task->work_dir = malloc(work_dir.len + 1);
    if (!task->work_dir)
        return false;
    memcpy(task->work_dir, work_dir.ptr, work_dir.len);
    task->work_dir[work_dir.len] = '\0';
    return true;
}

static bool adopt(struct load *load, const struct adopted *adopted)
{
    struct mf_exec *exec = load->look.step.exec;
    const struct mf_process_row *process = &adopted->process;
    const struct mf_found *found = adopted->found > 0 ? &load->look.found[adopted->found - 1] : NULL;
    struct mf_task *task = mf_exec_task(exec, process->run_id, process->name);
    if (!task || task->process || !copy_work_dir(task, process->work_dir))
        return task != NULL && task->process != NULL;
    bool over = !found || mf_phase_is_terminal(found->row.phase) || found->row.attempts != process->attempt;
    if (!over && !mf_look_fill(task, found))
        return false;
    task->known = true;
    task->kind = MF_ACTION_TASK;
    task->attempt = process->attempt;
    task->gone = over;
    task->other_boot = !mf_str_eq(process->boot_id, mf_str_from_c(exec->boot_id));
    mf_task_stage(task, MF_STAGE_RUNNING);
    bool alive = !task->other_boot && mf_proc_alive((pid_t)process->pid, process->pid_start) &&
                 mf_task_watch(task, (pid_t)process->pid, process->pid_start, -1, false);
    mf_log(MF_LOG_INFO, "exec", "attempt %d of %s, run %lld: %s", task->attempt, task->name,
           (long long)task->run->id,
           alive ? (over ? "still runs though its action has ended, stopping it" : "still runs")
                 : "has ended meanwhile");
    if (!alive)
        mf_task_process_ended(task);
    else if (over)
        mf_task_stop(task);
    else
        tell_adopted(task);
    return true;
}

static bool write_off(struct mf_exec *exec, const struct mf_found *found)
{
    struct mf_task *task = mf_exec_task(exec, found->row.run_id, found->row.name);
    if (!task)
        return false;
    if (mf_task_holds_process(task))
        return true; /* adopted */
    if (!mf_look_fill(task, found))
        return false;
    mf_task_stage(task, MF_STAGE_RUNNING);
    mf_task_process_ended(task);
    return true;
}

static void on_retry(void *ctx)
{
    struct mf_exec *exec = ctx;
    exec->retry_timer = NULL;
    mf_exec_load(exec);
}

static void load_later(struct mf_exec *exec)
{
    if (!exec->stopping && !exec->retry_timer)
        exec->retry_timer = mf_timer_start(exec->loop, MF_EXEC_RETRY_MS, false, on_retry, exec);
}

static void after(struct mf_step *step)
{
    struct mf_look *look = MF_CONTAINER(step, struct mf_look, step);
    struct load *load = MF_CONTAINER(look, struct load, look);
    struct mf_exec *exec = step->exec;
    bool ok = step->code == MF_OK;
    for (size_t i = 0; ok && !exec->stopping && i < load->count; i++)
        ok = adopt(load, &load->processes[i]);
    for (size_t i = 0; ok && !exec->stopping && i < look->count; i++)
        ok = !is_started(&look->found[i].row) || write_off(exec, &look->found[i]);
    if (!ok) {
        mf_log(MF_LOG_WARN, "exec", "cannot find out what ran before, will try again: %s",
               step->code != MF_OK ? step->err.message : "out of memory");
        load_later(exec);
    } else {
        exec->loading = false;
        mf_exec_look(exec);
        mf_exec_sweep(exec);
    }
    mf_step_end(step);
}

void mf_exec_load(struct mf_exec *exec)
{
    struct load *load = MF_STEP_NEW(exec, NULL, struct load);
    if (!load) {
        load_later(exec);
        return;
    }
    exec->loading = true;
    mf_step_work(&load->look.step, work, after);
}
