/* Attempts that do not end though they should: a process can hang in the system where no signal reaches it.
 */
#include "exec/process/state.h"
#include "store/abort_work.h"

#include <stdio.h>

#define DELAY_NS INT64_C(10000000000)
#define DELAY_MAX_NS INT64_C(300000000000)

struct unended {
    struct mf_step step;
    char why[256];
};

int64_t mf_task_kill_delay_ns(const struct mf_task *task)
{
    int64_t delay = DELAY_NS;
    for (uint32_t i = 1; i < task->kill_tries && delay < DELAY_MAX_NS; i++)
        delay *= 2;
    return delay < DELAY_MAX_NS ? delay : DELAY_MAX_NS;
}

static enum mf_code record(struct mf_step *step, struct mf_tx *tx, struct mf_error *err)
{
    const struct unended *unended = MF_CONTAINER(step, struct unended, step);
    const struct mf_abort_work work = {
        .run_id = step->run_id,
        .name = step->name,
        .attempt = step->attempt,
        .last_error = mf_str_from_c(unended->why),
        .tried_at = mf_tx_now_ns(tx),
    };
    return mf_abort_work_tried(mf_tx_db(tx), &work, err);
}

static void after_record(struct mf_step *step)
{
    if (step->code != MF_OK)
        mf_log(MF_LOG_WARN, "exec", "cannot record that attempt %d of run %lld has not ended: %s",
               step->attempt, (long long)step->run_id, step->err.message);
    mf_step_end(step);
}

void mf_task_unended(struct mf_task *task, const char *why)
{
    struct mf_exec *exec = task->run->exec;
    task->kill_tries++;
    mf_log(MF_LOG_WARN, "exec", "attempt %d of %s, run %lld, does not end (try %u): %s", task->attempt,
           task->name, (long long)task->run->id, task->kill_tries, why);
    struct unended *unended = MF_STEP_NEW(exec, task, struct unended);
    if (!unended)
        return; /* it is tried again all the same */
    snprintf(unended->why, sizeof unended->why, "%s", why);
    mf_step_command(&unended->step, record, after_record);
}
