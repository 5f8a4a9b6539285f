#!/usr/bin/env python3
"""TriggerService: deploy, read, switch, delete, revisions and their history; what a schedule may be."""

import json
import threading

from badinput import BAD, FINE, Table, store_digest
from harness import DOMAIN, PROJECT, CallError, Server, check, refused

TASKS, TRIGGERS = "flyteidl2.task.TaskService", "flyteidl2.trigger.TriggerService"
DAILY = {"type": "TYPE_SCHEDULE", "schedule": {"cron": {"expression": "0 9 * * *", "timezone": "Europe/Berlin"}}}
BAD_NAMES = ["a/b", "a\nb", "a\x00b"]


def deploy_task(server, name, version="v1", triggers=(), **where):
    spec = {"taskTemplate": {"type": "python"}, "environment": {"name": "env"}}
    server.call(
        TASKS,
        "DeployTask",
        {
            "taskId": {"project": PROJECT, "domain": DOMAIN, "name": name, "version": version, **where},
            "spec": spec,
            "triggers": list(triggers),
        },
    )


def named(name, task="env.main", **where):
    return {"project": PROJECT, "domain": DOMAIN, "name": name, "taskName": task, **where}


def deploy(server, name, task="env.main", automation=None, revision=0, version="v1", **spec):
    message = {"name": named(name, task), "spec": {"taskVersion": version, "active": True, **spec}}
    if automation:
        message["automationSpec"] = automation
    if revision:
        message["revision"] = str(revision)
    return server.call(TRIGGERS, "DeployTrigger", message)["trigger"]


def details(server, name, task="env.main"):
    return server.call(TRIGGERS, "GetTriggerDetails", {"name": named(name, task)})["trigger"]


def switch(server, active, *names, task="env.main"):
    server.call(TRIGGERS, "UpdateTriggers", {"names": [named(name, task) for name in names], "active": active})


def delete(server, *names, task="env.main"):
    server.call(TRIGGERS, "DeleteTriggers", {"names": [named(name, task) for name in names]})


def history(server, name, task="env.main", **request):
    answer = server.call(TRIGGERS, "GetTriggerRevisionHistory", {"name": named(name, task), "request": request})
    return answer.get("triggers", []), answer.get("token", "")


def actions_of(revisions):
    return [
        (int(each["id"]["revision"]), each["action"].removeprefix("TRIGGER_REVISION_ACTION_")) for each in revisions
    ]


def listed(server, scope=None, **request):
    scope = scope or {"projectId": {"name": PROJECT, "domain": DOMAIN}}
    answer = server.call(TRIGGERS, "ListTriggers", {**scope, "request": request})
    return [each["id"]["name"]["name"] for each in answer.get("triggers", [])], answer.get("token", "")


def filtered(field, *values, function="EQUAL"):
    return {"filters": [{"field": field, "function": function, "values": list(values)}]}


