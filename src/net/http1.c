#include "net/connection.h"

#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>

#define HELD_MAX ((size_t)64 << 10) /* pipelined requests that wait; then we stop reading */
/* Of a body nobody reads; when more is to come we say that the connection ends. */
#define DISCARD_MAX ((size_t)256 << 10)
#define HALF_CLOSED_MS 10000 /* a client that sends no more still gets an answer, within this time */
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

/* One connection. A request is parsed only when the response before it is complete. */
struct mf_h1 {
    llhttp_t parser;
    struct mf_head *head;         /* while the header section arrives */
    struct mf_exchange *exchange; /* from the end of the header section to the end of the response */
    struct mf_span target, name, value;
    uint64_t head_ms;    /* first byte of the request */
    uint64_t eof_ms;     /* the peer stopped sending */
    uint64_t body_bytes; /* received */
    size_t trailer_bytes;
    size_t discarded; /* of the body after the response */
    int refused;      /* status of what a callback of the parser refused */
    const char *refusal;
    bool in_message; /* a request has begun and is not complete */
    bool last;       /* the connection ends with this response */
    bool chunked;
    bool expects;      /* the client waits for "100 Continue" */
    bool parser_waits; /* the parser has something to say without new bytes */
    bool hosts;        /* a Host header was seen */
};

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "";
}

static struct mf_connection *conn_of(llhttp_t *parser)
{
    return parser->data;
}

static struct mf_h1 *h1_of(const struct mf_connection *conn)
{
    return conn->session;
}

/* Has the parser stop; the answer is given outside of it. */
static int refuse(struct mf_h1 *h1, int status, const char *text)
{
    h1->refused = status;
    h1->refusal = text;
    return HPE_USER;
}

/* ---- callbacks of the parser ---- */

static int on_message_begin(llhttp_t *parser)
{
    struct mf_connection *conn = conn_of(parser);
    struct mf_h1 *h1 = h1_of(conn);
    if (!h1->head)
        h1->head = mf_io_head_take(conn->io);
    if (!h1->head)
        return refuse(h1, 503, "the server is out of memory; try again\n");
    h1->target = h1->name = h1->value = (struct mf_span){0};
    h1->head_ms = mf_io_now(conn->io);
    h1->body_bytes = 0;
    h1->trailer_bytes = 0;
    h1->discarded = 0;
    h1->in_message = true;
    h1->chunked = false;
    h1->expects = false;
    h1->hosts = false;
    return 0;
}

static int head_state(struct mf_h1 *h1)
{
    if (h1->head->too_large)
        return refuse(h1, 431, "the request's header section is longer than this server takes\n");
    if (h1->head->failed)
        return refuse(h1, 503, "the server is out of memory; try again\n");
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct mf_h1 *h1 = h1_of(conn_of(parser));
    mf_head_put(h1->head, at, len);
    h1->target = mf_head_span(h1->head, 0);
    return head_state(h1);
}

/* Fields after the body; counted and dropped. */
static int trailer(struct mf_connection *conn, size_t len)
{
    struct mf_h1 *h1 = h1_of(conn);
    h1->trailer_bytes += len;
    if (h1->trailer_bytes > conn->io->limits.header_bytes)
        return refuse(h1, 431, "the request's trailer section is longer than this server takes\n");
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
    struct mf_h1 *h1 = h1_of(conn_of(parser));
    if (!h1->head)
        return trailer(conn_of(parser), len);
    if (h1->name.len == 0)
        h1->name.at = mf_head_at(h1->head);
    mf_head_put_lower(h1->head, at, len);
    h1->name = mf_head_span(h1->head, h1->name.at);
    h1->value = mf_head_span(h1->head, mf_head_at(h1->head));
    return head_state(h1);
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct mf_h1 *h1 = h1_of(conn_of(parser));
    if (!h1->head)
        return trailer(conn_of(parser), len);
    mf_head_put(h1->head, at, len);
    h1->value = mf_head_span(h1->head, h1->value.at);
    return head_state(h1);
}

