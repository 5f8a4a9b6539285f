/* What an action has read and written, for every RPC that shows it. Reads the object store: worker threads
 * only. */
#ifndef MF_RUN_DATA_H
#define MF_RUN_DATA_H

#include "objects/object.h"
#include "store/action.h"
#include "store/store.h"

struct pb_task_Inputs;
struct pb_task_Outputs;

struct mf_run_data {
    struct mf_str inputs_uri, outputs_uri; /* full names; empty: there are none (yet) */
    struct pb_task_Inputs *inputs;         /* NULL: none, or not written yet */
    struct pb_task_Outputs *outputs;       /* of an answered condition: its answer */
};

struct pb_common_ActionIdentifier;

/* The row of an action that a request names in "action_id". MF_INVALID_ARGUMENT when the id is incomplete,
 * MF_NOT_FOUND. */
enum mf_code mf_run_action_row(struct mf_store *store, struct mf_arena *arena,
                               const struct pb_common_ActionIdentifier *id, struct mf_action_row *row,
                               struct mf_error *err) MF_CHECK_RESULT;
/* Only the names. MF_RESOURCE_EXHAUSTED when memory ran out. */
enum mf_code mf_run_data_uris(struct mf_arena *arena, const struct mf_action_row *row,
                              struct mf_run_data *out, struct mf_error *err) MF_CHECK_RESULT;
#define MF_RUN_DATA_MAX ((size_t)64 << 20)
/* MF_DATA_LOSS when an object does not hold the message it should, MF_RESOURCE_EXHAUSTED when one has more
 * than max bytes (0: MF_RUN_DATA_MAX). */
enum mf_code mf_run_data_read(struct mf_objects *objects, struct mf_arena *arena,
                              const struct mf_action_row *row, size_t max, struct mf_run_data *out,
                              struct mf_error *err) MF_CHECK_RESULT;

#endif
