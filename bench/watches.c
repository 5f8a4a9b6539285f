/*
 * mayfly-watches fan-out|snapshot [--host H] [--port P] [--pid N] [--gate FILE] [--count N]: what open
 * watches cost. fan-out: so many watches of one run on shared connections, a third each of WatchRunDetails,
 * WatchActionDetails and WatchActions; prints the memory of the server for each, how long one change takes
 * until the last of them has it, and how long the same number of bare requests takes. snapshot: a run with so
 * many actions, and how long WatchActions takes to show them, with and without filters.
 */
#include "client.h"
#include "h2.h"

#include "gen/flyteidl2/actions/actions_service.pb.h"
#include "gen/flyteidl2/workflow/internal_run_service.pb.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"

#include <stdio.h>
#include <stdlib.h>

#define PROJECT MF_STR("flytesnacks")
#define DOMAIN MF_STR("development")
#define RUNS "/flyteidl2.workflow.RunService/"
#define STREAMS_EACH 900 /* on one connection */
#define ROUNDS 7
#define IN_FLIGHT 64
#define SECONDS(n) (bench_now_ns() + (int64_t)(n)*1000000000)

struct bench {
    const char *host, *port, *gate;
    long pid;
    int count;
    struct mf_arena *arena;
    struct bench_h2 *h2;
    struct bench_stream *streams;
    uint32_t wanted; /* messages of each stream */
    int behind;      /* streams that have fewer */
    int next;        /* actions that were enqueued */
    struct mf_str run;
    uint32_t seen, expected; /* actions of a snapshot */
    int64_t first_ns;
    struct mf_str answer;
};

static void stop(const char *what)
{
    fprintf(stderr, "mayfly-watches: %s\n", what);
    exit(1);
}

static void *need(void *pointer)
{
    if (!pointer)
        stop("out of memory");
    return pointer;
}

static struct mf_str encode(struct bench *b, const struct pb_type *type, const void *msg, bool envelope)
{
    struct mf_str bytes = MF_STR_EMPTY;
    struct mf_error err;
    if (pb_encode(b->arena, type, msg, &bytes, &err) != MF_OK)
        stop(err.message);
    if (!envelope)
        return bytes;
    char *whole = need(mf_arena_bytes(b->arena, bytes.len + 5));
    const unsigned char head[5] = {0, (unsigned char)(bytes.len >> 24), (unsigned char)(bytes.len >> 16),
                                   (unsigned char)(bytes.len >> 8), (unsigned char)bytes.len};
    memcpy(whole, head, sizeof head);
    if (bytes.len > 0)
        memcpy(whole + sizeof head, bytes.ptr, bytes.len);
    return mf_str_make(whole, bytes.len + sizeof head);
}

static void keep_answer(struct bench_stream *stream, struct mf_str bytes)
{
    struct bench *b = stream->ctx;
    b->answer = mf_str_copy(b->arena, bytes);
}

static bool is_closed(void *ctx)
{
    const struct bench_stream *stream = ctx;
    return stream->closed;
}

static struct mf_str call(struct bench *b, const char *path, struct mf_str body)
{
    struct bench_stream stream = {.ctx = b, .message = keep_answer, .plain = true};
    if (!bench_h2_open(b->h2, 0, &stream, path, "application/proto", body) ||
        !bench_h2_run(b->h2, is_closed, &stream, SECONDS(30)))
        stop(path);
    return b->answer;
}

static struct pb_common_RunIdentifier run_id(struct bench *b)
{
    return (struct pb_common_RunIdentifier){.project = PROJECT, .domain = DOMAIN, .name = b->run};
}

