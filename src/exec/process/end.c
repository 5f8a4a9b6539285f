/* How an attempt comes to its end: by its process, by a deadline, by a fault, or because its outputs are
 * known. */
#include "exec/process/origin.h"
#include "exec/process/secrets.h"
#include "exec/process/state.h"

#include "gen/flyteidl2/core/catalog.pb.h"
#include "gen/flyteidl2/core/interface.pb.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/task/common.pb.h"
#include "gen/flyteidl2/task/run.pb.h"
#include "store/abort_work.h"
#include "tasklog/tasklog.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ERROR_MAX ((size_t)16 << 20)
#define OUTPUTS_CHECKED_MAX ((int64_t)16 << 20) /* larger ones are taken as they are */

struct ending {
    struct mf_step step;
    struct mf_exec_rows rows;
    struct mf_command_names names;
    struct mf_demand demand;
    struct mf_verdict verdict;
    const char *work_dir;
    const char *boot_id;
    bool process; /* there is a row of the process to delete */
    bool same_boot;
    bool unended; /* some of its processes live on */
    bool resume;  /* its program never ran */
    bool stale;   /* the action had ended anyway; only the process is to be forgotten */
    bool final;   /* nothing comes after this */
    bool reserved;
    enum mf_expiry expiry;
    int32_t user_retries, system_retries;
    int64_t created_at, running_at;
    int64_t at_ns, retry_at;
    struct mf_str output_uri, report_uri;
    struct mf_str cache_metadata; /* of the entry that was hit; empty: none */
    int32_t cache_status;
    bool has_report;
};

static void try_again(struct mf_task *task, void (*retry)(struct mf_task *task))
{
    int64_t delay_ns =
        task->kill_tries > 0 ? mf_task_kill_delay_ns(task) : MF_EXEC_RETRY_MS * INT64_C(1000000);
    task->retry = retry;
    task->retry_at = mf_wall_ns(task->run->exec->config.sys) + delay_ns;
    mf_task_due(task);
}

/* ---- on a helper thread ---- */

static const char *in_work_dir(struct ending *ending, const char *file)
{
    struct mf_str path = mf_str_printf(ending->step.arena, "%s/%s", ending->work_dir, file);
    return path.ptr ? mf_str_to_c(ending->step.arena, path) : NULL;
}

/* The shim has died before its task: nobody would ever see the end of what may still run. */
static enum mf_code kill_strays(struct ending *ending, struct mf_error *err)
{
    const char *mark = mf_str_to_c(ending->step.arena, ending->names.mark);
    if (!mark)
        return mf_fail_memory(err);
    if (!ending->same_boot)
        return MF_OK;
    /* One that forks while we look may slip through once, so look until nothing is found. */
    size_t left = mf_proc_signal_marked(mark, SIGKILL);
    for (int i = 0; i < 100 && left > 0; i++) {
        usleep(10000);
        left = mf_proc_signal_marked(mark, SIGKILL);
    }
    return left == 0
               ? MF_OK
               : mf_fail(err, MF_UNAVAILABLE,
                         "%zu of its processes have not ended after SIGKILL; they wait for the system", left);
}

static void close_log(struct ending *ending)
{
    static const char text[] =
        "[mayfly] the process that kept this log has gone; what the task wrote last may be "
        "missing\n";
    struct mf_tasklog_writer *writer = NULL;
    const char *path = mf_exec_log_path(ending->step.arena, ending->step.exec, &ending->rows.run,
                                        ending->step.name, ending->step.attempt, NULL);
    if (!path || mf_tasklog_create(ending->step.exec->config.sys, path,
                                   ending->step.exec->config.log_max_bytes, &writer, NULL) != MF_OK)
        return;
    (void)!mf_tasklog_append(writer, MF_TASKLOG_SYSTEM, mf_str_make(text, sizeof text - 1), NULL);
    mf_tasklog_close(writer);
}

