#!/usr/bin/env python3
"""Objects in a bucket elsewhere: the scenarios of bucket.py against two S3 servers, then a part of the acceptance kit
with the real SDK, whose tasks and clients read and write the bucket themselves. Prints "N passed, N failed".

    test/s3/run.py MAYFLY [names of scenarios, or "kit"]
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
KIT = "hello,files,dataframe,report,retry,cache,trigger_manual,rerun"
sys.path[:0] = [str(HERE), str(ROOT / "test" / "scenario")]


def run(command, env):
    """Shows the output and returns what it counts."""
    ended = subprocess.run(command, env=os.environ | env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           check=False)
    print(ended.stdout, end="", flush=True)
    found = re.findall(r"^(\d+) passed, (\d+) failed$", ended.stdout, re.M)
    ok, bad = (int(n) for n in found[-1]) if found else (0, 1)
    return ok, bad or (1 if ended.returncode else 0)


def scenarios(kind, names, env):
    with tempfile.TemporaryDirectory(prefix="mayfly-s3-") as folder:
        return run([sys.executable, HERE / "bucket.py", kind, *names], env | {"SCENARIO_DIR": folder})


def kit(env):
    with tempfile.TemporaryDirectory(prefix="mayfly-s3-") as folder:
        os.environ.update(env, SCENARIO_DIR=folder)
        from peers import Versity, environment, flags
        peer = Versity().start()
        try:
            options = dict(zip(*[iter(flags(peer))] * 2))
            variables = {"MAYFLY_" + name[2:].upper().replace("-", "_"): value for name, value in options.items()}
            keys = {"FLYTE_" + name: value for name, value in environment(peer).items()}
            clients = [word for name, value in keys.items() for word in ("--client-env", f"{name}={value}")]
            return run([ROOT / "test" / "sdk" / "run.py", env["MAYFLY"], *clients, "--only", KIT],
                       variables | environment(peer))
        finally:
            peer.kill()


def main():
    mayfly, names = str(Path(sys.argv[1]).resolve()), sys.argv[2:]
    server = subprocess.run([HERE / "server.sh"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    env = {"MAYFLY": mayfly, "VERSITYGW": server, "PYTHONPATH": os.pathsep.join(sys.path[:2])}
    counts = []
    if names != ["kit"]:
        counts += [scenarios(kind, names, env) for kind in ("versitygw", "mayfly")]
    if not names or "kit" in names:
        counts.append(kit(env))
    ok, bad = (sum(column) for column in zip(*counts))
    print(f"{ok} passed, {bad} failed")
    return 0 if ok and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
