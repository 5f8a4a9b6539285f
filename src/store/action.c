#include "store/action.h"

enum column_kind { TEXT, BLOB, INT, SMALL, FLAG };

struct column {
    size_t offset;
    enum column_kind kind;
};

/* The columns in the order of every SELECT and INSERT here: X(column, member, kind, number). */
#define FIXED_COLUMNS(X)                                                                                     \
    X(run_id, run_id, INT, 1)                                                                                \
    X(name, name, TEXT, 2)                                                                                   \
    X(project, project, TEXT, 3)                                                                             \
    X(domain, domain, TEXT, 4)                                                                               \
    X(run_name, run_name, TEXT, 5)                                                                           \
    X(parent, parent, TEXT, 6)                                                                               \
    X(kind, kind, SMALL, 7)                                                                                  \
    X(action_group, group, TEXT, 8)                                                                          \
    X(task_project, task_project, TEXT, 9)                                                                   \
    X(task_domain, task_domain, TEXT, 10)                                                                    \
    X(task_name, task_name, TEXT, 11)                                                                        \
    X(task_version, task_version, TEXT, 12)                                                                  \
    X(task_type, task_type, TEXT, 13)                                                                        \
    X(short_name, short_name, TEXT, 14)                                                                      \
    X(function_name, function_name, TEXT, 15)                                                                \
    X(environment_name, environment_name, TEXT, 16)                                                          \
    X(spec_digest, spec_digest, BLOB, 17)                                                                    \
    X(input_uri, input_uri, TEXT, 18)                                                                        \
    X(cache_key, cache_key, TEXT, 19)                                                                        \
    X(created_at, created_at, INT, 20)                                                                       \
    X(carrier, carrier, SMALL, 21)

/* X(column, member, kind, number of the parameter in sql_write). */
#define CHANGING_COLUMNS(X)                                                                                  \
    X(phase, phase, SMALL, 1)                                                                                \
    X(attempts, attempts, SMALL, 2)                                                                          \
    X(cache_status, cache_status, SMALL, 3)                                                                  \
    X(output_uri, output_uri, TEXT, 4)                                                                       \
    X(error, error, BLOB, 5)                                                                                 \
    X(abort_reason, abort_reason, TEXT, 6)                                                                   \
    X(aborted_by, aborted_by, BLOB, 7)                                                                       \
    X(value, value, BLOB, 8)                                                                                 \
    X(signalled_by, signalled_by, BLOB, 9)                                                                   \
    X(principal, principal, TEXT, 10)                                                                        \
    X(recovered_from, recovered_from, BLOB, 11)                                                              \
    X(hidden, hidden, FLAG, 12)                                                                              \
    X(user_retries, user_retries, SMALL, 13)                                                                 \
    X(system_retries, system_retries, SMALL, 14)                                                             \
    X(not_before, not_before, INT, 15)                                                                       \
    X(queued_at, queued_at, INT, 16)                                                                         \
    X(running_at, running_at, INT, 17)                                                                       \
    X(updated_at, updated_at, INT, 18)                                                                       \
    X(ended_at, ended_at, INT, 19)                                                                           \
    X(seq, seq, INT, 20)

#define COLUMN(column, member, kind, number) {offsetof(struct mf_action_row, member), kind},
static const struct column fixed_columns[] = {FIXED_COLUMNS(COLUMN)};
static const struct column changing_columns[] = {CHANGING_COLUMNS(COLUMN)};
#define FIXED_COUNT ((int)(sizeof fixed_columns / sizeof fixed_columns[0]))
#define CHANGING_COUNT ((int)(sizeof changing_columns / sizeof changing_columns[0]))
_Static_assert(FIXED_COUNT == 21 && CHANGING_COUNT == 20, "the statements below count their parameters");

#define NAME(column, member, kind, number) #column ", "
#define ASSIGN(column, member, kind, number) #column " = $" #number ", "
/* The lists end in a comma, so each statement adds something that does no harm after it. */
#define SELECT "SELECT " FIXED_COLUMNS(NAME) CHANGING_COLUMNS(NAME) "1 FROM action "
#define OPEN_PHASES "phase IN (1, 2, 3, 4, 9)"

MF_SQL(sql_insert,
       "INSERT INTO action (run_id, name, project, domain, run_name, parent, kind, action_group, "
       "task_project, task_domain, task_name, task_version, task_type, short_name, "
       "function_name, environment_name, spec_digest, input_uri, cache_key, created_at, carrier, phase, "
       "attempts, cache_status, output_uri, error, abort_reason, aborted_by, value, "
       "signalled_by, principal, recovered_from, hidden, user_retries, system_retries, "
       "not_before, queued_at, running_at, updated_at, ended_at, seq) "
       "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, "
       "$19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, "
       "$36, $37, $38, $39, $40, $41)");
