/* Whether the audit tells the truth about every due time of a world whose clock is never set. */
#ifndef MF_SIM_EXPLAIN_H
#define MF_SIM_EXPLAIN_H

#include "sim.h"

void explain_trigger(struct sim *sim, struct trigger *trigger);

#endif
