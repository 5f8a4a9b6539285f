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

/* ---- one field ---- */

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
                   "%s \"%.*s\": %s; the field takes %u to %u%s, lists, ranges and steps", field->name,
                   MF_FMT(mf_str_take(item, 100)), what, field->min, field->max,
                   field->names ? " or three letters of a name" : "");
}

static bool read_number(struct mf_str text, unsigned *out)
{
    int64_t value = 0;
    if (text.len > 1 && text.ptr[0] == '+' && text.ptr[1] >= '0' && text.ptr[1] <= '9')
        text = mf_str_skip(text, 1);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (text.ptr[i] - '0');
        if (value > INT32_MAX)
            return false;
    }
    *out = (unsigned)value;
    return text.len > 0;
}

static bool read_value(const struct mf_cron_field *field, struct mf_str text, unsigned *out)
{
    for (unsigned i = 0; field->names && i <= field->max - field->min; i++) {
        if (mf_str_eq_nocase(text, mf_str_from_c(field->names[i]))) {
            *out = field->min + i;
            return true;
        }
    }
    return read_number(text, out);
}

static enum mf_code check_range(const struct mf_cron_field *field, struct mf_str item, unsigned begin,
                                unsigned end, struct mf_error *err)
{
    char text[100];
    if (begin < field->min)
        snprintf(text, sizeof text, "beginning of range (%u) below minimum (%u)", begin, field->min);
    else if (end > field->max)
        snprintf(text, sizeof text, "end of range (%u) above maximum (%u)", end, field->max);
    else if (begin > end)
        snprintf(text, sizeof text, "beginning of range (%u) beyond end of range (%u)", begin, end);
    else
        return MF_OK;
    return bad(field, item, text, err);
}

/* "*", "N", "N-M", each with an optional "/step". What follows a "-" behind "*" does not count. */
static enum mf_code add_item(const struct mf_cron_field *field, struct mf_str item, uint64_t *bits,
                             bool *star, struct mf_error *err)
{
    struct mf_str rest = item;
    struct mf_str range = {0};
    struct mf_str step_text = {0};
    struct mf_str low = {0};
    struct mf_str high = {0};
    unsigned begin = field->min;
    unsigned end = field->max;
    unsigned step = 1;
    (void)cut(&rest, '/', &range);
    bool has_step = cut(&rest, '/', &step_text);
    if (rest.ptr)
        return bad(field, item, "too many slashes", err);
    rest = range;
    (void)cut(&rest, '-', &low);
    bool has_high = cut(&rest, '-', &high);
    bool all = mf_str_eq_c(low, "*") || mf_str_eq_c(low, "?");
    if (!all) {
        if (!read_value(field, low, &begin) || (has_high && !read_value(field, high, &end)))
            return bad(field, item, "that is no value", err);
        if (rest.ptr)
            return bad(field, item, "too many hyphens", err);
        if (!has_high && !has_step)
            end = begin;
    }
    if (has_step && !read_number(step_text, &step))
        return bad(field, item, "the step is no number", err);
    enum mf_code code = check_range(field, item, begin, end, err);
    if (code != MF_OK)
        return code;
    if (step == 0)
        return bad(field, item, "step of range should be a positive number", err);
    for (unsigned value = begin; value <= end; value += step) {
        *bits |= UINT64_C(1) << value;
        if (step > end - value)
            break;
    }
    *star = *star || (all && step == 1);
    return MF_OK;
}

enum mf_code mf_cron_field(const struct mf_cron_field *field, struct mf_str text, uint64_t *bits, bool *star,
                           struct mf_error *err)
{
    struct mf_str item;
    enum mf_code code = MF_OK;
    *bits = 0;
    *star = false;
    while (code == MF_OK && cut(&text, ',', &item)) {
        if (item.len > 0)
            code = add_item(field, item, bits, star, err);
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
