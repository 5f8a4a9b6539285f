#include "rpc/pb_json.h"
#include "rpc/pb_wire.h"

#include "base/encode.h"

#include <math.h>

struct reader {
    struct pb_json_scanner s;
    bool ignore_unknown;
    bool known_enums;
    bool ignored; /* the value just read names no value of its enum, and unknown things are to be ignored */
};

/* Fields of a message up to which the set of those seen needs no memory of its own. */
#define FEW_FIELDS 256

const struct pb_type *pb_json_any_type(struct mf_str url)
{
    size_t slash = SIZE_MAX;
    for (size_t i = 0; i < url.len; i++) {
        if (url.ptr[i] == '/')
            slash = i;
    }
    return slash == SIZE_MAX ? NULL : pb_type_find(mf_str_skip(url, slash + 1));
}

static bool fail_memory(struct reader *r)
{
    return mf_fail_memory(r->s.err) == MF_OK;
}

/* ---- numbers ---- */

/* A number's text, which may stand in quotes. */
static bool read_token(struct reader *r, const struct pb_path *path, struct mf_str *token)
{
    if (pb_json_peek(&r->s) == PB_JSON_STRING)
        return pb_json_string(&r->s, path, token);
    return pb_json_number(&r->s, path, token);
}

static bool fits(enum pb_kind kind, bool negative, uint64_t magnitude)
{
    bool is_signed = kind == PB_INT32 || kind == PB_SINT32 || kind == PB_FIXED32_SIGNED || kind == PB_ENUM ||
                     kind == PB_INT64 || kind == PB_SINT64 || kind == PB_FIXED64_SIGNED;
    unsigned bits = pb_kind_size(kind) == 8 ? 64 : 32;
    if (!is_signed)
        return (!negative || magnitude == 0) && (bits == 64 || magnitude <= UINT32_MAX);
    uint64_t limit = (UINT64_C(1) << (bits - 1)) - (negative ? 0 : 1);
    return magnitude <= limit;
}

static bool store_integer(struct reader *r, const struct pb_path *path, enum pb_kind kind,
                          struct mf_str token, void *at)
{
    bool negative = false;
    uint64_t magnitude = 0;
    switch (pb_json_to_integer(token, &negative, &magnitude)) {
    case PB_JSON_NO_NUMBER:
        return pb_json_fail(&r->s, path, "a whole number is needed here");
    case PB_JSON_FRACTION:
        return pb_json_fail(&r->s, path, "the number must be whole");
    case PB_JSON_TOO_LARGE:
        return pb_json_fail(&r->s, path, "the number is out of range");
    case PB_JSON_INTEGER:
        break;
    }
    if (!fits(kind, negative, magnitude))
        return pb_json_fail(&r->s, path, "the number is out of range");
    uint64_t value = negative ? (uint64_t)0 - magnitude : magnitude;
    uint32_t narrow = (uint32_t)value;
    if (pb_kind_size(kind) == sizeof value)
        memcpy(at, &value, sizeof value);
    else
        memcpy(at, &narrow, sizeof narrow);
    return true;
}

static bool read_integer(struct reader *r, const struct pb_path *path, enum pb_kind kind, void *at)
{
    struct mf_str token;
    return read_token(r, path, &token) && store_integer(r, path, kind, token, at);
}

