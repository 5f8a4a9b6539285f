/*
 * Encoding, from the last byte to the first: when a message's length must be written, its bytes are there
 * already, so nothing is measured in advance. Small messages are made on the stack and copied once, into the
 * arena; larger ones in a buffer that doubles.
 */
#include "rpc/pb_wire.h"

#include <endian.h>
#include <stdlib.h>

#define LOCAL_SIZE ((size_t)4096)
#define VARINT_BYTES_MAX 10

struct encoder {
    char *buffer; /* local, or on the heap */
    char *end;
    char *at; /* the first byte that is written */
    bool stable;
    enum mf_code code;
    const char *type; /* where it failed: the message, and the field or NULL */
    const char *field;
    const char *reason;
    char *local;
};

static bool fail(struct encoder *e, enum mf_code code, const struct pb_type *type,
                 const struct pb_field *field, const char *reason)
{
    /* The innermost place is told first and is the one to keep. */
    if (e->code == MF_OK) {
        e->code = code;
        e->reason = reason;
        e->type = type ? type->name : NULL;
        e->field = field ? field->name : NULL;
    }
    return false;
}

static bool grow(struct encoder *e, size_t need)
{
    size_t used = (size_t)(e->end - e->at);
    size_t size = (size_t)(e->end - e->buffer);
    if (used > PB_MESSAGE_MAX || need > PB_MESSAGE_MAX - used)
        return fail(e, MF_RESOURCE_EXHAUSTED, NULL, NULL, "it is longer than 2 GiB; ask for less at once");
    while (size - used < need)
        size *= 2;
    char *bigger = malloc(size);
    if (!bigger)
        return fail(e, MF_RESOURCE_EXHAUSTED, NULL, NULL, "memory ran out; try again later");
    char *end = bigger + size;
    memcpy(end - used, e->at, used);
    if (e->buffer != e->local)
        free(e->buffer);
    e->buffer = bigger;
    e->end = end;
    e->at = end - used;
    return true;
}

static inline bool room(struct encoder *e, size_t need)
{
    return (size_t)(e->at - e->buffer) >= need || grow(e, need);
}

static inline bool put_bytes(struct encoder *e, const void *bytes, size_t len)
{
    if (len == 0)
        return true;
    if (!room(e, len))
        return false;
    e->at -= len;
    memcpy(e->at, bytes, len);
    return true;
}

static inline bool put_varint(struct encoder *e, uint64_t value)
{
    if (!room(e, VARINT_BYTES_MAX))
        return false;
    if (value < 0x80) {
        *--e->at = (char)value;
        return true;
    }
    size_t len = 1;
    for (uint64_t rest = value >> 7; rest > 0; rest >>= 7)
        len++;
    e->at -= len;
    char *out = e->at;
    for (; value >= 0x80; value >>= 7)
        *out++ = (char)(value | 0x80);
    *out = (char)value;
    return true;
}

static inline bool put_tag(struct encoder *e, const struct pb_field *field, enum pb_wire wire)
{
    return put_varint(e, (uint64_t)field->number << 3 | wire);
}

static inline bool put_32(struct encoder *e, const void *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    value = htole32(value);
    return put_bytes(e, &value, sizeof value);
}

static inline bool put_64(struct encoder *e, const void *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    value = htole64(value);
    return put_bytes(e, &value, sizeof value);
}

