#include "data_world.h"

#define BUNDLE "s3://mayfly/uploads/p/d/x/bundle.tgz"

static void link_to(struct wire *w, int32_t type, uint32_t attempt, const char *content, const char *code)
{
    struct mf_str body;
    const struct pb_dataproxy_CreateDownloadLinkRequest request = {
        .artifact_type = type,
        .source_case = pb_dataproxy_CreateDownloadLinkRequest_tag_action_attempt_id,
        .source = {.action_attempt_id = &data_id(w, "r1", "a0", attempt)->attempt},
    };
    struct pb_dataproxy_CreateDownloadLinkResponse *response =
        wire_call(w, PROXY, pb_dataproxy_DataProxyService_CreateDownloadLink, &request, code);
    if (code)
        return;
    assert_int_equal(response->pre_signed_urls->signed_url.count, 1);
    assert_int_equal(
        data_http(w, "GET", response->pre_signed_urls->signed_url.items[0], NULL, 0, MF_STR_EMPTY, &body),
        200);
    assert_str(body, content);
}

static void add_with_bundle(struct wire *w, const struct mf_run_row *run, const char *bundle)
{
    struct story_action a;
    struct mf_str args[] = {MF_STR("a0"), MF_STR("--tgz"), mf_str_from_c(bundle), MF_STR("--dest")};
    struct pb_core_Container container = {0};
    story_task(&a, "r1", "a0", "");
    container.args.items = args;
    container.args.count = bundle ? 4 : 1;
    a.template.target_case = pb_core_TaskTemplate_tag_container;
    a.template.target.container = &container;
    assert_int_equal(story_enqueue(&w->entity, run, &a.action), MF_OK);
}

static void code_bundles(void **state)
{
    struct wire *w = *state;
    const int32_t type = pb_dataproxy_ARTIFACT_TYPE_CODE_BUNDLE;
    link_to(w, type, 1, NULL, "not_found");
    const struct mf_run_row run = story_run(&w->entity, "r1");
    add_with_bundle(w, &run, BUNDLE);
    link_to(w, type, 1, NULL, "not_found"); /* named, but not there */
    data_write(w, BUNDLE, MF_STR("code"));
    link_to(w, type, 1, "code", NULL);
    link_to(w, type, 2, NULL, "not_found");
}

static void no_code_bundle(void **state)
{
    struct wire *w = *state;
    const struct mf_run_row run = story_run(&w->entity, "r1");
    add_with_bundle(w, &run, NULL);
    link_to(w, pb_dataproxy_ARTIFACT_TYPE_CODE_BUNDLE, 1, NULL, "not_found");
    link_to(w, 0, 1, NULL, "invalid_argument");
}

/* A bundle that lies elsewhere is not ours to sign for. */
static void a_bundle_elsewhere(void **state)
{
    struct wire *w = *state;
    const struct mf_run_row run = story_run(&w->entity, "r1");
    add_with_bundle(w, &run, "s3://other/bundle.tgz");
    link_to(w, pb_dataproxy_ARTIFACT_TYPE_CODE_BUNDLE, 1, NULL, "invalid_argument");
}

static void reports(void **state)
{
    struct wire *w = *state;
    const int32_t type = pb_dataproxy_ARTIFACT_TYPE_REPORT;
    const struct mf_run_row run = story_run(&w->entity, "r1");
    story_add(&w->entity, &run, "a0", "");
    link_to(w, type, 1, NULL, "not_found");
    struct mf_action_change change = {
        .run_id = run.id,
        .name = MF_STR("a0"),
        .attempt = 1,
        .phase = MF_PHASE_FAILED,
        .cache_status = -1,
        .report_uri = MF_STR("s3://mayfly/r1/1/report.html"),
        .retry = true,
    };
    assert_true(story_report(&w->entity, &change));
    change = (struct mf_action_change){
        .run_id = run.id,
        .name = MF_STR("a0"),
        .attempt = 2,
        .phase = MF_PHASE_SUCCEEDED,
        .cache_status = -1,
        .output_uri = MF_STR("s3://mayfly/r1/2"),
        .report_uri = MF_STR("s3://mayfly/r1/2/report.html"),
    };
    assert_true(story_report(&w->entity, &change));
    data_write(w, "s3://mayfly/r1/1/report.html", MF_STR("one"));
    data_write(w, "s3://mayfly/r1/2/report.html", MF_STR("two"));
    link_to(w, type, 1, "one", NULL);
    link_to(w, type, 2, "two", NULL);
    link_to(w, type, 0, "two", NULL);
    link_to(w, type, 3, NULL, "not_found");
}

