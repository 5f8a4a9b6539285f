#!/usr/bin/env python3
"""Tracked runs: a client carries them out and reports; the server records, shows and aborts."""
from harness import (DOMAIN, PROJECT, RUNS, Server, action_id, check, eventually, refused, run_id, shell_task)

TRACKED = "flyteidl2.workflow.TrackedRunService"
PLACE = {"project": PROJECT, "domain": DOMAIN}


def create(server, name=None, **more):
    request = {"taskSpec": shell_task("echo never >> /dev/null", name="local.main"), **more}
    request |= {"runId": run_id(name)} if name else {"projectId": {"name": PROJECT, "domain": DOMAIN}}
    return server.call(TRACKED, "CreateRun", request)["run"]


def update(run, name, phase, second, attempt=1, version=0, first=None, **more):
    """One report; first: what only the first report of an action carries."""
    event = {"id": action_id(run, name), "attempt": attempt, "version": version, "phase": f"ACTION_PHASE_{phase}",
             "updatedTime": f"2026-01-02T03:04:{second:02}Z", "reportedTime": f"2026-01-02T03:04:{second:02}Z", **more}
    return {"event": event, **(first or {}), "status": {"phase": event["phase"], "attempts": attempt,
                                                        "startTime": "2026-01-02T03:04:01Z"}}


def report(server, run, *updates):
    """The codes of the statuses."""
    answer = server.call(TRACKED, "ReportActions", {"runId": run_id(run), "updates": list(updates)})
    return [status.get("code", 0) for status in answer["statuses"]]


def messages(server, run, *updates):
    answer = server.call(TRACKED, "ReportActions", {"runId": run_id(run), "updates": list(updates)})
    return [status.get("message", "") for status in answer["statuses"]]


def details(server, run, name="a0", service=TRACKED):
    return server.call(service, "GetActionDetails", {"actionId": action_id(run, name)})["details"]


def task(name):
    return {"parentName": "a0", "group": "stage", "task": {"spec": shell_task("true", name=name)}}


def the_story_of_a_run(server):
    run = create(server, "local-story", labels={"team": "blue"}, runStartTime="2026-01-02T03:04:00Z",
                 runSpec={"labels": {"values": {"size": "small"}}})
    check(run["action"]["id"]["name"] == "a0" and run["action"]["status"]["phase"] == "ACTION_PHASE_QUEUED", run)
    check(run["action"]["metadata"]["source"] == "RUN_SOURCE_TRACKED", run)
    check(run["labels"] == {"team": "blue", "size": "small"}, run)
    check(create(server, "local-story", labels={"team": "blue"}, runStartTime="2026-01-02T03:04:00Z",
                 runSpec={"labels": {"values": {"size": "small"}}})["action"]["id"] == run["action"]["id"], "repeated")
    refused("already_exists", create, server, "local-story", labels={"team": "red"})
    codes = report(server, "local-story", update("local-story", "a0", "RUNNING", 1),
                   update("local-story", "child", "RUNNING", 2, first=task("local.child")),
                   update("local-story", "child", "FAILED", 3, version=1, errorInfo={"message": "first", "kind": 1}),
                   update("local-story", "child", "RUNNING", 4, attempt=2),
                   update("local-story", "step", "RUNNING", 4, first={"parentName": "child", "trace": {
                       "name": "look", "spec": {"interface": {}}}}),
                   update("local-story", "step", "SUCCEEDED", 5, version=1),
                   update("local-story", "child", "SUCCEEDED", 6, attempt=2, version=1,
                          outputs={"outputUri": "s3://mayfly/uploads/x/outputs.pb"}),
                   update("local-story", "bare", "SUCCEEDED", 6))
    check(codes == [0] * 8, codes)
    child = details(server, "local-story", "child")
    phases = [attempt["phase"] for attempt in child["attempts"]]
    check(phases == ["ACTION_PHASE_FAILED", "ACTION_PHASE_SUCCEEDED"], child)
    check(child["attempts"][0]["errorInfo"]["message"] == "first", child)
    check(child["status"]["attempts"] == 2 and child["status"]["durationMs"] == "5000", child["status"])
    check(child["metadata"]["parent"] == "a0" and child["metadata"]["group"] == "stage", child["metadata"])
    step = details(server, "local-story", "step")
    check(step["metadata"]["parent"] == "child" and step["metadata"]["trace"]["name"] == "look", step["metadata"])
    check(step["status"]["phase"] == "ACTION_PHASE_SUCCEEDED" and step["trace"] is not None, step)
    check(details(server, "local-story", "bare")["metadata"]["parent"] == "a0", "an action without a specification")
    with server.stream(TRACKED, "WatchRunDetails", {"runId": run_id("local-story")}) as stream:
        check(next(stream)["details"]["action"]["status"]["phase"] == "ACTION_PHASE_RUNNING", "it runs")
        check(report(server, "local-story", update("local-story", "a0", "SUCCEEDED", 9, version=1)) == [0], "the end")
        last = [message for message in stream][-1]
    status = last["details"]["action"]["status"]
    check(status["phase"] == "ACTION_PHASE_SUCCEEDED" and status["durationMs"] == "9000", status)


