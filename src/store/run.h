/*
 * The run table: what belongs to a run as a whole, and its labels. State lives in the root action's row
 * (store/action.h). Functions that write are called inside a command, on the writer's thread; readers
 * anywhere with a connection of their own. Strings of a row that was read live in the arena given.
 */
#ifndef MF_STORE_RUN_H
#define MF_STORE_RUN_H

#include "store/db.h"

struct mf_run_row {
    int64_t id;
    struct mf_str project, domain, name, org;
    struct mf_str request_digest;
    struct mf_str run_spec; /* encoded flyteidl2.task.RunSpec */
    struct mf_str output_base;
    int64_t start_time_ns;
    int32_t source;
    struct mf_str created_by, created_by_subject;
    struct mf_str trigger_task_name, trigger_name;
    int64_t trigger_revision;
    int32_t trigger_type;
    struct mf_str trigger_automation; /* encoded flyteidl2.task.TriggerAutomationSpec */
    int64_t related_run_id;
    int64_t created_at;
};

/* MF_ALREADY_EXISTS when the name is taken. */
enum mf_code mf_run_insert(struct mf_db *db, const struct mf_run_row *row,
                           struct mf_error *err) MF_CHECK_RESULT;
/* MF_NOT_FOUND: "run not found: p/d/n". */
enum mf_code mf_run_find(struct mf_db *db, struct mf_arena *arena, struct mf_str project,
                         struct mf_str domain, struct mf_str name, struct mf_run_row *out,
                         struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_run_get(struct mf_db *db, struct mf_arena *arena, int64_t id, struct mf_run_row *out,
                        struct mf_error *err) MF_CHECK_RESULT;
/* Only the id; the cheap look-up that most reads begin with. */
enum mf_code mf_run_id(struct mf_db *db, struct mf_str project, struct mf_str domain, struct mf_str name,
                       int64_t *out, struct mf_error *err) MF_CHECK_RESULT;
/* Who has made the run (as in created_by), and whether its root action has not ended. MF_NOT_FOUND. */
enum mf_code mf_run_creator(struct mf_db *db, struct mf_arena *arena, int64_t id, struct mf_str *created_by,
                            bool *open, struct mf_error *err) MF_CHECK_RESULT;
/* The phase of its root action; *found: there is such a run. */
enum mf_code mf_run_phase(struct mf_db *db, int64_t id, int32_t *phase, bool *found,
                          struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_run_label_insert(struct mf_db *db, int64_t run_id, struct mf_str name, struct mf_str value,
                                 struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_run_labels(struct mf_db *db, int64_t run_id,
                           bool (*visit)(void *ctx, struct mf_str name, struct mf_str value), void *ctx,
                           struct mf_error *err) MF_CHECK_RESULT;

#endif
