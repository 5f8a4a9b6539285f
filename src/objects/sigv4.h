/*
 * AWS signature version 4 for S3, in the header form and in the query form: computing one, and checking one
 * that came with a request. Pure; any thread.
 */
#ifndef MF_OBJECTS_SIGV4_H
#define MF_OBJECTS_SIGV4_H

#include "base/arena.h"
#include "base/status.h"
#include "net/http.h"

#define MF_SIGV4_EXPIRY_MAX_S 604800 /* of a signed URL: a week */

/* A parameter of the query, decoded. */
struct mf_param {
    struct mf_str name, value;
};

struct mf_sigv4_request {
    struct mf_str method;
    struct mf_str path; /* decoded, with the leading "/" */
    const struct mf_param *params;
    size_t param_count;
    const struct mf_header *headers; /* names in lower case */
    size_t header_count;
    struct mf_str host;
};

/* "a=b&c" in decoded parts; false when an escape is malformed or memory ran out. At most max parameters. */
bool mf_sigv4_params(struct mf_arena *arena, struct mf_str query, size_t max, struct mf_param **params,
                     size_t *count);

struct mf_sigv4_scope {
    struct mf_str date;           /* "20260102T030405Z" */
    struct mf_str region;         /* e.g. "us-east-1" */
    struct mf_str signed_headers; /* names in order, joined by ";" */
    struct mf_str payload;        /* hash in hex, or UNSIGNED-PAYLOAD */
};
/* Writes the signature in hex. X-Amz-Signature among the parameters is left out. MF_INVALID_ARGUMENT when a
 * signed header is not there. */
enum mf_code mf_sigv4_sign(struct mf_arena *arena, struct mf_str secret,
                           const struct mf_sigv4_request *request, const struct mf_sigv4_scope *scope,
                           char signature[65], struct mf_error *err) MF_CHECK_RESULT;

struct mf_sigv4_keys {
    struct mf_str access, secret;
};

/* What is wrong with a signature, as S3 names it. */
enum mf_sigv4_fault {
    MF_SIGV4_OK = 0,
    MF_SIGV4_MISSING, /* no signature at all */
    MF_SIGV4_MALFORMED,
    MF_SIGV4_KEY, /* unknown access key */
    MF_SIGV4_MISMATCH,
    MF_SIGV4_SKEW, /* header form: the clocks differ by more than 15 minutes */
    MF_SIGV4_EXPIRED,
    MF_SIGV4_EARLY,    /* query form: signed in the future */
    MF_SIGV4_UNSIGNED, /* an x-amz-… header that the signature does not cover */
    MF_SIGV4_MEMORY,
};
/* *payload: what the signature says about the body (hash in hex, UNSIGNED-PAYLOAD or STREAMING-…). */
enum mf_sigv4_fault mf_sigv4_verify(struct mf_arena *arena, const struct mf_sigv4_keys *keys, int64_t now_ns,
                                    const struct mf_sigv4_request *request, struct mf_str *payload);

/* The signatures of the pieces of a body, each of which covers the one before it. */
struct mf_sigv4_chain {
    unsigned char key[32];
    struct mf_str date, scope;
    char signature[65]; /* of the head at first, then of the newest piece */
};
/* The request has been verified, in its header form. False when it is not of that form or memory ran out. */
bool mf_sigv4_chain_begin(struct mf_arena *arena, const struct mf_sigv4_keys *keys,
                          const struct mf_sigv4_request *request, struct mf_sigv4_chain *chain);
/* kind: "PAYLOAD" or "TRAILER"; hash: the SHA-256 of the piece or the trailer. False when the scope is too
 * long. */
bool mf_sigv4_chain_next(struct mf_sigv4_chain *chain, const char *kind, const unsigned char hash[32]);

#endif
