#include "testing.h"

#include "schedule/entries.h"

#include <string.h>

#define IDS 600

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1;
    return *state >> 33;
}

/* Whose time comes first, the lowest of several; -1 when no time is set. */
static int64_t earliest(const int64_t *times)
{
    int64_t first = -1;
    for (int64_t i = 0; i < IDS; i++) {
        bool set = times[i] >= 0 && times[i] != INT64_MAX;
        if (set && (first < 0 || times[i] < times[first]))
            first = i;
    }
    return first;
}

static size_t due_until(const int64_t *times, int64_t at)
{
    size_t count = 0;
    for (size_t i = 0; i < IDS; i++)
        count += times[i] >= 0 && times[i] <= at;
    return count;
}

static void add_or_remove(struct mf_entries *entries, int64_t *times, int64_t id)
{
    struct mf_entry *entry = mf_entries_get(entries, id);
    assert_int_equal(entry != NULL, times[id] >= 0);
    if (entry) {
        mf_entries_remove(entries, entry);
        times[id] = -1;
    } else {
        entry = mf_entries_add(entries, id);
        assert_non_null(entry);
        assert_true(entry->id == id);
        times[id] = INT64_MAX;
    }
}

/* Adds, moves and removes at random, and compares with a plain array. */
static void the_first_is_always_the_earliest(void **state)
{
    (void)state;
    struct mf_entries *entries = NULL;
    struct mf_error err;
    int64_t times[IDS];
    uint64_t random = 42;
    memset(times, 0xff, sizeof times);
    assert_int_equal(mf_entries_new(&entries, &err), MF_OK);
    for (int turn = 0; turn < 50000; turn++) {
        int64_t id = (int64_t)(next_random(&random) % IDS);
        struct mf_entry *entry = mf_entries_get(entries, id);
        if (next_random(&random) % 8 == 0 || !entry) {
            add_or_remove(entries, times, id);
        } else {
            times[id] = next_random(&random) % 10 == 0 ? INT64_MAX : (int64_t)(next_random(&random) % 1000);
            mf_entries_set(entries, entry, times[id]);
        }
        const struct mf_entry *first = mf_entries_first(entries);
        assert_true((first ? first->id : -1) == earliest(times));
        if (turn % 100 == 0)
            assert_int_equal(mf_entries_due(entries, 500, IDS), due_until(times, 500));
    }
    assert_int_equal(mf_entries_due(entries, 1000, 3), 3);
    mf_entries_free(entries);
}

static void count_visit(void *ctx, struct mf_entry *entry)
{
    int64_t *sum = ctx;
    *sum += entry->id;
}

static void all_are_found_after_many_removals(void **state)
{
    (void)state;
    struct mf_entries *entries = NULL;
    struct mf_error err;
    int64_t sum = 0;
    int64_t expected = 0;
    assert_int_equal(mf_entries_new(&entries, &err), MF_OK);
    for (int64_t id = 0; id < 5000; id++)
        assert_non_null(mf_entries_add(entries, id * 4096));
    for (int64_t id = 0; id < 5000; id += 3)
        mf_entries_remove(entries, mf_entries_get(entries, id * 4096));
    for (int64_t id = 0; id < 5000; id++) {
        assert_int_equal(mf_entries_get(entries, id * 4096) != NULL, id % 3 != 0);
        expected += id % 3 != 0 ? id * 4096 : 0;
    }
    mf_entries_each(entries, count_visit, &sum);
    assert_true(sum == expected);
    assert_int_equal(mf_entries_count(entries), 3333);
    mf_entries_free(entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_always_the_earliest),
        cmocka_unit_test(all_are_found_after_many_removals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
