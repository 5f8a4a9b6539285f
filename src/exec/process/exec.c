#include "exec/exec.h"

#include "exec/process/state.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_GRACE_MS 10000
#define DEFAULT_LOG_BYTES ((int64_t)100 << 20)
#define PATH_OF_LAST_RESORT "/usr/local/bin:/usr/bin:/bin"

/* ---- what the machine has ---- */

static double cpus_of_group(void)
{
    char text[64];
    long long quota;
    long long period;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!file)
        return 0;
    bool limited =
        fgets(text, sizeof text, file) && sscanf(text, "%lld %lld", &quota, &period) == 2 && period > 0;
    fclose(file);
    return limited ? (double)quota / (double)period : 0;
}

static int64_t machine_cpu_milli(void)
{
    cpu_set_t set;
    double limit = cpus_of_group();
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    double count = online > 0 ? (double)online : 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0 && CPU_COUNT(&set) < count)
        count = CPU_COUNT(&set);
    return (int64_t)((limit > 0 && limit < count ? limit : count) * 1000);
}

static int64_t machine_memory(void)
{
    long long limit = 0;
    int64_t bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
    if (file) {
        if (fscanf(file, "%lld", &limit) != 1)
            limit = 0; /* "max" */
        fclose(file);
    }
    if (limit > 0 && limit < bytes)
        bytes = limit;
    return bytes / 10 * 8;
}

/* ---- waking ---- */

static void on_wake(struct mf_work *work)
{
    struct mf_exec *exec = MF_CONTAINER(work, struct mf_exec, wake);
    atomic_store(&exec->wake_posted, false);
    if (exec->stopping)
        return;
    mf_exec_wake_held(exec);
    mf_exec_check_next(exec);
    mf_exec_look(exec);
}

void mf_exec_wake(struct mf_exec *exec)
{
    if (!atomic_exchange(&exec->wake_posted, true))
        mf_loop_post(exec->loop, &exec->wake);
}

static void on_work(struct mf_subscription *subscription)
{
    mf_exec_wake(MF_CONTAINER(subscription, struct mf_exec, work_subscription));
}

/* ---- start ---- */

static enum mf_code copy_config(struct mf_exec *exec, const struct mf_exec_config *config,
                                struct mf_error *err)
{
    char real[PATH_MAX];
    struct mf_exec_config *own = &exec->config;
    struct mf_arena *arena = exec->arena;
    *own = *config;
    /* Tasks change their working directory, so the paths they get must not depend on ours. */
    if (!realpath(config->data_dir, real))
        return mf_fail(err, MF_FAILED_PRECONDITION, "the data directory %s does not exist", config->data_dir);
    own->data_dir = mf_str_to_c(arena, mf_str_from_c(real));
    own->self_path = mf_str_to_c(arena, mf_str_from_c(config->self_path));
    own->endpoint = mf_str_copy(arena, config->endpoint);
    own->task_secret = mf_str_copy(arena, config->task_secret);
    own->grace_ms = config->grace_ms > 0 ? config->grace_ms : DEFAULT_GRACE_MS;
    own->log_max_bytes = config->log_max_bytes > 0 ? config->log_max_bytes : DEFAULT_LOG_BYTES;
    struct mf_str work = mf_str_printf(arena, "%s/work", own->data_dir ? own->data_dir : "");
    struct mf_str logs = mf_str_printf(arena, "%s/logs", own->data_dir ? own->data_dir : "");
    exec->work_root = work.ptr ? mf_str_to_c(arena, work) : NULL;
    exec->log_root = logs.ptr ? mf_str_to_c(arena, logs) : NULL;
    if (!own->data_dir || !own->self_path || !exec->work_root || !exec->log_root ||
        (own->endpoint.len > 0 && !own->endpoint.ptr) || (own->task_secret.len > 0 && !own->task_secret.ptr))
        return mf_fail_memory(err);
    exec->cpu_total = config->cpus > 0 ? (int64_t)(config->cpus * 1000) : machine_cpu_milli();
    if (exec->cpu_total < 1)
        exec->cpu_total = 1;
    exec->memory_total = config->memory_bytes > 0 ? config->memory_bytes : machine_memory();
    enum mf_code code = mf_make_dirs(exec->work_root, 0700, err);
    return code == MF_OK ? mf_make_dirs(exec->log_root, 0750, err) : code;
}

/* An interpreter that was named must be right. Without one the server is still of use: tasks that need none
 * run, and the others say what is missing. */