/* A run whose task waits for the gate. */
static void create_run(struct bench *b)
{
    const struct mf_str words[] = {MF_STR("/bin/sh"), MF_STR("-c"),
                                   mf_str_printf(b->arena, "while [ -e '%s' ]; do sleep 0.2; done", b->gate)};
    struct pb_core_Identifier id = {.project = PROJECT,
                                    .domain = DOMAIN,
                                    .name = MF_STR("bench.main"),
                                    .version = MF_STR("v1"),
                                    .resource_type = pb_core_TASK};
    struct pb_core_Container container = {.image = MF_STR("none")};
    struct pb_core_TaskTemplate template = {.id = &id,
                                            .type = MF_STR("bench"),
                                            .target_case = pb_core_TaskTemplate_tag_container,
                                            .target.container = &container};
    struct pb_task_TaskSpec spec = {.task_template = &template};
    struct pb_common_ProjectIdentifier project = {.name = PROJECT, .domain = DOMAIN};
    struct pb_task_Inputs inputs = {0};
    const struct pb_workflow_CreateRunRequest request = {
        .id_case = pb_workflow_CreateRunRequest_tag_project_id,
        .id.project_id = &project,
        .task_case = pb_workflow_CreateRunRequest_tag_task_spec,
        .task.task_spec = &spec,
        .input_wrapper_case = pb_workflow_CreateRunRequest_tag_inputs,
        .input_wrapper.inputs = &inputs};
    void *decoded = NULL;
    struct mf_error err;
    for (size_t i = 0; i < 3; i++) {
        if (!PB_PUSH(b->arena, container.command, words[i]))
            stop("out of memory");
    }
    struct mf_str bytes =
        call(b, RUNS "CreateRun", encode(b, &pb_workflow_CreateRunRequest_type, &request, false));
    if (pb_decode(b->arena, &pb_workflow_CreateRunResponse_type, bytes, &decoded, &err) != MF_OK)
        stop(err.message);
    const struct pb_workflow_CreateRunResponse *response = decoded;
    b->run = response->run->action->id->run->name;
}

/* ---- fan-out ---- */

static void count_message(struct bench_stream *stream, struct mf_str bytes)
{
    struct bench *b = stream->ctx;
    (void)bytes;
    if (stream->messages == b->wanted)
        b->behind--;
}

static bool all_have(void *ctx)
{
    const struct bench *b = ctx;
    return b->behind == 0;
}

static long memory_kb(const struct bench *b)
{
    char path[64];
    char line[256];
    long kb = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", b->pid);
    FILE *file = b->pid > 0 ? fopen(path, "r") : NULL;
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "VmRSS:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    }
    if (file)
        fclose(file);
    return kb;
}

static void open_watches(struct bench *b)
{
    struct pb_common_RunIdentifier run = run_id(b);
    struct pb_common_ActionIdentifier action = {.run = &run, .name = MF_STR("a0")};
    const struct pb_workflow_WatchRunDetailsRequest details = {.run_id = &run};
    const struct pb_workflow_WatchActionDetailsRequest one = {.action_id = &action};
    const struct pb_workflow_WatchActionsRequest all = {.run_id = &run};
    const struct {
        const char *path;
        struct mf_str body;
    } kinds[] = {
        {RUNS "WatchRunDetails", encode(b, &pb_workflow_WatchRunDetailsRequest_type, &details, true)},
        {RUNS "WatchActionDetails", encode(b, &pb_workflow_WatchActionDetailsRequest_type, &one, true)},
        {RUNS "WatchActions", encode(b, &pb_workflow_WatchActionsRequest_type, &all, true)},
    };
    b->streams = need(calloc((size_t)b->count, sizeof *b->streams));
    b->wanted = 1;
    b->behind = b->count;
    for (int i = 0; i < b->count; i++) {
        b->streams[i] = (struct bench_stream){.ctx = b, .message = count_message};
        if (!bench_h2_open(b->h2, i / STREAMS_EACH, &b->streams[i], kinds[i % 3].path,
                           "application/connect+proto", kinds[i % 3].body))
            stop("cannot open a stream");
    }
    if (!bench_h2_run(b->h2, all_have, b, SECONDS(60)))
        stop("not every watch has begun");
}

static struct mf_str change(struct bench *b, uint32_t version)
{
    struct pb_common_RunIdentifier run = run_id(b);
    struct pb_common_ActionIdentifier action = {.run = &run, .name = MF_STR("a0")};
    struct pb_google_protobuf_Timestamp now = {.seconds = 1800000000 + version};
    struct pb_workflow_ActionEvent event = {.id = &action,
                                            .attempt = 1,
                                            .phase = pb_common_ACTION_PHASE_RUNNING,
                                            .version = version,
                                            .updated_time = &now};
    struct pb_workflow_RecordActionEventsRequest request = {0};
    if (!PB_PUSH(b->arena, request.events, &event))
        stop("out of memory");
    struct pb_workflow_ClusterEvent said = {.occurred_at = &now, .message = MF_STR("changed")};
    if (!PB_PUSH(b->arena, event.cluster_events, &said))
        stop("out of memory");
    return encode(b, &pb_workflow_RecordActionEventsRequest_type, &request, false);
}

static int by_time(const void *left, const void *right)
{
    const int64_t *a = left;
    const int64_t *b = right;
    return *a < *b ? -1 : *a > *b;
}

