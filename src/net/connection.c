#include "net/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLUSH_ROUNDS 16                /* of one connection before the others get their turn */
#define LINGER_MS 2000                 /* for the peer to read our last words */
#define LINGER_BYTES ((size_t)4 << 20) /* and so much it may still send meanwhile */
#define KEEPALIVE_S 30
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define TLS_HANDSHAKE_RECORD 0x16

static const char plain_refused[] = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n"
                                    "content-length: 47\r\nconnection: close\r\n\r\n"
                                    "this port speaks TLS; use https:// to reach it\n";

/* ---- life ---- */

static void on_closed(uv_handle_t *handle)
{
    struct mf_connection *conn = handle->data;
    struct mf_io *io = conn->io;
    mf_tls_free(conn->tls);
    mf_buf_free(&conn->in);
    mf_io_buf_give(io, &conn->out);
    mf_io_buf_give(io, &conn->wire);
    mf_io_buf_give(io, &conn->sending);
    mf_list_remove(&io->connections, &conn->link);
    mf_io_count(&io->stats.connections_open, (uint64_t)-1);
    free(conn);
    if (io->draining && mf_list_empty(&io->connections) && io->on_empty)
        io->on_empty(io->on_empty_ctx);
}

void mf_connection_destroy(struct mf_connection *conn)
{
    if (conn->closed)
        return;
    conn->closed = true;
    if (conn->protocol)
        conn->protocol->free(conn);
    if (conn->touch.next)
        mf_list_remove(&conn->io->touched, &conn->touch);
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

void mf_connection_touch(struct mf_connection *conn)
{
    if (!conn->touch.next && !conn->closed)
        mf_list_push(&conn->io->touched, &conn->touch);
}

void mf_connection_abort(struct mf_connection *conn)
{
    conn->aborted = true;
    mf_connection_touch(conn);
}

void mf_connection_close(struct mf_connection *conn, bool linger)
{
    conn->flush_then_close = true;
    conn->linger = conn->linger || linger;
    mf_connection_touch(conn);
}

static void set_options(int fd)
{
    int on = 1, idle = KEEPALIVE_S, interval = KEEPALIVE_S / 3, count = 3;
    /* A peer that has vanished is given up after so long without an acknowledgement. */
    unsigned timeout_ms = 2 * KEEPALIVE_S * 1000;
    /* What an old system does not know, it does without. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}

static void name_peer(struct mf_connection *conn, int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char host[48] = "";
    if (getpeername(fd, (struct sockaddr *)&address, &len) != 0)
        return;
    if (address.ss_family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
        uv_ip6_name(in6, host, sizeof host);
        snprintf(conn->peer, sizeof conn->peer, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)&address;
        uv_ip4_name(in, host, sizeof host);
        snprintf(conn->peer, sizeof conn->peer, "%s:%u", host, ntohs(in->sin_port));
    }
}

/* ---- input ---- */

static bool speak(struct mf_connection *conn, const struct mf_protocol *protocol)
{
    bool ok = protocol == &mf_h2_protocol ? mf_h2_begin(conn) : mf_h1_begin(conn);
    if (ok)
        conn->protocol = protocol;
    else
        mf_connection_abort(conn);
    return ok;
}

/* The first bytes decide between the HTTP/2 preface and HTTP/1.1; false while they may still be either. */
static bool choose(struct mf_connection *conn, struct mf_str bytes, bool *is_h2)
{
    size_t n = bytes.len < sizeof PREFACE - 1 ? bytes.len : sizeof PREFACE - 1;
    *is_h2 = memcmp(bytes.ptr, PREFACE, n) == 0;
    if (conn->tls && mf_tls_is_h2(conn->tls)) {
        *is_h2 = true;
        return true;
    }
    return !*is_h2 || n == sizeof PREFACE - 1;
}

void mf_connection_receive(struct mf_connection *conn, struct mf_str bytes)
{
    bool is_h2;
    if (conn->flush_then_close || conn->aborted || bytes.len == 0)
        return;
    if (conn->protocol) {
        conn->protocol->receive(conn, bytes);
        return;
    }
    struct mf_buf held = conn->in;
    conn->in = MF_BUF_INIT(0);
    if (held.len > 0) {
        if (!mf_buf_add_str(&held, bytes)) {
            mf_buf_free(&held);
            mf_connection_abort(conn);
            return;
        }
        bytes = mf_buf_str(&held);
    }
    if (choose(conn, bytes, &is_h2)) {
        if (speak(conn, is_h2 ? &mf_h2_protocol : &mf_h1_protocol))
            conn->protocol->receive(conn, bytes);
        mf_buf_free(&held);
    } else if (held.len > 0) {
        conn->in = held;
    } else if (!mf_buf_add_str(&conn->in, bytes)) {
        mf_connection_abort(conn);
    }
}

static void receive_raw(struct mf_connection *conn, struct mf_str bytes)
{
    if (conn->flush_then_close || conn->lingering) {
        conn->lingered += bytes.len;
        if (conn->lingered > LINGER_BYTES)
            mf_connection_abort(conn);
        return;
    }
    if (!conn->io->tls) {
        mf_connection_receive(conn, bytes);
        return;
    }
    if (!conn->tls) {
        if (bytes.ptr[0] != TLS_HANDSHAKE_RECORD) {
            mf_io_count(&conn->io->stats.refused_total, 1);
            mf_connection_write(conn, plain_refused, sizeof plain_refused - 1);
            mf_connection_close(conn, true);
            return;
        }
        conn->tls = mf_tls_new(conn->io->tls, conn);
        if (!conn->tls) {
            mf_connection_abort(conn);
            return;
        }
    }
    if (!mf_tls_receive(conn->tls, bytes))
        mf_connection_close(conn, true);
    mf_connection_touch(conn);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct mf_connection *conn = handle->data;
    (void)suggested;
    *buf = uv_buf_init(conn->io->read_bytes, MF_IO_READ_BYTES);
}

static void on_eof(struct mf_connection *conn)
{
    conn->eof = true;
    conn->reading = false;
    if (conn->lingering || conn->flush_then_close || !conn->protocol) {
        if (!conn->flush_then_close || conn->lingering)
            mf_connection_abort(conn);
        return;
    }
    conn->protocol->eof(conn);
    mf_connection_touch(conn);
}

static void look_at_reading(struct mf_connection *conn);

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct mf_connection *conn = stream->data;
    if (n > 0) {
        mf_io_count(&conn->io->stats.bytes_in, (uint64_t)n);
        receive_raw(conn, mf_str_make(buf->base, (size_t)n));
        look_at_reading(conn);
    } else if (n == UV_EOF) {
        on_eof(conn);
    } else if (n < 0) {
        mf_connection_abort(conn);
    }
}

static void look_at_reading(struct mf_connection *conn)
{
    bool wanted = !conn->eof && !conn->aborted &&
                  (conn->flush_then_close || !conn->protocol || conn->protocol->reads(conn));
    if (conn->closed || wanted == conn->reading)
        return;
    conn->reading = wanted;
    if (!wanted)
        uv_read_stop((uv_stream_t *)&conn->tcp);
    else if (uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read) != 0)
        mf_connection_abort(conn);
}

