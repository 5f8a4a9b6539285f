/* Real processes under real shims: how attempts end, are retried, aborted, and found again after a restart.
 */
#include "world.h"

#include "base/list.h"
#include "exec/process/launch.h"
#include "exec/process/shim.h"
#include "gen/flyteidl2/core/catalog.pb.h"
#include "gen/flyteidl2/core/execution.pb.h"
#include "store/abort_work.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- how an attempt ends ---- */

static void succeeds_with_log_and_leaves_nothing(void **state)
{
    struct world *w = *state;
    world_start(w);
    int64_t run = world_add(
        w, "a0", &(struct world_task){.script = "echo out; echo err >&2; pwd > @/pwd; env > @/env"});
    struct mf_action_row row = world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
    assert_int_equal(row.attempts, 1);
    assert_true(row.running_at > 0);
    struct mf_str outputs = world_uri(w, run, "/a0/1");
    assert_true(mf_str_eq(row.output_uri, outputs));
    bool exists = false;
    int64_t size = -1;
    outputs = world_uri(w, run, "/a0/1/outputs.pb");
    assert_int_equal(mf_object_exists(w->objects, outputs, &exists, &size, &w->err), MF_OK);
    assert_true(exists);
    assert_int_equal(size, 0);
    struct mf_str log = world_log(w, run, "a0", 1);
    assert_true(mf_str_find(log, MF_STR("out\n")) != SIZE_MAX &&
                mf_str_find(log, MF_STR("err\n")) != SIZE_MAX);
    assert_int_equal(world_process_count(w), 0);
    struct mf_str env = world_read_file(w, "env");
    static const char *const wanted[] = {
        "RUN_NAME=r1000\n",    "ACTION_NAME=a0\n",   "_U_RUN_BASE=s3://bucket/r1000\n",
        "_U_USE_ACTIONS=1\n",  "_U_INSECURE=true\n", "FLYTE_ATTEMPT_NUMBER=0\n",
        "_U_ORG_NAME=local\n", "_F_PN=r1000-a0-0\n", "FLYTE_AWS_ACCESS_KEY_ID=key\n",
        "OF_TASK=task\n",      "OF_BOTH=run\n"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        assert_true(mf_str_find(env, mf_str_from_c(wanted[i])) != SIZE_MAX);
    assert_true(mf_str_find(env, MF_STR("LD_LIBRARY")) == SIZE_MAX);
    assert_true(mf_str_find(world_read_file(w, "pwd"), MF_STR("/work/1000/a0-1/cwd")) != SIZE_MAX);
    world_stop(w); /* which waits for the removal */
    assert_false(world_has_file(w, "work/1000"));
}

static void exit_code_fails_with_the_end_of_the_log(void **state)
{
    struct world *w = *state;
    world_start(w);
    int64_t run = world_add(w, "a0", &(struct world_task){.script = "echo the reason; exit 3"});
    struct mf_action_row row = world_wait_phase(w, run, "a0", MF_PHASE_FAILED);
    world_assert_error(w, &row, "ExitCode3");
    assert_true(mf_str_find(world_error_message(w, &row), MF_STR("the reason")) != SIZE_MAX);
    world_stop(w);
    assert_true(world_has_file(w, "work/1000/a0-1")); /* to look into */
}

static void signal_of_its_own_fails(void **state)
{
    struct world *w = *state;
    world_start(w);
    int64_t run = world_add(w, "a0", &(struct world_task){.script = "kill -SEGV $$"});
    struct mf_action_row row = world_wait_phase(w, run, "a0", MF_PHASE_FAILED);
    world_assert_error(w, &row, "Signal11");
}

static void missing_outputs_fail(void **state)
{
    struct world *w = *state;
    world_start(w);
    int64_t run = world_add(w, "a0", &(struct world_task){.script = "exit 0", .declares_outputs = true});
    struct mf_action_row row = world_wait_phase(w, run, "a0", MF_PHASE_FAILED);
    world_assert_error(w, &row, "OutputsNotFound");
}

static void put(struct world *w, struct mf_str uri, struct mf_str bytes)
{
    assert_int_equal(mf_object_write(w->objects, uri, bytes, MF_STR("application/octet-stream"), &w->err),
                     MF_OK);
}

static void outputs_outweigh_the_exit_code(void **state)
{
    struct world *w = *state;
    int64_t run = WORLD_RUN;
    put(w, world_uri(w, run, "/a0/1/outputs.pb"), MF_STR_EMPTY);
    put(w, world_uri(w, run, "/a0/1/report.html"), MF_STR("<p>"));
    world_start(w);
    world_add(w, "a0", &(struct world_task){.script = "exit 9", .declares_outputs = true});
    world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
}

static void error_document_decides(void **state)
{
    struct world *w = *state;
    int64_t run = WORLD_RUN;
    struct mf_str bytes;
    struct pb_core_ContainerError error = {.code = MF_STR("ValueError"),
                                           .message = MF_STR("bad value"),
                                           .kind = pb_core_ContainerError_NON_RECOVERABLE,
                                           .origin = pb_core_ExecutionError_USER};
    const struct pb_core_ErrorDocument document = {.error = &error};
    assert_int_equal(pb_encode(w->arena, &pb_core_ErrorDocument_type, &document, &bytes, &w->err), MF_OK);
    put(w, world_uri(w, run, "/a0/1/error.pb"), bytes);
    world_start(w);
    world_add(w, "a0", &(struct world_task){.script = "exit 0", .retries = 5});
    struct mf_action_row row = world_wait_phase(w, run, "a0", MF_PHASE_FAILED);
    world_assert_error(w, &row, "ValueError");
    assert_str(world_error_message(w, &row), "bad value");
    assert_int_equal(row.attempts, 1);
}

static void retry_is_a_new_attempt(void **state)
{
    struct world *w = *state;
    world_start(w);
    int64_t run =
        world_add(w, "a0",
                  &(struct world_task){.script = "echo $FLYTE_ATTEMPT_NUMBER; [ $FLYTE_ATTEMPT_NUMBER = 2 ]",
                                       .retries = 2});
    struct mf_action_row row = world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
    assert_int_equal(row.attempts, 3);
    assert_int_equal(row.user_retries, 2);
    assert_str(world_log(w, run, "a0", 2), "1\n");
    run = world_add(w, "a0", &(struct world_task){.script = "exit 4", .retries = 1});
    row = world_wait_phase(w, run, "a0", MF_PHASE_FAILED);
    assert_int_equal(row.attempts, 2);
}

static void what_cannot_run_fails_and_says_why(void **state)
{
    struct world *w = *state;
    static const struct {
        struct world_task task;
        const char *code;
    } rows[] = {
        {{.script = "true", .secret = true}, "SecretNotFound"},
        {{.no_container = true}, "UnsupportedTaskType"},
        {{.program = "no-such-program-anywhere"}, "ContainerCannotRun"},
        {{.program = "/etc/hostname"}, "ContainerCannotRun"},
        {{.script = "no-such-program-anywhere"}, "ContainerCannotRun"},
        {{.script = "echo {{.inputs.x}}"}, "BadTaskSpecification"},
    };
    world_start(w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t run = world_add(w, "a0", &rows[i].task);
        struct mf_action_row row = world_wait_phase(w, run, "a0", MF_PHASE_FAILED);
        world_assert_error(w, &row, rows[i].code);
        assert_true(world_error_message(w, &row).len > 20);
    }
    assert_int_equal(world_process_count(w), 0);
}

static void too_much_memory_is_ended(void **state)
{
    struct world *w = *state;
    world_start(w);
    int64_t run =
        world_add(w, "a0",
                  &(struct world_task){.script = "a=$(head -c 200000000 /dev/zero | tr '\\0' x); sleep 300",
                                       .memory_limit = "64Mi"});
    struct mf_action_row row = world_wait_phase(w, run, "a0", MF_PHASE_FAILED);
    world_assert_error(w, &row, "OOMKilled");
}

static void newest_checkpoint_is_handed_on(void **state)
{
    struct world *w = *state;
    int64_t run = WORLD_RUN;
    put(w, world_uri(w, run, "/a0/1/_flytecheckpoints/state"), MF_STR("x"));
    world_start(w);
    world_add(w, "a0",
              &(struct world_task){.script = "echo {{.prevCheckpointPrefix}}; [ $FLYTE_ATTEMPT_NUMBER = 2 ]",
                                   .retries = 2});
    world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
    assert_str(world_log(w, run, "a0", 1), "\n"); /* two quotes, which the shell has taken */
    assert_str(world_log(w, run, "a0", 2), "s3://bucket/r1000/a0/1/_flytecheckpoints\n");
    assert_str(world_log(w, run, "a0", 3), "s3://bucket/r1000/a0/1/_flytecheckpoints\n");
}

struct follower {
    struct mf_subscription subscription;
    _Atomic int wakes;
};

static void on_log(struct mf_subscription *subscription)
{
    atomic_fetch_add(&MF_CONTAINER(subscription, struct follower, subscription)->wakes, 1);
}

static void followers_of_a_log_are_told(void **state)
{
    struct world *w = *state;
    struct follower follower = {.wakes = 0};
    world_start(w);
    mf_hub_subscribe(w->hub, &follower.subscription,
                     (struct mf_topic){.kind = MF_TOPIC_LOG,
                                       .run_id = WORLD_RUN,
                                       .hash = mf_topic_hash2(MF_STR("a0"), MF_STR("1"))},
                     on_log);
    int64_t run = world_add(
        w, "a0",
        &(struct world_task){.script = "touch @/on; while [ ! -e @/go ]; do sleep 0.02; done; echo line; "
                                       "while [ ! -e @/end ]; do sleep 0.02; done"});
    world_wait_phase(w, run, "a0", MF_PHASE_RUNNING);
    world_wait_file(w, "on");
    int64_t until = mf_mono_ns(mf_sys_real()) + WORLD_WAIT_S * INT64_C(1000000000);
    while (atomic_load(&follower.wakes) == 0 && mf_mono_ns(mf_sys_real()) < until)
        usleep(1000);
    int before = atomic_load(&follower.wakes); /* the log is there */
    assert_true(before > 0);
    world_make_file(w, "go");
    while (atomic_load(&follower.wakes) == before && mf_mono_ns(mf_sys_real()) < until)
        usleep(1000);
    assert_true(atomic_load(&follower.wakes) > before);
    world_make_file(w, "end");
    world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
    mf_hub_unsubscribe(w->hub, &follower.subscription);
}

/* ---- deadlines ---- */

static void attempt_that_runs_too_long_is_ended(void **state)
{
    struct world *w = *state;
    world_start(w);
    int64_t run =
        world_add(w, "a0", &(struct world_task){.script = "echo $$ > @/pid; exec sleep 300", .timeout_s = 1});
    long pid = world_read_number(w, "pid");
    struct mf_action_row row = world_wait_phase(w, run, "a0", MF_PHASE_TIMED_OUT);
    world_assert_error(w, &row, "MAX_RUNTIME_EXCEEDED");
    world_wait_dead(pid);
    run = world_add(w, "a0",
                    &(struct world_task){.script = "exec sleep 300", .deadline_ms = 700, .retries = 9});
    row = world_wait_phase(w, run, "a0", MF_PHASE_TIMED_OUT);
    world_assert_error(w, &row, "DEADLINE_EXCEEDED");
    assert_int_equal(row.attempts, 1);
}

static void waiting_too_long_times_out(void **state)
{
    struct world *w = *state;
    w->cpus = 1;
    world_start(w);
    int64_t run = world_add(
        w, "a0", &(struct world_task){.script = "touch @/runs; while [ ! -e @/go ]; do sleep 0.05; done"});
    world_wait_file(w, "runs");
    int64_t second =
        world_add(w, "a0", &(struct world_task){.script = "touch @/never", .queued_timeout_ms = 300});
    struct mf_action_row row = world_wait_phase(w, second, "a0", MF_PHASE_TIMED_OUT);
    world_assert_error(w, &row, "QUEUED_TIMEOUT_EXCEEDED");
    world_add_condition(w, run, "c1", "a0", 300);
    row = world_wait_phase(w, run, "c1", MF_PHASE_TIMED_OUT);
    world_assert_error(w, &row, "ConditionTimedOut");
    world_make_file(w, "go");
    world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
    assert_false(world_has_file(w, "never"));
}

/* ---- abort ---- */

#define TREE                                                                                                 \
    "trap '' TERM; echo $$ > @/1; (trap '' TERM; sleep 300 & echo $! > @/2; wait) & "                        \
    "setsid sh -c 'trap \"\" TERM; echo $$ > @/3; sleep 300; sleep 300' & "                                  \
    "sh -c 'sleep 300 & echo $! > @/4' ; while :; do sleep 1; done"

static void abort_leaves_no_process(void **state)
{
    struct world *w = *state;
    long pids[4];
    world_start(w);
    int64_t run = world_add(w, "a0", &(struct world_task){.script = TREE});
    static const char *const names[] = {"1", "2", "3", "4"};
    for (size_t i = 0; i < 4; i++)
        pids[i] = world_read_number(w, names[i]);
    world_wait_phase(w, run, "a0", MF_PHASE_RUNNING);
    world_abort(w, run, "a0");
    world_wait_no_process(w);
    for (size_t i = 0; i < 4; i++)
        world_wait_dead(pids[i]);
    assert_int_equal(world_row(w, run, "a0").phase, MF_PHASE_ABORTED);
}

static void leftovers_are_killed_after_the_end(void **state)
{
    struct world *w = *state;
    world_start(w);
    int64_t run =
        world_add(w, "a0",
                  &(struct world_task){
                      .script = "sleep 300 & echo $! > @/1; setsid sleep 300 & echo $! > @/2; exit 0"});
    world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
    world_wait_dead(world_read_number(w, "1"));
    world_wait_dead(world_read_number(w, "2"));
}

static void queued_and_aborted_never_runs(void **state)
{
    struct world *w = *state;
    w->cpus = 1;
    world_start(w);
    int64_t run = world_add(
        w, "a0", &(struct world_task){.script = "touch @/runs; while [ ! -e @/go ]; do sleep 0.05; done"});
    world_wait_file(w, "runs");
    int64_t second = world_add(w, "a0", &(struct world_task){.script = "touch @/never"});
    int64_t third = world_add(w, "a0", &(struct world_task){.script = "touch @/third"});
    world_abort(w, second, "a0");
    world_make_file(w, "go");
    world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
    world_wait_phase(w, third, "a0", MF_PHASE_SUCCEEDED);
    assert_false(world_has_file(w, "never"));
}

/* ---- restarts ---- */

#define ONCE "echo once >> @/count; echo $$ > @/pid; while [ ! -e @/go ]; do sleep 0.05; done; echo end"

static void running_task_is_adopted(void **state)
{
    struct world *w = *state;
    world_start(w);
    int64_t run = world_add(w, "a0", &(struct world_task){.script = ONCE});
    world_wait_phase(w, run, "a0", MF_PHASE_RUNNING);
    world_wait_file(w, "pid");
    world_stop(w);
    assert_int_equal(world_process_count(w), 1);
    world_start(w);
    world_make_file(w, "go");
    struct mf_action_row row = world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
    assert_int_equal(row.attempts, 1);
    assert_str(world_read_file(w, "count"), "once\n");
    assert_str(world_log(w, run, "a0", 1), "end\n");
    assert_int_equal(world_process_count(w), 0);
}

static void task_that_ended_meanwhile_is_finished(void **state)
{
    struct world *w = *state;
    world_start(w);
    int64_t run = world_add(w, "a0", &(struct world_task){.script = ONCE " ; exit 7"});
    world_wait_phase(w, run, "a0", MF_PHASE_RUNNING);
    world_stop(w);
    world_make_file(w, "go");
    world_wait_file(w, "work/1000/a0-1/" MF_LAUNCH_STATUS_FILE);
    world_start(w);
    struct mf_action_row row = world_wait_phase(w, run, "a0", MF_PHASE_FAILED);
    world_assert_error(w, &row, "ExitCode7");
    assert_str(world_read_file(w, "count"), "once\n");
}

static void lost_task_is_killed_and_tried_again(void **state)
{
    struct world *w = *state;
    world_start(w);
    int64_t run = world_add(w, "a0", &(struct world_task){.script = ONCE});
    world_wait_phase(w, run, "a0", MF_PHASE_RUNNING);
    long pid = world_read_number(w, "pid");
    struct mf_process_row process = world_process(w);
    world_stop(w);
    assert_int_equal(kill((pid_t)process.pid, SIGKILL), 0);
    world_wait_dead(process.pid);
    world_start(w);
    world_wait_dead(pid); /* nobody would see its end */
    world_make_file(w, "go");
    struct mf_action_row row = world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
    assert_int_equal(row.attempts, 2);
    assert_int_equal(row.system_retries, 1);
    assert_int_equal(row.user_retries, 0);
    struct mf_str log = world_log(w, run, "a0", 1); /* ended, though its writer was killed */
    assert_true(mf_str_find(log, MF_STR("has gone")) != SIZE_MAX);
}

static void killed_shim_is_noticed_at_once(void **state)
{
    struct world *w = *state;
    world_start(w);
    int64_t run = world_add(w, "a0", &(struct world_task){.script = ONCE});
    world_wait_phase(w, run, "a0", MF_PHASE_RUNNING);
    long pid = world_read_number(w, "pid");
    assert_int_equal(kill((pid_t)world_process(w).pid, SIGKILL), 0);
    world_wait_dead(pid);
    world_make_file(w, "go");
    assert_int_equal(world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED).attempts, 2);
}

