#!/usr/bin/env python3
"""Every answer that shows a run or an action is complete: for each RPC the fields that are set, one by one."""
from harness import (ACTIONS, DOMAIN, FOLDER, PROJECT, RUNS, Server, action_id, check, eventually, refused, run_id,
                     shell_task)

TASKS = "flyteidl2.task.TaskService"
TRIGGERS = "flyteidl2.trigger.TriggerService"
DATA = "flyteidl2.dataproxy.DataProxyService"
PLACE = {"name": PROJECT, "domain": DOMAIN}
CALLER = {"X-Amzn-Oidc-Identity": "ada"}
TASK = {"project": PROJECT, "domain": DOMAIN, "name": "env.shell", "version": "v1"}


def spec(script, **metadata):
    made = shell_task(script, name=TASK["name"], **metadata)
    made.update({"shortName": "short", "environment": {"name": "env"}})
    return made


def enqueue(server, run, name, **kind):
    server.call(ACTIONS, "Enqueue", {"action": {
        "actionId": action_id(run, name), "parentActionName": "a0", "group": "some-group",
        "runOutputBase": "s3://mayfly/out/", "inputUri": "s3://mayfly/in/inputs.pb", **kind}})


def make_runs(server):
    """A run of a trigger by a known caller, related to another run, with a child of each kind."""
    script = f"while [ ! -e {FOLDER}/end ]; do sleep 0.05; done"
    server.call(TASKS, "DeployTask", {"taskId": TASK, "spec": spec(script)})
    server.create_run(shell_task("true"), "source")
    server.wait_run("source")
    server.call(TRIGGERS, "DeployTrigger", {
        "name": {"project": PROJECT, "domain": DOMAIN, "name": "nightly", "taskName": TASK["name"]},
        "spec": {"taskVersion": "v1"},
        "automationSpec": {"type": "TYPE_SCHEDULE", "schedule": {"cron": {"expression": "0 0 1 1 *"}}}})
    request = {
        "runId": run_id("full"), "source": "RUN_SOURCE_WEB",
        "triggerName": {"project": PROJECT, "domain": DOMAIN, "name": "nightly", "taskName": TASK["name"]},
        "runSpec": {"labels": {"values": {"team": "blue"}},
                    "relation": {"relatedTo": run_id("source"), "relationType": "RELATION_TYPE_RERUN"}}}
    made = server.call(RUNS, "CreateRun", request)["run"]
    enqueue(server, "full", "child", task={"id": TASK, "spec": spec("true"), "cacheKey": ""})
    enqueue(server, "full", "tracing", trace={
        "name": "tracer", "phase": "ACTION_PHASE_SUCCEEDED", "startTime": "2026-01-02T03:04:05Z",
        "endTime": "2026-01-02T03:04:06Z", "outputs": {"outputUri": "s3://mayfly/out/tracing/outputs.pb"},
        "spec": {"interface": {}}})
    enqueue(server, "full", "asking", condition={"name": "approve", "type": {"simple": "INTEGER"},
                                                 "prompt": "how many?"})
    server.call(RUNS, "SignalEvent", {"actionId": action_id("full", "asking"), "payload": {"intValue": "4"}})
    return made


def first(server, method, request, wanted):
    """The first message of a stream that shows what is wanted."""
    with server.stream(RUNS, method, request) as messages:
        for message in messages:
            found = wanted(message)
            if found:
                return found
    raise AssertionError(f"{method} has not shown it")


