#include "rpc/pb_json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A number's text, taken apart. */
struct number {
    bool negative;
    struct mf_str whole;    /* digits before the point */
    struct mf_str fraction; /* digits after it */
    int32_t exponent;       /* held to +-EXPONENT_MAX */
};

#define EXPONENT_MAX 100000000

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct mf_str take_digits(const char **at, const char *end)
{
    const char *begin = *at;
    while (*at < end && is_digit(**at))
        ++*at;
    return mf_str_make(begin, (size_t)(*at - begin));
}

static bool take_exponent(const char **at, const char *end, int32_t *exponent)
{
    bool negative = false;
    ++*at;
    if (*at < end && (**at == '+' || **at == '-'))
        negative = *(*at)++ == '-';
    struct mf_str digits = take_digits(at, end);
    int32_t value = 0;
    for (size_t i = 0; i < digits.len && value < EXPONENT_MAX; i++)
        value = value * 10 + (digits.ptr[i] - '0');
    if (value > EXPONENT_MAX)
        value = EXPONENT_MAX;
    *exponent = negative ? -value : value;
    return digits.len > 0;
}

/* Takes apart the number that text begins with. Its length, or 0 when there is none. */
static size_t split(struct mf_str text, struct number *out)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    *out = (struct number){.fraction = MF_STR_EMPTY};
    if (at < end && *at == '-') {
        out->negative = true;
        at++;
    }
    out->whole = take_digits(&at, end);
    if (out->whole.len == 0 || (out->whole.len > 1 && out->whole.ptr[0] == '0'))
        return 0;
    if (at < end && *at == '.') {
        at++;
        out->fraction = take_digits(&at, end);
        if (out->fraction.len == 0)
            return 0;
    }
    if (at < end && (*at == 'e' || *at == 'E') && !take_exponent(&at, end, &out->exponent))
        return 0;
    return (size_t)(at - text.ptr);
}

static bool split_all(struct mf_str text, struct number *out)
{
    return text.len > 0 && split(text, out) == text.len;
}

bool pb_json_number(struct pb_json_scanner *s, const struct pb_path *path, struct mf_str *token)
{
    struct number number;
    if (pb_json_peek(s) != PB_JSON_NUMBER)
        return pb_json_fail_kind(s, path, "a number");
    size_t len = split(mf_str_make(s->at, (size_t)(s->end - s->at)), &number);
    if (len == 0)
        return pb_json_fail(s, path, "this number is malformed");
    *token = mf_str_make(s->at, len);
    s->at += len;
    return true;
}

/* ---- integers ---- */

static char digit_at(const struct number *n, size_t i)
{
    return i < n->whole.len ? n->whole.ptr[i] : n->fraction.ptr[i - n->whole.len];
}

enum pb_json_integer pb_json_to_integer(struct mf_str token, bool *negative, uint64_t *magnitude)
{
    struct number n;
    if (!split_all(token, &n))
        return PB_JSON_NO_NUMBER;
    size_t count = n.whole.len + n.fraction.len;
    while (count > 0 && digit_at(&n, count - 1) == '0')
        count--;
    *negative = n.negative;
    *magnitude = 0;
    if (count == 0)
        return PB_JSON_INTEGER;
    /* The value is the first count digits, times ten to the power of: */
    int64_t power = (int64_t)n.exponent + (int64_t)n.whole.len - (int64_t)count;
    if (power < 0)
        return PB_JSON_FRACTION;
    for (size_t i = 0; i < count; i++) {
        if (__builtin_mul_overflow(*magnitude, (uint64_t)10, magnitude) ||
            __builtin_add_overflow(*magnitude, (uint64_t)(digit_at(&n, i) - '0'), magnitude))
            return PB_JSON_TOO_LARGE;
    }
    for (; power > 0; power--) {
        if (__builtin_mul_overflow(*magnitude, (uint64_t)10, magnitude))
            return PB_JSON_TOO_LARGE;
    }
    return PB_JSON_INTEGER;
}

/* ---- reading reals ---- */

/* Up to 2^53 with a power of ten that is itself exact, one division or multiplication rounds right. */
static bool to_double_exactly(const struct number *n, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    size_t count = n->whole.len + n->fraction.len;
    int64_t power = (int64_t)n->exponent - (int64_t)n->fraction.len;
    uint64_t mantissa = 0;
    if (count > 18 || power < -22 || power > 22)
        return false;
    for (size_t i = 0; i < count; i++)
        mantissa = mantissa * 10 + (uint64_t)(digit_at(n, i) - '0');
    if (mantissa > UINT64_C(1) << 53)
        return false;
    double value = (double)mantissa;
    value = power < 0 ? value / powers[-power] : value * powers[power];
    *out = n->negative ? -value : value;
    return true;
}

/* strtod and strtof want a terminated text. NULL when memory ran out. */
static const char *terminated(struct mf_arena *arena, struct mf_str token, char *buffer, size_t size)
{
    if (token.len >= size)
        return mf_str_to_c(arena, token);
    memcpy(buffer, token.ptr, token.len);
    buffer[token.len] = '\0';
    return buffer;
}

bool pb_json_to_double(struct mf_arena *arena, struct mf_str token, double *out)
{
    struct number n;
    char buffer[128];
    if (!split_all(token, &n))
        return false;
    if (to_double_exactly(&n, out))
        return true;
    const char *text = terminated(arena, token, buffer, sizeof buffer);
    if (!text)
        return false;
    *out = strtod(text, NULL);
    return isfinite(*out);
}

bool pb_json_to_float(struct mf_arena *arena, struct mf_str token, float *out)
{
    struct number n;
    char buffer[128];
    if (!split_all(token, &n))
        return false;
    const char *text = terminated(arena, token, buffer, sizeof buffer);
    if (!text)
        return false;
    *out = strtof(text, NULL); /* not by way of a double, which would round twice */
    return isfinite(*out);
}

/* ---- writing reals ---- */

/* Small whole numbers, the usual case, need no trial. 0 when the value is not one. */
static size_t from_whole(double value, char *out)
{
    if (!(value > -1e15 && value < 1e15) || value != (double)(int64_t)value || (value == 0 && signbit(value)))
        return 0;
    return (size_t)snprintf(out, PB_JSON_REAL_MAX, "%lld", (long long)value);
}

/* Rounded to the digits that are always preserved, trailing zeros fall away by themselves; so the first
 * precision that reads back as the value is the shortest. Below the normal range fewer digits are preserved:
 * start at one. */
size_t pb_json_from_double(double value, char *out)
{
    size_t len = from_whole(value, out);
    for (int digits = fabs(value) < DBL_MIN ? 1 : DBL_DIG; len == 0; digits++) {
        int n = snprintf(out, PB_JSON_REAL_MAX, "%.*g", digits, value);
        if (digits >= DBL_DECIMAL_DIG || strtod(out, NULL) == value)
            len = (size_t)n;
    }
    return len;
}

size_t pb_json_from_float(float value, char *out)
{
    size_t len = fabsf(value) < 1e6F ? from_whole((double)value, out) : 0;
    for (int digits = fabsf(value) < FLT_MIN ? 1 : FLT_DIG; len == 0; digits++) {
        int n = snprintf(out, PB_JSON_REAL_MAX, "%.*g", digits, (double)value);
        if (digits >= FLT_DECIMAL_DIG || strtof(out, NULL) == value)
            len = (size_t)n;
    }
    return len;
}