static enum mf_code read_outcome(struct ending *ending, const struct mf_outcome **out,
                                 struct mf_outcome *outcome, struct mf_error *err)
{
    const char *status = in_work_dir(ending, MF_LAUNCH_STATUS_FILE);
    const char *task = in_work_dir(ending, MF_LAUNCH_TASK_FILE);
    *out = NULL;
    if (!status || !task)
        return mf_fail_memory(err);
    enum mf_code code = mf_outcome_read(ending->step.arena, status, outcome, err);
    if (code == MF_OK) {
        *out = outcome;
        return MF_OK;
    }
    if (code != MF_NOT_FOUND && code != MF_DATA_LOSS)
        return code;
    code = kill_strays(ending, err);
    ending->unended = code == MF_UNAVAILABLE;
    if (code != MF_OK)
        return code;
    ending->resume =
        ending->same_boot && access(task, F_OK) != 0 && ending->rows.action.phase == MF_PHASE_INITIALIZING;
    if (!ending->resume)
        close_log(ending);
    return MF_OK;
}

static enum mf_code read_object(struct ending *ending, const char *name, bool *exists, struct mf_str *uri,
                                int64_t *size, struct mf_error *err)
{
    *uri = mf_str_printf(ending->step.arena, "%.*s/%s", MF_FMT(ending->names.prefix), name);
    if (!uri->ptr)
        return mf_fail_memory(err);
    enum mf_code code = mf_object_exists(ending->step.exec->config.objects, *uri, exists, size, err);
    if (code == MF_INVALID_ARGUMENT || code == MF_NOT_FOUND) {
        *exists = false; /* outputs in a store that is not ours cannot be seen */
        code = MF_OK;
    }
    return code;
}

static enum mf_code read_files(struct ending *ending, struct mf_verdict_input *in, struct mf_error *err)
{
    struct mf_objects *objects = ending->step.exec->config.objects;
    struct mf_arena *arena = ending->step.arena;
    struct mf_str uri;
    struct mf_str bytes;
    void *decoded = NULL;
    int64_t size = 0;
    enum mf_code code = read_object(ending, "error.pb", &in->has_error, &in->error_uri, &size, err);
    if (code == MF_OK && in->has_error) {
        code = mf_object_read(objects, arena, in->error_uri, ERROR_MAX, &in->error_document, err);
        if (code == MF_RESOURCE_EXHAUSTED)
            code = MF_OK; /* too long to be read: BadErrorFile */
    }
    if (code == MF_OK)
        code = read_object(ending, "report.html", &ending->has_report, &ending->report_uri, &size, err);
    if (code == MF_OK)
        code = read_object(ending, "outputs.pb", &in->has_outputs, &uri, &size, err);
    if (code != MF_OK || !in->has_outputs || size > OUTPUTS_CHECKED_MAX) {
        in->outputs_valid = in->has_outputs;
        return code;
    }
    code = mf_object_read(objects, arena, uri, (size_t)OUTPUTS_CHECKED_MAX, &bytes, err);
    if (code == MF_OK)
        in->outputs_valid = pb_decode(arena, &pb_task_Outputs_type, bytes, &decoded, NULL) == MF_OK;
    return code;
}

/* Which deadline had passed when the shim was told to stop, if we no longer know, because it was told before
 * the last start of the server. */
static enum mf_expiry expiry_at(const struct ending *ending, int64_t at_ns)
{
    const struct mf_demand *demand = &ending->demand;
    if (demand->deadline_ns > 0 && at_ns - ending->created_at >= demand->deadline_ns)
        return MF_EXPIRY_DEADLINE;
    if (demand->max_runtime_ns > 0 && ending->running_at > 0 &&
        at_ns - ending->running_at >= demand->max_runtime_ns)
        return MF_EXPIRY_MAX_RUNTIME;
    return MF_EXPIRY_NONE;
}

static bool declares_outputs(const struct pb_core_TaskTemplate *template)
{
    return template && template->interface && template->interface->outputs &&
           template->interface->outputs->variables.count > 0;
}

