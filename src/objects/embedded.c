/* The embedded store: rows of the database, and files for large bodies. */
#include "base/list.h"
#include "objects/driver.h"
#include "objects/name.h"
#include "objects/presign.h"
#include "objects/put.h"
#include "objects/signer.h"

#include <inttypes.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define REGION "us-east-1"
#define DEFAULT_TYPE MF_STR("binary/octet-stream")
/* An overwritten body's file may vanish between the look at the row and its opening. */
#define READ_TRIES 4

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

static enum mf_code read_object(void *self, struct mf_arena *arena, struct mf_str name, size_t max,
                                struct mf_str *out, struct mf_error *err)
{
    struct mf_objects *objects = self;
    struct mf_object_row row;
    for (int i = 0; i < READ_TRIES; i++) {
        enum mf_code code = get_row(objects, arena, name, false, &row, err);
        if (code != MF_OK)
            return code;
        if ((uint64_t)row.size > max)
            return mf_fail(err, MF_RESOURCE_EXHAUSTED,
                           "%.*s/%.*s has %" PRId64 " bytes, more than the %zu that may be read here",
                           MF_FMT(objects->base), MF_FMT(name), row.size, max);
        code = read_body(objects, arena, &row, out, err);
        if (code != MF_NOT_FOUND)
            return code;
    }
    return mf_fail(err, MF_DATA_LOSS,
                   "the file of %.*s/%.*s is missing from the data directory; restore it from a backup",
                   MF_FMT(objects->base), MF_FMT(name));
}

static enum mf_code look(void *self, struct mf_arena *arena, struct mf_str name, struct mf_object_look *out,
                         struct mf_error *err)
{
    struct mf_object_row row = {.md5 = MF_STR_EMPTY};
    enum mf_code code = get_row(self, arena, name, true, &row, err);
    *out = (struct mf_object_look){.exists = code == MF_OK, .size = row.size, .md5 = row.md5};
    return code == MF_NOT_FOUND ? MF_OK : code;
}

struct prefix {
    struct mf_str text;
    bool found;
};

static bool has_prefix(void *ctx, const struct mf_object_row *row)
{
    struct prefix *prefix = ctx;
    prefix->found = mf_str_starts(row->name, prefix->text);
    return false;
}

static enum mf_code any(void *self, struct mf_arena *arena, struct mf_str text, bool *found,
                        struct mf_error *err)
{
    struct mf_objects *objects = self;
    struct prefix prefix = {.text = text};
    struct mf_db *db = NULL;
    (void)arena;
    enum mf_code code = mf_store_reader(objects->store, &db, err);
    if (code == MF_OK)
        code = mf_object_row_list(db, objects->bucket, text, 1, has_prefix, &prefix, err);
    mf_store_reader_done(objects->store, db);
    *found = prefix.found;
    return code;
}

/* ---- writing ---- */

struct write {
    struct mf_put put;
    char etag[33];
    void (*done)(void *ctx, enum mf_code code, const struct mf_error *err);
    void *ctx;
};

static enum mf_code prepare(struct mf_objects *objects, const struct mf_object_put *input,
                            struct write *write, struct mf_error *err)
{
    struct mf_body *body = NULL;
    enum mf_code code = mf_body_new(objects, MF_BODY_MD5, false, &body, err);
    if (code == MF_OK)
        code = mf_body_add(body, input->bytes, err);
    if (code == MF_OK)
        code = mf_body_end(body, err);
    if (code != MF_OK) {
        mf_body_free(body);
        return code;
    }
    mf_put_etag(mf_body_md5(body), write->etag);
    write->put.objects = objects;
    write->put.body = body;
    write->put.row.name = input->name;
    write->put.row.etag = mf_str_from_c(write->etag);
    write->put.row.content_type = input->content_type.len > 0 ? input->content_type : DEFAULT_TYPE;
    write->put.row.meta = MF_STR_EMPTY;
    return MF_OK;
}

static void done_put(struct mf_put *put, enum mf_code code, const struct mf_error *err)
{
    struct write *write = MF_CONTAINER(put, struct write, put);
    write->done(write->ctx, code, err);
    free(write);
}

static void put(void *self, const struct mf_object_put *input)
{
    struct mf_error err;
    struct write *write = calloc(1, sizeof *write);
    enum mf_code code = write ? prepare(self, input, write, &err) : mf_fail_memory(&err);
    if (code != MF_OK) {
        free(write);
        input->done(input->ctx, code, &err);
        return;
    }
    write->put.done = done_put;
    write->done = input->done;
    write->ctx = input->ctx;
    mf_put_submit(&write->put);
}

enum mf_code mf_object_put_tx(struct mf_objects *objects, struct mf_tx *tx, struct mf_str uri,
                              struct mf_str bytes, struct mf_str content_type, struct mf_error *err)
{
    unsigned char md5[EVP_MAX_MD_SIZE];
    size_t md5_len = 0;
    struct write write = {.put.objects = objects};
    struct mf_str name;
    enum mf_code code = mf_object_uri_parse(uri, objects->base, &name, err);
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

/* ---- for others ---- */

static enum mf_code presign(void *self, struct mf_arena *arena, struct mf_str name,
                            const struct mf_presign *request, struct mf_str *url, struct mf_error *err)
{
    struct mf_objects *objects = self;
    struct mf_header headers[MF_PRESIGN_HEADERS_MAX];
    const struct mf_signer signer = {
        .access = objects->access_key,
        .secret = objects->secret_key,
        .token = MF_STR_EMPTY,
        .region = MF_STR(REGION),
        .now_ns = mf_wall_ns(objects->sys),
    };
    const struct mf_signed wanted = {
        .method = request->put ? MF_STR("PUT") : MF_STR("GET"),
        .scheme = objects->scheme,
        .host = request->host.len > 0 ? request->host : objects->host,
        .path = mf_str_printf(arena, "/%.*s/%.*s", MF_FMT(objects->bucket), MF_FMT(name)),
        .headers = headers,
        .header_count = mf_presign_headers(arena, request, headers),
    };
    return wanted.path.ptr ? mf_signer_link(arena, &signer, &wanted, request->expires_s, url, err)
                           : mf_fail_memory(err);
}

static enum mf_code variables(void *self, struct mf_arena *arena, struct mf_object_variables *out,
                              struct mf_error *err)
{
    const struct mf_objects *objects = self;
    struct mf_str endpoint =
        mf_str_printf(arena, "%.*s://%.*s", MF_FMT(objects->scheme), MF_FMT(objects->host));
    if (!endpoint.ptr)
        return mf_fail_memory(err);
    *out = (struct mf_object_variables){
        .items =
            {
                {"FLYTE_AWS_ENDPOINT", endpoint},
                {"FLYTE_AWS_ACCESS_KEY_ID", objects->access_key},
                {"FLYTE_AWS_SECRET_ACCESS_KEY", objects->secret_key},
                {"AWS_REGION", MF_STR(REGION)},
            },
        .count = 4,
    };
    return MF_OK;
}

const struct mf_driver mf_embedded_driver = {
    .read = read_object,
    .look = look,
    .any = any,
    .put = put,
    .presign = presign,
    .variables = variables,
};
