#include "store/run_path.h"

#include "store/run_fields.h"

#define CREATED "a.created_at"
#define ALL_PHASES ((UINT32_C(1) << MF_RUN_PHASES) - 1)
#define PATHS_MAX 24

/* Filters for which an index has the rows, the more telling ones first. */
static const struct {
    struct mf_field field;
    enum mf_run_driver driver;
    bool is_literal, by_created;
} ways[] = {
    {{"run_name", "r.name", MF_FIELD_TEXT}, MF_BY_RUN, false, false},
    {{"created_by", "r.created_by_subject", MF_FIELD_TEXT}, MF_BY_RUN, true, true},
    {{"created_by_subject", "r.created_by_subject", MF_FIELD_TEXT}, MF_BY_RUN, true, true},
    {{"trigger_name", "r.trigger_name", MF_FIELD_TEXT}, MF_BY_RUN, true, false},
    {{"task_version", "a.task_version", MF_FIELD_TEXT}, MF_BY_ACTION, false, true},
    {{"task_name", "a.task_name", MF_FIELD_TEXT}, MF_BY_ACTION, false, true},
    {{"phase", "a.phase", MF_FIELD_INT}, MF_BY_ACTION, false, false},
    {{"name", "a.name", MF_FIELD_TEXT}, MF_BY_CHILDREN, false, false},
    {{"parent_name", "a.parent", MF_FIELD_TEXT}, MF_BY_CHILDREN, false, false},
    {{"parent_action_name", "a.parent", MF_FIELD_TEXT}, MF_BY_CHILDREN, false, false},
    {{"phase", "a.phase", MF_FIELD_INT}, MF_BY_CHILDREN, false, false},
};

/* Orders of an index: of runs within a project and domain, and of the actions of one run. */
static const struct {
    const char *column;
    bool of_runs, of_actions;
    bool is_unique; /* nearly: what follows in the order is of no weight */
} orders[] = {
    {CREATED, true, true, true},           {"a.seq", true, true, true},
    {"a.run_name", true, false, true},     {"a.name", false, true, true},
    {"a.phase", true, true, false},        {"a.task_name", true, false, false},
    {"a.ended_at", true, false, false},    {"a.task_version", true, false, false},
    {"a.duration_ms", true, false, false},
};

static bool in_domain(const struct mf_run_plan *plan)
{
    return plan->scope->project.len > 0 && plan->scope->domain.len > 0;
}

static bool of_task(const struct mf_run_plan *plan)
{
    return plan->scope->task_name.len > 0;
}

/* ---- order ---- */

static void add_key(struct mf_run_plan *plan, const char *column, bool is_int, bool ascending)
{
    for (size_t i = 0; i < plan->key_count; i++) {
        if (strcmp(plan->keys[i].column, column) == 0)
            return;
    }
    plan->keys[plan->key_count++] = (struct mf_run_order_key){column, is_int, ascending};
}

/* What decides between rows that are equal in the keys asked for. The index of an order goes on with it. */
static void add_tie_break(struct mf_run_plan *plan, bool ascending)
{
    if (strcmp(plan->keys[0].column, "a.seq") == 0)
        return;
    add_key(plan, CREATED, true, ascending);
    if (plan->run_id != 0) {
        add_key(plan, "a.name", false, ascending);
        return;
    }
    add_key(plan, "a.run_name", false, ascending);
    if (!in_domain(plan))
        add_key(plan, "a.run_id", true, ascending);
}

static enum mf_code plan_order(struct mf_run_plan *plan, struct mf_error *err)
{
    const struct mf_page *page = plan->page;
    size_t most = MF_PLACE_KEYS_MAX - 4;
    if (page->sort_count > most)
        return mf_fail(err, MF_INVALID_ARGUMENT, "more than %zu sort fields", most);
    for (size_t i = 0; i < page->sort_count; i++) {
        const struct mf_field *field = mf_run_field(page->sorts[i].field);
        if (!field)
            return mf_fail(err, MF_INVALID_ARGUMENT, "invalid sort field: %.*s",
                           MF_FMT(mf_str_take(page->sorts[i].field, 100)));
        add_key(plan, field->sort_column ? field->sort_column : field->column, field->type != MF_FIELD_TEXT,
                page->sorts[i].ascending);
    }
    if (page->sort_count == 0) {
        /* No index has the runs of a task or of all projects by their phase. */
        if (plan->run_id != 0 || (in_domain(plan) && !of_task(plan) && plan->scope->trigger_name.len == 0))
            add_key(plan, "a.phase", true, true);
        add_key(plan, CREATED, true, false);
    }
    add_tie_break(plan, page->sort_count > 0 && page->sorts[0].ascending);
    return MF_OK;
}

