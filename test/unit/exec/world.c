#include "world.h"

#include "base/list.h"
#include "exec/process/proc.h"
#include "gen/flyteidl2/actions/actions_service.pb.h"
#include "gen/flyteidl2/common/identifier.pb.h"
#include "gen/flyteidl2/core/execution.pb.h"
#include "gen/flyteidl2/core/interface.pb.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/core/security.pb.h"
#include "gen/flyteidl2/core/types.pb.h"
#include "gen/flyteidl2/task/task_definition.pb.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"
#include "gen/google/protobuf/duration.pb.h"
#include "gen/google/protobuf/wrappers.pb.h"
#include "tasklog/tasklog.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void nap(void)
{
    usleep(5000);
}

/* cond is looked at until it holds; the limit only ends a test that has failed. */
#define WAIT_FOR(cond)                                                                                       \
    do {                                                                                                     \
        int64_t until_ = mf_mono_ns(mf_sys_real()) + WORLD_WAIT_S * INT64_C(1000000000);                     \
        while (!(cond)) {                                                                                    \
            if (mf_mono_ns(mf_sys_real()) > until_)                                                          \
                fail_msg("waited in vain for %s", #cond);                                                    \
            nap();                                                                                           \
        }                                                                                                    \
    } while (0)

struct world *world_new(const char *dir)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    snprintf(w->dir, sizeof w->dir, "%s", dir ? dir : "/tmp/mf-exec-XXXXXX");
    if (!dir)
        assert_non_null(mkdtemp(w->dir));
    w->arena = mf_arena_new(0);
    w->cpus = 4;
    w->grace_ms = 500;
    w->next_run = WORLD_RUN;
    return w;
}

void world_open(struct world *w)
{
    char path[96];
    snprintf(path, sizeof path, "%s/db", w->dir);
    assert_int_equal(mf_hub_new(&w->hub, &w->err), MF_OK);
    const struct mf_store_config store = {
        .sys = mf_sys_real(), .path = path, .hub = w->hub, .unsafe_no_fsync = true};
    assert_int_equal(mf_store_open(&store, &w->store, &w->err), MF_OK);
    snprintf(path, sizeof path, "%s/objects", w->dir);
    assert_int_equal(mf_make_dirs(path, 0700, &w->err), MF_OK);
    const struct mf_objects_config objects = {.store = w->store,
                                              .dir = path,
                                              .bucket = MF_STR("bucket"),
                                              .access_key = MF_STR("key"),
                                              .secret_key = MF_STR("secret"),
                                              .endpoint = MF_STR("http://127.0.0.1:1")};
    assert_int_equal(mf_objects_open(&objects, &w->objects, &w->err), MF_OK);
}

void world_close(struct world *w)
{
    world_stop(w);
    mf_objects_close(w->objects);
    mf_store_close(w->store);
    mf_hub_free(w->hub);
}

int world_set_up(void **state)
{
    struct world *w = world_new(NULL);
    world_open(w);
    *state = w;
    return 0;
}

int world_tear_down(void **state)
{
    struct world *w = *state;
    world_close(w);
    mf_arena_free(w->arena);
    assert_int_equal(mf_remove_tree(w->dir, NULL), MF_OK);
    free(w);
    return 0;
}

void world_start(struct world *w)
{
    const struct mf_exec_config config = {
        .sys = mf_sys_real(),
        .store = w->store,
        .objects = w->objects,
        .data_dir = w->dir,
        .self_path = "/proc/self/exe",
        .endpoint = MF_STR("127.0.0.1:1"),
        .cpus = w->cpus,
        .memory_bytes = (int64_t)64 << 30,
        .grace_ms = w->grace_ms,
    };
    assert_int_equal(mf_exec_start(&config, &w->exec, &w->err), MF_OK);
}

void world_stop(struct world *w)
{
    mf_exec_stop(w->exec);
    mf_exec_free(w->exec);
    w->exec = NULL;
}

/* ---- recording ---- */

struct insert {
    struct mf_command command;
    struct world *w;
    int64_t run_id;
    bool new_run;
    struct mf_str run_spec;
    const struct pb_actions_Action *action;
    struct mf_str abort_name; /* or that is started */
    int64_t pid;
};

