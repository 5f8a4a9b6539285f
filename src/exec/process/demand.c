#include "exec/process/demand.h"

#include "base/quantity.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/task/run.pb.h"

#include <math.h>

#define NS_PER_SECOND INT64_C(1000000000)
#define RETRIES_MAX 1000
#define CPU_MILLI_MAX 1e9
#define BYTES_MAX 9e18

int64_t mf_duration_ns(const struct pb_google_protobuf_Duration *duration)
{
    int64_t total = 0;
    if (!duration || __builtin_mul_overflow(duration->seconds, NS_PER_SECOND, &total) ||
        __builtin_add_overflow(total, (int64_t)duration->nanos, &total) || total < 0)
        return 0;
    return total;
}

/* Of the requests or else of the limits; false when neither says. */
static bool find_amount(const struct pb_core_Resources *resources, int32_t name, bool limit_first,
                        double *out)
{
    if (!resources)
        return false;
    for (int pass = 0; pass < 2; pass++) {
        bool limits = (pass == 0) == limit_first;
        uint32_t count = limits ? resources->limits.count : resources->requests.count;
        for (uint32_t i = 0; i < count; i++) {
            const struct pb_core_Resources_ResourceEntry *entry =
                limits ? resources->limits.items[i] : resources->requests.items[i];
            if (entry->name == name && mf_quantity(entry->value, out))
                return true;
        }
    }
    return false;
}

static void take_resources(const struct pb_core_Resources *resources, struct mf_demand *out)
{
    double amount;
    if (find_amount(resources, pb_core_Resources_CPU, false, &amount) && amount > 0)
        out->cpu_milli = (int64_t)ceil(fmin(amount * 1000, CPU_MILLI_MAX));
    if (find_amount(resources, pb_core_Resources_MEMORY, false, &amount) && amount > 0) {
        out->memory_bytes = (int64_t)fmin(amount, BYTES_MAX);
        out->memory_asked = true;
    }
    if (out->memory_asked && find_amount(resources, pb_core_Resources_MEMORY, true, &amount) && amount > 0)
        out->memory_max_bytes = (int64_t)fmin(amount, BYTES_MAX);
}

static void take_metadata(const struct pb_core_TaskMetadata *metadata, struct mf_demand *out)
{
    out->discoverable = metadata->discoverable;
    out->serializable = metadata->cache_serializable;
    out->cache_max_age_ns = mf_duration_ns(metadata->cache_max_age);
    out->max_runtime_ns = mf_duration_ns(metadata->timeout);
    if (metadata->timeouts) {
        out->queued_timeout_ns = mf_duration_ns(metadata->timeouts->queued_timeout);
        out->deadline_ns = mf_duration_ns(metadata->timeouts->deadline);
    }
    if (!metadata->retries)
        return;
    out->retries =
        metadata->retries->retries < RETRIES_MAX ? (int32_t)metadata->retries->retries : RETRIES_MAX;
    const struct pb_core_Backoff *backoff = metadata->retries->backoff;
    if (!backoff)
        return;
    out->backoff_base_ns = mf_duration_ns(backoff->base);
    out->backoff_cap_ns = mf_duration_ns(backoff->cap);
    if (backoff->has_factor && isfinite(backoff->factor) && backoff->factor > 1)
        out->backoff_factor = backoff->factor;
}

void mf_demand_of(const struct pb_core_TaskTemplate *template, struct mf_demand *out)
{
    *out = (struct mf_demand){
        .cpu_milli = MF_DEMAND_CPU_MILLI, .memory_bytes = MF_DEMAND_MEMORY_BYTES, .backoff_factor = 1};
    if (!template)
        return;
    if (template->target_case == pb_core_TaskTemplate_tag_container)
        take_resources(template->target.container->resources, out);
    if (template->metadata)
        take_metadata(template->metadata, out);
}

static void take_bounds(struct pb_core_Resources_ResourceEntry *const *entries, uint32_t count,
                        int64_t *cpu_milli, int64_t *memory_bytes)
{
    double amount;
    for (uint32_t i = 0; i < count; i++) {
        if (!mf_quantity(entries[i]->value, &amount) || amount <= 0)
            continue;
        if (entries[i]->name == pb_core_Resources_CPU)
            *cpu_milli = (int64_t)ceil(fmin(amount * 1000, CPU_MILLI_MAX));
        else if (entries[i]->name == pb_core_Resources_MEMORY)
            *memory_bytes = (int64_t)fmin(amount, BYTES_MAX);
    }
}

void mf_demand_bounds_of(const struct pb_task_RunSpec *spec, struct mf_demand_bounds *out)
{
    *out = (struct mf_demand_bounds){0};
    if (!spec || !spec->default_settings || !spec->default_settings->task_resource_defaults)
        return;
    const struct pb_task_TaskResourceDefaults *defaults = spec->default_settings->task_resource_defaults;
    take_bounds(defaults->requests.items, defaults->requests.count, &out->cpu_milli_min,
                &out->memory_bytes_min);
    take_bounds(defaults->max.items, defaults->max.count, &out->cpu_milli_max, &out->memory_bytes_max);
}

void mf_demand_bound(struct mf_demand *demand, const struct mf_demand_bounds *bounds)
{
    if (demand->cpu_milli < bounds->cpu_milli_min)
        demand->cpu_milli = bounds->cpu_milli_min;
    if (bounds->cpu_milli_max > 0 && demand->cpu_milli > bounds->cpu_milli_max)
        demand->cpu_milli = bounds->cpu_milli_max;
    if (demand->memory_bytes < bounds->memory_bytes_min) {
        demand->memory_bytes = bounds->memory_bytes_min;
        demand->memory_asked = true;
    }
    if (bounds->memory_bytes_max <= 0)
        return;
    if (demand->memory_bytes > bounds->memory_bytes_max)
        demand->memory_bytes = bounds->memory_bytes_max;
    if (demand->memory_max_bytes == 0 || demand->memory_max_bytes > bounds->memory_bytes_max)
        demand->memory_max_bytes = bounds->memory_bytes_max;
}

int64_t mf_demand_backoff_ns(const struct mf_demand *demand, int32_t n)
{
    if (demand->backoff_base_ns <= 0)
        return 0;
    double delay = (double)demand->backoff_base_ns * pow(demand->backoff_factor, n);
    double cap = demand->backoff_cap_ns > 0 ? (double)demand->backoff_cap_ns : 86400e9;
    return (int64_t)fmin(delay, cap);
}
