/* Inputs of a run: where they lie, what they hold, and the key under which their outputs are cached. Pure. */
#ifndef MF_RUN_INPUTS_H
#define MF_RUN_INPUTS_H

#include "gen/flyteidl2/workflow/run_service.pb.h"

/* A copy of inputs (NULL: none) with the task's default for every parameter that is not given. NULL when
 * memory ran out. */
struct pb_task_Inputs *mf_run_inputs_with_defaults(struct mf_arena *arena,
                                                   const struct pb_task_Inputs *inputs,
                                                   const struct pb_task_TaskSpec *task);

/* "<base>/<project>/<domain>/<run>/"; base without its trailing slashes. .ptr NULL when memory ran out. */
struct mf_str mf_run_output_base(struct mf_arena *arena, struct mf_str base,
                                 const struct pb_common_RunIdentifier *run);
/* The full name of inputs.pb for a folder, or for what is the full name already. .ptr NULL when memory ran
 * out. */
struct mf_str mf_run_inputs_file(struct mf_arena *arena, struct mf_str uri);
struct mf_str mf_run_outputs_file(struct mf_arena *arena, struct mf_str uri);

/* The digest of inputs without their context and without those that the task wants ignored: base64 of
 * SHA-256. */
enum mf_code mf_run_inputs_hash(struct mf_arena *arena, const struct pb_task_Inputs *inputs,
                                const struct pb_core_TaskMetadata *metadata, struct mf_str *out,
                                struct mf_error *err) MF_CHECK_RESULT;
/* The digest of inputs that lie in a store and whose argument for the time of firing (kickoff; empty: none)
 * is filled in by the task's runtime: runs of different times differ, unless the task ignores that argument.
 */
enum mf_code mf_run_inputs_hash_at(struct mf_arena *arena, struct mf_str hash, struct mf_str kickoff,
                                   const struct pb_google_protobuf_Timestamp *start,
                                   const struct pb_core_TaskMetadata *metadata, struct mf_str *out,
                                   struct mf_error *err) MF_CHECK_RESULT;
/* The key of a task's outputs: empty unless the task is discoverable. */
enum mf_code mf_run_cache_key(struct mf_arena *arena, const struct pb_task_TaskSpec *task,
                              struct mf_str task_name, struct mf_str inputs_hash, struct mf_str *out,
                              struct mf_error *err) MF_CHECK_RESULT;

bool mf_run_sha256(struct mf_str bytes, unsigned char out[32]);

#endif
