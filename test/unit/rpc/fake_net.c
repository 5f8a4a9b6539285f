#include "fake_net.h"

#include "base/time.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define LOOK_NS (5 * INT64_C(1000000))
#define WAIT_SECONDS 10

struct mf_timer {
    struct mf_timer *next;
    struct mf_loop *loop;
    int64_t due_ns;
    uint64_t repeat_ms;
    void (*fn)(void *ctx);
    void *ctx;
};

struct mf_loop {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct mf_work *first, *last;
    struct mf_timer *timers;
};

static int64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * MF_SECOND_NS + time.tv_nsec;
}

struct mf_loop *fake_loop_new(void)
{
    struct mf_loop *loop = calloc(1, sizeof *loop);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&loop->lock, NULL);
    pthread_cond_init(&loop->more, &attr);
    pthread_condattr_destroy(&attr);
    return loop;
}

void fake_loop_free(struct mf_loop *loop)
{
    while (loop->timers)
        mf_timer_stop(loop->timers);
    pthread_cond_destroy(&loop->more);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

void mf_loop_post(struct mf_loop *loop, struct mf_work *work)
{
    pthread_mutex_lock(&loop->lock);
    work->next = NULL;
    if (loop->last)
        loop->last->next = work;
    else
        loop->first = work;
    loop->last = work;
    pthread_cond_signal(&loop->more);
    pthread_mutex_unlock(&loop->lock);
}

struct mf_timer *mf_timer_start(struct mf_loop *loop, uint64_t ms, _Bool repeat, void (*fn)(void *ctx),
                                void *ctx)
{
    struct mf_timer *timer = calloc(1, sizeof *timer);
    *timer = (struct mf_timer){.next = loop->timers,
                               .loop = loop,
                               .due_ns = now_ns() + (int64_t)ms * MF_MS_NS,
                               .repeat_ms = repeat ? ms : 0,
                               .fn = fn,
                               .ctx = ctx};
    loop->timers = timer;
    return timer;
}

void mf_timer_stop(struct mf_timer *timer)
{
    if (!timer)
        return;
    struct mf_timer **at = &timer->loop->timers;
    while (*at != timer)
        at = &(*at)->next;
    *at = timer->next;
    free(timer);
}

static bool run_timer(struct mf_loop *loop)
{
    for (struct mf_timer *timer = loop->timers; timer; timer = timer->next) {
        if (timer->due_ns > now_ns())
            continue;
        void (*fn)(void *ctx) = timer->fn;
        void *ctx = timer->ctx;
        if (timer->repeat_ms > 0)
            timer->due_ns += (int64_t)timer->repeat_ms * MF_MS_NS;
        else
            mf_timer_stop(timer);
        fn(ctx);
        return true;
    }
    return false;
}

/* Waits for work at most until the next timer. */
static struct mf_work *next_work(struct mf_loop *loop, int64_t until_ns)
{
    for (struct mf_timer *timer = loop->timers; timer; timer = timer->next)
        until_ns = timer->due_ns < until_ns ? timer->due_ns : until_ns;
    struct timespec until = {.tv_sec = until_ns / MF_SECOND_NS, .tv_nsec = until_ns % MF_SECOND_NS};
    pthread_mutex_lock(&loop->lock);
    while (!loop->first && pthread_cond_timedwait(&loop->more, &loop->lock, &until) == 0)
        continue;
    struct mf_work *work = loop->first;
    if (work) {
        loop->first = work->next;
        if (!loop->first)
            loop->last = NULL;
    }
    pthread_mutex_unlock(&loop->lock);
    return work;
}

bool fake_loop_until(struct mf_loop *loop, bool (*done)(void *ctx), void *ctx)
{
    int64_t deadline = now_ns() + WAIT_SECONDS * MF_SECOND_NS;
    while (!done(ctx)) {
        if (now_ns() > deadline)
            return false;
        /* What is waited for may come about on a worker, which posts nothing for it. */
        struct mf_work *work = next_work(loop, now_ns() + LOOK_NS);
        if (work)
            work->fn(work);
        run_timer(loop);
    }
    return true;
}

static bool ended(void *ctx)
{
    const struct mf_exchange *exchange = ctx;
    return exchange->ended || exchange->was_reset;
}

bool fake_until_ended(struct mf_exchange *exchange)
{
    return fake_loop_until(exchange->loop, ended, exchange);
}

/* ---- exchanges ---- */

struct mf_exchange *fake_exchange_new(struct mf_loop *loop, const char *method, const char *target,
                                      const struct mf_header *headers, size_t count)
{
    struct mf_exchange *exchange = calloc(1, sizeof *exchange);
    exchange->loop = loop;
    struct mf_str whole = mf_str_from_c(target);
    size_t question = mf_str_find_char(whole, '?');
    exchange->request = (struct mf_http_request){
        .method = mf_str_from_c(method),
        .target = whole,
        .path = question == SIZE_MAX ? whole : mf_str_take(whole, question),
        .query = question == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(whole, question + 1),
        .authority = MF_STR("test"),
        .peer = MF_STR("127.0.0.1:1"),
        .headers = headers,
        .header_count = count,
        .version = 2,
        .body_follows = true,
    };
    return exchange;
}

void fake_open(struct mf_exchange *exchange, mf_on_request on_request, void *app)
{
    on_request(app, exchange);
}

void fake_body(struct mf_exchange *exchange, struct mf_str bytes)
{
    if (exchange->ops && exchange->ops->on_body)
        exchange->ops->on_body(exchange->ctx, exchange, bytes);
}

void fake_end(struct mf_exchange *exchange)
{
    if (exchange->ops && exchange->ops->on_end)
        exchange->ops->on_end(exchange->ctx, exchange);
}

static void free_headers(struct fake_headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        free((char *)(uintptr_t)headers->items[i].name.ptr);
        free((char *)(uintptr_t)headers->items[i].value.ptr);
    }
}

