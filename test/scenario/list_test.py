#!/usr/bin/env python3
"""ListRuns and ListActions: scopes, filters, orders, pages, and what each row shows."""
from badinput import BAD, FINE, Table
from harness import (ACTIONS, DOMAIN, FOLDER, PROJECT, RUNS, Server, action_id, check, eventually, refused, run_id,
                     shell_task)

PLACE = {"name": PROJECT, "domain": DOMAIN}
NEWEST = [{"key": "created_at", "direction": "DESCENDING"}]
OLDEST = [{"key": "created_at", "direction": "ASCENDING"}]
COUNT = 12


def where(field, function, *values):
    return {"field": field, "function": function, "values": list(values)}


def page_of(server, request, method="ListRuns", **scope):
    scope = scope or ({"projectId": PLACE} if method == "ListRuns" else {"runId": run_id("wide")})
    return server.call(RUNS, method, {"request": request, **scope})


def runs(server, *filters, order=None, **scope):
    """Names, over all pages."""
    names, token = [], ""
    while True:
        page = page_of(server, {"limit": 5, "token": token, "filters": list(filters),
                                "sortByFields": OLDEST if order is None else order}, **scope)
        names += [run["action"]["id"]["run"]["name"] for run in page.get("runs", [])]
        token = page.get("token", "")
        if not token:
            return names


def actions(server, *filters, order=None):
    names, token = [], ""
    while True:
        page = page_of(server, {"limit": 2, "token": token, "filters": list(filters),
                                "sortByFields": OLDEST if order is None else order}, "ListActions")
        names += [action["id"]["name"] for action in page.get("actions", [])]
        token = page.get("token", "")
        if not token:
            return names


def name_of(i):
    return f"l{i:02d}"


def numbers(wanted):
    return [name_of(i) for i in range(COUNT) if wanted(i)]


def enqueue(server, name, parent="a0", **spec):
    server.call(ACTIONS, "Enqueue", {"action": {
        "actionId": action_id("wide", name), "parentActionName": parent, "runOutputBase": "s3://mayfly/out/",
        "inputUri": "s3://mayfly/in/inputs.pb", "group": "g1", **spec}})


def fill(server):
    """Runs that end as wished, each of a task and version, with labels; and one that goes on, with children."""
    for i in range(COUNT):
        spec = shell_task("exit 1" if i % 4 == 3 else "true", name=f"env.t{i % 3}")
        spec["taskTemplate"]["id"]["version"] = f"v{i % 2}"
        spec["shortName"] = f"t{i % 3}"
        spec["environment"] = {"name": f"env{i % 2}"}
        labels = {"team": f"x{i % 2}", **({"rare": "50%_off"} if i == 5 else {})}
        server.create_run(spec, name_of(i), runSpec={"labels": {"values": labels}}, source="RUN_SOURCE_CLI")
    for i in range(COUNT):
        server.wait_run(name_of(i))
    wide = shell_task(f"while [ ! -e {FOLDER}/end ]; do sleep 0.05; done", name="env.wide")
    wide["taskTemplate"]["id"]["version"] = "v9"
    server.create_run(wide, "wide")
    child = shell_task(f"while [ ! -e {FOLDER}/end-task ]; do sleep 0.05; done", name="env.child")
    enqueue(server, "task", task={"spec": child})
    enqueue(server, "ask", condition={"name": "approve", "type": {"simple": "BOOLEAN"}, "prompt": "?"})
    trace = {"name": "env.traced", "phase": "ACTION_PHASE_SUCCEEDED", "outputs": {}, "spec": {}}
    enqueue(server, "traced", trace=trace)
    enqueue(server, "deep", parent="task", task={"spec": shell_task("true", name="env.deep")})
    eventually(lambda: actions(server, where("phase", "EQUAL", "9")) == ["ask"], "the condition waits")
    eventually(lambda: "deep" in actions(server, where("phase", "EQUAL", "SUCCEEDED")), "the child's child has ended")
    (FOLDER / "end-task").touch()
    eventually(lambda: {"task", "deep", "traced"} == set(actions(server, where("phase", "EQUAL", "SUCCEEDED"))),
               "the children have ended", 10)


# ---- runs ----

