#include "base/list.h"
#include "gen/flyteidl2/trigger/trigger_service.pb.h"
#include "identity/caller.h"
#include "project/check.h"
#include "store/task.h"
#include "trigger/change.h"
#include "trigger/check.h"
#include "trigger/message.h"
#include "trigger/policy.h"
#include "trigger/service.h"

#include <stdio.h>

#define NAMES_MAX 1000

/* ---- DeployTrigger ---- */

/* Lives in the arena of its call. */
struct deploy {
    struct mf_command command;
    struct mf_call *call;
    uint64_t expected;
    struct mf_trigger_row wish, written;
};

static enum mf_code apply_deploy(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct deploy *deploy = MF_CONTAINER(command, struct deploy, command);
    const struct mf_trigger_row *wish = &deploy->wish;
    const struct mf_task_key task = {wish->key.project, wish->key.domain, wish->key.task_name,
                                     wish->task_version};
    bool exists = false;
    int64_t count = 0;
    enum mf_code code = mf_project_check(mf_tx_db(tx), wish->key.project, err);
    if (code == MF_OK)
        code = mf_task_exists(mf_tx_db(tx), &task, &exists, err);
    if (code == MF_OK && !exists)
        code = mf_fail(err, MF_NOT_FOUND, "task not found: %.*s/%.*s/%.*s version %.*s; deploy it first",
                       MF_FMT(task.project), MF_FMT(task.domain), MF_FMT(task.name), MF_FMT(task.version));
    if (code == MF_OK)
        code = mf_trigger_deploy(tx, wish, deploy->expected, &deploy->written, err);
    if (code == MF_OK)
        code = mf_trigger_count(mf_tx_db(tx), &wish->key, &count, err);
    if (code == MF_OK && count > MF_TASK_TRIGGERS_MAX)
        code = mf_fail(err, MF_FAILED_PRECONDITION,
                       "task %.*s has %d triggers, which is as many as one may have; delete some",
                       MF_FMT(task.name), MF_TASK_TRIGGERS_MAX);
    return code;
}

static void done_deploy(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct deploy *deploy = MF_CONTAINER(command, struct deploy, command);
    struct mf_call *call = deploy->call;
    struct pb_trigger_DeployTriggerResponse response = {0};
    struct mf_error failure;
    if (code == MF_OK) {
        code = mf_trigger_details(mf_call_arena(call), &deploy->written, &response.trigger, &failure);
        err = &failure;
    }
    if (code == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, err);
    mf_call_unref(call);
}

static enum mf_code read_deploy(struct mf_triggers *triggers, struct mf_call *call, struct deploy *deploy,
                                struct mf_error *err)
{
    struct mf_arena *arena = mf_call_arena(call);
    const struct pb_trigger_DeployTriggerRequest *request = mf_call_request(call);
    struct mf_trigger_row *wish = &deploy->wish;
    enum mf_code code = mf_trigger_name_check(request->name, "name", true, err);
    if (code == MF_OK && !request->spec)
        code = mf_fail(err, MF_INVALID_ARGUMENT, "spec is required");
    if (code == MF_OK)
        code = mf_name_check(request->spec->task_version, "spec.task_version", err);
    if (code == MF_OK)
        code = mf_automation_check(triggers->zones, arena, request->automation_spec, &wish->automation_type,
                                   &wish->automation, err);
    struct mf_policy policy;
    if (code == MF_OK)
        code = mf_policy_read(arena, request->spec->run_spec, &policy, &wish->policy, err);
    if (code == MF_OK)
        code = mf_identity_encode(arena, mf_call_caller(call), &wish->deployed_by, err);
    if (code != MF_OK)
        return code;
    struct pb_trigger_TriggerSpec spec = *request->spec;
    spec.description = mf_short_text(spec.description);
    wish->key = (struct mf_trigger_key){request->name->project, request->name->domain,
                                        request->name->task_name, request->name->name};
    wish->task_version = spec.task_version;
    wish->active = spec.active;
    wish->description = spec.description;
    deploy->expected = request->revision;
    return pb_encode(arena, &pb_trigger_TriggerSpec_type, &spec, &wish->spec, err);
}

