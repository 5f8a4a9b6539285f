#include "schedule/engine.h"

#include "base/log.h"
#include "hub/hub.h"
#include "schedule/entries.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)
#define RETRY_FIRST_NS SECOND_NS
#define RETRY_LAST_NS (60 * SECOND_NS)
#define IN_FLIGHT_USUAL 512
#define POKES_FIRST 16
#define DUE_COUNTED 1000

const double mf_lateness_bounds[MF_LATENESS_BUCKETS] = {0.005, 0.01, 0.025, 0.05, 0.1,  0.25,
                                                        0.5,   1,    5,     60,   3600, HUGE_VAL};

struct mf_engine {
    struct mf_engine_port port;
    size_t load_max;
    struct mf_kinds *kinds;
    struct mf_entries *entries;
    int64_t seen_seq;
    int64_t now;       /* of the present turn, and then of the last */
    int64_t back_from; /* that of the turn before */
    bool sync;         /* there are changes to read */
    bool ending;       /* nothing more is begun */
    enum mf_code sync_code;
    size_t in_flight; /* steps */
    size_t load;      /* the due times in them */
    size_t failing, buffered;

    /* What other threads bring. */
    pthread_mutex_t lock;
    struct mf_step_work *done_first, *done_last;
    int64_t *pokes;
    size_t poke_count, poke_cap;
    bool pokes_lost; /* memory ran out: look at all that wait */
    bool changed;
    struct mf_engine_stats stats;
};

enum mf_code mf_engine_new(const struct mf_engine_config *config, struct mf_engine **out,
                           struct mf_error *err)
{
    struct mf_engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return mf_fail_memory(err);
    pthread_mutex_init(&engine->lock, NULL);
    engine->port = config->port;
    engine->load_max = config->in_flight > 0 ? config->in_flight : IN_FLIGHT_USUAL;
    enum mf_code code = mf_kinds_new(config->zones, config->seed, &engine->kinds, err);
    if (code == MF_OK)
        code = mf_entries_new(&engine->entries, err);
    if (code != MF_OK) {
        mf_engine_free(engine);
        return code;
    }
    *out = engine;
    return MF_OK;
}

void mf_engine_free(struct mf_engine *engine)
{
    if (!engine)
        return;
    mf_entries_free(engine->entries);
    mf_kinds_free(engine->kinds);
    pthread_mutex_destroy(&engine->lock);
    free(engine->pokes);
    free(engine);
}

size_t mf_engine_in_flight(const struct mf_engine *engine)
{
    return engine->in_flight;
}

/* ---- from other threads ---- */

void mf_engine_changed(struct mf_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    engine->changed = true;
    pthread_mutex_unlock(&engine->lock);
    engine->port.wake(engine->port.ctx);
}

void mf_engine_poke(struct mf_engine *engine, int64_t schedule_id)
{
    pthread_mutex_lock(&engine->lock);
    if (engine->poke_count == engine->poke_cap) {
        size_t cap = engine->poke_cap > 0 ? 2 * engine->poke_cap : POKES_FIRST;
        int64_t *pokes = realloc(engine->pokes, cap * sizeof *pokes);
        if (pokes) {
            engine->pokes = pokes;
            engine->poke_cap = cap;
        }
    }
    if (engine->poke_count < engine->poke_cap)
        engine->pokes[engine->poke_count++] = schedule_id;
    else
        engine->pokes_lost = true;
    pthread_mutex_unlock(&engine->lock);
    engine->port.wake(engine->port.ctx);
}

void mf_engine_done(struct mf_engine *engine, struct mf_step_work *work, enum mf_code code,
                    const struct mf_error *err)
{
    work->code = code;
    work->next = NULL;
    work->error[0] = '\0';
    if (code != MF_OK && err)
        memcpy(work->error, err->message, mf_utf8_cut(mf_str_from_c(err->message), sizeof work->error - 1));
    pthread_mutex_lock(&engine->lock);
    if (engine->done_last)
        engine->done_last->next = work;
    else
        engine->done_first = work;
    engine->done_last = work;
    pthread_mutex_unlock(&engine->lock);
    engine->port.wake(engine->port.ctx);
}

