#include "testing.h"

#include "base/arena.h"
#include "base/time.h"
#include "cron/cron.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SECOND INT64_C(1000000000)

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

static int64_t instant(const char *text)
{
    int64_t ns = 0;
    char full[40];
    snprintf(full, sizeof full, "%s%s", text,
             strlen(text) == 10   ? "T00:00:00Z"
             : strlen(text) == 16 ? ":00Z"
                                  : "Z");
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

/* Expression, zone, the instant before, and the times that follow one another (UTC). */
struct vector {
    const char *text, *zone, *base, *next[4];
};

static const struct vector vectors[] = {
    {"*/15 9-17 * * MON-FRI",
     "UTC",
     "2026-01-02T17:45",
     {"2026-01-05T09:00", "2026-01-05T09:15", "2026-01-05T09:30"}},
    {"0 0 31 * *", "", "2026-01-31T00:00", {"2026-03-31", "2026-05-31", "2026-07-31"}},
    {"0 0 29 2 *", "", "2026-01-01", {"2028-02-29", "2032-02-29", "2036-02-29"}},
    {"0 0 13 * 5", "", "2026-01-01", {"2026-01-02", "2026-01-09", "2026-01-13"}},
    {"0 0 */2 * 5", "", "2026-01-01", {"2026-01-02", "2026-01-03", "2026-01-05"}},
    {"0 0 ? * SUN", "", "2026-01-01", {"2026-01-04", "2026-01-11", "2026-01-18"}},
    {"5/20 * * * *", "", "2026-01-01T10:00", {"2026-01-01T10:05", "2026-01-01T10:25", "2026-01-01T10:45"}},
    {"0 0 1 JAN,jul *", "", "2026-01-01T00:00", {"2026-07-01", "2027-01-01"}},
    {"30 2 * * *", "America/New_York", "2026-03-07T12:00", {"2026-03-09T06:30", "2026-03-10T06:30"}},
    {"30 1 * * *",
     "America/New_York",
     "2026-10-31T12:00",
     {"2026-11-01T05:30", "2026-11-01T06:30", "2026-11-02T06:30"}},
    {"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00", {"2018-11-05T02:00"}},
    {"0 9 * * *", "Asia/Kolkata", "2026-05-05T00:00", {"2026-05-05T03:30", "2026-05-06T03:30"}},
    {"@daily", "Asia/Tokyo", "2026-01-01T00:30", {"2026-01-01T15:00"}},
    {"@every 90s", "", "2026-01-01T00:00:00.5", {"2026-01-01T00:01:30", "2026-01-01T00:03:00"}},
    {"@every 500ms", "", "2026-01-01", {"2026-01-01T00:00:01", "2026-01-01T00:00:02"}},
    {"@every 1h30m0.9s", "Asia/Tokyo", "2026-01-01", {"2026-01-01T01:30", "2026-01-01T03:00"}},
    {"*/100 * * * *", "", "2026-01-01T00:10", {"2026-01-01T01:00", "2026-01-01T02:00"}},
    {"TZ=Asia/Tokyo 0 9 * * *", "", "2026-01-01T12:00", {"2026-01-02T00:00", "2026-01-03T00:00"}},
    {"CRON_TZ= 0 9 * * *", "", "2026-01-01T00:00", {"2026-01-01T09:00"}},
    {"  0   9\t*  * * ", "", "2026-01-01T00:00", {"2026-01-01T09:00"}},
    {" @hourly", "UTC", "2026-01-01T00:00", {"2026-01-01T01:00"}}, /* with a zone the text is trimmed */
    {"+5 05 * * *", "", "2026-01-01T00:00", {"2026-01-01T05:05"}},
    {"*-5 0 1,,2 * *", "", "2026-01-01T23:59", {"2026-01-02T00:00", "2026-01-02T00:01", "2026-01-02T00:02"}},
    {"0 0 * * 0/2", "", "2026-01-01", {"2026-01-03", "2026-01-04", "2026-01-06", "2026-01-08"}},
    {"@weekly", "", "2026-01-01", {"2026-01-04", "2026-01-11"}},
    {"@monthly", "", "2026-01-01", {"2026-02-01"}},
    {"@yearly", "", "2026-01-01", {"2027-01-01"}},
    {"0 0 * * *", "EST", "2026-07-01", {"2026-07-01T05:00"}},
    {"0 0 * * *", "Etc/GMT-5", "2026-07-01", {"2026-07-01T19:00"}},
    {"0 9 * * *", "America/Los_Angeles", "2026-07-01T15:59", {"2026-07-01T16:00", "2026-07-02T16:00"}},
    {"0 9 * * *", "America/Los_Angeles", "2026-03-07T16:59", {"2026-03-07T17:00", "2026-03-08T16:00"}},
    {"*/20 * * * *",
     "Australia/Lord_Howe",
     "2026-04-04T14:30",
     {"2026-04-04T14:40", "2026-04-04T15:10", "2026-04-04T15:30", "2026-04-04T15:50"}},
    {"0 12 * * *",
     "Europe/Berlin",
     "2099-07-01",
     {"2099-07-01T10:00"}}, /* long behind the table of the zone */
};

static void fires_at_the_times_of_the_table(void **state)
{
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const struct vector *v = &vectors[i];
        struct mf_cron cron = parse(*state, v->text, v->zone);
        int64_t at = instant(v->base);
        assert_true(mf_cron_is_possible(&cron));
        for (size_t k = 0; k < 4 && v->next[k]; k++) {
            int64_t next = 0;
            assert_true(mf_cron_next(&cron, at, &next));
            if (next != instant(v->next[k]))
                fail_msg("\"%s\" (%s): time %zu is %lld, not %s", v->text, v->zone, k, (long long)next,
                         v->next[k]);
            at = next;
        }
    }
}

