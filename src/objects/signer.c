#include "objects/signer.h"

#include "base/encode.h"
#include "base/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LINK_PARAMS 6

/* "host;name;…" with the names of the headers, in rising order. */
static struct mf_str names_of(struct mf_arena *arena, const struct mf_header *headers, size_t count)
{
    struct mf_str names = MF_STR_EMPTY;
    bool hosted = false;
    for (size_t i = 0; i <= count && names.ptr; i++) {
        if (!hosted && (i == count || mf_str_cmp(headers[i].name, MF_STR("host")) > 0)) {
            names = mf_str_printf(arena, "%.*s%shost", MF_FMT(names), names.len > 0 ? ";" : "");
            hosted = true;
        }
        if (i < count && names.ptr)
            names = mf_str_printf(arena, "%.*s%s%.*s", MF_FMT(names), names.len > 0 ? ";" : "",
                                  MF_FMT(headers[i].name));
    }
    return names;
}

static struct mf_str url_of(struct mf_arena *arena, const struct mf_signed *request,
                            const struct mf_param *params, size_t count)
{
    struct mf_str path = mf_percent_encode(arena, request->path, "/");
    struct mf_str url = path.ptr ? mf_str_printf(arena, "%.*s://%.*s%.*s", MF_FMT(request->scheme),
                                                 MF_FMT(request->host), MF_FMT(path))
                                 : path;
    for (size_t i = 0; i < count && url.ptr; i++) {
        struct mf_str name = mf_percent_encode(arena, params[i].name, "");
        struct mf_str value = mf_percent_encode(arena, params[i].value, "");
        url = name.ptr && value.ptr ? mf_str_printf(arena, "%.*s%s%.*s=%.*s", MF_FMT(url), i > 0 ? "&" : "?",
                                                    MF_FMT(name), MF_FMT(value))
                                    : (struct mf_str){0};
    }
    return url;
}

static struct mf_str credential_of(struct mf_arena *arena, const struct mf_signer *signer, struct mf_str date)
{
    return mf_str_printf(arena, "%.*s/%.8s/%.*s/s3/aws4_request", MF_FMT(signer->access), date.ptr,
                         MF_FMT(signer->region));
}

enum mf_code mf_signer_link(struct mf_arena *arena, const struct mf_signer *signer,
                            const struct mf_signed *request, int64_t expires_s, struct mf_str *url,
                            struct mf_error *err)
{
    char signature[65];
    size_t count = 0;
    struct mf_sigv4_scope scope = {
        .date = mf_time_amz(arena, signer->now_ns),
        .region = signer->region,
        .signed_headers = names_of(arena, request->headers, request->header_count),
        .payload = MF_STR("UNSIGNED-PAYLOAD"),
    };
    struct mf_str expires = mf_str_printf(arena, "%" PRId64, expires_s);
    struct mf_str credential = scope.date.ptr ? credential_of(arena, signer, scope.date) : scope.date;
    if (!credential.ptr || !scope.signed_headers.ptr || !expires.ptr)
        return mf_fail_memory(err);
    struct mf_param params[LINK_PARAMS + 1] = {
        {MF_STR("X-Amz-Algorithm"), MF_STR("AWS4-HMAC-SHA256")},
        {MF_STR("X-Amz-Credential"), credential},
        {MF_STR("X-Amz-Date"), scope.date},
        {MF_STR("X-Amz-Expires"), expires},
    };
    count = 4;
    if (signer->token.len > 0)
        params[count++] = (struct mf_param){MF_STR("X-Amz-Security-Token"), signer->token};
    params[count++] = (struct mf_param){MF_STR("X-Amz-SignedHeaders"), scope.signed_headers};
    const struct mf_sigv4_request signing = {
        .method = request->method,
        .path = request->path,
        .params = params,
        .param_count = count,
        .headers = request->headers,
        .header_count = request->header_count,
        .host = request->host,
    };
    enum mf_code code = mf_sigv4_sign(arena, signer->secret, &signing, &scope, signature, err);
    if (code != MF_OK)
        return code;
    params[count++] = (struct mf_param){MF_STR("X-Amz-Signature"), mf_str_from_c(signature)};
    *url = url_of(arena, request, params, count);
    return url->ptr ? MF_OK : mf_fail_memory(err);
}

static int by_name(const void *a, const void *b)
{
    return mf_str_cmp(((const struct mf_header *)a)->name, ((const struct mf_header *)b)->name);
}

enum mf_code mf_signer_head(struct mf_arena *arena, const struct mf_signer *signer,
                            const struct mf_signed *request, struct mf_str hash, struct mf_str *url,
                            struct mf_header headers[MF_SIGNER_HEADERS_MAX], size_t *header_count,
                            struct mf_error *err)
{
    char signature[65];
    size_t count = request->header_count;
    struct mf_str date = mf_time_amz(arena, signer->now_ns);
    struct mf_str credential = date.ptr ? credential_of(arena, signer, date) : date;
    if (!credential.ptr)
        return mf_fail_memory(err);
    if (count + 4 > MF_SIGNER_HEADERS_MAX)
        return mf_fail(err, MF_INTERNAL, "a request to the object store has too many headers");
    if (count > 0)
        memcpy(headers, request->headers, count * sizeof *headers);
    headers[count++] = (struct mf_header){MF_STR("x-amz-content-sha256"), hash};
    headers[count++] = (struct mf_header){MF_STR("x-amz-date"), date};
    if (signer->token.len > 0)
        headers[count++] = (struct mf_header){MF_STR("x-amz-security-token"), signer->token};
    qsort(headers, count, sizeof *headers, by_name);
    const struct mf_sigv4_scope scope = {
        .date = date,
        .region = signer->region,
        .signed_headers = names_of(arena, headers, count),
        .payload = hash,
    };
    const struct mf_sigv4_request signing = {
        .method = request->method,
        .path = request->path,
        .params = request->params,
        .param_count = request->param_count,
        .headers = headers,
        .header_count = count,
        .host = request->host,
    };
    if (!scope.signed_headers.ptr)
        return mf_fail_memory(err);
    enum mf_code code = mf_sigv4_sign(arena, signer->secret, &signing, &scope, signature, err);
    if (code != MF_OK)
        return code;
    struct mf_str authorization =
        mf_str_printf(arena, "AWS4-HMAC-SHA256 Credential=%.*s, SignedHeaders=%.*s, Signature=%s",
                      MF_FMT(credential), MF_FMT(scope.signed_headers), signature);
    *url = url_of(arena, request, request->params, request->param_count);
    if (!authorization.ptr || !url->ptr)
        return mf_fail_memory(err);
    headers[count++] = (struct mf_header){MF_STR("authorization"), authorization};
    *header_count = count;
    return MF_OK;
}
