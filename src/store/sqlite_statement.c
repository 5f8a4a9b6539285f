#include "store/sqlite.h"

#include <stdlib.h>

static struct mf_sqlite_stmt *sqlite_stmt(struct mf_stmt *stmt)
{
    return MF_CONTAINER(stmt, struct mf_sqlite_stmt, base);
}

void mf_sqlite_finalize(struct mf_stmt *base)
{
    struct mf_sqlite_stmt *stmt = sqlite_stmt(base);
    sqlite3_finalize(stmt->handle);
    free(stmt->places);
    free(stmt);
}

/* Fills stmt->places. Numbers run without a gap, so the largest one is their count. */
static int find_places(struct mf_sqlite_stmt *stmt)
{
    int count = sqlite3_bind_parameter_count(stmt->handle);
    bool same = true;
    int *places = count > 0 ? calloc((size_t)count, sizeof *places) : NULL;
    if (count > 0 && !places)
        return SQLITE_NOMEM;
    for (int place = 1; place <= count; place++) {
        const char *name = sqlite3_bind_parameter_name(stmt->handle, place);
        int64_t number = 0;
        if (!name || !mf_str_to_i64(mf_str_from_c(name + 1), &number) || number < 1 || number > count) {
            free(places);
            return SQLITE_RANGE;
        }
        places[number - 1] = place;
        same = same && number == place;
    }
    stmt->place_count = count;
    if (same)
        free(places);
    else
        stmt->places = places;
    return SQLITE_OK;
}

enum mf_code mf_sqlite_prepare(struct mf_db *base, struct mf_str text, bool keep, struct mf_stmt **out,
                               struct mf_error *err)
{
    struct mf_sqlite *db = mf_sqlite_of(base);
    struct mf_sqlite_stmt *stmt = calloc(1, sizeof *stmt);
    if (!stmt)
        return mf_fail_memory(err);
    if (text.len > INT32_MAX) {
        free(stmt);
        return mf_fail(err, MF_INVALID_ARGUMENT, "cannot prepare a statement: it is too long");
    }
    int rc = sqlite3_prepare_v3(db->handle, text.ptr, (int)text.len, keep ? SQLITE_PREPARE_PERSISTENT : 0,
                                &stmt->handle, NULL);
    if (rc == SQLITE_OK && !stmt->handle)
        rc = SQLITE_MISUSE; /* nothing but blanks */
    if (rc == SQLITE_OK)
        rc = find_places(stmt);
    if (rc != SQLITE_OK) {
        mf_sqlite_finalize(&stmt->base);
        return mf_sqlite_fail(db, rc, "prepare a statement", err);
    }
    *out = &stmt->base;
    return MF_OK;
}

void mf_sqlite_start(struct mf_stmt *stmt)
{
    sqlite_stmt(stmt)->bind_rc = SQLITE_OK;
}

void mf_sqlite_reset(struct mf_stmt *stmt)
{
    sqlite3_reset(sqlite_stmt(stmt)->handle);
    sqlite3_clear_bindings(sqlite_stmt(stmt)->handle);
}

const char *mf_sqlite_text(struct mf_stmt *stmt)
{
    return sqlite3_sql(sqlite_stmt(stmt)->handle);
}

/* 0, which the driver refuses, for one that is not in the statement. */
static int place(const struct mf_sqlite_stmt *stmt, int number)
{
    if (number < 1 || number > stmt->place_count)
        return 0;
    return stmt->places ? stmt->places[number - 1] : number;
}

static void bound(struct mf_sqlite_stmt *stmt, int rc)
{
    if (stmt->bind_rc == SQLITE_OK)
        stmt->bind_rc = rc;
}

void mf_sqlite_bind_int(struct mf_stmt *base, int index, int64_t value)
{
    struct mf_sqlite_stmt *stmt = sqlite_stmt(base);
    bound(stmt, sqlite3_bind_int64(stmt->handle, place(stmt, index), value));
}

void mf_sqlite_bind_real(struct mf_stmt *base, int index, double value)
{
    struct mf_sqlite_stmt *stmt = sqlite_stmt(base);
    bound(stmt, sqlite3_bind_double(stmt->handle, place(stmt, index), value));
}

void mf_sqlite_bind_text(struct mf_stmt *base, int index, struct mf_str value)
{
    struct mf_sqlite_stmt *stmt = sqlite_stmt(base);
    bound(stmt, sqlite3_bind_text64(stmt->handle, place(stmt, index), value.len > 0 ? value.ptr : "",
                                    value.len, SQLITE_STATIC, SQLITE_UTF8));
}

void mf_sqlite_bind_blob(struct mf_stmt *base, int index, struct mf_str value)
{
    struct mf_sqlite_stmt *stmt = sqlite_stmt(base);
    bound(stmt, sqlite3_bind_blob64(stmt->handle, place(stmt, index), value.len > 0 ? value.ptr : "",
                                    value.len, SQLITE_STATIC));
}

void mf_sqlite_bind_null(struct mf_stmt *base, int index)
{
    struct mf_sqlite_stmt *stmt = sqlite_stmt(base);
    bound(stmt, sqlite3_bind_null(stmt->handle, place(stmt, index)));
}

enum mf_code mf_sqlite_step(struct mf_stmt *base, bool *row, struct mf_error *err)
{
    struct mf_sqlite_stmt *stmt = sqlite_stmt(base);
    struct mf_sqlite *db = mf_sqlite_of(base->db);
    int rc = stmt->bind_rc;
    if (rc != SQLITE_OK)
        return mf_sqlite_fail(db, rc, "bind a parameter", err);
    rc = sqlite3_step(stmt->handle);
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
        *row = rc == SQLITE_ROW;
        return MF_OK;
    }
    return mf_sqlite_fail(db, rc, sqlite3_stmt_readonly(stmt->handle) ? "read" : "write", err);
}

int64_t mf_sqlite_changed(struct mf_stmt *stmt)
{
    if (sqlite3_stmt_readonly(sqlite_stmt(stmt)->handle))
        return 0;
    return sqlite3_changes64(mf_sqlite_of(stmt->db)->handle);
}

int64_t mf_sqlite_col_int(struct mf_stmt *stmt, int index)
{
    return sqlite3_column_int64(sqlite_stmt(stmt)->handle, index);
}

double mf_sqlite_col_real(struct mf_stmt *stmt, int index)
{
    return sqlite3_column_double(sqlite_stmt(stmt)->handle, index);
}

struct mf_str mf_sqlite_col_str(struct mf_stmt *base, int index)
{
    struct mf_sqlite_stmt *stmt = sqlite_stmt(base);
    /* As a blob a text is read as it is, and nothing else than a text or a blob is stored in such a column.
     */
    const void *bytes = sqlite3_column_blob(stmt->handle, index);
    int len = sqlite3_column_bytes(stmt->handle, index);
    return bytes && len > 0 ? mf_str_make(bytes, (size_t)len) : MF_STR_EMPTY;
}

bool mf_sqlite_col_is_null(struct mf_stmt *stmt, int index)
{
    return sqlite3_column_type(sqlite_stmt(stmt)->handle, index) == SQLITE_NULL;
}
