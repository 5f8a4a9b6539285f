#include "testing.h"

#include "peer.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REQUESTS_MAX 32
#define REQUEST_BYTES 8192

struct peer {
    int fd, stop[2];
    char url[64];
    pthread_t thread;
    const struct peer_step *steps;
    size_t count;
    _Atomic size_t served;
    char requests[REQUESTS_MAX][REQUEST_BYTES];
};

static bool has_all(const char *request)
{
    const char *end = strstr(request, "\r\n\r\n");
    const char *length = strstr(request, "Content-Length: ");
    size_t body = length ? (size_t)atoi(length + sizeof "Content-Length: " - 1) : 0;
    return end && strlen(end + 4) >= body;
}

static void read_request(int fd, char *request)
{
    size_t len = 0;
    while (len < REQUEST_BYTES - 1) {
        ssize_t got = read(fd, request + len, REQUEST_BYTES - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
        request[len] = '\0';
        if (has_all(request))
            break;
    }
}

static void answer(struct peer *peer, int fd, const struct peer_step *step)
{
    char head[512];
    char rest;
    struct pollfd ends[2] = {{.fd = fd, .events = POLLIN}, {.fd = peer->stop[0], .events = POLLIN}};
    int len = snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nConnection: close\r\n%s\r\n", step->status,
                       step->headers ? step->headers : "");
    /* The client may have gone. */
    if (send(fd, head, (size_t)len, MSG_NOSIGNAL) < 0 ||
        send(fd, step->body, strlen(step->body), MSG_NOSIGNAL) < 0)
        return;
    while (step->hang && poll(ends, 2, -1) > 0 && ends[1].revents == 0 && read(fd, &rest, 1) > 0)
        continue;
}

static void *serve(void *ctx)
{
    struct peer *peer = ctx;
    int fd;
    while ((fd = accept(peer->fd, NULL, NULL)) >= 0) {
        size_t index = peer->served;
        static const struct peer_step last = {.status = 500,
                                              .body = "{\"message\":\"the script has ended\"}"};
        if (index < REQUESTS_MAX) {
            read_request(fd, peer->requests[index]);
            peer->served = index + 1;
            answer(peer, fd, index < peer->count ? &peer->steps[index] : &last);
        }
        close(fd);
    }
    return NULL;
}

struct peer *peer_new(const struct peer_step *steps, size_t count)
{
    struct peer *peer = calloc(1, sizeof *peer);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    setenv("no_proxy", "127.0.0.1", 1);
    peer->steps = steps;
    peer->count = count;
    peer->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(pipe(peer->stop), 0);
    assert_int_equal(bind(peer->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(peer->fd, 64), 0);
    getsockname(peer->fd, (struct sockaddr *)&address, &size);
    snprintf(peer->url, sizeof peer->url, "http://127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
    assert_int_equal(pthread_create(&peer->thread, NULL, serve, peer), 0);
    return peer;
}

void peer_free(struct peer *peer)
{
    if (write(peer->stop[1], "x", 1) < 0)
        perror("write");
    shutdown(peer->fd, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->fd);
    close(peer->stop[0]);
    close(peer->stop[1]);
    free(peer);
}

const char *peer_request(struct peer *peer, size_t index)
{
    return index < peer->served ? peer->requests[index] : NULL;
}

struct mf_kube_access peer_access(struct peer *peer)
{
    return (struct mf_kube_access){
        .name = MF_STR("east"), .server = mf_str_from_c(peer->url), .token = MF_STR("secret")};
}
