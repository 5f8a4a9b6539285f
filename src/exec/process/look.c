/* Looking into the store for what has changed: new work everywhere, and every change of the runs that have
 * processes. */
#include "exec/process/look.h"

#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/task/run.pb.h"
#include "gen/flyteidl2/task/task_definition.pb.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"

#include <stdlib.h>

#define DEMANDS_MAX 4096

static enum mf_code read_demand(struct mf_look *look, const struct mf_action_row *row, struct mf_demand *out)
{
    struct mf_exec *exec = look->step.exec;
    struct mf_demand *known = mf_map_get(exec->demands, row->spec_digest);
    struct mf_str body;
    void *decoded = NULL;
    if (known) {
        *out = *known;
        return MF_OK;
    }
    mf_demand_of(NULL, out);
    if (row->spec_digest.len == 0)
        return MF_OK;
    mf_arena_reset(look->scratch);
    enum mf_code code = mf_spec_get(look->db, look->scratch, row->spec_digest, &body, &look->step.err);
    const struct pb_type *type =
        row->kind == MF_ACTION_CONDITION ? &pb_workflow_ConditionAction_type : &pb_task_TaskSpec_type;
    if (code == MF_OK)
        code = pb_decode(look->scratch, type, body, &decoded, &look->step.err);
    if (code != MF_OK)
        return code == MF_NOT_FOUND || code == MF_INVALID_ARGUMENT ? MF_OK : code; /* its start will say so */
    if (row->kind == MF_ACTION_CONDITION)
        out->condition_timeout_ns =
            mf_duration_ns(((const struct pb_workflow_ConditionAction *)decoded)->timeout);
    else
        mf_demand_of(((const struct pb_task_TaskSpec *)decoded)->task_template, out);
    if (mf_map_count(exec->demands) >= DEMANDS_MAX)
        return MF_OK;
    known = malloc(sizeof *known);
    if (known)
        *known = *out;
    if (known && !mf_map_put(exec->demands, row->spec_digest, known, NULL))
        free(known);
    return MF_OK;
}

static enum mf_code read_run(struct mf_look *look, int64_t run_id)
{
    struct mf_run_row run;
    void *spec = NULL;
    if (look->run_id == run_id)
        return MF_OK;
    mf_arena_reset(look->scratch);
    enum mf_code code = mf_run_get(look->db, look->scratch, run_id, &run, &look->step.err);
    if (code == MF_OK)
        code = pb_decode(look->scratch, &pb_task_RunSpec_type, run.run_spec, &spec, &look->step.err);
    look->run_id = run_id;
    look->max_active = spec ? ((const struct pb_task_RunSpec *)spec)->max_action_concurrency : 0;
    mf_demand_bounds_of(spec, &look->bounds);
    return code == MF_NOT_FOUND || code == MF_INVALID_ARGUMENT ? MF_OK : code;
}

bool mf_look_row(void *ctx, const struct mf_action_row *row)
{
    struct mf_look *look = ctx;
    struct mf_found *found;
    if (look->count == look->cap) {
        size_t cap = look->cap > 0 ? look->cap * 2 : 64;
        found = mf_arena_grow(look->step.arena, look->found, look->cap * sizeof *found, cap * sizeof *found);
        if (!found) {
            look->failed = true;
            return false;
        }
        look->found = found;
        look->cap = cap;
    }
    found = &look->found[look->count++];
    *found = (struct mf_found){.row = *row};
    return true;
}

enum mf_code mf_look_details(struct mf_look *look, size_t from)
{
    enum mf_code code = MF_OK;
    for (size_t i = from; code == MF_OK && i < look->count; i++) {
        struct mf_found *found = &look->found[i];
        if (mf_phase_is_terminal(found->row.phase) || found->row.kind == MF_ACTION_TRACE)
            continue;
        code = read_demand(look, &found->row, &found->demand);
        if (code == MF_OK)
            code = read_run(look, found->row.run_id);
        found->max_active = look->max_active;
        mf_demand_bound(&found->demand, &look->bounds);
    }
    return code;
}

static enum mf_code look_into_run(struct mf_look *look, struct mf_look_run *run)
{
    size_t from = look->count;
    enum mf_code code = mf_action_of_run(look->db, look->step.arena, run->run_id, run->after, MF_EXEC_ROWS,
                                         mf_look_row, look, &look->step.err);
    run->seen = look->count > from ? look->found[look->count - 1].row.seq : run->after;
    run->more = look->count - from == MF_EXEC_ROWS;
    return code == MF_OK ? mf_look_details(look, from) : code;
}

enum mf_code mf_look_begin(struct mf_look *look)
{
    look->scratch = mf_arena_new(0);
    return look->scratch ? mf_store_reader(look->step.exec->config.store, &look->db, &look->step.err)
                         : mf_fail_memory(&look->step.err);
}