def answers(server):
    """The same four actions as every RPC shows them: {RPC: {action: Action or ActionDetails}}."""
    names = ("a0", "child", "tracing", "asking")

    def root_of(runs):
        return next((run for run in runs if run["action"]["id"]["run"]["name"] == "full"), None)

    listed = server.call(RUNS, "ListActions", {"runId": run_id("full"), "request": {"limit": 100}})["actions"]
    shown = {
        "ListRuns": {"a0": root_of(server.list_runs())["action"]},
        "WatchRuns": {"a0": first(server, "WatchRuns", {"projectId": PLACE},
                                  lambda message: root_of(message.get("runs", [])))["action"]},
        "GetRunDetails": {"a0": server.run_action("full")},
        "WatchRunDetails": {"a0": first(server, "WatchRunDetails", {"runId": run_id("full")},
                                        lambda message: message.get("details"))["action"]},
        "ListActions": {action["id"]["name"]: action for action in listed},
        "GetActionDetails": {}, "WatchActionDetails": {}, "WatchActions": {},
    }
    for name in names:
        request = {"actionId": action_id("full", name)}
        shown["GetActionDetails"][name] = server.call(RUNS, "GetActionDetails", request)["details"]
        shown["WatchActionDetails"][name] = first(server, "WatchActionDetails", request,
                                                  lambda message: message.get("details"))

    def all_of(message):
        for enriched in message.get("enrichedActions", []):
            shown["WatchActions"][enriched["action"]["id"]["name"]] = enriched["action"]
            check("meetsFilter" in enriched, enriched)
        return len(shown["WatchActions"]) == len(names)

    first(server, "WatchActions", {"runId": run_id("full")}, all_of)
    return shown


def without_empty(message):
    return {key: value for key, value in message.items() if value != ""}


EVERY = {
    "funtionName": lambda value, name: value,
    "source": lambda value, name: value == "RUN_SOURCE_WEB",
    "executedBy": lambda value, name: value["user"]["id"]["subject"] == "ada",
    "triggerName": lambda value, name: value == "nightly",
    "triggerId": lambda value, name: (without_empty(value["name"]) == {
        "project": PROJECT, "domain": DOMAIN, "name": "nightly", "taskName": TASK["name"]}
        and value["revision"] == "1"),
    "triggerType": lambda value, name: value["type"] == "TYPE_SCHEDULE" and "schedule" in value,
}
ROOT = {
    "relation": lambda value, name: value == {"relatedTo": run_id("source"), "relationType": "RELATION_TYPE_RERUN"},
}
CHILD = {
    "parent": lambda value, name: value == "a0",
    "group": lambda value, name: value == "some-group",
}
KINDS = {
    "a0": {
        "actionType": lambda value, name: value == "ACTION_TYPE_TASK",
        "environmentName": lambda value, name: value == "env",
        "task": lambda value, name: value == {"id": TASK, "taskType": "raw-shell", "shortName": "short"},
    },
    "tracing": {
        "actionType": lambda value, name: value == "ACTION_TYPE_TRACE",
        "trace": lambda value, name: value == {"name": "tracer"},
    },
    "asking": {
        "actionType": lambda value, name: value == "ACTION_TYPE_CONDITION",
        "condition": lambda value, name: value == {"name": "approve", "type": {"simple": "INTEGER"}},
    },
}
KINDS["child"] = KINDS["a0"]
PHASES = {"a0": "RUNNING", "child": "SUCCEEDED", "tracing": "SUCCEEDED", "asking": "SUCCEEDED"}


def check_action(rpc, name, action):
    """One row of the table of fields for one action."""
    check(action["id"] == {"run": run_id("full"), "name": name}, f"{rpc} {name}: {action['id']}")
    metadata, status = action["metadata"], action["status"]
    for field, good in {**EVERY, **KINDS[name], **(ROOT if name == "a0" else CHILD)}.items():
        check(field in metadata, f"{rpc} {name}: metadata.{field} is missing in {metadata}")
        check(good(metadata[field], name), f"{rpc} {name}: metadata.{field} is {metadata[field]!r}")
    check(name == "a0" or "relation" not in metadata, f"{rpc} {name}: the relation is the root's")
    check(status["phase"] == "ACTION_PHASE_" + PHASES[name], f"{rpc} {name}: {status}")
    check(status["attempts"] == 1 and "startTime" in status, f"{rpc} {name}: {status}")
    for field in ("endTime", "durationMs"):
        check((field in status) == (name != "a0"), f"{rpc} {name}: {field} in {status}")
    if name == "tracing":
        check(status["startTime"] == "2026-01-02T03:04:05Z" and status["durationMs"] == "1000", f"{rpc}: {status}")


