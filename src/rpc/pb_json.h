/*
 * ProtoJSON: what its reader (pb_json_read.c) and writer (pb_json_write.c) share. For rpc/pb_json*.c only.
 *
 * The scanner walks JSON text without a tree: strings without escapes alias the text, nothing else is kept.
 * The text as a whole is checked to be UTF-8 before.
 */
#ifndef MF_RPC_PB_JSON_H
#define MF_RPC_PB_JSON_H

#include "rpc/pb_path.h"
#include "rpc/pb_table.h"

/* First of the bytes that cannot stand for themselves in a JSON string (quote, backslash, controls), or end.
 */
const char *pb_json_special(const char *at, const char *end);

/* ---- scanner ---- */

struct pb_json_scanner {
    struct mf_arena *arena; /* of unescaped strings and long numbers */
    const char *start;
    const char *at; /* where the next token begins, less white space */
    const char *end;
    struct mf_error *err;
};

enum pb_json_kind {
    PB_JSON_NONE, /* the end of the text, or nothing that begins a value */
    PB_JSON_OBJECT,
    PB_JSON_ARRAY,
    PB_JSON_STRING,
    PB_JSON_NUMBER,
    PB_JSON_TRUE,
    PB_JSON_FALSE,
    PB_JSON_NULL,
};

/* What the next value is, by its first byte; "nul" only turns out to be no value when it is taken. */
enum pb_json_kind pb_json_peek(struct pb_json_scanner *s);
/* "a string" */
const char *pb_json_kind_name(enum pb_json_kind kind);
/* Fills in the error "path: message (at byte 17)" and returns false. */
bool pb_json_fail(struct pb_json_scanner *s, const struct pb_path *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The error that the next value is not what was asked for ("a string"). */
bool pb_json_fail_kind(struct pb_json_scanner *s, const struct pb_path *path, const char *wanted);
/* Takes the punctuation if it is next; says nothing when it is not. */
bool pb_json_take(struct pb_json_scanner *s, char punctuation);
/* These return false with the error filled in. */
bool pb_json_string(struct pb_json_scanner *s, const struct pb_path *path, struct mf_str *out);
bool pb_json_number(struct pb_json_scanner *s, const struct pb_path *path, struct mf_str *token);
bool pb_json_word(struct pb_json_scanner *s, const struct pb_path *path, const char *word);
/* Checks and passes over one value of any kind. */
bool pb_json_skip(struct pb_json_scanner *s, const struct pb_path *path, unsigned depth);
/* Between the elements of an object or array. *more tells whether another follows. */
bool pb_json_next(struct pb_json_scanner *s, const struct pb_path *path, char close, bool *more);

/* ---- numbers ---- */

enum pb_json_integer {
    PB_JSON_INTEGER,
    PB_JSON_FRACTION,  /* not a whole number */
    PB_JSON_TOO_LARGE, /* beyond 64 bits */
    PB_JSON_NO_NUMBER, /* not written as JSON writes numbers */
};

/* The exact value of a number's text, be it "15e1" or "150.0". */
enum pb_json_integer pb_json_to_integer(struct mf_str token, bool *negative, uint64_t *magnitude);
/* False when the text is no JSON number, too large, or memory ran out. */
bool pb_json_to_double(struct mf_arena *arena, struct mf_str token, double *out);
bool pb_json_to_float(struct mf_arena *arena, struct mf_str token, float *out);
/* The shortest text that reads back as the same value; finite values only. out has room for PB_JSON_REAL_MAX.
 */
#define PB_JSON_REAL_MAX 32
size_t pb_json_from_double(double value, char *out);
size_t pb_json_from_float(float value, char *out);

/* ---- times, in the forms of ProtoJSON ---- */

#define PB_JSON_TIME_MAX 40
#define PB_SECONDS_MIN INT64_C(-62135596800)  /* 0001-01-01T00:00:00Z */
#define PB_SECONDS_MAX INT64_C(253402300799)  /* 9999-12-31T23:59:59Z */
#define PB_DURATION_MAX INT64_C(315576000000) /* seconds of about 10,000 years */

bool pb_json_to_timestamp(struct mf_str text, int64_t *seconds, int32_t *nanos);
bool pb_json_to_duration(struct mf_str text, int64_t *seconds, int32_t *nanos);
/* 0 when the value is out of range. out has room for PB_JSON_TIME_MAX. */
size_t pb_json_from_timestamp(int64_t seconds, int32_t nanos, char *out);
size_t pb_json_from_duration(int64_t seconds, int32_t nanos, char *out);

/* ---- special messages ---- */

/* google.protobuf.NullValue, whose one value is JSON's null. */
static inline bool pb_is_null_enum(const struct pb_enum *enumeration)
{
    return enumeration && enumeration->count == 1 &&
           strcmp(enumeration->name, "google.protobuf.NullValue") == 0;
}

/* Numbers of the fields of google.protobuf.Value. */
enum { PB_VALUE_NULL = 1, PB_VALUE_NUMBER, PB_VALUE_STRING, PB_VALUE_BOOL, PB_VALUE_STRUCT, PB_VALUE_LIST };

static inline const void *pb_at(const struct pb_field *field, const void *msg)
{
    return (const char *)msg + field->offset;
}

/* The type that a type URL names, or NULL. */
const struct pb_type *pb_json_any_type(struct mf_str url);

#endif
