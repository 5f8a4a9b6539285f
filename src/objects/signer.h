/*
 * Signing what is sent to an S3 server, with AWS signature version 4: a URL that somebody else will use once,
 * or the head of a request of our own. Pure; any thread; everything lives in the arena.
 */
#ifndef MF_OBJECTS_SIGNER_H
#define MF_OBJECTS_SIGNER_H

#include "objects/sigv4.h"

struct mf_signer {
    struct mf_str access, secret;
    struct mf_str token; /* of temporary keys; empty: none */
    struct mf_str region;
    int64_t now_ns;
};

/* What is asked, as the server will see it. */
struct mf_signed {
    struct mf_str method;
    struct mf_str scheme, host; /* "https", "bucket.example.com:443" */
    struct mf_str path;         /* decoded, from "/" on */
    const struct mf_param *params;
    size_t param_count;
    const struct mf_header *headers; /* all of them are signed; names in lower case, in rising order */
    size_t header_count;
};

/* A URL for a request with exactly these headers and any body. There must be no parameters yet. */
enum mf_code mf_signer_link(struct mf_arena *arena, const struct mf_signer *signer,
                            const struct mf_signed *request, int64_t expires_s, struct mf_str *url,
                            struct mf_error *err) MF_CHECK_RESULT;

#define MF_SIGNER_HEADERS_MAX 12
/* The URL of a request, and its headers with those that sign it. hash: SHA-256 of the body, in hex. */
enum mf_code mf_signer_head(struct mf_arena *arena, const struct mf_signer *signer,
                            const struct mf_signed *request, struct mf_str hash, struct mf_str *url,
                            struct mf_header headers[MF_SIGNER_HEADERS_MAX], size_t *header_count,
                            struct mf_error *err) MF_CHECK_RESULT;

#endif
