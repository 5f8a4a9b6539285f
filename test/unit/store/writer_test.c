#include "fault.h"
#include "fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 100

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

static void one_sync_carries_a_batch(void **state)
{
    struct fixture *f = *state;
    struct put puts[MANY];
    assert_int_equal(put_run(f, "first"), MF_OK);
    uint64_t turns = mf_writer_turns(mf_store_writer(f->store));
    int syncs = atomic_load(&fault.log_syncs);
    for (int i = 0; i < MANY; i++)
        put_init(&puts[i], "p%d", i);
    put_batch(f, puts, MANY);
    mf_writer_hold(mf_store_writer(f->store)); /* the turn is over, not only its answers */
    mf_writer_release(mf_store_writer(f->store));
    assert_int_equal(mf_writer_turns(mf_store_writer(f->store)), turns + 1);
    if (!test_database_is_server())
        assert_int_equal(atomic_load(&fault.log_syncs), syncs + 1);
    assert_int_equal(mf_writer_waiting(mf_store_writer(f->store)), 0);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(puts[i].code, MF_OK);
        assert_int_equal(puts[i].applied, 1);
        assert_int_equal(puts[i].place, puts[0].place + i);
    }
    assert_int_equal(project_count(f), MANY + 1);
}

static void batches_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct put puts[MANY];
    fixture_close(f);
    f->config.batch = 30;
    fixture_open(f);
    uint64_t turns = mf_writer_turns(mf_store_writer(f->store));
    for (int i = 0; i < MANY; i++)
        put_init(&puts[i], "p%d", i);
    put_batch(f, puts, MANY);
    mf_writer_hold(mf_store_writer(f->store));
    mf_writer_release(mf_store_writer(f->store));
    assert_int_equal(mf_writer_turns(mf_store_writer(f->store)), turns + 4);
    for (int i = 1; i < MANY; i++)
        assert_int_equal(puts[i].place, puts[0].place + i);
}

static void a_failure_takes_nobody_along(void **state)
{
    struct fixture *f = *state;
    struct put puts[MANY];
    for (int i = 0; i < MANY; i++) {
        put_init(&puts[i], "p%d", i);
        puts[i].fail = i % 3 == 0 ? MF_FAILED_PRECONDITION : MF_OK;
    }
    put_init(&puts[10], "p8"); /* taken by a command of the same batch */
    put_batch(f, puts, MANY);
    for (int i = 0; i < MANY; i++) {
        bool refused = i % 3 == 0;
        if (i == 10) {
            assert_int_equal(puts[i].code, MF_ALREADY_EXISTS);
            assert_string_equal(puts[i].message, "project already exists: p8");
            continue;
        }
        assert_int_equal(puts[i].code, refused ? MF_FAILED_PRECONDITION : MF_OK);
        assert_int_equal(project_there(f, puts[i].id), !refused);
        if (refused) {
            assert_non_null(strstr(puts[i].message, puts[i].id));
            assert_non_null(strstr(puts[i].message, "shall fail"));
        }
    }
}

static void alone_it_leaves_no_trace_either(void **state)
{
    struct fixture *f = *state;
    struct put put;
    put_init(&put, "alone");
    put.fail = MF_ABORTED;
    put_batch(f, &put, 1);
    assert_int_equal(put.code, MF_ABORTED);
    assert_false(project_there(f, "alone"));
    assert_int_equal(put_run(f, "alone"), MF_OK);
}

struct follower {
    struct mf_subscription subscription;
    struct mf_store *store;
    atomic_int wakes;
    int64_t seq; /* committed when it was woken */
};

static void wake(struct mf_subscription *subscription)
{
    struct follower *follower = (struct follower *)subscription;
    follower->seq = mf_store_seq(follower->store);
    atomic_fetch_add(&follower->wakes, 1);
}

static void publishes_once_after_the_commit(void **state)
{
    static const struct mf_topic topics[] = {
        {MF_TOPIC_WORK, 0, 0}, {MF_TOPIC_RUN, 1, 0}, {MF_TOPIC_RUN, 2, 0}};
    struct fixture *f = *state;
    struct follower followers[3] = {0};
    struct put puts[MANY];
    for (int i = 0; i < 3; i++) {
        followers[i].store = f->store;
        mf_hub_subscribe(f->hub, &followers[i].subscription, topics[i], wake);
    }
    for (int i = 0; i < MANY; i++) {
        put_init(&puts[i], "p%d", i);
        puts[i].touch = topics[i % 2];
        puts[i].wants_seq = true;
    }
    puts[50].fail = MF_ABORTED;
    puts[50].touch = topics[2];
    put_batch(f, puts, MANY);
    assert_int_equal(put_run(f, "wait"),
                     MF_OK); /* returns after its turn, so that of the batch is over as well */
    assert_int_equal(followers[0].wakes, 1);
    assert_int_equal(followers[1].wakes, 1);
    assert_int_equal(followers[2].wakes, 0);
    assert_true(followers[0].seq >= puts[MANY - 1].seq);
    for (int i = 0; i < 3; i++)
        mf_hub_unsubscribe(f->hub, &followers[i].subscription);
}

