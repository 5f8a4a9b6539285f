#include "tasklog/record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK ((size_t)256 << 10)

struct mf_tasklog_reader {
    int fd;          /* of the segment at hand, or -1 */
    uint64_t number; /* of that segment */
    int64_t offset;  /* of the first record not yet given */
    bool ended;
    char path[PATH_MAX];
    char older[PATH_MAX];
};

/* *number is 0 when the file is not there or has no head yet. */
static enum mf_code open_segment(const char *path, int *fd, uint64_t *number, struct mf_error *err)
{
    char head[MF_TASKLOG_HEAD];
    *number = 0;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (*fd < 0)
        return errno == ENOENT
                   ? MF_OK
                   : mf_fail(err, MF_UNAVAILABLE, "cannot open the log %s: %s", path, strerrordesc_np(errno));
    ssize_t got = pread(*fd, head, sizeof head, 0);
    if (got < 0 || !mf_tasklog_decode_head(head, (size_t)got, number)) {
        close(*fd);
        *fd = -1;
    }
    return MF_OK;
}

struct segment {
    int fd; /* -1: none */
    uint64_t number;
};

/* Opens the segment with the smallest number from wanted on. The newest is looked at first, because a segment
 * only ever moves from newest to older. */
static enum mf_code find_segment(const struct mf_tasklog_reader *reader, uint64_t wanted, struct segment *out,
                                 struct mf_error *err)
{
    struct segment newest = {.fd = -1};
    struct segment older = {.fd = -1};
    out->fd = -1;
    enum mf_code code = open_segment(reader->path, &newest.fd, &newest.number, err);
    if (code == MF_OK)
        code = open_segment(reader->older, &older.fd, &older.number, err);
    if (code == MF_OK && older.fd >= 0 && older.number >= wanted &&
        (newest.fd < 0 || older.number <= newest.number))
        *out = older;
    else if (code == MF_OK && newest.fd >= 0 && newest.number >= wanted)
        *out = newest;
    if (older.fd >= 0 && older.fd != out->fd)
        close(older.fd);
    if (newest.fd >= 0 && newest.fd != out->fd)
        close(newest.fd);
    return code;
}

enum mf_code mf_tasklog_open(const char *path, struct mf_tasklog_reader **out, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    struct mf_tasklog_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return mf_fail_memory(err);
    reader->fd = -1;
    int len = snprintf(reader->path, sizeof reader->path, "%s", path);
    int older = snprintf(reader->older, sizeof reader->older, "%s%s", path, MF_TASKLOG_OLDER);
    if (len < 0 || older < 0 || (size_t)older >= sizeof reader->older)
        code = mf_fail(err, MF_INVALID_ARGUMENT, "the log's file name %.200s… is too long", path);
    else if (access(reader->path, F_OK) != 0 && access(reader->older, F_OK) != 0)
        code = errno == ENOENT || errno == ENOTDIR
                   ? mf_fail(err, MF_NOT_FOUND, "there is no log yet")
                   : mf_fail(err, MF_UNAVAILABLE, "cannot open the log %s: %s", path, strerrordesc_np(errno));
    if (code == MF_OK)
        *out = reader;
    else
        mf_tasklog_reader_free(reader);
    return code;
}

void mf_tasklog_reader_free(struct mf_tasklog_reader *reader)
{
    if (!reader)
        return;
    if (reader->fd >= 0)
        close(reader->fd);
    free(reader);
}

/* Length of the well-formed UTF-8 character at the start, 0 when the bytes there are broken. */
static size_t character(const char *bytes, size_t len)
{
    for (size_t n = 1; n <= 4 && n <= len; n++) {
        if (mf_utf8_valid(bytes, n))
            return n;
    }
    return 0;
}

/* A copy whose broken bytes are U+FFFD; a maximal run of them becomes one. */
static struct mf_str clean_copy(struct mf_arena *arena, struct mf_str text)
{
    if (mf_utf8_valid(text.ptr, text.len))
        return mf_str_copy(arena, text);
    char *out = mf_arena_bytes(arena, text.len * 3);
    size_t len = 0;
    bool broken = false;
    if (!out)
        return mf_str_make(NULL, 1);
    for (size_t at = 0; at < text.len;) {
        size_t n = character(text.ptr + at, text.len - at);
        if (n > 0) {
            memcpy(out + len, text.ptr + at, n);
            len += n;
        } else if (!broken) {
            memcpy(out + len, "\xef\xbf\xbd", 3);
            len += 3;
        }
        broken = n == 0;
        at += n > 0 ? n : 1;
    }
    return mf_str_make(out, len);
}

struct collect {
    struct mf_arena *arena;
    struct mf_tasklog_line *lines;
    size_t count, max_lines;
    size_t bytes, max_bytes;
};

