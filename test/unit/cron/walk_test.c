/* Against models that know nothing of calendars: they walk from one instant to the next and look whether it
 * matches. */
#include "testing.h"

#include "base/time.h"
#include "cron/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SECOND INT64_C(1000000000)
#define DAY (86400 * SECOND)
#define FIRST INT64_C(-9000000000000000000)

static int setup(void **state)
{
    struct mf_zones *zones = NULL;
    struct mf_error err;
    if (mf_zones_new(NULL, &zones, &err) != MF_OK)
        return -1;
    *state = zones;
    return 0;
}

static int teardown(void **state)
{
    mf_zones_free(*state);
    return 0;
}

static int64_t instant(const char *day)
{
    int64_t ns = 0;
    char full[40];
    snprintf(full, sizeof full, "%sT00:00:00Z", day);
    assert_true(mf_time_parse_rfc3339(mf_str_from_c(full), &ns));
    return ns;
}

static struct mf_cron parse(struct mf_zones *zones, const char *text, const char *zone)
{
    struct mf_cron cron;
    struct mf_error err;
    enum mf_code code = mf_cron_parse(zones, mf_str_from_c(text), mf_str_from_c(zone), &cron, &err);
    if (code != MF_OK)
        fail_msg("\"%s\" (%s): %s", text, zone, err.message);
    return cron;
}

/* ---- minute by minute, with the local times of the C library ---- */

struct local {
    unsigned char minute, hour, day, month, weekday;
    bool whole; /* a whole minute in the zone */
};

struct model {
    bool minutes[60], hours[24], days[32], months[13], weekdays[7];
    bool day_star, weekday_star;
};

static bool matches(const struct model *m, const struct local *l)
{
    bool both = m->day_star || m->weekday_star;
    bool day = m->days[l->day];
    bool weekday = m->weekdays[l->weekday];
    return l->whole && m->minutes[l->minute] && m->hours[l->hour] && m->months[l->month] &&
           (both ? day && weekday : day || weekday);
}

/* Appends a random field to text and marks what it means. */
static bool random_field(char *text, size_t size, int low, int high, int everything, bool *values)
{
    size_t used = strlen(text);
    int kind = rand() % everything;
    if (kind > 2) {
        for (int i = low; i <= high; i++)
            values[i] = true;
        snprintf(text + used, size - used, "%s ", kind % 2 ? "*" : "?");
        return true;
    }
    if (kind == 0) {
        int step = 2 + rand() % 7;
        for (int i = low; i <= high; i += step)
            values[i] = true;
        snprintf(text + used, size - used, "*/%d ", step);
        return false;
    }
    int a = low + rand() % (high - low + 1);
    int b = low + rand() % (high - low + 1);
    int begin = a < b ? a : b;
    int end = a < b ? b : a;
    int step = 1 + rand() % 3;
    if (kind == 1) {
        for (int i = begin; i <= end; i += step)
            values[i] = true;
        snprintf(text + used, size - used, "%d-%d/%d ", begin, end, step);
    } else {
        values[a] = values[b] = true;
        snprintf(text + used, size - used, "%d,%d ", a, b);
    }
    return false;
}

static struct local *local_times(const char *zone, time_t from, size_t count)
{
    struct local *times = calloc(count, sizeof *times);
    assert_non_null(times);
    setenv("TZ", zone, 1);
    tzset();
    for (size_t i = 0; i < count; i++) {
        time_t at = from + (time_t)i * 60;
        struct tm tm;
        assert_non_null(localtime_r(&at, &tm));
        times[i] = (struct local){(unsigned char)tm.tm_min,  (unsigned char)tm.tm_hour,
                                  (unsigned char)tm.tm_mday, (unsigned char)(tm.tm_mon + 1),
                                  (unsigned char)tm.tm_wday, tm.tm_sec == 0};
    }
    return times;
}

