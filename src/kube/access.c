#include "kube/access.h"

#include "base/encode.h"
#include "base/sys.h"
#include "kube/yaml_node.h"

#define FILE_MAX ((size_t)1 << 20)

struct source {
    struct mf_arena *arena;
    const char *file;
    const mf_node *root;
    struct mf_error *err;
};

static enum mf_code no_memory_unless(bool ok, struct mf_error *err)
{
    return ok ? MF_OK : mf_fail_memory(err);
}

/* The member called kind of the item of a list that has the name. */
static const mf_node *named(const struct source *s, const char *list, struct mf_str name, const char *kind)
{
    const mf_node *items = mf_node_get(s->root, list);
    for (size_t i = 0; i < mf_node_count(items); i++) {
        const mf_node *item = mf_node_item(items, i);
        if (mf_str_eq(mf_node_text(item, "name"), name))
            return mf_node_get(item, kind);
    }
    return NULL;
}

static const char *beside(const struct source *s, struct mf_str path)
{
    struct mf_str folder = mf_str_from_c(s->file);
    while (folder.len > 0 && folder.ptr[folder.len - 1] != '/')
        folder.len--;
    return path.len > 0 && path.ptr[0] == '/'
               ? mf_str_to_c(s->arena, path)
               : mf_str_printf(s->arena, "%.*s%.*s%c", MF_FMT(folder), MF_FMT(path), '\0').ptr;
}

/* PEM that is there as base64, or in a file that is named. */
static enum mf_code read_pem(const struct source *s, const mf_node *from, const char *name,
                             struct mf_str *out)
{
    struct mf_str data_name = mf_str_printf(s->arena, "%s-data%c", name, '\0');
    if (!data_name.ptr)
        return mf_fail_memory(s->err);
    struct mf_str data = mf_node_text(from, data_name.ptr);
    struct mf_str path = mf_node_text(from, name);
    *out = MF_STR_EMPTY;
    if (data.len > 0 && !mf_base64_decode(s->arena, data, out))
        return mf_fail(s->err, MF_INVALID_ARGUMENT, "%s: %s is not base64", s->file, data_name.ptr);
    if (data.len > 0 || path.len == 0)
        return MF_OK;
    const char *file = beside(s, path);
    enum mf_code code = file ? mf_read_file(s->arena, file, FILE_MAX, out, s->err) : mf_fail_memory(s->err);
    return code == MF_OK ? MF_OK : mf_fail_prefix(s->err, "%s: %s", s->file, name);
}

static enum mf_code refuse_others(const struct source *s, const mf_node *user)
{
    static const char *const others[] = {"exec", "auth-provider", "username", "password"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (mf_node_get(user, others[i]))
            return mf_fail(s->err, MF_FAILED_PRECONDITION,
                           "%s: credentials by \"%s\" are not used by a server; give the user a token of a "
                           "service account (kubectl create token), a tokenFile or a client certificate",
                           s->file, others[i]);
    }
    return MF_OK;
}

static enum mf_code read_user(const struct source *s, const mf_node *user, struct mf_kube_access *out)
{
    enum mf_code code = read_pem(s, user, "client-certificate", &out->tls.cert);
    if (code == MF_OK)
        code = read_pem(s, user, "client-key", &out->tls.key);
    if (code != MF_OK)
        return code;
    struct mf_str file = mf_node_text(user, "tokenFile");
    out->token = file.len > 0 ? MF_STR_EMPTY : mf_node_text(user, "token");
    out->token_file = file.len > 0 ? beside(s, file) : NULL;
    if (file.len > 0 && !out->token_file)
        return mf_fail_memory(s->err);
    if (out->tls.cert.len > 0 && out->tls.key.len == 0)
        return mf_fail(s->err, MF_INVALID_ARGUMENT, "%s: client-certificate without client-key", s->file);
    return out->tls.cert.len > 0 || out->token.len > 0 || file.len > 0 ? MF_OK : refuse_others(s, user);
}

static enum mf_code read_cluster(const struct source *s, const mf_node *cluster, struct mf_kube_access *out)
{
    struct mf_str server = mf_node_text(cluster, "server");
    while (server.len > 0 && server.ptr[server.len - 1] == '/')
        server.len--;
    out->server = server;
    out->tls.insecure = mf_str_eq_c(mf_node_text(cluster, "insecure-skip-tls-verify"), "true");
    if (!mf_str_starts(server, MF_STR("https://")) && !mf_str_starts(server, MF_STR("http://")))
        return mf_fail(s->err, MF_INVALID_ARGUMENT, "%s: the cluster's server must be a URL, not \"%.*s\"",
                       s->file, MF_FMT(server));
    return read_pem(s, cluster, "certificate-authority", &out->tls.ca);
}

