/*
 * Decoding. One pass over the bytes; each field is found by its number in the type's table. What is subtle:
 *
 * Nothing here may take more than linear time, whatever the bytes say. A message that repeats is merged into
 * the one before, so work per message must not grow with what earlier pieces left in it: keys of maps are
 * compared once, at the end, and spans of unknown fields grow by doubling.
 */
#include "rpc/pb_wire.h"

#include <endian.h>

/* Set in the cap of a map's list while the list waits to be made unique. */
#define CAP_PENDING ((uint32_t)1 << 31)
#define TAG_BYTES_MAX 5
#define SIZE_BYTES_MAX 5
#define VARINT_BYTES_MAX 10

/* A map that got a second entry. */
struct pending {
    struct pending *next;
    const struct pb_type *entry;
    struct pb_list *list;
};

struct decoder {
    struct mf_arena *arena;
    const uint8_t *begin;
    const uint8_t *end;
    struct pending *pending;
    enum mf_code code;
    const char *reason;
    const uint8_t *where;
};

static const uint8_t *fail(struct decoder *d, const uint8_t *where, const char *reason)
{
    d->code = MF_INVALID_ARGUMENT;
    d->reason = reason;
    d->where = where;
    return NULL;
}

static const uint8_t *fail_memory(struct decoder *d, const uint8_t *where)
{
    d->code = MF_RESOURCE_EXHAUSTED;
    d->reason = "the message needs more memory than a request may take; send less at once";
    d->where = where;
    return NULL;
}

/* Bits above the 64th are dropped, as everywhere. NULL when cut off or longer than a varint may be. */
static const uint8_t *long_varint(const uint8_t *at, const uint8_t *end, size_t bytes_max, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes_max && at < end; i++) {
        uint8_t byte = *at++;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *out = value;
            return at;
        }
    }
    return NULL;
}

static inline const uint8_t *read_varint(const uint8_t *at, const uint8_t *end, uint64_t *out)
{
    if (at < end && *at < 0x80) {
        *out = *at;
        return at + 1;
    }
    return long_varint(at, end, VARINT_BYTES_MAX, out);
}

static inline const uint8_t *read_tag(struct decoder *d, const uint8_t *at, const uint8_t *end, uint32_t *tag)
{
    uint64_t value = *at;
    const uint8_t *next = at + 1;
    if (value >= 0x80) {
        next = long_varint(at, end, TAG_BYTES_MAX, &value);
        if (!next || value > UINT32_MAX)
            return fail(d, at, "a field's tag is cut off or too large");
    }
    if (value < 8)
        return fail(d, at, "a field has the number 0");
    *tag = (uint32_t)value;
    return next;
}

/*
 * The length and the bytes of a length-delimited value; returns what follows it. A length takes no more bytes
 * than other implementations accept, so that nothing passes here that a later reader refuses.
 */
static inline const uint8_t *read_span(struct decoder *d, const uint8_t *at, const uint8_t *end,
                                       struct mf_str *out)
{
    uint64_t len = at < end ? *at : 0;
    const uint8_t *start = at + 1;
    if (at >= end || len >= 0x80)
        start = long_varint(at, end, SIZE_BYTES_MAX, &len);
    if (!start)
        return fail(d, at, "a length is cut off or too long");
    if (len > (size_t)(end - start))
        return fail(d, at, "a length goes beyond the end");
    *out = mf_str_make(start, (size_t)len);
    return start + len;
}

static const uint8_t *skip_plain(struct decoder *d, const uint8_t *at, const uint8_t *end, uint32_t wire)
{
    uint64_t value;
    struct mf_str span;
    const uint8_t *next;
    size_t size;
    switch (wire) {
    case PB_WIRE_VARINT:
        next = read_varint(at, end, &value);
        return next ? next : fail(d, at, "a varint is cut off or too long");
    case PB_WIRE_BYTES:
        return read_span(d, at, end, &span);
    case PB_WIRE_64:
    case PB_WIRE_32:
        size = wire == PB_WIRE_64 ? 8 : 4;
        return (size_t)(end - at) >= size ? at + size : fail(d, at, "a fixed-size value is cut off");
    default:
        return fail(d, at,
                    wire == PB_WIRE_GROUP_END ? "a group ends that did not begin"
                                              : "there is no such wire type");
    }
}

