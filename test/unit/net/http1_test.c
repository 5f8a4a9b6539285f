#include "app.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void expect_answer(const char *request, const char *status, const char *body)
{
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    app_start(&app, NULL);
    client_ask(app.port, request, &got);
    if (!client_contains(&got, status) || (body && !client_contains(&got, body)))
        fail_msg("request \"%s\": expected \"%s\" and \"%s\", got \"%.*s\"", request, status,
                 body ? body : "", MF_FMT(mf_buf_str(&got)));
    mf_buf_free(&got);
    app_stop(&app);
}

static void a_connection_is_kept_alive(void **state)
{
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    (void)state;
    app_start(&app, NULL);
    int fd = client_connect(app.port);
    for (int i = 0; i < 3; i++) {
        mf_buf_clear(&got);
        client_send(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        client_expect(fd, &got, "\r\n\r\nhello");
        assert_true(client_contains(&got, "HTTP/1.1 200 OK\r\n"));
        assert_true(client_contains(&got, "content-length: 5\r\n"));
        assert_true(client_contains(&got, "\r\ndate: "));
        assert_false(client_contains(&got, "connection: close"));
    }
    mf_buf_clear(&got);
    client_send(fd, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    client_read_all(fd, &got);
    assert_true(client_contains(&got, "connection: close\r\n"));
    close(fd);
    mf_buf_free(&got);
    app_stop(&app);
}

static void old_clients_are_served(void **state)
{
    (void)state;
    expect_answer("GET /hello HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK", "connection: close");
    /* No chunks for them: the end of the connection is the end of the body. */
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    app_start(&app, NULL);
    client_ask(app.port, "POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", &got);
    assert_false(client_contains(&got, "chunked"));
    assert_true(client_contains(&got, "\r\n\r\nabc"));
    mf_buf_free(&got);
    app_stop(&app);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0), requests = MF_BUF_INIT(0);
    (void)state;
    app_start(&app, NULL);
    int fd = client_connect(app.port);
    for (int i = 0; i < 200; i++)
        assert_true(mf_buf_printf(&requests,
                                  "POST /collect HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n<%04d>", i));
    client_send_bytes(fd, requests.ptr, requests.len);
    client_expect(fd, &got, "<0199>");
    assert_int_equal(client_count(&got, "HTTP/1.1 200 OK"), 200);
    struct mf_str rest = mf_buf_str(&got);
    for (int i = 0; i < 200; i++) {
        char wanted[8];
        snprintf(wanted, sizeof wanted, "<%04d>", i);
        size_t at = mf_str_find(rest, mf_str_from_c(wanted));
        assert_true(at != SIZE_MAX);
        rest = mf_str_skip(rest, at);
    }
    close(fd);
    mf_buf_free(&requests);
    mf_buf_free(&got);
    app_stop(&app);
}

static void a_request_may_arrive_byte_by_byte(void **state)
{
    static const char request[] =
        "POST /collect?a=b HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nX-Name:  some value \t\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nx-t: 1\r\n\r\n";
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    (void)state;
    app_start(&app, NULL);
    int fd = client_connect(app.port);
    for (size_t i = 0; i < sizeof request - 1; i++)
        client_send_bytes(fd, request + i, 1);
    client_expect(fd, &got, "\r\n\r\nhello world");
    close(fd);
    mf_buf_free(&got);
    app_stop(&app);
}

static void chunks_go_both_ways_at_once(void **state)
{
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    (void)state;
    app_start(&app, NULL);
    int fd = client_connect(app.port);
    client_send(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    client_expect(fd, &got, "transfer-encoding: chunked\r\n");
    client_send(fd, "3\r\none\r\n");
    client_expect(fd, &got, "3\r\none\r\n");
    client_send(fd, "3\r\ntwo\r\n");
    client_expect(fd, &got, "3\r\ntwo\r\n");
    client_send(fd, "0\r\n\r\n");
    client_expect(fd, &got, "0\r\nx-trailer: the-end\r\n\r\n");
    mf_buf_clear(&got);
    client_send(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"); /* and the connection lives on */
    client_expect(fd, &got, "hello");
    close(fd);
    mf_buf_free(&got);
    app_stop(&app);
}

static void the_client_is_told_to_continue(void **state)
{
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    (void)state;
    app_start(&app, NULL);
    int fd = client_connect(app.port);
    client_send(fd, "POST /collect HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    client_expect(fd, &got, "HTTP/1.1 100 Continue\r\n\r\n");
    client_send(fd, "body");
    client_expect(fd, &got, "\r\n\r\nbody");
    /* An answer at once takes the place of the invitation, and then nobody knows what comes next. */
    mf_buf_clear(&got);
    client_send(fd, "POST /early HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    client_read_all(fd, &got);
    assert_false(client_contains(&got, "100 Continue"));
    assert_true(client_contains(&got, "connection: close"));
    close(fd);
    mf_buf_free(&got);
    app_stop(&app);
    expect_answer("POST /collect HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nContent-Length: 4\r\n\r\n", " 417 ",
                  NULL);
}

static void smuggling_is_refused(void **state)
{
    static const char *const requests[] = {
        "POST /collect HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n",
        "POST /collect HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: "
        "3\r\n\r\n0\r\n\r\n",
        "POST /collect HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /collect HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc",
        "POST /collect HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
        "POST /collect HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        "POST /collect HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST /collect HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /hello HTTP/1.1\nHost: x\n\n",
        "GET /hello HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: x\r\nX-A: b\r\n folded\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: x\r\nX-A\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: x\r\nX-A: a\rb\r\n\r\n",
        "POST /collect HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        "POST /collect HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        "POST /collect HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        "POST /collect HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
        "chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        expect_answer(requests[i], "HTTP/1.1 400 ", "connection: close");
}

static void what_is_no_request_is_refused(void **state)
{
    (void)state;
    expect_answer("GET /hello HTTP/1.1\r\n\r\n", " 400 ", "Host");
    expect_answer("GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", " 400 ", "Host");
    expect_answer("GET hello HTTP/1.1\r\nHost: a\r\n\r\n", " 400 ", NULL);
    expect_answer("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", " 501 ", NULL);
    expect_answer("GET /hello HTTP/2.0\r\nHost: a\r\n\r\n", " 505 ", NULL);
    expect_answer("\x01\x02garbage\r\n\r\n", " 400 ", NULL);
    expect_answer("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", " ", NULL); /* nearly the preface of HTTP/2 */
    expect_answer("GET /unanswered HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", " 500 ", NULL);
}

static void the_target_is_taken_apart(void **state)
{
    (void)state;
    expect_answer("GET /target?a=1?2 HTTP/1.1\r\nHost: h:1\r\nX-NAME: v\r\nConnection: close\r\n\r\n",
                  " 200 ", "[/target][a=1?2][h:1][v]");
    expect_answer("GET http://other:2/target HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", " 200 ",
                  "[/target][][other:2][]");
    expect_answer("GET /target HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: upgrade, close\r\n\r\n",
                  " 200 ", "[/target][][h][]");
}

static void responses_are_framed_as_they_must(void **state)
{
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    (void)state;
    app_start(&app, NULL);
    client_ask(app.port, "HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &got);
    assert_true(client_contains(&got, "content-length: 5\r\n"));
    assert_true(mf_str_ends(mf_buf_str(&got), MF_STR("\r\n\r\n")));
    mf_buf_clear(&got);
    client_ask(app.port, "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &got);
    assert_true(client_contains(&got, " 204 No Content\r\n"));
    assert_false(client_contains(&got, "content-length"));
    mf_buf_clear(&got);
    client_ask(app.port, "GET /forged HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &got);
    assert_false(client_contains(&got, "set-cookie"));
    assert_true(client_contains(&got, "refused"));
    mf_buf_clear(&got);
    client_ask(app.port, "GET /reset HTTP/1.1\r\nHost: x\r\n\r\n", &got);
    assert_int_equal(got.len, 0);
    mf_buf_free(&got);
    app_stop(&app);
}

static void long_headers_are_refused(void **state)
{
    const struct mf_net_limits limits = {.header_bytes = 4096};
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0), request = MF_BUF_INIT(0);
    (void)state;
    app_start(&app, &limits);
    assert_true(mf_buf_add_c(&request, "GET /hello HTTP/1.1\r\nHost: x\r\nX-Long: "));
    for (int i = 0; i < 500; i++)
        assert_true(mf_buf_add_c(&request, "0123456789"));
    int fd = client_connect(app.port);
    client_send_bytes(fd, request.ptr, request.len); /* the refusal does not wait for the end */
    client_read_all(fd, &got);
    assert_true(client_contains(&got, " 431 "));
    close(fd);
    mf_buf_clear(&got);
    mf_buf_clear(&request);
    assert_true(mf_buf_add_c(&request, "GET /hello HTTP/1.1\r\nHost: x\r\n"));
    for (int i = 0; i < 200; i++)
        assert_true(mf_buf_add_c(&request, "a:\r\n")); /* many small ones cost as much */
    client_ask(app.port, request.ptr, &got);
    assert_true(client_contains(&got, " 431 "));
    mf_buf_free(&request);
    mf_buf_free(&got);
    app_stop(&app);
}

static void large_bodies_are_refused(void **state)
{
    const struct mf_net_limits limits = {.body_bytes = 1000};
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0), chunk = MF_BUF_INIT(0);
    (void)state;
    app_start(&app, &limits);
    client_ask(app.port, "POST /collect HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", &got);
    assert_true(client_contains(&got, " 413 "));
    assert_int_equal(app.opened, 0);
    mf_buf_clear(&got);
    int fd = client_connect(app.port);
    client_send(fd, "POST /collect HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_true(mf_buf_add_c(&chunk, "100\r\n"));
    for (int i = 0; i < 256; i++)
        assert_true(mf_buf_add_char(&chunk, 'x'));
    assert_true(mf_buf_add_c(&chunk, "\r\n"));
    for (int i = 0; i < 4; i++)
        client_send_bytes(fd, chunk.ptr, chunk.len);
    client_read_all(fd, &got);
    assert_true(client_contains(&got, " 413 "));
    app_wait(&app, &app.closed, 1);
    assert_int_equal(app.ended, 0);
    close(fd);
    mf_buf_free(&chunk);
    mf_buf_free(&got);
    app_stop(&app);
}

static void a_body_nobody_reads_is_dropped(void **state)
{
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    char *body = calloc(1, 1 << 20);
    (void)state;
    assert_non_null(body);
    app_start(&app, NULL);
    int fd = client_connect(app.port);
    client_send(fd, "POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    client_expect(fd, &got, "hello");
    client_send_bytes(fd, body, 1000);
    mf_buf_clear(&got);
    client_send(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    client_expect(fd, &got, "hello");
    /* A close that was not announced would meet the next request of a client that has sent all it has. */
    mf_buf_clear(&got);
    client_send(fd, "POST /early HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    client_expect(fd, &got, "hello");
    assert_true(mf_str_find(mf_buf_str(&got), MF_STR("connection: close")) == SIZE_MAX);
    client_send(fd, "100000\r\n");
    client_send_bytes(fd, body, 1 << 20);
    mf_buf_clear(&got);
    client_send(fd, "\r\n0\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    client_expect(fd, &got, "hello");
    /* One that is known to be long is not waited for, and the client is told. */
    mf_buf_clear(&got);
    client_send(fd, "POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n");
    client_expect(fd, &got, "hello");
    assert_true(mf_str_find(mf_buf_str(&got), MF_STR("connection: close")) < SIZE_MAX);
    int sent = 0;
    while (sent < 95 && client_try_send(fd, body, 1 << 20))
        sent++;
    assert_true(sent < 95);
    close(fd);
    free(body);
    mf_buf_free(&got);
    app_stop(&app);
}

static void a_paused_exchange_holds_the_client_back(void **state)
{
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    enum { BODY = 1 << 20 };
    char *body = malloc(BODY);
    (void)state;
    assert_non_null(body);
    memset(body, 'p', BODY);
    app_start(&app, NULL);
    int fd = client_connect(app.port);
    client_send(fd, "POST /pause HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n");
    app_wait(&app, &app.held_count, 1);
    client_send_bytes(fd, body, 100000);
    assert_int_equal(app.body_bytes, 0);
    app_release(&app); /* work posted from this thread */
    client_send_bytes(fd, body, BODY - 100000);
    client_expect(fd, &got, "\r\n\r\n");
    app_wait(&app, &app.closed, 1);
    assert_int_equal(app.body_bytes, BODY);
    close(fd);
    /* Without a body, the end of the request waits as well. */
    fd = client_connect(app.port);
    client_send(fd, "GET /pause HTTP/1.1\r\nHost: x\r\n\r\n");
    app_wait(&app, &app.held_count, 1);
    assert_int_equal(app.ended, 1);
    app_release(&app);
    mf_buf_clear(&got);
    client_expect(fd, &got, "content-length: 0\r\n");
    close(fd);
    free(body);
    mf_buf_free(&got);
    app_stop(&app);
}

static void a_slow_reader_gets_everything(void **state)
{
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    (void)state;
    app_start(&app, NULL);
    int fd = client_connect(app.port);
    client_send(fd, "GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    client_read_all(fd, &got);
    assert_true(got.len > BIG_BYTES && got.len < BIG_BYTES + 65536);
    assert_true(app.queued_most < (512 << 10));
    close(fd);
    mf_buf_free(&got);
    app_stop(&app);
}

/* Whoever waits for room is told when the last byte has gone, though there is nothing else to send. */
static void a_stream_goes_on_when_its_client_does(void **state)
{
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    (void)state;
    app_start(&app, NULL);
    int fd = client_connect(app.port);
    client_send(fd, "GET /lump HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    client_read_all(fd, &got);
    assert_true(got.len > BIG_BYTES);
    assert_true(client_contains(&got, "the rest"));
    close(fd);
    mf_buf_free(&got);
    app_stop(&app);
}

static void a_client_that_vanishes_is_noticed(void **state)
{
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    (void)state;
    app_start(&app, NULL);
    int fd = client_connect(app.port); /* in the middle of the body */
    client_send(fd, "POST /collect HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    app_wait(&app, &app.opened, 1);
    close(fd);
    app_wait(&app, &app.closed, 1);
    assert_int_equal(app.ended, 0);
    fd = client_connect(app.port); /* in the middle of a stream of answers */
    client_send(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    client_expect(fd, &got, "begun");
    close(fd);
    app_wait(&app, &app.closed, 2);
    fd = client_connect(app.port); /* with a reset */
    client_send(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    app_wait(&app, &app.held_count, 2);
    const struct linger hard = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    app_wait(&app, &app.closed, 3);
    mf_buf_free(&got);
    app_stop(&app);
}

static void a_client_may_close_its_half(void **state)
{
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    (void)state;
    app_start(&app, NULL);
    int fd = client_connect(app.port);
    client_send(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    app_wait(&app, &app.held_count, 1);
    app_release(&app);
    client_read_all(fd, &got);
    assert_true(client_contains(&got, "released"));
    assert_true(client_contains(&got, "hello"));
    close(fd);
    mf_buf_free(&got);
    app_stop(&app);
}

static void slow_clients_are_given_up(void **state)
{
    const struct mf_net_limits limits = {.idle_ms = 200, .header_ms = 200, .body_ms = 200, .send_ms = 200};
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    (void)state;
    app_start(&app, &limits);
    client_ask(app.port, "", &got); /* says nothing at all */
    assert_int_equal(got.len, 0);
    client_ask(app.port, "GET /hello HTTP/1.1\r\nHo", &got);
    assert_true(client_contains(&got, " 408 "));
    mf_buf_clear(&got);
    client_ask(app.port, "POST /collect HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", &got);
    assert_true(client_contains(&got, " 408 "));
    app_wait(&app, &app.closed, 1);
    mf_buf_clear(&got);
    client_ask(app.port, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", &got); /* idle after an answer */
    assert_true(client_contains(&got, "hello"));
    int fd = client_connect(app.port); /* does not read */
    client_send(fd, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    app_wait(&app, &app.closed, 2);
    close(fd);
    mf_buf_free(&got);
    app_stop(&app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_kept_alive),
        cmocka_unit_test(old_clients_are_served),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(a_request_may_arrive_byte_by_byte),
        cmocka_unit_test(chunks_go_both_ways_at_once),
        cmocka_unit_test(the_client_is_told_to_continue),
        cmocka_unit_test(smuggling_is_refused),
        cmocka_unit_test(what_is_no_request_is_refused),
        cmocka_unit_test(the_target_is_taken_apart),
        cmocka_unit_test(responses_are_framed_as_they_must),
        cmocka_unit_test(long_headers_are_refused),
        cmocka_unit_test(large_bodies_are_refused),
        cmocka_unit_test(a_body_nobody_reads_is_dropped),
        cmocka_unit_test(a_paused_exchange_holds_the_client_back),
        cmocka_unit_test(a_slow_reader_gets_everything),
        cmocka_unit_test(a_stream_goes_on_when_its_client_does),
        cmocka_unit_test(a_client_that_vanishes_is_noticed),
        cmocka_unit_test(a_client_may_close_its_half),
        cmocka_unit_test(slow_clients_are_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
