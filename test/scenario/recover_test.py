#!/usr/bin/env python3
"""Recovery: a run takes over what has succeeded in another one, and runs the rest."""
from harness import (ACTIONS, FOLDER, RUNS, Server, action_id, check, eventually, refused, run_id, shell_task)

DATA = "flyteidl2.dataproxy.DataProxyService"
RECOVER = "RELATION_TYPE_RECOVER"


def root(name):
    """A parent that lives until it is told to fail."""
    return shell_task(f"while [ ! -e {FOLDER}/end-{name} ]; do sleep 0.05; done; exit 1")


def begin(server, name, source=None, force=()):
    spec = {}
    if source:
        spec = {"relation": {"relatedTo": run_id(source), "relationType": RECOVER}}
        if force:
            spec["recover"] = {"forceRerunActions": list(force)}
    server.create_run(root(name), name, runSpec=spec)


def end(server, name):
    (FOLDER / f"end-{name}").touch()
    return server.wait_run(name)


def enqueue(server, run, name, script="true", parent="a0", **kind):
    task = shell_task(script)
    server.call(ACTIONS, "Enqueue", {"action": {
        "actionId": action_id(run, name), "parentActionName": parent, "runOutputBase": "s3://mayfly/out/",
        "inputUri": "s3://mayfly/in/inputs.pb",
        **(kind or {"task": {"id": task["taskTemplate"]["id"], "spec": task}})}})


def trace(server, run, name, phase="ACTION_PHASE_SUCCEEDED", parent="a0"):
    enqueue(server, run, name, parent=parent, trace={
        "name": "tracer", "phase": phase, "startTime": "2026-01-02T03:04:05Z", "endTime": "2026-01-02T03:04:06Z",
        "outputs": {"outputUri": f"s3://mayfly/out/{name}/outputs.pb"}, "spec": {"interface": {}}})


def condition(server, run, name):
    enqueue(server, run, name, condition={"name": "approve", "type": {"simple": "BOOLEAN"}, "prompt": "go on?"})


def action(server, run, name):
    return server.call(RUNS, "GetActionDetails", {"actionId": action_id(run, name)})["details"]


def phase(server, run, name):
    return action(server, run, name)["status"]["phase"].removeprefix("ACTION_PHASE_")


def wait(server, run, name, wanted):
    eventually(lambda: phase(server, run, name) == wanted, f"{run}/{name} is {wanted}")


def children(server, run, parent="a0"):
    """What the parent sees when it begins, by name."""
    seen = {}
    with server.stream(ACTIONS, "WatchForUpdates", {"parentActionId": action_id(run, parent)}) as messages:
        for message in messages:
            if "controlMessage" in message:
                return seen
            seen[message["actionUpdate"]["actionId"]["name"]] = message["actionUpdate"]


def ran(name):
    path = FOLDER / f"ran-{name}"
    return len(path.read_text()) if path.exists() else 0


def mark(name, code=0):
    return f"printf x >> {FOLDER}/ran-{name}; exit {code}"


def the_first_run(server):
    begin(server, "first")
    enqueue(server, "first", "good", mark("good"))
    enqueue(server, "first", "bad", mark("bad", 1))
    enqueue(server, "first", "again", mark("again"))
    trace(server, "first", "t-good")
    trace(server, "first", "t-bad", "ACTION_PHASE_FAILED")
    trace(server, "first", "t-again")
    condition(server, "first", "ask")
    server.call(RUNS, "SignalEvent", {"actionId": action_id("first", "ask"), "payload": {"boolValue": True}})
    enqueue(server, "first", "mother", f"while [ ! -e {FOLDER}/end-mother ]; do sleep 0.05; done; exit 1")
    enqueue(server, "first", "daughter", mark("daughter"), parent="mother")
    trace(server, "first", "t-mother", parent="mother")
    for name, wanted in [("good", "SUCCEEDED"), ("bad", "FAILED"), ("again", "SUCCEEDED"), ("ask", "SUCCEEDED"),
                         ("daughter", "SUCCEEDED")]:
        wait(server, "first", name, wanted)
    (FOLDER / "end-mother").touch()
    wait(server, "first", "mother", "FAILED")
    check(end(server, "first")["status"]["phase"] == "ACTION_PHASE_FAILED", "the first run fails")


