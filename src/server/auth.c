#include "server/auth.h"

#include "base/log.h"
#include "identity/identify.h"
#include "identity/identity.h"

#include <ctype.h>

struct mf_auth {
    struct mf_authority *authority;
    struct mf_identities *identities;
    struct mf_metadata_source *metadata;
    struct mf_identity *service;
};

static struct mf_str text(const struct mf_config *config, enum mf_config_key key)
{
    return mf_str_from_c(mf_config_text(config, key));
}

static bool is_url(struct mf_str text)
{
    return (mf_str_starts(text, MF_STR("https://")) && text.len > 8) ||
           (mf_str_starts(text, MF_STR("http://")) && text.len > 7);
}

static enum mf_code check_url(const struct mf_config *config, enum mf_config_key key, const char *name,
                              struct mf_error *err)
{
    struct mf_str url = text(config, key);
    if (url.len == 0 || is_url(url))
        return MF_OK;
    return mf_fail(err, MF_INVALID_ARGUMENT, "%s: \"%.200s\" is no URL; write https://host/…", name,
                   mf_config_text(config, key));
}

static enum mf_code check_header(const struct mf_config *config, enum mf_config_key key, const char *name,
                                 bool required, struct mf_error *err)
{
    struct mf_str header = text(config, key);
    if (header.len == 0 && required)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%s: the name of a header is needed", name);
    for (size_t i = 0; i < header.len; i++) {
        unsigned char c = (unsigned char)header.ptr[i];
        if (!isalnum(c) && c != '-' && c != '_')
            return mf_fail(err, MF_INVALID_ARGUMENT,
                           "%s: \"%.200s\" is no header name; use letters, digits and \"-\"", name,
                           header.ptr);
    }
    return MF_OK;
}

enum mf_code mf_auth_check(const struct mf_config *config, struct mf_error *err)
{
    enum mf_code code = check_url(config, MF_CONF_AUTH_ISSUER, "auth-issuer", err);
    if (code == MF_OK)
        code = check_url(config, MF_CONF_AUTH_SERVER, "auth-server", err);
    if (code == MF_OK)
        code = check_header(config, MF_CONF_AUTH_TOKEN_HEADER, "auth-token-header", true, err);
    if (code == MF_OK)
        code = check_header(config, MF_CONF_IDENTITY_CLAIMS_HEADER, "identity-claims-header", false, err);
    if (code == MF_OK)
        code = check_header(config, MF_CONF_IDENTITY_SUBJECT_HEADER, "identity-subject-header", false, err);
    if (code == MF_OK)
        code = check_header(config, MF_CONF_IDENTITY_EMAIL_HEADER, "identity-email-header", false, err);
    if (code == MF_OK && text(config, MF_CONF_AUTH_AUDIENCE).len > 0 &&
        text(config, MF_CONF_AUTH_ISSUER).len == 0)
        code = mf_fail(err, MF_INVALID_ARGUMENT, "auth-audience needs auth-issuer");
    return code;
}

/* Headers arrive with names in lower case. */
static const char *lower(struct mf_arena *arena, const struct mf_config *config, enum mf_config_key key)
{
    char *copy = mf_str_to_c(arena, text(config, key));
    for (char *at = copy; at && *at; at++)
        *at = (char)tolower((unsigned char)*at);
    return copy;
}

static enum mf_code make_authority(struct mf_auth *auth, const struct mf_config *config,
                                   const struct mf_sys *sys, struct mf_fetcher *fetcher, struct mf_error *err)
{
    const struct mf_authority_config authority = {
        .sys = sys,
        .fetcher = fetcher,
        .issuer = text(config, MF_CONF_AUTH_ISSUER),
        .audience = text(config, MF_CONF_AUTH_AUDIENCE),
    };
    if (authority.issuer.len == 0)
        return MF_OK;
    if (authority.audience.len == 0)
        mf_log(MF_LOG_WARN, "server",
               "auth-audience is not set: tokens that %s has issued for other servers are accepted here, too",
               mf_config_text(config, MF_CONF_AUTH_ISSUER));
    return mf_authority_new(&authority, &auth->authority, err);
}

