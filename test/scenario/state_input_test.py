#!/usr/bin/env python3
"""Bad input for the services of state: each field missing, empty, of a wrong kind; the store stays as it is."""
from badinput import BAD, FINE, Table, store_digest
from harness import (ACTIONS, DOMAIN, FOLDER, PROJECT, RUNS, CallError, Server, action_id, check, eventually, run_id,
                     shell_task)

INTERNAL = "flyteidl2.workflow.InternalRunService"
PROXY = "flyteidl2.workflow.EventsProxyService"
QUEUE = "flyteidl2.workflow.QueueService"
STATE = "flyteidl2.workflow.StateService"
TRACKED = "flyteidl2.workflow.TrackedRunService"
NONE = {"missing": FINE}
TEXT = {"missing": BAD, "empty": BAD}


def run_rows(prefix):
    return {prefix: {"missing": BAD, "empty": (BAD, "")}, f"{prefix}.project": TEXT, f"{prefix}.domain": TEXT,
            f"{prefix}.name": TEXT}


def action_rows(prefix):
    return {prefix: {"missing": BAD, "empty": (BAD, "")}, f"{prefix}.name": TEXT, **run_rows(f"{prefix}.run")}


def foreign(table, prefix, in_action=True):
    """Another project, a run and an action that do not exist."""
    run = f"{prefix}.run" if in_action else prefix
    table.refuse({f"{run}.project": "nobody"}, "not_found", "nobody")
    table.refuse({f"{run}.name": "nowhere"}, "not_found", "nowhere")
    if in_action:
        table.refuse({f"{prefix}.name": "nothing"}, "not_found", "nothing")


def aborts(server):
    table = Table(server, RUNS, "AbortRun", {"runId": run_id("root"), "reason": "x"})
    table.check({**run_rows("runId"), "reason": NONE})
    foreign(table, "runId", in_action=False)
    for service, method, more in ((RUNS, "AbortAction", {}), (QUEUE, "AbortQueuedAction", {}),
                                  (ACTIONS, "Abort", {"abortedBy": {"user": {"id": {"subject": "me"}}}})):
        table = Table(server, service, method, {"actionId": action_id("root", "open"), "reason": "x", **more})
        table.check({**action_rows("actionId"), "reason": NONE}, skip={"abortedBy": "as it comes"})
        foreign(table, "actionId")
    table = Table(server, QUEUE, "AbortQueuedRun", {"runId": run_id("root"), "reason": "x"})
    table.check({**run_rows("runId"), "reason": NONE})
    foreign(table, "runId", in_action=False)


def signals(server):
    good = {"actionId": action_id("root", "ask"), "payload": {"boolValue": True}}
    table = Table(server, RUNS, "SignalEvent", good)
    table.check({**action_rows("actionId"), "payload": {"missing": BAD, "empty": (BAD, "payload")}},
                skip={"payload.boolValue": "the kind of the payload"})
    foreign(table, "actionId")
    table.refuse({"payload": {"stringValue": "yes"}}, "invalid_argument", "bool")
    table.refuse({"actionId.name": "a0"}, "failed_precondition", "condition")
    value = {"scalar": {"primitive": {"boolean": True}}}
    table = Table(server, ACTIONS, "Signal", {
        "actionId": action_id("root", "ask"), "parentActionName": "a0", "value": value})
    table.check({**action_rows("actionId"), "parentActionName": TEXT,
                 "value": {"missing": BAD, "empty": (BAD, "value")}},
                skip={"value.scalar": "kinds of values"})
    foreign(table, "actionId")
    table.refuse({"value": {"scalar": {"noneType": {}}}}, "invalid_argument", "value")
    table.refuse({"value": {"collection": {}}}, "invalid_argument", "value")


