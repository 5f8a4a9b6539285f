/* The types that schemas of the launch form stand for: the way back from schema.c. */
#include "translate/convert.h"

static struct pb_core_LiteralType *new_type(struct mf_conv *c, int32_t kind)
{
    struct pb_core_LiteralType *type = MF_NEW(c->arena, struct pb_core_LiteralType);
    if (type)
        type->type_case = kind;
    return type;
}

static enum mf_code simple_type(struct mf_conv *c, int32_t simple, struct pb_core_LiteralType **out)
{
    *out = new_type(c, pb_core_LiteralType_tag_simple);
    if (!*out)
        return mf_fail_memory(c->err);
    (*out)->type.simple = simple;
    return MF_OK;
}

/* {"cache-key-metadata": {"serialization-format": "msgpack"}}, by which the SDK knows its structures. */
static struct pb_core_TypeAnnotation *msgpack_annotation(struct mf_conv *c)
{
    struct pb_core_TypeAnnotation *annotation = MF_NEW(c->arena, struct pb_core_TypeAnnotation);
    struct pb_google_protobuf_Struct *outer = MF_NEW(c->arena, struct pb_google_protobuf_Struct);
    struct pb_google_protobuf_Struct *inner = MF_NEW(c->arena, struct pb_google_protobuf_Struct);
    if (!annotation || !outer || !inner ||
        !mf_value_put(c->arena, inner, "serialization-format", mf_value_text(c->arena, "msgpack")) ||
        !mf_value_put(c->arena, outer, "cache-key-metadata", mf_value_object(c->arena, inner)))
        return NULL;
    annotation->annotations = outer;
    return annotation;
}

/* Keys that the form has added to what the type's metadata say. */
static bool is_of_form(struct mf_str key)
{
    static const char *const keys[] = {"default", "description", "structure", "serializationFormat"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (mf_str_eq_c(key, keys[i]))
            return true;
    }
    return false;
}

static enum mf_code structure_type(struct mf_conv *c, const struct pb_google_protobuf_Struct *schema,
                                   struct pb_core_LiteralType **out)
{
    bool known = mf_value_get(schema, MF_STR("properties")) || mf_value_get(schema, MF_STR("dataclass"));
    bool named = mf_value_get(schema, MF_STR("dataclass")) != NULL;
    struct pb_google_protobuf_Struct *metadata = MF_NEW(c->arena, struct pb_google_protobuf_Struct);
    enum mf_code code = simple_type(c, pb_core_STRUCT, out);
    if (code != MF_OK || !metadata)
        return mf_fail_memory(c->err);
    if (mf_str_eq_c(mf_value_chars(mf_value_get(schema, MF_STR("serializationFormat"))), "msgpack")) {
        (*out)->annotation = msgpack_annotation(c);
        if (!(*out)->annotation)
            return mf_fail_memory(c->err);
    }
    for (uint32_t i = 0; known && i < schema->fields.count; i++) {
        struct mf_str key = schema->fields.items[i]->key;
        if (is_of_form(key) || (named && mf_str_eq_c(key, "title")))
            continue;
        if (mf_str_eq_c(key, "dataclass"))
            key = MF_STR("title");
        if (!mf_value_append(c->arena, metadata, key, schema->fields.items[i]->value))
            return mf_fail_memory(c->err);
    }
    (*out)->metadata = known ? metadata : NULL;
    return MF_OK;
}

static enum mf_code inner_type(struct mf_conv *c, const char *name,
                               const struct pb_google_protobuf_Struct *schema,
                               struct pb_core_LiteralType **out)
{
    struct mf_conv_place place = {.name = mf_str_from_c(name)};
    enum mf_code code = mf_conv_enter(c, &place, 1);
    if (code == MF_OK)
        code = mf_conv_type(c, schema, out);
    mf_conv_leave(c, &place, 1);
    return code;
}

static enum mf_code list_type(struct mf_conv *c, const struct pb_google_protobuf_Struct *schema,
                              struct pb_core_LiteralType **out)
{
    const struct pb_google_protobuf_Struct *items = mf_value_fields(mf_value_get(schema, MF_STR("items")));
    struct pb_core_LiteralType *inner = NULL;
    enum mf_code code =
        items ? inner_type(c, "items", items, &inner) : simple_type(c, pb_core_STRING, &inner);
    if (code != MF_OK)
        return code;
    *out = new_type(c, pb_core_LiteralType_tag_collection_type);
    if (!*out)
        return mf_fail_memory(c->err);
    (*out)->type.collection_type = inner;
    return MF_OK;
}

