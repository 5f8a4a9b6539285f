#include "objects/s3.h"

#include "base/encode.h"
#include "base/list.h"
#include "objects/checksum.h"
#include "objects/chunked.h"
#include "objects/xml.h"

#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <unistd.h>

#define META_BYTES 8192
#define UNSIGNED "UNSIGNED-PAYLOAD"
#define DECODED_LENGTH "x-amz-decoded-content-length"

/* ---- metadata ---- */

static bool is_meta(struct mf_str name)
{
    return mf_str_eq_c(name, "content-encoding") || mf_str_eq_c(name, "content-disposition") ||
           mf_str_eq_c(name, "cache-control") || mf_str_eq_c(name, "content-language") ||
           mf_str_starts(name, MF_STR("x-amz-meta-"));
}

/* What is left of Content-Encoding when the body's pieces have been put together: "aws-chunked,gzip". */
static struct mf_str stored_encoding(struct mf_str value)
{
    const struct mf_str chunked = MF_STR("aws-chunked");
    if (!mf_str_starts(value, chunked))
        return value;
    return mf_str_trim(mf_str_skip(value, chunked.len), MF_STR(", "));
}

/* The blob is "name NUL value NUL …"; headers hold no NUL. */
bool mf_s3_meta_read(struct mf_s3 *s, struct mf_str *content_type, struct mf_str *meta)
{
    size_t len = 0;
    size_t count = 0;
    char *blob = mf_arena_bytes(s->arena, META_BYTES);
    *content_type = mf_s3_header(s, "content-type");
    if (content_type->len == 0)
        *content_type = MF_STR("binary/octet-stream");
    if (!blob) {
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
        return false;
    }
    for (size_t i = 0; i < s->request.header_count; i++) {
        const struct mf_header *header = &s->request.headers[i];
        if (!is_meta(header->name))
            continue;
        struct mf_str value = header->value;
        if (mf_str_eq_c(header->name, "content-encoding"))
            value = stored_encoding(value);
        if (mf_str_eq_c(header->name, "content-encoding") && value.len == 0)
            continue;
        size_t need = header->name.len + value.len + 2;
        if (++count > MF_S3_META_MAX || need > META_BYTES - len) {
            mf_s3_fail(s, MF_S3_MetadataTooLarge, NULL);
            return false;
        }
        memcpy(blob + len, header->name.ptr, header->name.len);
        blob[len + header->name.len] = '\0';
        if (value.len > 0)
            memcpy(blob + len + header->name.len + 1, value.ptr, value.len);
        blob[len + need - 1] = '\0';
        len += need;
    }
    *meta = mf_str_make(blob, len);
    return true;
}

size_t mf_s3_meta_headers(struct mf_str meta, struct mf_header *headers, size_t max)
{
    size_t count = 0;
    while (meta.len > 0 && count < max) {
        size_t name = mf_str_find_char(meta, '\0');
        struct mf_str rest = name == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(meta, name + 1);
        size_t value = mf_str_find_char(rest, '\0');
        if (name == SIZE_MAX || value == SIZE_MAX)
            break;
        headers[count++] = (struct mf_header){mf_str_take(meta, name), mf_str_take(rest, value)};
        meta = mf_str_skip(rest, value + 1);
    }
    return count;
}

/* ---- checks before and after the body ---- */

static bool is_sha256(struct mf_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
    }
    return text.len == 64;
}

static bool take_piece(void *ctx, struct mf_str bytes)
{
    struct mf_s3 *s = ctx;
    struct mf_error err;
    enum mf_code code = s->checksum && !mf_checksum_add(s->checksum, bytes) ? mf_fail_memory(&err) : MF_OK;
    if (code == MF_OK)
        code = mf_body_add(s->body, bytes, &err);
    if (code == MF_RESOURCE_EXHAUSTED)
        mf_s3_fail(s, MF_S3_EntityTooLarge, err.message);
    else if (code != MF_OK)
        mf_s3_fail_error(s, &err);
    return code == MF_OK;
}

static void begin_chunked(struct mf_s3 *s)
{
    const struct mf_sigv4_keys keys = {s->objects->access_key, s->objects->secret_key};
    int64_t length;
    s->chunked = mf_chunked_new(s->arena, &keys, &s->request, s->payload, take_piece, s);
    if (!s->chunked)
        mf_s3_fail(s, MF_S3_AuthorizationHeaderMalformed,
                   "A body in pieces needs a signature in the Authorization header.");
    else if (!mf_str_to_i64(mf_s3_header(s, DECODED_LENGTH), &length) || length < 0)
        mf_s3_fail(s, MF_S3_InvalidArgument, "A body in pieces needs x-amz-decoded-content-length.");
}

