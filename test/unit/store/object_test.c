#include "entity.h"

#include "store/object.h"

#define BUCKET MF_STR("b")

struct change {
    struct mf_object_row put;
    struct mf_str delete;
    struct mf_upload_row upload;
    struct mf_part_row part;
    struct mf_str forget;
};

static enum mf_code apply(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct change *change = data;
    enum mf_code code = MF_OK;
    if (change->put.name.ptr)
        code = mf_object_row_put(mf_tx_db(tx), &change->put, err);
    if (code == MF_OK && change->delete.ptr)
        code = mf_object_row_delete(mf_tx_db(tx), BUCKET, change->delete, err);
    if (code == MF_OK && change->upload.id.ptr)
        code = mf_upload_insert(mf_tx_db(tx), &change->upload, err);
    if (code == MF_OK && change->part.upload_id.ptr)
        code = mf_part_put(mf_tx_db(tx), &change->part, err);
    if (code == MF_OK && change->forget.ptr)
        code = mf_upload_delete(mf_tx_db(tx), change->forget, err);
    return code;
}

static void write(struct entity *e, struct change change)
{
    assert_int_equal(entity_write(e, apply, &change), MF_OK);
}

static struct mf_object_row object(const char *name, const char *body, const char *file)
{
    return (struct mf_object_row){
        .bucket = BUCKET,
        .name = mf_str_from_c(name),
        .size = (int64_t)strlen(body),
        .etag = MF_STR("etag"),
        .md5 = MF_STR("0123456789abcdef"),
        .content_type = MF_STR("a/b"),
        .meta = MF_STR("k\0v\0"),
        .body = mf_str_from_c(body),
        .file = mf_str_from_c(file),
        .created_at = 42,
    };
}

static void objects(void **state)
{
    struct entity *e = *state;
    struct mf_object_row row;
    struct mf_str file;
    bool exists = true;
    assert_int_equal(mf_object_row_get(e->db, e->arena, BUCKET, MF_STR("x"), false, &row, &e->err),
                     MF_NOT_FOUND);
    write(e, (struct change){.put = object("x", "hello", "")});
    assert_int_equal(mf_object_row_get(e->db, e->arena, BUCKET, MF_STR("x"), false, &row, &e->err), MF_OK);
    assert_str(row.body, "hello");
    assert_str(row.content_type, "a/b");
    assert_str(row.md5, "0123456789abcdef");
    assert_int_equal(row.meta.len, 4);
    assert_int_equal(row.size, 5);
    assert_int_equal(row.created_at, 42);
    assert_int_equal(mf_object_row_get(e->db, e->arena, BUCKET, MF_STR("x"), true, &row, &e->err), MF_OK);
    assert_int_equal(row.body.len, 0);
    assert_int_equal(mf_object_row_get(e->db, e->arena, MF_STR("c"), MF_STR("x"), true, &row, &e->err),
                     MF_NOT_FOUND);

    write(e, (struct change){.put = object("x", "", "f1")});
    assert_int_equal(mf_object_row_file(e->db, e->arena, BUCKET, MF_STR("x"), &exists, &file, &e->err),
                     MF_OK);
    assert_true(exists);
    assert_str(file, "f1");
    write(e, (struct change){.delete = MF_STR("x")});
    write(e, (struct change){.delete = MF_STR("x")});
    assert_int_equal(mf_object_row_file(e->db, e->arena, BUCKET, MF_STR("x"), &exists, &file, &e->err),
                     MF_OK);
    assert_false(exists);
}

struct names {
    char text[128];
    size_t left;
};

static bool note(void *ctx, const struct mf_object_row *row)
{
    struct names *names = ctx;
    size_t len = strlen(names->text);
    snprintf(names->text + len, sizeof names->text - len, "%.*s ", MF_FMT(row->name));
    return --names->left > 0;
}

