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
    {"*/9223372036854775807 * * * *", "", "2026-01-01T00:10", {"2026-01-01T01:00"}},
    {"*/100 * * * *", "", "2026-01-01T00:10", {"2026-01-01T01:00", "2026-01-01T02:00"}},
    {"TZ=Asia/Tokyo 0 9 * * *", "", "2026-01-01T12:00", {"2026-01-02T00:00", "2026-01-03T00:00"}},
    {"CRON_TZ= 0 9 * * *", "", "2026-01-01T00:00", {"2026-01-01T09:00"}},
    {"  0   9\t*  * * ", "", "2026-01-01T00:00", {"2026-01-01T09:00"}},
    {" @hourly", "UTC", "2026-01-01T00:00", {"2026-01-01T01:00"}}, /* with a zone the text is trimmed */
    {"+5 05 * * *", "", "2026-01-01T00:00", {"2026-01-01T05:05"}},
    {"*-5 0 1,,2 * *", "", "2026-01-01T23:59", {"2026-01-02T00:00", "2026-01-02T00:01", "2026-01-02T00:02"}},
    {"0 0 *-W * ?-x-L", "", "2026-01-01", {"2026-01-02", "2026-01-03"}},
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

static void check_vector(struct mf_zones *zones, const struct vector *v)
{
    struct mf_cron cron = parse(zones, v->text, v->zone);
    int64_t at = instant(v->base);
    int64_t next = 0;
    assert_int_equal(mf_cron_is_possible(&cron), v->next[0] != NULL);
    assert_int_equal(mf_cron_next(&cron, at, &next), v->next[0] != NULL);
    for (size_t k = 0; k < 4 && v->next[k]; k++) {
        if (!mf_cron_next(&cron, at, &next) || next != instant(v->next[k]))
            fail_msg("\"%s\" (%s): time %zu is %lld, not %s", v->text, v->zone, k, (long long)next,
                     v->next[k]);
        at = next;
    }
}

static void fires_at_the_times_of_the_table(void **state)
{
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        check_vector(*state, &vectors[i]);
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
    assert_true(mf_cron_next_ever(&leap, instant("2096-03-01"), &next));
    assert_true(next == instant("2104-02-29"));
    struct mf_cron rare = parse(*state, "0 0 ? 2 FRI#5", "");
    assert_true(mf_cron_is_possible(&rare));
    assert_false(mf_cron_next(&rare, instant("2093-01-01"), &next));
    assert_true(mf_cron_next_ever(&rare, instant("2104-03-01"), &next));
    assert_true(next == instant("2132-02-29"));
    struct mf_cron rarest = parse(*state, "0 0 ? 2 SAT#5", "");
    assert_true(mf_cron_next_ever(&rarest, instant("2076-02-29"), &next));
    assert_true(next == instant("2116-02-29"));
    /* Half past two is left out on the day it names, in each year. */
    struct mf_cron gap = parse(*state, "30 2 * 3 SUN#2", "America/New_York");
    assert_true(mf_cron_is_possible(&gap));
    assert_false(mf_cron_next_ever(&gap, instant("2026-01-01"), &next));
}

static void check_refused(struct mf_zones *zones, const char *text, const char *zone, const char *word)
{
    struct mf_cron cron;
    struct mf_error err = {0};
    if (mf_cron_parse(zones, mf_str_from_c(text), mf_str_from_c(zone), &cron, &err) != MF_INVALID_ARGUMENT)
        fail_msg("\"%s\" (%s) is accepted", text, zone);
    if (!strstr(err.message, word))
        fail_msg("\"%s\" (%s): \"%s\" lacks \"%s\"", text, zone, err.message, word);
}

