#include "action/machine.h"

#include "action/abort.h"
#include "action/message.h"
#include "action/move.h"
#include "gen/flyteidl2/core/execution.pb.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/core/types.pb.h"
#include "gen/flyteidl2/task/common.pb.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"

/* One report on its way into the row. */
struct advance {
    struct mf_tx *tx;
    struct mf_arena *arena;
    struct mf_action_row *row;
    const struct mf_action_change *change;
    int64_t at_ns;
    bool with_history; /* false: the event came from the executor and is there already */
    bool applied;
};

static bool carries_error(int32_t phase)
{
    return phase == MF_PHASE_FAILED || phase == MF_PHASE_TIMED_OUT;
}

static enum mf_code write_history(const struct advance *advance, struct mf_error *err)
{
    const struct mf_action_change *change = advance->change;
    const struct mf_move_detail detail = {
        .at_ns = advance->at_ns,
        .error = carries_error(change->phase) ? change->error : NULL,
        .output_uri = advance->row->output_uri,
        .report_uri = change->report_uri,
        .log_context = change->log_context,
        .cache_metadata = change->cache_metadata,
    };
    return advance->with_history ? mf_move_history(advance->tx, advance->arena, advance->row, &detail, err)
                                 : MF_OK;
}

static enum mf_code keep_error(const struct advance *advance, struct mf_error *err)
{
    if (!advance->change->error || !carries_error(advance->change->phase))
        return MF_OK;
    return pb_encode(advance->arena, &pb_core_ExecutionError_type, advance->change->error,
                     &advance->row->error, err);
}

/* A report of the phase that is recorded already: only what it adds counts. Of an attempt that is over, it
 * fills what was left open, since reports of one change may arrive in pieces. */
static enum mf_code supplement(struct advance *advance, struct mf_error *err)
{
    struct mf_action_row *row = advance->row;
    const struct mf_action_change *change = advance->change;
    bool open = !mf_phase_is_terminal(row->phase);
    bool error = change->error && carries_error(row->phase) && row->error.len == 0;
    bool output = change->output_uri.len > 0 && !mf_str_eq(change->output_uri, row->output_uri) &&
                  (open || row->output_uri.len == 0);
    bool cache = change->cache_status >= 0 && change->cache_status != row->cache_status;
    bool more = advance->with_history && (change->log_context || change->report_uri.len > 0);
    enum mf_code code = MF_OK;
    if (!error && !output && !cache && !more)
        return MF_OK;
    if (output)
        row->output_uri = change->output_uri;
    if (cache)
        row->cache_status = change->cache_status;
    if (error)
        code = keep_error(advance, err);
    if (code == MF_OK)
        code = write_history(advance, err);
    if (code == MF_OK)
        code = mf_move_write(advance->tx, row, false, err);
    advance->applied = code == MF_OK;
    return code;
}

/* Leaves nothing of the attempt before in the row. */
static void begin_attempt(struct mf_action_row *row, int32_t attempt, int64_t at_ns)
{
    row->attempts = attempt;
    row->cache_status = 0;
    row->output_uri = MF_STR_EMPTY;
    row->error = MF_STR_EMPTY;
    row->not_before = 0;
    row->queued_at = at_ns;
    row->running_at = 0;
    row->ended_at = 0;
}

static bool is_system(struct mf_arena *arena, struct mf_str encoded)
{
    void *error = NULL;
    return encoded.len > 0 &&
           pb_decode(arena, &pb_core_ExecutionError_type, encoded, &error, NULL) == MF_OK &&
           ((struct pb_core_ExecutionError *)error)->kind == pb_core_ExecutionError_SYSTEM;
}

/* Versions that senders of events do not reach, so that an event of ours never takes the place of theirs. */
#define OWN_VERSION 1000000000

/* Every attempt that has a successor has ended. When nobody has said how, this says that much; should the
 * true end be told later, it is the earlier one and counts. */
