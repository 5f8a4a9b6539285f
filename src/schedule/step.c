#include "schedule/step.h"

/* One step on its way through its transaction. */
struct apply {
    const struct mf_step_ops *ops;
    void *ctx;
    const struct mf_step *step;
    struct mf_schedule_row *row;
    const struct mf_policy *policy;
    int64_t now;
    struct mf_step_result *out;
};

static int64_t decided_until(const struct mf_schedule_row *row)
{
    return row->state.cursor_at > row->baseline_at ? row->state.cursor_at : row->baseline_at;
}

static void clear_error(struct mf_schedule_row *row)
{
    row->state.error = MF_STR_EMPTY;
    row->state.error_at = 0;
}

static enum mf_code put_gap(struct apply *apply, int64_t from, int64_t until, enum mf_gap_reason reason,
                            struct mf_str error, struct mf_error *err)
{
    const struct mf_gap_row gap = {
        .schedule_id = apply->row->id,
        .from_at = from,
        .until_at = until,
        .reason = reason,
        .error = error,
        .decided_at = apply->now,
    };
    enum mf_code code = apply->ops->put_gap(apply->ctx, &gap, err);
    if (code == MF_OK)
        apply->out->skipped[reason]++;
    return code;
}

/* Gives up whatever is due up to and with until. */
static enum mf_code give_up(struct apply *apply, int64_t until, enum mf_gap_reason reason,
                            struct mf_str error, struct mf_error *err)
{
    struct mf_schedule_row *row = apply->row;
    enum mf_code code = put_gap(apply, decided_until(row) + 1, until, reason, error, err);
    if (code == MF_OK)
        row->state.cursor_at = until;
    return code;
}

/* Gives up the due time that waits for the end of a run. */
static enum mf_code give_up_buffered(struct apply *apply, enum mf_gap_reason reason, struct mf_str error,
                                     struct mf_error *err)
{
    struct mf_schedule_state *state = &apply->row->state;
    enum mf_code code = put_gap(apply, state->buffered_at, state->buffered_at, reason, error, err);
    if (code == MF_OK)
        state->buffered_at = 0;
    return code;
}

static enum mf_code fire(struct apply *apply, size_t item, enum mf_fire_kind kind, struct mf_error *err)
{
    struct mf_step_result *out = apply->out;
    struct mf_schedule_row *row = apply->row;
    struct mf_fire_row fired = {.schedule_id = row->id,
                                .due_at = apply->step->plan.items[item],
                                .kind = kind,
                                .fired_at = apply->now};
    bool existed = false;
    enum mf_code code = apply->ops->make_run(apply->ctx, row, item, &fired.run_id, &existed, err);
    if (code == MF_OK && existed)
        fired.kind = MF_FIRE_FOUND;
    if (code == MF_OK)
        code = apply->ops->put_fire(apply->ctx, &fired, err);
    if (code != MF_OK)
        return code;
    out->fired[out->fired_count++] = fired;
    row->state.runs += !existed;
    /* After the clock was set back there may be later fires that are settled. */
    if (row->state.settled_at >= fired.due_at)
        row->state.settled_at = fired.due_at - 1;
    return MF_OK;
}

/* due: the due time that finds the failures; 0: it is the buffered one. */
static enum mf_code pause_after_failures(struct apply *apply, int64_t due, struct mf_error *err)
{
    uint32_t limit = apply->policy->pause_after;
    uint32_t count = 0;
    if (limit == 0)
        return MF_OK;
    enum mf_code code = apply->ops->failures(apply->ctx, apply->row, limit, &count, err);
    if (code != MF_OK || count < limit)
        return code;
    if (apply->row->state.buffered_at != 0)
        code = give_up_buffered(apply, MF_GAP_PAUSED, MF_STR_EMPTY, err);
    if (code == MF_OK && due != 0)
        code = give_up(apply, due, MF_GAP_PAUSED, MF_STR_EMPTY, err);
    if (code == MF_OK)
        code = apply->ops->pause(apply->ctx, apply->row, err);
    apply->out->paused = code == MF_OK;
    return code;
}

/* The buffered due time goes as soon as no run is open. */
static enum mf_code release(struct apply *apply, size_t item, struct mf_error *err)
{
    struct mf_schedule_row *row = apply->row;
    int64_t open = 0;
    enum mf_code code = apply->ops->open_run(apply->ctx, row, &open, err);
    if (code != MF_OK || open != 0) {
        apply->out->follow_run = open;
        return code;
    }
    code = pause_after_failures(apply, 0, err);
    if (code != MF_OK || apply->out->paused)
        return code;
    code = fire(apply, item, MF_FIRE_BUFFERED, err);
    if (code == MF_OK)
        row->state.buffered_at = 0;
    return code;
}

