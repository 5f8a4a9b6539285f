#include "rpc/call_state.h"

#include "rpc/connect.h"

#include <stdlib.h>

#define POOL_MAX 1024
/* Compressing what fits a few packets costs more than it saves. */
#define COMPRESS_FROM 8192

/* Bytes on their way to the client. With call->lock held. */
static size_t waiting(const struct mf_call *call)
{
    return call->out.len + (call->parcel ? mf_parcel_bytes(call->parcel).len : 0) + call->in_flight;
}

/* ---- life ---- */

static void strand_run(struct mf_work *work);

struct mf_call *mf_call_new(struct mf_rpc *rpc)
{
    pthread_mutex_lock(&rpc->pool_lock);
    struct mf_call *call = rpc->pool;
    if (call) {
        rpc->pool = call->pool_next;
        rpc->pool_count--;
    }
    pthread_mutex_unlock(&rpc->pool_lock);
    if (call) {
        atomic_store_explicit(&call->refs, 1, memory_order_relaxed);
        return call;
    }
    call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    call->arena = mf_arena_new(0);
    if (!call->arena || pthread_mutex_init(&call->lock, NULL) != 0) {
        mf_arena_free(call->arena);
        free(call);
        return NULL;
    }
    call->rpc = rpc;
    call->work.fn = strand_run;
    call->io_work.fn = mf_call_io_run;
    atomic_init(&call->refs, 1);
    return call;
}

void mf_call_destroy(struct mf_call *call)
{
    mf_buf_free(&call->held);
    mf_buf_free(&call->sending);
    mf_buf_free(&call->out);
    mf_parcel_unref(call->sending_parcel);
    mf_parcel_unref(call->parcel);
    mf_buf_free(&call->inbox);
    mf_envelope_reader_free(&call->reader);
    mf_arena_free(call->out_arena);
    mf_arena_free(call->arena);
    pthread_mutex_destroy(&call->lock);
    free(call);
}

/* Everything as after mf_call_new, but the memory worth keeping is kept. */
static void call_clear(struct mf_call *call)
{
    mf_buf_free(&call->held);
    mf_buf_free(&call->sending);
    mf_buf_free(&call->out);
    mf_parcel_unref(call->sending_parcel);
    mf_parcel_unref(call->parcel);
    mf_buf_free(&call->inbox);
    mf_envelope_reader_free(&call->reader);
    mf_arena_reset(call->arena);
    if (call->out_arena)
        mf_arena_reset(call->out_arena);

    /* The mutex may not be overwritten, so the fields around it are cleared piece by piece. */
    size_t from = offsetof(struct mf_call, entry);
    size_t lock = offsetof(struct mf_call, lock);
    size_t after = lock + sizeof call->lock;
    struct mf_arena *arena = call->arena;
    struct mf_arena *out_arena = call->out_arena;
    memset((char *)call + from, 0, lock - from);
    memset((char *)call + after, 0, sizeof *call - after);
    call->arena = arena;
    call->out_arena = out_arena;
}

struct mf_call *mf_call_ref(struct mf_call *call)
{
    atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
    return call;
}