static int on_value_complete(llhttp_t *parser)
{
    struct mf_h1 *h1 = h1_of(conn_of(parser));
    struct mf_head *head = h1->head;
    if (!head)
        return trailer(conn_of(parser), MF_HEAD_FIELD_COST);
    h1->value.len = (uint32_t)mf_str_trim(mf_head_str(head, h1->value), MF_STR(" \t")).len;
    if (mf_str_eq(mf_head_str(head, h1->name), MF_STR("host"))) {
        if (h1->hosts)
            return refuse(h1, 400, "the request names more than one host; send one Host header\n");
        h1->hosts = true;
        head->authority = h1->value;
    }
    mf_head_field(head, h1->name, h1->value);
    h1->name = (struct mf_span){0};
    return head_state(h1);
}

/* "http://host/path" becomes "/path", as a server has to read it. */
static bool split_target(struct mf_str *target, struct mf_str *authority, bool options)
{
    if (mf_str_starts(*target, MF_STR("/")) || (options && mf_str_eq_c(*target, "*")))
        return true;
    size_t scheme = mf_str_find(*target, MF_STR("://"));
    if (scheme == SIZE_MAX || scheme > 5)
        return false;
    struct mf_str rest = mf_str_skip(*target, scheme + 3);
    size_t slash = mf_str_find_char(rest, '/');
    *authority = slash == SIZE_MAX ? rest : mf_str_take(rest, slash);
    *target = slash == SIZE_MAX ? MF_STR("/") : mf_str_skip(rest, slash);
    return authority->len > 0;
}

static int check_head(struct mf_h1 *h1, struct mf_str *target, struct mf_str *authority)
{
    const llhttp_t *parser = &h1->parser;
    if (parser->http_major != 1)
        return refuse(h1, 505, "this port speaks HTTP/1.0, HTTP/1.1 and HTTP/2\n");
    if (parser->method == HTTP_CONNECT)
        return refuse(h1, 501, "this server is no proxy\n");
    if (parser->http_minor > 0 && !h1->hosts)
        return refuse(h1, 400, "HTTP/1.1 asks for a Host header; send one\n");
    if ((parser->flags & F_TRANSFER_ENCODING) && parser->http_minor == 0)
        return refuse(h1, 400, "HTTP/1.0 knows no transfer-encoding; send content-length\n");
    if (!split_target(target, authority, parser->method == HTTP_OPTIONS))
        return refuse(h1, 400, "the target of the request is not a path; it has to begin with a slash\n");
    return 0;
}

static void send_continue(struct mf_connection *conn)
{
    struct mf_h1 *h1 = h1_of(conn);
    h1->expects = false;
    mf_connection_write(conn, CONTINUE, sizeof CONTINUE - 1);
}