void mf_engine_stats(struct mf_engine *engine, struct mf_engine_stats *out)
{
    pthread_mutex_lock(&engine->lock);
    *out = engine->stats;
    pthread_mutex_unlock(&engine->lock);
}

/* ---- entries ---- */

static struct mf_plan_input plan_input(const struct mf_entry *entry)
{
    return (struct mf_plan_input){
        .timing = &entry->kind->timing,
        .policy = &entry->kind->policy,
        .offset_ns = entry->offset_ns,
        .baseline_at = entry->baseline_at,
        .cursor_at = entry->cursor_at,
        .buffered_at = entry->buffered_at,
        .runs = entry->runs,
    };
}

/* When to look at an entry that is at rest. */
static void look_ahead(struct mf_engine *engine, struct mf_entry *entry)
{
    const struct mf_plan_input input = plan_input(entry);
    struct mf_plan plan;
    mf_plan(&input, engine->now, entry->release, 1, &plan);
    mf_entries_set(engine->entries, entry, plan.kind == MF_PLAN_WAIT ? plan.wake_at : engine->now);
}

static void set_buffered(struct mf_engine *engine, struct mf_entry *entry, int64_t buffered_at)
{
    engine->buffered += (size_t)(buffered_at != 0) - (size_t)(entry->buffered_at != 0);
    entry->buffered_at = buffered_at;
}

static void set_tries(struct mf_engine *engine, struct mf_entry *entry, uint8_t tries)
{
    engine->failing += (size_t)(tries != 0) - (size_t)(entry->tries != 0);
    entry->tries = tries;
}

static void drop_entry(struct mf_engine *engine, struct mf_entry *entry)
{
    set_buffered(engine, entry, 0);
    set_tries(engine, entry, 0);
    mf_kinds_give(engine->kinds, entry->kind);
    mf_entries_remove(engine->entries, entry);
}

static void take_state(struct mf_engine *engine, struct mf_entry *entry,
                       const struct mf_schedule_state *state)
{
    entry->cursor_at = state->cursor_at;
    entry->runs = state->runs;
    set_buffered(engine, entry, state->buffered_at);
}

/* Takes the row over into the entry, which may be on its way. */
static enum mf_code refresh(struct mf_engine *engine, struct mf_entry *entry,
                            const struct mf_schedule_row *row, struct mf_error *err)
{
    struct mf_kind *kind = NULL;
    enum mf_code code = mf_kinds_take(engine->kinds, row, &kind, err);
    if (code != MF_OK)
        return code;
    mf_kinds_give(engine->kinds, entry->kind);
    entry->kind = kind;
    entry->seq = row->seq;
    entry->baseline_at = row->baseline_at;
    entry->offset_ns = mf_policy_offset(&kind->policy, &row->key);
    entry->gone = false;
    entry->release = row->state.buffered_at != 0;
    entry->noted = 0;
    set_tries(engine, entry, 0);
    take_state(engine, entry, &row->state);
    if (!entry->in_flight)
        look_ahead(engine, entry);
    return MF_OK;
}

static void leave(struct mf_engine *engine, struct mf_entry *entry)
{
    if (!entry->in_flight)
        drop_entry(engine, entry);
    else
        entry->gone = true;
}

