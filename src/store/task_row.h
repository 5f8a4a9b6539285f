/* A row of the task table less its spec, as store/task.c and store/task_list.c read it. */
#ifndef MF_STORE_TASK_ROW_H
#define MF_STORE_TASK_ROW_H

#include "store/task.h"

#define MF_TASK_HEAD_COLUMNS                                                                                 \
    "t.project, t.domain, t.name, t.version, t.environment, t.function_name, t.deployed_by, t.deployer, "    \
    "t.env_description, t.short_description, t.is_entrypoint, t.created_at, t.updated_at"
#define MF_TASK_HEAD_COUNT 13

/* The first columns of a row; false when memory ran out. */
bool mf_task_read_head(struct mf_stmt *stmt, struct mf_arena *arena, struct mf_task_row *row);

#endif
