#!/usr/bin/env python3
"""SecretService: life, scopes, pages, encryption at rest, keys; and how secrets reach tasks."""

import base64
import json
import os
import re
import stat
import subprocess
import threading
import time

from badinput import BAD, FINE, Table
from harness import DOMAIN, MAYFLY, PROJECT, Server, check, eventually, refused, shell_task

SECRETS, PROJECTS = "flyteidl2.secret.SecretService", "flyteidl2.project.ProjectService"
VALUE = "hunter2-" + "correct-horse-battery"


def ident(name, domain="", project="", organization="local"):
    return {"name": name, "domain": domain, "project": project, "organization": organization}


def create(server, name, value=VALUE, domain="", project="", **spec):
    server.call(
        SECRETS, "CreateSecret", {"id": ident(name, domain, project), "secretSpec": {"stringValue": value, **spec}}
    )


def get(server, name, domain="", project=""):
    return server.call(SECRETS, "GetSecret", {"id": ident(name, domain, project)})["secret"]


def delete(server, name, domain="", project=""):
    server.call(SECRETS, "DeleteSecret", {"id": ident(name, domain, project)})


def names(server, **request):
    return [secret["id"]["name"] for secret in server.call(SECRETS, "ListSecrets", request).get("secrets", [])]


def rows(server, sql="SELECT domain, project, name, key_id, wrapped, body FROM secret ORDER BY 1, 2, 3"):
    return server.sql(sql)


# ---- the service ----


def life(server):
    create(server, "life")
    secret = get(server, "life")
    check(secret["id"] == {"name": "life", "organization": "local"}, secret)
    metadata = secret["secretMetadata"]
    check(
        metadata["createdTime"]
        and metadata["secretStatus"]
        == {
            "overallStatus": "FULLY_PRESENT",
            "clusterStatus": [{"cluster": {"name": "local"}, "presenceStatus": "PRESENT"}],
        },
        metadata,
    )
    server.call(SECRETS, "UpdateSecret", {"id": ident("life"), "secretSpec": {"stringValue": "other"}})
    check(
        get(server, "life")["secretMetadata"]["createdTime"] == metadata["createdTime"], "an update keeps created_time"
    )
    delete(server, "life")
    for method in ("GetSecret", "DeleteSecret"):
        text = refused("not_found", server.call, SECRETS, method, {"id": ident("life")})
        check('secret "life" not found' in text, text)
    text = refused(
        "not_found", server.call, SECRETS, "UpdateSecret", {"id": ident("life"), "secretSpec": {"stringValue": "other"}}
    )
    check('secret "life" not found' in text, text)
    check(not [row for row in rows(server) if row[2] == "life"], "nothing is left of a deleted secret")


def empty_value(server):
    """An empty text is a value; none at all is not."""
    create(server, "empty", "")
    delete(server, "empty")
    text = refused(
        "invalid_argument",
        server.call,
        SECRETS,
        "CreateSecret",
        {"id": ident("none"), "secretSpec": {"type": "SECRET_TYPE_GENERIC"}},
    )
    check("value" in text, text)


def c29_the_type_is_kept(server):
    create(server, "pull", '{"auths": {}}', type="SECRET_TYPE_IMAGE_PULL_SECRET")
    check(get(server, "pull")["secretMetadata"]["type"] == "SECRET_TYPE_IMAGE_PULL_SECRET", get(server, "pull"))
    listed = server.call(SECRETS, "ListSecrets", {"limit": 100})["secrets"]
    check(
        [s["secretMetadata"]["type"] for s in listed if s["id"]["name"] == "pull"] == ["SECRET_TYPE_IMAGE_PULL_SECRET"],
        listed,
    )
    server.call(SECRETS, "UpdateSecret", {"id": ident("pull"), "secretSpec": {"stringValue": "{}"}})
    check(get(server, "pull")["secretMetadata"]["type"] == "SECRET_TYPE_IMAGE_PULL_SECRET", "an update keeps the type")
    delete(server, "pull")


