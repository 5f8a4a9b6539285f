/*
 * mayfly-bench SCENARIO [--host H] [--port P] [--gate FILE] [--clients N] [--seconds S]: drives one kind of
 * load against a running server and prints one line: what, how many, per second, percentiles of the latency
 * in milliseconds.
 */
#include "client.h"
#include "histogram.h"

#include "gen/flyteidl2/actions/actions_service.pb.h"
#include "gen/flyteidl2/task/task_service.pb.h"
#include "gen/flyteidl2/workflow/internal_run_service.pb.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROJECT MF_STR("flytesnacks")
#define DOMAIN MF_STR("development")
#define CREATE "/flyteidl2.workflow.RunService/CreateRun"
#define DETAILS "/flyteidl2.workflow.RunService/GetRunDetails"
#define LIST "/flyteidl2.workflow.RunService/ListRuns"
#define ENQUEUE "/flyteidl2.actions.ActionsService/Enqueue"
#define WATCH "/flyteidl2.actions.ActionsService/WatchForUpdates"
#define ABORT "/flyteidl2.workflow.RunService/AbortRun"
#define DEPLOY "/flyteidl2.task.TaskService/DeployTask"
#define RECORD "/flyteidl2.workflow.InternalRunService/RecordAction"
#define EVENTS "/flyteidl2.workflow.InternalRunService/RecordActionEvents"
#define EVENTS_BATCH 100
#define WATCHED_MAX 1000000
#define SETUP_SECONDS 30

struct options {
    const char *host, *port;
    const char *gate; /* the tasks of the runs made here run until this file is gone */
    int clients;
    double seconds;
};

struct bench {
    struct options options;
    struct mf_arena *arena;
    struct bench_histogram latency;
    struct mf_str request; /* the bytes that scenarios with a fixed request send */
    struct mf_buf answer;  /* of the last single call */
    int64_t begin_ns, end_ns;
    int wrong_status; /* of an answer that was not 200 */
    /* Scenario watch. */
    struct mf_str run;
    int64_t *sent_ns; /* by number of the trace */
    uint32_t sent, seen;
    struct mf_buf stream, message;
    struct bench_client *client;
    bool single_done;
};

static int complain(const char *what)
{
    fprintf(stderr, "mayfly-bench: %s\n", what);
    return 1;
}

/* ---- messages ---- */

static struct mf_str encode(struct bench *b, const struct pb_type *type, const void *msg)
{
    struct mf_str bytes = MF_STR_EMPTY;
    struct mf_error err;
    if (pb_encode(b->arena, type, msg, &bytes, &err) != MF_OK) {
        fprintf(stderr, "mayfly-bench: %s\n", err.message);
        exit(1);
    }
    return bytes;
}

/* A run whose task waits for the gate: a few of them occupy the executor, the others stay queued, and what is
 * measured is the control plane. */
static struct mf_str create_request(struct bench *b)
{
    struct mf_str script = mf_str_printf(b->arena, "while [ -e '%s' ]; do sleep 0.2; done", b->options.gate);
    struct pb_task_TaskSpec *spec = pb_new(b->arena, &pb_task_TaskSpec_type);
    struct pb_core_TaskTemplate *template = pb_new(b->arena, &pb_core_TaskTemplate_type);
    struct pb_core_Identifier *id = pb_new(b->arena, &pb_core_Identifier_type);
    struct pb_core_Container *container = pb_new(b->arena, &pb_core_Container_type);
    struct pb_common_ProjectIdentifier project = {.name = PROJECT, .domain = DOMAIN};
    struct pb_task_Inputs inputs = {0};
    struct pb_workflow_CreateRunRequest request = {0};
    if (!spec || !template || !id || !container)
        exit(complain("out of memory"));
    *id = (struct pb_core_Identifier){.project = PROJECT,
                                      .domain = DOMAIN,
                                      .name = MF_STR("bench.main"),
                                      .version = MF_STR("v1"),
                                      .resource_type = pb_core_TASK};
    container->image = MF_STR("none");
    const struct mf_str words[] = {MF_STR("/bin/sh"), MF_STR("-c"), script};
    for (size_t i = 0; i < 3; i++)
        if (!PB_PUSH(b->arena, container->command, words[i]))
            exit(complain("out of memory"));
    template->id = id;
    template->type = MF_STR("bench");
    template->target_case = pb_core_TaskTemplate_tag_container;
    template->target.container = container;
    spec->task_template = template;
    request.id_case = pb_workflow_CreateRunRequest_tag_project_id;
    request.id.project_id = &project;
    request.task_case = pb_workflow_CreateRunRequest_tag_task_spec;
    request.task.task_spec = spec;
    request.input_wrapper_case = pb_workflow_CreateRunRequest_tag_inputs;
    request.input_wrapper.inputs = &inputs;
    return encode(b, &pb_workflow_CreateRunRequest_type, &request);
}

