#include "action/move.h"

#include "gen/flyteidl2/common/identifier.pb.h"
#include "gen/flyteidl2/core/execution.pb.h"
#include "gen/flyteidl2/task/common.pb.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"

#include "action/message.h"

static void fill_error(struct pb_workflow_ErrorInfo *info, const struct pb_core_ExecutionError *error)
{
    info->code = error->code;
    info->message = error->message;
    info->gpu_fault = error->gpu_fault;
    info->kind = error->kind == pb_core_ExecutionError_USER     ? pb_workflow_ErrorInfo_KIND_USER
                 : error->kind == pb_core_ExecutionError_SYSTEM ? pb_workflow_ErrorInfo_KIND_SYSTEM
                                                                : pb_workflow_ErrorInfo_KIND_UNSPECIFIED;
}

static enum mf_code insert(struct mf_tx *tx, struct mf_arena *arena, struct pb_workflow_ActionEvent *event,
                           struct mf_event_row *row, struct mf_error *err)
{
    struct mf_db *db = mf_tx_db(tx);
    bool inserted = false;
    event->version = (uint32_t)row->version;
    enum mf_code code = pb_encode(arena, &pb_workflow_ActionEvent_type, event, &row->body, err);
    if (code == MF_OK)
        code = mf_event_insert(db, row, &inserted, err);
    if (code != MF_OK || inserted)
        return code;
    code = mf_event_next_version(db, row->run_id, row->name, row->attempt, row->phase, &row->version, err);
    event->version = (uint32_t)row->version;
    if (code == MF_OK)
        code = pb_encode(arena, &pb_workflow_ActionEvent_type, event, &row->body, err);
    return code == MF_OK ? mf_event_insert(db, row, &inserted, err) : code;
}

enum mf_code mf_move_history(struct mf_tx *tx, struct mf_arena *arena, const struct mf_action_row *row,
                             const struct mf_move_detail *detail, struct mf_error *err)
{
    int64_t now = mf_tx_now_ns(tx);
    struct mf_action_id id;
    struct pb_workflow_ErrorInfo info = {0};
    struct pb_task_OutputReferences outputs = {.output_uri = detail->output_uri,
                                               .report_uri = detail->report_uri};
    struct pb_google_protobuf_Timestamp updated = mf_timestamp(detail->at_ns);
    struct pb_google_protobuf_Timestamp reported =
        mf_timestamp(detail->reported_ns > 0 ? detail->reported_ns : now);
    struct pb_workflow_ClusterEvent note = {.occurred_at = &updated, .message = detail->note};
    struct pb_workflow_ClusterEvent *notes[] = {&note};
    struct pb_workflow_ActionEvent event = {
        .id = mf_action_id_of(&id, row),
        .attempt = (uint32_t)row->attempts,
        .phase = row->phase,
        .updated_time = &updated,
        .reported_time = &reported,
        .log_context = (struct pb_core_LogContext *)(uintptr_t)detail->log_context,
        .cluster = MF_STR("local"),
        .cache_status = row->cache_status,
        .cache_metadata = (struct pb_common_CacheMetadata *)(uintptr_t)detail->cache_metadata,
    };
    if (detail->error) {
        fill_error(&info, detail->error);
        event.error_info = &info;
    }
    if (detail->note.len > 0) {
        event.cluster_events.items = notes;
        event.cluster_events.count = 1;
    }
    if (outputs.output_uri.len > 0 || outputs.report_uri.len > 0)
        event.outputs = &outputs;
    struct mf_event_row record = {
        .run_id = row->run_id,
        .name = row->name,
        .attempt = row->attempts,
        .phase = row->phase,
        .version = detail->version,
        .error_kind = detail->error ? info.kind : 0,
        .updated_at = detail->at_ns,
        .recorded_at = now,
    };
    return insert(tx, arena, &event, &record, err);
}

void mf_move_stamp(struct mf_tx *tx, struct mf_action_row *row, bool work)
{
    row->seq = mf_tx_next_seq(tx);
    row->updated_at = mf_tx_now_ns(tx);
    mf_tx_touch(tx, (struct mf_topic){.kind = MF_TOPIC_RUN, .run_id = row->run_id});
    mf_tx_touch(tx, (struct mf_topic){
                        .kind = MF_TOPIC_ACTION, .run_id = row->run_id, .hash = mf_topic_hash(row->name)});
    if (row->parent.len > 0) {
        mf_tx_touch(tx, (struct mf_topic){.kind = MF_TOPIC_CHILDREN,
                                          .run_id = row->run_id,
                                          .hash = mf_topic_hash(row->parent)});
    } else {
        mf_tx_touch(
            tx, (struct mf_topic){.kind = MF_TOPIC_RUNS, .hash = mf_topic_hash2(row->project, row->domain)});
        mf_tx_touch(tx, (struct mf_topic){.kind = MF_TOPIC_ALL_RUNS});
    }
    if (work)
        mf_tx_touch(tx, (struct mf_topic){.kind = MF_TOPIC_WORK});
}

enum mf_code mf_move_write(struct mf_tx *tx, struct mf_action_row *row, bool work, struct mf_error *err)
{
    mf_move_stamp(tx, row, work);
    return mf_action_write_state(mf_tx_db(tx), row, err);
}
