/* Creating the resource of a twin. */
#include "base/time.h"
#include "exec/kube/state.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/task/run.pb.h"
#include "gen/flyteidl2/task/task_definition.pb.h"

#define BLOCK_MAX_NS (30 * MF_SECOND_NS)

struct create {
    struct mf_mirror_step step;
    struct mf_kube_request request;
    int64_t run_id, run_created_at;
    struct mf_str name, parent_uid;
    struct mf_str namespace_, path, body;
    int32_t attempt;
    bool ended;          /* the action has, or is gone */
    bool made_namespace; /* once is enough */
};

static struct create *create_of(struct mf_kube_request *request)
{
    return MF_CONTAINER(request, struct create, request);
}

/* ---- on a helper thread ---- */

static enum mf_code read_rows(struct create *create, struct mf_task_action_input *in, struct mf_run_row *run,
                              struct mf_action_row *action, struct mf_error *err)
{
    struct mf_store *store = create->step.mirror->config.store;
    struct mf_arena *arena = create->step.arena;
    struct mf_db *db = NULL;
    struct mf_str body = MF_STR_EMPTY;
    void *spec = NULL;
    void *run_spec = NULL;
    enum mf_code code = mf_store_reader(store, &db, err);
    if (code != MF_OK)
        return code;
    code = mf_action_get(db, arena, create->run_id, create->name, action, err);
    if (code == MF_OK)
        code = mf_run_get(db, arena, create->run_id, run, err);
    create->ended = code == MF_NOT_FOUND || (code == MF_OK && mf_phase_is_terminal(action->phase));
    if (code == MF_OK)
        code = mf_spec_get(db, arena, action->spec_digest, &body, err);
    mf_store_reader_done(store, db);
    if (code == MF_OK)
        code = pb_decode(arena, &pb_task_RunSpec_type, run->run_spec, &run_spec, err);
    if (code == MF_OK)
        code = pb_decode(arena, &pb_task_TaskSpec_type, body, &spec, err);
    if (code != MF_OK)
        return code;
    in->run_spec = run_spec;
    in->template = ((const struct pb_task_TaskSpec *)spec)->task_template;
    return in->template ? MF_OK
                        : mf_fail(err, MF_INVALID_ARGUMENT, "the task's specification has no template");
}

static void work(struct mf_mirror_step *step)
{
    struct create *create = MF_CONTAINER(step, struct create, step);
    struct mf_run_row run;
    struct mf_action_row action;
    struct mf_task_action_input in = {
        .config = &step->mirror->config, .run = &run, .action = &action, .parent_uid = create->parent_uid};
    step->code = read_rows(create, &in, &run, &action, &step->err);
    if (step->code != MF_OK || create->ended)
        return;
    create->attempt = action.attempts;
    create->run_created_at = run.created_at;
    create->namespace_ =
        mf_task_action_namespace(step->arena, step->mirror->config.namespace_, run.project, run.domain);
    create->path = mf_str_printf(step->arena, MF_TASK_ACTION_API "/namespaces/%.*s/taskactions",
                                 MF_FMT(create->namespace_));
    step->code = create->namespace_.ptr && create->path.ptr
                     ? mf_task_action_build(step->arena, &in, &create->body, &step->err)
                     : mf_fail_memory(&step->err);
}

/* ---- on the loop ---- */

void mf_cluster_heard(struct mf_mirror_cluster *cluster, enum mf_code code)
{
    bool trouble = code == MF_UNAVAILABLE || code == MF_DEADLINE_EXCEEDED || code == MF_UNAUTHENTICATED;
    int64_t delay = MF_SECOND_NS;
    if (!trouble) {
        cluster->failures = 0;
        cluster->blocked_until = 0;
        return;
    }
    for (uint32_t i = 0; i < cluster->failures && delay < BLOCK_MAX_NS; i++)
        delay *= 2;
    cluster->failures++;
    cluster->blocked_until =
        mf_wall_ns(cluster->mirror->config.sys) + (delay < BLOCK_MAX_NS ? delay : BLOCK_MAX_NS);
}

