#include "rpc/compress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct mf_str sample(struct mf_arena *arena, size_t len)
{
    char *bytes = mf_arena_bytes(arena, len + 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)("abcabcabd"[i % 9] + (int)(i / 1000 % 7));
    return mf_str_make(bytes, len);
}

static void there_and_back(void **state)
{
    (void)state;
    static const enum mf_compression kinds[] = {MF_COMPRESSION_NONE, MF_COMPRESSION_GZIP,
                                                MF_COMPRESSION_ZSTD};
    static const size_t sizes[] = {0, 1, 100, 5000, 70000, 1000000};
    struct mf_compressor *pool = mf_compressor_new();
    for (size_t k = 0; k < 3; k++) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            struct mf_arena *arena = mf_arena_new(0);
            struct mf_str bytes = sample(arena, sizes[s]), packed, out;
            struct mf_error err;
            assert_int_equal(mf_compress(pool, kinds[k], arena, bytes, &packed, &err), MF_OK);
            assert_int_equal(mf_decompress(pool, kinds[k], arena, packed, sizes[s], &out, &err), MF_OK);
            assert_true(mf_str_eq(out, bytes));
            /* One byte less than needed is refused, by whatever amount the result would be longer. */
            if (sizes[s] > 0)
                assert_int_equal(mf_decompress(pool, kinds[k], arena, packed, sizes[s] - 1, &out, &err),
                                 MF_RESOURCE_EXHAUSTED);
            mf_arena_free(arena);
        }
    }
    mf_compressor_free(pool);
}

static void broken_data(void **state)
{
    (void)state;
    struct mf_compressor *pool = mf_compressor_new();
    for (int kind = MF_COMPRESSION_GZIP; kind <= MF_COMPRESSION_ZSTD; kind++) {
        struct mf_arena *arena = mf_arena_new(0);
        struct mf_error err;
        struct mf_str packed, out;
        enum mf_compression c = (enum mf_compression)kind;
        assert_int_equal(mf_decompress(pool, c, arena, MF_STR("not compressed"), 1000, &out, &err),
                         MF_INVALID_ARGUMENT);
        assert_int_equal(mf_compress(pool, c, arena, sample(arena, 3000), &packed, &err), MF_OK);
        for (size_t len = 1; len < packed.len; len++)
            assert_int_equal(mf_decompress(pool, c, arena, mf_str_take(packed, len), 5000, &out, &err),
                             MF_INVALID_ARGUMENT);
        assert_int_equal(mf_decompress(pool, c, arena, packed, 5000, &out, &err),
                         MF_OK); /* contexts recover */
        mf_arena_free(arena);
    }
    mf_compressor_free(pool);
}

static void memory_runs_out(void **state)
{
    (void)state;
    struct mf_compressor *pool = mf_compressor_new();
    struct mf_arena *roomy = mf_arena_new(0);
    struct mf_arena *small = mf_arena_new(8192);
    struct mf_error err;
    struct mf_str packed, out;
    assert_int_equal(mf_compress(pool, MF_COMPRESSION_GZIP, roomy, sample(roomy, 100000), &packed, &err),
                     MF_OK);
    assert_int_equal(mf_decompress(pool, MF_COMPRESSION_GZIP, small, packed, 200000, &out, &err),
                     MF_RESOURCE_EXHAUSTED);
    mf_arena_free(small);
    mf_arena_free(roomy);
    mf_compressor_free(pool);
}

static void names(void **state)
{
    (void)state;
    enum mf_compression c;
    assert_true(mf_compression_find(MF_STR("GZip"), &c) && c == MF_COMPRESSION_GZIP);
    assert_true(mf_compression_find(MF_STR("identity"), &c) && c == MF_COMPRESSION_NONE);
    assert_true(mf_compression_find((struct mf_str){0}, &c) && c == MF_COMPRESSION_NONE);
    assert_false(mf_compression_find(MF_STR("br"), &c));
    assert_int_equal(mf_compression_choose(MF_STR("br, gzip;q=0.5,identity")), MF_COMPRESSION_GZIP);
    assert_int_equal(mf_compression_choose(MF_STR("gzip;q=0, zstd")), MF_COMPRESSION_ZSTD);
    assert_int_equal(mf_compression_choose(MF_STR("gzip; q=0.000")), MF_COMPRESSION_NONE);
    assert_int_equal(mf_compression_choose(MF_STR("identity,gzip")), MF_COMPRESSION_NONE);
    assert_int_equal(mf_compression_choose(MF_STR("")), MF_COMPRESSION_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(broken_data),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
