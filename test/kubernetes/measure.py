#!/usr/bin/env python3
"""Measures the executor on Kubernetes on this machine: build/venv/bin/python test/kubernetes/measure.py MAYFLY [COUNT]

How fast the children of one run become TaskActions, what memory the server needs while they are live, how long an
abort takes until the cluster has confirmed that all are gone, and how fast actions go through their whole life, with
an executor that runs nothing."""
import concurrent.futures
import os
import re
import signal
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "scenario"))
os.environ["MAYFLY"] = str(Path(sys.argv[1]).resolve())
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 5000


def metric(server, name):
    page = server.request("GET", "/metrics")[2].decode()
    return float(re.search(rf"^{name} (\S+)", page, re.M)[1])


def ended(server):
    with sqlite3.connect(f"file:{server.data}/mayfly.db?mode=ro", uri=True) as db:
        return db.execute("SELECT count(*) FROM action WHERE phase = 5").fetchone()[0]


def run_executor(cluster, folder, share):
    """In a process of its own; returns its id."""
    pid = os.fork()
    if pid == 0:
        from executor import Executor
        with Executor(cluster, folder, process=False, share=share):
            signal.pause()
    return pid


def main(folder):
    os.environ["SCENARIO_DIR"] = folder
    import yaml
    from cluster import Cluster
    from harness import ACTIONS, RUNS, Server, action_id, eventually, run_id, shell_task
    with Cluster(f"{folder}/cluster") as cluster:
        definition = yaml.safe_load((ROOT / "deploy/kubernetes/crd.yaml").read_text())
        cluster.must("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        cluster.wait_until(lambda: cluster.request("GET", "/apis/flyte.org/v1/taskactions")[0] == 200, "they are known")
        cluster.stop("kube-controller-manager")
        cluster.start_controllers()
        flags = ("--executor", "kubernetes", "--kubeconfig", cluster.kubeconfig, "--kube-create-rate", "2000")
        with Server(*flags) as server:
            task = shell_task("true")

            def enqueue_all(run, count):
                def enqueue(number):
                    server.call(ACTIONS, "Enqueue", {"action": {
                        "actionId": action_id(run, f"c{number}"), "parentActionName": "a0",
                        "runOutputBase": "s3://mayfly/out/", "inputUri": "s3://mayfly/in/inputs.pb",
                        "task": {"id": task["taskTemplate"]["id"], "spec": task}}}, timeout=60)
                with concurrent.futures.ThreadPoolExecutor(8) as pool:
                    list(pool.map(enqueue, range(count)))
            run = server.create_run(task)
            begin = time.monotonic()
            enqueue_all(run, COUNT)
            queued = time.monotonic() - begin
            eventually(lambda: metric(server, "mayfly_kubernetes_created_total") >= COUNT + 1, "all are there", 600)
            created = time.monotonic() - begin
            resident = metric(server, "process_resident_memory_bytes") / 2**20
            print(f"{COUNT} children: queued at {COUNT / queued:.0f}/s, there at {COUNT / created:.0f}/s; "
                  f"{resident:.0f} MiB resident")
            begin = time.monotonic()
            server.call(RUNS, "AbortRun", {"runId": run_id(run)}, timeout=120)
            marked = time.monotonic() - begin
            eventually(lambda: metric(server, "mayfly_kubernetes_actions") == 0, "all are gone", 600)
            print(f"abort: marked in {marked:.2f} s, confirmed gone in {time.monotonic() - begin:.1f} s; "
                  f"{metric(server, 'mayfly_kubernetes_removed_total'):.0f} requests to delete")
            count = COUNT // 2
            executors = [run_executor(cluster, f"{folder}/executor-{i}", (i, 2)) for i in range(2)]
            begin = time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda _: server.create_run(task), range(count)))
            eventually(lambda: ended(server) == count, "all have ended", 600)
            seconds = time.monotonic() - begin
            for executor in executors:
                os.kill(executor, signal.SIGKILL)
                os.waitpid(executor, 0)
            print(f"{count} runs through their whole life: {count / seconds:.0f}/s")


with tempfile.TemporaryDirectory(prefix="mayfly-measure-") as scratch:
    main(scratch)
