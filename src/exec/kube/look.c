/* Looking into the store for what has changed: new work everywhere, and every change of the runs that have
 * twins. */
#include "base/time.h"
#include "exec/kube/state.h"
#include "exec/process/demand.h"
#include "exec/process/verdict.h"
#include "gen/flyteidl2/task/run.pb.h"
#include "gen/flyteidl2/task/task_definition.pb.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"

#define RUNS_PER_LOOK 256

struct look_run {
    int64_t run_id, after, seen;
    bool more;
};

struct look {
    struct mf_mirror_step step;
    bool open_rows, more, failed;
    int64_t after, seen;
    struct look_run runs[RUNS_PER_LOOK];
    size_t run_count;
    struct mf_look_found *found;
    size_t count, cap;
};

/* ---- on a helper thread ---- */

static void earlier(struct mf_look_found *found, int64_t start, int64_t delay, int32_t expiry)
{
    int64_t at = 0;
    if (start <= 0 || delay <= 0 || __builtin_add_overflow(start, delay, &at))
        return;
    if (found->expires_at == 0 || at < found->expires_at) {
        found->expires_at = at;
        found->expiry = expiry;
    }
}

static void set_expiry(struct mf_look_found *found, const struct mf_demand *demand)
{
    const struct mf_action_row *row = &found->row;
    bool waits = row->phase == MF_PHASE_QUEUED || row->phase == MF_PHASE_WAITING_FOR_RESOURCES;
    found->expires_at = 0;
    earlier(found, row->created_at, demand->deadline_ns, MF_EXPIRY_DEADLINE);
    if (waits)
        earlier(found, row->not_before > row->queued_at ? row->not_before : row->queued_at,
                demand->queued_timeout_ns, MF_EXPIRY_QUEUED);
    else
        earlier(found, row->running_at, demand->max_runtime_ns, MF_EXPIRY_MAX_RUNTIME);
}

static enum mf_code read_spec(struct mf_db *db, struct mf_arena *arena, struct mf_look_found *found,
                              struct mf_error *err)
{
    struct mf_action_row *row = &found->row;
    struct mf_demand demand = {0};
    struct mf_str body;
    void *spec = NULL;
    if (row->spec_digest.len == 0)
        return MF_OK;
    bool condition = row->kind == MF_ACTION_CONDITION;
    enum mf_code code = mf_spec_get(db, arena, row->spec_digest, &body, err);
    if (code == MF_OK)
        code = pb_decode(arena, condition ? &pb_workflow_ConditionAction_type : &pb_task_TaskSpec_type, body,
                         &spec, err);
    if (code != MF_OK)
        return code == MF_NOT_FOUND || code == MF_INVALID_ARGUMENT ? MF_OK : code; /* its creation says so */
    if (condition) {
        earlier(found, row->created_at,
                mf_duration_ns(((const struct pb_workflow_ConditionAction *)spec)->timeout),
                MF_EXPIRY_CONDITION);
    } else {
        mf_demand_of(((const struct pb_task_TaskSpec *)spec)->task_template, &demand);
        set_expiry(found, &demand);
    }
    return MF_OK;
}

enum mf_code mf_mirror_read_found(struct mf_db *db, struct mf_arena *arena, struct mf_look_found *found,
                                  struct mf_error *err)
{
    struct mf_run_row run;
    void *spec = NULL;
    found->cluster = MF_STR_EMPTY;
    found->expires_at = 0;
    enum mf_code code = mf_run_get(db, arena, found->row.run_id, &run, err);
    if (code != MF_OK)
        return code == MF_NOT_FOUND ? MF_OK : code;
    found->run_created_at = run.created_at;
    if (pb_decode(arena, &pb_task_RunSpec_type, run.run_spec, &spec, NULL) == MF_OK)
        found->cluster = ((const struct pb_task_RunSpec *)spec)->queue;
    return read_spec(db, arena, found, err);
}

static bool on_row(void *ctx, const struct mf_action_row *row)
{
    struct look *look = ctx;
    if (look->count == look->cap) {
        size_t cap = look->cap > 0 ? look->cap * 2 : 64;
        struct mf_look_found *grown =
            mf_arena_grow(look->step.arena, look->found, look->cap * sizeof *grown, cap * sizeof *grown);
        if (!grown) {
            look->failed = true;
            return false;
        }
        look->found = grown;
        look->cap = cap;
    }
    look->found[look->count++] = (struct mf_look_found){.row = *row};
    return true;
}

