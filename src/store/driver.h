/*
 * The other half of the seam in db.h: what only the store itself asks of a driver. Connections, transactions,
 * and the upkeep of the database. Same rule: a connection belongs to one thread at a time.
 */
#ifndef MF_STORE_DRIVER_H
#define MF_STORE_DRIVER_H

#include "store/db.h"

enum mf_db_role {
    MF_DB_WRITER,       /* creates the database when missing */
    MF_DB_READER,       /* cannot change anything */
    MF_DB_CHECKPOINTER, /* moves the log into the database */
};

struct mf_db_options {
    const char *path; /* a file of SQLite's, or a URL of a PostgreSQL server: postgres://user@host/database */
    enum mf_db_role role;
    bool no_fsync;
    const char *password; /* of a server, when it is not in the URL; NULL: none */
    int wait_ms;          /* how long to try again when a server does not answer; 0: once */
    /* Of a writer on a server: names this process, and no other one can own the database as long as the
     * connection is open. NULL: it is not owned. */
    const char *owner;
};

/* Whether the path is that of a server, which other processes use as well. */
bool mf_db_is_server(const char *path);
/* The path for messages: without user, password and options. */
void mf_db_describe(const char *path, char *out, size_t size);

/* MF_FAILED_PRECONDITION when the library is missing or cannot be trusted with data. */
enum mf_code mf_db_check_library(const char *path, struct mf_error *err) MF_CHECK_RESULT;
/* Whether a version of SQLite, as in SQLITE_VERSION_NUMBER, is free of the lost-write bug of the log's reset.
 */
bool mf_db_version_is_sound(int version);

/* MF_ABORTED when another process owns the database. */
enum mf_code mf_db_open(const struct mf_db_options *options, struct mf_db **out,
                        struct mf_error *err) MF_CHECK_RESULT;
void mf_db_close(struct mf_db *db); /* NULL is fine */
/* Ends a snapshot and statements that were left open. */
void mf_db_rest(struct mf_db *db);

/* Other processes may change the database as well. */
bool mf_db_is_shared(const struct mf_db *db);

/* A transaction that writes. After an error of mf_db_commit nothing of it is in the database, and it is over.
 */
enum mf_code mf_db_begin(struct mf_db *db, struct mf_error *err) MF_CHECK_RESULT;
/* In a transaction, before anything else is read: from here to its end no other one that has taken its place
 * in the order is open, on any machine. *newest is the last number of the change sequence that is committed.
 */
enum mf_code mf_db_take_order(struct mf_db *db, int64_t *newest, struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_db_commit(struct mf_db *db, struct mf_error *err) MF_CHECK_RESULT;
void mf_db_rollback(struct mf_db *db); /* also when there is none */
/* False when the database ended the transaction by itself, as it may on a full disk. */
bool mf_db_in_transaction(struct mf_db *db);
/* After a transaction failed: nothing of it is in the database for certain, and the reason may be gone at the
 * next try (a lost connection, another transaction in the way). */
bool mf_db_may_repeat(const struct mf_db *db);
/* One level inside a transaction. */
enum mf_code mf_db_savepoint(struct mf_db *db, struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_db_savepoint_keep(struct mf_db *db, struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_db_savepoint_undo(struct mf_db *db, struct mf_error *err) MF_CHECK_RESULT;
/* True once the disk has failed under this connection: what it believes is cached may not be on disk, so the
 * owner closes it and opens another. */
bool mf_db_is_suspect(const struct mf_db *db);

/* From one to the other no other process changes the schema. */
enum mf_code mf_db_lock_schema(struct mf_db *db, struct mf_error *err) MF_CHECK_RESULT;
void mf_db_unlock_schema(struct mf_db *db);
/* Several statements without parameters, in the words of SQLite (a driver translates the names of types). */
enum mf_code mf_db_script(struct mf_db *db, const char *sql, struct mf_error *err) MF_CHECK_RESULT;
/* Whether the database holds any table; *known tells whether one of them has that name. */
enum mf_code mf_db_tables(struct mf_db *db, struct mf_str name, bool *any, bool *known,
                          struct mf_error *err) MF_CHECK_RESULT;

/* ---- what only a file needs ---- */

/* Pages in the log after the newest commit of this connection. */
int64_t mf_db_log_pages(const struct mf_db *db);

enum mf_checkpoint_mode {
    MF_CHECKPOINT_PASSIVE, /* what can be moved without waiting for anybody */
    MF_CHECKPOINT_RESTART, /* everything, and the next commit begins the log anew; no commit may run meanwhile
                            */
    MF_CHECKPOINT_TRUNCATE, /* the same, and the file is emptied */
};
/* *pages are in the log, *moved of them are in the database. MF_ABORTED when readers were in the way. */
enum mf_code mf_db_checkpoint(struct mf_db *db, enum mf_checkpoint_mode mode, int64_t *pages, int64_t *moved,
                              struct mf_error *err) MF_CHECK_RESULT;
/* Makes what was moved durable, so that the next checkpoint has less to wait for. */
enum mf_code mf_db_sync(struct mf_db *db, struct mf_error *err) MF_CHECK_RESULT;
/* From now on closing does not move the log: after a failed sync only the log is known to be complete. */
void mf_db_keep_log(struct mf_db *db);

#endif
