#include "store/sqlite.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BUSY_MS 10000    /* another process, such as a backup, may hold the lock for a moment */
#define CHECKPOINT_MS 10 /* the writer stands still while a checkpoint waits for readers */
/* The log's file is re-used, since writing over it is quicker than growing it, but not kept larger than this.
 */
#define PRAGMA_LOG "PRAGMA journal_size_limit = 67108864; "
#define PRAGMA_WRITER PRAGMA_LOG "PRAGMA cache_size = -8192"
#define PRAGMA_READER "PRAGMA cache_size = -4096; PRAGMA query_only = ON"
#define PRAGMA_CHECKPOINTER PRAGMA_LOG "PRAGMA cache_size = 0"

MF_SQL(sql_begin, "BEGIN IMMEDIATE");
MF_SQL(sql_begin_read, "BEGIN");
MF_SQL(sql_commit, "COMMIT");
MF_SQL(sql_rollback, "ROLLBACK");
MF_SQL(sql_savepoint, "SAVEPOINT command");
MF_SQL(sql_keep, "RELEASE command");
MF_SQL(sql_undo, "ROLLBACK TO command");
MF_SQL(sql_newest, "SELECT value FROM counter WHERE name = 'seq'");
MF_SQL(sql_tables, "SELECT count(*), coalesce(sum(name = $1), 0) FROM sqlite_master WHERE type = 'table'");

bool mf_db_version_is_sound(int version)
{
    /* Fixed in 3.51.3 and, on their branches, in 3.50.7 and 3.44.6. */
    return version >= 3051003 || (version >= 3050007 && version < 3051000) ||
           (version >= 3044006 && version < 3045000);
}

static enum mf_code check_library(struct mf_error *err)
{
    if (!mf_db_version_is_sound(sqlite3_libversion_number()))
        return mf_fail(
            err, MF_FAILED_PRECONDITION,
            "the SQLite library is version %s, which can lose committed data; build with 3.51.3 or newer "
            "(deps/ pins one)",
            sqlite3_libversion());
    if (!sqlite3_threadsafe())
        return mf_fail(err, MF_FAILED_PRECONDITION,
                       "the SQLite library is built for one thread; build it with SQLITE_THREADSAFE=2");
    return MF_OK;
}

static enum mf_code fail_io(struct mf_sqlite *db, int rc, const char *what, struct mf_error *err)
{
    int extended = db->handle ? sqlite3_extended_errcode(db->handle) : rc;
    int system = db->handle ? sqlite3_system_errno(db->handle) : 0;
    if (extended == SQLITE_IOERR_NOMEM)
        return mf_fail_memory(err);
    db->base.suspect = true;
    mf_log(MF_LOG_ERROR, "store", "cannot %s: the disk failed (%s, SQLite code %d)", what,
           system != 0 ? strerrordesc_np(system) : "no reason given", extended);
    if (extended == SQLITE_IOERR_CORRUPTFS)
        return mf_fail(err, MF_DATA_LOSS,
                       "cannot %s: the file system is damaged; check it, then restore a backup", what);
    return mf_fail(err, MF_UNAVAILABLE, "cannot %s: the disk failed; see the server's log and check the disk",
                   what);
}

