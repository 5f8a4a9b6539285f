#include "cron/cron.h"

#include "base/time.h"
#include "cron/field.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define DAY 86400
#define YEARS_AHEAD 5

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const week_day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

enum { MINUTE, HOUR, MONTH_DAY, MONTH, WEEK_DAY, FIELD_COUNT };

static const struct mf_cron_field fields[FIELD_COUNT] = {
    {"minute", 0, 59, NULL},
    {"hour", 0, 23, NULL},
    {"day of month", 1, 31, NULL},
    {"month", 1, 12, month_names},
    {"day of week", 0, 6, week_day_names},
};

/* ---- the text ---- */

static enum mf_code parse_fields(struct mf_str text, struct mf_cron *out, struct mf_error *err)
{
    struct mf_str rest = text;
    uint64_t bits[FIELD_COUNT];
    bool star[FIELD_COUNT];
    size_t count = 0;
    while (mf_cron_word(&rest).len > 0)
        count++;
    if (count != FIELD_COUNT)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "expected exactly 5 fields, found %zu: \"%.*s\"; write minute hour day-of-month month "
                       "day-of-week",
                       count, MF_FMT(mf_str_take(text, 100)));
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        enum mf_code code = mf_cron_field(&fields[i], mf_cron_word(&text), &bits[i], &star[i], err);
        if (code != MF_OK)
            return code;
    }
    out->minutes = bits[MINUTE];
    out->hours = (uint32_t)bits[HOUR];
    out->month_days = (uint32_t)bits[MONTH_DAY];
    out->months = (uint32_t)bits[MONTH];
    out->week_days = (uint32_t)bits[WEEK_DAY];
    out->any_month_day = star[MONTH_DAY];
    out->any_week_day = star[WEEK_DAY];
    return MF_OK;
}

static enum mf_code parse_every(struct mf_str text, struct mf_cron *out, struct mf_error *err)
{
    int64_t ns = 0;
    if (!mf_cron_duration(text, &ns))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "@every \"%.*s\": that is no duration; write one as in \"1h30m\"",
                       MF_FMT(mf_str_take(text, 100)));
    if (ns < NS_PER_SECOND)
        ns = NS_PER_SECOND;
    out->every_ns = ns - ns % NS_PER_SECOND;
    return MF_OK;
}

