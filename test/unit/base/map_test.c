#include "testing.h"

#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>

static struct mf_str key_of(char *text, int i)
{
    int len = snprintf(text, 32, "key-%d", i);
    return mf_str_make(text, (size_t)len);
}

static bool add_up(void *ctx, struct mf_str key, void *value)
{
    long *sum = ctx;
    assert_true(mf_str_starts(key, MF_STR("key-")));
    *sum += *(int *)value;
    return true;
}

static bool stop_at_once(void *ctx, struct mf_str key, void *value)
{
    (void)key;
    (void)value;
    ++*(int *)ctx;
    return false;
}

/* Random puts and removes, compared with a plain table. */
static void agrees_with_a_table(void **state)
{
    (void)state;
    enum { KEYS = 500 };
    int values[KEYS];
    bool there[KEYS] = {false};
    size_t count = 0;
    char text[32];
    struct mf_map *map = mf_map_new(42);
    unsigned random = 1;
    for (int step = 0; step < 200000; step++) {
        random = random * 1664525 + 1013904223;
        int i = (int)(random >> 8) % KEYS;
        if (random >> 30 < 2) {
            void *old;
            values[i] = i;
            assert_true(mf_map_put(map, key_of(text, i), &values[i], &old));
            assert_ptr_equal(old, there[i] ? &values[i] : NULL);
            count += !there[i];
            there[i] = true;
        } else if (random >> 30 == 2) {
            assert_ptr_equal(mf_map_remove(map, key_of(text, i)), there[i] ? &values[i] : NULL);
            count -= there[i];
            there[i] = false;
        } else {
            assert_ptr_equal(mf_map_get(map, key_of(text, i)), there[i] ? &values[i] : NULL);
        }
        assert_int_equal(mf_map_count(map), count);
    }
    long expected = 0, sum = 0;
    for (int i = 0; i < KEYS; i++)
        expected += there[i] ? i : 0;
    mf_map_each(map, add_up, &sum);
    assert_int_equal(sum, expected);
    int calls = 0;
    mf_map_each(map, stop_at_once, &calls);
    assert_int_equal(calls, 1);
    mf_map_free(map, NULL);
}

static void takes_any_bytes_as_key(void **state)
{
    (void)state;
    struct mf_map *map = mf_map_new(7);
    assert_null(mf_map_get(map, MF_STR("")));
    assert_null(mf_map_remove(map, MF_STR("")));
    char bytes[64] = {0};
    for (size_t len = 0; len < sizeof bytes; len++)
        assert_true(mf_map_put(map, mf_str_make(bytes, len), malloc(1), NULL));
    assert_int_equal(mf_map_count(map), sizeof bytes);
    for (size_t len = 0; len < sizeof bytes; len++)
        assert_non_null(mf_map_get(map, mf_str_make(bytes, len)));
    mf_map_free(map, free);
    mf_map_free(NULL, free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_table),
        cmocka_unit_test(takes_any_bytes_as_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
