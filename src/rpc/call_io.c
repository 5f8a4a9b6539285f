#include "rpc/call_state.h"

#include "rpc/connect.h"
#include "rpc/cors.h"

#define BODY_FIRST ((size_t)1 << 20) /* memory given on the word of a content-length */
#define HEAD_MAX (2 * MF_METADATA_MAX + MF_GRPC_TRAILERS + MF_CORS_HEADERS + 8)
#define SENDING_KEPT 1024

static void read_more(struct mf_call *call);

/* ---- output ---- */

struct head {
    struct mf_header items[HEAD_MAX];
    size_t count;
};

static void head_add(struct head *head, struct mf_str name, struct mf_str value)
{
    if (head->count < HEAD_MAX)
        head->items[head->count++] = (struct mf_header){name, value};
}

static void head_add_all(struct head *head, const struct mf_metadata *list)
{
    for (size_t i = 0; i < list->count; i++)
        head_add(head, list->items[i].name, list->items[i].value);
}

/* Connect sends the trailers of a unary call as headers with a prefix. */
static void head_add_prefixed(struct mf_call *call, struct head *head)
{
    for (size_t i = 0; i < call->trailers.count; i++) {
        struct mf_str name = call->trailers.items[i].name;
        name = mf_str_printf(call->out_arena, "trailer-%.*s", MF_FMT(name));
        if (name.ptr)
            head_add(head, name, call->trailers.items[i].value);
    }
}

static void head_begin(struct mf_call *call, struct head *head)
{
    head->count = 0;
    head_add(head, MF_STR("content-type"), call->media->type);
    switch (call->media->protocol) {
    case MF_PROTOCOL_CONNECT:
        break;
    case MF_PROTOCOL_CONNECT_STREAM:
        if (call->out_compression != MF_COMPRESSION_NONE)
            head_add(head, MF_STR("connect-content-encoding"), mf_compression_name(call->out_compression));
        head_add(head, MF_STR("connect-accept-encoding"), MF_STR(MF_COMPRESSIONS_OFFERED));
        break;
    case MF_PROTOCOL_GRPC:
    case MF_PROTOCOL_GRPC_WEB:
    case MF_PROTOCOL_GRPC_WEB_TEXT:
        if (call->out_compression != MF_COMPRESSION_NONE)
            head_add(head, MF_STR("grpc-encoding"), mf_compression_name(call->out_compression));
        head_add(head, MF_STR("grpc-accept-encoding"), MF_STR(MF_COMPRESSIONS_OFFERED));
        break;
    }
    head_add_all(head, &call->headers);
    head->count += mf_cors_headers(&call->rpc->config.cors, &call->http, head->items + head->count,
                                   HEAD_MAX - head->count);
}

/* The exchange cannot be answered any more in a way the client would understand. */
static void give_up(struct mf_call *call)
{
    call->finished = true;
    mf_exchange_reset(call->exchange);
}

static struct mf_outcome outcome_of(const struct mf_call *call)
{
    return (struct mf_outcome){.code = call->code,
                               .message = call->message,
                               .details = call->details,
                               .detail_count = call->detail_count,
                               .trailers = call->trailers.items,
                               .trailer_count = call->trailers.count};
}

static void finish_connect(struct mf_call *call)
{
    struct head head;
    enum mf_code code;
    head_begin(call, &head);
    if (call->get)
        head_add(&head, MF_STR("vary"), MF_STR("accept-encoding"));
    head_add_prefixed(call, &head);
    call->finished = true;
    if (call->code == MF_OK) {
        if (call->reply_compressed)
            head_add(&head, MF_STR("content-encoding"), mf_compression_name(call->out_compression));
        code = mf_exchange_reply(call->exchange, 200, head.items, head.count, call->reply);
    } else {
        struct mf_outcome outcome = outcome_of(call);
        struct mf_buf body = MF_BUF_INIT(0);
        mf_connect_error_json(&body, &outcome);
        head.items[0].value = MF_STR("application/json");
        code = mf_buf_failed(&body) ? MF_RESOURCE_EXHAUSTED
                                    : mf_exchange_reply(call->exchange, mf_code_http(call->code), head.items,
                                                        head.count, mf_buf_str(&body));
        mf_buf_free(&body);
    }
    if (code != MF_OK)
        give_up(call);
}

