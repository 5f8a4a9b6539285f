#include "store/run_list.h"

#include "store/run_path.h"

#include <stdio.h>
#include <stdlib.h>

#define COLUMNS                                                                                              \
    "SELECT a.run_id, a.name, a.project, a.domain, a.run_name, a.parent, a.kind, a.phase, a.attempts, "      \
    "a.cache_status, "                                                                                       \
    "a.action_group, a.task_project, a.task_domain, a.task_name, a.task_version, a.task_type, "              \
    "a.short_name, "                                                                                         \
    "a.function_name, a.environment_name, a.spec_digest, a.recovered_from, a.created_at, a.updated_at, "     \
    "a.ended_at, "                                                                                           \
    "a.seq, r.run_spec, r.source, r.created_by, r.trigger_task_name, r.trigger_name, r.trigger_revision, "   \
    "r.trigger_automation"

MF_SQL(sql_row,
       COLUMNS " FROM action a CROSS JOIN run r WHERE a.run_id = $1 AND a.name = $2 AND r.id = a.run_id");

#define LOOKS_MIN 64
#define LOOKS_TURN 16

/* A row that was found: its key, and what it is ordered by. */
struct ref {
    int64_t run_id;
    struct mf_str name;
    struct mf_place_key *keys;
};

/* A search finds the rows by columns that the indexes and the filters need; what a list shows of a row is
 * read when it is known to be on the page. */
struct list {
    struct mf_db *db;
    struct mf_arena *arena;
    struct mf_run_plan plan;
    const struct mf_place *after; /* of the statement at hand */
    int32_t phase;                /* MF_ONE_BY_ONE: the one that is searched */
    bool with_run;
    bool has_rest; /* the rows that come are to be looked at */
    bool bounded;  /* by the budget: many rows may have to be passed over */
    struct ref *refs;
    size_t count, cap;
    uint64_t skip; /* rows to pass over first */
    size_t looked_at;
    size_t looks_end; /* of the statement at hand, when there is a budget */
    bool full, spent; /* the page, the budget */
    struct ref last;  /* the one that spent it */
};

/* Which rows a statement is about, relative to the place to go on from. */
enum part {
    ALL,
    SAME_FIRST,  /* equal in the first keys of one direction, and after the place in the others */
    AFTER_FIRST, /* after the place in the first keys */
};

/* ---- places ---- */

/* How many keys from this one on have the same direction. */
static size_t run_of(const struct list *list, size_t from)
{
    const struct mf_run_order_key *keys = list->plan.keys;
    size_t count = 1;
    while (from + count < list->plan.key_count && keys[from + count].ascending == keys[from].ascending)
        count++;
    return count;
}

/* "(k1, k2) sign (v1, v2)" */
static void compare_keys(struct mf_select *select, const struct list *list, size_t from, size_t count,
                         const char *sign)
{
    mf_select_sql(select, "(");
    for (size_t i = from; i < from + count; i++) {
        mf_select_sql(select, i > from ? ", " : "");
        mf_select_sql(select, mf_run_key_column(&list->plan, i));
    }
    mf_select_sql(select, sign);
    for (size_t i = from; i < from + count; i++) {
        mf_select_sql(select, i > from ? ", " : "");
        if (list->after->keys[i].is_int)
            mf_select_int(select, list->after->keys[i].number);
        else
            mf_select_text(select, list->after->keys[i].text);
    }
    mf_select_sql(select, ")");
}

static const char *beyond(const struct list *list, size_t key)
{
    return list->plan.keys[key].ascending ? ") > (" : ") < (";
}

/* Beyond the place in the keys from here on, whose directions may change. */
static void add_beyond(struct mf_select *select, const struct list *list, size_t from)
{
    size_t count = run_of(list, from);
    compare_keys(select, list, from, count, beyond(list, from));
    if (from + count >= list->plan.key_count)
        return;
    mf_select_sql(select, " OR (");
    compare_keys(select, list, from, count, ") = (");
    mf_select_sql(select, " AND (");
    add_beyond(select, list, from + count);
    mf_select_sql(select, "))");
}

static void add_part(struct mf_select *select, const struct list *list, enum part part)
{
    size_t fixed = list->plan.path.fixed;
    size_t first = run_of(list, fixed);
    if (part == ALL)
        return;
    mf_select_sql(select, " AND ");
    if (part == AFTER_FIRST) {
        compare_keys(select, list, fixed, first, beyond(list, fixed));
        return;
    }
    compare_keys(select, list, fixed, first, ") = (");
    mf_select_sql(select, " AND (");
    add_beyond(select, list, fixed + first);
    mf_select_sql(select, ")");
}

