/*
 * When a trigger is due: a cron expression or a fixed rate, counted from an instant (the baseline) before
 * which nothing is due. Every step costs the same however long ago the baseline lies. Pure.
 */
#ifndef MF_CRON_SCHEDULE_H
#define MF_CRON_SCHEDULE_H

#include "cron/cron.h"

struct mf_schedule {
    int64_t rate_ns; /* fixed rate; 0: cron counts */
    int64_t start;   /* of a fixed rate, nanoseconds since 1970; 0: the baseline */
    struct mf_cron cron;
};

/* unit is a flyteidl2.task.FixedRateUnit. MF_INVALID_ARGUMENT for 0, an unknown unit, and more than a
 * century. */
enum mf_code mf_schedule_rate(uint32_t value, int32_t unit, int64_t start, struct mf_schedule *out,
                              struct mf_error *err) MF_CHECK_RESULT;
/* The first time after both instants at which the schedule is due, on a whole second; false when there is
 * none, ever. The times of a rate are start + n * rate from n = 0 on, or baseline + n * rate from n = 1 on
 * when it has no start. */
bool mf_schedule_next(const struct mf_schedule *schedule, int64_t baseline, int64_t after, int64_t *next);
/* The last time at which it is due that is after both instants and not after until; false when there is
 * none. The cost hardly grows with the distance, however many times lie in between. */
bool mf_schedule_last(const struct mf_schedule *schedule, int64_t baseline, int64_t after, int64_t until,
                      int64_t *last);
/* How many such times there are, or the limit if there are more; the cost grows with the answer. */
uint64_t mf_schedule_count(const struct mf_schedule *schedule, int64_t baseline, int64_t after, int64_t until,
                           uint64_t limit);

#endif
