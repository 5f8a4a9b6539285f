/* Times and durations as text. */
#include "translate/convert.h"

#include "gen/google/protobuf/timestamp.pb.h"

#include <stdio.h>

#define SECOND INT64_C(1000000000)
#define DURATION_MAX INT64_C(315576000000) /* seconds that google.protobuf.Duration may have */

__extension__ typedef __int128 wide;

/* ---- durations ---- */

/* The value over so many decimals, without zeros at the end: 1500 over 3 is "1.5". */
static int decimal(char *out, size_t size, uint64_t value, int decimals)
{
    uint64_t unit = 1;
    for (int i = 0; i < decimals; i++)
        unit *= 10;
    uint64_t fraction = value % unit;
    for (; decimals > 0 && fraction % 10 == 0; decimals--)
        fraction /= 10;
    if (decimals == 0)
        return snprintf(out, size, "%llu", (unsigned long long)(value / unit));
    return snprintf(out, size, "%llu.%0*llu", (unsigned long long)(value / unit), decimals,
                    (unsigned long long)fraction);
}

struct mf_str mf_conv_duration_text(struct mf_arena *arena, int64_t seconds, int32_t nanos)
{
    char number[48];
    wide all = (wide)seconds * SECOND + nanos;
    const char *sign = all < 0 ? "-" : "";
    all = all < 0 ? -all : all;
    if (all == 0)
        return MF_STR("0s");
    if (all < SECOND) {
        int decimals = all < 1000 ? 0 : all < 1000000 ? 3 : 6;
        const char *unit = decimals == 0 ? "ns" : decimals == 3 ? "µs" : "ms";
        decimal(number, sizeof number, (uint64_t)all, decimals);
        return mf_str_printf(arena, "%s%s%s", sign, number, unit);
    }
    wide whole = all / SECOND;
    decimal(number, sizeof number, (uint64_t)(all % (60 * (wide)SECOND)), 9);
    if (whole < 60)
        return mf_str_printf(arena, "%s%ss", sign, number);
    if (whole < 3600)
        return mf_str_printf(arena, "%s%llum%ss", sign, (unsigned long long)(whole / 60), number);
    return mf_str_printf(arena, "%s%lluh%llum%ss", sign, (unsigned long long)(whole / 3600),
                         (unsigned long long)(whole / 60 % 60), number);
}

static int64_t unit_of(struct mf_str *text)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {
        {"ns", 1},       {"us", 1000},  {"µs", 1000}, /* micro sign */
        {"μs", 1000},                                 /* Greek mu */
        {"ms", 1000000}, {"s", SECOND}, {"m", 60 * SECOND}, {"h", 3600 * SECOND},
    };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        struct mf_str name = mf_str_from_c(units[i].name);
        if (!mf_str_starts(*text, name))
            continue;
        *text = mf_str_skip(*text, name.len);
        return units[i].ns;
    }
    return 0;
}

static bool is_digit(struct mf_str text)
{
    return text.len > 0 && text.ptr[0] >= '0' && text.ptr[0] <= '9';
}

/* One "1.5h" of a duration, added to *all. Digits of the fraction beyond a nanosecond are dropped. */
static bool take_term(struct mf_str *text, wide *all)
{
    const wide limit = (wide)DURATION_MAX * SECOND;
    wide whole = 0;
    wide fraction = 0;
    wide scale = 1;
    bool digits = false;
    for (; is_digit(*text); *text = mf_str_skip(*text, 1)) {
        whole = whole * 10 + (text->ptr[0] - '0');
        digits = true;
        if (whole > limit)
            return false;
    }
    if (text->len > 0 && text->ptr[0] == '.') {
        *text = mf_str_skip(*text, 1);
        for (; is_digit(*text); *text = mf_str_skip(*text, 1)) {
            digits = true;
            if (scale >= (wide)SECOND * SECOND)
                continue;
            fraction = fraction * 10 + (text->ptr[0] - '0');
            scale *= 10;
        }
    }
    int64_t unit = digits ? unit_of(text) : 0;
    if (unit == 0 || whole > limit / unit)
        return false;
    *all += whole * unit + fraction * unit / scale;
    return *all <= limit;
}

bool mf_conv_duration_parse(struct mf_str text, int64_t *seconds, int32_t *nanos)
{
    wide all = 0;
    bool negative = text.len > 0 && text.ptr[0] == '-';
    if (mf_str_to_i64(text, seconds) && *seconds >= -DURATION_MAX && *seconds <= DURATION_MAX) {
        *nanos = 0;
        return true;
    }
    if (text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+'))
        text = mf_str_skip(text, 1);
    if (text.len == 0)
        return false;
    while (text.len > 0) {
        if (!take_term(&text, &all))
            return false;
    }
    all = negative ? -all : all;
    *seconds = (int64_t)(all / SECOND);
    *nanos = (int32_t)(all % SECOND);
    return true;
}

/* ---- instants ---- */

struct mf_str mf_conv_time_text(struct mf_arena *arena, const struct pb_google_protobuf_Timestamp *time)
{
    struct mf_str quoted;
    struct mf_error err;
    if (pb_to_json(arena, &pb_google_protobuf_Timestamp_type, time, NULL, &quoted, &err) != MF_OK)
        return (struct mf_str){0};
    return mf_str_trim(quoted, MF_STR("\""));
}

struct pb_google_protobuf_Timestamp *mf_conv_time_parse(struct mf_arena *arena, struct mf_str text)
{
    char quoted[48];
    void *time = NULL;
    struct mf_error err;
    for (size_t i = 0; i < text.len; i++) {
        if (!memchr("0123456789-+:.TZtz ", text.ptr[i], 19))
            return NULL;
    }
    if (text.len == 0 || text.len > 40)
        return NULL;
    int len = snprintf(quoted, sizeof quoted, "\"%.*s\"", MF_FMT(text));
    if (pb_from_json(arena, &pb_google_protobuf_Timestamp_type, mf_str_make(quoted, (size_t)len), NULL, &time,
                     &err) != MF_OK)
        return NULL;
    return time;
}
