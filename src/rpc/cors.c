#include "rpc/cors.h"

/* How long a browser may remember the answer; Chromium caps it at two hours. */
#define PREFLIGHT_SECONDS "7200"

static const struct mf_str allow_methods = MF_STR("GET, POST, OPTIONS");
static const struct mf_str allow_headers =
    MF_STR("Accept, Accept-Encoding, Authorization, Content-Encoding, Content-Type, Connect-Accept-Encoding, "
           "Connect-Content-Encoding, Connect-Protocol-Version, Connect-Timeout-Ms, Grpc-Accept-Encoding, "
           "Grpc-Encoding, Grpc-Timeout, X-Grpc-Web, X-Request-Id, X-User-Agent");
static const struct mf_str expose_headers =
    MF_STR("Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin, Connect-Content-Encoding, Content-Encoding");

static struct mf_str origin_of(const struct mf_http_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (mf_str_eq_c(request->headers[i].name, "origin"))
            return request->headers[i].value;
    }
    return (struct mf_str){0};
}

static struct mf_str allowed_origin(const struct mf_cors *cors, const struct mf_http_request *request)
{
    if (cors->origin_count == 0)
        return (struct mf_str){0};
    struct mf_str origin = origin_of(request);
    for (size_t i = 0; origin.len > 0 && i < cors->origin_count; i++) {
        if (mf_str_eq_c(cors->origins[i], "*") || mf_str_eq(cors->origins[i], origin))
            return cors->origins[i];
    }
    return (struct mf_str){0};
}

size_t mf_cors_headers(const struct mf_cors *cors, const struct mf_http_request *request,
                       struct mf_header *out, size_t room)
{
    struct mf_str origin = allowed_origin(cors, request);
    if (origin.len == 0 || room < MF_CORS_HEADERS)
        return 0;
    out[0] = (struct mf_header){MF_STR("access-control-allow-origin"), origin};
    out[1] = (struct mf_header){MF_STR("access-control-expose-headers"), expose_headers};
    out[2] = (struct mf_header){MF_STR("vary"), MF_STR("origin")};
    return 3;
}

void mf_cors_preflight(const struct mf_cors *cors, struct mf_exchange *exchange)
{
    struct mf_str origin = allowed_origin(cors, mf_exchange_request(exchange));
    struct mf_header headers[5] = {{MF_STR("allow"), allow_methods}};
    size_t count = 1;
    if (origin.len > 0) {
        headers[0] = (struct mf_header){MF_STR("access-control-allow-origin"), origin};
        headers[count++] = (struct mf_header){MF_STR("access-control-allow-methods"), allow_methods};
        headers[count++] = (struct mf_header){MF_STR("access-control-allow-headers"), allow_headers};
        headers[count++] = (struct mf_header){MF_STR("access-control-max-age"), MF_STR(PREFLIGHT_SECONDS)};
        headers[count++] = (struct mf_header){MF_STR("vary"), MF_STR("origin")};
    }
    if (mf_exchange_respond(exchange, 204, headers, count, true) != MF_OK)
        mf_exchange_reset(exchange);
}
