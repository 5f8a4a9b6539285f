#include "store/schedule.h"

#include <inttypes.h>

#define STATE "cursor_at, buffered_at, runs, settled_at, error, error_at"
#define TRIGGER "project, domain, task_name, name, revision, active, automation, policy, baseline_at"
#define COLUMNS "id, " TRIGGER ", " STATE ", seq"

MF_SQL(sql_find, "SELECT " COLUMNS " FROM schedule "
                 "WHERE project = $1 AND domain = $2 AND task_name = $3 AND name = $4");
MF_SQL(sql_get, "SELECT " COLUMNS " FROM schedule WHERE id = $1");
MF_SQL(sql_put, "INSERT INTO schedule (" COLUMNS ") VALUES "
                "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) "
                "ON CONFLICT (id) DO UPDATE SET project = excluded.project, domain = excluded.domain, "
                "task_name = excluded.task_name, name = excluded.name, revision = excluded.revision, "
                "active = excluded.active, automation = excluded.automation, policy = excluded.policy, "
                "baseline_at = excluded.baseline_at, cursor_at = excluded.cursor_at, "
                "buffered_at = excluded.buffered_at, runs = excluded.runs, settled_at = excluded.settled_at, "
                "error = excluded.error, error_at = excluded.error_at, seq = excluded.seq");
MF_SQL(sql_move, "UPDATE schedule SET cursor_at = $2, buffered_at = $3, runs = $4, settled_at = $5, "
                 "error = $6, error_at = $7 WHERE id = $1");
MF_SQL(sql_changes, "SELECT " COLUMNS " FROM schedule WHERE seq > $1 ORDER BY seq");
/* Nearly all are active, so the table is read as it lies. */
MF_SQL(sql_active, "SELECT " COLUMNS " FROM schedule WHERE active = 1");

/* The strings are those of the statement. */
static void read_row(struct mf_stmt *stmt, struct mf_schedule_row *row)
{
    *row = (struct mf_schedule_row){
        .id = mf_col_int(stmt, 0),
        .key = {mf_col_str(stmt, 1), mf_col_str(stmt, 2), mf_col_str(stmt, 3), mf_col_str(stmt, 4)},
        .revision = mf_col_int(stmt, 5),
        .active = mf_col_int(stmt, 6) != 0,
        .automation = mf_col_str(stmt, 7),
        .policy = mf_col_str(stmt, 8),
        .baseline_at = mf_col_int(stmt, 9),
        .state = {.cursor_at = mf_col_int(stmt, 10),
                  .buffered_at = mf_col_int(stmt, 11),
                  .runs = mf_col_int(stmt, 12),
                  .settled_at = mf_col_int(stmt, 13),
                  .error = mf_col_str(stmt, 14),
                  .error_at = mf_col_int(stmt, 15)},
        .seq = mf_col_int(stmt, 16),
    };
}

static bool keep(struct mf_arena *arena, struct mf_str *text)
{
    if (text->len == 0)
        return true;
    *text = mf_str_copy(arena, *text);
    return text->ptr != NULL;
}

/* The first row of a statement that is bound, if there is one. */
static enum mf_code take_row(struct mf_stmt *stmt, struct mf_arena *arena, struct mf_schedule_row *out,
                             bool *found, struct mf_error *err)
{
    enum mf_code code = mf_stmt_step(stmt, found, err);
    if (code != MF_OK || !*found)
        return code;
    read_row(stmt, out);
    bool kept = keep(arena, &out->key.project) && keep(arena, &out->key.domain) &&
                keep(arena, &out->key.task_name) && keep(arena, &out->key.name) &&
                keep(arena, &out->automation) && keep(arena, &out->policy) && keep(arena, &out->state.error);
    return kept ? MF_OK : mf_fail_memory(err);
}

enum mf_code mf_schedule_find(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_key *key,
                              struct mf_schedule_row *out, bool *found, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_find, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, key->project);
    mf_bind_text(stmt, 2, key->domain);
    mf_bind_text(stmt, 3, key->task_name);
    mf_bind_text(stmt, 4, key->name);
    code = take_row(stmt, arena, out, found, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_schedule_get(struct mf_db *db, struct mf_arena *arena, int64_t id,
                             struct mf_schedule_row *out, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool found = false;
    enum mf_code code = mf_db_query(db, &sql_get, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, id);
    code = take_row(stmt, arena, out, &found, err);
    mf_stmt_done(stmt);
    if (code == MF_OK && !found)
        code = mf_fail(err, MF_NOT_FOUND, "schedule not found: %" PRId64, id);
    return code;
}

static void bind_state(struct mf_stmt *stmt, int first, const struct mf_schedule_state *state)
{
    mf_bind_int(stmt, first, state->cursor_at);
    mf_bind_int(stmt, first + 1, state->buffered_at);
    mf_bind_int(stmt, first + 2, state->runs);
    mf_bind_int(stmt, first + 3, state->settled_at);
    mf_bind_text(stmt, first + 4, state->error);
    mf_bind_int(stmt, first + 5, state->error_at);
}

enum mf_code mf_schedule_put(struct mf_db *db, const struct mf_schedule_row *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_put, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, row->id);
    mf_bind_text(stmt, 2, row->key.project);
    mf_bind_text(stmt, 3, row->key.domain);
    mf_bind_text(stmt, 4, row->key.task_name);
    mf_bind_text(stmt, 5, row->key.name);
    mf_bind_int(stmt, 6, row->revision);
    mf_bind_int(stmt, 7, row->active);
    mf_bind_blob(stmt, 8, row->automation);
    mf_bind_text(stmt, 9, row->policy);
    mf_bind_int(stmt, 10, row->baseline_at);
    bind_state(stmt, 11, &row->state);
    mf_bind_int(stmt, 17, row->seq);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_schedule_move(struct mf_db *db, int64_t id, const struct mf_schedule_state *state,
                              struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_move, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, id);
    bind_state(stmt, 2, state);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

/* Ends the statement. */
static enum mf_code walk(struct mf_stmt *stmt, mf_schedule_visit visit, void *ctx, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    bool more = true;
    while (code == MF_OK && more) {
        struct mf_schedule_row row;
        code = mf_stmt_step(stmt, &more, err);
        if (code != MF_OK || !more)
            break;
        read_row(stmt, &row);
        more = visit(ctx, &row);
    }
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_schedule_changes(struct mf_db *db, int64_t after_seq, mf_schedule_visit visit, void *ctx,
                                 struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_changes, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, after_seq);
    return walk(stmt, visit, ctx, err);
}

enum mf_code mf_schedule_active(struct mf_db *db, mf_schedule_visit visit, void *ctx, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_active, &stmt, err);
    return code == MF_OK ? walk(stmt, visit, ctx, err) : code;
}
