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
#include "store/store.h"

struct mf_auth;

struct mf_auth_input {
    struct mf_arena *arena; /* outlives it, as does everything below */
    const struct mf_config *config;
    const struct mf_sys *sys;
    struct mf_fetcher *fetcher;
    struct mf_store *store;
    struct mf_rpc *rpc;
    const char *secret_file; /* read, or made, when callers have to sign in */
};

/* MF_INVALID_ARGUMENT for keys that make no sense, alone or together. */
enum mf_code mf_auth_check(const struct mf_config *config, struct mf_error *err) MF_CHECK_RESULT;
/* Registers with the RPC server. */
enum mf_code mf_auth_new(const struct mf_auth_input *input, struct mf_auth **out,
                         struct mf_error *err) MF_CHECK_RESULT;
/* What keys of tasks are made with; empty when nobody has to sign in. */
struct mf_str mf_auth_task_secret(const struct mf_auth *auth);
/* After handlers and the fetcher have stopped; NULL is fine. */
void mf_auth_free(struct mf_auth *auth);

#endif