static enum mf_code find_python(struct mf_exec *exec, struct mf_error *err)
{
    const char *path = getenv("PATH");
    enum mf_code code = mf_python_find(exec->arena, exec->config.python, path ? path : PATH_OF_LAST_RESORT,
                                       &exec->python, err);
    exec->config.python = NULL; /* not ours to keep */
    if (code == MF_OK) {
        mf_log(MF_LOG_INFO, "exec", "tasks run in the Python environment %.*s", MF_FMT(exec->python.bin));
        return MF_OK;
    }
    if (code != MF_FAILED_PRECONDITION || exec->wanted_python)
        return code;
    mf_log(MF_LOG_WARN, "exec", "%s; until then Python tasks fail", err->message);
    return MF_OK;
}

static void on_start(struct mf_work *work)
{
    struct mf_exec *exec = MF_CONTAINER(work, struct mf_exec, start_work);
    mf_exec_load(exec);
}

static enum mf_code make_tables(struct mf_exec *exec, struct mf_error *err)
{
    uint64_t seeds[3];
    exec->config.sys->random(exec->config.sys->ctx, seeds, sizeof seeds);
    mf_list_init(&exec->ring);
    mf_list_init(&exec->followed);
    mf_list_init(&exec->checks);
    mf_list_init(&exec->held);
    mf_list_init(&exec->ended);
    exec->tasks = mf_map_new(seeds[0]);
    exec->runs = mf_map_new(seeds[1]);
    exec->demands = mf_map_new(seeds[2]);
    return exec->tasks && exec->runs && exec->demands ? mf_loop_new(&exec->loop, err) : mf_fail_memory(err);
}

enum mf_code mf_exec_start(const struct mf_exec_config *config, struct mf_exec **out, struct mf_error *err)
{
    struct mf_exec *exec = calloc(1, sizeof *exec);
    if (!exec)
        return mf_fail_memory(err);
    exec->arena = mf_arena_new(0);
    exec->wanted_python = config->python != NULL;
    mf_proc_boot_id(exec->boot_id);
    enum mf_code code = exec->arena ? copy_config(exec, config, err) : mf_fail_memory(err);
    if (code == MF_OK)
        code = find_python(exec, err);
    if (code == MF_OK)
        code = make_tables(exec, err);
    if (code == MF_OK) {
        exec->wake.fn = on_wake;
        exec->start_work.fn = on_start;
        exec->loading = true;
        mf_hub_subscribe(mf_store_hub(config->store), &exec->work_subscription,
                         (struct mf_topic){.kind = MF_TOPIC_WORK}, on_work);
        exec->subscribed = true;
        exec->first_seq = mf_store_seq(config->store);
        mf_loop_post(exec->loop, &exec->start_work);
        code = mf_loop_start(exec->loop, "exec", err);
        exec->started = code == MF_OK;
    }
    if (code == MF_OK)
        *out = exec;
    else
        mf_exec_free(exec);
    return code;
}

uint64_t mf_exec_turns(const struct mf_exec *exec)
{
    return exec ? mf_loop_turns(exec->loop) : 0;
}

/* ---- stop ---- */

static bool let_go(void *ctx, struct mf_str key, void *value)
{
    (void)ctx;
    (void)key;
    mf_task_unwatch(value);
    return true;
}

void mf_exec_stop_maybe(struct mf_exec *exec)
{
    if (!exec->stopping || exec->stopped || exec->steps > 0 || exec->processes_open > 0)
        return;
    exec->stopped = true;
    mf_loop_stop(exec->loop);
}

static void on_stop(struct mf_work *work)
{
    struct mf_exec *exec = MF_CONTAINER(work, struct mf_exec, stop_work);
    exec->stopping = true;
    mf_timer_stop(exec->due_timer);
    mf_timer_stop(exec->sweep_timer);
    mf_timer_stop(exec->retry_timer);
    exec->due_timer = NULL;
    exec->sweep_timer = NULL;
    exec->retry_timer = NULL;
    mf_map_each(exec->tasks, let_go, NULL);
    mf_exec_stop_maybe(exec);
}

void mf_exec_stop(struct mf_exec *exec)
{
    if (!exec || !exec->started)
        return;
    exec->stop_work.fn = on_stop;
    mf_loop_post(exec->loop, &exec->stop_work);
    mf_loop_join(exec->loop);
    exec->started = false;
}

void mf_exec_free(struct mf_exec *exec)
{
    if (!exec)
        return;
    mf_exec_stop(exec);
    if (exec->subscribed)
        mf_hub_unsubscribe(mf_store_hub(exec->config.store), &exec->work_subscription);
    if (exec->tasks && exec->runs)
        mf_exec_free_tables(exec);
    mf_map_free(exec->demands, free);
    if (exec->loop)
        mf_loop_free(exec->loop);
    mf_arena_free(exec->arena);
    free(exec);
}