/* Whether the abort of the first attempt still has something to end. */
static bool abort_is_at_work(struct world *w, int64_t run)
{
    struct mf_db *db = NULL;
    struct mf_abort_work work;
    assert_int_equal(mf_store_reader(w->store, &db, &w->err), MF_OK);
    enum mf_code code = mf_abort_work_get(db, w->arena, run, MF_STR("a0"), 1, &work, &w->err);
    mf_store_reader_done(w->store, db);
    return code == MF_OK;
}

static void abort_while_the_server_was_down_is_carried_out(void **state)
{
    struct world *w = *state;
    world_start(w);
    int64_t run = world_add(w, "a0", &(struct world_task){.script = ONCE});
    world_wait_phase(w, run, "a0", MF_PHASE_RUNNING);
    long pid = world_read_number(w, "pid");
    world_stop(w);
    assert_false(abort_is_at_work(w, run));
    world_abort(w, run, "a0");
    assert_true(abort_is_at_work(w, run));
    world_start(w);
    world_wait_no_process(w);
    world_wait_dead(pid);
    assert_int_equal(world_row(w, run, "a0").phase, MF_PHASE_ABORTED);
    assert_false(abort_is_at_work(w, run));
}

static void attempt_that_never_began_begins_as_itself(void **state)
{
    struct world *w = *state;
    int64_t run = world_add(w, "a0", &(struct world_task){.script = "echo once >> @/count"});
    world_record_start(w, run, "a0", 4194304); /* no process has a number so high */
    world_start(w);
    struct mf_action_row row = world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
    assert_int_equal(row.attempts, 1);
    assert_str(world_read_file(w, "count"), "once\n");
}

