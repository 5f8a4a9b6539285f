#include "server.h"

#include "model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MS (SECOND / 1000)
#define TURNS_MOST 200000 /* while the clock stands still */

/* ---- what an engine reads ---- */

static bool is_blind(struct sim *sim)
{
    return sim->mono < sim->blind_until && rng_chance(&sim->rng, 60);
}

/* A failure may come after some of the rows. */
static enum mf_code visit_rows(struct server *server, bool active, int64_t after_seq, mf_schedule_visit visit,
                               void *visit_ctx, struct mf_error *err)
{
    struct sim *sim = server->sim;
    size_t most = is_blind(sim) ? (size_t)rng_below(&sim->rng, (int64_t)sim->trigger_count) : SIZE_MAX;
    for (size_t i = 0; i < sim->trigger_count; i++) {
        const struct mf_schedule_row *row = &sim->triggers[i].row;
        if (i >= most)
            return mf_fail(err, MF_UNAVAILABLE, "the simulated disk cannot be read");
        if (row->revision > 0 && (active ? row->active : row->seq > after_seq) && !visit(visit_ctx, row))
            break;
    }
    return MF_OK;
}

static enum mf_code read_active(void *ctx, mf_schedule_visit visit, void *visit_ctx, struct mf_error *err)
{
    return visit_rows(ctx, true, 0, visit, visit_ctx, err);
}

static int by_seq(const void *a, const void *b)
{
    const struct mf_schedule_row *const *left = a;
    const struct mf_schedule_row *const *right = b;
    return ((*left)->seq > (*right)->seq) - ((*left)->seq < (*right)->seq);
}

static enum mf_code read_changes(void *ctx, int64_t after_seq, mf_schedule_visit visit, void *visit_ctx,
                                 struct mf_error *err)
{
    struct server *server = ctx;
    struct sim *sim = server->sim;
    const struct mf_schedule_row **rows = malloc((sim->trigger_count + 1) * sizeof(void *));
    size_t count = 0;
    if (!rows)
        abort();
    for (size_t i = 0; i < sim->trigger_count; i++) {
        if (sim->triggers[i].row.seq > after_seq)
            rows[count++] = &sim->triggers[i].row;
    }
    qsort(rows, count, sizeof(void *), by_seq);
    size_t most = is_blind(sim) ? (size_t)rng_below(&sim->rng, (int64_t)count + 1) : SIZE_MAX;
    bool more = true;
    for (size_t i = 0; more && i < count && i < most; i++)
        more = visit(visit_ctx, rows[i]);
    free(rows);
    return most == SIZE_MAX ? MF_OK : mf_fail(err, MF_UNAVAILABLE, "the simulated disk cannot be read");
}

/* ---- steps ---- */

/* As the product does: follows the run that a buffered due time waits for, until nothing waits. */
static void follow(struct server *server, const struct mf_step_work *step)
{
    struct sim *sim = server->sim;
    const struct mf_step_result *result = &step->result;
    struct trigger *trigger = &sim->triggers[step->step.schedule_id - 1];
    int64_t *followed = &server->follow[trigger->index];
    if (result->state.buffered_at == 0) {
        *followed = 0;
    } else if (result->follow_run != 0 && result->follow_run != *followed) {
        *followed = result->follow_run;
        sim_at(sim, world_run(sim, *followed)->end_mono + rng_below(&sim->rng, 5 * MS), EVENT_POKE,
               (struct event){.a = server->index, .gen = server->gen, .b = *followed, .ptr = trigger});
        mf_engine_poke(server->engine, step->step.schedule_id);
    }
}

/* A commit that happened and is reported as failed: the server does not live on for long. */
static enum mf_code lose_answer(struct sim *sim, struct server *server, struct mf_error *err)
{
    server->dying = true;
    int64_t end = sim->mono + rng_below(&sim->rng, 100 * MS);
    sim_at(sim, end, EVENT_START, (struct event){.a = server->index, .b = 1});
    sim_disturb(sim, end);
    return mf_fail(err, MF_UNAVAILABLE, "the simulated answer is lost");
}

