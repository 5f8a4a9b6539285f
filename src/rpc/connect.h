/*
 * What is particular to the Connect protocol: the JSON of errors and of the end of a stream, and the query of
 * a GET request.
 *
 * Pure; any thread. Source: the Connect protocol reference (connectrpc.com/docs/protocol).
 */
#ifndef MF_RPC_CONNECT_H
#define MF_RPC_CONNECT_H

#include "base/buf.h"
#include "rpc/compress.h"
#include "rpc/media.h"
#include "rpc/outcome.h"

/* {"code":…,"message":…,"details":[…]}: the body of a unary error. */
void mf_connect_error_json(struct mf_buf *out, const struct mf_outcome *outcome);
/* {"error":{…},"metadata":{…}}: the last envelope of a stream. */
void mf_connect_end_json(struct mf_buf *out, const struct mf_outcome *outcome);

struct mf_connect_get {
    struct mf_str encoding; /* "proto", "json"; empty when absent */
    struct mf_str message;  /* decoded */
    struct mf_str compression;
    struct mf_str version;
};

enum mf_code mf_connect_get_parse(struct mf_arena *arena, struct mf_str query, struct mf_connect_get *out,
                                  struct mf_error *err) MF_CHECK_RESULT;

#endif
