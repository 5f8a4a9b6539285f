#include "wire.h"

#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/run.h"

#define RUNS (&pb_workflow_RunService_service)

static struct mf_runs *service;

static enum mf_code serve(struct mf_store *store, struct mf_rpc *rpc, struct mf_error *err)
{
    static const struct mf_str domains[] = {{.ptr = "d", .len = 1}};
    const struct mf_runs_config config = {
        .sys = mf_sys_real(), .store = store, .domains = domains, .domain_count = 1};
    return mf_runs_serve(&config, rpc, &service, err);
}

static int set_up(void **state)
{
    return wire_setup(state, serve);
}

static int tear_down(void **state)
{
    int failed = wire_teardown(state);
    mf_runs_free(service);
    return failed;
}

static struct wire_stream watch(struct wire *w, size_t method, const void *request)
{
    struct wire_stream stream = wire_stream(w, RUNS, method);
    wire_send(&stream, request);
    wire_finish(&stream);
    return stream;
}

static struct pb_common_RunIdentifier run_id(const char *name)
{
    return (struct pb_common_RunIdentifier){
        .project = MF_STR("p"), .domain = MF_STR("d"), .name = mf_str_from_c(name)};
}

static struct mf_run_row start(struct wire *w, const char *name)
{
    struct mf_run_row run = story_run(&w->entity, name);
    story_add(&w->entity, &run, "a0", "");
    return run;
}

/* ---- details ---- */

static void follows_a_run_to_its_end(void **state)
{
    struct wire *w = *state;
    struct pb_common_RunIdentifier id = run_id("r1");
    const struct pb_workflow_WatchRunDetailsRequest request = {.run_id = &id};
    struct mf_run_row run = start(w, "r1");
    struct wire_stream s = watch(w, pb_workflow_RunService_WatchRunDetails, &request);
    const struct pb_workflow_WatchRunDetailsResponse *first = wire_message(&s, 0);
    assert_int_equal(first->details->action->status->phase, MF_PHASE_QUEUED);
    assert_int_equal(first->details->action->spec_case, pb_workflow_ActionDetails_tag_task);
    story_move(&w->entity, &run, "a0", 1, MF_PHASE_RUNNING);
    const struct pb_workflow_WatchRunDetailsResponse *second = wire_message(&s, 1);
    assert_int_equal(second->details->action->status->phase, MF_PHASE_RUNNING);
    story_move(&w->entity, &run, "a0", 1, MF_PHASE_SUCCEEDED);
    const struct pb_workflow_WatchRunDetailsResponse *third = wire_message(&s, 2);
    assert_int_equal(third->details->action->status->phase, MF_PHASE_SUCCEEDED);
    assert_int_equal(third->details->action->attempts.count, 1);
    assert_int_equal(third->details->action->attempts.items[0]->phase_transitions.count, 3);
    wire_ended(&s, 3, "{}");
    fake_close(s.exchange);
}

static void ends_at_once_when_the_action_has(void **state)
{
    struct wire *w = *state;
    struct pb_common_RunIdentifier id = run_id("r1");
    struct pb_common_ActionIdentifier action = {.run = &id, .name = MF_STR("c")};
    const struct pb_workflow_WatchActionDetailsRequest request = {.action_id = &action};
    struct mf_run_row run = start(w, "r1");
    struct wire_stream missing = watch(w, pb_workflow_RunService_WatchActionDetails, &request);
    wire_ended(&missing, 0, "not_found");
    fake_close(missing.exchange);
    story_add(&w->entity, &run, "c", "a0");
    story_move(&w->entity, &run, "c", 1, MF_PHASE_SUCCEEDED);
    struct wire_stream s = watch(w, pb_workflow_RunService_WatchActionDetails, &request);
    const struct pb_workflow_WatchActionDetailsResponse *only = wire_message(&s, 0);
    assert_str(only->details->metadata->parent, "a0");
    assert_int_equal(only->details->status->phase, MF_PHASE_SUCCEEDED);
    wire_ended(&s, 1, "{}");
    fake_close(s.exchange);
}

static void wants_an_identifier(void **state)
{
    struct wire *w = *state;
    const struct pb_workflow_WatchRunDetailsRequest none = {0};
    struct wire_stream s = watch(w, pb_workflow_RunService_WatchRunDetails, &none);
    wire_ended(&s, 0, "invalid_argument");
    fake_close(s.exchange);
}

/* ---- runs ---- */

