#include "../store/entity.h"

#include "store/schedule.h"
#include "trigger/change.h"

#include <stdatomic.h>

/* One change of one trigger. */
struct step {
    enum { DEPLOY, SWITCH, DELETE, OTHERS, FIRED } what;
    struct mf_trigger_row wish;
    bool active;
    uint64_t expected;
    int64_t now; /* FIRED */
};

static enum mf_code apply(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct step *step = data;
    const struct mf_str by = MF_STR("someone");
    switch (step->what) {
    case DEPLOY:
        return mf_trigger_deploy(tx, &step->wish, step->expected, NULL, err);
    case SWITCH:
        return mf_trigger_switch(tx, &step->wish.key, step->active, by, err);
    case DELETE:
        return mf_trigger_delete(tx, &step->wish.key, by, err);
    case OTHERS:
        return mf_trigger_delete_others(tx, &step->wish.key, &step->wish.key.name, 1, by, err);
    case FIRED:
        return mf_trigger_fired(mf_tx_db(tx), &step->wish.key, step->now, err);
    }
    return MF_INTERNAL;
}

static struct mf_trigger_row wish(const char *name)
{
    return (struct mf_trigger_row){
        .key = {MF_STR("p"), MF_STR("d"), MF_STR("env.t"), mf_str_from_c(name)},
        .task_version = MF_STR("v1"),
        .active = true,
        .automation_type = 2,
        .spec = MF_STR("spec"),
        .automation = MF_STR("daily"),
        .deployed_by = MF_STR("ann"),
    };
}

static struct mf_trigger_row now(struct entity *e, const char *name)
{
    struct mf_trigger_row row;
    const struct mf_trigger_row of = wish(name);
    bool found = false;
    assert_int_equal(mf_trigger_find(e->db, e->arena, &of.key, &row, &found, &e->err), MF_OK);
    assert_true(found);
    return row;
}

static void change(struct entity *e, struct step step)
{
    assert_int_equal(entity_write(e, apply, &step), MF_OK);
}

/* What was due before a trigger was there, was on, or had this schedule is not due; anything else keeps its
 * time. */
static void the_baseline_follows_the_schedule(void **state)
{
    struct entity *e = *state;
    struct step deploy = {.what = DEPLOY, .wish = wish("t")};
    change(e, deploy);
    struct mf_trigger_row first = now(e, "t");
    assert_true(first.baseline_at == first.created_at && first.updated_at == first.created_at);
    change(e, (struct step){.what = FIRED, .wish = wish("t"), .now = 77});
    deploy.wish.spec = MF_STR("other inputs");
    deploy.wish.task_version = MF_STR("v2");
    change(e, deploy);
    struct mf_trigger_row row = now(e, "t");
    assert_true(row.baseline_at == first.baseline_at && row.updated_at == first.updated_at);
    assert_true(row.created_at == first.created_at && row.deployed_at > first.deployed_at);
    assert_int_equal(row.triggered_at, 77);
    change(e, (struct step){.what = FIRED, .wish = wish("t"), .now = 76}); /* the clock was set back */
    assert_int_equal(now(e, "t").triggered_at, 77);
    assert_int_equal(row.revision, 2);
    assert_true(row.seq > first.seq);
    assert_str(row.task_version, "v2");
    deploy.wish.automation = MF_STR("hourly");
    change(e, deploy);
    struct mf_trigger_row edited = now(e, "t");
    assert_true(edited.baseline_at == edited.deployed_at && edited.updated_at == first.updated_at);
    change(e, (struct step){.what = SWITCH, .wish = wish("t"), .active = false});
    change(e, (struct step){.what = SWITCH, .wish = wish("t"), .active = false});
    change(e, (struct step){.what = SWITCH, .wish = wish("t"), .active = true});
    row = now(e, "t");
    assert_int_equal(row.revision, 5);
    assert_true(row.baseline_at == row.updated_at && row.updated_at > edited.deployed_at);
    assert_str(row.updated_by, "someone");
    assert_str(row.deployed_by, "ann");
}

