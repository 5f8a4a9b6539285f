#include "entity.h"

#include "store/run_list.h"

#define RUNS 66
#define PAGES_MAX 200

/* ---- a store with runs of every kind ---- */

/* What run number i is: the same rule makes the rows and says what a list of them must hold. */
static int64_t created_at(int i)
{
    return 1000 + i / 7; /* seven at the same time */
}

static int32_t phase_of(int i)
{
    return 1 + i % 10;
}

static struct mf_action_row action_of(const struct mf_run_row *run, const char *name)
{
    return (struct mf_action_row){
        .run_id = run->id,
        .name = mf_str_from_c(name),
        .project = run->project,
        .domain = run->domain,
        .run_name = run->name,
        .kind = 1,
        .attempts = 1,
        .task_project = MF_STR("tp"),
        .task_domain = MF_STR("td"),
        .task_type = MF_STR("python"),
    };
}

static enum mf_code add_labels(struct mf_db *db, struct entity *e, int64_t run_id, int i,
                               struct mf_error *err)
{
    enum mf_code code =
        mf_run_label_insert(db, run_id, MF_STR("team"), mf_str_printf(e->arena, "t%d", i % 3), err);
    if (code == MF_OK && i % 2 == 0)
        code = mf_run_label_insert(db, run_id, MF_STR("even"), MF_STR("yes"), err);
    return code;
}

static enum mf_code add_run(struct mf_tx *tx, struct entity *e, int i, struct mf_error *err)
{
    struct mf_db *db = mf_tx_db(tx);
    struct mf_run_row run = {
        .id = mf_tx_next_seq(tx),
        .project = i % 11 == 10 ? MF_STR("other") : MF_STR("p"),
        .domain = MF_STR("d"),
        .name =
            mf_str_printf(e->arena, "r%02d", (i * 37) % RUNS), /* so that names are not in order of time */
        .source = i % 3,
        .created_by_subject = i % 4 == 0 ? MF_STR("ann") : MF_STR_EMPTY,
        .trigger_task_name = i % 5 == 0 ? MF_STR("env.t0") : MF_STR_EMPTY,
        .trigger_name = i % 5 == 0 ? MF_STR("nightly") : MF_STR_EMPTY,
        .created_at = created_at(i),
    };
    struct mf_action_row root = action_of(&run, "a0");
    root.phase = phase_of(i);
    root.task_name = mf_str_printf(e->arena, "env.t%d", i % 6);
    root.task_version = mf_str_printf(e->arena, "v%d", i % 2);
    root.created_at = run.created_at;
    root.updated_at = run.created_at + 5;
    root.ended_at = root.phase == 5 ? run.created_at + 3000000 * (1 + i % 4) : 0;
    root.seq = mf_tx_next_seq(tx);
    enum mf_code code = mf_run_insert(db, &run, err);
    if (code == MF_OK)
        code = add_labels(db, e, run.id, i, err);
    if (code == MF_OK)
        code = mf_action_insert(db, &root, err);
    for (int child = 0; child < 5 && i == 0 && code == MF_OK; child++) {
        struct mf_action_row row = action_of(&run, "x");
        row.name = mf_str_printf(e->arena, "c%d", child);
        row.parent = child == 4 ? MF_STR("c0") : MF_STR("a0");
        row.kind = child == 3 ? 3 : 1;
        row.phase = child == 3 ? 9 : 4;
        row.created_at = 2000;
        row.seq = mf_tx_next_seq(tx);
        code = mf_action_insert(db, &row, err);
    }
    return code;
}

static enum mf_code add_runs(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    struct entity *e = (struct entity *)(uintptr_t)data;
    enum mf_code code = MF_OK;
    for (int i = 0; i < RUNS && code == MF_OK; i++)
        code = add_run(tx, e, i, err);
    return code;
}

static int set_up(void **state)
{
    int result = entity_setup(state);
    struct entity *e = *state;
    assert_int_equal(entity_write(e, add_runs, e), MF_OK);
    return result;
}

/* ---- reading lists ---- */

struct found {
    struct mf_run_list_row rows[RUNS + 1];
    size_t count;
    size_t limit;
};

static bool take(void *ctx, const struct mf_run_list_row *row)
{
    struct found *found = ctx;
    assert_true(found->count < RUNS);
    found->rows[found->count++] = *row;
    return true;
}

