#include "objects/bucket.h"

#include "base/encode.h"
#include "base/log.h"
#include "objects/remote.h"
#include "objects/upload.h"
#include "objects/xml.h"

#include <stdlib.h>

#define ABSENT_NAME MF_STR(".mayfly-absent")
#define MD5_META "flytecontentmd5"

struct mf_bucket {
    struct mf_remote *remote;
};

/* ---- reading ---- */

static enum mf_code read_object(void *self, struct mf_arena *arena, struct mf_str name, size_t max,
                                struct mf_str *out, struct mf_error *err)
{
    struct mf_bucket *bucket = self;
    struct mf_remote_call call = {.method = MF_STR("GET"), .name = name, .checksum = true};
    call.answer_max = max > 0 ? max : 1;
    enum mf_code code = mf_remote_run(bucket->remote, arena, &call, NULL, NULL, err);
    *out = call.answer;
    return code;
}

struct seen {
    struct mf_arena *arena;
    struct mf_object_look *look;
};

/* What a client of Flyte has declared of the body that it sent; else the ETag, which is the MD5 of a body
 * that came in one piece and was not encrypted with a key of its own. */
static void read_head(struct mf_remote_call *call, void *ctx)
{
    const struct seen *seen = ctx;
    const struct mf_fetch *fetch = &call->fetch;
    struct mf_str md5 = MF_STR_EMPTY;
    int64_t size;
    struct mf_str encryption = mf_fetch_header(fetch, "x-amz-server-side-encryption");
    struct mf_str declared = mf_fetch_header(fetch, "x-amz-meta-" MD5_META);
    struct mf_str etag = mf_str_trim(mf_fetch_header(fetch, "etag"), MF_STR("\""));
    if (!declared.ptr)
        declared = mf_fetch_header(fetch, "x-goog-meta-" MD5_META);
    if (mf_str_to_i64(mf_fetch_header(fetch, "content-length"), &size))
        seen->look->size = size;
    if (declared.ptr && mf_base64_decode(seen->arena, declared, &md5) && md5.len == 16)
        seen->look->md5 = md5;
    else if (etag.len == 32 && !mf_str_starts(encryption, MF_STR("aws:kms")) &&
             mf_hex_decode(seen->arena, etag, &md5))
        seen->look->md5 = md5;
}

static enum mf_code look(void *self, struct mf_arena *arena, struct mf_str name, struct mf_object_look *out,
                         struct mf_error *err)
{
    struct mf_bucket *bucket = self;
    struct seen seen = {arena, out};
    struct mf_remote_call call = {.method = MF_STR("HEAD"), .name = name};
    *out = (struct mf_object_look){.md5 = MF_STR_EMPTY};
    enum mf_code code = mf_remote_run(bucket->remote, arena, &call, read_head, &seen, err);
    out->exists = code == MF_OK;
    return code == MF_NOT_FOUND ? MF_OK : code;
}

static bool note_key(void *ctx, struct mf_str name, struct mf_str text)
{
    bool *found = ctx;
    (void)text;
    *found |= mf_str_eq_c(name, "Key");
    return true;
}

static enum mf_code any(void *self, struct mf_arena *arena, struct mf_str prefix, bool *found,
                        struct mf_error *err)
{
    struct mf_bucket *bucket = self;
    struct mf_str path = mf_remote_key(bucket->remote, arena, prefix);
    const struct mf_param params[] = {
        {MF_STR("list-type"), MF_STR("2")}, {MF_STR("max-keys"), MF_STR("1")}, {MF_STR("prefix"), path}};
    struct mf_remote_call call = {.method = MF_STR("GET"), .params = params, .param_count = 3};
    *found = false;
    enum mf_code code =
        path.ptr ? mf_remote_run(bucket->remote, arena, &call, NULL, NULL, err) : mf_fail_memory(err);
    if (code == MF_OK && !mf_xml_each(arena, call.answer, note_key, found))
        code = mf_fail(err, MF_UNAVAILABLE, "the object store %.*s answers with a list that cannot be read",
                       MF_FMT(mf_remote_base(bucket->remote)));
    return code;
}

/* ---- writing ---- */

static void put(void *self, const struct mf_object_put *input)
{
    struct mf_bucket *bucket = self;
    mf_upload_start(bucket->remote, input);
}

/* ---- for others ---- */

static enum mf_code presign(void *self, struct mf_arena *arena, struct mf_str name,
                            const struct mf_presign *request, struct mf_str *url, struct mf_error *err)
{
    struct mf_bucket *bucket = self;
    return mf_remote_link(bucket->remote, arena, name, request, url, err);
}

static void add(struct mf_object_variables *out, const char *name, struct mf_str value)
{
    if (value.len > 0 && out->count < sizeof out->items / sizeof out->items[0])
        out->items[out->count++] = (struct mf_object_variable){name, value};
}

/* Temporary keys would expire under a long task; it can fetch its own from where this server has them. */
static void add_source(const struct mf_bucket *bucket, struct mf_object_variables *out)
{
    static const char *const names[] = {
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_ARN",
        "AWS_ENDPOINT_URL_STS",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = mf_remote_variable(bucket->remote, names[i]);
        add(out, names[i], mf_str_from_c(value ? value : ""));
    }
}

