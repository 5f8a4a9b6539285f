#include "store/postgres.h"

#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* ---- errors ---- */

static enum mf_code fail_lost(const char *what, struct mf_error *err)
{
    return mf_fail(err, MF_UNAVAILABLE,
                   "cannot %s: the connection to the database is lost; try again in a moment", what);
}

/* What the server cannot do at the moment. */
static enum mf_code fail_busy(const char *state, const char *what, struct mf_error *err)
{
    if (strcmp(state, "53100") == 0)
        return mf_fail(err, MF_UNAVAILABLE,
                       "cannot %s: the database's disk is full; free some space and try again", what);
    if (strcmp(state, "53300") == 0)
        return mf_fail(err, MF_UNAVAILABLE,
                       "cannot %s: the database has no connection left; raise its max_connections, or lower "
                       "store-connections",
                       what);
    if (strcmp(state, "25006") == 0)
        return mf_fail(err, MF_UNAVAILABLE,
                       "cannot %s: the database is read-only, as a standby is; let store name the primary",
                       what);
    if (strcmp(state, "55P03") == 0 || begins_with(state, "40"))
        return mf_fail(err, MF_UNAVAILABLE, "cannot %s: another change is in the way; try again", what);
    if (strcmp(state, "57014") == 0)
        return mf_fail(err, MF_UNAVAILABLE,
                       "cannot %s: the database took too long; try again when it is less busy", what);
    return mf_fail(err, MF_UNAVAILABLE, "cannot %s: the database cannot do it now; see the server's log",
                   what);
}

static bool is_lost(const char *state)
{
    return begins_with(state, "08") || begins_with(state, "57P") || strcmp(state, "25P03") == 0;
}

static bool is_busy(const struct mf_postgres *db, const char *state)
{
    if (strcmp(state, "25006") == 0) /* a reader was given a statement that writes */
        return db->base.role != MF_DB_READER;
    return begins_with(state, "40") || begins_with(state, "53") || begins_with(state, "57") ||
           begins_with(state, "58") || strcmp(state, "55P03") == 0;
}

enum mf_code mf_postgres_fail(struct mf_postgres *db, const PGresult *result, const char *what,
                              struct mf_error *err)
{
    const char *state = mf_pq.resultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = mf_pq.resultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    bool is_empty = mf_pq.resultStatus(result) == PGRES_EMPTY_QUERY;
    snprintf(db->state, sizeof db->state, "%s", state ? state : is_empty ? "42601" : "08006");
    state = db->state;
    if (begins_with(state, "40"))
        db->may_repeat = true;
    if (strcmp(state, "23505") == 0)
        return mf_fail(err, MF_ALREADY_EXISTS, "cannot %s: a row with this key already exists", what);
    if (strcmp(state, "22021") == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "cannot %s: a text holds a zero byte, or is not UTF-8",
                       what);
    if (begins_with(state, "54"))
        return mf_fail(err, MF_INVALID_ARGUMENT, "cannot %s: a value is too large for the database", what);
    if (is_lost(state))
        return fail_lost(what, err);
    mf_log(MF_LOG_ERROR, "store", "cannot %s: PostgreSQL error %s: %s", what, state,
           text ? text : "no reason given");
    if (is_busy(db, state)) {
        db->base.suspect = db->base.suspect || strcmp(state, "25006") == 0;
        return fail_busy(state, what, err);
    }
    if (begins_with(state, "XX00") && state[4] != '0')
        return mf_fail(err, MF_DATA_LOSS,
                       "cannot %s: the database is damaged; stop the server and restore a backup", what);
    if (strcmp(state, "42501") == 0)
        return mf_fail(err, MF_UNAVAILABLE,
                       "cannot %s: the database user lacks the right to; make it the owner of the schema",
                       what);
    return mf_fail(err, MF_INTERNAL, "cannot %s: the database refused it (%s); see the server's log", what,
                   state);
}

void mf_postgres_lose(struct mf_postgres *db)
{
    if (db->conn)
        mf_pq.finish(db->conn);
    db->conn = NULL;
    db->base.suspect = true;
    db->item_count = 0;
    db->garbage_count = 0;
    db->in_transaction = db->is_broken = db->has_unproven = false;
}

static enum mf_code lost(struct mf_postgres *db, const char *what, struct mf_error *err)
{
    mf_postgres_lose(db);
    db->may_repeat = true;
    snprintf(db->state, sizeof db->state, "08006");
    return fail_lost(what, err);
}

/* ---- sending ---- */

