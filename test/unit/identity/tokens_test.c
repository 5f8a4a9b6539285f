#include "testing.h"

#include "identity/tokens.h"

#include <stdio.h>

struct clock {
    int64_t now;
};

static int64_t wall(void *ctx)
{
    return ((struct clock *)ctx)->now;
}

static void no_random(void *ctx, void *bytes, size_t len)
{
    (void)ctx;
    memset(bytes, 7, len);
}

static const unsigned char *hash_of(unsigned number, unsigned char *room)
{
    memset(room, 0, MF_TOKEN_HASH_BYTES);
    memcpy(room, &number, sizeof number);
    return room;
}

static void keeps_until_it_expires(void **state)
{
    (void)state;
    struct clock clock = {1000};
    const struct mf_sys sys = {.ctx = &clock, .wall_ns = wall, .random = no_random};
    struct mf_tokens *tokens = mf_tokens_new(&sys, 500);
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_caller out;
    unsigned char a[MF_TOKEN_HASH_BYTES], b[MF_TOKEN_HASH_BYTES];
    const struct mf_caller alice = {
        .subject = MF_STR("alice"), .email = MF_STR("a@b"), .picture = MF_STR("p"), .application = true};
    mf_tokens_put(tokens, hash_of(1, a), &alice, 1100);
    mf_tokens_put(tokens, hash_of(2, b), &alice, 999999);
    assert_true(mf_tokens_get(tokens, arena, a, &out));
    assert_str(out.subject, "alice");
    assert_str(out.email, "a@b");
    assert_str(out.picture, "p");
    assert_int_equal(out.name.len, 0);
    assert_true(out.application);
    clock.now = 1100;
    assert_false(mf_tokens_get(tokens, arena, a, &out));
    assert_int_equal(out.subject.len, 0);
    assert_true(mf_tokens_get(tokens, arena, b, &out));
    clock.now = 1500; /* the longest that anything is kept */
    assert_false(mf_tokens_get(tokens, arena, b, &out));
    mf_arena_free(arena);
    mf_tokens_free(tokens);
}

static void stays_within_its_bound(void **state)
{
    (void)state;
    struct clock clock = {1000};
    const struct mf_sys sys = {.ctx = &clock, .wall_ns = wall, .random = no_random};
    struct mf_tokens *tokens = mf_tokens_new(&sys, 1000000);
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_caller out;
    unsigned char hash[MF_TOKEN_HASH_BYTES];
    const struct mf_caller alice = {.subject = MF_STR("alice")};
    for (unsigned i = 0; i < MF_TOKENS_MAX; i++)
        mf_tokens_put(tokens, hash_of(i, hash), &alice, i < 10 ? 1001 : 5000);
    /* The expired ones make room. */
    clock.now = 1002;
    mf_tokens_put(tokens, hash_of(100000, hash), &alice, 5000);
    assert_true(mf_tokens_get(tokens, arena, hash, &out));
    assert_true(mf_tokens_get(tokens, arena, hash_of(10, hash), &out));
    for (unsigned i = 0; i < 9; i++)
        mf_tokens_put(tokens, hash_of(200000 + i, hash), &alice, 5000);
    assert_true(mf_tokens_get(tokens, arena, hash_of(10, hash), &out));
    /* Without expired ones all go. */
    mf_tokens_put(tokens, hash_of(300000, hash), &alice, 5000);
    assert_true(mf_tokens_get(tokens, arena, hash, &out));
    assert_false(mf_tokens_get(tokens, arena, hash_of(10, hash), &out));
    mf_arena_free(arena);
    mf_tokens_free(tokens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_until_it_expires),
        cmocka_unit_test(stays_within_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
