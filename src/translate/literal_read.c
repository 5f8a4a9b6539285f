/* Literals from JSON, as the type of the variable wants them. */
#include "translate/convert.h"

#include "gen/google/protobuf/duration.pb.h"
#include "gen/google/protobuf/timestamp.pb.h"
#include "translate/msgpack.h"

static struct pb_core_Literal *scalar_literal(struct mf_conv *c, struct pb_core_Scalar **scalar, int32_t kind)
{
    struct pb_core_Literal *literal = MF_NEW(c->arena, struct pb_core_Literal);
    *scalar = MF_NEW(c->arena, struct pb_core_Scalar);
    if (!literal || !*scalar)
        return NULL;
    (*scalar)->value_case = kind;
    literal->value_case = pb_core_Literal_tag_scalar;
    literal->value.scalar = *scalar;
    return literal;
}

static enum mf_code primitive_literal(struct mf_conv *c, const struct pb_core_Primitive *value,
                                      struct pb_core_Literal **out)
{
    struct pb_core_Scalar *scalar;
    struct pb_core_Primitive *primitive = MF_NEW(c->arena, struct pb_core_Primitive);
    *out = scalar_literal(c, &scalar, pb_core_Scalar_tag_primitive);
    if (!*out || !primitive)
        return mf_fail_memory(c->err);
    *primitive = *value;
    scalar->value.primitive = primitive;
    return MF_OK;
}

enum mf_code mf_conv_none_literal(struct mf_conv *c, const struct pb_core_LiteralType *variant,
                                  struct pb_core_Literal **out)
{
    struct pb_core_Scalar *scalar;
    struct pb_core_Scalar *outer;
    struct pb_core_Literal *none = scalar_literal(c, &scalar, pb_core_Scalar_tag_none_type);
    if (!none)
        return mf_fail_memory(c->err);
    scalar->value.none_type = MF_NEW(c->arena, struct pb_core_Void);
    *out = none;
    if (!scalar->value.none_type)
        return mf_fail_memory(c->err);
    if (!variant)
        return MF_OK;
    struct pb_core_Union *one = MF_NEW(c->arena, struct pb_core_Union);
    *out = scalar_literal(c, &outer, pb_core_Scalar_tag_union);
    if (!*out || !one)
        return mf_fail_memory(c->err);
    one->value = none;
    one->type = (struct pb_core_LiteralType *)(uintptr_t)variant;
    outer->value.union_ = one;
    return MF_OK;
}

static enum mf_code wrong_kind(struct mf_conv *c, const char *wanted,
                               const struct pb_google_protobuf_Value *value)
{
    return mf_conv_fail(c, MF_INVALID_ARGUMENT, "%s is wanted, not %s", wanted, mf_value_kind(value));
}

/* ---- simple types ---- */

static enum mf_code integer_literal(struct mf_conv *c, const struct pb_google_protobuf_Value *value,
                                    struct pb_core_Literal **out)
{
    struct pb_core_Primitive primitive = {.value_case = pb_core_Primitive_tag_integer};
    if (mf_value_to_integer(value, &primitive.value.integer))
        return primitive_literal(c, &primitive, out);
    if (value->kind_case == pb_google_protobuf_Value_tag_number_value)
        return mf_conv_fail(c, MF_INVALID_ARGUMENT, "%.17g is no whole number of 64 bits",
                            value->kind.number_value);
    return wrong_kind(c, "a whole number (or its digits as a string)", value);
}

static enum mf_code datetime_literal(struct mf_conv *c, const struct pb_google_protobuf_Value *value,
                                     struct pb_core_Literal **out)
{
    struct pb_core_Primitive primitive = {.value_case = pb_core_Primitive_tag_datetime};
    struct mf_str text = mf_value_chars(value);
    if (!text.ptr)
        return wrong_kind(c, "a datetime such as \"2026-01-02T03:04:05Z\"", value);
    primitive.value.datetime = mf_conv_time_parse(c->arena, text);
    if (!primitive.value.datetime)
        return mf_conv_fail(c, MF_INVALID_ARGUMENT,
                            "\"%.*s\" is no datetime; write it like \"2026-01-02T03:04:05Z\"",
                            (int)mf_utf8_cut(text, 60), text.ptr);
    return primitive_literal(c, &primitive, out);
}