enum mf_code mf_sqlite_fail(struct mf_sqlite *db, int rc, const char *what, struct mf_error *err)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return mf_fail(err, MF_UNAVAILABLE,
                       "cannot %s: another process holds the lock of the database; end it and try again",
                       what);
    case SQLITE_FULL:
        return mf_fail(err, MF_UNAVAILABLE, "cannot %s: the disk is full; free some space and try again",
                       what);
    case SQLITE_IOERR:
        return fail_io(db, rc, what, err);
    case SQLITE_NOMEM:
        return mf_fail_memory(err);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        mf_log(MF_LOG_ERROR, "store", "cannot %s: the database is damaged (SQLite code %d)", what, rc);
        return mf_fail(err, MF_DATA_LOSS,
                       "cannot %s: the database is damaged; stop the server and restore a backup", what);
    case SQLITE_CONSTRAINT:
        rc = sqlite3_extended_errcode(db->handle);
        if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
            rc == SQLITE_CONSTRAINT_ROWID)
            return mf_fail(err, MF_ALREADY_EXISTS, "cannot %s: a row with this key already exists", what);
        break;
    case SQLITE_READONLY:
        if (db->base.role == MF_DB_READER)
            break;
        return mf_fail(err, MF_UNAVAILABLE,
                       "cannot %s: the database is read-only; check its owner, its permissions and the mount",
                       what);
    case SQLITE_CANTOPEN:
        return mf_fail(err, MF_UNAVAILABLE,
                       "cannot %s: a file of the database cannot be opened; check its folder and the limit "
                       "of open files",
                       what);
    case SQLITE_TOOBIG:
        return mf_fail(err, MF_INVALID_ARGUMENT, "cannot %s: a value is too large for the database", what);
    default:
        break;
    }
    mf_log(MF_LOG_ERROR, "store", "cannot %s: SQLite code %d: %s", what, rc, sqlite3_errmsg(db->handle));
    return mf_fail(err, MF_INTERNAL, "cannot %s: the database refused it (code %d); see the server's log",
                   what, rc);
}

static int on_commit(void *ctx, sqlite3 *handle, const char *schema, int pages)
{
    struct mf_sqlite *db = ctx;
    (void)handle;
    (void)schema;
    db->log_pages = pages;
    return SQLITE_OK;
}

static enum mf_code fail_open(struct mf_sqlite *db, int rc, const char *path, struct mf_error *err)
{
    int system = db->handle ? sqlite3_system_errno(db->handle) : 0;
    switch (rc & 0xff) {
    case SQLITE_NOTADB:
        return mf_fail(err, MF_FAILED_PRECONDITION,
                       "%s is not a SQLite database; move it away, or choose another data directory", path);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
        if (system == ENOSPC || system == EDQUOT)
            break;
        return mf_fail(err, MF_UNAVAILABLE, "cannot open %s: %s; check its folder, owner and permissions",
                       path, system != 0 ? strerrordesc_np(system) : "it cannot be opened for writing");
    case SQLITE_BUSY:
        return mf_fail(err, MF_UNAVAILABLE,
                       "cannot open %s: another process holds its lock; end it and try again", path);
    case SQLITE_CORRUPT:
        return mf_fail(err, MF_DATA_LOSS, "cannot open %s: it is damaged; restore a backup", path);
    default:
        break;
    }
    if (rc == SQLITE_FULL || system == ENOSPC || system == EDQUOT)
        return mf_fail(err, MF_UNAVAILABLE, "cannot open %s: the disk is full; free some space", path);
    char what[300];
    snprintf(what, sizeof what, "open %.280s", path);
    return mf_sqlite_fail(db, rc, what, err);
}

static int enter_log_mode(struct mf_sqlite *db)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db->handle, "PRAGMA journal_mode = WAL", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    bool entered = rc == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") == 0;
    int finished = sqlite3_finalize(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_OK)
        return rc;
    return entered ? finished : SQLITE_CANTOPEN;
}

static int configure(struct mf_sqlite *db, const struct mf_db_options *options)
{
    static const char *const roles[] = {
        [MF_DB_WRITER] = PRAGMA_WRITER,
        [MF_DB_READER] = PRAGMA_READER,
        [MF_DB_CHECKPOINTER] = PRAGMA_CHECKPOINTER,
    };
    sqlite3_extended_result_codes(db->handle, 0);
    sqlite3_busy_timeout(db->handle, options->role == MF_DB_CHECKPOINTER ? CHECKPOINT_MS : BUSY_MS);
    int rc = enter_log_mode(db);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db->handle,
                          options->no_fsync ? "PRAGMA synchronous = OFF"
                                            : "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; "
                                              "PRAGMA checkpoint_fullfsync = ON",
                          NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db->handle, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db->handle, roles[options->role], NULL, NULL, NULL);
    /* Also what turns the automatic checkpoints off: they share the hook. */
    sqlite3_wal_hook(db->handle, on_commit, db);
    return rc;
}

