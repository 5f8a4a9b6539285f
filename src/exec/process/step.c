#include "exec/process/state.h"

#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/task/run.pb.h"
#include "gen/flyteidl2/task/task_definition.pb.h"
#include "tasklog/tasklog.h"

struct mf_step *mf_step_new(struct mf_exec *exec, struct mf_task *task, size_t size)
{
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_step *step = arena ? mf_arena_alloc(arena, size) : NULL;
    if (!step) {
        mf_arena_free(arena);
        return NULL;
    }
    step->exec = exec;
    step->arena = arena;
    step->name = MF_STR_EMPTY;
    if (task) {
        step->name = mf_str_copy(arena, mf_str_from_c(task->name));
        if (!step->name.ptr) {
            mf_arena_free(arena);
            return NULL;
        }
        step->task = task;
        step->run_id = task->run->id;
        step->attempt = task->attempt;
        task->steps++;
    }
    exec->steps++;
    return step;
}

void mf_step_end(struct mf_step *step)
{
    struct mf_exec *exec = step->exec;
    struct mf_task *task = step->task;
    exec->steps--;
    mf_arena_free(step->arena);
    if (task && --task->steps == 0) {
        if (task->stage == MF_STAGE_ENDED)
            mf_exec_purge(exec);
        else
            mf_task_due(task); /* deadlines have waited for the step */
    }
    mf_exec_stop_maybe(exec);
}

static void on_helper(uv_work_t *uv)
{
    struct mf_step *step = MF_CONTAINER(uv, struct mf_step, uv);
    step->work(step);
}

static void after_helper(uv_work_t *uv, int status)
{
    struct mf_step *step = MF_CONTAINER(uv, struct mf_step, uv);
    if (status != 0)
        step->code = mf_fail(&step->err, MF_UNAVAILABLE, "the executor is stopping");
    step->then(step);
}

void mf_step_work(struct mf_step *step, void (*work)(struct mf_step *step),
                  void (*then)(struct mf_step *step))
{
    step->work = work;
    step->then = then;
    step->code = MF_OK;
    if (uv_queue_work(mf_loop_uv(step->exec->loop), &step->uv, on_helper, after_helper) != 0) {
        step->code = mf_fail_memory(&step->err);
        then(step);
    }
}

static void on_back(struct mf_work *work)
{
    struct mf_step *step = MF_CONTAINER(work, struct mf_step, back);
    step->then(step);
}

static enum mf_code on_apply(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct mf_step *step = MF_CONTAINER(command, struct mf_step, command);
    return step->apply(step, tx, err);
}

static void on_done(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct mf_step *step = MF_CONTAINER(command, struct mf_step, command);
    step->code = code;
    if (code != MF_OK)
        step->err = *err;
    mf_loop_post(step->exec->loop, &step->back);
}

void mf_step_command(struct mf_step *step,
                     enum mf_code (*apply)(struct mf_step *step, struct mf_tx *tx, struct mf_error *err),
                     void (*then)(struct mf_step *step))
{
    step->apply = apply;
    step->then = then;
    step->command = (struct mf_command){.apply = on_apply, .done = on_done};
    step->back = (struct mf_work){.fn = on_back};
    mf_writer_submit(mf_store_writer(step->exec->config.store), &step->command);
}

enum mf_code mf_exec_read(struct mf_step *step, struct mf_exec_rows *out, struct mf_error *err)
{
    struct mf_store *store = step->exec->config.store;
    struct mf_db *db = NULL;
    struct mf_str body = MF_STR_EMPTY;
    void *spec = NULL;
    void *decoded = NULL;
    enum mf_code code = mf_store_reader(store, &db, err);
    if (code != MF_OK)
        return code;
    code = mf_action_get(db, step->arena, step->run_id, step->name, &out->action, err);
    if (code == MF_OK)
        code = mf_run_get(db, step->arena, step->run_id, &out->run, err);
    if (code == MF_OK && out->action.kind == MF_ACTION_TASK)
        code = mf_spec_get(db, step->arena, out->action.spec_digest, &body, err);
    mf_store_reader_done(store, db);
    if (code == MF_OK)
        code = pb_decode(step->arena, &pb_task_RunSpec_type, out->run.run_spec, &spec, err);
    if (code == MF_OK && out->action.kind == MF_ACTION_TASK)
        code = pb_decode(step->arena, &pb_task_TaskSpec_type, body, &decoded, err);
    if (code != MF_OK)
        return code;
    out->run_spec = spec;
    out->template = decoded ? ((const struct pb_task_TaskSpec *)decoded)->task_template : NULL;
    if (out->action.kind == MF_ACTION_TASK && !out->template) {
        out->template = pb_new(step->arena, &pb_core_TaskTemplate_type);
        if (!out->template)
            return mf_fail_memory(err);
    }
    return MF_OK;
}

const char *mf_exec_log_path(struct mf_arena *arena, const struct mf_exec *exec, const struct mf_run_row *run,
                             struct mf_str action, int32_t attempt, struct mf_error *err)
{
    const char *path = NULL;
    const struct mf_tasklog_key key = {.project = run->project,
                                       .domain = run->domain,
                                       .run = run->name,
                                       .action = action,
                                       .attempt = attempt};
    return mf_tasklog_path(arena, exec->log_root, &key, &path, err) == MF_OK ? path : NULL;
}
