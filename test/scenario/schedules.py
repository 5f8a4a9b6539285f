"""What the scenarios of schedules share: triggers of shell tasks, their due times and runs, the names of runs."""
import time
from datetime import datetime, timezone

from harness import DOMAIN, PROJECT, RUNS, eventually, shell_task

TASKS, TRIGGERS = "flyteidl2.task.TaskService", "flyteidl2.trigger.TriggerService"
EACH_SECOND = {"cron": {"expression": "* * * * * *", "timezone": "UTC"}}
PREFIX = "schedule.mayfly/"


def deploy_task(server, task, script="true", version="v1"):
    """A task of an SDK that takes the start time of its run."""
    spec = shell_task(script, name=task, runtime={"version": "2.4.0"})
    spec["taskTemplate"]["id"]["version"] = version
    server.call(TASKS, "DeployTask", {
        "taskId": {"project": PROJECT, "domain": DOMAIN, "name": task, "version": version}, "spec": spec})


def trigger_name(task, name="t"):
    return {"project": PROJECT, "domain": DOMAIN, "name": name, "taskName": task}


def deploy_trigger(server, task, schedule=None, active=True, version="v1", name="t", **policy):
    annotations = {"values": {PREFIX + key.replace("_", "-"): str(value) for key, value in policy.items()}}
    server.call(TRIGGERS, "DeployTrigger", {
        "name": trigger_name(task, name),
        "spec": {"taskVersion": version, "active": active, "runSpec": {"annotations": annotations}},
        "automationSpec": {"type": "TYPE_SCHEDULE", "schedule": schedule or EACH_SECOND}})


def schedule_task(server, task, script="true", schedule=None, **policy):
    deploy_task(server, task, script)
    deploy_trigger(server, task, schedule, **policy)


def switch(server, task, active, name="t"):
    server.call(TRIGGERS, "UpdateTriggers", {"names": [trigger_name(task, name)], "active": active})


def trigger(server, task, name="t"):
    return server.call(TRIGGERS, "GetTriggerDetails", {"name": trigger_name(task, name)})["trigger"]


def instant(text):
    """Whole seconds since 1970 of a time on the wire."""
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def on_wire(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def fire_name(task, due, name="t"):
    """The name that the run of a due time has to have (control.md 8.3)."""
    at = datetime.fromtimestamp(due, timezone.utc)
    text = f"{PROJECT}:{DOMAIN}:{task}:{name}:{at.year}:{at.month}:{at.day}:{at.hour}:{at.minute}:{at.second}"
    value = 14695981039346656037
    for byte in text.encode():
        value = (value * 1099511628211) % 2**64 ^ byte
    return f"r{value:x}"


class Fired:
    """One run of a trigger."""

    def __init__(self, run):
        action = run["action"]
        self.name = action["id"]["run"]["name"]
        self.phase = action["status"]["phase"].removeprefix("ACTION_PHASE_")
        self.source = action["metadata"].get("source")
        self.began = action["status"]["startTime"]


def runs_of(server, task, name="t"):
    """All runs of a trigger, oldest first."""
    runs, token = [], ""
    while True:
        page = server.call(RUNS, "ListRuns", {"triggerName": trigger_name(task, name),
                                              "request": {"limit": 500, "token": token}})
        runs += [Fired(run) for run in page.get("runs", [])]
        token = page.get("token", "")
        if not token:
            return sorted(runs, key=lambda run: run.began)


def wait_runs(server, task, count, seconds=30):
    def enough():
        runs = runs_of(server, task)
        return runs if len(runs) >= count else None
    return eventually(enough, f"{task} has {count} runs", seconds)


def due_of(runs, task, since, until):
    """The due seconds of runs, by their names; every run must be one of the seconds in question."""
    names = {fire_name(task, due): due for due in range(since, until + 1)}
    strangers = [run.name for run in runs if run.name not in names]
    assert not strangers, f"runs of {task} that no second from {since} to {until} explains: {strangers}"
    return sorted(names[run.name] for run in runs)


def wait_clock(seconds):
    """Until the machine's clock shows this time."""
    eventually(lambda: time.time() >= seconds, f"it is {on_wire(seconds)}", max(1.0, seconds - time.time() + 5))
