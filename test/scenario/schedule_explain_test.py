#!/usr/bin/env python3
"""What schedules tell of themselves: audit, next and backfill, on the command line and as calls.

What the commands say is held against the runs that are there, and against names computed here.
"""
import http.server
import json
import os
import subprocess
import threading
import time
from collections import Counter

from badinput import BAD, FINE, Table
from harness import DOMAIN, FOLDER, MAYFLY, PROJECT, Server, check, eventually
from issuer import Issuer, Key
from schedules import (EACH_SECOND, deploy_task, deploy_trigger, due_of, fire_name, instant, on_wire, runs_of,
                       schedule_task, switch, trigger, trigger_name, wait_clock, wait_runs)

SCHEDULES = "mayfly.schedule.v1.ScheduleService"
PROJECTS = "flyteidl2.project.ProjectService"
YEARLY = {"cron": {"expression": "0 0 1 1 *", "timezone": "UTC"}}


def mayfly(*words, env=None, data=None):
    """(exit code, standard output, standard error) of a command about the server of this scenario."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MAYFLY_")}
    environ |= {"MAYFLY_DATA_DIR": str(data or server.data)} | (env or {})
    done = subprocess.run([MAYFLY, *map(str, words)], capture_output=True, text=True, timeout=60, env=environ)
    return done.returncode, done.stdout, done.stderr


def said(*words, **more):
    code, out, err = mayfly(*words, **more)
    check(code == 0, f"{words}: exit code {code}: {err}")
    check(err == "", err)
    return out


def answers(*words):
    return [json.loads(line) for line in said(*words, "--json").splitlines()]


def entries(task, begun, until=None, *flags):
    pages = answers("trigger", "audit", f"{task}/t", "--from", on_wire(begun),
                    *(["--to", on_wire(until)] if until else []), *flags)
    return [entry for page in pages for entry in page.get("entries", [])]


def verdict(entry):
    return entry["verdict"].removeprefix("VERDICT_")


def agrees_with_the_runs():
    begun = int(time.time())
    schedule_task(server, "plain")
    wait_runs(server, "plain", 4)
    switch(server, "plain", False)
    ended = int(time.time())
    wait_clock(ended + 2)
    runs = runs_of(server, "plain")
    judged = entries("plain", begun, None, "--limit", 3)
    check(len(judged) == 3, "--limit counts")
    judged = entries("plain", begun)
    fired = [entry for entry in judged if "firedAt" in entry]
    check({entry["runId"]["name"] for entry in fired} == {run.name for run in runs}, (judged, len(runs)))
    check([instant(entry["dueAt"]) for entry in fired] == due_of(runs, "plain", begun, ended), judged)
    check({verdict(entry) for entry in fired} <= {"ON_TIME", "LATE"}, judged)
    # The second in which it was switched off may be due before and decided after that.
    rest = [entry for entry in judged if "firedAt" not in entry]
    check(len(rest) <= 1 and all(verdict(entry) == "MISSED" and "switched off" in entry["explanation"]
                                 for entry in rest), rest)
    table = said("trigger", "audit", "plain/t", "--from", on_wire(begun)).splitlines()
    check(table[0].split() == "DUE WHAT BECAME OF IT LATE BY RUN PHASE".split() + (["WHY"] if rest else []), table[0])
    check(len(table) == len(judged) + 2, table)
    for run, line in zip(runs, table[1:]):
        check(run.name in line, (run.name, line))
    check(table[-1].startswith(f"{PROJECT}/{DOMAIN}/plain/t: ") and table[-1].endswith("; it is switched off"), table)
    check(said("trigger", "audit", "plain/t", "--to", on_wire(begun - 10)).endswith(
        "t: nothing was due; it is switched off\n"), "nothing before it was deployed")


def a_stop_is_explained():
    """Each second has one verdict, and those of the stop say which policy has left them out."""
    begun = int(time.time())
    schedule_task(server, "stopped", catch_up="latest")
    wait_runs(server, "stopped", 2)
    server.stop()
    down = int(time.time())
    wait_clock(down + 5)
    server.start()
    up = int(time.time())
    eventually(lambda: up + 1 in due_of(runs_of(server, "stopped"), "stopped", begun, up + 90), "it goes on")
    judged = entries("stopped", begun, up)
    due = [instant(entry["dueAt"]) for entry in judged]
    check(due == list(range(due[0], up + 1)), f"not each second once: {due}")
    skipped = [entry for entry in judged if verdict(entry) == "SKIPPED"]
    check(len(skipped) >= 3 and {entry["reason"] for entry in skipped} == {"latest"}, skipped)
    check(all(down <= instant(entry["dueAt"]) <= up for entry in skipped), (down, up, skipped))
    line = [line for line in said("trigger", "audit", "stopped/t", "--from", on_wire(begun)).splitlines()
            if "skipped" in line][0]
    check("latest" in line, line)
    counts = answers("trigger", "audit", "stopped/t", "--from", on_wire(begun), "--to", on_wire(up))[0]["counts"]
    counted = {count["verdict"].removeprefix("VERDICT_"): count["count"] for count in counts}
    check(counted == Counter(map(verdict, judged)), (counted, judged))
    switch(server, "stopped", False)


def what_does_not_fire_says_why():
    begun = int(time.time())
    schedule_task(server, "busy", "sleep 30", overlap="skip")
    schedule_task(server, "stuck")
    eventually(lambda: [entry for entry in entries("busy", begun) if entry.get("reason") == "overlap"],
               "a due time is skipped for an earlier run")
    switch(server, "busy", False)
    wait_runs(server, "stuck", 1)
    server.call(PROJECTS, "UpdateProject", {"project": {"id": PROJECT, "name": PROJECT,
                                                        "state": "PROJECT_STATE_ARCHIVED"}})
    found = eventually(lambda: [entry for entry in entries("stuck", begun)
                                if verdict(entry) == "DUE" and "archived" in entry["explanation"]],
                       "what is due says what keeps it")
    check("firedAt" not in found[0] and "runId" not in found[0], found)
    server.call(PROJECTS, "UpdateProject", {"project": {"id": PROJECT, "name": PROJECT,
                                                        "state": "PROJECT_STATE_ACTIVE"}})
    eventually(lambda: not [entry for entry in entries("stuck", begun, instant(found[0]["dueAt"]))
                            if verdict(entry) == "DUE"], "it is fired when it can be", 60)
    # A change leaves nothing of what it was.
    deploy_trigger(server, "stuck", YEARLY)
    check(all("firedAt" in entry or verdict(entry) == "MISSED" for entry in entries("stuck", begun)), "not explained")


def tells_what_comes():
    schedule_task(server, "yearly", schedule=YEARLY)
    schedule_task(server, "shared", schedule={"cron": {"expression": "0 9 * * *", "timezone": "Asia/Kolkata"}},
                  jitter="1h", end_time="2099-01-03T12:00:00Z")
    deploy_trigger(server, "shared", YEARLY, name="twin", active=False)
    deploy_trigger(server, "yearly", YEARLY, name="twin")
    page = answers("trigger", "next", "yearly/t", "--limit", 3, "--from", "2030-06-01")[0]
    expected = [f"{year}-01-01T00:00:00Z" for year in (2031, 2032, 2033)]
    check([due["dueAt"] for due in page["due"]] == expected and page["active"], page)
    check([due["runName"] for due in page["due"]] == [fire_name("yearly", instant(due)) for due in expected], page)
    lines = said("trigger", "next", f"{PROJECT}/{DOMAIN}/shared/t", "--from", "2099-01-01", "--limit", 5).splitlines()
    check([line.split()[0] for line in lines[1:4]] == [f"2099-01-0{day}T09:00:00+05:30" for day in (1, 2, 3)], lines)
    check(lines[0].split() == "DUE FIRES LATER BY RUN".split(), lines[0])
    check(lines[4:] == [f"{PROJECT}/{DOMAIN}/shared/t: its end-time lets nothing more be due"], lines)
    off = said("trigger", "next", "shared/twin", "--limit", 1)
    check("switched off" in off, off)
    code, _, err = mayfly("trigger", "next", "twin")
    check(code != 0 and "task_name" in err, f"two of that name: {err}")
    tried = said("trigger", "next", "--cron", "30 8 ? * FRIL", "--timezone", "Europe/Berlin", "--from", "2026-01-01",
                 "--limit", 2)
    check(tried.split() == ["DUE", "2026-01-30T08:30:00+01:00", "2026-02-27T08:30:00+01:00"], tried)
    tried = said("trigger", "next", "--rate", "36h", "--from", "2026-01-01T00:00:00Z", "--limit", 2)
    check(tried.split() == ["DUE", "2026-01-02T12:00:00Z", "2026-01-04T00:00:00Z"], tried)


def fills_what_is_missing():
    hourly = {"cron": {"expression": "0 * * * *", "timezone": "UTC"}}
    deploy_task(server, "filled")
    deploy_trigger(server, "filled", hourly, active=False)
    span = ("--from", "2026-03-01", "--to", "2026-03-01T23:59:59Z")
    expected = [fire_name("filled", instant("2026-03-01T00:00:00Z") + 3600 * hour) for hour in range(24)]
    dry = said("trigger", "backfill", "filled/t", *span, "--dry-run").splitlines()
    check([line.split()[1] for line in dry[1:-1]] == expected, dry)
    check(dry[-1] == f"{PROJECT}/{DOMAIN}/filled/t: 24 would be made", dry[-1])
    check(runs_of(server, "filled") == [], "a dry run has made runs")
    some = said("trigger", "backfill", "filled/t", *span, "--limit", 5).splitlines()
    check(some[-1] == f"{PROJECT}/{DOMAIN}/filled/t: 5 made; there are more, see --limit", some[-1])
    whole = said("trigger", "backfill", "filled/t", *span).splitlines()
    check(whole[-1] == f"{PROJECT}/{DOMAIN}/filled/t: 19 made, 5 there already", whole[-1])
    again = answers("trigger", "backfill", "filled/t", *span)
    check({entry["result"] for page in again for entry in page["entries"]} == {"BACKFILLED_EXISTS"}, again)
    runs = runs_of(server, "filled")
    check(sorted(run.name for run in runs) == sorted(expected), runs)
    check({run.source for run in runs} == {"RUN_SOURCE_SCHEDULE_TRIGGER"}, "their source")
    judged = answers("trigger", "audit", "filled/t", *span)[0]["entries"]
    check([verdict(entry) for entry in judged] == ["BACKFILLED"] * 24, judged)
    check(not trigger(server, "filled")["spec"].get("active"), "it was not switched on")
    eventually(lambda: {run.phase for run in runs_of(server, "filled")} == {"SUCCEEDED"}, "they have all run", 60)


def wrong_command_lines():
    far = on_wire(int(time.time()) + 3600)
    for words, code, word in [
        (["next"], 2, "which trigger"),
        (["next", "a/b/c"], 2, "PROJECT/DOMAIN/TASK/NAME"),
        (["next", "a//b/c"], 2, "PROJECT/DOMAIN/TASK/NAME"),
        (["next", "no-such-trigger"], 1, "not found"),
        (["next", "plain/t", "--cron", "* * * * *"], 2, "one of them"),
        (["next", "--timezone", "UTC"], 2, "one of them"),
        (["next", "--cron", "* * * * *", "--rate", "1h"], 2, "one of them"),
        (["next", "--cron", "61 * * * *"], 2, "minute"),
        (["next", "--cron", "* * * * *", "--timezone", "Mars/Olympus"], 2, "Mars/Olympus"),
        (["next", "--rate", "90s"], 2, "--rate"),
        (["next", "--rate", "0m"], 2, "--rate"),
        (["next", "plain/t", "--limit", "1001"], 2, "--limit"),
        (["next", "plain/t", "--limit", "many"], 2, "--limit"),
        (["next", "plain/t", "--from", "tomorrow"], 2, "--from"),
        (["audit"], 2, "which trigger"),
        (["audit", "plain/t", "--from", "2026-02-30"], 2, "--from"),
        (["audit", "plain/t", "--from", "now", "--to", "-1h"], 2, "to:"),
        (["audit", "plain/t", "more"], 2, "too many"),
        (["audit", "plain/t", "--frum", "now"], 2, "--frum"),
        (["audit", "plain/t", "--from"], 2, "--from needs a value"),
        (["audit", "plain/t", "--json=1"], 2, "takes no value"),
        (["audit", "plain/t", "--project", "nobody"], 1, "not found"),
        (["audit", "plain/t", "--endpoint", "ftp://x"], 2, "no address"),
        (["audit", "plain/t", "--endpoint", "http://127.0.0.1:1"], 1, "mayfly serve"),
        (["audit", "plain/t", "--token-file", "/nowhere/token"], 1, "/nowhere/token"),
        (["backfill", "plain/t"], 2, "--from"),
        (["backfill", "plain/t", "--from", "-1h", "--to", far], 2, "to"),
        (["backfill", "no-such-trigger", "--from", "-1h"], 1, "not found"),
        (["forget", "plain/t"], 2, "unknown command"),
    ]:
        status, out, err = mayfly("trigger", *words)
        check(status == code and word in err and out == "", f"{words}: {status} {out} {err}")
        check("Sanitizer" not in err, err)
    empty = FOLDER / "empty"
    status, _, err = mayfly("trigger", "next", "x", data=empty)
    check(status == 1 and "--endpoint" in err and str(empty) in err, err)
    out = said("trigger", "next", f"{PROJECT}/{DOMAIN}/yearly/t", "--limit", 1, env={"MAYFLY_ENDPOINT": server.url},
               data=empty)
    check(out.count("\n") == 2, out)
    for words in (["trigger", "audit", "--help"], ["trigger", "next", "-h"], ["--help"], ["help"], ["version"]):
        check(said(*words), words)


class Stranger(http.server.BaseHTTPRequestHandler):
    """Some other web server."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(int(self.path.split("/")[1]) if self.path[1:4].isdigit() else 200)
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    def log_message(self, *arguments):
        pass


