/*
 * IdentityService and AuthMetadataService of a server without authentication: nobody has an identity, and
 * there is no authority to ask for a token.
 */
#ifndef MF_IDENTITY_IDENTITY_H
#define MF_IDENTITY_IDENTITY_H

#include "rpc/server.h"

/* Also the route /.well-known/oauth-authorization-server. */
enum mf_code mf_identity_serve(struct mf_rpc *rpc, struct mf_error *err) MF_CHECK_RESULT;

#endif