void mf_look_end(struct mf_look *look)
{
    mf_store_reader_done(look->step.exec->config.store, look->db);
    mf_arena_free(look->scratch);
}

static void work(struct mf_step *step)
{
    struct mf_look *look = MF_CONTAINER(step, struct mf_look, step);
    enum mf_code code = mf_look_begin(look);
    look->seen = look->after;
    if (code == MF_OK && look->open_rows) {
        code =
            mf_action_open(look->db, step->arena, look->after, MF_EXEC_ROWS, mf_look_row, look, &step->err);
        look->more = look->count == MF_EXEC_ROWS;
        if (look->count > 0)
            look->seen = look->found[look->count - 1].row.seq;
        if (code == MF_OK)
            code = mf_look_details(look, 0);
    }
    for (size_t i = 0; code == MF_OK && i < look->run_count; i++)
        code = look_into_run(look, &look->runs[i]);
    mf_look_end(look);
    if (code == MF_OK && look->failed)
        code = mf_fail_memory(&step->err);
    step->code = code;
}

/* ---- taking what was found ---- */

/* Order of the machine: a report of the past changes nothing. */
static bool is_newer(const struct mf_task *task, const struct mf_action_row *row)
{
    if (!task->known)
        return true;
    if (row->attempts != task->attempt)
        return row->attempts > task->attempt;
    return !task->gone && mf_phase_is_terminal(row->phase);
}

static void take_end(struct mf_task *task, const struct mf_action_row *row)
{
    task->phase = row->phase;
    task->attempt = row->attempts;
    task->gone = true;
    switch (task->stage) {
    case MF_STAGE_RUNNING:
        mf_task_stop(task);
        break;
    case MF_STAGE_STARTING:
    case MF_STAGE_ENDING:
    case MF_STAGE_ENDED:
        break; /* the step in flight finds out by itself */
    case MF_STAGE_NONE:
    case MF_STAGE_DELAYED:
    case MF_STAGE_CHECK:
    case MF_STAGE_HELD:
    case MF_STAGE_READY:
        if (task->steps > 0)
            break;
        mf_task_release(task);
        mf_task_ended(task);
        break;
    }
}

static bool copy_words(struct mf_task *task, const struct mf_found *found)
{
    const struct mf_action_row *row = &found->row;
    free(task->cache_key);
    task->cache_key = NULL;
    if (!found->demand.discoverable || row->cache_key.len == 0)
        return true;
    task->cache_key = malloc(row->cache_key.len + 1);
    if (!task->cache_key)
        return false;
    memcpy(task->cache_key, row->cache_key.ptr, row->cache_key.len);
    task->cache_key[row->cache_key.len] = '\0';
    return true;
}

bool mf_look_fill(struct mf_task *task, const struct mf_found *found)
{
    const struct mf_action_row *row = &found->row;
    task->known = true;
    task->kind = row->kind;
    task->phase = row->phase;
    task->attempt = row->attempts;
    task->user_retries = row->user_retries;
    task->system_retries = row->system_retries;
    task->not_before = row->not_before;
    task->queued_at = row->queued_at;
    task->running_at = row->running_at;
    task->created_at = row->created_at;
    task->demand = found->demand;
    task->run->max_active = found->max_active;
    return copy_words(task, found) && mf_task_set_parent(task, row->parent);
}

static bool take_open(struct mf_exec *exec, const struct mf_found *found)
{
    const struct mf_action_row *row = &found->row;
    struct mf_task *task = mf_exec_task(exec, row->run_id, row->name);
    if (!task)
        return false;
    if (task->stage == MF_STAGE_ENDED) { /* begun again as its next attempt */
        mf_task_stage(task, MF_STAGE_NONE);
        task->gone = false;
        task->resume = false;
        task->expiry = MF_EXPIRY_NONE;
    }
    if (mf_task_holds_process(task) || task->steps > 0) {
        task->run->revisit = row->seq; /* our step for the attempt before has not come back yet */
        return true;
    }
    if (!mf_look_fill(task, found))
        return false;
    bool queued = row->phase == MF_PHASE_QUEUED || row->phase == MF_PHASE_WAITING_FOR_RESOURCES;
    if (row->kind == MF_ACTION_TASK && queued)
        mf_task_enqueue(task);
    else
        mf_task_due(task);
    return true;
}

static bool take(struct mf_exec *exec, const struct mf_found *found)
{
    struct mf_task *task = mf_exec_find(exec, found->row.run_id, found->row.name);
    if (found->row.carrier != MF_CARRIER_HERE)
        return true; /* others carry it out; it is in a run that we follow for what we do */
    if (task && !is_newer(task, &found->row))
        return true;
    if (!mf_phase_is_terminal(found->row.phase) && found->row.kind != MF_ACTION_TRACE)
        return take_open(exec, found);
    if (task && task->known)
        take_end(task, &found->row);
    return true;
}

