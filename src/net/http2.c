#include "net/connection.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

#define STREAM_WINDOW (1 << 20)
#define CONNECTION_WINDOW (4 << 20)
/* Bytes that paused exchanges hold back before the whole connection is held back, too. */
#define HELD_MAX ((size_t)4 << 20)
#define GOAWAY_MS 1000        /* for the peer to learn that no new stream is welcome */
#define RESETS_BURST 1000     /* streams that end badly before we call it an attack, */
#define RESETS_PER_SECOND 100 /* and how fast they are forgiven */
#define HEADERS_ON_STACK 48

/* The callbacks and options that all sessions share. */
struct mf_h2_setup {
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_settings_entry settings[4];
    uint32_t resets_max; /* a client may give up all its streams at once, twice */
};

/* One connection. */
struct mf_h2 {
    nghttp2_session *session;
    struct mf_connection *conn;
    struct mf_head *head; /* of the header section that is arriving */
    struct mf_span scheme;
    uint64_t head_ms;
    struct mf_list settle; /* exchanges to look at in run */
    size_t held;           /* bytes in paused exchanges */
    size_t credit;         /* of the connection's window, not given back since too much is held */
    uint32_t resets;       /* tokens left */
    uint64_t resets_ms;
    uint64_t drain_ms;
    bool draining;  /* the peer was told that this will end */
    bool last_said; /* and which stream is the last */
    bool done;      /* the session is over; what it still has to say is sent */
};

static struct mf_h2 *h2_of(const struct mf_connection *conn)
{
    return conn->session;
}

static void settle_later(struct mf_exchange *exchange)
{
    if (!exchange->queued_up) {
        exchange->queued_up = true;
        mf_list_push(&h2_of(exchange->conn)->settle, &exchange->settle);
    }
    mf_connection_touch(exchange->conn);
}

/* Negative results of nghttp2's submit functions: out of memory, or the stream is gone. */
static enum mf_code outcome(struct mf_exchange *exchange, int rc)
{
    mf_connection_touch(exchange->conn);
    if (rc >= 0)
        return MF_OK;
    exchange->failed = true;
    return rc == NGHTTP2_ERR_NOMEM ? MF_RESOURCE_EXHAUSTED : MF_CANCELED;
}

/* ---- input ---- */

/* Gives bytes of the flow-control windows back: of the stream, and of the connection unless it holds too
 * much. */
static void give_credit(struct mf_h2 *h2, int32_t stream, size_t of_stream, size_t of_connection)
{
    if (of_stream > 0)
        (void)nghttp2_session_consume_stream(h2->session, stream, of_stream);
    h2->credit += of_connection;
    if (h2->credit > 0 && h2->held <= HELD_MAX) {
        (void)nghttp2_session_consume_connection(h2->session, h2->credit);
        h2->credit = 0;
    }
    mf_connection_touch(h2->conn);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct mf_h2 *h2 = user;
    (void)session;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (h2->head)
        mf_head_reset(h2->head, h2->conn->io->limits.header_bytes);
    else
        h2->head = mf_io_head_take(h2->conn->io);
    h2->head_ms = mf_io_now(h2->conn->io);
    return h2->head ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static struct mf_span put(struct mf_head *head, const uint8_t *bytes, size_t len)
{
    uint32_t at = mf_head_at(head);
    mf_head_put(head, bytes, len);
    return mf_head_span(head, at);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct mf_h2 *h2 = user;
    struct mf_head *head = h2->head;
    struct mf_str key = mf_str_make(name, name_len);
    (void)session;
    (void)flags;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST || !head)
        return 0;
    if (name_len > 0 && name[0] == ':') {
        struct mf_span span = put(head, value, value_len);
        if (mf_str_eq(key, MF_STR(":method")))
            head->method = span;
        else if (mf_str_eq(key, MF_STR(":path")))
            head->target = span;
        else if (mf_str_eq(key, MF_STR(":authority")))
            head->authority = span;
        return 0;
    }
    struct mf_span name_span = put(head, name, name_len);
    struct mf_span value_span = put(head, value, value_len);
    if (head->authority.len == 0 && mf_str_eq(key, MF_STR("host")))
        head->authority = value_span;
    mf_head_field(head, name_span, value_span);
    return 0;
}