static const struct mf_run_scope here = {.project = {.ptr = "p", .len = 1}, .domain = {.ptr = "d", .len = 1}};

static struct found *list(struct entity *e, const struct mf_run_scope *scope, const struct mf_page *page)
{
    struct found *found = mf_arena_alloc(e->arena, sizeof *found);
    struct mf_page whole = *page;
    found->count = 0;
    whole.sortable = 1000;
    assert_int_equal(mf_run_list(e->db, e->arena, scope, &whole, take, found, NULL, &e->err), MF_OK);
    return found;
}

static void assert_same_rows(const struct found *left, const struct found *right)
{
    assert_int_equal(left->count, right->count);
    for (size_t i = 0; i < left->count; i++)
        assert_int_equal(left->rows[i].run.id, right->rows[i].run.id);
}

/* Reads on until the list ends, page by page. Rows that are only looked at make short pages. */
static void by_place(struct entity *e, const struct mf_run_scope *scope, struct mf_page page,
                     struct found *found)
{
    struct mf_place rest;
    for (size_t pages = 0; pages < PAGES_MAX; pages++) {
        size_t before = found->count;
        assert_int_equal(mf_run_list(e->db, e->arena, scope, &page, take, found, &rest, &e->err), MF_OK);
        assert_true(found->count - before <= page.limit);
        if (found->count - before < page.limit && rest.key_count == 0)
            return;
        struct mf_place *after = mf_arena_alloc(e->arena, sizeof *after);
        *after = rest.key_count > 0 ? rest : found->rows[found->count - 1].place;
        page.after = after;
    }
    fail_msg("the list does not end");
}

static void by_offset(struct entity *e, const struct mf_run_scope *scope, struct mf_page page, size_t rows,
                      struct found *found)
{
    for (; page.offset <= rows; page.offset += page.limit)
        assert_int_equal(mf_run_list(e->db, e->arena, scope, &page, take, found, NULL, &e->err), MF_OK);
}

static bool is_walked(struct entity *e, const struct mf_run_scope *scope, struct mf_page page)
{
    struct found *found = mf_arena_alloc(e->arena, sizeof *found);
    found->count = 0;
    page.sortable = 0;
    enum mf_code code = mf_run_list(e->db, e->arena, scope, &page, take, found, NULL, &e->err);
    assert_true(code == MF_OK || (code == MF_INVALID_ARGUMENT && strstr(e->err.message, "sort field")));
    return code == MF_OK;
}

/* Pages of any size, by place and by offset, read whole, walked, and walked a few rows at a time, give the
 * rows of the whole list, each once and in its order. */
static void assert_pages(struct entity *e, const struct mf_run_scope *scope, const struct mf_page *whole)
{
    static const size_t sizes[] = {3, 50};
    static const struct {
        size_t sortable, budget;
    } ways[] = {{1000, 0}, {0, 0}, {0, 3}};
    const struct found *all = list(e, scope, whole);
    bool walked = is_walked(e, scope, *whole);
    for (size_t way = 0; way < (walked ? 3 : 1); way++) {
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            struct found *placed = calloc(1, sizeof *placed);
            struct found *passed = calloc(1, sizeof *passed);
            struct mf_page page = *whole;
            page.limit = sizes[s];
            page.sortable = ways[way].sortable;
            page.budget = ways[way].budget;
            by_place(e, scope, page, placed);
            assert_same_rows(placed, all);
            if (page.budget == 0) {
                by_offset(e, scope, page, all->count, passed);
                assert_same_rows(passed, all);
            }
            free(placed);
            free(passed);
        }
    }
}

/* Which of the runs a list is expected to hold. */
typedef bool (*rule)(int i);

static void assert_holds(struct entity *e, const struct mf_run_scope *scope, const struct mf_page *page,
                         rule wanted)
{
    const struct found *all = list(e, scope, page);
    size_t expected = 0;
    for (int i = 0; i < RUNS; i++) {
        struct mf_str name = mf_str_printf(e->arena, "r%02d", (i * 37) % RUNS);
        size_t times = 0;
        for (size_t k = 0; k < all->count; k++)
            times += mf_str_eq(all->rows[k].run.name, name);
        assert_int_equal(times, wanted(i) ? 1 : 0);
        expected += times;
    }
    assert_int_equal(all->count, expected);
    assert_pages(e, scope, page);
}

