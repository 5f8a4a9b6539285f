#include "identity/well_known.h"

#include "base/list.h"
#include "identity/metadata.h"
#include "net/loop.h"

#include <pthread.h>
#include <stdlib.h>

/* One request that waits for the document. */
struct asking {
    struct mf_metadata_wait wait;
    struct mf_work back;
    struct mf_loop *loop;
    struct mf_exchange *exchange; /* of the I/O thread, as is replied; NULL once it is closed */
    bool replied;
    struct mf_arena *arena;
    int status;
    struct mf_str body;

    pthread_mutex_t lock;
    bool closed; /* guarded by lock: nothing may be posted to the loop any more */
};

static void reply(struct mf_exchange *exchange, int status, struct mf_str type, struct mf_str body)
{
    const struct mf_header headers[] = {
        {MF_STR("content-type"), type},
        {MF_STR("allow"), MF_STR("GET, HEAD")},
    };
    if (mf_exchange_reply(exchange, status, headers, status == 405 ? 2 : 1, body) != MF_OK)
        mf_exchange_reset(exchange);
}

static void asking_free(struct asking *asking)
{
    pthread_mutex_destroy(&asking->lock);
    mf_arena_free(asking->arena);
    free(asking);
}

static void back_on_loop(struct mf_work *work)
{
    struct asking *asking = MF_CONTAINER(work, struct asking, back);
    struct mf_exchange *exchange = asking->exchange;
    if (!exchange) {
        asking_free(asking);
        return;
    }
    asking->replied = true; /* so on_close frees it, perhaps before reply returns */
    reply(exchange, asking->status,
          asking->status == 200 ? MF_STR("application/json") : MF_STR("text/plain; charset=utf-8"),
          asking->body);
}

static void on_answer(struct mf_metadata_wait *wait, const struct pb_auth_GetOAuth2MetadataResponse *metadata,
                      const struct mf_error *err)
{
    static const struct pb_json_options names = {.proto_names = true};
    struct asking *asking = MF_CONTAINER(wait, struct asking, wait);
    asking->status = 200;
    if (err) {
        asking->status = err->code == MF_UNAVAILABLE ? 503 : 502;
        asking->body = mf_str_printf(asking->arena, "%s\n", err->message);
    } else if (pb_to_json(asking->arena, &pb_auth_GetOAuth2MetadataResponse_type, metadata, &names,
                          &asking->body, NULL) != MF_OK) {
        asking->status = 503;
        asking->body = MF_STR("the server is out of memory; try again\n");
    }
    pthread_mutex_lock(&asking->lock);
    bool closed = asking->closed;
    if (!closed)
        mf_loop_post(asking->loop, &asking->back);
    pthread_mutex_unlock(&asking->lock);
    if (closed)
        asking_free(asking);
}

static void on_body(void *ctx, struct mf_exchange *exchange, struct mf_str bytes)
{
    (void)ctx;
    (void)exchange;
    (void)bytes;
}

static void on_nothing(void *ctx, struct mf_exchange *exchange)
{
    (void)ctx;
    (void)exchange;
}

static void on_close(void *ctx, struct mf_exchange *exchange)
{
    struct asking *asking = ctx;
    (void)exchange;
    bool replied = asking->replied;
    asking->exchange = NULL;
    pthread_mutex_lock(&asking->lock);
    asking->closed = true;
    pthread_mutex_unlock(&asking->lock);
    /* Otherwise it is no longer ours: the fetcher frees it, or the work on its way to this thread. */
    if (replied)
        asking_free(asking);
}

void mf_well_known_on_request(void *app, struct mf_exchange *exchange)
{
    static const struct mf_exchange_ops ops = {on_body, on_nothing, on_nothing, on_close};
    struct mf_metadata_source *source = app;
    struct mf_str method = mf_exchange_request(exchange)->method;
    if (!mf_str_eq_c(method, "GET") && !mf_str_eq_c(method, "HEAD")) {
        reply(exchange, 405, MF_STR("text/plain"), MF_STR("only GET is served here\n"));
        return;
    }
    if (!source) {
        reply(exchange, 501, MF_STR("text/plain"), MF_STR(MF_NO_AUTHORITY "\n"));
        return;
    }
    struct asking *asking = calloc(1, sizeof *asking);
    struct mf_arena *arena = mf_arena_new(0);
    if (!asking || !arena || pthread_mutex_init(&asking->lock, NULL) != 0) {
        mf_arena_free(arena);
        free(asking);
        reply(exchange, 503, MF_STR("text/plain"), MF_STR("the server is out of memory; try again\n"));
        return;
    }
    asking->wait.done = on_answer;
    asking->back.fn = back_on_loop;
    asking->loop = mf_exchange_loop(exchange);
    asking->exchange = exchange;
    asking->arena = arena;
    mf_exchange_bind(exchange, &ops, asking);
    mf_metadata_ask(source, &asking->wait);
}
