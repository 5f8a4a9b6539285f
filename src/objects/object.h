/*
 * The object store: named byte strings, addressed by URI ("s3://bucket/name"). The embedded store keeps the
 * index and small bodies in the database and large bodies in files below the data directory. With a bucket
 * elsewhere (S3, or what speaks its protocol) everything new goes there; the embedded store goes on answering
 * for what it holds.
 *
 * Functions block on disk or, with a bucket elsewhere, on the network, there with a deadline of half a
 * minute; while that bucket is known to be out of reach they fail at once. Of the workers one always stays
 * free of them. Call them on worker threads or the executor's helpers, never on an I/O thread or the writer
 * (but for mf_object_put_tx, which is made for the writer).
 */
#ifndef MF_OBJECTS_OBJECT_H
#define MF_OBJECTS_OBJECT_H

#include "store/store.h"

struct mf_objects;

/* A bucket elsewhere. Credentials are found as AWS's own tools find them (objects/credentials.h). */
struct mf_bucket_config {
    const char *url; /* "s3://bucket", "s3://bucket/folder", "gs://bucket/folder" */
    const char
        *endpoint;       /* "https://host:port" of the server; NULL or "": that of AWS, for gs:// of Google */
    const char *region;  /* NULL or "": AWS_REGION, AWS_DEFAULT_REGION, else us-east-1; for gs:// auto */
    const char *ca_file; /* PEM of the authorities that are trusted; NULL or "": the system's */
    enum mf_path_style { MF_PATH_STYLE_AUTO, MF_PATH_STYLE_ON, MF_PATH_STYLE_OFF } path_style;
    uint32_t readers; /* threads that may wait for an answer at once, RPC workers apart; 0: 64 */
    /* A variable of the environment, or NULL. */
    const char *(*variable)(void *ctx, const char *name);
    void *variable_ctx;
};

struct mf_objects_config {
    struct mf_store *store;
    const char *dir;                         /* files of large bodies */
    struct mf_str bucket;                    /* of the embedded store; created at first start */
    const struct mf_bucket_config *external; /* NULL: the embedded store is all there is */
    size_t inline_max;                       /* bodies up to this live in the database; 0: 32 KiB */
    size_t object_max;                       /* 0: 5 GiB */
    struct mf_str access_key,
        secret_key;         /* made at first start and kept in the data directory by the caller */
    struct mf_str endpoint; /* "http://127.0.0.1:8090": where clients and tasks reach the S3 endpoint */
};

/* Asks nobody. MF_INVALID_ARGUMENT says which key of the configuration is wrong. */
enum mf_code mf_objects_check(const struct mf_bucket_config *config, struct mf_error *err) MF_CHECK_RESULT;
/* With a bucket elsewhere this looks whether it can be written, and waits for that: MF_FAILED_PRECONDITION
 * with what to do when it cannot. */
enum mf_code mf_objects_open(const struct mf_objects_config *config, struct mf_objects **out,
                             struct mf_error *err);
void mf_objects_close(struct mf_objects *objects);
struct mf_str mf_objects_base(const struct mf_objects *objects); /* "s3://<bucket>", without "/" at the end */

/* MF_NOT_FOUND when absent, MF_INVALID_ARGUMENT when the URI is not of this store, MF_RESOURCE_EXHAUSTED
 * above max. */
enum mf_code mf_object_read(struct mf_objects *objects, struct mf_arena *arena, struct mf_str uri, size_t max,
                            struct mf_str *out, struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_object_exists(struct mf_objects *objects, struct mf_str uri, bool *exists, int64_t *size,
                              struct mf_error *err) MF_CHECK_RESULT;
/* MD5 of the body, 16 bytes; empty when it was put together from parts. */
enum mf_code mf_object_md5(struct mf_objects *objects, struct mf_arena *arena, struct mf_str uri,
                           bool *exists, struct mf_str *md5, struct mf_error *err) MF_CHECK_RESULT;
/* Is there an object whose name begins so? */
enum mf_code mf_object_any(struct mf_objects *objects, struct mf_arena *arena, struct mf_str uri_prefix,
                           bool *found, struct mf_error *err) MF_CHECK_RESULT;
/* Durable on return. Waits for the writer: not for RPC handlers (they use mf_object_put_async). */
enum mf_code mf_object_write(struct mf_objects *objects, struct mf_str uri, struct mf_str bytes,
                             struct mf_str content_type, struct mf_error *err) MF_CHECK_RESULT;
/* Durable when done is called, which must not block: on the writer's thread or that of outgoing requests.
 * uri, bytes and content_type must stay until then. */
void mf_object_put_async(struct mf_objects *objects, struct mf_str uri, struct mf_str bytes,
                         struct mf_str content_type,
                         void (*done)(void *ctx, enum mf_code code, const struct mf_error *err), void *ctx);
/* Writes a body as part of the caller's transaction, when mf_objects_in_row says that it can be; others are
 * refused with MF_RESOURCE_EXHAUSTED: write those before submitting the command. */
enum mf_code mf_object_put_tx(struct mf_objects *objects, struct mf_tx *tx, struct mf_str uri,
                              struct mf_str bytes, struct mf_str content_type,
                              struct mf_error *err) MF_CHECK_RESULT;
bool mf_objects_in_row(const struct mf_objects *objects, size_t size);
size_t mf_objects_max(const struct mf_objects *objects); /* bytes of the largest object */

/* A signed URL (AWS signature version 4, query form) for one GET or PUT. content_md5
 * (base64) may be empty; then any body is accepted. content_length <= 0: a body of any size. */
struct mf_presign {
    bool put;
    struct mf_str uri;
    struct mf_str host; /* under which the caller reaches this server, for a URL of the embedded store; empty:
                           that of the configured endpoint */
    int64_t expires_s;
    struct mf_str content_md5;
    int64_t content_length;
    const char *meta_name; /* further signed header, e.g. x-amz-meta-flytecontentmd5; may be NULL */
    struct mf_str meta_value;
};
enum mf_code mf_object_presign(struct mf_objects *objects, struct mf_arena *arena,
                               const struct mf_presign *request, struct mf_str *url,
                               struct mf_error *err) MF_CHECK_RESULT;

/* What a program has in its environment to reach the store with Flyte's SDK and with AWS's tools. Keys are of
 * this moment. */
struct mf_object_variables {
    struct mf_object_variable {
        const char *name;
        struct mf_str value;
    } items[12];
    size_t count;
};
enum mf_code mf_objects_variables(struct mf_objects *objects, struct mf_arena *arena,
                                  struct mf_object_variables *out, struct mf_error *err) MF_CHECK_RESULT;

/* How a bucket elsewhere does. */
struct mf_objects_stats {
    bool external, usable;
    uint64_t requests, retries, failures; /* answered with success or "not found"; tried again; given up */
    uint64_t sent_bytes, received_bytes;  /* of objects */
    uint64_t refreshes;                   /* of temporary keys */
};
void mf_objects_stats(struct mf_objects *objects, struct mf_objects_stats *out); /* any thread */
/* Why the bucket cannot be used and since when, for people; false when it can. Any thread. */
bool mf_objects_trouble(struct mf_objects *objects, char *text, size_t size);

struct mf_rpc;
/* Serves the S3 endpoint on the RPC server's port (route "/<bucket>/" and "/<bucket>"). */
enum mf_code mf_objects_serve(struct mf_objects *objects, struct mf_rpc *rpc,
                              struct mf_error *err) MF_CHECK_RESULT;

#endif
