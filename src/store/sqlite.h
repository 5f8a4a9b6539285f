/*
 * Inside of the SQLite driver: sqlite.c holds connections and transactions, sqlite_statement.c what is
 * prepared on them.
 */
#ifndef MF_STORE_SQLITE_H
#define MF_STORE_SQLITE_H

#include "store/db_engine.h"

#include <sqlite3.h>

struct mf_sqlite_stmt {
    struct mf_stmt base;
    sqlite3_stmt *handle;
    int bind_rc; /* first failed bind */
    /* SQLite takes $2 for a name and counts places in the order of appearance: the place of $n is places[n -
     * 1]. NULL when they are the same. */
    int *places;
    int place_count;
};

struct mf_sqlite {
    struct mf_db base;
    sqlite3 *handle;
    int64_t log_pages;
};

static inline struct mf_sqlite *mf_sqlite_of(struct mf_db *db)
{
    return (struct mf_sqlite *)db;
}

/* Turns a result code into an error and remembers a failing disk. what ends the sentence "cannot …". */
enum mf_code mf_sqlite_fail(struct mf_sqlite *db, int rc, const char *what, struct mf_error *err);

/* The statements' part of the engine. */
enum mf_code mf_sqlite_prepare(struct mf_db *db, struct mf_str text, bool keep, struct mf_stmt **out,
                               struct mf_error *err);
void mf_sqlite_finalize(struct mf_stmt *stmt);
void mf_sqlite_start(struct mf_stmt *stmt);
void mf_sqlite_reset(struct mf_stmt *stmt);
const char *mf_sqlite_text(struct mf_stmt *stmt);
void mf_sqlite_bind_int(struct mf_stmt *stmt, int index, int64_t value);
void mf_sqlite_bind_real(struct mf_stmt *stmt, int index, double value);
void mf_sqlite_bind_text(struct mf_stmt *stmt, int index, struct mf_str value);
void mf_sqlite_bind_blob(struct mf_stmt *stmt, int index, struct mf_str value);
void mf_sqlite_bind_null(struct mf_stmt *stmt, int index);
enum mf_code mf_sqlite_step(struct mf_stmt *stmt, bool *row, struct mf_error *err);
int64_t mf_sqlite_changed(struct mf_stmt *stmt);
int64_t mf_sqlite_col_int(struct mf_stmt *stmt, int index);
double mf_sqlite_col_real(struct mf_stmt *stmt, int index);
struct mf_str mf_sqlite_col_str(struct mf_stmt *stmt, int index);
bool mf_sqlite_col_is_null(struct mf_stmt *stmt, int index);

#endif
