#include "life.h"

#include "server.h"
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MS (SECOND / 1000)
#define BEGIN_YEARS_MOST 70               /* after 1991 */
#define DUE_OF_TEN_YEARS INT64_C(2500000) /* of all triggers together, more or less */
#define CATCH_UP_MOST 2000                /* due times within a window */
#define LAST_YEAR (260 * YEAR)            /* after 1970; nanoseconds end in 2262 */

/* ---- policies ---- */

static size_t add_number(char *text, size_t size, size_t len, const char *name, int64_t value)
{
    return len + (size_t)snprintf(text + len, size - len, "%s%s=%" PRId64, len > 0 ? " " : "", name, value);
}

static size_t add_word(char *text, size_t size, size_t len, const char *name, const char *word)
{
    return len + (size_t)snprintf(text + len, size - len, "%s%s=%s", len > 0 ? " " : "", name, word);
}

static int64_t random_window(struct sim *sim, const struct times *times)
{
    int64_t most = 366 * DAY;
    if (times->distance < most / CATCH_UP_MOST)
        most = times->distance * CATCH_UP_MOST;
    return rng_scale(&sim->rng, SECOND, most > DAY ? most : DAY);
}

/* Often at a due time itself. */
static int64_t random_end(struct sim *sim, struct times *times)
{
    int64_t at = sim_wall(sim) + rng_scale(&sim->rng, HOUR, 8 * YEAR);
    if (rng_chance(&sim->rng, 60) && times_next(times, 0, at, &at) && rng_chance(&sim->rng, 30))
        at--;
    return at;
}

static void random_policy(struct sim *sim, struct times *times, char *text, size_t size)
{
    static const char *const catch_ups[] = {"latest", "none"};
    static const char *const overlaps[] = {"skip", "buffer-one", "cancel-other"};
    struct rng *rng = &sim->rng;
    size_t len = 0;
    text[0] = '\0';
    if (rng_chance(rng, 30))
        return;
    if (rng_chance(rng, 40))
        len = add_word(text, size, len, "catch-up", catch_ups[rng_below(rng, 2)]);
    if (rng_chance(rng, 40))
        len = add_number(text, size, len, "catch-up-window", random_window(sim, times));
    if (rng_chance(rng, 50))
        len = add_word(text, size, len, "overlap", overlaps[rng_below(rng, 3)]);
    if (rng_chance(rng, 25))
        len = add_number(text, size, len, "jitter", rng_scale(rng, 1, 86400000) * MS);
    if (rng_chance(rng, 15))
        len = add_number(text, size, len, "end-time", random_end(sim, times));
    if (rng_chance(rng, 15))
        len = add_number(text, size, len, "max-runs", rng_scale(rng, 1, 500));
    if (rng_chance(rng, 20))
        len = add_number(text, size, len, "pause-after-failures", rng_scale(rng, 1, 8));
}

/* ---- people ---- */

/* One that makes few due times in what is left, or a dense one for a while. *lasts: INT64_MAX: for ever. */
static struct times *random_times(struct sim *sim, int64_t *lasts)
{
    int64_t left = sim->end_mono - sim->mono + DAY;
    int64_t most = DUE_OF_TEN_YEARS * sim->years / 10 / (int64_t)sim->trigger_count + 1;
    struct times *times = NULL;
    most = most * (left / DAY) / (sim->end_mono / DAY + 1) + 1;
    for (int tries = 0; tries < 20; tries++) {
        times = &sim->times[rng_below(&sim->rng, (int64_t)sim->times_count)];
        *lasts = INT64_MAX;
        if (left / times->distance <= rng_scale(&sim->rng, 1, 2 * most + 2))
            return times;
    }
    *lasts = times->distance * rng_scale(&sim->rng, 1, most / 2 + 2);
    return times;
}

static void deploy(struct sim *sim, struct trigger *trigger)
{
    char policy[400];
    int64_t lasts = INT64_MAX;
    struct wish wish = {.on = !rng_chance(&sim->rng, 10), .policy_text = policy};
    wish.times = random_times(sim, &lasts);
    random_policy(sim, wish.times, policy, sizeof policy);
    world_deploy(sim, trigger, &wish);
    trigger->replace_gen++;
    if (lasts < INT64_MAX && sim->mono + lasts < sim->end_mono)
        sim_at(sim, sim->mono + lasts, EVENT_REPLACE,
               (struct event){.ptr = trigger, .gen = trigger->replace_gen});
}

