#include "testing.h"

#include "server/config.h"

#include "base/log.h"
#include "base/sys.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct place {
    struct mf_arena *arena;
    char file[64];
};

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->file, sizeof place->file, "/tmp/mayfly-config-test-XXXXXX");
    int fd = mkstemp(place->file);
    if (fd < 0)
        return -1;
    close(fd);
    place->arena = mf_arena_new(0);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    unlink(place->file);
    mf_arena_free(place->arena);
    free(place);
    return 0;
}

static const struct mf_config *read_all(struct place *place, const char *const *argv,
                                        const char *const *variables, const char *text, struct mf_error *err)
{
    struct mf_config *config = NULL;
    int argc = 0;
    while (argv && argv[argc])
        argc++;
    if (text)
        assert_int_equal(mf_write_file(mf_sys_real(), place->file, mf_str_from_c(text), 0600, NULL), MF_OK);
    const struct mf_config_input input = {
        .argc = argc, .argv = argv, .environ = variables, .file = text ? place->file : NULL};
    return mf_config_read(place->arena, &input, &config, err) == MF_OK ? config : NULL;
}

static void has_defaults(void **state)
{
    struct mf_error err;
    const struct mf_config *config = read_all(*state, NULL, NULL, NULL, &err);
    const struct mf_str *items;
    assert_non_null(config);
    assert_string_equal(mf_config_text(config, MF_CONF_LISTEN), "127.0.0.1:8090");
    assert_string_equal(mf_config_text(config, MF_CONF_DATA_DIR), "./mayfly-data");
    assert_int_equal(mf_config_int(config, MF_CONF_HEADER_BYTES), 65536);
    assert_int_equal(mf_config_int(config, MF_CONF_DRAIN_TIMEOUT), 30000);
    assert_int_equal(mf_config_int(config, MF_CONF_LOG_LEVEL), MF_LOG_INFO);
    assert_int_equal(mf_config_list(config, MF_CONF_DOMAINS, &items), 3);
    assert_str(items[2], "production");
    assert_int_equal(mf_config_list(config, MF_CONF_CORS_ORIGINS, &items), 0);
}

static void the_nearer_source_wins(void **state)
{
    struct mf_error err;
    const char *argv[] = {"--workers", "3", "--tls-cert=c.pem", "--allow-unauthenticated", NULL};
    const char *variables[] = {"MAYFLY_WORKERS=4", "MAYFLY_IO_THREADS=5", "MAYFLY_PORT=tcp://1.2.3.4",
                               "PATH=/bin", NULL};
    const struct mf_config *config =
        read_all(*state, argv, variables,
                 "# comment\n\nworkers = 6\n io-threads=7\nstreams = 8\r\nmemory = 1GiB\ncpus = 1.5", &err);
    const struct mf_str *unknown;
    assert_non_null(config);
    assert_int_equal(mf_config_int(config, MF_CONF_WORKERS), 3);
    assert_int_equal(mf_config_int(config, MF_CONF_IO_THREADS), 5);
    assert_int_equal(mf_config_int(config, MF_CONF_STREAMS), 8);
    assert_int_equal(mf_config_int(config, MF_CONF_MEMORY), 1 << 30);
    assert_int_equal(mf_config_int(config, MF_CONF_ALLOW_UNAUTHENTICATED), 1);
    assert_true(mf_config_real(config, MF_CONF_CPUS) > 1.4 && mf_config_real(config, MF_CONF_CPUS) < 1.6);
    assert_string_equal(mf_config_text(config, MF_CONF_TLS_CERT), "c.pem");
    assert_int_equal(mf_config_unknown_variables(config, &unknown), 1);
    assert_str(unknown[0], "MAYFLY_PORT");
}

