/*
 * Runs of a project and domain as what is added up over the runs of a task needs them. Readers anywhere with
 * a connection of their own. Strings of a row are valid inside of visit only.
 */
#ifndef MF_STORE_RUN_GROUP_H
#define MF_STORE_RUN_GROUP_H

#include "store/select.h"

/* Which runs are counted. */
struct mf_run_group_range {
    struct mf_str project, domain;
    int64_t from_ns, to_ns;     /* creation, both inclusive */
    const struct mf_page *page; /* filters; fields are those of the table in run_group.c */
};

struct mf_run_group_row {
    int64_t run_id, seq;
    struct mf_str task_name, run_name, short_name, environment_name;
    int32_t phase;
    int32_t error_kind; /* flyteidl2.core.ExecutionError.ErrorKind when failed or timed out, else -1 */
    int64_t created_at, running_at, ended_at; /* 0: not yet */
    bool counts;                              /* in the range, and passes the filters */
};
typedef bool (*mf_run_group_visit)(void *ctx, const struct mf_run_group_row *row);

/* The runs that count, newest first; only those of that task when task_name is not NULL. MF_INVALID_ARGUMENT
 * for a filter that is not served. */
enum mf_code mf_run_group_rows(struct mf_db *db, struct mf_arena *arena,
                               const struct mf_run_group_range *range, const struct mf_str *task_name,
                               mf_run_group_visit visit, void *ctx, struct mf_error *err) MF_CHECK_RESULT;
/* The runs of the project and domain that changed after the number, in order of their change. */
enum mf_code mf_run_group_changed(struct mf_db *db, struct mf_arena *arena,
                                  const struct mf_run_group_range *range, int64_t after_seq,
                                  mf_run_group_visit visit, void *ctx, struct mf_error *err) MF_CHECK_RESULT;
/* Number of the newest change of a run of the project and domain; 0: there is none. */
enum mf_code mf_run_group_newest(struct mf_db *db, const struct mf_run_group_range *range, int64_t *seq,
                                 struct mf_error *err) MF_CHECK_RESULT;
/* Who made the run: an encoded flyteidl2.common.EnrichedIdentity, or empty. */
enum mf_code mf_run_group_creator(struct mf_db *db, struct mf_arena *arena, int64_t run_id,
                                  struct mf_str *out, struct mf_error *err) MF_CHECK_RESULT;

#endif
