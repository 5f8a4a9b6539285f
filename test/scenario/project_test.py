#!/usr/bin/env python3
"""ProjectService: create, update, archive and restore, lists; and what an archived project refuses."""

import threading

from badinput import BAD, FINE, Table
from harness import DOMAIN, CallError, Server, check, refused, shell_task

PROJECTS, TASKS = "flyteidl2.project.ProjectService", "flyteidl2.task.TaskService"
ACTIVE, ARCHIVED = "PROJECT_STATE_ACTIVE", "PROJECT_STATE_ARCHIVED"


def create(server, project, **more):
    server.call(PROJECTS, "CreateProject", {"project": {"id": project, "name": project.title(), **more}})


def update(server, **project):
    server.call(PROJECTS, "UpdateProject", {"project": project})


def get(server, project):
    return server.call(PROJECTS, "GetProject", {"id": project})["project"]


def page(server, **request):
    answer = server.call(PROJECTS, "ListProjects", request).get("projects", {})
    return [project["id"] for project in answer.get("projects", [])], answer.get("token", "")


def life(server):
    domains = [{"id": "development", "name": "Development"}, {"id": "staging", "name": "Staging"}]
    create(server, "one", description="first", labels={"values": {"team": "a"}}, org="acme", domains=[{"id": "x"}])
    project = get(server, "one")
    check(
        project
        == {
            "id": "one",
            "name": "One",
            "description": "first",
            "labels": {"values": {"team": "a"}},
            "domains": domains,
        },
        project,
    )
    message = refused("already_exists", create, server, "one")
    check("one" in message and "UNIQUE" not in message, message)
    message = refused("not_found", get, server, "nobody")
    check("nobody" in message, message)
    refused("not_found", update, server, id="nobody", name="x")
    update(server, id="one", name="Uno", description="changed", state=ARCHIVED)
    project = get(server, "one")
    check((project["name"], project["description"], project["state"]) == ("Uno", "changed", ARCHIVED), project)
    create(server, "nameless", name="")
    check(get(server, "nameless")["name"] == "nameless", "a name is made from the id")


def c16_update_keeps_what_it_does_not_name(server):
    create(server, "keep", description="text", labels={"values": {"a": "1"}})
    update(server, id="keep", state=ARCHIVED)
    project = get(server, "keep")
    check(
        project["name"] == "Keep" and project["description"] == "text" and project["labels"]["values"] == {"a": "1"},
        project,
    )
    check(project["state"] == ARCHIVED, project)
    update(server, id="keep", description="other")
    check(get(server, "keep")["state"] == ARCHIVED, "a description does not restore")
    update(server, id="keep", labels={"values": {"b": "2"}})
    project = get(server, "keep")
    check(project["state"] == ARCHIVED and project["labels"]["values"] == {"b": "2"}, project)
    update(server, id="keep", state=ACTIVE)
    project = get(server, "keep")
    check("state" not in project and project["description"] == "other", "ACTIVE alone restores")

    # As the SDK does it: the whole project, read, changed and sent back.
    whole = get(server, "keep")
    whole.pop("domains")
    update(server, **{**whole, "description": ""})
    project = get(server, "keep")
    check("description" not in project and project["labels"]["values"] == {"b": "2"}, project)
    update(server, **{**whole, "labels": {}})
    check("labels" not in get(server, "keep"), "labels given as none are removed")


def one_of_eight_creates_wins(server):
    answers, gate = [None] * 8, threading.Barrier(8)

    def one(number):
        gate.wait()
        try:
            create(server, "race", description=str(number))
        except CallError as error:
            answers[number] = error.code

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(sorted(answers, key=str) == [None] + ["already_exists"] * 7, answers)
    check(get(server, "race")["description"] == str(answers.index(None)), "the winner's is kept")


