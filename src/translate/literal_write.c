/* Literals as JSON. */
#include "translate/convert.h"

#include "base/encode.h"
#include "gen/google/protobuf/duration.pb.h"
#include "gen/google/protobuf/timestamp.pb.h"
#include "translate/msgpack.h"

static enum mf_code made(struct mf_conv *c, const struct pb_google_protobuf_Value *value)
{
    return value ? MF_OK : mf_fail_memory(c->err);
}

static enum mf_code primitive_json(struct mf_conv *c, const struct pb_core_Primitive *primitive,
                                   struct pb_google_protobuf_Value **out)
{
    struct mf_str text;
    switch (primitive->value_case) {
    case pb_core_Primitive_tag_integer:
        *out = mf_value_integer(c->arena, primitive->value.integer);
        break;
    case pb_core_Primitive_tag_float_value:
        *out = mf_value_number(c->arena, primitive->value.float_value);
        break;
    case pb_core_Primitive_tag_string_value:
        *out = mf_value_string(c->arena, primitive->value.string_value);
        break;
    case pb_core_Primitive_tag_boolean:
        *out = mf_value_bool(c->arena, primitive->value.boolean);
        break;
    case pb_core_Primitive_tag_datetime:
        text = mf_conv_time_text(c->arena, primitive->value.datetime);
        if (!text.ptr)
            return mf_conv_fail(c, MF_INVALID_ARGUMENT, "the datetime is outside of the years 1 to 9999");
        *out = mf_value_string(c->arena, text);
        break;
    case pb_core_Primitive_tag_duration:
        *out = mf_value_string(c->arena, mf_conv_duration_text(c->arena, primitive->value.duration->seconds,
                                                               primitive->value.duration->nanos));
        break;
    default:
        return mf_conv_fail(c, MF_INVALID_ARGUMENT, "the primitive has no value");
    }
    return made(c, *out);
}

static enum mf_code binary_json(struct mf_conv *c, const struct pb_core_Binary *binary,
                                struct pb_google_protobuf_Value **out)
{
    *out = NULL;
    if (mf_str_eq_c(binary->tag, "msgpack")) {
        enum mf_code code = mf_msgpack_to_json(c, binary->value, out);
        if (code != MF_OK || *out)
            return code;
    }
    *out = mf_value_string(c->arena, mf_base64(c->arena, binary->value));
    return made(c, *out);
}

static enum mf_code blob_json(struct mf_conv *c, const struct pb_core_Blob *blob,
                              struct pb_google_protobuf_Value **out)
{
    const struct pb_core_BlobType *type = blob->metadata ? blob->metadata->type : NULL;
    bool many = type && type->dimensionality == pb_core_BlobType_MULTIPART;
    struct pb_google_protobuf_Struct *object = MF_NEW(c->arena, struct pb_google_protobuf_Struct);
    if (!object ||
        !mf_value_put(c->arena, object, "dimensionality",
                      mf_value_text(c->arena, many ? "MULTIPART" : "SINGLE")) ||
        !mf_value_put(c->arena, object, "format",
                      mf_value_string(c->arena, type ? type->format : MF_STR_EMPTY)) ||
        !mf_value_put(c->arena, object, "uri", mf_value_string(c->arena, blob->uri)))
        return mf_fail_memory(c->err);
    *out = mf_value_object(c->arena, object);
    return made(c, *out);
}

static enum mf_code dataset_json(struct mf_conv *c, const struct pb_core_StructuredDataset *dataset,
                                 struct pb_google_protobuf_Value **out)
{
    const struct pb_core_StructuredDatasetType *type =
        dataset->metadata ? dataset->metadata->structured_dataset_type : NULL;
    struct pb_google_protobuf_Struct *object = MF_NEW(c->arena, struct pb_google_protobuf_Struct);
    if (!object ||
        !mf_value_put(c->arena, object, "format",
                      mf_value_string(c->arena, type ? type->format : MF_STR_EMPTY)) ||
        !mf_value_put(c->arena, object, "uri", mf_value_string(c->arena, dataset->uri)))
        return mf_fail_memory(c->err);
    *out = mf_value_object(c->arena, object);
    return made(c, *out);
}

static enum mf_code union_json(struct mf_conv *c, const struct pb_core_Union *one,
                               struct pb_google_protobuf_Value **out)
{
    enum mf_code code = mf_conv_enter(c, NULL, 0);
    if (code == MF_OK)
        code = mf_conv_literal_to_json(c, one->value, out);
    mf_conv_leave(c, NULL, 0);
    return code;
}

