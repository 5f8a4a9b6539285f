/*
 * IdentityService, AuthMetadataService and the route /.well-known/oauth-authorization-server: who the caller
 * is, and where and how a client signs in. Without an authorization server clients are told that there is
 * none, and find out that they need none.
 */
#ifndef MF_IDENTITY_IDENTITY_H
#define MF_IDENTITY_IDENTITY_H

#include "identity/metadata.h"
#include "rpc/server.h"

struct mf_identity;

/* The texts must outlive the service. */
struct mf_identity_config {
    struct mf_metadata_source *metadata; /* NULL: no authorization server */
    struct mf_str client_id, redirect_uri, audience;
    const struct mf_str *scopes;
    size_t scope_count;
    struct mf_str token_header; /* in which clients send their token */
    struct mf_str public_url;   /* of this server, when it was configured; else empty */
};

enum mf_code mf_identity_new(const struct mf_identity_config *config, struct mf_identity **out,
                             struct mf_error *err) MF_CHECK_RESULT;
/* After the RPC server and the fetcher have stopped; NULL is fine. */
void mf_identity_free(struct mf_identity *identity);
enum mf_code mf_identity_serve(struct mf_identity *identity, struct mf_rpc *rpc,
                               struct mf_error *err) MF_CHECK_RESULT;

#endif
