#include "store/postgres.h"

#include "base/buf.h"
#include "base/log.h"

#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SERVER_MIN 140000
#define RETRY_MS 50       /* between tries to connect */
#define RESOLVE_MS 30000  /* to learn what has become of a commit */
#define PATIENCE_MS 75000 /* longer than the server's own limit of a statement */
#define CONNECT_SECONDS "5"

/* The server's planner does not know how few rows a page of a list has; the statements are written for the
 * indexes, in the order of the tables as they stand. */
#define SESSION                                                                                              \
    "SET client_min_messages = warning; SET jit = off; SET join_collapse_limit = 1; "                        \
    "SET from_collapse_limit = 1; SET random_page_cost = 1.1; SET statement_timeout = '60s'; "               \
    "SET standard_conforming_strings = on; "
#define SESSION_READER                                                                                       \
    "SET default_transaction_read_only = on; SET idle_in_transaction_session_timeout = '120s'; "             \
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; "
/* A server that was stopped in the middle of a change must not keep all others waiting, and one whose machine
 * is gone must not keep the database. */
#define SESSION_WRITER                                                                                       \
    "SET lock_timeout = '20s'; SET idle_in_transaction_session_timeout = '20s'; "                            \
    "SET tcp_keepalives_idle = 3; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 2; "           \
    "SET tcp_user_timeout = 7000; "
#define SESSION_DURABLE                                                                                      \
    "SELECT set_config('synchronous_commit', 'on', false) "                                                  \
    "WHERE current_setting('synchronous_commit') = 'off'; "
#define SESSION_CARELESS "SET synchronous_commit = off; "

MF_SQL(sql_tables, "SELECT count(*), count(*) FILTER (WHERE tablename = $1) FROM pg_tables "
                   "WHERE schemaname = current_schema()");
MF_SQL(sql_order,
       "SELECT value, pg_current_xact_id()::text::bigint FROM counter WHERE name = 'seq' FOR UPDATE");
MF_SQL(sql_first, "INSERT INTO counter (name, value) VALUES ('seq', 0) ON CONFLICT (name) DO NOTHING");
MF_SQL(sql_outcome, "SELECT CASE pg_xact_status($1::bigint::text::xid8) WHEN 'committed' THEN 1 "
                    "WHEN 'aborted' THEN 2 WHEN 'in progress' THEN 3 ELSE 0 END");

/* ---- connections ---- */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void ignore_notice(void *ctx, const PGresult *result)
{
    (void)ctx;
    (void)result;
}

struct parameters {
    const char *names[16], *values[16];
};

/* What stands before the URL may be overridden in it. */
static struct parameters parameters_of(const struct mf_postgres *db)
{
    const char *name = db->owner ? db->owner : "mayfly";
    struct parameters p = {
        .names = {"connect_timeout", "application_name", "keepalives_idle", "keepalives_interval",
                  "keepalives_count", "tcp_user_timeout", "target_session_attrs", "password", "dbname",
                  "client_encoding"},
        .values = {CONNECT_SECONDS, name, "10", "5", "3", "30000", "read-write", db->password, db->url,
                   "UTF8"},
    };
    return p;
}

/* The first line of what the library says, which may name host, user and database, but no password. */
static void first_line(const char *text, char *out, size_t size)
{
    size_t len = strcspn(text, "\n");
    snprintf(out, size, "%.*s", (int)(len < 300 ? len : 300), text);
}

