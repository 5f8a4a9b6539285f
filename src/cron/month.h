/* Which days of a month an expression names. Pure; for this folder only. */
#ifndef MF_CRON_MONTH_H
#define MF_CRON_MONTH_H

#include "cron/cron.h"

struct mf_month {
    int64_t first; /* its first day, in days since 1970 */
    int64_t year;
    unsigned month; /* 1 to 12 */
    unsigned length;
};

/* The month with this day, counted since 1970; *day: 1 to 31. */
struct mf_month mf_month_of(int64_t days, unsigned *day);
struct mf_month mf_month_after(const struct mf_month *month);
/* Bit n: day n matches, by the fields of the days alone. */
uint32_t mf_month_days(const struct mf_month *month, const struct mf_cron *cron);
/* Whether the fields of month and year match. */
bool mf_month_counts(const struct mf_month *month, const struct mf_cron *cron);
/* The first year from this one on that counts; INT64_MAX: there is none. */
int64_t mf_month_year(const struct mf_cron *cron, int64_t from);

#endif