static bool is_here(int i)
{
    return i % 11 != 10;
}

/* ---- orders ---- */

static void comes_by_phase_and_newest_first(void **state)
{
    struct entity *e = *state;
    const struct mf_page page = {0};
    assert_holds(e, &here, &page, is_here);
    const struct found *all = list(e, &here, &page);
    for (size_t i = 1; i < all->count; i++) {
        const struct mf_action_row *a = &all->rows[i - 1].action;
        const struct mf_action_row *b = &all->rows[i].action;
        assert_true(a->phase <= b->phase);
        if (a->phase == b->phase)
            assert_true(a->created_at > b->created_at ||
                        (a->created_at == b->created_at && mf_str_cmp(a->run_name, b->run_name) > 0));
    }
}

static void sorts_by_every_field(void **state)
{
    struct entity *e = *state;
    static const char *const names[] = {
        "project",
        "domain",
        "run_name",
        "name",
        "parent_name",
        "action_group",
        "phase",
        "action_type",
        "attempts",
        "run_source",
        "created_by",
        "trigger_task_name",
        "trigger_name",
        "task_project",
        "task_name",
        "task_version",
        "task_type",
        "function_name",
        "environment_name",
        "created_at",
        "updated_at",
        "ended_at",
        "duration_ms",
        "trigger_revision",
    };
    const struct mf_run_scope everywhere = {0};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct mf_sort sorts[] = {{mf_str_from_c(names[i]), false}, {MF_STR("created_at"), true}};
        const struct mf_page one = {.sorts = sorts, .sort_count = 1};
        const struct mf_page two = {.sorts = sorts, .sort_count = 2};
        assert_holds(e, &here, &one, is_here);
        assert_pages(e, &here, &two);
        sorts[0].ascending = true;
        assert_pages(e, &here, &one);
        assert_pages(e, &everywhere, &one);
    }
}

/* Whatever the length of the list. */
static void walks_along_indexes(void **state)
{
    struct entity *e = *state;
    static const char *const names[] = {"created_at", "updated_at",   "phase",    "run_name",
                                        "task_name",  "task_version", "ended_at", "duration_ms"};
    const struct mf_page none = {0};
    assert_true(is_walked(e, &here, none));
    for (size_t i = 0; i < 2 * sizeof names / sizeof names[0]; i++) {
        const struct mf_sort sort = {mf_str_from_c(names[i / 2]), i % 2 == 0};
        const struct mf_page page = {.sorts = &sort, .sort_count = 1};
        assert_true(is_walked(e, &here, page));
        assert_pages(e, &here, &page);
    }
    const struct mf_sort other = {MF_STR("attempts"), false};
    const struct mf_page page = {.sorts = &other, .sort_count = 1};
    assert_false(is_walked(e, &here, page));
    assert_non_null(strstr(e->err.message, "attempts"));
}

/* An offset beyond the budget is worn off over pages. */
static void offsets_outlast_a_budget(void **state)
{
    struct entity *e = *state;
    const struct mf_sort oldest = {MF_STR("created_at"), true};
    const struct mf_page whole = {.sorts = &oldest, .sort_count = 1};
    const struct mf_page page = {.sorts = &oldest, .sort_count = 1, .limit = 50, .offset = 20, .budget = 3};
    const struct found *all = list(e, &here, &whole);
    struct found *found = calloc(1, sizeof *found);
    by_place(e, &here, page, found);
    assert_int_equal(found->count, all->count - 20);
    for (size_t i = 0; i < found->count; i++)
        assert_int_equal(found->rows[i].run.id, all->rows[20 + i].run.id);
    free(found);
}

/* A walk whose time is over gives what it has found, and gets on even when there was no time at all. */
static void walks_end_with_their_time(void **state)
{
    struct entity *e = *state;
    const struct mf_sort oldest = {MF_STR("created_at"), true};
    struct mf_str one = MF_STR("1");
    const struct mf_filter filter = {
        .function = MF_FILTER_EQUAL, .field = MF_STR("attempts"), .values = &one, .value_count = 1};
    struct mf_page page = {.filters = &filter,
                           .filter_count = 1,
                           .sorts = &oldest,
                           .sort_count = 1,
                           .limit = RUNS,
                           .budget = 1000,
                           .sys = mf_sys_real()};
    const struct mf_run_scope everywhere = {0};
    struct found *found = calloc(1, sizeof *found);
    struct mf_place rest;
    assert_int_equal(mf_run_list(e->db, e->arena, &everywhere, &page, take, found, &rest, &e->err), MF_OK);
    assert_int_equal(found->count, 64);
    assert_true(rest.key_count > 0);
    page.after = &rest;
    struct mf_place end;
    assert_int_equal(mf_run_list(e->db, e->arena, &everywhere, &page, take, found, &end, &e->err), MF_OK);
    assert_int_equal(found->count, RUNS);
    assert_int_equal(end.key_count, 0);
    free(found);
}

