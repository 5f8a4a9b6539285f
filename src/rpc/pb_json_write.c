#include "rpc/pb_json.h"
#include "rpc/pb_wire.h"

#include "base/encode.h"

#include <inttypes.h>
#include <math.h>

struct writer {
    struct mf_arena *arena;
    char *text;
    size_t len;
    size_t cap;
    const struct pb_json_options *options;
    struct mf_error *err;
};

#define FIRST_CAP ((size_t)1024)

static bool fail(struct writer *w, const struct pb_path *path, const char *what)
{
    enum mf_code code = pb_path_fail(w->err, path, "%s", what);
    if (w->err)
        w->err->code = MF_INTERNAL; /* what cannot be written was made by us or let in by us */
    return code == MF_OK;
}

/* ---- text ---- */

static bool grow(struct writer *w, size_t extra)
{
    size_t cap = w->cap * 2 > w->len + extra ? w->cap * 2 : w->len + extra;
    char *text = w->len + extra <= PB_MESSAGE_MAX ? mf_arena_bytes(w->arena, cap) : NULL;
    if (!text)
        return mf_fail_memory(w->err) == MF_OK;
    if (w->len > 0)
        memcpy(text, w->text, w->len);
    w->text = text;
    w->cap = cap;
    return true;
}

static inline bool reserve(struct writer *w, size_t extra)
{
    return w->cap - w->len >= extra || grow(w, extra);
}

static bool put(struct writer *w, const char *bytes, size_t len)
{
    if (!reserve(w, len))
        return false;
    memcpy(w->text + w->len, bytes, len);
    w->len += len;
    return true;
}

static inline bool put_char(struct writer *w, char c)
{
    if (!reserve(w, 1))
        return false;
    w->text[w->len++] = c;
    return true;
}

static bool put_escape(struct writer *w, char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    unsigned char byte = (unsigned char)c;
    if (byte >= 0x20)
        return put_char(w, '\\') && put_char(w, c);
    if (byte < sizeof letters && letters[byte] != 0)
        return put_char(w, '\\') && put_char(w, letters[byte]);
    const char text[] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
    return put(w, text, sizeof text);
}

/* A JSON string without its quotes. */
static bool put_escaped(struct writer *w, struct mf_str s)
{
    const char *at = s.ptr, *end = s.ptr + s.len;
    while (at < end) {
        const char *stop = pb_json_special(at, end);
        if (!put(w, at, (size_t)(stop - at)) || (stop < end && !put_escape(w, *stop)))
            return false;
        at = stop + (stop < end);
    }
    return true;
}

static bool put_string(struct writer *w, const struct pb_path *path, struct mf_str s)
{
    if (!pb_is_ascii(s) && !mf_utf8_valid(s.ptr, s.len))
        return fail(w, path, "the text is not valid UTF-8");
    return put_char(w, '"') && (s.len == 0 || put_escaped(w, s)) && put_char(w, '"');
}

static bool put_quoted(struct writer *w, const char *text, size_t len)
{
    return put_char(w, '"') && put(w, text, len) && put_char(w, '"');
}

static bool put_unsigned(struct writer *w, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return put(w, digits + at, sizeof digits - at);
}

static bool put_signed(struct writer *w, int64_t value)
{
    if (value >= 0)
        return put_unsigned(w, (uint64_t)value);
    return put_char(w, '-') && put_unsigned(w, (uint64_t)0 - (uint64_t)value);
}

static bool put_bytes(struct writer *w, struct mf_str bytes)
{
    size_t size = mf_base64_size(bytes.len);
    if (!put_char(w, '"') || !reserve(w, size))
        return false;
    mf_base64_write(w->text + w->len, bytes);
    w->len += size;
    return put_char(w, '"');
}

/* NaN and the infinities have no JSON number; they are written as strings. */
static const char *real_word(double value)
{
    return isnan(value) ? "\"NaN\"" : isfinite(value) ? NULL : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
}

static bool put_double(struct writer *w, double value)
{
    char text[PB_JSON_REAL_MAX];
    const char *word = real_word(value);
    return word ? put(w, word, strlen(word)) : put(w, text, pb_json_from_double(value, text));
}

