#include "app.h"
#include "h2_client.h"
#include "testing.h"

#include <stdlib.h>
#include <unistd.h>

static bool has(const struct mf_buf *buf, const char *text)
{
    return client_contains(buf, text);
}

static bool has_goaway(void *ctx)
{
    const struct h2_client *client = ctx;
    return client->goaway;
}

static bool has_eof(void *ctx)
{
    struct h2_client *client = ctx;
    /* The end may be a reset, when we were still sending. */
    return client->eof;
}

static bool has_body(void *ctx)
{
    const struct h2_stream *stream = ctx;
    return stream->body.len > 0;
}

static void requests_share_a_connection(void **state)
{
    struct app app;
    struct h2_client client;
    struct h2_stream *streams[40];
    (void)state;
    app_start(&app, NULL);
    h2_open(&client, app.port, -1);
    for (int i = 0; i < 40; i++)
        streams[i] = i % 2 ? h2_request(&client, "POST", "/collect", "12345", 5, false)
                           : h2_request(&client, "GET", "/hello", NULL, 0, false);
    for (int i = 0; i < 40; i++) {
        h2_wait(&client, streams[i]);
        assert_int_equal(streams[i]->status, 200);
        assert_int_equal(streams[i]->error, NGHTTP2_NO_ERROR);
        assert_str(mf_buf_str(&streams[i]->body), i % 2 ? "12345" : "hello");
        assert_true(has(&streams[i]->headers, "content-length: 5\n"));
        assert_true(has(&streams[i]->headers, "date: "));
    }
    assert_int_equal(client.max_streams, 1000);
    h2_close(&client);
    app_stop(&app);
}

static void the_request_is_passed_on(void **state)
{
    struct app app;
    struct h2_client client;
    (void)state;
    app_start(&app, NULL);
    h2_open(&client, app.port, -1);
    struct h2_stream *stream = h2_request_with(&client, "GET", "/target?x=1", "x-name", "v");
    h2_wait(&client, stream);
    assert_str(mf_buf_str(&stream->body), "[/target][x=1][test][v]");
    stream = h2_request(&client, "HEAD", "/hello", NULL, 0, false);
    h2_wait(&client, stream);
    assert_true(has(&stream->headers, "content-length: 5\n"));
    assert_int_equal(stream->body.len, 0);
    stream = h2_request(&client, "GET", "/nothing", NULL, 0, false);
    h2_wait(&client, stream);
    assert_int_equal(stream->status, 204);
    stream = h2_request(&client, "GET", "/reset", NULL, 0, false);
    h2_wait(&client, stream);
    assert_int_equal(stream->error, NGHTTP2_CANCEL);
    stream = h2_request(&client, "GET", "/unanswered", NULL, 0, false);
    h2_wait(&client, stream);
    assert_int_equal(stream->status, 500);
    h2_close(&client);
    app_stop(&app);
}

static void both_sides_stream_at_once(void **state)
{
    struct app app;
    struct h2_client client;
    (void)state;
    app_start(&app, NULL);
    h2_open(&client, app.port, -1);
    struct h2_stream *stream = h2_request(&client, "POST", "/echo", "one", 3, true);
    h2_until(&client, has_body, stream);
    assert_str(mf_buf_str(&stream->body), "one");
    h2_send_more(&client, stream, "two", 3, false);
    h2_wait(&client, stream);
    assert_str(mf_buf_str(&stream->body), "onetwo");
    assert_str(mf_buf_str(&stream->trailers), "x-trailer: the-end\n");
    h2_close(&client);
    app_stop(&app);
}

static void an_early_answer_ends_the_request(void **state)
{
    struct app app;
    struct h2_client client;
    (void)state;
    app_start(&app, NULL);
    h2_open(&client, app.port, -1);
    struct h2_stream *stream = h2_request(&client, "POST", "/early", "begin", 5, true);
    h2_wait(&client, stream);
    assert_int_equal(stream->status, 200);
    assert_int_equal(stream->error, NGHTTP2_NO_ERROR);
    h2_close(&client);
    app_stop(&app);
}

