"""The streams of RunService: a snapshot, then every change, for clients that are slow, late, many, or gone."""
import contextlib
import json
import os
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product

from badinput import BAD, Table
from harness import (ACTIONS, CallError, DOMAIN, FINAL, FOLDER, PROJECT, RUNS, Server, action_id, check, eventually,
                     raw_connection, run_id, shell_task)

INTERNAL = "flyteidl2.workflow.InternalRunService"
TRACKED = "flyteidl2.workflow.TrackedRunService"
BATCH = 50
LATER = int(time.time()) + 60  # of what is reported here; after everything is recorded


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Gate:
    """What the tasks of a test wait for."""

    def __init__(self):
        self.number = 0
        self.close()

    def close(self):
        self.number += 1
        self.path = FOLDER / f"gate{self.number}"
        self.path.touch()

    def open(self):
        self.path.unlink(missing_ok=True)

    def wait(self):
        """A script that waits for the gate of now."""
        return f"while [ -e {self.path} ]; do sleep 0.05; done"


GATE = Gate()


class Reader:
    """Takes in a stream in a thread of its own; seen(test) waits until the test is true of the messages so far."""

    def __init__(self, server, method, message, timeout=60):
        self.messages, self.ended, self.error = [], False, None
        self.changed = threading.Condition()
        self.stack = contextlib.ExitStack()
        self.thread = threading.Thread(target=self._read, args=(server, method, message, timeout), daemon=True)
        self.thread.start()

    def _read(self, server, method, message, timeout):
        error = None
        try:
            with server.stream(RUNS, method, message, timeout) as messages:
                for item in messages:
                    with self.changed:
                        self.messages.append(item)
                        self.changed.notify_all()
        except Exception as problem:  # reported by whoever waits
            error = problem
        with self.changed:
            self.ended, self.error = True, error
            self.changed.notify_all()

    def seen(self, test, what, seconds=30):
        deadline = time.monotonic() + seconds
        with self.changed:
            while not test(self.messages):
                check(not self.ended, f"the stream has ended before {what}: {self.error}")
                left = deadline - time.monotonic()
                check(left > 0, f"after {seconds} s still not: {what}; {len(self.messages)} messages")
                self.changed.wait(left)
            return list(self.messages)

    def end(self, seconds=30):
        self.thread.join(seconds)
        check(self.ended and self.error is None, f"no clean end: {self.error}")
        return self.messages


def waiting_task(name="shell", cpu="10m"):
    task = shell_task(GATE.wait(), name=name)
    task["taskTemplate"]["container"]["resources"] = {"requests": [{"name": "CPU", "value": cpu}]}
    return task


def started(server, name):
    server.create_run(waiting_task(), name)
    eventually(lambda: server.phase(name) == "ACTION_PHASE_RUNNING", f"{name} runs")


def record(server, run, name, parent="a0"):
    answer = server.call(INTERNAL, "RecordAction", {
        "actionId": action_id(run, name), "parent": parent, "inputUri": "s3://mayfly/in",
        "task": {"spec": shell_task("true", name="env.remote")}})
    check(not answer.get("status", {}).get("code"), f"RecordAction: {answer}; {server.run_action(run)}")


def report(server, run, name, events):
    server.call(INTERNAL, "RecordActionEvents", {"events": [
        {"id": action_id(run, name), "attempt": 1, "updatedTime": stamp(LATER), **event} for event in events]})


def trace(server, run, name, parent="a0", **more):
    server.call(ACTIONS, "Enqueue", {"action": {
        "actionId": action_id(run, name), "parentActionName": parent, "inputUri": "s3://mayfly/in",
        "runOutputBase": "s3://mayfly/out", "trace": {
            "name": "traced", "phase": "ACTION_PHASE_SUCCEEDED", "spec": {},
            "outputs": {"outputUri": "s3://mayfly/out/outputs.pb"}, **more}}})


