/*
 * The action, event, spec and process tables. Who may call what: as in store/run.h.
 */
#ifndef MF_STORE_ACTION_H
#define MF_STORE_ACTION_H

#include "store/db.h"

/* Who carries an action out. Only actions of MF_CARRIER_HERE are started by the executor of this server;
 * conditions are always its own, whoever has recorded them. */
enum mf_carrier {
    MF_CARRIER_HERE = 0,
    MF_CARRIER_EXECUTOR = 1, /* an executor elsewhere, which reports through InternalRunService */
    MF_CARRIER_CLIENT = 2,   /* the client of a tracked run, which reports through TrackedRunService */
};

/* Columns as in migrations/0001_init.sql, where each is explained. */
struct mf_action_row {
    int64_t run_id;
    struct mf_str name, project, domain, run_name, parent;
    int32_t kind, phase, attempts, cache_status;
    int32_t carrier; /* enum mf_carrier */
    struct mf_str group;
    struct mf_str task_project, task_domain, task_name, task_version, task_type;
    struct mf_str short_name, function_name, environment_name;
    struct mf_str spec_digest;
    struct mf_str input_uri, output_uri, cache_key;
    struct mf_str error, abort_reason, aborted_by, value, signalled_by, principal, recovered_from;
    bool hidden;
    int32_t user_retries, system_retries;
    int64_t not_before, queued_at, running_at, created_at, updated_at, ended_at, seq;
};

/* Returns false to stop the walk. The row lives in the arena given to the query. */
typedef bool (*mf_action_visit)(void *ctx, const struct mf_action_row *row);

enum mf_code mf_action_insert(struct mf_db *db, const struct mf_action_row *row,
                              struct mf_error *err) MF_CHECK_RESULT;
/* Writes every column that can change (phase … seq) of the row with that key. Only action/machine.c may call
 * it. */
enum mf_code mf_action_write_state(struct mf_db *db, const struct mf_action_row *row,
                                   struct mf_error *err) MF_CHECK_RESULT;
/* MF_NOT_FOUND: "action not found: <name>". */
enum mf_code mf_action_get(struct mf_db *db, struct mf_arena *arena, int64_t run_id, struct mf_str name,
                           struct mf_action_row *out, struct mf_error *err) MF_CHECK_RESULT;
/* Children of a parent, hidden ones too, whose seq is above after_seq, in order of seq. */
enum mf_code mf_action_children(struct mf_db *db, struct mf_arena *arena, int64_t run_id,
                                struct mf_str parent, int64_t after_seq, size_t limit, mf_action_visit visit,
                                void *ctx, struct mf_error *err) MF_CHECK_RESULT;
/* Children of a parent that are not in a terminal phase, whose name is above after_name, in order of name.
 * Costs what it returns, however many children there are. */
enum mf_code mf_action_open_children(struct mf_db *db, struct mf_arena *arena, int64_t run_id,
                                     struct mf_str parent, struct mf_str after_name, size_t limit,
                                     mf_action_visit visit, void *ctx, struct mf_error *err) MF_CHECK_RESULT;
/* Actions of a run that are not in a terminal phase, whoever their parent is. */
enum mf_code mf_action_open_of_run(struct mf_db *db, struct mf_arena *arena, int64_t run_id, size_t limit,
                                   mf_action_visit visit, void *ctx, struct mf_error *err) MF_CHECK_RESULT;
/* Traces of a parent that are SUCCEEDED or RECOVERED, in order of seq. */
enum mf_code mf_action_done_traces(struct mf_db *db, struct mf_arena *arena, int64_t run_id,
                                   struct mf_str parent, size_t limit, mf_action_visit visit, void *ctx,
                                   struct mf_error *err) MF_CHECK_RESULT;
/* Marks the FAILED, ABORTED and TIMED_OUT children of a parent as hidden. Only action/ may call it. */
enum mf_code mf_action_hide_failed(struct mf_db *db, int64_t run_id, struct mf_str parent,
                                   struct mf_error *err) MF_CHECK_RESULT;
/* All actions of a run above after_seq, in order of seq. */
enum mf_code mf_action_of_run(struct mf_db *db, struct mf_arena *arena, int64_t run_id, int64_t after_seq,
                              size_t limit, mf_action_visit visit, void *ctx,
                              struct mf_error *err) MF_CHECK_RESULT;
/* Actions that are not in a terminal phase, everywhere, above after_seq in order of seq: what the executor
 * starts from. */
enum mf_code mf_action_open(struct mf_db *db, struct mf_arena *arena, int64_t after_seq, size_t limit,
                            mf_action_visit visit, void *ctx, struct mf_error *err) MF_CHECK_RESULT;

enum mf_code mf_spec_put(struct mf_db *db, struct mf_str digest, struct mf_str body,
                         struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_spec_get(struct mf_db *db, struct mf_arena *arena, struct mf_str digest, struct mf_str *body,
                         struct mf_error *err) MF_CHECK_RESULT;

struct mf_event_row {
    int64_t run_id;
    struct mf_str name;
    int32_t attempt, phase, version;
    struct mf_str body; /* encoded flyteidl2.workflow.ActionEvent */
    int32_t error_kind;
    int64_t updated_at, recorded_at;
};
/* First content wins; *inserted tells whether it was new. */
enum mf_code mf_event_insert(struct mf_db *db, const struct mf_event_row *row, bool *inserted,
                             struct mf_error *err) MF_CHECK_RESULT;
/* All events of an action ordered by attempt, phase, version; attempt 0 means every attempt. */
enum mf_code mf_event_list(struct mf_db *db, struct mf_arena *arena, int64_t run_id, struct mf_str name,
                           int32_t attempt, bool (*visit)(void *ctx, const struct mf_event_row *row),
                           void *ctx, struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_event_known(struct mf_db *db, int64_t run_id, struct mf_str name, int32_t attempt,
                            int32_t phase, int32_t version, bool *known,
                            struct mf_error *err) MF_CHECK_RESULT;
/* Only which events of an attempt there are, in the same order, and one of them: for who knows most of them.
 */
enum mf_code mf_event_keys(struct mf_db *db, int64_t run_id, struct mf_str name, int32_t attempt,
                           bool (*visit)(void *ctx, int32_t phase, int32_t version), void *ctx,
                           struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_event_body(struct mf_db *db, struct mf_arena *arena, int64_t run_id, struct mf_str name,
                           int32_t attempt, int32_t phase, int32_t version, struct mf_str *out,
                           struct mf_error *err) MF_CHECK_RESULT;
/* The version for another event of this attempt and phase: 0 when there is none yet. */
enum mf_code mf_event_next_version(struct mf_db *db, int64_t run_id, struct mf_str name, int32_t attempt,
                                   int32_t phase, int32_t *out, struct mf_error *err) MF_CHECK_RESULT;

struct mf_process_row {
    int64_t run_id;
    struct mf_str name;
    int32_t attempt;
    int64_t pid, pid_start;
    struct mf_str boot_id, work_dir;
    int64_t started_at;
};
enum mf_code mf_process_put(struct mf_db *db, const struct mf_process_row *row,
                            struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_process_delete(struct mf_db *db, int64_t run_id, struct mf_str name, int32_t attempt,
                               struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_process_list(struct mf_db *db, struct mf_arena *arena,
                             bool (*visit)(void *ctx, const struct mf_process_row *row), void *ctx,
                             struct mf_error *err) MF_CHECK_RESULT;

#endif
