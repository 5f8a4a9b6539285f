#!/usr/bin/env python3
"""Conditions: every type of value, what is refused, time-outs, the webhook and the address for the answer."""
import contextlib
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import (ACTIONS, FOLDER, PROJECT, RUNS, Server, action_id, check, eventually, refused, run_id,
                     shell_task)

DATA = "flyteidl2.dataproxy.DataProxyService"
TYPES = {"BOOLEAN": ("boolValue", True, False, "boolean"), "INTEGER": ("intValue", "42", "43", "integer"),
         "FLOAT": ("floatValue", 2.5, 2.25, "floatValue"), "STRING": ("stringValue", "yes", "no", "stringValue")}


class Receiver:
    """Takes webhooks: answers with the next of the statuses, the last one for ever."""

    def __init__(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with receiver.lock:
                    status = receiver.statuses.pop(0) if len(receiver.statuses) > 1 else receiver.statuses[0]
                    receiver.got.append((self.path, dict(self.headers), json.loads(body)))
                self.send_response(status)
                answer = b"x" * (200000 if self.path == "/chatty" else 0)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(answer)

            def log_message(self, *arguments):
                pass

        self.lock, self.got, self.statuses = threading.Lock(), [], [200]
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path="/hook"):
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def take(self, path, count=1):
        """The first so many posts to that path."""
        def enough():
            with self.lock:
                found = [entry for entry in self.got if entry[0] == path]
            return found if len(found) >= count else None
        return eventually(enough, f"{count} posts to {path}")


def begin(server, name):
    server.create_run(shell_task(f"while [ ! -e {FOLDER}/end-{name} ]; do sleep 0.05; done"), name)


def end(name):
    (FOLDER / f"end-{name}").touch()


def ask(server, run, name, kind="BOOLEAN", **more):
    server.call(ACTIONS, "Enqueue", {"action": {
        "actionId": action_id(run, name), "parentActionName": "a0", "runOutputBase": "s3://mayfly/out/",
        "inputUri": "s3://mayfly/in/inputs.pb",
        "condition": {"name": "approve", "type": {"simple": kind}, "prompt": "go on?", **more}}})


def signal(server, run, name, **payload):
    return server.call(RUNS, "SignalEvent", {"actionId": action_id(run, name), "payload": payload})


def details(server, run, name):
    return server.call(RUNS, "GetActionDetails", {"actionId": action_id(run, name)})["details"]


def phase(server, run, name):
    return details(server, run, name)["status"]["phase"].removeprefix("ACTION_PHASE_")


def every_type(server):
    begin(server, "types")
    for kind, (field, value, other, primitive) in TYPES.items():
        name = kind.lower()
        ask(server, "types", name, kind)
        for wrong, (wrong_field, wrong_value, _, _) in TYPES.items():
            if wrong != kind:
                message = refused("invalid_argument", signal, server, "types", name, **{wrong_field: wrong_value})
                check("takes a" in message, message)
        check(phase(server, "types", name) == "PAUSED", "a refused value changes nothing")
        signal(server, "types", name, **{field: value})
        signal(server, "types", name, **{field: value})  # the same again
        message = refused("failed_precondition", signal, server, "types", name, **{field: other})
        check("another value" in message, message)
        found = details(server, "types", name)
        got = found["signalInfo"]["output"]["scalar"]["primitive"]
        check(got == {primitive: value}, got)
        check(found["status"]["attempts"] == 1 and found["attempts"][0]["phase"] == "ACTION_PHASE_SUCCEEDED", found)


def refusals(server):
    refused("not_found", signal, server, "types", "nobody", boolValue=True)
    refused("not_found", signal, server, "nowhere", "boolean", boolValue=True)
    refused("failed_precondition", signal, server, "types", "a0", boolValue=True)
    refused("invalid_argument", signal, server, "types", "boolean")
    for kind in ("DATETIME", "NONE", "BINARY"):
        refused("invalid_argument", ask, server, "types", "odd", kind)
    message = refused("invalid_argument", ask, server, "types", "odd", webhook={"url": "ftp://host/x"})
    check("webhook.url" in message, message)
    ask(server, "types", "gone")
    server.call(RUNS, "AbortAction", {"actionId": action_id("types", "gone"), "reason": "no"})
    message = refused("failed_precondition", signal, server, "types", "gone", boolValue=True)
    check("ABORTED" in message, message)


