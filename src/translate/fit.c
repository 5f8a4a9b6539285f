/*
 * Which variant of a union a value suits best. A variant that says more about the value wins over one that
 * says less: an instant over a string, a number with a fraction over no integer, a structure all of whose
 * fields are known over one with other fields. Equal ones: the first.
 */
#include "translate/convert.h"

#include <math.h>

#define PERFECT 100

static int number_score(const struct pb_core_LiteralType *type, double number)
{
    bool whole = number == trunc(number);
    if (mf_conv_is_simple(type, pb_core_INTEGER))
        return whole && number >= -0x1p63 && number < 0x1p63 ? PERFECT : 0;
    if (mf_conv_is_simple(type, pb_core_FLOAT))
        return whole ? 90 : PERFECT;
    return mf_conv_is_simple(type, pb_core_DURATION) ? 20 : 0;
}

static bool is_digits(struct mf_str text)
{
    int64_t number;
    return mf_str_to_i64(text, &number);
}

static int string_score(struct mf_conv *c, const struct pb_core_LiteralType *type, struct mf_str text,
                        const struct pb_google_protobuf_Value *value)
{
    int64_t seconds;
    int32_t nanos;
    double number;
    if (type->type_case == pb_core_LiteralType_tag_enum_type) {
        for (uint32_t i = 0; i < type->type.enum_type->values.count; i++) {
            if (mf_str_eq(type->type.enum_type->values.items[i], text))
                return PERFECT;
        }
        return 0;
    }
    if (type->type_case != pb_core_LiteralType_tag_simple)
        return 0;
    switch (type->type.simple) {
    case pb_core_STRING:
        return 80;
    case pb_core_DATETIME:
        return mf_conv_time_parse(c->arena, text) ? 95 : 0;
    case pb_core_DURATION:
        if (!mf_conv_duration_parse(text, &seconds, &nanos))
            return 0;
        return is_digits(text) ? 30 : 90;
    case pb_core_INTEGER:
        return is_digits(text) ? 70 : 0;
    case pb_core_FLOAT:
        return mf_value_to_number(value, &number) ? 70 : 0;
    default:
        return 0;
    }
}

/* ---- structures ---- */

/* Whether a value is of the kind that a schema names; a schema that names none takes all. */
static bool kind_suits(const struct pb_google_protobuf_Struct *schema,
                       const struct pb_google_protobuf_Value *value)
{
    struct mf_str name = mf_value_chars(mf_value_get(schema, MF_STR("type")));
    int64_t integer;
    double number;
    if (name.len == 0)
        return true;
    if (mf_str_eq_c(name, "integer"))
        return mf_value_to_integer(value, &integer);
    if (mf_str_eq_c(name, "number"))
        return mf_value_to_number(value, &number);
    if (mf_str_eq_c(name, "string"))
        return mf_value_chars(value).ptr != NULL;
    if (mf_str_eq_c(name, "boolean"))
        return value && value->kind_case == pb_google_protobuf_Value_tag_bool_value;
    if (mf_str_eq_c(name, "array"))
        return mf_value_items(value) != NULL;
    if (mf_str_eq_c(name, "object"))
        return mf_value_fields(value) != NULL;
    if (mf_str_eq_c(name, "null"))
        return mf_value_is_null(value);
    return true;
}

static enum mf_code structure_score(struct mf_conv *c, const struct pb_google_protobuf_Struct *metadata,
                                    const struct pb_google_protobuf_Struct *object, int *score)
{
    const struct pb_google_protobuf_Struct *known =
        mf_value_fields(mf_value_get(metadata, MF_STR("properties")));
    const struct pb_google_protobuf_ListValue *required =
        mf_value_items(mf_value_get(metadata, MF_STR("required")));
    uint64_t all = object->fields.count;
    uint64_t good = 0;
    *score = 50;
    if (!known)
        return MF_OK;
    enum mf_code code =
        mf_conv_step(c, (size_t)object->fields.count *
                            (1 + known->fields.count + (required ? required->values.count : 0)));
    if (code != MF_OK)
        return code;
    for (uint32_t i = 0; i < object->fields.count; i++) {
        const struct pb_google_protobuf_Value *schema = mf_value_get(known, object->fields.items[i]->key);
        good += schema && kind_suits(mf_value_fields(schema), object->fields.items[i]->value);
    }
    for (uint32_t i = 0; required && i < required->values.count; i++)
        all += mf_value_get(object, mf_value_chars(required->values.items[i])) == NULL;
    if (all > 0)
        *score = 10 + (int)(80 * good / all);
    return MF_OK;
}

static bool has_text(const struct pb_google_protobuf_Struct *object, const char *name)
{
    return mf_value_chars(mf_value_get(object, mf_str_from_c(name))).ptr != NULL;
}

static int dataset_score(const struct pb_google_protobuf_Struct *object)
{
    if (!has_text(object, "uri") || !has_text(object, "format"))
        return 0;
    return object->fields.count == 2 ? 96 : 60;
}

