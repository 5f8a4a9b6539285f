/*
 * "mayfly secret rotate-key": a new master key for the secrets of a data directory. When a server uses the
 * directory, it is the server that does it, asked by a signal; else it is done here.
 */
#ifndef MF_SERVER_ROTATE_H
#define MF_SERVER_ROTATE_H

#include "secret/vault.h"
#include "server/config.h"

#include <signal.h>

/* Asks a running server for a new master key. */
#define MF_ROTATE_SIGNAL SIGUSR1

/* Returns when no secret needs the old key any more and the file does not hold it. */
enum mf_code mf_rotate_key(struct mf_arena *arena, const struct mf_config *config,
                           struct mf_error *err) MF_CHECK_RESULT;
/* In the server that was asked. */
void mf_rotate_asked(struct mf_vault *vault);

#endif
