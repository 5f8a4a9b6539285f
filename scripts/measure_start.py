#!/usr/bin/env python3
"""Prints how long a server takes from exec to its ready line on an empty and on a used data directory, what it holds in
memory when idle, and the size of its binary.

    scripts/measure_start.py MAYFLY FOLDER
"""
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 7
mayfly, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2])


def start(data):
    begin = time.monotonic()
    server = subprocess.Popen([mayfly, "serve", "--listen", "127.0.0.1:0", "--data-dir", data], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    line = server.stdout.readline()
    seconds = time.monotonic() - begin
    if not line.startswith("ready "):
        raise SystemExit(f"the server did not become ready: {line!r}")
    return server, seconds * 1000


def idle_kb(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])


def stop(server):
    server.terminate()
    server.wait()


times = {"empty": [], "used": []}
memory = []
for number in range(ROUNDS):
    for kind in times:
        server, ms = start(folder / f"data{number}")
        times[kind].append(ms)
        memory.append(idle_kb(server.pid))
        stop(server)
for kind, values in times.items():
    print(f"ready      {kind} data directory: min {min(values):.0f}, median {statistics.median(values):.0f}, "
          f"max {max(values):.0f} ms")
print(f"memory     idle: median {statistics.median(memory) / 1024:.1f} MB")
print(f"binary     {mayfly.stat().st_size / 1e6:.2f} MB")
