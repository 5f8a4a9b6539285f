/*
 * mayfly-herd [--host H] [--port P] [--gate FILE] [--triggers N]: deploys so many triggers that are all due
 * in the same second, waits for it, and prints how late their runs were made and when all of them were
 * durable. Tasks of the runs wait until the gate is gone: a few occupy the executor, the others stay queued.
 */
#include "client.h"
#include "histogram.h"

#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/task/task_service.pb.h"
#include "gen/flyteidl2/trigger/trigger_service.pb.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PROJECT MF_STR("flytesnacks")
#define DOMAIN MF_STR("development")
#define VERSION MF_STR("v1")
#define DEPLOY_TASK "/flyteidl2.task.TaskService/DeployTask"
#define DEPLOY_TRIGGER "/flyteidl2.trigger.TriggerService/DeployTrigger"
#define METRICS "GET /metrics HTTP/1.1\r\nhost: bench\r\n\r\n"
#define LIST "/flyteidl2.workflow.RunService/ListRuns"
#define TRIGGERS_EACH 500 /* of one task */
#define CONNECTIONS 32
#define DEPLOYS_PER_SECOND 1000 /* that can be relied on */
#define LOOK_EVERY_NS 5000000
#define PATIENCE_S 120
#define SECOND_NS INT64_C(1000000000)

struct herd {
    const char *host, *port, *gate;
    uint32_t triggers;
    struct mf_arena *arena;
    uint32_t tasks_sent, triggers_sent;
    char expression[64];
    int64_t due_ns;               /* wall clock */
    uint32_t fired, fired_before; /* by all triggers of the server */
    int64_t all_ns;               /* when all were seen to be there */
    struct bench_histogram lateness;
    struct mf_str token;
    bool listed;
};

static void stop(const char *what)
{
    fprintf(stderr, "mayfly-herd: %s\n", what);
    exit(1);
}

static void *need(void *pointer)
{
    if (!pointer)
        stop("out of memory");
    return pointer;
}

static int64_t wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

static bool post(struct mf_buf *out, struct mf_arena *arena, const char *path, const struct pb_type *type,
                 const void *message)
{
    struct mf_str bytes = MF_STR_EMPTY;
    struct mf_error err;
    if (pb_encode(arena, type, message, &bytes, &err) != MF_OK)
        stop(err.message);
    return bench_write_post(out, path, bytes);
}

static bool accepted(void *ctx, int connection, int status, struct mf_str body, int64_t ns)
{
    (void)ctx;
    (void)connection;
    (void)ns;
    if (status != 200)
        fprintf(stderr, "mayfly-herd: status %d: %.*s\n", status, MF_FMT(mf_str_take(body, 300)));
    return status == 200;
}

static void drive(struct herd *herd, int connections, const struct bench_load *load)
{
    struct bench_client *client = NULL;
    struct mf_error err;
    enum mf_code code = bench_client_new(herd->host, herd->port, connections, &client, &err);
    if (code == MF_OK)
        code = bench_client_run(client, load, bench_now_ns() + PATIENCE_S * SECOND_NS, &err);
    bench_client_free(client);
    if (code != MF_OK)
        stop(err.message);
}

/* ---- deploying ---- */

static bool next_task(void *ctx, int connection, struct mf_buf *out, bool *more)
{
    struct herd *herd = ctx;
    struct mf_arena *arena = need(mf_arena_new(0));
    struct pb_task_TaskIdentifier id = {.project = PROJECT, .domain = DOMAIN, .version = VERSION};
    struct pb_core_Container container = {.image = MF_STR("none")};
    struct pb_core_RuntimeMetadata runtime = {.type = pb_core_RuntimeMetadata_FLYTE_SDK,
                                              .version = MF_STR("2.6.0")};
    struct pb_core_TaskMetadata metadata = {.runtime = &runtime};
    struct pb_core_TaskTemplate template = {.type = MF_STR("bench"),
                                            .metadata = &metadata,
                                            .target_case = pb_core_TaskTemplate_tag_container,
                                            .target.container = &container};
    struct pb_task_TaskSpec spec = {.task_template = &template, .short_name = MF_STR("herd")};
    const struct pb_task_DeployTaskRequest request = {.task_id = &id, .spec = &spec};
    (void)connection;
    *more = herd->tasks_sent * TRIGGERS_EACH < herd->triggers;
    bool ok = true;
    if (*more) {
        const struct mf_str words[] = {
            MF_STR("/bin/sh"), MF_STR("-c"),
            mf_str_printf(arena, "while [ -e '%s' ]; do sleep 0.2; done", herd->gate)};
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
            ok = ok && PB_PUSH(arena, container.command, words[i]);
        id.name = mf_str_printf(arena, "herd.t%u", herd->tasks_sent++);
        ok = ok && post(out, arena, DEPLOY_TASK, &pb_task_DeployTaskRequest_type, &request);
    }
    mf_arena_free(arena);
    return ok;
}