/* Returns what follows the group whose opening tag, of this number, has just been read. */
static const uint8_t *skip_group(struct decoder *d, const uint8_t *at, const uint8_t *end, uint32_t number,
                                 unsigned depth)
{
    uint32_t open[PB_DEPTH_MAX];
    unsigned count = 1;
    if (depth >= PB_DEPTH_MAX)
        return fail(d, at, "groups are nested too deeply");
    open[0] = number;
    while (count > 0) {
        uint32_t tag;
        if (at >= end)
            return fail(d, at, "a group has no end");
        at = read_tag(d, at, end, &tag);
        if (!at)
            return NULL;
        uint32_t wire = tag & 7;
        if (wire == PB_WIRE_GROUP) {
            if (depth + count >= PB_DEPTH_MAX)
                return fail(d, at, "groups are nested too deeply");
            open[count++] = tag >> 3;
        } else if (wire == PB_WIRE_GROUP_END) {
            if (tag >> 3 != open[--count])
                return fail(d, at, "a group ends that did not begin");
        } else {
            at = skip_plain(d, at, end, wire);
            if (!at)
                return NULL;
        }
    }
    return at;
}

static size_t power_of_two(size_t least)
{
    size_t size = 64;
    while (size < least)
        size *= 2;
    return size;
}

/* Adds bytes to the unknown fields. The first ones are only pointed to, and so is what follows right behind.
 */
static bool keep_unknown(struct decoder *d, struct pb_head *head, const uint8_t *from, const uint8_t *to)
{
    struct mf_str *unknown = &head->unknown;
    const uint8_t *old = (const uint8_t *)unknown->ptr;
    size_t more = (size_t)(to - from);
    if (unknown->len == 0) {
        *unknown = mf_str_make(from, more);
        return true;
    }
    bool borrowed = old >= d->begin && old < d->end;
    if (borrowed && old + unknown->len == from) {
        unknown->len += more;
        return true;
    }
    size_t need = unknown->len + more;
    char *bytes;
    memcpy(&bytes, &unknown->ptr, sizeof bytes);
    if (borrowed || need > power_of_two(unknown->len)) {
        bytes = mf_arena_bytes(d->arena, power_of_two(need));
        if (!bytes)
            return false;
        memcpy(bytes, old, unknown->len);
    }
    memcpy(bytes + unknown->len, from, more);
    *unknown = mf_str_make(bytes, need);
    return true;
}

/* Where the next value of a field goes; its presence is noted. NULL when memory ran out. */
static inline void *slot_of(struct decoder *d, const struct pb_field *field, char *msg, size_t size)
{
    char *at = msg + field->offset;
    if (field->shape == PB_IMPLICIT)
        return at;
    if (field->shape == PB_OPTIONAL) {
        *(bool *)(msg + field->has_offset) = true;
        return at;
    }
    if (field->shape == PB_ONEOF) {
        int32_t number = (int32_t)field->number;
        memcpy(msg + field->has_offset, &number, sizeof number);
        return at;
    }
    struct pb_list *list = (struct pb_list *)(void *)at;
    if (list->count >= (list->cap & ~CAP_PENDING)) {
        uint32_t flag = list->cap & CAP_PENDING;
        uint32_t cap = list->cap & ~CAP_PENDING;
        if (!pb_list_grow(d->arena, &list->items, list->count, &cap, size))
            return NULL;
        list->cap = cap | flag;
    }
    return (char *)list->items + size * list->count++;
}

static inline int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

static inline void store(enum pb_kind kind, void *slot, uint64_t value)
{
    uint32_t half;
    switch (kind) {
    case PB_BOOL:
        *(bool *)slot = value != 0;
        return;
    case PB_SINT32:
        value = (uint64_t)unzigzag((uint32_t)value);
        __attribute__((fallthrough));
    case PB_INT32:
    case PB_ENUM:
    case PB_UINT32:
    case PB_FIXED32:
    case PB_FIXED32_SIGNED:
    case PB_FLOAT:
        half = (uint32_t)value;
        memcpy(slot, &half, sizeof half);
        return;
    case PB_SINT64:
        value = (uint64_t)unzigzag(value);
        __attribute__((fallthrough));
    case PB_INT64:
    case PB_UINT64:
    case PB_FIXED64:
    case PB_FIXED64_SIGNED:
    case PB_DOUBLE:
        memcpy(slot, &value, sizeof value);
        return;
    case PB_STRING:
    case PB_BYTES:
    case PB_MESSAGE:
        return;
    }
}

