#!/usr/bin/env python3
"""Runs of triggers, and runs that settings complete."""

from harness import (DOMAIN, FOLDER, PROJECT, RUNS, CallError, Server, action_id, check, eventually, refused, run_id,
                     shell_task)

TASKS = "flyteidl2.task.TaskService"
TRIGGERS = "flyteidl2.trigger.TriggerService"
SETTINGS = "flyteidl2.settings.SettingsService"
DATA = "flyteidl2.dataproxy.DataProxyService"
PLACE = {"name": PROJECT, "domain": DOMAIN}
TASK = "env.hello"
START = "2026-07-01T16:00:00Z"


def literal(number):
    return {"scalar": {"primitive": {"integer": str(number)}}}


def inputs(context=None, **values):
    return {"literals": [{"name": name, "value": literal(value)} for name, value in values.items()],
            "context": [{"key": key, "value": value} for key, value in (context or {}).items()]}


def values_of(message):
    found = {}
    for item in message.get("literals", []):
        primitive = item["value"]["scalar"]["primitive"]
        found[item["name"]] = int(primitive["integer"]) if "integer" in primitive else primitive["datetime"]
    return found


def context_of(message):
    return {item["key"]: item.get("value", "") for item in message.get("context", [])}


def task_spec(version, **metadata):
    """A task of a current SDK with inputs x (default 1), y and t."""
    spec = shell_task("true", name=TASK, runtime={"version": "2.4.0"}, **metadata)
    spec["taskTemplate"]["id"]["version"] = version
    spec["taskTemplate"]["interface"] = {"inputs": {"variables": [
        {"key": name, "value": {"type": {"simple": kind}}}
        for name, kind in (("x", "INTEGER"), ("y", "INTEGER"), ("t", "DATETIME"))]}}
    parameter = {"var": {"type": {"simple": "INTEGER"}}, "default": literal(1)}
    spec["defaultInputs"] = [{"name": "x", "parameter": parameter}]
    return spec


def deploy_task(server, version="v1", **metadata):
    server.call(TASKS, "DeployTask", {
        "taskId": {"project": PROJECT, "domain": DOMAIN, "name": TASK, "version": version},
        "spec": task_spec(version, **metadata)})


def trigger(name):
    return {"project": PROJECT, "domain": DOMAIN, "name": name, "taskName": TASK}


def deploy(server, name, kickoff=None, active=False, version="v1", **spec):
    automation = {"type": "TYPE_SCHEDULE", "schedule": {"cron": {"expression": "0 0 1 1 *", "timezone": "UTC"}}}
    if kickoff:
        automation["schedule"]["kickoffTimeInputArg"] = kickoff
    server.call(TRIGGERS, "DeployTrigger", {
        "name": trigger(name), "automationSpec": automation,
        "spec": {"active": active, "taskVersion": version, **spec}})


def fire(server, name, **more):
    request = {"projectId": PLACE, "triggerName": trigger(name), **more}
    if "runId" in more:
        del request["projectId"]
    return server.call(RUNS, "CreateRun", request)["run"]


def name_of(run):
    return run["action"]["id"]["run"]["name"]


def inputs_of(server, run):
    return server.call(DATA, "GetActionData", {"actionId": action_id(name_of(run))}).get("inputs", {})


def inputs_uri(server, run):
    return server.call(RUNS, "GetActionDataURIs", {"actionId": action_id(name_of(run))})["inputsUri"]


def run_spec(server, run):
    return server.call(RUNS, "GetRunDetails", {"runId": run_id(name_of(run))})["details"]["runSpec"]


def upload(server, message):
    return server.call(DATA, "UploadInputs", {"projectId": PLACE, "taskSpec": task_spec("v1"),
                                              "inputs": message})["offloadedInputData"]