/* Writes one scalar without its tag. */
static bool put_scalar(struct encoder *e, enum pb_kind kind, const void *at)
{
    int32_t small;
    int64_t large;
    switch (kind) {
    case PB_BOOL:
        return put_varint(e, *(const bool *)at);
    case PB_INT32:
    case PB_ENUM:
        memcpy(&small, at, sizeof small);
        return put_varint(e, (uint64_t)(int64_t)small);
    case PB_UINT32:
        memcpy(&small, at, sizeof small);
        return put_varint(e, (uint32_t)small);
    case PB_SINT32:
        memcpy(&small, at, sizeof small);
        return put_varint(e, (uint32_t)small << 1 ^ (uint32_t)(small >> 31));
    case PB_INT64:
    case PB_UINT64:
        memcpy(&large, at, sizeof large);
        return put_varint(e, (uint64_t)large);
    case PB_SINT64:
        memcpy(&large, at, sizeof large);
        return put_varint(e, (uint64_t)large << 1 ^ (uint64_t)(large >> 63));
    case PB_FIXED32:
    case PB_FIXED32_SIGNED:
    case PB_FLOAT:
        return put_32(e, at);
    case PB_FIXED64:
    case PB_FIXED64_SIGNED:
    case PB_DOUBLE:
        return put_64(e, at);
    case PB_STRING:
    case PB_BYTES:
    case PB_MESSAGE:
        break;
    }
    return false;
}

static bool encode_message(struct encoder *e, const struct pb_type *type, const char *msg, unsigned depth);

/* Writes one value with its tag. */
static bool put_value(struct encoder *e, const struct pb_type *type, const struct pb_field *field,
                      const void *at, unsigned depth)
{
    enum pb_kind kind = (enum pb_kind)field->kind;
    if (kind == PB_MESSAGE) {
        const void *msg = *(void *const *)at;
        if (depth >= PB_DEPTH_MAX)
            return fail(e, MF_INVALID_ARGUMENT, type, field, "messages are nested too deeply");
        size_t before = (size_t)(e->end - e->at);
        if (msg && !encode_message(e, field->type, msg, depth + 1))
            return false;
        return put_varint(e, (size_t)(e->end - e->at) - before) && put_tag(e, field, PB_WIRE_BYTES);
    }
    if (kind == PB_STRING || kind == PB_BYTES) {
        const struct mf_str *text = at;
        /* Whoever reads this would refuse the whole message: fail here, where the field is known. */
        if (kind == PB_STRING && !pb_is_ascii(*text) && !mf_utf8_valid(text->ptr, text->len))
            return fail(e, MF_INTERNAL, type, field, "a string is not valid UTF-8");
        return put_bytes(e, text->ptr, text->len) && put_varint(e, text->len) &&
               put_tag(e, field, PB_WIRE_BYTES);
    }
    return put_scalar(e, kind, at) && put_tag(e, field, pb_kind_wire(kind));
}

static bool put_packed(struct encoder *e, const struct pb_field *field, const struct pb_list *list)
{
    enum pb_kind kind = (enum pb_kind)field->kind;
    size_t size = pb_kind_size(kind);
    size_t before = (size_t)(e->end - e->at);
    for (uint32_t i = list->count; i-- > 0;) {
        if (!put_scalar(e, kind, (const char *)list->items + i * size))
            return false;
    }
    return put_varint(e, (size_t)(e->end - e->at) - before) && put_tag(e, field, PB_WIRE_BYTES);
}

static bool put_repeated(struct encoder *e, const struct pb_type *type, const struct pb_field *field,
                         const struct pb_list *list, unsigned depth)
{
    size_t size = pb_kind_size((enum pb_kind)field->kind);
    for (uint32_t i = list->count; i-- > 0;) {
        const char *at = (const char *)list->items + i * size;
        if (field->kind == PB_MESSAGE && !*(void *const *)(const void *)at)
            return fail(e, MF_INTERNAL, type, field, "an element of the list is NULL");
        if (!put_value(e, type, field, at, depth))
            return false;
    }
    return true;
}

/* Entries have their key and value written also when these are defaults, as all implementations do. */
static bool put_entry(struct encoder *e, const struct pb_field *field, const char *entry, unsigned depth)
{
    const struct pb_type *type = field->type;
    const struct mf_str *unknown = &((const struct pb_head *)(const void *)entry)->unknown;
    if (depth >= PB_DEPTH_MAX)
        return fail(e, MF_INVALID_ARGUMENT, type, NULL, "messages are nested too deeply");
    size_t before = (size_t)(e->end - e->at);
    return put_bytes(e, unknown->ptr, unknown->len) &&
           put_value(e, type, &type->fields[1], entry + type->fields[1].offset, depth + 1) &&
           put_value(e, type, &type->fields[0], entry + type->fields[0].offset, depth + 1) &&
           put_varint(e, (size_t)(e->end - e->at) - before) && put_tag(e, field, PB_WIRE_BYTES);
}