#define TEN 10

/* The server that is killed: the other half of the next test, in a process of its own. */
static int serve_until_killed(const char *dir)
{
    struct world *w = world_new(dir);
    w->cpus = TEN;
    world_open(w);
    world_start(w);
    for (int i = 0; i < TEN; i++) {
        const char *script = mf_str_to_c(
            w->arena,
            mf_str_printf(w->arena, "echo once >> @/count%d; while [ ! -e @/go ]; do sleep 0.05; done", i));
        world_add(w, "a0", &(struct world_task){.script = script});
    }
    for (int i = 0; i < TEN; i++)
        world_wait_phase(w, WORLD_RUN + i, "a0", MF_PHASE_RUNNING);
    world_make_file(w, "ready");
    alarm(2 * WORLD_WAIT_S); /* should the test fail before it kills us */
    while (pause() != 0)
        ;
    return 0;
}

static void killed_server_finds_its_ten_tasks_again(void **state)
{
    struct world *w = *state;
    char name[16];
    world_close(w);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "process_exec_test", "_serve", w->dir, NULL);
        _exit(1);
    }
    world_wait_file(w, "ready");
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    world_open(w);
    w->cpus = TEN;
    world_start(w);
    world_make_file(w, "go");
    for (int i = 0; i < TEN; i++) {
        assert_int_equal(world_wait_phase(w, WORLD_RUN + i, "a0", MF_PHASE_SUCCEEDED).attempts, 1);
        snprintf(name, sizeof name, "count%d", i);
        assert_str(world_read_file(w, name), "once\n");
    }
    assert_int_equal(world_process_count(w), 0);
}

