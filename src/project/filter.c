#include "project/filter.h"

static const struct {
    const char *name;
    enum mf_filter_function function;
} functions[] = {
    {"eq", MF_FILTER_EQUAL},
    {"ne", MF_FILTER_NOT_EQUAL},
    {"contains", MF_FILTER_CONTAINS},
    {"value_in", MF_FILTER_VALUE_IN},
};

static struct mf_str trim(struct mf_str text)
{
    return mf_str_trim(text, MF_STR(" \t"));
}

/* Takes the text up to the separator off the front of rest. */
static struct mf_str next_part(struct mf_str *rest, char separator)
{
    size_t at = mf_str_find_char(*rest, separator);
    struct mf_str part = mf_str_take(*rest, at);
    *rest = at == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(*rest, at + 1);
    return trim(part);
}

static bool split_values(struct mf_arena *arena, struct mf_str text, struct mf_filter *filter)
{
    struct mf_str *values = mf_arena_array(arena, MF_SELECT_VALUES_MAX + 1, sizeof *values);
    filter->values = values;
    filter->value_count = 0;
    if (!values)
        return false;
    if (filter->function != MF_FILTER_VALUE_IN) {
        values[filter->value_count++] = trim(text);
        return true;
    }
    /* One value more than allowed is kept, so that the list refuses it. */
    while (text.len > 0 && filter->value_count <= MF_SELECT_VALUES_MAX) {
        struct mf_str value = next_part(&text, ';');
        if (value.len > 0)
            values[filter->value_count++] = value;
    }
    return true;
}

static enum mf_code parse_term(struct mf_arena *arena, struct mf_str term, struct mf_filter *filter,
                               struct mf_error *err)
{
    size_t open = mf_str_find_char(term, '(');
    size_t comma = mf_str_find_char(term, ',');
    if (open == SIZE_MAX || comma == SIZE_MAX || comma < open || !mf_str_ends(term, MF_STR(")")))
        return mf_fail(err, MF_INVALID_ARGUMENT, "invalid filter \"%.*s\"; write function(field, value)",
                       MF_FMT(mf_str_take(term, 100)));
    struct mf_str name = trim(mf_str_take(term, open));
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (!mf_str_eq_nocase(name, mf_str_from_c(functions[i].name)))
            continue;
        filter->function = (int32_t)functions[i].function;
        filter->field = trim(mf_str_make(term.ptr + open + 1, comma - open - 1));
        if (!split_values(arena, mf_str_make(term.ptr + comma + 1, term.len - comma - 2), filter))
            return mf_fail_memory(err);
        return MF_OK;
    }
    return mf_fail(err, MF_INVALID_ARGUMENT, "unsupported filter function: %.*s",
                   MF_FMT(mf_str_take(name, 100)));
}

enum mf_code mf_project_filters(struct mf_arena *arena, struct mf_str text, struct mf_filter **filters,
                                size_t *count, struct mf_error *err)
{
    *filters = NULL;
    *count = 0;
    if (trim(text).len == 0)
        return MF_OK;
    struct mf_filter *list = mf_arena_array(arena, MF_PROJECT_FILTERS_MAX, sizeof *list);
    if (!list)
        return mf_fail_memory(err);
    while (text.len > 0) {
        if (*count == MF_PROJECT_FILTERS_MAX)
            return mf_fail(err, MF_INVALID_ARGUMENT, "more than %d filters; send fewer",
                           MF_PROJECT_FILTERS_MAX);
        enum mf_code code = parse_term(arena, next_part(&text, '+'), &list[*count], err);
        if (code != MF_OK)
            return code;
        (*count)++;
    }
    *filters = list;
    return MF_OK;
}
