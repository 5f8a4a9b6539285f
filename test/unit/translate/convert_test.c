/* The tables of the translator: types, values and literals, both ways. JSON is written as text here. */
#include "testing.h"

#include "base/buf.h"

#include "translate/convert.h"
#include "translate/msgpack.h"

#include "gen/google/protobuf/struct.pb.h"

static struct mf_arena *arena;
static struct mf_error err;

static int setup(void **state)
{
    (void)state;
    arena = mf_arena_new(0);
    return arena ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mf_arena_free(arena);
    return 0;
}

static struct mf_conv conversion(void)
{
    return (struct mf_conv){.arena = arena, .err = &err};
}

static void *parse(const struct pb_type *type, const char *json)
{
    void *out = NULL;
    if (pb_from_json(arena, type, mf_str_from_c(json), NULL, &out, &err) != MF_OK)
        fail_msg("%s: %s", json, err.message);
    return out;
}

static void expect(const struct pb_type *type, const void *msg, const char *json)
{
    struct mf_str text;
    if (pb_to_json(arena, type, msg, NULL, &text, &err) != MF_OK)
        fail_msg("%s", err.message);
    char *got = mf_str_to_c(arena, text);
    assert_string_equal(got, json);
}

static struct pb_core_LiteralType *type_of(const char *json)
{
    return parse(&pb_core_LiteralType_type, json);
}

static struct pb_core_Literal *literal_of(const char *json)
{
    return parse(&pb_core_Literal_type, json);
}

static struct pb_google_protobuf_Value *value_of(const char *json)
{
    return parse(&pb_google_protobuf_Value_type, json);
}

#define UNION_STR_NONE                                                                                       \
    "{\"unionType\":{\"variants\":[{\"simple\":\"STRING\",\"structure\":{\"tag\":\"str\"}},"                 \
    "{\"simple\":\"NONE\",\"structure\":{\"tag\":\"none\"}}]}}"
#define UNION_INT_FLOAT                                                                                      \
    "{\"unionType\":{\"variants\":[{\"simple\":\"INTEGER\",\"structure\":{\"tag\":\"int\"}},"                \
    "{\"simple\":\"FLOAT\",\"structure\":{\"tag\":\"float\"}}]}}"
#define DATACLASS                                                                                            \
    "{\"simple\":\"STRUCT\",\"metadata\":{\"type\":\"object\",\"title\":\"MyDC\",\"additionalProperties\":"  \
    "false,"                                                                                                 \
    "\"properties\":{\"a\":{\"type\":\"integer\"}}}}"
#define MSGPACK                                                                                              \
    "\"annotation\":{\"annotations\":{\"cache-key-metadata\":{\"serialization-format\":\"msgpack\"}}}"

/* ---- types and schemas ---- */

