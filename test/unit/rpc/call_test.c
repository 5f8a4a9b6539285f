/* Whole calls in every protocol, on a net layer that the test plays. */
#include "rpc/call.h"
#include "rpc/caller.h"
#include "rpc/compress.h"
#include "rpc/envelope.h"
#include "rpc/parcel.h"
#include "rpc/server.h"

#include "base/encode.h"
#include "fake_net.h"
#include "gen/grpc_health/v1/health.pb.h"
#include "gen/grpc_reflection/v1alpha/reflection.pb.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A service of the test's own, made of messages that are at hand: a text in, a text and a number out. */
typedef struct pb_grpc_health_v1_HealthCheckRequest request_t;
typedef struct pb_grpc_reflection_v1alpha_ErrorResponse response_t;

enum { UNARY, GET, DOWN, UP, BOTH, MISSING, METHODS };

#define METHOD(method_name, in, out, get)                                                                    \
    {                                                                                                        \
        .name = method_name, .path = "/test.Echo/" method_name,                                              \
        .request = &pb_grpc_health_v1_HealthCheckRequest_type,                                               \
        .response = &pb_grpc_reflection_v1alpha_ErrorResponse_type, .client_streaming = in,                  \
        .server_streaming = out, .no_side_effects = get                                                      \
    }

static const struct pb_method methods[METHODS] = {
    [UNARY] = METHOD("Unary", false, false, false), [GET] = METHOD("Get", false, false, true),
    [DOWN] = METHOD("Down", false, true, false),    [UP] = METHOD("Up", true, false, false),
    [BOTH] = METHOD("Both", true, true, false),     [MISSING] = METHOD("Missing", false, false, false),
};
static const struct pb_service service = {.name = "test.Echo", .methods = methods, .method_count = METHODS};

struct fixture {
    struct mf_rpc *rpc;
    struct mf_loop *loop;
    struct mf_arena *arena;
    atomic_int done; /* calls of on_done */
    atomic_int ready;
    atomic_int filled;              /* messages that DOWN could send before it had to wait */
    _Atomic(struct mf_call *) kept; /* by the handler */
    _Atomic(struct mf_call *) identifying;
    struct mf_caller *caller;
};

/* ---- the service ---- */

static void unary(void *ctx, struct mf_call *call)
{
    struct fixture *f = ctx;
    const request_t *request = mf_call_request(call);
    if (mf_str_eq_c(request->service, "fail")) {
        request_t detail = {.service = MF_STR("why")};
        mf_call_add_header(call, MF_STR("x-head"), MF_STR("h"));
        mf_call_add_trailer(call, MF_STR("x-tail"), MF_STR("t"));
        mf_call_add_detail(call, &pb_grpc_health_v1_HealthCheckRequest_type, &detail);
        mf_call_fail(call, MF_NOT_FOUND, "no %s", "such thing");
        return;
    }
    if (mf_str_eq_c(request->service, "keep")) {
        f->kept = mf_call_ref(call);
        return;
    }
    response_t response = {.error_code = 7, .error_message = request->service};
    if (mf_str_eq_c(request->service, "who"))
        response.error_message = mf_call_caller(call)->subject;
    mf_call_add_header(call, MF_STR("x-head"), MF_STR("h"));
    mf_call_add_trailer(call, MF_STR("x-tail"), MF_STR("t"));
    mf_call_reply(call, &response);
    mf_call_fail(call, MF_INTERNAL, "too late to count");
}

static void down_done(void *ctx, struct mf_call *call)
{
    struct fixture *f = ctx;
    (void)call;
    atomic_fetch_add(&f->done, 1);
}

static void down_ready(void *ctx, struct mf_call *call)
{
    struct fixture *f = ctx;
    response_t response = {.error_message = MF_STR("more")};
    atomic_fetch_add(&f->ready, 1);
    mf_call_send(call, &response);
    mf_call_end(call);
}

static void down(void *ctx, struct mf_call *call)
{
    static const struct mf_call_ops ops = {.on_ready = down_ready, .on_done = down_done};
    struct fixture *f = ctx;
    const request_t *request = mf_call_request(call);
    response_t response = {.error_code = 1, .error_message = request->service};
    mf_call_bind(call, &ops, f);
    if (mf_str_eq_c(request->service, "open")) {
        f->kept = call;
        mf_call_send(call, &response);
        return;
    }
    if (mf_str_eq_c(request->service, "beat")) {
        mf_call_heartbeat(call, 5);
        return;
    }
    if (mf_str_eq_c(request->service, "parcel")) {
        struct mf_parcel *parcel = NULL;
        struct mf_error err;
        assert_int_equal(mf_call_pack(call, &response, &parcel, &err), MF_OK);
        mf_call_send_parcel(call, parcel);
        mf_call_send(call, &response);
        mf_call_send_parcel(call, parcel);
        mf_parcel_unref(parcel);
        assert_true(mf_call_dialect(call) < MF_DIALECTS);
        mf_call_end(call);
        return;
    }
    if (mf_str_eq_c(request->service, "fill")) {
        char *text = calloc(1, 10000);
        memset(text, 'x', 10000);
        response.error_message = mf_str_make(text, 10000);
        int n = 0;
        for (; mf_call_writable(call); n++)
            mf_call_send(call, &response);
        atomic_store(&f->filled, n);
        free(text);
        return;
    }
    for (int i = 0; i < 3; i++) {
        response.error_code = i;
        mf_call_send(call, &response);
    }
    mf_call_add_trailer(call, MF_STR("x-tail"), MF_STR("t"));
    mf_call_end(call);
}

/* Sums up the lengths of what the client sends. */
struct sum {
    int messages;
    int bytes;
};

static void up_message(void *ctx, struct mf_call *call, const void *msg)
{
    struct sum *sum = ctx;
    const request_t *request = msg;
    (void)call;
    sum->messages++;
    sum->bytes += (int)request->service.len;
}

static void up_end(void *ctx, struct mf_call *call)
{
    struct sum *sum = ctx;
    response_t response = {.error_code = sum->messages * 1000 + sum->bytes};
    mf_call_reply(call, &response);
}

static void up(void *ctx, struct mf_call *call)
{
    static const struct mf_call_ops ops = {.on_message = up_message, .on_half_close = up_end};
    (void)ctx;
    mf_call_bind(call, &ops, MF_NEW(mf_call_arena(call), struct sum));
}