static int blob_score(const struct pb_google_protobuf_Struct *object)
{
    bool good = has_text(object, "uri") && has_text(object, "format") &&
                mf_value_get(object, MF_STR("dimensionality"));
    if (!good)
        return 0;
    return object->fields.count == 3 ? 97 : 61;
}

/* ---- lists and maps: as good as their worst element ---- */

static enum mf_code list_score(struct mf_conv *c, const struct pb_core_LiteralType *type,
                               const struct pb_google_protobuf_ListValue *list, int *score)
{
    enum mf_code code = MF_OK;
    *score = 90;
    for (uint32_t i = 0; code == MF_OK && *score > 0 && i < list->values.count; i++) {
        int one = 0;
        code = mf_conv_fit(c, type, list->values.items[i], &one);
        *score = one < *score ? one : *score;
    }
    return code;
}

static enum mf_code map_score(struct mf_conv *c, const struct pb_core_LiteralType *type,
                              const struct pb_google_protobuf_Struct *object, int *score)
{
    enum mf_code code = MF_OK;
    *score = 60;
    for (uint32_t i = 0; code == MF_OK && *score > 0 && i < object->fields.count; i++) {
        int one = 0;
        code = mf_conv_fit(c, type, object->fields.items[i]->value, &one);
        *score = one < *score ? one : *score;
    }
    return code;
}

static enum mf_code object_score(struct mf_conv *c, const struct pb_core_LiteralType *type,
                                 const struct pb_google_protobuf_Struct *object, int *score)
{
    *score = 0;
    if (mf_conv_is_simple(type, pb_core_STRUCT))
        return structure_score(c, type->metadata, object, score);
    if (type->type_case == pb_core_LiteralType_tag_map_value_type)
        return map_score(c, type->type.map_value_type, object, score);
    if (type->type_case == pb_core_LiteralType_tag_blob)
        *score = blob_score(object);
    else if (type->type_case == pb_core_LiteralType_tag_structured_dataset_type)
        *score = dataset_score(object);
    return MF_OK;
}

static enum mf_code union_score(struct mf_conv *c, const struct pb_core_UnionType *type,
                                const struct pb_google_protobuf_Value *value, int *score)
{
    enum mf_code code = MF_OK;
    *score = 0;
    for (uint32_t i = 0; code == MF_OK && i < type->variants.count; i++) {
        int one = 0;
        code = mf_conv_fit(c, type->variants.items[i], value, &one);
        *score = one > *score ? one : *score;
    }
    return code;
}

enum mf_code mf_conv_fit(struct mf_conv *c, const struct pb_core_LiteralType *type,
                         const struct pb_google_protobuf_Value *value, int *score)
{
    struct mf_str text = mf_value_chars(value);
    *score = 0;
    enum mf_code code = mf_conv_enter(c, NULL, 1);
    if (code != MF_OK) {
        mf_conv_leave(c, NULL, 1);
        return code;
    }
    if (type && type->type_case == pb_core_LiteralType_tag_union_type)
        code = union_score(c, type->type.union_type, value, score);
    else if (mf_value_is_null(value))
        *score = mf_conv_is_simple(type, pb_core_NONE) ? PERFECT : 0;
    else if (!type)
        *score = 0;
    else if (value->kind_case == pb_google_protobuf_Value_tag_bool_value)
        *score = mf_conv_is_simple(type, pb_core_BOOLEAN) ? PERFECT : 0;
    else if (value->kind_case == pb_google_protobuf_Value_tag_number_value)
        *score = number_score(type, value->kind.number_value);
    else if (text.ptr)
        *score = string_score(c, type, text, value);
    else if (mf_value_fields(value))
        code = object_score(c, type, mf_value_fields(value), score);
    else if (mf_value_items(value) && type->type_case == pb_core_LiteralType_tag_collection_type)
        code = list_score(c, type->type.collection_type, mf_value_items(value), score);
    mf_conv_leave(c, NULL, 1);
    return code;
}

enum mf_code mf_conv_variant(struct mf_conv *c, const struct pb_core_LiteralType *type,
                             const struct pb_google_protobuf_Value *value,
                             const struct pb_core_LiteralType **out)
{
    const struct pb_core_UnionType *variants = type->type.union_type;
    struct mf_str wanted = type->structure ? type->structure->tag : MF_STR_EMPTY;
    int best = 0;
    *out = NULL;
    for (uint32_t i = 0; i < variants->variants.count; i++) {
        const struct pb_core_LiteralType *variant = variants->variants.items[i];
        int score = 0;
        enum mf_code code = mf_conv_fit(c, variant, value, &score);
        if (code != MF_OK)
            return code;
        if (score > 0 && wanted.len > 0 && variant->structure && mf_str_eq(variant->structure->tag, wanted))
            score = PERFECT + 1;
        if (score <= best)
            continue;
        best = score;
        *out = variant;
    }
    return MF_OK;
}