static enum mf_code close_attempt(const struct advance *advance, struct mf_error *err)
{
    struct mf_action_row before = *advance->row;
    struct pb_core_ExecutionError error = {
        .code = MF_STR("AttemptReplaced"),
        .message = mf_str_printf(advance->arena,
                                 "attempt %d has ended without a report of its end; attempt %d has begun",
                                 before.attempts, advance->change->attempt),
        .kind = pb_core_ExecutionError_UNKNOWN,
    };
    const struct mf_move_detail detail = {
        .at_ns = advance->at_ns, .reported_ns = advance->at_ns, .error = &error, .version = OWN_VERSION};
    if (mf_phase_is_terminal(before.phase) || before.phase == MF_PHASE_UNSPECIFIED)
        return MF_OK;
    before.phase = MF_PHASE_FAILED;
    return error.message.ptr ? mf_move_history(advance->tx, advance->arena, &before, &detail, err)
                             : mf_fail_memory(err);
}

/* An executor elsewhere has begun a new attempt. */
static enum mf_code skip_to_attempt(const struct advance *advance, struct mf_error *err)
{
    struct mf_action_row *row = advance->row;
    enum mf_code code = close_attempt(advance, err);
    if (code != MF_OK)
        return code;
    if (!is_system(advance->arena, row->error))
        code = mf_action_hide_failed(mf_tx_db(advance->tx), row->run_id, row->name, err);
    begin_attempt(row, advance->change->attempt, advance->at_ns);
    return code;
}

enum mf_code mf_action_revive(struct mf_tx *tx, struct mf_action_row *row, bool *revived,
                              struct mf_error *err)
{
    *revived = row->phase == MF_PHASE_ABORTED && row->system_retries == MF_ABORT_PROVISIONAL;
    if (!*revived)
        return MF_OK;
    row->phase = row->running_at > 0 ? MF_PHASE_RUNNING : MF_PHASE_QUEUED;
    row->system_retries = 0;
    row->abort_reason = MF_STR_EMPTY;
    row->ended_at = 0;
    return mf_move_write(tx, row, false, err);
}

enum mf_code mf_action_begin_again(struct mf_tx *tx, struct mf_action_row *row, struct mf_error *err)
{
    enum mf_code code = mf_action_hide_failed(mf_tx_db(tx), row->run_id, row->name, err);
    if (code != MF_OK)
        return code;
    row->user_retries = row->attempts;
    begin_attempt(row, row->attempts + 1, mf_tx_now_ns(tx));
    row->phase = MF_PHASE_QUEUED;
    row->hidden = false;
    row->system_retries = 0;
    row->abort_reason = MF_STR_EMPTY;
    row->aborted_by = MF_STR_EMPTY;
    return mf_move_write(tx, row, false, err);
}

/* The attempt has failed; its successor waits in the queue. */
static enum mf_code queue_next(const struct advance *advance, struct mf_error *err)
{
    struct mf_action_row *row = advance->row;
    const struct mf_action_change *change = advance->change;
    const struct mf_move_detail detail = {.at_ns = advance->at_ns};
    enum mf_code code = MF_OK;
    if (change->retry_is_system)
        row->system_retries++;
    else
        row->user_retries++;
    if (!change->retry_is_system)
        code = mf_action_hide_failed(mf_tx_db(advance->tx), row->run_id, row->name, err);
    begin_attempt(row, row->attempts + 1, advance->at_ns);
    row->phase = MF_PHASE_QUEUED;
    row->not_before = change->retry_not_before;
    return code == MF_OK ? mf_move_history(advance->tx, advance->arena, row, &detail, err) : code;
}

