#include "store/run.h"

#define COLUMNS                                                                                              \
    "id, project, domain, name, org, request_digest, run_spec, output_base, start_time, source, "            \
    "created_by, "                                                                                           \
    "created_by_subject, trigger_task_name, trigger_name, trigger_revision, trigger_type, "                  \
    "trigger_automation, related_run_id, created_at"

MF_SQL(sql_insert,
       "INSERT INTO run (" COLUMNS ") "
       "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)");
MF_SQL(sql_creator, "SELECT r.created_by, a.ended_at FROM run r JOIN action a ON a.run_id = r.id "
                    "AND a.name = 'a0' WHERE r.id = $1");
MF_SQL(sql_phase, "SELECT phase FROM action WHERE run_id = $1 AND name = 'a0'");
MF_SQL(sql_find, "SELECT " COLUMNS " FROM run WHERE project = $1 AND domain = $2 AND name = $3");
MF_SQL(sql_get, "SELECT " COLUMNS " FROM run WHERE id = $1");
MF_SQL(sql_id, "SELECT id FROM run WHERE project = $1 AND domain = $2 AND name = $3");
MF_SQL(sql_label_insert, "INSERT INTO run_label (run_id, name, value, created_at) "
                         "VALUES ($1, $2, $3, COALESCE((SELECT created_at FROM run WHERE id = $1), 0)) "
                         "ON CONFLICT (run_id, name) DO UPDATE SET value = excluded.value");
MF_SQL(sql_labels, "SELECT name, value FROM run_label WHERE run_id = $1 ORDER BY name");

static enum mf_code not_found(struct mf_str project, struct mf_str domain, struct mf_str name,
                              struct mf_error *err)
{
    return mf_fail(err, MF_NOT_FOUND, "run not found: %.*s/%.*s/%.*s", MF_FMT(project), MF_FMT(domain),
                   MF_FMT(name));
}

enum mf_code mf_run_insert(struct mf_db *db, const struct mf_run_row *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    int64_t changed = 0; /* asked for so that the outcome is known here */
    enum mf_code code = mf_db_query(db, &sql_insert, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, row->id);
    mf_bind_text(stmt, 2, row->project);
    mf_bind_text(stmt, 3, row->domain);
    mf_bind_text(stmt, 4, row->name);
    mf_bind_text(stmt, 5, row->org);
    mf_bind_blob(stmt, 6, row->request_digest);
    mf_bind_blob(stmt, 7, row->run_spec);
    mf_bind_text(stmt, 8, row->output_base);
    mf_bind_int(stmt, 9, row->start_time_ns);
    mf_bind_int(stmt, 10, row->source);
    mf_bind_blob(stmt, 11, row->created_by);
    mf_bind_text(stmt, 12, row->created_by_subject);
    mf_bind_text(stmt, 13, row->trigger_task_name);
    mf_bind_text(stmt, 14, row->trigger_name);
    mf_bind_int(stmt, 15, row->trigger_revision);
    mf_bind_int(stmt, 16, row->trigger_type);
    mf_bind_blob(stmt, 17, row->trigger_automation);
    mf_bind_int(stmt, 18, row->related_run_id);
    mf_bind_int(stmt, 19, row->created_at);
    code = mf_stmt_run(stmt, &changed, err);
    mf_stmt_done(stmt);
    if (code == MF_ALREADY_EXISTS)
        code = mf_fail(err, code, "run %.*s/%.*s/%.*s already exists; choose another name",
                       MF_FMT(row->project), MF_FMT(row->domain), MF_FMT(row->name));
    return code;
}

static bool read_row(struct mf_stmt *stmt, struct mf_arena *arena, struct mf_run_row *row)
{
    bool failed = false;
    *row = (struct mf_run_row){.id = mf_col_int(stmt, 0)};
    row->project = mf_col_copy(stmt, 1, arena, &failed);
    row->domain = mf_col_copy(stmt, 2, arena, &failed);
    row->name = mf_col_copy(stmt, 3, arena, &failed);
    row->org = mf_col_copy(stmt, 4, arena, &failed);
    row->request_digest = mf_col_copy(stmt, 5, arena, &failed);
    row->run_spec = mf_col_copy(stmt, 6, arena, &failed);
    row->output_base = mf_col_copy(stmt, 7, arena, &failed);
    row->start_time_ns = mf_col_int(stmt, 8);
    row->source = (int32_t)mf_col_int(stmt, 9);
    row->created_by = mf_col_copy(stmt, 10, arena, &failed);
    row->created_by_subject = mf_col_copy(stmt, 11, arena, &failed);
    row->trigger_task_name = mf_col_copy(stmt, 12, arena, &failed);
    row->trigger_name = mf_col_copy(stmt, 13, arena, &failed);
    row->trigger_revision = mf_col_int(stmt, 14);
    row->trigger_type = (int32_t)mf_col_int(stmt, 15);
    row->trigger_automation = mf_col_copy(stmt, 16, arena, &failed);
    row->related_run_id = mf_col_int(stmt, 17);
    row->created_at = mf_col_int(stmt, 18);
    return !failed;
}