def no_update_is_lost(server):
    """Two clients that change different fields at the same time both have their way."""
    create(server, "both")
    for number in range(20):
        gate = threading.Barrier(2)

        def send(change, gate=gate):
            gate.wait()
            update(server, id="both", **change)

        threads = [
            threading.Thread(target=send, args=(change,))
            for change in ({"description": f"d{number}"}, {"labels": {"values": {"n": str(number)}}})
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        project = get(server, "both")
        check(project["description"] == f"d{number}" and project["labels"]["values"]["n"] == str(number), project)


def c16_lists(server):
    for number in range(7):
        create(server, f"list-{number}", description=f"d{number % 2}")
    update(server, id="list-3", state=ARCHIVED)
    everything, token = page(server)
    check(token == "" and "list-3" not in everything and "list-2" in everything, "limit 0: all that are not archived")
    check(everything == page(server)[0], "the order is stable")

    ours = "contains(identifier, list-)"
    order = {"key": "created_at", "direction": "ASCENDING"}
    seen, token = [], ""
    while True:
        ids, token = page(server, limit=2, filters=ours, sortBy=order, token=token)
        seen += ids
        if len(seen) == 2:
            # Rows that come and go between pages neither repeat nor hide others.
            create(server, "list-new")
        if not token:
            break
    check(seen == [f"list-{number}" for number in range(7)] + ["list-new"], seen)
    check(page(server, limit=8, filters=ours, sortBy=order)[1] == "", "an exactly full last page has no token")
    check(
        page(server, limit=2, filters=ours, sortBy=order, token="2")[0] == ["list-2", "list-3"],
        "a decimal token is an offset",
    )
    by_text = {"key": "description", "direction": "DESCENDING"}
    check(
        page(server, filters=f"{ours}+ne(identifier,list-new)", sortBy=by_text)[0]
        == ["list-5", "list-3", "list-1", "list-6", "list-4", "list-2", "list-0"],
        "ties follow the id",
    )

    check(page(server, filters=f"{ours}+eq(state,1)")[0] == ["list-3"], "archived ones are there when asked for")
    check("list-3" in page(server, filters=f"{ours}+value_in(state, 0;1;2)")[0], "several states")
    check(page(server, filters=f"{ours} + VALUE_IN(state, 1)")[0] == ["list-3"], "one value in a list of values")
    check(page(server, filters="eq(identifier, list-%)")[0] == [], "no wildcards")
    for request, word in (
        ({"token": "1abc"}, "token"),
        ({"token": "-1"}, "token"),
        ({"token": "x"}, "token"),
        ({"filters": "gt(state, 1)"}, "gt"),
        ({"filters": "eq(org, a)"}, "org"),
        ({"filters": "eq"}, "eq"),
        ({"filters": "eq(state, abc)"}, "state"),
        ({"filters": "contains(state, 1)"}, "state"),
        ({"sortBy": {"key": "org"}}, "org"),
        ({"filters": "+".join(["eq(state,0)"] * 30)}, "filters"),
    ):
        message = refused("invalid_argument", page, server, **request)
        check(word in message, f"{request}: {message}")
    _, token = page(server, limit=1, filters=ours)
    check("token" in refused("invalid_argument", page, server, limit=1, token=token), "a token of another list")


def archived_projects_take_nothing_new(server):
    create(server, "closed")
    run = {"projectId": {"name": "closed", "domain": DOMAIN}, "taskSpec": shell_task("true"), "inputs": {}}
    spec = shell_task("true")
    task = {"taskId": {"project": "closed", "domain": DOMAIN, "name": "t", "version": "1"}, "spec": spec}
    server.call(TASKS, "DeployTask", task)
    update(server, id="closed", state=ARCHIVED)
    for call in (("flyteidl2.workflow.RunService", "CreateRun", run), (TASKS, "DeployTask", task)):
        message = refused("failed_precondition", server.call, *call)
        check("closed" in message and "archived" in message, message)
    server.call(TASKS, "GetTaskDetails", {"taskId": task["taskId"]})
    update(server, id="closed", state="PROJECT_STATE_SYSTEM_ARCHIVED")
    refused("failed_precondition", server.call, TASKS, "DeployTask", task)
    update(server, id="closed", state=ACTIVE)
    server.call(TASKS, "DeployTask", task)
    server.call("flyteidl2.workflow.RunService", "CreateRun", run)
    message = refused(
        "not_found", server.call, TASKS, "DeployTask", {**task, "taskId": {**task["taskId"], "project": "nobody"}}
    )
    check("nobody" in message, message)


def broken_labels_are_data_loss(server):
    create(server, "broken")
    server.stop()
    server.sql(f"UPDATE project SET labels = {server.blob('ffff')} WHERE id = 'broken'")
    server.start()
    check("broken" in refused("data_loss", get, server, "broken"), "the project is named")


def bad_input(server):
    good = {
        "project": {
            "id": "bad",
            "name": "Bad",
            "description": "text",
            "labels": {"values": {"a": "b"}},
            "state": ARCHIVED,
        }
    }
    rows = {
        "project": {"missing": (BAD, "project.id"), "empty": (BAD, "project.id")},
        "project.id": {"missing": BAD, "empty": BAD, "long": (64, BAD)},
        "project.name": {"missing": FINE, "empty": FINE, "long": (256, BAD)},
        "project.description": {"missing": FINE, "empty": FINE, "long": (301, BAD)},
        "project.labels": {"missing": FINE, "empty": FINE},
        "project.labels.values": {"missing": FINE, "empty": FINE},
        "project.labels.values.a": {"long": (254, (BAD, "labels"))},
        "project.state": {"missing": FINE, "enum": BAD},
    }
    table = Table(server, PROJECTS, "CreateProject", good)
    table.check(rows)
    for name in ("UPPER", "a/b", "a b", "-a", "a-", "ä", "a.b", "_a", "a\x01"):
        table.refuse({"project.id": name}, BAD, "project.id")
    table.refuse({"project.labels.values": {"": "x"}}, BAD, "labels")
    table.refuse({"project.labels.values": {f"k{number}": "" for number in range(65)}}, BAD, "labels")
    create(server, "my_project-1")
    create(server, "umlaut", description="ä" * 300)

    create(server, "bad")
    del rows["project.id"]["long"]
    table = Table(server, PROJECTS, "UpdateProject", good)
    table.check({**rows, "project.id": {"missing": BAD, "empty": BAD, "long": (64, ("not_found", "xxx"))}})
    table.refuse({"project.id": "nobody"}, "not_found", "nobody")
    Table(server, PROJECTS, "GetProject", {"id": "bad"}).check(
        {"id": {"missing": BAD, "empty": BAD, "long": (64, ("not_found", "xxx"))}}
    )


with Server("--domains", "development,staging") as server:
    life(server)
    c16_update_keeps_what_it_does_not_name(server)
    one_of_eight_creates_wins(server)
    no_update_is_lost(server)
    c16_lists(server)
    bad_input(server)
    archived_projects_take_nothing_new(server)
    broken_labels_are_data_loss(server)
