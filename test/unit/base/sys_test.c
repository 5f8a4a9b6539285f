#include "testing.h"

#include "base/arena.h"
#include "base/sys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char dir[64];
    struct mf_arena *arena;
};

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->dir, sizeof place->dir, "/tmp/mayfly-sys-test-XXXXXX");
    if (!mkdtemp(place->dir))
        return -1;
    place->arena = mf_arena_new(0);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    struct mf_error err;
    assert_int_equal(mf_remove_tree(place->dir, &err), MF_OK);
    assert_int_not_equal(access(place->dir, F_OK), 0);
    mf_arena_free(place->arena);
    free(place);
    return 0;
}

static char *below(struct place *place, const char *name)
{
    return mf_str_to_c(place->arena, mf_str_printf(place->arena, "%s/%s", place->dir, name));
}

static void writes_and_reads_files(void **state)
{
    struct place *place = *state;
    struct mf_error err;
    struct mf_str back;
    char *path = below(place, "a/b/c");
    assert_int_equal(mf_make_dirs(path, 0700, &err), MF_OK);
    assert_int_equal(mf_make_dirs(path, 0700, &err), MF_OK);
    char *file = below(place, "a/b/c/file");
    assert_int_equal(mf_write_file(mf_sys_real(), file, MF_STR("one"), 0600, &err), MF_OK);
    assert_int_equal(mf_write_file(mf_sys_real(), file, MF_STR("second"), 0600, &err), MF_OK);
    assert_int_equal(mf_read_file(place->arena, file, 6, &back, &err), MF_OK);
    assert_str(back, "second");
    assert_int_equal(mf_read_file(place->arena, file, 5, &back, &err), MF_RESOURCE_EXHAUSTED);
    assert_int_equal(mf_read_file(place->arena, below(place, "none"), 5, &back, &err), MF_NOT_FOUND);
    assert_int_equal(mf_read_file(place->arena, "/proc/self/stat", 4096, &back, &err), MF_OK);
    assert_true(back.len > 0);
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(mf_make_dirs(file, 0700, &err), MF_FAILED_PRECONDITION);
    assert_int_equal(mf_write_file(mf_sys_real(), below(place, "no/file"), MF_STR("x"), 0600, &err),
                     MF_NOT_FOUND);
}

static int failing_fsync(void *ctx, int fd)
{
    (void)ctx;
    (void)fd;
    errno = ENOSPC;
    return -1;
}

static void a_failed_write_leaves_the_old_file(void **state)
{
    struct place *place = *state;
    struct mf_error err;
    struct mf_str back;
    char *file = below(place, "file");
    struct mf_sys broken = *mf_sys_real();
    broken.fsync = failing_fsync;
    assert_int_equal(mf_write_file(mf_sys_real(), file, MF_STR("old"), 0600, &err), MF_OK);
    assert_int_equal(mf_write_file(&broken, file, MF_STR("new"), 0600, &err), MF_UNAVAILABLE);
    assert_non_null(strstr(err.message, "disk is full"));
    assert_int_equal(mf_read_file(place->arena, file, 100, &back, &err), MF_OK);
    assert_str(back, "old");
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(place->dir), 0); /* nothing else was left behind */
    assert_int_equal(mkdir(place->dir, 0700), 0);
}

static void removes_only_its_tree(void **state)
{
    struct place *place = *state;
    struct mf_error err;
    assert_int_equal(mf_make_dirs(below(place, "keep/me"), 0700, &err), MF_OK);
    assert_int_equal(mf_make_dirs(below(place, "tree/deep/er"), 0700, &err), MF_OK);
    assert_int_equal(symlink(below(place, "keep"), below(place, "tree/deep/link")), 0);
    assert_int_equal(mf_remove_tree(below(place, "tree"), &err), MF_OK);
    assert_int_not_equal(access(below(place, "tree"), F_OK), 0);
    assert_int_equal(access(below(place, "keep/me"), F_OK), 0);
    assert_int_equal(mf_remove_tree(below(place, "tree"), &err), MF_OK);
}

static void clocks_and_randomness(void **state)
{
    (void)state;
    const struct mf_sys *sys = mf_sys_real();
    int64_t before = mf_mono_ns(sys);
    assert_true(mf_mono_ns(sys) >= before);
    assert_true(mf_wall_ns(sys) > 1700000000 * INT64_C(1000000000));
    unsigned char a[32] = {0}, b[32] = {0};
    sys->random(sys->ctx, a, sizeof a);
    sys->random(sys->ctx, b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_and_reads_files, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_write_leaves_the_old_file, setup, teardown),
        cmocka_unit_test_setup_teardown(removes_only_its_tree, setup, teardown),
        cmocka_unit_test(clocks_and_randomness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