/* The length that the client declares is checked against the body by nghttp2. */
static bool declared_too_large(const struct mf_exchange *exchange)
{
    uint64_t length;
    struct mf_str text = mf_exchange_header(exchange, "content-length");
    return text.ptr && mf_str_to_u64(text, &length) && length > exchange->conn->io->limits.body_bytes;
}

static bool open_exchange(struct mf_h2 *h2, int32_t stream, bool whole)
{
    struct mf_connection *conn = h2->conn;
    struct mf_head *head = h2->head;
    bool too_large = head->too_large;
    struct mf_exchange *exchange =
        head->failed ? NULL
                     : mf_exchange_new(conn, head, mf_head_str(head, head->method),
                                       mf_head_str(head, head->target), mf_head_str(head, head->authority));
    mf_io_head_give(conn->io, head);
    h2->head = NULL;
    if (!exchange)
        return false;
    exchange->stream = stream;
    exchange->request.version = 2;
    exchange->request.body_follows = !whole;
    (void)nghttp2_session_set_stream_user_data(h2->session, stream, exchange);
    if (too_large)
        mf_exchange_refuse(exchange, 431,
                           MF_STR("the request's header section is longer than this server takes\n"));
    else if (declared_too_large(exchange))
        mf_exchange_refuse(exchange, 413, MF_STR("the request's body is larger than this server takes\n"));
    else
        mf_exchange_open(exchange);
    return true;
}

/* The client waits with the body until it is asked for; few do so over HTTP/2. */
static void look_at_expect(struct mf_h2 *h2, struct mf_exchange *exchange)
{
    static const char name[] = ":status", value[] = "100";
    nghttp2_nv nv = {(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, sizeof name - 1,
                     sizeof value - 1, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
    struct mf_str expect = mf_exchange_header(exchange, "expect");
    if (!expect.ptr || exchange->responded || exchange->gone || !exchange->request.body_follows ||
        !mf_str_eq_nocase(expect, MF_STR("100-continue")))
        return;
    (void)nghttp2_submit_headers(h2->session, NGHTTP2_FLAG_NONE, exchange->stream, NULL, &nv, 1, NULL);
}

static void body_ended(struct mf_exchange *exchange)
{
    exchange->ended = true;
    if (!exchange->paused && exchange->in.len == 0)
        mf_exchange_end(exchange);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct mf_h2 *h2 = user;
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) && h2->draining)
        h2->drain_ms = 0; /* the peer has read that this ends */
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    bool whole = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    int32_t stream = frame->hd.stream_id;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST && h2->head &&
        !open_exchange(h2, stream, whole))
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_REFUSED_STREAM) == 0
                   ? 0
                   : NGHTTP2_ERR_CALLBACK_FAILURE;
    struct mf_exchange *exchange = nghttp2_session_get_stream_user_data(session, stream);
    if (!exchange)
        return 0;
    if (whole)
        body_ended(exchange);
    else if (frame->hd.type == NGHTTP2_HEADERS)
        look_at_expect(h2, exchange);
    return 0;
}

/* Keeps a piece until the exchange is resumed. */
static void hold(struct mf_h2 *h2, struct mf_exchange *exchange, struct mf_str bytes)
{
    if (!mf_buf_add_str(&exchange->in, bytes)) {
        mf_exchange_reset(exchange);
        give_credit(h2, exchange->stream, bytes.len, bytes.len);
        return;
    }
    h2->held += bytes.len;
    give_credit(h2, exchange->stream, 0, bytes.len);
}

static void deliver(struct mf_h2 *h2, struct mf_exchange *exchange, struct mf_str bytes, size_t of_connection)
{
    (void)mf_exchange_body(exchange, bytes);
    if (exchange->paused)
        exchange->unconsumed += bytes.len;
    give_credit(h2, exchange->stream, exchange->paused ? 0 : bytes.len, of_connection);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t len,
                   void *user)
{
    struct mf_h2 *h2 = user;
    struct mf_exchange *exchange = nghttp2_session_get_stream_user_data(session, stream);
    (void)flags;
    if (!exchange) {
        give_credit(h2, stream, len, len);
        return 0;
    }
    exchange->body_bytes += len;
    if (exchange->body_bytes > h2->conn->io->limits.body_bytes && !exchange->gone && !exchange->finished)
        mf_exchange_refuse(exchange, 413, MF_STR("the request's body is larger than this server takes\n"));
    /* What was held is delivered at the end of the turn, and nothing may overtake it. */
    if (exchange->paused || exchange->in.len > 0)
        hold(h2, exchange, mf_str_make(bytes, len));
    else
        deliver(h2, exchange, mf_str_make(bytes, len), len);
    return 0;
}