def scopes(server):
    check(set(runs(server)) == set(numbers(lambda i: True)) | {"wide"}, "all of the project")
    check(set(runs(server, org="")) >= set(runs(server)), "an org stands for everything")
    task = {"project": PROJECT, "domain": DOMAIN, "name": "env.t1"}
    check(runs(server, taskName=task) == numbers(lambda i: i % 3 == 1), "of a task")
    check(runs(server, taskId={**task, "version": "v0"}) == numbers(lambda i: i % 6 == 4), "of a version")
    trigger = {"project": PROJECT, "domain": DOMAIN, "name": "nobody", "taskName": "env.t1"}
    check(runs(server, triggerName=trigger) == [], "of a trigger")
    check(runs(server, projectId={"name": "elsewhere", "domain": DOMAIN}) == [], "of a project that is not there")
    paused = page_of(server, {"limit": 5}, projectId=PLACE, pausedActionsOnly=True)
    check([run["action"]["id"]["run"]["name"] for run in paused["runs"]] == ["wide"], "with an action that waits")


def filters(server):
    later = page_of(server, {"limit": 1, "sortByFields": OLDEST})["runs"][0]["action"]["status"]["startTime"]
    cases = [
        (where("phase", "EQUAL", "6"), lambda i: i % 4 == 3),
        (where("phase", "EQUAL", "ACTION_PHASE_FAILED"), lambda i: i % 4 == 3),
        (where("phase", "NOT_EQUAL", "5"), lambda i: i % 4 == 3),
        (where("phase", "VALUE_IN", "6", "7"), lambda i: i % 4 == 3),
        (where("phase", "VALUE_NOT_IN", "6", "7"), lambda i: i % 4 != 3),
        (where("phase", "GREATER_THAN", "5"), lambda i: i % 4 == 3),
        (where("task_name", "EQUAL", "env.t2"), lambda i: i % 3 == 2),
        (where("task_name", "VALUE_IN", "env.t2", "env.t0"), lambda i: i % 3 != 1),
        (where("task_name", "CONTAINS", "v.t2"), lambda i: i % 3 == 2),
        (where("task_name", "CONTAINS_CASE_INSENSITIVE", "V.T2"), lambda i: i % 3 == 2),
        (where("task_name", "ENDS_WITH", ".t2"), lambda i: i % 3 == 2),
        (where("task_name", "NOT_ENDS_WITH", ".t2"), lambda i: i % 3 != 2),
        (where("task_version", "EQUAL", "v1"), lambda i: i % 2 == 1),
        (where("task_project", "EQUAL", PROJECT), lambda i: True),
        (where("environment_name", "EQUAL", "env1"), lambda i: i % 2 == 1),
        (where("function_name", "CONTAINS", "t1"), lambda i: i % 3 == 1),
        (where("run_source", "EQUAL", "RUN_SOURCE_CLI"), lambda i: True),
        (where("run_name", "EQUAL", "l04"), lambda i: i == 4),
        (where("name", "EQUAL", "a0"), lambda i: True),
        (where("parent_name", "NOT_EXISTS"), lambda i: True),
        (where("trigger_name", "EXISTS"), lambda i: False),
        (where("trigger_type", "GREATER_THAN", "0"), lambda i: False),
        (where("attempts", "EQUAL", "1"), lambda i: True),
        (where("action_type", "EQUAL", "ACTION_TYPE_TASK"), lambda i: True),
        (where("created_at", "GREATER_THAN_OR_EQUAL", later), lambda i: True),
        (where("created_at", "LESS_THAN", "2020-01-02T03:04:05.678Z"), lambda i: False),
        (where("updated_at", "GREATER_THAN_OR_EQUAL", "2020-01-02T03:04:05.678901+00:00"), lambda i: True),
        (where("ended_at", "EXISTS"), lambda i: True),
        (where("ended_at", "NOT_EXISTS"), lambda i: False),
        (where("duration_ms", "GREATER_THAN_OR_EQUAL", "0"), lambda i: True),
    ]
    for one, wanted in cases:
        found = [name for name in runs(server, one) if name != "wide"]
        check(found == numbers(wanted), f"{one}: {found}")
    both = runs(server, where("phase", "EQUAL", "6"), where("task_version", "EQUAL", "v1"))
    check(both == numbers(lambda i: i % 4 == 3 and i % 2 == 1), "filters hold together")


