/*
 * What a page of ListRuns and ListActions costs in the store, for every filter and order that is served, on
 * the first page and on the 500th.
 *
 *   list-bench FILE [RUNS [ACTIONS [fill]]]
 *
 * Fills FILE with so many runs (1,000,000) and one more of so many actions (50,000) unless it has runs; then
 * prints a line for each filter and order that took more than 5 ms, the worst ones, and the whole
 * distribution. Pages are of 100.
 */
#include "base/sys.h"
#include "store/action.h"
#include "store/driver.h"
#include "store/migrate.h"
#include "store/run_list.h"
#include "store/sqlite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PAGE 100
#define FAR 49900
#define REPEATS 3
#define BATCH 100000 /* runs in a transaction */
#define RESULTS_MAX 8192
#define BEGIN INT64_C(1790000000000000000)
#define STEP INT64_C(1000000000)

static int64_t mono(void)
{
    return mf_mono_ns(mf_sys_real());
}

static void stop_on(enum mf_code code, const struct mf_error *err)
{
    if (code == MF_OK)
        return;
    fprintf(stderr, "list-bench: %s\n", err->message);
    exit(1);
}

/* ---- rows ---- */

static uint32_t scatter(uint64_t i)
{
    return (uint32_t)(i * UINT64_C(0x9e3779b97f4a7c15) >> 33);
}

static int32_t phase_of(uint64_t i, uint64_t count)
{
    uint32_t dice = scatter(i) % 1000;
    if (i + 2000 > count)
        return 1 + (int32_t)(dice % 4);
    return dice < 880 ? 5 : dice < 960 ? 6 : dice < 995 ? 7 : dice < 999 ? 8 : scatter(i + 7) % 8 ? 10 : 9;
}

static void fill_action(struct mf_action_row *row, const struct mf_run_row *run, uint64_t i, int64_t seq)
{
    static char texts[6][48];
    uint32_t task = scatter(i + 1) % 50;
    snprintf(texts[0], sizeof texts[0], "env%u.task%u", task % 10, task);
    snprintf(texts[1], sizeof texts[1], "version-%" PRIu64, i / 2000);
    snprintf(texts[2], sizeof texts[2], "task%u", task);
    snprintf(texts[3], sizeof texts[3], "env%u", task % 10);
    snprintf(texts[4], sizeof texts[4], "group%u", scatter(i + 2) % 5);
    *row = (struct mf_action_row){
        .run_id = run->id,
        .name = MF_STR("a0"),
        .project = run->project,
        .domain = run->domain,
        .run_name = run->name,
        .kind = 1,
        .attempts = 1 + (int32_t)(scatter(i + 3) % 50 == 0),
        .group = mf_str_from_c(texts[4]),
        .task_project = run->project,
        .task_domain = run->domain,
        .task_name = mf_str_from_c(texts[0]),
        .task_version = mf_str_from_c(texts[1]),
        .task_type = MF_STR("python"),
        .short_name = mf_str_from_c(texts[2]),
        .function_name = mf_str_from_c(texts[2]),
        .environment_name = mf_str_from_c(texts[3]),
        .spec_digest = run->request_digest,
        .input_uri = MF_STR("s3://mayfly/flytesnacks/development/inputs.pb"),
        .output_uri = MF_STR("s3://mayfly/flytesnacks/development/a0/1"),
        .created_at = run->created_at,
        .queued_at = run->created_at,
        .seq = seq,
    };
}

static void end_action(struct mf_action_row *row, uint64_t i, uint64_t count)
{
    row->phase = phase_of(i, count);
    row->updated_at = row->created_at + STEP;
    if (row->phase >= 5 && row->phase != 9)
        row->updated_at = row->ended_at = row->created_at + scatter(i + 4) % 100000 * INT64_C(10000000);
}

