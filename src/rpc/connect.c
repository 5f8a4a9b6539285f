#include "rpc/connect.h"

#include "base/encode.h"

static void add_json_string(struct mf_buf *out, struct mf_str text)
{
    bool utf8 = mf_utf8_valid(text.ptr, text.len);
    mf_buf_add_char(out, '"');
    size_t done = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= ' ' && c != '"' && c != '\\' && (c < 0x80 || utf8))
            continue;
        mf_buf_add(out, text.ptr + done, i - done);
        done = i + 1;
        if (c == '"' || c == '\\')
            mf_buf_printf(out, "\\%c", c);
        else if (c >= 0x80)
            mf_buf_add_c(out, "\\ufffd");
        else
            mf_buf_printf(out, "\\u%04x", c);
    }
    if (text.len > done)
        mf_buf_add(out, text.ptr + done, text.len - done);
    mf_buf_add_char(out, '"');
}

/* Connect wants base64 without padding here. */
static void add_base64(struct mf_buf *out, struct mf_str bytes)
{
    size_t size = mf_base64_size(bytes.len);
    char *text = mf_buf_reserve(out, size + 1);
    if (!text)
        return;
    mf_base64_write(text, bytes);
    while (size > 0 && text[size - 1] == '=')
        size--;
    mf_buf_commit(out, size);
}

void mf_connect_error_json(struct mf_buf *out, const struct mf_outcome *outcome)
{
    mf_buf_printf(out, "{\"code\":\"%s\"", mf_code_word(outcome->code));
    if (outcome->message.len > 0) {
        mf_buf_add_c(out, ",\"message\":");
        add_json_string(out, outcome->message);
    }
    for (size_t i = 0; i < outcome->detail_count; i++) {
        const struct mf_detail *detail = &outcome->details[i];
        mf_buf_add_c(out, i == 0 ? ",\"details\":[{\"type\":" : ",{\"type\":");
        add_json_string(out, detail->type);
        mf_buf_add_c(out, ",\"value\":\"");
        add_base64(out, detail->bytes);
        mf_buf_add_char(out, '"');
        if (detail->debug.len > 0) {
            mf_buf_add_c(out, ",\"debug\":");
            mf_buf_add_str(out, detail->debug);
        }
        mf_buf_add_char(out, '}');
    }
    mf_buf_add_c(out, outcome->detail_count > 0 ? "]}" : "}");
}

static bool named_before(const struct mf_outcome *outcome, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (mf_str_eq(outcome->trailers[i].name, outcome->trailers[index].name))
            return true;
    }
    return false;
}

static void add_metadata(struct mf_buf *out, const struct mf_outcome *outcome)
{
    bool first = true;
    for (size_t i = 0; i < outcome->trailer_count; i++) {
        if (named_before(outcome, i))
            continue;
        mf_buf_add_c(out, first ? "\"metadata\":{" : ",");
        first = false;
        add_json_string(out, outcome->trailers[i].name);
        mf_buf_add_c(out, ":[");
        add_json_string(out, outcome->trailers[i].value);
        for (size_t k = i + 1; k < outcome->trailer_count; k++) {
            if (!mf_str_eq(outcome->trailers[i].name, outcome->trailers[k].name))
                continue;
            mf_buf_add_char(out, ',');
            add_json_string(out, outcome->trailers[k].value);
        }
        mf_buf_add_char(out, ']');
    }
    mf_buf_add_char(out, '}');
}

void mf_connect_end_json(struct mf_buf *out, const struct mf_outcome *outcome)
{
    mf_buf_add_char(out, '{');
    if (outcome->code != MF_OK) {
        mf_buf_add_c(out, "\"error\":");
        mf_connect_error_json(out, outcome);
    }
    if (outcome->trailer_count > 0) {
        if (outcome->code != MF_OK)
            mf_buf_add_char(out, ',');
        add_metadata(out, outcome);
    }
    mf_buf_add_char(out, '}');
}

enum mf_code mf_connect_get_parse(struct mf_arena *arena, struct mf_str query, struct mf_connect_get *out,
                                  struct mf_error *err)
{
    bool base64 = false;
    bool have_message = false;
    *out = (struct mf_connect_get){0};
    while (query.len > 0) {
        size_t amp = mf_str_find_char(query, '&');
        struct mf_str pair = amp == SIZE_MAX ? query : mf_str_take(query, amp);
        query = amp == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(query, amp + 1);
        size_t equals = mf_str_find_char(pair, '=');
        struct mf_str name = equals == SIZE_MAX ? pair : mf_str_take(pair, equals);
        struct mf_str value = MF_STR_EMPTY;
        if (!mf_percent_decode(arena, equals == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(pair, equals + 1), true,
                               &value))
            return mf_fail(err, MF_INVALID_ARGUMENT, "the query parameter %.*s is not valid percent-encoding",
                           MF_FMT(mf_str_take(name, 40)));
        if (mf_str_eq_c(name, "encoding")) {
            out->encoding = value;
        } else if (mf_str_eq_c(name, "message")) {
            out->message = value;
            have_message = true;
        } else if (mf_str_eq_c(name, "base64")) {
            base64 = mf_str_eq_c(value, "1");
        } else if (mf_str_eq_c(name, "compression")) {
            out->compression = value;
        } else if (mf_str_eq_c(name, "connect")) {
            out->version = value;
        }
    }
    if (!have_message)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "the query has no parameter \"message\"; send the request there");
    if (base64 && !mf_base64_decode(arena, out->message, &out->message))
        return mf_fail(err, MF_INVALID_ARGUMENT, "the query parameter \"message\" is not base64");
    return MF_OK;
}
