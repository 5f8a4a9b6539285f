/*
 * A load generator's HTTP/2 client: a few connections to one server with thousands of streams, all on one
 * thread. Linux (epoll). Speaks Connect's streaming protocol and plain requests.
 */
#ifndef MF_BENCH_H2_H
#define MF_BENCH_H2_H

#include "base/buf.h"
#include "base/status.h"

struct bench_h2;

struct bench_stream {
    void *ctx;
    uint32_t messages; /* whole ones that have come, without the end-of-stream envelope */
    bool closed;
    /* A whole message; may be NULL. */
    void (*message)(struct bench_stream *stream, struct mf_str bytes);
    bool collect; /* message wants the bytes */
    bool plain;   /* no envelopes: the body is one message, which comes at the end */
    /* Of h2.c. */
    struct mf_buf body; /* what is not yet a whole message */
    uint32_t skip;      /* bytes of a message that nobody wants */
    struct mf_str request;
    size_t request_at;
};

enum mf_code bench_h2_new(const char *host, const char *port, int connections, struct bench_h2 **out,
                          struct mf_error *err);
void bench_h2_free(struct bench_h2 *h2);
/* body: sent as it is, and must outlive the stream. GET when it is empty. */
bool bench_h2_open(struct bench_h2 *h2, int connection, struct bench_stream *stream, const char *path,
                   const char *content_type, struct mf_str body);
/* Works until done(ctx) or the deadline (monotonic ns); false: the deadline, or a connection broke. */
bool bench_h2_run(struct bench_h2 *h2, bool (*done)(void *ctx), void *ctx, int64_t deadline_ns);

#endif
