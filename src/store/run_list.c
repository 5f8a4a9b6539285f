#include "store/run_list.h"

#include <stdio.h>

#define LABEL_PREFIX MF_STR("labels.")
#define LABELS_MAX 20 /* filters on labels in one list */
#define PHASES 11     /* flyteidl2.common.ActionPhase: 0 to 10 */
#define ALL_PHASES ((UINT32_C(1) << PHASES) - 1)

/* What drives the search: the table whose index gives the rows in order. */
enum driver {
    BY_ACTION,  /* root actions */
    BY_RUN,     /* runs of one user or trigger, which the run table knows */
    BY_LABEL,   /* runs with one label */
    BY_PAUSED,  /* runs that have an action that waits for an answer */
    BY_CHILDREN /* the actions of one run */
};

static const char *const tables[] = {
    [BY_ACTION] = " FROM action a CROSS JOIN run r WHERE r.id = a.run_id AND a.parent = ''",
    [BY_RUN] = " FROM run r CROSS JOIN action a WHERE a.run_id = r.id AND a.name = 'a0'",
    [BY_LABEL] =
        " FROM run_label l CROSS JOIN action a CROSS JOIN run r WHERE a.run_id = l.run_id AND a.name = 'a0' "
        "AND r.id = l.run_id",
    [BY_PAUSED] = " FROM (SELECT DISTINCT p.run_id FROM action p WHERE p.phase = 9) w CROSS JOIN action a "
                  "CROSS JOIN run r "
                  "WHERE a.run_id = w.run_id AND a.name = 'a0' AND r.id = w.run_id",
    [BY_CHILDREN] = " FROM action a CROSS JOIN run r WHERE r.id = a.run_id",
};

#define COLUMNS                                                                                              \
    "SELECT a.run_id, a.name, a.project, a.domain, a.run_name, a.parent, a.kind, a.phase, a.attempts, "      \
    "a.cache_status, "                                                                                       \
    "a.action_group, a.task_project, a.task_domain, a.task_name, a.task_version, a.task_type, "              \
    "a.short_name, "                                                                                         \
    "a.function_name, a.environment_name, a.spec_digest, a.recovered_from, a.created_at, a.updated_at, "     \
    "a.ended_at, "                                                                                           \
    "a.seq, r.run_spec, r.source, r.created_by, r.trigger_task_name, r.trigger_name, r.trigger_revision, "   \
    "r.trigger_automation"
enum { COLUMN_COUNT = 32 };

#define SOURCE_NAME                                                                                          \
    "CASE r.source WHEN 1 THEN 'RUN_SOURCE_WEB' WHEN 2 THEN 'RUN_SOURCE_CLI' WHEN 3 THEN "                   \
    "'RUN_SOURCE_SCHEDULE_TRIGGER' WHEN 4 THEN 'RUN_SOURCE_TRACKED' WHEN 5 THEN "                            \
    "'RUN_SOURCE_ARTIFACT_TRIGGER' "                                                                         \
    "ELSE 'RUN_SOURCE_UNSPECIFIED' END"

static const struct mf_field fields[] = {
    {"project", "a.project", MF_FIELD_TEXT},
    {"domain", "a.domain", MF_FIELD_TEXT},
    {"run_name", "a.run_name", MF_FIELD_TEXT},
    {"name", "a.name", MF_FIELD_TEXT},
    {"parent_name", "a.parent", MF_FIELD_TEXT},
    {"parent_action_name", "a.parent", MF_FIELD_TEXT},
    {"action_group", "a.action_group", MF_FIELD_TEXT},
    {"phase", "a.phase", MF_FIELD_INT},
    {"action_type", "a.kind", MF_FIELD_INT},
    {"attempts", "a.attempts", MF_FIELD_INT},
    {"run_source", SOURCE_NAME, MF_FIELD_TEXT},
    {"created_by", "r.created_by_subject", MF_FIELD_TEXT},
    {"created_by_subject", "r.created_by_subject", MF_FIELD_TEXT},
    {"trigger_task_name", "r.trigger_task_name", MF_FIELD_TEXT},
    {"trigger_name", "r.trigger_name", MF_FIELD_TEXT},
    {"trigger_revision", "r.trigger_revision", MF_FIELD_INT},
    {"task_project", "a.task_project", MF_FIELD_TEXT},
    {"task_domain", "a.task_domain", MF_FIELD_TEXT},
    {"task_name", "a.task_name", MF_FIELD_TEXT},
    {"task_version", "a.task_version", MF_FIELD_TEXT},
    {"task_type", "a.task_type", MF_FIELD_TEXT},
    {"function_name", "a.function_name", MF_FIELD_TEXT},
    {"environment_name", "a.environment_name", MF_FIELD_TEXT},
    {"created_at", "a.created_at", MF_FIELD_TIME},
    {"updated_at", "a.updated_at", MF_FIELD_TIME},
    {"ended_at", "NULLIF(a.ended_at, 0)", MF_FIELD_TIME},
    {"duration_ms", "CASE WHEN a.ended_at > 0 THEN (a.ended_at - a.created_at + 500000) / 1000000 END",
     MF_FIELD_INT},
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])