static bool read_real(struct reader *r, const struct pb_path *path, enum pb_kind kind, void *at)
{
    struct mf_str token;
    double wide = 0;
    float narrow = 0;
    bool quoted = pb_json_peek(&r->s) == PB_JSON_STRING;
    bool good = true;
    if (!read_token(r, path, &token))
        return false;
    if (quoted && mf_str_eq_c(token, "NaN"))
        wide = (double)NAN;
    else if (quoted && mf_str_eq_c(token, "Infinity"))
        wide = (double)INFINITY;
    else if (quoted && mf_str_eq_c(token, "-Infinity"))
        wide = -(double)INFINITY;
    else if (kind == PB_DOUBLE)
        good = pb_json_to_double(r->s.arena, token, &wide);
    else
        good = pb_json_to_float(r->s.arena, token, &narrow);
    if (!good)
        return pb_json_fail(&r->s, path, "a number in the range of a %s is needed here",
                            kind == PB_DOUBLE ? "double" : "float");
    if (kind == PB_FLOAT && !(wide <= 0 && wide >= 0)) /* one of the words */
        narrow = (float)wide;
    if (kind == PB_DOUBLE)
        memcpy(at, &wide, sizeof wide);
    else
        memcpy(at, &narrow, sizeof narrow);
    return true;
}

/* ---- other scalars ---- */

static bool read_bool(struct reader *r, const struct pb_path *path, void *at)
{
    enum pb_json_kind kind = pb_json_peek(&r->s);
    bool value = kind == PB_JSON_TRUE;
    if (kind != PB_JSON_TRUE && kind != PB_JSON_FALSE)
        return pb_json_fail_kind(&r->s, path, "true or false");
    memcpy(at, &value, sizeof value);
    return pb_json_word(&r->s, path, value ? "true" : "false");
}

static bool read_enum(struct reader *r, const struct pb_path *path, const struct pb_enum *enumeration,
                      void *at)
{
    struct mf_str name;
    enum pb_json_kind kind = pb_json_peek(&r->s);
    if (kind == PB_JSON_NULL && pb_is_null_enum(enumeration))
        return pb_json_word(&r->s, path, "null");
    if (kind == PB_JSON_NUMBER)
        return read_integer(r, path, PB_ENUM, at);
    if (kind != PB_JSON_STRING)
        return pb_json_fail_kind(&r->s, path, "the name or number of an enum value");
    if (!pb_json_string(&r->s, path, &name))
        return false;
    for (uint32_t i = 0; i < enumeration->count; i++) {
        if (mf_str_eq_c(name, enumeration->values[i].name)) {
            memcpy(at, &enumeration->values[i].number, sizeof(int32_t));
            return true;
        }
    }
    r->ignored = r->ignore_unknown && !r->known_enums;
    return r->ignored ||
           pb_json_fail(&r->s, path, "%s has no value \"%.*s\"", enumeration->name, MF_FMT(name));
}

static bool read_bytes(struct reader *r, const struct pb_path *path, void *at)
{
    struct mf_str text, bytes;
    if (!pb_json_string(&r->s, path, &text))
        return false;
    if (!mf_base64_decode(r->s.arena, text, &bytes))
        return pb_json_fail(&r->s, path, "the text is not valid base64");
    memcpy(at, &bytes, sizeof bytes);
    return true;
}

static bool read_string(struct reader *r, const struct pb_path *path, void *at)
{
    struct mf_str text;
    if (!pb_json_string(&r->s, path, &text))
        return false;
    memcpy(at, &text, sizeof text);
    return true;
}

/* ---- values ---- */

static bool read_message(struct reader *r, const struct pb_path *path, const struct pb_type *type, void *msg,
                         unsigned depth);

static bool read_below(struct reader *r, const struct pb_path *path, const struct pb_field *field, void *at,
                       unsigned depth)
{
    if (depth >= PB_DEPTH_MAX)
        return pb_json_fail(&r->s, path, "messages are nested deeper than %d", PB_DEPTH_MAX);
    void *msg = pb_new(r->s.arena, field->type);
    if (!msg)
        return fail_memory(r);
    memcpy(at, &msg, sizeof msg);
    return read_message(r, path, field->type, msg, depth + 1);
}

