#include "entity.h"

#include "store/project.h"

static enum mf_code insert(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_project_insert(mf_tx_db(tx), data, err);
}

static enum mf_code update(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_project_update(mf_tx_db(tx), data, err);
}

static void add(struct entity *e, const char *id, const char *description, int32_t state, int64_t created_at)
{
    const struct mf_project_row row = {
        .id = mf_str_from_c(id),
        .name = mf_str_from_c(id),
        .description = mf_str_from_c(description),
        .labels = MF_STR("\0\1"),
        .state = state,
        .created_at = created_at,
        .updated_at = created_at,
    };
    assert_int_equal(entity_write(e, insert, &row), MF_OK);
}

static void comes_back_as_written(void **state)
{
    struct entity *e = *state;
    struct mf_project_row row;
    bool exists = true;
    assert_int_equal(mf_project_exists(e->db, MF_STR("p"), &exists, &e->err), MF_OK);
    assert_false(exists);
    assert_int_equal(mf_project_get(e->db, e->arena, MF_STR("p"), &row, &e->err), MF_NOT_FOUND);
    assert_string_equal(e->err.message, "project not found: p");
    add(e, "p", "first", 1, 7);
    assert_int_equal(mf_project_exists(e->db, MF_STR("p"), &exists, &e->err), MF_OK);
    assert_true(exists);
    assert_int_equal(mf_project_get(e->db, e->arena, MF_STR("p"), &row, &e->err), MF_OK);
    assert_str(row.description, "first");
    assert_int_equal(row.labels.len, 2);
    assert_int_equal(row.state, 1);
    assert_int_equal(entity_write(e, insert, &row), MF_ALREADY_EXISTS);
    assert_string_equal(e->err.message, "project already exists: p");
    row.description = MF_STR("second");
    row.updated_at = 9;
    row.created_at = 9;
    assert_int_equal(entity_write(e, update, &row), MF_OK);
    assert_int_equal(mf_project_get(e->db, e->arena, MF_STR("p"), &row, &e->err), MF_OK);
    assert_str(row.description, "second");
    assert_int_equal(row.created_at, 7);
    assert_int_equal(row.updated_at, 9);
    row.id = MF_STR("q");
    assert_int_equal(entity_write(e, update, &row), MF_NOT_FOUND);
}

struct ids {
    char text[128];
};

static bool collect(void *ctx, const struct mf_project_row *row, const struct mf_place *place)
{
    (void)place;
    struct ids *ids = ctx;
    size_t used = strlen(ids->text);
    snprintf(ids->text + used, sizeof ids->text - used, "%.*s ", MF_FMT(row->id));
    return true;
}

static enum mf_code listed(struct entity *e, const struct mf_page *page, struct ids *ids)
{
    ids->text[0] = '\0';
    return mf_project_list(e->db, e->arena, page, collect, ids, &e->err);
}