static void plain_expressions_agree_with_a_walk(void **state)
{
    static const struct {
        const char *zone, *from;
    } windows[] = {
        {"America/New_York", "2026-02-25"},
        {"America/New_York", "2026-10-20"},
        {"Australia/Lord_Howe", "2026-03-20"},
        {"Africa/Casablanca", "2026-02-01"},
        {"Asia/Kathmandu", "2026-01-01"},
        {"America/Sao_Paulo", "2018-10-25"},
        {"Europe/Dublin", "2050-10-15"},
        {"Pacific/Apia", "2011-12-20"},
        {"Antarctica/Troll", "2026-03-15"},
        {"America/St_Johns", "2006-10-20"},
        {"UTC", "2024-02-20"},
    };
    enum { MINUTES = 30 * 1440, EXPRESSIONS = 25 };
    srand(20261125);
    for (size_t w = 0; w < sizeof windows / sizeof windows[0]; w++) {
        int64_t from = instant(windows[w].from);
        struct local *times = local_times(windows[w].zone, (time_t)(from / SECOND), MINUTES);
        for (int k = 0; k < EXPRESSIONS; k++) {
            struct model m = {0};
            char text[200] = "";
            (void)random_field(text, sizeof text, 0, 59, 4, m.minutes);
            (void)random_field(text, sizeof text, 0, 23, 6, m.hours);
            m.day_star = random_field(text, sizeof text, 1, 31, 6, m.days);
            (void)random_field(text, sizeof text, 1, 12, 12, m.months);
            m.weekday_star = random_field(text, sizeof text, 0, 6, 6, m.weekdays);
            struct mf_cron cron = parse(*state, text, windows[w].zone);
            int64_t at = from - 1;
            int64_t next = 0;
            for (size_t i = 0; i < MINUTES; i++) {
                if (!matches(&m, &times[i]))
                    continue;
                if (!mf_cron_next(&cron, at, &next) || next != from + (int64_t)i * 60 * SECOND)
                    fail_msg("%s \"%s\": after %lld comes %lld, not %lld", windows[w].zone, text,
                             (long long)at, (long long)next, (long long)(from + (int64_t)i * 60 * SECOND));
                at = next;
            }
            assert_true(!mf_cron_next(&cron, at, &next) || next >= from + (int64_t)MINUTES * 60 * SECOND);
        }
        free(times);
    }
}

/* ---- second by second ---- */

static void seconds_agree_with_a_walk(void **state)
{
    static const struct {
        const char *zone;
        int64_t from;
    } windows[] = {
        {"America/New_York", 1793505600},    /* 2026-11-01T04:00Z: an hour twice */
        {"Australia/Lord_Howe", 1775311200}, /* half an hour twice */
        {"Africa/Monrovia", 63590000},       /* 1972: an offset with seconds ends */
    };
    enum { SECONDS = 4 * 3600, EXPRESSIONS = 60 };
    srand(20261126);
    for (size_t w = 0; w < sizeof windows / sizeof windows[0]; w++) {
        setenv("TZ", windows[w].zone, 1);
        tzset();
        for (int k = 0; k < EXPRESSIONS; k++) {
            bool seconds[60] = {false};
            bool minutes[60] = {false};
            bool hours[24] = {false};
            char text[200] = "";
            char full[220];
            (void)random_field(text, sizeof text, 0, 59, 3, seconds);
            (void)random_field(text, sizeof text, 0, 59, 3, minutes);
            (void)random_field(text, sizeof text, 0, 23, 3, hours);
            snprintf(full, sizeof full, "%s* * *", text);
            struct mf_cron cron = parse(*state, full, windows[w].zone);
            int64_t at = windows[w].from * SECOND - 1;
            int64_t next = 0;
            for (time_t t = windows[w].from; t < windows[w].from + SECONDS; t++) {
                struct tm tm;
                assert_non_null(localtime_r(&t, &tm));
                if (!seconds[tm.tm_sec] || !minutes[tm.tm_min] || !hours[tm.tm_hour])
                    continue;
                if (!mf_cron_next(&cron, at, &next) || next != t * SECOND)
                    fail_msg("%s \"%s\": after %lld comes %lld, not %lld", windows[w].zone, full,
                             (long long)at, (long long)next, (long long)t * SECOND);
                at = next;
            }
            assert_true(!mf_cron_next(&cron, at, &next) || next >= (windows[w].from + SECONDS) * SECOND);
        }
    }
}

