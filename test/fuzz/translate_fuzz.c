/*
 * The translator. The first byte of the input chooses what the rest is: a literal, a type, a field of a form,
 * a parameter with its default, MessagePack. Whatever is made must be writable; MessagePack must come back.
 */
#include "fuzz.h"
#include "translate/convert.h"
#include "translate/msgpack.h"

#define ARENA_MAX ((size_t)128 << 20)

static struct mf_arena *arena;
static struct mf_error err;

static struct mf_conv conversion(void)
{
    return (struct mf_conv){.arena = arena, .err = &err};
}

/* Running out of memory proves nothing; refusing is for what is wrong with the input. */
static bool worked(enum mf_code code)
{
    FUZZ_CHECK(code == MF_OK || code == MF_INVALID_ARGUMENT || code == MF_UNIMPLEMENTED ||
               code == MF_RESOURCE_EXHAUSTED);
    return code == MF_OK;
}

static void must_be_json(const struct pb_google_protobuf_Value *value)
{
    struct mf_str text;
    enum mf_code code = pb_to_json(arena, &pb_google_protobuf_Value_type, value, NULL, &text, &err);
    FUZZ_CHECK(code == MF_OK || code == MF_RESOURCE_EXHAUSTED);
}

static void must_be_wire(const struct pb_core_Literal *literal)
{
    struct mf_str bytes;
    enum mf_code code = pb_encode_stable(arena, &pb_core_Literal_type, literal, &bytes, &err);
    FUZZ_CHECK(code == MF_OK || code == MF_RESOURCE_EXHAUSTED);
}

static void from_literal(struct mf_str bytes)
{
    struct mf_conv c = conversion();
    struct pb_google_protobuf_Value *value = NULL;
    void *literal = NULL;
    if (pb_decode(arena, &pb_core_Literal_type, bytes, &literal, &err) != MF_OK)
        return;
    if (worked(mf_conv_literal_to_json(&c, literal, &value)))
        must_be_json(value);
}

static void from_type(struct mf_str bytes)
{
    struct mf_conv c = conversion();
    struct pb_google_protobuf_Struct *schema = NULL;
    struct pb_core_LiteralType *back = NULL;
    struct pb_google_protobuf_Struct *again = NULL;
    void *type = NULL;
    if (pb_decode(arena, &pb_core_LiteralType_type, bytes, &type, &err) != MF_OK ||
        !worked(mf_conv_schema(&c, type, &schema)))
        return;
    must_be_json(mf_value_object(arena, schema));
    if (worked(mf_conv_type(&c, schema, &back)) && worked(mf_conv_schema(&c, back, &again)))
        must_be_json(mf_value_object(arena, again));
}

/* A field of a form, as JSON. */
static void from_schema(struct mf_str text)
{
    struct mf_conv c = conversion();
    struct pb_core_Literal *literal = NULL;
    struct pb_google_protobuf_Value *value = NULL;
    void *schema = NULL;
    if (pb_from_json(arena, &pb_google_protobuf_Value_type, text, NULL, &schema, &err) != MF_OK ||
        !worked(mf_conv_property_literal(&c, schema, &literal)) || !literal)
        return;
    must_be_wire(literal);
    if (worked(mf_conv_literal_to_json(&c, literal, &value)))
        must_be_json(value);
}

/* A literal of a variable, shown in a form and taken back. */
static void from_parameter(struct mf_str bytes)
{
    struct mf_conv c = conversion();
    struct pb_google_protobuf_Struct *property = NULL;
    struct pb_core_Literal *literal = NULL;
    void *decoded = NULL;
    bool required = false;
    if (pb_decode(arena, &pb_core_Parameter_type, bytes, &decoded, &err) != MF_OK)
        return;
    const struct pb_core_Parameter *parameter = decoded;
    const struct pb_core_Literal *given =
        parameter->behavior_case == pb_core_Parameter_tag_default ? parameter->behavior.default_ : NULL;
    if (!worked(mf_conv_property(&c, MF_STR("x"), parameter->var, given, &property, &required)))
        return;
    must_be_json(mf_value_object(arena, property));
    if (worked(mf_conv_property_literal(&c, mf_value_object(arena, property), &literal)) && literal)
        must_be_wire(literal);
}

static void from_msgpack(struct mf_str bytes)
{
    struct mf_conv c = conversion();
    struct pb_google_protobuf_Value *value = NULL;
    struct pb_google_protobuf_Value *again = NULL;
    struct mf_str written;
    struct mf_str rewritten;
    if (!worked(mf_msgpack_to_json(&c, bytes, &value)) || !value)
        return;
    must_be_json(value);
    if (!worked(mf_value_to_msgpack(&c, value, NULL, &written)) ||
        !worked(mf_msgpack_to_json(&c, written, &again)))
        return;
    FUZZ_CHECK(again);
    if (worked(mf_value_to_msgpack(&c, again, NULL, &rewritten)))
        FUZZ_CHECK(mf_str_eq(written, rewritten));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(struct mf_str) = {from_literal, from_type, from_schema, from_parameter,
                                                   from_msgpack};
    arena = size > 0 ? mf_arena_new(ARENA_MAX) : NULL;
    if (!arena)
        return 0;
    kinds[data[0] % (sizeof kinds / sizeof kinds[0])](mf_str_make(data + 1, size - 1));
    mf_arena_free(arena);
    return 0;
}
