/* Recording that a task's program runs, and where its log is. */
#include "exec/process/state.h"

#include "gen/flyteidl2/core/execution.pb.h"
#include "gen/google/protobuf/timestamp.pb.h"

#include <string.h>

struct tell {
    struct mf_step step;
    int64_t at_ns;
    bool applied;
    char folder[PATH_MAX]; /* of the log */
};

static const struct pb_core_LogContext *log_context(struct mf_arena *arena, const struct mf_run_row *run,
                                                    struct mf_str pod_name, int64_t at_ns)
{
    struct pb_core_LogContext *context = pb_new(arena, &pb_core_LogContext_type);
    struct pb_core_PodLogContext *pod = pb_new(arena, &pb_core_PodLogContext_type);
    struct pb_core_ContainerContext *container = pb_new(arena, &pb_core_ContainerContext_type);
    struct pb_core_ContainerContext_ProcessContext *process =
        pb_new(arena, &pb_core_ContainerContext_ProcessContext_type);
    struct pb_google_protobuf_Timestamp *start = pb_new(arena, &pb_google_protobuf_Timestamp_type);
    if (!context || !pod || !container || !process || !start)
        return NULL;
    start->seconds = at_ns / 1000000000;
    start->nanos = (int32_t)(at_ns % 1000000000);
    process->container_start_time = start;
    container->container_name = pod_name;
    container->process = process;
    pod->namespace = mf_str_printf(arena, "%.*s-%.*s", MF_FMT(run->project), MF_FMT(run->domain));
    pod->pod_name = pod_name;
    pod->primary_container_name = pod_name;
    context->primary_pod_name = pod_name;
    if (!pod->namespace.ptr || !PB_PUSH(arena, pod->containers, container) ||
        !PB_PUSH(arena, context->pods, pod))
        return NULL;
    return context;
}

static enum mf_code record(struct mf_step *step, struct mf_tx *tx, struct mf_error *err)
{
    struct tell *tell = MF_CONTAINER(step, struct tell, step);
    struct mf_arena *arena = mf_tx_arena(tx);
    struct mf_run_row run;
    struct mf_command_names names;
    enum mf_code code = mf_run_get(mf_tx_db(tx), arena, step->run_id, &run, err);
    if (code == MF_OK)
        code = mf_command_names(arena, &run, step->name, step->attempt, &names, err);
    if (code != MF_OK)
        return code;
    const struct mf_action_change change = {
        .run_id = step->run_id,
        .name = step->name,
        .attempt = step->attempt,
        .phase = MF_PHASE_RUNNING,
        .at_ns = tell->at_ns,
        .cache_status = -1,
        .log_context = log_context(arena, &run, names.pod_name, tell->at_ns),
    };
    if (!change.log_context)
        return mf_fail_memory(err);
    const char *path = mf_exec_log_path(arena, step->exec, &run, step->name, step->attempt, err);
    if (path)
        snprintf(tell->folder, sizeof tell->folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    return mf_action_advance(tx, &change, &tell->applied, err);
}

static void after_record(struct mf_step *step)
{
    struct tell *tell = MF_CONTAINER(step, struct tell, step);
    struct mf_task *task = step->task;
    bool running = task->stage == MF_STAGE_RUNNING && task->attempt == step->attempt;
    if (running && step->code == MF_OK && tell->folder[0])
        mf_task_watch_log(task, tell->folder);
    if (running && step->code != MF_OK && step->code != MF_NOT_FOUND) {
        task->retry = mf_task_started;
        task->retry_at = mf_wall_ns(step->exec->config.sys) + MF_EXEC_RETRY_MS * INT64_C(1000000);
    }
    mf_task_due(task);
    mf_step_end(step);
}

void mf_task_started(struct mf_task *task)
{
    struct mf_exec *exec = task->run->exec;
    if (task->running_at == 0)
        task->running_at = mf_wall_ns(exec->config.sys);
    mf_task_due(task);
    struct tell *tell = MF_STEP_NEW(exec, task, struct tell);
    if (!tell)
        return; /* it is shown as INITIALIZING until it ends */
    tell->at_ns = task->running_at;
    mf_step_command(&tell->step, record, after_record);
}
