#include "translate/convert.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define EXACT INT64_C(9007199254740991) /* 2^53 - 1: up to here every integer is a double of its own */

enum mf_code mf_conv_step(struct mf_conv *c, size_t steps)
{
    c->steps += steps;
    return c->steps <= MF_CONV_STEPS
               ? MF_OK
               : mf_conv_fail(c, MF_INVALID_ARGUMENT, "the request is too large to be translated");
}

enum mf_code mf_conv_enter(struct mf_conv *c, struct mf_conv_place *place, int messages)
{
    if (place) {
        place->up = c->place;
        c->place = place;
    }
    c->depth += messages;
    if (c->depth > MF_CONV_DEPTH)
        return mf_conv_fail(c, MF_INVALID_ARGUMENT, "types and values are nested too deeply");
    return mf_conv_step(c, 1);
}

void mf_conv_leave(struct mf_conv *c, struct mf_conv_place *place, int messages)
{
    if (place)
        c->place = place->up;
    c->depth -= messages;
}

/* The outermost place first. */
static size_t place_text(const struct mf_conv_place *place, char *out, size_t size)
{
    if (!place)
        return 0;
    size_t len = place_text(place->up, out, size);
    if (len + 1 >= size)
        return len;
    int more = place->name.ptr ? snprintf(out + len, size - len, "%s%.*s", len > 0 ? "." : "",
                                          (int)mf_utf8_cut(place->name, 80), place->name.ptr)
                               : snprintf(out + len, size - len, "[%zu]", place->index);
    len += more > 0 ? (size_t)more : 0;
    return len < size ? len : size - 1;
}

enum mf_code mf_conv_fail(struct mf_conv *c, enum mf_code code, const char *format, ...)
{
    char where[400];
    va_list args;
    va_start(args, format);
    code = mf_failv(c->err, code, format, args);
    va_end(args);
    size_t len = place_text(c->place, where, sizeof where);
    if (len > 0) {
        len = mf_utf8_cut(mf_str_make(where, len), len);
        mf_fail_prefix(c->err, "%.*s", (int)len, where);
    }
    return code;
}

/* ---- making ---- */

static struct pb_google_protobuf_Value *new_value(struct mf_arena *arena, int32_t kind)
{
    struct pb_google_protobuf_Value *value = MF_NEW(arena, struct pb_google_protobuf_Value);
    if (value)
        value->kind_case = kind;
    return value;
}

struct pb_google_protobuf_Value *mf_value_null(struct mf_arena *arena)
{
    return new_value(arena, pb_google_protobuf_Value_tag_null_value);
}

struct pb_google_protobuf_Value *mf_value_bool(struct mf_arena *arena, bool boolean)
{
    struct pb_google_protobuf_Value *value = new_value(arena, pb_google_protobuf_Value_tag_bool_value);
    if (value)
        value->kind.bool_value = boolean;
    return value;
}

struct pb_google_protobuf_Value *mf_value_number(struct mf_arena *arena, double number)
{
    if (isnan(number))
        return mf_value_text(arena, "NaN");
    if (isinf(number))
        return mf_value_text(arena, number > 0 ? "Infinity" : "-Infinity");
    struct pb_google_protobuf_Value *value = new_value(arena, pb_google_protobuf_Value_tag_number_value);
    if (value)
        value->kind.number_value = number;
    return value;
}

struct pb_google_protobuf_Value *mf_value_integer(struct mf_arena *arena, int64_t integer)
{
    if (integer >= -EXACT && integer <= EXACT)
        return mf_value_number(arena, (double)integer);
    return mf_value_string(arena, mf_str_printf(arena, "%" PRId64, integer));
}

struct pb_google_protobuf_Value *mf_value_unsigned(struct mf_arena *arena, uint64_t integer)
{
    if (integer <= INT64_MAX)
        return mf_value_integer(arena, (int64_t)integer);
    return mf_value_string(arena, mf_str_printf(arena, "%" PRIu64, integer));
}

struct pb_google_protobuf_Value *mf_value_string(struct mf_arena *arena, struct mf_str string)
{
    struct pb_google_protobuf_Value *value =
        string.ptr || string.len == 0 ? new_value(arena, pb_google_protobuf_Value_tag_string_value) : NULL;
    if (value)
        value->kind.string_value = string.len > 0 ? string : MF_STR_EMPTY;
    return value;
}

struct pb_google_protobuf_Value *mf_value_text(struct mf_arena *arena, const char *text)
{
    return mf_value_string(arena, mf_str_from_c(text));
}

