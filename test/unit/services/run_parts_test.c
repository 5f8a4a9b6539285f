/* The parts of the run service that need no store: names, inputs, specifications, tokens, pages, attempts. */
#include "testing.h"

#include "action/machine.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "list/token.h"
#include "run/attempts.h"
#include "run/inputs.h"
#include "run/message.h"
#include "run/name.h"
#include "run/page.h"
#include "run/spec.h"

#include <stdio.h>
#include <stdlib.h>

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

/* ---- names ---- */

static void takes_names_that_are_labels(void **state)
{
    static const char *const good[] = {"r", "run-1", "a0", "abc-def-9", "r23456789012345678901234567890"};
    static const char *const bad[] = {
        "",     "my.run", "1run",      "My-Run", "my_run",
        "-run", "run-",   "r\xc3\xa9", "r n",    "r2345678901234567890123456789012"};
    struct mf_error err;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(mf_run_name_check(mf_str_from_c(good[i]), &err), MF_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(mf_run_name_check(mf_str_from_c(bad[i]), &err), MF_INVALID_ARGUMENT);
    assert_int_equal(mf_run_name_check(MF_STR("r23456789012345678901234567890"), &err), MF_OK); /* 30 */
    assert_int_equal(mf_run_name_check(MF_STR("r234567890123456789012345678901"), &err), MF_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "no more than 30 characters"));
}

static void makes_names_without_favourites(void **state)
{
    static const char symbols[] = "bcdfghjklmnpqrstvwxz2456789";
    size_t seen[256] = {0};
    char name[MF_RUN_NAME_MADE];
    struct mf_error err;
    (void)state;
    for (int i = 0; i < 2000; i++) {
        mf_run_name_make(mf_sys_real(), name);
        assert_int_equal(name[0], 'r');
        assert_int_equal(mf_run_name_check(mf_str_make(name, sizeof name), &err), MF_OK);
        for (size_t k = 1; k < sizeof name; k++) {
            assert_non_null(memchr(symbols, name[k], sizeof symbols - 1));
            seen[(unsigned char)name[k]]++;
        }
    }
    assert_int_equal(sizeof name, 20);
    for (size_t i = 0; i < sizeof symbols - 1; i++) /* 1407 each in the mean, deviation 37 */
        assert_in_range(seen[(unsigned char)symbols[i]], 1100, 1700);
}

/* ---- specification ---- */

static void knows_versions_that_take_a_start_time(void **state)
{
    static const char *const yes[] = {
        "2.3.6", "2.3.6b1", "v2.3.6.dev4+g1", "2.10.0rc2", "3.0.0", "flyte-2.4.0 on 1.0.0", "10.0.0"};
    static const char *const no[] = {"2.3.5", "2.4", "", "abc", "1.99.99", "1.0.0 and 2.4.0", "2.3.", "..."};
    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        assert_true(mf_run_sdk_takes_start_time(mf_str_from_c(yes[i])));
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        assert_false(mf_run_sdk_takes_start_time(mf_str_from_c(no[i])));
}

static void completes_the_specification(void **state)
{
    struct pb_core_RuntimeMetadata runtime = {.version = MF_STR("2.3.5")};
    struct pb_core_TaskMetadata metadata = {.runtime = &runtime};
    struct pb_core_TaskTemplate template = {.metadata = &metadata};
    const struct pb_task_TaskSpec task = {.task_template = &template};
    const struct mf_run_spec_rules rules = {
        .now_ns = 7000000005, .storage = MF_STR("s3://b"), .task_source = pb_task_TASK_SPEC_SOURCE_DEPLOYED};
    struct pb_google_protobuf_Timestamp time = {.seconds = 99};
    struct pb_task_RunSpec given = {.run_base_dir = MF_STR("s3://x")};
    struct pb_task_RunSpec *spec = mf_run_spec_complete(*state, NULL, &time, &task, &rules);
    assert_null(spec->run_start_time); /* too old to understand it */
    assert_str(spec->raw_data_storage->raw_data_prefix, "s3://b");
    assert_int_equal(spec->task_spec_source, pb_task_TASK_SPEC_SOURCE_DEPLOYED);

    runtime.version = MF_STR("2.3.6");
    spec = mf_run_spec_complete(*state, &given, &time, &task, &rules);
    assert_int_equal(spec->run_start_time->seconds, 99);
    assert_str(spec->run_base_dir, "s3://x");
    assert_null(given.raw_data_storage); /* the request stays as it was */
    spec = mf_run_spec_complete(*state, &given, NULL, &task, &rules);
    assert_int_equal(spec->run_start_time->seconds, 7);
    assert_int_equal(spec->run_start_time->nanos, 5);

    struct pb_task_RawDataStorage storage = {.raw_data_prefix = MF_STR("s3://custom-raw")};
    struct pb_google_protobuf_Timestamp own = {.seconds = 5};
    given.raw_data_storage = &storage;
    given.run_start_time = &own;
    runtime.version = MF_STR("1.0.0");
    spec = mf_run_spec_complete(*state, &given, NULL, &task, &rules);
    assert_str(spec->raw_data_storage->raw_data_prefix, "s3://custom-raw");
    assert_int_equal(spec->run_start_time->seconds, 5);
}

