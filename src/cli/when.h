/* Instants and spans of time as people type them. Pure. */
#ifndef MF_CLI_WHEN_H
#define MF_CLI_WHEN_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

#define MF_WHEN_FORMS "2026-01-31T09:00:00Z, 2026-01-31 (midnight in UTC), now, or -24h and +1d12h from now"

/* MF_INVALID_ARGUMENT names the flag and the forms. */
enum mf_code mf_when_read(const char *flag, struct mf_str text, int64_t now, int64_t *out,
                          struct mf_error *err) MF_CHECK_RESULT;
/* "12ms", "4.2s", "5m03s", "2h05m", "3d04h"; .ptr NULL when memory ran out. */
struct mf_str mf_when_span(struct mf_arena *arena, int64_t ns);

#endif