def c29_errors_name_the_secret(server):
    create(server, "twice", domain=DOMAIN, project=PROJECT)
    text = refused("already_exists", create, server, "twice", domain=DOMAIN, project=PROJECT)
    check('"twice" already exists in project flytesnacks and domain development' in text, text)
    check(not re.search("[0-9a-f]{32}", text), text)
    create(server, "twice", domain=DOMAIN)  # another scope is another secret
    create(server, "twice")
    for domain, project in ((DOMAIN, PROJECT), (DOMAIN, ""), ("", "")):
        delete(server, "twice", domain, project)


def scopes(server):
    """A list of a scope holds what lies below it: 3, 2 and 1 of these."""
    create(server, "in-all")
    create(server, "in-domain", domain=DOMAIN)
    create(server, "in-project", domain=DOMAIN, project=PROJECT)
    create(server, "elsewhere", domain="production")
    check(names(server) == ["in-all", "in-domain", "in-project", "elsewhere"], names(server))
    check(names(server, domain=DOMAIN) == ["in-domain", "in-project"], names(server, domain=DOMAIN))
    check(
        names(server, domain=DOMAIN, project=PROJECT) == ["in-project"], names(server, domain=DOMAIN, project=PROJECT)
    )
    check(names(server, domain="nowhere") == [], "an unknown domain has no secrets")
    refused("invalid_argument", names, server, project=PROJECT)
    refused("invalid_argument", create, server, "half", project=PROJECT)
    for name, domain, project in (
        ("in-all", "", ""),
        ("in-domain", DOMAIN, ""),
        ("in-project", DOMAIN, PROJECT),
        ("elsewhere", "production", ""),
    ):
        delete(server, name, domain, project)


def c29_pages_are_full(server):
    wanted = [f"page-{i:02}" for i in range(25)]
    for name in wanted:
        create(server, name, domain=DOMAIN, project=PROJECT)
    seen, sizes, token = [], [], ""
    while True:
        page = server.call(SECRETS, "ListSecrets", {"domain": DOMAIN, "project": PROJECT, "limit": 10, "token": token})
        seen += [secret["id"]["name"] for secret in page["secrets"]]
        sizes.append(len(page["secrets"]))
        if len(sizes) == 1:
            delete(server, "page-09", DOMAIN, PROJECT)  # the last one seen: the next page begins behind its place
        token = page.get("token", "")
        if not token:
            break
    check(seen == wanted and sizes == [10, 10, 5], (seen, sizes))
    exact = server.call(SECRETS, "ListSecrets", {"domain": DOMAIN, "project": PROJECT, "limit": 24})
    check(len(exact["secrets"]) == 24 and "token" not in exact, "a page that is just full has no token")
    foreign = server.call(SECRETS, "ListSecrets", {"domain": DOMAIN, "limit": 2})["token"]
    check(len(names(server, domain=DOMAIN, token=foreign, limit=100)) == 22, "a domain's list goes on")
    refused("invalid_argument", names, server, domain="production", token=foreign)
    for name in wanted:
        if name != "page-09":
            delete(server, name, DOMAIN, PROJECT)
    for token in ("1x", "AAAA", base64.b64encode(b"\xff\0\xff\0\xff").decode()):
        refused("invalid_argument", server.call, SECRETS, "ListSecrets", {"token": token})


def names_with_dots(server):
    create(server, "openai.api_key-1")
    delete(server, "openai.api_key-1")
    for name in ("..", ".", "a/b", "a b", "ü", "x" * 254):
        text = refused("invalid_argument", create, server, name)
        check("name" in text, text)


def projects(server):
    server.call(PROJECTS, "CreateProject", {"project": {"id": "closed", "name": "Closed"}})
    create(server, "kept", domain=DOMAIN, project="closed")
    server.call(
        PROJECTS, "UpdateProject", {"project": {"id": "closed", "name": "Closed", "state": "PROJECT_STATE_ARCHIVED"}}
    )
    refused("failed_precondition", create, server, "new", domain=DOMAIN, project="closed")
    check(get(server, "kept", DOMAIN, "closed")["id"]["project"] == "closed", "what is there stays readable")
    delete(server, "kept", DOMAIN, "closed")
    text = refused("not_found", create, server, "new", domain=DOMAIN, project="nobody")
    check("nobody" in text, text)