/* Whether an index has the rows of the scope in this order. */
static bool has_index(const struct mf_run_plan *plan)
{
    const struct mf_run_order_key *keys = plan->keys;
    bool actions = plan->run_id != 0;
    bool by_created = strcmp(keys[0].column, CREATED) == 0;
    bool by_change = strcmp(keys[0].column, "a.seq") == 0;
    if (!actions && (of_task(plan) || plan->scope->trigger_name.len > 0))
        return by_created;
    if (!actions && !in_domain(plan))
        return by_created || by_change;
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        bool served = actions ? orders[i].of_actions : orders[i].of_runs;
        if (!served || strcmp(keys[0].column, orders[i].column) != 0)
            continue;
        bool goes_on = plan->key_count > 1 && strcmp(keys[1].column, CREATED) == 0;
        bool either = strcmp(keys[0].column, "a.phase") == 0;
        return orders[i].is_unique || (goes_on && (either || keys[0].ascending == keys[1].ascending));
    }
    return false;
}

/* ---- phases ---- */

static bool passes(int32_t function, int64_t phase, int64_t value)
{
    switch (function) {
    case MF_FILTER_NOT_EQUAL:
    case MF_FILTER_VALUE_NOT_IN:
        return phase != value;
    case MF_FILTER_GREATER_THAN:
        return phase > value;
    case MF_FILTER_GREATER_THAN_OR_EQUAL:
        return phase >= value;
    case MF_FILTER_LESS_THAN:
        return phase < value;
    case MF_FILTER_LESS_THAN_OR_EQUAL:
        return phase <= value;
    default:
        return phase == value;
    }
}

static bool phase_number(struct mf_str text, int64_t *value)
{
    const struct mf_field *field = mf_run_field(MF_STR("phase"));
    for (const struct mf_field_name *name = field->names; name->name; name++) {
        if (mf_str_eq_c(text, name->name)) {
            *value = name->number;
            return true;
        }
    }
    return mf_str_to_i64(text, value);
}

static void note_phases(struct mf_run_plan *plan, const struct mf_filter *filter)
{
    bool none = filter->function == MF_FILTER_VALUE_NOT_IN;
    bool several = none || filter->function == MF_FILTER_VALUE_IN;
    uint32_t passing = none ? ALL_PHASES : 0;
    bool odd = filter->function < 0 || (filter->function > MF_FILTER_LESS_THAN_OR_EQUAL && !several);
    odd = odd || filter->value_count == 0 || filter->value_count > MF_SELECT_VALUES_MAX ||
          (filter->value_count > 1 && !several);
    for (size_t i = 0; i < filter->value_count && !odd; i++) {
        int64_t value = 0;
        uint32_t one = 0;
        odd = !phase_number(filter->values[i], &value);
        for (int32_t phase = 0; phase < MF_RUN_PHASES; phase++)
            one |= passes(filter->function, phase, value) ? UINT32_C(1) << phase : 0;
        passing = none ? passing & one : passing | one;
    }
    plan->phases &= passing;
    plan->odd_phases = plan->odd_phases || odd;
    plan->chosen_phases = true;
}

/* The path of a walk along the order that the scope has an index for. */
static void take_order(struct mf_run_plan *plan, const struct mf_run_path *widest_path)
{
    plan->path = *widest_path;
    if (plan->path.driver == MF_BY_ACTION && strcmp(plan->keys[0].column, "a.run_name") == 0)
        plan->path.driver = MF_BY_RUN;
}

/* A bound on the time of creation would lead the database away from an index in another order. */
static void keep_order(struct mf_run_plan *plan)
{
    const struct mf_run_path *path = &plan->path;
    bool by_created = strcmp(plan->keys[path->fixed].column, CREATED) == 0;
    plan->path.by_created = path->by_created && by_created;
}

