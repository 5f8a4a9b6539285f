/* Tasks as messages of the protocol. */
#ifndef MF_TASK_MESSAGE_H
#define MF_TASK_MESSAGE_H

#include "gen/flyteidl2/task/task_service.pb.h"
#include "store/task.h"

/* NULL when memory ran out. */
struct pb_task_TaskIdentifier *mf_task_identifier(struct mf_arena *arena, const struct mf_task_key *key);
/* The row with the summary of its triggers, read from the database. */
enum mf_code mf_task_metadata(struct mf_db *db, struct mf_arena *arena, const struct mf_task_row *row,
                              struct pb_task_TaskMetadata **out, struct mf_error *err) MF_CHECK_RESULT;
/* The newest run of the task, over all versions when key.version is empty; *out is NULL when there is none.
 */
enum mf_code mf_task_latest(struct mf_db *db, struct mf_arena *arena, const struct mf_task_key *key,
                            struct pb_task_LatestRunSummary **out, struct mf_error *err) MF_CHECK_RESULT;

#endif
