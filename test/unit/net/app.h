/*
 * The application behind the servers of these tests, and a client made of plain sockets. What a request gets
 * is decided by its path; see the table in app.c.
 */
#ifndef TEST_NET_APP_H
#define TEST_NET_APP_H

#include "base/buf.h"
#include "net/loop.h"
#include "net/server.h"

#include <pthread.h>

#define BIG_BYTES ((size_t)8 << 20) /* of /big */

struct held;

struct app {
    struct mf_server *server;
    uint16_t port;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Guarded by lock. */
    int opened, closed, ended;
    size_t body_bytes;
    size_t queued_most; /* seen by /big */
    struct held *held;  /* exchanges of /hold and /pause */
    int held_count;
};

/* A server with two threads. limits may be NULL. */
void app_start(struct app *app, const struct mf_net_limits *limits);
void app_start_with(struct app *app, const struct mf_net_config *config);
void app_stop(struct app *app);
/* Waits until the counter has the value; fails the test after ten seconds. */
void app_wait(struct app *app, const int *counter, int value);
/* From the calling thread, through the loop: answers what /hold keeps, resumes what /pause keeps. */
void app_release(struct app *app);

int client_connect(uint16_t port);
void client_send(int fd, const char *text);
void client_send_bytes(int fd, const void *bytes, size_t len);
/* False when the server does not take it. */
bool client_try_send(int fd, const void *bytes, size_t len);
/* Reads until what was read contains text; fails the test when the connection ends before. */
void client_expect(int fd, struct mf_buf *got, const char *text);
/* Reads to the end of the connection. */
void client_read_all(int fd, struct mf_buf *got);
bool client_contains(const struct mf_buf *got, const char *text);
size_t client_count(const struct mf_buf *got, const char *text);
/* One connection, one request, everything that comes back. */
void client_ask(uint16_t port, const char *request, struct mf_buf *got);

#endif