/* False when memory ran out. A row that cannot be read is left out: the others go on. */
static bool on_row(void *ctx, const struct mf_schedule_row *row)
{
    struct mf_engine *engine = ctx;
    struct mf_entry *entry = mf_entries_get(engine->entries, row->id);
    struct mf_error err;
    if (row->seq > engine->seen_seq)
        engine->seen_seq = row->seq;
    if (!row->active) {
        if (entry)
            leave(engine, entry);
        return true;
    }
    if (!entry)
        entry = mf_entries_add(engine->entries, row->id);
    if (!entry) {
        engine->sync_code = MF_RESOURCE_EXHAUSTED;
        return false;
    }
    enum mf_code code = refresh(engine, entry, row, &err);
    if (code == MF_OK)
        return true;
    mf_log(MF_LOG_ERROR, "schedule",
           "the schedule of trigger %.*s/%.*s/%.*s/%.*s cannot be read and does not fire: %s",
           MF_FMT(row->key.project), MF_FMT(row->key.domain), MF_FMT(row->key.task_name),
           MF_FMT(row->key.name), err.message);
    leave(engine, entry);
    return true;
}

static void set_due(void *ctx, struct mf_entry *entry)
{
    struct mf_engine *engine = ctx;
    mf_entries_set(engine->entries, entry, 0);
}

/* What a load that failed has read may have changed since, and would not be read again. */
static void forget_all(struct mf_engine *engine)
{
    struct mf_entry *first;
    mf_entries_each(engine->entries, set_due, engine);
    while ((first = mf_entries_first(engine->entries)))
        drop_entry(engine, first);
    engine->seen_seq = 0;
}

enum mf_code mf_engine_load(struct mf_engine *engine, int64_t now, struct mf_error *err)
{
    forget_all(engine);
    engine->now = now;
    engine->sync_code = MF_OK;
    enum mf_code code = engine->port.active(engine->port.ctx, on_row, engine, err);
    return code == MF_OK && engine->sync_code != MF_OK ? mf_fail_memory(err) : code;
}

static void read_changes(struct mf_engine *engine)
{
    struct mf_error err;
    int64_t seen = engine->seen_seq;
    engine->sync_code = MF_OK;
    enum mf_code code = engine->port.changes(engine->port.ctx, seen, on_row, engine, &err);
    if (code == MF_OK && engine->sync_code != MF_OK)
        code = mf_fail_memory(&err);
    engine->sync = code != MF_OK;
    if (code == MF_OK)
        return;
    engine->seen_seq = seen;
    mf_log(MF_LOG_WARN, "schedule", "changed triggers cannot be read, trying again: %s", err.message);
}

/* ---- steps ---- */

/* A step that fires nothing is work, too. */
static size_t load_of(const struct mf_plan *plan)
{
    return plan->item_count > 0 ? plan->item_count : 1;
}

static void begin(struct mf_engine *engine, struct mf_entry *entry, const struct mf_plan *plan,
                  struct mf_step_work *work)
{
    work->step = (struct mf_step){
        .schedule_id = entry->id,
        .seq = entry->seq,
        .cursor_at = entry->cursor_at,
        .buffered_at = entry->buffered_at,
        .offset_ns = entry->offset_ns,
        .plan = *plan,
        .note = work->step.note,
    };
    entry->in_flight = true;
    mf_entries_set(engine->entries, entry, INT64_MAX);
    engine->in_flight++;
    engine->load += load_of(plan);
    engine->port.carry_out(engine->port.ctx, work);
}

/* Looks at an entry whose time has come. */
static void look(struct mf_engine *engine, struct mf_entry *entry)
{
    const struct mf_plan_input input = plan_input(entry);
    size_t room = engine->load_max - engine->load;
    size_t most = entry->tries > 0 ? 1 : MF_PLAN_ITEMS;
    struct mf_plan plan;
    mf_plan(&input, engine->now, entry->release, most < room ? most : room, &plan);
    if (plan.kind == MF_PLAN_WAIT) {
        entry->release = false;
        mf_entries_set(engine->entries, entry, plan.wake_at);
        return;
    }
    struct mf_step_work *work = calloc(1, sizeof *work);
    if (!work) {
        mf_entries_set(engine->entries, entry, engine->now + RETRY_FIRST_NS);
        return;
    }
    if (plan.first_is_buffered)
        entry->release = false;
    begin(engine, entry, &plan, work);
}

