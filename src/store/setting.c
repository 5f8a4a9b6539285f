#include "store/setting.h"

MF_SQL(sql_insert, "INSERT INTO setting (domain, project, body, version, created_at, updated_at) "
                   "VALUES ($1, $2, $3, 1, $4, $4) ON CONFLICT (domain, project) DO NOTHING");
MF_SQL(sql_update, "UPDATE setting SET body = $4, version = version + 1, updated_at = $5 "
                   "WHERE domain = $1 AND project = $2 AND version = $3");
MF_SQL(sql_get, "SELECT version, body FROM setting WHERE domain = $1 AND project = $2");

enum mf_code mf_setting_insert(struct mf_db *db, const struct mf_setting_row *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    int64_t changed = 0;
    enum mf_code code = mf_db_query(db, &sql_insert, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, row->domain);
    mf_bind_text(stmt, 2, row->project);
    mf_bind_blob(stmt, 3, row->body);
    mf_bind_int(stmt, 4, row->now_ns);
    code = mf_stmt_run(stmt, &changed, err);
    mf_stmt_done(stmt);
    return code == MF_OK && changed == 0 ? mf_fail(err, MF_ALREADY_EXISTS, "settings already exist") : code;
}

static enum mf_code stored_version(struct mf_db *db, const struct mf_setting_row *row, int64_t *version,
                                   struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool found = false;
    enum mf_code code = mf_db_query(db, &sql_get, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, row->domain);
    mf_bind_text(stmt, 2, row->project);
    code = mf_stmt_step(stmt, &found, err);
    *version = code == MF_OK && found ? mf_col_int(stmt, 0) : 0;
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_setting_update(struct mf_db *db, const struct mf_setting_row *row, int64_t *version,
                               struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    int64_t changed = 0;
    enum mf_code code = mf_db_query(db, &sql_update, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, row->domain);
    mf_bind_text(stmt, 2, row->project);
    mf_bind_int(stmt, 3, row->version);
    mf_bind_blob(stmt, 4, row->body);
    mf_bind_int(stmt, 5, row->now_ns);
    code = mf_stmt_run(stmt, &changed, err);
    mf_stmt_done(stmt);
    if (code == MF_OK)
        code = stored_version(db, row, version, err);
    if (code == MF_OK && changed == 0)
        code = mf_fail(err, *version == 0 ? MF_NOT_FOUND : MF_FAILED_PRECONDITION,
                       "settings have another version");
    return code;
}

enum mf_code mf_setting_get(struct mf_db *db, struct mf_arena *arena, struct mf_str domain,
                            struct mf_str project, struct mf_setting_row *out, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool found = false;
    bool failed = false;
    *out = (struct mf_setting_row){.domain = domain, .project = project, .body = MF_STR_EMPTY};
    enum mf_code code = mf_db_query(db, &sql_get, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, domain);
    mf_bind_text(stmt, 2, project);
    code = mf_stmt_step(stmt, &found, err);
    if (code == MF_OK && found) {
        out->version = mf_col_int(stmt, 0);
        out->body = mf_col_copy(stmt, 1, arena, &failed);
    }
    mf_stmt_done(stmt);
    return failed ? mf_fail_memory(err) : code;
}