def reports_are_idempotent(server):
    create(server, "local-twice")
    first = update("local-twice", "a0", "RUNNING", 1)
    last = update("local-twice", "a0", "SUCCEEDED", 5, version=1)
    check(report(server, "local-twice", first, first, last, last) == [0] * 4, "in one report")
    before = details(server, "local-twice")
    check(report(server, "local-twice", last, first) == [0, 0], "and in another")
    check(details(server, "local-twice") == before, "nothing has changed")


def children_of_a_retried_parent_begin_again(server):
    run = "local-retry"
    create(server, run)
    codes = report(server, run, update(run, "a0", "RUNNING", 1),
                   update(run, "failed", "RUNNING", 2, first=task("local.failed")),
                   update(run, "open", "RUNNING", 2, first=task("local.open")),
                   update(run, "failed", "FAILED", 3, version=1, errorInfo={"message": "no"}),
                   update(run, "a0", "FAILED", 4, version=1, errorInfo={"message": "no"}))
    check(codes == [0] * 5 and details(server, run, "open")["status"]["phase"] == "ACTION_PHASE_ABORTED", codes)
    again = [update(run, "a0", "RUNNING", 5, attempt=2),
             update(run, "failed", "RUNNING", 6, version=2), update(run, "open", "RUNNING", 6, version=1),
             update(run, "failed", "SUCCEEDED", 7, version=3), update(run, "open", "SUCCEEDED", 8, version=2)]
    for _ in range(2):  # also when it is sent again
        check(report(server, run, *again) == [0] * 5, "they begin again")
    for name in ("failed", "open"):
        found = details(server, run, name)
        check((found["status"]["phase"], found["status"]["attempts"]) == ("ACTION_PHASE_SUCCEEDED", 2), found["status"])
        check(len(found["attempts"]) == 2 and found["attempts"][1]["phase"] == "ACTION_PHASE_SUCCEEDED", found)
    check(details(server, run, "failed")["attempts"][0]["errorInfo"]["message"] == "no", "the first time is kept")
    check(report(server, run, update(run, "a0", "SUCCEEDED", 9, attempt=2, version=1)) == [0], "the end")
    # What is still at work when its parent fails ends as it says, unless somebody has aborted it.
    run = "local-late"
    create(server, run)
    report(server, run, update(run, "a0", "RUNNING", 1), update(run, "slow", "RUNNING", 2, first=task("local.slow")),
           update(run, "a0", "FAILED", 3, version=1, errorInfo={"message": "no"}))
    check(report(server, run, update(run, "slow", "SUCCEEDED", 4, version=1)) == [0], "late, but true")
    found = details(server, run, "slow")
    check(found["status"]["phase"] == "ACTION_PHASE_SUCCEEDED" and found["status"]["durationMs"] == "3000", found)
    check(found["attempts"][0]["phase"] == "ACTION_PHASE_SUCCEEDED", found["attempts"])


def one_bad_update_does_not_stop_the_others(server):
    create(server, "local-mixed")
    create(server, "local-other")
    good = update("local-mixed", "a0", "RUNNING", 1)
    said = messages(server, "local-mixed", update("local-other", "a0", "RUNNING", 1),
                    {"event": {"id": action_id("local-mixed"), "attempt": 1}}, good,
                    update("local-mixed", "a0", "RUNNING", 1, attempt=200000))
    check("run_id" in said[0] and "phase" in said[1] and not said[2] and "attempt" in said[3], said)
    check(details(server, "local-mixed")["status"]["phase"] == "ACTION_PHASE_RUNNING", "the good one is kept")
    refused("not_found", server.call, TRACKED, "GetRunDetails", {"runId": run_id("nobody")})
    check("not found" in messages(server, "nobody", update("nobody", "a0", "RUNNING", 1))[0], "an unknown run")
    server.call(TRACKED, "AbortRun", {"runId": run_id("local-mixed")})


