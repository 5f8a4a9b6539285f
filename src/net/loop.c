#include "net/loop.h"

#include "base/list.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define HEARTBEAT_MS 1000
#define SPARE_TIMERS 1024 /* kept for the deadlines of the next calls; the rest is freed */
#define THREAD_NAME_MAX 16

struct mf_loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t turn;
    uv_timer_t heartbeat;
    pthread_t thread;
    char name[THREAD_NAME_MAX];
    _Atomic(struct mf_work *) posted; /* newest first */
    _Atomic uint64_t turns;
    _Atomic bool stopping;
    pthread_t self; /* set by the loop's thread before running */
    _Atomic bool running;
    bool started;           /* of the owner: there is a thread to join */
    struct mf_timer *spare; /* stopped timers, their handles open */
    size_t spare_count;
    struct mf_list timers; /* running ones */
};

struct mf_timer {
    uv_timer_t uv;
    struct mf_loop *loop;
    struct mf_timer *next_spare;
    struct mf_link link;
    void (*fn)(void *ctx);
    void *ctx;
    bool repeat;
};

/* ---- posted work ---- */

/* The stack is in the reverse order of posting. */
static struct mf_work *take_posted(struct mf_loop *loop)
{
    struct mf_work *stack = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire);
    struct mf_work *first = NULL;
    while (stack) {
        struct mf_work *next = stack->next;
        stack->next = first;
        first = stack;
        stack = next;
    }
    return first;
}

static void run_posted(struct mf_loop *loop)
{
    struct mf_work *work = take_posted(loop);
    while (work) {
        struct mf_work *next = work->next; /* the work may be gone once it has run */
        work->fn(work);
        work = next;
    }
}

void mf_loop_post(struct mf_loop *loop, struct mf_work *work)
{
    struct mf_work *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    do {
        work->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&loop->posted, &head, work, memory_order_release,
                                                    memory_order_relaxed));
    /* Whoever finds the stack empty wakes the loop; it takes everything at once. */
    if (!head)
        uv_async_send(&loop->wake);
}

static void on_wake(uv_async_t *async)
{
    struct mf_loop *loop = async->data;
    run_posted(loop);
    if (atomic_load(&loop->stopping)) {
        run_posted(loop);
        uv_stop(&loop->uv);
    }
}

static void on_turn(uv_prepare_t *prepare)
{
    struct mf_loop *loop = prepare->data;
    atomic_fetch_add_explicit(&loop->turns, 1, memory_order_relaxed);
}

static void on_heartbeat(uv_timer_t *timer)
{
    (void)timer; /* waking up is all it is for */
}

