#!/usr/bin/env python3
"""CacheService, both versions: entries, who may replace them, reservations, and tasks that wait for a key."""

import threading
import time

from badinput import BAD, FINE, Table
from harness import CallError, Server, check, eventually, refused, shell_task

V1, V2 = "flyteidl2.cacheservice.CacheService", "flyteidl2.cacheservice.v2.CacheService"


def place(project="p", domain="d"):
    return {"project": project, "domain": domain}


def entry(key, uri="s3://mayfly/out/x", overwrite=None, scope=None, **metadata):
    base = {"key": key, "output": {"outputUri": uri, "metadata": {"keyMap": {"values": {"k": "v"}}, **metadata}}}
    if overwrite:
        base["overwrite"] = overwrite
    return {"identifier": scope or place(), "baseRequest": base}


def get(server, key, scope=None):
    return server.call(V2, "Get", {"identifier": scope or place(), "baseRequest": {"key": key}})["output"]


def reserve(server, key, owner, beat="10s", scope=None):
    base = {"key": key, "ownerId": owner, "heartbeatInterval": beat}
    return server.call(V2, "GetOrExtendReservation", {"identifier": scope or place(), "baseRequest": base})[
        "reservation"
    ]


def release(server, key, owner, scope=None):
    server.call(
        V2, "ReleaseReservation", {"identifier": scope or place(), "baseRequest": {"key": key, "ownerId": owner}}
    )


def at_once(count, function):
    """Calls function(0) … function(count - 1) at the same time; the answers or errors, in order."""
    answers, gate = [None] * count, threading.Barrier(count)

    def one(number):
        gate.wait()
        try:
            answers[number] = function(number)
        except CallError as error:
            answers[number] = error

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def entries(server):
    server.call(V2, "Put", entry("k1", createdAt="2020-01-02T03:04:05Z"))
    first = get(server, "k1")
    check(first["outputUri"] == "s3://mayfly/out/x", first)
    check(first["metadata"]["keyMap"]["values"] == {"k": "v"}, first)
    check(first["metadata"]["createdAt"] == "2020-01-02T03:04:05Z", "created_at is what the request has brought")
    check(first["metadata"]["lastUpdatedAt"] > "2026", first)

    message = refused("already_exists", server.call, V2, "Put", entry("k1", "s3://mayfly/out/y"))
    check("overwrite" in message, message)
    refused("already_exists", server.call, V2, "Put", entry("k1", "s3://mayfly/out/y", {"maxAge": "3600s"}))
    check(get(server, "k1") == first, "a refused put changes nothing")
    server.call(V2, "Put", entry("k1", "s3://mayfly/out/y", {"overwrite": True}))
    second = get(server, "k1")
    check(second["outputUri"] == "s3://mayfly/out/y", second)
    check(second["metadata"]["createdAt"] == "2020-01-02T03:04:05Z", "an overwrite keeps created_at")
    eventually(lambda: put_older(server), "an entry older than max_age is replaced", 10)
    check(get(server, "k1")["outputUri"] == "s3://mayfly/out/z", "it is the new one")

    message = refused("not_found", server.call, V2, "Get", {"identifier": place(), "baseRequest": {"key": "none"}})
    check("none" in message, message)
    server.call(V2, "Delete", {"identifier": place(), "baseRequest": {"key": "k1"}})
    refused("not_found", get, server, "k1")
    refused("not_found", server.call, V2, "Delete", {"identifier": place(), "baseRequest": {"key": "k1"}})


def put_older(server):
    try:
        server.call(V2, "Put", entry("k1", "s3://mayfly/out/z", {"maxAge": "0.05s"}))
        return True
    except CallError as error:
        check(error.code == "already_exists", error)
        return False


def c20_keys_are_not_glued_together(server):
    server.call(V2, "Put", entry("c", "s3://mayfly/one", scope=place("a-b", "d")))
    refused("not_found", get, server, "c", place("a", "b-d"))
    refused("not_found", get, server, "d-c", place("a", "b"))
    server.call(V2, "Put", entry("c", "s3://mayfly/two", scope=place("a", "b-d")))
    check(get(server, "c", place("a-b", "d"))["outputUri"] == "s3://mayfly/one", "each has its own")
    # The organisation is a label that clients fill in as they like.
    check(get(server, "c", place("a-b", "d") | {"org": "acme"})["outputUri"] == "s3://mayfly/one", "with an org, too")


