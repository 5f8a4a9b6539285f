#include "server/auth.h"

#include "base/log.h"
#include "identity/identify.h"
#include "identity/identity.h"
#include "identity/task_key.h"

#include <ctype.h>

#define SECRET_FILE_MAX 4096

struct mf_auth {
    struct mf_authority *authority;
    struct mf_identities *identities;
    struct mf_metadata_source *metadata;
    struct mf_identity *service;
    struct mf_str task_secret;
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

static enum mf_code load_secret(struct mf_auth *auth, const struct mf_auth_input *in, struct mf_error *err)
{
    unsigned char random[MF_TASK_SECRET_BYTES];
    enum mf_code code = mf_read_file(in->arena, in->secret_file, SECRET_FILE_MAX, &auth->task_secret, err);
    if (code == MF_OK && auth->task_secret.len < MF_TASK_SECRET_BYTES)
        return mf_fail(err, MF_DATA_LOSS, "%s is too short; remove it to have a new one made",
                       in->secret_file);
    if (code != MF_NOT_FOUND)
        return code;
    in->sys->random(in->sys->ctx, random, sizeof random);
    auth->task_secret = mf_str_copy(in->arena, mf_str_make(random, sizeof random));
    if (!auth->task_secret.ptr)
        return mf_fail_memory(err);
    return mf_write_file(in->sys, in->secret_file, auth->task_secret, 0600, err);
}

static enum mf_code make_authority(struct mf_auth *auth, const struct mf_auth_input *in, struct mf_error *err)
{
    const struct mf_authority_config authority = {
        .sys = in->sys,
        .fetcher = in->fetcher,
        .issuer = text(in->config, MF_CONF_AUTH_ISSUER),
        .audience = text(in->config, MF_CONF_AUTH_AUDIENCE),
    };
    if (authority.issuer.len == 0)
        return MF_OK;
    if (authority.audience.len == 0)
        mf_log(MF_LOG_WARN, "server",
               "auth-audience is not set: tokens that %s has issued for other servers are accepted here, too",
               mf_config_text(in->config, MF_CONF_AUTH_ISSUER));
    enum mf_code code = load_secret(auth, in, err);
    return code == MF_OK ? mf_authority_new(&authority, &auth->authority, err) : code;
}

static enum mf_code make_identities(struct mf_auth *auth, const struct mf_auth_input *in,
                                    struct mf_error *err)
{
    const struct mf_identities_config identities = {
        .sys = in->sys,
        .fetcher = in->fetcher,
        .authority = auth->authority,
        .trust_headers = mf_config_int(in->config, MF_CONF_TRUST_IDENTITY_HEADERS) != 0,
        .claims_header = lower(in->arena, in->config, MF_CONF_IDENTITY_CLAIMS_HEADER),
        .subject_header = lower(in->arena, in->config, MF_CONF_IDENTITY_SUBJECT_HEADER),
        .email_header = lower(in->arena, in->config, MF_CONF_IDENTITY_EMAIL_HEADER),
        .token_header = lower(in->arena, in->config, MF_CONF_AUTH_TOKEN_HEADER),
        .store = in->store,
        .task_secret = auth->task_secret,
    };
    if (!identities.claims_header || !identities.subject_header || !identities.email_header ||
        !identities.token_header)
        return mf_fail_memory(err);
    return mf_identities_new(&identities, &auth->identities, err);
}

static enum mf_code make_metadata(struct mf_auth *auth, const struct mf_auth_input *in, struct mf_error *err)
{
    struct mf_str server = text(in->config, MF_CONF_AUTH_SERVER);
    struct mf_str url = text(in->config, MF_CONF_AUTH_METADATA);
    if (server.len == 0)
        server = text(in->config, MF_CONF_AUTH_ISSUER);
    if (server.len == 0)
        return MF_OK;
    if (!is_url(url))
        url = mf_str_printf(in->arena, "%.*s%s%.*s", MF_FMT(server),
                            mf_str_ends(server, MF_STR("/")) ? "" : "/",
                            MF_FMT(mf_str_starts(url, MF_STR("/")) ? mf_str_skip(url, 1) : url));
    return url.ptr ? mf_metadata_new(in->sys, in->fetcher, url, &auth->metadata, err) : mf_fail_memory(err);
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

enum mf_code mf_auth_new(const struct mf_auth_input *in, struct mf_auth **out, struct mf_error *err)
{
    struct mf_auth *auth = MF_NEW(in->arena, struct mf_auth);
    if (!auth)
        return mf_fail_memory(err);
    enum mf_code code = make_authority(auth, in, err);
    if (code == MF_OK)
        code = make_identities(auth, in, err);
    if (code == MF_OK)
        code = make_metadata(auth, in, err);
    if (code == MF_OK)
        code = make_service(auth, in->config, in->rpc, err);
    if (code != MF_OK) {
        mf_auth_free(auth);
        return code;
    }
    mf_rpc_set_identify(in->rpc, mf_identities_identify, auth->identities);
    *out = auth;
    return MF_OK;
}

struct mf_str mf_auth_task_secret(const struct mf_auth *auth)
{
    return auth->task_secret;
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