static void both_message(void *ctx, struct mf_call *call, const void *msg)
{
    const request_t *request = msg;
    response_t response = {.error_message = request->service};
    struct fixture *f = ctx;
    if (mf_str_eq_c(request->service, "hold")) {
        mf_call_hold(call);
        f->kept = mf_call_ref(call);
    }
    mf_call_send(call, &response);
}

static void both_end(void *ctx, struct mf_call *call)
{
    (void)ctx;
    mf_call_end(call);
}

static void both(void *ctx, struct mf_call *call)
{
    static const struct mf_call_ops ops = {
        .on_message = both_message, .on_half_close = both_end, .on_done = down_done};
    mf_call_bind(call, &ops, ctx);
}

/* ---- the fixture ---- */

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct mf_error err;
    struct mf_rpc_config config = {.sys = mf_sys_real(), .workers = 3, .message_bytes = 100000};
    static const mf_handler handlers[] = {unary, unary, down, up, both};
    assert_int_equal(mf_rpc_new(&config, &f->rpc, &err), MF_OK);
    for (size_t i = 0; i < MISSING; i++)
        assert_int_equal(mf_rpc_handle(f->rpc, &service, i, handlers[i], f, &err), MF_OK);
    assert_int_equal(mf_rpc_standard_services(f->rpc, &err), MF_OK);
    assert_int_equal(mf_rpc_start(f->rpc, &err), MF_OK);
    f->loop = fake_loop_new();
    f->arena = mf_arena_new(0);
    *state = f;
    return 0;
}

static bool nothing_open(void *ctx)
{
    struct fixture *f = ctx;
    return atomic_load(&f->done) >= 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    fake_loop_until(f->loop, nothing_open, f);
    mf_rpc_free(f->rpc);
    fake_loop_free(f->loop);
    mf_arena_free(f->arena);
    free(f);
    return 0;
}

static struct mf_str text(struct fixture *f, const char *service_name)
{
    request_t request = {.service = mf_str_from_c(service_name)};
    struct mf_str out;
    assert_int_equal(pb_encode(f->arena, &pb_grpc_health_v1_HealthCheckRequest_type, &request, &out, NULL),
                     MF_OK);
    return out;
}

static struct mf_str wrap(struct fixture *f, uint8_t flags, struct mf_str bytes)
{
    char *out = mf_arena_bytes(f->arena, bytes.len + MF_ENVELOPE_HEADER);
    mf_envelope_header(out, flags, bytes.len);
    memcpy(out + MF_ENVELOPE_HEADER, bytes.ptr, bytes.len);
    return mf_str_make(out, bytes.len + MF_ENVELOPE_HEADER);
}

static const response_t *response_at(struct fixture *f, struct mf_str bytes)
{
    void *out = NULL;
    assert_int_equal(pb_decode(f->arena, &pb_grpc_reflection_v1alpha_ErrorResponse_type, bytes, &out, NULL),
                     MF_OK);
    return out;
}

/* The envelope number index of a body; NULL .ptr when there are fewer. */
static struct mf_str envelope(struct mf_str body, int index, uint8_t *flags)
{
    while (body.len >= MF_ENVELOPE_HEADER) {
        const unsigned char *h = (const unsigned char *)body.ptr;
        size_t len = (size_t)h[1] << 24 | (size_t)h[2] << 16 | (size_t)h[3] << 8 | h[4];
        assert_true(body.len >= len + MF_ENVELOPE_HEADER);
        if (index-- == 0) {
            *flags = h[0];
            return mf_str_make(body.ptr + MF_ENVELOPE_HEADER, len);
        }
        body = mf_str_skip(body, len + MF_ENVELOPE_HEADER);
    }
    return (struct mf_str){0};
}

#define HEADERS_MAX 8
struct ask {
    const char *method;
    const char *target;
    struct mf_header headers[HEADERS_MAX];
    struct mf_str body;
    size_t piece; /* bytes per piece of the body; 0: all at once */
};

static size_t header_count(const struct ask *ask)
{
    size_t n = 0;
    while (n < HEADERS_MAX && ask->headers[n].name.len > 0)
        n++;
    return n;
}

static struct mf_exchange *open_exchange(struct fixture *f, const struct ask *ask)
{
    struct mf_exchange *exchange = fake_exchange_new(f->loop, ask->method ? ask->method : "POST", ask->target,
                                                     ask->headers, header_count(ask));
    fake_open(exchange, mf_rpc_on_request, f->rpc);
    return exchange;
}

static bool not_paused(void *ctx)
{
    const struct mf_exchange *exchange = ctx;
    return !exchange->paused;
}

/* Sends the whole request as a net layer would, and waits for the answer. */
static struct mf_exchange *run(struct fixture *f, const struct ask *ask)
{
    struct mf_exchange *exchange = open_exchange(f, ask);
    struct mf_str body = ask->body;
    while (body.len > 0 && !exchange->ended) {
        struct mf_str piece = ask->piece > 0 ? mf_str_take(body, ask->piece) : body;
        assert_true(fake_loop_until(f->loop, not_paused, exchange));
        fake_body(exchange, piece);
        body = mf_str_skip(body, piece.len);
    }
    assert_true(fake_loop_until(f->loop, not_paused, exchange));
    fake_end(exchange);
    assert_true(fake_until_ended(exchange));
    assert_false(exchange->was_reset);
    return exchange;
}

#define TYPE(value)                                                                                          \
    {                                                                                                        \
        MF_STR("content-type"), MF_STR(value)                                                                \
    }

/* ---- Connect, unary ---- */

static void connect_unary(void **state)
{
    struct fixture *f = *state;
    struct ask ask = {
        .target = "/test.Echo/Unary", .headers = {TYPE("application/proto")}, .body = text(f, "hello")};
    for (ask.piece = 0; ask.piece < 4; ask.piece++) {
        struct mf_exchange *exchange = run(f, &ask);
        assert_int_equal(exchange->status, 200);
        assert_true(mf_str_eq_c(fake_header(&exchange->headers, "content-type"), "application/proto"));
        assert_true(mf_str_eq_c(fake_header(&exchange->headers, "x-head"), "h"));
        assert_true(mf_str_eq_c(fake_header(&exchange->headers, "trailer-x-tail"), "t"));
        assert_true(mf_str_eq_c(response_at(f, mf_buf_str(&exchange->body))->error_message, "hello"));
        fake_close(exchange);
    }
}

