#include "story.h"

#include "store/abort_work.h"

static const struct pb_core_ExecutionError user_error = {
    .code = MF_STR("ValueError"), .message = MF_STR("no"), .kind = pb_core_ExecutionError_USER};

static void allows_what_the_table_says(void **state)
{
    (void)state;
    /* Same attempt: forward only, and never out of a terminal phase. */
    assert_true(mf_phase_may_follow(1, MF_PHASE_QUEUED, 1, MF_PHASE_RUNNING));
    assert_true(mf_phase_may_follow(1, MF_PHASE_QUEUED, 1, MF_PHASE_SUCCEEDED));
    assert_false(mf_phase_may_follow(1, MF_PHASE_RUNNING, 1, MF_PHASE_INITIALIZING));
    assert_false(mf_phase_may_follow(1, MF_PHASE_RUNNING, 1, MF_PHASE_PAUSED));
    assert_false(mf_phase_may_follow(1, MF_PHASE_PAUSED, 1, MF_PHASE_RUNNING));
    assert_true(mf_phase_may_follow(1, MF_PHASE_PAUSED, 1, MF_PHASE_TIMED_OUT));
    /* A higher attempt: after failure and time-out, not after the final phases. */
    for (int32_t phase = MF_PHASE_QUEUED; phase <= MF_PHASE_RECOVERED; phase++) {
        bool final = phase == MF_PHASE_SUCCEEDED || phase == MF_PHASE_ABORTED ||
                     phase == MF_PHASE_RECOVERED || phase == MF_PHASE_PAUSED;
        assert_int_equal(mf_phase_may_follow(1, phase, 2, MF_PHASE_QUEUED), !final);
        assert_false(mf_phase_may_follow(2, phase, 1, MF_PHASE_SUCCEEDED));
        assert_false(mf_phase_may_follow(1, phase, 1, MF_PHASE_UNSPECIFIED));
        if (mf_phase_is_terminal(phase))
            for (int32_t to = MF_PHASE_UNSPECIFIED; to <= MF_PHASE_RECOVERED; to++)
                assert_false(mf_phase_may_follow(1, phase, 1, to));
    }
    assert_false(mf_phase_may_follow(1, 99, 1, MF_PHASE_RUNNING));
    assert_false(mf_phase_may_follow(1, MF_PHASE_QUEUED, 1, 99));
    assert_false(mf_phase_may_follow(1, -1, 1, MF_PHASE_RUNNING));
}

static void records_a_task(void **state)
{
    struct entity *e = *state;
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    story_add(e, &run, "child", "a0");
    const struct mf_action_row row = story_row(e, &run, "child");
    assert_int_equal(row.kind, MF_ACTION_TASK);
    assert_int_equal(row.phase, MF_PHASE_QUEUED);
    assert_int_equal(row.attempts, 1);
    assert_str(row.parent, "a0");
    assert_str(row.run_name, "r1");
    assert_str(row.task_name, "env.work");
    assert_str(row.short_name, "work");
    assert_str(row.task_type, "python");
    assert_true(row.queued_at > 0 && row.created_at == row.queued_at && row.ended_at == 0);
    struct mf_str spec;
    void *decoded = NULL;
    assert_int_equal(mf_spec_get(e->db, e->arena, row.spec_digest, &spec, &e->err), MF_OK);
    assert_int_equal(pb_decode(e->arena, &pb_task_TaskSpec_type, spec, &decoded, &e->err), MF_OK);
    assert_str(((struct pb_task_TaskSpec *)decoded)->task_template->type, "python");
    assert_string_equal(story_history(e, &run, "child"), "1:QUEUED ");
}

static void refuses_what_has_no_place(void **state)
{
    struct entity *e = *state;
    struct story_action a;
    const struct mf_run_row run = story_run(e, "r1");
    assert_int_equal(story_enqueue(e, &run, story_task(&a, "r1", "c", "a0")), MF_NOT_FOUND);
    assert_int_equal(story_enqueue(e, &run, story_task(&a, "r1", "b0", "")), MF_INVALID_ARGUMENT);
    story_add(e, &run, "a0", "");
    assert_int_equal(story_enqueue(e, &run, story_task(&a, "r1", "a0", "")), MF_ALREADY_EXISTS);
    story_add(e, &run, "c", "a0");
    assert_int_equal(story_enqueue(e, &run, story_task(&a, "r1", "c", "a0")), MF_ALREADY_EXISTS);
    story_fill(&a, "r1", "d", "a0");
    assert_int_equal(story_enqueue(e, &run, &a.action), MF_INVALID_ARGUMENT);
    assert_true(story_move(e, &run, "a0", 1, MF_PHASE_SUCCEEDED));
    assert_int_equal(story_enqueue(e, &run, story_task(&a, "r1", "d", "a0")), MF_ABORTED);
    assert_int_equal(story_enqueue(e, &run, story_task(&a, "r1", "c", "a0")), MF_ABORTED);
}