static enum mf_code judge(struct ending *ending, struct mf_error *err)
{
    struct mf_outcome outcome;
    struct mf_str empty;
    int64_t now = mf_wall_ns(ending->step.exec->config.sys);
    struct mf_verdict_input in = {
        .demand = &ending->demand,
        .expiry = ending->expiry,
        .outputs_declared = declares_outputs(ending->rows.template),
        .user_retries = ending->user_retries,
        .system_retries = ending->system_retries,
        .error_uri = MF_STR_EMPTY,
        .error_document = MF_STR_EMPTY,
    };
    enum mf_code code = read_outcome(ending, &in.outcome, &outcome, err);
    if (code != MF_OK || ending->resume || ending->stale)
        return code;
    ending->at_ns = in.outcome ? in.outcome->ended_ns : now;
    in.ran_ns = ending->running_at > 0 ? ending->at_ns - ending->running_at : 0;
    if (in.expiry == MF_EXPIRY_NONE && in.outcome && in.outcome->stopped)
        in.expiry = expiry_at(ending, ending->at_ns);
    code = read_files(ending, &in, err);
    if (code == MF_OK)
        code = mf_verdict_decide(ending->step.arena, &in, &ending->verdict, err);
    if (code == MF_OK && ending->verdict.write_empty_outputs) {
        empty = mf_str_printf(ending->step.arena, "%.*s/outputs.pb", MF_FMT(ending->names.prefix));
        code = empty.ptr ? mf_object_write(ending->step.exec->config.objects, empty, MF_STR_EMPTY,
                                           MF_STR("application/octet-stream"), err)
                         : mf_fail_memory(err);
    }
    if (code == MF_OK && ending->verdict.phase == MF_PHASE_SUCCEEDED)
        ending->output_uri = ending->names.prefix;
    ending->retry_at = now + ending->verdict.delay_ns;
    return code;
}

static void find_out(struct mf_step *step)
{
    struct ending *ending = MF_CONTAINER(step, struct ending, step);
    if (ending->work_dir)
        mf_task_secrets_remove(ending->work_dir); /* a shim that was killed has not done it */
    step->code = mf_exec_read(step, &ending->rows, &step->err);
    if (step->code == MF_NOT_FOUND) {
        ending->stale = true; /* nothing is left to be told */
        step->code = MF_OK;
        return;
    }
    if (step->code == MF_OK)
        step->code = mf_command_names(step->arena, &ending->rows.run, step->name, step->attempt,
                                      &ending->names, &step->err);
    if (step->code != MF_OK)
        return;
    const struct mf_action_row *row = &ending->rows.action;
    ending->stale = mf_phase_is_terminal(row->phase) || row->attempts != step->attempt;
    if (ending->process)
        step->code = judge(ending, &step->err);
}

/* ---- in a command ---- */

static enum mf_code put_cache(struct ending *ending, struct mf_tx *tx, struct mf_error *err)
{
    int64_t now = mf_tx_now_ns(tx);
    const struct pb_task_RunSpec *spec = ending->rows.run_spec;
    bool overwrite = mf_exec_overwrites(spec);
    struct mf_str origin;
    enum mf_code code =
        mf_origin_write(mf_tx_arena(tx), &ending->rows.action, ending->step.attempt, &origin, err);
    if (code != MF_OK)
        return code;
    const struct mf_cache_row row = {
        .key = mf_exec_cache_key(spec, &ending->rows.action),
        .output_uri = ending->output_uri,
        .metadata = origin,
        .created_at = now,
        .updated_at = now,
    };
    int64_t before = INT64_MIN;
    if (overwrite)
        before = INT64_MAX;
    else if (ending->demand.cache_max_age_ns > 0)
        before = now - ending->demand.cache_max_age_ns;
    code = mf_cache_put(mf_tx_db(tx), &row, before, err);
    ending->cache_status = pb_core_CACHE_POPULATED;
    return code == MF_ALREADY_EXISTS ? MF_OK : code;
}

static enum mf_code release_reservation(struct ending *ending, struct mf_tx *tx, struct mf_error *err)
{
    struct mf_cache_key key = mf_exec_cache_key(ending->rows.run_spec, &ending->rows.action);
    struct mf_str owner = mf_exec_cache_owner(mf_tx_arena(tx), &ending->rows.action);
    bool changed = false;
    if (!owner.ptr)
        return mf_fail_memory(err);
    enum mf_code code = mf_reservation_release(mf_tx_db(tx), &key, owner, &changed, err);
    if (code == MF_OK && changed)
        mf_tx_touch(tx, (struct mf_topic){.kind = MF_TOPIC_CACHE, .hash = mf_topic_hash(key.key)});
    return code;
}

static void touch_log(const struct mf_step *step, struct mf_tx *tx)
{
    char attempt[16];
    int len = snprintf(attempt, sizeof attempt, "%d", step->attempt);
    mf_tx_touch(tx, (struct mf_topic){.kind = MF_TOPIC_LOG,
                                      .run_id = step->run_id,
                                      .hash = mf_topic_hash2(step->name, mf_str_make(attempt, (size_t)len))});
}

