#include "run/run.h"

#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/service.h"
#include "run/subject.h"
#include "run/tree.h"

#include <stdlib.h>

enum mf_code mf_run_id_check(const struct pb_common_RunIdentifier *id, const char *field,
                             struct mf_error *err)
{
    if (!id)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%s is required", field);
    if (id->project.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%s.project is required", field);
    if (id->domain.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%s.domain is required", field);
    if (id->name.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%s.name is required", field);
    return MF_OK;
}

enum mf_code mf_run_action_id_check(const struct pb_common_ActionIdentifier *id, const char *field,
                                    struct mf_error *err)
{
    if (!id || !id->run)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%s%s is required", field, id ? ".run" : "");
    if (id->name.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%s.name is required", field);
    enum mf_code code = mf_run_id_check(id->run, "run", err);
    return code == MF_OK ? code : mf_fail_prefix(err, "%s", field);
}

static const struct {
    size_t method;
    mf_handler handler;
} methods[] = {
    {pb_workflow_RunService_CreateRun, mf_run_on_create},
    {pb_workflow_RunService_AbortRun, mf_run_on_abort_run},
    {pb_workflow_RunService_AbortAction, mf_run_on_abort_action},
    {pb_workflow_RunService_SignalEvent, mf_run_on_signal},
    {pb_workflow_RunService_GetRunDetails, mf_run_on_run_details},
    {pb_workflow_RunService_GetActionDetails, mf_run_on_action_details},
    {pb_workflow_RunService_GetActionData, mf_run_on_data},
    {pb_workflow_RunService_GetActionDataURIs, mf_run_on_data_uris},
    {pb_workflow_RunService_GetActionLogContext, mf_run_on_log_context},
    {pb_workflow_RunService_ListRuns, mf_run_on_list_runs},
    {pb_workflow_RunService_ListActions, mf_run_on_list_actions},
    {pb_workflow_RunService_WatchRunDetails, mf_run_on_watch_run},
    {pb_workflow_RunService_WatchActionDetails, mf_run_on_watch_action},
    {pb_workflow_RunService_WatchRuns, mf_run_on_watch_runs},
    {pb_workflow_RunService_WatchActions, mf_run_on_watch_actions},
    {pb_workflow_RunService_WatchClusterEvents, mf_run_on_watch_events},
    {pb_workflow_RunService_WatchGroups, mf_run_on_watch_groups},
};

static enum mf_code take_config(struct mf_runs *runs, const struct mf_runs_config *config,
                                struct mf_error *err)
{
    runs->sys = config->sys;
    runs->store = config->store;
    runs->objects = config->objects;
    runs->domain_count = config->domain_count;
    runs->data_max = config->data_max;
    runs->domains = calloc(config->domain_count + 1, sizeof *runs->domains);
    if (!runs->domains)
        return mf_fail_memory(err);
    for (size_t i = 0; i < config->domain_count; i++)
        runs->domains[i] = config->domains[i];
    enum mf_code code = mf_trees_new(config->store, &runs->trees, err);
    return code == MF_OK ? mf_subjects_new(config->store, &runs->subjects, err) : code;
}

enum mf_code mf_runs_serve(const struct mf_runs_config *config, struct mf_rpc *rpc, struct mf_runs **out,
                           struct mf_error *err)
{
    struct mf_runs *runs = calloc(1, sizeof *runs);
    if (!runs)
        return mf_fail_memory(err);
    enum mf_code code = take_config(runs, config, err);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0] && code == MF_OK; i++)
        code = mf_rpc_handle(rpc, &pb_workflow_RunService_service, methods[i].method, methods[i].handler,
                             runs, err);
    if (code == MF_OK)
        code = mf_run_tracked_serve(runs, rpc, err);
    if (code == MF_OK)
        *out = runs;
    else
        mf_runs_free(runs);
    return code;
}

void mf_runs_free(struct mf_runs *runs)
{
    if (!runs)
        return;
    mf_trees_free(runs->trees);
    mf_subjects_free(runs->subjects);
    free(runs->domains);
    free(runs);
}
