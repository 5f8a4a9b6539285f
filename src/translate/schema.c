/* Types as the launch form shows them. */
#include "translate/convert.h"

static const char *const dimensions[] = {"SINGLE", "MULTIPART"};

bool mf_conv_is_simple(const struct pb_core_LiteralType *type, int32_t simple)
{
    if (!type || type->type_case == 0)
        return simple == pb_core_NONE;
    return type->type_case == pb_core_LiteralType_tag_simple && type->type.simple == simple;
}

bool mf_conv_is_msgpack(const struct pb_core_LiteralType *type)
{
    const struct pb_google_protobuf_Struct *notes =
        type && type->annotation ? type->annotation->annotations : NULL;
    const struct pb_google_protobuf_Value *cache = mf_value_get(notes, MF_STR("cache-key-metadata"));
    return mf_str_eq_c(mf_value_chars(mf_value_field(cache, "serialization-format")), "msgpack");
}

const struct pb_core_LiteralType *mf_conv_null_variant(const struct pb_core_LiteralType *type)
{
    if (!type || type->type_case != pb_core_LiteralType_tag_union_type)
        return NULL;
    for (uint32_t i = 0; i < type->type.union_type->variants.count; i++) {
        if (mf_conv_is_simple(type->type.union_type->variants.items[i], pb_core_NONE))
            return type->type.union_type->variants.items[i];
    }
    return NULL;
}

/* ---- by kind ---- */

static bool put_text(struct mf_conv *c, struct pb_google_protobuf_Struct *schema, const char *name,
                     const char *text)
{
    return mf_value_put(c->arena, schema, name, mf_value_text(c->arena, text));
}

static enum mf_code memory_or(struct mf_conv *c, bool good)
{
    return good ? MF_OK : mf_fail_memory(c->err);
}

/* What the SDK or its user wrote about the structure, less what the form cannot show. */
static enum mf_code structure_schema(struct mf_conv *c, const struct pb_core_LiteralType *type,
                                     struct pb_google_protobuf_Struct *schema)
{
    const struct pb_google_protobuf_Struct *metadata = type->metadata;
    bool good = put_text(c, schema, "type", "object");
    if (mf_conv_is_msgpack(type))
        good = good && put_text(c, schema, "serializationFormat", "msgpack");
    if (!metadata || metadata->fields.count == 0)
        return memory_or(
            c, good && mf_value_put(c->arena, schema, "additionalProperties", mf_value_bool(c->arena, true)));
    for (uint32_t i = 0; good && i < metadata->fields.count; i++) {
        struct mf_str key = metadata->fields.items[i]->key;
        struct pb_google_protobuf_Value *value = NULL;
        char *name = mf_str_to_c(c->arena, mf_str_eq_c(key, "title") ? MF_STR("dataclass") : key);
        if (mf_str_eq_c(key, "additionalProperties"))
            continue;
        enum mf_code code = mf_value_sorted(c, metadata->fields.items[i]->value, &value);
        if (code == MF_OK)
            code = mf_conv_step(c, schema->fields.count);
        if (code != MF_OK)
            return code;
        good = name && mf_value_put(c->arena, schema, name, value);
    }
    return memory_or(c, good);
}

static enum mf_code simple_schema(struct mf_conv *c, const struct pb_core_LiteralType *type,
                                  struct pb_google_protobuf_Struct *schema)
{
    static const struct {
        const char *type, *format;
    } forms[] = {
        [pb_core_NONE] = {"null", NULL},
        [pb_core_INTEGER] = {"integer", NULL},
        [pb_core_FLOAT] = {"number", "float"},
        [pb_core_STRING] = {"string", NULL},
        [pb_core_BOOLEAN] = {"boolean", NULL},
        [pb_core_DATETIME] = {"string", "datetime"},
        [pb_core_DURATION] = {"string", "duration"},
        [pb_core_BINARY] = {"string", "binary"},
        [pb_core_ERROR] = {"string", "error"},
    };
    int32_t simple = type && type->type_case != 0 ? type->type.simple : pb_core_NONE;
    if (simple == pb_core_STRUCT)
        return structure_schema(c, type, schema);
    if (simple < 0 || (size_t)simple >= sizeof forms / sizeof forms[0])
        return mf_conv_fail(c, MF_INVALID_ARGUMENT, "the simple type %d is unknown", simple);
    bool good = put_text(c, schema, "type", forms[simple].type);
    if (forms[simple].format)
        good = good && put_text(c, schema, "format", forms[simple].format);
    return memory_or(c, good);
}

