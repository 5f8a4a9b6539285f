#include "objects/put.h"

#include "base/list.h"

#include <stdio.h>

void mf_put_etag(struct mf_str md5, char etag[33])
{
    for (size_t i = 0; i < 16 && i < md5.len; i++)
        snprintf(etag + 2 * i, 3, "%02x", (unsigned)(unsigned char)md5.ptr[i]);
}

static enum mf_code finish_upload(struct mf_put *put, struct mf_tx *tx, struct mf_error *err)
{
    struct mf_upload_row upload;
    enum mf_code code = mf_upload_get(mf_tx_db(tx), mf_tx_arena(tx), put->upload_id, put->row.bucket,
                                      put->row.name, &upload, err);
    return code == MF_OK ? mf_upload_delete(mf_tx_db(tx), put->upload_id, err) : code;
}

enum mf_code mf_put_apply(struct mf_put *put, struct mf_tx *tx, struct mf_error *err)
{
    bool exists = false;
    struct mf_str old;
    enum mf_code code =
        mf_object_row_file(mf_tx_db(tx), mf_tx_arena(tx), put->row.bucket, put->row.name, &exists, &old, err);
    if (code == MF_OK && exists && put->only_new)
        code = mf_fail(err, MF_ALREADY_EXISTS, "object already exists: s3://%.*s/%.*s",
                       MF_FMT(put->row.bucket), MF_FMT(put->row.name));
    if (code == MF_OK && put->upload_id.len > 0)
        code = finish_upload(put, tx, err);
    if (code != MF_OK)
        return code;
    snprintf(put->old_file, sizeof put->old_file, "%.*s", MF_FMT(old));
    put->row.created_at = mf_tx_now_ns(tx);
    return mf_object_row_put(mf_tx_db(tx), &put->row, err);
}

static enum mf_code apply(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    return mf_put_apply(MF_CONTAINER(command, struct mf_put, command), tx, err);
}

static void done(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct mf_put *put = MF_CONTAINER(command, struct mf_put, command);
    struct mf_objects *objects = put->objects;
    if (code == MF_OK) {
        mf_objects_unlink(objects, put->old_file);
        for (size_t i = 0; i < put->part_count; i++) {
            char file[MF_OBJECT_FILE_MAX];
            snprintf(file, sizeof file, "%.*s", MF_FMT(put->part_files[i]));
            mf_objects_unlink(objects, file);
        }
        if (put->body)
            mf_body_keep(put->body);
    }
    mf_body_free(put->body);
    put->body = NULL;
    put->done(put, code, err);
    mf_objects_unref(objects);
}

void mf_put_prepare(struct mf_put *put)
{
    mf_objects_ref(put->objects);
    put->row.bucket = put->objects->bucket;
    if (put->body) {
        put->row.size = mf_body_size(put->body);
        put->row.md5 = mf_body_md5(put->body);
        put->row.body = mf_body_bytes(put->body);
        put->row.file = mf_str_from_c(mf_body_file(put->body));
    }
    put->command = (struct mf_command){.apply = apply, .done = done};
}

void mf_put_submit(struct mf_put *put)
{
    mf_put_prepare(put);
    mf_writer_submit(mf_store_writer(put->objects->store), &put->command);
}