/* By name, or by position in the rows of a union. */
static void add_order(struct mf_select *select, const struct list *list, bool positions)
{
    char position[16];
    mf_select_sql(select, " ORDER BY ");
    for (size_t i = list->plan.path.fixed; i < list->plan.key_count; i++) {
        snprintf(position, sizeof position, "%zu", 4 + i);
        mf_select_sql(select, i > list->plan.path.fixed ? ", " : "");
        mf_select_sql(select, positions ? position : mf_run_key_column(&list->plan, i));
        mf_select_sql(select, list->plan.keys[i].ascending ? " ASC" : " DESC");
    }
}

static int compare_refs(const void *left, const void *right, void *ctx)
{
    const struct mf_run_plan *plan = ctx;
    const struct mf_place_key *a = ((const struct ref *)left)->keys;
    const struct mf_place_key *b = ((const struct ref *)right)->keys;
    for (size_t i = 0; i < plan->key_count; i++) {
        int sign = a[i].is_int ? (a[i].number > b[i].number) - (a[i].number < b[i].number)
                               : mf_str_cmp(a[i].text, b[i].text);
        if (sign != 0)
            return plan->keys[i].ascending ? sign : -sign;
    }
    return 0;
}

/* ---- search ---- */

static bool read_ref(struct mf_stmt *stmt, const struct list *list, struct ref *out)
{
    bool failed = false;
    out->run_id = mf_col_int(stmt, 0);
    out->name = mf_col_copy(stmt, 1, list->arena, &failed);
    out->keys = mf_arena_array(list->arena, list->plan.key_count, sizeof *out->keys);
    for (size_t i = 0; out->keys && i < list->plan.key_count; i++) {
        struct mf_place_key *key = &out->keys[i];
        key->is_int = list->plan.keys[i].is_int;
        if (key->is_int)
            key->number = mf_col_int(stmt, 3 + (int)i);
        else
            key->text = mf_col_copy(stmt, 3 + (int)i, list->arena, &failed);
    }
    return out->keys && !failed;
}

static bool keep(struct list *list, const struct ref *ref)
{
    if (list->count == list->cap) {
        size_t cap = list->cap > 0 ? list->cap * 2 : 128;
        void *grown = mf_arena_grow(list->arena, list->refs, list->cap * sizeof *ref, cap * sizeof *ref);
        if (!grown)
            return false;
        list->refs = grown;
        list->cap = cap;
    }
    list->refs[list->count++] = *ref;
    return true;
}

/* The clock is asked now and then, and never before some rows were looked at, so that a slow machine gets on.
 */
static bool is_spent(const struct list *list)
{
    const struct mf_page *page = list->plan.page;
    if (!list->bounded || list->plan.path.is_small)
        return false;
    bool ask = page->sys && list->looked_at >= LOOKS_MIN && list->looked_at % LOOKS_TURN == 0;
    return list->looked_at >= list->looks_end || (ask && mf_mono_ns(page->sys) >= page->until_ns);
}

static enum mf_code look(struct list *list, struct mf_stmt *stmt, struct mf_error *err)
{
    const struct mf_page *page = list->plan.page;
    bool small = list->plan.path.is_small;
    bool hit = mf_col_int(stmt, 2) != 0;
    struct ref ref;
    list->looked_at++;
    list->spent = is_spent(list);
    if (hit && list->skip > 0 && !small) {
        list->skip--;
        hit = false;
    }
    if (!hit && !list->spent)
        return MF_OK;
    if (!read_ref(stmt, list, &ref) || (hit && !keep(list, &ref)))
        return mf_fail_memory(err);
    list->last = ref;
    list->full = !small && page->limit > 0 && list->count >= page->limit;
    return MF_OK;
}

static enum mf_code walk(struct list *list, struct mf_select *select, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = true;
    enum mf_code code = mf_select_open(select, list->db, &stmt, err);
    while (code == MF_OK && !list->full && !list->spent) {
        code = mf_stmt_step(stmt, &row, err);
        if (code != MF_OK || !row)
            break;
        code = look(list, stmt, err);
    }
    mf_stmt_done(stmt);
    return code;
}

