#!/usr/bin/env python3
# venv
"""The real CLI and SDK where callers have to sign in: a parent calls back for its child, over plain HTTP."""
import json
import os
import subprocess
import sys
from pathlib import Path

from harness import DOMAIN, FINAL, FOLDER, PROJECT, RUNS, Server, action_id, check, eventually, run_id
from issuer import Issuer, Key

WORKFLOW = """
import flyte

env = flyte.TaskEnvironment(name="e")


@env.task
async def child(x: int) -> int:
    return x + 1


@env.task
async def parent(x: int) -> int:
    return await child(x) * 10
"""


def spec_of_parent(server):
    """What the CLI sends for the parent; it is run here only to be seen."""
    (FOLDER / "workflow.py").write_text(WORKFLOW)
    lines = [line for line in (server.data / "client.env").read_text().splitlines() if line.startswith("export ")]
    keys = dict(line.removeprefix("export ").replace("'", "").split("=", 1) for line in lines)
    flyte = Path(sys.executable).parent / "flyte"
    command = [flyte, "-c", server.data / "flyte.yaml", "run", "--name", "seen", "workflow.py", "parent", "--x", "1"]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | keys, cwd=FOLDER, timeout=120)
    task = server.run_action("seen")["task"]
    uris = server.call(RUNS, "GetActionDataURIs", {"actionId": action_id("seen")})
    server.call(RUNS, "AbortRun", {"runId": run_id("seen")})
    return task, uris["inputsUri"]


key = Key("key", "EC")
issuer = Issuer()
issuer.keys([key])
server = Server("--python", sys.executable, "--cpus", "8").start()
task, inputs = spec_of_parent(server)
server.stop()
server.flags += ["--auth-issuer", issuer.url, "--auth-audience", "mayfly"]
with server:
    headers = {"content-type": "application/json", "authorization": f"Bearer {key.sign(issuer.claims())}"}

    def call(method, message):
        status, _, body = server.request("POST", f"/{RUNS}/{method}", json.dumps(message), headers)
        check(status == 200, body)
        return json.loads(body)

    def ended():
        action = call("GetRunDetails", {"runId": run_id("signed-in")})["details"]["action"]
        return action if action["status"].get("phase") in FINAL else None

    offloaded = {"uri": inputs, "inputsHash": "x"}
    call("CreateRun", {"runId": run_id("signed-in"), "taskSpec": task, "offloadedInputData": offloaded})
    action = eventually(ended, "the run has ended", 120)
    check(action["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", action)
    check(action["metadata"]["executedBy"]["user"]["id"]["subject"] == "alice", action["metadata"])
    listed = call("ListActions", {"runId": run_id("signed-in"), "request": {}})["actions"]
    check(len(listed) == 2 and all(row["status"]["phase"] == "ACTION_PHASE_SUCCEEDED" for row in listed), listed)
    runs = call("ListRuns", {"projectId": {"name": PROJECT, "domain": DOMAIN}, "request": {"filters": [
        {"function": "EQUAL", "field": "created_by", "values": ["alice"]}]}})["runs"]
    check(len(runs) == 1, runs)
issuer.close()
