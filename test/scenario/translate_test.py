#!/usr/bin/env python3
"""TranslatorService: forms of tasks, of literals, of runs and of triggers, and what a form gives back."""
import json
from urllib.parse import quote

from badinput import BAD, FINE, Table
from harness import DOMAIN, PROJECT, Server, action_id, check, refused, shell_task

TRANSLATOR = "flyteidl2.workflow.TranslatorService"
DATA = "flyteidl2.dataproxy.DataProxyService"
TASKS = "flyteidl2.task.TaskService"
TRIGGERS = "flyteidl2.trigger.TriggerService"

INTEGER = {"simple": "INTEGER"}
STRING = {"simple": "STRING"}
NUMBERS = {"unionType": {"variants": [{"simple": "INTEGER", "structure": {"tag": "int"}},
                                      {"simple": "FLOAT", "structure": {"tag": "float"}}]}}
OPTIONAL = {"unionType": {"variants": [{"simple": "STRING", "structure": {"tag": "str"}},
                                       {"simple": "NONE", "structure": {"tag": "none"}}]}}


def variables(**types):
    return {"variables": [{"key": name, "value": {"type": kind}} for name, kind in types.items()]}


def integer(value):
    return {"scalar": {"primitive": {"integer": str(value)}}}


def text(value):
    return {"scalar": {"primitive": {"stringValue": value}}}


def named(**literals):
    return [{"name": name, "value": value} for name, value in literals.items()]


def to_form(server, types, literals=(), **more):
    return server.call(TRANSLATOR, "LiteralsToLaunchFormJson",
                       {"variables": variables(**types), "literals": list(literals), **more})["json"]


def from_form(server, form):
    answer = server.call(TRANSLATOR, "LaunchFormJsonToLiterals", {"json": form})
    return {entry["name"]: entry["value"] for entry in answer.get("literals", [])}


def from_values(server, types, values):
    answer = server.call(TRANSLATOR, "JsonValuesToLiterals", {"variables": variables(**types), "values": values})
    return {entry["name"]: entry["value"] for entry in answer.get("literals", [])}


def c27_integers_are_exact(server):
    """The reference goes through a double: 9007199254740993 becomes ...992."""
    for value in (2**53 + 1, -2**63, 2**63 - 1, 7):
        form = to_form(server, {"x": INTEGER}, named(x=integer(value)))
        shown = form["properties"]["x"]["default"]
        check(int(shown) == value and isinstance(shown, (int, str)), form)
        check(from_form(server, form) == {"x": integer(value)}, f"{value} came back as {from_form(server, form)}")
    check("whole number" in refused(BAD, from_values, server, {"x": INTEGER}, {"x": 3.9}), "3.9 is not cut to 3")


def c27_fractions_of_seconds_stay(server):
    moment = {"scalar": {"primitive": {"datetime": "2026-01-02T03:04:05.123456789Z"}}}
    span = {"scalar": {"primitive": {"duration": "-5400.500s"}}}
    types = {"when": {"simple": "DATETIME"}, "span": {"simple": "DURATION"}}
    form = to_form(server, types, named(when=moment, span=span))
    check(form["properties"]["when"]["default"] == "2026-01-02T03:04:05.123456789Z", form)
    check(form["properties"]["span"]["default"] == "-1h30m0.5s", form)
    check(from_form(server, form) == {"when": moment, "span": span}, form)


def c27_unions_take_the_best_variant(server):
    """The reference takes the first that converts: 2.5 as INTEGER | FLOAT becomes 2."""
    for value, tag, inner in ((2.5, "float", {"floatValue": 2.5}), (2, "int", {"integer": "2"})):
        got = from_values(server, {"x": NUMBERS}, {"x": value})["x"]["scalar"]["union"]
        check(got["type"]["structure"]["tag"] == tag and got["value"]["scalar"]["primitive"] == inner, got)
    two = {"scalar": {"union": {"value": {"scalar": {"primitive": {"floatValue": 2}}},
                                "type": {"simple": "FLOAT", "structure": {"tag": "float"}}}}}
    form = to_form(server, {"x": NUMBERS}, named(x=two))
    check(from_form(server, form) == {"x": two}, "a float without a fraction is still one after the form")


def c27_default_inputs_are_shown_in_order(server):
    names = [f"v{i}" for i in (5, 3, 9, 1, 7, 2, 8, 4, 6, 0)]
    task = shell_task("true")
    task["taskTemplate"]["interface"] = {"inputs": variables(**dict.fromkeys(names, INTEGER), maybe=OPTIONAL)}
    task["defaultInputs"] = [{"name": "v3", "parameter": {"var": {"type": INTEGER}, "default": integer(33)}},
                             {"name": "gone", "parameter": {"var": {"type": INTEGER}, "default": integer(1)}}]
    texts = set()
    for _ in range(3):
        form = server.call(TRANSLATOR, "TaskSpecToLaunchFormJson", {"taskSpec": task})["json"]
        check(form["properties"]["v3"]["default"] == 33, form)
        check("default" not in form["properties"]["v5"] and "gone" not in form["properties"], form)
        check(list(form["properties"]) == [*names, "maybe"] and form["required"] == names, list(form["properties"]))
        check(form["title"] == "Launch Form" and form["type"] == "object", form)
        texts.add(json.dumps(form))
    check(len(texts) == 1, "the order of keys is stable")
    empty = server.call(TRANSLATOR, "TaskSpecToLaunchFormJson", {"taskSpec": shell_task("true")})["json"]
    check(empty == {"properties": {}, "required": [], "title": "Launch Form", "type": "object"}, empty)


