/*
 * Inside of the SQLite driver: sqlite.c holds connections and transactions, statement.c what is prepared on
 * them.
 */
#ifndef MF_STORE_SQLITE_H
#define MF_STORE_SQLITE_H

#include "base/list.h"
#include "store/driver.h"

#include <sqlite3.h>

struct mf_stmt {
    struct mf_db *db;
    sqlite3_stmt *handle;
    const struct mf_sql *sql; /* its identity; NULL: made at run time */
    struct mf_link used;      /* in db->open while in use */
    bool in_use;
    bool kept;   /* false: finalized when done */
    int bind_rc; /* first failed bind */
    /* SQLite takes $2 for a name and counts places in the order of appearance: the place of $n is places[n -
     * 1]. NULL when they are the same. */
    int *places;
    int place_count;
    uint64_t hash; /* of a text made at run time */
    struct mf_link recent;
};

struct mf_db {
    sqlite3 *handle;
    enum mf_db_role role;
    bool suspect;
    int64_t log_pages;
    struct mf_list open; /* statements in use */
    /* Statements by the address of their mf_sql: open addressing, never more than half full. */
    struct mf_stmt **fixed;
    size_t fixed_count, fixed_cap;
    struct mf_list recent; /* of run-time text, newest first */
};

/* Turns a result code into an error and remembers a failing disk. what ends the sentence "cannot …". */
enum mf_code mf_sqlite_fail(struct mf_db *db, int rc, const char *what, struct mf_error *err);
/* Finalizes everything. */
void mf_sqlite_drop_statements(struct mf_db *db);

#endif