/* The environment of the server does not count: without a zone it is UTC. */
static void c7_no_zone_is_utc(void **state)
{
    int64_t next = 0;
    setenv("TZ", "America/New_York", 1);
    tzset();
    struct mf_cron cron = parse(*state, "0 9 * * *", "");
    assert_true(mf_cron_next(&cron, instant("2026-01-01"), &next));
    assert_true(next == instant("2026-01-01T09:00"));
}

static void knows_what_never_fires(void **state)
{
    static const char *const never[] = {"0 0 30 2 *", ", * * * *", "* * 31 2,4,6,9,11 *", "* , * * *",
                                        "* * * , *",  "* * , * *", "* * * * ,",           "0 0 31 4 ?"};
    static const char *const some_day[] = {"0 0 29 2 *", "0 0 30 2 1", "0 0 31 4 MON", "* * , * 1",
                                           "* * 5 * ,"};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        int64_t next = 0;
        struct mf_cron cron = parse(*state, never[i], "America/New_York");
        assert_false(mf_cron_is_possible(&cron));
        assert_false(mf_cron_next(&cron, instant("2026-01-01"), &next));
    }
    for (size_t i = 0; i < sizeof some_day / sizeof some_day[0]; i++) {
        int64_t next = 0;
        struct mf_cron cron = parse(*state, some_day[i], "");
        assert_true(mf_cron_is_possible(&cron));
        assert_true(mf_cron_next(&cron, instant("2026-01-01"), &next));
    }
    /* Five years is how far a search goes. */
    struct mf_cron leap = parse(*state, "0 0 29 2 *", "");
    int64_t next = 0;
    assert_false(mf_cron_next(&leap, instant("2096-03-01"), &next));
    assert_true(mf_cron_next(&leap, instant("2099-01-01"), &next));
}

