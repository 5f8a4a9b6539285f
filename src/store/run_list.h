/*
 * Lists of runs (as their root actions) and of the actions of one run: scopes, filters, orders, pages.
 *
 * A page begins after a row of the page before, named by the values it was ordered by, so that its cost does
 * not depend on how far into the list it lies. Readers anywhere with a connection of their own; strings live
 * in the arena given.
 *
 * Fields to filter and sort by are those of the table in run_list.c; runs also by "labels.<key>" (equal, one
 * of, exists).
 */
#ifndef MF_STORE_RUN_LIST_H
#define MF_STORE_RUN_LIST_H

#include "store/action.h"
#include "store/run.h"
#include "store/select.h"

/* Which runs a list is about; empty parts match everything. */
struct mf_run_scope {
    struct mf_str project, domain;
    struct mf_str task_project, task_domain, task_name, task_version;
    struct mf_str trigger_task_name, trigger_name;
    bool paused_only; /* runs that have an action that waits for an answer */
};

/* What a list shows of a row. Of the action the columns that describe it and its state, without blobs other
 * than spec_digest and recovered_from; of the run id, run_spec, source, created_by and the trigger's. */
struct mf_run_list_row {
    struct mf_action_row action;
    struct mf_run_row run;
    struct mf_place place;
};
typedef bool (*mf_run_list_visit)(void *ctx, const struct mf_run_list_row *row);

/* MF_INVALID_ARGUMENT for what
 * mf_select_filters refuses, an unknown sort field, and a place of another order. Without sorts: phase
 * ascending, then newest first. */
enum mf_code mf_run_list(struct mf_db *db, struct mf_arena *arena, const struct mf_run_scope *scope,
                         const struct mf_page *page, mf_run_list_visit visit, void *ctx,
                         struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_run_list_actions(struct mf_db *db, struct mf_arena *arena, int64_t run_id,
                                 const struct mf_page *page, mf_run_list_visit visit, void *ctx,
                                 struct mf_error *err) MF_CHECK_RESULT;
/* Root actions of a project and domain that changed after the number, in order of their change; limit 0: no
 * bound. */
enum mf_code mf_run_list_changed(struct mf_db *db, struct mf_arena *arena, const struct mf_run_scope *scope,
                                 int64_t after_seq, size_t limit, mf_run_list_visit visit, void *ctx,
                                 struct mf_error *err) MF_CHECK_RESULT;

#endif
