/*
 * ClusterService: there is one cluster, this server. A client is told the address that was configured; when
 * there is none, and for whoever came by the address the server listens on (its own tasks), to stay where it
 * is.
 */
#ifndef MF_CLUSTER_CLUSTER_H
#define MF_CLUSTER_CLUSTER_H

#include "rpc/server.h"

struct mf_cluster {
    struct mf_str endpoint; /* as configured, "https://host"; may be empty */
    struct mf_str own;      /* "host:port" that the server listens on */
};

/* cluster must outlive the RPC server. */
enum mf_code mf_cluster_serve(const struct mf_cluster *cluster, struct mf_rpc *rpc,
                              struct mf_error *err) MF_CHECK_RESULT;

/* "http://host:port" of the request as the client sees it, or empty when the host it gave is none. Pure.
 * proto is the X-Forwarded-Proto header; its first item counts when it is http or https. */
struct mf_str mf_cluster_endpoint(struct mf_arena *arena, struct mf_str host, struct mf_str proto, bool tls);

#endif
