#!/usr/bin/env python3
"""A bucket elsewhere: what goes there, what is told when it cannot be used, and that an outage passes by itself."""
import base64
import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor

from harness import (DOMAIN, FOLDER, PROJECT, Server, action_id, check, eventually, refused, run_id,
                     shell_task, RUNS)
from peers import BUCKET, Second, Versity, certificate_files, client, complaint, environment, flags, request
from s3 import signed

DATA = "flyteidl2.dataproxy.DataProxyService"
OUT_OF_REACH = "unavailable"


def inputs(text):
    return {"literals": [{"name": "x", "value": {"scalar": {"primitive": {"stringValue": text}}}}]}


def data_of(server, run):
    return server.call(DATA, "GetActionData", {"actionId": action_id(run)}, timeout=60)


def input_text(server, run):
    return data_of(server, run)["inputs"]["literals"][0]["value"]["scalar"]["primitive"]["stringValue"]


def stored(peer, uri):
    """The bytes that the peer itself has at a URI."""
    status, _, body = signed(peer, peer.pair, "GET", "/" + uri.removeprefix("s3://"))
    check(status == 200, f"{uri}: {status} {body[:300]}")
    return body


def metric(server, name):
    page = server.request("GET", "/metrics")[2].decode()
    return float(next(line.split()[1] for line in page.splitlines() if line.startswith(name + " ")))


def uploads_and_links(peer):
    """The URLs that clients get are the bucket's own, bound to MD5 and name."""
    body = b"a bundle"
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    wanted = {"project": PROJECT, "domain": DOMAIN, "filename": "a b+ü.tgz", "filenameRoot": "root", "contentMd5": md5,
              "expiresIn": "60s", "addContentMd5Metadata": True}
    with client(peer, "uploads") as server:
        place = server.call(DATA, "CreateUploadLocation", wanted)
        check(place["nativeUrl"].startswith(f"s3://{BUCKET}/team/a/uploads/{PROJECT}/{DOMAIN}/"), place)
        check(place["signedUrl"].startswith(f"{peer.url}/{BUCKET}/team/a/uploads/"), place)
        check(request(place["signedUrl"], "PUT", b"no bundle", place["headers"])[0] >= 400, "another body")
        check(request(place["signedUrl"], "PUT", body)[0] >= 400, "without the headers that were signed")
        status, answer = request(place["signedUrl"], "PUT", body, place["headers"])
        check(status == 200, f"{status} {answer}")
        check(stored(peer, place["nativeUrl"]) == body, "it is there")
        server.call(DATA, "CreateUploadLocation", wanted)
        other = base64.b64encode(hashlib.md5(b"other").digest()).decode()
        refused("already_exists", server.call, DATA, "CreateUploadLocation", wanted | {"contentMd5": other})