static void the_file_is_named_by_flag_or_variable(void **state)
{
    struct place *place = *state;
    struct mf_error err;
    char variable[128];
    assert_int_equal(mf_write_file(mf_sys_real(), place->file, MF_STR("workers = 9\n"), 0600, &err), MF_OK);
    const char *argv[] = {"--config", place->file, NULL};
    const struct mf_config *config = read_all(place, argv, NULL, NULL, &err);
    assert_non_null(config);
    assert_int_equal(mf_config_int(config, MF_CONF_WORKERS), 9);
    snprintf(variable, sizeof variable, "MAYFLY_CONFIG=%s", place->file);
    const char *variables[] = {variable, NULL};
    config = read_all(place, NULL, variables, NULL, &err);
    assert_non_null(config);
    assert_int_equal(mf_config_int(config, MF_CONF_WORKERS), 9);
    const char *wrong[] = {"--config=/nonexistent/file", NULL};
    assert_null(read_all(place, wrong, NULL, NULL, &err));
    assert_int_equal(err.code, MF_NOT_FOUND);
}

/* Each row is one flag, or a file when it begins with '='; the message must hold the given part. */
static void refuses_what_is_wrong(void **state)
{
    static const struct {
        const char *given;
        const char *message;
    } rows[] = {
        {"--worker=1", "unknown flag --worker"},
        {"--workers=x", "--workers: \"x\" is not valid"},
        {"--workers=-1", "out of range"},
        {"--workers=513", "0 to 512 are allowed"},
        {"--workers", "needs a value"},
        {"workers", "not expected here"},
        {"--", "not expected here"},
        {"--header-bytes=64kb", "KiB"},
        {"--header-bytes=99999999TiB", "KiB"},
        {"--header-bytes=1", "1024 bytes to 16777216 bytes"},
        {"--drain-timeout=1d", "duration"},
        {"--log-level=loud", "error, warn, info or debug"},
        {"--allow-unauthenticated=yes", "true or false"},
        {"--cpus=nan", "a number"},
        {"--listen=a\nb", "control characters"},
        {"=workers = 1\nworkers = 2\n", ":2: workers was set in line 1"},
        {"=workers = 1\nworkerz = 2\n", ":2: unknown key \"workerz\""},
        {"=\n\nworkers\n", ":3: write \"key = value\""},
        {"=workers = many\n", ":1: \"many\" is not valid"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_error err = {0};
        char flag[128];
        snprintf(flag, sizeof flag, "%s", rows[i].given);
        const char *argv[] = {flag, NULL};
        bool file = rows[i].given[0] == '=';
        assert_null(read_all(*state, file ? NULL : argv, NULL, file ? rows[i].given + 1 : NULL, &err));
        if (!strstr(err.message, rows[i].message))
            fail_msg("\"%s\": the message is: %s", rows[i].given, err.message);
    }
}

static void explains_itself(void **state)
{
    struct mf_error err;
    struct mf_buf out = MF_BUF_INIT(0);
    const char *argv[] = {"--workers=3", "--help", "--check", NULL};
    const char *variables[] = {"MAYFLY_IO_THREADS=5", NULL};
    const struct mf_config *config = read_all(*state, argv, variables, NULL, &err);
    assert_non_null(config);
    assert_true(mf_config_wants_help(config));
    assert_true(mf_config_only_check(config));
    config = read_all(*state, NULL, variables, "workers = 3\n", &err);
    mf_config_show(config, &out);
    mf_buf_add_char(&out, '\0');
    assert_non_null(strstr(out.ptr, "listen = 127.0.0.1:8090  # default\n"));
    assert_non_null(strstr(out.ptr, "io-threads = 5  # MAYFLY_IO_THREADS\n"));
    assert_non_null(strstr(out.ptr, "workers = 3  # /tmp/mayfly-config-test-"));
    mf_buf_clear(&out);
    mf_config_help(&out);
    mf_config_docs(&out);
    mf_buf_add_char(&out, '\0');
    assert_non_null(strstr(out.ptr, "--drain-timeout duration (default 30s)\n"));
    assert_non_null(
        strstr(out.ptr, "| `drain-timeout` | `MAYFLY_DRAIN_TIMEOUT` | duration | 0 to 3600000 ms | `30s` |"));
    assert_null(strstr(out.ptr, "<bucket>/…` |"));
    mf_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(has_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(the_nearer_source_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(the_file_is_named_by_flag_or_variable, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(explains_itself, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