def traces(server, run, count):
    """So many at once, t0 and on, through the stream that executors elsewhere use."""
    def send(at):
        body = b""
        for i in range(at, min(at + BATCH, count)):
            message = json.dumps({"request": {
                "actionId": action_id(run, f"t{i}"), "parent": "a0", "inputUri": "s3://mayfly/in",
                "trace": {"name": "traced", "phase": "ACTION_PHASE_SUCCEEDED", "spec": {},
                          "outputs": {"outputUri": "s3://mayfly/out/outputs.pb"}}}}).encode()
            body += struct.pack(">BI", 0, len(message)) + message
        status, _, answer = server.request("POST", f"/{INTERNAL}/RecordActionStream", body,
                                           {"content-type": "application/connect+json"}, 60)
        check(status == 200 and b'"code"' not in answer, f"RecordActionStream: {status} {answer[:300]}")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(0, count, BATCH)))


def actions_of(messages):
    """The newest state of each action, as a client keeps it."""
    state = {}
    for message in messages:
        for enriched in message.get("enrichedActions", []):
            state[enriched["action"]["id"]["name"]] = enriched
    return state


def shown(messages):
    return {name for name, enriched in actions_of(messages).items() if enriched.get("meetsFilter")}


def phases_of(messages):
    return {run["action"]["id"]["run"]["name"]: run["action"]["status"]["phase"]
            for message in messages for run in message.get("runs", [])}


# ---- actions ----

def w2_a_late_parent_and_a_deep_chain(server):
    run = "late"
    started(server, run)
    readers = [Reader(server, "WatchActions", {"runId": run_id(run)}) for _ in range(6)]
    for reader in readers:
        reader.seen(lambda m: "a0" in actions_of(m), "the root is shown")
    record(server, run, "orphan", "missing")
    record(server, run, "n1")
    for i in range(2, 41):
        record(server, run, f"n{i}", f"n{i - 1}")
    chain = {f"n{i}" for i in range(1, 41)}
    for reader in readers:
        messages = reader.seen(lambda m: chain <= set(actions_of(m)), "the whole chain is shown")
        check("orphan" not in actions_of(messages), "an action is shown whose parent is not known")
    record(server, run, "missing")
    for reader in readers:
        messages = reader.seen(lambda m: {"orphan", "missing"} <= set(actions_of(m)), "the orphan is shown")
        order = list(actions_of(messages))
        check(order.index("missing") < order.index("orphan"), f"a child came before its parent: {order}")
        reader.seen(lambda m: sum(actions_of(m)["a0"]["childrenPhaseCounts"].values()) == 42, "all are counted")
    # A trace whose clock is behind that of its parent.
    trace(server, run, "early", startTime="2020-01-01T00:00:00Z", endTime="2020-01-01T00:00:01Z")
    for reader in readers + [Reader(server, "WatchActions", {"runId": run_id(run)})]:
        reader.seen(lambda m: len(actions_of(m)) == 44, "the early trace is shown, too")


def w3_a_stalled_client_loses_nothing(server):
    run, count = "stalled", 1000
    started(server, run)
    stalled = raw_connection(server)
    body = json.dumps({"runId": run_id(run)}).encode()
    stalled.sendall((f"POST /{RUNS}/WatchActions HTTP/1.0\r\ncontent-type: application/connect+json\r\n"
                     f"content-length: {len(body) + 5}\r\n\r\n").encode() + struct.pack(">BI", 0, len(body)) + body)
    reader = Reader(server, "WatchActions", {"runId": run_id(run)})
    reader.seen(lambda m: "a0" in actions_of(m), "the root is shown")
    traces(server, run, count)
    reader.seen(lambda m: len(actions_of(m)) == count + 1, "the client that reads has them all")
    data, head = b"", None
    state = {}
    while len(state) <= count:
        piece = stalled.recv(1 << 16)
        check(piece, f"the stream of the stalled client has ended after {len(state)} actions")
        data += piece
        if head is None and b"\r\n\r\n" in data:
            head, data = data.split(b"\r\n\r\n", 1)
        while head and len(data) >= 5 and len(data) >= 5 + struct.unpack(">I", data[1:5])[0]:
            size = struct.unpack(">I", data[1:5])[0]
            state.update(actions_of([json.loads(data[5:5 + size])]))
            data = data[5 + size:]
    stalled.close()
    check(set(state) == {"a0"} | {f"t{i}" for i in range(count)}, "other actions than there are")


