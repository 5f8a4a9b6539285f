#!/usr/bin/env python3
"""Who calls: anonymous servers, headers of a proxy, tokens that are verified; where clients sign in."""

import contextlib
import json
import re
import socket
import threading

from badinput import Table
from harness import FOLDER, RUNS, CallError, Server, check, eventually, refused, run_id, shell_task
from issuer import Issuer, Key, b64, openssl, unsigned

IDENTITY, METADATA = "flyteidl2.auth.IdentityService", "flyteidl2.auth.AuthMetadataService"
WELL_KNOWN = "/.well-known/oauth-authorization-server"
CLUSTER = "flyteidl2.cluster.ClusterService"


def call(server, service, method, message=None, **headers):
    headers = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    status, _, body = server.request("POST", f"/{service}/{method}", json.dumps(message or {}), headers)
    answer = json.loads(body) if body else {}
    if status != 200:
        raise CallError(status, answer.get("code"), answer.get("message"))
    return answer


def user(server, **headers):
    return call(server, IDENTITY, "UserInfo", **headers)


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def creator(server, name, **headers):
    call(server, RUNS, "CreateRun", {"runId": run_id(name), "taskSpec": shell_task("true"), "inputs": {}}, **headers)
    details = call(server, RUNS, "GetRunDetails", {"runId": run_id(name)}, **headers)["details"]
    return details["action"]["metadata"].get("executedBy", {}).get("user", {})


def c18_headers_are_not_believed_unasked(server):
    headers = {
        "x_amzn_oidc_data": unsigned({"sub": "mallory"}),
        "x_amzn_oidc_identity": "mallory",
        **bearer(unsigned({"sub": "mallory"})),
    }
    message = refused("unauthenticated", user, server, **headers)
    check("identity" in message, message)
    Table(server, IDENTITY, "UserInfo", {}).refuse_message({}, "unauthenticated", "identity", "anonymous")
    check(creator(server, "anonymous", **headers) == {}, "and nothing of it is recorded")


def no_authority(server):
    refused("unimplemented", call, server, METADATA, "GetOAuth2Metadata")
    status, headers, body = server.request("GET", WELL_KNOWN)
    check(
        status == 501 and headers["content-type"].startswith("text/plain") and b"without authentication" in body, body
    )
    check(server.request("POST", WELL_KNOWN)[0] == 405, "other verbs are not served")
    check(server.request("GET", "/.well-known/openid-configuration")[0] == 404, "this is no issuer")


def c19_client_config_without_endpoint(server):
    config = call(server, METADATA, "GetPublicClientConfig")
    check(config["authorizationMetadataKey"] == "authorization", config)
    check("dataplaneDomain" not in config and "serviceHttpEndpoint" not in config, "no loopback address is handed out")


def c26_cluster_endpoint_follows_the_host(server):
    own = call(server, CLUSTER, "SelectCluster", {"operation": "OPERATION_UPLOAD_INPUTS"})
    check(own["clusterEndpoint"] == server.url, own)
    other = call(server, CLUSTER, "SelectCluster", host="flyte.example.org", x_forwarded_proto="https, http")
    check(other["clusterEndpoint"] == "https://flyte.example.org", other)
    check(call(server, CLUSTER, "SelectCluster", host="evil/path") == {}, "no host, no endpoint")