static enum mf_code advance(struct ending *ending, struct mf_tx *tx, struct mf_error *err)
{
    const struct mf_step *step = &ending->step;
    const struct mf_verdict *verdict = &ending->verdict;
    bool failed = verdict->phase != MF_PHASE_SUCCEEDED;
    bool applied = false;
    enum mf_code code = MF_OK;
    if (!failed && ending->process && ending->demand.discoverable && ending->rows.action.cache_key.len > 0)
        code = put_cache(ending, tx, err);
    const struct mf_action_change change = {
        .run_id = step->run_id,
        .name = step->name,
        .attempt = step->attempt,
        .phase = verdict->phase,
        .at_ns = ending->at_ns,
        .error = failed ? &verdict->error : NULL,
        .output_uri = ending->output_uri,
        .report_uri = ending->has_report ? ending->report_uri : MF_STR_EMPTY,
        .cache_status = ending->cache_status,
        .cache_metadata = mf_origin_read(mf_tx_arena(tx), ending->cache_metadata),
        .retry = verdict->retry,
        .retry_is_system = verdict->retry_is_system,
        .retry_not_before = verdict->delay_ns > 0 ? ending->retry_at : 0,
    };
    if (code == MF_OK)
        code = mf_action_advance(tx, &change, &applied, err);
    ending->stale = !applied;
    ending->final = !applied || !verdict->retry;
    return code;
}

static enum mf_code record(struct mf_step *step, struct mf_tx *tx, struct mf_error *err)
{
    struct ending *ending = MF_CONTAINER(step, struct ending, step);
    enum mf_code code = MF_OK;
    ending->final = ending->stale;
    if (!ending->stale && !ending->resume)
        code = advance(ending, tx, err);
    if (code == MF_OK && ending->process)
        code = mf_process_delete(mf_tx_db(tx), step->run_id, step->name, step->attempt, err);
    if (code == MF_OK && ending->process)
        code = mf_abort_work_done(mf_tx_db(tx), step->run_id, step->name, step->attempt, NULL, err);
    if (code == MF_OK && ending->final && ending->reserved && ending->rows.run_spec)
        code = release_reservation(ending, tx, err);
    if (code == MF_OK && ending->process)
        touch_log(step, tx);
    return code;
}

/* ---- on the loop ---- */

static void queue_next(struct mf_task *task, const struct ending *ending)
{
    const struct mf_verdict *verdict = &ending->verdict;
    task->expiry = MF_EXPIRY_NONE;
    task->stopping = false;
    task->kill_tries = 0;
    task->resume = ending->resume;
    if (!ending->resume) {
        task->attempt++;
        task->phase = MF_PHASE_QUEUED;
        task->user_retries += verdict->retry_is_system ? 0 : 1;
        task->system_retries += verdict->retry_is_system ? 1 : 0;
        task->not_before = verdict->delay_ns > 0 ? ending->retry_at : 0;
        task->queued_at = mf_wall_ns(task->run->exec->config.sys);
        task->running_at = 0;
    }
    mf_task_enqueue(task);
}

/* After a failed commit of an end that no process has brought about. */
static void wait_again(struct mf_task *task)
{
    if (task->kind == MF_ACTION_CONDITION)
        mf_task_expire(task, MF_EXPIRY_CONDITION);
    else
        mf_task_enqueue(task);
}

static void end_again(struct ending *ending, const char *what)
{
    struct mf_task *task = ending->step.task;
    mf_log(MF_LOG_WARN, "exec", "%s %s of run %lld, will try again: %s", what, task->name,
           (long long)ending->step.run_id, ending->step.err.message);
    if (ending->unended)
        mf_task_unended(task, ending->step.err.message);
    try_again(task, ending->process ? mf_task_process_ended : wait_again);
    mf_step_end(&ending->step);
}

static void after_record(struct mf_step *step)
{
    struct ending *ending = MF_CONTAINER(step, struct ending, step);
    struct mf_task *task = step->task;
    struct mf_exec *exec = step->exec;
    if (step->code != MF_OK && step->code != MF_NOT_FOUND) {
        end_again(ending, "cannot record the end of");
        return;
    }
    bool keep = !ending->stale && !ending->resume && ending->verdict.phase != MF_PHASE_SUCCEEDED;
    if (ending->process && ending->work_dir && !keep)
        mf_exec_remove_work_dir(exec, ending->work_dir);
    if (ending->final) {
        task->reserved = false;
        mf_task_ended(task);
    } else {
        queue_next(task, ending);
    }
    mf_step_end(step);
    mf_exec_check_next(exec);
    mf_exec_admit(exec);
}

