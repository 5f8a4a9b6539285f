/* What happens in a simulated world: people change triggers, and things break. */
#ifndef MF_SIM_LIFE_H
#define MF_SIM_LIFE_H

#include "sim.h"

/* Schedules and triggers, deployed in the first hours. */
void life_begin(struct sim *sim);
/* goes_on: it is one of the usual changes, and the next follows. */
void life_on_change(struct sim *sim, int64_t index, bool goes_on);
void life_on_replace(struct sim *sim, struct trigger *trigger, uint32_t gen);
void life_on_fault(struct sim *sim);
void life_on_clock(struct sim *sim, int64_t by);
/* dies: it is killed first. */
void life_on_start(struct sim *sim, int64_t index, bool dies);

#endif
