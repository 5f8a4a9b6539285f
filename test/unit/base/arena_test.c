#include "testing.h"

#include "base/arena.h"

static void gives_zeroed_aligned_memory(void **state)
{
    (void)state;
    struct mf_arena *arena = mf_arena_new(0);
    for (size_t size = 1; size < 5000; size += 37) {
        char *p = mf_arena_alloc(arena, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xab, size);
    }
    mf_arena_reset(arena);
    char *p = mf_arena_alloc(arena, 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
    mf_arena_free(arena);
    mf_arena_free(NULL);
}

static void keeps_its_bound(void **state)
{
    (void)state;
    struct mf_arena *arena = mf_arena_new(10000);
    assert_non_null(mf_arena_alloc(arena, 6000));
    assert_null(mf_arena_alloc(arena, 6000));
    assert_null(mf_arena_bytes(arena, SIZE_MAX));
    assert_null(mf_arena_array(arena, SIZE_MAX / 4, 8));
    assert_non_null(mf_arena_alloc(arena, 100));
    mf_arena_reset(arena);
    assert_int_equal(mf_arena_used(arena), 0);
    assert_non_null(mf_arena_alloc(arena, 9000));
    mf_arena_free(arena);
}

static void grows_the_newest_in_place(void **state)
{
    (void)state;
    struct mf_arena *arena = mf_arena_new(0);
    char *a = mf_arena_alloc(arena, 32);
    memset(a, 'a', 32);
    assert_ptr_equal(mf_arena_grow(arena, a, 32, 64), a);
    assert_int_equal(a[31], 'a');
    assert_int_equal(a[32], 0);
    char *b = mf_arena_alloc(arena, 16);
    memset(b, 'b', 16);
    char *c = mf_arena_grow(arena, a, 64, 128);
    assert_ptr_not_equal(c, a);
    assert_int_equal(c[31], 'a');
    assert_int_equal(c[127], 0);
    assert_int_equal(b[15], 'b');
    char *large = mf_arena_grow(arena, c, 128, 100000);
    assert_int_equal(large[0], 'a');
    assert_int_equal(large[99999], 0);
    mf_arena_free(arena);
}

struct trail {
    char text[8];
    size_t used;
};

struct mark {
    struct trail *trail;
    char letter;
};

static void leave(void *data)
{
    const struct mark *mark = data;
    mark->trail->text[mark->trail->used++] = mark->letter;
}

static void runs_deferred_newest_first(void **state)
{
    (void)state;
    struct trail trail = {.used = 0};
    struct mark a = {&trail, 'a'}, b = {&trail, 'b'};
    struct mf_arena *arena = mf_arena_new(0);
    assert_true(mf_arena_defer(arena, leave, &a));
    assert_true(mf_arena_defer(arena, leave, &b));
    mf_arena_reset(arena);
    mf_arena_free(arena);
    assert_string_equal(trail.text, "ba");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_zeroed_aligned_memory),
        cmocka_unit_test(keeps_its_bound),
        cmocka_unit_test(grows_the_newest_in_place),
        cmocka_unit_test(runs_deferred_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
