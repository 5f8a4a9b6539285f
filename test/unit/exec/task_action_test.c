#include "testing.h"

#include "action/machine.h"
#include "base/encode.h"
#include "exec/kube/task_action.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/task/run.pb.h"

struct world {
    struct mf_arena *arena;
    struct mf_mirror_config config;
    struct mf_run_row run;
    struct mf_action_row action;
    struct pb_task_RunSpec run_spec;
    struct pb_core_TaskTemplate template;
    struct pb_core_Container container;
    struct mf_str args[2];
};

static struct world world_new(struct mf_arena *arena)
{
    return (struct world){
        .arena = arena,
        .config = {.namespace_ = MF_STR("{project}-{domain}"),
                   .instance = MF_STR("mayfly"),
                   .sharded = true,
                   .endpoint = MF_STR("mayfly:8090")},
        .run = {.id = 12,
                .created_at = 34,
                .name = MF_STR("rabc"),
                .project = MF_STR("My_Project"),
                .domain = MF_STR("development"),
                .start_time_ns = INT64_C(1767323045) * 1000000000,
                .output_base = MF_STR("s3://bucket/out/rabc/")},
        .action = {.name = MF_STR("child"),
                   .parent = MF_STR("a0"),
                   .attempts = 1,
                   .input_uri = MF_STR("s3://bucket/in/inputs.pb"),
                   .short_name = MF_STR("a name"),
                   .cache_key = MF_STR(""),
                   .group = MF_STR("")},
        .template = {.type = MF_STR("python-task"), .target_case = pb_core_TaskTemplate_tag_container},
        .args = {MF_STR("--time={{.runStartTime}}!"), MF_STR("{{.input}}")},
    };
}

static const mf_node *build(struct world *w, struct mf_str parent_uid)
{
    const mf_node *out = NULL;
    struct mf_error err;
    struct mf_str json;
    w->container.args.items = w->args;
    w->container.args.count = 2;
    w->template.target.container = &w->container;
    const struct mf_task_action_input in = {.config = &w->config,
                                            .run = &w->run,
                                            .action = &w->action,
                                            .template = &w->template,
                                            .run_spec = &w->run_spec,
                                            .parent_uid = parent_uid};
    assert_int_equal(mf_task_action_build(w->arena, &in, &json, &err), MF_OK);
    assert_int_equal(mf_node_read(w->arena, json, &out, &err), MF_OK);
    return out;
}

static void assert_text(const mf_node *node, const char *path, const char *expected)
{
    struct mf_str text = mf_node_text(node, path);
    if (!mf_str_eq_c(text, expected))
        fail_msg("%s is \"%.*s\" and should be \"%s\"", path, MF_FMT(text), expected);
}

static int set_up(void **state)
{
    *state = mf_arena_new(0);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    mf_arena_free(*state);
    return 0;
}

static void an_action_becomes_a_resource(void **state)
{
    struct world w = world_new(*state);
    const mf_node *made = build(&w, MF_STR("u-1"));
    assert_text(made, "metadata/name", "rabc-child");
    assert_text(made, "metadata/namespace", "my-project-development");
    assert_text(mf_node_get(mf_node_at(made, "metadata/annotations"), MF_ANNOTATION_RUN), "", "12-34");
    assert_text(mf_node_get(mf_node_at(made, "metadata/labels"), "flyte.org/is-root"), "", "false");
    assert_text(mf_node_get(mf_node_at(made, "metadata/labels"), "flyte.org/project"), "", "My_Project");
    const mf_node *owner = mf_node_item(mf_node_at(made, "metadata/ownerReferences"), 0);
    assert_text(owner, "name", "rabc-a0");
    assert_text(owner, "uid", "u-1");
    assert_text(made, "spec/runOutputBase", "s3://bucket/out/rabc/");
    assert_text(made, "spec/parentActionName", "a0");
    assert_text(made, "spec/envVars/_U_EP_OVERRIDE", "mayfly:8090");
    assert_null(mf_node_at(made, "spec/cacheKey"));
    assert_null(mf_node_at(made, "spec/interruptible"));
    assert_null(mf_node_at(made, "spec/envVars/FLYTE_AWS_ENDPOINT"));
    struct mf_str bytes;
    void *template = NULL;
    assert_true(mf_base64_decode(w.arena, mf_node_text(made, "spec/taskTemplate"), &bytes));
    assert_int_equal(pb_decode(w.arena, &pb_core_TaskTemplate_type, bytes, &template, NULL), MF_OK);
    const struct pb_core_Container *container = ((struct pb_core_TaskTemplate *)template)->target.container;
    assert_true(mf_str_eq_c(container->args.items[0], "--time=2026-01-02T03:04:05Z!"));
    assert_true(mf_str_eq_c(container->args.items[1], "{{.input}}"));
}

