/*
 * Inside of a call and of the dispatcher; for the .c files of this folder only.
 *
 * A call is touched by three parties, and each field belongs to one of them:
 *   - the I/O thread of its connection (exchange, input, timer),
 *   - the strand: whichever worker runs the handler or a callback of it, never two at once,
 *   - everyone, under call->lock (events, output, outcome).
 * References: one for the exchange until on_close, one while the strand is in the workers' queue, one while
 * work for the I/O thread is posted, and those of mf_call_ref. Lock order: rpc->streams_lock, call->lock.
 */
#ifndef MF_RPC_CALL_STATE_H
#define MF_RPC_CALL_STATE_H

#include "base/buf.h"
#include "base/list.h"
#include "rpc/call.h"
#include "rpc/caller.h"
#include "rpc/compress.h"
#include "rpc/envelope.h"
#include "rpc/grpc.h"
#include "rpc/media.h"
#include "rpc/metadata.h"
#include "rpc/outcome.h"
#include "rpc/parcel.h"
#include "rpc/server.h"
#include "rpc/workers.h"

#include <pthread.h>
#include <stdatomic.h>

#define MF_STATS_BUCKETS 16
#define MF_METADATA_MAX 64 /* headers or trailers that a handler may add */

/* A method of the table, with what is counted for it. */
struct mf_method_entry {
    const struct pb_method *method;
    mf_handler handler; /* NULL: unimplemented */
    void *ctx;
    uint64_t hash;
    _Atomic uint64_t started, ok, failed;
    _Atomic uint64_t buckets[MF_STATS_BUCKETS];
};

struct mf_metadata {
    struct mf_header *items; /* in out_arena */
    size_t count, cap;
};

enum { /* what the strand has to do */
       MF_EVENT_START = 1,
       MF_EVENT_MESSAGE = 2,
       MF_EVENT_HALF_CLOSE = 4,
       MF_EVENT_READY = 8,
       MF_EVENT_DONE = 16,
       MF_EVENT_IDENTIFIED = 32, /* the caller that START waited for is known */
};

enum {                      /* what the I/O thread has to do */
       MF_IO_FLUSH = 1,     /* send what is there */
       MF_IO_MORE = 2,      /* the handler has taken the message: read the next */
       MF_IO_HEARTBEAT = 4, /* start the timer of mf_call_heartbeat */
       MF_IO_MARK = 8,      /* the high-water mark has changed */
};

struct mf_call {
    struct mf_work work;    /* the strand in the workers' queue */
    struct mf_work io_work; /* the call in the loop's queue */
    struct mf_call *pool_next;
    struct mf_link stream_link; /* in rpc->streams while link.next is set */
    _Atomic uint32_t refs;

    /* Set before the strand begins, constant from then on. */
    struct mf_rpc *rpc;
    struct mf_method_entry *entry;
    const struct mf_media *media;
    struct mf_arena *arena; /* of the I/O thread until the strand begins, then of whoever carries the call */
    struct mf_http_request http; /* a copy in the arena, since handlers may outlive the exchange */
    struct mf_loop *loop;
    int64_t start_ns;
    int64_t deadline_ns;
    enum mf_compression in_compression;
    enum mf_compression out_compression;
    bool get; /* Connect GET */

    /* I/O thread. */
    struct mf_exchange *exchange; /* NULL after on_close */
    struct mf_timer *timer;       /* deadline */
    struct mf_timer *idle_timer;
    struct mf_timer *heartbeat_timer;
    struct mf_envelope_reader reader;
    struct mf_buf held;    /* input that waits for the handler to take the message before it */
    struct mf_buf sending; /* the output buffer of the last flush, kept for its memory */
    struct mf_parcel *sending_parcel;
    char *body; /* of the only request message, in the arena */
    size_t body_len, body_cap, body_max;
    uint8_t body_flags;
    struct mf_web_text web_text;
    bool have_message; /* the only request message is whole */
    bool body_ended;
    bool half_close_told;
    bool message_out; /* a message of the client's stream is with the handler */
    bool paused;
    bool head_sent;
    bool finished;

    /* Strand. */
    void *request;
    struct mf_caller caller;
    uint32_t waiting; /* what has come while the caller was being identified */
    bool identifying;
    bool started;
    bool done;

