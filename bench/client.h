/*
 * A load generator's HTTP/1.1 client: many keep-alive connections to one server, each with one request in
 * flight, all on one thread. Linux (epoll). One thread at a time.
 */
#ifndef MF_BENCH_CLIENT_H
#define MF_BENCH_CLIENT_H

#include "base/buf.h"
#include "base/status.h"

struct bench_client;
struct bench_connection;

/* What a load is made of. Functions return false to stop the whole load with a failure. */
struct bench_load {
    void *ctx;
    /* Writes one request (head and body) for the connection; false in *more: this connection has nothing to
     * send. */
    bool (*request)(void *ctx, int connection, struct mf_buf *out, bool *more);
    /* A whole answer; ns is the time since the request was written. */
    bool (*response)(void *ctx, int connection, int status, struct mf_str body, int64_t ns);
    /* A piece of a response that is still going on (streams); NULL: pieces are collected for response. */
    bool (*piece)(void *ctx, int connection, struct mf_str bytes);
};

enum mf_code bench_client_new(const char *host, const char *port, int connections, struct bench_client **out,
                              struct mf_error *err);
void bench_client_free(struct bench_client *client);
/* Runs until the deadline (monotonic ns), until every connection has nothing more to send, or until a
 * failure. */
enum mf_code bench_client_run(struct bench_client *client, const struct bench_load *load, int64_t deadline_ns,
                              struct mf_error *err);
/* A connection that had nothing to send is asked again. */
void bench_client_poke(struct bench_client *client, int connection);

/* "POST path" with a protobuf body, as the SDK sends it. */
bool bench_write_post(struct mf_buf *out, const char *path, struct mf_str body);
bool bench_write_stream(struct mf_buf *out, const char *path, struct mf_str message);

int64_t bench_now_ns(void);

#endif