static void print_times(const char *what, int64_t times[ROUNDS])
{
    qsort(times, ROUNDS, sizeof times[0], by_time);
    printf("%-34s min %.1f median %.1f max %.1f ms\n", what, (double)times[0] / 1e6,
           (double)times[ROUNDS / 2] / 1e6, (double)times[ROUNDS - 1] / 1e6);
}

/* As many bare requests at once, on the same connections. */
static void measure_echo(struct bench *b)
{
    int64_t times[ROUNDS];
    struct bench_stream *echoes = need(calloc((size_t)b->count, sizeof *echoes));
    for (int round = 0; round < ROUNDS; round++) {
        b->wanted = 1;
        b->behind = b->count;
        for (int i = 0; i < b->count; i++) {
            echoes[i] = (struct bench_stream){.ctx = b, .message = count_message, .plain = true};
            if (!bench_h2_open(b->h2, i / STREAMS_EACH, &echoes[i], "/healthz", "text/plain", MF_STR_EMPTY))
                stop("cannot open a stream");
        }
        int64_t begin = bench_now_ns();
        if (!bench_h2_run(b->h2, all_have, b, SECONDS(30)))
            stop("not every request was answered");
        times[round] = bench_now_ns() - begin;
    }
    print_times("echo, as many requests at once", times);
    free(echoes);
}

static bool is_enough(void *ctx)
{
    struct bench *b = ctx;
    b->behind = 0;
    for (int i = 0; i < b->count; i++)
        b->behind += b->streams[i].messages < b->wanted;
    return b->behind == 0;
}

static bool has_passed(void *ctx)
{
    const int64_t *until = ctx;
    return bench_now_ns() >= *until;
}

/* Until the executor has begun with the task, and everything is quiet. */
static void settle(struct bench *b)
{
    int64_t until = SECONDS(2);
    (void)bench_h2_run(b->h2, has_passed, &until, until);
}

static void fan_out(struct bench *b)
{
    int64_t times[ROUNDS];
    create_run(b);
    settle(b);
    measure_echo(b);
    long before = memory_kb(b);
    open_watches(b);
    settle(b);
    long after = memory_kb(b);
    printf("%d watches: %ld kB before, %ld kB with them, %.2f kB each\n", b->count, before, after,
           (double)(after - before) / b->count);
    for (int round = 0; round < ROUNDS; round++) {
        struct bench_stream stream = {.ctx = b, .plain = true};
        struct mf_str body = change(b, 1000 + (uint32_t)round);
        for (int i = 0; i < b->count; i++)
            b->streams[i].messages = 0;
        b->wanted = 1;
        b->behind = b->count;
        int64_t begin = bench_now_ns();
        if (!bench_h2_open(b->h2, b->count / STREAMS_EACH, &stream,
                           "/flyteidl2.workflow.InternalRunService/RecordActionEvents", "application/proto",
                           body) ||
            !bench_h2_run(b->h2, all_have, b, SECONDS(30)))
            stop("not every watch has seen the change");
        times[round] = bench_now_ns() - begin;
        settle(b);
        if (!stream.closed || !is_enough(b))
            stop("the change was not answered");
    }
    print_times("one change to all watches", times);
    printf("memory after the changes: %ld kB\n", memory_kb(b));
}

/* ---- snapshot ---- */

static struct mf_str enqueue(struct bench *b, int number)
{
    struct pb_common_RunIdentifier run = run_id(b);
    struct pb_common_ActionIdentifier id = {.run = &run, .name = mf_str_printf(b->arena, "t%d", number)};
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
    const struct pb_actions_EnqueueRequest request = {.action = &action};
    return encode(b, &pb_actions_EnqueueRequest_type, &request, false);
}

static void enqueue_next(struct bench_stream *stream, struct mf_str bytes)
{
    struct bench *b = stream->ctx;
    (void)bytes;
    b->behind--;
    if (b->next == b->count)
        return;
    struct bench_stream *next = need(mf_arena_alloc(b->arena, sizeof *next));
    *next = (struct bench_stream){.ctx = b, .message = enqueue_next, .plain = true};
    if (!bench_h2_open(b->h2, b->next, next, "/flyteidl2.actions.ActionsService/Enqueue", "application/proto",
                       enqueue(b, b->next)))
        stop("cannot open a stream");
    b->next++;
}

static void make_actions(struct bench *b)
{
    struct bench_stream first[IN_FLIGHT];
    b->behind = b->count + IN_FLIGHT;
    for (size_t i = 0; i < IN_FLIGHT; i++) {
        first[i] = (struct bench_stream){.ctx = b};
        enqueue_next(&first[i], MF_STR_EMPTY);
    }
    if (!bench_h2_run(b->h2, all_have, b, SECONDS(120)))
        stop("not every action was recorded");
}

