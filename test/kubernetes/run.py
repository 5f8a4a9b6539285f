#!/usr/bin/env python3
"""Runs every test/kubernetes/*_test.py against a real cluster and prints "N passed, N failed".

    test/kubernetes/run.py MAYFLY [--build-seconds N] [names of tests, without _test.py]

The cluster's servers are built when they are missing (build.sh). With --build-seconds that may take no longer than N
seconds; if it would, the tests are skipped, which is said loudly and is no failure.
"""
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LIMIT_SECONDS = 600


def python():
    subprocess.run([ROOT / "scripts" / "venv.sh", "kit"], check=True)
    return str(ROOT / "build" / "venv" / "bin" / "python")


def run(path, mayfly, interpreter):
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mayfly-kubernetes-") as folder:
        env = os.environ | {"MAYFLY": mayfly, "SCENARIO_DIR": folder,
                            "PYTHONPATH": f"{HERE}:{ROOT / 'test' / 'scenario'}"}
        process = subprocess.Popen([interpreter, str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, errors="replace", env=env, cwd=ROOT, start_new_session=True)
        try:
            output, _ = process.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            output = f"stopped after {LIMIT_SECONDS} s"
        try:
            os.killpg(process.pid, 9)  # servers that a failed test has left
        except ProcessLookupError:
            pass
        process.wait()
    ok = process.returncode == 0
    print(f"{'PASS' if ok else 'FAIL'} {path.stem} ({time.monotonic() - begin:.1f}s)", flush=True)
    print("\n".join("  | " + line for line in output.splitlines()[-60:]), flush=True)
    return ok


def main():
    arguments = sys.argv[1:]
    mayfly = str(Path(arguments.pop(0)).resolve())
    seconds = []
    if arguments[:1] == ["--build-seconds"]:
        seconds = [arguments[1]]
        del arguments[:2]
    code = subprocess.run([HERE / "build.sh", *seconds], check=False).returncode
    if code == 124 and seconds:
        print(f"\n*** SKIPPED: kube-apiserver could not be built within {seconds[0]} s. ***\n"
              "*** Nothing was tested on Kubernetes. \"make test-kubernetes\" builds it whole, once. ***\n")
        print("0 passed, 0 failed")
        return 0
    if code != 0:
        return 1
    paths = [p for p in sorted(HERE.glob("*_test.py")) if not arguments or p.stem.removesuffix("_test") in arguments]
    interpreter = python()
    results = [run(path, mayfly, interpreter) for path in paths]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
