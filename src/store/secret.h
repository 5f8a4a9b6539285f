/*
 * Encrypted secrets. Functions that write are called inside a command, on the writer's thread; readers
 * anywhere with a connection of their own. Strings of a row that was read live in the arena given; only
 * mf_secret_get reads the body.
 */
#ifndef MF_STORE_SECRET_H
#define MF_STORE_SECRET_H

#include "store/db.h"

struct mf_secret_id {
    struct mf_str domain, project, name; /* project empty: of the domain; both empty: of everything */
};

struct mf_secret_row {
    struct mf_secret_id id;
    int32_t type;                /* flyteidl2.secret.SecretType */
    struct mf_str key_id;        /* of the master key that wraps the row's own */
    struct mf_str wrapped, body; /* sealed */
    int64_t created_at, updated_at;
};

/* MF_ALREADY_EXISTS; the caller says what. */
enum mf_code mf_secret_insert(struct mf_db *db, const struct mf_secret_row *row,
                              struct mf_error *err) MF_CHECK_RESULT;
/* Everything but created_at; the type stays as it is when row->type is 0. MF_NOT_FOUND; the caller says what.
 */
enum mf_code mf_secret_update(struct mf_db *db, const struct mf_secret_row *row,
                              struct mf_error *err) MF_CHECK_RESULT;
/* MF_NOT_FOUND; the caller says what. */
enum mf_code mf_secret_delete(struct mf_db *db, const struct mf_secret_id *id,
                              struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_secret_get(struct mf_db *db, struct mf_arena *arena, const struct mf_secret_id *id,
                           struct mf_secret_row *out, struct mf_error *err) MF_CHECK_RESULT;

struct mf_secret_query {
    struct mf_str domain, project;    /* empty: of any */
    const struct mf_secret_id *after; /* one of this scope, or NULL: from the start */
    size_t limit;
};

/* By domain, project and name.  visit returns false to stop. */
enum mf_code mf_secret_list(struct mf_db *db, struct mf_arena *arena, const struct mf_secret_query *query,
                            bool (*visit)(void *ctx, const struct mf_secret_row *row), void *ctx,
                            struct mf_error *err) MF_CHECK_RESULT;

/* One row of each master key that is in use; at most limit. */
enum mf_code mf_secret_keys(struct mf_db *db, struct mf_arena *arena, size_t limit,
                            bool (*visit)(void *ctx, const struct mf_secret_row *row), void *ctx,
                            struct mf_error *err) MF_CHECK_RESULT;
/* Rows under any other master key than this; at most limit. */
enum mf_code mf_secret_stale(struct mf_db *db, struct mf_arena *arena, struct mf_str key_id, size_t limit,
                             bool (*visit)(void *ctx, const struct mf_secret_row *row), void *ctx,
                             struct mf_error *err) MF_CHECK_RESULT;
/* Changes key_id and wrapped only. */
enum mf_code mf_secret_rewrap(struct mf_db *db, const struct mf_secret_row *row,
                              struct mf_error *err) MF_CHECK_RESULT;

#endif