static enum mf_code apply_insert(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct insert *insert = MF_CONTAINER(command, struct insert, command);
    struct mf_run_row run = {
        .id = insert->run_id,
        .project = MF_STR("p"),
        .domain = MF_STR("d"),
        .org = MF_STR_EMPTY,
        .name = mf_str_printf(insert->w->arena, "r%lld", (long long)insert->run_id),
        .request_digest = MF_STR_EMPTY,
        .run_spec = insert->run_spec,
        .output_base = world_uri(insert->w, insert->run_id, ""),
        .created_by = MF_STR_EMPTY,
        .created_by_subject = MF_STR_EMPTY,
        .trigger_task_name = MF_STR_EMPTY,
        .trigger_name = MF_STR_EMPTY,
        .created_at = mf_tx_now_ns(tx),
    };
    enum mf_code code = insert->new_run
                            ? mf_run_insert(mf_tx_db(tx), &run, err)
                            : mf_run_get(mf_tx_db(tx), insert->w->arena, insert->run_id, &run, err);
    return code == MF_OK ? mf_action_enqueue(tx, &run, insert->action, err) : code;
}

static enum mf_code apply_abort(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct insert *insert = MF_CONTAINER(command, struct insert, command);
    int64_t changed = 0;
    return mf_action_abort(tx, insert->run_id, insert->abort_name, MF_STR("test"), MF_STR_EMPTY, &changed,
                           err);
}

struct mf_str world_uri(struct world *w, int64_t run_id, const char *rest)
{
    return mf_str_printf(w->arena, "s3://bucket/r%lld%s", (long long)run_id, rest);
}

const char *world_script(struct world *w, const char *script)
{
    struct mf_str out = MF_STR_EMPTY;
    for (const char *at = script; *at; at++)
        out = *at == '@' ? mf_str_printf(w->arena, "%.*s%s", MF_FMT(out), w->dir)
                         : mf_str_printf(w->arena, "%.*s%c", MF_FMT(out), *at);
    return mf_str_to_c(w->arena, out);
}

static struct pb_google_protobuf_Duration *milliseconds(struct world *w, int64_t ms)
{
    struct pb_google_protobuf_Duration *duration = pb_new(w->arena, &pb_google_protobuf_Duration_type);
    duration->seconds = ms / 1000;
    duration->nanos = (int32_t)(ms % 1000) * 1000000;
    return ms > 0 ? duration : NULL;
}

static struct pb_core_KeyValuePair *pair(struct world *w, const char *key, const char *value)
{
    struct pb_core_KeyValuePair *made = pb_new(w->arena, &pb_core_KeyValuePair_type);
    made->key = mf_str_from_c(key);
    made->value = mf_str_from_c(value);
    return made;
}

static void add_env(struct world *w, struct pb_core_Container *container, const char *key, const char *value)
{
    assert_true(PB_PUSH(w->arena, container->env, pair(w, key, value)));
}