def w7_inline_inputs_of_a_trigger(server):
    deploy(server, "inline", kickoff="t", inputs=inputs({"trace_id": "a", "other": "b"}, x=7, y=8))
    run = fire(server, "inline", runStartTime=START, source="RUN_SOURCE_SCHEDULE_TRIGGER")
    check(values_of(inputs_of(server, run)) == {"x": 7, "y": 8, "t": START}, inputs_of(server, run))
    check(context_of(inputs_of(server, run)) == {"trace_id": "a", "other": "b"}, "the context is kept")

    run = fire(server, "inline", inputs=inputs({"trace_id": "mine"}, y=80))
    found = values_of(inputs_of(server, run))
    check((found["x"], found["y"]) == (7, 80) and found["t"].startswith("20"), f"the request goes over it: {found}")
    check(context_of(inputs_of(server, run)) == {"trace_id": "mine", "other": "b"}, "the contexts are put together")

    given = {"name": "t", "value": {"scalar": {"primitive": {"datetime": "2001-01-01T00:00:00Z"}}}}
    run = fire(server, "inline", inputs={"literals": [given]}, runStartTime=START)
    check(values_of(inputs_of(server, run))["t"] == "2001-01-01T00:00:00Z", "a time that is given stays")


def w7_offloaded_inputs_of_a_trigger(server):
    stored = upload(server, inputs({"_u_kickoff_time_input_arg": "t"}, x=5, y=6))
    deploy(server, "offloaded", kickoff="t", offloadedInputData=stored)
    run = fire(server, "offloaded", runStartTime=START, source="RUN_SOURCE_SCHEDULE_TRIGGER")
    check(inputs_uri(server, run).startswith(stored["uri"].removesuffix("/inputs.pb")), "the inputs stay there")
    check(values_of(inputs_of(server, run)) == {"x": 5, "y": 6}, inputs_of(server, run))
    check(context_of(inputs_of(server, run)) == {"_u_kickoff_time_input_arg": "t"}, "the context is kept")
    check(run_spec(server, run)["runStartTime"] == START, "the runtime takes the time from the run")
    run = fire(server, "offloaded", inputs={})
    check(values_of(inputs_of(server, run)) == {"x": 5, "y": 6}, "no inputs are no inputs, however they are sent")

    # What the reference's scheduler sends: only the time, as an inline input.
    time = {"name": "t", "value": {"scalar": {"primitive": {"datetime": START}}}}
    run = fire(server, "offloaded", inputs={"literals": [time]}, runStartTime=START)
    check(values_of(inputs_of(server, run)) == {"x": 5, "y": 6, "t": START}, "put together with the stored ones")
    check(context_of(inputs_of(server, run)) == {"_u_kickoff_time_input_arg": "t"}, "with their context")

    other = upload(server, inputs(x=50))
    run = fire(server, "offloaded", offloadedInputData=other)
    check(values_of(inputs_of(server, run)) == {"x": 50}, "inputs that the client has put together count alone")

    deploy(server, "foreign", offloadedInputData={"uri": "s3://foreign/in", "inputsHash": "h"})
    message = refused("failed_precondition", fire, server, "foreign", inputs=inputs(x=1))
    check("s3://foreign/in/inputs.pb" in message and "offloaded_input_data" in message, message)
    check(inputs_uri(server, fire(server, "foreign")) == "s3://foreign/in/inputs.pb", "alone they can be anywhere")


def c4_kickoff_alone(server):
    """A trigger without inputs of its own: the time for its argument, and the task's defaults."""
    deploy(server, "plain", kickoff="t")
    run = fire(server, "plain", runStartTime=START)
    check(values_of(inputs_of(server, run)) == {"x": 1, "t": START}, inputs_of(server, run))
    deploy(server, "stranger", kickoff="unknown")
    run = fire(server, "stranger", runStartTime=START)
    check(values_of(inputs_of(server, run)) == {"x": 1}, "no input that the task does not have")


def triggers_run_spec(server):
    envs = {"values": [{"key": "FROM_TRIGGER", "value": "1"}]}
    deploy(server, "environment", runSpec={"envs": envs, "labels": {"values": {"by": "trigger"}}})
    run = fire(server, "environment")
    check(run_spec(server, run)["envs"] == envs and run["labels"] == {"by": "trigger"}, "the trigger's run_spec")
    run = fire(server, "environment", runSpec={"labels": {"values": {"by": "me"}}})
    check("envs" not in run_spec(server, run) and run["labels"] == {"by": "me"}, "the request's counts as a whole")


