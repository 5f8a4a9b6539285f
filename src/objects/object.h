/*
 * The object store: named byte strings in buckets, addressed by URI ("s3://bucket/name"). The embedded store
 * keeps the index and small bodies in the database and large bodies in files below the data directory; later
 * drivers (S3, GCS) fit behind the same functions.
 *
 * Functions block on disk; call them on worker threads or the executor's helpers, never on an I/O thread or
 * the writer (but for mf_object_put_tx, which is made for the writer).
 */
#ifndef MF_OBJECTS_OBJECT_H
#define MF_OBJECTS_OBJECT_H

#include "store/store.h"

struct mf_objects;

struct mf_objects_config {
    struct mf_store *store;
    const char *dir;      /* files of large bodies */
    struct mf_str bucket; /* the one bucket; created at first start */
    size_t inline_max;    /* bodies up to this live in the database; 0: 32 KiB */
    size_t object_max;    /* 0: 5 GiB */
    struct mf_str access_key,
        secret_key;         /* made at first start and kept in the data directory by the caller */
    struct mf_str endpoint; /* "http://127.0.0.1:8090": where clients and tasks reach the S3 endpoint */
};

enum mf_code mf_objects_open(const struct mf_objects_config *config, struct mf_objects **out,
                             struct mf_error *err);
void mf_objects_close(struct mf_objects *objects);
struct mf_str mf_objects_base(const struct mf_objects *objects); /* "s3://<bucket>" */

/* MF_NOT_FOUND when absent, MF_INVALID_ARGUMENT when the URI is not of this store, MF_RESOURCE_EXHAUSTED
 * above max. */
enum mf_code mf_object_read(struct mf_objects *objects, struct mf_arena *arena, struct mf_str uri, size_t max,
                            struct mf_str *out, struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_object_exists(struct mf_objects *objects, struct mf_str uri, bool *exists, int64_t *size,
                              struct mf_error *err) MF_CHECK_RESULT;
/* MD5 of the body, 16 bytes; empty when it was put together from parts. */
enum mf_code mf_object_md5(struct mf_objects *objects, struct mf_arena *arena, struct mf_str uri,
                           bool *exists, struct mf_str *md5, struct mf_error *err) MF_CHECK_RESULT;
/* Durable on return. Waits for the writer: not for RPC handlers (they use mf_object_put_async). */
enum mf_code mf_object_write(struct mf_objects *objects, struct mf_str uri, struct mf_str bytes,
                             struct mf_str content_type, struct mf_error *err) MF_CHECK_RESULT;
/* Durable when done is called, on the writer's thread. uri and bytes must stay until then. */
void mf_object_put_async(struct mf_objects *objects, struct mf_str uri, struct mf_str bytes,
                         struct mf_str content_type,
                         void (*done)(void *ctx, enum mf_code code, const struct mf_error *err), void *ctx);
/* Writes a body as part of the caller's transaction (bodies up to inline_max; larger ones are refused with
 * MF_RESOURCE_EXHAUSTED: write those before submitting the command). */
enum mf_code mf_object_put_tx(struct mf_objects *objects, struct mf_tx *tx, struct mf_str uri,
                              struct mf_str bytes, struct mf_str content_type,
                              struct mf_error *err) MF_CHECK_RESULT;
size_t mf_objects_inline_max(const struct mf_objects *objects);
size_t mf_objects_max(const struct mf_objects *objects); /* bytes of the largest object */

/* A signed URL (AWS signature version 4, query form) for one GET or PUT on the S3 endpoint. content_md5
 * (base64) may be empty; then any body is accepted. content_length <= 0: a body of any size. */
struct mf_presign {
    bool put;
    struct mf_str uri;
    struct mf_str host; /* of the URL; empty: that of the configured endpoint */
    int64_t expires_s;
    struct mf_str content_md5;
    int64_t content_length;
    const char *meta_name; /* further signed header, e.g. x-amz-meta-flytecontentmd5; may be NULL */
    struct mf_str meta_value;
};
enum mf_code mf_object_presign(struct mf_objects *objects, struct mf_arena *arena,
                               const struct mf_presign *request, struct mf_str *url,
                               struct mf_error *err) MF_CHECK_RESULT;

struct mf_rpc;
/* Serves the S3 endpoint on the RPC server's port (route "/<bucket>/" and "/<bucket>"). */
enum mf_code mf_objects_serve(struct mf_objects *objects, struct mf_rpc *rpc,
                              struct mf_error *err) MF_CHECK_RESULT;

#endif