/* Orders that an index has in another column: the change number rises with the time of the update. */
static const struct {
    const char *field;
    const char *column;
} sort_columns[] = {
    {"updated_at", "a.seq"},
    {"ended_at", "a.ended_at"},
    {"duration_ms",
     "CASE WHEN a.ended_at > 0 THEN (a.ended_at - a.created_at + 500000) / 1000000 ELSE 0 END"},
};

/* One column of the order. */
struct order_key {
    const char *column;
    bool is_int;
    bool ascending;
};

/* How a list is searched whose runs are of several phases. An index has the runs of one phase in order. */
enum by_phase {
    TOGETHER,   /* whatever their phase is */
    ONE_BY_ONE, /* phase after phase, in the order of the phases */
    MERGED,     /* the first rows of every phase, put into one order */
};

struct list {
    struct mf_db *db;
    struct mf_arena *arena;
    const struct mf_run_scope *scope;
    int64_t run_id; /* BY_CHILDREN */
    enum driver driver;
    const struct mf_filter *driving; /* the filter that the driver serves */
    struct mf_page page;             /* without filters on labels */
    const struct mf_filter *labels[LABELS_MAX];
    size_t label_count;
    enum by_phase by_phase;
    uint32_t phases;    /* bit n: phase n passes the filters on phases */
    bool odd_phases;    /* some filter on phases is wrong; the search will say how */
    bool chosen_phases; /* there are filters on phases */
    int32_t phase;      /* ONE_BY_ONE: the one that is searched */
    size_t fixed;       /* so many of the first keys are the same in every row of a statement */
    struct order_key keys[MF_PLACE_KEYS_MAX];
    size_t key_count;
    const struct mf_place *after;
    mf_run_list_visit visit;
    void *ctx;
    size_t skip; /* rows to pass over first */
    size_t seen;
    bool stopped;
};

/* Which rows a statement is about, relative to the place to go on from. */
enum part {
    ALL,
    SAME_FIRST,  /* equal in the first keys of one direction, and after the place in the others */
    AFTER_FIRST, /* after the place in the first keys */
};

/* ---- order ---- */

static const struct mf_field *find_field(struct mf_str name)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (mf_str_eq_c(name, fields[i].name))
            return &fields[i];
    }
    return NULL;
}

static const char *created_column(enum driver driver)
{
    switch (driver) {
    case BY_RUN:
        return "r.created_at";
    case BY_LABEL:
        return "l.run_id"; /* rises with the time of creation */
    case BY_ACTION:
    case BY_PAUSED:
    case BY_CHILDREN:
        break;
    }
    return "a.created_at";
}

static const char *sort_column(const struct list *list, const struct mf_field *field)
{
    if (strcmp(field->name, "created_at") == 0)
        return created_column(list->driver);
    for (size_t i = 0; i < sizeof sort_columns / sizeof sort_columns[0]; i++) {
        if (strcmp(field->name, sort_columns[i].field) == 0)
            return sort_columns[i].column;
    }
    return field->column;
}

static void add_key(struct list *list, const char *column, bool is_int, bool ascending)
{
    for (size_t i = 0; i < list->key_count; i++) {
        if (strcmp(list->keys[i].column, column) == 0)
            return;
    }
    list->keys[list->key_count++] = (struct order_key){column, is_int, ascending};
}

/* What decides between rows that are equal in the keys asked for. */
static void add_tie_break(struct list *list, bool ascending)
{
    if (list->driver == BY_CHILDREN) {
        add_key(list, "a.name", false, ascending);
        return;
    }
    for (size_t i = 0; i < list->key_count; i++) {
        if (strcmp(list->keys[i].column, "l.run_id") == 0)
            return;
    }
    add_key(list, list->driver == BY_RUN ? "r.name" : "a.run_name", false, ascending);
    if (list->scope->project.len == 0 || list->scope->domain.len == 0)
        add_key(list, "a.run_id", true, ascending);
}