struct pb_google_protobuf_Value *mf_value_object(struct mf_arena *arena,
                                                 struct pb_google_protobuf_Struct *fields)
{
    struct pb_google_protobuf_Value *value =
        fields ? new_value(arena, pb_google_protobuf_Value_tag_struct_value) : NULL;
    if (value)
        value->kind.struct_value = fields;
    return value;
}

struct pb_google_protobuf_Value *mf_value_list(struct mf_arena *arena,
                                               struct pb_google_protobuf_ListValue *items)
{
    struct pb_google_protobuf_Value *value =
        items ? new_value(arena, pb_google_protobuf_Value_tag_list_value) : NULL;
    if (value)
        value->kind.list_value = items;
    return value;
}

struct pb_google_protobuf_Value *mf_value_none(struct mf_arena *arena)
{
    struct pb_google_protobuf_Struct *object = MF_NEW(arena, struct pb_google_protobuf_Struct);
    if (!object || !mf_value_put(arena, object, "type", mf_value_text(arena, "null")))
        return NULL;
    return mf_value_object(arena, object);
}

bool mf_value_append(struct mf_arena *arena, struct pb_google_protobuf_Struct *object, struct mf_str name,
                     struct pb_google_protobuf_Value *value)
{
    struct pb_google_protobuf_Struct_FieldsEntry *entry =
        value ? MF_NEW(arena, struct pb_google_protobuf_Struct_FieldsEntry) : NULL;
    if (!entry)
        return false;
    entry->key = name;
    entry->value = value;
    return PB_PUSH(arena, object->fields, entry);
}

bool mf_value_put(struct mf_arena *arena, struct pb_google_protobuf_Struct *object, const char *name,
                  struct pb_google_protobuf_Value *value)
{
    struct mf_str key = mf_str_from_c(name);
    struct pb_google_protobuf_Struct_FieldsEntry *entry;
    if (!value)
        return false;
    for (uint32_t i = 0; i < object->fields.count; i++) {
        if (mf_str_eq(object->fields.items[i]->key, key)) {
            object->fields.items[i]->value = value;
            return true;
        }
    }
    if (!mf_value_append(arena, object, key, value))
        return false;
    uint32_t at = object->fields.count - 1;
    entry = object->fields.items[at];
    for (; at > 0 && mf_str_cmp(object->fields.items[at - 1]->key, key) > 0; at--)
        object->fields.items[at] = object->fields.items[at - 1];
    object->fields.items[at] = entry;
    return true;
}

/* ---- looking ---- */

const struct pb_google_protobuf_Value *mf_value_get(const struct pb_google_protobuf_Struct *object,
                                                    struct mf_str name)
{
    for (uint32_t i = 0; object && i < object->fields.count; i++) {
        if (mf_str_eq(object->fields.items[i]->key, name))
            return object->fields.items[i]->value;
    }
    return NULL;
}

const struct pb_google_protobuf_Value *mf_value_field(const struct pb_google_protobuf_Value *object,
                                                      const char *name)
{
    return mf_value_get(mf_value_fields(object), mf_str_from_c(name));
}

struct pb_google_protobuf_Struct *mf_value_fields(const struct pb_google_protobuf_Value *value)
{
    return value && value->kind_case == pb_google_protobuf_Value_tag_struct_value ? value->kind.struct_value
                                                                                  : NULL;
}

struct pb_google_protobuf_ListValue *mf_value_items(const struct pb_google_protobuf_Value *value)
{
    return value && value->kind_case == pb_google_protobuf_Value_tag_list_value ? value->kind.list_value
                                                                                : NULL;
}

struct mf_str mf_value_chars(const struct pb_google_protobuf_Value *value)
{
    if (!value || value->kind_case != pb_google_protobuf_Value_tag_string_value)
        return (struct mf_str){0};
    return value->kind.string_value.len > 0 ? value->kind.string_value : MF_STR_EMPTY;
}

bool mf_value_is_null(const struct pb_google_protobuf_Value *value)
{
    const struct pb_google_protobuf_Struct *object = mf_value_fields(value);
    if (!value || value->kind_case == 0 || value->kind_case == pb_google_protobuf_Value_tag_null_value)
        return true;
    return object && object->fields.count == 1 &&
           mf_str_eq_c(mf_value_chars(mf_value_field(value, "type")), "null");
}

bool mf_value_to_integer(const struct pb_google_protobuf_Value *value, int64_t *out)
{
    if (value && value->kind_case == pb_google_protobuf_Value_tag_string_value)
        return mf_str_to_i64(value->kind.string_value, out);
    if (!value || value->kind_case != pb_google_protobuf_Value_tag_number_value)
        return false;
    double number = value->kind.number_value;
    if (!(number >= -0x1p63 && number < 0x1p63) || number != trunc(number))
        return false;
    *out = (int64_t)number;
    return true;
}