/* One SELECT without its order and limit: run, name, whether it passes, and the keys of the order. */
static enum mf_code add_select(struct mf_select *select, const struct list *list, enum part part,
                               struct mf_error *err)
{
    enum mf_code code = MF_OK;
    mf_select_sql(select, "SELECT a.run_id, a.name, ");
    mf_select_sql(select, list->has_rest ? "CASE WHEN 1 = 1" : "1");
    if (list->has_rest) {
        code = mf_run_rest_add(select, &list->plan, err);
        mf_select_sql(select, " THEN 1 ELSE 0 END");
    }
    for (size_t i = 0; i < list->plan.key_count; i++) {
        mf_select_sql(select, ", ");
        mf_select_sql(select, mf_run_key_column(&list->plan, i));
    }
    if (code == MF_OK)
        code = mf_run_path_add(select, &list->plan, list->with_run, err);
    if (list->plan.path.by_phase == MF_ONE_BY_ONE) {
        mf_select_sql(select, " AND a.phase = ");
        mf_select_int(select, list->phase);
    }
    add_part(select, list, part);
    return code;
}

/* The first rows of every phase. */
static enum mf_code add_merged(struct mf_select *select, const struct list *list, enum part part,
                               const struct mf_page *page, struct mf_error *err)
{
    struct list one = *list;
    enum mf_code code = MF_OK;
    bool first = true;
    for (one.phase = 0; one.phase < MF_RUN_PHASES && code == MF_OK; one.phase++) {
        if (!(list->plan.phases >> one.phase & 1))
            continue;
        mf_select_sql(select, first ? "SELECT * FROM (" : " UNION ALL SELECT * FROM (");
        first = false;
        code = add_select(select, &one, part, err);
        mf_select_sql(select, " AND a.phase = ");
        mf_select_int(select, one.phase);
        add_order(select, list, false);
        mf_select_page(select, page);
        mf_select_sql(select, ") c");
    }
    return code;
}

/* Each part of a union looks at as many rows as the union gives, all of them before the first is given, so
 * that no clock can end it. */
static size_t bounded_rows(const struct list *list, size_t left)
{
    size_t parts = 0;
    for (uint32_t phases = list->plan.phases; phases != 0; phases &= phases - 1)
        parts++;
    if (list->plan.path.by_phase != MF_MERGED || parts == 0)
        return left;
    size_t share = left / (3 * parts);
    return share > LOOKS_MIN ? share : left < LOOKS_MIN ? left : LOOKS_MIN;
}

static enum mf_code run_part(struct list *list, enum part part, struct mf_error *err)
{
    const struct mf_page *page = list->plan.page;
    struct mf_page rows = {0};
    bool merged = list->plan.path.by_phase == MF_MERGED;
    struct mf_select *select = mf_select_new(list->arena);
    if (!select)
        return mf_fail_memory(err);
    if (list->bounded)
        rows.limit = bounded_rows(list, page->budget - list->looked_at);
    else if (!list->has_rest && page->limit > 0)
        rows.limit = page->limit - list->count + (size_t)list->skip;
    list->looks_end = list->looked_at + rows.limit;
    enum mf_code code =
        merged ? add_merged(select, list, part, &rows, err) : add_select(select, list, part, err);
    if (code != MF_OK)
        return code;
    add_order(select, list, merged);
    mf_select_page(select, &rows);
    return walk(list, select, err);
}

static enum mf_code run_parts(struct list *list, struct mf_error *err)
{
    size_t fixed = list->plan.path.fixed;
    enum mf_code code = MF_OK;
    if (!list->after)
        return run_part(list, ALL, err);
    if (fixed + run_of(list, fixed) < list->plan.key_count)
        code = run_part(list, SAME_FIRST, err);
    return code == MF_OK && !list->full && !list->spent ? run_part(list, AFTER_FIRST, err) : code;
}

static enum mf_code run_phases(struct list *list, struct mf_error *err)
{
    const struct mf_place *place = list->after;
    bool ascending = list->plan.keys[0].ascending;
    enum mf_code code = MF_OK;
    for (int32_t i = 0; i < MF_RUN_PHASES && code == MF_OK && !list->full && !list->spent; i++) {
        int32_t phase = ascending ? i : MF_RUN_PHASES - 1 - i;
        if (!(list->plan.phases >> phase & 1))
            continue;
        if (place && list->plan.path.fixed > 0) {
            int64_t begin = place->keys[0].number;
            if (ascending ? phase < begin : phase > begin)
                continue;
            list->after = phase == begin ? place : NULL;
        }
        list->phase = phase;
        code = run_parts(list, err);
    }
    return code;
}

/* Reads all rows of a small list, and sorts them here: asked for an order, the database might prefer an index
 * that has the order but all the other rows too. */