static bool put_float(struct writer *w, float value)
{
    char text[PB_JSON_REAL_MAX];
    const char *word = real_word((double)value);
    return word ? put(w, word, strlen(word)) : put(w, text, pb_json_from_float(value, text));
}

static bool put_enum(struct writer *w, const struct pb_enum *enumeration, int32_t number)
{
    if (pb_is_null_enum(enumeration))
        return put(w, "null", 4);
    for (uint32_t i = 0; i < enumeration->count; i++) {
        const struct pb_enum_value *value = &enumeration->values[i];
        if (value->number == number)
            return put_quoted(w, value->name, strlen(value->name));
    }
    return put_signed(w, number);
}

/* ---- values ---- */

static bool put_message(struct writer *w, const struct pb_path *path, const struct pb_type *type,
                        const void *msg, unsigned depth);

static bool put_value(struct writer *w, const struct pb_path *path, const struct pb_field *field,
                      const void *at, unsigned depth)
{
    union {
        int32_t i32;
        uint32_t u32;
        int64_t i64;
        uint64_t u64;
        float f32;
        double f64;
        bool truth;
        struct mf_str str;
        const void *msg;
    } v;
    memcpy(&v, at, pb_kind_size((enum pb_kind)field->kind));
    switch ((enum pb_kind)field->kind) {
    case PB_BOOL:
        return v.truth ? put(w, "true", 4) : put(w, "false", 5);
    case PB_ENUM:
        return put_enum(w, field->enumeration, v.i32);
    case PB_INT32:
    case PB_SINT32:
    case PB_FIXED32_SIGNED:
        return put_signed(w, v.i32);
    case PB_UINT32:
    case PB_FIXED32:
        return put_unsigned(w, v.u32);
    case PB_INT64:
    case PB_SINT64:
    case PB_FIXED64_SIGNED:
        return put_char(w, '"') && put_signed(w, v.i64) && put_char(w, '"');
    case PB_UINT64:
    case PB_FIXED64:
        return put_char(w, '"') && put_unsigned(w, v.u64) && put_char(w, '"');
    case PB_FLOAT:
        return put_float(w, v.f32);
    case PB_DOUBLE:
        return put_double(w, v.f64);
    case PB_STRING:
        return put_string(w, path, v.str);
    case PB_BYTES:
        return put_bytes(w, v.str);
    case PB_MESSAGE:
        return put_message(w, path, field->type, v.msg, depth + 1);
    }
    return fail(w, path, "the field is of no known kind");
}

static bool put_list(struct writer *w, const struct pb_path *path, const struct pb_field *field,
                     const void *msg, unsigned depth)
{
    const struct pb_list *list = pb_at(field, msg);
    size_t size = pb_kind_size((enum pb_kind)field->kind);
    if (!put_char(w, '['))
        return false;
    for (uint32_t i = 0; i < list->count; i++) {
        struct pb_path step = {.up = path, .step = PB_STEP_INDEX, .index = i};
        if ((i > 0 && !put_char(w, ',')) ||
            !put_value(w, &step, field, (const char *)list->items + i * size, depth))
            return false;
    }
    return put_char(w, ']');
}

/* Keys are strings whatever their kind. */
static bool put_key(struct writer *w, const struct pb_path *path, const struct pb_field *key,
                    const void *entry)
{
    static const bool quoted[] = {[PB_STRING] = true,         [PB_INT64] = true,  [PB_SINT64] = true,
                                  [PB_FIXED64_SIGNED] = true, [PB_UINT64] = true, [PB_FIXED64] = true};
    bool bare = key->kind >= sizeof quoted || !quoted[key->kind];
    return (!bare || put_char(w, '"')) && put_value(w, path, key, pb_at(key, entry), 0) &&
           (!bare || put_char(w, '"')) && put_char(w, ':');
}