def w3_what_a_stalled_client_missed_is_one_message(server):
    """Thousands of changes of one action wait as one state, not as a queue."""
    run = "coalesced"
    started(server, run)
    connection = raw_connection(server)
    body = json.dumps({"actionId": action_id(run)}).encode()
    connection.sendall((f"POST /{RUNS}/WatchActionDetails HTTP/1.1\r\nhost: x\r\ncontent-type: "
                        f"application/connect+json\r\ncontent-length: {len(body) + 5}\r\n\r\n").encode()
                       + struct.pack(">BI", 0, len(body)) + body)
    for i in range(100):
        report(server, run, "a0", [{"phase": "ACTION_PHASE_RUNNING", "version": 100 + i,
                                    "clusterEvents": [{"message": "x" * (200000 if i == 0 else 1)}]}])
    GATE.open()
    server.wait_run(run)
    received = b""
    while piece := connection.recv(1 << 20):
        received += piece
        if received.endswith(b"0\r\n\r\n"):
            break
    connection.close()
    check(b"ACTION_PHASE_SUCCEEDED" in received, "the stalled client has not seen the end")
    # A hundred states of 200 KB each would be 20 MB.
    check(len(received) < 8 << 20, f"{len(received)} bytes waited for a client that did not read")


def w23_a_snapshot_says_each_action_once(server):
    run, count = "pages", 1200
    started(server, run)
    traces(server, run, count)
    reader = Reader(server, "WatchActions", {"runId": run_id(run)})
    messages = reader.seen(lambda m: len(actions_of(m)) == count + 1, "the whole snapshot")
    names = [e["action"]["id"]["name"] for m in messages for e in m.get("enrichedActions", [])]
    check(len([name for name in names if name != "a0"]) == count, "an action came twice")
    check(names.count("a0") <= 1 + count // 1000, f"the root came {names.count('a0')} times")
    check(actions_of(messages)["a0"]["childrenPhaseCounts"] == {"5": count}, "wrong counts of the root")


def filters_show_the_way_and_take_back(server):
    run = "filtered"
    started(server, run)
    record(server, run, "child")
    request = {"runId": run_id(run), "filter": [{"field": "PHASE", "function": "VALUE_IN", "values": ["4"]},
                                               {"field": "NAME", "function": "CONTAINS_CASE_INSENSITIVE",
                                                "values": ["REMO"]}]}
    readers = [Reader(server, "WatchActions", request) for _ in range(3)]
    for reader in readers:
        reader.seen(len, "a first message, though nothing matches")
        check(not shown(reader.messages), "shown without a match")
    report(server, run, "child", [{"phase": "ACTION_PHASE_RUNNING"}])
    for reader in readers:
        reader.seen(lambda m: shown(m) == {"a0", "child"}, "the match and its parent are shown")
    report(server, run, "child", [{"phase": "ACTION_PHASE_SUCCEEDED"}])
    for reader in readers:
        reader.seen(lambda m: not shown(m), "both are taken back")
        check(actions_of(reader.messages)["child"]["action"]["status"]["phase"] == "ACTION_PHASE_SUCCEEDED",
              "what is taken back is not the newest state")


def conditions_carry_name_and_type(server):
    run = "asking"
    started(server, run)
    reader = Reader(server, "WatchActions", {"runId": run_id(run)})
    reader.seen(lambda m: "a0" in actions_of(m), "the root is shown")
    server.call(ACTIONS, "Enqueue", {"action": {
        "actionId": action_id(run, "ask"), "parentActionName": "a0", "inputUri": "s3://mayfly/in",
        "runOutputBase": "s3://mayfly/out",
        "condition": {"name": "approve", "type": {"simple": "BOOLEAN"}, "prompt": "go on?"}}})
    reader.seen(lambda m: "ask" in actions_of(m), "the condition")
    ask = actions_of(reader.messages)["ask"]["action"]
    check(ask["metadata"]["condition"] == {"name": "approve", "type": {"simple": "BOOLEAN"}}, f"{ask['metadata']}")
    check(ask["status"]["phase"] == "ACTION_PHASE_PAUSED", f"{ask['status']}")
    server.call(RUNS, "SignalEvent", {"actionId": action_id(run, "ask"), "payload": {"boolValue": True}})
    reader.seen(lambda m: actions_of(m)["ask"]["action"]["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", "its answer")
    GATE.open()
    reader.seen(lambda m: actions_of(m)["a0"]["action"]["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", "the end")
    late = Reader(server, "WatchActions", {"runId": run_id(run)})
    late.seen(lambda m: len(actions_of(m)) == 2, "both actions, though the run has ended")


def a_watch_may_begin_again(server):
    """Whoever comes back after an interruption, also of the server, sees what has happened meanwhile."""
    run = "again"
    started(server, run)
    first = Reader(server, "WatchActions", {"runId": run_id(run)})
    first.seen(lambda m: "a0" in actions_of(m), "the root is shown")
    trace(server, run, "one")
    first.seen(lambda m: "one" in actions_of(m), "the first trace")
    server.kill()
    server.start()
    trace(server, run, "two")
    second = Reader(server, "WatchActions", {"runId": run_id(run)})
    second.seen(lambda m: {"a0", "one", "two"} == set(actions_of(m)), "everything")


# ---- details ----

def w8_run_details_are_real_and_end(server):
    run = "details"
    started(server, run)
    readers = [Reader(server, "WatchRunDetails", {"runId": run_id(run)}) for _ in range(3)]
    one = Reader(server, "WatchActionDetails", {"actionId": action_id(run)})
    for reader in readers + [one]:
        reader.seen(len, "a first message")
    report(server, run, "a0", [{"phase": "ACTION_PHASE_RUNNING", "version": 9,
                                "clusterEvents": [{"message": "pulled"}]}])
    for reader in readers:
        reader.seen(lambda m: "pulled" in json.dumps(m[-1:]), "the event is shown")
    GATE.open()
    for reader in readers:
        messages = reader.end()
        action = messages[-1]["details"]["action"]
        check(action["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", f"ended with {action['status']}")
        check(action["attempts"][-1]["phase"] == "ACTION_PHASE_SUCCEEDED", "ended without the last event")
        check(action["task"]["taskTemplate"]["type"] == "raw-shell", "no specification")
        phases = [m["details"]["action"]["status"]["phase"] for m in messages]
        check(phases[0] == "ACTION_PHASE_RUNNING", f"the first message is not the state: {phases}")
    check(one.end()[-1]["details"] == readers[0].messages[-1]["details"]["action"], "the two watches differ")
    # Of what has ended already: its state, then the end.
    late = Reader(server, "WatchRunDetails", {"runId": run_id(run)}).end()
    check(len(late) == 1 and late[0] == readers[0].messages[-1], "another state for one who comes late")


# ---- runs ----

def w9_new_runs_and_aborts_appear(server):
    reader = Reader(server, "WatchRuns", {"projectId": {"name": PROJECT, "domain": DOMAIN}})
    reader.seen(len, "a first message")
    server.create_run(waiting_task(), "fresh")
    reader.seen(lambda m: "fresh" in phases_of(m), "the new run")
    server.call(RUNS, "AbortAction", {"actionId": action_id("fresh"), "reason": "enough"})
    reader.seen(lambda m: phases_of(m)["fresh"] == "ACTION_PHASE_ABORTED", "its abort")


def w9_a_first_message_without_runs(server):
    reader = Reader(server, "WatchRuns", {"projectId": {"name": PROJECT, "domain": "production"}})
    check(reader.seen(len, "a first message") == [{}], "runs where there are none")


def w10_every_target_is_honoured(server):
    task = {"project": PROJECT, "domain": DOMAIN, "name": "env.special", "version": "v1"}
    targets = {
        "org": {"org": "any"},
        "project": {"projectId": {"name": PROJECT, "domain": DOMAIN}},
        "task": {"taskId": task},
        "cluster": {"clusterId": {"name": "local"}},
        "other project": {"projectId": {"name": PROJECT, "domain": "staging"}},
        "other task": {"taskId": task | {"name": "env.other"}},
        "other version": {"taskId": task | {"version": "v2"}},
        "other cluster": {"clusterId": {"name": "elsewhere"}},
    }
    readers = {name: Reader(server, "WatchRuns", target) for name, target in targets.items()}
    for reader in readers.values():
        reader.seen(len, "a first message")
    server.create_run(waiting_task("env.special"), "special")
    for name in ("org", "project", "task", "cluster"):
        readers[name].seen(lambda m: "special" in phases_of(m), f"the run in the watch by {name}")
    server.call(RUNS, "AbortRun", {"runId": run_id("special")})
    for name in ("org", "project", "task", "cluster"):
        readers[name].seen(lambda m: phases_of(m)["special"] == "ACTION_PHASE_ABORTED", f"its end by {name}")
    for name, reader in readers.items():
        check(name.startswith("other") != ("special" in phases_of(reader.messages)), f"wrong runs by {name}")
    check(len(phases_of(readers["task"].messages)) == 1, "other runs in the watch of a task")


def w10_an_old_run_that_changes_is_sent(server):
    """The snapshot is bounded, the changes are not only those of the newest runs."""
    started(server, "holder")
    names = [f"old{i}" for i in range(110)]
    queued = waiting_task(cpu="1")  # more than is left, so that none of them starts
    server.create_run(queued, "oldest")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: server.create_run(queued, name), names))
    reader = Reader(server, "WatchRuns", {"projectId": {"name": PROJECT, "domain": DOMAIN}})
    first = reader.seen(len, "a first message")
    check(len(first[0]["runs"]) == 100 and "oldest" not in phases_of(first[:1]), "not the newest hundred")
    server.call(RUNS, "AbortRun", {"runId": run_id("oldest")})
    reader.seen(lambda m: phases_of(m).get("oldest") == "ACTION_PHASE_ABORTED", "the change of the oldest")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: server.call(RUNS, "AbortRun", {"runId": run_id(name)}), names))
    reader.seen(lambda m: all(phases_of(m).get(name) in FINAL for name in names), "all the others")