static bool read_value(struct reader *r, const struct pb_path *path, const struct pb_field *field, void *at,
                       unsigned depth)
{
    enum pb_kind kind = (enum pb_kind)field->kind;
    switch (kind) {
    case PB_BOOL:
        return read_bool(r, path, at);
    case PB_ENUM:
        return read_enum(r, path, field->enumeration, at);
    case PB_INT32:
    case PB_SINT32:
    case PB_FIXED32_SIGNED:
    case PB_UINT32:
    case PB_FIXED32:
    case PB_INT64:
    case PB_SINT64:
    case PB_FIXED64_SIGNED:
    case PB_UINT64:
    case PB_FIXED64:
        return read_integer(r, path, kind, at);
    case PB_FLOAT:
    case PB_DOUBLE:
        return read_real(r, path, kind, at);
    case PB_STRING:
        return read_string(r, path, at);
    case PB_BYTES:
        return read_bytes(r, path, at);
    case PB_MESSAGE:
        return read_below(r, path, field, at, depth);
    }
    return pb_json_fail(&r->s, path, "the field is of no known kind");
}

/* Whether null is a value of the field, instead of its absence. */
static bool null_is_value(const struct pb_field *field)
{
    return field->kind == PB_MESSAGE ? field->type && field->type->special == PB_VALUE
                                     : pb_is_null_enum(field->enumeration);
}

static bool refuse_null(struct reader *r, const struct pb_path *path, const struct pb_field *field)
{
    return pb_json_peek(&r->s) != PB_JSON_NULL || null_is_value(field) ||
           pb_json_fail(&r->s, path, "null cannot stand here");
}

static bool read_list(struct reader *r, const struct pb_path *path, const struct pb_field *field, void *msg,
                      unsigned depth)
{
    size_t size = pb_kind_size((enum pb_kind)field->kind);
    struct pb_list *list = (struct pb_list *)(void *)((char *)msg + field->offset);
    if (!pb_json_take(&r->s, '['))
        return pb_json_fail_kind(&r->s, path, "an array");
    bool more = !pb_json_take(&r->s, ']');
    while (more) {
        struct pb_path step = {.up = path, .step = PB_STEP_INDEX, .index = list->count};
        if (list->count == list->cap &&
            !pb_list_grow(r->s.arena, &list->items, list->count, &list->cap, size))
            return fail_memory(r);
        if (!refuse_null(r, &step, field) ||
            !read_value(r, &step, field, (char *)list->items + size * list->count, depth))
            return false;
        list->count += !r->ignored;
        r->ignored = false;
        if (!pb_json_next(&r->s, path, ']', &more))
            return false;
    }
    return true;
}

/* ---- maps ---- */

static bool store_key(struct reader *r, const struct pb_path *path, const struct pb_field *key,
                      struct mf_str text, void *entry)
{
    void *at = (char *)entry + key->offset;
    bool truth = mf_str_eq_c(text, "true");
    switch (key->kind) {
    case PB_STRING:
        memcpy(at, &text, sizeof text);
        return true;
    case PB_BOOL:
        if (!truth && !mf_str_eq_c(text, "false"))
            return pb_json_fail(&r->s, path, "the key must be \"true\" or \"false\"");
        memcpy(at, &truth, sizeof truth);
        return true;
    default:
        return store_integer(r, path, (enum pb_kind)key->kind, text, at);
    }
}

/* No two entries may have the same key. */
static bool check_keys(struct reader *r, const struct pb_path *path, const struct pb_type *entry,
                       const struct pb_list *list)
{
    void *const *items = list->items;
    if (list->count < 2)
        return true;
    uint32_t *order = mf_arena_array(r->s.arena, 2 * (size_t)list->count, sizeof *order);
    if (!order)
        return fail_memory(r);
    pb_map_order(entry, items, list->count, order);
    for (uint32_t i = 1; i < list->count; i++) {
        if (pb_map_compare(entry, items[order[i - 1]], items[order[i]]) == 0)
            return pb_json_fail(&r->s, path, "a key appears twice");
    }
    return true;
}