static enum mf_code run_whole(struct list *list, struct mf_error *err)
{
    const struct mf_page *page = list->plan.page;
    struct mf_select *select = mf_select_new(list->arena);
    struct ref place = {0};
    size_t from = 0;
    size_t kept = 0;
    if (!select)
        return mf_fail_memory(err);
    enum mf_code code = add_select(select, list, ALL, err);
    if (code == MF_OK)
        code = walk(list, select, err);
    if (code != MF_OK || list->count == 0)
        return code;
    qsort_r(list->refs, list->count, sizeof *list->refs, compare_refs, &list->plan);
    if (list->after) {
        place.keys = (struct mf_place_key *)(uintptr_t)list->after->keys;
        while (from < list->count && compare_refs(&list->refs[from], &place, &list->plan) <= 0)
            from++;
    }
    from = list->skip < list->count - from ? from + (size_t)list->skip : list->count;
    for (; from < list->count && (page->limit == 0 || kept < page->limit); from++)
        list->refs[kept++] = list->refs[from];
    list->count = kept;
    return MF_OK;
}

/* ---- rows ---- */

static bool read_row(struct mf_stmt *stmt, struct mf_arena *arena, struct mf_run_list_row *out)
{
    struct mf_action_row *a = &out->action;
    struct mf_run_row *r = &out->run;
    struct mf_str *const texts[] = {&a->name, &a->project, &a->domain, &a->run_name, &a->parent};
    struct mf_str *const tasks[] = {&a->group,       &a->task_project,  &a->task_domain,
                                    &a->task_name,   &a->task_version,  &a->task_type,
                                    &a->short_name,  &a->function_name, &a->environment_name,
                                    &a->spec_digest, &a->recovered_from};
    int32_t *const smalls[] = {&a->kind, &a->phase, &a->attempts, &a->cache_status};
    int64_t *const times[] = {&a->created_at, &a->updated_at, &a->ended_at, &a->seq};
    bool failed = false;
    int column = 0;
    *out = (struct mf_run_list_row){0};
    a->run_id = mf_col_int(stmt, column++);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = mf_col_copy(stmt, column++, arena, &failed);
    for (size_t i = 0; i < sizeof smalls / sizeof smalls[0]; i++)
        *smalls[i] = (int32_t)mf_col_int(stmt, column++);
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++)
        *tasks[i] = mf_col_copy(stmt, column++, arena, &failed);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        *times[i] = mf_col_int(stmt, column++);
    r->id = a->run_id;
    r->project = a->project;
    r->domain = a->domain;
    r->name = a->run_name;
    r->run_spec = mf_col_copy(stmt, column++, arena, &failed);
    r->source = (int32_t)mf_col_int(stmt, column++);
    r->created_by = mf_col_copy(stmt, column++, arena, &failed);
    r->trigger_task_name = mf_col_copy(stmt, column++, arena, &failed);
    r->trigger_name = mf_col_copy(stmt, column++, arena, &failed);
    r->trigger_revision = mf_col_int(stmt, column++);
    r->trigger_automation = mf_col_copy(stmt, column++, arena, &failed);
    return !failed;
}

static enum mf_code show(struct list *list, const struct ref *ref, mf_run_list_visit visit, void *ctx,
                         bool *more, struct mf_error *err)
{
    const struct mf_run_plan *plan = &list->plan;
    struct mf_run_list_row found;
    struct mf_stmt *stmt = NULL;
    bool row = false;
    enum mf_code code = mf_db_query(list->db, &sql_row, &stmt, err);
    if (code == MF_OK) {
        mf_bind_int(stmt, 1, ref->run_id);
        mf_bind_text(stmt, 2, ref->name);
        code = mf_stmt_step(stmt, &row, err);
    }
    if (code == MF_OK && row && !read_row(stmt, list->arena, &found))
        code = mf_fail_memory(err);
    mf_stmt_done(stmt);
    if (code != MF_OK || !row)
        return code;
    found.place.list = plan->page->list;
    found.place.key_count = plan->key_count;
    memcpy(found.place.keys, ref->keys, plan->key_count * sizeof *ref->keys);
    *more = visit(ctx, &found);
    return MF_OK;
}

/* ---- lists ---- */

