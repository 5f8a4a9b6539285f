#include "objects/xml.h"

#define DEPTH_MAX 8

void mf_xml_text(struct mf_buf *out, struct mf_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '&':
            mf_buf_add_c(out, "&amp;");
            break;
        case '<':
            mf_buf_add_c(out, "&lt;");
            break;
        case '>':
            mf_buf_add_c(out, "&gt;");
            break;
        case '"':
            mf_buf_add_c(out, "&quot;");
            break;
        default:
            mf_buf_add_char(out, text.ptr[i]);
        }
    }
}

void mf_xml_element(struct mf_buf *out, const char *name, struct mf_str text)
{
    mf_buf_printf(out, "<%s>", name);
    mf_xml_text(out, text);
    mf_buf_printf(out, "</%s>", name);
}

struct reader {
    struct mf_arena *arena;
    struct mf_str rest;
    struct mf_str open[DEPTH_MAX]; /* names as written, for the comparison at their end */
    size_t depth;
    bool seen; /* the root element */
    bool (*visit)(void *ctx, struct mf_str name, struct mf_str text);
    void *ctx;
};

/* The character that a reference names; 0 when it names none that may stand here. */
static unsigned reference(struct mf_str name)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    unsigned value = 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (mf_str_eq_c(name, known[i].name))
            return (unsigned char)known[i].c;
    }
    bool hex = mf_str_starts(name, MF_STR("#x"));
    if (!hex && !mf_str_starts(name, MF_STR("#")))
        return 0;
    for (size_t i = hex ? 2 : 1; i < name.len && value < 0x110000; i++) {
        char c = name.ptr[i];
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
        if (digit >= (hex ? 16u : 10u))
            return 0;
        value = value * (hex ? 16 : 10) + digit;
    }
    return value < 0x110000 && (value < 0xd800 || value > 0xdfff) ? value : 0;
}

static size_t put_utf8(char *out, unsigned c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00u >> len) | c);
    return len;
}

/* Replaces references; the result is never longer than the text. */
static bool unescape(struct mf_arena *arena, struct mf_str text, struct mf_str *out)
{
    size_t len = 0;
    if (mf_str_find_char(text, '&') == SIZE_MAX) {
        *out = text;
        return true;
    }
    char *bytes = mf_arena_bytes(arena, text.len);
    if (!bytes)
        return false;
    while (text.len > 0) {
        if (text.ptr[0] != '&') {
            bytes[len++] = text.ptr[0];
            text = mf_str_skip(text, 1);
            continue;
        }
        size_t end = mf_str_find_char(text, ';');
        unsigned c = end == SIZE_MAX ? 0 : reference(mf_str_take(mf_str_skip(text, 1), end - 1));
        if (c == 0)
            return false;
        len += put_utf8(bytes + len, c);
        text = mf_str_skip(text, end + 1);
    }
    *out = mf_str_make(bytes, len);
    return true;
}

static struct mf_str local_name(struct mf_str name)
{
    size_t colon = mf_str_find_char(name, ':');
    return colon == SIZE_MAX ? name : mf_str_skip(name, colon + 1);
}

/* Takes what stands before the next occurrence of end, and end itself. */
static bool take_until(struct reader *reader, struct mf_str end, struct mf_str *taken)
{
    size_t at = mf_str_find(reader->rest, end);
    if (at == SIZE_MAX)
        return false;
    *taken = mf_str_take(reader->rest, at);
    reader->rest = mf_str_skip(reader->rest, at + end.len);
    return true;
}

static bool close_element(struct reader *reader, struct mf_str name, struct mf_str text)
{
    struct mf_str plain;
    name = mf_str_trim(name, MF_STR(" \t\r\n"));
    if (reader->depth == 0 || !mf_str_eq(reader->open[reader->depth - 1], name))
        return false;
    reader->depth--;
    return unescape(reader->arena, text, &plain) && reader->visit(reader->ctx, local_name(name), plain);
}

static bool open_element(struct reader *reader, struct mf_str tag)
{
    bool empty = mf_str_ends(tag, MF_STR("/"));
    if (empty)
        tag = mf_str_take(tag, tag.len - 1);
    size_t len = 0;
    while (len < tag.len && !strchr(" \t\r\n", tag.ptr[len]))
        len++;
    if (len == 0 || reader->depth == DEPTH_MAX || (reader->depth == 0 && reader->seen))
        return false;
    reader->seen = true;
    reader->open[reader->depth++] = mf_str_take(tag, len);
    return !empty || close_element(reader, mf_str_take(tag, len), MF_STR_EMPTY);
}

bool mf_xml_each(struct mf_arena *arena, struct mf_str document,
                 bool (*visit)(void *ctx, struct mf_str name, struct mf_str text), void *ctx)
{
    struct reader reader = {.arena = arena, .rest = document, .visit = visit, .ctx = ctx};
    struct mf_str text;
    struct mf_str tag;
    if (!mf_utf8_valid(document.ptr, document.len))
        return false;
    if (mf_str_starts(document, MF_STR("\xef\xbb\xbf")))
        reader.rest = mf_str_skip(document, 3);
    while (take_until(&reader, MF_STR("<"), &text)) {
        bool ok;
        if (mf_str_starts(reader.rest, MF_STR("!--")))
            ok = take_until(&reader, MF_STR("-->"), &tag);
        else if (mf_str_starts(reader.rest, MF_STR("?")))
            ok = take_until(&reader, MF_STR("?>"), &tag);
        else if (mf_str_starts(reader.rest, MF_STR("!")) || !take_until(&reader, MF_STR(">"), &tag))
            ok = false;
        else if (mf_str_starts(tag, MF_STR("/")))
            ok = close_element(&reader, mf_str_skip(tag, 1), text);
        else
            ok = open_element(&reader, tag);
        if (!ok)
            return false;
    }
    return reader.seen && reader.depth == 0 && mf_str_trim(reader.rest, MF_STR(" \t\r\n")).len == 0;
}
