/*
 * Cross-origin requests of browsers (Fetch standard): which origins may call, and the headers that say so.
 *
 * Off unless origins are configured; then only those are named in answers, never an arbitrary one, and
 * credentials are never allowed together with "*". Pure; any thread.
 */
#ifndef MF_RPC_CORS_H
#define MF_RPC_CORS_H

#include "net/http.h"

#define MF_CORS_HEADERS 3 /* most headers that mf_cors_headers adds */

struct mf_cors {
    const struct mf_str *origins; /* "https://console.example.org", or "*" alone; must outlive the server */
    size_t origin_count;          /* 0: off */
};

/* Headers for the answer to a request; none when it comes from no browser or an origin that is not allowed.
 * out has room for MF_CORS_HEADERS at least. The values point into the request and the configuration. */
size_t mf_cors_headers(const struct mf_cors *cors, const struct mf_http_request *request,
                       struct mf_header *out, size_t room);
/* Answers an OPTIONS request: 204 with the permissions when the origin is allowed, else 204 with "allow"
 * only. */
void mf_cors_preflight(const struct mf_cors *cors, struct mf_exchange *exchange);

#endif
