#include "data_world.h"

#include "gen/flyteidl2/workflow/run_logs_service.pb.h"
#include "tasklog/tasklog.h"

struct log {
    struct mf_tasklog_writer *writer;
    struct wire *w;
    const struct mf_run_row *run;
    int32_t attempt;
};

static struct log open_log(struct wire *w, const struct mf_run_row *run, int32_t attempt)
{
    struct log log = {.w = w, .run = run, .attempt = attempt};
    char dir[256];
    const char *path = NULL;
    const struct mf_tasklog_key key = {MF_STR("p"), MF_STR("d"), run->name, MF_STR("a0"), attempt};
    assert_int_equal(mf_tasklog_path(w->entity.arena, parts.log_dir, &key, &path, &w->entity.err), MF_OK);
    snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(path, '/') - path), path);
    assert_int_equal(mf_make_dirs(dir, 0700, &w->entity.err), MF_OK);
    assert_int_equal(mf_tasklog_create(mf_sys_real(), path, 1 << 20, &log.writer, &w->entity.err), MF_OK);
    return log;
}

/* The executor tells of a log that has grown. */
static void tell(const struct log *log)
{
    char number[16];
    snprintf(number, sizeof number, "%d", log->attempt);
    const struct mf_topic topic = {MF_TOPIC_LOG, log->run->id,
                                   mf_topic_hash2(MF_STR("a0"), mf_str_from_c(number))};
    mf_hub_publish(log->w->entity.hub, &topic, 1);
}

static void say(const struct log *log, enum mf_tasklog_source source, const char *text)
{
    assert_int_equal(mf_tasklog_append(log->writer, source, mf_str_from_c(text), &log->w->entity.err), MF_OK);
    tell(log);
}

static struct wire_stream tail(struct wire *w, uint32_t attempt)
{
    const struct pb_dataproxy_TailLogsRequest request = {.action_id = &data_id(w, "r1", "a0", 0)->action,
                                                         .attempt = attempt};
    struct wire_stream stream = wire_stream(w, PROXY, pb_dataproxy_DataProxyService_TailLogs);
    wire_send(&stream, &request);
    wire_finish(&stream);
    return stream;
}

/* Collects lines until the text is complete; *next is the number of the next message. */
static void expect(struct wire_stream *stream, size_t *next, const char *text)
{
    char got[512] = "";
    while (strlen(got) < strlen(text)) {
        struct pb_dataproxy_TailLogsResponse *message = wire_message(stream, (*next)++);
        for (uint32_t i = 0; i < message->logs.items[0]->lines.count; i++) {
            const struct pb_logs_dataplane_LogLine *line = message->logs.items[0]->lines.items[i];
            size_t len = strlen(got);
            assert_true(line->timestamp->seconds > 0);
            snprintf(got + len, sizeof got - len, "%d:%.*s", line->originator, MF_FMT(line->message));
        }
    }
    assert_string_equal(got, text);
}

static void follows_a_running_attempt(void **state)
{
    struct wire *w = *state;
    size_t next = 0;
    const struct mf_run_row run = story_run(&w->entity, "r1");
    struct wire_stream early = tail(w, 1);
    wire_ended(&early, 0, "\"code\":\"not_found\"");
    fake_close(early.exchange);
    story_add(&w->entity, &run, "a0", "");
    early = tail(w, 1);
    wire_ended(&early, 0, "\"code\":\"not_found\""); /* nothing yet: the client asks again */
    fake_close(early.exchange);

    struct log log = open_log(w, &run, 1);
    say(&log, MF_TASKLOG_STDOUT, "one\n");
    struct wire_stream stream = tail(w, 1);
    expect(&stream, &next, "1:one\n");
    say(&log, MF_TASKLOG_STDERR, "two\nthree\n");
    expect(&stream, &next, "1:two\n1:three\n");
    say(&log, MF_TASKLOG_SYSTEM, "note\n");
    expect(&stream, &next, "2:note\n");
    say(&log, MF_TASKLOG_STDOUT, "no newline");
    mf_tasklog_close(log.writer);
    tell(&log);
    expect(&stream, &next, "1:no newline\n");
    wire_ended(&stream, next, "{}");
    fake_close(stream.exchange);
}

/* A log whose writer was killed is never marked as ended; the end of the attempt ends the stream. */
static void ends_with_the_attempt(void **state)
{
    struct wire *w = *state;
    size_t next = 0;
    const struct mf_run_row run = story_run(&w->entity, "r1");
    story_add(&w->entity, &run, "a0", "");
    struct log log = open_log(w, &run, 1);
    say(&log, MF_TASKLOG_STDOUT, "last words\n");
    struct wire_stream stream = tail(w, 1);
    expect(&stream, &next, "1:last words\n");
    assert_true(story_move(&w->entity, &run, "a0", 1, MF_PHASE_FAILED));
    wire_ended(&stream, next, "{}");
    fake_close(stream.exchange);
    mf_tasklog_close(log.writer);
}

