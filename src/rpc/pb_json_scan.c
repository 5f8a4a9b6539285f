#include "rpc/pb_json.h"

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* High bit set in (at least the first of) the bytes of the word that are zero. */
static inline uint64_t zero_bytes(uint64_t word)
{
    return (word - ONES) & ~word & HIGHS;
}

static inline bool is_special(char c)
{
    return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

const char *pb_json_special(const char *at, const char *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        uint64_t control = (word - ONES * 0x20) & ~word & HIGHS;
        if (control | zero_bytes(word ^ (ONES * '"')) | zero_bytes(word ^ (ONES * '\\')))
            break;
    }
    while (at < end && !is_special(*at))
        at++;
    return at;
}

/* ---- tokens ---- */

static void skip_space(struct pb_json_scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
}

enum pb_json_kind pb_json_peek(struct pb_json_scanner *s)
{
    skip_space(s);
    if (s->at == s->end)
        return PB_JSON_NONE;
    switch (*s->at) {
    case '{':
        return PB_JSON_OBJECT;
    case '[':
        return PB_JSON_ARRAY;
    case '"':
        return PB_JSON_STRING;
    case 't':
        return PB_JSON_TRUE;
    case 'f':
        return PB_JSON_FALSE;
    case 'n':
        return PB_JSON_NULL;
    default:
        return *s->at == '-' || (*s->at >= '0' && *s->at <= '9') ? PB_JSON_NUMBER : PB_JSON_NONE;
    }
}

const char *pb_json_kind_name(enum pb_json_kind kind)
{
    static const char *const names[] = {
        [PB_JSON_NONE] = "no JSON value", [PB_JSON_OBJECT] = "an object", [PB_JSON_ARRAY] = "an array",
        [PB_JSON_STRING] = "a string",    [PB_JSON_NUMBER] = "a number",  [PB_JSON_TRUE] = "true",
        [PB_JSON_FALSE] = "false",        [PB_JSON_NULL] = "null",
    };
    return names[kind];
}

bool pb_json_fail(struct pb_json_scanner *s, const struct pb_path *path, const char *format, ...)
{
    struct mf_error own;
    va_list args;
    va_start(args, format);
    (void)mf_failv(&own, MF_INVALID_ARGUMENT, format, args);
    va_end(args);
    (void)pb_path_fail(s->err, path, "%s (at byte %zu)", own.message, (size_t)(s->at - s->start));
    return false;
}

bool pb_json_fail_kind(struct pb_json_scanner *s, const struct pb_path *path, const char *wanted)
{
    enum pb_json_kind kind = pb_json_peek(s);
    if (s->at == s->end)
        return pb_json_fail(s, path, "the JSON text ends where %s should be", wanted);
    return pb_json_fail(s, path, "%s is needed here, not %s", wanted, pb_json_kind_name(kind));
}

bool pb_json_take(struct pb_json_scanner *s, char punctuation)
{
    skip_space(s);
    if (s->at == s->end || *s->at != punctuation)
        return false;
    s->at++;
    return true;
}

bool pb_json_next(struct pb_json_scanner *s, const struct pb_path *path, char close, bool *more)
{
    *more = pb_json_take(s, ',');
    if (*more || pb_json_take(s, close))
        return true;
    return pb_json_fail(s, path,
                        s->at == s->end ? "the JSON text ends where ',' or '%c' should be"
                                        : "',' or '%c' is needed here",
                        close);
}

bool pb_json_word(struct pb_json_scanner *s, const struct pb_path *path, const char *word)
{
    size_t len = strlen(word);
    skip_space(s);
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
        return pb_json_fail(s, path, "%s is needed here", word);
    s->at += len;
    return true;
}

/* ---- strings ---- */

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits after "\u", or -1. */
static int32_t code_unit(const char *at, const char *end)
{
    int32_t unit = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_of(at[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* Length of the escape that begins with the backslash at at, and the character it stands for; 0 when
 * malformed. */
static size_t escape(const char *at, const char *end, uint32_t *character)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (end - at < 2)
        return 0;
    if (at[1] != 'u') {
        const char *letter = at[1] != '\0' ? strchr(letters, at[1]) : NULL;
        *character = letter ? (unsigned char)meanings[letter - letters] : 0;
        return letter ? 2 : 0;
    }
    int32_t unit = code_unit(at + 2, end);
    if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF))
        return 0;
    *character = (uint32_t)unit;
    if (unit < 0xD800 || unit > 0xDBFF)
        return 6;
    /* The first half of a pair: the second must follow. */
    if (end - at < 12 || at[6] != '\\' || at[7] != 'u')
        return 0;
    int32_t second = code_unit(at + 8, end);
    if (second < 0xDC00 || second > 0xDFFF)
        return 0;
    *character = 0x10000 + (((uint32_t)unit & 0x3FF) << 10) + ((uint32_t)second & 0x3FF);
    return 12;
}

