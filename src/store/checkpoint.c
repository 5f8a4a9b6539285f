#include "store/checkpoint.h"

#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define STEP_PAGES 4096  /* 16 MiB gathered: move them */
#define FULL_PAGES 16384 /* 64 MiB: the log has to begin anew, if need be with the writer held up */
#define HARD_PAGES 24576 /* 96 MiB: hold the writer up however much is left */
#define SMALL_PAGES 256  /* what may be left for the moment in which the writer waits */
#define ROUNDS 4         /* to come down to that */
#define IDLE_SECONDS 3

struct mf_checkpointer {
    struct mf_checkpointer_config config;
    struct mf_db *db; /* the thread's */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock: */
    int64_t pages; /* in the log */
    int64_t moved; /* of them in the database, as far as is known */
    int64_t step;  /* pages from which on to move some */
    int64_t retry; /* pages from which on to begin anew */
    int64_t last;  /* second of the newest commit */
    bool dirty;    /* something was committed since the log was emptied */
    bool asleep;   /* the thread waits without a time limit */
    bool stopping;
    bool failed;
};

static int64_t seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec;
}

static bool step_due(const struct mf_checkpointer *c)
{
    return c->pages >= c->step || c->pages >= c->retry;
}

static void began_anew(struct mf_checkpointer *c)
{
    c->pages = 0;
    c->moved = 0;
    c->step = STEP_PAGES;
    c->retry = FULL_PAGES;
}

void mf_checkpointer_note(struct mf_checkpointer *c, int64_t pages)
{
    pthread_mutex_lock(&c->lock);
    if (pages < c->pages)
        began_anew(c);
    c->pages = pages;
    c->last = seconds();
    c->dirty = true;
    if (c->asleep || step_due(c))
        pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

bool mf_checkpointer_sound(struct mf_checkpointer *c)
{
    pthread_mutex_lock(&c->lock);
    bool sound = !c->failed;
    pthread_mutex_unlock(&c->lock);
    return sound;
}

/* Runs without the lock; takes it for the result. *pages: in the log; *left: of them not moved. */
static enum mf_code round_of(struct mf_checkpointer *c, enum mf_checkpoint_mode mode, int64_t *left,
                             int64_t *pages)
{
    struct mf_error err;
    int64_t moved = 0;
    enum mf_code code = mf_db_checkpoint(c->db, mode, pages, &moved, &err);
    *left = *pages - moved;
    pthread_mutex_lock(&c->lock);
    if (c->pages >= *pages) /* else the log has begun anew meanwhile */
        c->moved = moved;
    /* Even when nothing could be moved, for a long read or a full disk: more has to gather before the next
     * try. */
    c->step = c->pages + STEP_PAGES;
    if (code == MF_OK && mode == MF_CHECKPOINT_TRUNCATE) {
        began_anew(c);
        c->dirty = false;
    }
    if (mf_db_is_suspect(c->db))
        c->failed = true;
    pthread_mutex_unlock(&c->lock);
    if (code != MF_OK && code != MF_ABORTED)
        mf_log(MF_LOG_ERROR, "store", "%s", err.message);
    return code;
}

static bool sync_moved(struct mf_checkpointer *c)
{
    struct mf_error err;
    if (c->config.db.no_fsync || mf_db_sync(c->db, &err) == MF_OK)
        return true;
    mf_log(MF_LOG_ERROR, "store", "%s", err.message);
    pthread_mutex_lock(&c->lock);
    c->failed = true;
    pthread_mutex_unlock(&c->lock);
    return false;
}

/* When to try again to begin anew: after some more pages, or not before the log has begun anew. */
static void retry_after(struct mf_checkpointer *c, bool done)
{
    pthread_mutex_lock(&c->lock);
    c->retry = done ? INT64_MAX : c->pages + STEP_PAGES;
    pthread_mutex_unlock(&c->lock);
}

/* Ends the log with the writer held up, after most of the work was done beside it. A writer that is too quick
 * for that waits longer. */
static void begin_anew(struct mf_checkpointer *c, enum mf_checkpoint_mode mode)
{
    int64_t left = INT64_MAX;
    enum mf_code code = MF_OK;
    pthread_mutex_lock(&c->lock);
    int64_t pages = c->pages;
    pthread_mutex_unlock(&c->lock);
    for (int i = 0; i < ROUNDS && left > SMALL_PAGES && pages < HARD_PAGES && code == MF_OK; i++) {
        code = round_of(c, MF_CHECKPOINT_PASSIVE, &left, &pages);
        if (code == MF_OK && !sync_moved(c))
            code = MF_UNAVAILABLE;
    }
    if (code != MF_OK) {
        retry_after(c, false);
        return;
    }
    c->config.hold(c->config.ctx);
    code = round_of(c, mode, &left, &pages);
    /* Before the next commit, which begins the log anew and sets this back. */
    if (code != MF_OK || mode == MF_CHECKPOINT_RESTART)
        retry_after(c, code == MF_OK);
    c->config.release(c->config.ctx);
}

static void wait_for_idle(struct mf_checkpointer *c)
{
    struct timespec until = {.tv_sec = c->last + IDLE_SECONDS + 1};
    pthread_cond_timedwait(&c->changed, &c->lock, &until);
}

static void *work(void *arg)
{
    struct mf_checkpointer *c = arg;
    int64_t left = 0;
    int64_t pages = 0;
    pthread_mutex_lock(&c->lock);
    while (!c->stopping) {
        bool full = c->pages >= c->retry;
        if (c->failed || !c->dirty) {
            c->asleep = true;
            pthread_cond_wait(&c->changed, &c->lock);
            c->asleep = false;
        } else if (step_due(c)) {
            pthread_mutex_unlock(&c->lock);
            if (full)
                begin_anew(c, MF_CHECKPOINT_RESTART);
            else
                round_of(c, MF_CHECKPOINT_PASSIVE, &left, &pages);
            pthread_mutex_lock(&c->lock);
        } else if (seconds() < c->last + IDLE_SECONDS) {
            wait_for_idle(c);
        } else {
            pthread_mutex_unlock(&c->lock);
            begin_anew(c, MF_CHECKPOINT_TRUNCATE);
            pthread_mutex_lock(&c->lock);
            if (c->dirty)
                c->last = seconds(); /* it did not work out now */
        }
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

enum mf_code mf_checkpointer_start(const struct mf_checkpointer_config *config, struct mf_checkpointer **out,
                                   struct mf_error *err)
{
    struct mf_checkpointer *c = calloc(1, sizeof *c);
    pthread_condattr_t monotonic;
    *out = NULL;
    if (!c)
        return mf_fail_memory(err);
    c->config = *config;
    c->config.db.role = MF_DB_CHECKPOINTER;
    began_anew(c);
    c->last = seconds();
    c->dirty = true; /* a log that the last start left behind */
    enum mf_code code = mf_db_open(&c->config.db, &c->db, err);
    if (code != MF_OK) {
        free(c);
        return code;
    }
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&c->thread, NULL, work, c) != 0) {
        pthread_cond_destroy(&c->changed);
        pthread_mutex_destroy(&c->lock);
        mf_db_close(c->db);
        free(c);
        return mf_fail(err, MF_RESOURCE_EXHAUSTED,
                       "cannot start the checkpoint thread; raise the limit of threads");
    }
    *out = c;
    return MF_OK;
}

void mf_checkpointer_stop(struct mf_checkpointer *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    if (c->failed)
        mf_db_keep_log(c->db);
    mf_db_close(c->db);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