static bool read_entry(struct reader *r, const struct pb_path *path, const struct pb_type *type, void *entry,
                       unsigned depth)
{
    const struct pb_field *key = &type->fields[0], *value = &type->fields[1];
    struct mf_str text;
    struct pb_path step = {.up = path, .step = PB_STEP_KEY};
    if (!pb_json_string(&r->s, path, &text))
        return false;
    step.name = text;
    return store_key(r, &step, key, text, entry) &&
           (pb_json_take(&r->s, ':') || pb_json_fail(&r->s, &step, "':' is needed after the key")) &&
           refuse_null(r, &step, value) &&
           read_value(r, &step, value, (char *)entry + value->offset, depth + 1);
}

static bool read_map(struct reader *r, const struct pb_path *path, const struct pb_field *field, void *msg,
                     unsigned depth)
{
    struct pb_list *list = (struct pb_list *)(void *)((char *)msg + field->offset);
    if (!pb_json_take(&r->s, '{'))
        return pb_json_fail_kind(&r->s, path, "an object");
    if (depth >= PB_DEPTH_MAX)
        return pb_json_fail(&r->s, path, "messages are nested deeper than %d", PB_DEPTH_MAX);
    bool more = !pb_json_take(&r->s, '}');
    while (more) {
        void *entry = pb_new(r->s.arena, field->type);
        if (!entry || (list->count == list->cap &&
                       !pb_list_grow(r->s.arena, &list->items, list->count, &list->cap, sizeof entry)))
            return fail_memory(r);
        if (!read_entry(r, path, field->type, entry, depth))
            return false;
        ((void **)list->items)[list->count] = entry;
        list->count += !r->ignored;
        r->ignored = false;
        if (!pb_json_next(&r->s, path, '}', &more))
            return false;
    }
    return check_keys(r, path, field->type, list);
}

/* ---- fields of plain messages ---- */

static int32_t case_of(const struct pb_field *field, const void *msg)
{
    int32_t number;
    memcpy(&number, (const char *)msg + field->has_offset, sizeof number);
    return number;
}

static void mark_present(const struct pb_field *field, void *msg)
{
    int32_t number = (int32_t)field->number;
    if (field->shape == PB_ONEOF)
        memcpy((char *)msg + field->has_offset, &number, sizeof number);
    else if (field->shape == PB_OPTIONAL)
        memset((char *)msg + field->has_offset, 1, sizeof(bool));
}

static bool read_field(struct reader *r, const struct pb_path *path, const struct pb_type *type,
                       const struct pb_field *field, void *msg, unsigned depth)
{
    bool list = field->shape == PB_REPEATED || field->shape == PB_MAP;
    if (pb_json_peek(&r->s) == PB_JSON_NULL && (list || !null_is_value(field)))
        return pb_json_word(&r->s, path, "null");
    if (field->shape == PB_REPEATED)
        return read_list(r, path, field, msg, depth);
    if (field->shape == PB_MAP)
        return read_map(r, path, field, msg, depth);
    if (field->shape == PB_ONEOF && case_of(field, msg) != 0)
        return pb_json_fail(&r->s, path, "another field of the oneof \"%s\" is set already",
                            type->oneofs[field->oneof].name);
    if (!read_value(r, path, field, (char *)msg + field->offset, depth))
        return false;
    if (!r->ignored)
        mark_present(field, msg);
    r->ignored = false;
    return true;
}

static bool is_name(const char *name, struct mf_str key)
{
    return key.len > 0 && name[0] == key.ptr[0] && mf_str_eq_c(key, name);
}

/* Tried first is the field after the one found last, since that is how writers write. */
static const struct pb_field *find_field(const struct pb_type *type, struct mf_str key, uint32_t *next)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        uint32_t at = *next + i < type->field_count ? *next + i : *next + i - type->field_count;
        const struct pb_field *field = &type->fields[at];
        if (is_name(field->json_name, key) || is_name(field->name, key)) {
            *next = at + 1;
            return field;
        }
    }
    return NULL;
}

