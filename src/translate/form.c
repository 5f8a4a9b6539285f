/* One field of the launch form: a schema with a value as its default. */
#include "translate/convert.h"

static enum mf_code put(struct mf_conv *c, struct pb_google_protobuf_Struct *object, const char *name,
                        struct pb_google_protobuf_Value *value)
{
    return mf_value_put(c->arena, object, name, value) ? MF_OK : mf_fail_memory(c->err);
}

/* A blob's default is that of each of its parts. */
static enum mf_code put_blob(struct mf_conv *c, struct pb_google_protobuf_Struct *schema,
                             const struct pb_google_protobuf_Value *value)
{
    const struct pb_google_protobuf_Struct *parts = mf_value_fields(value);
    const struct pb_google_protobuf_Value *properties = mf_value_get(schema, MF_STR("properties"));
    enum mf_code code = MF_OK;
    for (uint32_t i = 0; parts && code == MF_OK && i < parts->fields.count; i++) {
        const struct pb_google_protobuf_Struct_FieldsEntry *part = parts->fields.items[i];
        struct pb_google_protobuf_Struct *property =
            mf_value_fields(mf_value_get(mf_value_fields(properties), part->key));
        if (property)
            code = put(c, property, "default", part->value);
    }
    return code;
}

/* Whether two variants are the same one; those of an SDK differ by their tags. */
static bool same_variant(const struct pb_core_LiteralType *a, const struct pb_core_LiteralType *b)
{
    struct mf_str tag_a = a->structure ? a->structure->tag : MF_STR_EMPTY;
    struct mf_str tag_b = b->structure ? b->structure->tag : MF_STR_EMPTY;
    return mf_str_eq(tag_a, tag_b) && a->type_case == b->type_case &&
           (a->type_case != pb_core_LiteralType_tag_simple || a->type.simple == b->type.simple);
}

/* JSON does not tell a 2.0 from a 2. Where the value alone would be taken for another variant, the tag of the
 * right one stands beside oneOf, and reading the form honours it. */
static enum mf_code put_variant(struct mf_conv *c, struct pb_google_protobuf_Struct *schema,
                                const struct pb_core_LiteralType *type, const struct pb_core_Literal *literal,
                                const struct pb_google_protobuf_Value *value)
{
    const struct pb_core_LiteralType *guessed = NULL;
    const struct pb_core_LiteralType *own;
    if (literal->value_case != pb_core_Literal_tag_scalar ||
        literal->value.scalar->value_case != pb_core_Scalar_tag_union)
        return MF_OK;
    own = literal->value.scalar->value.union_->type;
    if (!own || !own->structure || own->structure->tag.len == 0)
        return MF_OK;
    enum mf_code code = mf_conv_variant(c, type, value, &guessed);
    if (code != MF_OK || (guessed && same_variant(guessed, own)))
        return code;
    return put(c, schema, "structure", mf_value_string(c->arena, own->structure->tag));
}

enum mf_code mf_conv_property(struct mf_conv *c, struct mf_str name, const struct pb_core_Variable *variable,
                              const struct pb_core_Literal *literal, struct pb_google_protobuf_Struct **out,
                              bool *required)
{
    const struct pb_core_LiteralType *type = variable ? variable->type : NULL;
    struct pb_google_protobuf_Value *value = NULL;
    enum mf_code code = mf_conv_schema(c, type, out);
    *required = !mf_conv_null_variant(type);
    if (code == MF_OK && variable && variable->description.len > 0 && !mf_str_eq(variable->description, name))
        code = put(c, *out, "description", mf_value_string(c->arena, variable->description));
    if (code != MF_OK || !literal)
        return code;
    code = mf_conv_literal_to_json(c, literal, &value);
    if (code != MF_OK)
        return code;
    if (mf_value_is_null(value))
        *required = false;
    if (type && type->type_case == pb_core_LiteralType_tag_blob)
        return put_blob(c, *out, value);
    if (type && type->type_case == pb_core_LiteralType_tag_union_type)
        code = put_variant(c, *out, type, literal, value);
    return code == MF_OK ? put(c, *out, "default", value) : code;
}

/* ---- and back ---- */

