#include "testing.h"

#include "base/buf.h"
#include "base/sys.h"
#include "kube/watch.h"
#include "peer.h"

#include <stdlib.h>

/* Everything that is told, as text: "L" a list begins, "+a" an object, "-a" one that is gone, "S" synced,
 * "!code" trouble, "ok". The watch is stopped when it ends with what is waited for. */
struct world {
    struct mf_loop *loop;
    struct mf_kube *kube;
    struct mf_kube_watch *watch;
    struct peer *peer;
    struct mf_buf told;
    const char *wanted;
    struct mf_timer *timer;
};

static void stop_soon(void *ctx)
{
    struct world *w = ctx;
    w->timer = NULL;
    mf_kube_watch_stop(w->watch);
}

static void tell(struct world *w, const char *what, struct mf_str name)
{
    struct mf_str wanted = mf_str_from_c(w->wanted);
    mf_buf_printf(&w->told, "%s%.*s ", what, MF_FMT(name));
    if (!w->timer && mf_str_ends(mf_buf_str(&w->told), wanted))
        w->timer = mf_timer_start(w->loop, 0, false, stop_soon, w);
}

static void on_list(void *ctx)
{
    tell(ctx, "L", MF_STR_EMPTY);
}

static void on_object(void *ctx, const mf_node *object)
{
    tell(ctx, "+", mf_node_text(object, "metadata/name"));
}

static void on_gone(void *ctx, const mf_node *object)
{
    tell(ctx, "-", mf_node_text(object, "metadata/name"));
}

static void on_synced(void *ctx)
{
    tell(ctx, "S", MF_STR_EMPTY);
}

static void on_state(void *ctx, enum mf_code code, const struct mf_error *err)
{
    (void)err;
    tell(ctx, code == MF_OK ? "ok" : "!", code == MF_OK ? MF_STR_EMPTY : mf_str_from_c(mf_code_word(code)));
}

static void on_stopped(void *ctx)
{
    struct world *w = ctx;
    mf_loop_stop(w->loop);
}

/* Follows the script until what was told ends with wanted; returns all of it. */
static const char *follow(struct world *w, const struct peer_step *steps, size_t count, const char *wanted)
{
    struct mf_error err;
    *w = (struct world){.peer = peer_new(steps, count), .wanted = wanted, .told = MF_BUF_INIT(0)};
    assert_int_equal(mf_loop_new(&w->loop, &err), MF_OK);
    const struct mf_kube_config config = {
        .sys = mf_sys_real(), .loop = w->loop, .access = peer_access(w->peer)};
    assert_int_equal(mf_kube_open(&config, &w->kube, &err), MF_OK);
    const struct mf_kube_watch_config watching = {
        .kube = w->kube,
        .path = MF_STR("/apis/flyte.org/v1/taskactions"),
        .selector = MF_STR("a=b,c"),
        .ctx = w,
        .on_list = on_list,
        .on_object = on_object,
        .on_gone = on_gone,
        .on_synced = on_synced,
        .on_state = on_state,
        .on_stopped = on_stopped,
    };
    assert_int_equal(mf_kube_watch_start(&watching, &w->watch, &err), MF_OK);
    assert_int_equal(mf_loop_start(w->loop, "test", &err), MF_OK);
    mf_loop_join(w->loop);
    mf_buf_add_char(&w->told, '\0');
    return w->told.ptr;
}

static void end(struct world *w)
{
    mf_kube_stop(w->kube);
    mf_kube_close(w->kube);
    mf_loop_free(w->loop);
    mf_buf_free(&w->told);
    peer_free(w->peer);
}

#define OBJECT(name, version) "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" version "\"}}"
#define EVENT(type, name, version) "{\"type\":\"" type "\",\"object\":" OBJECT(name, version) "}\n"
#define LIST(version, items) "{\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"

static void a_list_in_pages_is_followed_by_a_watch(void **state)
{
    (void)state;
    static const struct peer_step steps[] = {
        {.status = 200,
         .body = "{\"metadata\":{\"resourceVersion\":\"5\",\"continue\":\"a b\"},\"items\":[" OBJECT(
             "a", "1") "]}"},
        {.status = 200, .body = LIST("5", OBJECT("b", "2"))},
        {.status = 200,
         .body = EVENT("ADDED", "c", "6") EVENT("BOOKMARK", "", "8") EVENT("DELETED", "a", "9"),
         .hang = true},
    };
    struct world w;
    assert_string_equal(follow(&w, steps, 3, "-a "), "L +a +b ok S +c -a ");
    assert_non_null(strstr(peer_request(w.peer, 0),
                           "GET /apis/flyte.org/v1/taskactions?limit=100&labelSelector=a%3Db%2Cc "));
    assert_non_null(strstr(peer_request(w.peer, 1), "&continue=a%20b "));
    assert_non_null(strstr(peer_request(w.peer, 2), "?watch=1&allowWatchBookmarks=true"));
    assert_non_null(strstr(peer_request(w.peer, 2), "&resourceVersion=5&"));
    end(&w);
}