/* ---- callers ---- */

static enum mf_identified identify(void *ctx, struct mf_call *call, struct mf_caller *caller,
                                   struct mf_error *err)
{
    struct fixture *f = ctx;
    struct mf_str how = mf_call_header(call, "x-how");
    if (mf_str_eq_c(how, "refuse")) {
        mf_fail(err, MF_UNAUTHENTICATED, "who are you");
        return MF_IDENTIFY_REFUSED;
    }
    if (mf_str_eq_c(how, "later")) {
        f->caller = caller;
        atomic_store(&f->identifying, mf_call_ref(call));
        return MF_IDENTIFY_LATER;
    }
    caller->subject = mf_call_task_key(call).len > 0 ? mf_call_task_key(call) : how;
    return MF_IDENTIFIED;
}

static bool is_identifying(void *ctx)
{
    struct fixture *f = ctx;
    return atomic_load(&f->identifying) != NULL;
}

static void identified(struct fixture *f, const char *subject, const struct mf_error *refused)
{
    struct mf_call *call = atomic_exchange(&f->identifying, NULL);
    f->caller->subject = mf_str_from_c(subject);
    mf_call_identified(call, refused);
    mf_call_unref(call);
}

static void callers_are_known_to_handlers(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *target, *how, *subject;
    } rows[] = {
        {"/test.Echo/Unary", "alice", "alice"},
        {"/test.Echo/Unary", "", ""},
        {"/task-key/k.1_-/test.Echo/Unary", "alice", "k.1_-"},
    };
    mf_rpc_set_identify(f->rpc, identify, f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ask ask = {
            .target = rows[i].target,
            .headers = {TYPE("application/proto"), {MF_STR("x-how"), mf_str_from_c(rows[i].how)}},
            .body = text(f, "who")};
        struct mf_exchange *exchange = run(f, &ask);
        assert_int_equal(exchange->status, 200);
        assert_true(mf_str_eq_c(response_at(f, mf_buf_str(&exchange->body))->error_message, rows[i].subject));
        fake_close(exchange);
    }
    static const char *const nowhere[] = {"/task-key/", "/task-key/k", "/task-key//",
                                          "/task-key/k/test.Echo"};
    for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) {
        struct ask ask = {
            .target = nowhere[i], .headers = {TYPE("application/proto")}, .body = text(f, "who")};
        struct mf_exchange *exchange = run(f, &ask);
        assert_int_equal(exchange->status, 404);
        fake_close(exchange);
    }
}

static void refused_callers_reach_no_handler(void **state)
{
    struct fixture *f = *state;
    struct mf_error err;
    mf_rpc_set_identify(f->rpc, identify, f);
    struct ask ask = {.target = "/test.Echo/Unary",
                      .headers = {TYPE("application/json"), {MF_STR("x-how"), MF_STR("refuse")}},
                      .body = MF_STR("not even JSON")};
    struct mf_exchange *exchange = run(f, &ask);
    assert_int_equal(exchange->status, 401);
    fake_close(exchange);
    ask.headers[1].value = MF_STR("later");
    exchange = open_exchange(f, &ask);
    fake_body(exchange, ask.body);
    fake_end(exchange);
    assert_true(fake_loop_until(f->loop, is_identifying, f));
    mf_fail(&err, MF_UNAVAILABLE, "the issuer sleeps");
    identified(f, "", &err);
    assert_true(fake_until_ended(exchange));
    assert_int_equal(exchange->status, 503);
    fake_close(exchange);
}

/* What comes while the caller is being identified is neither lost nor handled before. */
static void identified_later(void **state)
{
    struct fixture *f = *state;
    uint8_t flags = 0xff;
    mf_rpc_set_identify(f->rpc, identify, f);
    struct ask ask = {.target = "/test.Echo/Up",
                      .headers = {TYPE("application/grpc"), {MF_STR("x-how"), MF_STR("later")}}};
    struct mf_exchange *exchange = open_exchange(f, &ask);
    fake_body(exchange, wrap(f, 0, text(f, "abc")));
    assert_true(fake_loop_until(f->loop, is_identifying, f));
    fake_body(exchange, wrap(f, 0, text(f, "de")));
    fake_end(exchange);
    assert_false(exchange->ended);
    identified(f, "alice", NULL);
    assert_true(fake_until_ended(exchange));
    assert_int_equal(response_at(f, envelope(mf_buf_str(&exchange->body), 0, &flags))->error_code, 2005);
    fake_close(exchange);

    /* The client does not wait for it. */
    exchange = open_exchange(f, &ask);
    assert_true(fake_loop_until(f->loop, is_identifying, f));
    fake_close(exchange);
    identified(f, "alice", NULL);
}

static void connect_unary_json(void **state)
{
    struct fixture *f = *state;
    struct ask ask = {.target = "/test.Echo/Unary",
                      .headers = {TYPE("application/json; charset=utf-8")},
                      .body = MF_STR("{\"service\":\"hi\",\"unknown\":[1]}")};
    struct mf_exchange *exchange = run(f, &ask);
    assert_int_equal(exchange->status, 200);
    assert_true(mf_str_eq_c(mf_buf_str(&exchange->body), "{\"errorCode\":7,\"errorMessage\":\"hi\"}"));
    fake_close(exchange);
}

static void connect_unary_error(void **state)
{
    struct fixture *f = *state;
    struct ask ask = {
        .target = "/test.Echo/Unary", .headers = {TYPE("application/proto")}, .body = text(f, "fail")};
    struct mf_exchange *exchange = run(f, &ask);
    assert_int_equal(exchange->status, 404);
    assert_true(mf_str_eq_c(fake_header(&exchange->headers, "content-type"), "application/json"));
    assert_true(mf_str_eq_c(fake_header(&exchange->headers, "x-head"), "h"));
    assert_true(mf_str_eq_c(fake_header(&exchange->headers, "trailer-x-tail"), "t"));
    assert_true(
        mf_str_eq_c(mf_buf_str(&exchange->body),
                    "{\"code\":\"not_found\",\"message\":\"no such thing\",\"details\":[{\"type\":"
                    "\"grpc.health.v1.HealthCheckRequest\",\"value\":\"CgN3aHk\",\"debug\":{\"service\":"
                    "\"why\"}}]}"));
    fake_close(exchange);
}