static void flow_control_holds_the_server_back(void **state)
{
    struct app app;
    struct h2_client client;
    (void)state;
    app_start(&app, NULL);
    h2_open(&client, app.port, -1);
    struct h2_stream *stream = h2_request(&client, "GET", "/big", NULL, 0, false);
    h2_wait(&client, stream);
    assert_int_equal(stream->body.len, BIG_BYTES);
    assert_true(app.queued_most < (512 << 10));
    h2_close(&client);
    app_stop(&app);
}

static void a_paused_exchange_holds_the_client_back(void **state)
{
    enum { BODY = 3 << 20 };
    struct app app;
    struct h2_client client;
    char *body = malloc(BODY);
    (void)state;
    assert_non_null(body);
    memset(body, 'p', BODY);
    app_start(&app, NULL);
    h2_open(&client, app.port, -1);
    struct h2_stream *paused = h2_request(&client, "POST", "/pause", body, BODY, false);
    h2_flush(&client);
    app_wait(&app, &app.held_count, 1);
    /* Others are served meanwhile, with all that the window lets through on its way. */
    for (int i = 0; i < 5; i++) {
        struct h2_stream *other = h2_request(&client, "POST", "/collect", "x", 1, false);
        h2_wait(&client, other);
        assert_str(mf_buf_str(&other->body), "x");
    }
    assert_int_equal(app.body_bytes, 5);
    assert_true(paused->send_left > 1 << 20);
    app_release(&app);
    h2_wait(&client, paused);
    assert_int_equal(paused->body.len, BODY);
    /* The end of a request without a body waits as well. */
    paused = h2_request(&client, "GET", "/pause", NULL, 0, false);
    h2_flush(&client);
    app_wait(&app, &app.held_count, 1);
    app_release(&app);
    h2_wait(&client, paused);
    assert_int_equal(paused->status, 200);
    h2_close(&client);
    free(body);
    app_stop(&app);
}

static void limits_are_kept(void **state)
{
    const struct mf_net_limits limits = {.header_bytes = 4096, .body_bytes = 1000, .streams = 3};
    struct app app;
    struct h2_client client;
    char value[8000], body[2000];
    (void)state;
    memset(value, 'v', sizeof value);
    memset(body, 'b', sizeof body);
    value[sizeof value - 1] = '\0';
    app_start(&app, &limits);
    h2_open(&client, app.port, -1);
    struct h2_stream *stream = h2_request_with(&client, "GET", "/hello", "x-long", value);
    h2_wait(&client, stream);
    assert_int_equal(stream->status, 431);
    stream = h2_request_with(&client, "POST", "/collect", "content-length", "1001");
    h2_wait(&client, stream);
    assert_true(stream->status == 413 || stream->error == NGHTTP2_PROTOCOL_ERROR);
    stream = h2_request(&client, "POST", "/collect", body, sizeof body, false);
    h2_wait(&client, stream);
    assert_int_equal(stream->status, 413);
    app_wait(&app, &app.closed, 1);
    assert_int_equal(client.max_streams, 3);
    h2_close(&client);
    app_stop(&app);
}

static void a_client_that_vanishes_is_noticed(void **state)
{
    struct app app;
    struct h2_client client;
    (void)state;
    app_start(&app, NULL);
    h2_open(&client, app.port, -1);
    for (int i = 0; i < 10; i++)
        h2_request(&client, "POST", "/hold", "abc", 3, true);
    h2_flush(&client);
    app_wait(&app, &app.held_count, 10);
    assert_int_equal(nghttp2_submit_rst_stream(client.session, 0, client.streams[0].id, NGHTTP2_CANCEL), 0);
    h2_flush(&client);
    app_wait(&app, &app.closed, 1);
    h2_close(&client);
    app_wait(&app, &app.closed, 10);
    assert_int_equal(app.ended, 0);
    app_stop(&app);
}