bool mf_value_to_number(const struct pb_google_protobuf_Value *value, double *out)
{
    struct mf_str text = mf_value_chars(value);
    if (value && value->kind_case == pb_google_protobuf_Value_tag_number_value)
        *out = value->kind.number_value;
    else if (text.ptr && mf_str_eq_c(text, "NaN"))
        *out = (double)NAN;
    else if (text.ptr && mf_str_eq_c(text, "Infinity"))
        *out = (double)INFINITY;
    else if (text.ptr && mf_str_eq_c(text, "-Infinity"))
        *out = -(double)INFINITY;
    else
        return false;
    return true;
}

const char *mf_value_kind(const struct pb_google_protobuf_Value *value)
{
    switch (value ? value->kind_case : 0) {
    case pb_google_protobuf_Value_tag_number_value:
        return "a number";
    case pb_google_protobuf_Value_tag_string_value:
        return "a string";
    case pb_google_protobuf_Value_tag_bool_value:
        return "a boolean";
    case pb_google_protobuf_Value_tag_struct_value:
        return mf_value_is_null(value) ? "null" : "an object";
    case pb_google_protobuf_Value_tag_list_value:
        return "a list";
    default:
        return "null";
    }
}

/* ---- a copy in order ---- */

static int compare_fields(const void *a, const void *b)
{
    const struct pb_google_protobuf_Struct_FieldsEntry *const *x = a;
    const struct pb_google_protobuf_Struct_FieldsEntry *const *y = b;
    return mf_str_cmp((*x)->key, (*y)->key);
}

void mf_value_sort_fields(struct pb_google_protobuf_Struct *object)
{
    if (object->fields.count > 1)
        qsort(object->fields.items, object->fields.count, sizeof *object->fields.items, compare_fields);
}

static enum mf_code sorted_object(struct mf_conv *c, const struct pb_google_protobuf_Struct *object,
                                  struct pb_google_protobuf_Value **out)
{
    struct pb_google_protobuf_Struct *copy = MF_NEW(c->arena, struct pb_google_protobuf_Struct);
    *out = mf_value_object(c->arena, copy);
    if (!*out)
        return mf_fail_memory(c->err);
    for (uint32_t i = 0; i < object->fields.count; i++) {
        struct mf_conv_place place = {.name = object->fields.items[i]->key};
        struct pb_google_protobuf_Value *value = NULL;
        enum mf_code code = mf_conv_enter(c, &place, MF_CONV_OBJECT);
        if (code == MF_OK)
            code = mf_value_sorted(c, object->fields.items[i]->value, &value);
        mf_conv_leave(c, &place, MF_CONV_OBJECT);
        if (code != MF_OK)
            return code;
        if (!mf_value_append(c->arena, copy, place.name, value))
            return mf_fail_memory(c->err);
    }
    mf_value_sort_fields(copy);
    return MF_OK;
}

static enum mf_code sorted_list(struct mf_conv *c, const struct pb_google_protobuf_ListValue *list,
                                struct pb_google_protobuf_Value **out)
{
    struct pb_google_protobuf_ListValue *copy = MF_NEW(c->arena, struct pb_google_protobuf_ListValue);
    *out = mf_value_list(c->arena, copy);
    if (!*out)
        return mf_fail_memory(c->err);
    for (uint32_t i = 0; i < list->values.count; i++) {
        struct mf_conv_place place = {.index = i};
        struct pb_google_protobuf_Value *value = NULL;
        enum mf_code code = mf_conv_enter(c, &place, MF_CONV_LIST);
        if (code == MF_OK)
            code = mf_value_sorted(c, list->values.items[i], &value);
        mf_conv_leave(c, &place, MF_CONV_LIST);
        if (code != MF_OK)
            return code;
        if (!PB_PUSH(c->arena, copy->values, value))
            return mf_fail_memory(c->err);
    }
    return MF_OK;
}

enum mf_code mf_value_sorted(struct mf_conv *c, const struct pb_google_protobuf_Value *value,
                             struct pb_google_protobuf_Value **out)
{
    if (mf_value_fields(value))
        return sorted_object(c, mf_value_fields(value), out);
    if (mf_value_items(value))
        return sorted_list(c, mf_value_items(value), out);
    if (value && value->kind_case == pb_google_protobuf_Value_tag_number_value)
        *out = mf_value_number(c->arena, value->kind.number_value);
    else
        *out = mf_value_null(c->arena);
    if (!*out)
        return mf_fail_memory(c->err);
    if (value && (value->kind_case == pb_google_protobuf_Value_tag_string_value ||
                  value->kind_case == pb_google_protobuf_Value_tag_bool_value))
        **out = *value;
    return MF_OK;
}
