#include "database.h"

#include "base/sys.h"
#include "store/driver.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct db_case {
    char dir[64];
    struct test_database database;
    const char *path; /* the database's */
    struct mf_db *writer, *reader;
    struct mf_arena *arena;
    struct mf_error err;
};

static enum mf_code open_as(struct db_case *c, enum mf_db_role role, struct mf_db **out)
{
    const struct mf_db_options options = {.path = c->path, .role = role, .no_fsync = true};
    return mf_db_open(&options, out, &c->err);
}

static void put(struct db_case *c, int64_t a, const char *b, struct mf_str blob)
{
    MF_SQL(sql_put, "INSERT INTO t (a, b, c) VALUES ($1, $2, $3)");
    struct mf_stmt *stmt = NULL;
    assert_int_equal(mf_db_query(c->writer, &sql_put, &stmt, &c->err), MF_OK);
    mf_bind_int(stmt, 1, a);
    mf_bind_text(stmt, 2, mf_str_from_c(b));
    mf_bind_blob(stmt, 3, blob);
    assert_int_equal(mf_stmt_run(stmt, NULL, &c->err), MF_OK);
    mf_stmt_done(stmt);
}

static int setup(void **state)
{
    struct db_case *c = calloc(1, sizeof *c);
    assert_non_null(c);
    snprintf(c->dir, sizeof c->dir, "/tmp/mayfly-db-test-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    test_database_make(&c->database, c->dir);
    c->path = c->database.path;
    c->arena = mf_arena_new(0);
    assert_non_null(c->arena);
    assert_int_equal(open_as(c, MF_DB_WRITER, &c->writer), MF_OK);
    assert_int_equal(mf_db_script(c->writer,
                                  "CREATE TABLE t (a BIGINT PRIMARY KEY NOT NULL, b TEXT NOT NULL, c BLOB);"
                                  "CREATE UNIQUE INDEX t_b ON t (b);"
                                  "INSERT INTO t VALUES (1, 'one', NULL);",
                                  &c->err),
                     MF_OK);
    put(c, 2, "two", mf_str_make("\0\1", 2));
    put(c, 3, "three", MF_STR_EMPTY);
    assert_int_equal(open_as(c, MF_DB_READER, &c->reader), MF_OK);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct db_case *c = *state;
    mf_db_close(c->reader);
    mf_db_close(c->writer);
    mf_arena_free(c->arena);
    test_database_drop(&c->database);
    assert_int_equal(mf_remove_tree(c->dir, NULL), MF_OK);
    free(c);
    return 0;
}

static int64_t number(struct db_case *c, struct mf_db *db, const char *sql)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    assert_int_equal(mf_db_query_text(db, mf_str_from_c(sql), &stmt, &c->err), MF_OK);
    assert_int_equal(mf_stmt_step(stmt, &row, &c->err), MF_OK);
    assert_true(row);
    int64_t value = mf_col_int(stmt, 0);
    mf_stmt_done(stmt);
    return value;
}

