#include "translate/msgpack.h"

#include "base/encode.h"
#include "base/time.h"

#include <inttypes.h>
#include <stdio.h>

struct reader {
    struct mf_conv *c;
    const uint8_t *at, *end;
    bool malformed;
};

static uint64_t take_number(struct reader *r, size_t size)
{
    uint64_t value = 0;
    if ((size_t)(r->end - r->at) < size) {
        r->malformed = true;
        return 0;
    }
    for (size_t i = 0; i < size; i++)
        value = value << 8 | *r->at++;
    return value;
}

static struct mf_str take_bytes(struct reader *r, uint64_t size)
{
    if ((uint64_t)(r->end - r->at) < size) {
        r->malformed = true;
        return MF_STR_EMPTY;
    }
    struct mf_str bytes = mf_str_make(r->at, (size_t)size);
    r->at += size;
    return bytes;
}

enum kind { BAD, NIL, BOOL, UNSIGNED, SIGNED, REAL, STRING, BYTES, LIST, MAP, EXT };

/* A value's head: of strings and the like the bytes, of lists and maps the count. */
struct head {
    enum kind kind;
    uint64_t number;
    double real;
    struct mf_str bytes;
    int8_t ext;
};

static double real_of(uint64_t bits, size_t size)
{
    float narrow;
    double wide;
    uint32_t low = (uint32_t)bits;
    if (size == 4) {
        memcpy(&narrow, &low, 4);
        return (double)narrow;
    }
    memcpy(&wide, &bits, 8);
    return wide;
}

static void take_sized(struct reader *r, struct head *head, enum kind kind, size_t size)
{
    head->kind = kind;
    head->number = take_number(r, size);
    if (kind == EXT)
        head->ext = (int8_t)take_number(r, 1);
    if (kind == STRING || kind == BYTES || kind == EXT)
        head->bytes = take_bytes(r, head->number);
}

/* The bytes from 0xc0 to 0xdf. */
static void take_long(struct reader *r, struct head *head, uint8_t first)
{
    static const struct {
        uint8_t kind, size;
    } forms[32] = {
        {NIL, 0},      {BAD, 0},      {BOOL, 0},   {BOOL, 0},   {BYTES, 1},  {BYTES, 2},    {BYTES, 4},
        {EXT, 1},      {EXT, 2},      {EXT, 4},    {REAL, 4},   {REAL, 8},   {UNSIGNED, 1}, {UNSIGNED, 2},
        {UNSIGNED, 4}, {UNSIGNED, 8}, {SIGNED, 1}, {SIGNED, 2}, {SIGNED, 4}, {SIGNED, 8},   {EXT, 0},
        {EXT, 0},      {EXT, 0},      {EXT, 0},    {EXT, 0},    {STRING, 1}, {STRING, 2},   {STRING, 4},
        {LIST, 2},     {LIST, 4},     {MAP, 2},    {MAP, 4},
    };
    enum kind kind = (enum kind)forms[first - 0xc0].kind;
    size_t size = forms[first - 0xc0].size;
    if (kind == EXT && size == 0) { /* of 1, 2, 4, 8 or 16 bytes */
        head->kind = EXT;
        head->ext = (int8_t)take_number(r, 1);
        head->bytes = take_bytes(r, UINT64_C(1) << (first - 0xd4));
        return;
    }
    take_sized(r, head, kind, size);
    if (kind == BOOL)
        head->number = first == 0xc3;
    else if (kind == REAL)
        head->real = real_of(head->number, size);
    else if (kind == SIGNED && size < 8 && head->number >> (8 * size - 1) != 0)
        head->number |= ~UINT64_C(0) << (8 * size);
}

static struct head take_head(struct reader *r)
{
    struct head head = {.bytes = MF_STR_EMPTY};
    uint8_t first = (uint8_t)take_number(r, 1);
    if (first < 0x80) {
        head.kind = UNSIGNED;
        head.number = first;
    } else if (first < 0x90) {
        head.kind = MAP;
        head.number = first & 0x0f;
    } else if (first < 0xa0) {
        head.kind = LIST;
        head.number = first & 0x0f;
    } else if (first < 0xc0) {
        head.kind = STRING;
        head.bytes = take_bytes(r, first & 0x1f);
    } else if (first < 0xe0) {
        take_long(r, &head, first);
    } else {
        head.kind = SIGNED;
        head.number = ~UINT64_C(0xff) | first;
    }
    if (r->malformed)
        head.kind = BAD;
    return head;
}

static struct pb_google_protobuf_Value *text_of_bytes(struct mf_conv *c, struct mf_str bytes)
{
    return mf_value_string(c->arena, mf_base64(c->arena, bytes));
}

/* Extension -1 is an instant of 4, 8 or 12 bytes. */
static struct pb_google_protobuf_Value *extension(struct mf_conv *c, const struct head *head)
{
    struct reader r = {.at = (const uint8_t *)head->bytes.ptr,
                       .end = (const uint8_t *)head->bytes.ptr + head->bytes.len};
    uint64_t seconds;
    uint64_t nanos = 0;
    if (head->ext != -1 || (head->bytes.len != 4 && head->bytes.len != 8 && head->bytes.len != 12))
        return text_of_bytes(c, head->bytes);
    if (head->bytes.len == 8) {
        uint64_t both = take_number(&r, 8);
        nanos = both >> 34;
        seconds = both & ((UINT64_C(1) << 34) - 1);
    } else {
        nanos = head->bytes.len == 12 ? take_number(&r, 4) : 0;
        seconds = take_number(&r, head->bytes.len == 12 ? 8 : 4);
    }
    const int64_t range = INT64_MAX / MF_SECOND_NS - 1;
    if ((int64_t)seconds > range || (int64_t)seconds < -range || nanos >= (uint64_t)MF_SECOND_NS)
        return text_of_bytes(c, head->bytes);
    return mf_value_string(c->arena,
                           mf_time_rfc3339(c->arena, (int64_t)seconds * MF_SECOND_NS + (int64_t)nanos, true));
}

