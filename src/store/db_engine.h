/*
 * Inside of the drivers: what a database engine has to offer so that db.h and driver.h work on it. db.c and
 * statement.c do what is the same for all of them (which statements are kept, which are in use) and pass the
 * rest on. The promises of the functions are those of db.h and driver.h.
 */
#ifndef MF_STORE_DB_ENGINE_H
#define MF_STORE_DB_ENGINE_H

#include "base/list.h"
#include "store/driver.h"

struct mf_db_engine {
    enum mf_code (*check_library)(struct mf_error *err);
    enum mf_code (*open)(const struct mf_db_options *options, struct mf_db **out, struct mf_error *err);
    void (*close)(struct mf_db *db); /* its statements are gone already */

    enum mf_code (*begin)(struct mf_db *db, struct mf_error *err);
    enum mf_code (*begin_read)(struct mf_db *db, struct mf_error *err);
    enum mf_code (*take_order)(struct mf_db *db, int64_t *newest, struct mf_error *err);
    enum mf_code (*commit)(struct mf_db *db, struct mf_error *err); /* rolls back when it fails */
    void (*rollback)(struct mf_db *db);
    bool (*in_transaction)(struct mf_db *db);
    bool (*may_repeat)(const struct mf_db *db);
    enum mf_code (*savepoint)(struct mf_db *db, struct mf_error *err);
    enum mf_code (*savepoint_keep)(struct mf_db *db, struct mf_error *err);
    enum mf_code (*savepoint_undo)(struct mf_db *db, struct mf_error *err);

    enum mf_code (*script)(struct mf_db *db, const char *sql, struct mf_error *err);
    const struct mf_sql *tables; /* how many tables there are, and whether one of them is named $1 */
    enum mf_code (*lock_schema)(struct mf_db *db, struct mf_error *err);
    void (*unlock_schema)(struct mf_db *db);

    enum mf_code (*prepare)(struct mf_db *db, struct mf_str text, bool keep, struct mf_stmt **out,
                            struct mf_error *err);
    void (*finalize)(struct mf_stmt *stmt);
    void (*start)(struct mf_stmt *stmt); /* before it is bound */
    void (*reset)(struct mf_stmt *stmt); /* its parameters point to memory of the caller's: forget them */
    const char *(*text)(struct mf_stmt *stmt);
    void (*bind_int)(struct mf_stmt *stmt, int index, int64_t value);
    void (*bind_real)(struct mf_stmt *stmt, int index, double value);
    void (*bind_text)(struct mf_stmt *stmt, int index, struct mf_str value);
    void (*bind_blob)(struct mf_stmt *stmt, int index, struct mf_str value);
    void (*bind_null)(struct mf_stmt *stmt, int index);
    enum mf_code (*step)(struct mf_stmt *stmt, bool *row, struct mf_error *err);
    /* Whether the statement, which returns no rows, was sent without waiting for what becomes of it: the end
     * of the transaction or savepoint tells. NULL: never. */
    bool (*run_later)(struct mf_stmt *stmt, enum mf_code *code, struct mf_error *err);
    int64_t (*changed)(struct mf_stmt *stmt);
    int64_t (*col_int)(struct mf_stmt *stmt, int index);
    double (*col_real)(struct mf_stmt *stmt, int index);
    struct mf_str (*col_str)(struct mf_stmt *stmt, int index);
    bool (*col_is_null)(struct mf_stmt *stmt, int index);
};

extern const struct mf_db_engine mf_sqlite_engine;
extern const struct mf_db_engine mf_postgres_engine;

/* The first member of an engine's own. */
struct mf_stmt {
    struct mf_db *db;
    const struct mf_sql *sql; /* its identity; NULL: made at run time */
    struct mf_link used;      /* in db->open while in use */
    bool in_use;
    bool kept;     /* false: finalized when done */
    uint64_t hash; /* of a text made at run time */
    struct mf_link recent;
};

struct mf_db {
    const struct mf_db_engine *engine;
    enum mf_db_role role;
    bool suspect;
    struct mf_list open; /* statements in use */
    /* Statements by the address of their mf_sql: open addressing, never more than half full. */
    struct mf_stmt **fixed;
    size_t fixed_count, fixed_cap;
    struct mf_list recent; /* of run-time text, newest first */
};

void mf_db_init(struct mf_db *db, const struct mf_db_engine *engine, enum mf_db_role role);
/* Ends statements that a caller forgot: one would keep a transaction from ending. */
void mf_db_end_statements(struct mf_db *db);
/* Finalizes everything. */
void mf_db_drop_statements(struct mf_db *db);

#endif
