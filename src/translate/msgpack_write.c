#include "translate/msgpack.h"

#include "base/buf.h"

#include <math.h>

#define OUT_MAX ((size_t)64 << 20)
#define REFERENCES 16 /* that lead from one to the next */

struct writer {
    struct mf_conv *c;
    const struct pb_google_protobuf_Struct *root; /* of the schema; may be NULL */
    struct mf_buf out;
};

static void put_number(struct writer *w, uint8_t first, uint64_t number, int size)
{
    mf_buf_add_char(&w->out, (char)first);
    for (int i = size - 1; i >= 0; i--)
        mf_buf_add_char(&w->out, (char)(number >> (8 * i)));
}

/* The head of something counted: small with the count in the first byte, else of 1 (0: there is none), 2 or 4
 * bytes. */
static void put_count(struct writer *w, size_t count, uint8_t small, size_t small_max, uint8_t one,
                      uint8_t two)
{
    if (count <= small_max)
        mf_buf_add_char(&w->out, (char)(small | count));
    else if (one && count <= UINT8_MAX)
        put_number(w, one, count, 1);
    else if (count <= UINT16_MAX)
        put_number(w, two, count, 2);
    else
        put_number(w, (uint8_t)(two + 1), count, 4);
}

static void put_text(struct writer *w, struct mf_str text)
{
    put_count(w, text.len, 0xa0, 31, 0xd9, 0xda);
    mf_buf_add_str(&w->out, text);
}

static void put_unsigned(struct writer *w, uint64_t value)
{
    if (value < 0x80)
        mf_buf_add_char(&w->out, (char)value);
    else if (value <= UINT8_MAX)
        put_number(w, 0xcc, value, 1);
    else if (value <= UINT16_MAX)
        put_number(w, 0xcd, value, 2);
    else if (value <= UINT32_MAX)
        put_number(w, 0xce, value, 4);
    else
        put_number(w, 0xcf, value, 8);
}

static void put_integer(struct writer *w, int64_t value)
{
    if (value >= 0)
        put_unsigned(w, (uint64_t)value);
    else if (value >= -32)
        mf_buf_add_char(&w->out, (char)value);
    else if (value >= INT8_MIN)
        put_number(w, 0xd0, (uint64_t)value, 1);
    else if (value >= INT16_MIN)
        put_number(w, 0xd1, (uint64_t)value, 2);
    else if (value >= INT32_MIN)
        put_number(w, 0xd2, (uint64_t)value, 4);
    else
        put_number(w, 0xd3, (uint64_t)value, 8);
}

static void put_real(struct writer *w, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_number(w, 0xcb, bits, 8);
}

/* ---- the schema ---- */

typedef const struct pb_google_protobuf_Struct *schema_ref;

/* What "#/$defs/Name" points to; the schema itself when it is no reference. */
static schema_ref resolve(const struct writer *w, schema_ref schema)
{
    for (int i = 0; i < REFERENCES && schema; i++) {
        struct mf_str path = mf_value_chars(mf_value_get(schema, MF_STR("$ref")));
        if (!path.ptr || !mf_str_starts(path, MF_STR("#/")))
            return schema;
        path = mf_str_skip(path, 2);
        schema = w->root;
        while (path.len > 0 && schema) {
            size_t slash = mf_str_find_char(path, '/');
            schema = mf_value_fields(mf_value_get(schema, mf_str_take(path, slash)));
            path = slash == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(path, slash + 1);
        }
    }
    return schema;
}

static bool is_type(schema_ref schema, const char *name)
{
    return mf_str_eq_c(mf_value_chars(mf_value_get(schema, MF_STR("type"))), name);
}

/* Whether a schema of several variants has one of a type. */
static bool has_type(const struct writer *w, schema_ref schema, const char *name)
{
    static const char *const lists[] = {"anyOf", "oneOf"};
    if (is_type(schema, name))
        return true;
    for (size_t i = 0; schema && i < 2; i++) {
        const struct pb_google_protobuf_ListValue *variants =
            mf_value_items(mf_value_get(schema, mf_str_from_c(lists[i])));
        for (uint32_t j = 0; variants && j < variants->values.count; j++) {
            if (is_type(resolve(w, mf_value_fields(variants->values.items[j])), name))
                return true;
        }
    }
    return false;
}

/* Of several variants the first of that type, else the schema itself. */
static schema_ref variant(const struct writer *w, schema_ref schema, const char *name)
{
    static const char *const lists[] = {"anyOf", "oneOf"};
    for (size_t i = 0; schema && i < 2; i++) {
        const struct pb_google_protobuf_ListValue *variants =
            mf_value_items(mf_value_get(schema, mf_str_from_c(lists[i])));
        for (uint32_t j = 0; variants && j < variants->values.count; j++) {
            schema_ref one = resolve(w, mf_value_fields(variants->values.items[j]));
            if (is_type(one, name))
                return one;
        }
    }
    return schema;
}

