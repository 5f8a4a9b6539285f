/*
 * The small texts of the RPC protocols: time-outs, percent-encoded status messages, and the request headers
 * that steer a call.
 *
 * Pure; any thread. Sources: the Connect protocol reference, gRPC's PROTOCOL-HTTP2.
 */
#ifndef MF_RPC_METADATA_H
#define MF_RPC_METADATA_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"
#include "net/http.h"

/* The headers that the protocols give a meaning to; .ptr NULL when absent. */
struct mf_rpc_headers {
    struct mf_str content_type;
    struct mf_str content_length;
    struct mf_str content_encoding;
    struct mf_str accept_encoding;
    struct mf_str connect_content_encoding;
    struct mf_str connect_accept_encoding;
    struct mf_str connect_protocol_version;
    struct mf_str connect_timeout_ms;
    struct mf_str grpc_encoding;
    struct mf_str grpc_accept_encoding;
    struct mf_str grpc_timeout;
};

void mf_rpc_headers_read(struct mf_rpc_headers *out, const struct mf_header *headers, size_t count);

/* "connect-timeout-ms": at most ten digits. */
enum mf_code mf_timeout_parse_connect(struct mf_str text, int64_t *ns, struct mf_error *err) MF_CHECK_RESULT;
/* "grpc-timeout": at most eight digits and one of H M S m u n. */
enum mf_code mf_timeout_parse_grpc(struct mf_str text, int64_t *ns, struct mf_error *err) MF_CHECK_RESULT;

/* "grpc-message": printable ASCII but "%" stays, everything else becomes %XX. .ptr NULL when memory ran out.
 */
struct mf_str mf_grpc_message_encode(struct mf_arena *arena, struct mf_str text);

/* A name that may stand in a header (RFC 9110 token, no upper case) and a value without control bytes. */
bool mf_metadata_valid(struct mf_str name, struct mf_str value);

#endif