static struct pb_common_RunIdentifier *run_id(struct bench *b)
{
    struct pb_common_RunIdentifier *id = pb_new(b->arena, &pb_common_RunIdentifier_type);
    if (!id)
        exit(complain("out of memory"));
    *id = (struct pb_common_RunIdentifier){.project = PROJECT, .domain = DOMAIN, .name = b->run};
    return id;
}

static struct mf_str enqueue_request(struct bench *b, struct mf_arena *arena, uint32_t number)
{
    struct pb_common_RunIdentifier run = {.project = PROJECT, .domain = DOMAIN, .name = b->run};
    struct pb_common_ActionIdentifier id = {.run = &run, .name = mf_str_printf(arena, "t%u", number)};
    struct pb_task_OutputReferences outputs = {.output_uri = MF_STR("s3://mayfly/bench/outputs.pb")};
    struct pb_task_TraceSpec spec = {0};
    struct pb_workflow_TraceAction trace = {.name = MF_STR("traced"),
                                            .spec = &spec,
                                            .phase = pb_common_ACTION_PHASE_SUCCEEDED,
                                            .outputs = &outputs};
    struct pb_actions_Action action = {.action_id = &id,
                                       .has_parent_action_name = true,
                                       .parent_action_name = MF_STR("a0"),
                                       .input_uri = MF_STR("s3://mayfly/bench/inputs.pb"),
                                       .run_output_base = MF_STR("s3://mayfly/bench/"),
                                       .spec_case = pb_actions_Action_tag_trace,
                                       .spec.trace = &trace};
    struct pb_actions_EnqueueRequest request = {.action = &action};
    struct mf_str bytes = MF_STR_EMPTY;
    struct mf_error err;
    if (pb_encode(arena, &pb_actions_EnqueueRequest_type, &request, &bytes, &err) != MF_OK)
        exit(complain(err.message));
    return bytes;
}

/* ---- loads ---- */

static bool fixed_request(void *ctx, int connection, struct mf_buf *out, bool *more)
{
    struct bench *b = ctx;
    (void)connection;
    (void)more;
    return mf_buf_add_str(out, b->request);
}

static bool timed_response(void *ctx, int connection, int status, struct mf_str body, int64_t ns)
{
    struct bench *b = ctx;
    (void)connection;
    if (status != 200) {
        b->wrong_status = status;
        fprintf(stderr, "mayfly-bench: status %d: %.*s\n", status, MF_FMT(mf_str_take(body, 300)));
        return false;
    }
    return bench_histogram_add(&b->latency, ns);
}

static bool single_request(void *ctx, int connection, struct mf_buf *out, bool *more)
{
    struct bench *b = ctx;
    *more = !b->single_done;
    b->single_done = true;
    return fixed_request(ctx, connection, out, more);
}

static bool single_response(void *ctx, int connection, int status, struct mf_str body, int64_t ns)
{
    struct bench *b = ctx;
    (void)connection;
    (void)ns;
    b->wrong_status = status == 200 ? 0 : status;
    mf_buf_clear(&b->answer);
    return mf_buf_add_str(&b->answer, body);
}

static void write_post(struct bench *b, const char *path, struct mf_str body)
{
    struct mf_buf out = MF_BUF_INIT(0);
    if (!bench_write_post(&out, path, body))
        exit(complain("out of memory"));
    b->request = mf_str_copy(b->arena, mf_buf_str(&out));
    mf_buf_free(&out);
}

/* One call on a connection of its own; ends the program when it fails. */
static void single_call(struct bench *b, const char *path, struct mf_str body)
{
    const struct bench_load load = {.ctx = b, .request = single_request, .response = single_response};
    struct bench_client *client = NULL;
    struct mf_error err;
    write_post(b, path, body);
    b->single_done = false;
    enum mf_code code = bench_client_new(b->options.host, b->options.port, 1, &client, &err);
    if (code == MF_OK)
        code = bench_client_run(client, &load, bench_now_ns() + (int64_t)SETUP_SECONDS * 1000000000, &err);
    bench_client_free(client);
    if (code != MF_OK || b->wrong_status) {
        fprintf(stderr, "mayfly-bench: %s: status %d: %s %.*s\n", path, b->wrong_status,
                code != MF_OK ? err.message : "", MF_FMT(mf_buf_str(&b->answer)));
        exit(1);
    }
}

