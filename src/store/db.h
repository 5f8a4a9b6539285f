/*
 * One database connection and its prepared statements: the seam between the SQL of the entities and the
 * driver (SQLite now; PostgreSQL has to fit behind the same functions).
 *
 * A connection belongs to one thread at a time. Statements are written once for both databases, with $1, $2 …
 * as parameters, and are prepared at first use; a connection keeps them by the address of their mf_sql.
 * Text and blobs that a column function returns are valid until the next step or mf_stmt_done.
 *
 * Errors: MF_UNAVAILABLE when the database cannot serve now (locked, full disk, gone), MF_DATA_LOSS when it
 * is damaged, MF_ALREADY_EXISTS on a violated unique key, MF_INTERNAL for a statement that is wrong. No
 * message holds SQL text.
 */
#ifndef MF_STORE_DB_H
#define MF_STORE_DB_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

struct mf_db;
struct mf_stmt;

/* Declare as a static const; its address is its identity. */
struct mf_sql {
    const char *text;
};

#define MF_SQL(variable, sql) static const struct mf_sql variable = {.text = sql}

/* A statement ready for binding. Every one must be ended with mf_stmt_done, also after an error. */
enum mf_code mf_db_query(struct mf_db *db, const struct mf_sql *sql, struct mf_stmt **out,
                         struct mf_error *err) MF_CHECK_RESULT;
/* The same for text made at run time (lists with filters); a bounded cache keeps the most recent ones. */
enum mf_code mf_db_query_text(struct mf_db *db, struct mf_str text, struct mf_stmt **out,
                              struct mf_error *err) MF_CHECK_RESULT;
void mf_stmt_done(struct mf_stmt *stmt); /* NULL is fine */

/* Parameters count from 1. Bytes are not copied: they must stay until mf_stmt_done. A failed bind is reported
 * by the next step. */
void mf_bind_int(struct mf_stmt *stmt, int index, int64_t value);
void mf_bind_real(struct mf_stmt *stmt, int index, double value);
void mf_bind_text(struct mf_stmt *stmt, int index,
                  struct mf_str value); /* empty text stays text, never NULL */
void mf_bind_blob(struct mf_stmt *stmt, int index, struct mf_str value);
void mf_bind_null(struct mf_stmt *stmt, int index);

/* *row tells whether there is a row to read. */
enum mf_code mf_stmt_step(struct mf_stmt *stmt, bool *row, struct mf_error *err) MF_CHECK_RESULT;
/* For statements that return no rows: step to the end; *changed (may be NULL) = rows changed. */
enum mf_code mf_stmt_run(struct mf_stmt *stmt, int64_t *changed, struct mf_error *err) MF_CHECK_RESULT;

/* Columns count from 0. */
int64_t mf_col_int(struct mf_stmt *stmt, int index); /* NULL reads as 0 */
double mf_col_real(struct mf_stmt *stmt, int index);
struct mf_str mf_col_str(struct mf_stmt *stmt, int index); /* text or blob; NULL reads as empty */
bool mf_col_is_null(struct mf_stmt *stmt, int index);
/* Copied into the arena; sets *failed when memory ran out. */
struct mf_str mf_col_copy(struct mf_stmt *stmt, int index, struct mf_arena *arena, bool *failed);

/* A consistent view for several reads, taken at the first of them. Reads outside of one see the newest
 * committed state each. */
enum mf_code mf_db_snapshot_begin(struct mf_db *db, struct mf_error *err) MF_CHECK_RESULT;
void mf_db_snapshot_end(struct mf_db *db);

#endif
