/*
 * Runs of a project and domain grouped by their task, and what the groups add up to. Readers anywhere with a
 * connection of their own; strings live in the arena given.
 */
#ifndef MF_STORE_RUN_GROUP_H
#define MF_STORE_RUN_GROUP_H

#include "store/select.h"

#define MF_RUN_GROUP_PHASES 11
#define MF_RUN_GROUP_RECENT 10
#define MF_RUN_GROUPS_MAX 1000

/* Which runs are counted. */
struct mf_run_group_range {
    struct mf_str project, domain;
    int64_t from_ns, to_ns; /* creation, both inclusive */
    const struct mf_page
        *page;         /* filters, and how many groups; fields are those of the table in run_group.c */
    bool oldest_first; /* by the newest run of each group */
};

struct mf_run_group_recent {
    struct mf_str run_name;
    int32_t phase;
    struct mf_str created_by; /* encoded flyteidl2.common.EnrichedIdentity */
};

struct mf_run_group {
    struct mf_str task_name;
    int64_t runs;
    int64_t phases[MF_RUN_GROUP_PHASES];        /* runs in each phase */
    int64_t newest_at, ended_at;                /* newest creation and end; 0: none has ended */
    double duration_ns, queued_ns;              /* on average: creation to end, and to the first that ran */
    int64_t errors[3];                          /* failed runs by flyteidl2.core.ExecutionError.ErrorKind */
    struct mf_str short_name, environment_name; /* of the newest run */
    struct mf_run_group_recent recent[MF_RUN_GROUP_RECENT]; /* newest first */
    size_t recent_count;
};

typedef bool (*mf_run_group_visit)(void *ctx, const struct mf_run_group *group);

/* Only that task's group when task_name is not NULL. MF_INVALID_ARGUMENT for a filter that is not served. */
enum mf_code mf_run_group_list(struct mf_db *db, struct mf_arena *arena,
                               const struct mf_run_group_range *range, const struct mf_str *task_name,
                               mf_run_group_visit visit, void *ctx, struct mf_error *err) MF_CHECK_RESULT;

#endif
