#!/usr/bin/env python3
"""TaskService: deploys with and without triggers, lists of tasks and versions, what the summaries say."""


from badinput import BAD, FINE, Table, store_digest
from harness import DOMAIN, PROJECT, RUNS, Server, check, refused, shell_task

TASKS, TRIGGERS = "flyteidl2.task.TaskService", "flyteidl2.trigger.TriggerService"
# A rate whose encoding has bytes that are no text: the reference loses such a summary.
RATE = {
    "type": "TYPE_SCHEDULE",
    "schedule": {
        "rate": {"value": 200, "unit": "FIXED_RATE_UNIT_MINUTE", "startTime": "2026-11-24T09:00:00.000000092Z"}
    },
}
WHERE = {"projectId": {"name": PROJECT, "domain": DOMAIN}}


def task_id(name, version="v1", domain=DOMAIN):
    return {"project": PROJECT, "domain": domain, "name": name, "version": version}


def trigger(name, active=True, **more):
    return {"name": name, "spec": {"active": active}, **more}


def deploy(server, name, version="v1", triggers=(), domain=DOMAIN, spec=None, **more):
    spec = spec or {"taskTemplate": {"type": "python"}, "environment": {"name": name.split(".")[0]}, **more}
    server.call(
        TASKS, "DeployTask", {"taskId": task_id(name, version, domain), "spec": spec, "triggers": list(triggers)}
    )


def details(server, name, version="v1"):
    return server.call(TASKS, "GetTaskDetails", {"taskId": task_id(name, version)})["details"]


def summary(server, name, version="v1"):
    return details(server, name, version)["metadata"].get("triggersSummary")


def listing(server, where=None, known=(), **request):
    message = {**(WHERE if where is None else where), "request": request, "knownFilters": list(known)}
    return server.call(TASKS, "ListTasks", message)


def names(answer):
    return [f"{each['taskId']['name']}:{each['taskId']['version']}" for each in answer.get("tasks", [])]


def totals(answer):
    return answer.get("metadata", {}).get("total", 0), answer.get("metadata", {}).get("filteredTotal", 0)


def versions(server, name, **request):
    answer = server.call(
        TASKS, "ListVersions", {"taskName": {"project": PROJECT, "domain": DOMAIN, "name": name}, "request": request}
    )
    return answer.get("versions", []), answer.get("token", "")


def filtered(field, *values, function="EQUAL"):
    return {"filters": [{"field": field, "function": function, "values": list(values)}]}


def live(server, name):
    found = server.call(TRIGGERS, "ListTriggers", {"taskName": {"project": PROJECT, "domain": DOMAIN, "name": name}})
    return sorted(
        (each["id"]["name"]["name"], int(each["id"]["revision"]), each.get("active", False))
        for each in found.get("triggers", [])
    )


def deployed_and_read(server):
    spec = {
        "taskTemplate": {"type": "python", "metadata": {"isEntrypoint": True}},
        "shortName": "short",
        "environment": {"name": "env", "description": "an environment"},
        "documentation": {"shortDescription": "does it", "longDescription": "at length"},
    }
    server.call(TASKS, "DeployTask", {"taskId": {**task_id("env.sub.main"), "org": "acme"}, "spec": spec})
    found = details(server, "env.sub.main")
    check(found["taskId"] == task_id("env.sub.main") and found["spec"] == spec, found)
    meta = found["metadata"]
    check(
        (meta["shortName"], meta["environmentName"], meta["shortDescription"]) == ("sub.main", "env", "does it"), meta
    )
    check("triggersSummary" not in meta and "deployedBy" not in meta and meta["deployedAt"], meta)
    check([each["version"] for each in versions(server, "env.sub.main")[0]] == ["v1"], "one version")
    check(versions(server, "nobody") == ([], ""), "a task that is not there has no versions")


