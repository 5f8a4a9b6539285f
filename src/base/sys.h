/*
 * The seams to the outside: clock, randomness, and files. The product passes mf_sys_real() down from main;
 * a test passes a table of its own with a virtual clock, a seeded generator or a disk that fails.
 * The functions of a table may be called from any thread.
 */
#ifndef MF_BASE_SYS_H
#define MF_BASE_SYS_H

#include "base/status.h"
#include "base/str.h"

#include <sys/types.h>

struct mf_sys {
    void *ctx;
    int64_t (*wall_ns)(void *ctx);                      /* nanoseconds since 1970-01-01 UTC */
    int64_t (*mono_ns)(void *ctx);                      /* nanoseconds on a clock that never goes back */
    void (*random)(void *ctx, void *bytes, size_t len); /* cryptographically strong in the product */
    /* File operations return -1 with errno set, like the calls they stand for. */
    int (*open)(void *ctx, const char *path, int flags, mode_t mode);
    ssize_t (*write)(void *ctx, int fd, const void *bytes, size_t len);
    int (*fsync)(void *ctx, int fd);
    int (*rename)(void *ctx, const char *from, const char *to);
    int (*unlink)(void *ctx, const char *path);
};

const struct mf_sys *mf_sys_real(void);

static inline int64_t mf_wall_ns(const struct mf_sys *sys)
{
    return sys->wall_ns(sys->ctx);
}

static inline int64_t mf_mono_ns(const struct mf_sys *sys)
{
    return sys->mono_ns(sys->ctx);
}

/* Creates the directory and its missing parents with the mode given. */
enum mf_code mf_make_dirs(const char *path, mode_t mode, struct mf_error *err);
/* Writes bytes to path durably: temporary file beside it, fsync, rename, fsync of the directory. */
enum mf_code mf_write_file(const struct mf_sys *sys, const char *path, struct mf_str bytes, mode_t mode,
                           struct mf_error *err);
struct mf_arena;
/* Reads a whole file of at most max bytes into the arena. MF_NOT_FOUND, MF_RESOURCE_EXHAUSTED,
 * MF_UNAVAILABLE. */
enum mf_code mf_read_file(struct mf_arena *arena, const char *path, size_t max, struct mf_str *out,
                          struct mf_error *err);
/* Removes a directory tree without following symbolic links out of it. A missing tree is fine. */
enum mf_code mf_remove_tree(const char *path, struct mf_error *err);

#endif
