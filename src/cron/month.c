#include "cron/month.h"

#include "base/time.h"

#define WEEK 7

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned length_of(int64_t year, unsigned month)
{
    static const unsigned char lengths[] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : lengths[month];
}

struct mf_month mf_month_of(int64_t days, unsigned *day)
{
    struct mf_month month = {0};
    mf_civil_from_days(days, &month.year, &month.month, day);
    month.first = days - *day + 1;
    month.length = length_of(month.year, month.month);
    return month;
}

struct mf_month mf_month_after(const struct mf_month *month)
{
    struct mf_month next = {
        .first = month->first + month->length,
        .year = month->year + (month->month == 12),
        .month = month->month == 12 ? 1 : month->month + 1,
    };
    next.length = length_of(next.year, next.month);
    return next;
}

/* Of the month's first day; 1970-01-01 was a Thursday. */
static unsigned weekday_of(const struct mf_month *month)
{
    int64_t rest = (month->first + 4) % WEEK;
    return (unsigned)(rest < 0 ? rest + WEEK : rest);
}

/* The days of the month, as bits from 1 on, that fall on one of these days of the week. */
static uint64_t on_weekdays(unsigned weekdays, unsigned weekday_first)
{
    uint64_t week = (weekdays | (uint64_t)weekdays << WEEK) >> weekday_first & 0x7f;
    return week * UINT64_C(0x10204081) << 1; /* five weeks, one after another */
}

static uint64_t days_between(unsigned first, unsigned last)
{
    return (UINT64_C(1) << (last + 1)) - (UINT64_C(1) << first);
}

/* The day from Monday to Friday nearest to this one, in the same month. */
static unsigned near_day(unsigned day, unsigned length, unsigned weekday_first)
{
    unsigned weekday = (weekday_first + day - 1) % WEEK;
    if (weekday == 6)
        return day == 1 ? 3 : day - 1;
    if (weekday == 0)
        return day == length ? day - 2 : day + 1;
    return day;
}

static uint64_t special_month_days(const struct mf_month *month, const struct mf_cron *cron, unsigned weekday)
{
    uint64_t days = 0;
    for (uint32_t left = cron->month_ends; left; left &= left - 1) {
        unsigned before = (unsigned)__builtin_ctz(left);
        if (before < month->length)
            days |= UINT64_C(1) << (month->length - before);
    }
    for (uint32_t left = cron->near_days; left; left &= left - 1) {
        unsigned day = (unsigned)__builtin_ctz(left);
        if (day <= month->length)
            days |= UINT64_C(1) << near_day(day == 0 ? month->length : day, month->length, weekday);
    }
    return days;
}

static uint64_t special_week_days(const struct mf_month *month, const struct mf_cron *cron, unsigned weekday)
{
    uint64_t days =
        on_weekdays(cron->last_week_days, weekday) & days_between(month->length - WEEK + 1, month->length);
    for (unsigned k = 0; k < sizeof cron->nth_week_days; k++)
        days |= on_weekdays(cron->nth_week_days[k], weekday) & days_between(k * WEEK + 1, k * WEEK + WEEK);
    return days;
}

uint32_t mf_month_days(const struct mf_month *month, const struct mf_cron *cron)
{
    unsigned weekday = weekday_of(month);
    uint64_t month_days = cron->month_days;
    uint64_t week_days = on_weekdays(cron->week_days, weekday);
    if (cron->has_specials) {
        month_days |= special_month_days(month, cron, weekday);
        week_days |= special_week_days(month, cron, weekday);
    }
    uint64_t days =
        cron->any_month_day || cron->any_week_day ? month_days & week_days : month_days | week_days;
    return (uint32_t)(days & days_between(1, month->length));
}

static bool year_counts(const struct mf_cron *cron, int64_t year)
{
    int64_t n = year - MF_CRON_YEAR_MIN;
    return !cron->has_years || (n >= 0 && year <= MF_CRON_YEAR_MAX && cron->years[n / 8] >> (n % 8) & 1);
}

bool mf_month_counts(const struct mf_month *month, const struct mf_cron *cron)
{
    return cron->months >> month->month & 1 && year_counts(cron, month->year);
}

int64_t mf_month_year(const struct mf_cron *cron, int64_t from)
{
    if (!cron->has_years)
        return from;
    for (int64_t year = from < MF_CRON_YEAR_MIN ? MF_CRON_YEAR_MIN : from; year <= MF_CRON_YEAR_MAX; year++) {
        if (year_counts(cron, year))
            return year;
    }
    return INT64_MAX;
}
