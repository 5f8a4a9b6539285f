/*
 * The server from start to end: a list of steps, each of which starts one part; shutdown stops the parts in
 * reverse.
 */
#ifndef MF_SERVER_SERVE_H
#define MF_SERVER_SERVE_H

#include "server/config.h"

/* Runs until SIGTERM or SIGINT. Prints the line "ready URL …" on standard output when calls are accepted.
 * self: path of this binary. MF_INVALID_ARGUMENT is a matter of configuration, every other code one of
 * running. */
enum mf_code mf_serve(struct mf_arena *arena, const struct mf_config *config, const char *self,
                      struct mf_error *err);

#endif