static void insert_run(struct mf_db *db, uint64_t i, uint64_t count, const char *long_name)
{
    static char spec[300];
    char name[32], user[16], trigger[16], label[16];
    struct mf_error err;
    struct mf_action_row action;
    snprintf(name, sizeof name, "r%08x%06x", scatter(i * 3 + 1), (unsigned)(i & 0xffffff));
    snprintf(user, sizeof user, "user%u", scatter(i + 5) % 40);
    snprintf(trigger, sizeof trigger, "nightly%u", scatter(i + 6) % 20);
    snprintf(label, sizeof label, "t%u", scatter(i + 8) % 12);
    bool triggered = scatter(i + 9) % 4 == 0;
    const struct mf_run_row run = {
        .id = (int64_t)i + 1,
        .project = scatter(i + 10) % 20 == 0 ? MF_STR("other") : MF_STR("flytesnacks"),
        .domain = MF_STR("development"),
        .name = mf_str_from_c(long_name ? long_name : name),
        .request_digest = mf_str_make(spec, 32),
        .run_spec = mf_str_make(spec, sizeof spec),
        .output_base = MF_STR("s3://mayfly/flytesnacks/development/"),
        .source = 1 + (int32_t)(scatter(i + 11) % 3),
        .created_by_subject = scatter(i + 12) % 5 ? mf_str_from_c(user) : MF_STR_EMPTY,
        .trigger_name = triggered ? mf_str_from_c(trigger) : MF_STR_EMPTY,
        .trigger_task_name = triggered ? MF_STR("env0.task0") : MF_STR_EMPTY,
        .created_at = BEGIN + (int64_t)i * STEP,
    };
    stop_on(mf_run_insert(db, &run, &err), &err);
    if (scatter(i + 13) % 3 == 0)
        stop_on(mf_run_label_insert(db, run.id, MF_STR("team"), mf_str_from_c(label), &err), &err);
    fill_action(&action, &run, i, (int64_t)i + 1);
    end_action(&action, i, count);
    stop_on(mf_action_insert(db, &action, &err), &err);
}

static void insert_child(struct mf_db *db, const struct mf_run_row *run, uint64_t i, uint64_t count,
                         int64_t seq)
{
    struct mf_error err;
    struct mf_action_row action;
    char name[32];
    snprintf(name, sizeof name, "c%08x%05u", scatter(i), (unsigned)i);
    fill_action(&action, run, i, seq);
    action.name = mf_str_from_c(name);
    action.parent = i % 100 == 99 ? MF_STR("c0000000000000") : MF_STR("a0");
    action.kind = 1 + (int32_t)(scatter(i + 14) % 10 == 0);
    action.created_at += (int64_t)i * STEP;
    end_action(&action, i, count);
    stop_on(mf_action_insert(db, &action, &err), &err);
}

static void fill(struct mf_db *db, uint64_t runs, uint64_t actions)
{
    struct mf_error err;
    int64_t begin = mono();
    const struct mf_run_row run = {.id = (int64_t)runs + 1,
                                   .project = MF_STR("flytesnacks"),
                                   .domain = MF_STR("development"),
                                   .name = MF_STR("long"),
                                   .created_at = BEGIN + (int64_t)runs * STEP};
    for (uint64_t i = 0; i < runs; i++) {
        if (i % BATCH == 0)
            stop_on(mf_db_begin(db, &err), &err);
        insert_run(db, i, runs, NULL);
        if (i % BATCH == BATCH - 1 || i + 1 == runs)
            stop_on(mf_db_commit(db, &err), &err);
    }
    printf("%" PRIu64 " runs in %.1f s\n", runs, (double)(mono() - begin) / 1e9);
    begin = mono();
    stop_on(mf_db_begin(db, &err), &err);
    insert_run(db, runs, runs + 1, "long");
    for (uint64_t i = 0; i < actions; i++)
        insert_child(db, &run, i, actions, (int64_t)(runs + i) + 2);
    stop_on(mf_db_commit(db, &err), &err);
    printf("%" PRIu64 " actions in %.1f s\n", actions, (double)(mono() - begin) / 1e9);
}

static bool has_runs(struct mf_db *db)
{
    MF_SQL(sql_any, "SELECT 1 FROM run LIMIT 1");
    struct mf_stmt *stmt = NULL;
    struct mf_error err;
    bool row = false;
    stop_on(mf_db_query(db, &sql_any, &stmt, &err), &err);
    stop_on(mf_stmt_step(stmt, &row, &err), &err);
    mf_stmt_done(stmt);
    return row;
}

/* ---- lists ---- */

struct ask {
    const char *field;
    int32_t function;
    const char *value[3];
};

