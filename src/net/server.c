#include "net/server.h"

#include "base/log.h"
#include "net/connection.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 1024
#define THREADS_MAX 64
#define ACCEPTS_PER_TURN 64
#define ACCEPT_PAUSE_MS 100 /* when the system has no more files or memory for us */

static const char too_many[] =
    "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n"
    "content-length: 53\r\nconnection: close\r\n\r\n"
    "the server has too many connections; try again later\n";

/* What one thread is asked to do by another, and its answer. */
struct order {
    struct mf_work work;
    struct mf_io *io;
    struct mf_server *server;
};

struct mf_server {
    struct mf_io *ios;
    int count;
    int listener; /* closed by the first I/O thread; -1 then */
    uint16_t port;
    struct mf_net_limits limits;
    struct mf_tls_context *tls;
    struct mf_h2_setup *h2;
    uv_poll_t accept; /* on the first I/O thread */
    struct mf_timer *accept_pause;
    bool accepting;
    int running;          /* loops with a thread */
    struct order *orders; /* one for each I/O thread */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    int answers;  /* guarded by lock: threads that have done what they were asked */
    int empty;    /* guarded by lock: draining threads without connections */
    bool stopped; /* of whoever stops */
};

/* ---- configuration ---- */

static void set_default(uint32_t *field, uint32_t value)
{
    if (*field == 0)
        *field = value;
}

static void set_defaults(struct mf_net_limits *limits)
{
    if (limits->header_bytes == 0)
        limits->header_bytes = (size_t)64 << 10;
    if (limits->body_bytes == 0)
        limits->body_bytes = (size_t)256 << 20;
    if (limits->send_high_water == 0)
        limits->send_high_water = (size_t)256 << 10;
    set_default(&limits->streams, 1000);
    set_default(&limits->connections, 16384);
    set_default(&limits->idle_ms, 120000);
    set_default(&limits->header_ms, 30000);
    set_default(&limits->body_ms, 60000);
    set_default(&limits->request_ms, 3600000);
    set_default(&limits->send_ms, 120000);
}

static int default_threads(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores < 1)
        return 1;
    if (cores <= 8)
        return (int)cores;
    long some = cores / 4;
    return some < 8 ? 8 : some > 16 ? 16 : (int)some;
}

/* ---- listening ---- */

static int listen_on(const struct addrinfo *address)
{
    int on = 1, off = 0;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

static enum mf_code start_listening(struct mf_server *server, const struct mf_net_config *config,
                                    struct mf_error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", config->port);
    int rc = getaddrinfo(config->host, port, &hints, &found);
    if (rc != 0)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "cannot listen on \"%s\": %s; give an address of this machine",
                       config->host ? config->host : "", gai_strerror(rc));
    errno = EADDRNOTAVAIL;
    for (const struct addrinfo *address = found; address && server->listener < 0; address = address->ai_next)
        server->listener = listen_on(address);
    int error = errno;
    freeaddrinfo(found);
    if (server->listener < 0)
        return mf_fail(err, error == EADDRINUSE ? MF_ALREADY_EXISTS : MF_UNAVAILABLE,
                       "cannot listen on %s port %u: %s; choose another address, or end what holds this one",
                       config->host ? config->host : "*", config->port, strerror(error));
    server->port = port_of(server->listener);
    return MF_OK;
}

/* ---- accepting; on the first I/O thread ---- */

/* A new connection on its way to its thread. */
struct handover {
    struct mf_work work;
    struct mf_io *io;
    int fd;
};

static void on_handover(struct mf_work *work)
{
    struct handover *handover = MF_CONTAINER(work, struct handover, work);
    mf_connection_open(handover->io, handover->fd);
    free(handover);
}

static void hand_over(struct mf_io *io, int fd)
{
    struct handover *handover = malloc(sizeof *handover);
    if (!handover) {
        close(fd);
        return;
    }
    *handover = (struct handover){.work = {.fn = on_handover}, .io = io, .fd = fd};
    mf_loop_post(io->loop, &handover->work);
}

static uint64_t open_count(struct mf_io *io)
{
    return atomic_load_explicit(&io->stats.connections_open, memory_order_relaxed);
}

