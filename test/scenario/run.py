#!/usr/bin/env python3
"""Runs every test/scenario/*_test.py, some at once, and prints "N passed, N failed".

    test/scenario/run.py MAYFLY [--postgres] [names of scenarios, without _test.py]

With --postgres every server keeps its state in a database of its own on a PostgreSQL server that is started for them.

A scenario is a program of its own (Python's standard library, or build/venv when its first line says so with
"# venv"). It gets the path of the server's binary in MAYFLY and a private folder in SCENARIO_DIR, and exits with 0.
"""
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LIMIT_SECONDS = 180
OF_FILES = {"deploy_test"}  # has nothing to do with the database
OF_SERVERS = {"postgres_test"}  # is about PostgreSQL
AT_ONCE = 3  # most of the time a scenario waits for something
LONG = {"schedule_test"}  # begun first, so that nobody waits for it at the end


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


def run(path: Path, mayfly: str, more: dict[str, str]) -> bool:
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mayfly-scenario-") as folder:
        env = os.environ | {"MAYFLY": mayfly, "SCENARIO_DIR": folder, "PYTHONPATH": str(HERE)} | more
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
    lines = [f"{'PASS' if ok else 'FAIL'} {path.stem} ({time.monotonic() - begin:.1f}s)"]
    if not ok:
        lines += ["  | " + line for line in output.splitlines()[-60:]]
    print("\n".join(lines), flush=True)
    return ok


@contextlib.contextmanager
def database(wanted: bool):
    """A PostgreSQL server for all of them, each of which has databases of its own there."""
    if not wanted:
        yield {}
        return
    sys.path.append(str(ROOT / "test" / "postgres"))
    from server import Database
    with tempfile.TemporaryDirectory(prefix="mayfly-postgres-") as folder, Database(Path(folder) / "pg") as server:
        yield {"SCENARIO_POSTGRES": f"postgres://mayfly@127.0.0.1:{server.port}", "PSQL": str(server.programs / "psql"),
               "PYTHONPATH": f"{HERE}:{ROOT / 'test' / 'postgres'}"}


def main() -> int:
    mayfly = str(Path(sys.argv[1]).resolve())
    with_postgres = sys.argv[2:3] == ["--postgres"]
    names = sys.argv[3 if with_postgres else 2:]
    paths = [p for p in sorted(HERE.glob("*_test.py")) if not names or p.stem.removesuffix("_test") in names]
    paths = [p for p in paths if p.stem not in (OF_FILES if with_postgres else OF_SERVERS)]
    paths.sort(key=lambda path: path.stem not in LONG)
    for python in {interpreter(path) for path in paths}:  # made before two of them want it at once
        print(f"with {python}", flush=True)
    with database(with_postgres) as more, ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda path: run(path, mayfly, more), paths))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
