/*
 * Deterministic simulation of the scheduler (test/sim/sim.h):
 *
 *     schedule-sim [--seed N] [--seeds K] [--years Y] [--trace TRIGGER] [--twice]
 *
 * Runs the worlds of K seeds from N on, each for Y years, and ends with 1 at the first broken rule, naming
 * the seed. The same seed gives the same history and prints the same hash; --twice checks that. --trace
 * prints what happens to one trigger.
 */
#include "base/log.h"
#include "explain.h"
#include "life.h"
#include "model.h"
#include "server.h"

#include "base/time.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- for all ---- */

void sim_grow(void **list, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return;
    *cap = *cap > 0 ? 2 * *cap : 8;
    void *grown = realloc(*list, *cap * size);
    if (!grown)
        abort();
    *list = grown;
}

static bool is_before(const struct event *a, const struct event *b)
{
    return a->mono != b->mono ? a->mono < b->mono : a->order < b->order;
}

void sim_at(struct sim *sim, int64_t mono, enum event_kind kind, struct event event)
{
    /* Whole milliseconds, so that different things happen at the very same instant. */
    event.mono = (mono > sim->mono ? mono : sim->mono) + 999999;
    event.mono -= event.mono % 1000000;
    event.kind = kind;
    event.order = sim->order++;
    sim_grow((void **)&sim->heap, sim->heap_count, &sim->heap_cap, sizeof event);
    size_t i = sim->heap_count++;
    for (; i > 0 && is_before(&event, &sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
        sim->heap[i] = sim->heap[(i - 1) / 2];
    sim->heap[i] = event;
}

static struct event take_event(struct sim *sim)
{
    struct event first = sim->heap[0];
    struct event last = sim->heap[--sim->heap_count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < sim->heap_count; i = child) {
        if (child + 1 < sim->heap_count && is_before(&sim->heap[child + 1], &sim->heap[child]))
            child++;
        if (!is_before(&sim->heap[child], &last))
            break;
        sim->heap[i] = sim->heap[child];
    }
    sim->heap[i] = last;
    return first;
}

void sim_mix(struct sim *sim, uint64_t value)
{
    struct rng rng = {sim->hash ^ value};
    sim->hash = rng_next(&rng);
}

void sim_disturb(struct sim *sim, int64_t until_mono)
{
    if (until_mono > sim->calm_from)
        sim->calm_from = until_mono;
}

bool sim_is_calm(const struct sim *sim)
{
    bool up = false;
    for (int i = 0; i < sim->server_count; i++)
        up = up || sim->servers[i].state == SERVER_UP;
    return up && sim->mono > sim->calm_from + HOUR;
}

static void print_wall(FILE *out, int64_t wall)
{
    struct mf_arena *arena = mf_arena_new(0);
    if (arena)
        fprintf(out, "%.*s", MF_FMT(mf_time_rfc3339(arena, wall, true)));
    mf_arena_free(arena);
}

static void print_trigger(FILE *out, const struct trigger *trigger)
{
    const struct mf_schedule_state *state = &trigger->row.state;
    fprintf(out, "  trigger %zu: \"%s\", policy \"%s\", %s, jitter %" PRId64 " ms, baseline ", trigger->index,
            trigger->times ? trigger->times->text : "", trigger->policy_text, trigger->on ? "on" : "off",
            trigger->model.offset / (SECOND / 1000));
    print_wall(out, trigger->row.baseline_at);
    fprintf(out, "\n  store: cursor ");
    print_wall(out, state->cursor_at);
    fprintf(out, ", buffered %" PRId64 ", runs %" PRId64 "; model: cursor ", state->buffered_at, state->runs);
    print_wall(out, trigger->model.cursor);
    fprintf(out, ", buffered %" PRId64 ", runs %" PRId64 "; settled %" PRId64 "\n", trigger->model.buffered,
            trigger->model.runs, state->settled_at);
}

static void print_open(FILE *out, const struct sim *sim, const struct trigger *trigger)
{
    for (size_t i = 0; i < trigger->model.open_count; i++) {
        const struct run *run = &sim->runs[trigger->model.open[i] - 1];
        fprintf(out, "  open: the run of %" PRId64 "%s until ", run->due_at,
                run->backfill ? ", a backfill" : "");
        print_wall(out, run->end_mono + sim->skew);
        fprintf(out, "\n");
    }
}

static void print_servers(FILE *out, const struct sim *sim)
{
    static const char *const states[] = {"down", "up", "stopping"};
    for (int i = 0; i < sim->server_count; i++) {
        const struct server *server = &sim->servers[i];
        struct mf_engine_stats stats = {0};
        if (server->engine)
            mf_engine_stats(server->engine, &stats);
        fprintf(out,
                "  server %d: %s, %s, %" PRIu64 " schedules, %" PRIu64 " failing, %" PRIu64
                " on their way, %" PRIu64 " due, next ",
                i, states[server->state], server->loaded ? "loaded" : "not loaded", stats.schedules,
                stats.failing, stats.in_flight, stats.due);
        print_wall(out, stats.next_at);
        fprintf(out, ", its turn in %" PRId64 " ms\n",
                server->turn_mono == INT64_MAX ? -1 : (server->turn_mono - sim->mono) / (SECOND / 1000));
    }
}

void sim_trace(const struct sim *sim, const struct trigger *trigger, const char *format, ...)
{
    va_list args;
    if (sim->trace < 0 || (trigger && sim->trace != (int64_t)trigger->index))
        return;
    print_wall(stdout, sim_wall(sim));
    printf(" ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    if (trigger)
        print_trigger(stdout, trigger);
}

void sim_violation(const struct sim *sim, const struct trigger *trigger, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "seed %" PRIu64 ": at ", sim->seed);
    print_wall(stderr, sim_wall(sim));
    fprintf(stderr, " (day %" PRId64 "): ", sim->mono / DAY);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    if (trigger)
        print_trigger(stderr, trigger);
    if (trigger)
        print_open(stderr, sim, trigger);
    print_servers(stderr, sim);
    fprintf(stderr, "  again: make sim SEED=%" PRIu64 " YEARS=%d\n", sim->seed, sim->years);
    fflush(stdout);
    _Exit(1);
}

/* ---- one world ---- */

static void handle(struct sim *sim, const struct event *event)
{
    struct server *server = event->a >= 0 && event->a < sim->server_count ? &sim->servers[event->a] : NULL;
    switch (event->kind) {
    case EVENT_TURN:
        server_on_turn(server, event->gen);
        break;
    case EVENT_APPLY:
        server_on_apply(sim, event->ptr);
        break;
    case EVENT_DONE:
        server_on_done(event->ptr);
        break;
    case EVENT_POKE:
        if (event->gen == server->gen)
            server_on_poke(server, event->ptr, event->b);
        break;
    case EVENT_CHANGED:
        if (event->gen == server->gen && server->state != SERVER_DOWN)
            mf_engine_changed(server->engine);
        break;
    case EVENT_START:
        life_on_start(sim, event->a, event->b != 0);
        break;
    case EVENT_CHANGE:
        life_on_change(sim, event->a, event->b != 0);
        break;
    case EVENT_REPLACE:
        life_on_replace(sim, event->ptr, event->gen);
        break;
    case EVENT_FAULT:
        life_on_fault(sim);
        break;
    case EVENT_CLOCK:
        life_on_clock(sim, event->a);
        break;
    case EVENT_SCAN:
        model_scan(sim);
        sim->totals.scans++;
        sim->totals.calm += sim_is_calm(sim);
        for (int i = 0; i < sim->server_count; i++)
            server_check_stats(&sim->servers[i]);
        sim_at(sim, sim->mono + rng_scale(&sim->rng, MINUTE, 6 * DAY), EVENT_SCAN, (struct event){0});
        break;
    }
}

static void begin(struct sim *sim)
{
    struct mf_error err;
    if (mf_zones_new(NULL, &sim->zones, &err) != MF_OK) {
        fprintf(stderr, "the simulation needs the time zones of the system: %s\n", err.message);
        exit(2);
    }
    sim->arena = mf_arena_new(0);
    sim->names = mf_map_new(sim->seed);
    if (!sim->arena || !sim->names)
        abort();
    life_begin(sim);
}

static void end(struct sim *sim)
{
    for (int i = 0; i < sim->server_count; i++)
        server_free(&sim->servers[i]);
    for (size_t i = 0; i < sim->heap_count; i++) {
        if (sim->heap[i].kind == EVENT_APPLY || sim->heap[i].kind == EVENT_DONE)
            free(sim->heap[i].ptr);
    }
    for (size_t i = 0; i < sim->trigger_count; i++)
        world_free_trigger(&sim->triggers[i]);
    for (size_t i = 0; i < sim->times_count; i++)
        times_free(&sim->times[i]);
    free(sim->heap);
    free(sim->triggers);
    free(sim->runs);
    mf_map_free(sim->names, NULL);
    mf_arena_free(sim->arena);
    mf_zones_free(sim->zones);
}

/* The hash of its history. */
static uint64_t run_world(uint64_t seed, int years, int64_t trace, bool quiet)
{
    struct sim *sim = calloc(1, sizeof *sim);
    if (!sim)
        abort();
    sim->seed = seed;
    sim->years = years;
    sim->trace = trace;
    sim->rng.state = seed * UINT64_C(0x2545f4914f6cdd1d);
    clock_t begun = clock();
    begin(sim);
    while (sim->heap[0].mono < sim->end_mono) {
        struct event event = take_event(sim);
        if (event.mono != sim->mono)
            sim->same_mono = 0;
        sim->mono = event.mono;
        sim->totals.events++;
        handle(sim, &event);
    }
    for (size_t i = 0; i < sim->trigger_count; i++) {
        if (sim->triggers[i].model.active)
            model_check_stretch(sim, &sim->triggers[i]);
        if (sim->steady)
            explain_trigger(sim, &sim->triggers[i]);
    }
    uint64_t hash = sim->hash;
    const struct totals *t = &sim->totals;
    if (!quiet)
        printf("seed %" PRIu64 ": %zu triggers, %d server%s, %" PRIu64 " fires (%" PRIu64 " found, %" PRIu64
               " buffered), %" PRIu64 " gaps, %" PRIu64 " due times explained (%" PRIu64 " audited), %" PRIu64
               " rewinds, %" PRIu64 " stale and %" PRIu64 " failed of %" PRIu64 " steps, %" PRIu64
               " changes, %" PRIu64 " pauses, %" PRIu64 " backfilled, %" PRIu64 " crashes, %" PRIu64
               " stops, %" PRIu64 " clock changes, calm at %" PRIu64 " of %" PRIu64
               " looks; %.1f s; hash %016" PRIx64 "\n",
               seed, sim->trigger_count, sim->server_count, sim->server_count > 1 ? "s" : "", t->fires,
               t->found, t->buffered, t->gaps, t->due, t->audited, t->rewinds, t->stale, t->failures,
               t->steps, t->changes, t->pauses, t->backfills, t->crashes, t->stops, t->clocks, t->calm,
               t->scans, (double)(clock() - begun) / CLOCKS_PER_SEC, hash);
    fflush(stdout);
    end(sim);
    free(sim);
    return hash;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    uint64_t seeds = 1;
    uint64_t years = 10;
    uint64_t trace = UINT64_MAX;
    bool twice = false;
    const struct {
        const char *name;
        uint64_t *value;
    } options[] = {{"--seed", &seed}, {"--seeds", &seeds}, {"--years", &years}, {"--trace", &trace}};
    for (int i = 1; i < argc; i++) {
        bool known = strcmp(argv[i], "--twice") == 0;
        twice = twice || known;
        for (size_t n = 0; n < sizeof options / sizeof options[0]; n++) {
            if (strcmp(argv[i], options[n].name) == 0 && i + 1 < argc)
                known = mf_str_to_u64(mf_str_from_c(argv[++i]), options[n].value);
        }
        if (!known || years < 1 || years > 100) {
            fprintf(stderr, "usage: %s [--seed N] [--seeds K] [--years Y] [--trace TRIGGER] [--twice]\n",
                    argv[0]);
            return 2;
        }
    }
    mf_log_set_level(MF_LOG_ERROR);
    for (uint64_t i = 0; i < seeds; i++) {
        uint64_t hash = run_world(seed + i, (int)years, (int64_t)trace, false);
        if (twice && run_world(seed + i, (int)years, -1, true) != hash) {
            fprintf(stderr, "seed %" PRIu64 " gives another history the second time\n", seed + i);
            return 1;
        }
    }
    printf("%" PRIu64 " passed, 0 failed\n", seeds);
    return 0;
}
