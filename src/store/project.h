/*
 * The project table. Functions that write are called inside a command, on the writer's thread; readers
 * anywhere with a connection of their own. Strings of a row that was read live in the arena given.
 */
#ifndef MF_STORE_PROJECT_H
#define MF_STORE_PROJECT_H

#include "store/select.h"

struct mf_project_row {
    struct mf_str id, name, description;
    struct mf_str labels; /* encoded flyteidl2.task.Labels; empty: none */
    int32_t state;        /* flyteidl2.project.ProjectState */
    int64_t created_at, updated_at;
};

#define MF_PROJECT_ARCHIVED 1
#define MF_PROJECT_SYSTEM_ARCHIVED 3

static inline bool mf_project_is_archived(int32_t state)
{
    return state == MF_PROJECT_ARCHIVED || state == MF_PROJECT_SYSTEM_ARCHIVED;
}

/* MF_ALREADY_EXISTS: "project already exists: <id>". */
enum mf_code mf_project_insert(struct mf_db *db, const struct mf_project_row *row,
                               struct mf_error *err) MF_CHECK_RESULT;
/* Replaces everything but id and created_at. MF_NOT_FOUND: "project not found: <id>". */
enum mf_code mf_project_update(struct mf_db *db, const struct mf_project_row *row,
                               struct mf_error *err) MF_CHECK_RESULT;
/* MF_NOT_FOUND: "project not found: <id>". */
enum mf_code mf_project_get(struct mf_db *db, struct mf_arena *arena, struct mf_str id,
                            struct mf_project_row *out, struct mf_error *err) MF_CHECK_RESULT;
/* MF_NOT_FOUND as above. Writers ask mf_project_check of project/check.h. */
enum mf_code mf_project_state(struct mf_db *db, struct mf_str id, int32_t *state,
                              struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_project_exists(struct mf_db *db, struct mf_str id, bool *exists,
                               struct mf_error *err) MF_CHECK_RESULT;
/* Fields: identifier, name, description, state, created_at, updated_at. Without filters archived ones are
 * left out. Oldest first unless sorted. visit returns false to stop. */
enum mf_code mf_project_list(struct mf_db *db, struct mf_arena *arena, const struct mf_page *page,
                             bool (*visit)(void *ctx, const struct mf_project_row *row,
                                           const struct mf_place *place),
                             void *ctx, struct mf_error *err) MF_CHECK_RESULT;

#endif