static void a_stream_that_ends_is_taken_up_where_it_was(void **state)
{
    (void)state;
    static const struct peer_step steps[] = {
        {.status = 200, .body = LIST("5", "")},
        {.status = 200, .body = EVENT("ADDED", "a", "6") EVENT("BOOKMARK", "", "8")},
        {.status = 200, .headers = "Content-Length: 50000\r\n", .body = EVENT("MODIFIED", "a", "9")},
        {.status = 200, .body = EVENT("DELETED", "a", "10"), .hang = true},
    };
    struct world w;
    assert_string_equal(follow(&w, steps, 4, "-a "), "L ok S +a +a !unavailable ok -a ");
    assert_non_null(strstr(peer_request(w.peer, 2), "&resourceVersion=8&"));
    assert_non_null(strstr(peer_request(w.peer, 3), "&resourceVersion=9&"));
    end(&w);
}

static void what_the_server_has_forgotten_is_listed_anew(void **state)
{
    (void)state;
    static const struct peer_step steps[] = {
        {.status = 200, .body = LIST("5", OBJECT("a", "1"))},
        {.status = 410, .body = "{\"message\":\"too old\",\"code\":410}"},
        {.status = 200, .body = LIST("20", OBJECT("b", "1"))},
        {.status = 200, .body = "{\"type\":\"ERROR\",\"object\":{\"code\":410,\"message\":\"too old\"}}\n"},
        {.status = 200, .body = LIST("30", OBJECT("c", "1"))},
        {.status = 200, .body = EVENT("ADDED", "d", "31"), .hang = true},
    };
    struct world w;
    assert_string_equal(follow(&w, steps, 6, "+d "), "L +a ok S L +b S L +c S +d ");
    assert_non_null(strstr(peer_request(w.peer, 5), "&resourceVersion=30&"));
    end(&w);
}

static void trouble_is_told_and_tried_again(void **state)
{
    (void)state;
    static const struct peer_step steps[] = {
        {.status = 403, .body = "{\"message\":\"forbidden\"}"},
        {.status = 200, .body = LIST("5", "")},
        {.status = 500, .body = "{\"message\":\"no\"}"},
        {.status = 200, .body = "no JSON\n"},
        {.status = 200, .body = LIST("7", "")},
        {.status = 200, .body = EVENT("ADDED", "a", "8"), .hang = true},
    };
    struct world w;
    assert_string_equal(follow(&w, steps, 6, "+a "),
                        "L !permission_denied L ok S !unavailable !unavailable L ok S +a ");
    end(&w);
}

static void a_place_too_long_to_go_on_from_is_trouble(void **state)
{
    (void)state;
    static char page[6000];
    memset(page, 'x', sizeof page);
    const char head[] = "{\"items\":[],\"metadata\":{\"continue\":\"";
    memcpy(page, head, sizeof head - 1);
    memcpy(page + sizeof page - 5, "\"}}", 4);
    const struct peer_step steps[] = {{.status = 200, .body = page}};
    struct world w;
    assert_string_equal(follow(&w, steps, 1, "!unavailable "), "L !unavailable ");
    end(&w);
}

static void it_stops_also_while_it_waits(void **state)
{
    (void)state;
    static const struct peer_step steps[] = {{.status = 403, .body = "{}"}};
    struct world w;
    assert_string_equal(follow(&w, steps, 1, "!permission_denied "), "L !permission_denied ");
    end(&w);
    static const struct peer_step lists[] = {
        {.status = 200, .headers = "Content-Length: 100\r\n", .body = "{", .hang = true}};
    assert_string_equal(follow(&w, lists, 1, "L "), "L ");
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_in_pages_is_followed_by_a_watch),
        cmocka_unit_test(a_stream_that_ends_is_taken_up_where_it_was),
        cmocka_unit_test(what_the_server_has_forgotten_is_listed_anew),
        cmocka_unit_test(trouble_is_told_and_tried_again),
        cmocka_unit_test(a_place_too_long_to_go_on_from_is_trouble),
        cmocka_unit_test(it_stops_also_while_it_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