def w30_recovery(server):
    begin(server, "second", "first", force=["again", "t-again", "unknown"])
    seen = children(server, "second")
    check(set(seen) == {"t-good"}, f"traces that succeeded are there from the beginning, others are not: {set(seen)}")
    check(seen["t-good"]["phase"] == "ACTION_PHASE_RECOVERED", seen)
    check(seen["t-good"]["outputUri"] == "s3://mayfly/out/t-good/outputs.pb", seen)
    details = action(server, "second", "t-good")
    check(details["metadata"]["recoveredFrom"] == action_id("first", "t-good"), details["metadata"])
    check(details["attempts"][0]["phase"] == "ACTION_PHASE_RECOVERED", details)

    enqueue(server, "second", "good", mark("good"))
    details = action(server, "second", "good")
    check(details["status"]["phase"] == "ACTION_PHASE_RECOVERED" and "endTime" in details["status"], details["status"])
    check(details["metadata"]["recoveredFrom"] == action_id("first", "good"), details["metadata"])
    first = server.call(RUNS, "GetActionDataURIs", {"actionId": action_id("first", "good")})
    second = server.call(RUNS, "GetActionDataURIs", {"actionId": action_id("second", "good")})
    check(second["outputsUri"] == first["outputsUri"], f"the outputs are those of the source: {first} {second}")
    check(children(server, "second")["good"]["outputUri"] + "/outputs.pb" == first["outputsUri"], "for the parent, too")

    enqueue(server, "second", "bad", mark("bad"))
    enqueue(server, "second", "again", mark("again"))
    enqueue(server, "second", "new", mark("new"))
    for name in ("bad", "again", "new"):
        wait(server, "second", name, "SUCCEEDED")
        check("recoveredFrom" not in action(server, "second", name)["metadata"], name)
    trace(server, "second", "t-again")
    check(phase(server, "second", "t-again") == "SUCCEEDED", "a trace that was forced is recorded as usual")

    condition(server, "second", "ask")
    details = action(server, "second", "ask")
    check(details["status"]["phase"] == "ACTION_PHASE_RECOVERED", details)
    check(details["signalInfo"]["output"]["scalar"]["primitive"] == {"boolean": True}, details)
    update = children(server, "second")["ask"]
    check(update["value"]["scalar"]["primitive"] == {"boolean": True}, update)

    enqueue(server, "second", "mother", f"while [ ! -e {FOLDER}/end-mother2 ]; do sleep 0.05; done; exit 1")
    check(set(children(server, "second", "mother")) == {"t-mother"}, "traces of a child that is run again")
    enqueue(server, "second", "daughter", mark("daughter"), parent="mother")
    check(phase(server, "second", "daughter") == "RECOVERED", "a child of a failed child")
    (FOLDER / "end-mother2").touch()
    end(server, "second")
    often = [ran(name) for name in ("good", "bad", "again", "new", "daughter")]
    check(often == [1, 2, 2, 1, 1], f"what has run how often: {often}")


def recovery_of_a_recovery(server):
    """What the recovered run has not come to itself is taken from the one before; the source named is the first."""
    begin(server, "third", "second")
    for name in ("good", "bad"):
        enqueue(server, "third", name, mark(name))
    for name, source in (("good", "first"), ("bad", "second")):
        found = action(server, "third", name)["metadata"]["recoveredFrom"]
        check(found == action_id(source, name), f"the run in which {name} ran: {found}")
    check(children(server, "third")["t-good"]["phase"] == "ACTION_PHASE_RECOVERED", "traces through two runs")
    end(server, "third")
    begin(server, "fourth", "third")
    enqueue(server, "fourth", "daughter", mark("daughter"))
    check(action(server, "fourth", "daughter")["metadata"]["recoveredFrom"] == action_id("first", "daughter"),
          "through a run that did not come so far")
    end(server, "fourth")


def forced_root(server):
    """A root that is forced to run computes its traces again; its condition asks again when that is forced."""
    begin(server, "forced", "first", force=["a0", "ask"])
    check(children(server, "forced") == {}, "no traces")
    condition(server, "forced", "ask")
    check(phase(server, "forced", "ask") == "PAUSED", "the condition asks again")
    enqueue(server, "forced", "good", mark("good"))
    check(phase(server, "forced", "good") == "RECOVERED", "others are recovered")
    end(server, "forced")


def a_rerun_recovers_nothing(server):
    server.create_run(root("rerun"), "rerun", runSpec={
        "relation": {"relatedTo": run_id("first"), "relationType": "RELATION_TYPE_RERUN"}})
    check(children(server, "rerun") == {}, "no traces")
    enqueue(server, "rerun", "good", mark("good"))
    wait(server, "rerun", "good", "SUCCEEDED")
    end(server, "rerun")


def after_a_restart(server):
    begin(server, "late", "first")
    server.kill()
    server.start()
    enqueue(server, "late", "good", mark("late"))
    check(phase(server, "late", "good") == "RECOVERED" and ran("late") == 0, "recovered after a restart")
    refused("already_exists", enqueue, server, "late", "good", mark("late"))
    end(server, "late")


with Server("--cpus", "64") as server:
    for scenario in [the_first_run, w30_recovery, recovery_of_a_recovery, forced_root, a_rerun_recovers_nothing,
                     after_a_restart]:
        scenario(server)
