/* The name of the run of a due time: the same on every server, and the same as Flyte's own scheduler gives it
 * (spec control.md 8.3), so that a due time cannot have two runs. Pure. */
#ifndef MF_SCHEDULE_NAME_H
#define MF_SCHEDULE_NAME_H

#include "store/trigger.h"

#define MF_FIRE_NAME_MAX 18 /* "r", sixteen digits, NUL */

/* "r" and the FNV-1 hash of "project:domain:task:trigger:YYYY:M:D:h:m:s" (UTC) in hexadecimal without leading
 * zeros. Returns its length. */
size_t mf_fire_name(const struct mf_trigger_key *key, int64_t due_ns, char out[MF_FIRE_NAME_MAX]);

#endif
