#!/usr/bin/env python3
"""Runs the acceptance kit (the real flyte CLI and SDK) against a server of its own.

    test/sdk/run.py MAYFLY [--sdk RELEASE] [arguments for run_acceptance.py, such as --only hello,abort -v]

RELEASE is a row of RELEASES; the newest SDK without one. The server gets a free loopback port, an empty data directory
and the environment's bin folder first on its PATH. For older SDKs the scenarios are left out that ask for what these do
not have.
"""
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
READY_SECONDS = 30


@dataclass
class Release:
    pins: str  # test/sdk/<pins>.txt, installed into
    folder: str  # build/<folder>
    without: dict[str, str] = field(default_factory=dict)  # scenario: why it cannot run there
    env: dict[str, str] = field(default_factory=dict)  # of every Python process there, tasks included

    @property
    def bin(self) -> Path:
        return ROOT / "build" / self.folder / "bin"


AS_CRON = {"trigger_rate": "a minute of waiting for what trigger_cron shows of an SDK"}
RELEASES = {
    "newest": Release("kit", "venv"),
    "rust": Release("rust", "venv-rust", {
        **AS_CRON,
        "trace": "this controller reports a failed trace as succeeded",
        "condition": "this controller has no conditions",
        "recover_parts": "this controller has no conditions",
        "cancel": "in this controller a cancelled call fails before it asks the server",
    }, {"_F_USE_RUST_CONTROLLER": "1"}),
    "2.6": Release("sdk-2.6", "venv-2.6", {
        **AS_CRON,
        "trigger_manual": "a trigger needs an automation",
        "timeout_kinds": "the SDK has one class of error for all time-outs",
    }),
    "2.3": Release("sdk-2.3", "venv-2.3", {
        **AS_CRON,
        "trigger_manual": "a trigger needs an automation",
        "timeout_kinds": "the SDK has one class of error for all time-outs",
        "trace": "the SDK reports a failed trace as succeeded",
        "condition": "the SDK's conditions have another form",
        "get_lists": "runs have no labels",
        "report": "the SDK cannot fetch a report",
        "rerun": "the CLI has no rerun",
        "recover": "the CLI has no rerun",
        "spawned": "runs have no relation",
        "recover_parts": "the CLI has no rerun",
    }),
}


def start(mayfly: str, release: Release, data: Path, log) -> tuple[subprocess.Popen, str]:
    env = os.environ | {"PATH": f"{release.bin}:{os.environ['PATH']}"}
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


def set_env(release: Release) -> None:
    """Tasks do not inherit the server's environment; what Python runs at its start sets theirs."""
    lines = [f"import os; os.environ[{name!r}] = {value!r}\n" for name, value in release.env.items()]
    for packages in (release.bin.parent / "lib").glob("python*/site-packages"):
        (packages / "kit_env.pth").write_text("".join(lines))


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
    mayfly, arguments = str(Path(sys.argv[1]).resolve()), sys.argv[2:]
    release = RELEASES["newest"]
    if arguments[:1] == ["--sdk"]:
        release, arguments = RELEASES[arguments[1]], arguments[2:]
    skip = ",".join(release.without)
    subprocess.run([ROOT / "scripts" / "venv.sh", release.pins, release.folder], check=True)
    set_env(release)
    with tempfile.TemporaryDirectory(prefix="mayfly-sdk-") as folder:
        data = Path(folder) / "data"
        log_file = Path(folder) / "server.log"
        with open(log_file, "w", encoding="utf-8") as log:
            server, url = start(mayfly, release, data, log)
            try:
                kit = subprocess.run([release.bin / "python", HERE / "run_acceptance.py", "--endpoint", url, "--jobs", "2",
                                      "--skip", skip, *client_env(data), *arguments], check=False)
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
