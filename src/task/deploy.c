#include "task/deploy.h"

#include "base/list.h"
#include "base/log.h"
#include "gen/flyteidl2/task/task_service.pb.h"
#include "gen/flyteidl2/trigger/trigger_definition.pb.h"
#include "identity/caller.h"
#include "project/check.h"
#include "task/service.h"
#include "trigger/change.h"
#include "trigger/check.h"
#include "trigger/policy.h"

/* A task and its triggers to be written; lives in the arena of its call. */
struct deploy {
    struct mf_command command;
    struct mf_call *call;
    struct mf_tasks *tasks;
    struct mf_task_row row;
    struct mf_trigger_row *triggers;
    struct mf_str *names; /* of the triggers */
    size_t trigger_count;
    bool replaced; /* there was such a version */
    size_t kept;   /* triggers of the task that the request does not name and that stay */
};

struct mf_str mf_task_function_name(struct mf_str task_name, struct mf_str environment)
{
    if (environment.len > 0 && task_name.len > environment.len + 1 && mf_str_starts(task_name, environment) &&
        task_name.ptr[environment.len] == '.')
        return mf_str_skip(task_name, environment.len + 1);
    size_t start = task_name.len;
    while (start > 0 && task_name.ptr[start - 1] != '.')
        start--;
    return start < task_name.len ? mf_str_skip(task_name, start) : task_name;
}

static enum mf_code check_request(const struct pb_task_DeployTaskRequest *request, struct mf_error *err)
{
    const struct pb_task_TaskIdentifier *id = request->task_id;
    if (!id)
        return mf_fail(err, MF_INVALID_ARGUMENT, "task_id is required");
    const struct {
        struct mf_str value;
        const char *field;
    } parts[] = {{id->project, "task_id.project"},
                 {id->domain, "task_id.domain"},
                 {id->name, "task_id.name"},
                 {id->version, "task_id.version"}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        enum mf_code code = mf_name_check(parts[i].value, parts[i].field, err);
        if (code != MF_OK)
            return code;
    }
    return request->spec ? MF_OK : mf_fail(err, MF_INVALID_ARGUMENT, "spec is required");
}

static struct mf_str cut(struct mf_str text, size_t max)
{
    return mf_str_take(text, mf_utf8_cut(text, max));
}

enum mf_code mf_task_row_from_request(struct mf_arena *arena, const struct pb_task_DeployTaskRequest *request,
                                      struct mf_task_row *row, struct mf_error *err)
{
    enum mf_code code = check_request(request, err);
    if (code != MF_OK)
        return code;
    const struct pb_task_TaskIdentifier *id = request->task_id;
    struct pb_task_TaskSpec spec = *request->spec;
    struct pb_task_Environment environment = {0};
    struct pb_task_DocumentationEntity documentation = {0};
    if (spec.environment) {
        environment = *spec.environment;
        environment.description = cut(environment.description, MF_TASK_SHORT_TEXT_MAX);
        spec.environment = &environment;
    }
    if (spec.documentation) {
        documentation = *spec.documentation;
        documentation.short_description = cut(documentation.short_description, MF_TASK_SHORT_TEXT_MAX);
        documentation.long_description = cut(documentation.long_description, MF_TASK_LONG_TEXT_MAX);
        spec.documentation = &documentation;
    }
    *row = (struct mf_task_row){
        .key = {.project = id->project, .domain = id->domain, .name = id->name, .version = id->version},
        .environment = environment.name,
        .function_name = mf_task_function_name(id->name, environment.name),
        .env_description = environment.description,
        .short_description = documentation.short_description,
        .is_entrypoint =
            spec.task_template && spec.task_template->metadata && spec.task_template->metadata->is_entrypoint,
    };
    return pb_encode(arena, &pb_task_TaskSpec_type, &spec, &row->spec, err);
}