static struct pb_google_protobuf_Value *text_property(struct mf_conv *c, const char *given)
{
    struct pb_google_protobuf_Struct *property = MF_NEW(c->arena, struct pb_google_protobuf_Struct);
    if (!property || !put_text(c, property, "type", "string") ||
        (given && !put_text(c, property, "default", given)))
        return NULL;
    return mf_value_object(c->arena, property);
}

static struct pb_google_protobuf_Value *dimension_property(struct mf_conv *c, int32_t given)
{
    struct pb_google_protobuf_Value *property =
        text_property(c, dimensions[given == pb_core_BlobType_MULTIPART ? 1 : 0]);
    struct pb_google_protobuf_ListValue *names = MF_NEW(c->arena, struct pb_google_protobuf_ListValue);
    bool good = property && names;
    for (size_t i = 0; good && i < 2; i++) {
        struct pb_google_protobuf_Value *name = mf_value_text(c->arena, dimensions[i]);
        good = name && PB_PUSH(c->arena, names->values, name);
    }
    if (!good || !mf_value_put(c->arena, mf_value_fields(property), "enum", mf_value_list(c->arena, names)))
        return NULL;
    return property;
}

static enum mf_code blob_schema(struct mf_conv *c, const struct pb_core_BlobType *blob,
                                struct pb_google_protobuf_Struct *schema)
{
    struct pb_google_protobuf_Struct *properties = MF_NEW(c->arena, struct pb_google_protobuf_Struct);
    char *format = mf_str_to_c(c->arena, blob->format);
    return memory_or(c,
                     properties && format && put_text(c, schema, "type", "object") &&
                         put_text(c, schema, "format", "blob") &&
                         mf_value_put(c->arena, properties, "dimensionality",
                                      dimension_property(c, blob->dimensionality)) &&
                         mf_value_put(c->arena, properties, "format", text_property(c, format)) &&
                         mf_value_put(c->arena, properties, "uri", text_property(c, "")) &&
                         mf_value_put(c->arena, schema, "properties", mf_value_object(c->arena, properties)));
}

static enum mf_code dataset_schema(struct mf_conv *c, struct pb_google_protobuf_Struct *schema)
{
    struct pb_google_protobuf_Struct *properties = MF_NEW(c->arena, struct pb_google_protobuf_Struct);
    return memory_or(c,
                     properties && put_text(c, schema, "type", "object") &&
                         put_text(c, schema, "format", "structured-dataset") &&
                         mf_value_put(c->arena, properties, "format", text_property(c, NULL)) &&
                         mf_value_put(c->arena, properties, "uri", text_property(c, NULL)) &&
                         mf_value_put(c->arena, schema, "properties", mf_value_object(c->arena, properties)));
}

static enum mf_code enum_schema(struct mf_conv *c, const struct pb_core_EnumType *type,
                                struct pb_google_protobuf_Struct *schema)
{
    struct pb_google_protobuf_ListValue *names = MF_NEW(c->arena, struct pb_google_protobuf_ListValue);
    bool good = names && put_text(c, schema, "type", "string");
    for (uint32_t i = 0; good && i < type->values.count; i++) {
        struct pb_google_protobuf_Value *name = mf_value_string(c->arena, type->values.items[i]);
        good = name && PB_PUSH(c->arena, names->values, name);
    }
    return memory_or(c, good && mf_value_put(c->arena, schema, "enum", mf_value_list(c->arena, names)));
}

static enum mf_code inner_schema(struct mf_conv *c, const char *name, const struct pb_core_LiteralType *inner,
                                 struct pb_google_protobuf_Struct *schema)
{
    struct mf_conv_place place = {.name = mf_str_from_c(name)};
    struct pb_google_protobuf_Struct *made = NULL;
    enum mf_code code = mf_conv_enter(c, &place, MF_CONV_OBJECT);
    if (code == MF_OK)
        code = mf_conv_schema(c, inner, &made);
    mf_conv_leave(c, &place, MF_CONV_OBJECT);
    if (code == MF_OK && !mf_value_put(c->arena, schema, name, mf_value_object(c->arena, made)))
        code = mf_fail_memory(c->err);
    return code;
}

/* ---- unions ---- */