static void plan_phases(struct mf_run_plan *plan)
{
    struct mf_run_path *path = &plan->path;
    bool indexed = path->driver == MF_BY_CHILDREN || (path->driver == MF_BY_ACTION && in_domain(plan));
    bool by_age = strcmp(plan->keys[0].column, CREATED) == 0;
    bool by_phase = strcmp(plan->keys[0].column, "a.phase") == 0;
    bool single = (plan->phases & (plan->phases - 1)) == 0;
    if (!indexed || path->filter || of_task(plan) || plan->odd_phases || plan->phases == 0)
        return;
    if (by_phase) {
        path->by_phase = MF_ONE_BY_ONE;
        path->fixed = 1;
    } else if (by_age && plan->chosen_phases) {
        path->by_phase = single ? MF_ONE_BY_ONE : MF_MERGED;
    }
}

/* ---- paths ---- */

static bool names_values(const struct mf_filter *filter, bool not_empty)
{
    bool equal = (filter->function == MF_FILTER_EQUAL && filter->value_count == 1) ||
                 (filter->function == MF_FILTER_VALUE_IN && filter->value_count > 0);
    for (size_t i = 0; equal && not_empty && i < filter->value_count; i++)
        equal = filter->values[i].len > 0;
    return equal;
}

/* The scope alone. */
static struct mf_run_path widest(const struct mf_run_plan *plan)
{
    struct mf_run_path path = {.driver = MF_BY_ACTION, .by_created = true};
    if (plan->run_id != 0)
        path.driver = MF_BY_CHILDREN;
    else if (in_domain(plan) && plan->scope->trigger_name.len > 0)
        path.driver = MF_BY_RUN;
    return path;
}

static size_t add_label_path(const struct mf_filter *filter, struct mf_run_path *paths, size_t count)
{
    bool exists = filter->function == MF_FILTER_EXISTS;
    if (exists || names_values(filter, false))
        paths[count++] = (struct mf_run_path){
            .driver = MF_BY_LABEL, .filter = filter, .by_created = exists || filter->value_count == 1};
    return count;
}

static size_t add_ways(const struct mf_run_plan *plan, const struct mf_filter *filter,
                       struct mf_run_path *paths, size_t count)
{
    bool actions = plan->run_id != 0;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0] && count < PATHS_MAX; i++) {
        if (actions != (ways[i].driver == MF_BY_CHILDREN) || !mf_str_eq_c(filter->field, ways[i].field.name))
            continue;
        if (names_values(filter, ways[i].is_literal))
            paths[count++] =
                (struct mf_run_path){.driver = ways[i].driver,
                                     .filter = filter,
                                     .field = &ways[i].field,
                                     .is_literal = ways[i].is_literal,
                                     .by_created = ways[i].by_created && filter->value_count == 1};
    }
    return count;
}

/* All paths, the widest first. */
static size_t find_paths(const struct mf_run_plan *plan, struct mf_run_path *paths)
{
    bool runs = plan->run_id == 0;
    size_t count = 0;
    paths[count++] = widest(plan);
    if (runs && plan->scope->paused_only)
        paths[count++] = (struct mf_run_path){.driver = MF_BY_PAUSED};
    for (size_t i = 0; i < plan->page->filter_count && count < PATHS_MAX; i++) {
        const struct mf_filter *filter = &plan->page->filters[i];
        if (runs && mf_label_is(filter))
            count = add_label_path(filter, paths, count);
        else if (!runs || (in_domain(plan) && !of_task(plan)))
            count = add_ways(plan, filter, paths, count);
    }
    return count;
}

/* ---- SQL ---- */

const char *mf_run_key_column(const struct mf_run_plan *plan, size_t key)
{
    const char *column = plan->keys[key].column;
    bool created = strcmp(column, CREATED) == 0;
    if (plan->path.driver == MF_BY_RUN)
        return created ? "r.created_at" : strcmp(column, "a.run_name") == 0 ? "r.name" : column;
    return created && plan->path.driver == MF_BY_LABEL ? "l.created_at" : column;
}

static const char *tables(enum mf_run_driver driver, bool with_run)
{
    switch (driver) {
    case MF_BY_RUN:
        return " FROM run r CROSS JOIN action a WHERE a.run_id = r.id AND a.name = 'a0'";
    case MF_BY_LABEL:
        return with_run ? " FROM run_label l CROSS JOIN action a CROSS JOIN run r WHERE a.run_id = l.run_id "
                          "AND a.name = 'a0' AND r.id = l.run_id"
                        : " FROM run_label l CROSS JOIN action a WHERE a.run_id = l.run_id AND a.name = 'a0'";
    case MF_BY_PAUSED:
        return with_run ? " FROM (SELECT DISTINCT p.run_id FROM action p WHERE p.phase = 9) w CROSS JOIN "
                          "action a CROSS JOIN run r WHERE a.run_id = w.run_id AND a.name = 'a0' AND r.id = "
                          "w.run_id"
                        : " FROM (SELECT DISTINCT p.run_id FROM action p WHERE p.phase = 9) w CROSS JOIN "
                          "action a WHERE a.run_id = w.run_id AND a.name = 'a0'";
    case MF_BY_CHILDREN:
        return with_run ? " FROM action a CROSS JOIN run r WHERE r.id = a.run_id"
                        : " FROM action a WHERE 1 = 1";
    case MF_BY_ACTION:
        break;
    }
    return with_run ? " FROM action a CROSS JOIN run r WHERE r.id = a.run_id AND a.parent = ''"
                    : " FROM action a WHERE a.parent = ''";
}

