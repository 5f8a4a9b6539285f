#include "model.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- what the rules say ---- */

/* How old a due time may be when it is looked at. */
static int64_t patience(const struct mf_policy *policy)
{
    return policy->catch_up == MF_CATCH_UP_NONE ? MINUTE : policy->window_ns;
}

/* The first time after this one that the schedule and its end allow. */
static bool due_after(const struct model *model, int64_t after, int64_t *next)
{
    return times_next(model->times, model->baseline, after, next) &&
           (model->policy.end_at == 0 || *next <= model->policy.end_at);
}

static bool has_room(const struct model *model)
{
    return model->policy.max_runs == 0 ||
           model->runs + (model->buffered != 0 ? 1 : 0) < (int64_t)model->policy.max_runs;
}

/* The due time that has to be decided next; INT64_MAX: none. */
static int64_t next_of(struct model *model)
{
    if (!model->next_known)
        model->next = due_after(model, model->cursor, &model->next) ? model->next : INT64_MAX;
    model->next_known = true;
    return has_room(model) ? model->next : INT64_MAX;
}

static void set_cursor(struct model *model, int64_t cursor)
{
    model->cursor = cursor;
    model->next_known = false;
    model->tried = false;
}

/* Whether a later time was due already when the step was planned. */
static bool has_later(const struct model *model, int64_t due_at, int64_t planned_wall)
{
    int64_t later;
    return due_after(model, due_at, &later) && later + model->offset <= planned_wall;
}

/* ---- runs ---- */

struct open_runs {
    size_t sure;
    size_t perhaps; /* made for backfills, or behind MF_FIRE_LOOK later ones: they count or not */
};

static struct open_runs open_runs(struct sim *sim, struct trigger *trigger)
{
    struct model *model = &trigger->model;
    struct open_runs open = {0, 0};
    size_t kept = 0;
    for (size_t i = 0; i < model->open_count; i++) {
        const struct run *run = world_run(sim, model->open[i]);
        if (run->end_mono <= sim->mono)
            continue;
        model->open[kept++] = model->open[i];
        bool sure =
            !run->backfill && trigger->fire_count - world_fire_rank(trigger, run->due_at) < MF_FIRE_LOOK;
        open.sure += sure;
        open.perhaps += !sure;
    }
    model->open_count = kept;
    return open;
}

static void add_run(struct sim *sim, struct trigger *trigger, int64_t run_id)
{
    struct model *model = &trigger->model;
    if (model->open_count == model->open_cap && model->open_cap > 0)
        open_runs(sim, trigger);
    sim_grow((void **)&model->open, model->open_count, &model->open_cap, sizeof model->open[0]);
    model->open[model->open_count++] = run_id;
}

/* The newest runs that have ended, all failed. */
static bool has_failed_often(struct sim *sim, const struct trigger *trigger)
{
    const struct model *model = &trigger->model;
    uint32_t failed = 0;
    if (model->policy.pause_after == 0)
        return false;
    for (size_t i = trigger->fire_count; i > 0 && trigger->fire_count - i < 1000; i--) {
        const struct run *run = world_run(sim, trigger->fires[i - 1].run_id);
        if (trigger->fires[i - 1].due_at <= model->baseline)
            return false;
        if (run->end_mono > sim->mono || run->end == RUN_ABORTED)
            continue;
        if (run->end == RUN_SUCCEEDED)
            return false;
        if (++failed == model->policy.pause_after)
            return true;
    }
    return false;
}

/* ---- what a step has done ---- */

/* One step under judgement. */
struct judge {
    struct sim *sim;
    struct trigger *trigger;
    struct model *model;
    int64_t planned_wall;
    int64_t allowed_late;
    bool aborted; /* runs were, for the due time that comes next */
};

static int64_t allowed_lateness(const struct sim *sim)
{
    return 3 * SECOND + (int64_t)(sim->trigger_count * 50 / sim->in_flight) * (SECOND / 1000);
}

/* Nothing is wrong with the world, nor with this trigger, for long enough. */
static bool is_calm(const struct sim *sim, const struct model *model)
{
    return sim_is_calm(sim) && sim->mono - model->tried_mono > HOUR && sim->mono - model->since_mono > MINUTE;
}

static void count_run(struct judge *judge, const struct deed *deed)
{
    struct model *model = judge->model;
    const struct run *run = world_run(judge->sim, deed->run_id);
    if (run->trigger != judge->trigger || run->due_at != deed->at)
        sim_violation(judge->sim, judge->trigger, "the fire of %" PRId64 " has the run of another", deed->at);
    model->runs += !deed->existed;
    add_run(judge->sim, judge->trigger, deed->run_id);
}

