/* What a run is given: requests, triggers and settings put together, and what is refused. No store. */
#include "testing.h"

#include "gen/flyteidl2/settings/settings_definition.pb.h"
#include "run/check.h"
#include "run/given.h"
#include "run/inputs.h"
#include "run/spec.h"

#include <stdio.h>
#include <string.h>

#define NOON INT64_C(1782921600000000000) /* 2026-07-01T16:00:00Z */

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

static void *read_json(struct mf_arena *arena, const struct pb_type *type, const char *text)
{
    struct mf_error err = {0};
    const struct pb_json_options options = {0};
    void *out = NULL;
    if (pb_from_json(arena, type, mf_str_from_c(text), &options, &out, &err) != MF_OK)
        fail_msg("%s: %s", text, err.message);
    return out;
}

static struct mf_str write_json(struct mf_arena *arena, const struct pb_type *type, const void *msg)
{
    struct mf_error err = {0};
    const struct pb_json_options options = {0};
    struct mf_str out = MF_STR_EMPTY;
    assert_int_equal(pb_to_json(arena, type, msg, &options, &out, &err), MF_OK);
    return out;
}

/* ---- requests and triggers ---- */

#define X(value) "{\"name\":\"x\",\"value\":{\"scalar\":{\"primitive\":{\"integer\":\"" value "\"}}}}"
#define Y(value) "{\"name\":\"y\",\"value\":{\"scalar\":{\"primitive\":{\"integer\":\"" value "\"}}}}"
#define T(value) "{\"name\":\"t\",\"value\":{\"scalar\":{\"primitive\":{\"datetime\":\"" value "\"}}}}"
#define LITERALS(list) "\"literals\":[" list "]"
#define CONTEXT(key, value) "\"context\":[{\"key\":\"" key "\",\"value\":\"" value "\"}]"
#define OFFLOADED(uri) "\"offloadedInputData\":{\"uri\":\"" uri "\",\"inputsHash\":\"h\"}"
#define AT "2026-07-01T16:00:00Z"

struct merge_case {
    const char *request, *trigger, *kickoff, *read;
    const char *inputs;    /* expected; NULL: none */
    const char *offloaded; /* expected URI; NULL: none */
};