static bool put_map(struct encoder *e, const struct pb_type *type, const struct pb_field *field,
                    const struct pb_list *list, unsigned depth)
{
    void *const *entries = list->items;
    uint32_t *order = NULL;
    for (uint32_t i = 0; i < list->count; i++) {
        if (!entries[i])
            return fail(e, MF_INTERNAL, type, field, "an entry of the map is NULL");
    }
    if (e->stable && list->count > 1) {
        order = malloc(2 * (size_t)list->count * sizeof *order);
        if (!order)
            return fail(e, MF_RESOURCE_EXHAUSTED, type, field, "memory ran out; try again later");
        pb_map_order(field->type, entries, list->count, order);
    }
    bool ok = true;
    for (uint32_t i = list->count; ok && i-- > 0;)
        ok = put_entry(e, field, entries[order ? order[i] : i], depth);
    free(order);
    return ok;
}

static bool encode_field(struct encoder *e, const struct pb_type *type, const struct pb_field *field,
                         const char *msg, unsigned depth)
{
    const void *at = msg + field->offset;
    switch ((enum pb_shape)field->shape) {
    case PB_IMPLICIT:
    case PB_OPTIONAL:
    case PB_ONEOF:
        return !pb_field_is_set(field, msg) || put_value(e, type, field, at, depth);
    case PB_REPEATED:
        if (((const struct pb_list *)at)->count == 0)
            return true;
        return field->packed ? put_packed(e, field, at) : put_repeated(e, type, field, at, depth);
    case PB_MAP:
        return put_map(e, type, field, at, depth);
    }
    return false;
}

static bool encode_message(struct encoder *e, const struct pb_type *type, const char *msg, unsigned depth)
{
    const struct mf_str *unknown = &((const struct pb_head *)(const void *)msg)->unknown;
    if (!put_bytes(e, unknown->ptr, unknown->len))
        return false;
    for (uint32_t i = type->field_count; i-- > 0;) {
        if (!encode_field(e, type, &type->fields[i], msg, depth))
            return false;
    }
    return true;
}

static enum mf_code encode(struct mf_arena *arena, const struct pb_type *type, const void *msg, bool stable,
                           struct mf_str *out, struct mf_error *err)
{
    char local[LOCAL_SIZE] __attribute__((uninitialized));
    char *end = local + sizeof local;
    struct encoder e = {.buffer = local, .end = end, .at = end, .stable = stable, .local = local};
    *out = MF_STR_EMPTY;
    if (encode_message(&e, type, msg, 0)) {
        size_t len = (size_t)(e.end - e.at);
        char *bytes = len > 0 ? mf_arena_bytes(arena, len) : NULL;
        if (bytes)
            *out = mf_str_make(memcpy(bytes, e.at, len), len);
        else if (len > 0)
            e.code = mf_fail_memory(err);
    } else {
        const char *inner = e.type ? e.type : type->name;
        (void)mf_fail(err, e.code, "%s cannot be encoded: %s%s%s: %s", type->name, inner, e.field ? "." : "",
                      e.field ? e.field : "", e.reason);
    }
    if (e.buffer != local)
        free(e.buffer);
    return e.code;
}

enum mf_code pb_encode(struct mf_arena *arena, const struct pb_type *type, const void *msg,
                       struct mf_str *out, struct mf_error *err)
{
    return encode(arena, type, msg, false, out, err);
}

enum mf_code pb_encode_stable(struct mf_arena *arena, const struct pb_type *type, const void *msg,
                              struct mf_str *out, struct mf_error *err)
{
    return encode(arena, type, msg, true, out, err);
}