static enum mf_code duration_literal(struct mf_conv *c, const struct pb_google_protobuf_Value *value,
                                     struct pb_core_Literal **out)
{
    struct pb_core_Primitive primitive = {.value_case = pb_core_Primitive_tag_duration};
    struct pb_google_protobuf_Duration *duration = MF_NEW(c->arena, struct pb_google_protobuf_Duration);
    struct mf_str text = mf_value_chars(value);
    if (!duration)
        return mf_fail_memory(c->err);
    if (value->kind_case == pb_google_protobuf_Value_tag_number_value) {
        double seconds = value->kind.number_value;
        if (!(seconds >= -315576000000.0 && seconds <= 315576000000.0))
            return mf_conv_fail(c, MF_INVALID_ARGUMENT, "%g seconds are too long for a duration", seconds);
        duration->seconds = (int64_t)seconds;
        duration->nanos = (int32_t)((seconds - (double)duration->seconds) * 1e9);
    } else if (!text.ptr) {
        return wrong_kind(c, "a duration such as \"1h30m\"", value);
    } else if (!mf_conv_duration_parse(text, &duration->seconds, &duration->nanos)) {
        return mf_conv_fail(c, MF_INVALID_ARGUMENT, "\"%.*s\" is no duration; write it like \"1h30m0.5s\"",
                            (int)mf_utf8_cut(text, 60), text.ptr);
    }
    primitive.value.duration = duration;
    return primitive_literal(c, &primitive, out);
}

static enum mf_code structure_literal(struct mf_conv *c, const struct pb_core_LiteralType *type,
                                      const struct pb_google_protobuf_Value *value,
                                      struct pb_core_Literal **out)
{
    struct pb_core_Scalar *scalar;
    if (!mf_value_fields(value))
        return wrong_kind(c, "an object", value);
    if (!mf_conv_is_msgpack(type)) {
        *out = scalar_literal(c, &scalar, pb_core_Scalar_tag_generic);
        if (!*out)
            return mf_fail_memory(c->err);
        scalar->value.generic = mf_value_fields(value);
        return MF_OK;
    }
    struct pb_core_Binary *binary = MF_NEW(c->arena, struct pb_core_Binary);
    *out = scalar_literal(c, &scalar, pb_core_Scalar_tag_binary);
    if (!*out || !binary)
        return mf_fail_memory(c->err);
    binary->tag = MF_STR("msgpack");
    scalar->value.binary = binary;
    return mf_value_to_msgpack(c, value, type->metadata, &binary->value);
}

static enum mf_code simple_literal(struct mf_conv *c, const struct pb_core_LiteralType *type,
                                   const struct pb_google_protobuf_Value *value, struct pb_core_Literal **out)
{
    struct pb_core_Primitive primitive = {0};
    switch (type->type.simple) {
    case pb_core_INTEGER:
        return integer_literal(c, value, out);
    case pb_core_DATETIME:
        return datetime_literal(c, value, out);
    case pb_core_DURATION:
        return duration_literal(c, value, out);
    case pb_core_STRUCT:
        return structure_literal(c, type, value, out);
    case pb_core_FLOAT:
        primitive.value_case = pb_core_Primitive_tag_float_value;
        if (!mf_value_to_number(value, &primitive.value.float_value))
            return wrong_kind(c, "a number", value);
        return primitive_literal(c, &primitive, out);
    case pb_core_STRING:
        primitive.value_case = pb_core_Primitive_tag_string_value;
        primitive.value.string_value = mf_value_chars(value);
        if (!primitive.value.string_value.ptr)
            return wrong_kind(c, "a string", value);
        return primitive_literal(c, &primitive, out);
    case pb_core_BOOLEAN:
        primitive.value_case = pb_core_Primitive_tag_boolean;
        if (value->kind_case != pb_google_protobuf_Value_tag_bool_value)
            return wrong_kind(c, "true or false", value);
        primitive.value.boolean = value->kind.bool_value;
        return primitive_literal(c, &primitive, out);
    case pb_core_NONE:
        return wrong_kind(c, "null", value);
    default:
        return mf_conv_fail(c, MF_INVALID_ARGUMENT,
                            "a value of this type (binary or error) cannot be given as JSON");
    }
}

/* ---- files and datasets ---- */

static enum mf_code text_field(struct mf_conv *c, const struct pb_google_protobuf_Value *object,
                               const char *name, struct mf_str *out)
{
    if (!mf_value_fields(object))
        return wrong_kind(c, "an object", object);
    *out = mf_value_chars(mf_value_field(object, name));
    return out->ptr
               ? MF_OK
               : mf_conv_fail(c, MF_INVALID_ARGUMENT, "the object needs the field \"%s\", a string", name);
}

static enum mf_code dimension_field(struct mf_conv *c, const struct pb_google_protobuf_Value *object,
                                    int32_t *out)
{
    const struct pb_google_protobuf_Value *value = mf_value_field(object, "dimensionality");
    struct mf_str name = mf_value_chars(value);
    int64_t number = -1;
    if (mf_str_eq_c(name, "SINGLE") || (mf_value_to_integer(value, &number) && number == 0))
        *out = pb_core_BlobType_SINGLE;
    else if (mf_str_eq_c(name, "MULTIPART") || number == 1)
        *out = pb_core_BlobType_MULTIPART;
    else
        return mf_conv_fail(c, MF_INVALID_ARGUMENT,
                            "the object needs the field \"dimensionality\", \"SINGLE\" or \"MULTIPART\"");
    return MF_OK;
}