static void turn_away(struct mf_server *server, int fd)
{
    char dropped[4096];
    mf_io_count(&server->ios[0].stats.refused_total, 1);
    /* What was read already does not make the close a reset, which would take the answer with it. */
    (void)recv(fd, dropped, sizeof dropped, MSG_DONTWAIT);
    if (!server->tls)
        (void)send(fd, too_many, sizeof too_many - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    close(fd);
}

/* The thread with the fewest connections gets the next one; with a few busy connections chance would be
 * unfair. */
static void place(struct mf_server *server, int fd, int *next)
{
    uint64_t total = 0, fewest = UINT64_MAX;
    int best = 0;
    for (int i = 0; i < server->count; i++) {
        int k = (*next + i) % server->count;
        uint64_t open = open_count(&server->ios[k]);
        total += open;
        if (open < fewest) {
            fewest = open;
            best = k;
        }
    }
    *next = (best + 1) % server->count;
    if (total >= server->limits.connections)
        turn_away(server, fd);
    else if (best == 0)
        mf_connection_open(&server->ios[0], fd);
    else
        hand_over(&server->ios[best], fd);
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void accept_again(void *ctx)
{
    struct mf_server *server = ctx;
    server->accept_pause = NULL;
    if (server->accepting)
        uv_poll_start(&server->accept, UV_READABLE, on_acceptable);
}

static void pause_accepting(struct mf_server *server)
{
    mf_log(MF_LOG_WARN, "net", "cannot accept connections: %s; raise the limit of open files",
           strerror(errno));
    uv_poll_stop(&server->accept);
    server->accept_pause = mf_timer_start(server->ios[0].loop, ACCEPT_PAUSE_MS, false, accept_again, server);
    if (!server->accept_pause)
        accept_again(server);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct mf_server *server = poll->data;
    int next = (int)(mf_loop_turns(server->ios[0].loop) % (uint64_t)server->count);
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            place(server, fd, &next);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(server);
            return;
        } /* anything else is about that one connection */
    }
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct mf_server *server = handle->data;
    close(server->listener);
    server->listener = -1;
}

static void stop_accepting(struct mf_server *server)
{
    if (!server->accepting)
        return;
    server->accepting = false;
    mf_timer_stop(server->accept_pause);
    server->accept_pause = NULL;
    uv_close((uv_handle_t *)&server->accept, on_listener_closed);
}

/* ---- orders to the I/O threads ---- */