static void refuses_in_plain_words(void **state)
{
    static const struct {
        const char *text, *zone, *word;
    } rows[] = {
        {"", "", "empty spec string"},
        {"* * * *", "", "expected exactly 5 fields, found 4"},
        {"0 0 ? * * 2026 1", "", "found 7"},
        {"0 0 * * 8", "", "end of range (8) above maximum (6)"},
        {"70-5 * * * *", "", "beginning of range (70) beyond end of range (5)"},
        {"* * 5-0 * *", "", "beginning of range (5) beyond end of range (0)"},
        {"70/5 * * * *", "", "beginning of range (70) beyond end of range (59)"},
        {"60 * * * *", "", "minute \"60\": end of range (60) above maximum (59)"},
        {"* 24 * * *", "", "hour \"24\""},
        {"* * 0 * *", "", "beginning of range (0) below minimum (1)"},
        {"* * 32 * *", "", "day of month"},
        {"* * * 13 *", "", "month \"13\""},
        {"*/0 * * * *", "", "step of range should be a positive number"},
        {"*/x * * * *", "", "the step is no number"},
        {"1/2/3 * * * *", "", "too many slashes"},
        {"1-2-3 * * * *", "", "too many hyphens"},
        {"* * * * mon-", "", "that is no value"},
        {"-5 * * * *", "", "that is no value"},
        {"JAN * * * *", "", "that is no value"},
        {"*/9223372036854775808 * * * *", "", "the step is no number"},
        {"*/+ * * * *", "", "the step is no number"},
        {"*/++1 * * * *", "", "the step is no number"},
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
        {"TZ=UTC * * * * *", "Asia/Tokyo", "the time zone is given twice"},
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
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_refused(*state, rows[i].text, rows[i].zone, rows[i].word);
}

/* ---- what the plain language refuses ---- */

static const struct vector extended[] = {
    /* Seconds first. */
    {"*/20 * * * * *",
     "",
     "2026-01-01T00:00:05",
     {"2026-01-01T00:00:20", "2026-01-01T00:00:40", "2026-01-01T00:01:00"}},
    {"30 0 9 * * MON-FRI",
     "Asia/Tokyo",
     "2026-01-02T00:00:30",
     {"2026-01-05T00:00:30", "2026-01-06T00:00:30"}},
    {"59,0 59 23 ? 12 *", "", "2026-12-30T23:59:59", {"2026-12-31T23:59:00", "2026-12-31T23:59:59"}},
    {"0 0 12 13 * ?", "", "2026-01-01", {"2026-01-13T12:00", "2026-02-13T12:00"}},
    {"5 4 3 2 1 *", "", "2026-01-01", {"2026-01-02T03:04:05", "2027-01-02T03:04:05"}},
    /* A local second that occurs twice. */
    {"7 30 1 * * *",
     "America/New_York",
     "2026-10-31T12:00",
     {"2026-11-01T05:30:07", "2026-11-01T06:30:07", "2026-11-02T06:30:07"}},
    /* Sunday as 7. */
    {"0 0 * * 7", "", "2026-01-01", {"2026-01-04", "2026-01-11"}},
    {"0 0 * * 5-7", "", "2026-01-01", {"2026-01-02", "2026-01-03", "2026-01-04", "2026-01-09"}},
    {"0 0 * * 7-2", "", "2026-01-01", {"2026-01-04", "2026-01-05", "2026-01-06", "2026-01-11"}},
    {"0 0 * * 7-7", "", "2026-01-01", {"2026-01-04", "2026-01-11"}},
    {"0 0 * * 0-7", "", "2026-01-01", {"2026-01-02", "2026-01-03", "2026-01-04", "2026-01-05"}},
    {"0 0 * * 1-7/3", "", "2026-01-01", {"2026-01-04", "2026-01-05", "2026-01-08", "2026-01-11"}},
    {"0 0 * * 3,7", "", "2026-01-01", {"2026-01-04", "2026-01-07", "2026-01-11"}},
    /* Over the end of a field. */
    {"0 0 * * FRI-MON", "", "2026-01-01", {"2026-01-02", "2026-01-03", "2026-01-04", "2026-01-05"}},
    {"0 0 * * fri-mon/2", "", "2026-01-01", {"2026-01-02", "2026-01-04", "2026-01-09"}},
    {"0 22-2 * * *", "", "2026-01-01T00:30", {"2026-01-01T01:00", "2026-01-01T02:00", "2026-01-01T22:00"}},
    {"0 22-2/3 * * *", "", "2026-01-01T00:30", {"2026-01-01T01:00", "2026-01-01T22:00"}},
    {"55-5/5 0 1 1 *", "", "2026-01-01T00:01", {"2026-01-01T00:05", "2026-01-01T00:55", "2027-01-01T00:00"}},
    {"0 0 1 NOV-FEB *", "", "2026-01-15", {"2026-02-01", "2026-11-01", "2026-12-01", "2027-01-01"}},
    {"0 0 30-1 * *", "", "2026-01-15", {"2026-01-30", "2026-01-31", "2026-02-01", "2026-03-01"}},
    /* The end of a month. */
    {"0 0 L * *", "", "2026-01-01", {"2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"}},
    {"0 0 l 2 *", "", "2026-01-01", {"2026-02-28", "2027-02-28", "2028-02-29"}},
    {"0 0 L-2 * *", "", "2026-01-01", {"2026-01-29", "2026-02-26", "2026-03-29"}},
    {"0 0 L-30 * *", "", "2026-01-02", {"2026-03-01", "2026-05-01", "2026-07-01"}},
    {"0 0 1,L * ?", "", "2026-01-01", {"2026-01-31", "2026-02-01", "2026-02-28"}},
    /* The nearest day from Monday to Friday: 2026-08-15 is a Saturday, -11-15 a Sunday, -08-01 a Saturday,
     * -05-31 a Sunday. */
    {"0 0 15W * *", "", "2026-08-01", {"2026-08-14", "2026-09-15", "2026-10-15", "2026-11-16"}},
    {"0 0 1W 8 *", "", "2026-01-01", {"2026-08-03"}},
    {"0 0 31W 5 *", "", "2026-01-01", {"2026-05-29"}},
    {"0 0 31w 2,4,5 *", "", "2026-01-01", {"2026-05-29", "2027-05-31"}},
    {"0 0 LW * *", "", "2026-01-01", {"2026-01-30", "2026-02-27", "2026-03-31", "2026-04-30"}},
    {"0 0 lw 5 *", "", "2026-01-01", {"2026-05-29"}},
    /* Days of the week by their number in the month. */
    {"0 0 * * 5L", "", "2026-01-01", {"2026-01-30", "2026-02-27", "2026-03-27"}},
    {"0 0 * * FRIL", "", "2026-01-01", {"2026-01-30", "2026-02-27", "2026-03-27"}},
    {"0 0 * * 7L", "", "2026-01-01", {"2026-01-25", "2026-02-22"}},
    {"0 0 * * 5#2", "", "2026-01-01", {"2026-01-09", "2026-02-13", "2026-03-13"}},
    {"0 0 * * fri#5", "", "2026-01-01", {"2026-01-30", "2026-05-29", "2026-07-31"}},
    {"0 0 * * 7#1", "", "2026-01-01", {"2026-01-04", "2026-02-01"}},
    {"0 0 * * MON#1,MON#3,WEDL", "", "2026-01-01", {"2026-01-05", "2026-01-19", "2026-01-28", "2026-02-02"}},
    /* The rule of the two day fields: a field of such items is not "*". */
    {"0 0 L * 5#2", "", "2026-01-01", {"2026-01-09", "2026-01-31", "2026-02-13"}},
    {"0 0 LW * MON", "", "2026-01-20", {"2026-01-26", "2026-01-30", "2026-02-02"}},
    {"0 0 *,L * MON", "", "2026-01-28", {"2026-02-02", "2026-02-09"}},
    /* The form of AWS, first as the protocol's definition has it. */
    {"0/15 * * * ? *", "", "2026-01-01T00:07", {"2026-01-01T00:15", "2026-01-01T00:30", "2026-01-01T00:45"}},
    {"cron(0/15 * * * ? *)", "", "2026-01-01T00:07", {"2026-01-01T00:15", "2026-01-01T00:30"}},
    {"cron(15 10 ? * 6L 2028-2029)", "", "2026-01-01", {"2028-01-28T10:15", "2028-02-25T10:15"}},
    {"0 18 ? * MON-FRI *", "", "2026-01-02T18:00", {"2026-01-05T18:00", "2026-01-06T18:00"}},
    {"0 18 ? * 2-6 *", "", "2026-01-02T18:00", {"2026-01-05T18:00", "2026-01-06T18:00"}},
    {"0 0 ? * 1 *", "", "2026-01-01", {"2026-01-04", "2026-01-11"}},
    {"0 0 ? * L *", "", "2026-01-01", {"2026-01-03", "2026-01-10"}},
    {"0 0 ? * 7-2 *", "", "2026-01-01", {"2026-01-03", "2026-01-04", "2026-01-05", "2026-01-10"}},
    {"0 0 ? * 2#1 *", "", "2026-01-01", {"2026-01-05", "2026-02-02"}},
    {"0 8 1 * ? *", "", "2026-01-01T08:00", {"2026-02-01T08:00", "2026-03-01T08:00"}},
    {"cron(0 8 LW * ? *)", "", "2026-01-01", {"2026-01-30T08:00"}},
    {" cron( 0 0 3W * ? 2199 ) ", "", "2026-01-01", {"2199-01-03", "2199-02-04", "2199-03-04"}},
    {"0 0 29 2 ? 2027-2100/2", "", "2026-01-01", {NULL}},
    {"0 0 1 1 ? 1970,2030/40", "", "1969-01-01", {"1970-01-01", "2030-01-01", "2070-01-01", "2110-01-01"}},
    {"CRON_TZ=Asia/Tokyo cron(0 9 * * ? *)", "", "2026-01-01", {"2026-01-02", "2026-01-03"}},
    {"rate(5 minutes)", "", "2026-01-01", {"2026-01-01T00:05", "2026-01-01T00:10"}},
    {"rate(1 hour)", "Asia/Tokyo", "2026-01-01", {"2026-01-01T01:00"}},
    {" rate( 36525  days ) ", "", "1970-01-01", {"2070-01-01"}},
};

static void fires_at_the_times_of_the_extensions(void **state)
{
    for (size_t i = 0; i < sizeof extended / sizeof extended[0]; i++)
        check_vector(*state, &extended[i]);
}

static void extensions_are_refused_where_they_mean_nothing(void **state)
{
    static const struct {
        const char *text, *word;
    } rows[] = {
        {"0 0 * * 7/2", "beginning of range (7) beyond end of range (6)"},
        {"0 0 * * 5-8", "end of range (8)"},
        {"0 0 28-3/2 * *", "months differ in length"},
        {"0 0 L/2 * *", "without range and step"},
        {"0 0 1-L * *", "that is no value"},
        {"0 0 L-0 * *", "without range and step"},
        {"0 0 L-31 * *", "without range and step"},
        {"0 0 L-+3 * *", "without range and step"},
        {"0 0 L-3W * *", "without range and step"},
        {"0 0 WL * *", "that is no value"},
        {"0 0 W * *", "without range and step"},
        {"0 0 0W * *", "without range and step"},
        {"0 0 32W * *", "without range and step"},
        {"0 0 +5W * *", "without range and step"},
        {"0 0 1-15W * *", "without range and step"},
        {"0 0 15W/2 * *", "that is no value"},
        {"0 0 *W * *", "that is no value"},
        {"0 0 L,x * *", "that is no value"},
        {"0 0 LL * *", "without range and step"},
        {"0 0 * * L", "SUNL"},
        {"0 0 * * 8L", "write one day"},
        {"0 0 * * 05L", "write one day"},
        {"0 0 * * MON-FRIL", "write one day"},
        {"0 0 * * FRIL/2", "that is no value"},
        {"0 0 * * #2", "write one day"},
        {"0 0 * * 5#", "write one day"},
        {"0 0 * * 5#0", "write one day"},
        {"0 0 * * 5#6", "write one day"},
        {"0 0 * * 5#2#1", "write one day"},
        {"0 0 * * 1-5#2", "write one day"},
        {"0 0 * * *#2", "that is no value"},
        {"0 0 * * 5#2L", "write one day"},
        {"0 L * * *", "that is no value"},
        {"0 0 * L *", "that is no value"},
        {"0 0 * 5#2 *", "that is no value"},
        {"15W 0 * * *", "that is no value"},
        {"? * * * * *", "has no meaning here"},
        {"0 ? * * * *", "has no meaning here"},
        {"0 0 ?/2 * * *", "has no meaning here"},
        {"60 * * * * *", "second \"60\""},
        {"0 10 1 1 * 2027", "day of week \"2027\""},
        {"0 0 * * * * *", "found 7"},
        {"0 0 ? * ? *", "exactly one"},
        {"cron(0 0 * * * *)", "exactly one"},
        {"cron(0 0 * * ?/1 *)", "exactly one"},
        {"cron(0 0 * * ?)", "found 5"},
        {"cron()", "found 0"},
        {"cron(* * * * ? *", "that is no value"},
        {"Cron(* * * * ? *)", "that is no value"},
        {"cron(0 0 ? * 0 *)", "below minimum (1)"},
        {"cron(0 0 ? * 8 *)", "above maximum (7)"},
        {"cron(0 0 ? * * 1969)", "below minimum (1970)"},
        {"cron(0 0 ? * * 2200)", "above maximum (2199)"},
        {"cron(0 0 ? * * 2030-2029)", "beyond end of range"},
        {"cron(0 0 ? * * ?)", "has no meaning here"},
        {"cron(0 0 ? ? * *)", "has no meaning here"},
        {"cron(cron(0 0 * * ? *))", "that is no value"},
        {"cron(@daily)", "found 1"},
        {"rate(0 minutes)", "is no rate"},
        {"rate(1 minutes)", "is no rate"},
        {"rate(2 minute)", "is no rate"},
        {"rate(5 seconds)", "is no rate"},
        {"rate(-5 minutes)", "is no rate"},
        {"rate(5  minutes x)", "is no rate"},
        {"rate(36526 days)", "is no rate"},
        {"rate(18446744073709551616 minutes)", "is no rate"},
        {"rate()", "is no rate"},
        {"rate(5 minutes", "found 2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_refused(*state, rows[i].text, "", rows[i].word);
}

static void small_enough_for_a_million(void **state)
{
    (void)state;
    assert_true(sizeof(struct mf_cron) <= 96);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fires_at_the_times_of_the_table, setup, teardown),
        cmocka_unit_test_setup_teardown(c7_no_zone_is_utc, setup, teardown),
        cmocka_unit_test_setup_teardown(knows_what_never_fires, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_in_plain_words, setup, teardown),
        cmocka_unit_test_setup_teardown(fires_at_the_times_of_the_extensions, setup, teardown),
        cmocka_unit_test_setup_teardown(extensions_are_refused_where_they_mean_nothing, setup, teardown),
        cmocka_unit_test(small_enough_for_a_million),
        cmocka_unit_test(reads_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
