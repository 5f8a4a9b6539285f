#include "objects/s3.h"

#include "base/encode.h"
#include "base/list.h"
#include "base/time.h"
#include "objects/name.h"
#include "objects/xml.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE ((size_t)1 << 20)
#define PIECES_AT_ONCE 16 /* between two looks at who else waits for a worker */

/* ---- putting a body together from files ---- */

static void open_next(struct mf_s3 *s)
{
    char path[PATH_MAX];
    char file[MF_OBJECT_FILE_MAX];
    snprintf(file, sizeof file, "%.*s", MF_FMT(s->gather.files[s->gather.index]));
    s->fd = mf_objects_path(s->objects, file, path, sizeof path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (s->fd < 0)
        mf_s3_fail(s, errno == ENOENT ? MF_S3_InvalidPart : MF_S3_ServiceUnavailable,
                   "A piece was replaced or removed meanwhile; try again.");
}

/* Copies one piece; *end when the last file is through. */
static void copy_piece(struct mf_s3 *s, char *buffer, bool *end)
{
    struct mf_error err;
    if (s->fd < 0) {
        *end = s->gather.index == s->gather.count;
        if (!*end)
            open_next(s);
        return;
    }
    ssize_t got = read(s->fd, buffer, PIECE);
    if (got < 0 && errno == EINTR)
        return;
    if (got < 0) {
        mf_s3_fail(s, MF_S3_ServiceUnavailable, NULL);
        return;
    }
    if (got == 0) {
        close(s->fd);
        s->fd = -1;
        s->gather.index++;
        return;
    }
    enum mf_code code = mf_body_add(s->body, mf_str_make(buffer, (size_t)got), &err);
    if (code == MF_RESOURCE_EXHAUSTED)
        mf_s3_fail(s, MF_S3_EntityTooLarge, err.message);
    else if (code != MF_OK)
        mf_s3_fail_error(s, &err);
}

static void end_gather(struct mf_s3 *s)
{
    struct mf_error err;
    if (mf_body_end(s->body, &err) != MF_OK) {
        mf_s3_fail_error(s, &err);
        mf_s3_return(s);
        return;
    }
    s->put.objects = s->objects;
    s->put.row.name = s->name;
    s->put.row.etag = mf_str_from_c(s->etag);
    s->put.body = s->body;
    s->body = NULL;
    s->gather.submit(s);
}

static void step_gather(struct mf_s3 *s)
{
    char *buffer = malloc(PIECE);
    bool end = false;
    if (!buffer)
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
    for (int i = 0; i < PIECES_AT_ONCE && !end && s->fault == MF_S3_OK; i++)
        copy_piece(s, buffer, &end);
    free(buffer);
    if (s->fault != MF_S3_OK)
        mf_s3_return(s);
    else if (end)
        end_gather(s);
    else
        mf_s3_again(s);
}

void mf_s3_gather(struct mf_s3 *s, const struct mf_str *files, size_t count, void (*submit)(struct mf_s3 *s))
{
    s->gather.files = files;
    s->gather.count = count;
    s->gather.index = 0;
    s->gather.submit = submit;
    s->step = step_gather;
    step_gather(s);
}

/* ---- CopyObject ---- */

struct copy {
    struct mf_str source;
    struct mf_object_row row;
    bool replace; /* the metadata */
};

static void done_copy(struct mf_put *put, enum mf_code code, const struct mf_error *err)
{
    struct mf_s3 *s = MF_CONTAINER(put, struct mf_s3, put);
    if (code != MF_OK)
        mf_s3_fail_error(s, err);
    mf_s3_return(s);
}

static void submit_copy(struct mf_s3 *s)
{
    s->put.done = done_copy;
    mf_put_submit(&s->put);
}

static void step_copy(struct mf_s3 *s)
{
    struct copy *copy = s->state;
    struct mf_error err;
    struct mf_db *db = NULL;
    enum mf_code code = mf_store_reader(s->objects->store, &db, &err);
    if (code == MF_OK)
        code = mf_object_row_get(db, s->arena, s->objects->bucket, copy->source, false, &copy->row, &err);
    mf_store_reader_done(s->objects->store, db);
    if (code == MF_OK)
        code = mf_body_new(s->objects, copy->row.md5.len > 0 ? MF_BODY_MD5 : 0, false, &s->body, &err);
    if (code == MF_OK)
        code = mf_body_add(s->body, copy->row.body, &err);
    if (code != MF_OK) {
        mf_s3_fail_error(s, &err);
        mf_s3_return(s);
        return;
    }
    snprintf(s->etag, sizeof s->etag, "%.*s", MF_FMT(copy->row.etag));
    if (!copy->replace) {
        s->put.row.content_type = copy->row.content_type;
        s->put.row.meta = copy->row.meta;
    }
    mf_s3_gather(s, &copy->row.file, copy->row.file.len > 0 ? 1 : 0, submit_copy);
}

static void next_copy(struct mf_s3 *s)
{
    mf_buf_add_c(&s->out, MF_XML_HEAD "<CopyObjectResult" MF_XML_S3 ">");
    mf_xml_element(&s->out, "LastModified", mf_time_rfc3339(s->arena, s->put.row.created_at, false));
    mf_buf_printf(&s->out, "<ETag>&quot;%s&quot;</ETag></CopyObjectResult>", s->etag);
    mf_s3_answer_xml(s);
}

/* "/bucket/name" or "bucket/name", percent-encoded. */
static void read_source(struct mf_s3 *s, struct copy *copy)
{
    struct mf_error err;
    struct mf_str source = mf_s3_header(s, "x-amz-copy-source");
    if (!mf_percent_decode(s->arena, source, false, &source))
        mf_s3_fail(s, MF_S3_InvalidArgument, "x-amz-copy-source is not percent-encoded.");
    struct mf_str uri =
        mf_str_printf(s->arena, "s3://%.*s", MF_FMT(mf_str_trim(mf_str_take(source, 1), MF_STR("/"))));
    uri = uri.ptr ? mf_str_printf(s->arena, "%.*s%.*s", MF_FMT(uri), MF_FMT(mf_str_skip(source, 1))) : uri;
    if (!uri.ptr)
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
    else if (mf_object_uri_parse(uri, s->objects->base, &copy->source, &err) != MF_OK)
        mf_s3_fail(s, MF_S3_InvalidArgument, err.message);
}

static bool has_condition(const struct mf_s3 *s)
{
    for (size_t i = 0; i < s->request.header_count; i++) {
        if (mf_str_starts(s->request.headers[i].name, MF_STR("x-amz-copy-source-")))
            return true;
    }
    return mf_s3_header(s, "if-match").ptr != NULL;
}

void mf_s3_copy(struct mf_s3 *s)
{
    struct copy *copy = MF_NEW(s->arena, struct copy);
    struct mf_str none_match = mf_s3_header(s, "if-none-match");
    s->state = copy;
    if (!copy) {
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
        mf_s3_answer_fault(s);
        return;
    }
    if (has_condition(s) || (none_match.ptr && !mf_str_eq_c(none_match, "*")))
        mf_s3_fail(s, MF_S3_NotImplemented, "Conditions and ranges of a copy are not offered here.");
    s->put.only_new = none_match.ptr != NULL;
    read_source(s, copy);
    copy->replace = mf_str_eq_c(mf_s3_header(s, "x-amz-metadata-directive"), "REPLACE");
    if (s->fault == MF_S3_OK && copy->replace)
        (void)mf_s3_meta_read(s, &s->put.row.content_type, &s->put.row.meta);
    if (s->fault != MF_S3_OK)
        mf_s3_answer_fault(s);
    else
        mf_s3_do(s, step_copy, next_copy);
}