def orders(server):
    for key in ["project", "domain", "run_name", "phase", "action_type", "run_source", "created_by_subject",
                "created_by", "trigger_task_name", "trigger_name", "trigger_revision", "trigger_type", "task_project",
                "task_domain",
                "task_name", "task_version", "function_name", "created_at", "updated_at", "ended_at", "duration_ms",
                "name", "parent_name", "action_group", "environment_name", "attempts", "task_type"]:
        for direction in ["ASCENDING", "DESCENDING"]:
            found = runs(server, order=[{"key": key, "direction": direction}])
            check(len(found) == COUNT + 1 == len(set(found)), f"by {key}: {found}")
    by_name = runs(server, order=[{"key": "run_name", "direction": "ASCENDING"}])
    check(by_name == sorted(by_name), f"by name: {by_name}")
    two = runs(server, order=[{"key": "task_name", "direction": "ASCENDING"}, *NEWEST])
    check(two[:4] == list(reversed(numbers(lambda i: i % 3 == 0))), f"by task, newest first: {two}")
    old = page_of(server, {"limit": 3, "sortBy": {"key": "created_at", "direction": "ASCENDING"}})
    check([run["action"]["id"]["run"]["name"] for run in old["runs"]] == numbers(lambda i: i < 3), "the older field")
    phases = [run["action"]["status"]["phase"] for run in page_of(server, {"limit": 100})["runs"]]
    check(phases == ["ACTION_PHASE_RUNNING"] + 9 * ["ACTION_PHASE_SUCCEEDED"] + 3 * ["ACTION_PHASE_FAILED"], phases)


def labels(server):
    check(runs(server, where("labels.team", "EQUAL", "x1")) == numbers(lambda i: i % 2 == 1), "a label's value")
    check(runs(server, where("labels.team", "NOT_EQUAL", "x1")) == numbers(lambda i: i % 2 == 0), "another value")
    check(runs(server, where("labels.team", "VALUE_IN", "x1", "x0")) == numbers(lambda i: True), "one of the values")
    check(runs(server, where("labels.rare", "EXISTS")) == [name_of(5)], "a label's key")
    check(set(runs(server, where("labels.rare", "NOT_EXISTS"))) == set(runs(server)) - {name_of(5)}, "not that key")
    two = runs(server, where("labels.team", "EQUAL", "x1"), where("labels.rare", "EXISTS"))
    check(two == [name_of(5)], "two labels")
    check(runs(server, where("labels.rare", "EQUAL", "50%_off"), order=NEWEST) == [name_of(5)], "odd characters")
    shown = page_of(server, {"filters": [where("run_name", "EQUAL", name_of(5))]})["runs"][0]
    check(shown["labels"] == {"team": "x1", "rare": "50%_off"}, shown)


def w16_filters_of_sdk_and_cli(server):
    check(runs(server, where("created_by", "EQUAL", "nobody")) == [], "created_by")
    labels(server)
    check(set(actions(server, where("parent_name", "EQUAL", "a0"))) == {"task", "ask", "traced"}, "parent_name")
    check(actions(server, where("parent_name", "EQUAL", "task")) == ["deep"], "parent_name, deeper")


def w17_filters_are_checked(server):
    check(runs(server, where("task_version", "VALUE_IN", "v1")) == numbers(lambda i: i % 2 == 1), "VALUE_IN of one")
    for wild in ["env_t1", "env%t1", "%", "_", "l\\d"]:
        for function in ["CONTAINS", "CONTAINS_CASE_INSENSITIVE", "ENDS_WITH"]:
            check(runs(server, where("task_name", function, wild)) == [], f"{function} {wild} is no pattern")
    for one, word in [
        (where("phase", "EQUAL", "5", "6"), "VALUE_IN"),
        (where("phase", "EQUAL", "done"), "done"),
        (where("phase", "CONTAINS", "5"), "phase"),
        (where("attempts", "GREATER_THAN", "many"), "many"),
        (where("created_at", "LESS_THAN", "not-a-time"), "not-a-time"),
        (where("created_at", "CONTAINS", "2026"), "created_at"),
        (where("task_name", "EQUAL"), "no values"),
        (where("flavour", "EQUAL", "x"), "flavour"),
        (where("labels.", "EXISTS"), "labels."),
        (where("labels.x", "CONTAINS", "y"), "labels"),
        (where("task_name", "EQUAL", "a\u0000b"), "task_name"),
        ({"field": "task_name", "function": 99, "values": ["x"]}, "99"),
        (where("task_name", "VALUE_IN", *[str(i) for i in range(300)]), "task_name"),
    ]:
        message = refused("invalid_argument", page_of, server, {"filters": [one]})
        check(word in message, f"{one}: {message}")
        if not one["field"].startswith("labels"):
            message = refused("invalid_argument", page_of, server, {"filters": [one]}, "ListActions")
            check(word in message, f"actions, {one}: {message}")
    message = refused("invalid_argument", page_of, server, {"sortByFields": [{"key": "run_id; DROP TABLE run"}]})
    check("invalid sort field" in message, message)


