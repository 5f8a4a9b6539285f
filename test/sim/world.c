#include "world.h"

#include "model.h"
#include "schedule/name.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK 1000 /* MF_FIRE_LOOK */

/* ---- fires, gaps, runs ---- */

size_t world_fire_rank(const struct trigger *trigger, int64_t at)
{
    size_t low = 0;
    size_t high = trigger->fire_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (trigger->fires[middle].due_at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct fire *world_fire(struct trigger *trigger, int64_t due_at)
{
    size_t i = world_fire_rank(trigger, due_at);
    return i > 0 && trigger->fires[i - 1].due_at == due_at ? &trigger->fires[i - 1] : NULL;
}

static void insert_fire(struct trigger *trigger, const struct fire *fire)
{
    size_t i = world_fire_rank(trigger, fire->due_at);
    sim_grow((void **)&trigger->fires, trigger->fire_count, &trigger->fire_cap, sizeof *fire);
    memmove(trigger->fires + i + 1, trigger->fires + i, (trigger->fire_count++ - i) * sizeof *fire);
    trigger->fires[i] = *fire;
}

static void remove_fire(struct trigger *trigger, int64_t due_at)
{
    size_t i = world_fire_rank(trigger, due_at) - 1;
    memmove(trigger->fires + i, trigger->fires + i + 1, (--trigger->fire_count - i) * sizeof(struct fire));
}

/* How many gaps begin at or before this instant. */
static size_t gap_rank(const struct trigger *trigger, int64_t at)
{
    size_t low = 0;
    size_t high = trigger->gap_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (trigger->gaps[middle].from_at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct gap *world_gap(const struct trigger *trigger, int64_t due_at)
{
    for (size_t i = gap_rank(trigger, due_at), looked = 0; i > 0 && looked < 4; i--, looked++) {
        if (trigger->gaps[i - 1].until_at >= due_at)
            return &trigger->gaps[i - 1];
    }
    return NULL;
}

bool world_is_poisoned(const struct sim *sim, const struct trigger *trigger, int64_t due_at)
{
    struct rng rng = {sim->seed ^ (uint64_t)due_at ^ trigger->index << 40};
    return trigger->index % 10 == 3 && rng_below(&rng, 2000) == 0;
}

static int64_t run_length(struct sim *sim, const struct trigger *trigger)
{
    int64_t most = trigger->times->distance;
    if (rng_chance(&sim->rng, 1))
        return rng_range(&sim->rng, DAY, 400 * DAY);
    if (most > 60 * DAY)
        most = 60 * DAY;
    return rng_scale(&sim->rng, SECOND, 2 * most) + rng_below(&sim->rng, SECOND);
}

static enum run_end run_end(struct sim *sim, const struct trigger *trigger)
{
    static const int rates[] = {0, 0, 0, 0, 0, 0, 0, 20, 50, 95};
    if (!rng_chance(&sim->rng, rates[trigger->index / 7 % 10]))
        return rng_chance(&sim->rng, 2) ? RUN_ABORTED : RUN_SUCCEEDED;
    return rng_chance(&sim->rng, 10) ? RUN_TIMED_OUT : RUN_FAILED;
}

static struct mf_str run_name(const struct trigger *trigger, int64_t due_at, char out[MF_FIRE_NAME_MAX])
{
    return mf_str_make(out, mf_fire_name(&trigger->row.key, due_at, out));
}

/* The run of that name, or a new one. */
static int64_t ensure_run(struct sim *sim, struct trigger *trigger, int64_t due_at, bool backfill,
                          bool *existed)
{
    char text[MF_FIRE_NAME_MAX];
    struct mf_str name = run_name(trigger, due_at, text);
    int64_t id = (int64_t)(intptr_t)mf_map_get(sim->names, name);
    *existed = id != 0;
    if (*existed)
        return id;
    sim_grow((void **)&sim->runs, sim->run_count, &sim->run_cap, sizeof(struct run));
    struct run *run = &sim->runs[sim->run_count++];
    *run = (struct run){.trigger = trigger, .due_at = due_at, .backfill = backfill};
    run->end_mono = sim->mono + run_length(sim, trigger);
    run->end = run_end(sim, trigger);
    id = (int64_t)sim->run_count;
    if (!mf_map_put(sim->names, name, (void *)(intptr_t)id, NULL))
        abort();
    return id;
}

/* ---- a transaction ---- */

struct undo {
    enum { UNDO_FIRE, UNDO_GAP_NEW, UNDO_GAP_OLD, UNDO_GAPS, UNDO_ABORT } kind;
    size_t index;
    int64_t at;
    struct gap gap;
    struct gap *gaps;
    size_t gap_count;
    struct run run;
};

struct tx {
    struct sim *sim;
    struct trigger *trigger;
    const struct mf_step *step;
    size_t runs_before;
    bool pause;
    struct undo *undo;
    size_t undo_count, undo_cap;
    struct deed deeds[DEEDS_MOST];
    size_t deed_count;
};

static struct undo *note_undo(struct tx *tx)
{
    sim_grow((void **)&tx->undo, tx->undo_count, &tx->undo_cap, sizeof(struct undo));
    tx->undo[tx->undo_count] = (struct undo){0};
    return &tx->undo[tx->undo_count++];
}

static void note_deed(struct tx *tx, struct deed deed)
{
    if (tx->deed_count == DEEDS_MOST)
        sim_violation(tx->sim, tx->trigger, "one step does more than a plan can hold");
    tx->deeds[tx->deed_count++] = deed;
}

static void undo_one(struct tx *tx, struct undo *undo)
{
    struct trigger *trigger = tx->trigger;
    switch (undo->kind) {
    case UNDO_FIRE:
        remove_fire(trigger, undo->at);
        break;
    case UNDO_GAP_NEW:
        trigger->gap_count--;
        memmove(trigger->gaps + undo->index, trigger->gaps + undo->index + 1,
                (trigger->gap_count - undo->index) * sizeof(struct gap));
        break;
    case UNDO_GAP_OLD:
        trigger->gaps[undo->index] = undo->gap;
        break;
    case UNDO_GAPS:
        if (undo->gap_count > 0)
            memcpy(trigger->gaps, undo->gaps, undo->gap_count * sizeof(struct gap));
        trigger->gap_count = undo->gap_count;
        break;
    case UNDO_ABORT:
        *world_run(tx->sim, (int64_t)undo->index) = undo->run;
        break;
    }
}

static void roll_back(struct tx *tx)
{
    struct sim *sim = tx->sim;
    char text[MF_FIRE_NAME_MAX];
    for (size_t i = tx->undo_count; i > 0; i--)
        undo_one(tx, &tx->undo[i - 1]);
    for (; sim->run_count > tx->runs_before; sim->run_count--)
        mf_map_remove(sim->names,
                      run_name(tx->trigger, world_run(sim, (int64_t)sim->run_count)->due_at, text));
}

static void end_tx(struct tx *tx)
{
    for (size_t i = 0; i < tx->undo_count; i++)
        free(tx->undo[i].gaps);
    free(tx->undo);
}

/* The disk may fail in the middle of a transaction too. */
static enum mf_code disk(struct tx *tx, struct mf_error *err)
{
    struct sim *sim = tx->sim;
    if (sim->mono < sim->refuse_until && rng_chance(&sim->rng, 5))
        return mf_fail(err, MF_UNAVAILABLE, "the simulated disk fails");
    return MF_OK;
}

static bool is_open(const struct sim *sim, const struct run *run)
{
    return run->end_mono > sim->mono;
}

/* As store/fire.h says: among the newest fires above settled; *first is the first open one. */
static size_t open_fires(struct tx *tx, struct mf_schedule_row *row, size_t *first)
{
    struct trigger *trigger = tx->trigger;
    size_t i = world_fire_rank(trigger, row->state.settled_at);
    if (trigger->fire_count > i + LOOK)
        i = trigger->fire_count - LOOK;
    for (; i < trigger->fire_count; i++) {
        if (is_open(tx->sim, world_run(tx->sim, trigger->fires[i].run_id)))
            break;
        row->state.settled_at = trigger->fires[i].due_at;
    }
    *first = i;
    return trigger->fire_count;
}

static enum mf_code op_open_run(void *ctx, struct mf_schedule_row *row, int64_t *run_id, struct mf_error *err)
{
    struct tx *tx = ctx;
    size_t first;
    size_t end = open_fires(tx, row, &first);
    *run_id = first < end ? tx->trigger->fires[first].run_id : 0;
    return disk(tx, err);
}

static enum mf_code op_has_fire(void *ctx, const struct mf_schedule_row *row, int64_t due_at, bool *there,
                                struct mf_error *err)
{
    struct tx *tx = ctx;
    (void)row;
    *there = world_fire(tx->trigger, due_at) != NULL;
    return disk(tx, err);
}

static enum mf_code op_abort_open(void *ctx, struct mf_schedule_row *row, struct mf_error *err)
{
    struct tx *tx = ctx;
    struct sim *sim = tx->sim;
    size_t i;
    size_t end = open_fires(tx, row, &i);
    for (; i < end; i++) {
        int64_t id = tx->trigger->fires[i].run_id;
        struct run *run = world_run(sim, id);
        if (!is_open(sim, run))
            continue;
        struct undo *undo = note_undo(tx);
        *undo = (struct undo){.kind = UNDO_ABORT, .index = (size_t)id, .run = *run};
        run->end_mono = sim->mono;
        run->end = RUN_ABORTED;
    }
    note_deed(tx, (struct deed){.kind = DEED_ABORT});
    return disk(tx, err);
}

static enum mf_code op_failures(void *ctx, const struct mf_schedule_row *row, uint32_t limit, uint32_t *count,
                                struct mf_error *err)
{
    struct tx *tx = ctx;
    const struct trigger *trigger = tx->trigger;
    size_t looked = 0;
    *count = 0;
    for (size_t i = trigger->fire_count; i > 0 && looked < LOOK && *count < limit; i--, looked++) {
        const struct run *run = world_run(tx->sim, trigger->fires[i - 1].run_id);
        if (trigger->fires[i - 1].due_at <= row->baseline_at)
            break;
        if (is_open(tx->sim, run) || run->end == RUN_ABORTED)
            continue;
        if (run->end == RUN_SUCCEEDED)
            break;
        (*count)++;
    }
    return disk(tx, err);
}

static enum mf_code op_make_run(void *ctx, const struct mf_schedule_row *row, size_t item, int64_t *run_id,
                                bool *existed, struct mf_error *err)
{
    struct tx *tx = ctx;
    int64_t due_at = tx->step->plan.items[item];
    (void)row;
    if (tx->sim->mono < tx->trigger->trouble_until)
        return mf_fail(err, MF_FAILED_PRECONDITION, "the simulated inputs are gone");
    if (world_is_poisoned(tx->sim, tx->trigger, due_at))
        return mf_fail(err, MF_INVALID_ARGUMENT, "this run can never be made");
    *run_id = ensure_run(tx->sim, tx->trigger, due_at, false, existed);
    return disk(tx, err);
}

static enum mf_code op_put_fire(void *ctx, const struct mf_fire_row *row, struct mf_error *err)
{
    struct tx *tx = ctx;
    const struct fire *there = world_fire(tx->trigger, row->due_at);
    bool existed = row->kind == MF_FIRE_FOUND;
    if (there && there->run_id != row->run_id)
        sim_violation(tx->sim, tx->trigger, "the due time %" PRId64 " gets a second run", row->due_at);
    if (row->fired_at != sim_wall(tx->sim))
        sim_violation(tx->sim, tx->trigger, "the fire has another time than the transaction");
    if (!there) {
        const struct fire fire = {row->due_at, row->run_id, row->kind, row->fired_at};
        insert_fire(tx->trigger, &fire);
        *note_undo(tx) = (struct undo){.kind = UNDO_FIRE, .at = row->due_at};
    }
    note_deed(tx, (struct deed){.kind = DEED_FIRE,
                                .at = row->due_at,
                                .fire = row->kind,
                                .run_id = row->run_id,
                                .existed = existed});
    return disk(tx, err);
}

static uint32_t error_hash(struct mf_str text)
{
    uint32_t hash = 0;
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 16777619U + 1;
    return hash;
}

static void insert_gap(struct tx *tx, const struct gap *gap)
{
    struct trigger *trigger = tx->trigger;
    size_t i = gap_rank(trigger, gap->from_at);
    struct gap *before = i > 0 ? &trigger->gaps[i - 1] : NULL;
    struct gap *newest = trigger->gap_count > 0 ? &trigger->gaps[trigger->gap_count - 1] : NULL;
    if (newest && newest->until_at + 1 == gap->from_at && newest->reason == gap->reason &&
        newest->error == gap->error) {
        *note_undo(tx) = (struct undo){.kind = UNDO_GAP_OLD, .index = trigger->gap_count - 1, .gap = *newest};
        newest->until_at = gap->until_at;
        return;
    }
    if (before && before->from_at == gap->from_at) {
        *note_undo(tx) = (struct undo){.kind = UNDO_GAP_OLD, .index = i - 1, .gap = *before};
        int64_t until = before->until_at;
        *before = *gap;
        before->until_at = until > gap->until_at ? until : gap->until_at;
        return;
    }
    sim_grow((void **)&trigger->gaps, trigger->gap_count, &trigger->gap_cap, sizeof *gap);
    memmove(trigger->gaps + i + 1, trigger->gaps + i, (trigger->gap_count++ - i) * sizeof *gap);
    trigger->gaps[i] = *gap;
    *note_undo(tx) = (struct undo){.kind = UNDO_GAP_NEW, .index = i};
}

static enum mf_code op_put_gap(void *ctx, const struct mf_gap_row *row, struct mf_error *err)
{
    struct tx *tx = ctx;
    const struct gap gap = {row->from_at, row->until_at, row->reason, error_hash(row->error)};
    if (row->until_at < row->from_at)
        sim_violation(tx->sim, tx->trigger, "a gap ends before it begins");
    insert_gap(tx, &gap);
    note_deed(tx, (struct deed){
                      .kind = DEED_GAP, .from = row->from_at, .at = row->until_at, .reason = row->reason});
    return disk(tx, err);
}

static void cut_gaps(struct trigger *trigger, int64_t after)
{
    trigger->gap_count = gap_rank(trigger, after);
    for (size_t i = 0; i < trigger->gap_count; i++) {
        if (trigger->gaps[i].until_at > after)
            trigger->gaps[i].until_at = after;
    }
}

static enum mf_code op_cut_gaps(void *ctx, int64_t schedule_id, int64_t after, struct mf_error *err)
{
    struct tx *tx = ctx;
    struct trigger *trigger = tx->trigger;
    struct undo *undo = note_undo(tx);
    (void)schedule_id;
    *undo = (struct undo){.kind = UNDO_GAPS, .gap_count = trigger->gap_count};
    undo->gaps = malloc((trigger->gap_count + 1) * sizeof(struct gap));
    if (!undo->gaps)
        abort();
    if (trigger->gap_count > 0)
        memcpy(undo->gaps, trigger->gaps, trigger->gap_count * sizeof(struct gap));
    cut_gaps(trigger, after);
    note_deed(tx, (struct deed){.kind = DEED_CUT, .at = after});
    return disk(tx, err);
}

static enum mf_code op_pause(void *ctx, const struct mf_schedule_row *row, struct mf_error *err)
{
    struct tx *tx = ctx;
    (void)row;
    tx->pause = true;
    note_deed(tx, (struct deed){.kind = DEED_PAUSE});
    return disk(tx, err);
}

static void set_state(struct trigger *trigger, const struct mf_schedule_state *state)
{
    size_t len = mf_utf8_cut(state->error, sizeof trigger->error);
    memmove(trigger->error, state->error.ptr, len);
    trigger->row.state = *state;
    trigger->row.state.error = mf_str_make(trigger->error, len);
}

static enum mf_code op_move(void *ctx, const struct mf_schedule_row *row, struct mf_error *err)
{
    struct tx *tx = ctx;
    enum mf_code code = disk(tx, err);
    if (code == MF_OK)
        set_state(tx->trigger, &row->state);
    return code;
}

static const struct mf_step_ops ops = {
    .open_run = op_open_run,
    .has_fire = op_has_fire,
    .abort_open = op_abort_open,
    .failures = op_failures,
    .make_run = op_make_run,
    .put_fire = op_put_fire,
    .put_gap = op_put_gap,
    .cut_gaps = op_cut_gaps,
    .pause = op_pause,
    .move = op_move,
};

/* Every server hears of it. */
static void tell_servers(struct sim *sim)
{
    for (int i = 0; i < sim->server_count; i++) {
        if (sim->servers[i].state == SERVER_UP)
            sim_at(sim, sim->mono + rng_below(&sim->rng, 4 * SECOND / 1000), EVENT_CHANGED,
                   (struct event){.a = i, .gen = sim->servers[i].gen});
    }
}

/* As the store keeps them. drop: what became of due times that had not fired. */
static void add_revision(struct sim *sim, struct trigger *trigger, enum mf_audit_drop drop)
{
    sim_grow((void **)&trigger->revisions, trigger->revision_count, &trigger->revision_cap,
             sizeof trigger->revisions[0]);
    trigger->revisions[trigger->revision_count++] = (struct mf_audit_revision){
        .revision = trigger->row.revision,
        .recorded_at = sim_wall(sim),
        .drop = drop,
        .active = trigger->row.active,
        .timing = trigger->times->timing,
        .policy = trigger->policy,
        .baseline_at = trigger->row.baseline_at,
        .offset_ns = mf_policy_offset(&trigger->policy, &trigger->row.key),
    };
}

/* The trigger goes off inside the step's transaction. */
static void pause_trigger(struct sim *sim, struct trigger *trigger)
{
    trigger->on = false;
    trigger->row.active = false;
    trigger->row.baseline_at = sim_wall(sim);
    trigger->row.revision++;
    trigger->row.seq = ++sim->seq;
    add_revision(sim, trigger, MF_AUDIT_SWITCHED_OFF);
    sim->totals.pauses++;
    tell_servers(sim);
}

static void count_deeds(struct sim *sim, const struct tx *tx)
{
    struct trigger *trigger = tx->trigger;
    for (size_t i = 0; i < tx->deed_count; i++) {
        sim->totals.fires += tx->deeds[i].kind == DEED_FIRE;
        sim->totals.found += tx->deeds[i].kind == DEED_FIRE && tx->deeds[i].existed;
        sim->totals.buffered += tx->deeds[i].kind == DEED_FIRE && tx->deeds[i].fire == MF_FIRE_BUFFERED;
        sim->totals.gaps += tx->deeds[i].kind == DEED_GAP;
        sim->totals.rewinds += tx->deeds[i].kind == DEED_CUT;
        sim_mix(sim, (uint64_t)tx->deeds[i].kind << 60 ^ (uint64_t)tx->deeds[i].at);
    }
    sim_mix(sim, trigger->index);
    sim_mix(sim, (uint64_t)trigger->row.state.cursor_at ^ (uint64_t)trigger->row.state.buffered_at);
}

static void trace_step(const struct sim *sim, const struct tx *tx, int64_t planned_wall, const char *outcome)
{
    static const char *const kinds[] = {"wait", "fire", "drop", "rewind", "note"};
    static const char *const deeds[] = {"fire", "gap", "abort", "cut", "pause"};
    const struct mf_plan *plan = &tx->step->plan;
    if (sim->trace < 0 || sim->trace != (int64_t)tx->trigger->index)
        return;
    sim_trace(sim, tx->trigger, "step %s of %" PRId64 " ms ago, %zu items, seq %" PRId64 ": %s",
              kinds[plan->kind], (sim_wall(sim) - planned_wall) / 1000000, plan->item_count, tx->step->seq,
              outcome);
    for (size_t i = 0; i < tx->deed_count; i++)
        printf("    %s %" PRId64 " to %" PRId64 ", reason %d, kind %d%s\n", deeds[tx->deeds[i].kind],
               tx->deeds[i].from, tx->deeds[i].at, tx->deeds[i].reason, tx->deeds[i].fire,
               tx->deeds[i].existed ? ", existed" : "");
}

enum mf_code world_apply(struct sim *sim, const struct mf_step *step, int64_t planned_wall,
                         struct mf_step_result *result, struct mf_error *err)
{
    struct trigger *trigger = &sim->triggers[step->schedule_id - 1];
    struct tx tx = {.sim = sim, .trigger = trigger, .step = step, .runs_before = sim->run_count};
    struct mf_schedule_row row = trigger->row;
    enum mf_code code = mf_step_apply(&ops, &tx, step, &row, &trigger->policy, sim_wall(sim), result, err);
    sim->totals.steps++;
    trace_step(sim, &tx, planned_wall, code != MF_OK ? err->message : result->stale ? "stale" : "done");
    if (code != MF_OK) {
        roll_back(&tx);
        model_failed(sim, trigger, step);
    } else if (result->stale) {
        sim->totals.stale++;
        if (tx.deed_count > 0)
            sim_violation(sim, trigger, "a stale step does something");
    } else {
        if (tx.pause)
            pause_trigger(sim, trigger);
        count_deeds(sim, &tx);
        model_step(sim, trigger, step, planned_wall, tx.deeds, tx.deed_count);
    }
    end_tx(&tx);
    return code;
}

/* ---- people ---- */

/* What a change does to the state: as src/trigger/change.c. */
static void change_row(struct sim *sim, struct trigger *trigger, bool starts, bool other_times,
                       bool other_policy)
{
    struct mf_schedule_row *row = &trigger->row;
    int64_t now = sim_wall(sim);
    enum mf_audit_drop drop = MF_AUDIT_KEEPS;
    if (row->active && other_times)
        drop = MF_AUDIT_SCHEDULE;
    else if (row->active && !trigger->on)
        drop = trigger->deleted ? MF_AUDIT_DELETED : MF_AUDIT_SWITCHED_OFF;
    else if (row->active && other_policy)
        drop = MF_AUDIT_POLICY;
    struct mf_schedule_state state = row->state;
    state.error = MF_STR_EMPTY;
    state.error_at = 0;
    if (!trigger->on || starts || other_times || other_policy)
        state.buffered_at = 0;
    if (other_times || other_policy)
        state.runs = 0;
    if (starts || other_times || (other_policy && state.cursor_at < now))
        state.cursor_at = now;
    if (state.cursor_at < row->state.cursor_at)
        cut_gaps(trigger, state.cursor_at);
    set_state(trigger, &state);
    row->revision++;
    row->seq = ++sim->seq;
    row->active = trigger->on && !trigger->deleted;
    row->automation = trigger->times->automation;
    row->policy = mf_str_from_c(trigger->policy_text);
    sim->totals.changes++;
    sim_mix(sim, (uint64_t)row->seq ^ (uint64_t)now << 1 ^ trigger->index << 40);
    add_revision(sim, trigger, drop);
    const struct model_change change = {row->active, other_times, other_policy};
    model_changed(sim, trigger, &change);
    tell_servers(sim);
}

void world_deploy(struct sim *sim, struct trigger *trigger, const struct wish *wish)
{
    bool is_new = trigger->row.revision == 0;
    bool switched = is_new || trigger->on != wish->on;
    bool other_times = is_new || trigger->deleted || trigger->times != wish->times;
    bool other_policy = strcmp(trigger->policy_text, wish->policy_text) != 0;
    struct mf_error err;
    if (switched || other_times)
        trigger->row.baseline_at = sim_wall(sim);
    trigger->on = wish->on;
    trigger->deleted = false;
    trigger->times = wish->times;
    if (wish->policy_text != trigger->policy_text)
        snprintf(trigger->policy_text, sizeof trigger->policy_text, "%s", wish->policy_text);
    if (mf_policy_parse(mf_str_from_c(trigger->policy_text), &trigger->policy, &err) != MF_OK)
        sim_violation(sim, trigger, "the policy \"%s\" cannot be read: %s", trigger->policy_text,
                      err.message);
    change_row(sim, trigger, switched && wish->on, other_times, other_policy);
}

void world_switch(struct sim *sim, struct trigger *trigger, bool on)
{
    if (trigger->deleted || trigger->on == on)
        return;
    trigger->on = on;
    trigger->row.baseline_at = sim_wall(sim);
    change_row(sim, trigger, on, false, false);
}

void world_delete(struct sim *sim, struct trigger *trigger)
{
    if (trigger->deleted)
        return;
    trigger->deleted = true;
    trigger->on = false;
    change_row(sim, trigger, false, false, false);
}

void world_backfill(struct sim *sim, struct trigger *trigger, int64_t from, int64_t until)
{
    bool existed = false;
    int64_t at = from;
    for (int most = 20;
         most > 0 && times_next(trigger->times, trigger->row.baseline_at, at, &at) && at <= until; most--) {
        int64_t id = ensure_run(sim, trigger, at, true, &existed);
        if (!world_fire(trigger, at)) {
            const struct fire fire = {at, id, MF_FIRE_BACKFILL, sim_wall(sim)};
            insert_fire(trigger, &fire);
            model_backfilled(sim, trigger, id);
        }
        sim->totals.backfills += !existed;
    }
}

void world_abort(struct sim *sim, struct trigger *trigger)
{
    for (size_t i = trigger->fire_count; i > 0 && trigger->fire_count - i < LOOK; i--) {
        struct run *run = world_run(sim, trigger->fires[i - 1].run_id);
        if (!is_open(sim, run))
            continue;
        run->end_mono = sim->mono;
        run->end = RUN_ABORTED;
        for (int s = 0; s < sim->server_count; s++) {
            struct server *server = &sim->servers[s];
            if (server->state != SERVER_DOWN &&
                server->follow[trigger->index] == trigger->fires[i - 1].run_id)
                sim_at(sim, sim->mono, EVENT_POKE,
                       (struct event){
                           .a = s, .gen = server->gen, .b = trigger->fires[i - 1].run_id, .ptr = trigger});
        }
    }
}

void world_free_trigger(struct trigger *trigger)
{
    free(trigger->fires);
    free(trigger->gaps);
    free(trigger->revisions);
    free(trigger->told);
    free(trigger->model.open);
}
