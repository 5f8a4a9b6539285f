#include "rpc/metadata.h"

#include "base/time.h"

struct steering {
    struct mf_str name;
    size_t offset;
};

#define STEERING(text, field)                                                                                \
    {                                                                                                        \
        MF_STR(text), offsetof(struct mf_rpc_headers, field)                                                 \
    }

static const struct steering steering_table[] = {
    STEERING("content-type", content_type),
    STEERING("content-length", content_length),
    STEERING("content-encoding", content_encoding),
    STEERING("accept-encoding", accept_encoding),
    STEERING("connect-content-encoding", connect_content_encoding),
    STEERING("connect-accept-encoding", connect_accept_encoding),
    STEERING("connect-protocol-version", connect_protocol_version),
    STEERING("connect-timeout-ms", connect_timeout_ms),
    STEERING("grpc-encoding", grpc_encoding),
    STEERING("grpc-accept-encoding", grpc_accept_encoding),
    STEERING("grpc-timeout", grpc_timeout),
};

void mf_rpc_headers_read(struct mf_rpc_headers *out, const struct mf_header *headers, size_t count)
{
    *out = (struct mf_rpc_headers){0};
    for (size_t i = 0; i < count; i++) {
        struct mf_str name = headers[i].name;
        if (name.len < 12 || (name.ptr[0] != 'c' && name.ptr[0] != 'a' && name.ptr[0] != 'g'))
            continue; /* none of the table's names is so short or begins otherwise */
        for (size_t k = 0; k < sizeof steering_table / sizeof *steering_table; k++) {
            if (!mf_str_eq(steering_table[k].name, name))
                continue;
            struct mf_str *field = (struct mf_str *)(void *)((char *)out + steering_table[k].offset);
            if (!field->ptr)
                *field = headers[i].value;
            break;
        }
    }
}

static bool digits(struct mf_str text, size_t max)
{
    if (text.len == 0 || text.len > max)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    }
    return true;
}

enum mf_code mf_timeout_parse_connect(struct mf_str text, int64_t *ns, struct mf_error *err)
{
    int64_t ms = 0;
    if (!digits(text, 10) || !mf_str_to_i64(text, &ms))
        return mf_fail(
            err, MF_INVALID_ARGUMENT,
            "connect-timeout-ms is \"%.*s\"; send a whole number of milliseconds of at most 10 digits",
            MF_FMT(mf_str_take(text, 40)));
    *ns = ms * MF_MS_NS;
    return MF_OK;
}

enum mf_code mf_timeout_parse_grpc(struct mf_str text, int64_t *ns, struct mf_error *err)
{
    static const struct {
        char unit;
        int64_t ns;
    } units[] = {
        {'H', 3600 * MF_SECOND_NS},
        {'M', 60 * MF_SECOND_NS},
        {'S', MF_SECOND_NS},
        {'m', MF_MS_NS},
        {'u', 1000},
        {'n', 1},
    };
    int64_t amount = 0;
    if (text.len >= 2 && digits(mf_str_take(text, text.len - 1), 8) &&
        mf_str_to_i64(mf_str_take(text, text.len - 1), &amount)) {
        for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
            if (units[i].unit != text.ptr[text.len - 1])
                continue;
            /* 99,999,999 hours do not fit; a time-out of more than 292 years is none. */
            *ns = amount > INT64_MAX / units[i].ns ? INT64_MAX : amount * units[i].ns;
            return MF_OK;
        }
    }
    return mf_fail(err, MF_INVALID_ARGUMENT,
                   "grpc-timeout is \"%.*s\"; send at most 8 digits followed by one of H M S m u n",
                   MF_FMT(mf_str_take(text, 40)));
}

struct mf_str mf_grpc_message_encode(struct mf_arena *arena, struct mf_str text)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t escaped = 0;
    for (size_t i = 0; i < text.len; i++)
        escaped += text.ptr[i] < ' ' || text.ptr[i] > '~' || text.ptr[i] == '%';
    if (escaped == 0 && text.len > 0)
        return mf_str_copy(arena, text);
    char *out = mf_arena_bytes(arena, text.len + 2 * escaped + 1);
    if (!out)
        return (struct mf_str){0};
    char *at = out;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= ' ' && c <= '~' && c != '%') {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = hex[c >> 4];
            *at++ = hex[c & 15];
        }
    }
    return mf_str_make(out, (size_t)(at - out));
}

bool mf_metadata_valid(struct mf_str name, struct mf_str value)
{
    if (name.len == 0 || name.len > 256)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool token =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c != 0 && strchr("-_.!#$%&'*+^`|~", c));
        if (!token)
            return false;
    }
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}
