#include "testing.h"

#include "cli/command.h"

static const struct mf_cli_flag flags[] = {
    {"from", "TIME", "since"}, {"json", NULL, "as JSON"}, {"limit", "N", "most"}, {0}};
static const struct mf_cli_command command = {
    .words = "thing do", .args = "THING", .arg_max = 1, .text = "do it", .flags = flags};

struct given {
    struct mf_cli_args args;
    struct mf_error err;
    enum mf_code code;
};

static void read(struct given *given, struct mf_arena *arena, const char *const *argv)
{
    *given = (struct given){.args = {.arena = arena, .command = &command, .argv = argv}};
    while (argv[given->args.argc])
        given->args.argc++;
    given->code = mf_cli_args_read(&given->args, &given->err);
}

static void reads_flags_and_values_in_any_order(void **state)
{
    static const char *const lines[][8] = {
        {"--from", "-24h", "thing", "--json", NULL},
        {"--json", "--from=-24h", "thing", NULL},
        {"thing", "--json", "--from", "-24h", NULL},
        {"--json", "--from", "-24h", "--", "thing", NULL},
    };
    struct mf_arena *arena = mf_arena_new(0);
    struct given given;
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        read(&given, arena, lines[i]);
        assert_int_equal(given.code, MF_OK);
        assert_string_equal(mf_cli_flag(&given.args, "from"), "-24h");
        assert_string_equal(mf_cli_flag(&given.args, "json"), "");
        assert_null(mf_cli_flag(&given.args, "limit"));
        assert_null(mf_cli_flag(&given.args, "unheard-of"));
        assert_int_equal(given.args.value_count, 1);
        assert_string_equal(given.args.values[0], "thing");
    }
    mf_arena_free(arena);
}

static void what_looks_like_a_flag_can_be_a_value(void **state)
{
    static const char *const line[] = {"--", "--json", NULL};
    struct mf_arena *arena = mf_arena_new(0);
    struct given given;
    (void)state;
    read(&given, arena, line);
    assert_int_equal(given.code, MF_OK);
    assert_null(mf_cli_flag(&given.args, "json"));
    assert_string_equal(given.args.values[0], "--json");
    mf_arena_free(arena);
}

static void refuses_what_there_is_not(void **state)
{
    static const struct {
        const char *line[4], *says;
    } rows[] = {
        {{"--form", "now", NULL}, "there is no flag --form"},
        {{"--fro", "now", NULL}, "there is no flag --fro;"},
        {{"--from", NULL}, "--from needs a value: --from TIME"},
        {{"--json=yes", NULL}, "--json takes no value"},
        {{"one", "two", NULL}, "\"two\" is one argument too many"},
        {{"--", "--from", "x", NULL}, "\"x\" is one argument too many"},
    };
    struct mf_arena *arena = mf_arena_new(0);
    struct given given;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        read(&given, arena, rows[i].line);
        assert_int_equal(given.code, MF_INVALID_ARGUMENT);
        assert_non_null(strstr(given.err.message, rows[i].says));
    }
    mf_arena_free(arena);
}

static void help_is_wanted_before_the_values(void **state)
{
    static const char *const asks[] = {"x", "--help"};
    static const char *const value[] = {"--", "--help"};
    static const char *const briefly[] = {"-h"};
    (void)state;
    assert_true(mf_cli_wants_help(2, asks));
    assert_false(mf_cli_wants_help(2, value));
    assert_true(mf_cli_wants_help(1, briefly));
    assert_false(mf_cli_wants_help(0, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_flags_and_values_in_any_order),
        cmocka_unit_test(what_looks_like_a_flag_can_be_a_value),
        cmocka_unit_test(refuses_what_there_is_not),
        cmocka_unit_test(help_is_wanted_before_the_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
