#include "run/check.h"

#include "run/message.h"

#include <math.h>

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool has_control(struct mf_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_control(text.ptr[i]))
            return true;
    }
    return false;
}

static enum mf_code check_text(struct mf_str text, size_t max, const char *field, struct mf_error *err)
{
    if (text.len > max)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%s: must be no more than %zu bytes", field, max);
    if (has_control(text))
        return mf_fail(err, MF_INVALID_ARGUMENT, "%s: must not hold control characters", field);
    return MF_OK;
}

/* ---- labels, annotations, variables ---- */

static enum mf_code check_label(struct mf_str name, struct mf_str value, struct mf_error *err)
{
    if (name.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "run_spec.labels: the name of a label must not be empty");
    if (name.len > MF_RUN_LABEL_NAME_MAX || has_control(name))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "run_spec.labels: the name \"%.*s\" must be no more than %u bytes without control "
                       "characters",
                       MF_FMT(mf_str_take(name, mf_utf8_cut(name, 60))), MF_RUN_LABEL_NAME_MAX);
    if (value.len > MF_RUN_LABEL_VALUE_MAX || has_control(value))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "run_spec.labels: the value of \"%.*s\" must be no more than %u bytes without control "
                       "characters",
                       MF_FMT(mf_str_take(name, mf_utf8_cut(name, 60))), MF_RUN_LABEL_VALUE_MAX);
    return MF_OK;
}

static enum mf_code check_labels(const struct pb_task_Labels *labels, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    if (labels && labels->values.count > MF_RUN_LABELS_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "run_spec.labels: a run takes no more than %u labels",
                       MF_RUN_LABELS_MAX);
    for (uint32_t i = 0; labels && i < labels->values.count && code == MF_OK; i++)
        code = check_label(labels->values.items[i]->key, labels->values.items[i]->value, err);
    return code;
}

static enum mf_code check_annotations(const struct pb_task_Annotations *annotations, struct mf_error *err)
{
    size_t bytes = 0;
    for (uint32_t i = 0; annotations && i < annotations->values.count; i++) {
        const struct pb_task_Annotations_ValuesEntry *entry = annotations->values.items[i];
        bytes += entry->key.len + entry->value.len;
        if (entry->key.len == 0 || entry->key.len > MF_RUN_LABEL_NAME_MAX || has_control(entry->key))
            return mf_fail(err, MF_INVALID_ARGUMENT,
                           "run_spec.annotations: names must be 1 to %u bytes without control characters",
                           MF_RUN_LABEL_NAME_MAX);
    }
    if (bytes > MF_RUN_ANNOTATIONS_BYTES_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "run_spec.annotations: must be no more than %zu bytes together",
                       MF_RUN_ANNOTATIONS_BYTES_MAX);
    return MF_OK;
}

static enum mf_code check_envs(const struct pb_task_Envs *envs, struct mf_error *err)
{
    if (envs && envs->values.count > MF_RUN_ENVS_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "run_spec.envs: a run takes no more than %u variables",
                       MF_RUN_ENVS_MAX);
    for (uint32_t i = 0; envs && i < envs->values.count; i++) {
        const struct pb_core_KeyValuePair *pair = envs->values.items[i];
        if (pair->key.len == 0 || mf_str_find_char(pair->key, '=') != SIZE_MAX || has_control(pair->key))
            return mf_fail(err, MF_INVALID_ARGUMENT,
                           "run_spec.envs: \"%.*s\" is no name for a variable; it must not be empty nor hold "
                           "\"=\" or control characters",
                           MF_FMT(mf_str_take(pair->key, mf_utf8_cut(pair->key, 60))));
        if (mf_str_find_char(pair->value, '\0') != SIZE_MAX ||
            pair->key.len + pair->value.len + 2 > MF_RUN_ENV_BYTES_MAX)
            return mf_fail(err, MF_INVALID_ARGUMENT,
                           "run_spec.envs: the value of %.*s must be less than %zu bytes without NUL; pass "
                           "large values as inputs",
                           MF_FMT(mf_str_take(pair->key, mf_utf8_cut(pair->key, 60))), MF_RUN_ENV_BYTES_MAX);
    }
    return MF_OK;
}

