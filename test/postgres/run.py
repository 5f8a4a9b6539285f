#!/usr/bin/env python3
"""Everything that has to do with the database, on a PostgreSQL server: unit tests and scenarios.

    test/postgres/run.py BUILD      a build directory; prints "N passed, N failed"
"""
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from server import Database

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("store/", "services/", "schedule/", "objects/", "exec/")


def units(build):
    listed = subprocess.run(["meson", "introspect", "--tests", build], check=True, capture_output=True, text=True).stdout
    names = [test["name"] for test in json.loads(listed) if test["name"].startswith(LAYERS)]
    with tempfile.TemporaryDirectory(prefix="mayfly-postgres-") as folder, Database(Path(folder) / "pg") as server:
        env = os.environ | {"MAYFLY_TEST_POSTGRES": server.url("test")}
        return run(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs", *names], env)


def run(words, env):
    done = subprocess.run(words, check=False, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace")
    print(done.stdout, flush=True)
    return done.returncode, done.stdout


def main():
    build = str(Path(sys.argv[1]).resolve())
    code, output = units(build)
    ok = sum(map(int, re.findall(r"^Ok: +(\d+)", output, re.M)))
    bad = sum(map(int, re.findall(r"^(?:Fail|Timeout|Unexpected Pass): +(\d+)", output, re.M)))
    bad += code != 0 and bad == 0
    code, output = run([ROOT / "test/scenario/run.py", f"{build}/src/mayfly", "--postgres"], os.environ)
    found = re.findall(r"(\d+) passed, (\d+) failed", output)
    more_ok, more_bad = map(int, found[-1]) if found else (0, 1)
    print(f"{ok + more_ok} passed, {bad + more_bad} failed")
    return 0 if ok and bad + more_bad == 0 and code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
