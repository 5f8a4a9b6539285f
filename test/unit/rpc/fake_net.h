/*
 * Stands in for the net layer in tests of rpc: exchanges that a test feeds and reads directly, and a loop
 * that runs when the test waits. Everything but mf_loop_post happens on the test's thread.
 */
#ifndef TEST_RPC_FAKE_NET_H
#define TEST_RPC_FAKE_NET_H

#include "base/buf.h"
#include "net/http.h"
#include "net/loop.h"

#define FAKE_HEADERS 64

struct fake_headers {
    struct mf_header items[FAKE_HEADERS];
    size_t count;
};

struct mf_exchange {
    struct mf_loop *loop;
    struct mf_http_request request;
    const struct mf_exchange_ops *ops;
    void *ctx;

    /* What the application did. */
    int status; /* 0 before the response began */
    struct fake_headers headers;
    struct mf_buf body;
    struct fake_headers trailers;
    bool ended;
    bool was_reset;
    bool paused;
    bool closed;
    size_t queued; /* what mf_exchange_queued says; set by the test */
};

struct mf_loop *fake_loop_new(void);
void fake_loop_free(struct mf_loop *loop);
/* Runs posted work and due timers until done(ctx) or ten seconds are over; false then. */
bool fake_loop_until(struct mf_loop *loop, bool (*done)(void *ctx), void *ctx);
/* The same until the response of the exchange is complete. */
bool fake_until_ended(struct mf_exchange *exchange);

/* A request; target and headers must outlive the exchange. It is given to on_request by fake_open. */
struct mf_exchange *fake_exchange_new(struct mf_loop *loop, const char *method, const char *target,
                                      const struct mf_header *headers, size_t count);
void fake_open(struct mf_exchange *exchange, mf_on_request on_request, void *app);
void fake_body(struct mf_exchange *exchange, struct mf_str bytes);
void fake_end(struct mf_exchange *exchange);
/* Tells the application that the exchange is over, and forgets it. */
void fake_close(struct mf_exchange *exchange);

struct mf_str fake_header(const struct fake_headers *headers, const char *name);

#endif
