#include "store/writer.h"

#include "store/driver.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define DEFAULT_QUEUE 65536
#define DEFAULT_BATCH 256
#define REPEATS_MAX 4                 /* of a turn, when a database server was lost */
#define RECONNECT_MS 10000            /* that commands wait for a server which has just been lost */
#define TOUCHED_MAX ((size_t)1 << 20) /* topics in a batch */

MF_SQL(sql_get_seq, "SELECT value FROM counter WHERE name = 'seq'");
MF_SQL(sql_put_seq, "INSERT INTO counter (name, value) VALUES ('seq', $1) "
                    "ON CONFLICT (name) DO UPDATE SET value = excluded.value");

/* What apply sees. There is one, re-used for every command. */
struct mf_tx {
    struct mf_writer *writer;
    int64_t now_ns; /* 0: not asked for yet */
    bool failed;    /* a touch found no memory */
};

struct mf_writer {
    struct mf_writer_config config;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t work;  /* the writer waits here */
    pthread_cond_t quiet; /* who holds the writer up, and mf_writer_run, wait here */
    /* Under the lock: */
    struct mf_command *first, **last;
    size_t queued; /* between them; the bound is on these */
    bool asleep, stopping;
    int holds;   /* who wants no transaction to run */
    int runners; /* threads in mf_writer_run */
    bool in_turn;

    atomic_size_t waiting; /* those of a turn that is not over included, so that a stuck one shows */
    atomic_uint_fast64_t turns;
    atomic_int_fast64_t committed_seq;

    /* The writer thread's own: */
    struct mf_db *db; /* NULL when the last one was given up and another could not be opened */
    bool is_down;     /* a server was waited for in vain; the next commands do not wait again */
    atomic_bool is_ousted;
    struct mf_arena *arena;
    struct mf_tx tx;
    int64_t seq;       /* newest number handed out */
    int64_t saved_seq; /* in the database */
    struct mf_topic *touched;
    size_t touched_count, touched_cap;
};

/* ---- for apply functions ---- */

struct mf_db *mf_tx_db(struct mf_tx *tx)
{
    return tx->writer->db;
}

int64_t mf_tx_now_ns(struct mf_tx *tx)
{
    if (tx->now_ns == 0)
        tx->now_ns = mf_wall_ns(tx->writer->config.sys);
    return tx->now_ns;
}

int64_t mf_tx_next_seq(struct mf_tx *tx)
{
    return ++tx->writer->seq;
}

static bool last_touched_is(const struct mf_writer *w, const struct mf_topic *topic)
{
    const struct mf_topic *last = w->touched_count > 0 ? &w->touched[w->touched_count - 1] : NULL;
    return last && last->kind == topic->kind && last->run_id == topic->run_id && last->hash == topic->hash;
}

void mf_tx_touch(struct mf_tx *tx, struct mf_topic topic)
{
    struct mf_writer *w = tx->writer;
    if (last_touched_is(w, &topic))
        return;
    if (w->touched_count == w->touched_cap) {
        size_t cap = w->touched_cap > 0 ? w->touched_cap * 2 : 256;
        struct mf_topic *grown = cap <= TOUCHED_MAX ? realloc(w->touched, cap * sizeof *grown) : NULL;
        if (!grown) {
            tx->failed = true;
            return;
        }
        w->touched = grown;
        w->touched_cap = cap;
    }
    w->touched[w->touched_count++] = topic;
}

struct mf_arena *mf_tx_arena(struct mf_tx *tx)
{
    return tx->writer->arena;
}

/* ---- publishing ---- */

static size_t topic_slot(const struct mf_topic *topics, const size_t *slots, size_t cap,
                         const struct mf_topic *topic)
{
    uint64_t x =
        (topic->hash ^ ((uint64_t)topic->run_id << 7) ^ (uint64_t)topic->kind) * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(x >> 32) & (cap - 1);
    while (slots[i] != 0) {
        const struct mf_topic *other = &topics[slots[i] - 1];
        if (other->kind == topic->kind && other->run_id == topic->run_id && other->hash == topic->hash)
            break;
        i = (i + 1) & (cap - 1);
    }
    return i;
}