static enum mf_code fail_connect(const struct mf_postgres *db, PGconn *conn, struct mf_error *err)
{
    char place[256];
    char reason[320];
    const struct parameters p = parameters_of(db);
    mf_db_describe(db->url, place, sizeof place);
    first_line(conn ? mf_pq.errorMessage(conn) : "out of memory", reason, sizeof reason);
    bool is_full = strstr(reason, "too many") || strstr(reason, "slots are reserved");
    PGPing answer = mf_pq.pingParams(p.names, p.values, 1);
    if (answer == PQPING_NO_ATTEMPT)
        return mf_fail(
            err, MF_INVALID_ARGUMENT,
            "store cannot be read as the URL of a PostgreSQL server (postgres://user@host/database): %s",
            reason);
    if (answer == PQPING_OK && !is_full)
        return mf_fail(err, MF_FAILED_PRECONDITION,
                       "%s does not let us in: %s; check user, password, database and pg_hba.conf", place,
                       reason);
    return mf_fail(err, MF_UNAVAILABLE, "cannot reach %s: %s; check that it runs and can be reached", place,
                   reason);
}

/* The first number sets our locks apart from those of other programs in the database. */
#define LOCK_CLASS "28001"
#define LOCK_OF_SCHEMA "hashtext(current_schema() || '/schema')"
#define LOCK_OF_OWNER "hashtext(current_schema() || '/owner')"

/* Asks for one value; false when there is no answer, or another one. */
static bool is_true(PGconn *conn, const char *sql)
{
    PGresult *result = mf_pq.exec(conn, sql);
    bool yes = mf_pq.resultStatus(result) == PGRES_TUPLES_OK && mf_pq.ntuples(result) > 0 &&
               strcmp(mf_pq.getvalue(result, 0, 0), "t") == 0;
    mf_pq.clear(result);
    return yes;
}

/* Whoever holds the lock owns the database: a server keeps in memory what it believes to be the only one to
 * change. The lock goes with the connection. One of our own that the server has not missed yet is ended. */
static enum mf_code own(PGconn *conn, struct mf_error *err)
{
    static const char *const lock = "SELECT pg_try_advisory_lock(" LOCK_CLASS ", " LOCK_OF_OWNER ")";
    static const char *const end_mine =
        "SELECT bool_or(pg_terminate_backend(l.pid)) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = "
        "l.pid "
        "WHERE l.locktype = 'advisory' AND l.classid = " LOCK_CLASS " AND l.objid::bigint = (" LOCK_OF_OWNER
        "::bigint & 4294967295) "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND a.application_name = current_setting('application_name') AND l.pid <> pg_backend_pid()";
    if (is_true(conn, lock))
        return MF_OK;
    if (is_true(conn, end_mine))
        return mf_fail(err, MF_UNAVAILABLE, "the database has not missed the connection of before yet");
    if (mf_pq.status(conn) != CONNECTION_OK)
        return mf_fail(err, MF_UNAVAILABLE, "the connection to the database is lost again");
    if (is_true(conn, lock)) /* released in between */
        return MF_OK;
    return mf_fail(err, MF_ABORTED,
                   "another server uses this database; stop that one, or give each a database of its own");
}

/* In another encoding some texts could not be kept; SQL_ASCII would take what is no text at all. */
static enum mf_code check_encoding(PGconn *conn, struct mf_error *err)
{
    if (!is_true(conn, "SELECT current_setting('server_encoding') <> 'UTF8'"))
        return MF_OK;
    return mf_fail(
        err, MF_FAILED_PRECONDITION,
        "the database does not keep its texts in UTF-8; make one that does (createdb --encoding UTF8 "
        "--template template0 NAME) and let store name it");
}

