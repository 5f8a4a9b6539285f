/* The S3 endpoint over a store of its own, on a net layer that the test plays, and a client that signs. */
#ifndef MF_TEST_S3_WORLD_H
#define MF_TEST_S3_WORLD_H

#include "testing.h"

#include "../rpc/fake_net.h"
#include "../store/entity.h"
#include "base/encode.h"
#include "base/time.h"
#include "objects/object.h"
#include "objects/sigv4.h"
#include "rpc/server.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <stdatomic.h>

#define ACCESS MF_STR("key")
#define SECRET MF_STR("secret")
#define OBJECT_MAX 3000000

struct s3_world {
    struct entity entity;
    struct mf_objects *objects;
    struct mf_rpc *rpc;
    struct mf_loop *loop;
    char dir[96];
};

static inline int s3_setup(void **state)
{
    struct s3_world *w = calloc(1, sizeof *w);
    struct entity *e = &w->entity;
    snprintf(e->dir, sizeof e->dir, "/tmp/mayfly-s3-test-XXXXXX");
    assert_non_null(mkdtemp(e->dir));
    test_database_make(&e->database, e->dir);
    snprintf(w->dir, sizeof w->dir, "%s/objects", e->dir);
    assert_int_equal(mf_hub_new(&e->hub, &e->err), MF_OK);
    const struct mf_store_config store = {
        .sys = mf_sys_real(), .path = e->database.path, .hub = e->hub, .unsafe_no_fsync = true};
    assert_int_equal(mf_store_open(&store, &e->store, &e->err), MF_OK);
    e->arena = mf_arena_new(0);
    const struct mf_objects_config objects = {
        .store = e->store,
        .dir = w->dir,
        .bucket = MF_STR("mayfly"),
        .object_max = OBJECT_MAX,
        .access_key = ACCESS,
        .secret_key = SECRET,
        .endpoint = MF_STR("http://test"),
    };
    assert_int_equal(mf_objects_open(&objects, &w->objects, &e->err), MF_OK);
    const struct mf_rpc_config rpc = {.sys = mf_sys_real(), .workers = 3};
    assert_int_equal(mf_rpc_new(&rpc, &w->rpc, &e->err), MF_OK);
    assert_int_equal(mf_objects_serve(w->objects, w->rpc, &e->err), MF_OK);
    assert_int_equal(mf_rpc_start(w->rpc, &e->err), MF_OK);
    w->loop = fake_loop_new();
    *state = w;
    return 0;
}

struct s3_end {
    struct mf_work work;
    bool reached;
};

static inline void s3_end_reached(struct mf_work *work)
{
    MF_CONTAINER(work, struct s3_end, work)->reached = true;
}

static inline bool s3_is_at_end(void *ctx)
{
    return ((struct s3_end *)ctx)->reached;
}

static inline int s3_teardown(void **state)
{
    struct s3_world *w = *state;
    struct entity *e = &w->entity;
    struct s3_end end = {.work = {.fn = s3_end_reached}};
    mf_rpc_stop(w->rpc);
    mf_objects_close(w->objects);
    mf_store_close(e->store);
    mf_loop_post(w->loop, &end.work); /* a loop runs what was posted before it ends */
    assert_true(fake_loop_until(w->loop, s3_is_at_end, &end));
    mf_rpc_free(w->rpc);
    fake_loop_free(w->loop);
    mf_hub_free(e->hub);
    mf_arena_free(e->arena);
    test_database_drop(&e->database);
    assert_int_equal(mf_remove_tree(e->dir, NULL), MF_OK);
    free(w);
    return 0;
}

