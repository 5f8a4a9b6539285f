#include "database.h"

#include "base/sys.h"
#include "store/driver.h"
#include "store/migrate.h"

#include <stdio.h>
#include <stdlib.h>

struct migrate_case {
    char dir[64];
    struct test_database database;
    const char *path; /* the database's */
    struct mf_db *db;
    struct mf_error err;
};

static int setup(void **state)
{
    struct migrate_case *c = calloc(1, sizeof *c);
    assert_non_null(c);
    snprintf(c->dir, sizeof c->dir, "/tmp/mayfly-migrate-test-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    test_database_make(&c->database, c->dir);
    c->path = c->database.path;
    const struct mf_db_options options = {.path = c->path, .role = MF_DB_WRITER, .no_fsync = true};
    assert_int_equal(mf_db_open(&options, &c->db, &c->err), MF_OK);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct migrate_case *c = *state;
    mf_db_close(c->db);
    test_database_drop(&c->database);
    assert_int_equal(mf_remove_tree(c->dir, NULL), MF_OK);
    free(c);
    return 0;
}

static const struct mf_migration good[] = {
    {1, "first", "CREATE TABLE a (x BIGINT); INSERT INTO a VALUES (1);"},
    {2, "second", "CREATE TABLE b (x BIGINT); INSERT INTO b SELECT x + 1 FROM a;"},
    {3, "third", "UPDATE b SET x = x * 10;"},
};

static int64_t number(struct migrate_case *c, const char *sql)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    assert_int_equal(mf_db_query_text(c->db, mf_str_from_c(sql), &stmt, &c->err), MF_OK);
    assert_int_equal(mf_stmt_step(stmt, &row, &c->err), MF_OK);
    assert_true(row);
    int64_t value = mf_col_int(stmt, 0);
    mf_stmt_done(stmt);
    return value;
}

static bool knows(struct migrate_case *c, const char *table)
{
    bool any = false;
    bool known = false;
    assert_int_equal(mf_db_tables(c->db, mf_str_from_c(table), &any, &known, &c->err), MF_OK);
    return known;
}

static enum mf_code migrate(struct migrate_case *c, const struct mf_migration *list, size_t count)
{
    return mf_migrate(c->db, list, count, 77, c->path, &c->err);
}

static void goes_forward_from_anywhere(void **state)
{
    struct migrate_case *c = *state;
    assert_int_equal(migrate(c, good, 1), MF_OK);
    assert_int_equal(number(c, "SELECT max(version) FROM schema_version"), 1);
    assert_int_equal(migrate(c, good, 3), MF_OK);
    assert_int_equal(migrate(c, good, 3), MF_OK); /* nothing is applied twice */
    assert_int_equal(number(c, "SELECT x FROM b"), 20);
    assert_int_equal(number(c, "SELECT count(*) FROM schema_version WHERE applied_at = 77"), 3);
    assert_int_equal(number(c, "SELECT count(*) FROM schema_version WHERE version = 2 AND name = 'second'"),
                     1);
}

static void a_failure_leaves_the_step_before(void **state)
{
    struct mf_migration bad[] = {
        good[0], {2, "second", "CREATE TABLE b (x BIGINT); INSERT INTO missing VALUES (1);"}, good[2]};
    struct migrate_case *c = *state;
    assert_int_equal(migrate(c, bad, 3), MF_INTERNAL);
    assert_non_null(strstr(c->err.message, "schema 2 (second)"));
    assert_int_equal(number(c, "SELECT max(version) FROM schema_version"), 1);
    assert_false(knows(c, "b"));
    assert_false(mf_db_in_transaction(c->db));
    assert_int_equal(migrate(c, good, 3), MF_OK);
    assert_int_equal(number(c, "SELECT x FROM b"), 20);
}

static void refuses_a_newer_schema(void **state)
{
    struct migrate_case *c = *state;
    assert_int_equal(migrate(c, good, 3), MF_OK);
    assert_int_equal(migrate(c, good, 2), MF_FAILED_PRECONDITION);
    assert_non_null(strstr(c->err.message, c->path));
    assert_non_null(strstr(c->err.message, "newer Mayfly (schema 3, this one knows up to 2)"));
    assert_non_null(strstr(c->err.message, "start that version"));
    assert_int_equal(number(c, "SELECT x FROM b"), 20);
}

