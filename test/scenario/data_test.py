#!/usr/bin/env python3
"""DataProxyService: upload locations, inputs, links to download, and what actions have read and written."""
import base64
import hashlib
import os
from urllib.parse import unquote, urlsplit

from badinput import BAD, FINE, Table
from harness import ACTIONS, DOMAIN, FOLDER, PROJECT, RUNS, Server, action_id, check, eventually, refused, shell_task
from s3 import keys, signed

DATA = "flyteidl2.dataproxy.DataProxyService"
PROJECTS = "flyteidl2.project.ProjectService"
TASKS = "flyteidl2.task.TaskService"
BODY = b"what is uploaded"


def md5_of(body):
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def location(**more):
    return {"project": PROJECT, "domain": DOMAIN, "filename": "x.tgz", "contentMd5": md5_of(BODY), "expiresIn": "60s",
            **more}


def locate(server, **more):
    return server.call(DATA, "CreateUploadLocation", location(**more))


def put(server, place, body, **more):
    url = urlsplit(place["signedUrl"])
    headers = {name.lower(): value for name, value in (place.get("headers", {}) | more).items()}
    headers["content-length"] = str(len(body))
    return server.request("PUT", f"{url.path}?{url.query}", body, headers)[0]


def key_of(place):
    return place["nativeUrl"].removeprefix("s3://mayfly/")


# ---- upload locations ----

def c21_no_path_leads_out(server):
    """In the reference ../ in filename or filename_root escapes the prefix."""
    for name in ("../x", "a/../../x", "..", ".", "/etc/passwd", "a//b", "a\nb", "a\u0000b", "x" * 1100):
        message = refused(BAD, locate, server, filename=name)
        check("filename" in message, message)
        message = refused(BAD, locate, server, filenameRoot=name)
        check("filename_root" in message, message)
    check("domain" in refused(BAD, locate, server, domain="../production"), "the domain is no path either")


def c21_odd_names_arrive(server):
    """? and # are part of the name, not of the URL; the reference cuts the signed key at them."""
    pair = keys(server.data)
    names = ("a b.txt", "q?x=1", "50%", "%2e%2e", "a#b", "ünïcødé ☃.csv", "a+b&c=d;e", "dir/file", "..a")
    for number, name in enumerate(names):
        body = f"{number}".encode()
        place = locate(server, filename=name, contentMd5=md5_of(body))
        check(place["nativeUrl"].endswith("/" + name), place)
        check(unquote(urlsplit(place["signedUrl"]).path) == "/mayfly/" + key_of(place), place)
        check(put(server, place, body) == 200, f"PUT of {name!r}")
        status, _, read = signed(server, pair, "GET", "/mayfly/" + key_of(place))
        check(status == 200 and read == body, f"GET of {name!r}: {status}")


def c22_size_md5_and_expiry_are_enforced(server):
    """The reference trusts the client's number and answers with a Content-Length of 24."""
    place = locate(server, contentLength=str(len(BODY)))
    check(place["headers"]["Content-Length"] == str(len(BODY)), place)
    check(put(server, place, BODY + b"!") == 403, "a longer body than was announced")
    check(put(server, place, BODY[:-1]) == 403, "a shorter one")
    check(put(server, place, b"?" * len(BODY)) == 400, "another body of the same size")
    check(put(server, place, BODY, **{"Content-MD5": md5_of(b"x")}) == 403, "another MD5")
    check(put(server, place, BODY) == 200, "the body that was announced")
    check("Content-Length" not in locate(server)["headers"], "no size was given")
    late = locate(server, filename="late", expiresIn="1s")

    def expired():
        return put(server, late, BODY) == 403
    eventually(expired, "the link has expired", 10)
    message = refused(BAD, locate, server, contentLength=str(2**50))
    check("content_length" in message, message)
    check("content_length" in refused(BAD, locate, server, contentLength="-1"), "a negative size")


