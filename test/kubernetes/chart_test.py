#!/usr/bin/env python3
"""The chart of deploy/helm, rendered by Helm's own code: a real API server takes every object of it by the letter, the
configuration is one the server reads, and the rights it gives are enough to run an action."""
import os
import subprocess
from pathlib import Path

import yaml

from cluster import Cluster
from executor import API, Executor
from harness import FOLDER, MAYFLY, Server, check, shell_task

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "mayfly"
NAMESPACED = {"Deployment": "apps/v1", "ConfigMap": "v1", "Service": "v1", "PersistentVolumeClaim": "v1",
              "ServiceAccount": "v1"}


def helm(*values):
    return subprocess.run([ROOT / "build" / "kubernetes" / "helm", CHART, *values], text=True, capture_output=True,
                          check=False)


def render(*values):
    answer = helm(*values)
    check(answer.returncode == 0, answer.stderr)
    return [document for document in yaml.safe_load_all(answer.stdout) if document]


def path(document):
    version = document["apiVersion"]
    prefix = "/api/v1" if version == "v1" else f"/apis/{version}"
    if document["kind"] in NAMESPACED:
        prefix += "/namespaces/mayfly"
    return f"{prefix}/{document['kind'].lower()}s"


def install(cluster, documents, query):
    for document in documents:
        cluster.must("POST", f"{path(document)}?fieldValidation=Strict{query}", document)


def of_kind(documents, kind):
    return [document for document in documents if document["kind"] == kind]


def configuration_is_read(documents):
    file = FOLDER / "mayfly.conf"
    text = of_kind(documents, "ConfigMap")[0]["data"]["mayfly.conf"]
    file.write_text(text)
    answer = subprocess.run([MAYFLY, "serve", "--config", file, "--check"], text=True, capture_output=True, check=False,
                            env=os.environ)
    check(answer.returncode == 0, f"{text}\n{answer.stderr}")
    return text


def main():
    refusal = helm()
    check(refusal.returncode == 1 and "auth.allowUnauthenticated" in refusal.stderr, refusal.stderr)
    plain = render("auth.allowUnauthenticated=true")
    text = configuration_is_read(plain)
    check("endpoint = http://test-mayfly.mayfly.svc:8090\n" in text, text)
    full = render("auth.issuer=https://issuer.example", "persistence.enabled=false", "rbac.createNamespaces=false",
                  "podLabels.team=data", "configuration.log-level=debug", "serviceAccount.create=false",
                  "serviceAccount.name=other", "nodeSelector.disk=ssd", "imagePullSecrets[0].name=registry",
                  "extraEnv[0].name=A", "extraEnv[0].value=b", "service.annotations.a=b", "image.tag=x")
    text = configuration_is_read(full)
    check("auth-issuer = https://issuer.example\n" in text and "log-level = debug\n" in text, text)
    check(not of_kind(full, "PersistentVolumeClaim") and not of_kind(full, "ServiceAccount"), "they are left out")
    with Cluster(FOLDER / "cluster") as cluster:
        cluster.must("POST", "/api/v1/namespaces", {"metadata": {"name": "mayfly"}})
        install(cluster, full, "&dryRun=All")
        install(cluster, plain, "")
        cluster.wait_until(lambda: cluster.request("GET", f"{API}/taskactions?limit=1")[0] == 200, "they are known")
        account = of_kind(plain, "ServiceAccount")[0]["metadata"]["name"]
        token = cluster.must("POST", f"/api/v1/namespaces/mayfly/serviceaccounts/{account}/token",
                             {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
        cluster.write_kubeconfig(FOLDER / "kubeconfig", token=token["status"]["token"])
        with Server("--executor", "kubernetes", "--kubeconfig", FOLDER / "kubeconfig") as server, \
                Executor(cluster, FOLDER / "pods"):
            action = server.wait_run(server.create_run(shell_task("true")))
            check(action["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", action["status"])


main()
