"""Stands in for Flyte's executor: follows the TaskActions of a cluster, runs each one's command as a process of this
machine, and writes the status as that executor does (conditions, attempts, error state, history, finalizer)."""

import base64
import concurrent.futures
import datetime
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

from flyteidl2.core import tasks_pb2

API = "/apis/flyte.org/v1"
FINALIZER = "flyte.org/plugin-finalizer"
MERGE = "application/merge-patch+json"
PATIENCE_SECONDS = 60
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
BASE_ENV = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def shard(namespace, name):
    value = 2166136261
    for byte in f"{namespace}/{name}".encode():
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return LETTERS[value % 1296 // 36] + LETTERS[value % 36]


def output_prefix(resource, attempt):
    spec, metadata = resource["spec"], resource["metadata"]
    scheme, rest = spec["runOutputBase"].split("://", 1)
    bucket, _, path = rest.partition("/")
    parts = [bucket, shard(metadata["namespace"], metadata["name"]), path.strip("/"), spec["actionName"], str(attempt)]
    return f"{scheme}://" + "/".join(part for part in parts if part)


class Executor:
    """Use as a context manager. process: run the commands; else every action succeeds at once. verdict(prefix, code)
    may look at the outputs and returns an error as (code, kind, message, whether another attempt may mend it), or
    None."""

    def __init__(self, cluster, folder, process=True, env=None, verdict=None, share=(0, 1)):
        self.cluster, self.process = cluster, process
        self.folder = pathlib.Path(folder)
        self.env = env or {}
        self.share = share  # (which, of how many): the resources are divided among several
        self.verdict = verdict or self.verdict_of_exit
        self.known = {}  # uid -> Popen, or None while there is none
        self.lock = threading.Lock()
        self.leaving = set()
        self.pool = concurrent.futures.ThreadPoolExecutor(8)
        self.over = threading.Event()
        self.response = None
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.started = 0

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        with self.lock:
            processes = [process for process in self.known.values() if process]
        for process in processes:
            self.kill(process)
        self.pool.shutdown(cancel_futures=True)

    # ---- following ----

    def follow(self):
        while not self.over.is_set():
            try:
                self.list_and_watch()
            except (OSError, ValueError, RuntimeError):
                self.over.wait(0.2)

    def list_and_watch(self):
        page = self.cluster.must("GET", f"{API}/taskactions?resourceVersion=0")
        for resource in page["items"]:
            self.see(resource)
        connection = self.cluster.connect(timeout=300)
        version = page["metadata"]["resourceVersion"]
        connection.request("GET", f"{API}/taskactions?watch=1&resourceVersion={version}",
                           headers={"authorization": f"Bearer {self.cluster.token}"})
        answer = connection.getresponse()
        for line in answer:
            if self.over.is_set():
                break
            event = json.loads(line)
            if event["type"] == "ERROR":
                break
            if event["type"] != "DELETED":
                self.see(event["object"])
        connection.close()

    def see(self, resource):
        uid = resource["metadata"]["uid"]
        if int(uid[:8], 16) % self.share[1] != self.share[0]:
            return
        with self.lock:
            new = uid not in self.known
            if new:
                self.known[uid] = None
        if resource["metadata"].get("deletionTimestamp"):
            threading.Thread(target=self.let_go, args=(resource,), daemon=True).start()
        elif new and not self.is_over(resource):
            self.started += 1
            if self.process:
                threading.Thread(target=self.run, args=(resource,), daemon=True).start()
            else:
                self.pool.submit(self.succeed, resource)

    @staticmethod
    def is_over(resource):
        return any(c["type"] in ("Succeeded", "Failed") and c["status"] == "True"
                   for c in resource.get("status", {}).get("conditions", []))

    # ---- writing ----

    @staticmethod
    def path(resource):
        return f"{API}/namespaces/{resource['metadata']['namespace']}/taskactions/{resource['metadata']['name']}"

    def patch(self, resource, patch, part=""):
        """As a controller does: an API server that is away for a while is asked again. The same patch twice is one."""
        patch.setdefault("metadata", {})["uid"] = resource["metadata"]["uid"]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                status, answer = self.cluster.request("PATCH", self.path(resource) + part, patch, content_type=MERGE)
            except (OSError, http.client.HTTPException) as trouble:
                status, answer = 503, {"message": str(trouble)}
            if status in (200, 404, 409, 422):
                return status == 200
            if status not in (429, 500, 502, 503, 504) or time.monotonic() > deadline:
                raise RuntimeError(f"{status} {answer.get('message')}")
            if self.over.wait(0.1):
                return False

    def tell(self, resource, attempt, condition, reason, error=None):
        history = resource.setdefault("history", [])
        history.append({"phase": reason, "occurredAt": now(), "message": ""})
        conditions = [{"type": condition, "status": "True", "reason": reason, "message": "",
                       "lastTransitionTime": now()}]
        if condition != "Progressing":
            conditions.append({"type": "Progressing", "status": "False", "reason": reason, "message": "",
                               "lastTransitionTime": now()})
        status = {"attempts": attempt, "conditions": conditions, "phaseHistory": history}
        if error:
            status["errorState"] = dict(zip(("code", "kind", "message"), error))
        return self.patch(resource, {"status": status}, "/status")

    def let_go(self, resource):
        with self.lock:
            self.leaving.add(resource["metadata"]["uid"])
            process = self.known.get(resource["metadata"]["uid"])
        if process:
            self.kill(process)
        finalizers = resource["metadata"].get("finalizers", [])
        if FINALIZER in finalizers:
            self.patch(resource, {"metadata": {"finalizers": [name for name in finalizers if name != FINALIZER]}})

    @staticmethod
    def kill(process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    # ---- running ----

    def succeed(self, resource):
        self.tell(resource, 1, "Progressing", "Executing")
        self.tell(resource, 1, "Succeeded", "Completed")

    def run(self, resource):
        if not resource["spec"].get("taskTemplate"):
            self.tell(resource, 1, "Failed", "InvalidSpec")
            return
        template = tasks_pb2.TaskTemplate.FromString(base64.b64decode(resource["spec"]["taskTemplate"]))
        attempts = template.metadata.retries.retries + 1
        self.patch(resource, {"metadata": {"finalizers": [FINALIZER]}})
        for attempt in range(1, attempts + 1):
            if not self.tell(resource, attempt, "Progressing", "Queued"):
                return
            prefix = output_prefix(resource, attempt)
            process = self.begin(resource, template, attempt, prefix)
            if not process:
                return
            self.tell(resource, attempt, "Progressing", "Executing")
            code = process.wait()
            if self.over.is_set() or resource["metadata"]["uid"] in self.leaving:
                return
            error = self.verdict(prefix, code)
            if not error:
                self.tell(resource, attempt, "Succeeded", "Completed")
                return
            *error, recoverable = error
            if attempt < attempts and recoverable:
                self.tell(resource, attempt, "Progressing", "RetryableFailure")
            else:
                self.tell(resource, attempt, "Failed", "PermanentFailure", error)
                return

    def begin(self, resource, template, attempt, prefix):
        spec, metadata = resource["spec"], resource["metadata"]
        folder = self.folder / metadata["uid"] / str(attempt)
        (folder / "tmp").mkdir(parents=True)
        name = f"{metadata['name']}-{attempt - 1}"
        folder_of_inputs = spec["inputUri"].removesuffix("/").removesuffix("/inputs.pb")
        earlier = output_prefix(resource, attempt - 1) + "/_flytecheckpoints" if attempt > 1 else '""'
        values = {"input": folder_of_inputs + "/inputs.pb", "inputPrefix": folder_of_inputs, "outputPrefix": prefix,
                  "rawOutputDataPrefix": prefix, "checkpointOutputPrefix": prefix + "/_flytecheckpoints",
                  "prevCheckpointPrefix": earlier, "perRetryUniqueKey": name, "namespace": metadata["namespace"]}
        words = [re.sub(r"\{\{\s*\.(\w+)\s*\}\}", lambda m: values.get(m[1], m[0]), word)
                 for word in [*template.container.command, *template.container.args]]
        identity = {"PROJECT": template.id.project, "DOMAIN": template.id.domain, "NAME": template.id.name,
                    "VERSION": template.id.version}
        env = BASE_ENV | {"HOME": str(folder), "TMPDIR": str(folder / "tmp")} | self.env
        env |= {pair.key: pair.value for pair in template.container.env} | spec.get("envVars", {})
        for key, value in identity.items():
            env[f"FLYTE_INTERNAL_TASK_{key}"] = env[f"FLYTE_INTERNAL_{key}"] = value
        env |= {"FLYTE_INTERNAL_EXECUTION_ID": spec["runName"], "FLYTE_INTERNAL_EXECUTION_PROJECT": spec["project"],
                "FLYTE_INTERNAL_EXECUTION_DOMAIN": spec["domain"], "_F_PN": name,
                "FLYTE_ATTEMPT_NUMBER": str(attempt - 1), "ACTION_NAME": spec["actionName"],
                "RUN_NAME": spec["runName"], "_U_RUN_BASE": spec["runOutputBase"], "_U_ORG_NAME": "local"}
        with self.lock:
            if self.over.is_set() or metadata["uid"] in self.leaving:
                return None
            with open(folder / "log", "wb") as log:
                process = subprocess.Popen(words, cwd=folder, env=env, stdout=log, stderr=log,
                                           stdin=subprocess.DEVNULL, start_new_session=True)
            self.known[metadata["uid"]] = process
        return process

    @staticmethod
    def verdict_of_exit(_prefix, code):
        return None if code == 0 else (f"ExitCode{code}", "USER", "the command has failed", True)