static void garbage_is_answered_with_goaway(void **state)
{
    struct app app;
    struct h2_client client;
    static const char broken[] = {0, 0, 1, 0, 0, 0, 0, 0, 0, 'x'}; /* DATA on stream 0 */
    (void)state;
    app_start(&app, NULL);
    h2_open(&client, app.port, -1);
    h2_wait(&client, h2_request(&client, "GET", "/hello", NULL, 0, false));
    client_send_bytes(client.fd, broken, sizeof broken);
    h2_until(&client, has_goaway, &client);
    assert_int_equal(client.goaway_error, NGHTTP2_PROTOCOL_ERROR);
    h2_until(&client, has_eof, &client);
    h2_close(&client);
    app_stop(&app);
}

static void a_flood_of_resets_ends_the_connection(void **state)
{
    struct app app;
    struct h2_client client;
    (void)state;
    app_start(&app, NULL);
    h2_open(&client, app.port, -1);
    for (int i = 0; i < 3000; i++) {
        client.count = 0;
        struct h2_stream *stream = h2_request(&client, "GET", "/hold", NULL, 0, false);
        h2_flush(&client);
        (void)nghttp2_submit_rst_stream(client.session, 0, stream->id, NGHTTP2_CANCEL);
        h2_flush(&client);
    }
    h2_until(&client, has_goaway, &client);
    h2_until(&client, has_eof, &client);
    h2_close(&client);
    app_stop(&app);
}

static void slow_clients_are_given_up(void **state)
{
    const struct mf_net_limits limits = {.idle_ms = 300, .header_ms = 300, .body_ms = 300, .send_ms = 300};
    struct app app;
    struct h2_client client;
    (void)state;
    app_start(&app, &limits);
    h2_open(&client, app.port, -1);
    struct h2_stream *stream = h2_request(&client, "POST", "/collect", "abc", 3, true);
    h2_wait(&client, stream);
    assert_int_equal(stream->status, 408);
    /* And at last nothing is asked for at all. */
    h2_until(&client, has_goaway, &client);
    assert_int_equal(client.goaway_error, NGHTTP2_NO_ERROR);
    h2_until(&client, has_eof, &client);
    h2_close(&client);
    h2_open(&client, app.port, 0); /* takes nothing */
    stream = h2_request(&client, "GET", "/big", NULL, 0, false);
    h2_wait(&client, stream);
    assert_int_equal(stream->status, 200);
    assert_int_equal(stream->error, NGHTTP2_INTERNAL_ERROR);
    h2_close(&client);
    app_stop(&app);
}

static void *stop_server(void *app)
{
    mf_server_stop(((struct app *)app)->server, 10000);
    return NULL;
}

static void the_end_is_graceful(void **state)
{
    struct app app;
    struct h2_client client;
    pthread_t thread;
    (void)state;
    app_start(&app, NULL);
    h2_open(&client, app.port, -1);
    struct h2_stream *stream = h2_request(&client, "GET", "/hold", NULL, 0, false);
    h2_flush(&client);
    app_wait(&app, &app.held_count, 1);
    assert_int_equal(pthread_create(&thread, NULL, stop_server, &app), 0);
    h2_until(&client, has_goaway, &client);
    assert_false(stream->closed);
    app_release(&app);
    h2_wait(&client, stream);
    assert_str(mf_buf_str(&stream->body), "released");
    h2_until(&client, has_eof, &client);
    assert_int_equal(client.goaway_error, NGHTTP2_NO_ERROR);
    pthread_join(thread, NULL);
    h2_close(&client);
    app_stop(&app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_share_a_connection),
        cmocka_unit_test(the_request_is_passed_on),
        cmocka_unit_test(both_sides_stream_at_once),
        cmocka_unit_test(an_early_answer_ends_the_request),
        cmocka_unit_test(flow_control_holds_the_server_back),
        cmocka_unit_test(a_paused_exchange_holds_the_client_back),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(a_client_that_vanishes_is_noticed),
        cmocka_unit_test(garbage_is_answered_with_goaway),
        cmocka_unit_test(a_flood_of_resets_ends_the_connection),
        cmocka_unit_test(slow_clients_are_given_up),
        cmocka_unit_test(the_end_is_graceful),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