def an_abort_reaches_everything_and_ends_the_reports(server):
    create(server, "local-abort")
    report(server, "local-abort", update("local-abort", "a0", "RUNNING", 1),
           update("local-abort", "done", "SUCCEEDED", 2, first=task("local.done")),
           update("local-abort", "open", "RUNNING", 2, first=task("local.open")),
           update("local-abort", "orphan", "RUNNING", 2, first=task("local.orphan") | {"parentName": "unknown"}))
    server.call(TRACKED, "AbortRun", {"runId": run_id("local-abort"), "reason": "enough"})
    phases = {name: details(server, "local-abort", name)["status"]["phase"].removeprefix("ACTION_PHASE_")
              for name in ("a0", "done", "open", "orphan")}
    check(phases == {"a0": "ABORTED", "done": "SUCCEEDED", "open": "ABORTED", "orphan": "ABORTED"}, phases)
    check(details(server, "local-abort")["abortInfo"]["reason"] == "enough", details(server, "local-abort"))
    late = [update("local-abort", "open", "SUCCEEDED", 3, version=1), update("local-abort", "a0", "RUNNING", 1),
            update("local-abort", "open", "ABORTED", 3, version=2), update("local-abort", "new", "RUNNING", 3,
                                                                           first=task("local.new"))]
    codes = report(server, "local-abort", *late)
    check(codes[0] == 10 and codes[3] == 10, f"refused as aborted: {codes}")
    check(codes[1] == 0 and codes[2] == 0, f"what is known, and the news of the abort, are fine: {codes}")
    said = messages(server, "local-abort", late[0])[0]
    check("enough" in said, said)
    server.call(TRACKED, "AbortRun", {"runId": run_id("local-abort")})  # once more
    server.call(TRACKED, "AbortRun", {"runId": run_id("local-story")})  # ended well: a success that changes nothing
    check(details(server, "local-story")["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", "not rewritten")


def they_are_never_started_here(server):
    marker = server.data / "started"
    spec = shell_task(f"touch {marker}")
    server.call(TRACKED, "CreateRun", {"runId": run_id("local-idle"), "taskSpec": spec})
    report(server, "local-idle", update("local-idle", "kid", "QUEUED", 1, first={"parentName": "a0", "task": {
        "spec": spec}}))
    server.kill()
    server.start()
    done = server.create_run(shell_task("true"))
    check(server.wait_run(done)["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", "the executor works")
    check(not marker.exists(), "and has left the tracked run alone")
    check(details(server, "local-idle", "kid")["status"]["phase"] == "ACTION_PHASE_QUEUED", "as it was reported")


def both_services_show_them_and_only_them(server):
    plain = server.create_run(shell_task("true"))
    server.wait_run(plain)
    scope = {"projectId": {"name": PROJECT, "domain": DOMAIN}}
    listed = server.call(TRACKED, "ListRuns", scope)["runs"]
    check(listed and all(run["action"]["metadata"]["source"] == "RUN_SOURCE_TRACKED" for run in listed), listed)
    everything = {run["action"]["id"]["run"]["name"] for run in server.list_runs()}
    check({"local-story", plain} <= everything, everything)
    check(details(server, "local-story", service=RUNS)["id"]["name"] == "a0", "RunService shows it, too")
    for method, request in (("GetRunDetails", {"runId": run_id(plain)}), ("ListActions", {"runId": run_id(plain)}),
                            ("GetActionDetails", {"actionId": action_id(plain)}),
                            ("AbortRun", {"runId": run_id(plain)})):
        message = refused("failed_precondition", server.call, TRACKED, method, request)
        check("no tracked run" in message, message)
    message = messages(server, plain, update(plain, "a0", "FAILED", 1))[0]
    check("no tracked run" in message, message)
    with server.stream(TRACKED, "WatchRuns", scope) as stream:
        names = {run["action"]["id"]["run"]["name"] for run in next(stream)["runs"]}
        check("local-story" in names and plain not in names, names)
        server.create_run(shell_task("true"), "not-this")
        create(server, "local-new")
        seen = set()
        while "local-new" not in seen:
            seen |= {run["action"]["id"]["run"]["name"] for run in next(stream).get("runs", [])}
        check("not-this" not in seen, seen)
    with server.stream(TRACKED, "WatchActions", {"runId": run_id("local-story")}) as stream:
        shown = set()
        while len(shown) < 4:
            shown |= {entry["action"]["id"]["name"] for entry in next(stream).get("enrichedActions", [])}
        check(shown == {"a0", "child", "step", "bare"}, shown)
    names = {entry["id"]["name"] for entry in server.call(
        TRACKED, "ListActions", {"runId": run_id("local-story")})["actions"]}
    check(names == {"a0", "child", "step", "bare"}, names)


def names_are_made_and_checked(server):
    name = create(server)["action"]["id"]["run"]["name"]
    check(name.startswith("l") and len(name) == 20, name)
    refused("invalid_argument", create, server, "Local_1")
    refused("not_found", server.call, TRACKED, "CreateRun", {
        "runId": run_id("local-x") | {"project": "nobody"}, "taskSpec": shell_task("true")})
    for request in ({"taskSpec": shell_task("true")}, {"runId": run_id("local-x")}):
        refused("invalid_argument", server.call, TRACKED, "CreateRun", request)
    for request in ({"runId": run_id("local-story")}, {"updates": [update("local-story", "a0", "RUNNING", 1)]}):
        refused("invalid_argument", server.call, TRACKED, "ReportActions", request)


def main():
    with Server() as server:
        for scenario in (the_story_of_a_run, reports_are_idempotent,
                         children_of_a_retried_parent_begin_again, one_bad_update_does_not_stop_the_others,
                         an_abort_reaches_everything_and_ends_the_reports, they_are_never_started_here,
                         both_services_show_them_and_only_them, names_are_made_and_checked):
            scenario(server)
            eventually(lambda: server.process.poll() is None, "the server lives")


if __name__ == "__main__":
    main()