static struct pb_core_TaskTemplate *make_template(struct world *w, const struct world_task *task)
{
    struct mf_arena *a = w->arena;
    struct pb_core_TaskTemplate *template = pb_new(a, &pb_core_TaskTemplate_type);
    struct pb_core_Container *container = pb_new(a, &pb_core_Container_type);
    struct pb_core_TaskMetadata *metadata = pb_new(a, &pb_core_TaskMetadata_type);
    template->type = MF_STR("python");
    template->metadata = metadata;
    metadata->timeout = milliseconds(w, task->timeout_s * 1000);
    metadata->timeouts = pb_new(a, &pb_core_TimeoutStrategy_type);
    metadata->timeouts->deadline = milliseconds(w, task->deadline_ms);
    metadata->timeouts->queued_timeout = milliseconds(w, task->queued_timeout_ms);
    metadata->retries = pb_new(a, &pb_core_RetryStrategy_type);
    metadata->retries->retries = (uint32_t)task->retries;
    metadata->discoverable = task->cache_key != NULL;
    metadata->cache_serializable = task->serializable;
    if (task->secret) {
        struct pb_core_Secret *secret = pb_new(a, &pb_core_Secret_type);
        secret->key = MF_STR("token");
        template->security_context = pb_new(a, &pb_core_SecurityContext_type);
        assert_true(PB_PUSH(a, template->security_context->secrets, secret));
    }
    if (task->declares_outputs) {
        struct pb_core_VariableEntry *output = pb_new(a, &pb_core_VariableEntry_type);
        output->key = MF_STR("o0");
        template->interface = pb_new(a, &pb_core_TypedInterface_type);
        template->interface->outputs = pb_new(a, &pb_core_VariableMap_type);
        assert_true(PB_PUSH(a, template->interface->outputs->variables, output));
    }
    if (task->no_container)
        return template;
    template->target_case = pb_core_TaskTemplate_tag_container;
    template->target.container = container;
    container->image = MF_STR("auto");
    if (task->program) {
        assert_true(PB_PUSH(a, container->args, mf_str_from_c(task->program)));
        return template;
    }
    add_env(w, container, "RUN_NAME", "not yours");
    add_env(w, container, "OF_TASK", "task");
    add_env(w, container, "OF_BOTH", "task");
    if (task->memory_limit) {
        struct pb_core_Resources_ResourceEntry *limit = pb_new(a, &pb_core_Resources_ResourceEntry_type);
        limit->name = pb_core_Resources_MEMORY;
        limit->value = mf_str_from_c(task->memory_limit);
        container->resources = pb_new(a, &pb_core_Resources_type);
        assert_true(PB_PUSH(a, container->resources->limits, limit));
    }
    assert_true(PB_PUSH(a, container->command, MF_STR("/bin/sh")));
    assert_true(PB_PUSH(a, container->command, MF_STR("-c")));
    assert_true(PB_PUSH(a, container->args, mf_str_from_c(world_script(w, task->script))));
    return template;
}

static struct pb_actions_Action *make_action(struct world *w, int64_t run_id, const char *name,
                                             const char *parent)
{
    struct mf_arena *a = w->arena;
    struct pb_actions_Action *action = pb_new(a, &pb_actions_Action_type);
    action->action_id = pb_new(a, &pb_common_ActionIdentifier_type);
    action->action_id->run = pb_new(a, &pb_common_RunIdentifier_type);
    action->action_id->run->project = MF_STR("p");
    action->action_id->run->domain = MF_STR("d");
    action->action_id->run->name = mf_str_printf(a, "r%lld", (long long)run_id);
    action->action_id->name = mf_str_from_c(name);
    action->input_uri = mf_str_printf(a, "%.*s/%s/inputs.pb", MF_FMT(world_uri(w, run_id, "")), name);
    action->run_output_base = world_uri(w, run_id, "");
    if (parent) {
        action->parent_action_name = mf_str_from_c(parent);
        action->has_parent_action_name = true;
    }
    return action;
}

int64_t world_add(struct world *w, const char *name, const struct world_task *task)
{
    struct mf_arena *a = w->arena;
    struct insert insert = {.command = {.apply = apply_insert}, .w = w, .run_spec = MF_STR_EMPTY};
    struct pb_task_RunSpec *spec = pb_new(a, &pb_task_RunSpec_type);
    insert.new_run = !task->parent;
    insert.run_id = task->parent ? task->run_id : w->next_run++;
    struct pb_actions_Action *action = make_action(w, insert.run_id, name, task->parent);
    struct pb_workflow_TaskAction *body = pb_new(a, &pb_workflow_TaskAction_type);
    action->spec_case = pb_actions_Action_tag_task;
    action->spec.task = body;
    body->id = pb_new(a, &pb_task_TaskIdentifier_type);
    body->id->project = MF_STR("p");
    body->id->domain = MF_STR("d");
    body->id->name = MF_STR("task");
    body->id->version = MF_STR("v1");
    body->spec = pb_new(a, &pb_task_TaskSpec_type);
    body->spec->task_template = make_template(w, task);
    body->spec->short_name = MF_STR("task");
    if (task->cache_key) {
        body->cache_key = pb_new(a, &pb_google_protobuf_StringValue_type);
        body->cache_key->value = mf_str_from_c(task->cache_key);
    }
    spec->overwrite_cache = task->overwrite_cache;
    spec->max_action_concurrency = task->max_active;
    spec->envs = pb_new(a, &pb_task_Envs_type);
    assert_true(PB_PUSH(a, spec->envs->values, pair(w, "OF_BOTH", "run")));
    assert_int_equal(pb_encode(a, &pb_task_RunSpec_type, spec, &insert.run_spec, &w->err), MF_OK);
    insert.action = action;
    assert_int_equal(mf_writer_run(mf_store_writer(w->store), &insert.command, &w->err), MF_OK);
    return insert.run_id;
}

