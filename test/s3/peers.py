"""S3 servers to keep objects in: versitygw, and a second mayfly with its embedded store. Both verify signatures."""
import http.client
import os
import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from harness import FOLDER, Server, check, eventually
from s3 import keys

BUCKET = "flows"


def request(url, method, body=b"", headers=None):
    """One plain HTTP request to a URL; names below localhost are this machine."""
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname.endswith("localhost") else parts.hostname
    connection = http.client.HTTPConnection(host, parts.port, timeout=30)
    try:
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body,
                           {"host": parts.netloc} | (headers or {}))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Versity:
    """A gateway to a folder. It is killed, not asked to end, at every stop."""

    def __init__(self, name="versity", *flags, scheme="http"):
        self.root = FOLDER / name
        self.scheme, self.flags = scheme, [str(flag) for flag in flags]
        self.pair = ("versity-access", "versity-secret")
        self.host = "127.0.0.1"
        with socket.socket() as probe:
            probe.bind((self.host, 0))
            self.port = probe.getsockname()[1]
        (self.root / "data" / BUCKET).mkdir(parents=True)
        (self.root / "side").mkdir()
        self.process = None

    @property
    def url(self):
        return f"{self.scheme}://{self.host}:{self.port}"

    def start(self):
        with open(self.root / "log", "ab") as log:
            self.process = subprocess.Popen(
                [os.environ["VERSITYGW"], "--port", f"{self.host}:{self.port}", "--quiet", "--keep-alive", *self.flags,
                 "posix", "--sidecar", self.root / "side", self.root / "data"],
                stdout=log, stderr=log,
                env=os.environ | {"ROOT_ACCESS_KEY": self.pair[0], "ROOT_SECRET_KEY": self.pair[1]})

        def listens():
            check(self.process.poll() is None, (self.root / "log").read_text(errors="replace"))
            try:
                socket.create_connection((self.host, self.port), 5).close()
                return True
            except ConnectionRefusedError:
                return False
        eventually(listens, "the gateway listens")
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def request(self, method, path, body=b"", headers=None, timeout=30):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)


class Second(Server):
    """Another mayfly, whose bucket is used."""

    def __init__(self):
        super().__init__("--bucket", BUCKET, name="second")

    def start(self):
        super().start()
        self.pair = keys(self.data)
        return self


def flags(peer, folder="team/a"):
    return ["--object-store", f"s3://{BUCKET}/{folder}", "--s3-endpoint", peer.url]


def environment(peer):
    return {"AWS_ACCESS_KEY_ID": peer.pair[0], "AWS_SECRET_ACCESS_KEY": peer.pair[1]}


def client(peer, name, *more, folder="team/a", env=None):
    """A server that keeps its objects with the peer."""
    return Server(*flags(peer, folder), *more, name=name, env=environment(peer) | (env or {}))


def complaint(server):
    """What a server says that does not start."""
    ended = subprocess.run([os.environ["MAYFLY"], "serve", "--data-dir", server.data, "--listen", "127.0.0.1:0",
                            *server.flags], capture_output=True, text=True, timeout=60, env=os.environ | server.env)
    check(ended.returncode in (1, 2) and not ended.stdout, f"{ended.returncode}: {ended.stdout}{ended.stderr}")
    return ended.stderr


def certificate_files(folder: Path):
    """authority.pem, and for 127.0.0.1 good.pem and expired.pem with their keys."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "authority.key", "-out", "authority.pem", "-subj", "/CN=authority",
            "-days", "2")
    (folder / "names.ext").write_text("basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name, days in (("good", "2"), ("expired", "0")):
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "authority.pem", "-CAkey", "authority.key",
                "-CAcreateserial", "-extfile", "names.ext", "-out", f"{name}.pem", "-days", days)