static void make_run(struct bench *b)
{
    void *decoded = NULL;
    struct mf_error err;
    single_call(b, CREATE, create_request(b));
    struct mf_str bytes = mf_str_copy(b->arena, mf_buf_str(&b->answer));
    if (pb_decode(b->arena, &pb_workflow_CreateRunResponse_type, bytes, &decoded, &err) != MF_OK)
        exit(complain(err.message));
    const struct pb_workflow_CreateRunResponse *response = decoded;
    b->run = response->run->action->id->run->name;
}

static enum mf_code drive(struct bench *b, const struct bench_load *load, struct mf_error *err)
{
    enum mf_code code =
        bench_client_new(b->options.host, b->options.port, b->options.clients, &b->client, err);
    b->begin_ns = bench_now_ns();
    if (code == MF_OK)
        code = bench_client_run(b->client, load, b->begin_ns + (int64_t)(b->options.seconds * 1e9), err);
    b->end_ns = bench_now_ns();
    bench_client_free(b->client);
    return code;
}

static enum mf_code drive_fixed(struct bench *b, struct mf_error *err)
{
    const struct bench_load load = {.ctx = b, .request = fixed_request, .response = timed_response};
    return drive(b, &load, err);
}

static enum mf_code run_echo(struct bench *b, struct mf_error *err)
{
    b->request = MF_STR("GET /healthz HTTP/1.1\r\nhost: bench\r\n\r\n");
    return drive_fixed(b, err);
}

static enum mf_code run_create(struct bench *b, struct mf_error *err)
{
    write_post(b, CREATE, create_request(b));
    return drive_fixed(b, err);
}

/* Every request brings a task of its own, with a trigger. */
static struct mf_str deploy_request(struct bench *b, struct mf_arena *arena, uint32_t number)
{
    struct pb_task_TaskIdentifier id = {.project = PROJECT,
                                        .domain = DOMAIN,
                                        .name = mf_str_printf(arena, "bench.t%u", number),
                                        .version = mf_str_printf(arena, "v%lld", (long long)b->begin_ns)};
    struct pb_core_TaskTemplate template = {.type = MF_STR("bench")};
    struct pb_task_TaskSpec spec = {.task_template = &template, .short_name = MF_STR("bench")};
    struct pb_task_Cron cron = {.expression = MF_STR("0 9 * * MON-FRI"), .timezone = MF_STR("Europe/Berlin")};
    struct pb_task_Schedule schedule = {.expression_case = pb_task_Schedule_tag_cron,
                                        .expression.cron = &cron};
    struct pb_task_TriggerAutomationSpec automation = {
        .type = pb_task_TYPE_SCHEDULE,
        .automation_case = pb_task_TriggerAutomationSpec_tag_schedule,
        .automation.schedule = &schedule,
    };
    struct pb_task_TaskTriggerSpec active = {.active = true};
    struct pb_task_TaskTrigger trigger = {
        .name = MF_STR("daily"), .spec = &active, .automation_spec = &automation};
    struct pb_task_DeployTaskRequest request = {.task_id = &id, .spec = &spec};
    struct mf_str bytes = MF_STR_EMPTY;
    struct mf_error err;
    if (!PB_PUSH(arena, request.triggers, &trigger) ||
        pb_encode(arena, &pb_task_DeployTaskRequest_type, &request, &bytes, &err) != MF_OK)
        exit(complain("out of memory"));
    return bytes;
}

static bool next_deploy(void *ctx, int connection, struct mf_buf *out, bool *more)
{
    struct bench *b = ctx;
    struct mf_arena *arena = mf_arena_new(0);
    (void)connection;
    (void)more;
    bool ok = arena && bench_write_post(out, DEPLOY, deploy_request(b, arena, b->sent++));
    mf_arena_free(arena);
    return ok;
}

static enum mf_code run_deploy(struct bench *b, struct mf_error *err)
{
    const struct bench_load load = {.ctx = b, .request = next_deploy, .response = timed_response};
    return drive(b, &load, err);
}

/* ---- events of an executor elsewhere ---- */

