/*
 * The data directory: made when missing, and held by one server at a time through a lock on a file in it. The
 * kernel gives the lock back when the process ends, however it ends.
 */
#ifndef MF_SERVER_DATADIR_H
#define MF_SERVER_DATADIR_H

#include "base/arena.h"
#include "base/status.h"

#include <sys/types.h>

struct mf_datadir;

/* MF_FAILED_PRECONDITION when another process holds it; the message names that process. */
enum mf_code mf_datadir_open(struct mf_arena *arena, const char *path, struct mf_datadir **out,
                             struct mf_error *err) MF_CHECK_RESULT;
/* The process that holds the lock of the directory; 0 when there is none, or when it has not said so yet. */
pid_t mf_datadir_holder(struct mf_arena *arena, const char *path);
const char *mf_datadir_path(const struct mf_datadir *dir); /* absolute, without symbolic links */
/* "<path>/<name>" in the arena; NULL when memory ran out. */
const char *mf_datadir_file(const struct mf_datadir *dir, struct mf_arena *arena, const char *name);
void mf_datadir_close(struct mf_datadir *dir); /* NULL is fine */

#endif
