/* What an action has read and written, for every RPC that shows it. Reads the object store: worker threads
 * only. */
#ifndef MF_RUN_DATA_H
#define MF_RUN_DATA_H

#include "objects/object.h"
#include "store/action.h"

struct pb_task_Inputs;
struct pb_task_Outputs;

struct mf_run_data {
    struct mf_str inputs_uri, outputs_uri; /* full names; empty: there are none (yet) */
    struct pb_task_Inputs *inputs;         /* NULL: none, or not written yet */
    struct pb_task_Outputs *outputs;       /* of an answered condition: its answer */
};

/* Only the names. MF_RESOURCE_EXHAUSTED when memory ran out. */
enum mf_code mf_run_data_uris(struct mf_arena *arena, const struct mf_action_row *row,
                              struct mf_run_data *out, struct mf_error *err) MF_CHECK_RESULT;
/* MF_DATA_LOSS when an object does not hold the message it should. */
enum mf_code mf_run_data_read(struct mf_objects *objects, struct mf_arena *arena,
                              const struct mf_action_row *row, struct mf_run_data *out,
                              struct mf_error *err) MF_CHECK_RESULT;

#endif