static void end(struct create *create)
{
    struct mf_mirror *mirror = create->step.mirror;
    struct mf_twin *twin = create->step.twin;
    mirror->requests--;
    mf_mirror_step_end(&create->step);
    mf_twin_settle(twin);
    mf_mirror_pump(mirror);
}

static void try_later(struct create *create, enum mf_code code, const struct mf_error *err)
{
    struct mf_mirror *mirror = create->step.mirror;
    struct mf_twin *twin = create->step.twin;
    twin->tries++;
    twin->retry_at = mf_wall_ns(mirror->config.sys) + mf_twin_backoff_ns(twin);
    atomic_fetch_add(&mirror->failed, 1);
    if (code != MF_CANCELED && (twin->tries & (twin->tries - 1)) == 0)
        mf_log(MF_LOG_WARN, "exec", "%s, run %lld, cannot be created (try %u): %s", twin->name,
               (long long)create->run_id, twin->tries, err->message);
    end(create);
}

static void refuse(struct create *create, const char *code, const char *message)
{
    mf_twin_fault(create->step.twin, MF_PHASE_FAILED, code, message, false);
    end(create);
}

static void on_created(struct mf_kube_request *request);

static void post(struct create *create)
{
    create->request = (struct mf_kube_request){
        .arena = create->step.arena,
        .method = MF_STR("POST"),
        .path = create->path,
        .body = create->body,
        .done = on_created,
    };
    mf_kube_start(create->step.twin->run->cluster->kube, &create->request);
}

/* Something of that name is there: ours, from a request whose answer was lost, or another's. */
static void on_found(struct mf_kube_request *request)
{
    struct create *create = create_of(request);
    struct mf_twin *twin = create->step.twin;
    struct mf_task_action resource;
    mf_cluster_heard(twin->run->cluster, request->code);
    if (request->code != MF_OK) {
        try_later(create, request->code, &request->err);
        return;
    }
    mf_task_action_read(request->answer, &resource);
    if (resource.run_id == create->run_id && resource.run_created_at == create->run_created_at) {
        mf_twin_is_there(twin, &resource);
        mf_twin_report(twin, &resource);
        end(create);
    } else if (resource.removing) {
        mf_fail(&request->err, MF_ALREADY_EXISTS, "another TaskAction of its name is being deleted");
        try_later(create, MF_ALREADY_EXISTS, &request->err);
    } else {
        refuse(
            create, "InvalidResource",
            "its namespace has a TaskAction of this name already, of another run or server; choose another "
            "name for the run, or a kube-namespace with {project} and {domain} in it");
    }
}

static void look_at_it(struct create *create)
{
    const struct mf_twin *twin = create->step.twin;
    struct mf_arena *arena = create->step.arena;
    const mf_node *none = NULL;
    const char *name = NULL;
    if (mf_node_read(arena, create->body, &none, NULL) == MF_OK)
        name = mf_str_to_c(arena, mf_node_text(none, "metadata/name"));
    create->request = (struct mf_kube_request){
        .arena = arena,
        .path = mf_str_printf(arena, "%.*s/%s", MF_FMT(create->path), name ? name : ""),
        .done = on_found,
    };
    if (name && create->request.path.ptr)
        mf_kube_start(twin->run->cluster->kube, &create->request);
    else
        try_later(create, mf_fail_memory(&create->step.err), &create->step.err);
}

static void on_namespace(struct mf_kube_request *request)
{
    struct create *create = create_of(request);
    mf_cluster_heard(create->step.twin->run->cluster, request->code);
    if (request->code == MF_OK || request->code == MF_ALREADY_EXISTS) {
        post(create);
        return;
    }
    mf_fail_prefix(&request->err, "namespace %.*s does not exist and cannot be made; make it, or",
                   MF_FMT(create->namespace_));
    try_later(create, request->code, &request->err);
}