static enum mf_code plan_order(struct list *list, struct mf_error *err)
{
    const struct mf_page *page = &list->page;
    if (page->sort_count > MF_PLACE_KEYS_MAX - 2)
        return mf_fail(err, MF_INVALID_ARGUMENT, "more than %d sort fields", MF_PLACE_KEYS_MAX - 2);
    for (size_t i = 0; i < page->sort_count; i++) {
        const struct mf_field *field = find_field(page->sorts[i].field);
        if (!field)
            return mf_fail(err, MF_INVALID_ARGUMENT, "invalid sort field: %.*s",
                           MF_FMT(mf_str_take(page->sorts[i].field, 100)));
        add_key(list, sort_column(list, field), field->type != MF_FIELD_TEXT, page->sorts[i].ascending);
    }
    if (page->sort_count == 0) {
        add_key(list, "a.phase", true, true);
        add_key(list, created_column(list->driver), true, false);
    }
    add_tie_break(list, page->sort_count > 0 && page->sorts[0].ascending);
    return MF_OK;
}

/* How many of the first keys have the same direction. */
static size_t first_run(const struct list *list, size_t from)
{
    size_t count = 1;
    while (from + count < list->key_count && list->keys[from + count].ascending == list->keys[from].ascending)
        count++;
    return count;
}

static void add_value(struct mf_select *select, const struct mf_place_key *key)
{
    if (key->is_int)
        mf_select_int(select, key->number);
    else
        mf_select_text(select, key->text);
}

/* "(k1, k2) sign (v1, v2)" */
static void compare_keys(struct mf_select *select, const struct list *list, size_t from, size_t count,
                         const char *sign)
{
    mf_select_sql(select, "(");
    for (size_t i = from; i < from + count; i++) {
        mf_select_sql(select, i > from ? ", " : "");
        mf_select_sql(select, list->keys[i].column);
    }
    mf_select_sql(select, sign);
    for (size_t i = from; i < from + count; i++) {
        mf_select_sql(select, i > from ? ", " : "");
        add_value(select, &list->after->keys[i]);
    }
    mf_select_sql(select, ")");
}

/* Beyond the place in the keys from here on, whose directions may change. */
static void add_beyond(struct mf_select *select, const struct list *list, size_t from)
{
    size_t count = first_run(list, from);
    compare_keys(select, list, from, count, list->keys[from].ascending ? ") > (" : ") < (");
    if (from + count >= list->key_count)
        return;
    mf_select_sql(select, " OR (");
    compare_keys(select, list, from, count, ") = (");
    mf_select_sql(select, " AND (");
    add_beyond(select, list, from + count);
    mf_select_sql(select, "))");
}

