#include "app.h"

#include "base/list.h"
#include "testing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAIT_SECONDS 10
#define PIECE 65536

/* ---- the application ---- */

struct held {
    struct mf_work work;
    struct held *next;
    struct app *app;
    struct mf_exchange *exchange; /* NULL once it is gone */
    struct mf_buf body;
    size_t left;
    bool kept;
};

static void count(struct app *app, int *counter, int more)
{
    pthread_mutex_lock(&app->lock);
    *counter += more;
    pthread_cond_broadcast(&app->changed);
    pthread_mutex_unlock(&app->lock);
}

static void reply(struct mf_exchange *exchange, const char *text)
{
    const struct mf_header type = {MF_STR("content-type"), MF_STR("text/plain")};
    assert_int_equal(mf_exchange_reply(exchange, 200, &type, 1, mf_str_from_c(text)), MF_OK);
}

static void keep_body(void *ctx, struct mf_exchange *exchange, struct mf_str bytes)
{
    struct held *held = ctx;
    (void)exchange;
    assert_true(mf_buf_add_str(&held->body, bytes));
    pthread_mutex_lock(&held->app->lock);
    held->app->body_bytes += bytes.len;
    pthread_cond_broadcast(&held->app->changed);
    pthread_mutex_unlock(&held->app->lock);
}

static void on_close(void *ctx, struct mf_exchange *exchange)
{
    struct held *held = ctx;
    struct app *app = held->app;
    (void)exchange;
    mf_buf_free(&held->body);
    held->exchange = NULL;
    bool kept = held->kept;
    if (!kept)
        free(held);
    count(app, &app->closed, 1);
}

static void reply_with_body(void *ctx, struct mf_exchange *exchange)
{
    struct held *held = ctx;
    count(held->app, &held->app->ended, 1);
    assert_int_equal(mf_exchange_reply(exchange, 200, NULL, 0, mf_buf_str(&held->body)), MF_OK);
}

static void note_end(void *ctx, struct mf_exchange *exchange)
{
    struct held *held = ctx;
    (void)exchange;
    count(held->app, &held->app->ended, 1);
}

static void echo_body(void *ctx, struct mf_exchange *exchange, struct mf_str bytes)
{
    (void)ctx;
    assert_int_equal(mf_exchange_write(exchange, bytes), MF_OK);
}

static void echo_end(void *ctx, struct mf_exchange *exchange)
{
    const struct mf_header trailer = {MF_STR("x-trailer"), MF_STR("the-end")};
    (void)ctx;
    assert_int_equal(mf_exchange_finish(exchange, &trailer, 1), MF_OK);
}

static void write_big(void *ctx, struct mf_exchange *exchange)
{
    static const char piece[PIECE];
    struct held *held = ctx;
    while (held->left > 0 && mf_exchange_queued(exchange) < (256 << 10)) {
        assert_int_equal(mf_exchange_write(exchange, mf_str_make(piece, PIECE)), MF_OK);
        held->left -= PIECE;
        pthread_mutex_lock(&held->app->lock);
        if (mf_exchange_queued(exchange) > held->app->queued_most)
            held->app->queued_most = mf_exchange_queued(exchange);
        pthread_mutex_unlock(&held->app->lock);
    }
    if (held->left == 0 && held->body.len == 0) {
        assert_true(mf_buf_add_char(&held->body, '.')); /* finished once */
        assert_int_equal(mf_exchange_finish(exchange, NULL, 0), MF_OK);
    }
}

/* One piece that no socket takes at once; what comes after it waits until it is gone. */
static void write_lump(struct mf_exchange *exchange)
{
    char *lump = calloc(1, BIG_BYTES);
    assert_non_null(lump);
    mf_exchange_set_low_water(exchange, 4096);
    assert_int_equal(mf_exchange_respond(exchange, 200, NULL, 0, false), MF_OK);
    assert_int_equal(mf_exchange_write(exchange, mf_str_make(lump, BIG_BYTES)), MF_OK);
    free(lump);
}

static void finish_lump(void *ctx, struct mf_exchange *exchange)
{
    (void)ctx;
    assert_true(mf_exchange_queued(exchange) <= 4096);
    assert_int_equal(mf_exchange_write(exchange, MF_STR("the rest")), MF_OK);
    assert_int_equal(mf_exchange_finish(exchange, NULL, 0), MF_OK);
}

static const struct mf_exchange_ops collect_ops = {
    .on_body = keep_body, .on_end = reply_with_body, .on_close = on_close};
static const struct mf_exchange_ops hold_ops = {
    .on_body = keep_body, .on_end = note_end, .on_close = on_close};