static void count_actions(struct bench_stream *stream, struct mf_str bytes)
{
    struct bench *b = stream->ctx;
    struct mf_arena *arena = need(mf_arena_new(0));
    struct mf_error err;
    void *decoded = NULL;
    if (pb_decode(arena, &pb_workflow_WatchActionsResponse_type, bytes, &decoded, &err) != MF_OK)
        stop(err.message);
    const struct pb_workflow_WatchActionsResponse *response = decoded;
    for (uint32_t i = 0; i < response->enriched_actions.count; i++)
        b->seen += !mf_str_eq_c(response->enriched_actions.items[i]->action->id->name, "a0");
    if (b->first_ns == 0 && response->enriched_actions.count > 0)
        b->first_ns = bench_now_ns();
    mf_arena_free(arena);
}

static bool all_seen(void *ctx)
{
    const struct bench *b = ctx;
    return b->seen >= b->expected;
}

static void measure_snapshot(struct bench *b, const char *what, struct pb_common_Filter *filter)
{
    struct pb_common_RunIdentifier run = run_id(b);
    struct pb_workflow_WatchActionsRequest request = {.run_id = &run};
    if (filter && !PB_PUSH(b->arena, request.filter, filter))
        stop("out of memory");
    for (int round = 0; round < 3; round++) {
        struct bench_h2 *kept = b->h2;
        struct bench_stream stream = {.ctx = b, .message = count_actions, .collect = true};
        struct mf_error err;
        b->seen = 0;
        b->first_ns = 0;
        b->expected = (uint32_t)b->count;
        int64_t begin = bench_now_ns();
        /* A connection of its own ends the watch when it is closed. */
        if (bench_h2_new(b->host, b->port, 1, &b->h2, &err) != MF_OK)
            stop(err.message);
        if (!bench_h2_open(b->h2, 0, &stream, RUNS "WatchActions", "application/connect+proto",
                           encode(b, &pb_workflow_WatchActionsRequest_type, &request, true)) ||
            !bench_h2_run(b->h2, all_seen, b, SECONDS(60)))
            stop("not every action was shown");
        printf("%-34s first page %.1f ms, all %.1f ms\n", what, (double)(b->first_ns - begin) / 1e6,
               (double)(bench_now_ns() - begin) / 1e6);
        bench_h2_free(b->h2);
        mf_buf_free(&stream.body);
        b->h2 = kept;
    }
}

static void snapshot(struct bench *b)
{
    struct pb_common_Filter phase = {.function = pb_common_Filter_VALUE_IN, .field = MF_STR("PHASE")};
    struct pb_common_Filter name = {.function = pb_common_Filter_CONTAINS_CASE_INSENSITIVE,
                                    .field = MF_STR("NAME")};
    create_run(b);
    make_actions(b);
    if (!PB_PUSH(b->arena, phase.values, MF_STR("5")) || !PB_PUSH(b->arena, name.values, MF_STR("trace")))
        stop("out of memory");
    measure_snapshot(b, "WatchActions", NULL);
    measure_snapshot(b, "WatchActions, by phase", &phase);
    measure_snapshot(b, "WatchActions, by name", &name);
}

int main(int argc, char **argv)
{
    struct bench b = {.host = "127.0.0.1", .port = "8090", .gate = "/nonexistent"};
    struct mf_error err;
    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--host") == 0)
            b.host = argv[i + 1];
        else if (strcmp(argv[i], "--port") == 0)
            b.port = argv[i + 1];
        else if (strcmp(argv[i], "--gate") == 0)
            b.gate = argv[i + 1];
        else if (strcmp(argv[i], "--pid") == 0)
            b.pid = strtol(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--count") == 0)
            b.count = (int)strtol(argv[i + 1], NULL, 10);
        else
            stop("an option that is not known");
    }
    bool fans = argc > 1 && strcmp(argv[1], "fan-out") == 0;
    if (!fans && !(argc > 1 && strcmp(argv[1], "snapshot") == 0))
        stop("say fan-out or snapshot");
    if (b.count <= 0)
        b.count = fans ? 10000 : 50000;
    b.arena = need(mf_arena_new((size_t)1 << 30));
    if (bench_h2_new(b.host, b.port, fans ? b.count / STREAMS_EACH + 1 : 1, &b.h2, &err) != MF_OK)
        stop(err.message);
    if (fans)
        fan_out(&b);
    else
        snapshot(&b);
    bench_h2_free(b.h2);
    free(b.streams);
    mf_arena_free(b.arena);
    return 0;
}