@contextlib.contextmanager
def behind_a_proxy(*flags, name):
    """A server that clients know by another address; the calls here go to it directly."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(*flags, name=name)
    server.port = port
    with server:
        server.host, server.port = "127.0.0.1", port
        yield server


def trusted_headers():
    with behind_a_proxy(
        "--trust-identity-headers",
        "--identity-email-header",
        "X-Forwarded-Email",
        "--endpoint",
        "https://flyte.example.org:443",
        "--auth-client-id",
        "cli",
        "--auth-scopes",
        "all,offline",
        "--auth-token-header",
        "x-token",
        name="trusting",
    ) as server:
        full = {
            "sub": "alice",
            "email": "a@example.org",
            "given_name": "Alice",
            "family_name": "A",
            "preferred_username": "al",
            "picture": "https://example.org/a.png",
            "unknown": {"a": [1]},
        }
        answer = user(server, x_amzn_oidc_data=unsigned(full))
        check(
            answer
            == {
                "subject": "alice",
                "name": "Alice A",
                "preferredUsername": "al",
                "givenName": "Alice",
                "familyName": "A",
                "email": "a@example.org",
                "picture": "https://example.org/a.png",
            },
            answer,
        )
        check(user(server, x_amzn_oidc_data=unsigned(full, padded=True))["subject"] == "alice", "padding is fine")
        answer = user(server, x_amzn_oidc_identity="bob", x_forwarded_email="b@example.org")
        check(answer["subject"] == "bob" and answer["email"] == "b@example.org", answer)
        # The token of the caller goes in the header that clients are told to use.
        check(user(server, x_token="bearer " + unsigned({"sub": "carol"}))["subject"] == "carol", "a bearer token")
        check(
            user(server, x_amzn_oidc_data=unsigned(full), x_amzn_oidc_identity="bob")["subject"] == "alice",
            "claims come first",
        )
        check(
            user(server, x_amzn_oidc_data="a.b", x_amzn_oidc_identity="bob")["subject"] == "bob",
            "a malformed one is skipped",
        )
        check(
            user(server, x_amzn_oidc_data=unsigned({"email": "x"}), x_amzn_oidc_identity="bob")["subject"] == "bob",
            "no sub",
        )
        for headers in (
            {"x_token": "Basic YTpi"},
            {"x_token": "Bearer a.b.c"},
            {"x_token": "Bearer " + unsigned({"sub": 7})},
        ):
            refused("unauthenticated", user, server, **headers)
        who = creator(server, "alices", x_amzn_oidc_data=unsigned(full))
        check(
            who["id"]["subject"] == "alice"
            and who["spec"]["firstName"] == "Alice"
            and who["spec"]["email"] == "a@example.org",
            who,
        )
        mine = call(
            server,
            RUNS,
            "ListRuns",
            {
                "projectId": {"name": "flytesnacks", "domain": "development"},
                "request": {"filters": [{"function": "EQUAL", "field": "created_by", "values": ["alice"]}]},
            },
        )["runs"]
        check(len(mine) == 1, "the list can be filtered by who has created a run")

        config = call(server, METADATA, "GetPublicClientConfig")
        check(
            config
            == {
                "clientId": "cli",
                "redirectUri": "http://localhost:53593/callback",
                "scopes": ["all", "offline"],
                "authorizationMetadataKey": "x-token",
                "serviceHttpEndpoint": "https://flyte.example.org:443",
                "dataplaneDomain": "flyte.example.org:443",
            },
            config,
        )
        # c26: what was configured wins over what a client claims to have asked.
        answer = call(server, CLUSTER, "SelectCluster", host="evil.example.org", x_forwarded_proto="http")
        check(answer["clusterEndpoint"] == "https://flyte.example.org:443", answer)
        check(
            call(server, CLUSTER, "SelectCluster")["clusterEndpoint"] == f"http://{server.host}:{server.port}",
            "whoever came directly stays",
        )


def start_verifying(issuer, *flags, name="verifying"):
    return Server("--auth-issuer", issuer.url, "--auth-audience", "mayfly", *flags, name=name)


def verified_tokens(server, issuer, rsa, ec):
    alice = rsa.sign(issuer.claims())
    message = refused("unauthenticated", user, server)
    check("sign in" in message, message)
    refused("unauthenticated", call, server, RUNS, "GetRunDetails", {"runId": run_id("x")})
    check(user(server, **bearer(alice))["email"] == "alice@example.org", "RS256")
    check(
        user(server, **bearer(ec.sign(issuer.claims(sub="eve", aud=["other", "mayfly"]))))["subject"] == "eve", "ES256"
    )
    check(creator(server, "hers", **bearer(alice))["id"]["subject"] == "alice", "who has created the run")
    fetched = issuer.count("/keys")
    for _ in range(5):
        user(server, **bearer(alice))
    check(issuer.count("/keys") == fetched, "keys are kept")

    now = issuer.claims()["iat"]
    other = Key("rsa-1-twin")
    other.kid = rsa.kid
    head, body, signature = alice.split(".")
    forged = json.loads(json.dumps(issuer.claims(sub="root")))
    bad = {
        "expired": rsa.sign(issuer.claims(exp=now - 120)),
        "no expiry": rsa.sign(issuer.claims(exp=None)),
        "not yet": rsa.sign(issuer.claims(nbf=now + 600)),
        "another audience": rsa.sign(issuer.claims(aud="other")),
        "no audience": rsa.sign(issuer.claims(aud=None)),
        "another issuer": rsa.sign(issuer.claims(iss="https://evil")),
        "no subject": rsa.sign(issuer.claims(sub=None)),
        "a number as subject": rsa.sign(issuer.claims(sub=7)),
        "another key of the same name": other.sign(issuer.claims()),
        "other claims": f"{head}.{b64(json.dumps(forged).encode())}.{signature}",
        "no signature": f"{head}.{body}.",
        "alg none": f"{b64(json.dumps({'alg': 'none'}).encode())}.{body}.",
        "alg HS256": rsa.sign(issuer.claims(), alg="HS256"),
        "RS256 with the key of ES256": rsa.sign(issuer.claims(), kid=ec.kid),
        "critical": rsa.sign(issuer.claims(), crit=["x"]),
        "short": "a.b",
        "long": "a" * 40000 + ".b.c",
        "no JSON": "YQ.YQ.YQ",
    }
    for what, token in bad.items():
        message = refused("unauthenticated", user, server, **bearer(token))
        check(message, what)
    # Headers of a proxy count for nothing here.
    refused("unauthenticated", user, server, x_amzn_oidc_identity="mallory", x_amzn_oidc_data=alice)
    for service, method, message in ((METADATA, "GetPublicClientConfig", {}), ("grpc.health.v1.Health", "Check", {})):
        call(server, service, method, message)
    check(server.request("GET", "/readyz")[0] == 200, "health needs no token")


def tasks_have_keys(server, rsa, issuer):
    """A task is given an address of its own to call back, which is good while its run goes on."""
    address, gate = FOLDER / "address", FOLDER / "gate"
    alice = bearer(rsa.sign(issuer.claims()))
    wait = f"while [ ! -e {gate} ]; do sleep 0.05; done"
    script = f'echo "$_U_EP_OVERRIDE" > {address}.new; mv {address}.new {address}; {wait}'
    call(server, RUNS, "CreateRun", {"runId": run_id("keyed"), "taskSpec": shell_task(script), "inputs": {}}, **alice)
    eventually(address.exists, "the task runs")
    host, prefix = address.read_text().strip().split("/", 1)
    check(host == f"{server.host}:{server.port}" and prefix.startswith("task-key/"), prefix)

    def ask(prefix, service, method, message=None):
        return call(server, f"{prefix}/{service}", method, message)

    check(
        ask(prefix, IDENTITY, "UserInfo")["email"] == "alice@example.org", "it calls for the one who has made the run"
    )
    child = shell_task("true")
    ask(
        prefix,
        "flyteidl2.actions.ActionsService",
        "Enqueue",
        {
            "action": {
                "actionId": {"run": run_id("keyed"), "name": "child"},
                "parentActionName": "a0",
                "runOutputBase": "s3://mayfly/out/",
                "inputUri": "s3://mayfly/in/inputs.pb",
                "task": {"id": child["taskTemplate"]["id"], "spec": child},
            }
        },
    )
    check(ask(prefix, CLUSTER, "SelectCluster") == {}, "it stays at its address")
    forged = prefix[:-2] + ("AA" if prefix[-2:] != "AA" else "BB")
    for wrong in (forged, "task-key/x", "task-key/" + "A" * 54):
        refused("unauthenticated", ask, wrong, IDENTITY, "UserInfo")
    refused("unauthenticated", user, server)
    gate.touch()
    eventually(lambda: refused_or_none(ask, prefix), "the key ends with the run")


def refused_or_none(ask, prefix):
    try:
        return ask(prefix, IDENTITY, "UserInfo") and None
    except CallError as error:
        check(error.code == "unauthenticated" and "over" in error.message, error)
        return error


def a_new_key_is_fetched(server, issuer, rsa, ec):
    """An issuer that has changed its keys is asked again, but not by every unknown token."""
    new = Key("rsa-2")
    issuer.keys([rsa, ec, new])
    token = new.sign(issuer.claims(sub="dora"))

    def accepted():
        try:
            return user(server, **bearer(token))["subject"] == "dora"
        except CallError as error:
            check(error.code == "unauthenticated", error)
            return False

    eventually(accepted, "the new key is known", 20)
    before = issuer.count("/keys")
    stranger = Key("rsa-3")
    for _ in range(10):
        refused("unauthenticated", user, server, **bearer(stranger.sign(issuer.claims())))
    check(issuer.count("/keys") - before <= 2, "unknown keys do not hammer the issuer")


def profiles(rsa):
    issuer = Issuer()
    issuer.keys([rsa], userinfo=True)
    issuer.answers["/userinfo"] = (
        200,
        {"sub": "alice-of-userinfo", "email": "p@example.org", "given_name": "Al", "family_name": "Ice"},
    )
    with start_verifying(issuer, name="profiles") as server:
        bare = {"email": None, "name": None}
        token = rsa.sign(issuer.claims(**bare))
        answer = user(server, **bearer(token))
        check(
            answer["subject"] == "alice-of-userinfo"
            and answer["email"] == "p@example.org"
            and answer["name"] == "Al Ice",
            answer,
        )
        check(
            issuer.headers["/userinfo"]["authorization"] == f"Bearer {token}",
            "the caller's token is what is asked with",
        )
        user(server, **bearer(token))
        check(issuer.count("/userinfo") == 1, "a profile is kept with its token")
        user(server, **bearer(rsa.sign(issuer.claims(jti="2", **bare))))
        check(issuer.count("/userinfo") == 2, "another token is asked for anew")
        user(server, **bearer(rsa.sign(issuer.claims(jti="3"))))
        check(issuer.count("/userinfo") == 2, "a complete profile is not asked for")
        issuer.answers["/userinfo"] = (500, {})
        check(
            user(server, **bearer(rsa.sign(issuer.claims(jti="4", **bare))))["subject"] == "alice",
            "without one the subject counts",
        )
        issuer.answers["/userinfo"] = (200, {"email": "nobody@example.org"})
        answer = user(server, **bearer(rsa.sign(issuer.claims(jti="5", **bare))))
        check(answer["subject"] == "alice" and "email" not in answer, "a profile of nobody is none")
    issuer.close()


def one_look_for_many_calls(rsa):
    """Calls that bring the same new token at the same time wait for one answer; a server that stops does so, too."""
    issuer = Issuer()
    issuer.keys([rsa], userinfo=True)
    asked, go_on = threading.Event(), threading.Event()

    def slow(headers):
        asked.set()
        go_on.wait(20)
        return 200, {"sub": "alice", "email": "slow@example.org", "name": "S"}

    issuer.answers["/userinfo"] = slow
    answers = []
    with start_verifying(issuer, name="slow") as server:
        token = rsa.sign(issuer.claims(email=None))
        threads = [threading.Thread(target=lambda: answers.append(user(server, **bearer(token)))) for _ in range(8)]
        for thread in threads:
            thread.start()
        check(asked.wait(20), "the profile is asked for")
        # Another token's calls go on meanwhile.
        check(user(server, **bearer(rsa.sign(issuer.claims(sub="bob"))))["subject"] == "bob", "others are not held up")
        eventually(
            lambda: re.search(rb'mayfly_rpc_started_total\{[^}]*UserInfo"\} 9\n', server.request("GET", "/metrics")[2]),
            "all nine calls are there",
        )
        server.process.terminate()
        go_on.set()
        for thread in threads:
            thread.join()
        check(server.process.wait(60) == 0, "a clean end")
    check([answer["email"] for answer in answers] == ["slow@example.org"] * 8, answers)
    check(issuer.count("/userinfo") == 1, "one look")
    issuer.close()


def issuer_over_tls(rsa):
    """Certificates of issuers are checked, against the authorities that were named."""
    ca, leaf = (FOLDER / "ca.crt", FOLDER / "ca.key"), (FOLDER / "leaf.crt", FOLDER / "leaf.key")
    new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split()
    openssl(*new, "-subj", "/CN=ca", "-out", ca[0], "-keyout", ca[1])
    extensions = "-addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:FALSE".split()
    openssl(*new, "-subj", "/CN=leaf", "-out", leaf[0], "-keyout", leaf[1], "-CA", ca[0], "-CAkey", ca[1], *extensions)
    issuer = Issuer(leaf)
    issuer.keys([rsa])
    token = rsa.sign(issuer.claims())
    with start_verifying(issuer, "--outgoing-ca", ca[0], name="tls-known") as server:
        check(user(server, **bearer(token))["subject"] == "alice", "an issuer with a certificate of a known authority")
    with start_verifying(issuer, name="tls-unknown") as server:
        message = refused("unavailable", user, server, **bearer(token))
        check("certificate" in message.lower() or "ssl" in message.lower(), message)
    issuer.close()


def issuer_in_trouble(rsa):
    issuer = Issuer()
    issuer.answers["/.well-known/openid-configuration"] = (503, {})
    issuer.answers["/custom/metadata"] = (200, {"issuer": "elsewhere"})
    (FOLDER / "metrics-token").write_text("let me read\n")
    token = ("--metrics-token-file", FOLDER / "metrics-token")
    with start_verifying(issuer, "--auth-metadata", "custom/metadata", *token, name="trouble") as server:
        for header in ("", "Bearer let me", "Bearer let me reaD", "let me read"):
            status, _, body = server.request("GET", "/metrics", headers={"authorization": header})
            check(status == 401 and b"mayfly_" not in body, "metrics want their token")
        status, _, body = server.request("GET", "/metrics", headers={"authorization": "Bearer let me read"})
        check(status == 200 and b"mayfly_" in body, "and are shown with it")
        check(call(server, METADATA, "GetOAuth2Metadata") == {"issuer": "elsewhere"}, "at another path")
        message = refused("unavailable", user, server, **bearer(rsa.sign(issuer.claims())))
        check("503" in message, message)
        issuer.keys([rsa])

        def accepted():
            try:
                return user(server, **bearer(rsa.sign(issuer.claims())))["subject"] == "alice"
            except CallError as error:
                check(error.code == "unavailable", error)
                return False

        eventually(accepted, "the issuer is asked again", 20)
    issuer.close()


def metadata_is_passed_on(server, issuer):
    document = {
        "issuer": issuer.url,
        "token_endpoint": f"{issuer.url}/token",
        "grant_types_supported": ["authorization_code"],
        "unknown": {"x": 1},
    }
    path = WELL_KNOWN
    issuer.answers[path] = (404, {})
    refused("failed_precondition", call, server, METADATA, "GetOAuth2Metadata")
    check(issuer.count(path) == 1, "what is wrong for good is not tried again")
    check(server.request("GET", path)[0] == 502, "nor over plain HTTP")
    issuer.answers[path] = (200, b"x" * (1 << 20) + b"x")
    message = refused("failed_precondition", call, server, METADATA, "GetOAuth2Metadata")
    check("longer" in message, message)
    troubles = iter([(500, {})])
    issuer.answers[path] = lambda headers: next(troubles, (200, document))
    before = issuer.count(path)
    answer = call(server, METADATA, "GetOAuth2Metadata")
    check(
        answer
        == {
            "issuer": issuer.url,
            "tokenEndpoint": f"{issuer.url}/token",
            "grantTypesSupported": ["authorization_code"],
        },
        answer,
    )
    check(issuer.count(path) == before + 2, "a passing trouble is tried again")
    # c19: the plain document has the names of RFC 8414.
    status, headers, body = server.request("GET", path)
    check(status == 200 and headers["content-type"] == "application/json", headers)
    check(json.loads(body) == {name: value for name, value in document.items() if name != "unknown"}, body)
    check(issuer.count(path) == before + 2, "and is kept")


def wrong_configuration():
    for flags, word in (
        (["--auth-issuer", "issuer"], "auth-issuer"),
        (["--auth-audience", "x"], "auth-issuer"),
        (["--identity-subject-header", "a b"], "identity-subject-header"),
        (["--auth-token-header", ""], "auth-token-header"),
    ):
        try:
            with Server(*flags, name="wrong"):
                raise RuntimeError(f"{flags} were accepted")
        except AssertionError as error:
            check(word in str(error), f"{flags}: {error}")


with Server() as anonymous:
    c18_headers_are_not_believed_unasked(anonymous)
    no_authority(anonymous)
    c19_client_config_without_endpoint(anonymous)
    c26_cluster_endpoint_follows_the_host(anonymous)
trusted_headers()
RSA, EC = Key("rsa-1"), Key("ec-1", "EC")
ISSUER = Issuer()
ISSUER.keys([RSA, EC])
with start_verifying(ISSUER) as verifying:
    verified_tokens(verifying, ISSUER, RSA, EC)
    tasks_have_keys(verifying, RSA, ISSUER)
    a_new_key_is_fetched(verifying, ISSUER, RSA, EC)
    metadata_is_passed_on(verifying, ISSUER)
ISSUER.close()
profiles(RSA)
one_look_for_many_calls(RSA)
issuer_over_tls(RSA)
issuer_in_trouble(RSA)
wrong_configuration()
