#include "objects/upload.h"

#include "base/list.h"
#include "objects/xml.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define PART_BYTES ((size_t)8 << 20)
#define PARTS_MAX 10000
#define AT_ONCE 4
#define ETAG_MAX 128

struct upload;

struct slot {
    struct upload *upload;
    struct mf_remote_call call;
    struct mf_param params[2];
    char number[8];
    size_t part;
};

struct upload {
    struct mf_remote *remote;
    struct mf_object_put put;
    struct mf_arena *arena;
    struct mf_remote_call call; /* of what is not a part */
    struct mf_param params[1];
    struct mf_str id;
    struct mf_str complete; /* the body of the last request */
    size_t part_bytes, part_count;

    pthread_mutex_t lock;
    struct slot slots[AT_ONCE];
    char (*etags)[ETAG_MAX]; /* guarded by lock, as is what follows; of each part */
    size_t next, under_way;
    enum mf_code code; /* of the first part that failed */
    struct mf_error err;
};

static void finish(struct upload *upload, enum mf_code code, const struct mf_error *err)
{
    struct mf_object_put put = upload->put;
    struct mf_error copy = {0};
    if (code != MF_OK)
        copy = *err;
    pthread_mutex_destroy(&upload->lock);
    mf_arena_free(upload->arena);
    free(upload);
    put.done(put.ctx, code, &copy);
}

static void send_call(struct upload *upload, const char *method, const struct mf_param *params, size_t count,
                      void (*done)(struct mf_remote_call *call, enum mf_code code,
                                   const struct mf_error *err))
{
    upload->call.method = mf_str_from_c(method);
    upload->call.name = upload->put.name;
    upload->call.params = params;
    upload->call.param_count = count;
    upload->call.done = done;
    mf_remote_start(upload->remote, &upload->call);
}

/* ---- in one request ---- */

static void on_whole(struct mf_remote_call *call, enum mf_code code, const struct mf_error *err)
{
    finish(MF_CONTAINER(call, struct upload, call), code, err);
}

static void send_whole(struct upload *upload)
{
    upload->call = (struct mf_remote_call){
        .body = upload->put.bytes, .content_type = upload->put.content_type, .checksum = true};
    send_call(upload, "PUT", NULL, 0, on_whole);
}

/* ---- in parts ---- */

static void on_aborted(struct mf_remote_call *call, enum mf_code code, const struct mf_error *err)
{
    struct upload *upload = MF_CONTAINER(call, struct upload, call);
    (void)code; /* what stays behind the bucket's own rules have to remove */
    (void)err;
    finish(upload, upload->code, &upload->err);
}

static void give_up(struct upload *upload)
{
    upload->call = (struct mf_remote_call){0};
    send_call(upload, "DELETE", upload->params, 1, on_aborted);
}

static bool find_text(void *ctx, struct mf_str name, struct mf_str text)
{
    struct mf_param *wanted = ctx;
    if (mf_str_eq(name, wanted->name))
        wanted->value = text;
    return true;
}

static struct mf_str text_of(struct mf_arena *arena, struct mf_str document, const char *name)
{
    struct mf_param wanted = {mf_str_from_c(name), MF_STR_EMPTY};
    return mf_xml_each(arena, document, find_text, &wanted) ? wanted.value : MF_STR_EMPTY;
}

/* The server may have completed it although its answer was lost; then the upload is gone and the object
 * there. */
static void on_looked(struct mf_remote_call *call, enum mf_code code, const struct mf_error *err)
{
    struct upload *upload = MF_CONTAINER(call, struct upload, call);
    struct mf_error lost;
    uint64_t size = 0;
    if (code == MF_OK && mf_str_to_u64(mf_fetch_header(&call->fetch, "content-length"), &size) &&
        size == upload->put.bytes.len) {
        finish(upload, MF_OK, NULL);
        return;
    }
    if (code == MF_OK || code == MF_NOT_FOUND) {
        code = mf_fail(&lost, MF_UNAVAILABLE, "the upload of %.*s was aborted by somebody else; try again",
                       MF_FMT(upload->put.name));
        err = &lost;
    }
    finish(upload, code, err);
}

static void on_completed(struct mf_remote_call *call, enum mf_code code, const struct mf_error *err)
{
    struct upload *upload = MF_CONTAINER(call, struct upload, call);
    if (code == MF_NOT_FOUND) {
        upload->call = (struct mf_remote_call){0};
        send_call(upload, "HEAD", NULL, 0, on_looked);
        return;
    }
    /* The status is sent before the work is done, and a failure follows in the body. */
    struct mf_str fault = code == MF_OK ? text_of(upload->arena, call->answer, "Code") : MF_STR_EMPTY;
    if (code == MF_OK && fault.len == 0) {
        finish(upload, MF_OK, NULL);
        return;
    }
    if (code == MF_OK)
        upload->code = mf_fail(&upload->err, MF_UNAVAILABLE,
                               "the object store did not put the parts together: %.*s", MF_FMT(fault));
    else
        upload->err = *err;
    upload->code = upload->err.code;
    give_up(upload);
}

static void complete(struct upload *upload)
{
    struct mf_buf body = MF_BUF_INIT(0);
    mf_buf_add_c(&body, MF_XML_HEAD "<CompleteMultipartUpload" MF_XML_S3 ">");
    for (size_t i = 0; i < upload->part_count; i++) {
        mf_buf_printf(&body, "<Part><PartNumber>%zu</PartNumber>", i + 1);
        mf_xml_element(&body, "ETag", mf_str_from_c(upload->etags[i]));
        mf_buf_add_c(&body, "</Part>");
    }
    mf_buf_add_c(&body, "</CompleteMultipartUpload>");
    upload->complete =
        mf_buf_failed(&body) ? (struct mf_str){0} : mf_str_copy(upload->arena, mf_buf_str(&body));
    mf_buf_free(&body);
    if (!upload->complete.ptr) {
        upload->code = mf_fail_memory(&upload->err);
        give_up(upload);
        return;
    }
    upload->call =
        (struct mf_remote_call){.body = upload->complete, .content_type = MF_STR("application/xml")};
    send_call(upload, "POST", upload->params, 1, on_completed);
}