static bool put_map(struct writer *w, const struct pb_path *path, const struct pb_field *field,
                    const void *msg, unsigned depth)
{
    const struct pb_list *list = pb_at(field, msg);
    const struct pb_field *key = &field->type->fields[0], *value = &field->type->fields[1];
    if (!put_char(w, '{'))
        return false;
    for (uint32_t i = 0; i < list->count; i++) {
        const void *entry = ((void *const *)list->items)[i];
        struct pb_path step = {.up = path, .step = PB_STEP_INDEX, .index = i};
        if (!entry)
            return fail(w, &step, "the entry is missing");
        if (key->kind == PB_STRING) {
            step.step = PB_STEP_KEY;
            memcpy(&step.name, pb_at(key, entry), sizeof step.name);
        }
        if ((i > 0 && !put_char(w, ',')) || !put_key(w, &step, key, entry) ||
            !put_value(w, &step, value, pb_at(value, entry), depth + 1))
            return false;
    }
    return put_char(w, '}');
}

/* ---- messages with a form of their own ---- */

static bool put_time(struct writer *w, const struct pb_path *path, const struct pb_type *type,
                     const void *msg)
{
    char text[PB_JSON_TIME_MAX];
    int64_t seconds;
    int32_t nanos;
    memcpy(&seconds, pb_at(&type->fields[0], msg), sizeof seconds);
    memcpy(&nanos, pb_at(&type->fields[1], msg), sizeof nanos);
    size_t len = type->special == PB_TIMESTAMP ? pb_json_from_timestamp(seconds, nanos, text)
                                               : pb_json_from_duration(seconds, nanos, text);
    if (len == 0)
        return fail(w, path,
                    type->special == PB_TIMESTAMP ? "the timestamp is outside of the years 1 to 9999"
                                                  : "the duration is out of range or has mixed signs");
    return put_quoted(w, text, len);
}

/* "foo_bar.baz" as "fooBar.baz"; false when the way back would lead elsewhere. */
static bool put_mask_path(struct writer *w, struct mf_str path)
{
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        if (c == '_') {
            if (++i == path.len || path.ptr[i] < 'a' || path.ptr[i] > 'z')
                return false;
            c = (char)(path.ptr[i] - 'a' + 'A');
        } else if (c == ',' || (c >= 'A' && c <= 'Z')) {
            return false;
        }
        char escaped[2] = {c, 0};
        if (!put_escaped(w, mf_str_make(escaped, 1)))
            return false;
    }
    return path.len > 0;
}

static bool put_mask(struct writer *w, const struct pb_path *path, const struct pb_type *type,
                     const void *msg)
{
    const struct pb_list *list = pb_at(&type->fields[0], msg);
    if (!put_char(w, '"'))
        return false;
    for (uint32_t i = 0; i < list->count; i++) {
        struct mf_str item = ((const struct mf_str *)list->items)[i];
        if (i > 0 && !put_char(w, ','))
            return false;
        if (!put_mask_path(w, item))
            return fail(w, path, "a path of the field mask has no form in JSON");
    }
    return put_char(w, '"');
}

static bool put_dynamic(struct writer *w, const struct pb_path *path, const struct pb_type *type,
                        const void *msg, unsigned depth)
{
    const struct pb_field *field = NULL;
    for (uint32_t i = 0; i < type->field_count && !field; i++) {
        if (pb_field_is_set(&type->fields[i], msg))
            field = &type->fields[i];
    }
    /* A value without a kind is an error by the letter; as null it spoils no answer that happens to hold one.
     */
    if (!field || field->number == PB_VALUE_NULL)
        return put(w, "null", 4);
    if (field->number == PB_VALUE_NUMBER) {
        double number;
        memcpy(&number, pb_at(field, msg), sizeof number);
        if (!isfinite(number))
            return fail(w, path, "a google.protobuf.Value cannot hold NaN or an infinity in JSON");
    }
    return put_value(w, path, field, pb_at(field, msg), depth);
}

static bool put_fields(struct writer *w, const struct pb_path *path, const struct pb_type *type,
                       const void *msg, bool *first, unsigned depth);