/* The trigger as DeployTrigger would bring it: pinned to the version that is deployed. */
static enum mf_code read_trigger(struct mf_tasks *tasks, struct mf_arena *arena,
                                 const struct pb_task_TaskTrigger *trigger, const struct mf_task_row *task,
                                 struct mf_trigger_row *row, struct mf_error *err)
{
    const struct pb_task_TaskTriggerSpec *given = trigger->spec;
    enum mf_code code = mf_name_check(trigger->name, "name", err);
    if (code == MF_OK && !given)
        code = mf_fail(err, MF_INVALID_ARGUMENT, "spec is required");
    if (code == MF_OK)
        code = mf_automation_check(mf_triggers_zones(tasks->triggers), arena, trigger->automation_spec,
                                   &row->automation_type, &row->automation, err);
    struct mf_policy policy;
    if (code == MF_OK)
        code = mf_policy_read(arena, given->run_spec, &policy, &row->policy, err);
    if (code != MF_OK)
        return code;
    struct pb_trigger_TriggerSpec spec = {
        .run_spec = given->run_spec,
        .task_version = task->key.version,
        .description = mf_short_text(given->description),
        .active = given->active,
    };
    if (given->input_wrapper_case == pb_task_TaskTriggerSpec_tag_inputs) {
        spec.input_wrapper_case = pb_trigger_TriggerSpec_tag_inputs;
        spec.input_wrapper.inputs = given->input_wrapper.inputs;
    } else if (given->input_wrapper_case == pb_task_TaskTriggerSpec_tag_offloaded_input_data) {
        spec.input_wrapper_case = pb_trigger_TriggerSpec_tag_offloaded_input_data;
        spec.input_wrapper.offloaded_input_data = given->input_wrapper.offloaded_input_data;
    }
    row->key = (struct mf_trigger_key){task->key.project, task->key.domain, task->key.name, trigger->name};
    row->task_version = task->key.version;
    row->active = given->active;
    row->description = spec.description;
    row->deployed_by = task->deployer;
    return pb_encode(arena, &pb_trigger_TriggerSpec_type, &spec, &row->spec, err);
}

static enum mf_code check_unique(const struct mf_str *names, size_t count, struct mf_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (mf_str_eq(names[i], names[count]))
            return mf_fail(err, MF_INVALID_ARGUMENT,
                           "name: there are two with this name; a task's triggers differ in it");
    }
    return MF_OK;
}

static enum mf_code read_triggers(struct mf_tasks *tasks, struct mf_arena *arena,
                                  const struct pb_task_DeployTaskRequest *request, struct deploy *deploy,
                                  struct mf_error *err)
{
    enum mf_code code = MF_OK;
    const size_t count = request->triggers.count;
    if (count > MF_TASK_TRIGGERS_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "triggers: more than %d", MF_TASK_TRIGGERS_MAX);
    deploy->triggers = mf_arena_array(arena, count + 1, sizeof *deploy->triggers);
    deploy->names = mf_arena_array(arena, count + 1, sizeof *deploy->names);
    if (!deploy->triggers || !deploy->names)
        return mf_fail_memory(err);
    deploy->trigger_count = count;
    for (size_t i = 0; i < count && code == MF_OK; i++) {
        const struct pb_task_TaskTrigger *trigger = request->triggers.items[i];
        code = read_trigger(tasks, arena, trigger, &deploy->row, &deploy->triggers[i], err);
        deploy->names[i] = trigger->name;
        if (code == MF_OK)
            code = check_unique(deploy->names, i, err);
        if (code == MF_INVALID_ARGUMENT)
            mf_fail_prefix(err, "triggers[%zu] \"%.*s\"", i, MF_FMT(mf_str_take(trigger->name, 100)));
    }
    return code;
}

/* Triggers that the request names replace those the task has; a request without any leaves them all, since
 * the SDK sends an empty list whenever the code has none, and they may have been made on their own. */