static void words_of_users_become_labels(void **state)
{
    struct world w = world_new(*state);
    struct pb_task_Labels_ValuesEntry entries[] = {
        {.key = MF_STR("team"), .value = MF_STR("-a team/\xc3\xa9-")},
        {.key = MF_STR("flyte.org/run"), .value = MF_STR("mine")},
        {.key = MF_STR("no way"), .value = MF_STR("x")},
        {.key = MF_STR("long"),
         .value = MF_STR("0123456789012345678901234567890123456789012345678901234567890-.34567")},
    };
    struct pb_task_Labels_ValuesEntry *items[] = {&entries[0], &entries[1], &entries[2], &entries[3]};
    struct pb_task_Labels labels = {.values = {.items = items, .count = 4}};
    w.run_spec.labels = &labels;
    const mf_node *made = mf_node_at(build(&w, MF_STR_EMPTY), "metadata/labels");
    assert_text(made, "team", "a-team");
    assert_text(mf_node_get(made, "flyte.org/run"), "", "rabc");
    assert_null(mf_node_get(made, "no way"));
    assert_text(made, "long", "0123456789012345678901234567890123456789012345678901234567890");
}

static void outputs_are_where_flyte_puts_them(void **state)
{
    struct world w = world_new(*state);
    w.config.namespace_ = MF_STR("flyte");
    struct mf_str uri = mf_task_action_outputs(w.arena, &w.config, &w.run, MF_STR("a0"), 1, 2);
    assert_true(mf_str_eq_c(uri, "s3://bucket/ac/out/rabc/a0/2")); /* FNV-1a of flyte/rabc-a0 */
    w.config.sharded = false;
    uri = mf_task_action_outputs(w.arena, &w.config, &w.run, MF_STR("a0"), 1, 2);
    assert_true(mf_str_eq_c(uri, "s3://bucket/out/rabc/a0/2"));
    /* One that begins again with attempt 3 finds nothing of those before. */
    w.action.attempts = 3;
    assert_text(build(&w, MF_STR_EMPTY), "spec/runOutputBase", "s3://bucket/out/rabc/from-attempt-3");
    uri = mf_task_action_outputs(w.arena, &w.config, &w.run, MF_STR("a0"), 3, 4);
    assert_true(mf_str_ends(uri, MF_STR("/from-attempt-3/a0/2")));
}

#define RESOURCE(status)                                                                                     \
    MF_STR("{\"metadata\":{\"name\":\"n\",\"uid\":\"u\",\"annotations\":{\"mayfly/run\":\"12-34\","          \
           "\"mayfly/first-attempt\":\"3\"}},\"spec\":{\"actionName\":\"a0\"},\"status\":" status "}")
#define CONDITION(type, reason) "{\"type\":\"" type "\",\"status\":\"True\",\"reason\":\"" reason "\"}"

static struct mf_task_action read(struct mf_arena *arena, struct mf_str json)
{
    const mf_node *node = NULL;
    struct mf_error err;
    struct mf_task_action out;
    assert_int_equal(mf_node_read(arena, json, &node, &err), MF_OK);
    mf_task_action_read(node, &out);
    return out;
}