static void keeps_the_newest_report(void **state)
{
    struct entity *e = *state;
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    assert_true(story_move(e, &run, "a0", 1, MF_PHASE_RUNNING));
    int64_t seq = story_row(e, &run, "a0").seq;
    assert_false(story_move(e, &run, "a0", 1, MF_PHASE_INITIALIZING));
    assert_false(story_move(e, &run, "a0", 1, MF_PHASE_RUNNING));
    assert_int_equal(story_row(e, &run, "a0").seq, seq);
    struct mf_action_change change = {.run_id = run.id,
                                      .name = MF_STR("a0"),
                                      .attempt = 1,
                                      .phase = MF_PHASE_SUCCEEDED,
                                      .output_uri = MF_STR("s3://b/out/a0/1"),
                                      .cache_status = 3};
    assert_true(story_report(e, &change));
    const struct mf_action_row row = story_row(e, &run, "a0");
    assert_int_equal(row.phase, MF_PHASE_SUCCEEDED);
    assert_str(row.output_uri, "s3://b/out/a0/1");
    assert_int_equal(row.cache_status, 3);
    assert_true(row.running_at > 0 && row.ended_at >= row.created_at && row.seq > seq);
    change.phase = MF_PHASE_FAILED;
    change.attempt = 2;
    assert_false(story_report(e, &change));
    assert_false(story_move(e, &run, "a0", 1, MF_PHASE_ABORTED));
    assert_string_equal(story_history(e, &run, "a0"), "1:QUEUED 1:RUNNING 1:SUCCEEDED ");
    change.name = MF_STR("none");
    const struct story_advance step = {&change, NULL};
    assert_int_equal(entity_write(e, story_apply_advance, &step), MF_NOT_FOUND);
}

static void fills_in_what_comes_late(void **state)
{
    struct entity *e = *state;
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    assert_true(story_move(e, &run, "a0", 1, MF_PHASE_FAILED));
    assert_int_equal(story_row(e, &run, "a0").error.len, 0);
    struct mf_action_change change = {.run_id = run.id,
                                      .name = MF_STR("a0"),
                                      .attempt = 1,
                                      .phase = MF_PHASE_FAILED,
                                      .error = &user_error,
                                      .cache_status = -1};
    assert_true(story_report(e, &change));
    const struct mf_action_row row = story_row(e, &run, "a0");
    void *error = NULL;
    assert_int_equal(pb_decode(e->arena, &pb_core_ExecutionError_type, row.error, &error, &e->err), MF_OK);
    assert_str(((struct pb_core_ExecutionError *)error)->code, "ValueError");
    assert_false(story_report(e, &change));
    assert_string_equal(story_history(e, &run, "a0"), "1:QUEUED 1:FAILED 1:FAILED(user) ");
}

static void retry(struct entity *e, const struct mf_run_row *run, const char *name, int32_t attempt,
                  bool system)
{
    const struct mf_action_change change = {.run_id = run->id,
                                            .name = mf_str_from_c(name),
                                            .attempt = attempt,
                                            .phase = MF_PHASE_FAILED,
                                            .error = &user_error,
                                            .cache_status = -1,
                                            .retry = true,
                                            .retry_is_system = system,
                                            .retry_not_before = 42};
    assert_true(story_report(e, &change));
}

