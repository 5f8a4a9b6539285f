#include "objects/s3.h"

#include "base/list.h"
#include "objects/xml.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define UPLOADS_MAX 10000 /* open at a time */
#define PARTS_MAX 10000

/* ---- create and abort ---- */

struct upload {
    struct mf_command command;
    struct mf_s3 *s;
    struct mf_upload_row row;
    char id[33];
    struct mf_str *files; /* of the parts of an aborted one; allocated by the step */
    size_t file_count;
};

static void finish(struct mf_s3 *s, enum mf_code code, const struct mf_error *err)
{
    if (code == MF_NOT_FOUND)
        mf_s3_fail(s, MF_S3_NoSuchUpload, NULL);
    else if (code != MF_OK)
        mf_s3_fail_error(s, err);
    mf_s3_return(s);
}

static enum mf_code apply_create(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct upload *upload = MF_CONTAINER(command, struct upload, command);
    int64_t count = 0;
    enum mf_code code = mf_upload_count(mf_tx_db(tx), &count, err);
    if (code == MF_OK && count >= UPLOADS_MAX)
        return mf_fail(
            err, MF_RESOURCE_EXHAUSTED,
            "%d multipart uploads are open; complete or abort some, those older than a week are dropped at "
            "the next start",
            UPLOADS_MAX);
    upload->row.created_at = mf_tx_now_ns(tx);
    return code == MF_OK ? mf_upload_insert(mf_tx_db(tx), &upload->row, err) : code;
}

static void done_create(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    finish(MF_CONTAINER(command, struct upload, command)->s, code, err);
}

static void step_create(struct mf_s3 *s)
{
    struct upload *upload = s->state;
    upload->command = (struct mf_command){.apply = apply_create, .done = done_create};
    mf_writer_submit(mf_store_writer(s->objects->store), &upload->command);
}

static void next_create(struct mf_s3 *s)
{
    struct upload *upload = s->state;
    mf_buf_add_c(&s->out, MF_XML_HEAD "<InitiateMultipartUploadResult" MF_XML_S3 ">");
    mf_xml_element(&s->out, "Bucket", s->objects->bucket);
    mf_xml_element(&s->out, "Key", s->name);
    mf_xml_element(&s->out, "UploadId", upload->row.id);
    mf_buf_add_c(&s->out, "</InitiateMultipartUploadResult>");
    mf_s3_answer_xml(s);
}

static struct upload *new_upload(struct mf_s3 *s)
{
    struct upload *upload = MF_NEW(s->arena, struct upload);
    s->state = upload;
    if (!upload) {
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
        mf_s3_answer_fault(s);
        return NULL;
    }
    upload->s = s;
    upload->row.bucket = s->objects->bucket;
    upload->row.name = s->name;
    return upload;
}

void mf_s3_create_upload(struct mf_s3 *s)
{
    uint64_t id[2];
    struct upload *upload = new_upload(s);
    if (!upload)
        return;
    s->objects->sys->random(s->objects->sys->ctx, id, sizeof id);
    snprintf(upload->id, sizeof upload->id, "%016" PRIx64 "%016" PRIx64, id[0], id[1]);
    upload->row.id = mf_str_from_c(upload->id);
    if (mf_s3_meta_read(s, &upload->row.content_type, &upload->row.meta))
        mf_s3_do(s, step_create, next_create);
    else
        mf_s3_answer_fault(s);
}

static bool note_file(void *ctx, const struct mf_part_row *part)
{
    struct upload *upload = ctx;
    upload->files[upload->file_count++] = part->file;
    return true;
}

static enum mf_code apply_abort(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct upload *upload = MF_CONTAINER(command, struct upload, command);
    struct mf_upload_row row;
    enum mf_code code = mf_upload_get(mf_tx_db(tx), mf_tx_arena(tx), upload->row.id, upload->row.bucket,
                                      upload->row.name, &row, err);
    upload->file_count = 0;
    if (code == MF_OK)
        code = mf_part_list(mf_tx_db(tx), upload->s->arena, upload->row.id, 0, PARTS_MAX, note_file, upload,
                            err);
    return code == MF_OK ? mf_upload_delete(mf_tx_db(tx), upload->row.id, err) : code;
}

