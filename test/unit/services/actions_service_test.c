#include "wire.h"

#include "action/actions.h"
#include "gen/flyteidl2/workflow/queue_service.pb.h"
#include "gen/flyteidl2/workflow/state_service.pb.h"

#define ACTIONS (&pb_actions_ActionsService_service)

static int set_up(void **state)
{
    return wire_setup(state, mf_actions_serve);
}

static void enqueue(struct wire *w, struct pb_actions_Action *action, const char *code)
{
    const struct pb_actions_EnqueueRequest request = {.action = action};
    wire_call(w, ACTIONS, pb_actions_ActionsService_Enqueue, &request, code);
}

static void answers_enqueue(void **state)
{
    struct wire *w = *state;
    struct story_action a;
    enqueue(w, story_task(&a, "r1", "c", "a0"), "not_found");
    const struct mf_run_row run = story_run(&w->entity, "r1");
    enqueue(w, story_task(&a, "r1", "c", "a0"), "not_found");
    story_add(&w->entity, &run, "a0", "");
    enqueue(w, story_task(&a, "r1", "c", "a0"), NULL);
    enqueue(w, story_task(&a, "r1", "c", "a0"), "already_exists");
    assert_int_equal(story_phase(&w->entity, &run, "c"), MF_PHASE_QUEUED);
    story_task(&a, "r1", "d", "a0");
    a.action.input_uri = MF_STR_EMPTY;
    enqueue(w, &a.action, "invalid_argument");
    story_move(&w->entity, &run, "a0", 1, MF_PHASE_FAILED);
    enqueue(w, story_task(&a, "r1", "d", "a0"), "aborted");
}

static void answers_abort_signal_and_update(void **state)
{
    struct wire *w = *state;
    struct story_action a;
    struct story_literal value;
    const struct mf_run_row run = story_run(&w->entity, "r1");
    story_add(&w->entity, &run, "a0", "");
    enqueue(w, story_condition(&a, "r1", "q", "a0", pb_core_INTEGER), NULL);
    struct pb_actions_SignalRequest signal = {
        .action_id = &a.id, .parent_action_name = MF_STR("a0"), .value = story_boolean(&value, true)};
    wire_call(w, ACTIONS, pb_actions_ActionsService_Signal, &signal, "invalid_argument");
    signal.value = story_integer(&value, 5);
    wire_call(w, ACTIONS, pb_actions_ActionsService_Signal, &signal, NULL);
    assert_int_equal(story_phase(&w->entity, &run, "q"), MF_PHASE_SUCCEEDED);

    enqueue(w, story_task(&a, "r1", "c", "a0"), NULL);
    struct pb_workflow_ActionStatus status = {.phase = MF_PHASE_RUNNING, .attempts = 1, .cache_status = 1};
    const struct pb_actions_UpdateRequest update = {.action_id = &a.id, .attempt = 1, .status = &status};
    wire_call(w, ACTIONS, pb_actions_ActionsService_Update, &update, NULL);
    assert_int_equal(story_phase(&w->entity, &run, "c"), MF_PHASE_RUNNING);
    assert_int_equal(story_row(&w->entity, &run, "c").cache_status, 1);
    status.phase = MF_PHASE_UNSPECIFIED;
    status.cache_status = 3;
    wire_call(w, ACTIONS, pb_actions_ActionsService_Update, &update, NULL);
    assert_int_equal(story_phase(&w->entity, &run, "c"), MF_PHASE_RUNNING);
    assert_int_equal(story_row(&w->entity, &run, "c").cache_status, 3);

    const struct pb_actions_AbortRequest abort_request = {.action_id = &a.id};
    wire_call(w, ACTIONS, pb_actions_ActionsService_Abort, &abort_request, NULL);
    wire_call(w, ACTIONS, pb_actions_ActionsService_Abort, &abort_request, NULL);
    assert_str(story_row(&w->entity, &run, "c").abort_reason, "canceled by its parent");
    a.id.name = MF_STR("none");
    wire_call(w, ACTIONS, pb_actions_ActionsService_Abort, &abort_request, "not_found");
}