static enum mf_code open_file(const struct mf_db_options *options, struct mf_db **out, struct mf_error *err)
{
    struct mf_sqlite *db = calloc(1, sizeof *db);
    enum mf_code code = MF_OK;
    *out = NULL;
    if (!db)
        return mf_fail_memory(err);
    mf_db_init(&db->base, &mf_sqlite_engine, options->role);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (options->role == MF_DB_WRITER)
        flags |= SQLITE_OPEN_CREATE;
    int rc = sqlite3_open_v2(options->path, &db->handle, flags, NULL);
    /* Without the permission to write, SQLite opens for reading and says nothing. */
    if (rc == SQLITE_OK && sqlite3_db_readonly(db->handle, "main") == 1)
        rc = SQLITE_READONLY;
    if (rc == SQLITE_OK)
        rc = configure(db, options);
    if (rc != SQLITE_OK) {
        code = fail_open(db, rc, options->path, err);
        mf_db_close(&db->base);
        return code;
    }
    *out = &db->base;
    return MF_OK;
}

static void close_file(struct mf_db *db)
{
    sqlite3_close(mf_sqlite_of(db)->handle);
    free(db);
}

/* Runs a statement of the driver's own. */
static enum mf_code control(struct mf_db *db, const struct mf_sql *sql, const char *what,
                            struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, sql, &stmt, err);
    if (code != MF_OK)
        return code;
    int rc = sqlite3_step(((struct mf_sqlite_stmt *)stmt)->handle);
    if (rc != SQLITE_DONE)
        code = mf_sqlite_fail(mf_sqlite_of(db), rc, what, err);
    mf_stmt_done(stmt);
    return code;
}

static enum mf_code begin(struct mf_db *db, struct mf_error *err)
{
    return control(db, &sql_begin, "begin a change", err);
}

static enum mf_code begin_read(struct mf_db *db, struct mf_error *err)
{
    return control(db, &sql_begin_read, "begin to read", err);
}

/* The lock of the whole database keeps others out. */
static enum mf_code take_order(struct mf_db *db, int64_t *newest, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    enum mf_code code = mf_db_query(db, &sql_newest, &stmt, err);
    if (code == MF_OK)
        code = mf_stmt_step(stmt, &row, err);
    *newest = code == MF_OK && row ? mf_col_int(stmt, 0) : 0;
    mf_stmt_done(stmt);
    return code;
}

static bool in_transaction(struct mf_db *db)
{
    sqlite3 *handle = mf_sqlite_of(db)->handle;
    return handle && !sqlite3_get_autocommit(handle);
}

static bool may_repeat(const struct mf_db *db)
{
    (void)db;
    return false;
}

static void rollback(struct mf_db *db)
{
    struct mf_error ignored;
    /* Should the statement fail, the connection is of no use any more. */
    if (control(db, &sql_rollback, "undo", &ignored) != MF_OK && in_transaction(db))
        db->suspect = true;
}

static enum mf_code commit(struct mf_db *db, struct mf_error *err)
{
    enum mf_code code = control(db, &sql_commit, "commit", err);
    if (code != MF_OK && in_transaction(db))
        rollback(db);
    return code;
}

static enum mf_code savepoint(struct mf_db *db, struct mf_error *err)
{
    return control(db, &sql_savepoint, "begin a change", err);
}

static enum mf_code savepoint_keep(struct mf_db *db, struct mf_error *err)
{
    return control(db, &sql_keep, "end a change", err);
}

static enum mf_code savepoint_undo(struct mf_db *db, struct mf_error *err)
{
    enum mf_code code = control(db, &sql_undo, "undo a change", err);
    return code == MF_OK ? control(db, &sql_keep, "undo a change", err) : code;
}