static enum mf_code set_up(struct mf_postgres *db, PGconn *conn, struct mf_error *err)
{
    char sql[1024];
    char reason[320];
    bool is_reader = db->base.role == MF_DB_READER;
    mf_pq.setNoticeReceiver(conn, ignore_notice, NULL);
    if (mf_pq.serverVersion(conn) < SERVER_MIN)
        return mf_fail(err, MF_FAILED_PRECONDITION,
                       "the database is PostgreSQL %d; version 14 or newer is needed",
                       mf_pq.serverVersion(conn) / 10000);
    snprintf(sql, sizeof sql, SESSION "%s%s", is_reader ? SESSION_READER : SESSION_WRITER,
             db->no_fsync ? SESSION_CARELESS : SESSION_DURABLE);
    PGresult *result = mf_pq.exec(conn, sql);
    ExecStatusType status = mf_pq.resultStatus(result);
    mf_pq.clear(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        first_line(mf_pq.errorMessage(conn), reason, sizeof reason);
        return mf_fail(err, MF_UNAVAILABLE, "cannot set up the connection to the database: %s", reason);
    }
    enum mf_code code = is_reader ? MF_OK : check_encoding(conn, err);
    if (code == MF_OK && db->owner)
        code = own(conn, err);
    if (code == MF_OK && (mf_pq.setnonblocking(conn, 1) != 0 || !mf_pq.enterPipelineMode(conn)))
        code = mf_fail_memory(err);
    return code;
}

static enum mf_code connect_once(struct mf_postgres *db, struct mf_error *err)
{
    const struct parameters p = parameters_of(db);
    PGconn *conn = mf_pq.connectdbParams(p.names, p.values, 1);
    enum mf_code code = MF_OK;
    if (!conn || mf_pq.status(conn) != CONNECTION_OK)
        code = fail_connect(db, conn, err);
    else
        code = set_up(db, conn, err);
    if (code != MF_OK) {
        if (conn)
            mf_pq.finish(conn);
        return code;
    }
    db->conn = conn;
    db->era++;
    db->base.suspect = false;
    db->item_count = 0;
    db->garbage_count = 0;
    return MF_OK;
}

static enum mf_code connect_within(struct mf_postgres *db, int wait_ms, struct mf_error *err)
{
    int64_t until = now_ms() + wait_ms;
    enum mf_code code = connect_once(db, err);
    while ((code == MF_UNAVAILABLE || code == MF_ABORTED) && now_ms() < until) {
        poll(NULL, 0, RETRY_MS);
        code = connect_once(db, err);
    }
    return code;
}

static enum mf_code check_library(struct mf_error *err)
{
    return mf_libpq_open(err);
}

static void close_connection(struct mf_db *base)
{
    struct mf_postgres *db = mf_postgres_of(base);
    if (db->conn)
        mf_pq.finish(db->conn);
    free(db->url);
    free(db->password);
    free(db->owner);
    free(db->garbage);
    free(db);
}

static enum mf_code open_connection(const struct mf_db_options *options, struct mf_db **out,
                                    struct mf_error *err)
{
    *out = NULL;
    enum mf_code code = mf_libpq_open(err);
    if (code != MF_OK)
        return code;
    struct mf_postgres *db = calloc(1, sizeof *db);
    if (!db)
        return mf_fail_memory(err);
    mf_db_init(&db->base, &mf_postgres_engine, options->role);
    db->no_fsync = options->no_fsync;
    db->wait_ms = options->wait_ms;
    db->patience_ms = PATIENCE_MS;
    db->url = strdup(options->path);
    db->password = options->password && options->password[0] ? strdup(options->password) : NULL;
    db->owner = options->owner ? strdup(options->owner) : NULL;
    if (!db->url || (options->password && options->password[0] && !db->password) ||
        (options->owner && !db->owner))
        code = mf_fail_memory(err);
    if (code == MF_OK)
        code = connect_within(db, options->wait_ms, err);
    if (code != MF_OK) {
        close_connection(&db->base);
        return code;
    }
    *out = &db->base;
    return MF_OK;
}

#define BEGIN_VIEW "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

bool mf_postgres_recover(struct mf_postgres *db)
{
    struct mf_error ignored;
    if (db->conn || db->base.role != MF_DB_READER || db->view == MF_PG_USED_VIEW)
        return false;
    if (connect_within(db, db->wait_ms, &ignored) != MF_OK)
        return false;
    if (db->view == MF_PG_NO_VIEW)
        return true;
    db->in_transaction = true;
    return mf_postgres_command(db, BEGIN_VIEW, "begin to read", &ignored) == MF_OK;
}

/* ---- transactions ---- */

