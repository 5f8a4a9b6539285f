#include "net/connection.h"

#include <stdlib.h>

/* Even an application that looks at no mark cannot queue more than this for one exchange. */
#define QUEUED_MAX ((size_t)1 << 30)
#define RESPONSE_HEADERS_MAX 1024

static char *put(char *at, struct mf_str from, struct mf_str *to)
{
    if (from.len > 0)
        memcpy(at, from.ptr, from.len);
    *to = mf_str_make(at, from.len);
    return at + from.len;
}

struct mf_exchange *mf_exchange_new(struct mf_connection *conn, const struct mf_head *head,
                                    struct mf_str method, struct mf_str target, struct mf_str authority)
{
    size_t fields = head->count * sizeof(struct mf_header);
    size_t bytes = method.len + target.len + authority.len;
    for (size_t i = 0; i < head->count; i++)
        bytes += head->fields[i].name.len + head->fields[i].value.len;
    struct mf_exchange *exchange = malloc(sizeof *exchange + fields + bytes);
    if (!exchange)
        return NULL;
    uint64_t now = mf_io_now(conn->io);
    *exchange = (struct mf_exchange){.conn = conn, .begun_ms = now, .progress_ms = now};
    struct mf_http_request *request = &exchange->request;
    char *at = (char *)(exchange->headers + head->count);
    at = put(at, method, &request->method);
    at = put(at, target, &request->target);
    at = put(at, authority, &request->authority);
    for (size_t i = 0; i < head->count; i++) {
        at = put(at, mf_head_str(head, head->fields[i].name), &exchange->headers[i].name);
        at = put(at, mf_head_str(head, head->fields[i].value), &exchange->headers[i].value);
    }
    size_t question = mf_str_find_char(request->target, '?');
    request->path = question == SIZE_MAX ? request->target : mf_str_take(request->target, question);
    request->query = question == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(request->target, question + 1);
    request->peer = mf_str_from_c(conn->peer);
    request->headers = exchange->headers;
    request->header_count = head->count;
    request->tls = conn->tls != NULL;
    request->body_follows = true;
    exchange->bodyless = mf_str_eq_c(method, "HEAD");
    mf_list_push(&conn->exchanges, &exchange->link);
    mf_io_count(&conn->io->stats.exchanges_total, 1);
    mf_io_count(&conn->io->stats.exchanges_open, 1);
    return exchange;
}

void mf_exchange_open(struct mf_exchange *exchange)
{
    struct mf_io *io = exchange->conn->io;
    io->on_request(io->app, exchange);
    if (!exchange->bound && !exchange->responded && !exchange->gone)
        mf_exchange_refuse(exchange, 500, MF_STR("nothing on this server answers that request\n"));
}

bool mf_exchange_body(struct mf_exchange *exchange, struct mf_str bytes)
{
    exchange->progress_ms = mf_io_now(exchange->conn->io);
    if (exchange->gone || exchange->finished || !exchange->ops)
        return false;
    if (exchange->ops->on_body)
        exchange->ops->on_body(exchange->ctx, exchange, bytes);
    return true;
}

void mf_exchange_end(struct mf_exchange *exchange)
{
    if (exchange->end_told)
        return;
    exchange->end_told = true;
    if (!exchange->gone && !exchange->finished && exchange->ops && exchange->ops->on_end)
        exchange->ops->on_end(exchange->ctx, exchange);
}

void mf_exchange_detach(struct mf_exchange *exchange)
{
    const struct mf_exchange_ops *ops = exchange->ops;
    exchange->ops = NULL;
    exchange->paused = false;
    if (ops && ops->on_close)
        ops->on_close(exchange->ctx, exchange);
    exchange->gone = true;
}

void mf_exchange_close(struct mf_exchange *exchange)
{
    struct mf_connection *conn = exchange->conn;
    mf_exchange_detach(exchange);
    mf_list_remove(&conn->exchanges, &exchange->link);
    if (mf_list_empty(&conn->exchanges))
        conn->idle_ms = mf_io_now(conn->io);
    mf_io_count(&conn->io->stats.exchanges_open, (uint64_t)-1);
    mf_buf_free(&exchange->in);
    mf_io_buf_give(conn->io, &exchange->out);
    free(exchange->trailers);
    free(exchange);
}

void mf_exchange_refuse(struct mf_exchange *exchange, int status, struct mf_str text)
{
    const struct mf_header type = {MF_STR("content-type"), MF_STR("text/plain; charset=utf-8")};
    mf_io_count(&exchange->conn->io->stats.refused_total, 1);
    mf_exchange_detach(exchange);
    if (exchange->responded) {
        exchange->conn->protocol->reset(exchange);
        return;
    }
    exchange->gone = false; /* for the moment of our own answer */
    enum mf_code code = mf_exchange_reply(exchange, status, &type, 1, text);
    exchange->gone = true;
    if (code != MF_OK)
        exchange->conn->protocol->reset(exchange);
}

static size_t low_water(const struct mf_exchange *exchange)
{
    return exchange->low_water > 0 ? exchange->low_water : exchange->conn->io->limits.send_high_water / 2;
}

void mf_exchange_look_at_room(struct mf_exchange *exchange)
{
    if (!exchange->above || mf_exchange_queued(exchange) > low_water(exchange))
        return;
    exchange->above = false;
    if (!exchange->gone && exchange->ops && exchange->ops->on_drain)
        exchange->ops->on_drain(exchange->ctx, exchange);
}

/* ---- for the application ---- */

void mf_exchange_bind(struct mf_exchange *exchange, const struct mf_exchange_ops *ops, void *ctx)
{
    exchange->ops = ops;
    exchange->ctx = ctx;
    exchange->bound = true;
}

