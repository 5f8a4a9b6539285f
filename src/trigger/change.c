#include "trigger/change.h"

#include "gen/flyteidl2/task/common.pb.h"
#include "store/fire.h"
#include "store/schedule.h"

#include <inttypes.h>

/* What a change means for the due times of a schedule. */
enum turn {
    KEEPS,    /* nothing */
    CHANGES,  /* the policy alone is another */
    STARTS,   /* due times count from now on: switched on */
    RESTARTS, /* and so do the runs: first deploy, another schedule, back from the dead */
};

static void turn_state(struct mf_schedule_state *state, enum turn turn, bool active, int64_t now)
{
    /* Whatever changed, the next due time has a fresh chance. */
    state->error = MF_STR_EMPTY;
    state->error_at = 0;
    if (!active || turn != KEEPS)
        state->buffered_at = 0;
    if (turn == CHANGES || turn == RESTARTS)
        state->runs = 0;
    if (turn == STARTS || turn == RESTARTS || (turn == CHANGES && state->cursor_at < now))
        state->cursor_at = now;
}

/* Keeps the schedule's row in step with its trigger, which is to be written. policy NULL: as it was. */
static enum mf_code put_schedule(struct mf_tx *tx, const struct mf_trigger_row *trigger,
                                 const struct mf_str *policy, enum turn turn, struct mf_error *err)
{
    struct mf_schedule_row row;
    bool found = false;
    const bool has_schedule = trigger->automation_type == pb_task_TYPE_SCHEDULE;
    enum mf_code code = mf_schedule_find(mf_tx_db(tx), mf_tx_arena(tx), &trigger->key, &row, &found, err);
    if (code != MF_OK || (!found && !has_schedule))
        return code;
    if (!found) {
        row = (struct mf_schedule_row){.id = mf_tx_next_seq(tx), .key = trigger->key};
        turn = RESTARTS;
    } else if (turn < RESTARTS && policy && !mf_str_eq(row.policy, *policy)) {
        turn = turn == KEEPS ? CHANGES : RESTARTS;
    }
    row.revision = trigger->revision;
    row.active = trigger->active && has_schedule;
    row.automation = trigger->automation;
    if (policy)
        row.policy = *policy;
    row.baseline_at = trigger->baseline_at;
    row.seq = trigger->seq;
    const int64_t decided_until = row.state.cursor_at;
    turn_state(&row.state, turn, row.active, mf_tx_now_ns(tx));
    /* The clock was ahead when something was given up that is yet to come. */
    if (row.state.cursor_at < decided_until)
        code = mf_gap_cut(mf_tx_db(tx), row.id, row.state.cursor_at, err);
    if (code != MF_OK)
        return code;
    return mf_schedule_put(mf_tx_db(tx), &row, err);
}

static enum mf_code put(struct mf_tx *tx, struct mf_trigger_row *row, enum mf_trigger_action action,
                        const struct mf_str *policy, enum turn turn, struct mf_error *err)
{
    row->revision++;
    row->seq = mf_tx_next_seq(tx);
    enum mf_code code = mf_trigger_put(mf_tx_db(tx), row, action, mf_tx_now_ns(tx), err);
    if (code == MF_OK)
        code = put_schedule(tx, row, policy, turn, err);
    if (code == MF_OK)
        mf_tx_touch(tx, (struct mf_topic){.kind = MF_TOPIC_TRIGGERS});
    return code;
}

enum mf_code mf_trigger_deploy(struct mf_tx *tx, const struct mf_trigger_row *wish, uint64_t expected,
                               struct mf_trigger_row *out, struct mf_error *err)
{
    struct mf_trigger_row row;
    bool found = false;
    const int64_t now = mf_tx_now_ns(tx);
    enum mf_code code = mf_trigger_find(mf_tx_db(tx), mf_tx_arena(tx), &wish->key, &row, &found, err);
    if (code != MF_OK)
        return code;
    if (found && expected > 0 && expected != (uint64_t)row.revision)
        return mf_fail(err, MF_ABORTED,
                       "trigger \"%.*s\" was changed meanwhile: it is at revision %" PRId64 ", not %" PRIu64
                       "; fetch it and try again",
                       MF_FMT(wish->key.name), row.revision, expected);
    if (!found)
        row = (struct mf_trigger_row){.key = wish->key, .created_at = now};
    bool switched = !found || row.active != wish->active;
    enum turn turn = KEEPS;
    if (!found || row.deleted_at != 0 || !mf_str_eq(row.automation, wish->automation))
        turn = RESTARTS;
    else if (switched && wish->active)
        turn = STARTS;
    /* Times before a trigger was there, was on, or had this schedule are not due. */
    if (switched || turn == RESTARTS)
        row.baseline_at = now;
    if (switched) {
        row.updated_at = now;
        row.updated_by = wish->deployed_by;
    }
    row.task_version = wish->task_version;
    row.active = wish->active;
    row.automation_type = wish->automation_type;
    row.spec = wish->spec;
    row.automation = wish->automation;
    row.description = wish->description;
    row.deployed_by = wish->deployed_by;
    row.deployed_at = now;
    row.deleted_at = 0;
    code = put(tx, &row, MF_TRIGGER_DEPLOY, &wish->policy, turn, err);
    if (out)
        *out = row;
    return code;
}

enum mf_code mf_trigger_switch(struct mf_tx *tx, const struct mf_trigger_key *key, bool active,
                               struct mf_str by, struct mf_error *err)
{
    struct mf_trigger_row row;
    bool found = false;
    enum mf_code code = mf_trigger_find(mf_tx_db(tx), mf_tx_arena(tx), key, &row, &found, err);
    if (code != MF_OK || !found || row.deleted_at != 0 || row.active == active)
        return code;
    row.active = active;
    row.updated_at = mf_tx_now_ns(tx);
    row.updated_by = by;
    row.baseline_at = row.updated_at;
    return put(tx, &row, active ? MF_TRIGGER_ACTIVATE : MF_TRIGGER_DEACTIVATE, NULL, active ? STARTS : KEEPS,
               err);
}

enum mf_code mf_trigger_delete(struct mf_tx *tx, const struct mf_trigger_key *key, struct mf_str by,
                               struct mf_error *err)
{
    struct mf_trigger_row row;
    bool found = false;
    enum mf_code code = mf_trigger_find(mf_tx_db(tx), mf_tx_arena(tx), key, &row, &found, err);
    if (code != MF_OK || !found || row.deleted_at != 0)
        return code;
    row.active = false;
    row.deleted_at = mf_tx_now_ns(tx);
    row.updated_by = by;
    return put(tx, &row, MF_TRIGGER_DELETE, NULL, KEEPS, err);
}

static bool is_among(struct mf_str name, const struct mf_str *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (mf_str_eq(name, names[i]))
            return true;
    }
    return false;
}

enum mf_code mf_trigger_delete_others(struct mf_tx *tx, const struct mf_trigger_key *task,
                                      const struct mf_str *names, size_t count, struct mf_str by,
                                      struct mf_error *err)
{
    struct mf_str *present = NULL;
    size_t present_count = 0;
    enum mf_code code = mf_trigger_names(mf_tx_db(tx), mf_tx_arena(tx), task, &present, &present_count, err);
    for (size_t i = 0; code == MF_OK && i < present_count; i++) {
        struct mf_trigger_key key = *task;
        key.name = present[i];
        if (!is_among(key.name, names, count))
            code = mf_trigger_delete(tx, &key, by, err);
    }
    return code;
}
