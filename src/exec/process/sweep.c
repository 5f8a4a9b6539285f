/* Work folders: removed after a success, kept for a day after a failure, so that one may look into them. */
#include "exec/process/state.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEEP_S (24 * 3600)
#define SWEEP_MS (3600 * UINT64_C(1000))

struct remove {
    struct mf_step step;
    const char *path;
};

static void remove_tree(struct mf_step *step)
{
    struct remove *job = MF_CONTAINER(step, struct remove, step);
    char run[PATH_MAX];
    step->code = mf_remove_tree(job->path, &step->err);
    const char *slash = strrchr(job->path, '/');
    snprintf(run, sizeof run, "%.*s", (int)(slash - job->path), job->path);
    (void)!rmdir(run); /* that of the run, when nothing else is in it */
}

static void after_remove(struct mf_step *step)
{
    if (step->code != MF_OK)
        mf_log(MF_LOG_WARN, "exec", "cannot remove a work folder, will try again in an hour: %s",
               step->err.message);
    mf_step_end(step);
}

void mf_exec_remove_work_dir(struct mf_exec *exec, const char *work_dir)
{
    struct remove *job = MF_STEP_NEW(exec, NULL, struct remove);
    if (!job)
        return; /* the sweep finds it */
    job->path = mf_str_to_c(job->step.arena, mf_str_from_c(work_dir));
    if (job->path)
        mf_step_work(&job->step, remove_tree, after_remove);
    else
        mf_step_end(&job->step);
}

/* ---- the sweep ---- */

struct live {
    const char *path;
    bool found;
};

static bool is_same(void *ctx, const struct mf_process_row *row)
{
    struct live *live = ctx;
    live->found |= mf_str_eq_c(row->work_dir, live->path);
    return !live->found;
}

static bool is_live(struct mf_step *step, const char *path)
{
    struct mf_db *db = NULL;
    struct live live = {.path = path};
    struct mf_arena *arena = mf_arena_new(0);
    bool known = arena && mf_store_reader(step->exec->config.store, &db, &step->err) == MF_OK &&
                 mf_process_list(db, arena, is_same, &live, &step->err) == MF_OK;
    mf_store_reader_done(step->exec->config.store, db);
    mf_arena_free(arena);
    return !known || live.found;
}

static void sweep_run(struct mf_step *step, const char *run, time_t now)
{
    char path[PATH_MAX];
    struct stat st;
    const struct dirent *entry;
    DIR *dir = opendir(run);
    if (!dir)
        return;
    while ((entry = readdir(dir)) != NULL) {
        int len = snprintf(path, sizeof path, "%s/%s", run, entry->d_name);
        if (entry->d_name[0] == '.' || len < 0 || (size_t)len >= sizeof path || stat(path, &st) != 0 ||
            now - st.st_mtime < KEEP_S || is_live(step, path))
            continue;
        if (mf_remove_tree(path, &step->err) != MF_OK)
            mf_log(MF_LOG_WARN, "exec", "%s", step->err.message);
    }
    closedir(dir);
    (void)!rmdir(run);
}

static void sweep(struct mf_step *step)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    time_t now = (time_t)(mf_wall_ns(step->exec->config.sys) / 1000000000);
    DIR *dir = opendir(step->exec->work_root);
    if (!dir)
        return;
    while ((entry = readdir(dir)) != NULL) {
        int len = snprintf(path, sizeof path, "%s/%s", step->exec->work_root, entry->d_name);
        if (entry->d_name[0] != '.' && len > 0 && (size_t)len < sizeof path)
            sweep_run(step, path, now);
    }
    closedir(dir);
}

static void on_timer(void *ctx)
{
    struct mf_exec *exec = ctx;
    exec->sweep_timer = NULL;
    mf_exec_sweep(exec);
}

void mf_exec_sweep(struct mf_exec *exec)
{
    if (exec->stopping)
        return;
    struct mf_step *step = mf_step_new(exec, NULL, sizeof *step);
    if (step)
        mf_step_work(step, sweep, mf_step_end);
    if (!exec->sweep_timer)
        exec->sweep_timer = mf_timer_start(exec->loop, SWEEP_MS, false, on_timer, exec);
}
