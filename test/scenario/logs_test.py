#!/usr/bin/env python3
"""Logs: followed while an attempt runs, ended with it, there for every attempt and after a restart."""
import re

from badinput import BAD
from harness import ACTIONS, FOLDER, PROJECT, RUNS, CallError, Server, action_id, check, eventually, refused, shell_task

DATA = "flyteidl2.dataproxy.DataProxyService"
OLD = "flyteidl2.workflow.RunLogsService"
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def batches(server, run, attempt=1, service=DATA, timeout=30, **more):
    """All messages of a stream to its end; not_found while there is nothing yet is waited out, as the SDK does."""
    def read():
        try:
            request = {"actionId": action_id(run), "attempt": attempt, **more}
            with server.stream(service, "TailLogs", request, timeout) as stream:
                return list(stream) or [{}]
        except CallError as error:
            if error.code != "not_found" or "yet" not in error.message:
                raise
            return None
    return eventually(read, f"the log of {run}")


def lines_of(messages):
    return [line for message in messages for logs in message.get("logs", []) for line in logs["lines"]]


def texts(messages):
    return [line["message"] for line in lines_of(messages) if line.get("originator") != "SYSTEM"]


def c25_follows_and_ends_with_the_attempt(server):
    """While the attempt runs its lines come as they are written, and the stream ends by itself."""
    script = f"echo one; while [ ! -e {FOLDER}/go ]; do sleep 0.02; done; echo two >&2; printf three"
    server.create_run(shell_task(script), "followed")

    def started():
        return server.run_action("followed")["status"].get("phase") == "ACTION_PHASE_RUNNING"
    eventually(started, "the attempt runs")
    got = []
    with server.stream(DATA, "TailLogs", {"actionId": action_id("followed"), "attempt": 1}) as stream:
        for message in stream:
            got.append(message)
            if texts(got) == ["one\n"]:
                (FOLDER / "go").touch()
    check(texts(got) == ["one\n", "two\n", "three\n"], got)
    stamps = [line["timestamp"] for line in lines_of(got)]
    check(all(STAMP.fullmatch(stamp) for stamp in stamps) and stamps == sorted(stamps), stamps)
    check({line["originator"] for line in lines_of(got)} <= {"USER", "SYSTEM"}, got)
    server.wait_run("followed")
    check(texts(batches(server, "followed")) == ["one\n", "two\n", "three\n"], "the finished attempt")


def c25_attempts_and_pods(server):
    """Every attempt has its log; a pod that is asked for must be the attempt's."""
    script = f"echo attempt; [ -e {FOLDER}/again ] || {{ touch {FOLDER}/again; exit 1; }}; echo good"
    server.create_run(shell_task(script, retries=1), "retried")
    server.wait_run("retried")
    for _ in range(2):
        check(texts(batches(server, "retried", 1)) == ["attempt\n"], "attempt 1")
        check(texts(batches(server, "retried", 2)) == ["attempt\n", "good\n"], "attempt 2")
        server.stop()
        server.start()
    for selector in ({"primaryPod": True}, {"allPods": True}, {"podName": "retried-a0-1"}, {"connectorEndpoint": ""}):
        check(texts(batches(server, "retried", 2, **selector)) == ["attempt\n", "good\n"], selector)
    details = server.call(RUNS, "GetActionLogContext", {"actionId": action_id("retried"), "attempt": 2})
    check(details["logContext"]["primaryPodName"] == "retried-a0-1", details)
    message = refused("not_found", batches, server, "retried", 1, podName="retried-a0-1")
    check("retried-a0-0" in message, message)
    message = refused("unimplemented", batches, server, "retried", 1, connectorEndpoint="x:1")
    check("connector_endpoint" in message, message)


def run_logs_service_is_the_same(server):
    for attempt in (1, 2):
        check(batches(server, "retried", attempt, service=OLD) == batches(server, "retried", attempt), attempt)


def long_logs_come_in_batches(server):
    server.create_run(shell_task("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done"), "long")
    server.wait_run("long")
    got = batches(server, "long")
    check(texts(got) == [f"line {i}\n" for i in range(3000)], len(texts(got)))
    check(len(got) > 1, "in several messages")


def without_a_log(server):
    refused("not_found", batches, server, "nobody")
    check("attempt" in refused("not_found", batches, server, "long", 7), "an attempt that never was")
    server.create_run(shell_task("sleep 60"), "waiting")
    # An action that another machine carries out has no log here; while it goes on there may come one.
    server.call(ACTIONS, "Enqueue", {"action": {
        "actionId": action_id("waiting", "t1"), "parentActionName": "a0", "runOutputBase": "s3://mayfly/out/",
        "inputUri": "s3://mayfly/in/inputs.pb",
        "trace": {"name": "x", "phase": "ACTION_PHASE_SUCCEEDED", "startTime": "2026-01-02T03:04:05Z",
                  "endTime": "2026-01-02T03:04:06Z", "spec": {"interface": {}}}}})
    with server.stream(DATA, "TailLogs", {"actionId": action_id("waiting", "t1"), "attempt": 1}) as stream:
        check(list(stream) == [], "a trace is over and has no log: an empty stream that ends")
    server.call(RUNS, "AbortRun", {"runId": {"project": PROJECT, "domain": "development", "name": "waiting"}})
    server.wait_run("waiting")


def bad_input(server):
    def tail(message, service=DATA):
        with server.stream(service, "TailLogs", message) as stream:
            return list(stream)
    good = action_id("long")
    for service in (DATA, OLD):
        check("action_id" in refused(BAD, tail, {"attempt": 1}, service), "no id")
        check("run" in refused(BAD, tail, {"actionId": {"name": "a0"}, "attempt": 1}, service), "no run")
        refused(BAD, tail, {"actionId": {**good, "name": ""}, "attempt": 1}, service)
        refused(BAD, tail, {"actionId": {**good, "run": {**good["run"], "name": ""}}, "attempt": 1}, service)
        foreign = {**good, "run": {**good["run"], "project": "nobody"}}
        refused("not_found", tail, {"actionId": foreign, "attempt": 1}, service)
        refused("not_found", tail, {"actionId": {**good, "name": "nobody"}, "attempt": 1}, service)
        for attempt in (-1, "x", {}, 2**32):
            check("attempt" in refused(BAD, tail, {"actionId": good, "attempt": attempt}, service), attempt)
        check("actionId" in refused(BAD, tail, {"actionId": 3, "attempt": 1}, service), "a wrong kind")


with Server() as one:
    for scenario in (c25_follows_and_ends_with_the_attempt, c25_attempts_and_pods, run_logs_service_is_the_same,
                     long_logs_come_in_batches, without_a_log, bad_input):
        scenario(one)
