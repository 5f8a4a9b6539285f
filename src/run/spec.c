#include "run/spec.h"

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

struct pb_task_RunSpec *mf_run_spec_complete(struct mf_arena *arena,
                                             const struct pb_workflow_CreateRunRequest *request,
                                             const struct pb_task_TaskSpec *task,
                                             const struct mf_run_spec_rules *rules)
{
    struct pb_task_RunSpec *out = MF_NEW(arena, struct pb_task_RunSpec);
    if (!out)
        return NULL;
    if (request->run_spec)
        *out = *request->run_spec;
    if (!out->run_start_time && mf_run_sdk_takes_start_time(sdk_version(task))) {
        out->run_start_time =
            request->run_start_time ? request->run_start_time : mf_run_timestamp(arena, rules->now_ns);
        if (!out->run_start_time)
            return NULL;
    }
    if (!out->raw_data_storage || out->raw_data_storage->raw_data_prefix.len == 0) {
        struct pb_task_RawDataStorage *storage = MF_NEW(arena, struct pb_task_RawDataStorage);
        if (!storage)
            return NULL;
        storage->raw_data_prefix = rules->storage;
        out->raw_data_storage = storage;
    }
    out->task_spec_source = rules->task_source;
    return out;
}