# ---- cluster events ----

def w13_a_batch_of_events_arrives_whole(server):
    run, count = "cluster", 1200
    started(server, run)
    request = {"id": action_id(run), "attempt": 1}
    reader = Reader(server, "WatchClusterEvents", request)
    check("clusterEvents" not in reader.seen(len, "a first message")[0], "events before there are any")
    report(server, run, "a0", [{"phase": "ACTION_PHASE_RUNNING", "version": 10 + i,
                                "clusterEvents": [{"message": f"m{i}"}]} for i in range(count)])

    def texts(messages):
        return [event["message"] for message in messages for event in message.get("clusterEvents", [])]
    reader.seen(lambda m: len(texts(m)) >= count, "all events of the batch")
    # One that was reported late belongs before the others, and many of one event belong together.
    report(server, run, "a0", [{"phase": "ACTION_PHASE_INITIALIZING", "version": 50,
                                "clusterEvents": [{"message": "late"}]}])
    reader.seen(lambda m: "late" in texts(m), "the late event")
    report(server, run, "a0", [{"phase": "ACTION_PHASE_RUNNING", "version": 5000,
                                "clusterEvents": [{"message": f"k{i}"} for i in range(count)]}])
    reader.seen(lambda m: len(texts(m)) >= 2 * count + 1, "all of one event")
    GATE.open()
    said = texts(reader.end())
    check(len(said) == len(set(said)) == 2 * count + 1, f"{len(said)} events, {len(set(said))} different")
    again = texts(Reader(server, "WatchClusterEvents", request).end())
    check(sorted(again) == sorted(said), "another story for one who comes late")