def what_a_run_knows_of_its_trigger(server):
    deploy(server, "known")
    deploy(server, "known", inputs=inputs(x=2))
    before = server.call(TRIGGERS, "GetTriggerDetails", {"name": trigger("known")})["trigger"]
    check("triggeredAt" not in before["status"], before["status"])
    run = fire(server, "known", source="RUN_SOURCE_SCHEDULE_TRIGGER")
    metadata = run["action"]["metadata"]
    name = {key: value for key, value in metadata["triggerId"]["name"].items() if value}
    check(name == trigger("known") and metadata["triggerId"]["revision"] == "2", metadata)
    check(metadata["triggerName"] == "known" and metadata["source"] == "RUN_SOURCE_SCHEDULE_TRIGGER", metadata)
    check(metadata["triggerType"]["type"] == "TYPE_SCHEDULE", metadata)
    check(metadata["triggerType"]["schedule"]["cron"]["expression"] == "0 0 1 1 *", metadata)
    check(metadata["task"]["id"]["version"] == "v1", metadata)
    after = server.call(TRIGGERS, "GetTriggerDetails", {"name": trigger("known")})["trigger"]
    check(after["status"]["triggeredAt"] == run["action"]["status"]["startTime"], "noted in the same transaction")
    check(after["id"]["revision"] == before["id"]["revision"], "no new revision")
    listed = server.call(RUNS, "ListRuns", {"triggerName": trigger("known"), "request": {}})["runs"]
    check([name_of(found) for found in listed] == [name_of(run)], "found by its trigger")
    check(listed[0]["action"]["metadata"]["triggerType"] == metadata["triggerType"], "ListRuns tells the same")


def repeated_firing(server):
    """A tick that is repeated is one run, and does not count as another firing."""
    deploy(server, "tick")
    run = fire(server, "tick", runId=run_id("tick-1"), runStartTime=START)

    def triggered_at():
        shown = server.call(TRIGGERS, "GetTriggerDetails", {"name": trigger("tick")})["trigger"]
        return shown["status"]["triggeredAt"]

    at = triggered_at()
    again = fire(server, "tick", runId=run_id("tick-1"), runStartTime=START)
    check(name_of(again) == name_of(run), again)
    check(triggered_at() == at, "triggered_at stays")
    refused("already_exists", fire, server, "tick", runId=run_id("tick-1"), runStartTime="2026-07-02T16:00:00Z")
    server.call(TRIGGERS, "DeleteTriggers", {"names": [trigger("tick")]})
    again = fire(server, "tick", runId=run_id("tick-1"), runStartTime=START)
    check(name_of(again) == "tick-1", "the answer is repeated even when the trigger is gone")


def refusals(server):
    check("nothing" in refused("not_found", fire, server, "nothing"), "the trigger is named")
    deploy(server, "gone")
    server.call(TRIGGERS, "DeleteTriggers", {"names": [trigger("gone")]})
    refused("not_found", fire, server, "gone")
    deploy(server, "inactive")
    fire(server, "inactive")
    deploy(server, "elsewhere")
    message = refused("invalid_argument", server.call, RUNS, "CreateRun", {
        "projectId": {"name": PROJECT, "domain": "staging"}, "triggerName": trigger("elsewhere")})
    check("trigger_name.domain" in message, message)
    try:
        deploy(server, "unversioned", version="v99")
    except CallError as error:
        check("v99" in error.message, error)  # the trigger is refused already
    else:
        check("v99" in refused("not_found", fire, server, "unversioned"), "the version is named")


def cache_keys_of_firings(server):
    """Runs of one trigger at different times differ, as the runtime puts the time into the inputs."""
    deploy_task(server, "cached", discoverable=True)
    deploy_task(server, "ignoring", discoverable=True, cacheIgnoreInputVars=["t"])
    stored = upload(server, inputs({"_u_kickoff_time_input_arg": "t"}, x=5))
    for name, kickoff, version in [("timed", "t", "cached"), ("timeless", None, "cached"),
                                   ("ignored", "t", "ignoring")]:
        deploy(server, name, kickoff=kickoff, version=version, offloadedInputData=stored)
    times = ["2026-07-01T16:00:00Z", "2026-07-01T16:00:00.500Z", "2026-07-01T16:00:00Z"]
    runs = {name: [name_of(fire(server, name, runStartTime=time)) for time in times]
            for name in ("timed", "timeless", "ignored")}
    keys = {name: [server.sql(f"SELECT cache_key FROM action WHERE run_name = '{run}' AND name = 'a0'")[0][0]
                   for run in made] for name, made in runs.items()}
    check(keys["timed"][0] == keys["timed"][2] != keys["timed"][1], f"by time: {keys}")
    check(len(set(keys["timeless"])) == 1 and len(set(keys["ignored"])) == 1, f"not by time: {keys}")
    check(all(key for made in keys.values() for key in made), f"{keys}")


