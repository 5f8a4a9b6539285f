/* From the configuration to the executor on Kubernetes. */
#ifndef MF_SERVER_KUBERNETES_H
#define MF_SERVER_KUBERNETES_H

#include "exec/kube/mirror.h"
#include "server/config.h"

/* Whether "executor" asks for it. MF_INVALID_ARGUMENT when it asks for nothing we know. */
enum mf_code mf_kubernetes_wanted(const struct mf_config *config, bool *out,
                                  struct mf_error *err) MF_CHECK_RESULT;
/* Fills clusters, namespaces, names and bounds; the rest is left alone. Everything lives in the arena. */
enum mf_code mf_kubernetes_config(struct mf_arena *arena, const struct mf_config *config,
                                  struct mf_mirror_config *out, struct mf_error *err) MF_CHECK_RESULT;

#endif
