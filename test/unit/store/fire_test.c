#include "entity.h"

#include "store/action.h"
#include "store/fire.h"

enum { RUNNING = 4, SUCCEEDED = 5, FAILED = 6, ABORTED = 7, TIMED_OUT = 8, GONE = -1 };

static enum mf_code put(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_fire_put(mf_tx_db(tx), data, err);
}

static enum mf_code put_root(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_action_insert(mf_tx_db(tx), data, err);
}

static void fire(struct entity *e, int64_t schedule_id, int64_t due_at, int64_t run_id)
{
    const struct mf_fire_row row = {schedule_id, due_at, run_id, MF_FIRE_SCHEDULED, due_at + 5};
    assert_int_equal(entity_write(e, put, &row), MF_OK);
}

/* A fire whose run is in this phase. */
static void fire_in(struct entity *e, int64_t schedule_id, int64_t due_at, int32_t phase)
{
    const int64_t run_id = schedule_id * 1000 + due_at;
    struct mf_action_row root = {.run_id = run_id,
                                 .name = MF_STR("a0"),
                                 .phase = phase,
                                 .created_at = 1,
                                 .ended_at = phase == RUNNING ? 0 : 9};
    struct mf_action_row child = root;
    fire(e, schedule_id, due_at, run_id);
    if (phase == GONE)
        return;
    assert_int_equal(entity_write(e, put_root, &root), MF_OK);
    /* A run is as its root is, whatever its other actions are. */
    child.name = MF_STR("a1");
    child.parent = MF_STR("a0");
    child.phase = phase == RUNNING ? FAILED : RUNNING;
    child.ended_at = phase == RUNNING ? 9 : 0;
    assert_int_equal(entity_write(e, put_root, &child), MF_OK);
}

struct seen {
    struct mf_fire_row rows[8];
    size_t count, limit;
};

static bool see(void *ctx, const struct mf_fire_row *row)
{
    struct seen *seen = ctx;
    seen->rows[seen->count++] = *row;
    return seen->count < seen->limit;
}

static struct seen fires(struct entity *e, int64_t schedule_id, int64_t from, int64_t until, size_t limit)
{
    struct seen seen = {.limit = limit};
    assert_int_equal(mf_fire_list(e->db, schedule_id, from, until, see, &seen, &e->err), MF_OK);
    return seen;
}

static void a_due_time_has_one_fire(void **state)
{
    struct entity *e = *state;
    const struct mf_fire_row first = {1, 100, 11, MF_FIRE_BUFFERED, 105};
    const struct mf_fire_row again = {1, 100, 12, MF_FIRE_SCHEDULED, 106};
    assert_int_equal(entity_write(e, put, &first), MF_OK);
    assert_int_equal(entity_write(e, put, &again), MF_OK);
    struct seen seen = fires(e, 1, 100, 100, 8);
    assert_int_equal(seen.count, 1);
    assert_true(seen.rows[0].schedule_id == 1 && seen.rows[0].due_at == 100 && seen.rows[0].run_id == 11);
    assert_true(seen.rows[0].kind == MF_FIRE_BUFFERED && seen.rows[0].fired_at == 105);
}

static void lists_fires_of_a_span(void **state)
{
    struct entity *e = *state;
    for (int64_t due = 400; due >= 100; due -= 100)
        fire(e, 1, due, due);
    fire(e, 2, 200, 1);
    struct seen seen = fires(e, 1, 200, 300, 8);
    assert_true(seen.count == 2 && seen.rows[0].due_at == 200 && seen.rows[1].due_at == 300);
    seen = fires(e, 1, INT64_MIN, INT64_MAX, 3);
    assert_true(seen.count == 3 && seen.rows[0].due_at == 100);
    assert_int_equal(fires(e, 1, 201, 299, 8).count, 0);
}

static struct seen open_fires(struct entity *e, int64_t schedule_id, int64_t *settled, size_t limit)
{
    struct seen seen = {.limit = limit};
    assert_int_equal(mf_fire_open(e->db, schedule_id, settled, see, &seen, &e->err), MF_OK);
    return seen;
}

static void finds_the_runs_that_are_not_over(void **state)
{
    struct entity *e = *state;
    int64_t settled = 0;
    fire_in(e, 1, 100, SUCCEEDED);
    fire_in(e, 1, 200, GONE);
    fire_in(e, 1, 300, RUNNING);
    fire_in(e, 1, 400, FAILED);
    fire_in(e, 1, 500, RUNNING);
    fire_in(e, 2, 600, RUNNING);
    struct seen seen = open_fires(e, 1, &settled, 8);
    assert_true(seen.count == 2 && seen.rows[0].due_at == 300 && seen.rows[1].due_at == 500);
    assert_int_equal(seen.rows[1].run_id, 1500);
    assert_int_equal(settled, 200);
    settled = 0;
    assert_int_equal(open_fires(e, 1, &settled, 1).count, 1);
    assert_int_equal(settled, 200);
    settled = 300; /* somebody else knew better */
    seen = open_fires(e, 1, &settled, 8);
    assert_true(seen.count == 1 && seen.rows[0].due_at == 500);
    assert_int_equal(settled, 400);
    settled = 500;
    assert_int_equal(open_fires(e, 1, &settled, 8).count, 0);
    assert_int_equal(settled, 500);
    settled = 0;
    fire_in(e, 3, 700, TIMED_OUT);
    fire_in(e, 3, 800, ABORTED);
    assert_int_equal(open_fires(e, 3, &settled, 8).count, 0);
    assert_int_equal(settled, 800);
}