static void run_returns_after_publishing(void **state)
{
    static const struct mf_topic topic = {MF_TOPIC_WORK, 0, 0};
    struct fixture *f = *state;
    struct follower follower = {.store = f->store};
    mf_hub_subscribe(f->hub, &follower.subscription, topic, wake);
    for (int i = 0; i < MANY; i++) {
        struct put put;
        put_init(&put, "p%d", i);
        put.touch = topic;
        assert_int_equal(mf_writer_run(mf_store_writer(f->store), &put.command, &f->err), MF_OK);
        assert_true(put.done);
        assert_int_equal(follower.wakes, i + 1);
    }
    mf_hub_unsubscribe(f->hub, &follower.subscription);
}

static void numbers_rise_over_restarts(void **state)
{
    struct fixture *f = *state;
    int64_t last = 0;
    for (int life = 0; life < 4; life++) {
        struct put puts[10];
        for (int i = 0; i < 10; i++) {
            put_init(&puts[i], "p%d-%d", life, i);
            puts[i].wants_seq = true;
            puts[i].fail = i == 9 ? MF_ABORTED : MF_OK;
        }
        put_batch(f, puts, 10);
        for (int i = 0; i < 10; i++) {
            assert_true(puts[i].seq > last);
            last = puts[i].seq;
        }
        assert_true(mf_store_seq(f->store) >= puts[8].seq);
        int64_t before = mf_store_seq(f->store);
        fixture_close(f);
        fixture_open(f);
        assert_int_equal(mf_store_seq(f->store), before);
    }
}

static void refuses_when_the_queue_is_full(void **state)
{
    struct fixture *f = *state;
    struct put puts[6];
    fixture_close(f);
    f->config.queue = 4;
    fixture_open(f);
    struct mf_writer *writer = mf_store_writer(f->store);
    mf_writer_hold(writer);
    for (int i = 0; i < 6; i++) {
        put_init(&puts[i], "p%d", i);
        mf_writer_submit(writer, &puts[i].command);
        assert_int_equal(puts[i].done, i >= 4);
    }
    assert_int_equal(mf_writer_waiting(writer), 4);
    assert_int_equal(puts[4].code, MF_RESOURCE_EXHAUSTED);
    assert_int_equal(puts[5].code, MF_RESOURCE_EXHAUSTED);
    assert_int_equal(put_run(f, "too much"), MF_RESOURCE_EXHAUSTED);
    mf_writer_release(writer);
    for (int i = 0; i < 4; i++) {
        put_wait(&puts[i]);
        assert_int_equal(puts[i].code, MF_OK);
    }
    assert_int_equal(put_run(f, "again"), MF_OK);
}

static void completes_what_waits_when_it_stops(void **state)
{
    struct fixture *f = *state;
    struct put *puts = calloc(2000, sizeof *puts);
    assert_non_null(puts);
    for (int i = 0; i < 2000; i++) {
        put_init(&puts[i], "p%d", i);
        mf_writer_submit(mf_store_writer(f->store), &puts[i].command);
    }
    fixture_close(f);
    for (int i = 0; i < 2000; i++) {
        assert_true(puts[i].done);
        assert_int_equal(puts[i].code, MF_OK);
    }
    free(puts);
    fixture_open(f);
    assert_int_equal(project_count(f), 2000);
}

/* One command is larger than what SQLite holds in memory, so it meets the full disk while it is applied, and
 * SQLite gives up the whole transaction. */
static void a_full_disk_fails_who_needs_the_space(void **state)
{
    struct fixture *f = *state;
    test_only_with_a_file();
    struct put puts[9];
    assert_int_equal(put_run(f, "first"), MF_OK);
    atomic_store(&fault.log_limit, fixture_log_bytes(f) + (4 << 20));
    for (int i = 0; i < 9; i++) {
        put_init(&puts[i], "p%d", i);
        puts[i].wants_seq = true;
    }
    puts[4].padding = 30 << 20;
    put_batch(f, puts, 9);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(puts[i].code, i == 4 ? MF_UNAVAILABLE : MF_OK);
        assert_int_equal(project_there(f, puts[i].id), i != 4);
    }
    assert_true(puts[0].applied > 1); /* else the transaction was not given up, and this tests nothing */
    assert_non_null(strstr(puts[4].message, "disk is full"));
    atomic_store(&fault.log_limit, 0);
    put_init(&puts[4], "p4");
    puts[4].padding = 30 << 20;
    put_batch(f, &puts[4], 1);
    assert_int_equal(puts[4].code, MF_OK);
}

static void a_commit_on_a_full_disk_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    test_only_with_a_file();
    struct put puts[MANY];
    assert_int_equal(put_run(f, "first"), MF_OK);
    atomic_store(&fault.log_limit, fixture_log_bytes(f) + 10000);
    for (int i = 0; i < MANY; i++) {
        put_init(&puts[i], "p%d", i);
        puts[i].padding = 3000;
    }
    put_batch(f, puts, MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(puts[i].code, MF_UNAVAILABLE);
        assert_non_null(strstr(puts[i].message, "disk is full"));
    }
    assert_int_equal(project_count(f), 1);
    atomic_store(&fault.log_limit, 0);
    for (int i = 0; i < MANY; i++)
        put_init(&puts[i], "p%d", i);
    put_batch(f, puts, MANY);
    assert_int_equal(project_count(f), MANY + 1);
}

