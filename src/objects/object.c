#include "base/list.h"
#include "objects/name.h"
#include "objects/put.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define INLINE_MAX ((size_t)32 << 10)
#define OBJECT_MAX ((size_t)5 << 30)
#define DEFAULT_TYPE MF_STR("binary/octet-stream")
/* An overwritten body's file may vanish between the look at the row and its opening. */
#define READ_TRIES 4

struct mf_objects *mf_objects_ref(struct mf_objects *objects)
{
    atomic_fetch_add(&objects->refs, 1);
    return objects;
}

void mf_objects_unref(struct mf_objects *objects)
{
    if (atomic_fetch_sub(&objects->refs, 1) != 1)
        return;
    if (objects->dir_fd >= 0)
        close(objects->dir_fd);
    mf_arena_free(objects->arena);
    free(objects);
}

bool mf_objects_path(const struct mf_objects *objects, const char *file, char *path, size_t size)
{
    int len = snprintf(path, size, "%s/%s", objects->dir, file);
    return len > 0 && (size_t)len < size;
}

void mf_objects_unlink(const struct mf_objects *objects, const char *file)
{
    char path[PATH_MAX];
    /* A file that stays behind is found at the next start. */
    if (file[0] && mf_objects_path(objects, file, path, sizeof path))
        (void)objects->sys->unlink(objects->sys->ctx, path);
}

static enum mf_code copy_config(struct mf_objects *objects, const struct mf_objects_config *config,
                                struct mf_error *err)
{
    struct mf_arena *arena = objects->arena;
    struct mf_str endpoint = mf_str_copy(arena, config->endpoint);
    size_t colon = mf_str_find(endpoint, MF_STR("://"));
    objects->dir = mf_str_to_c(arena, mf_str_from_c(config->dir));
    objects->bucket = mf_str_copy(arena, config->bucket);
    objects->base = mf_str_printf(arena, "s3://%.*s", MF_FMT(config->bucket));
    objects->access_key = mf_str_copy(arena, config->access_key);
    objects->secret_key = mf_str_copy(arena, config->secret_key);
    objects->inline_max = config->inline_max ? config->inline_max : INLINE_MAX;
    objects->object_max = config->object_max ? config->object_max : OBJECT_MAX;
    if (!objects->dir || !objects->bucket.ptr || !objects->base.ptr || !objects->access_key.ptr ||
        !objects->secret_key.ptr || !endpoint.ptr)
        return mf_fail_memory(err);
    if (!mf_bucket_name_ok(config->bucket))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "bucket: \"%.*s\" is no name of a bucket; use 3 to 63 of a-z, 0-9 and \"-\"",
                       MF_FMT(config->bucket));
    if (config->access_key.len == 0 || config->secret_key.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "the object store needs an access key and a secret key");
    if (colon == SIZE_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "endpoint: \"%.*s\" is no URL; write http://host:port",
                       MF_FMT(endpoint));
    objects->scheme = mf_str_take(endpoint, colon);
    objects->host = mf_str_skip(endpoint, colon + 3);
    objects->host = mf_str_take(objects->host, mf_str_find_char(objects->host, '/'));
    return MF_OK;
}

static enum mf_code open_dir(struct mf_objects *objects, struct mf_error *err)
{
    const struct mf_sys *sys = objects->sys;
    char text[128];
    uint64_t boot;
    enum mf_code code = mf_make_dirs(objects->dir, 0700, err);
    if (code != MF_OK)
        return code;
    objects->dir_fd = open(objects->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (objects->dir_fd < 0)
        return mf_fail(err, MF_UNAVAILABLE, "cannot open the folder %s: %s", objects->dir,
                       strerror_r(errno, text, sizeof text));
    sys->random(sys->ctx, &boot, sizeof boot);
    snprintf(objects->boot, sizeof objects->boot, "%016" PRIx64, boot);
    return MF_OK;
}

/* The first use of OpenSSL sets it up, with memory that it frees at the end of the thread that did so. Here
 * that is the one that outlives the others, and a system without MD5 is told of at start. */
static enum mf_code check_hashes(struct mf_error *err)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    size_t len = 0;
    if (EVP_Q_digest(NULL, "MD5", NULL, "", 0, hash, &len) == 1 &&
        EVP_Q_digest(NULL, "SHA256", NULL, "", 0, hash, &len) == 1)
        return MF_OK;
    return mf_fail(
        err, MF_FAILED_PRECONDITION,
        "OpenSSL on this machine refuses MD5 or SHA-256, which S3 is made of; allow them in openssl.cnf");
}