def c9_summaries_of_all_versions(server):
    deploy(server, "sum.a", "v1", [trigger("rate", automationSpec=RATE)])
    one = {"details": {"name": "rate", "active": True, "automationSpec": RATE}}
    check(summary(server, "sum.a") == one, summary(server, "sum.a"))
    deploy(server, "sum.a", "v2", [trigger("rate", automationSpec=RATE), trigger("off", active=False)])
    check(summary(server, "sum.a", "v1") is None, "the older version has lost its trigger")
    check(summary(server, "sum.a", "v2") == {"stats": {"total": 2, "active": 1}}, summary(server, "sum.a", "v2"))
    found = listing(server, **filtered("name", "sum.a"))["tasks"][0]
    check(found["metadata"]["triggersSummary"] == {"stats": {"total": 2, "active": 1}}, found)
    name = {"project": PROJECT, "domain": DOMAIN, "taskName": "sum.a", "name": "rate"}
    server.call(TRIGGERS, "UpdateTriggers", {"names": [name], "active": False})
    check(summary(server, "sum.a", "v2") == {"stats": {"total": 2}}, summary(server, "sum.a", "v2"))
    server.call(
        TRIGGERS, "DeployTrigger", {"name": name, "spec": {"taskVersion": "v1", "active": True}, "automationSpec": RATE}
    )
    check(summary(server, "sum.a", "v1") == one, "moved back")
    check(summary(server, "sum.a", "v2")["details"]["name"] == "off", summary(server, "sum.a", "v2"))
    for field, value, expected in [
        ("total_triggers", "1", ["sum.a:v2"]),
        ("active_triggers", "1", []),
        ("trigger_name", "off", ["sum.a:v2"]),
        ("trigger_name", "rate", []),
    ]:
        filters = filtered(field, value)["filters"] + filtered("name", "sum.a")["filters"]
        check(names(listing(server, filters=filters)) == expected, f"{field} = {value}")
    server.call(TRIGGERS, "DeleteTriggers", {"names": [name, {**name, "name": "off"}]})
    check(summary(server, "sum.a", "v1") is summary(server, "sum.a", "v2") is None, "all gone")


def c10_triggers_of_a_deploy(server):
    deploy(server, "set.a", "v1", [trigger("a"), trigger("b"), trigger("c", active=False)])
    check(live(server, "set.a") == [("a", 1, True), ("b", 1, True), ("c", 1, False)], live(server, "set.a"))
    # None named: they stay, pinned to their version, and the log says so.
    deploy(server, "set.a", "v2")
    check(live(server, "set.a") == [("a", 1, True), ("b", 1, True), ("c", 1, False)], live(server, "set.a"))
    check("set.a: deployed as version v2 without triggers; the 3 it has stay" in server.log(), server.log())
    # Some named: the others are deleted, with a revision that says so.
    deploy(server, "set.a", "v2", [trigger("b", active=False), trigger("d")])
    check(live(server, "set.a") == [("b", 2, False), ("d", 1, True)], live(server, "set.a"))
    key = {"project": PROJECT, "domain": DOMAIN, "taskName": "set.a", "name": "a"}
    past = server.call(TRIGGERS, "GetTriggerRevisionHistory", {"name": key})["triggers"]
    check(
        [each["action"] for each in past] == ["TRIGGER_REVISION_ACTION_DELETE", "TRIGGER_REVISION_ACTION_DEPLOY"], past
    )
    moved = server.call(TRIGGERS, "GetTriggerDetails", {"name": {**key, "name": "b"}})["trigger"]
    check(moved["spec"] == {"taskVersion": "v2"}, moved)
    # A version that is there is replaced; it keeps the time of its first deploy, and the log says so.
    before = details(server, "set.a", "v2")
    deploy(server, "set.a", "v2", shortName="changed")
    after = details(server, "set.a", "v2")
    check(
        after["spec"]["shortName"] == "changed" and after["metadata"]["deployedAt"] == before["metadata"]["deployedAt"],
        after,
    )
    check("set.a: version v2 was there and is replaced" in server.log(), server.log())
    # The inputs of a trigger become those of its specification.
    offloaded = {"uri": "s3://mayfly/x", "inputsHash": "h"}
    deploy(
        server,
        "set.b",
        "v1",
        [
            {"name": "off", "spec": {"offloadedInputData": offloaded, "description": "d"}},
            {
                "name": "in",
                "spec": {
                    "inputs": {"context": [{"key": "k", "value": "v"}]},
                    "runSpec": {"envs": {"values": [{"key": "A", "value": "1"}]}},
                },
            },
        ],
    )
    spec = server.call(TRIGGERS, "GetTriggerDetails", {"name": {**key, "taskName": "set.b", "name": "off"}})["trigger"][
        "spec"
    ]
    check(spec == {"offloadedInputData": offloaded, "taskVersion": "v1", "description": "d"}, spec)
    spec = server.call(TRIGGERS, "GetTriggerDetails", {"name": {**key, "taskName": "set.b", "name": "in"}})["trigger"][
        "spec"
    ]
    check(spec["inputs"]["context"] == [{"key": "k", "value": "v"}] and spec["runSpec"]["envs"]["values"], spec)


