/*
 * A SELECT put together at run time: a fixed beginning, conditions that a client asked for, an order and a
 * page. Only columns of a table given by the entity can be named; what the client sends always travels as a
 * parameter. store/order.h has what orders the rows and lets a page begin after the one before.
 *
 * Belongs to one thread; its memory is the arena's. The first failure (memory) is remembered and reported by
 * mf_select_open.
 */
#ifndef MF_STORE_SELECT_H
#define MF_STORE_SELECT_H

#include "base/sys.h"
#include "store/db.h"

enum mf_field_type {
    MF_FIELD_TEXT,
    MF_FIELD_INT,
    MF_FIELD_BOOL, /* stored as 0 or 1; "true" and "false" on the wire */
    MF_FIELD_TIME, /* stored in nanoseconds; RFC 3339 on the wire */
};

/* A value that may be given by its name instead of its number. */
struct mf_field_name {
    const char *name;
    int64_t number;
};

/* What a client may filter and sort by. The members from names on may be left out. */
struct mf_field {
    const char *name;   /* on the wire */
    const char *column; /* an SQL expression; in a comparison NULL matches nothing */
    enum mf_field_type type;
    const struct mf_field_name *names; /* of an MF_FIELD_INT; ends with a name that is NULL */
    const char *sort_column; /* orders the rows where column would not (it must never be NULL); else NULL */
    bool is_unset_zero;      /* '' or 0 means that there is none, for EXISTS and NOT_EXISTS */
    bool is_filter_only;
    bool is_sort_only;
};

/* Numbers of flyteidl2.common.Filter.Function. */
enum mf_filter_function {
    MF_FILTER_EQUAL = 0,
    MF_FILTER_NOT_EQUAL = 1,
    MF_FILTER_GREATER_THAN = 2,
    MF_FILTER_GREATER_THAN_OR_EQUAL = 3,
    MF_FILTER_LESS_THAN = 4,
    MF_FILTER_LESS_THAN_OR_EQUAL = 5,
    MF_FILTER_CONTAINS = 6,
    MF_FILTER_VALUE_IN = 7,
    MF_FILTER_VALUE_NOT_IN = 9,
    MF_FILTER_ENDS_WITH = 12,
    MF_FILTER_NOT_ENDS_WITH = 13,
    MF_FILTER_CONTAINS_CASE_INSENSITIVE = 14,
    MF_FILTER_EXISTS = 15,
    MF_FILTER_NOT_EXISTS = 16,
};

struct mf_filter {
    int32_t function; /* enum mf_filter_function */
    struct mf_str field;
    const struct mf_str *values;
    size_t value_count;
};

struct mf_sort {
    struct mf_str field;
    bool ascending;
};

/* A place in a list: what the row there is ordered by. */
#define MF_PLACE_KEYS_MAX 12
struct mf_place_key {
    bool is_int;
    int64_t number;
    struct mf_str text;
};
struct mf_place {
    uint64_t list; /* identifies the list the place is in: its kind, scope, filters and order */
    uint64_t skip; /* rows behind it to pass over first, which an offset has left */
    struct mf_place_key keys[MF_PLACE_KEYS_MAX];
    size_t key_count;
};

/* One page of a list. */
struct mf_page {
    const struct mf_filter *filters; /* all must hold */
    size_t filter_count;
    const struct mf_sort *sorts;
    size_t sort_count;
    size_t limit;                 /* rows at most; 0: no bound */
    size_t offset;                /* rows to pass over, for tokens of other servers */
    const struct mf_place *after; /* the page begins after this place; NULL: at the beginning */
    uint64_t list;                /* see mf_place */
    /* Of lists that may be long (store/run_list.h); 0: none. */
    size_t sortable;          /* rows that may be read whole, to sort them */
    size_t budget;            /* rows that may be looked at */
    const struct mf_sys *sys; /* with a budget: the clock of until_ns; NULL: the time does not count */
    int64_t until_ns;         /* monotonic; then the look ends as if the budget were spent */
};

#define MF_SELECT_VALUES_MAX 200 /* values in one filter */
#define MF_SELECT_PARAMS_MAX 1000

struct mf_select;

struct mf_select *mf_select_new(struct mf_arena *arena); /* NULL when memory ran out */
void mf_select_sql(struct mf_select *select, const char *text);
/* Appends the parameter's place and remembers its value (not copied). */
void mf_select_text(struct mf_select *select, struct mf_str value);
void mf_select_int(struct mf_select *select, int64_t value);
/* MF_INVALID_ARGUMENT for a function that is not served, and for no or too many values. */
enum mf_code mf_filter_check(const struct mf_filter *filter, struct mf_error *err) MF_CHECK_RESULT;
/* " AND (…)" for each filter. MF_INVALID_ARGUMENT for an unknown field, a function that is not served, no or
 * too many values, or a value that is not of the field's type. */
enum mf_code mf_select_filters(struct mf_select *select, const struct mf_field *fields, size_t field_count,
                               const struct mf_page *page, struct mf_error *err) MF_CHECK_RESULT;
/* " LIMIT … OFFSET …". */
void mf_select_page(struct mf_select *select, const struct mf_page *page);
/* The statement with its parameters bound; end it with mf_stmt_done. */
enum mf_code mf_select_open(struct mf_select *select, struct mf_db *db, struct mf_stmt **out,
                            struct mf_error *err) MF_CHECK_RESULT;

#endif