def life(server):
    deploy_task(server, "env.main")
    made = deploy(
        server,
        "daily",
        automation=DAILY,
        description="each day",
        inputs={
            "literals": [{"name": "x", "value": {"scalar": {"primitive": {"integer": "5"}}}}],
            "context": [{"key": "k", "value": "v"}],
        },
    )
    check(made["id"] == {"name": named("daily"), "revision": "1"}, made)
    check(made["automationSpec"] == DAILY and made["description"] == made["spec"]["description"] == "each day", made)
    check(made["spec"]["inputs"]["context"] == [{"key": "k", "value": "v"}], made)
    check(made["status"]["deployedAt"] == made["status"]["updatedAt"] and "triggeredAt" not in made["status"], made)
    check(details(server, "daily") == made, "a deploy answers with what is read later")
    again = deploy(server, "daily", automation=DAILY)
    check(again["id"]["revision"] == "2" and again["status"]["updatedAt"] == made["status"]["updatedAt"], again)
    check(again["status"]["deployedAt"] > made["status"]["deployedAt"] and "description" not in again, again)
    switch(server, False, "daily")
    off = details(server, "daily")
    check(off["id"]["revision"] == "3" and "active" not in off["spec"], off)
    check(off["status"]["updatedAt"] > again["status"]["updatedAt"], off)
    switch(server, False, "daily")
    check(details(server, "daily")["id"]["revision"] == "3", "what is off already is left alone")
    switch(server, True, "daily", "nobody")
    delete(server, "daily", "nobody")
    delete(server, "daily")
    message = refused("not_found", details, server, "daily")
    check(f"{PROJECT}/{DOMAIN}/env.main/daily" in message and "SELECT" not in message.upper(), message)
    revisions, token = history(server, "daily")
    check(
        actions_of(revisions) == [(5, "DELETE"), (4, "ACTIVATE"), (3, "DEACTIVATE"), (2, "DEPLOY"), (1, "DEPLOY")],
        revisions,
    )
    check(not token and revisions[0]["createdAt"] == revisions[0]["status"]["deletedAt"], revisions[0])
    gone = server.call(TRIGGERS, "GetTriggerRevisionDetails", {"id": {"name": named("daily"), "revision": "5"}})[
        "trigger"
    ]
    check("active" not in gone["spec"] and gone["status"]["deletedAt"], gone)
    first = server.call(TRIGGERS, "GetTriggerRevisionDetails", {"id": {"name": named("daily"), "revision": "1"}})[
        "trigger"
    ]
    check(first == made, "a revision stays what it was")
    message = refused(
        "not_found",
        server.call,
        TRIGGERS,
        "GetTriggerRevisionDetails",
        {"id": {"name": named("daily"), "revision": "99"}},
    )
    check("env.main/daily@99" in message, message)
    back = deploy(server, "daily", automation=DAILY)
    check(back["id"]["revision"] == "6" and "deletedAt" not in back["status"], "the name comes back and counts on")
    delete(server, "daily")
    check(history(server, "nobody") == ([], ""), "a name without history has an empty one")


def c6_zone_prefix_without_expression(server):
    for text in ("TZ=UTC", "CRON_TZ=Asia/Tokyo", "TZ="):
        message = refused(
            "invalid_argument",
            deploy,
            server,
            "bad",
            automation={"type": "TYPE_SCHEDULE", "schedule": {"cronExpression": text}},
        )
        check("automation_spec.schedule.cron_expression" in message and "time zone" in message, message)
    check(server.request("GET", "/healthz")[0] == 200, "the server goes on")


