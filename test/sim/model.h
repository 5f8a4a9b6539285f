/*
 * The rules, and whether the world keeps them. Everything the engine does passes through here when it becomes
 * durable; the model knows from the rules alone what that has to be, and what is missing.
 */
#ifndef MF_SIM_MODEL_H
#define MF_SIM_MODEL_H

#include "world.h"

/* After a step was committed. planned_wall: when the engine has planned it. */
void model_step(struct sim *sim, struct trigger *trigger, const struct mf_step *step, int64_t planned_wall,
                const struct deed *deeds, size_t count);
/* After a try failed. */
void model_failed(struct sim *sim, struct trigger *trigger, const struct mf_step *step);

/* Before and after people have changed the trigger. */
struct model_change {
    bool active;
    bool other_times; /* another schedule, or it was deleted before */
    bool other_policy;
};
void model_changed(struct sim *sim, struct trigger *trigger, const struct model_change *change);
void model_backfilled(struct sim *sim, struct trigger *trigger, int64_t run_id);

/* When the clock was set or nothing is wrong for long: nothing is overdue. */
void model_scan(struct sim *sim);
/* Every due time up to the cursor that has come has its verdict in the store. */
void model_check_stretch(struct sim *sim, struct trigger *trigger);

#endif
