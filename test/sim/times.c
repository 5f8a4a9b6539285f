#include "times.h"

#include "base/time.h"
#include "gen/flyteidl2/task/common.pb.h"
#include "rpc/pb.h"
#include "trigger/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DAY_S INT64_C(86400)
#define QUARTER_S INT64_C(900)
#define PAGE_DAYS 32
#define PAGES 3300 /* from 1970 to 2259 */
#define PAGES_AHEAD (52 * 366 / PAGE_DAYS)

/* The due times of PAGE_DAYS days. */
struct times_month {
    size_t count;
    int64_t at[];
};

/* ---- by brute force ---- */

static bool day_matches(const struct times *times, int64_t days)
{
    int64_t year;
    unsigned month;
    unsigned day;
    mf_civil_from_days(days, &year, &month, &day);
    bool of_month = times->month_days >> day & 1;
    bool of_week = times->week_days >> (days + 4) % 7 & 1;
    if (!(times->months >> month & 1))
        return false;
    return times->any_month_day || times->any_week_day ? of_month && of_week : of_month || of_week;
}

static bool minute_matches(const struct times *times, int64_t local_s)
{
    int64_t of_day = local_s % DAY_S;
    return times->hours >> of_day / 3600 & 1 && times->minutes >> of_day / 60 % 60 & 1 &&
           day_matches(times, local_s / DAY_S);
}

static bool any_day_matches(const struct times *times, int64_t days)
{
    return day_matches(times, days - 1) || day_matches(times, days) || day_matches(times, days + 1);
}

/* Adds those of one quarter of an hour. */
static size_t add_quarter(const struct times *times, int64_t from_s, int64_t *at, size_t count)
{
    int64_t until;
    int32_t offset = mf_zone_offset(times->zone, from_s, &until);
    bool even = offset % QUARTER_S == 0 && until >= from_s + QUARTER_S;
    int64_t local = from_s + offset;
    if (even && (!(times->hours >> local % DAY_S / 3600 & 1) ||
                 !(times->minutes >> local % 3600 / 60 & 0x7fff) || !day_matches(times, local / DAY_S)))
        return count;
    for (int64_t s = from_s; s < from_s + QUARTER_S; s += 60) {
        if (minute_matches(times, s + mf_zone_offset(times->zone, s, &until)))
            at[count++] = s * SECOND;
    }
    return count;
}

static const struct times_month *page_of(struct times *times, int64_t number)
{
    static int64_t at[PAGE_DAYS * 24 * 60];
    struct times_month *page = times->pages[number];
    size_t count = 0;
    if (page)
        return page;
    for (int64_t day = number * PAGE_DAYS; day < (number + 1) * PAGE_DAYS; day++) {
        if (day < 1 || !any_day_matches(times, day))
            continue;
        for (int64_t s = day * DAY_S; s < (day + 1) * DAY_S; s += QUARTER_S)
            count = add_quarter(times, s, at, count);
    }
    page = malloc(sizeof *page + count * sizeof at[0]);
    if (!page)
        abort();
    page->count = count;
    memcpy(page->at, at, count * sizeof at[0]);
    times->pages[number] = page;
    return page;
}

