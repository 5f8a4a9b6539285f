#include "exec/kube/state.h"

struct mf_mirror_step *mf_mirror_step_new(struct mf_mirror *mirror, struct mf_twin *twin, size_t size)
{
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_mirror_step *step = arena ? mf_arena_alloc(arena, size) : NULL;
    if (!step) {
        mf_arena_free(arena);
        return NULL;
    }
    step->mirror = mirror;
    step->arena = arena;
    step->twin = twin;
    if (twin)
        twin->busy = true;
    mirror->steps++;
    return step;
}

void mf_mirror_step_end(struct mf_mirror_step *step)
{
    struct mf_mirror *mirror = step->mirror;
    mirror->steps--;
    if (step->twin)
        step->twin->busy = false;
    mf_arena_free(step->arena);
    mf_mirror_stop_maybe(mirror);
}

static void on_helper(uv_work_t *uv)
{
    struct mf_mirror_step *step = MF_CONTAINER(uv, struct mf_mirror_step, uv);
    step->work(step);
}

static void after_helper(uv_work_t *uv, int status)
{
    struct mf_mirror_step *step = MF_CONTAINER(uv, struct mf_mirror_step, uv);
    if (status != 0)
        step->code = mf_fail(&step->err, MF_UNAVAILABLE, "the executor is stopping");
    step->then(step);
}

static void on_back(struct mf_work *work)
{
    struct mf_mirror_step *step = MF_CONTAINER(work, struct mf_mirror_step, back);
    step->then(step);
}

void mf_mirror_step_work(struct mf_mirror_step *step, void (*work)(struct mf_mirror_step *step),
                         void (*then)(struct mf_mirror_step *step))
{
    step->work = work;
    step->then = then;
    step->code = MF_OK;
    if (uv_queue_work(mf_loop_uv(step->mirror->loop), &step->uv, on_helper, after_helper) == 0)
        return;
    step->code = mf_fail_memory(&step->err);
    step->back = (struct mf_work){.fn = on_back};
    mf_loop_post(step->mirror->loop, &step->back);
}

static enum mf_code on_apply(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct mf_mirror_step *step = MF_CONTAINER(command, struct mf_mirror_step, command);
    return step->apply(step, tx, err);
}

static void on_done(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct mf_mirror_step *step = MF_CONTAINER(command, struct mf_mirror_step, command);
    step->code = code;
    if (code != MF_OK)
        step->err = *err;
    mf_loop_post(step->mirror->loop, &step->back);
}

void mf_mirror_step_command(struct mf_mirror_step *step,
                            enum mf_code (*apply)(struct mf_mirror_step *step, struct mf_tx *tx,
                                                  struct mf_error *err),
                            void (*then)(struct mf_mirror_step *step))
{
    step->apply = apply;
    step->then = then;
    step->command = (struct mf_command){.apply = on_apply, .done = on_done};
    step->back = (struct mf_work){.fn = on_back};
    mf_writer_submit(mf_store_writer(step->mirror->config.store), &step->command);
}
