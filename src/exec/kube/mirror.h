/*
 * The executor on Kubernetes: every action that is to run is mirrored as a TaskAction (flyte.org/v1) in a
 * cluster, where Flyte's executor runs it; what becomes of the resource is told to action/machine.h.
 *
 * The store is the truth. What it says is to run and what a cluster says is there are compared, in normal
 * running as changes come, and after a start, a partition or a forgotten version from a list of all; what
 * differs is made good: a resource is created, or removed because its action has ended. So nothing has to be
 * remembered but the two, and a request that is sent twice does no harm, since a resource is known by its
 * name and by the run it carries in an annotation.
 *
 * A run's resources are in one cluster (the one whose context bears the name of its queue, else the first)
 * and in one namespace, made from a template. Each is owned by that of its parent: to abort a run is to
 * delete a0's.
 *
 * Runs a loop of its own, and a thread for the requests to each cluster.
 */
#ifndef MF_EXEC_KUBE_MIRROR_H
#define MF_EXEC_KUBE_MIRROR_H

#include "kube/access.h"
#include "store/store.h"

struct mf_mirror;

struct mf_mirror_config {
    const struct mf_sys *sys;
    struct mf_store *store;
    const struct mf_kube_access *clusters; /* at least one */
    size_t cluster_count;
    const char *ca_file;      /* when access names no authorities; NULL: the system's */
    struct mf_str namespace_; /* with "{project}" and "{domain}" in it */
    struct mf_str instance;   /* tells our resources from those of other servers in the same cluster */
    bool sharded;             /* Flyte's executor leaves outputs below a folder of two letters */
    uint32_t create_rate;     /* resources in a second, in all; 0: 200 */
    int64_t retention_ns;     /* how long finished resources stay */
    struct mf_str endpoint;   /* host:port that tasks call back */
    bool endpoint_tls;
    struct mf_str task_secret; /* tasks get a key made with it (identity/task_key.h); empty: they need none */
    struct mf_str s3_endpoint, s3_access_key, s3_secret_key; /* empty endpoint: tasks know their store */
};

/* Asks every cluster whether it can be used: reached, signed in, TaskActions known and allowed. If not, the
 * error says what is missing. */
enum mf_code mf_mirror_start(const struct mf_mirror_config *config, struct mf_mirror **out,
                             struct mf_error *err) MF_CHECK_RESULT;
uint64_t mf_mirror_turns(const struct mf_mirror *mirror); /* for readyz; rises at least once a second */
/* Resources stay as they are, and are found again at the next start. */
void mf_mirror_stop(struct mf_mirror *mirror);
void mf_mirror_free(struct mf_mirror *mirror); /* after stop; NULL is fine */

struct mf_mirror_stats {
    uint64_t created, removed, failed; /* requests */
    size_t actions;                    /* that are looked after, finished ones in their retention too */
    size_t stragglers;                 /* resources that were asked to go, and do not */
    size_t unreachable;                /* clusters that cannot be followed now */
};
void mf_mirror_stats(const struct mf_mirror *mirror, struct mf_mirror_stats *out); /* any thread */

#endif
