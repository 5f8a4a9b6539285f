/*
 * How a task's process ended, as its shim has written it down: a durable file of one line, then the last
 * bytes of the task's output.
 */
#ifndef MF_EXEC_OUTCOME_H
#define MF_EXEC_OUTCOME_H

#include "base/arena.h"
#include "base/sys.h"

#define MF_OUTCOME_TAIL 2048

struct mf_outcome {
    int64_t pid;
    int wait_status;  /* as of waitpid */
    int exec_errno;   /* not 0: the program could not be started */
    bool stopped;     /* the shim was told to end the task */
    bool over_memory; /* it was killed for using more than its limit */
    int64_t started_ns, ended_ns;
    int64_t cpu_us;
    int64_t max_rss_bytes;
    struct mf_str tail;
};

enum mf_code mf_outcome_write(const struct mf_sys *sys, const char *path, const struct mf_outcome *outcome,
                              struct mf_error *err) MF_CHECK_RESULT;
/* MF_NOT_FOUND when the task has not ended under its shim, MF_DATA_LOSS when the file is damaged. */
enum mf_code mf_outcome_read(struct mf_arena *arena, const char *path, struct mf_outcome *out,
                             struct mf_error *err) MF_CHECK_RESULT;

#endif
