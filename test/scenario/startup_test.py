#!/usr/bin/env python3
"""How the server starts and ends: the ready line, the lock, wrong usage, health pages, SIGTERM with open streams."""
import json
import os
import signal
import subprocess
import threading

from harness import ACTIONS, FOLDER, MAYFLY, RUNS, Server, action_id, check, eventually, run_id, shell_task


def run(*arguments, **env):
    return subprocess.run([MAYFLY, *arguments], capture_output=True, text=True, timeout=30, check=False,
                          env=os.environ | env)


with Server() as server:
    # A second server on the same data directory is refused, and says who has it.
    second = run("serve", "--data-dir", str(server.data), "--listen", "127.0.0.1:0")
    check(second.returncode == 1, f"exit code {second.returncode}: {second.stderr}")
    check(str(server.process.pid) in second.stderr and "--data-dir" in second.stderr, second.stderr)

    # So is one on a port that is taken.
    other = run("serve", "--data-dir", str(FOLDER / "other"), "--listen", f"127.0.0.1:{server.port}")
    check(other.returncode == 1 and str(server.port) in other.stderr, other.stderr)

    # Wrong usage ends with 2 and names what is wrong.
    for arguments, env, word in [(["serve", "--no-such-key", "1"], {}, "no-such-key"),
                                 (["serve", "--listen", "0.0.0.0:0"], {}, "allow-unauthenticated"),
                                 (["serve"], {"MAYFLY_WRITE_BATCH": "zero"}, "WRITE_BATCH"),
                                 (["unknown"], {}, "unknown")]:
        wrong = run(*arguments, **env)
        check(wrong.returncode == 2 and word.lower() in wrong.stderr.lower(), f"{arguments}: {wrong}")

    check(server.request("GET", "/healthz")[0] == 200, "healthz")
    eventually(lambda: server.request("GET", "/readyz")[0] == 200, "readyz answers 200", 15)
    status, headers, metrics = server.request("GET", "/metrics")
    check(status == 200 and b"mayfly_commits_total" in metrics, metrics[:300])
    files = {path.name: path.stat().st_mode & 0o777 for path in server.data.iterdir()}
    check(files["s3-keys"] == 0o600 and files["client.env"] == 0o600, files)
    check(server.data.stat().st_mode & 0o777 == 0o700, oct(server.data.stat().st_mode))

    # SIGTERM with streams open: they end cleanly, the exit code is 0, and the task goes on.
    gate = FOLDER / "gate"
    name = server.create_run(shell_task(f"while [ ! -e {gate} ]; do sleep 0.05; done"))
    eventually(lambda: server.phase(name) == "ACTION_PHASE_RUNNING", "the task runs")
    begun, ends = set(), {}

    def follow(what, service, method, message):
        with server.stream(service, method, message, timeout=60) as messages:
            try:
                for count, _ in enumerate(messages, 1):
                    begun.add(what)
                    ends[what] = count
            except Exception as error:  # the test reports it
                ends[what] = error

    streams = [threading.Thread(target=follow, args=arguments) for arguments in [
        ("details", RUNS, "WatchActionDetails", {"actionId": action_id(name)}),
        ("run", RUNS, "WatchRunDetails", {"runId": run_id(name)}),
        ("children", ACTIONS, "WatchForUpdates", {"parentActionId": action_id(name)}),
    ]]
    for thread in streams:
        thread.start()

    eventually(lambda: len(begun) == 3, "three streams show where things stand")
    server.process.send_signal(signal.SIGTERM)
    for thread in streams:
        thread.join(60)
    check(server.process.wait(60) == 0, server.log())
    check(all(isinstance(end, int) and end > 0 for end in ends.values()) and len(ends) == 3, f"streams ended as {ends}")

server.start()
gate.touch()
done = server.wait_run(name)
check(done["status"]["phase"] == "ACTION_PHASE_SUCCEEDED" and done["status"]["attempts"] == 1, json.dumps(done["status"]))
server.stop()
