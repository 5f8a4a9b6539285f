#!/usr/bin/env python3
"""A server whose state is in PostgreSQL: the database is killed, restarted, out of reach or another's."""
import concurrent.futures
import os
import signal
import subprocess
import time

from harness import FOLDER, MAYFLY, RUNS, CallError, Server, check, eventually, run_id, shell_task
from server import Database

CLIENTS = 8


def create(server, name):
    """None when it is acknowledged, else the error."""
    try:
        server.call(RUNS, "CreateRun", {"runId": run_id(name), "taskSpec": shell_task("true"), "inputs": {}})
        return None
    except CallError as error:
        return error


def creating_while(server, trouble, prefix, seconds):
    """Names that were acknowledged, and the errors of the others, while something happens to the database."""
    until = time.monotonic() + seconds

    def client(number):
        made, errors = [], []
        count = 0
        while time.monotonic() < until or count < 3:
            name = f"{prefix}{number}-{count}"
            count += 1
            error = create(server, name)
            if error:
                errors.append(error)
            else:
                made.append(name)
        return made, errors

    with concurrent.futures.ThreadPoolExecutor(CLIENTS + 1) as pool:
        clients = [pool.submit(client, number) for number in range(CLIENTS)]
        pool.submit(trouble).result()
        results = [client.result() for client in clients]
    return [name for made, _ in results for name in made], [error for _, errors in results for error in errors]


def everything_is_there(server, made, errors):
    wrong = [str(error) for error in errors if error.code not in ("unavailable", "deadline_exceeded")]
    check(not wrong, f"errors that are no fault of the caller's: {wrong[:3]}")
    names = [row[0] for row in server.sql("SELECT name FROM run")]
    check(len(names) == len(set(names)), "a run is there twice")
    missing = set(made) - set(names)
    check(not missing, f"acknowledged, and gone: {sorted(missing)[:5]}")
    check(create(server, f"after-{len(names)}") is None, "it goes on")
    for name in made[-20:]:
        action = server.wait_run(name, 60)
        check(action["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", action["status"])


def killed(database, server):
    def trouble():
        time.sleep(0.5)  # so that there is something to lose; any moment is as good
        database.kill()
        database.start()
    made, errors = creating_while(server, trouble, "k", 3)
    check(len(made) > 10, f"{len(made)} runs were made")
    everything_is_there(server, made, errors)


def restarted(database, server):
    def trouble():
        database.stop(signal.SIGINT)
        database.start()
    made, errors = creating_while(server, trouble, "r", 3)
    everything_is_there(server, made, errors)


def away(database, server):
    """Longer than anybody waits: calls fail clearly, and all is well when it is back."""
    check(create(server, "before") is None, "made before")
    database.stop(signal.SIGINT)
    error = create(server, "meanwhile")
    check(error and error.code == "unavailable", error)
    try:
        server.call(RUNS, "GetRunDetails", {"runId": run_id("before")})
        raise AssertionError("a read without a database")
    except CallError as failure:
        check(failure.code == "unavailable", failure)
    check(server.process.poll() is None, "the server waits")
    database.start()
    eventually(lambda: create(server, "again") is None, "it is back", 60)
    server.wait_run("again")
    details = server.call(RUNS, "GetRunDetails", {"runId": run_id("before")})
    check(details["details"]["action"]["id"]["run"]["name"] == "before", details)


def one_server_at_a_time(database, server):
    url = server.database
    second = FOLDER / "second"
    done = subprocess.run([MAYFLY, "serve", "--data-dir", second, "--listen", "127.0.0.1:0", "--store", url],
                          capture_output=True, text=True, timeout=60)
    check(done.returncode == 1 and "another server uses this database" in done.stderr, done)
    # A server that is cut off has to give way, and must not come back as if nothing had been.
    os.kill(server.process.pid, signal.SIGSTOP)
    database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'mayfly%'")
    with Server(name="heir", database=url) as heir:
        check(create(heir, "of-the-heir") is None, "the other one works")
        os.kill(server.process.pid, signal.SIGCONT)
        error = create(server, "of-the-old-one")
        check(error is None or error.code == "unavailable", error)
        check(error is not None, "two servers have written to one database")
        eventually(lambda: server.process.poll() is not None, "the old one ends")
        check(server.process.returncode == 1 and "taken the database over" in server.log(), server.log())
        heir.wait_run("of-the-heir")
        check(not heir.sql("SELECT 1 FROM run WHERE name = 'of-the-old-one'"), "nothing of it is there")


def wrong_configuration(database):
    url = database.url("wrong")
    (FOLDER / "password").write_text("secret\n")
    for flags, code, word in [
        (["--store", "mysql://x/y"], 2, "postgres://user@host/database"),
        (["--store", "postgres://mayfly:secret@127.0.0.1/x"], 2, "store-password-file"),
        (["--store", "postgres://mayfly@127.0.0.1/x?password=secret"], 2, "store-password-file"),
        (["--store-password-file", FOLDER / "password"], 2, "needs store"),
        (["--store", url, "--store-password-file", FOLDER / "none"], 1, "store-password-file"),
        (["--store", url, "--store-connections", "1"], 2, "store-connections"),
        (["--store", url.replace("/wrong", "/nowhere")], 1, "does not exist"),
        (["--store", url.replace("mayfly@", "nobody@")], 1, "nobody"),
        (["--store", "postgres://mayfly@127.0.0.1:1/x"], 1, "cannot reach"),
        (["--store", url + "?bogus=1"], 2, "bogus"),
    ]:
        done = subprocess.run([MAYFLY, "serve", "--data-dir", FOLDER / "wrong", "--listen", "127.0.0.1:0", *flags],
                              capture_output=True, text=True, timeout=60)
        check(done.returncode == code and word in done.stderr, f"{flags}: {done.returncode} {done.stderr}")
        check("secret" not in done.stderr.replace("secret-keys", ""), f"the password is shown: {done.stderr}")
        check("ready" not in done.stdout, done.stdout)


def other_encoding(database):
    database.run("CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0")
    done = subprocess.run([MAYFLY, "serve", "--data-dir", FOLDER / "bytes", "--listen", "127.0.0.1:0",
                           "--store", database.url("wrong").replace("/wrong", "/bytes")],
                          capture_output=True, text=True, timeout=60)
    check(done.returncode == 1 and "--encoding UTF8" in done.stderr and done.stdout == "", done)


def newer_schema(database):
    with Server(name="newer", database=database.url("newer")) as server:
        server.sql("INSERT INTO schema_version (version, name, applied_at) VALUES (999, 'of tomorrow', 1)")
    done = subprocess.run([MAYFLY, "serve", "--data-dir", server.data, "--listen", "127.0.0.1:0", *server.store],
                          capture_output=True, text=True, timeout=60)
    check(done.returncode == 1 and "newer Mayfly" in done.stderr and done.stdout == "", done)


with Database(FOLDER / "pg") as pg:
    wrong_configuration(pg)
    other_encoding(pg)
    newer_schema(pg)
    state = Server("--cpus", "64", database=pg.url("state")).start()
    try:
        for case in (killed, restarted, away, one_server_at_a_time):
            begin = time.monotonic()
            case(pg, state)
            print(f"ok {case.__name__} {time.monotonic() - begin:.1f} s", flush=True)
    finally:
        state.kill()
