#!/usr/bin/env python3
"""The real SDK and CLI on a cluster: parts of the acceptance kit (test/sdk), whose tasks run as TaskActions."""
import os
import subprocess
import sys
from pathlib import Path

import obstore
import yaml
from flyteidl2.core import execution_pb2
from obstore.store import S3Store

from cluster import Cluster
from executor import API, Executor
from harness import FOLDER, Server

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
# Those that need neither logs of pods, which the server does not read, nor what the stand-in has not got of Flyte's
# executor: its events, its cache, its time-outs, its secrets.
PARTS = ("hello,sync_task,sdk_run,fanout,tree,groups,retry_exhausted,non_recoverable,child_error,trace,abort_action,"
         "cancel,condition,files,map,report,typed")


def client_env(server):
    """What the server has left for clients: {name: value}."""
    lines = [line.removeprefix("export ").strip() for line in (server.data / "client.env").read_text().splitlines()]
    pairs = [line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")]
    return {name: value.strip("'\"") for name, value in pairs}


def read(server, uri):
    """Bytes of an object, or None."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    env = client_env(server)
    store = S3Store(bucket, endpoint=env["FLYTE_AWS_ENDPOINT"], access_key_id=env["FLYTE_AWS_ACCESS_KEY_ID"],
                    secret_access_key=env["FLYTE_AWS_SECRET_ACCESS_KEY"], region="us-east-1",
                    client_options={"allow_http": True}, virtual_hosted_style_request=False)
    try:
        return bytes(obstore.get(store, key).bytes())
    except FileNotFoundError:
        return None


def verdict(server):
    def judge(prefix, code):
        document = read(server, f"{prefix}/error.pb")
        if document is not None:
            error = execution_pb2.ErrorDocument.FromString(document).error
            kind = "SYSTEM" if error.origin == execution_pb2.ExecutionError.SYSTEM else "USER"
            return error.code, kind, error.message, error.kind == execution_pb2.ContainerError.RECOVERABLE
        if read(server, f"{prefix}/outputs.pb") is not None:
            return None
        return Executor.verdict_of_exit(prefix, code or 1)
    return judge


def main():
    with Cluster(FOLDER / "cluster") as cluster:
        definition = yaml.safe_load((ROOT / "deploy/kubernetes/crd.yaml").read_text())
        cluster.must("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        cluster.wait_until(lambda: cluster.request("GET", f"{API}/taskactions?limit=1")[0] == 200, "they are known")
        cluster.stop("kube-controller-manager")
        cluster.start_controllers()
        with Server("--executor", "kubernetes", "--kubeconfig", cluster.kubeconfig) as server:
            env = {"PATH": f"{BIN}:{os.environ['PATH']}", "FLYTE_DISABLE_SENTRY": "1"}
            with Executor(cluster, FOLDER / "pods", env=env, verdict=verdict(server)):
                arguments = [f"--client-env={name}={value}" for name, value in client_env(server).items()]
                kit = [sys.executable, ROOT / "test/sdk/run_acceptance.py", "--endpoint", server.url, "--jobs", "2",
                       "--only", PARTS, *arguments, *sys.argv[1:]]
                subprocess.run(kit, check=True)


main()