static void answers_the_older_pair(void **state)
{
    struct wire *w = *state;
    struct story_action a;
    const struct mf_run_row run = story_run(&w->entity, "r1");
    story_add(&w->entity, &run, "a0", "");
    story_task(&a, "r1", "c", "a0");
    struct pb_workflow_EnqueueActionRequest request = {.action_id = &a.id,
                                                       .parent_action_name = MF_STR("a0"),
                                                       .has_parent_action_name = true,
                                                       .input_uri = a.action.input_uri,
                                                       .run_output_base = a.action.run_output_base,
                                                       .spec_case =
                                                           pb_workflow_EnqueueActionRequest_tag_task};
    request.spec.task = &a.task;
    wire_call(w, &pb_workflow_QueueService_service, pb_workflow_QueueService_EnqueueAction, &request, NULL);
    assert_str(story_row(&w->entity, &run, "c").parent, "a0");

    struct wire_stream s = wire_stream(w, &pb_workflow_StateService_service, pb_workflow_StateService_Watch);
    struct story_action parent;
    story_fill(&parent, "r1", "a0", "");
    struct pb_workflow_WatchRequest watch = {.filter_case = pb_workflow_WatchRequest_tag_parent_action_id};
    watch.filter.parent_action_id = &parent.id;
    wire_send(&s, &watch);
    wire_finish(&s);
    const struct pb_workflow_WatchResponse *first = wire_message(&s, 0);
    assert_int_equal(first->message_case, pb_workflow_WatchResponse_tag_action_update);
    assert_str(first->message.action_update->action_id->name, "c");
    const struct pb_workflow_WatchResponse *second = wire_message(&s, 1);
    assert_true(second->message.control_message->sentinel);
    fake_close(s.exchange);

    const struct pb_workflow_AbortQueuedRunRequest abort_run = {.run_id = &a.run};
    wire_call(w, &pb_workflow_QueueService_service, pb_workflow_QueueService_AbortQueuedRun, &abort_run,
              NULL);
    assert_int_equal(story_phase(&w->entity, &run, "c"), MF_PHASE_ABORTED);
}

/* ---- watch ---- */

static struct wire_stream watch(struct wire *w, const char *run, const char *parent)
{
    struct wire_stream s = wire_stream(w, ACTIONS, pb_actions_ActionsService_WatchForUpdates);
    struct story_action a;
    story_fill(&a, run, parent, "");
    struct pb_actions_WatchForUpdatesRequest request = {
        .filter_case = pb_actions_WatchForUpdatesRequest_tag_parent_action_id};
    request.filter.parent_action_id = &a.id;
    wire_send(&s, &request);
    wire_finish(&s);
    return s;
}

static const struct pb_workflow_ActionUpdate *update_at(struct wire_stream *s, size_t index, const char *name,
                                                        int32_t phase)
{
    const struct pb_actions_WatchForUpdatesResponse *response = wire_message(s, index);
    assert_int_equal(response->message_case, pb_actions_WatchForUpdatesResponse_tag_action_update);
    const struct pb_workflow_ActionUpdate *update = response->message.action_update;
    assert_str(update->action_id->name, name);
    assert_int_equal(update->phase, phase);
    return update;
}

static void sentinel_at(struct wire_stream *s, size_t index)
{
    const struct pb_actions_WatchForUpdatesResponse *response = wire_message(s, index);
    assert_int_equal(response->message_case, pb_actions_WatchForUpdatesResponse_tag_control_message);
    assert_true(response->message.control_message->sentinel);
}

static void shows_what_there_is_then_every_change(void **state)
{
    struct wire *w = *state;
    struct entity *e = &w->entity;
    struct story_action a;
    struct story_literal value;
    const struct pb_core_ExecutionError error = {.code = MF_STR("ValueError"), .message = MF_STR("no")};
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    story_add(e, &run, "c", "a0");
    assert_int_equal(story_enqueue(e, &run, story_trace(&a, "r1", "t", "a0", MF_PHASE_SUCCEEDED)), MF_OK);
    story_add(e, &run, "grandchild", "c");
    struct wire_stream s = watch(w, "r1", "a0");
    update_at(&s, 0, "c", MF_PHASE_QUEUED);
    const struct pb_workflow_ActionUpdate *trace = update_at(&s, 1, "t", MF_PHASE_SUCCEEDED);
    assert_str(trace->output_uri, "s3://b/out/t/outputs.pb");
    assert_int_equal(trace->action_id->run->org.len, 0);
    sentinel_at(&s, 2);
    story_move(e, &run, "c", 1, MF_PHASE_RUNNING);
    update_at(&s, 3, "c", MF_PHASE_RUNNING);
    struct mf_action_change change = {.run_id = run.id,
                                      .name = MF_STR("c"),
                                      .attempt = 1,
                                      .phase = MF_PHASE_FAILED,
                                      .error = &error,
                                      .output_uri = MF_STR("s3://b/out/c/1"),
                                      .cache_status = -1};
    story_report(e, &change);
    const struct pb_workflow_ActionUpdate *failed = update_at(&s, 4, "c", MF_PHASE_FAILED);
    assert_str(failed->error->code, "ValueError");
    assert_str(failed->output_uri, "s3://b/out/c/1");
    enqueue(w, story_condition(&a, "r1", "q", "a0", pb_core_INTEGER), NULL);
    update_at(&s, 5, "q", MF_PHASE_PAUSED);
    const struct pb_actions_SignalRequest signal = {
        .action_id = &a.id, .parent_action_name = MF_STR("a0"), .value = story_integer(&value, 41)};
    wire_call(w, ACTIONS, pb_actions_ActionsService_Signal, &signal, NULL);
    const struct pb_workflow_ActionUpdate *answered = update_at(&s, 6, "q", MF_PHASE_SUCCEEDED);
    assert_int_equal(answered->value->value.scalar->value.primitive->value.integer, 41);
    fake_close(s.exchange);
}