static void refill_resets(struct mf_h2 *h2)
{
    uint64_t now = mf_io_now(h2->conn->io);
    uint64_t more = (now - h2->resets_ms) * RESETS_PER_SECOND / 1000;
    if (more == 0)
        return;
    h2->resets_ms = now;
    uint32_t max = h2->conn->io->h2->resets_max;
    h2->resets = more >= max - h2->resets ? max : h2->resets + (uint32_t)more;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user)
{
    struct mf_h2 *h2 = user;
    struct mf_exchange *exchange = nghttp2_session_get_stream_user_data(session, stream);
    /* Streams that are made to fail cost the peer nothing and us a lot; no client does it all day long. */
    if (error != NGHTTP2_NO_ERROR) {
        refill_resets(h2);
        if (h2->resets == 0)
            (void)nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
        else
            h2->resets--;
    }
    if (!exchange)
        return 0;
    if (exchange->queued_up)
        mf_list_remove(&h2->settle, &exchange->settle);
    h2->held -= exchange->in.len;
    mf_exchange_close(exchange);
    give_credit(h2, stream, 0, 0);
    return 0;
}

static void h2_receive(struct mf_connection *conn, struct mf_str bytes)
{
    struct mf_h2 *h2 = h2_of(conn);
    mf_connection_touch(conn);
    if (h2->done)
        return;
    ssize_t n = nghttp2_session_mem_recv(h2->session, (const uint8_t *)bytes.ptr, bytes.len);
    if (n < 0)
        h2->done = true; /* a GOAWAY that says why may be queued; it is sent before the end */
}

/* ---- output ---- */

static size_t waiting(const struct mf_exchange *exchange)
{
    return exchange->out.len - exchange->out_at;
}

static bool submit_trailers(nghttp2_session *session, struct mf_exchange *exchange)
{
    nghttp2_nv stack[HEADERS_ON_STACK] = {{.name = NULL}};
    nghttp2_nv *nv = stack;
    size_t count = exchange->trailer_count;
    if (count > HEADERS_ON_STACK && !(nv = calloc(count, sizeof *nv)))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct mf_header *trailer = &exchange->trailers[i];
        nv[i] =
            (nghttp2_nv){(uint8_t *)(uintptr_t)trailer->name.ptr, (uint8_t *)(uintptr_t)trailer->value.ptr,
                         trailer->name.len, trailer->value.len, NGHTTP2_NV_FLAG_NONE};
    }
    int rc = nghttp2_submit_trailer(session, exchange->stream, nv, count);
    if (nv != stack)
        free(nv);
    return rc == 0;
}

/* nghttp2 asks how much of the body goes into the next frame; send_data then copies it. */
static ssize_t read_data(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t len, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    struct mf_exchange *exchange = source->ptr;
    size_t n = waiting(exchange);
    (void)stream;
    (void)buf;
    (void)user;
    if (n == 0 && !exchange->finished) {
        exchange->out_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (n > len) {
        n = len;
    } else if (exchange->finished) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (exchange->trailer_count > 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (!submit_trailers(session, exchange))
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)n;
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t len,
                     nghttp2_data_source *source, void *user)
{
    struct mf_exchange *exchange = source->ptr;
    struct mf_connection *conn = exchange->conn;
    (void)session;
    (void)frame;
    (void)user;
    mf_connection_write(conn, head, 9);
    if (len > 0)
        mf_connection_write(conn, exchange->out.ptr + exchange->out_at, len);
    exchange->out_at += len;
    exchange->progress_ms = mf_io_now(conn->io);
    if (exchange->out_at == exchange->out.len) {
        exchange->out_at = 0;
        mf_io_buf_give(conn->io, &exchange->out);
    }
    if (exchange->above)
        settle_later(exchange);
    return 0;
}

/* A response that is complete before its request ends the request, too: the peer need not go on. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    if ((frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) ||
        !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    if (nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0)
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

/* With nothing left to be framed: is there anything still to come? */
static void look_at_end(struct mf_connection *conn)
{
    struct mf_h2 *h2 = h2_of(conn);
    bool over = !nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session);
    if (h2->done || over || (h2->last_said && mf_list_empty(&conn->exchanges)))
        mf_connection_close(conn, true);
}