static void refuses_the_tables_of_others(void **state)
{
    struct migrate_case *c = *state;
    assert_int_equal(mf_db_script(c->db, "CREATE TABLE theirs (x BIGINT)", &c->err), MF_OK);
    assert_int_equal(migrate(c, good, 3), MF_FAILED_PRECONDITION);
    assert_non_null(strstr(c->err.message, "another program"));
    assert_true(knows(c, "theirs"));
    assert_false(knows(c, "a") || knows(c, "schema_version"));
}

static void refuses_a_gap(void **state)
{
    struct migrate_case *c = *state;
    assert_int_equal(migrate(c, good, 2), MF_OK);
    assert_int_equal(mf_db_script(c->db, "DELETE FROM schema_version WHERE version = 1", &c->err), MF_OK);
    assert_int_equal(migrate(c, good, 3), MF_DATA_LOSS);
}

static void the_real_ones_apply(void **state)
{
    struct migrate_case *c = *state;
    assert_true(mf_migration_count > 0);
    for (size_t i = 0; i < mf_migration_count; i++)
        assert_int_equal(mf_migrations[i].version, i + 1);
    assert_int_equal(migrate(c, mf_migrations, mf_migration_count), MF_OK);
    assert_int_equal(number(c, "SELECT count(*) FROM schema_version"), mf_migration_count);
    assert_int_equal(number(c, "SELECT count(*) FROM run"), 0);
    assert_int_equal(number(c, "SELECT count(*) FROM action"), 0);
}

/* Triggers of a server without a scheduler: those with a schedule have what one needs. */
static void triggers_of_before_have_their_schedules(void **state)
{
    static const char *const rows =
        "INSERT INTO trigger VALUES "
        "('p', 'd', 't', 'off', 1, 'v', 0, 2, x'00', x'0a', '', x'', x'', 1, 1, 1, 0, 0, 40, 11),"
        "('p', 'd', 't', 'on', 2, 'v', 1, 2, x'00', x'0a', '', x'', x'', 1, 1, 1, 0, 0, 50, 14),"
        "('p', 'd', 't', 'plain', 1, 'v', 1, 1, x'00', x'', '', x'', x'', 1, 1, 1, 0, 0, 60, 13);"
        "INSERT INTO trigger_revision VALUES "
        "('p', 'd', 't', 'on', 1, 1, 9, 'v', 1, 2, x'00', x'0a', '', x'', x'', 1, 1, 1, 0, 0),"
        "('p', 'd', 't', 'on', 2, 1, 9, 'v', 1, 2, x'00', x'0a', '', x'', x'', 1, 1, 1, 0, 0);";
    struct migrate_case *c = *state;
    test_only_with_a_file(); /* servers came later */
    assert_int_equal(migrate(c, mf_migrations, 9), MF_OK);
    assert_int_equal(mf_db_script(c->db, rows, &c->err), MF_OK);
    assert_int_equal(migrate(c, mf_migrations, mf_migration_count), MF_OK);
    assert_int_equal(number(c, "SELECT count(*) FROM schedule"), 2);
    assert_int_equal(number(c, "SELECT count(*) FROM schedule WHERE id = 2 AND name = 'on' AND revision = 2 "
                               "AND active = 1 AND automation = x'0a' AND policy = '' AND baseline_at = 50 "
                               "AND cursor_at = 50 AND buffered_at = 0 AND runs = 0 AND settled_at = 0 AND "
                               "error = '' AND error_at = 0 AND seq = 14"),
                     1);
    assert_int_equal(number(c, "SELECT count(*) FROM schedule WHERE id = 1 AND name = 'off' AND active = 0"),
                     1);
    assert_int_equal(number(c, "SELECT baseline_at FROM trigger_revision WHERE revision = 1"), 0);
    assert_int_equal(number(c, "SELECT baseline_at FROM trigger_revision WHERE revision = 2"), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(goes_forward_from_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_leaves_the_step_before, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_a_newer_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_the_tables_of_others, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_a_gap, setup, teardown),
        cmocka_unit_test_setup_teardown(the_real_ones_apply, setup, teardown),
        cmocka_unit_test_setup_teardown(triggers_of_before_have_their_schedules, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
