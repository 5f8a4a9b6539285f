/*
 * Brings the schema forward. A migration is a file of src/store/migrations/, built into the binary; each is
 * applied in a transaction of its own and noted in the table schema_version, so that a start that was cut
 * short goes on where it stopped. There is no way back: a binary refuses a schema newer than the one it
 * knows.
 */
#ifndef MF_STORE_MIGRATE_H
#define MF_STORE_MIGRATE_H

#include "store/db.h"

struct mf_migration {
    int version; /* from 1, without a gap */
    const char *name;
    const char *sql;
};

/* What tools/embed.py made of the folder. */
extern const struct mf_migration mf_migrations[];
extern const size_t mf_migration_count;

/* The connection is the writer's and outside a transaction. MF_FAILED_PRECONDITION when the schema is newer
 * than the list, or the tables are somebody else's; the message tells what to do and names the database as
 * path. */
enum mf_code mf_migrate(struct mf_db *db, const struct mf_migration *list, size_t count, int64_t now_ns,
                        const char *path, struct mf_error *err) MF_CHECK_RESULT;

#endif