static void answer(struct mf_server *server, int *counter)
{
    pthread_mutex_lock(&server->lock);
    (*counter)++;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static void on_empty(void *ctx)
{
    struct order *order = ctx;
    order->io->on_empty = NULL;
    answer(order->server, &order->server->empty);
}

static void do_begin(struct mf_work *work)
{
    struct order *order = MF_CONTAINER(work, struct order, work);
    struct mf_server *server = order->server;
    if (order->io == &server->ios[0]) {
        uv_poll_init_socket(mf_loop_uv(order->io->loop), &server->accept, server->listener);
        server->accept.data = server;
        server->accepting = true;
        uv_poll_start(&server->accept, UV_READABLE, on_acceptable);
    }
    answer(server, &server->answers);
}

static void do_drain(struct mf_work *work)
{
    struct order *order = MF_CONTAINER(work, struct order, work);
    if (order->io == &order->server->ios[0])
        stop_accepting(order->server);
    order->io->on_empty = on_empty;
    order->io->on_empty_ctx = order;
    mf_io_drain(order->io);
    answer(order->server, &order->server->answers);
}

static void do_close(struct mf_work *work)
{
    struct order *order = MF_CONTAINER(work, struct order, work);
    mf_io_close_all(order->io);
    answer(order->server, &order->server->answers);
}

static void do_end(struct mf_work *work)
{
    struct order *order = MF_CONTAINER(work, struct order, work);
    mf_io_end(order->io);
    answer(order->server, &order->server->answers);
}

static void give_orders(struct mf_server *server, void (*fn)(struct mf_work *work))
{
    pthread_mutex_lock(&server->lock);
    server->answers = 0;
    pthread_mutex_unlock(&server->lock);
    for (int i = 0; i < server->running; i++) {
        server->orders[i].work.fn = fn;
        mf_loop_post(server->ios[i].loop, &server->orders[i].work);
    }
    pthread_mutex_lock(&server->lock);
    while (server->answers < server->running)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

/* Waits for the last connections to go; false when ms were not enough. */
static bool wait_until_empty(struct mf_server *server, uint32_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int rc = 0;
    pthread_mutex_lock(&server->lock);
    while (server->empty < server->running && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&server->changed, &server->lock, &until);
    bool empty = server->empty >= server->running;
    pthread_mutex_unlock(&server->lock);
    return empty;
}

/* ---- life ---- */

static enum mf_code make_ios(struct mf_server *server, const struct mf_net_config *config,
                             mf_on_request on_request, void *app, struct mf_error *err)
{
    int count = config->threads > 0 ? config->threads : default_threads();
    if (count > THREADS_MAX)
        count = THREADS_MAX;
    server->ios = calloc((size_t)count, sizeof *server->ios);
    server->orders = calloc((size_t)count, sizeof *server->orders);
    if (!server->ios || !server->orders)
        return mf_fail_memory(err);
    server->count = count;
    for (int i = 0; i < count; i++) {
        struct mf_io *io = &server->ios[i];
        io->limits = server->limits;
        io->on_request = on_request;
        io->app = app;
        io->tls = server->tls;
        io->h2 = server->h2;
        server->orders[i] = (struct order){.io = io, .server = server};
        enum mf_code code = mf_io_init(io, err);
        if (code == MF_OK && !mf_io_begin(io))
            code = mf_fail_memory(err);
        if (code != MF_OK)
            return code;
    }
    return MF_OK;
}

static bool make_lock(struct mf_server *server)
{
    pthread_condattr_t attr;
    if (pthread_mutex_init(&server->lock, NULL) != 0)
        return false;
    if (pthread_condattr_init(&attr) != 0)
        goto fail_attr;
    bool ok = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(&server->changed, &attr) == 0;
    pthread_condattr_destroy(&attr);
    if (ok)
        return true;
fail_attr:
    pthread_mutex_destroy(&server->lock);
    return false;
}

enum mf_code mf_server_new(const struct mf_net_config *config, mf_on_request on_request, void *app,
                           struct mf_server **out, struct mf_error *err)
{
    struct mf_server *server = calloc(1, sizeof *server);
    if (!server)
        return mf_fail_memory(err);
    if (!make_lock(server)) {
        free(server);
        return mf_fail_memory(err);
    }
    server->listener = -1;
    server->limits = config->limits;
    set_defaults(&server->limits);
    enum mf_code code = mf_h2_setup_new(&server->limits, &server->h2, err);
    if (code == MF_OK && (config->tls_cert_pem.len > 0 || config->tls_key_pem.len > 0))
        code = mf_tls_context_new(config, &server->tls, err);
    if (code == MF_OK)
        code = start_listening(server, config, err);
    if (code == MF_OK)
        code = make_ios(server, config, on_request, app, err);
    if (code != MF_OK) {
        mf_server_free(server);
        return code;
    }
    *out = server;
    return MF_OK;
}

enum mf_code mf_server_start(struct mf_server *server, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    for (int i = 0; i < server->count && code == MF_OK; i++) {
        char name[16];
        snprintf(name, sizeof name, "net-%d", i);
        code = mf_loop_start(server->ios[i].loop, name, err);
        if (code == MF_OK)
            server->running++;
    }
    if (code == MF_OK)
        give_orders(server, do_begin);
    else
        mf_server_stop(server, 0);
    return code;
}

uint16_t mf_server_port(const struct mf_server *server)
{
    return server->port;
}

int mf_server_loop_count(const struct mf_server *server)
{
    return server->count;
}

struct mf_loop *mf_server_loop(struct mf_server *server, int index)
{
    return server->ios[index].loop;
}

void mf_server_stats(const struct mf_server *server, struct mf_net_stats *out)
{
    *out = (struct mf_net_stats){0};
    for (int i = 0; i < server->count; i++) {
        const struct mf_io_stats *stats = &server->ios[i].stats;
        out->connections_total += atomic_load_explicit(&stats->connections_total, memory_order_relaxed);
        out->connections_open += atomic_load_explicit(&stats->connections_open, memory_order_relaxed);
        out->exchanges_total += atomic_load_explicit(&stats->exchanges_total, memory_order_relaxed);
        out->exchanges_open += atomic_load_explicit(&stats->exchanges_open, memory_order_relaxed);
        out->refused_total += atomic_load_explicit(&stats->refused_total, memory_order_relaxed);
        out->bytes_in += atomic_load_explicit(&stats->bytes_in, memory_order_relaxed);
        out->bytes_out += atomic_load_explicit(&stats->bytes_out, memory_order_relaxed);
    }
}

void mf_server_stop(struct mf_server *server, uint32_t grace_ms)
{
    if (server->stopped)
        return;
    server->stopped = true;
    give_orders(server, do_drain);
    if (!wait_until_empty(server, grace_ms)) {
        give_orders(server, do_close);
        (void)wait_until_empty(server, grace_ms + 1000);
    }
    give_orders(server, do_end);
    for (int i = 0; i < server->running; i++)
        mf_loop_stop(server->ios[i].loop);
    for (int i = 0; i < server->running; i++)
        mf_loop_join(server->ios[i].loop);
}

/* Loops that never had a thread still have open handles. */
static void end_idle_ios(struct mf_server *server)
{
    for (int i = server->running; i < server->count; i++)
        mf_io_end(&server->ios[i]);
}

void mf_server_free(struct mf_server *server)
{
    if (!server)
        return;
    mf_server_stop(server, 0);
    end_idle_ios(server);
    for (int i = 0; i < server->count; i++)
        mf_io_free(&server->ios[i]);
    if (server->listener >= 0)
        close(server->listener);
    mf_h2_setup_free(server->h2);
    mf_tls_context_free(server->tls);
    free(server->orders);
    free(server->ios);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
