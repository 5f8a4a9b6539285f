/*
 * Where a cached output comes from: kept in the metadata of the cache entry, so that an action that is given
 * it can say whose work it shows. Pure.
 */
#ifndef MF_EXEC_ORIGIN_H
#define MF_EXEC_ORIGIN_H

#include "store/action.h"

struct pb_common_CacheMetadata;

/* An encoded flyteidl2.cacheservice.Metadata that names the attempt and its task. */
enum mf_code mf_origin_write(struct mf_arena *arena, const struct mf_action_row *row, int32_t attempt,
                             struct mf_str *out, struct mf_error *err) MF_CHECK_RESULT;
/* NULL: the entry was put by somebody who does not say, or memory ran out. */
struct pb_common_CacheMetadata *mf_origin_read(struct mf_arena *arena, struct mf_str metadata);

#endif
