/*
 * One RPC, as a service sees it: the same object for Connect, gRPC and gRPC-Web, unary and streaming.
 *
 * A handler is called on a worker thread with the call; it may finish the call there, or keep it and finish
 * it later from any thread. Everything the framework calls for one call (the handler and its callbacks) is
 * serialised: never two at once, though maybe on different threads. Handlers may read the store and the
 * object store; they must not wait for the writer (submit a command and finish the call in its completion).
 *
 * A call ends exactly once: mf_call_reply (unary), mf_call_end or mf_call_fail. A call that the client gave
 * up or whose deadline has passed swallows whatever is sent to it, so a handler need not ask first.
 */
#ifndef MF_RPC_CALL_H
#define MF_RPC_CALL_H

#include "base/arena.h"
#include "base/status.h"
#include "net/http.h"
#include "rpc/pb.h"

struct mf_call;

typedef void (*mf_handler)(void *service, struct mf_call *call);

/* Callbacks of streaming calls; each may be NULL. They run on a worker thread, serialised with the handler.
 */
struct mf_call_ops {
    /* Client and bidi streams: a message arrived (decoded, validated; lives until the callback returns). The
     * next one is read from the network only after this one was taken. */
    void (*on_message)(void *ctx, struct mf_call *call, const void *msg);
    void (*on_half_close)(void *ctx, struct mf_call *call); /* the client has sent its last message */
    /* Output that was full has room again; see mf_call_writable. Also called once after mf_call_wake. */
    void (*on_ready)(void *ctx, struct mf_call *call);
    /* Exactly once, when the call is over for whatever reason (ended, failed, client gone, deadline,
     * shutdown). Here ctx may be released. Nothing is called after it. */
    void (*on_done)(void *ctx, struct mf_call *call);
};

/* Inside the handler only, before it returns. */
void mf_call_bind(struct mf_call *call, const struct mf_call_ops *ops, void *ctx);

/* Unary and server-streaming: the request message, decoded and validated. NULL for client and bidi streams.
 */
const void *mf_call_request(const struct mf_call *call);
/* Lives until the call is over and every reference is dropped. Use it only inside the handler and callbacks,
 * or from the one thread that currently carries the call (a command's completion, for instance). */
struct mf_arena *mf_call_arena(struct mf_call *call);
const struct pb_method *mf_call_method(const struct mf_call *call);
/* HTTP request headers (lower-case names); .ptr NULL when absent. */
struct mf_str mf_call_header(const struct mf_call *call, const char *name);
const struct mf_http_request *mf_call_http(const struct mf_call *call);
bool mf_call_is_over(const struct mf_call *call);

/* Extra metadata. Headers must come before the first message or the end. */
bool mf_call_add_header(struct mf_call *call, struct mf_str name, struct mf_str value);
bool mf_call_add_trailer(struct mf_call *call, struct mf_str name, struct mf_str value);
/* A google.protobuf.Any detail for the error that mf_call_fail is about to send. */
bool mf_call_add_detail(struct mf_call *call, const struct pb_type *type, const void *msg);

/* Any thread. Encodes before returning, so msg may go away afterwards. */
void mf_call_reply(struct mf_call *call, const void *msg);
void mf_call_send(struct mf_call *call, const void *msg); /* one message of a response stream */
void mf_call_send_headers(struct mf_call *call);          /* at once, before the first message */
void mf_call_end(struct mf_call *call);                   /* a response stream ended well */
void mf_call_fail(struct mf_call *call, enum mf_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void mf_call_fail_error(struct mf_call *call, const struct mf_error *err); /* err->code must not be MF_OK */
/* False while more than the high-water mark waits to be sent; a stream then stops and waits for on_ready. */
bool mf_call_writable(const struct mf_call *call);
/* Streaming calls, in the handler: a high-water mark of its own, for a stream that can wait with what is new
 * and then says it in fewer words. */
void mf_call_set_high_water(struct mf_call *call, size_t bytes);
/* Any thread: asks for one on_ready soon; many wakes may give one call. The way a subscription tells a stream
 * that there is something new. */
void mf_call_wake(struct mf_call *call);
/* Streaming calls, once: from now on on_ready is also called every ms milliseconds, whether or not there is
 * news, so that the stream can show that it lives. Any thread. */
void mf_call_heartbeat(struct mf_call *call, uint32_t ms);

/* Client and bidi streams: after mf_call_hold no further message is read from the network until
 * mf_call_release, so that a client which sends faster than its messages can be handled is slowed down. hold:
 * inside on_message; release: any thread, and without a hold it does nothing. */
void mf_call_hold(struct mf_call *call);
void mf_call_release(struct mf_call *call);

/* Whoever keeps a call beyond the handler (a command, a subscription) holds a reference. */
struct mf_call *mf_call_ref(struct mf_call *call);
void mf_call_unref(struct mf_call *call);

#endif