void mf_trigger_on_deploy(void *service, struct mf_call *call)
{
    struct mf_triggers *triggers = service;
    struct mf_error err;
    struct deploy *deploy = MF_NEW(mf_call_arena(call), struct deploy);
    enum mf_code code = deploy ? read_deploy(triggers, call, deploy, &err) : mf_fail_memory(&err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    deploy->command.apply = apply_deploy;
    deploy->command.done = done_deploy;
    deploy->call = mf_call_ref(call);
    mf_writer_submit(mf_store_writer(triggers->store), &deploy->command);
}

/* ---- UpdateTriggers, DeleteTriggers ---- */

enum bulk_kind { BULK_OFF, BULK_ON, BULK_DELETE };

struct bulk {
    struct mf_command command;
    struct mf_call *call;
    enum bulk_kind kind;
    struct mf_trigger_key *keys;
    size_t count;
    struct mf_str by;
};

static enum mf_code apply_bulk(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    const struct bulk *bulk = MF_CONTAINER(command, struct bulk, command);
    enum mf_code code = MF_OK;
    for (size_t i = 0; code == MF_OK && i < bulk->count; i++) {
        if (bulk->kind == BULK_DELETE)
            code = mf_trigger_delete(tx, &bulk->keys[i], bulk->by, err);
        else
            code = mf_trigger_switch(tx, &bulk->keys[i], bulk->kind == BULK_ON, bulk->by, err);
    }
    return code;
}

static void done_bulk(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct bulk *bulk = MF_CONTAINER(command, struct bulk, command);
    const struct pb_trigger_UpdateTriggersResponse updated = {0};
    const struct pb_trigger_DeleteTriggersResponse deleted = {0};
    if (code != MF_OK)
        mf_call_fail_error(bulk->call, err);
    else if (bulk->kind == BULK_DELETE)
        mf_call_reply(bulk->call, &deleted);
    else
        mf_call_reply(bulk->call, &updated);
    mf_call_unref(bulk->call);
}

static enum mf_code read_names(struct mf_call *call, struct pb_common_TriggerName *const *names, size_t count,
                               struct bulk *bulk, struct mf_error *err)
{
    struct mf_arena *arena = mf_call_arena(call);
    if (count > NAMES_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "names: more than %d; use several calls", NAMES_MAX);
    bulk->count = count;
    bulk->keys = mf_arena_array(arena, count + 1, sizeof *bulk->keys);
    if (!bulk->keys)
        return mf_fail_memory(err);
    enum mf_code code = mf_identity_encode(arena, mf_call_caller(call), &bulk->by, err);
    for (size_t i = 0; code == MF_OK && i < count; i++) {
        char field[40];
        snprintf(field, sizeof field, "names[%zu]", i);
        code = mf_trigger_name_check(names[i], field, true, err);
        if (code == MF_OK)
            bulk->keys[i] = (struct mf_trigger_key){names[i]->project, names[i]->domain, names[i]->task_name,
                                                    names[i]->name};
    }
    return code;
}

static void start_bulk(struct mf_triggers *triggers, struct mf_call *call, enum bulk_kind kind,
                       struct pb_common_TriggerName *const *names, size_t count)
{
    struct mf_error err;
    struct bulk *bulk = MF_NEW(mf_call_arena(call), struct bulk);
    enum mf_code code = bulk ? read_names(call, names, count, bulk, &err) : mf_fail_memory(&err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    bulk->kind = kind;
    bulk->command.apply = apply_bulk;
    bulk->command.done = done_bulk;
    bulk->call = mf_call_ref(call);
    mf_writer_submit(mf_store_writer(triggers->store), &bulk->command);
}

void mf_trigger_on_update(void *service, struct mf_call *call)
{
    const struct pb_trigger_UpdateTriggersRequest *request = mf_call_request(call);
    start_bulk(service, call, request->active ? BULK_ON : BULK_OFF, request->names.items,
               request->names.count);
}

void mf_trigger_on_delete(void *service, struct mf_call *call)
{
    const struct pb_trigger_DeleteTriggersRequest *request = mf_call_request(call);
    start_bulk(service, call, BULK_DELETE, request->names.items, request->names.count);
}