def concurrent_creates(server):
    """Of 8 at once one wins."""
    won = []

    def attempt():
        try:
            create(server, "race")
            won.append(True)
        except Exception as error:
            check(getattr(error, "code", "") == "already_exists", error)
            won.append(False)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(sorted(won) == [False] * 7 + [True], won)
    delete(server, "race")


def bad_input(server):
    good_id = ident("good", DOMAIN, PROJECT)
    id_rows = {
        "id": {"missing": BAD},
        "id.name": {"missing": BAD, "empty": BAD, "long": (254, BAD)},
        "id.domain": {"missing": BAD, "empty": BAD, "long": (300, BAD)},
        "id.project": {"missing": FINE, "empty": FINE, "long": (300, ("not_found", "id.project"))},
        "id.organization": {"missing": FINE, "empty": FINE, "long": (300, FINE)},
    }
    read_rows = id_rows | {
        "id.domain": {"missing": BAD, "empty": BAD},
        "id.project": {"long": (300, ("not_found", "good"))},
    }
    create(server, "there", domain=DOMAIN, project=PROJECT)
    for method, target in (("CreateSecret", good_id), ("UpdateSecret", ident("there", DOMAIN, PROJECT))):
        table = Table(
            server, SECRETS, method, {"id": target, "secretSpec": {"stringValue": VALUE, "type": "SECRET_TYPE_GENERIC"}}
        )
        table.check(
            id_rows
            | {
                "secretSpec": {
                    "missing": ("invalid_argument", "secret_spec"),
                    "empty": ("invalid_argument", "secret_spec"),
                },
                "secretSpec.stringValue": {"missing": ("invalid_argument", "value"), "long": ((1 << 20) + 1, BAD)},
                "secretSpec.type": {"missing": FINE},
            }
        )
        table.refuse({"secretSpec.type": 9999}, BAD, "type")
        table.refuse({"id.project": "nobody"}, "not_found", "nobody")
        table.refuse({"id.domain": "nowhere"}, "invalid_argument", "domain")
    for method in ("GetSecret", "DeleteSecret"):
        Table(server, SECRETS, method, {"id": good_id}).check(read_rows)
        Table(server, SECRETS, method, {"id": good_id}).refuse({}, "not_found", "good")
    Table(
        server,
        SECRETS,
        "ListSecrets",
        {"organization": "local", "domain": DOMAIN, "project": PROJECT, "limit": 10, "token": ""},
    ).check(
        {
            "organization": {"missing": FINE},
            "domain": {"missing": BAD, "empty": BAD},
            "project": {"missing": FINE},
            "limit": {"missing": FINE},
            "token": {"missing": FINE, "long": (3000, BAD)},
        }
    )
    Table(server, SECRETS, "ListSecrets", {"limit": 1}).refuse({"limit": -1}, "invalid_argument", "limit")
    delete(server, "there", DOMAIN, PROJECT)


# ---- at rest ----


def c29_values_are_nowhere(server):
    """Neither in the database, the log nor in answers, well-formed or not."""
    marker = "s3cr3t-marker-that-is-nowhere"
    create(server, "hidden", marker)
    for body in (
        f'{{"id": {{"name": "hidden"}}, "secretSpec": {{"stringValue": "{marker}", "type": 99}}}}',
        f'{{"id": {{"name": "hidden"}}, "secretSpec": {{"stringValue": ["{marker}"]}}}}',
        f'{{"id": {{"name": "hidden"}}, "secretSpec": {{"binaryValue": "!{marker}"}}}}',
        f'{{"id": {{"name": "hidden"}}, "secretSpec": "{marker}", "x',
    ):
        status, _, answer = server.request(
            "POST", f"/{SECRETS}/CreateSecret", body, {"content-type": "application/json"}
        )
        check(status == 400, (status, answer))
        check(marker.encode() not in answer, answer)
    everything = json.dumps([get(server, "hidden"), server.call(SECRETS, "ListSecrets", {})])
    check(marker not in everything, everything)
    server.kill()
    for path in server.data.rglob("*"):
        if path.is_file():
            check(marker.encode() not in path.read_bytes(), f"the value stands in {path}")
    check(marker not in server.log_path.read_text(errors="replace"), "the value stands in the log")
    server.start()
    delete(server, "hidden")