static void retries(void **state)
{
    struct entity *e = *state;
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    assert_true(story_move(e, &run, "a0", 1, MF_PHASE_RUNNING));
    retry(e, &run, "a0", 1, false);
    struct mf_action_row row = story_row(e, &run, "a0");
    assert_int_equal(row.phase, MF_PHASE_QUEUED);
    assert_int_equal(row.attempts, 2);
    assert_int_equal(row.user_retries, 1);
    assert_int_equal(row.not_before, 42);
    assert_int_equal(row.running_at, 0);
    assert_int_equal(row.ended_at, 0);
    assert_int_equal(row.error.len, 0);
    retry(e, &run, "a0", 2, true);
    row = story_row(e, &run, "a0");
    assert_int_equal(row.attempts, 3);
    assert_int_equal(row.user_retries, 1);
    assert_int_equal(row.system_retries, 1);
    assert_false(story_move(e, &run, "a0", 1, MF_PHASE_FAILED));
    assert_false(story_move(e, &run, "a0", 2, MF_PHASE_SUCCEEDED));
    assert_string_equal(story_history(e, &run, "a0"),
                        "1:QUEUED 1:RUNNING 1:FAILED(user) 2:QUEUED 2:FAILED(user) 3:QUEUED ");
}

static void hides_failed_children_of_a_user_retry(void **state)
{
    struct entity *e = *state;
    struct story_action a;
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    story_add(e, &run, "ok", "a0");
    story_add(e, &run, "bad", "a0");
    story_add(e, &run, "worse", "bad");
    assert_true(story_move(e, &run, "ok", 1, MF_PHASE_SUCCEEDED));
    assert_true(story_move(e, &run, "worse", 1, MF_PHASE_FAILED));
    assert_true(story_move(e, &run, "bad", 1, MF_PHASE_FAILED));
    retry(e, &run, "a0", 1, true);
    assert_false(story_row(e, &run, "bad").hidden);
    assert_int_equal(story_enqueue(e, &run, story_task(&a, "r1", "bad", "a0")), MF_ALREADY_EXISTS);
    retry(e, &run, "a0", 2, false);
    assert_true(story_row(e, &run, "bad").hidden);
    assert_false(story_row(e, &run, "ok").hidden);
    assert_false(story_row(e, &run, "worse").hidden);
    /* Enqueued again, it begins its next attempt, and its own failed child is out of the way. */
    assert_int_equal(story_enqueue(e, &run, story_task(&a, "r1", "bad", "a0")), MF_OK);
    const struct mf_action_row row = story_row(e, &run, "bad");
    assert_false(row.hidden);
    assert_int_equal(row.phase, MF_PHASE_QUEUED);
    assert_int_equal(row.attempts, 2);
    assert_true(story_row(e, &run, "worse").hidden);
    assert_int_equal(story_enqueue(e, &run, story_task(&a, "r1", "bad", "a0")), MF_ALREADY_EXISTS);
    assert_string_equal(story_history(e, &run, "bad"), "1:QUEUED 1:FAILED 2:QUEUED ");
}

struct abort_step {
    int64_t run_id;
    const char *name;
    int64_t *changed;
};

static enum mf_code apply_abort(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct abort_step *step = data;
    return mf_action_abort(tx, step->run_id, mf_str_from_c(step->name), MF_STR("why"), MF_STR("who"),
                           step->changed, err);
}

static int64_t abort_action(struct entity *e, const struct mf_run_row *run, const char *name)
{
    int64_t changed = -1;
    const struct abort_step step = {run->id, name, &changed};
    assert_int_equal(entity_write(e, apply_abort, &step), MF_OK);
    return changed;
}