static void puts_inputs_together(void **state)
{
    static const struct merge_case cases[] = {
        /* those of the trigger, inline, with their context */
        {"{}", "{\"inputs\":{" LITERALS(X("7")) "," CONTEXT("a", "b") "}}", NULL, NULL,
         "{" LITERALS(X("7")) "," CONTEXT("a", "b") "}", NULL},
        /* the request goes over them, name by name */
        {"{\"inputs\":{" LITERALS(X("8") "," Y("9")) "," CONTEXT("a", "c") "}}",
         "{\"inputs\":{" LITERALS(X("7")) "," CONTEXT("a", "b") "}}", NULL, NULL,
         "{" LITERALS(X("8") "," Y("9")) "," CONTEXT("a", "c") "}", NULL},
        /* the time, unless there is one */
        {"{}", "{\"inputs\":{" LITERALS(X("7")) "}}", "t", NULL, "{" LITERALS(X("7") "," T(AT)) "}", NULL},
        {"{\"inputs\":{" LITERALS(T("2001-01-01T00:00:00Z")) "}}", "{\"inputs\":{" LITERALS(X("7")) "}}", "t",
         NULL, "{" LITERALS(X("7") "," T("2001-01-01T00:00:00Z")) "}", NULL},
        {"{}", "{}", "t", NULL, "{" LITERALS(T(AT)) "}", NULL},
        /* no input that the task does not have */
        {"{}", "{}", "stranger", NULL, "{}", NULL},
        /* stored inputs stay where they are, and get no time: their context says where it goes */
        {"{}", "{" OFFLOADED("s3://b/in") "}", "t", NULL, NULL, "s3://b/in"},
        {"{\"inputs\":{}}", "{" OFFLOADED("s3://b/in") "}", "t", NULL, NULL, "s3://b/in"},
        {"{" OFFLOADED("s3://b/mine") "}", "{" OFFLOADED("s3://b/in") "}", "t", NULL, NULL, "s3://b/mine"},
        {"{" OFFLOADED("s3://b/mine") "}", "{\"inputs\":{" LITERALS(X("7")) "}}", "t", NULL, NULL,
         "s3://b/mine"},
        /* unless the request has something to put over them */
        {"{\"inputs\":{" LITERALS(T(AT)) "}}", "{" OFFLOADED("s3://b/in") "}", "t",
         "{" LITERALS(X("5")) "," CONTEXT("k", "t") "}",
         "{" LITERALS(X("5") "," T(AT)) "," CONTEXT("k", "t") "}", NULL},
        /* no trigger: the request's alone */
        {"{\"inputs\":{" LITERALS(X("8")) "}}", NULL, NULL, NULL, "{" LITERALS(X("8")) "}", NULL},
        {"{" OFFLOADED("s3://b/mine") "}", NULL, NULL, NULL, NULL, "s3://b/mine"},
        {"{}", NULL, NULL, NULL, NULL, NULL},
    };
    const struct pb_task_TaskSpec *task = read_json(
        *state, &pb_task_TaskSpec_type,
        "{\"taskTemplate\":{\"interface\":{\"inputs\":{\"variables\":"
        "[{\"key\":\"x\",\"value\":{}},{\"key\":\"y\",\"value\":{}},{\"key\":\"t\",\"value\":{}}]}}}}");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct merge_case *c = &cases[i];
        struct pb_task_Schedule schedule = {.kickoff_time_input_arg =
                                                mf_str_from_c(c->kickoff ? c->kickoff : "")};
        struct pb_task_TriggerAutomationSpec automation = {.automation_case =
                                                               pb_task_TriggerAutomationSpec_tag_schedule};
        automation.automation.schedule = &schedule;
        struct mf_run_trigger trigger = {.automation = &automation};
        struct mf_run_given given;
        const struct pb_workflow_CreateRunRequest *request =
            read_json(*state, &pb_workflow_CreateRunRequest_type, c->request);
        if (c->trigger)
            trigger.spec = read_json(*state, &pb_trigger_TriggerSpec_type, c->trigger);
        const struct mf_run_trigger *fired = c->trigger ? &trigger : NULL;
        assert_str(mf_run_given_reads(request, fired), c->read ? "s3://b/in" : "");
        const struct pb_task_Inputs *read = c->read ? read_json(*state, &pb_task_Inputs_type, c->read) : NULL;
        assert_true(mf_run_given(*state, request, fired, read, task, NOON, &given));
        if (c->offloaded)
            assert_str(given.offloaded->uri, c->offloaded);
        else
            assert_null(given.offloaded);
        if (c->inputs)
            assert_str(write_json(*state, &pb_task_Inputs_type, given.inputs), c->inputs);
        else
            assert_null(given.inputs);
    }
}

static void takes_one_specification_whole(void **state)
{
    const struct pb_task_TaskSpec task = {0};
    struct pb_task_RunSpec own = {.queue = MF_STR("own")};
    struct pb_task_RunSpec triggers = {.queue = MF_STR("triggers")};
    const struct pb_trigger_TriggerSpec spec = {.run_spec = &triggers};
    const struct mf_run_trigger trigger = {.spec = &spec};
    struct pb_workflow_CreateRunRequest request = {0};
    struct mf_run_given given;
    assert_true(mf_run_given(*state, &request, &trigger, NULL, &task, NOON, &given));
    assert_ptr_equal(given.run_spec, &triggers);
    request.run_spec = &own;
    assert_true(mf_run_given(*state, &request, &trigger, NULL, &task, NOON, &given));
    assert_ptr_equal(given.run_spec, &own);
    assert_int_equal(mf_run_kickoff_arg(NULL).len, 0);
}