static enum mf_code write_text(struct mf_call *call, struct mf_str bytes)
{
    struct mf_buf text = MF_BUF_INIT(0);
    mf_web_text_encode(&text, bytes);
    enum mf_code code =
        mf_buf_failed(&text) ? MF_RESOURCE_EXHAUSTED : mf_exchange_write(call->exchange, mf_buf_str(&text));
    mf_buf_free(&text);
    return code;
}

static enum mf_code write_body(struct mf_call *call, struct mf_str bytes)
{
    if (bytes.len == 0)
        return MF_OK;
    return call->media->protocol == MF_PROTOCOL_GRPC_WEB_TEXT ? write_text(call, bytes)
                                                              : mf_exchange_write(call->exchange, bytes);
}

/* The end of an enveloped response: whatever of the outcome is not in the envelopes already. */
static enum mf_code finish_enveloped(struct mf_call *call)
{
    struct mf_header trailers[MF_METADATA_MAX + MF_GRPC_TRAILERS];
    struct mf_outcome outcome = outcome_of(call);
    struct mf_arena *arena = NULL;
    struct mf_buf frame = MF_BUF_INIT(0);
    size_t count = 0;
    enum mf_code code = MF_OK;
    call->finished = true;
    if (mf_protocol_is_grpc(call->media->protocol)) {
        arena = outcome.code != MF_OK ? mf_rpc_scratch_take(call->rpc) : NULL;
        if (outcome.code == MF_OK || arena)
            count = mf_grpc_trailers(arena, &outcome, trailers);
        if (count == 0)
            code = MF_RESOURCE_EXHAUSTED;
    }
    if (code == MF_OK && call->media->protocol == MF_PROTOCOL_GRPC && !call->head_sent) {
        /* "Trailers-Only": one header section, when there is nothing to tell apart. */
        struct head head;
        head_begin(call, &head);
        for (size_t i = 0; i < count; i++)
            head_add(&head, trailers[i].name, trailers[i].value);
        call->head_sent = true;
        code = mf_exchange_respond(call->exchange, 200, head.items, head.count, true);
        goto out;
    }
    if (code == MF_OK && call->media->protocol >= MF_PROTOCOL_GRPC_WEB) {
        mf_grpc_web_trailer_frame(&frame, trailers, count);
        count = 0;
        code = mf_buf_failed(&frame) ? MF_RESOURCE_EXHAUSTED : write_body(call, mf_buf_str(&frame));
    }
    if (code == MF_OK)
        code = mf_exchange_finish(call->exchange, trailers, count);
out:
    mf_buf_free(&frame);
    if (arena)
        mf_rpc_scratch_give(call->rpc, arena);
    return code;
}

static bool trailers_only(const struct mf_call *call, bool over)
{
    return over && call->media->protocol == MF_PROTOCOL_GRPC && call->code != MF_OK && !call->reply_set &&
           call->sending.len == 0 && !call->sending_parcel && call->headers.count == 0 &&
           call->trailers.count == 0 && !call->head_wanted;
}

