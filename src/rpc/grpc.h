/*
 * What is particular to gRPC and gRPC-Web: the trailers that tell the outcome, and the base64 of the text
 * variant.
 *
 * Pure; any thread. Sources: gRPC's PROTOCOL-HTTP2 and PROTOCOL-WEB.
 */
#ifndef MF_RPC_GRPC_H
#define MF_RPC_GRPC_H

#include "base/arena.h"
#include "base/buf.h"
#include "rpc/outcome.h"

#define MF_GRPC_TRAILERS 3 /* most trailers that are added to those of the handler */

/* grpc-status, grpc-message, grpc-status-details-bin, then the handler's. out has room for MF_GRPC_TRAILERS
 * more than the handler's; values live in the arena. Returns how many; 0 when memory ran out. */
size_t mf_grpc_trailers(struct mf_arena *arena, const struct mf_outcome *outcome, struct mf_header *out);
/* The same as the last envelope of gRPC-Web, appended to out. */
void mf_grpc_web_trailer_frame(struct mf_buf *out, const struct mf_header *trailers, size_t count);

/* State of reading gRPC-Web text: base64 that may be padded at the end of any piece. Starts zeroed. */
struct mf_web_text {
    uint32_t bits;
    uint8_t count;
};
/* Decodes in place and returns the number of bytes, or -1 when a byte is not base64. */
ptrdiff_t mf_web_text_decode(struct mf_web_text *state, char *bytes, size_t len);
/* Appends bytes to out as one padded piece of base64. */
void mf_web_text_encode(struct mf_buf *out, struct mf_str bytes);

#endif