def enqueues(server):
    task = shell_task("true")
    parts = {"actionId": action_id("root", "new"), "parentActionName": "a0", "runOutputBase": "s3://mayfly/out/",
             "inputUri": "s3://mayfly/in", "task": {"spec": task}}
    skip = {"task.spec": "create_test", "action.task.spec": "create_test"}
    table = Table(server, QUEUE, "EnqueueAction", parts)
    table.check({**action_rows("actionId"), "parentActionName": TEXT | {"missing": (BAD, "parent_action_name")},
                 "runOutputBase": TEXT, "inputUri": TEXT, "task": {"missing": (BAD, "spec"), "empty": (BAD, "spec")}},
                skip=skip)
    table.refuse({"actionId.run.name": "nowhere"}, "not_found", "nowhere")
    table = Table(server, ACTIONS, "Enqueue", {"action": parts})
    table.check({"action": {"missing": BAD, "empty": (BAD, "")}, **action_rows("action.actionId"),
                 "action.parentActionName": TEXT, "action.runOutputBase": TEXT, "action.inputUri": TEXT,
                 "action.task": {"missing": (BAD, "spec"), "empty": (BAD, "spec")}}, skip=skip)
    table.refuse({"action.actionId.run.project": "nobody"}, "not_found", "nobody")
    table.refuse({"action.actionId.run.name": "nowhere"}, "not_found", "nowhere")
    table.refuse({"action.parentActionName": "nothing"}, "not_found", "nothing")
    table.refuse({"action.actionId.name": "ask"}, "already_exists", "ask")
    condition = {key: value for key, value in parts.items() if key != "task"} | {
        "condition": {"name": "c", "type": {"simple": "BOOLEAN"}, "prompt": "p", "description": "d"}}
    table = Table(server, ACTIONS, "Enqueue", {"action": condition})
    table.refuse({"action.condition.type": None}, "invalid_argument", "type")
    table.refuse({"action.condition.name": ""}, "invalid_argument", "name")
    table.refuse({"action.condition.type": {"simple": "DATETIME"}}, "invalid_argument", "type")
    table.refuse({"action.condition.prompt": "x" * 4097}, "invalid_argument", "prompt")
    table.refuse({"action.condition.description": "x" * 2049}, "invalid_argument", "description")
    table.refuse({"action.condition.webhook": {"url": "mailto:x"}}, "invalid_argument", "url")
    table.refuse({"action.condition.webhook": {"url": "http://" + "x" * 2048}}, "invalid_argument", "url")


def states(server):
    table = Table(server, STATE, "Put", {"actionId": action_id("root", "ask"), "state": "{}"})
    table.check({**action_rows("actionId"), "state": TEXT})
    table.refuse({"state": "x" * 3}, "invalid_argument", "state")
    table.refuse({"state": '{"a": "' + "x" * (1 << 20) + '"}'}, "invalid_argument", "state")
    Table(server, STATE, "Get", {"actionId": action_id("root", "ask")}).check(action_rows("actionId"))
    update = {"actionId": action_id("root", "ask"), "attempt": 1,
              "status": {"phase": "ACTION_PHASE_RUNNING", "attempts": 1}}
    table = Table(server, ACTIONS, "Update", update)
    table.check({**action_rows("actionId"), "attempt": {"missing": FINE}, "status": {"missing": BAD},
                 "status.phase": {"missing": FINE, "enum": BAD}, "status.attempts": {"missing": FINE}})
    foreign(table, "actionId")


def told(server, service, method, message, code, word):
    """A refusal in the status of the answer, or of the first of the statuses."""
    before = store_digest(server)
    try:
        answer = server.call(service, method, message)
    except CallError as error:
        raise AssertionError(f"{method}: {error}, expected a status of {code}") from error
    status = answer["statuses"][0] if "statuses" in answer else answer["status"]
    check(status.get("code") == code and word in status.get("message", ""), (method, message, status))
    check(store_digest(server) == before, f"{method}: a refusal has changed the store")


def reports(server):
    record = {"actionId": action_id("root", "far"), "parent": "a0", "inputUri": "s3://mayfly/in",
              "task": {"spec": shell_task("true")}}
    table = Table(server, INTERNAL, "RecordAction", record)
    table.check({**action_rows("actionId"), "parent": NONE, "inputUri": NONE, "task": NONE},
                skip={"task.spec": "create_test"})
    without_task = {key: value for key, value in record.items() if key != "task"}
    told(server, INTERNAL, "RecordAction", without_task, 3, "spec")
    told(server, INTERNAL, "RecordAction", record | {"actionId": action_id("nowhere", "far")}, 5, "nowhere")
    told(server, INTERNAL, "RecordAction", {**record, "parent": ""}, 3, "parent")
    status = {"actionId": action_id("root", "open"), "status": {"phase": "ACTION_PHASE_RUNNING", "attempts": 1}}
    table = Table(server, INTERNAL, "UpdateActionStatus", status)
    table.check({**action_rows("actionId"), "status": {"missing": BAD}, "status.phase": NONE, "status.attempts": NONE})
    told(server, INTERNAL, "UpdateActionStatus", status | {"status": {"phase": 99, "attempts": 1}}, 3, "phase")
    told(server, INTERNAL, "UpdateActionStatus", status | {"actionId": action_id("nowhere", "far")}, 5, "nowhere")
    told(server, INTERNAL, "UpdateActionStatus", status | {"actionId": action_id("root", "nothing")}, 5, "nothing")
    told(server, INTERNAL, "UpdateActionStatus", status | {"status": {"attempts": 200000}}, 3, "attempt")
    event = {"id": action_id("root", "open"), "attempt": 1, "phase": "ACTION_PHASE_RUNNING", "version": 1}
    rows = {"events": {"missing": BAD, "empty": BAD}, **action_rows("events[0].id"),
            "events[0].attempt": {"missing": FINE}, "events[0].phase": NONE, "events[0].version": {"missing": FINE}}
    for service, method in ((INTERNAL, "RecordActionEvents"), (PROXY, "Record")):
        Table(server, service, method, {"events": [event]}).check(rows)
    for change, word in (({"attempt": 200000}, "attempt"), ({"phase": 99}, "phase"),
                         ({"version": 4294967295}, "version")):
        told(server, INTERNAL, "RecordActionEvents", {"events": [event | change]}, 3, word)
    told(server, INTERNAL, "RecordActionEvents", {"events": [event | {"id": action_id("nowhere", "x")}]}, 5, "nowhere")


