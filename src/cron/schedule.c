#include "cron/schedule.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define MINUTE (60 * NS_PER_SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define RATE_MAX (36525 * DAY)

enum mf_code mf_schedule_rate(uint32_t value, int32_t unit, int64_t start, struct mf_schedule *out,
                              struct mf_error *err)
{
    static const int64_t units[] = {0, MINUTE, HOUR, DAY};
    *out = (struct mf_schedule){0};
    if (value == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "value must be greater than 0");
    if (unit < 1 || unit > 3)
        return mf_fail(err, MF_INVALID_ARGUMENT, "unit must be a minute, an hour or a day");
    if (value > RATE_MAX / units[unit])
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "value: a rate of more than a hundred years; choose a smaller one");
    out->rate_ns = value * units[unit];
    out->start = start;
    return MF_OK;
}

static int64_t floor_second(int64_t ns)
{
    int64_t rest = ns % NS_PER_SECOND;
    return ns - rest - (rest < 0 ? NS_PER_SECOND : 0);
}

/* The smallest anchor + n * step (n from first_n on) that is later. Differences of two instants may not fit.
 */
static bool step_after(int64_t anchor, int64_t step, int64_t first_n, int64_t later_than, int64_t *next)
{
    __int128 distance = (__int128)later_than - anchor;
    __int128 n = distance < 0 ? 0 : distance / step + 1;
    if (n < first_n)
        n = first_n;
    __int128 at = anchor + n * step;
    *next = (int64_t)at;
    return at <= INT64_MAX;
}

/* The largest anchor + n * step, n from first_n on, that is not later. */
static bool step_until(int64_t anchor, int64_t step, int64_t first_n, int64_t until, int64_t *last)
{
    __int128 distance = (__int128)until - anchor;
    __int128 n = distance < 0 ? -1 : distance / step;
    *last = (int64_t)(anchor + n * step);
    return n >= first_n;
}

/* Where a rate counts from and how far its times are apart; false: cron fields count. */
static bool rate_of(const struct mf_schedule *schedule, int64_t baseline, int64_t *anchor, int64_t *step,
                    int64_t *first_n)
{
    bool has_start = schedule->rate_ns > 0 && schedule->start != 0;
    *anchor = floor_second(has_start ? schedule->start : baseline);
    *step = schedule->rate_ns > 0 ? schedule->rate_ns : schedule->cron.every_ns;
    *first_n = !has_start;
    return *step > 0;
}

bool mf_schedule_next(const struct mf_schedule *schedule, int64_t baseline, int64_t after, int64_t *next)
{
    int64_t later_than = after > baseline ? after : baseline;
    int64_t anchor;
    int64_t step;
    int64_t first_n;
    if (rate_of(schedule, baseline, &anchor, &step, &first_n))
        return step_after(anchor, step, first_n, later_than, next);
    return mf_cron_next(&schedule->cron, later_than, next);
}

/* Halves the stretch that holds the last time: low is always one that is due, and from high on none is. */
static bool cron_last(const struct mf_cron *cron, int64_t after, int64_t until, int64_t *last)
{
    int64_t low;
    int64_t high = until;
    if (!mf_cron_next(cron, after, &low) || low > until)
        return false;
    while (high - low > NS_PER_SECOND) {
        int64_t middle = low + (high - low) / 2;
        int64_t next;
        if (mf_cron_next(cron, middle, &next) && next <= until)
            low = next;
        else
            high = middle;
    }
    if (mf_cron_next(cron, low, &high) && high <= until)
        low = high;
    *last = low;
    return true;
}

bool mf_schedule_last(const struct mf_schedule *schedule, int64_t baseline, int64_t after, int64_t until,
                      int64_t *last)
{
    int64_t later_than = after > baseline ? after : baseline;
    int64_t anchor;
    int64_t step;
    int64_t first_n;
    if (until <= later_than)
        return false;
    if (rate_of(schedule, baseline, &anchor, &step, &first_n))
        return step_until(anchor, step, first_n, until, last) && *last > later_than;
    return cron_last(&schedule->cron, later_than, until, last);
}