def test_values(server):
    got = from_values(server, {"a": STRING, "b": OPTIONAL, "c": {"collectionType": INTEGER}},
                      {"a": "x", "c": [1, "2"], "more": True})
    check(got["a"] == text("x") and got["c"]["collection"]["literals"] == [integer(1), integer(2)], got)
    check(got["b"]["scalar"]["union"]["value"]["scalar"] == {"noneType": {}}, got)
    check("missing value for variable \"a\"" in refused(BAD, from_values, server, {"a": STRING}, {}), "a missing value")
    check(refused(BAD, from_values, server, {"a": STRING}, {"a": None}).startswith("a: "), "null for what is required")
    message = refused(BAD, server.call, TRANSLATOR, "JsonValuesToLiterals", {"variables": variables(a=STRING)})
    check("values cannot be nil" in message, message)
    deep = refused(BAD, from_values, server, {"a": {"collectionType": {"mapValueType": INTEGER}}}, {"a": [{"k": "x"}]})
    check(deep.startswith("a[0].k: "), deep)
    # The SDK's structures stay MessagePack, others become Struct.
    notes = {"annotations": {"cache-key-metadata": {"serialization-format": "msgpack"}}}
    shape = {"type": "object", "title": "D", "properties": {"n": {"type": "integer"}, "f": {"type": "number"}}}
    got = from_values(server, {"d": {"simple": "STRUCT", "metadata": shape, "annotation": notes}},
                      {"d": {"n": str(2**53 + 1)}})["d"]["scalar"]["binary"]
    check(got == {"value": "gaFuzwAgAAAAAAAB", "tag": "msgpack"}, got)
    got = from_values(server, {"d": {"simple": "STRUCT", "metadata": shape}}, {"d": {"n": 1}})["d"]
    check(got == {"scalar": {"generic": {"n": 1}}}, got)


def test_literals(server):
    form = to_form(server, {"a": STRING}, named(a=text("x"), unknown=text("y")))
    check(form["properties"] == {"a": {"type": "string", "default": "x"}} and form["required"] == ["a"], form)
    form = server.call(TRANSLATOR, "LiteralsToLaunchFormJson", {"literals": named(a=text("x"))})["json"]
    check(form["properties"] == {}, "variables may be nil")
    for literal in ({"scalar": {"error": {}}}, {"scalar": {"schema": {}}}, {"offloadedMetadata": {"uri": "s3://b/x"}}):
        refused("unimplemented", to_form, server, {"a": STRING}, named(a=literal))
    refused(BAD, to_form, server, {"a": STRING}, named(a={}))
    check("properties" in refused(BAD, from_form, server, {"type": "object"}), "properties are required")
    check("properties" in refused(BAD, from_form, server, {"properties": [1]}), "properties are an object")
    check("type" in refused(BAD, from_form, server, {"properties": {"x": {"default": 1}}}), "the type is required")
    # Connect GET, as the console may send it.
    message = quote(json.dumps({"variables": variables(a=STRING)}))
    path = f"/{TRANSLATOR}/LiteralsToLaunchFormJson?connect=v1&encoding=json&message={message}"
    status, _, body = server.request("GET", path)
    check(status == 200 and json.loads(body)["json"]["required"] == ["a"], body)


def w22_literals_of_a_run_by_folder_or_file(server):
    task = shell_task("true")
    task["taskTemplate"]["interface"] = {"inputs": variables(x=INTEGER)}
    run = server.create_run(task, inputs={"literals": named(x=integer(5))})
    uris = server.call("flyteidl2.workflow.RunService", "GetActionDataURIs", {"actionId": action_id(run)})
    file = uris["inputsUri"]
    check(file.endswith("/inputs.pb") and not file.endswith("/inputs.pb/inputs.pb"), file)
    for uri in (file, file.removesuffix("/inputs.pb")):
        form = to_form(server, {"x": INTEGER}, literalsUri=uri, actionId=action_id(run))
        check(form["properties"]["x"]["default"] == 5, form)
    check("action_id" in refused(BAD, to_form, server, {"x": INTEGER}, literalsUri=file), "no action")
    message = refused(BAD, to_form, server, {"x": INTEGER}, literalsUri=file + "x", actionId=action_id(run))
    check("literals_uri" in message, message)
    refused("not_found", to_form, server, {"x": INTEGER}, literalsUri=file, actionId=action_id("nobody"))
    refused(BAD, to_form, server, {"x": INTEGER}, literalsUri=file, actionId={"name": "a0"})
    server.wait_run(run)


