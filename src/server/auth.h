/*
 * What the configuration says about callers, put together: the issuer of tokens, the headers of a proxy, and
 * where clients sign in.
 */
#ifndef MF_SERVER_AUTH_H
#define MF_SERVER_AUTH_H

#include "base/sys.h"
#include "net/fetch.h"
#include "rpc/server.h"
#include "server/config.h"

struct mf_auth;

/* MF_INVALID_ARGUMENT for keys that make no sense, alone or together. */
enum mf_code mf_auth_check(const struct mf_config *config, struct mf_error *err) MF_CHECK_RESULT;
/* Registers with the RPC server. The arena and the configuration must outlive it. */
enum mf_code mf_auth_new(struct mf_arena *arena, const struct mf_config *config, const struct mf_sys *sys,
                         struct mf_fetcher *fetcher, struct mf_rpc *rpc, struct mf_auth **out,
                         struct mf_error *err) MF_CHECK_RESULT;
/* After handlers and the fetcher have stopped; NULL is fine. */
void mf_auth_free(struct mf_auth *auth);

#endif
