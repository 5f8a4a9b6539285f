#include "exec/process/shim.h"

#include "base/arena.h"
#include "exec/process/launch.h"
#include "exec/process/outcome.h"
#include "exec/process/proc.h"
#include "exec/process/secrets.h"
#include "tasklog/tasklog.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TREE_MAX 65536
#define KILL_ROUND_MS 20
#define MEMORY_ROUND_MS 1000
#define DRAIN_MS 2000    /* for output of processes that have escaped, after all others are gone */
#define STATUS_RETRY_S 1 /* while the disk takes nothing */
#define STATUS_TRIES 3600
#define READ_SIZE ((size_t)64 << 10)
#define SCORE_OF_TASK "200" /* so that the system takes tasks before the server when memory runs out */

struct shim {
    const struct mf_sys *sys;
    struct mf_arena *arena;
    struct mf_launch launch;
    struct mf_tasklog_writer *log;
    int out[2], err[2]; /* pipes of the task's output: read end, write end */
    int signals;
    pid_t pid;         /* of the task; its group and session have the same number */
    bool reaped;       /* pid is no longer ours */
    bool childless;    /* no process is left below us */
    int64_t kill_at;   /* on the monotonic clock: from here on everything is killed; 0: not yet */
    int64_t drain_at;  /* output is waited for no longer than this; 0: not yet */
    int64_t memory_at; /* next look at the memory */
    struct mf_outcome outcome;
    char tail[MF_OUTCOME_TAIL];
    char buffer[READ_SIZE];
};

/* Blocks until the whole message is there. False when the server has gone or thinks otherwise. */
static bool read_fully(int fd, char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t got = read(fd, bytes, len);
        if (got > 0) {
            bytes += got;
            len -= (size_t)got;
        } else if (got == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

static bool read_launch(struct shim *shim)
{
    char head[MF_LAUNCH_HEAD];
    struct mf_error err;
    if (!read_fully(MF_LAUNCH_FD, head, sizeof head))
        return false;
    size_t size = mf_launch_size(head);
    char *bytes = size > 0 ? mf_arena_bytes(shim->arena, size) : NULL;
    if (!bytes)
        return false;
    memcpy(bytes, head, sizeof head);
    return read_fully(MF_LAUNCH_FD, bytes + sizeof head, size - sizeof head) &&
           mf_launch_decode(shim->arena, mf_str_make(bytes, size), &shim->launch, &err) == MF_OK;
}

static void say(struct shim *shim, const char *text)
{
    char line[MF_ERROR_MESSAGE_MAX + 16];
    int len = snprintf(line, sizeof line, "[mayfly] %s\n", text);
    if (shim->log && len > 0)
        (void)!mf_tasklog_append(shim->log, MF_TASKLOG_SYSTEM, mf_str_make(line, (size_t)len), NULL);
}

static void set_limit(int which, rlim_t wanted)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)which, &limit) != 0)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    setrlimit((__rlimit_resource_t)which, &limit);
}

static void write_small(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return;
    (void)!write(fd, text, strlen(text));
    close(fd);
}

static char **make_vector(struct mf_arena *arena, const struct mf_str *words, uint32_t count)
{
    char **vector = mf_arena_array(arena, (size_t)count + 1, sizeof *vector);
    for (uint32_t i = 0; vector && i < count; i++)
        vector[i] = (char *)(uintptr_t)words[i].ptr; /* each ends with a NUL; execve does not write */
    return vector;
}

