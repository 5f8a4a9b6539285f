#include "wire.h"

#include "event/event.h"
#include "gen/flyteidl2/workflow/events_proxy_service.pb.h"
#include "gen/flyteidl2/workflow/internal_run_service.pb.h"
#include "gen/google/rpc/status.pb.h"

#define INTERNAL (&pb_workflow_InternalRunService_service)
#define METHOD(name) pb_workflow_InternalRunService_##name

static int set_up(void **state)
{
    return wire_setup(state, mf_events_serve);
}

static struct pb_workflow_RecordActionRequest record_of(struct story_action *a, const char *name,
                                                        const char *parent)
{
    story_task(a, "r1", name, parent);
    struct pb_workflow_RecordActionRequest request = {.action_id = &a->id,
                                                      .parent = mf_str_from_c(parent),
                                                      .group = MF_STR("g"),
                                                      .input_uri = MF_STR("s3://b/in"),
                                                      .spec_case = pb_workflow_RecordActionRequest_tag_task};
    request.spec.task = &a->task;
    return request;
}

static int32_t record(struct wire *w, const struct pb_workflow_RecordActionRequest *request)
{
    const struct pb_workflow_RecordActionResponse *response =
        wire_call(w, INTERNAL, METHOD(RecordAction), request, NULL);
    return response->status->code;
}

static void records_actions_once(void **state)
{
    struct wire *w = *state;
    struct entity *e = &w->entity;
    struct story_action a;
    const struct mf_run_row run = story_run(e, "r1");
    struct pb_workflow_RecordActionRequest request = record_of(&a, "c", "a0");
    assert_int_equal(record(w, &request), MF_OK); /* before its parent */
    story_add(e, &run, "a0", "");
    assert_int_equal(record(w, &request), MF_OK);
    assert_int_equal(story_row(e, &run, "c").carrier, MF_CARRIER_EXECUTOR);
    int64_t seq = story_row(e, &run, "c").seq;
    story_move(e, &run, "a0", 1, MF_PHASE_SUCCEEDED);
    assert_int_equal(record(w, &request), MF_OK);
    assert_true(story_row(e, &run, "c").seq > seq); /* it was aborted with its parent, not recorded anew */
    assert_int_equal(story_row(e, &run, "c").attempts, 1);
    request.spec_case = 0;
    assert_int_equal(record(w, &request), MF_INVALID_ARGUMENT);
}

static int32_t update(struct wire *w, const struct pb_workflow_UpdateActionStatusRequest *request)
{
    const struct pb_workflow_UpdateActionStatusResponse *response =
        wire_call(w, INTERNAL, METHOD(UpdateActionStatus), request, NULL);
    assert_true(mf_str_eq(response->action_id->name, request->action_id->name));
    return response->status->code;
}

static void updates_status(void **state)
{
    struct wire *w = *state;
    struct entity *e = &w->entity;
    struct story_action a;
    struct story_literal value;
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    story_add(e, &run, "c", "a0");
    story_fill(&a, "r1", "c", "a0");
    struct pb_workflow_ActionStatus status = {.phase = MF_PHASE_RUNNING, .attempts = 1, .cache_status = 1};
    struct pb_workflow_UpdateActionStatusRequest request = {.action_id = &a.id, .status = &status};
    assert_int_equal(update(w, &request), MF_OK);
    /* A promotion by one who knows neither attempts nor cache leaves both. */
    status.attempts = 0;
    status.cache_status = 0;
    assert_int_equal(update(w, &request), MF_OK);
    struct mf_action_row row = story_row(e, &run, "c");
    assert_int_equal(row.phase, MF_PHASE_RUNNING);
    assert_int_equal(row.attempts, 1);
    assert_int_equal(row.cache_status, 1);
    /* Late and out of order. */
    status.attempts = 1;
    status.phase = MF_PHASE_SUCCEEDED;
    assert_int_equal(update(w, &request), MF_OK);
    status.phase = MF_PHASE_RUNNING;
    assert_int_equal(update(w, &request), MF_OK);
    assert_int_equal(story_phase(e, &run, "c"), MF_PHASE_SUCCEEDED);
    a.id.name = MF_STR("none");
    assert_int_equal(update(w, &request), MF_NOT_FOUND);
    /* An abort takes the tree below along and keeps its reason. */
    story_add(e, &run, "p", "a0");
    story_add(e, &run, "q", "p");
    a.id.name = MF_STR("p");
    status.phase = MF_PHASE_ABORTED;
    request.abort_reason = MF_STR("because");
    request.has_abort_reason = true;
    assert_int_equal(update(w, &request), MF_OK);
    assert_str(story_row(e, &run, "q").abort_reason, "because");
    /* The value of a condition. */
    struct story_action c;
    assert_int_equal(story_enqueue(e, &run, story_condition(&c, "r1", "ask", "a0", pb_core_BOOLEAN)), MF_OK);
    status.phase = MF_PHASE_SUCCEEDED;
    const struct pb_workflow_UpdateActionStatusRequest resolved = {
        .action_id = &c.id, .status = &status, .output = story_boolean(&value, true)};
    assert_int_equal(update(w, &resolved), MF_OK);
    assert_true(story_row(e, &run, "ask").value.len > 0);
}

