#include "testing.h"

#include "base/encode.h"

static int setup(void **state)
{
    *state = mf_arena_new(0);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    mf_arena_free(*state);
    return 0;
}

/* RFC 4648, section 10. */
static void base64_vectors(void **state)
{
    static const char *const rows[][3] = {
        {"", "", ""},
        {"f", "Zg==", "MY======"},
        {"fo", "Zm8=", "MZXQ===="},
        {"foo", "Zm9v", "MZXW6==="},
        {"foob", "Zm9vYg==", "MZXW6YQ="},
        {"fooba", "Zm9vYmE=", "MZXW6YTB"},
        {"foobar", "Zm9vYmFy", "MZXW6YTBOI======"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_str plain = mf_str_from_c(rows[i][0]);
        struct mf_str back;
        assert_str(mf_base64(*state, plain), rows[i][1]);
        assert_str(mf_base32(*state, plain), rows[i][2]);
        assert_true(mf_base64_decode(*state, mf_str_from_c(rows[i][1]), &back));
        assert_true(mf_str_eq(back, plain));
        assert_true(mf_base64_decode(*state, mf_str_trim(mf_str_from_c(rows[i][1]), MF_STR("=")), &back));
        assert_true(mf_str_eq(back, plain));
    }
    assert_str(mf_base64url(*state, MF_STR("\xfb\xff\xfe")), "-__-");
    assert_str(mf_base64(*state, MF_STR("\xfb\xff\xfe")), "+//+");
}

static void base64_refuses(void **state)
{
    static const char *const bad[] = {"Z", "Zg=", "Zg===", "====", "Z=g=", "Zm 9", "Zm9v=", "Zg\n="};
    struct mf_str out;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(mf_base64_decode(*state, mf_str_from_c(bad[i]), &out));
}

static void round_trips(void **state)
{
    unsigned char bytes[256];
    for (size_t len = 0; len < sizeof bytes; len++) {
        bytes[len] = (unsigned char)(len * 7);
        struct mf_str plain = mf_str_make(bytes, len);
        struct mf_str back;
        assert_true(mf_base64_decode(*state, mf_base64(*state, plain), &back));
        assert_true(mf_str_eq(back, plain));
        assert_true(mf_base64_decode(*state, mf_base64url(*state, plain), &back));
        assert_true(mf_str_eq(back, plain));
        assert_true(mf_percent_decode(*state, mf_percent_encode(*state, plain, NULL), false, &back));
        assert_true(mf_str_eq(back, plain));
    }
}

static void percent(void **state)
{
    struct mf_str out;
    assert_str(mf_percent_encode(*state, MF_STR("a b/ü~"), "/"), "a%20b/%C3%BC~");
    assert_true(mf_percent_decode(*state, MF_STR("a+b%2fc"), true, &out));
    assert_str(out, "a b/c");
    assert_true(mf_percent_decode(*state, MF_STR("a+b"), false, &out));
    assert_str(out, "a+b");
    assert_false(mf_percent_decode(*state, MF_STR("%"), false, &out));
    assert_false(mf_percent_decode(*state, MF_STR("%4"), false, &out));
    assert_false(mf_percent_decode(*state, MF_STR("%4g"), false, &out));
    assert_str(mf_hex(*state, MF_STR("\x00\x9f\xff")), "009fff");
    struct mf_str read;
    assert_true(mf_hex_decode(*state, MF_STR("009fFf"), &read));
    assert_true(mf_str_eq(read, MF_STR("\x00\x9f\xff")));
    assert_true(mf_hex_decode(*state, MF_STR_EMPTY, &read));
    assert_int_equal(read.len, 0);
    assert_false(mf_hex_decode(*state, MF_STR("abc"), &read));
    assert_false(mf_hex_decode(*state, MF_STR("0g"), &read));
}

static void tells_when_memory_ran_out(void **state)
{
    (void)state;
    struct mf_arena *small = mf_arena_new(64);
    char bytes[100] = {0};
    struct mf_str plain = mf_str_make(bytes, sizeof bytes);
    assert_null(mf_base64(small, plain).ptr);
    assert_null(mf_base64url(small, plain).ptr);
    assert_null(mf_base32(small, plain).ptr);
    assert_null(mf_hex(small, plain).ptr);
    assert_null(mf_percent_encode(small, plain, NULL).ptr);
    mf_arena_free(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(base64_vectors, setup, teardown),
        cmocka_unit_test_setup_teardown(base64_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(round_trips, setup, teardown),
        cmocka_unit_test_setup_teardown(percent, setup, teardown),
        cmocka_unit_test(tells_when_memory_ran_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
