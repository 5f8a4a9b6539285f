#!/usr/bin/env python3
"""CreateRun: names, tasks, inputs, run specifications, labels, relations, settings, and what happens in between."""
import base64
import concurrent.futures
import hashlib

from badinput import BAD, FINE, Table, store_digest
from harness import (DOMAIN, FOLDER, PROJECT, RUNS, CallError, Server, action_id, check, eventually, refused, run_id,
                     shell_task)

TASKS = "flyteidl2.task.TaskService"
PROJECTS = "flyteidl2.project.ProjectService"
SETTINGS = "flyteidl2.settings.SettingsService"
DATA = "flyteidl2.dataproxy.DataProxyService"
PLACE = {"name": PROJECT, "domain": DOMAIN}


def literal(number):
    return {"scalar": {"primitive": {"integer": str(number)}}}


def inputs(context=None, **values):
    return {"literals": [{"name": name, "value": literal(value)} for name, value in values.items()],
            "context": [{"key": key, "value": value} for key, value in (context or {}).items()]}


def values_of(message):
    return {item["name"]: int(item["value"]["scalar"]["primitive"]["integer"]) for item in message.get("literals", [])
            if "integer" in item["value"]["scalar"]["primitive"]}


def context_of(message):
    return {item["key"]: item.get("value", "") for item in message.get("context", [])}


def create(server, **more):
    request = {"projectId": PLACE, "taskSpec": shell_task("true"), **more}
    if "taskId" in more or "triggerName" in more:
        del request["taskSpec"]
    if "runId" in more:
        del request["projectId"]
    return server.call(RUNS, "CreateRun", request)["run"]


def name_of(run):
    return run["action"]["id"]["run"]["name"]


def details(server, name):
    return server.call(RUNS, "GetRunDetails", {"runId": run_id(name)})["details"]


def data_of(server, name, action="a0"):
    return server.call(DATA, "GetActionData", {"actionId": action_id(name, action)})


def uris_of(server, name):
    return server.call(RUNS, "GetActionDataURIs", {"actionId": action_id(name)})


def deploy(server, name="env.hello", version="v1", script="true", **spec):
    task = shell_task(script, name=name)
    task["taskTemplate"]["id"]["version"] = version
    task.update(spec)
    identifier = {"project": PROJECT, "domain": DOMAIN, "name": name, "version": version}
    server.call(TASKS, "DeployTask", {"taskId": identifier, "spec": task})
    return identifier


def parameters(**defaults):
    return [{"name": name, "parameter": {"var": {"type": {"simple": "INTEGER"}},
                                         **({"required": True} if value is None else {"default": literal(value)})}}
            for name, value in defaults.items()]


def settled(server):
    """Waits until every run has ended, so that nothing changes by itself."""
    running = {"field": "phase", "function": "VALUE_IN", "values": ["1", "2", "3", "4"]}
    eventually(lambda: not server.list_runs(filters=[running]), "every run has ended")


# ---- weak spots of the reference ----