static void leaves_out_what_a_retry_has_hidden(void **state)
{
    struct wire *w = *state;
    struct entity *e = &w->entity;
    struct story_action a;
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    story_add(e, &run, "bad", "a0");
    story_add(e, &run, "ok", "a0");
    story_move(e, &run, "bad", 1, MF_PHASE_FAILED);
    story_move(e, &run, "ok", 1, MF_PHASE_SUCCEEDED);
    const struct mf_action_change change = {.run_id = run.id,
                                            .name = MF_STR("a0"),
                                            .attempt = 1,
                                            .phase = MF_PHASE_FAILED,
                                            .cache_status = -1,
                                            .retry = true};
    story_report(e, &change);
    struct wire_stream s = watch(w, "r1", "a0");
    update_at(&s, 0, "ok", MF_PHASE_SUCCEEDED);
    sentinel_at(&s, 1);
    enqueue(w, story_task(&a, "r1", "bad", "a0"), NULL);
    update_at(&s, 2, "bad", MF_PHASE_QUEUED);
    fake_close(s.exchange);
}

static void shows_many(void **state)
{
    struct wire *w = *state;
    struct entity *e = &w->entity;
    char name[16];
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "c%d", i);
        story_add(e, &run, name, "a0");
    }
    struct wire_stream s = watch(w, "r1", "a0");
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "c%d", i);
        update_at(&s, (size_t)i, name, MF_PHASE_QUEUED);
    }
    sentinel_at(&s, 200);
    fake_close(s.exchange);
}

static void waits_for_a_parent_but_not_for_a_run(void **state)
{
    struct wire *w = *state;
    struct entity *e = &w->entity;
    struct wire_stream missing = watch(w, "r1", "a0");
    wire_ended(&missing, 0, "not_found");
    fake_close(missing.exchange);
    const struct mf_run_row run = story_run(e, "r1");
    struct wire_stream s = watch(w, "r1", "a0");
    sentinel_at(&s, 0);
    story_add(e, &run, "a0", "");
    story_add(e, &run, "c", "a0");
    update_at(&s, 1, "c", MF_PHASE_QUEUED);
    fake_close(s.exchange);
}

/* The client takes a repeated sentinel for what it is: a sign of life. */
static void repeats_the_sentinel(void **state)
{
    struct wire *w = *state;
    const struct mf_run_row run = story_run(&w->entity, "r1");
    const struct mf_topic topic = {
        .kind = MF_TOPIC_CHILDREN, .run_id = run.id, .hash = mf_topic_hash(MF_STR("a0"))};
    struct wire_stream s = watch(w, "r1", "a0");
    sentinel_at(&s, 0);
    mf_hub_publish(w->entity.hub, &topic, 1);
    story_add(&w->entity, &run, "a0", "");
    story_add(&w->entity, &run, "c", "a0");
    update_at(&s, 1, "c", MF_PHASE_QUEUED);
    atomic_store(&w->later_ns, INT64_C(21000000000));
    mf_hub_publish(w->entity.hub, &topic, 1);
    sentinel_at(&s, 2);
    fake_close(s.exchange);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_enqueue, set_up, wire_teardown),
        cmocka_unit_test_setup_teardown(answers_abort_signal_and_update, set_up, wire_teardown),
        cmocka_unit_test_setup_teardown(answers_the_older_pair, set_up, wire_teardown),
        cmocka_unit_test_setup_teardown(shows_what_there_is_then_every_change, set_up, wire_teardown),
        cmocka_unit_test_setup_teardown(leaves_out_what_a_retry_has_hidden, set_up, wire_teardown),
        cmocka_unit_test_setup_teardown(shows_many, set_up, wire_teardown),
        cmocka_unit_test_setup_teardown(waits_for_a_parent_but_not_for_a_run, set_up, wire_teardown),
        cmocka_unit_test_setup_teardown(repeats_the_sentinel, set_up, wire_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
