/*
 * A simulated world: a clock, triggers, a store in memory, servers that run the real engine, and people who
 * change triggers. One seed gives one history. There are two clocks: mono is the time that really passes,
 * wall is what the servers' clock shows, and it can be set.
 */
#ifndef MF_SIM_SIM_H
#define MF_SIM_SIM_H

#include "base/map.h"
#include "schedule/audit.h"
#include "schedule/engine.h"
#include "times.h"

#define SERVERS_MAX 2
#define TIMES_MOST 64

enum run_end { RUN_SUCCEEDED, RUN_FAILED, RUN_TIMED_OUT, RUN_ABORTED };

struct run {
    struct trigger *trigger;
    int64_t due_at;
    int64_t end_mono; /* it is open before */
    enum run_end end;
    bool backfill;
};

/* As the store has them. */
struct gap {
    int64_t from_at, until_at;
    enum mf_gap_reason reason;
    uint32_t error; /* hash; 0: none */
};

struct fire {
    int64_t due_at, run_id;
    enum mf_fire_kind kind;
    int64_t fired_at;
};

/* What the model has found to be the end of a due time. */
struct told {
    int64_t at;
    enum { TOLD_FIRE, TOLD_GAP, TOLD_WAITS } kind; /* WAITS: buffered, until now or until it was dropped */
    enum mf_gap_reason reason;
};

/* What the model knows of a trigger: written from the rules, not from what the store says. */
struct model {
    bool active;
    struct times *times;
    struct mf_policy policy;
    int64_t offset;
    int64_t baseline, cursor, buffered, runs;
    int64_t stretch_from; /* due times from here to the cursor have been decided under this schedule */
    bool noted;           /* an error is recorded */
    bool tried;           /* the due time behind the cursor was tried, and failed */
    int64_t tried_mono;   /* when a step has failed last */
    int64_t since_mono;   /* when the trigger was last changed */
    bool next_known;
    int64_t next; /* the due time behind the cursor; INT64_MAX: none */
    int64_t *open;
    size_t open_count, open_cap;
};

struct trigger {
    size_t index;
    char task[32], name[32];
    struct mf_schedule_row row;
    char error[200]; /* of the row */
    char policy_text[400];
    struct times *times;
    struct mf_policy policy;
    bool on, deleted;
    struct fire *fires; /* by due_at */
    size_t fire_count, fire_cap;
    struct gap *gaps; /* by from_at */
    size_t gap_count, gap_cap;
    int64_t trouble_until;               /* mono: no run can be made */
    uint32_t replace_gen;                /* of the change that ends a dense schedule */
    struct mf_audit_revision *revisions; /* all it had */
    size_t revision_count, revision_cap;
    struct told *told; /* of a world whose clock is never set */
    size_t told_count, told_cap;
    struct model model;
};

enum event_kind {
    EVENT_TURN,
    EVENT_APPLY,
    EVENT_DONE,
    EVENT_POKE,
    EVENT_CHANGED,
    EVENT_START,
    EVENT_CHANGE,  /* somebody changes some trigger */
    EVENT_REPLACE, /* a dense schedule is replaced */
    EVENT_FAULT,
    EVENT_CLOCK, /* the clock is set */
    EVENT_SCAN,
};

struct event {
    int64_t mono;
    uint64_t order;
    enum event_kind kind;
    uint32_t gen;
    int64_t a, b;
    void *ptr;
};

struct sim;

/* A step that a server has under way. */
struct work {
    struct server *server;
    struct mf_step_work *work; /* NULL: the server is gone */
    int64_t planned_wall;
    bool applied;
    enum mf_code code;
    char error[100];
    struct work *next;
};

struct server {
    struct sim *sim;
    int index;
    enum { SERVER_DOWN, SERVER_UP, SERVER_STOPPING } state;
    bool loaded;
    bool dying; /* its end is near, or here */
    struct mf_engine *engine;
    uint32_t gen; /* of the process */
    uint32_t turn_gen;
    int64_t turn_mono; /* the next turn; INT64_MAX: none */
    struct work *works;
    int64_t *follow; /* by trigger: the run whose end is waited for; 0: none */
};

struct totals {
    uint64_t events, turns, steps, fires, gaps, found, buffered, rewinds, stale, failures, changes, crashes,
        stops, clocks, pauses, backfills, due, audited, scans, calm;
};

struct sim {
    uint64_t seed;
    bool steady; /* the clock is never set */
    int years;
    int64_t trace; /* index of a trigger; -1: none */
    struct rng rng;
    int64_t mono, skew, end_mono;
    int64_t begin_wall;
    struct event *heap;
    size_t heap_count, heap_cap;
    uint64_t order;
    struct mf_zones *zones;
    struct mf_arena *arena;
    struct times times[TIMES_MOST];
    size_t times_count;
    struct trigger *triggers;
    size_t trigger_count;
    struct run *runs; /* by id, from 1 on */
    size_t run_count, run_cap;
    struct mf_map *names;
    int64_t seq;
    struct server servers[SERVERS_MAX];
    int server_count;
    size_t in_flight;
    int64_t refuse_until; /* mono: commits fail */
    int64_t slow_until;   /* mono: commits take long */
    int64_t blind_until;  /* mono: reading fails */
    int64_t calm_from;    /* mono: when the last fault was over */
    int crash_in;         /* so many steps until a server dies in the midst of one; 0: none */
    int64_t same_mono;    /* turns since the clock has moved */
    struct totals totals;
    uint64_t hash;
};

static inline int64_t sim_wall(const struct sim *sim)
{
    return sim->mono + sim->skew;
}

void sim_at(struct sim *sim, int64_t mono, enum event_kind kind, struct event event);
void sim_mix(struct sim *sim, uint64_t value); /* into the hash of the history */
/* A fault lasts until then. */
void sim_disturb(struct sim *sim, int64_t until_mono);
/* No fault for long enough that everything due is done. */
bool sim_is_calm(const struct sim *sim);
void sim_trace(const struct sim *sim, const struct trigger *trigger, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A rule is broken: says where and ends the program. */
_Noreturn void sim_violation(const struct sim *sim, const struct trigger *trigger, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Room for one more element. */
void sim_grow(void **list, size_t count, size_t *cap, size_t size);

#endif
