/*
 * Lists of runs (as their root actions) and of the actions of one run: scopes, filters, orders, pages.
 *
 * A page begins after a row of the page before, named by the values it was ordered by, so that its cost does
 * not depend on how far into the list it lies. Readers anywhere with a connection of their own; strings live
 * in the arena given.
 *
 * No page is late, however many runs there are. A list that an equality or the scope narrows to page.sortable
 * rows is read whole and may be sorted by every field. A longer one is walked along an index: along its
 * order, which must then be one that an index has (created_at, updated_at, phase, run_name, task_name,
 * task_version, ended_at, duration_ms of runs in a project and domain; created_at, updated_at, phase and name
 * of the actions of a run), and no further than page.budget rows and page.until_ns. What passes the filters
 * among them makes the page, which may so be short or empty and yet be followed by another.
 *
 * Fields to filter and sort by are those of the table in run_fields.c; runs also by "labels.<key>".
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

/* What keeps a page of a service's list under five milliseconds. */
#define MF_RUN_LIST_SORTABLE 1000
#define MF_RUN_LIST_BUDGET 2500
#define MF_RUN_LIST_SPAN_NS INT64_C(2500000)

/* MF_INVALID_ARGUMENT for what mf_select_filters refuses, an unknown sort field or one the list is too long
 * for, and a place of another order. Without sorts: phase ascending, then newest first. *rest (may be NULL
 * when there is no budget) is set when the walk ended before the page was full: the place to go on from;
 * else its key_count is 0. */
enum mf_code mf_run_list(struct mf_db *db, struct mf_arena *arena, const struct mf_run_scope *scope,
                         const struct mf_page *page, mf_run_list_visit visit, void *ctx,
                         struct mf_place *rest, struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_run_list_actions(struct mf_db *db, struct mf_arena *arena, int64_t run_id,
                                 const struct mf_page *page, mf_run_list_visit visit, void *ctx,
                                 struct mf_place *rest, struct mf_error *err) MF_CHECK_RESULT;
/* Root actions that changed after the number, in order of their change; limit 0: no bound. The scope is a
 * project and domain, or everything: for those there is an index of changes. */
enum mf_code mf_run_list_changed(struct mf_db *db, struct mf_arena *arena, const struct mf_run_scope *scope,
                                 int64_t after_seq, size_t limit, mf_run_list_visit visit, void *ctx,
                                 struct mf_error *err) MF_CHECK_RESULT;

#endif
