#include "store/object.h"

#define KEY "bucket = $1 AND name = $2"
#define PLAIN "size, etag, md5, content_type, meta, file, created_at"
MF_SQL(sql_put,
       "INSERT INTO object (bucket, name, " PLAIN ", body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
       "ON CONFLICT (bucket, name) DO UPDATE SET size = excluded.size, etag = excluded.etag, "
       "md5 = excluded.md5, content_type = excluded.content_type, meta = excluded.meta, "
       "file = excluded.file, created_at = excluded.created_at, body = excluded.body");
MF_SQL(sql_get, "SELECT " PLAIN ", body FROM object WHERE " KEY);
MF_SQL(sql_get_plain, "SELECT " PLAIN " FROM object WHERE " KEY);
MF_SQL(sql_file, "SELECT file FROM object WHERE " KEY);
MF_SQL(sql_delete, "DELETE FROM object WHERE " KEY);
MF_SQL(sql_list, "SELECT name, size, etag, created_at FROM object WHERE bucket = $1 AND name >= $2 "
                 "ORDER BY name LIMIT $3");
MF_SQL(sql_used, "SELECT 1 FROM object WHERE file = $1 AND file <> '' "
                 "UNION ALL SELECT 1 FROM object_part WHERE file = $2 LIMIT 1");

MF_SQL(sql_upload_insert, "INSERT INTO object_upload (id, bucket, name, content_type, meta, created_at) "
                          "VALUES ($1, $2, $3, $4, $5, $6)");
MF_SQL(sql_upload_get, "SELECT content_type, meta, created_at FROM object_upload "
                       "WHERE id = $1 AND bucket = $2 AND name = $3");
MF_SQL(sql_upload_delete, "DELETE FROM object_upload WHERE id = $1");
MF_SQL(sql_upload_count, "SELECT count(*) FROM object_upload");
MF_SQL(sql_upload_older, "SELECT id FROM object_upload WHERE created_at < $1 ORDER BY created_at LIMIT 1");
MF_SQL(sql_parts_delete, "DELETE FROM object_part WHERE upload_id = $1");
MF_SQL(sql_part_put,
       "INSERT INTO object_part (upload_id, number, size, md5, file, created_at) "
       "VALUES ($1, $2, $3, $4, $5, $6) "
       "ON CONFLICT (upload_id, number) DO UPDATE SET size = excluded.size, md5 = excluded.md5, "
       "file = excluded.file, created_at = excluded.created_at");
MF_SQL(sql_part_file, "SELECT file FROM object_part WHERE upload_id = $1 AND number = $2");
MF_SQL(sql_part_list, "SELECT number, size, md5, file, created_at FROM object_part "
                      "WHERE upload_id = $1 AND number > $2 ORDER BY number LIMIT $3");

static enum mf_code run(struct mf_stmt *stmt, struct mf_error *err)
{
    enum mf_code code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_object_row_put(struct mf_db *db, const struct mf_object_row *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_put, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, row->bucket);
    mf_bind_text(stmt, 2, row->name);
    mf_bind_int(stmt, 3, row->size);
    mf_bind_text(stmt, 4, row->etag);
    mf_bind_blob(stmt, 5, row->md5);
    mf_bind_text(stmt, 6, row->content_type);
    mf_bind_blob(stmt, 7, row->meta);
    mf_bind_text(stmt, 8, row->file);
    mf_bind_int(stmt, 9, row->created_at);
    mf_bind_blob(stmt, 10, row->body);
    return run(stmt, err);
}

enum mf_code mf_object_row_get(struct mf_db *db, struct mf_arena *arena, struct mf_str bucket,
                               struct mf_str name, bool without_body, struct mf_object_row *out,
                               struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    bool failed = false;
    enum mf_code code = mf_db_query(db, without_body ? &sql_get_plain : &sql_get, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, bucket);
    mf_bind_text(stmt, 2, name);
    code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK && !row) {
        code = mf_fail(err, MF_NOT_FOUND, "object not found: s3://%.*s/%.*s", MF_FMT(bucket), MF_FMT(name));
    } else if (code == MF_OK) {
        *out = (struct mf_object_row){
            .bucket = bucket,
            .name = name,
            .size = mf_col_int(stmt, 0),
            .etag = mf_col_copy(stmt, 1, arena, &failed),
            .md5 = mf_col_copy(stmt, 2, arena, &failed),
            .content_type = mf_col_copy(stmt, 3, arena, &failed),
            .meta = mf_col_copy(stmt, 4, arena, &failed),
            .file = mf_col_copy(stmt, 5, arena, &failed),
            .created_at = mf_col_int(stmt, 6),
            .body = without_body ? MF_STR_EMPTY : mf_col_copy(stmt, 7, arena, &failed),
        };
        if (failed)
            code = mf_fail_memory(err);
    }
    mf_stmt_done(stmt);
    return code;
}

/* The one text column of the first row; *exists (may be NULL) tells whether there was a row. */
static enum mf_code one_text(struct mf_stmt *stmt, struct mf_arena *arena, bool *exists, struct mf_str *text,
                             struct mf_error *err)
{
    bool row = false;
    bool failed = false;
    enum mf_code code = mf_stmt_step(stmt, &row, err);
    *text = MF_STR_EMPTY;
    if (code == MF_OK && row)
        *text = mf_col_copy(stmt, 0, arena, &failed);
    if (failed)
        code = mf_fail_memory(err);
    if (exists)
        *exists = row;
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_object_row_file(struct mf_db *db, struct mf_arena *arena, struct mf_str bucket,
                                struct mf_str name, bool *exists, struct mf_str *file, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_file, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, bucket);
    mf_bind_text(stmt, 2, name);
    return one_text(stmt, arena, exists, file, err);
}