static void aborts_the_whole_tree(void **state)
{
    struct entity *e = *state;
    struct story_action a;
    char name[16];
    const struct mf_run_row run = story_run(e, "r1");
    const struct mf_run_row other = story_run(e, "r2");
    story_add(e, &run, "a0", "");
    story_add(e, &other, "a0", "");
    story_add(e, &run, "done", "a0");
    assert_true(story_move(e, &run, "done", 1, MF_PHASE_SUCCEEDED));
    /* More than a page of children, and a chain deeper than anybody would recurse. */
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "w%d", i);
        story_add(e, &run, name, "a0");
    }
    for (int i = 0; i < 200; i++) {
        char parent[16];
        snprintf(parent, sizeof parent, i == 0 ? "a0" : "d%d", i - 1);
        snprintf(name, sizeof name, "d%d", i);
        story_add(e, &run, name, parent);
    }
    assert_int_equal(story_enqueue(e, &run, story_condition(&a, "r1", "cond", "d199", pb_core_BOOLEAN)),
                     MF_OK);
    assert_int_equal(abort_action(e, &run, "d190"), 11);
    assert_int_equal(story_phase(e, &run, "cond"), MF_PHASE_ABORTED);
    assert_int_equal(story_phase(e, &run, "d189"), MF_PHASE_QUEUED);
    assert_int_equal(abort_action(e, &run, "a0"), 1 + 300 + 190);
    assert_int_equal(story_phase(e, &run, "done"), MF_PHASE_SUCCEEDED);
    assert_int_equal(story_phase(e, &other, "a0"), MF_PHASE_QUEUED);
    const struct mf_action_row row = story_row(e, &run, "d189");
    assert_int_equal(row.phase, MF_PHASE_ABORTED);
    assert_str(row.abort_reason, "why");
    assert_str(row.aborted_by, "who");
    assert_true(row.ended_at > 0);
    assert_string_equal(story_history(e, &run, "w299"), "1:QUEUED 1:ABORTED ");
    /* Again: nothing happens, whatever the action had become. */
    assert_int_equal(abort_action(e, &run, "a0"), 0);
    assert_int_equal(abort_action(e, &run, "done"), 0);
    const struct abort_step missing = {run.id, "none", NULL};
    assert_int_equal(entity_write(e, apply_abort, &missing), MF_NOT_FOUND);
    assert_false(story_move(e, &run, "a0", 1, MF_PHASE_SUCCEEDED));
}

struct record_step {
    const struct mf_run_row *run;
    const struct pb_actions_Action *action;
    enum mf_carrier carrier;
};

static enum mf_code apply_record(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct record_step *step = data;
    return mf_action_record(tx, step->run, step->action, step->carrier, 0, err);
}

static enum mf_code record(struct entity *e, const struct mf_run_row *run, const char *name,
                           const char *parent, enum mf_carrier carrier)
{
    struct story_action a;
    const struct record_step step = {run, story_task(&a, "r1", name, parent), carrier};
    return entity_write(e, apply_record, &step);
}

static bool count_row(void *ctx, const struct mf_action_row *row)
{
    (void)row;
    ++*(int *)ctx;
    return true;
}

/* Whether mf_abort_work_get finds something to be done. */
static bool is_at_work(struct entity *e, const struct mf_run_row *run, const char *name)
{
    struct mf_abort_work work;
    return mf_abort_work_get(e->db, e->arena, run->id, mf_str_from_c(name), 1, &work, &e->err) == MF_OK;
}

static void keeps_what_others_carry_out(void **state)
{
    struct entity *e = *state;
    int open = 0;
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    assert_int_equal(record(e, &run, "here", "unknown", MF_CARRIER_HERE), MF_NOT_FOUND);
    assert_int_equal(record(e, &run, "orphan", "unknown", MF_CARRIER_EXECUTOR), MF_OK);
    assert_int_equal(record(e, &run, "queued", "a0", MF_CARRIER_EXECUTOR), MF_OK);
    assert_int_equal(record(e, &run, "client", "a0", MF_CARRIER_CLIENT), MF_OK);
    assert_string_equal(story_history(e, &run, "client"), ""); /* as its client tells it */
    /* The executor of this server sees only its own. */
    assert_int_equal(mf_action_open(e->db, e->arena, 0, 100, count_row, &open, &e->err), MF_OK);
    assert_int_equal(open, 1);
    assert_true(story_move(e, &run, "orphan", 1, MF_PHASE_RUNNING));
    /* An abort of the run reaches all of it, with or without a place in the tree. */
    assert_int_equal(abort_action(e, &run, "a0"), 4);
    assert_int_equal(story_phase(e, &run, "orphan"), MF_PHASE_ABORTED);
    assert_true(is_at_work(e, &run, "orphan"));
    assert_true(is_at_work(e, &run, "queued"));
    assert_false(is_at_work(e, &run, "client")); /* nobody can stop it from here */
    assert_false(is_at_work(e, &run, "a0"));     /* it was never started */
    assert_int_equal(record(e, &run, "late", "unknown", MF_CARRIER_EXECUTOR), MF_ABORTED);
}

