#include "cron/field.h"

#include "cron/cron.h"

#include <stdio.h>

/* ---- words ---- */

/* Bytes of the white space that the text begins with; 0: it begins with none. */
static size_t space_at(struct mf_str text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    if (text.len >= 1 && (p[0] == ' ' || (p[0] >= '\t' && p[0] <= '\r')))
        return 1;
    if (text.len >= 2 && p[0] == 0xc2 && (p[1] == 0x85 || p[1] == 0xa0))
        return 2;
    if (text.len < 3)
        return 0;
    unsigned tail = (unsigned)p[1] << 8 | p[2];
    if (p[0] == 0xe1 && tail == 0x9a80)
        return 3;
    if (p[0] == 0xe2 && ((tail >= 0x8080 && tail <= 0x808a) || tail == 0x80a8 || tail == 0x80a9 ||
                         tail == 0x80af || tail == 0x819f))
        return 3;
    return p[0] == 0xe3 && tail == 0x8080 ? 3 : 0;
}

struct mf_str mf_cron_word(struct mf_str *text)
{
    size_t len = 0;
    for (size_t space = space_at(*text); space > 0; space = space_at(*text))
        *text = mf_str_skip(*text, space);
    while (len < text->len && space_at(mf_str_skip(*text, len)) == 0)
        len++;
    struct mf_str word = mf_str_take(*text, len);
    *text = mf_str_skip(*text, len);
    return word;
}

struct mf_str mf_cron_trim(struct mf_str text)
{
    struct mf_str rest = text;
    struct mf_str first = mf_cron_word(&rest);
    struct mf_str last = first;
    for (struct mf_str word = first; word.len > 0; word = mf_cron_word(&rest))
        last = word;
    return first.len > 0 ? mf_str_make(first.ptr, (size_t)(last.ptr + last.len - first.ptr)) : MF_STR_EMPTY;
}

/* ---- values ---- */

/* Cuts off what stands before the separator; false when there is nothing left. */
static bool cut(struct mf_str *text, char separator, struct mf_str *piece)
{
    if (!text->ptr)
        return false;
    size_t at = mf_str_find_char(*text, separator);
    *piece = mf_str_take(*text, at);
    *text = at == SIZE_MAX ? (struct mf_str){0} : mf_str_skip(*text, at + 1);
    if (at != SIZE_MAX && !text->ptr)
        text->ptr = "";
    return true;
}

static enum mf_code bad(const struct mf_cron_field *field, struct mf_str item, const char *what,
                        struct mf_error *err)
{
    return mf_fail(err, MF_INVALID_ARGUMENT,
                   "%s \"%.*s\": %s; the field takes %u to %u%s, lists, ranges and steps%s", field->name,
                   MF_FMT(mf_str_take(item, 100)), what, field->min, field->max,
                   field->names ? " or three letters of a name" : "",
                   field->kind == MF_CRON_MONTH_DAY  ? ", L, L-3, 15W and LW"
                   : field->kind == MF_CRON_WEEK_DAY ? ", 5L and 5#2"
                                                     : "");
}

/* Digits, with a "+" if need be. What is above INT32_MAX, but still a number of 64 bits, is INT32_MAX: as a
 * step that is beyond the end of any field. */
static bool read_number(struct mf_str text, unsigned *out)
{
    int64_t value = 0;
    if (text.len > 1 && text.ptr[0] == '+')
        text = mf_str_skip(text, 1);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text.ptr[i] - '0', &value))
            return false;
    }
    *out = value > INT32_MAX ? INT32_MAX : (unsigned)value;
    return text.len > 0;
}

static bool read_value(const struct mf_cron_field *field, struct mf_str text, unsigned *out)
{
    for (unsigned i = 0; field->names && text.len == 3 && i <= field->max - field->min; i++) {
        if (mf_str_eq_nocase(text, mf_str_from_c(field->names[i]))) {
            *out = field->min + i;
            return true;
        }
    }
    return read_number(text, out) && *out < INT32_MAX;
}

/* 7 as another name of Sunday. */
static bool has_seven(const struct mf_cron_field *field)
{
    return field->kind == MF_CRON_WEEK_DAY && field->min == 0;
}

/* ---- L, W and # ---- */

static bool is_letter(char c, char upper)
{
    return c == upper || c == upper + ('a' - 'A');
}

/* One or two digits, within the bounds. */
static bool read_small(struct mf_str text, unsigned min, unsigned max, unsigned *out)
{
    return text.len <= 2 && text.len > 0 && text.ptr[0] != '+' && read_number(text, out) && *out >= min &&
           *out <= max;
}

/* Whether the item is one that only a field of this kind takes. "*-L" is "*", whatever stands behind it. */
static bool is_special(const struct mf_cron_field *field, struct mf_str item)
{
    if (item.ptr[0] == '*' || item.ptr[0] == '?')
        return false;
    char last = item.ptr[item.len - 1];
    if (field->kind == MF_CRON_MONTH_DAY)
        return is_letter(item.ptr[0], 'L') || is_letter(last, 'W');
    return field->kind == MF_CRON_WEEK_DAY &&
           (is_letter(last, 'L') || mf_str_find_char(item, '#') != SIZE_MAX);
}

