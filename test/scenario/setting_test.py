#!/usr/bin/env python3
"""SettingsService: scopes and what they inherit, versions, checks of values; and that settings count in runs."""

import json
import threading

from badinput import BAD, FINE, Table
from harness import DOMAIN, PROJECT, CallError, Server, check, refused, shell_task

SETTINGS, PROJECTS = "flyteidl2.settings.SettingsService", "flyteidl2.project.ProjectService"
RUNS = "flyteidl2.workflow.RunService"
VALUE, UNSET = "SETTING_STATE_VALUE", "SETTING_STATE_UNSET"


def key(domain="", project="", org="local"):
    return {"org": org, "domain": domain, "project": project}


def text(value):
    return {"state": VALUE, "stringValue": value}


def quantity(value):
    return {"state": VALUE, "quantityValue": value}


def entries(**values):
    return {"state": VALUE, "mapValue": {"entries": values}}


def create(server, scope, settings):
    return server.call(SETTINGS, "CreateSettings", {"key": scope, "settings": settings})["settingsRecord"]


def update(server, scope, settings, version):
    return server.call(SETTINGS, "UpdateSettings", {"key": scope, "settings": settings, "version": version})[
        "settingsRecord"
    ]


def put(server, scope, settings):
    """Replaces what the scope has, or makes it."""
    version = for_edit(server, scope)[-1].get("version", 0)
    return update(server, scope, settings, version) if version else create(server, scope, settings)


def for_edit(server, scope):
    return server.call(SETTINGS, "GetSettingsForEdit", {"key": scope})["levels"]


def merged(server, scope):
    return server.call(SETTINGS, "GetSettings", {"key": scope})["settingsRecord"]


def run_spec(server, spec=None, **more):
    name = server.create_run(spec or shell_task("true"), **more)
    server.wait_run(name)
    return server.call(RUNS, "GetRunDetails", {"runId": {"project": PROJECT, "domain": DOMAIN, "name": name}})[
        "details"
    ]["runSpec"]


# ---- versions ----


def versions(server):
    scope = key("staging")
    first = create(server, scope, {"run": {"defaultQueue": text("gpu")}})
    check(first["version"] == "1" and first["key"] == {"org": "local", "domain": "staging"}, first)
    check(first["settings"]["run"]["defaultQueue"]["stringValue"] == "gpu", first)
    said = refused("already_exists", create, server, scope, {})
    check("settings already exist: v1:flyte:staging:" in said, said)
    second = update(server, scope, {"podTemplateName": text("base")}, 1)
    check(second["version"] == "2" and "run" not in second["settings"], "an update replaces everything")
    said = refused("failed_precondition", update, server, scope, {}, 1)
    check("settings version conflict" in said and "version 2" in said, said)
    check(for_edit(server, scope)[-1]["version"] == "2", "a stale update changes nothing")
    refused("not_found", update, server, key("production"), {}, 1)
    said = refused("invalid_argument", update, server, scope, {}, 0)
    check("version" in said, said)


def one_of_eight_updates_wins(server):
    scope, won = key("production"), []
    create(server, scope, {})

    def attempt(number):
        try:
            update(server, scope, {"podTemplateName": text(f"t{number}")}, 1)
            won.append(True)
        except CallError as error:
            check(error.code == "failed_precondition", error)
            won.append(False)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(sorted(won) == [False] * 7 + [True], won)
    check(for_edit(server, scope)[-1]["version"] == "2", "once is once")


# ---- scopes ----


def levels(server):
    """Broadest first, as deep as the key; one that has nothing is empty, with version 0."""
    for scope, keys in (
        (key(), [{}]),
        (key("production"), [{}, {"domain": "production"}]),
        (key("production", PROJECT), [{}, {"domain": "production"}, {"domain": "production", "project": PROJECT}]),
    ):
        answer = server.call(SETTINGS, "GetSettingsForEdit", {"key": scope})
        got = [{name: part for name, part in level["key"].items() if name != "org"} for level in answer["levels"]]
        check(got == keys and answer["requestedKey"]["org"] == "local", answer)
    last = for_edit(server, key("production", PROJECT))[-1]
    check(last["settings"] == {} and "version" not in last, last)
    # There is one organization: clients name it as they like, and see the same settings.
    put(server, key(), {"podTemplateName": text("everywhere")})
    check(merged(server, key(org="another"))["settings"]["podTemplateName"]["stringValue"] == "everywhere", "one org")
    put(server, key(), {})