void fake_close(struct mf_exchange *exchange)
{
    if (exchange->ops && exchange->ops->on_close)
        exchange->ops->on_close(exchange->ctx, exchange);
    free_headers(&exchange->headers);
    free_headers(&exchange->trailers);
    mf_buf_free(&exchange->body);
    free(exchange);
}

struct mf_str fake_header(const struct fake_headers *headers, const char *name)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (mf_str_eq_c(headers->items[i].name, name))
            return headers->items[i].value;
    }
    return (struct mf_str){0};
}

static struct mf_str heap_copy(struct mf_str s)
{
    char *copy = malloc(s.len + 1);
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    return mf_str_make(copy, s.len);
}

static void copy_headers(struct fake_headers *to, const struct mf_header *from, size_t count)
{
    for (size_t i = 0; i < count && to->count < FAKE_HEADERS; i++)
        to->items[to->count++] = (struct mf_header){heap_copy(from[i].name), heap_copy(from[i].value)};
}

void mf_exchange_bind(struct mf_exchange *exchange, const struct mf_exchange_ops *ops, void *ctx)
{
    exchange->ops = ops;
    exchange->ctx = ctx;
}

const struct mf_http_request *mf_exchange_request(const struct mf_exchange *exchange)
{
    return &exchange->request;
}

struct mf_str mf_exchange_header(const struct mf_exchange *exchange, const char *name)
{
    for (size_t i = 0; i < exchange->request.header_count; i++) {
        if (mf_str_eq_c(exchange->request.headers[i].name, name))
            return exchange->request.headers[i].value;
    }
    return (struct mf_str){0};
}

struct mf_loop *mf_exchange_loop(const struct mf_exchange *exchange)
{
    return exchange->loop;
}

void mf_exchange_pause(struct mf_exchange *exchange)
{
    exchange->paused = true;
}

void mf_exchange_resume(struct mf_exchange *exchange)
{
    exchange->paused = false;
}

void mf_exchange_allow_idle(struct mf_exchange *exchange)
{
    (void)exchange;
}

void mf_exchange_set_low_water(struct mf_exchange *exchange, size_t bytes)
{
    (void)exchange;
    (void)bytes;
}

enum mf_code mf_exchange_respond(struct mf_exchange *exchange, int status, const struct mf_header *headers,
                                 size_t count, bool end)
{
    if (exchange->status != 0)
        return MF_INTERNAL;
    exchange->status = status;
    copy_headers(&exchange->headers, headers, count);
    exchange->ended = end;
    return MF_OK;
}

enum mf_code mf_exchange_write(struct mf_exchange *exchange, struct mf_str bytes)
{
    if (exchange->status == 0 || exchange->ended)
        return MF_INTERNAL;
    return mf_buf_add_str(&exchange->body, bytes) ? MF_OK : MF_RESOURCE_EXHAUSTED;
}

enum mf_code mf_exchange_finish(struct mf_exchange *exchange, const struct mf_header *trailers, size_t count)
{
    if (exchange->status == 0 || exchange->ended)
        return MF_INTERNAL;
    copy_headers(&exchange->trailers, trailers, count);
    exchange->ended = true;
    return MF_OK;
}

enum mf_code mf_exchange_reply(struct mf_exchange *exchange, int status, const struct mf_header *headers,
                               size_t count, struct mf_str body)
{
    enum mf_code code = mf_exchange_respond(exchange, status, headers, count, false);
    if (code == MF_OK && body.len > 0)
        code = mf_exchange_write(exchange, body);
    return code == MF_OK ? mf_exchange_finish(exchange, NULL, 0) : code;
}

void mf_exchange_reset(struct mf_exchange *exchange)
{
    exchange->was_reset = true;
}

size_t mf_exchange_queued(const struct mf_exchange *exchange)
{
    return exchange->queued;
}

bool mf_exchange_responded(const struct mf_exchange *exchange)
{
    return exchange->status != 0;
}