/* Steps once and ends the statement; *found tells whether there was a row. */
static enum mf_code read_one(struct mf_stmt *stmt, struct mf_arena *arena, struct mf_run_row *out,
                             bool *found, struct mf_error *err)
{
    enum mf_code code = mf_stmt_step(stmt, found, err);
    if (code == MF_OK && *found && !read_row(stmt, arena, out))
        code = mf_fail_memory(err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_run_find(struct mf_db *db, struct mf_arena *arena, struct mf_str project,
                         struct mf_str domain, struct mf_str name, struct mf_run_row *out,
                         struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool found = false;
    enum mf_code code = mf_db_query(db, &sql_find, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, project);
    mf_bind_text(stmt, 2, domain);
    mf_bind_text(stmt, 3, name);
    code = read_one(stmt, arena, out, &found, err);
    return code == MF_OK && !found ? not_found(project, domain, name, err) : code;
}

enum mf_code mf_run_get(struct mf_db *db, struct mf_arena *arena, int64_t id, struct mf_run_row *out,
                        struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool found = false;
    enum mf_code code = mf_db_query(db, &sql_get, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, id);
    code = read_one(stmt, arena, out, &found, err);
    return code == MF_OK && !found ? mf_fail(err, MF_NOT_FOUND, "run not found: number %lld", (long long)id)
                                   : code;
}

enum mf_code mf_run_id(struct mf_db *db, struct mf_str project, struct mf_str domain, struct mf_str name,
                       int64_t *out, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool found = false;
    enum mf_code code = mf_db_query(db, &sql_id, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, project);
    mf_bind_text(stmt, 2, domain);
    mf_bind_text(stmt, 3, name);
    code = mf_stmt_step(stmt, &found, err);
    if (code == MF_OK && found)
        *out = mf_col_int(stmt, 0);
    else if (code == MF_OK)
        code = not_found(project, domain, name, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_run_creator(struct mf_db *db, struct mf_arena *arena, int64_t id, struct mf_str *created_by,
                            bool *open, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool found = false;
    bool failed = false;
    enum mf_code code = mf_db_query(db, &sql_creator, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, id);
    code = mf_stmt_step(stmt, &found, err);
    if (code == MF_OK && !found) {
        code = mf_fail(err, MF_NOT_FOUND, "run %lld not found", (long long)id);
    } else if (code == MF_OK) {
        *created_by = mf_col_copy(stmt, 0, arena, &failed);
        *open = mf_col_int(stmt, 1) == 0;
        code = failed ? mf_fail_memory(err) : MF_OK;
    }
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_run_phase(struct mf_db *db, int64_t id, int32_t *phase, bool *found, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_phase, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, id);
    code = mf_stmt_step(stmt, found, err);
    if (code == MF_OK && *found)
        *phase = (int32_t)mf_col_int(stmt, 0);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_run_label_insert(struct mf_db *db, int64_t run_id, struct mf_str name, struct mf_str value,
                                 struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_label_insert, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    mf_bind_text(stmt, 2, name);
    mf_bind_text(stmt, 3, value);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_run_labels(struct mf_db *db, int64_t run_id,
                           bool (*visit)(void *ctx, struct mf_str name, struct mf_str value), void *ctx,
                           struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool more = true;
    enum mf_code code = mf_db_query(db, &sql_labels, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    while (code == MF_OK && more) {
        code = mf_stmt_step(stmt, &more, err);
        if (code == MF_OK && more)
            more = visit(ctx, mf_col_str(stmt, 0), mf_col_str(stmt, 1));
    }
    mf_stmt_done(stmt);
    return code;
}