static enum mf_code put_many(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const int64_t *count = data;
    enum mf_code code = MF_OK;
    for (int64_t due = 1; due <= *count && code == MF_OK; due++) {
        const struct mf_fire_row row = {1, due, due, MF_FIRE_SCHEDULED, due};
        code = mf_fire_put(mf_tx_db(tx), &row, err);
    }
    return code;
}

/* A schedule that nobody has asked for its open runs in a long time. */
static void looks_at_the_newest_only(void **state)
{
    struct entity *e = *state;
    int64_t settled = 0;
    struct mf_action_row root = {.run_id = 1, .name = MF_STR("a0"), .phase = RUNNING};
    assert_int_equal(entity_write(e, put_root, &root), MF_OK);
    assert_int_equal(entity_write(e, put_many, &(int64_t){MF_FIRE_LOOK}), MF_OK);
    assert_int_equal(open_fires(e, 1, &settled, 8).count, 1);
    assert_int_equal(settled, 0);
    fire(e, 1, MF_FIRE_LOOK + 1, MF_FIRE_LOOK + 1);
    assert_int_equal(open_fires(e, 1, &settled, 8).count, 0);
    assert_int_equal(settled, MF_FIRE_LOOK + 1);
}

static uint32_t failures(struct entity *e, int64_t schedule_id, int64_t after, uint32_t limit)
{
    uint32_t count = 99;
    assert_int_equal(mf_fire_failures(e->db, schedule_id, after, limit, &count, &e->err), MF_OK);
    return count;
}

static void counts_failures_in_a_row(void **state)
{
    static const struct {
        int32_t phases[8]; /* by due time, 0 ends them */
        uint32_t count;
    } rows[] = {
        {{0}, 0},
        {{FAILED}, 1},
        {{FAILED, FAILED, TIMED_OUT}, 3},
        {{FAILED, SUCCEEDED, FAILED, FAILED}, 2},
        {{FAILED, FAILED, SUCCEEDED}, 0},
        {{FAILED, ABORTED, FAILED, ABORTED}, 2},
        {{SUCCEEDED, ABORTED}, 0},
        {{FAILED, RUNNING, FAILED, RUNNING}, 2}, /* what has not ended says nothing yet */
        {{FAILED, GONE, FAILED}, 2},
    };
    struct entity *e = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int64_t id = (int64_t)i + 1;
        for (size_t k = 0; rows[i].phases[k] != 0; k++)
            fire_in(e, id, 100 * ((int64_t)k + 1), rows[i].phases[k]);
        assert_int_equal(failures(e, id, 0, 10), rows[i].count);
    }
    assert_int_equal(failures(e, 3, 100, 10), 2);
    assert_int_equal(failures(e, 3, 0, 2), 2);
    assert_int_equal(failures(e, 3, 300, 10), 0);
}

/* ---- gaps ---- */

static enum mf_code put_gap(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_gap_put(mf_tx_db(tx), data, err);
}

static enum mf_code cut(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_gap_cut(mf_tx_db(tx), 1, *(const int64_t *)data, err);
}

static void gap(struct entity *e, int64_t schedule_id, int64_t from, int64_t until, enum mf_gap_reason reason,
                const char *error)
{
    const struct mf_gap_row row = {schedule_id, from, until, reason, mf_str_from_c(error), until + 7};
    assert_int_equal(entity_write(e, put_gap, &row), MF_OK);
}

struct gaps {
    char text[200];
    size_t count, limit;
};

static bool see_gap(void *ctx, const struct mf_gap_row *row)
{
    struct gaps *gaps = ctx;
    const size_t used = strlen(gaps->text);
    assert_int_equal(row->schedule_id, 1);
    snprintf(gaps->text + used, sizeof gaps->text - used, "%s%d-%d:%d%.*s@%d", used > 0 ? " " : "",
             (int)row->from_at, (int)row->until_at, (int)row->reason, MF_FMT(row->error),
             (int)row->decided_at);
    return ++gaps->count < gaps->limit;
}

/* Those of the first schedule, as "from-until:reason error@decided …". */
static const char *gaps(struct entity *e, int64_t from, int64_t until, size_t limit)
{
    struct gaps *found = mf_arena_alloc(e->arena, sizeof *found);
    *found = (struct gaps){.limit = limit};
    assert_int_equal(mf_gap_list(e->db, 1, from, until, see_gap, found, &e->err), MF_OK);
    return found->text;
}