static enum mf_code script(struct mf_db *db, const char *sql, struct mf_error *err)
{
    int rc = sqlite3_exec(mf_sqlite_of(db)->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? MF_OK : mf_sqlite_fail(mf_sqlite_of(db), rc, "change the schema", err);
}

/* The server holds the lock of its data directory, and each migration that of the database. */
static enum mf_code lock_schema(struct mf_db *db, struct mf_error *err)
{
    (void)db;
    (void)err;
    return MF_OK;
}

static void unlock_schema(struct mf_db *db)
{
    (void)db;
}

const struct mf_db_engine mf_sqlite_engine = {
    .check_library = check_library,
    .open = open_file,
    .close = close_file,
    .begin = begin,
    .begin_read = begin_read,
    .take_order = take_order,
    .commit = commit,
    .rollback = rollback,
    .in_transaction = in_transaction,
    .may_repeat = may_repeat,
    .savepoint = savepoint,
    .savepoint_keep = savepoint_keep,
    .savepoint_undo = savepoint_undo,
    .script = script,
    .tables = &sql_tables,
    .lock_schema = lock_schema,
    .unlock_schema = unlock_schema,
    .prepare = mf_sqlite_prepare,
    .finalize = mf_sqlite_finalize,
    .start = mf_sqlite_start,
    .reset = mf_sqlite_reset,
    .text = mf_sqlite_text,
    .bind_int = mf_sqlite_bind_int,
    .bind_real = mf_sqlite_bind_real,
    .bind_text = mf_sqlite_bind_text,
    .bind_blob = mf_sqlite_bind_blob,
    .bind_null = mf_sqlite_bind_null,
    .step = mf_sqlite_step,
    .changed = mf_sqlite_changed,
    .col_int = mf_sqlite_col_int,
    .col_real = mf_sqlite_col_real,
    .col_str = mf_sqlite_col_str,
    .col_is_null = mf_sqlite_col_is_null,
};

int64_t mf_db_log_pages(const struct mf_db *db)
{
    return mf_db_is_shared(db) ? 0 : ((const struct mf_sqlite *)db)->log_pages;
}

enum mf_code mf_db_checkpoint(struct mf_db *db, enum mf_checkpoint_mode mode, int64_t *pages, int64_t *moved,
                              struct mf_error *err)
{
    static const int modes[] = {
        [MF_CHECKPOINT_PASSIVE] = SQLITE_CHECKPOINT_PASSIVE,
        [MF_CHECKPOINT_RESTART] = SQLITE_CHECKPOINT_RESTART,
        [MF_CHECKPOINT_TRUNCATE] = SQLITE_CHECKPOINT_TRUNCATE,
    };
    int in_log = 0;
    int in_database = 0;
    int rc = sqlite3_wal_checkpoint_v2(mf_sqlite_of(db)->handle, "main", modes[mode], &in_log, &in_database);
    *pages = in_log > 0 ? in_log : 0;
    *moved = in_database > 0 ? in_database : 0;
    if (rc == SQLITE_BUSY)
        return mf_fail(err, MF_ABORTED, "readers are in the way of the checkpoint");
    return rc == SQLITE_OK ? MF_OK : mf_sqlite_fail(mf_sqlite_of(db), rc, "checkpoint the database", err);
}

enum mf_code mf_db_sync(struct mf_db *db, struct mf_error *err)
{
    sqlite3_file *file = NULL;
    int rc = sqlite3_file_control(mf_sqlite_of(db)->handle, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (rc == SQLITE_OK && file && file->pMethods)
        rc = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
    return rc == SQLITE_OK ? MF_OK : mf_sqlite_fail(mf_sqlite_of(db), rc, "sync the database", err);
}

void mf_db_keep_log(struct mf_db *db)
{
    if (!mf_db_is_shared(db))
        sqlite3_db_config(mf_sqlite_of(db)->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}
