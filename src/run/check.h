/*
 * What a run may be asked for beyond the rules of the protocol's definition. Pure. MF_INVALID_ARGUMENT names
 * the field and says what would be right.
 */
#ifndef MF_RUN_CHECK_H
#define MF_RUN_CHECK_H

#include "gen/flyteidl2/workflow/run_service.pb.h"

#define MF_RUN_LABELS_MAX 64u
#define MF_RUN_LABEL_NAME_MAX 253u
#define MF_RUN_LABEL_VALUE_MAX 255u
#define MF_RUN_ANNOTATIONS_BYTES_MAX ((size_t)256 << 10)
#define MF_RUN_ENVS_MAX 1000u
#define MF_RUN_ENV_BYTES_MAX ((size_t)128 << 10) /* name, "=", value: what Linux takes */
#define MF_RUN_INPUTS_MAX 10000u
#define MF_RUN_URI_MAX 1024u
#define MF_RUN_RETRIES_MAX 1000u
#define MF_RUN_FORCED_MAX 1000u

/* The request but for the run's id: source, start time, inputs, task_spec, run_spec. */
enum mf_code mf_run_request_check(const struct pb_workflow_CreateRunRequest *request,
                                  struct mf_error *err) MF_CHECK_RESULT;
/* After settings were filled in; field: "run_spec". */
enum mf_code mf_run_spec_check(const struct pb_task_RunSpec *spec, struct mf_error *err) MF_CHECK_RESULT;
/* Retries and time limits; field: where the task comes from. */
enum mf_code mf_run_task_check(const struct pb_task_TaskSpec *spec, const char *field,
                               struct mf_error *err) MF_CHECK_RESULT;

#endif