/* The members of an object, of which the first '{' is taken. in_any: "@type" among them is known already. */
static bool read_members(struct reader *r, const struct pb_path *up, const struct pb_type *type, void *msg,
                         bool in_any, unsigned depth)
{
    uint64_t few[FEW_FIELDS / 64] = {0};
    uint64_t *seen = few;
    uint32_t next = 0;
    bool seen_type = false;
    if (type->field_count > FEW_FIELDS)
        seen = mf_arena_array(r->s.arena, type->field_count / 64 + 1, sizeof *seen);
    if (!seen)
        return fail_memory(r);
    bool more = !pb_json_take(&r->s, '}');
    while (more) {
        struct mf_str key;
        if (!pb_json_string(&r->s, up, &key))
            return false;
        const struct pb_field *field = find_field(type, key, &next);
        struct pb_path path = {.up = up, .step = PB_STEP_NAME, .name = key};
        bool is_type = in_any && mf_str_eq_c(key, "@type");
        bool skip = !field && (r->ignore_unknown || is_type);
        if (is_type && seen_type)
            return pb_json_fail(&r->s, &path, "\"@type\" appears twice");
        seen_type |= is_type;
        if (!field && !skip)
            return pb_json_fail(&r->s, &path, "%s has no such field", type->name);
        if (!pb_json_take(&r->s, ':'))
            return pb_json_fail(&r->s, &path, "':' is needed after the name");
        size_t index = field ? (size_t)(field - type->fields) : 0;
        if (field && seen[index / 64] >> (index % 64) & 1)
            return pb_json_fail(&r->s, &path, "the field appears twice");
        if (field)
            seen[index / 64] |= UINT64_C(1) << (index % 64);
        if (!(skip ? pb_json_skip(&r->s, &path, depth) : read_field(r, &path, type, field, msg, depth)) ||
            !pb_json_next(&r->s, up, '}', &more))
            return false;
    }
    return true;
}

/* ---- messages with a form of their own ---- */

static bool read_time(struct reader *r, const struct pb_path *path, const struct pb_type *type, void *msg)
{
    struct mf_str text;
    int64_t seconds;
    int32_t nanos;
    bool is_timestamp = type->special == PB_TIMESTAMP;
    if (!pb_json_string(&r->s, path, &text))
        return false;
    if (!(is_timestamp ? pb_json_to_timestamp : pb_json_to_duration)(text, &seconds, &nanos))
        return pb_json_fail(&r->s, path,
                            is_timestamp
                                ? "a time such as \"2026-01-02T03:04:05.678Z\", of the years 1 to 9999, is "
                                  "needed here"
                                : "a number of seconds such as \"1.5s\", up to 315576000000, is needed here");
    memcpy((char *)msg + type->fields[0].offset, &seconds, sizeof seconds);
    memcpy((char *)msg + type->fields[1].offset, &nanos, sizeof nanos);
    return true;
}

/* "fooBar.baz" as "foo_bar.baz"; .ptr is NULL when memory ran out, and .len 0 when it is malformed. */
static struct mf_str mask_path(struct mf_arena *arena, struct mf_str text)
{
    char *out = mf_arena_bytes(arena, text.len * 2 + 1);
    size_t len = 0;
    for (size_t i = 0; out && i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '_')
            return MF_STR_EMPTY;
        if (c >= 'A' && c <= 'Z') {
            out[len++] = '_';
            c = (char)(c - 'A' + 'a');
        }
        out[len++] = c;
    }
    return mf_str_make(out, len);
}

static bool read_mask(struct reader *r, const struct pb_path *path, const struct pb_type *type, void *msg)
{
    struct pb_list *list = (struct pb_list *)(void *)((char *)msg + type->fields[0].offset);
    struct mf_str text;
    if (!pb_json_string(&r->s, path, &text))
        return false;
    bool more = text.len > 0;
    while (more) {
        size_t comma = mf_str_find_char(text, ',');
        struct mf_str item = mask_path(r->s.arena, mf_str_take(text, comma));
        more = comma != SIZE_MAX;
        text = mf_str_skip(text, more ? comma + 1 : text.len);
        if (!item.ptr || (list->count == list->cap &&
                          !pb_list_grow(r->s.arena, &list->items, list->count, &list->cap, sizeof item)))
            return fail_memory(r);
        if (item.len == 0)
            return pb_json_fail(&r->s, path,
                                "paths of a field mask are names in camelCase, separated by commas");
        ((struct mf_str *)list->items)[list->count++] = item;
    }
    return true;
}