static void connect_compressed(void **state)
{
    struct fixture *f = *state;
    struct mf_compressor *pool = mf_compressor_new();
    char *long_text = mf_arena_bytes(f->arena, 50001);
    memset(long_text, 'y', 50000);
    long_text[50000] = 0;
    struct ask ask = {.target = "/test.Echo/Unary",
                      .headers = {TYPE("application/proto"),
                                  {MF_STR("content-encoding"), MF_STR("gzip")},
                                  {MF_STR("accept-encoding"), MF_STR("gzip,identity")}}};
    assert_int_equal(mf_compress(pool, MF_COMPRESSION_GZIP, f->arena, text(f, long_text), &ask.body, NULL),
                     MF_OK);
    struct mf_exchange *exchange = run(f, &ask);
    struct mf_str plain;
    assert_int_equal(exchange->status, 200);
    assert_true(mf_str_eq_c(fake_header(&exchange->headers, "content-encoding"), "gzip"));
    assert_true(exchange->body.len < 1000);
    assert_int_equal(
        mf_decompress(pool, MF_COMPRESSION_GZIP, f->arena, mf_buf_str(&exchange->body), 100000, &plain, NULL),
        MF_OK);
    assert_int_equal(response_at(f, plain)->error_message.len, 50000);
    fake_close(exchange);
    mf_compressor_free(pool);
}

struct refusal {
    struct ask ask;
    int status;
    const char *code; /* in the body */
};