static schema_ref schema_of_field(const struct writer *w, schema_ref schema, struct mf_str name)
{
    schema_ref properties = mf_value_fields(mf_value_get(schema, MF_STR("properties")));
    schema_ref found = mf_value_fields(mf_value_get(properties, name));
    return resolve(w, found ? found : mf_value_fields(mf_value_get(schema, MF_STR("additionalProperties"))));
}

/* ---- values ---- */

/* A whole number is an integer, unless the schema knows better; so large ones, however, come as digits. */
static void write_number(struct writer *w, double value, schema_ref schema)
{
    bool whole = value >= -0x1p63 && value < 0x1p63 && value == trunc(value);
    bool exact = value > -0x1p53 && value < 0x1p53;
    bool wants_integer = has_type(w, schema, "integer");
    bool wants_real = !wants_integer && (!exact || has_type(w, schema, "number"));
    if (whole && !wants_real)
        put_integer(w, (int64_t)value);
    else
        put_real(w, value);
}

static void write_string(struct writer *w, const struct pb_google_protobuf_Value *value, schema_ref schema)
{
    int64_t integer;
    uint64_t large;
    double number;
    bool is_text = has_type(w, schema, "string");
    if (!is_text && has_type(w, schema, "integer") && mf_value_to_integer(value, &integer))
        put_integer(w, integer);
    else if (!is_text && has_type(w, schema, "integer") && mf_str_to_u64(value->kind.string_value, &large))
        put_unsigned(w, large);
    else if (!is_text && has_type(w, schema, "number") && mf_value_to_number(value, &number))
        put_real(w, number);
    else
        put_text(w, value->kind.string_value);
}

static enum mf_code write_value(struct writer *w, const struct pb_google_protobuf_Value *value,
                                schema_ref schema);

static enum mf_code write_object(struct writer *w, const struct pb_google_protobuf_Struct *object,
                                 schema_ref schema)
{
    schema = variant(w, schema, "object");
    schema_ref properties = mf_value_fields(mf_value_get(schema, MF_STR("properties")));
    put_count(w, object->fields.count, 0x80, 15, 0, 0xde);
    for (uint32_t i = 0; i < object->fields.count; i++) {
        struct mf_conv_place place = {.name = object->fields.items[i]->key};
        enum mf_code code = mf_conv_enter(w->c, &place, MF_CONV_OBJECT);
        if (code == MF_OK && properties)
            code = mf_conv_step(w->c, properties->fields.count);
        put_text(w, place.name);
        if (code == MF_OK)
            code = write_value(w, object->fields.items[i]->value, schema_of_field(w, schema, place.name));
        mf_conv_leave(w->c, &place, MF_CONV_OBJECT);
        if (code != MF_OK)
            return code;
    }
    return MF_OK;
}

static enum mf_code write_list(struct writer *w, const struct pb_google_protobuf_ListValue *list,
                               schema_ref schema)
{
    schema = variant(w, schema, "array");
    schema = resolve(w, mf_value_fields(mf_value_get(schema, MF_STR("items"))));
    put_count(w, list->values.count, 0x90, 15, 0, 0xdc);
    for (uint32_t i = 0; i < list->values.count; i++) {
        struct mf_conv_place place = {.index = i};
        enum mf_code code = mf_conv_enter(w->c, &place, MF_CONV_LIST);
        if (code == MF_OK)
            code = write_value(w, list->values.items[i], schema);
        mf_conv_leave(w->c, &place, MF_CONV_LIST);
        if (code != MF_OK)
            return code;
    }
    return MF_OK;
}

static enum mf_code write_value(struct writer *w, const struct pb_google_protobuf_Value *value,
                                schema_ref schema)
{
    switch (value ? value->kind_case : 0) {
    case pb_google_protobuf_Value_tag_number_value:
        write_number(w, value->kind.number_value, schema);
        return MF_OK;
    case pb_google_protobuf_Value_tag_string_value:
        write_string(w, value, schema);
        return MF_OK;
    case pb_google_protobuf_Value_tag_bool_value:
        mf_buf_add_char(&w->out, (char)(value->kind.bool_value ? 0xc3 : 0xc2));
        return MF_OK;
    case pb_google_protobuf_Value_tag_struct_value:
        return write_object(w, value->kind.struct_value, schema);
    case pb_google_protobuf_Value_tag_list_value:
        return write_list(w, value->kind.list_value, schema);
    default:
        mf_buf_add_char(&w->out, (char)0xc0);
        return MF_OK;
    }
}

enum mf_code mf_value_to_msgpack(struct mf_conv *c, const struct pb_google_protobuf_Value *value,
                                 const struct pb_google_protobuf_Struct *schema, struct mf_str *out)
{
    struct writer w = {.c = c, .root = schema, .out = MF_BUF_INIT(OUT_MAX)};
    enum mf_code code = write_value(&w, value, resolve(&w, schema));
    if (code == MF_OK && mf_buf_failed(&w.out))
        code = mf_fail_memory(c->err);
    if (code == MF_OK) {
        *out = mf_str_copy(c->arena, mf_buf_str(&w.out));
        if (!out->ptr)
            code = mf_fail_memory(c->err);
    }
    mf_buf_free(&w.out);
    return code;
}