static enum mf_code begin(struct mf_db *base, struct mf_error *err)
{
    struct mf_postgres *db = mf_postgres_of(base);
    db->xid = 0;
    db->may_repeat = false;
    enum mf_code code = mf_postgres_sweep(db, err);
    if (code == MF_OK)
        code = mf_postgres_command(db, "BEGIN ISOLATION LEVEL READ COMMITTED", "begin a change", err);
    if (code == MF_OK)
        db->in_transaction = true;
    return code;
}

static enum mf_code begin_read(struct mf_db *base, struct mf_error *err)
{
    struct mf_postgres *db = mf_postgres_of(base);
    db->view = MF_PG_FRESH_VIEW;
    if (!db->conn)
        return MF_OK; /* the first statement opens another */
    enum mf_code code = mf_postgres_sweep(db, err);
    if (code == MF_OK)
        code = mf_postgres_command(db, BEGIN_VIEW, "begin to read", err);
    if (code == MF_OK)
        db->in_transaction = true;
    return db->conn ? code : MF_OK;
}

static enum mf_code read_order(struct mf_postgres *db, int64_t *newest, bool *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(&db->base, &sql_order, &stmt, err);
    if (code == MF_OK)
        code = mf_stmt_step(stmt, row, err);
    if (code == MF_OK && *row) {
        *newest = mf_col_int(stmt, 0);
        db->xid = mf_col_int(stmt, 1);
    }
    mf_stmt_done(stmt);
    return code;
}

/* The row of the counter is locked until the transaction ends, and so is the place in the order. */
static enum mf_code take_order(struct mf_db *base, int64_t *newest, struct mf_error *err)
{
    struct mf_postgres *db = mf_postgres_of(base);
    struct mf_stmt *stmt = NULL;
    bool row = false;
    *newest = 0;
    enum mf_code code = read_order(db, newest, &row, err);
    if (code != MF_OK || row)
        return code;
    code = mf_db_query(base, &sql_first, &stmt, err);
    if (code == MF_OK)
        code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code == MF_OK ? read_order(db, newest, &row, err) : code;
}

static bool in_transaction(struct mf_db *base)
{
    struct mf_postgres *db = mf_postgres_of(base);
    return db->in_transaction || db->view != MF_PG_NO_VIEW;
}

static bool may_repeat(const struct mf_db *db)
{
    return ((const struct mf_postgres *)db)->may_repeat;
}

/* Nobody waits for the answer: it is read with that of the next statement. */
static void rollback(struct mf_db *base)
{
    struct mf_postgres *db = mf_postgres_of(base);
    struct mf_error ignored;
    bool was_open = db->in_transaction && db->conn;
    /* What was queued and failed would make the server skip the end of the transaction. */
    if (was_open && db->has_unproven)
        was_open = mf_postgres_drain(db, NULL, &ignored) == MF_OK || db->conn;
    db->in_transaction = db->is_broken = false;
    db->view = MF_PG_NO_VIEW;
    if (was_open && mf_postgres_command(db, "ROLLBACK", "undo", &ignored) == MF_OK)
        mf_postgres_push(db);
}

/* 0: nobody knows, 1: committed, 2: not, 3: still in progress. */
static int64_t ask_outcome(struct mf_postgres *db, int64_t xid)
{
    struct mf_stmt *stmt = NULL;
    struct mf_error ignored;
    bool row = false;
    int64_t outcome = 0;
    enum mf_code code = mf_db_query(&db->base, &sql_outcome, &stmt, &ignored);
    if (code == MF_OK) {
        mf_bind_int(stmt, 1, xid);
        code = mf_stmt_step(stmt, &row, &ignored);
    }
    if (code == MF_OK && row)
        outcome = mf_col_int(stmt, 0);
    mf_stmt_done(stmt);
    return outcome;
}

