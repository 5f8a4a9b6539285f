/* An HTTP/2 client over a plain socket: just enough of one to look at what the server does. */
#ifndef TEST_NET_H2_CLIENT_H
#define TEST_NET_H2_CLIENT_H

#include "base/buf.h"

#include <nghttp2/nghttp2.h>

#define H2_STREAMS 64

struct h2_stream {
    int32_t id;
    int status;
    struct mf_buf headers; /* "name: value\n" */
    struct mf_buf body;
    struct mf_buf trailers;
    bool closed;
    uint32_t error;
    /* What is sent. */
    const char *send;
    size_t send_left;
    bool send_open; /* more may follow */
};

struct h2_client {
    int fd;
    nghttp2_session *session;
    struct h2_stream streams[H2_STREAMS];
    int count;
    bool goaway;
    int32_t goaway_last;
    uint32_t goaway_error;
    bool eof;
    uint32_t max_streams; /* of the server's settings */
};

/* window: of each stream, for what the server sends. -1: the default. */
void h2_open(struct h2_client *client, uint16_t port, int64_t window);
void h2_close(struct h2_client *client);
/* body NULL: none. open: the request does not end with it. */
struct h2_stream *h2_request(struct h2_client *client, const char *method, const char *path, const char *body,
                             size_t len, bool open);
/* One more header with the request. */
struct h2_stream *h2_request_with(struct h2_client *client, const char *method, const char *path,
                                  const char *name, const char *value);
void h2_send_more(struct h2_client *client, struct h2_stream *stream, const char *body, size_t len,
                  bool open);
void h2_flush(struct h2_client *client);
/* Sends and receives until the stream is closed, or done(ctx), or fails the test. */
void h2_wait(struct h2_client *client, struct h2_stream *stream);
void h2_until(struct h2_client *client, bool (*done)(void *ctx), void *ctx);

#endif
