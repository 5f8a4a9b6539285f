#include "testing.h"

#include "base/sys.h"
#include "cli/api.h"

#include <stdlib.h>
#include <unistd.h>

static const struct mf_cli_flag flags[] = {{"endpoint", "URL", ""},
                                           {"data-dir", "DIR", ""},
                                           {"project", "NAME", ""},
                                           {"domain", "NAME", ""},
                                           {"token-file", "FILE", ""},
                                           {"ca-file", "FILE", ""},
                                           {0}};
static const struct mf_cli_command command = {.words = "thing", .args = "", .text = "", .flags = flags};

static struct mf_arena *arena;
static char folder[] = "/tmp/mayfly-api-test-XXXXXX";

static int begin(void **state)
{
    (void)state;
    arena = mf_arena_new(0);
    return arena && mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
    struct mf_error err;
    (void)state;
    mf_arena_free(arena);
    return mf_remove_tree(folder, &err) == MF_OK ? 0 : -1;
}

static enum mf_code target(const char *const *argv, struct mf_api_target *out, struct mf_error *err)
{
    struct mf_cli_args args = {.arena = arena, .command = &command, .argv = argv};
    while (argv[args.argc])
        args.argc++;
    assert_int_equal(mf_cli_args_read(&args, err), MF_OK);
    return mf_api_target(&args, out, err);
}

static const char *put(const char *name, const char *text)
{
    struct mf_str path = mf_str_printf(arena, "%s/%s", folder, name);
    struct mf_error err;
    assert_int_equal(mf_write_file(mf_sys_real(), path.ptr, mf_str_from_c(text), 0600, &err), MF_OK);
    return path.ptr;
}

static void reads_addresses(void **state)
{
    static const struct {
        const char *text, *url;
    } rows[] = {
        {"http://127.0.0.1:8090", "http://127.0.0.1:8090"},
        {"https://flyte.example/", "https://flyte.example"},
        {"localhost:8090", "http://localhost:8090"},
        {"[::1]:8090", "http://[::1]:8090"},
        {"flyte.example:443", "https://flyte.example:443"},
        {"dns:///flyte.example", "https://flyte.example"},
        {"dns:///127.0.0.1:8090", "http://127.0.0.1:8090"},
        {"ftp://flyte.example", NULL},
        {"http://", NULL},
        {"dns:///", NULL},
        {"", NULL},
        {"flyte.example/path", NULL},
    };
    struct mf_error err;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_str url = MF_STR_EMPTY;
        enum mf_code code = mf_api_url(arena, mf_str_from_c(rows[i].text), &url, &err);
        assert_int_equal(code, rows[i].url ? MF_OK : MF_INVALID_ARGUMENT);
        if (rows[i].url)
            assert_true(mf_str_eq_c(url, rows[i].url));
    }
}

static void the_server_of_the_data_directory_is_asked(void **state)
{
    const char *const line[] = {"--data-dir", folder, NULL};
    const char *const there[] = {"--data-dir", folder, "--endpoint", "flyte.example:443",
                                 "--domain",   "d",    NULL};
    struct mf_api_target out;
    struct mf_error err;
    (void)state;
    (void)put("flyte.yaml", "# Written by the server\nadmin:\n  endpoint: \"http://127.0.0.1:4711\"\n"
                            "  insecure: true\ntask:\n  org: local\n  project: \"p\"\n  domain: \"dev\"\n");
    assert_int_equal(target(line, &out, &err), MF_OK);
    assert_true(mf_str_eq_c(out.url, "http://127.0.0.1:4711"));
    assert_true(mf_str_eq_c(out.project, "p"));
    assert_true(mf_str_eq_c(out.domain, "dev"));
    assert_int_equal(out.token.len, 0);

    assert_int_equal(target(there, &out, &err), MF_OK);
    assert_true(mf_str_eq_c(out.url, "https://flyte.example:443"));
    assert_true(mf_str_eq_c(out.domain, "d"));

    (void)put("flyte.yaml", "admin:\n");
    assert_int_equal(target(line, &out, &err), MF_DATA_LOSS);
    assert_non_null(strstr(err.message, "names no endpoint"));
}

static void without_a_server_it_says_what_to_give(void **state)
{
    const char *const line[] = {"--data-dir", "/nowhere", NULL};
    struct mf_api_target out;
    struct mf_error err;
    (void)state;
    assert_int_equal(target(line, &out, &err), MF_NOT_FOUND);
    assert_non_null(strstr(err.message, "give --endpoint"));
    assert_int_equal(setenv("MAYFLY_ENDPOINT", "http://10.0.0.1:80", 1), 0);
    assert_int_equal(target(line, &out, &err), MF_OK);
    assert_true(mf_str_eq_c(out.url, "http://10.0.0.1:80"));
    assert_true(mf_str_eq_c(out.origin, "MAYFLY_ENDPOINT"));
    assert_int_equal(unsetenv("MAYFLY_ENDPOINT"), 0);
}

static void a_token_is_one_line(void **state)
{
    const char *good = put("good", "abc.def\n");
    const char *bad = put("bad", "abc\ndef\n");
    const char *const with_good[] = {"--endpoint", "localhost:1", "--token-file", good, NULL};
    const char *const with_bad[] = {"--endpoint", "localhost:1", "--token-file", bad, NULL};
    const char *const with_none[] = {"--endpoint", "localhost:1", "--token-file", "/nowhere", NULL};
    const char *const plain[] = {"--endpoint", "localhost:1", NULL};
    struct mf_api_target out;
    struct mf_error err;
    (void)state;
    assert_int_equal(target(with_good, &out, &err), MF_OK);
    assert_true(mf_str_eq_c(out.token, "abc.def"));
    assert_int_equal(target(with_bad, &out, &err), MF_INVALID_ARGUMENT);
    assert_int_equal(target(with_none, &out, &err), MF_NOT_FOUND);
    assert_non_null(strstr(err.message, "--token-file: "));
    assert_int_equal(setenv("MAYFLY_TOKEN", "of-variable", 1), 0);
    assert_int_equal(target(plain, &out, &err), MF_OK);
    assert_true(mf_str_eq_c(out.token, "of-variable"));
    assert_int_equal(target(with_good, &out, &err), MF_OK);
    assert_true(mf_str_eq_c(out.token, "abc.def"));
    assert_int_equal(unsetenv("MAYFLY_TOKEN"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_addresses),
        cmocka_unit_test(the_server_of_the_data_directory_is_asked),
        cmocka_unit_test(without_a_server_it_says_what_to_give),
        cmocka_unit_test(a_token_is_one_line),
    };
    (void)unsetenv("MAYFLY_ENDPOINT");
    (void)unsetenv("MAYFLY_TOKEN");
    return cmocka_run_group_tests(tests, begin, end);
}
