/* READY → RUNNING: prepares folder, command line and shim, records all of it, and only then lets the shim go
 * on. */
#include "exec/process/state.h"

#include "gen/flyteidl2/core/catalog.pb.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/task/run.pb.h"
#include "store/object.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEND_TIMEOUT_S 10
#define SEND_ON_LOOP ((size_t)64 << 10) /* what an empty socket surely takes at once */

struct start {
    struct mf_step step;
    struct mf_exec_rows rows;
    struct mf_launch launch;
    struct mf_str message; /* the encoded launch */
    const char *work_dir;
    const char *fault;
    bool stale; /* the action is no longer what we wanted to start */
    pid_t pid;
    int64_t pid_start;
    int socket;
    int32_t cache_status;
    const char *boot_id;
    bool resume;
};

/* ---- on a helper thread ---- */

/* Action names come from outside; one that is no plain word must not become a path. */
static bool is_word(struct mf_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!isalnum((unsigned char)name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '_')
            return false;
    }
    return name.len > 0 && name.len <= 64;
}

enum mf_code mf_exec_key(struct mf_arena *arena, const struct mf_exec *exec, int64_t run_id,
                         struct mf_str name, int32_t attempt, const char **work_dir, struct mf_error *err)
{
    struct mf_str path = is_word(name)
                             ? mf_str_printf(arena, "%s/%lld/%.*s-%d", exec->work_root, (long long)run_id,
                                             MF_FMT(name), attempt)
                             : mf_str_printf(arena, "%s/%lld/%016llx-%d", exec->work_root, (long long)run_id,
                                             (unsigned long long)mf_topic_hash(name), attempt);
    *work_dir = path.ptr ? mf_str_to_c(arena, path) : NULL;
    return *work_dir ? MF_OK : mf_fail_memory(err);
}

/* The folder of the newest earlier attempt that has saved something; empty when there is none. */
static enum mf_code find_checkpoint(struct start *start, struct mf_str *out, struct mf_error *err)
{
    struct mf_exec *exec = start->step.exec;
    struct mf_arena *arena = start->step.arena;
    enum mf_code code = MF_OK;
    *out = MF_STR_EMPTY;
    for (int32_t attempt = start->step.attempt - 1; code == MF_OK && attempt > 0 && out->len == 0;
         attempt--) {
        bool found = false;
        struct mf_str folder = mf_str_printf(
            arena, "%.*s/_flytecheckpoints",
            MF_FMT(mf_action_output_folder(arena, start->rows.run.output_base, start->step.name, attempt)));
        code = folder.ptr ? mf_object_any(exec->config.objects, arena, folder, &found, err)
                          : mf_fail_memory(err);
        if (found)
            *out = folder;
    }
    /* What lies in another store nobody here can see. */
    return code == MF_INVALID_ARGUMENT ? MF_OK : code;
}

static enum mf_code make_folders(struct start *start, struct mf_error *err)
{
    static const char *const names[] = {"cwd", "home", "tmp"};
    struct mf_arena *arena = start->step.arena;
    enum mf_code code = mf_exec_key(arena, start->step.exec, start->step.run_id, start->step.name,
                                    start->step.attempt, &start->work_dir, err);
    /* What an attempt that was never started has left behind. */
    if (code == MF_OK)
        code = mf_remove_tree(start->work_dir, err);
    for (size_t i = 0; code == MF_OK && i < sizeof names / sizeof names[0]; i++) {
        struct mf_str path = mf_str_printf(arena, "%s/%s", start->work_dir, names[i]);
        const char *text = path.ptr ? mf_str_to_c(arena, path) : NULL;
        code = text ? mf_make_dirs(text, 0700, err) : mf_fail_memory(err);
    }
    return code;
}

static enum mf_code spawn(struct start *start, struct mf_error *err)
{
    int pair[2];
    sigset_t none;
    sigset_t all;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    struct mf_proc proc;
    struct mf_str title = mf_str_printf(start->step.arena, "%.*s/%.*s/%d", MF_FMT(start->rows.run.name),
                                        MF_FMT(start->step.name), start->step.attempt);
    const char *name = title.ptr ? mf_str_to_c(start->step.arena, title) : NULL;
    const char *self = start->step.exec->config.self_path;
    char *const argv[] = {(char *)(uintptr_t)self, (char *)(uintptr_t) "_shim", (char *)(uintptr_t)name,
                          NULL};
    char *const env[] = {(char *)(uintptr_t) "PATH=/usr/bin:/bin", NULL};
    if (!name)
        return mf_fail_memory(err);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return mf_fail(err, MF_UNAVAILABLE, "cannot make a socket: %s", strerrordesc_np(errno));
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, pair[1], MF_LAUNCH_FD);
    posix_spawn_file_actions_addclosefrom_np(&actions, MF_LAUNCH_FD + 1);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    int failed = posix_spawn(&start->pid, self, &actions, &attributes, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(pair[1]);
    if (failed) {
        close(pair[0]);
        start->pid = 0;
        return mf_fail(err, MF_UNAVAILABLE, "cannot start %s: %s", self, strerrordesc_np(failed));
    }
    start->socket = pair[0];
    start->pid_start = mf_proc_read(start->pid, &proc) ? proc.start : 0;
    return MF_OK;
}