static void sorts_rightly(void **state)
{
    struct entity *e = *state;
    const struct mf_sort oldest = {MF_STR("created_at"), true};
    struct mf_page page = {.sorts = &oldest, .sort_count = 1};
    const struct found *all = list(e, &here, &page);
    for (size_t i = 1; i < all->count; i++)
        assert_true(all->rows[i - 1].action.created_at <= all->rows[i].action.created_at);
    const struct mf_sort longest[] = {{MF_STR("duration_ms"), false}};
    page.sorts = longest;
    all = list(e, &here, &page);
    for (size_t i = 1; i < all->count; i++) {
        const struct mf_action_row *a = &all->rows[i - 1].action;
        const struct mf_action_row *b = &all->rows[i].action;
        assert_true((a->ended_at > 0 ? a->ended_at - a->created_at : 0) >=
                    (b->ended_at > 0 ? b->ended_at - b->created_at : 0));
    }
}

static void refuses_foreign_places_and_fields(void **state)
{
    struct entity *e = *state;
    struct mf_sort sort = {MF_STR("created_at"), true};
    struct mf_page page = {.sorts = &sort, .sort_count = 1, .limit = 2};
    struct found *found = list(e, &here, &page);
    page.after = &found->rows[1].place;
    sort.field = MF_STR("task_name");
    assert_int_equal(mf_run_list(e->db, e->arena, &here, &page, take, found, NULL, &e->err),
                     MF_INVALID_ARGUMENT);
    sort.field = MF_STR("created_at");
    page.list = 7;
    assert_int_equal(mf_run_list(e->db, e->arena, &here, &page, take, found, NULL, &e->err),
                     MF_INVALID_ARGUMENT);
    sort.field = MF_STR("run_id; DROP TABLE run");
    assert_int_equal(mf_run_list(e->db, e->arena, &here, &page, take, found, NULL, &e->err),
                     MF_INVALID_ARGUMENT);
}

/* ---- scopes ---- */

static bool of_task(int i)
{
    return i % 6 == 2;
}

static bool of_task_version(int i)
{
    return i % 6 == 2 && i % 2 == 0;
}

static bool of_trigger(int i)
{
    return is_here(i) && i % 5 == 0;
}

static bool is_paused(int i)
{
    return is_here(i) && (phase_of(i) == 9 || i == 0);
}

static bool everywhere_all(int i)
{
    return i >= 0;
}

static void knows_scopes(void **state)
{
    struct entity *e = *state;
    const struct mf_sort newest = {MF_STR("created_at"), false};
    const struct mf_page pages[] = {{0}, {.sorts = &newest, .sort_count = 1}};
    for (size_t i = 0; i < 2; i++) {
        struct mf_run_scope scope = {
            .task_project = MF_STR("tp"), .task_domain = MF_STR("td"), .task_name = MF_STR("env.t2")};
        assert_holds(e, &scope, &pages[i], of_task);
        scope.task_version = MF_STR("v0");
        assert_holds(e, &scope, &pages[i], of_task_version);
        const struct mf_run_scope everywhere = {0};
        assert_holds(e, &everywhere, &pages[i], everywhere_all);
        struct mf_run_scope trigger = here;
        trigger.trigger_name = MF_STR("nightly");
        trigger.trigger_task_name = MF_STR("env.t0");
        assert_holds(e, &trigger, &pages[i], of_trigger);
        trigger.trigger_task_name = MF_STR_EMPTY;
        assert_int_equal(list(e, &trigger, &pages[i])->count, 0);
        struct mf_run_scope paused = here;
        paused.paused_only = true;
        assert_holds(e, &paused, &pages[i], is_paused);
    }
}

/* ---- filters ---- */

struct filter_case {
    const char *field;
    int32_t function;
    const char *values[4];
    rule wanted;
};

