/*
 * What the parts of the translator share: one conversion and its bounds, JSON values as they are built and
 * looked at, and the places that an error names.
 *
 * JSON is google.protobuf.Value, whose numbers are doubles. Integers that a double cannot hold exactly are
 * written as strings of their digits, and such strings are read wherever an integer is wanted: a browser
 * would round them as numbers. Numbers that JSON has no form for are "NaN", "Infinity" and "-Infinity".
 *
 * Pure; any thread. Everything made lives in the conversion's arena and may alias what was given.
 */
#ifndef MF_TRANSLATE_CONVERT_H
#define MF_TRANSLATE_CONVERT_H

#include "gen/flyteidl2/core/interface.pb.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/core/types.pb.h"
#include "gen/google/protobuf/struct.pb.h"

#define MF_CONV_STEPS 20000000 /* values looked at and made, before a request is called too large */
#define MF_CONV_DEPTH 80       /* messages within each other, below those of the answer */

/* Messages that one level takes. */
#define MF_CONV_OBJECT 3
#define MF_CONV_LIST 2
#define MF_CONV_UNION 3

struct mf_conv_place {
    const struct mf_conv_place *up;
    struct mf_str name; /* .ptr NULL: an index */
    size_t index;
};

struct mf_conv {
    struct mf_arena *arena;
    struct mf_error *err;
    const struct mf_conv_place *place;
    size_t steps; /* taken */
    int depth;
};

