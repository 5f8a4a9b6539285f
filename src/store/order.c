#include "store/order.h"

static const struct mf_field *find_field(const struct mf_order_table *table, struct mf_str name)
{
    for (size_t i = 0; i < table->field_count; i++) {
        if (mf_str_eq_c(name, table->fields[i].name))
            return &table->fields[i];
    }
    return NULL;
}

static bool has_column(const struct mf_order *order, const char *column)
{
    for (size_t i = 0; i < order->key_count; i++) {
        if (strcmp(order->keys[i].column, column) == 0)
            return true;
    }
    return false;
}

static enum mf_code add_key(struct mf_order *out, const struct mf_field *field, bool ascending,
                            struct mf_error *err)
{
    const char *column = field->sort_column ? field->sort_column : field->column;
    if (has_column(out, column))
        return MF_OK;
    if (out->key_count == MF_PLACE_KEYS_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "too many sort fields; sort by fewer");
    out->keys[out->key_count++] = (struct mf_order_key){column, field->type != MF_FIELD_TEXT, ascending};
    return MF_OK;
}

static enum mf_code check_place(const struct mf_order *order, const struct mf_place *place,
                                struct mf_error *err)
{
    bool fits = place->key_count == order->key_count;
    for (size_t i = 0; fits && i < order->key_count; i++)
        fits = place->keys[i].is_int == order->keys[i].is_int;
    return fits ? MF_OK
                : mf_fail(err, MF_INVALID_ARGUMENT,
                          "invalid token: it belongs to another list; begin again without one");
}

enum mf_code mf_order_plan(const struct mf_order_table *table, const struct mf_page *page,
                           struct mf_order *out, struct mf_error *err)
{
    const struct mf_sort *sorts = page->sort_count > 0 ? page->sorts : table->default_sorts;
    size_t count = page->sort_count > 0 ? page->sort_count : table->default_sort_count;
    enum mf_code code = MF_OK;
    *out = (struct mf_order){0};
    for (size_t i = 0; i < count && code == MF_OK; i++) {
        const struct mf_field *field = find_field(table, sorts[i].field);
        if (!field || field->is_filter_only)
            return mf_fail(err, MF_INVALID_ARGUMENT, "invalid sort field: %.*s",
                           MF_FMT(mf_str_take(sorts[i].field, 100)));
        code = add_key(out, field, sorts[i].ascending, err);
    }
    for (size_t i = 0; code == MF_OK && table->key[i]; i++) {
        const struct mf_field *field = find_field(table, mf_str_from_c(table->key[i]));
        code = field ? add_key(out, field, out->key_count > 0 && out->keys[0].ascending, err)
                     : mf_fail(err, MF_INTERNAL, "a list lacks its key");
    }
    return code == MF_OK && page->after ? check_place(out, page->after, err) : code;
}

void mf_order_columns(struct mf_select *select, const struct mf_order *order)
{
    for (size_t i = 0; i < order->key_count; i++) {
        mf_select_sql(select, ", ");
        mf_select_sql(select, order->keys[i].column);
    }
}

static void compare(struct mf_select *select, const struct mf_order *order, const struct mf_place *place,
                    size_t i, const char *sign)
{
    mf_select_sql(select, order->keys[i].column);
    mf_select_sql(select, sign);
    if (place->keys[i].is_int)
        mf_select_int(select, place->keys[i].number);
    else
        mf_select_text(select, place->keys[i].text);
}

/* The bound on the first column stands alone, so that an index on it is used. */
void mf_order_after(struct mf_select *select, const struct mf_order *order, const struct mf_page *page)
{
    const struct mf_place *place = page->after;
    if (!place)
        return;
    mf_select_sql(select, " AND ");
    compare(select, order, place, 0, order->keys[0].ascending ? " >= " : " <= ");
    mf_select_sql(select, " AND (");
    for (size_t i = 0; i < order->key_count; i++) {
        compare(select, order, place, i, order->keys[i].ascending ? " > " : " < ");
        if (i + 1 == order->key_count)
            break;
        mf_select_sql(select, " OR (");
        compare(select, order, place, i, " = ");
        mf_select_sql(select, " AND (");
    }
    for (size_t i = 1; i < order->key_count; i++)
        mf_select_sql(select, "))");
    mf_select_sql(select, ")");
}

void mf_order_by(struct mf_select *select, const struct mf_order *order)
{
    for (size_t i = 0; i < order->key_count; i++) {
        mf_select_sql(select, i == 0 ? " ORDER BY " : ", ");
        mf_select_sql(select, order->keys[i].column);
        mf_select_sql(select, order->keys[i].ascending ? " ASC" : " DESC");
    }
}

bool mf_order_place(struct mf_stmt *stmt, int column, const struct mf_order *order,
                    const struct mf_page *page, struct mf_arena *arena, struct mf_place *out)
{
    bool failed = false;
    *out = (struct mf_place){.list = page->list, .key_count = order->key_count};
    for (size_t i = 0; i < order->key_count; i++) {
        out->keys[i].is_int = order->keys[i].is_int;
        if (order->keys[i].is_int)
            out->keys[i].number = mf_col_int(stmt, column + (int)i);
        else
            out->keys[i].text = mf_col_copy(stmt, column + (int)i, arena, &failed);
    }
    return !failed;
}