static void ends_every_attempt_that_has_a_successor(void **state)
{
    struct entity *e = *state;
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    assert_int_equal(record(e, &run, "c", "a0", MF_CARRIER_EXECUTOR), MF_OK);
    assert_true(story_move(e, &run, "c", 1, MF_PHASE_RUNNING));
    assert_true(story_move(e, &run, "c", 3, MF_PHASE_RUNNING));
    assert_string_equal(story_history(e, &run, "c"), "1:QUEUED 1:RUNNING 1:FAILED 3:RUNNING ");
    const struct mf_action_row row = story_row(e, &run, "c");
    assert_int_equal(row.attempts, 3);
    assert_int_equal(row.ended_at, 0);
}

static void says_why_even_when_nobody_has(void **state)
{
    struct entity *e = *state;
    struct pb_core_ExecutionError *error = NULL;
    struct mf_action_row row = {.name = MF_STR("c"), .phase = MF_PHASE_TIMED_OUT};
    assert_int_equal(mf_action_error(e->arena, &row, &error, &e->err), MF_OK);
    assert_str(error->code, "TimedOut");
    row.phase = MF_PHASE_FAILED;
    assert_int_equal(mf_action_error(e->arena, &row, &error, &e->err), MF_OK);
    assert_true(error->message.len > 0);
    row.error = MF_STR("\xff");
    assert_int_equal(mf_action_error(e->arena, &row, &error, &e->err), MF_DATA_LOSS);
    row.phase = MF_PHASE_RUNNING;
    assert_int_equal(mf_action_error(e->arena, &row, &error, &e->err), MF_OK);
    assert_null(error);
}

static void ends_what_an_ended_parent_left_open(void **state)
{
    struct entity *e = *state;
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    story_add(e, &run, "b", "a0");
    story_add(e, &run, "c", "b");
    story_add(e, &run, "d", "c");
    retry(e, &run, "b", 1, false);
    assert_int_equal(story_phase(e, &run, "c"), MF_PHASE_QUEUED);
    assert_true(story_move(e, &run, "b", 2, MF_PHASE_FAILED));
    assert_int_equal(story_phase(e, &run, "c"), MF_PHASE_ABORTED);
    assert_int_equal(story_phase(e, &run, "d"), MF_PHASE_ABORTED);
    assert_int_equal(story_phase(e, &run, "a0"), MF_PHASE_QUEUED);
    assert_str(story_row(e, &run, "d").abort_reason, "its parent b ended first (FAILED)");
    /* Nor does a failed action come back below a parent that has ended. */
    assert_true(story_move(e, &run, "a0", 1, MF_PHASE_SUCCEEDED));
    assert_false(story_move(e, &run, "b", 3, MF_PHASE_RUNNING));
}

static void takes_a_finished_trace(void **state)
{
    struct entity *e = *state;
    struct story_action a;
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    assert_int_equal(story_enqueue(e, &run, story_trace(&a, "r1", "t", "a0", MF_PHASE_FAILED)), MF_OK);
    assert_int_equal(story_enqueue(e, &run, story_trace(&a, "r1", "u", "a0", MF_PHASE_UNSPECIFIED)), MF_OK);
    const struct mf_action_row row = story_row(e, &run, "t");
    assert_int_equal(row.kind, MF_ACTION_TRACE);
    assert_int_equal(row.phase, MF_PHASE_FAILED);
    assert_str(row.output_uri, "s3://b/out/t/outputs.pb");
    assert_str(row.short_name, "traced");
    assert_int_equal(row.created_at, INT64_C(100000000000));
    assert_int_equal(row.ended_at, INT64_C(107000000000));
    assert_int_equal(story_phase(e, &run, "u"), MF_PHASE_SUCCEEDED);
    assert_string_equal(story_history(e, &run, "u"), "1:RUNNING 1:SUCCEEDED ");
}

struct signal_step {
    int64_t run_id;
    const char *name;
    struct mf_str value;
};

static enum mf_code apply_signal(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct signal_step *step = data;
    return mf_action_signal(tx, step->run_id, mf_str_from_c(step->name), step->value, MF_STR("who"), err);
}

static enum mf_code signal_action(struct entity *e, const struct mf_run_row *run, const char *name,
                                  const struct pb_core_Literal *literal)
{
    struct signal_step step = {.run_id = run->id, .name = name};
    assert_int_equal(pb_encode(e->arena, &pb_core_Literal_type, literal, &step.value, &e->err), MF_OK);
    return entity_write(e, apply_signal, &step);
}

