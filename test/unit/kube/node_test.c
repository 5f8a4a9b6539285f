#include "testing.h"

#include "kube/node.h"

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
    const mf_node *tree = NULL;
    struct mf_error err;
    const struct mf_str text = MF_STR("{\"metadata\":{\"name\":\"a\",\"generation\":3,\"gone\":null},"
                                      "\"items\":[{\"ok\":true},\"text\"]}");
    assert_int_equal(mf_node_read(*state, text, &tree, &err), MF_OK);
    assert_true(mf_str_eq_c(mf_node_text(tree, "metadata/name"), "a"));
    assert_int_equal(mf_node_int(tree, "metadata/generation"), 3);
    assert_null(mf_node_at(tree, "metadata/gone"));
    assert_null(mf_node_at(tree, "metadata/name/further"));
    assert_int_equal(mf_node_text(tree, "metadata/generation").len, 0);
    const mf_node *items = mf_node_get(tree, "items");
    assert_int_equal(mf_node_count(items), 2);
    assert_true(mf_node_bool(mf_node_item(items, 0), "ok"));
    assert_true(mf_str_eq_c(mf_node_text(mf_node_item(items, 1), ""), "text"));
    assert_null(mf_node_item(items, 2));
    assert_int_equal(mf_node_count(tree), 0);
    assert_null(mf_node_get(NULL, "x"));
    assert_int_equal(mf_node_read(*state, MF_STR("{\"a\":"), &tree, &err), MF_INVALID_ARGUMENT);
}

static void what_is_built_is_written(void **state)
{
    struct mf_node_builder b = {.arena = *state};
    struct mf_error err;
    struct mf_str out;
    mf_node *root = mf_node_object(&b);
    mf_node_set_int(&b, root, "replicas", 3);
    mf_node_set_text(&b, root, "name", MF_STR("first"));
    mf_node_set_text(&b, root, "name", MF_STR("a \"b\""));
    mf_node_set_bool(&b, mf_node_set_object(&b, root, "spec"), "yes", true);
    mf_node *list = mf_node_set_list(&b, root, "args");
    mf_node_push(&b, list, mf_node_text_value(&b, MF_STR("x")));
    mf_node_push(&b, list, mf_node_object(&b));
    assert_int_equal(mf_node_write(&b, root, &out, &err), MF_OK);
    const mf_node *again = NULL;
    assert_int_equal(mf_node_read(*state, out, &again, &err), MF_OK);
    /* Kubernetes takes 3.0 for no integer. */
    assert_true(mf_str_find(out, MF_STR("\"replicas\":3,")) != SIZE_MAX);
    assert_true(mf_str_eq_c(mf_node_text(again, "name"), "a \"b\""));
    assert_true(mf_node_bool(again, "spec/yes"));
    assert_int_equal(mf_node_count(mf_node_get(again, "args")), 2);
}

static void a_builder_remembers_that_memory_ran_out(void **state)
{
    (void)state;
    struct mf_arena *small = mf_arena_new(8192);
    struct mf_node_builder b = {.arena = small};
    struct mf_error err;
    struct mf_str out;
    mf_node *list = mf_node_list(&b);
    for (int i = 0; i < 1000; i++)
        mf_node_push(&b, list, mf_node_text_value(&b, MF_STR("x")));
    assert_true(b.failed);
    assert_int_equal(mf_node_write(&b, list, &out, &err), MF_RESOURCE_EXHAUSTED);
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
