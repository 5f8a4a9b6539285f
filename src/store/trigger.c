#include "store/trigger.h"

#include <inttypes.h>

#define STATE_COLUMNS                                                                                        \
    "task_version, active, automation_type, spec, automation, description, deployed_by, updated_by, "        \
    "created_at, deployed_at, updated_at, triggered_at, deleted_at"
#define COLUMNS "project, domain, task_name, name, revision, " STATE_COLUMNS
#define BY_TASK "project = $1 AND domain = $2 AND task_name = $3"
#define BY_KEY BY_TASK " AND name = $4"

MF_SQL(sql_find, "SELECT " COLUMNS ", baseline_at, seq FROM trigger WHERE " BY_KEY);
MF_SQL(sql_by_name, "SELECT " COLUMNS ", baseline_at, seq FROM trigger "
                    "WHERE project = $1 AND domain = $2 AND name = $3 AND deleted_at = 0 LIMIT 2");
MF_SQL(sql_revision,
       "SELECT " COLUMNS ", baseline_at, 0 FROM trigger_revision WHERE " BY_KEY " AND revision = $5");
MF_SQL(sql_revisions,
       "SELECT " COLUMNS ", baseline_at, 0, action, recorded_at FROM trigger_revision WHERE " BY_KEY
       " AND revision >= coalesce((SELECT revision FROM trigger_revision WHERE " BY_KEY
       " AND recorded_at <= $5 ORDER BY revision DESC LIMIT 1), 0) ORDER BY revision");
MF_SQL(sql_put,
       "INSERT INTO trigger (" COLUMNS ", baseline_at, seq) VALUES "
       "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) "
       "ON CONFLICT (project, domain, task_name, name) DO UPDATE SET revision = excluded.revision, "
       "task_version = excluded.task_version, active = excluded.active, "
       "automation_type = excluded.automation_type, spec = excluded.spec, automation = excluded.automation, "
       "description = excluded.description, deployed_by = excluded.deployed_by, "
       "updated_by = excluded.updated_by, deployed_at = excluded.deployed_at, "
       "updated_at = excluded.updated_at, deleted_at = excluded.deleted_at, "
       "baseline_at = excluded.baseline_at, seq = excluded.seq");
MF_SQL(sql_record,
       "INSERT INTO trigger_revision (" COLUMNS ", baseline_at, action, recorded_at) VALUES "
       "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)");
MF_SQL(sql_fired,
       "UPDATE trigger SET triggered_at = CASE WHEN triggered_at > $5 THEN triggered_at ELSE $5 END "
       "WHERE " BY_KEY " AND deleted_at = 0");
MF_SQL(sql_names, "SELECT name FROM trigger WHERE " BY_TASK " AND deleted_at = 0 ORDER BY name");
MF_SQL(sql_count, "SELECT count(*) FROM trigger WHERE " BY_TASK " AND deleted_at = 0");
MF_SQL(sql_summary, "SELECT name, active, automation FROM trigger WHERE " BY_TASK
                    " AND task_version = $4 AND deleted_at = 0");

static void bind_task(struct mf_stmt *stmt, const struct mf_trigger_key *key)
{
    mf_bind_text(stmt, 1, key->project);
    mf_bind_text(stmt, 2, key->domain);
    mf_bind_text(stmt, 3, key->task_name);
}

static void bind_key(struct mf_stmt *stmt, const struct mf_trigger_key *key)
{
    bind_task(stmt, key);
    mf_bind_text(stmt, 4, key->name);
}

/* arena NULL: as the column has it. */
static struct mf_str text(struct mf_stmt *stmt, int index, struct mf_arena *arena, bool *failed)
{
    return arena ? mf_col_copy(stmt, index, arena, failed) : mf_col_str(stmt, index);
}