static void values_come_back(void **state)
{
    MF_SQL(sql_insert, "INSERT INTO t (a, b, c) VALUES ($1, $2, $3)");
    MF_SQL(sql_select, "SELECT a, b, c, a / 2.0, NULL FROM t WHERE a = $1");
    static const struct {
        int64_t a;
        struct mf_str b, c;
        bool null;
    } rows[] = {
        {INT64_MAX, {"", 0}, {"", 0}, false},
        {INT64_MIN, {"a\0b", 3}, {NULL, 0}, true},
        {10, {"\xc3\xbc", 2}, {"\0\xff", 2}, false},
    };
    struct db_case *c = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_stmt *stmt = NULL;
        int64_t changed = 0;
        bool row = false;
        bool failed = false;
        assert_int_equal(mf_db_query(c->writer, &sql_insert, &stmt, &c->err), MF_OK);
        mf_bind_int(stmt, 1, rows[i].a);
        mf_bind_text(stmt, 2, rows[i].b);
        if (rows[i].null)
            mf_bind_null(stmt, 3);
        else
            mf_bind_blob(stmt, 3, rows[i].c);
        bool refused = test_database_is_server() && mf_str_find_char(rows[i].b, '\0') != SIZE_MAX;
        assert_int_equal(mf_stmt_run(stmt, &changed, &c->err), refused ? MF_INVALID_ARGUMENT : MF_OK);
        assert_int_equal(changed, !refused);
        mf_stmt_done(stmt);
        if (refused) /* texts there cannot hold a zero byte */
            continue;
        assert_int_equal(mf_db_query(c->reader, &sql_select, &stmt, &c->err), MF_OK);
        mf_bind_int(stmt, 1, rows[i].a);
        assert_int_equal(mf_stmt_step(stmt, &row, &c->err), MF_OK);
        assert_true(row);
        assert_true(mf_col_int(stmt, 0) == rows[i].a);
        struct mf_str text = mf_col_copy(stmt, 1, c->arena, &failed);
        assert_true(mf_str_eq(text, rows[i].b) && text.ptr);
        assert_true(mf_str_eq(mf_col_str(stmt, 2), rows[i].c));
        assert_int_equal(mf_col_is_null(stmt, 2), rows[i].null);
        assert_true(mf_col_real(stmt, 3) == (double)rows[i].a / 2.0);
        assert_true(mf_col_is_null(stmt, 4));
        assert_int_equal(mf_col_int(stmt, 4), 0);
        assert_int_equal(mf_stmt_step(stmt, &row, &c->err), MF_OK);
        assert_false(row || failed);
        mf_stmt_done(stmt);
    }
}

static void parameters_go_by_their_number(void **state)
{
    MF_SQL(sql, "SELECT $3 || $1, $2 + $1, $1 FROM t WHERE a = $2");
    MF_SQL(sql_gap, "SELECT $1 FROM t WHERE a = $3");
    struct db_case *c = *state;
    struct mf_stmt *stmt = NULL;
    bool row = false;
    assert_int_equal(mf_db_query(c->reader, &sql, &stmt, &c->err), MF_OK);
    mf_bind_int(stmt, 1, 7);
    mf_bind_int(stmt, 2, 3);
    mf_bind_text(stmt, 3, MF_STR("x"));
    assert_int_equal(mf_stmt_step(stmt, &row, &c->err), MF_OK);
    assert_true(row);
    assert_str(mf_col_str(stmt, 0), "x7");
    assert_int_equal(mf_col_int(stmt, 1), 10);
    assert_int_equal(mf_col_int(stmt, 2), 7);
    mf_stmt_done(stmt);
    if (!test_database_is_server()) { /* it is told when the statement runs */
        assert_int_equal(mf_db_query(c->reader, &sql_gap, &stmt, &c->err), MF_INTERNAL);
        assert_null(stmt);
        mf_stmt_done(stmt);
    }
    assert_int_equal(mf_db_query(c->reader, &sql, &stmt, &c->err), MF_OK);
    mf_bind_int(stmt, 4, 1);
    assert_int_equal(mf_stmt_step(stmt, &row, &c->err), MF_INTERNAL);
    mf_stmt_done(stmt);
}

/* What was bound before must not show up in the next use. */
static void a_statement_starts_clean(void **state)
{
    MF_SQL(sql, "SELECT $1 IS NULL");
    struct db_case *c = *state;
    struct mf_stmt *first = NULL;
    struct mf_stmt *again = NULL;
    bool row = false;
    assert_int_equal(mf_db_query(c->reader, &sql, &first, &c->err), MF_OK);
    mf_bind_int(first, 1, 5);
    assert_int_equal(mf_stmt_step(first, &row, &c->err), MF_OK);
    assert_int_equal(mf_col_int(first, 0), 0);
    mf_stmt_done(first);
    assert_int_equal(mf_db_query(c->reader, &sql, &again, &c->err), MF_OK);
    assert_ptr_equal(first, again);
    assert_int_equal(mf_stmt_step(again, &row, &c->err), MF_OK);
    assert_int_equal(mf_col_int(again, 0), 1);
    mf_stmt_done(again);
}