/* The connection was lost while the commit was on its way: the server knows whether it has arrived. */
static enum mf_code resolve(struct mf_postgres *db, int64_t xid, struct mf_error *err)
{
    int64_t until = now_ms() + RESOLVE_MS;
    int64_t outcome = 3;
    while (xid != 0 && outcome == 3 && now_ms() < until) {
        struct mf_error ignored;
        if (!db->conn && connect_within(db, (int)(until - now_ms()), &ignored) != MF_OK)
            break;
        outcome = ask_outcome(db, xid);
        if (!db->conn)
            outcome = 3;
        if (outcome == 3)
            poll(NULL, 0, RETRY_MS);
    }
    db->may_repeat = outcome == 2;
    if (outcome == 1)
        return MF_OK;
    if (outcome == 2)
        return mf_fail(err, MF_UNAVAILABLE,
                       "cannot commit: the connection to the database was lost; try again");
    db->base.suspect = true;
    mf_log(MF_LOG_ERROR, "store",
           "the connection to the database was lost during a commit, and what has become of "
           "it cannot be found out");
    return mf_fail(
        err, MF_UNAVAILABLE,
        "the connection to the database was lost during the commit: the change may have been made; look "
        "before you try again");
}

static enum mf_code commit(struct mf_db *base, struct mf_error *err)
{
    struct mf_postgres *db = mf_postgres_of(base);
    int64_t xid = db->xid;
    db->committed = false;
    enum mf_code code = mf_postgres_command(db, "COMMIT", "commit", err);
    if (code == MF_OK)
        code = mf_postgres_drain(db, NULL, err);
    if (code == MF_OK && !db->committed)
        code = mf_fail(err, MF_INTERNAL, "cannot commit: a statement of the change had failed");
    if (code != MF_OK && !db->conn)
        return resolve(db, xid, err);
    if (code != MF_OK && db->is_broken)
        rollback(base);
    db->in_transaction = db->is_broken = false;
    return code;
}

static enum mf_code savepoint(struct mf_db *base, struct mf_error *err)
{
    return mf_postgres_command(mf_postgres_of(base), "SAVEPOINT command", "begin a change", err);
}

static enum mf_code savepoint_keep(struct mf_db *base, struct mf_error *err)
{
    struct mf_postgres *db = mf_postgres_of(base);
    if (db->is_broken)
        return mf_fail(err, MF_INTERNAL, "cannot end a change: a statement of it had failed");
    bool wait = db->has_unproven;
    enum mf_code code = mf_postgres_command(db, "RELEASE command", "end a change", err);
    return code == MF_OK && wait ? mf_postgres_drain(db, NULL, err) : code;
}

static enum mf_code savepoint_undo(struct mf_db *base, struct mf_error *err)
{
    struct mf_postgres *db = mf_postgres_of(base);
    struct mf_error ignored;
    /* What was queued and failed would make the server skip what undoes it. */
    if (db->has_unproven && mf_postgres_drain(db, NULL, &ignored) != MF_OK && !db->conn)
        return mf_fail(err, ignored.code, "%s", ignored.message);
    db->is_broken = false;
    enum mf_code code = mf_postgres_command(db, "ROLLBACK TO command", "undo a change", err);
    if (code == MF_OK)
        code = mf_postgres_command(db, "RELEASE command", "undo a change", err);
    return code;
}

/* ---- the schema ---- */

/* The migrations are written in SQLite's names of types. Text is ordered by its bytes, as there. */
static const char *translation(struct mf_str word)
{
    static const char *const words[][2] = {
        {"BLOB", "BYTEA"}, {"INTEGER", "BIGINT"}, {"TEXT", "TEXT COLLATE \"C\""}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (mf_str_eq_c(word, words[i][0]))
            return words[i][1];
    }
    return NULL;
}

static size_t length_of_token(const char *at)
{
    size_t len = 0;
    if (at[0] == '-' && at[1] == '-')
        return strcspn(at, "\n");
    if (at[0] == '\'') {
        len = strcspn(at + 1, "'") + 2;
        return len <= strlen(at) ? len : strlen(at);
    }
    while (isalnum((unsigned char)at[len]) || at[len] == '_')
        len++;
    return len > 0 ? len : 1;
}

