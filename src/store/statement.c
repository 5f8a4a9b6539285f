#include "store/sqlite.h"

#include <stdlib.h>

#define RECENT_MAX 32
#define FIRST_SLOTS 64

static void finalize(struct mf_stmt *stmt)
{
    sqlite3_finalize(stmt->handle);
    free(stmt->places);
    free(stmt);
}

void mf_sqlite_drop_statements(struct mf_db *db)
{
    struct mf_link *link;
    for (size_t i = 0; i < db->fixed_cap; i++) {
        if (db->fixed[i])
            finalize(db->fixed[i]);
    }
    free(db->fixed);
    while ((link = mf_list_pop(&db->recent)) != NULL)
        finalize(MF_CONTAINER(link, struct mf_stmt, recent));
}

/* Fills stmt->places. Numbers run without a gap, so the largest one is their count. */
static int find_places(struct mf_stmt *stmt)
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

static enum mf_code prepare(struct mf_db *db, struct mf_str text, bool keep, struct mf_stmt **out,
                            struct mf_error *err)
{
    struct mf_stmt *stmt = calloc(1, sizeof *stmt);
    if (!stmt)
        return mf_fail_memory(err);
    if (text.len > INT32_MAX) {
        free(stmt);
        return mf_fail(err, MF_INVALID_ARGUMENT, "cannot prepare a statement: it is too long");
    }
    stmt->db = db;
    stmt->kept = keep;
    int rc = sqlite3_prepare_v3(db->handle, text.ptr, (int)text.len, keep ? SQLITE_PREPARE_PERSISTENT : 0,
                                &stmt->handle, NULL);
    if (rc == SQLITE_OK && !stmt->handle)
        rc = SQLITE_MISUSE; /* nothing but blanks */
    if (rc == SQLITE_OK)
        rc = find_places(stmt);
    if (rc != SQLITE_OK) {
        finalize(stmt);
        return mf_sqlite_fail(db, rc, "prepare a statement", err);
    }
    *out = stmt;
    return MF_OK;
}

static struct mf_stmt *take(struct mf_stmt *stmt)
{
    stmt->in_use = true;
    stmt->bind_rc = SQLITE_OK;
    mf_list_push(&stmt->db->open, &stmt->used);
    return stmt;
}