def w14_a_watch_ends_after_many_events(server):
    run = "many"
    started(server, run)
    reader = Reader(server, "WatchActionDetails", {"actionId": action_id(run)})
    report(server, run, "a0", [{"phase": "ACTION_PHASE_RUNNING", "version": 10 + i} for i in range(1200)])
    GATE.open()
    last = reader.end()[-1]["details"]
    check(last["attempts"][-1]["phase"] == "ACTION_PHASE_SUCCEEDED", f"ended with {last['attempts'][-1]['phase']}")


# ---- groups ----

def groups_of(messages):
    state = {}
    for message in messages:
        for group in message.get("taskGroups", []):
            state[group.get("taskName", "")] = group
    return state


def counts(group):
    return {entry["phase"]: int(entry["count"]) for entry in group.get("phaseCounts", [])}


def w15_groups_send_what_changes(server):
    place = {"projectId": {"name": PROJECT, "domain": DOMAIN}, "startDate": "2020-01-01T00:00:00Z"}

    def only(*names):
        return {"filters": [{"field": "task_name", "function": "VALUE_IN", "values": list(names)}]}
    for i in range(12):
        server.create_run(shell_task("true", name="env.good"), f"good{i}")
    server.create_run(shell_task("exit 3", name="env.bad"), "bad0")
    for name in [f"good{i}" for i in range(12)] + ["bad0"]:
        server.wait_run(name)
    reader = Reader(server, "WatchGroups", place | {"request": only("env.good", "env.bad")})
    first = reader.seen(lambda m: m and m[-1].get("sentinel"), "the sentinel")
    groups = groups_of(first)
    check(set(groups) == {"env.good", "env.bad"}, f"groups {set(groups)}")
    good, bad = groups["env.good"], groups["env.bad"]
    check(good["totalRuns"] == "12" and counts(good) == {"ACTION_PHASE_SUCCEEDED": 12}, f"{good}")
    check([r["runName"] for r in good["recentStatuses"]] == [f"good{i}" for i in range(11, 1, -1)], f"{good}")
    for field in ("latestRunTime", "latestFinishedTime", "averageDuration", "averageTimeToRunning", "shortName"):
        check(good.get(field), f"{field} is missing: {good}")
    check(bad["averageFailureRate"] == 1 and sum(int(n) for n in bad["errorCounts"].values()) == 1, f"{bad}")
    # A change: only that group, without another sentinel.
    server.create_run(waiting_task("env.good"), "good12")
    messages = reader.seen(lambda m: counts(groups_of(m)["env.good"]).get("ACTION_PHASE_RUNNING") == 1, "it runs")
    check(not any(m.get("sentinel") for m in messages[len(first):]), "a second sentinel")
    check(set(groups_of(messages[len(first):])) == {"env.good"}, "a group that has not changed was sent")
    server.call(RUNS, "AbortRun", {"runId": run_id("good12")})
    reader.seen(lambda m: counts(groups_of(m)["env.good"]) ==
                {"ACTION_PHASE_SUCCEEDED": 12, "ACTION_PHASE_ABORTED": 1}, "it was aborted")
    check(groups_of(reader.messages)["env.good"]["recentStatuses"][0] ==
          {"runName": "good12", "phase": "ACTION_PHASE_ABORTED"}, "the newest status")
    server.create_run(shell_task("true", name="env.unwanted"), "unwanted0")
    server.wait_run("unwanted0")
    check("env.unwanted" not in groups_of(reader.messages), "a group that the filter leaves out")

    # What is asked for: limit, order, and an end.
    limited = place | {"request": only("env.good", "env.bad") | {"limit": 1}, "endDate": stamp(LATER + 3600)}
    newest = Reader(server, "WatchGroups", limited).end()
    check(list(groups_of(newest)) == ["env.good"] and newest[-1]["sentinel"], "not the newest group")
    oldest = Reader(server, "WatchGroups", limited | {"knownSortFields": [{"createdAt": "ASCENDING"}]}).end()
    check(list(groups_of(oldest)) == ["env.bad"], "not the oldest group")
    empty = Reader(server, "WatchGroups", place | {"endDate": "2020-01-02T00:00:00Z"}).end()
    check(empty == [{"sentinel": True}], f"no message for nothing: {empty}")
    # One more group than fits pushes the last one out.
    pushed = Reader(server, "WatchGroups", place | {"request": only("env.good", "env.bad") | {"limit": 1}})
    pushed.seen(lambda m: m and m[-1].get("sentinel"), "the sentinel")
    server.create_run(shell_task("true", name="env.bad"), "bad1")
    pushed.seen(lambda m: groups_of(m).get("env.good", {}).get("shouldDelete") and "env.bad" in groups_of(m),
                "the group that is no longer among the first")


