#include "objects/s3.h"

#include "base/list.h"
#include "objects/name.h"
#include "objects/xml.h"

#include <stdio.h>

#define NAMES_MAX 1000

struct delete
{
    struct mf_command command;
    struct mf_s3 *s;
    struct mf_str *names;
    size_t count;
    bool quiet;
    struct mf_str key; /* being read */
    char(*files)[MF_OBJECT_FILE_MAX];
};

static enum mf_code apply(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct delete *delete = MF_CONTAINER(command, struct delete, command);
    struct mf_str bucket = delete->s->objects->bucket;
    enum mf_code code = MF_OK;
    for (size_t i = 0; i < delete->count && code == MF_OK; i++) {
        bool exists;
        struct mf_str file;
        code =
            mf_object_row_file(mf_tx_db(tx), mf_tx_arena(tx), bucket, delete->names[i], &exists, &file, err);
        if (code == MF_OK && exists)
            code = mf_object_row_delete(mf_tx_db(tx), bucket, delete->names[i], err);
        if (code == MF_OK)
            snprintf(delete->files[i], sizeof delete->files[i], "%.*s", MF_FMT(file));
    }
    return code;
}

static void done(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct delete *delete = MF_CONTAINER(command, struct delete, command);
    struct mf_s3 *s = delete->s;
    if (code != MF_OK)
        mf_s3_fail_error(s, err);
    for (size_t i = 0; i < delete->count && code == MF_OK; i++)
        mf_objects_unlink(s->objects, delete->files[i]);
    mf_s3_return(s);
}

static void step_submit(struct mf_s3 *s)
{
    struct delete *delete = s->state;
    delete->files = mf_arena_array(s->arena, delete->count + 1, sizeof *delete->files);
    if (!delete->files) {
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
        mf_s3_return(s);
        return;
    }
    delete->command = (struct mf_command){.apply = apply, .done = done};
    mf_writer_submit(mf_store_writer(s->objects->store), &delete->command);
}

static void next_one(struct mf_s3 *s)
{
    mf_s3_answer(s, 204, NULL, 0, MF_STR_EMPTY);
}

static struct delete *new_delete(struct mf_s3 *s)
{
    struct delete *delete = MF_NEW(s->arena, struct delete);
    struct mf_str *names = mf_arena_array(s->arena, NAMES_MAX, sizeof *names);
    s->state = delete;
    if (delete &&names) {
        delete->s = s;
        delete->names = names;
        return delete;
    }
    mf_s3_fail(s, MF_S3_SlowDown, NULL);
    mf_s3_answer_fault(s);
    return NULL;
}

void mf_s3_delete(struct mf_s3 *s)
{
    struct delete *delete = new_delete(s);
    if (!delete)
        return;
    delete->names[delete->count++] = s->name;
    mf_s3_do(s, step_submit, next_one);
}

static bool visit(void *ctx, struct mf_str name, struct mf_str text)
{
    struct delete *delete = ctx;
    if (mf_str_eq_c(name, "Key"))
        delete->key = text;
    else if (mf_str_eq_c(name, "Quiet"))
        delete->quiet = mf_str_eq_c(mf_str_trim(text, MF_STR(" \t\r\n")), "true");
    else if (mf_str_eq_c(name, "Object") && delete->count < NAMES_MAX)
        delete->names[delete->count++] = delete->key;
    else if (mf_str_eq_c(name, "Object"))
        return false;
    return true;
}

static void next_many(struct mf_s3 *s)
{
    struct delete *delete = s->state;
    mf_buf_add_c(&s->out, MF_XML_HEAD "<DeleteResult" MF_XML_S3 ">");
    for (size_t i = 0; i < delete->count && !delete->quiet; i++) {
        mf_buf_add_c(&s->out, "<Deleted>");
        mf_xml_element(&s->out, "Key", delete->names[i]);
        mf_buf_add_c(&s->out, "</Deleted>");
    }
    mf_buf_add_c(&s->out, "</DeleteResult>");
    mf_s3_answer_xml(s);
}

void mf_s3_delete_many(struct mf_s3 *s)
{
    struct mf_error err;
    struct delete *delete = new_delete(s);
    if (!delete)
        return;
    if (!mf_xml_each(s->arena, mf_buf_str(&s->in), visit, delete) || delete->count == 0)
        mf_s3_fail(s, MF_S3_MalformedXML, "The body is not a Delete document of 1 to 1000 objects.");
    for (size_t i = 0; i < delete->count && s->fault == MF_S3_OK; i++) {
        if (mf_object_name_check(delete->names[i], &err) != MF_OK)
            mf_s3_fail(s, MF_S3_InvalidArgument, err.message);
    }
    if (s->fault != MF_S3_OK)
        mf_s3_answer_fault(s);
    else
        mf_s3_do(s, step_submit, next_many);
}