/* ---- inputs ---- */

struct literals {
    struct pb_core_Primitive primitives[4];
    struct pb_core_Scalar scalars[4];
    struct pb_core_Literal literals[4];
    struct pb_task_NamedLiteral named[4];
    struct pb_task_NamedLiteral *list[4];
    struct pb_task_Inputs inputs;
};

static void fill(struct literals *l, const char *const *names, uint32_t count)
{
    *l = (struct literals){0};
    for (uint32_t i = 0; i < count; i++) {
        l->primitives[i] = (struct pb_core_Primitive){.value_case = pb_core_Primitive_tag_integer};
        l->primitives[i].value.integer = (int64_t)i + 1;
        l->scalars[i].value_case = pb_core_Scalar_tag_primitive;
        l->scalars[i].value.primitive = &l->primitives[i];
        l->literals[i].value_case = pb_core_Literal_tag_scalar;
        l->literals[i].value.scalar = &l->scalars[i];
        l->named[i].name = mf_str_from_c(names[i]);
        l->named[i].value = &l->literals[i];
        l->list[i] = &l->named[i];
    }
    l->inputs.literals.items = l->list;
    l->inputs.literals.count = count;
    l->inputs.literals.cap = 4; /* as if the list of the request had room */
}

static void adds_defaults_that_are_not_given(void **state)
{
    struct literals l;
    struct pb_core_Literal value = {0};
    struct pb_core_Parameter with = {.behavior_case = pb_core_Parameter_tag_default};
    struct pb_core_Parameter without = {.behavior_case = pb_core_Parameter_tag_required};
    with.behavior.default_ = &value;
    struct pb_task_NamedParameter parameters[] = {{.name = MF_STR("b"), .parameter = &with},
                                                  {.name = MF_STR("c"), .parameter = &without},
                                                  {.name = MF_STR("d"), .parameter = &with},
                                                  {.name = MF_STR("e")}};
    struct pb_task_NamedParameter *list[] = {&parameters[0], &parameters[1], &parameters[2], &parameters[3]};
    const struct pb_task_TaskSpec task = {.default_inputs = {.items = list, .count = 4, .cap = 4}};
    const struct pb_task_TaskSpec plain = {0};
    fill(&l, (const char *const[]){"a", "b"}, 2);
    const struct pb_task_Inputs *out = mf_run_inputs_with_defaults(*state, &l.inputs, &task);
    assert_int_equal(out->literals.count, 3);
    assert_ptr_equal(out->literals.items[0]->value, &l.literals[0]);
    assert_ptr_equal(out->literals.items[1]->value, &l.literals[1]); /* given, so not the default */
    assert_str(out->literals.items[2]->name, "d");
    assert_ptr_equal(out->literals.items[2]->value, &value);
    assert_int_equal(l.inputs.literals.count, 2);
    assert_null(l.list[2]);
    assert_int_equal(mf_run_inputs_with_defaults(*state, NULL, &task)->literals.count, 2);
    assert_int_equal(mf_run_inputs_with_defaults(*state, NULL, &plain)->literals.count, 0);
}

static void names_places(void **state)
{
    const struct pb_common_RunIdentifier run = {
        .project = MF_STR("p"), .domain = MF_STR("d"), .name = MF_STR("r")};
    assert_str(mf_run_output_base(*state, MF_STR("s3://b//"), &run), "s3://b/p/d/r/");
    assert_str(mf_run_output_base(*state, MF_STR("s3://b"), &run), "s3://b/p/d/r/");
    assert_str(mf_run_inputs_file(*state, MF_STR("s3://b/in")), "s3://b/in/inputs.pb");
    assert_str(mf_run_inputs_file(*state, MF_STR("s3://b/in/")), "s3://b/in/inputs.pb");
    assert_str(mf_run_inputs_file(*state, MF_STR("s3://b/in/inputs.pb")), "s3://b/in/inputs.pb");
    assert_str(mf_run_inputs_file(*state, MF_STR("s3://b/myinputs.pb")), "s3://b/myinputs.pb/inputs.pb");
    assert_str(mf_run_outputs_file(*state, MF_STR("s3://b/o/outputs.pb")), "s3://b/o/outputs.pb");
}

