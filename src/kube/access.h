/*
 * How to reach a cluster, and as whom: read from a kubeconfig file, or from what Kubernetes puts into a pod.
 *
 * Tokens, token files and client certificates are understood. What needs a program to be run or a name and a
 * password (exec, auth-provider, username) is refused, with what to use instead: a server is to know its own
 * credentials.
 */
#ifndef MF_KUBE_ACCESS_H
#define MF_KUBE_ACCESS_H

#include "base/arena.h"
#include "base/status.h"
#include "net/fetch.h"

struct mf_kube_access {
    struct mf_str name;       /* of the context; "in-cluster" in a pod */
    struct mf_str server;     /* URL without a "/" at its end */
    struct mf_str namespace_; /* of the context; empty: none is named */
    struct mf_str token;      /* empty: token_file, else none */
    const char *token_file;   /* read again as it changes; NULL: none */
    struct mf_fetch_tls tls;
};

/* context: NULL or empty: the file's current one. Relative paths are below the file's folder. MF_NOT_FOUND,
 * MF_INVALID_ARGUMENT name the file and what is wrong with it. */
enum mf_code mf_kube_access_file(struct mf_arena *arena, const char *file, const char *context,
                                 struct mf_kube_access *out, struct mf_error *err) MF_CHECK_RESULT;

#define MF_KUBE_POD_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"

/* host and port are those of KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, NULL when not set; folder
 * is MF_KUBE_POD_FOLDER. */
enum mf_code mf_kube_access_pod(struct mf_arena *arena, const char *host, const char *port,
                                const char *folder, struct mf_kube_access *out,
                                struct mf_error *err) MF_CHECK_RESULT;

#endif
