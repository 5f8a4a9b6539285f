/*
 * The settings of scopes. Functions that write are called inside a command, on the writer's thread; readers
 * anywhere with a connection of their own. Strings of a row that was read live in the arena given.
 */
#ifndef MF_STORE_SETTING_H
#define MF_STORE_SETTING_H

#include "store/db.h"

struct mf_setting_row {
    struct mf_str domain, project; /* empty: of everything; project empty: of the domain */
    struct mf_str body;            /* encoded flyteidl2.settings.Settings */
    int64_t version;               /* from 1 */
    int64_t now_ns;                /* when writing */
};

/* Version 1. MF_ALREADY_EXISTS when the scope has settings. */
enum mf_code mf_setting_insert(struct mf_db *db, const struct mf_setting_row *row,
                               struct mf_error *err) MF_CHECK_RESULT;
/* Replaces the body if row->version is the one stored, and counts it up (*version). MF_NOT_FOUND: there is no
 * row; MF_FAILED_PRECONDITION: *version is another one. */
enum mf_code mf_setting_update(struct mf_db *db, const struct mf_setting_row *row, int64_t *version,
                               struct mf_error *err) MF_CHECK_RESULT;
/* A scope without settings gives version 0 and an empty body. */
enum mf_code mf_setting_get(struct mf_db *db, struct mf_arena *arena, struct mf_str domain,
                            struct mf_str project, struct mf_setting_row *out,
                            struct mf_error *err) MF_CHECK_RESULT;

#endif
