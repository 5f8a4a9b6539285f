/*
 * How a call ended, independent of the protocol that tells the client.
 */
#ifndef MF_RPC_OUTCOME_H
#define MF_RPC_OUTCOME_H

#include "base/status.h"
#include "net/http.h"

/* One google.protobuf.Any of an error. */
struct mf_detail {
    struct mf_str type;  /* full name of the message */
    struct mf_str bytes; /* the message in wire format */
    struct mf_str debug; /* and as JSON; empty when it cannot be written so */
};

struct mf_outcome {
    enum mf_code code;
    struct mf_str message;
    const struct mf_detail *details;
    size_t detail_count;
    const struct mf_header *trailers; /* of the handler */
    size_t trailer_count;
};

#endif
