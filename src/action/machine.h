/*
 * The life of an action: which moves are allowed, and the only functions that make them. They are called
 * inside a command (store/writer.h), on the writer's thread; each writes the action's row, its event, and
 * touches the topics of the hub in the caller's transaction, so that state, history and notification agree.
 *
 * Order is (attempt, rank of phase). A terminal phase is final for its attempt; ABORTED, SUCCEEDED and
 * RECOVERED are final for the action; FAILED and TIMED_OUT may be followed by a higher attempt. A report that
 * is older than what is recorded changes nothing and is no error.
 */
#ifndef MF_ACTION_MACHINE_H
#define MF_ACTION_MACHINE_H

#include "rpc/pb.h"
#include "store/action.h"
#include "store/run.h"
#include "store/writer.h"

struct pb_actions_Action;
struct pb_common_CacheMetadata;
struct pb_core_ExecutionError;
struct pb_core_LogContext;
struct pb_workflow_ActionEvent;
struct pb_workflow_ActionStatus;
struct pb_workflow_ConditionAction;

/* Numbers of flyteidl2.common.ActionPhase. */
enum mf_phase {
    MF_PHASE_UNSPECIFIED = 0,
    MF_PHASE_QUEUED = 1,
    MF_PHASE_WAITING_FOR_RESOURCES = 2,
    MF_PHASE_INITIALIZING = 3,
    MF_PHASE_RUNNING = 4,
    MF_PHASE_SUCCEEDED = 5,
    MF_PHASE_FAILED = 6,
    MF_PHASE_ABORTED = 7,
    MF_PHASE_TIMED_OUT = 8,
    MF_PHASE_PAUSED = 9,
    MF_PHASE_RECOVERED = 10,
};

enum mf_action_kind { MF_ACTION_TASK = 1, MF_ACTION_TRACE = 2, MF_ACTION_CONDITION = 3 };

/* No report of an attempt beyond this one is taken. */
#define MF_ATTEMPT_MAX 100000

bool mf_phase_is_terminal(int32_t phase);
const char *mf_phase_word(int32_t phase); /* "RUNNING" */
/* May an action go from (from_attempt, from) to (to_attempt, to)? The table of the machine. */
bool mf_phase_may_follow(int32_t from_attempt, int32_t from, int32_t to_attempt, int32_t to);

/* A report about one attempt, by the local executor or through the RPCs of an executor elsewhere. */
struct mf_action_change {
    int64_t run_id;
    struct mf_str name;
    int32_t attempt; /* from 1 */
    int32_t phase;
    int64_t at_ns;                                /* when it happened; 0: now */
    const struct pb_core_ExecutionError *error;   /* with FAILED and TIMED_OUT */
    struct mf_str output_uri;                     /* folder that holds outputs.pb; empty: unchanged */
    struct mf_str report_uri;                     /* full name of report.html when there is one */
    int32_t cache_status;                         /* flyteidl2.core.CatalogCacheStatus; -1: unchanged */
    const struct pb_core_LogContext *log_context; /* once logs can be read */
    const struct pb_common_CacheMetadata *cache_metadata; /* of a cache hit: whose output it is */
    /* The attempt has failed (phase says how) and the next one is queued in the same step: the row goes to
     * QUEUED of attempt + 1, the failed attempt keeps its own event with its error. */
    bool retry;
    bool retry_is_system; /* counts against the system's budget, and leaves failed children visible */
    int64_t retry_not_before;
};

/* *applied (may be NULL) tells whether anything changed. MF_NOT_FOUND when there is no such action. */
enum mf_code mf_action_advance(struct mf_tx *tx, const struct mf_action_change *change, bool *applied,
                               struct mf_error *err) MF_CHECK_RESULT;

/* What the action's spec_digest names in the store: an encoded flyteidl2.task.TaskSpec,
 * flyteidl2.task.TraceSpec or flyteidl2.workflow.ConditionAction, by kind.
 *
 * Records a new action as QUEUED (task), in its final phase (trace), or PAUSED (condition); a task for which
 * the run's recovery rule finds a finished twin in the related run becomes RECOVERED at once. The run and
 * (unless root) the parent must exist: MF_NOT_FOUND; either terminal: MF_ABORTED; the same action already
 * there: MF_ALREADY_EXISTS, nothing changed, except that a hidden one is queued again as its next attempt. */
enum mf_code mf_action_enqueue(struct mf_tx *tx, const struct mf_run_row *run,
                               const struct pb_actions_Action *action, struct mf_error *err) MF_CHECK_RESULT;
/* The same for an action that somebody else carries out: it is never started here, and never recovered.
 * Reports of several actions may overtake each other, so the parent need not be known yet, as long as the run
 * has not ended; until it comes the action is an orphan that its run shows without a place in the tree.
 * started_at_ns (0: now) is by the clock of who carries it out. */