/* Stops the executor at ever other moments while tasks are being started, run and finished. */
static void stops_at_any_moment_lose_and_repeat_nothing(void **state)
{
    struct world *w = *state;
    char name[16];
    for (int i = 0; i < 24; i++) {
        const char *script = mf_str_to_c(w->arena, mf_str_printf(w->arena, "echo once >> @/count%d", i));
        world_add(w, "a0", &(struct world_task){.script = script});
    }
    for (int i = 0; i < 24; i += 3) {
        world_start(w);
        snprintf(name, sizeof name, "count%d", i);
        world_wait_file(w, name);
        world_stop(w);
    }
    world_start(w);
    for (int i = 0; i < 24; i++) {
        assert_int_equal(world_wait_phase(w, WORLD_RUN + i, "a0", MF_PHASE_SUCCEEDED).attempts, 1);
        snprintf(name, sizeof name, "count%d", i);
        assert_str(world_read_file(w, name), "once\n");
    }
}

static void queued_before_the_start_runs(void **state)
{
    struct world *w = *state;
    int64_t run = world_add(w, "a0", &(struct world_task){.script = "true"});
    world_start(w);
    world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
}

/* ---- sharing the machine ---- */

#define WAIT_FOR_GO "while [ ! -e @/go ]; do sleep 0.05; done"

