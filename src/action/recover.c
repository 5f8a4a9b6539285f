#include "action/recover.h"

#include "action/message.h"
#include "action/move.h"
#include "base/log.h"
#include "gen/flyteidl2/common/run.pb.h"
#include "gen/flyteidl2/task/run.pb.h"

/* The specification of a run that takes over results from its related run; NULL: it does not. */
static enum mf_code recovery_of(struct mf_tx *tx, const struct mf_run_row *run,
                                const struct pb_task_RunSpec **out, struct mf_error *err)
{
    void *decoded = NULL;
    *out = NULL;
    if (run->related_run_id == 0)
        return MF_OK;
    enum mf_code code = pb_decode(mf_tx_arena(tx), &pb_task_RunSpec_type, run->run_spec, &decoded, err);
    if (code == MF_INVALID_ARGUMENT)
        return mf_fail(err, MF_DATA_LOSS, "the stored specification of run %.*s/%.*s/%.*s cannot be read",
                       MF_FMT(run->project), MF_FMT(run->domain), MF_FMT(run->name));
    const struct pb_task_RunSpec *spec = decoded;
    if (code == MF_OK && (spec->recover || (spec->relation && spec->relation->relation_type ==
                                                                  pb_common_RELATION_TYPE_RECOVER)))
        *out = spec;
    return code;
}

static bool takes_over(const struct pb_task_RunSpec *spec, struct mf_str name)
{
    const struct pb_task_Recover *recover = spec ? spec->recover : NULL;
    for (uint32_t i = 0; recover && i < recover->force_rerun_actions.count; i++) {
        if (mf_str_eq(recover->force_rerun_actions.items[i], name))
            return false;
    }
    return spec != NULL;
}

/* The action of that name in the recovered run, or, when that has not come so far, in the one that it has
 * recovered itself. */
static enum mf_code find_twin(struct mf_tx *tx, const struct mf_run_row *run, struct mf_str name,
                              struct mf_action_row *twin, bool *found, struct mf_error *err)
{
    struct mf_db *db = mf_tx_db(tx);
    struct mf_arena *arena = mf_tx_arena(tx);
    struct mf_run_row source = *run;
    *found = false;
    for (int i = 0; i < MF_RECOVER_RUNS_MAX; i++) {
        const struct pb_task_RunSpec *spec = NULL;
        enum mf_code code = recovery_of(tx, &source, &spec, err);
        if (code != MF_OK || !takes_over(spec, name))
            return code;
        int64_t id = source.related_run_id;
        code = mf_action_get(db, arena, id, name, twin, err);
        *found = code == MF_OK;
        if (code != MF_NOT_FOUND)
            return code;
        code = mf_run_get(db, arena, id, &source, err);
        if (code != MF_OK)
            return code == MF_NOT_FOUND ? MF_OK : code;
    }
    return MF_OK;
}

static bool succeeded(const struct mf_action_row *row)
{
    return row->phase == MF_PHASE_SUCCEEDED || row->phase == MF_PHASE_RECOVERED;
}

/* Where the result really comes from: the twin's own source when it was recovered itself. */
static enum mf_code take_result(struct mf_tx *tx, const struct mf_action_row *twin, struct mf_action_row *row,
                                struct mf_error *err)
{
    struct mf_action_id id;
    row->phase = MF_PHASE_RECOVERED;
    row->output_uri = twin->output_uri;
    row->value = twin->value;
    row->signalled_by = twin->signalled_by;
    row->ended_at = row->created_at;
    row->recovered_from = twin->recovered_from;
    if (twin->recovered_from.len > 0)
        return MF_OK;
    return pb_encode(mf_tx_arena(tx), &pb_common_ActionIdentifier_type, mf_action_id_of(&id, twin),
                     &row->recovered_from, err);
}

enum mf_code mf_recover_action(struct mf_tx *tx, const struct mf_run_row *run, struct mf_action_row *row,
                               struct mf_error *err)
{
    struct mf_action_row twin;
    bool found = false;
    if (row->parent.len == 0 || row->kind == MF_ACTION_TRACE)
        return MF_OK;
    enum mf_code code = find_twin(tx, run, row->name, &twin, &found, err);
    if (code != MF_OK || !found || twin.kind != row->kind || !succeeded(&twin))
        return code;
    bool result = row->kind == MF_ACTION_TASK ? twin.output_uri.len > 0 : twin.value.len > 0;
    return result ? take_result(tx, &twin, row, err) : MF_OK;
}

/* ---- traces ---- */

static enum mf_code add_trace(struct mf_tx *tx, const struct mf_action_row *parent,
                              const struct mf_action_row *trace, struct mf_error *err)
{
    int64_t now = mf_tx_now_ns(tx);
    struct mf_action_row row = *trace;
    row.run_id = parent->run_id;
    row.project = parent->project;
    row.domain = parent->domain;
    row.run_name = parent->run_name;
    row.parent = parent->name;
    row.carrier = parent->carrier;
    row.queued_at = row.running_at = row.created_at = now;
    enum mf_code code = take_result(tx, trace, &row, err);
    if (code != MF_OK)
        return code;
    mf_move_stamp(tx, &row, false);
    const struct mf_move_detail detail = {.at_ns = now, .output_uri = row.output_uri};
    code = mf_action_insert(mf_tx_db(tx), &row, err);
    return code == MF_OK ? mf_move_history(tx, mf_tx_arena(tx), &row, &detail, err) : code;
}

/* Read to the end before the first is added, since both are statements on one table. */
struct traces {
    const struct mf_action_row **rows;
    size_t count;
};

static bool gather(void *ctx, const struct mf_action_row *row)
{
    struct traces *traces = ctx;
    if (traces->count == MF_RECOVER_TRACES_MAX)
        return false;
    traces->rows[traces->count++] = row;
    return true;
}

enum mf_code mf_recover_traces(struct mf_tx *tx, const struct mf_run_row *run,
                               const struct mf_action_row *parent, struct mf_error *err)
{
    struct mf_arena *arena = mf_tx_arena(tx);
    struct traces traces = {0};
    const struct pb_task_RunSpec *spec = NULL;
    enum mf_code code = recovery_of(tx, run, &spec, err);
    /* A parent that is forced to run computes its traces anew, which are a part of it. */
    if (code != MF_OK || !takes_over(spec, parent->name))
        return code;
    traces.rows = mf_arena_array(arena, MF_RECOVER_TRACES_MAX, sizeof *traces.rows);
    if (!traces.rows)
        return mf_fail_memory(err);
    code = mf_action_done_traces(mf_tx_db(tx), arena, run->related_run_id, parent->name,
                                 MF_RECOVER_TRACES_MAX, gather, &traces, err);
    if (traces.count == MF_RECOVER_TRACES_MAX)
        mf_log(MF_LOG_WARN, "action", "of %.*s of run %.*s only %u traces are recovered",
               MF_FMT(parent->name), MF_FMT(run->name), MF_RECOVER_TRACES_MAX);
    for (size_t i = 0; i < traces.count && code == MF_OK; i++) {
        if (takes_over(spec, traces.rows[i]->name))
            code = add_trace(tx, parent, traces.rows[i], err);
    }
    return code;
}
