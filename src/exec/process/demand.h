/*
 * What the executor must know of an action before it runs: resources, deadlines, retries, caching. Small
 * plain memory, made from the action's specification.
 */
#ifndef MF_EXEC_DEMAND_H
#define MF_EXEC_DEMAND_H

#include "base/status.h"
#include "base/str.h"

struct pb_core_TaskTemplate;
struct pb_task_RunSpec;
struct pb_google_protobuf_Duration;

struct mf_demand {
    int64_t cpu_milli;
    int64_t memory_bytes;
    bool memory_asked;        /* by the user, not our default */
    int64_t memory_max_bytes; /* 0: none */
    int64_t max_runtime_ns;   /* this and the following: 0: none */
    int64_t queued_timeout_ns;
    int64_t deadline_ns;
    int64_t condition_timeout_ns;
    int64_t backoff_base_ns;
    int64_t backoff_cap_ns;
    double backoff_factor;
    int64_t cache_max_age_ns;
    int32_t retries;
    bool discoverable;
    bool serializable;
};

/* What the settings that a run was made under say of every one of its tasks. 0: nothing. */
struct mf_demand_bounds {
    int64_t cpu_milli_min, cpu_milli_max;
    int64_t memory_bytes_min, memory_bytes_max;
};

#define MF_DEMAND_CPU_MILLI 1000
#define MF_DEMAND_MEMORY_BYTES ((int64_t)512 << 20)

/* 0 for none and for what does not fit. */
int64_t mf_duration_ns(const struct pb_google_protobuf_Duration *duration);
/* template may be NULL: a condition. */
void mf_demand_of(const struct pb_core_TaskTemplate *template, struct mf_demand *out);
/* spec may be NULL. */
void mf_demand_bounds_of(const struct pb_task_RunSpec *spec, struct mf_demand_bounds *out);
/* A task gets no less than the least and no more than the most, which is also the limit of its memory. */
void mf_demand_bound(struct mf_demand *demand, const struct mf_demand_bounds *bounds);
/* Delay before user retry number n (from 0). */
int64_t mf_demand_backoff_ns(const struct mf_demand *demand, int32_t n);

#endif
