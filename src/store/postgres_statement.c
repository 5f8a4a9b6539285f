#include "store/postgres.h"

#include <endian.h>
#include <stdlib.h>

#define PARAMS_MAX 65535 /* the protocol counts them in 16 bits */
#define NUMERIC_BASE 10000
#define TRIES_MAX 3 /* on a new connection each */

static struct mf_postgres_stmt *postgres_stmt(struct mf_stmt *stmt)
{
    return MF_CONTAINER(stmt, struct mf_postgres_stmt, base);
}

/* ---- life ---- */

/* The server learns of the statement when it is sent for the first time: only then the types are known. */
enum mf_code mf_postgres_prepare(struct mf_db *db, struct mf_str text, bool keep, struct mf_stmt **out,
                                 struct mf_error *err)
{
    struct mf_postgres_stmt *stmt = calloc(1, sizeof *stmt);
    (void)db;
    (void)keep;
    if (stmt)
        stmt->text = malloc(text.len + 1);
    if (!stmt || !stmt->text) {
        free(stmt);
        return mf_fail_memory(err);
    }
    memcpy(stmt->text, text.ptr, text.len);
    stmt->text[text.len] = '\0';
    *out = &stmt->base;
    return MF_OK;
}

void mf_postgres_finalize(struct mf_stmt *base)
{
    struct mf_postgres_stmt *stmt = postgres_stmt(base);
    if (base->db)
        mf_postgres_forget(mf_postgres_of(base->db), stmt);
    if (stmt->result)
        mf_pq.clear(stmt->result);
    free(stmt->text);
    free(stmt->types);
    free(stmt->params);
    free(stmt);
}

void mf_postgres_start(struct mf_stmt *base)
{
    struct mf_postgres_stmt *stmt = postgres_stmt(base);
    stmt->bind_failed = stmt->sent = false;
    stmt->row = -1;
    stmt->row_count = 0;
}

void mf_postgres_reset(struct mf_stmt *base)
{
    struct mf_postgres_stmt *stmt = postgres_stmt(base);
    if (stmt->result)
        mf_pq.clear(stmt->result);
    stmt->result = NULL;
    stmt->row_count = 0;
    for (int i = 0; i < stmt->param_count; i++)
        stmt->params[i] = (struct mf_postgres_param){.is_null = true};
}

const char *mf_postgres_text(struct mf_stmt *stmt)
{
    return postgres_stmt(stmt)->text;
}

/* ---- parameters ---- */

static bool grow(struct mf_postgres_stmt *stmt, int count)
{
    int cap = stmt->param_cap > 0 ? stmt->param_cap : 8;
    while (cap < count)
        cap *= 2;
    if (cap > stmt->param_cap) {
        struct mf_postgres_param *params = realloc(stmt->params, (size_t)cap * sizeof *params);
        if (params)
            stmt->params = params;
        Oid *types = params ? realloc(stmt->types, (size_t)cap * sizeof *types) : NULL;
        if (!types)
            return false;
        stmt->types = types;
        stmt->param_cap = cap;
    }
    for (int i = stmt->param_count; i < count; i++) {
        stmt->params[i] = (struct mf_postgres_param){.is_null = true};
        stmt->types[i] = MF_PG_ANY;
    }
    if (count > stmt->param_count)
        stmt->prepared = 0;
    stmt->param_count = count;
    return true;
}

static void bind(struct mf_stmt *base, int index, struct mf_postgres_param param)
{
    struct mf_postgres_stmt *stmt = postgres_stmt(base);
    bool fits = index >= 1 && index <= PARAMS_MAX && param.bytes.len <= INT32_MAX;
    if (!fits || (index > stmt->param_count && !grow(stmt, index))) {
        stmt->bind_failed = true;
        return;
    }
    stmt->params[index - 1] = param;
}

void mf_postgres_bind_int(struct mf_stmt *stmt, int index, int64_t value)
{
    bind(stmt, index, (struct mf_postgres_param){.type = MF_PG_INT8, .number = htobe64((uint64_t)value)});
}

void mf_postgres_bind_real(struct mf_stmt *stmt, int index, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bind(stmt, index, (struct mf_postgres_param){.type = MF_PG_REAL8, .number = htobe64(bits)});
}

void mf_postgres_bind_text(struct mf_stmt *stmt, int index, struct mf_str value)
{
    bind(stmt, index, (struct mf_postgres_param){.type = MF_PG_TEXT, .bytes = value});
}

void mf_postgres_bind_blob(struct mf_stmt *stmt, int index, struct mf_str value)
{
    bind(stmt, index, (struct mf_postgres_param){.type = MF_PG_BYTES, .bytes = value});
}

void mf_postgres_bind_null(struct mf_stmt *stmt, int index)
{
    bind(stmt, index, (struct mf_postgres_param){.is_null = true});
}

/* ---- running ---- */

static const char *what_of(const struct mf_postgres *db)
{
    return db->base.role == MF_DB_READER ? "read" : "read or write";
}

static enum mf_code run(struct mf_postgres *db, struct mf_postgres_stmt *stmt, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        code = mf_postgres_send(db, stmt, what_of(db), err);
        if (code == MF_OK)
            code = mf_postgres_drain(db, stmt, err);
        if (code == MF_OK || !mf_postgres_recover(db))
            break;
    }
    if (db->view == MF_PG_FRESH_VIEW)
        db->view = MF_PG_USED_VIEW;
    stmt->sent = code == MF_OK;
    if (code == MF_OK && stmt->result)
        stmt->row_count = mf_pq.ntuples(stmt->result);
    return code;
}