def deploy(server, name, *triggers):
    task = shell_task("true", name=name)
    task["taskTemplate"]["interface"] = {"inputs": variables(x=INTEGER)}
    server.call(TASKS, "DeployTask", {"taskId": {"project": PROJECT, "domain": DOMAIN, "name": name, "version": "v1"},
                                      "spec": task, "triggers": list(triggers)})


def w22_literals_of_a_trigger(server):
    """Of the revision that is asked for; the reference reads the folder as if it were the file."""
    project = {"organization": "", "name": PROJECT, "domain": DOMAIN}
    spec = {"active": False, "taskVersion": "v1", "runSpec": {}}
    automation = {"type": "TYPE_NONE"}
    key = {"project": PROJECT, "domain": DOMAIN, "name": "nightly", "taskName": "triggered"}
    offloaded = server.call(DATA, "UploadInputs", {
        "projectId": project, "taskSpec": shell_task("true"), "inputs": {"literals": named(x=integer(7))}})
    data = offloaded["offloadedInputData"]
    folder = {"uri": data["uri"].removesuffix("/inputs.pb"), "inputsHash": data["inputsHash"]}
    inline = {"literals": named(x=integer(9))}
    for more in ({"offloadedInputData": folder}, {"description": "no inputs"}, {"inputs": inline}):
        deploy(server, "triggered", {"name": "nightly", "automationSpec": automation, "spec": {**spec, **more}})
    form = to_form(server, {"x": INTEGER}, triggerId={"name": key, "revision": "1"})
    check(form["properties"]["x"]["default"] == 7, form)
    form = to_form(server, {"x": INTEGER}, triggerId={"name": key, "revision": "3"})
    check(form["properties"]["x"]["default"] == 9, form)
    message = refused(BAD, to_form, server, {"x": INTEGER}, triggerId={"name": key, "revision": "2"})
    check("no offloaded input data" in message, message)
    refused("not_found", to_form, server, {"x": INTEGER}, triggerId={"name": key, "revision": "9"})
    other = {"name": {**key, "name": "nobody"}, "revision": "1"}
    refused("not_found", to_form, server, {"x": INTEGER}, triggerId=other)


def bad_input(server):
    values = Table(server, TRANSLATOR, "JsonValuesToLiterals",
                   {"variables": variables(a=STRING), "values": {"a": "x"}})
    values.check({
        "variables": {"missing": FINE},
        "variables.variables": {"missing": FINE},
        "variables.variables[0].key": {"missing": (BAD, "missing value")},
        "variables.variables[0].value": {"missing": (BAD, "null is wanted")},
        "values": {"missing": BAD, "empty": (BAD, "\"a\"")},
    }, skip={"values.a": "any JSON is a value", "variables.variables.value.type": "types have tests of their own"})
    literals = Table(server, TRANSLATOR, "LiteralsToLaunchFormJson", {
        "variables": variables(a=STRING), "literals": named(a=text("x")), "literalsUri": "",
        "actionId": action_id("r")})
    literals.refuse({"literals[0].value": {}}, BAD, "a: ")
    literals.refuse({"literals": 3}, BAD, "literals")
    literals.refuse({"variables": "x"}, BAD, "variables")
    literals.refuse({"literalsUri": "s3://mayfly/x"}, "not_found", "r")
    literals.refuse({"literalsUri": "s3://mayfly/x", "actionId": {"name": "a0"}}, BAD, "action_id")
    literals.refuse({"literalsUri": "s3://mayfly/x", "actionId": None}, BAD, "action_id")
    literals.refuse({"actionId": None, "triggerId": {"revision": "1"}}, BAD, "name")
    form = Table(server, TRANSLATOR, "LaunchFormJsonToLiterals",
                 {"json": {"properties": {"a": {"type": "integer", "default": 1}}}})
    form.refuse({"json": None}, BAD, "json")
    form.refuse({"json.properties": "x"}, BAD, "properties")
    form.refuse({"json.properties.a": 3}, BAD, "a: ")
    form.refuse({"json.properties.a.type": None}, BAD, "a: ")
    form.refuse({"json.properties.a.default": "x"}, BAD, "a: ")
    spec = Table(server, TRANSLATOR, "TaskSpecToLaunchFormJson", {"taskSpec": shell_task("true")})
    spec.refuse({"taskSpec": None}, BAD, "task_spec")
    spec.refuse({"taskSpec": "x"}, BAD, "taskspec")
    # Large and deep requests end with a word about it, not with the server.
    many = {"unionType": {"variants": [{"collectionType": INTEGER}] * 2000}}
    message = refused(BAD, from_values, server, {"x": many}, {"x": [1] * 20000})
    check("too large" in message, message)
    deep = {"simple": "INTEGER"}
    for _ in range(40):
        deep = {"collectionType": deep}
    check("deep" in refused(BAD, to_form, server, {"x": deep}), "a type of forty lists")


with Server() as server:
    for scenario in (c27_integers_are_exact, c27_fractions_of_seconds_stay, c27_unions_take_the_best_variant,
                     c27_default_inputs_are_shown_in_order, test_values, test_literals,
                     w22_literals_of_a_run_by_folder_or_file, w22_literals_of_a_trigger, bad_input):
        scenario(server)
