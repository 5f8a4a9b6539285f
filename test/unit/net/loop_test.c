#include "base/list.h"
#include "net/loop.h"
#include "testing.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define POSTERS 4
#define POSTS 5000

struct item {
    struct mf_work work;
    int poster, number;
};

struct state {
    struct mf_loop *loop;
    int last[POSTERS];
    _Atomic int run;
    _Atomic int fired;
    bool in_order;
    struct mf_timer *repeating;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static struct state state; /* of the test that runs; items carry no pointer to it */
static struct item items[POSTERS][POSTS];

static void tell(void)
{
    pthread_mutex_lock(&state.lock);
    pthread_cond_broadcast(&state.changed);
    pthread_mutex_unlock(&state.lock);
}

static void wait_for(_Atomic int *counter, int value)
{
    struct timespec until;
    int rc = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&state.lock);
    while (atomic_load(counter) < value && rc == 0)
        rc = pthread_cond_timedwait(&state.changed, &state.lock, &until);
    pthread_mutex_unlock(&state.lock);
    assert_true(atomic_load(counter) >= value);
}

static int setup(void **unused)
{
    struct mf_error err;
    (void)unused;
    memset(&state, 0, sizeof state);
    pthread_mutex_init(&state.lock, NULL);
    pthread_cond_init(&state.changed, NULL);
    state.in_order = true;
    return mf_loop_new(&state.loop, &err) == MF_OK ? 0 : -1;
}

static int teardown(void **unused)
{
    (void)unused;
    mf_loop_stop(state.loop);
    mf_loop_join(state.loop);
    mf_loop_free(state.loop);
    pthread_cond_destroy(&state.changed);
    pthread_mutex_destroy(&state.lock);
    return 0;
}

static void start(void)
{
    struct mf_error err;
    assert_int_equal(mf_loop_start(state.loop, "test-loop", &err), MF_OK);
}

static void run_item(struct mf_work *work)
{
    struct item *item = MF_CONTAINER(work, struct item, work);
    if (item->number != state.last[item->poster]++ || !mf_loop_is_current(state.loop))
        state.in_order = false;
    atomic_fetch_add(&state.run, 1);
    if (atomic_load(&state.run) == POSTERS * POSTS)
        tell();
}

static void *poster(void *arg)
{
    struct item *mine = arg;
    for (int i = 0; i < POSTS; i++)
        mf_loop_post(state.loop, &mine[i].work);
    return NULL;
}

static void work_runs_in_the_order_of_posting(void **unused)
{
    pthread_t threads[POSTERS];
    (void)unused;
    start();
    for (int p = 0; p < POSTERS; p++) {
        for (int i = 0; i < POSTS; i++)
            items[p][i] = (struct item){.work = {.fn = run_item}, .poster = p, .number = i};
        assert_int_equal(pthread_create(&threads[p], NULL, poster, items[p]), 0);
    }
    for (int p = 0; p < POSTERS; p++)
        pthread_join(threads[p], NULL);
    wait_for(&state.run, POSTERS * POSTS);
    assert_true(state.in_order);
    assert_false(mf_loop_is_current(state.loop));
}

static void count_run(struct mf_work *work)
{
    (void)work;
    atomic_fetch_add(&state.run, 1);
    tell();
}

static void work_posted_before_the_end_still_runs(void **unused)
{
    struct mf_work before = {.fn = count_run}, after = {.fn = count_run};
    (void)unused;
    mf_loop_post(state.loop, &before);
    mf_loop_stop(state.loop);
    start();
    mf_loop_join(state.loop);
    assert_int_equal(atomic_load(&state.run), 1);
    /* What comes later is run when the loop is freed. */
    mf_loop_post(state.loop, &after);
    mf_loop_free(state.loop);
    assert_int_equal(atomic_load(&state.run), 2);
    struct mf_error err;
    assert_int_equal(mf_loop_new(&state.loop, &err), MF_OK); /* for teardown */
}

static void fire(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&state.fired, 1);
    tell();
}

static void fire_thrice(void *ctx)
{
    (void)ctx;
    if (atomic_fetch_add(&state.fired, 1) == 2)
        mf_timer_stop(state.repeating);
    tell();
}

static void start_timers(struct mf_work *work)
{
    struct mf_timer *stopped = mf_timer_start(state.loop, 1, false, fire, NULL);
    assert_non_null(stopped);
    mf_timer_stop(stopped);
    state.repeating = mf_timer_start(state.loop, 1, true, fire_thrice, NULL);
    assert_non_null(state.repeating);
    count_run(work);
}

static void start_late_timer(struct mf_work *work)
{
    assert_non_null(mf_timer_start(state.loop, 20, false, fire, NULL));
    count_run(work);
}

static void timers_fire_and_stop(void **unused)
{
    struct mf_work first = {.fn = start_timers}, second = {.fn = start_late_timer};
    (void)unused;
    start();
    mf_loop_post(state.loop, &first);
    wait_for(&state.fired, 3);
    /* A timer that begins after the others are over is the last to fire: nothing else did meanwhile. */
    mf_loop_post(state.loop, &second);
    wait_for(&state.fired, 4);
    assert_int_equal(atomic_load(&state.fired), 4);
}

static void start_forgotten_timers(struct mf_work *work)
{
    for (int i = 0; i < 10; i++)
        assert_non_null(mf_timer_start(state.loop, 3600000, i % 2 == 0, fire, NULL));
    count_run(work);
}

static void timers_that_run_go_with_the_loop(void **unused)
{
    struct mf_work work = {.fn = start_forgotten_timers};
    (void)unused;
    start();
    mf_loop_post(state.loop, &work);
    wait_for(&state.run, 1); /* the leak checker says the rest, after teardown */
}

static void the_loop_turns_by_itself(void **unused)
{
    struct timespec pause = {.tv_nsec = 20000000};
    (void)unused;
    start();
    uint64_t before = mf_loop_turns(state.loop);
    for (int i = 0; i < 500 && mf_loop_turns(state.loop) < before + 2; i++)
        nanosleep(&pause, NULL);
    assert_true(mf_loop_turns(state.loop) >= before + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(work_runs_in_the_order_of_posting, setup, teardown),
        cmocka_unit_test_setup_teardown(work_posted_before_the_end_still_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(timers_fire_and_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(timers_that_run_go_with_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(the_loop_turns_by_itself, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
