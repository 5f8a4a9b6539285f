/*
 * Carries a plan out inside one transaction: looks again whether it still fits the schedule's row, applies
 * the policy to each due time, and moves the row along. What it does to the world goes through a table of
 * operations, so that a simulation runs the same code on a store of its own.
 */
#ifndef MF_SCHEDULE_STEP_H
#define MF_SCHEDULE_STEP_H

#include "schedule/plan.h"
#include "store/schedule.h"

/* A plan and what it was made from; in the arena or memory of whoever carries it out. */
struct mf_step {
    int64_t schedule_id;
    int64_t seq, cursor_at, buffered_at; /* of the row that the plan was made from */
    int64_t offset_ns;
    struct mf_plan plan;
    struct mf_str note; /* MF_PLAN_NOTE: what was wrong */
};

/* Each is called inside the transaction; a failure undoes the whole step. row is the schedule as it stands.
 */
struct mf_step_ops {
    /* A run of the schedule that has not ended: its id; 0: there is none. Moves row->state.settled_at. */
    enum mf_code (*open_run)(void *ctx, struct mf_schedule_row *row, int64_t *run_id, struct mf_error *err);
    /* Whether the due time has its run already. */
    enum mf_code (*has_fire)(void *ctx, const struct mf_schedule_row *row, int64_t due_at, bool *there,
                             struct mf_error *err);
    enum mf_code (*abort_open)(void *ctx, struct mf_schedule_row *row, struct mf_error *err);
    /* As mf_fire_failures, since the row's baseline. */
    enum mf_code (*failures)(void *ctx, const struct mf_schedule_row *row, uint32_t limit, uint32_t *count,
                             struct mf_error *err);
    /* The run of the plan's item; *existed: one of its name was there, and nothing was started. */
    enum mf_code (*make_run)(void *ctx, const struct mf_schedule_row *row, size_t item, int64_t *run_id,
                             bool *existed, struct mf_error *err);
    enum mf_code (*put_fire)(void *ctx, const struct mf_fire_row *fire, struct mf_error *err);
    enum mf_code (*put_gap)(void *ctx, const struct mf_gap_row *gap, struct mf_error *err);
    enum mf_code (*cut_gaps)(void *ctx, int64_t schedule_id, int64_t after, struct mf_error *err);
    /* Switches the trigger off. */
    enum mf_code (*pause)(void *ctx, const struct mf_schedule_row *row, struct mf_error *err);
    enum mf_code (*move)(void *ctx, const struct mf_schedule_row *row, struct mf_error *err);
};

struct mf_step_result {
    bool stale; /* the row has changed since the plan was made; nothing was done */
    bool paused;
    int64_t follow_run; /* the buffered due time can go when this run has ended; 0: nothing to wait for */
    size_t fired_count;
    struct mf_fire_row fired[MF_PLAN_ITEMS];
    uint32_t skipped[MF_GAP_FAILED + 1]; /* due times or stretches given up, by reason */
    int64_t seq;
    struct mf_schedule_state state; /* as it is now, without the error's text */
    bool active;
};

/* row was read in the same transaction, and policy is that of the row. now: of the transaction. */
enum mf_code mf_step_apply(const struct mf_step_ops *ops, void *ctx, const struct mf_step *step,
                           struct mf_schedule_row *row, const struct mf_policy *policy, int64_t now,
                           struct mf_step_result *out, struct mf_error *err) MF_CHECK_RESULT;

#endif
