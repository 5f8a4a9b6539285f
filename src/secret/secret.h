/*
 * SecretService: secrets of everything, of a domain, and of a project in a domain. Values go in and never
 * come out by RPC; a task that asks for a secret gets it through the vault.
 */
#ifndef MF_SECRET_SECRET_H
#define MF_SECRET_SECRET_H

#include "rpc/server.h"
#include "secret/vault.h"

#define MF_SECRET_NAME_MAX 253
#define MF_SECRET_VALUE_MAX ((size_t)1 << 20)

struct mf_secrets_config {
    struct mf_store *store;
    struct mf_vault *vault;
    const struct mf_str *domains; /* must outlive the service */
    size_t domain_count;
};

struct mf_secrets;

enum mf_code mf_secrets_serve(const struct mf_secrets_config *config, struct mf_rpc *rpc,
                              struct mf_secrets **out, struct mf_error *err) MF_CHECK_RESULT;
void mf_secrets_free(struct mf_secrets *secrets); /* after the RPC server; NULL is fine */

#endif
