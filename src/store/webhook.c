#include "store/webhook.h"

#define COLUMNS "run_id, name, attempt, tries, next_at, last_error, created_at"
MF_SQL(sql_insert, "INSERT INTO webhook (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7) "
                   "ON CONFLICT (run_id, name, attempt) DO NOTHING");
MF_SQL(sql_failed, "UPDATE webhook SET tries = $4, next_at = $5, last_error = $6 "
                   "WHERE run_id = $1 AND name = $2 AND attempt = $3");
MF_SQL(sql_delete, "DELETE FROM webhook WHERE run_id = $1 AND name = $2 AND attempt = $3");
MF_SQL(sql_list, "SELECT " COLUMNS " FROM webhook ORDER BY next_at, run_id, name, attempt LIMIT $1");

static enum mf_code begin(struct mf_db *db, const struct mf_sql *sql, int64_t run_id, struct mf_str name,
                          int32_t attempt, struct mf_stmt **out, struct mf_error *err)
{
    enum mf_code code = mf_db_query(db, sql, out, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(*out, 1, run_id);
    mf_bind_text(*out, 2, name);
    mf_bind_int(*out, 3, attempt);
    return MF_OK;
}

enum mf_code mf_webhook_insert(struct mf_db *db, const struct mf_webhook_row *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = begin(db, &sql_insert, row->run_id, row->name, row->attempt, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 4, row->tries);
    mf_bind_int(stmt, 5, row->next_at);
    mf_bind_text(stmt, 6, row->last_error);
    mf_bind_int(stmt, 7, row->created_at);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_webhook_failed(struct mf_db *db, const struct mf_webhook_row *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = begin(db, &sql_failed, row->run_id, row->name, row->attempt, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 4, row->tries);
    mf_bind_int(stmt, 5, row->next_at);
    mf_bind_text(stmt, 6, row->last_error);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_webhook_delete(struct mf_db *db, int64_t run_id, struct mf_str name, int32_t attempt,
                               struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = begin(db, &sql_delete, run_id, name, attempt, &stmt, err);
    if (code != MF_OK)
        return code;
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

static bool read_row(struct mf_stmt *stmt, struct mf_arena *arena, struct mf_webhook_row *row)
{
    bool failed = false;
    *row = (struct mf_webhook_row){
        .run_id = mf_col_int(stmt, 0),
        .name = mf_col_copy(stmt, 1, arena, &failed),
        .attempt = (int32_t)mf_col_int(stmt, 2),
        .tries = (int32_t)mf_col_int(stmt, 3),
        .next_at = mf_col_int(stmt, 4),
        .last_error = mf_col_copy(stmt, 5, arena, &failed),
        .created_at = mf_col_int(stmt, 6),
    };
    return !failed;
}

enum mf_code mf_webhook_list(struct mf_db *db, struct mf_arena *arena, size_t limit,
                             bool (*visit)(void *ctx, const struct mf_webhook_row *row), void *ctx,
                             struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool more = true;
    enum mf_code code = mf_db_query(db, &sql_list, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, limit > INT32_MAX ? INT32_MAX : (int64_t)limit);
    while (code == MF_OK && more) {
        struct mf_webhook_row row;
        code = mf_stmt_step(stmt, &more, err);
        if (code != MF_OK || !more)
            break;
        if (read_row(stmt, arena, &row))
            more = visit(ctx, &row);
        else
            code = mf_fail_memory(err);
    }
    mf_stmt_done(stmt);
    return code;
}
