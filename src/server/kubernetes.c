#include "server/kubernetes.h"

#include "base/time.h"

#include <stdlib.h>

#define INSTANCE_MAX 63

enum mf_code mf_kubernetes_wanted(const struct mf_config *config, bool *out, struct mf_error *err)
{
    struct mf_str executor = mf_str_from_c(mf_config_text(config, MF_CONF_EXECUTOR));
    *out = mf_str_eq_c(executor, "kubernetes");
    if (*out || mf_str_eq_c(executor, "process"))
        return MF_OK;
    return mf_fail(err, MF_INVALID_ARGUMENT, "executor: \"%.*s\" is none; it is process or kubernetes",
                   MF_FMT(executor));
}

static enum mf_code check_names(const struct mf_mirror_config *config, struct mf_error *err)
{
    struct mf_str instance = config->instance;
    bool ok = instance.len > 0 && instance.len <= INSTANCE_MAX;
    for (size_t i = 0; i < instance.len && ok; i++) {
        char c = instance.ptr[i];
        ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && i > 0 && i + 1 < instance.len);
    }
    if (!ok)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "kube-instance: \"%.*s\" must be lower-case letters, digits and \"-\" in between, at "
                       "most %d",
                       MF_FMT(instance), INSTANCE_MAX);
    if (config->namespace_.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "kube-namespace must name a namespace, such as flyte or {project}-{domain}");
    return MF_OK;
}

enum mf_code mf_kubernetes_config(struct mf_arena *arena, const struct mf_config *config,
                                  struct mf_mirror_config *out, struct mf_error *err)
{
    const char *file = mf_config_text(config, MF_CONF_KUBECONFIG);
    const struct mf_str *contexts = NULL;
    size_t count = mf_config_list(config, MF_CONF_KUBE_CONTEXTS, &contexts);
    struct mf_kube_access *clusters = mf_arena_array(arena, count > 0 ? count : 1, sizeof *clusters);
    enum mf_code code = clusters ? MF_OK : mf_fail_memory(err);
    out->clusters = clusters;
    out->cluster_count = count > 0 ? count : 1;
    out->namespace_ = mf_str_from_c(mf_config_text(config, MF_CONF_KUBE_NAMESPACE));
    out->instance = mf_str_from_c(mf_config_text(config, MF_CONF_KUBE_INSTANCE));
    out->sharded = mf_config_int(config, MF_CONF_KUBE_SHARDED_OUTPUTS) != 0;
    out->create_rate = (uint32_t)mf_config_int(config, MF_CONF_KUBE_CREATE_RATE);
    out->retention_ns = mf_config_int(config, MF_CONF_KUBE_RETENTION) * MF_MS_NS;
    if (code == MF_OK)
        code = check_names(out, err);
    if (code == MF_OK && !file[0] && count > 0)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "kube-contexts are those of a kubeconfig file; name it with kubeconfig");
    if (code == MF_OK && !file[0])
        return mf_kube_access_pod(arena, getenv("KUBERNETES_SERVICE_HOST"), getenv("KUBERNETES_SERVICE_PORT"),
                                  MF_KUBE_POD_FOLDER, &clusters[0], err);
    for (size_t i = 0; i < out->cluster_count && code == MF_OK; i++) {
        const char *context = count > 0 ? mf_str_to_c(arena, contexts[i]) : "";
        code = context ? mf_kube_access_file(arena, file, context, &clusters[i], err) : mf_fail_memory(err);
    }
    return code;
}