void life_on_replace(struct sim *sim, struct trigger *trigger, uint32_t gen)
{
    if (gen != trigger->replace_gen)
        return;
    if (rng_chance(&sim->rng, 20)) {
        world_delete(sim, trigger);
        sim_trace(sim, trigger, "deleted");
        return;
    }
    deploy(sim, trigger);
    sim_trace(sim, trigger, "another schedule");
}

/* The same with a new version of its task. */
static void redeploy(struct sim *sim, struct trigger *trigger, bool on)
{
    const struct wish wish = {.on = on, .times = trigger->times, .policy_text = trigger->policy_text};
    world_deploy(sim, trigger, &wish);
}

static void edit_policy(struct sim *sim, struct trigger *trigger)
{
    char policy[400];
    const struct wish wish = {.on = trigger->on, .times = trigger->times, .policy_text = policy};
    random_policy(sim, trigger->times, policy, sizeof policy);
    world_deploy(sim, trigger, &wish);
}

static void backfill(struct sim *sim, struct trigger *trigger)
{
    int64_t wall = sim_wall(sim);
    int64_t far = trigger->times->distance < YEAR ? 100 * trigger->times->distance : 100 * YEAR;
    int64_t from = wall - rng_scale(&sim->rng, 1, far);
    world_backfill(sim, trigger, from > 0 ? from : 0, wall - 1);
}

static void change(struct sim *sim, struct trigger *trigger)
{
    int what = (int)rng_below(&sim->rng, 100);
    if (trigger->row.revision == 0 || trigger->deleted)
        deploy(sim, trigger);
    else if (!trigger->on && what >= 40)
        world_switch(sim, trigger, true);
    else if (what < 15)
        deploy(sim, trigger);
    else if (what < 30)
        redeploy(sim, trigger, trigger->on);
    else if (what < 35)
        redeploy(sim, trigger, !trigger->on);
    else if (what < 50)
        edit_policy(sim, trigger);
    else if (what < 55)
        world_delete(sim, trigger);
    else if (what < 70)
        backfill(sim, trigger);
    else if (what < 80)
        world_abort(sim, trigger);
    else
        world_switch(sim, trigger, !trigger->on);
    sim_trace(sim, trigger, "changed in way %d", what);
}

/* Often at the very moment at which it is due. */
static int64_t change_time(struct sim *sim, const struct trigger *trigger)
{
    int64_t mono = sim->mono + rng_scale(&sim->rng, SECOND, 8 * YEAR / (int64_t)(sim->trigger_count * 4));
    int64_t due;
    if (trigger->row.active && rng_chance(&sim->rng, 40) &&
        times_next(trigger->times, trigger->row.baseline_at, mono + sim->skew, &due) &&
        due - sim->skew < mono + 30 * DAY)
        mono = due - sim->skew + trigger->model.offset + rng_range(&sim->rng, -3 * MS, 30 * MS);
    return mono > sim->mono ? mono : sim->mono;
}

static void plan_change(struct sim *sim)
{
    int64_t index = rng_below(&sim->rng, (int64_t)sim->trigger_count);
    sim_at(sim, change_time(sim, &sim->triggers[index]), EVENT_CHANGE, (struct event){.a = index, .b = 1});
}

void life_on_change(struct sim *sim, int64_t index, bool goes_on)
{
    change(sim, &sim->triggers[index]);
    if (goes_on)
        plan_change(sim);
}

/* ---- faults ---- */

static void stop_server(struct sim *sim, struct server *server, bool crash, int64_t lasts)
{
    if (server->state != SERVER_UP)
        return;
    if (crash)
        server_crash(server);
    else
        server_stop(server);
    sim_at(sim, sim->mono + lasts, EVENT_START, (struct event){.a = server->index});
    sim_disturb(sim, sim->mono + lasts);
}

static void stop_all(struct sim *sim, bool crash, int64_t lasts)
{
    for (int i = 0; i < sim->server_count; i++)
        stop_server(sim, &sim->servers[i], crash, lasts);
}

