"""What the scenarios share: a server of their own, calls in Connect's JSON, streams, and waiting for conditions."""
import contextlib
import hashlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import struct
import subprocess
import threading
import time
from pathlib import Path

MAYFLY = os.environ["MAYFLY"]
FOLDER = Path(os.environ["SCENARIO_DIR"])
PROJECT, DOMAIN = "flytesnacks", "development"
RUNS = "flyteidl2.workflow.RunService"
ACTIONS = "flyteidl2.actions.ActionsService"
READY_SECONDS = 30
POSTGRES = os.environ.get("SCENARIO_POSTGRES")
FINAL = {"ACTION_PHASE_SUCCEEDED", "ACTION_PHASE_FAILED", "ACTION_PHASE_ABORTED", "ACTION_PHASE_TIMED_OUT",
         "ACTION_PHASE_RECOVERED"}


class CallError(Exception):
    """An answer that is an error: its code and message, and the HTTP status."""

    def __init__(self, status, code, message):
        super().__init__(f"{code} ({status}): {message}")
        self.status, self.code, self.message = status, code, message


def eventually(condition, what, seconds=30.0):
    """Calls condition until it gives something true, and returns that; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(0.02)


def psql(url, text):
    """What statements print, a line for each row."""
    done = subprocess.run([os.environ["PSQL"], "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", text],
                          check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{text}: {done.stderr}"
    return done.stdout.splitlines()


class Server:
    """A server in the scenario's folder; the data directory outlives a kill, so that start() again continues."""

    def __init__(self, *flags, name="server", env=None, database=None):
        self.flags = [str(flag) for flag in flags]
        self.data = FOLDER / name
        self.log_path = FOLDER / f"{name}.log"
        self.env = env or {}
        self.process = None
        self.url = self.host = None
        self.port = 0
        self.database = database
        if POSTGRES and not database:  # a database of its own on the server that run.py has started
            name = f"s{hashlib.sha256(str(self.data).encode()).hexdigest()[:16]}"
            self.database = f"{POSTGRES}/{name}"
            if not psql(f"{POSTGRES}/postgres", f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
                psql(f"{POSTGRES}/postgres", f"CREATE DATABASE {name}")
        self.store = ["--store", self.database] if self.database else []  # for other commands of the same server

    def start(self):
        with open(self.log_path, "ab") as log:
            # The same port at every start: clients and running tasks find the server again.
            self.process = subprocess.Popen(
                [MAYFLY, "serve", "--data-dir", self.data, "--listen", f"127.0.0.1:{self.port}", *self.store,
                 *self.flags],
                stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ | self.env)
        timer = threading.Timer(READY_SECONDS, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if not line.startswith("ready "):
            self.process.wait()
            raise AssertionError(f"the server did not become ready: {line!r}\n{self.log()}")
        self.url = line.split()[1]
        self.host, port = self.url.split("//")[1].rsplit(":", 1)
        self.port = int(port)
        return self

    def sql(self, text):
        """Rows of the database as tuples of texts, read or written beside the server."""
        if self.database:
            return [tuple(line.split("|")) for line in psql(self.database, text)]
        database = sqlite3.connect(self.data / "mayfly.db", timeout=30)
        try:
            with database:
                return [tuple(str(value) for value in row) for row in database.execute(text)]
        finally:
            database.close()

    def blob(self, digits):
        """Bytes, as sql() takes them."""
        return f"'\\x{digits}'::bytea" if self.database else f"x'{digits}'"

    def log(self):
        return self.log_path.read_text(errors="replace")[-8000:]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=60):
        """SIGTERM; the exit code must be 0."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        assert code == 0, f"exit code {code} after SIGTERM\n{self.log()}"

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if self.process.poll() is not None:
            if kind is None and self.process.returncode not in (0, -9):
                raise AssertionError(f"the server has ended with {self.process.returncode}\n{self.log()}")
            return
        if kind is None:
            self.stop()
        else:
            self.kill()
            print(self.log())

    # ---- calls ----

    def request(self, method, path, body=b"", headers=None, timeout=30):
        """One plain HTTP request on a connection of its own: (status, headers, body)."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def call(self, service, method, message=None, timeout=30):
        """A unary call; the answer's message, or CallError."""
        status, _, body = self.request("POST", f"/{service}/{method}", json.dumps(message or {}),
                                       {"content-type": "application/json"}, timeout)
        answer = json.loads(body) if body else {}
        if status != 200:
            raise CallError(status, answer.get("code"), answer.get("message"))
        return answer

    @contextlib.contextmanager
    def stream(self, service, method, message, timeout=30):
        """A server stream: gives an iterator over messages; its end is the clean end, CallError the other one."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        body = json.dumps(message).encode()
        connection.request("POST", f"/{service}/{method}", struct.pack(">BI", 0, len(body)) + body,
                           {"content-type": "application/connect+json"})
        try:
            yield self._messages(connection.getresponse())
        finally:
            connection.close()

    @staticmethod
    def _messages(response):
        while True:
            head = response.read(5)
            if len(head) < 5:
                raise CallError(response.status, "unavailable", "the stream broke off")
            flags, size = struct.unpack(">BI", head)
            message = json.loads(response.read(size))
            if flags & 2:
                if "error" in message:
                    raise CallError(response.status, message["error"]["code"], message["error"].get("message"))
                return
            yield message

    # ---- runs ----

    def create_run(self, spec, name=None, **more):
        request = {"taskSpec": spec, "inputs": {}, **more}
        if name:
            request["runId"] = {"project": PROJECT, "domain": DOMAIN, "name": name}
        else:
            request["projectId"] = {"name": PROJECT, "domain": DOMAIN}
        return self.call(RUNS, "CreateRun", request)["run"]["action"]["id"]["run"]["name"]

    def run_action(self, name):
        """The root action of a run, as GetRunDetails shows it."""
        return self.call(RUNS, "GetRunDetails", {"runId": run_id(name)})["details"]["action"]

    def phase(self, name):
        return self.run_action(name)["status"]["phase"]

    def wait_run(self, name, seconds=60):
        """Waits for a final phase and returns the root action's details."""
        def final():
            action = self.run_action(name)
            return action if action["status"].get("phase") in FINAL else None
        return eventually(final, f"{name} has ended", seconds)

    def list_runs(self, **more):
        """All runs of the project, page by page."""
        runs, token = [], ""
        while True:
            page = self.call(RUNS, "ListRuns", {
                "projectId": {"name": PROJECT, "domain": DOMAIN}, "request": {"limit": 100, "token": token, **more}})
            runs += page.get("runs", [])
            token = page.get("token", "")
            if not token:
                return runs


def run_id(name):
    return {"project": PROJECT, "domain": DOMAIN, "name": name}


def action_id(run, name="a0"):
    return {"run": run_id(run), "name": name}


def shell_task(script, retries=0, name="shell", **metadata):
    """A task that runs a shell script: all that the executor needs, without Python."""
    template = {
        "id": {"resourceType": "TASK", "project": PROJECT, "domain": DOMAIN, "name": name, "version": "v1"},
        "type": "raw-shell",
        "metadata": {"retries": {"retries": retries}, **metadata},
        "interface": {},
        "container": {"image": "none", "command": ["/bin/sh", "-c", script], "args": [],
                      "resources": {"requests": [{"name": "CPU", "value": "10m"}]}},
    }
    return {"taskTemplate": template}


def process_alive(pid):
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def raw_connection(server):
    connection = socket.create_connection((server.host, server.port), timeout=30)
    connection.settimeout(30)
    return connection


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def refused(expected, function, *arguments, **named):
    """The call must fail with that code; returns the message."""
    try:
        answer = function(*arguments, **named)
    except CallError as error:
        check(error.code == expected, f"expected {expected}, got {error}")
        return error.message or ""
    raise AssertionError(f"expected {expected}, got the answer {answer!r}")