def c15_value_in_with_one_value(server):
    check(runs(server, where("phase", "VALUE_IN", "6")) == numbers(lambda i: i % 4 == 3), "runs")
    check(actions(server, where("phase", "VALUE_IN", "9")) == ["ask"], "actions")


def w25_pages_by_place(server):
    """Pages do not shift when runs are added, and a token says where it belongs."""
    first = page_of(server, {"limit": 5, "sortByFields": NEWEST})
    names = [run["action"]["id"]["run"]["name"] for run in first["runs"]]
    check(not first["token"].isdigit(), "a token is no offset")
    for i in range(3):
        server.create_run(shell_task("true", name="env.late"), f"late{i}")
    second = page_of(server, {"limit": 5, "sortByFields": NEWEST, "token": first["token"]})
    names += [run["action"]["id"]["run"]["name"] for run in second["runs"]]
    check(names == ["wide", *reversed(numbers(lambda i: i >= COUNT - 9))], f"both pages: {names}")
    for other in [
        {"sortByFields": OLDEST},
        {"sortByFields": NEWEST, "filters": [where("phase", "EQUAL", "5")]},
        {},
    ]:
        message = refused("invalid_argument", page_of, server, {"token": first["token"], **other})
        check("token" in message, message)
    refused("invalid_argument", page_of, server, {"token": first["token"], "sortByFields": NEWEST},
            projectId={"name": PROJECT, "domain": "production"})
    refused("invalid_argument", page_of, server, {"token": first["token"], "sortByFields": NEWEST}, "ListActions")
    for token in ["abc", "1x", "-1", first["token"][:-3], "k" + "A" * 40]:
        check("token" in refused("invalid_argument", page_of, server, {"token": token, "sortByFields": NEWEST}), token)


def decimal_tokens(server):
    """Clients that were told offsets by another server."""
    found = page_of(server, {"limit": 2, "token": "5", "sortByFields": OLDEST})
    names = [run["action"]["id"]["run"]["name"] for run in found["runs"]]
    check(names == [name_of(5), name_of(6)], f"from the offset on: {names}")
    check(page_of(server, {"limit": 2, "token": "5000", "sortByFields": OLDEST}) == {}, "beyond the end")
    whole = page_of(server, {"limit": 1000, "sortByFields": OLDEST})
    check("token" not in whole, "no token at the end")
    exact = page_of(server, {"limit": len(whole["runs"]), "sortByFields": OLDEST})
    check("token" not in exact, "nor when the page is full and nothing follows")


# ---- actions ----

def w16_list_actions_metadata(server):
    found = {action["id"]["name"]: action for action in page_of(server, {"limit": 100}, "ListActions")["actions"]}
    check(set(found) == {"a0", "task", "ask", "traced", "deep"}, list(found))
    for name, action in found.items():
        check(action["id"]["run"] == {"project": PROJECT, "domain": DOMAIN, "name": "wide"}, action)
        check(action["metadata"].get("parent", "") == {"a0": "", "deep": "task"}.get(name, "a0"), action)
        check(action["metadata"].get("group", "") == ("" if name == "a0" else "g1"), action)
        check(action["status"]["startTime"] and action["status"]["phase"], action)
    task = found["task"]["metadata"]
    check(task["actionType"] == "ACTION_TYPE_TASK" and task["task"]["id"]["name"] == "env.child" and
          task["task"]["taskType"] == "raw-shell" and task["funtionName"], task)
    status = found["task"]["status"]
    check(status["attempts"] == 1 and status["endTime"] and int(status["durationMs"]) >= 0, status)
    traced = found["traced"]["metadata"]
    check(traced["actionType"] == "ACTION_TYPE_TRACE" and traced["trace"]["name"] == "env.traced", traced)
    ask = found["ask"]["metadata"]
    check(ask["actionType"] == "ACTION_TYPE_CONDITION" and
          ask["condition"] == {"name": "approve", "type": {"simple": "BOOLEAN"}}, ask)
    check(found["ask"]["status"]["phase"] == "ACTION_PHASE_PAUSED", found["ask"])