static enum mf_code variables(void *self, struct mf_arena *arena, struct mf_object_variables *out,
                              struct mf_error *err)
{
    struct mf_bucket *bucket = self;
    struct mf_remote *remote = bucket->remote;
    enum mf_credentials_source source = mf_remote_source(remote);
    struct mf_str endpoint = mf_remote_endpoint(remote, arena);
    struct mf_keys keys;
    if (!endpoint.ptr)
        return mf_fail_memory(err);
    if (mf_remote_is_google(remote)) {
        const char *file = mf_remote_variable(remote, "GOOGLE_APPLICATION_CREDENTIALS");
        add(out, "GOOGLE_APPLICATION_CREDENTIALS", mf_str_from_c(file ? file : ""));
        return MF_OK;
    }
    add(out, "AWS_REGION", mf_remote_region(remote));
    add(out, "FLYTE_AWS_ENDPOINT", endpoint);
    if (endpoint.len > 0 && mf_remote_is_virtual(remote))
        add(out, "FLYTE_AWS_S3_ADDRESSING_STYLE", MF_STR("virtual"));
    if (source != MF_CREDENTIALS_ENVIRONMENT && source != MF_CREDENTIALS_FILES) {
        add_source(bucket, out);
        return MF_OK;
    }
    enum mf_code code = mf_remote_keys(remote, arena, &keys, err);
    if (code != MF_OK)
        return err->code = MF_UNAVAILABLE;
    add(out, "FLYTE_AWS_ACCESS_KEY_ID", keys.access);
    add(out, "FLYTE_AWS_SECRET_ACCESS_KEY", keys.secret);
    add(out, "AWS_SESSION_TOKEN", keys.token);
    return MF_OK;
}

const struct mf_driver mf_bucket_driver = {
    .read = read_object,
    .look = look,
    .any = any,
    .put = put,
    .presign = presign,
    .variables = variables,
};

/* ---- open and close ---- */

static enum mf_code check_write(struct mf_remote *remote, struct mf_arena *arena, struct mf_error *err)
{
    struct mf_remote_call call = {
        .method = MF_STR("PUT"),
        .name = MF_REMOTE_PROBE_NAME,
        .body = MF_REMOTE_PROBE_BODY,
        .content_type = MF_STR("text/plain"),
        .checksum = true,
        .strict = true,
    };
    return mf_remote_run(remote, arena, &call, NULL, NULL, err);
}

static enum mf_code check_read(struct mf_remote *remote, struct mf_arena *arena, struct mf_error *err)
{
    struct mf_remote_call call = {
        .method = MF_STR("GET"), .name = MF_REMOTE_PROBE_NAME, .checksum = true, .strict = true};
    enum mf_code code = mf_remote_run(remote, arena, &call, NULL, NULL, err);
    if (code == MF_OK && !mf_str_eq(call.answer, MF_REMOTE_PROBE_BODY))
        code = mf_fail(err, MF_FAILED_PRECONDITION,
                       "the object store %.*s does not give back what was written; is it one?",
                       MF_FMT(mf_remote_base(remote)));
    return code;
}

/* Without leave to list, S3 calls forbidden what is not there, and the two could not be told apart. */
static enum mf_code check_list(struct mf_remote *remote, struct mf_arena *arena, struct mf_error *err)
{
    struct mf_remote_call call = {.method = MF_STR("GET"), .name = ABSENT_NAME, .strict = true};
    enum mf_code code = mf_remote_run(remote, arena, &call, NULL, NULL, err);
    return code == MF_NOT_FOUND ? MF_OK : code;
}

static enum mf_code check(struct mf_remote *remote, struct mf_error *err)
{
    struct mf_arena *arena = mf_arena_new(0);
    enum mf_code code = arena ? check_write(remote, arena, err) : mf_fail_memory(err);
    if (code == MF_OK)
        code = check_read(remote, arena, err);
    if (code == MF_OK)
        code = check_list(remote, arena, err);
    mf_arena_free(arena);
    if (code == MF_OK || code == MF_RESOURCE_EXHAUSTED)
        return code;
    return err->code = MF_FAILED_PRECONDITION;
}

enum mf_code mf_bucket_check(const struct mf_bucket_config *config, struct mf_error *err)
{
    struct mf_remote *remote = NULL;
    enum mf_code code = mf_remote_new(mf_sys_real(), config, &remote, err);
    if (code != MF_OK)
        return code == MF_INVALID_ARGUMENT ? code : MF_OK; /* others are of this moment, and told at start */
    mf_remote_stop(remote);
    mf_remote_free(remote);
    return MF_OK;
}

enum mf_code mf_bucket_open(const struct mf_sys *sys, const struct mf_bucket_config *config,
                            struct mf_bucket **out, struct mf_error *err)
{
    struct mf_bucket *bucket = calloc(1, sizeof *bucket);
    if (!bucket)
        return mf_fail_memory(err);
    enum mf_code code = mf_remote_new(sys, config, &bucket->remote, err);
    if (code == MF_OK)
        code = check(bucket->remote, err);
    if (code != MF_OK) {
        mf_bucket_close(bucket);
        return code;
    }
    mf_log(MF_LOG_INFO, "objects", "objects are kept in %.*s", MF_FMT(mf_remote_base(bucket->remote)));
    *out = bucket;
    return MF_OK;
}

void mf_bucket_close(struct mf_bucket *bucket)
{
    if (!bucket)
        return;
    if (bucket->remote)
        mf_remote_stop(bucket->remote);
    mf_remote_free(bucket->remote);
    free(bucket);
}

struct mf_str mf_bucket_base(const struct mf_bucket *bucket)
{
    return mf_remote_base(bucket->remote);
}

void mf_bucket_stats(struct mf_bucket *bucket, struct mf_objects_stats *out)
{
    mf_remote_stats(bucket->remote, out);
}

bool mf_bucket_trouble(struct mf_bucket *bucket, char *text, size_t size)
{
    return mf_remote_trouble(bucket->remote, text, size);
}