static const struct mf_exchange_ops echo_ops = {
    .on_body = echo_body, .on_end = echo_end, .on_close = on_close};
static const struct mf_exchange_ops big_ops = {.on_drain = write_big, .on_close = on_close};
static const struct mf_exchange_ops lump_ops = {.on_drain = finish_lump, .on_close = on_close};

static void keep(struct held *held)
{
    struct app *app = held->app;
    held->kept = true;
    pthread_mutex_lock(&app->lock);
    held->next = app->held;
    app->held = held;
    app->held_count++;
    pthread_cond_broadcast(&app->changed);
    pthread_mutex_unlock(&app->lock);
}

static bool simple(struct mf_exchange *exchange, struct mf_str path)
{
    if (mf_str_eq_c(path, "/hello") || mf_str_eq_c(path, "/early")) {
        reply(exchange, "hello");
    } else if (mf_str_eq_c(path, "/nothing")) {
        assert_int_equal(mf_exchange_respond(exchange, 204, NULL, 0, true), MF_OK);
    } else if (mf_str_eq_c(path, "/forged")) {
        const struct mf_header forged = {MF_STR("x-forged"), MF_STR("a\r\nset-cookie: b")};
        assert_int_equal(mf_exchange_respond(exchange, 200, &forged, 1, true), MF_INVALID_ARGUMENT);
        reply(exchange, "refused");
    } else if (mf_str_eq_c(path, "/reset")) {
        mf_exchange_reset(exchange);
    } else if (mf_str_eq_c(path, "/target")) {
        const struct mf_http_request *request = mf_exchange_request(exchange);
        struct mf_buf text = MF_BUF_INIT(0);
        mf_buf_printf(&text, "[%.*s][%.*s][%.*s][%.*s]", MF_FMT(request->path), MF_FMT(request->query),
                      MF_FMT(request->authority), MF_FMT(mf_exchange_header(exchange, "x-name")));
        assert_int_equal(mf_exchange_reply(exchange, 200, NULL, 0, mf_buf_str(&text)), MF_OK);
        mf_buf_free(&text);
    } else {
        return mf_str_eq_c(path, "/unanswered");
    }
    return true;
}

static void on_request(void *ctx, struct mf_exchange *exchange)
{
    struct app *app = ctx;
    struct mf_str path = mf_exchange_request(exchange)->path;
    count(app, &app->opened, 1);
    if (simple(exchange, path))
        return;
    struct held *held = calloc(1, sizeof *held);
    assert_non_null(held);
    held->app = app;
    held->exchange = exchange;
    if (mf_str_eq_c(path, "/collect")) {
        mf_exchange_bind(exchange, &collect_ops, held);
    } else if (mf_str_eq_c(path, "/echo")) {
        mf_exchange_bind(exchange, &echo_ops, held);
        assert_int_equal(mf_exchange_respond(exchange, 200, NULL, 0, false), MF_OK);
    } else if (mf_str_eq_c(path, "/big")) {
        held->left = BIG_BYTES;
        mf_exchange_bind(exchange, &big_ops, held);
        assert_int_equal(mf_exchange_respond(exchange, 200, NULL, 0, false), MF_OK);
        write_big(held, exchange);
    } else if (mf_str_eq_c(path, "/lump")) {
        mf_exchange_bind(exchange, &lump_ops, held);
        write_lump(exchange);
    } else if (mf_str_eq_c(path, "/hold")) {
        mf_exchange_bind(exchange, &hold_ops, held);
        keep(held);
    } else if (mf_str_eq_c(path, "/stream")) {
        mf_exchange_bind(exchange, &hold_ops, held);
        assert_int_equal(mf_exchange_respond(exchange, 200, NULL, 0, false), MF_OK);
        assert_int_equal(mf_exchange_write(exchange, MF_STR("begun")), MF_OK);
        keep(held);
    } else {
        assert_string_equal("/pause", mf_str_eq_c(path, "/pause") ? "/pause" : "an unknown path");
        mf_exchange_pause(exchange);
        mf_exchange_bind(exchange, &collect_ops, held);
        keep(held);
    }
}

static void release(struct mf_work *work)
{
    struct held *held = MF_CONTAINER(work, struct held, work);
    struct app *app = held->app;
    if (held->exchange && mf_str_eq_c(mf_exchange_request(held->exchange)->path, "/pause")) {
        held->kept = false;
        mf_exchange_resume(held->exchange);
    } else if (held->exchange) {
        held->kept = false;
        if (!mf_exchange_responded(held->exchange))
            reply(held->exchange, "released");
        else
            assert_int_equal(mf_exchange_finish(held->exchange, NULL, 0), MF_OK);
    } else {
        free(held);
    }
    count(app, &app->held_count, -1);
}

