#!/usr/bin/env python3
"""State: what executors elsewhere report, in whatever order, and what aborts do to it; the older queue and state
services."""
import json
import time

from harness import (ACTIONS, FOLDER, RUNS, Server, action_id, check, eventually, refused, run_id, shell_task)

INTERNAL = "flyteidl2.workflow.InternalRunService"
PROXY = "flyteidl2.workflow.EventsProxyService"
QUEUE = "flyteidl2.workflow.QueueService"
STATE = "flyteidl2.workflow.StateService"
RUN = "remote"
BEGIN = int(time.time()) + 60  # of what is reported here; after everything is recorded


def phase_name(phase):
    return f"ACTION_PHASE_{phase}"


def at(second):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(BEGIN + second))


def record(server, name, parent="a0", run=RUN, **more):
    spec = shell_task(f"touch {FOLDER}/started-{name}", name="remote.task")
    request = {"actionId": action_id(run, name), "parent": parent, "inputUri": "s3://mayfly/in", "task": {"spec": spec}}
    return server.call(INTERNAL, "RecordAction", request | more).get("status", {}).get("code", 0)


def status(server, name, run=RUN, **more):
    """The status of the answer: code and message."""
    answer = server.call(INTERNAL, "UpdateActionStatus", {"actionId": action_id(run, name), **more})["status"]
    return answer.get("code", 0), answer.get("message", "")


def event(name, phase, second=1, attempt=1, version=0, run=RUN, **more):
    return {"id": action_id(run, name), "attempt": attempt, "phase": phase_name(phase), "version": version,
            "updatedTime": at(second), "reportedTime": at(second), **more}


def send(server, *events):
    return server.call(INTERNAL, "RecordActionEvents", {"events": list(events)}).get("status", {})


def details(server, name, run=RUN):
    return server.call(RUNS, "GetActionDetails", {"actionId": action_id(run, name)})["details"]


def phase(server, name, run=RUN):
    return details(server, name, run)["status"]["phase"].removeprefix("ACTION_PHASE_")


def begin(server, name):
    server.create_run(shell_task(f"while [ ! -e {FOLDER}/end-{name} ]; do sleep 0.05; done"), name)
    eventually(lambda: server.phase(name) == "ACTION_PHASE_RUNNING", f"{name} runs")


def w2_a_child_may_come_before_its_parent(server):
    check(record(server, "grandchild", parent="child") == 0, "an orphan is taken")
    request = {"runId": run_id(RUN)}
    with server.stream(RUNS, "WatchActions", request) as messages:
        seen = set()
        def see(name):
            while name not in seen:
                seen.update(entry["action"]["id"]["name"] for entry in next(messages).get("enrichedActions", []))
        see("a0")
        check(record(server, "child") == 0, "its parent comes")
        see("child")
        see("grandchild")
    check(details(server, "grandchild")["metadata"]["parent"] == "child", "it hangs where it should")
    # Events may come before their action, too.
    check(not send(server, event("early", "RUNNING"), event("early", "SUCCEEDED", 5, version=1)).get("code"), "kept")
    refused("not_found", details, server, "early")
    check(record(server, "early") == 0 and phase(server, "early") == "SUCCEEDED", "and followed")
    check(record(server, "x", run="nowhere") == 5, "an unknown run is none")


