#include "action/machine.h"
#include "action/message.h"
#include "action/move.h"
#include "action/recover.h"
#include "gen/flyteidl2/actions/actions_service.pb.h"
#include "gen/flyteidl2/core/identifier.pb.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/task/environment.pb.h"
#include "gen/flyteidl2/task/task_definition.pb.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"
#include "gen/google/protobuf/wrappers.pb.h"
#include "store/webhook.h"

#include <openssl/sha.h>

/* The first action of every run. */
#define ROOT "a0"
#define WEBHOOK_URL_MAX 2048

struct enqueue {
    struct mf_tx *tx;
    struct mf_arena *arena;
    const struct mf_run_row *run;
    const struct pb_actions_Action *action;
    enum mf_carrier carrier;
    int64_t begun_at; /* by the clock of who carries it out; 0: now */
    struct mf_action_row row;
    int64_t started_at; /* of a trace; else 0 */
    struct mf_str report_uri;
};

static enum mf_code put_spec(struct enqueue *enqueue, const struct pb_type *type, const void *spec,
                             struct mf_error *err)
{
    struct mf_str body = MF_STR_EMPTY;
    char *digest = mf_arena_bytes(enqueue->arena, SHA256_DIGEST_LENGTH);
    if (!digest)
        return mf_fail_memory(err);
    enum mf_code code = pb_encode_stable(enqueue->arena, type, spec, &body, err);
    if (code != MF_OK)
        return code;
    SHA256((const unsigned char *)body.ptr, body.len, (unsigned char *)digest);
    enqueue->row.spec_digest = mf_str_make(digest, SHA256_DIGEST_LENGTH);
    return mf_spec_put(mf_tx_db(enqueue->tx), enqueue->row.spec_digest, body, err);
}

/* ---- the row of each kind ---- */

static struct mf_str last_segment(struct mf_str name)
{
    size_t start = name.len;
    while (start > 0 && name.ptr[start - 1] != '.')
        start--;
    return start < name.len ? mf_str_skip(name, start) : name;
}

static enum mf_code fill_task(struct enqueue *enqueue, const struct pb_workflow_TaskAction *task,
                              struct mf_error *err)
{
    struct mf_action_row *row = &enqueue->row;
    const struct pb_task_TaskSpec *spec = task->spec;
    const struct pb_core_TaskTemplate *template = spec ? spec->task_template : NULL;
    if (!template)
        return mf_fail(err, MF_INVALID_ARGUMENT, "action.task.spec.task_template: value is required");
    row->kind = MF_ACTION_TASK;
    row->phase = MF_PHASE_QUEUED;
    if (task->id) {
        row->task_project = task->id->project;
        row->task_domain = task->id->domain;
        row->task_name = task->id->name;
        row->task_version = task->id->version;
    } else if (template->id) {
        row->task_project = template->id->project;
        row->task_domain = template->id->domain;
        row->task_name = template->id->name;
        row->task_version = template->id->version;
    }
    row->task_type = template->type;
    row->short_name = spec->short_name.len > 0 ? spec->short_name : last_segment(row->task_name);
    row->function_name = row->short_name;
    if (spec->environment)
        row->environment_name = spec->environment->name;
    if (task->cache_key)
        row->cache_key = task->cache_key->value;
    return put_spec(enqueue, &pb_task_TaskSpec_type, spec, err);
}

static enum mf_code fill_trace(struct enqueue *enqueue, const struct pb_workflow_TraceAction *trace,
                               struct mf_error *err)
{
    struct mf_action_row *row = &enqueue->row;
    int64_t now = mf_tx_now_ns(enqueue->tx);
    int64_t ended_at = mf_timestamp_ns(trace->end_time);
    enqueue->started_at = mf_timestamp_ns(trace->start_time);
    row->kind = MF_ACTION_TRACE;
    row->phase = mf_phase_is_terminal(trace->phase) ? trace->phase : MF_PHASE_SUCCEEDED;
    row->task_name = row->short_name = row->function_name = trace->name;
    if (enqueue->carrier == MF_CARRIER_CLIENT) { /* its reports will tell how it goes */
        row->phase = MF_PHASE_QUEUED;
        return trace->spec ? put_spec(enqueue, &pb_task_TraceSpec_type, trace->spec, err) : MF_OK;
    }
    if (enqueue->started_at > 0)
        row->created_at = enqueue->started_at;
    row->running_at = row->created_at;
    row->ended_at = ended_at > 0 ? ended_at : now;
    if (row->ended_at < row->created_at)
        row->ended_at = row->created_at;
    if (trace->outputs) {
        row->output_uri = trace->outputs->output_uri;
        enqueue->report_uri = trace->outputs->report_uri;
    }
    return trace->spec ? put_spec(enqueue, &pb_task_TraceSpec_type, trace->spec, err) : MF_OK;
}