/* One share, and a chain of parents that is deeper: each gives its share back while it waits. */
static void waiting_parents_give_their_share_back(void **state)
{
    struct world *w = *state;
    char names[6][4];
    w->cpus = 1;
    world_start(w);
    int64_t run = world_add(w, "a0", &(struct world_task){.script = "touch @/a0; " WAIT_FOR_GO});
    const char *parent = "a0";
    for (int i = 0; i < 5; i++) {
        snprintf(names[i], sizeof names[i], "c%d", i);
        world_wait_file(w, parent);
        const char *script =
            mf_str_to_c(w->arena, mf_str_printf(w->arena, "touch @/%s; " WAIT_FOR_GO, names[i]));
        world_add(w, names[i], &(struct world_task){.script = script, .parent = parent, .run_id = run});
        parent = names[i];
    }
    world_wait_file(w, "c4");
    int64_t other = world_add(w, "a0", &(struct world_task){.script = "touch @/other"});
    world_make_file(w, "go");
    world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
    world_wait_phase(w, other, "a0", MF_PHASE_SUCCEEDED);
}

static void run_keeps_to_its_own_limit(void **state)
{
    struct world *w = *state;
    world_start(w);
    int64_t run =
        world_add(w, "a0", &(struct world_task){.script = "touch @/a0; " WAIT_FOR_GO, .max_active = 1});
    world_wait_file(w, "a0");
    world_add(w, "c1",
              &(struct world_task){.script = "touch @/c1; " WAIT_FOR_GO, .parent = "a0", .run_id = run});
    world_wait_file(w, "c1"); /* a0 only waits now */
    world_add(w, "c2", &(struct world_task){.script = "touch @/c2", .parent = "a0", .run_id = run});
    int64_t other = world_add(w, "a0", &(struct world_task){.script = "true"});
    world_wait_phase(w, other, "a0", MF_PHASE_SUCCEEDED);
    assert_int_equal(world_row(w, run, "c2").phase, MF_PHASE_QUEUED);
    /* The end of a0 would abort c2, so c1 is let go by its own end. */
    world_abort(w, run, "c1");
    world_wait_file(w, "c2");
    world_wait_phase(w, run, "c2", MF_PHASE_SUCCEEDED);
    world_make_file(w, "go");
    world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
}