static void a_statement_may_run_inside_itself(void **state)
{
    MF_SQL(sql, "SELECT a FROM t WHERE a > $1 ORDER BY a");
    struct db_case *c = *state;
    struct mf_stmt *outer = NULL;
    bool more = true;
    int pairs = 0;
    assert_int_equal(mf_db_query(c->reader, &sql, &outer, &c->err), MF_OK);
    mf_bind_int(outer, 1, 0);
    while (mf_stmt_step(outer, &more, &c->err) == MF_OK && more) {
        struct mf_stmt *inner = NULL;
        bool inner_more = true;
        assert_int_equal(mf_db_query(c->reader, &sql, &inner, &c->err), MF_OK);
        mf_bind_int(inner, 1, mf_col_int(outer, 0));
        while (mf_stmt_step(inner, &inner_more, &c->err) == MF_OK && inner_more)
            pairs++;
        mf_stmt_done(inner);
    }
    mf_stmt_done(outer);
    assert_int_equal(pairs, 3);
}

static void keeps_many_statements(void **state)
{
    enum { N = 300 };
    struct db_case *c = *state;
    struct mf_sql sqls[N];
    char texts[N][40];
    struct mf_stmt *seen[N];
    for (int i = 0; i < N; i++) {
        snprintf(texts[i], sizeof texts[i], "SELECT %d", i);
        sqls[i].text = texts[i];
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < N; i++) {
            struct mf_stmt *stmt = NULL;
            bool row = false;
            assert_int_equal(mf_db_query(c->reader, &sqls[i], &stmt, &c->err), MF_OK);
            assert_int_equal(mf_stmt_step(stmt, &row, &c->err), MF_OK);
            assert_int_equal(mf_col_int(stmt, 0), i);
            if (pass == 1)
                assert_ptr_equal(stmt, seen[i]);
            seen[i] = stmt;
            mf_stmt_done(stmt);
        }
    }
}

/* Text made at run time: recent ones are kept, any number may be asked for, also many at the same time. */
static void run_time_text_is_bounded(void **state)
{
    struct db_case *c = *state;
    struct mf_stmt *open[100];
    char text[40];
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "SELECT %d + 1", i % 200);
        assert_int_equal(number(c, c->reader, text), i % 200 + 1);
    }
    struct mf_stmt *first = NULL;
    struct mf_stmt *again = NULL;
    assert_int_equal(mf_db_query_text(c->reader, MF_STR("SELECT 5"), &first, &c->err), MF_OK);
    mf_stmt_done(first);
    assert_int_equal(mf_db_query_text(c->reader, MF_STR("SELECT 5"), &again, &c->err), MF_OK);
    assert_ptr_equal(first, again);
    mf_stmt_done(again);
    for (int i = 0; i < 100; i++) {
        bool row = false;
        assert_int_equal(mf_db_query_text(c->reader, MF_STR("SELECT a FROM t"), &open[i], &c->err), MF_OK);
        assert_int_equal(mf_stmt_step(open[i], &row, &c->err), MF_OK);
    }
    for (int i = 0; i < 100; i++) {
        bool row = false;
        assert_int_equal(mf_stmt_step(open[i], &row, &c->err), MF_OK);
        assert_int_equal(mf_col_int(open[i], 0), 2);
        mf_stmt_done(open[i]);
    }
}

static enum mf_code run_text(struct db_case *c, struct mf_db *db, const char *sql)
{
    struct mf_stmt *stmt = NULL;
    enum mf_code code = mf_db_query_text(db, mf_str_from_c(sql), &stmt, &c->err);
    if (code == MF_OK)
        code = mf_stmt_run(stmt, NULL, &c->err);
    mf_stmt_done(stmt);
    return code;
}

static void errors_have_their_codes(void **state)
{
    static const struct {
        const char *sql;
        enum mf_code code;
    } rows[] = {
        {"INSERT INTO t VALUES (1, 'x', NULL)", MF_ALREADY_EXISTS},
        {"INSERT INTO t VALUES (9, 'one', NULL)", MF_ALREADY_EXISTS},
        {"INSERT INTO t VALUES (9, NULL, NULL)", MF_INTERNAL},
        {"INSERT INTO nowhere VALUES (1)", MF_INTERNAL},
        {"SELEKT secret", MF_INTERNAL},
        {"", MF_INTERNAL},
        {"INSERT INTO t VALUES (9, 'nine', NULL)", MF_OK},
    };
    struct db_case *c = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(run_text(c, c->writer, rows[i].sql), rows[i].code);
        assert_null(strstr(c->err.message, "secret"));
        assert_null(strstr(c->err.message, "nowhere"));
    }
    assert_int_equal(run_text(c, c->reader, "DELETE FROM t"), MF_INTERNAL);
    assert_int_equal(number(c, c->reader, "SELECT count(*) FROM t"), 4);
}

