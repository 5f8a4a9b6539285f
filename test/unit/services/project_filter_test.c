#include "testing.h"

#include "project/filter.h"

#include <stdio.h>

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

static void reads_terms(void **state)
{
    struct mf_filter *filters;
    size_t count;
    struct mf_error err;
    struct mf_str text = MF_STR(" EQ ( state , 0 )+value_in(name, a;b ;c)+contains(description,x,y)");
    assert_int_equal(mf_project_filters(*state, text, &filters, &count, &err), MF_OK);
    assert_int_equal(count, 3);
    assert_int_equal(filters[0].function, MF_FILTER_EQUAL);
    assert_str(filters[0].field, "state");
    assert_str(filters[0].values[0], "0");
    assert_int_equal(filters[1].function, MF_FILTER_VALUE_IN);
    assert_int_equal(filters[1].value_count, 3);
    assert_str(filters[1].values[1], "b");
    assert_str(filters[2].values[0], "x,y");
    assert_int_equal(mf_project_filters(*state, MF_STR("  "), &filters, &count, &err), MF_OK);
    assert_int_equal(count, 0);
}

static void refuses_the_rest(void **state)
{
    static const char *const bad[] = {
        "state",       "eq(state)",     "eq state,0)", "eq(state,0",
        "gt(state,0)", "eq(state,0)++", "(state,0)",   "a,b(c)",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct mf_filter *filters;
        size_t count;
        struct mf_error err;
        if (mf_project_filters(*state, mf_str_from_c(bad[i]), &filters, &count, &err) != MF_INVALID_ARGUMENT)
            fail_msg("accepted: %s", bad[i]);
    }
}

static void bounds_their_number(void **state)
{
    char text[1024] = "eq(a,b)";
    struct mf_filter *filters;
    size_t count;
    struct mf_error err;
    for (int i = 1; i < MF_PROJECT_FILTERS_MAX; i++)
        strcat(text, "+eq(a,b)");
    assert_int_equal(mf_project_filters(*state, mf_str_from_c(text), &filters, &count, &err), MF_OK);
    assert_int_equal(count, MF_PROJECT_FILTERS_MAX);
    strcat(text, "+eq(a,b)");
    assert_int_equal(mf_project_filters(*state, mf_str_from_c(text), &filters, &count, &err),
                     MF_INVALID_ARGUMENT);
    struct mf_arena *small = mf_arena_new(16);
    assert_int_equal(mf_project_filters(small, MF_STR("eq(a,b)"), &filters, &count, &err),
                     MF_RESOURCE_EXHAUSTED);
    mf_arena_free(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_terms, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_the_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(bounds_their_number, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