MF_SQL(sql_write, "UPDATE action SET " CHANGING_COLUMNS(ASSIGN) "run_id = run_id "
                                                                "WHERE run_id = $21 AND name = $22");
MF_SQL(sql_get, SELECT "WHERE run_id = $1 AND name = $2");
MF_SQL(sql_children, SELECT "WHERE run_id = $1 AND parent = $2 AND seq > $3 ORDER BY seq LIMIT $4");
MF_SQL(sql_of_run, SELECT "WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3");
MF_SQL(sql_open, SELECT "WHERE " OPEN_PHASES " AND carrier = 0 AND seq > $1 ORDER BY seq LIMIT $2");
MF_SQL(sql_open_children,
       SELECT "WHERE run_id = $1 AND parent = $2 AND " OPEN_PHASES " AND name > $3 ORDER BY name LIMIT $4");
MF_SQL(sql_open_of_run,
       SELECT "WHERE run_id = $1 AND " OPEN_PHASES " ORDER BY run_id, parent, name LIMIT $2");
MF_SQL(sql_done_traces,
       SELECT "WHERE run_id = $1 AND parent = $2 AND kind = 2 AND phase IN (5, 10) ORDER BY seq LIMIT $3");
MF_SQL(sql_hide, "UPDATE action SET hidden = 1 WHERE run_id = $1 AND parent = $2 AND phase IN (6, 7, 8) "
                 "AND hidden = 0");

static void *member(const struct mf_action_row *row, size_t offset)
{
    return (char *)(uintptr_t)row + offset;
}

/* Binds count columns beginning with parameter first. */
static void bind(struct mf_stmt *stmt, int first, const struct column *columns, int count,
                 const struct mf_action_row *row)
{
    for (int i = 0; i < count; i++) {
        const void *value = member(row, columns[i].offset);
        switch (columns[i].kind) {
        case TEXT:
            mf_bind_text(stmt, first + i, *(const struct mf_str *)value);
            break;
        case BLOB:
            mf_bind_blob(stmt, first + i, *(const struct mf_str *)value);
            break;
        case INT:
            mf_bind_int(stmt, first + i, *(const int64_t *)value);
            break;
        case SMALL:
            mf_bind_int(stmt, first + i, *(const int32_t *)value);
            break;
        case FLAG:
            mf_bind_int(stmt, first + i, *(const bool *)value);
            break;
        }
    }
}

static void read_columns(struct mf_stmt *stmt, int first, const struct column *columns, int count,
                         struct mf_arena *arena, const struct mf_action_row *row, bool *failed)
{
    for (int i = 0; i < count; i++) {
        void *value = member(row, columns[i].offset);
        switch (columns[i].kind) {
        case TEXT:
        case BLOB:
            *(struct mf_str *)value = mf_col_copy(stmt, first + i, arena, failed);
            break;
        case INT:
            *(int64_t *)value = mf_col_int(stmt, first + i);
            break;
        case SMALL:
            *(int32_t *)value = (int32_t)mf_col_int(stmt, first + i);
            break;
        case FLAG:
            *(bool *)value = mf_col_int(stmt, first + i) != 0;
            break;
        }
    }
}

static bool read_row(struct mf_stmt *stmt, struct mf_arena *arena, struct mf_action_row *row)
{
    bool failed = false;
    *row = (struct mf_action_row){0};
    read_columns(stmt, 0, fixed_columns, FIXED_COUNT, arena, row, &failed);
    read_columns(stmt, FIXED_COUNT, changing_columns, CHANGING_COUNT, arena, row, &failed);
    return !failed;
}

/* Steps through the rows and ends the statement. */
static enum mf_code walk(struct mf_stmt *stmt, struct mf_arena *arena, mf_action_visit visit, void *ctx,
                         struct mf_error *err)
{
    enum mf_code code = MF_OK;
    bool more = true;
    while (code == MF_OK && more) {
        code = mf_stmt_step(stmt, &more, err);
        if (code != MF_OK || !more)
            break;
        struct mf_action_row *row = MF_NEW(arena, struct mf_action_row);
        if (!row || !read_row(stmt, arena, row))
            code = mf_fail_memory(err);
        else
            more = visit(ctx, row);
    }
    mf_stmt_done(stmt);
    return code;
}

static int64_t limit_of(size_t limit)
{
    return limit > INT32_MAX ? INT32_MAX : (int64_t)limit;
}