static int look_at_expect(struct mf_h1 *h1, struct mf_exchange *exchange)
{
    struct mf_str expect = mf_exchange_header(exchange, "expect");
    if (!expect.ptr || exchange->request.version != 1 || h1->parser.http_minor == 0)
        return 0;
    if (!mf_str_eq_nocase(expect, MF_STR("100-continue"))) {
        mf_exchange_refuse(exchange, 417, MF_STR("the only expectation this server knows is 100-continue\n"));
        return 0;
    }
    h1->expects = exchange->request.body_follows;
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct mf_connection *conn = conn_of(parser);
    struct mf_h1 *h1 = h1_of(conn);
    struct mf_head *head = h1->head;
    struct mf_str target = mf_head_str(head, h1->target);
    struct mf_str authority = mf_head_str(head, head->authority);
    parser->upgrade = 0; /* another protocol is never spoken; the request is served as it is */
    int rc = check_head(h1, &target, &authority);
    if (rc != 0)
        return rc;
    const char *method = llhttp_method_name((llhttp_method_t)parser->method);
    struct mf_exchange *exchange = mf_exchange_new(conn, head, mf_str_from_c(method), target, authority);
    if (!exchange)
        return refuse(h1, 503, "the server is out of memory; try again\n");
    mf_io_head_give(conn->io, head);
    h1->head = NULL;
    h1->exchange = exchange;
    h1->last = !llhttp_should_keep_alive(parser) || conn->io->draining;
    exchange->request.version = 1;
    exchange->request.body_follows = (parser->flags & F_CHUNKED) != 0 || parser->content_length > 0;
    if (parser->content_length > conn->io->limits.body_bytes && (parser->flags & F_CONTENT_LENGTH)) {
        h1->last = true;
        mf_exchange_refuse(exchange, 413, MF_STR("the request's body is larger than this server takes\n"));
        return 0;
    }
    look_at_expect(h1, exchange);
    if (!exchange->gone)
        mf_exchange_open(exchange);
    if (h1->expects && !exchange->responded && !exchange->paused)
        send_continue(conn);
    return exchange->paused ? HPE_PAUSED : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct mf_connection *conn = conn_of(parser);
    struct mf_h1 *h1 = h1_of(conn);
    struct mf_exchange *exchange = h1->exchange;
    h1->expects = false;
    h1->body_bytes += len;
    if (exchange && !exchange->finished && !exchange->gone && h1->body_bytes > conn->io->limits.body_bytes) {
        h1->last = true;
        mf_exchange_refuse(exchange, 413, MF_STR("the request's body is larger than this server takes\n"));
    }
    if (!exchange || !mf_exchange_body(exchange, mf_str_make(at, len)))
        h1->discarded += len;
    /* Whatever was not announced to end the connection is read to its end, since the client may have sent all
     * of it, and the next request too, before it hears of a close. */
    if (h1->body_bytes > conn->io->limits.body_bytes) {
        h1->last = true;
        return HPE_USER;
    }
    return exchange && exchange->paused ? HPE_PAUSED : 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct mf_h1 *h1 = h1_of(conn_of(parser));
    h1->in_message = false;
    h1->expects = false;
    if (h1->exchange) {
        h1->exchange->ended = true;
        mf_exchange_end(h1->exchange);
    }
    return HPE_PAUSED;
}

static const llhttp_settings_t parser_settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- the connection ---- */

/* An answer to what never became an exchange. */
static void answer_plainly(struct mf_connection *conn, int status, const char *text)
{
    char head[256];
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 %d %s\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %zu\r\n"
                       "connection: close\r\n\r\n",
                       status, reason(status), strlen(text));
    mf_io_count(&conn->io->stats.refused_total, 1);
    mf_connection_write(conn, head, (size_t)len);
    mf_connection_write(conn, text, strlen(text));
    mf_connection_close(conn, true);
}

static void close_exchange(struct mf_connection *conn)
{
    struct mf_h1 *h1 = h1_of(conn);
    struct mf_exchange *exchange = h1->exchange;
    h1->exchange = NULL;
    mf_exchange_close(exchange);
}

/* The parser cannot go on: the bytes are not HTTP, or a callback refused. */
static void fail(struct mf_connection *conn)
{
    struct mf_h1 *h1 = h1_of(conn);
    if (h1->exchange && h1->exchange->finished) {
        close_exchange(conn);
        mf_connection_close(conn, true);
    } else if (h1->exchange && h1->exchange->responded) {
        mf_connection_abort(conn);
    } else if (!h1->exchange && !h1->head && !h1->refused && h1->in_message) {
        mf_connection_close(conn, true); /* in the middle of a body that nobody reads */
    } else {
        if (h1->exchange)
            close_exchange(conn);
        answer_plainly(conn, h1->refused ? h1->refused : 400,
                       h1->refused ? h1->refusal
                                   : "this is not well-formed HTTP/1.1; look at what was sent\n");
    }
    mf_buf_free(&conn->in);
}