/* In the child: waits for the word of the shim, then becomes the task. Does not return. */
static void become_task(const struct shim *shim, char **argv, char **env, int go, int failure)
{
    char byte;
    sigset_t none;
    int null = open("/dev/null", O_RDONLY);
    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    umask(022);
    set_limit(RLIMIT_NOFILE, 65536);
    set_limit(RLIMIT_CORE, 0);
    write_small("/proc/self/oom_score_adj", SCORE_OF_TASK);
    bool ready = null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(shim->out[1], STDOUT_FILENO) >= 0 &&
                 dup2(shim->err[1], STDERR_FILENO) >= 0 && chdir(shim->launch.cwd.ptr) == 0 &&
                 close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
    if (read(go, &byte, 1) != 1)
        _exit(127); /* the shim has died, so nobody would see how this ends */
    if (ready)
        execve(shim->launch.program.ptr, argv, env);
    int number = errno;
    (void)!write(failure, &number, sizeof number);
    _exit(127);
}

static void close_pipe(int pipe[2])
{
    for (int i = 0; i < 2; i++) {
        if (pipe[i] >= 0)
            close(pipe[i]);
        pipe[i] = -1;
    }
}

static void write_task_file(const struct shim *shim)
{
    char path[PATH_MAX];
    char text[64];
    struct mf_proc proc;
    int len = snprintf(path, sizeof path, "%s/" MF_LAUNCH_TASK_FILE, shim->launch.work_dir.ptr);
    if (len < 0 || (size_t)len >= sizeof path || !mf_proc_read(shim->pid, &proc))
        return;
    snprintf(text, sizeof text, "%d %lld\n", (int)shim->pid, (long long)proc.start);
    write_small(path, text);
}