def inputs_and_outputs(peer):
    """Inputs lie in the bucket before a run is there; tasks are led to the bucket, and what they leave is seen."""
    script = (f'test "$FLYTE_AWS_ENDPOINT" = {peer.url} && test "$FLYTE_AWS_ACCESS_KEY_ID" = {peer.pair[0]} && '
              f'test "$FLYTE_AWS_SECRET_ACCESS_KEY" = {peer.pair[1]} && test "$AWS_REGION" = us-east-1')
    with client(peer, "inputs") as server:
        run = server.create_run(shell_task(script), inputs=inputs("small"))
        check(input_text(server, run) == "small", "read back")
        uri = data_of(server, run)["inputsUri"]
        check(uri.startswith(f"s3://{BUCKET}/team/a/") and b"small" in stored(peer, uri), uri)
        action = server.wait_run(run)
        check(action["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", action)
        check("AWS" in (server.data / "client.env").read_text(), "clients are led there")
        check(peer.pair[1] not in (server.data / "client.env").read_text(), "keys are not written down")
        server.kill()
        server.start()
        check(input_text(server, run) == "small", "after a kill")


def large_inputs(peer):
    """Above 16 MiB they go in parts."""
    text = "0123456789abcdef" * (1 << 20) + "!" * (2 << 20)
    with client(peer, "large") as server:
        answer = server.call(DATA, "UploadInputs", {
            "projectId": {"name": PROJECT, "domain": DOMAIN}, "taskSpec": shell_task("true"), "inputs": inputs(text)}, 120)
        offloaded = answer["offloadedInputData"]
        check(text.encode() in stored(peer, offloaded["uri"]), "whole and in order")
        run = server.call(RUNS, "CreateRun", {
            "projectId": {"name": PROJECT, "domain": DOMAIN}, "taskSpec": shell_task("true"),
            "offloadedInputData": offloaded})["run"]["action"]["id"]["run"]["name"]
        check(input_text(server, run) == text, "read back")


def complaints(peer):
    """A server that cannot use its bucket does not start, and says what to do."""
    wrong = client(peer, "wrong", env={"AWS_SECRET_ACCESS_KEY": "wrong"})
    check("secret key of AWS_ACCESS_KEY_ID does not belong" in complaint(wrong), complaint(wrong))
    unknown = client(peer, "wrong", env={"AWS_ACCESS_KEY_ID": "unknown"})
    check("the object store s3://flows/team/a" in complaint(unknown), complaint(unknown))
    absent = Server("--object-store", "s3://nowhere/team", "--s3-endpoint", peer.url, name="wrong", env=environment(peer))
    said = complaint(absent)
    check('there is no bucket "nowhere"' in said or "may not do that" in said, said)
    none = Server(*flags(peer), name="wrong", env={"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(FOLDER)})
    check("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in complaint(none), complaint(none))
    away = Server("--object-store", "s3://flows/team", "--s3-endpoint", "http://127.0.0.1:1", name="wrong",
                  env=environment(peer))
    check("could not be reached" in complaint(away), complaint(away))
    check("s3-path-style" in complaint(client(peer, "wrong", "--s3-path-style", "perhaps")), "a usage error")


def outage(peer):
    """A bucket that goes away takes nothing else with it, is told of, and comes back by itself."""
    with client(peer, "outage") as server:
        before = server.create_run(shell_task("true"), inputs=inputs("before"))
        server.wait_run(before)
        slow = server.create_run(shell_task(f"while [ ! -e {FOLDER}/go ]; do sleep 0.05; done"), inputs=inputs("slow"))
        eventually(lambda: server.phase(slow) == "ACTION_PHASE_RUNNING", "the slow one runs")
        peer.kill()
        message = refused(OUT_OF_REACH, server.create_run, shell_task("true"), inputs=inputs("during"))
        check("object store s3://flows/team/a" in message, message)
        message = refused(OUT_OF_REACH, server.create_run, shell_task("true"), inputs=inputs("during"))
        check("tried again" in message, message)
        refused(OUT_OF_REACH, data_of, server, before)
        check(len(server.list_runs()) == 2, "lists need no bucket, and no run is there without its inputs")
        status, _, page = server.request("GET", "/readyz")
        check(status == 200 and b"degraded: the object store" in page, page)
        check(metric(server, "mayfly_bucket_usable") == 0, "told by the metrics")
        (FOLDER / "go").touch()  # a task ends meanwhile; what became of it is found out later
        peer.start()
        eventually(lambda: server.request("GET", "/readyz")[2] == b"OK", "it is back")
        check(metric(server, "mayfly_bucket_usable") == 1, "told by the metrics")
        check(input_text(server, before) == "before", "what was written is there")
        check(server.wait_run(slow)["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", "the slow one has ended")
        after = server.create_run(shell_task("true"), inputs=inputs("after"))
        check(server.wait_run(after)["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", "after")
        (FOLDER / "go").unlink()


def what_was_embedded_stays(peer):
    """History from before the bucket can still be read."""
    with Server(name="moved") as server:
        old = server.create_run(shell_task("true"), inputs=inputs("old"))
        server.wait_run(old)
    with client(peer, "moved") as server:
        check(input_text(server, old) == "old", "read from the embedded store")
        new = server.create_run(shell_task("true"), inputs=inputs("new"))
        check(data_of(server, new)["inputsUri"].startswith("s3://flows/"), "new ones go to the bucket")
        check(server.call(RUNS, "GetRunDetails", {"runId": run_id(old)})["details"], "and the run is there")


def silence(peer):
    """A server that takes connections and says nothing holds up only what needs it."""
    with client(peer, "silent", "--workers", "4") as server:
        run = server.create_run(shell_task("true"), inputs=inputs("x"))
        server.wait_run(run)
        peer.freeze()
        try:
            with ThreadPoolExecutor(8) as pool:
                reads = [pool.submit(refused, OUT_OF_REACH, data_of, server, run) for _ in range(8)]
                for _ in range(20):
                    check(len(server.list_runs()) == 1, "lists answer")
                check(not all(read.done() for read in reads), "while others wait")
                for read in reads:
                    read.result()
        finally:
            peer.thaw()
        eventually(lambda: server.request("GET", "/readyz")[2] == b"OK", "it is back")
        check(input_text(server, run) == "x", "and read")


def over_tls(_):
    """Whom to trust is a setting; what is wrong with a certificate is told."""
    certificate_files(FOLDER)

    def peer(name):
        return Versity(f"tls-{name}", "--cert", FOLDER / f"{name}.pem", "--key", FOLDER / f"{name}.key",
                       scheme="https").start()
    good = peer("good")
    check("set s3-ca to a PEM file" in complaint(client(good, "tls")), complaint(client(good, "tls")))
    with client(good, "tls", "--s3-ca", FOLDER / "authority.pem") as server:
        run = server.create_run(shell_task("true"), inputs=inputs("sealed"))
        check(input_text(server, run) == "sealed", "over TLS")
        server.wait_run(run)
    good.kill()
    expired = peer("expired")
    said = complaint(client(expired, "tls", "--s3-ca", FOLDER / "authority.pem"))
    check("certificate has expired" in said and "renew the certificate" in said, said)
    expired.kill()


def virtual_hosts(_):
    """The bucket before the host's name."""
    peer = Versity("virtual", "--virtual-domain", "localhost").start()
    server = Server("--object-store", "s3://flows/team", "--s3-endpoint", f"http://localhost:{peer.port}",
                    "--s3-path-style", "no", name="virtual-server", env=environment(peer))
    with server:
        run = server.create_run(shell_task("true"), inputs=inputs("hosted"))
        check(input_text(server, run) == "hosted", "read back")
        server.wait_run(run)
        body = b"x"
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        place = server.call(DATA, "CreateUploadLocation", {
            "project": PROJECT, "domain": DOMAIN, "filename": "x", "contentMd5": md5, "expiresIn": "60s"})
        check(place["signedUrl"].startswith(f"http://flows.localhost:{peer.port}/team/uploads/"), place)
        check(request(place["signedUrl"], "PUT", body, place["headers"])[0] == 200, "a signed URL")
    peer.kill()


def interoperable(_):
    """gs://, by the interface that Cloud Storage shares with S3; another server stands in for it."""
    peer = Versity("google", "--region", "auto").start()
    with Server("--object-store", "gs://flows/team", "--s3-endpoint", peer.url, name="google-server",
                env=environment(peer)) as server:
        run = server.create_run(shell_task('test -z "$FLYTE_AWS_ENDPOINT"'), inputs=inputs("clouds"))
        check(input_text(server, run) == "clouds", "read back")
        check(data_of(server, run)["inputsUri"].startswith("gs://flows/team/"), "tasks see Google's own names")
        check(server.wait_run(run)["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", "and use their own keys")
    peer.kill()


COMMON = [uploads_and_links, inputs_and_outputs, large_inputs, complaints, outage, what_was_embedded_stays]
OF_VERSITY = [silence, over_tls, virtual_hosts, interoperable]


def main():
    kind = sys.argv[1]
    peer = (Versity() if kind == "versitygw" else Second()).start()
    failed = 0
    checks = COMMON + (OF_VERSITY if kind == "versitygw" else [])
    chosen = [scenario for scenario in checks if not sys.argv[2:] or scenario.__name__ in sys.argv[2:]]
    for scenario in chosen:
        try:
            scenario(peer)
            print(f"PASS {kind} {scenario.__name__}", flush=True)
        except Exception as error:  # the others are worth knowing, too
            failed += 1
            print(f"FAIL {kind} {scenario.__name__}: {type(error).__name__}: {error}", flush=True)
    peer.kill()
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
