/*
 * The plans of every statement that lists of runs and of actions are made of, for each scope, filter and
 * order: no table is read from one end to the other, and nothing is sorted that an index does not have in
 * order. Statements are caught as the connection runs them.
 */
#include "entity.h"

#include "store/run_fields.h"
#include "store/run_list.h"
#include "store/sqlite.h"

#define SEEN_MAX 65536

struct plans {
    struct entity *e;
    uint64_t seen[SEEN_MAX]; /* texts whose plans were read */
    size_t seen_count;
    bool everywhere; /* the list is of all projects: an index is read from its end */
    const char *what;
    size_t failures;
};

static uint64_t hash_of(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return hash;
}

static bool is_new(struct plans *p, const char *text)
{
    uint64_t hash = hash_of(text) ^ (p->everywhere ? 1 : 0);
    for (size_t i = hash % SEEN_MAX;; i = (i + 1) % SEEN_MAX) {
        if (p->seen[i] == hash)
            return false;
        if (p->seen[i] != 0)
            continue;
        p->failures += ++p->seen_count > SEEN_MAX / 2;
        p->seen[i] = hash;
        return true;
    }
}

/* The rows of a subquery are those its own lines have found. */
static bool is_subquery(const char *detail)
{
    return strncmp(detail, "SCAN w", 6) == 0 || strncmp(detail, "SCAN c", 6) == 0 ||
           strncmp(detail, "SCAN (sub", 9) == 0 || strcmp(detail, "SCAN CONSTANT ROW") == 0;
}

static void check_detail(struct plans *p, const char *sql, const char *detail)
{
    bool scan = strncmp(detail, "SCAN ", 5) == 0 && !is_subquery(detail);
    if (scan && p->everywhere && strstr(detail, "INDEX action_root_any"))
        scan = false;
    /* The few runs that wait for an answer, once each. */
    if (scan && strstr(detail, "action_paused"))
        scan = false;
    bool narrowed =
        strncmp(detail, "SEARCH ", 7) != 0 || strchr(detail, '=') || strstr(detail, "action_root_any");
    /* What a union sorts are the first rows of each of its parts. */
    bool sorted = strcmp(detail, "USE TEMP B-TREE FOR ORDER BY") == 0 && !strstr(sql, "UNION ALL");
    /* A page that begins after a place begins there in the index. */
    bool placed = strstr(sql, ") > ($") || strstr(sql, ") < ($");
    bool driver = strncmp(detail, "SEARCH ", 7) == 0 && strchr("arl", detail[7]) &&
                  !strstr(detail, "run_id=?") && !strstr(detail, "sqlite_autoindex");
    if (placed && driver && !strpbrk(detail, "<>"))
        narrowed = false;
    if ((scan || sorted || !narrowed) && ++p->failures <= 20)
        print_error("%s: %s\n%.400s\n", p->what, detail, sql);
}

/* SQLite calls this when a statement begins, and is not to be left by a jump. */
static int read_plan(unsigned kind, void *ctx, void *stmt, void *unexpanded)
{
    struct plans *p = ctx;
    const char *sql = sqlite3_sql(stmt);
    sqlite3_stmt *explain = NULL;
    char *text = NULL;
    (void)kind;
    (void)unexpanded;
    if (!sql || strncmp(sql, "SELECT", 6) != 0 || !is_new(p, sql))
        return 0;
    text = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
    p->failures += sqlite3_prepare_v2(mf_sqlite_of(p->e->db)->handle, text, -1, &explain, NULL) != SQLITE_OK;
    while (sqlite3_step(explain) == SQLITE_ROW)
        check_detail(p, sql, (const char *)sqlite3_column_text(explain, 3));
    sqlite3_finalize(explain);
    sqlite3_free(text);
    return 0;
}

static bool ignore(void *ctx, const struct mf_run_list_row *row)
{
    (void)ctx;
    (void)row;
    return true;
}

struct ask {
    const char *field;
    int32_t function;
    const char *value;
};

