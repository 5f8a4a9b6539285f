#include "run/page.h"

/* The SDK asks for the actions of a single phase with a text in the place of a list, which arrives as its
 * characters: RECOVERED, which is 10, as "1" and "0". Nothing else equals two values; and as one of several,
 * they may be meant as they are. */
static const struct mf_str *mended(const struct mf_filter *filter, size_t *count)
{
    static const struct mf_str values[] = {
        {.ptr = "10", .len = 2}, {.ptr = "1", .len = 1}, {.ptr = "0", .len = 1}};
    if (filter->value_count != 2 || !mf_str_eq_c(filter->field, "phase") ||
        !mf_str_eq_c(filter->values[0], "1") || !mf_str_eq_c(filter->values[1], "0"))
        return NULL;
    *count = filter->function == MF_FILTER_EQUAL ? 1 : 3;
    return filter->function == MF_FILTER_EQUAL || filter->function == MF_FILTER_VALUE_IN ? values : NULL;
}

static enum mf_code mend_phases(struct mf_arena *arena, struct mf_page *page, struct mf_error *err)
{
    struct mf_filter *filters = mf_arena_array(arena, page->filter_count + 1, sizeof *filters);
    if (!filters)
        return mf_fail_memory(err);
    for (size_t i = 0; i < page->filter_count; i++) {
        size_t count = 0;
        const struct mf_str *values = mended(&page->filters[i], &count);
        filters[i] = page->filters[i];
        if (values) {
            filters[i].values = values;
            filters[i].value_count = count;
        }
    }
    page->filters = filters;
    return MF_OK;
}

enum mf_code mf_run_page(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                         const struct mf_str *scope, size_t scope_count, struct mf_page *page, size_t *limit,
                         struct mf_error *err)
{
    enum mf_code code = mf_page_read(arena, request, page, limit, err);
    if (code == MF_OK)
        code = mend_phases(arena, page, err);
    return code == MF_OK
               ? mf_page_resume(arena, request ? request->token : MF_STR_EMPTY, scope, scope_count, page, err)
               : code;
}
