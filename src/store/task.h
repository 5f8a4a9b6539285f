/*
 * The task table: every version of every deployed task. Who may call what: as in store/project.h.
 */
#ifndef MF_STORE_TASK_H
#define MF_STORE_TASK_H

#include "store/select.h"

struct mf_task_key {
    struct mf_str project, domain, name, version;
};

struct mf_task_row {
    struct mf_task_key key;
    struct mf_str environment, function_name, env_description, short_description;
    struct mf_str deployed_by; /* subject of the caller; empty without authentication */
    struct mf_str deployer;    /* encoded flyteidl2.common.EnrichedIdentity of the same */
    bool is_entrypoint;
    struct mf_str spec; /* encoded flyteidl2.task.TaskSpec; not read by lists */
    int64_t created_at, updated_at;
};

/* Inserts, or replaces everything but created_at; *replaced (may be NULL) tells which. */
enum mf_code mf_task_put(struct mf_db *db, const struct mf_task_row *row, bool *replaced,
                         struct mf_error *err) MF_CHECK_RESULT;
/* MF_NOT_FOUND: "task not found: p/d/name version v". */
enum mf_code mf_task_get(struct mf_db *db, struct mf_arena *arena, const struct mf_task_key *key,
                         struct mf_task_row *out, struct mf_error *err) MF_CHECK_RESULT;

enum mf_code mf_task_exists(struct mf_db *db, const struct mf_task_key *key, bool *exists,
                            struct mf_error *err) MF_CHECK_RESULT;

/* The newest run of a task as its root. */
struct mf_task_run {
    struct mf_str project, domain, name; /* name empty: there is none */
    int64_t created_at;
    int32_t phase; /* of its root action */
};

/* Of that version, or of all when key.version is empty. */
enum mf_code mf_task_latest_run(struct mf_db *db, struct mf_arena *arena, const struct mf_task_key *key,
                                struct mf_task_run *out, struct mf_error *err) MF_CHECK_RESULT;

/* Which tasks a list is about; empty parts match everything. */
struct mf_task_scope {
    struct mf_str project, domain;
    const struct mf_str *deployed_by; /* one of these subjects; NULL: anybody */
    size_t deployed_by_count;
    bool is_entrypoint; /* only entry points */
};

/* place: for the token of the page behind this row; see store/order.h. */
typedef bool (*mf_task_visit)(void *ctx, const struct mf_task_row *row, const struct mf_place *place);

/* Each task once, as its newest version, and only if that one satisfies the filters. Newest first unless
 * sorted. Fields: those of store/task_list.c. Without spec. */
enum mf_code mf_task_list(struct mf_db *db, struct mf_arena *arena, const struct mf_task_scope *scope,
                          const struct mf_page *page, mf_task_visit visit, void *ctx,
                          struct mf_error *err) MF_CHECK_RESULT;
/* How many tasks there are in the project and domain of the scope, and how many of them the list has over all
 * its pages. */
enum mf_code mf_task_count(struct mf_db *db, struct mf_arena *arena, const struct mf_task_scope *scope,
                           const struct mf_page *page, int64_t *total, int64_t *filtered,
                           struct mf_error *err) MF_CHECK_RESULT;
/* Versions of one task (key.version is ignored), newest first unless sorted. Without spec. */
enum mf_code mf_task_versions(struct mf_db *db, struct mf_arena *arena, const struct mf_task_key *key,
                              const struct mf_page *page, mf_task_visit visit, void *ctx,
                              struct mf_error *err) MF_CHECK_RESULT;

#endif