static bool phase_5(int i)
{
    return is_here(i) && phase_of(i) == 5;
}
static bool phase_5_or_9(int i)
{
    return is_here(i) && (phase_of(i) == 5 || phase_of(i) == 9);
}
static bool not_phase_5(int i)
{
    return is_here(i) && phase_of(i) != 5;
}
static bool phase_from_7(int i)
{
    return is_here(i) && phase_of(i) >= 7;
}
static bool nothing(int i)
{
    return i < 0;
}
static bool task_t1(int i)
{
    return is_here(i) && i % 6 == 1;
}
static bool by_ann(int i)
{
    return is_here(i) && i % 4 == 0;
}
static bool team_1(int i)
{
    return is_here(i) && i % 3 == 1;
}
static bool team_1_or_2(int i)
{
    return is_here(i) && i % 3 != 0;
}
static bool even(int i)
{
    return is_here(i) && i % 2 == 0;
}
static bool odd(int i)
{
    return is_here(i) && i % 2 == 1;
}
static bool from_cli(int i)
{
    return is_here(i) && i % 3 == 2;
}
static bool name_r10(int i)
{
    return is_here(i) && (i * 37) % RUNS == 10;
}
static bool name_has_r1(int i)
{
    return is_here(i) && (i * 37) % RUNS / 10 == 1;
}
static bool name_ends_7(int i)
{
    return is_here(i) && (i * 37) % RUNS % 10 == 7;
}
static bool ended(int i)
{
    return phase_5(i);
}
static bool took_6_ms(int i)
{
    return phase_5(i) && 1 + i % 4 == 2;
}
static bool late(int i)
{
    return is_here(i) && created_at(i) >= 1004;
}
static bool early(int i)
{
    return is_here(i) && created_at(i) < 1004;
}

static const struct filter_case filter_cases[] = {
    {"phase", MF_FILTER_EQUAL, {"5"}, phase_5},
    {"phase", MF_FILTER_VALUE_IN, {"5"}, phase_5},
    {"phase", MF_FILTER_VALUE_IN, {"5", "9"}, phase_5_or_9},
    {"phase", MF_FILTER_VALUE_IN, {"9", "05", "5", "9"}, phase_5_or_9},
    {"phase", MF_FILTER_NOT_EQUAL, {"5"}, not_phase_5},
    {"phase", MF_FILTER_GREATER_THAN_OR_EQUAL, {"7"}, phase_from_7},
    {"phase", MF_FILTER_EQUAL, {"99"}, nothing},
    {"task_name", MF_FILTER_EQUAL, {"env.t1"}, task_t1},
    {"created_by", MF_FILTER_EQUAL, {"ann"}, by_ann},
    {"created_by_subject", MF_FILTER_VALUE_IN, {"ann", "bob"}, by_ann},
    {"labels.team", MF_FILTER_EQUAL, {"t1"}, team_1},
    {"labels.team", MF_FILTER_VALUE_IN, {"t1", "t2"}, team_1_or_2},
    {"labels.team", MF_FILTER_NOT_EQUAL, {"t0"}, team_1_or_2},
    {"labels.even", MF_FILTER_EXISTS, {0}, even},
    {"labels.even", MF_FILTER_NOT_EXISTS, {0}, odd},
    {"labels.none", MF_FILTER_EQUAL, {"x"}, nothing},
    {"run_source", MF_FILTER_EQUAL, {"RUN_SOURCE_CLI"}, from_cli},
    {"run_name", MF_FILTER_EQUAL, {"r10"}, name_r10},
    {"run_name", MF_FILTER_CONTAINS, {"r1"}, name_has_r1},
    {"run_name", MF_FILTER_CONTAINS, {"R1"}, nothing},
    {"run_name", MF_FILTER_CONTAINS, {"r%1"}, nothing},
    {"run_name", MF_FILTER_CONTAINS_CASE_INSENSITIVE, {"R1"}, name_has_r1},
    {"run_name", MF_FILTER_ENDS_WITH, {"7"}, name_ends_7},
    {"ended_at", MF_FILTER_GREATER_THAN, {"1970-01-01T00:00:00Z"}, ended},
    {"duration_ms", MF_FILTER_EQUAL, {"6"}, took_6_ms},
    {"created_at", MF_FILTER_GREATER_THAN_OR_EQUAL, {"1970-01-01T00:00:00.000001004Z"}, late},
    {"labels.none", MF_FILTER_EXISTS, {0}, nothing},
    /* Updated 5 ns, ended at least 3 ms after it was made: the bounds on the creation that follow are no
       sharper. */
    {"updated_at", MF_FILTER_GREATER_THAN_OR_EQUAL, {"1970-01-01T00:00:00.000001009Z"}, late},
    {"updated_at", MF_FILTER_LESS_THAN, {"1970-01-01T00:00:00.000001009Z"}, early},
    {"ended_at", MF_FILTER_LESS_THAN, {"1970-01-02T00:00:00Z"}, ended},
    {"ended_at", MF_FILTER_LESS_THAN_OR_EQUAL, {"1970-01-01T00:00:00.000001009Z"}, nothing},
};

