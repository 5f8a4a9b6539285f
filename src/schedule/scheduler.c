#include "schedule/scheduler.h"

#include "base/list.h"
#include "base/log.h"
#include "hub/hub.h"
#include "store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)
#define LOAD_RETRY_NS SECOND_NS
#define PRUNE_FIRST_NS (60 * SECOND_NS)
#define PRUNE_EVERY_NS (3600 * SECOND_NS)
#define PRUNE_ROWS 1000

struct mf_scheduler {
    struct mf_scheduler_config config;
    struct mf_engine *engine;
    struct mf_firer *firer;
    struct mf_subscription triggers;
    int event, timer;
    pthread_t thread;
    bool running; /* the thread is */
    atomic_bool stopping;
    atomic_bool loaded;
    int64_t prune_at; /* monotonic */
};

/* ---- the engine's port ---- */

static enum mf_code read_active(void *ctx, mf_schedule_visit visit, void *visit_ctx, struct mf_error *err)
{
    struct mf_scheduler *scheduler = ctx;
    struct mf_db *db = NULL;
    enum mf_code code = mf_store_reader(scheduler->config.store, &db, err);
    if (code == MF_OK)
        code = mf_schedule_active(db, visit, visit_ctx, err);
    mf_store_reader_done(scheduler->config.store, db);
    return code;
}

static enum mf_code read_changes(void *ctx, int64_t after_seq, mf_schedule_visit visit, void *visit_ctx,
                                 struct mf_error *err)
{
    struct mf_scheduler *scheduler = ctx;
    struct mf_db *db = NULL;
    enum mf_code code = mf_store_reader(scheduler->config.store, &db, err);
    if (code == MF_OK)
        code = mf_schedule_changes(db, after_seq, visit, visit_ctx, err);
    mf_store_reader_done(scheduler->config.store, db);
    return code;
}

static void carry_out(void *ctx, struct mf_step_work *work)
{
    struct mf_scheduler *scheduler = ctx;
    mf_firer_carry_out(scheduler->firer, work);
}

/* An eventfd that counts already wakes as well: nothing is lost when the write is refused. */
static void wake(void *ctx)
{
    const struct mf_scheduler *scheduler = ctx;
    uint64_t one = 1;
    ssize_t written = write(scheduler->event, &one, sizeof one);
    (void)written;
}

static void on_triggers(struct mf_subscription *subscription)
{
    struct mf_scheduler *scheduler = MF_CONTAINER(subscription, struct mf_scheduler, triggers);
    mf_engine_changed(scheduler->engine);
}

/* ---- the history's age ---- */

struct prune {
    struct mf_command command;
    int64_t before;
    int64_t removed;
};

static enum mf_code apply_prune(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct prune *prune = MF_CONTAINER(command, struct prune, command);
    return mf_fire_prune(mf_tx_db(tx), prune->before, PRUNE_ROWS, &prune->removed, err);
}

/* One bite at a time, so that firing does not wait for it. */
static void prune_when_due(struct mf_scheduler *scheduler)
{
    const struct mf_scheduler_config *config = &scheduler->config;
    int64_t mono = mf_mono_ns(config->sys);
    struct mf_error err;
    struct prune prune = {.command = {.apply = apply_prune}};
    if (config->history_ns == 0 || mono < scheduler->prune_at)
        return;
    prune.before = mf_wall_ns(config->sys) - config->history_ns;
    enum mf_code code = mf_writer_run(mf_store_writer(config->store), &prune.command, &err);
    if (code != MF_OK)
        mf_log(MF_LOG_WARN, "schedule", "old fires could not be removed: %s", err.message);
    bool more = code == MF_OK && prune.removed >= PRUNE_ROWS;
    scheduler->prune_at = mono + (more ? SECOND_NS : PRUNE_EVERY_NS);
}

/* ---- the thread ---- */

/* Sleeps until the wall clock shows at, it is set, or somebody wakes. */
static void wait_until(struct mf_scheduler *scheduler, int64_t at)
{
    const struct itimerspec time = {
        .it_value = {.tv_sec = at / SECOND_NS, .tv_nsec = at > 0 ? at % SECOND_NS : 0}};
    struct pollfd fds[] = {{.fd = scheduler->event, .events = POLLIN},
                           {.fd = scheduler->timer, .events = POLLIN}};
    uint64_t count;
    if (at <= mf_wall_ns(scheduler->config.sys))
        return;
    if (timerfd_settime(scheduler->timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &time, NULL) != 0 &&
        errno != ECANCELED)
        mf_log(MF_LOG_ERROR, "schedule", "the timer cannot be set: %s", strerror(errno));
    if (poll(fds, sizeof fds / sizeof fds[0], -1) < 0 && errno != EINTR)
        mf_log(MF_LOG_ERROR, "schedule", "waiting failed: %s", strerror(errno));
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        ssize_t got = fds[i].revents ? read(fds[i].fd, &count, sizeof count) : 0;
        (void)got;
    }
}

