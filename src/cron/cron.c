#include "cron/cron.h"

#include "base/time.h"
#include "cron/field.h"
#include "cron/month.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define MINUTE_NS (60 * NS_PER_SECOND)
#define DAY 86400
#define YEARS_AHEAD 5
#define FIELDS_MAX 6
#define RATE_DAYS_MAX 36525

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const week_day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

enum { SECOND, MINUTE, HOUR, MONTH_DAY, MONTH, WEEK_DAY, YEAR, FIELD_COUNT };

/* What an expression is made of: the fields in their order. */
struct form {
    const char *order;
    size_t count;
    struct {
        int part;
        struct mf_cron_field field;
    } fields[FIELDS_MAX];
};

static const struct form plain = {
    "minute hour day-of-month month day-of-week, or six fields with the second first",
    5,
    {
        {MINUTE, {"minute", 0, 59, NULL, MF_CRON_CYCLE, 0, true}},
        {HOUR, {"hour", 0, 23, NULL, MF_CRON_CYCLE, 0, true}},
        {MONTH_DAY, {"day of month", 1, 31, NULL, MF_CRON_MONTH_DAY, 0, true}},
        {MONTH, {"month", 1, 12, month_names, MF_CRON_CYCLE, 0, true}},
        {WEEK_DAY, {"day of week", 0, 6, week_day_names, MF_CRON_WEEK_DAY, 0, true}},
    },
};

static const struct form with_seconds = {
    "second minute hour day-of-month month day-of-week",
    6,
    {
        {SECOND, {"second", 0, 59, NULL, MF_CRON_CYCLE, 0, false}},
        {MINUTE, {"minute", 0, 59, NULL, MF_CRON_CYCLE, 0, false}},
        {HOUR, {"hour", 0, 23, NULL, MF_CRON_CYCLE, 0, false}},
        {MONTH_DAY, {"day of month", 1, 31, NULL, MF_CRON_MONTH_DAY, 0, true}},
        {MONTH, {"month", 1, 12, month_names, MF_CRON_CYCLE, 0, false}},
        {WEEK_DAY, {"day of week", 0, 6, week_day_names, MF_CRON_WEEK_DAY, 0, true}},
    },
};

static const struct form aws = {
    "minute hour day-of-month month day-of-week year",
    6,
    {
        {MINUTE, {"minute", 0, 59, NULL, MF_CRON_CYCLE, 0, false}},
        {HOUR, {"hour", 0, 23, NULL, MF_CRON_CYCLE, 0, false}},
        {MONTH_DAY, {"day of month", 1, 31, NULL, MF_CRON_MONTH_DAY, 0, true}},
        {MONTH, {"month", 1, 12, month_names, MF_CRON_CYCLE, 0, false}},
        {WEEK_DAY, {"day of week", 1, 7, week_day_names, MF_CRON_WEEK_DAY, 1, true}},
        {YEAR, {"year", MF_CRON_YEAR_MIN, MF_CRON_YEAR_MAX, NULL, MF_CRON_YEAR, MF_CRON_YEAR_MIN, false}},
    },
};

/* ---- the text ---- */

/* The number of words; the first ones are in the list. */
static size_t split(struct mf_str text, struct mf_str words[FIELDS_MAX])
{
    size_t count = 0;
    for (struct mf_str word = mf_cron_word(&text); word.len > 0; word = mf_cron_word(&text)) {
        if (count < FIELDS_MAX)
            words[count] = word;
        count++;
    }
    return count;
}

static void set_part(int part, const struct mf_cron_values *values, struct mf_cron *out)
{
    switch (part) {
    case SECOND:
        out->seconds = values->bits[0];
        break;
    case MINUTE:
        out->minutes = values->bits[0];
        break;
    case HOUR:
        out->hours = (uint32_t)values->bits[0];
        break;
    case MONTH_DAY:
        out->month_days = (uint32_t)values->bits[0];
        out->month_ends = values->month_ends;
        out->near_days = values->near_days;
        out->any_month_day = values->star;
        out->has_specials = out->has_specials || values->special;
        break;
    case MONTH:
        out->months = (uint16_t)values->bits[0];
        break;
    case WEEK_DAY:
        out->week_days = (uint8_t)values->bits[0];
        out->last_week_days = values->last_week_days;
        memcpy(out->nth_week_days, values->nth_week_days, sizeof out->nth_week_days);
        out->any_week_day = values->star;
        out->has_specials = out->has_specials || values->special;
        break;
    default:
        out->has_years = !values->star;
        for (size_t i = 0; i < sizeof out->years; i++)
            out->years[i] = (uint8_t)(values->bits[i / 8] >> i % 8 * 8);
    }
}

