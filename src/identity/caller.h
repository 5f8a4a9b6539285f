/* A caller as it is recorded: flyteidl2.common.EnrichedIdentity. Pure. */
#ifndef MF_IDENTITY_CALLER_H
#define MF_IDENTITY_CALLER_H

#include "base/arena.h"
#include "rpc/caller.h"

/* The encoded message, for columns like run.created_by; empty for an anonymous caller. The strings of the
 * caller are copied. */
enum mf_code mf_identity_encode(struct mf_arena *arena, const struct mf_caller *caller, struct mf_str *out,
                                struct mf_error *err) MF_CHECK_RESULT;
/* The subject in such a message: empty for an anonymous caller. It may alias the
 * bytes. MF_DATA_LOSS when the
 * bytes cannot be read. */
enum mf_code mf_identity_subject(struct mf_arena *arena, struct mf_str encoded, struct mf_str *out,
                                 struct mf_error *err) MF_CHECK_RESULT;

#endif
