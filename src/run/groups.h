/*
 * What the runs of a project and domain add up to, task by task, kept up to date by what has changed instead
 * of adding up again. Only runs that are not finished are remembered one by one; a finished run that changes
 * once more makes its group be read anew, which is rare.
 *
 * Belongs to one thread at a time.
 */
#ifndef MF_RUN_GROUPS_H
#define MF_RUN_GROUPS_H

#include "store/run_group.h"

#define MF_GROUP_PHASES 11
#define MF_GROUP_RECENT 10

struct mf_group_recent {
    int64_t run_id, created_at;
    struct mf_str run_name, created_by; /* an encoded flyteidl2.common.EnrichedIdentity */
    int32_t phase;
};

struct mf_group {
    struct mf_str task_name, short_name, environment_name; /* the latter two: of the newest run */
    int64_t runs;
    int64_t phases[MF_GROUP_PHASES];
    int64_t errors[3];                              /* by flyteidl2.core.ExecutionError.ErrorKind */
    int64_t newest_at, ended_at;                    /* newest creation and end; 0: none has ended */
    int64_t ended, started;                         /* runs that have ended, that have begun to run */
    double ended_ns, started_ns;                    /* sums of the times from creation until then */
    struct mf_group_recent recent[MF_GROUP_RECENT]; /* newest first */
    size_t recent_count;
    /* Of groups.c. */
    bool changed, shown, reread;
    struct mf_group *next;
};

enum mf_group_order {
    MF_GROUPS_BY_NEWEST,
    MF_GROUPS_BY_NAME,
    MF_GROUPS_BY_RUNS,
    MF_GROUPS_BY_DURATION,
    MF_GROUPS_BY_FAILURES,
    MF_GROUPS_BY_FINISH,
};

struct mf_groups_config {
    struct mf_run_group_range range; /* must outlive the groups */
    enum mf_group_order order;
    bool ascending;
    size_t limit; /* groups that are shown; those behind are not */
    uint64_t seed;
};

struct mf_groups;

double mf_group_failure_rate(const struct mf_group *group);

enum mf_code mf_groups_new(const struct mf_groups_config *config, struct mf_groups **out,
                           struct mf_error *err) MF_CHECK_RESULT;
void mf_groups_free(struct mf_groups *groups); /* NULL is fine */
/* Takes in what there is, later what has changed. MF_INVALID_ARGUMENT for a filter that is not served. */
enum mf_code mf_groups_update(struct mf_groups *groups, struct mf_db *db, struct mf_arena *scratch,
                              struct mf_error *err) MF_CHECK_RESULT;
/* The groups that have changed since the last look, in their order; gone: no longer among those shown.
 * visit returns false when memory ran out. */
typedef bool (*mf_group_visit)(void *ctx, const struct mf_group *group, bool gone);
enum mf_code mf_groups_look(struct mf_groups *groups, mf_group_visit visit, void *ctx,
                            struct mf_error *err) MF_CHECK_RESULT;

#endif