static bool next_trigger(void *ctx, int connection, struct mf_buf *out, bool *more)
{
    struct herd *herd = ctx;
    struct mf_arena *arena = need(mf_arena_new(0));
    struct pb_common_TriggerName name = {.project = PROJECT, .domain = DOMAIN};
    struct pb_task_Cron cron = {.expression = mf_str_from_c(herd->expression)};
    struct pb_task_Schedule schedule = {.expression_case = pb_task_Schedule_tag_cron,
                                        .expression.cron = &cron};
    struct pb_task_TriggerAutomationSpec automation = {
        .type = pb_task_TYPE_SCHEDULE,
        .automation_case = pb_task_TriggerAutomationSpec_tag_schedule,
        .automation.schedule = &schedule,
    };
    struct pb_task_Inputs inputs = {0};
    struct pb_trigger_TriggerSpec spec = {.active = true,
                                          .task_version = VERSION,
                                          .input_wrapper_case = pb_trigger_TriggerSpec_tag_inputs,
                                          .input_wrapper.inputs = &inputs};
    const struct pb_trigger_DeployTriggerRequest request = {
        .name = &name, .spec = &spec, .automation_spec = &automation};
    (void)connection;
    *more = herd->triggers_sent < herd->triggers;
    bool ok = true;
    if (*more) {
        name.task_name = mf_str_printf(arena, "herd.t%u", herd->triggers_sent / TRIGGERS_EACH);
        name.name = mf_str_printf(arena, "n%u", herd->triggers_sent++);
        ok = post(out, arena, DEPLOY_TRIGGER, &pb_trigger_DeployTriggerRequest_type, &request);
    }
    mf_arena_free(arena);
    return ok;
}

/* Once a year, in a few seconds. */
static void choose_time(struct herd *herd)
{
    int64_t seconds = wall_ns() / SECOND_NS + 5 + herd->triggers / DEPLOYS_PER_SECOND;
    time_t at = (time_t)seconds;
    struct tm utc;
    gmtime_r(&at, &utc);
    snprintf(herd->expression, sizeof herd->expression, "%d %d %d %d %d *", utc.tm_sec, utc.tm_min,
             utc.tm_hour, utc.tm_mday, utc.tm_mon + 1);
    herd->due_ns = seconds * SECOND_NS;
}

static void deploy(struct herd *herd)
{
    const struct bench_load tasks = {.ctx = herd, .request = next_task, .response = accepted};
    const struct bench_load triggers = {.ctx = herd, .request = next_trigger, .response = accepted};
    drive(herd, 1, &tasks);
    choose_time(herd);
    int64_t begun = wall_ns();
    drive(herd, CONNECTIONS, &triggers);
    int64_t now = wall_ns();
    printf("deployed   %u triggers in %.2f s, due %.2f s later\n", herd->triggers,
           (double)(now - begun) / 1e9, (double)(herd->due_ns - now) / 1e9);
    fflush(stdout);
    if (now + SECOND_NS / 2 > herd->due_ns)
        stop("deploying took too long; try fewer triggers");
}

/* ---- waiting ---- */

static void sleep_ns(int64_t ns)
{
    const struct timespec time = {.tv_sec = (time_t)(ns / SECOND_NS), .tv_nsec = (long)(ns % SECOND_NS)};
    if (ns > 0)
        nanosleep(&time, NULL);
}

static bool next_look(void *ctx, int connection, struct mf_buf *out, bool *more)
{
    const struct herd *herd = ctx;
    (void)connection;
    *more = herd->fired - herd->fired_before < herd->triggers;
    sleep_ns(*more ? LOOK_EVERY_NS : 0);
    return !*more || mf_buf_add_str(out, MF_STR(METRICS));
}

/* Counts what the commits have confirmed. */
static bool looked(void *ctx, int connection, int status, struct mf_str body, int64_t ns)
{
    struct herd *herd = ctx;
    const struct mf_str name = MF_STR("\nmayfly_schedule_fires_total{");
    (void)connection;
    (void)ns;
    herd->fired = 0;
    for (;;) {
        size_t at = mf_str_find(body, name);
        if (status != 200 || at == SIZE_MAX)
            break;
        body = mf_str_skip(body, at + name.len);
        size_t value = mf_str_find_char(body, ' ');
        size_t end = mf_str_find_char(body, '\n');
        int64_t count = 0;
        if (value < end && mf_str_to_i64(mf_str_make(body.ptr + value + 1, end - value - 1), &count))
            herd->fired += (uint32_t)count;
    }
    herd->all_ns = wall_ns();
    return status == 200;
}

