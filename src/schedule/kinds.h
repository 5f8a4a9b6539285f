/* Schedules as they are read: many triggers share one, so each is parsed and held once. Not thread-safe. */
#ifndef MF_SCHEDULE_KINDS_H
#define MF_SCHEDULE_KINDS_H

#include "cron/schedule.h"
#include "store/schedule.h"
#include "trigger/policy.h"

struct mf_kinds;

struct mf_kind {
    struct mf_schedule timing;
    struct mf_policy policy;
    size_t users;
};

/* seed: any random number. */
enum mf_code mf_kinds_new(struct mf_zones *zones, uint64_t seed, struct mf_kinds **out,
                          struct mf_error *err) MF_CHECK_RESULT;
void mf_kinds_free(struct mf_kinds *kinds); /* NULL is fine */
/* The timing and policy of the row; to be given back. MF_INVALID_ARGUMENT and MF_DATA_LOSS when the row
 * cannot be read. */
enum mf_code mf_kinds_take(struct mf_kinds *kinds, const struct mf_schedule_row *row, struct mf_kind **out,
                           struct mf_error *err) MF_CHECK_RESULT;
void mf_kinds_give(struct mf_kinds *kinds, struct mf_kind *kind); /* NULL is fine */

#endif