/* ---- names and folders ---- */

static enum mf_code check_queue(struct mf_str queue, struct mf_error *err)
{
    bool ok = queue.len <= 63;
    for (size_t i = 0; i < queue.len && ok; i++) {
        char c = queue.ptr[i];
        ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
             c == '_' || c == '.' || c == '/';
    }
    return ok ? MF_OK
              : mf_fail(err, MF_INVALID_ARGUMENT,
                        "run_spec.queue: must be no more than 63 letters, digits, '-', '_', '.', '/'");
}

/* A folder that tasks write to: a URI, or a path from the root. */
static enum mf_code check_folder(struct mf_str uri, const char *field, struct mf_error *err)
{
    enum mf_code code = check_text(uri, MF_RUN_URI_MAX, field, err);
    if (code == MF_OK && uri.len > 0 && uri.ptr[0] != '/' && mf_str_find(uri, MF_STR("://")) == SIZE_MAX)
        code = mf_fail(err, MF_INVALID_ARGUMENT, "%s: \"%.*s\" must be a URI like s3://bucket/folder", field,
                       MF_FMT(mf_str_take(uri, mf_utf8_cut(uri, 100))));
    return code;
}

/* ---- relation ---- */

static bool same_run(const struct pb_common_RunIdentifier *a, const struct pb_common_RunIdentifier *b)
{
    return mf_str_eq(a->project, b->project) && mf_str_eq(a->domain, b->domain) &&
           mf_str_eq(a->name, b->name);
}

static enum mf_code check_relation(const struct pb_task_RunSpec *spec, struct mf_error *err)
{
    const struct pb_common_Relation *relation = spec->relation;
    if (relation && (relation->relation_type < pb_common_RELATION_TYPE_RERUN ||
                     relation->relation_type > pb_common_RELATION_TYPE_ON_ARTIFACT))
        return mf_fail(err, MF_INVALID_ARGUMENT, "run_spec.relation.relation_type: %d is not known",
                       (int)relation->relation_type);
    if (relation && relation->related_to && spec->related_to &&
        !same_run(relation->related_to, spec->related_to))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "run_spec.related_to: must name the run of run_spec.relation.related_to, or none");
    if (!spec->recover)
        return MF_OK;
    if (relation && relation->relation_type != pb_common_RELATION_TYPE_RECOVER)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "run_spec.recover: goes only with a relation_type of RELATION_TYPE_RECOVER");
    if (!relation && !spec->related_to)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "run_spec.recover: run_spec.relation must name the run to be recovered");
    if (spec->recover->force_rerun_actions.count > MF_RUN_FORCED_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "run_spec.recover.force_rerun_actions: must be no more than %u names",
                       MF_RUN_FORCED_MAX);
    return MF_OK;
}

enum mf_code mf_run_spec_check(const struct pb_task_RunSpec *spec, struct mf_error *err)
{
    enum mf_code code = check_labels(spec->labels, err);
    if (code == MF_OK)
        code = check_annotations(spec->annotations, err);
    if (code == MF_OK)
        code = check_envs(spec->envs, err);
    if (code == MF_OK)
        code = check_queue(spec->queue, err);
    if (code == MF_OK)
        code = check_folder(spec->run_base_dir, "run_spec.run_base_dir", err);
    if (code == MF_OK && spec->raw_data_storage)
        code = check_folder(spec->raw_data_storage->raw_data_prefix,
                            "run_spec.raw_data_storage.raw_data_prefix", err);
    if (code == MF_OK && spec->cache_config &&
        (spec->cache_config->cache_lookup_scope < 0 ||
         spec->cache_config->cache_lookup_scope > pb_task_CACHE_LOOKUP_SCOPE_PROJECT_DOMAIN))
        code = mf_fail(err, MF_INVALID_ARGUMENT, "run_spec.cache_config.cache_lookup_scope: %d is not known",
                       (int)spec->cache_config->cache_lookup_scope);
    return code == MF_OK ? check_relation(spec, err) : code;
}

