#!/usr/bin/env python3
"""Many triggers that are due in the same second, and a server that is killed while it fires them: one run each."""
import time

from harness import DOMAIN, PROJECT, RUNS, Server, check, eventually, shell_task
from schedules import TASKS, fire_name, instant, on_wire

COUNT = 900
TASK = "herd"
KILLS = 5


def deploy(server, due):
    at = time.gmtime(due)
    expression = f"{at.tm_sec} {at.tm_min} {at.tm_hour} {at.tm_mday} {at.tm_mon} *"
    schedule = {"cron": {"expression": expression, "timezone": "UTC"}}
    server.call(TASKS, "DeployTask", {
        "taskId": {"project": PROJECT, "domain": DOMAIN, "name": TASK, "version": "v1"},
        "spec": shell_task("true", name=TASK, runtime={"version": "2.4.0"}),
        "triggers": [{"name": f"t{i}", "spec": {"active": True},
                      "automationSpec": {"type": "TYPE_SCHEDULE", "schedule": schedule}} for i in range(COUNT)]})


def runs(server):
    found, token = [], ""
    while True:
        page = server.call(RUNS, "ListRuns", {"request": {"limit": 500, "token": token},
                                              "taskName": {"project": PROJECT, "domain": DOMAIN, "name": TASK}})
        found += [run["action"] for run in page.get("runs", [])]
        token = page.get("token", "")
        if not token:
            return found


def killed_while_it_fires(server):
    due = int(time.time()) + 3
    deploy(server, due)
    check(not runs(server), "a trigger has fired before it was due")
    seen = 0
    for _ in range(KILLS):
        seen = eventually(lambda: max(0, len(runs(server)) - seen), "it goes on") + seen
        if seen == COUNT:
            break
        server.kill()
        server.start()
    eventually(lambda: len(runs(server)) >= COUNT, "all have fired", 60)
    found = runs(server)
    names = {fire_name(TASK, due, f"t{i}"): f"t{i}" for i in range(COUNT)}
    check(len(found) == COUNT, f"{len(found)} runs of {COUNT} triggers")
    check({run["id"]["run"]["name"]: run["metadata"]["triggerName"] for run in found} == names,
          "a run has another name than its due time gives it")
    early = [run for run in found if instant(run["status"]["startTime"]) < due]
    check(not early, f"runs were made before {on_wire(due)}: {early[:3]}")


def main():
    with Server("--cpus", "64") as server:
        killed_while_it_fires(server)


if __name__ == "__main__":
    main()
