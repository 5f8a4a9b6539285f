#include "testing.h"

#include "gen/flyteidl2/task/task_service.pb.h"
#include "task/deploy.h"

static void finds_the_function(void **state)
{
    static const char *const rows[][3] = {
        {"env.main", "env", "main"},
        {"env.a.b", "env", "a.b"},
        {"other.main", "env", "main"},
        {"main", "env", "main"},
        {"a.b.c", "", "c"},
        {"env.", "env", "env."},
        {"environment.x", "env", "x"},
        {"", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_str(mf_task_function_name(mf_str_from_c(rows[i][0]), mf_str_from_c(rows[i][1])), rows[i][2]);
}

static void refuses_what_is_incomplete(void **state)
{
    (void)state;
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_error err;
    struct mf_task_row row;
    struct pb_task_TaskSpec spec = {0};
    const struct pb_task_TaskIdentifier good = {
        .project = MF_STR("p"), .domain = MF_STR("d"), .name = MF_STR("n"), .version = MF_STR("v")};
    struct pb_task_TaskIdentifier id = good;
    struct pb_task_DeployTaskRequest request = {.spec = &spec};
    assert_int_equal(mf_task_row_from_request(arena, &request, &row, &err), MF_INVALID_ARGUMENT);
    request.task_id = &id;
    assert_int_equal(mf_task_row_from_request(arena, &request, &row, &err), MF_OK);
    struct mf_str *parts[] = {&id.project, &id.domain, &id.name, &id.version};
    for (size_t i = 0; i < 4; i++) {
        static const struct mf_str wrong[] = {{.ptr = "", .len = 0},
                                              {.ptr = "a/b", .len = 3},
                                              {.ptr = "a\0b", .len = 3},
                                              {.ptr = "a\nb", .len = 3}};
        for (size_t k = 0; k < 4; k++) {
            id = good;
            *parts[i] = wrong[k];
            assert_int_equal(mf_task_row_from_request(arena, &request, &row, &err), MF_INVALID_ARGUMENT);
        }
    }
    id = good;
    request.spec = NULL;
    assert_int_equal(mf_task_row_from_request(arena, &request, &row, &err), MF_INVALID_ARGUMENT);
    mf_arena_free(arena);
}

static void cuts_long_texts_at_a_character(void **state)
{
    (void)state;
    char text[4000];
    struct mf_error err;
    struct mf_task_row row;
    void *decoded;
    struct mf_arena *arena = mf_arena_new(0);
    for (size_t i = 0; i + 2 <= sizeof text; i += 2)
        memcpy(text + i, "\xc3\xbc", 2);
    struct mf_str given = mf_str_make(text, sizeof text);
    struct pb_task_Environment environment = {.name = MF_STR("env"), .description = given};
    struct pb_task_DocumentationEntity documentation = {.short_description = given,
                                                        .long_description = given};
    struct pb_task_TaskSpec spec = {.environment = &environment, .documentation = &documentation};
    struct pb_task_TaskIdentifier id = {
        .project = MF_STR("p"), .domain = MF_STR("d"), .name = MF_STR("env.n"), .version = MF_STR("v")};
    const struct pb_task_DeployTaskRequest request = {.task_id = &id, .spec = &spec};
    assert_int_equal(mf_task_row_from_request(arena, &request, &row, &err), MF_OK);
    assert_int_equal(row.env_description.len, 254);
    assert_int_equal(row.short_description.len, 254);
    assert_str(row.function_name, "n");
    assert_int_equal(pb_decode(arena, &pb_task_TaskSpec_type, row.spec, &decoded, &err), MF_OK);
    const struct pb_task_TaskSpec *stored = decoded;
    assert_int_equal(stored->documentation->long_description.len, 2048);
    assert_int_equal(stored->environment->description.len, 254);
    assert_int_equal(environment.description.len, sizeof text); /* the request itself is left alone */
    mf_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_function),
        cmocka_unit_test(refuses_what_is_incomplete),
        cmocka_unit_test(cuts_long_texts_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
