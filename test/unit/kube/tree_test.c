#include "testing.h"

#include "kube/tree.h"

static int set_up(void **state)
{
    *state = mf_arena_new(0);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    mf_arena_free(*state);
    return 0;
}

static void values_are_read_by_path(void **state)
{
    const mf_tree *tree = NULL;
    struct mf_error err;
    const struct mf_str text = MF_STR("{\"metadata\":{\"name\":\"a\",\"generation\":3,\"gone\":null},"
                                      "\"items\":[{\"ok\":true},\"text\"]}");
    assert_int_equal(mf_tree_read(*state, text, &tree, &err), MF_OK);
    assert_true(mf_str_eq_c(mf_tree_text(tree, "metadata/name"), "a"));
    assert_int_equal(mf_tree_int(tree, "metadata/generation"), 3);
    assert_null(mf_tree_at(tree, "metadata/gone"));
    assert_null(mf_tree_at(tree, "metadata/name/further"));
    assert_int_equal(mf_tree_text(tree, "metadata/generation").len, 0);
    const mf_tree *items = mf_tree_get(tree, "items");
    assert_int_equal(mf_tree_count(items), 2);
    assert_true(mf_tree_bool(mf_tree_item(items, 0), "ok"));
    assert_true(mf_str_eq_c(mf_tree_text(mf_tree_item(items, 1), ""), "text"));
    assert_null(mf_tree_item(items, 2));
    assert_int_equal(mf_tree_count(tree), 0);
    assert_null(mf_tree_get(NULL, "x"));
    assert_int_equal(mf_tree_read(*state, MF_STR("{\"a\":"), &tree, &err), MF_INVALID_ARGUMENT);
}

static void what_is_built_is_written(void **state)
{
    struct mf_tree_builder b = {.arena = *state};
    struct mf_error err;
    struct mf_str out;
    mf_tree *root = mf_tree_object(&b);
    mf_tree_set_int(&b, root, "replicas", 3);
    mf_tree_set_text(&b, root, "name", MF_STR("first"));
    mf_tree_set_text(&b, root, "name", MF_STR("a \"b\""));
    mf_tree_set_bool(&b, mf_tree_set_object(&b, root, "spec"), "yes", true);
    mf_tree *list = mf_tree_set_list(&b, root, "args");
    mf_tree_push(&b, list, mf_tree_text_value(&b, MF_STR("x")));
    mf_tree_push(&b, list, mf_tree_object(&b));
    assert_int_equal(mf_tree_write(&b, root, &out, &err), MF_OK);
    const mf_tree *again = NULL;
    assert_int_equal(mf_tree_read(*state, out, &again, &err), MF_OK);
    /* Kubernetes takes 3.0 for no integer. */
    assert_true(mf_str_find(out, MF_STR("\"replicas\":3,")) != SIZE_MAX);
    assert_true(mf_str_eq_c(mf_tree_text(again, "name"), "a \"b\""));
    assert_true(mf_tree_bool(again, "spec/yes"));
    assert_int_equal(mf_tree_count(mf_tree_get(again, "args")), 2);
}

static void a_builder_remembers_that_memory_ran_out(void **state)
{
    (void)state;
    struct mf_arena *small = mf_arena_new(8192);
    struct mf_tree_builder b = {.arena = small};
    struct mf_error err;
    struct mf_str out;
    mf_tree *list = mf_tree_list(&b);
    for (int i = 0; i < 1000; i++)
        mf_tree_push(&b, list, mf_tree_text_value(&b, MF_STR("x")));
    assert_true(b.failed);
    assert_int_equal(mf_tree_write(&b, list, &out, &err), MF_RESOURCE_EXHAUSTED);
    mf_arena_free(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_are_read_by_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_built_is_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_builder_remembers_that_memory_ran_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
