#include "store/select.h"

#include "base/buf.h"
#include "base/time.h"

struct param {
    bool is_int;
    int64_t number;
    struct mf_str text;
};

struct mf_select {
    struct mf_arena *arena;
    struct mf_buf sql;
    struct param *params;
    size_t param_count;
    size_t param_cap;
    bool failed;
};

static void release(void *data)
{
    mf_buf_free(data);
}

struct mf_select *mf_select_new(struct mf_arena *arena)
{
    struct mf_select *select = MF_NEW(arena, struct mf_select);
    if (!select || !mf_arena_defer(arena, release, &select->sql))
        return NULL;
    select->arena = arena;
    return select;
}

void mf_select_sql(struct mf_select *select, const char *text)
{
    mf_buf_add_c(&select->sql, text);
}

static void add_param(struct mf_select *select, struct param param)
{
    if (select->param_count == select->param_cap) {
        size_t cap = select->param_cap > 0 ? select->param_cap * 2 : 8;
        void *grown = mf_arena_grow(select->arena, select->params, select->param_cap * sizeof param,
                                    cap * sizeof param);
        if (!grown || cap > 2 * MF_SELECT_PARAMS_MAX) {
            select->failed = true;
            return;
        }
        select->params = grown;
        select->param_cap = cap;
    }
    select->params[select->param_count++] = param;
    mf_buf_printf(&select->sql, "$%zu", select->param_count);
}

void mf_select_text(struct mf_select *select, struct mf_str value)
{
    add_param(select, (struct param){.text = value});
}

void mf_select_int(struct mf_select *select, int64_t value)
{
    add_param(select, (struct param){.is_int = true, .number = value});
}

static const struct mf_field *find_field(const struct mf_field *fields, size_t count, struct mf_str name)
{
    for (size_t i = 0; i < count; i++) {
        if (mf_str_eq_c(name, fields[i].name))
            return &fields[i];
    }
    return NULL;
}

static bool read_number(const struct mf_field *field, struct mf_str value, int64_t *number)
{
    for (const struct mf_field_name *name = field->names; name && name->name; name++) {
        if (mf_str_eq_c(value, name->name)) {
            *number = name->number;
            return true;
        }
    }
    return mf_str_to_i64(value, number);
}

/* Appends the value as a parameter of the field's type. */
static enum mf_code add_value(struct mf_select *select, const struct mf_field *field, struct mf_str value,
                              struct mf_error *err)
{
    int64_t number = 0;
    bool ok = true;
    switch (field->type) {
    case MF_FIELD_TEXT:
        if (!mf_utf8_valid(value.ptr, value.len) || mf_str_find_char(value, '\0') != SIZE_MAX)
            return mf_fail(err, MF_INVALID_ARGUMENT, "invalid filter value for %s: it is not a text",
                           field->name);
        mf_select_text(select, value);
        return MF_OK;
    case MF_FIELD_INT:
        ok = read_number(field, value, &number);
        break;
    case MF_FIELD_BOOL:
        ok = mf_str_eq_c(value, "true") || mf_str_eq_c(value, "false");
        number = mf_str_eq_c(value, "true");
        break;
    case MF_FIELD_TIME:
        ok = mf_time_parse_rfc3339(value, &number);
        break;
    }
    if (!ok) {
        static const char *const kinds[] = {"a text", "a whole number", "\"true\" or \"false\"",
                                            "a time as in 2026-01-02T03:04:05Z"};
        return mf_fail(err, MF_INVALID_ARGUMENT, "invalid filter value for %s: \"%.*s\" is not %s%s%s",
                       field->name, MF_FMT(mf_str_take(value, 100)), kinds[field->type],
                       field->names ? " or a name such as " : "", field->names ? field->names[1].name : "");
    }
    mf_select_int(select, number);
    return MF_OK;
}

