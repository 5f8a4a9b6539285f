/*
 * What buf.validate asks of a message, as constant tables that tools/rules.py writes and pb_validate walks.
 * For rpc/pb_*.c and generated files only.
 *
 * The rules of a field with presence count only while the field is set; those of a field without presence
 * always count, unless PB_RULE_SKIP_EMPTY stands beside them. PB_RULE_REQUIRED counts in either case.
 */
#ifndef MF_RPC_PB_RULE_H
#define MF_RPC_PB_RULE_H

#include <stdbool.h>
#include <stdint.h>

enum pb_rule_kind {
    PB_RULE_REQUIRED,
    PB_RULE_OPAQUE, /* the rules of the message in this field do not count here */
    /* Strings count code points, bytes count bytes: number is the limit. */
    PB_RULE_LEN,
    PB_RULE_MIN_LEN,
    PB_RULE_MAX_LEN,
    PB_RULE_PATTERN, /* pattern */
    PB_RULE_URI,     /* RFC 3986, with a scheme */
    /* Numbers: compared with number (unsigned kinds: its bits) or real; durations with number seconds, nanos.
     */
    PB_RULE_GT,
    PB_RULE_GTE,
    PB_RULE_LT,
    PB_RULE_LTE,
    PB_RULE_IN, /* set */
    PB_RULE_NOT_IN,
    PB_RULE_DEFINED_ONLY, /* the enum names the value */
    /* Lists and maps: number is the limit. */
    PB_RULE_MIN_ITEMS,
    PB_RULE_MAX_ITEMS,
    PB_RULE_UNIQUE,
    /* Those below hold between the fields of a message, and text says what is wrong. Fields are given by
       number. */
    PB_RULE_NEEDS,   /* when field a is set (and above real, if a is a double), field b must be set */
    PB_RULE_ANY_OF,  /* field a or field b is set */
    PB_RULE_ORDERED, /* integer a <= integer b */
    PB_RULE_ALONE,   /* a list of enums, a, that holds number holds nothing else */
};

enum pb_rule_target {
    PB_ON_FIELD,
    PB_ON_ITEM,  /* each element of a list */
    PB_ON_KEY,   /* each key of a map */
    PB_ON_VALUE, /* each value of a map */
};

/* The few shapes that the patterns of the protocol have: letters, digits and some more, in a range of length.
 */
struct pb_pattern {
    const char *regex; /* as the protocol writes it, for the message */
    const char *extra; /* characters that are allowed besides letters and digits */
    bool upper;        /* capital letters are allowed */
    bool edges;        /* the first and the last character must be a letter or a digit */
    uint32_t min_len;
    uint32_t max_len; /* 0: no bound */
};

struct pb_rule {
    uint8_t kind;    /* enum pb_rule_kind */
    uint8_t on;      /* enum pb_rule_target */
    bool skip_empty; /* does not count while the value is the default of its kind */
    uint8_t set_count;
    int32_t nanos;
    int64_t number;
    double real;
    const int32_t *set;
    const struct pb_pattern *pattern;
    const char *text;
    uint32_t a;
    uint32_t b;
};

#endif
