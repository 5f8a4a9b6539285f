#!/usr/bin/env python3
"""kill -9 of the server while fifty runs are being created and ten are running.

After the restart every acknowledged run is there exactly once, whatever was running ends well, and no task has run
twice: each writes a line when it starts.
"""
import threading
from http.client import HTTPException

from harness import FOLDER, CallError, Server, check, eventually, shell_task

RUNNING, CREATING = 10, 50


def started(name):
    path = FOLDER / f"{name}.started"
    return path.read_text().count("\n") if path.exists() else 0


def task(name, script="true"):
    return shell_task(f"echo $$ >> {FOLDER}/{name}.started; {script}")


server = Server("--cpus", "64").start()
gate = FOLDER / "gate"
running = [f"running{i}" for i in range(RUNNING)]
for name in running:
    server.create_run(task(name, f"while [ ! -e {gate} ]; do sleep 0.1; done"), name)
eventually(lambda: all(started(name) == 1 for name in running), "ten tasks run")

acknowledged, lock = [], threading.Lock()
some_created = threading.Event()


def create(first):
    """Creates runs one after the other until the server is gone."""
    number = first
    try:
        while True:
            name = f"created{number}"
            server.create_run(task(name), name)
            with lock:
                acknowledged.append(name)
                if len(acknowledged) >= CREATING:
                    some_created.set()
            number += 5
    except (OSError, HTTPException, CallError):
        some_created.set()


creators = [threading.Thread(target=create, args=(first,)) for first in range(5)]
for thread in creators:
    thread.start()
check(some_created.wait(60), f"only {len(acknowledged)} runs could be created")
server.kill()
for thread in creators:
    thread.join()
check(len(acknowledged) >= CREATING, f"the server went away after {len(acknowledged)} runs\n{server.log()}")

server.start()
names = [run["action"]["id"]["run"]["name"] for run in server.list_runs()]
check(len(names) == len(set(names)), "a run is listed twice")
missing = set(acknowledged + running) - set(names)
check(not missing, f"acknowledged but lost: {sorted(missing)}")

for name in running:
    check(server.phase(name) in ("ACTION_PHASE_RUNNING", "ACTION_PHASE_QUEUED", "ACTION_PHASE_INITIALIZING"),
          f"{name} is {server.phase(name)} although its task still runs")
gate.touch()
for name in names:
    action = server.wait_run(name, 120)
    check(action["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", f"{name} ended as {action['status']}")
    check(started(name) == 1, f"{name} has run {started(name)} times")
for name in running:
    check(server.run_action(name)["status"].get("attempts") == 1, f"{name} was not found again but retried")
server.stop()
print(f"{len(names)} runs, {len(acknowledged)} acknowledged during the kill")
