/* DeployTask: from the message to the row. Pure but for the handler. */
#ifndef MF_TASK_DEPLOY_H
#define MF_TASK_DEPLOY_H

#include "rpc/call.h"
#include "store/task.h"

struct pb_task_DeployTaskRequest;

/* Bytes of environment.description and documentation.short_description, and of
 * documentation.long_description. */
#define MF_TASK_SHORT_TEXT_MAX 255
#define MF_TASK_LONG_TEXT_MAX 2048

/* The name without its environment: prefix "<environment>." cut, else what follows the last dot, else all of
 * it. */
struct mf_str mf_task_function_name(struct mf_str task_name, struct mf_str environment);

/* Checks the request and makes the row of it (times are left 0); long texts of the stored spec are cut at a
 * character. MF_INVALID_ARGUMENT with the path of the field. The triggers of the request are not looked at.
 */
enum mf_code mf_task_row_from_request(struct mf_arena *arena, const struct pb_task_DeployTaskRequest *request,
                                      struct mf_task_row *row, struct mf_error *err) MF_CHECK_RESULT;

#endif