static void record_action(struct bench *b, struct mf_str name)
{
    struct pb_common_ActionIdentifier id = {.run = run_id(b), .name = name};
    struct pb_core_TaskTemplate template = {.type = MF_STR("bench")};
    struct pb_task_TaskSpec spec = {.task_template = &template, .short_name = MF_STR("bench")};
    struct pb_workflow_TaskAction task = {.spec = &spec};
    const struct pb_workflow_RecordActionRequest request = {
        .action_id = &id,
        .parent = MF_STR("a0"),
        .input_uri = MF_STR("s3://mayfly/bench/inputs.pb"),
        .spec_case = pb_workflow_RecordActionRequest_tag_task,
        .spec.task = &task,
    };
    single_call(b, RECORD, encode(b, &pb_workflow_RecordActionRequest_type, &request));
}

/* One event for each of the actions, newer with every batch. */
static bool next_events(void *ctx, int connection, struct mf_buf *out, bool *more)
{
    struct bench *b = ctx;
    struct mf_arena *arena = mf_arena_new(0);
    struct pb_workflow_RecordActionEventsRequest request = {0};
    struct pb_google_protobuf_Timestamp now = {.seconds = bench_now_ns() / 1000000000};
    struct mf_str bytes = MF_STR_EMPTY;
    struct mf_error err;
    struct pb_common_RunIdentifier run = {.project = PROJECT, .domain = DOMAIN, .name = b->run};
    bool ok = arena != NULL;
    (void)connection;
    (void)more;
    for (uint32_t i = 0; ok && i < EVENTS_BATCH; i++) {
        struct pb_workflow_ActionEvent *event = MF_NEW(arena, struct pb_workflow_ActionEvent);
        struct pb_common_ActionIdentifier *id = MF_NEW(arena, struct pb_common_ActionIdentifier);
        ok = event && id;
        if (ok) {
            *id = (struct pb_common_ActionIdentifier){.run = &run, .name = mf_str_printf(arena, "e%u", i)};
            *event = (struct pb_workflow_ActionEvent){.id = id,
                                                      .attempt = 1,
                                                      .phase = 4,
                                                      .version = b->sent,
                                                      .updated_time = &now,
                                                      .reported_time = &now,
                                                      .cluster = MF_STR("elsewhere")};
            ok = PB_PUSH(arena, request.events, event);
        }
    }
    b->sent++;
    ok = ok &&
         pb_encode(arena, &pb_workflow_RecordActionEventsRequest_type, &request, &bytes, &err) == MF_OK &&
         bench_write_post(out, EVENTS, bytes);
    mf_arena_free(arena);
    return ok;
}

static enum mf_code run_events(struct bench *b, struct mf_error *err)
{
    make_run(b);
    for (uint32_t i = 0; i < EVENTS_BATCH; i++)
        record_action(b, mf_str_printf(b->arena, "e%u", i));
    const struct bench_load load = {.ctx = b, .request = next_events, .response = timed_response};
    return drive(b, &load, err);
}

static enum mf_code run_details(struct bench *b, struct mf_error *err)
{
    make_run(b);
    const struct pb_workflow_GetRunDetailsRequest request = {.run_id = run_id(b)};
    write_post(b, DETAILS, encode(b, &pb_workflow_GetRunDetailsRequest_type, &request));
    return drive_fixed(b, err);
}

static enum mf_code run_list(struct bench *b, struct mf_error *err)
{
    struct pb_common_ProjectIdentifier project = {.name = PROJECT, .domain = DOMAIN};
    struct pb_common_ListRequest page = {.limit = 100};
    const struct pb_workflow_ListRunsRequest request = {.request = &page,
                                                        .scope_by_case =
                                                            pb_workflow_ListRunsRequest_tag_project_id,
                                                        .scope_by.project_id = &project};
    write_post(b, LIST, encode(b, &pb_workflow_ListRunsRequest_type, &request));
    return drive_fixed(b, err);
}