/* ---- life ---- */

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Handles that were closed before their loop ever ran need it to run for their end. */
static void close_handles(struct mf_loop *loop)
{
    while (!mf_list_empty(&loop->timers))
        mf_timer_stop(MF_CONTAINER(mf_list_first(&loop->timers), struct mf_timer, link));
    while (loop->spare) {
        struct mf_timer *timer = loop->spare;
        loop->spare = timer->next_spare;
        uv_close((uv_handle_t *)&timer->uv, on_timer_closed);
    }
    uv_close((uv_handle_t *)&loop->heartbeat, NULL);
    uv_close((uv_handle_t *)&loop->turn, NULL);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

enum mf_code mf_loop_new(struct mf_loop **out, struct mf_error *err)
{
    struct mf_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return mf_fail_memory(err);
    int rc = uv_loop_init(&loop->uv);
    if (rc != 0) {
        free(loop);
        return mf_fail(err, MF_RESOURCE_EXHAUSTED,
                       "cannot make an event loop: %s; raise the limit of open files", uv_strerror(rc));
    }
    rc = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (rc != 0) {
        uv_loop_close(&loop->uv);
        free(loop);
        return mf_fail(err, MF_RESOURCE_EXHAUSTED,
                       "cannot make an event loop: %s; raise the limit of open files", uv_strerror(rc));
    }
    mf_list_init(&loop->timers);
    loop->wake.data = loop;
    uv_prepare_init(&loop->uv, &loop->turn);
    loop->turn.data = loop;
    uv_prepare_start(&loop->turn, on_turn);
    uv_timer_init(&loop->uv, &loop->heartbeat);
    uv_timer_start(&loop->heartbeat, on_heartbeat, HEARTBEAT_MS, HEARTBEAT_MS);
    *out = loop;
    return MF_OK;
}

static void *run(void *arg)
{
    struct mf_loop *loop = arg;
    loop->self = pthread_self();
    atomic_store(&loop->running, true);
    pthread_setname_np(loop->self, loop->name);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    run_posted(loop);
    atomic_store(&loop->running, false);
    return NULL;
}

enum mf_code mf_loop_start(struct mf_loop *loop, const char *thread_name, struct mf_error *err)
{
    pthread_t thread;
    sigset_t all, before;
    size_t len = strlen(thread_name);
    memcpy(loop->name, thread_name, len < sizeof loop->name ? len : sizeof loop->name - 1);
    /* Signals belong to the main thread; with SIGPIPE blocked a write to a closed socket is a plain error. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread, NULL, run, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return mf_fail(err, MF_RESOURCE_EXHAUSTED,
                       "cannot start the thread %s: %s; raise the limit of processes", thread_name,
                       uv_strerror(uv_translate_sys_error(rc)));
    loop->thread = thread;
    loop->started = true;
    return MF_OK;
}

void mf_loop_stop(struct mf_loop *loop)
{
    atomic_store(&loop->stopping, true);
    uv_async_send(&loop->wake);
}

void mf_loop_join(struct mf_loop *loop)
{
    if (!loop->started)
        return;
    pthread_join(loop->thread, NULL);
    loop->started = false;
}

void mf_loop_free(struct mf_loop *loop)
{
    if (!loop)
        return;
    /* What was posted after the thread's end is not lost, since its owner may count on its running. */
    run_posted(loop);
    close_handles(loop);
    uv_loop_close(&loop->uv);
    free(loop);
}

_Bool mf_loop_is_current(const struct mf_loop *loop)
{
    return atomic_load(&loop->running) && pthread_equal(loop->self, pthread_self());
}

struct uv_loop_s *mf_loop_uv(struct mf_loop *loop)
{
    return &loop->uv;
}

uint64_t mf_loop_turns(const struct mf_loop *loop)
{
    return atomic_load_explicit(&loop->turns, memory_order_relaxed);
}

/* ---- timers ---- */

static struct mf_timer *timer_take(struct mf_loop *loop)
{
    struct mf_timer *timer = loop->spare;
    if (timer) {
        loop->spare = timer->next_spare;
        loop->spare_count--;
        return timer;
    }
    timer = calloc(1, sizeof *timer);
    if (!timer)
        return NULL;
    timer->loop = loop;
    uv_timer_init(&loop->uv, &timer->uv);
    timer->uv.data = timer;
    return timer;
}

static void timer_give(struct mf_timer *timer)
{
    struct mf_loop *loop = timer->loop;
    mf_list_remove(&loop->timers, &timer->link);
    if (loop->spare_count >= SPARE_TIMERS) {
        uv_close((uv_handle_t *)&timer->uv, on_timer_closed);
        return;
    }
    timer->next_spare = loop->spare;
    loop->spare = timer;
    loop->spare_count++;
}

static void on_timer(uv_timer_t *uv)
{
    struct mf_timer *timer = uv->data;
    void (*fn)(void *ctx) = timer->fn;
    void *ctx = timer->ctx;
    if (!timer->repeat)
        timer_give(timer);
    fn(ctx);
}

struct mf_timer *mf_timer_start(struct mf_loop *loop, uint64_t ms, _Bool repeat, void (*fn)(void *ctx),
                                void *ctx)
{
    struct mf_timer *timer = timer_take(loop);
    if (!timer)
        return NULL;
    timer->fn = fn;
    timer->ctx = ctx;
    timer->repeat = repeat;
    mf_list_push(&loop->timers, &timer->link);
    /* The loop's clock stands still while callbacks run; a timer must not fire before its time. */
    uv_update_time(&loop->uv);
    uv_timer_start(&timer->uv, on_timer, ms, repeat ? (ms > 0 ? ms : 1) : 0);
    return timer;
}

void mf_timer_stop(struct mf_timer *timer)
{
    if (!timer)
        return;
    uv_timer_stop(&timer->uv);
    timer_give(timer);
}