/* Secrets do not outlive the start in the server's memory. */
static void wipe_secrets(void *ctx)
{
    const struct start *start = ctx;
    mf_wipe(start->message);
    for (uint32_t i = 0; i < start->launch.envc && start->launch.env; i++)
        mf_wipe(start->launch.env[i]);
}

static enum mf_code build(struct start *start, struct mf_error *err)
{
    struct mf_exec *exec = start->step.exec;
    struct mf_demand demand;
    struct mf_demand_bounds bounds;
    struct mf_command_input input = {.config = &exec->config,
                                     .python = &exec->python,
                                     .run = &start->rows.run,
                                     .action = &start->rows.action,
                                     .attempt = start->step.attempt,
                                     .template = start->rows.template,
                                     .run_spec = start->rows.run_spec};
    mf_demand_of(start->rows.template, &demand);
    mf_demand_bounds_of(start->rows.run_spec, &bounds);
    mf_demand_bound(&demand, &bounds);
    input.cpu_milli = demand.cpu_milli;
    input.work_dir = mf_str_from_c(start->work_dir);
    if (!mf_arena_defer(start->step.arena, wipe_secrets, start))
        return mf_fail_memory(err);
    enum mf_code code = find_checkpoint(start, &input.checkpoint, err);
    if (code == MF_OK)
        code = mf_command_build(start->step.arena, &input, &start->launch, &start->fault, err);
    if (code != MF_OK)
        return code;
    const char *log = mf_exec_log_path(start->step.arena, exec, &start->rows.run, start->step.name,
                                       start->step.attempt, err);
    if (!log)
        return err->code;
    start->launch.log_path = mf_str_from_c(log);
    start->launch.log_max_bytes = exec->config.log_max_bytes;
    start->launch.grace_ms = exec->config.grace_ms;
    start->launch.memory_max_bytes = demand.memory_max_bytes;
    code = mf_launch_encode(start->step.arena, &start->launch, &start->message, err);
    if (code == MF_RESOURCE_EXHAUSTED)
        start->fault = "BadTaskSpecification";
    return code;
}

static void prepare(struct mf_step *step)
{
    struct start *start = MF_CONTAINER(step, struct start, step);
    step->code = mf_exec_read(step, &start->rows, &step->err);
    if (step->code != MF_OK)
        return;
    const struct mf_action_row *row = &start->rows.action;
    bool queued = row->phase == MF_PHASE_QUEUED || row->phase == MF_PHASE_WAITING_FOR_RESOURCES ||
                  (start->resume && row->phase == MF_PHASE_INITIALIZING);
    start->stale = !queued || row->attempts != step->attempt;
    if (start->stale)
        return;
    step->code = make_folders(start, &step->err);
    if (step->code == MF_OK)
        step->code = build(start, &step->err);
    if (step->code == MF_OK)
        step->code = spawn(start, &step->err);
}

/* ---- in a command ---- */

static enum mf_code record(struct mf_step *step, struct mf_tx *tx, struct mf_error *err)
{
    struct start *start = MF_CONTAINER(step, struct start, step);
    const struct mf_action_change change = {.run_id = step->run_id,
                                            .name = step->name,
                                            .attempt = step->attempt,
                                            .phase = MF_PHASE_INITIALIZING,
                                            .cache_status = start->cache_status};
    const struct mf_process_row process = {.run_id = step->run_id,
                                           .name = step->name,
                                           .attempt = step->attempt,
                                           .pid = start->pid,
                                           .pid_start = start->pid_start,
                                           .boot_id = mf_str_from_c(start->boot_id),
                                           .work_dir = mf_str_from_c(start->work_dir),
                                           .started_at = mf_tx_now_ns(tx)};
    struct mf_action_row row;
    bool applied = false;
    enum mf_code code = MF_OK;
    if (start->resume) {
        code = mf_action_get(mf_tx_db(tx), mf_tx_arena(tx), step->run_id, step->name, &row, err);
        applied = code == MF_OK && row.phase == MF_PHASE_INITIALIZING && row.attempts == step->attempt;
    }
    if (code == MF_OK && !applied)
        code = mf_action_advance(tx, &change, &applied, err);
    if (code == MF_OK && !applied)
        code = mf_fail(err, MF_ABORTED, "the action has ended meanwhile");
    return code == MF_OK ? mf_process_put(mf_tx_db(tx), &process, err) : code;
}

/* ---- on the loop ---- */

