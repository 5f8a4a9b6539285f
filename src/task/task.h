/*
 * TaskService: deployed tasks and their versions. Handlers run on worker threads; a deploy, with the triggers
 * it brings, is one command of the store's writer.
 */
#ifndef MF_TASK_TASK_H
#define MF_TASK_TASK_H

#include "trigger/trigger.h"

struct mf_tasks;

struct mf_tasks_config {
    struct mf_store *store;
    struct mf_triggers *triggers;
    /* A deploy without triggers takes away those that the task has; otherwise they stay as they are. */
    bool replace_triggers;
};

/* What the configuration names must outlive it. */
enum mf_code mf_tasks_new(const struct mf_tasks_config *config, struct mf_tasks **out,
                          struct mf_error *err) MF_CHECK_RESULT;
void mf_tasks_free(struct mf_tasks *tasks); /* after the RPC server; NULL is fine */
enum mf_code mf_tasks_serve(struct mf_tasks *tasks, struct mf_rpc *rpc, struct mf_error *err) MF_CHECK_RESULT;

#endif
