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
    bool is_entrypoint;
    struct mf_str spec; /* encoded flyteidl2.task.TaskSpec; not read by lists */
    int64_t created_at, updated_at;
};

/* Inserts, or replaces everything but created_at. */
enum mf_code mf_task_put(struct mf_db *db, const struct mf_task_row *row,
                         struct mf_error *err) MF_CHECK_RESULT;
/* MF_NOT_FOUND: "task not found: p/d/name version v". */
enum mf_code mf_task_get(struct mf_db *db, struct mf_arena *arena, const struct mf_task_key *key,
                         struct mf_task_row *out, struct mf_error *err) MF_CHECK_RESULT;

/* Which tasks a list is about; empty parts match everything. */
struct mf_task_scope {
    struct mf_str project, domain;
};

typedef bool (*mf_task_visit)(void *ctx, const struct mf_task_row *row);

/* Each task once, as its newest version. Fields: those of store/task.c's table. Newest first unless sorted.
 */
enum mf_code mf_task_list(struct mf_db *db, struct mf_arena *arena, const struct mf_task_scope *scope,
                          const struct mf_page *page, mf_task_visit visit, void *ctx,
                          struct mf_error *err) MF_CHECK_RESULT;
/* How many tasks the list has without its page; with filters of the page when there are any. */
enum mf_code mf_task_count(struct mf_db *db, struct mf_arena *arena, const struct mf_task_scope *scope,
                           const struct mf_page *page, int64_t *count, struct mf_error *err) MF_CHECK_RESULT;
/* Versions of one task (key.version is ignored). Fields: version, created_at. */
enum mf_code mf_task_versions(struct mf_db *db, struct mf_arena *arena, const struct mf_task_key *key,
                              const struct mf_page *page, mf_task_visit visit, void *ctx,
                              struct mf_error *err) MF_CHECK_RESULT;

#endif