static void counts_changes(void **state)
{
    MF_SQL(sql, "INSERT INTO t VALUES ($1, $2, NULL) ON CONFLICT DO NOTHING");
    MF_SQL(sql_all, "UPDATE t SET c = NULL");
    MF_SQL(sql_read, "SELECT a FROM t");
    struct db_case *c = *state;
    struct mf_stmt *stmt = NULL;
    int64_t changed = 9;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mf_db_query(c->writer, &sql, &stmt, &c->err), MF_OK);
        mf_bind_int(stmt, 1, 4);
        mf_bind_text(stmt, 2, MF_STR("four"));
        assert_int_equal(mf_stmt_run(stmt, &changed, &c->err), MF_OK);
        assert_int_equal(changed, i == 0);
        mf_stmt_done(stmt);
    }
    assert_int_equal(mf_db_query(c->writer, &sql_all, &stmt, &c->err), MF_OK);
    assert_int_equal(mf_stmt_run(stmt, &changed, &c->err), MF_OK);
    assert_int_equal(changed, 4);
    mf_stmt_done(stmt);
    assert_int_equal(mf_db_query(c->writer, &sql_read, &stmt, &c->err), MF_OK);
    assert_int_equal(mf_stmt_run(stmt, &changed, &c->err), MF_OK);
    assert_int_equal(changed, 0);
    mf_stmt_done(stmt);
}

static void a_snapshot_stands_still(void **state)
{
    struct db_case *c = *state;
    assert_int_equal(mf_db_snapshot_begin(c->reader, &c->err), MF_OK);
    assert_int_equal(number(c, c->reader, "SELECT count(*) FROM t"), 3);
    assert_int_equal(run_text(c, c->writer, "INSERT INTO t VALUES (4, 'four', NULL)"), MF_OK);
    assert_int_equal(number(c, c->reader, "SELECT count(*) FROM t"), 3);
    mf_db_snapshot_end(c->reader);
    assert_int_equal(number(c, c->reader, "SELECT count(*) FROM t"), 4);
    mf_db_snapshot_end(c->reader); /* without one is fine */
}

static void rest_ends_what_was_left_open(void **state)
{
    struct db_case *c = *state;
    struct mf_stmt *stmt = NULL;
    bool row = false;
    assert_int_equal(mf_db_snapshot_begin(c->reader, &c->err), MF_OK);
    assert_int_equal(mf_db_query_text(c->reader, MF_STR("SELECT a FROM t"), &stmt, &c->err), MF_OK);
    assert_int_equal(mf_stmt_step(stmt, &row, &c->err), MF_OK);
    mf_db_rest(c->reader);
    assert_false(mf_db_in_transaction(c->reader));
    assert_int_equal(run_text(c, c->writer, "INSERT INTO t VALUES (4, 'four', NULL)"), MF_OK);
    assert_int_equal(number(c, c->reader, "SELECT count(*) FROM t"), 4);
}

static void savepoints(void **state)
{
    struct db_case *c = *state;
    assert_int_equal(mf_db_begin(c->writer, &c->err), MF_OK);
    assert_int_equal(mf_db_savepoint(c->writer, &c->err), MF_OK);
    assert_int_equal(run_text(c, c->writer, "INSERT INTO t VALUES (4, 'four', NULL)"), MF_OK);
    assert_int_equal(mf_db_savepoint_keep(c->writer, &c->err), MF_OK);
    assert_int_equal(mf_db_savepoint(c->writer, &c->err), MF_OK);
    assert_int_equal(run_text(c, c->writer, "DELETE FROM t"), MF_OK);
    assert_int_equal(mf_db_savepoint_undo(c->writer, &c->err), MF_OK);
    assert_int_equal(number(c, c->reader, "SELECT count(*) FROM t"), 3);
    assert_int_equal(mf_db_commit(c->writer, &c->err), MF_OK);
    assert_int_equal(number(c, c->reader, "SELECT count(*) FROM t"), 4);
    assert_int_equal(mf_db_begin(c->writer, &c->err), MF_OK);
    assert_int_equal(run_text(c, c->writer, "DELETE FROM t"), MF_OK);
    mf_db_rollback(c->writer);
    mf_db_rollback(c->writer);
    assert_int_equal(number(c, c->reader, "SELECT count(*) FROM t"), 4);
}

