/*
 * What an engine costs that holds so many schedules: how long a start reads them, the memory that they take,
 * and how long it takes to look at those that are due (each plans a step, nothing is written).
 *
 *   schedule-bench FOLDER [SCHEDULES]     a million by default
 */
#include "gen/flyteidl2/task/common.pb.h"
#include "schedule/engine.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define EACH 10000 /* rows in one command */
#define SECOND_NS INT64_C(1000000000)
#define DAY_S 86400
#define HOUR_NS (3600 * SECOND_NS)
#define NOW (INT64_C(1796000000) * SECOND_NS)

static int64_t count = 1000000;

static int64_t mono(void)
{
    return mf_mono_ns(mf_sys_real());
}

static void stop_on(enum mf_code code, const struct mf_error *err)
{
    if (code == MF_OK)
        return;
    fprintf(stderr, "schedule-bench: %s\n", err->message);
    exit(1);
}

/* ---- a store full of schedules ---- */

struct rows {
    struct mf_command command;
    int64_t first;
};

/* Some 300,000 different schedules: once a day at any second in four zones, and a rate for every tenth. */
static struct mf_str automation_of(struct mf_arena *arena, int64_t number, struct mf_error *err)
{
    static const char *const zones[] = {"", "Europe/Berlin", "America/New_York", "Asia/Kolkata"};
    struct pb_task_Cron cron = {.timezone = mf_str_from_c(zones[number / DAY_S % 4])};
    struct pb_task_FixedRate rate = {.value = (uint32_t)(number % 60 + 1),
                                     .unit = pb_task_FIXED_RATE_UNIT_HOUR};
    struct pb_task_Schedule schedule = {.expression_case = pb_task_Schedule_tag_cron,
                                        .expression.cron = &cron};
    const struct pb_task_TriggerAutomationSpec automation = {.type = pb_task_TYPE_SCHEDULE,
                                                             .automation_case =
                                                                 pb_task_TriggerAutomationSpec_tag_schedule,
                                                             .automation.schedule = &schedule};
    struct mf_str bytes = MF_STR_EMPTY;
    cron.expression = mf_str_printf(arena, "%d %d %d * * *", (int)(number % 60), (int)(number / 60 % 60),
                                    (int)(number / 3600 % 24));
    if (number % 10 == 0) {
        schedule.expression_case = pb_task_Schedule_tag_rate;
        schedule.expression.rate = &rate;
    }
    stop_on(pb_encode(arena, &pb_task_TriggerAutomationSpec_type, &automation, &bytes, err), err);
    return bytes;
}

static enum mf_code put_rows(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    const struct rows *rows = (const struct rows *)command;
    struct mf_arena *arena = mf_arena_new(0);
    enum mf_code code = MF_OK;
    for (int64_t i = rows->first; code == MF_OK && i < rows->first + EACH && i < count; i++) {
        struct mf_schedule_row row = {
            .id = i + 1,
            .key = {MF_STR("flytesnacks"), MF_STR("development"), MF_STR_EMPTY, MF_STR("scheduled")},
            .revision = 1,
            .active = true,
            .baseline_at = NOW - HOUR_NS,
            .state = {.cursor_at = NOW - HOUR_NS},
            .seq = mf_tx_next_seq(tx)};
        mf_arena_reset(arena);
        row.key.task_name = mf_str_printf(arena, "environment.task-%" PRId64, i);
        row.automation = automation_of(arena, i, err);
        code = mf_schedule_put(mf_tx_db(tx), &row, err);
    }
    mf_arena_free(arena);
    return code;
}

static struct mf_store *open_store(const char *path)
{
    const struct mf_store_config config = {.sys = mf_sys_real(), .path = path};
    struct mf_store *store = NULL;
    struct mf_error err;
    stop_on(mf_store_open(&config, &store, &err), &err);
    return store;
}