enum mf_code mf_objects_open(const struct mf_objects_config *config, struct mf_objects **out,
                             struct mf_error *err)
{
    struct mf_objects *objects = calloc(1, sizeof *objects);
    if (!objects)
        return mf_fail_memory(err);
    atomic_init(&objects->refs, 1);
    objects->store = config->store;
    objects->sys = mf_store_sys(config->store);
    objects->dir_fd = -1;
    objects->arena = mf_arena_new(0);
    enum mf_code code = objects->arena ? copy_config(objects, config, err) : mf_fail_memory(err);
    if (code == MF_OK)
        code = check_hashes(err);
    if (code == MF_OK)
        code = open_dir(objects, err);
    if (code == MF_OK)
        code = mf_sweep_start(objects, err);
    if (code == MF_OK)
        *out = objects;
    else
        mf_objects_unref(objects);
    return code;
}

void mf_objects_close(struct mf_objects *objects)
{
    if (!objects)
        return;
    mf_sweep_stop(objects);
    mf_objects_unref(objects);
}

struct mf_str mf_objects_base(const struct mf_objects *objects)
{
    return objects->base;
}

size_t mf_objects_inline_max(const struct mf_objects *objects)
{
    return objects->inline_max;
}

size_t mf_objects_max(const struct mf_objects *objects)
{
    return objects->object_max;
}

/* ---- reading ---- */

static enum mf_code get_row(struct mf_objects *objects, struct mf_arena *arena, struct mf_str name,
                            bool without_body, struct mf_object_row *row, struct mf_error *err)
{
    struct mf_db *db = NULL;
    enum mf_code code = mf_store_reader(objects->store, &db, err);
    if (code == MF_OK)
        code = mf_object_row_get(db, arena, objects->bucket, name, without_body, row, err);
    mf_store_reader_done(objects->store, db);
    return code;
}

static enum mf_code read_body(struct mf_objects *objects, struct mf_arena *arena,
                              const struct mf_object_row *row, struct mf_str *out, struct mf_error *err)
{
    char path[PATH_MAX];
    char file[MF_OBJECT_FILE_MAX];
    if (row->file.len == 0) {
        *out = row->body;
        return MF_OK;
    }
    snprintf(file, sizeof file, "%.*s", MF_FMT(row->file));
    if (!mf_objects_path(objects, file, path, sizeof path))
        return mf_fail(err, MF_INTERNAL, "the path of the objects folder is too long");
    return mf_read_file(arena, path, (size_t)row->size, out, err);
}

enum mf_code mf_object_read(struct mf_objects *objects, struct mf_arena *arena, struct mf_str uri, size_t max,
                            struct mf_str *out, struct mf_error *err)
{
    struct mf_object_row row;
    struct mf_str name;
    enum mf_code code = mf_object_uri_parse(uri, objects->bucket, &name, err);
    if (code != MF_OK)
        return code;
    for (int i = 0; i < READ_TRIES; i++) {
        code = get_row(objects, arena, name, false, &row, err);
        if (code != MF_OK)
            return code;
        if ((uint64_t)row.size > max)
            return mf_fail(err, MF_RESOURCE_EXHAUSTED,
                           "%.*s has %" PRId64 " bytes, more than the %zu that may be read here", MF_FMT(uri),
                           row.size, max);
        code = read_body(objects, arena, &row, out, err);
        if (code != MF_NOT_FOUND)
            return code;
    }
    return mf_fail(err, MF_DATA_LOSS,
                   "the file of %.*s is missing from the data directory; restore it from a backup",
                   MF_FMT(uri));
}

enum mf_code mf_object_exists(struct mf_objects *objects, struct mf_str uri, bool *exists, int64_t *size,
                              struct mf_error *err)
{
    struct mf_object_row row = {0};
    struct mf_str name;
    enum mf_code code = mf_object_uri_parse(uri, objects->bucket, &name, err);
    if (code != MF_OK)
        return code;
    struct mf_arena *arena = mf_arena_new(0);
    code = arena ? get_row(objects, arena, name, true, &row, err) : mf_fail_memory(err);
    mf_arena_free(arena);
    *exists = code == MF_OK;
    if (size)
        *size = row.size;
    return code == MF_NOT_FOUND ? MF_OK : code;
}

enum mf_code mf_object_md5(struct mf_objects *objects, struct mf_arena *arena, struct mf_str uri,
                           bool *exists, struct mf_str *md5, struct mf_error *err)
{
    struct mf_object_row row = {.md5 = MF_STR_EMPTY};
    struct mf_str name;
    enum mf_code code = mf_object_uri_parse(uri, objects->bucket, &name, err);
    if (code == MF_OK)
        code = get_row(objects, arena, name, true, &row, err);
    *exists = code == MF_OK;
    *md5 = row.md5;
    return code == MF_NOT_FOUND ? MF_OK : code;
}

