/*
 * The content types an RPC request may have, and what each means: a protocol and a codec.
 *
 * Pure; any thread. Sources: the Connect protocol reference, gRPC over HTTP/2 (PROTOCOL-HTTP2), gRPC-Web
 * (PROTOCOL-WEB).
 */
#ifndef MF_RPC_MEDIA_H
#define MF_RPC_MEDIA_H

#include "base/str.h"

enum mf_protocol {
    MF_PROTOCOL_CONNECT,        /* unary: the body is the message */
    MF_PROTOCOL_CONNECT_STREAM, /* enveloped messages, the last one holds the outcome */
    MF_PROTOCOL_GRPC,           /* enveloped messages, the outcome travels in HTTP trailers */
    MF_PROTOCOL_GRPC_WEB,       /* enveloped messages, the outcome travels in a last envelope */
    MF_PROTOCOL_GRPC_WEB_TEXT,  /* the same in base64 */
};

enum mf_codec { MF_CODEC_PROTO, MF_CODEC_JSON };

struct mf_media {
    struct mf_str type; /* also the content type of the response */
    enum mf_protocol protocol;
    enum mf_codec codec;
};

/* Parameters such as charset are ignored, letter case too. NULL when the type is not one of ours. */
const struct mf_media *mf_media_find(struct mf_str content_type);
/* The type for a Connect GET request, from its "encoding" parameter; NULL when unknown. */
const struct mf_media *mf_media_for_get(struct mf_str encoding);
/* The value for accept-post on methods with or without streams. */
struct mf_str mf_media_accept_post(bool streaming);

static inline bool mf_protocol_is_grpc(enum mf_protocol protocol)
{
    return protocol >= MF_PROTOCOL_GRPC;
}

#endif
