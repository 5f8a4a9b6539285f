/* Removing the resource of a twin. */
#include "base/time.h"
#include "exec/kube/state.h"

struct removal {
    struct mf_mirror_step step;
    struct mf_kube_request request;
    int64_t run_id, run_created_at;
    struct mf_str name;
};

static void end(struct removal *removal)
{
    struct mf_mirror *mirror = removal->step.mirror;
    struct mf_twin *twin = removal->step.twin;
    mirror->requests--;
    mf_mirror_step_end(&removal->step);
    mf_twin_settle(twin);
    mf_mirror_pump(mirror);
}

static void try_later(struct removal *removal, const struct mf_error *err)
{
    struct mf_mirror *mirror = removal->step.mirror;
    struct mf_twin *twin = removal->step.twin;
    twin->tries++;
    twin->retry_at = mf_wall_ns(mirror->config.sys) + mf_twin_backoff_ns(twin);
    atomic_fetch_add(&mirror->failed, 1);
    if (!mirror->stopping && (twin->tries & (twin->tries - 1)) == 0)
        mf_log(MF_LOG_WARN, "exec", "the TaskAction of %s, run %lld, cannot be deleted (try %u): %s",
               twin->name, (long long)removal->run_id, twin->tries, err->message);
    end(removal);
}

static void on_removed(struct mf_kube_request *request)
{
    struct removal *removal = MF_CONTAINER(request, struct removal, request);
    struct mf_twin *twin = removal->step.twin;
    mf_cluster_heard(twin->run->cluster, request->code);
    /* ABORTED: what bears the name now is another resource than ours. */
    if (request->code == MF_NOT_FOUND || request->code == MF_ABORTED) {
        mf_twin_is_gone(twin);
    } else if (request->code != MF_OK) {
        try_later(removal, &request->err);
        return;
    } else if (twin->there != MF_THERE_NOT) {
        twin->there = MF_THERE_REMOVING;
        twin->asked = true;
    }
    twin->tries = 0;
    twin->retry_at = 0;
    twin->removal_at = 0;
    atomic_fetch_add(&removal->step.mirror->removed, 1);
    end(removal);
}

/* The path needs the run's name, which is not kept in memory. */
static void work(struct mf_mirror_step *step)
{
    struct removal *removal = MF_CONTAINER(step, struct removal, step);
    struct mf_store *store = step->mirror->config.store;
    struct mf_run_row run;
    struct mf_db *db = NULL;
    step->code = mf_store_reader(store, &db, &step->err);
    if (step->code != MF_OK)
        return;
    step->code = mf_run_get(db, step->arena, removal->run_id, &run, &step->err);
    mf_store_reader_done(store, db);
    if (step->code != MF_OK)
        return;
    struct mf_str name = mf_task_action_name(step->arena, run.name, removal->name);
    struct mf_str namespace_ =
        mf_task_action_namespace(step->arena, step->mirror->config.namespace_, run.project, run.domain);
    removal->request.path = mf_str_printf(step->arena, MF_TASK_ACTION_API "/namespaces/%.*s/taskactions/%.*s",
                                          MF_FMT(namespace_), MF_FMT(name));
    if (!removal->request.path.ptr)
        step->code = mf_fail_memory(&step->err);
}

static void after_work(struct mf_mirror_step *step)
{
    struct removal *removal = MF_CONTAINER(step, struct removal, step);
    struct mf_twin *twin = step->twin;
    if (step->code == MF_NOT_FOUND) { /* the run was deleted: nobody will ask */
        mf_twin_is_gone(twin);
        end(removal);
        return;
    }
    removal->request.arena = step->arena;
    removal->request.method = MF_STR("DELETE");
    removal->request.done = on_removed;
    removal->request.body = twin->uid[0]
                                ? mf_str_printf(step->arena,
                                                "{\"propagationPolicy\":\"Background\",\"preconditions\":"
                                                "{\"uid\":\"%s\"}}",
                                                twin->uid)
                                : MF_STR("{\"propagationPolicy\":\"Background\"}");
    if (step->code == MF_OK && removal->request.body.ptr && !step->mirror->stopping)
        mf_kube_start(twin->run->cluster->kube, &removal->request);
    else
        try_later(removal, &step->err);
}

void mf_twin_remove(struct mf_twin *twin)
{
    struct mf_mirror *mirror = twin->run->mirror;
    struct mf_mirror_step *step = mf_mirror_step_new(mirror, twin, sizeof(struct removal));
    if (!step) {
        twin->retry_at = mf_wall_ns(mirror->config.sys) + MF_SECOND_NS;
        mf_twin_due(twin);
        return;
    }
    struct removal *removal = MF_CONTAINER(step, struct removal, step);
    mirror->requests++;
    removal->run_id = twin->run->id;
    removal->name = mf_str_copy(step->arena, mf_str_from_c(twin->name));
    mf_mirror_step_work(step, work, after_work);
}
