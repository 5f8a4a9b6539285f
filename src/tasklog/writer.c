#include "base/buf.h"
#include "tasklog/record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_MAX_BYTES ((int64_t)100 << 20)
#define MIN_SEGMENT ((int64_t)2 * (int64_t)(MF_TASKLOG_TEXT_MAX + MF_TASKLOG_RECORD + MF_TASKLOG_HEAD))
#define SOURCES 4
#define FLUSH_BYTES ((size_t)256 << 10)

struct mf_tasklog_writer {
    const struct mf_sys *sys;
    int fd;
    int64_t size; /* of the segment, whole records only */
    int64_t segment_max;
    uint64_t number;
    uint64_t lost;               /* bytes of records that the disk did not take */
    struct mf_buf part[SOURCES]; /* unfinished line of each source */
    struct mf_buf out;           /* encoded records not yet written */
    char path[PATH_MAX];
};

static enum mf_code fail_errno(struct mf_error *err, const char *what, const char *path)
{
    return mf_fail(err, MF_UNAVAILABLE, "cannot %s the log %s: %s", what, path, strerrordesc_np(errno));
}

static bool write_all(struct mf_tasklog_writer *writer, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = writer->sys->write(writer->sys->ctx, writer->fd, bytes, len);
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

static enum mf_code begin_segment(struct mf_tasklog_writer *writer, struct mf_error *err)
{
    char head[MF_TASKLOG_HEAD];
    writer->fd = writer->sys->open(writer->sys->ctx, writer->path, O_RDWR | O_CREAT | O_APPEND, 0640);
    if (writer->fd < 0)
        return fail_errno(err, "open", writer->path);
    mf_tasklog_encode_head(head, writer->number);
    if (ftruncate(writer->fd, 0) != 0 || !write_all(writer, head, sizeof head)) {
        enum mf_code code = fail_errno(err, "begin", writer->path);
        close(writer->fd);
        writer->fd = -1;
        return code;
    }
    writer->size = MF_TASKLOG_HEAD;
    return MF_OK;
}

/* Finds the end of what was wholly written before, and cuts off the rest and the mark of the end. */
static enum mf_code continue_segment(struct mf_tasklog_writer *writer, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    struct mf_tasklog_record record;
    size_t cap = MF_TASKLOG_RECORD + MF_TASKLOG_TEXT_MAX;
    char *bytes = malloc(cap);
    if (!bytes)
        return mf_fail_memory(err);
    ssize_t got = pread(writer->fd, bytes, MF_TASKLOG_HEAD, 0);
    if (got < 0 || !mf_tasklog_decode_head(bytes, (size_t)got, &writer->number)) {
        writer->number = 1;
        close(writer->fd);
        writer->fd = -1;
        code = begin_segment(writer, err);
        goto out;
    }
    writer->size = MF_TASKLOG_HEAD;
    while ((got = pread(writer->fd, bytes, cap, writer->size)) > 0) {
        size_t used = 0;
        while (mf_tasklog_decode(bytes + used, (size_t)got - used, &record) &&
               record.source != MF_TASKLOG_END)
            used += MF_TASKLOG_RECORD + record.len;
        if (used == 0)
            break;
        writer->size += (int64_t)used;
    }
    if (ftruncate(writer->fd, writer->size) != 0)
        code = fail_errno(err, "continue", writer->path);
out:
    free(bytes);
    return code;
}

enum mf_code mf_tasklog_create(const struct mf_sys *sys, const char *path, int64_t max_bytes,
                               struct mf_tasklog_writer **out, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    size_t len = strlen(path);
    const char *slash = strrchr(path, '/');
    struct mf_tasklog_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return mf_fail_memory(err);
    writer->sys = sys;
    writer->fd = -1;
    writer->number = 1;
    writer->segment_max = (max_bytes > 0 ? max_bytes : DEFAULT_MAX_BYTES) / 2;
    if (writer->segment_max < MIN_SEGMENT)
        writer->segment_max = MIN_SEGMENT;
    for (size_t i = 0; i < SOURCES; i++)
        writer->part[i] = MF_BUF_INIT(MF_TASKLOG_TEXT_MAX);
    if (len + sizeof MF_TASKLOG_OLDER > sizeof writer->path) {
        code = mf_fail(err, MF_INVALID_ARGUMENT, "the log's file name %.200s… is too long", path);
        goto out;
    }
    memcpy(writer->path, path, len + 1);
    if (slash && slash != path) {
        writer->path[slash - path] = '\0';
        code = mf_make_dirs(writer->path, 0750, err);
        writer->path[slash - path] = '/';
    }
    if (code != MF_OK)
        goto out;
    writer->fd = sys->open(sys->ctx, path, O_RDWR | O_APPEND, 0);
    if (writer->fd >= 0)
        code = continue_segment(writer, err);
    else if (errno == ENOENT)
        code = begin_segment(writer, err);
    else
        code = fail_errno(err, "open", path);
out:
    if (code == MF_OK) {
        *out = writer;
    } else {
        if (writer->fd >= 0)
            close(writer->fd);
        free(writer);
    }
    return code;
}

static enum mf_code turn_segment(struct mf_tasklog_writer *writer, struct mf_error *err)
{
    char older[PATH_MAX + sizeof MF_TASKLOG_OLDER];
    snprintf(older, sizeof older, "%s%s", writer->path, MF_TASKLOG_OLDER);
    if (writer->sys->rename(writer->sys->ctx, writer->path, older) != 0)
        return fail_errno(err, "set aside the older half of", writer->path);
    close(writer->fd);
    writer->fd = -1;
    writer->number++;
    return begin_segment(writer, err);
}

/* Hands the encoded records to the system. What the disk does not take is given up and counted: the task must
 * not be stopped by its log. */
static enum mf_code flush(struct mf_tasklog_writer *writer, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    size_t len = writer->out.len;
    bool memory = mf_buf_failed(&writer->out);
    if (len > 0 && !memory) {
        if (writer->fd < 0)
            code = begin_segment(writer, err);
        else if (writer->size + (int64_t)len > writer->segment_max && writer->size > MF_TASKLOG_HEAD)
            code = turn_segment(writer, err);
        if (code == MF_OK && !write_all(writer, writer->out.ptr, len)) {
            code = fail_errno(err, "write", writer->path);
            if (ftruncate(writer->fd, writer->size) != 0)
                writer->size =
                    writer->segment_max; /* what follows here could not be read: go to the next one */
        }
    }
    if (memory)
        code = mf_fail_memory(err);
    if (code == MF_OK) {
        writer->size += (int64_t)len;
        writer->lost = len > 0 ? 0 : writer->lost;
    } else {
        writer->lost += len;
    }
    mf_buf_clear(&writer->out);
    return code;
}

static bool put(struct mf_tasklog_writer *writer, uint8_t source, struct mf_str text)
{
    size_t size = MF_TASKLOG_RECORD + text.len;
    char *to = mf_buf_reserve(&writer->out, size);
    if (!to)
        return false;
    mf_tasklog_encode(to, mf_wall_ns(writer->sys), source, text);
    mf_buf_commit(&writer->out, size);
    return true;
}

static void put_lost(struct mf_tasklog_writer *writer)
{
    char text[128];
    if (writer->lost == 0 || writer->out.len > 0)
        return;
    int len = snprintf(text, sizeof text,
                       "[mayfly] %llu bytes of this log could not be written and are missing here\n",
                       (unsigned long long)writer->lost);
    put(writer, MF_TASKLOG_SYSTEM, mf_str_make(text, (size_t)len));
}

/* Where to cut a line that is too long, so that no character is torn. */
static size_t cut_long(struct mf_str line)
{
    size_t at = MF_TASKLOG_TEXT_MAX;
    for (size_t back = 0; back < 4 && ((uint8_t)line.ptr[at] & 0xc0) == 0x80; back++)
        at--;
    return ((uint8_t)line.ptr[at] & 0xc0) == 0x80 ? MF_TASKLOG_TEXT_MAX : at;
}

/* Takes one piece off the front of bytes into a record or, when the line is not finished, into the part. */
static size_t take(struct mf_tasklog_writer *writer, uint8_t source, struct mf_str bytes)
{
    struct mf_buf *part = &writer->part[source];
    const char *newline = memchr(bytes.ptr, '\n', bytes.len);
    size_t used = newline ? (size_t)(newline - bytes.ptr) + 1 : bytes.len;
    if (part->len == 0 && used > MF_TASKLOG_TEXT_MAX) {
        used = cut_long(bytes);
        put(writer, source, mf_str_take(bytes, used));
        return used;
    }
    if (part->len == 0 && newline) {
        put(writer, source, mf_str_take(bytes, used));
        return used;
    }
    if (part->len + used > MF_TASKLOG_TEXT_MAX) {
        size_t room = MF_TASKLOG_TEXT_MAX - part->len;
        while (room > 0 && ((uint8_t)bytes.ptr[room] & 0xc0) == 0x80 &&
               MF_TASKLOG_TEXT_MAX - part->len - room < 3)
            room--;
        mf_buf_add(part, bytes.ptr, room);
        put(writer, source, mf_buf_str(part));
        mf_buf_clear(part);
        return room;
    }
    mf_buf_add(part, bytes.ptr, used);
    if (newline || mf_buf_failed(part)) {
        put(writer, source, mf_buf_str(part));
        mf_buf_clear(part);
    }
    return used;
}

enum mf_code mf_tasklog_append(struct mf_tasklog_writer *writer, enum mf_tasklog_source source,
                               struct mf_str bytes, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    put_lost(writer);
    while (bytes.len > 0) {
        bytes = mf_str_skip(bytes, take(writer, (uint8_t)source, bytes));
        if (writer->out.len >= FLUSH_BYTES || (int64_t)writer->out.len >= writer->segment_max / 2 ||
            bytes.len == 0) {
            enum mf_code flushed = flush(writer, err);
            code = flushed != MF_OK ? flushed : code;
        }
    }
    return code;
}

void mf_tasklog_close(struct mf_tasklog_writer *writer)
{
    if (!writer)
        return;
    put_lost(writer);
    for (uint8_t source = 1; source < SOURCES; source++) {
        if (writer->part[source].len > 0)
            put(writer, source, mf_buf_str(&writer->part[source]));
    }
    put(writer, MF_TASKLOG_END, MF_STR_EMPTY);
    if (flush(writer, NULL) != MF_OK && put(writer, MF_TASKLOG_END, MF_STR_EMPTY))
        (void)!flush(writer, NULL); /* the mark alone may still fit */
    for (size_t i = 0; i < SOURCES; i++)
        mf_buf_free(&writer->part[i]);
    mf_buf_free(&writer->out);
    if (writer->fd >= 0)
        close(writer->fd);
    free(writer);
}