static void connect_refusals(void **state)
{
    struct fixture *f = *state;
    char *huge = mf_arena_bytes(f->arena, 100002);
    memset(huge, 0, 100002);
    const struct refusal rows[] = {
        {{.target = "/test.Echo/Missing", .headers = {TYPE("application/proto")}}, 501, "unimplemented"},
        {{.target = "/test.Echo/Nothing", .headers = {TYPE("application/proto")}}, 404, "unimplemented"},
        {{.target = "/no.Service/Nothing", .headers = {TYPE("application/json")}}, 404, "unimplemented"},
        {{.target = "/elsewhere", .method = "GET"}, 404, NULL},
        {{.target = "/test.Echo/Unary", .headers = {TYPE("application/xml")}}, 415, NULL},
        {{.target = "/test.Echo/Unary"}, 415, NULL},
        {{.target = "/test.Echo/Unary", .headers = {TYPE("application/connect+proto")}}, 415, NULL},
        {{.target = "/test.Echo/Down", .headers = {TYPE("application/proto")}}, 415, NULL},
        {{.target = "/test.Echo/Unary", .method = "GET"}, 405, NULL},
        {{.target = "/test.Echo/Unary", .method = "DELETE", .headers = {TYPE("application/proto")}},
         405,
         NULL},
        {{.target = "/test.Echo/Unary",
          .headers = {TYPE("application/proto"), {MF_STR("connect-protocol-version"), MF_STR("2")}}},
         400,
         "invalid_argument"},
        {{.target = "/test.Echo/Unary",
          .headers = {TYPE("application/proto"), {MF_STR("connect-timeout-ms"), MF_STR("soon")}}},
         400,
         "invalid_argument"},
        {{.target = "/test.Echo/Unary",
          .headers = {TYPE("application/proto"), {MF_STR("content-encoding"), MF_STR("br")}}},
         501,
         "unimplemented"},
        {{.target = "/test.Echo/Unary",
          .headers = {TYPE("application/proto"), {MF_STR("content-encoding"), MF_STR("gzip")}},
          .body = MF_STR("plain")},
         400,
         "invalid_argument"},
        {{.target = "/test.Echo/Unary", .headers = {TYPE("application/proto")}, .body = MF_STR("\x0a\xff")},
         400,
         "invalid_argument"},
        {{.target = "/test.Echo/Unary", .headers = {TYPE("application/json")}, .body = MF_STR("{")},
         400,
         "invalid_argument"},
        {{.target = "/test.Echo/Unary", .headers = {TYPE("application/json")}}, 400, "invalid_argument"},
        {{.target = "/test.Echo/Unary", .headers = {TYPE("application/proto")}, .body = {huge, 100001}},
         429,
         "resource_exhausted"},
        {{.target = "/test.Echo/Unary",
          .headers = {TYPE("application/proto"), {MF_STR("content-length"), MF_STR("100001")}}},
         429,
         "resource_exhausted"},
        {{.target = "/test.Echo/Get?encoding=xml&message=x", .method = "GET"}, 415, NULL},
        {{.target = "/test.Echo/Get?encoding=json", .method = "GET"}, 400, "invalid_argument"},
        {{.target = "/test.Echo/Get?encoding=json&message=%7B%7D&connect=v2", .method = "GET"},
         400,
         "invalid_argument"},
        {{.target = "/test.Echo/Get?encoding=json&message=%7B%7D&compression=br", .method = "GET"},
         501,
         "unimplemented"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mf_exchange *exchange = run(f, &rows[i].ask);
        if (exchange->status != rows[i].status)
            fail_msg("row %zu: %d instead of %d", i, exchange->status, rows[i].status);
        if (rows[i].code) {
            struct mf_str want = mf_str_printf(f->arena, "{\"code\":\"%s\",\"message\":\"", rows[i].code);
            assert_true(mf_str_starts(mf_buf_str(&exchange->body), want));
        }
        if (exchange->status == 405)
            assert_true(mf_str_eq_c(fake_header(&exchange->headers, "allow"), "POST"));
        if (exchange->status == 415)
            assert_true(fake_header(&exchange->headers, "accept-post").len > 0);
        fake_close(exchange);
    }
}

static void connect_get(void **state)
{
    struct fixture *f = *state;
    static const char *const targets[] = {
        "/test.Echo/Get?connect=v1&encoding=json&message=%7B%22service%22:%22hi%22%7D",
        "/test.Echo/Get?encoding=json&base64=1&message=eyJzZXJ2aWNlIjoiaGkifQ",
    };
    for (size_t i = 0; i < 2; i++) {
        struct ask ask = {.target = targets[i], .method = "GET"};
        struct mf_exchange *exchange = run(f, &ask);
        assert_int_equal(exchange->status, 200);
        assert_true(mf_str_eq_c(mf_buf_str(&exchange->body), "{\"errorCode\":7,\"errorMessage\":\"hi\"}"));
        fake_close(exchange);
    }
}

static void deadline(void **state)
{
    struct fixture *f = *state;
    struct ask ask = {.target = "/test.Echo/Unary",
                      .headers = {TYPE("application/proto"), {MF_STR("connect-timeout-ms"), MF_STR("500")}},
                      .body = text(f, "keep")};
    struct mf_exchange *exchange = run(f, &ask);
    assert_int_equal(exchange->status, 504);
    while (!f->kept) /* the worker may be later than the deadline */
        sched_yield();
    assert_true(mf_call_is_over(f->kept));
    response_t late = {0};
    mf_call_reply(f->kept, &late);
    fake_close(exchange);
    mf_call_reply(f->kept, &late);
    mf_call_unref(f->kept);
}

static void client_gone(void **state)
{
    struct fixture *f = *state;
    struct ask ask = {.target = "/test.Echo/Down",
                      .headers = {TYPE("application/connect+proto")},
                      .body = wrap(f, 0, text(f, "open"))};
    struct mf_exchange *exchange = open_exchange(f, &ask);
    fake_body(exchange, ask.body);
    fake_close(exchange); /* before the end of the request: the handler never runs */
    assert_int_equal(atomic_load(&f->done), 0);
}

/* ---- streams ---- */

static bool have_body(void *ctx)
{
    const struct mf_exchange *exchange = ctx;
    return exchange->body.len > 0;
}

static bool is_done(void *ctx)
{
    struct fixture *f = ctx;
    return atomic_load(&f->done) > 0;
}

static void client_gone_mid_stream(void **state)
{
    struct fixture *f = *state;
    struct ask ask = {.target = "/test.Echo/Down", .headers = {TYPE("application/grpc")}};
    struct mf_exchange *exchange = open_exchange(f, &ask);
    fake_body(exchange, wrap(f, 0, text(f, "open")));
    fake_end(exchange);
    assert_true(fake_loop_until(f->loop, have_body, exchange));
    fake_close(exchange);
    while (!is_done(f))
        sched_yield();
    assert_int_equal(atomic_load(&f->done), 1);
    assert_int_equal(atomic_load(&f->ready), 0);
}

static void wakes_are_coalesced(void **state)
{
    struct fixture *f = *state;
    struct ask ask = {.target = "/test.Echo/Down", .headers = {TYPE("application/connect+proto")}};
    struct mf_exchange *exchange = open_exchange(f, &ask);
    fake_body(exchange, wrap(f, 0, text(f, "open")));
    fake_end(exchange);
    assert_true(fake_loop_until(f->loop, have_body, exchange));
    mf_call_wake(f->kept);
    assert_true(fake_until_ended(exchange));
    uint8_t flags = 0xff;
    assert_true(
        mf_str_eq_c(response_at(f, envelope(mf_buf_str(&exchange->body), 1, &flags))->error_message, "more"));
    fake_close(exchange);
    while (!is_done(f))
        sched_yield();
    assert_int_equal(atomic_load(&f->ready), 1);
}

static bool is_filled(void *ctx)
{
    struct fixture *f = ctx;
    return atomic_load(&f->filled) > 0;
}

static void slow_reader(void **state)
{
    struct fixture *f = *state;
    struct ask ask = {.target = "/test.Echo/Down", .headers = {TYPE("application/grpc")}};
    struct mf_exchange *exchange = open_exchange(f, &ask);
    exchange->queued = 300000; /* the peer reads nothing */
    fake_body(exchange, wrap(f, 0, text(f, "fill")));
    fake_end(exchange);
    assert_true(fake_loop_until(f->loop, is_filled, f));
    assert_in_range(atomic_load(&f->filled), 1, 30);
    assert_true(fake_loop_until(f->loop, have_body, exchange));
    assert_int_equal(atomic_load(&f->ready), 0);
    exchange->queued = 1000;
    exchange->ops->on_drain(exchange->ctx, exchange);
    assert_true(fake_until_ended(exchange));
    assert_int_equal(atomic_load(&f->ready), 1);
    fake_close(exchange);
}

static void server_stream(void **state)
{
    struct fixture *f = *state;
    uint8_t flags = 0xff;
    struct ask ask = {.target = "/test.Echo/Down",
                      .headers = {TYPE("application/connect+proto")},
                      .body = wrap(f, 0, text(f, "abc"))};
    for (ask.piece = 0; ask.piece < 3; ask.piece++) {
        struct mf_exchange *exchange = run(f, &ask);
        struct mf_str body = mf_buf_str(&exchange->body);
        assert_int_equal(exchange->status, 200);
        for (int i = 0; i < 3; i++) {
            const response_t *response = response_at(f, envelope(body, i, &flags));
            assert_int_equal(flags, 0);
            assert_int_equal(response->error_code, i);
        }
        assert_true(mf_str_eq_c(envelope(body, 3, &flags), "{\"metadata\":{\"x-tail\":[\"t\"]}}"));
        assert_int_equal(flags, MF_ENVELOPE_CONNECT_END);
        fake_close(exchange);
    }
}

/* What is encoded once goes out as if it had been sent each time, and in its place. */
static void parcels_are_messages(void **state)
{
    struct fixture *f = *state;
    uint8_t flags = 0xff;
    const struct ask ask = {.target = "/test.Echo/Down",
                            .headers = {TYPE("application/connect+proto")},
                            .body = wrap(f, 0, text(f, "parcel"))};
    struct mf_exchange *exchange = run(f, &ask);
    struct mf_str body = mf_buf_str(&exchange->body);
    for (int i = 0; i < 3; i++) {
        const response_t *response = response_at(f, envelope(body, i, &flags));
        assert_int_equal(flags, 0);
        assert_int_equal(response->error_code, 1);
        assert_true(mf_str_eq_c(response->error_message, "parcel"));
    }
    assert_true(mf_str_eq_c(envelope(body, 3, &flags), "{}"));
    assert_int_equal(flags, MF_ENVELOPE_CONNECT_END);
    fake_close(exchange);
}

static void client_stream_at_every_split(void **state)
{
    struct fixture *f = *state;
    struct mf_str a = wrap(f, 0, text(f, "abc")), b = wrap(f, 0, text(f, "de")), body;
    char *both_messages = mf_arena_bytes(f->arena, a.len + b.len);
    memcpy(both_messages, a.ptr, a.len);
    memcpy(both_messages + a.len, b.ptr, b.len);
    body = mf_str_make(both_messages, a.len + b.len);
    struct ask ask = {.target = "/test.Echo/Up", .headers = {TYPE("application/grpc")}, .body = body};
    for (ask.piece = 1; ask.piece <= body.len; ask.piece++) {
        struct mf_exchange *exchange = run(f, &ask);
        uint8_t flags = 0xff;
        assert_int_equal(response_at(f, envelope(mf_buf_str(&exchange->body), 0, &flags))->error_code, 2005);
        assert_true(mf_str_eq_c(fake_header(&exchange->trailers, "grpc-status"), "0"));
        fake_close(exchange);
    }
    /* None at all, and half of one. */
    ask.body = MF_STR_EMPTY;
    struct mf_exchange *exchange = run(f, &ask);
    assert_true(mf_str_eq_c(fake_header(&exchange->trailers, "grpc-status"), "0"));
    fake_close(exchange);
    ask.body = mf_str_take(body, 3);
    exchange = run(f, &ask);
    assert_true(mf_str_eq_c(fake_header(&exchange->headers, "grpc-status"), "3"));
    fake_close(exchange);
}

static void bidi_full_duplex(void **state)
{
    struct fixture *f = *state;
    struct ask ask = {.target = "/test.Echo/Both", .headers = {TYPE("application/grpc+proto")}};
    struct mf_exchange *exchange = open_exchange(f, &ask);
    for (int i = 0; i < 5; i++) {
        uint8_t flags = 0xff;
        struct mf_str name = mf_str_printf(f->arena, "message %d", i);
        fake_body(exchange, wrap(f, 0, text(f, mf_str_to_c(f->arena, name))));
        mf_buf_clear(&exchange->body);
        assert_true(fake_loop_until(f->loop, have_body, exchange));
        assert_true(
            mf_str_eq(response_at(f, envelope(mf_buf_str(&exchange->body), 0, &flags))->error_message, name));
        assert_true(fake_loop_until(f->loop, not_paused, exchange));
    }
    fake_end(exchange);
    assert_true(fake_until_ended(exchange));
    assert_true(mf_str_eq_c(fake_header(&exchange->trailers, "grpc-status"), "0"));
    fake_close(exchange);
}

static void heartbeat_asks_without_news(void **state)
{
    struct fixture *f = *state;
    struct ask ask = {.target = "/test.Echo/Down",
                      .headers = {TYPE("application/grpc")},
                      .body = wrap(f, 0, text(f, "beat"))};
    struct mf_exchange *exchange = run(f, &ask);
    uint8_t flags = 0xff;
    assert_true(
        mf_str_eq_c(response_at(f, envelope(mf_buf_str(&exchange->body), 0, &flags))->error_message, "more"));
    assert_int_equal(atomic_load(&f->ready), 1);
    fake_close(exchange);
}

static bool have_two(void *ctx)
{
    const struct mf_exchange *exchange = ctx;
    uint8_t flags = 0;
    return envelope(mf_buf_str(&exchange->body), 1, &flags).ptr != NULL;
}

static void held_input_waits(void **state)
{
    struct fixture *f = *state;
    struct ask ask = {.target = "/test.Echo/Both", .headers = {TYPE("application/grpc")}};
    struct mf_exchange *exchange = open_exchange(f, &ask);
    fake_body(exchange, wrap(f, 0, text(f, "hold")));
    assert_true(fake_loop_until(f->loop, have_body, exchange));
    /* Taken from the network, but not handed on; what follows is not even taken. */
    fake_body(exchange, wrap(f, 0, text(f, "second")));
    assert_true(exchange->paused);
    assert_false(have_two(exchange));
    mf_call_release(f->kept);
    assert_true(fake_loop_until(f->loop, have_two, exchange));
    assert_true(fake_loop_until(f->loop, not_paused, exchange));
    mf_call_release(f->kept); /* nothing to release: nothing happens */
    mf_call_unref(f->kept);
    fake_end(exchange);
    assert_true(fake_until_ended(exchange));
    fake_close(exchange);
}

static void drain_ends_streams(void **state)
{
    struct fixture *f = *state;
    struct ask connect = {.target = "/test.Echo/Both", .headers = {TYPE("application/connect+proto")}};
    struct ask grpc = {.target = "/test.Echo/Both", .headers = {TYPE("application/grpc")}};
    struct mf_exchange *a = open_exchange(f, &connect), *b = open_exchange(f, &grpc);
    mf_rpc_drain(f->rpc);
    struct mf_exchange *c = open_exchange(f, &grpc);
    assert_true(fake_until_ended(a) && fake_until_ended(b) && fake_until_ended(c));
    uint8_t flags = 0;
    assert_true(mf_str_eq_c(envelope(mf_buf_str(&a->body), 0, &flags), "{}"));
    assert_true(mf_str_eq_c(fake_header(&b->headers, "grpc-status"), "14"));
    assert_true(mf_str_eq_c(fake_header(&c->headers, "grpc-status"), "14"));
    fake_close(a);
    fake_close(b);
    fake_close(c);
}

/* ---- gRPC ---- */

static void grpc_unary(void **state)
{
    struct fixture *f = *state;
    uint8_t flags = 0xff;
    struct ask ask = {.target = "/test.Echo/Unary",
                      .headers = {TYPE("application/grpc")},
                      .body = wrap(f, 0, text(f, "hello"))};
    for (ask.piece = 0; ask.piece < 8; ask.piece++) {
        struct mf_exchange *exchange = run(f, &ask);
        assert_int_equal(exchange->status, 200);
        assert_true(mf_str_eq_c(fake_header(&exchange->headers, "content-type"), "application/grpc"));
        assert_true(mf_str_eq_c(
            response_at(f, envelope(mf_buf_str(&exchange->body), 0, &flags))->error_message, "hello"));
        assert_true(mf_str_eq_c(fake_header(&exchange->trailers, "grpc-status"), "0"));
        assert_true(mf_str_eq_c(fake_header(&exchange->trailers, "x-tail"), "t"));
        fake_close(exchange);
    }
}

static void grpc_errors(void **state)
{
    struct fixture *f = *state;
    struct mf_str good = wrap(f, 0, text(f, "x"));
    const struct {
        struct ask ask;
        const char *status;
    } rows[] = {
        {{.target = "/test.Echo/Unary", .body = wrap(f, 0, text(f, "fail"))}, "5"},
        {{.target = "/test.Echo/Missing", .body = good}, "12"},
        {{.target = "/test.Echo/Nothing", .body = good}, "12"},
        {{.target = "/test.Echo/Unary"}, "12"}, /* no message */
        {{.target = "/test.Echo/Unary", .body = mf_str_take(good, 3)}, "3"},
        {{.target = "/test.Echo/Unary", .body = wrap(f, 1, text(f, "x"))}, "13"}, /* compressed, but how? */
        {{.target = "/test.Echo/Unary", .body = wrap(f, 4, text(f, "x"))}, "13"}, /* unknown flag */
        {{.target = "/test.Echo/Unary", .body = MF_STR("\x00\x00\xff\x00\x00")}, "8"},
        {{.target = "/test.Echo/Unary",
          .headers = {{{0}, {0}}, {MF_STR("grpc-timeout"), MF_STR("5x")}},
          .body = good},
         "3"},
        {{.target = "/test.Echo/Unary",
          .headers = {{{0}, {0}}, {MF_STR("grpc-encoding"), MF_STR("br")}},
          .body = good},
         "12"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ask ask = rows[i].ask;
        ask.headers[0] = (struct mf_header)TYPE("application/grpc");
        struct mf_exchange *exchange = run(f, &ask);
        struct mf_str status = fake_header(&exchange->trailers, "grpc-status");
        if (!status.ptr)
            status = fake_header(&exchange->headers, "grpc-status");
        assert_int_equal(exchange->status, 200);
        if (!mf_str_eq_c(status, rows[i].status))
            fail_msg("row %zu: %.*s instead of %s", i, MF_FMT(status), rows[i].status);
        fake_close(exchange);
    }
}

static void grpc_two_messages(void **state)
{
    struct fixture *f = *state;
    struct mf_str one = wrap(f, 0, text(f, "x"));
    struct ask ask = {.target = "/test.Echo/Unary", .headers = {TYPE("application/grpc")}};
    struct mf_exchange *exchange = open_exchange(f, &ask);
    fake_body(exchange, one);
    fake_body(exchange, one);
    fake_end(exchange);
    assert_true(fake_until_ended(exchange));
    assert_true(mf_str_eq_c(fake_header(&exchange->headers, "grpc-status"), "12"));
    fake_close(exchange);
}

static void grpc_web(void **state)
{
    struct fixture *f = *state;
    uint8_t flags = 0;
    struct ask ask = {.target = "/test.Echo/Unary",
                      .headers = {TYPE("application/grpc-web+proto")},
                      .body = wrap(f, 0, text(f, "hi"))};
    struct mf_exchange *exchange = run(f, &ask);
    struct mf_str body = mf_buf_str(&exchange->body);
    assert_true(mf_str_eq_c(response_at(f, envelope(body, 0, &flags))->error_message, "hi"));
    assert_true(mf_str_eq_c(envelope(body, 1, &flags), "grpc-status: 0\r\nx-tail: t\r\n"));
    assert_int_equal(flags, MF_ENVELOPE_WEB_TRAILER);
    fake_close(exchange);
}

static void grpc_web_text(void **state)
{
    struct fixture *f = *state;
    uint8_t flags = 0;
    struct ask ask = {.target = "/test.Echo/Unary",
                      .headers = {TYPE("application/grpc-web-text")},
                      .body = mf_base64(f->arena, wrap(f, 0, text(f, "hi")))};
    for (ask.piece = 1; ask.piece < 7; ask.piece++) {
        struct mf_exchange *exchange = run(f, &ask);
        struct mf_str body = mf_buf_str(&exchange->body), plain = {0}, piece;
        /* Each write is one padded piece: message and trailers. */
        size_t message = mf_base64_size(MF_ENVELOPE_HEADER + 6);
        assert_true(mf_base64_decode(f->arena, mf_str_take(body, message), &plain));
        assert_true(mf_str_eq_c(response_at(f, envelope(plain, 0, &flags))->error_message, "hi"));
        assert_true(mf_base64_decode(f->arena, mf_str_skip(body, message), &piece));
        assert_true(mf_str_eq_c(envelope(piece, 0, &flags), "grpc-status: 0\r\nx-tail: t\r\n"));
        fake_close(exchange);
    }
}

/* ---- what the server brings along ---- */

static void health(void **state)
{
    struct fixture *f = *state;
    struct ask ask = {.target = "/grpc.health.v1.Health/Check",
                      .headers = {TYPE("application/json")},
                      .body = MF_STR("{\"service\":\"test.Echo\"}")};
    struct mf_exchange *exchange = run(f, &ask);
    assert_true(mf_str_eq_c(mf_buf_str(&exchange->body), "{\"status\":\"SERVING\"}"));
    fake_close(exchange);
    ask.body = MF_STR("{\"service\":\"nobody\"}");
    exchange = run(f, &ask);
    assert_int_equal(exchange->status, 404);
    fake_close(exchange);

    struct ask watch = {.target = "/grpc.health.v1.Health/Watch",
                        .headers = {TYPE("application/connect+json")}};
    exchange = open_exchange(f, &watch);
    fake_body(exchange, wrap(f, 0, MF_STR("{}")));
    fake_end(exchange);
    uint8_t flags = 0;
    assert_true(fake_loop_until(f->loop, have_body, exchange));
    assert_true(mf_str_eq_c(envelope(mf_buf_str(&exchange->body), 0, &flags), "{\"status\":\"SERVING\"}"));
    mf_buf_clear(&exchange->body);
    mf_rpc_set_serving(f->rpc, false);
    assert_true(fake_loop_until(f->loop, have_body, exchange));
    assert_true(
        mf_str_eq_c(envelope(mf_buf_str(&exchange->body), 0, &flags), "{\"status\":\"NOT_SERVING\"}"));
    mf_rpc_drain(f->rpc);
    assert_true(fake_until_ended(exchange));
    fake_close(exchange);
}

static struct mf_str reflect(struct fixture *f, const char *version, const char *question)
{
    struct ask ask = {.target = version, .headers = {TYPE("application/connect+json")}};
    ask.body = wrap(f, 0, mf_str_from_c(question));
    struct mf_exchange *exchange = run(f, &ask);
    uint8_t flags = 0;
    struct mf_str body = mf_str_copy(f->arena, envelope(mf_buf_str(&exchange->body), 0, &flags));
    fake_close(exchange);
    return body;
}

#define HAS(text, part) assert_true(mf_str_find((text), MF_STR(part)) != SIZE_MAX)

static void reflection(void **state)
{
    struct fixture *f = *state;
    static const char *const versions[] = {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                                           "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};
    for (int i = 0; i < 2; i++) {
        struct mf_str answer = reflect(f, versions[i], "{\"listServices\":\"*\"}");
        HAS(answer, "\"test.Echo\"");
        HAS(answer, "\"grpc.reflection.v1.ServerReflection\"");
        answer = reflect(f, versions[i], "{\"fileContainingSymbol\":\"grpc.health.v1.Health.Check\"}");
        HAS(answer, "fileDescriptorProto");
        answer = reflect(f, versions[i],
                         "{\"fileContainingSymbol\":\"grpc.health.v1.HealthCheckResponse.SERVING\"}");
        HAS(answer, "fileDescriptorProto");
        answer = reflect(f, versions[i], "{\"fileContainingSymbol\":\"grpc.health.v1\"}");
        HAS(answer, "\"errorCode\":5");
        answer = reflect(f, versions[i], "{\"fileContainingSymbol\":\"grpc.health.v1.Health.Chec\"}");
        HAS(answer, "\"errorCode\":5");
        answer = reflect(f, versions[i], "{\"fileByFilename\":\"google/protobuf/descriptor.proto\"}");
        HAS(answer, "fileDescriptorProto");
        answer = reflect(f, versions[i], "{\"fileByFilename\":\"nothing.proto\"}");
        HAS(answer, "\"errorCode\":5");
        answer = reflect(f, versions[i], "{\"allExtensionNumbersOfType\":\"google.protobuf.FieldOptions\"}");
        HAS(answer, "1159");
        answer = reflect(f, versions[i],
                         "{\"fileContainingExtension\":{\"containingType\":\"google.protobuf.FieldOptions\","
                         "\"extensionNumber\":1159}}");
        HAS(answer, "fileDescriptorProto");
        answer = reflect(f, versions[i], "{}");
        HAS(answer, "errorResponse");
    }
}

struct counted {
    uint64_t started, ok, failed, bucketed;
};

static void count(void *ctx, const struct mf_rpc_method_stats *stats)
{
    struct counted *counted = ctx;
    if (strcmp(stats->path, "/test.Echo/Unary") != 0)
        return;
    *counted = (struct counted){stats->started, stats->ok, stats->failed, 0};
    for (size_t i = 0; i < 16; i++)
        counted->bucketed += stats->buckets[i];
}

static void statistics(void **state)
{
    struct fixture *f = *state;
    struct ask ask = {
        .target = "/test.Echo/Unary", .headers = {TYPE("application/proto")}, .body = text(f, "x")};
    fake_close(run(f, &ask));
    ask.body = text(f, "fail");
    fake_close(run(f, &ask));
    struct counted counted = {0};
    mf_rpc_each_method(f->rpc, count, &counted);
    assert_int_equal(counted.started, 2);
    assert_int_equal(counted.ok, 1);
    assert_int_equal(counted.failed, 1);
    assert_int_equal(counted.bucketed, 2);
}

static void options_without_cors(void **state)
{
    struct fixture *f = *state;
    struct ask ask = {.target = "/test.Echo/Unary",
                      .method = "OPTIONS",
                      .headers = {{MF_STR("origin"), MF_STR("https://evil.example")}}};
    struct mf_exchange *exchange = run(f, &ask);
    assert_int_equal(exchange->status, 204);
    assert_null(fake_header(&exchange->headers, "access-control-allow-origin").ptr);
    fake_close(exchange);
}

/* ---- bad input ---- */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Whatever arrives, in whatever pieces, gets an answer. */
static void garbage(void **state)
{
    struct fixture *f = *state;
    static const char *const targets[] = {"/test.Echo/Unary", "/test.Echo/Down", "/test.Echo/Up",
                                          "/test.Echo/Both"};
    static const struct mf_str types[] = {
        MF_STR("application/proto"),         MF_STR("application/json"),
        MF_STR("application/connect+proto"), MF_STR("application/connect+json"),
        MF_STR("application/grpc"),          MF_STR("application/grpc-web"),
        MF_STR("application/grpc-web-text"), MF_STR("application/grpc+json"),
    };
    static const struct mf_str encodings[] = {MF_STR("gzip"), MF_STR("zstd"), MF_STR("identity"),
                                              MF_STR("?")};
    uint32_t seed = 4711;
    for (int i = 0; i < 3000; i++) {
        struct mf_str valid = wrap(f, 0, text(f, "some text"));
        char body[64];
        size_t len = next_random(&seed) % sizeof body;
        for (size_t k = 0; k < len; k++)
            body[k] = k < valid.len && next_random(&seed) % 8 != 0 ? valid.ptr[k] : (char)next_random(&seed);
        struct mf_str encoding = encodings[next_random(&seed) % 4];
        struct ask ask = {.target = targets[next_random(&seed) % 4],
                          .headers = {{MF_STR("content-type"), types[next_random(&seed) % 8]},
                                      {MF_STR("content-encoding"), encoding},
                                      {MF_STR("connect-content-encoding"), encoding},
                                      {MF_STR("grpc-encoding"), encoding}},
                          .body = mf_str_make(body, len),
                          .piece = next_random(&seed) % 8};
        struct mf_exchange *exchange = run(f, &ask);
        assert_in_range(exchange->status, 200, 599);
        fake_close(exchange);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connect_unary),
        TEST(callers_are_known_to_handlers),
        TEST(refused_callers_reach_no_handler),
        TEST(identified_later),
        TEST(connect_unary_json),
        TEST(connect_unary_error),
        TEST(connect_compressed),
        TEST(connect_refusals),
        TEST(connect_get),
        TEST(deadline),
        TEST(client_gone),
        TEST(client_gone_mid_stream),
        TEST(wakes_are_coalesced),
        TEST(slow_reader),
        TEST(server_stream),
        TEST(parcels_are_messages),
        TEST(client_stream_at_every_split),
        TEST(bidi_full_duplex),
        TEST(heartbeat_asks_without_news),
        TEST(held_input_waits),
        TEST(drain_ends_streams),
        TEST(grpc_unary),
        TEST(grpc_errors),
        TEST(grpc_two_messages),
        TEST(grpc_web),
        TEST(grpc_web_text),
        TEST(health),
        TEST(reflection),
        TEST(statistics),
        TEST(options_without_cors),
        TEST(garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
