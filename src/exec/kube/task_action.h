/*
 * TaskActions of Flyte (flyte.org/v1): made from an action, and read. Pure.
 */
#ifndef MF_EXEC_KUBE_TASK_ACTION_H
#define MF_EXEC_KUBE_TASK_ACTION_H

#include "exec/kube/mirror.h"
#include "kube/node.h"
#include "store/action.h"
#include "store/run.h"

struct pb_core_TaskTemplate;
struct pb_task_RunSpec;

#define MF_TASK_ACTION_API "/apis/flyte.org/v1"
/* Labels of what is ours. */
#define MF_LABEL_MANAGER "app.kubernetes.io/managed-by"
#define MF_LABEL_INSTANCE "app.kubernetes.io/instance"
/* "<run id>-<when the run was recorded>": whose it is, also when runs of two servers bear one name. */
#define MF_ANNOTATION_RUN "mayfly/run"
/* Number of the attempt that is the resource's first. */
#define MF_ANNOTATION_ATTEMPT "mayfly/first-attempt"

struct mf_task_action_input {
    const struct mf_mirror_config *config;
    const struct mf_run_row *run;
    const struct mf_action_row *action;
    struct pb_core_TaskTemplate *template; /* is changed */
    const struct pb_task_RunSpec *run_spec;
    struct mf_str parent_uid; /* empty: it is owned by nothing */
};

/* MF_INVALID_ARGUMENT when the template has no form in Kubernetes. */
enum mf_code mf_task_action_build(struct mf_arena *arena, const struct mf_task_action_input *in,
                                  struct mf_str *out, struct mf_error *err) MF_CHECK_RESULT;
/* "<run>-<action>". .ptr NULL when memory ran out, as with the others. */
struct mf_str mf_task_action_name(struct mf_arena *arena, struct mf_str run, struct mf_str action);
/* The template with project and domain filled in: lower case, other characters become "-". */
struct mf_str mf_task_action_namespace(struct mf_arena *arena, struct mf_str template, struct mf_str project,
                                       struct mf_str domain);
/* Where an attempt leaves its outputs. */
struct mf_str mf_task_action_outputs(struct mf_arena *arena, const struct mf_mirror_config *config,
                                     const struct mf_run_row *run, struct mf_str action,
                                     int32_t first_attempt, int32_t attempt);

struct mf_task_action {
    int64_t run_id, run_created_at; /* 0: it is none of ours */
    struct mf_str namespace_, name, action, uid;
    int32_t first_attempt;
    bool removing; /* deleted, and waits for its finalizers */
    bool owned;    /* by another */
    /* Of the status. */
    int32_t attempt; /* absolute */
    int32_t phase;   /* MF_PHASE_UNSPECIFIED: there is nothing to tell */
    int32_t cache_status;
    int64_t at_ns;                     /* of the last change of phase; 0: not told */
    struct mf_str error_code, message; /* with FAILED and TIMED_OUT; code is never empty then */
    bool error_is_system;
};

/* Aliases the object. */
void mf_task_action_read(const mf_node *object, struct mf_task_action *out);

#endif