static struct mf_str names_of(const struct source *s, const char *list)
{
    const mf_node *items = mf_node_get(s->root, list);
    struct mf_str names = MF_STR("none");
    for (size_t i = 0; i < mf_node_count(items) && i < 20; i++) {
        struct mf_str name = mf_node_text(mf_node_item(items, i), "name");
        names = i == 0 ? name : mf_str_printf(s->arena, "%.*s, %.*s", MF_FMT(names), MF_FMT(name));
    }
    return names.ptr ? names : MF_STR("?");
}

enum mf_code mf_kube_access_file(struct mf_arena *arena, const char *file, const char *context,
                                 struct mf_kube_access *out, struct mf_error *err)
{
    struct source s = {.arena = arena, .file = file, .err = err};
    struct mf_str text;
    *out = (struct mf_kube_access){0};
    enum mf_code code = mf_read_file(arena, file, FILE_MAX, &text, err);
    if (code != MF_OK)
        return mf_fail_prefix(err, "kubeconfig");
    code = mf_yaml_read(arena, text, &s.root, err);
    if (code != MF_OK)
        return mf_fail_prefix(err, "%s", file);
    out->name = context && context[0] ? mf_str_copy(arena, mf_str_from_c(context))
                                      : mf_node_text(s.root, "current-context");
    const mf_node *chosen = named(&s, "contexts", out->name, "context");
    if (!chosen)
        return mf_fail(err, MF_NOT_FOUND, "%s: there is no context \"%.*s\"; it has: %.*s", file,
                       MF_FMT(out->name), MF_FMT(names_of(&s, "contexts")));
    out->namespace_ = mf_node_text(chosen, "namespace");
    const mf_node *cluster = named(&s, "clusters", mf_node_text(chosen, "cluster"), "cluster");
    const mf_node *user = named(&s, "users", mf_node_text(chosen, "user"), "user");
    if (!cluster)
        return mf_fail(err, MF_NOT_FOUND,
                       "%s: context \"%.*s\" names the cluster \"%.*s\", which is not there", file,
                       MF_FMT(out->name), MF_FMT(mf_node_text(chosen, "cluster")));
    code = read_cluster(&s, cluster, out);
    return code == MF_OK ? read_user(&s, user, out) : code;
}

enum mf_code mf_kube_access_pod(struct mf_arena *arena, const char *host, const char *port,
                                const char *folder, struct mf_kube_access *out, struct mf_error *err)
{
    struct mf_str text;
    *out = (struct mf_kube_access){.name = MF_STR("in-cluster")};
    if (!host || !port || !host[0] || !port[0])
        return mf_fail(err, MF_FAILED_PRECONDITION,
                       "this is no pod of a cluster (KUBERNETES_SERVICE_HOST is not set); name a kubeconfig "
                       "file");
    bool ipv6 = mf_str_find_char(mf_str_from_c(host), ':') != SIZE_MAX;
    out->server = mf_str_printf(arena, ipv6 ? "https://[%s]:%s" : "https://%s:%s", host, port);
    struct mf_str ca = mf_str_printf(arena, "%s/ca.crt%c", folder, '\0');
    struct mf_str ns = mf_str_printf(arena, "%s/namespace%c", folder, '\0');
    struct mf_str token = mf_str_printf(arena, "%s/token%c", folder, '\0');
    enum mf_code code = no_memory_unless(out->server.ptr && ca.ptr && ns.ptr && token.ptr, err);
    if (code == MF_OK)
        code = mf_read_file(arena, ca.ptr, FILE_MAX, &out->tls.ca, err);
    if (code == MF_OK)
        code = mf_read_file(arena, token.ptr, FILE_MAX, &text, err);
    if (code != MF_OK)
        return mf_fail_prefix(err, "the pod's service account");
    out->token_file = token.ptr;
    if (mf_read_file(arena, ns.ptr, FILE_MAX, &text, NULL) == MF_OK)
        out->namespace_ = mf_str_trim(text, MF_STR(" \r\n"));
    return MF_OK;
}
