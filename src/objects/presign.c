#include "base/encode.h"
#include "base/time.h"
#include "objects/name.h"
#include "objects/sigv4.h"
#include "objects/state.h"

#include <inttypes.h>
#include <stdio.h>

#define REGION "us-east-1"
#define EXPIRES_MAX 604800
#define HEADERS 3

/* The headers that a PUT will carry, in the order of their names, as a signature wants them. */
static size_t signed_headers(const struct mf_presign *request, struct mf_header headers[HEADERS],
                             struct mf_arena *arena, struct mf_str *names)
{
    size_t count = 0;
    bool sized = request->content_length > 0;
    if (sized)
        headers[count++] = (struct mf_header){
            MF_STR("content-length"), mf_str_printf(arena, "%lld", (long long)request->content_length)};
    if (request->content_md5.len > 0)
        headers[count++] = (struct mf_header){MF_STR("content-md5"), request->content_md5};
    if (request->meta_name)
        headers[count++] = (struct mf_header){mf_str_from_c(request->meta_name), request->meta_value};
    *names = mf_str_printf(arena, "%s%shost%s%s", sized ? "content-length;" : "",
                           request->content_md5.len > 0 ? "content-md5;" : "", request->meta_name ? ";" : "",
                           request->meta_name ? request->meta_name : "");
    return count;
}

enum mf_code mf_object_presign(struct mf_objects *objects, struct mf_arena *arena,
                               const struct mf_presign *request, struct mf_str *url, struct mf_error *err)
{
    struct mf_str name;
    struct mf_header headers[HEADERS];
    char signature[65];
    char expires[24];
    enum mf_code code = mf_object_uri_parse(request->uri, objects->bucket, &name, err);
    if (code != MF_OK)
        return code;
    if (request->expires_s < 1 || request->expires_s > EXPIRES_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "a signed URL is valid for 1 to %d seconds", EXPIRES_MAX);
    snprintf(expires, sizeof expires, "%" PRId64, request->expires_s);
    struct mf_sigv4_scope scope = {
        .date = mf_time_amz(arena, mf_wall_ns(objects->sys)),
        .region = MF_STR(REGION),
        .payload = MF_STR("UNSIGNED-PAYLOAD"),
    };
    struct mf_str path = mf_str_printf(arena, "/%.*s/%.*s", MF_FMT(objects->bucket), MF_FMT(name));
    struct mf_str encoded = path.ptr ? mf_percent_encode(arena, path, "/") : path;
    struct mf_str credential =
        mf_str_printf(arena, "%.*s/%.8s/" REGION "/s3/aws4_request", MF_FMT(objects->access_key),
                      scope.date.ptr ? scope.date.ptr : "");
    size_t header_count = signed_headers(request, headers, arena, &scope.signed_headers);
    if (!scope.date.ptr || !encoded.ptr || !credential.ptr || !scope.signed_headers.ptr)
        return mf_fail_memory(err);
    const struct mf_param params[] = {
        {MF_STR("X-Amz-Algorithm"), MF_STR("AWS4-HMAC-SHA256")},
        {MF_STR("X-Amz-Credential"), credential},
        {MF_STR("X-Amz-Date"), scope.date},
        {MF_STR("X-Amz-Expires"), mf_str_from_c(expires)},
        {MF_STR("X-Amz-SignedHeaders"), scope.signed_headers},
    };
    const struct mf_sigv4_request signing = {
        .method = request->put ? MF_STR("PUT") : MF_STR("GET"),
        .path = path,
        .params = params,
        .param_count = sizeof params / sizeof params[0],
        .headers = headers,
        .header_count = header_count,
        .host = request->host.len > 0 ? request->host : objects->host,
    };
    code = mf_sigv4_sign(arena, objects->secret_key, &signing, &scope, signature, err);
    if (code != MF_OK)
        return code;
    struct mf_str credential_text = mf_percent_encode(arena, credential, "");
    struct mf_str header_text = mf_percent_encode(arena, scope.signed_headers, "");
    if (!credential_text.ptr || !header_text.ptr)
        return mf_fail_memory(err);
    *url =
        mf_str_printf(arena,
                      "%.*s://%.*s%.*s?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%.*s&X-Amz-Date=%.*s"
                      "&X-Amz-Expires=%s&X-Amz-SignedHeaders=%.*s&X-Amz-Signature=%s",
                      MF_FMT(objects->scheme), MF_FMT(signing.host), MF_FMT(encoded), MF_FMT(credential_text),
                      MF_FMT(scope.date), expires, MF_FMT(header_text), signature);
    return url->ptr ? MF_OK : mf_fail_memory(err);
}