/* Ends the exchange when the response is complete; the rest of the request's body is dropped, when it is
 * short. */
static void settle(struct mf_connection *conn)
{
    struct mf_h1 *h1 = h1_of(conn);
    if (!h1->exchange || !h1->exchange->finished || conn->aborted)
        return;
    if (h1->exchange->failed) {
        mf_connection_abort(conn);
        return;
    }
    bool last = h1->last || conn->io->draining || (h1->in_message && h1->expects);
    close_exchange(conn);
    if (last) {
        mf_connection_close(conn, h1->in_message || conn->in.len > 0 || h1->discarded > 0);
        mf_buf_free(&conn->in);
    }
}

static bool blocked(const struct mf_connection *conn)
{
    const struct mf_h1 *h1 = h1_of(conn);
    const struct mf_exchange *exchange = h1->exchange;
    if (conn->flush_then_close || conn->aborted)
        return true;
    if (exchange)
        return exchange->paused || !h1->in_message;
    /* The next request has to wait until the answers before it are on their way. */
    return !h1->in_message && mf_connection_queued(conn) > conn->io->limits.send_high_water;
}

/* Feeds the parser; returns how many bytes it took. */
static size_t parse(struct mf_connection *conn, struct mf_str bytes)
{
    struct mf_h1 *h1 = h1_of(conn);
    size_t used = 0;
    while ((used < bytes.len || h1->parser_waits) && !blocked(conn)) {
        h1->parser_waits = false;
        enum llhttp_errno err = llhttp_execute(&h1->parser, bytes.ptr + used, bytes.len - used);
        if (err == HPE_OK)
            return bytes.len;
        const char *at = llhttp_get_error_pos(&h1->parser);
        if (err != HPE_PAUSED) {
            fail(conn);
            return bytes.len;
        }
        used = (size_t)(at - bytes.ptr);
        llhttp_resume(&h1->parser);
        h1->parser_waits = h1->in_message;
        settle(conn);
    }
    return used;
}

static void h1_receive(struct mf_connection *conn, struct mf_str bytes)
{
    if (conn->in.len == 0) {
        bytes = mf_str_skip(bytes, parse(conn, bytes));
    }
    mf_connection_touch(conn);
    if (bytes.len > 0 && !conn->flush_then_close && !mf_buf_add_str(&conn->in, bytes))
        mf_connection_abort(conn);
}

static void h1_run(struct mf_connection *conn)
{
    struct mf_h1 *h1 = h1_of(conn);
    settle(conn);
    if ((conn->in.len > 0 || h1->parser_waits) && !blocked(conn)) {
        /* Taken out meanwhile, since a failure frees the buffer. */
        struct mf_buf in = conn->in;
        conn->in = MF_BUF_INIT(0);
        mf_buf_drop(&in, parse(conn, in.ptr ? mf_buf_str(&in) : MF_STR_EMPTY));
        if (in.len > 0)
            conn->in = in;
        else
            mf_buf_free(&in);
        settle(conn);
    }
    if (conn->eof && !h1->exchange && (conn->in.len == 0 || h1->in_message))
        mf_connection_close(conn, false);
}

static void h1_eof(struct mf_connection *conn)
{
    struct mf_h1 *h1 = h1_of(conn);
    h1->eof_ms = mf_io_now(conn->io);
    if (!h1->exchange)
        return;
    /* Whoever leaves in the middle of a body, or of a stream of answers, is gone. */
    if (h1->in_message || (h1->exchange->responded && !h1->exchange->finished))
        mf_connection_abort(conn);
}

static bool h1_reads(const struct mf_connection *conn)
{
    const struct mf_h1 *h1 = h1_of(conn);
    return conn->in.len < HELD_MAX && !(h1->exchange && h1->exchange->paused);
}

