#include "base/time.h"

#include "rpc/pb_json.h"

#include <inttypes.h>
#include <stdio.h>

#define NANOS 1000000000

/* ---- reading ---- */

/* Takes exactly count digits. */
static bool take_digits(struct mf_str *text, size_t count, int64_t *out)
{
    if (text->len < count)
        return false;
    *out = 0;
    for (size_t i = 0; i < count; i++) {
        char c = text->ptr[i];
        if (c < '0' || c > '9')
            return false;
        *out = *out * 10 + (c - '0');
    }
    *text = mf_str_skip(*text, count);
    return true;
}

static bool take_char(struct mf_str *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    *text = mf_str_skip(*text, 1);
    return true;
}

/* ".5" as nanoseconds; no point is no fraction. */
static bool take_fraction(struct mf_str *text, int32_t *nanos)
{
    size_t count = 0;
    int64_t value;
    *nanos = 0;
    if (!take_char(text, '.'))
        return true;
    while (count < text->len && text->ptr[count] >= '0' && text->ptr[count] <= '9')
        count++;
    if (count == 0 || count > 9 || !take_digits(text, count, &value))
        return false;
    for (; count < 9; count++)
        value *= 10;
    *nanos = (int32_t)value;
    return true;
}

static bool take_offset(struct mf_str *text, int64_t *seconds)
{
    int64_t hours, minutes;
    *seconds = 0;
    if (take_char(text, 'Z'))
        return true;
    bool west = take_char(text, '-');
    if ((!west && !take_char(text, '+')) || !take_digits(text, 2, &hours) || !take_char(text, ':') ||
        !take_digits(text, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *seconds = (hours * 60 + minutes) * (west ? -60 : 60);
    return true;
}

static bool is_date(int64_t year, int64_t month, int64_t day)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day <= days[month - 1] + (month == 2 && leap);
}

bool pb_json_to_timestamp(struct mf_str text, int64_t *seconds, int32_t *nanos)
{
    int64_t year, month, day, hour, minute, second, offset;
    if (!take_digits(&text, 4, &year) || !take_char(&text, '-') || !take_digits(&text, 2, &month) ||
        !take_char(&text, '-') || !take_digits(&text, 2, &day) || !take_char(&text, 'T') ||
        !take_digits(&text, 2, &hour) || !take_char(&text, ':') || !take_digits(&text, 2, &minute) ||
        !take_char(&text, ':') || !take_digits(&text, 2, &second) || !take_fraction(&text, nanos) ||
        !take_offset(&text, &offset) || text.len > 0)
        return false;
    if (!is_date(year, month, day) || hour > 23 || minute > 59 || second > 59)
        return false;
    int64_t days = mf_days_from_civil(year, (unsigned)month, (unsigned)day);
    *seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset;
    return *seconds >= PB_SECONDS_MIN && *seconds <= PB_SECONDS_MAX;
}

bool pb_json_to_duration(struct mf_str text, int64_t *seconds, int32_t *nanos)
{
    bool negative = take_char(&text, '-');
    size_t count = 0;
    while (count < text.len && text.ptr[count] >= '0' && text.ptr[count] <= '9')
        count++;
    if (count == 0 || count > 12 || !take_digits(&text, count, seconds) || !take_fraction(&text, nanos) ||
        !take_char(&text, 's') || text.len > 0 || *seconds > PB_DURATION_MAX)
        return false;
    if (negative) {
        *seconds = -*seconds;
        *nanos = -*nanos;
    }
    return true;
}

/* ---- writing ---- */

/* Nothing, or a point and 3, 6 or 9 digits. */
static size_t put_fraction(uint32_t nanos, char *out)
{
    int n = 0;
    if (nanos % 1000000 == 0 && nanos > 0)
        n = snprintf(out, PB_JSON_TIME_MAX / 2, ".%03u", nanos / 1000000);
    else if (nanos % 1000 == 0 && nanos > 0)
        n = snprintf(out, PB_JSON_TIME_MAX / 2, ".%06u", nanos / 1000);
    else if (nanos > 0)
        n = snprintf(out, PB_JSON_TIME_MAX / 2, ".%09u", nanos);
    return (size_t)n;
}

static char *put_digits(char *out, unsigned value, unsigned count)
{
    for (unsigned i = count; i > 0; i--) {
        out[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + count;
}

size_t pb_json_from_timestamp(int64_t seconds, int32_t nanos, char *out)
{
    if (seconds < PB_SECONDS_MIN || seconds > PB_SECONDS_MAX || nanos < 0 || nanos >= NANOS)
        return 0;
    /* Counted from the first representable second, so that the remainder is not negative. */
    int64_t since = seconds - PB_SECONDS_MIN;
    int64_t days = since / 86400 + PB_SECONDS_MIN / 86400;
    unsigned of_day = (unsigned)(since % 86400);
    int64_t year;
    unsigned month, day;
    mf_civil_from_days(days, &year, &month, &day);
    char *at = put_digits(out, (unsigned)year, 4);
    *at++ = '-';
    at = put_digits(at, month, 2);
    *at++ = '-';
    at = put_digits(at, day, 2);
    *at++ = 'T';
    at = put_digits(at, of_day / 3600, 2);
    *at++ = ':';
    at = put_digits(at, of_day / 60 % 60, 2);
    *at++ = ':';
    at = put_digits(at, of_day % 60, 2);
    at += put_fraction((uint32_t)nanos, at);
    *at++ = 'Z';
    return (size_t)(at - out);
}

size_t pb_json_from_duration(int64_t seconds, int32_t nanos, char *out)
{
    bool negative = seconds < 0 || nanos < 0;
    if (seconds < -PB_DURATION_MAX || seconds > PB_DURATION_MAX || nanos <= -NANOS || nanos >= NANOS ||
        (negative && (seconds > 0 || nanos > 0)))
        return 0;
    uint64_t whole = (uint64_t)(seconds < 0 ? -seconds : seconds);
    size_t len = (size_t)snprintf(out, PB_JSON_TIME_MAX / 2, "%s%" PRIu64, negative ? "-" : "", whole);
    len += put_fraction((uint32_t)(nanos < 0 ? -nanos : nanos), out + len);
    out[len++] = 's';
    return len;
}