static struct mf_str hash_at(void **state, const char *kickoff, int64_t seconds, int32_t nanos,
                             const struct pb_core_TaskMetadata *metadata)
{
    const struct pb_google_protobuf_Timestamp start = {.seconds = seconds, .nanos = nanos};
    struct mf_str out = MF_STR_EMPTY;
    struct mf_error err;
    assert_int_equal(mf_run_inputs_hash_at(*state, MF_STR("H"), mf_str_from_c(kickoff),
                                           seconds > 0 ? &start : NULL, metadata, &out, &err),
                     MF_OK);
    return out;
}

static void folds_the_start_into_the_hash(void **state)
{
    struct mf_str ignored[] = {MF_STR("t")};
    const struct pb_core_TaskMetadata all = {0};
    const struct pb_core_TaskMetadata less = {
        .cache_ignore_input_vars = {.items = ignored, .count = 1, .cap = 1}};
    assert_str(hash_at(state, "", 1782921600, 0, &all), "H");
    assert_str(hash_at(state, "t", 0, 0, &all), "H");
    assert_str(hash_at(state, "t", 1782921600, 0, &less), "H");
    assert_str(hash_at(state, "t", 1782921600, 0, &all), "H|runStartTime=" AT);
    assert_str(hash_at(state, "t", 1782921600, 500000000, &all), "H|runStartTime=2026-07-01T16:00:00.5Z");
    assert_str(hash_at(state, "t", 1782921600, 1200, &all), "H|runStartTime=2026-07-01T16:00:00.0000012Z");
}

/* ---- settings and relations ---- */

static struct mf_str completed(void **state, const char *given, const struct mf_settings *settings)
{
    const struct pb_task_TaskSpec *task =
        read_json(*state, &pb_task_TaskSpec_type,
                  "{\"taskTemplate\":{\"container\":{\"env\":[{\"key\":\"OF_TASK\"}]}}}");
    const struct mf_run_spec_rules rules = {
        .now_ns = NOON, .storage = MF_STR("s3://b"), .task_source = 1, .settings = settings};
    const struct pb_task_RunSpec *spec =
        mf_run_spec_complete(*state, read_json(*state, &pb_task_RunSpec_type, given), NULL, task, &rules);
    assert_non_null(spec);
    return write_json(*state, &pb_task_RunSpec_type, spec);
}

#define SERVERS "\"clusterPool\":\"default\",\"taskSpecSource\":\"TASK_SPEC_SOURCE_DEPLOYED\""

static void settings_fill_what_is_open(void **state)
{
    const struct pb_settings_StringMap *map =
        read_json(*state, &pb_settings_StringMap_type,
                  "{\"entries\":{\"OF_TASK\":\"s\",\"OF_RUN\":\"s\",\"NEW\":\"s\"}}");
    const struct mf_settings none = {0};
    const struct mf_settings settings = {
        .default_queue = MF_STR("q"),
        .run_base_dir = MF_STR("s3://b/base"),
        .service_account = MF_STR("robot"),
        .raw_data_path = MF_STR("s3://b/raw"),
        .pod_template_name = MF_STR("pod"),
        .max_action_concurrency = 4,
        .environment_variables = map,
    };
    assert_str(completed(state, "{}", &none),
               "{\"rawDataStorage\":{\"rawDataPrefix\":\"s3://b\"}," SERVERS "}");
    struct mf_str filled = completed(state, "{}", &settings);
    assert_true(mf_str_find(filled, MF_STR("\"queue\":\"q\"")) != SIZE_MAX);
    assert_true(mf_str_find(filled, MF_STR("\"k8sServiceAccount\":\"robot\"")) != SIZE_MAX);
    assert_true(mf_str_find(filled, MF_STR("\"rawDataPrefix\":\"s3://b/raw\"")) != SIZE_MAX);
    assert_true(mf_str_find(filled, MF_STR("\"runBaseDir\":\"s3://b/base\"")) != SIZE_MAX);
    assert_true(mf_str_find(filled, MF_STR("\"maxActionConcurrency\":4")) != SIZE_MAX);
    assert_true(mf_str_find(filled, MF_STR("\"podTemplateName\":\"pod\"")) != SIZE_MAX);
    assert_true(mf_str_find(filled, MF_STR("OF_TASK")) == SIZE_MAX); /* the task says more exactly */
    filled = completed(state,
                       "{\"queue\":\"mine\",\"maxActionConcurrency\":9,\"runBaseDir\":\"s3://b/mine\","
                       "\"envs\":{\"values\":[{\"key\":\"OF_RUN\",\"value\":\"r\"}]},"
                       "\"securityContext\":{\"runAs\":{\"iamRole\":\"x\"}}}",
                       &settings);
    assert_true(mf_str_find(filled, MF_STR("\"queue\":\"mine\"")) != SIZE_MAX);
    assert_true(mf_str_find(filled, MF_STR("{\"key\":\"OF_RUN\",\"value\":\"r\"},{\"key\":\"NEW\"")) !=
                SIZE_MAX);
    assert_true(mf_str_find(filled, MF_STR("robot")) == SIZE_MAX);
    assert_true(mf_str_find(filled, MF_STR("\"maxActionConcurrency\":9")) != SIZE_MAX);
}