int64_t world_add_condition(struct world *w, int64_t run_id, const char *name, const char *parent,
                            int64_t timeout_ms)
{
    struct mf_arena *a = w->arena;
    struct insert insert = {
        .command = {.apply = apply_insert}, .w = w, .run_spec = MF_STR_EMPTY, .run_id = run_id};
    struct pb_actions_Action *action = make_action(w, run_id, name, parent);
    struct pb_workflow_ConditionAction *condition = pb_new(a, &pb_workflow_ConditionAction_type);
    action->spec_case = pb_actions_Action_tag_condition;
    action->spec.condition = condition;
    condition->name = MF_STR("approve");
    condition->type = pb_new(a, &pb_core_LiteralType_type);
    condition->type->type_case = pb_core_LiteralType_tag_simple;
    condition->type->type.simple = pb_core_BOOLEAN;
    condition->timeout = milliseconds(w, timeout_ms);
    insert.action = action;
    assert_int_equal(mf_writer_run(mf_store_writer(w->store), &insert.command, &w->err), MF_OK);
    return run_id;
}

static enum mf_code apply_start(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct insert *insert = MF_CONTAINER(command, struct insert, command);
    char boot[MF_BOOT_ID_MAX];
    const struct mf_action_change change = {.run_id = insert->run_id,
                                            .name = insert->abort_name,
                                            .attempt = 1,
                                            .phase = MF_PHASE_INITIALIZING,
                                            .cache_status = -1};
    mf_proc_boot_id(boot);
    const struct mf_process_row process = {
        .run_id = insert->run_id,
        .name = insert->abort_name,
        .attempt = 1,
        .pid = insert->pid,
        .pid_start = 1,
        .boot_id = mf_str_from_c(boot),
        .work_dir = mf_str_printf(insert->w->arena, "%s/work/%lld/%.*s-1", insert->w->dir,
                                  (long long)insert->run_id, MF_FMT(insert->abort_name)),
    };
    bool applied = false;
    enum mf_code code = mf_action_advance(tx, &change, &applied, err);
    assert_true(applied);
    return code == MF_OK ? mf_process_put(mf_tx_db(tx), &process, err) : code;
}

void world_record_start(struct world *w, int64_t run_id, const char *name, int64_t pid)
{
    struct insert insert = {.command = {.apply = apply_start},
                            .w = w,
                            .run_id = run_id,
                            .abort_name = mf_str_from_c(name),
                            .pid = pid};
    assert_int_equal(mf_writer_run(mf_store_writer(w->store), &insert.command, &w->err), MF_OK);
}

void world_abort(struct world *w, int64_t run_id, const char *name)
{
    struct insert insert = {
        .command = {.apply = apply_abort}, .w = w, .run_id = run_id, .abort_name = mf_str_from_c(name)};
    assert_int_equal(mf_writer_run(mf_store_writer(w->store), &insert.command, &w->err), MF_OK);
}

/* ---- looking ---- */

struct mf_action_row world_row(struct world *w, int64_t run_id, const char *name)
{
    struct mf_db *db = NULL;
    struct mf_action_row row;
    assert_int_equal(mf_store_reader(w->store, &db, &w->err), MF_OK);
    assert_int_equal(mf_action_get(db, w->arena, run_id, mf_str_from_c(name), &row, &w->err), MF_OK);
    mf_store_reader_done(w->store, db);
    return row;
}

struct mf_action_row world_wait_phase(struct world *w, int64_t run_id, const char *name, int32_t phase)
{
    struct mf_action_row row = {0};
    int64_t until = mf_mono_ns(mf_sys_real()) + WORLD_WAIT_S * INT64_C(1000000000);
    while ((row = world_row(w, run_id, name)).phase != phase) {
        if (mf_phase_is_terminal(row.phase) || mf_mono_ns(mf_sys_real()) > until)
            fail_msg("%s is %s, not %s; error \"%.*s\"", name, mf_phase_word(row.phase), mf_phase_word(phase),
                     MF_FMT(row.error));
        nap();
    }
    return row;
}