static void answers_a_condition(void **state)
{
    struct entity *e = *state;
    struct story_action a;
    struct story_literal value;
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    assert_int_equal(story_enqueue(e, &run, story_condition(&a, "r1", "c", "a0", pb_core_DATETIME)),
                     MF_INVALID_ARGUMENT);
    assert_int_equal(story_enqueue(e, &run, story_condition(&a, "r1", "c", "a0", pb_core_BOOLEAN)), MF_OK);
    assert_int_equal(story_phase(e, &run, "c"), MF_PHASE_PAUSED);
    assert_int_equal(signal_action(e, &run, "none", story_boolean(&value, true)), MF_NOT_FOUND);
    assert_int_equal(signal_action(e, &run, "a0", story_boolean(&value, true)), MF_FAILED_PRECONDITION);
    assert_int_equal(signal_action(e, &run, "c", story_integer(&value, 1)), MF_INVALID_ARGUMENT);
    const struct pb_core_Literal nothing = {0};
    assert_int_equal(signal_action(e, &run, "c", &nothing), MF_INVALID_ARGUMENT);
    assert_int_equal(story_phase(e, &run, "c"), MF_PHASE_PAUSED);
    assert_int_equal(signal_action(e, &run, "c", story_boolean(&value, false)), MF_OK);
    const struct mf_action_row row = story_row(e, &run, "c");
    assert_int_equal(row.phase, MF_PHASE_SUCCEEDED);
    assert_str(row.signalled_by, "who");
    assert_true(row.value.len > 0 && row.ended_at > 0);
    assert_int_equal(signal_action(e, &run, "c", story_boolean(&value, false)), MF_OK);
    assert_int_equal(signal_action(e, &run, "c", story_boolean(&value, true)), MF_FAILED_PRECONDITION);
    assert_int_equal(story_enqueue(e, &run, story_condition(&a, "r1", "late", "a0", pb_core_INTEGER)), MF_OK);
    assert_true(story_move(e, &run, "late", 1, MF_PHASE_TIMED_OUT));
    assert_int_equal(signal_action(e, &run, "late", story_integer(&value, 1)), MF_FAILED_PRECONDITION);
    assert_string_equal(story_history(e, &run, "c"), "1:SUCCEEDED 1:PAUSED ");
}

static enum mf_code apply_events(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_action_record_event(tx, data, err);
}

static struct mf_run_row related(struct entity *e, const char *name, int64_t related_run_id,
                                 const struct pb_task_RunSpec *spec)
{
    struct mf_run_row row = {.project = MF_STR("p"),
                             .domain = MF_STR("d"),
                             .name = mf_str_from_c(name),
                             .related_run_id = related_run_id};
    assert_int_equal(pb_encode(e->arena, &pb_task_RunSpec_type, spec, &row.run_spec, &e->err), MF_OK);
    assert_int_equal(entity_write(e, story_apply_run, &row), MF_OK);
    return row;
}

static void recovers_finished_twins(void **state)
{
    struct entity *e = *state;
    struct mf_str forced[] = {MF_STR("forced")};
    struct pb_task_Recover recover = {.force_rerun_actions = {forced, 1, 1}};
    const struct pb_task_RunSpec spec = {.recover = &recover};
    const struct pb_task_RunSpec plain = {0};
    const struct mf_run_row first = story_run(e, "r1");
    static const char *const names[] = {"good", "forced", "bad"};
    story_add(e, &first, "a0", "");
    for (size_t i = 0; i < 3; i++) {
        const struct mf_action_change change = {.run_id = first.id,
                                                .name = mf_str_from_c(names[i]),
                                                .attempt = 1,
                                                .phase = i < 2 ? MF_PHASE_SUCCEEDED : MF_PHASE_FAILED,
                                                .output_uri = MF_STR("s3://b/r1/x/1"),
                                                .cache_status = -1};
        story_add(e, &first, names[i], "a0");
        assert_true(story_report(e, &change));
    }
    assert_true(story_move(e, &first, "a0", 1, MF_PHASE_SUCCEEDED));
    const struct mf_run_row second = related(e, "r2", first.id, &spec);
    story_add(e, &second, "a0", "");
    assert_int_equal(story_phase(e, &second, "a0"), MF_PHASE_QUEUED);
    for (size_t i = 0; i < 3; i++)
        story_add(e, &second, names[i], "a0");
    const struct mf_action_row row = story_row(e, &second, "good");
    assert_int_equal(row.phase, MF_PHASE_RECOVERED);
    assert_str(row.output_uri, "s3://b/r1/x/1");
    assert_true(row.ended_at > 0);
    assert_string_equal(story_history(e, &second, "good"), "1:RECOVERED ");
    assert_int_equal(story_phase(e, &second, "forced"), MF_PHASE_QUEUED);
    assert_int_equal(story_phase(e, &second, "bad"), MF_PHASE_QUEUED);
    /* Recovering the recovered run names the run that really did the work. */
    const struct mf_run_row third = related(e, "r3", second.id, &spec);
    void *source = NULL;
    story_add(e, &third, "a0", "");
    story_add(e, &third, "good", "a0");
    assert_int_equal(pb_decode(e->arena, &pb_common_ActionIdentifier_type,
                               story_row(e, &third, "good").recovered_from, &source, &e->err),
                     MF_OK);
    assert_str(((struct pb_common_ActionIdentifier *)source)->run->name, "r1");
    /* A run that is only related to another one recovers nothing. */
    const struct mf_run_row rerun = related(e, "r4", first.id, &plain);
    story_add(e, &rerun, "a0", "");
    story_add(e, &rerun, "good", "a0");
    assert_int_equal(story_phase(e, &rerun, "good"), MF_PHASE_QUEUED);
}

