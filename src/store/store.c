#include "store/store.h"

#include "store/checkpoint.h"
#include "store/driver.h"
#include "store/migrate.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define READERS_MAX 256
#define READERS_OF_SERVER 16 /* each is a process there */
#define READER_WAIT_SECONDS 5
#define START_WAIT_MS 10000 /* for a server that is being started as well */

struct mf_store {
    struct mf_store_config config;
    char *path, *password;
    char owner[32]; /* of a server's database; names this process */
    size_t readers_max;
    struct mf_writer *writer;
    struct mf_checkpointer *checkpointer;

    pthread_mutex_t lock;
    pthread_cond_t returned;
    /* Under the lock. The one that came back last goes out first: its cache is warm. */
    struct mf_db *idle[READERS_MAX];
    size_t idle_count, open_count, wanting;
};

static void committed(void *ctx, int64_t log_pages)
{
    struct mf_store *store = ctx;
    if (store->checkpointer)
        mf_checkpointer_note(store->checkpointer, log_pages);
}

static void hold(void *ctx)
{
    struct mf_store *store = ctx;
    mf_writer_hold(store->writer);
}

static void release(void *ctx)
{
    struct mf_store *store = ctx;
    mf_writer_release(store->writer);
}

static struct mf_db_options options(const struct mf_store *store, enum mf_db_role role)
{
    return (struct mf_db_options){
        .path = store->path,
        .role = role,
        .no_fsync = store->config.unsafe_no_fsync,
        .password = store->password,
        .wait_ms = role == MF_DB_READER ? READER_WAIT_SECONDS * 1000 : START_WAIT_MS,
        .owner = role == MF_DB_WRITER ? store->owner : NULL,
    };
}

static enum mf_code open_database(struct mf_store *store, struct mf_db **out, struct mf_error *err)
{
    const struct mf_db_options writer = options(store, MF_DB_WRITER);
    char place[256];
    mf_db_describe(store->path, place, sizeof place);
    enum mf_code code = mf_db_check_library(store->path, err);
    if (code == MF_OK)
        code = mf_db_open(&writer, out, err);
    if (code == MF_OK)
        code = mf_migrate(*out, mf_migrations, mf_migration_count, mf_wall_ns(store->config.sys), place, err);
    if (code != MF_OK) {
        mf_db_close(*out);
        *out = NULL;
    }
    return code;
}

/* Each of the two threads calls the other's functions: the checkpointer finds a writer that runs, and the
 * writer reports no commit before somebody can submit a command. */
static enum mf_code start(struct mf_store *store, struct mf_error *err)
{
    struct mf_db *db = NULL;
    const struct mf_checkpointer_config checkpointer = {
        .db = options(store, MF_DB_CHECKPOINTER), .hold = hold, .release = release, .ctx = store};
    const struct mf_writer_config writer = {
        .sys = store->config.sys,
        .path = store->path,
        .password = store->password,
        .owner = store->owner,
        .hub = store->config.hub,
        .queue = store->config.queue,
        .batch = store->config.batch,
        .no_fsync = store->config.unsafe_no_fsync,
        .committed = committed,
        .ctx = store,
    };
    enum mf_code code = open_database(store, &db, err);
    if (code == MF_OK)
        code = mf_writer_start(&writer, db, &store->writer, err);
    if (code == MF_OK && !mf_db_is_server(store->path))
        code = mf_checkpointer_start(&checkpointer, &store->checkpointer, err);
    return code;
}

bool mf_store_is_server(const char *path)
{
    return mf_db_is_server(path);
}

