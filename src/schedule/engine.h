/*
 * The firing engine: one heap of the next due times of all active schedules. It decides nothing for good: it
 * plans steps, has them carried out by a port (a transaction of the store; a simulation has another), at most
 * one at a time for each schedule, and goes on from what they report. Without threads and clocks of its own:
 * somebody calls mf_engine_turn when the time that it asked for has come or when it asks to be woken.
 *
 * A step that fails is planned again after a pause, 1 s at first and a minute at most, until the catch-up
 * window of its due time ends; why it failed is recorded with the schedule.
 */
#ifndef MF_SCHEDULE_ENGINE_H
#define MF_SCHEDULE_ENGINE_H

#include "cron/zone.h"
#include "schedule/step.h"

struct mf_engine;

/* A step on its way. Lives from carry_out until mf_engine_done. */
struct mf_step_work {
    struct mf_step step;
    struct mf_step_result result; /* for the port to fill in */
    char trigger[200];            /* whose it is, for the log; for the port to fill in */
    enum mf_code code;            /* as given to mf_engine_done */
    char error[200];
    struct mf_step_work *next; /* the engine's */
};

struct mf_engine_port {
    void *ctx;
    /* Every schedule that is active; then, again and again, every one that has changed since. */
    enum mf_code (*active)(void *ctx, mf_schedule_visit visit, void *visit_ctx, struct mf_error *err);
    enum mf_code (*changes)(void *ctx, int64_t after_seq, mf_schedule_visit visit, void *visit_ctx,
                            struct mf_error *err);
    /* Must not block for long. mf_engine_done follows, on any thread, possibly before this returns. */
    void (*carry_out)(void *ctx, struct mf_step_work *work);
    /* Whoever calls mf_engine_turn should do so soon. Any thread; may be called often. */
    void (*wake)(void *ctx);
};

#define MF_LATENESS_BUCKETS 12
extern const double mf_lateness_bounds[MF_LATENESS_BUCKETS]; /* seconds; the last is infinite */

struct mf_engine_stats {
    uint64_t turns;                    /* completed mf_engine_turn and steps */
    uint64_t schedules;                /* active ones */
    uint64_t in_flight;                /* steps on their way */
    uint64_t failing;                  /* schedules whose last step has failed */
    uint64_t buffered;                 /* due times that wait for the end of a run */
    uint64_t fired[MF_FIRE_FOUND + 1]; /* by kind */
    uint64_t caught_up;                /* of them, later than MF_CATCH_UP_GRACE_NS */
    uint64_t skipped[MF_GAP_FAILED + 1];
    uint64_t failures; /* steps that failed */
    uint64_t paused;
    uint64_t lateness[MF_LATENESS_BUCKETS]; /* of fires by the clock, not summed up */
    double lateness_sum;                    /* seconds */
    uint64_t due;    /* schedules to look at that the last turn has left; 1000: or more */
    int64_t next_at; /* wall clock: when there is something to do; INT64_MAX: never */
};

struct mf_engine_config {
    struct mf_engine_port port;
    struct mf_zones *zones;
    size_t in_flight; /* due times on their way at once, so that others get at the store, too; 0: 512 */
    uint64_t seed;    /* any random number */
};
enum mf_code mf_engine_new(const struct mf_engine_config *config, struct mf_engine **out,
                           struct mf_error *err) MF_CHECK_RESULT;
/* No step is on its way any more. NULL is fine. */
void mf_engine_free(struct mf_engine *engine);

/* Both on the engine's one thread. load reads all active schedules, once. */
enum mf_code mf_engine_load(struct mf_engine *engine, int64_t now, struct mf_error *err) MF_CHECK_RESULT;
/* Does what is due; *wake_at says when something will be (wall clock; INT64_MAX: never). */
void mf_engine_turn(struct mf_engine *engine, int64_t now, int64_t *wake_at);
/* Only takes what steps report, and begins none, not even one that records a failure: for the end. */
void mf_engine_collect(struct mf_engine *engine);
size_t mf_engine_in_flight(const struct mf_engine *engine);

/* Any thread. */
void mf_engine_changed(struct mf_engine *engine);                   /* some trigger was changed */
void mf_engine_poke(struct mf_engine *engine, int64_t schedule_id); /* the run it waits for may have ended */
void mf_engine_done(struct mf_engine *engine, struct mf_step_work *work, enum mf_code code,
                    const struct mf_error *err);
void mf_engine_stats(struct mf_engine *engine, struct mf_engine_stats *out);

#endif