static void settings_are_durable(void **state)
{
    struct db_case *c = *state;
    test_only_with_a_file();
    struct mf_db *db = NULL;
    const struct mf_db_options options = {.path = c->path, .role = MF_DB_WRITER};
    assert_int_equal(mf_db_open(&options, &db, &c->err), MF_OK);
    assert_int_equal(number(c, db, "PRAGMA synchronous"), 2);
    assert_int_equal(number(c, db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
    assert_int_equal(number(c, db, "PRAGMA wal_autocheckpoint"), 0);
    mf_db_close(db);
}

static void write_file(const struct db_case *c, const char *name, const char *text, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", c->dir, name);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void tells_why_it_cannot_open(void **state)
{
    struct db_case *c = *state;
    struct mf_db *db = NULL;
    char path[128];
    struct mf_db_options options = {.path = path, .role = MF_DB_WRITER};
    write_file(c, "text", "this is by no means a database, but it is long enough to be looked at as one",
               path, sizeof path);
    assert_int_equal(mf_db_open(&options, &db, &c->err), MF_FAILED_PRECONDITION);
    assert_null(db);
    assert_non_null(strstr(c->err.message, "is not a SQLite database"));
    assert_non_null(strstr(c->err.message, path));
    snprintf(path, sizeof path, "%s/missing/db", c->dir);
    assert_int_equal(mf_db_open(&options, &db, &c->err), MF_UNAVAILABLE);
    assert_non_null(strstr(c->err.message, "No such file or directory"));
    snprintf(path, sizeof path, "%s", c->dir);
    assert_int_equal(mf_db_open(&options, &db, &c->err), MF_UNAVAILABLE);
    assert_non_null(strstr(c->err.message, "check its folder"));
    if (geteuid() != 0) { /* root may write everywhere */
        write_file(c, "closed", "", path, sizeof path);
        assert_int_equal(chmod(path, 0400), 0);
        assert_int_equal(mf_db_open(&options, &db, &c->err), MF_UNAVAILABLE);
        assert_non_null(strstr(c->err.message, "permissions"));
    }
    options.role = MF_DB_READER;
    snprintf(path, sizeof path, "%s/none", c->dir);
    assert_int_equal(mf_db_open(&options, &db, &c->err), MF_UNAVAILABLE); /* a reader makes no database */
}

static void knows_sound_versions(void **state)
{
    static const struct {
        int version;
        bool sound;
    } rows[] = {
        {3044005, false}, {3044006, true}, {3044999, true},  {3045000, false},
        {3050006, false}, {3050007, true}, {3051000, false}, {3051002, false},
        {3051003, true},  {3052000, true}, {3053002, true},  {4000000, true},
    };
    struct mf_error err;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(mf_db_version_is_sound(rows[i].version), rows[i].sound);
    assert_int_equal(mf_db_check_library("db", &err), MF_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(parameters_go_by_their_number, setup, teardown),
        cmocka_unit_test_setup_teardown(a_statement_starts_clean, setup, teardown),
        cmocka_unit_test_setup_teardown(a_statement_may_run_inside_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_many_statements, setup, teardown),
        cmocka_unit_test_setup_teardown(run_time_text_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_have_their_codes, setup, teardown),
        cmocka_unit_test_setup_teardown(counts_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_snapshot_stands_still, setup, teardown),
        cmocka_unit_test_setup_teardown(rest_ends_what_was_left_open, setup, teardown),
        cmocka_unit_test_setup_teardown(savepoints, setup, teardown),
        cmocka_unit_test_setup_teardown(settings_are_durable, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_why_it_cannot_open, setup, teardown),
        cmocka_unit_test(knows_sound_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