enum mf_code mf_postgres_step(struct mf_stmt *base, bool *row, struct mf_error *err)
{
    struct mf_postgres_stmt *stmt = postgres_stmt(base);
    struct mf_postgres *db = mf_postgres_of(base->db);
    enum mf_code code = MF_OK;
    if (stmt->bind_failed)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "cannot bind a parameter: its value or their number is too large");
    if (!stmt->sent)
        code = run(db, stmt, err);
    if (code != MF_OK)
        return code;
    if (stmt->row < stmt->row_count)
        stmt->row++;
    *row = stmt->row < stmt->row_count;
    return MF_OK;
}

bool mf_postgres_run_later(struct mf_stmt *base, enum mf_code *code, struct mf_error *err)
{
    struct mf_postgres_stmt *stmt = postgres_stmt(base);
    struct mf_postgres *db = mf_postgres_of(base->db);
    if (!db->in_transaction || db->base.role != MF_DB_WRITER || stmt->bind_failed)
        return false;
    *code = mf_postgres_send(db, stmt, "write", err);
    db->has_unproven = true;
    return true;
}

int64_t mf_postgres_changed(struct mf_stmt *base)
{
    PGresult *result = postgres_stmt(base)->result;
    int64_t count = 0;
    if (!result || strncmp(mf_pq.cmdStatus(result), "SELECT", 6) == 0)
        return 0;
    return mf_str_to_i64(mf_str_from_c(mf_pq.cmdTuples(result)), &count) ? count : 0;
}

/* ---- columns ---- */

struct cell {
    enum mf_postgres_type type;
    const unsigned char *bytes; /* NULL: the column is NULL */
    int len;
};

static struct cell cell_of(struct mf_stmt *base, int index)
{
    const struct mf_postgres_stmt *stmt = postgres_stmt(base);
    bool there = stmt->result && stmt->row >= 0 && stmt->row < stmt->row_count && index >= 0 &&
                 index < mf_pq.nfields(stmt->result);
    if (!there || mf_pq.getisnull(stmt->result, stmt->row, index))
        return (struct cell){.type = MF_PG_ANY};
    return (struct cell){.type = (enum mf_postgres_type)mf_pq.ftype(stmt->result, index),
                         .bytes = (const unsigned char *)mf_pq.getvalue(stmt->result, stmt->row, index),
                         .len = mf_pq.getlength(stmt->result, stmt->row, index)};
}

static int64_t read_int(const unsigned char *bytes, int len)
{
    int64_t value = len > 0 && bytes[0] >= 0x80 ? -1 : 0;
    for (int i = 0; i < len; i++)
        value = (int64_t)((uint64_t)value << 8 | bytes[i]);
    return value;
}

/* Sums of large integers come as numeric: digits of base 10000 behind four numbers of 16 bits, which are
 * their count, the weight of the first, the sign, and the scale. */
static int64_t read_numeric(const unsigned char *bytes, int len)
{
    int64_t value = 0;
    int64_t count = len >= 8 ? read_int(bytes, 2) : 0;
    int64_t weight = len >= 8 ? read_int(bytes + 2, 2) : 0;
    bool negative = len >= 8 && bytes[4] == 0x40;
    for (int64_t i = 0; i <= weight; i++) {
        int64_t digit = i < count && 10 + 2 * i <= len ? read_int(bytes + 8 + 2 * i, 2) : 0;
        if (__builtin_mul_overflow(value, NUMERIC_BASE, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return negative ? INT64_MIN : INT64_MAX;
    }
    return negative ? -value : value;
}

static double read_real(struct cell cell)
{
    uint64_t bits = (uint64_t)read_int(cell.bytes, cell.len);
    double value;
    float narrow;
    uint32_t narrow_bits = (uint32_t)bits;
    memcpy(&value, &bits, sizeof value);
    memcpy(&narrow, &narrow_bits, sizeof narrow);
    return cell.type == MF_PG_REAL4 ? (double)narrow : value;
}

int64_t mf_postgres_col_int(struct mf_stmt *stmt, int index)
{
    struct cell cell = cell_of(stmt, index);
    if (!cell.bytes)
        return 0;
    switch (cell.type) {
    case MF_PG_BOOL:
        return cell.len > 0 && cell.bytes[0] != 0;
    case MF_PG_INT2:
    case MF_PG_INT4:
    case MF_PG_INT8:
        return read_int(cell.bytes, cell.len);
    case MF_PG_NUMERIC:
        return read_numeric(cell.bytes, cell.len);
    case MF_PG_REAL4:
    case MF_PG_REAL8:
        return (int64_t)read_real(cell);
    case MF_PG_ANY:
    case MF_PG_BYTES:
    case MF_PG_TEXT:
    default:
        return 0;
    }
}

double mf_postgres_col_real(struct mf_stmt *stmt, int index)
{
    struct cell cell = cell_of(stmt, index);
    if (cell.bytes && (cell.type == MF_PG_REAL4 || cell.type == MF_PG_REAL8))
        return read_real(cell);
    return (double)mf_postgres_col_int(stmt, index);
}

struct mf_str mf_postgres_col_str(struct mf_stmt *stmt, int index)
{
    struct cell cell = cell_of(stmt, index);
    return cell.bytes && cell.len > 0 ? mf_str_make((const char *)cell.bytes, (size_t)cell.len)
                                      : MF_STR_EMPTY;
}

bool mf_postgres_col_is_null(struct mf_stmt *stmt, int index)
{
    return !cell_of(stmt, index).bytes;
}