static void add_part(struct mf_select *select, const struct list *list, enum part part)
{
    size_t fixed = list->fixed;
    size_t first = first_run(list, fixed);
    if (part == ALL)
        return;
    mf_select_sql(select, " AND ");
    if (part == AFTER_FIRST) {
        compare_keys(select, list, fixed, first, list->keys[fixed].ascending ? ") > (" : ") < (");
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
    for (size_t i = list->fixed; i < list->key_count; i++) {
        snprintf(position, sizeof position, "%zu", (size_t)COLUMN_COUNT + 1 + i);
        mf_select_sql(select, i > list->fixed ? ", " : "");
        mf_select_sql(select, positions ? position : list->keys[i].column);
        mf_select_sql(select, list->keys[i].ascending ? " ASC" : " DESC");
    }
}

/* ---- conditions ---- */

static void add_equal(struct mf_select *select, const char *condition, struct mf_str value)
{
    if (value.len == 0)
        return;
    mf_select_sql(select, condition);
    mf_select_text(select, value);
}

static void add_scope(struct mf_select *select, const struct list *list)
{
    const struct mf_run_scope *scope = list->scope;
    bool by_run = list->driver == BY_RUN;
    if (list->driver == BY_CHILDREN) {
        mf_select_sql(select, " AND a.run_id = ");
        mf_select_int(select, list->run_id);
        return;
    }
    add_equal(select, by_run ? " AND r.project = " : " AND a.project = ", scope->project);
    add_equal(select, by_run ? " AND r.domain = " : " AND a.domain = ", scope->domain);
    add_equal(select, " AND a.task_project = ", scope->task_project);
    add_equal(select, " AND a.task_domain = ", scope->task_domain);
    add_equal(select, " AND a.task_name = ", scope->task_name);
    add_equal(select, " AND a.task_version = ", scope->task_version);
    if (scope->trigger_name.len > 0) {
        /* The literal condition lets the partial index of such runs be used. */
        mf_select_sql(select, " AND r.trigger_name <> '' AND r.trigger_task_name = ");
        mf_select_text(select, scope->trigger_task_name);
        add_equal(select, " AND r.trigger_name = ", scope->trigger_name);
    }
}

static struct mf_str label_name(const struct mf_filter *filter)
{
    return mf_str_skip(filter->field, LABEL_PREFIX.len);
}

static enum mf_code check_label(const struct mf_filter *filter, struct mf_error *err)
{
    bool exists = filter->function == MF_FILTER_EXISTS || filter->function == MF_FILTER_NOT_EXISTS;
    bool served = exists || filter->function == MF_FILTER_EQUAL || filter->function == MF_FILTER_NOT_EQUAL ||
                  filter->function == MF_FILTER_VALUE_IN;
    if (!served)
        return mf_fail(
            err, MF_INVALID_ARGUMENT,
            "failed to convert filters: labels can be filtered by EQUAL, NOT_EQUAL, VALUE_IN, EXISTS and "
            "NOT_EXISTS");
    if (label_name(filter).len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "failed to convert filters: \"labels.\" lacks the key of a label");
    if (!exists && filter->value_count == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "failed to convert filters: filter on %.*s has no values",
                       MF_FMT(mf_str_take(filter->field, 100)));
    if (!exists && filter->value_count > (filter->function == MF_FILTER_VALUE_IN ? MF_SELECT_VALUES_MAX : 1))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "failed to convert filters: filter on %.*s has too many values",
                       MF_FMT(mf_str_take(filter->field, 100)));
    return MF_OK;
}

static void add_label(struct mf_select *select, const struct list *list, const struct mf_filter *filter)
{
    bool exists = filter->function == MF_FILTER_EXISTS || filter->function == MF_FILTER_NOT_EXISTS;
    if (list->driver == BY_LABEL && filter == list->driving) {
        mf_select_sql(select, " AND l.name = ");
        mf_select_text(select, label_name(filter));
        if (!exists) {
            mf_select_sql(select, " AND l.value = ");
            mf_select_text(select, filter->values[0]);
        }
        return;
    }
    mf_select_sql(select, filter->function == MF_FILTER_NOT_EXISTS ? " AND NOT EXISTS" : " AND EXISTS");
    mf_select_sql(select, " (SELECT 1 FROM run_label x WHERE x.run_id = a.run_id AND x.name = ");
    mf_select_text(select, label_name(filter));
    if (!exists)
        mf_select_sql(select, filter->function == MF_FILTER_NOT_EQUAL ? " AND x.value NOT IN ("
                                                                      : " AND x.value IN (");
    for (size_t i = 0; i < filter->value_count && !exists; i++) {
        mf_select_sql(select, i > 0 ? ", " : "");
        mf_select_text(select, filter->values[i]);
    }
    mf_select_sql(select, exists ? ")" : "))");
}

/* What changed or ended before some time was made before it: a bound that an index knows. */
static enum mf_code add_implied(struct mf_select *select, const struct list *list, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    for (size_t i = 0; i < list->page.filter_count && code == MF_OK; i++) {
        const struct mf_filter *filter = &list->page.filters[i];
        bool bound =
            filter->function == MF_FILTER_LESS_THAN || filter->function == MF_FILTER_LESS_THAN_OR_EQUAL;
        bool later = mf_str_eq_c(filter->field, "updated_at") || mf_str_eq_c(filter->field, "ended_at");
        if (!bound || !later)
            continue;
        const struct mf_field created = {
            "created_at", list->driver == BY_RUN ? "r.created_at" : "a.created_at", MF_FIELD_TIME};
        struct mf_filter implied = *filter;
        implied.field = MF_STR("created_at");
        const struct mf_page page = {.filters = &implied, .filter_count = 1};
        code = mf_select_filters(select, &created, 1, &page, err);
    }
    return code;
}

