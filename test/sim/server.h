/* Servers of the simulation: each runs a real engine on the store, and can be killed at any point. */
#ifndef MF_SIM_SERVER_H
#define MF_SIM_SERVER_H

#include "sim.h"

void server_start(struct server *server);
/* Nothing more is begun; down when the last step is back. */
void server_stop(struct server *server);
/* At once: each step on its way has happened or never will. */
void server_crash(struct server *server);
/* It has to look at its clock by then. */
void server_turn_by(struct server *server, int64_t mono);
void server_clock_set(struct server *server);

void server_on_turn(struct server *server, uint32_t gen);
void server_on_apply(struct sim *sim, struct work *work);
void server_on_done(struct work *work);
void server_on_poke(struct server *server, struct trigger *trigger, int64_t run_id);

/* What it tells about itself is true. */
void server_check_stats(struct server *server);
void server_free(struct server *server);

#endif
