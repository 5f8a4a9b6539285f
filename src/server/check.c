#include "server/check.h"

#include "server/address.h"
#include "server/auth.h"
#include "server/database.h"

#include <stdlib.h>
#include <string.h>

static const char *variable(void *ctx, const char *name)
{
    (void)ctx;
    return getenv(name);
}

bool mf_bucket_config_read(const struct mf_config *config, struct mf_bucket_config *out)
{
    struct mf_str style = mf_str_from_c(mf_config_text(config, MF_CONF_S3_PATH_STYLE));
    *out = (struct mf_bucket_config){
        .url = mf_config_text(config, MF_CONF_OBJECT_STORE),
        .endpoint = mf_config_text(config, MF_CONF_S3_ENDPOINT),
        .region = mf_config_text(config, MF_CONF_S3_REGION),
        .ca_file = mf_config_text(config, MF_CONF_S3_CA),
        .path_style = mf_str_eq_c(style, "yes")  ? MF_PATH_STYLE_ON
                      : mf_str_eq_c(style, "no") ? MF_PATH_STYLE_OFF
                                                 : MF_PATH_STYLE_AUTO,
        .variable = variable,
    };
    return out->url[0] != '\0';
}

static enum mf_code check_address(const struct mf_config *config, const struct mf_address *address,
                                  struct mf_error *err)
{
    if (mf_address_is_loopback(address) || mf_config_int(config, MF_CONF_ALLOW_UNAUTHENTICATED) ||
        mf_config_text(config, MF_CONF_AUTH_ISSUER)[0])
        return MF_OK;
    return mf_fail(
        err, MF_INVALID_ARGUMENT,
        "listen: other machines can reach %s, and this server asks nobody to sign in: whoever reaches it can "
        "run any program as its user. Listen on 127.0.0.1, set auth-issuer, or set --allow-unauthenticated "
        "when the network is closed to others",
        mf_config_text(config, MF_CONF_LISTEN));
}

static enum mf_code check_bucket(const struct mf_config *config, struct mf_error *err)
{
    static const char *const styles[] = {"yes", "no", "auto"};
    struct mf_bucket_config bucket;
    const char *style = mf_config_text(config, MF_CONF_S3_PATH_STYLE);
    bool known = false;
    for (size_t i = 0; i < sizeof styles / sizeof styles[0]; i++)
        known |= strcmp(style, styles[i]) == 0;
    if (!known)
        return mf_fail(err, MF_INVALID_ARGUMENT, "s3-path-style: \"%s\" must be yes, no or auto", style);
    return mf_bucket_config_read(config, &bucket) ? mf_objects_check(&bucket, err) : MF_OK;
}

enum mf_code mf_serve_check(struct mf_arena *arena, const struct mf_config *config, struct mf_error *err)
{
    struct mf_address address;
    bool cert = mf_config_text(config, MF_CONF_TLS_CERT)[0] != '\0';
    bool key = mf_config_text(config, MF_CONF_TLS_KEY)[0] != '\0';
    bool client_ca = mf_config_text(config, MF_CONF_TLS_CLIENT_CA)[0] != '\0';
    enum mf_code code = mf_address_parse(arena, mf_config_text(config, MF_CONF_LISTEN), &address, err);
    if (code == MF_OK)
        code = check_address(config, &address, err);
    if (code == MF_OK && cert != key)
        code = mf_fail(err, MF_INVALID_ARGUMENT, "tls-cert and tls-key belong together; set both");
    if (code == MF_OK && client_ca && !cert)
        code = mf_fail(err, MF_INVALID_ARGUMENT, "tls-client-ca needs tls-cert and tls-key");
    if (code == MF_OK)
        code = check_bucket(config, err);
    if (code == MF_OK)
        code = mf_database_check(config, err);
    return code == MF_OK ? mf_auth_check(config, err) : code;
}
