/*
 * The log of one attempt as it is kept on disk: what the task wrote to standard output and standard error,
 * each line with the time of its arrival. Written by one process (the attempt's shim), read by any number of
 * readers in other threads or processes while it grows and after it has ended.
 *
 * Files: <root>/<project>/<domain>/<run>/<action>/<attempt>.log (the format is explained in tasklog.c). Names
 * that are no plain path component are refused with MF_INVALID_ARGUMENT. A writer keeps at most max_bytes;
 * when more comes, the oldest part is given up and a line says so. A torn end (power cut) is what has not
 * been written.
 */
#ifndef MF_TASKLOG_TASKLOG_H
#define MF_TASKLOG_TASKLOG_H

#include "base/arena.h"
#include "base/sys.h"

struct mf_tasklog_key {
    struct mf_str project, domain, run, action;
    int32_t attempt; /* from 1 */
};

enum mf_tasklog_source { MF_TASKLOG_STDOUT = 1, MF_TASKLOG_STDERR = 2, MF_TASKLOG_SYSTEM = 3 };

struct mf_tasklog_line {
    int64_t time_ns;
    enum mf_tasklog_source source;
    struct mf_str text; /* with its newline, when it had one; valid UTF-8, broken bytes replaced */
};

/* Path of the file, in the arena; directories are not made. */
enum mf_code mf_tasklog_path(struct mf_arena *arena, const char *root, const struct mf_tasklog_key *key,
                             const char **path, struct mf_error *err) MF_CHECK_RESULT;

struct mf_tasklog_writer;
/* Creates or continues the file. */
enum mf_code mf_tasklog_create(const struct mf_sys *sys, const char *path, int64_t max_bytes,
                               struct mf_tasklog_writer **out, struct mf_error *err) MF_CHECK_RESULT;
/* Takes bytes as they come; lines are cut here, an unfinished one is written when its rest has come, at
 * close, or when it is longer than 64 KiB. */
enum mf_code mf_tasklog_append(struct mf_tasklog_writer *writer, enum mf_tasklog_source source,
                               struct mf_str bytes, struct mf_error *err) MF_CHECK_RESULT;
/* Marks the log as ended (readers see end of file) and closes it. */
void mf_tasklog_close(struct mf_tasklog_writer *writer); /* NULL is fine */

struct mf_tasklog_reader;
/* MF_NOT_FOUND while there is no file. */
enum mf_code mf_tasklog_open(const char *path, struct mf_tasklog_reader **out,
                             struct mf_error *err) MF_CHECK_RESULT;
/* Up to max_lines further lines and at most about max_bytes; *ended: the writer has closed and all is read.
 * No lines and not ended: nothing new yet (MF_TOPIC_LOG of the hub tells when). */
enum mf_code mf_tasklog_read(struct mf_tasklog_reader *reader, struct mf_arena *arena, size_t max_lines,
                             size_t max_bytes, struct mf_tasklog_line **lines, size_t *count, bool *ended,
                             struct mf_error *err) MF_CHECK_RESULT;
void mf_tasklog_reader_free(struct mf_tasklog_reader *reader); /* NULL is fine */

#endif