def test_what_is_checked(server):
    """control §17, validation of the data proxy, and its table of paths."""
    check("either filename_root or content_md5" in refused(BAD, locate, server, contentMd5=""), "neither")
    check(locate(server, contentMd5="", filenameRoot="root")["nativeUrl"].endswith("/root/x.tgz"), "the root alone")
    root = base64.b32encode(hashlib.md5(BODY).digest()).decode()
    check(key_of(locate(server, filename="")).endswith("/" + root), "no filename")
    message = refused(BAD, locate, server, expiresIn="3601s")
    check(message == "expires_in (1h0m1s) exceeds maximum allowed duration of 1h0m0s", message)
    check("expires_in" in refused(BAD, locate, server, expiresIn="-5s"), "a time in the past")
    locate(server, expiresIn="3600s")
    check("content_md5" in refused(BAD, locate, server, contentMd5=base64.b64encode(b"test-hash").decode()), "9 bytes")
    check(key_of(locate(server, org="acme")) == f"uploads/{PROJECT}/{DOMAIN}/{root}/x.tgz", "org is no part of it")
    given = locate(server, addContentMd5Metadata=True)["headers"]
    check(given == {"Content-MD5": md5_of(BODY), "x-amz-meta-flyteContentMD5": md5_of(BODY)}, given)


def test_places_that_exist(server):
    """control §17, existing files, six combinations."""
    named = {"filenameRoot": "fixed", "filename": "f"}
    check(put(server, locate(server, **named), BODY) == 200, "nothing there yet")
    locate(server, **named)
    refused("already_exists", locate, server, **named, contentMd5=md5_of(b"other"))
    refused("already_exists", locate, server, **named, contentMd5="")
    check(put(server, locate(server, filename="f"), BODY) == 200, "by content")
    locate(server, filename="f")
    locate(server, filename="", filenameRoot="fixed")
    locate(server, filename="g", filenameRoot="fixed", contentMd5="")


def test_projects(server):
    refused("not_found", locate, server, project="nobody")
    check("project" in refused(BAD, locate, server, project=""), "no project")
    check("domain" in refused(BAD, locate, server, domain=""), "no domain")
    refused(BAD, locate, server, domain="mars")
    server.call(PROJECTS, "CreateProject", {"project": {"id": "old", "name": "old"}})
    locate(server, project="old")
    server.call(PROJECTS, "UpdateProject", {"project": {"id": "old", "name": "old", "state": "PROJECT_STATE_ARCHIVED"}})
    refused("failed_precondition", locate, server, project="old")
    refused("failed_precondition", upload, server, projectId={"name": "old", "domain": DOMAIN})


# ---- inputs ----

def named(**values):
    return [{"name": name, "value": {"scalar": {"primitive": {"integer": str(value)}}}}
            for name, value in values.items()]


def upload(server, **more):
    request = {"projectId": {"organization": "", "name": PROJECT, "domain": DOMAIN}, "taskSpec": shell_task("true"),
               "inputs": {"literals": named(x=42)}, **more}
    return server.call(DATA, "UploadInputs", {k: v for k, v in request.items() if v is not None})["offloadedInputData"]


def ignoring(*names):
    return shell_task("true", cacheIgnoreInputVars=list(names))


def test_hash_of_inputs(server):
    """control §13.2, vectors; and the same through a task's id, its spec, a trigger."""
    context = [{"key": "k", "value": "v"}]
    check(upload(server, inputs=None)["inputsHash"] == "y_Kc5IQiIyU", "nothing")
    check(upload(server)["inputsHash"] == "ImqB6TmEjYE", "x = 42")
    both = upload(server, inputs={"literals": named(x=42), "context": context})
    check(both["inputsHash"] == "9hVm-9-kkU4", "the context counts")
    with_ignored = {"literals": named(x=42, seed=1), "context": context}
    check(upload(server, inputs=with_ignored, taskSpec=ignoring("seed"))["inputsHash"] == "ImqB6TmEjYE", "ignored")
    task = {"project": PROJECT, "domain": DOMAIN, "name": "hashed", "version": "v1"}
    trigger = {"name": "never", "automationSpec": {"type": "TYPE_NONE"},
               "spec": {"taskVersion": "v1", "inputs": {}, "runSpec": {}}}
    server.call(TASKS, "DeployTask", {"taskId": task, "spec": ignoring("seed"), "triggers": [trigger]})
    check(upload(server, inputs=with_ignored, taskSpec=None, taskId=task)["inputsHash"] == "ImqB6TmEjYE", "task id")
    name = {"project": PROJECT, "domain": DOMAIN, "name": "never", "taskName": "hashed"}
    by_trigger = upload(server, inputs=with_ignored, taskSpec=None, triggerName=name)
    check(by_trigger["inputsHash"] == "ImqB6TmEjYE", "trigger")
    run = upload(server, projectId=None, runId={"project": PROJECT, "domain": DOMAIN, "name": "r1"})
    check(run["inputsHash"] == "ImqB6TmEjYE" and run["uri"].startswith("s3://mayfly/uploads/"), run)


