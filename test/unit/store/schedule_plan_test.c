/*
 * The plans of every statement about schedules, fires, gaps and revisions but the one that a start reads all
 * active schedules with: each begins in an index, and sorts nothing but the few fires that are looked at.
 * Statements are caught as a second writing connection runs them.
 */
#include "entity.h"

#include "store/fire.h"
#include "store/schedule.h"
#include "store/sqlite.h"

struct plans {
    struct mf_db *db;
    char text[4000]; /* of the statements since the last look */
    size_t statements;
};

/* SQLite calls this when a statement begins, and is not to be left by a jump. */
static int read_plan(unsigned kind, void *ctx, void *stmt, void *unexpanded)
{
    struct plans *p = ctx;
    sqlite3_stmt *explain = NULL;
    size_t used = strlen(p->text);
    char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sqlite3_sql(stmt));
    (void)kind;
    (void)unexpanded;
    p->statements++;
    if (sqlite3_prepare_v2(mf_sqlite_of(p->db)->handle, sql, -1, &explain, NULL) == SQLITE_OK) {
        while (sqlite3_step(explain) == SQLITE_ROW && used < sizeof p->text)
            used += (size_t)snprintf(p->text + used, sizeof p->text - used, "%s\n",
                                     (const char *)sqlite3_column_text(explain, 3));
    }
    sqlite3_finalize(explain);
    sqlite3_free(sql);
    return 0;
}

static bool see_schedule(void *ctx, const struct mf_schedule_row *row)
{
    (void)ctx;
    (void)row;
    return true;
}

static bool see_fire(void *ctx, const struct mf_fire_row *row)
{
    (void)ctx;
    (void)row;
    return true;
}

static bool see_gap(void *ctx, const struct mf_gap_row *row)
{
    (void)ctx;
    (void)row;
    return true;
}

static bool see_revision(void *ctx, const struct mf_trigger_row *row, enum mf_trigger_action action,
                         int64_t recorded_at)
{
    (void)ctx;
    (void)row;
    (void)action;
    (void)recorded_at;
    return true;
}

/* What the statements since the last look do to their tables. */
static void assert_plan(struct plans *p, bool sorts, const char *const *parts)
{
    assert_null(strstr(p->text, "SCAN fire"));
    assert_null(strstr(p->text, "SCAN schedule"));
    assert_null(strstr(p->text, "SCAN trigger"));
    assert_null(strstr(p->text, "SCAN a"));
    assert_int_equal(strstr(p->text, "TEMP B-TREE") != NULL, sorts);
    for (; *parts; parts++) {
        if (!strstr(p->text, *parts))
            print_error("no \"%s\" in:\n%s", *parts, p->text);
        assert_non_null(strstr(p->text, *parts));
    }
    p->text[0] = '\0';
}

#define PLAN(p, ...) assert_plan(p, false, (const char *const[]){__VA_ARGS__, NULL})
#define SORTING_PLAN(p, ...) assert_plan(p, true, (const char *const[]){__VA_ARGS__, NULL})

static void schedules(struct plans *p, struct entity *e)
{
    const struct mf_trigger_key key = {MF_STR("p"), MF_STR("d"), MF_STR("t"), MF_STR("n")};
    const struct mf_schedule_row row = {.id = 1, .key = key};
    struct mf_schedule_row out;
    bool found = false;
    assert_int_equal(mf_schedule_put(p->db, &row, &e->err), MF_OK);
    assert_int_equal(mf_schedule_find(p->db, e->arena, &key, &out, &found, &e->err), MF_OK);
    PLAN(p, "schedule_trigger (project=? AND domain=? AND task_name=? AND name=?)");
    assert_int_equal(mf_schedule_get(p->db, e->arena, 1, &out, &e->err), MF_OK);
    PLAN(p, "(id=?)");
    assert_int_equal(mf_schedule_move(p->db, 1, &row.state, &e->err), MF_OK);
    PLAN(p, "(id=?)");
    assert_int_equal(mf_schedule_changes(p->db, 0, see_schedule, NULL, &e->err), MF_OK);
    PLAN(p, "schedule_seq (seq>?)");
    assert_int_equal(mf_trigger_revisions(p->db, &key, 1, see_revision, NULL, &e->err), MF_OK);
    PLAN(p, "task_name=? AND name=? AND revision>?)", "task_name=? AND name=?)");
}

static void fires(struct plans *p, struct entity *e)
{
    int64_t settled = 0;
    int64_t removed = 0;
    uint32_t count = 0;
    assert_int_equal(mf_fire_list(p->db, 1, 2, 3, see_fire, NULL, &e->err), MF_OK);
    PLAN(p, "(schedule_id=? AND due_at>? AND due_at<?)");
    assert_int_equal(mf_fire_open(p->db, 1, &settled, see_fire, NULL, &e->err), MF_OK);
    SORTING_PLAN(p, "(schedule_id=? AND due_at>?)", "(run_id=? AND name=?)");
    assert_int_equal(mf_fire_failures(p->db, 1, 2, 3, &count, &e->err), MF_OK);
    PLAN(p, "(schedule_id=? AND due_at>?)", "(run_id=? AND name=?)");
    assert_int_equal(mf_fire_prune(p->db, 1, 2, &removed, &e->err), MF_OK);
    PLAN(p, "(schedule_id=? AND due_at=?)", "fire_age (fired_at<?)", "(schedule_id=? AND from_at=?)",
         "fire_gap_age (decided_at<?)");
}

static void gaps(struct plans *p, struct entity *e)
{
    const struct mf_gap_row row = {1, 2, 3, MF_GAP_WINDOW, MF_STR_EMPTY, 4};
    const struct mf_gap_row next = {1, 4, 5, MF_GAP_WINDOW, MF_STR_EMPTY, 6};
    assert_int_equal(mf_gap_put(p->db, &row, &e->err), MF_OK);
    assert_int_equal(mf_gap_put(p->db, &next, &e->err), MF_OK);
    PLAN(p, "(schedule_id=? AND from_at=?)", "SEARCH fire_gap USING COVERING INDEX");
    assert_int_equal(mf_gap_list(p->db, 1, 2, 3, see_gap, NULL, &e->err), MF_OK);
    PLAN(p, "(schedule_id=? AND from_at<?)");
    assert_int_equal(mf_gap_cut(p->db, 1, 9, &e->err), MF_OK);
    PLAN(p, "(schedule_id=? AND from_at>?)", "(schedule_id=? AND from_at<?)");
}

static void everything_is_found_by_an_index(void **state)
{
    struct entity *e = *state;
    test_only_with_a_file();
    char path[96];
    struct plans p = {.statements = 0};
    snprintf(path, sizeof path, "%s/db", e->dir);
    const struct mf_db_options options = {.path = path, .role = MF_DB_WRITER, .no_fsync = true};
    assert_int_equal(mf_db_open(&options, &p.db, &e->err), MF_OK);
    assert_int_equal(sqlite3_trace_v2(mf_sqlite_of(p.db)->handle, SQLITE_TRACE_STMT, read_plan, &p),
                     SQLITE_OK);
    schedules(&p, e);
    fires(&p, e);
    gaps(&p, e);
    assert_true(p.statements >= 16);
    mf_db_close(p.db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_is_found_by_an_index, entity_setup, entity_teardown),
    };
    return cmocka_run_group_tests_name("schedule_plan", tests, NULL, NULL);
}
