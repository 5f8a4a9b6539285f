/* What the configuration says about the database. */
#ifndef MF_SERVER_DATABASE_H
#define MF_SERVER_DATABASE_H

#include "server/config.h"
#include "store/store.h"

enum mf_code mf_database_check(const struct mf_config *config, struct mf_error *err) MF_CHECK_RESULT;
/* Fills in path, password, readers and unsafe_no_fsync; they live in the arena. Reads the password's file. */
enum mf_code mf_database_config(struct mf_arena *arena, const struct mf_config *config, const char *data_dir,
                                struct mf_store_config *out, struct mf_error *err) MF_CHECK_RESULT;

#endif