def other_servers():
    stranger = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=stranger.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{stranger.server_port}"
    for path in ("", "/404", "/500"):
        code, out, err = mayfly("trigger", "audit", "plain/t", "--endpoint", url + path)
        check(code == 1 and out == "" and "is no Mayfly server" in err, (path, code, out, err))
    stranger.shutdown()
    stranger.server_close()


def signs_in():
    key, issuer = Key("cli"), Issuer()
    issuer.keys([key])
    token = FOLDER / "token"
    token.write_text(key.sign(issuer.claims()) + "\n")
    with Server("--auth-issuer", issuer.url, "--auth-audience", "mayfly", name="signed") as closed:
        line = ["trigger", "next", "--rate", "1h", "--limit", 1]
        code, out, err = mayfly(*line, data=closed.data)
        check(code == 1 and out == "" and "--token-file" in err, err)
        check(said(*line, "--token-file", token, data=closed.data), "with the file")
        check(said(*line, data=closed.data, env={"MAYFLY_TOKEN": token.read_text()}), "with the variable")
    issuer.close()


def shells_complete():
    script = """
eval "$("$1" completion bash)"
complete_for() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mayfly; echo "${COMPREPLY[*]}"; }
complete_for mayfly tr
complete_for mayfly trigger ''
complete_for mayfly trigger backfill --fr
complete_for mayfly config docs m
complete_for mayfly serve --data
"""
    done = subprocess.run(["bash", "-c", script, "bash", MAYFLY], capture_output=True, text=True, timeout=60)
    check(done.returncode == 0 and done.stderr == "", done.stderr)
    check(done.stdout.splitlines() == ["trigger", "next audit backfill", "--from", "metrics", "--data-dir --data-bytes"],
          done.stdout)


