#include "cli/when.h"

#include "base/time.h"

#define MINUTE_S 60
#define HOUR_S 3600
#define DAY_S 86400

static int64_t unit_seconds(char unit)
{
    switch (unit) {
    case 's':
        return 1;
    case 'm':
        return MINUTE_S;
    case 'h':
        return HOUR_S;
    case 'd':
        return DAY_S;
    case 'w':
        return INT64_C(7) * DAY_S;
    default:
        return 0;
    }
}

/* "1d12h": numbers, each with its unit. */
static bool read_span(struct mf_str text, int64_t *seconds)
{
    *seconds = 0;
    if (text.len == 0)
        return false;
    while (text.len > 0) {
        size_t digits = 0;
        int64_t number = 0;
        while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
            digits++;
        if (digits == text.len || !mf_str_to_i64(mf_str_take(text, digits), &number))
            return false;
        int64_t unit = unit_seconds(text.ptr[digits]);
        if (unit == 0 || __builtin_mul_overflow(number, unit, &number) ||
            __builtin_add_overflow(*seconds, number, seconds))
            return false;
        text = mf_str_skip(text, digits + 1);
    }
    return true;
}

static bool read_relative(struct mf_str text, int64_t now, int64_t *out)
{
    int64_t span = 0;
    bool is_past = text.ptr[0] == '-';
    if (!read_span(mf_str_skip(text, 1), &span) || __builtin_mul_overflow(span, MF_SECOND_NS, &span))
        return false;
    return is_past ? !__builtin_sub_overflow(now, span, out) : !__builtin_add_overflow(now, span, out);
}

static bool read_date(struct mf_str text, int64_t *out)
{
    char whole[sizeof "2026-01-31T00:00:00Z"];
    if (text.len != sizeof "2026-01-31" - 1)
        return false;
    memcpy(whole, text.ptr, text.len);
    memcpy(whole + text.len, "T00:00:00Z", sizeof "T00:00:00Z");
    return mf_time_parse_rfc3339(mf_str_from_c(whole), out);
}

enum mf_code mf_when_read(const char *flag, struct mf_str text, int64_t now, int64_t *out,
                          struct mf_error *err)
{
    bool is_relative = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    *out = now;
    if (mf_str_eq_c(text, "now") || (is_relative && read_relative(text, now, out)) || read_date(text, out) ||
        mf_time_parse_rfc3339(text, out))
        return MF_OK;
    return mf_fail(err, MF_INVALID_ARGUMENT, "--%s: \"%.*s\" is no time; write " MF_WHEN_FORMS, flag,
                   MF_FMT(mf_str_take(text, 100)));
}

struct mf_str mf_when_span(struct mf_arena *arena, int64_t ns)
{
    long long seconds = ns / MF_SECOND_NS;
    if (ns < MF_SECOND_NS)
        return mf_str_printf(arena, "%lldms", (long long)(ns / MF_MS_NS));
    if (seconds < MINUTE_S)
        return mf_str_printf(arena, "%lld.%llds", seconds,
                             (long long)(ns % MF_SECOND_NS / (MF_SECOND_NS / 10)));
    if (seconds < HOUR_S)
        return mf_str_printf(arena, "%lldm%02llds", seconds / MINUTE_S, seconds % MINUTE_S);
    if (seconds < DAY_S)
        return mf_str_printf(arena, "%lldh%02lldm", seconds / HOUR_S, seconds % HOUR_S / MINUTE_S);
    return mf_str_printf(arena, "%lldd%02lldh", seconds / DAY_S, seconds % DAY_S / HOUR_S);
}