static enum mf_code move(struct advance *advance, struct mf_error *err)
{
    struct mf_action_row *row = advance->row;
    const struct mf_action_change *change = advance->change;
    bool retry = change->retry && carries_error(change->phase);
    bool terminal = mf_phase_is_terminal(change->phase);
    enum mf_code code = MF_OK;
    if (change->attempt > row->attempts)
        code = skip_to_attempt(advance, err);
    row->phase = change->phase;
    if (change->phase == MF_PHASE_RUNNING && row->running_at == 0)
        row->running_at = advance->at_ns;
    if (terminal)
        row->ended_at = advance->at_ns > row->created_at ? advance->at_ns : row->created_at;
    if (change->phase == MF_PHASE_ABORTED && row->abort_reason.len == 0)
        row->abort_reason = change->error && change->error->message.len > 0
                                ? change->error->message
                                : MF_STR("aborted by its executor");
    if (change->output_uri.len > 0)
        row->output_uri = change->output_uri;
    if (change->cache_status >= 0)
        row->cache_status = change->cache_status;
    if (code == MF_OK)
        code = keep_error(advance, err);
    if (code == MF_OK)
        code = write_history(advance, err);
    if (code == MF_OK && retry)
        code = queue_next(advance, err);
    if (code == MF_OK)
        code = mf_move_write(advance->tx, row, terminal, err);
    if (code == MF_OK && terminal && !retry)
        code = mf_abort_below_ended(advance->tx, row, err);
    advance->applied = code == MF_OK;
    return code;
}

/* An action that had ended may only begin again below a parent that waits for it. */
static enum mf_code may_begin_again(const struct advance *advance, bool *may, struct mf_error *err)
{
    const struct mf_action_row *row = advance->row;
    struct mf_action_row parent;
    *may = true;
    if (!mf_phase_is_terminal(row->phase) || row->parent.len == 0)
        return MF_OK;
    enum mf_code code =
        mf_action_get(mf_tx_db(advance->tx), advance->arena, row->run_id, row->parent, &parent, err);
    *may = code == MF_OK && !mf_phase_is_terminal(parent.phase);
    return code == MF_NOT_FOUND ? MF_OK : code;
}

static enum mf_code report(struct advance *advance, struct mf_error *err)
{
    const struct mf_action_row *row = advance->row;
    const struct mf_action_change *change = advance->change;
    bool may = false;
    if (change->attempt == row->attempts && change->phase == row->phase && !change->retry)
        return supplement(advance, err);
    if (!mf_phase_may_follow(row->attempts, row->phase, change->attempt, change->phase))
        return MF_OK;
    enum mf_code code = may_begin_again(advance, &may, err);
    return code == MF_OK && may ? move(advance, err) : code;
}

enum mf_code mf_action_advance(struct mf_tx *tx, const struct mf_action_change *change, bool *applied,
                               struct mf_error *err)
{
    struct mf_action_row row;
    struct mf_arena *arena = mf_tx_arena(tx);
    struct advance advance = {
        .tx = tx,
        .arena = arena,
        .row = &row,
        .change = change,
        .at_ns = change->at_ns > 0 ? change->at_ns : mf_tx_now_ns(tx),
        .with_history = true,
    };
    enum mf_code code = mf_action_get(mf_tx_db(tx), arena, change->run_id, change->name, &row, err);
    if (code == MF_OK)
        code = report(&advance, err);
    if (applied)
        *applied = advance.applied;
    return code;
}

/* ---- conditions ---- */

enum mf_code mf_condition_type(const struct pb_workflow_ConditionAction *condition, int32_t *value_case,
                               struct mf_error *err)
{
    static const struct {
        int32_t simple, value_case;
    } types[] = {
        {pb_core_BOOLEAN, pb_core_Primitive_tag_boolean},
        {pb_core_INTEGER, pb_core_Primitive_tag_integer},
        {pb_core_FLOAT, pb_core_Primitive_tag_float_value},
        {pb_core_STRING, pb_core_Primitive_tag_string_value},
    };
    const struct pb_core_LiteralType *type = condition->type;
    for (size_t i = 0; type && type->type_case == pb_core_LiteralType_tag_simple && i < 4; i++) {
        if (type->type.simple == types[i].simple) {
            *value_case = types[i].value_case;
            return MF_OK;
        }
    }
    return mf_fail(err, MF_INVALID_ARGUMENT,
                   "the type of condition %.*s must be bool, int, float or str, so that it can be answered",
                   MF_FMT(condition->name));
}

