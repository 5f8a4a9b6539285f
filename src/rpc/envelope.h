/*
 * The envelope that Connect streams, gRPC and gRPC-Web put around each message: one byte of flags, four bytes
 * of length (big-endian), the bytes.
 *
 * The reader takes a stream of bytes in pieces of any size and gives out whole messages, one at a time. It
 * keeps at most one message and a header. One thread at a time.
 */
#ifndef MF_RPC_ENVELOPE_H
#define MF_RPC_ENVELOPE_H

#include "base/buf.h"
#include "base/status.h"

#define MF_ENVELOPE_HEADER 5

enum {
    MF_ENVELOPE_COMPRESSED = 0x01,
    MF_ENVELOPE_CONNECT_END = 0x02,
    MF_ENVELOPE_WEB_TRAILER = 0x80,
};

struct mf_envelope_reader {
    unsigned char header[MF_ENVELOPE_HEADER];
    uint8_t header_len;
    size_t max; /* largest message as it travels */
    struct mf_buf
        body; /* of the message being read; the caller may take it (and leave an empty one) when whole */
};

void mf_envelope_reader_init(struct mf_envelope_reader *reader, size_t max);
void mf_envelope_reader_free(struct mf_envelope_reader *reader);
/* Takes bytes from the front of *bytes until a message is whole or they are used up. *whole tells which; the
 * message is then reader->body with *flags, until mf_envelope_next. MF_RESOURCE_EXHAUSTED when it is larger
 * than max or memory ran out. */
enum mf_code mf_envelope_read(struct mf_envelope_reader *reader, struct mf_str *bytes, bool *whole,
                              uint8_t *flags, struct mf_error *err) MF_CHECK_RESULT;
/* Forgets the message and gets ready for the following one. */
void mf_envelope_next(struct mf_envelope_reader *reader);
/* True between messages: the stream may end here. */
bool mf_envelope_at_start(const struct mf_envelope_reader *reader);

/* Writes the five bytes. */
void mf_envelope_header(char out[MF_ENVELOPE_HEADER], uint8_t flags, size_t len);

#endif
