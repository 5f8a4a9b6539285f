/* Following a process from the outside: its end (pidfd), its word that the task runs, its log. */
#include "exec/process/state.h"

#include "exec/process/launch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_HOLD_MS 50      /* followers of a log are told no more often */
#define LOG_POLL_MS 500     /* when the system has no watch left for us */
#define STOP_SLACK_MS 10000 /* for the shim, beyond the grace period */

/* ---- handles ---- */

static void on_closed(uv_handle_t *handle)
{
    struct mf_process *process = handle->data;
    struct mf_exec *exec = process->exec;
    if (--process->open_handles > 0)
        return;
    if (process->pidfd >= 0)
        close(process->pidfd);
    if (process->socket >= 0)
        close(process->socket);
    free(process);
    exec->processes_open--;
    mf_exec_stop_maybe(exec);
}

static void close_handle(uv_handle_t *handle)
{
    if (handle->data && !uv_is_closing(handle))
        uv_close(handle, on_closed);
}

void mf_task_unwatch(struct mf_task *task)
{
    struct mf_process *process = task->process;
    if (!process)
        return;
    task->process = NULL;
    process->task = NULL;
    mf_timer_stop(process->log_timer);
    process->log_timer = NULL;
    close_handle((uv_handle_t *)&process->hello);
    close_handle((uv_handle_t *)&process->log);
    close_handle((uv_handle_t *)&process->end);
}

/* ---- the log ---- */

static struct mf_topic log_topic(const struct mf_task *task)
{
    char attempt[16];
    int len = snprintf(attempt, sizeof attempt, "%d", task->attempt);
    return (struct mf_topic){
        .kind = MF_TOPIC_LOG,
        .run_id = task->run->id,
        .hash = mf_topic_hash2(mf_str_from_c(task->name), mf_str_make(attempt, (size_t)len)),
    };
}

void mf_task_log_changed(struct mf_task *task)
{
    struct mf_topic topic = log_topic(task);
    mf_hub_publish(mf_store_hub(task->run->exec->config.store), &topic, 1);
}

static void on_log_held(void *ctx)
{
    struct mf_process *process = ctx;
    process->log_timer = NULL;
    if (!process->task)
        return;
    process->log_at = mf_mono_ns(process->exec->config.sys);
    mf_task_log_changed(process->task);
}

static void on_log(uv_fs_event_t *handle, const char *filename, int events, int status)
{
    struct mf_process *process = handle->data;
    int64_t now = mf_mono_ns(process->exec->config.sys);
    (void)filename;
    (void)events;
    (void)status;
    if (!process->task || process->log_timer)
        return;
    if (now - process->log_at >= LOG_HOLD_MS * INT64_C(1000000)) {
        process->log_at = now;
        mf_task_log_changed(process->task);
    } else {
        process->log_timer = mf_timer_start(process->exec->loop, LOG_HOLD_MS, false, on_log_held, process);
    }
}

static void on_log_poll(void *ctx)
{
    struct mf_process *process = ctx;
    if (process->task)
        mf_task_log_changed(process->task);
}

void mf_task_watch_log(struct mf_task *task, const char *folder)
{
    struct mf_process *process = task->process;
    if (!process || process->log.data ||
        uv_fs_event_init(mf_loop_uv(process->exec->loop), &process->log) != 0)
        return;
    process->log.data = process;
    process->open_handles++;
    if (uv_fs_event_start(&process->log, on_log, folder, 0) != 0)
        process->log_timer = mf_timer_start(process->exec->loop, LOG_POLL_MS, true, on_log_poll, process);
    mf_task_log_changed(task); /* for what was written before */
}

/* ---- word and end ---- */

static void on_hello(uv_poll_t *handle, int status, int events)
{
    struct mf_process *process = handle->data;
    char byte = 0;
    (void)events;
    ssize_t got = status == 0 ? read(process->socket, &byte, 1) : 0;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    uv_poll_stop(handle);
    close_handle((uv_handle_t *)handle);
    if (got == 1 && byte == MF_LAUNCH_STARTED && process->task)
        mf_task_started(process->task);
}

static void on_end(uv_poll_t *handle, int status, int events)
{
    struct mf_process *process = handle->data;
    struct mf_task *task = process->task;
    (void)status;
    (void)events;
    if (!task)
        return;
    uv_poll_stop(handle);
    if (process->child)
        (void)!waitpid(process->pid, NULL, WNOHANG);
    mf_task_unwatch(task);
    mf_task_process_ended(task);
}

static bool begin_poll(struct mf_process *process, uv_poll_t *handle, int fd, uv_poll_cb callback)
{
    if (uv_poll_init(mf_loop_uv(process->exec->loop), handle, fd) != 0)
        return false;
    handle->data = process;
    process->open_handles++;
    return uv_poll_start(handle, UV_READABLE, callback) == 0;
}

bool mf_task_watch(struct mf_task *task, pid_t pid, int64_t pid_start, int socket, bool child)
{
    struct mf_exec *exec = task->run->exec;
    struct mf_proc proc;
    struct mf_process *process = calloc(1, sizeof *process);
    if (!process)
        return false;
    process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (process->pidfd < 0 || !mf_proc_read(pid, &proc) || proc.start != pid_start) {
        if (process->pidfd >= 0)
            close(process->pidfd);
        free(process);
        return false;
    }
    *process = (struct mf_process){.task = task,
                                   .exec = exec,
                                   .pid = pid,
                                   .pid_start = pid_start,
                                   .pidfd = process->pidfd,
                                   .socket = -1,
                                   .child = child};
    exec->processes_open++;
    task->process = process;
    if (!begin_poll(process, &process->end, process->pidfd, on_end)) {
        if (process->end.data) {
            mf_task_unwatch(task);
        } else {
            task->process = NULL;
            close(process->pidfd);
            free(process);
            exec->processes_open--;
        }
        return false;
    }
    process->socket = socket;
    if (socket >= 0)
        (void)begin_poll(process, &process->hello, socket, on_hello);
    return true;
}

void mf_task_stop(struct mf_task *task)
{
    struct mf_exec *exec = task->run->exec;
    if (!task->process || task->stopping)
        return;
    task->stopping = true;
    task->stop_deadline =
        mf_wall_ns(exec->config.sys) + ((int64_t)exec->config.grace_ms + STOP_SLACK_MS) * INT64_C(1000000);
    (void)syscall(SYS_pidfd_send_signal, task->process->pidfd, SIGTERM, NULL, 0);
    mf_task_due(task);
}

void mf_task_kill_shim(struct mf_task *task)
{
    struct mf_exec *exec = task->run->exec;
    char why[160];
    int64_t delay_ns = mf_task_kill_delay_ns(task);
    if (!task->process)
        return;
    bool sent = syscall(SYS_pidfd_send_signal, task->process->pidfd, SIGKILL, NULL, 0) == 0;
    snprintf(why, sizeof why, "process %d %s", (int)task->process->pid,
             !sent                  ? strerrordesc_np(errno)
             : task->kill_tries > 0 ? "has not ended after SIGKILL; it waits for the system"
                                    : "has not ended in its grace period; it was sent SIGKILL");
    task->stop_deadline = mf_wall_ns(exec->config.sys) + delay_ns;
    mf_task_unended(task, why);
    mf_task_due(task);
}