/* A due time while an earlier run is open; *goes: it is fired all the same. */
static enum mf_code overlap(struct apply *apply, int64_t due, int64_t open, bool *goes, struct mf_error *err)
{
    struct mf_schedule_row *row = apply->row;
    *goes = apply->policy->overlap == MF_OVERLAP_CANCEL;
    if (*goes)
        return apply->ops->abort_open(apply->ctx, row, err);
    if (apply->policy->overlap == MF_OVERLAP_SKIP)
        return give_up(apply, due, MF_GAP_OVERLAP, MF_STR_EMPTY, err);
    if (row->state.buffered_at != 0)
        return give_up(apply, due, MF_GAP_BUFFER, MF_STR_EMPTY, err);
    row->state.buffered_at = due;
    row->state.cursor_at = due;
    apply->out->follow_run = open;
    return MF_OK;
}

static enum mf_code decide(struct apply *apply, size_t item, struct mf_error *err)
{
    struct mf_schedule_row *row = apply->row;
    int64_t due = apply->step->plan.items[item];
    int64_t open = 0;
    bool goes = true;
    bool there = false;
    enum mf_code code = pause_after_failures(apply, due, err);
    if (code != MF_OK || apply->out->paused)
        return code;
    if (apply->policy->overlap != MF_OVERLAP_ALLOW)
        code = apply->ops->open_run(apply->ctx, row, &open, err);
    /* After the clock was set back the open run may be that of this very due time. */
    if (code == MF_OK && open != 0)
        code = apply->ops->has_fire(apply->ctx, row, due, &there, err);
    if (code == MF_OK && open != 0 && !there)
        code = overlap(apply, due, open, &goes, err);
    if (code == MF_OK && goes)
        code = fire(apply, item, MF_FIRE_SCHEDULED, err);
    if (code == MF_OK && goes)
        row->state.cursor_at = due;
    return code;
}

static enum mf_code fire_items(struct apply *apply, struct mf_error *err)
{
    const struct mf_plan *plan = &apply->step->plan;
    enum mf_code code = MF_OK;
    for (size_t i = 0; code == MF_OK && i < plan->item_count && !apply->out->paused; i++)
        code = i == 0 && plan->first_is_buffered ? release(apply, i, err) : decide(apply, i, err);
    if (code == MF_OK)
        clear_error(apply->row);
    return code;
}

/* The buffered due time goes with those behind it when it could have gone: it must not hold up the schedule
 * for ever. */
static enum mf_code drop_buffered(struct apply *apply, struct mf_str error, struct mf_error *err)
{
    int64_t open = 0;
    if (apply->row->state.buffered_at == 0)
        return MF_OK;
    enum mf_code code = apply->ops->open_run(apply->ctx, apply->row, &open, err);
    return code == MF_OK && open == 0 ? give_up_buffered(apply, MF_GAP_FAILED, error, err) : code;
}

/* What has gone too old while it could not be fired was missed, not passed over. */
static enum mf_code drop(struct apply *apply, struct mf_error *err)
{
    const struct mf_plan *plan = &apply->step->plan;
    struct mf_str error = apply->row->state.error;
    bool failed = error.len > 0 && plan->reason != MF_GAP_LATEST;
    enum mf_code code = failed ? drop_buffered(apply, error, err) : MF_OK;
    if (code == MF_OK)
        code = give_up(apply, plan->until, failed ? MF_GAP_FAILED : plan->reason, error, err);
    if (code == MF_OK)
        clear_error(apply->row);
    return code;
}

static enum mf_code carry_out(struct apply *apply, struct mf_error *err)
{
    const struct mf_step *step = apply->step;
    struct mf_schedule_row *row = apply->row;
    switch (step->plan.kind) {
    case MF_PLAN_FIRE:
        return fire_items(apply, err);
    case MF_PLAN_DROP:
        return drop(apply, err);
    case MF_PLAN_REWIND:
        row->state.cursor_at = step->plan.until;
        if (row->state.buffered_at > step->plan.until)
            row->state.buffered_at = 0;
        clear_error(row);
        return apply->ops->cut_gaps(apply->ctx, row->id, step->plan.until, err);
    case MF_PLAN_NOTE:
        row->state.error = step->note;
        row->state.error_at = apply->now;
        return MF_OK;
    case MF_PLAN_WAIT:
        break;
    }
    return mf_fail(err, MF_INTERNAL, "a schedule's step has nothing to do");
}

enum mf_code mf_step_apply(const struct mf_step_ops *ops, void *ctx, const struct mf_step *step,
                           struct mf_schedule_row *row, const struct mf_policy *policy, int64_t now,
                           struct mf_step_result *out, struct mf_error *err)
{
    struct apply apply = {ops, ctx, step, row, policy, now, out};
    enum mf_code code = MF_OK;
    *out = (struct mf_step_result){0};
    out->stale = !row->active || row->seq != step->seq || row->state.cursor_at != step->cursor_at ||
                 row->state.buffered_at != step->buffered_at;
    if (!out->stale) {
        code = carry_out(&apply, err);
        if (code == MF_OK)
            code = ops->move(ctx, row, err);
    }
    out->seq = row->seq;
    out->state = row->state;
    out->state.error = MF_STR_EMPTY;
    out->active = row->active && !out->paused;
    return code;
}