static void unlink_all(struct mf_objects *objects, const struct mf_str *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char file[MF_OBJECT_FILE_MAX];
        snprintf(file, sizeof file, "%.*s", MF_FMT(files[i]));
        mf_objects_unlink(objects, file);
    }
}

static void done_abort(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct upload *upload = MF_CONTAINER(command, struct upload, command);
    if (code == MF_OK)
        unlink_all(upload->s->objects, upload->files, upload->file_count);
    finish(upload->s, code, err);
}

static void step_abort(struct mf_s3 *s)
{
    struct upload *upload = s->state;
    upload->files = mf_arena_array(s->arena, PARTS_MAX, sizeof *upload->files);
    if (!upload->files) {
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
        mf_s3_return(s);
        return;
    }
    upload->command = (struct mf_command){.apply = apply_abort, .done = done_abort};
    mf_writer_submit(mf_store_writer(s->objects->store), &upload->command);
}

static void next_abort(struct mf_s3 *s)
{
    mf_s3_answer(s, 204, NULL, 0, MF_STR_EMPTY);
}

void mf_s3_abort_upload(struct mf_s3 *s)
{
    struct upload *upload = new_upload(s);
    if (!upload)
        return;
    upload->row.id = mf_s3_param(s, "uploadId");
    mf_s3_do(s, step_abort, next_abort);
}

/* ---- complete ---- */

struct listed {
    int32_t number;
    struct mf_str etag; /* as the client has it, without quotes */
};

struct complete {
    struct mf_s3 *s;
    struct mf_upload_row upload;
    struct listed *listed;
    size_t listed_count, matched;
    struct listed current; /* being read */
    enum mf_s3_fault fault;
    struct mf_str *files; /* of the parts that are listed, in order */
    struct mf_str *all;   /* of every part there is */
    size_t all_count;
    EVP_MD_CTX *md5; /* of the parts' MD5 */
};

static bool read_listed(void *ctx, struct mf_str name, struct mf_str text)
{
    struct complete *complete = ctx;
    int64_t number = 0;
    text = mf_str_trim(text, MF_STR(" \t\r\n"));
    if (mf_str_eq_c(name, "PartNumber")) {
        if (!mf_str_to_i64(text, &number) || number < 1 || number > PARTS_MAX)
            return false;
        complete->current.number = (int32_t)number;
    } else if (mf_str_eq_c(name, "ETag")) {
        complete->current.etag = mf_str_trim(text, MF_STR("\""));
    } else if (mf_str_eq_c(name, "Part")) {
        size_t count = complete->listed_count;
        if (count == PARTS_MAX || complete->current.number == 0)
            return false;
        if (count > 0 && complete->listed[count - 1].number >= complete->current.number)
            complete->fault = MF_S3_InvalidPartOrder;
        complete->listed[complete->listed_count++] = complete->current;
        complete->current = (struct listed){0};
    }
    return true;
}

static bool match(void *ctx, const struct mf_part_row *part)
{
    struct complete *complete = ctx;
    char etag[33] = {0};
    complete->all[complete->all_count++] = part->file;
    if (complete->matched == complete->listed_count ||
        complete->listed[complete->matched].number != part->number)
        return true;
    mf_put_etag(part->md5, etag);
    if (!mf_str_eq_c(complete->listed[complete->matched].etag, etag) ||
        EVP_DigestUpdate(complete->md5, part->md5.ptr, part->md5.len) != 1)
        return false;
    complete->files[complete->matched++] = part->file;
    return true;
}

static void find_parts(struct mf_s3 *s, struct complete *complete)
{
    struct mf_error err;
    struct mf_db *db = NULL;
    enum mf_code code = mf_store_reader(s->objects->store, &db, &err);
    if (code == MF_OK)
        code = mf_upload_get(db, s->arena, mf_s3_param(s, "uploadId"), s->objects->bucket, s->name,
                             &complete->upload, &err);
    if (code == MF_NOT_FOUND)
        mf_s3_fail(s, MF_S3_NoSuchUpload, NULL);
    if (code == MF_OK)
        code = mf_part_list(db, s->arena, complete->upload.id, 0, PARTS_MAX, match, complete, &err);
    mf_store_reader_done(s->objects->store, db);
    if (code != MF_OK)
        mf_s3_fail_error(s, &err);
    else if (complete->matched != complete->listed_count)
        mf_s3_fail(s, MF_S3_InvalidPart, NULL);
}