static void count_lateness(struct mf_engine_stats *stats, int64_t late_ns)
{
    double late = late_ns > 0 ? (double)late_ns / 1e9 : 0;
    size_t bucket = 0;
    while (bucket + 1 < MF_LATENESS_BUCKETS && late > mf_lateness_bounds[bucket])
        bucket++;
    stats->lateness[bucket]++;
    stats->lateness_sum += late;
    stats->caught_up += late_ns > MF_CATCH_UP_GRACE_NS;
}

static void count(struct mf_engine *engine, const struct mf_step_work *work)
{
    struct mf_engine_stats *stats = &engine->stats;
    const struct mf_step_result *result = &work->result;
    pthread_mutex_lock(&engine->lock);
    stats->turns++;
    stats->failures += work->code != MF_OK;
    if (work->code == MF_OK) {
        stats->paused += result->paused;
        for (size_t i = 0; i < result->fired_count; i++) {
            const struct mf_fire_row *fired = &result->fired[i];
            stats->fired[fired->kind]++;
            if (fired->kind == MF_FIRE_SCHEDULED)
                count_lateness(stats, fired->fired_at - fired->due_at - work->step.offset_ns);
        }
        for (size_t i = 0; i <= MF_GAP_FAILED; i++)
            stats->skipped[i] += result->skipped[i];
    }
    pthread_mutex_unlock(&engine->lock);
}

static int64_t pause_of(uint8_t tries)
{
    int64_t pause = tries < 7 ? RETRY_FIRST_NS << (tries - 1) : RETRY_LAST_NS;
    return pause < RETRY_LAST_NS ? pause : RETRY_LAST_NS;
}

/* After a failure: tries again later, and has the reason recorded when it is a new one. *kept: work is on its
 * way again. */
static void step_failed(struct mf_engine *engine, struct mf_entry *entry, struct mf_step_work *work,
                        bool *kept)
{
    struct mf_str text = mf_str_from_c(work->error);
    uint32_t hash = (uint32_t)mf_topic_hash(text) | 1;
    const struct mf_plan note = {.kind = MF_PLAN_NOTE};
    if (work->step.plan.kind == MF_PLAN_NOTE) {
        entry->noted = 0; /* the next failure records it */
        mf_entries_set(engine->entries, entry, entry->retry_at);
        return;
    }
    set_tries(engine, entry, entry->tries < UINT8_MAX ? entry->tries + 1 : UINT8_MAX);
    entry->retry_at = engine->now + pause_of(entry->tries);
    entry->release = entry->release || work->step.plan.first_is_buffered;
    if (hash == entry->noted || engine->ending) {
        mf_entries_set(engine->entries, entry, entry->retry_at);
        return;
    }
    mf_log(MF_LOG_WARN, "schedule", "trigger %s could not be fired, trying again in %" PRId64 " s: %s",
           work->trigger, pause_of(entry->tries) / SECOND_NS, work->error);
    entry->noted = hash;
    work->step.note = text;
    *kept = true;
    begin(engine, entry, &note, work);
}

static void step_done(struct mf_engine *engine, struct mf_entry *entry, const struct mf_step_work *work)
{
    const struct mf_step_result *result = &work->result;
    bool note = work->step.plan.kind == MF_PLAN_NOTE;
    if (result->seq == entry->seq)
        take_state(engine, entry, &result->state);
    else if (result->seq > entry->seq)
        engine->sync = true;
    if (result->paused)
        engine->sync = true;
    if (note && !result->stale) {
        mf_entries_set(engine->entries, entry, entry->retry_at);
        return;
    }
    set_tries(engine, entry, 0);
    entry->noted = 0;
    look_ahead(engine, entry);
}

