#include "list/page.h"

#include "list/token.h"

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

static uint64_t mix(uint64_t hash, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        hash = (hash ^ (value >> (8 * i) & 255)) * UINT64_C(1099511628211);
    return hash;
}

static uint64_t mix_text(uint64_t hash, struct mf_str text)
{
    hash = mix(hash, text.len);
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(1099511628211);
    return hash;
}

/* Tells lists apart whose tokens are not good for one another. */
static uint64_t identity(const struct mf_page *page, const struct mf_str *scope, size_t scope_count)
{
    uint64_t hash = mix(UINT64_C(14695981039346656037), scope_count);
    for (size_t i = 0; i < scope_count; i++)
        hash = mix_text(hash, scope[i]);
    for (size_t i = 0; i < page->filter_count; i++) {
        const struct mf_filter *filter = &page->filters[i];
        hash = mix_text(mix(hash, (uint64_t)(int64_t)filter->function), filter->field);
        hash = mix(hash, filter->value_count);
        for (size_t value = 0; value < filter->value_count; value++)
            hash = mix_text(hash, filter->values[value]);
    }
    for (size_t i = 0; i < page->sort_count; i++)
        hash = mix_text(mix(hash, page->sorts[i].ascending ? 1001 : 1000), page->sorts[i].field);
    return hash;
}

enum mf_code mf_page_resume(struct mf_arena *arena, struct mf_str token, const struct mf_str *scope,
                            size_t scope_count, struct mf_page *page, struct mf_error *err)
{
    page->list = identity(page, scope, scope_count);
    enum mf_code code = mf_token_read(arena, token, &page->after, &page->offset, err);
    if (code == MF_OK && page->after && page->after->list != page->list)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "invalid token: it belongs to a list with another scope, other filters or another "
                       "order; begin again without one");
    return code;
}

enum mf_code mf_page_open(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                          const struct mf_str *scope, size_t scope_count, struct mf_page *page, size_t *limit,
                          struct mf_error *err)
{
    enum mf_code code = mf_page_read(arena, request, page, limit, err);
    return code == MF_OK
               ? mf_page_resume(arena, request ? request->token : MF_STR_EMPTY, scope, scope_count, page, err)
               : code;
}

struct mf_str mf_page_next(struct mf_arena *arena, const struct mf_place *place)
{
    return mf_token_write(arena, place);
}