static void refuses_in_plain_words(void **state)
{
    static const struct {
        const char *text, *zone, *word;
    } rows[] = {
        {"", "", "empty spec string"},
        {"* * * *", "", "expected exactly 5 fields, found 4"},
        {"0 0 * * * *", "", "found 6"},
        {"0 0 ? * * 2026 1", "", "found 7"},
        {"0 0 * * 7", "", "end of range (7) above maximum (6)"},
        {"60 * * * *", "", "minute \"60\": end of range (60) above maximum (59)"},
        {"* 24 * * *", "", "hour \"24\""},
        {"* * 0 * *", "", "beginning of range (0) below minimum (1)"},
        {"* * 32 * *", "", "day of month"},
        {"* * * 13 *", "", "month \"13\""},
        {"* * * * FRI-MON", "", "beginning of range (5) beyond end of range (1)"},
        {"*/0 * * * *", "", "step of range should be a positive number"},
        {"*/x * * * *", "", "the step is no number"},
        {"1/2/3 * * * *", "", "too many slashes"},
        {"1-2-3 * * * *", "", "too many hyphens"},
        {"* * L * *", "", "that is no value"},
        {"* * * * 5#2", "", "that is no value"},
        {"* * * * mon-", "", "that is no value"},
        {"-5 * * * *", "", "that is no value"},
        {"JAN * * * *", "", "that is no value"},
        {"99999999999 * * * *", "", "that is no value"},
        {"@Daily", "", "is not known"},
        {" @daily", "", "found 1"},
        {"@daily ", "", "is not known"},
        {"@reboot", "", "is not known"},
        {"@every", "", "is not known"},
        {"@every soon", "", "no duration"},
        {"@every 5", "", "no duration"},
        {"@every 99999999h", "", "no duration"},
        {"TZ=UTC", "", "no expression behind it"},
        {"CRON_TZ=Asia/Tokyo", "", "no expression behind it"},
        {"TZ=UTC * * * * *", "Asia/Tokyo", "found 6"},
        {"* * * * *", "Mars/Olympus", "unknown time zone \"Mars/Olympus\""},
        {"* * * * *", "America", "unknown time zone"},
        {"* * * * *", "europe/berlin ", "unknown time zone"},
        {"* * * * *", "../../etc/passwd", "invalid location name"},
        {"* * * * *", "/etc/localtime", "invalid location name"},
        {"* * * * *", "Europe/../UTC", "invalid location name"},
        {"* * * * *", "tzdata.zi", "unknown time zone"},
        {"* * * * *", "zone1970", "unknown time zone"},
        {"TZ=../x * * * * *", "", "invalid location name"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_cron cron;
        struct mf_error err = {0};
        assert_int_equal(
            mf_cron_parse(*state, mf_str_from_c(rows[i].text), mf_str_from_c(rows[i].zone), &cron, &err),
            MF_INVALID_ARGUMENT);
        if (!strstr(err.message, rows[i].word))
            fail_msg("\"%s\" (%s): \"%s\" lacks \"%s\"", rows[i].text, rows[i].zone, err.message,
                     rows[i].word);
    }
}

static void reads_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        {"0", 0},
        {"90s", 90 * SECOND},
        {"1h30m", 5400 * SECOND},
        {"1.5h", 5400 * SECOND},
        {"-2s", -2 * SECOND},
        {".5s", SECOND / 2},
        {"3ms", 3000000},
        {"2\xc2\xb5s", 2000},
        {"7ns", 7},
        {"+1m", 60 * SECOND},
        {"1.s", SECOND},
        {"2us", 2000},
    };
    static const char *const bad[] = {"",    "-",  "s",   "1",  "1x",
                                      "1h1", ".s", "1 h", "1d", "9223372036854775808ns"};
    int64_t ns = 0;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(mf_cron_duration(mf_str_from_c(rows[i].text), &ns));
        assert_true(ns == rows[i].ns);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(mf_cron_duration(mf_str_from_c(bad[i]), &ns));
}

/* ---- against a model: walk minute by minute, ask the C library for the local time, look whether it matches
 * ---- */

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

static void agrees_with_a_walk(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fires_at_the_times_of_the_table, setup, teardown),
        cmocka_unit_test_setup_teardown(c7_no_zone_is_utc, setup, teardown),
        cmocka_unit_test_setup_teardown(knows_what_never_fires, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_in_plain_words, setup, teardown),
        cmocka_unit_test(reads_durations),
        cmocka_unit_test_setup_teardown(agrees_with_a_walk, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