static bool is_full(const struct collect *collect)
{
    return collect->count == collect->max_lines ||
           (collect->count > 0 && collect->bytes >= collect->max_bytes);
}

static enum mf_code add_line(struct collect *collect, int64_t time_ns, uint8_t source, struct mf_str text,
                             struct mf_error *err)
{
    struct mf_tasklog_line *line = &collect->lines[collect->count];
    line->time_ns = time_ns;
    line->source = source <= MF_TASKLOG_SYSTEM ? (enum mf_tasklog_source)source : MF_TASKLOG_SYSTEM;
    line->text = clean_copy(collect->arena, text);
    if (!line->text.ptr && text.len > 0)
        return mf_fail_memory(err);
    collect->count++;
    collect->bytes += text.len;
    return MF_OK;
}

/* Takes whole records of the segment at hand; *idle: there was none. */
static enum mf_code read_segment(struct mf_tasklog_reader *reader, struct collect *collect, bool *idle,
                                 struct mf_error *err)
{
    struct mf_tasklog_record record;
    struct stat st;
    enum mf_code code = MF_OK;
    size_t used = 0;
    *idle = true;
    if (fstat(reader->fd, &st) != 0 || st.st_size <= reader->offset)
        return MF_OK;
    size_t size =
        st.st_size - reader->offset < (int64_t)CHUNK ? (size_t)(st.st_size - reader->offset) : CHUNK;
    char *chunk = malloc(size);
    if (!chunk)
        return mf_fail_memory(err);
    ssize_t got = pread(reader->fd, chunk, size, reader->offset);
    if (got < 0)
        code =
            mf_fail(err, MF_UNAVAILABLE, "cannot read the log %s: %s", reader->path, strerrordesc_np(errno));
    while (code == MF_OK && !reader->ended && !is_full(collect) &&
           mf_tasklog_decode(chunk + used, (size_t)got - used, &record)) {
        if (record.source == MF_TASKLOG_END)
            reader->ended = true;
        else
            code =
                add_line(collect, record.time_ns, record.source, mf_str_make(record.text, record.len), err);
        if (code == MF_OK)
            used += MF_TASKLOG_RECORD + record.len;
    }
    reader->offset += (int64_t)used;
    *idle = used == 0;
    free(chunk);
    return code;
}

static int64_t first_time(int fd)
{
    uint64_t time;
    if (pread(fd, &time, sizeof time, MF_TASKLOG_HEAD + 8) != sizeof time)
        return 0;
    return (int64_t)le64toh(time);
}

/* The segment at hand has nothing (more): goes to the next one. *more: there may be something to read now. */
static enum mf_code next_segment(struct mf_tasklog_reader *reader, struct collect *collect, bool *more,
                                 struct mf_error *err)
{
    static const char text[] =
        "[mayfly] an older part of this log was given up, because the log has reached its "
        "largest size\n";
    struct segment next;
    bool idle = true;
    enum mf_code code = find_segment(reader, reader->number + 1, &next, err);
    *more = code == MF_OK && next.fd >= 0;
    if (!*more)
        return code;
    /* Records may have come to the old one between our last look at it and its end. */
    if (reader->fd >= 0)
        code = read_segment(reader, collect, &idle, err);
    if (code != MF_OK || !idle) {
        close(next.fd);
        return code;
    }
    if (next.number > reader->number + 1)
        code = add_line(collect, first_time(next.fd), MF_TASKLOG_SYSTEM, mf_str_make(text, sizeof text - 1),
                        err);
    if (reader->fd >= 0)
        close(reader->fd);
    reader->fd = next.fd;
    reader->number = next.number;
    reader->offset = MF_TASKLOG_HEAD;
    return code;
}

enum mf_code mf_tasklog_read(struct mf_tasklog_reader *reader, struct mf_arena *arena, size_t max_lines,
                             size_t max_bytes, struct mf_tasklog_line **lines, size_t *count, bool *ended,
                             struct mf_error *err)
{
    enum mf_code code = MF_OK;
    bool more = true;
    struct collect collect = {
        .arena = arena, .max_lines = max_lines > 0 ? max_lines : 1, .max_bytes = max_bytes};
    *lines = NULL;
    *count = 0;
    collect.lines = mf_arena_array(arena, collect.max_lines, sizeof *collect.lines);
    if (!collect.lines)
        return mf_fail_memory(err);
    while (code == MF_OK && more && !reader->ended && !is_full(&collect)) {
        bool idle = true;
        if (reader->fd >= 0)
            code = read_segment(reader, &collect, &idle, err);
        if (code == MF_OK && idle)
            code = next_segment(reader, &collect, &more, err);
    }
    if (code == MF_OK) {
        *lines = collect.lines;
        *count = collect.count;
        *ended = reader->ended;
    }
    return code;
}