static const struct {
    const char *type, *schema;
    const char *back; /* the type that the schema gives; NULL: the same */
} schemas[] = {
    {"{}", "{\"type\":\"null\"}", "{\"simple\":\"NONE\"}"},
    {"{\"simple\":\"NONE\"}", "{\"type\":\"null\"}", NULL},
    {"{\"simple\":\"STRING\"}", "{\"type\":\"string\"}", NULL},
    {"{\"simple\":\"INTEGER\"}", "{\"type\":\"integer\"}", NULL},
    {"{\"simple\":\"FLOAT\"}", "{\"format\":\"float\",\"type\":\"number\"}", NULL},
    {"{\"simple\":\"BOOLEAN\"}", "{\"type\":\"boolean\"}", NULL},
    {"{\"simple\":\"DATETIME\"}", "{\"format\":\"datetime\",\"type\":\"string\"}", NULL},
    {"{\"simple\":\"DURATION\"}", "{\"format\":\"duration\",\"type\":\"string\"}", NULL},
    {"{\"simple\":\"BINARY\"}", "{\"format\":\"binary\",\"type\":\"string\"}", "{\"simple\":\"STRING\"}"},
    {"{\"simple\":\"ERROR\"}", "{\"format\":\"error\",\"type\":\"string\"}", "{\"simple\":\"STRING\"}"},
    {"{\"simple\":\"STRUCT\"}", "{\"additionalProperties\":true,\"type\":\"object\"}", NULL},
    {DATACLASS, "{\"dataclass\":\"MyDC\",\"properties\":{\"a\":{\"type\":\"integer\"}},\"type\":\"object\"}",
     "{\"metadata\":{\"title\":\"MyDC\",\"properties\":{\"a\":{\"type\":\"integer\"}},\"type\":\"object\"},"
     "\"simple\":\"STRUCT\"}"},
    {"{" MSGPACK ",\"simple\":\"STRUCT\"}",
     "{\"additionalProperties\":true,\"serializationFormat\":\"msgpack\",\"type\":\"object\"}", NULL},
    {"{\"enumType\":{\"values\":[\"b\",\"a\"]}}", "{\"enum\":[\"b\",\"a\"],\"type\":\"string\"}", NULL},
    {"{\"collectionType\":{\"simple\":\"INTEGER\"}}", "{\"items\":{\"type\":\"integer\"},\"type\":\"array\"}",
     NULL},
    {"{\"mapValueType\":{\"simple\":\"INTEGER\"}}",
     "{\"additionalProperties\":{\"type\":\"integer\"},\"type\":\"object\"}", NULL},
    {"{\"blob\":{\"format\":\"csv\",\"dimensionality\":\"MULTIPART\"}}",
     "{\"format\":\"blob\",\"properties\":{\"dimensionality\":{\"default\":\"MULTIPART\",\"enum\":["
     "\"SINGLE\","
     "\"MULTIPART\"],\"type\":\"string\"},\"format\":{\"default\":\"csv\",\"type\":\"string\"},\"uri\":{"
     "\"default\":\"\","
     "\"type\":\"string\"}},\"type\":\"object\"}",
     NULL},
    {"{\"structuredDatasetType\":{}}",
     "{\"format\":\"structured-dataset\",\"properties\":{\"format\":{\"type\":\"string\"},\"uri\":{\"type\":"
     "\"string\"}},"
     "\"type\":\"object\"}",
     NULL},
    {UNION_STR_NONE,
     "{\"format\":\"union\",\"oneOf\":[{\"structure\":\"str\",\"title\":\"string\",\"type\":\"string\"},"
     "{\"structure\":\"none\",\"title\":\"none\",\"type\":\"null\"}]}",
     "{\"unionType\":{\"variants\":[{\"structure\":{\"tag\":\"str\"},\"simple\":\"STRING\"},"
     "{\"structure\":{\"tag\":\"none\"},\"simple\":\"NONE\"}]}}"},
};

static void types_are_schemas(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        struct mf_conv c = conversion();
        struct pb_google_protobuf_Struct *schema = NULL;
        struct pb_core_LiteralType *back = NULL;
        assert_int_equal(mf_conv_schema(&c, type_of(schemas[i].type), &schema), MF_OK);
        expect(&pb_google_protobuf_Struct_type, schema, schemas[i].schema);
        assert_int_equal(mf_conv_type(&c, schema, &back), MF_OK);
        const char *wanted = schemas[i].back ? schemas[i].back : schemas[i].type;
        /* Through the parser, so that the order of fields does not count. */
        struct mf_str a;
        struct mf_str b;
        assert_int_equal(pb_encode_stable(arena, &pb_core_LiteralType_type, back, &a, &err), MF_OK);
        assert_int_equal(pb_encode_stable(arena, &pb_core_LiteralType_type, type_of(wanted), &b, &err),
                         MF_OK);
        if (!mf_str_eq(a, b))
            expect(&pb_core_LiteralType_type, back, wanted);
    }
}

