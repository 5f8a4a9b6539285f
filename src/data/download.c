#include "data/service.h"

#include "action/machine.h"
#include "run/data.h"
#include "store/task.h"

/* ---- CreateDownloadLink ---- */

struct mf_str mf_data_code_bundle(const struct pb_task_TaskSpec *spec)
{
    const struct pb_core_TaskTemplate *template = spec ? spec->task_template : NULL;
    if (!template)
        return MF_STR_EMPTY;
    if (template->metadata && template->metadata->code_bundle_uri.len > 0)
        return template->metadata->code_bundle_uri;
    if (template->target_case != pb_core_TaskTemplate_tag_container || !template->target.container)
        return MF_STR_EMPTY;
    const struct pb_core_Container *container = template->target.container;
    for (uint32_t i = 0; i + 1 < container->args.count; i++) {
        if (mf_str_eq_c(container->args.items[i], "--tgz") || mf_str_eq_c(container->args.items[i], "--pkl"))
            return container->args.items[i + 1];
    }
    return MF_STR_EMPTY;
}

static enum mf_code bundle_of_spec(struct mf_arena *arena, struct mf_str bytes, struct mf_str *uri,
                                   struct mf_error *err)
{
    void *spec = NULL;
    enum mf_code code = pb_decode(arena, &pb_task_TaskSpec_type, bytes, &spec, err);
    if (code != MF_OK)
        return code;
    *uri = mf_data_code_bundle(spec);
    return uri->len > 0
               ? MF_OK
               : mf_fail(err, MF_NOT_FOUND, "the task has no code bundle; its code is part of its image");
}

static enum mf_code bundle_of_task(struct mf_data *data, struct mf_arena *arena,
                                   const struct pb_task_TaskIdentifier *id, struct mf_str *uri,
                                   struct mf_error *err)
{
    struct mf_task_row row = {0};
    struct mf_db *db = NULL;
    const struct mf_task_key key = {id->project, id->domain, id->name, id->version};
    enum mf_code code = mf_store_reader(data->config.store, &db, err);
    if (code == MF_OK)
        code = mf_task_get(db, arena, &key, &row, err);
    mf_store_reader_done(data->config.store, db);
    return code == MF_OK ? bundle_of_spec(arena, row.spec, uri, err) : code;
}

static enum mf_code bundle_of_action(struct mf_data *data, struct mf_arena *arena,
                                     const struct mf_action_row *row, struct mf_str *uri,
                                     struct mf_error *err)
{
    struct mf_str body = MF_STR_EMPTY;
    struct mf_db *db = NULL;
    if (row->kind != MF_ACTION_TASK || row->spec_digest.len == 0)
        return mf_fail(err, MF_NOT_FOUND, "action %.*s is no task and has no code bundle", MF_FMT(row->name));
    enum mf_code code = mf_store_reader(data->config.store, &db, err);
    if (code == MF_OK)
        code = mf_spec_get(db, arena, row->spec_digest, &body, err);
    mf_store_reader_done(data->config.store, db);
    return code == MF_OK ? bundle_of_spec(arena, body, uri, err) : code;
}

struct report {
    struct mf_arena *arena;
    struct mf_str uri; /* the newest there is */
    enum mf_code code;
    struct mf_error *err;
};

static bool note_report(void *ctx, const struct mf_event_row *row)
{
    struct report *report = ctx;
    void *decoded = NULL;
    report->code = pb_decode(report->arena, &pb_workflow_ActionEvent_type, row->body, &decoded, report->err);
    const struct pb_workflow_ActionEvent *event = decoded;
    if (report->code == MF_OK && event->outputs && event->outputs->report_uri.len > 0)
        report->uri = event->outputs->report_uri;
    return report->code == MF_OK;
}

static enum mf_code report_of_action(struct mf_data *data, struct mf_arena *arena,
                                     const struct mf_action_row *row, int32_t attempt, struct mf_str *uri,
                                     struct mf_error *err)
{
    struct report report = {.arena = arena, .uri = MF_STR_EMPTY, .err = err};
    struct mf_db *db = NULL;
    enum mf_code code = mf_store_reader(data->config.store, &db, err);
    if (code == MF_OK)
        code = mf_event_list(db, arena, row->run_id, row->name, attempt, note_report, &report, err);
    mf_store_reader_done(data->config.store, db);
    if (code == MF_OK)
        code = report.code;
    if (code != MF_OK)
        return code;
    *uri = report.uri;
    /* While the attempt runs its report may be written already, and no event tells of it. */
    if (uri->len == 0 && row->kind == MF_ACTION_TASK && row->output_uri.len > 0 && attempt == row->attempts)
        *uri = mf_str_printf(arena, "%.*s/report.html", MF_FMT(row->output_uri));
    return uri->len > 0
               ? MF_OK
               : mf_fail(err, MF_NOT_FOUND,
                         "attempt %d of %.*s has no report; set report=True on the task to write one",
                         attempt, MF_FMT(row->name));
}

