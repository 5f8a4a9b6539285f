#include "testing.h"

#include "hub/hub.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct follower {
    struct mf_subscription subscription;
    atomic_int wakes;
    atomic_bool inside;
    atomic_bool overlapped;
};

static void wake(struct mf_subscription *subscription)
{
    struct follower *f = (struct follower *)subscription;
    if (atomic_exchange(&f->inside, true))
        atomic_store(&f->overlapped, true);
    atomic_fetch_add(&f->wakes, 1);
    atomic_store(&f->inside, false);
}

static struct mf_topic run_topic(int64_t run_id)
{
    return (struct mf_topic){.kind = MF_TOPIC_RUN, .run_id = run_id};
}

static struct mf_hub *make_hub(void)
{
    struct mf_hub *hub = NULL;
    assert_int_equal(mf_hub_new(&hub, NULL), MF_OK);
    return hub;
}

static void wakes_who_follows_and_nobody_else(void **state)
{
    static const struct mf_topic topics[] = {
        {MF_TOPIC_RUN, 1, 0},    {MF_TOPIC_RUN, 2, 0},  {MF_TOPIC_ACTION, 1, 0},
        {MF_TOPIC_ACTION, 1, 5}, {MF_TOPIC_WORK, 0, 0},
    };
    enum { N = sizeof topics / sizeof topics[0] };
    struct follower followers[N][3] = {0};
    struct mf_hub *hub = make_hub();
    (void)state;
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < 3; k++)
            mf_hub_subscribe(hub, &followers[i][k].subscription, topics[i], wake);
    }
    mf_hub_publish(hub, topics, N);
    mf_hub_publish(hub, &topics[3], 1);
    mf_hub_publish(hub, &(struct mf_topic){MF_TOPIC_CACHE, 0, 0}, 1);
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < 3; k++) {
            assert_int_equal(followers[i][k].wakes, i == 3 ? 2 : 1);
            mf_hub_unsubscribe(hub, &followers[i][k].subscription);
        }
    }
    mf_hub_publish(hub, topics, N);
    assert_int_equal(followers[0][0].wakes, 1);
    mf_hub_free(hub);
}

/* The first follower of a topic stands in the table; whoever leaves, the others are still found. */
static void any_of_a_topic_may_leave(void **state)
{
    (void)state;
    for (int leaver = 0; leaver < 4; leaver++) {
        struct follower followers[4] = {0};
        struct mf_hub *hub = make_hub();
        for (int i = 0; i < 4; i++)
            mf_hub_subscribe(hub, &followers[i].subscription, run_topic(7), wake);
        mf_hub_unsubscribe(hub, &followers[leaver].subscription);
        mf_hub_unsubscribe(hub, &followers[leaver].subscription); /* twice is fine */
        mf_hub_publish(hub, &(struct mf_topic){MF_TOPIC_RUN, 7, 0}, 1);
        for (int i = 0; i < 4; i++)
            assert_int_equal(followers[i].wakes, i == leaver ? 0 : 1);
        mf_hub_subscribe(hub, &followers[leaver].subscription, run_topic(8), wake);
        mf_hub_publish(hub, &(struct mf_topic){MF_TOPIC_RUN, 8, 0}, 1);
        assert_int_equal(followers[leaver].wakes, 1);
        for (int i = 0; i < 4; i++)
            mf_hub_unsubscribe(hub, &followers[i].subscription);
        mf_hub_free(hub);
    }
}

static void never_subscribed_may_leave(void **state)
{
    struct follower follower = {0};
    struct mf_hub *hub = make_hub();
    (void)state;
    mf_hub_unsubscribe(hub, &follower.subscription);
    mf_hub_free(hub);
    mf_hub_free(NULL);
}

