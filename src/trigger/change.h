/*
 * How triggers change: the one place that makes revisions. Called inside a command, on the writer's thread;
 * each change writes the trigger, its revision and the row of its schedule, and tells the hub
 * (MF_TOPIC_TRIGGERS).
 */
#ifndef MF_TRIGGER_CHANGE_H
#define MF_TRIGGER_CHANGE_H

#include "store/trigger.h"
#include "store/writer.h"

/* Puts the trigger as a client wants it: of wish count key, task_version, active, automation_type, spec,
 * automation, policy, description and deployed_by. A deleted one comes back. expected: the revision the
 * client has seen, MF_ABORTED when the trigger has another by now; 0: whatever it is. *out (may be NULL) is
 * what was written; its strings are those of wish or live until the batch is over. */
enum mf_code mf_trigger_deploy(struct mf_tx *tx, const struct mf_trigger_row *wish, uint64_t expected,
                               struct mf_trigger_row *out, struct mf_error *err) MF_CHECK_RESULT;
/* Both do nothing when there is no such trigger or it is so already. by: encoded identity of the caller;
 * empty when it is the scheduler itself that switches. */
enum mf_code mf_trigger_switch(struct mf_tx *tx, const struct mf_trigger_key *key, bool active,
                               struct mf_str by, struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_trigger_delete(struct mf_tx *tx, const struct mf_trigger_key *key, struct mf_str by,
                               struct mf_error *err) MF_CHECK_RESULT;
/* Deletes the triggers of the task that are not among the names. */
enum mf_code mf_trigger_delete_others(struct mf_tx *tx, const struct mf_trigger_key *task,
                                      const struct mf_str *names, size_t count, struct mf_str by,
                                      struct mf_error *err) MF_CHECK_RESULT;

#endif