enum mf_code mf_action_insert(struct mf_db *db, const struct mf_action_row *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    int64_t changed = 0; /* asked for so that the outcome is known here */
    enum mf_code code = mf_db_query(db, &sql_insert, &stmt, err);
    if (code != MF_OK)
        return code;
    bind(stmt, 1, fixed_columns, FIXED_COUNT, row);
    bind(stmt, 1 + FIXED_COUNT, changing_columns, CHANGING_COUNT, row);
    code = mf_stmt_run(stmt, &changed, err);
    mf_stmt_done(stmt);
    if (code == MF_ALREADY_EXISTS)
        code = mf_fail(err, code, "action %.*s already exists in run %.*s", MF_FMT(row->name),
                       MF_FMT(row->run_name));
    return code;
}

enum mf_code mf_action_write_state(struct mf_db *db, const struct mf_action_row *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    int64_t changed = 0;
    enum mf_code code = mf_db_query(db, &sql_write, &stmt, err);
    if (code != MF_OK)
        return code;
    bind(stmt, 1, changing_columns, CHANGING_COUNT, row);
    mf_bind_int(stmt, 1 + CHANGING_COUNT, row->run_id);
    mf_bind_text(stmt, 2 + CHANGING_COUNT, row->name);
    code = mf_stmt_run(stmt, &changed, err);
    mf_stmt_done(stmt);
    if (code == MF_OK && changed == 0)
        code = mf_fail(err, MF_NOT_FOUND, "action not found: %.*s", MF_FMT(row->name));
    return code;
}

enum mf_code mf_action_get(struct mf_db *db, struct mf_arena *arena, int64_t run_id, struct mf_str name,
                           struct mf_action_row *out, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool found = false;
    enum mf_code code = mf_db_query(db, &sql_get, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    mf_bind_text(stmt, 2, name);
    code = mf_stmt_step(stmt, &found, err);
    if (code == MF_OK && !found)
        code = mf_fail(err, MF_NOT_FOUND, "action not found: %.*s", MF_FMT(name));
    else if (code == MF_OK && !read_row(stmt, arena, out))
        code = mf_fail_memory(err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_action_children(struct mf_db *db, struct mf_arena *arena, int64_t run_id,
                                struct mf_str parent, int64_t after_seq, size_t limit, mf_action_visit visit,
                                void *ctx, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_children, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    mf_bind_text(stmt, 2, parent);
    mf_bind_int(stmt, 3, after_seq);
    mf_bind_int(stmt, 4, limit_of(limit));
    return walk(stmt, arena, visit, ctx, err);
}

enum mf_code mf_action_open_children(struct mf_db *db, struct mf_arena *arena, int64_t run_id,
                                     struct mf_str parent, struct mf_str after_name, size_t limit,
                                     mf_action_visit visit, void *ctx, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_open_children, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    mf_bind_text(stmt, 2, parent);
    mf_bind_text(stmt, 3, after_name);
    mf_bind_int(stmt, 4, limit_of(limit));
    return walk(stmt, arena, visit, ctx, err);
}

enum mf_code mf_action_open_of_run(struct mf_db *db, struct mf_arena *arena, int64_t run_id, size_t limit,
                                   mf_action_visit visit, void *ctx, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_open_of_run, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    mf_bind_int(stmt, 2, limit_of(limit));
    return walk(stmt, arena, visit, ctx, err);
}

enum mf_code mf_action_done_traces(struct mf_db *db, struct mf_arena *arena, int64_t run_id,
                                   struct mf_str parent, size_t limit, mf_action_visit visit, void *ctx,
                                   struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_done_traces, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    mf_bind_text(stmt, 2, parent);
    mf_bind_int(stmt, 3, limit_of(limit));
    return walk(stmt, arena, visit, ctx, err);
}

enum mf_code mf_action_of_run(struct mf_db *db, struct mf_arena *arena, int64_t run_id, int64_t after_seq,
                              size_t limit, mf_action_visit visit, void *ctx, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_of_run, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    mf_bind_int(stmt, 2, after_seq);
    mf_bind_int(stmt, 3, limit_of(limit));
    return walk(stmt, arena, visit, ctx, err);
}

enum mf_code mf_action_open(struct mf_db *db, struct mf_arena *arena, int64_t after_seq, size_t limit,
                            mf_action_visit visit, void *ctx, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_open, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, after_seq);
    mf_bind_int(stmt, 2, limit_of(limit));
    return walk(stmt, arena, visit, ctx, err);
}

enum mf_code mf_action_hide_failed(struct mf_db *db, int64_t run_id, struct mf_str parent,
                                   struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_hide, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, run_id);
    mf_bind_text(stmt, 2, parent);
    code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}
