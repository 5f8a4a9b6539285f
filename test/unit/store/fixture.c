#include "fixture.h"

#include "store/project.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define WAIT_SECONDS 60

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;
static int answers;

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->dir, sizeof f->dir, "/tmp/mayfly-store-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    test_database_make(&f->database, f->dir);
    f->path = f->database.path;
    assert_int_equal(mf_hub_new(&f->hub, &f->err), MF_OK);
    f->config = (struct mf_store_config){.sys = mf_sys_real(), .path = f->path, .hub = f->hub};
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    mf_store_close(f->store);
    mf_hub_free(f->hub);
    test_database_drop(&f->database);
    assert_int_equal(mf_remove_tree(f->dir, NULL), MF_OK);
    free(f);
    return 0;
}

void fixture_open(struct fixture *f)
{
    enum mf_code code = mf_store_open(&f->config, &f->store, &f->err);
    if (code != MF_OK)
        print_error("%s\n", f->err.message);
    assert_int_equal(code, MF_OK);
}

void fixture_close(struct fixture *f)
{
    mf_store_close(f->store);
    f->store = NULL;
}

int64_t fixture_log_bytes(const struct fixture *f)
{
    char path[128];
    struct stat st;
    snprintf(path, sizeof path, "%s-wal", f->path);
    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static enum mf_code apply(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct put *put = (struct put *)command;
    char *padding = mf_arena_bytes(mf_tx_arena(tx), put->padding + 1);
    const struct mf_project_row row = {
        .id = mf_str_from_c(put->id),
        .name = mf_str_from_c(put->id),
        .description = mf_str_make(padding, put->padding),
        .created_at = mf_tx_now_ns(tx),
        .updated_at = mf_tx_now_ns(tx),
    };
    if (!padding)
        return mf_fail_memory(err);
    memset(padding, 'x', put->padding);
    put->applied++;
    if (put->wants_seq)
        put->seq = mf_tx_next_seq(tx);
    enum mf_code code = mf_project_insert(mf_tx_db(tx), &row, err);
    if (put->touch.kind != 0)
        mf_tx_touch(tx, put->touch);
    if (code == MF_OK && put->fail != MF_OK)
        code = mf_fail(err, put->fail, "%s shall fail", put->id);
    return code;
}

static void done(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct put *put = (struct put *)command;
    pthread_mutex_lock(&lock);
    assert_false(put->done);
    put->code = code;
    snprintf(put->message, sizeof put->message, "%.199s", code == MF_OK ? "" : err->message);
    put->place = ++answers;
    put->done = true;
    pthread_cond_broadcast(&answered);
    pthread_mutex_unlock(&lock);
}

void put_init(struct put *put, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    *put = (struct put){.command = {.apply = apply, .done = done}};
    vsnprintf(put->id, sizeof put->id, format, args);
    va_end(args);
}

void put_wait(const struct put *put)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_SECONDS;
    pthread_mutex_lock(&lock);
    while (!put->done)
        assert_int_equal(pthread_cond_timedwait(&answered, &lock, &until), 0);
    pthread_mutex_unlock(&lock);
}

enum mf_code put_run(struct fixture *f, const char *id)
{
    struct put put;
    put_init(&put, "%s", id);
    return mf_writer_run(mf_store_writer(f->store), &put.command, &f->err);
}

void put_batch(struct fixture *f, struct put *puts, size_t count)
{
    struct mf_writer *writer = mf_store_writer(f->store);
    mf_writer_hold(writer);
    for (size_t i = 0; i < count; i++)
        mf_writer_submit(writer, &puts[i].command);
    mf_writer_release(writer);
    for (size_t i = 0; i < count; i++)
        put_wait(&puts[i]);
}

bool project_there(struct fixture *f, const char *id)
{
    struct mf_db *db = NULL;
    bool exists = false;
    assert_int_equal(mf_store_reader(f->store, &db, &f->err), MF_OK);
    assert_int_equal(mf_project_exists(db, mf_str_from_c(id), &exists, &f->err), MF_OK);
    mf_store_reader_done(f->store, db);
    return exists;
}

int64_t project_count(struct fixture *f)
{
    MF_SQL(sql_count, "SELECT count(*) FROM project");
    struct mf_db *db = NULL;
    struct mf_stmt *stmt = NULL;
    bool row = false;
    assert_int_equal(mf_store_reader(f->store, &db, &f->err), MF_OK);
    assert_int_equal(mf_db_query(db, &sql_count, &stmt, &f->err), MF_OK);
    assert_int_equal(mf_stmt_step(stmt, &row, &f->err), MF_OK);
    int64_t count = mf_col_int(stmt, 0);
    mf_stmt_done(stmt);
    mf_store_reader_done(f->store, db);
    return count;
}