def c23_inputs_never_share_a_place(server):
    """In the reference the second upload changes the inputs of the first run."""
    pair = keys(server.data)
    one = upload(server, inputs={"literals": named(x=1, seed=1)}, taskSpec=ignoring("seed"))
    two = upload(server, inputs={"literals": named(x=1, seed=2)}, taskSpec=ignoring("seed"))
    check(one["inputsHash"] == two["inputsHash"] and one["uri"] != two["uri"], f"{one} {two}")
    bodies = [signed(server, pair, "GET", unquote(place["uri"].removeprefix("s3:/")))[2] for place in (one, two)]
    check(bodies[0] != bodies[1] and all(bodies), bodies)
    check(upload(server, inputs={"literals": named(x=1, seed=1)}, taskSpec=ignoring("seed")) == one, "again the same")


def c23_errors_keep_their_code(server):
    """In the reference any failure to find the task is not_found."""
    task = {"project": PROJECT, "domain": DOMAIN, "name": "nobody", "version": "v1"}
    check("nobody" in refused("not_found", upload, server, taskSpec=None, taskId=task), "an unknown task is named")
    trigger = {"project": PROJECT, "domain": DOMAIN, "name": "nobody", "taskName": "t"}
    check("nobody" in refused("not_found", upload, server, taskSpec=None, triggerName=trigger), "an unknown trigger")
    check("name" in refused(BAD, upload, server, taskSpec=None, triggerName={"project": PROJECT}), "no trigger's name")
    check("base_dir" in refused(BAD, upload, server, baseDir="s3://mayfly/a\u0000b"), "NUL")
    refused(BAD, upload, server, baseDir="s3://elsewhere/x")
    place = upload(server, baseDir="s3://mayfly/mine/")["uri"]
    check(place.startswith(f"s3://mayfly/mine/{PROJECT}/{DOMAIN}/offloaded-inputs/"), place)


# ---- what is shown of actions ----

def waiting_run(server, name):
    """A run that goes on until it is told to end."""
    server.create_run(shell_task(f"while [ ! -e {FOLDER}/end-{name} ]; do sleep 0.02; done"), name)

    def running():
        return server.run_action(name)["status"].get("phase") == "ACTION_PHASE_RUNNING"
    eventually(running, f"{name} runs")


def attempt(name, number=1):
    return {"actionId": action_id(name), "attempt": number}


def link(server, **more):
    return server.call(DATA, "CreateDownloadLink", {"artifactType": "ARTIFACT_TYPE_REPORT", "expiresIn": "60s", **more})


def c24_download_links_expire(server):
    """The reference enforces no maximum."""
    pair = keys(server.data)
    bundle = locate(server, filename="code.tgz")
    check(put(server, bundle, BODY) == 200, "the bundle")
    spec = shell_task("true", codeBundleUri=bundle["nativeUrl"])
    server.create_run(spec, "coded")
    server.wait_run("coded")
    code = {"artifactType": "ARTIFACT_TYPE_CODE_BUNDLE", "actionAttemptId": attempt("coded")}
    urls = link(server, **code)["preSignedUrls"]
    url = urlsplit(urls["signedUrl"][0])
    check(server.request("GET", f"{url.path}?{url.query}")[2] == BODY and urls["expiresAt"], urls)
    check("X-Amz-Expires=3600" in link(server, **code, expiresIn="3600s")["preSignedUrls"]["signedUrl"][0], "an hour")
    check("expires_in" in refused(BAD, link, server, **code, expiresIn="3601s"), "more than an hour")
    message = refused("not_found", link, server, **{**code, "actionAttemptId": attempt("coded", 2)})
    check("attempt" in message, message)
    refused("not_found", link, server, **{**code, "actionAttemptId": attempt("nobody")})
    check("report" in refused("not_found", link, server, actionAttemptId=attempt("coded")).lower(), "no report")
    refused(BAD, link, server, artifactType="ARTIFACT_TYPE_UNSPECIFIED", actionAttemptId=attempt("coded"))
    refused(BAD, link, server)
    refused(BAD, link, server, taskId={"project": PROJECT, "domain": DOMAIN, "name": "hashed", "version": "v1"})
    refused(BAD, link, server, actionAttemptId={"attempt": 1})
    signed(server, pair, "DELETE", "/mayfly/" + key_of(bundle))
    refused("not_found", link, server, **code)


