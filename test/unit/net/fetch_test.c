#include "testing.h"

#include "base/list.h"
#include "net/fetch.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A server that reads one request per connection and answers with what the test has set. */
struct peer {
    int fd;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock;
    const char *answer; /* NULL: keeps silent */
    char request[4096]; /* the last one */
    int requests;
};

struct result {
    struct mf_fetch fetch;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    enum mf_code code;
    struct mf_error err;
    int status;
    int64_t retry_after_s;
    char body[256];
    char type[64];
    char etag[64];
};

static void *serve(void *ctx)
{
    struct peer *peer = ctx;
    int fd;
    while ((fd = accept(peer->fd, NULL, NULL)) >= 0) {
        char request[sizeof peer->request] = "";
        ssize_t len = read(fd, request, sizeof request - 1);
        pthread_mutex_lock(&peer->lock);
        memcpy(peer->request, request, sizeof request);
        peer->requests++;
        const char *answer = peer->answer;
        pthread_mutex_unlock(&peer->lock);
        if (answer && len > 0 && write(fd, answer, strlen(answer)) < 0)
            perror("write");
        else if (!answer)
            len = read(fd, request, sizeof request); /* until the client gives up */
        close(fd);
    }
    return NULL;
}

static void answer_with(struct peer *peer, const char *answer)
{
    pthread_mutex_lock(&peer->lock);
    peer->answer = answer;
    pthread_mutex_unlock(&peer->lock);
}

static int set_up(void **state)
{
    struct peer *peer = calloc(1, sizeof *peer);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    setenv("no_proxy", "127.0.0.1", 1);
    peer->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(peer->fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(peer->fd, 64) != 0)
        return -1;
    getsockname(peer->fd, (struct sockaddr *)&address, &size);
    peer->port = ntohs(address.sin_port);
    pthread_mutex_init(&peer->lock, NULL);
    *state = peer;
    return pthread_create(&peer->thread, NULL, serve, peer);
}

static int tear_down(void **state)
{
    struct peer *peer = *state;
    shutdown(peer->fd, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->fd);
    pthread_mutex_destroy(&peer->lock);
    free(peer);
    return 0;
}

static void copy_text(char *out, size_t size, struct mf_str text)
{
    snprintf(out, size, "%.*s", MF_FMT(text));
}

static void on_done(struct mf_fetch *fetch, enum mf_code code, const struct mf_error *err)
{
    struct result *result = MF_CONTAINER(fetch, struct result, fetch);
    pthread_mutex_lock(&result->lock);
    result->code = code;
    if (code != MF_OK) {
        result->err = *err;
    } else {
        result->status = fetch->status;
        result->retry_after_s = fetch->retry_after_s;
        if (!fetch->on_data)
            copy_text(result->body, sizeof result->body, fetch->response);
        copy_text(result->type, sizeof result->type, fetch->content_type);
        copy_text(result->etag, sizeof result->etag, mf_fetch_header(fetch, "etag"));
    }
    result->done = true;
    pthread_cond_signal(&result->changed);
    pthread_mutex_unlock(&result->lock);
}

static void begin(struct result *result, struct mf_fetcher *fetcher, const char *url)
{
    struct mf_fetch fetch = result->fetch;
    *result = (struct result){.fetch = fetch};
    pthread_mutex_init(&result->lock, NULL);
    pthread_cond_init(&result->changed, NULL);
    result->fetch.url = url;
    result->fetch.done = on_done;
    mf_fetch_start(fetcher, &result->fetch);
}

static enum mf_code end(struct result *result)
{
    pthread_mutex_lock(&result->lock);
    while (!result->done)
        pthread_cond_wait(&result->changed, &result->lock);
    pthread_mutex_unlock(&result->lock);
    return result->code;
}

static struct mf_fetcher *fetcher_new(uint32_t running, uint32_t waiting)
{
    struct mf_fetcher *fetcher = NULL;
    struct mf_error err;
    const struct mf_fetcher_config config = {.sys = mf_sys_real(), .running = running, .waiting = waiting};
    assert_int_equal(mf_fetcher_new(&config, &fetcher, &err), MF_OK);
    return fetcher;
}

static const char *url_of(const struct peer *peer, const char *path, char *room)
{
    snprintf(room, 128, "http://127.0.0.1:%u%s", (unsigned)peer->port, path);
    return room;
}

