#include "exec/process/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROCESSES_MAX ((size_t)1 << 20)
#define ENVIRON_MAX ((size_t)4 << 20)

static ssize_t read_small(const char *path, char *out, size_t max)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, out, max - 1);
    close(fd);
    if (got >= 0)
        out[got] = '\0';
    return got;
}

bool mf_proc_read(pid_t pid, struct mf_proc *out)
{
    char path[64];
    char text[1024];
    int parent;
    int group;
    unsigned long long start;
    long long pages;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (read_small(path, text, sizeof text) <= 0)
        return false;
    /* The name in parentheses may hold anything, so the fields are counted from its end. */
    const char *rest = strrchr(text, ')');
    if (!rest ||
        sscanf(rest + 1,
               " %c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu %*u %lld",
               &out->state, &parent, &group, &start, &pages) != 5)
        return false;
    out->pid = pid;
    out->parent = (pid_t)parent;
    out->group = (pid_t)group;
    out->start = (int64_t)start;
    out->rss_bytes = (int64_t)pages * sysconf(_SC_PAGESIZE);
    return true;
}

bool mf_proc_alive(pid_t pid, int64_t start)
{
    struct mf_proc proc;
    return pid > 0 && mf_proc_read(pid, &proc) && proc.start == start && proc.state != 'Z' &&
           proc.state != 'X';
}

int64_t mf_proc_share(pid_t pid)
{
    char path[64];
    char text[2048];
    long long kib;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    const char *line = read_small(path, text, sizeof text) > 0 ? strstr(text, "\nPss:") : NULL;
    return line && sscanf(line, "\nPss: %lld kB", &kib) == 1 ? kib * 1024 : 0;
}

static bool next_pid(DIR *dir, pid_t *pid)
{
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0])) {
            *pid = (pid_t)strtol(entry->d_name, NULL, 10);
            return true;
        }
    }
    return false;
}

static enum mf_code read_all(struct mf_proc **out, size_t *count, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    struct mf_proc *procs = NULL;
    size_t cap = 0;
    pid_t pid;
    *count = 0;
    DIR *dir = opendir("/proc");
    if (!dir)
        return mf_fail(err, MF_UNAVAILABLE, "cannot read /proc; the executor needs it to find processes");
    while (code == MF_OK && *count < PROCESSES_MAX && next_pid(dir, &pid)) {
        if (*count == cap) {
            cap = cap > 0 ? cap * 2 : 256;
            struct mf_proc *grown = realloc(procs, cap * sizeof *procs);
            if (!grown)
                code = mf_fail_memory(err);
            else
                procs = grown;
        }
        if (code == MF_OK && mf_proc_read(pid, &procs[*count]))
            (*count)++;
    }
    closedir(dir);
    if (code != MF_OK) {
        free(procs);
        return code;
    }
    *out = procs;
    return MF_OK;
}

static bool is_listed(const struct mf_proc *procs, size_t count, pid_t pid)
{
    for (size_t i = 0; i < count; i++) {
        if (procs[i].pid == pid)
            return true;
    }
    return false;
}

enum mf_code mf_proc_below(pid_t root, size_t max, struct mf_proc **out, size_t *count, struct mf_error *err)
{
    struct mf_proc *procs = NULL;
    size_t total = 0;
    size_t found = 0; /* procs[0 … found) are below root */
    *count = 0;
    *out = NULL;
    enum mf_code code = read_all(&procs, &total, err);
    if (code != MF_OK)
        return code;
    for (bool more = true; more && found < max;) {
        more = false;
        for (size_t i = found; i < total && found < max; i++) {
            if (procs[i].parent != root && !is_listed(procs, found, procs[i].parent))
                continue;
            struct mf_proc swap = procs[found];
            procs[found++] = procs[i];
            procs[i] = swap;
            more = true;
        }
    }
    *out = procs;
    *count = found;
    return MF_OK;
}

static bool has_mark(pid_t pid, const char *mark, size_t mark_len)
{
    char path[64];
    bool found = false;
    size_t len = 0;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    char *text = malloc(ENVIRON_MAX);
    ssize_t got;
    while (text && len < ENVIRON_MAX && (got = read(fd, text + len, ENVIRON_MAX - len)) > 0)
        len += (size_t)got;
    close(fd);
    for (size_t at = 0; text && at < len && !found;) {
        size_t size = strnlen(text + at, len - at);
        found = size == mark_len && memcmp(text + at, mark, size) == 0;
        at += size + 1;
    }
    free(text);
    return found;
}

size_t mf_proc_signal_marked(const char *name_and_value, int signal)
{
    size_t count = 0;
    pid_t pid;
    DIR *dir = opendir("/proc");
    if (!dir)
        return 0;
    while (next_pid(dir, &pid)) {
        if (pid != getpid() && has_mark(pid, name_and_value, strlen(name_and_value)) &&
            kill(pid, signal) == 0)
            count++;
    }
    closedir(dir);
    return count;
}

void mf_proc_boot_id(char out[MF_BOOT_ID_MAX])
{
    if (read_small("/proc/sys/kernel/random/boot_id", out, MF_BOOT_ID_MAX) < 0)
        out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}