/* How many of the page's times are not after this instant. */
static size_t rank(const struct times_month *page, int64_t at)
{
    size_t low = 0;
    size_t high = page->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (page->at[middle] <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int64_t page_number(int64_t at)
{
    int64_t number = at < 0 ? 0 : at / (PAGE_DAYS * DAY);
    return number < PAGES ? number : PAGES - 1;
}

static bool cron_next(struct times *times, int64_t after, int64_t *next)
{
    int64_t first = page_number(after);
    for (int64_t n = first; n < PAGES && n < first + PAGES_AHEAD; n++) {
        const struct times_month *page = page_of(times, n);
        size_t i = rank(page, after);
        if (i < page->count) {
            *next = page->at[i];
            return true;
        }
    }
    return false;
}

static bool cron_last(struct times *times, int64_t after, int64_t until, int64_t *last)
{
    for (int64_t n = page_number(until); n >= page_number(after); n--) {
        const struct times_month *page = page_of(times, n);
        size_t i = rank(page, until);
        if (i > 0) {
            *last = page->at[i - 1];
            return *last > after;
        }
    }
    return false;
}

/* The first time of a rate that is after the instant, and the one before it. */
static int64_t rate_after(const struct times *times, int64_t baseline, int64_t after)
{
    int64_t anchor = times->start != 0 ? times->start : baseline - baseline % SECOND + times->rate;
    return after < anchor ? anchor : anchor + ((after - anchor) / times->rate + 1) * times->rate;
}

bool times_next(struct times *times, int64_t baseline, int64_t after, int64_t *next)
{
    int64_t from = after > baseline ? after : baseline;
    if (times->rate == 0)
        return cron_next(times, from, next);
    *next = rate_after(times, baseline, from);
    return true;
}

bool times_last(struct times *times, int64_t baseline, int64_t after, int64_t until, int64_t *last)
{
    int64_t from = after > baseline ? after : baseline;
    if (until <= from)
        return false;
    if (times->rate == 0)
        return cron_last(times, from, until, last);
    *last = rate_after(times, baseline, until) - times->rate;
    return *last > from && *last >= (times->start != 0 ? times->start : 0);
}

/* ---- random ones ---- */

/* A way to write a field, and what it means. */
struct choice {
    const char *text;
    uint64_t bits;
    bool any;
};

static uint64_t every(unsigned step, unsigned from, unsigned to)
{
    uint64_t bits = 0;
    for (unsigned i = from; i <= to; i += step)
        bits |= UINT64_C(1) << i;
    return bits;
}

static const struct choice *pick(struct rng *rng, const struct choice *choices, size_t count)
{
    return &choices[rng_below(rng, (int64_t)count)];
}
#define PICK(rng, choices) pick(rng, choices, sizeof(choices) / sizeof((choices)[0]))

/* Some that hit the hour in which clocks are set. */
static const char *const zone_names[] = {
    "",
    "",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "America/St_Johns",
    "Africa/Casablanca",
    "Pacific/Apia",
    "America/Sao_Paulo",
};

static void make_fields(struct times *times, struct rng *rng, char *text, size_t size)
{
    const struct choice minutes[] = {
        {"0", 1, false},
        {"0", 1, false},
        {"30", UINT64_C(1) << 30, false},
        {"1,59", UINT64_C(1) << 1 | UINT64_C(1) << 59, false},
        {"*/20", every(20, 0, 59), false},
        {"5-10/2", every(2, 5, 10), false},
        {"*", every(1, 0, 59), true},
    };
    const struct choice hours[] = {
        {"0", 1, false},
        {"2", 1 << 2, false},
        {"1-3", 7 << 1, false},
        {"*/6", every(6, 0, 23), false},
        {"9", 1 << 9, false},
        {"23", 1 << 23, false},
        {"*", every(1, 0, 23), true},
    };
    const struct choice month_days[] = {
        {"*", every(1, 1, 31), true},      {"*", every(1, 1, 31), true},    {"1", 1 << 1, false},
        {"1,15", 1 << 1 | 1 << 15, false}, {"*/2", every(2, 1, 31), false}, {"31", UINT64_C(1) << 31, false},
        {"29", UINT64_C(1) << 29, false},
    };
    const struct choice months[] = {
        {"*", every(1, 1, 12), true},    {"*", every(1, 1, 12), true}, {"MAR,oct", 1 << 3 | 1 << 10, false},
        {"*/3", every(3, 1, 12), false}, {"1", 1 << 1, false},
    };
    const struct choice week_days[] = {
        {"*", every(1, 0, 6), true}, {"*", every(1, 0, 6), true}, {"?", every(1, 0, 6), true},
        {"SUN", 1, false},           {"MON-FRI", 31 << 1, false}, {"5", 1 << 5, false},
    };
    const struct choice *minute = PICK(rng, minutes);
    const struct choice *hour = PICK(rng, hours);
    const struct choice *month_day = PICK(rng, month_days);
    const struct choice *month = PICK(rng, months);
    const struct choice *week_day = PICK(rng, week_days);
    const struct choice leap_day[] = {{"29", 1 << 29, false}, {"2", 1 << 2, false}};
    if (rng_chance(rng, 3)) {
        month_day = &leap_day[0];
        month = &leap_day[1];
        week_day = &week_days[0];
    }
    times->minutes = minute->bits;
    times->hours = (uint32_t)hour->bits;
    times->month_days = (uint32_t)month_day->bits;
    times->months = (uint32_t)month->bits;
    times->week_days = (uint32_t)week_day->bits;
    times->any_month_day = month_day->any;
    times->any_week_day = week_day->any;
    snprintf(text, size, "%s %s %s %s %s", minute->text, hour->text, month_day->text, month->text,
             week_day->text);
}

static void make_cron(struct times *times, struct rng *rng, struct mf_zones *zones, struct pb_task_Cron *cron)
{
    struct mf_error err;
    const char *zone = zone_names[rng_below(rng, sizeof zone_names / sizeof zone_names[0])];
    char text[60];
    make_fields(times, rng, text, sizeof text);
    if (mf_zone_get(zones, mf_str_from_c(zone), &times->zone, &err) != MF_OK) {
        fprintf(stderr, "the simulation needs the time zones of the system: %s\n", err.message);
        exit(2);
    }
    snprintf(times->text, sizeof times->text, "%s%s%s", text, *zone ? " " : "", zone);
    cron->expression = mf_str_make(times->text, strlen(text));
    cron->timezone = mf_str_from_c(zone);
}

static void make_rate(struct times *times, struct rng *rng, int64_t begin, struct pb_task_FixedRate *rate,
                      struct pb_google_protobuf_Timestamp *start)
{
    static const int64_t units[] = {0, MINUTE, HOUR, DAY};
    rate->unit = (int32_t)rng_range(rng, 1, 3);
    rate->value = (uint32_t)rng_scale(rng, 1, rate->unit == 1 ? 3000 : 40);
    times->rate = rate->value * units[rate->unit];
    if (rng_chance(rng, 50)) {
        start->seconds = begin / SECOND + rng_range(rng, -400 * DAY_S, 400 * DAY_S);
        start->nanos = (int32_t)(rng_chance(rng, 30) ? rng_below(rng, SECOND) : 0);
        times->start = start->seconds * SECOND;
        rate->start_time = start;
    }
    snprintf(times->text, sizeof times->text, "rate %" PRIu32 " of unit %" PRId32 " from %" PRId64,
             rate->value, rate->unit, start->seconds);
}

static void make_every(struct times *times, struct rng *rng, struct pb_task_Cron *cron)
{
    int64_t minutes = rng_scale(rng, 1, 100000);
    times->rate = minutes * MINUTE;
    snprintf(times->text, sizeof times->text, "@every %" PRId64 "m", minutes);
    cron->expression = mf_str_from_c(times->text);
    cron->timezone = MF_STR_EMPTY;
}

static void measure(struct times *times, int64_t begin)
{
    int64_t at = begin;
    int64_t count = 0;
    times->distance = times->rate;
    while (times->rate == 0 && count < 1000 && times_next(times, 0, at, &at))
        count++;
    if (count > 0)
        times->distance = (at - begin) / count;
}

void times_make(struct times *times, struct rng *rng, struct mf_zones *zones, struct mf_arena *arena,
                int64_t begin)
{
    struct pb_google_protobuf_Timestamp start;
    struct pb_task_FixedRate rate;
    struct pb_task_Cron cron;
    struct pb_task_Schedule schedule;
    struct pb_task_TriggerAutomationSpec spec;
    struct mf_error err;
    memset(&start, 0, sizeof start);
    memset(&rate, 0, sizeof rate);
    memset(&cron, 0, sizeof cron);
    memset(&schedule, 0, sizeof schedule);
    memset(&spec, 0, sizeof spec);
    *times = (struct times){.pages = calloc(PAGES, sizeof(struct times_month *))};
    int kind = (int)rng_below(rng, 10);
    schedule.expression_case = kind < 2 ? pb_task_Schedule_tag_rate : pb_task_Schedule_tag_cron;
    if (kind < 2) {
        make_rate(times, rng, begin, &rate, &start);
        schedule.expression.rate = &rate;
    } else {
        if (kind == 2)
            make_every(times, rng, &cron);
        else
            make_cron(times, rng, zones, &cron);
        schedule.expression.cron = &cron;
    }
    spec.type = pb_task_TYPE_SCHEDULE;
    spec.automation_case = pb_task_TriggerAutomationSpec_tag_schedule;
    spec.automation.schedule = &schedule;
    if (!times->pages ||
        pb_encode(arena, &pb_task_TriggerAutomationSpec_type, &spec, &times->automation, &err) != MF_OK ||
        mf_automation_schedule(zones, &spec, &times->timing, &err) != MF_OK) {
        fprintf(stderr, "the schedule \"%s\" cannot be made: %s\n", times->text, err.message);
        exit(2);
    }
    measure(times, begin);
}

void times_free(struct times *times)
{
    for (size_t i = 0; i < PAGES; i++)
        free(times->pages[i]);
    free(times->pages);
}
