#include "testing.h"

#include "exec/process/verdict.h"

#include <errno.h>
#include <signal.h>

#define EXITED(n) ((n) << 8)

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

static struct mf_verdict decide(void *state, struct mf_verdict_input in)
{
    static const struct mf_demand demand = {.backoff_factor = 1};
    struct mf_verdict verdict;
    if (!in.demand)
        in.demand = &demand;
    assert_int_equal(mf_verdict_decide(state, &in, &verdict, NULL), MF_OK);
    return verdict;
}

static struct mf_str document(void *state, int32_t kind, int32_t origin)
{
    struct mf_str bytes;
    struct pb_core_ContainerError error = {
        .code = MF_STR("KeyError"), .message = MF_STR("x"), .kind = kind, .origin = origin};
    const struct pb_core_ErrorDocument doc = {.error = &error};
    assert_int_equal(pb_encode(state, &pb_core_ErrorDocument_type, &doc, &bytes, NULL), MF_OK);
    return bytes;
}

/* Row by row: how the process ended, and what is made of it. */
static void ends_by_the_table(void **state)
{
    static const struct {
        struct mf_outcome outcome;
        bool outputs, valid, declared;
        int32_t phase;
        const char *code;
        int32_t kind;
        bool recoverable;
    } rows[] = {
        {{0}, true, true, true, MF_PHASE_SUCCEEDED, NULL, 0, false},
        {{.wait_status = EXITED(5)}, true, true, true, MF_PHASE_SUCCEEDED, NULL, 0, false},
        {{.wait_status = SIGABRT}, true, true, true, MF_PHASE_SUCCEEDED, NULL, 0, false},
        {{0}, false, false, false, MF_PHASE_SUCCEEDED, NULL, 0, false},
        {{0}, false, false, true, MF_PHASE_FAILED, "OutputsNotFound", pb_core_ExecutionError_USER, false},
        {{0}, true, false, false, MF_PHASE_FAILED, "OutputsNotFound", pb_core_ExecutionError_USER, false},
        {{.wait_status = EXITED(1)},
         false,
         false,
         true,
         MF_PHASE_FAILED,
         "ExitCode1",
         pb_core_ExecutionError_USER,
         true},
        {{.wait_status = EXITED(127)},
         false,
         false,
         true,
         MF_PHASE_FAILED,
         "ContainerCannotRun",
         pb_core_ExecutionError_USER,
         false},
        {{.wait_status = EXITED(126)},
         false,
         false,
         true,
         MF_PHASE_FAILED,
         "ContainerCannotRun",
         pb_core_ExecutionError_USER,
         false},
        {{.exec_errno = ENOENT},
         false,
         false,
         true,
         MF_PHASE_FAILED,
         "ContainerCannotRun",
         pb_core_ExecutionError_USER,
         false},
        {{.exec_errno = EAGAIN},
         false,
         false,
         true,
         MF_PHASE_FAILED,
         "CannotStart",
         pb_core_ExecutionError_SYSTEM,
         true},
        {{.wait_status = SIGKILL, .over_memory = true},
         false,
         false,
         true,
         MF_PHASE_FAILED,
         "OOMKilled",
         pb_core_ExecutionError_USER,
         true},
        {{.wait_status = SIGKILL},
         false,
         false,
         true,
         MF_PHASE_FAILED,
         "Interrupted",
         pb_core_ExecutionError_SYSTEM,
         true},
        {{.wait_status = SIGTERM},
         false,
         false,
         true,
         MF_PHASE_FAILED,
         "Interrupted",
         pb_core_ExecutionError_SYSTEM,
         true},
        {{.wait_status = SIGBUS},
         false,
         false,
         true,
         MF_PHASE_FAILED,
         "Signal7",
         pb_core_ExecutionError_USER,
         true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_verdict verdict =
            decide(*state, (struct mf_verdict_input){.outcome = &rows[i].outcome,
                                                     .has_outputs = rows[i].outputs,
                                                     .outputs_valid = rows[i].valid,
                                                     .outputs_declared = rows[i].declared});
        assert_int_equal(verdict.phase, rows[i].phase);
        assert_int_equal(verdict.write_empty_outputs,
                         rows[i].phase == MF_PHASE_SUCCEEDED && !rows[i].outputs);
        if (!rows[i].code)
            continue;
        assert_str(verdict.error.code, rows[i].code);
        assert_int_equal(verdict.error.kind, rows[i].kind);
        assert_int_equal(verdict.error.recoverability, rows[i].recoverable
                                                           ? pb_core_ContainerError_RECOVERABLE
                                                           : pb_core_ContainerError_NON_RECOVERABLE);
        assert_true(verdict.error.message.len > 10);
    }
}

static void error_document_comes_before_everything_else(void **state)
{
    static const struct mf_outcome killed = {.wait_status = SIGKILL};
    struct mf_verdict_input in = {.outcome = &killed,
                                  .has_error = true,
                                  .has_outputs = true,
                                  .outputs_valid = true,
                                  .error_uri = MF_STR("s3://b/error.pb")};
    in.error_document = document(*state, pb_core_ContainerError_RECOVERABLE, pb_core_ExecutionError_SYSTEM);
    struct mf_verdict verdict = decide(*state, in);
    assert_str(verdict.error.code, "KeyError");
    assert_int_equal(verdict.error.kind, pb_core_ExecutionError_SYSTEM);
    assert_true(verdict.retry && verdict.retry_is_system);
    assert_str(verdict.error.error_uri, "s3://b/error.pb");
    in.error_document =
        document(*state, pb_core_ContainerError_NON_RECOVERABLE, pb_core_ExecutionError_UNKNOWN);
    verdict = decide(*state, in);
    assert_int_equal(verdict.error.kind, pb_core_ExecutionError_USER);
    assert_false(verdict.retry);
    in.error_document = MF_STR("\x0a\xff garbage");
    verdict = decide(*state, in);
    assert_str(verdict.error.code, "BadErrorFile");
    assert_int_equal(verdict.error.kind, pb_core_ExecutionError_SYSTEM);
    in.error_document = MF_STR_EMPTY;
    assert_str(decide(*state, in).error.code, "BadErrorFile");
}

static void a_system_error_of_the_task_may_cost_its_own_retries(void **state)
{
    static const struct mf_demand demand = {.retries = 1, .backoff_factor = 1};
    static const struct mf_outcome fine = {0};
    struct mf_verdict_input in = {.demand = &demand, .outcome = &fine, .has_error = true};
    in.error_document = document(*state, pb_core_ContainerError_RECOVERABLE, pb_core_ExecutionError_SYSTEM);
    struct mf_verdict verdict = decide(*state, in);
    assert_true(verdict.retry && verdict.retry_is_system);
    in.system_retries = MF_SYSTEM_RETRIES;
    verdict = decide(*state, in);
    assert_true(verdict.retry && !verdict.retry_is_system);
    assert_int_equal(verdict.error.kind, pb_core_ExecutionError_SYSTEM);
    in.user_retries = 1;
    assert_false(decide(*state, in).retry);
}

static void deadline_comes_before_files(void **state)
{
    static const struct mf_demand demand = {.retries = 1, .backoff_factor = 1};
    static const struct mf_outcome fine = {0};
    struct mf_verdict_input in = {.demand = &demand,
                                  .outcome = &fine,
                                  .has_outputs = true,
                                  .outputs_valid = true,
                                  .expiry = MF_EXPIRY_MAX_RUNTIME};
    struct mf_verdict verdict = decide(*state, in);
    assert_int_equal(verdict.phase, MF_PHASE_TIMED_OUT);
    assert_str(verdict.error.code, "MAX_RUNTIME_EXCEEDED");
    assert_true(verdict.retry);
    assert_false(verdict.retry_is_system);
    in.user_retries = 1;
    assert_false(decide(*state, in).retry);
    in.user_retries = 0;
    in.expiry = MF_EXPIRY_DEADLINE;
    verdict = decide(*state, in);
    assert_str(verdict.error.code, "DEADLINE_EXCEEDED");
    assert_false(verdict.retry);
    in.expiry = MF_EXPIRY_QUEUED;
    assert_str(decide(*state, in).error.code, "QUEUED_TIMEOUT_EXCEEDED");
}

static void lost_attempts_are_tried_again_ever_later(void **state)
{
    static const int64_t seconds[] = {1, 2, 4};
    struct mf_verdict_input in = {.outcome = NULL};
    for (int32_t i = 0; i < 3; i++) {
        in.system_retries = i;
        struct mf_verdict verdict = decide(*state, in);
        assert_str(verdict.error.code, "Interrupted");
        assert_true(verdict.retry && verdict.retry_is_system);
        assert_int_equal(verdict.delay_ns, seconds[i] * 1000000000);
    }
    in.system_retries = 3;
    assert_false(decide(*state, in).retry);
    in.ran_ns = MF_VERDICT_SYSTEM_RESET_NS; /* it had run well for a while */
    assert_true(decide(*state, in).retry);
    in.system_retries = MF_SYSTEM_RETRIES_ALL;
    assert_false(decide(*state, in).retry);
    in.has_outputs = true; /* it was done before it was lost */
    in.outputs_valid = true;
    assert_int_equal(decide(*state, in).phase, MF_PHASE_SUCCEEDED);
}

static void users_retries_wait_by_their_backoff(void **state)
{
    static const struct mf_demand demand = {
        .retries = 5, .backoff_base_ns = 1000, .backoff_factor = 3, .backoff_cap_ns = 20000};
    static const int64_t delays[] = {1000, 3000, 9000, 20000, 20000};
    static const struct mf_outcome failed = {.wait_status = EXITED(1)};
    for (int32_t i = 0; i < 5; i++) {
        struct mf_verdict verdict = decide(
            *state, (struct mf_verdict_input){.demand = &demand, .outcome = &failed, .user_retries = i});
        assert_true(verdict.retry);
        assert_int_equal(verdict.delay_ns, delays[i]);
    }
}

static void tail_of_the_log_becomes_valid_text(void **state)
{
    static const struct mf_outcome failed = {.wait_status = EXITED(2),
                                             .tail = {.ptr = "\xbc\xff why \xe2\x82", .len = 9}};
    struct mf_verdict verdict = decide(*state, (struct mf_verdict_input){.outcome = &failed});
    assert_true(mf_utf8_valid(verdict.error.message.ptr, verdict.error.message.len));
    assert_true(mf_str_find(verdict.error.message, MF_STR(" why ")) != SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ends_by_the_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(error_document_comes_before_everything_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_system_error_of_the_task_may_cost_its_own_retries, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(deadline_comes_before_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lost_attempts_are_tried_again_ever_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(users_retries_wait_by_their_backoff, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tail_of_the_log_becomes_valid_text, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