static struct mf_str hash_of(void **state, const struct pb_task_Inputs *inputs,
                             const struct pb_core_TaskMetadata *metadata)
{
    struct mf_str out;
    struct mf_error err;
    assert_int_equal(mf_run_inputs_hash(*state, inputs, metadata, &out, &err), MF_OK);
    return out;
}

static void hashes_what_counts(void **state)
{
    struct mf_str ignored[] = {MF_STR("b")};
    const struct pb_core_TaskMetadata all = {0};
    const struct pb_core_TaskMetadata less = {
        .cache_ignore_input_vars = {.items = ignored, .count = 1, .cap = 1}};
    struct literals one, two;
    fill(&one, (const char *const[]){"a"}, 1);
    fill(&two, (const char *const[]){"a", "b"}, 2);
    struct mf_str hash = hash_of(state, &one.inputs, &all);
    assert_int_equal(hash.len, 44);
    assert_true(mf_str_eq(hash, hash_of(state, &two.inputs, &less)));
    assert_false(mf_str_eq(hash, hash_of(state, &two.inputs, &all)));
    one.primitives[0].value.integer = 2;
    assert_false(mf_str_eq(hash, hash_of(state, &one.inputs, &all)));
    one.primitives[0].value.integer = 1;
    struct pb_core_KeyValuePair context = {.key = MF_STR("trace_id"), .value = MF_STR("x")};
    struct pb_core_KeyValuePair *contexts[] = {&context};
    one.inputs.context.items = contexts;
    one.inputs.context.count = one.inputs.context.cap = 1;
    assert_true(mf_str_eq(hash, hash_of(state, &one.inputs, &all)));
    /* SHA-256 of nothing */
    const struct pb_task_Inputs none = {0};
    assert_str(hash_of(state, &none, &all), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}

static struct mf_str key_of(void **state, const struct pb_task_TaskSpec *task, const char *name,
                            const char *hash)
{
    struct mf_str out;
    struct mf_error err;
    assert_int_equal(mf_run_cache_key(*state, task, mf_str_from_c(name), mf_str_from_c(hash), &out, &err),
                     MF_OK);
    return out;
}

static void makes_cache_keys(void **state)
{
    struct pb_core_TaskMetadata metadata = {.discovery_version = MF_STR("1")};
    struct pb_core_TaskTemplate template = {.metadata = &metadata};
    struct pb_task_TaskSpec task = {.task_template = &template};
    assert_int_equal(key_of(state, &task, "t", "h").len, 0); /* not discoverable */
    metadata.discoverable = true;
    struct mf_str key = key_of(state, &task, "t", "h");
    assert_str(key, "I/yegvUBeUZ0T2dm4UjIF6IvE/3wkJE0UvV0dwJWGRM="); /* SHA-256 of "ht1" */
    assert_false(mf_str_eq(key, key_of(state, &task, "t", "i")));
    assert_false(mf_str_eq(key, key_of(state, &task, "u", "h")));
    metadata.discovery_version = MF_STR("2");
    assert_false(mf_str_eq(key, key_of(state, &task, "t", "h")));
    struct pb_core_TypedInterface interface = {0};
    metadata.discovery_version = MF_STR("1");
    template.interface = &interface;
    assert_false(mf_str_eq(key, key_of(state, &task, "t", "h")));
    task.task_template = NULL;
    assert_int_equal(key_of(state, &task, "t", "h").len, 0);
}

/* ---- pages ---- */

static void reads_the_tokens_it_writes(void **state)
{
    struct mf_place place = {.list = 0xfedcba9876543210, .skip = 77, .key_count = 4};
    const struct mf_place *after = NULL;
    size_t offset = 1;
    struct mf_error err;
    place.keys[0] = (struct mf_place_key){.is_int = true, .number = INT64_MIN};
    place.keys[1] = (struct mf_place_key){.text = MF_STR("na\xc3\xafve \xf0\x9f\x98\x80")};
    place.keys[2] = (struct mf_place_key){.text = MF_STR_EMPTY};
    place.keys[3] = (struct mf_place_key){.is_int = true, .number = INT64_MAX};
    struct mf_str token = mf_token_write(*state, &place);
    assert_int_equal(mf_token_read(*state, token, &after, &offset, &err), MF_OK);
    assert_int_equal(offset, 0);
    assert_true(after->list == place.list);
    assert_int_equal(after->skip, 77);
    assert_int_equal(after->key_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(after->keys[i].is_int, place.keys[i].is_int);
        assert_true(after->keys[i].number == place.keys[i].number);
        assert_true(mf_str_eq(after->keys[i].text, place.keys[i].text));
    }
    /* Cut off anywhere it is no token, or one of a shorter list of keys, which fits no order. */
    for (size_t len = 1; len < token.len; len++) {
        if (mf_token_read(*state, mf_str_take(token, len), &after, &offset, &err) == MF_OK)
            assert_true(after->key_count < 4);
    }
}

static void reads_offsets_and_refuses_the_rest(void **state)
{
    static const char *const bad[] = {"abc",   "-1",        "k", "k!!", "5x", "99999999999999999999",
                                      "kAAAA", "4294967296"};
    const struct mf_place *after = NULL;
    size_t offset = 1;
    struct mf_error err;
    assert_int_equal(mf_token_read(*state, MF_STR_EMPTY, &after, &offset, &err), MF_OK);
    assert_null(after);
    assert_int_equal(offset, 0);
    assert_int_equal(mf_token_read(*state, MF_STR("105"), &after, &offset, &err), MF_OK);
    assert_null(after);
    assert_int_equal(offset, 105);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(mf_token_read(*state, mf_str_from_c(bad[i]), &after, &offset, &err),
                         MF_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "invalid token"));
}