const struct mf_http_request *mf_exchange_request(const struct mf_exchange *exchange)
{
    return &exchange->request;
}

struct mf_str mf_exchange_header(const struct mf_exchange *exchange, const char *name)
{
    struct mf_str wanted = mf_str_from_c(name);
    for (size_t i = 0; i < exchange->request.header_count; i++) {
        if (mf_str_eq(exchange->headers[i].name, wanted))
            return exchange->headers[i].value;
    }
    return (struct mf_str){0};
}

struct mf_loop *mf_exchange_loop(const struct mf_exchange *exchange)
{
    return exchange->conn->io->loop;
}

void mf_exchange_pause(struct mf_exchange *exchange)
{
    exchange->paused = true;
}

void mf_exchange_resume(struct mf_exchange *exchange)
{
    if (!exchange->paused || exchange->gone)
        return;
    exchange->paused = false;
    exchange->progress_ms = mf_io_now(exchange->conn->io);
    exchange->conn->protocol->resume(exchange);
}

void mf_exchange_set_low_water(struct mf_exchange *exchange, size_t bytes)
{
    exchange->low_water = bytes;
    if (mf_exchange_queued(exchange) > bytes)
        exchange->above = true;
}

void mf_exchange_allow_idle(struct mf_exchange *exchange)
{
    exchange->patient = true;
}

static bool name_ok(struct mf_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == ':')
            return false;
    }
    return name.len > 0;
}

static bool value_ok(struct mf_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* A line break in a value would let whoever chose it write headers of his own. */
static bool headers_ok(const struct mf_header *headers, size_t count)
{
    if (count > RESPONSE_HEADERS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!name_ok(headers[i].name) || !value_ok(headers[i].value))
            return false;
    }
    return true;
}

static void find_length(struct mf_exchange *exchange, const struct mf_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (headers[i].name.len != 14 || !mf_str_eq_nocase(headers[i].name, MF_STR("content-length")))
            continue;
        exchange->has_length = mf_str_to_u64(headers[i].value, &exchange->length_left);
        exchange->add_length = false;
    }
}

enum mf_code mf_exchange_respond(struct mf_exchange *exchange, int status, const struct mf_header *headers,
                                 size_t count, bool end)
{
    if (exchange->responded || exchange->gone)
        return exchange->gone ? MF_CANCELED : MF_INTERNAL;
    if (status < 200 || status > 999 || !headers_ok(headers, count))
        return MF_INVALID_ARGUMENT;
    exchange->responded = true;
    exchange->bodyless = exchange->bodyless || status == 204 || status == 304;
    find_length(exchange, headers, count);
    if (end && exchange->has_length && exchange->length_left > 0 && !exchange->bodyless)
        return MF_INTERNAL;
    exchange->finished = end;
    return exchange->conn->protocol->respond(exchange, status, headers, count, end);
}

enum mf_code mf_exchange_write(struct mf_exchange *exchange, struct mf_str bytes)
{
    if (exchange->gone)
        return MF_CANCELED;
    if (!exchange->responded || exchange->finished)
        return MF_INTERNAL;
    if (bytes.len == 0 || exchange->bodyless)
        return MF_OK;
    if (exchange->has_length) {
        if (bytes.len > exchange->length_left)
            return MF_INTERNAL;
        exchange->length_left -= bytes.len;
    }
    size_t queued = mf_exchange_queued(exchange);
    if (bytes.len > QUEUED_MAX || queued > QUEUED_MAX - bytes.len)
        return MF_RESOURCE_EXHAUSTED;
    if (queued == 0)
        exchange->progress_ms = mf_io_now(exchange->conn->io);
    enum mf_code code = exchange->conn->protocol->write(exchange, bytes);
    if (code == MF_OK && queued + bytes.len > low_water(exchange))
        exchange->above = true;
    return code;
}

enum mf_code mf_exchange_finish(struct mf_exchange *exchange, const struct mf_header *trailers, size_t count)
{
    if (exchange->gone)
        return MF_CANCELED;
    if (!exchange->responded || exchange->finished)
        return MF_INTERNAL;
    if (!headers_ok(trailers, count))
        return MF_INVALID_ARGUMENT;
    if (exchange->has_length && exchange->length_left > 0 && !exchange->bodyless) {
        mf_exchange_reset(exchange);
        return MF_INTERNAL;
    }
    exchange->finished = true;
    return exchange->conn->protocol->finish(exchange, trailers, count);
}

enum mf_code mf_exchange_reply(struct mf_exchange *exchange, int status, const struct mf_header *headers,
                               size_t count, struct mf_str body)
{
    bool end = body.len == 0 || exchange->bodyless;
    if (!exchange->responded && status != 204 && status != 304) {
        exchange->add_length = true;
        exchange->has_length = true;
        exchange->length_left = body.len;
    }
    enum mf_code code = mf_exchange_respond(exchange, status, headers, count, end);
    if (code == MF_OK && !end)
        code = mf_exchange_write(exchange, body);
    return code == MF_OK && !end ? mf_exchange_finish(exchange, NULL, 0) : code;
}

void mf_exchange_reset(struct mf_exchange *exchange)
{
    if (exchange->gone)
        return;
    exchange->conn->protocol->reset(exchange);
}

size_t mf_exchange_queued(const struct mf_exchange *exchange)
{
    return exchange->conn->protocol->queued(exchange);
}

bool mf_exchange_responded(const struct mf_exchange *exchange)
{
    return exchange->responded;
}

bool mf_exchange_is_late(const struct mf_exchange *exchange, uint64_t now)
{
    const struct mf_net_limits *limits = &exchange->conn->io->limits;
    if (exchange->patient)
        return false;
    return now - exchange->begun_ms > limits->request_ms ||
           (!exchange->paused && now - exchange->progress_ms > limits->body_ms);
}
