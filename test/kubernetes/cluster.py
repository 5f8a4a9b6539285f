"""A cluster on this machine: the real etcd, kube-apiserver and kube-controller-manager (cluster/main.go), started on
loopback with certificates of their own, below one temporary folder. There are no nodes: who needs pods to run starts
a runner."""

import base64
import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "build" / "kubernetes" / "cluster"
TOKEN = "test-admin"
NOBODY = "test-nobody"  # signed in, and may do nothing
START_SECONDS = 120


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Cluster:
    """Use as a context manager. kubeconfig is the path of a file that makes its reader an administrator."""

    token = TOKEN

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.etcd_port = free_port()
        self.processes = {}
        self.local = threading.local()
        self.kubeconfig = self.folder / "kubeconfig"

    # ---- start and stop ----

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.make_certificates()
        (self.folder / "tokens.csv").write_text(f"{TOKEN},admin,1,system:masters\n{NOBODY},nobody,2,\n")
        self.write_kubeconfig()
        try:
            self.start_etcd()
            self.start_apiserver()
            self.start_controllers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in ("kube-controller-manager", "kube-apiserver", "etcd"):
            self.stop(name)

    def stop(self, name, sig=signal.SIGKILL):
        process = self.processes.pop(name, None)
        if process:
            process.send_signal(sig)
            process.wait()

    def start(self, name, *flags):
        log = open(self.folder / f"{name}.log", "ab")
        self.processes[name] = subprocess.Popen([str(BINARY), name, *flags], stdout=log, stderr=log, cwd=self.folder)
        log.close()

    def start_etcd(self):
        url = f"http://127.0.0.1:{self.etcd_port}"
        peer = f"http://127.0.0.1:{free_port()}"
        self.start("etcd", f"--data-dir={self.folder}/etcd", f"--listen-client-urls={url}",
                   f"--advertise-client-urls={url}", f"--listen-peer-urls={peer}",
                   f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
                   "--log-level=warn", "--quota-backend-bytes=4294967296")

    def start_apiserver(self):
        f = self.folder
        self.start("kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
                   "--bind-address=127.0.0.1", f"--secure-port={self.port}", "--advertise-address=127.0.0.1",
                   f"--tls-cert-file={f}/server.crt", f"--tls-private-key-file={f}/server.key",
                   f"--client-ca-file={f}/ca.crt", f"--token-auth-file={f}/tokens.csv",
                   f"--service-account-key-file={f}/server.key", f"--service-account-signing-key-file={f}/server.key",
                   "--service-account-issuer=https://test", "--authorization-mode=RBAC",
                   "--service-cluster-ip-range=10.0.0.0/24", "--disable-admission-plugins=ServiceAccount",
                   "--endpoint-reconciler-type=none", "--max-requests-inflight=400")
        self.wait_until(self.is_ready, "kube-apiserver is ready")

    def start_controllers(self):
        self.start("kube-controller-manager", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false",
                   "--controllers=garbagecollector,namespace,resourcequota", "--bind-address=127.0.0.1",
                   f"--secure-port={free_port()}", "--concurrent-gc-syncs=40", "--kube-api-qps=2000",
                   "--kube-api-burst=4000")

    def is_ready(self):
        process = self.processes["kube-apiserver"]
        if process.poll() is not None:
            raise RuntimeError(f"kube-apiserver has ended with {process.returncode}:\n" + self.log("kube-apiserver"))
        try:
            return self.request("GET", "/readyz", raw=True)[0] == 200
        except OSError:
            return False

    def log(self, name, size=3000):
        return (self.folder / f"{name}.log").read_text(errors="replace")[-size:]

    @staticmethod
    def wait_until(condition, what, seconds=START_SECONDS):
        deadline = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds} s: {what}")
            time.sleep(0.05)

    # ---- credentials ----

    def openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE)

    def make_certificates(self):
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt",
                     "-days", "2", "-subj", "/CN=test-ca")
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr",
                     "-subj", "/CN=127.0.0.1")
        (self.folder / "server.ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        self.openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                     "-days", "2", "-extfile", "server.ext", "-out", "server.crt")

    def write_kubeconfig(self, path=None, token=TOKEN, context="test"):
        ca = base64.b64encode((self.folder / "ca.crt").read_bytes()).decode()
        (path or self.kubeconfig).write_text(f"""apiVersion: v1
kind: Config
clusters:
- name: test
  cluster:
    server: https://127.0.0.1:{self.port}
    certificate-authority-data: {ca}
users:
- name: someone
  user:
    token: {token}
contexts:
- name: {context}
  context:
    cluster: test
    user: someone
current-context: {context}
""")

    # ---- requests, for tests ----

    def connect(self, timeout=30):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout,
                                           context=ssl.create_default_context(cafile=self.folder / "ca.crt"))

    def request(self, method, path, body=None, content_type="application/json", token=TOKEN, raw=False):
        """(status, decoded body). Each thread keeps its connection."""
        text = None if body is None else json.dumps(body)
        headers = {"authorization": f"Bearer {token}", "content-type": content_type}
        answer, data = self.exchange(method, path, text, headers)
        if raw:
            return answer.status, data
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.status, json.loads(data) if is_json else {"message": data.decode(errors="replace")}

    def exchange(self, method, path, text, headers):
        kept = getattr(self.local, "connection", None)
        self.local.connection = None
        for connection in ([kept] if kept else []) + [self.connect()]:
            try:
                connection.request(method, path, body=text, headers=headers)
                answer = connection.getresponse()
                data = answer.read()
                self.local.connection = connection
                return answer, data
            except (OSError, http.client.HTTPException):
                connection.close()
                if connection is not kept:
                    raise

    def must(self, method, path, body=None, **more):
        status, answer = self.request(method, path, body, **more)
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {answer.get('message')}")
        return answer


if __name__ == "__main__":
    import tempfile
    with tempfile.TemporaryDirectory() as scratch, Cluster(scratch) as cluster:
        print(cluster.kubeconfig, flush=True)
        sys.stdin.read()
