/* Services over a store of their own, called in the Connect protocol on a net layer that the test plays. */
#ifndef MF_TEST_WIRE_H
#define MF_TEST_WIRE_H

#include "story.h"

#include "../rpc/fake_net.h"
#include "base/encode.h"
#include "rpc/envelope.h"
#include "rpc/server.h"

#include <stdatomic.h>

struct wire {
    struct entity entity; /* first, so that the helpers of story.h take it */
    struct mf_sys sys;
    _Atomic int64_t later_ns; /* how far the test has put the monotonic clock forward */
    struct mf_rpc *rpc;
    struct mf_loop *loop;
};

static inline int64_t wire_mono(void *ctx)
{
    struct wire *w = ctx;
    return mf_mono_ns(mf_sys_real()) + atomic_load(&w->later_ns);
}

/* serve registers the services under test. */
static inline int wire_setup(void **state,
                             enum mf_code (*serve)(struct mf_store *, struct mf_rpc *, struct mf_error *))
{
    struct wire *w = calloc(1, sizeof *w);
    struct entity *e = &w->entity;
    snprintf(e->dir, sizeof e->dir, "/tmp/mayfly-wire-test-XXXXXX");
    assert_non_null(mkdtemp(e->dir));
    test_database_make(&e->database, e->dir);
    w->sys = *mf_sys_real();
    w->sys.ctx = w;
    w->sys.mono_ns = wire_mono;
    assert_int_equal(mf_hub_new(&e->hub, &e->err), MF_OK);
    const struct mf_store_config config = {
        .sys = &w->sys, .path = e->database.path, .hub = e->hub, .unsafe_no_fsync = true};
    assert_int_equal(mf_store_open(&config, &e->store, &e->err), MF_OK);
    assert_int_equal(mf_store_reader(e->store, &e->db, &e->err), MF_OK);
    e->arena = mf_arena_new(0);
    const struct mf_rpc_config rpc = {.sys = mf_sys_real(), .workers = 3};
    assert_int_equal(mf_rpc_new(&rpc, &w->rpc, &e->err), MF_OK);
    assert_int_equal(serve(e->store, w->rpc, &e->err), MF_OK);
    assert_int_equal(mf_rpc_start(w->rpc, &e->err), MF_OK);
    w->loop = fake_loop_new();
    *state = w;
    return 0;
}

struct wire_end {
    struct mf_work work;
    bool reached;
};

static inline void wire_end_reached(struct mf_work *work)
{
    MF_CONTAINER(work, struct wire_end, work)->reached = true;
}

static inline bool wire_is_at_end(void *ctx)
{
    return ((struct wire_end *)ctx)->reached;
}

/* What was posted last marks the end of what had been posted before; a loop runs it all before its thread
 * ends. */
static inline void wire_drain(struct mf_loop *loop)
{
    struct wire_end end = {.work = {.fn = wire_end_reached}};
    mf_loop_post(loop, &end.work);
    assert_true(fake_loop_until(loop, wire_is_at_end, &end));
}

static inline int wire_teardown(void **state)
{
    struct wire *w = *state;
    struct entity *e = &w->entity;
    mf_store_reader_done(e->store, e->db);
    mf_rpc_stop(w->rpc);
    mf_store_close(e->store);
    wire_drain(w->loop);
    mf_rpc_free(w->rpc);
    fake_loop_free(w->loop);
    mf_hub_free(e->hub);
    mf_arena_free(e->arena);
    test_database_drop(&e->database);
    assert_int_equal(mf_remove_tree(e->dir, NULL), MF_OK);
    free(w);
    return 0;
}

/* ---- unary ---- */

static inline struct mf_exchange *wire_open(struct wire *w, const struct pb_method *method, const char *type)
{
    struct mf_header *header = MF_NEW(w->entity.arena, struct mf_header);
    *header = (struct mf_header){MF_STR("content-type"), mf_str_from_c(type)};
    struct mf_exchange *exchange = fake_exchange_new(w->loop, "POST", method->path, header, 1);
    fake_open(exchange, mf_rpc_on_request, w->rpc);
    return exchange;
}

static inline struct mf_str wire_encode(struct wire *w, const struct pb_type *type, const void *msg)
{
    struct mf_str out;
    assert_int_equal(pb_encode(w->entity.arena, type, msg, &out, NULL), MF_OK);
    return out;
}

static inline void *wire_decode(struct wire *w, const struct pb_type *type, struct mf_str bytes)
{
    void *out = NULL;
    struct mf_str copy = mf_str_copy(w->entity.arena, bytes);
    assert_int_equal(pb_decode(w->entity.arena, type, copy, &out, NULL), MF_OK);
    return out;
}

