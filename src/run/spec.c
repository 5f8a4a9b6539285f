#include "run/spec.h"

#include "gen/flyteidl2/settings/settings_definition.pb.h"
#include "run/message.h"

static const uint64_t first_version[3] = {2, 3, 6};

static bool is_digit(struct mf_str text, size_t at)
{
    return at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9';
}

/* Reads "a.b.c" at the offset. */
static bool parse_at(struct mf_str text, size_t at, uint64_t parts[3])
{
    for (int part = 0; part < 3; part++) {
        size_t begin = at;
        while (is_digit(text, at))
            at++;
        if (at == begin || !mf_str_to_u64(mf_str_make(text.ptr + begin, at - begin), &parts[part]))
            return false;
        if (part < 2 && (at >= text.len || text.ptr[at] != '.'))
            return false;
        at++;
    }
    return true;
}

bool mf_run_sdk_takes_start_time(struct mf_str version)
{
    uint64_t parts[3];
    for (size_t at = 0; at < version.len; at++) {
        if (!parse_at(version, at, parts))
            continue;
        for (int i = 0; i < 3; i++) {
            if (parts[i] != first_version[i])
                return parts[i] > first_version[i];
        }
        return true;
    }
    return false;
}

static struct mf_str sdk_version(const struct pb_task_TaskSpec *task)
{
    if (!task->task_template || !task->task_template->metadata || !task->task_template->metadata->runtime)
        return MF_STR_EMPTY;
    return task->task_template->metadata->runtime->version;
}

static bool fill_start(struct mf_arena *arena, struct pb_task_RunSpec *out,
                       struct pb_google_protobuf_Timestamp *start, const struct pb_task_TaskSpec *task,
                       int64_t now_ns)
{
    if (out->run_start_time || !mf_run_sdk_takes_start_time(sdk_version(task)))
        return true;
    out->run_start_time = start ? start : mf_run_timestamp(arena, now_ns);
    return out->run_start_time != NULL;
}

static bool fill_storage(struct mf_arena *arena, struct pb_task_RunSpec *out, struct mf_str prefix)
{
    if (out->raw_data_storage && out->raw_data_storage->raw_data_prefix.len > 0)
        return true;
    out->raw_data_storage = MF_NEW(arena, struct pb_task_RawDataStorage);
    if (out->raw_data_storage)
        out->raw_data_storage->raw_data_prefix = prefix;
    return out->raw_data_storage != NULL;
}

/* related_to is the older form, which did not say what the relation is. */
static bool fill_relation(struct mf_arena *arena, struct pb_task_RunSpec *out)
{
    if (out->relation) {
        out->related_to = out->relation->related_to;
        return true;
    }
    if (!out->related_to)
        return true;
    out->relation = MF_NEW(arena, struct pb_common_Relation);
    if (!out->relation)
        return false;
    out->relation->related_to = out->related_to;
    out->relation->relation_type =
        out->recover ? pb_common_RELATION_TYPE_RECOVER : pb_common_RELATION_TYPE_RERUN;
    return true;
}

/* ---- settings ---- */

static bool merge_labels(struct mf_arena *arena, struct pb_task_RunSpec *out,
                         const struct pb_settings_StringMap *settings)
{
    const struct pb_task_Labels *given = out->labels;
    struct pb_task_Labels *labels = MF_NEW(arena, struct pb_task_Labels);
    bool ok = labels != NULL;
    for (uint32_t i = 0; ok && given && i < given->values.count; i++)
        ok = PB_PUSH(arena, labels->values, given->values.items[i]);
    for (uint32_t i = 0; ok && i < settings->entries.count; i++) {
        const struct pb_settings_StringMap_EntriesEntry *entry = settings->entries.items[i];
        bool known = false;
        for (uint32_t k = 0; given && k < given->values.count && !known; k++)
            known = mf_str_eq(given->values.items[k]->key, entry->key);
        struct pb_task_Labels_ValuesEntry *label =
            known ? NULL : MF_NEW(arena, struct pb_task_Labels_ValuesEntry);
        if (label) {
            label->key = entry->key;
            label->value = entry->value;
        }
        ok = known || (label && PB_PUSH(arena, labels->values, label));
    }
    out->labels = labels;
    return ok;
}