static void asks_and_is_answered(void **state)
{
    struct peer *peer = *state;
    char url[128];
    struct mf_fetcher *fetcher = fetcher_new(0, 0);
    const struct mf_header headers[] = {{MF_STR("x-test"), MF_STR("yes")}, {MF_STR("x-empty"), MF_STR("")}};
    struct result result = {.fetch = {.headers = headers, .header_count = 2}};
    answer_with(peer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
    begin(&result, fetcher, url_of(peer, "/a?b=c", url));
    assert_int_equal(end(&result), MF_OK);
    assert_int_equal(result.status, 200);
    assert_string_equal(result.body, "hello");
    assert_string_equal(result.type, "text/plain");
    assert_int_equal(result.retry_after_s, -1);
    assert_non_null(strstr(peer->request, "GET /a?b=c HTTP/1.1\r\n"));
    assert_non_null(strstr(peer->request, "x-test: yes\r\n"));

    result.fetch = (struct mf_fetch){.method = MF_STR("POST"), .body = MF_STR("{\"a\":1}")};
    answer_with(peer, "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
    begin(&result, fetcher, url);
    assert_int_equal(end(&result), MF_OK);
    assert_int_equal(result.status, 503);
    assert_int_equal(result.retry_after_s, 7);
    assert_non_null(strstr(peer->request, "POST /a?b=c HTTP/1.1\r\n"));
    assert_non_null(strstr(peer->request, "Content-Length: 7\r\n"));
    assert_null(strstr(peer->request, "Expect:"));
    mf_fetcher_free(fetcher);
}

static void headers_of_the_answer_are_kept_when_asked_for(void **state)
{
    struct peer *peer = *state;
    char url[128];
    struct mf_fetcher *fetcher = fetcher_new(0, 0);
    struct result result = {.fetch = {.method = MF_STR("HEAD"), .keep_head = true}};
    answer_with(peer, "HTTP/1.1 100 Continue\r\nETag: \"no\"\r\n\r\n"
                      "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\nETAG:  \"abc\" \r\n\r\n");
    begin(&result, fetcher, url_of(peer, "/", url));
    assert_int_equal(end(&result), MF_OK);
    assert_int_equal(result.status, 200);
    assert_string_equal(result.body, "");
    assert_string_equal(result.etag, "\"abc\"");
    assert_non_null(strstr(peer->request, "HEAD / HTTP/1.1\r\n"));

    result.fetch = (struct mf_fetch){0};
    answer_with(peer, "HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 2\r\n\r\nhi");
    begin(&result, fetcher, url);
    assert_int_equal(end(&result), MF_OK);
    assert_string_equal(result.etag, "");
    mf_fetcher_free(fetcher);
}

static void redirects_stay_within_the_scheme(void **state)
{
    struct peer *peer = *state;
    char url[128], answer[256];
    struct mf_fetcher *fetcher = fetcher_new(0, 0);
    struct result result = {0};
    answer_with(peer, "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
    begin(&result, fetcher, url_of(peer, "/", url));
    assert_int_equal(end(&result), MF_OK);
    assert_int_equal(result.status, 302);
    result.fetch = (struct mf_fetch){.redirects = 2};
    begin(&result, fetcher, url);
    assert_int_equal(end(&result), MF_UNAVAILABLE);
    snprintf(answer, sizeof answer, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", url);
    answer_with(peer, answer);
    int before = peer->requests;
    begin(&result, fetcher, url);
    assert_int_equal(end(&result), MF_UNAVAILABLE); /* round and round */
    assert_int_equal(peer->requests - before, 3);
    mf_fetcher_free(fetcher);
}

static void failures_have_codes(void **state)
{
    struct peer *peer = *state;
    char url[128];
    struct mf_fetcher *fetcher = fetcher_new(0, 0);
    struct result result = {.fetch = {.response_bytes = 4}};
    answer_with(peer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    begin(&result, fetcher, url_of(peer, "/", url));
    assert_int_equal(end(&result), MF_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(result.err.message, "longer than 4 bytes"));
    answer_with(peer, NULL);
    result.fetch = (struct mf_fetch){.timeout_ms = 50};
    begin(&result, fetcher, url);
    assert_int_equal(end(&result), MF_DEADLINE_EXCEEDED);
    answer_with(peer, "nonsense\r\n\r\n");
    result.fetch = (struct mf_fetch){0};
    begin(&result, fetcher, url);
    assert_int_equal(end(&result), MF_UNAVAILABLE);
    begin(&result, fetcher, "http://127.0.0.1:1/");
    assert_int_equal(end(&result), MF_UNAVAILABLE);
    static const char *const wrong[] = {"file:///etc/passwd", "ftp://127.0.0.1/", "", "http://",
                                        "http://[::1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        begin(&result, fetcher, wrong[i]);
        assert_int_equal(end(&result), MF_INVALID_ARGUMENT);
    }
    mf_fetcher_free(fetcher);
}

static void bounds_cancels_and_stops(void **state)
{
    struct peer *peer = *state;
    char url[128];
    struct mf_fetcher *fetcher = fetcher_new(1, 2);
    struct result silent = {.fetch = {.timeout_ms = 60000}};
    struct result more[4] = {0};
    answer_with(peer, NULL);
    begin(&silent, fetcher, url_of(peer, "/", url));
    while (!__atomic_load_n(&peer->requests, __ATOMIC_RELAXED))
        usleep(1000);
    /* One runs, two wait, and there is no room for more. */
    for (int i = 0; i < 3; i++)
        begin(&more[i], fetcher, url);
    assert_int_equal(end(&more[2]), MF_RESOURCE_EXHAUSTED);
    mf_fetch_cancel(fetcher, &more[0].fetch);
    assert_int_equal(end(&more[0]), MF_CANCELED);
    assert_false(silent.done);
    mf_fetch_cancel(fetcher, &silent.fetch);
    assert_int_equal(end(&silent), MF_CANCELED);
    /* The next has its turn; one that is to begin much later does not keep the fetcher from stopping. */
    more[3].fetch.delay_ms = 60000;
    begin(&more[3], fetcher, url);
    mf_fetcher_stop(fetcher);
    assert_int_equal(end(&more[1]), MF_CANCELED);
    assert_int_equal(end(&more[3]), MF_CANCELED);
    begin(&more[0], fetcher, url);
    assert_int_equal(end(&more[0]), MF_UNAVAILABLE);
    mf_fetcher_free(fetcher);
}

static bool take_piece(struct mf_fetch *fetch, struct mf_str bytes)
{
    struct result *result = MF_CONTAINER(fetch, struct result, fetch);
    size_t len = strlen(result->body);
    copy_text(result->body + len, sizeof result->body - len, bytes);
    result->status = fetch->status;
    return strstr(result->body, "enough") == NULL;
}

static void pieces_are_taken_as_they_come(void **state)
{
    struct peer *peer = *state;
    char url[128];
    struct mf_fetcher *fetcher = fetcher_new(0, 0);
    struct result result = {.fetch = {.on_data = take_piece, .idle_ms = 60000}};
    answer_with(peer, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nall of ");
    begin(&result, fetcher, url_of(peer, "/", url));
    assert_int_equal(end(&result), MF_OK);
    assert_int_equal(result.status, 200);
    result.fetch = (struct mf_fetch){.on_data = take_piece};
    answer_with(peer, "HTTP/1.1 418 No\r\nContent-Length: 700\r\n\r\nenough");
    begin(&result, fetcher, url);
    assert_int_equal(end(&result), MF_CANCELED);
    assert_string_equal(result.body, "enough");
    assert_int_equal(result.status, 418);
    answer_with(peer, NULL);
    result.fetch = (struct mf_fetch){.on_data = take_piece, .timeout_ms = 600000, .idle_ms = 1000};
    begin(&result, fetcher, url);
    assert_int_equal(end(&result), MF_DEADLINE_EXCEEDED);
    mf_fetcher_free(fetcher);
}

static void a_delay_is_kept(void **state)
{
    struct peer *peer = *state;
    char url[128];
    struct mf_fetcher *fetcher = fetcher_new(0, 0);
    struct result late = {.fetch = {.delay_ms = 60}};
    struct result soon = {0};
    answer_with(peer, "HTTP/1.1 204 No\r\n\r\n");
    int64_t start = mf_mono_ns(mf_sys_real());
    begin(&late, fetcher, url_of(peer, "/", url));
    begin(&soon, fetcher, url);
    assert_int_equal(end(&soon), MF_OK);
    assert_int_equal(end(&late), MF_OK);
    assert_true(mf_mono_ns(mf_sys_real()) - start >= 60000000);
    mf_fetcher_free(fetcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(asks_and_is_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(headers_of_the_answer_are_kept_when_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(redirects_stay_within_the_scheme, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_have_codes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_cancels_and_stops, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pieces_are_taken_as_they_come, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_delay_is_kept, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
