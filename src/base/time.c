#include "base/time.h"

/* The civil-date arithmetic counts years from March, so that the leap day is the last of its year. */
int64_t mf_days_from_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t shifted_month = (int64_t)(month + 9) % 12;
    int64_t day_of_year = (153 * shifted_month + 2) / 5 + (int64_t)day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void mf_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    *day = (unsigned)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *month = (unsigned)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    *year = year_of_era + era * 400 + (*month <= 2 ? 1 : 0);
}

struct moment {
    int64_t year;
    unsigned month, day, hour, minute, second;
    unsigned nanos;
    int64_t days;
};

static struct moment split(int64_t ns)
{
    struct moment m = {0};
    int64_t seconds = ns / MF_SECOND_NS;
    int64_t nanos = ns % MF_SECOND_NS;
    if (nanos < 0) {
        nanos += MF_SECOND_NS;
        seconds--;
    }
    int64_t days = seconds / 86400;
    int64_t of_day = seconds % 86400;
    if (of_day < 0) {
        of_day += 86400;
        days--;
    }
    mf_civil_from_days(days, &m.year, &m.month, &m.day);
    m.days = days;
    m.hour = (unsigned)(of_day / 3600);
    m.minute = (unsigned)(of_day / 60 % 60);
    m.second = (unsigned)(of_day % 60);
    m.nanos = (unsigned)nanos;
    return m;
}

struct mf_str mf_time_rfc3339(struct mf_arena *arena, int64_t ns, bool fraction)
{
    struct moment m = split(ns);
    struct mf_str text;
    if (!fraction || m.nanos == 0)
        text = mf_str_printf(arena, "%04lld-%02u-%02uT%02u:%02u:%02uZ", (long long)m.year, m.month, m.day,
                             m.hour, m.minute, m.second);
    else if (m.nanos % 1000000 == 0)
        text = mf_str_printf(arena, "%04lld-%02u-%02uT%02u:%02u:%02u.%03uZ", (long long)m.year, m.month,
                             m.day, m.hour, m.minute, m.second, m.nanos / 1000000);
    else if (m.nanos % 1000 == 0)
        text = mf_str_printf(arena, "%04lld-%02u-%02uT%02u:%02u:%02u.%06uZ", (long long)m.year, m.month,
                             m.day, m.hour, m.minute, m.second, m.nanos / 1000);
    else
        text = mf_str_printf(arena, "%04lld-%02u-%02uT%02u:%02u:%02u.%09uZ", (long long)m.year, m.month,
                             m.day, m.hour, m.minute, m.second, m.nanos);
    return text;
}

struct mf_str mf_time_local(struct mf_arena *arena, int64_t ns, int32_t ahead_s)
{
    int32_t minutes = ahead_s / 60;
    unsigned distance = (unsigned)(minutes < 0 ? -minutes : minutes);
    struct mf_str utc = mf_time_rfc3339(arena, ns + minutes * 60 * MF_SECOND_NS, false);
    if (minutes == 0 || !utc.ptr)
        return utc;
    return mf_str_printf(arena, "%.*s%c%02u:%02u", MF_FMT(mf_str_take(utc, utc.len - 1)),
                         minutes < 0 ? '-' : '+', distance / 60, distance % 60);
}

/* Reads exactly width digits at *text and moves on. */
static bool digits(struct mf_str *text, size_t width, unsigned *out)
{
    uint64_t value;
    if (text->len < width || !mf_str_to_u64(mf_str_take(*text, width), &value))
        return false;
    *out = (unsigned)value;
    *text = mf_str_skip(*text, width);
    return true;
}

static bool one_of(struct mf_str *text, const char *choices)
{
    if (text->len == 0 || text->ptr[0] == '\0' || !strchr(choices, text->ptr[0]))
        return false;
    *text = mf_str_skip(*text, 1);
    return true;
}

static bool parse_fraction(struct mf_str *text, unsigned *nanos)
{
    *nanos = 0;
    if (!one_of(text, "."))
        return true;
    unsigned scale = 100000000;
    size_t n = 0;
    while (n < text->len && text->ptr[n] >= '0' && text->ptr[n] <= '9') {
        if (n == 9)
            return false;
        *nanos += (unsigned)(text->ptr[n] - '0') * scale;
        scale /= 10;
        n++;
    }
    *text = mf_str_skip(*text, n);
    return n > 0;
}

static bool parse_offset(struct mf_str *text, int64_t *seconds)
{
    *seconds = 0;
    if (one_of(text, "Zz"))
        return true;
    bool west = text->len > 0 && text->ptr[0] == '-';
    unsigned hours, minutes;
    if (!one_of(text, "+-") || !digits(text, 2, &hours) || !one_of(text, ":") || !digits(text, 2, &minutes))
        return false;
    if (hours > 23 || minutes > 59)
        return false;
    *seconds = (int64_t)(hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

bool mf_time_parse_rfc3339(struct mf_str text, int64_t *ns)
{
    unsigned year, month, day, hour, minute, second, nanos;
    int64_t offset;
    if (!digits(&text, 4, &year) || !one_of(&text, "-") || !digits(&text, 2, &month) || !one_of(&text, "-") ||
        !digits(&text, 2, &day) || !one_of(&text, "Tt "))
        return false;
    if (!digits(&text, 2, &hour) || !one_of(&text, ":") || !digits(&text, 2, &minute) ||
        !one_of(&text, ":") || !digits(&text, 2, &second))
        return false;
    if (!parse_fraction(&text, &nanos) || !parse_offset(&text, &offset) || text.len != 0)
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 ||
        second > 59)
        return false;
    int64_t seconds =
        mf_days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
    int64_t total;
    if (__builtin_mul_overflow(seconds, MF_SECOND_NS, &total) ||
        __builtin_add_overflow(total, (int64_t)nanos, &total))
        return false;
    *ns = total;
    return true;
}

struct mf_str mf_time_amz(struct mf_arena *arena, int64_t ns)
{
    struct moment m = split(ns);
    return mf_str_printf(arena, "%04lld%02u%02uT%02u%02u%02uZ", (long long)m.year, m.month, m.day, m.hour,
                         m.minute, m.second);
}

struct mf_str mf_time_http(struct mf_arena *arena, int64_t ns)
{
    static const char weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct moment m = split(ns);
    int64_t weekday = (m.days % 7 + 11) % 7; /* 1970-01-01 was a Thursday */
    return mf_str_printf(arena, "%s, %02u %s %04lld %02u:%02u:%02u GMT", weekdays[weekday], m.day,
                         months[m.month - 1], (long long)m.year, m.hour, m.minute, m.second);
}