static void load(struct mf_scheduler *scheduler)
{
    const struct mf_sys *sys = scheduler->config.sys;
    struct mf_error err;
    while (!atomic_load(&scheduler->stopping) && !atomic_load(&scheduler->loaded)) {
        int64_t begun = mf_mono_ns(sys);
        if (mf_engine_load(scheduler->engine, mf_wall_ns(sys), &err) == MF_OK) {
            atomic_store(&scheduler->loaded, true);
            mf_log(MF_LOG_DEBUG, "schedule", "schedules are read: %" PRId64 " ms",
                   (mf_mono_ns(sys) - begun) / 1000000);
            return;
        }
        mf_log(MF_LOG_WARN, "schedule", "schedules cannot be read, trying again: %s", err.message);
        wait_until(scheduler, mf_wall_ns(sys) + LOAD_RETRY_NS);
    }
}

static void *run(void *arg)
{
    struct mf_scheduler *scheduler = arg;
    const struct mf_sys *sys = scheduler->config.sys;
    int64_t wake_at;
    load(scheduler);
    while (!atomic_load(&scheduler->stopping)) {
        mf_engine_turn(scheduler->engine, mf_wall_ns(sys), &wake_at);
        prune_when_due(scheduler);
        int64_t longest = mf_wall_ns(sys) + PRUNE_EVERY_NS;
        int64_t prune_in = scheduler->prune_at - mf_mono_ns(sys);
        if (scheduler->config.history_ns > 0 && prune_in < PRUNE_EVERY_NS)
            longest = mf_wall_ns(sys) + (prune_in > 0 ? prune_in : 0);
        wait_until(scheduler, wake_at < longest ? wake_at : longest);
    }
    while (mf_engine_in_flight(scheduler->engine) > 0) {
        mf_engine_collect(scheduler->engine);
        if (mf_engine_in_flight(scheduler->engine) > 0)
            wait_until(scheduler, mf_wall_ns(sys) + SECOND_NS);
    }
    return NULL;
}

/* ---- start and stop ---- */

static enum mf_code open_all(struct mf_scheduler *scheduler, struct mf_error *err)
{
    const struct mf_scheduler_config *config = &scheduler->config;
    struct mf_engine_config engine = {
        .port = {.ctx = scheduler,
                 .active = read_active,
                 .changes = read_changes,
                 .carry_out = carry_out,
                 .wake = wake},
        .zones = config->zones,
    };
    const struct mf_firer_config firer = {.sys = config->sys, .store = config->store, .runs = config->runs};
    config->sys->random(config->sys->ctx, &engine.seed, sizeof engine.seed);
    scheduler->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    scheduler->timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (scheduler->event < 0 || scheduler->timer < 0)
        return mf_fail(err, MF_RESOURCE_EXHAUSTED, "the scheduler needs two file descriptors: %s",
                       strerror(errno));
    enum mf_code code = mf_firer_new(&firer, &scheduler->firer, err);
    if (code == MF_OK)
        code = mf_engine_new(&engine, &scheduler->engine, err);
    if (code == MF_OK)
        mf_firer_bind(scheduler->firer, scheduler->engine);
    return code;
}

enum mf_code mf_scheduler_start(const struct mf_scheduler_config *config, struct mf_scheduler **out,
                                struct mf_error *err)
{
    const struct mf_topic topic = {.kind = MF_TOPIC_TRIGGERS};
    struct mf_scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (!scheduler)
        return mf_fail_memory(err);
    scheduler->config = *config;
    scheduler->prune_at = mf_mono_ns(config->sys) + PRUNE_FIRST_NS;
    scheduler->event = scheduler->timer = -1;
    enum mf_code code = open_all(scheduler, err);
    if (code == MF_OK) {
        mf_hub_subscribe(mf_store_hub(config->store), &scheduler->triggers, topic, on_triggers);
        int failed = pthread_create(&scheduler->thread, NULL, run, scheduler);
        scheduler->running = failed == 0;
        if (failed != 0)
            code = mf_fail(err, MF_RESOURCE_EXHAUSTED, "the scheduler's thread cannot be started: %s",
                           strerror(failed));
    }
    if (code != MF_OK) {
        mf_scheduler_stop(scheduler);
        mf_scheduler_free(scheduler);
        return code;
    }
    *out = scheduler;
    return MF_OK;
}

void mf_scheduler_stop(struct mf_scheduler *scheduler)
{
    mf_hub_unsubscribe(mf_store_hub(scheduler->config.store), &scheduler->triggers);
    if (!scheduler->running)
        return;
    atomic_store(&scheduler->stopping, true);
    wake(scheduler);
    pthread_join(scheduler->thread, NULL);
    scheduler->running = false;
    mf_firer_stop(scheduler->firer);
}

void mf_scheduler_free(struct mf_scheduler *scheduler)
{
    if (!scheduler)
        return;
    mf_firer_free(scheduler->firer);
    mf_engine_free(scheduler->engine);
    if (scheduler->event >= 0)
        close(scheduler->event);
    if (scheduler->timer >= 0)
        close(scheduler->timer);
    free(scheduler);
}

struct mf_firer *mf_scheduler_firer(struct mf_scheduler *scheduler)
{
    return scheduler->firer;
}

void mf_scheduler_stats(struct mf_scheduler *scheduler, struct mf_engine_stats *out)
{
    mf_engine_stats(scheduler->engine, out);
}

bool mf_scheduler_has_work(struct mf_scheduler *scheduler)
{
    struct mf_engine_stats stats;
    mf_engine_stats(scheduler->engine, &stats);
    return !atomic_load(&scheduler->loaded) || stats.in_flight > 0 ||
           stats.next_at <= mf_wall_ns(scheduler->config.sys);
}
