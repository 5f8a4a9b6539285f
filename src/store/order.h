/*
 * The order of a list, made of the columns a client asked for and of those that tell rows apart, so that it
 * is total; and pages that begin after the last row of the page before, named by the values it was ordered
 * by. Such a page costs the same wherever it lies, and rows that come and go do not shift it.
 *
 *     mf_select_sql(select, "SELECT a, b");
 *     mf_order_columns(select, &order);        the values of the order, behind the entity's own columns
 *     mf_select_sql(select, " FROM t WHERE 1 = 1");
 *     mf_select_filters(…)
 *     mf_order_after(select, &order, page);    " AND (…)" when the page begins after a place
 *     mf_order_by(select, &order);
 *     mf_select_page(select, page);
 *     … step, and for each row mf_order_place(stmt, 2, &order, page, arena, &place)
 *
 * src/list/page.h reads such a page from a request and makes the token of the next one from the place.
 */
#ifndef MF_STORE_ORDER_H
#define MF_STORE_ORDER_H

#include "store/select.h"

/* How a kind of rows can be listed. */
struct mf_order_table {
    const struct mf_field *fields;
    size_t field_count;
    const struct mf_sort *default_sorts; /* when the client asks for none */
    size_t default_sort_count;
    const char *const *key; /* names of fields that tell rows apart, NULL at the end */
};

struct mf_order_key {
    const char *column;
    bool is_int;
    bool ascending;
};

struct mf_order {
    struct mf_order_key keys[MF_PLACE_KEYS_MAX];
    size_t key_count;
};

/* The key's fields follow the direction of the first sort. MF_INVALID_ARGUMENT for an unknown or repeated
 * field, too many of them, and for a place that does not fit. */
enum mf_code mf_order_plan(const struct mf_order_table *table, const struct mf_page *page,
                           struct mf_order *out, struct mf_error *err) MF_CHECK_RESULT;
void mf_order_columns(struct mf_select *select, const struct mf_order *order);
void mf_order_after(struct mf_select *select, const struct mf_order *order, const struct mf_page *page);
void mf_order_by(struct mf_select *select, const struct mf_order *order);
/* Reads the columns from the one with this number on; false when memory ran out. */
bool mf_order_place(struct mf_stmt *stmt, int column, const struct mf_order *order,
                    const struct mf_page *page, struct mf_arena *arena, struct mf_place *out) MF_CHECK_RESULT;

#endif