static enum mf_code blob_literal(struct mf_conv *c, const struct pb_google_protobuf_Value *value,
                                 struct pb_core_Literal **out)
{
    struct pb_core_Scalar *scalar;
    struct pb_core_Blob *blob = MF_NEW(c->arena, struct pb_core_Blob);
    struct pb_core_BlobMetadata *metadata = MF_NEW(c->arena, struct pb_core_BlobMetadata);
    struct pb_core_BlobType *type = MF_NEW(c->arena, struct pb_core_BlobType);
    *out = scalar_literal(c, &scalar, pb_core_Scalar_tag_blob);
    if (!*out || !blob || !metadata || !type)
        return mf_fail_memory(c->err);
    metadata->type = type;
    blob->metadata = metadata;
    scalar->value.blob = blob;
    enum mf_code code = text_field(c, value, "uri", &blob->uri);
    if (code == MF_OK)
        code = text_field(c, value, "format", &type->format);
    return code == MF_OK ? dimension_field(c, value, &type->dimensionality) : code;
}

static enum mf_code dataset_literal(struct mf_conv *c, const struct pb_core_StructuredDatasetType *type,
                                    const struct pb_google_protobuf_Value *value,
                                    struct pb_core_Literal **out)
{
    struct pb_core_Scalar *scalar;
    struct pb_core_StructuredDataset *dataset = MF_NEW(c->arena, struct pb_core_StructuredDataset);
    struct pb_core_StructuredDatasetMetadata *metadata =
        MF_NEW(c->arena, struct pb_core_StructuredDatasetMetadata);
    struct pb_core_StructuredDatasetType *own = MF_NEW(c->arena, struct pb_core_StructuredDatasetType);
    *out = scalar_literal(c, &scalar, pb_core_Scalar_tag_structured_dataset);
    if (!*out || !dataset || !metadata || !own)
        return mf_fail_memory(c->err);
    *own = *type;
    metadata->structured_dataset_type = own;
    dataset->metadata = metadata;
    scalar->value.structured_dataset = dataset;
    enum mf_code code = text_field(c, value, "uri", &dataset->uri);
    return code == MF_OK ? text_field(c, value, "format", &own->format) : code;
}

/* ---- what holds others ---- */

static enum mf_code list_literal(struct mf_conv *c, const struct pb_core_LiteralType *type,
                                 const struct pb_google_protobuf_Value *value, struct pb_core_Literal **out)
{
    const struct pb_google_protobuf_ListValue *items = mf_value_items(value);
    struct pb_core_LiteralCollection *list = MF_NEW(c->arena, struct pb_core_LiteralCollection);
    *out = MF_NEW(c->arena, struct pb_core_Literal);
    if (!items)
        return wrong_kind(c, "a list", value);
    if (!list || !*out)
        return mf_fail_memory(c->err);
    (*out)->value_case = pb_core_Literal_tag_collection;
    (*out)->value.collection = list;
    for (uint32_t i = 0; i < items->values.count; i++) {
        struct mf_conv_place place = {.index = i};
        struct pb_core_Literal *literal = NULL;
        enum mf_code code = mf_conv_enter(c, &place, MF_CONV_LIST);
        if (code == MF_OK)
            code = mf_conv_json_to_literal(c, type, items->values.items[i], &literal);
        mf_conv_leave(c, &place, MF_CONV_LIST);
        if (code != MF_OK)
            return code;
        if (!PB_PUSH(c->arena, list->literals, literal))
            return mf_fail_memory(c->err);
    }
    return MF_OK;
}

static enum mf_code add_entry(struct mf_conv *c, const struct pb_core_LiteralType *type,
                              const struct pb_google_protobuf_Struct_FieldsEntry *field,
                              struct pb_core_LiteralMap *map)
{
    struct mf_conv_place place = {.name = field->key};
    struct pb_core_LiteralMap_LiteralsEntry *entry =
        MF_NEW(c->arena, struct pb_core_LiteralMap_LiteralsEntry);
    if (!entry)
        return mf_fail_memory(c->err);
    enum mf_code code = mf_conv_enter(c, &place, MF_CONV_OBJECT);
    if (code == MF_OK)
        code = mf_conv_json_to_literal(c, type, field->value, &entry->value);
    mf_conv_leave(c, &place, MF_CONV_OBJECT);
    entry->key = field->key;
    if (code == MF_OK && !PB_PUSH(c->arena, map->literals, entry))
        code = mf_fail_memory(c->err);
    return code;
}