/* ---- day by day, 1970 to 2100 ---- */

struct date {
    int year, month, day, weekday, length;
};

enum item_kind { NUMBER, WRAPPED, BEFORE_LAST, NEAR, NEAR_LAST, LAST_OF, NTH_OF };

struct item {
    enum item_kind kind;
    int a, b;
};

static bool in_wrapped(int value, int a, int b)
{
    return a <= b ? value >= a && value <= b : value >= a || value <= b;
}

/* Of the days from Monday to Friday in the month the one with the smallest distance. */
static int nearest(const struct date *date, int to)
{
    int best = -100;
    for (int day = 1; day <= date->length; day++) {
        int weekday = ((date->weekday + day - date->day) % 7 + 7) % 7;
        if (weekday >= 1 && weekday <= 5 && abs(day - to) < abs(best - to))
            best = day;
    }
    return best;
}

static bool item_matches(const struct item *item, int value, const struct date *date)
{
    switch (item->kind) {
    case NUMBER:
        return value == item->a;
    case WRAPPED:
        return in_wrapped(value, item->a, item->b);
    case BEFORE_LAST:
        return date->day == date->length - item->a;
    case NEAR:
        return item->a <= date->length && date->day == nearest(date, item->a);
    case NEAR_LAST:
        return date->day == nearest(date, date->length);
    case LAST_OF:
        return date->weekday == item->a && date->day + 7 > date->length;
    case NTH_OF:
        return date->weekday == item->a && (date->day - 1) / 7 + 1 == item->b;
    default:
        return false;
    }
}

static struct item random_month_day(char *text, size_t size)
{
    struct item item = {(enum item_kind)(rand() % LAST_OF), 1 + rand() % 31, 1 + rand() % 31};
    if (item.kind == NUMBER)
        snprintf(text, size, "%d", item.a);
    else if (item.kind == WRAPPED)
        snprintf(text, size, "%d-%d", item.a, item.b);
    else if (item.kind == BEFORE_LAST && --item.a > 0)
        snprintf(text, size, "L-%d", item.a);
    else if (item.kind == NEAR)
        snprintf(text, size, "%dW", item.a);
    else
        snprintf(text, size, item.kind == NEAR_LAST ? "LW" : "L");
    return item;
}

/* from: what Sunday is called, 0 or, in the form of AWS, 1. */
static struct item random_week_day(char *text, size_t size, int from)
{
    static const enum item_kind kinds[] = {NUMBER, WRAPPED, LAST_OF, NTH_OF};
    struct item item = {.kind = kinds[rand() % 4], .a = rand() % 7};
    item.b = item.kind == NTH_OF ? 1 + rand() % 5 : rand() % 7;
    int shown = item.a == 0 && from == 0 && rand() % 2 ? 7 : item.a + from;
    if (item.kind == NUMBER)
        snprintf(text, size, "%d", shown);
    else if (item.kind == WRAPPED)
        snprintf(text, size, "%d-%d", shown, item.b + from);
    else if (item.kind == LAST_OF)
        snprintf(text, size, "%dL", shown);
    else
        snprintf(text, size, "%d#%d", shown, item.b);
    return item;
}

enum { ITEMS = 2 };

struct days {
    char text[120];
    struct item month_day[ITEMS], week_day[ITEMS];
    bool any_month_day, any_week_day;
    int month_from, month_to, year_from, year_step; /* year_step 0: all years */
};

