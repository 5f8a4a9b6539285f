#include "fault.h"
#include "fixture.h"

#include "store/driver.h"
#include "store/project.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int setup(void **state)
{
    fault_reset();
    fixture_setup(state);
    fixture_open(*state);
    return 0;
}

static int teardown(void **state)
{
    fault_reset();
    return fixture_teardown(state);
}

static void keeps_what_it_is_given(void **state)
{
    struct fixture *f = *state;
    assert_ptr_equal(mf_store_hub(f->store), f->hub);
    assert_ptr_equal(mf_store_sys(f->store), f->config.sys);
    assert_int_equal(put_run(f, "p"), MF_OK);
    fixture_close(f);
    fixture_open(f);
    assert_true(project_there(f, "p"));
}

static void refuses_what_is_no_file(void **state)
{
    struct fixture *f = *state;
    struct mf_store *store = NULL;
    struct mf_store_config config = f->config;
    config.path = ":memory:";
    assert_int_equal(mf_store_open(&config, &store, &f->err), MF_INVALID_ARGUMENT);
    config.path = "";
    assert_int_equal(mf_store_open(&config, &store, &f->err), MF_INVALID_ARGUMENT);
    config.path = "/nowhere/at/all";
    assert_int_equal(mf_store_open(&config, &store, &f->err), MF_UNAVAILABLE);
    assert_null(store);
    mf_store_close(NULL);
}

static void refuses_a_newer_schema(void **state)
{
    struct fixture *f = *state;
    struct mf_store *store = NULL;
    struct mf_db *db = NULL;
    const struct mf_db_options options = {.path = f->path, .role = MF_DB_WRITER};
    assert_int_equal(put_run(f, "p"), MF_OK);
    fixture_close(f);
    assert_int_equal(mf_db_open(&options, &db, &f->err), MF_OK);
    assert_int_equal(mf_db_script(db,
                                  "INSERT INTO schema_version "
                                  "SELECT max(version) + 1, 'later', 0 FROM schema_version",
                                  &f->err),
                     MF_OK);
    mf_db_close(db);
    assert_int_equal(mf_store_open(&f->config, &store, &f->err), MF_FAILED_PRECONDITION);
    assert_non_null(strstr(f->err.message, "newer Mayfly"));
    assert_int_equal(mf_db_open(&options, &db, &f->err), MF_OK);
    assert_int_equal(mf_db_script(db, "DELETE FROM schema_version WHERE name = 'later'", &f->err), MF_OK);
    mf_db_close(db);
    fixture_open(f);
    assert_true(project_there(f, "p"));
}

static void readers_are_pooled(void **state)
{
    struct fixture *f = *state;
    struct mf_db *first = NULL;
    struct mf_db *second = NULL;
    struct mf_db *again = NULL;
    assert_int_equal(mf_store_reader(f->store, &first, &f->err), MF_OK);
    assert_int_equal(mf_store_reader(f->store, &second, &f->err), MF_OK);
    assert_ptr_not_equal(first, second);
    assert_int_equal(mf_db_snapshot_begin(first, &f->err), MF_OK);
    mf_store_reader_done(f->store, first); /* with a snapshot left open */
    assert_int_equal(mf_store_reader(f->store, &again, &f->err), MF_OK);
    assert_ptr_equal(first, again);
    assert_false(mf_db_in_transaction(again));
    mf_store_reader_done(f->store, again);
    mf_store_reader_done(f->store, second);
    mf_store_reader_done(f->store, NULL);
}

static bool exists(struct fixture *f, struct mf_db *db, const char *id)
{
    bool there = false;
    assert_int_equal(mf_project_exists(db, mf_str_from_c(id), &there, &f->err), MF_OK);
    return there;
}

static void a_snapshot_does_not_see_later_commits(void **state)
{
    struct fixture *f = *state;
    struct mf_db *db = NULL;
    assert_int_equal(mf_store_reader(f->store, &db, &f->err), MF_OK);
    assert_int_equal(mf_db_snapshot_begin(db, &f->err), MF_OK);
    assert_false(exists(f, db, "p"));
    assert_int_equal(put_run(f, "p"), MF_OK);
    assert_false(exists(f, db, "p"));
    assert_true(project_there(f, "p"));
    mf_db_snapshot_end(db);
    assert_true(exists(f, db, "p"));
    mf_store_reader_done(f->store, db);
}

struct borrower {
    struct fixture *f;
    struct mf_db *db;
    struct mf_error err;
    enum mf_code code;
};