static enum mf_code make_identities(struct mf_auth *auth, struct mf_arena *arena,
                                    const struct mf_config *config, const struct mf_sys *sys,
                                    struct mf_fetcher *fetcher, struct mf_error *err)
{
    const struct mf_identities_config identities = {
        .sys = sys,
        .fetcher = fetcher,
        .authority = auth->authority,
        .trust_headers = mf_config_int(config, MF_CONF_TRUST_IDENTITY_HEADERS) != 0,
        .claims_header = lower(arena, config, MF_CONF_IDENTITY_CLAIMS_HEADER),
        .subject_header = lower(arena, config, MF_CONF_IDENTITY_SUBJECT_HEADER),
        .email_header = lower(arena, config, MF_CONF_IDENTITY_EMAIL_HEADER),
        .token_header = lower(arena, config, MF_CONF_AUTH_TOKEN_HEADER),
    };
    if (!identities.claims_header || !identities.subject_header || !identities.email_header ||
        !identities.token_header)
        return mf_fail_memory(err);
    return mf_identities_new(&identities, &auth->identities, err);
}

static enum mf_code make_metadata(struct mf_auth *auth, struct mf_arena *arena,
                                  const struct mf_config *config, const struct mf_sys *sys,
                                  struct mf_fetcher *fetcher, struct mf_error *err)
{
    struct mf_str server = text(config, MF_CONF_AUTH_SERVER);
    struct mf_str url = text(config, MF_CONF_AUTH_METADATA);
    if (server.len == 0)
        server = text(config, MF_CONF_AUTH_ISSUER);
    if (server.len == 0)
        return MF_OK;
    if (!is_url(url))
        url = mf_str_printf(arena, "%.*s%s%.*s", MF_FMT(server), mf_str_ends(server, MF_STR("/")) ? "" : "/",
                            MF_FMT(mf_str_starts(url, MF_STR("/")) ? mf_str_skip(url, 1) : url));
    return url.ptr ? mf_metadata_new(sys, fetcher, url, &auth->metadata, err) : mf_fail_memory(err);
}

static enum mf_code make_service(struct mf_auth *auth, const struct mf_config *config, struct mf_rpc *rpc,
                                 struct mf_error *err)
{
    struct mf_identity_config service = {
        .metadata = auth->metadata,
        .client_id = text(config, MF_CONF_AUTH_CLIENT_ID),
        .redirect_uri = text(config, MF_CONF_AUTH_REDIRECT_URI),
        .audience = text(config, MF_CONF_AUTH_AUDIENCE),
        .token_header = text(config, MF_CONF_AUTH_TOKEN_HEADER),
        .public_url = text(config, MF_CONF_ENDPOINT),
    };
    service.scope_count = mf_config_list(config, MF_CONF_AUTH_SCOPES, &service.scopes);
    enum mf_code code = mf_identity_new(&service, &auth->service, err);
    return code == MF_OK ? mf_identity_serve(auth->service, rpc, err) : code;
}

enum mf_code mf_auth_new(struct mf_arena *arena, const struct mf_config *config, const struct mf_sys *sys,
                         struct mf_fetcher *fetcher, struct mf_rpc *rpc, struct mf_auth **out,
                         struct mf_error *err)
{
    struct mf_auth *auth = MF_NEW(arena, struct mf_auth);
    if (!auth)
        return mf_fail_memory(err);
    enum mf_code code = make_authority(auth, config, sys, fetcher, err);
    if (code == MF_OK)
        code = make_identities(auth, arena, config, sys, fetcher, err);
    if (code == MF_OK)
        code = make_metadata(auth, arena, config, sys, fetcher, err);
    if (code == MF_OK)
        code = make_service(auth, config, rpc, err);
    if (code != MF_OK) {
        mf_auth_free(auth);
        return code;
    }
    mf_rpc_set_identify(rpc, mf_identities_identify, auth->identities);
    *out = auth;
    return MF_OK;
}

void mf_auth_free(struct mf_auth *auth)
{
    if (!auth)
        return;
    mf_identity_free(auth->service);
    mf_metadata_free(auth->metadata);
    mf_identities_free(auth->identities);
    mf_authority_free(auth->authority);
}
