/* Tells the machine what became of an action. */
#include "exec/kube/state.h"

#include "gen/flyteidl2/core/execution.pb.h"

enum kind { CHANGE, LOST };

/* Waits with its twin, newest only, until the one before is recorded. */
struct mf_report {
    struct mf_mirror_step step;
    enum kind kind;
    int64_t run_id;
    struct mf_str name;
    struct mf_said said;
    int32_t first_attempt;
    int64_t at_ns;
    struct mf_str code, message;
    bool system;
};

void mf_report_free(struct mf_report *report)
{
    if (report)
        mf_arena_free(report->step.arena);
}

/* The newest takes the place of one that still waits. NULL without memory; then it comes again with the next
 * list. */
static struct mf_report *new_report(struct mf_twin *twin)
{
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_report *report = arena ? MF_NEW(arena, struct mf_report) : NULL;
    if (report)
        report->name = mf_str_copy(arena, mf_str_from_c(twin->name));
    if (!report || !report->name.ptr) {
        mf_arena_free(arena);
        return NULL;
    }
    report->step = (struct mf_mirror_step){.mirror = twin->run->mirror, .arena = arena};
    report->run_id = twin->run->id;
    report->first_attempt = twin->first_attempt;
    report->code = report->message = MF_STR_EMPTY;
    mf_report_free(twin->report);
    twin->report = report;
    return report;
}

static void set_error(struct mf_report *report, struct mf_str code, struct mf_str message, bool system)
{
    struct mf_arena *arena = report->step.arena;
    report->code = mf_str_copy(arena, code);
    report->message = mf_str_copy(arena, message);
    report->system = system;
    if (!report->code.ptr)
        report->code = MF_STR("Unknown");
    if (!report->message.ptr)
        report->message = MF_STR_EMPTY;
}

static bool is_same(const struct mf_said *a, const struct mf_said *b)
{
    return a->attempt == b->attempt && a->phase == b->phase && a->cache_status == b->cache_status;
}

void mf_twin_report(struct mf_twin *twin, const struct mf_task_action *resource)
{
    const struct mf_said said = {resource->attempt, resource->phase, resource->cache_status};
    if (twin->over || resource->phase == MF_PHASE_UNSPECIFIED || is_same(&said, &twin->said))
        return;
    struct mf_report *report = new_report(twin);
    if (!report)
        return;
    report->said = twin->said = said;
    report->at_ns = resource->at_ns;
    set_error(report, resource->error_code, resource->message, resource->error_is_system);
}

void mf_twin_fault(struct mf_twin *twin, int32_t phase, const char *code, const char *message, bool system)
{
    struct mf_report *report = new_report(twin);
    if (!report)
        return;
    report->said = (struct mf_said){twin->attempt, phase, -1};
    set_error(report, mf_str_from_c(code), mf_str_from_c(message), system);
}

void mf_twin_waits(struct mf_twin *twin)
{
    struct mf_report *report = twin->phase == MF_PHASE_QUEUED ? new_report(twin) : NULL;
    if (report)
        report->said = (struct mf_said){twin->attempt, MF_PHASE_WAITING_FOR_RESOURCES, -1};
}

void mf_twin_lost(struct mf_twin *twin, const char *why)
{
    struct mf_report *report = new_report(twin);
    if (!report)
        return;
    report->kind = LOST;
    set_error(report, MF_STR("ResourceDeletedExternally"), mf_str_from_c(why), true);
}

/* ---- in the command ---- */

static enum mf_code apply_change(const struct mf_report *report, struct mf_tx *tx, struct mf_error *err)
{
    struct mf_arena *arena = mf_tx_arena(tx);
    struct mf_run_row run;
    const struct pb_core_ExecutionError error = {
        .code = report->code,
        .message = report->message,
        .kind = report->system ? pb_core_ExecutionError_SYSTEM : pb_core_ExecutionError_USER,
    };
    bool failed = report->said.phase == MF_PHASE_FAILED || report->said.phase == MF_PHASE_TIMED_OUT;
    struct mf_action_change change = {
        .run_id = report->run_id,
        .name = report->name,
        .attempt = report->said.attempt,
        .phase = report->said.phase,
        .at_ns = report->at_ns,
        .error = failed ? &error : NULL,
        .output_uri = MF_STR_EMPTY,
        .report_uri = MF_STR_EMPTY,
        .cache_status = report->said.cache_status,
    };
    if (report->said.phase == MF_PHASE_SUCCEEDED) {
        enum mf_code code = mf_run_get(mf_tx_db(tx), arena, report->run_id, &run, err);
        if (code != MF_OK)
            return code;
        change.output_uri =
            mf_task_action_outputs(arena, &report->step.mirror->config, &run, report->name,
                                   report->first_attempt > 0 ? report->first_attempt : 1, change.attempt);
        if (!change.output_uri.ptr)
            return mf_fail_memory(err);
    }
    return mf_action_advance(tx, &change, NULL, err);
}

static enum mf_code apply(struct mf_mirror_step *step, struct mf_tx *tx, struct mf_error *err)
{
    const struct mf_report *report = MF_CONTAINER(step, struct mf_report, step);
    if (report->kind == CHANGE)
        return apply_change(report, tx, err);
    return mf_action_abort(tx, report->run_id, report->name, report->message, MF_STR_EMPTY, NULL, err);
}

/* ---- on the loop ---- */

static void after(struct mf_mirror_step *step)
{
    struct mf_report *report = MF_CONTAINER(step, struct mf_report, step);
    struct mf_twin *twin = step->twin;
    bool terminal = report->kind == LOST || mf_phase_is_terminal(report->said.phase);
    bool again = step->code != MF_OK && step->code != MF_NOT_FOUND;
    if (step->code == MF_NOT_FOUND || (step->code == MF_OK && terminal)) {
        twin->over = true;
        twin->known = true;
    } else if (step->code == MF_OK && report->said.attempt >= twin->attempt) {
        twin->attempt = report->said.attempt;
        twin->phase = report->said.phase;
    }
    if (again)
        mf_log(MF_LOG_WARN, "exec", "what became of %s, run %lld, cannot be recorded, it is tried again: %s",
               twin->name, (long long)report->run_id, step->err.message);
    if (again && !twin->report) {
        step->mirror->steps--;
        step->twin = NULL;
        twin->busy = false;
        twin->report = report;
        twin->retry_at = mf_wall_ns(step->mirror->config.sys) + MF_MIRROR_RETRY_MS * INT64_C(1000000);
        mf_mirror_stop_maybe(step->mirror);
        mf_twin_settle(twin);
        return;
    }
    mf_mirror_step_end(step);
    mf_twin_settle(twin);
}

bool mf_twin_tell(struct mf_twin *twin)
{
    struct mf_report *report = twin->report;
    if (!report)
        return false;
    twin->report = NULL;
    twin->busy = true;
    report->step.twin = twin;
    report->step.mirror->steps++;
    mf_mirror_step_command(&report->step, apply, after);
    return true;
}
