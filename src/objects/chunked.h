/*
 * Bodies in the form "aws-chunked", in which S3 clients send what they sign piece by piece or whose checksum
 * they know only at the end: "<size in hex>[;chunk-signature=…]\r\n<bytes>\r\n" … "0…\r\n[<trailers>]\r\n".
 * Signatures are checked as the pieces end. One thread at a time; everything lives in the arena.
 */
#ifndef MF_OBJECTS_CHUNKED_H
#define MF_OBJECTS_CHUNKED_H

#include "objects/sigv4.h"

struct mf_chunked;

enum mf_chunked_fault {
    MF_CHUNKED_OK = 0,
    MF_CHUNKED_MALFORMED,
    MF_CHUNKED_MISMATCH, /* a piece or the trailer has another signature */
    MF_CHUNKED_SINK,     /* take gave up */
    MF_CHUNKED_MEMORY,
};

/* Is that what a signature says about the body a form this module knows? */
bool mf_chunked_known(struct mf_str payload);
/* take gets the bytes of the body; it may return false to stop. NULL when memory ran out or the request is
 * not signed as its form needs it. */
struct mf_chunked *mf_chunked_new(struct mf_arena *arena, const struct mf_sigv4_keys *keys,
                                  const struct mf_sigv4_request *request, struct mf_str payload,
                                  bool (*take)(void *ctx, struct mf_str bytes), void *ctx);
enum mf_chunked_fault mf_chunked_add(struct mf_chunked *chunked, struct mf_str bytes);
/* No more comes: MF_CHUNKED_MALFORMED when the last piece has not been seen. */
enum mf_chunked_fault mf_chunked_end(const struct mf_chunked *chunked);
uint64_t mf_chunked_size(const struct mf_chunked *chunked); /* bytes of the body so far */
/* A header that came after the body, name in lower case; .ptr NULL: none. */
struct mf_str mf_chunked_trailer(const struct mf_chunked *chunked, struct mf_str name);

#endif
