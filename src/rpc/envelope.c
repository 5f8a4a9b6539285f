#include "rpc/envelope.h"

void mf_envelope_reader_init(struct mf_envelope_reader *reader, size_t max)
{
    *reader = (struct mf_envelope_reader){.max = max};
}

void mf_envelope_reader_free(struct mf_envelope_reader *reader)
{
    mf_buf_free(&reader->body);
    reader->header_len = 0;
}

static size_t message_len(const struct mf_envelope_reader *reader)
{
    const unsigned char *h = reader->header;
    return ((size_t)h[1] << 24) | ((size_t)h[2] << 16) | ((size_t)h[3] << 8) | (size_t)h[4];
}

enum mf_code mf_envelope_read(struct mf_envelope_reader *reader, struct mf_str *bytes, bool *whole,
                              uint8_t *flags, struct mf_error *err)
{
    *whole = false;
    while (reader->header_len < MF_ENVELOPE_HEADER) {
        if (bytes->len == 0)
            return MF_OK;
        reader->header[reader->header_len++] = (unsigned char)bytes->ptr[0];
        *bytes = mf_str_skip(*bytes, 1);
        if (reader->header_len == MF_ENVELOPE_HEADER && message_len(reader) > reader->max)
            return mf_fail(err, MF_RESOURCE_EXHAUSTED,
                           "the message is %zu bytes long and the limit is %zu; send less at a time",
                           message_len(reader), reader->max);
    }
    size_t len = message_len(reader);
    size_t take = len - reader->body.len < bytes->len ? len - reader->body.len : bytes->len;
    /* Grow with what has arrived, not with what the header promises: a header alone must not cost memory. */
    if (take > 0 && !mf_buf_add(&reader->body, bytes->ptr, take))
        return mf_fail_memory(err);
    *bytes = mf_str_skip(*bytes, take);
    if (reader->body.len == len) {
        *whole = true;
        *flags = reader->header[0];
    }
    return MF_OK;
}

void mf_envelope_next(struct mf_envelope_reader *reader)
{
    reader->header_len = 0;
    mf_buf_clear(&reader->body);
}

bool mf_envelope_at_start(const struct mf_envelope_reader *reader)
{
    return reader->header_len == 0;
}

void mf_envelope_header(char out[MF_ENVELOPE_HEADER], uint8_t flags, size_t len)
{
    out[0] = (char)flags;
    out[1] = (char)(len >> 24 & 0xff);
    out[2] = (char)(len >> 16 & 0xff);
    out[3] = (char)(len >> 8 & 0xff);
    out[4] = (char)(len & 0xff);
}