def c20_one_of_eight_puts_wins(server):
    answers = at_once(8, lambda number: server.call(V2, "Put", entry("race", f"s3://mayfly/out/{number}")))
    winners = [number for number, answer in enumerate(answers) if not isinstance(answer, CallError)]
    check(len(winners) == 1, f"one put of eight succeeds: {answers}")
    check(all(answer.code == "already_exists" for answer in answers if isinstance(answer, CallError)), answers)
    check(get(server, "race")["outputUri"] == f"s3://mayfly/out/{winners[0]}", "the winner's entry is kept")


def c20_one_of_eight_reserves_wins(server):
    answers = at_once(8, lambda number: reserve(server, "race2", f"owner-{number}"))
    owners = {answer["ownerId"] for answer in answers}
    check(len(owners) == 1, f"all see the same holder: {answers}")


def c20_heartbeats_are_exact(server):
    held = reserve(server, "beat", "me", "1.7s")
    check(held["heartbeatInterval"] == "1.700s", held)
    check(held["key"] == "beat", "the key is the one of the request")
    held = reserve(server, "beat", "me", "0.2s")
    check(held["heartbeatInterval"] == "0.200s", "less than a second is not nothing")
    check(reserve(server, "beat", "other", "1s")["ownerId"] == "me", "another one is told who has it")
    mine = eventually(
        lambda: [held for held in [reserve(server, "beat", "other", "60s")] if held["ownerId"] == "other"],
        "an expired reservation is taken over",
        5,
    )[0]
    check(mine["heartbeatInterval"] == "10s", "the longest heartbeat")
    release(server, "beat", "me")
    check(reserve(server, "beat", "third")["ownerId"] == "other", "who does not have it cannot release it")
    release(server, "beat", "other")
    release(server, "beat", "other")
    check(reserve(server, "beat", "third", "0s")["heartbeatInterval"] == "10s", "none asked for is the longest")


def c20_expired_ones_are_purged(server):
    def count():
        return int(server.sql("SELECT count(*) FROM cache_reservation WHERE cache_key LIKE 'short-%'")[0][0])

    for number in range(20):
        reserve(server, f"short-{number}", "me", "0.001s")
    check(count() > 0, "they are there")

    def gone():
        for _ in range(64):
            reserve(server, "busy", "me", "10s")
        return count() == 0

    eventually(gone, "what has expired is cleared away by the way", 20)


def version_1(server):
    server.call(V1, "Put", {"key": "old", "output": {"outputUri": "s3://mayfly/v1"}})
    check(server.call(V1, "Get", {"key": "old"})["output"]["outputUri"] == "s3://mayfly/v1", "version 1")
    refused("not_found", get, server, "old")
    held = server.call(V1, "GetOrExtendReservation", {"key": "old", "ownerId": "me", "heartbeatInterval": "1s"})
    check(held["reservation"]["ownerId"] == "me", held)
    server.call(V1, "ReleaseReservation", {"key": "old", "ownerId": "me"})
    server.call(V1, "Delete", {"key": "old"})
    check("key" in refused("invalid_argument", server.call, V1, "Get", {}), "the key is named")


def bad_input(server):
    scope = {
        "identifier": {"missing": FINE, "empty": (BAD, "identifier.project")},
        "baseRequest": {"missing": BAD, "empty": (BAD, "key")},
        "identifier.project": {"missing": BAD, "empty": BAD, "long": (64, BAD)},
        "identifier.domain": {"missing": BAD, "empty": BAD, "long": (64, BAD)},
        "baseRequest.key": {"missing": BAD, "empty": BAD, "long": (513, BAD)},
    }
    owner = {"baseRequest.ownerId": {"missing": BAD, "empty": BAD, "long": (513, BAD)}}
    key = {"identifier": place(), "baseRequest": {"key": "k"}}
    Table(server, V2, "Get", key).check(scope)
    Table(server, V2, "Delete", key).check(scope)
    good = {"identifier": place(), "baseRequest": {"key": "k", "ownerId": "me", "heartbeatInterval": "1s"}}
    Table(
        server, V2, "ReleaseReservation", {"identifier": place(), "baseRequest": {"key": "k", "ownerId": "me"}}
    ).check({**scope, **owner})
    reservation = Table(server, V2, "GetOrExtendReservation", good)
    reservation.check({**scope, **owner, "baseRequest.heartbeatInterval": {"missing": FINE}})
    put = Table(
        server, V2, "Put", entry("bad", overwrite={"overwrite": True, "maxAge": "1s"}, createdAt="2020-01-01T00:00:00Z")
    )
    put.check(
        {
            **scope,
            "baseRequest.output": {"missing": BAD, "empty": (BAD, "output_uri")},
            "baseRequest.output.outputUri": {"missing": BAD, "empty": BAD, "long": (2049, BAD)},
            "baseRequest.output.metadata.createdAt": {"missing": FINE},
            "baseRequest.overwrite": {"missing": FINE},
            "baseRequest.overwrite.overwrite": {"missing": FINE},
            "baseRequest.overwrite.maxAge": {"missing": FINE},
        },
        skip={"baseRequest.output.metadata": "kept as it is"},
    )
    put.refuse({"baseRequest.overwrite.maxAge": "-1s"}, BAD, "max_age")
    put.refuse({"baseRequest.output.metadata.createdAt": "1960-01-01T00:00:00Z"}, BAD, "created_at")
    put.refuse(
        {"baseRequest.output.outputUri": None, "baseRequest.output.outputLiterals": {"literals": {}}}, BAD, "output_uri"
    )