static void a_gap_grows(void **state)
{
    struct entity *e = *state;
    gap(e, 1, 10, 19, MF_GAP_OVERLAP, "");
    gap(e, 2, 20, 29, MF_GAP_OVERLAP, ""); /* another's */
    gap(e, 1, 20, 29, MF_GAP_OVERLAP, "");
    assert_string_equal(gaps(e, 0, 99, 9), "10-29:4@36");
    gap(e, 1, 31, 39, MF_GAP_OVERLAP, ""); /* 30 has its run */
    gap(e, 1, 40, 49, MF_GAP_BUFFER, "");
    gap(e, 1, 50, 59, MF_GAP_FAILED, "x");
    gap(e, 1, 60, 69, MF_GAP_FAILED, "y");
    gap(e, 1, 70, 79, MF_GAP_FAILED, "y");
    assert_string_equal(gaps(e, 0, 99, 9), "10-29:4@36 31-39:4@46 40-49:5@56 50-59:8x@66 60-79:8y@86");
    gap(e, 1, 60, 65, MF_GAP_WINDOW, ""); /* no part of what was given up is lost */
    assert_string_equal(gaps(e, 60, 99, 9), "60-79:1@72");
}

static void lists_gaps_of_a_span(void **state)
{
    struct entity *e = *state;
    gap(e, 1, 10, 19, MF_GAP_WINDOW, "");
    gap(e, 1, 30, 39, MF_GAP_LATEST, "");
    gap(e, 1, 50, 59, MF_GAP_PAUSED, "");
    assert_string_equal(gaps(e, 19, 30, 9), "10-19:1@26 30-39:2@46");
    assert_string_equal(gaps(e, 20, 29, 9), "");
    assert_string_equal(gaps(e, 33, 34, 9), "30-39:2@46");
    assert_string_equal(gaps(e, 0, 99, 1), "10-19:1@26");
}

static void what_has_not_come_yet_is_taken_back(void **state)
{
    struct entity *e = *state;
    gap(e, 1, 10, 19, MF_GAP_WINDOW, "");
    gap(e, 1, 30, 39, MF_GAP_LATEST, "");
    gap(e, 1, 50, 59, MF_GAP_PAUSED, "");
    gap(e, 2, 50, 59, MF_GAP_PAUSED, "");
    assert_int_equal(entity_write(e, cut, &(int64_t){59}), MF_OK);
    assert_string_equal(gaps(e, 0, 99, 9), "10-19:1@26 30-39:2@46 50-59:7@66");
    assert_int_equal(entity_write(e, cut, &(int64_t){35}), MF_OK);
    assert_string_equal(gaps(e, 0, 99, 9), "10-19:1@26 30-35:2@46");
    assert_int_equal(entity_write(e, cut, &(int64_t){29}), MF_OK);
    assert_string_equal(gaps(e, 0, 99, 9), "10-19:1@26");
    gap(e, 1, 20, 29, MF_GAP_WINDOW, "");
    assert_string_equal(gaps(e, 0, 99, 9), "10-29:1@36");
}

struct prune {
    int64_t before;
    uint32_t limit;
    int64_t *removed;
};

static enum mf_code prune(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct prune *c = data;
    return mf_fire_prune(mf_tx_db(tx), c->before, c->limit, c->removed, err);
}

static int64_t pruned(struct entity *e, int64_t before, uint32_t limit)
{
    int64_t removed = 99;
    const struct prune c = {before, limit, &removed};
    assert_int_equal(entity_write(e, prune, &c), MF_OK);
    return removed;
}

static void old_rows_go(void **state)
{
    struct entity *e = *state;
    for (int64_t due = 100; due <= 500; due += 100)
        fire(e, 1, due, due);             /* at 105, 205, … */
    gap(e, 1, 10, 19, MF_GAP_WINDOW, ""); /* at 26 */
    gap(e, 1, 30, 39, MF_GAP_LATEST, ""); /* at 46 */
    assert_int_equal(pruned(e, 26, 10), 0);
    assert_int_equal(pruned(e, 305, 1), 2); /* the oldest of each */
    assert_string_equal(gaps(e, 0, 99, 9), "30-39:2@46");
    assert_int_equal(fires(e, 1, 0, 999, 8).rows[0].due_at, 200);
    assert_int_equal(pruned(e, 305, 10), 2);
    assert_string_equal(gaps(e, 0, 99, 9), "");
    struct seen seen = fires(e, 1, 0, 999, 8);
    assert_true(seen.count == 3 && seen.rows[0].due_at == 300);
    assert_int_equal(pruned(e, 305, 10), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_due_time_has_one_fire, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(lists_fires_of_a_span, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(finds_the_runs_that_are_not_over, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(looks_at_the_newest_only, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(counts_failures_in_a_row, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(a_gap_grows, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(lists_gaps_of_a_span, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(what_has_not_come_yet_is_taken_back, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(old_rows_go, entity_setup, entity_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
