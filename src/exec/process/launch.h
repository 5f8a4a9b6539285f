/*
 * What the executor tells a shim to run, and how it goes over the socket between them: one message of bounded
 * size. Both ends are the same binary, so numbers are in the machine's own form.
 */
#ifndef MF_EXEC_LAUNCH_H
#define MF_EXEC_LAUNCH_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

#define MF_LAUNCH_FD 3 /* the shim's end of the socket */
#define MF_LAUNCH_MAX ((size_t)8 << 20)
#define MF_LAUNCH_STARTED 'S' /* from the shim, once the task's program runs */

/* Files in work_dir, next to the folders the task may use. */
#define MF_LAUNCH_TASK_FILE                                                                                  \
    "task" /* id and start time of the task's process; made before its program runs                          \
            */
#define MF_LAUNCH_STATUS_FILE "exit.status" /* how it ended (exec/process/outcome.h) */

struct mf_launch {
    struct mf_str work_dir, cwd, log_path;
    struct mf_str program;     /* path of argv[0] */
    struct mf_str *argv, *env; /* env: "name=value" */
    uint32_t argc, envc;
    uint32_t grace_ms;
    int64_t log_max_bytes;
    int64_t memory_max_bytes; /* 0: none */
};

enum mf_code mf_launch_encode(struct mf_arena *arena, const struct mf_launch *launch, struct mf_str *out,
                              struct mf_error *err) MF_CHECK_RESULT;
/* Size of the whole message, from its first 4 bytes; 0 when that is none. */
#define MF_LAUNCH_HEAD 4
size_t mf_launch_size(const char head[MF_LAUNCH_HEAD]);
/* The strings alias bytes and are each followed by a NUL. */
enum mf_code mf_launch_decode(struct mf_arena *arena, struct mf_str bytes, struct mf_launch *out,
                              struct mf_error *err) MF_CHECK_RESULT;

#endif
