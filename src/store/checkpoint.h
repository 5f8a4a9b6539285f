/*
 * Moves committed pages from the log into the database, on a thread and a connection of its own, so that no
 * commit waits for it: whenever enough pages have gathered, and once more when nothing has been written for a
 * while (then the log is emptied, which makes the next start quick). A log that cannot begin anew because
 * commits never pause is brought to an end in short steps and the writer held up for the last one.
 */
#ifndef MF_STORE_CHECKPOINT_H
#define MF_STORE_CHECKPOINT_H

#include "store/driver.h"

struct mf_checkpointer;

struct mf_checkpointer_config {
    struct mf_db_options db;
    /* hold returns when no transaction runs and none begins until release. Called on the checkpointer's
     * thread. */
    void (*hold)(void *ctx);
    void (*release)(void *ctx);
    void *ctx;
};

enum mf_code mf_checkpointer_start(const struct mf_checkpointer_config *config, struct mf_checkpointer **out,
                                   struct mf_error *err) MF_CHECK_RESULT;
/* After each commit, on the writer's thread: so many pages are in the log. Costs a lock. */
void mf_checkpointer_note(struct mf_checkpointer *checkpointer, int64_t pages);
/* False after the disk failed during a checkpoint: until the next start the log is then the only complete
 * copy, and no connection may move it when it closes (mf_db_keep_log). */
bool mf_checkpointer_sound(struct mf_checkpointer *checkpointer);
void mf_checkpointer_stop(struct mf_checkpointer *checkpointer); /* NULL is fine */

#endif
