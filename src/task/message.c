#include "task/message.h"

#include "store/trigger.h"
#include "trigger/message.h"

struct pb_task_TaskIdentifier *mf_task_identifier(struct mf_arena *arena, const struct mf_task_key *key)
{
    struct pb_task_TaskIdentifier *id = MF_NEW(arena, struct pb_task_TaskIdentifier);
    if (id) {
        id->project = key->project;
        id->domain = key->domain;
        id->name = key->name;
        id->version = key->version;
    }
    return id;
}

/* Nothing for none, the trigger itself when it is the only one, numbers otherwise. */
static enum mf_code summary(struct mf_arena *arena, const struct mf_trigger_summary *found,
                            struct pb_task_TaskTriggersSummary **out, struct mf_error *err)
{
    void *automation = NULL;
    enum mf_code code = MF_OK;
    *out = NULL;
    if (found->total == 0)
        return MF_OK;
    struct pb_task_TaskTriggersSummary *summary = MF_NEW(arena, struct pb_task_TaskTriggersSummary);
    struct pb_task_TaskTriggersSummary_TriggerDetails *details =
        MF_NEW(arena, struct pb_task_TaskTriggersSummary_TriggerDetails);
    struct pb_task_TaskTriggersSummary_TriggerStats *stats =
        MF_NEW(arena, struct pb_task_TaskTriggersSummary_TriggerStats);
    if (!summary || !details || !stats)
        return mf_fail_memory(err);
    if (found->total == 1) {
        code = mf_stored_read(arena, &pb_task_TriggerAutomationSpec_type, found->automation,
                              "automation of the trigger", &automation, err);
        *details = (struct pb_task_TaskTriggersSummary_TriggerDetails){
            .name = found->name, .active = found->active > 0, .automation_spec = automation};
        summary->summary_case = pb_task_TaskTriggersSummary_tag_details;
        summary->summary.details = details;
    } else {
        *stats = (struct pb_task_TaskTriggersSummary_TriggerStats){.total = (uint32_t)found->total,
                                                                   .active = (uint32_t)found->active};
        summary->summary_case = pb_task_TaskTriggersSummary_tag_stats;
        summary->summary.stats = stats;
    }
    *out = summary;
    return code;
}

enum mf_code mf_task_metadata(struct mf_db *db, struct mf_arena *arena, const struct mf_task_row *row,
                              struct pb_task_TaskMetadata **out, struct mf_error *err)
{
    struct mf_trigger_summary triggers;
    const struct mf_trigger_key key = {row->key.project, row->key.domain, row->key.name, MF_STR_EMPTY};
    struct pb_task_TaskMetadata *metadata = MF_NEW(arena, struct pb_task_TaskMetadata);
    if (!metadata)
        return mf_fail_memory(err);
    metadata->short_name = row->function_name;
    metadata->deployed_at = mf_timestamp(arena, row->created_at);
    metadata->environment_name = row->environment;
    metadata->short_description = row->short_description;
    if (!metadata->deployed_at)
        return mf_fail_memory(err);
    enum mf_code code = mf_identity_read(arena, row->deployer, &metadata->deployed_by, err);
    if (code == MF_OK)
        code = mf_trigger_summary(db, arena, &key, row->key.version, &triggers, err);
    if (code == MF_OK)
        code = summary(arena, &triggers, &metadata->triggers_summary, err);
    *out = metadata;
    return code;
}

enum mf_code mf_task_latest(struct mf_db *db, struct mf_arena *arena, const struct mf_task_key *key,
                            struct pb_task_LatestRunSummary **out, struct mf_error *err)
{
    struct mf_task_run run;
    *out = NULL;
    enum mf_code code = mf_task_latest_run(db, arena, key, &run, err);
    if (code != MF_OK || run.name.len == 0)
        return code;
    struct pb_task_LatestRunSummary *latest = MF_NEW(arena, struct pb_task_LatestRunSummary);
    struct pb_common_RunIdentifier *id = MF_NEW(arena, struct pb_common_RunIdentifier);
    if (!latest || !id)
        return mf_fail_memory(err);
    id->project = run.project;
    id->domain = run.domain;
    id->name = run.name;
    latest->run_id = id;
    latest->run_time = mf_timestamp(arena, run.created_at);
    latest->phase = run.phase;
    latest->root_task_name = key->name;
    *out = latest;
    return latest->run_time ? MF_OK : mf_fail_memory(err);
}