static enum mf_code flush_enveloped(struct mf_call *call, bool over)
{
    enum mf_code code = MF_OK;
    if (!call->head_sent && !trailers_only(call, over)) {
        struct head head;
        head_begin(call, &head);
        call->head_sent = true;
        code = mf_exchange_respond(call->exchange, 200, head.items, head.count, false);
    }
    if (code == MF_OK && over && call->reply_set) {
        char prefix[MF_ENVELOPE_HEADER];
        mf_envelope_header(prefix, call->reply_compressed ? MF_ENVELOPE_COMPRESSED : 0, call->reply.len);
        if (call->media->protocol == MF_PROTOCOL_GRPC_WEB_TEXT) {
            struct mf_buf whole = MF_BUF_INIT(0);
            mf_buf_add(&whole, prefix, sizeof prefix);
            mf_buf_add_str(&whole, call->reply);
            code = mf_buf_failed(&whole) ? MF_RESOURCE_EXHAUSTED : write_text(call, mf_buf_str(&whole));
            mf_buf_free(&whole);
        } else {
            code = mf_exchange_write(call->exchange, mf_str_make(prefix, sizeof prefix));
            if (code == MF_OK && call->reply.len > 0)
                code = mf_exchange_write(call->exchange, call->reply);
        }
    }
    if (code == MF_OK && call->sending_parcel)
        code = write_body(call, mf_parcel_bytes(call->sending_parcel));
    if (code == MF_OK)
        code = write_body(call, mf_buf_str(&call->sending));
    if (code == MF_OK && over)
        code = finish_enveloped(call);
    return code;
}

static void stop_timers(struct mf_call *call)
{
    mf_timer_stop(call->timer);
    mf_timer_stop(call->idle_timer);
    mf_timer_stop(call->heartbeat_timer);
    call->timer = NULL;
    call->idle_timer = NULL;
    call->heartbeat_timer = NULL;
}

static void on_heartbeat(void *ctx)
{
    mf_call_wake(ctx);
}

static void start_heartbeat(struct mf_call *call)
{
    pthread_mutex_lock(&call->lock);
    uint32_t ms = call->over ? 0 : call->heartbeat_ms;
    pthread_mutex_unlock(&call->lock);
    if (ms == 0 || call->heartbeat_timer)
        return;
    call->heartbeat_timer = mf_timer_start(call->loop, ms, true, on_heartbeat, call);
    /* A client that counts on the heartbeat must not be left without; it comes back when the stream ends. */
    if (!call->heartbeat_timer)
        mf_call_fail(call, MF_UNAVAILABLE, "no memory for the timer of the stream; try again later");
}

/* Tells a stream that waits for room that there is some. Also right after a flush, since a single large
 * message may have gone out at once. */
static void look_at_room(struct mf_call *call)
{
    size_t queued = call->exchange ? mf_exchange_queued(call->exchange) : 0;
    pthread_mutex_lock(&call->lock);
    call->in_flight = queued;
    size_t parcel = call->parcel ? mf_parcel_bytes(call->parcel).len : 0;
    bool room = call->out.len + parcel + queued <= mf_call_high_water(call) / 2;
    bool ready = call->blocked && room;
    bool read = call->input_waits && room && !call->input_held;
    if (ready)
        call->blocked = false;
    if (read)
        call->input_waits = false;
    pthread_mutex_unlock(&call->lock);
    if (ready)
        mf_call_schedule(call, MF_EVENT_READY);
    if (read)
        read_more(call);
}

static void flush(struct mf_call *call)
{
    if (call->finished)
        return;
    pthread_mutex_lock(&call->lock);
    bool over = call->over;
    bool head_wanted = call->head_wanted;
    struct mf_buf swap = call->sending;
    call->sending = call->out;
    call->out = swap;
    call->sending_parcel = call->parcel;
    call->parcel = NULL;
    pthread_mutex_unlock(&call->lock);

    if (over) {
        stop_timers(call);
        if (call->paused) { /* what the client still sends is for the exchange to drop */
            call->paused = false;
            mf_exchange_resume(call->exchange);
        }
    }
    if (call->media->protocol == MF_PROTOCOL_CONNECT) {
        if (over)
            finish_connect(call);
        return;
    }
    if (!over && !head_wanted && call->sending.len == 0 && !call->sending_parcel)
        return;
    if (flush_enveloped(call, over) != MF_OK)
        give_up(call);
    mf_parcel_unref(call->sending_parcel);
    call->sending_parcel = NULL;
    if (call->sending.cap > SENDING_KEPT)
        mf_buf_free(&call->sending);
    else
        mf_buf_clear(&call->sending);
    if (!over)
        look_at_room(call);
}

/* ---- input ---- */