enum mf_code mf_object_row_delete(struct mf_db *db, struct mf_str bucket, struct mf_str name,
                                  struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_delete, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, bucket);
    mf_bind_text(stmt, 2, name);
    return run(stmt, err);
}

enum mf_code mf_object_row_list(struct mf_db *db, struct mf_str bucket, struct mf_str from, size_t limit,
                                bool (*visit)(void *ctx, const struct mf_object_row *row), void *ctx,
                                struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    enum mf_code code = mf_db_query(db, &sql_list, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, bucket);
    mf_bind_text(stmt, 2, from);
    mf_bind_int(stmt, 3, (int64_t)limit);
    while ((code = mf_stmt_step(stmt, &row, err)) == MF_OK && row) {
        const struct mf_object_row object = {
            .bucket = bucket,
            .name = mf_col_str(stmt, 0),
            .size = mf_col_int(stmt, 1),
            .etag = mf_col_str(stmt, 2),
            .created_at = mf_col_int(stmt, 3),
        };
        if (!visit(ctx, &object))
            break;
    }
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_object_file_used(struct mf_db *db, struct mf_str file, bool *used, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_used, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, file);
    mf_bind_text(stmt, 2, file);
    code = mf_stmt_step(stmt, used, err);
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_upload_insert(struct mf_db *db, const struct mf_upload_row *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_upload_insert, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, row->id);
    mf_bind_text(stmt, 2, row->bucket);
    mf_bind_text(stmt, 3, row->name);
    mf_bind_text(stmt, 4, row->content_type);
    mf_bind_blob(stmt, 5, row->meta);
    mf_bind_int(stmt, 6, row->created_at);
    return run(stmt, err);
}

enum mf_code mf_upload_get(struct mf_db *db, struct mf_arena *arena, struct mf_str id, struct mf_str bucket,
                           struct mf_str name, struct mf_upload_row *out, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    bool failed = false;
    enum mf_code code = mf_db_query(db, &sql_upload_get, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, id);
    mf_bind_text(stmt, 2, bucket);
    mf_bind_text(stmt, 3, name);
    code = mf_stmt_step(stmt, &row, err);
    if (code == MF_OK && !row) {
        code = mf_fail(err, MF_NOT_FOUND, "upload not found: it was completed or aborted, or never begun");
    } else if (code == MF_OK) {
        *out = (struct mf_upload_row){
            .id = id,
            .bucket = bucket,
            .name = name,
            .content_type = mf_col_copy(stmt, 0, arena, &failed),
            .meta = mf_col_copy(stmt, 1, arena, &failed),
            .created_at = mf_col_int(stmt, 2),
        };
        if (failed)
            code = mf_fail_memory(err);
    }
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_upload_delete(struct mf_db *db, struct mf_str id, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_parts_delete, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, id);
    code = run(stmt, err);
    if (code == MF_OK)
        code = mf_db_query(db, &sql_upload_delete, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, id);
    return run(stmt, err);
}

enum mf_code mf_upload_count(struct mf_db *db, int64_t *count, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    enum mf_code code = mf_db_query(db, &sql_upload_count, &stmt, err);
    if (code != MF_OK)
        return code;
    code = mf_stmt_step(stmt, &row, err);
    *count = code == MF_OK && row ? mf_col_int(stmt, 0) : 0;
    mf_stmt_done(stmt);
    return code;
}

enum mf_code mf_upload_older(struct mf_db *db, struct mf_arena *arena, int64_t before, struct mf_str *id,
                             struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_upload_older, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_int(stmt, 1, before);
    return one_text(stmt, arena, NULL, id, err);
}

enum mf_code mf_part_put(struct mf_db *db, const struct mf_part_row *row, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_part_put, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, row->upload_id);
    mf_bind_int(stmt, 2, row->number);
    mf_bind_int(stmt, 3, row->size);
    mf_bind_blob(stmt, 4, row->md5);
    mf_bind_text(stmt, 5, row->file);
    mf_bind_int(stmt, 6, row->created_at);
    return run(stmt, err);
}

enum mf_code mf_part_file(struct mf_db *db, struct mf_arena *arena, struct mf_str upload_id, int32_t number,
                          struct mf_str *file, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query(db, &sql_part_file, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, upload_id);
    mf_bind_int(stmt, 2, number);
    return one_text(stmt, arena, NULL, file, err);
}

enum mf_code mf_part_list(struct mf_db *db, struct mf_arena *arena, struct mf_str upload_id, int32_t after,
                          size_t limit, bool (*visit)(void *ctx, const struct mf_part_row *row), void *ctx,
                          struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    bool failed = false;
    enum mf_code code = mf_db_query(db, &sql_part_list, &stmt, err);
    if (code != MF_OK)
        return code;
    mf_bind_text(stmt, 1, upload_id);
    mf_bind_int(stmt, 2, after);
    mf_bind_int(stmt, 3, (int64_t)limit);
    while ((code = mf_stmt_step(stmt, &row, err)) == MF_OK && row) {
        const struct mf_part_row part = {
            .upload_id = upload_id,
            .number = (int32_t)mf_col_int(stmt, 0),
            .size = mf_col_int(stmt, 1),
            .md5 = mf_col_copy(stmt, 2, arena, &failed),
            .file = mf_col_copy(stmt, 3, arena, &failed),
            .created_at = mf_col_int(stmt, 4),
        };
        if (failed)
            code = mf_fail_memory(err);
        if (failed || !visit(ctx, &part))
            break;
    }
    mf_stmt_done(stmt);
    return code;
}