void mf_call_unref(struct mf_call *call)
{
    if (atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct mf_rpc *rpc = call->rpc;
    call_clear(call);
    pthread_mutex_lock(&rpc->pool_lock);
    bool keep = rpc->pool_count < POOL_MAX;
    if (keep) {
        call->pool_next = rpc->pool;
        rpc->pool = call;
        rpc->pool_count++;
    }
    pthread_mutex_unlock(&rpc->pool_lock);
    if (!keep)
        mf_call_destroy(call);
}

/* ---- scheduling ---- */

/* With call->lock held. True when the caller must hand the strand to the workers after unlocking. */
static bool schedule_locked(struct mf_call *call, uint32_t events)
{
    call->events |= events;
    if (call->queued)
        return false;
    call->queued = true;
    mf_call_ref(call);
    return true;
}

static void submit(struct mf_call *call)
{
    /* Refused only when the workers are gone, which is after the last exchange; nobody waits for the call. */
    if (!mf_workers_submit_again(call->rpc->workers, &call->work))
        mf_call_unref(call);
}

void mf_call_schedule(struct mf_call *call, uint32_t events)
{
    pthread_mutex_lock(&call->lock);
    bool hand_over = schedule_locked(call, events);
    pthread_mutex_unlock(&call->lock);
    if (hand_over)
        submit(call);
}

bool mf_call_start(struct mf_call *call)
{
    pthread_mutex_lock(&call->lock);
    bool hand_over = schedule_locked(call, MF_EVENT_START);
    pthread_mutex_unlock(&call->lock);
    if (!hand_over || mf_workers_submit(call->rpc->workers, &call->work))
        return true;
    pthread_mutex_lock(&call->lock);
    call->queued = false;
    call->events = 0;
    pthread_mutex_unlock(&call->lock);
    mf_call_unref(call);
    return false;
}

/* With call->lock held, so that the loop cannot have gone while the exchange was still open. */
static void post_locked(struct mf_call *call, uint32_t io_events)
{
    call->io_events |= io_events;
    if (call->io_queued || call->closed)
        return;
    call->io_queued = true;
    mf_call_ref(call);
    mf_loop_post(call->loop, &call->io_work);
}

/* ---- the strand ---- */

static enum mf_code decode(struct mf_call *call, struct mf_arena *arena, struct mf_str bytes, uint8_t flags,
                           void **out, struct mf_error *err)
{
    bool compressed = call->media->protocol == MF_PROTOCOL_CONNECT || (flags & MF_ENVELOPE_COMPRESSED);
    if ((flags & ~MF_ENVELOPE_COMPRESSED) != 0)
        return mf_fail(err, MF_INTERNAL, "the message has the flags 0x%02x; only 0x01 (compressed) is known",
                       flags);
    if ((flags & MF_ENVELOPE_COMPRESSED) && call->in_compression == MF_COMPRESSION_NONE)
        return mf_fail(err, MF_INTERNAL,
                       "the message is marked as compressed, but no header says how; name the compression");
    enum mf_code code =
        mf_decompress(call->rpc->compressor, compressed ? call->in_compression : MF_COMPRESSION_NONE, arena,
                      bytes, call->rpc->config.message_bytes, &bytes, err);
    if (code != MF_OK)
        return code;
    const struct pb_type *type = call->entry->method->request;
    static const struct pb_json_options lenient = {.ignore_unknown = true, .known_enums = true};
    code = call->media->codec == MF_CODEC_PROTO ? pb_decode(arena, type, bytes, out, err)
                                                : pb_from_json(arena, type, bytes, &lenient, out, err);
    return code == MF_OK ? pb_validate(type, *out, err) : code;
}

static void strand_start(struct mf_call *call)
{
    struct mf_error err;
    call->started = true;
    if (!mf_call_streams_in(call)) {
        if (decode(call, call->arena, mf_str_make(call->body, call->body_len), call->body_flags,
                   &call->request, &err) != MF_OK) {
            mf_call_fail_error(call, &err);
            return;
        }
    }
    call->entry->handler(call->entry->ctx, call);
}

static void strand_message(struct mf_call *call, const struct mf_call_ops *ops, void *ctx)
{
    struct mf_error err;
    struct mf_buf bytes;
    void *msg = NULL;
    pthread_mutex_lock(&call->lock);
    bytes = call->inbox;
    uint8_t flags = call->inbox_flags;
    call->inbox = MF_BUF_INIT(0);
    bool over = call->over;
    pthread_mutex_unlock(&call->lock);

    struct mf_arena *arena = over ? NULL : mf_rpc_scratch_take(call->rpc);
    if (over) {
        /* nobody wants it any more */
    } else if (!arena) {
        mf_fail_memory(&err);
        mf_call_fail_error(call, &err);
    } else if (decode(call, arena, mf_buf_str(&bytes), flags, &msg, &err) != MF_OK) {
        mf_call_fail_error(call, &err);
    } else if (ops && ops->on_message) {
        ops->on_message(ctx, call, msg);
    }
    if (arena)
        mf_rpc_scratch_give(call->rpc, arena);
    mf_buf_free(&bytes);
    pthread_mutex_lock(&call->lock);
    /* A client that sends but does not read is not read from either. */
    bool full = waiting(call) > mf_call_high_water(call);
    call->input_waits = !call->over && (full || call->input_held);
    if (!call->input_waits)
        post_locked(call, MF_IO_MORE);
    pthread_mutex_unlock(&call->lock);
}

/* Asks who the caller is, and puts everything off until that is known. Returns the events to go on with. */
static uint32_t strand_identify(struct mf_call *call, uint32_t events)
{
    struct mf_error err;
    if (call->identifying) {
        call->waiting |= events & ~(uint32_t)MF_EVENT_IDENTIFIED;
        if (!(events & MF_EVENT_IDENTIFIED))
            return 0;
        call->identifying = false;
        return call->waiting;
    }
    if (!(events & MF_EVENT_START) || !call->rpc->identify)
        return events;
    /* Set first: the answer may come on another thread before identify has returned. */
    call->identifying = true;
    call->waiting = events;
    enum mf_identified how = call->rpc->identify(call->rpc->identify_ctx, call, &call->caller, &err);
    if (how == MF_IDENTIFY_LATER)
        return 0;
    call->identifying = false;
    if (how == MF_IDENTIFY_REFUSED)
        mf_call_fail_error(call, &err);
    return events;
}

static void strand_step(struct mf_call *call, uint32_t events)
{
    events = strand_identify(call, events);
    pthread_mutex_lock(&call->lock);
    bool over = call->over;
    const struct mf_call_ops *ops = call->ops;
    void *ctx = call->ops_ctx;
    pthread_mutex_unlock(&call->lock);
    if ((events & MF_EVENT_START) && !over) {
        strand_start(call);
        /* Whatever else has come in the same step needs the callbacks that the handler has bound. */
        pthread_mutex_lock(&call->lock);
        ops = call->ops;
        ctx = call->ops_ctx;
        over = call->over;
        if (over && ops)
            events |= MF_EVENT_DONE;
        pthread_mutex_unlock(&call->lock);
    }
    if (call->done || !ops) {
        if (events & MF_EVENT_MESSAGE)
            strand_message(call, NULL, NULL);
        return;
    }
    if (events & MF_EVENT_MESSAGE)
        strand_message(call, ops, ctx);
    if ((events & MF_EVENT_HALF_CLOSE) && !over && ops->on_half_close)
        ops->on_half_close(ctx, call);
    if ((events & MF_EVENT_READY) && !over && ops->on_ready)
        ops->on_ready(ctx, call);
    if (events & MF_EVENT_DONE) {
        call->done = true;
        if (ops->on_done)
            ops->on_done(ctx, call);
    }
}

static void strand_run(struct mf_work *work)
{
    struct mf_call *call = MF_CONTAINER(work, struct mf_call, work);
    pthread_mutex_lock(&call->lock);
    uint32_t events = call->events;
    call->events = 0;
    pthread_mutex_unlock(&call->lock);

    strand_step(call, events);

    pthread_mutex_lock(&call->lock);
    bool again = call->events != 0;
    call->queued = again;
    pthread_mutex_unlock(&call->lock);
    /* A busy call goes to the end of the queue, so that it does not keep a worker from the others. */
    if (again)
        submit(call);
    else
        mf_call_unref(call);
}

/* ---- what handlers ask ---- */

void mf_call_bind(struct mf_call *call, const struct mf_call_ops *ops, void *ctx)
{
    pthread_mutex_lock(&call->lock);
    call->ops = ops;
    call->ops_ctx = ctx;
    pthread_mutex_unlock(&call->lock);
}

const void *mf_call_request(const struct mf_call *call)
{
    return call->request;
}

struct mf_arena *mf_call_arena(struct mf_call *call)
{
    return call->arena;
}

const struct pb_method *mf_call_method(const struct mf_call *call)
{
    return call->entry->method;
}

struct mf_str mf_call_header(const struct mf_call *call, const char *name)
{
    struct mf_str wanted = mf_str_from_c(name);
    for (size_t i = 0; i < call->http.header_count; i++) {
        if (mf_str_eq(call->http.headers[i].name, wanted))
            return call->http.headers[i].value;
    }
    return (struct mf_str){0};
}

const struct mf_http_request *mf_call_http(const struct mf_call *call)
{
    return &call->http;
}

static pthread_mutex_t *lock_of(const struct mf_call *call)
{
    return &((struct mf_call *)(uintptr_t)call)->lock;
}

bool mf_call_is_over(const struct mf_call *call)
{
    pthread_mutex_lock(lock_of(call));
    bool over = call->over;
    pthread_mutex_unlock(lock_of(call));
    return over;
}

bool mf_call_writable(const struct mf_call *call)
{
    pthread_mutex_lock(lock_of(call));
    bool full = !call->over && waiting(call) > mf_call_high_water(call);
    if (full)
        ((struct mf_call *)(uintptr_t)call)->blocked = true;
    pthread_mutex_unlock(lock_of(call));
    return !full;
}

void mf_call_wake(struct mf_call *call)
{
    pthread_mutex_lock(&call->lock);
    bool hand_over = !call->over && schedule_locked(call, MF_EVENT_READY);
    pthread_mutex_unlock(&call->lock);
    if (hand_over)
        submit(call);
}

void mf_call_hold(struct mf_call *call)
{
    pthread_mutex_lock(&call->lock);
    call->input_held = true;
    pthread_mutex_unlock(&call->lock);
}

void mf_call_release(struct mf_call *call)
{
    pthread_mutex_lock(&call->lock);
    bool full = waiting(call) > mf_call_high_water(call);
    bool read = call->input_held && call->input_waits && !full && !call->over;
    call->input_held = false;
    if (read) {
        call->input_waits = false;
        post_locked(call, MF_IO_MORE);
    }
    pthread_mutex_unlock(&call->lock);
}

void mf_call_set_high_water(struct mf_call *call, size_t bytes)
{
    pthread_mutex_lock(&call->lock);
    call->high_water = bytes;
    if (!call->over)
        post_locked(call, MF_IO_MARK);
    pthread_mutex_unlock(&call->lock);
}

void mf_call_heartbeat(struct mf_call *call, uint32_t ms)
{
    pthread_mutex_lock(&call->lock);
    if (!call->over) {
        call->heartbeat_ms = ms;
        post_locked(call, MF_IO_HEARTBEAT);
    }
    pthread_mutex_unlock(&call->lock);
}

/* ---- metadata ---- */

static struct mf_arena *out_arena(struct mf_call *call)
{
    if (!call->out_arena)
        call->out_arena = mf_arena_new(0);
    return call->out_arena;
}

static bool add_metadata(struct mf_call *call, struct mf_metadata *list, struct mf_str name,
                         struct mf_str value)
{
    if (!mf_metadata_valid(name, value))
        return false;
    bool ok = false;
    pthread_mutex_lock(&call->lock);
    struct mf_arena *arena = out_arena(call);
    if (!arena || list->count >= MF_METADATA_MAX || call->over)
        goto out;
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 4;
        struct mf_header *items = mf_arena_array(arena, cap, sizeof *items);
        if (!items)
            goto out;
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->cap = cap;
    }
    struct mf_header copy = {mf_str_copy(arena, name), mf_str_copy(arena, value)};
    ok = copy.name.ptr && (copy.value.ptr || value.len == 0);
    if (ok)
        list->items[list->count++] = copy;
out:
    pthread_mutex_unlock(&call->lock);
    return ok;
}