const char *mf_condition_word(int32_t value_case)
{
    switch (value_case) {
    case pb_core_Primitive_tag_boolean:
        return "bool";
    case pb_core_Primitive_tag_integer:
        return "int";
    case pb_core_Primitive_tag_float_value:
        return "float";
    case pb_core_Primitive_tag_string_value:
        return "str";
    default:
        return "";
    }
}

static const struct pb_core_Primitive *primitive_of(const struct pb_core_Literal *literal)
{
    if (!literal || literal->value_case != pb_core_Literal_tag_scalar || !literal->value.scalar ||
        literal->value.scalar->value_case != pb_core_Scalar_tag_primitive)
        return NULL;
    return literal->value.scalar->value.primitive;
}

static bool same_value(const struct pb_core_Primitive *a, const struct pb_core_Primitive *b)
{
    if (a->value_case != b->value_case)
        return false;
    switch (a->value_case) {
    case pb_core_Primitive_tag_boolean:
        return a->value.boolean == b->value.boolean;
    case pb_core_Primitive_tag_integer:
        return a->value.integer == b->value.integer;
    case pb_core_Primitive_tag_float_value:
        /* By bits, so that NaN is the same answer as NaN. */
        return memcmp(&a->value.float_value, &b->value.float_value, sizeof a->value.float_value) == 0;
    case pb_core_Primitive_tag_string_value:
        return mf_str_eq(a->value.string_value, b->value.string_value);
    default:
        return false;
    }
}

static enum mf_code read_primitive(struct mf_arena *arena, struct mf_str encoded,
                                   const struct pb_core_Primitive **out, struct mf_error *err)
{
    void *literal = NULL;
    enum mf_code code = pb_decode(arena, &pb_core_Literal_type, encoded, &literal, err);
    if (code == MF_OK)
        *out = primitive_of(literal);
    return code;
}

static enum mf_code check_answer(struct mf_db *db, struct mf_arena *arena, const struct mf_action_row *row,
                                 const struct pb_core_Primitive *answer, struct mf_error *err)
{
    struct mf_str spec = MF_STR_EMPTY;
    void *condition = NULL;
    int32_t value_case = 0;
    enum mf_code code = mf_spec_get(db, arena, row->spec_digest, &spec, err);
    if (code == MF_OK)
        code = pb_decode(arena, &pb_workflow_ConditionAction_type, spec, &condition, err);
    if (code == MF_OK)
        code = mf_condition_type(condition, &value_case, err);
    if (code == MF_OK && answer->value_case != value_case)
        code = mf_fail(err, MF_INVALID_ARGUMENT, "the value is of type %s; condition %.*s takes a %s",
                       mf_condition_word(answer->value_case), MF_FMT(row->short_name),
                       mf_condition_word(value_case));
    return code;
}

static enum mf_code answer(struct mf_tx *tx, struct mf_action_row *row, struct mf_str value,
                           struct mf_str signalled_by, struct mf_error *err)
{
    const struct mf_move_detail detail = {.at_ns = mf_tx_now_ns(tx)};
    row->phase = MF_PHASE_SUCCEEDED;
    row->value = value;
    row->signalled_by = signalled_by;
    row->ended_at = detail.at_ns;
    enum mf_code code = mf_move_history(tx, mf_tx_arena(tx), row, &detail, err);
    return code == MF_OK ? mf_move_write(tx, row, true, err) : code;
}

static enum mf_code refuse_second_answer(struct mf_arena *arena, const struct mf_action_row *row,
                                         const struct pb_core_Primitive *wanted, struct mf_error *err)
{
    const struct pb_core_Primitive *given = NULL;
    enum mf_code code = MF_OK;
    if (row->value.len > 0)
        code = read_primitive(arena, row->value, &given, err);
    if (code != MF_OK || (given && same_value(given, wanted)))
        return code;
    return given ? mf_fail(err, MF_FAILED_PRECONDITION,
                           "condition %.*s was already signalled with another value", MF_FMT(row->short_name))
                 : mf_fail(err, MF_FAILED_PRECONDITION,
                           "condition %.*s has ended as %s and cannot be signalled any more",
                           MF_FMT(row->short_name), mf_phase_word(row->phase));
}