/* ---- cache ---- */

static void second_call_takes_the_outputs_of_the_first(void **state)
{
    struct world *w = *state;
    const struct world_task task = {.script = "echo x >> @/count", .cache_key = "key-1"};
    world_start(w);
    int64_t run = world_add(w, "a0", &task);
    struct mf_action_row first = world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
    assert_int_equal(first.cache_status, pb_core_CACHE_POPULATED);
    run = world_add(w, "a0", &task);
    struct mf_action_row second = world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
    assert_int_equal(second.cache_status, pb_core_CACHE_HIT);
    assert_true(mf_str_eq(first.output_uri, second.output_uri));
    assert_str(world_read_file(w, "count"), "x\n");
    struct world_task anew = task;
    anew.overwrite_cache = true;
    run = world_add(w, "a0", &anew);
    struct mf_action_row third = world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
    assert_int_equal(third.cache_status, pb_core_CACHE_POPULATED);
    run = world_add(w, "a0", &task);
    second = world_wait_phase(w, run, "a0", MF_PHASE_SUCCEEDED);
    assert_true(mf_str_eq(third.output_uri, second.output_uri));
}

static void serial_tasks_compute_once(void **state)
{
    struct world *w = *state;
    int64_t runs[4];
    const struct world_task task = {
        .script = "echo x >> @/count; " WAIT_FOR_GO, .cache_key = "key-2", .serializable = true};
    world_start(w);
    for (size_t i = 0; i < 4; i++)
        runs[i] = world_add(w, "a0", &task);
    world_wait_file(w, "count");
    world_make_file(w, "go");
    for (size_t i = 0; i < 4; i++)
        world_wait_phase(w, runs[i], "a0", MF_PHASE_SUCCEEDED);
    assert_str(world_read_file(w, "count"), "x\n");
}