static void relations_have_both_forms(void **state)
{
    const struct mf_settings none = {0};
    struct mf_str old = completed(state, "{\"relatedTo\":{\"name\":\"r\"}}", &none);
    assert_true(mf_str_find(old, MF_STR("\"relation\":{\"relatedTo\":{\"name\":\"r\"},\"relationType\":"
                                        "\"RELATION_TYPE_RERUN\"}")) != SIZE_MAX);
    struct mf_str recovers = completed(state, "{\"relatedTo\":{\"name\":\"r\"},\"recover\":{}}", &none);
    assert_true(mf_str_find(recovers, MF_STR("RELATION_TYPE_RECOVER")) != SIZE_MAX);
    struct mf_str spawned = completed(
        state, "{\"relation\":{\"relatedTo\":{\"name\":\"r\"},\"relationType\":\"RELATION_TYPE_SPAWN\"}}",
        &none);
    assert_true(mf_str_find(spawned, MF_STR("],\"relatedTo\"")) == SIZE_MAX);
    assert_true(mf_str_find(spawned, MF_STR("\"relatedTo\":{\"name\":\"r\"},\"clusterPool\"")) != SIZE_MAX);
}

/* ---- refusals ---- */

static void checks_the_bounds_of_labels(void **state)
{
    static const struct {
        size_t name, value;
        enum mf_code code;
    } cases[] = {{1, 0, MF_OK},
                 {MF_RUN_LABEL_NAME_MAX, MF_RUN_LABEL_VALUE_MAX, MF_OK},
                 {0, 1, MF_INVALID_ARGUMENT},
                 {MF_RUN_LABEL_NAME_MAX + 1, 1, MF_INVALID_ARGUMENT},
                 {1, MF_RUN_LABEL_VALUE_MAX + 1, MF_INVALID_ARGUMENT}};
    char text[512];
    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pb_task_Labels_ValuesEntry entry = {.key = mf_str_make(text, cases[i].name),
                                                   .value = mf_str_make(text, cases[i].value)};
        struct pb_task_Labels_ValuesEntry *items[] = {&entry};
        struct pb_task_Labels labels = {.values = {.items = items, .count = 1, .cap = 1}};
        const struct pb_task_RunSpec spec = {.labels = &labels};
        struct mf_error err;
        assert_int_equal(mf_run_spec_check(&spec, &err), cases[i].code);
    }
}

