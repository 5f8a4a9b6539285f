#include "task/deploy.h"

#include "base/list.h"
#include "gen/flyteidl2/task/task_service.pb.h"
#include "project/check.h"
#include "store/store.h"

#define NAME_MAX_BYTES 255

/* A task to be written; lives in the arena of its call. */
struct deploy {
    struct mf_command command;
    struct mf_call *call;
    struct mf_task_row row;
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

static enum mf_code check_name(struct mf_str value, const char *field, struct mf_error *err)
{
    if (value.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "task_id.%s is required", field);
    if (value.len > NAME_MAX_BYTES)
        return mf_fail(err, MF_INVALID_ARGUMENT, "task_id.%s must have at most %d bytes", field,
                       NAME_MAX_BYTES);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c < 0x20 || c == 0x7f || c == '/')
            return mf_fail(err, MF_INVALID_ARGUMENT, "task_id.%s must not hold \"/\" or control characters",
                           field);
    }
    return MF_OK;
}

static enum mf_code check_request(const struct pb_task_DeployTaskRequest *request, struct mf_error *err)
{
    const struct pb_task_TaskIdentifier *id = request->task_id;
    if (!id)
        return mf_fail(err, MF_INVALID_ARGUMENT, "task_id is required");
    const struct {
        struct mf_str value;
        const char *field;
    } parts[] = {
        {id->project, "project"}, {id->domain, "domain"}, {id->name, "name"}, {id->version, "version"}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        enum mf_code code = check_name(parts[i].value, parts[i].field, err);
        if (code != MF_OK)
            return code;
    }
    if (!request->spec)
        return mf_fail(err, MF_INVALID_ARGUMENT, "spec is required");
    if (request->triggers.count > 0)
        return mf_fail(err, MF_UNIMPLEMENTED,
                       "triggers are not served yet; deploy the task without trigger \"%.*s\"",
                       MF_FMT(mf_str_take(request->triggers.items[0]->name, 100)));
    return MF_OK;
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
    };
    return pb_encode(arena, &pb_task_TaskSpec_type, &spec, &row->spec, err);
}

static enum mf_code apply_deploy(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct deploy *deploy = MF_CONTAINER(command, struct deploy, command);
    enum mf_code code = mf_project_check(mf_tx_db(tx), deploy->row.key.project, err);
    if (code != MF_OK)
        return code;
    deploy->row.created_at = mf_tx_now_ns(tx);
    deploy->row.updated_at = deploy->row.created_at;
    return mf_task_put(mf_tx_db(tx), &deploy->row, err);
}

static void done_deploy(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct mf_call *call = MF_CONTAINER(command, struct deploy, command)->call;
    const struct pb_task_DeployTaskResponse response = {0};
    if (code == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, err);
    mf_call_unref(call);
}

void mf_task_on_deploy(void *store, struct mf_call *call)
{
    struct mf_error err;
    struct mf_arena *arena = mf_call_arena(call);
    struct deploy *deploy = MF_NEW(arena, struct deploy);
    enum mf_code code = deploy ? MF_OK : mf_fail_memory(&err);
    if (code == MF_OK)
        code = mf_task_row_from_request(arena, mf_call_request(call), &deploy->row, &err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    deploy->command.apply = apply_deploy;
    deploy->command.done = done_deploy;
    deploy->call = mf_call_ref(call);
    mf_writer_submit(mf_store_writer(store), &deploy->command);
}
