/* A page of a list of runs or actions: as every list's, but its token names a place and not only an offset.
 * Pure. */
#ifndef MF_RUN_PAGE_H
#define MF_RUN_PAGE_H

#include "list/page.h"
#include "store/run_list.h"

struct mf_run_page {
    struct mf_page
        page; /* its limit is one row more than asked for, which tells whether there is another page */
    size_t limit;
    const struct mf_run_place *after;
};

/* request may be NULL. MF_INVALID_ARGUMENT for a token that is none. */
enum mf_code mf_run_page(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                         struct mf_run_page *out, struct mf_error *err) MF_CHECK_RESULT;

#endif
