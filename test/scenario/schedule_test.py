#!/usr/bin/env python3
"""Schedules fire: each second once, also over kill -9; switched off they never fire again; policies; failures.

Schedules with seconds make it quick. The cases of hours and years are those of the simulation (test/sim).
"""
import time

from harness import PROJECT, Server, check, eventually
from schedules import (TRIGGERS, deploy_trigger, due_of, runs_of, schedule_task, switch, trigger, trigger_name,
                       wait_clock, wait_runs)

PROJECTS = "flyteidl2.project.ProjectService"
FAST = ("--cpus", "64", "--abort-grace", "1s")


def metrics(server):
    _, _, body = server.request("GET", "/metrics")
    lines = [line.split(" ") for line in body.decode().splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def each_second_once(server):
    begun = int(time.time())
    schedule_task(server, "once")
    runs = wait_runs(server, "once", 4)
    due = due_of(runs, "once", begun, int(time.time()))
    check(due == list(range(due[0], due[0] + len(due))), f"not each second: {due}")
    check(due[0] - begun <= 1, f"deployed at {begun}, and the first due time is {due[0]}")
    check({run.source for run in runs} == {"RUN_SOURCE_SCHEDULE_TRIGGER"}, [run.source for run in runs])
    first = server.run_action(runs[0].name)
    check(first["metadata"]["triggerName"] == "t", first["metadata"])
    status = trigger(server, "once")["status"]
    check(status.get("triggeredAt"), status)
    counted = metrics(server)
    check(counted['mayfly_schedule_fires_total{kind="scheduled"}'] >= 4, counted)
    check(counted["mayfly_schedules"] >= 1, counted)


def never_again_after_switching_off(server):
    """A witness that goes on firing shows that the time of more due times has come and gone."""
    schedule_task(server, "off")
    schedule_task(server, "witness")
    wait_runs(server, "off", 2)
    switch(server, "off", False)
    after = len(runs_of(server, "off"))
    seen = len(runs_of(server, "witness"))
    wait_runs(server, "witness", seen + 3)
    check(len(runs_of(server, "off")) == after, "a trigger has fired after it was switched off")
    switch(server, "off", True)
    wait_runs(server, "off", after + 1)
    server.call(TRIGGERS, "DeleteTriggers", {"names": [trigger_name("off")]})
    after = len(runs_of(server, "off"))
    seen = len(runs_of(server, "witness"))
    wait_runs(server, "witness", seen + 3)
    check(len(runs_of(server, "off")) == after, "a trigger has fired after it was deleted")
    switch(server, "witness", False)


def killed_between_and_in_fires(server):
    begun = int(time.time())
    schedule_task(server, "killed")
    for _ in range(3):
        wait_runs(server, "killed", len(runs_of(server, "killed")) + 2)
        server.kill()
        wait_clock(int(time.time()) + 3)
        server.start()
    now = int(time.time())
    eventually(lambda: now in due_of(runs_of(server, "killed"), "killed", begun, now + 60), "the present is fired")
    switch(server, "killed", False)
    due = due_of(runs_of(server, "killed"), "killed", begun, int(time.time()))
    check(due == list(range(due[0], due[-1] + 1)), f"seconds are missing or double: {due}")
    check(due[0] - begun <= 1 and due[-1] >= now, (begun, due, now))


def only_the_latest_after_a_stop(server):
    begun = int(time.time())
    schedule_task(server, "latest", catch_up="latest")
    wait_runs(server, "latest", 2)
    server.stop()
    stopped = int(time.time())
    wait_clock(stopped + 5)
    server.start()
    wait_runs(server, "latest", len(runs_of(server, "latest")) + 2)
    switch(server, "latest", False)
    due = due_of(runs_of(server, "latest"), "latest", begun, int(time.time()))
    check(not set(due) & set(range(stopped + 1, stopped + 4)), f"stopped at {stopped}, and fired for {due}")
    check(metrics(server)['mayfly_schedule_skips_total{reason="latest"}'] >= 1, "nothing was skipped")


def overlap(server):
    """Runs of 2.5 s on a schedule of one second."""
    for name, policy in (("skips", "skip"), ("buffers", "buffer-one"), ("cancels", "cancel-other")):
        schedule_task(server, name, "sleep 2.5", overlap=policy)
    schedule_task(server, "allows", "sleep 2.5")

    def open_now(task):
        return [run for run in runs_of(server, task) if run.phase not in ("SUCCEEDED", "ABORTED", "FAILED")]

    eventually(lambda: len(open_now("allows")) >= 2, "runs overlap where they may")
    switch(server, "allows", False)

    def enough():
        for task in ("skips", "buffers", "cancels"):
            check(len(open_now(task)) <= 1, f"runs of {task} overlap")
        phases = [run.phase for run in runs_of(server, "cancels")]
        done = [sum(run.phase == "SUCCEEDED" for run in runs_of(server, task)) for task in ("skips", "buffers")]
        return min(done) >= 2 and phases.count("ABORTED") >= 3
    eventually(enough, "two runs have ended one after another, three were cancelled", 60)
    for task in ("skips", "buffers", "cancels"):
        switch(server, task, False)
    counted = metrics(server)
    check(counted['mayfly_schedule_skips_total{reason="overlap"}'] >= 2, counted)
    check(counted['mayfly_schedule_skips_total{reason="buffer"}'] >= 1, counted)
    check(counted['mayfly_schedule_fires_total{kind="buffered"}'] >= 1, counted)


def limits(server):
    schedule_task(server, "three", max_runs=3)
    schedule_task(server, "fails", "exit 7", pause_after_failures=2)
    schedule_task(server, "counts")
    eventually(lambda: not trigger(server, "fails")["spec"].get("active"), "it is switched off after its failures")
    check(len(runs_of(server, "fails")) >= 2, "switched off before two runs had failed")
    wait_runs(server, "counts", 6)
    check(len(runs_of(server, "three")) == 3, f"{len(runs_of(server, 'three'))} runs of three")
    # Whoever switches it on gives it another chance.
    before = len(runs_of(server, "fails"))
    switch(server, "fails", True)
    wait_runs(server, "fails", before + 1)
    eventually(lambda: not trigger(server, "fails")["spec"].get("active"), "and it fails again")
    switch(server, "counts", False)


def a_fire_that_fails_is_tried_again(server):
    """An archived project takes no runs; once it is back, all that was due gets its run."""
    begun = int(time.time())
    schedule_task(server, "stuck")
    wait_runs(server, "stuck", 1)
    server.call(PROJECTS, "UpdateProject", {"project": {"id": PROJECT, "name": PROJECT,
                                                        "state": "PROJECT_STATE_ARCHIVED"}})
    eventually(lambda: metrics(server)["mayfly_schedule_failing"] >= 1, "it fails")
    check("archived" in server.log(), "why is not in the log")
    server.call(PROJECTS, "UpdateProject", {"project": {"id": PROJECT, "name": PROJECT,
                                                        "state": "PROJECT_STATE_ACTIVE"}})
    now = int(time.time())
    eventually(lambda: now in due_of(runs_of(server, "stuck"), "stuck", begun, now + 90), "it has caught up", 60)
    switch(server, "stuck", False)
    due = due_of(runs_of(server, "stuck"), "stuck", begun, int(time.time()))
    check(due == list(range(due[0], due[-1] + 1)), f"seconds are missing: {due}")
    check(metrics(server)["mayfly_schedule_failing"] == 0, "still failing")


def a_changed_schedule_counts_at_once(server):
    yearly = {"cron": {"expression": "0 0 1 1 *", "timezone": "UTC"}}
    schedule_task(server, "edited", schedule=yearly)
    check(runs_of(server, "edited") == [], "fired for a year that is not over")
    begun = int(time.time())
    deploy_trigger(server, "edited")
    runs = wait_runs(server, "edited", 2)
    due = due_of(runs, "edited", begun, int(time.time()))
    check(due[0] - begun <= 1, (begun, due))
    deploy_trigger(server, "edited", yearly)


with Server(*FAST) as server:
    for case in (each_second_once, never_again_after_switching_off, a_changed_schedule_counts_at_once, overlap, limits,
                 a_fire_that_fails_is_tried_again, only_the_latest_after_a_stop, killed_between_and_in_fires):
        case(server)
        print("ok", case.__name__, flush=True)