static inline const uint8_t *read_scalar(struct decoder *d, const uint8_t *at, const uint8_t *end,
                                         enum pb_wire wire, uint64_t *value)
{
    const uint8_t *next;
    if (wire == PB_WIRE_VARINT) {
        next = read_varint(at, end, value);
        return next ? next : fail(d, at, "a varint is cut off or too long");
    }
    if (wire == PB_WIRE_32) {
        uint32_t half;
        if (end - at < 4)
            return fail(d, at, "a fixed-size value is cut off");
        memcpy(&half, at, sizeof half);
        *value = le32toh(half);
        return at + 4;
    }
    if (end - at < 8)
        return fail(d, at, "a fixed-size value is cut off");
    memcpy(value, at, sizeof *value);
    *value = le64toh(*value);
    return at + 8;
}

static bool reserve(struct decoder *d, struct pb_list *list, size_t more, size_t size)
{
    size_t need = list->count + more;
    if (need <= list->cap)
        return true;
    if (need > UINT32_MAX / 2)
        return false;
    /* At least twice as much as before: packed pieces may come one by one. */
    size_t cap = need > (size_t)list->cap * 2 ? need : (size_t)list->cap * 2;
    void *items = list->cap > 0 ? mf_arena_grow(d->arena, list->items, list->cap * size, cap * size)
                                : mf_arena_array(d->arena, cap, size);
    if (!items)
        return false;
    list->items = items;
    list->cap = (uint32_t)cap;
    return true;
}

static bool read_packed(struct decoder *d, const struct pb_field *field, char *msg, struct mf_str span)
{
    enum pb_kind kind = (enum pb_kind)field->kind;
    enum pb_wire wire = pb_kind_wire(kind);
    size_t size = pb_kind_size(kind);
    const uint8_t *at = (const uint8_t *)span.ptr, *end = at + span.len;
    size_t count = 0;
    if (wire == PB_WIRE_VARINT) {
        for (const uint8_t *p = at; p < end; p++)
            count += *p < 0x80;
    } else {
        count = span.len / size;
    }
    struct pb_list *list = (struct pb_list *)(void *)(msg + field->offset);
    if (!reserve(d, list, count, size))
        return fail_memory(d, at) != NULL;
    while (at < end) {
        uint64_t value;
        at = read_scalar(d, at, end, wire, &value);
        if (!at)
            return false;
        store(kind, (char *)list->items + size * list->count, value);
        list->count++;
    }
    return true;
}

static bool decode_message(struct decoder *d, struct mf_str bytes, const struct pb_type *type, char *msg,
                           unsigned depth);

static bool note_map(struct decoder *d, const struct pb_field *field, struct pb_list *list)
{
    if (list->count < 2 || list->cap & CAP_PENDING)
        return true;
    struct pending *pending = MF_NEW(d->arena, struct pending);
    if (!pending)
        return false;
    *pending = (struct pending){.next = d->pending, .entry = field->type, .list = list};
    d->pending = pending;
    list->cap |= CAP_PENDING;
    return true;
}

/* A map's entry without a value has the default value; for messages that is an empty one. */
static bool complete_entry(struct decoder *d, const struct pb_type *entry, char *msg)
{
    const struct pb_field *value = &entry->fields[1];
    if (value->kind != PB_MESSAGE)
        return true;
    void **slot = (void **)(void *)(msg + value->offset);
    if (!*slot)
        *slot = pb_new(d->arena, value->type);
    return *slot != NULL;
}

static bool read_message(struct decoder *d, const struct pb_field *field, char *msg, struct mf_str span,
                         unsigned depth)
{
    const uint8_t *where = (const uint8_t *)span.ptr;
    if (depth >= PB_DEPTH_MAX)
        return fail(d, where, "messages are nested too deeply") != NULL;
    if (field->shape == PB_ONEOF) {
        int32_t number;
        memcpy(&number, msg + field->has_offset, sizeof number);
        if (number != (int32_t)field->number)
            *(void **)(void *)(msg + field->offset) = NULL; /* what is there belongs to another member */
    }
    void **slot = slot_of(d, field, msg, sizeof(void *));
    if (!slot)
        return fail_memory(d, where) != NULL;
    if (field->shape == PB_REPEATED || field->shape == PB_MAP)
        *slot = NULL;
    if (!*slot)
        *slot = pb_new(d->arena, field->type);
    char *inner = *slot;
    if (!inner)
        return fail_memory(d, where) != NULL;
    if (!decode_message(d, span, field->type, inner, depth + 1))
        return false;
    if (field->shape == PB_MAP && (!complete_entry(d, field->type, inner) ||
                                   !note_map(d, field, (struct pb_list *)(void *)(msg + field->offset))))
        return fail_memory(d, where) != NULL;
    return true;
}