def w11_order_is_attempt_and_rank(server):
    record(server, "order")
    send(server, event("order", "QUEUED", 1), event("order", "RUNNING", 2))
    send(server, event("order", "INITIALIZING", 3))
    check(phase(server, "order") == "RUNNING", "a late report of an earlier phase")
    send(server, event("order", "FAILED", 10, errorInfo={"message": "one"}))
    first = details(server, "order")["status"]
    check(first["phase"] == phase_name("FAILED") and first["endTime"], first)
    send(server, event("order", "QUEUED", 20, attempt=2))
    again = details(server, "order")["status"]
    check(again["phase"] == phase_name("QUEUED") and again["attempts"] == 2, again)
    check("endTime" not in again and "durationMs" not in again, f"a retry has not ended: {again}")
    send(server, event("order", "RUNNING", 11))
    check(details(server, "order")["status"]["attempts"] == 2, "a late report of the attempt before")
    check(phase(server, "order") == "QUEUED", "it does not begin again")
    send(server, event("order", "SUCCEEDED", 80, attempt=2))
    ended = details(server, "order")["status"]
    check(ended["endTime"].startswith(at(80)[:-1]), ended)
    for late in ("FAILED", "ABORTED", "PAUSED", "RECOVERED", "RUNNING"):
        send(server, event("order", late, 90, attempt=2))
    send(server, event("order", "RUNNING", 91, attempt=3))
    check(details(server, "order")["status"] == ended, "SUCCEEDED is final")
    attempts = details(server, "order")["attempts"]
    check([attempt["attempt"] for attempt in attempts][:2] == [1, 2], "dense")
    message = refused("failed_precondition", server.call, RUNS, "AbortAction", {"actionId": action_id(RUN, "order")})
    check("already ended" in message and "SUCCEEDED" in message, message)
    check(details(server, "order")["status"] == ended, "an abort of what has ended changes nothing")
    done = server.create_run(shell_task("true"))
    before = server.wait_run(done)
    refused("failed_precondition", server.call, RUNS, "AbortRun", {"runId": run_id(done), "reason": "late"})
    check(server.run_action(done) == before, "nor of a run")
    server.call(ACTIONS, "Abort", {"actionId": action_id(done)})  # a parent need not know
    check(server.run_action(done) == before, "nor by its parent")


def w12_an_abort_is_never_given_up(server):
    """Aborted before it could start, it never starts; aborted while its executor is away, that shows until then."""
    for index in range(8):
        name = f"race-{index}"
        server.create_run(shell_task(f"touch {FOLDER}/raced-{index}; sleep 30"), name)
        server.call(RUNS, "AbortRun", {"runId": run_id(name), "reason": "at once"})
        check(server.phase(name) == phase_name("ABORTED"), "aborted")
    record(server, "away")
    send(server, event("away", "RUNNING"))
    server.call(RUNS, "AbortAction", {"actionId": action_id(RUN, "away"), "reason": "stop it"})
    server.kill()
    server.start()
    reason = details(server, "away")["abortInfo"]["reason"]
    check(reason.startswith("stop it") and "attempt 1" in reason and "not yet confirmed" in reason, reason)
    server.kill()
    # As the executor notes it when a process hangs in the system, which a test cannot bring about.
    server.sql("UPDATE abort_work SET tries = 3, last_error = 'process 7 has not ended'")
    server.start()
    reason = details(server, "away")["abortInfo"]["reason"]
    check("after 3 tries" in reason and "process 7 has not ended" in reason, reason)
    code, message = status(server, "away", status={"phase": phase_name("RUNNING"), "attempts": 1})
    check(code == 10 and "stop it" in message, f"its executor learns of it: {code} {message}")
    send(server, event("away", "RUNNING", 7, version=3))
    check(phase(server, "away") == "ABORTED", "ABORTED is final")
    check(status(server, "away", status={"phase": phase_name("ABORTED"), "attempts": 1})[0] == 0, "confirmed")
    check(details(server, "away")["abortInfo"]["reason"] == "stop it", details(server, "away")["abortInfo"])
    check(details(server, "away")["attempts"][0]["phase"] == phase_name("ABORTED"), "in its history, too")
    done = server.create_run(shell_task("true"))
    server.wait_run(done)
    for index in range(8):
        root = server.run_action(f"race-{index}")
        check(root["status"]["phase"] == phase_name("ABORTED"), "still aborted after the restart")
        begun = {entry["phase"] for entry in root["attempts"][0]["phaseTransitions"]}
        check(phase_name("INITIALIZING") in begun or not (FOLDER / f"raced-{index}").exists(), f"{index} was started")


def w13_cluster_events_are_kept_whole(server):
    record(server, "cluster")
    many = [{"occurredAt": at(i % 60), "message": f"event {i}"} for i in range(1200)]
    send(server, event("cluster", "RUNNING", clusterEvents=many))
    attempt = details(server, "cluster")["attempts"][0]
    sent = [entry["message"] for entry in many]
    check([entry["message"] for entry in attempt["clusterEvents"]] == sent, "all, in order")
    with server.stream(RUNS, "WatchClusterEvents", {"id": action_id(RUN, "cluster"), "attempt": 1}) as messages:
        got = []
        while len(got) < 1200:
            got += [entry["message"] for entry in next(messages).get("clusterEvents", [])]
    check(got == sent, "the watch shows each once")