/* What the client says it will prove the body with: a header, or the name of a trailer. */
static void begin_checksum(struct mf_s3 *s)
{
    struct mf_str name = mf_s3_header(s, "x-amz-trailer");
    for (size_t i = 0; i < s->request.header_count && !s->checksum_text.ptr; i++) {
        const struct mf_header *header = &s->request.headers[i];
        bool of_body = mf_str_starts(header->name, MF_STR(MF_CHECKSUM_PREFIX)) &&
                       !mf_str_eq_c(header->name, MF_CHECKSUM_PREFIX "algorithm") &&
                       !mf_str_eq_c(header->name, MF_CHECKSUM_PREFIX "type");
        if (!of_body)
            continue;
        name = header->name;
        s->checksum_text = header->value;
    }
    if (!name.ptr || (!s->checksum_text.ptr && !s->chunked))
        return;
    s->checksum = mf_checksum_new(s->arena, mf_str_trim(name, MF_STR(" ")));
    if (!s->checksum)
        mf_s3_fail(s, MF_S3_InvalidArgument,
                   "That checksum is not known; use crc32, crc32c, crc64nvme, sha1 or sha256.");
}

static void check_before(struct mf_s3 *s)
{
    struct mf_str none_match = mf_s3_header(s, "if-none-match");
    int64_t length;
    if (mf_chunked_known(s->payload))
        begin_chunked(s);
    else if (mf_str_starts(s->payload, MF_STR("STREAMING-")))
        mf_s3_fail(s, MF_S3_NotImplemented,
                   "Bodies signed piece by piece with asymmetric keys are not taken.");
    else if (!mf_str_eq_c(s->payload, UNSIGNED) && !is_sha256(s->payload))
        mf_s3_fail(s, MF_S3_InvalidArgument, "x-amz-content-sha256 is neither a hash nor " UNSIGNED ".");
    begin_checksum(s);
    if (mf_s3_header(s, "if-match").ptr || (none_match.ptr && !mf_str_eq_c(none_match, "*")))
        mf_s3_fail(s, MF_S3_NotImplemented, "The only condition for a PUT is If-None-Match: *.");
    if (mf_str_to_i64(mf_s3_header(s, s->chunked ? DECODED_LENGTH : "content-length"), &length) &&
        (uint64_t)length > s->objects->object_max)
        mf_s3_fail(s, MF_S3_EntityTooLarge, NULL);
    s->put.only_new = none_match.ptr != NULL;
}

static void check_checksum(struct mf_s3 *s)
{
    struct mf_str wanted = s->checksum_text;
    if (!s->checksum)
        return;
    if (!wanted.ptr)
        wanted = mf_chunked_trailer(s->chunked, mf_checksum_header(s->checksum));
    s->checksum_text = mf_checksum_end(s->checksum, s->arena);
    if (!s->checksum_text.ptr)
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
    else if (!wanted.ptr)
        mf_s3_fail(s, MF_S3_InvalidArgument, "The trailer that x-amz-trailer names has not come.");
    else if (!mf_str_eq(wanted, s->checksum_text))
        mf_s3_fail(s, MF_S3_BadDigest,
                   "The body does not have the checksum that was announced; send it again.");
}

static void fail_chunked(struct mf_s3 *s, enum mf_chunked_fault fault)
{
    if (fault == MF_CHUNKED_MALFORMED)
        mf_s3_fail(s, MF_S3_IncompleteBody, NULL);
    else if (fault == MF_CHUNKED_MISMATCH)
        mf_s3_fail(s, MF_S3_SignatureDoesNotMatch, NULL);
    else if (fault == MF_CHUNKED_MEMORY)
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
}

static void check_pieces(struct mf_s3 *s)
{
    int64_t length = 0;
    if (!s->chunked)
        return;
    fail_chunked(s, mf_chunked_end(s->chunked));
    if (!mf_str_to_i64(mf_s3_header(s, DECODED_LENGTH), &length) ||
        (uint64_t)length != mf_chunked_size(s->chunked))
        mf_s3_fail(s, MF_S3_IncompleteBody, NULL);
}

static void check_after(struct mf_s3 *s)
{
    check_pieces(s);
    struct mf_str announced = mf_s3_header(s, "content-md5");
    struct mf_str md5;
    struct mf_str sha256 = mf_body_sha256(s->body);
    if (announced.ptr && (!mf_base64_decode(s->arena, announced, &md5) || md5.len != 16))
        mf_s3_fail(s, MF_S3_InvalidDigest, NULL);
    else if (announced.ptr && !mf_str_eq(md5, mf_body_md5(s->body)))
        mf_s3_fail(s, MF_S3_BadDigest, NULL);
    check_checksum(s);
    if (sha256.len > 0 && !mf_str_eq(mf_hex(s->arena, sha256), s->payload))
        mf_s3_fail(s, MF_S3_XAmzContentSHA256Mismatch, NULL);
}

/* ---- receiving ---- */

static void take_in(struct mf_s3 *s, bool in_file)
{
    struct mf_error err;
    int hashes = MF_BODY_MD5 | (is_sha256(s->payload) ? MF_BODY_SHA256 : 0);
    if (!s->body && mf_body_new(s->objects, hashes, in_file, &s->body, &err) != MF_OK)
        mf_s3_fail_error(s, &err);
    else if (s->chunked)
        fail_chunked(s, mf_chunked_add(s->chunked, mf_buf_str(&s->in)));
    else
        take_piece(s, mf_buf_str(&s->in));
    mf_buf_clear(&s->in);
}