static enum mf_code add_month_day(const struct mf_cron_field *field, struct mf_str item,
                                  struct mf_cron_values *out, struct mf_error *err)
{
    unsigned n = 0;
    if (item.len == 1 && is_letter(item.ptr[0], 'L'))
        out->month_ends |= 1;
    else if (item.len == 2 && is_letter(item.ptr[0], 'L') && is_letter(item.ptr[1], 'W'))
        out->near_days |= 1;
    else if (item.len > 2 && item.ptr[1] == '-' && is_letter(item.ptr[0], 'L') &&
             read_small(mf_str_skip(item, 2), 1, field->max - 1, &n))
        out->month_ends |= UINT32_C(1) << n;
    else if (is_letter(item.ptr[item.len - 1], 'W') &&
             read_small(mf_str_take(item, item.len - 1), field->min, field->max, &n))
        out->near_days |= UINT32_C(1) << n;
    else
        return bad(field, item, "write L, L-1 to L-30, 1W to 31W or LW, without range and step", err);
    return MF_OK;
}

static enum mf_code add_week_day(const struct mf_cron_field *field, struct mf_str item,
                                 struct mf_cron_values *out, struct mf_error *err)
{
    size_t mark = mf_str_find_char(item, '#');
    struct mf_str day = mf_str_take(item, mark != SIZE_MAX ? mark : item.len - 1);
    unsigned value = 0;
    unsigned nth = 0;
    if (day.len == 0 && mark == SIZE_MAX && field->min == 1) {
        out->bits[0] |= UINT64_C(1) << (field->max - field->origin);
        return MF_OK;
    }
    if (day.len == 0 && mark == SIZE_MAX)
        return bad(field, item,
                   "write SAT or SUN for the last day of the week, or SUNL for the month's last Sunday", err);
    if (!(read_value(field, day, &value) && (day.len == 3 || day.len == 1)) || value < field->min ||
        value > field->max + has_seven(field) ||
        (mark != SIZE_MAX && !read_small(mf_str_skip(item, mark + 1), 1, 5, &nth)))
        return bad(field, item,
                   "write one day as in FRIL for the last or FRI#1 to FRI#5 for the n-th of a month", err);
    uint8_t bit = (uint8_t)(1U << (value - field->origin) % 7);
    if (mark == SIZE_MAX)
        out->last_week_days |= bit;
    else
        out->nth_week_days[nth - 1] |= bit;
    return MF_OK;
}

/* ---- one field ---- */

/* begin to end by step; where end is below begin, over the end of the field. */
static void add_range(const struct mf_cron_field *field, unsigned begin, unsigned end, unsigned step,
                      struct mf_cron_values *out)
{
    unsigned size = field->max - field->min + 1;
    unsigned span = end >= begin ? end - begin : end + size - begin;
    for (unsigned at = 0; at <= span; at += step) {
        unsigned value = begin + at;
        unsigned bit = (value > field->max ? value - size : value) - field->origin;
        out->bits[bit / 64] |= UINT64_C(1) << bit % 64;
        if (step > span - at)
            break;
    }
}

static enum mf_code check_range(const struct mf_cron_field *field, struct mf_str item, unsigned begin,
                                unsigned end, bool wraps, struct mf_error *err)
{
    char text[100];
    if (begin < field->min)
        snprintf(text, sizeof text, "beginning of range (%u) below minimum (%u)", begin, field->min);
    else if (end > field->max)
        snprintf(text, sizeof text, "end of range (%u) above maximum (%u)", end, field->max);
    else if (begin > end && (!wraps || begin > field->max || end < field->min))
        snprintf(text, sizeof text, "beginning of range (%u) beyond end of range (%u)", begin, end);
    else
        return MF_OK;
    return bad(field, item, text, err);
}

/* An item in its parts. */
struct item {
    struct mf_str text, low, high, step;
    bool has_high, has_step;
    bool all; /* "*" or "?": what follows a "-" behind it does not count */
};

static enum mf_code split_item(const struct mf_cron_field *field, struct mf_str text, struct item *out,
                               struct mf_error *err)
{
    struct mf_str rest = text;
    struct mf_str range = {0};
    *out = (struct item){.text = text};
    (void)cut(&rest, '/', &range);
    out->has_step = cut(&rest, '/', &out->step);
    if (rest.ptr)
        return bad(field, text, "too many slashes", err);
    rest = range;
    (void)cut(&rest, '-', &out->low);
    out->has_high = cut(&rest, '-', &out->high);
    bool mark = mf_str_eq_c(out->low, "?");
    out->all = mark || mf_str_eq_c(out->low, "*");
    if (mark && !field->has_mark)
        return bad(field, text, "\"?\" has no meaning here, write \"*\" for all", err);
    if (rest.ptr && !out->all)
        return bad(field, text, "too many hyphens", err);
    return MF_OK;
}

