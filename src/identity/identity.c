#include "identity/identity.h"

#include "base/list.h"
#include "gen/flyteidl2/auth/identity.pb.h"
#include "identity/well_known.h"
#include "rpc/caller.h"

#include <stdlib.h>

struct mf_identity {
    struct mf_identity_config config;
};

/* ---- IdentityService ---- */

static struct mf_str full_name(struct mf_arena *arena, const struct mf_caller *caller)
{
    if (caller->name.len > 0)
        return caller->name;
    struct mf_str both =
        mf_str_printf(arena, "%.*s %.*s", MF_FMT(caller->given_name), MF_FMT(caller->family_name));
    return both.ptr ? mf_str_trim(both, MF_STR(" ")) : both;
}

static void on_user_info(void *service, struct mf_call *call)
{
    (void)service;
    const struct mf_caller *caller = mf_call_caller(call);
    if (caller->subject.len == 0) {
        mf_call_fail(call, MF_UNAUTHENTICATED,
                     "no authenticated identity on request: this server was not told who you are");
        return;
    }
    const struct pb_auth_UserInfoResponse response = {
        .subject = caller->subject,
        .name = full_name(mf_call_arena(call), caller),
        .preferred_username = caller->preferred_username,
        .given_name = caller->given_name,
        .family_name = caller->family_name,
        .email = caller->email,
        .picture = caller->picture,
    };
    if (response.name.ptr)
        mf_call_reply(call, &response);
    else
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory");
}

/* ---- AuthMetadataService ---- */

/* Lives in the arena of its call. */
struct asking {
    struct mf_metadata_wait wait;
    struct mf_call *call;
};

static void on_answer(struct mf_metadata_wait *wait, const struct pb_auth_GetOAuth2MetadataResponse *metadata,
                      const struct mf_error *err)
{
    struct mf_call *call = MF_CONTAINER(wait, struct asking, wait)->call;
    if (err)
        mf_call_fail_error(call, err);
    else
        mf_call_reply(call, metadata);
    mf_call_unref(call);
}

static void on_metadata(void *service, struct mf_call *call)
{
    const struct mf_identity *identity = service;
    if (!identity->config.metadata) {
        mf_call_fail(call, MF_UNIMPLEMENTED, MF_NO_AUTHORITY);
        return;
    }
    struct asking *asking = MF_NEW(mf_call_arena(call), struct asking);
    if (!asking) {
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    asking->wait.done = on_answer;
    asking->call = mf_call_ref(call);
    mf_metadata_ask(identity->config.metadata, &asking->wait);
}

/* "host:port" of a URL. */
static struct mf_str host_of(struct mf_str url)
{
    size_t scheme = mf_str_find(url, MF_STR("://"));
    struct mf_str rest = scheme == SIZE_MAX ? url : mf_str_skip(url, scheme + 3);
    return mf_str_take(rest, mf_str_find_char(rest, '/'));
}

static void on_client_config(void *service, struct mf_call *call)
{
    const struct mf_identity_config *config = &((const struct mf_identity *)service)->config;
    struct pb_auth_GetPublicClientConfigResponse response = {
        .client_id = config->client_id,
        .redirect_uri = config->redirect_uri,
        .audience = config->audience,
        .authorization_metadata_key = config->token_header,
        .service_http_endpoint = config->public_url,
        .dataplane_domain = host_of(config->public_url),
    };
    for (size_t i = 0; i < config->scope_count; i++) {
        if (!PB_PUSH(mf_call_arena(call), response.scopes, config->scopes[i])) {
            mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory");
            return;
        }
    }
    mf_call_reply(call, &response);
}

/* ---- life ---- */

enum mf_code mf_identity_new(const struct mf_identity_config *config, struct mf_identity **out,
                             struct mf_error *err)
{
    struct mf_identity *identity = calloc(1, sizeof *identity);
    if (!identity)
        return mf_fail_memory(err);
    identity->config = *config;
    *out = identity;
    return MF_OK;
}

void mf_identity_free(struct mf_identity *identity)
{
    free(identity);
}

enum mf_code mf_identity_serve(struct mf_identity *identity, struct mf_rpc *rpc, struct mf_error *err)
{
    enum mf_code code = mf_rpc_handle(rpc, &pb_auth_IdentityService_service, pb_auth_IdentityService_UserInfo,
                                      on_user_info, identity, err);
    if (code == MF_OK)
        code = mf_rpc_handle(rpc, &pb_auth_AuthMetadataService_service,
                             pb_auth_AuthMetadataService_GetOAuth2Metadata, on_metadata, identity, err);
    if (code == MF_OK)
        code =
            mf_rpc_handle(rpc, &pb_auth_AuthMetadataService_service,
                          pb_auth_AuthMetadataService_GetPublicClientConfig, on_client_config, identity, err);
    if (code == MF_OK)
        code = mf_rpc_route(rpc, "/.well-known/oauth-authorization-server", mf_well_known_on_request,
                            identity->config.metadata, err);
    return code;
}