/* Rows that came too early for us to take are looked at once more. */
static bool revisit(struct mf_exec *exec)
{
    bool any = false;
    for (struct mf_link *link = mf_list_first(&exec->followed); link;
         link = mf_list_next(&exec->followed, link)) {
        struct mf_exec_run *run = MF_CONTAINER(link, struct mf_exec_run, in_followed);
        if (run->revisit == 0)
            continue;
        if (run->seen_seq >= run->revisit)
            run->seen_seq = run->revisit - 1;
        run->revisit = 0;
        atomic_store(&run->dirty, true);
        any = true;
    }
    return any;
}

static void after(struct mf_step *step)
{
    struct mf_look *look = MF_CONTAINER(step, struct mf_look, step);
    struct mf_exec *exec = step->exec;
    bool ok = step->code == MF_OK;
    bool again = false;
    exec->scanning = false;
    for (size_t i = 0; ok && i < look->count; i++)
        ok = take(exec, &look->found[i]);
    if (ok && look->open_rows) {
        exec->seen_seq = look->seen;
        exec->scan_again |= look->more;
    }
    for (size_t i = 0; i < look->run_count; i++) {
        const struct mf_look_run *seen = &look->runs[i];
        struct mf_exec_run *run = mf_map_get(exec->runs, mf_str_make(&seen->run_id, sizeof seen->run_id));
        if (!run || !run->followed)
            continue;
        if (ok && run->seen_seq < seen->seen)
            run->seen_seq = seen->seen;
        if (!ok || seen->more) {
            atomic_store(&run->dirty, true);
            exec->scan_again = true;
        } else if (run->processes == 0 && !atomic_load(&run->dirty)) {
            mf_run_unfollow(run);
        }
    }
    again = revisit(exec);
    if (!ok) {
        mf_log(MF_LOG_WARN, "exec", "cannot look for work, will try again: %s",
               step->code != MF_OK ? step->err.message : "out of memory");
    }
    if (mf_map_count(exec->demands) >= DEMANDS_MAX) {
        mf_map_free(exec->demands, free);
        exec->demands = mf_map_new(1);
    }
    mf_exec_purge(exec);
    mf_exec_look_later(exec, ok && exec->scan_again, !ok || again);
    mf_step_end(step);
    mf_exec_check_next(exec);
    mf_exec_admit(exec);
}

static enum mf_code list_dirty(struct mf_exec *exec, struct mf_look *look)
{
    look->runs = mf_arena_array(look->step.arena, exec->followed.count + 1, sizeof *look->runs);
    if (!look->runs)
        return mf_fail_memory(&look->step.err);
    for (struct mf_link *link = mf_list_first(&exec->followed); link;
         link = mf_list_next(&exec->followed, link)) {
        struct mf_exec_run *run = MF_CONTAINER(link, struct mf_exec_run, in_followed);
        if (atomic_exchange(&run->dirty, false))
            look->runs[look->run_count++] = (struct mf_look_run){.run_id = run->id, .after = run->seen_seq};
    }
    return MF_OK;
}

void mf_exec_look(struct mf_exec *exec)
{
    if (exec->scanning || exec->stopping || exec->loading) {
        exec->scan_again = true;
        return;
    }
    struct mf_look *look = MF_STEP_NEW(exec, NULL, struct mf_look);
    if (!look) {
        mf_exec_look_later(exec, false, true);
        return;
    }
    exec->scan_again = false;
    look->after = exec->seen_seq;
    look->open_rows = exec->task_count < MF_EXEC_TASKS_MAX;
    exec->full = !look->open_rows;
    if (list_dirty(exec, look) != MF_OK) {
        mf_step_end(&look->step);
        mf_exec_look_later(exec, false, true);
        return;
    }
    exec->scanning = true;
    exec->scan++;
    mf_step_work(&look->step, work, after);
}

static void on_retry(void *ctx)
{
    struct mf_exec *exec = ctx;
    exec->retry_timer = NULL;
    mf_exec_look(exec);
}

/* now: there is more to see; later: what is there could not be seen. */
void mf_exec_look_later(struct mf_exec *exec, bool now, bool later)
{
    bool has_room = exec->full && exec->task_count < MF_EXEC_TASKS_MAX / 2;
    if (exec->stopping)
        return;
    if (now || has_room)
        mf_exec_look(exec);
    else if (later && !exec->retry_timer)
        exec->retry_timer = mf_timer_start(exec->loop, MF_EXEC_RETRY_MS, false, on_retry, exec);
}