/* One of each kind that the search knows, and some that it only looks at. */
static const struct ask asks[] = {
    {NULL, 0, NULL},
    {"phase", MF_FILTER_EQUAL, "5"},
    {"phase", MF_FILTER_NOT_EQUAL, "5"},
    {"phase", MF_FILTER_EQUAL, "ACTION_PHASE_PAUSED"},
    {"task_name", MF_FILTER_EQUAL, "env.t"},
    {"task_name", MF_FILTER_CONTAINS, "env.t"},
    {"task_version", MF_FILTER_EQUAL, "v"},
    {"created_by", MF_FILTER_EQUAL, "ann"},
    {"trigger_name", MF_FILTER_EQUAL, "nightly"},
    {"run_name", MF_FILTER_EQUAL, "r"},
    {"parent_name", MF_FILTER_EQUAL, "a0"},
    {"name", MF_FILTER_EQUAL, "a0"},
    {"function_name", MF_FILTER_ENDS_WITH, "f"},
    {"attempts", MF_FILTER_GREATER_THAN, "1"},
    {"run_source", MF_FILTER_EQUAL, "RUN_SOURCE_CLI"},
    {"created_at", MF_FILTER_GREATER_THAN_OR_EQUAL, "2026-01-02T03:04:05.678Z"},
    {"updated_at", MF_FILTER_LESS_THAN, "2026-01-02T03:04:05Z"},
    {"ended_at", MF_FILTER_EXISTS, NULL},
    {"duration_ms", MF_FILTER_GREATER_THAN, "1"},
    {"labels.team", MF_FILTER_EQUAL, "a"},
    {"labels.team", MF_FILTER_EXISTS, NULL},
    {"labels.team", MF_FILTER_NOT_EQUAL, "a"},
};
#define ASKS (sizeof asks / sizeof asks[0])

static void add_filter(const struct ask *ask, struct mf_str *value, struct mf_filter *filters,
                       struct mf_page *page)
{
    if (!ask->field)
        return;
    *value = mf_str_from_c(ask->value);
    filters[page->filter_count++] = (struct mf_filter){.function = ask->function,
                                                       .field = mf_str_from_c(ask->field),
                                                       .values = value,
                                                       .value_count = ask->value ? 1 : 0};
}

static enum mf_code list(struct entity *e, const struct mf_run_scope *scope, const struct mf_page *page,
                         struct mf_place *rest)
{
    return scope ? mf_run_list(e->db, e->arena, scope, page, ignore, NULL, rest, &e->err)
                 : mf_run_list_actions(e->db, e->arena, 1, page, ignore, NULL, rest, &e->err);
}

/* First and later pages, read whole and walked, of one filter or two. scope NULL: the actions of a run. */
static void read_plans(struct plans *p, const struct mf_run_scope *scope, const struct ask *first,
                       const struct ask *second, const struct mf_sort *sort)
{
    struct entity *e = p->e;
    struct mf_str values[2];
    struct mf_filter filters[2];
    struct mf_place rest = {0};
    struct mf_page page = {.filters = filters, .sorts = sort, .sort_count = sort ? 1 : 0, .limit = 3};
    add_filter(first, &values[0], filters, &page);
    add_filter(second, &values[1], filters, &page);
    mf_arena_reset(e->arena);
    page.sortable = 1000;
    enum mf_code code = list(e, scope, &page, &rest);
    if (code != MF_OK && strstr(e->err.message, "invalid filter field: labels"))
        return;
    assert_int_equal(code, MF_OK);
    /* Even a budget of one row gives a place to go on from, where there is any row. */
    page.sortable = 0;
    page.budget = 1;
    code = list(e, scope, &page, &rest);
    for (int pages = 0; code == MF_OK && rest.key_count > 0 && pages < 3; pages++) {
        const struct mf_place after = rest;
        page.after = &after;
        code = list(e, scope, &page, &rest);
        page.after = NULL;
    }
    assert_true(code == MF_OK || strstr(e->err.message, "sort field"));
}

static enum mf_code add_rows(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    struct mf_db *db = mf_tx_db(tx);
    enum mf_code code = MF_OK;
    (void)data;
    for (int i = 1; i <= 12 && code == MF_OK; i++) {
        char name[8];
        snprintf(name, sizeof name, "r%d", i);
        const struct mf_run_row run = {.id = i,
                                       .project = MF_STR("p"),
                                       .domain = MF_STR("d"),
                                       .name = mf_str_from_c(name),
                                       .created_by_subject = MF_STR("ann"),
                                       .trigger_name = MF_STR("nightly"),
                                       .trigger_task_name = MF_STR("env.t"),
                                       .created_at = i};
        const struct mf_action_row root = {.run_id = i,
                                           .name = MF_STR("a0"),
                                           .project = run.project,
                                           .domain = run.domain,
                                           .run_name = run.name,
                                           .phase = i % 11,
                                           .task_project = run.project,
                                           .task_domain = run.domain,
                                           .task_name = MF_STR("env.t"),
                                           .task_version = MF_STR("v"),
                                           .created_at = i,
                                           .seq = i};
        struct mf_action_row child = root;
        child.name = MF_STR("c");
        child.parent = root.name;
        child.seq = 100 + i;
        code = mf_run_insert(db, &run, err);
        if (code == MF_OK)
            code = mf_run_label_insert(db, i, MF_STR("team"), MF_STR("a"), err);
        if (code == MF_OK)
            code = mf_action_insert(db, &root, err);
        if (code == MF_OK)
            code = mf_action_insert(db, &child, err);
    }
    return code;
}

