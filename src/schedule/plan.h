/*
 * What is to be done next about one schedule: a pure function of where it stands and of the time. Whatever
 * lies between the last decided instant and now, a stopped server, a suspended machine, a clock that was set,
 * is the same to it.
 */
#ifndef MF_SCHEDULE_PLAN_H
#define MF_SCHEDULE_PLAN_H

#include "cron/schedule.h"
#include "store/fire.h"
#include "trigger/policy.h"

#define MF_PLAN_ITEMS 16 /* due times in one plan */

struct mf_plan_input {
    const struct mf_schedule *timing;
    const struct mf_policy *policy;
    int64_t offset_ns; /* mf_policy_offset */
    int64_t baseline_at;
    int64_t cursor_at;
    int64_t buffered_at;
    int64_t runs;
};

enum mf_plan_kind {
    MF_PLAN_WAIT,   /* nothing is due before wake_at */
    MF_PLAN_FIRE,   /* the items, in order */
    MF_PLAN_DROP,   /* every due time after the cursor up to and with until is given up, for the reason */
    MF_PLAN_REWIND, /* the clock was set back: what was decided after until has not come yet */
    MF_PLAN_NOTE,   /* not of mf_plan: a try has failed, and why is to be recorded */
};

struct mf_plan {
    enum mf_plan_kind kind;
    int64_t wake_at; /* INT64_MAX: never */
    int64_t items[MF_PLAN_ITEMS];
    size_t item_count;
    bool first_is_buffered; /* item 0 is the due time that waits for the end of a run */
    int64_t until;
    enum mf_gap_reason reason;
};

/* release: look whether the buffered due time can go, although nothing is due. most: items at most. */
void mf_plan(const struct mf_plan_input *input, int64_t now, bool release, size_t most, struct mf_plan *out);

#endif
