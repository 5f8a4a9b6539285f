/* The store of the simulation: rows, runs, fires and gaps in memory, changed by transactions. */
#ifndef MF_SIM_WORLD_H
#define MF_SIM_WORLD_H

#include "sim.h"

/* What a step has done, in its order. */
struct deed {
    enum { DEED_FIRE, DEED_GAP, DEED_ABORT, DEED_CUT, DEED_PAUSE } kind;
    int64_t at; /* due time of a fire; end of a gap; until of a cut */
    int64_t from;
    enum mf_gap_reason reason;
    enum mf_fire_kind fire;
    int64_t run_id;
    bool existed;
};

#define DEEDS_MOST (4 * MF_PLAN_ITEMS + 4)

/* Carries the step out in a transaction: all of it, or nothing. */
enum mf_code world_apply(struct sim *sim, const struct mf_step *step, int64_t planned_wall,
                         struct mf_step_result *result, struct mf_error *err);

/* What people do. Each is durable when it returns. */
struct wish {
    bool on;
    struct times *times;
    const char *policy_text;
};
void world_deploy(struct sim *sim, struct trigger *trigger, const struct wish *wish);
void world_switch(struct sim *sim, struct trigger *trigger, bool on);
void world_delete(struct sim *sim, struct trigger *trigger);
/* Makes the runs of the due times in the span that have none. */
void world_backfill(struct sim *sim, struct trigger *trigger, int64_t from, int64_t until);
/* Aborts the open runs. */
void world_abort(struct sim *sim, struct trigger *trigger);

void world_free_trigger(struct trigger *trigger);
struct fire *world_fire(struct trigger *trigger, int64_t due_at); /* NULL: there is none */
/* How many fires have a due time at or before this instant. */
size_t world_fire_rank(const struct trigger *trigger, int64_t at);

static inline struct run *world_run(struct sim *sim, int64_t id)
{
    return &sim->runs[id - 1];
}
/* The gap that covers the due time; NULL: there is none. */
const struct gap *world_gap(const struct trigger *trigger, int64_t due_at);
bool world_is_poisoned(const struct sim *sim, const struct trigger *trigger, int64_t due_at);

#endif
