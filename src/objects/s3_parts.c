/* ListParts: what of a multipart upload has arrived. */
#include "objects/s3.h"

#include "base/time.h"
#include "objects/xml.h"

#define PARTS_AT_ONCE 1000

struct parts {
    struct mf_part_row *rows;
    size_t count, limit;
    int64_t after;
    bool more;
};

static bool note_part(void *ctx, const struct mf_part_row *row)
{
    struct parts *parts = ctx;
    if (parts->count == parts->limit) {
        parts->more = true;
        return false;
    }
    parts->rows[parts->count++] = *row;
    return true;
}

static void step_parts(struct mf_s3 *s)
{
    struct parts *parts = s->state;
    struct mf_upload_row upload;
    struct mf_error err;
    struct mf_db *db = NULL;
    enum mf_code code = mf_store_reader(s->objects->store, &db, &err);
    if (code == MF_OK)
        code = mf_upload_get(db, s->arena, mf_s3_param(s, "uploadId"), s->objects->bucket, s->name, &upload,
                             &err);
    if (code == MF_NOT_FOUND)
        mf_s3_fail(s, MF_S3_NoSuchUpload, NULL);
    if (code == MF_OK)
        code = mf_part_list(db, s->arena, upload.id, (int32_t)parts->after, parts->limit + 1, note_part,
                            parts, &err);
    mf_store_reader_done(s->objects->store, db);
    if (code != MF_OK)
        mf_s3_fail_error(s, &err);
    mf_s3_return(s);
}

static void write_part(struct mf_s3 *s, const struct mf_part_row *row)
{
    char etag[33] = {0};
    mf_put_etag(row->md5, etag);
    mf_buf_printf(&s->out, "<Part><PartNumber>%d</PartNumber><ETag>&quot;%s&quot;</ETag><Size>%lld</Size>",
                  row->number, etag, (long long)row->size);
    mf_xml_element(&s->out, "LastModified", mf_time_rfc3339(s->arena, row->created_at, false));
    mf_buf_add_c(&s->out, "</Part>");
}

static void next_parts(struct mf_s3 *s)
{
    const struct parts *parts = s->state;
    mf_buf_add_c(&s->out, MF_XML_HEAD "<ListPartsResult" MF_XML_S3 ">");
    mf_xml_element(&s->out, "Bucket", s->objects->bucket);
    mf_xml_element(&s->out, "Key", s->name);
    mf_xml_element(&s->out, "UploadId", mf_s3_param(s, "uploadId"));
    mf_buf_printf(&s->out, "<PartNumberMarker>%lld</PartNumberMarker><MaxParts>%zu</MaxParts>",
                  (long long)parts->after, parts->limit);
    mf_buf_printf(&s->out, "<IsTruncated>%s</IsTruncated>", parts->more ? "true" : "false");
    if (parts->more)
        mf_buf_printf(&s->out, "<NextPartNumberMarker>%d</NextPartNumberMarker>",
                      parts->count > 0 ? parts->rows[parts->count - 1].number : (int)parts->after);
    for (size_t i = 0; i < parts->count; i++)
        write_part(s, &parts->rows[i]);
    mf_buf_add_c(&s->out, "</ListPartsResult>");
    mf_s3_answer_xml(s);
}

/* A number among the parameters, within bounds; absent: the fallback. */
static int64_t number_param(struct mf_s3 *s, const char *name, int64_t fallback, int64_t max)
{
    struct mf_str text = mf_s3_param(s, name);
    int64_t value = fallback;
    if (text.len == 0)
        return fallback;
    if (!mf_str_to_i64(text, &value) || value < 0)
        mf_s3_fail(s, MF_S3_InvalidArgument, "max-parts and part-number-marker are numbers from 0.");
    return value > max ? max : value;
}

void mf_s3_list_parts(struct mf_s3 *s)
{
    struct parts *parts = MF_NEW(s->arena, struct parts);
    s->state = parts;
    if (parts) {
        parts->limit = (size_t)number_param(s, "max-parts", PARTS_AT_ONCE, PARTS_AT_ONCE);
        parts->after = number_param(s, "part-number-marker", 0, INT32_MAX);
        parts->rows = mf_arena_array(s->arena, PARTS_AT_ONCE, sizeof *parts->rows);
    }
    if (!parts || !parts->rows)
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
    if (s->fault == MF_S3_OK)
        mf_s3_do(s, step_parts, next_parts);
    else
        mf_s3_answer_fault(s);
}
