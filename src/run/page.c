#include "run/page.h"

#include "run/token.h"

/* The SDK takes a single phase apart when it asks for actions: RECOVERED, which is 10, comes as "1" and "0".
 * No action is in phase 0, so nobody else means these two. */
static bool is_spread(const struct mf_filter *filter)
{
    return filter->function == MF_FILTER_VALUE_IN && filter->value_count == 2 &&
           mf_str_eq_c(filter->field, "phase") && mf_str_eq_c(filter->values[0], "1") &&
           mf_str_eq_c(filter->values[1], "0");
}

static enum mf_code mend_phases(struct mf_arena *arena, struct mf_page *page, struct mf_error *err)
{
    static const struct mf_str recovered[] = {{.ptr = "10", .len = 2}};
    struct mf_filter *mended = mf_arena_array(arena, page->filter_count + 1, sizeof *mended);
    if (!mended)
        return mf_fail_memory(err);
    for (size_t i = 0; i < page->filter_count; i++) {
        mended[i] = page->filters[i];
        if (is_spread(&mended[i])) {
            mended[i].values = recovered;
            mended[i].value_count = 1;
        }
    }
    page->filters = mended;
    return MF_OK;
}

enum mf_code mf_run_page(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                         struct mf_run_page *out, struct mf_error *err)
{
    out->after = NULL;
    enum mf_code code = mf_page_read(arena, request, &out->page, &out->limit, err);
    if (code == MF_OK)
        code = mend_phases(arena, &out->page, err);
    return code == MF_OK && request
               ? mf_run_token_read(arena, request->token, &out->after, &out->page.offset, err)
               : code;
}