static void judge_buffered(struct judge *judge, const struct deed *deed)
{
    struct sim *sim = judge->sim;
    struct model *model = judge->model;
    if (open_runs(sim, judge->trigger).sure > 0)
        sim_violation(sim, judge->trigger, "the buffered due time goes though a run is open");
    /* It has come once, so a clock that was set back by less than the jitter does not take that back. */
    if (deed->at > judge->planned_wall + MINUTE)
        sim_violation(sim, judge->trigger, "the buffered due time %" PRId64 " goes before it has come",
                      deed->at);
    if (has_failed_often(sim, judge->trigger))
        sim_violation(sim, judge->trigger, "the buffered due time goes though too many runs have failed");
    if (deed->fire == MF_FIRE_SCHEDULED)
        sim_violation(sim, judge->trigger, "the buffered due time is recorded as one by the clock");
    model->buffered = 0;
    /* When it did not become a run after all, there is room for another, which may have been due long ago. */
    if (deed->existed)
        model->since_mono = sim->mono;
    count_run(judge, deed);
}

/* A due time that begins to wait leaves no deed; what follows shows that it was passed. */
static void judge_waiting(struct judge *judge, int64_t until)
{
    struct model *model = judge->model;
    int64_t next = next_of(model);
    struct open_runs open = open_runs(judge->sim, judge->trigger);
    if (until <= model->cursor)
        return;
    if (next != until || model->buffered != 0 || model->policy.overlap != MF_OVERLAP_BUFFER ||
        open.sure + open.perhaps == 0 || has_failed_often(judge->sim, judge->trigger) ||
        world_fire(judge->trigger, next) || next + model->offset > judge->planned_wall)
        sim_violation(judge->sim, judge->trigger,
                      "the cursor passes %" PRId64 " without a verdict, to %" PRId64, next, until);
    model->buffered = until;
    set_cursor(model, until);
}

/* The run of a due time that is not the buffered one. */
static void judge_fire(struct judge *judge, const struct deed *deed)
{
    struct sim *sim = judge->sim;
    struct trigger *trigger = judge->trigger;
    struct model *model = judge->model;
    const struct mf_policy *policy = &model->policy;
    int64_t due = deed->at + model->offset;
    if (deed->existed && next_of(model) < deed->at)
        judge_waiting(judge, next_of(model));
    if (next_of(model) != deed->at)
        sim_violation(sim, trigger, "a run for %" PRId64 ", but the next due time is %" PRId64, deed->at,
                      next_of(model));
    if (due > judge->planned_wall)
        sim_violation(sim, trigger, "a run before its time: %" PRId64, deed->at);
    if (due < judge->planned_wall - patience(policy))
        sim_violation(sim, trigger, "a run for %" PRId64 ", which was too old", deed->at);
    if (policy->catch_up == MF_CATCH_UP_LATEST && has_later(model, deed->at, judge->planned_wall))
        sim_violation(sim, trigger, "a run for %" PRId64 ", which was not the latest", deed->at);
    if (has_failed_often(sim, trigger))
        sim_violation(sim, trigger, "a run for %" PRId64 " though too many runs have failed", deed->at);
    if (!deed->existed && policy->overlap != MF_OVERLAP_ALLOW && open_runs(sim, judge->trigger).sure > 0)
        sim_violation(sim, trigger, "a run for %" PRId64 " while another is open", deed->at);
    if (deed->existed && judge->aborted)
        sim_violation(sim, trigger, "runs are aborted for %" PRId64 ", which had one", deed->at);
    judge->aborted = false;
    if (deed->fire == MF_FIRE_BUFFERED)
        sim_violation(sim, trigger, "a due time that did not wait is recorded as buffered");
    if (deed->fire == MF_FIRE_SCHEDULED && is_calm(sim, model) && sim_wall(sim) - due > judge->allowed_late)
        sim_violation(sim, trigger, "the run for %" PRId64 " is %" PRId64 " ms late without a reason",
                      deed->at, (sim_wall(sim) - due) / (SECOND / 1000));
    count_run(judge, deed);
    set_cursor(model, deed->at);
}

