#include "entity.h"

#include "store/schedule.h"

static enum mf_code put(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_schedule_put(mf_tx_db(tx), data, err);
}

struct move {
    int64_t id;
    struct mf_schedule_state state;
};

static enum mf_code move(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct move *c = data;
    return mf_schedule_move(mf_tx_db(tx), c->id, &c->state, err);
}

static struct mf_schedule_row row_of(int64_t id, const char *name, bool active, int64_t seq)
{
    return (struct mf_schedule_row){
        .id = id,
        .key = {MF_STR("p"), MF_STR("d"), MF_STR("env.t"), mf_str_from_c(name)},
        .revision = 3,
        .active = active,
        .automation = MF_STR("daily"),
        .policy = MF_STR("overlap=skip"),
        .baseline_at = 100,
        .state = {.cursor_at = 101,
                  .buffered_at = 102,
                  .runs = 103,
                  .settled_at = 104,
                  .error = MF_STR("no task"),
                  .error_at = 105},
        .seq = seq,
    };
}

static void assert_row(const struct mf_schedule_row *row, const struct mf_schedule_row *expected)
{
    assert_int_equal(row->id, expected->id);
    assert_true(mf_str_eq(row->key.project, expected->key.project));
    assert_true(mf_str_eq(row->key.domain, expected->key.domain));
    assert_true(mf_str_eq(row->key.task_name, expected->key.task_name));
    assert_true(mf_str_eq(row->key.name, expected->key.name));
    assert_int_equal(row->revision, expected->revision);
    assert_int_equal(row->active, expected->active);
    assert_true(mf_str_eq(row->automation, expected->automation));
    assert_true(mf_str_eq(row->policy, expected->policy));
    assert_int_equal(row->baseline_at, expected->baseline_at);
    assert_int_equal(row->state.cursor_at, expected->state.cursor_at);
    assert_int_equal(row->state.buffered_at, expected->state.buffered_at);
    assert_int_equal(row->state.runs, expected->state.runs);
    assert_int_equal(row->state.settled_at, expected->state.settled_at);
    assert_true(mf_str_eq(row->state.error, expected->state.error));
    assert_int_equal(row->state.error_at, expected->state.error_at);
    assert_int_equal(row->seq, expected->seq);
}

static void keeps_a_row(void **state)
{
    struct entity *e = *state;
    struct mf_schedule_row wanted = row_of(7, "t", true, 50);
    struct mf_schedule_row row;
    bool found = true;
    assert_int_equal(mf_schedule_find(e->db, e->arena, &wanted.key, &row, &found, &e->err), MF_OK);
    assert_false(found);
    assert_int_equal(mf_schedule_get(e->db, e->arena, 7, &row, &e->err), MF_NOT_FOUND);
    assert_int_equal(entity_write(e, put, &wanted), MF_OK);
    assert_int_equal(mf_schedule_find(e->db, e->arena, &wanted.key, &row, &found, &e->err), MF_OK);
    assert_true(found);
    assert_row(&row, &wanted);
    wanted.revision = 4;
    wanted.active = false;
    wanted.automation = MF_STR("hourly");
    wanted.policy = MF_STR_EMPTY;
    wanted.baseline_at = 200;
    wanted.state = (struct mf_schedule_state){.cursor_at = 201, .settled_at = 204};
    wanted.seq = 60;
    assert_int_equal(entity_write(e, put, &wanted), MF_OK);
    assert_int_equal(mf_schedule_get(e->db, e->arena, 7, &row, &e->err), MF_OK);
    assert_row(&row, &wanted);
    struct mf_schedule_row second = row_of(8, "t", true, 61);
    assert_int_equal(entity_write(e, put, &second), MF_ALREADY_EXISTS);
    /* Joined, the same text as the other's parts. */
    struct mf_schedule_row apart = row_of(9, "t", true, 62);
    apart.key = (struct mf_trigger_key){MF_STR("pd"), MF_STR_EMPTY, MF_STR("env.t"), MF_STR("t")};
    assert_int_equal(entity_write(e, put, &apart), MF_OK);
    assert_int_equal(mf_schedule_find(e->db, e->arena, &apart.key, &row, &found, &e->err), MF_OK);
    assert_int_equal(row.id, 9);
}