static enum mf_code parse_descriptor(struct mf_str text, struct mf_cron *out, struct mf_error *err)
{
    static const struct {
        const char *name, *fields;
    } known[] = {
        {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
        {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
        {"@hourly", "0 * * * *"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (mf_str_eq_c(text, known[i].name))
            return parse_fields(mf_str_from_c(known[i].fields), out, err);
    }
    if (mf_str_starts(text, MF_STR("@every ")))
        return parse_every(mf_str_skip(text, 7), out, err);
    return mf_fail(
        err, MF_INVALID_ARGUMENT,
        "\"%.*s\" is not known; write @yearly, @monthly, @weekly, @daily, @hourly, \"@every 1h30m\" or five "
        "fields",
        MF_FMT(mf_str_take(text, 100)));
}

/* A prefix "TZ=name " of the text. */
static enum mf_code cut_zone(struct mf_str *text, struct mf_str *zone, struct mf_error *err)
{
    size_t skip = mf_str_starts(*text, MF_STR("CRON_TZ=")) ? 8 : mf_str_starts(*text, MF_STR("TZ=")) ? 3 : 0;
    if (skip == 0)
        return MF_OK;
    *text = mf_str_skip(*text, skip);
    size_t end = mf_str_find_char(*text, ' ');
    if (end == SIZE_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "there is a time zone, but no expression behind it; write both as in \"TZ=Asia/Tokyo "
                       "0 9 * * *\"");
    *zone = mf_str_take(*text, end);
    *text = mf_cron_trim(mf_str_skip(*text, end));
    return MF_OK;
}

enum mf_code mf_cron_parse(struct mf_zones *zones, struct mf_str text, struct mf_str zone,
                           struct mf_cron *out, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    *out = (struct mf_cron){0};
    if (text.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "empty spec string; write five fields as in \"0 9 * * MON-FRI\"");
    if (zone.len > 0)
        text = mf_cron_trim(text);
    else
        code = cut_zone(&text, &zone, err);
    if (code == MF_OK)
        code = mf_zone_get(zones, zone, &out->zone, err);
    if (code != MF_OK)
        return code;
    return text.len > 0 && text.ptr[0] == '@' ? parse_descriptor(text, out, err)
                                              : parse_fields(text, out, err);
}

/* ---- the times ---- */

bool mf_cron_is_possible(const struct mf_cron *cron)
{
    static const unsigned char days_of[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (cron->every_ns > 0)
        return true;
    if (cron->minutes == 0 || cron->hours == 0 || cron->months == 0)
        return false;
    bool both = cron->any_month_day || cron->any_week_day;
    if (both && cron->week_days == 0)
        return false;
    if (!both && cron->week_days != 0)
        return true;
    for (unsigned month = 1; month <= 12; month++) {
        uint32_t days = (uint32_t)((UINT64_C(1) << (days_of[month] + 1)) - 1);
        if (cron->months & UINT32_C(1) << month && cron->month_days & days)
            return true;
    }
    return false;
}

static bool day_matches(const struct mf_cron *cron, int64_t days, unsigned day)
{
    bool month_day = cron->month_days & UINT32_C(1) << day;
    bool week_day = cron->week_days & UINT32_C(1) << (((days + 4) % 7 + 7) % 7);
    return cron->any_month_day || cron->any_week_day ? month_day && week_day : month_day || week_day;
}

/* The first minute of the day that matches, from the given one on; -1: none. */
static int minute_in_day(const struct mf_cron *cron, int from)
{
    if (from >= DAY / 60)
        return -1;
    unsigned hour = (unsigned)from / 60;
    uint64_t minutes = cron->minutes >> (from % 60) << (from % 60);
    if (cron->hours & UINT32_C(1) << hour && minutes)
        return (int)hour * 60 + __builtin_ctzll(minutes);
    uint32_t hours = hour >= 23 ? 0 : cron->hours >> (hour + 1) << (hour + 1);
    return hours && cron->minutes ? __builtin_ctz(hours) * 60 + __builtin_ctzll(cron->minutes) : -1;
}

static int64_t floor_div(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

enum search { FOUND, NOT_HERE, TOO_LATE };

/* Looks for local seconds in [from, end) at which the fields match, up to the last day of a year. */
static enum search in_stretch(const struct mf_cron *cron, int64_t from, int64_t end, int64_t last_year,
                              int64_t *found)
{
    int64_t days = floor_div(from, DAY);
    int minute = (int)((from - days * DAY + 59) / 60);
    while (days * DAY < end) {
        int64_t year = 0;
        unsigned month = 0;
        unsigned day = 0;
        mf_civil_from_days(days, &year, &month, &day);
        if (year > last_year)
            return TOO_LATE;
        if (!(cron->months & UINT32_C(1) << month)) {
            days = month == 12 ? mf_days_from_civil(year + 1, 1, 1) : mf_days_from_civil(year, month + 1, 1);
            minute = 0;
            continue;
        }
        int at = day_matches(cron, days, day) ? minute_in_day(cron, minute) : -1;
        if (at >= 0) {
            *found = days * DAY + (int64_t)at * 60;
            return *found < end ? FOUND : NOT_HERE;
        }
        days++;
        minute = 0;
    }
    return NOT_HERE;
}

bool mf_cron_next(const struct mf_cron *cron, int64_t after, int64_t *next)
{
    int64_t at = floor_div(after, NS_PER_SECOND);
    if (cron->every_ns > 0)
        return !__builtin_add_overflow(at * NS_PER_SECOND, cron->every_ns, next);
    at++;
    int64_t until = 0;
    int64_t year = 0;
    unsigned month = 0;
    unsigned day = 0;
    int32_t offset = mf_zone_offset(cron->zone, at, &until);
    mf_civil_from_days(floor_div(at + offset, DAY), &year, &month, &day);
    const int64_t last_year = year + YEARS_AHEAD;
    for (;;) {
        int64_t local = 0;
        int64_t end = until == INT64_MAX ? INT64_MAX - DAY : until + offset;
        enum search result = in_stretch(cron, at + offset, end, last_year, &local);
        if (result == FOUND)
            return !__builtin_mul_overflow(local - offset, NS_PER_SECOND, next);
        if (result == TOO_LATE || until == INT64_MAX)
            return false;
        at = until;
        mf_civil_from_days(floor_div(at, DAY), &year, &month, &day);
        if (year > last_year + 1)
            return false;
        offset = mf_zone_offset(cron->zone, at, &until);
    }
}