static const char *comparison(int32_t function)
{
    switch (function) {
    case MF_FILTER_EQUAL:
        return " = ";
    case MF_FILTER_NOT_EQUAL:
        return " <> ";
    case MF_FILTER_GREATER_THAN:
        return " > ";
    case MF_FILTER_GREATER_THAN_OR_EQUAL:
        return " >= ";
    case MF_FILTER_LESS_THAN:
        return " < ";
    case MF_FILTER_LESS_THAN_OR_EQUAL:
        return " <= ";
    default:
        return NULL;
    }
}

/* replace() finds a text in the same way on both databases, where LIKE differs in case and wildcards. */
static void add_contains(struct mf_select *select, const struct mf_field *field, struct mf_str value,
                         bool any_case)
{
    const char *open = any_case ? "lower(" : "(";
    if (value.len == 0) {
        mf_select_sql(select, "1 = 1");
        return;
    }
    mf_buf_printf(&select->sql, "replace(%s%s), %s", open, field->column, open);
    mf_select_text(select, value);
    mf_buf_printf(&select->sql, "), '') <> %s%s)", open, field->column);
}

static void add_ends_with(struct mf_select *select, const struct mf_field *field, struct mf_str value,
                          bool negate)
{
    size_t chars = mf_utf8_count(value);
    if (chars == 0) {
        mf_select_sql(select, negate ? "1 = 0" : "1 = 1");
        return;
    }
    mf_buf_printf(&select->sql,
                  "%s(length(%s) >= %zu AND substr(%s, length(%s) - %zu) = ", negate ? "NOT " : "",
                  field->column, chars, field->column, field->column, chars - 1);
    mf_select_text(select, value);
    mf_select_sql(select, ")");
}

static enum mf_code add_list(struct mf_select *select, const struct mf_field *field,
                             const struct mf_filter *filter, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    mf_buf_printf(&select->sql, "%s%s (", field->column,
                  filter->function == MF_FILTER_VALUE_IN ? " IN" : " NOT IN");
    for (size_t i = 0; i < filter->value_count && code == MF_OK; i++) {
        mf_select_sql(select, i > 0 ? ", " : "");
        code = add_value(select, field, filter->values[i], err);
    }
    mf_select_sql(select, ")");
    return code;
}

static void add_exists(struct mf_select *select, const struct mf_field *field, bool exists)
{
    if (field->is_unset_zero)
        mf_buf_printf(&select->sql, "%s %s %s", field->column, exists ? "<>" : "=",
                      field->type == MF_FIELD_TEXT ? "''" : "0");
    else
        mf_buf_printf(&select->sql, "%s IS %sNULL", field->column, exists ? "NOT " : "");
}

static enum mf_code add_filter(struct mf_select *select, const struct mf_field *field,
                               const struct mf_filter *filter, struct mf_error *err)
{
    const char *sign = comparison(filter->function);
    if (sign) {
        mf_select_sql(select, field->column);
        mf_select_sql(select, sign);
        return add_value(select, field, filter->values[0], err);
    }
    switch (filter->function) {
    case MF_FILTER_VALUE_IN:
    case MF_FILTER_VALUE_NOT_IN:
        return add_list(select, field, filter, err);
    case MF_FILTER_EXISTS:
    case MF_FILTER_NOT_EXISTS:
        add_exists(select, field, filter->function == MF_FILTER_EXISTS);
        return MF_OK;
    default:
        break;
    }
    if (field->type != MF_FIELD_TEXT)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "failed to convert filters: %s is not a text; compare it instead", field->name);
    if (filter->function == MF_FILTER_CONTAINS || filter->function == MF_FILTER_CONTAINS_CASE_INSENSITIVE)
        add_contains(select, field, filter->values[0],
                     filter->function == MF_FILTER_CONTAINS_CASE_INSENSITIVE);
    else
        add_ends_with(select, field, filter->values[0], filter->function == MF_FILTER_NOT_ENDS_WITH);
    return MF_OK;
}