def groups_by_phase_come_and_go(server):
    request = {"projectId": {"name": PROJECT, "domain": DOMAIN}, "startDate": "2020-01-01T00:00:00Z",
               "request": {"filters": [{"field": "task_name", "function": "EQUAL", "values": ["env.phased"]},
                                       {"field": "phase", "function": "EQUAL", "values": ["4"]}]}}
    reader = Reader(server, "WatchGroups", request)
    reader.seen(lambda m: m and m[-1].get("sentinel"), "the sentinel")
    for i in range(2):
        server.create_run(waiting_task("env.phased"), f"phased{i}")
    reader.seen(lambda m: groups_of(m).get("env.phased", {}).get("totalRuns") == "2", "both run")
    server.call(RUNS, "AbortRun", {"runId": run_id("phased1")})
    reader.seen(lambda m: groups_of(m)["env.phased"].get("totalRuns") == "1", "one runs")
    check([r["runName"] for r in groups_of(reader.messages)["env.phased"]["recentStatuses"]] == ["phased0"], "which")
    server.call(RUNS, "AbortRun", {"runId": run_id("phased0")})
    reader.seen(lambda m: groups_of(m)["env.phased"].get("shouldDelete"), "none runs")


# ---- many ----

def open_exchanges(server):
    text = server.request("GET", "/metrics")[2].decode()
    return {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if line and not line.startswith("#")}