def set_value(value):
    return {"state": "SETTING_STATE_VALUE", **value}


def c17_settings_complete_a_run(server):
    def string(text):
        return set_value({"stringValue": text})

    def strings(**entries):
        return set_value({"mapValue": {"entries": entries}})

    server.call(SETTINGS, "CreateSettings", {"key": {"domain": DOMAIN}, "settings": {
        "run": {"defaultQueue": string("domain-queue"), "runBaseDir": string("s3://mayfly/by-settings"),
                "maxActionConcurrency": set_value({"intValue": "7"})},
        "security": {"serviceAccount": string("robot")},
        "storage": {"rawDataPath": string("s3://mayfly/raw")},
        "taskResource": {"min": {"cpu": set_value({"quantityValue": "250m"})},
                         "max": {"memory": set_value({"quantityValue": "4Gi"})}},
        "labels": strings(team="red", site="north"), "annotations": strings(note="domain"),
        "environmentVariables": strings(FROM_SETTINGS="1", OF_TASK="settings", OF_RUN="settings")}})
    out = FOLDER / "environment"
    task = shell_task(f"env > {out}.new; mv {out}.new {out}")
    task["taskTemplate"]["container"]["env"] = [{"key": "OF_TASK", "value": "task"}]
    made = {"envs": {"values": [{"key": "OF_RUN", "value": "run"}]}, "labels": {"values": {"team": "blue"}}}
    run = server.call(RUNS, "CreateRun", {"projectId": PLACE, "taskSpec": task, "runSpec": made})["run"]
    spec = run_spec(server, run)
    check(spec["queue"] == "domain-queue" and spec["maxActionConcurrency"] == 7, spec)
    check(spec["runBaseDir"] == "s3://mayfly/by-settings", spec)
    check(spec["rawDataStorage"]["rawDataPrefix"] == "s3://mayfly/raw", spec)
    check(spec["securityContext"]["runAs"]["k8sServiceAccount"] == "robot", spec)
    check(run["labels"] == {"team": "blue", "site": "north"}, f"labels key by key: {run['labels']}")
    check(spec["annotations"]["values"] == {"note": "domain"}, spec)
    defaults = spec["defaultSettings"]["taskResourceDefaults"]
    check(defaults == {"requests": [{"name": "CPU", "value": "250m"}],
                       "max": [{"name": "MEMORY", "value": "4Gi"}]}, spec)
    check(inputs_uri(server, run).startswith(f"s3://mayfly/by-settings/{PROJECT}/{DOMAIN}/"), inputs_uri(server, run))
    server.wait_run(name_of(run))
    lines = out.read_text().splitlines()
    for line in ("FROM_SETTINGS=1", "OF_TASK=task", "OF_RUN=run"):
        check(line in lines, f"{line} in {lines}")
    own = {"queue": "mine", "runBaseDir": "s3://mayfly/mine", "maxActionConcurrency": 2,
           "rawDataStorage": {"rawDataPrefix": "s3://mayfly/my-raw"},
           "securityContext": {"runAs": {"k8sServiceAccount": "me"}}}
    run = server.call(RUNS, "CreateRun", {"projectId": PLACE, "taskSpec": task, "runSpec": own})["run"]
    spec = run_spec(server, run)
    check(all(spec[field] == value for field, value in own.items()), f"what the request says stays: {spec}")
    listed = server.list_runs(filters=[{"field": "labels.site", "function": "EQUAL", "values": ["north"]}])
    check(len(listed) == 2, "labels of the settings are found like others")


with Server("--cpus", "64") as server:
    deploy_task(server)
    for scenario in [w7_inline_inputs_of_a_trigger, w7_offloaded_inputs_of_a_trigger, c4_kickoff_alone,
                     triggers_run_spec, what_a_run_knows_of_its_trigger, repeated_firing, refusals,
                     cache_keys_of_firings, c17_settings_complete_a_run]:
        scenario(server)
    eventually(lambda: not server.list_runs(filters=[{"field": "phase", "function": "VALUE_IN",
                                                      "values": ["1", "2", "3", "4"]}]), "every run has ended")