static void checks_a_specification(void **state)
{
    static const struct {
        const char *spec, *word; /* NULL: fine */
    } cases[] = {
        {"{}", NULL},
        {"{\"queue\":\"a-b_c.d/e9\"}", NULL},
        {"{\"queue\":\"a b\"}", "run_spec.queue"},
        {"{\"runBaseDir\":\"/data\",\"rawDataStorage\":{\"rawDataPrefix\":\"gs://b\"}}", NULL},
        {"{\"runBaseDir\":\"data\"}", "run_spec.run_base_dir"},
        {"{\"rawDataStorage\":{\"rawDataPrefix\":\"s3:/b\"}}", "run_spec.raw_data_storage.raw_data_prefix"},
        {"{\"runBaseDir\":\"s3://b/\\n\"}", "run_spec.run_base_dir"},
        {"{\"envs\":{\"values\":[{\"key\":\"A\",\"value\":\"\"}]}}", NULL},
        {"{\"envs\":{\"values\":[{\"key\":\"A\\u0000\"}]}}", "run_spec.envs"},
        {"{\"envs\":{\"values\":[{\"key\":\"A\",\"value\":\"\\u0000\"}]}}", "run_spec.envs"},
        {"{\"annotations\":{\"values\":{\"a\\tb\":\"\"}}}", "run_spec.annotations"},
        {"{\"recover\":{}}", "run_spec.recover"},
        {"{\"recover\":{},\"relatedTo\":{\"name\":\"r\"}}", NULL},
        {"{\"recover\":{},\"relation\":{\"relatedTo\":{\"name\":\"r\"},\"relationType\":1}}",
         "run_spec.recover"},
        {"{\"relation\":{\"relatedTo\":{\"name\":\"r\"},\"relationType\":9}}", "relation_type"},
        {"{\"relation\":{\"relatedTo\":{\"name\":\"r\"},\"relationType\":1},\"relatedTo\":{\"name\":\"s\"}}",
         "run_spec.related_to"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mf_error err = {0};
        enum mf_code code = mf_run_spec_check(read_json(*state, &pb_task_RunSpec_type, cases[i].spec), &err);
        assert_int_equal(code, cases[i].word ? MF_INVALID_ARGUMENT : MF_OK);
        if (cases[i].word)
            assert_non_null(strstr(err.message, cases[i].word));
    }
}

static void checks_a_task(void **state)
{
    static const struct {
        const char *retries, *word;
    } cases[] = {
        {"{\"retries\":1000,\"backoff\":{\"base\":\"1s\",\"factor\":2,\"cap\":\"9s\"}}", NULL},
        {"{\"retries\":1001}", "retries.retries"},
        {"{\"backoff\":{\"base\":\"-1s\"}}", "retries.backoff.base"},
        {"{\"backoff\":{\"base\":\"1s\",\"cap\":\"-0.5s\"}}", "retries.backoff.cap"},
        {"{\"backoff\":{\"factor\":0.5}}", "retries.backoff.factor"},
        {"{\"backoff\":{\"factor\":\"NaN\"}}", "retries.backoff.factor"},
        {"{\"backoff\":{\"factor\":\"Infinity\",\"cap\":\"1s\"}}", "retries.backoff.factor"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pb_core_TaskMetadata metadata = {
            .retries = read_json(*state, &pb_core_RetryStrategy_type, cases[i].retries)};
        struct pb_core_TaskTemplate template = {.metadata = &metadata};
        const struct pb_task_TaskSpec spec = {.task_template = &template};
        struct mf_error err = {0};
        enum mf_code code = mf_run_task_check(&spec, "task_spec", &err);
        assert_int_equal(code, cases[i].word ? MF_INVALID_ARGUMENT : MF_OK);
        if (cases[i].word)
            assert_non_null(strstr(err.message, cases[i].word));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(puts_inputs_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_one_specification_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folds_the_start_into_the_hash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(settings_fill_what_is_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(relations_have_both_forms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(checks_the_bounds_of_labels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(checks_a_specification, set_up, tear_down),
        cmocka_unit_test_setup_teardown(checks_a_task, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