/* Due times that are too old when the step is planned. */
static void judge_old(struct judge *judge, const struct deed *deed)
{
    struct model *model = judge->model;
    enum mf_gap_reason usual =
        model->policy.catch_up == MF_CATCH_UP_NONE ? MF_GAP_NO_CATCH_UP : MF_GAP_WINDOW;
    enum mf_gap_reason reason = model->noted ? MF_GAP_FAILED : usual;
    if (deed->at + model->offset >= judge->planned_wall - patience(&model->policy))
        sim_violation(judge->sim, judge->trigger, "what is not too old is given up");
    if (deed->reason != reason)
        sim_violation(judge->sim, judge->trigger, "the reason has to be %d, not %d", reason, deed->reason);
    if (reason == MF_GAP_FAILED && !model->tried)
        sim_violation(judge->sim, judge->trigger, "given up as failed, but nothing was tried");
    if (reason == MF_GAP_FAILED && model->buffered != 0 && next_of(model) != model->buffered &&
        world_is_poisoned(judge->sim, judge->trigger, model->buffered))
        sim_violation(judge->sim, judge->trigger, "the buffered due time %" PRId64 " blocks all later ones",
                      model->buffered);
}

static void judge_latest(struct judge *judge, const struct deed *deed)
{
    const struct model *model = judge->model;
    int64_t limit = judge->planned_wall - model->offset;
    int64_t last;
    if (model->policy.end_at != 0 && model->policy.end_at < limit)
        limit = model->policy.end_at;
    if (model->policy.catch_up != MF_CATCH_UP_LATEST ||
        !times_last(model->times, model->baseline, model->cursor, limit, &last) || deed->at >= last)
        sim_violation(judge->sim, judge->trigger, "given up for a later one that is not due");
}

/* A due time that does not go because of earlier runs. */
static void judge_overlap(struct judge *judge, const struct deed *deed)
{
    struct model *model = judge->model;
    struct open_runs open = open_runs(judge->sim, judge->trigger);
    enum mf_overlap overlap = deed->reason == MF_GAP_OVERLAP ? MF_OVERLAP_SKIP : MF_OVERLAP_BUFFER;
    if (deed->at != next_of(model))
        sim_violation(judge->sim, judge->trigger, "%" PRId64 " is given up for an overlap and was not next",
                      deed->at);
    if (model->policy.overlap != overlap || open.sure + open.perhaps == 0 ||
        (deed->reason == MF_GAP_BUFFER) != (model->buffered != 0) ||
        has_failed_often(judge->sim, judge->trigger))
        sim_violation(judge->sim, judge->trigger, "%" PRId64 " is given up for an overlap that was none",
                      deed->at);
    if (deed->at + model->offset > judge->planned_wall)
        sim_violation(judge->sim, judge->trigger, "%" PRId64 " is given up before its time", deed->at);
    if (world_fire(judge->trigger, deed->at))
        sim_violation(judge->sim, judge->trigger, "%" PRId64 " is given up and has a run", deed->at);
}

/* The buffered due time is given up: it could have gone. */
static void judge_gap_of_buffered(struct judge *judge, const struct deed *deed)
{
    struct model *model = judge->model;
    bool failed = deed->reason == MF_GAP_FAILED && model->noted && model->tried;
    bool paused = deed->reason == MF_GAP_PAUSED && has_failed_often(judge->sim, judge->trigger);
    if ((!failed && !paused) || (failed && open_runs(judge->sim, judge->trigger).sure > 0))
        sim_violation(judge->sim, judge->trigger, "the buffered due time is given up for reason %d",
                      deed->reason);
    model->buffered = 0;
    model->since_mono = judge->sim->mono;
}

static void judge_gap(struct judge *judge, const struct deed *deed)
{
    struct model *model = judge->model;
    if (model->buffered != 0 && deed->from == model->buffered && deed->at == model->buffered) {
        judge_gap_of_buffered(judge, deed);
        return;
    }
    int64_t decided = model->cursor > model->baseline ? model->cursor : model->baseline;
    if (deed->from - 1 > decided) {
        judge_waiting(judge, deed->from - 1);
        decided = model->cursor;
    }
    if (deed->from - 1 != decided)
        sim_violation(judge->sim, judge->trigger, "a gap from %" PRId64 " does not begin behind %" PRId64,
                      deed->from, decided);
    if (next_of(model) > deed->at)
        sim_violation(judge->sim, judge->trigger, "a gap to %" PRId64 " has no due time", deed->at);
    switch (deed->reason) {
    case MF_GAP_WINDOW:
    case MF_GAP_NO_CATCH_UP:
    case MF_GAP_FAILED:
        judge_old(judge, deed);
        break;
    case MF_GAP_LATEST:
        judge_latest(judge, deed);
        break;
    case MF_GAP_OVERLAP:
    case MF_GAP_BUFFER:
        judge_overlap(judge, deed);
        break;
    case MF_GAP_PAUSED:
        if (!has_failed_often(judge->sim, judge->trigger) || deed->at != next_of(model))
            sim_violation(judge->sim, judge->trigger, "paused without failures");
        break;
    case MF_GAP_MAX_RUNS:
        sim_violation(judge->sim, judge->trigger, "given up for the number of runs");
    }
    set_cursor(model, deed->at);
}

