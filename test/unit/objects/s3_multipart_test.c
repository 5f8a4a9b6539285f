#include "s3_world.h"

#define COMPLETE(parts) MF_STR("<CompleteMultipartUpload>" parts "</CompleteMultipartUpload>")

static const char *begin(struct s3_world *w, const char *name)
{
    char target[64];
    snprintf(target, sizeof target, "/mayfly/%s?uploads", name);
    const struct s3_call call = {
        .method = "POST", .target = target, .headers = {{MF_STR("content-type"), MF_STR("a/b")}}};
    struct s3_answer answer = s3_call(w, &call);
    assert_int_equal(answer.status, 200);
    return mf_str_to_c(w->entity.arena, s3_element(w, answer.body, "UploadId"));
}

static const char *target_of(struct s3_world *w, const char *name, const char *id, int part)
{
    struct mf_str text =
        part > 0 ? mf_str_printf(w->entity.arena, "/mayfly/%s?partNumber=%d&uploadId=%s", name, part, id)
                 : mf_str_printf(w->entity.arena, "/mayfly/%s?uploadId=%s", name, id);
    return mf_str_to_c(w->entity.arena, text);
}

static struct s3_answer complete(struct s3_world *w, const char *name, const char *id, struct mf_str body)
{
    return s3_call(w, &(struct s3_call){.method = "POST", .target = target_of(w, name, id, 0), .body = body});
}

static struct mf_str listed(struct s3_world *w, int number, struct mf_str etag)
{
    return mf_str_printf(w->entity.arena, "<Part><ETag>%.*s</ETag><PartNumber>%d</PartNumber></Part>",
                         MF_FMT(etag), number);
}

static struct mf_str document(struct s3_world *w, struct mf_str a, struct mf_str b)
{
    return mf_str_printf(w->entity.arena, "<CompleteMultipartUpload>%.*s%.*s</CompleteMultipartUpload>",
                         MF_FMT(a), MF_FMT(b));
}

static void parts_become_one_object(void **state)
{
    struct s3_world *w = *state;
    struct mf_str first = s3_bytes(w, 1500000, 1);
    struct mf_str second = s3_bytes(w, 10, 2);
    const char *id = begin(w, "big");
    assert_int_equal(s3_put(w, target_of(w, "big", id, 7), MF_STR("left out")).status, 200);
    struct mf_str two = s3_put(w, target_of(w, "big", id, 2), MF_STR("replaced")).etag;
    struct mf_str one = s3_put(w, target_of(w, "big", id, 1), first).etag;
    struct s3_answer answer = complete(w, "big", id, document(w, listed(w, 1, one), listed(w, 3, two)));
    s3_expect_fault(&answer, 400, "InvalidPart");
    struct mf_str newer = s3_put(w, target_of(w, "big", id, 2), second).etag;
    assert_int_equal(s3_files(w), 3);
    answer = complete(w, "big", id, document(w, listed(w, 1, one), listed(w, 2, two)));
    s3_expect_fault(&answer, 400, "InvalidPart");
    answer = complete(w, "big", id, document(w, listed(w, 2, newer), listed(w, 1, one)));
    s3_expect_fault(&answer, 400, "InvalidPartOrder");
    assert_int_equal(s3_get(w, "/mayfly/big").status, 404);
    answer = complete(w, "big", id, document(w, listed(w, 1, one), listed(w, 2, newer)));
    assert_int_equal(answer.status, 200);
    assert_true(s3_holds(answer.body, "-2&quot;</ETag>"));
    assert_int_equal(s3_files(w), 1);
    struct s3_answer get = s3_get(w, "/mayfly/big");
    assert_int_equal(get.body.len, first.len + second.len);
    assert_true(mf_str_eq(mf_str_take(get.body, first.len), first));
    assert_true(mf_str_eq(mf_str_skip(get.body, first.len), second));
    assert_str(s3_header(&get, "content-type"), "a/b");
    answer = complete(w, "big", id, document(w, listed(w, 1, one), listed(w, 2, newer)));
    s3_expect_fault(&answer, 404, "NoSuchUpload");
}

/* The etag is that of S3: MD5 of the parts' MD5, and their number. */
static void etag_of_parts(void **state)
{
    struct s3_world *w = *state;
    const char *id = begin(w, "e");
    struct mf_str one = s3_put(w, target_of(w, "e", id, 1), MF_STR("hello")).etag;
    struct s3_answer answer = complete(w, "e", id, document(w, listed(w, 1, one), MF_STR_EMPTY));
    assert_int_equal(answer.status, 200);
    assert_str(s3_get(w, "/mayfly/e").etag, "\"62109206880d38a4010a98e11243924a-1\"");
}

static void aborted_ones_leave_nothing(void **state)
{
    struct s3_world *w = *state;
    const char *id = begin(w, "a");
    assert_int_equal(s3_put(w, target_of(w, "a", id, 1), MF_STR("x")).status, 200);
    assert_int_equal(s3_put(w, target_of(w, "other", id, 1), MF_STR("x")).status, 404);
    assert_int_equal(s3_files(w), 1);
    assert_int_equal(
        s3_call(w, &(struct s3_call){.method = "DELETE", .target = target_of(w, "other", id, 0)}).status,
        404);
    assert_int_equal(
        s3_call(w, &(struct s3_call){.method = "DELETE", .target = target_of(w, "a", id, 0)}).status, 204);
    assert_int_equal(s3_files(w), 0);
    struct s3_answer answer = s3_put(w, target_of(w, "a", id, 2), MF_STR("late"));
    s3_expect_fault(&answer, 404, "NoSuchUpload");
    assert_int_equal(s3_files(w), 0);
    assert_int_equal(
        s3_call(w, &(struct s3_call){.method = "DELETE", .target = target_of(w, "a", id, 0)}).status, 404);
}

static void bounds(void **state)
{
    struct s3_world *w = *state;
    const char *id = begin(w, "b");
    assert_int_equal(s3_put(w, target_of(w, "b", id, 10000), MF_STR("x")).status, 200);
    assert_int_equal(s3_put(w, target_of(w, "b", id, 10001), MF_STR("x")).status, 400);
    struct s3_answer answer = complete(w, "b", id, COMPLETE(""));
    s3_expect_fault(&answer, 400, "MalformedXML");
    answer = complete(w, "b", id, COMPLETE("<Part><PartNumber>0</PartNumber><ETag>a</ETag></Part>"));
    s3_expect_fault(&answer, 400, "MalformedXML");
    /* Each part fits, the sum does not. */
    struct mf_str half = s3_bytes(w, OBJECT_MAX / 2 + 1, 1);
    struct mf_str one = s3_put(w, target_of(w, "b", id, 1), half).etag;
    struct mf_str two = s3_put(w, target_of(w, "b", id, 2), half).etag;
    answer = complete(w, "b", id, document(w, listed(w, 1, one), listed(w, 2, two)));
    s3_expect_fault(&answer, 400, "EntityTooLarge");
    assert_int_equal(s3_get(w, "/mayfly/b").status, 404);
    assert_int_equal(s3_files(w), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, s3_setup, s3_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parts_become_one_object),
        TEST(etag_of_parts),
        TEST(aborted_ones_leave_nothing),
        TEST(bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