static void apply(struct sim *sim, struct work *work)
{
    struct mf_error err = {0};
    bool refuse = sim->mono < sim->refuse_until;
    work->applied = true;
    if (refuse && rng_chance(&sim->rng, 40))
        work->code = mf_fail(&err, MF_UNAVAILABLE, "the simulated disk is full");
    else
        work->code = world_apply(sim, &work->work->step, work->planned_wall, &work->work->result, &err);
    if (work->code != MF_OK && refuse)
        model_failed(sim, &sim->triggers[work->work->step.schedule_id - 1], &work->work->step);
    if (work->code == MF_OK && refuse && !work->server->dying && rng_chance(&sim->rng, 2)) {
        model_failed(sim, &sim->triggers[work->work->step.schedule_id - 1], &work->work->step);
        work->code = lose_answer(sim, work->server, &err);
    }
    sim->totals.failures += work->code != MF_OK;
    if (work->code == MF_OK)
        follow(work->server, work->work);
    snprintf(work->error, sizeof work->error, "%.*s", (int)(sizeof work->error - 1), err.message);
}

void server_on_done(struct work *work)
{
    struct server *server = work->server;
    struct mf_error err;
    if (!work->work) {
        free(work);
        return;
    }
    struct work **at = &server->works;
    while (*at != work)
        at = &(*at)->next;
    *at = work->next;
    struct mf_step_work *step = work->work;
    mf_fail(&err, work->code, "%s", work->error);
    enum mf_code code = work->code;
    free(work);
    mf_engine_done(server->engine, step, code, code == MF_OK ? NULL : &err);
}

static void commit(struct sim *sim, struct work *work)
{
    apply(sim, work);
    if (rng_chance(&sim->rng, 60))
        server_on_done(work);
    else
        sim_at(sim, sim->mono + rng_below(&sim->rng, 5 * MS), EVENT_DONE, (struct event){.ptr = work});
}

static int64_t commit_time(struct sim *sim)
{
    if (sim->mono < sim->slow_until)
        return rng_scale(&sim->rng, MS, 120 * SECOND);
    return rng_range(&sim->rng, 0, 20 * MS);
}

static void carry_out(void *ctx, struct mf_step_work *step)
{
    struct server *server = ctx;
    struct sim *sim = server->sim;
    struct work *work = calloc(1, sizeof *work);
    if (!work)
        abort();
    *work =
        (struct work){.server = server, .work = step, .planned_wall = sim_wall(sim), .next = server->works};
    server->works = work;
    if (rng_chance(&sim->rng, 5)) {
        commit(sim, work);
        return;
    }
    sim_at(sim, sim->mono + commit_time(sim), EVENT_APPLY, (struct event){.ptr = work});
}

static void wake(void *ctx)
{
    struct server *server = ctx;
    server_turn_by(server, server->sim->mono + rng_below(&server->sim->rng, 3 * MS));
}

void server_on_apply(struct sim *sim, struct work *work)
{
    if (work->work && sim->crash_in > 0 && --sim->crash_in == 0) {
        int64_t back = sim->mono + rng_scale(&sim->rng, MS, 10 * MINUTE);
        server_crash(work->server);
        sim_disturb(sim, back);
        sim_at(sim, back, EVENT_START, (struct event){.a = work->server->index});
    }
    if (work->work)
        commit(sim, work);
    else
        free(work);
}

/* ---- turns ---- */

void server_turn_by(struct server *server, int64_t mono)
{
    if (mono >= server->turn_mono)
        return;
    server->turn_mono = mono;
    server->turn_gen++;
    sim_at(server->sim, mono, EVENT_TURN, (struct event){.a = server->index, .gen = server->turn_gen});
}

void server_clock_set(struct server *server)
{
    if (server->state != SERVER_DOWN)
        server_turn_by(server, server->sim->mono + rng_below(&server->sim->rng, MS));
}

static void go_down(struct server *server)
{
    mf_engine_free(server->engine);
    server->engine = NULL;
    server->state = SERVER_DOWN;
    server->turn_mono = INT64_MAX;
    server->turn_gen++;
    server->gen++;
}

static void load(struct server *server)
{
    struct sim *sim = server->sim;
    struct mf_error err;
    server->loaded = mf_engine_load(server->engine, sim_wall(sim), &err) == MF_OK;
    if (!server->loaded)
        server_turn_by(server, sim->mono + SECOND);
}