static enum mf_code read_value(struct reader *r, struct pb_google_protobuf_Value **out);

/* .ptr NULL: what may not be a key of JSON, or memory ran out; then *out of the caller says which. */
static struct mf_str key_text(struct reader *r, const struct head *head)
{
    struct mf_arena *arena = r->c->arena;
    switch (head->kind) {
    case STRING:
        return mf_utf8_valid(head->bytes.ptr, head->bytes.len) ? head->bytes : (struct mf_str){0};
    case BYTES:
        return mf_base64(arena, head->bytes);
    case UNSIGNED:
        return mf_str_printf(arena, "%" PRIu64, head->number);
    case SIGNED:
        return mf_str_printf(arena, "%" PRId64, (int64_t)head->number);
    case REAL:
        return mf_str_printf(arena, "%.17g", head->real);
    case BOOL:
        return head->number ? MF_STR("true") : MF_STR("false");
    case NIL:
        return MF_STR("null");
    case BAD:
    case LIST:
    case MAP:
    case EXT:
        break;
    }
    return (struct mf_str){0};
}

/* A count beyond the bytes that are left is no list or map, so that nobody loops on four bytes. */
static bool count_ok(struct reader *r, uint64_t count)
{
    if (count > (uint64_t)(r->end - r->at))
        r->malformed = true;
    return !r->malformed;
}

static enum mf_code read_map(struct reader *r, uint64_t count, struct pb_google_protobuf_Value **out)
{
    struct pb_google_protobuf_Struct *object = MF_NEW(r->c->arena, struct pb_google_protobuf_Struct);
    *out = mf_value_object(r->c->arena, object);
    if (!*out)
        return mf_fail_memory(r->c->err);
    for (uint64_t i = 0; count_ok(r, count - i) && i < count; i++) {
        struct pb_google_protobuf_Value *value = NULL;
        struct head head = take_head(r);
        struct mf_conv_place place = {.name = key_text(r, &head)};
        if (!place.name.ptr) {
            r->malformed = true;
            break;
        }
        enum mf_code code = mf_conv_enter(r->c, &place, MF_CONV_OBJECT);
        if (code == MF_OK)
            code = read_value(r, &value);
        mf_conv_leave(r->c, &place, MF_CONV_OBJECT);
        if (code != MF_OK || r->malformed)
            return code;
        if (!mf_value_append(r->c->arena, object, place.name, value))
            return mf_fail_memory(r->c->err);
    }
    return MF_OK;
}

static enum mf_code read_list(struct reader *r, uint64_t count, struct pb_google_protobuf_Value **out)
{
    struct pb_google_protobuf_ListValue *list = MF_NEW(r->c->arena, struct pb_google_protobuf_ListValue);
    *out = mf_value_list(r->c->arena, list);
    if (!*out)
        return mf_fail_memory(r->c->err);
    for (uint64_t i = 0; count_ok(r, count - i) && i < count; i++) {
        struct mf_conv_place place = {.index = (size_t)i};
        struct pb_google_protobuf_Value *value = NULL;
        enum mf_code code = mf_conv_enter(r->c, &place, MF_CONV_LIST);
        if (code == MF_OK)
            code = read_value(r, &value);
        mf_conv_leave(r->c, &place, MF_CONV_LIST);
        if (code != MF_OK || r->malformed)
            return code;
        if (!PB_PUSH(r->c->arena, list->values, value))
            return mf_fail_memory(r->c->err);
    }
    return MF_OK;
}

static struct pb_google_protobuf_Value *plain_value(struct reader *r, const struct head *head)
{
    struct mf_arena *arena = r->c->arena;
    switch (head->kind) {
    case NIL:
        return mf_value_null(arena);
    case BOOL:
        return mf_value_bool(arena, head->number != 0);
    case UNSIGNED:
        return mf_value_unsigned(arena, head->number);
    case SIGNED:
        return mf_value_integer(arena, (int64_t)head->number);
    case REAL:
        return mf_value_number(arena, head->real);
    case STRING:
        return mf_utf8_valid(head->bytes.ptr, head->bytes.len) ? mf_value_string(arena, head->bytes)
                                                               : text_of_bytes(r->c, head->bytes);
    case BYTES:
        return text_of_bytes(r->c, head->bytes);
    case EXT:
        return extension(r->c, head);
    case BAD:
    case LIST:
    case MAP:
        break;
    }
    return NULL;
}

static enum mf_code read_value(struct reader *r, struct pb_google_protobuf_Value **out)
{
    struct head head = take_head(r);
    if (head.kind == BAD) {
        r->malformed = true;
        return MF_OK;
    }
    if (head.kind == MAP)
        return read_map(r, head.number, out);
    if (head.kind == LIST)
        return read_list(r, head.number, out);
    *out = plain_value(r, &head);
    return *out ? MF_OK : mf_fail_memory(r->c->err);
}

enum mf_code mf_msgpack_to_json(struct mf_conv *c, struct mf_str bytes, struct pb_google_protobuf_Value **out)
{
    struct reader r = {
        .c = c, .at = (const uint8_t *)bytes.ptr, .end = (const uint8_t *)bytes.ptr + bytes.len};
    *out = NULL;
    if (bytes.len == 0)
        return MF_OK;
    enum mf_code code = read_value(&r, out);
    if (code == MF_OK && (r.malformed || r.at != r.end))
        *out = NULL;
    return code;
}
