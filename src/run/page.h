/* flyteidl2.common.ListRequest as a page of a list of runs. Pure. */
#ifndef MF_RUN_PAGE_H
#define MF_RUN_PAGE_H

#include "gen/flyteidl2/common/list.pb.h"
#include "store/run_list.h"

#define MF_RUN_PAGE_DEFAULT 50
#define MF_RUN_PAGE_MAX 200

struct mf_run_page {
    struct mf_page
        page; /* its limit is one row more than asked for, which tells whether there is another page */
    size_t limit;
    const struct mf_run_place *after;
};

/* request may be NULL. MF_INVALID_ARGUMENT for a limit above MF_RUN_PAGE_MAX and a token that is none. */
enum mf_code mf_run_page(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                         struct mf_run_page *out, struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_run_filters(struct mf_arena *arena, struct pb_common_Filter *const *given, size_t count,
                            struct mf_page *page, struct mf_error *err) MF_CHECK_RESULT;

#endif
