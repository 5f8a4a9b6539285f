#!/usr/bin/env python3
"""Services that are not there on purpose answer unimplemented, in the client's own words, with what to use instead."""

import json

from harness import Server, check

ABSENT = {
    "flyteidl2.app.AppService/Create": "flyte serve --local",
    "flyteidl2.app.AppService/List": "flyte serve --local",
    "flyteidl2.app.AppLogsService/TailLogs": "flyte serve --local",
    "flyteidl2.imagebuilder.ImageService/GetImage": "Python environment",
    "flyteidl2.artifact.ArtifactService/ListArtifactNames": "outputs",
    "flyteidl2.connector.AsyncConnectorService/CreateTask": "Python task",
    "flyteidl2.connector.ConnectorMetadataService/ListConnectors": "Python task",
    "flyteidl2.org.DomainService/ListDomains": "--domains",
}

with Server() as server:
    for path, advice in ABSENT.items():
        for kind in ("application/json", "application/proto"):
            # 404 is what a path that is not mounted answers; fallbacks of the SDK rely on it.
            status, headers, body = server.request("POST", f"/{path}", b"", {"content-type": kind})
            error = json.loads(body)
            check(status == 404 and error["code"] == "unimplemented", (path, kind, status, body))
            check(path in error["message"] and advice in error["message"], error)
        status, headers, body = server.request("POST", f"/{path}", b"\0\0\0\0\0", {"content-type": "application/grpc"})
        headers = {name.lower(): value for name, value in headers.items()}
        check(
            status == 200 and headers.get("grpc-status") == "12" and advice in headers["grpc-message"], (path, headers)
        )
        status, _, _ = server.request("POST", f"/{path}", b"\0\0\0\0\2{}", {"content-type": "application/connect+json"})
        check(status == 404, (path, status))
    # A service that is served is not called absent, whatever the method.
    status, _, body = server.request(
        "POST", "/flyteidl2.project.ProjectService/NoSuchMethod", b"{}", {"content-type": "application/json"}
    )
    check(json.loads(body)["message"] == "flyteidl2.project.ProjectService/NoSuchMethod is not served here", body)
    status, _, body = server.request(
        "POST", "/flyteidl2.app.AppServices/X", b"{}", {"content-type": "application/json"}
    )
    check(json.loads(body)["message"] == "flyteidl2.app.AppServices/X is not served here", body)
