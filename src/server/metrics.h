/*
 * GET /metrics in the Prometheus text format. Every metric is a row of a table in metrics.c; docs/metrics.md
 * is made from the same rows.
 */
#ifndef MF_SERVER_METRICS_H
#define MF_SERVER_METRICS_H

#include "base/buf.h"
#include "exec/kube/mirror.h"
#include "objects/object.h"
#include "rpc/server.h"
#include "schedule/scheduler.h"
#include "store/store.h"

/* Where the numbers come from; all of them outlive the RPC server. net may be set after mf_metrics_serve,
 * before the network server starts. */
struct mf_metrics {
    const struct mf_sys *sys;
    const struct mf_rpc *rpc;
    const struct mf_server *net;
    struct mf_store *store;
    struct mf_scheduler *scheduler;
    struct mf_objects *objects;
    const struct mf_mirror *mirror; /* NULL: tasks run on this machine */
    int64_t started_ns;             /* wall clock */
    struct mf_str token;            /* that a reader must bring; empty: none */
};

void mf_metrics_write(const struct mf_metrics *metrics, struct mf_buf *out); /* any thread */
void mf_metrics_docs(struct mf_buf *out);
enum mf_code mf_metrics_serve(struct mf_metrics *metrics, struct mf_rpc *rpc,
                              struct mf_error *err) MF_CHECK_RESULT;

#endif