static void moving_leaves_the_rest(void **state)
{
    struct entity *e = *state;
    struct mf_schedule_row wanted = row_of(7, "t", true, 50);
    struct mf_schedule_row other = row_of(8, "u", true, 51);
    struct mf_schedule_row row;
    const struct move forward = {7,
                                 {.cursor_at = 301,
                                  .buffered_at = 302,
                                  .runs = 303,
                                  .settled_at = 304,
                                  .error = MF_STR("full"),
                                  .error_at = 305}};
    assert_int_equal(entity_write(e, put, &wanted), MF_OK);
    assert_int_equal(entity_write(e, put, &other), MF_OK);
    assert_int_equal(entity_write(e, move, &forward), MF_OK);
    wanted.state = forward.state;
    assert_int_equal(mf_schedule_get(e->db, e->arena, 7, &row, &e->err), MF_OK);
    assert_row(&row, &wanted);
    assert_int_equal(mf_schedule_get(e->db, e->arena, 8, &row, &e->err), MF_OK);
    assert_row(&row, &other);
}

struct seen {
    int64_t ids[8];
    size_t count, limit;
};

static bool see(void *ctx, const struct mf_schedule_row *row)
{
    struct seen *seen = ctx;
    const struct mf_schedule_row expected = row_of(row->id, "", row->active, row->seq);
    assert_true(mf_str_eq(row->automation, expected.automation));
    assert_true(mf_str_eq(row->policy, expected.policy));
    assert_int_equal(row->state.error_at, expected.state.error_at);
    seen->ids[seen->count++] = row->id;
    return seen->count < seen->limit;
}

static struct seen changes(struct entity *e, int64_t after, size_t limit)
{
    struct seen seen = {.limit = limit};
    assert_int_equal(mf_schedule_changes(e->db, after, see, &seen, &e->err), MF_OK);
    return seen;
}

static void walks_what_changed_and_what_is_active(void **state)
{
    static const struct {
        const char *name;
        bool active;
        int64_t seq;
    } rows[] = {{"a", true, 40}, {"b", false, 20}, {"c", true, 30}, {"d", true, 10}};
    struct entity *e = *state;
    for (size_t i = 0; i < 4; i++) {
        struct mf_schedule_row row = row_of((int64_t)i + 1, rows[i].name, rows[i].active, rows[i].seq);
        assert_int_equal(entity_write(e, put, &row), MF_OK);
    }
    struct seen seen = changes(e, 0, 8);
    assert_true(seen.count == 4 && seen.ids[0] == 4 && seen.ids[1] == 2 && seen.ids[2] == 3 &&
                seen.ids[3] == 1);
    seen = changes(e, 20, 8);
    assert_true(seen.count == 2 && seen.ids[0] == 3 && seen.ids[1] == 1);
    seen = changes(e, 0, 1);
    assert_true(seen.count == 1 && seen.ids[0] == 4);
    assert_int_equal(changes(e, 40, 8).count, 0);

    seen = (struct seen){.limit = 8};
    assert_int_equal(mf_schedule_active(e->db, see, &seen, &e->err), MF_OK);
    int64_t sum = 0;
    for (size_t i = 0; i < seen.count; i++)
        sum += seen.ids[i];
    assert_true(seen.count == 3 && sum == 1 + 3 + 4);
    seen = (struct seen){.limit = 2};
    assert_int_equal(mf_schedule_active(e->db, see, &seen, &e->err), MF_OK);
    assert_int_equal(seen.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_a_row, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(moving_leaves_the_rest, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(walks_what_changed_and_what_is_active, entity_setup, entity_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