static enum mf_code add_conditions(struct mf_select *select, const struct list *list, struct mf_error *err)
{
    add_scope(select, list);
    for (size_t i = 0; i < list->label_count; i++)
        add_label(select, list, list->labels[i]);
    if (list->driver == BY_RUN && list->driving) {
        mf_select_sql(select, " AND r.created_by_subject <> '' AND r.created_by_subject = ");
        mf_select_text(select, list->driving->values[0]);
    }
    if (list->by_phase == ONE_BY_ONE) {
        mf_select_sql(select, " AND a.phase = ");
        mf_select_int(select, list->phase);
    }
    enum mf_code code = mf_select_filters(select, fields, FIELD_COUNT, &list->page, err);
    return code == MF_OK ? add_implied(select, list, err) : code;
}

/* ---- plan ---- */

static bool names_creator(const struct mf_filter *filter)
{
    return mf_str_eq_c(filter->field, "created_by") || mf_str_eq_c(filter->field, "created_by_subject");
}

static bool passes(int32_t function, int64_t phase, int64_t value)
{
    switch (function) {
    case MF_FILTER_NOT_EQUAL:
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

static void note_phases(struct list *list, const struct mf_filter *filter)
{
    uint32_t passing = 0;
    bool several = filter->function == MF_FILTER_VALUE_IN;
    bool odd = filter->function < 0 || (filter->function > MF_FILTER_LESS_THAN_OR_EQUAL && !several);
    odd = odd || filter->value_count == 0 || filter->value_count > MF_SELECT_VALUES_MAX ||
          (filter->value_count > 1 && !several);
    for (size_t i = 0; i < filter->value_count && !odd; i++) {
        int64_t value = 0;
        odd = !mf_str_to_i64(filter->values[i], &value);
        for (int32_t phase = 0; phase < PHASES; phase++)
            passing |= passes(filter->function, phase, value) ? UINT32_C(1) << phase : 0;
    }
    list->phases &= passing;
    list->odd_phases = list->odd_phases || odd;
    list->chosen_phases = true;
}

static enum mf_code note_label(struct list *list, const struct mf_filter *filter, struct mf_error *err)
{
    if (list->label_count == LABELS_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "more than %d filters on labels", LABELS_MAX);
    enum mf_code code = check_label(filter, err);
    if (code != MF_OK)
        return code;
    list->labels[list->label_count++] = filter;
    bool equal = filter->function == MF_FILTER_EQUAL;
    bool exists = filter->function == MF_FILTER_EXISTS;
    bool better = list->driver == BY_LABEL && list->driving->function == MF_FILTER_EXISTS && equal;
    if (better || (list->driver == BY_ACTION && (equal || exists))) {
        list->driver = BY_LABEL;
        list->driving = filter;
    }
    return MF_OK;
}

/* Splits the filters into those on labels, the one that drives the search, and all others. */
static enum mf_code plan_filters(struct list *list, const struct mf_page *page, struct mf_error *err)
{
    struct mf_filter *others = mf_arena_array(list->arena, page->filter_count + 1, sizeof *others);
    enum mf_code code = others ? MF_OK : mf_fail_memory(err);
    bool runs = list->driver != BY_CHILDREN;
    list->page = *page;
    list->page.filters = others;
    list->page.filter_count = 0;
    list->skip = list->after ? 0 : page->offset;
    list->phases = ALL_PHASES;
    if (runs && list->scope->paused_only)
        list->driver = BY_PAUSED;
    else if (runs && list->scope->trigger_name.len > 0)
        list->driver = BY_RUN;
    for (size_t i = 0; i < page->filter_count && code == MF_OK; i++) {
        const struct mf_filter *filter = &page->filters[i];
        bool one = filter->function == MF_FILTER_EQUAL && filter->value_count == 1;
        if (runs && mf_str_starts(filter->field, LABEL_PREFIX)) {
            code = note_label(list, filter, err);
        } else if (one && names_creator(filter) && filter->values[0].len > 0 && list->driver == BY_ACTION) {
            list->driver = BY_RUN;
            list->driving = filter;
        } else {
            if (mf_str_eq_c(filter->field, "phase"))
                note_phases(list, filter);
            others[list->page.filter_count++] = *filter;
        }
    }
    return code;
}

/* The search has the phases in its own conditions, so that the filters on them need not be asked. */
static void drop_phase_filters(struct list *list)
{
    struct mf_filter *filters = (struct mf_filter *)(uintptr_t)list->page.filters;
    size_t kept = 0;
    for (size_t i = 0; i < list->page.filter_count; i++) {
        if (!mf_str_eq_c(filters[i].field, "phase"))
            filters[kept++] = filters[i];
    }
    list->page.filter_count = kept;
}

static void plan_phases(struct list *list)
{
    bool indexed = list->driver == BY_ACTION && list->scope->project.len > 0 && list->scope->domain.len > 0;
    bool by_age = strcmp(list->keys[0].column, "a.created_at") == 0;
    bool by_phase = list->key_count > 1 && strcmp(list->keys[0].column, "a.phase") == 0 &&
                    strcmp(list->keys[1].column, "a.created_at") == 0;
    bool single = (list->phases & (list->phases - 1)) == 0;
    if (!indexed || list->odd_phases || list->phases == 0)
        return;
    if (by_phase) {
        list->by_phase = ONE_BY_ONE;
        list->fixed = 1;
    } else if (by_age && list->chosen_phases) {
        list->by_phase = single ? ONE_BY_ONE : MERGED;
    }
    if (list->by_phase != TOGETHER)
        drop_phase_filters(list);
}

/* ---- rows ---- */

static bool read_row(struct mf_stmt *stmt, const struct list *list, struct mf_run_list_row *out)
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
        *texts[i] = mf_col_copy(stmt, column++, list->arena, &failed);
    for (size_t i = 0; i < sizeof smalls / sizeof smalls[0]; i++)
        *smalls[i] = (int32_t)mf_col_int(stmt, column++);
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++)
        *tasks[i] = mf_col_copy(stmt, column++, list->arena, &failed);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        *times[i] = mf_col_int(stmt, column++);
    r->id = a->run_id;
    r->project = a->project;
    r->domain = a->domain;
    r->name = a->run_name;
    r->run_spec = mf_col_copy(stmt, column++, list->arena, &failed);
    r->source = (int32_t)mf_col_int(stmt, column++);
    r->created_by = mf_col_copy(stmt, column++, list->arena, &failed);
    r->trigger_task_name = mf_col_copy(stmt, column++, list->arena, &failed);
    r->trigger_name = mf_col_copy(stmt, column++, list->arena, &failed);
    r->trigger_revision = mf_col_int(stmt, column++);
    r->trigger_automation = mf_col_copy(stmt, column++, list->arena, &failed);
    out->place.list = list->page.list;
    out->place.key_count = list->key_count;
    for (size_t i = 0; i < list->key_count; i++) {
        struct mf_place_key *key = &out->place.keys[i];
        key->is_int = list->keys[i].is_int;
        if (key->is_int)
            key->number = mf_col_int(stmt, column++);
        else
            key->text = mf_col_copy(stmt, column++, list->arena, &failed);
    }
    return !failed;
}

