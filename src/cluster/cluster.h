/*
 * ClusterService: there is one cluster, this server. A client is told to stay on the address by which it
 * came.
 */
#ifndef MF_CLUSTER_CLUSTER_H
#define MF_CLUSTER_CLUSTER_H

#include "rpc/server.h"

enum mf_code mf_cluster_serve(struct mf_rpc *rpc, struct mf_error *err) MF_CHECK_RESULT;

/* "http://host:port" of the request as the client sees it, or empty when the host it gave is none. Pure.
 * proto is the X-Forwarded-Proto header; its first item counts when it is http or https. */
struct mf_str mf_cluster_endpoint(struct mf_arena *arena, struct mf_str host, struct mf_str proto, bool tls);

#endif
