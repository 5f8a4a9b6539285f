/*
 * What a run is given: a request put together with the trigger that it fires. Pure, so that whoever fires
 * triggers on a schedule gives their runs the same.
 *
 * Inputs: those of the trigger, then those of the request name by name, then the time of firing for the
 * argument that the schedule names, unless there is a value already. Inputs that lie in a store stay there
 * when the request gives none: their context tells the task's runtime the name of that argument. The run
 * specification of the request counts as a whole; without one that of the trigger does.
 */
#ifndef MF_RUN_GIVEN_H
#define MF_RUN_GIVEN_H

#include "gen/flyteidl2/trigger/trigger_definition.pb.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"

struct mf_run_trigger {
    const struct pb_trigger_TriggerSpec *spec;
    const struct pb_task_TriggerAutomationSpec *automation; /* NULL: none */
};

struct mf_run_given {
    struct pb_task_RunSpec *run_spec; /* NULL: none */
    /* One of the two, when there are inputs at all. */
    const struct pb_task_Inputs *inputs;
    const struct pb_common_OffloadedInputData *offloaded;
};

/* The argument that takes the time of firing; empty: none. */
struct mf_str mf_run_kickoff_arg(const struct pb_task_TriggerAutomationSpec *automation);

/* Where the trigger's inputs have to be read from before they can be put together with those of the request;
 * empty: there is nothing to read. */
struct mf_str mf_run_given_reads(const struct pb_workflow_CreateRunRequest *request,
                                 const struct mf_run_trigger *trigger);

/* trigger: NULL when none is fired. read: what lies where mf_run_given_reads says. task: for its interface,
 * so that no input is given that it does not take. False when memory ran out. */
bool mf_run_given(struct mf_arena *arena, const struct pb_workflow_CreateRunRequest *request,
                  const struct mf_run_trigger *trigger, const struct pb_task_Inputs *read,
                  const struct pb_task_TaskSpec *task, int64_t fired_ns, struct mf_run_given *out);

#endif