/* Keeps the first of equal topics. Without memory for it all of them stay, which only wakes some twice. */
static size_t unite(struct mf_writer *w)
{
    size_t cap = 16;
    size_t kept = 0;
    while (cap < w->touched_count * 2)
        cap *= 2;
    size_t *slots = mf_arena_array(w->arena, cap, sizeof *slots);
    if (!slots)
        return w->touched_count;
    for (size_t i = 0; i < w->touched_count; i++) {
        struct mf_topic topic = w->touched[i];
        size_t slot = topic_slot(w->touched, slots, cap, &topic);
        if (slots[slot] != 0)
            continue;
        w->touched[kept++] = topic;
        slots[slot] = kept;
    }
    return kept;
}

static void publish(struct mf_writer *w)
{
    if (w->touched_count > 0 && w->config.hub)
        mf_hub_publish(w->config.hub, w->touched, unite(w));
    w->touched_count = 0;
}

/* ---- transactions ---- */

static enum mf_code load_seq(struct mf_writer *w, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    int64_t stored = 0;
    enum mf_code code = mf_db_query(w->db, &sql_get_seq, &stmt, err);
    if (code == MF_OK)
        code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK && row)
        stored = mf_col_int(stmt, 0);
    mf_stmt_done(stmt);
    if (code != MF_OK)
        return code;
    w->saved_seq = stored;
    if (w->seq < stored)
        w->seq = stored;
    return MF_OK;
}