static struct pb_workflow_ActionEvent event_of(struct story_action *a, uint32_t attempt, int32_t phase)
{
    return (struct pb_workflow_ActionEvent){.id = &a->id, .attempt = attempt, .phase = phase};
}

static void follows_events_in_any_order(void **state)
{
    struct entity *e = *state;
    struct story_action a;
    struct pb_workflow_ErrorInfo info = {
        .code = MF_STR("OOMKilled"), .message = MF_STR("m"), .kind = pb_workflow_ErrorInfo_KIND_USER};
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    story_task(&a, "r1", "c", "a0");
    struct pb_workflow_ActionEvent failed = event_of(&a, 1, MF_PHASE_FAILED);
    struct pb_workflow_ActionEvent running = event_of(&a, 1, MF_PHASE_RUNNING);
    struct pb_workflow_ActionEvent second = event_of(&a, 2, MF_PHASE_RUNNING);
    failed.error_info = &info;
    /* Before the action is known; then it is recorded and catches up. */
    assert_int_equal(entity_write(e, apply_events, &running), MF_OK);
    assert_int_equal(story_enqueue(e, &run, &a.action), MF_OK);
    assert_int_equal(entity_write(e, apply_events, &failed), MF_OK);
    assert_int_equal(story_phase(e, &run, "c"), MF_PHASE_FAILED);
    assert_true(story_row(e, &run, "c").error.len > 0);
    int64_t seq = story_row(e, &run, "c").seq;
    assert_int_equal(entity_write(e, apply_events, &failed), MF_OK);
    assert_int_equal(entity_write(e, apply_events, &running), MF_OK);
    assert_int_equal(story_row(e, &run, "c").seq, seq);
    assert_int_equal(entity_write(e, apply_events, &second), MF_OK);
    const struct mf_action_row row = story_row(e, &run, "c");
    assert_int_equal(row.phase, MF_PHASE_RUNNING);
    assert_int_equal(row.attempts, 2);
    assert_int_equal(row.error.len, 0);
    assert_string_equal(story_history(e, &run, "c"), "1:QUEUED 1:RUNNING 1:FAILED(user) 2:RUNNING ");
    a.run.name = MF_STR("unknown");
    assert_int_equal(entity_write(e, apply_events, &second), MF_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allows_what_the_table_says),
        cmocka_unit_test_setup_teardown(records_a_task, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(refuses_what_has_no_place, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(keeps_the_newest_report, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(fills_in_what_comes_late, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(retries, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(hides_failed_children_of_a_user_retry, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(aborts_the_whole_tree, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(keeps_what_others_carry_out, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(ends_every_attempt_that_has_a_successor, entity_setup,
                                        entity_teardown),
        cmocka_unit_test_setup_teardown(says_why_even_when_nobody_has, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(ends_what_an_ended_parent_left_open, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(takes_a_finished_trace, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(answers_a_condition, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(recovers_finished_twins, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(follows_events_in_any_order, entity_setup, entity_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