/* One filter, and what it leaves of the projects below; NULL: refused. */
static void filters(void **state)
{
    static const struct {
        int function;
        const char *field;
        const char *values[4];
        const char *expected;
    } rows[] = {
        {MF_FILTER_EQUAL, "state", {"0"}, "a B c% "},
        {MF_FILTER_EQUAL, "state", {"1"}, "d "},
        {MF_FILTER_EQUAL, "state", {"x"}, NULL},
        {MF_FILTER_NOT_EQUAL, "identifier", {"a"}, "B c% d "},
        {MF_FILTER_VALUE_IN, "state", {"0", "1"}, "a B c% d "},
        {MF_FILTER_VALUE_IN, "state", {"1"}, "d "},
        {MF_FILTER_VALUE_IN, "state", {NULL}, NULL},
        {MF_FILTER_EQUAL, "state", {"0", "1"}, NULL},
        {MF_FILTER_CONTAINS, "identifier", {"%"}, "c% "},
        {MF_FILTER_CONTAINS, "identifier", {"b"}, ""},
        {MF_FILTER_CONTAINS, "identifier", {""}, "a B c% d "},
        {MF_FILTER_CONTAINS, "state", {"0"}, NULL},
        {MF_FILTER_CONTAINS_CASE_INSENSITIVE, "identifier", {"b"}, "B "},
        {MF_FILTER_ENDS_WITH, "description", {"ü end"}, "B "},
        {MF_FILTER_ENDS_WITH, "description", {"longer than any of them"}, ""},
        {MF_FILTER_NOT_ENDS_WITH, "description", {"end"}, "c% d "},
        {MF_FILTER_GREATER_THAN, "created_at", {"1970-01-01T00:00:00.000000002Z"}, "c% d "},
        {MF_FILTER_LESS_THAN_OR_EQUAL, "created_at", {"1970-01-01T00:00:00.000000002Z"}, "a B "},
        {MF_FILTER_LESS_THAN, "created_at", {"yesterday"}, NULL},
        {99, "state", {"1"}, NULL},
        {MF_FILTER_EQUAL, "org", {"1"}, NULL},
        {MF_FILTER_EQUAL, "id; DROP TABLE project", {"1"}, NULL},
        {MF_FILTER_EQUAL, "identifier", {"'; DROP TABLE project; --"}, ""},
    };
    struct entity *e = *state;
    add(e, "a", "the end", 0, 1);
    add(e, "B", "another ü end", 0, 2);
    add(e, "c%", "", 0, 3);
    add(e, "d", "gone", 1, 4);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_str values[4];
        struct ids ids;
        struct mf_filter filter = {
            .function = rows[i].function, .field = mf_str_from_c(rows[i].field), .values = values};
        while (filter.value_count < 4 && rows[i].values[filter.value_count]) {
            values[filter.value_count] = mf_str_from_c(rows[i].values[filter.value_count]);
            filter.value_count++;
        }
        const struct mf_page page = {.filters = &filter, .filter_count = 1};
        enum mf_code code = listed(e, &page, &ids);
        assert_int_equal(code, rows[i].expected ? MF_OK : MF_INVALID_ARGUMENT);
        if (rows[i].expected)
            assert_string_equal(ids.text, rows[i].expected);
    }
}

static void pages_and_orders(void **state)
{
    struct entity *e = *state;
    struct ids ids;
    add(e, "a", "x", 0, 1);
    add(e, "b", "y", 0, 2);
    add(e, "c", "x", 0, 3);
    add(e, "d", "x", 1, 4);
    struct mf_page page = {0};
    assert_int_equal(listed(e, &page, &ids), MF_OK);
    assert_string_equal(ids.text, "a b c "); /* archived ones are left out */
    page.limit = 2;
    assert_int_equal(listed(e, &page, &ids), MF_OK);
    assert_string_equal(ids.text, "a b ");
    page.offset = 2;
    assert_int_equal(listed(e, &page, &ids), MF_OK);
    assert_string_equal(ids.text, "c ");
    const struct mf_sort by_text[] = {{MF_STR("description"), false}};
    page = (struct mf_page){.sorts = by_text, .sort_count = 1};
    assert_int_equal(listed(e, &page, &ids), MF_OK);
    assert_string_equal(ids.text, "b c a ");
    const struct mf_sort two[] = {{MF_STR("description"), true}, {MF_STR("created_at"), false}};
    page = (struct mf_page){.sorts = two, .sort_count = 2};
    assert_int_equal(listed(e, &page, &ids), MF_OK);
    assert_string_equal(ids.text, "c a b ");
    const struct mf_sort unknown[] = {{MF_STR("org"), true}};
    page = (struct mf_page){.sorts = unknown, .sort_count = 1};
    assert_int_equal(listed(e, &page, &ids), MF_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(comes_back_as_written, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(filters, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(pages_and_orders, entity_setup, entity_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
