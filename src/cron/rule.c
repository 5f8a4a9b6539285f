#include "cron/rule.h"

#include "base/time.h"

#define DAY 86400
#define YEARS_ROUND 3 /* the year before, the year itself, the one after */

/* ---- the text ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool skip(struct mf_str *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    *text = mf_str_skip(*text, 1);
    return true;
}

/* At least three letters, or anything in angle brackets. */
static bool read_name(struct mf_str *text)
{
    size_t len = 0;
    if (skip(text, '<')) {
        size_t end = mf_str_find_char(*text, '>');
        if (end == SIZE_MAX)
            return false;
        *text = mf_str_skip(*text, end + 1);
        return true;
    }
    while (len < text->len && is_letter(text->ptr[len]))
        len++;
    *text = mf_str_skip(*text, len);
    return len >= 3;
}

static bool read_number(struct mf_str *text, int max, int *out)
{
    size_t len = 0;
    int value = 0;
    while (len < text->len && len < 4 && text->ptr[len] >= '0' && text->ptr[len] <= '9')
        value = value * 10 + (text->ptr[len++] - '0');
    *text = mf_str_skip(*text, len);
    *out = value;
    return len > 0 && value <= max;
}

/* [+-]hh[:mm[:ss]] */
static bool read_time(struct mf_str *text, int32_t *out)
{
    int hours = 0;
    int minutes = 0;
    int seconds = 0;
    bool negative = skip(text, '-');
    if (!negative)
        (void)skip(text, '+');
    if (!read_number(text, 167, &hours) || (skip(text, ':') && !read_number(text, 59, &minutes)) ||
        (skip(text, ':') && !read_number(text, 59, &seconds)))
        return false;
    int32_t value = hours * 3600 + minutes * 60 + seconds;
    *out = negative ? -value : value;
    return true;
}

static bool read_date(struct mf_str *text, struct mf_rule_date *out)
{
    bool ok = false;
    *out = (struct mf_rule_date){.time = 2 * 3600};
    if (skip(text, 'M')) {
        out->kind = MF_RULE_WEEKDAY;
        ok = read_number(text, 12, &out->month) && out->month >= 1 && skip(text, '.') &&
             read_number(text, 5, &out->week) && out->week >= 1 && skip(text, '.') &&
             read_number(text, 6, &out->day);
    } else if (skip(text, 'J')) {
        out->kind = MF_RULE_JULIAN;
        ok = read_number(text, 365, &out->day) && out->day >= 1;
    } else {
        out->kind = MF_RULE_DAY;
        ok = read_number(text, 365, &out->day);
    }
    return ok && (!skip(text, '/') || read_time(text, &out->time));
}

bool mf_rule_parse(struct mf_str text, struct mf_rule *out)
{
    int32_t behind = 0; /* the text counts westward */
    *out = (struct mf_rule){0};
    if (!read_name(&text) || !read_time(&text, &behind))
        return false;
    out->standard = -behind;
    if (text.len == 0)
        return true;
    out->has_summer = true;
    out->summer = out->standard + 3600;
    if (!read_name(&text))
        return false;
    if (text.len > 0 && text.ptr[0] != ',') {
        if (!read_time(&text, &behind))
            return false;
        out->summer = -behind;
    }
    return skip(&text, ',') && read_date(&text, &out->begin) && skip(&text, ',') &&
           read_date(&text, &out->end) && text.len == 0;
}

/* ---- the changes ---- */

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Local seconds since 1970 of the date in that year. */
static int64_t date_in(const struct mf_rule_date *date, int64_t year)
{
    int64_t days = mf_days_from_civil(year, 1, 1);
    switch (date->kind) {
    case MF_RULE_JULIAN:
        days += date->day - 1 + (is_leap(year) && date->day >= 60);
        break;
    case MF_RULE_DAY:
        days += date->day;
        break;
    case MF_RULE_WEEKDAY: {
        int64_t first = mf_days_from_civil(year, (unsigned)date->month, 1);
        int64_t next = date->month == 12 ? mf_days_from_civil(year + 1, 1, 1)
                                         : mf_days_from_civil(year, (unsigned)date->month + 1, 1);
        int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
        days = first + (date->day - weekday + 7) % 7 + (int64_t)7 * (date->week - 1);
        while (days >= next)
            days -= 7;
        break;
    }
    }
    return days * DAY + date->time;
}

struct switching {
    int64_t at;
    int32_t offset; /* from here on */
};

/* Of two at one instant the end of summer comes first, so that summer all year has no gap. */
static void insert(struct switching *list, size_t count, struct switching value, bool begins)
{
    while (count > 0 && (list[count - 1].at > value.at || (list[count - 1].at == value.at && !begins))) {
        list[count] = list[count - 1];
        count--;
    }
    list[count] = value;
}

int32_t mf_rule_offset(const struct mf_rule *rule, int64_t at, int64_t *until)
{
    struct switching list[2 * YEARS_ROUND];
    int64_t year = 0;
    unsigned month = 0;
    unsigned day = 0;
    size_t count = 0;
    int32_t offset = rule->standard;
    *until = INT64_MAX;
    if (!rule->has_summer)
        return rule->standard;
    int64_t days = at / DAY - (at % DAY < 0);
    mf_civil_from_days(days, &year, &month, &day);
    for (int64_t y = year - 1; y <= year + 1; y++) {
        insert(list, count++, (struct switching){date_in(&rule->begin, y) - rule->standard, rule->summer},
               true);
        insert(list, count++, (struct switching){date_in(&rule->end, y) - rule->summer, rule->standard},
               false);
    }
    for (size_t i = 0; i < count; i++) {
        if (list[i].at > at) {
            *until = list[i].at;
            break;
        }
        offset = list[i].offset;
    }
    return offset;
}