static enum mf_code parse_form(const struct form *form, struct mf_str text, struct mf_cron *out,
                               struct mf_error *err)
{
    struct mf_str words[FIELDS_MAX];
    struct mf_cron_values values;
    size_t count = split(text, words);
    if (count != form->count)
        return mf_fail(err, MF_INVALID_ARGUMENT, "expected exactly %zu fields, found %zu: \"%.*s\"; write %s",
                       form->count, count, MF_FMT(mf_str_take(text, 100)), form->order);
    out->seconds = 1;
    for (size_t i = 0; i < count; i++) {
        enum mf_code code = mf_cron_field(&form->fields[i].field, words[i], &values, err);
        if (code != MF_OK)
            return code;
        set_part(form->fields[i].part, &values, out);
    }
    return MF_OK;
}

/* Of AWS: exactly one of the two fields of days leaves the choice to the other. */
static enum mf_code parse_aws(struct mf_str text, struct mf_cron *out, struct mf_error *err)
{
    struct mf_str words[FIELDS_MAX];
    if (split(text, words) == aws.count && mf_str_eq_c(words[2], "?") == mf_str_eq_c(words[4], "?"))
        return mf_fail(
            err, MF_INVALID_ARGUMENT,
            "exactly one of day-of-month and day-of-week has to be \"?\" in minute hour day-of-month "
            "month day-of-week year: \"%.*s\"",
            MF_FMT(mf_str_take(text, 100)));
    return parse_form(&aws, text, out, err);
}

static enum mf_code parse_fields(struct mf_str text, struct mf_cron *out, struct mf_error *err)
{
    struct mf_str words[FIELDS_MAX];
    if (split(text, words) != with_seconds.count)
        return parse_form(&plain, text, out, err);
    if (mf_str_starts(words[0], MF_STR("TZ=")) || mf_str_starts(words[0], MF_STR("CRON_TZ=")))
        return mf_fail(err, MF_INVALID_ARGUMENT, "the time zone is given twice; leave out \"%.*s\"",
                       MF_FMT(mf_str_take(words[0], 100)));
    if (mf_str_eq_c(words[2], "?") || mf_str_eq_c(words[4], "?"))
        return parse_aws(text, out, err);
    return parse_form(&with_seconds, text, out, err);
}

