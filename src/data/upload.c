#include "data/service.h"

#include "base/encode.h"
#include "objects/name.h"
#include "project/check.h"
#include "run/inputs.h"
#include "store/task.h"
#include "store/trigger.h"

#include <openssl/evp.h>

#define META_HEADER "x-amz-meta-flyteContentMD5"
#define META_SIGNED "x-amz-meta-flytecontentmd5"

static enum mf_code check_place(const struct mf_data *data, struct mf_db *db, struct mf_str project,
                                struct mf_str domain, struct mf_error *err)
{
    enum mf_code code = mf_project_check(db, project, err);
    return code == MF_OK ? mf_domain_check(data->config.domains, data->config.domain_count, domain, err)
                         : code;
}

/* A part of an object's name that a caller chooses. */
static enum mf_code check_part(const char *field, struct mf_str part, struct mf_error *err)
{
    enum mf_code code = part.len > 0 ? mf_object_name_check(part, err) : MF_OK;
    return code == MF_OK ? MF_OK : mf_fail_prefix(err, "%s", field);
}

/* ---- CreateUploadLocation ---- */

static enum mf_code check_location(const struct pb_dataproxy_CreateUploadLocationRequest *request,
                                   struct mf_objects *objects, struct mf_error *err)
{
    if (request->filename_root.len == 0 && request->content_md5.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "either filename_root or content_md5 must be provided");
    if (request->content_md5.len != 0 && request->content_md5.len != 16)
        return mf_fail(err, MF_INVALID_ARGUMENT, "content_md5 must have 16 bytes; it has %zu",
                       request->content_md5.len);
    if (request->content_length < 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "content_length must not be negative");
    if ((uint64_t)request->content_length > mf_objects_max(objects))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "content_length is above the largest object of this server, %zu bytes",
                       mf_objects_max(objects));
    enum mf_code code = check_part("filename_root", request->filename_root, err);
    return code == MF_OK ? check_part("filename", request->filename, err) : code;
}

static enum mf_code location_uri(struct mf_data *data, struct mf_arena *arena,
                                 const struct pb_dataproxy_CreateUploadLocationRequest *request,
                                 struct mf_str *uri, struct mf_error *err)
{
    struct mf_str root =
        request->filename_root.len > 0 ? request->filename_root : mf_base32(arena, request->content_md5);
    struct mf_str base = mf_objects_base(data->config.objects);
    if (!root.ptr)
        return mf_fail_memory(err);
    *uri = mf_str_printf(arena, "%.*s/uploads/%.*s/%.*s/%.*s%s%.*s", MF_FMT(base), MF_FMT(request->project),
                         MF_FMT(request->domain), MF_FMT(root), request->filename.len > 0 ? "/" : "",
                         MF_FMT(request->filename));
    return uri->ptr ? MF_OK : mf_fail_memory(err);
}

/* The client of a tracked run shows the report of an attempt while it grows. */
static bool is_live_report(const struct pb_dataproxy_CreateUploadLocationRequest *request)
{
    return mf_str_starts(request->filename_root, MF_STR("tracked-runs/")) &&
           mf_str_eq_c(request->filename, "report.html");
}

/* A place that the caller has named is given once, except to who brings what lies there already. */
static enum mf_code check_free(struct mf_data *data, struct mf_arena *arena,
                               const struct pb_dataproxy_CreateUploadLocationRequest *request,
                               struct mf_str uri, struct mf_error *err)
{
    bool exists = false;
    struct mf_str md5;
    if (request->filename.len == 0 || request->filename_root.len == 0 || is_live_report(request))
        return MF_OK;
    enum mf_code code = mf_object_md5(data->config.objects, arena, uri, &exists, &md5, err);
    if (code == MF_OK && exists && (request->content_md5.len == 0 || !mf_str_eq(md5, request->content_md5)))
        code = mf_fail(err, MF_ALREADY_EXISTS,
                       "there is a file with other content at %.*s; choose another filename or filename_root",
                       MF_FMT(uri));
    return code;
}