static enum mf_code read_details(struct look *look, struct mf_db *db, size_t from)
{
    enum mf_code code = MF_OK;
    for (size_t i = from; i < look->count && code == MF_OK; i++) {
        const struct mf_action_row *row = &look->found[i].row;
        if (!mf_phase_is_terminal(row->phase) && row->kind != MF_ACTION_TRACE)
            code = mf_mirror_read_found(db, look->step.arena, &look->found[i], &look->step.err);
    }
    return code;
}

static void work(struct mf_mirror_step *step)
{
    struct look *look = MF_CONTAINER(step, struct look, step);
    struct mf_store *store = step->mirror->config.store;
    struct mf_db *db = NULL;
    enum mf_code code = mf_store_reader(store, &db, &step->err);
    if (code != MF_OK) {
        step->code = code;
        return;
    }
    look->seen = look->after;
    if (look->open_rows) {
        code = mf_action_open(db, step->arena, look->after, MF_MIRROR_ROWS, on_row, look, &step->err);
        look->more = look->count == MF_MIRROR_ROWS;
        if (look->count > 0)
            look->seen = look->found[look->count - 1].row.seq;
    }
    for (size_t i = 0; i < look->run_count && code == MF_OK; i++) {
        struct look_run *run = &look->runs[i];
        size_t from = look->count;
        code = mf_action_of_run(db, step->arena, run->run_id, run->after, MF_MIRROR_ROWS, on_row, look,
                                &step->err);
        run->seen = look->count > from ? look->found[look->count - 1].row.seq : run->after;
        run->more = look->count - from == MF_MIRROR_ROWS;
    }
    if (code == MF_OK)
        code = read_details(look, db, 0);
    mf_store_reader_done(store, db);
    step->code = code == MF_OK && look->failed ? mf_fail_memory(&step->err) : code;
}

/* ---- on the loop ---- */

static struct mf_mirror_cluster *cluster_named(struct mf_mirror *mirror, struct mf_str name)
{
    for (size_t i = 0; i < mirror->config.cluster_count; i++) {
        if (mf_str_eq(mf_kube_name(mirror->clusters[i].kube), name))
            return &mirror->clusters[i];
    }
    return &mirror->clusters[0];
}

static void mark_dirty(struct mf_mirror_run *run)
{
    run->subscription.wake(&run->subscription);
}

static bool take_open(struct mf_mirror *mirror, const struct mf_look_found *found)
{
    const struct mf_action_row *row = &found->row;
    struct mf_twin *twin = mf_twin_get(mirror, row->run_id, row->name);
    if (!twin)
        return false;
    struct mf_mirror_run *run = twin->run;
    if (run->created_at == 0) {
        run->created_at = found->run_created_at;
        run->cluster = cluster_named(mirror, found->cluster);
    }
    if (twin->known && row->attempts < twin->attempt)
        return true;
    if (row->parent.len > 0 && !twin->parent) {
        twin->parent = strndup(row->parent.ptr, row->parent.len);
        if (!twin->parent)
            return false;
    }
    if (twin->over || row->attempts != twin->attempt) {
        twin->tries = 0;
        twin->retry_at = twin->removal_at = 0;
    }
    twin->known = true;
    twin->over = false;
    twin->kind = row->kind;
    twin->attempt = row->attempts;
    twin->phase = row->phase;
    twin->expires_at = found->expires_at;
    twin->expiry = found->expiry;
    if (row->not_before > twin->retry_at && row->phase == MF_PHASE_QUEUED)
        twin->retry_at = row->not_before;
    if (mf_mirror_follow(run)) { /* what has changed since is looked at once more */
        run->seen_seq = row->seq;
        mark_dirty(run);
    }
    mf_twin_settle(twin);
    return true;
}

