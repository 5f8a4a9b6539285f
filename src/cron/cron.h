/*
 * Cron expressions as Flyte's users write them: five fields, minute hour day-of-month month day-of-week.
 *
 * A field is a comma list of items: * or ? (all), N, N-M, each with an optional /step (N/step runs to the
 * field's end). Months may be jan..dec, days of the week sun..sat; 7 is no day, and ranges do not wrap. When
 * day-of-month or day-of-week is "*" (or "?", and no step above 1) a day has to satisfy both fields,
 * otherwise either is enough. Instead of the fields: @yearly @annually @monthly @weekly @daily @midnight
 * @hourly, or "@every 1h30m". A prefix "TZ=name " or "CRON_TZ=name " gives the time zone, as the separate
 * argument does; without either it is UTC.
 *
 * An expression fires at the whole minutes of its zone at which all fields match: local times that a change
 * of summer time leaves out do not fire, and those that occur twice fire twice.
 */
#ifndef MF_CRON_CRON_H
#define MF_CRON_CRON_H

#include "cron/zone.h"

/* Plain memory; the zone belongs to the zones it was parsed with. */
struct mf_cron {
    int64_t every_ns; /* @every; 0: the fields count */
    uint64_t minutes; /* bit n: n matches */
    uint32_t hours, month_days, months, week_days;
    bool any_month_day, any_week_day; /* the field is "*" */
    const struct mf_zone *zone;       /* NULL: UTC */
};

/* MF_INVALID_ARGUMENT says which field is wrong and what it may hold. Expressions that can never fire are
 * parsed; see mf_cron_is_possible. */
enum mf_code mf_cron_parse(struct mf_zones *zones, struct mf_str text, struct mf_str zone,
                           struct mf_cron *out, struct mf_error *err) MF_CHECK_RESULT;
/* Whether there is a day in some year that matches. Pure. */
bool mf_cron_is_possible(const struct mf_cron *cron);
/* The first time after this instant (nanoseconds since 1970); false when there is none before the end of the
 * fifth year after it. Pure. */
bool mf_cron_next(const struct mf_cron *cron, int64_t after, int64_t *next);

/* Text of a duration as in "1h30m", "90s", "1.5h". False when it is none. Pure. */
bool mf_cron_duration(struct mf_str text, int64_t *ns);

#endif
