#include "client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define READ_SIZE 65536
#define ANSWER_MAX ((size_t)256 << 20)

struct bench_connection {
    int fd;
    int number;
    bool busy;
    bool streaming;   /* the response goes to load->piece */
    bool wants_write; /* the rest of the request waits for room */
    int64_t sent_ns;
    struct mf_buf out;
    size_t out_done;
    struct mf_buf in;
};

struct bench_client {
    int epoll;
    int count;
    struct bench_connection *connections;
    const struct bench_load *load;
    int busy;
};

int64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
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

enum mf_code bench_client_new(const char *host, const char *port, int connections, struct bench_client **out,
                              struct mf_error *err)
{
    struct bench_client *client = calloc(1, sizeof *client);
    if (!client)
        return mf_fail_memory(err);
    client->epoll = epoll_create1(EPOLL_CLOEXEC);
    client->connections = calloc((size_t)connections, sizeof *client->connections);
    enum mf_code code = client->epoll >= 0 && client->connections ? MF_OK : mf_fail_memory(err);
    for (int i = 0; i < connections && code == MF_OK; i++) {
        struct bench_connection *c = &client->connections[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        c->number = i;
        c->in.max = ANSWER_MAX;
        c->fd = connect_to(host, port);
        if (c->fd < 0 || epoll_ctl(client->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
            code = mf_fail(err, MF_UNAVAILABLE, "cannot connect to %s:%s: %s", host, port,
                           strerrordesc_np(errno));
        client->count++;
    }
    if (code == MF_OK)
        *out = client;
    else
        bench_client_free(client);
    return code;
}

void bench_client_free(struct bench_client *client)
{
    if (!client)
        return;
    for (int i = 0; i < client->count; i++) {
        if (client->connections[i].fd >= 0)
            close(client->connections[i].fd);
        mf_buf_free(&client->connections[i].in);
        mf_buf_free(&client->connections[i].out);
    }
    if (client->epoll >= 0)
        close(client->epoll);
    free(client->connections);
    free(client);
}

static void wish(struct bench_client *client, struct bench_connection *c, bool write_too)
{
    struct epoll_event event = {.events = write_too ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
    if (c->wants_write == write_too)
        return;
    c->wants_write = write_too;
    (void)epoll_ctl(client->epoll, EPOLL_CTL_MOD, c->fd, &event); /* of a descriptor that is in the set */
}

static bool flush(struct bench_client *client, struct bench_connection *c)
{
    while (c->out_done < c->out.len) {
        ssize_t n =
            send(c->fd, c->out.ptr + c->out_done, c->out.len - c->out_done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0 && errno != EINTR)
            return false;
        c->out_done += n > 0 ? (size_t)n : 0;
    }
    wish(client, c, c->out_done < c->out.len);
    return true;
}

static bool start_next(struct bench_client *client, struct bench_connection *c)
{
    bool more = true;
    mf_buf_clear(&c->out);
    c->out_done = 0;
    if (!client->load->request(client->load->ctx, c->number, &c->out, &more) || mf_buf_failed(&c->out))
        return false;
    if (!more) {
        c->busy = false;
        client->busy--;
        return true;
    }
    c->sent_ns = bench_now_ns();
    return flush(client, c);
}

void bench_client_poke(struct bench_client *client, int connection)
{
    struct bench_connection *c = &client->connections[connection];
    if (c->busy)
        return;
    c->busy = true;
    client->busy++;
    (void)start_next(client, c); /* a failure shows when the answer does not come */
}

/* The value of a header that our server writes in lower case; 0 when absent. */
static size_t header_number(struct mf_str head, const char *name)
{
    uint64_t value = 0;
    size_t at = mf_str_find(head, mf_str_from_c(name));
    if (at == SIZE_MAX)
        return 0;
    struct mf_str rest = mf_str_skip(head, at + strlen(name));
    return mf_str_to_u64(mf_str_trim(mf_str_take(rest, mf_str_find_char(rest, '\r')), MF_STR(" ")), &value)
               ? (size_t)value
               : 0;
}

static bool take_answers(struct bench_client *client, struct bench_connection *c)
{
    const struct bench_load *load = client->load;
    struct mf_str in = mf_buf_str(&c->in);
    size_t end = mf_str_find(in, MF_STR("\r\n\r\n"));
    if (c->streaming) {
        bool ok = load->piece(load->ctx, c->number, in);
        mf_buf_clear(&c->in);
        return ok;
    }
    if (end == SIZE_MAX || in.len < 13)
        return true;
    struct mf_str head = mf_str_take(in, end + 2);
    int status = (in.ptr[9] - '0') * 100 + (in.ptr[10] - '0') * 10 + (in.ptr[11] - '0');
    if (mf_str_find(head, MF_STR("\r\ntransfer-encoding: chunked")) != SIZE_MAX) {
        c->streaming = true;
        mf_buf_drop(&c->in, end + 4);
        return load->piece && (c->in.len == 0 || take_answers(client, c));
    }
    size_t size = header_number(head, "\r\ncontent-length:");
    if (in.len < end + 4 + size)
        return true;
    struct mf_str body = mf_str_take(mf_str_skip(in, end + 4), size);
    if (!load->response(load->ctx, c->number, status, body, bench_now_ns() - c->sent_ns))
        return false;
    mf_buf_clear(&c->in);
    return start_next(client, c);
}

static bool on_readable(struct bench_client *client, struct bench_connection *c)
{
    char *room = mf_buf_reserve(&c->in, READ_SIZE);
    ssize_t n = room ? recv(c->fd, room, READ_SIZE, MSG_DONTWAIT) : -1;
    if (n < 0 && room && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    mf_buf_commit(&c->in, (size_t)n);
    return take_answers(client, c);
}

enum mf_code bench_client_run(struct bench_client *client, const struct bench_load *load, int64_t deadline_ns,
                              struct mf_error *err)
{
    struct epoll_event events[EVENTS_MAX];
    client->load = load;
    client->busy = client->count;
    for (int i = 0; i < client->count; i++) {
        client->connections[i].busy = true;
        if (!start_next(client, &client->connections[i]))
            return mf_fail(err, MF_UNAVAILABLE, "connection %d broke at its first request", i);
    }
    while (client->busy > 0) {
        int64_t left = deadline_ns - bench_now_ns();
        if (left <= 0)
            break;
        int n = epoll_wait(client->epoll, events, EVENTS_MAX, (int)(left / 1000000 + 1));
        for (int i = 0; i < n; i++) {
            struct bench_connection *c = events[i].data.ptr;
            if ((events[i].events & EPOLLOUT) && !flush(client, c))
                return mf_fail(err, MF_UNAVAILABLE, "connection %d broke while sending", c->number);
            if ((events[i].events & ~(uint32_t)EPOLLOUT) && !on_readable(client, c))
                return mf_fail(err, MF_UNAVAILABLE, "connection %d broke, or its answer was wrong",
                               c->number);
        }
    }
    return MF_OK;
}

bool bench_write_post(struct mf_buf *out, const char *path, struct mf_str body)
{
    return mf_buf_printf(out,
                         "POST %s HTTP/1.1\r\nhost: bench\r\ncontent-type: application/proto\r\n"
                         "connect-protocol-version: 1\r\ncontent-length: %zu\r\n\r\n",
                         path, body.len) &&
           mf_buf_add_str(out, body);
}

bool bench_write_stream(struct mf_buf *out, const char *path, struct mf_str message)
{
    const unsigned char head[5] = {0, (unsigned char)(message.len >> 24), (unsigned char)(message.len >> 16),
                                   (unsigned char)(message.len >> 8), (unsigned char)message.len};
    return mf_buf_printf(out,
                         "POST %s HTTP/1.1\r\nhost: bench\r\ncontent-type: application/connect+proto\r\n"
                         "connect-protocol-version: 1\r\ncontent-length: %zu\r\n\r\n",
                         path, message.len + sizeof head) &&
           mf_buf_add(out, head, sizeof head) && mf_buf_add_str(out, message);
}