static enum mf_code walk(struct list *list, struct mf_select *select, struct mf_error *err)
{
    struct mf_stmt *stmt = NULL;
    bool row = true;
    enum mf_code code = mf_select_open(select, list->db, &stmt, err);
    while (code == MF_OK && !list->stopped) {
        struct mf_run_list_row found;
        code = mf_stmt_step(stmt, &row, err);
        if (code != MF_OK || !row)
            break;
        if (list->skip > 0) {
            list->skip--;
            continue;
        }
        if (!read_row(stmt, list, &found))
            code = mf_fail_memory(err);
        else
            list->stopped = !list->visit(list->ctx, &found);
        list->seen++;
    }
    mf_stmt_done(stmt);
    return code;
}

/* One SELECT without its order and limit. */
static enum mf_code add_select(struct mf_select *select, const struct list *list, enum part part,
                               struct mf_error *err)
{
    mf_select_sql(select, COLUMNS);
    for (size_t i = 0; i < list->key_count; i++) {
        mf_select_sql(select, ", ");
        mf_select_sql(select, list->keys[i].column);
    }
    mf_select_sql(select, tables[list->driver]);
    enum mf_code code = add_conditions(select, list, err);
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
    one.by_phase = ONE_BY_ONE;
    for (one.phase = 0; one.phase < PHASES && code == MF_OK; one.phase++) {
        if (!(list->phases >> one.phase & 1))
            continue;
        mf_select_sql(select, first ? "SELECT * FROM (" : " UNION ALL SELECT * FROM (");
        first = false;
        code = add_select(select, &one, part, err);
        add_order(select, list, false);
        mf_select_page(select, page);
        mf_select_sql(select, ")");
    }
    return code;
}