def c24_large_data_are_shown(server):
    """The reference stops at 2 MiB, and a request without an id ends in a panic."""
    value = "x" * 3_000_000
    literal = {"name": "x", "value": {"scalar": {"primitive": {"stringValue": value}}}}
    place = upload(server, inputs={"literals": [literal]})
    server.create_run(shell_task("true"), "large", inputs=None, offloadedInputData=place)
    server.wait_run("large")
    got = server.call(DATA, "GetActionData", {"actionId": action_id("large")})
    check(got["inputs"]["literals"] == [literal] and got["inputsUri"] == place["uri"], got["inputsUri"])
    check(got["outputs"] == {}, got["outputs"])
    old = server.call(RUNS, "GetActionData", {"actionId": action_id("large")})
    check(old["inputs"]["literals"] == [literal], "the older method")
    for service in (DATA, RUNS):
        check("action_id" in refused(BAD, server.call, service, "GetActionData", {}), "no id")
        refused("not_found", server.call, service, "GetActionData", {"actionId": action_id("nobody")})


def w20_answers_of_conditions_are_data(server):
    """In the reference GetActionData and GetActionDataURIs of an answered condition are not_found."""
    waiting_run(server, "asks")
    server.call(ACTIONS, "Enqueue", {"action": {
        "actionId": action_id("asks", "c1"), "parentActionName": "a0", "runOutputBase": "s3://mayfly/out/",
        "inputUri": "s3://mayfly/in/inputs.pb",
        "condition": {"name": "go", "type": {"simple": "INTEGER"}, "prompt": "?"}}})
    before = server.call(DATA, "GetActionData", {"actionId": action_id("asks", "c1")})
    check(before.get("outputs", {}) == {}, before)
    server.call(RUNS, "SignalEvent", {"actionId": action_id("asks", "c1"), "payload": {"intValue": "7"}})
    for service in (DATA, RUNS):
        after = server.call(service, "GetActionData", {"actionId": action_id("asks", "c1")})
        check([entry["value"] for entry in after["outputs"]["literals"]] == [named(x=7)[0]["value"]], after)
    server.call(RUNS, "GetActionDataURIs", {"actionId": action_id("asks", "c1")})
    (FOLDER / "end-asks").touch()
    server.wait_run("asks")


def test_outputs_of_tasks_and_traces(server):
    """Missing objects are empty, both are read, artifacts are kept."""
    pair = keys(server.data)
    waiting_run(server, "traced")
    outputs = bytes.fromhex("0a0b0a01791206" + "0a040a02082a")  # y = 42
    uri = "s3://mayfly/traces/outputs.pb"
    check(signed(server, pair, "PUT", "/mayfly/traces/outputs.pb", body=outputs)[0] == 200, "outputs of the trace")
    server.call(ACTIONS, "Enqueue", {"action": {
        "actionId": action_id("traced", "t1"), "parentActionName": "a0", "runOutputBase": "s3://mayfly/out/",
        "inputUri": "s3://mayfly/traces/inputs.pb",
        "trace": {"name": "tracer", "phase": "ACTION_PHASE_SUCCEEDED", "startTime": "2026-01-02T03:04:05Z",
                  "endTime": "2026-01-02T03:04:06Z", "spec": {"interface": {}}, "outputs": {"outputUri": uri}}}})
    got = server.call(DATA, "GetActionData", {"actionId": action_id("traced", "t1")})
    check(got["outputs"]["literals"] == named(y=42) and got["outputsUri"] == uri, got)
    check(got["inputs"] == {} and "inputsUri" not in got, got)
    (FOLDER / "end-traced").touch()
    server.wait_run("traced")