void server_on_turn(struct server *server, uint32_t gen)
{
    struct sim *sim = server->sim;
    int64_t wake_at;
    if (gen != server->turn_gen || server->state == SERVER_DOWN)
        return;
    server->turn_mono = INT64_MAX;
    sim->totals.turns++;
    if (++sim->same_mono > TURNS_MOST)
        sim_violation(sim, NULL, "the engine takes turns and the clock does not move");
    if (server->state == SERVER_STOPPING) {
        mf_engine_collect(server->engine);
        if (mf_engine_in_flight(server->engine) == 0)
            go_down(server);
        return;
    }
    if (!server->loaded)
        load(server);
    if (!server->loaded)
        return;
    mf_engine_turn(server->engine, sim_wall(sim), &wake_at);
    if (wake_at == INT64_MAX)
        return;
    int64_t mono = wake_at - sim->skew;
    server_turn_by(server, (mono > sim->mono ? mono : sim->mono) + rng_below(&sim->rng, 2 * MS));
}

void server_on_poke(struct server *server, struct trigger *trigger, int64_t run_id)
{
    if (server->state != SERVER_DOWN && server->follow[trigger->index] == run_id)
        mf_engine_poke(server->engine, trigger->row.id);
}

/* ---- start and end ---- */

void server_start(struct server *server)
{
    struct sim *sim = server->sim;
    struct mf_engine_config config = {
        .port = {.ctx = server,
                 .active = read_active,
                 .changes = read_changes,
                 .carry_out = carry_out,
                 .wake = wake},
        .zones = sim->zones,
        .in_flight = sim->in_flight,
        .seed = rng_next(&sim->rng),
    };
    struct mf_error err;
    if (server->state != SERVER_DOWN)
        return;
    if (mf_engine_new(&config, &server->engine, &err) != MF_OK)
        sim_violation(sim, NULL, "no engine: %s", err.message);
    server->state = SERVER_UP;
    server->loaded = false;
    server->dying = false;
    sim_disturb(sim, sim->mono);
    memset(server->follow, 0, sim->trigger_count * sizeof server->follow[0]);
    server_turn_by(server, sim->mono);
}

void server_stop(struct server *server)
{
    if (server->state != SERVER_UP)
        return;
    server->state = SERVER_STOPPING;
    server->sim->totals.stops++;
    server_turn_by(server, server->sim->mono);
}

void server_crash(struct server *server)
{
    struct sim *sim = server->sim;
    struct mf_error err;
    if (server->state == SERVER_DOWN)
        return;
    sim->totals.crashes++;
    server->dying = true;
    sim_mix(sim, (uint64_t)sim->mono);
    mf_fail(&err, MF_UNAVAILABLE, "the simulated server is killed");
    for (struct work *work = server->works, *next; work; work = next) {
        struct mf_step_work *step = work->work;
        next = work->next;
        if (!work->applied && rng_chance(&sim->rng, 50))
            apply(sim, work);
        work->work = NULL;
        mf_engine_done(server->engine, step, MF_UNAVAILABLE, &err);
    }
    server->works = NULL;
    mf_engine_collect(server->engine);
    if (mf_engine_in_flight(server->engine) != 0)
        sim_violation(sim, NULL, "a step is on its way that is none");
    go_down(server);
}

void server_check_stats(struct server *server)
{
    struct sim *sim = server->sim;
    struct mf_engine_stats stats;
    uint64_t active = 0;
    uint64_t buffered = 0;
    if (server->state != SERVER_UP || !server->loaded || !sim_is_calm(sim) || sim->server_count > 1 ||
        mf_engine_in_flight(server->engine) > 0)
        return;
    for (size_t i = 0; i < sim->trigger_count; i++) {
        const struct model *model = &sim->triggers[i].model;
        if (model->active && sim->mono - model->since_mono < MINUTE)
            return;
        active += model->active;
        buffered += model->active && model->buffered != 0;
    }
    mf_engine_stats(server->engine, &stats);
    if (stats.schedules != active || stats.buffered != buffered)
        sim_violation(sim, NULL,
                      "the engine tells of %" PRIu64 " schedules, %" PRIu64
                      " buffered, but there are %" PRIu64 " and %" PRIu64,
                      stats.schedules, stats.buffered, active, buffered);
}

void server_free(struct server *server)
{
    if (server->state != SERVER_DOWN)
        server_crash(server);
    free(server->follow);
}
