#include "app.h"
#include "testing.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void pause_a_little(void)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    nanosleep(&pause, NULL);
}

static void connections_are_spread_and_counted(void **state)
{
    enum { CLIENTS = 16 };
    struct app app;
    struct mf_net_stats stats;
    struct mf_buf got = MF_BUF_INIT(0);
    int fds[CLIENTS];
    (void)state;
    app_start(&app, NULL);
    assert_int_equal(mf_server_loop_count(app.server), 2);
    assert_ptr_not_equal(mf_server_loop(app.server, 0), mf_server_loop(app.server, 1));
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client_connect(app.port);
        client_send(fds[i], "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        mf_buf_clear(&got);
        client_expect(fds[i], &got, "hello");
    }
    mf_server_stats(app.server, &stats);
    assert_int_equal(stats.connections_total, CLIENTS);
    assert_int_equal(stats.connections_open, CLIENTS);
    assert_int_equal(stats.exchanges_total, CLIENTS);
    assert_int_equal(stats.bytes_in, CLIENTS * strlen("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    for (int i = 0; i < 2000 && stats.connections_open > 0; i++) {
        pause_a_little();
        mf_server_stats(app.server, &stats);
    }
    assert_int_equal(stats.connections_open, 0);
    assert_int_equal(stats.exchanges_open, 0);
    assert_int_equal(stats.bytes_out, CLIENTS * got.len);
    mf_buf_free(&got);
    app_stop(&app);
}

static void too_many_connections_are_turned_away(void **state)
{
    const struct mf_net_limits limits = {.connections = 2};
    struct app app;
    struct mf_net_stats stats;
    struct mf_buf got = MF_BUF_INIT(0);
    int fds[2];
    (void)state;
    app_start(&app, &limits);
    for (int i = 0; i < 2; i++) {
        fds[i] = client_connect(app.port);
        client_send(fds[i], "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        mf_buf_clear(&got);
        client_expect(fds[i], &got, "hello");
    }
    int fd = client_connect(app.port);
    mf_buf_clear(&got);
    client_read_all(fd, &got);
    assert_true(client_contains(&got, " 503 "));
    size_t end = mf_str_find(mf_buf_str(&got), MF_STR("\r\n\r\n"));
    assert_true(end != SIZE_MAX && got.len - end - 4 == 53); /* what content-length says */
    assert_true(client_contains(&got, "content-length: 53\r\n"));
    close(fd);
    mf_server_stats(app.server, &stats);
    assert_int_equal(stats.refused_total, 1);
    close(fds[0]);
    for (int i = 0; i < 2000 && stats.connections_open > 1; i++) {
        pause_a_little();
        mf_server_stats(app.server, &stats);
    }
    fd = client_connect(app.port); /* there is room again */
    client_send(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    mf_buf_clear(&got);
    client_expect(fd, &got, "hello");
    close(fd);
    close(fds[1]);
    mf_buf_free(&got);
    app_stop(&app);
}

static void *stop_server(void *app)
{
    mf_server_stop(((struct app *)app)->server, 10000);
    return NULL;
}

/* So many that each thread has one beside the busy connection. */
#define IDLE 64

static void the_end_waits_for_what_runs(void **state)
{
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    pthread_t thread;
    int idle[IDLE];
    (void)state;
    app_start(&app, NULL);
    int count = 2 * mf_server_loop_count(app.server);
    assert_true(count <= IDLE);
    int busy = client_connect(app.port);
    client_send(busy, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    app_wait(&app, &app.held_count, 1);
    for (int i = 0; i < count; i++) {
        idle[i] = client_connect(app.port);
        client_send(idle[i], "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        mf_buf_clear(&got);
        client_expect(idle[i], &got, "hello");
    }
    assert_int_equal(pthread_create(&thread, NULL, stop_server, &app), 0);
    for (int i = 0; i < count; i++) {
        mf_buf_clear(&got);
        client_read_all(idle[i], &got); /* closed at once */
        assert_int_equal(got.len, 0);
        close(idle[i]);
    }
    app_release(&app);
    client_read_all(busy, &got);
    assert_true(client_contains(&got, "released"));
    assert_true(client_contains(&got, "connection: close"));
    pthread_join(thread, NULL);
    close(busy);
    mf_buf_free(&got);
    app_stop(&app);
}

static void the_end_does_not_wait_forever(void **state)
{
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    (void)state;
    app_start(&app, NULL);
    int busy = client_connect(app.port);
    client_send(busy, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    app_wait(&app, &app.held_count, 1);
    mf_server_stop(app.server, 50);
    assert_int_equal(app.closed, 1);
    client_read_all(busy, &got);
    assert_int_equal(got.len, 0);
    close(busy);
    mf_buf_free(&got);
    app_stop(&app);
}

static void nobody_listens_after_the_end(void **state)
{
    struct app app;
    (void)state;
    app_start(&app, NULL);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(app.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    mf_server_stop(app.server, 1000);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), -1);
    close(fd);
    app_stop(&app);
}

static void an_address_in_use_is_reported(void **state)
{
    struct app app;
    struct mf_server *server;
    struct mf_error err;
    (void)state;
    app_start(&app, NULL);
    const struct mf_net_config same = {.host = "127.0.0.1", .port = app.port, .threads = 1};
    assert_int_equal(mf_server_new(&same, NULL, NULL, &server, &err), MF_ALREADY_EXISTS);
    assert_non_null(strstr(err.message, "127.0.0.1"));
    const struct mf_net_config nowhere = {.host = "not an address", .threads = 1};
    assert_int_equal(mf_server_new(&nowhere, NULL, NULL, &server, &err), MF_INVALID_ARGUMENT);
    app_stop(&app);
}

static void a_server_need_not_start(void **state)
{
    const struct mf_net_config config = {.host = "127.0.0.1", .threads = 3};
    struct mf_server *server;
    struct mf_error err;
    (void)state;
    assert_int_equal(mf_server_new(&config, NULL, NULL, &server, &err), MF_OK);
    assert_true(mf_server_port(server) > 0);
    mf_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_spread_and_counted),
        cmocka_unit_test(too_many_connections_are_turned_away),
        cmocka_unit_test(the_end_waits_for_what_runs),
        cmocka_unit_test(the_end_does_not_wait_forever),
        cmocka_unit_test(nobody_listens_after_the_end),
        cmocka_unit_test(an_address_in_use_is_reported),
        cmocka_unit_test(a_server_need_not_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