def tracked_runs(server):
    create = {"runId": run_id("local-new"), "taskSpec": shell_task("true"), "labels": {"a": "b"}}
    table = Table(server, TRACKED, "CreateRun", create)
    table.check({**run_rows("runId"), "runId": {"missing": (BAD, "id"), "empty": (BAD, "")},
                 "taskSpec": {"missing": (BAD, "task")}, "labels": NONE, "labels.a": NONE},
                skip={"taskSpec.taskTemplate": "create_test"})
    table.refuse({"runId.project": "nobody"}, "not_found", "nobody")
    table.refuse({"runId.domain": "nobody"}, "invalid_argument", "domain")
    table.refuse({"runId.name": "No_Name"}, "invalid_argument", "name")
    table.refuse({"labels": {"": "x"}}, "invalid_argument", "label")
    update = {"event": {"id": action_id("local-run"), "attempt": 1, "phase": "ACTION_PHASE_RUNNING", "version": 7}}
    report = {"runId": run_id("local-run"), "updates": [update]}
    table = Table(server, TRACKED, "ReportActions", report)
    table.check({**run_rows("runId"), "updates": {"missing": BAD, "empty": BAD}, "updates[0].event": {"missing": BAD},
                 **action_rows("updates[0].event.id"), "updates[0].event.attempt": {"missing": FINE},
                 "updates[0].event.phase": NONE, "updates[0].event.version": NONE})
    for change, code, word in (({"id": action_id("local-other")}, 3, "run_id"), ({"attempt": 0}, 3, "attempt"),
                               ({"attempt": 200000}, 3, "attempt"), ({"phase": 0}, 3, "phase"),
                               ({"phase": 99}, 3, "phase"),
                               ({"version": 4294967295}, 3, "version")):
        told(server, TRACKED, "ReportActions", report | {"updates": [{"event": update["event"] | change}]}, code, word)
    for method in ("GetRunDetails", "ListActions", "AbortRun"):
        table = Table(server, TRACKED, method, {"runId": run_id("local-run")})
        table.check(run_rows("runId"))
        foreign(table, "runId", in_action=False)
        table.refuse({"runId.name": "root"}, "failed_precondition", "tracked")
    table = Table(server, TRACKED, "GetActionDetails", {"actionId": action_id("local-run")})
    table.check(action_rows("actionId"))
    foreign(table, "actionId")
    table.refuse({"actionId.run.name": "root"}, "failed_precondition", "tracked")


def main():
    check((PROJECT, DOMAIN) == ("flytesnacks", "development"), "the names of the harness")
    with Server("--abort-grace", "1s") as server:
        server.create_run(shell_task(f"while [ ! -e {FOLDER}/end ]; do sleep 0.05; done"), "root")
        eventually(lambda: server.phase("root") == "ACTION_PHASE_RUNNING", "it runs")
        for name, kind in (("open", {"task": {"spec": shell_task("true")}}),):
            server.call(INTERNAL, "RecordAction", {"actionId": action_id("root", name), "parent": "a0",
                                                   "inputUri": "s3://mayfly/in", **kind})
        server.call(ACTIONS, "Enqueue", {"action": {
            "actionId": action_id("root", "ask"), "parentActionName": "a0", "runOutputBase": "s3://mayfly/out/",
            "inputUri": "s3://mayfly/in", "condition": {"name": "ask", "type": {"simple": "BOOLEAN"}}}})
        server.call(TRACKED, "CreateRun", {"runId": run_id("local-run"), "taskSpec": shell_task("true")})
        for table in (aborts, signals, enqueues, states, reports, tracked_runs):
            table(server)
        server.call(RUNS, "AbortRun", {"runId": run_id("root")})


if __name__ == "__main__":
    main()