def w20_conditions_have_events_and_their_value_is_readable(server):
    ask(server, "types", "seen", "STRING")
    request = {"actionId": action_id("types", "seen")}
    with server.stream(RUNS, "WatchActionDetails", request) as messages:
        first = next(messages)["details"]
        check(first["attempts"][0]["attempt"] == 1, first)
        signal(server, "types", "seen", stringValue="hello")
        last = first
        for message in messages:  # ends by itself
            last = message.get("details", last)
    check(last["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", last)
    check(last["signalInfo"]["output"]["scalar"]["primitive"]["stringValue"] == "hello", last)
    data = server.call(DATA, "GetActionData", request)
    check("hello" in json.dumps(data["outputs"]), data)
    server.call(RUNS, "GetActionDataURIs", request)


def w21_a_time_out_says_why(server):
    ask(server, "types", "late", timeout="0.2s")
    eventually(lambda: phase(server, "types", "late") == "TIMED_OUT", "the condition times out")
    found = details(server, "types", "late")
    check(found["errorInfo"]["code"] == "ConditionTimedOut" and found["errorInfo"]["message"], found)
    check(found["attempts"][0]["errorInfo"]["code"] == "ConditionTimedOut", found)
    message = refused("failed_precondition", signal, server, "types", "late", boolValue=True)
    check("TIMED_OUT" in message, message)


def webhook_is_told_with_an_address_that_answers(server, receiver):
    payload = {"callback": "{callback_uri}", "list": ["x {callback_uri} y", 3], "deep": {"a": True}}
    ask(server, "types", "hooked", "INTEGER", webhook={"url": receiver.url("/told"), "payload": payload})
    _, headers, body = receiver.take("/told")[0]
    headers = {name.lower(): value for name, value in headers.items()}
    check(headers["content-type"] == "application/json" and headers["idempotency-key"], headers)
    uri = body["callback"]
    check(body["list"] == [f"x {uri} y", 3] and body["deep"] == {"a": True}, body)
    check(uri.startswith(server.url + "/callback/condition/"), uri)
    target = uri.removeprefix(server.url)
    status, _, answer = server.request("GET", target)
    check(status == 200 and json.loads(answer)["type"] == "int" and json.loads(answer)["prompt"] == "go on?", answer)
    for bad in (target[:-1] + ("A" if target[-1] != "A" else "B"), target.split("?")[0], target.replace("hooked", "a0"),
                target.replace("hooked", "seen"), target.replace(PROJECT, "nobody")):
        for method in ("GET", "POST"):
            status, _, answer = server.request(method, bad, "7", {"content-type": "text/plain"})
            check(status == 403, (bad, status, answer))
    for body, kind in (("seven", "text/plain"), ("", "text/plain"), ('{"value": 7.5}', "application/json"),
                       ('{"value": true}', "application/json"), ("{", "application/json"), ("9" * 30, "text/plain")):
        status, _, answer = server.request("POST", target, body, {"content-type": kind})
        check(status == 400 and json.loads(answer)["error"], (body, status, answer))
    status, _, answer = server.request("POST", target, "7" * (65 << 10), {"content-type": "text/plain"})
    check(status == 413, status)
    check(server.request("PUT", target, "7")[0] == 405, "PUT")
    check(phase(server, "types", "hooked") == "PAUSED", "nothing of this answered it")
    for _ in range(2):  # the same answer again is none
        status, _, answer = server.request("POST", target, '{"value": 7}', {"content-type": "application/json"})
        check(status == 200, (status, answer))
    status, _, answer = server.request("POST", target + "&value=8")
    check(status == 409, (status, answer))
    found = details(server, "types", "hooked")
    check(found["signalInfo"]["output"]["scalar"]["primitive"] == {"integer": "7"}, found)
    check(found["signalInfo"]["signalledBy"]["application"]["id"]["subject"] == "callback", found)
    notes = [event["message"] for event in found["attempts"][0].get("clusterEvents", [])]
    check(any("was told" in note for note in notes), found)


def other_forms_of_an_answer(server, receiver):
    form = {"content-type": "application/x-www-form-urlencoded"}
    for name, kind, body, headers, expected in (
            ("plain", "STRING", "a b\n", {"content-type": "text/plain"}, {"stringValue": "a b\n"}),
            ("form", "FLOAT", "x=1&value=" + urllib.parse.quote("1.5"), form, {"floatValue": 1.5}),
            ("bare", "BOOLEAN", "false", {"content-type": "application/json"}, {"boolean": False}),
            ("large", "INTEGER", '{"value": "9007199254740993"}', {"content-type": "application/json; charset=utf-8"},
             {"integer": "9007199254740993"})):
        ask(server, "types", name, kind, webhook={"url": receiver.url("/" + name)})
        told = receiver.take("/" + name)[0][2]
        check(told["condition"] == "approve" and told["run"] == "types" and told["action"] == name, told)
        status, _, answer = server.request("POST", told["callback_uri"].removeprefix(server.url), body, headers)
        check(status == 200, (name, status, answer))
        got = details(server, "types", name)["signalInfo"]["output"]["scalar"]["primitive"]
        check(got == expected or (name == "bare" and got in ({}, {"boolean": False})), got)


def webhook_is_repeated_until_it_is_heard(server, receiver):
    receiver.statuses = [500, 200]
    ask(server, "types", "again", webhook={"url": receiver.url("/again")})
    first, second = receiver.take("/again", 2)[:2]
    keys = [{name.lower(): value for name, value in entry[1].items()}["idempotency-key"] for entry in (first, second)]
    check(keys[0] == keys[1] and first[2] == second[2], (first, second))
    notes = eventually(
        lambda: [event["message"] for event in details(server, "types", "again")["attempts"][0].get("clusterEvents", [])
                 if "was told" in event["message"]], "the success is noted")
    check(len(notes) == 1, notes)
    ask(server, "types", "chatty", webhook={"url": receiver.url("/chatty")})  # answers at length, but well
    receiver.take("/chatty")
    eventually(lambda: any("was told" in event["message"] for event in
                           details(server, "types", "chatty")["attempts"][0].get("clusterEvents", [])), "it is heard")


def webhook_outlives_a_kill(server, receiver):
    """What could not be told is told by the next server, under the same key; answered conditions are not told."""
    receiver.statuses = [503]
    ask(server, "types", "later", webhook={"url": receiver.url("/later")})
    receiver.take("/later")
    server.kill()
    receiver.statuses = [200]
    server.start()
    told = receiver.take("/later", 2)
    keys = {{name.lower(): value for name, value in entry[1].items()}["idempotency-key"] for entry in told}
    check(len(keys) == 1, keys)
    # An address that was sent before the kill is as good after it.
    target = told[0][2]["callback_uri"].removeprefix(server.url)
    status, _, answer = server.request("POST", target + "&value=true")
    check(status == 200, (status, answer))


def nobody_is_told_of_what_has_ended(server, receiver):
    receiver.statuses = [500]
    ask(server, "types", "moot", webhook={"url": receiver.url("/moot")})
    receiver.take("/moot")
    signal(server, "types", "moot", boolValue=True)
    receiver.statuses = [200]
    ask(server, "types", "after", webhook={"url": receiver.url("/after")})
    receiver.take("/after")
    server.call(RUNS, "AbortRun", {"runId": run_id("types")})
    end("types")
    check(phase(server, "types", "moot") == "SUCCEEDED", "answered")
    check(phase(server, "types", "after") == "ABORTED", "aborted with its run")


def main():
    receiver = Receiver()
    with Server() as server:
        every_type(server)
        refusals(server)
        w20_conditions_have_events_and_their_value_is_readable(server)
        w21_a_time_out_says_why(server)
        webhook_is_told_with_an_address_that_answers(server, receiver)
        other_forms_of_an_answer(server, receiver)
        webhook_is_repeated_until_it_is_heard(server, receiver)
        webhook_outlives_a_kill(server, receiver)
        nobody_is_told_of_what_has_ended(server, receiver)


if __name__ == "__main__":
    main()
