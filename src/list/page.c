#include "list/page.h"

#define FILTERS_MAX 50
#define SORTS_MAX 10

size_t mf_page_limit(uint32_t asked)
{
    if (asked == 0)
        return MF_PAGE_DEFAULT;
    return asked > MF_PAGE_MAX ? MF_PAGE_MAX : asked;
}

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
        return mf_fail(err, MF_INVALID_ARGUMENT, "request.sort_by_fields: more than %d", SORTS_MAX);
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

enum mf_code mf_page_filters(struct mf_arena *arena, struct pb_common_Filter *const *given, size_t count,
                             struct mf_page *page, struct mf_error *err)
{
    if (count > FILTERS_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "request.filters: more than %d", FILTERS_MAX);
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

enum mf_code mf_page_read(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                          struct mf_page *page, size_t *limit, struct mf_error *err)
{
    *page = (struct mf_page){0};
    *limit = mf_page_limit(request ? request->limit : 0);
    page->limit = *limit + 1;
    if (!request)
        return MF_OK;
    enum mf_code code = add_sorts(arena, request, page, err);
    return code == MF_OK ? mf_page_filters(arena, request->filters.items, request->filters.count, page, err)
                         : code;
}

enum mf_code mf_page_read_offset(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                                 struct mf_page *page, size_t *limit, struct mf_error *err)
{
    uint64_t offset = 0;
    enum mf_code code = mf_page_read(arena, request, page, limit, err);
    if (code != MF_OK || !request)
        return code;
    if (request->token.len > 0 && (!mf_str_to_u64(request->token, &offset) || offset > INT32_MAX))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "invalid token: \"%.*s\"; pass on what the page before has given",
                       MF_FMT(mf_str_take(request->token, 100)));
    page->offset = (size_t)offset;
    return MF_OK;
}