static bool merge_annotations(struct mf_arena *arena, struct pb_task_RunSpec *out,
                              const struct pb_settings_StringMap *settings)
{
    const struct pb_task_Annotations *given = out->annotations;
    struct pb_task_Annotations *annotations = MF_NEW(arena, struct pb_task_Annotations);
    bool ok = annotations != NULL;
    for (uint32_t i = 0; ok && given && i < given->values.count; i++)
        ok = PB_PUSH(arena, annotations->values, given->values.items[i]);
    for (uint32_t i = 0; ok && i < settings->entries.count; i++) {
        const struct pb_settings_StringMap_EntriesEntry *entry = settings->entries.items[i];
        bool known = false;
        for (uint32_t k = 0; given && k < given->values.count && !known; k++)
            known = mf_str_eq(given->values.items[k]->key, entry->key);
        struct pb_task_Annotations_ValuesEntry *annotation =
            known ? NULL : MF_NEW(arena, struct pb_task_Annotations_ValuesEntry);
        if (annotation) {
            annotation->key = entry->key;
            annotation->value = entry->value;
        }
        ok = known || (annotation && PB_PUSH(arena, annotations->values, annotation));
    }
    out->annotations = annotations;
    return ok;
}

static bool task_sets(const struct pb_task_TaskSpec *task, struct mf_str name)
{
    const struct pb_core_TaskTemplate *template = task->task_template;
    if (!template || template->target_case != pb_core_TaskTemplate_tag_container ||
        !template->target.container)
        return false;
    for (uint32_t i = 0; i < template->target.container->env.count; i++) {
        if (mf_str_eq(template->target.container->env.items[i]->key, name))
            return true;
    }
    return false;
}

static bool merge_envs(struct mf_arena *arena, struct pb_task_RunSpec *out,
                       const struct pb_task_TaskSpec *task, const struct pb_settings_StringMap *settings)
{
    const struct pb_task_Envs *given = out->envs;
    struct pb_task_Envs *envs = MF_NEW(arena, struct pb_task_Envs);
    bool ok = envs != NULL;
    for (uint32_t i = 0; ok && given && i < given->values.count; i++)
        ok = PB_PUSH(arena, envs->values, given->values.items[i]);
    for (uint32_t i = 0; ok && i < settings->entries.count; i++) {
        const struct pb_settings_StringMap_EntriesEntry *entry = settings->entries.items[i];
        bool known = task_sets(task, entry->key);
        for (uint32_t k = 0; given && k < given->values.count && !known; k++)
            known = mf_str_eq(given->values.items[k]->key, entry->key);
        struct pb_core_KeyValuePair *pair = known ? NULL : MF_NEW(arena, struct pb_core_KeyValuePair);
        if (pair) {
            pair->key = entry->key;
            pair->value = entry->value;
        }
        ok = known || (pair && PB_PUSH(arena, envs->values, pair));
    }
    out->envs = envs;
    return ok;
}

static bool fill_account(struct mf_arena *arena, struct pb_task_RunSpec *out, struct mf_str account)
{
    struct pb_core_SecurityContext *context = MF_NEW(arena, struct pb_core_SecurityContext);
    if (out->security_context && out->security_context->run_as)
        return true;
    if (!context)
        return false;
    if (out->security_context)
        *context = *out->security_context;
    context->run_as = MF_NEW(arena, struct pb_core_Identity);
    if (context->run_as)
        context->run_as->k8s_service_account = account;
    out->security_context = context;
    return context->run_as != NULL;
}

static struct pb_core_Resources_ResourceEntry *entry_of(struct mf_arena *arena, int32_t name,
                                                        struct mf_str value)
{
    struct pb_core_Resources_ResourceEntry *entry = MF_NEW(arena, struct pb_core_Resources_ResourceEntry);
    if (entry) {
        entry->name = name;
        entry->value = value;
    }
    return entry;
}