static void judge_deed(struct judge *judge, const struct deed *deed)
{
    struct model *model = judge->model;
    switch (deed->kind) {
    case DEED_FIRE:
        if (model->buffered != 0 && deed->at == model->buffered)
            judge_buffered(judge, deed);
        else
            judge_fire(judge, deed);
        break;
    case DEED_GAP:
        judge_gap(judge, deed);
        break;
    case DEED_ABORT:
        if (model->policy.overlap != MF_OVERLAP_CANCEL)
            sim_violation(judge->sim, judge->trigger, "runs are aborted against the policy");
        judge->aborted = true;
        break;
    case DEED_PAUSE:
        model_check_stretch(judge->sim, judge->trigger);
        if (model->buffered != 0)
            sim_violation(judge->sim, judge->trigger, "paused while a due time waits");
        model->active = false;
        model->since_mono = judge->sim->mono;
        break;
    case DEED_CUT:
        if (deed->at != judge->planned_wall || model->cursor <= judge->planned_wall)
            sim_violation(judge->sim, judge->trigger, "set back to %" PRId64 " without a reason", deed->at);
        set_cursor(model, deed->at);
        model->noted = false;
        if (model->buffered > deed->at)
            model->buffered = 0;
        if (deed->at < model->stretch_from)
            model->stretch_from = deed->at;
        break;
    }
}

/* The row is what the rules make of it. */
static void compare(const struct sim *sim, const struct trigger *trigger)
{
    const struct model *model = &trigger->model;
    const struct mf_schedule_row *row = &trigger->row;
    if (row->state.cursor_at != model->cursor)
        sim_violation(sim, trigger, "the cursor is %" PRId64 ", not %" PRId64, row->state.cursor_at,
                      model->cursor);
    if (row->state.buffered_at != model->buffered)
        sim_violation(sim, trigger, "%" PRId64 " is buffered, not %" PRId64, row->state.buffered_at,
                      model->buffered);
    if (row->state.runs != model->runs)
        sim_violation(sim, trigger, "%" PRId64 " runs are counted, not %" PRId64, row->state.runs,
                      model->runs);
    if ((row->state.error.len > 0) != model->noted)
        sim_violation(sim, trigger, "the recorded error is \"%.*s\"", MF_FMT(row->state.error));
    if (row->active != model->active || (model->active && row->baseline_at != model->baseline))
        sim_violation(sim, trigger, "the baseline is %" PRId64 ", not %" PRId64, row->baseline_at,
                      model->baseline);
}

void model_step(struct sim *sim, struct trigger *trigger, const struct mf_step *step, int64_t planned_wall,
                const struct deed *deeds, size_t count)
{
    struct model *model = &trigger->model;
    struct judge judge = {sim, trigger, model, planned_wall, allowed_lateness(sim), false};
    if (!model->active)
        sim_violation(sim, trigger, "a step although the trigger is off");
    if (step->seq != trigger->row.seq && (count == 0 || deeds[count - 1].kind != DEED_PAUSE))
        sim_violation(sim, trigger, "a step that was planned for an older revision");
    if (step->plan.kind == MF_PLAN_NOTE) {
        if (!model->tried)
            sim_violation(sim, trigger, "an error is recorded, but nothing has failed");
        model->noted = true;
    } else if (count != 1 || deeds[0].kind != DEED_CUT) {
        for (size_t i = 0; i < count; i++)
            judge_deed(&judge, &deeds[i]);
        if (model->active)
            judge_waiting(&judge, trigger->row.state.cursor_at);
        model->noted = false;
    } else {
        judge_deed(&judge, &deeds[0]);
    }
    compare(sim, trigger);
}

void model_failed(struct sim *sim, struct trigger *trigger, const struct mf_step *step)
{
    trigger->model.tried_mono = sim->mono;
    if (step->plan.kind != MF_PLAN_NOTE)
        trigger->model.tried = true;
}

