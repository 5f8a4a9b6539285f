/*
 * The object table, and the tables of multipart uploads in progress. Who may call what: as in
 * store/project.h. Only the objects module uses them: it owns the files that the rows name.
 */
#ifndef MF_STORE_OBJECT_H
#define MF_STORE_OBJECT_H

#include "store/db.h"

struct mf_object_row {
    struct mf_str bucket, name;
    int64_t size;
    struct mf_str etag; /* without quotes */
    struct mf_str md5;  /* 16 bytes; empty when the object was put together from parts */
    struct mf_str content_type;
    struct mf_str meta;
    struct mf_str body; /* empty when file is not; not read by lists */
    struct mf_str file;
    int64_t created_at;
};

/* Inserts or replaces. */
enum mf_code mf_object_row_put(struct mf_db *db, const struct mf_object_row *row,
                               struct mf_error *err) MF_CHECK_RESULT;
/* MF_NOT_FOUND: "object not found: s3://bucket/name". without_body leaves out body. */
enum mf_code mf_object_row_get(struct mf_db *db, struct mf_arena *arena, struct mf_str bucket,
                               struct mf_str name, bool without_body, struct mf_object_row *out,
                               struct mf_error *err) MF_CHECK_RESULT;
/* Whether there is one, and the file of its body (empty when the body is in the row). */
enum mf_code mf_object_row_file(struct mf_db *db, struct mf_arena *arena, struct mf_str bucket,
                                struct mf_str name, bool *exists, struct mf_str *file,
                                struct mf_error *err) MF_CHECK_RESULT;
/* Nothing to delete is fine. */
enum mf_code mf_object_row_delete(struct mf_db *db, struct mf_str bucket, struct mf_str name,
                                  struct mf_error *err) MF_CHECK_RESULT;
/* Objects whose name is at or after from, in byte order of their names. visit returns false to stop; the row
 * is valid during the visit only. */
enum mf_code mf_object_row_list(struct mf_db *db, struct mf_str bucket, struct mf_str from, size_t limit,
                                bool (*visit)(void *ctx, const struct mf_object_row *row), void *ctx,
                                struct mf_error *err) MF_CHECK_RESULT;
/* Is there a row, of an object or of a part, that names this file? */
enum mf_code mf_object_file_used(struct mf_db *db, struct mf_str file, bool *used,
                                 struct mf_error *err) MF_CHECK_RESULT;

struct mf_upload_row {
    struct mf_str id, bucket, name, content_type, meta;
    int64_t created_at;
};

enum mf_code mf_upload_insert(struct mf_db *db, const struct mf_upload_row *row,
                              struct mf_error *err) MF_CHECK_RESULT;
/* MF_NOT_FOUND: also when the upload is one of another object. */
enum mf_code mf_upload_get(struct mf_db *db, struct mf_arena *arena, struct mf_str id, struct mf_str bucket,
                           struct mf_str name, struct mf_upload_row *out,
                           struct mf_error *err) MF_CHECK_RESULT;
/* With its parts; nothing to delete is fine. */
enum mf_code mf_upload_delete(struct mf_db *db, struct mf_str id, struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_upload_count(struct mf_db *db, int64_t *count, struct mf_error *err) MF_CHECK_RESULT;
/* The id of some upload begun before that instant; empty when there is none. */
enum mf_code mf_upload_older(struct mf_db *db, struct mf_arena *arena, int64_t before, struct mf_str *id,
                             struct mf_error *err) MF_CHECK_RESULT;

struct mf_part_row {
    struct mf_str upload_id;
    int32_t number; /* 1 to 10000 */
    int64_t size;
    struct mf_str md5;
    struct mf_str file;
    int64_t created_at;
};

/* Inserts or replaces. */
enum mf_code mf_part_put(struct mf_db *db, const struct mf_part_row *row,
                         struct mf_error *err) MF_CHECK_RESULT;
/* The file of a part; empty when there is none of that number. */
enum mf_code mf_part_file(struct mf_db *db, struct mf_arena *arena, struct mf_str upload_id, int32_t number,
                          struct mf_str *file, struct mf_error *err) MF_CHECK_RESULT;
/* Parts above that number, in order; the rows live in the arena. */
enum mf_code mf_part_list(struct mf_db *db, struct mf_arena *arena, struct mf_str upload_id, int32_t after,
                          size_t limit, bool (*visit)(void *ctx, const struct mf_part_row *row), void *ctx,
                          struct mf_error *err) MF_CHECK_RESULT;

#endif