static void makes_pages_of_requests(void **state)
{
    const struct mf_str scope[] = {MF_STR("runs"), MF_STR("p")};
    struct mf_page page;
    size_t limit = 0;
    struct mf_error err;
    struct pb_common_Sort old = {.key = MF_STR("phase"), .direction = pb_common_Sort_ASCENDING};
    struct pb_common_Sort fresh = {.key = MF_STR("created_at"), .direction = pb_common_Sort_DESCENDING};
    struct pb_common_Sort *sorts[] = {&fresh};
    struct mf_str spread[] = {MF_STR("1"), MF_STR("0")};
    struct pb_common_Filter filter = {.field = MF_STR("phase"),
                                      .function = pb_common_Filter_VALUE_IN,
                                      .values = {.items = spread, .count = 2, .cap = 2}};
    struct pb_common_Filter *filters[] = {&filter};
    struct pb_common_ListRequest request = {.limit = 200, .sort_by = &old};
    assert_int_equal(mf_run_page(*state, NULL, scope, 2, &page, &limit, &err), MF_OK);
    assert_int_equal(limit, 50);
    assert_int_equal(mf_run_page(*state, &request, scope, 2, &page, &limit, &err), MF_OK);
    assert_int_equal(limit, 200);
    assert_int_equal(page.limit, 201);
    assert_int_equal(page.sort_count, 1);
    assert_str(page.sorts[0].field, "phase");
    assert_true(page.sorts[0].ascending);
    request.sort_by_fields.items = sorts;
    request.sort_by_fields.count = 1;
    request.filters.items = filters;
    request.filters.count = 1;
    assert_int_equal(mf_run_page(*state, &request, scope, 2, &page, &limit, &err), MF_OK);
    assert_str(page.sorts[0].field, "created_at");
    assert_false(page.sorts[0].ascending);
    assert_int_equal(page.filters[0].value_count, 3); /* 1 or 0, or what the SDK makes of 10 */
    assert_str(page.filters[0].values[0], "10");
    filter.function = pb_common_Filter_EQUAL;
    assert_int_equal(mf_run_page(*state, &request, scope, 2, &page, &limit, &err), MF_OK);
    assert_int_equal(page.filters[0].value_count, 1);
    assert_str(page.filters[0].values[0], "10");
    request.limit = 5000; /* cut, since the next page follows the token */
    assert_int_equal(mf_run_page(*state, &request, scope, 2, &page, &limit, &err), MF_OK);
    assert_int_equal(limit, MF_PAGE_MAX);
    struct mf_place place = {.list = page.list};
    request.token = mf_page_next(*state, &place);
    assert_int_equal(mf_run_page(*state, &request, scope, 2, &page, &limit, &err), MF_OK);
    assert_non_null(page.after);
    assert_int_equal(mf_run_page(*state, &request, scope, 1, &page, &limit, &err), MF_INVALID_ARGUMENT);
    request.filters.count = 0;
    assert_int_equal(mf_run_page(*state, &request, scope, 2, &page, &limit, &err), MF_INVALID_ARGUMENT);
    request.filters.count = 1;
    fresh.direction = pb_common_Sort_ASCENDING;
    assert_int_equal(mf_run_page(*state, &request, scope, 2, &page, &limit, &err), MF_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "token"));
    request.token = MF_STR("x");
    assert_int_equal(mf_run_page(*state, &request, scope, 2, &page, &limit, &err), MF_INVALID_ARGUMENT);
}