static void done_complete(struct mf_put *put, enum mf_code code, const struct mf_error *err)
{
    finish(MF_CONTAINER(put, struct mf_s3, put), code, err);
}

static void submit_complete(struct mf_s3 *s)
{
    struct complete *complete = s->state;
    s->put.row.content_type = complete->upload.content_type;
    s->put.row.meta = complete->upload.meta;
    s->put.upload_id = complete->upload.id;
    s->put.part_files = complete->all;
    s->put.part_count = complete->all_count;
    s->put.done = done_complete;
    mf_put_submit(&s->put);
}

static bool end_etag(struct mf_s3 *s, struct complete *complete)
{
    unsigned char md5[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char hex[33];
    if (EVP_DigestFinal_ex(complete->md5, md5, &len) != 1)
        return false;
    mf_put_etag(mf_str_make(md5, len), hex);
    snprintf(s->etag, sizeof s->etag, "%s-%zu", hex, complete->listed_count);
    return true;
}

static void step_complete(struct mf_s3 *s)
{
    struct complete *complete = s->state;
    struct mf_error err;
    complete->md5 = EVP_MD_CTX_new();
    complete->listed = mf_arena_array(s->arena, PARTS_MAX, sizeof *complete->listed);
    complete->files = mf_arena_array(s->arena, PARTS_MAX, sizeof *complete->files);
    complete->all = mf_arena_array(s->arena, PARTS_MAX, sizeof *complete->all);
    if (!complete->md5 || !complete->listed || !complete->files || !complete->all ||
        EVP_DigestInit_ex(complete->md5, EVP_md5(), NULL) != 1)
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
    else if (!mf_xml_each(s->arena, mf_buf_str(&s->in), read_listed, complete) || complete->listed_count == 0)
        mf_s3_fail(s, MF_S3_MalformedXML, "The body is not a CompleteMultipartUpload of 1 to 10000 parts.");
    else if (complete->fault != MF_S3_OK)
        mf_s3_fail(s, complete->fault, NULL);
    if (s->fault == MF_S3_OK)
        find_parts(s, complete);
    if (s->fault == MF_S3_OK && !end_etag(s, complete))
        mf_s3_fail(s, MF_S3_InternalError, NULL);
    EVP_MD_CTX_free(complete->md5);
    complete->md5 = NULL;
    if (s->fault == MF_S3_OK && mf_body_new(s->objects, 0, false, &s->body, &err) != MF_OK)
        mf_s3_fail_error(s, &err);
    if (s->fault == MF_S3_OK)
        mf_s3_gather(s, complete->files, complete->listed_count, submit_complete);
    else
        mf_s3_return(s);
}

static void next_complete(struct mf_s3 *s)
{
    mf_buf_add_c(&s->out, MF_XML_HEAD "<CompleteMultipartUploadResult" MF_XML_S3 ">");
    mf_buf_printf(&s->out, "<Location>/%.*s/", MF_FMT(s->objects->bucket));
    mf_xml_text(&s->out, s->name);
    mf_buf_add_c(&s->out, "</Location>");
    mf_xml_element(&s->out, "Bucket", s->objects->bucket);
    mf_xml_element(&s->out, "Key", s->name);
    mf_buf_printf(&s->out, "<ETag>&quot;%s&quot;</ETag></CompleteMultipartUploadResult>", s->etag);
    mf_s3_answer_xml(s);
}

void mf_s3_complete_upload(struct mf_s3 *s)
{
    struct complete *complete = MF_NEW(s->arena, struct complete);
    s->state = complete;
    if (complete) {
        mf_s3_do(s, step_complete, next_complete);
    } else {
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
        mf_s3_answer_fault(s);
    }
}