static enum mf_code scalar_json(struct mf_conv *c, const struct pb_core_Scalar *scalar,
                                struct pb_google_protobuf_Value **out)
{
    switch (scalar->value_case) {
    case pb_core_Scalar_tag_primitive:
        return primitive_json(c, scalar->value.primitive, out);
    case pb_core_Scalar_tag_blob:
        return blob_json(c, scalar->value.blob, out);
    case pb_core_Scalar_tag_binary:
        return binary_json(c, scalar->value.binary, out);
    case pb_core_Scalar_tag_none_type:
        *out = mf_value_none(c->arena);
        return made(c, *out);
    case pb_core_Scalar_tag_generic: {
        struct pb_google_protobuf_Value *object = mf_value_object(c->arena, scalar->value.generic);
        return object ? mf_value_sorted(c, object, out) : mf_fail_memory(c->err);
    }
    case pb_core_Scalar_tag_structured_dataset:
        return dataset_json(c, scalar->value.structured_dataset, out);
    case pb_core_Scalar_tag_union:
        return union_json(c, scalar->value.union_, out);
    case pb_core_Scalar_tag_schema:
        return mf_conv_fail(c, MF_UNIMPLEMENTED, "a schema literal has no form in JSON");
    case pb_core_Scalar_tag_error:
        return mf_conv_fail(c, MF_UNIMPLEMENTED, "an error literal has no form in JSON");
    default:
        return mf_conv_fail(c, MF_INVALID_ARGUMENT, "the scalar has no value");
    }
}

static enum mf_code list_json(struct mf_conv *c, const struct pb_core_LiteralCollection *list,
                              struct pb_google_protobuf_Value **out)
{
    struct pb_google_protobuf_ListValue *items = MF_NEW(c->arena, struct pb_google_protobuf_ListValue);
    *out = mf_value_list(c->arena, items);
    if (!*out)
        return mf_fail_memory(c->err);
    for (uint32_t i = 0; i < list->literals.count; i++) {
        struct mf_conv_place place = {.index = i};
        struct pb_google_protobuf_Value *item = NULL;
        enum mf_code code = mf_conv_enter(c, &place, MF_CONV_LIST);
        if (code == MF_OK)
            code = mf_conv_literal_to_json(c, list->literals.items[i], &item);
        mf_conv_leave(c, &place, MF_CONV_LIST);
        if (code != MF_OK)
            return code;
        if (!PB_PUSH(c->arena, items->values, item))
            return mf_fail_memory(c->err);
    }
    return MF_OK;
}

static enum mf_code map_json(struct mf_conv *c, const struct pb_core_LiteralMap *map,
                             struct pb_google_protobuf_Value **out)
{
    struct pb_google_protobuf_Struct *object = MF_NEW(c->arena, struct pb_google_protobuf_Struct);
    struct pb_google_protobuf_Value *unsorted = mf_value_object(c->arena, object);
    if (!unsorted)
        return mf_fail_memory(c->err);
    for (uint32_t i = 0; i < map->literals.count; i++) {
        struct mf_conv_place place = {.name = map->literals.items[i]->key};
        struct pb_google_protobuf_Value *value = NULL;
        enum mf_code code = mf_conv_enter(c, &place, MF_CONV_OBJECT);
        if (code == MF_OK)
            code = mf_conv_literal_to_json(c, map->literals.items[i]->value, &value);
        mf_conv_leave(c, &place, MF_CONV_OBJECT);
        if (code != MF_OK)
            return code;
        if (!mf_value_append(c->arena, object, place.name, value))
            return mf_fail_memory(c->err);
    }
    mf_value_sort_fields(object);
    *out = unsorted;
    return MF_OK;
}

enum mf_code mf_conv_literal_to_json(struct mf_conv *c, const struct pb_core_Literal *literal,
                                     struct pb_google_protobuf_Value **out)
{
    *out = NULL;
    switch (literal ? literal->value_case : 0) {
    case pb_core_Literal_tag_scalar:
        return scalar_json(c, literal->value.scalar, out);
    case pb_core_Literal_tag_collection:
        return list_json(c, literal->value.collection, out);
    case pb_core_Literal_tag_map:
        return map_json(c, literal->value.map, out);
    case pb_core_Literal_tag_offloaded_metadata:
        return mf_conv_fail(c, MF_UNIMPLEMENTED, "the literal is kept at %.*s and is not read for a form",
                            MF_FMT(literal->value.offloaded_metadata->uri));
    default:
        return mf_conv_fail(c, MF_INVALID_ARGUMENT, "the literal has no value");
    }
}