static size_t slot_of(struct mf_stmt *const *slots, size_t cap, const struct mf_sql *sql)
{
    size_t i = (size_t)(((uint64_t)(uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (cap - 1);
    while (slots[i] && slots[i]->sql != sql)
        i = (i + 1) & (cap - 1);
    return i;
}

static bool grow(struct mf_db *db)
{
    size_t cap = db->fixed_cap > 0 ? db->fixed_cap * 2 : FIRST_SLOTS;
    if (db->fixed_count * 2 < db->fixed_cap)
        return true;
    struct mf_stmt **slots = calloc(cap, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < db->fixed_cap; i++) {
        if (db->fixed[i])
            slots[slot_of(slots, cap, db->fixed[i]->sql)] = db->fixed[i];
    }
    free(db->fixed);
    db->fixed = slots;
    db->fixed_cap = cap;
    return true;
}

enum mf_code mf_db_query(struct mf_db *db, const struct mf_sql *sql, struct mf_stmt **out,
                         struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    *out = NULL;
    if (!grow(db))
        return mf_fail_memory(err);
    size_t slot = slot_of(db->fixed, db->fixed_cap, sql);
    bool busy = db->fixed[slot] && db->fixed[slot]->in_use; /* used inside a walk over itself */
    if (db->fixed[slot] && !busy) {
        *out = take(db->fixed[slot]);
        return MF_OK;
    }
    enum mf_code code = prepare(db, mf_str_from_c(sql->text), !busy, &stmt, err);
    if (code != MF_OK)
        return code;
    if (!busy) {
        stmt->sql = sql;
        db->fixed[slot] = stmt;
        db->fixed_count++;
    }
    *out = take(stmt);
    return MF_OK;
}

static uint64_t hash_text(struct mf_str text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static struct mf_stmt *find_recent(struct mf_db *db, struct mf_str text, uint64_t hash)
{
    for (struct mf_link *link = mf_list_first(&db->recent); link; link = mf_list_next(&db->recent, link)) {
        struct mf_stmt *stmt = MF_CONTAINER(link, struct mf_stmt, recent);
        if (!stmt->in_use && stmt->hash == hash && mf_str_eq_c(text, sqlite3_sql(stmt->handle)))
            return stmt;
    }
    return NULL;
}

static void evict(struct mf_db *db)
{
    struct mf_link *link = db->recent.head.prev;
    while (db->recent.count >= RECENT_MAX && link != &db->recent.head) {
        struct mf_stmt *stmt = MF_CONTAINER(link, struct mf_stmt, recent);
        link = link->prev;
        if (stmt->in_use)
            continue;
        mf_list_remove(&db->recent, &stmt->recent);
        finalize(stmt);
    }
}

static void put_first(struct mf_list *list, struct mf_link *link)
{
    link->prev = &list->head;
    link->next = list->head.next;
    list->head.next->prev = link;
    list->head.next = link;
    list->count++;
}

enum mf_code mf_db_query_text(struct mf_db *db, struct mf_str text, struct mf_stmt **out,
                              struct mf_error *err)
{
    uint64_t hash = hash_text(text);
    struct mf_stmt *stmt = find_recent(db, text, hash);
    *out = NULL;
    if (stmt) {
        mf_list_remove(&db->recent, &stmt->recent);
    } else {
        evict(db);
        bool keep = db->recent.count < RECENT_MAX; /* not so when all of them are in use */
        enum mf_code code = prepare(db, text, keep, &stmt, err);
        if (code != MF_OK)
            return code;
        stmt->hash = hash;
    }
    if (stmt->kept)
        put_first(&db->recent, &stmt->recent);
    *out = take(stmt);
    return MF_OK;
}

void mf_stmt_done(struct mf_stmt *stmt)
{
    if (!stmt)
        return;
    mf_list_remove(&stmt->db->open, &stmt->used);
    stmt->in_use = false;
    if (!stmt->kept) {
        finalize(stmt);
        return;
    }
    sqlite3_reset(stmt->handle);
    sqlite3_clear_bindings(stmt->handle); /* they point to memory of the caller's */
}

/* 0, which the driver refuses, for one that is not in the statement. */
static int place(const struct mf_stmt *stmt, int number)
{
    if (number < 1 || number > stmt->place_count)
        return 0;
    return stmt->places ? stmt->places[number - 1] : number;
}

static void bound(struct mf_stmt *stmt, int rc)
{
    if (stmt->bind_rc == SQLITE_OK)
        stmt->bind_rc = rc;
}

void mf_bind_int(struct mf_stmt *stmt, int index, int64_t value)
{
    bound(stmt, sqlite3_bind_int64(stmt->handle, place(stmt, index), value));
}

void mf_bind_real(struct mf_stmt *stmt, int index, double value)
{
    bound(stmt, sqlite3_bind_double(stmt->handle, place(stmt, index), value));
}

void mf_bind_text(struct mf_stmt *stmt, int index, struct mf_str value)
{
    bound(stmt, sqlite3_bind_text64(stmt->handle, place(stmt, index), value.len > 0 ? value.ptr : "",
                                    value.len, SQLITE_STATIC, SQLITE_UTF8));
}

void mf_bind_blob(struct mf_stmt *stmt, int index, struct mf_str value)
{
    bound(stmt, sqlite3_bind_blob64(stmt->handle, place(stmt, index), value.len > 0 ? value.ptr : "",
                                    value.len, SQLITE_STATIC));
}

void mf_bind_null(struct mf_stmt *stmt, int index)
{
    bound(stmt, sqlite3_bind_null(stmt->handle, place(stmt, index)));
}

enum mf_code mf_stmt_step(struct mf_stmt *stmt, bool *row, struct mf_error *err)
{
    *row = false;
    int rc = stmt->bind_rc;
    if (rc != SQLITE_OK)
        return mf_sqlite_fail(stmt->db, rc, "bind a parameter", err);
    rc = sqlite3_step(stmt->handle);
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
        *row = rc == SQLITE_ROW;
        return MF_OK;
    }
    return mf_sqlite_fail(stmt->db, rc, sqlite3_stmt_readonly(stmt->handle) ? "read" : "write", err);
}

enum mf_code mf_stmt_run(struct mf_stmt *stmt, int64_t *changed, struct mf_error *err)
{
    bool row = true;
    enum mf_code code = MF_OK;
    while (code == MF_OK && row)
        code = mf_stmt_step(stmt, &row, err);
    if (changed)
        *changed =
            code == MF_OK && !sqlite3_stmt_readonly(stmt->handle) ? sqlite3_changes64(stmt->db->handle) : 0;
    return code;
}

int64_t mf_col_int(struct mf_stmt *stmt, int index)
{
    return sqlite3_column_int64(stmt->handle, index);
}

double mf_col_real(struct mf_stmt *stmt, int index)
{
    return sqlite3_column_double(stmt->handle, index);
}

struct mf_str mf_col_str(struct mf_stmt *stmt, int index)
{
    /* As a blob a text is read as it is, and nothing else than a text or a blob is stored in such a column.
     */
    const void *bytes = sqlite3_column_blob(stmt->handle, index);
    int len = sqlite3_column_bytes(stmt->handle, index);
    return bytes && len > 0 ? mf_str_make(bytes, (size_t)len) : MF_STR_EMPTY;
}

bool mf_col_is_null(struct mf_stmt *stmt, int index)
{
    return sqlite3_column_type(stmt->handle, index) == SQLITE_NULL;
}

struct mf_str mf_col_copy(struct mf_stmt *stmt, int index, struct mf_arena *arena, bool *failed)
{
    struct mf_str value = mf_col_str(stmt, index);
    if (value.len == 0)
        return value;
    struct mf_str copy = mf_str_copy(arena, value);
    if (!copy.ptr)
        *failed = true;
    return copy;
}
