/*
 * Executors carry out the actions that the store has recorded. An executor follows the hub (MF_TOPIC_WORK)
 * and the open rows of the action table, and reports through action/machine.h; it holds no state that a
 * restart cannot rebuild.
 */
#ifndef MF_EXEC_EXEC_H
#define MF_EXEC_EXEC_H

#include "objects/object.h"
#include "secret/vault.h"
#include "store/store.h"

struct mf_exec;

struct mf_exec_config {
    const struct mf_sys *sys;
    struct mf_store *store;
    struct mf_objects *objects;
    struct mf_vault *vault; /* where tasks have their secrets from; NULL: there are none */
    const char *data_dir;   /* must exist; work/ and logs/ live below it */
    const char *self_path;  /* this binary, for the shim */
    const char *python;     /* interpreter given by the user, or NULL: find one (spec execution.md 5.4) */
    struct mf_str endpoint; /* host:port the tasks call back */
    bool endpoint_tls;
    struct mf_str task_secret; /* tasks get a key made with it (identity/task_key.h); empty: they need none */
    double cpus;               /* 0: all of the machine */
    int64_t memory_bytes;      /* 0: 80 % of the machine */
    uint32_t grace_ms;         /* between SIGTERM and SIGKILL; 0: 10 s */
    int64_t log_max_bytes;     /* per attempt; 0: 100 MiB */
};

/* Finds the Python environment, and reports clearly when the one that was named is not there or has no flyte
 * package (MF_FAILED_PRECONDITION); when none was named and none is found, a warning says so and Python tasks
 * fail with that explanation. Starts the loop, re-adopts or writes off what ran before. */
enum mf_code mf_exec_start(const struct mf_exec_config *config, struct mf_exec **out, struct mf_error *err);
uint64_t mf_exec_turns(const struct mf_exec *exec); /* for readyz; rises at least once a second */
/* Stops admitting. Running tasks stay alive under their shims and are adopted at the next start. */
void mf_exec_stop(struct mf_exec *exec);
void mf_exec_free(struct mf_exec *exec);

#endif
