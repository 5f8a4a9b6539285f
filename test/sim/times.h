/*
 * The schedules of a simulation, and when they are due by brute force: every quarter of an hour of every day
 * is taken into the zone's local time and compared with the fields. Shares nothing with src/cron but the
 * zones' offsets.
 */
#ifndef MF_SIM_TIMES_H
#define MF_SIM_TIMES_H

#include "base/arena.h"
#include "cron/schedule.h"
#include "rng.h"

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define YEAR (365 * DAY)

struct times_month;

struct times {
    int64_t rate, start; /* a fixed rate, and @every; start 0: the baseline */
    uint64_t minutes;    /* a cron expression: bit n: n matches */
    uint32_t hours, month_days, months, week_days;
    bool any_month_day, any_week_day;
    const struct mf_zone *zone;
    char text[80];
    struct mf_str automation;  /* encoded */
    struct mf_schedule timing; /* as the product reads it; only for the audit */
    int64_t distance;          /* of two due times, on average */
    struct times_month **pages;
};

/* A random schedule for a simulation that begins at this instant. Ends the program when it cannot be made. */
void times_make(struct times *times, struct rng *rng, struct mf_zones *zones, struct mf_arena *arena,
                int64_t begin);
void times_free(struct times *times);

/* The first time after both instants; false when there is none for half a century. */
bool times_next(struct times *times, int64_t baseline, int64_t after, int64_t *next);
/* The last time that is after both instants and not after until. */
bool times_last(struct times *times, int64_t baseline, int64_t after, int64_t until, int64_t *last);

#endif
