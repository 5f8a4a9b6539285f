/*
 * Dispatches HTTP exchanges to RPC handlers and plain HTTP routes. Owns the worker threads.
 *
 * Everything is registered before the network server starts; afterwards the tables are read-only.
 */
#ifndef MF_RPC_SERVER_H
#define MF_RPC_SERVER_H

#include "base/sys.h"
#include "net/loop.h"
#include "net/server.h"
#include "rpc/call.h"
#include "rpc/cors.h"

struct mf_rpc;

/* What is said about a service of the protocol that is not served: what to use in its place. Printable ASCII
 * without quotes, percent signs and backslashes, at most 200 characters. */
struct mf_rpc_advice {
    const char *service; /* full name */
    const char *text;
};

struct mf_rpc_config {
    const struct mf_sys *sys;
    int workers;             /* worker threads; 0: 2 per core, at least 4 */
    size_t message_bytes;    /* largest message, after decompression; 0: 64 MiB; beyond: resource_exhausted */
    uint32_t queue;          /* calls waiting for a worker; 0: 65536; beyond: resource_exhausted */
    uint32_t stream_idle_ms; /* a stream without a message for so long is ended; 0: none */
    size_t send_high_water;  /* as in mf_net_limits; 0: 256 KiB */
    const struct mf_rpc_advice *advice; /* must outlive the server */
    size_t advice_count;
    struct mf_cors cors; /* browsers of which origins may call; empty: none */
};

enum mf_code mf_rpc_new(const struct mf_rpc_config *config, struct mf_rpc **out, struct mf_error *err);
/* Serves a method of the service. Methods of a served service without a handler answer unimplemented. */
enum mf_code mf_rpc_handle(struct mf_rpc *rpc, const struct pb_service *service, size_t method,
                           mf_handler handler, void *ctx, struct mf_error *err) MF_CHECK_RESULT;
/* A plain HTTP route: exact path, or everything below a path that ends in "/". Called on the I/O thread. */
enum mf_code mf_rpc_route(struct mf_rpc *rpc, const char *path, mf_on_request on_request, void *ctx,
                          struct mf_error *err) MF_CHECK_RESULT;
/* What answers a path that is neither method nor route (NULL: 404). Called on the I/O thread. */
void mf_rpc_fallback(struct mf_rpc *rpc, mf_on_request on_request, void *ctx);
/* Server reflection (v1 and v1alpha) and grpc.health.v1 for everything registered. */
enum mf_code mf_rpc_standard_services(struct mf_rpc *rpc, struct mf_error *err) MF_CHECK_RESULT;
/* What grpc.health.v1 answers; true at first, false from mf_rpc_drain on. Any thread. */
void mf_rpc_set_serving(struct mf_rpc *rpc, bool serving);
/* Visits the services that have at least one handler, until visit returns false. */
void mf_rpc_each_service(const struct mf_rpc *rpc, bool (*visit)(void *ctx, const struct pb_service *service),
                         void *ctx);
/* Give this to mf_server_new together with the mf_rpc as app. */
void mf_rpc_on_request(void *rpc, struct mf_exchange *exchange);
enum mf_code mf_rpc_start(struct mf_rpc *rpc, struct mf_error *err);
/* Runs work on a worker thread; for modules that need to leave an I/O thread. False when the queue is full.
 */
bool mf_rpc_run(struct mf_rpc *rpc, struct mf_work *work);
/* Streams are ended cleanly (Connect: end of stream, gRPC: unavailable) so that clients reconnect elsewhere.
 */
void mf_rpc_drain(struct mf_rpc *rpc);
/* Finishes the handlers that are queued and ends the workers; after the network server has stopped. Commands
 * that handlers left with the writer may still complete their calls until mf_rpc_free. */
void mf_rpc_stop(struct mf_rpc *rpc);
void mf_rpc_free(struct mf_rpc *rpc); /* after the network server has stopped */

struct mf_rpc_method_stats {
    const char *path;
    uint64_t started, ok, failed;
    uint64_t buckets[16]; /* latency: below 2^i * 64 us */
};
/* For /metrics: visits each registered method. Any thread. */
void mf_rpc_each_method(const struct mf_rpc *rpc,
                        void (*visit)(void *ctx, const struct mf_rpc_method_stats *stats), void *ctx);

#endif