def c17_settings_are_resolved(server):
    org, domain, project = key(), key(DOMAIN), key(DOMAIN, PROJECT)
    put(
        server,
        org,
        {
            "run": {"defaultQueue": text("org-queue"), "maxActionConcurrency": {"state": VALUE, "intValue": "7"}},
            "security": {"serviceAccount": text("org-account")},
            "labels": entries(team="org", keep="org"),
            "annotations": entries(a="org"),
            "environmentVariables": entries(A="org", B="org"),
            "taskResource": {
                "min": {"cpu": quantity("500m")},
                "mirrorLimitsRequest": {"state": VALUE, "boolValue": True},
            },
        },
    )
    put(
        server,
        domain,
        {
            "run": {"defaultQueue": text("domain-queue")},
            "security": {"serviceAccount": {"state": UNSET}},
            "labels": entries(team="domain"),
            "annotations": {"state": UNSET},
            "taskResource": {"max": {"memory": quantity("4Gi")}},
        },
    )
    put(
        server,
        project,
        {
            "labels": entries(own="project"),
            "annotations": entries(b="project"),
            "run": {"defaultQueue": {"state": "SETTING_STATE_INHERIT"}},
        },
    )
    record = merged(server, project)
    got = record["settings"]
    check(record["version"] == for_edit(server, project)[-1]["version"], "the version is that of the scope asked for")
    check(got["run"]["defaultQueue"] == {**text("domain-queue"), "scopeLevel": "SCOPE_LEVEL_DOMAIN"}, got["run"])
    check(
        got["run"]["maxActionConcurrency"] == {"state": VALUE, "intValue": "7"}, "the level org is the default of JSON"
    )
    check(got["security"]["serviceAccount"] == {"state": UNSET, "scopeLevel": "SCOPE_LEVEL_DOMAIN"}, got["security"])
    check(got["labels"]["mapValue"]["entries"] == {"team": "domain", "keep": "org", "own": "project"}, got["labels"])
    check(got["labels"]["scopeLevel"] == "SCOPE_LEVEL_PROJECT", got["labels"])
    check(got["annotations"]["mapValue"]["entries"] == {"b": "project"}, got["annotations"])
    check(got["environmentVariables"]["mapValue"]["entries"] == {"A": "org", "B": "org"}, got["environmentVariables"])
    check(
        got["taskResource"]["min"]["cpu"]["quantityValue"] == "500m"
        and got["taskResource"]["max"]["memory"]["quantityValue"] == "4Gi"
        and got["taskResource"]["mirrorLimitsRequest"]["boolValue"] is True,
        got["taskResource"],
    )
    wider = merged(server, key("production", PROJECT))["settings"]
    check(wider["labels"]["mapValue"]["entries"] == {"team": "org", "keep": "org"}, "other domains are not touched")
    # For editing each level shows what it has itself.
    own = [
        level["settings"].get("labels", {}).get("mapValue", {}).get("entries", {})
        for level in for_edit(server, project)
    ]
    check(own == [{"team": "org", "keep": "org"}, {"team": "domain"}, {"own": "project"}], own)


def c17_settings_count_in_runs(server):
    """With what the scenario before has left."""
    spec = run_spec(server)
    check(spec.get("labels", {}).get("values") == {"team": "domain", "keep": "org", "own": "project"}, spec)
    variables = {pair["key"]: pair["value"] for pair in spec.get("envs", {}).get("values", [])}
    check(variables == {"A": "org", "B": "org"}, spec)
    spec = run_spec(
        server, runSpec={"labels": {"values": {"team": "run"}}, "envs": {"values": [{"key": "B", "value": "run"}]}}
    )
    check(spec["labels"]["values"]["team"] == "run" and spec["labels"]["values"]["own"] == "project", spec)
    variables = {pair["key"]: pair["value"] for pair in spec["envs"]["values"]}
    check(variables == {"A": "org", "B": "run"}, "what the run says itself comes first")
    for scope in (key(), key(DOMAIN), key(DOMAIN, PROJECT)):
        put(server, scope, {})
    spec = run_spec(server)
    check(not spec.get("labels", {}).get("values") and not spec.get("envs", {}).get("values"), spec)


