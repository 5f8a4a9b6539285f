#include "rpc/grpc.h"

#include "base/encode.h"
#include "rpc/envelope.h"
#include "rpc/metadata.h"

/* The three fields of google.rpc.Status and the two of google.protobuf.Any are written by hand: a service's
 * error path must not depend on which messages were generated. */
static void add_varint(struct mf_buf *out, uint64_t value)
{
    while (value >= 0x80) {
        mf_buf_add_char(out, (char)(value | 0x80));
        value >>= 7;
    }
    mf_buf_add_char(out, (char)value);
}

static size_t varint_len(uint64_t value)
{
    size_t len = 1;
    while (value >>= 7)
        len++;
    return len;
}

static void add_bytes(struct mf_buf *out, uint32_t field, struct mf_str bytes)
{
    add_varint(out, field << 3 | 2);
    add_varint(out, bytes.len);
    mf_buf_add_str(out, bytes);
}

static const struct mf_str any_prefix = MF_STR("type.googleapis.com/");

static void add_status(struct mf_buf *out, const struct mf_outcome *outcome)
{
    add_varint(out, 1 << 3);
    add_varint(out, (uint64_t)outcome->code);
    if (outcome->message.len > 0)
        add_bytes(out, 2, outcome->message);
    for (size_t i = 0; i < outcome->detail_count; i++) {
        const struct mf_detail *detail = &outcome->details[i];
        size_t url_len = any_prefix.len + detail->type.len;
        size_t any_len =
            1 + varint_len(url_len) + url_len + 1 + varint_len(detail->bytes.len) + detail->bytes.len;
        add_varint(out, 3 << 3 | 2);
        add_varint(out, any_len);
        add_varint(out, 1 << 3 | 2);
        add_varint(out, url_len);
        mf_buf_add_str(out, any_prefix);
        mf_buf_add_str(out, detail->type);
        add_bytes(out, 2, detail->bytes);
    }
}

static struct mf_str status_base64(struct mf_arena *arena, const struct mf_outcome *outcome)
{
    struct mf_buf status = MF_BUF_INIT(0);
    struct mf_str text = {0};
    add_status(&status, outcome);
    if (!mf_buf_failed(&status))
        text = mf_base64(arena, mf_buf_str(&status));
    mf_buf_free(&status);
    while (text.len > 0 && text.ptr[text.len - 1] == '=')
        text.len--;
    return text;
}

static const struct mf_str status_numbers[] = {
    MF_STR("0"),  MF_STR("1"),  MF_STR("2"),  MF_STR("3"),  MF_STR("4"),  MF_STR("5"),
    MF_STR("6"),  MF_STR("7"),  MF_STR("8"),  MF_STR("9"),  MF_STR("10"), MF_STR("11"),
    MF_STR("12"), MF_STR("13"), MF_STR("14"), MF_STR("15"), MF_STR("16"),
};

size_t mf_grpc_trailers(struct mf_arena *arena, const struct mf_outcome *outcome, struct mf_header *out)
{
    size_t n = 0;
    out[n++] = (struct mf_header){MF_STR("grpc-status"), status_numbers[outcome->code]};
    if (outcome->code != MF_OK && outcome->message.len > 0) {
        struct mf_str text = mf_grpc_message_encode(arena, outcome->message);
        if (!text.ptr)
            return 0;
        out[n++] = (struct mf_header){MF_STR("grpc-message"), text};
    }
    if (outcome->code != MF_OK && outcome->detail_count > 0) {
        struct mf_str text = status_base64(arena, outcome);
        if (!text.ptr)
            return 0;
        out[n++] = (struct mf_header){MF_STR("grpc-status-details-bin"), text};
    }
    for (size_t i = 0; i < outcome->trailer_count; i++)
        out[n++] = outcome->trailers[i];
    return n;
}

void mf_grpc_web_trailer_frame(struct mf_buf *out, const struct mf_header *trailers, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += trailers[i].name.len + trailers[i].value.len + 4;
    char head[MF_ENVELOPE_HEADER];
    mf_envelope_header(head, MF_ENVELOPE_WEB_TRAILER, len);
    mf_buf_add(out, head, sizeof head);
    for (size_t i = 0; i < count; i++) {
        mf_buf_add_str(out, trailers[i].name);
        mf_buf_add_c(out, ": ");
        mf_buf_add_str(out, trailers[i].value);
        mf_buf_add_c(out, "\r\n");
    }
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ptrdiff_t mf_web_text_decode(struct mf_web_text *state, char *bytes, size_t len)
{
    char *to = bytes;
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '=') {
            /* The end of a padded piece; the left-over bits are zero and a new piece begins. */
            state->bits = 0;
            state->count = 0;
            continue;
        }
        int value = digit(bytes[i]);
        if (value < 0)
            return -1;
        state->bits = state->bits << 6 | (uint32_t)value;
        if (++state->count == 1)
            continue;
        *to++ = (char)(state->bits >> (8 - 2 * state->count) & 0xff);
        if (state->count == 4) {
            state->bits = 0;
            state->count = 0;
        }
    }
    return to - bytes;
}

void mf_web_text_encode(struct mf_buf *out, struct mf_str bytes)
{
    size_t size = mf_base64_size(bytes.len);
    char *text = mf_buf_reserve(out, size + 1);
    if (!text)
        return;
    mf_base64_write(text, bytes);
    mf_buf_commit(out, size);
}
