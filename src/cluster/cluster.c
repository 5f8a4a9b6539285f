#include "cluster/cluster.h"

#include "gen/flyteidl2/cluster/service.pb.h"
#include "rpc/caller.h"

#define HOST_MAX 300 /* 253 of a name, brackets, port */

/* A host name or address with an optional port; nothing that could lead a client elsewhere when pasted into a
 * URL. */
static bool is_host(struct mf_str host)
{
    if (host.len == 0 || host.len > HOST_MAX)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && !memchr("-._:[]", c, 6))
            return false;
    }
    return true;
}

struct mf_str mf_cluster_endpoint(struct mf_arena *arena, struct mf_str host, struct mf_str proto, bool tls)
{
    const char *scheme = tls ? "https" : "http";
    struct mf_str first = mf_str_trim(mf_str_take(proto, mf_str_find_char(proto, ',')), MF_STR(" \t"));
    if (mf_str_eq_nocase(first, MF_STR("https")))
        scheme = "https";
    else if (mf_str_eq_nocase(first, MF_STR("http")))
        scheme = "http";
    if (!is_host(host))
        return MF_STR_EMPTY;
    return mf_str_printf(arena, "%s://%.*s", scheme, MF_FMT(host));
}

static void on_select(void *service, struct mf_call *call)
{
    const struct mf_cluster *cluster = service;
    const struct mf_http_request *request = mf_call_http(call);
    struct pb_cluster_SelectClusterResponse response = {.cluster_endpoint = cluster->endpoint};
    /* A task whose address holds its key must keep exactly that address. */
    if (mf_call_task_key(call).len > 0)
        response.cluster_endpoint = MF_STR_EMPTY;
    else if (cluster->endpoint.len == 0 || mf_str_eq_nocase(request->authority, cluster->own))
        response.cluster_endpoint = mf_cluster_endpoint(
            mf_call_arena(call), request->authority, mf_call_header(call, "x-forwarded-proto"), request->tls);
    if (!response.cluster_endpoint.ptr)
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory");
    else
        mf_call_reply(call, &response);
}

enum mf_code mf_cluster_serve(const struct mf_cluster *cluster, struct mf_rpc *rpc, struct mf_error *err)
{
    return mf_rpc_handle(rpc, &pb_cluster_ClusterService_service, pb_cluster_ClusterService_SelectCluster,
                         on_select, (void *)(uintptr_t)cluster, err);
}
