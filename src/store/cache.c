#include "store/cache.h"

#define KEY "project = $1 AND domain = $2 AND cache_key = $3"
MF_SQL(sql_get, "SELECT output_uri, metadata, created_at, updated_at FROM cache_entry WHERE " KEY);
MF_SQL(sql_put,
       "INSERT INTO cache_entry (project, domain, cache_key, output_uri, metadata, created_at, updated_at) "
       "VALUES ($1, $2, $3, $4, $5, $6, $7) "
       "ON CONFLICT (project, domain, cache_key) DO UPDATE SET output_uri = excluded.output_uri, "
       "metadata = excluded.metadata, updated_at = excluded.updated_at "
       "WHERE cache_entry.updated_at <= $8");
MF_SQL(sql_delete, "DELETE FROM cache_entry WHERE " KEY);
MF_SQL(sql_reserve,
       "INSERT INTO cache_reservation (project, domain, cache_key, owner, heartbeat_ns, expires_at) "
       "VALUES ($1, $2, $3, $4, $5, $6) "
       "ON CONFLICT (project, domain, cache_key) DO UPDATE SET owner = excluded.owner, "
       "heartbeat_ns = excluded.heartbeat_ns, expires_at = excluded.expires_at "
       "WHERE cache_reservation.owner = excluded.owner OR cache_reservation.expires_at <= $7");
MF_SQL(sql_holder, "SELECT owner, heartbeat_ns, expires_at FROM cache_reservation WHERE " KEY);
MF_SQL(sql_release, "DELETE FROM cache_reservation WHERE " KEY " AND owner = $4");
MF_SQL(sql_purge, "DELETE FROM cache_reservation WHERE expires_at <= $1");

static void bind_key(struct mf_stmt *stmt, const struct mf_cache_key *key)
{
    mf_bind_text(stmt, 1, key->project);
    mf_bind_text(stmt, 2, key->domain);
    mf_bind_text(stmt, 3, key->key);
}

static enum mf_code not_found(const struct mf_cache_key *key, struct mf_error *err)
{
    return mf_fail(err, MF_NOT_FOUND, "cache entry not found: %.*s/%.*s/%.*s", MF_FMT(key->project),
                   MF_FMT(key->domain), MF_FMT(key->key));
}

enum mf_code mf_cache_get(struct mf_db *db, struct mf_arena *arena, const struct mf_cache_key *key,
                          struct mf_cache_row *out, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    bool failed = false;
    enum mf_code code = mf_db_query(db, &sql_get, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_key(stmt, key);
    code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK && !row) {
        code = not_found(key, err);
    } else if (code == MF_OK) {
        out->key = *key;
        out->output_uri = mf_col_copy(stmt, 0, arena, &failed);
        out->metadata = mf_col_copy(stmt, 1, arena, &failed);
        out->created_at = mf_col_int(stmt, 2);
        out->updated_at = mf_col_int(stmt, 3);
        if (failed)
            code = mf_fail_memory(err);
    }
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_cache_put(struct mf_db *db, const struct mf_cache_row *row, int64_t replace_before,
                          struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    int64_t changed = 0;
    enum mf_code code = mf_db_query(db, &sql_put, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_key(stmt, &row->key);
    mf_bind_text(stmt, 4, row->output_uri);
    mf_bind_blob(stmt, 5, row->metadata);
    mf_bind_int(stmt, 6, row->created_at);
    mf_bind_int(stmt, 7, row->updated_at);
    mf_bind_int(stmt, 8, replace_before);
    code = mf_stmt_run(stmt, &changed, err);
    mf_stmt_done(stmt);
    if (code == MF_OK && changed == 0)
        code = mf_fail(err, MF_ALREADY_EXISTS,
                       "cache entry already exists: %.*s/%.*s/%.*s; set overwrite to replace it",
                       MF_FMT(row->key.project), MF_FMT(row->key.domain), MF_FMT(row->key.key));
    return code;
}

enum mf_code mf_cache_delete(struct mf_db *db, const struct mf_cache_key *key, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    int64_t changed = 0;
    enum mf_code code = mf_db_query(db, &sql_delete, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_key(stmt, key);
    code = mf_stmt_run(stmt, &changed, err);
    mf_stmt_done(stmt);
    return code == MF_OK && changed == 0 ? not_found(key, err) : code;
}

static enum mf_code read_holder(struct mf_db *db, struct mf_arena *arena, const struct mf_cache_key *key,
                                struct mf_reservation_row *holder, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    bool failed = false;
    enum mf_code code = mf_db_query(db, &sql_holder, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_key(stmt, key);
    code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK && !row) {
        code = mf_fail(err, MF_INTERNAL, "a reservation vanished while it was taken");
    } else if (code == MF_OK) {
        holder->key = *key;
        holder->owner = mf_col_copy(stmt, 0, arena, &failed);
        holder->heartbeat_ns = mf_col_int(stmt, 1);
        holder->expires_at = mf_col_int(stmt, 2);
        if (failed)
            code = mf_fail_memory(err);
    }
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_reservation_take(struct mf_db *db, struct mf_arena *arena,
                                 const struct mf_reservation_row *wanted, int64_t now,
                                 struct mf_reservation_row *holder, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_reserve, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_key(stmt, &wanted->key);
    mf_bind_text(stmt, 4, wanted->owner);
    mf_bind_int(stmt, 5, wanted->heartbeat_ns);
    mf_bind_int(stmt, 6, wanted->expires_at);
    mf_bind_int(stmt, 7, now);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    if (code == MF_OK)
        code = read_holder(db, arena, &wanted->key, holder, err);
    return code;
}

enum mf_code mf_reservation_release(struct mf_db *db, const struct mf_cache_key *key, struct mf_str owner,
                                    bool *changed, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    int64_t rows = 0;
    enum mf_code code = mf_db_query(db, &sql_release, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_key(stmt, key);
    mf_bind_text(stmt, 4, owner);
    code = mf_stmt_run(stmt, &rows, err);
    mf_stmt_done(stmt);
    if (changed)
        *changed = rows > 0;
    return code;
}

enum mf_code mf_reservation_purge(struct mf_db *db, int64_t now, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_purge, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, now);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}