static void shows_new_and_changed_runs(void **state)
{
    struct wire *w = *state;
    struct pb_common_ProjectIdentifier project = {
        .organization = MF_STR("o"), .name = MF_STR("p"), .domain = MF_STR("d")};
    struct pb_workflow_WatchRunsRequest request = {.target_case =
                                                       pb_workflow_WatchRunsRequest_tag_project_id};
    request.target.project_id = &project;
    struct wire_stream s = watch(w, pb_workflow_RunService_WatchRuns, &request);
    const struct pb_workflow_WatchRunsResponse *snapshot = wire_message(&s, 0);
    assert_int_equal(snapshot->runs.count, 0);
    struct mf_run_row run = start(w, "r1");
    const struct pb_workflow_WatchRunsResponse *created = wire_message(&s, 1);
    assert_int_equal(created->runs.count, 1);
    assert_str(created->runs.items[0]->action->id->run->name, "r1");
    story_move(&w->entity, &run, "a0", 1, MF_PHASE_RUNNING);
    const struct pb_workflow_WatchRunsResponse *running = wire_message(&s, 2);
    assert_int_equal(running->runs.items[0]->action->status->phase, MF_PHASE_RUNNING);
    fake_close(s.exchange);
}

/* ---- actions ---- */

static int32_t below(const struct pb_workflow_EnrichedAction *action, int32_t phase)
{
    for (uint32_t i = 0; i < action->children_phase_counts.count; i++) {
        if (action->children_phase_counts.items[i]->key == phase)
            return action->children_phase_counts.items[i]->value;
    }
    return 0;
}

static const struct pb_workflow_EnrichedAction *named(const struct pb_workflow_WatchActionsResponse *message,
                                                      const char *name)
{
    for (uint32_t i = 0; i < message->enriched_actions.count; i++) {
        if (mf_str_eq_c(message->enriched_actions.items[i]->action->id->name, name))
            return message->enriched_actions.items[i];
    }
    return NULL;
}

static void counts_what_is_below(void **state)
{
    struct wire *w = *state;
    struct pb_common_RunIdentifier id = run_id("r1");
    const struct pb_workflow_WatchActionsRequest request = {.run_id = &id};
    struct mf_run_row run = start(w, "r1");
    story_add(&w->entity, &run, "c", "a0");
    story_add(&w->entity, &run, "g", "c");
    story_move(&w->entity, &run, "c", 1, MF_PHASE_RUNNING);
    struct wire_stream s = watch(w, pb_workflow_RunService_WatchActions, &request);
    const struct pb_workflow_WatchActionsResponse *all = wire_message(&s, 0);
    assert_int_equal(all->enriched_actions.count, 3);
    assert_str(all->enriched_actions.items[0]->action->id->name, "a0");
    assert_str(all->enriched_actions.items[1]->action->id->name, "c");
    assert_int_equal(below(named(all, "a0"), MF_PHASE_QUEUED), 1);
    assert_int_equal(below(named(all, "a0"), MF_PHASE_RUNNING), 1);
    assert_int_equal(below(named(all, "c"), MF_PHASE_QUEUED), 1);
    assert_true(named(all, "g")->meets_filter);
    story_move(&w->entity, &run, "g", 1, MF_PHASE_SUCCEEDED);
    const struct pb_workflow_WatchActionsResponse *changed = wire_message(&s, 1);
    assert_int_equal(changed->enriched_actions.count, 3);
    assert_int_equal(below(named(changed, "a0"), MF_PHASE_QUEUED), 0);
    assert_int_equal(below(named(changed, "a0"), MF_PHASE_SUCCEEDED), 1);
    fake_close(s.exchange);
}