static bool add_header(struct mf_arena *arena, struct pb_dataproxy_CreateUploadLocationResponse *out,
                       const char *key, struct mf_str value)
{
    struct pb_dataproxy_CreateUploadLocationResponse_HeadersEntry *entry =
        MF_NEW(arena, struct pb_dataproxy_CreateUploadLocationResponse_HeadersEntry);
    if (!entry)
        return false;
    entry->key = mf_str_from_c(key);
    entry->value = value;
    return PB_PUSH(arena, out->headers, entry);
}

static enum mf_code sign_location(struct mf_data *data, struct mf_call *call,
                                  const struct pb_dataproxy_CreateUploadLocationRequest *request,
                                  struct mf_str uri, int64_t expires,
                                  struct pb_dataproxy_CreateUploadLocationResponse *out, struct mf_error *err)
{
    struct mf_arena *arena = mf_call_arena(call);
    bool has_md5 = request->content_md5.len > 0;
    struct mf_presign presign = {
        .put = true,
        .uri = uri,
        .host = mf_call_http(call)->authority,
        .expires_s = expires,
        .content_length = request->content_length > 0 ? request->content_length : -1,
    };
    if (has_md5) {
        presign.content_md5 = mf_base64(arena, request->content_md5);
        if (!presign.content_md5.ptr || !add_header(arena, out, "Content-MD5", presign.content_md5))
            return mf_fail_memory(err);
    }
    if (has_md5 && request->add_content_md5_metadata) {
        presign.meta_name = META_SIGNED;
        presign.meta_value = presign.content_md5;
        if (!add_header(arena, out, META_HEADER, presign.content_md5))
            return mf_fail_memory(err);
    }
    if (request->content_length > 0) {
        struct mf_str length = mf_str_printf(arena, "%lld", (long long)request->content_length);
        if (!length.ptr || !add_header(arena, out, "Content-Length", length))
            return mf_fail_memory(err);
    }
    out->native_url = uri;
    return mf_object_presign(data->config.objects, arena, &presign, &out->signed_url, err);
}

void mf_data_on_upload_location(void *service, struct mf_call *call)
{
    struct mf_data *data = service;
    const struct pb_dataproxy_CreateUploadLocationRequest *request = mf_call_request(call);
    struct pb_dataproxy_CreateUploadLocationResponse response = {0};
    struct mf_arena *arena = mf_call_arena(call);
    struct pb_google_protobuf_Timestamp expires_at;
    struct mf_db *db = NULL;
    struct mf_str uri;
    int64_t expires = 0;
    struct mf_error err;
    enum mf_code code = check_location(request, data->config.objects, &err);
    if (code == MF_OK)
        code = mf_data_expires(data, request->expires_in, &expires, &err);
    if (code == MF_OK)
        code = mf_store_reader(data->config.store, &db, &err);
    if (code == MF_OK)
        code = check_place(data, db, request->project, request->domain, &err);
    mf_store_reader_done(data->config.store, db);
    if (code == MF_OK)
        code = location_uri(data, arena, request, &uri, &err);
    if (code == MF_OK)
        code = check_free(data, arena, request, uri, &err);
    if (code == MF_OK)
        code = sign_location(data, call, request, uri, expires, &response, &err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    expires_at = mf_data_expiry(data, expires);
    response.expires_at = &expires_at;
    mf_call_reply(call, &response);
}

/* ---- UploadInputs ---- */

static bool is_ignored(const struct pb_core_TaskMetadata *metadata, struct mf_str name)
{
    for (uint32_t i = 0; i < metadata->cache_ignore_input_vars.count; i++) {
        if (mf_str_eq(metadata->cache_ignore_input_vars.items[i], name))
            return true;
    }
    return false;
}

enum mf_code mf_data_inputs_hash(struct mf_arena *arena, const struct pb_task_Inputs *inputs,
                                 const struct pb_task_TaskSpec *spec, struct mf_str *hash,
                                 struct mf_error *err)
{
    const struct pb_core_TaskMetadata *metadata =
        spec && spec->task_template ? spec->task_template->metadata : NULL;
    struct pb_task_Inputs counted = *inputs;
    struct mf_str bytes;
    unsigned char text[8];
    if (metadata && metadata->cache_ignore_input_vars.count > 0) {
        counted = (struct pb_task_Inputs){0};
        for (uint32_t i = 0; i < inputs->literals.count; i++) {
            struct pb_task_NamedLiteral *literal = inputs->literals.items[i];
            if (!is_ignored(metadata, literal->name) && !PB_PUSH(arena, counted.literals, literal))
                return mf_fail_memory(err);
        }
    }
    enum mf_code code = pb_encode_stable(arena, &pb_task_Inputs_type, &counted, &bytes, err);
    if (code != MF_OK)
        return code;
    uint64_t value = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < bytes.len; i++)
        value = (value ^ (unsigned char)bytes.ptr[i]) * UINT64_C(1099511628211);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (unsigned char)(value >> (56 - 8 * i));
    *hash = mf_base64url(arena, mf_str_make(text, sizeof text));
    return hash->ptr ? MF_OK : mf_fail_memory(err);
}