static struct days random_days(void)
{
    struct days days = {.month_from = 1 + rand() % 12, .month_to = 1 + rand() % 12};
    char month_day[2][20];
    char week_day[2][20];
    char first[50] = "?";
    char second[50] = "?";
    bool aws = rand() % 3 == 0;
    days.any_month_day = aws ? rand() % 2 : rand() % 3 == 0;
    days.any_week_day = aws ? !days.any_month_day : rand() % 3 == 0;
    for (int i = 0; i < ITEMS; i++) {
        days.month_day[i] = random_month_day(month_day[i], sizeof month_day[i]);
        days.week_day[i] = random_week_day(week_day[i], sizeof week_day[i], aws);
    }
    if (!days.any_month_day)
        snprintf(first, sizeof first, "%s,%s", month_day[0], month_day[1]);
    if (!days.any_week_day)
        snprintf(second, sizeof second, "%s,%s", week_day[0], week_day[1]);
    if (aws) {
        days.year_from = 1970 + rand() % 100;
        days.year_step = 1 + rand() % 9;
        snprintf(days.text, sizeof days.text, "cron(0 0 %s %d-%d %s %d/%d)", first, days.month_from,
                 days.month_to, second, days.year_from, days.year_step);
    } else {
        snprintf(days.text, sizeof days.text, "0 0 %s %d-%d %s", first, days.month_from, days.month_to,
                 second);
    }
    return days;
}

static bool days_match(const struct days *days, const struct date *date)
{
    bool month_day = days->any_month_day;
    bool week_day = days->any_week_day;
    if (!in_wrapped(date->month, days->month_from, days->month_to))
        return false;
    if (days->year_step > 0 &&
        (date->year < days->year_from || (date->year - days->year_from) % days->year_step != 0))
        return false;
    for (int i = 0; i < ITEMS; i++) {
        month_day = month_day || item_matches(&days->month_day[i], date->day, date);
        week_day = week_day || item_matches(&days->week_day[i], date->weekday, date);
    }
    return days->any_month_day || days->any_week_day ? month_day && week_day : month_day || week_day;
}

/* Counted up from Thursday, 1970-01-01. */
static struct date next_date(struct date date)
{
    static const int lengths[] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    date.weekday = (date.weekday + 1) % 7;
    if (++date.day > date.length) {
        date.day = 1;
        if (++date.month > 12) {
            date.month = 1;
            date.year++;
        }
        bool leap = (date.year % 4 == 0 && date.year % 100 != 0) || date.year % 400 == 0;
        date.length = lengths[date.month] + (date.month == 2 && leap);
    }
    return date;
}

static void days_agree_with_a_walk(void **state)
{
    enum { EXPRESSIONS = 300, DAYS = 47847 }; /* to 2100-12-31 */
    srand(20261127);
    for (int k = 0; k < EXPRESSIONS; k++) {
        struct days days = random_days();
        struct mf_cron cron = parse(*state, days.text, "");
        struct date date = {1970, 1, 1, 4, 31};
        int64_t at = -1;
        int64_t next = 0;
        bool some = false;
        for (int i = 0; i < DAYS; i++, date = next_date(date)) {
            if (!days_match(&days, &date))
                continue;
            some = true;
            if (!mf_cron_next_ever(&cron, at, &next) || next != i * DAY)
                fail_msg("\"%s\": after %lld comes %lld, not %04d-%02d-%02d", days.text, (long long)at,
                         (long long)next, date.year, date.month, date.day);
            at = next;
        }
        assert_int_equal(date.year, 2101);
        assert_true(!mf_cron_next_ever(&cron, at, &next) || next >= DAYS * DAY);
        if (some)
            assert_true(mf_cron_is_possible(&cron));
    }
}

/* ---- the last time, and how many ---- */

static int64_t random_between(int64_t from, int64_t to)
{
    uint64_t dice = (uint64_t)rand() << 31 ^ (uint64_t)rand() ^ (uint64_t)rand() << 55;
    return from + (int64_t)(dice % (uint64_t)(to - from));
}

