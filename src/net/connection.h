/*
 * Inside of the network layer, for the files of this folder only: I/O threads, connections, exchanges, and
 * what a protocol (HTTP/1.1, HTTP/2) has to provide. Everything belongs to one I/O thread.
 *
 * How the pieces work together: bytes that arrive are given to the protocol at once; it calls the
 * application. Whatever that leads to (output, an exchange that is over, a close) is only noted, and the
 * connection is touched. At the end of the turn of the loop each touched connection is run once: the protocol
 * settles what was noted, and all output goes out in one write. So the application may call anything from
 * any callback, and nothing is freed under the feet of a parser.
 */
#ifndef MF_NET_CONNECTION_H
#define MF_NET_CONNECTION_H

#include "base/buf.h"
#include "base/list.h"
#include "net/head.h"
#include "net/loop.h"
#include "net/server.h"

#include <stdatomic.h>
#include <uv.h>

#define MF_IO_READ_BYTES 65536 /* one read */
#define MF_IO_SPARES 64        /* buffers and heads kept per thread */
#define MF_OUT_TARGET 65536    /* so much output is collected before it is written */
#define MF_PEER_MAX 64

struct mf_connection;
struct mf_tls;
struct mf_tls_context;
struct mf_h2_setup;

struct mf_io_stats {
    _Atomic uint64_t connections_total, connections_open, exchanges_total, exchanges_open, refused_total;
    _Atomic uint64_t bytes_in, bytes_out;
};

/* An I/O thread. */
struct mf_io {
    struct mf_loop *loop;
    struct mf_net_limits limits; /* defaults filled in */
    mf_on_request on_request;
    void *app;
    struct mf_tls_context *tls; /* NULL: plain */
    struct mf_h2_setup *h2;
    uv_prepare_t flush;
    uv_idle_t again; /* active while touched connections wait for the next turn */
    struct mf_timer *tick;
    struct mf_list connections;
    struct mf_list touched;
    char *read_bytes;  /* MF_IO_READ_BYTES, whatever arrives on whichever connection */
    char *plain_bytes; /* the same, decrypted */
    struct mf_buf spare[MF_IO_SPARES];
    size_t spare_count;
    struct mf_head *heads;
    size_t head_count;
    char date[32]; /* of the second below */
    int64_t date_second;
    bool begun;
    bool draining;
    void (*on_empty)(void *ctx); /* draining, and the last connection is gone */
    void *on_empty_ctx;
    struct mf_io_stats stats;
};

/* What HTTP/1.1 and HTTP/2 do differently. */
struct mf_protocol {
    enum mf_code (*respond)(struct mf_exchange *exchange, int status, const struct mf_header *headers,
                            size_t count, bool end);
    enum mf_code (*write)(struct mf_exchange *exchange, struct mf_str bytes);
    enum mf_code (*finish)(struct mf_exchange *exchange, const struct mf_header *trailers, size_t count);
    void (*reset)(struct mf_exchange *exchange);
    void (*resume)(struct mf_exchange *exchange);
    size_t (*queued)(const struct mf_exchange *exchange);
    void (*receive)(struct mf_connection *conn, struct mf_str bytes);
    void (*eof)(struct mf_connection *conn);  /* the peer sends no more */
    void (*run)(struct mf_connection *conn);  /* settles what was noted */
    void (*pull)(struct mf_connection *conn); /* adds output that waits elsewhere to conn->out */
    void (*sent)(struct mf_connection *conn); /* output has gone; there may be room again */
    void (*drain)(struct mf_connection *conn);
    void (*tick)(struct mf_connection *conn, uint64_t now);
    void (*free)(struct mf_connection *conn);        /* closes the exchanges */
    bool (*reads)(const struct mf_connection *conn); /* wants more input now */
};

extern const struct mf_protocol mf_h1_protocol;
extern const struct mf_protocol mf_h2_protocol;

struct mf_connection {
    uv_tcp_t tcp;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct mf_io *io;
    struct mf_link link;  /* io->connections */
    struct mf_link touch; /* io->touched while next is set */
    struct mf_tls *tls;
    const struct mf_protocol *protocol; /* NULL until the first bytes have told */
    void *session;                      /* of the protocol */
    struct mf_list exchanges;
    struct mf_buf in;      /* plain input that waits */
    struct mf_buf out;     /* plain output */
    struct mf_buf wire;    /* encrypted output */
    struct mf_buf sending; /* what libuv is writing */
    uint64_t created_ms;
    uint64_t idle_ms;   /* since when there is no exchange */
    uint64_t send_ms;   /* last progress of output */
    uint64_t linger_ms; /* since when it lingers */
    size_t send_left;   /* of libuv's queue at the last tick */
    bool written;       /* libuv has sent what was given to it; the protocol is to be told */
    size_t lingered;    /* bytes discarded */
    bool reading;
    bool eof;
    bool flush_then_close; /* nothing is added to the output any more */
    bool linger;           /* the peer may still be sending: let it read our last words first */
    bool lingering;        /* said everything; discards what comes */
    bool aborted;          /* to be closed at once */
    bool closed;           /* uv_close was called */
    char peer[MF_PEER_MAX];
};

struct mf_exchange {
    struct mf_connection *conn;
    struct mf_link link; /* conn->exchanges */
    const struct mf_exchange_ops *ops;
    void *ctx;
    uint64_t begun_ms;    /* when its head was complete */
    uint64_t progress_ms; /* last piece of the body, or of the output */
    uint64_t length_left; /* of the response, when has_length */
    size_t low_water;     /* of its own; 0: that of the limits */
    bool bound;
    bool responded;
    bool finished; /* the application has said everything */
    bool paused;
    bool gone;       /* reset, or on_close called: nobody is to be told anything */
    bool above;      /* the output is above the low-water mark */
    bool has_length; /* the response declares its length */
    bool add_length; /* length_left is to be declared */
    bool bodyless;   /* HEAD, 204, 304 */
    bool patient;    /* no deadline for the body */
    bool ended;      /* the request was received completely */
    bool end_told;
    bool failed; /* what was framed is not whole; only a reset is honest */

