#include "data/service.h"

#include "action/follow.h"
#include "action/machine.h"
#include "base/time.h"
#include "gen/flyteidl2/workflow/run_logs_service.pb.h"
#include "run/data.h"
#include "tasklog/tasklog.h"

#include <stdio.h>

#define LINES_AT_ONCE 500
#define BYTES_AT_ONCE ((size_t)128 << 10)
#define MESSAGES_AT_ONCE 32 /* before other streams have their turn */

/* A stream of the lines of one attempt; lives in the arena of its call. */
struct tail {
    struct mf_data *data;
    int64_t run_id;
    struct mf_str name;
    int32_t attempt;
    const char *path;
    struct mf_tasklog_reader *reader; /* NULL until there is a file */
    bool old_service;                 /* RunLogsService, whose messages are shaped alike but are others */
};

static void done(void *ctx)
{
    struct tail *tail = ctx;
    mf_tasklog_reader_free(tail->reader);
}

struct lines {
    struct pb_logs_dataplane_LogLine **items;
    uint32_t count, cap;
};

static bool add_line(struct mf_arena *arena, const struct mf_tasklog_line *line, struct lines *out)
{
    struct pb_logs_dataplane_LogLine *message = MF_NEW(arena, struct pb_logs_dataplane_LogLine);
    struct pb_google_protobuf_Timestamp *time = MF_NEW(arena, struct pb_google_protobuf_Timestamp);
    if (!message || !time)
        return false;
    time->seconds = line->time_ns / MF_SECOND_NS;
    time->nanos = (int32_t)(line->time_ns % MF_SECOND_NS);
    message->timestamp = time;
    message->originator =
        line->source == MF_TASKLOG_SYSTEM ? pb_logs_dataplane_SYSTEM : pb_logs_dataplane_USER;
    message->message = line->text;
    /* The client prints lines as they are. */
    if (!mf_str_ends(line->text, MF_STR("\n")))
        message->message = mf_str_printf(arena, "%.*s\n", MF_FMT(line->text));
    return message->message.ptr && PB_PUSH(arena, *out, message);
}

static enum mf_code send_lines(struct tail *tail, struct mf_follow *follow, struct mf_arena *arena,
                               const struct lines *lines, struct mf_error *err)
{
    struct pb_dataproxy_TailLogsResponse_Logs logs = {0};
    struct pb_dataproxy_TailLogsResponse response = {0};
    struct pb_workflow_TailLogsResponse_Logs old_logs = {0};
    struct pb_workflow_TailLogsResponse old_response = {0};
    logs.lines.items = old_logs.lines.items = lines->items;
    logs.lines.count = old_logs.lines.count = lines->count;
    if (tail->old_service ? !PB_PUSH(arena, old_response.logs, &old_logs)
                          : !PB_PUSH(arena, response.logs, &logs))
        return mf_fail_memory(err);
    if (tail->old_service)
        mf_follow_send(follow, &old_response);
    else
        mf_follow_send(follow, &response);
    return MF_OK;
}

/* Sends a batch; *count is 0 when there is nothing new. */
static enum mf_code send_batch(struct tail *tail, struct mf_follow *follow, struct mf_arena *arena,
                               size_t *count, bool *ended, struct mf_error *err)
{
    struct mf_tasklog_line *read = NULL;
    struct lines lines = {0};
    enum mf_code code =
        mf_tasklog_read(tail->reader, arena, LINES_AT_ONCE, BYTES_AT_ONCE, &read, count, ended, err);
    for (size_t i = 0; code == MF_OK && i < *count; i++) {
        if (!add_line(arena, &read[i], &lines))
            code = mf_fail_memory(err);
    }
    return code == MF_OK && *count > 0 ? send_lines(tail, follow, arena, &lines, err) : code;
}

static bool is_over(const struct tail *tail, const struct mf_action_row *row)
{
    return tail->attempt < row->attempts || mf_phase_is_terminal(row->phase);
}

/* Whether the attempt is over is looked at before the log is read, so that what it wrote last is not missed.
 */
static enum mf_code refresh(void *ctx, struct mf_follow *follow, struct mf_db *db, struct mf_arena *scratch,
                            struct mf_error *err)
{
    struct tail *tail = ctx;
    struct mf_action_row row;
    size_t count = 0;
    bool ended = false;
    enum mf_code code = mf_action_get(db, scratch, tail->run_id, tail->name, &row, err);
    if (code == MF_OK && !tail->reader) {
        code = mf_tasklog_open(tail->path, &tail->reader, err);
        if (code == MF_NOT_FOUND && is_over(tail, &row)) {
            mf_call_end(mf_follow_call(follow));
            return MF_OK;
        }
        if (code == MF_NOT_FOUND)
            return mf_fail(err, MF_NOT_FOUND, "attempt %d of %.*s has no log yet; try again in a moment",
                           tail->attempt, MF_FMT(tail->name));
    }
    for (int i = 0; i < MESSAGES_AT_ONCE && code == MF_OK; i++) {
        if (!mf_follow_room(follow))
            return MF_OK;
        code = send_batch(tail, follow, scratch, &count, &ended, err);
        if (code == MF_OK && (ended || (count == 0 && is_over(tail, &row)))) {
            mf_call_end(mf_follow_call(follow));
            return MF_OK;
        }
        if (code == MF_OK && count == 0)
            return MF_OK;
    }
    if (code == MF_OK)
        mf_follow_again(follow);
    return code;
}

