#include "testing.h"

#include "../store/entity.h"

#include "base/time.h"
#include "objects/object.h"
#include "store/object.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define LARGE 100000

static struct mf_sys sys;        /* whose disk fails when told to */
static atomic_bool disk_is_full; /* for the writes of bodies */

static ssize_t failing_write(void *ctx, int fd, const void *bytes, size_t len)
{
    if (atomic_load(&disk_is_full)) {
        errno = ENOSPC;
        return -1;
    }
    return mf_sys_real()->write(ctx, fd, bytes, len);
}

static int64_t fixed_wall(void *ctx)
{
    int64_t ns = 0;
    (void)ctx;
    return mf_time_parse_rfc3339(MF_STR("2026-01-02T03:04:05Z"), &ns) ? ns : 0;
}

struct world {
    struct entity entity; /* first */
    struct mf_objects *objects;
    char dir[96];
};

static void open_objects(struct world *w)
{
    const struct mf_objects_config config = {
        .store = w->entity.store,
        .dir = w->dir,
        .bucket = MF_STR("mayfly"),
        .object_max = 1000000,
        .access_key = MF_STR("AKIDEXAMPLE"),
        .secret_key = MF_STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        .endpoint = MF_STR("http://127.0.0.1:8090"),
    };
    assert_int_equal(mf_objects_open(&config, &w->objects, &w->entity.err), MF_OK);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct entity *e = &w->entity;
    snprintf(e->dir, sizeof e->dir, "/tmp/mayfly-object-test-XXXXXX");
    assert_non_null(mkdtemp(e->dir));
    test_database_make(&e->database, e->dir);
    snprintf(w->dir, sizeof w->dir, "%s/objects", e->dir);
    sys = *mf_sys_real();
    sys.write = failing_write;
    sys.wall_ns = fixed_wall;
    atomic_store(&disk_is_full, false);
    assert_int_equal(mf_hub_new(&e->hub, &e->err), MF_OK);
    const struct mf_store_config config = {
        .sys = &sys, .path = e->database.path, .hub = e->hub, .unsafe_no_fsync = true};
    assert_int_equal(mf_store_open(&config, &e->store, &e->err), MF_OK);
    e->arena = mf_arena_new(0);
    open_objects(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    struct entity *e = &w->entity;
    mf_objects_close(w->objects);
    mf_store_close(e->store);
    mf_hub_free(e->hub);
    mf_arena_free(e->arena);
    test_database_drop(&e->database);
    assert_int_equal(mf_remove_tree(e->dir, NULL), MF_OK);
    free(w);
    return 0;
}

static size_t files(const struct world *w)
{
    size_t count = 0;
    DIR *dir = opendir(w->dir);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static struct mf_str body(struct world *w, size_t len, char fill)
{
    char *bytes = mf_arena_bytes(w->entity.arena, len + 1);
    memset(bytes, fill, len);
    return mf_str_make(bytes, len);
}

static enum mf_code put(struct world *w, const char *uri, struct mf_str bytes)
{
    return mf_object_write(w->objects, mf_str_from_c(uri), bytes, MF_STR_EMPTY, &w->entity.err);
}

static void expect(struct world *w, const char *uri, struct mf_str bytes)
{
    struct mf_str read;
    bool exists = false;
    int64_t size = 0;
    assert_int_equal(
        mf_object_read(w->objects, w->entity.arena, mf_str_from_c(uri), bytes.len, &read, &w->entity.err),
        MF_OK);
    assert_true(mf_str_eq(read, bytes));
    assert_int_equal(mf_object_exists(w->objects, mf_str_from_c(uri), &exists, &size, &w->entity.err), MF_OK);
    assert_true(exists);
    assert_int_equal(size, bytes.len);
}

static void small_ones_live_in_the_database_and_large_ones_in_files(void **state)
{
    struct world *w = *state;
    struct mf_str read;
    bool exists = true;
    assert_str(mf_objects_base(w->objects), "s3://mayfly");
    assert_int_equal(put(w, "s3://mayfly/none", MF_STR_EMPTY), MF_OK);
    assert_int_equal(put(w, "s3://mayfly/small", body(w, 32 << 10, 's')), MF_OK);
    assert_int_equal(files(w), 0);
    assert_int_equal(put(w, "s3://mayfly/large", body(w, LARGE, 'l')), MF_OK);
    assert_int_equal(files(w), 1);
    expect(w, "s3://mayfly/none", MF_STR_EMPTY);
    expect(w, "s3://mayfly/small", body(w, 32 << 10, 's'));
    expect(w, "s3://mayfly/large", body(w, LARGE, 'l'));
    assert_int_equal(mf_object_read(w->objects, w->entity.arena, MF_STR("s3://mayfly/large"), LARGE - 1,
                                    &read, &w->entity.err),
                     MF_RESOURCE_EXHAUSTED);
    assert_int_equal(
        mf_object_read(w->objects, w->entity.arena, MF_STR("s3://mayfly/other"), 10, &read, &w->entity.err),
        MF_NOT_FOUND);
    assert_int_equal(
        mf_object_read(w->objects, w->entity.arena, MF_STR("s3://other/x"), 10, &read, &w->entity.err),
        MF_INVALID_ARGUMENT);
    assert_int_equal(mf_object_exists(w->objects, MF_STR("s3://mayfly/other"), &exists, NULL, &w->entity.err),
                     MF_OK);
    assert_false(exists);
    assert_int_equal(put(w, "s3://mayfly/huge", body(w, 1000001, 'h')), MF_RESOURCE_EXHAUSTED);
    assert_int_equal(put(w, "s3://mayfly/../x", MF_STR("x")), MF_INVALID_ARGUMENT);
    assert_int_equal(files(w), 1);
}

static void overwriting_removes_the_file_that_was(void **state)
{
    struct world *w = *state;
    assert_int_equal(put(w, "s3://mayfly/a", body(w, LARGE, '1')), MF_OK);
    assert_int_equal(put(w, "s3://mayfly/a", body(w, LARGE + 1, '2')), MF_OK);
    assert_int_equal(files(w), 1);
    expect(w, "s3://mayfly/a", body(w, LARGE + 1, '2'));
    assert_int_equal(put(w, "s3://mayfly/a", MF_STR("small")), MF_OK);
    assert_int_equal(files(w), 0);
    expect(w, "s3://mayfly/a", MF_STR("small"));
}

static void a_full_disk_leaves_nothing(void **state)
{
    struct world *w = *state;
    assert_int_equal(put(w, "s3://mayfly/a", body(w, LARGE, '1')), MF_OK);
    atomic_store(&disk_is_full, true);
    assert_int_equal(put(w, "s3://mayfly/a", body(w, LARGE, '2')), MF_UNAVAILABLE);
    atomic_store(&disk_is_full, false);
    expect(w, "s3://mayfly/a", body(w, LARGE, '1'));
    assert_int_equal(files(w), 1);
}

static enum mf_code apply_two(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    struct mf_objects *objects = *(struct mf_objects *const *)data;
    enum mf_code code = mf_object_put_tx(objects, tx, MF_STR("s3://mayfly/tx"), MF_STR("in a transaction"),
                                         MF_STR("text/plain"), err);
    return code;
}

static enum mf_code apply_and_fail(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    enum mf_code code = apply_two(tx, data, err);
    return code == MF_OK ? mf_fail(err, MF_ABORTED, "no") : code;
}

static void put_is_part_of_the_transaction(void **state)
{
    struct world *w = *state;
    bool exists = true;
    assert_int_equal(entity_write(&w->entity, apply_and_fail, &w->objects), MF_ABORTED);
    assert_int_equal(mf_object_exists(w->objects, MF_STR("s3://mayfly/tx"), &exists, NULL, &w->entity.err),
                     MF_OK);
    assert_false(exists);
    assert_int_equal(entity_write(&w->entity, apply_two, &w->objects), MF_OK);
    expect(w, "s3://mayfly/tx", MF_STR("in a transaction"));
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    enum mf_code code;
};

static void on_done(void *ctx, enum mf_code code, const struct mf_error *err)
{
    struct waiter *waiter = ctx;
    (void)err;
    pthread_mutex_lock(&waiter->lock);
    waiter->done = true;
    waiter->code = code;
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->lock);
}

static enum mf_code put_async(struct world *w, const char *uri, struct mf_str bytes)
{
    struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct timespec deadline;
    mf_object_put_async(w->objects, mf_str_from_c(uri), bytes, MF_STR_EMPTY, on_done, &waiter);
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 10;
    pthread_mutex_lock(&waiter.lock);
    while (!waiter.done)
        assert_int_equal(pthread_cond_timedwait(&waiter.changed, &waiter.lock, &deadline), 0);
    pthread_mutex_unlock(&waiter.lock);
    return waiter.code;
}

static void put_async_tells_when_it_is_durable(void **state)
{
    struct world *w = *state;
    assert_int_equal(put_async(w, "s3://mayfly/small", MF_STR("x")), MF_OK);
    assert_int_equal(put_async(w, "s3://mayfly/large", body(w, LARGE, 'l')), MF_OK);
    assert_int_equal(put_async(w, "s3://other/large", MF_STR("x")), MF_INVALID_ARGUMENT);
    expect(w, "s3://mayfly/small", MF_STR("x"));
    expect(w, "s3://mayfly/large", body(w, LARGE, 'l'));
}

static enum mf_code add_upload(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct mf_part_row *part = data;
    const struct mf_upload_row upload = {
        .id = part->upload_id,
        .bucket = MF_STR("mayfly"),
        .name = MF_STR("n"),
        .content_type = MF_STR("t"),
        .meta = MF_STR_EMPTY,
        .created_at = part->created_at,
    };
    enum mf_code code = mf_upload_insert(mf_tx_db(tx), &upload, err);
    return code == MF_OK ? mf_part_put(mf_tx_db(tx), part, err) : code;
}

static void write_file(const struct world *w, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    assert_int_equal(mf_write_file(mf_sys_real(), path, MF_STR("x"), 0600, NULL), MF_OK);
}

/* What an earlier process left: a body that never got its row, parts of an upload of last month, parts of a
 * fresh one. */
static void a_start_removes_what_no_row_names(void **state)
{
    struct world *w = *state;
    const int64_t now = fixed_wall(NULL);
    struct mf_part_row part = {
        .number = 1, .size = 1, .md5 = MF_STR_EMPTY, .upload_id = MF_STR("old"), .file = MF_STR("1-old")};
    assert_int_equal(put(w, "s3://mayfly/large", body(w, LARGE, 'l')), MF_OK);
    part.created_at = now - INT64_C(8) * 24 * 3600 * MF_SECOND_NS;
    assert_int_equal(entity_write(&w->entity, add_upload, &part), MF_OK);
    part.created_at = now - INT64_C(6) * 24 * 3600 * MF_SECOND_NS;
    part.upload_id = MF_STR("fresh");
    part.file = MF_STR("1-fresh");
    assert_int_equal(entity_write(&w->entity, add_upload, &part), MF_OK);
    mf_objects_close(w->objects); /* waits for its own cleaning, which would not spare these */
    write_file(w, "1-old");
    write_file(w, "1-fresh");
    write_file(w, "1-orphan");
    assert_int_equal(files(w), 4);
    open_objects(w);
    for (int i = 0; files(w) > 2; i++) {
        assert_true(i < 10000);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    mf_objects_close(w->objects); /* waits for the cleaning */
    open_objects(w);
    assert_int_equal(files(w), 2);
    expect(w, "s3://mayfly/large", body(w, LARGE, 'l'));
}

static void presign(struct world *w, const struct mf_presign *request, const char *url)
{
    struct mf_str signed_url;
    assert_int_equal(mf_object_presign(w->objects, w->entity.arena, request, &signed_url, &w->entity.err),
                     MF_OK);
    assert_str(signed_url, url);
}

/* The URLs are botocore's, character by character. */
static void signs_like_botocore(void **state)
{
    struct world *w = *state;
    struct mf_str url;
    presign(w, &(struct mf_presign){.uri = MF_STR("s3://mayfly/a/b c.txt"), .expires_s = 900},
            "http://127.0.0.1:8090/mayfly/a/"
            "b%20c.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE"
            "%2F20260102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-"
            "SignedHeaders=host&X-Amz-Signature="
            "22f9aab44e8d627a613612351daaf1e37ec498c9867d04d1f479e0a0e3c9e107");
    presign(
        w,
        &(struct mf_presign){.put = true,
                             .uri = MF_STR("s3://mayfly/x"),
                             .host = MF_STR("localhost:8090"),
                             .expires_s = 60,
                             .content_md5 = MF_STR("XUFAKrxLKna5cZ2REBfFkg=="),
                             .meta_name = "x-amz-meta-flytecontentmd5",
                             .meta_value = MF_STR("XUFAKrxLKna5cZ2REBfFkg==")},
        "http://localhost:8090/mayfly/"
        "x?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260102"
        "%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=60&X-Amz-SignedHeaders="
        "content-md5%3Bhost%3Bx-amz-meta-flytecontentmd5&X-Amz-Signature="
        "96ffd7419312435427a8f0ee2ac6c8f112b5edae7d3b6292c0eaf464d2e79c46");
    const struct mf_presign bad[] = {
        {.uri = MF_STR("s3://mayfly/x"), .expires_s = 0},
        {.uri = MF_STR("s3://mayfly/x"), .expires_s = 604801},
        {.uri = MF_STR("s3://other/x"), .expires_s = 1},
        {.uri = MF_STR("s3://mayfly/../x"), .expires_s = 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(mf_object_presign(w->objects, w->entity.arena, &bad[i], &url, &w->entity.err),
                         MF_INVALID_ARGUMENT);
}

static void refuses_a_configuration_that_cannot_work(void **state)
{
    struct world *w = *state;
    struct mf_objects *none = NULL;
    const struct mf_objects_config good = {
        .store = w->entity.store,
        .dir = w->dir,
        .bucket = MF_STR("mayfly"),
        .access_key = MF_STR("a"),
        .secret_key = MF_STR("s"),
        .endpoint = MF_STR("http://h"),
    };
    struct mf_objects_config config = good;
    config.bucket = MF_STR("a/b");
    assert_int_equal(mf_objects_open(&config, &none, &w->entity.err), MF_INVALID_ARGUMENT);
    config = good;
    config.secret_key = MF_STR_EMPTY;
    assert_int_equal(mf_objects_open(&config, &none, &w->entity.err), MF_INVALID_ARGUMENT);
    config = good;
    config.endpoint = MF_STR("host:80");
    assert_int_equal(mf_objects_open(&config, &none, &w->entity.err), MF_INVALID_ARGUMENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(small_ones_live_in_the_database_and_large_ones_in_files),
        TEST(overwriting_removes_the_file_that_was),
        TEST(a_full_disk_leaves_nothing),
        TEST(put_is_part_of_the_transaction),
        TEST(put_async_tells_when_it_is_durable),
        TEST(a_start_removes_what_no_row_names),
        TEST(signs_like_botocore),
        TEST(refuses_a_configuration_that_cannot_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
