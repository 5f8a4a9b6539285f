/* The revisions of a trigger as an audit wants them (schedule/audit.h), read from the store. */
#ifndef MF_SCHEDULE_PAST_H
#define MF_SCHEDULE_PAST_H

#include "schedule/audit.h"

struct mf_past {
    struct mf_audit_revision *revisions;
    size_t count;
    bool is_whole; /* the last of them is the present one */
    /* How far they reach: up to there every due time has its revision, and the changes behind it that may
     * have dropped it are among them. INT64_MAX when is_whole. */
    int64_t until;
};

/* From the revision on that was in effect at the instant; a thousand at most, a fifth of them to look ahead.
 * A policy of before there were any, and a schedule that cannot be read, count as what is usual and as none.
 */
enum mf_code mf_past_read(struct mf_db *db, struct mf_arena *arena, struct mf_zones *zones,
                          const struct mf_trigger_key *key, int64_t from, struct mf_past *out,
                          struct mf_error *err) MF_CHECK_RESULT;

#endif