def c8_stale_revision_is_aborted(server):
    deploy(server, "locked")
    deploy(server, "locked", revision=1, active=False)
    message = refused("aborted", deploy, server, "locked", revision=1)
    check("revision 2, not 1" in message, message)
    check(details(server, "locked")["id"]["revision"] == "2", "a refused deploy changes nothing")
    check(
        deploy(server, "fresh", revision=7)["id"]["revision"] == "1", "for a new name there is nothing to be behind of"
    )
    outcomes = []

    def race():
        try:
            deploy(server, "locked", revision=2)
            outcomes.append("ok")
        except CallError as error:
            outcomes.append(error.code)

    racers = [threading.Thread(target=race) for _ in range(6)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    check(sorted(outcomes) == ["aborted"] * 5 + ["ok"], outcomes)
    delete(server, "locked", "fresh")


def c14_history_is_sorted_and_filtered(server):
    for active in (True, False, True):
        deploy(server, "past", active=active)
    switch(server, False, "past")
    everything = [(4, "DEACTIVATE"), (3, "DEPLOY"), (2, "DEPLOY"), (1, "DEPLOY")]
    check(actions_of(history(server, "past")[0]) == everything, "newest first")
    oldest = {"sortByFields": [{"key": "revision", "direction": "ASCENDING"}]}
    check(actions_of(history(server, "past", **oldest)[0]) == everything[::-1], "oldest first")
    check(
        actions_of(history(server, "past", **filtered("action", "TRIGGER_REVISION_ACTION_DEACTIVATE"))[0])
        == everything[:1],
        "by action",
    )
    check(
        actions_of(history(server, "past", **filtered("revision", "2", function="GREATER_THAN"))[0]) == everything[:2],
        "newer",
    )
    check(
        actions_of(history(server, "past", **filtered("revision", "3", function="VALUE_IN"))[0]) == [(3, "DEPLOY")],
        "one value",
    )
    pages, token = [], ""
    for _ in range(4):
        page, token = history(server, "past", limit=1, token=token, **oldest)
        pages += actions_of(page)
    check(pages == everything[::-1] and not token, "an exactly full last page has no token")
    for request in (filtered("nonsense", "1"), {"sortByFields": [{"key": "nonsense"}]}):
        check(
            "nonsense" in refused("invalid_argument", history, server, "past", **request), "an unknown field is named"
        )
    refused("invalid_argument", history, server, "past", **filtered("revision", "many"))
    refused("invalid_argument", history, server, "past", token="nonsense")


def c14_a_name_alone_finds_one(server):
    deploy_task(server, "env.other")
    check(details(server, "past", task="")["id"]["name"]["taskName"] == "env.main", "found by its name")
    deploy(server, "past", task="env.other")
    message = refused("invalid_argument", details, server, "past", task="")
    check("task_name is required" in message and "past" in message, message)
    delete(server, "past", task="env.other")
    check(details(server, "past", task="")["id"]["name"]["taskName"] == "env.main", "deleted ones do not count")
    delete(server, "past")
    refused("not_found", details, server, "past", task="")


def c34_lists(server):
    where = {"projectId": {"name": PROJECT, "domain": "staging"}}
    for task in ("list.a", "list.b"):
        for version in ("v1", "v2"):
            deploy_task(server, task, version, domain="staging")
    expected = []
    for i in range(7):
        task, version = f"list.{'ab'[i % 2]}", f"v{1 + i // 4}"
        server.call(
            TRIGGERS,
            "DeployTrigger",
            {
                "name": named(f"t{i}", task, domain="staging"),
                "spec": {"taskVersion": version, "active": i % 3 != 0},
                "automationSpec": DAILY if i < 3 else {"type": "TYPE_NONE"},
            },
        )
        expected.append((i % 3 != 0, i))
    order = [f"t{i}" for _, i in sorted(expected, reverse=True)]
    check(listed(server, where) == (order, ""), "active ones first, then the last updated")
    pages, token = [], ""
    for _ in range(3):
        page, token = listed(server, where, limit=3, token=token)
        pages.append(page)
    check(pages == [order[:3], order[3:6], order[6:]] and not token, pages)
    check(listed(server, where, limit=7) == (order, ""), "an exactly full page has no token")
    task = {"project": PROJECT, "domain": "staging", "name": "list.a"}
    check(sorted(listed(server, {"taskName": task})[0]) == ["t0", "t2", "t4", "t6"], "of a task")
    check(sorted(listed(server, {"taskId": {**task, "version": "v2"}})[0]) == ["t4", "t6"], "of a version")
    check(set(order) <= set(listed(server, {"org": "x"}, limit=1000)[0]), "everywhere")
    by_name = {"sortBy": {"key": "name", "direction": "ASCENDING"}}
    check(listed(server, where, **by_name)[0] == sorted(order), "by name")
    check(sorted(listed(server, where, **filtered("active", "false"))[0]) == ["t0", "t3", "t6"], "by state")
    check(
        sorted(listed(server, where, **filtered("automation_type", "TYPE_SCHEDULE"))[0]) == ["t0", "t1", "t2"],
        "by type",
    )
    check(listed(server, where, **filtered("name", "t5", function="VALUE_IN"))[0] == ["t5"], "one value")
    check(
        listed(server, where, **filtered("task_version", "v2", function="NOT_EQUAL"), **by_name)[0]
        == ["t0", "t1", "t2", "t3"],
        "not equal",
    )
    check(listed(server, where, **filtered("name", "%", function="CONTAINS"))[0] == [], "no wildcards")
    check("nonsense" in refused("invalid_argument", listed, server, where, **filtered("nonsense", "1")), "field")
    refused("invalid_argument", listed, server, where, **filtered("active", "maybe"))
    refused("invalid_argument", listed, server, where, **filtered("deployed_at", "yesterday"))
    one = server.call(TRIGGERS, "ListTriggers", {**where, "request": filtered("name", "t1")})["triggers"][0]
    check(one["active"] is True and one["automationSpec"] == DAILY and one["id"]["revision"] == "1", one)


def c34_bulk_changes_are_one(server):
    for i in range(5):
        deploy(server, f"bulk{i}")
    names = [named(f"bulk{i}") for i in range(5)]
    before = store_digest(server)
    for method in ("UpdateTriggers", "DeleteTriggers"):
        message = refused(
            "invalid_argument", server.call, TRIGGERS, method, {"names": [*names, {**named("x"), "taskName": ""}]}
        )
        check("names[5]" in message, message)
        refused("invalid_argument", server.call, TRIGGERS, method, {"names": names * 300})
    check(store_digest(server) == before, "a refusal changes nothing")
    switch(server, False, *(f"bulk{i}" for i in range(5)))
    check([details(server, f"bulk{i}")["id"]["revision"] for i in range(5)] == ["2"] * 5, "all of them")
    delete(server, *(f"bulk{i}" for i in range(5)))
    check([name for name in listed(server)[0] if name.startswith("bulk")] == [], "all are gone")


def a_task_has_so_many_triggers(server):
    deploy_task(server, "env.many", triggers=[{"name": f"t{i}", "spec": {}} for i in range(1000)])
    before = store_digest(server)
    message = refused("failed_precondition", deploy, server, "one-more", task="env.many")
    check("1000 triggers" in message and store_digest(server) == before, message)
    deploy(server, "t7", task="env.many")
    deploy_task(server, "env.many", "v2", triggers=[{"name": "t7", "spec": {}}])
    check(
        listed(server, {"taskName": {"project": PROJECT, "domain": DOMAIN, "name": "env.many"}})[0] == ["t7"],
        "the rest goes",
    )
    delete(server, "t7", task="env.many")


def c34_automation(server):
    artifact = {
        "type": "TYPE_ARTIFACT",
        "artifact": {"artifactName": "model", "version": "3", "inputArg": "m", "partitions": {"region": "eu"}},
    }
    check(deploy(server, "art", automation=artifact)["automationSpec"] == artifact, "an artifact stays one")
    check(deploy(server, "none")["automationSpec"] == {"type": "TYPE_NONE"}, "nothing is none")
    rate = {
        "rate": {"value": 5, "unit": "FIXED_RATE_UNIT_MINUTE", "startTime": "2026-01-01T12:00:00Z"},
        "kickoffTimeInputArg": "t",
    }
    full = deploy(server, "rate", automation={"type": "TYPE_NONE", "schedule": rate})
    check(full["automationSpec"] == {"type": "TYPE_SCHEDULE", "schedule": rate}, full)
    for text in (
        "0 0 29 2 *", "@every 90s", "TZ=Asia/Tokyo 0 9 * * *", "@daily", "*/15 9-17 * * MON-FRI", "30 0 9 * * 7", "0 9 LW * FRI#2",
        "0/15 * * * ? *", "cron(0 9 ? * MON-FRI *)", "rate(5 minutes)",
    ):
        deploy(server, "text", automation={"type": "TYPE_SCHEDULE", "schedule": {"cronExpression": text}})
    for schedule, word in [
        ({"cronExpression": "0 0 30 2 *"}, "never fires"),
        ({"cronExpression": ", * * * *"}, "never fires"),
        ({"cronExpression": ""}, "empty spec string"),
        ({"cronExpression": "* * * *"}, "found 4"),
        ({"cron": {"expression": "99 * * * *"}}, "minute"),
        ({"cron": {"expression": "0 0 * * 8"}}, "maximum (6)"),
        ({"cron": {"expression": "0 0 * * * 2027"}}, "day of week"),
        ({"cron": {"expression": "cron(0 9 * * * *)"}}, "exactly one"),
        ({"cron": {"expression": "rate(5 seconds)"}}, "is no rate"),
        ({"cron": {"expression": "* * * * *", "timezone": "Mars/Olympus"}}, "unknown time zone"),
        ({"cron": {"expression": "* * * * *", "timezone": "../../etc/passwd"}}, "invalid location name"),
        ({"rate": {"unit": "FIXED_RATE_UNIT_DAY"}}, "value"),
        ({"rate": {"value": 1}}, "unit"),
        ({"rate": {"value": 1, "unit": 9}}, "unit"),
        ({"rate": {"value": 4000000000, "unit": "FIXED_RATE_UNIT_DAY"}}, "hundred years"),
        ({}, "schedule"),
    ]:
        message = refused(
            "invalid_argument", deploy, server, "bad", automation={"type": "TYPE_SCHEDULE", "schedule": schedule}
        )
        check(word in message and message.count("invalid_argument") == 0, f"{schedule}: {message}")
    for kind, word in [("TYPE_SCHEDULE", "schedule"), ("TYPE_ARTIFACT", "artifact")]:
        check(word in refused("invalid_argument", deploy, server, "bad", automation={"type": kind}), kind)
    annotations = {"values": {"team": "a", "schedule.mayfly/overlap": "skip", "schedule.mayfly/jitter": "1m30s"}}
    deploy(server, "policy", automation=DAILY, runSpec={"annotations": annotations})
    check(details(server, "policy")["spec"]["runSpec"]["annotations"] == annotations, "annotations stay as they are")
    delete(server, "art", "none", "rate", "text", "policy")


def bad_input(server):
    good = {
        "name": named("new"),
        "spec": {"taskVersion": "v1", "active": True, "description": "d"},
        "automationSpec": DAILY,
    }
    table = Table(server, TRIGGERS, "DeployTrigger", good)
    part = {"missing": BAD, "empty": BAD, "long": (256, BAD)}
    cron = "automationSpec.schedule.cron"
    table.check(
        {
            "name": {"missing": BAD, "empty": BAD},
            "name.project": part,
            "name.domain": part,
            "name.name": part,
            "name.taskName": part,
            "spec": {"missing": BAD},
            "spec.taskVersion": {"missing": BAD, "empty": BAD, "long": (64, BAD)},
            "spec.active": {"missing": FINE},
            "spec.description": {"missing": FINE, "empty": FINE},
            "automationSpec": {"missing": FINE},
            "automationSpec.type": {"enum": BAD, "missing": BAD},
            "automationSpec.schedule": {"empty": BAD},
            cron: {"missing": BAD},
            f"{cron}.expression": {"missing": BAD, "empty": BAD, "long": (500, BAD)},
            f"{cron}.timezone": {"missing": FINE, "long": (500, (BAD, "time zone"))},
        }
    )
    table.refuse({"name.project": "nobody"}, "not_found", "nobody")
    table.refuse({"name.domain": "elsewhere"}, "not_found", "elsewhere")
    table.refuse({"name.taskName": "env.none"}, "not_found", "env.none")
    table.refuse({"spec.taskVersion": "v9"}, "not_found", "v9")
    for name in BAD_NAMES:
        for field in ("name", "taskName"):
            table.refuse({f"name.{field}": name}, BAD, field.replace("N", "_n"))
    table.refuse_policies("spec")
    by_hand = Table(server, TRIGGERS, "DeployTrigger", {**good, "automationSpec": {"type": "TYPE_NONE"}})
    by_hand.refuse_policies("spec")
    check(
        "kept" in deploy(server, "long", description="kept" + "ü" * 200)["description"],
        "a long text is cut, not refused",
    )
    check(len(details(server, "long")["description"].encode()) == 254, "at a character")
    delete(server, "long")
    deploy(server, "there")
    one = {"name": named("there")}
    rows = {"name": {"missing": BAD, "empty": BAD}, "name.project": part, "name.domain": part, "name.name": part}
    Table(server, TRIGGERS, "GetTriggerDetails", one).check(
        {**rows, "name.taskName": {"missing": FINE, "long": (256, BAD)}}
    )
    Table(server, TRIGGERS, "GetTriggerDetails", one).refuse({"name.name": "nobody"}, "not_found", "nobody")
    Table(server, TRIGGERS, "GetTriggerRevisionHistory", one).check({**rows, "name.taskName": part})
    Table(server, TRIGGERS, "GetTriggerRevisionDetails", {"id": {"name": named("there"), "revision": "1"}}).check(
        {
            "id": {"missing": BAD, "empty": BAD},
            "id.revision": {"missing": BAD},
            **{f"id.{field}": row for field, row in {**rows, "name.taskName": part}.items()},
        }
    )
    for method in ("UpdateTriggers", "DeleteTriggers"):
        Table(server, TRIGGERS, method, {"names": [named("there")]}).check(
            {
                "names": {"missing": BAD, "empty": BAD},
                **{f"names[0].{field}": part for field in ("project", "domain", "name", "taskName")},
            }
        )
    delete(server, "there")


def durable(server):
    """What was answered is there after a kill; an archived project takes no trigger."""
    made = deploy(server, "durable", automation=DAILY)
    server.kill()
    server.start()
    check(details(server, "durable") == made, "lost")
    update = {"project": {"id": PROJECT, "state": "PROJECT_STATE_ARCHIVED"}}
    server.call("flyteidl2.project.ProjectService", "UpdateProject", update)
    message = refused("failed_precondition", deploy, server, "late")
    check("archived" in message, message)
    switch(server, False, "durable")
    check("active" not in details(server, "durable")["spec"], "what is there can still be switched off")


def who():
    """Deployed by and updated by are those who did it."""
    with Server("--trust-identity-headers", name="who") as server:

        def call(method, message, subject, service=TRIGGERS):
            status, _, body = server.request(
                "POST",
                f"/{service}/{method}",
                json.dumps(message),
                {"content-type": "application/json", "x-amzn-oidc-identity": subject},
            )
            check(status == 200, body)
            return json.loads(body)

        task = {"project": PROJECT, "domain": DOMAIN, "name": "env.main", "version": "v1"}
        call(
            "DeployTask",
            {"taskId": task, "spec": {"taskTemplate": {}}, "triggers": [{"name": "t", "spec": {"active": True}}]},
            "ann",
            TASKS,
        )
        call("UpdateTriggers", {"names": [named("t")]}, "bob")
        call("DeployTrigger", {"name": named("t"), "spec": {"taskVersion": "v1"}}, "cid")
        found = details(server, "t")["metadata"]
        check([found[key]["user"]["id"]["subject"] for key in ("deployedBy", "updatedBy")] == ["cid", "bob"], found)
        revisions, _ = history(server, "t")
        check(
            [each["metadata"]["deployedBy"]["user"]["id"]["subject"] for each in revisions] == ["cid", "ann", "ann"],
            revisions,
        )
        listing = server.call(TRIGGERS, "ListTriggers", {"projectId": {"name": PROJECT, "domain": DOMAIN}})["triggers"]
        check(listing[0]["metadata"] == found, listing)
        tasks = server.call(TASKS, "ListTasks", {"knownFilters": [{"deployedBy": "ann"}]})
        check(tasks["tasks"][0]["metadata"]["deployedBy"]["user"]["id"]["subject"] == "ann", tasks)
        check(
            server.call(TASKS, "ListTasks", {"knownFilters": [{"deployedBy": "bob"}]}).get("tasks") is None, "not hers"
        )


with Server() as server:
    life(server)
    c6_zone_prefix_without_expression(server)
    c8_stale_revision_is_aborted(server)
    c14_history_is_sorted_and_filtered(server)
    c14_a_name_alone_finds_one(server)
    c34_lists(server)
    c34_bulk_changes_are_one(server)
    c34_automation(server)
    bad_input(server)
    a_task_has_so_many_triggers(server)
    durable(server)
who()
