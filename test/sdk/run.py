#!/usr/bin/env python3
"""Runs the acceptance kit (the real flyte CLI and SDK) against a server of its own.

    test/sdk/run.py MAYFLY [arguments for run_acceptance.py, such as --only hello,abort -v]

The server gets a free loopback port, an empty data directory and build/venv/bin first on its PATH. Scenarios of services
that are not served yet are left out (LATER).
"""
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VENV = ROOT / "build" / "venv"
LATER = ["trigger_cron", "trigger_rate", "trigger_manual", "trigger_created", "secrets"]
READY_SECONDS = 30


def start(mayfly: str, data: Path, log) -> tuple[subprocess.Popen, str]:
    env = os.environ | {"PATH": f"{VENV}/bin:{os.environ['PATH']}"}
    server = subprocess.Popen([mayfly, "serve", "--listen", "127.0.0.1:0", "--data-dir", str(data)],
                              stdout=subprocess.PIPE, stderr=log, text=True, env=env)
    timer = threading.Timer(READY_SECONDS, server.kill)
    timer.start()
    line = server.stdout.readline()
    timer.cancel()
    if not line.startswith("ready "):
        server.kill()
        raise SystemExit(f"the server did not become ready: {line!r}")
    return server, line.split()[1]


def client_env(data: Path) -> list[str]:
    """The lines "export NAME=value" that the server leaves for clients which read storage directly."""
    arguments = []
    for line in (data / "client.env").read_text().splitlines():
        line = line.removeprefix("export ").strip()
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            value = value.strip("'\"")
            arguments += ["--client-env", f"{name}={value}"]
    return arguments


def main() -> int:
    mayfly = str(Path(sys.argv[1]).resolve())
    subprocess.run([ROOT / "scripts" / "venv.sh", "kit"], check=True)
    with tempfile.TemporaryDirectory(prefix="mayfly-sdk-") as folder:
        data = Path(folder) / "data"
        log_file = Path(folder) / "server.log"
        with open(log_file, "w", encoding="utf-8") as log:
            server, url = start(mayfly, data, log)
            try:
                kit = subprocess.run([VENV / "bin" / "python", HERE / "run_acceptance.py", "--endpoint", url, "--jobs", "2",
                                      "--skip", ",".join(LATER), *client_env(data), *sys.argv[2:]], check=False)
                code = kit.returncode
            finally:
                server.send_signal(signal.SIGTERM)
                try:
                    ended = server.wait(60)
                except subprocess.TimeoutExpired:
                    server.kill()
                    ended = server.wait()
        if code or ended:
            print(f"server exit code {ended}; end of its log:", file=sys.stderr)
            print("".join(log_file.read_text(errors="replace").splitlines(keepends=True)[-60:]), file=sys.stderr)
        return code or ended


if __name__ == "__main__":
    sys.exit(main())