static char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xC0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *out++ = (char)(0xE0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    } else {
        *out++ = (char)(0xF0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3F));
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    }
    return out;
}

/* Takes a string and gives what stands between its quotes, all of whose escapes are well-formed. */
static bool raw_string(struct pb_json_scanner *s, const struct pb_path *path, struct mf_str *raw,
                       bool *escaped)
{
    if (pb_json_peek(s) != PB_JSON_STRING)
        return pb_json_fail_kind(s, path, "a string");
    const char *begin = s->at + 1;
    const char *at = begin;
    *escaped = false;
    for (;;) {
        at = pb_json_special(at, s->end);
        uint32_t character;
        size_t len = 0;
        if (at == s->end)
            return pb_json_fail(s, path, "the string has no end");
        if (*at == '"')
            break;
        if (*at == '\\')
            len = escape(at, s->end, &character);
        if (len == 0) {
            bool control = *at != '\\';
            s->at = at;
            return pb_json_fail(s, path,
                                control ? "control characters in a string are written with a backslash"
                                        : "this escape is malformed or half of a surrogate pair");
        }
        *escaped = true;
        at += len;
    }
    *raw = mf_str_make(begin, (size_t)(at - begin));
    s->at = at + 1;
    return true;
}

bool pb_json_string(struct pb_json_scanner *s, const struct pb_path *path, struct mf_str *out)
{
    bool escaped;
    if (!raw_string(s, path, out, &escaped))
        return false;
    if (!escaped)
        return true;
    /* No escape is shorter than what it stands for. */
    char *text = mf_arena_bytes(s->arena, out->len);
    char *to = text;
    const char *at = out->ptr, *end = out->ptr + out->len;
    if (!text)
        return mf_fail_memory(s->err) == MF_OK;
    while (at < end) {
        const char *stop = pb_json_special(at, end);
        memcpy(to, at, (size_t)(stop - at));
        to += stop - at;
        at = stop;
        uint32_t character = 0;
        if (at < end) {
            at += escape(at, end, &character);
            to = put_utf8(to, character);
        }
    }
    *out = mf_str_make(text, (size_t)(to - text));
    return true;
}

/* ---- skipping ---- */

static bool skip_elements(struct pb_json_scanner *s, const struct pb_path *path, char close, unsigned depth)
{
    bool object = close == '}';
    s->at++;
    bool more = !pb_json_take(s, close);
    while (more) {
        struct mf_str key;
        bool escaped;
        if (object && !raw_string(s, path, &key, &escaped))
            return false;
        if (object && !pb_json_take(s, ':'))
            return pb_json_fail(s, path, "':' is needed here");
        if (!pb_json_skip(s, path, depth + 1) || !pb_json_next(s, path, close, &more))
            return false;
    }
    return true;
}

bool pb_json_skip(struct pb_json_scanner *s, const struct pb_path *path, unsigned depth)
{
    struct mf_str ignored;
    bool escaped;
    if (depth >= PB_DEPTH_MAX)
        return pb_json_fail(s, path, "values are nested deeper than %d", PB_DEPTH_MAX);
    switch (pb_json_peek(s)) {
    case PB_JSON_OBJECT:
        return skip_elements(s, path, '}', depth);
    case PB_JSON_ARRAY:
        return skip_elements(s, path, ']', depth);
    case PB_JSON_STRING:
        return raw_string(s, path, &ignored, &escaped);
    case PB_JSON_NUMBER:
        return pb_json_number(s, path, &ignored);
    case PB_JSON_TRUE:
        return pb_json_word(s, path, "true");
    case PB_JSON_FALSE:
        return pb_json_word(s, path, "false");
    case PB_JSON_NULL:
        return pb_json_word(s, path, "null");
    case PB_JSON_NONE:
        break;
    }
    return pb_json_fail_kind(s, path, "a value");
}