static bool read_string(struct decoder *d, const struct pb_field *field, char *msg, struct mf_str span)
{
    if (field->kind == PB_STRING && !pb_is_ascii(span) && !mf_utf8_valid(span.ptr, span.len))
        return fail(d, (const uint8_t *)span.ptr, "a string is not valid UTF-8") != NULL;
    struct mf_str *slot = slot_of(d, field, msg, sizeof *slot);
    if (!slot)
        return fail_memory(d, (const uint8_t *)span.ptr) != NULL;
    *slot = span;
    return true;
}

/* A value of a known field whose wire type is "length and bytes". */
static inline bool read_delimited(struct decoder *d, const struct pb_field *field, char *msg,
                                  struct mf_str span, unsigned depth)
{
    if (field->kind == PB_MESSAGE)
        return read_message(d, field, msg, span, depth);
    if (field->kind == PB_STRING || field->kind == PB_BYTES)
        return read_string(d, field, msg, span);
    return read_packed(d, field, msg, span);
}

static const uint8_t *read_unknown(struct decoder *d, char *msg, const uint8_t *start, const uint8_t *at,
                                   const uint8_t *end, uint32_t tag, unsigned depth)
{
    const uint8_t *next = (tag & 7) == PB_WIRE_GROUP ? skip_group(d, at, end, tag >> 3, depth)
                                                     : skip_plain(d, at, end, tag & 7);
    if (next && !keep_unknown(d, (struct pb_head *)(void *)msg, start, next))
        return fail_memory(d, start);
    return next;
}

static bool decode_message(struct decoder *d, struct mf_str bytes, const struct pb_type *type, char *msg,
                           unsigned depth)
{
    const uint8_t *at = (const uint8_t *)bytes.ptr, *end = at + bytes.len;
    while (at < end) {
        const uint8_t *start = at;
        uint32_t tag;
        at = read_tag(d, at, end, &tag);
        if (!at)
            return false;
        const struct pb_field *field = pb_field_of(type, tag >> 3);
        enum pb_wire wire = (enum pb_wire)(tag & 7);
        enum pb_wire wanted = field ? pb_kind_wire((enum pb_kind)field->kind) : PB_WIRE_GROUP_END;
        if (wire == PB_WIRE_BYTES && (wanted == wire || (field && field->shape == PB_REPEATED))) {
            struct mf_str span;
            at = read_span(d, at, end, &span);
            if (!at || !read_delimited(d, field, msg, span, depth))
                return false;
        } else if (field && wire == wanted) {
            uint64_t value;
            at = read_scalar(d, at, end, wire, &value);
            if (!at)
                return false;
            void *slot = slot_of(d, field, msg, pb_kind_size((enum pb_kind)field->kind));
            if (!slot)
                return fail_memory(d, start) != NULL;
            store((enum pb_kind)field->kind, slot, value);
        } else {
            at = read_unknown(d, msg, start, at, end, tag, depth);
            if (!at)
                return false;
        }
    }
    return true;
}

static bool finish_maps(struct decoder *d)
{
    for (struct pending *pending = d->pending; pending; pending = pending->next) {
        pending->list->cap &= ~CAP_PENDING;
        if (!pb_map_unique(pending->entry, pending->list))
            return fail_memory(d, d->end) != NULL;
    }
    return true;
}

enum mf_code pb_decode(struct mf_arena *arena, const struct pb_type *type, struct mf_str bytes, void **out,
                       struct mf_error *err)
{
    *out = NULL;
    if (bytes.len > PB_MESSAGE_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "a message of %zu bytes is too long; send less at once",
                       bytes.len);
    if (bytes.len == 0)
        bytes = MF_STR_EMPTY;
    struct decoder d = {.arena = arena, .begin = (const uint8_t *)bytes.ptr};
    d.end = d.begin + bytes.len;
    char *msg = pb_new(arena, type);
    if (!msg)
        return mf_fail_memory(err);
    if (!decode_message(&d, bytes, type, msg, 0) || !finish_maps(&d))
        return mf_fail(err, d.code, "bytes do not decode as %s: at byte %zu, %s", type->name,
                       (size_t)(d.where - d.begin), d.reason);
    *out = msg;
    return MF_OK;
}
