#!/usr/bin/env python3
"""Abort takes down the whole tree: rows at once, processes within the grace period, also those that ignore SIGTERM."""
from harness import (ACTIONS, FOLDER, RUNS, Server, action_id, check, eventually, process_alive, refused, run_id, shell_task)

STUBBORN = f"""trap '' TERM
echo $$ >> {FOLDER}/pids
sh -c 'trap "" TERM; echo $$ >> {FOLDER}/pids; while :; do sleep 0.2; done' &
setsid sh -c 'echo $$ >> {FOLDER}/pids; while :; do sleep 0.2; done' &
while :; do sleep 0.2; done"""


def pids():
    path = FOLDER / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def enqueue(server, run, name, parent, script):
    base = server.run_action(run)
    task = shell_task(script)
    server.call(ACTIONS, "Enqueue", {"action": {
        "actionId": action_id(run, name), "parentActionName": parent, "runOutputBase": "s3://mayfly/out/",
        "inputUri": "s3://mayfly/in/inputs.pb", "task": {"id": task["taskTemplate"]["id"], "spec": task}}})
    return base


with Server("--abort-grace", "1s", "--cpus", "16") as server:
    run = server.create_run(shell_task(STUBBORN))
    enqueue(server, run, "child", "a0", STUBBORN)
    enqueue(server, run, "grandchild", "child", STUBBORN)
    refused("already_exists", enqueue, server, run, "child", "a0", STUBBORN)
    refused("not_found", enqueue, server, run, "orphan", "nobody", STUBBORN)
    eventually(lambda: len(pids()) == 9, "nine processes run")
    check(all(process_alive(pid) for pid in pids()), "they are alive")

    server.call(RUNS, "AbortRun", {"runId": run_id(run), "reason": "enough"})
    for name in ("a0", "child", "grandchild"):
        details = server.call(RUNS, "GetActionDetails", {"actionId": action_id(run, name)})["details"]
        check(details["status"]["phase"] == "ACTION_PHASE_ABORTED", f"{name}: {details['status']}")
    check(server.run_action(run)["abortInfo"]["reason"] == "enough", server.run_action(run))
    eventually(lambda: not any(process_alive(pid) for pid in pids()), "every process of the tree is gone", 15)
    refused("aborted", enqueue, server, run, "late", "a0", "true")

    # Aborting what has ended changes nothing.
    server.call(RUNS, "AbortRun", {"runId": run_id(run), "reason": "again"})
    check(server.run_action(run)["abortInfo"]["reason"] == "enough", "the reason of the first abort stays")

    # An abort that the server could not carry out before it was killed is carried out after its restart.
    (FOLDER / "pids").unlink()
    run = server.create_run(shell_task(STUBBORN))
    eventually(lambda: len(pids()) == 3, "three processes run")
    server.call(RUNS, "AbortRun", {"runId": run_id(run)})
    server.kill()
    server.start()
    eventually(lambda: not any(process_alive(pid) for pid in pids()), "they are gone after the restart", 20)
    check(server.phase(run) == "ACTION_PHASE_ABORTED", server.phase(run))

    # One that ends by itself takes its open children with it.
    (FOLDER / "pids").unlink()
    gate = FOLDER / "gate"
    run = server.create_run(shell_task(f"while [ ! -e {gate} ]; do sleep 0.05; done"))
    enqueue(server, run, "child", "a0", STUBBORN)
    eventually(lambda: len(pids()) == 3, "the child runs")
    gate.touch()
    check(server.wait_run(run)["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", "the parent ends well")
    eventually(lambda: not any(process_alive(pid) for pid in pids()), "its forgotten child is gone", 15)