/* The driver's table alone, to count its rows. */
static const char *counted(enum mf_run_driver driver)
{
    switch (driver) {
    case MF_BY_RUN:
        return " FROM run r WHERE 1 = 1";
    case MF_BY_LABEL:
        return " FROM run_label l WHERE 1 = 1";
    case MF_BY_PAUSED:
        return " FROM action p WHERE p.phase = 9";
    case MF_BY_CHILDREN:
        return " FROM action a WHERE 1 = 1";
    case MF_BY_ACTION:
        break;
    }
    return " FROM action a WHERE a.parent = ''";
}

static void add_equal(struct mf_select *select, const char *condition, struct mf_str value)
{
    if (value.len == 0)
        return;
    mf_select_sql(select, condition);
    mf_select_text(select, value);
}

static void add_trigger(struct mf_select *select, const struct mf_run_scope *scope)
{
    if (scope->trigger_name.len == 0)
        return;
    /* The literal condition lets the partial index of such runs be used. */
    mf_select_sql(select, " AND r.trigger_name <> '' AND r.trigger_task_name = ");
    mf_select_text(select, scope->trigger_task_name);
    add_equal(select, " AND r.trigger_name = ", scope->trigger_name);
}

static void add_task(struct mf_select *select, const struct mf_run_scope *scope)
{
    add_equal(select, " AND a.task_project = ", scope->task_project);
    add_equal(select, " AND a.task_domain = ", scope->task_domain);
    add_equal(select, " AND a.task_name = ", scope->task_name);
}

static void add_label(struct mf_select *select, const struct mf_filter *filter)
{
    mf_select_sql(select, " AND l.name = ");
    mf_select_text(select, mf_label_key(filter));
    if (filter->function == MF_FILTER_EXISTS)
        return;
    mf_select_sql(select, " AND l.value IN (");
    for (size_t i = 0; i < filter->value_count; i++) {
        mf_select_sql(select, i > 0 ? ", " : "");
        mf_select_text(select, filter->values[i]);
    }
    mf_select_sql(select, ")");
}

static enum mf_code add_one(struct mf_select *select, const struct mf_field *fields, size_t count,
                            const struct mf_filter *filter, struct mf_error *err)
{
    const struct mf_page page = {.filters = filter, .filter_count = 1};
    return mf_select_filters(select, fields, count, &page, err);
}

static bool bounds_created(const struct mf_filter *filter)
{
    switch (filter->function) {
    case MF_FILTER_EQUAL:
    case MF_FILTER_GREATER_THAN:
    case MF_FILTER_GREATER_THAN_OR_EQUAL:
    case MF_FILTER_LESS_THAN:
    case MF_FILTER_LESS_THAN_OR_EQUAL:
        return mf_str_eq_c(filter->field, "created_at");
    default:
        return false;
    }
}

/* Bounds on the time of creation; and what changed or ended before some time was made before it. */
static enum mf_code add_created(struct mf_select *select, const struct mf_run_plan *plan,
                                struct mf_error *err)
{
    enum mf_run_driver driver = plan->path.driver;
    const struct mf_field created = {"created_at",
                                     driver == MF_BY_RUN     ? "r.created_at"
                                     : driver == MF_BY_LABEL ? "l.created_at"
                                                             : CREATED,
                                     MF_FIELD_TIME};
    enum mf_code code = MF_OK;
    if (!plan->path.by_created)
        return MF_OK;
    for (size_t i = 0; i < plan->page->filter_count && code == MF_OK; i++) {
        struct mf_filter bound = plan->page->filters[i];
        bool before = bound.function == MF_FILTER_LESS_THAN || bound.function == MF_FILTER_LESS_THAN_OR_EQUAL;
        bool later = mf_str_eq_c(bound.field, "updated_at") || mf_str_eq_c(bound.field, "ended_at");
        if (!bounds_created(&bound) && !(before && later))
            continue;
        bound.field = MF_STR("created_at");
        code = add_one(select, &created, 1, &bound, err);
    }
    return code;
}