static void h1_sent(struct mf_connection *conn)
{
    struct mf_h1 *h1 = h1_of(conn);
    if (h1->exchange)
        mf_exchange_look_at_room(h1->exchange);
    if (conn->in.len > 0)
        mf_connection_touch(conn);
}

static void h1_drain(struct mf_connection *conn)
{
    struct mf_h1 *h1 = h1_of(conn);
    if (!h1->exchange && !h1->in_message && conn->in.len == 0)
        mf_connection_close(conn, false);
}

static void h1_tick(struct mf_connection *conn, uint64_t now)
{
    struct mf_h1 *h1 = h1_of(conn);
    const struct mf_net_limits *limits = &conn->io->limits;
    struct mf_exchange *exchange = h1->exchange;
    if (!exchange && h1->head) {
        if (now - h1->head_ms > limits->header_ms)
            answer_plainly(conn, 408, "the request's headers took too long; send them at once\n");
    } else if (!exchange) {
        if (now - conn->idle_ms > (h1->in_message ? limits->body_ms : limits->idle_ms))
            mf_connection_close(conn, h1->in_message);
    } else if (conn->eof) {
        if (!exchange->finished && now - h1->eof_ms > HALF_CLOSED_MS)
            mf_connection_abort(conn);
    } else if (h1->in_message && !exchange->gone && mf_exchange_is_late(exchange, now)) {
        h1->last = true;
        mf_exchange_refuse(exchange, 408, MF_STR("the request's body took too long; send it at once\n"));
    }
}

static void h1_free(struct mf_connection *conn)
{
    struct mf_h1 *h1 = h1_of(conn);
    if (!h1)
        return;
    if (h1->exchange)
        close_exchange(conn);
    mf_io_head_give(conn->io, h1->head);
    free(h1);
    conn->session = NULL;
}

bool mf_h1_begin(struct mf_connection *conn)
{
    struct mf_h1 *h1 = calloc(1, sizeof *h1);
    if (!h1)
        return false;
    llhttp_init(&h1->parser, HTTP_REQUEST, &parser_settings);
    h1->parser.data = conn;
    conn->session = h1;
    return true;
}

/* ---- the response ---- */

static void put(struct mf_buf *out, struct mf_str s)
{
    mf_buf_add_str(out, s);
}

/* Framing is ours, whatever the application says about it. */
static bool is_hop_by_hop(struct mf_str name)
{
    return mf_str_eq_nocase(name, MF_STR("connection")) ||
           mf_str_eq_nocase(name, MF_STR("transfer-encoding")) ||
           mf_str_eq_nocase(name, MF_STR("keep-alive"));
}

static void put_headers(struct mf_connection *conn, const struct mf_header *headers, size_t count)
{
    bool dated = false;
    for (size_t i = 0; i < count; i++) {
        if (is_hop_by_hop(headers[i].name))
            continue;
        dated = dated || mf_str_eq_nocase(headers[i].name, MF_STR("date"));
        put(&conn->out, headers[i].name);
        put(&conn->out, MF_STR(": "));
        put(&conn->out, headers[i].value);
        put(&conn->out, MF_STR("\r\n"));
    }
    if (!dated) {
        put(&conn->out, MF_STR("date: "));
        put(&conn->out, mf_io_date(conn->io));
        put(&conn->out, MF_STR("\r\n"));
    }
}