static void h2_pull(struct mf_connection *conn)
{
    struct mf_h2 *h2 = h2_of(conn);
    while (conn->out.len < MF_OUT_TARGET) {
        const uint8_t *bytes = NULL;
        ssize_t n = nghttp2_session_mem_send(h2->session, &bytes);
        if (n < 0)
            mf_connection_abort(conn);
        else if (n == 0 && !conn->flush_then_close)
            look_at_end(conn);
        if (n <= 0)
            return;
        mf_connection_write(conn, bytes, (size_t)n);
    }
}

/* What became of an exchange since the last turn: it was resumed, or its output has gone. */
static void settle(struct mf_h2 *h2, struct mf_exchange *exchange)
{
    if (!exchange->paused && exchange->unconsumed > 0) {
        give_credit(h2, exchange->stream, exchange->unconsumed, 0);
        exchange->unconsumed = 0;
    }
    if (!exchange->paused && exchange->in.len > 0) {
        struct mf_buf in = exchange->in;
        exchange->in = MF_BUF_INIT(0);
        h2->held -= in.len;
        deliver(h2, exchange, mf_buf_str(&in), 0);
        mf_buf_free(&in);
    }
    if (!exchange->paused && exchange->ended)
        mf_exchange_end(exchange);
    mf_exchange_look_at_room(exchange);
}

static void say_last(struct mf_h2 *h2)
{
    h2->last_said = true;
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h2->session), NGHTTP2_NO_ERROR, NULL,
                                0);
}

static void h2_run(struct mf_connection *conn)
{
    struct mf_h2 *h2 = h2_of(conn);
    for (size_t n = h2->settle.count; n > 0; n--) {
        struct mf_link *link = mf_list_pop(&h2->settle);
        if (!link)
            break;
        struct mf_exchange *exchange = MF_CONTAINER(link, struct mf_exchange, settle);
        exchange->queued_up = false;
        settle(h2, exchange);
    }
    if (!mf_list_empty(&h2->settle))
        mf_connection_touch(conn);
    if (h2->draining && !h2->last_said && h2->drain_ms == 0)
        say_last(h2);
}

/* ---- the connection ---- */

static void h2_eof(struct mf_connection *conn)
{
    mf_connection_abort(conn);
}

static bool h2_reads(const struct mf_connection *conn)
{
    (void)conn;
    return true; /* flow control holds the peer back */
}

static void h2_drain(struct mf_connection *conn)
{
    struct mf_h2 *h2 = h2_of(conn);
    if (h2->draining)
        return;
    h2->draining = true;
    h2->drain_ms = mf_io_now(conn->io);
    (void)nghttp2_submit_shutdown_notice(h2->session);
    (void)nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL);
    mf_connection_touch(conn);
}

static void tick_exchange(struct mf_exchange *exchange, uint64_t now)
{
    const struct mf_net_limits *limits = &exchange->conn->io->limits;
    uint64_t idle = now - exchange->progress_ms;
    if (waiting(exchange) > 0) {
        if (idle > limits->send_ms)
            mf_exchange_reset(exchange);
    } else if (!exchange->ended && !exchange->responded && mf_exchange_is_late(exchange, now)) {
        mf_exchange_refuse(exchange, 408, MF_STR("the request's body took too long; send it at once\n"));
    }
}

static void h2_tick(struct mf_connection *conn, uint64_t now)
{
    struct mf_h2 *h2 = h2_of(conn);
    for (struct mf_link *link = mf_list_first(&conn->exchanges); link;
         link = mf_list_next(&conn->exchanges, link))
        tick_exchange(MF_CONTAINER(link, struct mf_exchange, link), now);
    if (h2->head && now - h2->head_ms > conn->io->limits.header_ms) {
        (void)nghttp2_session_terminate_session(h2->session, NGHTTP2_ENHANCE_YOUR_CALM);
        mf_connection_touch(conn);
    }
    if (h2->draining && !h2->last_said && now - h2->drain_ms > GOAWAY_MS) {
        h2->drain_ms = 0;
        mf_connection_touch(conn);
    }
    if (mf_list_empty(&conn->exchanges) && now - conn->idle_ms > conn->io->limits.idle_ms)
        h2_drain(conn);
}