/* ---- the task ---- */

static enum mf_code check_duration(const struct pb_google_protobuf_Duration *duration, const char *field,
                                   const char *name, struct mf_error *err)
{
    if (!duration || (duration->seconds >= 0 && duration->nanos >= 0))
        return MF_OK;
    return mf_fail(err, MF_INVALID_ARGUMENT, "%s.task_template.metadata.%s: must not be negative", field,
                   name);
}

enum mf_code mf_run_task_check(const struct pb_task_TaskSpec *spec, const char *field, struct mf_error *err)
{
    const struct pb_core_TaskMetadata *metadata = spec->task_template ? spec->task_template->metadata : NULL;
    const struct pb_core_RetryStrategy *retries = metadata ? metadata->retries : NULL;
    const struct pb_core_Backoff *backoff = retries ? retries->backoff : NULL;
    if (!metadata)
        return MF_OK;
    enum mf_code code = check_duration(metadata->timeout, field, "timeout", err);
    if (code == MF_OK && metadata->timeouts)
        code = check_duration(metadata->timeouts->queued_timeout, field, "timeouts.queued_timeout", err);
    if (code == MF_OK && metadata->timeouts)
        code = check_duration(metadata->timeouts->deadline, field, "timeouts.deadline", err);
    if (code == MF_OK && retries && retries->retries > MF_RUN_RETRIES_MAX)
        code = mf_fail(err, MF_INVALID_ARGUMENT,
                       "%s.task_template.metadata.retries.retries: must be no more than %u", field,
                       MF_RUN_RETRIES_MAX);
    if (code == MF_OK && backoff)
        code = check_duration(backoff->base, field, "retries.backoff.base", err);
    if (code == MF_OK && backoff)
        code = check_duration(backoff->cap, field, "retries.backoff.cap", err);
    if (code == MF_OK && backoff && backoff->has_factor &&
        !(backoff->factor >= 1 && isfinite(backoff->factor)))
        code = mf_fail(err, MF_INVALID_ARGUMENT,
                       "%s.task_template.metadata.retries.backoff.factor: must be a number from 1 on", field);
    return code;
}

/* ---- the request ---- */

enum mf_code mf_run_request_check(const struct pb_workflow_CreateRunRequest *request, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    const struct pb_task_Inputs *inputs =
        request->input_wrapper_case == pb_workflow_CreateRunRequest_tag_inputs ? request->input_wrapper.inputs
                                                                               : NULL;
    if (request->source < 0 || request->source > pb_workflow_RUN_SOURCE_ARTIFACT_TRIGGER)
        return mf_fail(err, MF_INVALID_ARGUMENT, "source: %d is not known", (int)request->source);
    if (inputs && (inputs->literals.count > MF_RUN_INPUTS_MAX || inputs->context.count > MF_RUN_INPUTS_MAX))
        return mf_fail(err, MF_INVALID_ARGUMENT, "inputs: must be no more than %u values; put more into one",
                       MF_RUN_INPUTS_MAX);
    if (request->run_start_time && mf_run_timestamp_ns(request->run_start_time) <= 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "run_start_time: must be after 1970-01-01T00:00:00Z");
    if (request->task_case == pb_workflow_CreateRunRequest_tag_task_spec && request->task.task_spec)
        code = mf_run_task_check(request->task.task_spec, "task_spec", err);
    if (code == MF_OK && request->run_spec)
        code = mf_run_spec_check(request->run_spec, err);
    return code;
}