static void a_deleted_one_counts_on(void **state)
{
    struct entity *e = *state;
    struct mf_trigger_row row;
    struct step deploy = {.what = DEPLOY, .wish = wish("t")};
    change(e, deploy);
    change(e, (struct step){.what = DELETE, .wish = wish("t")});
    change(e, (struct step){.what = DELETE, .wish = wish("t")});
    const struct step fired = {.what = FIRED, .wish = wish("t"), .now = 77};
    assert_int_equal(entity_write(e, apply, &fired), MF_NOT_FOUND);
    assert_string_equal(e->err.message, "trigger not found: p/d/env.t/t");
    row = now(e, "t");
    assert_true(!row.active && row.deleted_at > 0 && row.triggered_at == 0 && row.revision == 2);
    change(e, (struct step){.what = SWITCH, .wish = wish("t"), .active = true});
    assert_int_equal(now(e, "t").revision, 2);
    assert_int_equal(mf_trigger_get(e->db, e->arena, &row.key, &row, &e->err), MF_NOT_FOUND);
    assert_string_equal(e->err.message, "trigger not found: p/d/env.t/t");
    deploy.wish.active = false;
    change(e, deploy);
    row = now(e, "t");
    assert_true(!row.active && row.deleted_at == 0 && row.revision == 3 &&
                row.baseline_at == row.deployed_at);
    for (int64_t i = 1; i <= 3; i++) {
        assert_int_equal(mf_trigger_revision(e->db, e->arena, &deploy.wish.key, i, &row, &e->err), MF_OK);
        assert_true(row.revision == i && (row.deleted_at > 0) == (i == 2) && row.active == (i == 1));
    }
    assert_int_equal(mf_trigger_revision(e->db, e->arena, &deploy.wish.key, 4, &row, &e->err), MF_NOT_FOUND);
}

static void revisions_guard_against_each_other(void **state)
{
    struct entity *e = *state;
    struct step deploy = {.what = DEPLOY, .wish = wish("t")};
    change(e, deploy);
    deploy.expected = 1;
    change(e, deploy);
    assert_int_equal(entity_write(e, apply, &deploy), MF_ABORTED);
    assert_non_null(strstr(e->err.message, "it is at revision 2, not 1"));
    assert_int_equal(now(e, "t").revision, 2);
}