bool mf_mirror_take(struct mf_mirror *mirror, const struct mf_look_found *found)
{
    const struct mf_action_row *row = &found->row;
    bool ours =
        row->kind == MF_ACTION_CONDITION || (row->kind == MF_ACTION_TASK && row->carrier == MF_CARRIER_HERE);
    if (!ours)
        return true;
    if (!mf_phase_is_terminal(row->phase))
        return take_open(mirror, found);
    struct mf_twin *twin = mf_twin_find(mirror, row->run_id, row->name);
    if (!twin || twin->over || row->attempts < twin->attempt)
        return true;
    twin->over = true;
    twin->known = true;
    twin->attempt = row->attempts;
    twin->phase = row->phase;
    twin->tries = 0;
    twin->retry_at = 0;
    mf_report_free(twin->report);
    twin->report = NULL;
    mf_twin_unqueue(twin);
    mf_twin_settle(twin);
    return true;
}

static void start_watches(struct mf_mirror *mirror)
{
    struct mf_error err;
    mirror->loaded = true;
    for (size_t i = 0; i < mirror->config.cluster_count; i++) {
        struct mf_mirror_cluster *cluster = &mirror->clusters[i];
        if (!cluster->watch && mf_cluster_watch(cluster, &err) != MF_OK) {
            mf_log(MF_LOG_WARN, "exec", "a cluster cannot be followed yet: %s", err.message);
            mirror->loaded = false;
        }
    }
}

static void take_runs(struct mf_mirror *mirror, const struct look *look, bool ok)
{
    for (size_t i = 0; i < look->run_count; i++) {
        const struct look_run *seen = &look->runs[i];
        struct mf_mirror_run *run = mf_map_get(mirror->runs, mf_str_make(&seen->run_id, sizeof seen->run_id));
        if (!run || !run->followed)
            continue;
        if (ok && run->seen_seq < seen->seen)
            run->seen_seq = seen->seen;
        if (!ok || seen->more)
            mark_dirty(run);
    }
}

static void after(struct mf_mirror_step *step)
{
    struct look *look = MF_CONTAINER(step, struct look, step);
    struct mf_mirror *mirror = step->mirror;
    bool ok = step->code == MF_OK;
    mirror->looking = false;
    for (size_t i = 0; i < look->count && ok && !mirror->stopping; i++)
        ok = mf_mirror_take(mirror, &look->found[i]);
    if (ok && look->open_rows)
        mirror->seen_seq = look->seen;
    take_runs(mirror, look, ok);
    if (ok && !look->more && !mirror->loaded && !mirror->stopping)
        start_watches(mirror);
    if (!ok && !mirror->stopping)
        mf_log(MF_LOG_WARN, "exec", "cannot look for work, will try again: %s",
               step->code != MF_OK ? step->err.message : "out of memory");
    bool again = ok && (look->more || mirror->look_again);
    mf_mirror_step_end(step);
    if (again)
        mf_mirror_look(mirror);
    else if (!ok || !mirror->loaded)
        mf_mirror_look_later(mirror);
}

/* Some of the runs that have changed. True when there are more. */
static bool list_dirty(struct mf_mirror *mirror, struct look *look)
{
    pthread_mutex_lock(&mirror->lock);
    while (mirror->dirty && look->run_count < RUNS_PER_LOOK) {
        struct mf_mirror_run *run = mirror->dirty;
        mirror->dirty = run->next_dirty;
        run->dirty = false;
        look->runs[look->run_count++] = (struct look_run){.run_id = run->id, .after = run->seen_seq};
    }
    bool more = mirror->dirty != NULL;
    pthread_mutex_unlock(&mirror->lock);
    return more;
}

void mf_mirror_look(struct mf_mirror *mirror)
{
    if (mirror->stopping)
        return;
    if (mirror->looking) {
        mirror->look_again = true;
        return;
    }
    struct mf_mirror_step *step = mf_mirror_step_new(mirror, NULL, sizeof(struct look));
    if (!step) {
        mf_mirror_look_later(mirror);
        return;
    }
    struct look *look = MF_CONTAINER(step, struct look, step);
    mirror->looking = true;
    look->after = mirror->seen_seq;
    look->open_rows = mirror->twin_count < MF_TWINS_MAX;
    mirror->full = !look->open_rows;
    mirror->look_again = list_dirty(mirror, look);
    mf_mirror_step_work(step, work, after);
}
