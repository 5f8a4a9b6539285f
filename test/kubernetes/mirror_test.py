#!/usr/bin/env python3
"""Runs on a cluster: TaskActions are written, followed, found again after crashes of either side, and removed."""
import concurrent.futures
import json
import sys
import time

from cluster import Cluster
from executor import API, Executor
from harness import (ACTIONS, DOMAIN, FOLDER, PROJECT, RUNS, Server, action_id, check, eventually, process_alive,
                     run_id, shell_task)

NAMESPACE = f"{PROJECT}-{DOMAIN}"
ROOT = __file__.rsplit("/", 3)[0]


def apply(cluster, file):
    """The documents of a manifest, as kubectl would create them."""
    import yaml
    for document in yaml.safe_load_all(open(file, encoding="utf-8")):
        kind, name = document["kind"].lower(), document["metadata"]["name"]
        group = document["apiVersion"]
        prefix = "/api/v1" if group == "v1" else f"/apis/{group}"
        namespace = document["metadata"].get("namespace")
        if namespace:
            prefix += f"/namespaces/{namespace}"
        cluster.must("POST", f"{prefix}/{kind}s", document)
        if kind == "customresourcedefinition":
            cluster.wait_until(lambda: cluster.request("GET", f"{API}/taskactions?limit=1")[0] == 200, "they are known")


def resources(cluster, selector=""):
    return cluster.must("GET", f"{API}/taskactions?labelSelector={selector}")["items"]


def resource(cluster, run, action="a0"):
    status, answer = cluster.request("GET", f"{API}/namespaces/{NAMESPACE}/taskactions/{run}-{action}")
    return answer if status == 200 else None


def enqueue(server, run, name, parent, script, **more):
    task = shell_task(script, **more)
    server.call(ACTIONS, "Enqueue", {"action": {
        "actionId": action_id(run, name), "parentActionName": parent, "runOutputBase": "s3://mayfly/out/",
        "inputUri": "s3://mayfly/in/inputs.pb", "task": {"id": task["taskTemplate"]["id"], "spec": task}}})


def phase_of(server, run, action):
    details = server.call(RUNS, "GetActionDetails", {"actionId": action_id(run, action)})["details"]
    return details["status"]["phase"].removeprefix("ACTION_PHASE_")


def pid_in(file):
    text = file.read_text() if file.exists() else ""
    return int(text) if text.endswith("\n") else 0