def bad_input():
    name = {"trigger.project": {"missing": BAD, "empty": BAD, "long": (256, BAD)},
            "trigger.domain": {"missing": BAD, "empty": BAD, "long": (256, BAD)},
            "trigger.taskName": {"missing": FINE, "empty": FINE, "long": (256, BAD)},
            "trigger.name": {"missing": BAD, "empty": BAD, "long": (256, BAD)}}
    target = trigger_name("yearly")
    times = {"from": {"missing": BAD}, "to": {"missing": BAD}}
    pages = {"limit": {"missing": FINE}, "token": {"missing": FINE, "long": (65, BAD)}}
    quiet = ("fire", "fire_gap", "schedule", "action", "run", "event")
    table = Table(server, SCHEDULES, "Next", {"trigger": target, "from": "2026-01-01T00:00:00Z", "limit": 3}, quiet)
    table.check({"trigger": {"missing": (BAD, "target"), "empty": (BAD, "trigger")}, **name,
                 "from": {"missing": FINE}, "limit": {"missing": FINE}})
    table.refuse({"limit": 1001}, BAD, "limit")
    table.refuse({"trigger.name": "nobody"}, "not_found", "nobody")
    table.refuse({"from": "0001-01-01T00:00:00Z"}, BAD, "from")
    for spec, word in (({"type": "TYPE_NONE"}, "automation"),
                       ({"type": "TYPE_SCHEDULE", "schedule": {"cron": {"expression": "61 * * * *"}}}, "minute"),
                       ({"type": "TYPE_SCHEDULE", "schedule": {"rate": {"value": 0, "unit": "FIXED_RATE_UNIT_DAY"}}},
                        "value"),
                       ({"type": "TYPE_SCHEDULE", "schedule": {"rate": {"value": 1}}}, "unit")):
        table.refuse({"trigger": None, "automationSpec": spec}, BAD, word)
    stretch = {"trigger": target, "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "limit": 3,
               "token": ""}
    for method, more in (("Audit", {}), ("Backfill", {"dryRun": True})):
        table = Table(server, SCHEDULES, method, stretch | more, quiet)
        table.check({"trigger": {"missing": BAD, "empty": (BAD, "trigger")}, **name, **times, **pages,
                     **({"dryRun": {"missing": FINE}} if more else {})})
        table.refuse({"limit": 1001}, BAD, "limit")
        table.refuse({"token": "forged"}, BAD, "token")
        table.refuse({"to": "2025-01-01T00:00:00Z"}, BAD, "to")
        table.refuse({"trigger.name": "nobody"}, "not_found", "nobody")
        table.refuse({"trigger.project": "nobody"}, "not_found", "nobody")
    table.refuse({"to": "2099-01-01T00:00:00Z"}, BAD, "to")
    deploy_task(server, "manual")
    server.call("flyteidl2.trigger.TriggerService", "DeployTrigger", {
        "name": trigger_name("manual"), "spec": {"taskVersion": "v1", "active": True},
        "automationSpec": {"type": "TYPE_NONE"}})
    for method in ("Audit", "Backfill"):
        Table(server, SCHEDULES, method, stretch | {"trigger": trigger_name("manual")}, quiet).refuse(
            {}, "failed_precondition", "schedule")
    Table(server, SCHEDULES, "Next", {"trigger": trigger_name("manual")}, quiet).refuse(
        {}, "failed_precondition", "schedule")


with Server("--cpus", "64", "--abort-grace", "1s") as server:
    for case in (agrees_with_the_runs, a_stop_is_explained, what_does_not_fire_says_why, tells_what_comes,
                 fills_what_is_missing, wrong_command_lines, other_servers, signs_in, shells_complete, bad_input):
        case()
        print("ok", case.__name__, flush=True)