/* It is back at the very instant at which a due time becomes too old, or a little later. */
static void stop_for_a_window(struct sim *sim, struct server *server)
{
    struct trigger *trigger = &sim->triggers[rng_below(&sim->rng, (int64_t)sim->trigger_count)];
    const struct model *model = &trigger->model;
    int64_t due;
    if (!model->active || !times_next(model->times, model->baseline, sim_wall(sim), &due))
        return;
    int64_t late =
        model->policy.catch_up == MF_CATCH_UP_NONE ? MF_CATCH_UP_GRACE_NS : model->policy.window_ns;
    int64_t lasts = due - sim_wall(sim) + model->offset + late + rng_below(&sim->rng, 2) * MS;
    if (lasts < 90 * DAY)
        stop_server(sim, server, true, lasts);
}

static void break_triggers(struct sim *sim)
{
    int64_t most = (int64_t)sim->trigger_count;
    for (int64_t count = rng_scale(&sim->rng, 1, most); count > 0; count--) {
        struct trigger *trigger = &sim->triggers[rng_below(&sim->rng, most)];
        trigger->trouble_until = sim->mono + rng_scale(&sim->rng, MINUTE, 3 * DAY);
    }
}

void life_on_clock(struct sim *sim, int64_t by)
{
    by -= by % MS;
    int64_t wall = sim_wall(sim) + by;
    if (wall < 2 * YEAR || wall > LAST_YEAR)
        return;
    sim->skew += by;
    sim->totals.clocks++;
    sim_mix(sim, (uint64_t)wall);
    sim_disturb(sim, sim->mono);
    sim_trace(sim, NULL, "the clock is set by %" PRId64 " ms", by / MS);
    for (int i = 0; i < sim->server_count; i++)
        server_clock_set(&sim->servers[i]);
}

/* A wrong year, and some minutes later the right one. */
static void wrong_year(struct sim *sim, int sign)
{
    int64_t by = rng_scale(&sim->rng, DAY, 60 * YEAR) * sign;
    int64_t wall = sim_wall(sim) + by;
    if (wall < 2 * YEAR || wall > LAST_YEAR)
        return;
    int64_t lasts = rng_scale(&sim->rng, 10 * SECOND, 2 * HOUR);
    life_on_clock(sim, by);
    sim_at(sim, sim->mono + lasts, EVENT_CLOCK,
           (struct event){.a = -by + rng_range(&sim->rng, -2 * SECOND, 2 * SECOND)});
    sim_disturb(sim, sim->mono + lasts);
}

static void many_changes(struct sim *sim)
{
    for (int64_t count = rng_scale(&sim->rng, 3, 60); count > 0; count--) {
        int64_t mono = sim->mono + rng_below(&sim->rng, 20 * SECOND);
        sim_at(sim, mono, EVENT_CHANGE,
               (struct event){.a = rng_below(&sim->rng, (int64_t)sim->trigger_count)});
    }
}

static void for_nothing(struct sim *sim)
{
    for (int i = 0; i < sim->server_count; i++) {
        struct server *server = &sim->servers[i];
        if (server->state != SERVER_UP)
            continue;
        for (int n = 0; n < 20; n++)
            mf_engine_poke(server->engine, rng_range(&sim->rng, -2, (int64_t)sim->trigger_count + 3));
        mf_engine_changed(server->engine);
    }
}

static void crashes(struct sim *sim)
{
    for (int n = (int)rng_range(&sim->rng, 2, 6); n > 0; n--) {
        int64_t mono = sim->mono + rng_scale(&sim->rng, MS, 20 * SECOND);
        for (int i = 0; i < sim->server_count; i++)
            sim_at(sim, mono, EVENT_START, (struct event){.a = i, .b = 1});
    }
    sim_disturb(sim, sim->mono + 30 * SECOND);
}

static void last(struct sim *sim, int64_t *until, int64_t most)
{
    *until = sim->mono + rng_scale(&sim->rng, SECOND, most);
    sim_disturb(sim, *until);
}