def writes_what_flyte_reads(cluster, server):
    spec = shell_task("echo $$ > {0}/pid; while [ ! -e {0}/gate ]; do sleep 0.05; done".format(FOLDER), name="first")
    run = server.create_run(spec, runSpec={"envs": {"values": [{"key": "COLOUR", "value": "red"}]},
                                           "labels": {"values": {"team": "a team"}}})
    found = eventually(lambda: resource(cluster, run), "the TaskAction is there")
    metadata, spec = found["metadata"], found["spec"]
    expected = {"project": PROJECT, "domain": DOMAIN, "run": run, "action": "a0", "action-type": "task",
                "is-root": "true"}
    for key, value in expected.items():
        check(metadata["labels"][f"flyte.org/{key}"] == value, metadata["labels"])
    check(metadata["labels"]["team"] == "a-team", metadata["labels"])
    check("ownerReferences" not in metadata, metadata)
    check(spec["envVars"]["COLOUR"] == "red" and spec["envVars"]["_U_USE_ACTIONS"] == "1", spec["envVars"])
    check(spec["actionType"] == "task" and spec["taskType"] == "raw-shell", spec)
    eventually(lambda: server.phase(run) == "ACTION_PHASE_RUNNING", "it runs")

    enqueue(server, run, "child", "a0", "true")
    child = eventually(lambda: resource(cluster, run, "child"), "the child's TaskAction is there")
    owner = child["metadata"]["ownerReferences"][0]
    check((owner["kind"], owner["name"], owner["uid"], owner["blockOwnerDeletion"]) ==
          ("TaskAction", f"{run}-a0", metadata["uid"], True), owner)
    check(child["spec"]["parentActionName"] == "a0", child["spec"])
    eventually(lambda: phase_of(server, run, "child") == "SUCCEEDED", "the child has ended")
    (FOLDER / "gate").touch()
    action = server.wait_run(run)
    check(action["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", action["status"])
    # Finished ones go when their time is over, and history stays.
    eventually(lambda: not resource(cluster, run) and not resource(cluster, run, "child"), "they are removed")
    check(server.phase(run) == "ACTION_PHASE_SUCCEEDED", "removing them changes nothing")
    check(phase_of(server, run, "child") == "SUCCEEDED", "nor for the child")


def failures_and_retries(_cluster, server):
    count = FOLDER / "count"
    run = server.create_run(shell_task(f"echo x >> {count}; [ $(wc -l < {count}) -ge 3 ]", retries=2))
    action = server.wait_run(run)
    check(action["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", action["status"])
    check(action["status"]["attempts"] == 3, action["status"])
    run = server.create_run(shell_task("exit 7"))
    action = server.wait_run(run)
    check(action["status"]["phase"] == "ACTION_PHASE_FAILED", action["status"])
    check("ExitCode7" in json.dumps(action), action)


def time_limits(cluster, server):
    limits = {"deadline": ({"timeouts": {"deadline": "1s"}}, "DEADLINE_EXCEEDED"),
              "max_runtime": ({"timeout": "1s"}, "MAX_RUNTIME_EXCEEDED")}
    runs = {name: server.create_run(shell_task("sleep 600", **metadata)) for name, (metadata, _) in limits.items()}
    gate = FOLDER / "gate-condition"
    parent = server.create_run(shell_task(f"while [ ! -e {gate} ]; do sleep 0.05; done"))
    server.call(ACTIONS, "Enqueue", {"action": {
        "actionId": action_id(parent, "ask"), "parentActionName": "a0", "runOutputBase": "s3://mayfly/out/",
        "inputUri": "s3://mayfly/in/inputs.pb",
        "condition": {"name": "ask", "type": {"simple": "BOOLEAN"}, "timeout": "1s"}}})
    for name, run in runs.items():
        action = server.wait_run(run)
        check(action["status"]["phase"] == "ACTION_PHASE_TIMED_OUT", f"{name}: {action['status']}")
        check(limits[name][1] in json.dumps(action), action)
        eventually(lambda run=run: not resource(cluster, run), "its resource goes")
    eventually(lambda: phase_of(server, parent, "ask") == "TIMED_OUT", "nobody has answered")
    check(not resource(cluster, parent, "ask"), "a condition needs no resource")
    gate.touch()
    server.wait_run(parent)


def a_failed_child_begins_again_with_its_parent(cluster, server):
    gates = [FOLDER / "gate-first", FOLDER / "gate-second"]
    wait = "while [ ! -e {} ]; do sleep 0.05; done"
    script = f"if [ $FLYTE_ATTEMPT_NUMBER = 0 ]; then {wait.format(gates[0])}; exit 1; fi; {wait.format(gates[1])}"
    run = server.create_run(shell_task(script, retries=1))
    eventually(lambda: resource(cluster, run), "the parent is there")
    enqueue(server, run, "kid", "a0", f"[ -e {gates[0]} ]")
    eventually(lambda: phase_of(server, run, "kid") == "FAILED", "the child has failed")
    first = resource(cluster, run, "kid")["metadata"]["uid"]
    gates[0].touch()

    def again():
        status = server.run_action(run)["status"]
        return status["attempts"] == 2 and status["phase"] == "ACTION_PHASE_RUNNING"
    eventually(again, "the parent tries again")
    enqueue(server, run, "kid", "a0", f"[ -e {gates[0]} ]")
    eventually(lambda: phase_of(server, run, "kid") == "SUCCEEDED", "the child's next attempt ends well")
    kid = resource(cluster, run, "kid")
    check(kid["metadata"]["uid"] != first and kid["spec"]["runOutputBase"].endswith("/from-attempt-2"), kid)
    details = server.call(RUNS, "GetActionDetails", {"actionId": action_id(run, "kid")})["details"]
    check(details["status"]["attempts"] == 2, details["status"])
    gates[1].touch()
    check(server.wait_run(run)["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", "and the parent's")


def every_run_runs_once_however_often_the_server_dies(_cluster, server):
    runs = []
    for _ in range(4):
        runs += [server.create_run(shell_task(f"echo x >> {FOLDER}/once-$RUN_NAME")) for _ in range(10)]
        server.kill()
        server.start()
    for run in runs:
        check(server.wait_run(run)["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", run)
        check((FOLDER / f"once-{run}").read_text() == "x\n", f"{run} ran more than once")


def an_abort_takes_the_tree(cluster, server):
    files = [FOLDER / f"abort-{name}" for name in ("a0", "b", "c")]
    script = "echo $$ > {}; sleep 600"
    run = server.create_run(shell_task(script.format(files[0])))
    eventually(lambda: resource(cluster, run), "a0 is there")
    enqueue(server, run, "b", "a0", script.format(files[1]))
    eventually(lambda: resource(cluster, run, "b"), "b is there")
    enqueue(server, run, "c", "b", script.format(files[2]))
    pids = eventually(lambda: all(map(pid_in, files)) and list(map(pid_in, files)), "all three run")
    server.call(RUNS, "AbortRun", {"runId": run_id(run), "reason": "enough"})
    for name in ("a0", "b", "c"):
        check(phase_of(server, run, name) == "ABORTED", f"{name} is aborted at once")
    eventually(lambda: not any(map(process_alive, pids)), "their processes are gone")
    eventually(lambda: not resources(cluster, f"flyte.org/run={run}"), "and their resources")


def stragglers_are_shown(cluster, server):
    def stragglers():
        page = server.request("GET", "/metrics")[2].decode()
        return page.split("\nmayfly_kubernetes_stragglers ")[1].split("\n")[0]
    run = server.create_run(shell_task("sleep 600"))
    eventually(lambda: server.phase(run) == "ACTION_PHASE_RUNNING", "it runs")
    path = f"{API}/namespaces/{NAMESPACE}/taskactions/{run}-a0"
    cluster.must("PATCH", path, {"metadata": {"finalizers": ["flyte.org/plugin-finalizer", "example.org/held"]}},
                 content_type="application/merge-patch+json")
    server.call(RUNS, "AbortRun", {"runId": run_id(run)})
    check(server.phase(run) == "ACTION_PHASE_ABORTED", "the run itself is aborted at once")
    eventually(lambda: stragglers() == "1", "its resource does not go", 60)
    cluster.must("PATCH", path, {"metadata": {"finalizers": None}}, content_type="application/merge-patch+json")
    eventually(lambda: stragglers() == "0" and not resource(cluster, run), "it goes at last")


def a_deleted_resource_is_an_abort(cluster, server):
    run = server.create_run(shell_task("sleep 600"))
    eventually(lambda: server.phase(run) == "ACTION_PHASE_RUNNING", "it runs")
    cluster.must("DELETE", f"{API}/namespaces/{NAMESPACE}/taskactions/{run}-a0")
    action = server.wait_run(run)
    check(action["status"]["phase"] == "ACTION_PHASE_ABORTED", action["status"])
    check("deleted in the cluster" in action["abortInfo"]["reason"], action["abortInfo"])


def nothing_is_lost_when_the_server_is_killed(cluster, server):
    gate = FOLDER / "gate-kill"
    script = f"while [ ! -e {gate} ]; do sleep 0.05; done; echo x >> {FOLDER}/ran"
    runs = [server.create_run(shell_task(script)) for _ in range(5)]
    doomed = server.create_run(shell_task("sleep 600"))
    eventually(lambda: all(resource(cluster, run) for run in [*runs, doomed]), "all are there")
    server.call(RUNS, "AbortRun", {"runId": run_id(doomed)})
    server.kill()
    gate.touch()
    ran = FOLDER / "ran"
    eventually(lambda: ran.exists() and len(ran.read_text().split()) == 5, "they end meanwhile")
    server.start()
    for run in runs:
        action = server.wait_run(run)
        check(action["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", action["status"])
    check(server.phase(doomed) == "ACTION_PHASE_ABORTED", "it stays aborted")
    eventually(lambda: not resource(cluster, doomed), "and its resource goes")
    check(len(ran.read_text().split()) == 5, "nothing ran twice")


def the_api_server_may_be_killed(cluster, server):
    gate = FOLDER / "gate-api"
    before = server.create_run(shell_task(f"while [ ! -e {gate} ]; do sleep 0.05; done"))
    eventually(lambda: server.phase(before) == "ACTION_PHASE_RUNNING", "it runs")
    cluster.stop("kube-apiserver")
    during = [server.create_run(shell_task("true")) for _ in range(3)]
    eventually(lambda: "mayfly_kubernetes_clusters_unreachable 1" in server.request("GET", "/metrics")[2].decode(),
               "the metrics show it", 60)
    check(server.request("GET", "/readyz")[0] == 200, "the server itself is well")
    cluster.start_apiserver()
    gate.touch()
    for run in [before, *during]:
        action = server.wait_run(run, 120)
        check(action["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", action["status"])


def quotas_and_collisions(cluster, server):
    cluster.must("POST", f"/api/v1/namespaces/{NAMESPACE}/resourcequotas", {
        "metadata": {"name": "few"}, "spec": {"hard": {"count/taskactions.flyte.org": "0"}}})
    quota = f"/api/v1/namespaces/{NAMESPACE}/resourcequotas/few"
    cluster.wait_until(lambda: cluster.must("GET", quota).get("status", {}).get("hard"), "the quota counts")
    run = server.create_run(shell_task("true"))
    eventually(lambda: server.phase(run) == "ACTION_PHASE_WAITING_FOR_RESOURCES", "it waits", 60)
    cluster.must("DELETE", quota)
    check(server.wait_run(run)["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", "it runs when there is room")

    taken = {"apiVersion": "flyte.org/v1", "kind": "TaskAction", "metadata": {"name": "taken-a0"},
             "spec": {"runName": "taken", "actionName": "a0", "project": "other", "domain": "other"}}
    cluster.must("POST", f"{API}/namespaces/{NAMESPACE}/taskactions", taken)
    run = server.create_run(shell_task("true"), name="taken")
    action = server.wait_run(run)
    check(action["status"]["phase"] == "ACTION_PHASE_FAILED" and "another name" in json.dumps(action), action)
    check(resource(cluster, "taken")["spec"]["project"] == "other", "the other's is left alone")


def starts_only_when_it_can_work(cluster, _server):
    def refusal(*flags):
        try:
            with Server(*flags, name="refused") as server:
                return f"it has started: {server.url}"
        except AssertionError as error:
            return str(error)
    cases = {"wrong": ("not-a-token", "may have expired"), "weak": ("test-nobody", "rbac.yaml")}
    for name, (token, words) in cases.items():
        cluster.write_kubeconfig(FOLDER / name, token=token)
        answer = refusal("--executor", "kubernetes", "--kubeconfig", FOLDER / name)
        check(words in answer, answer)
    answer = refusal("--executor", "kubernetes", "--kubeconfig", cluster.kubeconfig, "--kube-contexts", "test,nowhere")
    check("there is no context" in answer, answer)
    answer = refusal("--executor", "magic")
    check("process or kubernetes" in answer, answer)
    answer = refusal("--executor", "kubernetes")
    check("kubeconfig" in answer, answer)


def missing_definition_is_told(cluster):
    try:
        with Server("--executor", "kubernetes", "--kubeconfig", cluster.kubeconfig, name="refused"):
            raise RuntimeError("it has started")
    except AssertionError as error:
        check("crd.yaml" in str(error), str(error))


def many_at_once(cluster, server):
    """Prints how many actions a second go through their whole life."""
    count = 300
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        runs = list(pool.map(lambda _: server.create_run(shell_task("true")), range(count)))
    for run in runs:
        check(server.wait_run(run, 120)["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", run)
    print(f"{count} runs, each a TaskAction through its phases: {count / (time.monotonic() - begin):.0f}/s")


def runs_take_turns(cluster):
    """And two servers in one cluster leave each other's resources alone; nobody runs them here."""
    with Server("--executor", "kubernetes", "--kubeconfig", FOLDER / "kubeconfig", "--kube-instance", "other",
                "--kube-create-rate", "20", name="other") as server:
        first = server.create_run(shell_task("true"))
        for number in range(200):
            enqueue(server, first, f"c{number}", "a0", "true")
        second = server.create_run(shell_task("true"))
        eventually(lambda: resource(cluster, second), "the second run has its turn")
        there = len(resources(cluster, f"flyte.org/run={first}"))
        check(there < 150, f"only after {there} of the first")
        server.call(RUNS, "AbortRun", {"runId": run_id(first)})
        eventually(lambda: not resources(cluster, f"flyte.org/run={first}"), "all of it goes")
        check(resource(cluster, second), "the other stays")


PARTS = (starts_only_when_it_can_work, writes_what_flyte_reads, failures_and_retries, time_limits,
         a_failed_child_begins_again_with_its_parent, every_run_runs_once_however_often_the_server_dies,
         an_abort_takes_the_tree, stragglers_are_shown, a_deleted_resource_is_an_abort,
         nothing_is_lost_when_the_server_is_killed, quotas_and_collisions, the_api_server_may_be_killed)


def main():
    with Cluster(FOLDER / "cluster") as cluster:
        missing_definition_is_told(cluster)
        apply(cluster, f"{ROOT}/deploy/kubernetes/crd.yaml")
        apply(cluster, f"{ROOT}/deploy/kubernetes/rbac.yaml")
        # The garbage collector learns of new kinds every 30 s only, and at its start.
        cluster.stop("kube-controller-manager")
        cluster.start_controllers()
        token = cluster.must("POST", "/api/v1/namespaces/mayfly/serviceaccounts/mayfly/token",
                             {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
        cluster.write_kubeconfig(FOLDER / "kubeconfig", token=token["status"]["token"])
        flags = ("--executor", "kubernetes", "--kubeconfig", FOLDER / "kubeconfig", "--kube-retention", "3s")
        with Server(*flags) as server:
            with Executor(cluster, FOLDER / "pods"):
                for part in PARTS:
                    if len(sys.argv) > 1 and part.__name__ not in sys.argv[1:]:
                        continue
                    begin = time.monotonic()
                    part(cluster, server)
                    print(f"{part.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
            with Executor(cluster, FOLDER / "quick", process=False):
                many_at_once(cluster, server)
            runs_take_turns(cluster)


main()