    /* HTTP/2 only. */
    int32_t stream;
    bool queued_up;    /* in the list of exchanges to be settled */
    bool out_deferred; /* nghttp2 waits for nghttp2_session_resume_data */
    bool has_trailers;
    struct mf_link settle; /* of that list */
    struct mf_buf in;      /* pieces that arrived while paused */
    struct mf_buf out;     /* body not framed yet, from out_at on */
    size_t out_at;
    size_t unconsumed; /* bytes of the stream's window that the application still has */
    uint64_t body_bytes;
    struct mf_header *trailers; /* one block, with the bytes */
    size_t trailer_count;

    struct mf_http_request request;
    struct mf_header headers[]; /* then the bytes of all of them */
};

/* io.c: what the thread keeps for its connections. */
enum mf_code mf_io_init(struct mf_io *io, struct mf_error *err);
/* On the loop's thread: begins and ends the work at the end of each turn. */
bool mf_io_begin(struct mf_io *io);
void mf_io_end(struct mf_io *io);
void mf_io_free(struct mf_io *io);
uint64_t mf_io_now(const struct mf_io *io);
struct mf_head *mf_io_head_take(struct mf_io *io); /* NULL when memory ran out */
void mf_io_head_give(struct mf_io *io, struct mf_head *head);
void mf_io_buf_take(struct mf_io *io, struct mf_buf *buf); /* gives memory to a buffer that has none */
void mf_io_buf_give(struct mf_io *io, struct mf_buf *buf);
struct mf_str mf_io_date(struct mf_io *io);
/* Starts the graceful end: idle connections close, the others when their exchanges are over. */
void mf_io_drain(struct mf_io *io);
void mf_io_close_all(struct mf_io *io);
static inline void mf_io_count(_Atomic uint64_t *counter, uint64_t n)
{
    /* Only the I/O thread writes. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* connection.c */
/* Takes the socket over; closes it when that fails. */
void mf_connection_open(struct mf_io *io, int fd);
void mf_connection_touch(struct mf_connection *conn);
void mf_connection_run(struct mf_connection *conn);
void mf_connection_tick(struct mf_connection *conn, uint64_t now);
void mf_connection_drain(struct mf_connection *conn);
void mf_connection_destroy(struct mf_connection *conn); /* not from within a callback of a protocol */
/* Gives up at the end of the turn, without sending what is queued. */
void mf_connection_abort(struct mf_connection *conn);
/* Closes when the output is sent; linger: the peer may still be sending. */
void mf_connection_close(struct mf_connection *conn, bool linger);
/* Adds to the output; when memory runs out the connection is given up. */
void mf_connection_write(struct mf_connection *conn, const void *bytes, size_t len);
size_t mf_connection_queued(const struct mf_connection *conn);
/* Decrypted bytes, or those of a plain connection. */
void mf_connection_receive(struct mf_connection *conn, struct mf_str bytes);

/* http1.c, http2.c: begin to speak the protocol. False when memory ran out. */
bool mf_h1_begin(struct mf_connection *conn);
bool mf_h2_begin(struct mf_connection *conn);
enum mf_code mf_h2_setup_new(const struct mf_net_limits *limits, struct mf_h2_setup **out,
                             struct mf_error *err);
void mf_h2_setup_free(struct mf_h2_setup *setup);

/* exchange.c */
/* NULL when memory ran out. The head can be given back afterwards. */
struct mf_exchange *mf_exchange_new(struct mf_connection *conn, const struct mf_head *head,
                                    struct mf_str method, struct mf_str target, struct mf_str authority);
/* Hands the exchange to the application. */
void mf_exchange_open(struct mf_exchange *exchange);
/* A piece of the body; false when it was dropped since nobody wants it. */
bool mf_exchange_body(struct mf_exchange *exchange, struct mf_str bytes);
void mf_exchange_end(struct mf_exchange *exchange);
/* Tells the application that it is over, unless told before. */
void mf_exchange_detach(struct mf_exchange *exchange);
/* The same, and frees the exchange. */
void mf_exchange_close(struct mf_exchange *exchange);
/* Answers in the application's place, which is told that the exchange is over. */
void mf_exchange_refuse(struct mf_exchange *exchange, int status, struct mf_str text);
/* The request has been in coming for longer than the limits allow, in all or without progress. */
bool mf_exchange_is_late(const struct mf_exchange *exchange, uint64_t now);
/* Output has gone; calls on_drain when there is room again. */
void mf_exchange_look_at_room(struct mf_exchange *exchange);

/* tls.c */
enum mf_code mf_tls_context_new(const struct mf_net_config *config, struct mf_tls_context **out,
                                struct mf_error *err);
void mf_tls_context_free(struct mf_tls_context *context);
struct mf_tls *mf_tls_new(struct mf_tls_context *context, struct mf_connection *conn);
void mf_tls_free(struct mf_tls *tls);
/* Decrypts and passes on. False when the peer broke the protocol; an alert may wait in conn->wire. */
bool mf_tls_receive(struct mf_tls *tls, struct mf_str bytes);
/* Encrypts conn->out into conn->wire. False when that is not possible. */
bool mf_tls_send(struct mf_tls *tls);
void mf_tls_close(struct mf_tls *tls);       /* adds the closing alert to conn->wire */
bool mf_tls_ready(const struct mf_tls *tls); /* the handshake is done */
bool mf_tls_is_h2(const struct mf_tls *tls);

#endif