/* The shim runs nothing before it has the message, so it can simply be taken away. */
static void take_back(struct start *start)
{
    if (start->socket >= 0)
        close(start->socket);
    start->socket = -1;
    if (start->pid > 0) {
        kill(start->pid, SIGKILL);
        while (waitpid(start->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        start->pid = 0;
    }
}

static void start_again(struct mf_task *task)
{
    mf_task_ready(task);
    mf_exec_admit(task->run->exec);
}

static void give_up(struct start *start, const char *why)
{
    struct mf_task *task = start->step.task;
    struct mf_exec *exec = start->step.exec;
    take_back(start);
    if (!exec->stopping)
        mf_log(MF_LOG_WARN, "exec", "cannot start %s of run %lld, will try again: %s", task->name,
               (long long)task->run->id, why);
    mf_task_stage(task, MF_STAGE_NONE);
    task->retry = start_again;
    task->retry_at = mf_wall_ns(exec->config.sys) + MF_EXEC_RETRY_MS * INT64_C(1000000);
    mf_task_due(task);
}

static void drop(struct start *start)
{
    struct mf_task *task = start->step.task;
    take_back(start);
    if (start->work_dir)
        mf_exec_remove_work_dir(start->step.exec, start->work_dir);
    mf_task_release(task);
    mf_task_ended(task);
}

static void on_sent(struct mf_step *step)
{
    struct start *start = MF_CONTAINER(step, struct start, step);
    mf_step_end(&start->step);
}

static void send_message(struct mf_step *step)
{
    const struct start *start = MF_CONTAINER(step, struct start, step);
    struct mf_str rest = start->message;
    while (rest.len > 0) {
        ssize_t sent = send(start->socket, rest.ptr, rest.len, MSG_NOSIGNAL);
        if (sent > 0)
            rest = mf_str_skip(rest, (size_t)sent);
        else if (errno != EINTR)
            break; /* a shim that does not read is found by its end */
    }
    /* A shim that has got half of it must not wait for the rest. */
    if (rest.len > 0)
        shutdown(start->socket, SHUT_RDWR);
}

static void after_send(struct mf_step *step)
{
    struct start *start = MF_CONTAINER(step, struct start, step);
    struct mf_task *task = step->task;
    if (!mf_task_watch(task, start->pid, start->pid_start, start->socket, true)) {
        /* Nothing would tell us its end; without it the task is lost and tried again. */
        take_back(start);
        mf_task_stage(task, MF_STAGE_RUNNING);
        mf_task_process_ended(task);
    } else {
        mf_task_stage(task, MF_STAGE_RUNNING);
        if (step->exec->stopping)
            mf_task_unwatch(task);
        else if (task->gone)
            mf_task_stop(task);
    }
    on_sent(step);
}

static void after_record(struct mf_step *step)
{
    struct start *start = MF_CONTAINER(step, struct start, step);
    struct mf_task *task = step->task;
    struct mf_exec *exec = step->exec;
    const struct timeval timeout = {.tv_sec = SEND_TIMEOUT_S};
    if (step->code != MF_OK) {
        if (step->code == MF_ABORTED || step->code == MF_NOT_FOUND)
            drop(start);
        else
            give_up(start, step->err.message);
        mf_step_end(step);
        mf_exec_admit(exec);
        return;
    }
    free(task->work_dir);
    task->work_dir = strdup(start->work_dir);
    setsockopt(start->socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (start->message.len > SEND_ON_LOOP) {
        mf_step_work(step, send_message, after_send);
        return;
    }
    send_message(step);
    after_send(step);
}

static void after_prepare(struct mf_step *step)
{
    struct start *start = MF_CONTAINER(step, struct start, step);
    struct mf_task *task = step->task;
    struct mf_exec *exec = step->exec;
    if (step->code == MF_OK && !start->stale && !task->gone && !exec->stopping) {
        mf_step_command(step, record, after_record);
        return;
    }
    if (step->code != MF_OK && start->fault && !task->gone) {
        if (start->work_dir)
            mf_exec_remove_work_dir(exec, start->work_dir);
        mf_task_fault(task, start->fault, step->err.message);
    } else if (start->stale || task->gone || step->code == MF_NOT_FOUND) {
        drop(start);
    } else {
        give_up(start, step->code != MF_OK ? step->err.message : "the server is stopping");
    }
    mf_step_end(step);
    mf_exec_admit(exec);
}

void mf_task_start(struct mf_task *task)
{
    struct mf_exec *exec = task->run->exec;
    mf_task_stage(task, MF_STAGE_STARTING);
    struct start *start = MF_STEP_NEW(exec, task, struct start);
    if (!start) {
        mf_task_stage(task, MF_STAGE_NONE);
        task->retry = start_again;
        task->retry_at = mf_wall_ns(exec->config.sys) + MF_EXEC_RETRY_MS * INT64_C(1000000);
        mf_task_due(task);
        return;
    }
    start->socket = -1;
    start->cache_status = task->cache_status;
    start->boot_id = exec->boot_id;
    start->resume = task->resume;
    mf_step_work(&start->step, prepare, after_prepare);
}
