#include "server/datadir.h"

#include "base/str.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES 200 /* 10 ms apart */

struct mf_datadir {
    const char *path;
    int lock; /* the open lock file */
};

static void forget(void *path)
{
    free(path);
}

/* Whoever holds the lock wrote its process number there; empty when it has not come to that yet. */
static void holder(int fd, char *out, size_t room)
{
    ssize_t n = pread(fd, out, room - 1, 0);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

/* A server that was killed while it started a task leaves its lock with that child, until the child has
 * become the task: a moment. A holder that lives, and is not us in an earlier life, keeps it for longer. */
static bool is_left_over(int fd)
{
    char text[32];
    int64_t pid = 0;
    holder(fd, text, sizeof text);
    if (!mf_str_to_i64(mf_str_from_c(text), &pid) || pid <= 0 || pid > INT32_MAX)
        return false;
    return pid == getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH);
}

/* False with errno set. */
static bool lock_file(int fd)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    int tries = 0;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int number = errno;
        if (number != EWOULDBLOCK || ++tries == LOCK_TRIES || !is_left_over(fd)) {
            errno = number;
            return false;
        }
        nanosleep(&pause, NULL);
    }
    return true;
}

static enum mf_code take_lock(struct mf_datadir *dir, const char *file, struct mf_error *err)
{
    char pid[32];
    dir->lock = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (dir->lock < 0)
        return mf_fail(err, MF_UNAVAILABLE, "cannot open %s: %s; check owner and permissions", file,
                       strerrordesc_np(errno));
    if (!lock_file(dir->lock)) {
        int number = errno;
        if (number != EWOULDBLOCK)
            return mf_fail(err, MF_UNAVAILABLE, "cannot lock %s: %s", file, strerrordesc_np(number));
        holder(dir->lock, pid, sizeof pid);
        return mf_fail(err, MF_FAILED_PRECONDITION,
                       "another mayfly%s%s is using %s; stop it, or choose another folder with --data-dir",
                       pid[0] ? ", process " : "", pid, dir->path);
    }
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(dir->lock, 0) != 0 || pwrite(dir->lock, pid, (size_t)len, 0) != len)
        return mf_fail(err, MF_UNAVAILABLE, "cannot write %s: %s; is the disk full?", file,
                       strerrordesc_np(errno));
    return MF_OK;
}

enum mf_code mf_datadir_open(struct mf_arena *arena, const char *path, struct mf_datadir **out,
                             struct mf_error *err)
{
    enum mf_code code = mf_make_dirs(path, 0700, err);
    if (code != MF_OK)
        return code;
    char *real = realpath(path, NULL);
    struct mf_datadir *dir = MF_NEW(arena, struct mf_datadir);
    if (!real || !dir || !mf_arena_defer(arena, forget, real)) {
        free(real);
        return mf_fail_memory(err);
    }
    dir->path = real;
    dir->lock = -1;
    const char *file = mf_datadir_file(dir, arena, "lock");
    code = file ? take_lock(dir, file, err) : mf_fail_memory(err);
    if (code != MF_OK) {
        mf_datadir_close(dir);
        return code;
    }
    *out = dir;
    return MF_OK;
}

pid_t mf_datadir_holder(struct mf_arena *arena, const char *path)
{
    char text[32];
    int64_t pid = 0;
    struct mf_str file = mf_str_printf(arena, "%s/lock", path);
    int fd = file.ptr ? open(file.ptr, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return 0;
    if (flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        holder(fd, text, sizeof text);
        if (!mf_str_to_i64(mf_str_from_c(text), &pid) || pid <= 0 || pid > INT32_MAX)
            pid = 0;
    }
    close(fd);
    return (pid_t)pid;
}

const char *mf_datadir_path(const struct mf_datadir *dir)
{
    return dir->path;
}

const char *mf_datadir_file(const struct mf_datadir *dir, struct mf_arena *arena, const char *name)
{
    return mf_str_printf(arena, "%s/%s", dir->path, name).ptr;
}

void mf_datadir_close(struct mf_datadir *dir)
{
    if (dir && dir->lock >= 0) {
        close(dir->lock);
        dir->lock = -1;
    }
}