static bool read_dynamic(struct reader *r, const struct pb_path *path, const struct pb_type *type, void *msg,
                         unsigned depth)
{
    static const uint8_t numbers[] = {
        [PB_JSON_NULL] = PB_VALUE_NULL,     [PB_JSON_NUMBER] = PB_VALUE_NUMBER,
        [PB_JSON_STRING] = PB_VALUE_STRING, [PB_JSON_TRUE] = PB_VALUE_BOOL,
        [PB_JSON_FALSE] = PB_VALUE_BOOL,    [PB_JSON_OBJECT] = PB_VALUE_STRUCT,
        [PB_JSON_ARRAY] = PB_VALUE_LIST,
    };
    enum pb_json_kind kind = pb_json_peek(&r->s);
    const struct pb_field *field = kind == PB_JSON_NONE ? NULL : pb_field_by_number(type, numbers[kind]);
    if (!field)
        return pb_json_fail_kind(&r->s, path, "a value");
    mark_present(field, msg);
    return read_value(r, path, field, (char *)msg + field->offset, depth);
}

/* Looks through an object for its "@type" and goes back to where it began. *found is false when it has no
 * members. */
static bool find_any_type(struct reader *r, const struct pb_path *path, struct mf_str *url, bool *found,
                          unsigned depth)
{
    const char *begin = r->s.at;
    bool more = !pb_json_take(&r->s, '}');
    bool empty = !more;
    *found = false;
    while (more && !*found) {
        struct mf_str key;
        if (!pb_json_string(&r->s, path, &key))
            return false;
        if (!pb_json_take(&r->s, ':'))
            return pb_json_fail(&r->s, path, "':' is needed after the name");
        *found = mf_str_eq_c(key, "@type");
        if (*found ? !pb_json_string(&r->s, path, url)
                   : !pb_json_skip(&r->s, path, depth) || !pb_json_next(&r->s, path, '}', &more))
            return false;
    }
    if (!*found && !empty)
        return pb_json_fail(&r->s, path, "a google.protobuf.Any needs \"@type\"");
    r->s.at = begin;
    return true;
}

/* {"@type": ..., "value": ...}, of which the '{' is taken, for messages that are no object of their own. */
static bool read_any_value(struct reader *r, const struct pb_path *path, const struct pb_type *type,
                           void *msg, unsigned depth)
{
    bool more = !pb_json_take(&r->s, '}');
    bool seen_type = false, seen_value = false;
    while (more) {
        struct mf_str key;
        if (!pb_json_string(&r->s, path, &key))
            return false;
        if (!pb_json_take(&r->s, ':'))
            return pb_json_fail(&r->s, path, "':' is needed after the name");
        bool is_value = mf_str_eq_c(key, "value"), is_type = mf_str_eq_c(key, "@type");
        if ((is_value && seen_value) || (is_type && seen_type))
            return pb_json_fail(&r->s, path, "\"%.*s\" appears twice", MF_FMT(key));
        if (!is_value && !is_type && !r->ignore_unknown)
            return pb_json_fail(&r->s, path, "%s in a google.protobuf.Any has nothing but \"value\"",
                                type->name);
        seen_value |= is_value;
        seen_type |= is_type;
        if (!(is_value ? read_message(r, path, type, msg, depth) : pb_json_skip(&r->s, path, depth)) ||
            !pb_json_next(&r->s, path, '}', &more))
            return false;
    }
    return seen_value || pb_json_fail(&r->s, path, "%s in a google.protobuf.Any needs \"value\"", type->name);
}