bool mf_call_add_header(struct mf_call *call, struct mf_str name, struct mf_str value)
{
    return add_metadata(call, &call->headers, name, value);
}

bool mf_call_add_trailer(struct mf_call *call, struct mf_str name, struct mf_str value)
{
    return add_metadata(call, &call->trailers, name, value);
}

bool mf_call_add_detail(struct mf_call *call, const struct pb_type *type, const void *msg)
{
    bool ok = false;
    struct mf_detail detail = {.type = mf_str_from_c(pb_type_name(type))};
    pthread_mutex_lock(&call->lock);
    struct mf_arena *arena = out_arena(call);
    if (!arena || pb_encode(arena, type, msg, &detail.bytes, NULL) != MF_OK)
        goto out;
    if (!mf_protocol_is_grpc(call->media->protocol) &&
        pb_to_json(arena, type, msg, NULL, &detail.debug, NULL) != MF_OK)
        detail.debug = MF_STR_EMPTY;
    if (call->detail_count == call->detail_cap) {
        size_t cap = call->detail_cap ? call->detail_cap * 2 : 2;
        struct mf_detail *grown = mf_arena_array(arena, cap, sizeof *grown);
        if (!grown)
            goto out;
        if (call->detail_count > 0)
            memcpy(grown, call->details, call->detail_count * sizeof *grown);
        call->details = grown;
        call->detail_cap = cap;
    }
    call->details[call->detail_count++] = detail;
    ok = true;
out:
    pthread_mutex_unlock(&call->lock);
    return ok;
}