enum mf_code mf_store_open(const struct mf_store_config *config, struct mf_store **out, struct mf_error *err)
{
    *out = NULL;
    if (!config->path || !config->path[0] || config->path[0] == ':')
        return mf_fail(err, MF_INVALID_ARGUMENT, "the database needs the name of a file");
    struct mf_store *store = calloc(1, sizeof *store);
    if (!store)
        return mf_fail_memory(err);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&store->returned, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&store->lock, NULL);
    store->config = *config;
    store->path = strdup(config->path);
    store->password = config->password ? strdup(config->password) : NULL;
    uint64_t random = 0;
    config->sys->random(config->sys->ctx, &random, sizeof random);
    snprintf(store->owner, sizeof store->owner, "mayfly %016" PRIx64, random);
    store->readers_max = READERS_MAX;
    if (mf_db_is_server(config->path)) {
        size_t readers = config->readers > 0 ? config->readers : READERS_OF_SERVER;
        store->readers_max = readers < READERS_MAX ? readers : READERS_MAX;
    }
    enum mf_code code =
        store->path && !store->password == !config->password ? start(store, err) : mf_fail_memory(err);
    if (code != MF_OK) {
        mf_store_close(store);
        return code;
    }
    *out = store;
    return MF_OK;
}

struct mf_writer *mf_store_writer(struct mf_store *store)
{
    return store->writer;
}

struct mf_hub *mf_store_hub(struct mf_store *store)
{
    return store->config.hub;
}

const struct mf_sys *mf_store_sys(struct mf_store *store)
{
    return store->config.sys;
}

int64_t mf_store_seq(struct mf_store *store)
{
    return mf_writer_seq(store->writer);
}

/* An idle reader, or leave to open one (*out is NULL then). */
static enum mf_code take_reader(struct mf_store *store, struct mf_db **out, struct mf_error *err)
{
    struct timespec until;
    enum mf_code code = MF_OK;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += READER_WAIT_SECONDS;
    *out = NULL;
    pthread_mutex_lock(&store->lock);
    store->wanting++;
    while (store->idle_count == 0 && store->open_count == store->readers_max && code == MF_OK) {
        if (pthread_cond_timedwait(&store->returned, &store->lock, &until) != 0)
            code = mf_fail(err, MF_UNAVAILABLE, "too many reads at the same time; try again in a moment");
    }
    store->wanting--;
    if (store->idle_count > 0) {
        *out = store->idle[--store->idle_count];
        code = MF_OK;
    } else if (code == MF_OK) {
        store->open_count++;
    }
    pthread_mutex_unlock(&store->lock);
    return code;
}

enum mf_code mf_store_reader(struct mf_store *store, struct mf_db **out, struct mf_error *err)
{
    const struct mf_db_options reader = options(store, MF_DB_READER);
    enum mf_code code = take_reader(store, out, err);
    if (code != MF_OK || *out)
        return code;
    code = mf_db_open(&reader, out, err);
    if (code != MF_OK) {
        pthread_mutex_lock(&store->lock);
        store->open_count--;
        pthread_mutex_unlock(&store->lock);
    }
    return code;
}

void mf_store_reader_done(struct mf_store *store, struct mf_db *db)
{
    if (!db)
        return;
    mf_db_rest(db);
    bool keep = !mf_db_is_suspect(db);
    if (!keep)
        mf_db_close(db);
    pthread_mutex_lock(&store->lock);
    if (keep)
        store->idle[store->idle_count++] = db;
    else
        store->open_count--;
    if (store->wanting > 0)
        pthread_cond_signal(&store->returned);
    pthread_mutex_unlock(&store->lock);
}

void mf_store_close(struct mf_store *store)
{
    if (!store)
        return;
    struct mf_db *db = store->writer ? mf_writer_stop(store->writer) : NULL;
    bool sound = !store->checkpointer || mf_checkpointer_sound(store->checkpointer);
    mf_checkpointer_stop(store->checkpointer);
    mf_writer_free(store->writer);
    for (size_t i = 0; i < store->idle_count; i++) {
        if (!sound)
            mf_db_keep_log(store->idle[i]);
        mf_db_close(store->idle[i]);
    }
    /* The last connection moves the whole log into the database. */
    if (db && !sound)
        mf_db_keep_log(db);
    mf_db_close(db);
    pthread_cond_destroy(&store->returned);
    pthread_mutex_destroy(&store->lock);
    free(store->path);
    free(store->password);
    free(store);
}
