/* Orders and pages of any list, over projects: every order of two fields, in pages of every size. */
#include "entity.h"

#include "store/order.h"
#include "store/project.h"

#define ROWS 30

static const struct mf_field fields[] = {
    {"id", "id", MF_FIELD_TEXT, .is_sort_only = true},
    {"name", "name", MF_FIELD_TEXT},
    {"description", "description", MF_FIELD_TEXT, .is_unset_zero = true, .is_filter_only = true},
    {"state", "state", MF_FIELD_INT,
     .names = (const struct mf_field_name[]){{"ON", 0}, {"OFF", 1}, {NULL, 0}}},
    {"created_at", "created_at", MF_FIELD_TIME},
    {"age", "NULLIF(updated_at, 0)", MF_FIELD_INT, .sort_column = "updated_at"},
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])
static const struct mf_sort newest[] = {{{.ptr = "created_at", .len = 10}, false}};
static const char *const key[] = {"id", NULL};
static const struct mf_order_table table = {fields, FIELD_COUNT, newest, 1, key};

static enum mf_code add_rows(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    (void)data;
    for (int i = 0; i < ROWS && code == MF_OK; i++) {
        char id[8], name[8];
        snprintf(id, sizeof id, "p%02d", i * 7 % ROWS);
        snprintf(name, sizeof name, "n%d", i % 4);
        const struct mf_project_row row = {
            .id = mf_str_from_c(id),
            .name = mf_str_from_c(name),
            .description = i % 3 == 0 ? MF_STR_EMPTY : MF_STR("100%_sure"),
            .state = i % 2,
            .created_at = 100 + i / 5,
            .updated_at = i % 6,
        };
        code = mf_project_insert(mf_tx_db(tx), &row, err);
    }
    return code;
}

static enum mf_code add_row(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_project_insert(mf_tx_db(tx), data, err);
}

static int set_up(void **state)
{
    int result = entity_setup(state);
    assert_int_equal(entity_write(*state, add_rows, NULL), MF_OK);
    return result;
}

struct found {
    char ids[ROWS][8];
    size_t count;
    struct mf_place last;
};

static enum mf_code list(struct entity *e, const struct mf_page *page, struct found *found)
{
    struct mf_order order;
    struct mf_stmt *stmt = NULL;
    bool row = true;
    struct mf_select *select = mf_select_new(e->arena);
    enum mf_code code = mf_order_plan(&table, page, &order, &e->err);
    if (code != MF_OK)
        return code;
    mf_select_sql(select, "SELECT id");
    mf_order_columns(select, &order);
    mf_select_sql(select, " FROM project WHERE 1 = 1");
    code = mf_select_filters(select, fields, FIELD_COUNT, page, &e->err);
    mf_order_after(select, &order, page);
    mf_order_by(select, &order);
    mf_select_page(select, page);
    if (code == MF_OK)
        code = mf_select_open(select, e->db, &stmt, &e->err);
    while (code == MF_OK) {
        code = mf_stmt_step(stmt, &row, &e->err);
        if (code != MF_OK || !row)
            break;
        assert_true(found->count < ROWS);
        snprintf(found->ids[found->count++], 8, "%.*s", MF_FMT(mf_col_str(stmt, 0)));
        assert_true(mf_order_place(stmt, 1, &order, page, e->arena, &found->last));
    }
    mf_stmt_done(stmt);
    return code;
}

static void assert_pages(struct entity *e, const struct mf_page *whole)
{
    struct found all = {0};
    assert_int_equal(list(e, whole, &all), MF_OK);
    assert_int_equal(all.count, ROWS);
    for (size_t size = 1; size < ROWS; size += 6) {
        struct found paged = {0};
        struct mf_page page = *whole;
        struct mf_place after;
        page.limit = size;
        for (size_t before = SIZE_MAX; paged.count != before;) {
            before = paged.count;
            assert_int_equal(list(e, &page, &paged), MF_OK);
            after = paged.last;
            page.after = &after;
        }
        assert_int_equal(paged.count, ROWS);
        assert_memory_equal(paged.ids, all.ids, sizeof all.ids);
    }
}