static void what_a_deploy_does_not_name_goes(void **state)
{
    struct entity *e = *state;
    struct mf_str *names = NULL;
    struct mf_trigger_summary summary;
    size_t count = 0;
    static const char *const all[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    const struct mf_trigger_row of = wish("c");
    for (size_t i = 0; i < 10; i++)
        change(e, (struct step){.what = DEPLOY, .wish = wish(all[i])});
    assert_int_equal(mf_trigger_names(e->db, e->arena, &of.key, &names, &count, &e->err), MF_OK);
    assert_int_equal(count, 10);
    assert_int_equal(mf_trigger_summary(e->db, e->arena, &of.key, MF_STR("v1"), &summary, &e->err), MF_OK);
    assert_true(summary.total == 10 && summary.active == 10);
    change(e, (struct step){.what = OTHERS, .wish = of});
    assert_int_equal(mf_trigger_names(e->db, e->arena, &of.key, &names, &count, &e->err), MF_OK);
    assert_int_equal(count, 1);
    assert_str(names[0], "c");
    assert_int_equal(mf_trigger_summary(e->db, e->arena, &of.key, MF_STR("v1"), &summary, &e->err), MF_OK);
    assert_true(summary.total == 1 && summary.active == 1);
    assert_str(summary.name, "c");
    assert_str(summary.automation, "daily");
    assert_int_equal(mf_trigger_summary(e->db, e->arena, &of.key, MF_STR("v2"), &summary, &e->err), MF_OK);
    assert_int_equal(summary.total, 0);
}

struct follower {
    struct mf_subscription subscription;
    atomic_int woken;
};

static void wake(struct mf_subscription *subscription)
{
    atomic_fetch_add(&MF_CONTAINER(subscription, struct follower, subscription)->woken, 1);
}

/* mf_writer_run returns after the change was published. */
static void every_change_is_announced(void **state)
{
    struct entity *e = *state;
    struct follower follower = {0};
    mf_hub_subscribe(e->hub, &follower.subscription, (struct mf_topic){.kind = MF_TOPIC_TRIGGERS}, wake);
    change(e, (struct step){.what = DEPLOY, .wish = wish("t")});
    assert_int_equal(atomic_load(&follower.woken), 1);
    change(e, (struct step){.what = SWITCH, .wish = wish("t"), .active = true});
    assert_int_equal(atomic_load(&follower.woken), 1);
    change(e, (struct step){.what = SWITCH, .wish = wish("t"), .active = false});
    assert_int_equal(atomic_load(&follower.woken), 2);
    change(e, (struct step){.what = DELETE, .wish = wish("t")});
    assert_int_equal(atomic_load(&follower.woken), 3);
    mf_hub_unsubscribe(e->hub, &follower.subscription);
}

/* ---- the schedule's row ---- */

static bool has_schedule(struct entity *e, const char *name, struct mf_schedule_row *row)
{
    const struct mf_trigger_row of = wish(name);
    bool found = false;
    assert_int_equal(mf_schedule_find(e->db, e->arena, &of.key, row, &found, &e->err), MF_OK);
    return found;
}

/* The row, which is in step with its trigger. */
static struct mf_schedule_row schedule(struct entity *e, const char *name)
{
    const struct mf_trigger_row trigger = now(e, name);
    struct mf_schedule_row row;
    assert_true(has_schedule(e, name, &row));
    assert_int_equal(row.revision, trigger.revision);
    assert_int_equal(row.seq, trigger.seq);
    assert_int_equal(row.baseline_at, trigger.baseline_at);
    assert_int_equal(row.active, trigger.active && trigger.automation_type == 2);
    assert_true(mf_str_eq(row.automation, trigger.automation));
    assert_true(row.state.error.len == 0 && row.state.error_at == 0);
    return row;
}

static enum mf_code apply_move(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct mf_schedule_row *row = data;
    return mf_schedule_move(mf_tx_db(tx), row->id, &row->state, err);
}

/* As the scheduler would, to a state that tells whether it was touched. */
static struct mf_schedule_row fire_until(struct entity *e, const char *name, int64_t cursor_at)
{
    struct mf_schedule_row row = schedule(e, name);
    row.state = (struct mf_schedule_state){.cursor_at = cursor_at,
                                           .buffered_at = 5,
                                           .runs = 6,
                                           .settled_at = 7,
                                           .error = MF_STR("no task"),
                                           .error_at = 8};
    assert_int_equal(entity_write(e, apply_move, &row), MF_OK);
    return row;
}

static void assert_state(const struct mf_schedule_row *row, int64_t cursor_at, int64_t buffered_at,
                         int64_t runs)
{
    assert_int_equal(row->state.cursor_at, cursor_at);
    assert_int_equal(row->state.buffered_at, buffered_at);
    assert_int_equal(row->state.runs, runs);
}

static void a_first_deploy_makes_a_schedule(void **state)
{
    struct entity *e = *state;
    struct step deploy = {.what = DEPLOY, .wish = wish("t")};
    struct mf_schedule_row row;
    deploy.wish.policy = MF_STR("overlap=skip");
    change(e, deploy);
    row = schedule(e, "t");
    assert_true(row.id > 0 && row.active);
    assert_str(row.policy, "overlap=skip");
    assert_state(&row, now(e, "t").created_at, 0, 0);
    assert_int_equal(row.state.settled_at, 0);
    deploy.wish = wish("idle");
    deploy.wish.automation_type = 1;
    change(e, deploy);
    assert_false(has_schedule(e, "idle", &row));
    change(e, (struct step){.what = SWITCH, .wish = wish("idle"), .active = false});
    change(e, (struct step){.what = DELETE, .wish = wish("idle")});
    assert_false(has_schedule(e, "idle", &row));
    deploy.wish = wish("off");
    deploy.wish.active = false;
    change(e, deploy);
    assert_false(schedule(e, "off").active);
}

static void a_plain_deploy_leaves_the_state(void **state)
{
    struct entity *e = *state;
    struct step deploy = {.what = DEPLOY, .wish = wish("t")};
    change(e, deploy);
    const struct mf_schedule_row before = fire_until(e, "t", 77);
    deploy.wish.task_version = MF_STR("v2");
    deploy.wish.spec = MF_STR("other inputs");
    change(e, deploy);
    const struct mf_schedule_row row = schedule(e, "t");
    assert_int_equal(row.id, before.id);
    assert_state(&row, 77, 5, 6);
    assert_int_equal(row.state.settled_at, 7);
}

static void another_policy_keeps_the_phase(void **state)
{
    struct entity *e = *state;
    struct step deploy = {.what = DEPLOY, .wish = wish("t")};
    change(e, deploy);
    const int64_t baseline = schedule(e, "t").baseline_at;
    fire_until(e, "t", 77);
    deploy.wish.policy = MF_STR("overlap=skip");
    change(e, deploy);
    struct mf_schedule_row row = schedule(e, "t");
    assert_state(&row, now(e, "t").deployed_at, 0, 0);
    assert_true(row.baseline_at == baseline && row.state.settled_at == 7);
    assert_str(row.policy, "overlap=skip");
    /* What the clock has left behind is not decided twice. */
    fire_until(e, "t", INT64_MAX);
    deploy.wish.policy = MF_STR("overlap=cancel-other");
    change(e, deploy);
    row = schedule(e, "t");
    assert_state(&row, INT64_MAX, 0, 0);
    assert_int_equal(row.baseline_at, baseline);
}

static void another_schedule_begins_anew(void **state)
{
    struct entity *e = *state;
    struct step deploy = {.what = DEPLOY, .wish = wish("t")};
    change(e, deploy);
    fire_until(e, "t", INT64_MAX);
    deploy.wish.automation = MF_STR("hourly");
    change(e, deploy);
    struct mf_schedule_row row = schedule(e, "t");
    assert_state(&row, now(e, "t").deployed_at, 0, 0);
    assert_int_equal(row.state.settled_at, 7);
    fire_until(e, "t", 77);
    deploy.wish.automation = MF_STR("by hand");
    deploy.wish.automation_type = 1;
    change(e, deploy);
    row = schedule(e, "t");
    assert_false(row.active);
    fire_until(e, "t", 77);
    deploy.wish = wish("t");
    change(e, deploy);
    row = schedule(e, "t");
    assert_true(row.active);
    assert_state(&row, now(e, "t").deployed_at, 0, 0);
}

static void switching_keeps_the_count_of_runs(void **state)
{
    struct entity *e = *state;
    struct step deploy = {.what = DEPLOY, .wish = wish("t")};
    deploy.wish.policy = MF_STR("max-runs=9");
    change(e, deploy);
    fire_until(e, "t", 77);
    change(e, (struct step){.what = SWITCH, .wish = wish("t"), .active = false});
    struct mf_schedule_row row = schedule(e, "t");
    assert_false(row.active);
    assert_state(&row, 77, 0, 6);
    assert_str(row.policy, "max-runs=9");
    fire_until(e, "t", 77);
    change(e, (struct step){.what = SWITCH, .wish = wish("t"), .active = true});
    row = schedule(e, "t");
    assert_true(row.active);
    assert_state(&row, now(e, "t").updated_at, 0, 6);
    /* The same by deploys. */
    fire_until(e, "t", 78);
    deploy.wish.active = false;
    change(e, deploy);
    row = schedule(e, "t");
    assert_state(&row, 78, 0, 6);
    fire_until(e, "t", 78);
    deploy.wish.active = true;
    change(e, deploy);
    row = schedule(e, "t");
    assert_state(&row, now(e, "t").deployed_at, 0, 6);
    fire_until(e, "t", 79);
    deploy.wish.active = false;
    change(e, deploy);
    deploy.wish.active = true;
    deploy.wish.policy = MF_STR("max-runs=10");
    change(e, deploy);
    row = schedule(e, "t");
    assert_state(&row, now(e, "t").deployed_at, 0, 0);
}

static void a_deleted_schedule_comes_back_with_its_number(void **state)
{
    struct entity *e = *state;
    struct step deploy = {.what = DEPLOY, .wish = wish("t")};
    change(e, deploy);
    change(e, (struct step){.what = DEPLOY, .wish = wish("u")});
    const int64_t id = fire_until(e, "t", 77).id;
    change(e, (struct step){.what = OTHERS, .wish = wish("u")});
    struct mf_schedule_row row = schedule(e, "t");
    assert_false(row.active);
    assert_state(&row, 77, 0, 6);
    assert_true(schedule(e, "u").active && schedule(e, "u").id != id);
    fire_until(e, "t", 77);
    change(e, deploy);
    row = schedule(e, "t");
    assert_true(row.active && row.id == id);
    assert_state(&row, now(e, "t").deployed_at, 0, 0);
}

/* ---- revisions ---- */

struct revisions {
    char text[200];
    int64_t recorded_at[8], baseline_at[8];
    size_t count, limit;
};

static bool see_revision(void *ctx, const struct mf_trigger_row *row, enum mf_trigger_action action,
                         int64_t recorded_at)
{
    struct revisions *seen = ctx;
    const size_t used = strlen(seen->text);
    snprintf(seen->text + used, sizeof seen->text - used, "%d:%d%.*s ", (int)row->revision, (int)action,
             MF_FMT(row->automation));
    assert_str(row->key.name, "t");
    assert_str(row->spec, "spec");
    seen->recorded_at[seen->count] = recorded_at;
    seen->baseline_at[seen->count] = row->baseline_at;
    return ++seen->count < seen->limit;
}

static struct revisions revisions(struct entity *e, int64_t from_ns, size_t limit)
{
    struct revisions seen = {.limit = limit};
    const struct mf_trigger_row of = wish("t");
    assert_int_equal(mf_trigger_revisions(e->db, &of.key, from_ns, see_revision, &seen, &e->err), MF_OK);
    return seen;
}

static void revisions_tell_what_was_in_effect(void **state)
{
    struct entity *e = *state;
    struct mf_trigger_row row;
    struct step deploy = {.what = DEPLOY, .wish = wish("t")};
    assert_int_equal(revisions(e, 0, 8).count, 0);
    change(e, deploy);
    deploy.wish.automation = MF_STR("hourly");
    change(e, deploy);
    deploy.wish.task_version = MF_STR("v2");
    change(e, deploy);
    change(e, (struct step){.what = DELETE, .wish = wish("t")});
    change(e, (struct step){.what = DEPLOY, .wish = wish("u")});
    struct revisions all = revisions(e, 0, 8);
    assert_string_equal(all.text, "1:1daily 2:1hourly 3:1hourly 4:4hourly ");
    assert_true(all.recorded_at[1] < all.recorded_at[2]);
    assert_true(all.baseline_at[0] == all.recorded_at[0] && all.baseline_at[1] == all.recorded_at[1] &&
                all.baseline_at[2] == all.recorded_at[1]);
    assert_string_equal(revisions(e, all.recorded_at[1], 8).text, "2:1hourly 3:1hourly 4:4hourly ");
    assert_string_equal(revisions(e, all.recorded_at[2] - 1, 1).text, "2:1hourly ");
    assert_string_equal(revisions(e, INT64_MAX, 8).text, "4:4hourly ");
    assert_int_equal(mf_trigger_revision(e->db, e->arena, &deploy.wish.key, 3, &row, &e->err), MF_OK);
    assert_true(row.baseline_at == all.recorded_at[1] && row.seq == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_baseline_follows_the_schedule, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(a_deleted_one_counts_on, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(revisions_guard_against_each_other, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(what_a_deploy_does_not_name_goes, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(every_change_is_announced, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(a_first_deploy_makes_a_schedule, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(a_plain_deploy_leaves_the_state, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(another_policy_keeps_the_phase, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(another_schedule_begins_anew, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(switching_keeps_the_count_of_runs, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(a_deleted_schedule_comes_back_with_its_number, entity_setup,
                                        entity_teardown),
        cmocka_unit_test_setup_teardown(revisions_tell_what_was_in_effect, entity_setup, entity_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
