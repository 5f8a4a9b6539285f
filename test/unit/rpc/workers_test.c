#include "rpc/workers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

#define PIECES 20000

struct piece {
    struct mf_work work;
    atomic_int *count;
};

static struct piece pieces[PIECES];

static void count_one(struct mf_work *work)
{
    struct piece *piece = (struct piece *)(void *)work;
    atomic_fetch_add(piece->count, 1);
}

static void everything_runs_once(void **state)
{
    (void)state;
    struct mf_workers *workers = NULL;
    struct mf_error err;
    atomic_int count = 0;
    assert_int_equal(mf_workers_new(4, PIECES, &workers, &err), MF_OK);
    assert_int_equal(mf_workers_start(workers, &err), MF_OK);
    for (int i = 0; i < PIECES; i++) {
        pieces[i] = (struct piece){.work = {.fn = count_one}, .count = &count};
        assert_true(mf_workers_submit(workers, &pieces[i].work));
    }
    mf_workers_stop(workers);
    assert_int_equal(count, PIECES);
    assert_false(mf_workers_submit(workers, &pieces[0].work));
    assert_false(mf_workers_submit_again(workers, &pieces[0].work));
    mf_workers_free(workers);
}

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int inside; /* workers that wait here */
    bool open;
};

struct visitor {
    struct mf_work work;
    struct gate *gate;
};

static void wait_inside(struct mf_work *work)
{
    struct gate *gate = ((struct visitor *)(void *)work)->gate;
    pthread_mutex_lock(&gate->lock);
    gate->inside++;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

/* Blocked workers do not keep work from the others, and the queue has a bound. */
static void slow_work_and_full_queue(void **state)
{
    (void)state;
    struct mf_workers *workers = NULL;
    struct mf_error err;
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct visitor visitors[8];
    assert_int_equal(mf_workers_new(3, 4, &workers, &err), MF_OK);
    assert_int_equal(mf_workers_start(workers, &err), MF_OK);
    for (int i = 0; i < 3; i++) {
        visitors[i] = (struct visitor){.work = {.fn = wait_inside}, .gate = &gate};
        assert_true(mf_workers_submit(workers, &visitors[i].work));
    }
    pthread_mutex_lock(&gate.lock);
    while (gate.inside < 3)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    for (int i = 3; i < 8; i++) {
        visitors[i] = (struct visitor){.work = {.fn = wait_inside}, .gate = &gate};
        assert_int_equal(mf_workers_submit(workers, &visitors[i].work), i < 7);
    }
    assert_true(mf_workers_submit_again(workers, &visitors[7].work));
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    mf_workers_stop(workers);
    assert_int_equal(gate.inside, 8);
    mf_workers_free(workers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_runs_once),
        cmocka_unit_test(slow_work_and_full_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
