#include "testing.h"

#include "base/sys.h"
#include "server/client.h"
#include "server/datadir.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct place {
    struct mf_arena *arena;
    char root[64];
    char dir[80];
};

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->root, sizeof place->root, "/tmp/mayfly-datadir-test-XXXXXX");
    if (!mkdtemp(place->root))
        return -1;
    snprintf(place->dir, sizeof place->dir, "%s/a/b", place->root);
    place->arena = mf_arena_new(0);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    mf_arena_free(place->arena);
    assert_int_equal(mf_remove_tree(place->root, NULL), MF_OK);
    free(place);
    return 0;
}

static void a_second_server_is_refused(void **state)
{
    struct place *place = *state;
    struct mf_datadir *first = NULL;
    struct mf_datadir *second = NULL;
    struct mf_error err;
    char pid[32];
    assert_int_equal(mf_datadir_open(place->arena, place->dir, &first, &err), MF_OK);
    assert_string_equal(mf_datadir_path(first), place->dir);
    assert_int_equal(mf_datadir_open(place->arena, place->dir, &second, &err), MF_FAILED_PRECONDITION);
    snprintf(pid, sizeof pid, "process %ld ", (long)getpid());
    assert_non_null(strstr(err.message, pid));
    assert_non_null(strstr(err.message, "--data-dir"));
    mf_datadir_close(first);
    assert_int_equal(mf_datadir_open(place->arena, place->dir, &second, &err), MF_OK);
    mf_datadir_close(second);
    mf_datadir_close(NULL);
}

static void a_dead_server_holds_nothing(void **state)
{
    struct place *place = *state;
    struct mf_datadir *dir = NULL;
    struct mf_error err;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (mf_datadir_open(place->arena, place->dir, &dir, &err) == MF_OK)
            raise(SIGKILL);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(mf_datadir_open(place->arena, place->dir, &dir, &err), MF_OK);
    mf_datadir_close(dir);
}

/* A child of the killed server that has not become a task yet, which drops the lock. */
static void waits_for_what_a_dead_server_has_left(void **state)
{
    const struct timespec moment = {.tv_nsec = 100000000};
    struct place *place = *state;
    struct mf_datadir *dir = NULL;
    struct mf_error err;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (mf_datadir_open(place->arena, place->dir, &dir, &err) != MF_OK)
            _exit(1);
        if (fork() == 0) {
            nanosleep(&moment, NULL);
            _exit(0);
        }
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(mf_datadir_open(place->arena, place->dir, &dir, &err), MF_OK);
    mf_datadir_close(dir);
}

static void keys_are_made_once(void **state)
{
    struct place *place = *state;
    struct mf_datadir *dir = NULL;
    struct mf_client_keys first, again;
    struct mf_error err;
    struct stat st;
    assert_int_equal(mf_datadir_open(place->arena, place->dir, &dir, &err), MF_OK);
    assert_int_equal(mf_client_keys_load(place->arena, mf_sys_real(), dir, &first, &err), MF_OK);
    assert_int_equal(mf_client_keys_load(place->arena, mf_sys_real(), dir, &again, &err), MF_OK);
    assert_int_equal(first.access.len, 18);
    assert_int_equal(first.secret.len, 40);
    assert_true(mf_str_eq(first.access, again.access));
    assert_true(mf_str_eq(first.secret, again.secret));
    const char *file = mf_datadir_file(dir, place->arena, "s3-keys");
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(mf_write_file(mf_sys_real(), file, MF_STR("only one line\n"), 0600, &err), MF_OK);
    assert_int_equal(mf_client_keys_load(place->arena, mf_sys_real(), dir, &again, &err), MF_DATA_LOSS);
    mf_datadir_close(dir);
}

static void clients_find_their_files(void **state)
{
    struct place *place = *state;
    struct mf_datadir *dir = NULL;
    struct mf_error err;
    struct mf_str text;
    struct stat st;
    const struct mf_object_variables variables = {
        .items = {{"FLYTE_AWS_ENDPOINT", MF_STR("http://there")},
                  {"FLYTE_AWS_SECRET_ACCESS_KEY", MF_STR("secret")}},
        .count = 2,
    };
    struct mf_client_files files = {
        .url = MF_STR("http://127.0.0.1:1234"),
        .project = MF_STR("p"),
        .domain = MF_STR("d"),
        .variables = &variables,
        .with_keys = true,
    };
    assert_int_equal(mf_datadir_open(place->arena, place->dir, &dir, &err), MF_OK);
    assert_int_equal(mf_client_files_write(place->arena, mf_sys_real(), dir, &files, &err), MF_OK);
    const char *yaml = mf_datadir_file(dir, place->arena, "flyte.yaml");
    assert_int_equal(mf_read_file(place->arena, yaml, 4096, &text, &err), MF_OK);
    assert_true(mf_str_find(text, MF_STR("endpoint: \"http://127.0.0.1:1234\"\n  insecure: true\n")) !=
                SIZE_MAX);
    assert_true(mf_str_find(text, MF_STR("secret")) == SIZE_MAX);
    const char *env = mf_datadir_file(dir, place->arena, "client.env");
    assert_int_equal(mf_read_file(place->arena, env, 4096, &text, &err), MF_OK);
    assert_true(mf_str_find(text, MF_STR("export FLYTE_AWS_SECRET_ACCESS_KEY='secret'\n")) != SIZE_MAX);
    assert_int_equal(stat(env, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    /* Keys of somebody else's bucket are not written down. */
    files.with_keys = false;
    assert_int_equal(mf_client_files_write(place->arena, mf_sys_real(), dir, &files, &err), MF_OK);
    assert_int_equal(mf_read_file(place->arena, env, 4096, &text, &err), MF_OK);
    assert_true(mf_str_find(text, MF_STR("export FLYTE_AWS_ENDPOINT='http://there'\n")) != SIZE_MAX);
    assert_true(mf_str_find(text, MF_STR("secret")) == SIZE_MAX);
    mf_datadir_close(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_second_server_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dead_server_holds_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(waits_for_what_a_dead_server_has_left, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_are_made_once, setup, teardown),
        cmocka_unit_test_setup_teardown(clients_find_their_files, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