static const char *path_of(struct world *w, const char *name)
{
    return mf_str_to_c(w->arena, mf_str_printf(w->arena, "%s/%s", w->dir, name));
}

bool world_has_file(struct world *w, const char *name)
{
    return access(path_of(w, name), F_OK) == 0;
}

void world_wait_file(struct world *w, const char *name)
{
    const char *path = path_of(w, name);
    WAIT_FOR(access(path, F_OK) == 0);
}

void world_make_file(struct world *w, const char *name)
{
    FILE *file = fopen(path_of(w, name), "we");
    assert_non_null(file);
    fclose(file);
}

struct mf_str world_read_file(struct world *w, const char *name)
{
    struct mf_str text;
    assert_int_equal(mf_read_file(w->arena, path_of(w, name), 1 << 20, &text, &w->err), MF_OK);
    return text;
}

long world_read_number(struct world *w, const char *name)
{
    const char *path = path_of(w, name);
    struct stat st;
    WAIT_FOR(stat(path, &st) == 0 && st.st_size > 0);
    return strtol(mf_str_to_c(w->arena, world_read_file(w, name)), NULL, 10);
}

static bool is_dead(long pid)
{
    struct mf_proc proc;
    return !mf_proc_read((pid_t)pid, &proc) || proc.state == 'Z' || proc.state == 'X';
}

void world_wait_dead(long pid)
{
    assert_true(pid > 1);
    WAIT_FOR(is_dead(pid));
}

struct processes {
    struct mf_process_row last;
    size_t count;
};

static bool on_process(void *ctx, const struct mf_process_row *row)
{
    struct processes *processes = ctx;
    processes->last = *row;
    processes->count++;
    return true;
}

static struct processes list_processes(struct world *w)
{
    struct processes processes = {.count = 0};
    struct mf_db *db = NULL;
    assert_int_equal(mf_store_reader(w->store, &db, &w->err), MF_OK);
    assert_int_equal(mf_process_list(db, w->arena, on_process, &processes, &w->err), MF_OK);
    mf_store_reader_done(w->store, db);
    return processes;
}

struct mf_process_row world_process(struct world *w)
{
    struct processes processes = list_processes(w);
    assert_int_equal(processes.count, 1);
    return processes.last;
}

size_t world_process_count(struct world *w)
{
    return list_processes(w).count;
}

void world_wait_no_process(struct world *w)
{
    WAIT_FOR(list_processes(w).count == 0);
}

static const struct pb_core_ExecutionError *error_of(struct world *w, const struct mf_action_row *row)
{
    void *error = NULL;
    assert_int_equal(pb_decode(w->arena, &pb_core_ExecutionError_type, row->error, &error, &w->err), MF_OK);
    return error;
}

void world_assert_error(struct world *w, const struct mf_action_row *row, const char *code)
{
    assert_str(error_of(w, row)->code, code);
}

struct mf_str world_error_message(struct world *w, const struct mf_action_row *row)
{
    return error_of(w, row)->message;
}

struct mf_str world_log(struct world *w, int64_t run_id, const char *name, int32_t attempt)
{
    const char *path = NULL;
    struct mf_tasklog_reader *reader = NULL;
    struct mf_tasklog_line *lines;
    size_t count;
    bool ended = false;
    struct mf_str text = MF_STR_EMPTY;
    const struct mf_tasklog_key key = {MF_STR("p"), MF_STR("d"),
                                       mf_str_printf(w->arena, "r%lld", (long long)run_id),
                                       mf_str_from_c(name), attempt};
    assert_int_equal(mf_tasklog_path(w->arena, path_of(w, "logs"), &key, &path, &w->err), MF_OK);
    assert_int_equal(mf_tasklog_open(path, &reader, &w->err), MF_OK);
    assert_int_equal(mf_tasklog_read(reader, w->arena, 1000, 1 << 20, &lines, &count, &ended, &w->err),
                     MF_OK);
    for (size_t i = 0; i < count; i++)
        text = mf_str_printf(w->arena, "%.*s%.*s", MF_FMT(text), MF_FMT(lines[i].text));
    assert_true(ended);
    mf_tasklog_reader_free(reader);
    return text;
}