static bool read_row(struct mf_stmt *stmt, struct mf_arena *arena, struct mf_trigger_row *row)
{
    bool failed = false;
    *row = (struct mf_trigger_row){0};
    row->key.project = text(stmt, 0, arena, &failed);
    row->key.domain = text(stmt, 1, arena, &failed);
    row->key.task_name = text(stmt, 2, arena, &failed);
    row->key.name = text(stmt, 3, arena, &failed);
    row->revision = mf_col_int(stmt, 4);
    row->task_version = text(stmt, 5, arena, &failed);
    row->active = mf_col_int(stmt, 6) != 0;
    row->automation_type = (int32_t)mf_col_int(stmt, 7);
    row->spec = text(stmt, 8, arena, &failed);
    row->automation = text(stmt, 9, arena, &failed);
    row->description = text(stmt, 10, arena, &failed);
    row->deployed_by = text(stmt, 11, arena, &failed);
    row->updated_by = text(stmt, 12, arena, &failed);
    row->created_at = mf_col_int(stmt, 13);
    row->deployed_at = mf_col_int(stmt, 14);
    row->updated_at = mf_col_int(stmt, 15);
    row->triggered_at = mf_col_int(stmt, 16);
    row->deleted_at = mf_col_int(stmt, 17);
    row->baseline_at = mf_col_int(stmt, 18);
    row->seq = mf_col_int(stmt, 19);
    return !failed;
}

/* The first row of a statement that is bound, if there is one. */
static enum mf_code take_row(struct mf_stmt *stmt, struct mf_arena *arena, struct mf_trigger_row *out,
                             bool *found, struct mf_error *err)
{
    enum mf_code code = mf_stmt_step(stmt, found, err);
    if (code == MF_OK && *found && !read_row(stmt, arena, out))
        code = mf_fail_memory(err);
    return code;
}

enum mf_code mf_trigger_find(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_key *key,
                             struct mf_trigger_row *out, bool *found, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_find, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_key(stmt, key);
    code = take_row(stmt, arena, out, found, err);
    mf_stmt_done(stmt);
    return code;
}

static enum mf_code find_by_name(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_key *key,
                                 struct mf_trigger_row *out, bool *found, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool second = false;
    enum mf_code code = mf_db_query(db, &sql_by_name, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, key->project);
    mf_bind_text(stmt, 2, key->domain);
    mf_bind_text(stmt, 3, key->name);
    code = take_row(stmt, arena, out, found, err);
    if (code == MF_OK && *found)
        code = mf_stmt_step(stmt, &second, err);
    if (code == MF_OK && second)
        code =
            mf_fail(err, MF_INVALID_ARGUMENT,
                    "name.task_name is required: several tasks have a trigger \"%.*s\"", MF_FMT(key->name));
    mf_stmt_done(stmt);
    return code;
}

static enum mf_code fail_not_found(const struct mf_trigger_key *key, struct mf_error *err)
{
    return mf_fail(err, MF_NOT_FOUND, "trigger not found: %.*s/%.*s/%.*s%s%.*s", MF_FMT(key->project),
                   MF_FMT(key->domain), MF_FMT(key->task_name), key->task_name.len > 0 ? "/" : "",
                   MF_FMT(key->name));
}

enum mf_code mf_trigger_get(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_key *key,
                            struct mf_trigger_row *out, struct mf_error *err)
{
    bool found = false;
    enum mf_code code = key->task_name.len > 0 ? mf_trigger_find(db, arena, key, out, &found, err)
                                               : find_by_name(db, arena, key, out, &found, err);
    return code == MF_OK && (!found || out->deleted_at != 0) ? fail_not_found(key, err) : code;
}