static const struct ask run_asks[] = {
    {NULL, 0, {NULL}},
    {"phase", MF_FILTER_EQUAL, {"6"}},
    {"phase", MF_FILTER_EQUAL, {"9"}},
    {"phase", MF_FILTER_EQUAL, {"3"}},
    {"phase", MF_FILTER_NOT_EQUAL, {"5"}},
    {"phase", MF_FILTER_VALUE_IN, {"6", "7", "8"}},
    {"phase", MF_FILTER_VALUE_NOT_IN, {"5", "6"}},
    {"task_name", MF_FILTER_EQUAL, {"env1.task1"}},
    {"task_name", MF_FILTER_EQUAL, {"nothing"}},
    {"task_name", MF_FILTER_CONTAINS, {"env1."}},
    {"task_name", MF_FILTER_CONTAINS_CASE_INSENSITIVE, {"TASK49"}},
    {"task_name", MF_FILTER_ENDS_WITH, {"nothing"}},
    {"task_name", MF_FILTER_VALUE_IN, {"env1.task1", "env2.task2"}},
    {"task_version", MF_FILTER_EQUAL, {"version-7"}},
    {"task_version", MF_FILTER_EQUAL, {"nothing"}},
    {"task_version", MF_FILTER_NOT_EQUAL, {"version-7"}},
    {"task_type", MF_FILTER_EQUAL, {"python"}},
    {"task_type", MF_FILTER_EQUAL, {"spark"}},
    {"task_project", MF_FILTER_EQUAL, {"other"}},
    {"task_domain", MF_FILTER_EQUAL, {"other"}},
    {"function_name", MF_FILTER_EQUAL, {"task7"}},
    {"function_name", MF_FILTER_NOT_ENDS_WITH, {"7"}},
    {"environment_name", MF_FILTER_EQUAL, {"env3"}},
    {"environment_name", MF_FILTER_EXISTS, {NULL}},
    {"environment_name", MF_FILTER_NOT_EXISTS, {NULL}},
    {"created_by", MF_FILTER_EQUAL, {"user3"}},
    {"created_by", MF_FILTER_EQUAL, {"nobody"}},
    {"created_by", MF_FILTER_NOT_EXISTS, {NULL}},
    {"trigger_name", MF_FILTER_EQUAL, {"nightly3"}},
    {"trigger_name", MF_FILTER_EXISTS, {NULL}},
    {"trigger_task_name", MF_FILTER_EQUAL, {"env0.task0"}},
    {"trigger_revision", MF_FILTER_EQUAL, {"3"}},
    {"run_source", MF_FILTER_EQUAL, {"RUN_SOURCE_CLI"}},
    {"run_source", MF_FILTER_EQUAL, {"RUN_SOURCE_TRACKED"}},
    {"attempts", MF_FILTER_EQUAL, {"2"}},
    {"attempts", MF_FILTER_GREATER_THAN, {"2"}},
    {"action_type", MF_FILTER_EQUAL, {"1"}},
    {"action_type", MF_FILTER_EQUAL, {"3"}},
    {"action_group", MF_FILTER_EQUAL, {"group1"}},
    {"name", MF_FILTER_EQUAL, {"a0"}},
    {"parent_name", MF_FILTER_EQUAL, {"a0"}},
    {"project", MF_FILTER_EQUAL, {"other"}},
    {"domain", MF_FILTER_EQUAL, {"development"}},
    {"run_name", MF_FILTER_EQUAL, {"nothing"}},
    {"run_name", MF_FILTER_CONTAINS, {"abc"}},
    {"created_at", MF_FILTER_GREATER_THAN_OR_EQUAL, {"2026-09-28T00:00:00.123Z"}},
    {"created_at", MF_FILTER_LESS_THAN, {"2026-09-22T00:00:00.123Z"}},
    {"updated_at", MF_FILTER_GREATER_THAN_OR_EQUAL, {"2026-09-28T00:00:00.123Z"}},
    {"updated_at", MF_FILTER_LESS_THAN, {"2026-09-22T00:00:00.123Z"}},
    {"ended_at", MF_FILTER_GREATER_THAN_OR_EQUAL, {"2026-09-28T00:00:00.123Z"}},
    {"ended_at", MF_FILTER_NOT_EXISTS, {NULL}},
    {"duration_ms", MF_FILTER_GREATER_THAN, {"999000"}},
    {"duration_ms", MF_FILTER_LESS_THAN, {"0"}},
    {"labels.team", MF_FILTER_EQUAL, {"t3"}},
    {"labels.team", MF_FILTER_EQUAL, {"nothing"}},
    {"labels.team", MF_FILTER_VALUE_IN, {"t3", "t4"}},
    {"labels.team", MF_FILTER_EXISTS, {NULL}},
    {"labels.team", MF_FILTER_NOT_EXISTS, {NULL}},
    {"labels.team", MF_FILTER_NOT_EQUAL, {"t3"}},
    {"labels.other", MF_FILTER_EXISTS, {NULL}},
};
#define ASKS (sizeof run_asks / sizeof run_asks[0])