def c17_resources_are_bounded(server):
    """A task with 10m of a CPU gets two of them when that is the least; the variable of the thread pools shows it."""
    out = server.data.parent / "threads"
    put(server, key(DOMAIN), {"taskResource": {"min": {"cpu": quantity("1500m")}}})
    run_spec(server, shell_task(f"echo $OMP_NUM_THREADS > {out}"))
    check(out.read_text() == "2\n", out.read_text())
    put(server, key(DOMAIN), {})
    run_spec(server, shell_task(f"echo $OMP_NUM_THREADS > {out}"))
    check(out.read_text() == "1\n", out.read_text())


# ---- checks ----


def c17_values_are_checked(server):
    scope = key("staging")
    version = int(for_edit(server, scope)[-1]["version"])
    wrong = [
        ({"taskResource": {"min": {"cpu": quantity("nonsense")}}}, "task_resource.min.cpu"),
        ({"taskResource": {"min": {"cpu": quantity("")}}}, "task_resource.min.cpu"),
        ({"taskResource": {"max": {"memory": quantity("-1Gi")}}}, "task_resource.max.memory"),
        ({"taskResource": {"max": {"storage": quantity("0x10")}}}, "task_resource.max.storage"),
        ({"taskResource": {"max": {"gpu": quantity("500m")}}}, "task_resource.max.gpu"),
        ({"taskResource": {"min": {"cpu": quantity("2")}, "max": {"cpu": quantity("1500m")}}}, "task_resource.min.cpu"),
        ({"taskResource": {"defaultAccelerator": {"state": VALUE}}}, "task_resource.default_accelerator"),
        ({"taskResource": {"defaultAccelerator": {"state": VALUE, "acceleratorValue": {"device": "a b"}}}}, "a b"),
        ({"run": {"maxActionConcurrency": {"state": VALUE, "intValue": "-1"}}}, "run.max_action_concurrency"),
        ({"run": {"defaultQueue": text("a queue")}}, "run.default_queue"),
        ({"run": {"runBaseDir": text("not a place")}}, "run.run_base_dir"),
        ({"storage": {"rawDataPath": text("bucket/prefix")}}, "storage.raw_data_path"),
        ({"security": {"serviceAccount": text("a/b")}}, "security.service_account"),
        ({"podTemplateName": text("x" * 2000)}, "pod_template_name"),
        ({"app": {"appDnsStrategy": text("mine")}}, "app.app_dns_strategy"),
        ({"labels": entries(**{"a b": "c"})}, "labels"),
        ({"labels": entries(a="x" * 64)}, "labels"),
        ({"annotations": entries(**{"/a": "c"})}, "annotations"),
        ({"environmentVariables": entries(**{"1A": "c"})}, "environment_variables"),
        ({"environmentVariables": entries(**{"A=B": "c"})}, "environment_variables"),
        ({"environmentVariables": entries(A="\0")}, "environment_variables"),
        ({"environmentVariables": entries(A="x" * 40000)}, "environment_variables"),
        ({"environmentVariables": entries(**{f"A{i}": "c" for i in range(257)})}, "environment_variables"),
        ({"annotations": entries(**{f"a{i}": "x" * 30000 for i in range(10)})}, "KiB"),
        ({"podTemplateName": {"state": 9}}, "pod_template_name.state"),
    ]
    for settings, word in wrong:
        said = refused("invalid_argument", update, server, scope, settings, version)
        check(word in said, f"{word}: {said}")
    # What is not in the state VALUE says nothing, and so cannot be wrong.
    put(server, scope, {"taskResource": {"min": {"cpu": {"quantityValue": "nonsense"}}}})
    put(
        server,
        scope,
        {
            "run": {
                "runBaseDir": text("s3://mayfly/base"),
                "defaultQueue": text(""),
                "maxActionConcurrency": {"state": VALUE, "intValue": "0"},
            },
            "labels": entries(**{"example.org/app": "", "app_1": "v1.0"}),
            "annotations": entries(a="any text: ä"),
            "environmentVariables": entries(_A="", **{"a.b-c": "x=y"}),
            "taskResource": {
                "min": {"cpu": quantity("1e3"), "gpu": quantity("1")},
                "defaultAccelerator": {
                    "state": VALUE,
                    "acceleratorValue": {"device": "nvidia-l4", "acceleratorModel": "NVIDIA_L4"},
                },
            },
        },
    )