static void reads_finished_attempts(void **state)
{
    struct wire *w = *state;
    size_t next = 0;
    const struct mf_run_row run = story_run(&w->entity, "r1");
    story_add(&w->entity, &run, "a0", "");
    struct log log = open_log(w, &run, 1);
    say(&log, MF_TASKLOG_STDOUT, "first attempt\n");
    mf_tasklog_close(log.writer);
    const struct mf_action_change change = {.run_id = run.id,
                                            .name = MF_STR("a0"),
                                            .attempt = 1,
                                            .phase = MF_PHASE_FAILED,
                                            .cache_status = -1,
                                            .retry = true};
    assert_true(story_report(&w->entity, &change));
    struct wire_stream stream = tail(w, 1);
    expect(&stream, &next, "1:first attempt\n");
    wire_ended(&stream, next, "{}");
    fake_close(stream.exchange);

    log = open_log(w, &run, 2);
    say(&log, MF_TASKLOG_STDOUT, "second\n");
    mf_tasklog_close(log.writer);
    assert_true(story_move(&w->entity, &run, "a0", 2, MF_PHASE_SUCCEEDED));
    stream = tail(w, 0); /* the newest */
    next = 0;
    expect(&stream, &next, "1:second\n");
    wire_ended(&stream, next, "{}");
    fake_close(stream.exchange);
    stream = tail(w, 3);
    wire_ended(&stream, 0, "\"code\":\"not_found\"");
    fake_close(stream.exchange);
}

static void an_attempt_without_a_log(void **state)
{
    struct wire *w = *state;
    const struct mf_run_row run = story_run(&w->entity, "r1");
    story_add(&w->entity, &run, "a0", "");
    assert_true(story_move(&w->entity, &run, "a0", 1, MF_PHASE_SUCCEEDED));
    struct wire_stream stream = tail(w, 1);
    wire_ended(&stream, 0, "{}");
    fake_close(stream.exchange);
}

/* More than one message holds, more than one turn sends. */
static void a_long_log(void **state)
{
    struct wire *w = *state;
    char line[32];
    size_t lines = 0;
    size_t next = 0;
    const size_t total = 20000;
    const struct mf_run_row run = story_run(&w->entity, "r1");
    story_add(&w->entity, &run, "a0", "");
    struct log log = open_log(w, &run, 1);
    for (size_t i = 0; i < total; i++) {
        snprintf(line, sizeof line, "line %zu\n", i);
        assert_int_equal(
            mf_tasklog_append(log.writer, MF_TASKLOG_STDOUT, mf_str_from_c(line), &w->entity.err), MF_OK);
    }
    mf_tasklog_close(log.writer);
    struct wire_stream stream = tail(w, 1);
    while (lines < total) {
        struct pb_dataproxy_TailLogsResponse *message = wire_message(&stream, next++);
        for (uint32_t i = 0; i < message->logs.items[0]->lines.count; i++) {
            snprintf(line, sizeof line, "line %zu\n", lines++);
            assert_str(message->logs.items[0]->lines.items[i]->message, line);
        }
    }
    wire_ended(&stream, next, "{}");
    fake_close(stream.exchange);
}

static void the_older_service(void **state)
{
    struct wire *w = *state;
    const struct mf_run_row run = story_run(&w->entity, "r1");
    story_add(&w->entity, &run, "a0", "");
    struct log log = open_log(w, &run, 1);
    say(&log, MF_TASKLOG_STDOUT, "x\n");
    mf_tasklog_close(log.writer);
    const struct pb_workflow_TailLogsRequest request = {.action_id = &data_id(w, "r1", "a0", 0)->action,
                                                        .attempt = 1};
    struct wire_stream stream =
        wire_stream(w, &pb_workflow_RunLogsService_service, pb_workflow_RunLogsService_TailLogs);
    wire_send(&stream, &request);
    wire_finish(&stream);
    struct pb_workflow_TailLogsResponse *message = wire_message(&stream, 0);
    assert_str(message->logs.items[0]->lines.items[0]->message, "x\n");
    wire_ended(&stream, 1, "{}");
    fake_close(stream.exchange);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, data_setup, data_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(follows_a_running_attempt),
        TEST(ends_with_the_attempt),
        TEST(reads_finished_attempts),
        TEST(an_attempt_without_a_log),
        TEST(a_long_log),
        TEST(the_older_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