def c10_a_deploy_is_all_or_nothing(server):
    deploy(server, "all.a", "v1", [trigger("keep")])
    before = store_digest(server)
    bad = {"type": "TYPE_SCHEDULE", "schedule": {"cron": {"expression": "0 0 30 2 *"}}}
    for triggers, word in [
        (
            [trigger("fine"), trigger("bad", automationSpec=bad)],
            'triggers[1] "bad": automation_spec.schedule.cron.expression',
        ),
        ([trigger("same"), trigger("same")], "there are two with this name"),
        ([trigger("a/b")], "must not hold"),
        ([trigger("a\x00b")], "must not hold"),
        ([trigger(f"t{i}") for i in range(1001)], "more than 1000"),
    ]:
        message = refused("invalid_argument", deploy, server, "all.a", "v2", triggers)
        check(word in message and "invalid_argument" not in message, message)
    for project, code in [("nobody", "not_found"), ("", "invalid_argument")]:
        refused(
            code,
            server.call,
            TASKS,
            "DeployTask",
            {
                "taskId": {**task_id("all.a", "v2"), "project": project},
                "spec": {"taskTemplate": {}},
                "triggers": [trigger("x")],
            },
        )
    check(store_digest(server) == before, "a refused deploy changes nothing")


def c11_lists(server):
    for i, version in enumerate(["v1", "v2"]):
        for name in ("list.a", "list.b", "list.c", "list.d"):
            deploy(
                server,
                name,
                version,
                domain="staging",
                triggers=[],
                spec={
                    "taskTemplate": {"metadata": {"isEntrypoint": name == "list.b"}},
                    "environment": {"name": f"e{i}"},
                },
            )
    where = {"projectId": {"name": PROJECT, "domain": "staging"}}
    order = ["list.d:v2", "list.c:v2", "list.b:v2", "list.a:v2"]
    answer = listing(server, where)
    check(names(answer) == order and totals(answer) == (4, 4) and not answer.get("token"), answer)
    # The newest version is picked first, filters look at it alone.
    answer = listing(server, where, **filtered("version", "v1"))
    check(names(answer) == [] and totals(answer) == (4, 0), answer)
    answer = listing(server, where, **filtered("environment", "e1", function="VALUE_IN"), limit=3)
    check(names(answer) == order[:3] and totals(answer) == (4, 4), answer)
    last = listing(server, where, **filtered("environment", "e1", function="VALUE_IN"), limit=3, token=answer["token"])
    check(names(last) == order[3:] and totals(last) == (4, 4) and not last.get("token"), last)
    past = listing(server, where, token="100")
    check(names(past) == [] and totals(past) == (4, 4), "the totals hold past the end")
    check(
        names(listing(server, where, limit=4)) == order and not listing(server, where, limit=4).get("token"),
        "full page",
    )
    check(names(listing(server, where, known=[{"isEntrypoint": True}])) == ["list.b:v2"], "entry points")
    check(totals(listing(server, where, known=[{"isEntrypoint": True}])) == (4, 1), "entry points counted")
    check(names(listing(server, where, known=[{"isEntrypoint": False}])) == order, "no restriction")
    check(names(listing(server, where, known=[{"deployedBy": "ann"}])) == [], "nobody's")
    by_name = {"sortBy": {"key": "name", "direction": "ASCENDING"}}
    check(names(listing(server, where, **by_name)) == order[::-1], "by name")
    check(
        names(listing(server, where, **filtered("name", "LIST.A", function="CONTAINS_CASE_INSENSITIVE"))) == order[3:],
        "any case",
    )
    check(names(listing(server, where, **filtered("name", "%"), **by_name)) == [], "no wildcards")
    check(totals(listing(server, {"org": "any"}))[0] > 4, "everywhere")
    for request, word in [
        (filtered("nonsense", "1"), "nonsense"),
        (filtered("total_triggers", "many"), "total_triggers"),
        ({"sortBy": {"key": "nonsense"}}, "nonsense"),
        ({"token": "1x"}, "token"),
        (filtered("name"), "name"),
    ]:
        check(word in refused("invalid_argument", listing, server, where, **request), f"{request} names {word}")
    other = refused("invalid_argument", listing, server, WHERE, token=answer["token"])
    check("another scope" in other, other)