static inline size_t s3_files(const struct s3_world *w)
{
    size_t count = 0;
    DIR *dir = opendir(w->dir);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static inline struct mf_str s3_bytes(struct s3_world *w, size_t len, unsigned seed)
{
    char *bytes = mf_arena_bytes(w->entity.arena, len + 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 31 + i / 251 + seed);
    return mf_str_make(bytes, len);
}

/* A request; target is the path, with its query, as it goes over the wire. Up to three headers besides those
 * of the signature; all of them are signed. */
struct s3_call {
    const char *method;
    const char *target;
    struct mf_str body;
    struct mf_header headers[4];
    const char *payload;  /* NULL: the hash of the body */
    struct mf_str secret; /* empty: the right one */
};

static inline int s3_header_order(const void *a, const void *b)
{
    const struct mf_header *x = a;
    const struct mf_header *y = b;
    return mf_str_cmp(x->name, y->name);
}

static inline struct mf_str s3_sha256(struct mf_arena *arena, struct mf_str bytes)
{
    unsigned char hash[32];
    size_t len = 0;
    assert_int_equal(EVP_Q_digest(NULL, "SHA256", NULL, bytes.len ? bytes.ptr : "", bytes.len, hash, &len),
                     1);
    return mf_hex(arena, mf_str_make(hash, len));
}

static inline struct mf_exchange *s3_open(struct s3_world *w, const struct s3_call *call)
{
    struct mf_arena *arena = w->entity.arena;
    struct mf_header *headers = mf_arena_array(arena, 8, sizeof *headers);
    struct mf_param *params;
    char signature[65];
    size_t count = 0;
    size_t param_count;
    struct mf_str target = mf_str_from_c(call->target);
    size_t question = mf_str_find_char(target, '?');
    struct mf_str path;
    assert_true(mf_percent_decode(arena, mf_str_take(target, question), false, &path));
    assert_true(mf_sigv4_params(arena,
                                question == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(target, question + 1), 16,
                                &params, &param_count));
    while (count < 4 && call->headers[count].name.ptr) {
        headers[count] = call->headers[count];
        count++;
    }
    struct mf_sigv4_scope scope = {
        .date = mf_time_amz(arena, mf_wall_ns(mf_sys_real())),
        .region = MF_STR("us-east-1"),
        .payload = call->payload ? mf_str_from_c(call->payload) : s3_sha256(arena, call->body),
    };
    headers[count++] = (struct mf_header){MF_STR("host"), MF_STR("test")};
    headers[count++] = (struct mf_header){MF_STR("x-amz-date"), scope.date};
    headers[count++] = (struct mf_header){MF_STR("x-amz-content-sha256"), scope.payload};
    qsort(headers, count, sizeof *headers, s3_header_order);
    scope.signed_headers = headers[0].name;
    for (size_t i = 1; i < count; i++)
        scope.signed_headers =
            mf_str_printf(arena, "%.*s;%.*s", MF_FMT(scope.signed_headers), MF_FMT(headers[i].name));
    const struct mf_sigv4_request request = {
        .method = mf_str_from_c(call->method),
        .path = path,
        .params = params,
        .param_count = param_count,
        .headers = headers,
        .header_count = count,
        .host = MF_STR("test"),
    };
    assert_int_equal(mf_sigv4_sign(arena, call->secret.len ? call->secret : SECRET, &request, &scope,
                                   signature, &w->entity.err),
                     MF_OK);
    headers[count++] =
        (struct mf_header){MF_STR("authorization"),
                           mf_str_printf(arena,
                                         "AWS4-HMAC-SHA256 Credential=key/%.8s/us-east-1/s3/aws4_request, "
                                         "SignedHeaders=%.*s, Signature=%s",
                                         scope.date.ptr, MF_FMT(scope.signed_headers), signature)};
    struct mf_exchange *exchange = fake_exchange_new(w->loop, call->method, call->target, headers, count);
    fake_open(exchange, mf_rpc_on_request, w->rpc);
    return exchange;
}

static inline bool s3_not_paused(void *ctx)
{
    struct mf_exchange *exchange = ctx;
    return !exchange->paused || exchange->ended;
}

static inline void s3_send(struct s3_world *w, struct mf_exchange *exchange, struct mf_str body)
{
    while (body.len > 0) {
        struct mf_str piece = mf_str_take(body, 100000);
        assert_true(fake_loop_until(w->loop, s3_not_paused, exchange));
        fake_body(exchange, piece);
        body = mf_str_skip(body, piece.len);
    }
    assert_true(fake_loop_until(w->loop, s3_not_paused, exchange));
    fake_end(exchange);
}

/* What was answered; strings live in the arena of the world. */
struct s3_answer {
    int status;
    struct mf_str body, etag;
    struct mf_header headers[FAKE_HEADERS];
    size_t header_count;
};

static inline struct mf_str s3_header(const struct s3_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->header_count; i++) {
        if (mf_str_eq_c(answer->headers[i].name, name))
            return answer->headers[i].value;
    }
    return (struct mf_str){0};
}

static inline struct s3_answer s3_close(struct s3_world *w, struct mf_exchange *exchange)
{
    struct s3_answer answer = {.status = exchange->status};
    answer.body = mf_str_copy(w->entity.arena, mf_buf_str(&exchange->body));
    for (size_t i = 0; i < exchange->headers.count; i++) {
        answer.headers[i].name = mf_str_copy(w->entity.arena, exchange->headers.items[i].name);
        answer.headers[i].value = mf_str_copy(w->entity.arena, exchange->headers.items[i].value);
        answer.header_count++;
    }
    answer.etag = s3_header(&answer, "etag");
    fake_close(exchange);
    return answer;
}

static inline struct s3_answer s3_call(struct s3_world *w, const struct s3_call *call)
{
    struct mf_exchange *exchange = s3_open(w, call);
    if (!exchange->ended)
        s3_send(w, exchange, call->body);
    assert_true(fake_until_ended(exchange));
    return s3_close(w, exchange);
}

static inline struct s3_answer s3_put(struct s3_world *w, const char *target, struct mf_str body)
{
    return s3_call(w, &(struct s3_call){.method = "PUT", .target = target, .body = body});
}

static inline struct s3_answer s3_get(struct s3_world *w, const char *target)
{
    return s3_call(w, &(struct s3_call){.method = "GET", .target = target});
}

static inline void s3_expect_body(struct s3_world *w, const char *target, struct mf_str body)
{
    struct s3_answer answer = s3_get(w, target);
    assert_int_equal(answer.status, 200);
    assert_true(mf_str_eq(answer.body, body));
}

static inline bool s3_holds(struct mf_str text, const char *part)
{
    return mf_str_find(text, mf_str_from_c(part)) != SIZE_MAX;
}

static inline void s3_expect_fault(const struct s3_answer *answer, int status, const char *code)
{
    assert_int_equal(answer->status, status);
    assert_true(s3_holds(answer->body, code));
}

/* The text between <name> and </name>, where it stands first. */
static inline struct mf_str s3_element(struct s3_world *w, struct mf_str xml, const char *name)
{
    struct mf_str open = mf_str_printf(w->entity.arena, "<%s>", name);
    size_t start = mf_str_find(xml, open);
    assert_true(start != SIZE_MAX);
    struct mf_str rest = mf_str_skip(xml, start + open.len);
    return mf_str_take(rest, mf_str_find_char(rest, '<'));
}

#endif
