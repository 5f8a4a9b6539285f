#include "entity.h"

#include "store/abort_work.h"
#include "store/action.h"
#include "store/action_state.h"
#include "store/webhook.h"

/* ---- webhooks ---- */

static enum mf_code insert_webhook(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_webhook_insert(mf_tx_db(tx), data, err);
}

static enum mf_code fail_webhook(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_webhook_failed(mf_tx_db(tx), data, err);
}

static enum mf_code delete_webhook(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct mf_webhook_row *row = data;
    return mf_webhook_delete(mf_tx_db(tx), row->run_id, row->name, row->attempt, err);
}

struct seen {
    struct mf_webhook_row rows[4];
    size_t count;
};

static bool see(void *ctx, const struct mf_webhook_row *row)
{
    struct seen *seen = ctx;
    seen->rows[seen->count++] = *row;
    return seen->count < 4;
}

static struct seen webhooks(struct entity *e, size_t limit)
{
    struct seen seen = {.count = 0};
    assert_int_equal(mf_webhook_list(e->db, e->arena, limit, see, &seen, &e->err), MF_OK);
    return seen;
}

static void lists_webhooks_by_their_time(void **state)
{
    struct entity *e = *state;
    struct mf_webhook_row late = {.run_id = 1, .name = MF_STR("late"), .attempt = 1, .next_at = 20};
    struct mf_webhook_row early = {.run_id = 2, .name = MF_STR("early"), .attempt = 2, .next_at = 10};
    assert_int_equal(entity_write(e, insert_webhook, &late), MF_OK);
    assert_int_equal(entity_write(e, insert_webhook, &early), MF_OK);
    late.next_at = 1;
    assert_int_equal(entity_write(e, insert_webhook, &late), MF_OK); /* the first one stays */
    struct seen seen = webhooks(e, 10);
    assert_int_equal(seen.count, 2);
    assert_str(seen.rows[0].name, "early");
    assert_int_equal(seen.rows[1].next_at, 20);
    assert_int_equal(webhooks(e, 1).count, 1);

    early.tries = 3;
    early.next_at = 30;
    early.last_error = MF_STR("answer 500");
    assert_int_equal(entity_write(e, fail_webhook, &early), MF_OK);
    seen = webhooks(e, 10);
    assert_str(seen.rows[0].name, "late");
    assert_int_equal(seen.rows[1].tries, 3);
    assert_str(seen.rows[1].last_error, "answer 500");

    assert_int_equal(entity_write(e, delete_webhook, &early), MF_OK);
    assert_int_equal(entity_write(e, fail_webhook, &early), MF_OK); /* what is gone stays gone */
    assert_int_equal(webhooks(e, 10).count, 1);
}

/* ---- aborts at work ---- */

static enum mf_code put_process(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_process_put(mf_tx_db(tx), data, err);
}

static enum mf_code begin(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_abort_work_begin(mf_tx_db(tx), data, false, err);
}

static enum mf_code begin_always(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_abort_work_begin(mf_tx_db(tx), data, true, err);
}

static enum mf_code tried(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_abort_work_tried(mf_tx_db(tx), data, err);
}

static bool was_there;

static enum mf_code done(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct mf_abort_work *work = data;
    return mf_abort_work_done(mf_tx_db(tx), work->run_id, work->name, work->attempt, &was_there, err);
}

static void keeps_an_abort_until_it_is_done(void **state)
{
    struct entity *e = *state;
    struct mf_abort_work got;
    struct mf_abort_work work = {.run_id = 1, .name = MF_STR("a"), .attempt = 2, .created_at = 5};
    const struct mf_process_row process = {.run_id = 1,
                                           .name = MF_STR("a"),
                                           .attempt = 2,
                                           .pid = 77,
                                           .boot_id = MF_STR("b"),
                                           .work_dir = MF_STR("w")};
    assert_int_equal(entity_write(e, begin, &work), MF_OK); /* there is no process to be ended */
    assert_int_equal(mf_abort_work_get(e->db, e->arena, 1, work.name, 2, &got, &e->err), MF_NOT_FOUND);
    assert_int_equal(entity_write(e, tried, &work), MF_OK);
    assert_int_equal(entity_write(e, put_process, &process), MF_OK);
    assert_int_equal(entity_write(e, begin, &work), MF_OK);
    work.last_error = MF_STR("process 77 has not ended");
    work.tried_at = 9;
    assert_int_equal(entity_write(e, tried, &work), MF_OK);
    assert_int_equal(entity_write(e, tried, &work), MF_OK);
    assert_int_equal(entity_write(e, begin, &work), MF_OK); /* another abort forgets nothing */
    assert_int_equal(mf_abort_work_get(e->db, e->arena, 1, work.name, 2, &got, &e->err), MF_OK);
    assert_int_equal(got.tries, 2);
    assert_int_equal(got.tried_at, 9);
    assert_int_equal(got.created_at, 5);
    assert_str(got.last_error, "process 77 has not ended");
    assert_int_equal(entity_write(e, done, &work), MF_OK);
    assert_true(was_there);
    assert_int_equal(entity_write(e, done, &work), MF_OK);
    assert_false(was_there);
    work.name = MF_STR("elsewhere");
    assert_int_equal(entity_write(e, begin_always, &work), MF_OK);
    assert_int_equal(mf_abort_work_get(e->db, e->arena, 1, work.name, 2, &got, &e->err), MF_OK);
    assert_int_equal(got.tries, 0);
}

/* ---- states ---- */

static enum mf_code put_state(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_action_state_put(mf_tx_db(tx), 1, MF_STR("a"), mf_str_from_c(data), 1, err);
}

static void keeps_the_newest_state(void **state)
{
    struct entity *e = *state;
    struct mf_str got;
    assert_int_equal(mf_action_state_get(e->db, e->arena, 1, MF_STR("a"), &got, &e->err), MF_OK);
    assert_int_equal(got.len, 0);
    assert_int_equal(entity_write(e, put_state, "one"), MF_OK);
    assert_int_equal(entity_write(e, put_state, "two"), MF_OK);
    assert_int_equal(mf_action_state_get(e->db, e->arena, 1, MF_STR("a"), &got, &e->err), MF_OK);
    assert_str(got, "two");
    assert_int_equal(mf_action_state_get(e->db, e->arena, 2, MF_STR("a"), &got, &e->err), MF_OK);
    assert_int_equal(got.len, 0);
}

/* ---- events ---- */

static enum mf_code put_event(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_event_insert(mf_tx_db(tx), data, NULL, err);
}

static void knows_an_event_by_its_key(void **state)
{
    struct entity *e = *state;
    bool known = true;
    const struct mf_event_row row = {
        .run_id = 1, .name = MF_STR("a"), .attempt = 2, .phase = 4, .version = 3, .body = MF_STR("x")};
    assert_int_equal(mf_event_known(e->db, 1, row.name, 2, 4, 3, &known, &e->err), MF_OK);
    assert_false(known);
    assert_int_equal(entity_write(e, put_event, &row), MF_OK);
    assert_int_equal(mf_event_known(e->db, 1, row.name, 2, 4, 3, &known, &e->err), MF_OK);
    assert_true(known);
    assert_int_equal(mf_event_known(e->db, 1, row.name, 2, 4, 4, &known, &e->err), MF_OK);
    assert_false(known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists_webhooks_by_their_time, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(keeps_an_abort_until_it_is_done, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(keeps_the_newest_state, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(knows_an_event_by_its_key, entity_setup, entity_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
