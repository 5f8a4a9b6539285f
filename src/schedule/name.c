#include "schedule/name.h"

#include "base/time.h"

#include <inttypes.h>
#include <stdio.h>

#define FNV_BASIS UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)
#define DAY_S INT64_C(86400)

/* FNV-1, not 1a: multiplied first. */
static uint64_t hash(uint64_t state, struct mf_str text)
{
    for (size_t i = 0; i < text.len; i++)
        state = (state * FNV_PRIME) ^ (unsigned char)text.ptr[i];
    return state;
}

size_t mf_fire_name(const struct mf_trigger_key *key, int64_t due_ns, char out[MF_FIRE_NAME_MAX])
{
    const struct mf_str parts[] = {key->project, key->domain, key->task_name, key->name};
    int64_t seconds = due_ns / MF_SECOND_NS - (due_ns % MF_SECOND_NS < 0);
    int64_t days = seconds / DAY_S - (seconds % DAY_S < 0);
    int64_t of_day = seconds - days * DAY_S;
    uint64_t state = FNV_BASIS;
    char time[80];
    int64_t year;
    unsigned month;
    unsigned day;
    mf_civil_from_days(days, &year, &month, &day);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        state = hash(state, parts[i]);
        state = hash(state, MF_STR(":"));
    }
    int len = snprintf(time, sizeof time, "%" PRId64 ":%u:%u:%" PRId64 ":%" PRId64 ":%" PRId64, year, month,
                       day, of_day / 3600, of_day / 60 % 60, of_day % 60);
    state = hash(state, mf_str_make(time, (size_t)len));
    return (size_t)snprintf(out, MF_FIRE_NAME_MAX, "r%" PRIx64, state);
}