static bool is_over(struct mf_call *call)
{
    return call->finished || mf_call_is_over(call);
}

static void fail_input(struct mf_call *call, const struct mf_error *err)
{
    mf_buf_free(&call->held);
    mf_call_fail_error(call, err);
}

/* Adds to the one request message, which lives in the arena. */
static enum mf_code body_add(struct mf_call *call, struct mf_str bytes, struct mf_error *err)
{
    if (bytes.len > call->body_max - call->body_len)
        return mf_fail(err, MF_RESOURCE_EXHAUSTED,
                       "the message is longer than the limit of %zu bytes; send less at a time",
                       call->rpc->config.message_bytes);
    size_t need = call->body_len + bytes.len;
    if (need > call->body_cap) {
        size_t cap = call->body_cap * 2 > need ? call->body_cap * 2 : need;
        char *grown = call->body ? mf_arena_grow(call->arena, call->body, call->body_cap, cap)
                                 : mf_arena_bytes(call->arena, cap);
        if (!grown)
            return mf_fail_memory(err);
        call->body = grown;
        call->body_cap = cap;
    }
    if (bytes.len > 0)
        memcpy(call->body + call->body_len, bytes.ptr, bytes.len);
    call->body_len = need;
    return MF_OK;
}

void mf_call_begin(struct mf_call *call)
{
    if (!mf_call_start(call))
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED,
                     "the server has more requests waiting than it allows; try again");
}

/* Gives the next whole message of a client's stream to the strand; reads on when there is none. */
static void read_stream(struct mf_call *call, struct mf_str bytes)
{
    struct mf_error err;
    bool whole = false;
    uint8_t flags = 0;
    if (mf_envelope_read(&call->reader, &bytes, &whole, &flags, &err) != MF_OK) {
        fail_input(call, &err);
        return;
    }
    if (whole) {
        pthread_mutex_lock(&call->lock);
        call->inbox = call->reader.body;
        call->inbox_flags = flags;
        call->active = true;
        pthread_mutex_unlock(&call->lock);
        call->reader.body = MF_BUF_INIT(0);
        mf_envelope_next(&call->reader);
        call->message_out = true;
        mf_call_schedule(call, MF_EVENT_MESSAGE);
    }
    if (bytes.len > 0 && !mf_buf_add_str(&call->held, bytes)) {
        mf_fail_memory(&err);
        fail_input(call, &err);
        return;
    }
    if (call->message_out && !call->paused && !call->body_ended) {
        call->paused = true;
        mf_exchange_pause(call->exchange);
    }
    if (!call->message_out && call->body_ended && !call->half_close_told) {
        call->half_close_told = true;
        if (mf_envelope_at_start(&call->reader)) {
            mf_call_schedule(call, MF_EVENT_HALF_CLOSE);
        } else {
            mf_fail(&err, MF_INVALID_ARGUMENT, "the request ended in the middle of a message");
            fail_input(call, &err);
        }
    }
}

/* The handler has taken a message. */
static void read_more(struct mf_call *call)
{
    call->message_out = false;
    if (is_over(call)) {
        if (call->paused)
            mf_exchange_resume(call->exchange);
        call->paused = false;
        return;
    }
    struct mf_buf held = call->held;
    call->held = MF_BUF_INIT(0);
    read_stream(call, mf_buf_str(&held));
    mf_buf_free(&held);
    if (!call->message_out && call->paused) {
        call->paused = false;
        mf_exchange_resume(call->exchange);
    }
}

/* The one message of a unary or server-streaming call in an envelope. */
static void read_single(struct mf_call *call, struct mf_str bytes)
{
    struct mf_error err;
    while (bytes.len > 0) {
        bool whole = false;
        uint8_t flags = 0;
        if (call->have_message) {
            mf_fail(&err, MF_UNIMPLEMENTED, "the method takes one message, but the request holds more");
            fail_input(call, &err);
            return;
        }
        if (mf_envelope_read(&call->reader, &bytes, &whole, &flags, &err) != MF_OK) {
            fail_input(call, &err);
            return;
        }
        if (!whole)
            return;
        call->have_message = true;
        call->body_flags = flags;
        /* The reader's memory stays with the call, so the message may stay there too. */
        call->body = call->reader.body.ptr;
        call->body_len = call->reader.body.len;
    }
}