void app_release(struct app *app)
{
    pthread_mutex_lock(&app->lock);
    struct held *held = app->held;
    app->held = NULL;
    pthread_mutex_unlock(&app->lock);
    while (held) {
        struct held *next = held->next;
        held->work.fn = release;
        /* The exchange knows its loop, but it may be gone: one loop is as good as the other then. */
        struct mf_loop *loop = mf_server_loop(app->server, 0);
        pthread_mutex_lock(&app->lock);
        if (held->exchange)
            loop = mf_exchange_loop(held->exchange);
        pthread_mutex_unlock(&app->lock);
        mf_loop_post(loop, &held->work);
        held = next;
    }
}

void app_start_with(struct app *app, const struct mf_net_config *config)
{
    struct mf_error err = {0};
    pthread_condattr_t attr;
    *app = (struct app){0};
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&app->lock, NULL);
    pthread_cond_init(&app->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (mf_server_new(config, on_request, app, &app->server, &err) != MF_OK)
        fail_msg("%s", err.message);
    assert_int_equal(mf_server_start(app->server, &err), MF_OK);
    app->port = mf_server_port(app->server);
}

void app_start(struct app *app, const struct mf_net_limits *limits)
{
    struct mf_net_config config = {.host = "127.0.0.1", .threads = 2};
    if (limits)
        config.limits = *limits;
    app_start_with(app, &config);
}

void app_stop(struct app *app)
{
    mf_server_stop(app->server, 0);
    while (app->held) {
        struct held *held = app->held;
        app->held = held->next;
        free(held);
    }
    mf_server_free(app->server);
    pthread_cond_destroy(&app->changed);
    pthread_mutex_destroy(&app->lock);
}

void app_wait(struct app *app, const int *counter, int value)
{
    struct timespec until;
    int rc = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WAIT_SECONDS;
    pthread_mutex_lock(&app->lock);
    while (*counter != value && rc == 0)
        rc = pthread_cond_timedwait(&app->changed, &app->lock, &until);
    int seen = *counter;
    pthread_mutex_unlock(&app->lock);
    assert_int_equal(seen, value);
}

/* ---- the client ---- */

int client_connect(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval timeout = {.tv_sec = WAIT_SECONDS};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(TEMP_FAILURE_RETRY(connect(fd, (struct sockaddr *)&address, sizeof address)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout), 0);
    return fd;
}

bool client_try_send(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t n = TEMP_FAILURE_RETRY(send(fd, at, len, MSG_NOSIGNAL));
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

void client_send_bytes(int fd, const void *bytes, size_t len)
{
    assert_true(client_try_send(fd, bytes, len));
}

void client_send(int fd, const char *text)
{
    client_send_bytes(fd, text, strlen(text));
}

bool client_contains(const struct mf_buf *got, const char *text)
{
    return got->len > 0 && mf_str_find(mf_buf_str(got), mf_str_from_c(text)) != SIZE_MAX;
}

size_t client_count(const struct mf_buf *got, const char *text)
{
    struct mf_str rest = mf_buf_str(got), wanted = mf_str_from_c(text);
    size_t n = 0;
    for (size_t at; (at = mf_str_find(rest, wanted)) != SIZE_MAX; n++)
        rest = mf_str_skip(rest, at + wanted.len);
    return n;
}

void client_expect(int fd, struct mf_buf *got, const char *text)
{
    while (!client_contains(got, text)) {
        char *to = mf_buf_reserve(got, PIECE);
        assert_non_null(to);
        ssize_t n = TEMP_FAILURE_RETRY(recv(fd, to, PIECE, 0));
        if (n <= 0)
            fail_msg("expected \"%s\", got only \"%.*s\"", text, MF_FMT(mf_buf_str(got)));
        mf_buf_commit(got, (size_t)n);
    }
}

void client_read_all(int fd, struct mf_buf *got)
{
    for (;;) {
        char *to = mf_buf_reserve(got, PIECE);
        assert_non_null(to);
        ssize_t n = TEMP_FAILURE_RETRY(recv(fd, to, PIECE, 0));
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            fail_msg("the connection stays open; got \"%.*s\"", MF_FMT(mf_buf_str(got)));
        if (n <= 0)
            return;
        mf_buf_commit(got, (size_t)n);
    }
}

void client_ask(uint16_t port, const char *request, struct mf_buf *got)
{
    int fd = client_connect(port);
    client_send(fd, request);
    client_read_all(fd, got);
    close(fd);
}
