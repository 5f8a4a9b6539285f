#include "data_world.h"

#include "data/service.h"

#define HELLO_MD5 MF_STR("\x5d\x41\x40\x2a\xbc\x4b\x2a\x76\xb9\x71\x9d\x91\x10\x17\xc5\x92")
#define HELLO_MD5_TEXT "XUFAKrxLKna5cZ2REBfFkg=="

static struct pb_dataproxy_CreateUploadLocationRequest location(void)
{
    return (struct pb_dataproxy_CreateUploadLocationRequest){.project = MF_STR("p"),
                                                             .domain = MF_STR("d"),
                                                             .filename = MF_STR("a b.tgz"),
                                                             .content_md5 = HELLO_MD5};
}

static struct pb_dataproxy_CreateUploadLocationResponse
ask(struct wire *w, const struct pb_dataproxy_CreateUploadLocationRequest *request, const char *code)
{
    const struct pb_dataproxy_CreateUploadLocationResponse *response =
        wire_call(w, PROXY, pb_dataproxy_DataProxyService_CreateUploadLocation, request, code);
    if (response)
        return *response;
    assert_non_null(code);
    return (struct pb_dataproxy_CreateUploadLocationResponse){0};
}

static void an_upload(void **state)
{
    struct wire *w = *state;
    struct pb_dataproxy_CreateUploadLocationRequest request = location();
    struct pb_google_protobuf_Duration minute = {.seconds = 60};
    struct mf_header headers[4];
    struct mf_str read;
    request.expires_in = &minute;
    request.add_content_md5_metadata = true;
    const struct pb_dataproxy_CreateUploadLocationResponse place = ask(w, &request, NULL);
    assert_str(place.native_url, "s3://mayfly/uploads/p/d/LVAUAKV4JMVHNOLRTWIRAF6FSI======/a b.tgz");
    assert_non_null(place.expires_at);
    assert_true(place.expires_at->seconds > 0);
    assert_int_equal(place.headers.count, 2);
    for (uint32_t i = 0; i < place.headers.count; i++) {
        assert_str(place.headers.items[i]->value, HELLO_MD5_TEXT);
        headers[i].value = place.headers.items[i]->value;
    }
    assert_str(place.headers.items[0]->key, "Content-MD5");
    assert_str(place.headers.items[1]->key, "x-amz-meta-flyteContentMD5");
    headers[0].name = MF_STR("content-md5");
    headers[1].name = MF_STR("x-amz-meta-flytecontentmd5");
    assert_int_equal(data_http(w, "PUT", place.signed_url, headers, 1, MF_STR("hello"), NULL), 403);
    assert_int_equal(data_http(w, "PUT", place.signed_url, headers, 2, MF_STR("other"), NULL), 400);
    assert_int_equal(data_http(w, "PUT", place.signed_url, headers, 2, MF_STR("hello"), NULL), 200);
    assert_int_equal(
        mf_object_read(parts.objects, w->entity.arena, place.native_url, 99, &read, &w->entity.err), MF_OK);
    assert_str(read, "hello");
}

static void what_is_refused(void **state)
{
    struct wire *w = *state;
    struct pb_google_protobuf_Duration expires = {.seconds = 3601};
    struct pb_dataproxy_CreateUploadLocationRequest request = location();
    request.content_md5 = MF_STR_EMPTY;
    ask(w, &request, "invalid_argument");
    request.content_md5 = MF_STR("short");
    ask(w, &request, "invalid_argument");
    request = location();
    request.expires_in = &expires;
    ask(w, &request, "invalid_argument");
    expires.seconds = 0;
    ask(w, &request, "invalid_argument");
    expires.seconds = 3600;
    ask(w, &request, NULL);
    request = location();
    request.project = MF_STR("none");
    ask(w, &request, "not_found");
    request.project = MF_STR_EMPTY;
    ask(w, &request, "invalid_argument");
    const char *names[] = {"../x", "a/../../x", "/etc/passwd", "a//b"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        request = location();
        request.filename = mf_str_from_c(names[i]);
        ask(w, &request, "invalid_argument");
        request = location();
        request.filename_root = mf_str_from_c(names[i]);
        ask(w, &request, "invalid_argument");
    }
    request = location();
    request.content_length = INT64_C(6) << 30;
    ask(w, &request, "invalid_argument");
}