void life_on_fault(struct sim *sim)
{
    struct rng *rng = &sim->rng;
    int what = (int)(sim->steady ? rng_range(rng, 4, 15) : rng_below(rng, 16));
    int sign = rng_chance(rng, 50) ? 1 : -1;
    struct server *server = &sim->servers[rng_below(rng, sim->server_count)];
    sim_trace(sim, NULL, "fault %d", what);
    switch (what) {
    case 0:
        life_on_clock(sim, sign * rng_scale(rng, MS, 2 * SECOND));
        break;
    case 1:
    case 2:
        life_on_clock(sim, sign * rng_scale(rng, SECOND, 3 * DAY));
        break;
    case 3:
        wrong_year(sim, sign);
        break;
    case 4:
        stop_for_a_window(sim, server);
        break;
    case 5:
        stop_server(sim, server, true, rng_scale(rng, MS, 10 * MINUTE));
        break;
    case 6:
        stop_server(sim, server, false, rng_scale(rng, SECOND, 90 * DAY));
        break;
    case 7:
        stop_all(sim, sign > 0, rng_scale(rng, SECOND, 30 * DAY));
        break;
    case 8:
        last(sim, &sim->refuse_until, 6 * HOUR);
        break;
    case 9:
        last(sim, &sim->slow_until, 6 * HOUR);
        break;
    case 10:
        last(sim, &sim->blind_until, HOUR);
        many_changes(sim);
        crashes(sim);
        break;
    case 11:
        break_triggers(sim);
        break;
    case 12:
        sim->crash_in = (int)rng_scale(rng, 1, 300);
        break;
    case 13:
        many_changes(sim);
        break;
    case 14:
        for_nothing(sim);
        break;
    default:
        crashes(sim);
    }
    if (rng_chance(rng, 30))
        many_changes(sim);
    sim_at(sim, sim->mono + rng_scale(rng, MINUTE, 60 * DAY), EVENT_FAULT, (struct event){0});
}

void life_on_start(struct sim *sim, int64_t index, bool dies)
{
    struct server *server = &sim->servers[index];
    if (dies)
        server_crash(server);
    if (server->state == SERVER_STOPPING)
        sim_at(sim, sim->mono + SECOND, EVENT_START, (struct event){.a = index});
    else
        server_start(server);
}

/* ---- begin and end ---- */

static void begin_trigger(struct sim *sim, size_t index)
{
    struct trigger *trigger = &sim->triggers[index];
    *trigger = (struct trigger){.index = index};
    snprintf(trigger->task, sizeof trigger->task, "task%zu", index / 7);
    snprintf(trigger->name, sizeof trigger->name, "trigger%zu", index);
    trigger->row.id = (int64_t)index + 1;
    trigger->row.key = (struct mf_trigger_key){.project = MF_STR("project"),
                                               .domain = MF_STR("development"),
                                               .task_name = mf_str_from_c(trigger->task),
                                               .name = mf_str_from_c(trigger->name)};
    trigger->model.tried_mono = trigger->model.since_mono = -YEAR;
    sim_at(sim, rng_scale(&sim->rng, MS, 60 * DAY), EVENT_CHANGE, (struct event){.a = (int64_t)index});
}

void life_begin(struct sim *sim)
{
    struct rng *rng = &sim->rng;
    sim->begin_wall = rng_range(rng, 21 * YEAR / MS, (21 + BEGIN_YEARS_MOST) * YEAR / MS) * MS;
    sim->skew = sim->begin_wall;
    sim->steady = rng_chance(rng, 30);
    sim->end_mono = sim->years * (YEAR + DAY / 4);
    sim->times_count = (size_t)rng_range(rng, 20, TIMES_MOST);
    for (size_t i = 0; i < sim->times_count; i++)
        times_make(&sim->times[i], rng, sim->zones, sim->arena, sim->begin_wall);
    sim->trigger_count = (size_t)rng_scale(rng, 100, 6000);
    sim->triggers = calloc(sim->trigger_count, sizeof(struct trigger));
    sim->in_flight = (size_t)rng_scale(rng, 8, 1024);
    sim->server_count = rng_chance(rng, 25) ? 2 : 1;
    if (!sim->triggers)
        abort();
    for (size_t i = 0; i < sim->trigger_count; i++)
        begin_trigger(sim, i);
    for (int i = 0; i < sim->server_count; i++) {
        struct server *server = &sim->servers[i];
        *server = (struct server){.sim = sim, .index = i, .turn_mono = INT64_MAX};
        server->follow = calloc(sim->trigger_count, sizeof server->follow[0]);
        if (!server->follow)
            abort();
        sim_at(sim, rng_scale(rng, MS, DAY), EVENT_START, (struct event){.a = i});
    }
    plan_change(sim);
    sim_at(sim, rng_scale(rng, HOUR, 30 * DAY), EVENT_FAULT, (struct event){0});
    sim_at(sim, DAY, EVENT_SCAN, (struct event){0});
}