struct upload {
    struct mf_call *call;
    struct mf_str uri, bytes, hash;
};

static enum mf_code spec_of_task(struct mf_db *db, struct mf_arena *arena, const struct mf_task_key *key,
                                 const struct pb_task_TaskSpec **spec, struct mf_error *err)
{
    struct mf_task_row row;
    void *decoded = NULL;
    enum mf_code code = mf_task_get(db, arena, key, &row, err);
    if (code == MF_OK)
        code = pb_decode(arena, &pb_task_TaskSpec_type, row.spec, &decoded, err);
    *spec = decoded;
    return code;
}

static enum mf_code spec_of_trigger(struct mf_db *db, struct mf_arena *arena,
                                    const struct pb_common_TriggerName *name,
                                    const struct pb_task_TaskSpec **spec, struct mf_error *err)
{
    const struct mf_trigger_key key = {name->project, name->domain, name->task_name, name->name};
    struct mf_trigger_row row;
    if (name->name.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "trigger_name.name is required");
    enum mf_code code = mf_trigger_get(db, arena, &key, &row, err);
    if (code != MF_OK)
        return code;
    const struct mf_task_key task = {row.key.project, row.key.domain, row.key.task_name, row.task_version};
    return spec_of_task(db, arena, &task, spec, err);
}

/* The task whose inputs these are: it tells which of them the cache ignores. */
static enum mf_code find_spec(struct mf_db *db, struct mf_arena *arena,
                              const struct pb_dataproxy_UploadInputsRequest *request,
                              const struct pb_task_TaskSpec **spec, struct mf_error *err)
{
    *spec = NULL;
    if (request->task_case == pb_dataproxy_UploadInputsRequest_tag_task_spec) {
        *spec = request->task.task_spec;
        return MF_OK;
    }
    if (request->task_case == pb_dataproxy_UploadInputsRequest_tag_trigger_name)
        return spec_of_trigger(db, arena, request->task.trigger_name, spec, err);
    if (request->task_case != pb_dataproxy_UploadInputsRequest_tag_task_id)
        return mf_fail(err, MF_INVALID_ARGUMENT, "one of task_spec, task_id and trigger_name is required");
    const struct pb_task_TaskIdentifier *id = request->task.task_id;
    const struct mf_task_key key = {id->project, id->domain, id->name, id->version};
    return spec_of_task(db, arena, &key, spec, err);
}

