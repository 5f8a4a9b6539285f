/* The small pure parts of the executor: quantities, placeholders, the message to the shim, the file it
 * leaves, the Python environment. */
#include "testing.h"

#include "base/quantity.h"
#include "base/sys.h"
#include "exec/process/demand.h"
#include "exec/process/launch.h"
#include "exec/process/origin.h"
#include "exec/process/outcome.h"
#include "exec/process/python.h"
#include "exec/process/state.h"
#include "exec/process/template.h"
#include "gen/flyteidl2/cacheservice/cacheservice.pb.h"
#include "gen/flyteidl2/common/cache.pb.h"
#include "gen/flyteidl2/common/identifier.pb.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/task/common.pb.h"
#include "gen/flyteidl2/task/run.pb.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int set_up(void **state)
{
    *state = mf_arena_new(0);
    return 0;
}

static int tear_down(void **state)
{
    mf_arena_free(*state);
    return 0;
}

static void quantities_are_those_of_kubernetes(void **state)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {
        {"1", 1},         {"500m", 0.5}, {"1.5", 1.5},   {"2Gi", 2147483648.0}, {"128Mi", 134217728.0},
        {"1k", 1000},     {"2e3", 2000}, {"1Ki", 1024},  {"3G", 3e9},           {"0", 0},
        {"100u", 0.0001}, {".5", 0.5},   {"1Ti", 0x1p40}};
    static const char *const bad[] = {"", "-1", "one", "1x", "1 Gi", "Gi", "nan", "inf", "1GiB", "0x10zz"};
    double value;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(mf_quantity(mf_str_from_c(good[i].text), &value));
        assert_true(value > good[i].value * 0.999999 - 1e-12 && value < good[i].value * 1.000001 + 1e-12);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(mf_quantity(mf_str_from_c(bad[i]), &value));
}

static void limits_stand_in_for_requests(void **state)
{
    struct mf_demand demand;
    struct pb_core_Resources_ResourceEntry cpu = {.name = pb_core_Resources_CPU, .value = MF_STR("250m")};
    struct pb_core_Resources_ResourceEntry memory = {.name = pb_core_Resources_MEMORY,
                                                     .value = MF_STR("2Gi")};
    struct pb_core_Resources_ResourceEntry *requests[] = {&cpu};
    struct pb_core_Resources_ResourceEntry *limits[] = {&memory};
    struct pb_core_Resources resources = {.requests = {.items = requests, .count = 1},
                                          .limits = {.items = limits, .count = 1}};
    struct pb_core_Container container = {.resources = &resources};
    const struct pb_core_TaskTemplate template = {.target_case = pb_core_TaskTemplate_tag_container,
                                                  .target = {.container = &container}};
    (void)state;
    mf_demand_of(&template, &demand);
    assert_int_equal(demand.cpu_milli, 250);
    assert_int_equal(demand.memory_bytes, (int64_t)2 << 30);
    assert_int_equal(demand.memory_max_bytes, (int64_t)2 << 30);
    assert_true(demand.memory_asked);
    mf_demand_of(NULL, &demand);
    assert_int_equal(demand.cpu_milli, MF_DEMAND_CPU_MILLI);
    assert_int_equal(demand.memory_max_bytes, 0);
    assert_false(demand.memory_asked);
}

static enum mf_code load_inputs(void *ctx, const struct pb_task_Inputs **out, struct mf_error *err)
{
    (void)err;
    *out = ctx;
    return MF_OK;
}