/* ---- writing ---- */

struct write {
    struct mf_put put;
    char etag[33];
    void (*done)(void *ctx, enum mf_code code, const struct mf_error *err);
    void *ctx;
};

static enum mf_code prepare(struct mf_objects *objects, struct mf_str uri, struct mf_str bytes,
                            struct mf_str content_type, struct write *write, struct mf_error *err)
{
    struct mf_str name;
    struct mf_body *body = NULL;
    enum mf_code code = mf_object_uri_parse(uri, objects->bucket, &name, err);
    if (code == MF_OK)
        code = mf_body_new(objects, MF_BODY_MD5, false, &body, err);
    if (code == MF_OK)
        code = mf_body_add(body, bytes, err);
    if (code == MF_OK)
        code = mf_body_end(body, err);
    if (code != MF_OK) {
        mf_body_free(body);
        return code;
    }
    mf_put_etag(mf_body_md5(body), write->etag);
    write->put.objects = objects;
    write->put.body = body;
    write->put.row.name = name;
    write->put.row.etag = mf_str_from_c(write->etag);
    write->put.row.content_type = content_type.len > 0 ? content_type : DEFAULT_TYPE;
    write->put.row.meta = MF_STR_EMPTY;
    return MF_OK;
}

static void done_write(struct mf_put *put, enum mf_code code, const struct mf_error *err)
{
    (void)put;
    (void)code;
    (void)err;
}

enum mf_code mf_object_write(struct mf_objects *objects, struct mf_str uri, struct mf_str bytes,
                             struct mf_str content_type, struct mf_error *err)
{
    struct write write = {.put.done = done_write};
    enum mf_code code = prepare(objects, uri, bytes, content_type, &write, err);
    if (code != MF_OK)
        return code;
    mf_put_prepare(&write.put);
    return mf_writer_run(mf_store_writer(objects->store), &write.put.command, err);
}

static void done_async(struct mf_put *put, enum mf_code code, const struct mf_error *err)
{
    struct write *write = MF_CONTAINER(put, struct write, put);
    write->done(write->ctx, code, err);
    free(write);
}

void mf_object_put_async(struct mf_objects *objects, struct mf_str uri, struct mf_str bytes,
                         struct mf_str content_type,
                         void (*done)(void *ctx, enum mf_code code, const struct mf_error *err), void *ctx)
{
    struct mf_error err;
    struct write *write = calloc(1, sizeof *write);
    enum mf_code code =
        write ? prepare(objects, uri, bytes, content_type, write, &err) : mf_fail_memory(&err);
    if (code != MF_OK) {
        free(write);
        done(ctx, code, &err);
        return;
    }
    write->put.done = done_async;
    write->done = done;
    write->ctx = ctx;
    mf_put_submit(&write->put);
}

enum mf_code mf_object_put_tx(struct mf_objects *objects, struct mf_tx *tx, struct mf_str uri,
                              struct mf_str bytes, struct mf_str content_type, struct mf_error *err)
{
    unsigned char md5[EVP_MAX_MD_SIZE];
    size_t md5_len = 0;
    struct write write = {.put.objects = objects};
    struct mf_str name;
    enum mf_code code = mf_object_uri_parse(uri, objects->bucket, &name, err);
    if (code != MF_OK)
        return code;
    if (bytes.len > objects->inline_max)
        return mf_fail(err, MF_RESOURCE_EXHAUSTED, "a body of %zu bytes does not fit into a row", bytes.len);
    if (EVP_Q_digest(NULL, "MD5", NULL, bytes.len ? bytes.ptr : "", bytes.len, md5, &md5_len) != 1)
        return mf_fail(err, MF_INTERNAL, "MD5 is not available in this OpenSSL");
    mf_put_etag(mf_str_make(md5, md5_len), write.etag);
    write.put.row = (struct mf_object_row){
        .bucket = objects->bucket,
        .name = name,
        .size = (int64_t)bytes.len,
        .etag = mf_str_from_c(write.etag),
        .md5 = mf_str_make(md5, md5_len),
        .content_type = content_type.len > 0 ? content_type : DEFAULT_TYPE,
        .meta = MF_STR_EMPTY,
        .body = bytes,
        .file = MF_STR_EMPTY,
    };
    /* The file of a large body that this replaces stays until the next start: the transaction may still fail.
     */
    return mf_put_apply(&write.put, tx, err);
}