def thousands_leave_at_once(server):
    run = "crowd"
    started(server, run)
    kinds = [("WatchActions", {"runId": run_id(run)}), ("WatchRunDetails", {"runId": run_id(run)}),
             ("WatchActionDetails", {"actionId": action_id(run)}),
             ("WatchRuns", {"projectId": {"name": PROJECT, "domain": DOMAIN}})]
    gauges = [name for name in open_exchanges(server) if "open" in name]
    check(gauges, "no metric of what is open")
    before = {name: open_exchanges(server)[name] for name in gauges}
    for _ in range(2):
        crowd = []
        for i in range(400):
            method, message = kinds[i % len(kinds)]
            body = json.dumps(message).encode()
            connection = raw_connection(server)
            connection.sendall((f"POST /{RUNS}/{method} HTTP/1.1\r\nhost: x\r\ncontent-type: "
                                f"application/connect+json\r\ncontent-length: {len(body) + 5}\r\n\r\n").encode()
                               + struct.pack(">BI", 0, len(body)) + body)
            crowd.append(connection)
        for connection in crowd:
            check(connection.recv(1 << 16), "a watch has not begun")
        trace(server, run, f"t{time.monotonic_ns()}")
        for connection in crowd:
            connection.close()
        trace(server, run, f"t{time.monotonic_ns()}")
        eventually(lambda: all(open_exchanges(server)[name] <= before[name] + 1 for name in gauges),
                   f"everything is closed: {before}")
    check(server.phase(run) == "ACTION_PHASE_RUNNING", "the server does not answer any more")


# ---- bad input ----

class Streams:
    """A server whose server-streaming methods look like calls to the tables of bad input."""

    def __init__(self, server):
        self.server, self.data, self.database, self.sql = server, server.data, server.database, server.sql

    def call(self, service, method, message):
        with self.server.stream(service, method, message) as messages:
            return next(messages, {})


