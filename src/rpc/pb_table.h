/*
 * The tables that tools/ generates for every message, and the functions of the runtime that share them. For
 * rpc/pb_*.c and generated files only; everyone else uses rpc/pb.h.
 *
 * A message is a C struct; its table says where each field lies in it. All tables are constant.
 */
#ifndef MF_RPC_PB_TABLE_H
#define MF_RPC_PB_TABLE_H

#include "rpc/pb.h"

/* How a value looks on the wire and in memory. */
enum pb_kind {
    PB_BOOL, /* bool */
    PB_INT32,
    PB_SINT32,
    PB_FIXED32_SIGNED, /* sfixed32 */
    PB_ENUM,           /* int32_t */
    PB_UINT32,
    PB_FIXED32, /* uint32_t */
    PB_INT64,
    PB_SINT64,
    PB_FIXED64_SIGNED, /* sfixed64 */
    PB_UINT64,
    PB_FIXED64, /* uint64_t */
    PB_FLOAT,
    PB_DOUBLE,
    PB_STRING,  /* struct mf_str, UTF-8 */
    PB_BYTES,   /* struct mf_str */
    PB_MESSAGE, /* pointer */
};

enum pb_shape {
    PB_IMPLICIT, /* the default value means absent; messages: NULL */
    PB_OPTIONAL, /* a bool beside it tells */
    PB_ONEOF,    /* in a union; an int32_t case beside it tells */
    PB_REPEATED, /* struct { T *items; uint32_t count; uint32_t cap; } */
    PB_MAP,      /* the same, of pointers to entry messages with the fields key = 1 and value = 2 */
};

/* Messages that ProtoJSON writes in a form of their own. */
enum pb_special {
    PB_PLAIN,
    PB_TIMESTAMP,
    PB_DURATION,
    PB_FIELD_MASK,
    PB_ANY,
    PB_STRUCT,
    PB_VALUE,
    PB_LIST_VALUE,
    PB_WRAPPER, /* google.protobuf.StringValue and its like: the one field "value" */
};

struct pb_rule; /* rpc/pb_rule.h */

struct pb_enum_value {
    const char *name;
    int32_t number;
};

struct pb_enum {
    const char *name; /* full name */
    const struct pb_enum_value
        *values; /* in order of declaration; the first name of a number is the one written */
    uint32_t count;
};

struct pb_field {
    const char *name;      /* as in the .proto */
    const char *json_name; /* lowerCamel, or what json_name says */
    uint32_t number;
    uint8_t kind;                      /* enum pb_kind */
    uint8_t shape;                     /* enum pb_shape */
    bool packed;                       /* a repeated scalar is written packed; reading takes both forms */
    uint8_t oneof;                     /* of shape PB_ONEOF: index into the type's oneofs */
    uint32_t offset;                   /* of the value (PB_ONEOF: of the member in the union) */
    uint32_t has_offset;               /* PB_OPTIONAL: of the bool; PB_ONEOF: of the int32_t case */
    const struct pb_type *type;        /* PB_MESSAGE and PB_MAP (the entry); else NULL */
    const struct pb_enum *enumeration; /* PB_ENUM; else NULL */
    const struct pb_rule *rules;       /* what buf.validate asks of the field; NULL: nothing */
    uint32_t rule_count;
};

struct pb_oneof {
    const char *name;
    uint32_t case_offset;
    bool required; /* buf.validate.oneof.required */
};

struct pb_type {
    const char *name; /* full name, without a leading dot */
    uint32_t size;    /* of the C struct */
    uint32_t field_count;
    const struct pb_field *fields; /* by rising number */
    uint32_t dense;  /* fields[0 … dense-1] have the numbers 1 … dense, so that number-1 is their index */
    uint8_t special; /* enum pb_special */
    bool validated;  /* this message or one below it has rules; false spares the walk */
    uint16_t oneof_count;
    const struct pb_oneof *oneofs;
    const struct pb_rule *rules; /* of the message as a whole */
    uint32_t rule_count;
};

/* All generated types, sorted by name (byte order). Written by the generator. */
extern const struct pb_type *const pb_types[];
extern const size_t pb_type_count;

#define PB_DEPTH_MAX 100 /* nesting of messages that is accepted, reading and writing */

/* A repeated or map field as it lies in any struct. */
struct pb_list {
    void *items;
    uint32_t count;
    uint32_t cap;
};

/* NULL when the type has no such field. */
const struct pb_field *pb_field_by_number(const struct pb_type *type, uint32_t number);
/* Bytes that one value of the kind takes in memory. */
size_t pb_kind_size(enum pb_kind kind);
/* Whether the field holds something: has-bit, case, non-default value, or elements. */
bool pb_field_is_set(const struct pb_field *field, const void *msg);

#endif