static struct mf_filter filter_of(struct entity *e, const struct filter_case *c)
{
    struct mf_str *values = mf_arena_array(e->arena, 4, sizeof *values);
    size_t count = 0;
    while (count < 4 && c->values[count]) {
        values[count] = mf_str_from_c(c->values[count]);
        count++;
    }
    return (struct mf_filter){
        .function = c->function, .field = mf_str_from_c(c->field), .values = values, .value_count = count};
}

static void filters(void **state)
{
    struct entity *e = *state;
    const struct mf_sort sorts[] = {{MF_STR("created_at"), false}, {MF_STR("phase"), true}};
    for (size_t i = 0; i < sizeof filter_cases / sizeof filter_cases[0]; i++) {
        if (!filter_cases[i].wanted)
            continue;
        const struct mf_filter filter = filter_of(e, &filter_cases[i]);
        struct mf_page page = {.filters = &filter, .filter_count = 1};
        assert_holds(e, &here, &page, filter_cases[i].wanted);
        page.sorts = sorts;
        page.sort_count = 1;
        assert_holds(e, &here, &page, filter_cases[i].wanted);
        page.sort_count = 2;
        assert_holds(e, &here, &page, filter_cases[i].wanted);
        page.sorts = sorts + 1;
        page.sort_count = 1;
        assert_holds(e, &here, &page, filter_cases[i].wanted);
    }
}

/* Any two filters hold together, whichever of them drives the search. */
static void filters_together(void **state)
{
    struct entity *e = *state;
    const struct mf_sort newest = {MF_STR("created_at"), false};
    for (size_t i = 0; i < 16; i++) {
        for (size_t k = 0; k < 16; k++) {
            const struct mf_filter both[] = {filter_of(e, &filter_cases[i]), filter_of(e, &filter_cases[k])};
            const struct mf_page page = {
                .filters = both, .filter_count = 2, .sorts = &newest, .sort_count = 1};
            const struct found *found = list(e, &here, &page);
            size_t expected = 0;
            for (int run = 0; run < RUNS; run++)
                expected += filter_cases[i].wanted(run) && filter_cases[k].wanted(run);
            assert_int_equal(found->count, expected);
        }
    }
}

static void refuses_wrong_filters(void **state)
{
    struct entity *e = *state;
    static const struct filter_case wrong[] = {
        {"phase", MF_FILTER_EQUAL, {"ACTION_PHASE_NONE"}, NULL},
        {"phase", MF_FILTER_VALUE_IN, {"5", "x"}, NULL},
        {"phase", MF_FILTER_EQUAL, {"5", "6"}, NULL},
        {"phase", MF_FILTER_EQUAL, {0}, NULL},
        {"phase", MF_FILTER_CONTAINS, {"5"}, NULL},
        {"phase", -1, {"5"}, NULL},
        {"created_at", MF_FILTER_LESS_THAN, {"not-a-time"}, NULL},
        {"nothing", MF_FILTER_EQUAL, {"5"}, NULL},
        {"labels.", MF_FILTER_EQUAL, {"5"}, NULL},
        {"labels.x", MF_FILTER_EQUAL, {0}, NULL},
        {"labels.x", MF_FILTER_EQUAL, {"1", "2"}, NULL},
        {"labels.x", MF_FILTER_CONTAINS, {"1"}, NULL},
    };
    struct found *found = mf_arena_alloc(e->arena, sizeof *found);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const struct mf_filter filter = filter_of(e, &wrong[i]);
        const struct mf_page page = {.filters = &filter, .filter_count = 1};
        assert_int_equal(mf_run_list(e->db, e->arena, &here, &page, take, found, NULL, &e->err),
                         MF_INVALID_ARGUMENT);
    }
}