static enum mf_code queue(struct mf_postgres *db, int sent, struct mf_postgres_item item,
                          struct mf_error *err)
{
    if (!sent)
        return lost(db, item.what, err);
    db->items[db->item_count++] = item;
    return MF_OK;
}

/* Leaves room for a statement, its preparation and the end of the queue. */
static enum mf_code make_room(struct mf_postgres *db, const char *what, struct mf_error *err)
{
    if (!db->conn)
        return lost(db, what, err);
    return db->item_count + 4 < MF_PG_ITEMS_MAX ? MF_OK : mf_postgres_drain(db, NULL, err);
}

enum mf_code mf_postgres_command(struct mf_postgres *db, const char *sql, const char *what,
                                 struct mf_error *err)
{
    enum mf_code code = make_room(db, what, err);
    if (code != MF_OK)
        return code;
    const struct mf_postgres_item item = {
        .kind = MF_PG_COMMAND, .what = what, .is_commit = strcmp(sql, "COMMIT") == 0};
    return queue(db, mf_pq.sendQueryParams(db->conn, sql, 0, NULL, NULL, NULL, NULL, 1), item, err);
}

static bool end_queue(struct mf_postgres *db)
{
    if (!db->conn || !mf_pq.pipelineSync(db->conn))
        return false;
    db->items[db->item_count++] = (struct mf_postgres_item){.kind = MF_PG_SYNC, .what = "end a change"};
    return true;
}

static void discard(struct mf_postgres *db, const struct mf_postgres_stmt *stmt)
{
    if (!db->conn || stmt->prepared != db->era)
        return;
    if (db->garbage_count == db->garbage_cap) {
        size_t cap = db->garbage_cap > 0 ? db->garbage_cap * 2 : 16;
        uint32_t *grown = realloc(db->garbage, cap * sizeof *grown);
        if (!grown)
            return; /* the server keeps it until the connection ends */
        db->garbage = grown;
        db->garbage_cap = cap;
    }
    db->garbage[db->garbage_count++] = stmt->id;
}

enum mf_code mf_postgres_sweep(struct mf_postgres *db, struct mf_error *err)
{
    char sql[32];
    enum mf_code code = MF_OK;
    bool any = false;
    while (code == MF_OK && db->conn && db->garbage_count > 0) {
        snprintf(sql, sizeof sql, "DEALLOCATE s%u", db->garbage[--db->garbage_count]);
        code = mf_postgres_command(db, sql, "forget a statement", err);
        any = true;
    }
    /* Up to here it is a transaction of its own: the next one cannot choose its isolation inside it. */
    if (code == MF_OK && any && !end_queue(db))
        code = lost(db, "forget a statement", err);
    return code;
}

void mf_postgres_forget(struct mf_postgres *db, struct mf_postgres_stmt *stmt)
{
    for (size_t i = 0; i < db->item_count; i++) {
        if (db->items[i].stmt == stmt)
            db->items[i].stmt = NULL;
    }
    discard(db, stmt);
}

static bool knows(const struct mf_postgres *db, const struct mf_postgres_stmt *stmt)
{
    if (stmt->prepared != db->era)
        return false;
    for (int i = 0; i < stmt->param_count; i++) {
        if (stmt->params[i].type != MF_PG_ANY && stmt->params[i].type != stmt->types[i])
            return false;
    }
    return true;
}

static enum mf_code prepare(struct mf_postgres *db, struct mf_postgres_stmt *stmt, const char *what,
                            struct mf_error *err)
{
    char name[16];
    const struct mf_postgres_item item = {.kind = MF_PG_PREPARE, .stmt = stmt, .what = what};
    discard(db, stmt);
    for (int i = 0; i < stmt->param_count; i++)
        stmt->types[i] = stmt->params[i].type;
    stmt->id = ++db->next_id;
    stmt->prepared = db->era;
    snprintf(name, sizeof name, "s%u", stmt->id);
    return queue(db, mf_pq.sendPrepare(db->conn, name, stmt->text, stmt->param_count, stmt->types), item,
                 err);
}