static enum mf_code map_literal(struct mf_conv *c, const struct pb_core_LiteralType *type,
                                const struct pb_google_protobuf_Value *value, struct pb_core_Literal **out)
{
    const struct pb_google_protobuf_Struct *object = mf_value_fields(value);
    struct pb_core_LiteralMap *map = MF_NEW(c->arena, struct pb_core_LiteralMap);
    enum mf_code code = MF_OK;
    *out = MF_NEW(c->arena, struct pb_core_Literal);
    if (!object)
        return wrong_kind(c, "an object", value);
    if (!map || !*out)
        return mf_fail_memory(c->err);
    (*out)->value_case = pb_core_Literal_tag_map;
    (*out)->value.map = map;
    for (uint32_t i = 0; code == MF_OK && i < object->fields.count; i++)
        code = add_entry(c, type, object->fields.items[i], map);
    return code;
}

static enum mf_code enum_literal(struct mf_conv *c, const struct pb_core_EnumType *type,
                                 const struct pb_google_protobuf_Value *value, struct pb_core_Literal **out)
{
    struct pb_core_Primitive primitive = {.value_case = pb_core_Primitive_tag_string_value};
    struct mf_str name = mf_value_chars(value);
    if (!name.ptr)
        return wrong_kind(c, "a name of the enum", value);
    primitive.value.string_value = name;
    for (uint32_t i = 0; i < type->values.count; i++) {
        if (mf_str_eq(type->values.items[i], name))
            return primitive_literal(c, &primitive, out);
    }
    struct mf_str first = type->values.count > 0 ? type->values.items[0] : MF_STR_EMPTY;
    return mf_conv_fail(
        c, MF_INVALID_ARGUMENT, "\"%.*s\" is not among the %u names of the enum (\"%.*s\", …)",
        (int)mf_utf8_cut(name, 60), name.ptr, type->values.count, (int)mf_utf8_cut(first, 60), first.ptr);
}

static enum mf_code union_literal(struct mf_conv *c, const struct pb_core_LiteralType *type,
                                  const struct pb_google_protobuf_Value *value, struct pb_core_Literal **out)
{
    const struct pb_core_LiteralType *variant = NULL;
    struct pb_core_Scalar *scalar;
    struct pb_core_Union *one = MF_NEW(c->arena, struct pb_core_Union);
    enum mf_code code = mf_conv_variant(c, type, value, &variant);
    if (code != MF_OK)
        return code;
    if (!variant)
        return mf_conv_fail(c, MF_INVALID_ARGUMENT, "%s suits none of the %u variants of the union",
                            mf_value_kind(value), type->type.union_type->variants.count);
    if (mf_conv_is_simple(variant, pb_core_NONE))
        return mf_conv_none_literal(c, variant, out);
    *out = scalar_literal(c, &scalar, pb_core_Scalar_tag_union);
    if (!*out || !one)
        return mf_fail_memory(c->err);
    one->type = (struct pb_core_LiteralType *)(uintptr_t)variant;
    scalar->value.union_ = one;
    code = mf_conv_enter(c, NULL, MF_CONV_UNION);
    if (code == MF_OK)
        code = mf_conv_json_to_literal(c, variant, value, &one->value);
    mf_conv_leave(c, NULL, MF_CONV_UNION);
    return code;
}

enum mf_code mf_conv_json_to_literal(struct mf_conv *c, const struct pb_core_LiteralType *type,
                                     const struct pb_google_protobuf_Value *value,
                                     struct pb_core_Literal **out)
{
    *out = NULL;
    if (type && type->type_case == pb_core_LiteralType_tag_union_type)
        return union_literal(c, type, value, out);
    if (mf_value_is_null(value)) {
        if (mf_conv_is_simple(type, pb_core_NONE))
            return mf_conv_none_literal(c, NULL, out);
        return mf_conv_fail(c, MF_INVALID_ARGUMENT, "a value is required; only an optional one may be null");
    }
    switch (type ? type->type_case : 0) {
    case 0:
        return wrong_kind(c, "null", value);
    case pb_core_LiteralType_tag_simple:
        return simple_literal(c, type, value, out);
    case pb_core_LiteralType_tag_collection_type:
        return list_literal(c, type->type.collection_type, value, out);
    case pb_core_LiteralType_tag_map_value_type:
        return map_literal(c, type->type.map_value_type, value, out);
    case pb_core_LiteralType_tag_blob:
        return blob_literal(c, value, out);
    case pb_core_LiteralType_tag_enum_type:
        return enum_literal(c, type->type.enum_type, value, out);
    case pb_core_LiteralType_tag_structured_dataset_type:
        return dataset_literal(c, type->type.structured_dataset_type, value, out);
    default:
        return mf_conv_fail(c, MF_INVALID_ARGUMENT,
                            "the type schema has no form; declare the variable as a structured dataset");
    }
}