static void hides_what_no_longer_matches(void **state)
{
    struct wire *w = *state;
    struct pb_common_RunIdentifier id = run_id("r1");
    struct mf_str running = MF_STR("4");
    struct pb_common_Filter filter = {.function = pb_common_Filter_VALUE_IN, .field = MF_STR("PHASE")};
    struct pb_common_Filter *filter_list[] = {&filter};
    struct pb_workflow_WatchActionsRequest request = {.run_id = &id};
    filter.values.items = &running;
    filter.values.count = 1;
    request.filter.items = filter_list;
    request.filter.count = 1;
    struct mf_run_row run = start(w, "r1");
    story_add(&w->entity, &run, "c", "a0");
    story_add(&w->entity, &run, "other", "a0");
    struct wire_stream s = watch(w, pb_workflow_RunService_WatchActions, &request);
    const struct pb_workflow_WatchActionsResponse *none = wire_message(&s, 0);
    assert_int_equal(none->enriched_actions.count, 0);
    story_move(&w->entity, &run, "c", 1, MF_PHASE_RUNNING);
    const struct pb_workflow_WatchActionsResponse *shown = wire_message(&s, 1);
    assert_int_equal(shown->enriched_actions.count, 2);
    assert_true(named(shown, "a0")->meets_filter);
    assert_true(named(shown, "c")->meets_filter);
    story_move(&w->entity, &run, "c", 1, MF_PHASE_SUCCEEDED);
    const struct pb_workflow_WatchActionsResponse *hidden = wire_message(&s, 2);
    assert_int_equal(hidden->enriched_actions.count, 2);
    assert_false(named(hidden, "a0")->meets_filter);
    assert_false(named(hidden, "c")->meets_filter);
    fake_close(s.exchange);
    filter.field = MF_STR("FOO");
    struct wire_stream refused = watch(w, pb_workflow_RunService_WatchActions, &request);
    wire_ended(&refused, 0, "invalid_argument");
    fake_close(refused.exchange);
}

/* ---- cluster events ---- */

static enum mf_code record(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_action_record_event(tx, data, err);
}

static void sends_each_cluster_event_once(void **state)
{
    struct wire *w = *state;
    struct pb_common_RunIdentifier id = run_id("r1");
    struct pb_common_ActionIdentifier action = {.run = &id, .name = MF_STR("a0")};
    const struct pb_workflow_WatchClusterEventsRequest request = {.id = &action, .attempt = 1};
    struct pb_google_protobuf_Timestamp now = {.seconds = 1000};
    struct pb_workflow_ClusterEvent pulled = {.message = MF_STR("image pulled"), .occurred_at = &now};
    struct pb_workflow_ClusterEvent *list[] = {&pulled};
    struct pb_workflow_ActionEvent event = {
        .id = &action, .attempt = 1, .phase = MF_PHASE_RUNNING, .version = 1, .updated_time = &now};
    event.cluster_events.items = list;
    event.cluster_events.count = 1;
    struct mf_run_row run = start(w, "r1");
    struct wire_stream s = watch(w, pb_workflow_RunService_WatchClusterEvents, &request);
    const struct pb_workflow_WatchClusterEventsResponse *none = wire_message(&s, 0);
    assert_int_equal(none->cluster_events.count, 0);
    assert_int_equal(entity_write(&w->entity, record, &event), MF_OK);
    const struct pb_workflow_WatchClusterEventsResponse *one = wire_message(&s, 1);
    assert_int_equal(one->cluster_events.count, 1);
    assert_str(one->cluster_events.items[0]->message, "image pulled");
    event.version = 2;
    pulled.message = MF_STR("started");
    assert_int_equal(entity_write(&w->entity, record, &event), MF_OK);
    const struct pb_workflow_WatchClusterEventsResponse *two = wire_message(&s, 2);
    assert_int_equal(two->cluster_events.count, 1);
    assert_str(two->cluster_events.items[0]->message, "started");
    story_move(&w->entity, &run, "a0", 1, MF_PHASE_SUCCEEDED);
    wire_ended(&s, 3, "{}");
    fake_close(s.exchange);
}

/* ---- groups ---- */

static struct pb_workflow_WatchGroupsRequest groups_request(struct pb_common_ProjectIdentifier *project,
                                                            struct pb_google_protobuf_Timestamp *from)
{
    *project = (struct pb_common_ProjectIdentifier){
        .organization = MF_STR("o"), .name = MF_STR("p"), .domain = MF_STR("d")};
    *from = (struct pb_google_protobuf_Timestamp){.seconds = 1};
    struct pb_workflow_WatchGroupsRequest request = {
        .scope_by_case = pb_workflow_WatchGroupsRequest_tag_project_id, .start_date = from};
    request.scope_by.project_id = project;
    return request;
}

static int64_t in_phase(const struct pb_workflow_TaskGroup *group, int32_t phase)
{
    for (uint32_t i = 0; i < group->phase_counts.count; i++) {
        if (group->phase_counts.items[i]->phase == phase)
            return group->phase_counts.items[i]->count;
    }
    return 0;
}