static enum mf_code save_seq(struct mf_writer *w, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    if (w->seq == w->saved_seq)
        return MF_OK;
    enum mf_code code = mf_db_query(w->db, &sql_put_seq, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, w->seq);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

/* A connection whose disk failed, or whose server is gone, is closed, since what it holds in memory may
 * differ from what is stored. */
static enum mf_code ensure_connection(struct mf_writer *w, struct mf_error *err)
{
    const struct mf_db_options options = {
        .path = w->config.path,
        .role = MF_DB_WRITER,
        .no_fsync = w->config.no_fsync,
        .password = w->config.password,
        .wait_ms = w->is_down ? 0 : RECONNECT_MS,
        .owner = w->config.owner,
    };
    if (w->db && mf_db_is_suspect(w->db)) {
        mf_db_keep_log(w->db);
        mf_db_close(w->db);
        w->db = NULL;
    }
    if (w->db)
        return MF_OK;
    enum mf_code code = mf_db_open(&options, &w->db, err);
    if (code == MF_OK)
        code = load_seq(w, err);
    if (code != MF_OK) {
        mf_db_close(w->db);
        w->db = NULL;
    }
    w->is_down = code != MF_OK;
    if (code == MF_ABORTED) {
        atomic_store(&w->is_ousted, true);
        code = mf_fail(err, MF_UNAVAILABLE, "another server has taken the database over; ask that one");
    }
    return code;
}

bool mf_writer_is_ousted(const struct mf_writer *writer)
{
    return atomic_load(&writer->is_ousted);
}

static enum mf_code begin(struct mf_writer *w, struct mf_error *err)
{
    int64_t newest = 0;
    enum mf_code code = ensure_connection(w, err);
    if (code == MF_OK)
        code = mf_db_begin(w->db, err);
    if (code != MF_OK || !mf_db_is_shared(w->db))
        return code;
    code = mf_db_take_order(w->db, &newest, err);
    if (code != MF_OK) {
        mf_db_rollback(w->db);
        return code;
    }
    w->saved_seq = newest;
    if (w->seq < newest)
        w->seq = newest;
    return MF_OK;
}

static enum mf_code commit(struct mf_writer *w, struct mf_error *err)
{
    enum mf_code code = save_seq(w, err);
    if (code == MF_OK)
        code = mf_db_commit(w->db, err);
    if (code != MF_OK) {
        mf_db_rollback(w->db);
        return code;
    }
    w->saved_seq = w->seq;
    atomic_store(&w->committed_seq, w->seq);
    if (w->config.committed)
        w->config.committed(w->config.ctx, mf_db_log_pages(w->db));
    return MF_OK;
}

static enum mf_code apply(struct mf_writer *w, struct mf_command *command, struct mf_error *err)
{
    w->tx = (struct mf_tx){.writer = w};
    enum mf_code code = command->apply(command, &w->tx, err);
    if (code == MF_OK && w->tx.failed)
        code = mf_fail_memory(err);
    return code;
}

/* The commands of one round of the thread. The code of each is kept with it, the message of a failure in
 * errors. */
struct turn {
    struct mf_command *first;
    size_t count;
    size_t touched;           /* topics that were there before */
    struct mf_error **errors; /* by position; NULL, and NULL in it, when there was no memory for them */
};

static void keep_error(struct mf_writer *w, struct turn *turn, size_t at, struct mf_command *command,
                       enum mf_code code, const struct mf_error *err)
{
    command->code = code;
    if (code == MF_OK || !turn->errors)
        return;
    if (!turn->errors[at])
        turn->errors[at] = MF_NEW(w->arena, struct mf_error);
    if (turn->errors[at])
        *turn->errors[at] = *err;
}

/* Applies it, behind a savepoint unless it is alone. */
static enum mf_code attempt(struct mf_writer *w, struct mf_command *command, bool alone, struct mf_error *err)
{
    struct mf_error ignored;
    size_t touched = w->touched_count;
    enum mf_code code = alone ? MF_OK : mf_db_savepoint(w->db, err);
    bool marked = !alone && code == MF_OK;
    if (code == MF_OK)
        code = apply(w, command, err);
    if (code == MF_OK && !mf_db_in_transaction(w->db))
        code = mf_fail(err, MF_UNAVAILABLE, "the database gave the change up; try again");
    if (code == MF_OK && marked)
        code = mf_db_savepoint_keep(w->db, err);
    if (code == MF_OK)
        return MF_OK;
    w->touched_count = touched;
    if (mf_db_in_transaction(w->db) && (!marked || mf_db_savepoint_undo(w->db, &ignored) != MF_OK))
        mf_db_rollback(w->db);
    return code;
}

static void fail_all(struct mf_writer *w, struct turn *turn, enum mf_code code, const struct mf_error *err)
{
    size_t at = 0;
    for (struct mf_command *c = turn->first; c; c = c->next, at++) {
        if (c->code == MF_OK)
            keep_error(w, turn, at, c, code, err);
    }
    w->touched_count = turn->touched;
}

enum outcome {
    OVER,     /* each command has its code */
    GIVEN_UP, /* by the database, half-way; nothing of it is there */
    REPEAT,   /* nothing of it is there, and it may go well the next time */
};

static bool may_repeat(const struct mf_writer *w)
{
    return w->db && mf_db_may_repeat(w->db);
}

/* One transaction for all. */
static enum outcome together(struct mf_writer *w, struct turn *turn)
{
    struct mf_error err = {0};
    size_t at = 0;
    size_t succeeded = 0;
    enum mf_code code = begin(w, &err);
    for (struct mf_command *c = turn->first; c && code == MF_OK; c = c->next, at++) {
        enum mf_code result = attempt(w, c, turn->count == 1, &err);
        keep_error(w, turn, at, c, result, &err);
        if (result == MF_OK)
            succeeded++;
        else if (may_repeat(w))
            return REPEAT;
        else if (turn->count > 1 && !mf_db_in_transaction(w->db))
            return GIVEN_UP;
    }
    if (code == MF_OK && succeeded > 0)
        code = commit(w, &err);
    else if (code == MF_OK)
        mf_db_rollback(w->db);
    if (code != MF_OK)
        fail_all(w, turn, code, &err);
    return code != MF_OK && may_repeat(w) ? REPEAT : OVER;
}

/* Goes on until the outcome is another than REPEAT, or it has been tried often enough: then each command has
 * the code of the last try. */
static enum outcome persist(struct mf_writer *w, struct turn *turn)
{
    enum outcome outcome = together(w, turn);
    for (int i = 0; i < REPEATS_MAX && outcome == REPEAT; i++) {
        w->touched_count = turn->touched;
        for (struct mf_command *c = turn->first; c; c = c->next)
            c->code = MF_OK;
        outcome = together(w, turn);
    }
    if (outcome != REPEAT)
        return outcome;
    struct mf_error err;
    mf_db_rollback(w->db);
    fail_all(w, turn, mf_fail(&err, MF_UNAVAILABLE, "the database is not available; try again in a moment"),
             &err);
    return OVER;
}

/* After a transaction that was given up: each command has its own, so that the one that cannot be done does
 * not take the others with it. */
static void one_by_one(struct mf_writer *w, struct turn *turn)
{
    struct mf_command *next;
    size_t at = 0;
    w->touched_count = turn->touched;
    for (struct mf_command *c = turn->first; c; c = next, at++) {
        struct turn single = {.first = c, .count = 1, .touched = w->touched_count};
        single.errors = turn->errors ? turn->errors + at : NULL;
        next = c->next;
        c->next = NULL;
        c->code = MF_OK;
        persist(w, &single);
        c->next = next;
    }
}

static void answer(struct turn *turn)
{
    struct mf_command *next;
    struct mf_error plain = {0};
    size_t at = 0;
    for (struct mf_command *c = turn->first; c; c = next, at++) {
        const struct mf_error *err = turn->errors ? turn->errors[at] : NULL;
        enum mf_code code = c->code;
        next = c->next; /* the command is its owner's again during done */
        if (code == MF_OK)
            plain = (struct mf_error){0};
        else if (!err)
            mf_fail(&plain, code, "the change was not made for lack of memory; try again");
        c->done(c, code, code != MF_OK && err ? err : &plain);
    }
}

static void run_turn(struct mf_writer *w, struct mf_command *first, size_t count)
{
    struct turn turn = {.first = first, .count = count};
    turn.errors = mf_arena_array(w->arena, count, sizeof(struct mf_error *));
    if (persist(w, &turn) == GIVEN_UP)
        one_by_one(w, &turn);
    answer(&turn);
    publish(w);
    mf_arena_reset(w->arena);
}

/* ---- the queue and the thread ---- */

/* Up to a batch of what waits; NULL when there is nothing and will be nothing. Begins a turn. */
static struct mf_command *take(struct mf_writer *w, size_t *count)
{
    pthread_mutex_lock(&w->lock);
    while ((!w->first && !w->stopping) || w->holds > 0) {
        w->asleep = true;
        pthread_cond_wait(&w->work, &w->lock);
        w->asleep = false;
    }
    struct mf_command *first = w->first;
    struct mf_command **last = &w->first;
    for (*count = 0; *last && *count < w->config.batch; ++*count) {
        (*last)->code = MF_OK;
        last = &(*last)->next;
    }
    if (first) {
        w->first = *last;
        w->queued -= *count;
        *last = NULL;
        if (!w->first)
            w->last = &w->first;
        w->in_turn = true;
    }
    pthread_mutex_unlock(&w->lock);
    return first;
}

static void end_turn(struct mf_writer *w, size_t count)
{
    atomic_fetch_sub(&w->waiting, count);
    pthread_mutex_lock(&w->lock);
    atomic_fetch_add(&w->turns, 1);
    w->in_turn = false;
    if (w->holds > 0 || w->runners > 0)
        pthread_cond_broadcast(&w->quiet);
    pthread_mutex_unlock(&w->lock);
}

static void *work(void *arg)
{
    struct mf_writer *w = arg;
    struct mf_command *first;
    size_t count;
    while ((first = take(w, &count)) != NULL) {
        run_turn(w, first, count);
        end_turn(w, count);
    }
    return NULL;
}

void mf_writer_submit(struct mf_writer *w, struct mf_command *command)
{
    struct mf_error err;
    enum mf_code code = MF_OK;
    command->next = NULL;
    pthread_mutex_lock(&w->lock);
    if (w->stopping) {
        code = mf_fail(&err, MF_UNAVAILABLE, "the server is stopping; try again when it is back");
    } else if (w->queued >= w->config.queue) {
        code = mf_fail(&err, MF_RESOURCE_EXHAUSTED, "too many changes are waiting; try again in a moment");
    } else {
        *w->last = command;
        w->last = &command->next;
        w->queued++;
        atomic_fetch_add(&w->waiting, 1);
        if (w->asleep)
            pthread_cond_signal(&w->work);
    }
    pthread_mutex_unlock(&w->lock);
    if (code != MF_OK)
        command->done(command, code, &err);
}

struct run {
    struct mf_command command;
    struct mf_command *wanted;
    struct mf_writer *writer;
    struct mf_error *err;
    enum mf_code code;
    uint64_t turn; /* the one that did it, when not refused */
    bool done, refused;
};

static enum mf_code apply_run(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct run *run = (struct run *)command;
    return run->wanted->apply(run->wanted, tx, err);
}

static void done_run(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct run *run = (struct run *)command;
    struct mf_writer *w = run->writer;
    run->code = code;
    if (code != MF_OK && run->err)
        *run->err = *err;
    if (run->wanted->done)
        run->wanted->done(run->wanted, code, err);
    pthread_mutex_lock(&w->lock);
    run->refused = !pthread_equal(pthread_self(), w->thread);
    run->turn = atomic_load(&w->turns);
    run->done = true;
    pthread_mutex_unlock(&w->lock);
}

enum mf_code mf_writer_run(struct mf_writer *w, struct mf_command *command, struct mf_error *err)
{
    struct run run = {
        .command = {.apply = apply_run, .done = done_run}, .wanted = command, .writer = w, .err = err};
    pthread_mutex_lock(&w->lock);
    w->runners++;
    pthread_mutex_unlock(&w->lock);
    mf_writer_submit(w, &run.command);
    pthread_mutex_lock(&w->lock);
    while (!run.done || (!run.refused && atomic_load(&w->turns) == run.turn))
        pthread_cond_wait(&w->quiet, &w->lock);
    w->runners--;
    pthread_mutex_unlock(&w->lock);
    return run.code;
}

uint64_t mf_writer_turns(const struct mf_writer *w)
{
    return atomic_load(&w->turns);
}

size_t mf_writer_waiting(const struct mf_writer *w)
{
    return atomic_load(&w->waiting);
}

int64_t mf_writer_seq(const struct mf_writer *w)
{
    return atomic_load(&w->committed_seq);
}

void mf_writer_hold(struct mf_writer *w)
{
    pthread_mutex_lock(&w->lock);
    w->holds++;
    while (w->in_turn)
        pthread_cond_wait(&w->quiet, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

void mf_writer_release(struct mf_writer *w)
{
    pthread_mutex_lock(&w->lock);
    w->holds--;
    if (w->asleep)
        pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
}

/* ---- life ---- */

enum mf_code mf_writer_start(const struct mf_writer_config *config, struct mf_db *db, struct mf_writer **out,
                             struct mf_error *err)
{
    struct mf_writer *w = calloc(1, sizeof *w);
    enum mf_code code = MF_OK;
    *out = NULL;
    if (!w) {
        mf_db_close(db);
        return mf_fail_memory(err);
    }
    w->config = *config;
    w->config.queue = config->queue > 0 ? config->queue : DEFAULT_QUEUE;
    w->config.batch = config->batch > 0 ? config->batch : DEFAULT_BATCH;
    w->db = db;
    w->last = &w->first;
    w->arena = mf_arena_new(0);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    pthread_cond_init(&w->quiet, NULL);
    code = w->arena ? load_seq(w, err) : mf_fail_memory(err);
    atomic_store(&w->committed_seq, w->seq);
    if (code == MF_OK && pthread_create(&w->thread, NULL, work, w) != 0)
        code = mf_fail(err, MF_RESOURCE_EXHAUSTED,
                       "cannot start the writer's thread; raise the limit of threads");
    if (code != MF_OK) {
        mf_db_close(w->db);
        mf_writer_free(w);
        return code;
    }
    *out = w;
    return MF_OK;
}

struct mf_db *mf_writer_stop(struct mf_writer *w)
{
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    struct mf_db *db = w->db;
    w->db = NULL;
    return db;
}

void mf_writer_free(struct mf_writer *w)
{
    if (!w)
        return;
    mf_arena_free(w->arena);
    free(w->touched);
    pthread_cond_destroy(&w->quiet);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