static struct mf_schedule random_schedule(struct mf_zones *zones, char *text, size_t size)
{
    static const char *const names[] = {"",
                                        "Europe/Berlin",
                                        "America/New_York",
                                        "America/Sao_Paulo",
                                        "Australia/Lord_Howe",
                                        "Pacific/Apia",
                                        "Africa/Casablanca"};
    struct mf_schedule schedule = {0};
    struct mf_error err;
    bool unused[60];
    int kind = rand() % 8;
    text[0] = 0;
    if (kind == 0) {
        int64_t start = rand() % 2 ? random_between(instant("1970-01-02"), instant("2100-01-01")) : 0;
        uint32_t value = 1 + (uint32_t)rand() % 9;
        snprintf(text, size, "every %u hours from %lld", value, (long long)start);
        assert_int_equal(mf_schedule_rate(value, 2, start, &schedule, &err), MF_OK);
        return schedule;
    }
    if (kind == 1)
        snprintf(text, size, "@every %ds", 1 + rand() % 5000);
    else if (kind == 2)
        snprintf(text, size, "%s", random_days().text);
    else {
        if (kind == 3)
            (void)random_field(text, size, 0, 59, 3, unused);
        (void)random_field(text, size, 0, 59, 3, unused);
        (void)random_field(text, size, 0, 23, 3, unused);
        snprintf(text + strlen(text), size - strlen(text), rand() % 2 ? "* %d *" : "%d * *", 1 + rand() % 12);
    }
    const char *zone = names[(size_t)rand() % (sizeof names / sizeof names[0])];
    schedule.cron = parse(zones, text, zone);
    return schedule;
}

static void last_and_count_agree_with_next(void **state)
{
    enum { SCHEDULES = 4000, TIMES = 200 };
    char text[200];
    srand(20261128);
    for (int k = 0; k < SCHEDULES; k++) {
        struct mf_schedule schedule = random_schedule(*state, text, sizeof text);
        int64_t baseline = random_between(instant("1970-01-01"), instant("2100-01-01"));
        int64_t after = baseline + random_between(-400 * DAY, 400 * DAY);
        int64_t from = after > baseline ? after : baseline;
        int64_t until = after;
        int64_t last = 0;
        int64_t next = after;
        uint64_t count = 0;
        const uint64_t wanted = (uint64_t)rand() % TIMES;
        while (count < wanted && mf_schedule_next(&schedule, baseline, until, &next)) {
            assert_true(next > until && next > from && next % SECOND == 0);
            until = next;
            count++;
        }
        /* Exactly at the last one, and somewhere before the one that follows. */
        for (int round = 0; round < 2; round++) {
            bool found = mf_schedule_last(&schedule, baseline, after, until, &last);
            if (found != (count > 0) || (found && last != next))
                fail_msg("\"%s\": (%lld, %lld]: the last is %lld, not %lld", text, (long long)after,
                         (long long)until, (long long)last, (long long)next);
            assert_true(mf_schedule_count(&schedule, baseline, after, until, UINT64_MAX) == count);
            assert_true(mf_schedule_count(&schedule, baseline, after, until, 7) == (count < 7 ? count : 7));
            int64_t beyond = 0;
            bool more = mf_schedule_next(&schedule, baseline, until, &beyond);
            until = random_between(until, more ? beyond : until + 10 * 365 * DAY);
        }
        assert_false(mf_schedule_last(&schedule, baseline, after, from, &last));
    }
}

static void the_last_time_costs_no_walk(void **state)
{
    struct mf_schedule schedule = {0};
    int64_t last = 0;
    schedule.cron = parse(*state, "* * * * * *", "Europe/Berlin");
    for (int i = 0; i < 1000; i++) {
        assert_true(mf_schedule_last(&schedule, FIRST, FIRST, instant("2100-01-01") - 1, &last));
        assert_true(last == instant("2100-01-01") - SECOND);
    }
    schedule.cron = parse(*state, "0 0 29 2 ? 2028", "");
    assert_true(mf_schedule_last(&schedule, FIRST, FIRST, INT64_MAX, &last));
    assert_true(last == instant("2028-02-29"));
    schedule.cron = parse(*state, "0 0 30 2 *", "");
    assert_false(mf_schedule_last(&schedule, FIRST, FIRST, INT64_MAX, &last));
    assert_int_equal(mf_schedule_count(&schedule, FIRST, FIRST, INT64_MAX, 10), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(plain_expressions_agree_with_a_walk, setup, teardown),
        cmocka_unit_test_setup_teardown(seconds_agree_with_a_walk, setup, teardown),
        cmocka_unit_test_setup_teardown(days_agree_with_a_walk, setup, teardown),
        cmocka_unit_test_setup_teardown(last_and_count_agree_with_next, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_time_costs_no_walk, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