static void on_part(struct mf_remote_call *call, enum mf_code code, const struct mf_error *err);

/* With the lock held: whether the slot has got a part. */
static bool take_part(struct upload *upload, struct slot *slot)
{
    if (upload->code != MF_OK || upload->next == upload->part_count)
        return false;
    slot->part = upload->next++;
    upload->under_way++;
    snprintf(slot->number, sizeof slot->number, "%zu", slot->part + 1);
    slot->params[0] = (struct mf_param){MF_STR("partNumber"), mf_str_from_c(slot->number)};
    slot->params[1] = (struct mf_param){MF_STR("uploadId"), upload->id};
    slot->call = (struct mf_remote_call){
        .method = MF_STR("PUT"),
        .name = upload->put.name,
        .params = slot->params,
        .param_count = 2,
        .body =
            mf_str_take(mf_str_skip(upload->put.bytes, slot->part * upload->part_bytes), upload->part_bytes),
        .done = on_part,
    };
    return true;
}

static void note_part(struct upload *upload, const struct slot *slot, enum mf_code code,
                      const struct mf_error *err)
{
    struct mf_str etag = code == MF_OK ? mf_fetch_header(&slot->call.fetch, "etag") : MF_STR_EMPTY;
    upload->under_way--;
    if (code == MF_OK && etag.len > 0 && etag.len < ETAG_MAX)
        snprintf(upload->etags[slot->part], ETAG_MAX, "%.*s", MF_FMT(etag));
    else if (upload->code == MF_OK && code == MF_OK)
        upload->code = mf_fail(&upload->err, MF_UNAVAILABLE, "the object store gave a part no ETag");
    else if (upload->code == MF_OK) {
        upload->err = *err;
        upload->code = code == MF_NOT_FOUND ? MF_UNAVAILABLE : code;
    }
}

static void on_part(struct mf_remote_call *call, enum mf_code code, const struct mf_error *err)
{
    struct slot *slot = MF_CONTAINER(call, struct slot, call);
    struct upload *upload = slot->upload;
    pthread_mutex_lock(&upload->lock);
    note_part(upload, slot, code, err);
    bool more = take_part(upload, slot);
    bool last = !more && upload->under_way == 0;
    bool failed = upload->code != MF_OK;
    pthread_mutex_unlock(&upload->lock);
    if (more)
        mf_remote_start(upload->remote, &slot->call);
    else if (last && failed)
        give_up(upload);
    else if (last)
        complete(upload);
}

static void send_parts(struct upload *upload)
{
    size_t taken = 0;
    pthread_mutex_lock(&upload->lock);
    while (taken < AT_ONCE && take_part(upload, &upload->slots[taken]))
        taken++;
    pthread_mutex_unlock(&upload->lock);
    for (size_t i = 0; i < taken; i++)
        mf_remote_start(upload->remote, &upload->slots[i].call);
}

static void on_begun(struct mf_remote_call *call, enum mf_code code, const struct mf_error *err)
{
    struct upload *upload = MF_CONTAINER(call, struct upload, call);
    struct mf_error strange;
    if (code == MF_OK) {
        upload->id = mf_str_copy(upload->arena, text_of(upload->arena, call->answer, "UploadId"));
        if (!upload->id.ptr || upload->id.len == 0) {
            code = mf_fail(&strange, MF_UNAVAILABLE, "the object store gave an upload no id");
            err = &strange;
        }
    }
    if (code != MF_OK) {
        finish(upload, code, err);
        return;
    }
    upload->params[0] = (struct mf_param){MF_STR("uploadId"), upload->id};
    send_parts(upload);
}

static void send_in_parts(struct upload *upload)
{
    static const struct mf_param uploads[] = {{MF_STR("uploads"), MF_STR("")}};
    struct mf_error err;
    size_t least = upload->put.bytes.len / PARTS_MAX + 1;
    upload->part_bytes = least > PART_BYTES ? least : PART_BYTES;
    upload->part_count = (upload->put.bytes.len + upload->part_bytes - 1) / upload->part_bytes;
    upload->etags = mf_arena_array(upload->arena, upload->part_count, sizeof *upload->etags);
    if (!upload->etags) {
        mf_fail_memory(&err);
        finish(upload, err.code, &err);
        return;
    }
    for (size_t i = 0; i < AT_ONCE; i++)
        upload->slots[i].upload = upload;
    upload->call = (struct mf_remote_call){.content_type = upload->put.content_type};
    send_call(upload, "POST", uploads, 1, on_begun);
}

void mf_upload_start(struct mf_remote *remote, const struct mf_object_put *put)
{
    struct mf_error err;
    struct upload *upload = calloc(1, sizeof *upload);
    struct mf_arena *arena = upload ? mf_arena_new(0) : NULL;
    if (!arena) {
        free(upload);
        mf_fail_memory(&err);
        put->done(put->ctx, err.code, &err);
        return;
    }
    upload->remote = remote;
    upload->put = *put;
    upload->arena = arena;
    pthread_mutex_init(&upload->lock, NULL);
    if (put->bytes.len <= MF_UPLOAD_WHOLE_MAX)
        send_whole(upload);
    else
        send_in_parts(upload);
}