static bool next_page(void *ctx, int connection, struct mf_buf *out, bool *more)
{
    struct herd *herd = ctx;
    struct pb_common_ListRequest list = {.limit = 500, .token = herd->token};
    struct pb_common_ProjectIdentifier project = {.name = PROJECT, .domain = DOMAIN};
    const struct pb_workflow_ListRunsRequest request = {.request = &list,
                                                        .scope_by_case =
                                                            pb_workflow_ListRunsRequest_tag_project_id,
                                                        .scope_by.project_id = &project};
    (void)connection;
    *more = !herd->listed;
    return !*more || post(out, herd->arena, LIST, &pb_workflow_ListRunsRequest_type, &request);
}

static bool took_page(void *ctx, int connection, int status, struct mf_str body, int64_t ns)
{
    struct herd *herd = ctx;
    void *decoded = NULL;
    struct mf_error err;
    bool ok = accepted(ctx, connection, status, body, ns);
    if (!ok)
        return false;
    if (pb_decode(herd->arena, &pb_workflow_ListRunsResponse_type, mf_str_copy(herd->arena, body), &decoded,
                  &err) != MF_OK)
        stop(err.message);
    const struct pb_workflow_ListRunsResponse *response = decoded;
    herd->token = response->token;
    herd->listed = response->token.len == 0;
    for (uint32_t i = 0; ok && i < response->runs.count; i++) { /* the newest first */
        const struct pb_google_protobuf_Timestamp *made = response->runs.items[i]->action->status->start_time;
        int64_t late = made->seconds * SECOND_NS + made->nanos - herd->due_ns;
        if (late < 0)
            herd->listed = true;
        else
            ok = bench_histogram_add(&herd->lateness, late);
    }
    return ok;
}

static bool look_once(void *ctx, int connection, struct mf_buf *out, bool *more)
{
    const struct herd *herd = ctx;
    (void)connection;
    *more = herd->all_ns == 0;
    return !*more || mf_buf_add_str(out, MF_STR(METRICS));
}

static void watch(struct herd *herd)
{
    const struct bench_load before = {.ctx = herd, .request = look_once, .response = looked};
    const struct bench_load look = {.ctx = herd, .request = next_look, .response = looked};
    const struct bench_load list = {.ctx = herd, .request = next_page, .response = took_page};
    drive(herd, 1, &before);
    herd->fired_before = herd->fired;
    sleep_ns(herd->due_ns - wall_ns());
    drive(herd, 1, &look);
    if (herd->fired - herd->fired_before < herd->triggers)
        stop("not all triggers have fired");
    drive(herd, 1, &list);
    if (herd->lateness.count != herd->triggers)
        stop("there are more or fewer runs than triggers");
    printf("herd       %u runs made first %.1f ms  p50 %.1f ms  p99 %.1f ms  max %.1f ms after they were "
           "due; all durable "
           "(and seen) after %.1f ms\n",
           herd->triggers, bench_histogram_ms(&herd->lateness, 0), bench_histogram_ms(&herd->lateness, 0.5),
           bench_histogram_ms(&herd->lateness, 0.99), bench_histogram_ms(&herd->lateness, 1),
           (double)(herd->all_ns - herd->due_ns) / 1e6);
}

static bool read_options(struct herd *herd, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--host") == 0)
            herd->host = argv[i + 1];
        else if (strcmp(argv[i], "--port") == 0)
            herd->port = argv[i + 1];
        else if (strcmp(argv[i], "--gate") == 0)
            herd->gate = argv[i + 1];
        else if (strcmp(argv[i], "--triggers") == 0)
            herd->triggers = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else
            return false;
    }
    return argc % 2 == 1 && herd->triggers > 0 && herd->triggers <= 1000000;
}

int main(int argc, char **argv)
{
    struct herd herd = {.host = "127.0.0.1", .port = "8090", .gate = "", .triggers = 10000};
    if (!read_options(&herd, argc, argv)) {
        fputs("usage: mayfly-herd [--host H] [--port P] [--gate FILE] [--triggers N]\n", stderr);
        return 2;
    }
    herd.arena = need(mf_arena_new(SIZE_MAX / 2));
    deploy(&herd);
    watch(&herd);
    bench_histogram_free(&herd.lateness);
    mf_arena_free(herd.arena);
    return 0;
}