enum mf_code mf_action_signal(struct mf_tx *tx, int64_t run_id, struct mf_str name, struct mf_str value,
                              struct mf_str signalled_by, struct mf_error *err)
{
    struct mf_action_row row;
    struct mf_arena *arena = mf_tx_arena(tx);
    const struct pb_core_Primitive *primitive = NULL;
    enum mf_code code = read_primitive(arena, value, &primitive, err);
    if (code != MF_OK)
        return code;
    if (!primitive || primitive->value_case < pb_core_Primitive_tag_integer ||
        primitive->value_case > pb_core_Primitive_tag_boolean)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "the value must be a boolean, an integer, a float or a string");
    code = mf_action_get(mf_tx_db(tx), arena, run_id, name, &row, err);
    if (code != MF_OK)
        return code;
    if (row.kind != MF_ACTION_CONDITION)
        return mf_fail(err, MF_FAILED_PRECONDITION, "action %.*s is not a condition and takes no signal",
                       MF_FMT(name));
    code = check_answer(mf_tx_db(tx), arena, &row, primitive, err);
    if (code != MF_OK)
        return code;
    if (mf_phase_is_terminal(row.phase))
        return refuse_second_answer(arena, &row, primitive, err);
    return answer(tx, &row, value, signalled_by, err);
}

/* ---- events of executors elsewhere ---- */

static void error_of(const struct pb_workflow_ErrorInfo *info, struct pb_core_ExecutionError *out)
{
    *out = (struct pb_core_ExecutionError){
        .code = info->code.len > 0 ? info->code : MF_STR("Unknown"),
        .message = info->message,
        .gpu_fault = info->gpu_fault,
        .kind = info->kind == pb_workflow_ErrorInfo_KIND_USER     ? pb_core_ExecutionError_USER
                : info->kind == pb_workflow_ErrorInfo_KIND_SYSTEM ? pb_core_ExecutionError_SYSTEM
                                                                  : pb_core_ExecutionError_UNKNOWN,
    };
}

/* Moves the row along with one event that is in the history already. */
static enum mf_code follow_event(struct mf_tx *tx, struct mf_action_row *row,
                                 const struct pb_workflow_ActionEvent *event, bool *applied,
                                 struct mf_error *err)
{
    struct pb_core_ExecutionError error;
    int64_t at_ns = mf_timestamp_ns(event->updated_time);
    struct mf_action_change change = {
        .run_id = row->run_id,
        .name = row->name,
        .attempt = (int32_t)event->attempt,
        .phase = event->phase,
        .cache_status = event->cache_status > 0 ? event->cache_status : -1,
    };
    if (event->error_info) {
        error_of(event->error_info, &error);
        change.error = &error;
    }
    if (event->outputs)
        change.output_uri = event->outputs->output_uri;
    struct advance advance = {
        .tx = tx,
        .arena = mf_tx_arena(tx),
        .row = row,
        .change = &change,
        .at_ns = at_ns > 0 ? at_ns : mf_tx_now_ns(tx),
    };
    enum mf_code code = report(&advance, err);
    *applied = advance.applied;
    return code;
}

static enum mf_code keep_event(struct mf_tx *tx, int64_t run_id, const struct pb_workflow_ActionEvent *event,
                               bool *inserted, struct mf_error *err)
{
    struct mf_event_row row = {
        .run_id = run_id,
        .name = event->id->name,
        .attempt = (int32_t)event->attempt,
        .phase = event->phase,
        .version = (int32_t)event->version,
        .error_kind = event->error_info ? event->error_info->kind : 0,
        .updated_at = mf_timestamp_ns(event->updated_time),
        .recorded_at = mf_tx_now_ns(tx),
    };
    enum mf_code code = pb_encode(mf_tx_arena(tx), &pb_workflow_ActionEvent_type, event, &row.body, err);
    return code == MF_OK ? mf_event_insert(mf_tx_db(tx), &row, inserted, err) : code;
}