static enum mf_code run_part(struct list *list, enum part part, struct mf_error *err)
{
    struct mf_page page = {0};
    bool merged = list->by_phase == MERGED;
    struct mf_select *select = mf_select_new(list->arena);
    if (!select)
        return mf_fail_memory(err);
    if (list->page.limit > 0)
        page.limit = list->page.limit - list->seen + list->skip;
    enum mf_code code =
        merged ? add_merged(select, list, part, &page, err) : add_select(select, list, part, err);
    if (code != MF_OK)
        return code;
    add_order(select, list, merged);
    mf_select_page(select, &page);
    return walk(list, select, err);
}

static bool is_full(const struct list *list)
{
    return list->stopped || (list->page.limit > 0 && list->seen >= list->page.limit);
}

static enum mf_code run_parts(struct list *list, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    if (!list->after)
        return run_part(list, ALL, err);
    if (list->fixed + first_run(list, list->fixed) < list->key_count)
        code = run_part(list, SAME_FIRST, err);
    return code == MF_OK && !is_full(list) ? run_part(list, AFTER_FIRST, err) : code;
}

static enum mf_code run_phases(struct list *list, struct mf_error *err)
{
    const struct mf_place *place = list->after;
    bool ascending = list->keys[0].ascending;
    enum mf_code code = MF_OK;
    for (int32_t i = 0; i < PHASES && code == MF_OK && !is_full(list); i++) {
        int32_t phase = ascending ? i : PHASES - 1 - i;
        if (!(list->phases >> phase & 1))
            continue;
        if (place && list->fixed > 0) {
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

static enum mf_code check_place(const struct list *list, struct mf_error *err)
{
    bool fits = list->after->list == list->page.list && list->after->key_count == list->key_count;
    for (size_t i = 0; fits && i < list->key_count; i++)
        fits = list->after->keys[i].is_int == list->keys[i].is_int;
    return fits ? MF_OK
                : mf_fail(err, MF_INVALID_ARGUMENT,
                          "invalid token: it belongs to a list with another order; begin again without one");
}

static enum mf_code run_list(struct list *list, const struct mf_page *page, struct mf_error *err)
{
    enum mf_code code = plan_filters(list, page, err);
    if (code == MF_OK)
        code = plan_order(list, err);
    if (code == MF_OK && list->after)
        code = check_place(list, err);
    if (code != MF_OK)
        return code;
    plan_phases(list);
    return list->by_phase == ONE_BY_ONE ? run_phases(list, err) : run_parts(list, err);
}

enum mf_code mf_run_list(struct mf_db *db, struct mf_arena *arena, const struct mf_run_scope *scope,
                         const struct mf_page *page, mf_run_list_visit visit, void *ctx, struct mf_error *err)
{
    struct list list = {
        .db = db, .arena = arena, .scope = scope, .after = page->after, .visit = visit, .ctx = ctx};
    return run_list(&list, page, err);
}

enum mf_code mf_run_list_actions(struct mf_db *db, struct mf_arena *arena, int64_t run_id,
                                 const struct mf_page *page, mf_run_list_visit visit, void *ctx,
                                 struct mf_error *err)
{
    const struct mf_run_scope scope = {0};
    struct list list = {.db = db,
                        .arena = arena,
                        .scope = &scope,
                        .run_id = run_id,
                        .driver = BY_CHILDREN,
                        .after = page->after,
                        .visit = visit,
                        .ctx = ctx};
    return run_list(&list, page, err);
}

enum mf_code mf_run_list_changed(struct mf_db *db, struct mf_arena *arena, const struct mf_run_scope *scope,
                                 int64_t after_seq, size_t limit, mf_run_list_visit visit, void *ctx,
                                 struct mf_error *err)
{
    struct list list = {.db = db, .arena = arena, .scope = scope, .visit = visit, .ctx = ctx};
    const struct mf_page page = {.limit = limit};
    struct mf_select *select = mf_select_new(arena);
    if (!select)
        return mf_fail_memory(err);
    mf_select_sql(select, COLUMNS);
    mf_select_sql(select, tables[BY_ACTION]);
    add_scope(select, &list);
    mf_select_sql(select, " AND a.seq > ");
    mf_select_int(select, after_seq);
    mf_select_sql(select, " ORDER BY a.seq");
    mf_select_page(select, &page);
    return walk(&list, select, err);
}