def bad_input(server):
    run = "bad"
    started(server, run)
    streams = Streams(server)
    absent = {"missing": BAD, "empty": BAD, "long": (300, BAD)}
    parts = ("project", "domain", "name")

    def table(method, good, rows, service=RUNS):
        result = Table(streams, service, method, good)
        result.check(rows)
        return result
    for service, method in product((RUNS, TRACKED), ("WatchRunDetails", "WatchActions")):
        rows = {"runId": {"missing": (BAD, "run_id"), "empty": (BAD, "run_id")}, **{f"runId.{part}": absent for part in parts}}
        wrong = table(method, {"runId": run_id(run)}, rows, service)
        for part in parts:
            wrong.refuse({f"runId.{part}": "nobody"}, "not_found", "nobody")
    for service, method, field, more in ((RUNS, "WatchActionDetails", "actionId", {}),
                                         (TRACKED, "WatchActionDetails", "actionId", {}),
                                         (RUNS, "WatchClusterEvents", "id", {"attempt": 1})):
        rows = {field: {"missing": (BAD, ""), "empty": (BAD, "run")},
                f"{field}.run": {"missing": (BAD, "run"), "empty": (BAD, "run")},
                f"{field}.name": absent, **{f"{field}.run.{part}": absent for part in parts}}
        if more:
            rows["attempt"] = {"missing": BAD}
        wrong = table(method, {field: action_id(run), **more}, rows, service)
        for part in parts:
            wrong.refuse({f"{field}.run.{part}": "nobody"}, "not_found", "nobody")
        # A run that is there, but no tracked one, is refused before its actions are looked for.
        code, word = ("not_found", "nobody") if service == RUNS else ("failed_precondition", run)
        wrong.refuse({f"{field}.name": "nobody"}, code, word)
    rows = {"parentActionId": {"missing": (BAD, "parent_action_id"), "empty": (BAD, "run")},
            "parentActionId.run": {"missing": (BAD, "run"), "empty": (BAD, "run")}, "parentActionId.name": absent,
            **{f"parentActionId.run.{part}": absent for part in parts}}
    for service, method in ((ACTIONS, "WatchForUpdates"), ("flyteidl2.workflow.StateService", "Watch")):
        table(method, {"parentActionId": action_id(run)}, rows, service)
    actions = Table(streams, RUNS, "WatchActions", {"runId": run_id(run)})
    for field, function, values, word in (("FOO", "VALUE_IN", ["1"], "FOO"), ("PHASE", "VALUE_IN", ["x"], "x"),
                                          ("PHASE", "VALUE_IN", ["11"], "11"), ("PHASE", "VALUE_IN", [], "PHASE"),
                                          ("NAME", "CONTAINS_CASE_INSENSITIVE", [], "NAME"),
                                          ("NAME", "EQUAL", ["x"], "NAME")):
        actions.refuse_message({"runId": run_id(run), "filter": [
            {"field": field, "function": function, "values": values}]}, BAD, word, f"{field} {function} {values}")
    rows = {"projectId": {"missing": (BAD, "target"), "empty": (BAD, "project_id")},
            "projectId.name": {"missing": BAD, "empty": BAD}, "projectId.domain": {"missing": BAD, "empty": BAD}}
    for service in (RUNS, TRACKED):
        table("WatchRuns", {"projectId": {"name": PROJECT, "domain": DOMAIN}}, rows, service)
    good = {"projectId": {"name": PROJECT, "domain": DOMAIN}, "startDate": "2020-01-01T00:00:00Z"}
    groups = Table(streams, RUNS, "WatchGroups", good)
    groups.check({"projectId": {"missing": (BAD, "project_id"), "empty": (BAD, "project_id")},
                  "projectId.name": {"missing": BAD, "empty": BAD},
                  "projectId.domain": {"missing": BAD, "empty": BAD}, "startDate": {"missing": BAD}})
    for request, word in (({"sortBy": {"key": "nonsense"}}, "nonsense"),
                          ({"filters": [{"field": "nonsense", "function": "EQUAL", "values": ["1"]}]}, "nonsense"),
                          ({"filters": [{"field": "phase", "function": "EQUAL", "values": ["x"]}]}, "phase")):
        groups.refuse_message(good | {"request": request}, BAD, word, f"request {request}")


def main():
    only = os.environ.get("ONLY", "")
    # The tables of bad input read the whole store again and again: first, while it is small.
    tests = [bad_input, w2_a_late_parent_and_a_deep_chain, w3_a_stalled_client_loses_nothing,
             w3_what_a_stalled_client_missed_is_one_message, w23_a_snapshot_says_each_action_once,
             filters_show_the_way_and_take_back, conditions_carry_name_and_type, w8_run_details_are_real_and_end,
             w9_new_runs_and_aborts_appear,
             w9_a_first_message_without_runs, w10_every_target_is_honoured, w10_an_old_run_that_changes_is_sent,
             w13_a_batch_of_events_arrives_whole, w14_a_watch_ends_after_many_events, w15_groups_send_what_changes,
             groups_by_phase_come_and_go, thousands_leave_at_once, a_watch_may_begin_again]
    with Server("--cpus", "1") as server:
        for test in tests:
            if only in test.__name__:
                begin = time.monotonic()
                test(server)
                print(f"{test.__name__}: {time.monotonic() - begin:.1f} s", flush=True)
                GATE.open()
                GATE.close()
        GATE.open()


if __name__ == "__main__":
    try:
        main()
    except CallError as error:
        raise SystemExit(f"a call has failed: {error}") from error