static enum mf_code inputs_uri(struct mf_data *data, struct mf_arena *arena, struct mf_str base_dir,
                               struct mf_str project, struct mf_str domain, struct upload *upload,
                               struct mf_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t len = 0;
    struct mf_str base = mf_objects_base(data->config.objects);
    const char *folder = "/uploads";
    if (base_dir.len > 0 && memchr(base_dir.ptr, '\0', base_dir.len))
        return mf_fail(err, MF_INVALID_ARGUMENT, "base_dir holds a NUL character");
    if (base_dir.len > 0) {
        while (mf_str_ends(base_dir, MF_STR("/")))
            base_dir.len--;
        base = base_dir;
        folder = "";
    }
    /* The place depends on every byte, unlike the hash for the cache: inputs that differ in what the cache
     * ignores must not overwrite each other. */
    if (EVP_Q_digest(NULL, "SHA256", NULL, upload->bytes.len ? upload->bytes.ptr : "", upload->bytes.len,
                     digest, &len) != 1)
        return mf_fail(err, MF_INTERNAL, "SHA-256 is not available in this OpenSSL");
    struct mf_str name = mf_base64url(arena, mf_str_make(digest, len));
    upload->uri = mf_str_printf(arena, "%.*s%s/%.*s/%.*s/offloaded-inputs/%.*s/inputs.pb", MF_FMT(base),
                                folder, MF_FMT(project), MF_FMT(domain), MF_FMT(name));
    return name.ptr && upload->uri.ptr ? MF_OK : mf_fail_memory(err);
}

static enum mf_code prepare_inputs(struct mf_data *data, struct mf_call *call, struct upload *upload,
                                   struct mf_error *err)
{
    const struct pb_dataproxy_UploadInputsRequest *request = mf_call_request(call);
    const struct pb_task_Inputs empty = {0};
    const struct pb_task_Inputs *inputs = request->inputs ? request->inputs : &empty;
    const struct pb_task_TaskSpec *spec = NULL;
    struct mf_arena *arena = mf_call_arena(call);
    struct mf_str project = MF_STR_EMPTY;
    struct mf_str domain = MF_STR_EMPTY;
    struct mf_db *db = NULL;
    if (request->id_case == pb_dataproxy_UploadInputsRequest_tag_run_id) {
        project = request->id.run_id->project;
        domain = request->id.run_id->domain;
    } else if (request->id_case == pb_dataproxy_UploadInputsRequest_tag_project_id) {
        project = request->id.project_id->name;
        domain = request->id.project_id->domain;
    } else {
        return mf_fail(err, MF_INVALID_ARGUMENT, "one of run_id and project_id is required");
    }
    enum mf_code code = mf_store_reader(data->config.store, &db, err);
    if (code == MF_OK)
        code = check_place(data, db, project, domain, err);
    if (code == MF_OK)
        code = find_spec(db, arena, request, &spec, err);
    mf_store_reader_done(data->config.store, db);
    if (code == MF_OK)
        code = mf_data_inputs_hash(arena, inputs, spec, &upload->hash, err);
    if (code == MF_OK)
        code = pb_encode_stable(arena, &pb_task_Inputs_type, inputs, &upload->bytes, err);
    if (code == MF_OK && upload->bytes.len > data->config.data_max)
        code = mf_fail(err, MF_RESOURCE_EXHAUSTED,
                       "inputs have at most %zu bytes; upload large values as files or raise data-bytes",
                       data->config.data_max);
    return code == MF_OK ? inputs_uri(data, arena, request->base_dir, project, domain, upload, err) : code;
}

static void done_inputs(void *ctx, enum mf_code code, const struct mf_error *err)
{
    struct upload *upload = ctx;
    struct mf_call *call = upload->call;
    struct pb_common_OffloadedInputData offloaded = {.uri = upload->uri, .inputs_hash = upload->hash};
    const struct pb_dataproxy_UploadInputsResponse response = {.offloaded_input_data = &offloaded};
    if (code == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, err);
    mf_call_unref(call);
}

void mf_data_on_upload_inputs(void *service, struct mf_call *call)
{
    struct mf_data *data = service;
    struct mf_error err;
    bool exists = false;
    struct upload *upload = MF_NEW(mf_call_arena(call), struct upload);
    enum mf_code code = upload ? prepare_inputs(data, call, upload, &err) : mf_fail_memory(&err);
    if (code == MF_OK)
        code = mf_object_exists(data->config.objects, upload->uri, &exists, NULL, &err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    upload->call = mf_call_ref(call);
    if (exists) /* with the same content, which its name tells */
        done_inputs(upload, MF_OK, NULL);
    else
        mf_object_put_async(data->config.objects, upload->uri, upload->bytes,
                            MF_STR("application/octet-stream"), done_inputs, upload);
}