/* In a process of its own, so that what it takes is not measured. */
static void fill(const char *path)
{
    int status = 1;
    pid_t child = fork();
    if (child == 0) {
        struct mf_store *store = open_store(path);
        for (int64_t i = 0; i < count; i += EACH) {
            struct rows rows = {.command = {.apply = put_rows}, .first = i};
            struct mf_error err;
            stop_on(mf_writer_run(mf_store_writer(store), &rows.command, &err), &err);
        }
        mf_store_close(store);
        exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        exit(1);
}

/* ---- an engine that holds them ---- */

static struct mf_store *store;
static struct mf_engine *engine;
static int64_t begun; /* steps */

static enum mf_code read_active(void *ctx, mf_schedule_visit visit, void *visit_ctx, struct mf_error *err)
{
    struct mf_db *db = NULL;
    (void)ctx;
    enum mf_code code = mf_store_reader(store, &db, err);
    if (code == MF_OK)
        code = mf_schedule_active(db, visit, visit_ctx, err);
    mf_store_reader_done(store, db);
    return code;
}

static enum mf_code no_changes(void *ctx, int64_t after_seq, mf_schedule_visit visit, void *visit_ctx,
                               struct mf_error *err)
{
    (void)ctx;
    (void)after_seq;
    (void)visit;
    (void)visit_ctx;
    (void)err;
    return MF_OK;
}

/* As if everything due had been fired. */
static void carry_out(void *ctx, struct mf_step_work *work)
{
    const struct mf_step *step = &work->step;
    const struct mf_plan *plan = &step->plan;
    (void)ctx;
    begun++;
    work->result = (struct mf_step_result){.seq = step->seq, .active = true};
    work->result.state.cursor_at = plan->item_count > 0 ? plan->items[plan->item_count - 1] : plan->until;
    mf_engine_done(engine, work, MF_OK, NULL);
}

static void wake(void *ctx)
{
    (void)ctx;
}

static long resident_kb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*s %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void turn_until_quiet(int64_t now)
{
    int64_t wake_at = now;
    do
        mf_engine_turn(engine, now, &wake_at);
    while (wake_at <= now || mf_engine_in_flight(engine) > 0);
}

static void measure(void)
{
    struct mf_zones *zones = NULL;
    struct mf_error err;
    stop_on(mf_zones_new(NULL, &zones, &err), &err);
    const struct mf_engine_config config = {
        .port = {.active = read_active, .changes = no_changes, .carry_out = carry_out, .wake = wake},
        .zones = zones,
        .seed = 1};
    long before = resident_kb();
    stop_on(mf_engine_new(&config, &engine, &err), &err);
    int64_t at = mono();
    stop_on(mf_engine_load(engine, NOW, &err), &err);
    int64_t loaded = mono();
    printf("load    %" PRId64 " schedules in %.2f s, %.0f MB (%.0f bytes each)\n", count,
           (double)(loaded - at) / 1e9, (double)(resident_kb() - before) / 1024,
           (double)(resident_kb() - before) * 1024 / (double)count);
    for (int64_t hour = 0; hour < 3; hour++) {
        begun = 0;
        at = mono();
        turn_until_quiet(NOW + hour * HOUR_NS);
        printf("turn    %" PRId64 " of them due: %.3f s\n", begun, (double)(mono() - at) / 1e9);
    }
    at = mono();
    for (int i = 0; i < 1000; i++)
        turn_until_quiet(NOW + 2 * HOUR_NS + i);
    printf("turn    with nothing due: %" PRId64 " ns\n", (mono() - at) / 1000);
    mf_engine_free(engine);
    mf_zones_free(zones);
}

int main(int argc, char **argv)
{
    char path[4096];
    if (argc < 2 || argc > 3 || (argc == 3 && (count = atoll(argv[2])) <= 0)) {
        fprintf(stderr, "usage: schedule-bench FOLDER [SCHEDULES]\n");
        return 2;
    }
    snprintf(path, sizeof path, "%s/schedule-bench-%d.db", argv[1], (int)getpid());
    fill(path);
    store = open_store(path);
    measure();
    mf_store_close(store);
    return unlink(path) == 0 ? 0 : 1;
}