static void pages_follow_every_order(void **state)
{
    struct entity *e = *state;
    static const char *const names[] = {"id", "name", "state", "created_at", "age"};
    const struct mf_page usual = {0};
    assert_pages(e, &usual);
    for (int i = 0; i < 5 * 5 * 4; i++) {
        const struct mf_sort sorts[] = {{mf_str_from_c(names[i % 5]), i / 25 % 2 == 0},
                                        {mf_str_from_c(names[i / 5 % 5]), i / 50 == 0}};
        const struct mf_page page = {.sorts = sorts, .sort_count = 2};
        assert_pages(e, &page);
    }
}

static void rows_that_come_do_not_shift_pages(void **state)
{
    struct entity *e = *state;
    struct mf_page page = {.limit = 10};
    struct found found = {0};
    struct found next = {0};
    struct found all = {0};
    const struct mf_page whole = {0};
    assert_int_equal(list(e, &whole, &all), MF_OK);
    assert_int_equal(list(e, &page, &found), MF_OK);
    const struct mf_project_row row = {.id = MF_STR("early"), .created_at = 999}; /* the newest */
    assert_int_equal(entity_write(e, add_row, &row), MF_OK);
    page.after = &found.last;
    assert_int_equal(list(e, &page, &next), MF_OK);
    assert_string_equal(next.ids[0], all.ids[10]);
}

static void refuses_what_is_no_order(void **state)
{
    struct entity *e = *state;
    struct found found = {0};
    struct mf_sort sort = {MF_STR("description"), true}; /* for filters only */
    struct mf_page page = {.sorts = &sort, .sort_count = 1};
    assert_int_equal(list(e, &page, &found), MF_INVALID_ARGUMENT);
    assert_non_null(strstr(e->err.message, "description"));
    sort.field = MF_STR("org");
    assert_int_equal(list(e, &page, &found), MF_INVALID_ARGUMENT);
    const struct mf_place strange = {.key_count = 1};
    page.sort_count = 0;
    page.after = &strange;
    assert_int_equal(list(e, &page, &found), MF_INVALID_ARGUMENT);
    assert_non_null(strstr(e->err.message, "token"));
}

static size_t count(struct entity *e, const char *field, int32_t function, const char *value)
{
    struct mf_str text = mf_str_from_c(value);
    const struct mf_filter filter = {
        .function = function, .field = mf_str_from_c(field), .values = &text, .value_count = value ? 1 : 0};
    const struct mf_page page = {.filters = &filter, .filter_count = 1};
    struct found found = {0};
    return list(e, &page, &found) == MF_OK ? found.count : SIZE_MAX;
}

static void filters_by_names_and_presence(void **state)
{
    struct entity *e = *state;
    assert_int_equal(count(e, "state", MF_FILTER_EQUAL, "OFF"), 15);
    assert_int_equal(count(e, "state", MF_FILTER_VALUE_NOT_IN, "1"), 15);
    assert_int_equal(count(e, "state", MF_FILTER_EQUAL, "HALF"), SIZE_MAX);
    assert_non_null(strstr(e->err.message, "OFF"));
    assert_int_equal(count(e, "description", MF_FILTER_EXISTS, NULL), 20);
    assert_int_equal(count(e, "description", MF_FILTER_NOT_EXISTS, NULL), 10);
    assert_int_equal(count(e, "age", MF_FILTER_EXISTS, NULL), 25);
    assert_int_equal(count(e, "age", MF_FILTER_NOT_EXISTS, NULL), 5);
    assert_int_equal(count(e, "description", MF_FILTER_CONTAINS, "%_"), 20);
    assert_int_equal(count(e, "description", MF_FILTER_CONTAINS, "0_s"), 0);
    assert_int_equal(count(e, "id", MF_FILTER_EQUAL, "p01"), SIZE_MAX); /* for orders only */
    assert_int_equal(count(e, "name", MF_FILTER_EQUAL, "\xff"), SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages_follow_every_order, set_up, entity_teardown),
        cmocka_unit_test_setup_teardown(rows_that_come_do_not_shift_pages, set_up, entity_teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_order, set_up, entity_teardown),
        cmocka_unit_test_setup_teardown(filters_by_names_and_presence, set_up, entity_teardown),
    };
    return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