static void titles_of_variants(void **state)
{
    static const struct {
        const char *type, *title;
    } rows[] = {
        {"{\"simple\":\"STRING\"}", "string"},
        {"{\"simple\":\"INTEGER\"}", "integer"},
        {"{\"simple\":\"FLOAT\"}", "number"},
        {"{\"simple\":\"BOOLEAN\"}", "boolean"},
        {"{\"simple\":\"DATETIME\"}", "datetime"},
        {"{\"simple\":\"DURATION\"}", "duration"},
        {"{\"simple\":\"BINARY\"}", "binary"},
        {"{\"simple\":\"NONE\"}", "none"},
        {"{\"simple\":\"STRUCT\"}", "object"},
        {DATACLASS, "MyDC"},
        {"{\"collectionType\":{\"simple\":\"STRING\"}}", "array"},
        {"{\"mapValueType\":{\"simple\":\"STRING\"}}", "object"},
        {"{\"blob\":{}}", "blob"},
        {"{\"enumType\":{\"values\":[\"a\"]}}", "enum"},
        {"{\"structuredDatasetType\":{}}", "structured_dataset"},
        {UNION_STR_NONE, "union"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_conv c = conversion();
        struct pb_google_protobuf_Struct *schema = NULL;
        struct mf_str json = mf_str_printf(arena, "{\"unionType\":{\"variants\":[%s]}}", rows[i].type);
        assert_int_equal(mf_conv_schema(&c, type_of(mf_str_to_c(arena, json)), &schema), MF_OK);
        const struct pb_google_protobuf_ListValue *list =
            mf_value_items(mf_value_get(schema, MF_STR("oneOf")));
        assert_str(mf_value_chars(mf_value_field(list->values.items[0], "title")), rows[i].title);
    }
}

static void odd_schemas(void **state)
{
    static const struct {
        const char *schema, *type; /* NULL: refused */
    } rows[] = {
        {"{\"type\":\"array\"}", "{\"collectionType\":{\"simple\":\"STRING\"}}"},
        {"{\"type\":\"integer\",\"format\":\"duration\"}", "{\"simple\":\"DURATION\"}"},
        {"{\"type\":\"string\",\"format\":\"email\"}", "{\"simple\":\"STRING\"}"},
        {"{\"type\":\"whatever\"}", "{\"simple\":\"NONE\"}"},
        {"{\"enum\":[1,true,\"x\"]}", "{\"enumType\":{\"values\":[\"1\",\"true\",\"x\"]}}"},
        {"{\"type\":\"object\",\"format\":\"blob\",\"properties\":{\"dimensionality\":{\"default\":1}}}",
         "{\"blob\":{\"dimensionality\":\"MULTIPART\"}}"},
        {"{}", NULL},
        {"{\"type\":3}", NULL},
        {"{\"oneOf\":[1]}", NULL},
        {"{\"enum\":[{}]}", NULL},
        {"{\"type\":\"array\",\"items\":{}}", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_conv c = conversion();
        struct pb_core_LiteralType *type = NULL;
        enum mf_code code = mf_conv_type(&c, parse(&pb_google_protobuf_Struct_type, rows[i].schema), &type);
        assert_int_equal(code, rows[i].type ? MF_OK : MF_INVALID_ARGUMENT);
        if (rows[i].type)
            expect(&pb_core_LiteralType_type, type, rows[i].type);
    }
    struct mf_conv c = conversion();
    struct pb_google_protobuf_Struct *schema = NULL;
    assert_int_equal(mf_conv_schema(&c, type_of("{\"schema\":{}}"), &schema), MF_INVALID_ARGUMENT);
}

/* ---- literals and values ---- */

#define PRIMITIVE(x) "{\"scalar\":{\"primitive\":{" x "}}}"

static const struct {
    const char *type, *value, *literal;
} values[] = {
    {"{\"simple\":\"INTEGER\"}", "42", PRIMITIVE("\"integer\":\"42\"")},
    {"{\"simple\":\"INTEGER\"}", "9007199254740991", PRIMITIVE("\"integer\":\"9007199254740991\"")},
    {"{\"simple\":\"INTEGER\"}", "\"9007199254740993\"", PRIMITIVE("\"integer\":\"9007199254740993\"")},
    {"{\"simple\":\"INTEGER\"}", "\"-9223372036854775808\"",
     PRIMITIVE("\"integer\":\"-9223372036854775808\"")},
    {"{\"simple\":\"FLOAT\"}", "2.5", PRIMITIVE("\"floatValue\":2.5")},
    {"{\"simple\":\"FLOAT\"}", "\"NaN\"", PRIMITIVE("\"floatValue\":\"NaN\"")},
    {"{\"simple\":\"FLOAT\"}", "\"-Infinity\"", PRIMITIVE("\"floatValue\":\"-Infinity\"")},
    {"{\"simple\":\"STRING\"}", "\"\"", PRIMITIVE("\"stringValue\":\"\"")},
    {"{\"simple\":\"BOOLEAN\"}", "false", PRIMITIVE("\"boolean\":false")},
    {"{\"simple\":\"DATETIME\"}", "\"2026-01-02T03:04:05.123456789Z\"",
     PRIMITIVE("\"datetime\":\"2026-01-02T03:04:05.123456789Z\"")},
    {"{\"simple\":\"DATETIME\"}", "\"0001-01-01T00:00:00Z\"",
     PRIMITIVE("\"datetime\":\"0001-01-01T00:00:00Z\"")},
    {"{\"simple\":\"DURATION\"}", "\"-1h30m0.5s\"", PRIMITIVE("\"duration\":\"-5400.500s\"")},
    {"{\"enumType\":{\"values\":[\"a\",\"b\"]}}", "\"b\"", PRIMITIVE("\"stringValue\":\"b\"")},
    {"{\"collectionType\":{\"simple\":\"INTEGER\"}}", "[]", "{\"collection\":{}}"},
    {"{\"collectionType\":{\"simple\":\"INTEGER\"}}", "[1]",
     "{\"collection\":{\"literals\":[" PRIMITIVE("\"integer\":\"1\"") "]}}"},
    {"{\"mapValueType\":{\"simple\":\"STRING\"}}", "{\"k\":\"v\"}",
     "{\"map\":{\"literals\":{\"k\":" PRIMITIVE("\"stringValue\":\"v\"") "}}}"},
    {"{\"simple\":\"STRUCT\"}", "{\"a\":{\"b\":[1,null,\"x\"]}}",
     "{\"scalar\":{\"generic\":{\"a\":{\"b\":[1,null,\"x\"]}}}}"},
    {"{\"simple\":\"NONE\"}", "{\"type\":\"null\"}", "{\"scalar\":{\"noneType\":{}}}"},
    {"{\"blob\":{}}", "{\"dimensionality\":\"MULTIPART\",\"format\":\"csv\",\"uri\":\"s3://b/x\"}",
     "{\"scalar\":{\"blob\":{\"metadata\":{\"type\":{\"format\":\"csv\",\"dimensionality\":\"MULTIPART\"}},"
     "\"uri\":\"s3://b/x\"}}}"},
    {"{\"structuredDatasetType\":{}}", "{\"format\":\"parquet\",\"uri\":\"s3://b/d\"}",
     "{\"scalar\":{\"structuredDataset\":{\"uri\":\"s3://b/"
     "d\",\"metadata\":{\"structuredDatasetType\":{\"format\":"
     "\"parquet\"}}}}}"},
    {UNION_INT_FLOAT, "2.5",
     "{\"scalar\":{\"union\":{\"value\":" PRIMITIVE(
         "\"floatValue\":2.5") ",\"type\":{\"simple\":\"FLOAT\",\"structure\":{\"tag\":\"float\"}}}}}"},
    {UNION_INT_FLOAT, "2",
     "{\"scalar\":{\"union\":{\"value\":" PRIMITIVE(
         "\"integer\":\"2\"") ",\"type\":{\"simple\":\"INTEGER\",\"structure\":{\"tag\":\"int\"}}}}}"},
    {UNION_STR_NONE, "{\"type\":\"null\"}",
     "{\"scalar\":{\"union\":{\"value\":{\"scalar\":{\"noneType\":{}}},\"type\":{\"simple\":\"NONE\","
     "\"structure\":{\"tag\":\"none\"}}}}}"},
};

static void literals_are_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct mf_conv c = conversion();
        struct pb_core_Literal *literal = NULL;
        struct pb_google_protobuf_Value *value = NULL;
        enum mf_code code =
            mf_conv_json_to_literal(&c, type_of(values[i].type), value_of(values[i].value), &literal);
        if (code != MF_OK)
            fail_msg("%s: %s", values[i].value, err.message);
        expect(&pb_core_Literal_type, literal, values[i].literal);
        assert_int_equal(mf_conv_literal_to_json(&c, literal, &value), MF_OK);
        expect(&pb_google_protobuf_Value_type, value, values[i].value);
    }
}