static bool read_any(struct reader *r, const struct pb_path *path, const struct pb_type *any, void *msg,
                     unsigned depth)
{
    struct mf_str url, bytes;
    bool found;
    if (!pb_json_take(&r->s, '{'))
        return pb_json_fail_kind(&r->s, path, "an object");
    if (!find_any_type(r, path, &url, &found, depth))
        return false;
    if (!found)
        return pb_json_take(&r->s, '}');
    const struct pb_type *type = pb_json_any_type(url);
    if (!type)
        return pb_json_fail(&r->s, path, "\"@type\" is \"%.*s\", which is no type that is known here",
                            MF_FMT(url));
    if (depth >= PB_DEPTH_MAX)
        return pb_json_fail(&r->s, path, "messages are nested deeper than %d", PB_DEPTH_MAX);
    void *inner = pb_new(r->s.arena, type);
    if (!inner)
        return fail_memory(r);
    if (!(type->special == PB_PLAIN ? read_members(r, path, type, inner, true, depth + 1)
                                    : read_any_value(r, path, type, inner, depth + 1)))
        return false;
    if (pb_encode(r->s.arena, type, inner, &bytes, r->s.err) != MF_OK)
        return false;
    memcpy((char *)msg + any->fields[0].offset, &url, sizeof url);
    memcpy((char *)msg + any->fields[1].offset, &bytes, sizeof bytes);
    return true;
}

static bool read_message(struct reader *r, const struct pb_path *path, const struct pb_type *type, void *msg,
                         unsigned depth)
{
    switch ((enum pb_special)type->special) {
    case PB_TIMESTAMP:
    case PB_DURATION:
        return read_time(r, path, type, msg);
    case PB_FIELD_MASK:
        return read_mask(r, path, type, msg);
    case PB_ANY:
        return read_any(r, path, type, msg, depth);
    case PB_STRUCT:
        return read_map(r, path, &type->fields[0], msg, depth);
    case PB_VALUE:
        return read_dynamic(r, path, type, msg, depth);
    case PB_LIST_VALUE:
        return read_list(r, path, &type->fields[0], msg, depth);
    case PB_WRAPPER:
        return read_value(r, path, &type->fields[0], (char *)msg + type->fields[0].offset, depth);
    case PB_PLAIN:
        break;
    }
    if (!pb_json_take(&r->s, '{'))
        return pb_json_fail_kind(&r->s, path, "an object");
    return read_members(r, path, type, msg, false, depth);
}

enum mf_code pb_from_json(struct mf_arena *arena, const struct pb_type *type, struct mf_str text,
                          const struct pb_json_options *options, void **out, struct mf_error *err)
{
    struct mf_error own = {.code = MF_INVALID_ARGUMENT};
    const char *begin = text.len > 0 ? text.ptr : "";
    struct reader r = {.s = {.arena = arena, .start = begin, .at = begin, .end = begin + text.len},
                       .ignore_unknown = options && options->ignore_unknown,
                       .known_enums = options && options->known_enums};
    r.s.err = err ? err : &own;
    if (text.len > PB_MESSAGE_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "the JSON text is larger than 2 GB; send less at once");
    if (!pb_is_ascii(text) && !mf_utf8_valid(text.ptr, text.len))
        return mf_fail(err, MF_INVALID_ARGUMENT, "the JSON text is not valid UTF-8");
    void *msg = pb_new(arena, type);
    if (!msg)
        return mf_fail_memory(err);
    if (!read_message(&r, NULL, type, msg, 0))
        return r.s.err->code;
    if (pb_json_peek(&r.s) != PB_JSON_NONE || r.s.at != r.s.end) {
        (void)pb_json_fail(&r.s, NULL, "something follows after the end of the JSON text");
        return r.s.err->code;
    }
    *out = msg;
    return MF_OK;
}
