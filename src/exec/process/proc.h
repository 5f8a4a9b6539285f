/*
 * What /proc tells about processes. A process is known by its id and its start time, since ids are used
 * again. Any thread.
 */
#ifndef MF_EXEC_PROC_H
#define MF_EXEC_PROC_H

#include "base/status.h"
#include "base/str.h"

#include <sys/types.h>

struct mf_proc {
    pid_t pid, parent, group;
    char state;
    int64_t start; /* clock ticks after the boot */
    int64_t rss_bytes;
};

/* False when there is no such process. */
bool mf_proc_read(pid_t pid, struct mf_proc *out);
/* A process of that id and start time that has not ended (one that waits to be reaped has). */
bool mf_proc_alive(pid_t pid, int64_t start);
/* Bytes of memory, shared pages by the share of each who has them; 0 when unknown. Slower than rss_bytes. */
int64_t mf_proc_share(pid_t pid);
/* Every process below root, not root itself, at most max; *out is to be freed. */
enum mf_code mf_proc_below(pid_t root, size_t max, struct mf_proc **out, size_t *count, struct mf_error *err);
/* Sends the signal to every process whose environment holds "name=value" as it was when it started, as far as
 * we may look. Returns how many. */
size_t mf_proc_signal_marked(const char *name_and_value, int signal);

#define MF_BOOT_ID_MAX 64
/* Identifies the boot of the machine; empty when the system does not tell. */
void mf_proc_boot_id(char out[MF_BOOT_ID_MAX]);

#endif