static void failed_serial_task_lets_the_next_one_try(void **state)
{
    struct world *w = *state;
    const struct world_task task = {
        .script = "echo x >> @/count; exit 1", .cache_key = "key-3", .serializable = true};
    world_start(w);
    int64_t first = world_add(w, "a0", &task);
    int64_t second = world_add(w, "a0", &task);
    world_wait_phase(w, first, "a0", MF_PHASE_FAILED);
    world_wait_phase(w, second, "a0", MF_PHASE_FAILED);
    assert_str(world_read_file(w, "count"), "x\nx\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(succeeds_with_log_and_leaves_nothing),
        TEST(exit_code_fails_with_the_end_of_the_log),
        TEST(signal_of_its_own_fails),
        TEST(missing_outputs_fail),
        TEST(outputs_outweigh_the_exit_code),
        TEST(error_document_decides),
        TEST(retry_is_a_new_attempt),
        TEST(what_cannot_run_fails_and_says_why),
        TEST(too_much_memory_is_ended),
        TEST(newest_checkpoint_is_handed_on),
        TEST(followers_of_a_log_are_told),
        TEST(attempt_that_runs_too_long_is_ended),
        TEST(waiting_too_long_times_out),
        TEST(abort_leaves_no_process),
        TEST(leftovers_are_killed_after_the_end),
        TEST(queued_and_aborted_never_runs),
        TEST(running_task_is_adopted),
        TEST(task_that_ended_meanwhile_is_finished),
        TEST(lost_task_is_killed_and_tried_again),
        TEST(killed_shim_is_noticed_at_once),
        TEST(abort_while_the_server_was_down_is_carried_out),
        TEST(attempt_that_never_began_begins_as_itself),
        TEST(killed_server_finds_its_ten_tasks_again),
        TEST(stops_at_any_moment_lose_and_repeat_nothing),
        TEST(queued_before_the_start_runs),
        TEST(waiting_parents_give_their_share_back),
        TEST(run_keeps_to_its_own_limit),
        TEST(second_call_takes_the_outputs_of_the_first),
        TEST(serial_tasks_compute_once),
        TEST(failed_serial_task_lets_the_next_one_try),
    };
    if (argc > 1 && strcmp(argv[1], "_shim") == 0)
        return mf_shim_main(argc - 2, argv + 2);
    if (argc > 2 && strcmp(argv[1], "_serve") == 0)
        return serve_until_killed(argv[2]);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