/* How many values the function takes; false when there is no such function. */
static bool takes(int32_t function, size_t *least, size_t *most)
{
    switch (function) {
    case MF_FILTER_EQUAL:
    case MF_FILTER_NOT_EQUAL:
    case MF_FILTER_GREATER_THAN:
    case MF_FILTER_GREATER_THAN_OR_EQUAL:
    case MF_FILTER_LESS_THAN:
    case MF_FILTER_LESS_THAN_OR_EQUAL:
    case MF_FILTER_CONTAINS:
    case MF_FILTER_ENDS_WITH:
    case MF_FILTER_NOT_ENDS_WITH:
    case MF_FILTER_CONTAINS_CASE_INSENSITIVE:
        *least = *most = 1;
        return true;
    case MF_FILTER_VALUE_IN:
    case MF_FILTER_VALUE_NOT_IN:
        *least = 1;
        *most = MF_SELECT_VALUES_MAX;
        return true;
    case MF_FILTER_EXISTS:
    case MF_FILTER_NOT_EXISTS:
        *least = 0;
        *most = MF_SELECT_VALUES_MAX; /* they mean nothing */
        return true;
    default:
        return false;
    }
}

enum mf_code mf_filter_check(const struct mf_filter *filter, struct mf_error *err)
{
    size_t least = 0;
    size_t most = 0;
    struct mf_str field = mf_str_take(filter->field, 100);
    if (!takes(filter->function, &least, &most))
        return mf_fail(err, MF_INVALID_ARGUMENT, "failed to convert filters: unsupported filter function: %d",
                       (int)filter->function);
    if (filter->value_count < least)
        return mf_fail(err, MF_INVALID_ARGUMENT, "failed to convert filters: filter %.*s has no values",
                       MF_FMT(field));
    if (filter->value_count > most && most == 1)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "failed to convert filters: filter %.*s takes one value; use VALUE_IN for several",
                       MF_FMT(field));
    if (filter->value_count > most)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "failed to convert filters: filter %.*s has more than %d values", MF_FMT(field),
                       MF_SELECT_VALUES_MAX);
    return MF_OK;
}

enum mf_code mf_select_filters(struct mf_select *select, const struct mf_field *fields, size_t field_count,
                               const struct mf_page *page, struct mf_error *err)
{
    for (size_t i = 0; i < page->filter_count; i++) {
        const struct mf_filter *filter = &page->filters[i];
        const struct mf_field *field = find_field(fields, field_count, filter->field);
        if (!field || field->is_sort_only)
            return mf_fail(err, MF_INVALID_ARGUMENT, "failed to convert filters: invalid filter field: %.*s",
                           MF_FMT(mf_str_take(filter->field, 100)));
        enum mf_code code = mf_filter_check(filter, err);
        if (code != MF_OK)
            return code;
        mf_select_sql(select, " AND (");
        code = add_filter(select, field, filter, err);
        mf_select_sql(select, ")");
        if (code != MF_OK)
            return code;
    }
    if (select->param_count > MF_SELECT_PARAMS_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "the filters hold more than %d values; send fewer",
                       MF_SELECT_PARAMS_MAX);
    return MF_OK;
}

void mf_select_page(struct mf_select *select, const struct mf_page *page)
{
    /* SQLite wants a LIMIT before an OFFSET; a bound beyond any table stands for none. */
    mf_select_sql(select, " LIMIT ");
    mf_select_int(select, page->limit > 0 ? (int64_t)page->limit : INT64_MAX);
    mf_select_sql(select, " OFFSET ");
    mf_select_int(select, (int64_t)page->offset);
}

enum mf_code mf_select_open(struct mf_select *select, struct mf_db *db, struct mf_stmt **out,
                            struct mf_error *err)
{
    if (select->failed || mf_buf_failed(&select->sql))
        return mf_fail_memory(err);
    enum mf_code code = mf_db_query_text(db, mf_buf_str(&select->sql), out, err);
    if (code != MF_OK)
        return code;
    for (size_t i = 0; i < select->param_count; i++) {
        const struct param *param = &select->params[i];
        if (param->is_int)
            mf_bind_int(*out, (int)i + 1, param->number);
        else
            mf_bind_text(*out, (int)i + 1, param->text);
    }
    return MF_OK;
}