static void lists(void **state)
{
    struct entity *e = *state;
    const char *all[] = {"b", "a/b", "\xc3\xbc", "a", "a0", "B"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        write(e, (struct change){.put = object(all[i], "x", "")});
    struct names names = {.left = 10};
    assert_int_equal(mf_object_row_list(e->db, BUCKET, MF_STR_EMPTY, 10, note, &names, &e->err), MF_OK);
    assert_string_equal(names.text, "B a a/b a0 b \xc3\xbc ");
    names = (struct names){.left = 10};
    assert_int_equal(mf_object_row_list(e->db, BUCKET, MF_STR("a/"), 2, note, &names, &e->err), MF_OK);
    assert_string_equal(names.text, "a/b a0 ");
    names = (struct names){.left = 1};
    assert_int_equal(mf_object_row_list(e->db, BUCKET, MF_STR("a/b"), 10, note, &names, &e->err), MF_OK);
    assert_string_equal(names.text, "a/b ");
}

static bool is_used(struct entity *e, const char *file)
{
    bool used = false;
    assert_int_equal(mf_object_file_used(e->db, mf_str_from_c(file), &used, &e->err), MF_OK);
    return used;
}

static bool count_part(void *ctx, const struct mf_part_row *row)
{
    int32_t *last = ctx;
    assert_true(row->number > *last);
    *last = row->number;
    return true;
}

static void uploads(void **state)
{
    struct entity *e = *state;
    struct mf_upload_row row;
    struct mf_str text;
    int64_t count = 0;
    int32_t last = 0;
    const struct mf_upload_row upload = {.id = MF_STR("u"),
                                         .bucket = BUCKET,
                                         .name = MF_STR("n"),
                                         .content_type = MF_STR("t"),
                                         .meta = MF_STR("m"),
                                         .created_at = 100};
    struct mf_part_row part = {
        .upload_id = MF_STR("u"), .number = 3, .size = 1, .md5 = MF_STR("m"), .file = MF_STR("f3")};
    write(e, (struct change){.upload = upload, .part = part});
    part.number = 1;
    part.file = MF_STR("f1");
    write(e, (struct change){.part = part});
    part.file = MF_STR("f1b");
    write(e, (struct change){.part = part, .put = object("x", "", "fx")});
    assert_true(is_used(e, "fx"));
    assert_true(is_used(e, "f3"));
    assert_true(is_used(e, "f1b"));
    assert_false(is_used(e, "f1"));
    assert_false(is_used(e, ""));
    assert_int_equal(mf_part_list(e->db, e->arena, MF_STR("u"), 0, 10, count_part, &last, &e->err), MF_OK);
    assert_int_equal(last, 3);
    assert_int_equal(mf_part_file(e->db, e->arena, MF_STR("u"), 1, &text, &e->err), MF_OK);
    assert_str(text, "f1b");
    assert_int_equal(mf_upload_get(e->db, e->arena, MF_STR("u"), BUCKET, MF_STR("n"), &row, &e->err), MF_OK);
    assert_str(row.content_type, "t");
    assert_int_equal(mf_upload_get(e->db, e->arena, MF_STR("u"), BUCKET, MF_STR("o"), &row, &e->err),
                     MF_NOT_FOUND);
    assert_int_equal(mf_upload_count(e->db, &count, &e->err), MF_OK);
    assert_int_equal(count, 1);
    assert_int_equal(mf_upload_older(e->db, e->arena, 100, &text, &e->err), MF_OK);
    assert_int_equal(text.len, 0);
    assert_int_equal(mf_upload_older(e->db, e->arena, 101, &text, &e->err), MF_OK);
    assert_str(text, "u");
    write(e, (struct change){.forget = MF_STR("u")});
    assert_false(is_used(e, "f3"));
    assert_int_equal(mf_upload_count(e->db, &count, &e->err), MF_OK);
    assert_int_equal(count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, entity_setup, entity_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(objects), TEST(lists), TEST(uploads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
