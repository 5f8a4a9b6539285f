/*
 * DataProxyService: where clients put code and inputs, read inputs, outputs, reports and code, and follow
 * logs; and RunLogsService, the older way to the same logs.
 */
#ifndef MF_DATA_DATA_H
#define MF_DATA_DATA_H

#include "objects/object.h"
#include "rpc/server.h"

struct mf_data;

struct mf_data_config {
    struct mf_store *store;
    struct mf_objects *objects;
    const struct mf_sys *sys;
    const char *log_root;         /* see tasklog/tasklog.h */
    const struct mf_str *domains; /* uploads are made for these; none: for any */
    size_t domain_count;
    size_t data_max;      /* bytes of inputs or outputs; 0: 64 MiB */
    int64_t expiry_max_s; /* of signed links; 0: an hour */
};

/* The config's strings must outlive the service. */
enum mf_code mf_data_serve(const struct mf_data_config *config, struct mf_rpc *rpc, struct mf_data **out,
                           struct mf_error *err) MF_CHECK_RESULT;
void mf_data_free(struct mf_data *data); /* after mf_rpc_stop; NULL is fine */

#endif
