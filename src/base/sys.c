#include "base/sys.h"

#include "base/arena.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t real_wall(void *ctx)
{
    (void)ctx;
    return clock_ns(CLOCK_REALTIME);
}

static int64_t real_mono(void *ctx)
{
    (void)ctx;
    return clock_ns(CLOCK_MONOTONIC);
}

static void real_random(void *ctx, void *bytes, size_t len)
{
    (void)ctx;
    char *to = bytes;
    while (len > 0) {
        ssize_t got = getrandom(to, len, 0);
        if (got > 0) {
            to += got;
            len -= (size_t)got;
        } else if (errno != EINTR) {
            abort(); /* without a generator no name or key would be safe */
        }
    }
}

static int real_open(void *ctx, const char *path, int flags, mode_t mode)
{
    (void)ctx;
    return open(path, flags | O_CLOEXEC, mode);
}

static ssize_t real_write(void *ctx, int fd, const void *bytes, size_t len)
{
    (void)ctx;
    return write(fd, bytes, len);
}

static int real_fsync(void *ctx, int fd)
{
    (void)ctx;
    return fsync(fd);
}

static int real_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return rename(from, to);
}

static int real_unlink(void *ctx, const char *path)
{
    (void)ctx;
    return unlink(path);
}

const struct mf_sys *mf_sys_real(void)
{
    static const struct mf_sys real = {
        .wall_ns = real_wall,
        .mono_ns = real_mono,
        .random = real_random,
        .open = real_open,
        .write = real_write,
        .fsync = real_fsync,
        .rename = real_rename,
        .unlink = real_unlink,
    };
    return &real;
}

static enum mf_code fail_errno(struct mf_error *err, const char *what, const char *path)
{
    int number = errno;
    if (number == ENOENT)
        return mf_fail(err, MF_NOT_FOUND, "%s %s: it does not exist", what, path);
    if (number == ENOSPC || number == EDQUOT)
        return mf_fail(err, MF_UNAVAILABLE, "%s %s: the disk is full; free some space", what, path);
    if (number == EACCES || number == EPERM || number == EROFS)
        return mf_fail(err, MF_UNAVAILABLE, "%s %s: %s; check owner and permissions", what, path,
                       strerrordesc_np(number));
    return mf_fail(err, MF_UNAVAILABLE, "%s %s: %s", what, path, strerrordesc_np(number));
}

enum mf_code mf_make_dirs(const char *path, mode_t mode, struct mf_error *err)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part)
        return mf_fail(err, MF_INVALID_ARGUMENT, "\"%s\" is no usable directory name", path);
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char saved = part[i];
        part[i] = '\0';
        if (mkdir(part, mode) != 0 && errno != EEXIST)
            return fail_errno(err, "cannot create directory", part);
        part[i] = saved;
    }
    struct stat st;
    if (stat(path, &st) != 0)
        return fail_errno(err, "cannot use directory", path);
    if (!S_ISDIR(st.st_mode))
        return mf_fail(err, MF_FAILED_PRECONDITION, "%s is not a directory; choose another name", path);
    return MF_OK;
}

static bool write_all(const struct mf_sys *sys, int fd, struct mf_str bytes)
{
    while (bytes.len > 0) {
        ssize_t n = sys->write(sys->ctx, fd, bytes.ptr, bytes.len);
        if (n > 0)
            bytes = mf_str_skip(bytes, (size_t)n);
        else if (n == 0 || errno != EINTR)
            return false;
    }
    return true;
}

static enum mf_code sync_dir_of(const struct mf_sys *sys, const char *path, struct mf_error *err)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(dir, sizeof dir, ".");
    else
        snprintf(dir, sizeof dir, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    int fd = sys->open(sys->ctx, dir, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fail_errno(err, "cannot open directory", dir);
    enum mf_code code = MF_OK;
    if (sys->fsync(sys->ctx, fd) != 0)
        code = fail_errno(err, "cannot sync directory", dir);
    close(fd);
    return code;
}

enum mf_code mf_write_file(const struct mf_sys *sys, const char *path, struct mf_str bytes, mode_t mode,
                           struct mf_error *err)
{
    char temp[PATH_MAX];
    uint64_t tag;
    sys->random(sys->ctx, &tag, sizeof tag);
    int len = snprintf(temp, sizeof temp, "%s.%016llx.tmp", path, (unsigned long long)tag);
    if (len < 0 || (size_t)len >= sizeof temp)
        return mf_fail(err, MF_INVALID_ARGUMENT, "the file name %.200s… is too long", path);
    int fd = sys->open(sys->ctx, temp, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (fd < 0)
        return fail_errno(err, "cannot create", temp);
    enum mf_code code = MF_OK;
    if (!write_all(sys, fd, bytes) || sys->fsync(sys->ctx, fd) != 0)
        code = fail_errno(err, "cannot write", temp);
    if (close(fd) != 0 && code == MF_OK)
        code = fail_errno(err, "cannot close", temp);
    if (code == MF_OK && sys->rename(sys->ctx, temp, path) != 0)
        code = fail_errno(err, "cannot rename into place", path);
    if (code != MF_OK) {
        sys->unlink(sys->ctx, temp);
        return code;
    }
    return sync_dir_of(sys, path, err);
}

enum mf_code mf_read_file(struct mf_arena *arena, const char *path, size_t max, struct mf_str *out,
                          struct mf_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "cannot open", path);
    enum mf_code code = MF_OK;
    size_t len = 0;
    size_t cap = 4096;
    struct stat st;
    if (fstat(fd, &st) == 0 && st.st_size > 0)
        cap = (size_t)st.st_size < max ? (size_t)st.st_size + 1 : max + 1;
    char *bytes = mf_arena_alloc(arena, cap);
    while (code == MF_OK) {
        if (!bytes) {
            code = mf_fail_memory(err);
            break;
        }
        ssize_t n = read(fd, bytes + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            code = fail_errno(err, "cannot read", path);
        if (n <= 0)
            break;
        len += (size_t)n;
        if (len > max)
            code = mf_fail(err, MF_RESOURCE_EXHAUSTED, "%s is larger than the %zu bytes allowed", path, max);
        if (len == cap) {
            bytes = mf_arena_grow(arena, bytes, cap, cap * 2);
            cap *= 2;
        }
    }
    close(fd);
    if (code == MF_OK)
        *out = mf_str_make(bytes, len);
    return code;
}

static int remove_at(int parent, const char *name, int depth)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    if (depth > 128) {
        errno = ELOOP;
        return -1;
    }
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -1;
    }
    int result = 0;
    const struct dirent *entry;
    while (result == 0 && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = remove_at(dirfd(dir), entry->d_name, depth + 1);
    }
    int saved = errno;
    closedir(dir);
    errno = saved;
    if (result == 0 && unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        result = -1;
    return result;
}

enum mf_code mf_remove_tree(const char *path, struct mf_error *err)
{
    if (remove_at(AT_FDCWD, path, 0) != 0)
        return fail_errno(err, "cannot remove", path);
    return MF_OK;
}