enum mf_code mf_postgres_send(struct mf_postgres *db, struct mf_postgres_stmt *stmt, const char *what,
                              struct mf_error *err)
{
    char name[16];
    size_t count = (size_t)stmt->param_count;
    const struct mf_postgres_item item = {.kind = MF_PG_RUN, .stmt = stmt, .what = what};
    enum mf_code code = make_room(db, what, err);
    if (code == MF_OK && !knows(db, stmt))
        code = prepare(db, stmt, what, err);
    if (code != MF_OK)
        return code;
    const char **values = calloc(count + 1, sizeof *values);
    int *lengths = calloc(count + 1, sizeof *lengths);
    int *formats = calloc(count + 1, sizeof *formats);
    bool fits = values && lengths && formats;
    for (size_t i = 0; i < count && fits; i++) {
        const struct mf_postgres_param *param = &stmt->params[i];
        bool is_bytes = param->type == MF_PG_TEXT || param->type == MF_PG_BYTES;
        formats[i] = 1;
        if (param->is_null)
            continue;
        values[i] = !is_bytes ? (const char *)&param->number : param->bytes.len > 0 ? param->bytes.ptr : "";
        lengths[i] = is_bytes ? (int)param->bytes.len : (int)sizeof param->number;
    }
    snprintf(name, sizeof name, "s%u", stmt->id);
    if (fits)
        code =
            queue(db, mf_pq.sendQueryPrepared(db->conn, name, stmt->param_count, values, lengths, formats, 1),
                  item, err);
    else
        code = mf_fail_memory(err);
    free(values);
    free(lengths);
    free(formats);
    return code;
}

void mf_postgres_push(struct mf_postgres *db)
{
    if (!end_queue(db) || mf_pq.flush(db->conn) < 0)
        mf_postgres_lose(db);
}

/* ---- receiving ---- */

/* The next answer; *is_lost tells that there will be none. */
static PGresult *receive(struct mf_postgres *db, bool *is_lost)
{
    for (;;) {
        int unsent = mf_pq.flush(db->conn);
        if (unsent >= 0 && !mf_pq.isBusy(db->conn))
            return mf_pq.getResult(db->conn);
        struct pollfd wait = {.fd = mf_pq.socket(db->conn), .events = POLLIN};
        if (unsent > 0)
            wait.events |= POLLOUT;
        int ready = unsent < 0 ? -1 : poll(&wait, 1, db->patience_ms);
        if (ready < 0 && unsent >= 0 && errno == EINTR)
            continue;
        if (ready <= 0 || !mf_pq.consumeInput(db->conn)) {
            *is_lost = true;
            return NULL;
        }
    }
}

/* Takes one answer in. The first failure is kept, and what was skipped because of it is none. */
static void note(struct mf_postgres *db, struct mf_postgres_item *item, PGresult *result,
                 struct mf_postgres_stmt *wanted)
{
    ExecStatusType status = mf_pq.resultStatus(result);
    bool is_good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!is_good && item->kind == MF_PG_PREPARE && item->stmt)
        item->stmt->prepared = 0;
    if (!is_good && status != PGRES_PIPELINE_ABORTED && db->failure.code == MF_OK) {
        mf_postgres_fail(db, result, item->what, &db->failure);
        db->is_broken = db->in_transaction;
    }
    /* The server answers a COMMIT of a broken transaction with a ROLLBACK, and calls that a success. */
    if (is_good && item->is_commit)
        db->committed = strcmp(mf_pq.cmdStatus(result), "COMMIT") == 0;
    if (is_good && item->kind == MF_PG_RUN && wanted && item->stmt == wanted) {
        mf_pq.clear(wanted->result);
        wanted->result = result;
        return;
    }
    mf_pq.clear(result);
}

/* Reads what belongs to one item. False when the connection is lost. */
static bool read_item(struct mf_postgres *db, struct mf_postgres_item *item, struct mf_postgres_stmt *wanted)
{
    bool is_gone = false;
    PGresult *result = receive(db, &is_gone);
    /* The server says good-bye with an error, which comes instead of an answer. */
    if (!result || (mf_pq.status(db->conn) != CONNECTION_OK))
        is_gone = true;
    if (item->kind == MF_PG_SYNC) {
        is_gone = is_gone || mf_pq.resultStatus(result) != PGRES_PIPELINE_SYNC;
        mf_pq.clear(result);
        return !is_gone;
    }
    while (result && !is_gone) {
        note(db, item, result, wanted);
        result = receive(db, &is_gone);
    }
    mf_pq.clear(result);
    return !is_gone;
}

enum mf_code mf_postgres_drain(struct mf_postgres *db, struct mf_postgres_stmt *wanted, struct mf_error *err)
{
    const char *what = db->item_count > 0 ? db->items[db->item_count - 1].what : "reach the database";
    db->failure.code = MF_OK;
    db->state[0] = '\0';
    db->has_unproven = false;
    if (!end_queue(db))
        return lost(db, what, err);
    for (size_t i = 0; i < db->item_count; i++) {
        if (!read_item(db, &db->items[i], wanted))
            return lost(db, what, err);
    }
    db->item_count = 0;
    if (db->failure.code == MF_OK)
        return MF_OK;
    if (err)
        *err = db->failure;
    return db->failure.code;
}
