#include "exec/process/outcome.h"

#include "base/buf.h"

#include <stdio.h>

#define FORMAT_VERSION 1
#define FILE_MAX 8192

enum mf_code mf_outcome_write(const struct mf_sys *sys, const char *path, const struct mf_outcome *outcome,
                              struct mf_error *err)
{
    struct mf_buf buf = MF_BUF_INIT(FILE_MAX);
    mf_buf_printf(&buf, "v%d %lld %d %d %d %d %lld %lld %lld %lld\n", FORMAT_VERSION, (long long)outcome->pid,
                  outcome->wait_status, outcome->exec_errno, outcome->stopped, outcome->over_memory,
                  (long long)outcome->started_ns, (long long)outcome->ended_ns, (long long)outcome->cpu_us,
                  (long long)outcome->max_rss_bytes);
    mf_buf_add_str(&buf, outcome->tail);
    enum mf_code code =
        mf_buf_failed(&buf) ? mf_fail_memory(err) : mf_write_file(sys, path, mf_buf_str(&buf), 0640, err);
    mf_buf_free(&buf);
    return code;
}

enum mf_code mf_outcome_read(struct mf_arena *arena, const char *path, struct mf_outcome *out,
                             struct mf_error *err)
{
    struct mf_str text;
    int version;
    int stopped;
    int over_memory;
    long long pid;
    long long started;
    long long ended;
    long long cpu;
    long long rss;
    enum mf_code code = mf_read_file(arena, path, FILE_MAX, &text, err);
    if (code != MF_OK)
        return code;
    size_t line = mf_str_find_char(text, '\n');
    const char *copy = line == SIZE_MAX ? NULL : mf_str_to_c(arena, mf_str_take(text, line));
    if (!copy ||
        sscanf(copy, "v%d %lld %d %d %d %d %lld %lld %lld %lld", &version, &pid, &out->wait_status,
               &out->exec_errno, &stopped, &over_memory, &started, &ended, &cpu, &rss) != 10 ||
        version != FORMAT_VERSION)
        return mf_fail(err, MF_DATA_LOSS, "%s is damaged", path);
    out->pid = pid;
    out->stopped = stopped != 0;
    out->over_memory = over_memory != 0;
    out->started_ns = started;
    out->ended_ns = ended;
    out->cpu_us = cpu;
    out->max_rss_bytes = rss;
    out->tail = mf_str_skip(text, line + 1);
    return MF_OK;
}
