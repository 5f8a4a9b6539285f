#include "store/migrate.h"

#include "base/log.h"
#include "store/driver.h"

MF_SQL(sql_versions, "SELECT count(*), coalesce(max(version), 0) FROM schema_version");
MF_SQL(sql_note, "INSERT INTO schema_version (version, name, applied_at) VALUES ($1, $2, $3)");

#define CREATE_TABLE                                                                                         \
    "CREATE TABLE schema_version (version BIGINT PRIMARY KEY NOT NULL, name TEXT NOT NULL, applied_at "      \
    "BIGINT NOT NULL)"

static enum mf_code read_version(struct mf_db *db, int64_t *count, int64_t *newest, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    enum mf_code code = mf_db_query(db, &sql_versions, &stmt, err);
    if (code == MF_OK)
        code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK && row) {
        *count = mf_col_int(stmt, 0);
        *newest = mf_col_int(stmt, 1);
    }
    mf_stmt_done(stmt);
    return code;
}

static enum mf_code note(struct mf_db *db, const struct mf_migration *migration, int64_t now_ns,
                         struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_note, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, migration->version);
    mf_bind_text(stmt, 2, mf_str_from_c(migration->name));
    mf_bind_int(stmt, 3, now_ns);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

static enum mf_code apply(struct mf_db *db, const struct mf_migration *migration, int64_t now_ns,
                          struct mf_error *err)
{
    enum mf_code code = mf_db_begin(db, err);
    if (code == MF_OK && migration->version == 1)
        code = mf_db_script(db, CREATE_TABLE, err);
    if (code == MF_OK)
        code = mf_db_script(db, migration->sql, err);
    if (code == MF_OK)
        code = note(db, migration, now_ns, err);
    if (code == MF_OK)
        code = mf_db_commit(db, err);
    if (code == MF_OK)
        return MF_OK;
    mf_db_rollback(db);
    return mf_fail_prefix(err, "schema %d (%s)", migration->version, migration->name);
}

/* Finds out where the database stands. */
static enum mf_code examine(struct mf_db *db, size_t known, const char *path, int64_t *newest,
                            struct mf_error *err)
{
    bool any = false;
    bool ours = false;
    int64_t count = 0;
    *newest = 0;
    enum mf_code code = mf_db_tables(db, MF_STR("schema_version"), &any, &ours, err);
    if (code == MF_OK && any && !ours)
        return mf_fail(err, MF_FAILED_PRECONDITION,
                       "%s holds tables of another program; move it away, or choose another data directory",
                       path);
    if (code == MF_OK && ours)
        code = read_version(db, &count, newest, err);
    if (code != MF_OK)
        return code;
    if (*newest > (int64_t)known)
        return mf_fail(err, MF_FAILED_PRECONDITION,
                       "%s was written by a newer Mayfly (schema %lld, this one knows up to %zu); start that "
                       "version or a "
                       "later one, or restore a backup made before the upgrade",
                       path, (long long)*newest, known);
    if (count != *newest)
        return mf_fail(err, MF_DATA_LOSS, "%s lists %lld schema changes up to number %lld; restore a backup",
                       path, (long long)count, (long long)*newest);
    return MF_OK;
}

enum mf_code mf_migrate(struct mf_db *db, const struct mf_migration *list, size_t count, int64_t now_ns,
                        const char *path, struct mf_error *err)
{
    int64_t newest = 0;
    enum mf_code code = mf_db_lock_schema(db, err);
    if (code != MF_OK)
        return code;
    code = examine(db, count, path, &newest, err);
    for (size_t i = (size_t)newest; i < count && code == MF_OK; i++) {
        code = apply(db, &list[i], now_ns, err);
        if (code == MF_OK && newest > 0)
            mf_log(MF_LOG_INFO, "store", "%s: schema %d (%s) applied", path, list[i].version, list[i].name);
    }
    mf_db_unlock_schema(db);
    return code;
}
