/*
 * From a task's specification to what its process is started with: command line, environment, paths. Pure but
 * for reading inputs and secrets, writing those that are files, and looking for programs.
 */
#ifndef MF_EXEC_COMMAND_H
#define MF_EXEC_COMMAND_H

#include "exec/exec.h"
#include "exec/process/launch.h"
#include "exec/process/python.h"
#include "store/action.h"
#include "store/run.h"

struct pb_core_TaskTemplate;
struct pb_task_RunSpec;

struct mf_command_names {
    struct mf_str prefix;   /* folder of the attempt's outputs, without a slash at its end */
    struct mf_str pod_name; /* names the attempt in log_context and to the task */
    struct mf_str mark;     /* "name=value" in the environment of all its processes */
};

struct mf_command_input {
    const struct mf_exec_config *config;
    const struct mf_python *python;
    const struct mf_run_row *run;
    const struct mf_action_row *action;
    int32_t attempt;
    const struct pb_core_TaskTemplate *template;
    const struct pb_task_RunSpec *run_spec;
    struct mf_str checkpoint; /* folder of the newest earlier checkpoint; empty: none */
    struct mf_str work_dir;
    int64_t cpu_milli;
};

/* Name of the variable in mark. */
#define MF_COMMAND_MARK "_MAYFLY_ATTEMPT"

enum mf_code mf_command_names(struct mf_arena *arena, const struct mf_run_row *run, struct mf_str action,
                              int32_t attempt, struct mf_command_names *out,
                              struct mf_error *err) MF_CHECK_RESULT;
/* Fills program, argv, env, cwd of launch. When the task itself is to blame (nothing will make it run),
 * *fault is the code of the error to record and err its message; else *fault is NULL. */
enum mf_code mf_command_build(struct mf_arena *arena, const struct mf_command_input *input,
                              struct mf_launch *launch, const char **fault,
                              struct mf_error *err) MF_CHECK_RESULT;

#endif
