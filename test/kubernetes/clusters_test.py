#!/usr/bin/env python3
"""Two clusters: runs go where they ask to, one cluster's trouble is not the other's, and nothing moves when the order
of the clusters changes."""
from pathlib import Path

import yaml

from cluster import Cluster
from executor import API, Executor
from harness import DOMAIN, FOLDER, PROJECT, Server, check, eventually, shell_task

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("east", "west")


def is_in(cluster, run):
    return cluster.request("GET", f"{API}/namespaces/{PROJECT}-{DOMAIN}/taskactions/{run}-a0")[0] == 200


def prepare(cluster, name):
    definition = yaml.safe_load((ROOT / "deploy/kubernetes/crd.yaml").read_text())
    cluster.must("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    cluster.wait_until(lambda: cluster.request("GET", f"{API}/taskactions?limit=1")[0] == 200, "they are known")
    cluster.write_kubeconfig(FOLDER / name, context=name)
    return yaml.safe_load((FOLDER / name).read_text())


def merge(parts):
    """One file with a context for each cluster."""
    whole = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    for name, part in parts.items():
        whole["clusters"].append({**part["clusters"][0], "name": f"{name}-cluster"})
        whole["users"].append({**part["users"][0], "name": f"{name}-user"})
        whole["contexts"].append({"name": name, "context": {"cluster": f"{name}-cluster", "user": f"{name}-user"}})
    (FOLDER / "kubeconfig").write_text(yaml.safe_dump(whole))


def main():
    with Cluster(FOLDER / "east-cluster") as east, Cluster(FOLDER / "west-cluster") as west:
        merge({name: prepare(cluster, name) for name, cluster in zip(NAMES, (east, west))})
        flags = ["--executor", "kubernetes", "--kubeconfig", FOLDER / "kubeconfig", "--kube-contexts"]
        server = Server(*flags, "east,west")
        with server, Executor(east, FOLDER / "east-pods"), Executor(west, FOLDER / "west-pods"):
            gate = FOLDER / "gate"
            script = f"echo x >> {FOLDER}/ran-$RUN_NAME; while [ ! -e {gate} ]; do sleep 0.05; done"
            first = server.create_run(shell_task(script))
            second = server.create_run(shell_task(script), runSpec={"queue": "west"})
            third = server.create_run(shell_task(script), runSpec={"queue": "nowhere"})
            eventually(lambda: is_in(east, first) and is_in(west, second) and is_in(east, third), "each has its place")
            check(not is_in(west, first) and not is_in(east, second), "and nowhere else")

            server.stop()
            server.flags[-1] = "west,east"
            server.start()
            fourth = server.create_run(shell_task(script))
            eventually(lambda: is_in(west, fourth), "the first of them takes what asks for none")
            check(not is_in(west, first) and not is_in(west, third), "what was there before stays where it is")

            west.stop("kube-apiserver")
            fifth = server.create_run(shell_task("true"), runSpec={"queue": "east"})
            action = server.wait_run(fifth)
            check(action["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", "the other cluster goes on working")
            west.start_apiserver()
            gate.touch()
            for run in (first, second, third, fourth):
                check(server.wait_run(run, 90)["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", run)
                check((FOLDER / f"ran-{run}").read_text() == "x\n", f"{run} ran more than once")


main()
