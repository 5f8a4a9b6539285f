/* flyteidl2.common.ListRequest as a page of the store: limit, token, order and filters. Pure. */
#ifndef MF_TASK_PAGE_H
#define MF_TASK_PAGE_H

#include "store/select.h"

struct pb_common_ListRequest;

#define MF_PAGE_DEFAULT 50
#define MF_PAGE_MAX 200

/* request may be NULL. Limit 0 means MF_PAGE_DEFAULT; more than MF_PAGE_MAX is MF_INVALID_ARGUMENT, and so is
 * a token that is no offset. The page's limit is one row more than asked for, so that the caller sees whether
 * there is another page; *limit is what was asked for. */
enum mf_code mf_page_from_request(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                                  struct mf_page *page, size_t *limit, struct mf_error *err) MF_CHECK_RESULT;

#endif