static void after_find_out(struct mf_step *step)
{
    struct ending *ending = MF_CONTAINER(step, struct ending, step);
    if (step->code == MF_OK)
        mf_step_command(step, record, after_record);
    else
        end_again(ending, "cannot find out the end of");
}

static struct ending *ending_new(struct mf_task *task)
{
    struct ending *ending = MF_STEP_NEW(task->run->exec, task, struct ending);
    if (!ending)
        return NULL;
    ending->demand = task->demand;
    ending->expiry = task->expiry;
    ending->user_retries = task->user_retries;
    ending->system_retries = task->system_retries;
    ending->created_at = task->created_at;
    ending->running_at = task->running_at;
    ending->reserved = task->reserved;
    ending->output_uri = MF_STR_EMPTY;
    ending->report_uri = MF_STR_EMPTY;
    ending->cache_status = -1;
    return ending;
}

void mf_task_process_ended(struct mf_task *task)
{
    struct mf_exec *exec = task->run->exec;
    mf_task_stage(task, MF_STAGE_ENDING);
    struct ending *ending = exec->stopping ? NULL : ending_new(task);
    if (!ending) {
        try_again(task, mf_task_process_ended); /* when the server stops, the next one finds it */
        return;
    }
    ending->process = true;
    ending->same_boot = true;
    ending->work_dir = task->work_dir ? mf_str_to_c(ending->step.arena, mf_str_from_c(task->work_dir)) : NULL;
    ending->same_boot = !task->other_boot;
    if (!ending->work_dir && mf_exec_key(ending->step.arena, exec, task->run->id, ending->step.name,
                                         task->attempt, &ending->work_dir, &ending->step.err) != MF_OK) {
        try_again(task, mf_task_process_ended);
        mf_step_end(&ending->step);
        return;
    }
    mf_step_work(&ending->step, find_out, after_find_out);
}

static struct ending *end_without_process(struct mf_task *task)
{
    mf_task_stage(task, MF_STAGE_NONE);
    struct ending *ending = ending_new(task);
    if (!ending)
        try_again(task, wait_again);
    return ending;
}

void mf_task_expire(struct mf_task *task, enum mf_expiry expiry)
{
    struct ending *ending = end_without_process(task);
    if (!ending)
        return;
    const struct mf_verdict_input in = {.demand = &ending->demand,
                                        .expiry = expiry,
                                        .user_retries = task->user_retries,
                                        .system_retries = task->system_retries};
    ending->step.code = mf_verdict_decide(ending->step.arena, &in, &ending->verdict, &ending->step.err);
    if (ending->step.code != MF_OK) {
        end_again(ending, "cannot end");
        return;
    }
    ending->retry_at = mf_wall_ns(ending->step.exec->config.sys) + ending->verdict.delay_ns;
    mf_step_work(&ending->step, find_out, after_find_out);
}

void mf_task_fault(struct mf_task *task, const char *code, const char *message)
{
    struct ending *ending = end_without_process(task);
    if (!ending)
        return;
    struct mf_str text = mf_str_copy(ending->step.arena, mf_str_from_c(message));
    mf_verdict_fault(code, text.ptr ? text : MF_STR_EMPTY, &ending->verdict);
    mf_step_work(&ending->step, find_out, after_find_out);
}

void mf_task_cached(struct mf_task *task, struct mf_str output_uri, struct mf_str metadata)
{
    struct ending *ending = end_without_process(task);
    if (!ending)
        return;
    ending->output_uri = mf_str_copy(ending->step.arena, output_uri);
    ending->verdict.phase = MF_PHASE_SUCCEEDED;
    ending->cache_status = pb_core_CACHE_HIT;
    ending->cache_metadata = mf_str_copy(ending->step.arena, metadata);
    if (ending->output_uri.ptr && (metadata.len == 0 || ending->cache_metadata.ptr)) {
        mf_step_work(&ending->step, find_out, after_find_out);
    } else {
        ending->step.code = mf_fail_memory(&ending->step.err);
        end_again(ending, "cannot end");
    }
}
