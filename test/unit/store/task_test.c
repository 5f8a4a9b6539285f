#include "entity.h"

#include "store/task.h"

static enum mf_code put(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_task_put(mf_tx_db(tx), data, NULL, err);
}

static struct mf_task_row task(const char *project, const char *name, const char *version, int64_t at)
{
    return (struct mf_task_row){
        .key = {mf_str_from_c(project), MF_STR("development"), mf_str_from_c(name), mf_str_from_c(version)},
        .environment = MF_STR("env"),
        .spec = MF_STR("spec"),
        .created_at = at,
        .updated_at = at,
    };
}

static void add(struct entity *e, const char *project, const char *name, const char *version, int64_t at)
{
    const struct mf_task_row row = task(project, name, version, at);
    assert_int_equal(entity_write(e, put, &row), MF_OK);
}

static void deploying_again_replaces(void **state)
{
    struct entity *e = *state;
    struct mf_task_row row = task("p", "t", "1", 5);
    struct mf_task_row found;
    assert_int_equal(mf_task_get(e->db, e->arena, &row.key, &found, &e->err), MF_NOT_FOUND);
    assert_string_equal(e->err.message, "task not found: p/development/t version 1");
    assert_int_equal(entity_write(e, put, &row), MF_OK);
    row.spec = MF_STR("other");
    row.created_at = row.updated_at = 9;
    assert_int_equal(entity_write(e, put, &row), MF_OK);
    assert_int_equal(mf_task_get(e->db, e->arena, &row.key, &found, &e->err), MF_OK);
    assert_str(found.spec, "other");
    assert_int_equal(found.created_at, 5);
    assert_int_equal(found.updated_at, 9);
}

struct seen {
    char text[256];
};

static bool collect(void *ctx, const struct mf_task_row *row, const struct mf_place *place)
{
    (void)place;
    struct seen *seen = ctx;
    size_t used = strlen(seen->text);
    snprintf(seen->text + used, sizeof seen->text - used, "%.*s:%.*s ", MF_FMT(row->key.name),
             MF_FMT(row->key.version));
    return true;
}

static void lists_each_task_once(void **state)
{
    struct entity *e = *state;
    struct seen seen = {""};
    const struct mf_task_scope scope = {.project = MF_STR("p"), .domain = MF_STR("development")};
    const struct mf_task_scope everywhere = {0};
    struct mf_page page = {0};
    int64_t total = 0;
    int64_t count = 0;
    add(e, "p", "b", "new", 3);
    add(e, "p", "b", "old", 1);
    add(e, "p", "a", "same-1", 2);
    add(e, "p", "a", "same-2", 2);
    add(e, "q", "c", "1", 4);
    assert_int_equal(mf_task_list(e->db, e->arena, &scope, &page, collect, &seen, &e->err), MF_OK);
    assert_string_equal(seen.text, "b:new a:same-2 ");
    assert_int_equal(mf_task_count(e->db, e->arena, &scope, &page, &total, &count, &e->err), MF_OK);
    assert_int_equal(count, 2);
    assert_int_equal(mf_task_count(e->db, e->arena, &everywhere, &page, &total, &count, &e->err), MF_OK);
    assert_int_equal(count, 3);
    /* A filter chooses among the newest versions; it does not turn an old one into the newest. */
    const struct mf_str old = MF_STR("old");
    const struct mf_filter filter = {MF_FILTER_EQUAL, MF_STR("version"), &old, 1};
    page = (struct mf_page){.filters = &filter, .filter_count = 1};
    seen.text[0] = '\0';
    assert_int_equal(mf_task_list(e->db, e->arena, &scope, &page, collect, &seen, &e->err), MF_OK);
    assert_string_equal(seen.text, "");
    assert_int_equal(mf_task_count(e->db, e->arena, &scope, &page, &total, &count, &e->err), MF_OK);
    assert_int_equal(count, 0);
    assert_int_equal(total, 2);
}

static void lists_versions(void **state)
{
    struct entity *e = *state;
    struct seen seen = {""};
    struct mf_page page = {.limit = 2};
    const struct mf_task_key key = {MF_STR("p"), MF_STR("development"), MF_STR("t"), MF_STR_EMPTY};
    add(e, "p", "t", "v1", 1);
    add(e, "p", "t", "v2", 2);
    add(e, "p", "t", "v3", 3);
    add(e, "p", "u", "v9", 9);
    assert_int_equal(mf_task_versions(e->db, e->arena, &key, &page, collect, &seen, &e->err), MF_OK);
    assert_string_equal(seen.text, "t:v3 t:v2 ");
    const struct mf_sort sort = {MF_STR("version"), true};
    page = (struct mf_page){.sorts = &sort, .sort_count = 1, .offset = 1};
    seen.text[0] = '\0';
    assert_int_equal(mf_task_versions(e->db, e->arena, &key, &page, collect, &seen, &e->err), MF_OK);
    assert_string_equal(seen.text, "t:v2 t:v3 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(deploying_again_replaces, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(lists_each_task_once, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(lists_versions, entity_setup, entity_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
