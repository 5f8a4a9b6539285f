#!/usr/bin/env python3
"""Runs every test/scenario/*_test.py and prints "N passed, N failed".

    test/scenario/run.py MAYFLY [names of scenarios, without _test.py]

A scenario is a program of its own (Python's standard library, or build/venv when its first line says so with
"# venv"). It gets the path of the server's binary in MAYFLY and a private folder in SCENARIO_DIR, and exits with 0.
"""
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LIMIT_SECONDS = 180


def interpreter(path: Path) -> str:
    needs_venv = any(line.strip() == "# venv" for line in path.read_text().splitlines()[:3])
    if not needs_venv:
        return sys.executable
    subprocess.run([ROOT / "scripts" / "venv.sh", "sdk"], check=True)
    return str(ROOT / "build" / "venv" / "bin" / "python")


def kill_left_over(folder: str) -> None:
    """Ends what a failed scenario has left running: the tasks of a killed server live on, and all name the folder."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if folder.encode() in (process / "cmdline").read_bytes():
                os.kill(int(process.name), 9)
        except OSError:
            pass  # it has ended meanwhile


def run(path: Path, mayfly: str) -> bool:
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mayfly-scenario-") as folder:
        env = os.environ | {"MAYFLY": mayfly, "SCENARIO_DIR": folder, "PYTHONPATH": str(HERE)}
        process = subprocess.Popen([interpreter(path), str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, errors="replace", env=env, cwd=ROOT, start_new_session=True)
        try:
            output, _ = process.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output, _ = process.communicate()
            output += f"\nstopped after {LIMIT_SECONDS} s"
        kill_left_over(folder)
    ok = process.returncode == 0
    print(f"{'PASS' if ok else 'FAIL'} {path.stem} ({time.monotonic() - begin:.1f}s)", flush=True)
    if not ok:
        print("\n".join("  | " + line for line in output.splitlines()[-60:]), flush=True)
    return ok


def main() -> int:
    mayfly = str(Path(sys.argv[1]).resolve())
    names = sys.argv[2:]
    paths = [p for p in sorted(HERE.glob("*_test.py")) if not names or p.stem.removesuffix("_test") in names]
    results = [run(path, mayfly) for path in paths]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