/* "inputs.list[3]: message"; code is returned. */
enum mf_code mf_conv_fail(struct mf_conv *c, enum mf_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* MF_INVALID_ARGUMENT when the request is too large. */
enum mf_code mf_conv_step(struct mf_conv *c, size_t steps) MF_CHECK_RESULT;
/* One level down, by so many messages; MF_INVALID_ARGUMENT when that is too deep. place is filled by the
 * caller and must live until mf_conv_leave; NULL: the place stays. */
enum mf_code mf_conv_enter(struct mf_conv *c, struct mf_conv_place *place, int messages) MF_CHECK_RESULT;
void mf_conv_leave(struct mf_conv *c, struct mf_conv_place *place, int messages);

/* ---- JSON ---- */

/* NULL when memory ran out; given NULL, or a string without .ptr, they give NULL. */
struct pb_google_protobuf_Value *mf_value_null(struct mf_arena *arena);
struct pb_google_protobuf_Value *mf_value_bool(struct mf_arena *arena, bool value);
struct pb_google_protobuf_Value *mf_value_number(struct mf_arena *arena, double value);
struct pb_google_protobuf_Value *mf_value_integer(struct mf_arena *arena, int64_t value);
struct pb_google_protobuf_Value *mf_value_unsigned(struct mf_arena *arena, uint64_t value);
struct pb_google_protobuf_Value *mf_value_string(struct mf_arena *arena, struct mf_str value);
struct pb_google_protobuf_Value *mf_value_text(struct mf_arena *arena, const char *value);
struct pb_google_protobuf_Value *mf_value_object(struct mf_arena *arena,
                                                 struct pb_google_protobuf_Struct *fields);
struct pb_google_protobuf_Value *mf_value_list(struct mf_arena *arena,
                                               struct pb_google_protobuf_ListValue *items);
/* {"type": "null"}, which the launch form shows as no value. */
struct pb_google_protobuf_Value *mf_value_none(struct mf_arena *arena);

/* Adds a field at its place in the order of names, or replaces the one of that name. False when memory ran
 * out or value is NULL. */
bool mf_value_put(struct mf_arena *arena, struct pb_google_protobuf_Struct *object, const char *name,
                  struct pb_google_protobuf_Value *value);
/* Adds a field at the end. */
bool mf_value_append(struct mf_arena *arena, struct pb_google_protobuf_Struct *object, struct mf_str name,
                     struct pb_google_protobuf_Value *value);

/* Puts the fields in the order of their names. */
void mf_value_sort_fields(struct pb_google_protobuf_Struct *object);

/* These take NULL and values of another kind, and then give NULL or the empty string. */
const struct pb_google_protobuf_Value *mf_value_get(const struct pb_google_protobuf_Struct *object,
                                                    struct mf_str name);
const struct pb_google_protobuf_Value *mf_value_field(const struct pb_google_protobuf_Value *object,
                                                      const char *name);
struct pb_google_protobuf_Struct *mf_value_fields(const struct pb_google_protobuf_Value *value);
struct pb_google_protobuf_ListValue *mf_value_items(const struct pb_google_protobuf_Value *value);
struct mf_str mf_value_chars(const struct pb_google_protobuf_Value *value); /* .ptr NULL: no string */
/* null, {"type": "null"}, or no value at all. */
bool mf_value_is_null(const struct pb_google_protobuf_Value *value);
/* A whole number within 64 bits, or its digits. */
bool mf_value_to_integer(const struct pb_google_protobuf_Value *value, int64_t *out);
/* A number, or the name of one that JSON has no form for. */
bool mf_value_to_number(const struct pb_google_protobuf_Value *value, double *out);
/* "a string", for messages. */
const char *mf_value_kind(const struct pb_google_protobuf_Value *value);
/* A copy with the fields of every object in the order of their names. */
enum mf_code mf_value_sorted(struct mf_conv *c, const struct pb_google_protobuf_Value *value,
                             struct pb_google_protobuf_Value **out) MF_CHECK_RESULT;

/* ---- parts ---- */

/* Duration in the notation of Go: "-1h30m0.5s". */
struct mf_str mf_conv_duration_text(struct mf_arena *arena, int64_t seconds, int32_t nanos);
/* That, or digits alone, which are seconds. */
bool mf_conv_duration_parse(struct mf_str text, int64_t *seconds, int32_t *nanos);
/* RFC 3339; .ptr NULL when the time is outside of the years 1 to 9999 or memory ran out. */
struct mf_str mf_conv_time_text(struct mf_arena *arena, const struct pb_google_protobuf_Timestamp *time);
struct pb_google_protobuf_Timestamp *mf_conv_time_parse(struct mf_arena *arena, struct mf_str text);

/* The schema that the launch form shows for a type. MF_INVALID_ARGUMENT for types it has no form for. */
enum mf_code mf_conv_schema(struct mf_conv *c, const struct pb_core_LiteralType *type,
                            struct pb_google_protobuf_Struct **out) MF_CHECK_RESULT;
/* The type that a schema stands for. */
enum mf_code mf_conv_type(struct mf_conv *c, const struct pb_google_protobuf_Struct *schema,
                          struct pb_core_LiteralType **out) MF_CHECK_RESULT;

/* MF_UNIMPLEMENTED for literals that have no form in JSON. */
enum mf_code mf_conv_literal_to_json(struct mf_conv *c, const struct pb_core_Literal *literal,
                                     struct pb_google_protobuf_Value **out) MF_CHECK_RESULT;
enum mf_code mf_conv_json_to_literal(struct mf_conv *c, const struct pb_core_LiteralType *type,
                                     const struct pb_google_protobuf_Value *value,
                                     struct pb_core_Literal **out) MF_CHECK_RESULT;

/* How well a value suits a type: 0 not at all, 100 perfectly. MF_INVALID_ARGUMENT: the request is too
 * large. */
enum mf_code mf_conv_fit(struct mf_conv *c, const struct pb_core_LiteralType *type,
                         const struct pb_google_protobuf_Value *value, int *score) MF_CHECK_RESULT;
/* The variant of a union that suits best, the one its structure tag names before all others; NULL: none. */
enum mf_code mf_conv_variant(struct mf_conv *c, const struct pb_core_LiteralType *type,
                             const struct pb_google_protobuf_Value *value,
                             const struct pb_core_LiteralType **out) MF_CHECK_RESULT;
/* The variant that stands for no value; NULL: the type is no union or has none. */
const struct pb_core_LiteralType *mf_conv_null_variant(const struct pb_core_LiteralType *type);
bool mf_conv_is_simple(const struct pb_core_LiteralType *type, int32_t simple);
bool mf_conv_is_msgpack(
    const struct pb_core_LiteralType *type); /* a structure that the SDK keeps as msgpack */
enum mf_code mf_conv_none_literal(struct mf_conv *c, const struct pb_core_LiteralType *variant,
                                  struct pb_core_Literal **out) MF_CHECK_RESULT;

/* One field of a form: the schema with the literal (NULL: none) as its default. */
enum mf_code mf_conv_property(struct mf_conv *c, struct mf_str name, const struct pb_core_Variable *variable,
                              const struct pb_core_Literal *literal, struct pb_google_protobuf_Struct **out,
                              bool *required) MF_CHECK_RESULT;
/* The literal that a field of a form holds; NULL: none. */
enum mf_code mf_conv_property_literal(struct mf_conv *c, const struct pb_google_protobuf_Value *property,
                                      struct pb_core_Literal **out) MF_CHECK_RESULT;

#endif