static enum mf_code prepare(struct tail *tail, struct mf_arena *arena,
                            const struct pb_common_ActionIdentifier *id, uint32_t attempt,
                            struct mf_error *err)
{
    struct mf_action_row row;
    enum mf_code code = mf_run_action_row(tail->data->config.store, arena, id, &row, err);
    if (code != MF_OK)
        return code;
    if (attempt > (uint32_t)row.attempts)
        return mf_fail(err, MF_NOT_FOUND, "action %.*s has no attempt %u; its newest is %d", MF_FMT(row.name),
                       attempt, row.attempts);
    tail->run_id = row.run_id;
    tail->name = row.name;
    tail->attempt = attempt > 0 ? (int32_t)attempt : row.attempts;
    const struct mf_tasklog_key key = {row.project, row.domain, row.run_name, row.name, tail->attempt};
    return mf_tasklog_path(arena, tail->data->config.log_root, &key, &tail->path, err);
}

/* Every attempt is one process, which stands for one pod of that name (see exec/process/command.c). */
static enum mf_code check_pod(struct mf_arena *arena, const struct tail *tail, struct mf_str run,
                              struct mf_str asked, struct mf_error *err)
{
    struct mf_str pod =
        mf_str_printf(arena, "%.*s-%.*s-%d", MF_FMT(run), MF_FMT(tail->name), tail->attempt - 1);
    if (!pod.ptr)
        return mf_fail_memory(err);
    if (mf_str_eq(pod, asked))
        return MF_OK;
    return mf_fail(err, MF_NOT_FOUND, "attempt %d of %.*s has no pod \"%.*s\"; its only one is %.*s",
                   tail->attempt, MF_FMT(tail->name), (int)mf_utf8_cut(asked, 80), asked.len ? asked.ptr : "",
                   MF_FMT(pod));
}

/* What of an attempt is asked for; empty: all. */
struct selection {
    struct mf_str pod, connector;
    bool by_pod, by_connector;
};

static enum mf_code check_selection(struct mf_arena *arena, const struct tail *tail, struct mf_str run,
                                    const struct selection *selection, struct mf_error *err)
{
    if (selection->by_connector && selection->connector.len > 0)
        return mf_fail(
            err, MF_UNIMPLEMENTED,
            "connector_endpoint: logs of connectors are not kept here; leave it out for the log of "
            "the attempt");
    return selection->by_pod ? check_pod(arena, tail, run, selection->pod, err) : MF_OK;
}

static void start(struct mf_data *data, struct mf_call *call, const struct pb_common_ActionIdentifier *id,
                  uint32_t attempt, const struct selection *selection, bool old_service)
{
    struct mf_error err;
    char number[16];
    struct tail *tail = MF_NEW(mf_call_arena(call), struct tail);
    if (!tail) {
        mf_fail_memory(&err);
        mf_call_fail_error(call, &err);
        return;
    }
    tail->data = data;
    tail->old_service = old_service;
    if (prepare(tail, mf_call_arena(call), id, attempt, &err) != MF_OK ||
        check_selection(mf_call_arena(call), tail, id->run->name, selection, &err) != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    snprintf(number, sizeof number, "%d", tail->attempt);
    const struct mf_follow_config config = {
        .store = data->config.store,
        .topics =
            {
                {MF_TOPIC_LOG, tail->run_id, mf_topic_hash2(tail->name, mf_str_from_c(number))},
                {MF_TOPIC_ACTION, tail->run_id, mf_topic_hash(tail->name)},
            },
        .topic_count = 2,
        .refresh = refresh,
        .ctx = tail,
        .done = done,
    };
    mf_follow_start(call, &config);
}

void mf_data_on_tail_logs(void *data, struct mf_call *call)
{
    const struct pb_dataproxy_TailLogsRequest *request = mf_call_request(call);
    struct selection selection = {.connector = request->connector_endpoint,
                                  .by_connector = request->has_connector_endpoint};
    selection.by_pod = request->pod_selector_case == pb_dataproxy_TailLogsRequest_tag_pod_name;
    if (selection.by_pod)
        selection.pod = request->pod_selector.pod_name;
    start(data, call, request->action_id, request->attempt, &selection, false);
}

void mf_data_on_run_logs(void *data, struct mf_call *call)
{
    const struct pb_workflow_TailLogsRequest *request = mf_call_request(call);
    const struct selection all = {0};
    start(data, call, request->action_id, request->attempt, &all, true);
}