static void h2_free(struct mf_connection *conn)
{
    struct mf_h2 *h2 = h2_of(conn);
    if (!h2)
        return;
    while (!mf_list_empty(&conn->exchanges)) {
        struct mf_exchange *exchange =
            MF_CONTAINER(mf_list_first(&conn->exchanges), struct mf_exchange, link);
        mf_exchange_close(exchange);
    }
    mf_io_head_give(conn->io, h2->head);
    nghttp2_session_del(h2->session);
    free(h2);
    conn->session = NULL;
}

bool mf_h2_begin(struct mf_connection *conn)
{
    struct mf_h2_setup *setup = conn->io->h2;
    struct mf_h2 *h2 = calloc(1, sizeof *h2);
    if (!h2)
        return false;
    h2->conn = conn;
    h2->resets = setup->resets_max;
    h2->resets_ms = mf_io_now(conn->io);
    mf_list_init(&h2->settle);
    if (nghttp2_session_server_new2(&h2->session, setup->callbacks, h2, setup->option) != 0)
        goto fail_session;
    if (nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, setup->settings,
                                sizeof setup->settings / sizeof *setup->settings) != 0 ||
        nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) != 0)
        goto fail_settings;
    conn->session = h2;
    conn->idle_ms = mf_io_now(conn->io);
    if (conn->io->draining)
        h2_drain(conn);
    return true;

fail_settings:
    nghttp2_session_del(h2->session);
fail_session:
    free(h2);
    return false;
}

enum mf_code mf_h2_setup_new(const struct mf_net_limits *limits, struct mf_h2_setup **out,
                             struct mf_error *err)
{
    struct mf_h2_setup *setup = calloc(1, sizeof *setup);
    if (!setup || nghttp2_session_callbacks_new(&setup->callbacks) != 0 ||
        nghttp2_option_new(&setup->option) != 0) {
        mf_h2_setup_free(setup);
        return mf_fail_memory(err);
    }
    nghttp2_session_callbacks *callbacks = setup->callbacks;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_option_set_no_auto_window_update(setup->option, 1);
    nghttp2_option_set_no_closed_streams(setup->option, 1);
    setup->resets_max = limits->streams > RESETS_BURST / 2
                            ? (limits->streams < UINT32_MAX / 2 ? limits->streams * 2 : UINT32_MAX)
                            : RESETS_BURST;
    nghttp2_option_set_stream_reset_rate_limit(setup->option, setup->resets_max, RESETS_PER_SECOND);
    uint32_t header_bytes = limits->header_bytes < UINT32_MAX ? (uint32_t)limits->header_bytes : UINT32_MAX;
    setup->settings[0] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->streams};
    setup->settings[1] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW};
    setup->settings[2] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, header_bytes};
    setup->settings[3] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1};
    *out = setup;
    return MF_OK;
}

void mf_h2_setup_free(struct mf_h2_setup *setup)
{
    if (!setup)
        return;
    nghttp2_session_callbacks_del(setup->callbacks);
    nghttp2_option_del(setup->option);
    free(setup);
}

/* ---- the response ---- */

static void add(nghttp2_nv *nv, size_t *count, struct mf_str name, struct mf_str value)
{
    nv[(*count)++] = (nghttp2_nv){(uint8_t *)(uintptr_t)name.ptr, (uint8_t *)(uintptr_t)value.ptr, name.len,
                                  value.len, NGHTTP2_NV_FLAG_NONE};
}

/* These belong to HTTP/1.1 connections and make an HTTP/2 response malformed. */
static bool is_hop_by_hop(struct mf_str name)
{
    return mf_str_eq_nocase(name, MF_STR("connection")) ||
           mf_str_eq_nocase(name, MF_STR("transfer-encoding")) ||
           mf_str_eq_nocase(name, MF_STR("keep-alive"));
}