static void *borrow(void *arg)
{
    struct borrower *b = arg;
    b->code = mf_store_reader(b->f->store, &b->db, &b->err);
    return NULL;
}

static void readers_are_bounded(void **state)
{
    enum { MAX = 256, MAX_OF_SERVER = 16 };
    struct fixture *f = *state;
    const int most = test_database_is_server() ? MAX_OF_SERVER : MAX;
    struct mf_db *all[MAX];
    struct borrower late = {.f = f};
    pthread_t thread;
    for (int i = 0; i < most; i++)
        assert_int_equal(mf_store_reader(f->store, &all[i], &f->err), MF_OK);
    assert_int_equal(pthread_create(&thread, NULL, borrow, &late), 0);
    const struct timespec moment = {.tv_nsec = 20000000}; /* so that it most likely waits already */
    nanosleep(&moment, NULL);
    mf_store_reader_done(f->store, all[7]);
    pthread_join(thread, NULL);
    assert_int_equal(late.code, MF_OK);
    assert_ptr_equal(late.db, all[7]);
    for (int i = 0; i < most; i++)
        mf_store_reader_done(f->store, all[i]);
}

/* Waits until the log's file has at most that size. */
static void wait_for_log(struct fixture *f, int64_t most)
{
    for (int i = 0; i < 3000 && fixture_log_bytes(f) > most; i++)
        usleep(10000);
    assert_true(fixture_log_bytes(f) <= most);
}

static void an_idle_log_is_emptied(void **state)
{
    struct fixture *f = *state;
    test_only_with_a_file();
    assert_int_equal(put_run(f, "p"), MF_OK);
    assert_true(fixture_log_bytes(f) > 0);
    wait_for_log(f, 0);
    assert_int_equal(put_run(f, "q"), MF_OK);
    assert_true(project_there(f, "p") && project_there(f, "q"));
}

/* Commits follow each other without a pause, so that the log never comes to an end by itself. */
static void a_busy_log_begins_anew(void **state)
{
    enum { WINDOW = 16, TOTAL = 1600 };
    struct fixture *f = *state;
    test_only_with_a_file();
    struct put *puts = calloc(TOTAL, sizeof *puts);
    int64_t most = 0;
    assert_non_null(puts);
    fixture_close(f);
    f->config.unsafe_no_fsync = true;
    f->config.batch = 2;
    fixture_open(f);
    for (int i = 0; i < TOTAL; i++) {
        put_init(&puts[i], "p%d", i);
        puts[i].padding = 300000;
        if (i >= WINDOW)
            put_wait(&puts[i - WINDOW]);
        mf_writer_submit(mf_store_writer(f->store), &puts[i].command);
        int64_t bytes = fixture_log_bytes(f);
        most = bytes > most ? bytes : most;
    }
    for (int i = 0; i < TOTAL; i++) {
        put_wait(&puts[i]);
        assert_int_equal(puts[i].code, MF_OK);
    }
    free(puts);
    assert_true(most < (int64_t)400 << 20); /* of 480 MB that went through it; how much depends on the disk */
    assert_int_equal(project_count(f), TOTAL);
}

/* After a sync of the database failed only the log is known to be complete, so it has to stay. */
static void a_failed_checkpoint_keeps_the_log(void **state)
{
    struct fixture *f = *state;
    test_only_with_a_file();
    assert_int_equal(put_run(f, "p"), MF_OK);
    atomic_store(&fault.database_sync_failures, 1);
    for (int i = 0; i < 3000 && atomic_load(&fault.database_sync_failures) > 0; i++)
        usleep(10000);
    assert_int_equal(atomic_load(&fault.database_sync_failures), 0);
    assert_int_equal(put_run(f, "q"), MF_OK); /* goes on */
    fixture_close(f);
    assert_true(fixture_log_bytes(f) > 0);
    fixture_open(f);
    assert_true(project_there(f, "p") && project_there(f, "q"));
    fixture_close(f);
    assert_int_equal(fixture_log_bytes(f), 0);
    fixture_open(f);
    assert_true(project_there(f, "p") && project_there(f, "q"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_what_it_is_given, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_file, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_a_newer_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(readers_are_pooled, setup, teardown),
        cmocka_unit_test_setup_teardown(a_snapshot_does_not_see_later_commits, setup, teardown),
        cmocka_unit_test_setup_teardown(readers_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(an_idle_log_is_emptied, setup, teardown),
        cmocka_unit_test_setup_teardown(a_busy_log_begins_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_checkpoint_keeps_the_log, setup, teardown),
    };
    fault_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