/* ---- inputs and outputs ---- */

static struct pb_dataproxy_GetActionDataResponse *data_of(struct wire *w, const char *action,
                                                          const char *code)
{
    const struct pb_dataproxy_GetActionDataRequest request = {.action_id =
                                                                  &data_id(w, "r1", action, 0)->action};
    return wire_call(w, PROXY, pb_dataproxy_DataProxyService_GetActionData, &request, code);
}

static struct mf_str encoded(struct wire *w, const struct pb_type *type, const char *name, int64_t value)
{
    struct story_literal literal;
    struct pb_task_NamedLiteral named = {.name = mf_str_from_c(name),
                                         .value = story_integer(&literal, value)};
    struct pb_task_NamedLiteral *items[] = {&named};
    struct pb_task_Inputs inputs = {0};
    struct pb_task_Outputs outputs = {0};
    inputs.literals.items = outputs.literals.items = items;
    inputs.literals.count = outputs.literals.count = 1;
    return wire_encode(w, type,
                       type == &pb_task_Inputs_type ? (const void *)&inputs : (const void *)&outputs);
}

static void inputs_and_outputs(void **state)
{
    struct wire *w = *state;
    struct story_action a;
    data_of(w, "a0", "not_found");
    const struct mf_run_row run = story_run(&w->entity, "r1");
    story_task(&a, "r1", "a0", "");
    a.action.input_uri = MF_STR("s3://mayfly/r1/in"); /* a folder, as older clients send it */
    assert_int_equal(story_enqueue(&w->entity, &run, &a.action), MF_OK);
    struct pb_dataproxy_GetActionDataResponse *data = data_of(w, "a0", NULL);
    assert_non_null(data->inputs);
    assert_non_null(data->outputs);
    assert_int_equal(data->inputs_uri.len + data->outputs_uri.len, 0);
    data_write(w, "s3://mayfly/r1/in/inputs.pb", encoded(w, &pb_task_Inputs_type, "x", 7));
    data_write(w, "s3://mayfly/r1/1/outputs.pb", encoded(w, &pb_task_Outputs_type, "o0", 8));
    data = data_of(w, "a0", NULL);
    assert_str(data->inputs_uri, "s3://mayfly/r1/in/inputs.pb");
    assert_int_equal(data->inputs->literals.items[0]->value->value.scalar->value.primitive->value.integer, 7);
    assert_int_equal(data->outputs->literals.count, 0); /* it is not over */
    const struct mf_action_change change = {
        .run_id = run.id,
        .name = MF_STR("a0"),
        .attempt = 1,
        .phase = MF_PHASE_SUCCEEDED,
        .cache_status = -1,
        .output_uri = MF_STR("s3://mayfly/r1/1"),
    };
    assert_true(story_report(&w->entity, &change));
    data = data_of(w, "a0", NULL);
    assert_str(data->outputs_uri, "s3://mayfly/r1/1/outputs.pb");
    assert_str(data->outputs->literals.items[0]->name, "o0");
    data_write(w, "s3://mayfly/r1/1/outputs.pb", MF_STR("\xff\xff no message"));
    data_of(w, "a0", "data_loss");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, data_setup, data_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(code_bundles), TEST(no_code_bundle),     TEST(a_bundle_elsewhere),
        TEST(reports),      TEST(inputs_and_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