void mf_connection_open(struct mf_io *io, int fd)
{
    struct mf_connection *conn = io->draining ? NULL : calloc(1, sizeof *conn);
    if (!conn) {
        close(fd);
        return;
    }
    conn->io = io;
    conn->created_ms = conn->idle_ms = mf_io_now(io);
    mf_list_init(&conn->exchanges);
    uv_tcp_init(mf_loop_uv(io->loop), &conn->tcp);
    conn->tcp.data = conn;
    conn->write.data = conn;
    mf_list_push(&io->connections, &conn->link);
    mf_io_count(&io->stats.connections_total, 1);
    mf_io_count(&io->stats.connections_open, 1);
    set_options(fd);
    name_peer(conn, fd);
    int rc = uv_tcp_open(&conn->tcp, fd);
    if (rc != 0) {
        close(fd);
        mf_connection_destroy(conn);
        return;
    }
    look_at_reading(conn);
}

/* ---- output ---- */

void mf_connection_write(struct mf_connection *conn, const void *bytes, size_t len)
{
    mf_io_buf_take(conn->io, &conn->out);
    if (!mf_buf_add(&conn->out, bytes, len))
        mf_connection_abort(conn);
    mf_connection_touch(conn);
}

size_t mf_connection_queued(const struct mf_connection *conn)
{
    return conn->out.len + conn->wire.len + uv_stream_get_write_queue_size((const uv_stream_t *)&conn->tcp);
}

static void on_written(uv_write_t *write, int status)
{
    struct mf_connection *conn = write->data;
    conn->send_ms = mf_io_now(conn->io);
    mf_io_buf_give(conn->io, &conn->sending);
    if (status == UV_ECANCELED)
        return; /* closed meanwhile */
    if (status != 0)
        mf_connection_abort(conn);
    else
        conn->written = true;
    mf_connection_touch(conn);
}

/* Gives what the socket does not take at once to libuv. */
static bool send_rest(struct mf_connection *conn, struct mf_buf *from, size_t sent)
{
    conn->sending = *from;
    *from = MF_BUF_INIT(0);
    conn->send_ms = mf_io_now(conn->io);
    conn->send_left = conn->sending.len - sent;
    size_t left = conn->send_left < UINT32_MAX ? conn->send_left : UINT32_MAX;
    uv_buf_t bufs[2] = {uv_buf_init(conn->sending.ptr + sent, (unsigned)left),
                        uv_buf_init(conn->sending.ptr + sent + left, (unsigned)(conn->send_left - left))};
    return uv_write(&conn->write, (uv_stream_t *)&conn->tcp, bufs, bufs[1].len > 0 ? 2 : 1, on_written) == 0;
}