/* "*", "N", "N-M", each with an optional "/step". */
static enum mf_code add_item(const struct mf_cron_field *field, struct mf_str text,
                             struct mf_cron_values *out, struct mf_error *err)
{
    struct item item;
    unsigned begin = field->min;
    unsigned end = field->max;
    unsigned step = 1;
    enum mf_code code = split_item(field, text, &item, err);
    if (code != MF_OK)
        return code;
    if (!item.all) {
        if (!read_value(field, item.low, &begin) || (item.has_high && !read_value(field, item.high, &end)))
            return bad(field, text, "that is no value", err);
        if (!item.has_high && !item.has_step)
            end = begin;
    }
    if (item.has_step && !read_number(item.step, &step))
        return bad(field, text, "the step is no number", err);
    /* 7 at the end of a range is the day after Saturday; elsewhere it is 0. */
    bool seven = has_seven(field) && (item.has_high || !item.has_step);
    if (seven && begin == 7) {
        begin = 0;
        end = end == 7 ? 0 : end;
    }
    bool wraps = item.has_high && !item.all && field->kind != MF_CRON_YEAR;
    code = check_range(field, text, begin, seven && end == 7 ? field->max : end, wraps, err);
    if (code != MF_OK)
        return code;
    if (step == 0)
        return bad(field, text, "step of range should be a positive number", err);
    if (begin > end && step > 1 && field->kind == MF_CRON_MONTH_DAY)
        return bad(field, text, "no step over the end of a month, months differ in length", err);
    add_range(field, begin, end, step, out);
    out->star = out->star || (item.all && step == 1);
    return MF_OK;
}

enum mf_code mf_cron_field(const struct mf_cron_field *field, struct mf_str text, struct mf_cron_values *out,
                           struct mf_error *err)
{
    struct mf_str item;
    enum mf_code code = MF_OK;
    *out = (struct mf_cron_values){0};
    while (code == MF_OK && cut(&text, ',', &item)) {
        if (item.len == 0)
            continue;
        bool special = is_special(field, item);
        out->special = out->special || special;
        if (!special)
            code = add_item(field, item, out, err);
        else if (field->kind == MF_CRON_MONTH_DAY)
            code = add_month_day(field, item, out, err);
        else
            code = add_week_day(field, item, out, err);
    }
    return code;
}

/* ---- durations ---- */

/* The unit that the text begins with, in nanoseconds, and its length; 0: none. */
static int64_t unit_at(struct mf_str text, size_t *len)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {
        {"ns", 1},
        {"us", 1000},
        {"\xc2\xb5s", 1000},
        {"\xce\xbcs", 1000},
        {"ms", 1000000},
        {"s", INT64_C(1000000000)},
        {"m", INT64_C(60000000000)},
        {"h", INT64_C(3600000000000)},
    };
    size_t end = 0;
    while (end < text.len && text.ptr[end] != '.' && (text.ptr[end] < '0' || text.ptr[end] > '9'))
        end++;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (mf_str_eq_c(mf_str_take(text, end), units[i].name)) {
            *len = end;
            return units[i].ns;
        }
    }
    return 0;
}

/* One "1.5h" of the text; adds it to the sum. */
static bool add_part(struct mf_str *text, int64_t *sum)
{
    int64_t whole = 0;
    double fraction = 0;
    double scale = 1;
    size_t at = 0;
    size_t digits = 0;
    size_t unit_len = 0;
    for (; at < text->len && text->ptr[at] >= '0' && text->ptr[at] <= '9'; at++, digits++) {
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, text->ptr[at] - '0', &whole))
            return false;
    }
    if (at < text->len && text->ptr[at] == '.') {
        for (at++; at < text->len && text->ptr[at] >= '0' && text->ptr[at] <= '9'; at++, digits++) {
            scale /= 10;
            fraction += scale * (text->ptr[at] - '0');
        }
    }
    *text = mf_str_skip(*text, at);
    int64_t unit = unit_at(*text, &unit_len);
    int64_t value = 0;
    if (digits == 0 || unit == 0 || __builtin_mul_overflow(whole, unit, &value) ||
        __builtin_add_overflow(value, (int64_t)(fraction * (double)unit), &value) ||
        __builtin_add_overflow(*sum, value, sum))
        return false;
    *text = mf_str_skip(*text, unit_len);
    return true;
}

bool mf_cron_duration(struct mf_str text, int64_t *ns)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    int64_t sum = 0;
    if (negative || (text.len > 0 && text.ptr[0] == '+'))
        text = mf_str_skip(text, 1);
    if (mf_str_eq_c(text, "0")) {
        *ns = 0;
        return true;
    }
    if (text.len == 0)
        return false;
    while (text.len > 0) {
        if (!add_part(&text, &sum))
            return false;
    }
    *ns = negative ? -sum : sum;
    return true;
}