/* Starts the task. Its program runs only after its id has been written down. 0 or an errno. */
static int start_task(struct shim *shim)
{
    int go[2] = {-1, -1};
    int failure[2] = {-1, -1};
    int number = 0;
    char **argv = make_vector(shim->arena, shim->launch.argv, shim->launch.argc);
    char **env = make_vector(shim->arena, shim->launch.env, shim->launch.envc);
    if (!argv || !env)
        return ENOMEM;
    if (pipe2(shim->out, O_CLOEXEC) != 0 || pipe2(shim->err, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0 ||
        pipe2(failure, O_CLOEXEC) != 0 || (shim->pid = fork()) < 0) {
        number = errno;
        goto out;
    }
    if (shim->pid == 0) {
        close(go[1]);
        become_task(shim, argv, env, go[0], failure[1]);
    }
    write_task_file(shim);
    shim->outcome.pid = shim->pid;
    shim->reaped = false;
    shim->childless = false;
    (void)!write(go[1], "G", 1);
    close(failure[1]);
    failure[1] = -1;
    if (!read_fully(failure[0], (char *)&number, sizeof number))
        number = 0;
out:
    close(shim->out[1]);
    close(shim->err[1]);
    shim->out[1] = -1;
    shim->err[1] = -1;
    close_pipe(go);
    close_pipe(failure);
    return number;
}

static void signal_below(const struct shim *shim, int signal, bool skip_group)
{
    struct mf_proc *procs;
    size_t count;
    if (mf_proc_below(getpid(), TREE_MAX, &procs, &count, NULL) != MF_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        if (procs[i].state != 'Z' && !(skip_group && procs[i].group == shim->pid))
            kill(procs[i].pid, signal);
    }
    free(procs);
}

/* The group is signalled only while its leader is not reaped: until then its number is surely the task's. */
static void kill_everything(const struct shim *shim)
{
    if (!shim->reaped)
        kill(-shim->pid, SIGKILL);
    signal_below(shim, SIGKILL, false);
}

static void stop(struct shim *shim)
{
    if (shim->outcome.stopped || shim->kill_at > 0 || shim->childless)
        return;
    shim->outcome.stopped = true;
    shim->kill_at = mf_mono_ns(shim->sys) + (int64_t)shim->launch.grace_ms * 1000000 + 1;
    say(shim, "the task is being stopped");
    if (!shim->reaped)
        kill(-shim->pid, SIGTERM);
    signal_below(shim, SIGTERM, true);
}

static void note_end(struct shim *shim, int status, const struct rusage *usage)
{
    shim->reaped = true;
    shim->outcome.wait_status = status;
    shim->outcome.ended_ns = mf_wall_ns(shim->sys);
    shim->outcome.cpu_us = (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * INT64_C(1000000) +
                           usage->ru_utime.tv_usec + usage->ru_stime.tv_usec;
    shim->outcome.max_rss_bytes = usage->ru_maxrss * 1024;
    if (shim->kill_at == 0)
        shim->kill_at = mf_mono_ns(shim->sys);
}

static void reap(struct shim *shim)
{
    siginfo_t info = {0};
    struct rusage usage;
    int status;
    pid_t pid;
    /* What the task leaves behind in its group is killed while the number of the group is still its own. */
    if (!shim->reaped && !shim->outcome.stopped &&
        waitid(P_PID, (id_t)shim->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == shim->pid)
        kill(-shim->pid, SIGKILL);
    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        if (pid == shim->pid && !shim->reaped)
            note_end(shim, status, &usage);
    }
    if (pid < 0 && errno == ECHILD) {
        shim->childless = true;
        shim->drain_at = mf_mono_ns(shim->sys) + DRAIN_MS * INT64_C(1000000);
    }
}

static void take_signals(struct shim *shim)
{
    struct signalfd_siginfo info;
    while (read(shim->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGTERM)
            stop(shim);
    }
    reap(shim);
}

static void keep_tail(struct shim *shim, const char *bytes, size_t len)
{
    size_t have = shim->outcome.tail.len;
    size_t keep = len < sizeof shim->tail ? sizeof shim->tail - len : 0;
    if (len > sizeof shim->tail) {
        bytes += len - sizeof shim->tail;
        len = sizeof shim->tail;
    }
    if (have > keep) {
        memmove(shim->tail, shim->tail + (have - keep), keep);
        have = keep;
    }
    memcpy(shim->tail + have, bytes, len);
    shim->outcome.tail = mf_str_make(shim->tail, have + len);
}

static void take_output(struct shim *shim, int *fd, enum mf_tasklog_source source)
{
    ssize_t got = read(*fd, shim->buffer, sizeof shim->buffer);
    if (got > 0) {
        keep_tail(shim, shim->buffer, (size_t)got);
        if (shim->log)
            (void)!mf_tasklog_append(shim->log, source, mf_str_make(shim->buffer, (size_t)got), NULL);
    } else if (got == 0 || errno != EINTR) {
        close(*fd);
        *fd = -1;
    }
}

static void watch_memory(struct shim *shim)
{
    int64_t now = mf_mono_ns(shim->sys);
    struct mf_proc *procs;
    size_t count;
    int64_t sum = 0;
    if (shim->launch.memory_max_bytes <= 0 || now < shim->memory_at || shim->kill_at > 0)
        return;
    shim->memory_at = now + MEMORY_ROUND_MS * INT64_C(1000000);
    if (mf_proc_below(getpid(), TREE_MAX, &procs, &count, NULL) != MF_OK)
        return;
    for (size_t i = 0; i < count; i++)
        sum += procs[i].rss_bytes;
    /* Shared pages were counted for each process: look closer before judging. */
    if (sum > shim->launch.memory_max_bytes) {
        sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += mf_proc_share(procs[i].pid);
    }
    free(procs);
    if (sum <= shim->launch.memory_max_bytes)
        return;
    shim->outcome.over_memory = true;
    shim->kill_at = now;
    say(shim, "the task uses more memory than its limit and is killed");
}

static int wait_ms(const struct shim *shim)
{
    int64_t now = mf_mono_ns(shim->sys);
    int64_t until = INT64_MAX;
    if (shim->childless)
        until = shim->drain_at;
    else if (shim->kill_at > 0)
        until = shim->kill_at > now ? shim->kill_at : now + KILL_ROUND_MS * INT64_C(1000000);
    else if (shim->launch.memory_max_bytes > 0)
        until = shim->memory_at;
    if (until == INT64_MAX)
        return -1;
    return until <= now ? 0 : (int)((until - now) / 1000000 + 1);
}

/* Until no process of the task is left and all of its output is in the log. */
static void attend(struct shim *shim)
{
    while (!shim->childless ||
           ((shim->out[0] >= 0 || shim->err[0] >= 0) && mf_mono_ns(shim->sys) < shim->drain_at)) {
        struct pollfd fds[] = {{.fd = shim->signals, .events = POLLIN},
                               {.fd = shim->out[0], .events = POLLIN},
                               {.fd = shim->err[0], .events = POLLIN}};
        if (poll(fds, 3, wait_ms(shim)) < 0 && errno != EINTR)
            break;
        if (fds[1].revents != 0)
            take_output(shim, &shim->out[0], MF_TASKLOG_STDOUT);
        if (fds[2].revents != 0)
            take_output(shim, &shim->err[0], MF_TASKLOG_STDERR);
        if (fds[0].revents != 0)
            take_signals(shim);
        watch_memory(shim);
        if (!shim->childless && shim->kill_at > 0 && mf_mono_ns(shim->sys) >= shim->kill_at) {
            kill_everything(shim);
            reap(shim);
        }
    }
}

/* The task has its secrets; nobody else needs them any more. */
static void wipe_env(struct shim *shim)
{
    for (uint32_t i = 0; i < shim->launch.envc; i++)
        mf_wipe(shim->launch.env[i]);
}

static void write_outcome(struct shim *shim)
{
    char path[PATH_MAX];
    struct mf_error err;
    snprintf(path, sizeof path, "%s/" MF_LAUNCH_STATUS_FILE, shim->launch.work_dir.ptr);
    for (int i = 0; i < STATUS_TRIES; i++) {
        enum mf_code code = mf_outcome_write(shim->sys, path, &shim->outcome, &err);
        if (code == MF_OK || code == MF_NOT_FOUND) /* nobody wants to know any more: the folder is gone */
            return;
        sleep(STATUS_RETRY_S);
    }
}

static void run(struct shim *shim)
{
    char text[256];
    struct mf_error err;
    if (mf_tasklog_create(shim->sys, shim->launch.log_path.ptr, shim->launch.log_max_bytes, &shim->log,
                          &err) != MF_OK)
        shim->log = NULL; /* the task is worth more than its log */
    shim->outcome.started_ns = mf_wall_ns(shim->sys);
    shim->outcome.ended_ns = shim->outcome.started_ns;
    shim->outcome.exec_errno = start_task(shim);
    wipe_env(shim);
    if (shim->outcome.exec_errno == 0) {
        (void)!write(MF_LAUNCH_FD, &(char){MF_LAUNCH_STARTED}, 1);
    } else {
        snprintf(text, sizeof text, "cannot start %.150s: %s", shim->launch.program.ptr,
                 strerrordesc_np(shim->outcome.exec_errno));
        say(shim, text);
    }
    attend(shim);
    mf_tasklog_close(shim->log);
    mf_task_secrets_remove(shim->launch.work_dir.ptr);
    write_outcome(shim);
}

/* From here on signals come through the descriptor returned, those that are wanted at all. */
static int prepare_signals(void)
{
    sigset_t wanted;
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    return signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
}

int mf_shim_main(int argc, char **argv)
{
    (void)argc;
    (void)argv; /* names the attempt, for people who look at the list of processes */
    struct shim *shim = calloc(1, sizeof *shim);
    struct mf_arena *arena = mf_arena_new(0);
    int result = EXIT_FAILURE;
    if (shim && arena) {
        shim->sys = mf_sys_real();
        shim->arena = arena;
        shim->out[0] = shim->out[1] = shim->err[0] = shim->err[1] = -1;
        shim->reaped = true;
        shim->childless = true;
        shim->signals = prepare_signals();
        if (shim->signals >= 0 && prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) == 0 && read_launch(shim)) {
            run(shim);
            result = EXIT_SUCCESS;
        }
    }
    mf_arena_free(arena);
    free(shim);
    return result;
}