static void a_named_place_is_given_once(void **state)
{
    struct wire *w = *state;
    struct pb_dataproxy_CreateUploadLocationRequest request = location();
    request.filename_root = MF_STR("root");
    assert_str(ask(w, &request, NULL).native_url, "s3://mayfly/uploads/p/d/root/a b.tgz");
    data_write(w, "s3://mayfly/uploads/p/d/root/a b.tgz", MF_STR("hello"));
    ask(w, &request, NULL); /* who brings the same may come again */
    request.content_md5 = MF_STR_EMPTY;
    ask(w, &request, "already_exists");
    request.content_md5 = MF_STR("0123456789abcdef");
    ask(w, &request, "already_exists");
}

/* ---- inputs ---- */

struct given {
    struct pb_task_Inputs inputs;
    struct pb_task_NamedLiteral literals[2];
    struct pb_task_NamedLiteral *items[2];
    struct story_literal values[2];
    struct pb_core_KeyValuePair pair;
    struct pb_core_KeyValuePair *pairs[1];
};

static struct pb_task_Inputs *give(struct given *g, uint32_t count, bool context)
{
    *g = (struct given){.pair = {.key = MF_STR("k"), .value = MF_STR("v")}};
    const char *names[] = {"x", "y"};
    for (uint32_t i = 0; i < count; i++) {
        g->literals[i] = (struct pb_task_NamedLiteral){.name = mf_str_from_c(names[i]),
                                                       .value = story_integer(&g->values[i], 42 + i)};
        g->items[i] = &g->literals[i];
    }
    g->inputs.literals.items = g->items;
    g->inputs.literals.count = count;
    g->pairs[0] = &g->pair;
    g->inputs.context.items = g->pairs;
    g->inputs.context.count = context;
    return &g->inputs;
}

struct ignoring {
    struct pb_task_TaskSpec spec;
    struct pb_core_TaskTemplate template;
    struct pb_core_TaskMetadata metadata;
    struct mf_str names[1];
};

static struct pb_task_TaskSpec *ignore(struct ignoring *i, uint32_t count)
{
    *i = (struct ignoring){.names = {MF_STR("y")}};
    i->metadata.cache_ignore_input_vars.items = i->names;
    i->metadata.cache_ignore_input_vars.count = count;
    i->template.metadata = &i->metadata;
    i->spec.task_template = &i->template;
    return &i->spec;
}

static void expect_hash(const struct pb_task_Inputs *inputs, const struct pb_task_TaskSpec *spec,
                        const char *wanted)
{
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_str hash;
    assert_int_equal(mf_data_inputs_hash(arena, inputs, spec, &hash, NULL), MF_OK);
    assert_str(hash, wanted);
    mf_arena_free(arena);
}

/* The hashes are those of the reference server. */
static void hashes(void **state)
{
    (void)state;
    struct given g;
    struct ignoring i;
    expect_hash(give(&g, 0, false), NULL, "y_Kc5IQiIyU");
    expect_hash(give(&g, 1, false), ignore(&i, 0), "ImqB6TmEjYE");
    expect_hash(give(&g, 1, true), ignore(&i, 0), "9hVm-9-kkU4");
    expect_hash(give(&g, 1, true), ignore(&i, 1), "ImqB6TmEjYE"); /* the context does not count then */
    expect_hash(give(&g, 2, false), ignore(&i, 1), "ImqB6TmEjYE");
}

static struct pb_common_OffloadedInputData
upload(struct wire *w, const struct pb_dataproxy_UploadInputsRequest *request, const char *code)
{
    const struct pb_dataproxy_UploadInputsResponse *response =
        wire_call(w, PROXY, pb_dataproxy_DataProxyService_UploadInputs, request, code);
    if (response && response->offloaded_input_data)
        return *response->offloaded_input_data;
    assert_non_null(code);
    return (struct pb_common_OffloadedInputData){0};
}

