#include "store/db_engine.h"

#include <stdio.h>

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

bool mf_db_is_server(const char *path)
{
    return begins_with(path, "postgres://") || begins_with(path, "postgresql://");
}

static const struct mf_db_engine *engine_of(const char *path)
{
    return mf_db_is_server(path) ? &mf_postgres_engine : &mf_sqlite_engine;
}

void mf_db_describe(const char *path, char *out, size_t size)
{
    snprintf(out, size, "%s", path);
    if (!mf_db_is_server(path))
        return;
    /* Name and password come before the last @ of the authority, which ends at the first slash. */
    const char *authority = strstr(path, "://") + 3;
    size_t len = strcspn(authority, "/?");
    const char *host = authority;
    for (size_t i = 0; i < len; i++) {
        if (authority[i] == '@')
            host = authority + i + 1;
    }
    snprintf(out, size, "postgres://%.*s", (int)strcspn(host, "?"), host);
}

void mf_db_init(struct mf_db *db, const struct mf_db_engine *engine, enum mf_db_role role)
{
    db->engine = engine;
    db->role = role;
    mf_list_init(&db->open);
    mf_list_init(&db->recent);
}

enum mf_code mf_db_check_library(const char *path, struct mf_error *err)
{
    return engine_of(path)->check_library(err);
}

enum mf_code mf_db_open(const struct mf_db_options *options, struct mf_db **out, struct mf_error *err)
{
    return engine_of(options->path)->open(options, out, err);
}

void mf_db_close(struct mf_db *db)
{
    if (!db)
        return;
    mf_db_rest(db);
    mf_db_drop_statements(db);
    db->engine->close(db);
}

void mf_db_end_statements(struct mf_db *db)
{
    struct mf_link *link;
    while ((link = mf_list_first(&db->open)) != NULL)
        mf_stmt_done(MF_CONTAINER(link, struct mf_stmt, used));
}

void mf_db_rest(struct mf_db *db)
{
    mf_db_end_statements(db);
    mf_db_rollback(db);
}

bool mf_db_is_shared(const struct mf_db *db)
{
    return db->engine != &mf_sqlite_engine;
}

enum mf_code mf_db_begin(struct mf_db *db, struct mf_error *err)
{
    return db->engine->begin(db, err);
}

enum mf_code mf_db_take_order(struct mf_db *db, int64_t *newest, struct mf_error *err)
{
    return db->engine->take_order(db, newest, err);
}

enum mf_code mf_db_commit(struct mf_db *db, struct mf_error *err)
{
    mf_db_end_statements(db);
    return db->engine->commit(db, err);
}

void mf_db_rollback(struct mf_db *db)
{
    if (mf_db_in_transaction(db))
        db->engine->rollback(db);
}

bool mf_db_in_transaction(struct mf_db *db)
{
    return db->engine->in_transaction(db);
}

bool mf_db_may_repeat(const struct mf_db *db)
{
    return db->engine->may_repeat(db);
}

enum mf_code mf_db_savepoint(struct mf_db *db, struct mf_error *err)
{
    return db->engine->savepoint(db, err);
}

enum mf_code mf_db_savepoint_keep(struct mf_db *db, struct mf_error *err)
{
    mf_db_end_statements(db);
    return db->engine->savepoint_keep(db, err);
}

enum mf_code mf_db_savepoint_undo(struct mf_db *db, struct mf_error *err)
{
    mf_db_end_statements(db);
    return db->engine->savepoint_undo(db, err);
}

bool mf_db_is_suspect(const struct mf_db *db)
{
    return db->suspect;
}

enum mf_code mf_db_snapshot_begin(struct mf_db *db, struct mf_error *err)
{
    return db->engine->begin_read(db, err);
}

void mf_db_snapshot_end(struct mf_db *db)
{
    mf_db_rollback(db);
}

enum mf_code mf_db_script(struct mf_db *db, const char *sql, struct mf_error *err)
{
    return db->engine->script(db, sql, err);
}

enum mf_code mf_db_tables(struct mf_db *db, struct mf_str name, bool *any, bool *known, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    enum mf_code code = mf_db_query(db, db->engine->tables, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, name);
    code = mf_stmt_step(stmt, &row, err);
    *any = code == MF_OK && mf_col_int(stmt, 0) > 0;
    *known = code == MF_OK && mf_col_int(stmt, 1) > 0;
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_db_lock_schema(struct mf_db *db, struct mf_error *err)
{
    return db->engine->lock_schema(db, err);
}

void mf_db_unlock_schema(struct mf_db *db)
{
    db->engine->unlock_schema(db);
}
