/*
 * flyteidl2.common.ListRequest as a page of the store: limit, order, filters and where it begins; the same
 * for every list. A handler does
 *
 *     const struct mf_str scope[] = {MF_STR("tasks"), project, domain};    what the list is of
 *     mf_page_open(arena, request->request, scope, 3, &page, &limit, err);
 *     … read page.limit rows (one more than limit) with store/order.h, keeping each row's place …
 *     if there were more than limit rows:
 *         response.token = mf_page_next(arena, &places[limit - 1]);        .ptr NULL: out of memory
 *
 * A token is good for the list it came from: the same scope, filters and order, another limit if one likes.
 * Decimal tokens are taken as offsets (page.offset), as other servers of this protocol make them.
 * Pure.
 */
#ifndef MF_LIST_PAGE_H
#define MF_LIST_PAGE_H

#include "gen/flyteidl2/common/list.pb.h"
#include "store/select.h"

#define MF_PAGE_DEFAULT 50
#define MF_PAGE_MAX 1000

/* Rows of a page for what a client asked: 0 means MF_PAGE_DEFAULT, and more than MF_PAGE_MAX is cut to that,
 * since the CLI passes on whatever a person typed and then follows the tokens. */
size_t mf_page_limit(uint32_t asked);
/* Everything of the request. The page's limit is one row more than asked for (*limit), which tells whether
 * there is another page. request may be NULL. Unknown fields are the store's matter. */
enum mf_code mf_page_open(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                          const struct mf_str *scope, size_t scope_count, struct mf_page *page, size_t *limit,
                          struct mf_error *err) MF_CHECK_RESULT;

/* The parts of mf_page_open, for requests of another form. */

/* Sets the filters of the page. MF_INVALID_ARGUMENT when there are too many. */
enum mf_code mf_page_filters(struct mf_arena *arena, struct pb_common_Filter *const *given, size_t count,
                             struct mf_page *page, struct mf_error *err) MF_CHECK_RESULT;
/* Everything of the request but its token. */
enum mf_code mf_page_read(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                          struct mf_page *page, size_t *limit, struct mf_error *err) MF_CHECK_RESULT;
/* Sets page->list from the scope and the page's filters and sorts, and where the page begins.
 * MF_INVALID_ARGUMENT for a token that is none, or another list's. */
enum mf_code mf_page_resume(struct mf_arena *arena, struct mf_str token, const struct mf_str *scope,
                            size_t scope_count, struct mf_page *page, struct mf_error *err) MF_CHECK_RESULT;
/* The token of the page that begins after the place; .ptr NULL when memory ran out. */
struct mf_str mf_page_next(struct mf_arena *arena, const struct mf_place *place);

#endif