struct batch {
    struct story_action a, other;
    struct pb_workflow_ActionEvent running, succeeded, lost;
    struct pb_workflow_ActionEvent *items[3];
    struct pb_task_OutputReferences outputs;
};

static void fill_batch(struct batch *b)
{
    *b = (struct batch){.outputs = {.output_uri = MF_STR("s3://b/out/c/1")}};
    story_task(&b->a, "r1", "c", "a0");
    story_task(&b->other, "nowhere", "c", "a0");
    b->running = (struct pb_workflow_ActionEvent){.id = &b->a.id, .attempt = 1, .phase = MF_PHASE_RUNNING};
    b->succeeded = (struct pb_workflow_ActionEvent){
        .id = &b->a.id, .attempt = 1, .phase = MF_PHASE_SUCCEEDED, .outputs = &b->outputs};
    b->lost = (struct pb_workflow_ActionEvent){.id = &b->other.id, .attempt = 1, .phase = MF_PHASE_RUNNING};
    b->items[0] = &b->succeeded;
    b->items[1] = &b->lost;
    b->items[2] = &b->running;
}

static void records_batches(void **state)
{
    struct wire *w = *state;
    struct entity *e = &w->entity;
    struct batch b;
    fill_batch(&b);
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    /* Before the action: kept, and followed once it is recorded. */
    const struct pb_workflow_RecordRequest request = {.events = {b.items, 3, 3}};
    wire_call(w, &pb_workflow_EventsProxyService_service, pb_workflow_EventsProxyService_Record, &request,
              NULL);
    struct pb_workflow_RecordActionRequest action = record_of(&b.a, "c", "a0");
    assert_int_equal(record(w, &action), MF_OK);
    const struct mf_action_row row = story_row(e, &run, "c");
    assert_int_equal(row.phase, MF_PHASE_SUCCEEDED);
    assert_str(row.output_uri, "s3://b/out/c/1");
    const struct pb_workflow_RecordActionEventsRequest again = {.events = {b.items, 3, 3}};
    const struct pb_workflow_RecordActionEventsResponse *response =
        wire_call(w, INTERNAL, METHOD(RecordActionEvents), &again, NULL);
    assert_int_equal(response->status->code, MF_OK);
    assert_int_equal(story_row(e, &run, "c").seq, row.seq);
    assert_string_equal(story_history(e, &run, "c"), "1:QUEUED 1:RUNNING 1:SUCCEEDED ");
}