static const char *const sorts[] = {NULL,          "created_at", "updated_at",   "phase",
                                    "run_name",    "task_name",  "task_version", "ended_at",
                                    "duration_ms", "name",       "attempts",     "created_by"};
#define SORTS (sizeof sorts / sizeof sorts[0])

struct result {
    char what[200];
    double ms, cpu_ms; /* the median, and the processor's least */
    size_t rows;
};

struct bench {
    struct mf_db *db;
    struct mf_arena *arena;
    int64_t run_id; /* 0: runs */
    struct mf_run_scope scope;
    struct result results[RESULTS_MAX];
    size_t count, refused, empty;
    struct mf_place place; /* of the row that was seen last */
    size_t rows;
};

static bool visit(void *ctx, const struct mf_run_list_row *row)
{
    struct bench *b = ctx;
    b->rows++;
    b->place = row->place;
    return true;
}

static enum mf_code list(struct bench *b, const struct mf_page *page, struct mf_place *rest,
                         struct mf_error *err)
{
    b->rows = 0;
    return b->run_id ? mf_run_list_actions(b->db, b->arena, b->run_id, page, visit, b, rest, err)
                     : mf_run_list(b->db, b->arena, &b->scope, page, visit, b, rest, err);
}

static double cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare_double(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static bool measure(struct bench *b, struct mf_page page, const char *what, const char *where)
{
    double times[REPEATS];
    double least_cpu = 1e9;
    struct mf_error err;
    struct mf_place rest;
    struct result *result = &b->results[b->count];
    for (int i = 0; i < REPEATS; i++) {
        mf_arena_reset(b->arena);
        page.sys = mf_sys_real();
        page.until_ns = mono() + MF_RUN_LIST_SPAN_NS;
        int64_t begin = mono();
        double cpu = cpu_ms();
        enum mf_code code = list(b, &page, &rest, &err);
        times[i] = (double)(mono() - begin) / 1e6;
        cpu = cpu_ms() - cpu;
        least_cpu = cpu < least_cpu ? cpu : least_cpu;
        if (code == MF_INVALID_ARGUMENT) {
            b->refused++;
            return false;
        }
        stop_on(code, &err);
    }
    qsort(times, REPEATS, sizeof times[0], compare_double);
    snprintf(result->what, sizeof result->what, "%s, %s", what, where);
    result->ms = times[REPEATS / 2];
    result->rows = b->rows;
    result->cpu_ms = least_cpu;
    b->count += b->count + 1 < RESULTS_MAX;
    b->empty += b->rows == 0;
    return true;
}

static struct mf_filter filter_of(const struct ask *ask, struct mf_str *values)
{
    struct mf_filter filter = {
        .function = ask->function, .field = mf_str_from_c(ask->field), .values = values};
    while (filter.value_count < 3 && ask->value[filter.value_count]) {
        values[filter.value_count] = mf_str_from_c(ask->value[filter.value_count]);
        filter.value_count++;
    }
    return filter;
}

static void try_one(struct bench *b, const struct ask *first, const struct ask *second, const char *sort,
                    bool ascending, bool far)
{
    struct mf_str values[2][3];
    struct mf_filter filters[2];
    struct mf_error err;
    char what[150];
    const struct mf_sort order = {mf_str_from_c(sort), ascending};
    struct mf_page page = {.filters = filters,
                           .sorts = &order,
                           .sort_count = sort ? 1 : 0,
                           .limit = PAGE + 1,
                           .sortable = MF_RUN_LIST_SORTABLE,
                           .budget = MF_RUN_LIST_BUDGET};
    if (first->field)
        filters[page.filter_count++] = filter_of(first, values[0]);
    if (second)
        filters[page.filter_count++] = filter_of(second, values[1]);
    snprintf(what, sizeof what, "%s %d %s%s%s %s by %s %s", first->field ? first->field : "all",
             (int)first->function, first->value[0] ? first->value[0] : "", second ? " and " : "",
             second ? second->field : "", second && second->value[0] ? second->value[0] : "",
             sort ? sort : "default", ascending ? "asc" : "desc");
    if (!measure(b, page, what, "first page") || !far || b->rows < PAGE)
        return;
    struct mf_page skip = page;
    skip.offset = FAR;
    skip.limit = 1;
    skip.budget = 0;
    mf_arena_reset(b->arena);
    stop_on(list(b, &skip, NULL, &err), &err);
    if (b->rows == 0)
        return;
    struct mf_place place = b->place;
    for (size_t i = 0; i < place.key_count; i++) {
        if (!place.keys[i].is_int)
            place.keys[i].text = mf_str_from_c(strndup(place.keys[i].text.ptr, place.keys[i].text.len));
    }
    page.after = &place;
    measure(b, page, what, "page 500");
}

static int by_time(const void *a, const void *b)
{
    double left = ((const struct result *)a)->ms;
    double right = ((const struct result *)b)->ms;
    return (left < right) - (left > right);
}

static void report(struct bench *b, const char *title)
{
    size_t late = 0;
    qsort(b->results, b->count, sizeof b->results[0], by_time);
    while (late < b->count && b->results[late].ms > 5)
        late++;
    size_t busy = 0;
    for (size_t i = 0; i < b->count; i++)
        busy += b->results[i].cpu_ms > 5;
    printf("\n%s: %zu with more than 5 ms of the processor", title, busy);
    printf("\n%s: %zu measured, %zu over 5 ms, %zu empty, %zu orders refused; median %.2f ms, p90 %.2f, "
           "worst %.2f\n",
           title, b->count, late, b->empty, b->refused, b->results[b->count / 2].ms,
           b->results[b->count / 10].ms, b->results[0].ms);
    for (size_t i = 0; i < b->count && i < (late > 40 ? 40 : late + 10); i++)
        printf("  %8.2f ms, processor %6.2f ms %4zu rows  %s\n", b->results[i].ms, b->results[i].cpu_ms,
               b->results[i].rows, b->results[i].what);
    b->count = b->refused = b->empty = 0;
}

int main(int argc, char **argv)
{
    static struct bench b;
    struct mf_error err;
    if (argc < 2) {
        fprintf(stderr, "usage: list-bench FILE [RUNS [ACTIONS [fill]]]\n");
        return 2;
    }
    uint64_t runs = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    uint64_t actions = argc > 3 ? strtoull(argv[3], NULL, 10) : 50000;
    const struct mf_db_options writer = {.path = argv[1], .role = MF_DB_WRITER};
    const struct mf_db_options reader = {.path = argv[1], .role = MF_DB_READER};
    stop_on(mf_db_open(&writer, &b.db, &err), &err);
    stop_on(mf_migrate(b.db, mf_migrations, mf_migration_count, 0, argv[1], &err), &err);
    if (!has_runs(b.db)) {
        sqlite3_exec(mf_sqlite_of(b.db)->handle, "PRAGMA synchronous = OFF; PRAGMA cache_size = -2000000",
                     NULL, NULL, NULL);
        fill(b.db, runs, actions);
        sqlite3_exec(mf_sqlite_of(b.db)->handle, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
    }
    mf_db_close(b.db);
    if (argc > 4) /* fill only */
        return 0;
    stop_on(mf_db_open(&reader, &b.db, &err), &err);
    b.arena = mf_arena_new(0);
    b.scope = (struct mf_run_scope){.project = MF_STR("flytesnacks"), .domain = MF_STR("development")};
    for (size_t i = 0; i < ASKS; i++) {
        for (size_t s = 0; s < 2 * SORTS; s++)
            try_one(&b, &run_asks[i], NULL, sorts[s / 2], s % 2 == 0, true);
    }
    report(&b, "runs, one filter");
    fflush(stdout);
    for (size_t i = 1; i < ASKS; i++) {
        for (size_t k = 1; k < ASKS; k++)
            try_one(&b, &run_asks[i], &run_asks[k], (i + k) % 3 ? "created_at" : NULL, k < i, false);
    }
    report(&b, "runs, two filters");
    b.run_id = (int64_t)runs + 1;
    for (size_t i = 0; i < ASKS; i++) {
        if (run_asks[i].field && strncmp(run_asks[i].field, "labels", 6) == 0)
            continue;
        for (size_t s = 0; s < 2 * SORTS; s++)
            try_one(&b, &run_asks[i], NULL, sorts[s / 2], s % 2 == 0, true);
    }
    report(&b, "actions");
    mf_arena_free(b.arena);
    mf_db_close(b.db);
    return 0;
}
