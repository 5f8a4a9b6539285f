#include "testing.h"

#include "base/sys.h"
#include "kube/access.h"
#include "kube/yaml_node.h"

#include <stdio.h>
#include <stdlib.h>

struct world {
    struct mf_arena *arena;
    char folder[64];
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->arena = mf_arena_new(0);
    snprintf(w->folder, sizeof w->folder, "/tmp/mayfly-kube-XXXXXX");
    *state = w;
    return mkdtemp(w->folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    struct mf_error err;
    int rc = mf_remove_tree(w->folder, &err) == MF_OK ? 0 : -1;
    mf_arena_free(w->arena);
    free(w);
    return rc;
}

static const char *put(struct world *w, const char *name, const char *text)
{
    char *path = mf_arena_bytes(w->arena, 256);
    struct mf_error err;
    snprintf(path, 256, "%s/%s", w->folder, name);
    assert_int_equal(mf_write_file(mf_sys_real(), path, mf_str_from_c(text), 0600, &err), MF_OK);
    return path;
}

#define HEAD                                                                                                 \
    "apiVersion: v1\nkind: Config\n"                                                                         \
    "clusters:\n- name: c1\n  cluster:\n    server: https://10.0.0.1:6443/\n"                                \
    "    certificate-authority-data: Y2E=\n"                                                                 \
    "- cluster: {server: 'http://127.0.0.1:1', insecure-skip-tls-verify: true}\n  name: c2\n"                \
    "contexts:\n- context:\n    cluster: c1\n    namespace: flyte\n    user: u1\n  name: first\n"            \
    "- context: {cluster: c2, user: u2}\n  name: second\n"                                                   \
    "- context: {cluster: c2, user: u3}\n  name: third\n"                                                    \
    "- context: {cluster: none, user: u3}\n  name: lost\n"                                                   \
    "current-context: first\n"                                                                               \
    "users:\n- name: u1\n  user:\n    client-certificate: cert.pem\n    client-key-data: a2V5\n"             \
    "- name: u2\n  user: {tokenFile: tokens/one}\n"                                                          \
    "- name: u3\n  user:\n    exec:\n      command: login\n"

static void a_file_has_contexts(void **state)
{
    struct world *w = *state;
    struct mf_kube_access access;
    struct mf_error err;
    char expected[128];
    const char *file = put(w, "config", HEAD);
    put(w, "cert.pem", "cert");
    assert_int_equal(mf_kube_access_file(w->arena, file, NULL, &access, &err), MF_OK);
    assert_true(mf_str_eq_c(access.name, "first"));
    assert_true(mf_str_eq_c(access.server, "https://10.0.0.1:6443"));
    assert_true(mf_str_eq_c(access.namespace_, "flyte"));
    assert_true(mf_str_eq_c(access.tls.ca, "ca"));
    assert_true(mf_str_eq_c(access.tls.cert, "cert"));
    assert_true(mf_str_eq_c(access.tls.key, "key"));
    assert_false(access.tls.insecure);
    assert_null(access.token_file);
    assert_int_equal(mf_kube_access_file(w->arena, file, "second", &access, &err), MF_OK);
    assert_true(access.tls.insecure);
    snprintf(expected, sizeof expected, "%s/tokens/one", w->folder);
    assert_string_equal(access.token_file, expected);
}

static void what_cannot_be_used_is_refused_with_advice(void **state)
{
    struct world *w = *state;
    struct mf_kube_access access;
    struct mf_error err;
    const char *file = put(w, "config", HEAD);
    assert_int_equal(mf_kube_access_file(w->arena, file, "third", &access, &err), MF_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "\"exec\""));
    assert_non_null(strstr(err.message, "kubectl create token"));
    assert_int_equal(mf_kube_access_file(w->arena, file, "fourth", &access, &err), MF_NOT_FOUND);
    assert_non_null(strstr(err.message, "it has: first, second, third, lost"));
    assert_int_equal(mf_kube_access_file(w->arena, file, "lost", &access, &err), MF_NOT_FOUND);
    assert_int_equal(mf_kube_access_file(w->arena, file, "first", &access, &err),
                     MF_NOT_FOUND); /* cert.pem */
    assert_non_null(strstr(err.message, "client-certificate"));
    assert_int_equal(mf_kube_access_file(w->arena, "/nowhere/at/all", NULL, &access, &err), MF_NOT_FOUND);
    file = put(w, "broken", "a: [1, 2\nb: 3\n");
    assert_int_equal(mf_kube_access_file(w->arena, file, NULL, &access, &err), MF_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "line 2"));
}

static void a_pod_has_its_service_account(void **state)
{
    struct world *w = *state;
    struct mf_kube_access access;
    struct mf_error err;
    assert_int_equal(mf_kube_access_pod(w->arena, NULL, NULL, w->folder, &access, &err),
                     MF_FAILED_PRECONDITION);
    assert_int_equal(mf_kube_access_pod(w->arena, "10.0.0.1", "443", w->folder, &access, &err), MF_NOT_FOUND);
    put(w, "ca.crt", "ca");
    put(w, "token", "t");
    put(w, "namespace", "flyte\n");
    assert_int_equal(mf_kube_access_pod(w->arena, "fd00::1", "443", w->folder, &access, &err), MF_OK);
    assert_true(mf_str_eq_c(access.server, "https://[fd00::1]:443"));
    assert_true(mf_str_eq_c(access.namespace_, "flyte"));
    assert_non_null(access.token_file);
}

static void yaml_is_read_within_bounds(void **state)
{
    struct world *w = *state;
    const mf_node *tree = NULL;
    struct mf_error err;
    assert_int_equal(mf_yaml_read(w->arena, MF_STR("{\"a\": {\"b\": [\"x\", {\"c\": \"d\"}]}}"), &tree, &err),
                     MF_OK);
    assert_true(mf_str_eq_c(mf_node_text(mf_node_item(mf_node_at(tree, "a/b"), 1), "c"), "d"));
    assert_int_equal(mf_yaml_read(w->arena, MF_STR(""), &tree, &err), MF_OK);
    assert_null(tree);
    assert_int_equal(mf_yaml_read(w->arena, MF_STR("a: &x 1\nb: *x\n"), &tree, &err), MF_INVALID_ARGUMENT);
    char deep[256];
    memset(deep, '[', sizeof deep);
    assert_int_equal(mf_yaml_read(w->arena, mf_str_make(deep, sizeof deep), &tree, &err),
                     MF_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "too deeply"));
    assert_int_equal(mf_yaml_read(w->arena, MF_STR("[a]: b\n"), &tree, &err), MF_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_has_contexts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_used_is_refused_with_advice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pod_has_its_service_account, set_up, tear_down),
        cmocka_unit_test_setup_teardown(yaml_is_read_within_bounds, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