static void make_namespace(struct create *create)
{
    struct mf_node_builder b = {.arena = create->step.arena};
    struct mf_error err;
    mf_node *root = mf_node_object(&b);
    mf_node *metadata = mf_node_set_object(&b, root, "metadata");
    mf_node_set_text(&b, metadata, "name", create->namespace_);
    mf_node_set_text(&b, mf_node_set_object(&b, metadata, "labels"), MF_LABEL_MANAGER, MF_STR("mayfly"));
    create->made_namespace = true;
    create->request = (struct mf_kube_request){
        .arena = create->step.arena,
        .method = MF_STR("POST"),
        .path = MF_STR("/api/v1/namespaces"),
        .done = on_namespace,
    };
    if (mf_node_write(&b, root, &create->request.body, &err) == MF_OK)
        mf_kube_start(create->step.twin->run->cluster->kube, &create->request);
    else
        try_later(create, MF_RESOURCE_EXHAUSTED, &err);
}

static void take_refusal(struct create *create)
{
    struct mf_kube_request *request = &create->request;
    bool no_namespace = request->code == MF_NOT_FOUND &&
                        mf_str_starts(mf_node_text(request->answer, "message"), MF_STR("namespaces "));
    if (no_namespace && !create->made_namespace) {
        make_namespace(create);
    } else if (request->code == MF_ALREADY_EXISTS) {
        look_at_it(create);
    } else if (request->code == MF_INVALID_ARGUMENT) {
        refuse(create,
               request->status == 413   ? "EntityTooLarge"
               : request->status == 422 ? "InvalidResource"
                                        : "BadRequest",
               request->err.message);
    } else {
        if (request->code == MF_RESOURCE_EXHAUSTED && request->status == 403)
            mf_twin_waits(create->step.twin); /* a quota */
        try_later(create, request->code, &request->err);
    }
}

static void on_created(struct mf_kube_request *request)
{
    struct create *create = create_of(request);
    struct mf_twin *twin = create->step.twin;
    struct mf_task_action resource;
    mf_cluster_heard(twin->run->cluster, request->code);
    if (request->code != MF_OK) {
        take_refusal(create);
        return;
    }
    mf_task_action_read(request->answer, &resource);
    if (twin->there == MF_THERE_NOT) /* else newer news have overtaken the answer */
        mf_twin_is_there(twin, &resource);
    twin->tries = 0;
    twin->retry_at = 0;
    atomic_fetch_add(&create->step.mirror->created, 1);
    end(create);
}

static void after_work(struct mf_mirror_step *step)
{
    struct create *create = MF_CONTAINER(step, struct create, step);
    if (create->ended) {
        step->twin->over = true;
        end(create);
    } else if (step->code == MF_INVALID_ARGUMENT || step->code == MF_NOT_FOUND) {
        refuse(create, "BadTaskSpecification", step->err.message);
    } else if (step->code != MF_OK) {
        try_later(create, step->code, &step->err);
    } else if (step->mirror->stopping) {
        end(create);
    } else {
        step->twin->run->created_at = create->run_created_at;
        post(create);
    }
}

void mf_twin_create(struct mf_twin *twin)
{
    struct mf_mirror *mirror = twin->run->mirror;
    struct mf_mirror_step *step = mf_mirror_step_new(mirror, twin, sizeof(struct create));
    struct create *create = step ? MF_CONTAINER(step, struct create, step) : NULL;
    const struct mf_twin *parent =
        twin->parent ? mf_twin_find(mirror, twin->run->id, mf_str_from_c(twin->parent)) : NULL;
    if (create) {
        create->name = mf_str_copy(step->arena, mf_str_from_c(twin->name));
        create->parent_uid = parent ? mf_str_copy(step->arena, mf_str_from_c(parent->uid)) : MF_STR_EMPTY;
    }
    if (create && !create->name.ptr) {
        mf_mirror_step_end(step);
        create = NULL;
    }
    if (!create) {
        twin->retry_at = mf_wall_ns(mirror->config.sys) + MF_SECOND_NS;
        mf_twin_due(twin);
        return;
    }
    mirror->requests++;
    create->run_id = twin->run->id;
    mf_mirror_step_work(step, work, after_work);
}