static bool send_now(struct mf_connection *conn, struct mf_buf *from)
{
    size_t len = from->len < INT32_MAX ? from->len : INT32_MAX;
    uv_buf_t buf = uv_buf_init(from->ptr, (unsigned)len);
    int n = uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1);
    if (n < 0 && n != UV_EAGAIN)
        return false;
    size_t sent = n > 0 ? (size_t)n : 0;
    mf_io_count(&conn->io->stats.bytes_out, from->len);
    if (sent < from->len)
        return send_rest(conn, from, sent);
    mf_io_buf_give(conn->io, from);
    return true;
}

static void tell_sent(struct mf_connection *conn)
{
    if (conn->protocol && conn->protocol->sent)
        conn->protocol->sent(conn);
}

/* Sends what there is until the socket is full. False when the connection is broken. */
static bool flush(struct mf_connection *conn)
{
    /* The socket has taken what it could not take at once: whoever waits for room is told, also when there is
     * nothing more to send just now. */
    if (conn->written && !conn->aborted)
        tell_sent(conn);
    conn->written = false;
    for (int round = 0; round < FLUSH_ROUNDS; round++) {
        if (conn->sending.ptr)
            return true; /* goes on in on_written */
        if (conn->protocol && conn->protocol->pull && conn->out.len < MF_OUT_TARGET)
            conn->protocol->pull(conn);
        if (conn->aborted)
            return false;
        if (conn->tls && !mf_tls_send(conn->tls))
            return false;
        struct mf_buf *wire = conn->tls ? &conn->wire : &conn->out;
        if (wire->len == 0)
            return true;
        if (!send_now(conn, wire))
            return false;
        tell_sent(conn);
    }
    mf_connection_touch(conn);
    return true;
}

/* ---- the end of the turn ---- */

static void on_shutdown(uv_shutdown_t *request, int status)
{
    (void)request; /* the peer's end of the stream, or the clock, closes the connection */
    (void)status;
}

/* Everything was said. A socket that is closed while the peer still sends may take our last words with it. */
static void end(struct mf_connection *conn)
{
    if (conn->tls && !conn->lingering) {
        mf_tls_close(conn->tls);
        if (conn->wire.len > 0 && !send_now(conn, &conn->wire)) {
            mf_connection_destroy(conn);
            return;
        }
    }
    if (!conn->linger || conn->eof) {
        mf_connection_destroy(conn);
        return;
    }
    conn->lingering = true;
    conn->linger_ms = mf_io_now(conn->io);
    if (uv_shutdown(&conn->shutdown, (uv_stream_t *)&conn->tcp, on_shutdown) != 0)
        mf_connection_destroy(conn);
}

void mf_connection_run(struct mf_connection *conn)
{
    if (conn->closed)
        return;
    if (!conn->aborted && !conn->lingering && conn->protocol)
        conn->protocol->run(conn);
    if (conn->aborted || (!conn->lingering && !flush(conn))) {
        mf_connection_destroy(conn);
        return;
    }
    if (conn->flush_then_close && !conn->lingering && mf_connection_queued(conn) == 0) {
        end(conn);
        if (conn->closed)
            return;
    }
    look_at_reading(conn);
}

/* ---- time ---- */

static bool too_slow(struct mf_connection *conn, uint64_t now)
{
    const struct mf_net_limits *limits = &conn->io->limits;
    if (conn->lingering)
        return now - conn->linger_ms > LINGER_MS;
    if (conn->sending.ptr) {
        size_t left = uv_stream_get_write_queue_size((uv_stream_t *)&conn->tcp);
        if (left != conn->send_left) {
            conn->send_left = left;
            conn->send_ms = now;
        }
        if (now - conn->send_ms > limits->send_ms)
            return true;
    }
    if (conn->io->tls && (!conn->tls || !mf_tls_ready(conn->tls)))
        return now - conn->created_ms > limits->header_ms;
    if (!conn->protocol)
        return now - conn->created_ms > (conn->in.len > 0 ? limits->header_ms : limits->idle_ms);
    return false;
}

void mf_connection_tick(struct mf_connection *conn, uint64_t now)
{
    if (conn->closed)
        return;
    if (too_slow(conn, now)) {
        mf_connection_destroy(conn);
        return;
    }
    if (conn->protocol && !conn->flush_then_close)
        conn->protocol->tick(conn, now);
}

void mf_connection_drain(struct mf_connection *conn)
{
    if (conn->closed || conn->flush_then_close)
        return;
    if (conn->protocol)
        conn->protocol->drain(conn);
    else
        mf_connection_close(conn, false);
}
