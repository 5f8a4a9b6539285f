/* A page of a list of runs or actions. Pure. */
#ifndef MF_RUN_PAGE_H
#define MF_RUN_PAGE_H

#include "list/page.h"

/* mf_page_open, and what clients are known to say wrongly put right. */
enum mf_code mf_run_page(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                         const struct mf_str *scope, size_t scope_count, struct mf_page *page, size_t *limit,
                         struct mf_error *err) MF_CHECK_RESULT;

#endif