/* What the settings say of every task. */
static void settings_bound_what_a_task_gets(void **state)
{
    (void)state;
    struct pb_core_Resources_ResourceEntry min_cpu = {.name = pb_core_Resources_CPU,
                                                      .value = MF_STR("1500m")};
    struct pb_core_Resources_ResourceEntry min_memory = {.name = pb_core_Resources_MEMORY,
                                                         .value = MF_STR("1Gi")};
    struct pb_core_Resources_ResourceEntry max_cpu = {.name = pb_core_Resources_CPU, .value = MF_STR("2")};
    struct pb_core_Resources_ResourceEntry max_memory = {.name = pb_core_Resources_MEMORY,
                                                         .value = MF_STR("2Gi")};
    struct pb_core_Resources_ResourceEntry *min[] = {&min_cpu, &min_memory};
    struct pb_core_Resources_ResourceEntry *max[] = {&max_cpu, &max_memory};
    struct pb_task_TaskResourceDefaults resources = {.requests = {.items = min, .count = 2},
                                                     .max = {.items = max, .count = 2}};
    struct pb_task_DefaultSettings defaults = {.task_resource_defaults = &resources};
    const struct pb_task_RunSpec spec = {.default_settings = &defaults};
    struct mf_demand_bounds bounds;
    struct mf_demand little = {.cpu_milli = 10, .memory_bytes = 1 << 20};
    struct mf_demand much = {.cpu_milli = 64000,
                             .memory_bytes = (int64_t)64 << 30,
                             .memory_asked = true,
                             .memory_max_bytes = (int64_t)65 << 30};
    mf_demand_bounds_of(&spec, &bounds);
    mf_demand_bound(&little, &bounds);
    assert_int_equal(little.cpu_milli, 1500);
    assert_int_equal(little.memory_bytes, (int64_t)1 << 30);
    assert_true(little.memory_asked);
    assert_int_equal(little.memory_max_bytes, (int64_t)2 << 30);
    mf_demand_bound(&much, &bounds);
    assert_int_equal(much.cpu_milli, 2000);
    assert_int_equal(much.memory_bytes, (int64_t)2 << 30);
    assert_int_equal(much.memory_max_bytes, (int64_t)2 << 30);
    struct mf_demand same = {.cpu_milli = 10, .memory_bytes = 1 << 20};
    mf_demand_bounds_of(NULL, &bounds);
    mf_demand_bound(&same, &bounds);
    assert_int_equal(same.cpu_milli, 10);
    assert_int_equal(same.memory_bytes, 1 << 20);
    assert_int_equal(same.memory_max_bytes, 0);
}

static void placeholders_are_replaced(void **state)
{
    static const struct mf_template_value values[] = {{"input", {.ptr = "s3://in", .len = 7}},
                                                      {"prevCheckpointPrefix", {.ptr = "\"\"", .len = 2}}};
    static const struct {
        const char *text, *result;
    } rows[] = {
        {"{{.input}}", "s3://in"},
        {"{{ .input }}", "s3://in"},
        {"{{$Input}}", "s3://in"},
        {"a{{.input}}b{{.input}}c", "as3://inbs3://inc"},
        {"{{.unknown}}", "{{.unknown}}"},
        {"{{input}}", "{{input}}"},
        {"{{.input", "{{.input"},
        {"{{", "{{"},
        {"{{{.input}}", "{s3://in"},
        {"{{.prevcheckpointprefix}}", "\"\""},
        {"", ""},
        {"{{.inputs.n}} {{.inputs.b}}", "-7 true"},
        {"{{.inputs.s}}", "x y"},
        {"{{.inputs.f}}", "0.1"},
        {"{{.inputs.l}}", "[-7,x y]"},
    };
    struct pb_core_Primitive primitives[] = {
        {.value_case = pb_core_Primitive_tag_integer, .value = {.integer = -7}},
        {.value_case = pb_core_Primitive_tag_boolean, .value = {.boolean = true}},
        {.value_case = pb_core_Primitive_tag_string_value, .value = {.string_value = MF_STR("x y")}},
        {.value_case = pb_core_Primitive_tag_float_value, .value = {.float_value = 0.1}},
    };
    static const char *const names[] = {"n", "b", "s", "f", "l"};
    struct pb_core_Scalar scalars[4];
    struct pb_core_Literal literals[5];
    struct pb_task_NamedLiteral named[5];
    struct pb_task_NamedLiteral *items[5];
    struct pb_core_Literal *members[] = {&literals[0], &literals[2]};
    struct pb_core_LiteralCollection list = {.literals = {.items = members, .count = 2}};
    struct pb_task_Inputs inputs = {.literals = {.items = items, .count = 5}};
    struct mf_str out;
    for (size_t i = 0; i < 5; i++) {
        if (i < 4) {
            scalars[i] = (struct pb_core_Scalar){.value_case = pb_core_Scalar_tag_primitive,
                                                 .value = {.primitive = &primitives[i]}};
            literals[i] = (struct pb_core_Literal){.value_case = pb_core_Literal_tag_scalar,
                                                   .value = {.scalar = &scalars[i]}};
        } else {
            literals[i] = (struct pb_core_Literal){.value_case = pb_core_Literal_tag_collection,
                                                   .value = {.collection = &list}};
        }
        named[i] = (struct pb_task_NamedLiteral){.name = mf_str_from_c(names[i]), .value = &literals[i]};
        items[i] = &named[i];
    }
    struct mf_template template = {.values = values, .count = 2, .load_inputs = load_inputs, .ctx = &inputs};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(mf_template_render(*state, &template, mf_str_from_c(rows[i].text), &out, NULL),
                         MF_OK);
        assert_str(out, rows[i].result);
    }
    assert_int_equal(mf_template_render(*state, &template, MF_STR("{{.inputs.q}}"), &out, NULL),
                     MF_INVALID_ARGUMENT);
}