def lists_of_actions(server):
    check(actions(server)[0] == "a0" and len(actions(server)) == 5, "oldest first")
    check(actions(server, order=NEWEST) == list(reversed(actions(server))), "newest first")
    for key in ["name", "phase", "updated_at", "ended_at", "duration_ms", "task_name", "parent_name", "action_group",
                "action_type", "attempts", "environment_name"]:
        for direction in ["ASCENDING", "DESCENDING"]:
            found = actions(server, order=[{"key": key, "direction": direction}])
            check(len(found) == 5 == len(set(found)), f"by {key}: {found}")
    check(actions(server, where("action_type", "EQUAL", "3")) == ["ask"], "conditions")
    check(actions(server, where("action_type", "EQUAL", "ACTION_TYPE_TRACE")) == ["traced"], "traces")
    check(actions(server, where("action_group", "EQUAL", "g1")) == actions(server)[1:], "a group")
    check(actions(server, where("name", "EQUAL", "deep")) == ["deep"], "by name")
    # The SDK spreads "10" of a single phase into its characters.
    check(actions(server, where("phase", "EQUAL", "1", "0")) == [], "recovered ones")
    check("wide" in refused("not_found", page_of, server, {}, "ListActions",
                            runId={"project": PROJECT, "domain": "production", "name": "wide"}), "no such run")


# ---- bad input ----

def bad_input(server):
    request = {"limit": 5, "token": "", "sortByFields": NEWEST, "filters": [where("phase", "EQUAL", "5")]}
    shared = {
        "request": {"missing": FINE, "empty": FINE},
        "request.limit": {"missing": FINE, "empty": FINE},
        "request.token": {"missing": FINE, "empty": FINE, "long": (70000, (BAD, "token"))},
        "request.sortByFields": {"missing": FINE, "empty": FINE},
        "request.sortByFields[0].key": {"missing": (BAD, "sort field"), "empty": (BAD, "sort field"),
                                        "long": (5000, (BAD, "sort field"))},
        "request.sortByFields[0].direction": {"missing": FINE},
        "request.filters": {"missing": FINE, "empty": FINE},
        "request.filters[0].field": {"missing": (BAD, "filter field"), "empty": (BAD, "filter field"),
                                     "long": (5000, (BAD, "filter field"))},
        "request.filters[0].function": {"missing": FINE, "enum": (BAD, "function")},
        "request.filters[0].values": {"missing": (BAD, "no values"), "empty": (BAD, "no values")},
    }
    for service in (RUNS, "flyteidl2.workflow.TrackedRunService"):
        table = Table(server, service, "ListRuns", {"request": request, "projectId": PLACE})
        table.check({
            "projectId": {"missing": FINE},
            "projectId.name": {"long": (64, (BAD, "name"))},
            "projectId.domain": {"long": (64, (BAD, "domain"))},
            **shared,
        })
        table.refuse({"request.sortByFields": 20 * NEWEST}, "invalid_argument", "sort")
        table.refuse({"request.filters": 60 * [where("phase", "EQUAL", "5")]}, "invalid_argument", "filters")
    table = Table(server, RUNS, "ListActions", {"request": request, "runId": run_id("wide")})
    table.check({
        "runId": {"missing": (BAD, "run_id"), "empty": (BAD, "run_id")},
        "runId.project": {"missing": (BAD, "project"), "empty": (BAD, "project"), "long": (64, (BAD, "project"))},
        "runId.domain": {"missing": (BAD, "domain"), "empty": (BAD, "domain"), "long": (64, (BAD, "domain"))},
        "runId.name": {"missing": (BAD, "name"), "empty": (BAD, "name")},
        **shared,
    })
    table.refuse({"runId.project": "elsewhere"}, "not_found", "elsewhere")
    table.refuse({"runId.name": "nobody"}, "not_found", "nobody")


def main():
    with Server() as server:
        fill(server)
        for scenario in [scopes, filters, orders, w16_filters_of_sdk_and_cli, w17_filters_are_checked,
                         c15_value_in_with_one_value, w16_list_actions_metadata, lists_of_actions, bad_input,
                         w25_pages_by_place, decimal_tokens]:
            scenario(server)
        (FOLDER / "end").touch()
        server.wait_run("wide")


if __name__ == "__main__":
    main()
