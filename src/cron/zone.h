/*
 * Time zones, read from the system's database (TZif, RFC 9636, with the rule for the years after the table).
 * The environment (TZ) has no say. A zone that was read stays as it is until the set is freed: a newer
 * database counts after a restart.
 *
 * Every function may be called from any thread.
 */
#ifndef MF_CRON_ZONE_H
#define MF_CRON_ZONE_H

#include "base/status.h"
#include "base/str.h"

struct mf_zones;
struct mf_zone;

/* dir: where the database is; NULL: the usual places. */
enum mf_code mf_zones_new(const char *dir, struct mf_zones **out, struct mf_error *err) MF_CHECK_RESULT;
void mf_zones_free(struct mf_zones *zones); /* NULL is fine */

/* The zone lives as long as the set. "" and "UTC" need no database; "Local" is the machine's own zone.
 * MF_INVALID_ARGUMENT for a name that leads out of the database or is not in it. */
enum mf_code mf_zone_get(struct mf_zones *zones, struct mf_str name, const struct mf_zone **out,
                         struct mf_error *err) MF_CHECK_RESULT;
/* The same from the bytes of a file, for tests; the caller frees it with mf_zone_free. */
enum mf_code mf_zone_parse(struct mf_str bytes, struct mf_zone **out, struct mf_error *err) MF_CHECK_RESULT;
void mf_zone_free(struct mf_zone *zone);

/* Seconds that the local time is ahead of UTC at this instant (seconds since 1970), and since when and until
 * when (exclusive) that holds; INT64_MAX: for ever. NULL is UTC. */
int32_t mf_zone_offset(const struct mf_zone *zone, int64_t at, int64_t *until);

#endif
