/*
 * Times as text. Instants are nanoseconds since 1970-01-01 UTC.
 */
#ifndef MF_BASE_TIME_H
#define MF_BASE_TIME_H

#include "base/arena.h"
#include "base/str.h"

#define MF_SECOND_NS ((int64_t)1000000000)
#define MF_MS_NS ((int64_t)1000000)

/* "2026-01-02T03:04:05Z"; with fraction: 3, 6 or 9 digits as needed, none when zero. */
struct mf_str mf_time_rfc3339(struct mf_arena *arena, int64_t ns, bool fraction);
/* "2026-01-02T05:04:05+02:00": the local time where the clock is so many seconds ahead of UTC, as far as
 * whole minutes can tell; whole seconds. With 0 as above. */
struct mf_str mf_time_local(struct mf_arena *arena, int64_t ns, int32_t ahead_s);
/* RFC 3339 (any offset, up to 9 digits of fraction, "T" or a blank). False when malformed or out of range. */
bool mf_time_parse_rfc3339(struct mf_str text, int64_t *ns);
/* Days since 1970-01-01 of a proleptic Gregorian date, and back. */
int64_t mf_days_from_civil(int64_t year, unsigned month, unsigned day);
void mf_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);
/* "20260102T030405Z" as AWS signatures want it. */
struct mf_str mf_time_amz(struct mf_arena *arena, int64_t ns);
/* "Tue, 24 Nov 2026 09:00:00 GMT" (RFC 9110 IMF-fixdate). */
struct mf_str mf_time_http(struct mf_arena *arena, int64_t ns);

#endif
