/*
 * The key by which a task shows whose run it belongs to, when callers have to sign in: a signed run id. The
 * SDK has no place for a key of ours when it speaks plain HTTP, so it travels as the first parts of the path
 * ("/task-key/<key>/flyteidl2…", rpc/caller.h): the task's endpoint ends in it. It is good while the run goes
 * on. Pure.
 */
#ifndef MF_IDENTITY_TASK_KEY_H
#define MF_IDENTITY_TASK_KEY_H

#include "base/arena.h"
#include "base/str.h"

#define MF_TASK_SECRET_BYTES 32

/* Characters of base64url. .ptr NULL when memory ran out. */
struct mf_str mf_task_key_make(struct mf_arena *arena, struct mf_str secret, int64_t run_id);
/* False when it was not made with this secret. */
bool mf_task_key_read(struct mf_arena *arena, struct mf_str secret, struct mf_str key, int64_t *run_id);

#endif