enum mf_code mf_action_record(struct mf_tx *tx, const struct mf_run_row *run,
                              const struct pb_actions_Action *action, enum mf_carrier carrier,
                              int64_t started_at_ns, struct mf_error *err) MF_CHECK_RESULT;

/* The parent was retried, and a hidden child that its client carries out is reported again: it gets an
 * attempt of its own, after those it had. The client goes on to count as before, so user_retries of the row,
 * which nobody else uses then, keeps by how much. *row is the row as it was and as it is then. */
enum mf_code mf_action_begin_again(struct mf_tx *tx, struct mf_action_row *row,
                                   struct mf_error *err) MF_CHECK_RESULT;

/* An action that its client carries out and that was taken for aborted, only because its parent had ended, is
 * reported on after all: it is open again. False, and nothing changes, for any other. */
enum mf_code mf_action_revive(struct mf_tx *tx, struct mf_action_row *row, bool *revived,
                              struct mf_error *err) MF_CHECK_RESULT;
#define MF_ABORT_PROVISIONAL (-1) /* system_retries of such a row */

/* Marks the action and everything below it ABORTED (of the root: everything in the run), as far as not
 * finished. *changed counts the actions that were; 0: it had ended, and nothing has changed.
 *
 * The mark is the abort: it is durable, nothing that bears it is ever started, and no later report removes
 * it. What is left to do, ending what runs, is work that is recorded in the same transaction
 * (store/abort_work.h) and goes on, over restarts, until it is done. */
enum mf_code mf_action_abort(struct mf_tx *tx, int64_t run_id, struct mf_str name, struct mf_str reason,
                             struct mf_str aborted_by, int64_t *changed,
                             struct mf_error *err) MF_CHECK_RESULT;

/* Answers a condition; rules of spec execution.md 1.8. value is an encoded flyteidl2.core.Literal. */
enum mf_code mf_action_signal(struct mf_tx *tx, int64_t run_id, struct mf_str name, struct mf_str value,
                              struct mf_str signalled_by, struct mf_error *err) MF_CHECK_RESULT;

/* What an executor elsewhere says of an action as it stands, apart from events. */
struct mf_action_status {
    int64_t run_id;
    struct mf_str name;
    const struct pb_workflow_ActionStatus *status; /* phase UNSPECIFIED: unchanged */
    uint32_t attempt;                              /* 0: the present one */
    struct mf_str value;                           /* encoded Literal that resolves a condition, or empty */
    struct mf_str principal;                       /* encoded EnrichedIdentity of who answered or aborted */
    struct mf_str abort_reason;
};
/* MF_NOT_FOUND when there is no such action, so that the sender repeats instead of losing the report. Fields
 * that are not set leave what is recorded. MF_ABORTED, and no change, when the action was aborted and the
 * report says that it goes on: the way an executor that has missed the abort learns of it. */
enum mf_code mf_action_report_status(struct mf_tx *tx, const struct mf_action_status *report,
                                     struct mf_error *err) MF_CHECK_RESULT;

/* Records events of an executor elsewhere and moves the row along with them. */
enum mf_code mf_action_record_event(struct mf_tx *tx, const struct pb_workflow_ActionEvent *event,
                                    struct mf_error *err) MF_CHECK_RESULT;
/* Events may come before their action is recorded. They are kept; this moves the row along with them. */
enum mf_code mf_action_catch_up(struct mf_tx *tx, int64_t run_id, struct mf_str name,
                                struct mf_error *err) MF_CHECK_RESULT;

/* Adds a line for people to the history of an action that has not ended; of one that has, nothing. */
enum mf_code mf_action_note(struct mf_tx *tx, int64_t run_id, struct mf_str name, struct mf_str text,
                            struct mf_error *err) MF_CHECK_RESULT;

/* The member of flyteidl2.core.Primitive that answers the condition (pb_core_Primitive_tag_…).
 * MF_INVALID_ARGUMENT when its type cannot be answered. */
enum mf_code mf_condition_type(const struct pb_workflow_ConditionAction *condition, int32_t *value_case,
                               struct mf_error *err) MF_CHECK_RESULT;
/* "bool", "int", "float", "str" as the SDK calls them; "" for any other value_case. */
const char *mf_condition_word(int32_t value_case);

/* Why an action is FAILED or TIMED_OUT: *out is never NULL then, also when its executor has told the phase
 * only; NULL in any other phase. MF_DATA_LOSS when what is stored cannot be read. */
enum mf_code mf_action_error(struct mf_arena *arena, const struct mf_action_row *row,
                             struct pb_core_ExecutionError **out, struct mf_error *err) MF_CHECK_RESULT;

/* "<output base of the run>/<action>/<attempt>": where an attempt leaves outputs.pb, error.pb and report.html
 * (spec execution.md 3.1, without the shard). .ptr NULL when memory ran out. */
struct mf_str mf_action_output_folder(struct mf_arena *arena, struct mf_str output_base, struct mf_str action,
                                      int32_t attempt);

#endif