static int set_up(void **state)
{
    int result = entity_setup(state);
    struct plans *p = calloc(1, sizeof *p);
    p->e = *state;
    assert_int_equal(entity_write(p->e, add_rows, NULL), MF_OK);
    assert_int_equal(sqlite3_trace_v2(mf_sqlite_of(p->e->db)->handle, SQLITE_TRACE_STMT, read_plan, p),
                     SQLITE_OK);
    *state = p;
    return result;
}

static int tear_down(void **state)
{
    struct plans *p = *state;
    void *e = p->e;
    sqlite3_trace_v2(mf_sqlite_of(p->e->db)->handle, 0, NULL, NULL);
    free(p);
    return entity_teardown(&e);
}

static void read_all(struct plans *p, const struct mf_run_scope *scope)
{
    for (size_t i = 0; i < ASKS; i++) {
        for (size_t k = i; k < ASKS; k++) {
            const struct ask *second = k == i ? &asks[0] : &asks[k];
            read_plans(p, scope, &asks[i], second, NULL);
            /* Of two filters it matters how rows in order of their age are found. */
            for (size_t f = 0; f < 2 * mf_run_field_count; f++) {
                const struct mf_sort sort = {mf_str_from_c(mf_run_fields[f / 2].name), f % 2 == 0};
                if (k == i || mf_str_eq_c(sort.field, "created_at"))
                    read_plans(p, scope, &asks[i], second, &sort);
            }
        }
    }
    assert_true(p->seen_count > 100);
    assert_int_equal(p->failures, 0);
}

static void runs_of_a_domain(void **state)
{
    struct plans *p = *state;
    struct mf_run_scope scope = {.project = MF_STR("p"), .domain = MF_STR("d")};
    p->what = "runs of a domain";
    read_all(p, &scope);
    scope.paused_only = true;
    p->what = "paused runs";
    read_all(p, &scope);
}

static void runs_of_a_task(void **state)
{
    struct plans *p = *state;
    struct mf_run_scope scope = {
        .task_project = MF_STR("p"), .task_domain = MF_STR("d"), .task_name = MF_STR("env.t")};
    p->what = "runs of a task";
    read_all(p, &scope);
    scope.task_version = MF_STR("v");
    p->what = "runs of a version";
    read_all(p, &scope);
}

static void runs_of_a_trigger(void **state)
{
    const struct mf_run_scope scope = {.project = MF_STR("p"),
                                       .domain = MF_STR("d"),
                                       .trigger_task_name = MF_STR("env.t"),
                                       .trigger_name = MF_STR("nightly")};
    struct plans *p = *state;
    p->what = "runs of a trigger";
    read_all(p, &scope);
}

static void runs_everywhere(void **state)
{
    const struct mf_run_scope scope = {0};
    struct plans *p = *state;
    p->what = "all runs";
    p->everywhere = true;
    read_all(p, &scope);
}

static void actions_of_a_run(void **state)
{
    struct plans *p = *state;
    p->what = "actions";
    read_all(p, NULL);
}

static void changes(void **state)
{
    struct plans *p = *state;
    const struct mf_run_scope scope = {.project = MF_STR("p"), .domain = MF_STR("d")};
    p->what = "changes";
    assert_int_equal(mf_run_list_changed(p->e->db, p->e->arena, &scope, 1, 5, ignore, NULL, &p->e->err),
                     MF_OK);
    assert_true(p->seen_count > 0);
    assert_int_equal(p->failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(runs_of_a_domain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(runs_of_a_task, set_up, tear_down),
        cmocka_unit_test_setup_teardown(runs_of_a_trigger, set_up, tear_down),
        cmocka_unit_test_setup_teardown(runs_everywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(actions_of_a_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(changes, set_up, tear_down),
    };
    /* Plans of SQLite's. */
    return test_database_is_server() ? 0 : cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