def key_file(server):
    path = server.data / "secret-keys"
    check(stat.S_IMODE(path.stat().st_mode) == 0o600, oct(path.stat().st_mode))
    create(server, "one")
    create(server, "two", domain=DOMAIN)
    server.stop()
    text = path.read_text()

    def refused_start(what):
        result = subprocess.run(
            [MAYFLY, "serve", "--data-dir", server.data, "--listen", "127.0.0.1:0", *server.store],
            capture_output=True,
            text=True,
            timeout=60,
        )
        check(
            result.returncode == 1
            and "secret-keys" in result.stderr
            and "copy" in result.stderr
            or "chmod 600" in result.stderr,
            f"{what}: {result.returncode} {result.stderr}",
        )

    path.unlink()
    refused_start("without the file")
    check(not path.exists(), "no new key hides the loss of the old one")
    path.write_text(text.splitlines()[0] + "\n" + text.splitlines()[1][:17] + "A" * 43 + "\n")
    path.chmod(0o600)
    refused_start("with a wrong key")
    path.write_text("0123456789abcdef " + "A" * 43 + "\n")
    refused_start("with another file's keys")
    path.write_text("rubbish\n")
    refused_start("with rubbish")
    path.write_text(text)
    path.chmod(0o644)
    refused_start("readable by others")
    path.chmod(0o600)
    server.start()


def swapped_rows(server):
    """A row that is copied over another one does not open there."""
    create(server, "mine", "A", DOMAIN, PROJECT)
    create(server, "yours", "B", DOMAIN, PROJECT)
    server.stop()
    server.sql("UPDATE secret SET body = (SELECT body FROM secret WHERE name = 'mine'), wrapped = (SELECT wrapped "
               "FROM secret WHERE name = 'mine') WHERE name = 'yours'")
    server.start()
    run = server.create_run(with_secrets("true", {"key": "yours", "envVar": "YOURS", "mountRequirement": "ENV_VAR"}))
    ended = server.wait_run(run)
    check(ended["status"]["phase"] == "ACTION_PHASE_FAILED", ended)
    check('secret "yours" does not open' in ended["errorInfo"]["message"], ended["errorInfo"])
    delete(server, "mine", DOMAIN, PROJECT)
    delete(server, "yours", DOMAIN, PROJECT)


def rotation(server):
    value = "value-before-and-after"
    create(server, "turning", value, DOMAIN, PROJECT)
    before = rows(server)
    old = (server.data / "secret-keys").read_text()

    def rotate():
        return subprocess.run(
            [MAYFLY, "secret", "rotate-key", "--data-dir", server.data, *server.store], capture_output=True, text=True, timeout=60
        )

    def changed(after):
        check([row[:3] for row in after] == [row[:3] for row in before], after)
        check(
            all(a[3] != b[3] and a[4] != b[4] and a[5] == b[5] for a, b in zip(after, before, strict=True)),
            "the small keys are sealed anew, the values are as they were",
        )

    result = rotate()  # while the server runs
    check(result.returncode == 0 and "rotated" in result.stdout, f"{result}")
    changed(rows(server))
    check(len(keys(server)) == 1 and keys(server)[0] not in old, "one new key is left")
    check(seen_by_task(server, "turning") == value, "tasks still get the value")

    server.stop()
    before = rows(server)
    result = rotate()
    check(result.returncode == 0 and "rotated" in result.stdout, f"{result}")
    changed(rows(server))
    # A crash in the middle: the new key is in the file, the rows are still under the old one.
    path = server.data / "secret-keys"
    path.write_text(
        "0123456789abcdef " + base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=") + "\n" + path.read_text()
    )
    path.chmod(0o600)
    before = rows(server)
    server.start()
    changed(rows(server))
    check(keys(server) and keys(server)[0].startswith("0123456789abcdef ") and len(keys(server)) == 1, keys(server))
    check(seen_by_task(server, "turning") == value, "tasks still get the value")
    delete(server, "turning", DOMAIN, PROJECT)