static void launch_survives_the_way_and_no_cut_of_it_is_taken(void **state)
{
    struct mf_str argv[] = {MF_STR("sh"), MF_STR_EMPTY, MF_STR("two words")};
    struct mf_str env[] = {MF_STR("A=1"), MF_STR("B=")};
    const struct mf_launch launch = {.work_dir = MF_STR("/w"),
                                     .cwd = MF_STR("/w/cwd"),
                                     .log_path = MF_STR("/l"),
                                     .program = MF_STR("/bin/sh"),
                                     .argv = argv,
                                     .argc = 3,
                                     .env = env,
                                     .envc = 2,
                                     .grace_ms = 7,
                                     .log_max_bytes = 1 << 20,
                                     .memory_max_bytes = -1};
    struct mf_launch got = {0};
    struct mf_str bytes;
    assert_int_equal(mf_launch_encode(*state, &launch, &bytes, NULL), MF_OK);
    assert_int_equal(mf_launch_size(bytes.ptr), bytes.len);
    assert_int_equal(mf_launch_decode(*state, bytes, &got, NULL), MF_OK);
    assert_int_equal(got.argc, 3);
    assert_str(got.argv[1], "");
    assert_string_equal(got.argv[2].ptr, "two words");
    assert_string_equal(got.env[1].ptr, "B=");
    assert_string_equal(got.cwd.ptr, "/w/cwd");
    assert_int_equal(got.grace_ms, 7);
    assert_int_equal(got.memory_max_bytes, -1);
    for (size_t len = MF_LAUNCH_HEAD; len < bytes.len; len++) {
        char *cut = malloc(len); /* of its own, so that a read beyond it is seen */
        memcpy(cut, bytes.ptr, len);
        assert_int_equal(mf_launch_decode(*state, mf_str_make(cut, len), &got, NULL), MF_DATA_LOSS);
        free(cut);
    }
    assert_int_equal(mf_launch_size("\0\0\0\0"), 0);
    assert_int_equal(mf_launch_size("\xff\xff\xff\xff"), 0);
    struct mf_str big = {.ptr = calloc(1, MF_LAUNCH_MAX), .len = MF_LAUNCH_MAX};
    argv[0] = big;
    assert_int_equal(mf_launch_encode(*state, &launch, &bytes, NULL), MF_RESOURCE_EXHAUSTED);
    free((void *)(uintptr_t)big.ptr);
}

static void outcome_is_read_as_it_was_written(void **state)
{
    char dir[] = "/tmp/outcome_test.XXXXXX";
    char path[64];
    struct mf_outcome got;
    const struct mf_outcome outcome = {.pid = 42,
                                       .wait_status = 9,
                                       .stopped = true,
                                       .over_memory = true,
                                       .started_ns = 5,
                                       .ended_ns = 1700000000000000000,
                                       .cpu_us = 11,
                                       .max_rss_bytes = 4096,
                                       .tail = MF_STR("last\nwords\n")};
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/exit.status", dir);
    assert_int_equal(mf_outcome_read(*state, path, &got, NULL), MF_NOT_FOUND);
    assert_int_equal(mf_outcome_write(mf_sys_real(), path, &outcome, NULL), MF_OK);
    assert_int_equal(mf_outcome_read(*state, path, &got, NULL), MF_OK);
    assert_int_equal(got.pid, 42);
    assert_int_equal(got.wait_status, 9);
    assert_true(got.stopped && got.over_memory);
    assert_int_equal(got.ended_ns, outcome.ended_ns);
    assert_str(got.tail, "last\nwords\n");
    assert_int_equal(truncate(path, 5), 0);
    assert_int_equal(mf_outcome_read(*state, path, &got, NULL), MF_DATA_LOSS);
    assert_int_equal(mf_remove_tree(dir, NULL), MF_OK);
}

static void make_program(const char *dir, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs("#!/bin/sh\nexit 1\n", file);
    fclose(file);
    assert_int_equal(chmod(path, 0755), 0);
}

static void python_is_found_or_missed_with_a_reason(void **state)
{
    char dir[] = "/tmp/python_test.XXXXXX";
    char bin[64];
    char python[80];
    struct mf_python found;
    struct mf_error err;
    assert_non_null(mkdtemp(dir));
    snprintf(bin, sizeof bin, "%s/bin", dir);
    snprintf(python, sizeof python, "%s/python", bin);
    assert_int_equal(mkdir(bin, 0755), 0);
    assert_int_equal(mf_python_find(*state, python, "/none", &found, &err), MF_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "no Python interpreter"));
    make_program(bin, "python");
    assert_int_equal(mf_python_find(*state, python, "/none", &found, &err), MF_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "pip install flyte"));
    assert_int_equal(mf_python_find(*state, dir, "/none", &found, &err), MF_FAILED_PRECONDITION);
    assert_int_equal(mf_python_find(*state, NULL, "/none", &found, &err), MF_FAILED_PRECONDITION);
    assert_int_equal(found.bin.len, 0);
    make_program(bin, "a0");
    for (size_t i = 0; i < 3; i++) { /* by the interpreter, by the environment, by PATH */
        const char *given = i == 0 ? python : (i == 1 ? dir : NULL);
        assert_int_equal(mf_python_find(*state, given, i == 2 ? bin : "/none", &found, &err), MF_OK);
        assert_true(mf_str_ends(found.bin, mf_str_from_c(bin)));
        assert_true(mf_str_ends(found.venv, mf_str_from_c(dir)));
    }
    assert_int_equal(mf_remove_tree(dir, NULL), MF_OK);
}