    pthread_mutex_t lock;
    /* Guarded by lock. */
    const struct mf_call_ops *ops;
    void *ops_ctx;
    uint32_t events;
    uint32_t io_events;
    uint32_t heartbeat_ms;
    size_t high_water; /* of its own, or 0 */
    bool queued;       /* the strand is in the workers' queue or running */
    bool io_queued;    /* io_work is posted */
    bool over;         /* the outcome is fixed; whatever is sent later is dropped */
    bool closed;       /* the exchange is gone */
    bool head_wanted;
    bool input_held;  /* by mf_call_hold */
    bool input_waits; /* the next message of the client's stream waits for room for our answers */
    bool blocked;     /* somebody was told to wait for on_ready */
    bool active;      /* something moved since the idle timer looked last */
    bool reply_set;
    bool reply_compressed;
    struct mf_arena *out_arena; /* headers, trailers, details, the texts of the outcome */
    struct mf_metadata headers, trailers;
    struct mf_detail *details;
    size_t detail_count, detail_cap;
    struct mf_str reply;      /* the one message of a unary answer, in arena */
    struct mf_parcel *parcel; /* to be sent before out */
    struct mf_buf out;        /* envelopes to be sent */
    size_t in_flight;         /* bytes queued in the exchange when we looked last */
    enum mf_code code;
    struct mf_str message;
    struct mf_buf inbox; /* a message of the client's stream for the strand */
    uint8_t inbox_flags;
};

struct mf_route {
    struct mf_str path;
    mf_on_request on_request;
    void *ctx;
};

/* The dispatcher does not know the health service, which is built on it; the service leaves these behind. */
struct mf_health_hook {
    void (*set)(void *ctx, bool serving);
    void (*free)(void *ctx);
    void *ctx;
};

struct mf_rpc {
    struct mf_rpc_config config;
    struct mf_workers *workers;
    struct mf_compressor *compressor;

    /* Constant after start. */
    struct mf_method_entry **methods; /* open addressing; method_slots is a power of two */
    size_t method_slots, method_count;
    const struct pb_service **services;
    size_t service_count;
    struct mf_route *routes;
    size_t route_count;
    mf_on_request fallback;
    void *fallback_ctx;
    mf_identify identify; /* NULL: every call is anonymous */
    void *identify_ctx;

    pthread_mutex_t pool_lock;
    struct mf_call *pool; /* guarded by pool_lock, as are the three below */
    uint32_t pool_count;
    struct mf_arena *scratch[16];
    uint32_t scratch_count;

    pthread_mutex_t streams_lock;
    struct mf_list streams; /* guarded by streams_lock: the open streaming calls */
    _Atomic bool draining;

    struct mf_health_hook health; /* all NULL without mf_rpc_standard_services */
};

/* server.c */
struct mf_method_entry *mf_rpc_find(const struct mf_rpc *rpc, struct mf_str path);
/* Arenas for work that is over in a moment. NULL when memory ran out. */
struct mf_arena *mf_rpc_scratch_take(struct mf_rpc *rpc);
void mf_rpc_scratch_give(struct mf_rpc *rpc, struct mf_arena *arena);
void mf_rpc_stream_join(struct mf_rpc *rpc, struct mf_call *call);
void mf_rpc_stream_leave(struct mf_rpc *rpc, struct mf_call *call);

/* caller.c */
struct mf_str mf_path_without_key(struct mf_str path); /* see mf_call_task_key */

/* call.c */
struct mf_call *mf_call_new(struct mf_rpc *rpc); /* with one reference; NULL when memory ran out */
void mf_call_destroy(struct mf_call *call);      /* of the pool */
/* Begins the strand; false when the workers have too much to do. */
bool mf_call_start(struct mf_call *call);
void mf_call_schedule(struct mf_call *call, uint32_t events);
/* Encodes for the client's codec and compresses when it pays. */
enum mf_code mf_call_encode(struct mf_call *call, struct mf_arena *arena, const void *msg, struct mf_str *out,
                            bool *compressed, struct mf_error *err) MF_CHECK_RESULT;
/* The exchange is gone: the call is cancelled unless it is over. */
void mf_call_closed(struct mf_call *call);
/* The stream ends because the server does. */
void mf_call_drain(struct mf_call *call);

/* call_io.c */
extern const struct mf_exchange_ops mf_call_exchange_ops;
/* The request is whole, or its head when the client streams: the handler's turn. */
void mf_call_begin(struct mf_call *call);
void mf_call_io_run(struct mf_work *work);

/* With call->lock held. */
static inline size_t mf_call_high_water(const struct mf_call *call)
{
    return call->high_water > 0 ? call->high_water : call->rpc->config.send_high_water;
}

static inline bool mf_call_streams_in(const struct mf_call *call)
{
    return call->entry->method->client_streaming;
}

static inline bool mf_call_streams(const struct mf_call *call)
{
    return call->entry->method->client_streaming || call->entry->method->server_streaming;
}

#endif
