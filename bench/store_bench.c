/*
 * What the writer costs over the bare database: creations of runs (the rows of CreateRun) per second, first
 * as transactions of a fixed size straight on a connection, then through the writer with so many in flight.
 *
 *   store-bench FOLDER [SECONDS]     FOLDER is on the disk to measure
 */
#include "base/list.h"
#include "histogram.h"
#include "store/action.h"
#include "store/driver.h"
#include "store/migrate.h"
#include "store/run.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FLIGHT_MAX 1024

static enum mf_code insert_run(struct mf_db *db, int64_t seq, int64_t now, struct mf_error *err)
{
    static char spec[300];
    char name[24];
    snprintf(name, sizeof name, "r%019lld", (long long)seq);
    const struct mf_str run_name = mf_str_from_c(name);
    const struct mf_run_row run = {
        .id = seq,
        .project = MF_STR("flytesnacks"),
        .domain = MF_STR("development"),
        .name = run_name,
        .request_digest = mf_str_make(spec, 32),
        .run_spec = mf_str_make(spec, sizeof spec),
        .output_base = MF_STR("s3://mayfly/flytesnacks/development/"),
        .created_at = now,
    };
    const struct mf_action_row action = {
        .run_id = seq,
        .name = MF_STR("a0"),
        .project = run.project,
        .domain = run.domain,
        .run_name = run_name,
        .kind = 1,
        .phase = 1,
        .attempts = 1,
        .task_project = run.project,
        .task_domain = run.domain,
        .task_name = MF_STR("env.main"),
        .task_version = MF_STR("0123456789abcdef"),
        .task_type = MF_STR("python"),
        .short_name = MF_STR("main"),
        .spec_digest = mf_str_make(spec, 32),
        .input_uri = MF_STR("s3://mayfly/flytesnacks/development/inputs.pb"),
        .output_uri = MF_STR("s3://mayfly/flytesnacks/development/a0/1"),
        .queued_at = now,
        .created_at = now,
        .updated_at = now,
        .seq = seq,
    };
    enum mf_code code = mf_run_insert(db, &run, err);
    return code == MF_OK ? mf_action_insert(db, &action, err) : code;
}

static int64_t mono(void)
{
    return mf_mono_ns(mf_sys_real());
}

static void stop_on(enum mf_code code, const struct mf_error *err)
{
    if (code == MF_OK)
        return;
    fprintf(stderr, "store-bench: %s\n", err->message);
    exit(1);
}

static void report(const char *what, int size, int64_t rows, int64_t ns, struct bench_histogram *times)
{
    printf("%-7s %5d  %8.0f runs/s  p50 %7.3f ms  p99 %7.3f ms\n", what, size,
           (double)rows * 1e9 / (double)ns, bench_histogram_ms(times, 0.5), bench_histogram_ms(times, 0.99));
    bench_histogram_free(times);
}

/* The log is moved between the measurements only, which flatters the bare database. */
static void measure_bare(const char *path, int batch, int64_t span, int64_t *seq)
{
    const struct mf_db_options options = {.path = path, .role = MF_DB_WRITER};
    struct bench_histogram times = {0};
    struct mf_error err;
    struct mf_db *db = NULL;
    int64_t rows = 0;
    stop_on(mf_db_open(&options, &db, &err), &err);
    stop_on(mf_migrate(db, mf_migrations, mf_migration_count, 0, path, &err), &err);
    int64_t begin = mono();
    int64_t now = begin;
    while (now - begin < span) {
        int64_t before = now;
        stop_on(mf_db_begin(db, &err), &err);
        for (int i = 0; i < batch; i++)
            stop_on(insert_run(db, ++*seq, now, &err), &err);
        stop_on(mf_db_commit(db, &err), &err);
        now = mono();
        rows += batch;
        bench_histogram_add(&times, now - before);
    }
    report("bare", batch, rows, now - begin, &times);
    mf_db_close(db);
}

struct flight {
    struct mf_command command;
    int64_t begun;
};

/* One caller that has so many creations in flight: each answer makes room for the next. */
struct load {
    struct mf_writer *writer;
    struct flight flights[FLIGHT_MAX];
    struct bench_histogram times; /* the writer thread's */
    int64_t rows, first_seq;
    atomic_int active;
    atomic_bool stop;
};

static struct load load;

static enum mf_code apply(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    (void)command;
    int64_t seq = mf_tx_next_seq(tx);
    enum mf_code code = insert_run(mf_tx_db(tx), load.first_seq + seq, mf_tx_now_ns(tx), err);
    mf_tx_touch(tx, (struct mf_topic){.kind = MF_TOPIC_RUN, .run_id = seq});
    mf_tx_touch(tx, (struct mf_topic){.kind = MF_TOPIC_WORK});
    return code;
}

static void done(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct flight *flight = MF_CONTAINER(command, struct flight, command);
    stop_on(code, err);
    int64_t now = mono();
    load.rows++;
    bench_histogram_add(&load.times, now - flight->begun);
    flight->begun = now;
    if (atomic_load(&load.stop))
        atomic_fetch_sub(&load.active, 1);
    else
        mf_writer_submit(load.writer, command);
}

static void measure_writer(const char *path, int in_flight, int64_t span, int64_t *seq)
{
    struct mf_hub *hub = NULL;
    struct mf_store *store = NULL;
    struct mf_error err;
    stop_on(mf_hub_new(&hub, &err), &err);
    const struct mf_store_config config = {.sys = mf_sys_real(), .path = path, .hub = hub};
    stop_on(mf_store_open(&config, &store, &err), &err);
    load.writer = mf_store_writer(store);
    load.times = (struct bench_histogram){0};
    load.rows = 0;
    load.first_seq = *seq;
    atomic_store(&load.stop, false);
    atomic_store(&load.active, in_flight);
    int64_t begin = mono();
    for (int i = 0; i < in_flight; i++) {
        load.flights[i] = (struct flight){.command = {.apply = apply, .done = done}, .begun = begin};
        mf_writer_submit(load.writer, &load.flights[i].command);
    }
    while (mono() - begin < span)
        usleep(10000);
    atomic_store(&load.stop, true);
    while (atomic_load(&load.active) > 0)
        usleep(100);
    int64_t ns = mono() - begin;
    *seq += mf_store_seq(store);
    mf_store_close(store);
    mf_hub_free(hub);
    report("writer", in_flight, load.rows, ns, &load.times);
}

int main(int argc, char **argv)
{
    static const int sizes[] = {1, 8, 64, 256, 512};
    char path[4096];
    int64_t seq = 0;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: store-bench FOLDER [SECONDS]\n");
        return 2;
    }
    int64_t span = (argc == 3 ? atoll(argv[2]) : 3) * INT64_C(1000000000);
    snprintf(path, sizeof path, "%s/store-bench-%d.db", argv[1], (int)getpid());
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        measure_bare(path, sizes[i], span, &seq);
        measure_writer(path, sizes[i], span, &seq);
    }
    return unlink(path) == 0 ? 0 : 1;
}