def keys(server):
    return [line for line in (server.data / "secret-keys").read_text().splitlines() if not line.startswith("#")]


# ---- in tasks ----


def with_secrets(script, *secrets, **more):
    spec = shell_task(script, **more)
    spec["taskTemplate"]["securityContext"] = {"secrets": list(secrets)}
    return spec


def seen_by_task(server, key, domain=DOMAIN, project=PROJECT):
    """What a task of the project finds in its variable."""
    out = server.data.parent / f"seen-{time.monotonic_ns()}"
    spec = with_secrets(f'printf %s "$SEEN" > {out}', {"key": key, "envVar": "SEEN", "mountRequirement": "ENV_VAR"})
    run = server.call(
        "flyteidl2.workflow.RunService",
        "CreateRun",
        {"taskSpec": spec, "inputs": {}, "projectId": {"name": project, "domain": domain}},
    )
    name = run["run"]["action"]["id"]["run"]["name"]

    def ended():
        details = server.call(
            "flyteidl2.workflow.RunService",
            "GetRunDetails",
            {"runId": {"project": project, "domain": domain, "name": name}},
        )["details"]["action"]
        return details["status"].get("phase") in ("ACTION_PHASE_SUCCEEDED", "ACTION_PHASE_FAILED") and details

    action = eventually(ended, "the task has ended")
    check(action["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", json.dumps(action.get("errorInfo")))
    return out.read_text()


def cascade(server):
    """project, then domain, then global."""
    create(server, "where", "global")
    check(seen_by_task(server, "where") == "global", "global")
    create(server, "where", "domain", DOMAIN)
    check(seen_by_task(server, "where") == "domain", "domain")
    create(server, "where", "project", DOMAIN, PROJECT)
    check(seen_by_task(server, "where") == "project", "project")
    check(seen_by_task(server, "where", domain="production") == "global", "other domains see the global one")
    # No cache that has to be told: the next task sees what was just written (weak spot 29).
    server.call(
        SECRETS, "UpdateSecret", {"id": ident("where", DOMAIN, PROJECT), "secretSpec": {"stringValue": "newer"}}
    )
    check(seen_by_task(server, "where") == "newer", "c29: an update counts at once")
    delete(server, "where", DOMAIN, PROJECT)
    check(seen_by_task(server, "where") == "domain", "after the delete")
    delete(server, "where", DOMAIN)
    delete(server, "where")


def only_the_environment(server):
    """A variable is neither in an argument nor in a file."""
    marker = "in-the-environment-only"
    create(server, "env", marker, DOMAIN, PROJECT)
    gate, ready = server.data.parent / "gate", server.data.parent / "ready"
    script = (
        f'[ "$TOKEN" = {marker[:3]}"{marker[3:]}" ] || exit 9; touch {ready}; '
        f"while [ ! -e {gate} ]; do sleep 0.05; done"
    )
    script = script.replace(marker[:3] + '"' + marker[3:] + '"', marker[:3] + '""' + marker[3:])
    run = server.create_run(with_secrets(script, {"key": "env", "envVar": "TOKEN", "mountRequirement": "ENV_VAR"}))
    eventually(ready.exists, "the task runs")
    for process in os.listdir("/proc"):
        if process.isdigit() and int(process) != os.getpid():
            try:
                with open(f"/proc/{process}/cmdline", "rb") as file:
                    check(marker.encode() not in file.read(), f"the value is an argument of process {process}")
            except OSError:
                pass
    for path in (server.data / "work").rglob("*"):
        check(not path.is_file() or marker.encode() not in path.read_bytes(), f"the value stands in {path}")
    gate.touch()
    check(server.wait_run(run)["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", server.run_action(run).get("errorInfo"))
    delete(server, "env", DOMAIN, PROJECT)


def as_files(server):
    out = server.data.parent / "files"
    create(server, "plain", "of-a-file\n", DOMAIN, PROJECT)
    server.call(
        SECRETS,
        "CreateSecret",
        {"id": ident("raw.bin"), "secretSpec": {"binaryValue": base64.b64encode(b"\0\1\2").decode()}},
    )
    spec = with_secrets(
        f'cd "$FLYTE_SECRETS_DEFAULT_DIR" && stat -c "%a %n" plain group/raw.bin > {out} && cat plain >> {out} '
        f"&& od -An -tx1 group/raw.bin >> {out} && pwd >> {out} && exit 3",
        {"key": "plain", "mountRequirement": "FILE"},
        {"key": "raw.bin", "group": "group", "mountRequirement": "FILE"},
    )
    ended = server.wait_run(server.create_run(spec))
    check(ended["status"]["phase"] == "ACTION_PHASE_FAILED", ended)
    lines = out.read_text().splitlines()
    check(lines[:4] == ["600 plain", "600 group/raw.bin", "of-a-file", " 00 01 02"], lines)
    check(not os.path.exists(lines[4]), "the files go with the attempt, also when it fails")
    # A value that is no text cannot be a variable.
    ended = server.wait_run(server.create_run(with_secrets("true", {"key": "raw.bin", "mountRequirement": "ENV_VAR"})))
    check("NUL byte" in ended["errorInfo"]["message"] and ended["errorInfo"]["kind"] == "KIND_USER", ended["errorInfo"])
    delete(server, "plain", DOMAIN, PROJECT)
    delete(server, "raw.bin")


def a_missing_secret(server):
    spec = with_secrets("exit 1", {"key": "absent", "envVar": "ABSENT", "mountRequirement": "ENV_VAR"}, retries=3)
    ended = server.wait_run(server.create_run(spec))
    check(ended["status"]["phase"] == "ACTION_PHASE_FAILED" and ended["status"]["attempts"] == 1, ended["status"])
    info = ended["errorInfo"]
    check(
        info["kind"] == "KIND_USER"
        and 'no secret "absent"' in info["message"]
        and "flyte create secret absent" in info["message"],
        info,
    )
    for name in ("RUN_NAME", "1X", "A B"):
        create(server, "odd", "x")
        ended = server.wait_run(
            server.create_run(with_secrets("true", {"key": "odd", "envVar": name, "mountRequirement": "ENV_VAR"}))
        )
        delete(server, "odd")
        check(ended["status"]["phase"] == "ACTION_PHASE_FAILED" and name in ended["errorInfo"]["message"], ended)


def default_names(server):
    """Without a name the variable is the one that older SDKs look for."""
    create(server, "my-key.v1", "x")
    out = server.data.parent / "default"
    ended = server.wait_run(
        server.create_run(
            with_secrets(
                f'echo "$_FSEC_MY_KEY_V1 $_FSEC_GRP_MY_KEY_V1 $FLYTE_SECRETS_ENV_PREFIX" > {out}',
                {"key": "my-key.v1"},
                {"key": "my-key.v1", "group": "grp"},
            )
        )
    )
    check(ended["status"]["phase"] == "ACTION_PHASE_SUCCEEDED", ended)
    check(out.read_text() == "x x _FSEC_\n", out.read_text())
    delete(server, "my-key.v1")


with Server() as server:
    for scenario in (
        life,
        empty_value,
        c29_the_type_is_kept,
        c29_errors_name_the_secret,
        scopes,
        c29_pages_are_full,
        names_with_dots,
        projects,
        concurrent_creates,
        bad_input,
        c29_values_are_nowhere,
        key_file,
        cascade,
        only_the_environment,
        as_files,
        a_missing_secret,
        default_names,
        swapped_rows,
        rotation,
    ):
        begin = time.monotonic()
        scenario(server)
        print(f"{scenario.__name__} {time.monotonic() - begin:.1f}s", flush=True)
