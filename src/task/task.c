#include "task/task.h"

#include "gen/flyteidl2/task/task_service.pb.h"
#include "task/service.h"

#include <stdlib.h>

enum mf_code mf_tasks_new(const struct mf_tasks_config *config, struct mf_tasks **out, struct mf_error *err)
{
    struct mf_tasks *tasks = calloc(1, sizeof *tasks);
    if (!tasks)
        return mf_fail_memory(err);
    *tasks = (struct mf_tasks){config->store, config->triggers, config->replace_triggers};
    *out = tasks;
    return MF_OK;
}

void mf_tasks_free(struct mf_tasks *tasks)
{
    free(tasks);
}

enum mf_code mf_tasks_serve(struct mf_tasks *tasks, struct mf_rpc *rpc, struct mf_error *err)
{
    static const struct {
        size_t method;
        mf_handler handler;
    } methods[] = {
        {pb_task_TaskService_DeployTask, mf_task_on_deploy},
        {pb_task_TaskService_GetTaskDetails, mf_task_on_details},
        {pb_task_TaskService_ListTasks, mf_task_on_list},
        {pb_task_TaskService_ListVersions, mf_task_on_versions},
    };
    enum mf_code code = MF_OK;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0] && code == MF_OK; i++)
        code = mf_rpc_handle(rpc, &pb_task_TaskService_service, methods[i].method, methods[i].handler, tasks,
                             err);
    return code;
}