static void finish(struct mf_engine *engine, struct mf_step_work *work)
{
    struct mf_entry *entry = mf_entries_get(engine->entries, work->step.schedule_id);
    bool kept = false;
    engine->in_flight--;
    engine->load -= load_of(&work->step.plan);
    count(engine, work);
    entry->in_flight = false;
    if (entry->gone)
        drop_entry(engine, entry);
    else if (work->code != MF_OK)
        step_failed(engine, entry, work, &kept);
    else
        step_done(engine, entry, work);
    if (!kept)
        free(work);
}

/* ---- a turn ---- */

static void poke(struct mf_engine *engine, struct mf_entry *entry)
{
    if (!entry || entry->buffered_at == 0)
        return;
    entry->release = true;
    if (!entry->in_flight && entry->tries == 0)
        mf_entries_set(engine->entries, entry, engine->now);
}

static void poke_any(void *ctx, struct mf_entry *entry)
{
    poke(ctx, entry);
}

static void take_inbox(struct mf_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    struct mf_step_work *work = engine->done_first;
    int64_t *pokes = engine->pokes;
    size_t poke_count = engine->poke_count;
    bool all = engine->pokes_lost;
    engine->done_first = engine->done_last = NULL;
    engine->pokes = NULL;
    engine->poke_count = engine->poke_cap = 0;
    engine->pokes_lost = false;
    engine->sync = engine->sync || engine->changed;
    engine->changed = false;
    pthread_mutex_unlock(&engine->lock);
    while (work) {
        struct mf_step_work *next = work->next;
        finish(engine, work);
        work = next;
    }
    for (size_t i = 0; i < poke_count; i++)
        poke(engine, mf_entries_get(engine->entries, pokes[i]));
    if (all)
        mf_entries_each(engine->entries, poke_any, engine);
    free(pokes);
}

/* The clock was set back: what waits for a time to try again waits too long, what was to be looked at by the
 * old clock and was not is far off by the new one, and what was decided for times that are yet to come has to
 * be looked at. */
static void look_again(void *ctx, struct mf_entry *entry)
{
    struct mf_engine *engine = ctx;
    bool ahead = entry->cursor_at > engine->now + MF_CATCH_UP_GRACE_NS;
    if (!entry->in_flight && (ahead || entry->tries > 0 || entry->look_at <= engine->back_from))
        mf_entries_set(engine->entries, entry, engine->now);
}

static void write_stats(struct mf_engine *engine)
{
    const struct mf_entry *first = mf_entries_first(engine->entries);
    pthread_mutex_lock(&engine->lock);
    engine->stats.turns++;
    engine->stats.schedules = mf_entries_count(engine->entries);
    engine->stats.in_flight = engine->in_flight;
    engine->stats.failing = engine->failing;
    engine->stats.buffered = engine->buffered;
    engine->stats.due = mf_entries_due(engine->entries, engine->now, DUE_COUNTED);
    engine->stats.next_at = first ? first->look_at : INT64_MAX;
    pthread_mutex_unlock(&engine->lock);
}

void mf_engine_turn(struct mf_engine *engine, int64_t now, int64_t *wake_at)
{
    struct mf_entry *first;
    bool back = now < engine->now;
    engine->back_from = engine->now;
    engine->now = now;
    take_inbox(engine);
    if (engine->sync)
        read_changes(engine);
    if (back)
        mf_entries_each(engine->entries, look_again, engine);
    while (engine->load < engine->load_max && (first = mf_entries_first(engine->entries)) &&
           first->look_at <= now)
        look(engine, first);
    write_stats(engine);
    first = mf_entries_first(engine->entries);
    *wake_at = INT64_MAX;
    if (first && engine->load < engine->load_max)
        *wake_at = first->look_at;
    if (engine->sync && *wake_at > now + RETRY_FIRST_NS)
        *wake_at = now + RETRY_FIRST_NS;
}

void mf_engine_collect(struct mf_engine *engine)
{
    engine->ending = true;
    take_inbox(engine);
}