static enum mf_code apply_triggers(struct deploy *deploy, struct mf_tx *tx, struct mf_error *err)
{
    const struct mf_trigger_key task = {deploy->row.key.project, deploy->row.key.domain, deploy->row.key.name,
                                        MF_STR_EMPTY};
    enum mf_code code = MF_OK;
    deploy->kept = 0;
    if (deploy->trigger_count == 0 && !deploy->tasks->replace_triggers) {
        struct mf_str *names = NULL;
        return mf_trigger_names(mf_tx_db(tx), mf_tx_arena(tx), &task, &names, &deploy->kept, err);
    }
    code =
        mf_trigger_delete_others(tx, &task, deploy->names, deploy->trigger_count, deploy->row.deployer, err);
    for (size_t i = 0; i < deploy->trigger_count && code == MF_OK; i++)
        code = mf_trigger_deploy(tx, &deploy->triggers[i], 0, NULL, err);
    return code;
}

static enum mf_code apply_deploy(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct deploy *deploy = MF_CONTAINER(command, struct deploy, command);
    enum mf_code code = mf_project_check(mf_tx_db(tx), deploy->row.key.project, err);
    if (code != MF_OK)
        return code;
    deploy->row.created_at = mf_tx_now_ns(tx);
    deploy->row.updated_at = deploy->row.created_at;
    code = mf_task_put(mf_tx_db(tx), &deploy->row, &deploy->replaced, err);
    return code == MF_OK ? apply_triggers(deploy, tx, err) : code;
}

/* What the caller may not have meant. */
static void tell(const struct deploy *deploy)
{
    const struct mf_task_key *key = &deploy->row.key;
    if (deploy->replaced)
        mf_log(MF_LOG_INFO, "task", "%.*s/%.*s/%.*s: version %.*s was there and is replaced",
               MF_FMT(key->project), MF_FMT(key->domain), MF_FMT(key->name), MF_FMT(key->version));
    if (deploy->kept > 0)
        mf_log(MF_LOG_WARN, "task",
               "%.*s/%.*s/%.*s: deployed as version %.*s without triggers; the %zu it has stay as they are",
               MF_FMT(key->project), MF_FMT(key->domain), MF_FMT(key->name), MF_FMT(key->version),
               deploy->kept);
}

static void done_deploy(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct deploy *deploy = MF_CONTAINER(command, struct deploy, command);
    struct mf_call *call = deploy->call;
    const struct pb_task_DeployTaskResponse response = {0};
    if (code == MF_OK) {
        tell(deploy);
        mf_call_reply(call, &response);
    } else {
        mf_call_fail_error(call, err);
    }
    mf_call_unref(call);
}

static enum mf_code read_deploy(struct mf_tasks *tasks, struct mf_call *call, struct deploy *deploy,
                                struct mf_error *err)
{
    struct mf_arena *arena = mf_call_arena(call);
    enum mf_code code = mf_task_row_from_request(arena, mf_call_request(call), &deploy->row, err);
    if (code == MF_OK)
        code = mf_identity_encode(arena, mf_call_caller(call), &deploy->row.deployer, err);
    if (code != MF_OK)
        return code;
    deploy->row.deployed_by = mf_call_caller(call)->subject;
    deploy->tasks = tasks;
    return read_triggers(tasks, arena, mf_call_request(call), deploy, err);
}

void mf_task_on_deploy(void *service, struct mf_call *call)
{
    struct mf_tasks *tasks = service;
    struct mf_error err;
    struct deploy *deploy = MF_NEW(mf_call_arena(call), struct deploy);
    enum mf_code code = deploy ? read_deploy(tasks, call, deploy, &err) : mf_fail_memory(&err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    deploy->command.apply = apply_deploy;
    deploy->command.done = done_deploy;
    deploy->call = mf_call_ref(call);
    mf_writer_submit(mf_store_writer(tasks->store), &deploy->command);
}