static void records_lists_longer_than_a_command(void **state)
{
    struct wire *w = *state;
    struct entity *e = &w->entity;
    enum { COUNT = 1300 };
    struct story_action a;
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    story_fill(&a, "r1", "a0", "");
    struct pb_workflow_ActionEvent *events = calloc(COUNT, sizeof *events);
    struct pb_workflow_ActionEvent **items = calloc(COUNT, sizeof(struct pb_workflow_ActionEvent *));
    assert_non_null(events);
    assert_non_null(items);
    for (uint32_t i = 0; i < COUNT; i++) {
        events[i] = (struct pb_workflow_ActionEvent){
            .id = &a.id, .attempt = 1, .phase = MF_PHASE_RUNNING, .version = i};
        items[i] = &events[i];
    }
    const struct pb_workflow_RecordActionEventsRequest request = {.events = {items, COUNT, COUNT}};
    const struct pb_workflow_RecordActionEventsResponse *response =
        wire_call(w, INTERNAL, METHOD(RecordActionEvents), &request, NULL);
    int32_t next = 0;
    assert_int_equal(response->status->code, MF_OK);
    assert_int_equal(mf_event_next_version(e->db, run.id, MF_STR("a0"), 1, MF_PHASE_RUNNING, &next, &e->err),
                     MF_OK);
    assert_int_equal(next, COUNT);
    free(items);
    free(events);
}

/* More messages than a stream may have waiting, so that it is held back meanwhile; the answers keep their
 * order. */
static void answers_streams_in_order(void **state)
{
    struct wire *w = *state;
    struct entity *e = &w->entity;
    enum { COUNT = 700 };
    struct batch b;
    fill_batch(&b);
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    struct wire_stream s = wire_stream(w, INTERNAL, METHOD(RecordActionEventStream));
    for (int64_t i = 0; i < COUNT; i++) {
        struct pb_workflow_RecordActionEventRequest event = {.event = i % 3 == 1 ? &b.lost : &b.running};
        const struct pb_workflow_RecordActionEventStreamRequest request = {.request = &event, .nonce = i};
        b.running.version = (uint32_t)i;
        wire_send(&s, &request);
    }
    wire_finish(&s);
    for (int64_t i = 0; i < COUNT; i++) {
        const struct pb_workflow_RecordActionEventStreamResponse *response = wire_message(&s, (size_t)i);
        assert_int_equal(response->nonce, i);
        assert_int_equal(response->response->status->code, i % 3 == 1 ? MF_NOT_FOUND : MF_OK);
    }
    wire_ended(&s, COUNT, "{}");
    fake_close(s.exchange);
}

static void answers_streams_of_actions_and_status(void **state)
{
    struct wire *w = *state;
    struct entity *e = &w->entity;
    struct story_action a;
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    struct pb_workflow_RecordActionRequest action = record_of(&a, "c", "a0");
    const struct pb_workflow_RecordActionStreamRequest record_request = {.request = &action};
    struct wire_stream s = wire_stream(w, INTERNAL, METHOD(RecordActionStream));
    wire_send(&s, &record_request);
    const struct pb_workflow_RecordActionStreamResponse *recorded = wire_message(&s, 0);
    assert_int_equal(recorded->response->status->code, MF_OK);
    wire_finish(&s);
    wire_ended(&s, 1, "{}");
    fake_close(s.exchange);

    struct pb_workflow_ActionStatus status = {.phase = MF_PHASE_RUNNING, .attempts = 1};
    struct pb_workflow_UpdateActionStatusRequest update_request = {.action_id = &a.id, .status = &status};
    const struct pb_workflow_UpdateActionStatusStreamRequest request = {.request = &update_request,
                                                                        .nonce = 9};
    s = wire_stream(w, INTERNAL, METHOD(UpdateActionStatusStream));
    wire_send(&s, &request);
    const struct pb_workflow_UpdateActionStatusStreamResponse *updated = wire_message(&s, 0);
    assert_int_equal(updated->nonce, 9);
    assert_int_equal(story_phase(e, &run, "c"), MF_PHASE_RUNNING);
    /* The client goes away in the middle. */
    wire_send(&s, &request);
    fake_close(s.exchange);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_actions_once, set_up, wire_teardown),
        cmocka_unit_test_setup_teardown(updates_status, set_up, wire_teardown),
        cmocka_unit_test_setup_teardown(records_batches, set_up, wire_teardown),
        cmocka_unit_test_setup_teardown(records_lists_longer_than_a_command, set_up, wire_teardown),
        cmocka_unit_test_setup_teardown(answers_streams_in_order, set_up, wire_teardown),
        cmocka_unit_test_setup_teardown(answers_streams_of_actions_and_status, set_up, wire_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