/* ---- the actions of a run, and changes ---- */

static size_t list_actions(struct entity *e, int64_t run_id, const struct mf_page *given,
                           const struct mf_place *after, struct found *found)
{
    size_t before = found->count;
    struct mf_page whole = *given;
    const struct mf_page *page = &whole;
    whole.after = after;
    whole.sortable = 1000;
    assert_int_equal(mf_run_list_actions(e->db, e->arena, run_id, page, take, found, NULL, &e->err), MF_OK);
    return found->count - before;
}

static void lists_actions(void **state)
{
    struct entity *e = *state;
    struct mf_run_row run;
    struct found found = {0};
    const struct mf_sort oldest = {MF_STR("created_at"), true};
    struct mf_page page = {.sorts = &oldest, .sort_count = 1, .limit = 2};
    assert_int_equal(mf_run_find(e->db, e->arena, MF_STR("p"), MF_STR("d"), MF_STR("r00"), &run, &e->err),
                     MF_OK);
    while (list_actions(e, run.id, &page, found.count ? &found.rows[found.count - 1].place : NULL, &found) >
           0)
        assert_true(found.count <= 6);
    static const char *const names[] = {"a0", "c0", "c1", "c2", "c3", "c4"};
    assert_int_equal(found.count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_str(found.rows[i].action.name, names[i]);

    const struct filter_case cases[] = {{"parent_name", MF_FILTER_EQUAL, {"c0"}, NULL},
                                        {"action_type", MF_FILTER_EQUAL, {"3"}, NULL},
                                        {"phase", MF_FILTER_VALUE_IN, {"4", "9"}, NULL},
                                        {"name", MF_FILTER_EQUAL, {"c2"}, NULL}};
    static const size_t counts[] = {1, 1, 5, 1};
    for (size_t i = 0; i < 4; i++) {
        const struct mf_filter filter = filter_of(e, &cases[i]);
        const struct mf_page filtered = {.filters = &filter, .filter_count = 1};
        assert_int_equal(list_actions(e, run.id, &filtered, NULL, &found), counts[i]);
    }
    assert_int_equal(list_actions(e, run.id + 100000, &page, NULL, &found), 0);
}

static void lists_changes(void **state)
{
    struct entity *e = *state;
    struct found first = {0};
    struct found rest = {0};
    assert_int_equal(mf_run_list_changed(e->db, e->arena, &here, 0, 10, take, &first, &e->err), MF_OK);
    assert_int_equal(first.count, 10);
    assert_int_equal(
        mf_run_list_changed(e->db, e->arena, &here, first.rows[9].action.seq, 0, take, &rest, &e->err),
        MF_OK);
    assert_int_equal(rest.count, 60 - 10);
    for (size_t i = 0; i < rest.count; i++)
        assert_true(rest.rows[i].action.seq > (i > 0 ? rest.rows[i - 1] : first.rows[9]).action.seq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(comes_by_phase_and_newest_first, set_up, entity_teardown),
        cmocka_unit_test_setup_teardown(sorts_by_every_field, set_up, entity_teardown),
        cmocka_unit_test_setup_teardown(walks_along_indexes, set_up, entity_teardown),
        cmocka_unit_test_setup_teardown(offsets_outlast_a_budget, set_up, entity_teardown),
        cmocka_unit_test_setup_teardown(walks_end_with_their_time, set_up, entity_teardown),
        cmocka_unit_test_setup_teardown(sorts_rightly, set_up, entity_teardown),
        cmocka_unit_test_setup_teardown(refuses_foreign_places_and_fields, set_up, entity_teardown),
        cmocka_unit_test_setup_teardown(knows_scopes, set_up, entity_teardown),
        cmocka_unit_test_setup_teardown(filters, set_up, entity_teardown),
        cmocka_unit_test_setup_teardown(filters_together, set_up, entity_teardown),
        cmocka_unit_test_setup_teardown(refuses_wrong_filters, set_up, entity_teardown),
        cmocka_unit_test_setup_teardown(lists_actions, set_up, entity_teardown),
        cmocka_unit_test_setup_teardown(lists_changes, set_up, entity_teardown),
    };
    return cmocka_run_group_tests_name("run_list", tests, NULL, NULL);
}
