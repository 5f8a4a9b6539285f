#include "objects/name.h"
#include "objects/remote_state.h"

#include <stdlib.h>

#define DEFAULT_REGION "us-east-1"
#define READERS 64

static struct mf_str given(const char *text)
{
    return mf_str_from_c(text ? text : "");
}

const char *mf_remote_variable(const struct mf_remote *remote, const char *name)
{
    const char *value =
        remote->config.variable ? remote->config.variable(remote->config.variable_ctx, name) : NULL;
    return value && value[0] ? value : NULL;
}

static enum mf_code take_url(struct mf_remote *remote, struct mf_str url, struct mf_error *err)
{
    struct mf_error why;
    remote->google = mf_str_starts(url, MF_STR("gs://"));
    if (!remote->google && !mf_str_starts(url, MF_STR("s3://")))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "object-store: \"%.*s\" must be s3://bucket, s3://bucket/folder or gs://bucket/folder",
                       MF_FMT(url));
    while (mf_str_ends(url, MF_STR("/")))
        url.len--;
    struct mf_str rest = mf_str_skip(url, 5);
    size_t slash = mf_str_find_char(rest, '/');
    remote->base = mf_str_copy(remote->arena, url);
    remote->bucket = mf_str_copy(remote->arena, mf_str_take(rest, slash));
    remote->folder =
        slash == SIZE_MAX ? MF_STR_EMPTY : mf_str_copy(remote->arena, mf_str_skip(rest, slash + 1));
    if (!remote->base.ptr || !remote->bucket.ptr || !remote->folder.ptr)
        return mf_fail_memory(err);
    if (!mf_bucket_name_ok(remote->bucket))
        return mf_fail(
            err, MF_INVALID_ARGUMENT,
            "object-store: \"%.*s\" is no name of a bucket; use 3 to 63 of a-z, 0-9, \"-\" and \".\"",
            MF_FMT(remote->bucket));
    if (remote->folder.len > 0 && mf_object_name_check(remote->folder, &why) != MF_OK)
        return mf_fail(err, MF_INVALID_ARGUMENT, "object-store: %s", why.message);
    return MF_OK;
}

static struct mf_str region_of(const struct mf_remote *remote, const struct mf_bucket_config *config)
{
    struct mf_str region = given(config->region);
    if (region.len == 0 && remote->google)
        return MF_STR("auto");
    if (region.len == 0)
        region = given(mf_remote_variable(remote, "AWS_REGION"));
    if (region.len == 0)
        region = given(mf_remote_variable(remote, "AWS_DEFAULT_REGION"));
    return region.len > 0 ? region : MF_STR(DEFAULT_REGION);
}

static struct mf_str usual_endpoint(const struct mf_remote *remote)
{
    if (remote->google)
        return MF_STR("https://storage.googleapis.com");
    return mf_str_printf(remote->arena, "https://s3.%.*s.amazonaws.com%s", MF_FMT(remote->region),
                         mf_str_starts(remote->region, MF_STR("cn-")) ? ".cn" : "");
}

/* Clients leave the port out that belongs to the scheme, and so must what is signed. */
static struct mf_str without_usual_port(struct mf_str scheme, struct mf_str host)
{
    struct mf_str port = mf_str_eq_c(scheme, "https") ? MF_STR(":443") : MF_STR(":80");
    return mf_str_ends(host, port) ? mf_str_take(host, host.len - port.len) : host;
}

static enum mf_code take_endpoint(struct mf_remote *remote, struct mf_str endpoint, struct mf_error *err)
{
    remote->own_endpoint = endpoint.len > 0;
    endpoint = remote->own_endpoint ? mf_str_copy(remote->arena, endpoint) : usual_endpoint(remote);
    if (!endpoint.ptr)
        return mf_fail_memory(err);
    while (mf_str_ends(endpoint, MF_STR("/")))
        endpoint.len--;
    size_t colon = mf_str_find(endpoint, MF_STR("://"));
    remote->scheme = mf_str_take(endpoint, colon);
    remote->host = colon == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(endpoint, colon + 3);
    bool known = mf_str_eq_c(remote->scheme, "https") || mf_str_eq_c(remote->scheme, "http");
    if (!known || remote->host.len == 0 || mf_str_find_char(remote->host, '/') != SIZE_MAX ||
        mf_str_find_char(remote->host, '@') != SIZE_MAX || mf_str_find_char(remote->host, '?') != SIZE_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "s3-endpoint: \"%.*s\" must be https://host or https://host:port (or http://)",
                       MF_FMT(endpoint));
    remote->host = without_usual_port(remote->scheme, remote->host);
    return MF_OK;
}

static enum mf_code take_style(struct mf_remote *remote, enum mf_path_style style, struct mf_error *err)
{
    /* A certificate for *.host fits no name with further dots. */
    bool dotted = mf_str_find_char(remote->bucket, '.') != SIZE_MAX;
    remote->path_style = style == MF_PATH_STYLE_ON ||
                         (style == MF_PATH_STYLE_AUTO && (remote->own_endpoint || remote->google || dotted));
    if (!remote->path_style)
        remote->host =
            mf_str_printf(remote->arena, "%.*s.%.*s", MF_FMT(remote->bucket), MF_FMT(remote->host));
    return remote->host.ptr ? MF_OK : mf_fail_memory(err);
}

enum mf_code mf_remote_configure(struct mf_remote *remote, const struct mf_bucket_config *config,
                                 struct mf_error *err)
{
    remote->config = *config;
    remote->readers_max = config->readers > 0 ? config->readers : READERS;
    enum mf_code code = take_url(remote, given(config->url), err);
    if (code != MF_OK)
        return code;
    remote->region = mf_str_copy(remote->arena, region_of(remote, config));
    if (!remote->region.ptr)
        return mf_fail_memory(err);
    code = take_endpoint(remote, given(config->endpoint), err);
    return code == MF_OK ? take_style(remote, config->path_style, err) : code;
}

struct mf_str mf_remote_key(const struct mf_remote *remote, struct mf_arena *arena, struct mf_str name)
{
    return remote->folder.len > 0 ? mf_str_printf(arena, "%.*s/%.*s", MF_FMT(remote->folder), MF_FMT(name))
                                  : name;
}

struct mf_str mf_remote_path(const struct mf_remote *remote, struct mf_arena *arena, struct mf_str name)
{
    struct mf_str key = name.ptr ? mf_remote_key(remote, arena, name) : MF_STR_EMPTY;
    if (!key.ptr)
        return key;
    return remote->path_style
               ? mf_str_printf(arena, "/%.*s%s%.*s", MF_FMT(remote->bucket), name.ptr ? "/" : "", MF_FMT(key))
               : mf_str_printf(arena, "/%.*s", MF_FMT(key));
}

struct mf_str mf_remote_base(const struct mf_remote *remote)
{
    return remote->base;
}

bool mf_remote_is_google(const struct mf_remote *remote)
{
    return remote->google;
}

bool mf_remote_is_virtual(const struct mf_remote *remote)
{
    return !remote->path_style;
}

struct mf_str mf_remote_region(const struct mf_remote *remote)
{
    return remote->region;
}

struct mf_str mf_remote_endpoint(const struct mf_remote *remote, struct mf_arena *arena)
{
    return remote->own_endpoint
               ? mf_str_printf(arena, "%.*s://%.*s", MF_FMT(remote->scheme), MF_FMT(remote->host))
               : MF_STR_EMPTY;
}

enum mf_credentials_source mf_remote_source(const struct mf_remote *remote)
{
    return mf_credentials_source(remote->credentials);
}
