/*
 * The token of a page: the place in a list where the next one begins, as text that only this server reads.
 * Decimal offsets are accepted as well. Pure.
 */
#ifndef MF_LIST_TOKEN_H
#define MF_LIST_TOKEN_H

#include "store/select.h"

/* .ptr NULL when memory ran out. */
struct mf_str mf_token_write(struct mf_arena *arena, const struct mf_place *place);
/* Sets either *after (to a new place) or *offset. MF_INVALID_ARGUMENT when it is no token. */
enum mf_code mf_token_read(struct mf_arena *arena, struct mf_str token, const struct mf_place **after,
                           size_t *offset, struct mf_error *err) MF_CHECK_RESULT;

#endif
