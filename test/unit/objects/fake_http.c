#include "testing.h"

#include "fake_http.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct fake_http {
    void (*handle)(void *ctx, const struct fake_request *request, struct fake_answer *answer);
    void *ctx;
    int fd;
    uint16_t port;
    char url[64];
    pthread_t thread;
};

static bool read_head(int fd, struct fake_request *request, char *extra, size_t *extra_len)
{
    size_t len = 0;
    char *end = NULL;
    while (!end && len < sizeof request->head - 1) {
        ssize_t got = read(fd, request->head + len, sizeof request->head - 1 - len);
        if (got <= 0)
            return false;
        len += (size_t)got;
        request->head[len] = '\0';
        end = strstr(request->head, "\r\n\r\n");
    }
    if (!end || sscanf(request->head, "%15s %2047s", request->method, request->target) != 2)
        return false;
    *extra_len = len - (size_t)(end + 4 - request->head);
    memcpy(extra, end + 4, *extra_len);
    end[2] = '\0';
    return true;
}

static bool read_request(int fd, struct fake_request *request)
{
    char extra[sizeof request->head];
    char number[32];
    size_t have = 0;
    if (!read_head(fd, request, extra, &have))
        return false;
    request->body_len = strtoul(fake_http_header(request, "content-length", number, sizeof number), NULL, 10);
    request->body = calloc(1, request->body_len + 1);
    memcpy(request->body, extra, have < request->body_len ? have : request->body_len);
    while (have < request->body_len) {
        ssize_t got = read(fd, request->body + have, request->body_len - have);
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    return true;
}

static void write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t put = send(fd, bytes, len, MSG_NOSIGNAL);
        if (put <= 0)
            return;
        bytes += put;
        len -= (size_t)put;
    }
}

static void serve_one(struct fake_http *http, int fd)
{
    struct fake_request *request = calloc(1, sizeof *request);
    struct fake_answer *answer = calloc(1, sizeof *answer);
    char head[2048];
    answer->status = 200;
    if (read_request(fd, request)) {
        http->handle(http->ctx, request, answer);
        size_t len = answer->bytes ? answer->len : strlen(answer->body);
        bool sized = strstr(answer->headers, "Content-Length:") != NULL;
        int n = snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nConnection: close\r\n%s", answer->status,
                         answer->headers);
        if (!sized)
            n += snprintf(head + n, sizeof head - (size_t)n, "Content-Length: %zu\r\n", len);
        n += snprintf(head + n, sizeof head - (size_t)n, "\r\n");
        if (answer->status != 0)
            write_all(fd, head, (size_t)n);
        if (answer->status != 0 && strcmp(request->method, "HEAD") != 0)
            write_all(fd, answer->bytes ? answer->bytes : answer->body, len);
    }
    close(fd);
    free(request->body);
    free(request);
    free(answer);
}

static void *serve(void *ctx)
{
    struct fake_http *http = ctx;
    int fd;
    while ((fd = accept(http->fd, NULL, NULL)) >= 0)
        serve_one(http, fd);
    return NULL;
}

static void begin(struct fake_http *http)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(http->port)};
    socklen_t size = sizeof address;
    int yes = 1;
    http->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(http->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    assert_int_equal(bind(http->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(http->fd, 64), 0);
    getsockname(http->fd, (struct sockaddr *)&address, &size);
    http->port = ntohs(address.sin_port);
    snprintf(http->url, sizeof http->url, "http://127.0.0.1:%u", (unsigned)http->port);
    assert_int_equal(pthread_create(&http->thread, NULL, serve, http), 0);
}

struct fake_http *fake_http_new(void (*handle)(void *ctx, const struct fake_request *request,
                                               struct fake_answer *answer),
                                void *ctx)
{
    struct fake_http *http = calloc(1, sizeof *http);
    assert_non_null(http);
    http->handle = handle;
    http->ctx = ctx;
    begin(http);
    return http;
}

void fake_http_stop_listening(struct fake_http *http)
{
    shutdown(http->fd, SHUT_RDWR);
    pthread_join(http->thread, NULL);
    close(http->fd);
    http->fd = -1;
}

void fake_http_listen_again(struct fake_http *http)
{
    begin(http);
}

void fake_http_free(struct fake_http *http)
{
    if (http->fd >= 0)
        fake_http_stop_listening(http);
    free(http);
}

const char *fake_http_url(const struct fake_http *http)
{
    return http->url;
}

const char *fake_http_header(const struct fake_request *request, const char *name, char *room, size_t size)
{
    size_t len = strlen(name);
    room[0] = '\0';
    for (const char *line = strstr(request->head, "\r\n"); line && line[2]; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':') {
            const char *value = line + 3 + len;
            value += strspn(value, " ");
            snprintf(room, size, "%.*s", (int)strcspn(value, "\r"), value);
            return room;
        }
    }
    return room;
}
