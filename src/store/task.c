#include "store/task.h"

#include "store/task_row.h"

MF_SQL(sql_put,
       "INSERT INTO task (project, domain, name, version, environment, function_name, deployed_by, "
       "deployer, env_description, short_description, is_entrypoint, spec, created_at, updated_at) "
       "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) "
       "ON CONFLICT (project, domain, name, version) DO UPDATE SET environment = excluded.environment, "
       "function_name = excluded.function_name, deployed_by = excluded.deployed_by, deployer = "
       "excluded.deployer, "
       "env_description = excluded.env_description, short_description = excluded.short_description, "
       "is_entrypoint = excluded.is_entrypoint, spec = excluded.spec, updated_at = excluded.updated_at "
       "RETURNING created_at");

MF_SQL(sql_get, "SELECT " MF_TASK_HEAD_COLUMNS ", t.spec FROM task t "
                "WHERE t.project = $1 AND t.domain = $2 AND t.name = $3 AND t.version = $4");

MF_SQL(sql_exists, "SELECT 1 FROM task WHERE project = $1 AND domain = $2 AND name = $3 AND version = $4");
#define RUN_COLUMNS "SELECT project, domain, run_name, created_at, phase FROM action WHERE parent = '' "
#define RUN_OF_TASK "AND task_project = $1 AND task_domain = $2 AND task_name = $3 "
#define RUN_NEWEST "ORDER BY created_at DESC, run_name DESC LIMIT 1"
MF_SQL(sql_latest, RUN_COLUMNS RUN_OF_TASK RUN_NEWEST);
MF_SQL(sql_latest_of_version, RUN_COLUMNS RUN_OF_TASK "AND task_version = $4 " RUN_NEWEST);

enum mf_code mf_task_put(struct mf_db *db, const struct mf_task_row *row, bool *replaced,
                         struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool returned = false;
    enum mf_code code = mf_db_query(db, &sql_put, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, row->key.project);
    mf_bind_text(stmt, 2, row->key.domain);
    mf_bind_text(stmt, 3, row->key.name);
    mf_bind_text(stmt, 4, row->key.version);
    mf_bind_text(stmt, 5, row->environment);
    mf_bind_text(stmt, 6, row->function_name);
    mf_bind_text(stmt, 7, row->deployed_by);
    mf_bind_blob(stmt, 8, row->deployer);
    mf_bind_text(stmt, 9, row->env_description);
    mf_bind_text(stmt, 10, row->short_description);
    mf_bind_int(stmt, 11, row->is_entrypoint);
    mf_bind_blob(stmt, 12, row->spec);
    mf_bind_int(stmt, 13, row->created_at);
    mf_bind_int(stmt, 14, row->updated_at);
    code = mf_stmt_step(stmt, &returned, err);
    if (code == MF_OK && replaced)
        *replaced = returned && mf_col_int(stmt, 0) != row->created_at;
    if (code == MF_OK && returned)
        code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

bool mf_task_read_head(struct mf_stmt *stmt, struct mf_arena *arena, struct mf_task_row *row)
{
    bool failed = false;
    *row = (struct mf_task_row){0};
    row->key.project = mf_col_copy(stmt, 0, arena, &failed);
    row->key.domain = mf_col_copy(stmt, 1, arena, &failed);
    row->key.name = mf_col_copy(stmt, 2, arena, &failed);
    row->key.version = mf_col_copy(stmt, 3, arena, &failed);
    row->environment = mf_col_copy(stmt, 4, arena, &failed);
    row->function_name = mf_col_copy(stmt, 5, arena, &failed);
    row->deployed_by = mf_col_copy(stmt, 6, arena, &failed);
    row->deployer = mf_col_copy(stmt, 7, arena, &failed);
    row->env_description = mf_col_copy(stmt, 8, arena, &failed);
    row->short_description = mf_col_copy(stmt, 9, arena, &failed);
    row->is_entrypoint = mf_col_int(stmt, 10) != 0;
    row->created_at = mf_col_int(stmt, 11);
    row->updated_at = mf_col_int(stmt, 12);
    return !failed;
}

enum mf_code mf_task_get(struct mf_db *db, struct mf_arena *arena, const struct mf_task_key *key,
                         struct mf_task_row *out, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    bool failed = false;
    enum mf_code code = mf_db_query(db, &sql_get, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, key->project);
    mf_bind_text(stmt, 2, key->domain);
    mf_bind_text(stmt, 3, key->name);
    mf_bind_text(stmt, 4, key->version);
    code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK && !row) {
        code = mf_fail(err, MF_NOT_FOUND, "task not found: %.*s/%.*s/%.*s version %.*s", MF_FMT(key->project),
                       MF_FMT(key->domain), MF_FMT(key->name), MF_FMT(key->version));
    } else if (code == MF_OK) {
        failed = !mf_task_read_head(stmt, arena, out);
        out->spec = mf_col_copy(stmt, MF_TASK_HEAD_COUNT, arena, &failed);
        if (failed)
            code = mf_fail_memory(err);
    }
    mf_stmt_done(stmt);
    return code;
}

static void bind_key(struct mf_stmt *stmt, const struct mf_task_key *key)
{
    mf_bind_text(stmt, 1, key->project);
    mf_bind_text(stmt, 2, key->domain);
    mf_bind_text(stmt, 3, key->name);
}

enum mf_code mf_task_exists(struct mf_db *db, const struct mf_task_key *key, bool *exists,
                            struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_exists, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_key(stmt, key);
    mf_bind_text(stmt, 4, key->version);
    code = mf_stmt_step(stmt, exists, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_task_latest_run(struct mf_db *db, struct mf_arena *arena, const struct mf_task_key *key,
                                struct mf_task_run *out, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    bool failed = false;
    *out = (struct mf_task_run){0};
    const struct mf_sql *sql = key->version.len > 0 ? &sql_latest_of_version : &sql_latest;
    enum mf_code code = mf_db_query(db, sql, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_key(stmt, key);
    if (key->version.len > 0)
        mf_bind_text(stmt, 4, key->version);
    code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK && row) {
        out->project = mf_col_copy(stmt, 0, arena, &failed);
        out->domain = mf_col_copy(stmt, 1, arena, &failed);
        out->name = mf_col_copy(stmt, 2, arena, &failed);
        out->created_at = mf_col_int(stmt, 3);
        out->phase = (int32_t)mf_col_int(stmt, 4);
    }
    mf_stmt_done(stmt);
    return code == MF_OK && failed ? mf_fail_memory(err) : code;
}