static void on_body(void *ctx, struct mf_exchange *exchange, struct mf_str bytes)
{
    struct mf_call *call = ctx;
    struct mf_error err;
    (void)exchange;
    if (call->get || is_over(call))
        return;
    if (call->media->protocol == MF_PROTOCOL_CONNECT) {
        if (body_add(call, bytes, &err) != MF_OK)
            fail_input(call, &err);
        return;
    }
    struct mf_buf plain = MF_BUF_INIT(0);
    if (call->media->protocol == MF_PROTOCOL_GRPC_WEB_TEXT) {
        if (!mf_buf_add_str(&plain, bytes)) {
            mf_fail_memory(&err);
            fail_input(call, &err);
            return;
        }
        ptrdiff_t n = mf_web_text_decode(&call->web_text, plain.ptr, plain.len);
        if (n < 0) {
            mf_fail(&err, MF_INVALID_ARGUMENT, "the body is not base64, as the content type promises");
            fail_input(call, &err);
            goto out;
        }
        bytes = mf_str_make(plain.ptr, (size_t)n);
    }
    if (!mf_call_streams_in(call)) {
        read_single(call, bytes);
    } else if (call->message_out) {
        if (bytes.len > 0 && !mf_buf_add_str(&call->held, bytes)) {
            mf_fail_memory(&err);
            fail_input(call, &err);
        }
    } else {
        read_stream(call, bytes);
    }
out:
    mf_buf_free(&plain);
}

static void on_end(void *ctx, struct mf_exchange *exchange)
{
    struct mf_call *call = ctx;
    struct mf_error err;
    (void)exchange;
    call->body_ended = true;
    if (is_over(call))
        return;
    if (mf_call_streams_in(call)) {
        if (!call->message_out)
            read_stream(call, MF_STR_EMPTY);
        return;
    }
    if (call->media->protocol != MF_PROTOCOL_CONNECT && !call->have_message) {
        if (mf_envelope_at_start(&call->reader))
            mf_fail(&err, MF_UNIMPLEMENTED, "the method takes one message, but the request holds none");
        else
            mf_fail(&err, MF_INVALID_ARGUMENT, "the request ended in the middle of a message");
        fail_input(call, &err);
        return;
    }
    mf_call_begin(call);
}

static void on_drain(void *ctx, struct mf_exchange *exchange)
{
    (void)exchange;
    look_at_room(ctx);
}

static void on_close(void *ctx, struct mf_exchange *exchange)
{
    struct mf_call *call = ctx;
    (void)exchange;
    stop_timers(call);
    call->exchange = NULL;
    if (mf_call_streams(call))
        mf_rpc_stream_leave(call->rpc, call);
    mf_call_closed(call);
    mf_call_unref(call);
}

const struct mf_exchange_ops mf_call_exchange_ops = {
    .on_body = on_body,
    .on_end = on_end,
    .on_drain = on_drain,
    .on_close = on_close,
};

void mf_call_io_run(struct mf_work *work)
{
    struct mf_call *call = MF_CONTAINER(work, struct mf_call, io_work);
    pthread_mutex_lock(&call->lock);
    uint32_t events = call->io_events;
    call->io_events = 0;
    call->io_queued = false;
    size_t high_water = mf_call_high_water(call);
    pthread_mutex_unlock(&call->lock);
    if (call->exchange && (events & MF_IO_FLUSH))
        flush(call);
    if (call->exchange && (events & MF_IO_MARK))
        mf_exchange_set_low_water(call->exchange, high_water / 2);
    if (call->exchange && (events & MF_IO_HEARTBEAT))
        start_heartbeat(call);
    if (call->exchange && (events & MF_IO_MORE))
        read_more(call);
    mf_call_unref(call);
}
