#include "testing.h"

#include "base/list.h"
#include "base/sys.h"
#include "peer.h"

#include <stdlib.h>
#include <unistd.h>

/* A loop of the test's own; it ends when the requests are done. */
struct world {
    struct mf_loop *loop;
    struct mf_kube *kube;
    struct peer *peer;
    int left;
};

struct asked {
    struct mf_kube_request request;
    struct world *world;
};

static void begin_with(struct world *w, const struct peer_step *steps, size_t count, const char *token_file)
{
    struct mf_error err;
    *w = (struct world){.peer = peer_new(steps, count)};
    assert_int_equal(mf_loop_new(&w->loop, &err), MF_OK);
    struct mf_kube_config config = {.sys = mf_sys_real(), .loop = w->loop, .access = peer_access(w->peer)};
    config.access.token_file = token_file;
    assert_int_equal(mf_kube_open(&config, &w->kube, &err), MF_OK);
}

static void begin(struct world *w, const struct peer_step *steps, size_t count)
{
    begin_with(w, steps, count, NULL);
}

static void end(struct world *w)
{
    mf_kube_stop(w->kube);
    mf_kube_close(w->kube);
    mf_loop_free(w->loop);
    peer_free(w->peer);
}

static void on_done(struct mf_kube_request *request)
{
    struct asked *asked = MF_CONTAINER(request, struct asked, request);
    if (--asked->world->left == 0)
        mf_loop_stop(asked->world->loop);
}

static void ask(struct world *w, struct asked *asked)
{
    asked->world = w;
    asked->request.arena = mf_arena_new(0);
    asked->request.done = on_done;
    if (asked->request.path.len == 0)
        asked->request.path = MF_STR("/api/v1/pods?limit=1");
    w->left++;
    mf_kube_start(w->kube, &asked->request);
}

static void run(struct world *w)
{
    struct mf_error err;
    assert_int_equal(mf_loop_start(w->loop, "test", &err), MF_OK);
    mf_loop_join(w->loop);
}

static void forget(struct asked *asked)
{
    mf_arena_free(asked->request.arena);
}

static void a_request_carries_the_token_and_brings_json(void **state)
{
    (void)state;
    static const struct peer_step steps[] = {{.status = 201, .body = "{\"kind\":\"Pod\"}"}};
    struct world w;
    struct asked asked = {.request = {.method = MF_STR("POST"), .body = MF_STR("{}")}};
    begin(&w, steps, 1);
    ask(&w, &asked);
    run(&w);
    assert_int_equal(asked.request.code, MF_OK);
    assert_int_equal(asked.request.status, 201);
    assert_true(mf_str_eq_c(mf_node_text(asked.request.answer, "kind"), "Pod"));
    const char *request = peer_request(w.peer, 0);
    assert_non_null(strstr(request, "POST /api/v1/pods?limit=1 HTTP/1.1"));
    assert_non_null(strstr(request, "authorization: Bearer secret\r\n"));
    assert_non_null(strstr(request, "content-type: application/json\r\n"));
    forget(&asked);
    end(&w);
}

static void a_token_may_be_in_a_file(void **state)
{
    (void)state;
    static const struct peer_step steps[] = {{.status = 200, .body = "{}"}};
    struct world w;
    struct asked asked = {0};
    struct mf_error err;
    char file[] = "/tmp/mayfly-token-XXXXXX";
    close(mkstemp(file));
    assert_int_equal(mf_write_file(mf_sys_real(), file, MF_STR("from a file\n"), 0600, &err), MF_OK);
    begin_with(&w, steps, 1, file);
    ask(&w, &asked);
    run(&w);
    assert_non_null(strstr(peer_request(w.peer, 0), "authorization: Bearer from a file\r\n"));
    forget(&asked);
    end(&w);
    unlink(file);
    /* One that cannot be read again leaves what there was. */
    asked = (struct asked){0};
    begin_with(&w, steps, 1, file);
    ask(&w, &asked);
    run(&w);
    assert_non_null(strstr(peer_request(w.peer, 0), "authorization: Bearer secret\r\n"));
    forget(&asked);
    end(&w);
}

static void refusals_have_codes_and_advice(void **state)
{
    (void)state;
    static const struct {
        struct peer_step step;
        enum mf_code code;
        const char *says;
    } cases[] = {
        {{401, NULL, "{\"message\":\"Unauthorized\"}", false}, MF_UNAUTHENTICATED, "may have expired"},
        {{403, NULL, "{\"message\":\"pods is forbidden\"}", false}, MF_PERMISSION_DENIED, "rbac.yaml"},
        {{403, NULL, "{\"message\":\"pods \\\"a\\\" is forbidden: exceeded quota: q\"}", false},
         MF_RESOURCE_EXHAUSTED,
         "exceeded quota"},
        {{404, NULL, "{\"message\":\"not found\"}", false}, MF_NOT_FOUND, "/api/v1/pods: answer 404"},
        {{409, NULL, "{\"message\":\"m\",\"reason\":\"AlreadyExists\"}", false}, MF_ALREADY_EXISTS, "m"},
        {{409, NULL, "{\"message\":\"m\",\"reason\":\"Conflict\"}", false}, MF_ABORTED, "m"},
        {{410, NULL, "{\"message\":\"expired\"}", false}, MF_OUT_OF_RANGE, "expired"},
        {{422, NULL, "{\"message\":\"spec.x: Invalid\"}", false}, MF_INVALID_ARGUMENT, "spec.x"},
        {{500, NULL, "no JSON", false}, MF_UNAVAILABLE, "cluster east"},
        {{200, NULL, "no JSON", false}, MF_UNAVAILABLE, "no JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world w;
        struct asked asked = {0};
        begin(&w, &cases[i].step, 1);
        ask(&w, &asked);
        run(&w);
        assert_int_equal(asked.request.code, cases[i].code);
        assert_non_null(strstr(asked.request.err.message, cases[i].says));
        forget(&asked);
        end(&w);
    }
}

static void a_busy_server_is_asked_again(void **state)
{
    (void)state;
    static const struct peer_step steps[] = {
        {.status = 429, .headers = "Retry-After: 1\r\n", .body = "{\"message\":\"busy\"}"},
        {.status = 200, .body = "{}"},
    };
    struct world w;
    struct asked asked = {0};
    int64_t start = mf_mono_ns(mf_sys_real());
    begin(&w, steps, 2);
    ask(&w, &asked);
    run(&w);
    assert_int_equal(asked.request.code, MF_OK);
    assert_true(mf_mono_ns(mf_sys_real()) - start >= INT64_C(1000000000));
    forget(&asked);
    end(&w);
}

static void what_runs_ends_with_the_client(void **state)
{
    (void)state;
    static const struct peer_step steps[] = {
        {.status = 200, .headers = "Content-Length: 100\r\n", .body = "{", .hang = true}};
    struct world w;
    struct asked asked = {0};
    begin(&w, steps, 1);
    ask(&w, &asked);
    while (!peer_request(w.peer, 0))
        continue;
    mf_kube_stop(w.kube);
    run(&w);
    assert_int_equal(asked.request.code, MF_CANCELED);
    forget(&asked);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_carries_the_token_and_brings_json),
        cmocka_unit_test(a_token_may_be_in_a_file),
        cmocka_unit_test(refusals_have_codes_and_advice),
        cmocka_unit_test(a_busy_server_is_asked_again),
        cmocka_unit_test(what_runs_ends_with_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
