#include "rpc/workers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct mf_workers {
    pthread_mutex_t lock;
    pthread_cond_t more;
    /* guarded by lock */
    struct mf_work *first, *last;
    uint32_t queued;
    int sleeping;
    int alive;
    bool waking; /* a signal is on its way to a sleeper */
    bool stopped;

    uint32_t queue_max;
    int count;
    int started;
    pthread_t threads[];
};

enum mf_code mf_workers_new(int threads, uint32_t queue_max, struct mf_workers **out, struct mf_error *err)
{
    struct mf_workers *workers = calloc(1, sizeof *workers + (size_t)threads * sizeof(pthread_t));
    if (!workers)
        return mf_fail_memory(err);
    workers->count = threads;
    workers->queue_max = queue_max;
    if (pthread_mutex_init(&workers->lock, NULL) != 0)
        goto fail_mutex;
    if (pthread_cond_init(&workers->more, NULL) != 0)
        goto fail_cond;
    *out = workers;
    return MF_OK;

fail_cond:
    pthread_mutex_destroy(&workers->lock);
fail_mutex:
    free(workers);
    return mf_fail_memory(err);
}

static void append(struct mf_workers *workers, struct mf_work *work)
{
    work->next = NULL;
    if (workers->last)
        workers->last->next = work;
    else
        workers->first = work;
    workers->last = work;
    workers->queued++;
}

static bool must_wake(struct mf_workers *workers)
{
    if (workers->waking || workers->sleeping == 0)
        return false;
    workers->waking = true;
    return true;
}

static void append_and_unlock(struct mf_workers *workers, struct mf_work *work, bool accepted)
{
    if (accepted)
        append(workers, work);
    bool wake = accepted && must_wake(workers);
    pthread_mutex_unlock(&workers->lock);
    if (wake)
        pthread_cond_signal(&workers->more);
}

_Bool mf_workers_submit(struct mf_workers *workers, struct mf_work *work)
{
    pthread_mutex_lock(&workers->lock);
    bool accepted = !workers->stopped && workers->queued < workers->queue_max;
    append_and_unlock(workers, work, accepted);
    return accepted;
}

_Bool mf_workers_submit_again(struct mf_workers *workers, struct mf_work *work)
{
    pthread_mutex_lock(&workers->lock);
    bool accepted = workers->alive > 0 || !workers->stopped;
    append_and_unlock(workers, work, accepted);
    return accepted;
}

/* NULL when the worker shall end. Taking several at once was measured and gains nothing, while the ones
 * behind a slow piece would wait for it. */
static struct mf_work *take(struct mf_workers *workers)
{
    bool wake = false;
    pthread_mutex_lock(&workers->lock);
    while (!workers->first && !workers->stopped) {
        workers->sleeping++;
        pthread_cond_wait(&workers->more, &workers->lock);
        workers->sleeping--;
        workers->waking = false;
    }
    struct mf_work *work = workers->first;
    if (work) {
        workers->first = work->next;
        if (!workers->first)
            workers->last = NULL;
        workers->queued--;
        wake = workers->first && must_wake(workers);
    } else {
        workers->alive--;
    }
    pthread_mutex_unlock(&workers->lock);
    if (wake)
        pthread_cond_signal(&workers->more);
    return work;
}

static _Thread_local int threads_here;

int mf_workers_here(void)
{
    return threads_here;
}

static void *worker_main(void *ctx)
{
    struct mf_workers *workers = ctx;
    threads_here = workers->count;
    for (;;) {
        struct mf_work *work = take(workers);
        if (!work)
            return NULL;
        work->fn(work); /* which may release the work or queue it again */
    }
}

enum mf_code mf_workers_start(struct mf_workers *workers, struct mf_error *err)
{
    for (; workers->started < workers->count; workers->started++) {
        pthread_t *thread = &workers->threads[workers->started];
        pthread_mutex_lock(&workers->lock);
        workers->alive++;
        pthread_mutex_unlock(&workers->lock);
        if (pthread_create(thread, NULL, worker_main, workers) != 0) {
            pthread_mutex_lock(&workers->lock);
            workers->alive--;
            pthread_mutex_unlock(&workers->lock);
            mf_workers_stop(workers);
            return mf_fail(err, MF_RESOURCE_EXHAUSTED,
                           "could not start worker thread %d of %d; raise the limit of processes (ulimit -u)",
                           workers->started + 1, workers->count);
        }
        pthread_setname_np(*thread, "mf-worker");
    }
    return MF_OK;
}

void mf_workers_stop(struct mf_workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->stopped = true;
    pthread_mutex_unlock(&workers->lock);
    pthread_cond_broadcast(&workers->more);
    for (; workers->started > 0; workers->started--)
        pthread_join(workers->threads[workers->started - 1], NULL);
}

void mf_workers_free(struct mf_workers *workers)
{
    if (!workers)
        return;
    pthread_cond_destroy(&workers->more);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}