static void a_status_is_a_phase(void **state)
{
    static const struct {
        struct mf_str json;
        int32_t phase;
    } cases[] = {
        {RESOURCE("{}"), MF_PHASE_UNSPECIFIED},
        {RESOURCE("{\"conditions\":[" CONDITION("Progressing", "Queued") "]}"), MF_PHASE_QUEUED},
        {RESOURCE(
             "{\"pluginPhase\":\"WaitingForCache\",\"conditions\":[" CONDITION("Progressing", "Queued") "]}"),
         MF_PHASE_WAITING_FOR_RESOURCES},
        {RESOURCE("{\"conditions\":[" CONDITION("Progressing", "Initializing") "]}"), MF_PHASE_INITIALIZING},
        {RESOURCE("{\"conditions\":[" CONDITION("Progressing", "Executing") "]}"), MF_PHASE_RUNNING},
        {RESOURCE("{\"conditions\":[" CONDITION("Progressing", "RetryableFailure") "]}"),
         MF_PHASE_UNSPECIFIED},
        {RESOURCE("{\"conditions\":[{\"type\":\"Progressing\",\"status\":\"False\"}," CONDITION(
             "Succeeded", "Completed") "]}"),
         MF_PHASE_SUCCEEDED},
        {RESOURCE("{\"conditions\":[" CONDITION("Failed", "PermanentFailure") "]}"), MF_PHASE_FAILED},
        {RESOURCE("{\"conditions\":[" CONDITION("Failed", "TimedOut") "]}"), MF_PHASE_TIMED_OUT},
        {RESOURCE("{\"conditions\":[" CONDITION("Failed", "Aborted") "]}"), MF_PHASE_ABORTED},
        {RESOURCE("{\"conditions\":\"nonsense\",\"attempts\":\"x\"}"), MF_PHASE_UNSPECIFIED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(read(*state, cases[i].json).phase, cases[i].phase);
}

static void a_failure_has_its_error(void **state)
{
    struct mf_task_action read_one =
        read(*state, RESOURCE("{\"attempts\":2,\"cacheStatus\":3,\"conditions\":[" CONDITION(
                         "Failed", "PermanentFailure") "],\"errorState\":{\"code\":\"OOMKilled\",\"kind\":"
                                                       "\"SYSTEM\",\"message\":\"m\"},\"phaseHistory\":[{"
                                                       "\"occurredAt\":\"1970-01-01T00:00:01Z\"},{"
                                                       "\"occurredAt\":\"1970-01-01T00:00:02Z\"}]}"));
    assert_int_equal(read_one.run_id, 12);
    assert_int_equal(read_one.run_created_at, 34);
    assert_int_equal(read_one.attempt, 4); /* the second of one that began with the third */
    assert_int_equal(read_one.cache_status, 3);
    assert_int_equal(read_one.at_ns, INT64_C(2000000000));
    assert_true(mf_str_eq_c(read_one.error_code, "OOMKilled"));
    assert_true(mf_str_eq_c(read_one.message, "m"));
    assert_true(read_one.error_is_system);
    /* The reference stores none when it refuses a specification. */
    read_one = read(*state, RESOURCE("{\"conditions\":[" CONDITION("Failed", "InvalidSpec") "]}"));
    assert_true(mf_str_eq_c(read_one.error_code, "InvalidSpec"));
    assert_false(read_one.error_is_system);
}

static void foreign_resources_are_known_as_such(void **state)
{
    static const char *const texts[] = {"{}", "[]",
                                        "{\"metadata\":{\"annotations\":{\"mayfly/run\":\"x-1\"}}}",
                                        "{\"metadata\":{\"annotations\":{\"mayfly/run\":\"12\"}}}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(read(*state, mf_str_from_c(texts[i])).run_id, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_action_becomes_a_resource, set_up, tear_down),
        cmocka_unit_test_setup_teardown(words_of_users_become_labels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(outputs_are_where_flyte_puts_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_status_is_a_phase, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failure_has_its_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(foreign_resources_are_known_as_such, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
