/*
 * One HTTP exchange (a request and its response), the same for HTTP/1.1 and HTTP/2, plain and TLS.
 *
 * Every function and callback here belongs to the I/O thread that owns the connection; other threads reach
 * an exchange only by mf_loop_post() to mf_exchange_loop(). Nothing here blocks.
 *
 * Life of an exchange: the server's on_request is called when the header section is complete; there the
 * application calls mf_exchange_bind() with its callbacks. on_close comes exactly once, last, whatever
 * happened (finished, reset by the peer, connection lost, shutdown); after it the exchange is gone.
 */
#ifndef MF_NET_HTTP_H
#define MF_NET_HTTP_H

#include "base/status.h"
#include "base/str.h"

struct mf_exchange;
struct mf_loop;

struct mf_header {
    struct mf_str
        name; /* lower case in requests; written as given (HTTP/2: must be lower case) in responses */
    struct mf_str value;
};

/* Valid until on_close. */
struct mf_http_request {
    struct mf_str method;
    struct mf_str target;            /* as on the wire: path, and "?query" when there is one */
    struct mf_str path;              /* still percent-encoded */
    struct mf_str query;             /* without "?", empty when there is none */
    struct mf_str authority;         /* Host or :authority */
    struct mf_str peer;              /* "127.0.0.1:4711" */
    const struct mf_header *headers; /* in order of arrival, names in lower case, no pseudo-headers */
    size_t header_count;
    int version; /* 1 for HTTP/1.0 and 1.1, 2 for HTTP/2 */
    bool tls;
    bool body_follows; /* false when it is known already that the body is empty */
};

struct mf_exchange_ops {
    /* A piece of the body; the bytes are valid during the call. Flow control: the bytes count as consumed
     * on return, unless the exchange is paused; then no further pieces come until it is resumed. */
    void (*on_body)(void *ctx, struct mf_exchange *exchange, struct mf_str bytes);
    void (*on_end)(void *ctx, struct mf_exchange *exchange); /* the request is complete */
    /* What was queued for sending fell below the low-water mark after it had been above it, so that whoever
     * stopped anywhere in between is told, too. */
    void (*on_drain)(void *ctx, struct mf_exchange *exchange);
    void (*on_close)(void *ctx, struct mf_exchange *exchange);
};

/* The server calls this for each request, on the I/O thread. It must bind the exchange or respond to it. */
typedef void (*mf_on_request)(void *app, struct mf_exchange *exchange);

void mf_exchange_bind(struct mf_exchange *exchange, const struct mf_exchange_ops *ops, void *ctx);
const struct mf_http_request *mf_exchange_request(const struct mf_exchange *exchange);
/* The value of the first header of that (lower-case) name; .ptr NULL when absent. */
struct mf_str mf_exchange_header(const struct mf_exchange *exchange, const char *name);
struct mf_loop *mf_exchange_loop(const struct mf_exchange *exchange);

void mf_exchange_pause(struct mf_exchange *exchange);
void mf_exchange_resume(struct mf_exchange *exchange);
/* The peer may let the request body rest for as long as it likes, as streams do: mf_net_limits.body_ms does
 * not apply. */
void mf_exchange_allow_idle(struct mf_exchange *exchange);

/* From which rest on on_drain is called, instead of half the mark of the limits: for an exchange that holds
 * little in store. */
void mf_exchange_set_low_water(struct mf_exchange *exchange, size_t bytes);

/* Sends the status line and header section (copied). With end the response has no body.
 * A content-length among the headers is honoured; without one HTTP/1.1 uses chunked framing. */
enum mf_code mf_exchange_respond(struct mf_exchange *exchange, int status, const struct mf_header *headers,
                                 size_t count, bool end) MF_CHECK_RESULT;
/* Queues body bytes (copied). Never blocks; look at mf_exchange_queued(). */
enum mf_code mf_exchange_write(struct mf_exchange *exchange, struct mf_str bytes) MF_CHECK_RESULT;
/* Ends the response, with trailers when count > 0 (HTTP/1.1: only when chunked). An unread rest of the
 * request body is discarded within limits, or the connection is closed after the response. */
enum mf_code mf_exchange_finish(struct mf_exchange *exchange, const struct mf_header *trailers,
                                size_t count) MF_CHECK_RESULT;
/* Status, headers, body and end in one step, with content-length. */
enum mf_code mf_exchange_reply(struct mf_exchange *exchange, int status, const struct mf_header *headers,
                               size_t count, struct mf_str body) MF_CHECK_RESULT;
/* Gives the exchange up: RST_STREAM, or the connection is closed on HTTP/1.1. */
void mf_exchange_reset(struct mf_exchange *exchange);
/* Bytes queued and not yet taken by the socket. */
size_t mf_exchange_queued(const struct mf_exchange *exchange);
bool mf_exchange_responded(const struct mf_exchange *exchange);

#endif