static struct mf_str nested_text(const struct pb_google_protobuf_Struct *schema, const char *name)
{
    const struct pb_google_protobuf_Value *properties = mf_value_get(schema, MF_STR("properties"));
    return mf_value_chars(mf_value_field(mf_value_field(properties, name), "default"));
}

static enum mf_code blob_type(struct mf_conv *c, const struct pb_google_protobuf_Struct *schema,
                              struct pb_core_LiteralType **out)
{
    const struct pb_google_protobuf_Value *properties = mf_value_get(schema, MF_STR("properties"));
    const struct pb_google_protobuf_Value *dimension =
        mf_value_field(mf_value_field(properties, "dimensionality"), "default");
    struct mf_str format = nested_text(schema, "format");
    int64_t number = 0;
    *out = new_type(c, pb_core_LiteralType_tag_blob);
    struct pb_core_BlobType *blob = MF_NEW(c->arena, struct pb_core_BlobType);
    if (!*out || !blob)
        return mf_fail_memory(c->err);
    if (mf_str_eq_c(mf_value_chars(dimension), "MULTIPART") ||
        (mf_value_to_integer(dimension, &number) && number == 1))
        blob->dimensionality = pb_core_BlobType_MULTIPART;
    blob->format = format.ptr ? format : MF_STR_EMPTY;
    (*out)->type.blob = blob;
    return MF_OK;
}

static enum mf_code dataset_type(struct mf_conv *c, const struct pb_google_protobuf_Struct *schema,
                                 struct pb_core_LiteralType **out)
{
    struct mf_str format = nested_text(schema, "format");
    *out = new_type(c, pb_core_LiteralType_tag_structured_dataset_type);
    struct pb_core_StructuredDatasetType *dataset = MF_NEW(c->arena, struct pb_core_StructuredDatasetType);
    if (!*out || !dataset)
        return mf_fail_memory(c->err);
    dataset->format = format.ptr ? format : MF_STR_EMPTY;
    (*out)->type.structured_dataset_type = dataset;
    return MF_OK;
}

static enum mf_code object_type(struct mf_conv *c, const struct pb_google_protobuf_Struct *schema,
                                struct pb_core_LiteralType **out)
{
    struct mf_str format = mf_value_chars(mf_value_get(schema, MF_STR("format")));
    const struct pb_google_protobuf_Struct *values =
        mf_value_fields(mf_value_get(schema, MF_STR("additionalProperties")));
    struct pb_core_LiteralType *inner = NULL;
    if (mf_str_eq_c(format, "blob"))
        return blob_type(c, schema, out);
    if (mf_str_eq_c(format, "structured-dataset"))
        return dataset_type(c, schema, out);
    if (!values)
        return structure_type(c, schema, out);
    enum mf_code code = inner_type(c, "additionalProperties", values, &inner);
    if (code != MF_OK)
        return code;
    *out = new_type(c, pb_core_LiteralType_tag_map_value_type);
    if (!*out)
        return mf_fail_memory(c->err);
    (*out)->type.map_value_type = inner;
    return MF_OK;
}

static enum mf_code enum_type(struct mf_conv *c, const struct pb_google_protobuf_ListValue *names,
                              struct pb_core_LiteralType **out)
{
    struct pb_core_EnumType *type = MF_NEW(c->arena, struct pb_core_EnumType);
    *out = new_type(c, pb_core_LiteralType_tag_enum_type);
    if (!type || !*out)
        return mf_fail_memory(c->err);
    for (uint32_t i = 0; i < names->values.count; i++) {
        const struct pb_google_protobuf_Value *value = names->values.items[i];
        struct mf_str name = mf_value_chars(value);
        int64_t integer;
        if (!name.ptr && mf_value_to_integer(value, &integer))
            name = mf_str_printf(c->arena, "%lld", (long long)integer);
        else if (!name.ptr && value->kind_case == pb_google_protobuf_Value_tag_number_value)
            name = mf_str_printf(c->arena, "%.17g", value->kind.number_value);
        else if (!name.ptr && value->kind_case == pb_google_protobuf_Value_tag_bool_value)
            name = value->kind.bool_value ? MF_STR("true") : MF_STR("false");
        else if (!name.ptr)
            return mf_conv_fail(c, MF_INVALID_ARGUMENT, "enum[%u]: %s is no name of an enum", i,
                                mf_value_kind(value));
        if (!name.ptr || !PB_PUSH(c->arena, type->values, name))
            return mf_fail_memory(c->err);
    }
    (*out)->type.enum_type = type;
    return MF_OK;
}