static enum mf_code check_place(const struct list *list, struct mf_error *err)
{
    const struct mf_place *place = list->after;
    bool fits = place->list == list->plan.page->list && place->key_count == list->plan.key_count;
    for (size_t i = 0; fits && i < place->key_count; i++)
        fits = place->keys[i].is_int == list->plan.keys[i].is_int;
    return fits ? MF_OK
                : mf_fail(err, MF_INVALID_ARGUMENT,
                          "invalid token: it belongs to a list with another order; begin again without one");
}

/* For a list that holds nothing, whatever its other filters are. */
static enum mf_code check_filters(const struct list *list, struct mf_error *err)
{
    struct mf_select *select = mf_select_new(list->arena);
    return select ? mf_run_rest_add(select, &list->plan, err) : mf_fail_memory(err);
}

static enum mf_code search(struct list *list, struct mf_error *err)
{
    const struct mf_page *page = list->plan.page;
    enum mf_code code = mf_run_plan(list->db, list->arena, &list->plan, err);
    list->after = page->after;
    list->skip = page->after ? page->after->skip : page->offset;
    if (code == MF_OK && list->after)
        code = check_place(list, err);
    if (code != MF_OK)
        return code;
    if (list->plan.phases == 0 && !list->plan.odd_phases)
        return check_filters(list, err);
    list->has_rest = mf_run_rest_any(&list->plan);
    list->bounded = page->budget > 0 && (list->has_rest || list->skip > page->budget);
    list->with_run = mf_run_rest_needs_run(&list->plan);
    if (list->plan.path.is_small)
        return run_whole(list, err);
    return list->plan.path.by_phase == MF_ONE_BY_ONE ? run_phases(list, err) : run_parts(list, err);
}

static enum mf_code run_list(struct list *list, mf_run_list_visit visit, void *ctx, struct mf_place *rest,
                             struct mf_error *err)
{
    const struct mf_run_plan *plan = &list->plan;
    bool more = true;
    enum mf_code code = search(list, err);
    for (size_t i = 0; code == MF_OK && more && i < list->count; i++)
        code = show(list, &list->refs[i], visit, ctx, &more, err);
    if (rest)
        *rest = (struct mf_place){0};
    if (rest && code == MF_OK && list->spent && !list->full) {
        rest->list = plan->page->list;
        rest->skip = list->skip;
        rest->key_count = plan->key_count;
        memcpy(rest->keys, list->last.keys, plan->key_count * sizeof *rest->keys);
    }
    return code;
}

enum mf_code mf_run_list(struct mf_db *db, struct mf_arena *arena, const struct mf_run_scope *scope,
                         const struct mf_page *page, mf_run_list_visit visit, void *ctx,
                         struct mf_place *rest, struct mf_error *err)
{
    struct list list = {.db = db, .arena = arena, .plan = {.scope = scope, .page = page}};
    return run_list(&list, visit, ctx, rest, err);
}

enum mf_code mf_run_list_actions(struct mf_db *db, struct mf_arena *arena, int64_t run_id,
                                 const struct mf_page *page, mf_run_list_visit visit, void *ctx,
                                 struct mf_place *rest, struct mf_error *err)
{
    const struct mf_run_scope scope = {0};
    struct list list = {.db = db, .arena = arena, .plan = {.scope = &scope, .run_id = run_id, .page = page}};
    return run_list(&list, visit, ctx, rest, err);
}

enum mf_code mf_run_list_changed(struct mf_db *db, struct mf_arena *arena, const struct mf_run_scope *scope,
                                 int64_t after_seq, size_t limit, mf_run_list_visit visit, void *ctx,
                                 struct mf_error *err)
{
    const struct mf_page page = {.limit = limit};
    const struct mf_run_plan plan = {.scope = scope, .page = &page};
    struct mf_stmt *stmt = NULL;
    bool row = true;
    bool more = true;
    struct mf_select *select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    mf_select_sql(select, COLUMNS);
    enum mf_code code = mf_run_path_add(select, &plan, true, err);
    if (code == MF_OK)
        code = mf_run_rest_add(select, &plan, err);
    mf_select_sql(select, " AND a.seq > ");
    mf_select_int(select, after_seq);
    mf_select_sql(select, " ORDER BY a.seq");
    mf_select_page(select, &page);
    if (code == MF_OK)
        code = mf_select_open(select, db, &stmt, err);
    while (code == MF_OK && more) {
        struct mf_run_list_row found;
        code = mf_stmt_step(stmt, &row, err);
        if (code != MF_OK || !row)
            break;
        if (!read_row(stmt, arena, &found))
            code = mf_fail_memory(err);
        else
            more = visit(ctx, &found);
    }
    mf_stmt_done(stmt);
    return code;
}