/* ---- people ---- */

void model_changed(struct sim *sim, struct trigger *trigger, const struct model_change *change)
{
    struct model *model = &trigger->model;
    int64_t now = sim_wall(sim);
    bool starts = change->active && !model->active;
    if (model->active && (!change->active || change->other_times || change->other_policy))
        model_check_stretch(sim, trigger);
    model->active = change->active;
    model->noted = model->tried = model->next_known = false;
    model->since_mono = sim->mono;
    model->times = trigger->times;
    model->policy = trigger->policy;
    model->offset = mf_policy_offset(&model->policy, &trigger->row.key);
    if (model->offset != 0 && (model->offset < 0 || model->offset >= model->policy.jitter_ns))
        sim_violation(sim, trigger, "a jitter of %" PRId64, model->offset);
    if (!change->active || starts || change->other_times || change->other_policy)
        model->buffered = 0;
    if (change->other_times || change->other_policy)
        model->runs = 0;
    if (starts || change->other_times) {
        model->baseline = model->cursor = model->stretch_from = now;
    } else if (change->other_policy) {
        model->cursor = model->cursor > now ? model->cursor : now;
        model->stretch_from = model->cursor;
    }
    compare(sim, trigger);
}

void model_backfilled(struct sim *sim, struct trigger *trigger, int64_t run_id)
{
    add_run(sim, trigger, run_id);
}

/* ---- whether something is missing ---- */

static void tell(const struct sim *sim, struct trigger *trigger, struct told told)
{
    if (!sim->steady)
        return;
    sim_grow((void **)&trigger->told, trigger->told_count, &trigger->told_cap, sizeof told);
    trigger->told[trigger->told_count++] = told;
}

void model_check_stretch(struct sim *sim, struct trigger *trigger)
{
    struct model *model = &trigger->model;
    int64_t at = model->stretch_from;
    int64_t wall = sim_wall(sim);
    int64_t until = model->cursor < wall ? model->cursor : wall;
    while (due_after(model, at, &at) && at <= until) {
        const struct gap *gap = world_gap(trigger, at);
        sim->totals.due++;
        if (at == model->buffered)
            tell(sim, trigger, (struct told){at, TOLD_WAITS, 0});
        else if (world_fire(trigger, at))
            tell(sim, trigger, (struct told){at, TOLD_FIRE, 0});
        else if (gap)
            tell(sim, trigger, (struct told){at, TOLD_GAP, gap->reason});
        else
            sim_violation(sim, trigger, "nothing tells what became of %" PRId64, at);
    }
}

static bool ended_long_ago(struct sim *sim, struct model *model)
{
    int64_t before = sim->mono - allowed_lateness(sim);
    for (size_t i = 0; i < model->open_count; i++) {
        if (world_run(sim, model->open[i])->end_mono > before)
            return false;
    }
    return true;
}

static void scan_trigger(struct sim *sim, struct trigger *trigger)
{
    struct model *model = &trigger->model;
    int64_t wall = sim_wall(sim);
    int64_t late = allowed_lateness(sim);
    int64_t next = next_of(model);
    if (next != INT64_MAX && next + model->offset + late < wall)
        sim_violation(sim, trigger, "%" PRId64 " is overdue", next);
    if (model->cursor > wall + MINUTE)
        sim_violation(sim, trigger, "the cursor %" PRId64 " is ahead of the clock", model->cursor);
    if (trigger->gap_count > 0 && trigger->gaps[trigger->gap_count - 1].until_at > wall + MINUTE &&
        trigger->gaps[trigger->gap_count - 1].from_at > model->stretch_from)
        sim_violation(sim, trigger, "times are given up that have not come: to %" PRId64,
                      trigger->gaps[trigger->gap_count - 1].until_at);
    if (model->buffered != 0 && ended_long_ago(sim, model) && sim->servers[0].state == SERVER_UP &&
        (sim->server_count < 2 || sim->servers[1].state == SERVER_UP))
        sim_violation(sim, trigger, "the buffered due time %" PRId64 " waits for nothing", model->buffered);
}

void model_scan(struct sim *sim)
{
    for (size_t i = 0; i < sim->trigger_count; i++) {
        struct trigger *trigger = &sim->triggers[i];
        if (trigger->model.active && is_calm(sim, &trigger->model))
            scan_trigger(sim, trigger);
    }
}