static void adds_up_the_runs_of_a_task(void **state)
{
    struct wire *w = *state;
    struct pb_common_ProjectIdentifier project;
    struct pb_google_protobuf_Timestamp from;
    const struct pb_workflow_WatchGroupsRequest request = groups_request(&project, &from);
    struct pb_core_ExecutionError error = {.code = MF_STR("X"), .kind = pb_core_ExecutionError_USER};
    struct mf_run_row first = start(w, "r1");
    struct mf_run_row second = start(w, "r2");
    struct mf_action_change failure = {.run_id = first.id,
                                       .name = MF_STR("a0"),
                                       .attempt = 1,
                                       .phase = MF_PHASE_FAILED,
                                       .cache_status = -1,
                                       .error = &error};
    assert_true(story_report(&w->entity, &failure));
    struct wire_stream s = watch(w, pb_workflow_RunService_WatchGroups, &request);
    const struct pb_workflow_WatchGroupsResponse *all = wire_message(&s, 0);
    assert_true(all->sentinel);
    assert_int_equal(all->task_groups.count, 1);
    const struct pb_workflow_TaskGroup *group = all->task_groups.items[0];
    assert_str(group->task_name, "env.work");
    assert_int_equal(group->total_runs, 2);
    assert_int_equal(in_phase(group, MF_PHASE_FAILED), 1);
    assert_int_equal(in_phase(group, MF_PHASE_QUEUED), 1);
    assert_int_equal(group->error_counts->user_error, 1);
    assert_int_equal(group->recent_statuses.count, 2);
    assert_str(group->recent_statuses.items[0]->run_name, "r2");
    assert_int_equal(group->recent_statuses.items[0]->phase, MF_PHASE_QUEUED);
    assert_non_null(group->latest_finished_time);
    assert_true(group->average_failure_rate > 0.49 && group->average_failure_rate < 0.51);
    story_move(&w->entity, &second, "a0", 1, MF_PHASE_SUCCEEDED);
    const struct pb_workflow_WatchGroupsResponse *changed = wire_message(&s, 1);
    assert_false(changed->sentinel);
    assert_int_equal(changed->task_groups.count, 1);
    assert_int_equal(in_phase(changed->task_groups.items[0], MF_PHASE_SUCCEEDED), 1);
    fake_close(s.exchange);
}

static void takes_a_range_that_has_an_end_once(void **state)
{
    struct wire *w = *state;
    struct pb_common_ProjectIdentifier project;
    struct pb_google_protobuf_Timestamp from;
    struct pb_google_protobuf_Timestamp to = {.seconds = 2};
    struct pb_workflow_WatchGroupsRequest request = groups_request(&project, &from);
    request.end_date = &to;
    start(w, "r1");
    struct wire_stream s = watch(w, pb_workflow_RunService_WatchGroups, &request);
    const struct pb_workflow_WatchGroupsResponse *only = wire_message(&s, 0);
    assert_true(only->sentinel);
    assert_int_equal(only->task_groups.count, 0);
    wire_ended(&s, 1, "{}");
    fake_close(s.exchange);
}

static void a_group_without_matching_runs_goes_away(void **state)
{
    struct wire *w = *state;
    struct pb_common_ProjectIdentifier project;
    struct pb_google_protobuf_Timestamp from;
    struct mf_str queued = MF_STR("1");
    struct pb_common_Filter filter = {.function = pb_common_Filter_EQUAL, .field = MF_STR("phase")};
    struct pb_common_Filter *filter_list[] = {&filter};
    struct pb_common_ListRequest list = {0};
    struct pb_workflow_WatchGroupsRequest request = groups_request(&project, &from);
    filter.values.items = &queued;
    filter.values.count = 1;
    list.filters.items = filter_list;
    list.filters.count = 1;
    request.request = &list;
    struct mf_run_row run = start(w, "r1");
    struct wire_stream s = watch(w, pb_workflow_RunService_WatchGroups, &request);
    const struct pb_workflow_WatchGroupsResponse *all = wire_message(&s, 0);
    assert_int_equal(all->task_groups.count, 1);
    story_move(&w->entity, &run, "a0", 1, MF_PHASE_RUNNING);
    const struct pb_workflow_WatchGroupsResponse *gone = wire_message(&s, 1);
    assert_int_equal(gone->task_groups.count, 1);
    assert_true(gone->task_groups.items[0]->should_delete);
    assert_str(gone->task_groups.items[0]->task_name, "env.work");
    fake_close(s.exchange);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(follows_a_run_to_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ends_at_once_when_the_action_has, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wants_an_identifier, set_up, tear_down),
        cmocka_unit_test_setup_teardown(shows_new_and_changed_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(counts_what_is_below, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hides_what_no_longer_matches, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sends_each_cluster_event_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(adds_up_the_runs_of_a_task, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_a_range_that_has_an_end_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_group_without_matching_runs_goes_away, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
