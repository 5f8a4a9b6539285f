/*
 * What reading an expression costs, and finding the next time it fires.
 *
 *   cron-bench
 *
 * Prints for each expression and zone of a table: nanoseconds of the processor for one reading; nanoseconds
 * for the next time, where each search begins at the time found before (in a row) and where it begins
 * anywhere between 2026 and 2056 (anywhere); and millions of the latter a second.
 */
#include "cron/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BEGIN INT64_C(1767225600000000000) /* 2026 */
#define YEARS_30 INT64_C(946728000000000000)
#define REPEATS 200000

static const struct {
    const char *text, *zone;
} rows[] = {
    {"* * * * *", ""},
    {"*/15 * * * *", ""},
    {"0 9 * * *", ""},
    {"0 9 * * *", "Europe/Berlin"},
    {"*/15 9-17 * * MON-FRI", "America/New_York"},
    {"0 0 * * 0", "America/New_York"},
    {"0 0 1 * *", "Europe/Berlin"},
    {"0 0 1 1 *", "Europe/Berlin"},
    {"0 0 29 2 *", "Europe/Berlin"},
    {"0 0 13 * 5", "Asia/Kolkata"},
    {"30 2 * * *", "America/New_York"},
    {"*/10 * * * * *", "Europe/Berlin"},
    {"0 9 LW * *", "Europe/Berlin"},
    {"0 9 * * FRI#2", "America/New_York"},
    {"0 9 15W 3,6,9,12 *", ""},
    {"cron(0 9 ? * MON-FRI *)", "Europe/Berlin"},
    {"cron(0 9 ? * 2L 2026-2040/2)", "Europe/Berlin"},
    {"@daily", "Asia/Tokyo"},
    {"@every 90s", ""},
    {"rate(5 minutes)", ""},
};

/* Of the processor, so that others on the machine do not count. */
static int64_t spent_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static double per_parse(struct mf_zones *zones, size_t row, struct mf_cron *cron)
{
    struct mf_error err;
    int64_t begin = spent_ns();
    for (int i = 0; i < REPEATS; i++) {
        if (mf_cron_parse(zones, mf_str_from_c(rows[row].text), mf_str_from_c(rows[row].zone), cron, &err) ==
            MF_OK)
            continue;
        fprintf(stderr, "cron-bench: %s\n", err.message);
        exit(1);
    }
    return (double)(spent_ns() - begin) / REPEATS;
}

static int64_t anywhere(int i)
{
    return BEGIN + (int64_t)((uint64_t)i * UINT64_C(0x9e3779b97f4a7c15) % (uint64_t)YEARS_30);
}

static double per_next(const struct mf_schedule *schedule, bool in_a_row)
{
    int64_t at = BEGIN;
    int64_t sum = 0;
    int64_t begin = spent_ns();
    for (int i = 0; i < REPEATS; i++) {
        int64_t next = 0;
        if (!mf_schedule_next(schedule, 0, at, &next))
            next = BEGIN;
        sum += next;
        at = in_a_row && next < BEGIN + YEARS_30 ? next : anywhere(i);
    }
    double ns = (double)(spent_ns() - begin) / REPEATS;
    return sum == 0 ? 0 : ns; /* so that the search is not left out */
}

static double per_last(const struct mf_schedule *schedule)
{
    int64_t last = 0;
    int64_t sum = 0;
    int64_t begin = spent_ns();
    for (int i = 0; i < REPEATS / 10; i++)
        sum += mf_schedule_last(schedule, 0, BEGIN, anywhere(i), &last) ? last : 1;
    double ns = (double)(spent_ns() - begin) / (REPEATS / 10);
    return sum == 0 ? 0 : ns;
}

int main(void)
{
    struct mf_zones *zones = NULL;
    struct mf_error err;
    if (mf_zones_new(NULL, &zones, &err) != MF_OK) {
        fprintf(stderr, "cron-bench: %s\n", err.message);
        return 1;
    }
    printf("%zu bytes each\n%-30s %-18s %8s %10s %10s %8s %8s\n", sizeof(struct mf_cron), "expression",
           "zone", "parse ns", "in a row", "anywhere", "M/s", "last");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_schedule schedule = {0};
        double parse = per_parse(zones, i, &schedule.cron);
        double in_a_row = per_next(&schedule, true);
        double scattered = per_next(&schedule, false);
        printf("%-30s %-18s %8.0f %10.0f %10.0f %8.1f %8.0f\n", rows[i].text, rows[i].zone, parse, in_a_row,
               scattered, 1000 / scattered, per_last(&schedule));
    }
    mf_zones_free(zones);
    return 0;
}