/* "rate(5 minutes)" without its frame. */
static enum mf_code parse_rate(struct mf_str text, struct mf_cron *out, struct mf_error *err)
{
    static const struct {
        const char *one, *many;
        int64_t ns;
    } units[] = {
        {"minute", "minutes", MINUTE_NS},
        {"hour", "hours", 60 * MINUTE_NS},
        {"day", "days", 24 * 60 * MINUTE_NS},
    };
    struct mf_str words[FIELDS_MAX];
    uint64_t value = 0;
    if (split(text, words) == 2 && mf_str_to_u64(words[0], &value) && value > 0) {
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
            if (mf_str_eq_c(words[1], value == 1 ? units[i].one : units[i].many) &&
                value <= (uint64_t)(RATE_DAYS_MAX * 24 * 60 * MINUTE_NS / units[i].ns)) {
                out->every_ns = (int64_t)value * units[i].ns;
                return MF_OK;
            }
        }
    }
    return mf_fail(
        err, MF_INVALID_ARGUMENT,
        "\"rate(%.*s)\" is no rate; write \"rate(1 minute)\", \"rate(5 hours)\", \"rate(7 days)\", up to a "
        "hundred years",
        MF_FMT(mf_str_take(text, 100)));
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
            return parse_form(&plain, mf_str_from_c(known[i].fields), out, err);
    }
    if (mf_str_starts(text, MF_STR("@every ")))
        return parse_every(mf_str_skip(text, 7), out, err);
    return mf_fail(
        err, MF_INVALID_ARGUMENT,
        "\"%.*s\" is not known; write @yearly, @monthly, @weekly, @daily, @hourly, \"@every 1h30m\" or "
        "five fields",
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

/* Takes "name(" and ")" off the text if it has them. */
static bool cut_frame(struct mf_str *text, struct mf_str begin)
{
    if (!mf_str_starts(*text, begin) || !mf_str_ends(*text, MF_STR(")")))
        return false;
    *text = mf_str_take(mf_str_skip(*text, begin.len), text->len - begin.len - 1);
    return true;
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
    if (text.len > 0 && text.ptr[0] == '@')
        return parse_descriptor(text, out, err);
    struct mf_str inner = mf_cron_trim(text);
    if (cut_frame(&inner, MF_STR("cron(")))
        return parse_aws(inner, out, err);
    if (cut_frame(&inner, MF_STR("rate(")))
        return parse_rate(inner, out, err);
    return parse_fields(text, out, err);
}

/* ---- the times ---- */

bool mf_cron_is_possible(const struct mf_cron *cron)
{
    /* The 28 years from 2001 on have every calendar that there is. */
    const int64_t from = cron->has_years ? MF_CRON_YEAR_MIN : 2001;
    const int64_t last = cron->has_years ? MF_CRON_YEAR_MAX : 2028;
    unsigned day = 0;
    if (cron->every_ns > 0)
        return true;
    if (cron->seconds == 0 || cron->minutes == 0 || cron->hours == 0)
        return false;
    struct mf_month month = mf_month_of(mf_days_from_civil(from, 1, 1), &day);
    for (; month.year <= last; month = mf_month_after(&month)) {
        if (mf_month_counts(&month, cron) && mf_month_days(&month, cron) != 0)
            return true;
    }
    return false;
}

/* The first second of the day that matches, from the given one on; -1: none. No field is empty. */
static int32_t second_in_day(const struct mf_cron *cron, int32_t from)
{
    unsigned hour = (unsigned)from / 3600;
    unsigned minute = (unsigned)from / 60 % 60;
    unsigned second = (unsigned)from % 60;
    if (cron->hours >> hour & 1) {
        uint64_t seconds = cron->seconds >> second << second;
        if (cron->minutes >> minute & 1 && seconds)
            return (int32_t)(hour * 3600 + minute * 60) + __builtin_ctzll(seconds);
        uint64_t minutes = cron->minutes >> (minute + 1) << (minute + 1);
        if (minutes)
            return (int32_t)hour * 3600 + __builtin_ctzll(minutes) * 60 + __builtin_ctzll(cron->seconds);
    }
    uint32_t hours = cron->hours >> (hour + 1) << (hour + 1);
    return hours ? __builtin_ctz(hours) * 3600 + __builtin_ctzll(cron->minutes) * 60 +
                       __builtin_ctzll(cron->seconds)
                 : -1;
}

static int64_t floor_div(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

/* A stretch of local time between two changes of the zone. */
struct stretch {
    int64_t from, end; /* local seconds; end is exclusive */
    int64_t last_year; /* how far the search goes */
};

enum search { FOUND, NOT_HERE, TOO_LATE };

static enum search in_stretch(const struct mf_cron *cron, const struct stretch *stretch, int64_t *found)
{
    unsigned day = 0;
    int64_t days = floor_div(stretch->from, DAY);
    struct mf_month month = mf_month_of(days, &day);
    int32_t second = second_in_day(cron, (int32_t)(stretch->from - days * DAY));
    if (second < 0) {
        day++;
        second = second_in_day(cron, 0);
    }
    while ((month.first + day - 1) * DAY < stretch->end) {
        if (month.year > stretch->last_year)
            return TOO_LATE;
        uint32_t matching = mf_month_counts(&month, cron) ? mf_month_days(&month, cron) : 0;
        uint64_t left = (uint64_t)matching >> day << day;
        if (left) {
            unsigned first = (unsigned)__builtin_ctzll(left);
            if (first != day)
                second = second_in_day(cron, 0);
            *found = (month.first + first - 1) * DAY + second;
            return *found < stretch->end ? FOUND : NOT_HERE;
        }
        month = mf_month_after(&month);
        day = 1;
        second = second_in_day(cron, 0);
        int64_t year = month.month == 1 ? mf_month_year(cron, month.year) : month.year;
        if (year > stretch->last_year)
            return TOO_LATE;
        if (year != month.year)
            month = mf_month_of(mf_days_from_civil(year, 1, 1), &day);
    }
    return NOT_HERE;
}

static int64_t year_of(int64_t local)
{
    unsigned day = 0;
    return mf_month_of(floor_div(local, DAY), &day).year;
}

static bool search(const struct mf_cron *cron, int64_t after, int64_t years_ahead, int64_t *next)
{
    int64_t at = floor_div(after, NS_PER_SECOND);
    int64_t until = 0;
    if (cron->every_ns > 0)
        return !__builtin_add_overflow(at * NS_PER_SECOND, cron->every_ns, next);
    if (cron->seconds == 0 || cron->minutes == 0 || cron->hours == 0)
        return false;
    at++;
    int32_t offset = mf_zone_offset(cron->zone, at, &until);
    const int64_t last_year = cron->has_years ? MF_CRON_YEAR_MAX : year_of(at + offset) + years_ahead;
    for (;;) {
        int64_t local = 0;
        struct stretch stretch = {at + offset, until == INT64_MAX ? INT64_MAX - DAY : until + offset,
                                  last_year};
        enum search result = in_stretch(cron, &stretch, &local);
        if (result == FOUND)
            return !__builtin_mul_overflow(local - offset, NS_PER_SECOND, next);
        if (result == TOO_LATE || until == INT64_MAX)
            return false;
        at = until;
        offset = mf_zone_offset(cron->zone, at, &until);
    }
}

bool mf_cron_next(const struct mf_cron *cron, int64_t after, int64_t *next)
{
    return search(cron, after, YEARS_AHEAD, next);
}

bool mf_cron_next_ever(const struct mf_cron *cron, int64_t after, int64_t *next)
{
    return search(cron, after, MF_CRON_YEARS_APART, next);
}