static enum mf_code check_webhook(const struct pb_workflow_ConditionWebhook *webhook, struct mf_error *err)
{
    struct mf_str url = webhook->url;
    bool known = mf_str_starts(url, MF_STR("http://")) || mf_str_starts(url, MF_STR("https://"));
    if (url.len > 0 && (!known || url.len > WEBHOOK_URL_MAX))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "condition.webhook.url must begin with http:// or https:// and have at most %d bytes",
                       WEBHOOK_URL_MAX);
    return MF_OK;
}

/* Whoever is to be told of the condition is told after the commit, and until it has been (hook/hook.h). */
static enum mf_code order_webhook(const struct enqueue *enqueue, struct mf_error *err)
{
    const struct mf_action_row *row = &enqueue->row;
    const struct pb_actions_Action *action = enqueue->action;
    const struct pb_workflow_ConditionAction *condition =
        action->spec_case == pb_actions_Action_tag_condition ? action->spec.condition : NULL;
    int64_t now = mf_tx_now_ns(enqueue->tx);
    const struct mf_webhook_row webhook = {.run_id = row->run_id,
                                           .name = row->name,
                                           .attempt = row->attempts,
                                           .next_at = now,
                                           .last_error = MF_STR_EMPTY,
                                           .created_at = now};
    if (!condition || !condition->webhook || condition->webhook->url.len == 0 ||
        row->phase != MF_PHASE_PAUSED)
        return MF_OK;
    mf_tx_touch(enqueue->tx, (struct mf_topic){.kind = MF_TOPIC_WEBHOOKS});
    return mf_webhook_insert(mf_tx_db(enqueue->tx), &webhook, err);
}

static enum mf_code fill_condition(struct enqueue *enqueue,
                                   const struct pb_workflow_ConditionAction *condition, struct mf_error *err)
{
    struct mf_action_row *row = &enqueue->row;
    int32_t value_case = 0;
    row->kind = MF_ACTION_CONDITION;
    row->phase = MF_PHASE_PAUSED;
    row->task_name = row->short_name = row->function_name = condition->name;
    enum mf_code code = mf_condition_type(condition, &value_case, err);
    if (code == MF_OK && condition->webhook)
        code = check_webhook(condition->webhook, err);
    return code == MF_OK ? put_spec(enqueue, &pb_workflow_ConditionAction_type, condition, err) : code;
}

static enum mf_code fill(struct enqueue *enqueue, struct mf_error *err)
{
    const struct pb_actions_Action *action = enqueue->action;
    const struct mf_run_row *run = enqueue->run;
    int64_t now = enqueue->begun_at > 0 ? enqueue->begun_at : mf_tx_now_ns(enqueue->tx);
    enqueue->row = (struct mf_action_row){
        .run_id = run->id,
        .name = action->action_id->name,
        .project = run->project,
        .domain = run->domain,
        .run_name = run->name,
        .parent = action->parent_action_name,
        .attempts = 1,
        .carrier = action->spec_case == pb_actions_Action_tag_condition ? MF_CARRIER_HERE
                                                                        : (int32_t)enqueue->carrier,
        .group = action->group,
        .input_uri = action->input_uri,
        .principal = action->subject,
        .queued_at = now,
        .created_at = now,
        .updated_at = now,
    };
    switch (action->spec_case) {
    case pb_actions_Action_tag_task:
        return fill_task(enqueue, action->spec.task, err);
    case pb_actions_Action_tag_trace:
        return fill_trace(enqueue, action->spec.trace, err);
    case pb_actions_Action_tag_condition:
        return fill_condition(enqueue, action->spec.condition, err);
    default:
        return mf_fail(err, MF_INVALID_ARGUMENT, "action.spec: one of task, trace and condition is required");
    }
}

/* ---- into the store ---- */

static enum mf_code check_parent(struct enqueue *enqueue, struct mf_error *err)
{
    const struct pb_actions_Action *action = enqueue->action;
    struct mf_action_row parent;
    if (action->parent_action_name.len == 0)
        return mf_str_eq_c(action->action_id->name, ROOT)
                   ? MF_OK
                   : mf_fail(err, MF_INVALID_ARGUMENT,
                             "action.parent_action_name is required; only the first action, " ROOT
                             ", has no parent");
    struct mf_db *db = mf_tx_db(enqueue->tx);
    enum mf_code code =
        mf_action_get(db, enqueue->arena, enqueue->run->id, action->parent_action_name, &parent, err);
    if (code == MF_NOT_FOUND && enqueue->carrier != MF_CARRIER_HERE) {
        code = mf_action_get(db, enqueue->arena, enqueue->run->id, MF_STR(ROOT), &parent, err);
        if (code == MF_NOT_FOUND)
            return MF_OK;
    }
    if (code == MF_NOT_FOUND)
        return mf_fail(err, code, "parent action not found: %.*s", MF_FMT(action->parent_action_name));
    if (code == MF_OK && mf_phase_is_terminal(parent.phase))
        return mf_fail(err, MF_ABORTED, "action %.*s of run %.*s has ended (%s); it takes no new actions",
                       MF_FMT(parent.name), MF_FMT(parent.run_name), mf_phase_word(parent.phase));
    return code;
}