/* What the form calls a variant. */
static const char *title_of(const struct pb_core_LiteralType *type)
{
    static const char *const simple[] = {
        [pb_core_NONE] = "none",         [pb_core_INTEGER] = "integer", [pb_core_FLOAT] = "number",
        [pb_core_STRING] = "string",     [pb_core_BOOLEAN] = "boolean", [pb_core_DATETIME] = "datetime",
        [pb_core_DURATION] = "duration", [pb_core_BINARY] = "binary",   [pb_core_ERROR] = "unknown",
        [pb_core_STRUCT] = "object",
    };
    switch (type ? type->type_case : 0) {
    case 0:
        return "none";
    case pb_core_LiteralType_tag_simple:
        if (type->type.simple < 0 || (size_t)type->type.simple >= sizeof simple / sizeof simple[0])
            return "unknown";
        return simple[type->type.simple];
    case pb_core_LiteralType_tag_collection_type:
        return "array";
    case pb_core_LiteralType_tag_map_value_type:
        return "object";
    case pb_core_LiteralType_tag_blob:
        return "blob";
    case pb_core_LiteralType_tag_enum_type:
        return "enum";
    case pb_core_LiteralType_tag_structured_dataset_type:
        return "structured_dataset";
    case pb_core_LiteralType_tag_union_type:
        return "union";
    default:
        return "unknown";
    }
}

static enum mf_code variant_schema(struct mf_conv *c, const struct pb_core_LiteralType *type,
                                   struct pb_google_protobuf_Value **out)
{
    struct pb_google_protobuf_Struct *schema = NULL;
    struct pb_google_protobuf_Value *title;
    enum mf_code code = mf_conv_schema(c, type, &schema);
    if (code != MF_OK)
        return code;
    struct mf_str own = mf_value_chars(mf_value_get(schema, MF_STR("dataclass")));
    title = own.len > 0 ? mf_value_string(c->arena, own) : mf_value_text(c->arena, title_of(type));
    bool good = mf_value_put(c->arena, schema, "title", title);
    if (type && type->structure && type->structure->tag.len > 0)
        good = good &&
               mf_value_put(c->arena, schema, "structure", mf_value_string(c->arena, type->structure->tag));
    *out = good ? mf_value_object(c->arena, schema) : NULL;
    return memory_or(c, *out != NULL);
}

static enum mf_code union_schema(struct mf_conv *c, const struct pb_core_UnionType *type,
                                 struct pb_google_protobuf_Struct *schema)
{
    struct pb_google_protobuf_ListValue *list = MF_NEW(c->arena, struct pb_google_protobuf_ListValue);
    struct mf_conv_place variants = {.name = MF_STR("oneOf")};
    if (!list)
        return mf_fail_memory(c->err);
    enum mf_code code = mf_conv_enter(c, &variants, MF_CONV_OBJECT);
    for (uint32_t i = 0; code == MF_OK && i < type->variants.count; i++) {
        struct mf_conv_place place = {.index = i};
        struct pb_google_protobuf_Value *variant = NULL;
        code = mf_conv_enter(c, &place, MF_CONV_LIST);
        if (code == MF_OK)
            code = variant_schema(c, type->variants.items[i], &variant);
        if (code == MF_OK && !PB_PUSH(c->arena, list->values, variant))
            code = mf_fail_memory(c->err);
        mf_conv_leave(c, &place, MF_CONV_LIST);
    }
    mf_conv_leave(c, &variants, MF_CONV_OBJECT);
    if (code != MF_OK)
        return code;
    return memory_or(c, put_text(c, schema, "format", "union") &&
                            mf_value_put(c->arena, schema, "oneOf", mf_value_list(c->arena, list)));
}

enum mf_code mf_conv_schema(struct mf_conv *c, const struct pb_core_LiteralType *type,
                            struct pb_google_protobuf_Struct **out)
{
    struct pb_google_protobuf_Struct *schema = MF_NEW(c->arena, struct pb_google_protobuf_Struct);
    *out = schema;
    if (!schema)
        return mf_fail_memory(c->err);
    switch (type ? type->type_case : 0) {
    case 0:
    case pb_core_LiteralType_tag_simple:
        return simple_schema(c, type, schema);
    case pb_core_LiteralType_tag_collection_type: {
        enum mf_code code = inner_schema(c, "items", type->type.collection_type, schema);
        return code == MF_OK ? memory_or(c, put_text(c, schema, "type", "array")) : code;
    }
    case pb_core_LiteralType_tag_map_value_type: {
        enum mf_code code = inner_schema(c, "additionalProperties", type->type.map_value_type, schema);
        return code == MF_OK ? memory_or(c, put_text(c, schema, "type", "object")) : code;
    }
    case pb_core_LiteralType_tag_blob:
        return blob_schema(c, type->type.blob, schema);
    case pb_core_LiteralType_tag_enum_type:
        return enum_schema(c, type->type.enum_type, schema);
    case pb_core_LiteralType_tag_structured_dataset_type:
        return dataset_schema(c, schema);
    case pb_core_LiteralType_tag_union_type:
        return union_schema(c, type->type.union_type, schema);
    default:
        return mf_conv_fail(c, MF_INVALID_ARGUMENT,
                            "the type schema has no form; declare the variable as a structured dataset");
    }
}