def w4_enqueue_is_part_of_the_commit(server):
    """A run that was answered for is carried out, also when the server is gone a moment later."""
    name = server.create_run(shell_task("true"))
    server.kill()
    server.start()
    check(server.wait_run(name)["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", "the run is carried out")


def w5_duplicate_create(server):
    request = {"runId": run_id("twice"), "inputs": inputs(x=1)}
    first = create(server, **request)
    server.wait_run("twice")
    before = store_digest(server)
    again = create(server, **request)
    check(again["action"]["id"] == first["action"]["id"], again)
    check(again["action"]["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", "the run as it stands now")
    message = refused("already_exists", create, server, **{**request, "inputs": inputs(x=2)})
    check("twice" in message, message)
    check(store_digest(server) == before, "neither a repeated nor another request of that name changes anything")
    check(values_of(data_of(server, "twice")["inputs"]) == {"x": 1}, "the inputs are those of the first request")

    names = {name_of(create(server, inputs=inputs())) for _ in range(40)}
    check(len(names) == 40, "names that the server makes are different")
    for name in names:
        check(len(name) == 20 and name[0] == "r" and set(name[1:]) <= set("bcdfghjklmnpqrstvwxz2456789"), name)


def w5_duplicate_after_its_task_is_gone(server):
    """The answer to a repeated request does not depend on what has become of the project since."""
    project = {"id": "shortlived", "name": "shortlived"}
    server.call(PROJECTS, "CreateProject", {"project": project})
    run = {"project": "shortlived", "domain": DOMAIN, "name": "again"}
    server.call(RUNS, "CreateRun", {"runId": run, "taskSpec": shell_task("true")})
    server.call(PROJECTS, "UpdateProject", {"project": {**project, "state": "PROJECT_STATE_ARCHIVED"}})
    again = server.call(RUNS, "CreateRun", {"runId": run, "taskSpec": shell_task("true")})["run"]
    check(name_of(again) == "again", again)


def one_winner_of_eight(server):
    """Eight at once: of different requests for one name one is taken, equal ones all get the same run."""
    def outcome(request):
        try:
            return name_of(create(server, **request))
        except CallError as error:
            return error.code

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        different = list(pool.map(outcome, [{"runId": run_id("raced"), "inputs": inputs(x=i)} for i in range(8)]))
        equal = list(pool.map(outcome, [{"runId": run_id("shared"), "inputs": inputs(x=1)}] * 8))
    check(sorted(different) == ["already_exists"] * 7 + ["raced"], different)
    check(equal == ["shared"] * 8, equal)
    actions = server.call(RUNS, "ListActions", {"runId": run_id("shared"), "request": {"limit": 10}})["actions"]
    check(len(actions) == 1, "one run with one root")


def w6_missing_task(server):
    missing = {"project": PROJECT, "domain": DOMAIN, "name": "env.nothing", "version": "v1"}
    check("env.nothing" in refused("not_found", create, server, taskId=missing), "the task is named")
    deploy(server, "env.versions", "v1")
    refused("not_found", create, server, taskId={**missing, "name": "env.versions", "version": "v2"})


def w16_labels(server):
    labels = {"team": "blue", "empty": "", "a.b/c": "ü"}
    name = name_of(create(server, runId=run_id("labelled"), runSpec={"labels": {"values": labels}}))
    check(create(server, runId=run_id("labelled"), runSpec={"labels": {"values": labels}})["labels"] == labels,
          "labels in the answer of CreateRun")
    check(details(server, name)["runSpec"]["labels"]["values"] == labels, "in the run's specification")
    listed = [run for run in server.list_runs() if name_of(run) == name]
    check(listed[0]["labels"] == labels, "in ListRuns")
    listed = server.list_runs(filters=[{"field": "labels.team", "function": "EQUAL", "values": ["blue"]}])
    check([name_of(run) for run in listed] == [name], "a run is found by its label")
    with server.stream(RUNS, "WatchRuns", {"projectId": PLACE}) as messages:
        seen = {name_of(run): run for run in next(messages)["runs"]}
        check(seen[name]["labels"] == labels, "in WatchRuns")


def w22_uri_with_and_without_file(server):
    uploaded = server.call(DATA, "UploadInputs", {"projectId": PLACE, "taskSpec": shell_task("true"),
                                                  "inputs": inputs(x=5)})["offloadedInputData"]
    file = uploaded["uri"] if uploaded["uri"].endswith("/inputs.pb") else uploaded["uri"] + "/inputs.pb"
    for uri in (file, file.removesuffix("/inputs.pb"), file.removesuffix("inputs.pb")):
        name = name_of(create(server, offloadedInputData={**uploaded, "uri": uri}))
        check(uris_of(server, name)["inputsUri"] == file, uris_of(server, name))
        check(values_of(data_of(server, name)["inputs"]) == {"x": 5}, "the inputs can be read")


def w24_a_database_failure_is_not_not_found(server):
    name = server.create_run(shell_task("true"))
    server.wait_run(name)
    server.sql("ALTER TABLE run RENAME TO run_away")
    try:
        for method, request in [("GetRunDetails", {"runId": run_id(name)}),
                                ("GetActionDetails", {"actionId": action_id(name)}),
                                ("GetActionDataURIs", {"actionId": action_id(name)}),
                                ("CreateRun", {"projectId": PLACE, "taskSpec": shell_task("true")}),
                                ("AbortRun", {"runId": run_id(name)})]:
            try:
                answer = server.call(RUNS, method, request)
                raise AssertionError(f"{method}: {answer}")
            except Exception as error:
                if isinstance(error, AssertionError):
                    raise
                check(error.code in ("internal", "unavailable"), f"{method}: {error}")
                check("SELECT" not in error.message and "INSERT" not in error.message, f"SQL text: {error}")
    finally:
        server.sql("ALTER TABLE run_away RENAME TO run")
    check(server.phase(name) == "ACTION_PHASE_SUCCEEDED", "and it is there as before")


def w28_inputs_are_written_once(server):
    """Inputs too large for the run's own commit are in place before it, and cannot replace those of another run."""
    big = {"literals": [{"name": "x", "value": {"scalar": {"primitive": {"stringValue": "a" * 300_000}}}}]}
    other = {"literals": [{"name": "x", "value": {"scalar": {"primitive": {"stringValue": "b" * 300_000}}}}]}
    create(server, runId=run_id("large"), inputs=big)
    refused("already_exists", create, server, runId=run_id("large"), inputs=other)
    text = data_of(server, "large")["inputs"]["literals"][0]["value"]["scalar"]["primitive"]["stringValue"]
    check(text == "a" * 300_000, "the inputs are those of the first request")


def w29_place(server):
    refused("not_found", create, server, projectId={"name": "nowhere", "domain": DOMAIN})
    check("zzz" in refused("invalid_argument", create, server, projectId={"name": PROJECT, "domain": "zzz"}), "domain")
    project = {"id": "shut", "name": "shut"}
    server.call(PROJECTS, "CreateProject", {"project": project})
    server.call(PROJECTS, "UpdateProject", {"project": {**project, "state": "PROJECT_STATE_ARCHIVED"}})
    refused("failed_precondition", create, server, projectId={"name": "shut", "domain": DOMAIN})


def w30_what_only_the_server_sets(server):
    spec = {"clusterPool": "mine", "taskSpecSource": "TASK_SPEC_SOURCE_DEPLOYED", "maxActionConcurrency": 3}
    stored = details(server, name_of(create(server, runSpec=spec)))["runSpec"]
    check(stored["clusterPool"] == "default", stored)
    check(stored["taskSpecSource"] == "TASK_SPEC_SOURCE_EPHEMERAL", stored)
    check(stored["maxActionConcurrency"] == 3, stored)
    stored = details(server, name_of(create(server, taskId=deploy(server))))["runSpec"]
    check(stored["taskSpecSource"] == "TASK_SPEC_SOURCE_DEPLOYED", stored)


# ---- cases of the reference's own tests ----

def refused_names(server):
    settled(server)
    before = store_digest(server)
    for name in ("my.run", "1run", "My-Run", "my_run", "-run", "run-", "r" * 31, ""):
        refused("invalid_argument", create, server, runId={**run_id(name)})
    check(store_digest(server) == before, "a refused name leaves nothing behind")


def given_name(server):
    run = create(server, runId=run_id("named"))
    action = run["action"]
    check(action["id"] == {"run": run_id("named"), "name": "a0"}, action["id"])
    check(action["status"]["phase"] == "ACTION_PHASE_QUEUED" and action["status"]["attempts"] == 1, action["status"])
    check("endTime" not in action["status"] and "durationMs" not in action["status"], action["status"])
    check("org" not in action["id"]["run"], "no organization")


def inline_inputs_keep_their_context(server):
    name = name_of(create(server, inputs=inputs({"trace_id": "t-1"}, x=3),
                          runSpec={"rawDataStorage": {"rawDataPrefix": "s3://custom-raw"}}))
    check(context_of(data_of(server, name)["inputs"]) == {"trace_id": "t-1"}, "context")
    check(details(server, name)["runSpec"]["rawDataStorage"]["rawDataPrefix"] == "s3://custom-raw", "raw data")


def no_inputs_is_an_empty_message(server):
    name = name_of(create(server))
    check(data_of(server, name).get("inputs", {}) == {}, data_of(server, name))


def defaults_fill_in(server):
    task = shell_task("true")
    task["defaultInputs"] = parameters(a=1, b=2, needed=None)
    name = name_of(create(server, taskSpec=task, inputs=inputs(b=20)))
    check(values_of(data_of(server, name)["inputs"]) == {"a": 1, "b": 20}, data_of(server, name))


def deployed_task(server):
    identifier = deploy(server, "env.deployed", "v7", defaultInputs=parameters(a=9))
    name = name_of(create(server, taskId=identifier))
    action = server.wait_run(name)
    check(action["metadata"]["task"]["id"] == identifier, action["metadata"])
    check(values_of(data_of(server, name)["inputs"]) == {"a": 9}, "defaults of the deployed task")


def start_time_by_sdk_version(server):
    start = "2026-01-02T03:04:05Z"
    for version, expected in [("2.3.5", None), ("2.4", None), ("2.3.6", start), ("v2.3.6.dev4+g1", start),
                              ("2.10.0rc2", start)]:
        task = shell_task("true", runtime={"version": version})
        spec = details(server, name_of(create(server, taskSpec=task, runStartTime=start)))["runSpec"]
        check(spec.get("runStartTime") == expected, f"{version}: {spec}")
    own = {"runStartTime": "2020-01-01T00:00:00Z"}
    spec = details(server, name_of(create(server, runSpec=own, runStartTime=start)))["runSpec"]
    check(spec["runStartTime"] == own["runStartTime"], "what the specification says stays")


def environment_of_the_run(server):
    out = FOLDER / "environment"
    task = shell_task(f"env > {out}.new; mv {out}.new {out}")
    task["taskTemplate"]["container"]["env"] = [{"key": "OF_TASK", "value": "1"}, {"key": "BOTH", "value": "task"}]
    name = name_of(create(server, taskSpec=task, runSpec={"envs": {"values": [
        {"key": "OF_RUN", "value": "2"}, {"key": "BOTH", "value": "run"}, {"key": "ACTION_NAME", "value": "forged"}]}}))
    server.wait_run(name)
    lines = out.read_text().splitlines()
    for line in ("OF_TASK=1", "OF_RUN=2", "BOTH=run", "ACTION_NAME=a0"):
        check(line in lines, f"{line} in {lines}")


def base_folder_of_the_run(server):
    name = name_of(create(server, runSpec={"runBaseDir": "s3://mayfly/elsewhere/"}, inputs=inputs(x=1)))
    check(uris_of(server, name)["inputsUri"] == f"s3://mayfly/elsewhere/{PROJECT}/{DOMAIN}/{name}/inputs/inputs.pb",
          uris_of(server, name))
    server.wait_run(name)
    check(uris_of(server, name)["outputsUri"].startswith(f"s3://mayfly/elsewhere/{PROJECT}/"), uris_of(server, name))
    message = refused("invalid_argument", create, server, runSpec={"runBaseDir": "s3://foreign/x"}, inputs=inputs())
    check("run_base_dir" in message and "offloaded_input_data" in message, message)


def specification_is_checked(server):
    settled(server)

    def spec(word, **fields):
        before = store_digest(server)
        message = refused("invalid_argument", create, server, runSpec=fields)
        check(word in message, f"{message!r} does not name {word}")
        check(store_digest(server) == before, f"{word}: the store has changed")

    spec("labels", labels={"values": {"": "x"}})
    spec("labels", labels={"values": {"k" * 254: "x"}})
    spec("labels", labels={"values": {"k": "x" * 256}})
    spec("labels", labels={"values": {"k\n": "x"}})
    spec("labels", labels={"values": {f"k{i}": "x" for i in range(65)}})
    spec("annotations", annotations={"values": {"": "x"}})
    spec("annotations", annotations={"values": {"k": "x" * 300_000}})
    spec("envs", envs={"values": [{"key": "A=B", "value": "x"}]})
    spec("envs", envs={"values": [{"key": "", "value": "x"}]})
    spec("envs", envs={"values": [{"key": "A", "value": "x" * 140_000}]})
    spec("queue", queue="no good")
    spec("queue", queue="q" * 64)
    spec("run_base_dir", runBaseDir="relative/folder")
    spec("raw_data_prefix", rawDataStorage={"rawDataPrefix": "relative"})
    spec("cache_lookup_scope", cacheConfig={"cacheLookupScope": 9})
    spec("relation_type", relation={"relatedTo": run_id("x")})
    spec("relation_type", relation={"relatedTo": run_id("x"), "relationType": 77})
    spec("related_to", relation={"relationType": "RELATION_TYPE_RERUN"})
    spec("recover", recover={"forceRerunActions": ["a1"]})
    rule = {"deliveryConfigName": "mine"}
    for phases in ([], [5, 5], [4], [1], [9, 5]):
        spec("notification_rules", notificationRules={"rules": [{**rule, "onPhases": phases}]})
    spec("delivery", notificationRules={"rules": [{"onPhases": [5]}]})
    spec("rules", notificationRules={"rules": []})
    good = {"notificationRules": {"rules": [{**rule, "onPhases": [5, 6, 7, 8]}, {**rule, "onPhases": [9]}]},
            "queue": "gpu-queue", "interruptible": True, "overwriteCache": True,
            "cacheConfig": {"overwriteCache": True, "cacheLookupScope": "CACHE_LOOKUP_SCOPE_PROJECT_DOMAIN"},
            "annotations": {"values": {"note": "x"}}, "securityContext": {"runAs": {"k8sServiceAccount": "robot"}}}
    stored = details(server, name_of(create(server, runSpec=good)))["runSpec"]
    for field in good:
        check(field in stored, f"{field} is stored: {stored}")
    check(stored["queue"] == "gpu-queue" and stored["interruptible"] is True, stored)

    def task(word, **metadata):
        message = refused("invalid_argument", create, server, taskSpec=shell_task("true", **metadata))
        check(word in message, f"{message!r} does not name {word}")

    task("metadata.timeout:", timeout="-1s")
    task("timeouts.deadline", timeouts={"deadline": "-1s"})
    task("timeouts.queued_timeout", timeouts={"queuedTimeout": "-5s"})
    for word, backoff in [("backoff.base", {"base": "-1s"}), ("factor", {"factor": 0.5}), ("cap", {"factor": 2.0})]:
        broken = shell_task("true")
        broken["taskTemplate"]["metadata"]["retries"] = {"retries": 1, "backoff": backoff}
        message = refused("invalid_argument", create, server, taskSpec=broken)
        check(word in message, f"{message!r} does not name {word}")
    broken = shell_task("true", retries=5000)
    check("retries" in refused("invalid_argument", create, server, taskSpec=broken), "too many retries")


def relations(server):
    source = server.create_run(shell_task("true"), "parent")
    server.wait_run(source)
    for kind in ("RELATION_TYPE_RERUN", "RELATION_TYPE_RECOVER", "RELATION_TYPE_SPAWN"):
        relation = {"relatedTo": run_id(source), "relationType": kind}
        run = create(server, runSpec={"relation": relation})
        check(run["action"]["metadata"]["relation"] == relation, run["action"]["metadata"])
    old = create(server, runSpec={"relatedTo": run_id(source)})
    check(old["action"]["metadata"]["relation"]["relationType"] == "RELATION_TYPE_RERUN", "the older field")
    for kind in ("RELATION_TYPE_RERUN", "RELATION_TYPE_RECOVER"):
        message = refused("not_found", create, server,
                          runSpec={"relation": {"relatedTo": run_id("nobody"), "relationType": kind}})
        check("nobody" in message and "related_to" in message, message)
    create(server, runSpec={"relation": {"relatedTo": run_id("nobody"), "relationType": "RELATION_TYPE_SPAWN"}})
    message = refused("invalid_argument", create, server, runSpec={"relation": {
        "relatedTo": {**run_id(source), "domain": "production"}, "relationType": "RELATION_TYPE_RERUN"}})
    check("related_to" in message, message)


def cache_keys(server):
    """The key of the root action by the formula of the reference (docs: runs.md 2.1.6)."""
    task = shell_task("true", discoverable=True, discoveryVersion="7", cacheIgnoreInputVars=["b"])
    task["taskTemplate"]["interface"] = {}
    offloaded = {"uri": "s3://mayfly/none/inputs.pb", "inputsHash": "HASH"}
    name = name_of(create(server, taskSpec=task, offloadedInputData=offloaded))

    def key(run):
        return server.sql(f"SELECT cache_key FROM action WHERE run_name = '{run}' AND name = 'a0'")[0][0]

    empty = base64.b64encode(hashlib.sha256(b"").digest())
    expected = base64.b64encode(hashlib.sha256(b"HASH" + b"shell" + empty + b"7").digest()).decode()
    check(key(name) == expected, f"{key(name)} {expected}")
    names = [name_of(create(server, taskSpec=task, inputs=inputs(**values)))
             for values in ({"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 1}, {"a": 1, "b": 1})]
    keys = [key(run) for run in names]
    check(keys[0] == keys[1] == keys[3] != keys[2], f"ignored inputs are ignored: {keys}")
    check(key(name_of(create(server))) == "", "no key for a task that is not discoverable")


def bad_input(server):
    good = {
        "runId": run_id("table"),
        "taskSpec": {"taskTemplate": shell_task("true")["taskTemplate"], "shortName": "t"},
        "inputs": inputs({"k": "v"}, x=1),
        "source": "RUN_SOURCE_CLI",
        "runStartTime": "2026-01-02T03:04:05Z",
        "runSpec": {"labels": {"values": {"a": "b"}}, "queue": "q",
                    "relation": {"relatedTo": run_id("parent"), "relationType": "RELATION_TYPE_RERUN"},
                    "cacheConfig": {"overwriteCache": True, "cacheLookupScope": "CACHE_LOOKUP_SCOPE_GLOBAL"}},
    }
    table = Table(server, RUNS, "CreateRun", good)
    table.check({
        "runId": {"missing": (BAD, "id"), "empty": (BAD, "run_id")},
        "runId.project": {"missing": BAD, "empty": BAD, "long": (64, BAD)},
        "runId.domain": {"missing": BAD, "empty": BAD, "long": (64, BAD)},
        "runId.name": {"missing": BAD, "empty": BAD, "long": (31, BAD)},
        "taskSpec": {"missing": (BAD, "task"), "empty": (BAD, "task_template")},
        "taskSpec.taskTemplate": {"missing": BAD},
        "taskSpec.shortName": {"missing": FINE, "long": (64, BAD)},
        "inputs": {"missing": FINE},
        "source": {"missing": FINE, "enum": BAD},
        "runStartTime": {"missing": FINE, "empty": (BAD, "runStartTime")},
        "runSpec": {"missing": FINE},
        "runSpec.labels": {"missing": FINE},
        "runSpec.labels.values": {"missing": FINE},
        "runSpec.labels.values.a": {"missing": FINE, "long": (256, (BAD, "labels"))},
        "runSpec.queue": {"missing": FINE, "long": (64, BAD)},
        "runSpec.relation": {"missing": FINE, "empty": (BAD, "related_to")},
        "runSpec.relation.relatedTo": {"missing": BAD, "empty": (BAD, "related_to")},
        "runSpec.relation.relatedTo.project": {"missing": BAD, "empty": BAD, "long": (64, BAD)},
        "runSpec.relation.relatedTo.domain": {"missing": BAD, "empty": BAD, "long": (64, BAD)},
        "runSpec.relation.relatedTo.name": {"missing": BAD, "empty": BAD, "long": (31, BAD)},
        "runSpec.relation.relationType": {"missing": BAD, "empty": (BAD, "relationType"), "enum": BAD},
        "runSpec.cacheConfig": {"missing": FINE},
        "runSpec.cacheConfig.overwriteCache": {"missing": FINE},
        "runSpec.cacheConfig.cacheLookupScope": {"missing": FINE, "enum": BAD},
    }, skip={"taskSpec.taskTemplate": "a task may leave out all of it; see specification_is_checked",
             "inputs": "literals have no rules; wrong kinds are tested with the JSON reader"})
    table.refuse({"runId.project": "nowhere"}, "not_found", "nowhere")
    table.refuse({"runId.domain": "zzz"}, BAD, "zzz")
    table.refuse({"runSpec.relation.relatedTo.name": "nobody"}, "not_found", "nobody")
    table.refuse({"taskSpec": None, "taskId": {"project": PROJECT, "domain": DOMAIN, "name": "no", "version": "v"}},
                 "not_found", "no")
    table.refuse({"inputs": None, "offloadedInputData": {"inputsHash": "h"}}, BAD, "uri")
    table.refuse({"inputs": None, "offloadedInputData": {"uri": "s3://mayfly/x"}}, BAD, "inputs_hash")
    for method, message in [("GetRunDetails", {"runId": run_id("parent")}),
                            ("GetActionDetails", {"actionId": action_id("parent")}),
                            ("GetActionDataURIs", {"actionId": action_id("parent")}),
                            ("GetActionData", {"actionId": action_id("parent")}),
                            ("GetActionLogContext", {"actionId": action_id("parent"), "attempt": 1})]:
        table = Table(server, RUNS, method, message)
        top, name = ("runId", "") if "runId" in message else ("actionId", ".run")
        rows = {top: {"missing": BAD, "empty": BAD if not name else (BAD, "run")},
                **{f"{top}{name}.{part}": {"missing": BAD, "empty": BAD, "long": (64, BAD)}
                   for part in ("project", "domain", "name")}}
        if name:
            rows |= {"actionId.run": {"missing": BAD, "empty": (BAD, "project")},
                     "actionId.name": {"missing": BAD, "empty": BAD, "long": (31, BAD)}}
            table.refuse({"actionId.name": "nobody"}, "not_found", "nobody")
        if "attempt" in message:
            rows["attempt"] = {"missing": FINE}  # the newest
            table.refuse({"attempt": 4000000000}, BAD, "attempt")
            table.refuse({"attempt": 7}, "not_found", "7")
        table.check(rows)
        table.refuse({f"{top}{name}.name": "nobody"}, "not_found", "nobody")
        table.refuse({f"{top}{name}.project": "nowhere"}, "not_found", "nowhere")


with Server("--cpus", "64") as server:
    for scenario in [w4_enqueue_is_part_of_the_commit, w5_duplicate_create, w5_duplicate_after_its_task_is_gone,
                     one_winner_of_eight, w6_missing_task, w16_labels, w22_uri_with_and_without_file,
                     w28_inputs_are_written_once, w29_place, w30_what_only_the_server_sets, refused_names, given_name,
                     inline_inputs_keep_their_context, no_inputs_is_an_empty_message, defaults_fill_in, deployed_task,
                     start_time_by_sdk_version, environment_of_the_run, base_folder_of_the_run, relations, cache_keys]:
        scenario(server)
    specification_is_checked(server)
    settled(server)
    bad_input(server)
    w24_a_database_failure_is_not_not_found(server)
