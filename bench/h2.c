#include "h2.h"

#include "client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE ((size_t)1 << 17)
#define WINDOW (1 << 26)
#define EVENTS_MAX 64
#define HEAD 5 /* of an envelope */

struct connection {
    int fd;
    bool broken, wants_write;
    nghttp2_session *session;
};

struct bench_h2 {
    int epoll;
    int count;
    struct connection *connections;
    char *input;
};

static ssize_t on_send(nghttp2_session *session, const uint8_t *bytes, size_t len, int flags, void *user)
{
    struct connection *c = user;
    (void)session;
    (void)flags;
    ssize_t n = send(c->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? NGHTTP2_ERR_WOULDBLOCK : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* Counts what begins in the bytes without keeping it. */
static struct mf_str skip_message(struct bench_stream *stream, struct mf_str bytes)
{
    size_t n = stream->skip < bytes.len ? stream->skip : bytes.len;
    stream->skip -= (uint32_t)n;
    return mf_str_skip(bytes, n);
}

static bool take_message(struct bench_stream *stream)
{
    struct mf_str in = mf_buf_str(&stream->body);
    const unsigned char *head = (const unsigned char *)in.ptr;
    if (in.len < HEAD)
        return false;
    size_t size = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | (size_t)head[4];
    bool end = head[0] & 2;
    if (stream->collect && in.len < HEAD + size)
        return false;
    if (!end)
        stream->messages++;
    if (!end && stream->message)
        stream->message(stream, mf_str_take(mf_str_skip(in, HEAD), size));
    size_t have = in.len - HEAD < size ? in.len - HEAD : size;
    stream->skip = (uint32_t)(size - have);
    mf_buf_drop(&stream->body, HEAD + have);
    return true;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                   void *user)
{
    struct bench_stream *stream = nghttp2_session_get_stream_user_data(session, id);
    struct mf_str bytes = mf_str_make(data, len);
    (void)flags;
    (void)user;
    if (!stream)
        return 0;
    bytes = skip_message(stream, bytes);
    if (bytes.len > 0 && !mf_buf_add_str(&stream->body, bytes))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    while (!stream->plain && take_message(stream))
        continue;
    if (stream->body.len == 0)
        mf_buf_free(&stream->body); /* thousands of streams rest most of the time */
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct bench_stream *stream = nghttp2_session_get_stream_user_data(session, id);
    (void)code;
    (void)user;
    if (!stream)
        return 0;
    stream->closed = true;
    if (stream->plain) {
        stream->messages++;
        if (stream->message)
            stream->message(stream, mf_buf_str(&stream->body));
        mf_buf_free(&stream->body);
    }
    return 0;
}

static ssize_t read_request(nghttp2_session *session, int32_t id, uint8_t *out, size_t room, uint32_t *flags,
                            nghttp2_data_source *source, void *user)
{
    struct bench_stream *stream = source->ptr;
    struct mf_str rest = mf_str_skip(stream->request, stream->request_at);
    size_t n = rest.len < room ? rest.len : room;
    (void)session;
    (void)id;
    (void)user;
    memcpy(out, rest.ptr, n);
    stream->request_at += n;
    if (n == rest.len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static int connect_to(const char *host, const char *port)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int fd = -1;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    for (struct addrinfo *at = found; at && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    const int on = 1;
    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* slower without, but not wrong */
    return fd;
}

static bool begin(struct connection *c, const nghttp2_session_callbacks *callbacks, const char *host,
                  const char *port)
{
    const nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20};
    c->fd = connect_to(host, port);
    return c->fd >= 0 && nghttp2_session_client_new(&c->session, callbacks, c) == 0 &&
           nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, &window, 1) == 0 &&
           nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, WINDOW) == 0;
}

enum mf_code bench_h2_new(const char *host, const char *port, int connections, struct bench_h2 **out,
                          struct mf_error *err)
{
    nghttp2_session_callbacks *callbacks = NULL;
    struct bench_h2 *h2 = calloc(1, sizeof *h2);
    bool ok = h2 && nghttp2_session_callbacks_new(&callbacks) == 0;
    if (ok) {
        nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
        h2->epoll = epoll_create1(EPOLL_CLOEXEC);
        h2->connections = calloc((size_t)connections, sizeof *h2->connections);
        h2->input = malloc(READ_SIZE);
        ok = h2->epoll >= 0 && h2->connections && h2->input;
    }
    for (int i = 0; i < connections && ok; i++) {
        struct connection *c = &h2->connections[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        h2->count++;
        ok = begin(c, callbacks, host, port) && epoll_ctl(h2->epoll, EPOLL_CTL_ADD, c->fd, &event) == 0;
    }
    nghttp2_session_callbacks_del(callbacks);
    if (ok) {
        *out = h2;
        return MF_OK;
    }
    bench_h2_free(h2);
    return mf_fail(err, MF_UNAVAILABLE, "cannot connect to %s:%s", host, port);
}

void bench_h2_free(struct bench_h2 *h2)
{
    if (!h2)
        return;
    for (int i = 0; i < h2->count; i++) {
        nghttp2_session_del(h2->connections[i].session);
        if (h2->connections[i].fd >= 0)
            close(h2->connections[i].fd);
    }
    if (h2->epoll >= 0)
        close(h2->epoll);
    free(h2->connections);
    free(h2->input);
    free(h2);
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

bool bench_h2_open(struct bench_h2 *h2, int connection, struct bench_stream *stream, const char *path,
                   const char *content_type, struct mf_str body)
{
    struct connection *c = &h2->connections[connection % h2->count];
    const nghttp2_nv headers[] = {header(":method", body.len > 0 ? "POST" : "GET"),
                                  header(":scheme", "http"),
                                  header(":authority", "bench"),
                                  header(":path", path),
                                  header("content-type", content_type),
                                  header("connect-protocol-version", "1")};
    const nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_request};
    stream->request = body;
    stream->body = MF_BUF_INIT(0);
    return nghttp2_submit_request(c->session, NULL, headers, sizeof headers / sizeof headers[0],
                                  body.len > 0 ? &provider : NULL, stream) >= 0;
}

static void flush(struct bench_h2 *h2, struct connection *c)
{
    if (!c->broken && nghttp2_session_send(c->session) != 0)
        c->broken = true;
    bool wants = !c->broken && nghttp2_session_want_write(c->session);
    struct epoll_event event = {.events = wants ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
    if (wants != c->wants_write)
        (void)epoll_ctl(h2->epoll, EPOLL_CTL_MOD, c->fd, &event); /* of a descriptor that is in the set */
    c->wants_write = wants;
}

static void receive(struct bench_h2 *h2, struct connection *c)
{
    ssize_t n = recv(c->fd, h2->input, READ_SIZE, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || nghttp2_session_mem_recv(c->session, (const uint8_t *)h2->input, (size_t)n) < 0)
        c->broken = true;
}

bool bench_h2_run(struct bench_h2 *h2, bool (*done)(void *ctx), void *ctx, int64_t deadline_ns)
{
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        bool broken = false;
        for (int i = 0; i < h2->count; i++) {
            flush(h2, &h2->connections[i]);
            broken = broken || h2->connections[i].broken;
        }
        int64_t left = deadline_ns - bench_now_ns();
        if (done(ctx))
            return true;
        if (broken || left <= 0)
            return false;
        int n = epoll_wait(h2->epoll, events, EVENTS_MAX, (int)(left / 1000000 + 1));
        for (int i = 0; i < n; i++)
            receive(h2, events[i].data.ptr);
    }
}