/* A trace arrives when it is over, so that its history is told here as a whole. */
static enum mf_code write_history(struct enqueue *enqueue, struct mf_error *err)
{
    struct mf_action_row *row = &enqueue->row;
    struct mf_move_detail detail = {
        .at_ns = row->ended_at > 0 ? row->ended_at : mf_tx_now_ns(enqueue->tx),
        .output_uri = row->output_uri,
        .report_uri = enqueue->report_uri,
    };
    enum mf_code code = MF_OK;
    if (enqueue->started_at > 0) {
        const struct mf_move_detail began = {.at_ns = enqueue->started_at};
        struct mf_action_row running = *row;
        running.phase = MF_PHASE_RUNNING;
        code = mf_move_history(enqueue->tx, enqueue->arena, &running, &began, err);
    }
    return code == MF_OK ? mf_move_history(enqueue->tx, enqueue->arena, row, &detail, err) : code;
}

static enum mf_code insert(struct enqueue *enqueue, struct mf_error *err)
{
    struct mf_action_row *row = &enqueue->row;
    enum mf_code code = mf_recover_action(enqueue->tx, enqueue->run, row, err);
    if (code != MF_OK)
        return code;
    mf_move_stamp(enqueue->tx, row, !mf_phase_is_terminal(row->phase));
    code = mf_action_insert(mf_tx_db(enqueue->tx), row, err);
    if (code == MF_OK)
        code = order_webhook(enqueue, err);
    /* The history of what a client carries out is what the client tells. */
    if (code == MF_OK && enqueue->carrier != MF_CARRIER_CLIENT)
        code = write_history(enqueue, err);
    if (code == MF_OK && row->kind == MF_ACTION_TASK && row->phase == MF_PHASE_QUEUED)
        code = mf_recover_traces(enqueue->tx, enqueue->run, row, err);
    return code;
}

/* A failed child of a parent that was retried. It gets an attempt of its own with a fresh budget, and its own
 * failed children are out of the way, too: they would make it fail again at once. */
static enum mf_code begin_again(struct enqueue *enqueue, const struct mf_action_row *old,
                                struct mf_error *err)
{
    struct mf_action_row *row = &enqueue->row;
    if (old->kind != row->kind)
        return mf_fail(
            err, MF_FAILED_PRECONDITION,
            "action %.*s is recorded as another kind (task, trace, condition); give it another name",
            MF_FMT(row->name));
    row->attempts = old->attempts + 1;
    row->created_at = old->created_at;
    enum mf_code code = mf_action_hide_failed(mf_tx_db(enqueue->tx), row->run_id, row->name, err);
    if (code == MF_OK)
        code = mf_move_write(enqueue->tx, row, !mf_phase_is_terminal(row->phase), err);
    if (code == MF_OK)
        code = order_webhook(enqueue, err);
    return code == MF_OK ? write_history(enqueue, err) : code;
}

enum mf_code mf_action_record(struct mf_tx *tx, const struct mf_run_row *run,
                              const struct pb_actions_Action *action, enum mf_carrier carrier,
                              int64_t started_at_ns, struct mf_error *err)
{
    struct enqueue enqueue = {.tx = tx,
                              .arena = mf_tx_arena(tx),
                              .run = run,
                              .action = action,
                              .carrier = carrier,
                              .begun_at = started_at_ns};
    struct mf_action_row old;
    if (!action->action_id || action->action_id->name.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "action.action_id.name is required");
    enum mf_code code = check_parent(&enqueue, err);
    if (code != MF_OK)
        return code;
    code = mf_action_get(mf_tx_db(tx), enqueue.arena, run->id, action->action_id->name, &old, err);
    if (code != MF_OK && code != MF_NOT_FOUND)
        return code;
    bool exists = code == MF_OK;
    if (exists && !old.hidden)
        return mf_fail(err, MF_ALREADY_EXISTS, "action %.*s already exists in run %.*s", MF_FMT(old.name),
                       MF_FMT(run->name));
    code = fill(&enqueue, err);
    if (code != MF_OK)
        return code;
    return exists ? begin_again(&enqueue, &old, err) : insert(&enqueue, err);
}

enum mf_code mf_action_enqueue(struct mf_tx *tx, const struct mf_run_row *run,
                               const struct pb_actions_Action *action, struct mf_error *err)
{
    return mf_action_record(tx, run, action, MF_CARRIER_HERE, 0, err);
}