static enum mf_code narrow(struct mf_select *select, const struct mf_run_plan *plan, struct mf_error *err)
{
    const struct mf_run_scope *scope = plan->scope;
    const struct mf_run_path *path = &plan->path;
    enum mf_code code = MF_OK;
    switch (path->driver) {
    case MF_BY_ACTION:
        add_equal(select, " AND a.project = ", scope->project);
        add_equal(select, " AND a.domain = ", scope->domain);
        add_task(select, scope);
        break;
    case MF_BY_RUN:
        add_equal(select, " AND r.project = ", scope->project);
        add_equal(select, " AND r.domain = ", scope->domain);
        if (!path->filter)
            add_trigger(select, scope);
        break;
    case MF_BY_LABEL:
        add_label(select, path->filter);
        break;
    case MF_BY_CHILDREN:
        mf_select_sql(select, " AND a.run_id = ");
        mf_select_int(select, plan->run_id);
        break;
    case MF_BY_PAUSED:
        break;
    }
    if (path->is_literal) {
        mf_select_sql(select, " AND ");
        mf_select_sql(select, path->field->column);
        mf_select_sql(select, " <> ''");
    }
    if (path->field) {
        struct mf_field field = *path->field;
        field.names = mf_run_field(path->filter->field)->names;
        code = add_one(select, &field, 1, path->filter, err);
    }
    return code == MF_OK ? add_created(select, plan, err) : code;
}

enum mf_code mf_run_path_add(struct mf_select *select, const struct mf_run_plan *plan, bool with_run,
                             struct mf_error *err)
{
    mf_select_sql(select, tables(plan->path.driver, with_run));
    return narrow(select, plan, err);
}

static void add_scope_rest(struct mf_select *select, const struct mf_run_plan *plan)
{
    const struct mf_run_scope *scope = plan->scope;
    enum mf_run_driver driver = plan->path.driver;
    if (plan->run_id != 0)
        return;
    if (driver == MF_BY_LABEL || driver == MF_BY_PAUSED) {
        add_equal(select, " AND a.project = ", scope->project);
        add_equal(select, " AND a.domain = ", scope->domain);
    }
    if (driver != MF_BY_ACTION)
        add_task(select, scope);
    add_equal(select, " AND a.task_version = ", scope->task_version);
    if (driver != MF_BY_RUN || plan->path.filter)
        add_trigger(select, scope);
    if (scope->paused_only && driver != MF_BY_PAUSED)
        mf_select_sql(select,
                      " AND EXISTS (SELECT 1 FROM action p WHERE p.run_id = a.run_id AND p.phase = 9)");
}

/* The path has the phases in its own conditions. */
static bool is_served(const struct mf_run_plan *plan, const struct mf_filter *filter)
{
    return filter == plan->path.filter ||
           (plan->path.by_phase != MF_TOGETHER && mf_str_eq_c(filter->field, "phase"));
}

enum mf_code mf_run_rest_add(struct mf_select *select, const struct mf_run_plan *plan, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    add_scope_rest(select, plan);
    for (size_t i = 0; i < plan->page->filter_count && code == MF_OK; i++) {
        const struct mf_filter *filter = &plan->page->filters[i];
        if (is_served(plan, filter))
            continue;
        if (plan->run_id == 0 && mf_label_is(filter))
            mf_label_add(select, filter);
        else
            code = add_one(select, mf_run_fields, mf_run_field_count, filter, err);
    }
    return code;
}

bool mf_run_rest_any(const struct mf_run_plan *plan)
{
    const struct mf_run_scope *scope = plan->scope;
    enum mf_run_driver driver = plan->path.driver;
    for (size_t i = 0; i < plan->page->filter_count; i++) {
        const struct mf_filter *filter = &plan->page->filters[i];
        if (!is_served(plan, filter) && !(plan->path.by_created && bounds_created(filter)))
            return true;
    }
    if (plan->run_id != 0)
        return false;
    return driver == MF_BY_LABEL || driver == MF_BY_PAUSED || scope->paused_only ||
           scope->task_version.len > 0 ||
           (scope->trigger_name.len > 0 && (driver != MF_BY_RUN || plan->path.filter)) ||
           (driver == MF_BY_RUN && scope->task_name.len > 0);
}