def projects(server):
    server.call(PROJECTS, "CreateProject", {"project": {"id": "closed", "name": "Closed"}})
    create(server, key(DOMAIN, "closed"), {"podTemplateName": text("x")})
    server.call(
        PROJECTS, "UpdateProject", {"project": {"id": "closed", "name": "Closed", "state": "PROJECT_STATE_ARCHIVED"}}
    )
    refused("failed_precondition", update, server, key(DOMAIN, "closed"), {}, 1)
    check(merged(server, key(DOMAIN, "closed"))["settings"]["podTemplateName"]["stringValue"] == "x", "still readable")


def bad_input(server):
    rows = {
        "key": {"missing": BAD},
        "key.org": {"missing": FINE, "empty": FINE, "long": (300, FINE)},
        "key.domain": {"missing": BAD, "empty": BAD, "long": (300, BAD)},
        "key.project": {"missing": FINE, "empty": FINE, "long": (300, ("not_found", "key.project"))},
    }
    scope = key("staging", PROJECT)
    create(server, scope, {"podTemplateName": text("x")})
    for method in ("GetSettings", "GetSettingsForEdit"):
        Table(server, SETTINGS, method, {"key": scope}).check(rows)
        Table(server, SETTINGS, method, {"key": scope}).refuse({"key.domain": "nowhere"}, "invalid_argument", "domain")
        Table(server, SETTINGS, method, {"key": scope}).refuse({"key.project": "nobody"}, "not_found", "nobody")
    fields = {
        "settings": {"missing": BAD, "empty": FINE},
        "settings.run": {"missing": FINE},
        "settings.run.defaultQueue": {"missing": FINE},
        "settings.run.defaultQueue.state": {"missing": FINE},
        "settings.run.defaultQueue.stringValue": {
            "missing": FINE,
            "long": (1025, ("invalid_argument", "run.default_queue")),
        },
        "settings.labels": {"missing": FINE},
        "settings.labels.state": {"missing": FINE},
        "settings.labels.mapValue": {"missing": FINE},
        "settings.labels.mapValue.entries": {"missing": FINE},
        "settings.labels.mapValue.entries.a": {"long": (64, ("invalid_argument", "labels"))},
    }
    settings = {"run": {"defaultQueue": text("q")}, "labels": entries(a="b")}
    for method, more, extra in (
        ("CreateSettings", {}, {}),
        ("UpdateSettings", {"version": 1}, {"version": {"missing": BAD}}),
    ):
        target = key("production", PROJECT) if method == "CreateSettings" else scope
        table = Table(server, SETTINGS, method, {"key": target, "settings": settings, **more})
        table.check(rows | fields | extra)
        table.refuse({"settings.run.defaultQueue.state": 9999}, "invalid_argument", "run.default_queue.state")
        table.refuse({"key.project": "nobody"}, "not_found", "nobody")
    Table(server, SETTINGS, "UpdateSettings", {"key": scope, "settings": settings, "version": 1}).refuse(
        {"version": "9223372036854775808"}, "invalid_argument", "version"
    )


def survives_a_kill(server):
    put(server, key("production"), {"podTemplateName": text("durable")})
    server.kill()
    server.start()
    check(
        merged(server, key("production"))["settings"]["podTemplateName"]["stringValue"] == "durable",
        json.dumps(merged(server, key("production"))),
    )


with Server() as server:
    versions(server)
    one_of_eight_updates_wins(server)
    levels(server)
    bad_input(server)
    c17_settings_are_resolved(server)
    c17_settings_count_in_runs(server)
    c17_resources_are_bounded(server)
    c17_values_are_checked(server)
    projects(server)
    survives_a_kill(server)