def c11_latest_run(server):
    for version in ("v1", "v2"):
        deploy(server, "ran.a", version, spec=shell_task("true", name="ran.a"))
    for version, name in (("v1", "first"), ("v2", "second"), ("v1", "third")):
        server.call(
            RUNS,
            "CreateRun",
            {
                "runId": {"project": PROJECT, "domain": DOMAIN, "name": name},
                "taskId": task_id("ran.a", version),
                "inputs": {},
            },
        )
        server.wait_run(name)
    latest = listing(server, **filtered("name", "ran.a"))["tasks"][0]["taskSummary"]["latestRun"]
    check(latest["runId"]["name"] == "third" and latest["phase"] == "ACTION_PHASE_SUCCEEDED", latest)
    check(latest["rootTaskName"] == "ran.a" and latest["runTime"], latest)
    found = {each["version"]: each["latestRun"]["runId"]["name"] for each in versions(server, "ran.a")[0]}
    check(found == {"v1": "third", "v2": "second"}, found)
    deploy(server, "ran.b")
    check(listing(server, **filtered("name", "ran.b"))["tasks"][0].get("taskSummary", {}) == {}, "never run")
    deploy(server, "ran.a", "v3")
    third = versions(server, "ran.a", **filtered("version", "v3"))[0]
    check(len(third) == 1 and "latestRun" not in third[0], third)
    pages, token = [], ""
    for _ in range(3):
        page, token = versions(
            server, "ran.a", limit=1, token=token, sortBy={"key": "version", "direction": "ASCENDING"}
        )
        pages += [each["version"] for each in page]
    check(pages == ["v1", "v2", "v3"] and not token, pages)
    refused("invalid_argument", versions, server, "ran.a", **filtered("environment", "x"))


def c12_long_texts_are_cut_at_a_character(server):
    spec = {
        "taskTemplate": {},
        "environment": {"name": "cut", "description": "ü" * 300},
        "documentation": {"shortDescription": "x" * 254 + "ü", "longDescription": "ü" * 1025},
    }
    deploy(server, "cut.a", spec=spec)
    found = details(server, "cut.a")["spec"]
    check(found["environment"]["description"] == "ü" * 127, "254 of 255 bytes")
    check(
        found["documentation"] == {"shortDescription": "x" * 254, "longDescription": "ü" * 1024}, found["documentation"]
    )
    exact = {
        "taskTemplate": {},
        "environment": {"name": "cut", "description": "x" * 255},
        "documentation": {"shortDescription": "x" * 255, "longDescription": "x" * 2048},
    }
    deploy(server, "cut.b", spec=exact)
    check(details(server, "cut.b")["spec"] == exact, "what just fits is left alone")