static bool of_run(const char *column)
{
    return strncmp(column, "r.", 2) == 0 || strncmp(column, "CASE r.", 7) == 0;
}

bool mf_run_rest_needs_run(const struct mf_run_plan *plan)
{
    bool needs = plan->scope->trigger_name.len > 0;
    for (size_t i = 0; i < plan->key_count; i++)
        needs = needs || of_run(mf_run_key_column(plan, i));
    for (size_t i = 0; i < plan->page->filter_count; i++) {
        const struct mf_field *field = mf_run_field(plan->page->filters[i].field);
        needs = needs || (field && of_run(field->column));
    }
    return needs;
}

/* ---- choice ---- */

/* Whether the path has so few rows that they may be read whole. */
static enum mf_code probe(struct mf_db *db, struct mf_arena *arena, struct mf_run_plan *plan,
                          struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = false;
    struct mf_select *select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    mf_select_sql(select, "SELECT count(*) FROM (SELECT 1");
    mf_select_sql(select, counted(plan->path.driver));
    enum mf_code code = narrow(select, plan, err);
    mf_select_sql(select, " LIMIT ");
    mf_select_int(select, (int64_t)plan->page->sortable + 1);
    mf_select_sql(select, ") c");
    if (code == MF_OK)
        code = mf_select_open(select, db, &stmt, err);
    if (code == MF_OK)
        code = mf_stmt_step(stmt, &row, err);
    plan->path.is_small = code == MF_OK && row && mf_col_int(stmt, 0) <= (int64_t)plan->page->sortable;
    mf_stmt_done(stmt);
    return code;
}

/* In the words of a message; has_index decides. */
static const char *served_orders(const struct mf_run_plan *plan)
{
    if (plan->run_id != 0)
        return "created_at, updated_at, phase or name";
    if (of_task(plan) || plan->scope->trigger_name.len > 0)
        return "created_at";
    if (!in_domain(plan))
        return "created_at or updated_at (runs of one project and domain also by other fields)";
    return "created_at, updated_at, phase, run_name, task_name, task_version, ended_at or duration_ms";
}

static enum mf_code too_long(const struct mf_run_plan *plan, struct mf_error *err)
{
    struct mf_str field = plan->page->sort_count > 0 ? plan->page->sorts[0].field : MF_STR("phase");
    return mf_fail(
        err, MF_INVALID_ARGUMENT,
        "sort field %.*s: the list is longer than %zu rows, which can be sorted by %s only; filter "
        "by %s first",
        MF_FMT(mf_str_take(field, 100)), plan->page->sortable, served_orders(plan),
        plan->run_id != 0 ? "phase, parent_name or created_at"
                          : "phase, task_name, task_version, created_by, trigger_name, a label or "
                            "created_at");
}

enum mf_code mf_run_plan(struct mf_db *db, struct mf_arena *arena, struct mf_run_plan *plan,
                         struct mf_error *err)
{
    struct mf_run_path paths[PATHS_MAX];
    enum mf_code code = plan_order(plan, err);
    if (code != MF_OK)
        return code;
    plan->phases = ALL_PHASES;
    for (size_t i = 0; i < plan->page->filter_count && code == MF_OK; i++) {
        if (mf_str_eq_c(plan->page->filters[i].field, "phase"))
            note_phases(plan, &plan->page->filters[i]);
        else if (plan->run_id == 0 && mf_label_is(&plan->page->filters[i]))
            code = mf_label_check(&plan->page->filters[i], err);
    }
    if (code != MF_OK)
        return code;
    size_t count = find_paths(plan, paths);
    bool indexed = has_index(plan);
    take_order(plan, &paths[0]);
    plan_phases(plan);
    keep_order(plan);
    if (indexed && !mf_run_rest_any(plan))
        return MF_OK;
    /* The narrowest first. */
    for (size_t i = count; i-- > 0 && plan->page->sortable > 0;) {
        plan->path = paths[i];
        code = probe(db, arena, plan, err);
        if (code != MF_OK || plan->path.is_small)
            return code;
    }
    if (!indexed)
        return too_long(plan, err);
    take_order(plan, &paths[0]);
    for (size_t i = 1; i < count && strcmp(plan->keys[0].column, CREATED) == 0; i++) {
        if (paths[i].by_created) {
            plan->path = paths[i];
            break;
        }
    }
    plan_phases(plan);
    keep_order(plan);
    return MF_OK;
}
