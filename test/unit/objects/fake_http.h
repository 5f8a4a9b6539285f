/* An HTTP server on loopback whose answers the test makes up. One request per connection, one at a time. */
#ifndef MF_TEST_FAKE_HTTP_H
#define MF_TEST_FAKE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_http;

struct fake_request {
    char method[16];
    char target[2048]; /* path and query */
    char head[16384];  /* all lines of the head */
    char *body;        /* with a NUL behind it */
    size_t body_len;
};

struct fake_answer {
    int status;         /* 0: the connection is dropped */
    char headers[1024]; /* "Name: value\r\n" … */
    char body[4096];
    const char *bytes; /* instead of body, of so many bytes; NULL: none */
    size_t len;
};

/* handle is called on the server's thread. */
struct fake_http *fake_http_new(void (*handle)(void *ctx, const struct fake_request *request,
                                               struct fake_answer *answer),
                                void *ctx);
void fake_http_free(struct fake_http *http);
const char *fake_http_url(const struct fake_http *http); /* "http://127.0.0.1:port" */
/* The value of a header of the request in room; "" when there is none. */
const char *fake_http_header(const struct fake_request *request, const char *name, char *room, size_t size);
void fake_http_stop_listening(struct fake_http *http); /* as a server that has gone */
void fake_http_listen_again(struct fake_http *http);

#endif