static void a_failed_sync_fails_the_batch(void **state)
{
    struct fixture *f = *state;
    test_only_with_a_file();
    struct put puts[MANY];
    struct follower follower = {.store = f->store};
    mf_hub_subscribe(f->hub, &follower.subscription, (struct mf_topic){MF_TOPIC_WORK, 0, 0}, wake);
    assert_int_equal(put_run(f, "first"), MF_OK);
    for (int round = 0; round < 3; round++) {
        int64_t seq = mf_store_seq(f->store);
        atomic_store(&fault.log_sync_failures, 1);
        for (int i = 0; i < MANY; i++) {
            put_init(&puts[i], "p%d", i);
            puts[i].wants_seq = true;
            puts[i].touch = (struct mf_topic){MF_TOPIC_WORK, 0, 0};
        }
        put_batch(f, puts, MANY);
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(puts[i].code, MF_UNAVAILABLE);
            assert_non_null(strstr(puts[i].message, "disk failed"));
        }
        assert_int_equal(atomic_load(&fault.log_sync_failures), 0);
        assert_int_equal(mf_store_seq(f->store), seq);
        assert_int_equal(project_count(f), 1);
        assert_int_equal(follower.wakes, 0);
    }
    int64_t last = puts[MANY - 1].seq;
    for (int i = 0; i < MANY; i++) {
        put_init(&puts[i], "p%d", i);
        puts[i].wants_seq = true;
    }
    put_batch(f, puts, MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(puts[i].code, MF_OK);
    assert_true(puts[0].seq > last);
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(project_count(f), MANY + 1);
    mf_hub_unsubscribe(f->hub, &follower.subscription);
}

/* ---- the end of a process in the middle of its work ---- */

static int acknowledge_to;

static void acknowledged(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct put *put = (struct put *)command;
    (void)err;
    if (code == MF_OK && write(acknowledge_to, put->id, sizeof put->id) != (ssize_t)sizeof put->id)
        _exit(3);
    free(put);
}

/* Writes until it is killed. */
static void child(struct fixture *f, int life, int to)
{
    struct mf_store *store = NULL;
    acknowledge_to = to;
    f->config.queue = 1000000;
    if (mf_store_open(&f->config, &store, &f->err) != MF_OK)
        _exit(4);
    for (int i = 0;; i++) {
        struct put *put = malloc(sizeof *put);
        if (!put)
            _exit(5);
        put_init(put, "%d-%d", life, i);
        put->padding = (size_t)(i % 7) * 500;
        put->wants_seq = true;
        put->command.done = acknowledged;
        mf_writer_submit(mf_store_writer(store), &put->command);
        while (mf_writer_waiting(mf_store_writer(store)) > 2000)
            usleep(100);
    }
}

static size_t read_id(int from, char id[32])
{
    size_t got = 0;
    while (got < 32) {
        ssize_t n = read(from, id + got, 32 - got);
        if (n > 0)
            got += (size_t)n;
        else if (n == 0 || errno != EINTR)
            break;
    }
    return got;
}

static void what_was_acknowledged_survives_kill(void **state)
{
    enum { LIVES = 5, ACKS = 3000 };
    struct fixture *f = *state;
    char(*ids)[32] = calloc((size_t)LIVES * 100000, 32);
    size_t count = 0;
    assert_non_null(ids);
    fixture_close(f);
    for (int life = 0; life < LIVES; life++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            child(f, life, ends[1]);
        close(ends[1]);
        size_t until = count + ACKS + (size_t)life * 777;
        bool killed = false;
        while (count < (size_t)LIVES * 100000 && read_id(ends[0], ids[count]) == 32) {
            if (++count == until) {
                assert_int_equal(kill(pid, SIGKILL), 0);
                killed = true;
            }
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        close(ends[0]);
    }
    fixture_open(f);
    for (size_t i = 0; i < count; i++)
        assert_true(project_there(f, ids[i]));
    struct put put;
    put_init(&put, "after");
    put.wants_seq = true;
    put_batch(f, &put, 1);
    assert_true(put.seq > (int64_t)count); /* every acknowledged command had drawn a number */
    free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_sync_carries_a_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(batches_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_takes_nobody_along, setup, teardown),
        cmocka_unit_test_setup_teardown(alone_it_leaves_no_trace_either, setup, teardown),
        cmocka_unit_test_setup_teardown(publishes_once_after_the_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(run_returns_after_publishing, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_rise_over_restarts, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_when_the_queue_is_full, setup, teardown),
        cmocka_unit_test_setup_teardown(completes_what_waits_when_it_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_fails_who_needs_the_space, setup, teardown),
        cmocka_unit_test_setup_teardown(a_commit_on_a_full_disk_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_sync_fails_the_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_acknowledged_survives_kill, setup, teardown),
    };
    fault_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