/* ---- attempts ---- */

struct told {
    struct pb_google_protobuf_Timestamp updated, reported;
    struct pb_workflow_ErrorInfo error;
    struct pb_core_LogContext context;
    struct pb_task_OutputReferences outputs;
    struct pb_core_TaskLog log;
    struct pb_core_TaskLog *logs[1];
    struct pb_workflow_ClusterEvent cluster_event;
    struct pb_workflow_ClusterEvent *cluster_events[1];
    struct pb_workflow_ActionEvent event;
};

static struct pb_workflow_ActionEvent *tell(struct told *told, uint32_t attempt, int32_t phase,
                                            int64_t updated, int64_t reported)
{
    *told = (struct told){.updated = {.seconds = updated}, .reported = {.seconds = reported}};
    told->event =
        (struct pb_workflow_ActionEvent){.attempt = attempt, .phase = phase, .updated_time = &told->updated};
    if (reported > 0)
        told->event.reported_time = &told->reported;
    return &told->event;
}

static void add_log(struct told *told, const char *name, const char *uri)
{
    told->log.name = mf_str_from_c(name);
    told->log.uri = mf_str_from_c(uri);
    told->logs[0] = &told->log;
    told->event.log_info.items = told->logs;
    told->event.log_info.count = told->event.log_info.cap = 1;
}

static void build(void **state, struct told *told, size_t count, struct pb_workflow_ActionDetails *out)
{
    struct mf_error err;
    struct mf_run_attempts *attempts = mf_run_attempts_new(*state);
    *out = (struct pb_workflow_ActionDetails){0};
    for (size_t i = 0; i < count; i++)
        assert_int_equal(mf_run_attempts_add(attempts, &told[i].event, &err), MF_OK);
    assert_int_equal(mf_run_attempts_finish(attempts, out, &err), MF_OK);
}

static void builds_one_attempt(void **state)
{
    struct told told[4];
    struct pb_workflow_ActionDetails out;
    build(state, told, 0, &out);
    assert_int_equal(out.attempts.count, 0);

    tell(&told[0], 1, MF_PHASE_RUNNING, 20, 0); /* order of the store: by phase and version */
    tell(&told[1], 1, MF_PHASE_QUEUED, 10, 0);
    tell(&told[2], 1, MF_PHASE_FAILED, 30, 0);
    tell(&told[3], 1, MF_PHASE_RUNNING, 25, 0);
    told[0].event.log_context = &told[0].context;
    add_log(&told[0], "b", "old");
    add_log(&told[3], "b", "new");
    add_log(&told[2], "a", "only");
    told[2].event.error_info = &told[2].error;
    told[3].event.outputs = &told[3].outputs;
    told[3].outputs.report_uri = MF_STR("s3://b/report.html");
    told[1].event.cluster_events.items = told[1].cluster_events;
    told[1].cluster_events[0] = &told[1].cluster_event;
    told[1].event.cluster_events.count = 1;
    build(state, told, 4, &out);
    assert_int_equal(out.attempts.count, 1);
    const struct pb_workflow_ActionAttempt *a = out.attempts.items[0];
    assert_int_equal(a->attempt, 1);
    assert_int_equal(a->phase, MF_PHASE_FAILED);
    assert_ptr_equal(a->error_info, &told[2].error);
    assert_int_equal(a->start_time->seconds, 10);
    assert_int_equal(a->end_time->seconds, 30);
    assert_true(a->logs_available);
    assert_int_equal(a->log_info.count, 2);
    assert_str(a->log_info.items[0]->name, "a");
    assert_str(a->log_info.items[1]->uri, "new");
    assert_str(a->outputs->report_uri, "s3://b/report.html");
    assert_int_equal(a->cluster_events.count, 1);
    static const int32_t phases[] = {MF_PHASE_QUEUED, MF_PHASE_RUNNING, MF_PHASE_FAILED};
    assert_int_equal(a->phase_transitions.count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct pb_workflow_PhaseTransition *t = a->phase_transitions.items[i];
        assert_int_equal(t->phase, phases[i]);
        assert_int_equal(t->start_time->seconds, 10 + 10 * i);
        assert_int_equal(t->end_time->seconds, i < 2 ? 20 + 10 * i : 30);
    }
}

