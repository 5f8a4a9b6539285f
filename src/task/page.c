#include "task/page.h"

#include "gen/flyteidl2/common/list.pb.h"

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
    struct mf_sort *sorts = mf_arena_array(arena, count, sizeof *sorts);
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

static enum mf_code add_filters(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                                struct mf_page *page, struct mf_error *err)
{
    size_t count = request->filters.count;
    if (count > FILTERS_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "more than %d filters", FILTERS_MAX);
    struct mf_filter *filters = mf_arena_array(arena, count, sizeof *filters);
    if (!filters)
        return mf_fail_memory(err);
    for (size_t i = 0; i < count; i++) {
        const struct pb_common_Filter *given = request->filters.items[i];
        filters[i] = (struct mf_filter){
            .function = given->function,
            .field = given->field,
            .values = given->values.items,
            .value_count = given->values.count,
        };
    }
    page->filters = filters;
    page->filter_count = count;
    return MF_OK;
}

enum mf_code mf_page_from_request(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                                  struct mf_page *page, size_t *limit, struct mf_error *err)
{
    uint64_t offset = 0;
    *page = (struct mf_page){0};
    *limit = MF_PAGE_DEFAULT;
    page->limit = *limit + 1;
    if (!request)
        return MF_OK;
    if (request->limit > MF_PAGE_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "invalid limit: %u (exceeds maximum of %d)", request->limit,
                       MF_PAGE_MAX);
    if (request->token.len > 0 && (!mf_str_to_u64(request->token, &offset) || offset > INT32_MAX))
        return mf_fail(err, MF_INVALID_ARGUMENT, "invalid token: \"%.*s\"",
                       MF_FMT(mf_str_take(request->token, 100)));
    if (request->limit > 0)
        *limit = request->limit;
    page->limit = *limit + 1;
    page->offset = (size_t)offset;
    enum mf_code code = add_sorts(arena, request, page, err);
    return code == MF_OK ? add_filters(arena, request, page, err) : code;
}
