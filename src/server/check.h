/* What can be said about the configuration without touching the machine. */
#ifndef MF_SERVER_CHECK_H
#define MF_SERVER_CHECK_H

#include "objects/object.h"
#include "server/config.h"

/* The address, files that belong together, the bucket. */
enum mf_code mf_serve_check(struct mf_arena *arena, const struct mf_config *config,
                            struct mf_error *err) MF_CHECK_RESULT;

/* The keys about a bucket elsewhere; false when none is configured. The texts are the configuration's. */
bool mf_bucket_config_read(const struct mf_config *config, struct mf_bucket_config *out);

#endif