static void other_spellings(void **state)
{
    static const struct {
        const char *type, *value, *literal;
    } rows[] = {
        {"{\"simple\":\"INTEGER\"}", "\"7\"", PRIMITIVE("\"integer\":\"7\"")},
        {"{\"simple\":\"DURATION\"}", "\"90\"", PRIMITIVE("\"duration\":\"90s\"")},
        {"{\"simple\":\"DURATION\"}", "90", PRIMITIVE("\"duration\":\"90s\"")},
        {"{\"simple\":\"DURATION\"}", "\"1.5h\"", PRIMITIVE("\"duration\":\"5400s\"")},
        {"{\"simple\":\"DURATION\"}", "\"300µs\"", PRIMITIVE("\"duration\":\"0.000300s\"")},
        {"{\"simple\":\"DATETIME\"}", "\"2026-01-02T05:04:05+02:00\"",
         PRIMITIVE("\"datetime\":\"2026-01-02T03:04:05Z\"")},
        {"{\"blob\":{}}", "{\"dimensionality\":0,\"format\":\"\",\"uri\":\"s3://b/x\"}",
         "{\"scalar\":{\"blob\":{\"metadata\":{\"type\":{}},\"uri\":\"s3://b/x\"}}}"},
        {"{\"simple\":\"NONE\"}", "null", "{\"scalar\":{\"noneType\":{}}}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_conv c = conversion();
        struct pb_core_Literal *literal = NULL;
        enum mf_code code =
            mf_conv_json_to_literal(&c, type_of(rows[i].type), value_of(rows[i].value), &literal);
        if (code != MF_OK)
            fail_msg("%s: %s", rows[i].value, err.message);
        expect(&pb_core_Literal_type, literal, rows[i].literal);
    }
}

static void refused_values(void **state)
{
    static const char *const rows[][2] = {
        {"{\"simple\":\"INTEGER\"}", "3.9"},
        {"{\"simple\":\"INTEGER\"}", "1e30"},
        {"{\"simple\":\"INTEGER\"}", "true"},
        {"{\"simple\":\"INTEGER\"}", "null"},
        {"{\"simple\":\"INTEGER\"}", "\"x\""},
        {"{\"simple\":\"FLOAT\"}", "\"1\""},
        {"{\"simple\":\"STRING\"}", "1"},
        {"{\"simple\":\"BOOLEAN\"}", "\"true\""},
        {"{\"simple\":\"DATETIME\"}", "\"today\""},
        {"{\"simple\":\"DATETIME\"}", "1"},
        {"{\"simple\":\"DURATION\"}", "\"1x\""},
        {"{\"simple\":\"DURATION\"}", "\"h\""},
        {"{\"simple\":\"DURATION\"}", "[]"},
        {"{\"simple\":\"BINARY\"}", "\"AA==\""},
        {"{\"simple\":\"ERROR\"}", "{}"},
        {"{\"simple\":\"STRUCT\"}", "[]"},
        {"{\"simple\":\"NONE\"}", "1"},
        {"{}", "1"},
        {"{\"schema\":{}}", "1"},
        {"{\"enumType\":{\"values\":[\"a\"]}}", "\"b\""},
        {"{\"enumType\":{}}", "1"},
        {"{\"collectionType\":{\"simple\":\"STRING\"}}", "{}"},
        {"{\"mapValueType\":{}}", "[]"},
        {"{\"blob\":{}}", "{\"uri\":\"u\",\"format\":\"f\"}"},
        {"{\"blob\":{}}", "\"u\""},
        {"{\"structuredDatasetType\":{}}", "{\"uri\":\"u\"}"},
        {UNION_INT_FLOAT, "\"x\""},
        {UNION_INT_FLOAT, "null"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_conv c = conversion();
        struct pb_core_Literal *literal = NULL;
        enum mf_code code = mf_conv_json_to_literal(&c, type_of(rows[i][0]), value_of(rows[i][1]), &literal);
        if (code != MF_INVALID_ARGUMENT)
            fail_msg("%s as %s gave %d", rows[i][1], rows[i][0], code);
    }
    struct mf_conv c = conversion();
    struct pb_core_Literal *literal = NULL;
    assert_int_equal(mf_conv_json_to_literal(
                         &c, type_of("{\"mapValueType\":{\"collectionType\":{\"simple\":\"STRING\"}}}"),
                         value_of("{\"k\":[\"a\",3]}"), &literal),
                     MF_INVALID_ARGUMENT);
    assert_string_equal(err.message, "k[1]: a string is wanted, not a number");
}

static void literals_without_json(void **state)
{
    static const struct {
        const char *literal;
        enum mf_code code;
    } rows[] = {
        {"{\"scalar\":{\"schema\":{}}}", MF_UNIMPLEMENTED},
        {"{\"scalar\":{\"error\":{}}}", MF_UNIMPLEMENTED},
        {"{\"offloadedMetadata\":{\"uri\":\"s3://b/x\"}}", MF_UNIMPLEMENTED},
        {"{}", MF_INVALID_ARGUMENT},
        {"{\"scalar\":{}}", MF_INVALID_ARGUMENT},
        {"{\"scalar\":{\"primitive\":{}}}", MF_INVALID_ARGUMENT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_conv c = conversion();
        struct pb_google_protobuf_Value *value = NULL;
        assert_int_equal(mf_conv_literal_to_json(&c, literal_of(rows[i].literal), &value), rows[i].code);
    }
}

/* ---- which variant ---- */

static void best_variant(void **state)
{
    static const char variants[] =
        "{\"unionType\":{\"variants\":["
        "{\"simple\":\"STRUCT\",\"structure\":{\"tag\":\"dict\"}},"
        "{\"simple\":\"STRING\",\"structure\":{\"tag\":\"str\"}},"
        "{\"simple\":\"INTEGER\",\"structure\":{\"tag\":\"int\"}},"
        "{\"simple\":\"FLOAT\",\"structure\":{\"tag\":\"float\"}},"
        "{\"simple\":\"BOOLEAN\",\"structure\":{\"tag\":\"bool\"}},"
        "{\"simple\":\"DATETIME\",\"structure\":{\"tag\":\"datetime\"}},"
        "{\"simple\":\"DURATION\",\"structure\":{\"tag\":\"timedelta\"}},"
        "{\"simple\":\"NONE\",\"structure\":{\"tag\":\"none\"}},"
        "{\"enumType\":{\"values\":[\"red\"]},\"structure\":{\"tag\":\"enum\"}},"
        "{\"collectionType\":{\"simple\":\"STRING\"},\"structure\":{\"tag\":\"strings\"}},"
        "{\"collectionType\":{\"simple\":\"INTEGER\"},\"structure\":{\"tag\":\"ints\"}},"
        "{\"mapValueType\":{\"simple\":\"INTEGER\"},\"structure\":{\"tag\":\"map\"}},"
        "{\"simple\":\"STRUCT\",\"structure\":{\"tag\":\"A\"},\"metadata\":{\"properties\":{\"a\":{\"type\":"
        "\"integer\"}},"
        "\"required\":[\"a\"]}},"
        "{\"simple\":\"STRUCT\",\"structure\":{\"tag\":\"B\"},\"metadata\":{\"properties\":{\"a\":{\"type\":"
        "\"string\"},"
        "\"b\":{}},\"required\":[\"a\",\"b\"]}},"
        "{\"blob\":{},\"structure\":{\"tag\":\"file\"}},"
        "{\"structuredDatasetType\":{},\"structure\":{\"tag\":\"frame\"}}]}}";
    static const char *const rows[][2] = {
        {"\"text\"", "str"},
        {"1", "int"},
        {"1.5", "float"},
        {"1e300", "float"},
        {"true", "bool"},
        {"null", "none"},
        {"\"2026-01-02T03:04:05Z\"", "datetime"},
        {"\"1h\"", "timedelta"},
        {"\"12\"", "str"},
        {"\"red\"", "enum"},
        {"[\"a\"]", "strings"},
        {"[1]", "ints"},
        {"{\"x\":1}", "map"},
        {"{\"x\":\"y\"}", "dict"},
        {"{\"a\":1}", "A"},
        {"{\"a\":\"x\",\"b\":1}", "B"},
        {"{\"uri\":\"u\",\"format\":\"f\",\"dimensionality\":\"SINGLE\"}", "file"},
        {"{\"uri\":\"u\",\"format\":\"f\"}", "frame"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_conv c = conversion();
        const struct pb_core_LiteralType *variant = NULL;
        assert_int_equal(mf_conv_variant(&c, type_of(variants), value_of(rows[i][0]), &variant), MF_OK);
        assert_non_null(variant);
        assert_str(variant->structure->tag, rows[i][1]);
    }
    /* The tag of the union itself names the wanted one, as long as the value suits it. */
    struct pb_core_LiteralType *hinted = type_of(variants);
    const struct pb_core_LiteralType *variant = NULL;
    struct mf_conv c = conversion();
    hinted->structure = parse(&pb_core_TypeStructure_type, "{\"tag\":\"float\"}");
    assert_int_equal(mf_conv_variant(&c, hinted, value_of("2"), &variant), MF_OK);
    assert_str(variant->structure->tag, "float");
    assert_int_equal(mf_conv_variant(&c, hinted, value_of("\"x\""), &variant), MF_OK);
    assert_str(variant->structure->tag, "str");
}

/* ---- fields of forms ---- */

static void expect_property(const char *type, const char *literal, const char *json, bool is_required)
{
    struct mf_conv c = conversion();
    struct pb_google_protobuf_Struct *property = NULL;
    struct pb_core_Variable variable = {.type = type_of(type)};
    bool required = false;
    if (mf_conv_property(&c, MF_STR("x"), &variable, literal ? literal_of(literal) : NULL, &property,
                         &required) != MF_OK)
        fail_msg("%s", err.message);
    expect(&pb_google_protobuf_Struct_type, property, json);
    assert_int_equal(required, is_required);
}

/* What the reference was measured to answer. */
static void measured_fragments(void **state)
{
    (void)state;
    expect_property(
        UNION_STR_NONE, values[sizeof values / sizeof values[0] - 1].literal,
        "{\"default\":{\"type\":\"null\"},\"format\":\"union\",\"oneOf\":[{\"structure\":\"str\",\"title\":"
        "\"string\",\"type\":\"string\"},{\"structure\":\"none\",\"title\":\"none\",\"type\":\"null\"}]}",
        false);
    expect_property("{\"collectionType\":{\"simple\":\"INTEGER\"}}", "{\"collection\":{}}",
                    "{\"default\":[],\"items\":{\"type\":\"integer\"},\"type\":\"array\"}", true);
    expect_property(
        "{\"blob\":{}}",
        "{\"scalar\":{\"blob\":{\"metadata\":{\"type\":{\"format\":\"csv\",\"dimensionality\":\"MULTIPART\"}}"
        ","
        "\"uri\":\"s3://b/x\"}}}",
        "{\"format\":\"blob\",\"properties\":{\"dimensionality\":{\"default\":\"MULTIPART\",\"enum\":["
        "\"SINGLE\","
        "\"MULTIPART\"],\"type\":\"string\"},\"format\":{\"default\":\"csv\",\"type\":\"string\"},\"uri\":"
        "{\"default\":\"s3://b/x\",\"type\":\"string\"}},\"type\":\"object\"}",
        true);
    expect_property(
        DATACLASS, "{\"scalar\":{\"binary\":{\"value\":\"gaFhAQ==\",\"tag\":\"msgpack\"}}}",
        "{\"dataclass\":\"MyDC\",\"default\":{\"a\":1},\"properties\":{\"a\":{\"type\":\"integer\"}},"
        "\"type\":\"object\"}",
        true);
    expect_property(
        "{\"structuredDatasetType\":{}}",
        "{\"scalar\":{\"structuredDataset\":{\"uri\":\"s3://b/d\",\"metadata\":{\"structuredDatasetType\":"
        "{\"format\":\"parquet\"}}}}}",
        "{\"default\":{\"format\":\"parquet\",\"uri\":\"s3://b/d\"},\"format\":\"structured-dataset\","
        "\"properties\":{\"format\":{\"type\":\"string\"},\"uri\":{\"type\":\"string\"}},\"type\":"
        "\"object\"}",
        true);
    struct mf_conv c = conversion();
    struct pb_google_protobuf_Struct *property = NULL;
    struct pb_core_Variable variable = {.type = type_of("{\"simple\":\"FLOAT\"}"),
                                        .description = MF_STR("a float")};
    bool required = false;
    assert_int_equal(mf_conv_property(&c, MF_STR("x"), &variable, literal_of(PRIMITIVE("\"floatValue\":2")),
                                      &property, &required),
                     MF_OK);
    expect(&pb_google_protobuf_Struct_type, property,
           "{\"default\":2,\"description\":\"a float\",\"format\":\"float\",\"type\":\"number\"}");
    variable.description = MF_STR("x");
    assert_int_equal(mf_conv_property(&c, MF_STR("x"), &variable, NULL, &property, &required), MF_OK);
    expect(&pb_google_protobuf_Struct_type, property, "{\"format\":\"float\",\"type\":\"number\"}");
}

/* A form that nobody has touched gives the literal it was made from. */
static void forms_give_back_literals(void **state)
{
    static const char *const rows[][2] = {
        {UNION_INT_FLOAT,
         "{\"scalar\":{\"union\":{\"value\":" PRIMITIVE(
             "\"floatValue\":2") ",\"type\":{\"simple\":\"FLOAT\",\"structure\":{\"tag\":\"float\"}}}}}"},
        {"{\"unionType\":{\"variants\":[{\"simple\":\"DATETIME\",\"structure\":{\"tag\":\"datetime\"}},{"
         "\"simple\":"
         "\"STRING\",\"structure\":{\"tag\":\"str\"}}]}}",
         "{\"scalar\":{\"union\":{\"value\":" PRIMITIVE(
             "\"stringValue\":\"2026-01-02T03:04:05Z\"") ",\"type\":{\"simple\":\"STRING\",\"structure\":{"
                                                         "\"tag\":\"str\"}}}}}"},
        {"{\"simple\":\"INTEGER\"}", PRIMITIVE("\"integer\":\"9007199254740993\"")},
        {"{\"simple\":\"STRUCT\",\"metadata\":{\"type\":\"object\",\"title\":\"D\",\"properties\":{\"a\":{"
         "\"type\":"
         "\"integer\"},\"f\":{\"type\":\"number\"}}}," MSGPACK "}",
         /* {"a": 2**63 - 1, "f": 2.0} */
         "{\"scalar\":{\"binary\":{\"value\":\"gqFhz3//////////oWbLQAAAAAAAAAA=\",\"tag\":\"msgpack\"}}}"},
        {"{\"blob\":{\"format\":\"csv\"}}",
         "{\"scalar\":{\"blob\":{\"metadata\":{\"type\":{\"format\":\"csv\"}},\"uri\":\"s3://b/x\"}}}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_conv c = conversion();
        struct pb_google_protobuf_Struct *property = NULL;
        struct pb_core_Variable variable = {.type = type_of(rows[i][0])};
        struct pb_core_Literal *literal = NULL;
        bool required = false;
        if (mf_conv_property(&c, MF_STR("x"), &variable, literal_of(rows[i][1]), &property, &required) !=
                MF_OK ||
            mf_conv_property_literal(&c, mf_value_object(arena, property), &literal) != MF_OK)
            fail_msg("%s", err.message);
        assert_non_null(literal);
        expect(&pb_core_Literal_type, literal, rows[i][1]);
    }
}

static void forms_without_values(void **state)
{
    static const struct {
        const char *property, *literal; /* NULL: none */
    } rows[] = {
        {"{\"type\":\"integer\"}", NULL},
        {"{\"type\":\"object\",\"format\":\"blob\",\"properties\":{\"uri\":{\"default\":\"\"},\"format\":{"
         "\"default\":\"\"},"
         "\"dimensionality\":{\"default\":\"SINGLE\"}}}",
         NULL},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"default\":1},\"b\":{"
         "\"properties\":{\"c\":"
         "{\"default\":\"x\"}}}}}",
         "{\"scalar\":{\"generic\":{\"a\":1,\"b\":{\"c\":\"x\"}}}}"},
        {"{\"type\":\"object\",\"required\":[\"b\"],\"properties\":{\"a\":{\"default\":1},\"b\":{}}}", NULL},
        {"{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"null\"}]}",
         "{\"scalar\":{\"union\":{\"value\":{\"scalar\":{\"noneType\":{}}},\"type\":{\"simple\":\"NONE\"}}}"
         "}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_conv c = conversion();
        struct pb_core_Literal *literal = NULL;
        assert_int_equal(mf_conv_property_literal(&c, value_of(rows[i].property), &literal), MF_OK);
        if (rows[i].literal)
            expect(&pb_core_Literal_type, literal, rows[i].literal);
        else
            assert_null(literal);
    }
}

/* ---- bounds ---- */

static void bounds_hold(void **state)
{
    struct mf_buf text = MF_BUF_INIT(0);
    struct pb_google_protobuf_Value *out = NULL;
    (void)state;
    for (int i = 0; i < 200; i++)
        mf_buf_add_char(&text, (char)0x91); /* lists within each other */
    mf_buf_add_char(&text, (char)0xc0);
    struct mf_conv c = conversion();
    assert_int_equal(mf_msgpack_to_json(&c, mf_buf_str(&text), &out), MF_INVALID_ARGUMENT);
    mf_buf_free(&text);
    c = conversion();
    c.steps = MF_CONV_STEPS;
    struct pb_core_Literal *literal = NULL;
    assert_int_equal(mf_conv_json_to_literal(&c, type_of(UNION_INT_FLOAT), value_of("1"), &literal),
                     MF_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "too large"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(types_are_schemas, setup, teardown),
        cmocka_unit_test_setup_teardown(titles_of_variants, setup, teardown),
        cmocka_unit_test_setup_teardown(odd_schemas, setup, teardown),
        cmocka_unit_test_setup_teardown(literals_are_values, setup, teardown),
        cmocka_unit_test_setup_teardown(other_spellings, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_values, setup, teardown),
        cmocka_unit_test_setup_teardown(literals_without_json, setup, teardown),
        cmocka_unit_test_setup_teardown(best_variant, setup, teardown),
        cmocka_unit_test_setup_teardown(measured_fragments, setup, teardown),
        cmocka_unit_test_setup_teardown(forms_give_back_literals, setup, teardown),
        cmocka_unit_test_setup_teardown(forms_without_values, setup, teardown),
        cmocka_unit_test_setup_teardown(bounds_hold, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