static enum mf_code gather(struct mf_conv *c, const struct pb_google_protobuf_Struct *schema,
                           struct pb_google_protobuf_Value **out);

/* The default of a part, or what its parts hold; NULL: nothing. */
static enum mf_code gather_part(struct mf_conv *c, const struct pb_google_protobuf_Struct_FieldsEntry *part,
                                struct pb_google_protobuf_Value **out)
{
    struct mf_conv_place place = {.name = part->key};
    const struct pb_google_protobuf_Struct *schema = mf_value_fields(part->value);
    const struct pb_google_protobuf_Value *given = mf_value_get(schema, MF_STR("default"));
    enum mf_code code = mf_conv_enter(c, &place, MF_CONV_OBJECT);
    *out = NULL;
    if (code == MF_OK && given)
        *out = (struct pb_google_protobuf_Value *)(uintptr_t)given;
    else if (code == MF_OK && schema)
        code = gather(c, schema, out);
    mf_conv_leave(c, &place, MF_CONV_OBJECT);
    return code;
}

/* An object of the defaults of a schema's properties; NULL: there are none, or a required one has none. */
static enum mf_code gather(struct mf_conv *c, const struct pb_google_protobuf_Struct *schema,
                           struct pb_google_protobuf_Value **out)
{
    const struct pb_google_protobuf_Struct *properties =
        mf_value_fields(mf_value_get(schema, MF_STR("properties")));
    const struct pb_google_protobuf_ListValue *required =
        mf_value_items(mf_value_get(schema, MF_STR("required")));
    struct pb_google_protobuf_Struct *object = MF_NEW(c->arena, struct pb_google_protobuf_Struct);
    *out = NULL;
    if (!object)
        return mf_fail_memory(c->err);
    for (uint32_t i = 0; properties && i < properties->fields.count; i++) {
        struct pb_google_protobuf_Value *value = NULL;
        enum mf_code code = gather_part(c, properties->fields.items[i], &value);
        if (code != MF_OK)
            return code;
        if (value && !mf_value_append(c->arena, object, properties->fields.items[i]->key, value))
            return mf_fail_memory(c->err);
    }
    if (object->fields.count == 0)
        return MF_OK;
    for (uint32_t i = 0; required && i < required->values.count; i++) {
        enum mf_code code = mf_conv_step(c, object->fields.count);
        if (code != MF_OK)
            return code;
        if (!mf_value_get(object, mf_value_chars(required->values.items[i])))
            return MF_OK;
    }
    *out = mf_value_object(c->arena, object);
    return *out ? MF_OK : mf_fail_memory(c->err);
}

/* A file that was not chosen has a form and no address. */
static bool is_blank_blob(const struct pb_core_LiteralType *type,
                          const struct pb_google_protobuf_Value *value)
{
    return type->type_case == pb_core_LiteralType_tag_blob && mf_value_fields(value) &&
           mf_value_chars(mf_value_field(value, "uri")).len == 0;
}

enum mf_code mf_conv_property_literal(struct mf_conv *c, const struct pb_google_protobuf_Value *property,
                                      struct pb_core_Literal **out)
{
    const struct pb_google_protobuf_Struct *schema = mf_value_fields(property);
    const struct pb_google_protobuf_Value *given;
    struct pb_google_protobuf_Value *gathered = NULL;
    struct pb_core_LiteralType *type = NULL;
    *out = NULL;
    if (!schema)
        return mf_conv_fail(c, MF_INVALID_ARGUMENT, "the schema must be an object, not %s",
                            mf_value_kind(property));
    enum mf_code code = mf_conv_type(c, schema, &type);
    if (code != MF_OK)
        return code;
    given = mf_value_get(schema, MF_STR("default"));
    if (!given &&
        (type->type_case == pb_core_LiteralType_tag_blob || mf_conv_is_simple(type, pb_core_STRUCT))) {
        code = gather(c, schema, &gathered);
        given = gathered;
    }
    if (code != MF_OK)
        return code;
    if (given && !is_blank_blob(type, given))
        return mf_conv_json_to_literal(c, type, given, out);
    if (mf_conv_null_variant(type))
        return mf_conv_none_literal(c, mf_conv_null_variant(type), out);
    return MF_OK;
}
