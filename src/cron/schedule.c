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

/* The times of a schedule that has them at equal distances: anchor + n * step, from a first n on. */
struct steps {
    int64_t anchor, step; /* step 0: it is no such schedule */
    int first_n;
};

static struct steps steps_of(const struct mf_schedule *schedule, int64_t baseline)
{
    if (schedule->rate_ns > 0 && schedule->start != 0)
        return (struct steps){floor_second(schedule->start), schedule->rate_ns, 0};
    return (struct steps){floor_second(baseline),
                          schedule->rate_ns > 0 ? schedule->rate_ns : schedule->cron.every_ns, 1};
}

/* The n of the last time at or before the instant; below first_n when there is none. Differences of two
 * instants may not fit 64 bits. */
static __int128 last_n(const struct steps *steps, int64_t at)
{
    __int128 distance = (__int128)at - steps->anchor;
    return distance < steps->first_n * (__int128)steps->step ? steps->first_n - 1 : distance / steps->step;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

bool mf_schedule_next(const struct mf_schedule *schedule, int64_t baseline, int64_t after, int64_t *next)
{
    struct steps steps = steps_of(schedule, baseline);
    if (steps.step == 0)
        return mf_cron_next_ever(&schedule->cron, later(after, baseline), next);
    __int128 at = steps.anchor + (last_n(&steps, later(after, baseline)) + 1) * steps.step;
    *next = (int64_t)at;
    return at <= INT64_MAX;
}

static bool next_until(const struct mf_cron *cron, int64_t after, int64_t until, int64_t *next)
{
    return mf_cron_next_ever(cron, after, next) && *next <= until;
}

/* Looks from further and further back until there is a time on the way, then halves what is left. */
static bool cron_last(const struct mf_cron *cron, int64_t after, int64_t until, int64_t *last)
{
    const uint64_t distance = (uint64_t)until - (uint64_t)after;
    int64_t bare = until; /* there is no time in (bare, until] */
    int64_t from = until;
    int64_t next = 0;
    for (uint64_t span = MINUTE;; span *= 2) {
        from = span < distance && span < INT64_MAX / 2 ? until - (int64_t)span : after;
        if (next_until(cron, from, until, last))
            break;
        if (from == after)
            return false;
        bare = from;
    }
    while (next_until(cron, *last, until, &next)) {
        int64_t middle = next + (int64_t)(((uint64_t)bare - (uint64_t)next) / 2);
        *last = next;
        if (next_until(cron, middle, until, &next))
            *last = next;
        else
            bare = middle;
    }
    return true;
}

bool mf_schedule_last(const struct mf_schedule *schedule, int64_t baseline, int64_t after, int64_t until,
                      int64_t *last)
{
    struct steps steps = steps_of(schedule, baseline);
    int64_t from = later(after, baseline);
    if (until <= from)
        return false;
    if (steps.step == 0)
        return cron_last(&schedule->cron, from, until, last);
    __int128 n = last_n(&steps, until);
    *last = (int64_t)(steps.anchor + n * steps.step);
    return n >= steps.first_n && *last > from;
}

uint64_t mf_schedule_count(const struct mf_schedule *schedule, int64_t baseline, int64_t after, int64_t until,
                           uint64_t limit)
{
    struct steps steps = steps_of(schedule, baseline);
    int64_t at = later(after, baseline);
    uint64_t count = 0;
    if (until <= at)
        return 0;
    if (steps.step > 0) {
        count = (uint64_t)(last_n(&steps, until) - last_n(&steps, at));
        return count < limit ? count : limit;
    }
    while (count < limit && next_until(&schedule->cron, at, until, &at))
        count++;
    return count;
}
