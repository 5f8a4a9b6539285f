/*
 * Inside of the PostgreSQL driver. postgres.c holds connections and transactions, postgres_statement.c what
 * is prepared on them, postgres_wire.c sends and receives.
 *
 * A connection is always in pipeline mode. What does not need an answer at once (the start of a transaction,
 * a savepoint, a plain write) is only queued, and travels together with the next statement that does:
 * mf_postgres_drain sends the queue and reads the answers to all of it. The first failure makes the server
 * skip what follows up to the end of the queue, and is what the drain reports.
 */
#ifndef MF_STORE_POSTGRES_H
#define MF_STORE_POSTGRES_H

#include "store/db_engine.h"
#include "store/libpq.h"

/* Of the types that parameters and columns have (catalog pg_type). */
enum mf_postgres_type {
    MF_PG_ANY = 0, /* the server decides: of a parameter that was never other than NULL */
    MF_PG_BOOL = 16,
    MF_PG_BYTES = 17,
    MF_PG_INT8 = 20,
    MF_PG_INT2 = 21,
    MF_PG_INT4 = 23,
    MF_PG_TEXT = 25,
    MF_PG_REAL4 = 700,
    MF_PG_REAL8 = 701,
    MF_PG_NUMERIC = 1700,
};

struct mf_postgres_param {
    Oid type;
    bool is_null;
    struct mf_str bytes; /* of a text or blob: the caller's */
    uint64_t number;     /* of an integer or real, in network order */
};

struct mf_postgres_stmt {
    struct mf_stmt base;
    char *text;
    uint32_t id;       /* its name on the server is "s<id>" */
    uint64_t prepared; /* the era of the connection on which the server knows it; 0: none */
    Oid *types;        /* with which it knows it */
    struct mf_postgres_param *params;
    int param_count, param_cap;
    bool bind_failed;
    bool sent;        /* since it was started */
    PGresult *result; /* all rows; NULL before the first step */
    int row, row_count;
};

/* What waits for its answer. */
struct mf_postgres_item {
    enum { MF_PG_COMMAND, MF_PG_PREPARE, MF_PG_RUN, MF_PG_SYNC } kind;
    struct mf_postgres_stmt *stmt; /* of PREPARE and RUN; NULL when it is gone */
    const char *what;              /* ends the sentence "cannot …" */
    bool is_commit;
};

#define MF_PG_ITEMS_MAX 256

struct mf_postgres {
    struct mf_db base;
    PGconn *conn; /* NULL when lost and not yet opened again */
    uint64_t era; /* counts connections, from 1 */
    char *url, *password, *owner;
    bool no_fsync;
    int wait_ms;
    int patience_ms; /* without a sign of the server before the connection counts as lost; -1: any time */

    struct mf_postgres_item items[MF_PG_ITEMS_MAX];
    size_t item_count;
    struct mf_error failure; /* of the first item that failed */
    char state[6];           /* its SQLSTATE; empty: none */

    bool in_transaction;
    bool is_broken; /* the transaction can only be undone */
    /* Of a reader: a view in which nothing was read yet may begin anew on another connection. */
    enum { MF_PG_NO_VIEW, MF_PG_FRESH_VIEW, MF_PG_USED_VIEW } view;
    bool has_unproven; /* writes are queued whose success nobody has seen */
    bool committed;    /* the answer to the last commit */
    bool may_repeat;
    int64_t xid; /* of the transaction; 0: not known */

    uint32_t next_id;
    uint32_t *garbage; /* ids of statements that the server may forget */
    size_t garbage_count, garbage_cap;
};

static inline struct mf_postgres *mf_postgres_of(struct mf_db *db)
{
    return (struct mf_postgres *)db;
}

/* ---- postgres_wire.c ---- */

/* Each queues something; MF_UNAVAILABLE when the connection is lost. */
enum mf_code mf_postgres_command(struct mf_postgres *db, const char *sql, const char *what,
                                 struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_postgres_send(struct mf_postgres *db, struct mf_postgres_stmt *stmt, const char *what,
                              struct mf_error *err) MF_CHECK_RESULT;
/* Sends the queue and reads all answers; that of wanted (may be NULL) is kept with it. */
enum mf_code mf_postgres_drain(struct mf_postgres *db, struct mf_postgres_stmt *wanted,
                               struct mf_error *err) MF_CHECK_RESULT;
/* Sends the queue and leaves the answers for later. */
void mf_postgres_push(struct mf_postgres *db);
/* The connection is of no use any more: closes it. */
void mf_postgres_lose(struct mf_postgres *db);
/* Nobody asks for this statement's answers any more, and the server may forget it. */
void mf_postgres_forget(struct mf_postgres *db, struct mf_postgres_stmt *stmt);
/* Lets the server forget statements that are gone; not in a broken transaction. */
enum mf_code mf_postgres_sweep(struct mf_postgres *db, struct mf_error *err) MF_CHECK_RESULT;
/* Turns an answer that is an error into one of ours. */
enum mf_code mf_postgres_fail(struct mf_postgres *db, const PGresult *result, const char *what,
                              struct mf_error *err);

/* ---- postgres.c ---- */

/* Whether the statement that has just failed may be sent again, on a new connection that this opens. */
bool mf_postgres_recover(struct mf_postgres *db);

/* ---- postgres_statement.c: the statements' part of the engine ---- */

enum mf_code mf_postgres_prepare(struct mf_db *db, struct mf_str text, bool keep, struct mf_stmt **out,
                                 struct mf_error *err);
void mf_postgres_finalize(struct mf_stmt *stmt);
void mf_postgres_start(struct mf_stmt *stmt);
void mf_postgres_reset(struct mf_stmt *stmt);
const char *mf_postgres_text(struct mf_stmt *stmt);
void mf_postgres_bind_int(struct mf_stmt *stmt, int index, int64_t value);
void mf_postgres_bind_real(struct mf_stmt *stmt, int index, double value);
void mf_postgres_bind_text(struct mf_stmt *stmt, int index, struct mf_str value);
void mf_postgres_bind_blob(struct mf_stmt *stmt, int index, struct mf_str value);
void mf_postgres_bind_null(struct mf_stmt *stmt, int index);
enum mf_code mf_postgres_step(struct mf_stmt *stmt, bool *row, struct mf_error *err);
bool mf_postgres_run_later(struct mf_stmt *stmt, enum mf_code *code, struct mf_error *err);
int64_t mf_postgres_changed(struct mf_stmt *stmt);
int64_t mf_postgres_col_int(struct mf_stmt *stmt, int index);
double mf_postgres_col_real(struct mf_stmt *stmt, int index);
struct mf_str mf_postgres_col_str(struct mf_stmt *stmt, int index);
bool mf_postgres_col_is_null(struct mf_stmt *stmt, int index);

#endif