static void inputs(void **state)
{
    struct wire *w = *state;
    struct given g;
    struct ignoring i;
    struct pb_common_ProjectIdentifier project = {.name = MF_STR("p"), .domain = MF_STR("d")};
    struct pb_dataproxy_UploadInputsRequest request = {
        .id_case = pb_dataproxy_UploadInputsRequest_tag_project_id,
        .id = {.project_id = &project},
        .task_case = pb_dataproxy_UploadInputsRequest_tag_task_spec,
        .task = {.task_spec = ignore(&i, 1)},
        .inputs = give(&g, 2, true),
    };
    struct mf_str bytes;
    const struct pb_common_OffloadedInputData first = upload(w, &request, NULL);
    assert_str(first.inputs_hash, "ImqB6TmEjYE");
    assert_true(mf_str_starts(first.uri, MF_STR("s3://mayfly/uploads/p/d/offloaded-inputs/")));
    assert_true(mf_str_ends(first.uri, MF_STR("/inputs.pb")));
    assert_int_equal(mf_object_read(parts.objects, w->entity.arena, first.uri, 9999, &bytes, &w->entity.err),
                     MF_OK);
    assert_true(mf_str_eq(bytes, wire_encode(w, &pb_task_Inputs_type, request.inputs)));
    assert_true(mf_str_eq(upload(w, &request, NULL).uri, first.uri));

    /* The same for the cache, and yet a place of its own. */
    request.inputs = give(&g, 1, true);
    const struct pb_common_OffloadedInputData second = upload(w, &request, NULL);
    assert_true(mf_str_eq(second.inputs_hash, first.inputs_hash));
    assert_false(mf_str_eq(second.uri, first.uri));

    request.base_dir = MF_STR("s3://mayfly/elsewhere/");
    assert_true(
        mf_str_starts(upload(w, &request, NULL).uri, MF_STR("s3://mayfly/elsewhere/p/d/offloaded-inputs/")));
    request.base_dir = MF_STR("s3://other/x");
    upload(w, &request, "invalid_argument");
    request.base_dir = MF_STR_EMPTY;
    project.name = MF_STR("none");
    upload(w, &request, "not_found");
    project.name = MF_STR("p");
    request.id_case = 0;
    upload(w, &request, "invalid_argument");
}

static enum mf_code add_task(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct mf_str *spec = data;
    const struct mf_task_row row = {
        .key = {MF_STR("p"), MF_STR("d"), MF_STR("t"), MF_STR("v")},
        .environment = MF_STR_EMPTY,
        .function_name = MF_STR_EMPTY,
        .env_description = MF_STR_EMPTY,
        .short_description = MF_STR_EMPTY,
        .deployed_by = MF_STR_EMPTY,
        .spec = *spec,
    };
    return mf_task_put(mf_tx_db(tx), &row, NULL, err);
}

static void inputs_of_a_deployed_task(void **state)
{
    struct wire *w = *state;
    struct given g;
    struct ignoring i;
    struct pb_common_RunIdentifier run = {.project = MF_STR("p"), .domain = MF_STR("d"), .name = MF_STR("r")};
    struct pb_task_TaskIdentifier id = {
        .project = MF_STR("p"), .domain = MF_STR("d"), .name = MF_STR("t"), .version = MF_STR("v")};
    struct pb_dataproxy_UploadInputsRequest request = {
        .id_case = pb_dataproxy_UploadInputsRequest_tag_run_id,
        .id = {.run_id = &run},
        .task_case = pb_dataproxy_UploadInputsRequest_tag_task_id,
        .task = {.task_id = &id},
        .inputs = give(&g, 2, false),
    };
    upload(w, &request, "not_found");
    struct mf_str spec = wire_encode(w, &pb_task_TaskSpec_type, ignore(&i, 1));
    assert_int_equal(entity_write(&w->entity, add_task, &spec), MF_OK);
    assert_str(upload(w, &request, NULL).inputs_hash, "ImqB6TmEjYE");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, data_setup, data_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_upload),          TEST(what_is_refused), TEST(a_named_place_is_given_once),
        cmocka_unit_test(hashes), TEST(inputs),          TEST(inputs_of_a_deployed_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