/* How fast this disk makes 4 KiB durable, one after the other: the floor of a single client's creation. */
static enum mf_code run_fsync(struct bench *b, struct mf_error *err)
{
    char name[] = "mayfly-bench-fsync-XXXXXX";
    static const char page[4096];
    int fd = mkstemp(name);
    if (fd < 0)
        return mf_fail(err, MF_UNAVAILABLE, "cannot make a file in this folder");
    unlink(name);
    b->begin_ns = bench_now_ns();
    enum mf_code code = MF_OK;
    do {
        int64_t at = bench_now_ns();
        if (write(fd, page, sizeof page) != sizeof page || fdatasync(fd) != 0)
            code = mf_fail(err, MF_UNAVAILABLE, "cannot write");
        b->end_ns = bench_now_ns();
        if (!bench_histogram_add(&b->latency, b->end_ns - at))
            code = mf_fail_memory(err);
    } while (code == MF_OK && b->end_ns - b->begin_ns < (int64_t)(b->options.seconds * 1e9));
    close(fd);
    return code;
}

/* ---- enqueue until it is seen by the parent's watch; connection 0 watches ---- */

static bool watch_request(void *ctx, int connection, struct mf_buf *out, bool *more)
{
    struct bench *b = ctx;
    if (connection == 0)
        return mf_buf_add_str(out, b->request);
    if (b->sent == WATCHED_MAX || bench_now_ns() > b->begin_ns + (int64_t)(b->options.seconds * 0.9e9)) {
        *more = false;
        return true;
    }
    uint32_t number = b->sent++;
    struct mf_arena *arena = mf_arena_new(0);
    bool ok = arena && bench_write_post(out, ENQUEUE, enqueue_request(b, arena, number));
    mf_arena_free(arena);
    b->sent_ns[number] = bench_now_ns();
    return ok;
}

static bool watch_response(void *ctx, int connection, int status, struct mf_str body, int64_t ns)
{
    (void)ctx;
    (void)connection;
    (void)ns;
    if (status != 200)
        fprintf(stderr, "mayfly-bench: status %d: %.*s\n", status, MF_FMT(mf_str_take(body, 300)));
    return status == 200;
}

/* Chunks of HTTP become one stream of bytes. */
static bool unchunk(struct bench *b)
{
    for (;;) {
        struct mf_str in = mf_buf_str(&b->stream);
        size_t line = mf_str_find(in, MF_STR("\r\n"));
        if (line == SIZE_MAX || line > 16)
            return line == SIZE_MAX;
        char hex[17] = {0};
        memcpy(hex, in.ptr, line);
        size_t size = strtoul(hex, NULL, 16);
        if (in.len < line + 2 + size + 2)
            return true;
        if (size == 0 || !mf_buf_add(&b->message, in.ptr + line + 2, size))
            return false;
        mf_buf_drop(&b->stream, line + 2 + size + 2);
    }
}

static bool take_update(struct bench *b, struct mf_arena *arena, struct mf_str bytes)
{
    void *decoded = NULL;
    struct mf_error err;
    uint64_t number = 0;
    if (pb_decode(arena, &pb_actions_WatchForUpdatesResponse_type, bytes, &decoded, &err) != MF_OK)
        return false;
    const struct pb_actions_WatchForUpdatesResponse *response = decoded;
    if (response->message_case != pb_actions_WatchForUpdatesResponse_tag_action_update)
        return true;
    struct mf_str name = response->message.action_update->action_id->name;
    if (!mf_str_to_u64(mf_str_skip(name, 1), &number) || number >= b->sent || b->sent_ns[number] == 0)
        return true;
    int64_t ns = bench_now_ns() - b->sent_ns[number];
    b->sent_ns[number] = 0;
    b->seen++;
    return bench_histogram_add(&b->latency, ns);
}

static bool watch_piece(void *ctx, int connection, struct mf_str bytes)
{
    struct bench *b = ctx;
    (void)connection;
    struct mf_arena *arena = mf_arena_new(0);
    bool ok = arena && mf_buf_add_str(&b->stream, bytes) && unchunk(b);
    while (ok && b->message.len >= 5) {
        const unsigned char *head = (const unsigned char *)b->message.ptr;
        size_t size = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
        if (b->message.len < 5 + size)
            break;
        ok = (head[0] & 2) == 0 && take_update(b, arena, mf_str_make(head + 5, size));
        mf_buf_drop(&b->message, 5 + size);
    }
    mf_arena_free(arena);
    return ok;
}