static bool is_part(const struct mf_s3 *s)
{
    return s->begin == mf_s3_put_part;
}

static void step_take(struct mf_s3 *s)
{
    take_in(s, is_part(s));
    mf_s3_return(s);
}

static void next_take(struct mf_s3 *s)
{
    if (s->ended)
        mf_s3_put_more(s);
}

static void done_put(struct mf_put *put, enum mf_code code, const struct mf_error *err)
{
    struct mf_s3 *s = MF_CONTAINER(put, struct mf_s3, put);
    if (code != MF_OK)
        mf_s3_fail_error(s, err);
    mf_s3_return(s);
}

/* A part of a multipart upload: a file with a row of its own. */
struct part {
    struct mf_command command;
    struct mf_s3 *s;
    struct mf_objects *objects;
    struct mf_part_row row;
    char old_file[MF_OBJECT_FILE_MAX];
};

static enum mf_code apply_part(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct part *part = MF_CONTAINER(command, struct part, command);
    struct mf_upload_row upload;
    struct mf_str old;
    enum mf_code code = mf_upload_get(mf_tx_db(tx), mf_tx_arena(tx), part->row.upload_id,
                                      part->objects->bucket, part->s->name, &upload, err);
    if (code == MF_OK)
        code = mf_part_file(mf_tx_db(tx), mf_tx_arena(tx), part->row.upload_id, part->row.number, &old, err);
    if (code != MF_OK)
        return code;
    snprintf(part->old_file, sizeof part->old_file, "%.*s", MF_FMT(old));
    part->row.created_at = mf_tx_now_ns(tx);
    return mf_part_put(mf_tx_db(tx), &part->row, err);
}

static void done_part(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct part *part = MF_CONTAINER(command, struct part, command);
    struct mf_s3 *s = part->s;
    if (code == MF_OK) {
        mf_body_keep(s->body);
        mf_objects_unlink(part->objects, part->old_file);
    } else if (code == MF_NOT_FOUND) {
        mf_s3_fail(s, MF_S3_NoSuchUpload, NULL);
    } else {
        mf_s3_fail_error(s, err);
    }
    mf_s3_return(s);
}

static void submit_part(struct mf_s3 *s)
{
    struct part *part = s->state;
    part->s = s;
    part->objects = s->objects;
    part->row.size = mf_body_size(s->body);
    part->row.md5 = mf_body_md5(s->body);
    part->row.file = mf_str_from_c(mf_body_file(s->body));
    part->command = (struct mf_command){.apply = apply_part, .done = done_part};
    mf_writer_submit(mf_store_writer(s->objects->store), &part->command);
}

static void step_end(struct mf_s3 *s)
{
    struct mf_error err;
    take_in(s, is_part(s));
    if (s->fault == MF_S3_OK && mf_body_end(s->body, &err) != MF_OK)
        mf_s3_fail_error(s, &err);
    if (s->fault == MF_S3_OK)
        check_after(s);
    if (s->fault != MF_S3_OK) {
        mf_s3_return(s);
        return;
    }
    mf_put_etag(mf_body_md5(s->body), s->etag);
    if (is_part(s)) {
        submit_part(s);
        return;
    }
    s->put.objects = s->objects;
    s->put.row.name = s->name;
    s->put.row.etag = mf_str_from_c(s->etag);
    s->put.body = s->body;
    s->put.done = done_put;
    s->body = NULL;
    mf_put_submit(&s->put);
}

static void next_end(struct mf_s3 *s)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\"", s->etag);
    const struct mf_header headers[] = {
        {MF_STR("etag"), mf_str_from_c(quoted)},
        {s->checksum ? mf_checksum_header(s->checksum) : MF_STR_EMPTY, s->checksum_text},
    };
    mf_s3_answer(s, 200, headers, s->checksum ? 2 : 1, MF_STR_EMPTY);
}

void mf_s3_put_more(struct mf_s3 *s)
{
    if (s->ended)
        mf_s3_do(s, step_end, next_end);
    else
        mf_s3_do(s, step_take, next_take);
}

void mf_s3_put(struct mf_s3 *s)
{
    check_before(s);
    if (s->fault != MF_S3_OK || !mf_s3_meta_read(s, &s->put.row.content_type, &s->put.row.meta))
        mf_s3_answer_fault(s);
}

void mf_s3_put_part(struct mf_s3 *s)
{
    struct part *part = MF_NEW(s->arena, struct part);
    int64_t number;
    s->state = part;
    check_before(s);
    if (!part)
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
    if (!mf_str_to_i64(mf_s3_param(s, "partNumber"), &number) || number < 1 || number > 10000)
        mf_s3_fail(s, MF_S3_InvalidArgument, "partNumber is a number from 1 to 10000.");
    if (mf_s3_header(s, "x-amz-copy-source").ptr)
        mf_s3_fail(s, MF_S3_NotImplemented, NULL);
    if (s->fault != MF_S3_OK) {
        mf_s3_answer_fault(s);
        return;
    }
    part->row.number = (int32_t)number;
    part->row.upload_id = mf_s3_param(s, "uploadId");
}
