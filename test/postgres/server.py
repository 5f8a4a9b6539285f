"""A PostgreSQL server of a test's own, on a port of the loopback address; gone with the test.

    with Database(folder) as database:      # an empty folder of the test's
        ... database.url("name") ...        # of a database, made when it is missing
        database.kill(); database.start()
"""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

READY_SECONDS = 60


def programs():
    """The newest of those that the distribution has installed, or that is on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("postgres")
    if not found and not on_path:
        raise SystemExit("no PostgreSQL is installed; install it (Debian: postgresql)")
    return found[-1].parent if found else Path(on_path).parent


def as_somebody():
    """PostgreSQL does not run as root: words before a command that make another user run it."""
    return ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] if os.geteuid() == 0 else []


class Database:
    def __init__(self, folder, settings=()):
        self.folder = Path(folder)
        self.settings = {"fsync": "on", "max_connections": "200", "unix_socket_directories": "",
                         "listen_addresses": "127.0.0.1", **dict(settings)}
        self.programs = programs()
        self.process = None
        self.port = 0

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(self.folder, 65534, 65534)
            for parent in self.folder.parents:  # the test's own ones, which are closed to others
                if Path(tempfile.gettempdir()) in parent.parents:
                    os.chmod(parent, parent.stat().st_mode | 0o5)
        subprocess.run([*as_somebody(), self.programs / "initdb", "-D", self.folder / "data", "-U", "mayfly",
                        "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"],
                       check=True, stdout=subprocess.DEVNULL, cwd="/")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.start()
        return self

    def __exit__(self, *exception):
        self.kill(signal.SIGQUIT)

    def start(self):
        flags = [word for key, value in self.settings.items() for word in ("-c", f"{key}={value}")]
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(
            [*as_somebody(), self.programs / "postgres", "-D", self.folder / "data", "-p", str(self.port), *flags],
            stdout=log, stderr=log, cwd="/", start_new_session=True)
        log.close()
        deadline = time.monotonic() + READY_SECONDS
        while subprocess.run([self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
                             check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL does not start:\n" + (self.folder / "log").read_text()[-3000:])
            time.sleep(0.05)

    def kill(self, number=signal.SIGKILL):
        """SIGKILL ends it and all its processes as a power cut would, SIGQUIT without a last word."""
        if not self.process or self.process.poll() is not None:
            return
        processes = self.children() if number == signal.SIGKILL else []
        self.process.send_signal(number)
        for pid in processes:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        self.process.wait(60)

    def children(self):
        """Each of them leads a process group of its own."""
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(status.read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue  # it has ended meanwhile
            if parent == self.process.pid:
                found.append(int(status.parent.name))
        return found

    def stop(self, number=signal.SIGINT):
        """The way an administrator restarts it: SIGINT ends the connections, what was committed stays."""
        self.process.send_signal(number)
        self.process.wait(60)

    def run(self, sql, database="postgres"):
        """What the statements print, a line for each row."""
        done = subprocess.run([self.programs / "psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d",
                               f"postgres://mayfly@127.0.0.1:{self.port}/{database}", "-c", sql],
                              check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.splitlines()

    def url(self, name):
        if not self.run(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            self.run(f'CREATE DATABASE "{name}"')
        return f"postgres://mayfly@127.0.0.1:{self.port}/{name}"


if __name__ == "__main__":
    import sys
    with tempfile.TemporaryDirectory() as scratch, Database(Path(scratch) / "pg") as server:
        sys.exit(subprocess.run(sys.argv[1:], check=False,
                                env=os.environ | {"MAYFLY_TEST_POSTGRES": server.url("test")}).returncode)
