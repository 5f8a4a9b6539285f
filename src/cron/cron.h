/*
 * Cron expressions as Flyte's users write them: five fields, minute hour day-of-month month day-of-week.
 *
 * A field is a comma list of items: * or ? (all), N, N-M, each with an optional /step (N/step runs to the
 * field's end). Months may be jan..dec, days of the week sun..sat (0 to 6). When day-of-month or day-of-week
 * is "*" (or "?", and no step above 1) a day has to satisfy both fields, otherwise either is enough. Instead
 * of the fields: @yearly @annually @monthly @weekly @daily @midnight @hourly, or "@every 1h30m". A prefix
 * "TZ=name " or "CRON_TZ=name " gives the time zone, as the separate argument does; without either it is UTC.
 *
 * That much is the plain language, where each text means what it means to the reference, whose parser refuses
 * all of what follows:
 *
 *   7            as a day of the week is Sunday, alone or at either end of a range (5-7, 7-2)
 *   FRI-MON      a range may run over the end of its field: days of the week, months, hours, minutes, seconds
 *                (a step goes on counting there), days of the month (without a step: months differ in length)
 *   L L-3        day of month: the last day; three days before it. A month too short has no such day
 *   15W LW       day of month: the day from Monday to Friday that is nearest to the 15th, or to the last day,
 *                in the same month. A month without that number has no such day
 *   5L FRIL      day of week: the last Friday of the month
 *   5#2 FRI#2    day of week: the second Friday of the month, 1 to 5
 *
 * The last four are items of a list like any other (1,15,L is a union) but take neither range nor step. A
 * field made of them is not "*", so the rule of the two day fields holds as it stands. "L" alone is no day of
 * the week, since Saturday and Sunday are both called the last.
 *
 *   second minute hour day-of-month month day-of-week
 *                six fields: whole seconds count. "?" is for the two day fields only
 *   cron(minute hour day-of-month month day-of-week year)
 *                the form of AWS, which the protocol's definition speaks of: one of the day fields is "?" and
 *                the other is not, days of the week are 1 (SUN) to 7 (SAT), "L" alone is Saturday, the year
 *                is 1970 to 2199. Without "cron(…)" six fields are of this form when the third or the fifth
 *                is "?": with seconds first those would be the hour and the month
 *   rate(5 minutes)
 *                AWS as well: minute hour day, with an s unless the value is 1; the same as @every
 *
 * An expression fires at the whole minutes (or seconds) of its zone at which all fields match: local times
 * that a change of summer time leaves out do not fire, and those that occur twice fire twice.
 */
#ifndef MF_CRON_CRON_H
#define MF_CRON_CRON_H

#include "cron/zone.h"

#define MF_CRON_YEAR_MIN 1970
#define MF_CRON_YEAR_MAX 2199
/* No two days of a calendar that match one expression lie further apart: a leap day on one day of the week,
 * across a year like 2100 that is none. */
#define MF_CRON_YEARS_APART 40

/* Plain memory, small because there is one for each trigger; the zone belongs to the zones it was parsed
 * with. */
struct mf_cron {
    int64_t every_ns;           /* @every, rate(…); 0: the fields count */
    const struct mf_zone *zone; /* NULL: UTC */
    uint64_t seconds, minutes;  /* bit n: n matches */
    uint32_t hours, month_days;
    uint32_t month_ends; /* bit n: the n-th day before the last one */
    uint32_t near_days;  /* bit n: the working day nearest to the n-th; bit 0: to the last one */
    uint16_t months;
    uint8_t week_days;
    uint8_t last_week_days;       /* bit n: the last one of the month */
    uint8_t nth_week_days[5];     /* bit n of the k-th: the (k + 1)-th one of the month */
    bool any_month_day : 1;       /* the field is "*" */
    bool any_week_day : 1;        /* the same */
    bool has_years : 1;           /* years counts; else every year matches */
    bool has_specials : 1;        /* one of month_ends to nth_week_days is not empty */
    uint8_t years[(230 + 7) / 8]; /* bit n % 8 of the n / 8-th: MF_CRON_YEAR_MIN + n */
};

/* MF_INVALID_ARGUMENT says which field is wrong and what it may hold. Expressions that can never fire are
 * parsed; see mf_cron_is_possible. */
enum mf_code mf_cron_parse(struct mf_zones *zones, struct mf_str text, struct mf_str zone,
                           struct mf_cron *out, struct mf_error *err) MF_CHECK_RESULT;
/* Whether there is a day in some year that matches. Pure. */
bool mf_cron_is_possible(const struct mf_cron *cron);
/* The first time after this instant (nanoseconds since 1970); false when there is none before the end of the
 * fifth year after it, which is how far the reference looks, or, of an expression that names years, of the
 * last of them. Pure. */
bool mf_cron_next(const struct mf_cron *cron, int64_t after, int64_t *next);
/* The same as far as it takes: false when there is none at all. Pure. */
bool mf_cron_next_ever(const struct mf_cron *cron, int64_t after, int64_t *next);

/* Text of a duration as in "1h30m", "90s", "1.5h". False when it is none. Pure. */
bool mf_cron_duration(struct mf_str text, int64_t *ns);

#endif