def w14_any_number_of_events(server):
    record(server, "many")
    for start in range(0, 1200, 400):
        send(server, *[event("many", "RUNNING", 1 + i // 60, version=i) for i in range(start, start + 400)])
    send(server, event("many", "FAILED", 30, errorInfo={"message": "one"}), event("many", "RUNNING", 31, attempt=2))
    with server.stream(RUNS, "WatchActionDetails", {"actionId": action_id(RUN, "many")}) as messages:
        check(len(next(messages)["details"]["attempts"]) == 2, "the second attempt is seen")
        send(server, event("many", "SUCCEEDED", 40, attempt=2))
        last = [message for message in messages][-1]["details"]
    check([attempt["phase"] for attempt in last["attempts"]] == [phase_name("FAILED"), phase_name("SUCCEEDED")], last)


def w18_status_of_the_unknown_is_an_error_and_absence_changes_nothing(server):
    code, message = status(server, "nobody", status={"phase": phase_name("RUNNING"), "attempts": 1})
    check(code == 5 and "nobody" in message, (code, message))
    record(server, "fields")
    send(server, event("fields", "FAILED", 5, attempt=2, cacheStatus="CACHE_MISS", errorInfo={"message": "no"}))
    before = details(server, "fields")["status"]
    check("status" in refused("invalid_argument", status, server, "fields"), "it is named")
    check(details(server, "fields")["status"] == before, "a missing status is no reset")
    record(server, "promoted")
    send(server, event("promoted", "QUEUED", 5, attempt=3, cacheStatus="CACHE_MISS"))
    check(status(server, "promoted", status={"phase": phase_name("RUNNING")})[0] == 0, "the promotion of a parent")
    found = details(server, "promoted")["status"]
    check((found["phase"], found["attempts"], found["cacheStatus"]) == (phase_name("RUNNING"), 3, "CACHE_MISS"), found)


def w19_log_context_of_an_older_event(server):
    record(server, "logs")
    context = {"primaryPodName": "pod", "pods": [{"namespace": "n", "podName": "pod", "primaryContainerName": "c",
                                                  "containers": [{"containerName": "c"}]}]}
    send(server, event("logs", "RUNNING", 3, logContext=context, cluster="far"), event("logs", "RUNNING", 4, version=1),
         event("logs", "SUCCEEDED", 9, version=2))
    got = server.call(RUNS, "GetActionLogContext", {"actionId": action_id(RUN, "logs"), "attempt": 1})
    check(got["logContext"]["primaryPodName"] == "pod" and got["cluster"] == "far", got)
    check(got["startTime"] and got["endTime"] == at(9), got)


def w21_every_end_has_its_error(server):
    record(server, "timed")
    check(status(server, "timed", status={"phase": phase_name("TIMED_OUT"), "attempts": 1})[0] == 0, "timed out")
    found = details(server, "timed")
    check(found["errorInfo"]["message"] and found["errorInfo"]["code"] == "TimedOut", found)
    record(server, "silent")
    send(server, event("silent", "RUNNING", 2))
    send(server, event("silent", "RUNNING", 9, attempt=2))
    attempts = details(server, "silent")["attempts"]
    check(attempts[0]["phase"] == phase_name("FAILED"), attempts)
    check("without a report" in attempts[0]["errorInfo"]["message"], attempts)
    send(server, event("silent", "FAILED", 7, version=1, errorInfo={"message": "the true one"}))
    attempts = details(server, "silent")["attempts"]
    check(attempts[0]["errorInfo"]["message"] == "the true one", attempts)


def a_batch_keeps_what_can_be_kept(server):
    record(server, "batch")
    good, bad = event("batch", "RUNNING"), event("x", "RUNNING", run="nowhere")
    answer = send(server, bad, good, event("batch", "RUNNING", attempt=200000))
    check(answer.get("code", 0) == 0 and "2 of 3" in answer["message"] and "events[0]" in answer["message"], answer)
    check(phase(server, "batch") == "RUNNING", "the good one is kept")
    answer = send(server, bad)
    check(answer["code"] == 5 and "nowhere" in answer["message"], answer)
    server.call(PROXY, "Record", {"events": [bad, event("batch", "SUCCEEDED", 3, version=1)]})
    check(phase(server, "batch") == "SUCCEEDED", "through the proxy, too")
    message = refused("not_found", server.call, PROXY, "Record", {"events": [bad]})
    check("nowhere" in message, message)
    message = refused("invalid_argument", send, server, event("batch", "RUNNING") | {"id": {"name": "batch"}})
    check("events[0].id.run" in message, message)  # what is no event at all is refused as the protocol wants it
    for service, method in ((PROXY, "Record"), (INTERNAL, "RecordActionEvents")):
        refused("invalid_argument", server.call, service, method, {})


def states_of_executors(server):
    record(server, "state")
    def put(text, name="state"):
        return server.call(STATE, "Put", {"actionId": action_id(RUN, name), "state": text})["status"].get("code", 0)
    def get(name="state"):
        return server.call(STATE, "Get", {"actionId": action_id(RUN, name)})
    check(json.loads(get()["state"]) == {"phase": 1, "attempts": 1}, get())
    check(put('{"phase": 2, "mine": [1]}') == 0 and get()["state"] == '{"phase": 2, "mine": [1]}', "as it was put")
    check(phase(server, "state") == "RUNNING", "and followed")
    check(put("{}", "nobody") == 5 and get("nobody")["status"]["code"] == 5, "unknown")
    for bad in ("", "[]", "nonsense"):
        refused("invalid_argument", put, bad)
    with server.stream(STATE, "Watch", {"parentActionId": action_id(RUN)}) as messages:
        seen = {}
        for message in messages:
            if message.get("controlMessage", {}).get("sentinel"):
                break
            seen[message["actionUpdate"]["actionId"]["name"]] = message["actionUpdate"]["phase"]
        check(seen["state"] == phase_name("RUNNING"), seen)
        check(put('{"phase": "ACTION_PHASE_SUCCEEDED"}') == 0, "the end")
        for message in messages:
            if message.get("actionUpdate", {}).get("actionId", {}).get("name") == "state":
                check(message["actionUpdate"]["phase"] == phase_name("SUCCEEDED"), message)
                break
    check(put('{"phase": 2}') == 0 and phase(server, "state") == "SUCCEEDED", "a late state moves nothing")


def the_older_queue(server):
    begin(server, "queued")
    task = shell_task("while :; do sleep 0.1; done")
    request = {"actionId": action_id("queued", "kid"), "parentActionName": "a0", "inputUri": "s3://mayfly/in",
               "runOutputBase": "s3://mayfly/out/", "task": {"id": task["taskTemplate"]["id"], "spec": task}}
    server.call(QUEUE, "EnqueueAction", request)
    refused("already_exists", server.call, QUEUE, "EnqueueAction", request)
    eventually(lambda: phase(server, "kid", "queued") == "RUNNING", "it is run here")
    server.call(QUEUE, "AbortQueuedAction", {"actionId": action_id("queued", "kid"), "reason": "no more"})
    check(details(server, "kid", "queued")["abortInfo"]["reason"] == "no more", details(server, "kid", "queued"))
    server.call(QUEUE, "AbortQueuedRun", {"runId": run_id("queued")})
    check(server.phase("queued") == phase_name("ABORTED"), "the run")
    refused("not_found", server.call, QUEUE, "AbortQueuedRun", {"runId": run_id("nowhere")})
    refused("not_found", server.call, QUEUE, "AbortQueuedAction", {"actionId": action_id(RUN, "nobody")})


def what_others_carry_out_is_not_started_here(server):
    server.call(RUNS, "AbortRun", {"runId": run_id(RUN)})
    for name in ("grandchild", "child", "promoted"):
        check(phase(server, name) == "ABORTED", f"{name} is aborted with its run")
    check(record(server, "too-late") == 10, "an aborted run takes no actions")
    done = server.create_run(shell_task("true"))
    server.wait_run(done)
    check(not list(FOLDER.glob("started-*")), list(FOLDER.glob("started-*")))


def main():
    with Server("--abort-grace", "1s", "--cpus", "16") as server:
        begin(server, RUN)
        for scenario in (w2_a_child_may_come_before_its_parent, w11_order_is_attempt_and_rank,
                         w12_an_abort_is_never_given_up, w13_cluster_events_are_kept_whole, w14_any_number_of_events,
                         w18_status_of_the_unknown_is_an_error_and_absence_changes_nothing,
                         w19_log_context_of_an_older_event, w21_every_end_has_its_error, a_batch_keeps_what_can_be_kept,
                         states_of_executors, the_older_queue, what_others_carry_out_is_not_started_here):
            scenario(server)


if __name__ == "__main__":
    main()
