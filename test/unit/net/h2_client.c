#include "h2_client.h"
#include "app.h"
#include "testing.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static struct h2_stream *find(struct h2_client *client, int32_t id)
{
    for (int i = 0; i < client->count; i++) {
        if (client->streams[i].id == id)
            return &client->streams[i];
    }
    return NULL;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct h2_stream *stream = find(user, frame->hd.stream_id);
    struct mf_str key = mf_str_make(name, name_len), text = mf_str_make(value, value_len);
    uint64_t status = 0;
    (void)session;
    (void)flags;
    if (!stream)
        return 0;
    if (mf_str_eq(key, MF_STR(":status")) && mf_str_to_u64(text, &status))
        stream->status = (int)status;
    struct mf_buf *to =
        frame->headers.cat == NGHTTP2_HCAT_HEADERS && stream->status >= 200 && stream->headers.len > 0
            ? &stream->trailers
            : &stream->headers;
    mf_buf_printf(to, "%.*s: %.*s\n", MF_FMT(key), MF_FMT(text));
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t len,
                   void *user)
{
    struct h2_stream *stream = find(user, id);
    (void)session;
    (void)flags;
    if (stream)
        mf_buf_add(&stream->body, bytes, len);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    struct h2_stream *stream = find(user, id);
    (void)session;
    if (stream) {
        stream->closed = true;
        stream->error = error;
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_client *client = user;
    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        client->goaway = true;
        client->goaway_last = frame->goaway.last_stream_id;
        client->goaway_error = frame->goaway.error_code;
    }
    if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK)) {
        for (size_t i = 0; i < frame->settings.niv; i++) {
            if (frame->settings.iv[i].settings_id == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
                client->max_streams = frame->settings.iv[i].value;
        }
    }
    return 0;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    struct h2_stream *stream = source->ptr;
    (void)session;
    (void)id;
    (void)user;
    size_t n = stream->send_left < len ? stream->send_left : len;
    if (n == 0 && stream->send_open)
        return NGHTTP2_ERR_DEFERRED;
    if (n > 0)
        memcpy(buf, stream->send, n);
    stream->send += n;
    stream->send_left -= n;
    if (stream->send_left == 0 && !stream->send_open)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

void h2_open(struct h2_client *client, uint16_t port, int64_t window)
{
    nghttp2_session_callbacks *callbacks;
    const nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)window};
    *client = (struct h2_client){.fd = client_connect(port)};
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    assert_int_equal(nghttp2_session_client_new(&client->session, callbacks, client), 0);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(
        nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, &settings, window >= 0 ? 1 : 0), 0);
}

void h2_close(struct h2_client *client)
{
    nghttp2_session_del(client->session);
    if (client->fd >= 0)
        close(client->fd);
    for (int i = 0; i < client->count; i++) {
        mf_buf_free(&client->streams[i].headers);
        mf_buf_free(&client->streams[i].body);
        mf_buf_free(&client->streams[i].trailers);
    }
}

static nghttp2_nv pair(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

static struct h2_stream *request(struct h2_client *client, const char *method, const char *path,
                                 nghttp2_nv extra, const nghttp2_data_provider *body)
{
    struct h2_stream *stream = &client->streams[client->count++];
    nghttp2_nv headers[] = {pair(":method", method), pair(":scheme", "http"), pair(":authority", "test"),
                            pair(":path", path), extra};
    assert_true(client->count <= H2_STREAMS);
    stream->id = nghttp2_submit_request(client->session, NULL, headers, extra.name ? 5 : 4, body, NULL);
    assert_true(stream->id > 0);
    return stream;
}

struct h2_stream *h2_request(struct h2_client *client, const char *method, const char *path, const char *body,
                             size_t len, bool open)
{
    struct h2_stream *stream = &client->streams[client->count];
    const nghttp2_data_provider provider = {.source = {.ptr = stream}, .read_callback = read_body};
    *stream = (struct h2_stream){.send = body, .send_left = len, .send_open = open};
    return request(client, method, path, (nghttp2_nv){0}, body ? &provider : NULL);
}

struct h2_stream *h2_request_with(struct h2_client *client, const char *method, const char *path,
                                  const char *name, const char *value)
{
    client->streams[client->count] = (struct h2_stream){0};
    return request(client, method, path, pair(name, value), NULL);
}

void h2_send_more(struct h2_client *client, struct h2_stream *stream, const char *body, size_t len, bool open)
{
    assert_int_equal(stream->send_left, 0);
    stream->send = body;
    stream->send_left = len;
    stream->send_open = open;
    (void)nghttp2_session_resume_data(client->session, stream->id);
}

void h2_flush(struct h2_client *client)
{
    const uint8_t *bytes;
    for (ssize_t n; (n = nghttp2_session_mem_send(client->session, &bytes)) > 0;) {
        if (!client_try_send(client->fd, bytes, (size_t)n))
            return; /* the server has closed; what it said comes with the next read */
    }
}

static void receive(struct h2_client *client)
{
    static uint8_t bytes[65536];
    ssize_t n = TEMP_FAILURE_RETRY(recv(client->fd, bytes, sizeof bytes, 0));
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        fail_msg("nothing more comes from the server");
    if (n <= 0)
        client->eof = true;
    else
        assert_true(nghttp2_session_mem_recv(client->session, bytes, (size_t)n) == n);
}

void h2_until(struct h2_client *client, bool (*done)(void *ctx), void *ctx)
{
    h2_flush(client);
    while (!done(ctx)) {
        if (client->eof)
            fail_msg("the server closed the connection (goaway %d, error %u)", client->goaway,
                     client->goaway_error);
        receive(client);
        h2_flush(client);
    }
}

static bool is_closed(void *ctx)
{
    const struct h2_stream *stream = ctx;
    return stream->closed;
}

void h2_wait(struct h2_client *client, struct h2_stream *stream)
{
    h2_until(client, is_closed, stream);
}
