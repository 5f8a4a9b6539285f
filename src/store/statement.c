#include "store/db_engine.h"

#include <stdlib.h>

#define RECENT_MAX 32
#define FIRST_SLOTS 64

void mf_db_drop_statements(struct mf_db *db)
{
    struct mf_link *link;
    for (size_t i = 0; i < db->fixed_cap; i++) {
        if (db->fixed[i])
            db->engine->finalize(db->fixed[i]);
    }
    free(db->fixed);
    db->fixed = NULL;
    db->fixed_count = db->fixed_cap = 0;
    while ((link = mf_list_pop(&db->recent)) != NULL)
        db->engine->finalize(MF_CONTAINER(link, struct mf_stmt, recent));
}

static enum mf_code prepare(struct mf_db *db, struct mf_str text, bool keep, struct mf_stmt **out,
                            struct mf_error *err)
{
    enum mf_code code = db->engine->prepare(db, text, keep, out, err);
    if (code != MF_OK)
        return code;
    (*out)->db = db;
    (*out)->kept = keep;
    return MF_OK;
}

static struct mf_stmt *take(struct mf_stmt *stmt)
{
    stmt->in_use = true;
    stmt->db->engine->start(stmt);
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
        if (!stmt->in_use && stmt->hash == hash && mf_str_eq_c(text, db->engine->text(stmt)))
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
        db->engine->finalize(stmt);
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
        stmt->db->engine->finalize(stmt);
        return;
    }
    stmt->db->engine->reset(stmt);
}

void mf_bind_int(struct mf_stmt *stmt, int index, int64_t value)
{
    stmt->db->engine->bind_int(stmt, index, value);
}

void mf_bind_real(struct mf_stmt *stmt, int index, double value)
{
    stmt->db->engine->bind_real(stmt, index, value);
}

void mf_bind_text(struct mf_stmt *stmt, int index, struct mf_str value)
{
    stmt->db->engine->bind_text(stmt, index, value);
}

void mf_bind_blob(struct mf_stmt *stmt, int index, struct mf_str value)
{
    stmt->db->engine->bind_blob(stmt, index, value);
}

void mf_bind_null(struct mf_stmt *stmt, int index)
{
    stmt->db->engine->bind_null(stmt, index);
}

enum mf_code mf_stmt_step(struct mf_stmt *stmt, bool *row, struct mf_error *err)
{
    *row = false;
    return stmt->db->engine->step(stmt, row, err);
}

enum mf_code mf_stmt_run(struct mf_stmt *stmt, int64_t *changed, struct mf_error *err)
{
    bool row = true;
    enum mf_code code = MF_OK;
    const struct mf_db_engine *engine = stmt->db->engine;
    if (!changed && engine->run_later && engine->run_later(stmt, &code, err))
        return code;
    while (code == MF_OK && row)
        code = mf_stmt_step(stmt, &row, err);
    if (changed)
        *changed = code == MF_OK ? engine->changed(stmt) : 0;
    return code;
}

int64_t mf_col_int(struct mf_stmt *stmt, int index)
{
    return stmt->db->engine->col_int(stmt, index);
}

double mf_col_real(struct mf_stmt *stmt, int index)
{
    return stmt->db->engine->col_real(stmt, index);
}

struct mf_str mf_col_str(struct mf_stmt *stmt, int index)
{
    return stmt->db->engine->col_str(stmt, index);
}

bool mf_col_is_null(struct mf_stmt *stmt, int index)
{
    return stmt->db->engine->col_is_null(stmt, index);
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
