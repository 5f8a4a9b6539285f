#include "action/abort.h"
#include "action/machine.h"
#include "action/message.h"
#include "action/move.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"

#define NO_REASON "aborted by its executor"

/* The value of a condition ends it as an answer given here would; the executor has checked the type of its
 * own. */
static enum mf_code resolve(struct mf_tx *tx, const struct mf_action_status *report, struct mf_error *err)
{
    return mf_action_signal(tx, report->run_id, report->name, report->value, report->principal, err);
}

static enum mf_code advance(struct mf_tx *tx, const struct mf_action_status *report,
                            const struct mf_action_row *row, struct mf_error *err)
{
    const struct pb_workflow_ActionStatus *status = report->status;
    int64_t ended_at = mf_timestamp_ns(status->end_time);
    int32_t phase = status->phase == MF_PHASE_UNSPECIFIED ? row->phase : status->phase;
    const struct mf_action_change change = {
        .run_id = report->run_id,
        .name = report->name,
        .attempt = report->attempt > 0 ? (int32_t)report->attempt : row->attempts,
        .phase = phase,
        .at_ns = mf_phase_is_terminal(phase) ? ended_at : 0,
        /* 0 is what a sender that knows nothing of the cache sends. */
        .cache_status = status->cache_status > 0 ? status->cache_status : -1,
    };
    return mf_action_advance(tx, &change, NULL, err);
}

/* The end of what was aborted is what we wait for; anything else shows that its executor does not know. */
static enum mf_code of_aborted(struct mf_tx *tx, const struct mf_action_status *report,
                               const struct mf_action_row *row, struct mf_error *err)
{
    int32_t attempt = report->attempt > 0 ? (int32_t)report->attempt : row->attempts;
    if (mf_phase_is_terminal(report->status->phase))
        return mf_abort_confirmed(tx, row, attempt, err);
    return mf_fail(err, MF_ABORTED, "action %.*s was aborted (%.*s); stop it and report its end",
                   MF_FMT(row->name), MF_FMT(row->abort_reason));
}

/* An executor that reports the abort itself need not be waited for. */
static enum mf_code abort_reported(struct mf_tx *tx, const struct mf_action_status *report,
                                   const struct mf_action_row *row, struct mf_error *err)
{
    struct mf_str reason = report->abort_reason.len > 0 ? report->abort_reason : MF_STR(NO_REASON);
    enum mf_code code =
        mf_action_abort(tx, report->run_id, report->name, reason, report->principal, NULL, err);
    return code == MF_OK ? mf_abort_confirmed(tx, row, row->attempts, err) : code;
}

enum mf_code mf_action_report_status(struct mf_tx *tx, const struct mf_action_status *report,
                                     struct mf_error *err)
{
    struct mf_action_row row;
    if (!report->status)
        return mf_fail(err, MF_INVALID_ARGUMENT, "status is required");
    if (report->status->phase < MF_PHASE_UNSPECIFIED || report->status->phase > MF_PHASE_RECOVERED)
        return mf_fail(err, MF_INVALID_ARGUMENT, "status.phase: %d is no phase", report->status->phase);
    if (report->attempt > MF_ATTEMPT_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "attempt: must be at most %d", MF_ATTEMPT_MAX);
    enum mf_code code = mf_action_get(mf_tx_db(tx), mf_tx_arena(tx), report->run_id, report->name, &row, err);
    if (code != MF_OK)
        return code;
    if (row.phase == MF_PHASE_ABORTED)
        return of_aborted(tx, report, &row, err);
    if (report->status->phase == MF_PHASE_ABORTED)
        return abort_reported(tx, report, &row, err);
    if (report->value.len > 0 && row.kind == MF_ACTION_CONDITION && !mf_phase_is_terminal(row.phase))
        return resolve(tx, report, err);
    return advance(tx, report, &row, err);
}

enum mf_code mf_action_note(struct mf_tx *tx, int64_t run_id, struct mf_str name, struct mf_str text,
                            struct mf_error *err)
{
    struct mf_action_row row;
    const struct mf_move_detail detail = {.at_ns = mf_tx_now_ns(tx), .note = text};
    enum mf_code code = mf_action_get(mf_tx_db(tx), mf_tx_arena(tx), run_id, name, &row, err);
    if (code != MF_OK || mf_phase_is_terminal(row.phase))
        return code;
    code = mf_move_history(tx, mf_tx_arena(tx), &row, &detail, err);
    return code == MF_OK ? mf_move_write(tx, &row, false, err) : code;
}