def bad_input_of_version_one(server):
    rows = {"key": {"missing": BAD, "empty": BAD, "long": (513, BAD)}}
    owner = {**rows, "ownerId": {"missing": BAD, "empty": BAD, "long": (513, BAD)}}
    Table(server, V1, "Get", {"key": "k"}).check(rows)
    Table(server, V1, "Delete", {"key": "k"}).check(rows)
    Table(server, V1, "ReleaseReservation", {"key": "k", "ownerId": "me"}).check(owner)
    reservation = {"key": "k", "ownerId": "me", "heartbeatInterval": "1s"}
    Table(server, V1, "GetOrExtendReservation", reservation).check({**owner, "heartbeatInterval": {"missing": FINE}})
    put = Table(server, V1, "Put", {"key": "k", "output": {"outputUri": "s3://mayfly/x"}})
    put.check({
        **rows,
        "output": {"missing": BAD, "empty": (BAD, "output_uri")},
        "output.outputUri": {"missing": BAD, "empty": BAD, "long": (2049, BAD)},
    })


def waiting_tasks_are_woken(server):
    """A task that waits for a key held by somebody else goes on when that ends, not when it would expire."""

    def start():
        return server.create_run(shell_task("true", discoverable=True, discoveryVersion="1", cacheSerializable=True))

    def take():
        """What is shared by all projects has keys without one, as those of version 1."""
        server.call(V1, "Delete", {"key": key})
        held = server.call(V1, "GetOrExtendReservation", {"key": key, "ownerId": "me", "heartbeatInterval": "10s"})
        check(held["reservation"]["ownerId"] == "me", held)

    def held(run):
        """The task has looked, found the key taken, and does not run."""
        eventually(lambda: cached_rows(server)[0] == "me", "the reservation is still ours")
        time.sleep(0.3)  # for a task that does not wait to show itself; one that waits is not affected
        check(server.phase(run) not in ("ACTION_PHASE_RUNNING", "ACTION_PHASE_SUCCEEDED"), "it waits for the key")

    server.wait_run(start())
    key = cached_rows(server)[1]
    uri = server.call(V1, "Get", {"key": key})["output"]["outputUri"]

    take()
    run = start()
    held(run)
    server.call(V1, "ReleaseReservation", {"key": key, "ownerId": "me"})
    check(server.wait_run(run, 15)["status"].get("cacheStatus") != "CACHE_HIT", "woken by the release, it runs")

    take()
    run = start()
    held(run)
    server.call(V1, "Put", {"key": key, "output": {"outputUri": uri}})
    check(server.wait_run(run, 15)["status"].get("cacheStatus") == "CACHE_HIT", "woken by the entry, it need not run")
    check(cached_rows(server)[0] == "me", "the reservation was held all the time")


def cached_rows(server):
    """The holder of the newest reservation of all projects, and the key of the newest entry."""
    holders = server.sql("SELECT owner FROM cache_reservation WHERE project = '' AND owner = 'me'")
    keys = server.sql("SELECT cache_key FROM cache_entry WHERE project = '' ORDER BY updated_at")
    return holders[-1][0] if holders else None, keys[-1][0] if keys else None


with Server() as server:
    entries(server)
    c20_keys_are_not_glued_together(server)
    c20_one_of_eight_puts_wins(server)
    c20_one_of_eight_reserves_wins(server)
    c20_heartbeats_are_exact(server)
    c20_expired_ones_are_purged(server)
    version_1(server)
    bad_input(server)
    bad_input_of_version_one(server)
    waiting_tasks_are_woken(server)
