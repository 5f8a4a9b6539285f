#!/usr/bin/env python3
"""Bad input: the documented refusal, nothing changed, the server well, other clients unaffected."""
import gzip
import json
import struct

from harness import (ACTIONS, DOMAIN, PROJECT, RUNS, Server, action_id, check, eventually, raw_connection, refused, run_id,
                     shell_task)

JSON = {"content-type": "application/json"}
PROTO = {"content-type": "application/proto"}


def answer_of(connection):
    """Everything until the server closes the connection."""
    data = b""
    while True:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece


with Server("--message-bytes", "1MiB", "--header-timeout", "1s", "--body-timeout", "1s",
            "--request-timeout", "2s") as server:
    details = f"/{RUNS}/GetRunDetails"
    create = f"/{RUNS}/CreateRun"

    def post(path, body, headers):
        status, _, answer = server.request("POST", path, body, headers)
        return status, answer

    # What is no message at all.
    for path, body, headers, status, code in [
        (details, b"{", JSON, 400, "invalid_argument"),
        (details, b'{"runId":{"name":"\xff"}}', JSON, 400, "invalid_argument"),
        (details, b"\x0a\xff", PROTO, 400, "invalid_argument"),
        (details, b"\x0a\x04\x22\x02\xff\xfe", PROTO, 400, "invalid_argument"),
        (details, b"not gzip", PROTO | {"content-encoding": "gzip"}, 400, "invalid_argument"),
        (details, b"", PROTO | {"content-encoding": "snappy"}, 501, "unimplemented"),
        (details, b"{}", JSON | {"connect-timeout-ms": "soon"}, 400, "invalid_argument"),
        (details, b"{}", JSON | {"connect-protocol-version": "7"}, 400, "invalid_argument"),
        (create, b" " * (1 << 20) + b"{}", JSON, 429, "resource_exhausted"),
        (create, gzip.compress(b" " * (2 << 20) + b"{}"), JSON | {"content-encoding": "gzip"}, 429, "resource_exhausted"),
        (f"/{RUNS}/NoSuchMethod", b"{}", JSON, 404, "unimplemented"),
        ("/no.such.Service/Method", b"{}", JSON, 404, "unimplemented"),
    ]:
        got, answer = post(path, body, headers)
        check(got == status and json.loads(answer).get("code") == code,
              f"{path} {body[:40]!r} {headers}: {got} {answer[:200]!r}, expected {status} {code}")
    check(post(details, b"{}", {"content-type": "text/html"})[0] == 415, "a foreign content type")
    check(server.request("GET", create)[0] == 405, "GET of a method with effects")
    check(server.request("GET", "/nothing")[0] == 404, "an unknown page")

    # What is a message, but a wrong one: the field is named and nothing is changed.
    task = shell_task("true")
    project_id = {"name": PROJECT, "domain": DOMAIN}
    for service, method, message, code, word in [
        (RUNS, "GetRunDetails", {}, "invalid_argument", "run_id"),
        (RUNS, "GetActionDetails", {"actionId": {"name": "a0"}}, "invalid_argument", "run"),
        (RUNS, "AbortRun", {}, "invalid_argument", "run_id"),
        (RUNS, "GetRunDetails", {"runId": run_id("missing")}, "not_found", "missing"),
        (RUNS, "GetActionDetails", {"actionId": action_id("missing")}, "not_found", "missing"),
        (RUNS, "CreateRun", {"runId": run_id("Bad_Name"), "taskSpec": task}, "invalid_argument", "Bad_Name"),
        (RUNS, "CreateRun", {"runId": run_id("x" * 31), "taskSpec": task}, "invalid_argument", "30"),
        (RUNS, "CreateRun", {"projectId": {"name": "nobody", "domain": DOMAIN}, "taskSpec": task}, "not_found", "nobody"),
        (RUNS, "CreateRun", {"projectId": {"name": PROJECT, "domain": "moon"}, "taskSpec": task}, None, "moon"),
        (RUNS, "CreateRun", {"projectId": project_id}, "invalid_argument", "task"),
        (RUNS, "CreateRun", {"projectId": project_id, "taskId": {
            "project": PROJECT, "domain": DOMAIN, "name": "never.deployed", "version": "1"}}, "not_found", "never.deployed"),
        (RUNS, "ListRuns", {"projectId": project_id, "request": {"filters": [
            {"field": "shoe_size", "function": "EQUAL", "values": ["44"]}]}}, "invalid_argument", "shoe_size"),
        (RUNS, "ListRuns", {"projectId": project_id, "request": {"token": "!"}}, "invalid_argument", "token"),
        (ACTIONS, "Enqueue", {}, "invalid_argument", "action"),
        (ACTIONS, "Abort", {"actionId": action_id("missing", "a1")}, "not_found", "missing"),
        ("flyteidl2.app.AppService", "List", {}, "unimplemented", "app"),
    ]:
        try:
            answer = server.call(service, method, message)
            raise AssertionError(f"{method} {message} was accepted: {answer}")
        except Exception as error:
            if isinstance(error, AssertionError):
                raise
            check(code is None or error.code == code, f"{method} {message}: {error}, expected {code}")
            check(word in (error.message or ""), f"{method} {message}: {error} does not name {word}")
    check(server.list_runs() == [], "a refused call has left a run behind")

    # Names: the same request again is the same run, another one under its name is refused.
    server.create_run(task, "twice")
    server.create_run(task, "twice")
    refused("already_exists", server.create_run, shell_task("echo other"), "twice")
    check(len(server.list_runs()) == 1, "one name, one run")

    # Broken HTTP.
    for bytes_sent, status in [
        (b"GARBAGE\r\n\r\n", b"400"),
        (b"POST " + details.encode() + b" HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
         b"400"),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"y" * (1 << 20) + b"\r\n\r\n", b"431"),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\n", b"408"),  # the headers never end
    ]:
        with raw_connection(server) as connection:
            try:
                connection.sendall(bytes_sent)
                answer = answer_of(connection)
            except ConnectionResetError:
                answer = b""
            check(status in answer.split(b"\r\n")[0] or (status in (b"431", b"408") and answer == b""),
                  f"{bytes_sent[:60]!r}: {answer[:100]!r}")

    # A request that never rests and never ends.
    with raw_connection(server) as connection:
        connection.sendall(b"POST " + create.encode() + b" HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                           b"content-length: 100000\r\n\r\n")
        connection.settimeout(0.1)

        def trickle():
            try:
                connection.sendall(b" ")
                return connection.recv(100)
            except TimeoutError:
                return b""

        check(b"408" in eventually(trickle, "a trickling request is refused", 15), "a trickling request")

    # An enveloped message that is cut short.
    body = struct.pack(">BI", 0, 100) + b"{}"
    status, _, answer = server.request("POST", f"/{RUNS}/WatchRuns", body, {"content-type": "application/connect+json"})
    check(b"invalid_argument" in answer, f"a truncated envelope: {status} {answer!r}")

    # Clients that vanish in the middle of a request or a stream, and one that never reads.
    for _ in range(50):
        with raw_connection(server) as connection:
            connection.sendall(b"POST " + create.encode() + b" HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                               b"content-length: 1000\r\n\r\n{")
    silent = raw_connection(server)
    for _ in range(200):
        watch = json.dumps({"projectId": project_id}).encode()
        watch = struct.pack(">BI", 0, len(watch)) + watch
        silent.sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")

    def quiet():
        page = server.request("GET", "/metrics")[2].decode()
        value = next(line for line in page.splitlines() if line.startswith("mayfly_http_requests_open "))
        return float(value.split()[1]) <= 2  # this one, and one that nobody reads

    eventually(quiet, "no request of a vanished client is left", 30)
    silent.close()
    server.wait_run("twice")
    check(server.request("GET", "/readyz")[0] == 200, "the server is well")