def w16_metadata_everywhere(server, made):
    for name in ("child", "asking"):
        eventually(lambda name=name: server.call(RUNS, "GetActionDetails", {"actionId": action_id("full", name)})[
            "details"]["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", f"{name} has ended")
    eventually(lambda: server.phase("full") == "ACTION_PHASE_RUNNING", "the root runs")
    for rpc, actions in answers(server).items():
        check(set(actions) in ({"a0"}, {"a0", "child", "tracing", "asking"}), f"{rpc} shows {set(actions)}")
        for name, action in actions.items():
            check_action(rpc, name, action)
    created = made["action"]
    for field, good in {**EVERY, **ROOT, **KINDS["a0"]}.items():
        check(field in created["metadata"] and good(created["metadata"][field], "a0"), f"CreateRun: {field}: {created}")
    check(made["labels"] == {"team": "blue"}, f"CreateRun: {made}")


def details_of_each_kind(server):
    def details(name):
        return server.call(RUNS, "GetActionDetails", {"actionId": action_id("full", name)})["details"]

    child = details("child")
    check(child["task"]["taskTemplate"]["container"]["command"], "the specification of a task")
    attempt = child["attempts"][0]
    for field in ("attempt", "phase", "startTime", "endTime", "outputs", "logsAvailable", "phaseTransitions", "cluster",
                  "logContext"):
        check(field in attempt, f"{field} of an attempt: {attempt}")
    phases = [entry["phase"].removeprefix("ACTION_PHASE_") for entry in attempt["phaseTransitions"]]
    check(phases[0] == "QUEUED" and phases[-1] == "SUCCEEDED", phases)
    tracing = details("tracing")
    check(tracing["trace"] == {"interface": {}}, tracing)
    check(tracing["attempts"][0]["outputs"]["outputUri"] == "s3://mayfly/out/tracing/outputs.pb", tracing)
    asking = details("asking")
    check(asking["condition"]["prompt"] == "how many?", asking)
    check(asking["signalInfo"]["output"]["scalar"]["primitive"] == {"integer": "4"}, asking)
    check(asking["signalInfo"]["signalledBy"]["user"]["id"]["subject"] == "ada", asking)
    run = server.call(RUNS, "GetRunDetails", {"runId": run_id("full")})["details"]
    check(run["runSpec"]["labels"]["values"] == {"team": "blue"}, run["runSpec"])


def w19_times_of_logs(server):
    context = server.call(RUNS, "GetActionLogContext", {"actionId": action_id("full", "child"), "attempt": 1})
    for field in ("logContext", "cluster", "startTime", "endTime"):
        check(field in context, f"{field}: {context}")
    context = server.call(RUNS, "GetActionLogContext", {"actionId": action_id("full"), "attempt": 1})
    check("startTime" in context and "endTime" not in context, "an attempt that runs has no end")
    refused("not_found", server.call, RUNS, "GetActionLogContext",
            {"actionId": action_id("full", "child"), "attempt": 2})


def w20_data_of_each_kind(server):
    def uris(name):
        return server.call(RUNS, "GetActionDataURIs", {"actionId": action_id("full", name)})

    check("outputsUri" not in uris("a0"), "an action that runs has inputs only")
    check(uris("child")["inputsUri"] == "s3://mayfly/in/inputs.pb", uris("child"))
    check(uris("child")["outputsUri"].endswith("/child/1/outputs.pb"), uris("child"))
    check(uris("tracing")["outputsUri"] == "s3://mayfly/out/tracing/outputs.pb", uris("tracing"))
    uris("asking")
    for service in (RUNS, DATA):
        outputs = server.call(service, "GetActionData", {"actionId": action_id("full", "asking")})["outputs"]
        check(outputs["literals"][0]["value"]["scalar"]["primitive"] == {"integer": "4"}, f"{service}: {outputs}")
        server.call(service, "GetActionData", {"actionId": action_id("full", "child")})


def w21_results(server):
    """What became of an action that did not succeed, by its last attempt and by itself."""
    failed = server.wait_run(server.create_run(shell_task("echo gone wrong; exit 3", retries=1)))
    check(failed["status"]["phase"] == "ACTION_PHASE_FAILED" and failed["status"]["attempts"] == 2, failed["status"])
    for result in (failed["errorInfo"], failed["attempts"][0]["errorInfo"], failed["attempts"][1]["errorInfo"]):
        check(result["message"] and result["kind"] == "KIND_USER", f"{failed}")
    check(failed["attempts"][0]["phase"] == "ACTION_PHASE_FAILED", "a retried attempt has failed")

    late = server.wait_run(server.create_run(shell_task("sleep 60", timeout="0.3s")))
    check(late["status"]["phase"] == "ACTION_PHASE_TIMED_OUT", late["status"])
    check(late["errorInfo"]["message"] and late["attempts"][0]["errorInfo"]["message"], late)

    name = server.create_run(shell_task("sleep 60"))
    server.call(RUNS, "AbortRun", {"runId": run_id(name), "reason": "no more"})
    aborted = server.run_action(name)
    check(aborted["abortInfo"]["reason"] == "no more", aborted)
    check(aborted["abortInfo"]["abortedBy"]["user"]["id"]["subject"] == "ada", aborted["abortInfo"])


def cache_metadata_of_a_hit(server):
    cached = shell_task("true", name="env.cached", discoverable=True, discoveryVersion="1")
    populated = server.wait_run(server.create_run(cached, "maker"))
    check(populated["status"]["cacheStatus"] == "CACHE_POPULATED", populated["status"])
    check("cacheMetadata" not in populated["attempts"][0], populated)
    hit = server.wait_run(server.create_run(cached, "taker"))
    check(hit["status"]["cacheStatus"] == "CACHE_HIT", hit["status"])
    check(hit["attempts"][0]["cacheMetadata"] == {"sourceActionAttempt": {
        "actionId": action_id("maker"), "attempt": 1}}, hit["attempts"][0])
    for overwrite in ({"overwriteCache": True}, {"cacheConfig": {"overwriteCache": True}}):
        again = server.wait_run(server.create_run(cached, runSpec=overwrite))
        check(again["status"]["cacheStatus"] == "CACHE_POPULATED", again["status"])
    own = {"cacheConfig": {"cacheLookupScope": "CACHE_LOOKUP_SCOPE_PROJECT_DOMAIN"}}
    check(server.wait_run(server.create_run(cached, runSpec=own))["status"]["cacheStatus"] == "CACHE_POPULATED",
          "entries of the project and domain are others than the global ones")
    check(server.wait_run(server.create_run(cached, runSpec=own))["status"]["cacheStatus"] == "CACHE_HIT",
          "and are found")


class Known(Server):
    """Every call comes from a known caller."""

    def request(self, method, path, body=b"", headers=None, timeout=30):
        return super().request(method, path, body, (headers or {}) | CALLER, timeout)


with Known("--cpus", "64", "--trust-identity-headers") as server:
    created = make_runs(server)
    w16_metadata_everywhere(server, created)
    for scenario in [details_of_each_kind, w19_times_of_logs, w20_data_of_each_kind]:
        scenario(server)
    (FOLDER / "end").touch()
    for scenario in [w21_results, cache_metadata_of_a_hit]:
        scenario(server)
    server.wait_run("full")