/* ---- the origin of a cached output ---- */

static void remembers_whose_output_it_is(void **state)
{
    const struct mf_action_row row = {.project = MF_STR("p"),
                                      .domain = MF_STR("d"),
                                      .run_name = MF_STR("r"),
                                      .name = MF_STR("a1"),
                                      .task_name = MF_STR("env.t")};
    struct mf_str bytes = MF_STR_EMPTY;
    struct mf_error err;
    assert_int_equal(mf_origin_write(*state, &row, 3, &bytes, &err), MF_OK);
    const struct pb_common_CacheMetadata *origin = mf_origin_read(*state, bytes);
    assert_non_null(origin);
    const struct pb_common_ActionAttemptIdentifier *id = origin->source_action_attempt;
    assert_int_equal(id->attempt, 3);
    assert_str(id->action_id->name, "a1");
    assert_str(id->action_id->run->project, "p");
    assert_str(id->action_id->run->domain, "d");
    assert_str(id->action_id->run->name, "r");
    assert_int_equal(id->action_id->run->org.len, 0);
}

/* Entries that other clients of the cache have put say nothing, or something else. */
static void takes_no_origin_that_is_none(void **state)
{
    struct pb_cacheservice_KeyMapMetadata_ValuesEntry attempt = {.key = MF_STR("attempt"),
                                                                 .value = MF_STR("0")};
    struct pb_cacheservice_KeyMapMetadata_ValuesEntry run = {.key = MF_STR("run"), .value = MF_STR("r")};
    struct pb_cacheservice_KeyMapMetadata_ValuesEntry action = {.key = MF_STR("action"),
                                                                .value = MF_STR("a")};
    struct pb_cacheservice_KeyMapMetadata_ValuesEntry *entries[] = {&run, &action, &attempt};
    struct pb_cacheservice_KeyMapMetadata map = {.values = {.items = entries, .count = 2, .cap = 3}};
    const struct pb_cacheservice_Metadata metadata = {.key_map = &map};
    struct mf_str bytes = MF_STR_EMPTY;
    struct mf_error err;
    assert_null(mf_origin_read(*state, MF_STR_EMPTY));
    assert_null(mf_origin_read(*state, MF_STR("\xff\xff")));
    assert_int_equal(pb_encode(*state, &pb_cacheservice_Metadata_type, &metadata, &bytes, &err), MF_OK);
    assert_null(mf_origin_read(*state, bytes)); /* no attempt */
    map.values.count = 3;
    assert_int_equal(pb_encode(*state, &pb_cacheservice_Metadata_type, &metadata, &bytes, &err), MF_OK);
    assert_null(mf_origin_read(*state, bytes)); /* attempt 0 */
    attempt.value = MF_STR("1");
    assert_int_equal(pb_encode(*state, &pb_cacheservice_Metadata_type, &metadata, &bytes, &err), MF_OK);
    assert_non_null(mf_origin_read(*state, bytes));
}

static void what_does_not_end_is_tried_later_each_time(void **state)
{
    struct mf_task task = {.kill_tries = 0};
    int64_t before = 0;
    (void)state;
    assert_int_equal(mf_task_kill_delay_ns(&task), INT64_C(10000000000));
    for (task.kill_tries = 1; task.kill_tries < 100; task.kill_tries++) {
        int64_t delay = mf_task_kill_delay_ns(&task);
        assert_true(delay >= before && delay > 0 && delay <= INT64_C(300000000000));
        before = delay;
    }
    assert_int_equal(before, INT64_C(300000000000)); /* but never not at all */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_end_is_tried_later_each_time),
        cmocka_unit_test_setup_teardown(quantities_are_those_of_kubernetes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limits_stand_in_for_requests, set_up, tear_down),
        cmocka_unit_test(settings_bound_what_a_task_gets),
        cmocka_unit_test_setup_teardown(placeholders_are_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(launch_survives_the_way_and_no_cut_of_it_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(outcome_is_read_as_it_was_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(python_is_found_or_missed_with_a_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(remembers_whose_output_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_no_origin_that_is_none, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