/* ---- output ---- */

static void count_end(struct mf_call *call, enum mf_code code)
{
    struct mf_method_entry *entry = call->entry;
    int64_t us = (mf_mono_ns(call->rpc->config.sys) - call->start_ns) / 1000;
    size_t bucket = 0;
    while (bucket + 1 < MF_STATS_BUCKETS && us >= (int64_t)64 << bucket)
        bucket++;
    atomic_fetch_add_explicit(&entry->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(code == MF_OK ? &entry->ok : &entry->failed, 1, memory_order_relaxed);
}

/* Fixes the outcome and unlocks. The lock is held on entry and call->over is false. */
static void end_and_unlock(struct mf_call *call, enum mf_code code)
{
    call->over = true;
    call->code = code;
    struct mf_outcome outcome = {.code = code,
                                 .message = call->message,
                                 .details = call->details,
                                 .detail_count = call->detail_count,
                                 .trailers = call->trailers.items,
                                 .trailer_count = call->trailers.count};
    if (call->media->protocol == MF_PROTOCOL_CONNECT_STREAM) {
        /* The length is known only afterwards; its place is kept. */
        size_t at = call->out.len;
        char head[MF_ENVELOPE_HEADER] = {0};
        mf_buf_add(&call->out, head, sizeof head);
        mf_connect_end_json(&call->out, &outcome);
        if (!mf_buf_failed(&call->out))
            mf_envelope_header(call->out.ptr + at, MF_ENVELOPE_CONNECT_END, call->out.len - at - sizeof head);
    }
    count_end(call, code); /* before the client can know */
    bool hand_over = call->ops && schedule_locked(call, MF_EVENT_DONE);
    post_locked(call, MF_IO_FLUSH);
    pthread_mutex_unlock(&call->lock);
    if (hand_over)
        submit(call);
}

enum mf_code mf_call_encode(struct mf_call *call, struct mf_arena *arena, const void *msg, struct mf_str *out,
                            bool *compressed, struct mf_error *err)
{
    const struct pb_type *type = call->entry->method->response;
    enum mf_code code = call->media->codec == MF_CODEC_PROTO ? pb_encode(arena, type, msg, out, err)
                                                             : pb_to_json(arena, type, msg, NULL, out, err);
    if (code != MF_OK)
        return code;
    *compressed = call->out_compression != MF_COMPRESSION_NONE && out->len >= COMPRESS_FROM;
    if (*compressed)
        code = mf_compress(call->rpc->compressor, call->out_compression, arena, *out, out, err);
    if (code == MF_OK && out->len > UINT32_MAX)
        code = mf_fail(err, MF_RESOURCE_EXHAUSTED, "the response is longer than 4 GiB; ask for less");
    return code;
}

void mf_call_reply(struct mf_call *call, const void *msg)
{
    struct mf_error err;
    struct mf_str bytes;
    bool compressed = false;
    if (mf_call_encode(call, call->arena, msg, &bytes, &compressed, &err) != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    pthread_mutex_lock(&call->lock);
    if (call->over) {
        pthread_mutex_unlock(&call->lock);
        return;
    }
    call->reply = bytes;
    call->reply_set = true;
    call->reply_compressed = compressed;
    end_and_unlock(call, MF_OK);
}

void mf_call_send(struct mf_call *call, const void *msg)
{
    struct mf_error err;
    struct mf_str bytes;
    bool compressed = false;
    if (mf_call_is_over(call))
        return;
    struct mf_arena *arena = mf_rpc_scratch_take(call->rpc);
    enum mf_code code =
        arena ? mf_call_encode(call, arena, msg, &bytes, &compressed, &err) : mf_fail_memory(&err);
    if (code == MF_OK) {
        char head[MF_ENVELOPE_HEADER];
        mf_envelope_header(head, compressed ? MF_ENVELOPE_COMPRESSED : 0, bytes.len);
        pthread_mutex_lock(&call->lock);
        if (!call->over && !call->closed) {
            mf_buf_add(&call->out, head, sizeof head);
            mf_buf_add_str(&call->out, bytes);
            call->active = true;
            if (mf_buf_failed(&call->out))
                code = mf_fail_memory(&err);
            else
                post_locked(call, MF_IO_FLUSH);
        }
        pthread_mutex_unlock(&call->lock);
    }
    if (arena)
        mf_rpc_scratch_give(call->rpc, arena);
    if (code != MF_OK)
        mf_call_fail_error(call, &err);
}

void mf_call_send_parcel(struct mf_call *call, struct mf_parcel *parcel)
{
    struct mf_error err;
    enum mf_code code = MF_OK;
    pthread_mutex_lock(&call->lock);
    if (!call->over && !call->closed) {
        call->active = true;
        if (call->parcel || call->out.len > 0)
            mf_buf_add_str(&call->out, mf_parcel_bytes(parcel));
        else
            call->parcel = mf_parcel_ref(parcel);
        if (mf_buf_failed(&call->out))
            code = mf_fail_memory(&err);
        else
            post_locked(call, MF_IO_FLUSH);
    }
    pthread_mutex_unlock(&call->lock);
    if (code != MF_OK)
        mf_call_fail_error(call, &err);
}

void mf_call_send_headers(struct mf_call *call)
{
    pthread_mutex_lock(&call->lock);
    if (!call->over) {
        call->head_wanted = true;
        post_locked(call, MF_IO_FLUSH);
    }
    pthread_mutex_unlock(&call->lock);
}

void mf_call_end(struct mf_call *call)
{
    pthread_mutex_lock(&call->lock);
    if (call->over)
        pthread_mutex_unlock(&call->lock);
    else
        end_and_unlock(call, MF_OK);
}

static void fail_text(struct mf_call *call, enum mf_code code, struct mf_str text)
{
    pthread_mutex_lock(&call->lock);
    if (call->over) {
        pthread_mutex_unlock(&call->lock);
        return;
    }
    struct mf_arena *arena = out_arena(call);
    struct mf_str copy = arena ? mf_str_copy(arena, text) : (struct mf_str){0};
    call->message = copy.ptr ? copy : MF_STR("out of memory");
    end_and_unlock(call, code == MF_OK ? MF_UNKNOWN : code);
}

void mf_call_fail(struct mf_call *call, enum mf_code code, const char *format, ...)
{
    struct mf_error err;
    va_list args;
    va_start(args, format);
    mf_failv(&err, code, format, args);
    va_end(args);
    fail_text(call, code, mf_str_from_c(err.message));
}

void mf_call_fail_error(struct mf_call *call, const struct mf_error *err)
{
    fail_text(call, err->code, mf_str_from_c(err->message));
}

void mf_call_closed(struct mf_call *call)
{
    pthread_mutex_lock(&call->lock);
    call->closed = true;
    bool hand_over = false;
    if (!call->over) {
        call->over = true;
        call->code = MF_CANCELED;
        count_end(call, MF_CANCELED);
        hand_over = call->ops && schedule_locked(call, MF_EVENT_DONE);
    }
    pthread_mutex_unlock(&call->lock);
    if (hand_over)
        submit(call);
}

void mf_call_drain(struct mf_call *call)
{
    if (mf_protocol_is_grpc(call->media->protocol))
        mf_call_fail(call, MF_UNAVAILABLE, "the server is shutting down; connect again");
    else
        mf_call_end(call);
}