static bool translate(const char *sql, struct mf_buf *out)
{
    for (const char *at = sql; *at;) {
        struct mf_str token = mf_str_make(at, length_of_token(at));
        const char *other = translation(token);
        if (other)
            mf_buf_add_c(out, other);
        else
            mf_buf_add(out, token.ptr, token.len);
        at += token.len;
    }
    mf_buf_add(out, "", 1);
    return !mf_buf_failed(out);
}

/* Several statements in one message are not possible in a pipeline. */
static enum mf_code run_script(struct mf_postgres *db, const char *sql, const char *what,
                               struct mf_error *err)
{
    enum mf_code code = mf_postgres_drain(db, NULL, err);
    if (code != MF_OK)
        return code;
    mf_pq.exitPipelineMode(db->conn);
    mf_pq.setnonblocking(db->conn, 0);
    PGresult *result = mf_pq.exec(db->conn, sql);
    ExecStatusType status = mf_pq.resultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        db->is_broken = db->in_transaction;
        code = mf_postgres_fail(db, result, what, err);
    }
    mf_pq.clear(result);
    if (mf_pq.status(db->conn) != CONNECTION_OK || mf_pq.setnonblocking(db->conn, 1) != 0 ||
        !mf_pq.enterPipelineMode(db->conn))
        mf_postgres_lose(db);
    return code;
}

static enum mf_code script(struct mf_db *base, const char *sql, struct mf_error *err)
{
    struct mf_buf text = {0};
    enum mf_code code = MF_OK;
    if (translate(sql, &text))
        code = run_script(mf_postgres_of(base), mf_buf_str(&text).ptr, "change the schema", err);
    else
        code = mf_fail_memory(err);
    mf_buf_free(&text);
    return code;
}

#define SCHEMA_LOCK "(" LOCK_CLASS ", " LOCK_OF_SCHEMA ")"

/* Migrations of large tables take their time, and so does waiting for those of another server. */
static enum mf_code lock_schema(struct mf_db *base, struct mf_error *err)
{
    struct mf_postgres *db = mf_postgres_of(base);
    return run_script(db,
                      "SET statement_timeout = 0; SET lock_timeout = '15min'; "
                      "SET idle_in_transaction_session_timeout = 0; SELECT pg_advisory_lock" SCHEMA_LOCK,
                      "lock the schema", err);
}

static void unlock_schema(struct mf_db *base)
{
    struct mf_postgres *db = mf_postgres_of(base);
    struct mf_error ignored;
    if (!db->conn)
        return;
    enum mf_code code = run_script(
        db, "SELECT pg_advisory_unlock" SCHEMA_LOCK "; SET statement_timeout = '60s'; " SESSION_WRITER,
        "unlock the schema", &ignored);
    if (code != MF_OK)
        db->base.suspect = true;
}

const struct mf_db_engine mf_postgres_engine = {
    .check_library = check_library,
    .open = open_connection,
    .close = close_connection,
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
    .prepare = mf_postgres_prepare,
    .finalize = mf_postgres_finalize,
    .start = mf_postgres_start,
    .reset = mf_postgres_reset,
    .text = mf_postgres_text,
    .bind_int = mf_postgres_bind_int,
    .bind_real = mf_postgres_bind_real,
    .bind_text = mf_postgres_bind_text,
    .bind_blob = mf_postgres_bind_blob,
    .bind_null = mf_postgres_bind_null,
    .step = mf_postgres_step,
    .run_later = mf_postgres_run_later,
    .changed = mf_postgres_changed,
    .col_int = mf_postgres_col_int,
    .col_real = mf_postgres_col_real,
    .col_str = mf_postgres_col_str,
    .col_is_null = mf_postgres_col_is_null,
};