static enum mf_code run_watch(struct bench *b, struct mf_error *err)
{
    const struct bench_load load = {
        .ctx = b, .request = watch_request, .response = watch_response, .piece = watch_piece};
    make_run(b);
    struct pb_common_ActionIdentifier parent = {.run = run_id(b), .name = MF_STR("a0")};
    const struct pb_actions_WatchForUpdatesRequest request = {
        .filter_case = pb_actions_WatchForUpdatesRequest_tag_parent_action_id,
        .filter.parent_action_id = &parent};
    struct mf_buf out = MF_BUF_INIT(0);
    b->sent_ns = calloc(WATCHED_MAX, sizeof *b->sent_ns);
    if (!b->sent_ns ||
        !bench_write_stream(&out, WATCH, encode(b, &pb_actions_WatchForUpdatesRequest_type, &request)))
        return mf_fail_memory(err);
    b->request = mf_str_copy(b->arena, mf_buf_str(&out));
    mf_buf_free(&out);
    enum mf_code code = drive(b, &load, err);
    if (code == MF_OK && b->seen < b->sent)
        code = mf_fail(err, MF_DATA_LOSS, "%u of %u updates were never seen", b->sent - b->seen, b->sent);
    free(b->sent_ns);
    mf_buf_free(&b->stream);
    mf_buf_free(&b->message);
    const struct pb_workflow_AbortRunRequest abort_request = {.run_id = run_id(b)};
    single_call(b, ABORT, encode(b, &pb_workflow_AbortRunRequest_type, &abort_request));
    return code;
}

static const struct scenario {
    const char *name, *text;
    int clients;
    enum mf_code (*run)(struct bench *b, struct mf_error *err);
} scenarios[] = {
    {"fsync", "4 KiB written and made durable, no server", 1, run_fsync},
    {"echo", "GET /healthz", 64, run_echo},
    {"create", "CreateRun, small inputs", 64, run_create},
    {"create-1", "CreateRun, one client", 1, run_create},
    {"deploy", "DeployTask with a trigger", 64, run_deploy},
    {"events", "RecordActionEvents, batches of 100 events", 16, run_events},
    {"details", "GetRunDetails", 64, run_details},
    {"list", "ListRuns, page of 100", 4, run_list},
    {"watch", "enqueue of a child until the parent's watch shows it", 17, run_watch},
};
#define SCENARIO_COUNT (sizeof scenarios / sizeof scenarios[0])

static int usage(void)
{
    fputs("usage: mayfly-bench SCENARIO [--host H] [--port P] [--gate FILE] [--clients N] [--seconds S]\n",
          stderr);
    for (size_t i = 0; i < SCENARIO_COUNT; i++)
        fprintf(stderr, "  %-10s %s (%d)\n", scenarios[i].name, scenarios[i].text, scenarios[i].clients);
    return 2;
}

static bool read_options(struct options *options, int argc, char **argv)
{
    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--host") == 0)
            options->host = argv[i + 1];
        else if (strcmp(argv[i], "--port") == 0)
            options->port = argv[i + 1];
        else if (strcmp(argv[i], "--gate") == 0)
            options->gate = argv[i + 1];
        else if (strcmp(argv[i], "--clients") == 0)
            options->clients = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--seconds") == 0)
            options->seconds = atof(argv[i + 1]);
        else
            return false;
    }
    return argc % 2 == 0 && options->clients > 0 && options->clients <= 10000 && options->seconds > 0 &&
           options->seconds <= 3600;
}

int main(int argc, char **argv)
{
    const struct scenario *scenario = NULL;
    struct mf_error err;
    for (size_t i = 0; argc > 1 && i < SCENARIO_COUNT; i++)
        if (strcmp(argv[1], scenarios[i].name) == 0)
            scenario = &scenarios[i];
    if (!scenario)
        return usage();
    struct bench b = {.options = {"127.0.0.1", "8090", "", scenario->clients, 5}};
    if (!read_options(&b.options, argc, argv))
        return usage();
    b.arena = mf_arena_new(0);
    if (!b.arena)
        return complain("out of memory");
    enum mf_code code = scenario->run(&b, &err);
    if (code != MF_OK)
        return complain(err.message);
    double seconds = (double)(b.end_ns - b.begin_ns) / 1e9;
    printf("%-10s %8zu done %10.0f /s   p50 %8.3f ms   p99 %8.3f ms   max %8.3f ms   %d clients\n",
           scenario->name, b.latency.count, (double)b.latency.count / seconds,
           bench_histogram_ms(&b.latency, 0.5), bench_histogram_ms(&b.latency, 0.99),
           bench_histogram_ms(&b.latency, 1), b.options.clients);
    bench_histogram_free(&b.latency);
    mf_buf_free(&b.answer);
    mf_arena_free(b.arena);
    return 0;
}