static enum mf_code h2_respond(struct mf_exchange *exchange, int status, const struct mf_header *headers,
                               size_t count, bool end)
{
    nghttp2_nv stack[HEADERS_ON_STACK];
    nghttp2_nv *nv = stack;
    char code[8], length[24];
    size_t n = 0;
    bool dated = false;
    if (count + 3 > HEADERS_ON_STACK && !(nv = calloc(count + 3, sizeof *nv)))
        return MF_RESOURCE_EXHAUSTED;
    add(nv, &n, MF_STR(":status"), mf_str_make(code, (size_t)snprintf(code, sizeof code, "%d", status)));
    for (size_t i = 0; i < count; i++) {
        dated = dated || mf_str_eq_nocase(headers[i].name, MF_STR("date"));
        if (!is_hop_by_hop(headers[i].name))
            add(nv, &n, headers[i].name, headers[i].value);
    }
    if (exchange->add_length) {
        int len = snprintf(length, sizeof length, "%llu", (unsigned long long)exchange->length_left);
        add(nv, &n, MF_STR("content-length"), mf_str_make(length, (size_t)len));
    }
    if (!dated)
        add(nv, &n, MF_STR("date"), mf_io_date(exchange->conn->io));
    const nghttp2_data_provider provider = {.source = {.ptr = exchange}, .read_callback = read_data};
    bool body = !end && !exchange->bodyless;
    int rc = nghttp2_submit_response(h2_of(exchange->conn)->session, exchange->stream, nv, n,
                                     body ? &provider : NULL);
    if (nv != stack)
        free(nv);
    return outcome(exchange, rc);
}

static void go_on(struct mf_exchange *exchange)
{
    if (exchange->out_deferred) {
        exchange->out_deferred = false;
        (void)nghttp2_session_resume_data(h2_of(exchange->conn)->session, exchange->stream);
    }
    mf_connection_touch(exchange->conn);
}

static enum mf_code h2_write(struct mf_exchange *exchange, struct mf_str bytes)
{
    struct mf_buf *out = &exchange->out;
    mf_io_buf_take(exchange->conn->io, out);
    if (exchange->out_at > 0 && out->len + bytes.len > out->cap) { /* move rather than grow */
        mf_buf_drop(out, exchange->out_at);
        exchange->out_at = 0;
    }
    if (!mf_buf_add_str(out, bytes)) {
        exchange->failed = true;
        return MF_RESOURCE_EXHAUSTED;
    }
    go_on(exchange);
    return MF_OK;
}

/* The caller's trailers in one block of memory, since they are sent when the body has gone. */
static bool keep_trailers(struct mf_exchange *exchange, const struct mf_header *trailers, size_t count)
{
    size_t size = count * sizeof *trailers;
    for (size_t i = 0; i < count; i++)
        size += trailers[i].name.len + trailers[i].value.len;
    exchange->trailers = malloc(size);
    if (!exchange->trailers)
        return false;
    char *at = (char *)(exchange->trailers + count);
    for (size_t i = 0; i < count; i++) {
        const struct mf_header *from = &trailers[i];
        struct mf_header *to = &exchange->trailers[i];
        memcpy(at, from->name.ptr, from->name.len);
        to->name = mf_str_make(at, from->name.len);
        at += from->name.len;
        if (from->value.len > 0)
            memcpy(at, from->value.ptr, from->value.len);
        to->value = mf_str_make(at, from->value.len);
        at += from->value.len;
    }
    exchange->trailer_count = count;
    return true;
}

static enum mf_code h2_finish(struct mf_exchange *exchange, const struct mf_header *trailers, size_t count)
{
    if (count > 0 && !exchange->bodyless && !keep_trailers(exchange, trailers, count)) {
        mf_exchange_reset(exchange);
        return MF_RESOURCE_EXHAUSTED;
    }
    go_on(exchange);
    return MF_OK;
}

static void h2_reset(struct mf_exchange *exchange)
{
    struct mf_h2 *h2 = h2_of(exchange->conn);
    exchange->gone = true;
    exchange->paused = false;
    if (nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, exchange->stream,
                                  exchange->responded ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_CANCEL) != 0)
        mf_connection_abort(exchange->conn);
    settle_later(exchange);
}

static void h2_resume(struct mf_exchange *exchange)
{
    settle_later(exchange);
}

static size_t h2_queued(const struct mf_exchange *exchange)
{
    return waiting(exchange);
}

const struct mf_protocol mf_h2_protocol = {
    .respond = h2_respond,
    .write = h2_write,
    .finish = h2_finish,
    .reset = h2_reset,
    .resume = h2_resume,
    .queued = h2_queued,
    .receive = h2_receive,
    .eof = h2_eof,
    .run = h2_run,
    .pull = h2_pull,
    .drain = h2_drain,
    .tick = h2_tick,
    .free = h2_free,
    .reads = h2_reads,
};