static bool put_any(struct writer *w, const struct pb_path *path, const struct pb_type *any, const void *msg,
                    unsigned depth)
{
    struct mf_str url, bytes;
    void *inner;
    bool first = false;
    memcpy(&url, pb_at(&any->fields[0], msg), sizeof url);
    memcpy(&bytes, pb_at(&any->fields[1], msg), sizeof bytes);
    if (url.len == 0 && bytes.len == 0)
        return put(w, "{}", 2);
    const struct pb_type *type = pb_json_any_type(url);
    if (!type)
        return fail(w, path, "the google.protobuf.Any holds a message of a type that is not known here");
    if (depth >= PB_DEPTH_MAX)
        return fail(w, path, "messages are nested too deeply");
    enum mf_code code = pb_decode(w->arena, type, bytes, &inner, w->err);
    if (code != MF_OK)
        return code != MF_RESOURCE_EXHAUSTED &&
               fail(w, path, "what the google.protobuf.Any holds is malformed");
    if (!put(w, "{\"@type\":", 9) || !put_string(w, path, url))
        return false;
    bool good = type->special == PB_PLAIN
                    ? put_fields(w, path, type, inner, &first, depth + 1)
                    : put(w, ",\"value\":", 9) && put_message(w, path, type, inner, depth + 1);
    return good && put_char(w, '}');
}

/* ---- plain messages ---- */

static bool put_field(struct writer *w, const struct pb_path *up, const struct pb_field *field,
                      const void *msg, bool first, unsigned depth)
{
    const char *name = w->options->proto_names ? field->name : field->json_name;
    struct pb_path path = pb_path_name(up, name);
    if ((!first && !put_char(w, ',')) || !put_char(w, '"') || !put_escaped(w, path.name) || !put(w, "\":", 2))
        return false;
    if (field->shape == PB_REPEATED)
        return put_list(w, &path, field, msg, depth);
    if (field->shape == PB_MAP)
        return put_map(w, &path, field, msg, depth);
    return put_value(w, &path, field, pb_at(field, msg), depth);
}

static bool put_fields(struct writer *w, const struct pb_path *path, const struct pb_type *type,
                       const void *msg, bool *first, unsigned depth)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct pb_field *field = &type->fields[i];
        bool list = field->shape == PB_REPEATED || field->shape == PB_MAP;
        bool defaulted =
            w->options->emit_defaults && (list || (field->shape == PB_IMPLICIT && field->kind != PB_MESSAGE));
        if (!defaulted && !pb_field_is_set(field, msg))
            continue;
        if (!put_field(w, path, field, msg, *first, depth))
            return false;
        *first = false;
    }
    return true;
}

static bool put_plain(struct writer *w, const struct pb_path *path, const struct pb_type *type,
                      const void *msg, unsigned depth)
{
    bool first = true;
    return put_char(w, '{') && put_fields(w, path, type, msg, &first, depth) && put_char(w, '}');
}

static bool put_message(struct writer *w, const struct pb_path *path, const struct pb_type *type,
                        const void *msg, unsigned depth)
{
    if (depth > PB_DEPTH_MAX)
        return fail(w, path, "messages are nested too deeply");
    if (!msg) {
        /* A member of a oneof, or the value of a map's entry, that was set to a message without fields. */
        msg = pb_new(w->arena, type);
        if (!msg)
            return mf_fail_memory(w->err) == MF_OK;
    }
    switch ((enum pb_special)type->special) {
    case PB_TIMESTAMP:
    case PB_DURATION:
        return put_time(w, path, type, msg);
    case PB_FIELD_MASK:
        return put_mask(w, path, type, msg);
    case PB_ANY:
        return put_any(w, path, type, msg, depth);
    case PB_VALUE:
        return put_dynamic(w, path, type, msg, depth);
    case PB_STRUCT:
        return put_map(w, path, &type->fields[0], msg, depth);
    case PB_LIST_VALUE:
        return put_list(w, path, &type->fields[0], msg, depth);
    case PB_WRAPPER:
        return put_value(w, path, &type->fields[0], pb_at(&type->fields[0], msg), depth);
    case PB_PLAIN:
        break;
    }
    return put_plain(w, path, type, msg, depth);
}

enum mf_code pb_to_json(struct mf_arena *arena, const struct pb_type *type, const void *msg,
                        const struct pb_json_options *options, struct mf_str *out, struct mf_error *err)
{
    static const struct pb_json_options none;
    struct mf_error own = {.code = MF_INTERNAL};
    struct writer w = {.arena = arena, .options = options ? options : &none, .err = err ? err : &own};
    if (!grow(&w, FIRST_CAP) || !put_message(&w, NULL, type, msg, 0))
        return w.err->code;
    *out = mf_str_make(w.text, w.len);
    return MF_OK;
}