enum mf_code mf_action_record_event(struct mf_tx *tx, const struct pb_workflow_ActionEvent *event,
                                    struct mf_error *err)
{
    const struct pb_common_RunIdentifier *run = event->id ? event->id->run : NULL;
    struct pb_workflow_ActionEvent first;
    struct mf_action_row row;
    int64_t run_id = 0;
    bool inserted = false;
    bool applied = false;
    if (!run || event->id->name.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "event.id: name and run are required");
    if (event->phase < MF_PHASE_UNSPECIFIED || event->phase > MF_PHASE_RECOVERED)
        return mf_fail(err, MF_INVALID_ARGUMENT, "event.phase: %d is no phase", event->phase);
    if (event->version > INT32_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "event.version: must be at most %d", INT32_MAX);
    if (event->attempt > MF_ATTEMPT_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "event.attempt: must be at most %d", MF_ATTEMPT_MAX);
    if (event->attempt == 0) { /* of a sender that does not count */
        first = *event;
        first.attempt = 1;
        event = &first;
    }
    enum mf_code code = mf_run_id(mf_tx_db(tx), run->project, run->domain, run->name, &run_id, err);
    if (code == MF_OK)
        code = keep_event(tx, run_id, event, &inserted, err);
    if (code != MF_OK || !inserted)
        return code;
    code = mf_action_get(mf_tx_db(tx), mf_tx_arena(tx), run_id, event->id->name, &row, err);
    if (code == MF_NOT_FOUND)
        return MF_OK; /* kept until the action is recorded: mf_action_catch_up */
    if (code == MF_OK)
        code = follow_event(tx, &row, event, &applied, err);
    if (code == MF_OK && row.phase == MF_PHASE_ABORTED && mf_phase_is_terminal(event->phase))
        code = mf_abort_confirmed(tx, &row, (int32_t)event->attempt, err);
    /* Those who show the history follow the row's number. */
    if (code == MF_OK && !applied)
        code = mf_move_write(tx, &row, false, err);
    return code;
}

/* Read to the end before the first is followed, since following writes. */
struct kept {
    struct kept *next;
    struct mf_str body;
};

struct kept_list {
    struct mf_arena *arena;
    struct kept *first;
    struct kept **end;
    bool failed;
};

static bool keep(void *ctx, const struct mf_event_row *event)
{
    struct kept_list *list = ctx;
    struct kept *kept = MF_NEW(list->arena, struct kept);
    list->failed = !kept;
    if (!kept)
        return false;
    kept->body = event->body;
    *list->end = kept;
    list->end = &kept->next;
    return true;
}

enum mf_code mf_action_catch_up(struct mf_tx *tx, int64_t run_id, struct mf_str name, struct mf_error *err)
{
    struct mf_arena *arena = mf_tx_arena(tx);
    struct mf_action_row row;
    struct kept_list list = {.arena = arena};
    list.end = &list.first;
    enum mf_code code = mf_action_get(mf_tx_db(tx), arena, run_id, name, &row, err);
    if (code == MF_OK)
        code = mf_event_list(mf_tx_db(tx), arena, run_id, name, 0, keep, &list, err);
    if (code == MF_OK && list.failed)
        code = mf_fail_memory(err);
    for (const struct kept *kept = list.first; kept && code == MF_OK; kept = kept->next) {
        void *event = NULL;
        bool applied = false;
        code = pb_decode(arena, &pb_workflow_ActionEvent_type, kept->body, &event, err);
        if (code == MF_OK)
            code = follow_event(tx, &row, event, &applied, err);
    }
    return code;
}