def bad_input(server):
    good = {
        "taskId": task_id("bad.a"),
        "spec": {"taskTemplate": {"type": "python"}, "shortName": "s"},
        "triggers": [
            trigger("t", automationSpec={"type": "TYPE_SCHEDULE", "schedule": {"cron": {"expression": "@daily"}}})
        ],
    }
    name = {"missing": BAD, "empty": BAD, "long": (256, BAD)}
    automation = "triggers[0].automationSpec"
    table = Table(server, TASKS, "DeployTask", good)
    table.check(
        {
            "taskId": {"missing": BAD, "empty": BAD},
            "taskId.project": name,
            "taskId.domain": name,
            "taskId.name": name,
            "taskId.version": {"missing": BAD, "empty": BAD, "long": (64, BAD)},
            "spec": {"missing": BAD, "empty": (BAD, "task_template")},
            "spec.taskTemplate": {"missing": BAD},
            "spec.taskTemplate.type": {"missing": FINE},
            "spec.shortName": {"missing": FINE, "long": (64, BAD)},
            "triggers": {"missing": FINE},
            "triggers[0].name": name,
            "triggers[0].spec": {"missing": BAD, "empty": FINE},
            "triggers[0].spec.active": {"missing": FINE},
            automation: {"missing": FINE},
            f"{automation}.type": {"missing": BAD, "enum": BAD},
            f"{automation}.schedule": {"missing": BAD, "empty": BAD},
            f"{automation}.schedule.cron": {"missing": BAD, "empty": (BAD, "expression")},
            f"{automation}.schedule.cron.expression": {"missing": BAD, "empty": BAD, "long": (300, BAD)},
        }
    )
    table.refuse_policies("triggers[0].spec")
    unknown = {"schedule.mayfly/x": ""}
    table.refuse({"triggers[0].spec.runSpec.annotations.values": unknown}, BAD, 'triggers[0] "t": spec.run_spec.')
    table.refuse({"taskId.project": "nobody"}, "not_found", "nobody")
    for wrong in ("a/b", "a\nb", "a\x00b"):
        for field in ("name", "version", "domain"):
            table.refuse({f"taskId.{field}": wrong}, BAD, field)
    deploy(server, "bad.b")
    table = Table(server, TASKS, "GetTaskDetails", {"taskId": task_id("bad.b")})
    table.check(
        {
            "taskId": {"missing": BAD, "empty": BAD},
            "taskId.project": name,
            "taskId.domain": name,
            "taskId.name": name,
            "taskId.version": {"missing": BAD, "empty": BAD, "long": (64, BAD)},
        }
    )
    for change in ({"taskId.version": "v9"}, {"taskId.name": "bad.none"}, {"taskId.project": "nobody"}):
        table.refuse(change, "not_found", "task not found")
    Table(server, TASKS, "ListVersions", {"taskName": {"project": PROJECT, "domain": DOMAIN, "name": "bad.b"}}).check(
        {
            "taskName": {"missing": BAD, "empty": BAD},
            **{f"taskName.{field}": name for field in ("project", "domain", "name")},
        }
    )
    Table(server, TASKS, "ListTasks", {"projectId": WHERE["projectId"], "knownFilters": [{"deployedBy": "x"}]}).check(
        {
            "projectId": {"missing": FINE},
            "projectId.name": {"missing": BAD, "empty": BAD},
            "projectId.domain": {"missing": BAD, "empty": BAD},
            "knownFilters": {"missing": FINE},
            "knownFilters[0].deployedBy": {"missing": FINE},
        }
    )


def c13_a_damaged_row_is_no_missing_task(server):
    deploy(server, "hurt.a")
    server.sql(f"UPDATE task SET spec = {server.blob('0aff')} WHERE name = 'hurt.a'")
    check("specification" in refused("data_loss", details, server, "hurt.a"), "the message says what is damaged")
    check(server.request("GET", "/healthz")[0] == 200, "the server goes on")


def replacing():
    """With the switch an empty list is a replacement, too."""
    with Server("--replace-triggers", name="replacing") as server:
        deploy(server, "set.a", "v1", [trigger("a")])
        deploy(server, "set.a", "v2")
        check(live(server, "set.a") == [], live(server, "set.a"))


with Server() as server:
    deployed_and_read(server)
    c9_summaries_of_all_versions(server)
    c10_triggers_of_a_deploy(server)
    c10_a_deploy_is_all_or_nothing(server)
    c11_lists(server)
    c11_latest_run(server)
    c12_long_texts_are_cut_at_a_character(server)
    bad_input(server)
    c13_a_damaged_row_is_no_missing_task(server)
replacing()