static enum mf_code union_type(struct mf_conv *c, const struct pb_google_protobuf_ListValue *variants,
                               struct pb_core_LiteralType **out)
{
    struct pb_core_UnionType *type = MF_NEW(c->arena, struct pb_core_UnionType);
    enum mf_code code = MF_OK;
    *out = new_type(c, pb_core_LiteralType_tag_union_type);
    if (!type || !*out)
        return mf_fail_memory(c->err);
    for (uint32_t i = 0; code == MF_OK && i < variants->values.count; i++) {
        struct mf_conv_place place = {.index = i};
        struct pb_core_LiteralType *variant = NULL;
        const struct pb_google_protobuf_Struct *schema = mf_value_fields(variants->values.items[i]);
        code = mf_conv_enter(c, &place, MF_CONV_LIST);
        if (code == MF_OK && !schema)
            code = mf_conv_fail(c, MF_INVALID_ARGUMENT, "a variant of oneOf must be an object, not %s",
                                mf_value_kind(variants->values.items[i]));
        if (code == MF_OK)
            code = mf_conv_type(c, schema, &variant);
        if (code == MF_OK && !PB_PUSH(c->arena, type->variants, variant))
            code = mf_fail_memory(c->err);
        mf_conv_leave(c, &place, MF_CONV_LIST);
    }
    (*out)->type.union_type = type;
    return code;
}

static enum mf_code plain_type(struct mf_conv *c, const struct pb_google_protobuf_Struct *schema,
                               struct pb_core_LiteralType **out)
{
    const struct pb_google_protobuf_Value *named = mf_value_get(schema, MF_STR("type"));
    struct mf_str name = mf_value_chars(named);
    struct mf_str format = mf_value_chars(mf_value_get(schema, MF_STR("format")));
    if (!name.ptr)
        return mf_conv_fail(c, MF_INVALID_ARGUMENT,
                            "the schema needs a \"type\", a string such as \"integer\"");
    if (mf_str_eq_c(name, "object"))
        return object_type(c, schema, out);
    if (mf_str_eq_c(name, "array"))
        return list_type(c, schema, out);
    if (mf_str_eq_c(name, "string") || mf_str_eq_c(name, "integer")) {
        if (mf_str_eq_c(format, "datetime") || mf_str_eq_c(format, "date-time"))
            return simple_type(c, pb_core_DATETIME, out);
        if (mf_str_eq_c(format, "duration"))
            return simple_type(c, pb_core_DURATION, out);
        return simple_type(c, mf_str_eq_c(name, "integer") ? pb_core_INTEGER : pb_core_STRING, out);
    }
    if (mf_str_eq_c(name, "number"))
        return simple_type(c, pb_core_FLOAT, out);
    return simple_type(c, mf_str_eq_c(name, "boolean") ? pb_core_BOOLEAN : pb_core_NONE, out);
}

enum mf_code mf_conv_type(struct mf_conv *c, const struct pb_google_protobuf_Struct *schema,
                          struct pb_core_LiteralType **out)
{
    const struct pb_google_protobuf_ListValue *variants =
        mf_value_items(mf_value_get(schema, MF_STR("oneOf")));
    const struct pb_google_protobuf_ListValue *names = mf_value_items(mf_value_get(schema, MF_STR("enum")));
    struct mf_str tag = mf_value_chars(mf_value_get(schema, MF_STR("structure")));
    enum mf_code code = mf_conv_step(c, schema->fields.count);
    if (code != MF_OK)
        return code;
    if (variants)
        code = union_type(c, variants, out);
    else if (names)
        code = enum_type(c, names, out);
    else
        code = plain_type(c, schema, out);
    if (code != MF_OK || tag.len == 0)
        return code;
    (*out)->structure = MF_NEW(c->arena, struct pb_core_TypeStructure);
    if (!(*out)->structure)
        return mf_fail_memory(c->err);
    (*out)->structure->tag = tag;
    return MF_OK;
}
