#include "identity/identity.h"

#include "gen/flyteidl2/auth/auth_service.pb.h"
#include "gen/flyteidl2/auth/identity.pb.h"

#define NO_AUTHORITY "this server runs without authentication; there is no authorization server"

static void on_user_info(void *service, struct mf_call *call)
{
    (void)service;
    mf_call_fail(call, MF_UNAUTHENTICATED,
                 "no authenticated identity on request: this server runs without authentication");
}

static void on_metadata(void *service, struct mf_call *call)
{
    (void)service;
    mf_call_fail(call, MF_UNIMPLEMENTED, NO_AUTHORITY);
}

static void on_client_config(void *service, struct mf_call *call)
{
    (void)service;
    const struct pb_auth_GetPublicClientConfigResponse response = {
        .authorization_metadata_key = MF_STR("authorization"),
    };
    mf_call_reply(call, &response);
}

static void on_well_known(void *app, struct mf_exchange *exchange)
{
    (void)app;
    struct mf_str method = mf_exchange_request(exchange)->method;
    bool reads = mf_str_eq_c(method, "GET") || mf_str_eq_c(method, "HEAD");
    const struct mf_header headers[] = {
        {MF_STR("content-type"), MF_STR("text/plain")},
        {MF_STR("allow"), MF_STR("GET, HEAD")},
    };
    if (mf_exchange_reply(exchange, reads ? 501 : 405, headers, reads ? 1 : 2, MF_STR(NO_AUTHORITY "\n")) !=
        MF_OK)
        mf_exchange_reset(exchange);
}

enum mf_code mf_identity_serve(struct mf_rpc *rpc, struct mf_error *err)
{
    enum mf_code code = mf_rpc_handle(rpc, &pb_auth_IdentityService_service, pb_auth_IdentityService_UserInfo,
                                      on_user_info, NULL, err);
    if (code == MF_OK)
        code = mf_rpc_handle(rpc, &pb_auth_AuthMetadataService_service,
                             pb_auth_AuthMetadataService_GetOAuth2Metadata, on_metadata, NULL, err);
    if (code == MF_OK)
        code = mf_rpc_handle(rpc, &pb_auth_AuthMetadataService_service,
                             pb_auth_AuthMetadataService_GetPublicClientConfig, on_client_config, NULL, err);
    if (code == MF_OK)
        code = mf_rpc_route(rpc, "/.well-known/oauth-authorization-server", on_well_known, NULL, err);
    return code;
}