static bool fill_resources(struct mf_arena *arena, struct pb_task_TaskResourceDefaults *out,
                           const struct mf_settings *settings)
{
    const struct {
        int32_t name;
        struct mf_str min, max;
    } rows[] = {
        {pb_core_Resources_CPU, settings->min.cpu, settings->max.cpu},
        {pb_core_Resources_GPU, settings->min.gpu, settings->max.gpu},
        {pb_core_Resources_MEMORY, settings->min.memory, settings->max.memory},
        {pb_core_Resources_STORAGE, settings->min.storage, settings->max.storage},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pb_core_Resources_ResourceEntry *entry = NULL;
        if (rows[i].min.len > 0) {
            entry = entry_of(arena, rows[i].name, rows[i].min);
            if (!entry || !PB_PUSH(arena, out->requests, entry))
                return false;
        }
        if (rows[i].max.len > 0) {
            entry = entry_of(arena, rows[i].name, rows[i].max);
            if (!entry || !PB_PUSH(arena, out->max, entry))
                return false;
        }
    }
    return true;
}

/* What executors fall back to for a task that asks for nothing. */
static bool fill_defaults(struct mf_arena *arena, struct pb_task_RunSpec *out,
                          const struct mf_settings *settings)
{
    struct pb_task_TaskResourceDefaults *resources = MF_NEW(arena, struct pb_task_TaskResourceDefaults);
    struct pb_task_DefaultSettings *defaults = MF_NEW(arena, struct pb_task_DefaultSettings);
    if (!resources || !defaults || !fill_resources(arena, resources, settings))
        return false;
    resources->default_accelerator =
        (struct pb_core_GPUAccelerator *)(uintptr_t)settings->default_accelerator;
    defaults->pod_template_name = settings->pod_template_name;
    if (resources->requests.count > 0 || resources->max.count > 0 || resources->default_accelerator)
        defaults->task_resource_defaults = resources;
    out->default_settings =
        defaults->task_resource_defaults || defaults->pod_template_name.len > 0 ? defaults : NULL;
    return true;
}

static bool apply_settings(struct mf_arena *arena, struct pb_task_RunSpec *out,
                           const struct pb_task_TaskSpec *task, const struct mf_settings *settings)
{
    bool ok = true;
    if (out->run_base_dir.len == 0)
        out->run_base_dir = settings->run_base_dir;
    if (out->queue.len == 0)
        out->queue = settings->default_queue;
    if (out->max_action_concurrency == 0 && settings->max_action_concurrency > 0 &&
        settings->max_action_concurrency <= UINT32_MAX)
        out->max_action_concurrency = (uint32_t)settings->max_action_concurrency;
    if (settings->labels)
        ok = merge_labels(arena, out, settings->labels);
    if (ok && settings->annotations)
        ok = merge_annotations(arena, out, settings->annotations);
    if (ok && settings->environment_variables)
        ok = merge_envs(arena, out, task, settings->environment_variables);
    if (ok && settings->service_account.len > 0)
        ok = fill_account(arena, out, settings->service_account);
    if (ok && settings->raw_data_path.len > 0)
        ok = fill_storage(arena, out, settings->raw_data_path);
    return ok && fill_defaults(arena, out, settings);
}

struct pb_task_RunSpec *mf_run_spec_complete(struct mf_arena *arena, const struct pb_task_RunSpec *given,
                                             struct pb_google_protobuf_Timestamp *start,
                                             const struct pb_task_TaskSpec *task,
                                             const struct mf_run_spec_rules *rules)
{
    struct pb_task_RunSpec *out = MF_NEW(arena, struct pb_task_RunSpec);
    if (!out)
        return NULL;
    if (given)
        *out = *given;
    out->cluster_pool = MF_RUN_CLUSTER_POOL;
    out->task_spec_source = rules->task_source;
    out->default_settings = NULL;
    bool ok = fill_start(arena, out, start, task, rules->now_ns) && fill_relation(arena, out);
    if (ok && rules->settings)
        ok = apply_settings(arena, out, task, rules->settings);
    return ok && fill_storage(arena, out, rules->storage) ? out : NULL;
}