/* The response, or NULL with *code set: the word of the Connect error. */
static inline void *wire_call(struct wire *w, const struct pb_service *service, size_t index,
                              const void *request, const char *code)
{
    const struct pb_method *method = &service->methods[index];
    struct mf_exchange *exchange = wire_open(w, method, "application/proto");
    struct mf_str body = wire_encode(w, method->request, request);
    void *response = NULL;
    if (body.len > 0)
        fake_body(exchange, body);
    fake_end(exchange);
    assert_true(fake_until_ended(exchange));
    if (code) {
        struct mf_str wanted = mf_str_printf(w->entity.arena, "\"code\":\"%s\"", code);
        assert_true(mf_str_find(mf_buf_str(&exchange->body), wanted) != SIZE_MAX);
    } else {
        assert_int_equal(exchange->status, 200);
        response = wire_decode(w, method->response, mf_buf_str(&exchange->body));
    }
    fake_close(exchange);
    return response;
}

/* ---- streams ---- */

struct wire_stream {
    struct wire *w;
    const struct pb_method *method;
    struct mf_exchange *exchange;
    size_t wanted; /* messages */
};

static inline struct wire_stream wire_stream(struct wire *w, const struct pb_service *service, size_t index)
{
    const struct pb_method *method = &service->methods[index];
    return (struct wire_stream){
        .w = w, .method = method, .exchange = wire_open(w, method, "application/connect+proto")};
}

static inline bool wire_not_paused(void *ctx)
{
    return !((struct mf_exchange *)ctx)->paused;
}

static inline void wire_send(struct wire_stream *s, const void *request)
{
    struct mf_str bytes = wire_encode(s->w, s->method->request, request);
    char *out = mf_arena_bytes(s->w->entity.arena, bytes.len + MF_ENVELOPE_HEADER);
    mf_envelope_header(out, 0, bytes.len);
    if (bytes.len > 0)
        memcpy(out + MF_ENVELOPE_HEADER, bytes.ptr, bytes.len);
    assert_true(fake_loop_until(s->w->loop, wire_not_paused, s->exchange));
    fake_body(s->exchange, mf_str_make(out, bytes.len + MF_ENVELOPE_HEADER));
}

static inline void wire_finish(struct wire_stream *s)
{
    assert_true(fake_loop_until(s->w->loop, wire_not_paused, s->exchange));
    fake_end(s->exchange);
}

/* The envelope number index; .ptr NULL when there are fewer. */
static inline struct mf_str wire_envelope(const struct wire_stream *s, size_t index, uint8_t *flags)
{
    struct mf_str body = mf_buf_str(&s->exchange->body);
    while (body.len >= MF_ENVELOPE_HEADER) {
        const unsigned char *h = (const unsigned char *)body.ptr;
        size_t len = (size_t)h[1] << 24 | (size_t)h[2] << 16 | (size_t)h[3] << 8 | h[4];
        if (body.len < len + MF_ENVELOPE_HEADER)
            break;
        if (index-- == 0) {
            *flags = h[0];
            return mf_str_make(body.ptr + MF_ENVELOPE_HEADER, len);
        }
        body = mf_str_skip(body, len + MF_ENVELOPE_HEADER);
    }
    return (struct mf_str){0};
}

static inline bool wire_has(void *ctx)
{
    const struct wire_stream *s = ctx;
    uint8_t flags = 0;
    return wire_envelope(s, s->wanted, &flags).ptr != NULL;
}

/* Waits for message number index and decodes it. */
static inline void *wire_message(struct wire_stream *s, size_t index)
{
    uint8_t flags = 0;
    s->wanted = index;
    assert_true(fake_loop_until(s->w->loop, wire_has, s));
    struct mf_str bytes = wire_envelope(s, index, &flags);
    assert_int_equal(flags, 0);
    return wire_decode(s->w, s->method->response, bytes);
}

/* Waits for the end of the stream as message number index; it holds the text given. */
static inline void wire_ended(struct wire_stream *s, size_t index, const char *text)
{
    uint8_t flags = 0;
    s->wanted = index;
    assert_true(fake_loop_until(s->w->loop, wire_has, s));
    struct mf_str bytes = wire_envelope(s, index, &flags);
    assert_int_equal(flags, MF_ENVELOPE_CONNECT_END);
    assert_true(mf_str_find(bytes, mf_str_from_c(text)) != SIZE_MAX);
}

#endif