def bad_input(server):
    good = location(contentLength="16", filenameRoot="", org="", queue="", addContentMd5Metadata=True)
    Table(server, DATA, "CreateUploadLocation", good).check({
        "project": {"missing": BAD, "empty": BAD, "long": (300, ("not_found", "project"))},
        "domain": {"missing": BAD, "empty": BAD, "long": (300, BAD)},
        "filename": {"missing": FINE, "long": (1100, BAD)},
        "filenameRoot": {"missing": FINE, "long": (1100, BAD)},
        "contentMd5": {"missing": BAD, "empty": BAD},
        "expiresIn": {"missing": FINE},
        "contentLength": {"missing": FINE},
        "addContentMd5Metadata": {"missing": FINE},
        "org": {"missing": FINE, "empty": FINE},
        "queue": {"missing": FINE, "empty": FINE},
    })
    project = {"name": PROJECT, "domain": DOMAIN, "organization": ""}
    Table(server, DATA, "UploadInputs", {"projectId": project, "taskSpec": shell_task("true"), "baseDir": ""}).check({
        "projectId": {"missing": BAD, "empty": (BAD, "")},
        "projectId.name": {"missing": (BAD, ""), "empty": (BAD, "")},
        "projectId.domain": {"missing": BAD, "empty": BAD},
        "projectId.organization": {"missing": FINE},
        "taskSpec": {"missing": BAD},
        "baseDir": {"missing": FINE},
    }, skip={"taskSpec": "only its ignored variables are read"})
    Table(server, DATA, "CreateDownloadLink", {
        "artifactType": "ARTIFACT_TYPE_REPORT", "expiresIn": "60s", "actionAttemptId": attempt("coded")}).check({
            "artifactType": {"missing": BAD, "enum": BAD},
            "expiresIn": {"missing": FINE},
            "actionAttemptId": {"missing": (BAD, "source"), "empty": (BAD, "")},
            "actionAttemptId.actionId": {"missing": BAD, "empty": (BAD, "")},
            "actionAttemptId.actionId.run": {"missing": (BAD, "run")},
            "actionAttemptId.actionId.run.project": {"missing": BAD},
            "actionAttemptId.actionId.run.domain": {"missing": BAD},
            "actionAttemptId.actionId.run.name": {"missing": (BAD, "")},
            "actionAttemptId.actionId.name": {"missing": (BAD, "")},
            "actionAttemptId.attempt": {"missing": FINE},
        })
    Table(server, DATA, "GetActionData", {"actionId": action_id("coded")}).check({
        "actionId": {"missing": BAD, "empty": (BAD, "")},
        "actionId.run": {"missing": (BAD, "run")},
        "actionId.run.project": {"missing": BAD},
        "actionId.run.domain": {"missing": BAD},
        "actionId.run.name": {"missing": (BAD, "")},
        "actionId.name": {"missing": (BAD, "")},
    })


with Server() as big:
    for scenario in (c21_no_path_leads_out, c21_odd_names_arrive, c22_size_md5_and_expiry_are_enforced,
                     test_what_is_checked, test_places_that_exist, test_projects, test_hash_of_inputs,
                     c23_inputs_never_share_a_place, c23_errors_keep_their_code, c24_download_links_expire,
                     bad_input, c24_large_data_are_shown, w20_answers_of_conditions_are_data,
                     test_outputs_of_tasks_and_traces):
        scenario(big)

with Server("--data-bytes", "1KiB", "--link-expiry", "2m", name="small") as small:
    literal = {"name": "x", "value": {"scalar": {"primitive": {"stringValue": os.urandom(2000).hex()}}}}
    message = refused("resource_exhausted", upload, small, inputs={"literals": [literal]})
    check("data-bytes" in message, message)
    small.create_run(shell_task("true"), "over", inputs={"literals": [literal]})
    small.wait_run("over")
    refused("resource_exhausted", small.call, DATA, "GetActionData", {"actionId": action_id("over")})
    check("2m0s" in refused(BAD, locate, small, expiresIn="121s"), "the bound of links")