/* Compares with a plain table while topics come and go at random; grows the buckets on the way. */
static void agrees_with_a_table(void **state)
{
    enum { FOLLOWERS = 3000, TOPICS = 900, STEPS = 30000 };
    struct follower *followers = calloc(FOLLOWERS, sizeof *followers);
    int *topic_of = calloc(FOLLOWERS, sizeof *topic_of); /* 0: none */
    int *expected = calloc(FOLLOWERS, sizeof *expected);
    struct mf_hub *hub = make_hub();
    uint32_t seed = 12345;
    (void)state;
    assert_true(followers && topic_of && expected);
    for (int step = 0; step < STEPS; step++) {
        seed = seed * 1664525 + 1013904223;
        size_t i = (seed >> 8) % FOLLOWERS;
        if (topic_of[i] != 0) {
            mf_hub_unsubscribe(hub, &followers[i].subscription);
            topic_of[i] = 0;
        } else {
            topic_of[i] = 1 + (int)((seed >> 4) % TOPICS);
            mf_hub_subscribe(hub, &followers[i].subscription, run_topic(topic_of[i]), wake);
        }
        if (step % 10 == 0) {
            struct mf_topic topic = run_topic(1 + (int64_t)((seed >> 12) % TOPICS));
            mf_hub_publish(hub, &topic, 1);
            for (size_t k = 0; k < FOLLOWERS; k++)
                expected[k] += topic_of[k] == topic.run_id;
        }
    }
    for (size_t k = 0; k < FOLLOWERS; k++) {
        assert_int_equal(followers[k].wakes, expected[k]);
        mf_hub_unsubscribe(hub, &followers[k].subscription);
    }
    free(expected);
    free(topic_of);
    free(followers);
    mf_hub_free(hub);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Were joining or leaving to walk over the others, 200,000 would take minutes; the bound is generous. */
static void many_may_follow_one_topic(void **state)
{
    enum { N = 200000 };
    struct follower *followers = calloc(N, sizeof *followers);
    struct mf_hub *hub = make_hub();
    double begin = seconds();
    (void)state;
    assert_non_null(followers);
    for (int i = 0; i < N; i++)
        mf_hub_subscribe(hub, &followers[i].subscription, run_topic(1), wake);
    mf_hub_publish(hub, &(struct mf_topic){MF_TOPIC_RUN, 1, 0}, 1);
    for (int i = 0; i < N; i++) {
        assert_int_equal(followers[i].wakes, 1);
        mf_hub_unsubscribe(hub, &followers[(i * 7919L) % N].subscription);
    }
    assert_true(seconds() - begin < 20);
    free(followers);
    mf_hub_free(hub);
}

struct slow {
    struct mf_subscription subscription;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool inside, may_leave;
    atomic_bool left;
};

static void slow_wake(struct mf_subscription *subscription)
{
    struct slow *s = (struct slow *)subscription;
    pthread_mutex_lock(&s->lock);
    s->inside = true;
    pthread_cond_broadcast(&s->changed);
    while (!s->may_leave)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    atomic_store(&s->left, true);
}

static struct mf_hub *shared;

static void *publish_slow(void *arg)
{
    (void)arg;
    mf_hub_publish(shared, &(struct mf_topic){MF_TOPIC_WORK, 0, 0}, 1);
    return NULL;
}

static void *let_leave(void *arg)
{
    struct slow *s = arg;
    const struct timespec moment = {.tv_nsec = 20000000}; /* so that unsubscribe most likely waits already */
    nanosleep(&moment, NULL);
    pthread_mutex_lock(&s->lock);
    s->may_leave = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void unsubscribe_waits_for_a_running_wake(void **state)
{
    struct slow slow = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    pthread_t publisher;
    pthread_t helper;
    (void)state;
    shared = make_hub();
    mf_hub_subscribe(shared, &slow.subscription, (struct mf_topic){MF_TOPIC_WORK, 0, 0}, slow_wake);
    assert_int_equal(pthread_create(&publisher, NULL, publish_slow, NULL), 0);
    pthread_mutex_lock(&slow.lock);
    while (!slow.inside)
        pthread_cond_wait(&slow.changed, &slow.lock);
    pthread_mutex_unlock(&slow.lock);
    assert_int_equal(pthread_create(&helper, NULL, let_leave, &slow), 0);
    mf_hub_unsubscribe(shared, &slow.subscription);
    assert_true(atomic_load(&slow.left));
    pthread_join(publisher, NULL);
    pthread_join(helper, NULL);
    mf_hub_free(shared);
}

static atomic_bool churning;

static void *churn(void *arg)
{
    struct follower *f = arg;
    for (int i = 0; atomic_load(&churning); i++) {
        mf_hub_subscribe(shared, &f->subscription, run_topic(i % 3), wake);
        mf_hub_unsubscribe(shared, &f->subscription);
    }
    return NULL;
}

static void *publish_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20000; i++) {
        struct mf_topic topics[] = {run_topic(0), run_topic(1), run_topic(2)};
        mf_hub_publish(shared, topics, 3);
    }
    return NULL;
}

static void publishers_never_wake_one_twice_at_a_time(void **state)
{
    struct follower steady = {0};
    struct follower come_and_go[2] = {0};
    pthread_t threads[4];
    (void)state;
    shared = make_hub();
    atomic_store(&churning, true);
    mf_hub_subscribe(shared, &steady.subscription, run_topic(1), wake);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, publish_many, NULL), 0);
        assert_int_equal(pthread_create(&threads[2 + i], NULL, churn, &come_and_go[i]), 0);
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    atomic_store(&churning, false);
    pthread_join(threads[2], NULL);
    pthread_join(threads[3], NULL);
    assert_int_equal(steady.wakes, 40000);
    assert_false(steady.overlapped);
    assert_false(come_and_go[0].overlapped || come_and_go[1].overlapped);
    mf_hub_unsubscribe(shared, &steady.subscription);
    mf_hub_free(shared);
}

static void hashes_names(void **state)
{
    (void)state;
    assert_true(mf_topic_hash(MF_STR("")) == UINT64_C(0xcbf29ce484222325)); /* published values of FNV-1a */
    assert_true(mf_topic_hash(MF_STR("a")) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(mf_topic_hash(MF_STR("foobar")) == UINT64_C(0x85944171f73967e8));
    assert_true(mf_topic_hash2(MF_STR("foo"), MF_STR("bar")) == mf_topic_hash(MF_STR("foo/bar")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wakes_who_follows_and_nobody_else),
        cmocka_unit_test(any_of_a_topic_may_leave),
        cmocka_unit_test(never_subscribed_may_leave),
        cmocka_unit_test(agrees_with_a_table),
        cmocka_unit_test(many_may_follow_one_topic),
        cmocka_unit_test(unsubscribe_waits_for_a_running_wake),
        cmocka_unit_test(publishers_never_wake_one_twice_at_a_time),
        cmocka_unit_test(hashes_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
