#include "run/page.h"

#include "run/token.h"

#define FILTERS_MAX 50
#define SORTS_MAX 10

static enum mf_code add_sorts(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                              struct mf_page *page, struct mf_error *err)
{
    struct pb_common_Sort *const *given = request->sort_by_fields.items;
    size_t count = request->sort_by_fields.count;
    if (count == 0 && request->sort_by && request->sort_by->key.len > 0) {
        given = &request->sort_by;
        count = 1;
    }
    if (count > SORTS_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "more than %d sort fields", SORTS_MAX);
    struct mf_sort *sorts = mf_arena_array(arena, count + 1, sizeof *sorts);
    if (!sorts)
        return mf_fail_memory(err);
    for (size_t i = 0; i < count; i++) {
        sorts[i].field = given[i]->key;
        sorts[i].ascending = given[i]->direction == pb_common_Sort_ASCENDING;
    }
    page->sorts = sorts;
    page->sort_count = count;
    return MF_OK;
}

enum mf_code mf_run_filters(struct mf_arena *arena, struct pb_common_Filter *const *given, size_t count,
                            struct mf_page *page, struct mf_error *err)
{
    if (count > FILTERS_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "more than %d filters", FILTERS_MAX);
    struct mf_filter *filters = mf_arena_array(arena, count + 1, sizeof *filters);
    if (!filters)
        return mf_fail_memory(err);
    for (size_t i = 0; i < count; i++)
        filters[i] = (struct mf_filter){
            .function = given[i]->function,
            .field = given[i]->field,
            .values = given[i]->values.items,
            .value_count = given[i]->values.count,
        };
    page->filters = filters;
    page->filter_count = count;
    return MF_OK;
}

enum mf_code mf_run_page(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                         struct mf_run_page *out, struct mf_error *err)
{
    *out = (struct mf_run_page){.limit = MF_RUN_PAGE_DEFAULT};
    enum mf_code code = MF_OK;
    if (request && request->limit > MF_RUN_PAGE_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "invalid limit: %u (exceeds maximum of %d)", request->limit,
                       MF_RUN_PAGE_MAX);
    if (request && request->limit > 0)
        out->limit = request->limit;
    out->page.limit = out->limit + 1;
    if (!request)
        return MF_OK;
    code = mf_run_token_read(arena, request->token, &out->after, &out->page.offset, err);
    if (code == MF_OK)
        code = add_sorts(arena, request, &out->page, err);
    return code == MF_OK
               ? mf_run_filters(arena, request->filters.items, request->filters.count, &out->page, err)
               : code;
}
