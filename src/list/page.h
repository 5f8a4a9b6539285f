/* flyteidl2.common.ListRequest as a page of the store: limit, order and filters, the same for every list.
 * Pure. */
#ifndef MF_LIST_PAGE_H
#define MF_LIST_PAGE_H

#include "gen/flyteidl2/common/list.pb.h"
#include "store/select.h"

#define MF_PAGE_DEFAULT 50
#define MF_PAGE_MAX 1000

/* Rows of a page for what a client asked: 0 means MF_PAGE_DEFAULT, and more than MF_PAGE_MAX is cut to that,
 * since the CLI passes on whatever a person typed and then follows the tokens. */
size_t mf_page_limit(uint32_t asked);
/* Sets the filters of the page. MF_INVALID_ARGUMENT when there are too many; unknown fields are the store's
 * matter. */
enum mf_code mf_page_filters(struct mf_arena *arena, struct pb_common_Filter *const *given, size_t count,
                             struct mf_page *page, struct mf_error *err) MF_CHECK_RESULT;
/* Everything of the request but its token. The page's limit is one row more than asked for (*limit), which
 * tells whether there is another page. request may be NULL. */
enum mf_code mf_page_read(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                          struct mf_page *page, size_t *limit, struct mf_error *err) MF_CHECK_RESULT;
/* The same for a list whose tokens are offsets in decimal. */
enum mf_code mf_page_read_offset(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                                 struct mf_page *page, size_t *limit, struct mf_error *err) MF_CHECK_RESULT;

#endif