enum mf_code mf_trigger_revision(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_key *key,
                                 int64_t revision, struct mf_trigger_row *out, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool found = false;
    enum mf_code code = mf_db_query(db, &sql_revision, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_key(stmt, key);
    mf_bind_int(stmt, 5, revision);
    code = take_row(stmt, arena, out, &found, err);
    mf_stmt_done(stmt);
    if (code == MF_OK && !found)
        code = mf_fail(err, MF_NOT_FOUND, "trigger revision not found: %.*s/%.*s/%.*s/%.*s@%" PRId64,
                       MF_FMT(key->project), MF_FMT(key->domain), MF_FMT(key->task_name), MF_FMT(key->name),
                       revision);
    return code;
}

enum mf_code mf_trigger_revisions(struct mf_db *db, const struct mf_trigger_key *key, int64_t from_ns,
                                  mf_trigger_revision_walk visit, void *ctx, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool more = true;
    enum mf_code code = mf_db_query(db, &sql_revisions, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_key(stmt, key);
    mf_bind_int(stmt, 5, from_ns);
    while (code == MF_OK && more) {
        struct mf_trigger_row row;
        code = mf_stmt_step(stmt, &more, err);
        if (code != MF_OK || !more)
            break;
        (void)read_row(stmt, NULL, &row); /* copies nothing, so it cannot run out of memory */
        more = visit(ctx, &row, (enum mf_trigger_action)mf_col_int(stmt, 20), mf_col_int(stmt, 21));
    }
    mf_stmt_done(stmt);
    return code;
}

/* The columns that the trigger and its revision have in common. */
static void bind_row(struct mf_stmt *stmt, const struct mf_trigger_row *row)
{
    bind_key(stmt, &row->key);
    mf_bind_int(stmt, 5, row->revision);
    mf_bind_text(stmt, 6, row->task_version);
    mf_bind_int(stmt, 7, row->active);
    mf_bind_int(stmt, 8, row->automation_type);
    mf_bind_blob(stmt, 9, row->spec);
    mf_bind_blob(stmt, 10, row->automation);
    mf_bind_text(stmt, 11, row->description);
    mf_bind_blob(stmt, 12, row->deployed_by);
    mf_bind_blob(stmt, 13, row->updated_by);
    mf_bind_int(stmt, 14, row->created_at);
    mf_bind_int(stmt, 15, row->deployed_at);
    mf_bind_int(stmt, 16, row->updated_at);
    mf_bind_int(stmt, 17, row->triggered_at);
    mf_bind_int(stmt, 18, row->deleted_at);
    mf_bind_int(stmt, 19, row->baseline_at);
}

enum mf_code mf_trigger_put(struct mf_db *db, const struct mf_trigger_row *row, enum mf_trigger_action action,
                            int64_t now, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_put, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_row(stmt, row);
    mf_bind_int(stmt, 20, row->seq);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    if (code == MF_OK)
        code = mf_db_query(db, &sql_record, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_row(stmt, row);
    mf_bind_int(stmt, 20, action);
    mf_bind_int(stmt, 21, now);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_trigger_fired(struct mf_db *db, const struct mf_trigger_key *key, int64_t now,
                              struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    int64_t changed = 0;
    enum mf_code code = mf_db_query(db, &sql_fired, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_key(stmt, key);
    mf_bind_int(stmt, 5, now);
    code = mf_stmt_run(stmt, &changed, err);
    mf_stmt_done(stmt);
    return code == MF_OK && changed == 0 ? fail_not_found(key, err) : code;
}

enum mf_code mf_trigger_names(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_key *key,
                              struct mf_str **names, size_t *count, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    size_t cap = 0;
    bool row = true;
    bool failed = false;
    *names = NULL;
    *count = 0;
    enum mf_code code = mf_db_query(db, &sql_names, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_task(stmt, key);
    while (code == MF_OK && row && !failed) {
        code = mf_stmt_step(stmt, &row, err);
        if (code != MF_OK || !row)
            break;
        if (*count == cap) {
            size_t grown = cap > 0 ? 2 * cap : 8;
            *names = mf_arena_grow(arena, *names, cap * sizeof **names, grown * sizeof **names);
            failed = !*names;
            cap = grown;
        }
        if (!failed)
            (*names)[(*count)++] = mf_col_copy(stmt, 0, arena, &failed);
    }
    mf_stmt_done(stmt);
    return code == MF_OK && failed ? mf_fail_memory(err) : code;
}

enum mf_code mf_trigger_count(struct mf_db *db, const struct mf_trigger_key *key, int64_t *count,
                              struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    enum mf_code code = mf_db_query(db, &sql_count, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_task(stmt, key);
    code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK)
        *count = row ? mf_col_int(stmt, 0) : 0;
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_trigger_summary(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_key *key,
                                struct mf_str task_version, struct mf_trigger_summary *out,
                                struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = true;
    bool failed = false;
    *out = (struct mf_trigger_summary){0};
    enum mf_code code = mf_db_query(db, &sql_summary, &stmt, err);
    if (code != MF_OK)
        return code;
    bind_task(stmt, key);
    mf_bind_text(stmt, 4, task_version);
    while (code == MF_OK && row) {
        code = mf_stmt_step(stmt, &row, err);
        if (code != MF_OK || !row)
            break;
        out->active += mf_col_int(stmt, 1) != 0;
        if (out->total++ > 0)
            continue;
        out->name = mf_col_copy(stmt, 0, arena, &failed);
        out->automation = mf_col_copy(stmt, 2, arena, &failed);
    }
    mf_stmt_done(stmt);
    return code == MF_OK && failed ? mf_fail_memory(err) : code;
}
