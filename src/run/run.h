/*
 * RunService: runs are created, aborted, read, listed and watched here. Handlers run on worker threads; every
 * change is a command of the store's writer.
 */
#ifndef MF_RUN_RUN_H
#define MF_RUN_RUN_H

#include "objects/object.h"
#include "rpc/server.h"
#include "store/store.h"

struct mf_runs;

/* Everything must outlive the service. */
struct mf_runs_config {
    const struct mf_sys *sys;
    struct mf_store *store;
    struct mf_objects *objects;
    const struct mf_str *domains; /* runs can be made in these; none: in any */
    size_t domain_count;
    size_t data_max; /* bytes of inputs or outputs that are shown; 0: 64 MiB */
};

enum mf_code mf_runs_serve(const struct mf_runs_config *config, struct mf_rpc *rpc, struct mf_runs **out,
                           struct mf_error *err) MF_CHECK_RESULT;
void mf_runs_free(struct mf_runs *runs); /* after the RPC server; NULL is fine */

#endif