static void prefers_the_clock_of_the_reporter(void **state)
{
    struct told told[2];
    struct pb_workflow_ActionDetails out;
    tell(&told[0], 1, MF_PHASE_RUNNING, 50, 2);
    tell(&told[1], 1, MF_PHASE_SUCCEEDED, 40, 3);
    build(state, told, 2, &out);
    const struct pb_workflow_ActionAttempt *a = out.attempts.items[0];
    assert_int_equal(a->phase_transitions.items[0]->phase, MF_PHASE_RUNNING);
    assert_int_equal(a->start_time->seconds, 50);
    assert_int_equal(a->end_time->seconds, 50); /* never before its start */
    told[1].event.reported_time = NULL;
    build(state, told, 2, &out);
    assert_int_equal(out.attempts.items[0]->phase_transitions.items[0]->phase, MF_PHASE_SUCCEEDED);
    assert_int_equal(out.attempts.items[0]->phase_transitions.count, 1); /* nothing follows an end */
}

static void takes_the_first_end(void **state)
{
    struct told told[3];
    struct pb_workflow_ActionDetails out;
    tell(&told[0], 1, MF_PHASE_SUCCEEDED, 10, 0);
    tell(&told[1], 1, MF_PHASE_ABORTED, 20, 0);
    tell(&told[2], 1, MF_PHASE_RUNNING, 30, 0);
    build(state, told, 3, &out);
    assert_int_equal(out.attempts.items[0]->phase, MF_PHASE_SUCCEEDED);
    assert_int_equal(out.attempts.items[0]->end_time->seconds, 10);
}

static void numbers_attempts_without_a_gap(void **state)
{
    struct told told[4];
    struct pb_workflow_ActionDetails out;
    tell(&told[0], 0, MF_PHASE_RUNNING, 10, 0); /* no attempt has this number */
    tell(&told[1], 1, MF_PHASE_FAILED, 10, 0);
    tell(&told[2], 4, MF_PHASE_RUNNING, 40, 0);
    tell(&told[3], 4000000000, MF_PHASE_RUNNING, 50, 0);
    build(state, told, 4, &out);
    assert_int_equal(out.attempts.count, 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(out.attempts.items[i]->attempt, i + 1);
    assert_int_equal(out.attempts.items[0]->phase, MF_PHASE_FAILED);
    assert_int_equal(out.attempts.items[1]->phase, MF_PHASE_UNSPECIFIED);
    assert_int_equal(out.attempts.items[3]->phase, MF_PHASE_RUNNING);
    assert_null(out.attempts.items[3]->end_time);
}

/* ---- times ---- */

static void converts_times(void **state)
{
    static const int64_t times[] = {0, 1, 1999999999, -1, -1000000001, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        const struct pb_google_protobuf_Timestamp *time = mf_run_timestamp(*state, times[i]);
        assert_in_range(time->nanos, 0, 999999999);
        if (times[i] != INT64_MIN)
            assert_true(mf_run_timestamp_ns(time) == times[i]);
    }
    const struct pb_google_protobuf_Timestamp far = {.seconds = 253402300799};
    assert_true(mf_run_timestamp_ns(&far) == INT64_MAX);
    assert_true(mf_run_timestamp_ns(NULL) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(takes_names_that_are_labels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(makes_names_without_favourites, set_up, tear_down),
        cmocka_unit_test_setup_teardown(knows_versions_that_take_a_start_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(completes_the_specification, set_up, tear_down),
        cmocka_unit_test_setup_teardown(adds_defaults_that_are_not_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hashes_what_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(makes_cache_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_the_tokens_it_writes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_offsets_and_refuses_the_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(makes_pages_of_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(builds_one_attempt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prefers_the_clock_of_the_reporter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_the_first_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_attempts_without_a_gap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(converts_times, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("run_parts", tests, NULL, NULL);
}