static enum mf_code artifact_of_attempt(struct mf_data *data, struct mf_arena *arena,
                                        const struct pb_common_ActionAttemptIdentifier *id, int32_t type,
                                        struct mf_str *uri, struct mf_error *err)
{
    struct mf_action_row row;
    enum mf_code code = mf_run_action_row(data->config.store, arena, id->action_id, &row, err);
    if (code != MF_OK)
        return code;
    if (id->attempt > (uint32_t)row.attempts)
        return mf_fail(err, MF_NOT_FOUND, "action %.*s has no attempt %u; its newest is %d", MF_FMT(row.name),
                       id->attempt, row.attempts);
    int32_t attempt = id->attempt > 0 ? (int32_t)id->attempt : row.attempts;
    return type == pb_dataproxy_ARTIFACT_TYPE_REPORT ? report_of_action(data, arena, &row, attempt, uri, err)
                                                     : bundle_of_action(data, arena, &row, uri, err);
}

static enum mf_code find_artifact(struct mf_data *data, struct mf_arena *arena,
                                  const struct pb_dataproxy_CreateDownloadLinkRequest *request,
                                  struct mf_str *uri, struct mf_error *err)
{
    bool exists = false;
    enum mf_code code;
    if (request->artifact_type != pb_dataproxy_ARTIFACT_TYPE_REPORT &&
        request->artifact_type != pb_dataproxy_ARTIFACT_TYPE_CODE_BUNDLE)
        return mf_fail(err, MF_INVALID_ARGUMENT, "artifact_type is required: a report or a code bundle");
    if (request->source_case == pb_dataproxy_CreateDownloadLinkRequest_tag_action_attempt_id)
        code = artifact_of_attempt(data, arena, request->source.action_attempt_id, request->artifact_type,
                                   uri, err);
    else if (request->source_case == pb_dataproxy_CreateDownloadLinkRequest_tag_task_id &&
             request->artifact_type == pb_dataproxy_ARTIFACT_TYPE_CODE_BUNDLE)
        code = bundle_of_task(data, arena, request->source.task_id, uri, err);
    else
        code = mf_fail(
            err, MF_INVALID_ARGUMENT,
            "unsupported source type: a report belongs to an attempt, a code bundle to an attempt or a task");
    if (code == MF_OK)
        code = mf_object_exists(data->config.objects, *uri, &exists, NULL, err);
    if (code == MF_OK && !exists)
        code = mf_fail(err, MF_NOT_FOUND, "there is nothing at %.*s", MF_FMT(*uri));
    return code;
}

void mf_data_on_download_link(void *service, struct mf_call *call)
{
    struct mf_data *data = service;
    const struct pb_dataproxy_CreateDownloadLinkRequest *request = mf_call_request(call);
    struct mf_presign presign = {.host = mf_call_http(call)->authority};
    struct pb_dataproxy_PreSignedURLs urls = {0};
    const struct pb_dataproxy_CreateDownloadLinkResponse response = {.pre_signed_urls = &urls};
    struct pb_google_protobuf_Timestamp expires_at;
    struct mf_str url;
    struct mf_error err;
    enum mf_code code = mf_data_expires(data, request->expires_in, &presign.expires_s, &err);
    if (code == MF_OK)
        code = find_artifact(data, mf_call_arena(call), request, &presign.uri, &err);
    if (code == MF_OK)
        code = mf_object_presign(data->config.objects, mf_call_arena(call), &presign, &url, &err);
    if (code == MF_OK && !PB_PUSH(mf_call_arena(call), urls.signed_url, url))
        code = mf_fail_memory(&err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    expires_at = mf_data_expiry(data, presign.expires_s);
    urls.expires_at = &expires_at;
    mf_call_reply(call, &response);
}

/* ---- GetActionData ---- */

/* What is not there (yet) is shown as an empty message, without a name. */
static bool fill_gaps(struct mf_arena *arena, struct mf_run_data *read)
{
    if (!read->inputs) {
        read->inputs_uri = MF_STR_EMPTY;
        read->inputs = pb_new(arena, &pb_task_Inputs_type);
    }
    if (!read->outputs) {
        read->outputs_uri = MF_STR_EMPTY;
        read->outputs = pb_new(arena, &pb_task_Outputs_type);
    }
    return read->inputs && read->outputs;
}

void mf_data_on_action_data(void *service, struct mf_call *call)
{
    const struct pb_dataproxy_GetActionDataRequest *request = mf_call_request(call);
    struct mf_data *data = service;
    struct mf_arena *arena = mf_call_arena(call);
    struct mf_run_data read;
    struct mf_action_row row;
    struct mf_error err;
    enum mf_code code = mf_run_action_row(data->config.store, arena, request->action_id, &row, &err);
    if (code == MF_OK)
        code = mf_run_data_read(data->config.objects, arena, &row, data->config.data_max, &read, &err);
    if (code == MF_OK && !fill_gaps(arena, &read))
        code = mf_fail_memory(&err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    const struct pb_dataproxy_GetActionDataResponse response = {.inputs = read.inputs,
                                                                .outputs = read.outputs,
                                                                .inputs_uri = read.inputs_uri,
                                                                .outputs_uri = read.outputs_uri};
    mf_call_reply(call, &response);
}
