#!/usr/bin/env python3
"""Runs all checks, or those named on the command line, and prints "N passed, N failed" at the end.

A step is a command. Its output goes to build/test-logs/<step>.log. A step may count: the last "N passed, N failed" (or
the summary of meson) in its output; otherwise it counts as one. A step whose command fails has failed at least once.
"""
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "test-logs"
DEPS = f"-Ddeps_dir={ROOT}/build/deps"
SANITIZE = "-Db_sanitize=address,undefined -Db_lundef=false"
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


@dataclass
class Step:
    name: str
    text: str
    command: str
    minutes: float
    env: dict = field(default_factory=dict)


STEPS = [
    Step("fmt", "sources are formatted", "scripts/format.sh --check", 1),
    Step("gcc", "release build, gcc, warnings are errors", "MESON_ARGS=-Dwerror=true scripts/build.sh", 10),
    Step("clang", "build with clang and sanitizers, warnings are errors",
         f"test -f build/sanitize/build.ninja || CC=clang CXX=clang++ meson setup build/sanitize -Dwerror=true {SANITIZE} {DEPS};"
         " ninja -C build/sanitize --quiet", 10),
    Step("unit", "unit tests under the sanitizers",
         "meson test -C build/sanitize --no-rebuild --print-errorlogs --num-processes 2 --timeout-multiplier 3", 10,
         SANITIZER_ENV),
    Step("sim", "the scheduler in simulated worlds; the same seed gives the same history",
         "ninja -C build/sanitize --quiet test/sim/schedule-sim && sim=build/sanitize/test/sim/schedule-sim"
         " && $sim --seed 1000 --seeds 3 --years 1 --twice && $sim --seeds 20 --years 2", 5, SANITIZER_ENV),
    Step("cron", "cron expressions against the Go library of the reference", "test/cron-differential/run.sh build/sanitize", 10,
         SANITIZER_ENV),
    Step("docs", "pages made from tables are up to date, the checklist names tests that are there",
         "for page in configuration metrics policies cli; do build/mayfly config docs $page | cmp - docs/$page.md || exit 1; done"
         " && scripts/checklist.py", 1),
    Step("protobuf", "Protocol Buffers conformance suite", "test/protobuf-conformance/run.sh", 10),
    Step("connect", "Connect conformance suite", "test/conformance/run.sh", 10),
    Step("scenario", "scenarios against the sanitizer build", "test/scenario/run.py build/sanitize/src/mayfly", 12,
         SANITIZER_ENV),
    Step("postgres", "unit tests and scenarios with the state in PostgreSQL, which is killed and taken away",
         "test/postgres/run.py build/sanitize", 12, SANITIZER_ENV),
    Step("kubernetes", "the executor on Kubernetes against a real API server, if it can be built in time",
         "test/kubernetes/run.py build/sanitize/src/mayfly --build-seconds 240", 18, SANITIZER_ENV),
    Step("s3", "objects in a bucket elsewhere: on two S3 servers, and by the real SDK", "test/s3/run.py build/mayfly", 10),
    Step("sdk", "the real SDK and CLI against the release build", "test/sdk/run.py build/mayfly", 15),
    Step("sdk-rust", "the SDK with its controller in Rust, over gRPC", "test/sdk/run.py build/mayfly --sdk rust", 15),
    Step("sdk-2.6", "an older SDK", "test/sdk/run.py build/mayfly --sdk 2.6", 15),
    Step("sdk-2.3", "the oldest SDK that has to go on working", "test/sdk/run.py build/mayfly --sdk 2.3", 15),
]


def counts(output: str, code: int) -> tuple[int, int]:
    found = re.findall(r"(\d+) passed, (\d+) failed", output)
    ok, bad = (int(n) for n in found[-1]) if found else (0, 0)
    if not found and re.search(r"^Ok: +\d+", output, re.M):  # meson test
        table = {word: int(n) for word, n in re.findall(r"^([A-Z][A-Za-z ]*): +(\d+)", output, re.M)}
        ok = table.get("Ok", 0) + table.get("Expected Fail", 0)
        bad = table.get("Fail", 0) + table.get("Timeout", 0) + table.get("Unexpected Pass", 0)
    if code != 0 and bad == 0:
        bad = 1
    if code == 0 and ok + bad == 0:
        ok = 1
    return ok, bad


def run(step: Step) -> tuple[int, int]:
    log = LOGS / f"{step.name}.log"
    begin = time.monotonic()
    print(f"-- {step.name:9} {step.text} ...", flush=True)
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen(["sh", "-c", step.command], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL, env=os.environ | step.env, start_new_session=True)
        try:
            code = process.wait(step.minutes * 60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            code = 124
            out.write(f"\nstopped after {step.minutes} minutes\n")
        except BaseException:
            os.killpg(process.pid, 9)
            raise
    text = log.read_text(encoding="utf-8", errors="replace")
    ok, bad = counts(text, code)
    verdict = "ok" if not bad else "FAILED"
    print(f"   {step.name:9} {verdict}: {ok} passed, {bad} failed ({time.monotonic() - begin:.0f} s)", flush=True)
    if bad:
        print(f"   ---- end of {log.relative_to(ROOT)}")
        for line in text.splitlines()[-40:]:
            print("   | " + line)
    return ok, bad


def main() -> int:
    names = sys.argv[1:]
    if names == ["--list"]:
        for step in STEPS:
            print(f"{step.name:9} {step.text}")
        return 0
    unknown = set(names) - {step.name for step in STEPS}
    if unknown:
        print(f"no such step: {' '.join(sorted(unknown))}; --list shows them", file=sys.stderr)
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    total_ok = total_bad = 0
    for step in STEPS:
        if not names or step.name in names:
            ok, bad = run(step)
            total_ok += ok
            total_bad += bad
    print(f"{total_ok} passed, {total_bad} failed")
    return 0 if total_ok and not total_bad else 1


if __name__ == "__main__":
    sys.exit(main())