static void put_framing(struct mf_connection *conn, struct mf_exchange *exchange, int status, bool end)
{
    struct mf_h1 *h1 = h1_of(conn);
    bool old = h1->parser.http_minor == 0;
    h1->chunked = false;
    if (exchange->add_length) {
        mf_buf_printf(&conn->out, "content-length: %llu\r\n", (unsigned long long)exchange->length_left);
    } else if (!exchange->bodyless && !exchange->has_length) {
        if (end) {
            put(&conn->out, MF_STR("content-length: 0\r\n"));
        } else if (old) {
            h1->last = true; /* the end of the connection is the end of the body */
        } else {
            h1->chunked = true;
            put(&conn->out, MF_STR("transfer-encoding: chunked\r\n"));
        }
    }
    /* A client that waits for "100 Continue" may send its body all the same, or not: nobody can tell. */
    uint64_t rest = h1->in_message && (h1->parser.flags & F_CONTENT_LENGTH) ? h1->parser.content_length : 0;
    if (h1->expects || conn->io->draining || ((end || exchange->add_length) && rest > DISCARD_MAX) ||
        status == 413 || status == 408 || status == 417)
        h1->last = true;
    if (h1->last)
        put(&conn->out, MF_STR("connection: close\r\n"));
    else if (old)
        put(&conn->out, MF_STR("connection: keep-alive\r\n"));
}

static enum mf_code outcome(struct mf_connection *conn)
{
    mf_connection_touch(conn);
    if (!mf_buf_failed(&conn->out))
        return MF_OK;
    mf_connection_abort(conn);
    return MF_RESOURCE_EXHAUSTED;
}

static enum mf_code h1_respond(struct mf_exchange *exchange, int status, const struct mf_header *headers,
                               size_t count, bool end)
{
    struct mf_connection *conn = exchange->conn;
    char line[64];
    mf_io_buf_take(conn->io, &conn->out);
    int len = snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\n", status, reason(status));
    put(&conn->out, mf_str_make(line, (size_t)len));
    put_headers(conn, headers, count);
    put_framing(conn, exchange, status, end);
    put(&conn->out, MF_STR("\r\n"));
    return outcome(conn);
}

static enum mf_code h1_write(struct mf_exchange *exchange, struct mf_str bytes)
{
    struct mf_connection *conn = exchange->conn;
    bool chunked = h1_of(conn)->chunked;
    mf_io_buf_take(conn->io, &conn->out);
    if (chunked) {
        char size[24];
        int len = snprintf(size, sizeof size, "%zx\r\n", bytes.len);
        put(&conn->out, mf_str_make(size, (size_t)len));
    }
    put(&conn->out, bytes);
    if (chunked)
        put(&conn->out, MF_STR("\r\n"));
    return outcome(conn);
}

static enum mf_code h1_finish(struct mf_exchange *exchange, const struct mf_header *trailers, size_t count)
{
    struct mf_connection *conn = exchange->conn;
    if (h1_of(conn)->chunked) {
        mf_io_buf_take(conn->io, &conn->out);
        put(&conn->out, MF_STR("0\r\n"));
        for (size_t i = 0; i < count; i++) {
            put(&conn->out, trailers[i].name);
            put(&conn->out, MF_STR(": "));
            put(&conn->out, trailers[i].value);
            put(&conn->out, MF_STR("\r\n"));
        }
        put(&conn->out, MF_STR("\r\n"));
    }
    return outcome(conn);
}

static void h1_reset(struct mf_exchange *exchange)
{
    exchange->gone = true;
    mf_connection_abort(exchange->conn);
}

static void h1_resume(struct mf_exchange *exchange)
{
    struct mf_connection *conn = exchange->conn;
    struct mf_h1 *h1 = h1_of(conn);
    if (h1->expects && !exchange->responded)
        send_continue(conn);
    mf_connection_touch(conn);
}

static size_t h1_queued(const struct mf_exchange *exchange)
{
    return mf_connection_queued(exchange->conn);
}

const struct mf_protocol mf_h1_protocol = {
    .respond = h1_respond,
    .write = h1_write,
    .finish = h1_finish,
    .reset = h1_reset,
    .resume = h1_resume,
    .queued = h1_queued,
    .receive = h1_receive,
    .eof = h1_eof,
    .run = h1_run,
    .sent = h1_sent,
    .drain = h1_drain,
    .tick = h1_tick,
    .free = h1_free,
    .reads = h1_reads,
};
